/* test_evidence.c - disputes over real files, and their evidence: every flip, every cut, partial
 * results, two implementations that differ, stores with holes.
 *
 * Names carry the threats of docs/THREATS.md that they test. */
#include <criterion/criterion.h>

#include "../referee/files.c"
#include "small_job.h"

typedef struct {
    ro_arena *arena;
    vd_job *job;
    char *folder;
    vd_key *key[2];
    ro_err err;
} fixture;

static const float ZEROS[12];
static const void *const CONSTANTS[1] = {ZEROS}; /* the small job's x */

static fixture set_up(uint32_t segment)
{
    fixture f;
    memset(&f, 0, sizeof f);
    f.arena = ro_arena_new();
    must(small_job(f.arena, 1, 3, segment, 2, &f.job, &f.err), &f.err);
    f.folder = strdup(small_folder());
    for (int k = 0; k < 2; k++) {
        const char *path = in_folder(f.folder, k ? "b.pem" : "a.pem");
        must(vd_key_new(path, &f.err), &f.err);
        must(vd_key_load(path, &f.key[k], &f.err), &f.err);
    }
    return f;
}

static void tear_down(fixture *f)
{
    for (int k = 0; k < 2; k++) vd_key_free(f->key[k]);
    remove_folder(f->folder);
    free(f->folder);
    ro_arena_free(f->arena);
}

static vd_exec_options options(const vd_fault *fault)
{
    vd_exec_options e;
    memset(&e, 0, sizeof e);
    e.backend = ro_cpu();
    e.constants = CONSTANTS;
    e.faults = fault;
    e.fault_count = fault != NULL;
    return e;
}

/* Run the small job as party `name` into name.trace and name.store; open the fault's step, and
 * with segments write the claim of its segment. */
static void run_party(fixture *f, char name, int keyed, const vd_fault *fault, int opened,
                      uint64_t step)
{
    char trace[16], store[16], claim[16];
    vd_exec_options e = options(fault);
    vd_run_options o;
    vd_run_result r;
    vd_store *s = NULL;
    vd_trace *t = NULL;
    vd_digest root;
    uint64_t replayed;
    snprintf(trace, sizeof trace, "%c.trace", name);
    snprintf(store, sizeof store, "%c.store", name);
    snprintf(claim, sizeof claim, "%c1.trace", name);
    memset(&o, 0, sizeof o);
    must(vd_store_open(in_folder(f->folder, store), 1, &s, &f->err), &f->err);
    o.trace_path = in_folder(f->folder, trace);
    o.store = s;
    o.key = keyed ? f->key[name == 'b'] : NULL;
    must(vd_run(f->job, &e, &o, &r, &f->err), &f->err);
    must(vd_trace_open(o.trace_path, &t, &f->err), &f->err);
    if (opened) must(vd_open_step(t, &e, s, step, &replayed, &f->err), &f->err);
    if (f->job->segment)
        must(vd_replay(t, &e, s, step / f->job->segment, in_folder(f->folder, claim), o.key, &root,
                       &f->err), &f->err);
    vd_trace_close(t);
    vd_store_close(s);
}

static void open_files(fixture *f, rf_files *x, int claims)
{
    memset(&f->err, 0, sizeof f->err);
    must(rf_files_init(x, &f->err), &f->err);
    for (int k = 0; k < 2; k++) {
        const char *trace = in_folder(f->folder, k ? "b.trace" : "a.trace");
        const char *store = in_folder(f->folder, k ? "b.store" : "a.store");
        must(vd_trace_open(trace, &x->traces[x->trace_count++], &f->err), &f->err);
        must(vd_store_open(store, 0, &x->stores[x->store_count++], &f->err), &f->err);
        if (claims)
            must(vd_trace_open(in_folder(f->folder, k ? "b1.trace" : "a1.trace"),
                               &x->claims[x->claim_count++], &f->err), &f->err);
    }
    x->job = vd_trace_job(x->traces[0]);
}

static rf_game *play(fixture *f, rf_files *x)
{
    rf_party parties[2];
    rf_claim claims[3];
    rf_game *g = NULL;
    rf_question open[RF_OPEN_MAX];
    uint32_t count;
    for (uint32_t k = 0; k < 2; k++) {
        size_t n;
        parties[k].root = *vd_trace_get_root(x->traces[k]);
        memcpy(parties[k].body, vd_trace_body_bytes(x->traces[k], &n), VD_TRACE_BODY_BYTES);
    }
    for (uint32_t k = 0; k < x->claim_count; k++) {
        claims[k].root = *vd_trace_get_root(x->claims[k]);
        claims[k].body = *vd_trace_get_claim(x->claims[k]);
        claims[k].own = rf_files_own_claim(x, k);
    }
    rf_setup s = {x->job, parties, 2, claims, x->claim_count, 0, x->job->digest};
    must(rf_game_new(&s, &g, &f->err), &f->err);
    for (;;) {
        must(rf_game_next(g, open, &count, &f->err), &f->err);
        if (count == 0) return g;
        for (uint32_t k = 0; k < count; k++)
            must(rf_files_answer(x, g, &open[k], &f->err), &f->err);
    }
}

