/* dispute_files.h - parties that record real files, a lie of one of them, and the game over these
 * files: for test_evidence.c and disputes.c. */
#ifndef DISPUTE_FILES_H
#define DISPUTE_FILES_H
#include "../referee/files.c"
#include "small_job.h"

typedef struct {
    ro_arena *arena;
    vd_job *job;
    char *folder;
    vd_key *key[2];
    const void *const *constants; /* of the job, by number                      */
    const void *const *slots;     /* first values by slot, NULL one: zeros      */
    ro_err err;
} fixture;

static inline void fixture_open(fixture *f)
{
    memset(f, 0, sizeof *f);
    f->arena = ro_arena_new();
    f->folder = strdup(small_folder());
    for (int k = 0; k < 2; k++) {
        const char *path = in_folder(f->folder, k ? "b.pem" : "a.pem");
        must(vd_key_new(path, &f->err), &f->err);
        must(vd_key_load(path, &f->key[k], &f->err), &f->err);
    }
}

static inline void fixture_close(fixture *f)
{
    for (int k = 0; k < 2; k++) vd_key_free(f->key[k]);
    remove_folder(f->folder);
    free(f->folder);
    ro_arena_free(f->arena);
}

static inline vd_exec_options exec_options(const fixture *f, const vd_fault *fault)
{
    vd_exec_options e;
    memset(&e, 0, sizeof e);
    e.backend = ro_cpu();
    e.constants = f->constants;
    e.faults = fault;
    e.fault_count = fault != NULL;
    return e;
}

static inline const char *file_of(const fixture *f, char name, const char *rest)
{
    char text[32];
    snprintf(text, sizeof text, "%c%s", name, rest);
    return in_folder(f->folder, text);
}

/* What a party brings along: first values and constants. */
static inline void put_given(fixture *f, vd_store *s)
{
    for (uint32_t k = 0; k < f->job->constant_count; k++)
        must(vd_store_put(s, &f->job->constants[k].type, f->constants[k],
                          &f->job->constants[k].digest, &f->err), &f->err);
    for (uint32_t k = 0; f->slots && k < f->job->slot_count; k++)
        if (f->slots[k])
            must(vd_store_put(s, &f->job->slots[k].type, f->slots[k], &f->job->slots[k].digest,
                              &f->err), &f->err);
}

/* Run the job as party `name` into name.trace and name.store; open the fault's step, and with
 * segments write the claim of its segment. */
static inline void run_party(fixture *f, char name, int keyed, const vd_fault *fault, int opened,
                             uint64_t step)
{
    vd_exec_options e = exec_options(f, fault);
    vd_run_options o;
    vd_run_result r;
    vd_store *s = NULL;
    vd_trace *t = NULL;
    vd_digest root;
    uint64_t replayed;
    memset(&o, 0, sizeof o);
    must(vd_store_open(file_of(f, name, ".store"), 1, &s, &f->err), &f->err);
    put_given(f, s);
    o.trace_path = file_of(f, name, ".trace");
    o.store = s;
    o.key = keyed ? f->key[name == 'b'] : NULL;
    must(vd_run(f->job, &e, &o, &r, &f->err), &f->err);
    must(vd_trace_open(file_of(f, name, ".trace"), &t, &f->err), &f->err);
    if (opened) must(vd_open_step(t, &e, s, step, &replayed, &f->err), &f->err);
    if (f->job->segment)
        must(vd_replay(t, &e, s, step / f->job->segment, file_of(f, name, "1.trace"), o.key, &root,
                       &f->err), &f->err);
    vd_trace_close(t);
    vd_store_close(s);
}

static inline void remove_party(const fixture *f, char name)
{
    char command[4200];
    snprintf(command, sizeof command, "cd '%s' && rm -rf %c.trace %c1.trace %c.store", f->folder,
             name, name, name);
    if (system(command)) abort();
}

static inline void open_files(fixture *f, rf_files *x, int claims)
{
    memset(&f->err, 0, sizeof f->err);
    must(rf_files_init(x, 2, RF_CLAIMS_MAX, 2, &f->err), &f->err);
    for (char name = 'a'; name <= 'b'; name++) {
        must(vd_trace_open(file_of(f, name, ".trace"), &x->traces[x->trace_count++], &f->err),
             &f->err);
        must(vd_store_open(file_of(f, name, ".store"), 0, &x->stores[x->store_count++], &f->err),
             &f->err);
        if (claims)
            must(vd_trace_open(file_of(f, name, "1.trace"), &x->claims[x->claim_count++], &f->err),
                 &f->err);
    }
    x->job = vd_trace_job(x->traces[0]);
}

