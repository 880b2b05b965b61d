/* test_faults.c - whole disputes in which the n-th allocation fails, for n = 1, 2, ... until none
 * does, once and for good: the error is "no memory" and a sentence, never a verdict, and nothing
 * leaks. What failed once and is asked for again goes on as if it had not. V-011 of
 * docs/PROTOCOL.md. */
#include <criterion/criterion.h>

#include "game_real.h"

/* ---- disputes that meet every place where memory is taken ---------------------------- */

typedef struct {
    real_tensors *tensors;
    vd_job *job;
    real_side *truth, *liar, *second;
    real_host h;
    uint64_t guilty, questions; /* questions: what an undisturbed game asks */
    uint64_t *parts; /* the liar's */
} dispute;

enum { SUM = 300001 }; /* over RF_PARTIAL_BYTES: explained by parts */

static dispute begin(void)
{
    dispute d;
    memset(&d, 0, sizeof d);
    d.tensors = calloc(1, sizeof *d.tensors);
    d.tensors->arena = ro_arena_new();
    return d;
}

/* Party 0 lies. */
static void meet(dispute *d, real_side *liar)
{
    d->liar = liar;
    d->h.job = d->job;
    d->h.tensors = d->tensors;
    d->h.truth = d->truth;
    d->h.sides[0] = liar;
    d->h.sides[1] = d->truth;
    d->h.count = 2;
    d->guilty = 1;
}

static void end(dispute *d)
{
    free(d->liar);
    free(d->second);
    free(d->truth);
    ro_free(d->parts);
    ro_arena_free(d->tensors->arena);
    free(d->tensors);
}

static dispute mixed(uint32_t segment, real_fault fault, world_plan plan)
{
    dispute d = begin();
    d.job = real_mixed(d.tensors, segment, 2);
    d.truth = real_run(d.tensors, d.job, NULL, 0, NULL, 0);
    meet(&d, real_run(d.tensors, d.job, &fault, 1, &plan, 1));
    return d;
}

static dispute by_element(void)
{
    return mixed(0, (real_fault){2, REAL_ADD, 0, 1300, 1, 0}, (world_plan){0});
}
static dispute by_wiring(void)
{
    return mixed(0, (real_fault){0}, (world_plan){4, 0, LIE_STATE, 1});
}
static dispute by_operator(void)
{
    dispute d = mixed(0, (real_fault){3, REAL_POOL, 1, 2, 1, 0}, (world_plan){0});
    d.h.deaf_kinds = 1u << RF_Q_OPERANDS;
    return d;
}
static dispute by_claims(void)
{
    dispute d = mixed(2, (real_fault){5, REAL_NEG, 0, 2, 1, 0}, (world_plan){0});
    real_claim(&d.h, d.liar, d.liar, 2, 1);
    real_claim(&d.h, d.truth, d.truth, 2, 1);
    return d;
}
static dispute by_filed_claims(void)
{
    dispute d = by_claims();
    d.h.online = 1;
    return d;
}
static dispute by_body(void)
{
    dispute d = mixed(2, (real_fault){0}, (world_plan){0});
    d.liar->w.body.last_state.b[0] ^= 1;
    world_seal(&d.liar->w);
    return d;
}
/* Two liars and a truth: two pairs, one after the other. */
static dispute by_two_pairs(void)
{
    const real_fault fault = {3, REAL_NEG, 0, 1, 2, 0};
    dispute d = by_element();
    d.second = real_run(d.tensors, d.job, &fault, 1, NULL, 0);
    d.h.sides[2] = d.second;
    d.h.count = 3;
    d.guilty = 5;
    return d;
}
/* Nobody shows anything: what is recorded is absences. */
static dispute by_silence(void)
{
    dispute d = mixed(0, (real_fault){2, REAL_ADD, 0, 1300, 1, 0}, (world_plan){0});
    d.h.deaf_kinds = 1u << RF_Q_HASHES;
    return d;
}

static dispute by_parts(void)
{
    static float x[SUM];
    const ro_type type = ro_type_of(RO_F32, 1, (int64_t[]){SUM});
    ro_err err = {RO_OK, {0}};
    dispute d = begin();
    d.job = real_job(d.tensors, 1, 1, 0);
    ro_graph *g = (ro_graph *)(uintptr_t)d.job->phases[0].graph;
    for (uint32_t k = 0; k < SUM; k++) x[k] = 1.0f + (float)(k % 7);
    ro_value c = real_constant(d.tensors, d.job, g, &type, x);
    (void)real_slot(d.job, g, 2);
    ro_value y = real_emit(g, RO_OP_ReduceSum, NULL, &c, 1, 1);
    real_ends(d.job, g, RO_NO_VALUE, y, &y, 1);
    must(vd_job_seal(d.job, &err), &err);
    d.truth = real_run(d.tensors, d.job, NULL, 0, NULL, 0);
    const void *data[1] = {x};
    rf_node n;
    rf_node_init(&n, d.job, 0, 0, &d.job->constants[0].digest);
    const ro_reader r = {n.in, n.out, 1, 1, data, NULL, NULL};
    uint32_t levels;
    must(ro_explain_all(n.node->op, &r, n.node->attrs, 0, 0, &levels, d.h.parts_count, &d.parts,
                        &err), &err);
    meet(&d, real_run(d.tensors, d.job, &(real_fault){0, 0, 0, 0, 1u << 10, 0}, 1, NULL, 0));
    d.h.parts[1] = d.parts; /* the liar explains nothing: then the element is computed whole */
    return d;
}

/* Online the liar forfeits. */
static dispute by_filed_parts(void)
{
    dispute d = by_parts();
    d.h.online = 1;
    return d;
}