static void signer(const vd_trace *t, rf_signer *s)
{
    memset(s, 0, sizeof *s);
    memcpy(s->backend, vd_trace_backend(t), VD_BACKEND_BYTES);
    if (!vd_trace_key(t)) return;
    s->is_signed = 1;
    memcpy(s->key, vd_trace_key(t), 32);
    memcpy(s->signature, vd_trace_signature(t), 64);
}

static uint8_t *evidence(fixture *f, rf_files *x, rf_game *g, size_t *size)
{
    rf_signer traces[2], claims[2];
    uint32_t sides[2], used[2];
    uint8_t *bytes = NULL;
    memset(claims, 0, sizeof claims);
    cr_assert(rf_evidence_sides(g, sides, used));
    for (int k = 0; k < 2; k++) {
        signer(x->traces[sides[k]], &traces[k]);
        if (used[k] != RF_NONE) signer(x->claims[used[k]], &claims[k]);
    }
    must(rf_evidence_write(g, traces, claims, &bytes, size, &f->err), &f->err);
    return bytes;
}

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
    uint8_t *bytes = evidence(f, &x, g, &size);
    must(rf_evidence_check(bytes, size, &e, &f->err), &f->err);
    cr_assert(e.step == step && e.node == node && e.element == 0);
    cr_assert_eq(e.guilty[v->sides[0] == 1 ? 0 : 1], 1);
    cr_assert_eq(e.guilty[v->sides[0] == 1 ? 1 : 0], 0);
    cr_assert_eq(e.checked[0] && e.checked[1], keyed);
    ro_free(bytes);
    rf_game_free(g);
    rf_files_release(&x);
}

static void remove_party(const fixture *f, char name)
{
    char command[4200];
    snprintf(command, sizeof command, "cd '%s' && rm -rf %c.trace %c1.trace %c.store", f->folder,
             name, name, name);
    cr_assert_eq(system(command), 0);
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
    tear_down(&f);
}

Test(evidence, flip_at_every_node_at_full) { flip_everywhere(0); }
Test(evidence, flip_at_every_node_at_checkpoint) { flip_everywhere(2); }

Test(evidence, unsigned_traces)
{
    fixture f = set_up(0);
    run_party(&f, 'a', 0, NULL, 1, 2);
    check_flip(&f, 2, 1, 0);
    tear_down(&f);
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
    uint8_t *bytes = evidence(&f, &x, g, &size);
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
    tear_down(&f);
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
    tear_down(&f);
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
    tear_down(&f);
}

/* ---- T24, T61: a false segment claim under an honest root ------------------------------- */

/* Both ends right, one node of its first step false: admitted, and false. */
static void write_sabotage(fixture *f, const char *path, const vd_digest *trace)
{
    vd_exec_options o = options(NULL);
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
        tear_down(&f);
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
    tear_down(&f);
}

/* ---- 3d: partial results ---------------------------------------------------------------- */

enum { SUM = 300001 }; /* 1.2 MB: over RF_PARTIAL_BYTES */

static vd_job *sum_job(fixture *f, const float *x)
{
    ro_arena *a = f->arena;
    vd_job *j = ro_arena_alloc(a, sizeof *j);
    ro_graph *g = NULL;
    ro_value c, y = RO_NO_VALUE;
    uint64_t attrs[RO_ATTRS_SIZE_MAX / 8] = {0};
    const ro_type type = ro_type_of(RO_F32, 1, (int64_t[]){SUM});
    j->arena = a;
    j->repeats = 1;
    j->phase_count = j->slot_count = j->constant_count = 1;
    j->phases = ro_arena_alloc(a, sizeof *j->phases);
    j->slots = ro_arena_alloc(a, sizeof *j->slots);
    j->constants = ro_arena_alloc(a, sizeof *j->constants);
    j->slots[0] = small_slot("step", ro_type_of(RO_I64, 0, NULL));
    j->constants[0] = small_slot("x", type);
    vd_tensor_digest(&type, x, NULL, j->constants[0].digest.b);
    must(ro_graph_new(a, &g, &f->err), &f->err);
    must(ro_graph_constant(g, 0, &type, &c, &f->err), &f->err);
    must(ro_graph_node(g, RO_OP_ReduceSum, attrs, &c, 1, 1, &y, &f->err), &f->err);
    must(ro_graph_add_output(g, y, &f->err), &f->err);
    j->phases[0].steps = 1;
    j->phases[0].graph = g;
    must(vd_job_seal(j, &f->err), &f->err);
    return j;
}

