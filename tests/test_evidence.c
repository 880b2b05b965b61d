/* test_evidence.c - disputes over real files, and their evidence: every flip, every cut, partial
 * results, two implementations that differ, stores with holes.
 *
 * Names carry the threats of docs/THREATS.md that they test. */
#include <criterion/criterion.h>

#include "dispute_files.h"

static const float ZEROS[12];
static const void *const CONSTANTS[1] = {ZEROS}; /* the small job's x */

static fixture set_up(uint32_t segment)
{
    fixture f;
    fixture_open(&f);
    f.constants = CONSTANTS;
    must(small_job(f.arena, 1, 3, segment, 2, &f.job, &f.err), &f.err);
    return f;
}

static rf_game *play(fixture *f, rf_files *x) { return play_files(f, x, 1); }

/* ---- verdicts by element, and that their evidence follows ------------------------------- */

static void check_flip(fixture *f, uint64_t step, uint32_t node, int keyed)
{
    vd_fault fault = {step, {node, 0, 3, 0}};
    rf_files x;
    rf_evidence e;
    size_t size;
    run_party(f, 'b', keyed, &fault, 1, step);
    open_files(f, &x, f->job->segment != 0);
    rf_game *g = play(f, &x);
    const rf_verdict *v = rf_game_verdict(g);
    cr_assert(v->kind == RF_OUTPUT && v->method == RF_BY_ELEMENT, "step %u node %u: %s",
              (unsigned)step, node, v->why);
    cr_assert(v->step == step && v->node == node && v->element == 0 && !v->provisional);
    cr_assert(v->guilty_count == 1 && v->guilty[0].party == 1);
    cr_assert_eq(v->elements_recomputed, 1);
    uint8_t *bytes = evidence_of(f, &x, g, &size);
    must(rf_evidence_check(bytes, size, &e, &f->err), &f->err);
    cr_assert(e.step == step && e.node == node && e.element == 0);
    cr_assert_eq(e.guilty[v->sides[0] == 1 ? 0 : 1], 1);
    cr_assert_eq(e.guilty[v->sides[0] == 1 ? 1 : 0], 0);
    cr_assert_eq(e.checked[0] && e.checked[1], keyed);
    for (uint32_t k = 0; k < 2; k++) {
        rf_signer s;
        signer_of_trace(x.traces[v->sides[k]], &s);
        cr_assert(e.traces[k].is_signed == keyed && memcmp(e.traces[k].key, s.key, 32) == 0);
        cr_assert_eq(memcmp(e.traces[k].signature, s.signature, 64), 0);
        cr_assert_eq(memcmp(e.traces[k].backend, s.backend, VD_BACKEND_BYTES), 0);
        if (f->job->segment)
            cr_assert(e.claims[k].is_signed == keyed && e.claims_checked[k] == keyed);
    }
    ro_free(bytes);
    rf_game_free(g);
    rf_files_release(&x);
}

static void flip_everywhere(uint32_t segment)
{
    fixture f = set_up(segment);
    for (uint64_t step = 0; step < f.job->steps; step++) {
        run_party(&f, 'a', 1, NULL, 1, step);
        uint32_t phase = vd_job_locate(f.job, step).phase;
        for (uint32_t n = 0; n < f.job->phases[phase].graph->node_count; n++) {
            /* Bit 3 of element 0: every node is read by a slot or an output in the end. */
            check_flip(&f, step, n, 1);
            remove_party(&f, 'b');
        }
        remove_party(&f, 'a');
    }
    fixture_close(&f);
}

Test(evidence, flip_at_every_node_at_full) { flip_everywhere(0); }
Test(evidence, flip_at_every_node_at_checkpoint) { flip_everywhere(2); }

Test(evidence, unsigned_traces)
{
    fixture f = set_up(0);
    run_party(&f, 'a', 0, NULL, 1, 2);
    check_flip(&f, 2, 1, 0);
    fixture_close(&f);
}

/* ---- every byte, every length ----------------------------------------------------------- */