/* ---- playing with failures ----------------------------------------------------------- */

static int again; /* what fails for want of memory is asked for once more */
static int once_more(ro_status status, ro_err *err)
{
    if (status != RO_ENOMEM || !again) return 0;
    *err = (ro_err){RO_OK, {0}};
    return 1;
}
#define TRY(call)                                              \
    do {                                                       \
        ro_status try_ = (call);                               \
        if (once_more(try_, err)) try_ = (call);               \
        if (try_) return try_;                                 \
    } while (0)

static ro_status play(real_host *h, uint8_t *out, rf_game **g, ro_err *err)
{
    rf_party parties[4];
    rf_question open[RF_OPEN_MAX];
    uint32_t count;
    *g = NULL;
    for (uint32_t k = 0; k < h->count; k++) parties[k] = h->sides[k]->w.party;
    const uint32_t claims = h->online ? 0 : h->claim_count;
    const rf_setup s = {h->job, parties,   h->count,      h->claims,
                        claims, h->online, h->job->digest};
    TRY(rf_game_new(&s, g, err));
    for (;;) {
        TRY(rf_game_next(*g, open, &count, err));
        if (count == 0) return RO_OK;
        for (uint32_t k = 0; k < count; k++) TRY(real_answer(h, *g, &open[k], out, err));
    }
}

/* And then the evidence, where there is any. */
static ro_status play_and_write(real_host *h, uint8_t *out, rf_game **g, ro_err *err)
{
    rf_signer traces[2], claims[2];
    uint32_t sides[2], used[2];
    uint8_t *bytes = NULL;
    size_t size;
    rf_evidence e;
    RO_TRY(play(h, out, g, err));
    if (!rf_evidence_sides(*g, sides, used)) return RO_OK;
    memset(traces, 0, sizeof traces);
    memset(claims, 0, sizeof claims);
    for (int k = 0; k < 2; k++) traces[k].backend[0] = claims[k].backend[0] = 'x';
    TRY(rf_evidence_write(*g, traces, claims, &bytes, &size, err));
    ro_status st = rf_evidence_check(bytes, size, &e, err);
    if (once_more(st, err)) st = rf_evidence_check(bytes, size, &e, err);
    ro_free(bytes);
    return st;
}

/* The n-th allocation fails, alone or with all that follow. */
static ro_status fail_at(dispute *d, uint8_t *out, uint64_t n, int persistent, rf_method method)
{
    rf_game *g = NULL;
    ro_err err = {RO_OK, {0}};
    d->h.questions = 0;
    d->h.no_memory = 0;
    ro_alloc_fail_at(n, persistent);
    ro_status st = play_and_write(&d->h, out, &g, &err);
    ro_alloc_fail_at(0, 0);
    cr_assert(st == RO_OK || st == RO_ENOMEM, "allocation %u: %s", (unsigned)n, err.msg);
    if (st) {
        cr_assert(err.code == RO_ENOMEM && err.msg[0], "allocation %u", (unsigned)n);
    } else {
        const rf_verdict *v = rf_game_verdict(g);
        cr_assert_eq(world_guilty(g), d->guilty, "allocation %u: %s", (unsigned)n, v->why);
        cr_assert_eq(v->method, method, "allocation %u: %s", (unsigned)n, v->why);
        if (!d->questions) d->questions = v->questions;
        cr_assert_eq(v->questions, d->questions, "allocation %u", (unsigned)n);
    }
    rf_game_free(g);
    return st;
}

/* For good first: the first n that nothing meets is one more than the allocations there are.
 * least: the allocations that such a dispute takes; fewer, and a place is not met any more. */
static void fail_each(dispute (*make)(void), rf_method method, uint64_t least)
{
    dispute d = make();
    uint8_t *out = malloc(REAL_ROOM);
    uint64_t all = 1;
    while (fail_at(&d, out, all, 1, method) == RO_ENOMEM) all++;
    cr_assert(all > least, "%u allocations", (unsigned)all - 1);
    for (uint64_t n = 1; n < all; n++) {
        cr_assert_eq(fail_at(&d, out, n, 0, method), RO_ENOMEM, "allocation %u", (unsigned)n);
        again = 1;
        cr_assert_eq(fail_at(&d, out, n, 0, method), RO_OK, "allocation %u", (unsigned)n);
        again = 0;
    }
    free(out);
    end(&d);
}

Test(faults, by_element, .timeout = 120) { fail_each(by_element, RF_BY_ELEMENT, 50); }
Test(faults, by_wiring, .timeout = 120) { fail_each(by_wiring, RF_BY_NONE, 12); }
Test(faults, by_operator, .timeout = 120) { fail_each(by_operator, RF_BY_OPERATOR, 13); }
Test(faults, by_claims, .timeout = 120) { fail_each(by_claims, RF_BY_ELEMENT, 54); }
Test(faults, by_filed_claims, .timeout = 120) { fail_each(by_filed_claims, RF_BY_ELEMENT, 55); }
Test(faults, by_body, .timeout = 120) { fail_each(by_body, RF_BY_NONE, 9); }
Test(faults, by_two_pairs, .timeout = 120) { fail_each(by_two_pairs, RF_BY_ELEMENT, 72); }
Test(faults, by_silence, .timeout = 120) { fail_each(by_silence, RF_BY_SEGMENT, 7); }
Test(faults, by_parts, .timeout = 300) { fail_each(by_parts, RF_BY_ELEMENT, 57); }
Test(faults, by_filed_parts, .timeout = 300) { fail_each(by_filed_parts, RF_BY_NONE, 25); }
