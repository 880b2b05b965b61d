/* game_real.h - parties in memory whose tensors are real: every element of every node by its scalar
 * body. What game_world.h makes up is computed here, so a game can be played to one element, to one
 * part of one, and through segments and their claims.
 *
 * A fault alters an element after its node ran, and what follows is computed from it, as a party
 * would that cheats once; a forgery alters how a tensor is written down; a lie of game_world.h
 * alters a record. Canonical bytes are the machine's: these tests run on little-endian machines. */
#ifndef GAME_REAL_H
#define GAME_REAL_H
#include "../repops/host.h"
#include "../verde/bytes.h"
#include "game_world.h"

#define REAL_TENSORS_MAX 2048u
#define REAL_CLAIMS_MAX 16u

/* ---- tensors by digest --------------------------------------------------------------- */

typedef enum {
    FORGE_NONE, FORGE_TYPE, FORGE_HEADER, FORGE_SHORT_CHUNK, FORGE_LONG_CHUNK, FORGE_ROOT
} real_forge;

typedef struct {
    vd_digest digest;
    ro_type type;
    uint8_t header[VD_TENSOR_HEADER_MAX + 1];
    size_t header_size;
    uint8_t *bytes, *leaves;
    uint64_t chunks;
    real_forge forge;
} real_tensor;

typedef struct {
    ro_arena *arena;
    real_tensor list[REAL_TENSORS_MAX];
    uint32_t count;
} real_tensors;

static inline const real_tensor *real_find(const real_tensors *s, const vd_digest *d)
{
    for (uint32_t k = s->count; k-- > 0;)
        if (vd_digest_equal(&s->list[k].digest, d)) return &s->list[k];
    return NULL;
}

/* A chunk as this tensor's owner shows it. */
static inline size_t real_chunk_size(const real_tensor *t, uint64_t chunk)
{
    size_t n = vd_tensor_chunk_bytes(&t->type, chunk);
    if (t->forge == FORGE_SHORT_CHUNK) return n - 1;
    return t->forge == FORGE_LONG_CHUNK ? n + 1 : n;
}

static inline void *real_alloc(real_tensors *s, size_t size)
{
    void *p = ro_arena_alloc(s->arena, size + 1);
    if (!p) abort();
    return p;
}

/* Keep a tensor; the bytes are copied. */
static inline vd_digest real_put(real_tensors *s, const ro_type *type, const void *bytes,
                                 real_forge forge)
{
    real_tensor *t = &s->list[s->count];
    ro_type said = *type;
    uint8_t root[VD_DIGEST];
    if (s->count >= REAL_TENSORS_MAX) abort();
    t->type = *type;
    t->forge = forge;
    t->bytes = real_alloc(s, ro_type_bytes(type) + 1);
    memcpy(t->bytes, bytes, ro_type_bytes(type));
    t->chunks = vd_tensor_chunks(type);
    t->leaves = real_alloc(s, t->chunks * VD_DIGEST);
    for (uint64_t k = 0; k < t->chunks; k++)
        vd_leaf_hash(VD_TREE_CHUNKS, t->bytes + k * VD_CHUNK_BYTES, real_chunk_size(t, k),
                     t->leaves + k * VD_DIGEST);
    vd_tree_root(VD_TREE_CHUNKS, t->leaves, t->chunks, root);
    if (forge == FORGE_TYPE) said.dtype = said.dtype == RO_F32 ? RO_I32 : RO_F32;
    if (forge == FORGE_ROOT) root[3] ^= 1;
    t->header_size = vd_tensor_header_encode(&said, root, t->header);
    if (forge == FORGE_HEADER) t->header_size++;
    vd_tensor_header_digest(t->header, t->header_size, t->digest.b);
    const real_tensor *known = real_find(s, &t->digest);
    if (known) return known->digest;
    s->count++;
    return t->digest;
}

/* ---- jobs ---------------------------------------------------------------------------- */

static inline ro_value real_constant(real_tensors *s, vd_job *j, ro_graph *g, const ro_type *type,
                                     const void *bytes)
{
    vd_slot *c = &j->constants[j->constant_count];
    ro_value v;
    ro_err err = {RO_OK, {0}};
    static const char *const names[8] = {"c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7"};
    *c = small_slot(names[j->constant_count], *type);
    if (bytes) c->digest = real_put(s, type, bytes, FORGE_NONE);
    must(ro_graph_constant(g, j->constant_count++, type, &v, &err), &err);
    return v;
}