static void attack_evidence(uint32_t segment)
{
    fixture f = set_up(segment);
    vd_fault fault = {2, {1, 0, 3, 4}};
    rf_files x;
    rf_evidence e, again;
    size_t size, kept = 0;
    run_party(&f, 'a', 1, NULL, 1, 2);
    run_party(&f, 'b', 1, &fault, 1, 2);
    open_files(&f, &x, segment != 0);
    rf_game *g = play(&f, &x);
    uint8_t *bytes = evidence_of(&f, &x, g, &size);
    must(rf_evidence_check(bytes, size, &e, &f.err), &f.err);
    for (size_t n = 0; n < size; n++) {
        ro_err err = {RO_OK, {0}};
        uint8_t *cut = malloc(n + 1); /* its own block: a sanitizer sees a read past the end */
        memcpy(cut, bytes, n);
        cr_assert_eq(rf_evidence_check(cut, n, &again, &err), RO_EFORMAT, "cut at %zu", n);
        free(cut);
    }
    for (size_t at = 0; at < size; at++)
        for (size_t k = 0; k < 3; k++) {
            static const uint8_t flips[3] = {0x01, 0x80, 0xff};
            uint8_t flip = flips[k];
            ro_err err = {RO_OK, {0}};
            bytes[at] ^= flip;
            ro_status st = rf_evidence_check(bytes, size, &again, &err);
            bytes[at] ^= flip;
            cr_assert(st == RO_OK || err.msg[0], "byte %zu", at);
            if (st) continue;
            kept++;
            cr_assert(again.guilty[0] == e.guilty[0] && again.guilty[1] == e.guilty[1] &&
                      again.step == e.step && again.element == e.element, "byte %zu", at);
        }
    cr_assert_eq(kept, 0, "%zu flips of signed evidence passed", kept);
    uint8_t *longer = calloc(size + 1, 1);
    ro_err err = {RO_OK, {0}};
    memcpy(longer, bytes, size);
    cr_assert_eq(rf_evidence_check(longer, size + 1, &again, &err), RO_EFORMAT);
    free(longer);
    ro_free(bytes);
    rf_game_free(g);
    rf_files_release(&x);
    fixture_close(&f);
}

Test(evidence, T52_every_flip_and_cut_at_full, .timeout = 300) { attack_evidence(0); }
Test(evidence, T52_every_flip_and_cut_at_checkpoint, .timeout = 300) { attack_evidence(2); }

/* ---- files with holes ------------------------------------------------------------------- */

/* What is opened decides how small the unit is that is run again. */
Test(evidence, T26_missing_openings_widen_the_unit)
{
    fixture f = set_up(2);
    vd_fault fault = {2, {1, 0, 3, 4}};
    static const rf_method want[3] = {RF_BY_SEGMENT, RF_BY_STEP, RF_BY_ELEMENT};
    for (int mode = 0; mode < 3; mode++) {
        rf_files x;
        run_party(&f, 'a', 1, NULL, mode == 2, 2);
        run_party(&f, 'b', 1, &fault, mode == 2, 2);
        open_files(&f, &x, mode > 0);
        /* Not opened, yet inputs that are slots lie in the snapshots: hide the stores. */
        rf_files hidden = x;
        if (mode == 1) x.store_count = 0;
        rf_game *g = play(&f, &x);
        const rf_verdict *v = rf_game_verdict(g);
        cr_assert_eq(v->kind, RF_OUTPUT, "mode %d: %s", mode, v->why);
        cr_assert_eq(v->method, want[mode], "mode %d: %s", mode, v->why);
        cr_assert(v->guilty_count == 1 && v->guilty[0].party == 1);
        rf_game_free(g);
        x.store_count = hidden.store_count;
        rf_files_release(&x);
        remove_party(&f, 'a');
        remove_party(&f, 'b');
    }
    fixture_close(&f);
}

/* ---- T60: two implementations that differ ----------------------------------------------- */

static ro_status wrong_value(ro_plan *p, ro_value v, void *data, ro_err *err)
{
    ro_status st = ro_cpu()->value(p, v, data, err);
    ((uint8_t *)data)[0] ^= 1;
    return st;
}