/* kernel 0: the second opinion is not asked for, and the verdict is provisional. */
static inline rf_game *play_files(fixture *f, rf_files *x, int kernel)
{
    rf_game *g = NULL;
    rf_question open[RF_OPEN_MAX];
    uint32_t count;
    must(rf_files_game(x, (uint32_t[]){0, 1}, 2, &g, &f->err), &f->err);
    for (;;) {
        must(rf_game_next(g, open, &count, &f->err), &f->err);
        if (count == 0) return g;
        for (uint32_t k = 0; k < count; k++) {
            if (open[k].kind == RF_Q_KERNEL && !kernel) rf_game_cannot(g, &open[k], RF_NONE);
            else must(rf_files_answer(x, g, &open[k], &f->err), &f->err);
        }
    }
}

/* ---- a job of one node, recorded without running it --------------------------------------- */

/* Its inputs are constants, its first output the job's. data: of the inputs. */
static inline vd_job *lone_job(fixture *f, ro_op op, const void *attrs, const ro_type *in,
                               uint32_t inputs, const void *const *data, uint64_t steps)
{
    ro_arena *a = f->arena;
    vd_job *j = ro_arena_alloc(a, sizeof *j);
    ro_graph *g = NULL;
    ro_value values[RO_INPUTS_MAX], y = RO_NO_VALUE;
    j->arena = a;
    j->repeats = 1;
    j->phase_count = j->slot_count = 1;
    j->phases = ro_arena_alloc(a, sizeof *j->phases);
    j->slots = ro_arena_alloc(a, sizeof *j->slots);
    j->constants = ro_arena_alloc(a, inputs * sizeof *j->constants);
    j->slots[0] = small_slot("step", ro_type_of(RO_I64, 0, NULL));
    must(ro_graph_new(a, &g, &f->err), &f->err);
    for (uint32_t k = 0; k < inputs; k++) {
        char *name = ro_arena_alloc(a, 16);
        values[k] = RO_NO_VALUE;
        if (in[k].dtype == RO_NONE) continue;
        uint32_t c = j->constant_count++;
        snprintf(name, 16, "x%u", k);
        j->constants[c].name = name;
        j->constants[c].type = in[k];
        vd_tensor_digest(&in[k], data[k], NULL, j->constants[c].digest.b);
        must(ro_graph_constant(g, c, &in[k], &values[k], &f->err), &f->err);
    }
    const uint32_t outputs = op == RO_OP_LSTMCell ? 2 : 1; /* the least that it may have */
    must(ro_graph_node(g, op, attrs, values, inputs, outputs, &y, &f->err), &f->err);
    must(ro_graph_add_output(g, y, &f->err), &f->err);
    j->phases[0].steps = steps;
    j->phases[0].graph = g;
    must(vd_job_seal(j, &f->err), &f->err);
    return j;
}

/* The subject of the lone node. */
static inline void lone_node(const vd_job *j, rf_node *n)
{
    vd_digest present[RO_INPUTS_MAX];
    for (uint32_t k = 0; k < j->constant_count; k++) present[k] = j->constants[k].digest;
    rf_node_init(n, j, 0, 0, present);
}

/* A trace of the lone job whose node put out y[0], and y[1] from step `lie` on (a second output, of
 * the same type, is y[0] throughout), and a store with these tensors and the inputs; maybe the
 * explanation of `element` of y[1]. data: by input. */
static inline void lone_party(fixture *f, char name, int keyed, const void *const *data,
                              const void *const y[2], uint64_t lie, uint64_t element,
                              const uint64_t *parts)
{
    const vd_job *j = f->job;
    const ro_node *node = &j->phases[0].graph->nodes[0];
    const ro_type *out = &j->phases[0].graph->values[node->first_output].type;
    vd_digest digests[RO_INPUTS_MAX + 2], made[2], root;
    vd_store *s = NULL;
    vd_writer *w = NULL;
    uint64_t done;
    uint32_t at = 0;
    must(vd_store_open(file_of(f, name, ".store"), 1, &s, &f->err), &f->err);
    for (int k = 0; k < 2; k++) {
        vd_tensor_digest(out, y[k], NULL, made[k].b);
        must(vd_store_put(s, out, y[k], &made[k], &f->err), &f->err);
    }
    for (uint32_t k = 0; k < node->inputs; k++) {
        if (node->in[k] == RO_NO_VALUE) continue;
        digests[at] = j->constants[at].digest;
        must(vd_store_put(s, &j->constants[at].type, data[k], &digests[at], &f->err), &f->err);
        at++;
    }
    must(vd_writer_open(file_of(f, name, ".trace"), j, -1, NULL, &w, &done, &f->err), &f->err);
    for (uint64_t step = 0; step < j->steps; step++) {
        vd_digest after = vd_step_digest(step + 1), state = vd_state_root(&after, 1);
        digests[at] = made[step >= lie];
        digests[at + 1] = made[0];
        vd_digest outputs = vd_outputs_digest(&digests[at], 1);
        must(vd_writer_step(w, &state, &outputs, digests, &f->err), &f->err);
    }
    must(vd_writer_finish(w, keyed ? f->key[name == 'b'] : NULL, "cpu test", &root, &f->err),
         &f->err);
    vd_writer_free(w);
    if (parts) {
        rf_node n;
        lone_node(j, &n);
        must(rf_explanation_put(file_of(f, name, ".store"), &n, &made[1], 0, element, NULL, parts,
                                &f->err), &f->err);
    }
    vd_store_close(s);
}