/* A job of three slots (step, w f32[6], v f32) and `phases` phases, to be filled in and sealed. */
static inline vd_job *real_job(real_tensors *s, uint32_t phases, uint64_t repeats, uint32_t segment)
{
    vd_job *j = real_alloc(s, sizeof *j);
    vd_slot *slots = real_alloc(s, 3 * sizeof *slots);
    ro_err err = {RO_OK, {0}};
    slots[0] = small_slot("step", ro_type_of(RO_I64, 0, NULL));
    slots[1] = small_slot("w", ro_type_of(RO_F32, 1, (int64_t[]){6}));
    slots[2] = small_slot("v", ro_type_of(RO_F32, 0, NULL));
    j->arena = s->arena;
    j->repeats = repeats;
    j->record = segment ? VD_RECORD_CHECKPOINT : VD_RECORD_FULL;
    j->segment = segment;
    j->phase_count = phases;
    j->slot_count = 3;
    j->slots = slots;
    j->constants = real_alloc(s, 8 * sizeof *j->constants);
    j->phases = real_alloc(s, phases * sizeof *j->phases);
    for (uint32_t p = 0; p < phases; p++) {
        ro_graph *g;
        j->phases[p].steps = 1;
        must(ro_graph_new(s->arena, &g, &err), &err);
        j->phases[p].graph = g;
    }
    return j;
}

static inline ro_value real_emit(ro_graph *g, ro_op op, const void *attrs, const ro_value *in,
                                 uint32_t inputs, uint32_t outputs)
{
    const uint64_t none[RO_ATTRS_SIZE_MAX / 8] = {0};
    ro_value v;
    ro_err err = {RO_OK, {0}};
    must(ro_graph_node(g, op, attrs ? attrs : none, in, inputs, outputs, &v, &err), &err);
    return v;
}

static inline ro_value real_slot(const vd_job *j, ro_graph *g, uint32_t slot)
{
    ro_value v;
    ro_err err = {RO_OK, {0}};
    must(ro_graph_slot(g, slot, &j->slots[slot].type, &v, &err), &err);
    return v;
}

static inline void real_ends(vd_job *j, ro_graph *g, ro_value w, ro_value v, const ro_value *out,
                             uint32_t outputs)
{
    ro_err err = {RO_OK, {0}};
    (void)j;
    if (w != RO_NO_VALUE) must(ro_graph_set_next(g, 1, w, &err), &err);
    if (v != RO_NO_VALUE) must(ro_graph_set_next(g, 2, v, &err), &err);
    for (uint32_t k = 0; k < outputs; k++) must(ro_graph_add_output(g, out[k], &err), &err);
}

static inline ro_value real_floats(real_tensors *s, vd_job *j, ro_graph *g, uint32_t rank,
                                   const int64_t *dims)
{
    static float x[2048];
    ro_type t = ro_type_of(RO_F32, rank, dims);
    for (uint32_t k = 0; k < 2048; k++) x[k] = (float)(k * 37 % 101) - 50.0f;
    return real_constant(s, j, g, &t, x);
}

/* Nodes of the phase that computes. */
enum { REAL_ADD, REAL_SUM, REAL_POOL, REAL_EMPTY, REAL_NORM, REAL_NEG, REAL_LOSS, REAL_NODES };

/* A scalar and a tensor put out by one node. */
static inline void real_loss(real_tensors *s, vd_job *j, ro_graph *g)
{
    static const int64_t labels[2] = {2, 0};
    const ro_type type = ro_type_of(RO_I64, 1, (int64_t[]){2});
    ro_value in[2] = {real_floats(s, j, g, 2, (int64_t[]){2, 3}),
                      real_constant(s, j, g, &type, labels)};
    uint64_t attrs[RO_ATTRS_SIZE_MAX / 8] = {0};
    ro_err err = {RO_OK, {0}};
    must(ro_attr_set_int(RO_OP_SoftmaxCrossEntropyLoss, attrs, "reduction", 1, &err), &err);
    (void)real_emit(g, RO_OP_SoftmaxCrossEntropyLoss, attrs, in, 2, 2);
}

/* Nodes of every shape that the rules tell apart: an output of two chunks, a scalar, two outputs,
 * no elements, an absent input, inputs that are slots, constants and outputs of other nodes. */