Test(evidence, T60_a_kernel_that_differs_condemns_nobody)
{
    fixture f = set_up(0);
    vd_fault fault = {2, {1, 0, 3, 0}};
    ro_backend bad = *ro_cpu();
    rf_files x;
    bad.value = wrong_value;
    run_party(&f, 'a', 1, NULL, 1, 2);
    run_party(&f, 'b', 1, &fault, 1, 2);
    open_files(&f, &x, 0);
    x.backend = &bad;
    rf_game *g = play(&f, &x);
    const rf_verdict *v = rf_game_verdict(g);
    cr_assert(v->kind == RF_UNDECIDED && v->alarm && v->guilty_count == 0);
    cr_assert(rf_game_stands(g, 0) && rf_game_stands(g, 1));
    uint32_t sides[2], used[2];
    cr_assert_eq(rf_evidence_sides(g, sides, used), 0);
    rf_game_free(g);
    rf_files_release(&x);
    fixture_close(&f);
}

/* ---- T24, T61: a false segment claim under an honest root ------------------------------- */

/* Both ends right, one node of its first step false: admitted, and false. */
static void write_sabotage(fixture *f, const char *path, const vd_digest *trace)
{
    vd_exec_options o = exec_options(f, NULL);
    vd_exec *e = NULL;
    vd_writer *w = NULL;
    vd_step_result r;
    vd_digest digests[4 * SMALL_NODES_MAX], root;
    uint64_t done;
    must(vd_exec_new(f->job, &o, &e, &f->err), &f->err);
    must(vd_exec_first_state(e, NULL, &f->err), &f->err);
    must(vd_writer_open(path, f->job, 1, trace, &w, &done, &f->err), &f->err);
    while (vd_exec_steps(e) < f->job->steps) {
        must(vd_exec_step(e, 1, 1, &r, &f->err), &f->err);
        if (r.global < 2) continue;
        memcpy(digests, r.digests, r.digest_count * sizeof *digests);
        if (r.global == 2) digests[r.digest_count - 3].b[0] ^= 1; /* what the first Neg put out */
        must(vd_writer_step(w, &r.state, &r.outputs, digests, &f->err), &f->err);
    }
    must(vd_writer_finish(w, NULL, "cpu test", &root, &f->err), &f->err);
    vd_writer_free(w);
    vd_exec_free(e);
}

Test(evidence, T24_T61_a_saboteur_under_the_honest_root)
{
    for (int saboteur_first = 0; saboteur_first < 2; saboteur_first++) {
        fixture f = set_up(2);
        vd_fault fault = {3, {1, 0, 3, 4}};
        rf_files x;
        run_party(&f, 'a', 1, NULL, 1, 3);
        run_party(&f, 'b', 1, &fault, 1, 3);
        open_files(&f, &x, 1);
        write_sabotage(&f, in_folder(f.folder, "s1.trace"), vd_trace_get_root(x.traces[0]));
        must(vd_trace_open(in_folder(f.folder, "s1.trace"), &x.claims[2], &f.err), &f.err);
        x.claim_count = 3;
        uint32_t honest = 0, false_one = 2;
        if (saboteur_first) {
            vd_trace *t = x.claims[0];
            x.claims[0] = x.claims[2];
            x.claims[2] = t;
            honest = 2;
            false_one = 0;
        }
        rf_game *g = play(&f, &x);
        const rf_verdict *v = rf_game_verdict(g);
        cr_assert(v->guilty_count == 1 && v->guilty[0].party == 1, "%s", v->why);
        cr_assert(rf_game_claim_stands(g, honest) && !rf_game_claim_stands(g, 1));
        /* It is only met when it comes first: nothing is judged once a side has none left. */
        cr_assert_eq(rf_game_claim_stands(g, false_one), !saboteur_first);
        cr_assert_eq(v->step, 3);
        rf_game_free(g);
        rf_files_release(&x);
        fixture_close(&f);
    }
}