/* ---- explanations with a lie in them -------------------------------------------------------- */

typedef struct {
    const ro_explain *e;
    const ro_reader *r;
    const rf_node *n;
    uint64_t element;
    uint64_t *parts, first[RO_LEVELS_MAX], known[RO_LEVELS_MAX];
    uint32_t level; /* of the part that is as it is given */
    uint64_t index;
} forging;

static inline uint64_t forged_part(const ro_claims *c, uint32_t level, uint64_t index)
{
    forging *t = c->ctx;
    const ro_claims claims = {forged_part, t};
    while (t->known[level] <= index) {
        uint64_t k = t->known[level], *part = &t->parts[t->first[level] + k];
        if (level != t->level || k != t->index)
            *part = t->e->part(t->r, t->n->node->attrs, 0, t->element, level, k, &claims);
        t->known[level] = k + 1;
    }
    return t->parts[t->first[level] + index];
}

/* All parts of an element, with bits of one altered and what follows from it folded again; level
 * RF_NONE: none is. data: of the inputs, by number. Freed with ro_free. */
static inline uint64_t *forge_parts(const rf_node *n, const void *const *data, uint64_t element,
                                    uint32_t level, uint64_t index, uint64_t flip, uint64_t *value)
{
    ro_reader r = {n->in, n->out, n->inputs, n->outputs, data, NULL, NULL};
    forging t = {ro_explain_of(n->node->op, &r), &r, n, element, NULL, {0}, {0}, level, index};
    uint64_t count[RO_LEVELS_MAX];
    uint32_t levels;
    ro_err err = {RO_OK, {0}};
    must(ro_explain_all(n->node->op, &r, n->node->attrs, 0, element, &levels, count, &t.parts,
                        &err), &err);
    for (uint32_t l = 1; l < levels; l++) t.first[l] = t.first[l - 1] + count[l - 1];
    if (level != RF_NONE) {
        const ro_claims claims = {forged_part, &t};
        t.parts[t.first[level] + index] ^= flip;
        for (uint32_t l = 0; l < levels; l++) {
            if (l < level) t.known[l] = count[l]; /* nothing there follows from it */
            else if (count[l]) (void)forged_part(&claims, l, count[l] - 1);
        }
    }
    *value = t.parts[t.first[levels - 1]];
    return t.parts;
}

/* ---- evidence ------------------------------------------------------------------------------- */

static inline void signer_of_trace(const vd_trace *t, rf_signer *s)
{
    memset(s, 0, sizeof *s);
    memcpy(s->backend, vd_trace_backend(t), VD_BACKEND_BYTES);
    if (!vd_trace_key(t)) return;
    s->is_signed = 1;
    memcpy(s->key, vd_trace_key(t), 32);
    memcpy(s->signature, vd_trace_signature(t), 64);
}

static inline uint8_t *evidence_of(fixture *f, rf_files *x, rf_game *g, size_t *size)
{
    rf_signer traces[2], claims[2];
    uint32_t sides[2], used[2];
    uint8_t *bytes = NULL;
    memset(claims, 0, sizeof claims);
    if (!rf_evidence_sides(g, sides, used)) abort();
    for (int k = 0; k < 2; k++) {
        signer_of_trace(x->traces[sides[k]], &traces[k]);
        if (used[k] != RF_NONE) signer_of_trace(x->claims[used[k]], &claims[k]);
    }
    must(rf_evidence_write(g, traces, claims, &bytes, size, &f->err), &f->err);
    return bytes;
}
#endif