static inline void real_nodes(real_tensors *s, vd_job *j, ro_graph *g)
{
    uint64_t attrs[RO_ATTRS_SIZE_MAX / 8] = {0};
    ro_value in[3], y[4], w = real_slot(j, g, 1);
    ro_err err = {RO_OK, {0}};
    (void)real_slot(j, g, 2);
    in[0] = real_floats(s, j, g, 1, (int64_t[]){1500});
    in[1] = real_floats(s, j, g, 1, (int64_t[]){1500});
    y[0] = real_emit(g, RO_OP_Add, NULL, in, 2, 1);
    ro_value sum = real_emit(g, RO_OP_ReduceSum, NULL, y, 1, 1);
    in[0] = real_floats(s, j, g, 4, (int64_t[]){3, 1, 4, 4});
    y[2] = in[0];
    static const char *const twos[2] = {"kernel_shape", "strides"};
    for (int k = 0; k < 2; k++)
        must(ro_attr_set_ints(RO_OP_MaxPool, attrs, twos[k], (int64_t[]){2, 2}, 2, &err), &err);
    must(ro_attr_set_ints(RO_OP_MaxPool, attrs, "dilations", (int64_t[]){1, 1}, 2, &err), &err);
    must(ro_attr_set_ints(RO_OP_MaxPool, attrs, "pads", (int64_t[]){0, 0, 0, 0}, 4, &err), &err);
    y[1] = real_emit(g, RO_OP_MaxPool, attrs, in, 1, 2) + 1;
    in[0] = in[1] = real_floats(s, j, g, 1, (int64_t[]){0});
    (void)real_emit(g, RO_OP_Add, NULL, in, 2, 1);
    memset(attrs, 0, sizeof attrs);
    must(ro_attr_set_int(RO_OP_LayerNormalization, attrs, "axis", -1, &err), &err);
    in[0] = y[3] = w;
    in[1] = RO_NO_VALUE;
    in[2] = real_floats(s, j, g, 1, (int64_t[]){6});
    in[0] = real_emit(g, RO_OP_LayerNormalization, attrs, in, 3, 1);
    ro_value neg = real_emit(g, RO_OP_Neg, NULL, in, 1, 1);
    real_loss(s, j, g);
    real_ends(j, g, neg, sum, y, 4);
}

/* Two phases of one and of three steps: one without nodes that sets w to a constant, and one of
 * those nodes. */
static inline vd_job *real_mixed(real_tensors *s, uint32_t segment, uint64_t repeats)
{
    vd_job *j = real_job(s, 2, repeats, segment);
    ro_graph *g = (ro_graph *)(uintptr_t)j->phases[0].graph;
    ro_err err = {RO_OK, {0}};
    (void)real_slot(j, g, 1);
    ro_value w = real_floats(s, j, g, 1, (int64_t[]){6});
    real_ends(j, g, w, RO_NO_VALUE, &w, 1);
    real_nodes(s, j, (ro_graph *)(uintptr_t)j->phases[1].graph);
    j->phases[1].steps = 3;
    must(vd_job_seal(j, &err), &err);
    return j;
}

/* One phase of those nodes. */
static inline vd_job *real_single(real_tensors *s, uint64_t steps)
{
    vd_job *j = real_job(s, 1, 1, 0);
    ro_err err = {RO_OK, {0}};
    real_nodes(s, j, (ro_graph *)(uintptr_t)j->phases[0].graph);
    j->phases[0].steps = steps;
    must(vd_job_seal(j, &err), &err);
    return j;
}

/* ---- runs ---------------------------------------------------------------------------- */

typedef struct {
    uint64_t step;
    uint32_t node, output;
    uint64_t element;
    uint64_t flip; /* of the element's bits */
    real_forge forge;
} real_fault;

typedef struct {
    world_side w; /* first: a side is one of game_world.h's too */
    uint8_t segment[WORLD_STEPS_MAX][VD_SEGMENT_LEAF_BYTES + 1];
    size_t segment_size[WORLD_STEPS_MAX];
    uint8_t segment_hash[WORLD_STEPS_MAX][VD_DIGEST];
} real_side;

typedef struct { const uint8_t *bytes; vd_digest digest; } real_value;

static inline void real_node(real_tensors *s, const ro_graph *g, uint32_t at, uint64_t step,
                             real_value *values, const real_fault *faults, uint32_t count)
{
    const ro_node *n = &g->nodes[at];
    const void *data[RO_INPUTS_MAX] = {NULL};
    ro_type in[RO_INPUTS_MAX], out[RO_OUTPUTS_MAX];
    memset(in, 0, sizeof in);
    for (uint32_t k = 0; k < n->inputs; k++) {
        if (n->in[k] == RO_NO_VALUE) continue;
        in[k] = g->values[n->in[k]].type;
        data[k] = values[n->in[k]].bytes;
    }
    for (uint32_t k = 0; k < n->outputs; k++) out[k] = g->values[n->first_output + k].type;
    for (uint32_t k = 0; k < n->outputs; k++) {
        const ro_reader r = {in, out, n->inputs, n->outputs, data, NULL, NULL};
        real_value *v = &values[n->first_output + k];
        uint32_t size = ro_dtypes[out[k].dtype].size;
        uint8_t *bytes = real_alloc(s, ro_type_bytes(&out[k]));
        real_forge forge = FORGE_NONE;
        int there = 1; /* a constant that is too large to have: the output is zeros */
        for (uint32_t i = 0; i < n->inputs; i++) there &= n->in[i] == RO_NO_VALUE || data[i];
        for (uint64_t e = 0; there && e < ro_type_elements(&out[k]); e++)
            vd_put_le(bytes + e * size, ro_at(n->op, &r, n->attrs, k, e), size);
        for (uint32_t f = 0; f < count; f++) {
            if (faults[f].step != step || faults[f].node != at || faults[f].output != k) continue;
            for (uint32_t b = 0; b < size && faults[f].flip; b++)
                bytes[faults[f].element * size + b] ^= (uint8_t)(faults[f].flip >> (8 * b));
            forge = faults[f].forge;
        }
        v->bytes = bytes;
        v->digest = real_put(s, &out[k], bytes, forge);
    }
}