/* A liar hands in a false claim for the honest root, whose owner hands in none. */
Test(evidence, T24_a_false_claim_alone_under_the_honest_root)
{
    fixture f = set_up(2);
    vd_fault fault = {3, {1, 0, 3, 4}};
    rf_files x;
    run_party(&f, 'a', 1, NULL, 1, 3);
    run_party(&f, 'b', 1, &fault, 1, 3);
    open_files(&f, &x, 1);
    write_sabotage(&f, in_folder(f.folder, "s1.trace"), vd_trace_get_root(x.traces[0]));
    vd_trace_close(x.claims[0]);
    must(vd_trace_open(in_folder(f.folder, "s1.trace"), &x.claims[0], &f.err), &f.err);
    rf_game *g = play(&f, &x);
    const rf_verdict *v = rf_game_verdict(g);
    cr_assert(v->kind == RF_OUTPUT && v->method == RF_BY_SEGMENT, "%s", v->why);
    cr_assert(v->guilty_count == 1 && v->guilty[0].party == 1, "%s", v->why);
    cr_assert(!rf_game_claim_stands(g, 0));
    rf_game_free(g);
    rf_files_release(&x);
    fixture_close(&f);
}

/* ---- 3d: partial results ---------------------------------------------------------------- */

enum { SUM = 300001 }; /* 1.2 MB: over RF_PARTIAL_BYTES */
#define HIGH (UINT64_C(1) << 40) /* of a part, where a float32 has no bits */

static vd_job *sum_job(fixture *f, const float *x)
{
    uint64_t attrs[RO_ATTRS_SIZE_MAX / 8] = {0};
    const ro_type type = ro_type_of(RO_F32, 1, (int64_t[]){SUM});
    return lone_job(f, RO_OP_ReduceSum, attrs, &type, 1, (const void *const[]){x}, 1);
}

/* All parts, with one of level 0 altered and what follows folded again. */
static uint64_t *forge(const rf_node *n, const float *x, uint64_t altered, uint32_t bit,
                       uint64_t *value)
{
    return forge_parts(n, (const void *const[]){x}, 0, altered == UINT64_MAX ? RF_NONE : 0, altered,
                       UINT64_C(1) << bit, value);
}

/* A trace whose only node put out `value`, and a store with that tensor; maybe its explanation. */
static void sum_party(fixture *f, const float *x, char name, uint64_t value, const uint64_t *parts)
{
    float v;
    uint32_t low = (uint32_t)value;
    memcpy(&v, &low, 4);
    lone_party(f, name, 1, (const void *const[]){x}, (const void *const[]){&v, &v}, 0, 0, parts);
}

/* What each side's explanation has wrong; NO_PART: nothing. Side 1 may give none at all, or one
 * (2) with a bit that its parts do not have. */
#define NO_PART UINT64_MAX
static const struct {
    uint64_t part[2];
    int silent;
    rf_method method;
    uint64_t index;
    uint32_t guilty; /* a bit each */
    int provisional;
} SUMS[] = {
    {{NO_PART, 40}, 0, RF_BY_PARTIAL, 40, 2, 0},
    {{40, NO_PART}, 0, RF_BY_PARTIAL, 40, 1, 0},
    {{NO_PART, 40}, 1, RF_BY_ELEMENT, 0, 2, 0}, /* nothing explains it: computed whole */
    {{NO_PART, 40}, 2, RF_BY_ELEMENT, 0, 2, 0},
    {{11, 12}, 0, RF_BY_PARTIAL, 11, 1, 1},     /* side 1 is right there, wrong further on */
    {{11, 11}, 0, RF_BY_PARTIAL, 11, 3, 1},     /* both wrong at one part */
};

