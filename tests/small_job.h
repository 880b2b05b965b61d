/* small_job.h - a job of two phases and a made-up run of it, for the tests of jobs and traces.
 *
 * The digests of the run are made up (no operator is run), but they hang together: an input is
 * what its producer put out, states follow from nodes, so vd_trace_verify accepts the trace. */
#ifndef SMALL_JOB_H
#define SMALL_JOB_H
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../repops/host.h"
#include "../verde/verde.h"

#define SMALL_NODES_MAX 64

/* Asserts in any test framework and in the fuzzers. */
static inline void must(ro_status status, const ro_err *err)
{
    if (status) {
        fprintf(stderr, "unexpected failure: %s\n", err->msg);
        abort();
    }
}

static inline vd_digest made_up(uint64_t a, uint64_t b, uint64_t c)
{
    uint8_t bytes[24];
    vd_digest d;
    for (int k = 0; k < 8; k++) {
        bytes[k] = (uint8_t)(a >> (8 * k));
        bytes[8 + k] = (uint8_t)(b >> (8 * k));
        bytes[16 + k] = (uint8_t)(c >> (8 * k));
    }
    vd_tagged_hash("test", bytes, sizeof bytes, d.b);
    return d;
}

static inline vd_slot small_slot(const char *name, ro_type type)
{
    vd_slot s;
    memset(&s, 0, sizeof s);
    s.name = name;
    s.type = type;
    vd_tensor_digest_zero(&type, s.digest.b);
    return s;
}

/* Phase 0: w := fill, v := w + w. */
static inline ro_status small_init(ro_arena *a, const vd_slot *slots, const ro_graph **out,
                                   ro_err *err)
{
    ro_graph *g;
    ro_value w, v, fill, sum;
    RO_TRY(ro_graph_new(a, &g, err));
    RO_TRY(ro_graph_slot(g, 1, &slots[1].type, &w, err));
    RO_TRY(ro_graph_slot(g, 2, &slots[2].type, &v, err));
    RO_TRY(ro_emit_fill(g, &slots[1].type, 0.5, &fill, err));
    RO_TRY(ro_emit2(g, RO_OP_Add, NULL, fill, w, &sum, err));
    RO_TRY(ro_graph_set_next(g, 1, fill, err));
    RO_TRY(ro_graph_set_next(g, 2, sum, err));
    *out = g;
    return RO_OK;
}

/* Phase 1: y = x w; w := w + v, v := w (its old value); outputs y, w, x. */
static inline ro_status small_train(ro_arena *a, const vd_slot *slots, const vd_slot *x,
                                    uint32_t extra, const ro_graph **out, ro_err *err)
{
    ro_graph *g;
    ro_value w, v, c, y, sum;
    RO_TRY(ro_graph_new(a, &g, err));
    RO_TRY(ro_graph_constant(g, 0, &x->type, &c, err));
    RO_TRY(ro_graph_slot(g, 2, &slots[2].type, &v, err));
    RO_TRY(ro_graph_slot(g, 1, &slots[1].type, &w, err));
    RO_TRY(ro_emit2(g, RO_OP_MatMul, NULL, c, w, &y, err));
    RO_TRY(ro_emit2(g, RO_OP_Add, NULL, w, v, &sum, err));
    for (uint32_t k = 0; k < extra; k++) RO_TRY(ro_emit1(g, RO_OP_Neg, NULL, sum, &sum, err));
    RO_TRY(ro_graph_set_next(g, 1, sum, err));
    RO_TRY(ro_graph_set_next(g, 2, w, err));
    RO_TRY(ro_graph_add_output(g, y, err));
    RO_TRY(ro_graph_add_output(g, w, err));
    RO_TRY(ro_graph_add_output(g, c, err));
    *out = g;
    return RO_OK;
}

/* repeats x (1 + steps) steps; segment 0: full. extra more nodes in phase 1. Not sealed. */
static inline ro_status small_unsealed(ro_arena *a, uint64_t repeats, uint64_t steps,
                                       uint32_t segment, uint32_t extra, vd_job **out,
                                       ro_err *err)
{
    vd_job *j = ro_arena_alloc(a, sizeof *j);
    vd_slot *slots = ro_arena_alloc(a, 3 * sizeof *slots);
    vd_slot *constants = ro_arena_alloc(a, sizeof *constants);
    vd_phase *phases = ro_arena_alloc(a, 2 * sizeof *phases);
    if (!j || !slots || !constants || !phases) return RO_FAIL(err, RO_ENOMEM, "no memory");
    ro_type w = ro_type_of(RO_F32, 2, (int64_t[]){3, 2});
    ro_type x = ro_type_of(RO_F32, 2, (int64_t[]){4, 3});
    slots[0] = small_slot("step", ro_type_of(RO_I64, 0, NULL));
    slots[1] = small_slot("w", w);
    slots[2] = small_slot("v", w);
    constants[0] = small_slot("x", x);
    j->arena = a;
    j->repeats = repeats;
    j->record = segment ? VD_RECORD_CHECKPOINT : VD_RECORD_FULL;
    j->segment = segment;
    j->phase_count = 2;
    j->slot_count = 3;
    j->constant_count = 1;
    j->phases = phases;
    j->slots = slots;
    j->constants = constants;
    phases[0].steps = 1;
    phases[1].steps = steps;
    RO_TRY(small_init(a, slots, &phases[0].graph, err));
    RO_TRY(small_train(a, slots, &constants[0], extra, &phases[1].graph, err));
    *out = j;
    return RO_OK;
}