static inline void real_advance(small_run *r, real_tensors *s, const real_fault *faults,
                                uint32_t count)
{
    const vd_phase *p = &r->job->phases[vd_job_locate(r->job, r->steps).phase];
    const ro_graph *g = p->graph;
    real_value values[SMALL_NODES_MAX + 8];
    vd_digest outputs[8], next[3];
    r->count = 0;
    for (uint32_t v = 0; v < g->value_count; v++) {
        const ro_value_info *i = &g->values[v];
        if (i->kind != RO_V_SLOT && i->kind != RO_V_CONSTANT) continue;
        values[v].digest =
            i->kind == RO_V_SLOT ? r->slots[i->index] : r->job->constants[i->index].digest;
        const real_tensor *t = real_find(s, &values[v].digest);
        values[v].bytes = t ? t->bytes : NULL;
    }
    for (uint32_t i = 0; i < g->node_count; i++) {
        const ro_node *n = &g->nodes[i];
        real_node(s, g, i, r->steps, values, faults, count);
        for (uint32_t k = 0; k < n->inputs; k++)
            if (n->in[k] != RO_NO_VALUE) r->digests[r->count++] = values[n->in[k]].digest;
        for (uint32_t k = 0; k < n->outputs; k++)
            r->digests[r->count++] = values[n->first_output + k].digest;
    }
    for (uint32_t k = 0; k < g->output_count; k++) outputs[k] = values[g->outputs[k]].digest;
    r->outputs = vd_outputs_digest(outputs, g->output_count);
    for (uint32_t k = 0; k < 3; k++) {
        ro_value v = vd_phase_next(p, k);
        next[k] = v == RO_NO_VALUE ? r->slots[k] : values[v].digest;
    }
    memcpy(r->slots, next, sizeof next);
    int64_t step = (int64_t)++r->steps;
    r->slots[0] = real_put(s, &r->job->slots[0].type, &step, FORGE_NONE);
    r->state = vd_state_root(r->slots, 3);
}

/* The segment leaves and the body over whatever the step leaves say. */
static inline void real_body(real_side *x, const vd_job *j)
{
    world_body(&x->w, j);
    if (j->record != VD_RECORD_CHECKPOINT) return;
    uint64_t n = vd_job_segments(j);
    for (uint64_t k = 0; k < n; k++) {
        vd_segment_leaf l = {k, 0, 0, {{0}}, {{0}}};
        vd_step_leaf last;
        vd_job_segment(j, k, &l.first, &l.count);
        vd_step_leaf_decode(x->w.step[l.first + l.count - 1].bytes, &last);
        l.state = last.state;
        vd_tree_root(VD_TREE_OUTPUTS, x->w.output_hash[l.first], l.count, l.outputs.b);
        x->segment_size[k] = vd_segment_leaf_encode(&l, x->segment[k]);
        vd_leaf_hash(VD_TREE_SEGMENTS, x->segment[k], x->segment_size[k], x->segment_hash[k]);
    }
    x->w.body.node_count = 0;
    vd_tree_root(VD_TREE_SEGMENTS, x->segment_hash[0], n, x->w.body.tree.b);
}

static inline real_side *real_run(real_tensors *s, const vd_job *j, const real_fault *faults,
                                  uint32_t fault_count, const world_plan *plans,
                                  uint32_t plan_count)
{
    real_side *x = calloc(1, sizeof *x);
    small_run r;
    if (!x) abort();
    small_begin(&r, j);
    for (uint32_t k = 0; k < 3; k++) {
        void *zeros = calloc(1, ro_type_bytes(&j->slots[k].type));
        (void)real_put(s, &j->slots[k].type, zeros, FORGE_NONE);
        free(zeros);
    }
    while (r.steps < j->steps) {
        memcpy(x->w.slots[r.steps], r.slots, sizeof r.slots);
        real_advance(&r, s, faults, fault_count);
        world_step(&x->w, &r, plans, plan_count);
    }
    memcpy(x->w.slots[j->steps], r.slots, sizeof r.slots);
    real_body(x, j);
    world_seal(&x->w);
    return x;
}