typedef struct { const uint64_t *parts, *first; } table;
static uint64_t from_all(const ro_claims *c, uint32_t level, uint64_t index)
{
    const table *t = c->ctx;
    return t->parts[t->first[level] + index];
}

/* All parts, with one of level 0 altered and what follows folded again. */
static uint64_t *forge(const rf_node *n, const float *x, uint64_t altered, uint32_t bit,
                       uint64_t *value)
{
    const void *data[1] = {x};
    ro_reader r = {n->in, n->out, 1, 1, data, NULL, NULL};
    uint64_t count[RO_LEVELS_MAX], *parts, first[RO_LEVELS_MAX + 1] = {0};
    uint32_t levels;
    ro_err err = {RO_OK, {0}};
    must(ro_explain_all(n->node->op, &r, n->node->attrs, 0, 0, &levels, count, &parts, &err), &err);
    for (uint32_t l = 0; l < levels; l++) first[l + 1] = first[l] + count[l];
    table t = {parts, first};
    ro_claims claims = {from_all, &t};
    if (altered != UINT64_MAX) {
        parts[altered] ^= UINT64_C(1) << bit;
        for (uint32_t l = 1; l < levels; l++)
            for (uint64_t k = 0; k < count[l]; k++)
                parts[first[l] + k] = ro_explain_of(n->node->op, &r)
                                          ->part(&r, n->node->attrs, 0, 0, l, k, &claims);
    }
    *value = parts[first[levels] - 1];
    return parts;
}

/* A trace whose only node put out `value`, and a store with that tensor; maybe its explanation. */
static void sum_party(fixture *f, const vd_job *j, const float *x, char name, uint64_t value,
                      const uint64_t *parts)
{
    char trace[16], store[16];
    vd_store *s = NULL;
    vd_writer *w = NULL;
    uint64_t done;
    float v;
    uint32_t low = (uint32_t)value;
    vd_digest digests[2] = {j->constants[0].digest, {{0}}}, root, outputs, state;
    const ro_type *type = &j->phases[0].graph->values[1].type;
    memcpy(&v, &low, 4);
    vd_tensor_digest(type, &v, NULL, digests[1].b);
    snprintf(trace, sizeof trace, "%c.trace", name);
    snprintf(store, sizeof store, "%c.store", name);
    must(vd_store_open(in_folder(f->folder, store), 1, &s, &f->err), &f->err);
    must(vd_store_put(s, type, &v, &digests[1], &f->err), &f->err);
    must(vd_store_put(s, &j->constants[0].type, x, digests, &f->err), &f->err);
    vd_digest step = vd_step_digest(1);
    state = vd_state_root(&step, 1);
    outputs = vd_outputs_digest(&digests[1], 1);
    must(vd_writer_open(in_folder(f->folder, trace), j, -1, NULL, &w, &done, &f->err), &f->err);
    must(vd_writer_step(w, &state, &outputs, digests, &f->err), &f->err);
    must(vd_writer_finish(w, f->key[name == 'b'], "cpu test", &root, &f->err), &f->err);
    vd_writer_free(w);
    rf_node n;
    rf_node_init(&n, j, 0, 0, digests);
    if (parts)
        must(rf_explanation_put(in_folder(f->folder, store), &n, &digests[1], 0, 0, NULL, parts,
                                &f->err), &f->err);
    vd_store_close(s);
}

/* What each side's explanation has wrong; NO_PART: nothing. Side 1 may give none at all. */
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
    {{11, 12}, 0, RF_BY_PARTIAL, 11, 1, 1},     /* side 1 is right there, wrong further on */
    {{11, 11}, 0, RF_BY_PARTIAL, 11, 3, 1},     /* both wrong at one part */
};

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
        int told = SUMS[k].part[side] != NO_PART && !SUMS[k].silent;
        sum_party(&f, j, x, side ? 'b' : 'a', value[side], told ? parts : NULL);
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
        uint8_t *bytes = evidence(&f, &files, g, &size);
        must(rf_evidence_check(bytes, size, &e, &f.err), &f.err);
        cr_assert_eq(e.method, RF_BY_PARTIAL);
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
        ro_free(bytes);
    }
    rf_game_free(g);
    rf_files_release(&files);
    tear_down(&f);
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
        sum_party(&f, j, x, liar ? 'a' : 'b', value[!liar], NULL);
        sum_party(&f, j, x, liar ? 'b' : 'a', value[liar], own);
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
        tear_down(&f);
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