static inline ro_status small_job(ro_arena *a, uint64_t repeats, uint64_t steps,
                                  uint32_t segment, uint32_t extra, vd_job **out, ro_err *err)
{
    RO_TRY(small_unsealed(a, repeats, steps, segment, extra, out, err));
    return vd_job_seal(*out, err);
}

/* A made-up run: digests of the state, of the last step's outputs and of its nodes. */
typedef struct {
    const vd_job *job;
    uint64_t steps; /* done */
    vd_digest slots[3], state, outputs;
    vd_digest digests[4 * SMALL_NODES_MAX];
    uint32_t count;
} small_run;

static inline void small_begin(small_run *r, const vd_job *j)
{
    memset(r, 0, sizeof *r);
    r->job = j;
    for (uint32_t s = 0; s < 3; s++) r->slots[s] = j->slots[s].digest;
    r->state = j->first_state;
}

static inline void small_advance(small_run *r)
{
    const vd_phase *p = &r->job->phases[vd_job_locate(r->job, r->steps).phase];
    const ro_graph *g = p->graph;
    vd_digest values[SMALL_NODES_MAX + 8], outputs[3], next[3];
    r->count = 0;
    for (uint32_t v = 0; v < g->value_count; v++) {
        const ro_value_info *i = &g->values[v];
        values[v] = i->kind == RO_V_SLOT       ? r->slots[i->index]
                    : i->kind == RO_V_CONSTANT ? r->job->constants[i->index].digest
                                               : made_up(r->steps, i->index, i->output);
    }
    for (uint32_t i = 0; i < g->node_count; i++) {
        const ro_node *n = &g->nodes[i];
        for (uint32_t k = 0; k < n->inputs; k++) r->digests[r->count++] = values[n->in[k]];
        for (uint32_t k = 0; k < n->outputs; k++)
            r->digests[r->count++] = values[n->first_output + k];
    }
    for (uint32_t k = 0; k < g->output_count; k++) outputs[k] = values[g->outputs[k]];
    r->outputs = vd_outputs_digest(outputs, g->output_count);
    for (uint32_t s = 0; s < 3; s++) {
        ro_value v = vd_phase_next(p, s);
        next[s] = v == RO_NO_VALUE ? r->slots[s] : values[v];
    }
    memcpy(r->slots, next, sizeof next);
    r->slots[0] = vd_step_digest(++r->steps);
    r->state = vd_state_root(r->slots, 3);
}

/* Hand over steps until `end`; the run is advanced. */
static inline ro_status small_write(vd_writer *w, small_run *r, uint64_t end, int full, ro_err *err)
{
    while (r->steps < end) {
        small_advance(r);
        uint32_t k = r->job->segment;
        int at_end = !k || r->steps % k == 0 || r->steps == r->job->steps;
        RO_TRY(vd_writer_step(w, full || at_end ? &r->state : NULL, &r->outputs,
                              full ? r->digests : NULL, err));
    }
    return RO_OK;
}

/* A whole trace, or (segment >= 0) a segment claim for trace_root. */
static inline ro_status small_trace(const char *path, const vd_job *j, int64_t segment,
                                    const vd_digest *trace_root, const vd_key *key,
                                    vd_digest *root, ro_err *err)
{
    vd_writer *w = NULL;
    small_run r;
    uint64_t done, first = 0, count = j->steps;
    int full = segment >= 0 || j->record == VD_RECORD_FULL;
    RO_TRY(vd_writer_open(path, j, segment, trace_root, &w, &done, err));
    if (segment >= 0) vd_job_segment(j, (uint64_t)segment, &first, &count);
    small_begin(&r, j);
    while (r.steps < first + done) small_advance(&r);
    ro_status status = small_write(w, &r, first + count, full, err);
    if (!status) status = vd_writer_finish(w, key, "cpu test", root, err);
    vd_writer_free(w);
    return status;
}

/* ---- files ------------------------------------------------------------------------------- */

static inline uint8_t *small_read(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    *size = 0;
    if (!f) return NULL;
    fseek(f, 0, SEEK_END);
    *size = (size_t)ftell(f);
    rewind(f);
    uint8_t *bytes = malloc(*size + 1);
    if (!bytes || fread(bytes, 1, *size, f) != *size) abort();
    fclose(f);
    return bytes;
}

static inline void small_put(const char *path, const void *bytes, size_t size)
{
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(bytes, 1, size, f) != size || fclose(f)) abort();
}

/* A new folder, in memory where that can be had (files are synced by the thousand); the test
 * leaves it to remove_folder. */
static inline char *small_folder(void)
{
    const char *base = getenv("TMPDIR");
    static char text[4096];
    if (!base) base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(text, sizeof text, "%s/verde-test-XXXXXX", base);
    if (!mkdtemp(text)) abort();
    return text;
}

/* "FOLDER/name" in one of a few turns' storage. */
static inline const char *in_folder(const char *folder, const char *name)
{
    static char text[8][4200];
    static int turn;
    char *t = text[turn++ % 8];
    snprintf(t, sizeof text[0], "%s/%s", folder, name);
    return t;
}

static inline void remove_folder(const char *folder)
{
    char command[4200];
    snprintf(command, sizeof command, "chmod -R u+rwx '%s'; rm -rf '%s'", folder, folder);
    if (system(command)) fprintf(stderr, "left behind: %s\n", folder);
}

#endif