/* One byte of a segment's leaf altered (or one more appended) and all above it hashed again. */
static inline void real_forge_segment(real_side *x, const vd_job *j, uint64_t segment, size_t at)
{
    x->segment[segment][at] ^= 1;
    if (at == VD_SEGMENT_LEAF_BYTES) x->segment_size[segment]++;
    vd_leaf_hash(VD_TREE_SEGMENTS, x->segment[segment], x->segment_size[segment],
                 x->segment_hash[segment]);
    vd_tree_root(VD_TREE_SEGMENTS, x->segment_hash[0], vd_job_segments(j), x->w.body.tree.b);
    world_seal(&x->w);
}

/* ---- the host ------------------------------------------------------------------------ */

/* A window as it was answered: which of the host's claims are in it, in the window's order. */
typedef struct { rf_question q; uint32_t claim[REAL_CLAIMS_MAX], count; } real_window;

typedef struct {
    const vd_job *job;
    const real_tensors *tensors;
    const real_side *sides[4], *truth;
    uint32_t count;
    rf_claim claims[REAL_CLAIMS_MAX];
    const real_side *claim_of[REAL_CLAIMS_MAX]; /* whose step leaves it shows */
    uint32_t claim_count;
    int online;             /* claims are filed in the windows, not handed in with the setup */
    real_window windows[2]; /* the last two of segment claims: a pair's                      */
    uint32_t window_count;
    uint64_t silent;     /* these parties never answer                      */
    uint32_t deaf_kinds; /* these kinds of question nobody answers          */
    int (*deaf)(const rf_question *q, uint32_t party); /* nor these; RF_NONE: the host */
    uint64_t kernel_flip;                              /* the kernel errs in these bits */
    int kernel_alone; /* the host's scalar body is not asked beside it  */
    uint8_t rerun_flip, not_landed;
    const uint64_t *parts[4]; /* a party's explanation of the element      */
    uint64_t parts_count[RO_LEVELS_MAX];
    uint32_t asked[RF_Q_KERNEL + 1], questions;
    int no_memory; /* the host's own: an answer could not be written     */
    const rf_runner *runner; /* where the game's bodies run; NULL: in this process */
} real_host;

/* Hand in a claim of x's segment for the trace of `trace`. */
static inline void real_claim(real_host *h, const real_side *x, const real_side *trace,
                              uint64_t segment, int own)
{
    vd_claim_body b = {h->job->digest, trace->w.party.root, segment, 0, {{0}}};
    uint64_t first;
    vd_job_segment(h->job, segment, &first, &b.steps);
    vd_tree_root(VD_TREE_STEPS, x->w.step_hash[first], b.steps, b.tree.b);
    h->claims[h->claim_count] = (rf_claim){vd_claim_root(&b), b, own};
    h->claim_of[h->claim_count++] = x;
}

typedef struct {
    vd_digest digest;
    uint64_t index;
    uint32_t size;
    uint8_t path[VD_PROOF_MAX * VD_DIGEST];
} real_proof;

/* The last two are kept: a body may read from two chunks by turns. */
static inline const real_proof *real_path(const real_tensor *t, uint64_t index)
{
    static real_proof kept[2];
    static uint32_t turn;
    for (uint32_t k = 0; k < 2; k++)
        if (kept[k].index == index && vd_digest_equal(&kept[k].digest, &t->digest)) return &kept[k];
    real_proof *p = &kept[turn ^= 1];
    p->digest = t->digest;
    p->index = index;
    p->size = vd_proof_from_leaves(VD_TREE_CHUNKS, t->leaves, t->chunks, index, p->path);
    return p;
}

static inline int real_chunk(void *ctx, const vd_digest *d, const ro_type *type, uint64_t index,
                             const uint8_t **bytes, size_t *size, const uint8_t **path,
                             uint32_t *path_size)
{
    const real_tensor *t = real_find(ctx, d);
    if (!t || !ro_type_equal(&t->type, type)) return 0;
    const real_proof *p = real_path(t, index);
    *bytes = t->bytes + index * VD_CHUNK_BYTES;
    *size = vd_tensor_chunk_bytes(type, index);
    *path_size = p->size;
    *path = p->path;
    return 1;
}

/* Which of the host's claims the game's is: online the game numbers what was filed. */
static inline uint32_t real_claim_of(const real_host *h, const rf_game *g, uint32_t claim)
{
    uint32_t k = 0;
    if (!h->online || claim == RF_NONE) return claim;
    const vd_digest *root = &rf_game_get_claim(g, claim)->root;
    while (k < h->claim_count && !vd_digest_equal(&h->claims[k].root, root)) k++;
    if (k == h->claim_count) abort();
    return k;
}