/* A lane that both explanations hold, with a bit that they ignore when they fold it. */
static void high_bits(uint8_t *bytes, size_t size, const rf_node *n, const float *x, size_t k)
{
    rf_evidence e;
    ro_err err = {RO_OK, {0}};
    for (uint32_t side = 0; side < 2; side++) {
        uint64_t value, *parts = forge(n, x, SUMS[k].part[side], 22 - side, &value);
        uint8_t told[32 * 8], *at = bytes;
        uint64_t chunk = SUMS[k].index / 32;
        for (uint32_t lane = 0; lane < 32; lane++)
            vd_put_le(told + 8 * lane, parts[32 * chunk + lane], 8);
        while (at + sizeof told <= bytes + size && memcmp(at, told, sizeof told) != 0) at++;
        cr_assert(at + sizeof told <= bytes + size, "case %zu", k);
        at[8 * 2 + 5] ^= 1; /* bit 40 of lane 2 */
        ro_free(parts);
    }
    cr_assert_eq(rf_evidence_check(bytes, size, &e, &err), RO_EFORMAT, "case %zu", k);
    cr_assert(strstr(err.msg, "an explanation does not hold"), "%s", err.msg);
}

static void check_sum(size_t k, const float *x)
{
    fixture f = set_up(0);
    rf_files files;
    rf_node n;
    uint64_t value[2];
    vd_job *j = sum_job(&f, x);
    f.job = j;
    rf_node_init(&n, j, 0, 0, &j->constants[0].digest);
    cr_assert(rf_is_partial(&n, 0));
    for (uint32_t side = 0; side < 2; side++) {
        uint64_t *parts = forge(&n, x, SUMS[k].part[side], 22 - side, &value[side]);
        int told = SUMS[k].part[side] != NO_PART && SUMS[k].silent != 1;
        if (SUMS[k].silent == 2) parts[41] |= HIGH; /* a lane of the chunk in question */
        sum_party(&f, x, side ? 'b' : 'a', value[side], told ? parts : NULL);
        ro_free(parts);
    }
    cr_assert_neq(value[0], value[1]);
    open_files(&f, &files, 0);
    rf_game *g = play(&f, &files);
    const rf_verdict *v = rf_game_verdict(g);
    uint32_t guilty = 0;
    for (uint32_t i = 0; i < v->guilty_count; i++) guilty |= 1u << v->guilty[i].party;
    cr_assert_eq(v->kind, RF_OUTPUT, "case %zu: %s", k, v->why);
    cr_assert_eq(v->method, SUMS[k].method, "case %zu: %s", k, v->why);
    cr_assert_eq(guilty, SUMS[k].guilty, "case %zu", k);
    cr_assert_eq(v->provisional, SUMS[k].provisional, "case %zu", k);
    cr_assert_eq(v->alarm, 0);
    if (v->method == RF_BY_PARTIAL) {
        cr_assert(v->part_level == 0 && v->part_index == SUMS[k].index);
        cr_assert_lt(v->bytes_read, 64 << 10);
        rf_evidence e;
        size_t size;
        size_t passed = 0, parts = 2 * 8 * (32 + 74 + 1); /* bytes of both explanations */
        uint8_t *bytes = evidence_of(&f, &files, g, &size);
        must(rf_evidence_check(bytes, size, &e, &f.err), &f.err);
        cr_assert_eq(e.method, RF_BY_PARTIAL);
        cr_assert(e.part_level == v->part_level && e.part_index == v->part_index);
        cr_assert(e.claimed[0] == v->claimed[0] && e.recomputed == v->recomputed);
        for (uint32_t i = 0; i < 2; i++)
            cr_assert_eq(e.guilty[i], (int)(SUMS[k].guilty >> v->sides[i] & 1));
        for (size_t at = 0; at < size; at += 7) { /* a prime step: every kind of field is met */
            ro_err err = {RO_OK, {0}};
            bytes[at] ^= 0x10;
            /* Explanations are not signed: one that still folds is another false explanation of
             * the same claims. All else is hashed. */
            ro_status st = rf_evidence_check(bytes, size, &e, &err);
            cr_assert(st ? err.msg[0] != 0 : e.method == RF_BY_PARTIAL && e.element == 0 &&
                                                 (e.guilty[0] || e.guilty[1]), "byte %zu", at);
            passed += st == RO_OK;
            bytes[at] ^= 0x10;
        }
        cr_assert_leq(passed, parts / 7 + 1);
        if (k == 0 || k == 1) high_bits(bytes, size, &n, x, k);
        ro_free(bytes);
    }
    rf_game_free(g);
    rf_files_release(&files);
    fixture_close(&f);
}