/* Whether a claim of the host's was not found false. */
static inline int real_claim_stands(const real_host *h, const rf_game *g, uint32_t claim)
{
    if (!h->online) return rf_game_claim_stands(g, claim);
    for (uint32_t w = 0; w < 2; w++)
        for (uint32_t k = 0; k < h->windows[w].count; k++)
            if (h->windows[w].claim[k] == claim) return !rf_game_struck(g, &h->windows[w].q, k);
    return 1;
}

/* Leaf hashes of the tree a question is about, as x has them. */
static inline const uint8_t *real_leaves(const real_host *h, const real_side *x,
                                         const rf_question *q, uint64_t *n)
{
    const real_tensor *t;
    switch (q->tree) {
    case VD_TREE_STEPS:
        *n = h->job->steps;
        if (q->claim == RF_NONE) return x->w.step_hash[0];
        *n = h->claims[q->claim].body.steps;
        return h->claim_of[q->claim]->w.step_hash[h->claims[q->claim].body.segment *
                                                  h->job->segment];
    case VD_TREE_SEGMENTS: *n = vd_job_segments(h->job); return x->segment_hash[0];
    case VD_TREE_OUTPUTS: *n = h->job->steps; return x->w.output_hash[0];
    case VD_TREE_NODES:
        if (q->claim != RF_NONE) x = h->claim_of[q->claim];
        *n = x->w.nodes[q->step];
        return x->w.node_hash[q->step][0];
    case VD_TREE_CHUNKS:
        t = real_find(h->tensors, &q->tensor);
        *n = t ? t->chunks : 0;
        return t ? t->leaves : NULL;
    default: return NULL;
    }
}

static inline size_t real_leaf(const real_host *h, const real_side *x, const rf_question *q,
                               uint8_t *out)
{
    const world_leaf *l = NULL;
    const real_tensor *t;
    uint64_t first = 0;
    if (q->claim != RF_NONE) {
        x = h->claim_of[q->claim];
        first = h->claims[q->claim].body.segment * h->job->segment;
    }
    if (q->tree == VD_TREE_STEPS) l = &x->w.step[first + q->lo];
    if (q->tree == VD_TREE_NODES) l = &x->w.node[q->step][q->lo];
    if (l) {
        memcpy(out, l->bytes, l->size);
        return l->size;
    }
    if (q->tree == VD_TREE_SEGMENTS) {
        memcpy(out, x->segment[q->lo], x->segment_size[q->lo]);
        return x->segment_size[q->lo];
    }
    t = real_find(h->tensors, &q->tensor);
    if (!t) return 0;
    memcpy(out, t->bytes + q->lo * VD_CHUNK_BYTES, real_chunk_size(t, q->lo));
    return real_chunk_size(t, q->lo);
}

/* The step leaves that a claim shows; returns their size. */
static inline size_t real_step_leaves(const real_host *h, uint32_t claim, uint8_t *out)
{
    const vd_claim_body *b = &h->claims[claim].body;
    const world_leaf *l = &h->claim_of[claim]->w.step[b->segment * h->job->segment];
    for (uint64_t n = 0; n < b->steps; n++)
        memcpy(out + n * VD_STEP_LEAF_BYTES, l[n].bytes, VD_STEP_LEAF_BYTES);
    return b->steps * VD_STEP_LEAF_BYTES;
}

/* What party k says into out (of REAL_ROOM bytes); 0: it has no answer. */
#define REAL_ROOM ((size_t)2 << 20)
static inline size_t real_says(real_host *h, rf_game *g, uint32_t k, const rf_question *asked,
                               uint8_t *out)
{
    const real_side *x = h->sides[k];
    rf_question own = *asked, *q = &own;
    const real_tensor *t;
    rf_chunk_source source = {real_chunk, (void *)(uintptr_t)h->tensors};
    uint64_t n;
    uint8_t *answer = NULL;
    size_t size = 0;
    ro_err why = {RO_OK, {0}};
    own.claim = real_claim_of(h, g, asked->claim);
    switch (q->kind) {
    case RF_Q_HASHES: {
        const uint8_t *leaves = real_leaves(h, x, q, &n);
        if (!leaves || q->hi > n) return 0;
        return VD_DIGEST *
               (size_t)vd_descend_from_leaves(q->tree, leaves, n, q->lo, q->hi, q->depth, out);
    }
    case RF_Q_LEAF: return real_leaf(h, x, q, out);
    case RF_Q_STATE:
        memcpy(out, x->w.slots[q->step], sizeof x->w.slots[0]);
        return sizeof x->w.slots[0];
    case RF_Q_OUTPUTS:
        for (n = q->lo; n < q->hi; n++)
            memcpy(out + (n - q->lo) * VD_DIGEST, x->w.step[n].bytes + 60, VD_DIGEST);
        return (q->hi - q->lo) * VD_DIGEST;
    case RF_Q_STEP_LEAVES: return real_step_leaves(h, q->claim, out);
    case RF_Q_HEADER:
        t = real_find(h->tensors, &q->tensor);
        if (t) memcpy(out, t->header, t->header_size);
        return t ? t->header_size : 0;
    case RF_Q_OPERANDS:
        h->no_memory = rf_operands_write(g, q, &source, &answer, &size, &why) == RO_ENOMEM;
        if (why.code) return 0;
        break;
    case RF_Q_PARTS:
    case RF_Q_EXPLANATIONS:
        if (!h->parts[k]) return 0;
        h->no_memory = rf_parts_write(rf_game_subject(g), q, h->parts[k], h->parts_count, &answer,
                                      &size, &why) == RO_ENOMEM;
        if (why.code) return 0;
        break;
    default: return 0;
    }
    if (size > REAL_ROOM) abort();
    memcpy(out, answer, size);
    ro_free(answer);
    return size;
}

/* The element, or the digests of the node's outputs, from whole inputs. */
static inline size_t real_operator(const real_host *h, const rf_node *n, const rf_question *q,
                                   uint8_t *out)
{
    const void *data[RO_INPUTS_MAX] = {NULL};
    for (uint32_t k = 0; k < n->inputs; k++) {
        if (n->in[k].dtype == RO_NONE) continue;
        const real_tensor *t = real_find(h->tensors, &n->digest[k]);
        if (!t) return 0;
        data[k] = t->bytes;
    }
    const ro_reader r = {n->in, n->out, n->inputs, n->outputs, data, NULL, NULL};
    if (q->kind == RF_Q_KERNEL) {
        uint64_t bits = ro_at(n->node->op, &r, n->node->attrs, q->output, q->element);
        vd_put_le(out, bits ^ h->kernel_flip, 8);
        out[8] = h->kernel_alone || h->kernel_flip ? 0 : RF_RAN_TWICE;
        return RF_KERNEL_BYTES;
    }
    for (uint32_t k = 0; k < n->outputs; k++) {
        uint32_t size = ro_dtypes[n->out[k].dtype].size;
        uint8_t *bytes = calloc(1, ro_type_bytes(&n->out[k]) + 1);
        if (!bytes) abort();
        for (uint64_t e = 0; e < ro_type_elements(&n->out[k]); e++)
            vd_put_le(bytes + e * size, ro_at(n->node->op, &r, n->node->attrs, k, e), size);
        vd_tensor_digest_canonical(&n->out[k], bytes, NULL, out + k * VD_DIGEST);
        free(bytes);
    }
    out[n->outputs * (size_t)VD_DIGEST] = 0; /* by one implementation */
    return n->outputs * (size_t)VD_DIGEST + 1;
}

static inline size_t real_rerun(const real_host *h, const rf_question *q, uint8_t *out)
{
    const real_side *t = h->truth;
    uint64_t first, end;
    rf_range_steps(h->job, q->tree, q->lo, q->hi, &first, &end);
    const uint8_t *leaves = q->tree == VD_TREE_STEPS     ? t->w.step_hash[q->lo]
                            : q->tree == VD_TREE_OUTPUTS ? t->w.output_hash[q->lo]
                                                         : t->segment_hash[q->lo];
    vd_tree_root(q->tree, leaves, q->hi - q->lo, out);
    vd_digest state = vd_state_root(t->w.slots[end], 3);
    vd_digest before = vd_state_root(t->w.slots[first], 3);
    out[0] ^= h->rerun_flip;
    memcpy(out + VD_DIGEST, state.b, VD_DIGEST);
    int landed = !h->not_landed && (!q->has_state || vd_digest_equal(&before, &q->state));
    out[2 * VD_DIGEST] = landed ? RF_RAN_LANDED : 0;
    return 2 * VD_DIGEST + 1;
}

static inline int real_deaf(const real_host *h, const rf_question *q, uint32_t party)
{
    return (party < 64 && h->silent >> party & 1) || h->deaf_kinds >> q->kind & 1 ||
           (h->deaf && h->deaf(q, party));
}

/* Put a claim of n bytes into its place among those of a window. */
static inline void real_insert(uint8_t *list, real_window *w, const uint8_t *bytes, size_t n,
                               uint32_t claim)
{
    uint32_t at = 0;
    while (at < w->count && memcmp(list + at * n, bytes, n) < 0) at++;
    if (at < w->count && memcmp(list + at * n, bytes, n) == 0) return;
    if (w->count == REAL_CLAIMS_MAX) abort();
    memmove(list + (at + 1) * n, list + at * n, (w->count - at) * n);
    memmove(w->claim + at + 1, w->claim + at, (w->count - at) * sizeof *w->claim);
    memcpy(list + at * n, bytes, n);
    w->claim[at] = claim;
    w->count++;
}