typedef struct { const uint64_t *parts, *first; } table;
static uint64_t from_all(const ro_claims *c, uint32_t level, uint64_t index)
{
    const table *t = c->ctx;
    return t->parts[t->first[level] + index];
}

/* Alter two parts of level 0 so that all still folds to the same, and return what it folds to. */
static uint64_t balance(const rf_node *n, const float *x, uint64_t *parts)
{
    static const uint64_t at[2] = {5, 6};
    const void *data[1] = {x};
    ro_reader r = {n->in, n->out, 1, 1, data, NULL, NULL};
    uint64_t count[RO_LEVELS_MAX], first[RO_LEVELS_MAX + 1] = {0};
    const ro_explain *e = ro_explain_of(n->node->op, &r);
    uint32_t levels = e->levels(&r, n->node->attrs, 0, 0, count);
    for (uint32_t l = 0; l < levels; l++) first[l + 1] = first[l] + count[l];
    for (uint32_t k = 0; k < 2; k++) {
        uint32_t low = (uint32_t)parts[at[k]];
        float v;
        memcpy(&v, &low, 4);
        v += k ? -1.0f : 1.0f; /* whole numbers: exact */
        memcpy(&low, &v, 4);
        parts[at[k]] = low;
    }
    table t = {parts, first};
    ro_claims claims = {from_all, &t};
    for (uint32_t l = 1; l < levels; l++)
        for (uint64_t k = 0; k < count[l]; k++)
            parts[first[l] + k] = e->part(&r, n->node->attrs, 0, 0, l, k, &claims);
    return parts[first[levels] - 1];
}

/* A liar's store explains the other side's value, falsely, by parts that fold to it. */
Test(evidence, T24_nobody_explains_in_another_partys_place)
{
    float *x = malloc(SUM * sizeof *x);
    for (uint32_t k = 0; k < SUM; k++) x[k] = 1.0f + (float)(k % 7);
    for (uint32_t liar = 0; liar < 2; liar++) {
        fixture f = set_up(0);
        rf_files files;
        rf_node n;
        uint64_t value[2];
        vd_digest honest;
        vd_job *j = sum_job(&f, x);
        f.job = j;
        rf_node_init(&n, j, 0, 0, &j->constants[0].digest);
        uint64_t *parts = forge(&n, x, NO_PART, 0, &value[!liar]);
        cr_assert_eq(balance(&n, x, parts), value[!liar]);
        uint64_t *own = forge(&n, x, 40, 21, &value[liar]);
        sum_party(&f, x, liar ? 'a' : 'b', value[!liar], NULL);
        sum_party(&f, x, liar ? 'b' : 'a', value[liar], own);
        float v;
        uint32_t low = (uint32_t)value[!liar];
        memcpy(&v, &low, 4);
        vd_tensor_digest(&j->phases[0].graph->values[1].type, &v, NULL, honest.b);
        must(rf_explanation_put(in_folder(f.folder, liar ? "b.store" : "a.store"), &n, &honest, 0,
                                0, NULL, parts, &f.err), &f.err);
        ro_free(parts);
        ro_free(own);
        open_files(&f, &files, 0);
        rf_game *g = play(&f, &files);
        const rf_verdict *w = rf_game_verdict(g);
        cr_assert_eq(w->method, RF_BY_PARTIAL, "%s", w->why);
        cr_assert(w->guilty_count == 1 && w->guilty[0].party == liar, "%u", liar);
        cr_assert_eq(w->part_index, 40);
        rf_game_free(g);
        rf_files_release(&files);
        fixture_close(&f);
    }
    free(x);
}

Test(evidence, partial_results_of_a_long_sum, .timeout = 120)
{
    float *x = malloc(SUM * sizeof *x);
    for (uint32_t k = 0; k < SUM; k++) x[k] = 1.0f + (float)(k % 7);
    for (size_t k = 0; k < sizeof SUMS / sizeof *SUMS; k++) check_sum(k, x);
    free(x);
}