/* All that is admitted to a window, into list; *w says what it is. Returns its size. */
static inline ro_status real_collect(real_host *h, rf_game *g, const rf_question *q, real_window *w,
                                     uint8_t *list, size_t *size, ro_err *err)
{
    uint8_t *bytes = malloc(REAL_ROOM), body[VD_CLAIM_BODY_BYTES];
    size_t each = q->kind == RF_Q_SEGMENTS ? sizeof body : 0;
    ro_status st = RO_OK;
    if (!bytes) abort();
    memset(w, 0, sizeof *w);
    w->q = *q;
    for (uint32_t k = 0; !st && k < h->count; k++) {
        int segments = q->kind == RF_Q_SEGMENTS, admitted = 0;
        if (!(q->parties >> k & 1) || real_deaf(h, q, k)) continue;
        for (uint32_t c = 0; !st && c < (segments ? h->claim_count : 1); c++) {
            const vd_claim_body *b = &h->claims[c].body;
            if (segments && !vd_digest_equal(&b->trace, &h->sides[k]->w.party.root)) continue;
            size_t n = segments ? real_step_leaves(h, c, bytes) : real_says(h, g, k, q, bytes);
            if (h->no_memory) st = RO_FAIL(err, RO_ENOMEM, "no memory to write an answer");
            else st = rf_game_admits(g, q, segments ? b : NULL, bytes, n, &admitted, err);
            if (st || !admitted) continue;
            if (segments) vd_claim_body_encode(b, body);
            else each = n;
            real_insert(list, w, segments ? body : bytes, each, c);
        }
    }
    free(bytes);
    *size = w->count * each;
    return st;
}

static inline ro_status real_file(real_host *h, rf_game *g, const rf_question *q, uint8_t *out,
                                  ro_err *err)
{
    real_window w;
    size_t n;
    int accepted;
    RO_TRY(real_collect(h, g, q, &w, out, &n, err));
    RO_TRY(rf_game_offer(g, q, out, n, &accepted, err));
    if (!accepted) abort();
    if (q->kind == RF_Q_SEGMENTS) h->windows[h->window_count++ % 2] = w;
    return RO_OK;
}

static inline ro_status real_answer(real_host *h, rf_game *g, const rf_question *q, uint8_t *out,
                                    ro_err *err)
{
    int accepted = 0;
    h->asked[q->kind]++;
    h->questions++;
    if (rf_is_window(q->kind)) return real_file(h, g, q, out, err);
    for (uint32_t k = 0; !accepted && k < h->count; k++) {
        if (!(q->parties >> k & 1) || real_deaf(h, q, k)) continue;
        size_t n = real_says(h, g, k, q, out);
        if (h->no_memory) return RO_FAIL(err, RO_ENOMEM, "no memory to write an answer");
        if (n) RO_TRY(rf_game_answer(g, q, k, out, n, &accepted, err));
    }
    if (q->parties == 0 && !real_deaf(h, q, RF_NONE)) {
        size_t n = q->kind == RF_Q_RERUN ? real_rerun(h, q, out)
                                         : real_operator(h, rf_game_subject(g), q, out);
        if (n) RO_TRY(rf_game_answer(g, q, RF_NONE, out, n, &accepted, err));
    }
    if (!accepted) rf_game_cannot(g, q, RF_NONE);
    return RO_OK;
}

static inline rf_game *real_new(const real_host *h)
{
    rf_party parties[4];
    rf_game *g = NULL;
    ro_err err = {RO_OK, {0}};
    for (uint32_t k = 0; k < h->count; k++) parties[k] = h->sides[k]->w.party;
    rf_setup s = {h->job, parties, h->count, h->claims, h->online ? 0 : h->claim_count,
                  h->online, h->job->digest};
    must(rf_game_new(&s, &g, &err), &err);
    rf_game_use_runner(g, h->runner);
    return g;
}

/* Play to the verdict; the caller frees the game. */
static inline rf_game *real_play(real_host *h)
{
    rf_question open[RF_OPEN_MAX];
    uint32_t count;
    ro_err err = {RO_OK, {0}};
    uint8_t *out = malloc(REAL_ROOM);
    rf_game *g = real_new(h);
    if (!out) abort();
    for (;;) {
        must(rf_game_next(g, open, &count, &err), &err);
        if (count == 0) break;
        for (uint32_t k = 0; k < count; k++) must(real_answer(h, g, &open[k], out, &err), &err);
    }
    free(out);
    return g;
}
#endif
