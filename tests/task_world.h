/* task_world.h - a task with a clock, a host and members, all in memory: real runs of small jobs,
 * members that lie in one place, claims and explanations of theirs, and a loop that carries out a
 * task's effects. With `stop` the task is written and read again before every event.
 *
 * A lie replaces output 0 of one node in one step; everything before it is the truth, so it is the
 * first difference. */
#ifndef TASK_WORLD_H
#define TASK_WORLD_H
#include "../referee/task_state.h"
#include "../verde/bytes.h"
#include "small_job.h"

#define TW_STEPS_MAX 8
#define TW_NODES_MAX 8
#define TW_LEAF_MAX 384
static const char *tw_backend = "cpu test"; /* that members say they ran on */

typedef struct {
    ro_type type;
    uint8_t *bytes, *chunks; /* canonical; leaf hashes */
    vd_digest digest, chunk_root;
} tw_tensor;

typedef struct {
    tw_tensor slots[4]; /* before the step */
    tw_tensor out[TW_NODES_MAX];
} tw_step;

typedef struct {
    ro_arena *arena;
    vd_job *job;
    const void *constants[2];
    tw_tensor constant[2];
    tw_step step[TW_STEPS_MAX];
    vd_digest state[TW_STEPS_MAX + 1]; /* before each step, and at the end */
} tw_truth;

typedef enum { TW_OUTPUT, TW_JUNK, TW_INPUT, TW_STRUCTURE } tw_lie_kind;
typedef struct { uint64_t step; uint32_t node; tw_lie_kind kind; uint64_t salt; } tw_lie;

typedef struct { uint8_t bytes[TW_LEAF_MAX]; size_t size; } tw_leaf;
typedef struct {
    int lies;
    tw_lie lie;
    tw_tensor lied;
    tw_leaf node[TW_STEPS_MAX][TW_NODES_MAX];
    uint8_t node_hash[TW_STEPS_MAX][TW_NODES_MAX][VD_DIGEST];
    uint8_t step[TW_STEPS_MAX][VD_STEP_LEAF_BYTES], step_hash[TW_STEPS_MAX][VD_DIGEST];
    uint8_t output_hash[TW_STEPS_MAX][VD_DIGEST];
    uint8_t segment[TW_STEPS_MAX][VD_SEGMENT_LEAF_BYTES], segment_hash[TW_STEPS_MAX][VD_DIGEST];
    vd_digest outputs[TW_STEPS_MAX];
    vd_trace_body body;
    rf_party party;
} tw_side;

/* ---- truth ------------------------------------------------------------------------------- */

static inline void tw_seal_tensor(ro_arena *a, tw_tensor *t)
{
    uint64_t n = vd_tensor_chunks(&t->type);
    t->chunks = ro_arena_alloc(a, (n + 1) * VD_DIGEST);
    vd_tensor_chunk_hashes(&t->type, t->bytes, 0, n, t->chunks);
    vd_tree_root(VD_TREE_CHUNKS, t->chunks, n, t->chunk_root.b);
    vd_tensor_digest(&t->type, t->bytes, NULL, t->digest.b);
}

static inline tw_tensor tw_tensor_new(ro_arena *a, const ro_type *type)
{
    tw_tensor t;
    memset(&t, 0, sizeof t);
    t.type = *type;
    t.bytes = ro_arena_alloc(a, ro_type_bytes(type) + 8);
    return t;
}

static inline void tw_truth_run(tw_truth *t)
{
    ro_err err = {RO_OK, {0}};
    vd_exec *e;
    vd_exec_options o;
    vd_step_result r;
    memset(&o, 0, sizeof o);
    o.backend = ro_cpu();
    o.constants = t->constants;
    o.keep_all = 1;
    must(vd_exec_new(t->job, &o, &e, &err), &err);
    must(vd_exec_first_state(e, NULL, &err), &err);
    t->state[0] = t->job->first_state;
    for (uint64_t s = 0; s < t->job->steps; s++) {
        const ro_graph *g = t->job->phases[vd_job_locate(t->job, s).phase].graph;
        for (uint32_t k = 0; k < t->job->slot_count; k++) {
            t->step[s].slots[k] = tw_tensor_new(t->arena, &t->job->slots[k].type);
            must(vd_exec_slot(e, k, t->step[s].slots[k].bytes, &err), &err);
            tw_seal_tensor(t->arena, &t->step[s].slots[k]);
        }
        must(vd_exec_step(e, 1, 1, &r, &err), &err);
        t->state[s + 1] = r.state;
        for (uint32_t i = 0; i < g->node_count; i++) {
            ro_value v = g->nodes[i].first_output;
            t->step[s].out[i] = tw_tensor_new(t->arena, &g->values[v].type);
            must(vd_exec_value(e, v, t->step[s].out[i].bytes, &err), &err);
            tw_seal_tensor(t->arena, &t->step[s].out[i]);
        }
    }
    vd_exec_free(e);
}

static inline tw_truth *tw_truth_small(uint64_t steps, uint32_t segment)
{
    static const float zeros[12];
    ro_err err = {RO_OK, {0}};
    tw_truth *t = calloc(1, sizeof *t);
    t->arena = ro_arena_new();
    must(small_job(t->arena, 1, steps - 1, segment, 1, &t->job, &err), &err);
    t->constants[0] = zeros;
    t->constant[0] = tw_tensor_new(t->arena, &t->job->constants[0].type);
    tw_seal_tensor(t->arena, &t->constant[0]);
    tw_truth_run(t);
    return t;
}

/* One step, one element of a product so long that it is explained by its parts. */
static inline tw_truth *tw_truth_dear(uint64_t k, uint32_t segment)
{
    ro_err err = {RO_OK, {0}};
    tw_truth *t = calloc(1, sizeof *t);
    ro_graph *g;
    ro_value a, b, y;
    t->arena = ro_arena_new();
    vd_job *j = t->job = ro_arena_alloc(t->arena, sizeof *j);
    j->arena = t->arena;
    j->repeats = 1;
    j->record = segment ? VD_RECORD_CHECKPOINT : VD_RECORD_FULL;
    j->segment = segment;
    j->phase_count = j->slot_count = 1;
    j->constant_count = 2;
    j->phases = ro_arena_alloc(t->arena, sizeof *j->phases);
    j->slots = ro_arena_alloc(t->arena, sizeof *j->slots);
    j->constants = ro_arena_alloc(t->arena, 2 * sizeof *j->constants);
    j->slots[0] = small_slot("step", ro_type_of(RO_I64, 0, NULL));
    for (int c = 0; c < 2; c++) {
        int64_t dims[2] = {c ? (int64_t)k : 1, c ? 1 : (int64_t)k};
        ro_type type = ro_type_of(RO_F32, 2, dims);
        t->constant[c] = tw_tensor_new(t->arena, &type);
        float *x = (float *)(void *)t->constant[c].bytes;
        for (uint64_t i = 0; i < k; i++) x[i] = (float)((i * 2654435761u + 7) % 1009) / 512 - 1;
        tw_seal_tensor(t->arena, &t->constant[c]);
        j->constants[c].name = c ? "b" : "a";
        j->constants[c].type = type;
        j->constants[c].digest = t->constant[c].digest;
        t->constants[c] = x;
    }
    must(ro_graph_new(t->arena, &g, &err), &err);
    must(ro_graph_constant(g, 0, &j->constants[0].type, &a, &err), &err);
    must(ro_graph_constant(g, 1, &j->constants[1].type, &b, &err), &err);
    must(ro_emit2(g, RO_OP_MatMul, NULL, a, b, &y, &err), &err);
    must(ro_graph_add_output(g, y, &err), &err);
    j->phases[0].steps = 2;
    j->phases[0].graph = g;
    must(vd_job_seal(j, &err), &err);
    tw_truth_run(t);
    return t;
}

static inline void tw_truth_free(tw_truth *t)
{
    ro_arena_free(t->arena);
    free(t);
}

/* ---- sides ------------------------------------------------------------------------------- */

static inline const tw_tensor *tw_value(const tw_truth *t, const tw_side *w, uint64_t s,
                                        const ro_graph *g, ro_value v)
{
    const ro_value_info *i = &g->values[v];
    if (i->kind == RO_V_SLOT) return &t->step[s].slots[i->index];
    if (i->kind == RO_V_CONSTANT) return &t->constant[i->index];
    if (w && w->lies && w->lie.step == s && w->lie.node == i->index && w->lie.kind <= TW_JUNK)
        return &w->lied;
    return &t->step[s].out[i->index];
}

/* Lies in a node's output reach the step's outputs and state; what comes after is the truth. */
static inline void tw_side_step(const tw_truth *t, tw_side *w, uint64_t s)
{
    vd_place at = vd_job_locate(t->job, s);
    const vd_phase *p = &t->job->phases[at.phase];
    const ro_graph *g = p->graph;
    vd_digest next[4], out[4];
    vd_step_leaf l = {at.repeat, at.phase, at.step, s, t->state[s + 1], {{0}}, {{0}}};
    for (uint32_t i = 0; i < g->node_count; i++) {
        vd_digest in[2], o = tw_value(t, w, s, g, g->nodes[i].first_output)->digest;
        uint32_t n = 0;
        int here = w->lies && w->lie.step == s && w->lie.node == i;
        for (uint32_t k = 0; k < g->nodes[i].inputs; k++)
            if (g->nodes[i].in[k] != RO_NO_VALUE)
                in[n++] = tw_value(t, w, s, g, g->nodes[i].in[k])->digest;
        if (here && w->lie.kind == TW_INPUT) in[0].b[5] ^= (uint8_t)w->lie.salt;
        vd_node_leaf leaf = {s, i, vd_node_descriptor(g, i), n, 1, in, &o};
        if (here && w->lie.kind == TW_STRUCTURE) leaf.descriptor.b[5] ^= (uint8_t)w->lie.salt;
        w->node[s][i].size = vd_node_leaf_encode(&leaf, w->node[s][i].bytes);
        vd_leaf_hash(VD_TREE_NODES, w->node[s][i].bytes, w->node[s][i].size, w->node_hash[s][i]);
    }
    vd_tree_root(VD_TREE_NODES, w->node_hash[s][0], g->node_count, l.nodes.b);
    for (uint32_t k = 0; k < g->output_count; k++)
        out[k] = tw_value(t, w, s, g, g->outputs[k])->digest;
    l.outputs = w->outputs[s] = vd_outputs_digest(out, g->output_count);
    next[0] = vd_step_digest(s + 1);
    for (uint32_t k = 1; k < t->job->slot_count; k++) {
        ro_value v = vd_phase_next(p, k);
        next[k] = v == RO_NO_VALUE ? t->step[s].slots[k].digest : tw_value(t, w, s, g, v)->digest;
    }
    l.state = vd_state_root(next, t->job->slot_count);
    vd_step_leaf_encode(&l, w->step[s]);
    vd_leaf_hash(VD_TREE_STEPS, w->step[s], VD_STEP_LEAF_BYTES, w->step_hash[s]);
    vd_leaf_hash(VD_TREE_OUTPUTS, l.outputs.b, VD_DIGEST, w->output_hash[s]);
}

static inline void tw_side_segments(const tw_truth *t, tw_side *w)
{
    for (uint64_t k = 0; k < vd_job_segments(t->job); k++) {
        vd_segment_leaf l = {k, 0, 0, {{0}}, {{0}}};
        vd_step_leaf last;
        vd_job_segment(t->job, k, &l.first, &l.count);
        vd_step_leaf_decode(w->step[l.first + l.count - 1], &last);
        l.state = last.state;
        vd_tree_root(VD_TREE_OUTPUTS, w->output_hash[l.first], l.count, l.outputs.b);
        vd_segment_leaf_encode(&l, w->segment[k]);
        vd_leaf_hash(VD_TREE_SEGMENTS, w->segment[k], VD_SEGMENT_LEAF_BYTES, w->segment_hash[k]);
    }
}

static inline tw_side *tw_side_new(const tw_truth *t, const tw_lie *lie)
{
    tw_side *w = ro_arena_alloc(t->arena, sizeof *w); /* goes with the truth */
    const vd_job *j = t->job;
    vd_step_leaf last;
    if (lie) {
        w->lies = 1;
        w->lie = *lie;
        if (lie->kind <= TW_JUNK) {
            const tw_tensor *was = &t->step[lie->step].out[lie->node];
            w->lied = tw_tensor_new(t->arena, &was->type);
            memcpy(w->lied.bytes, was->bytes, ro_type_bytes(&was->type));
            for (int k = 0; k < 8 && (uint64_t)k < ro_type_bytes(&was->type); k++)
                w->lied.bytes[k] ^= (uint8_t)(lie->salt >> (8 * k));
            tw_seal_tensor(t->arena, &w->lied);
            if (lie->kind == TW_JUNK) w->lied.digest = made_up(lie->salt, lie->step, lie->node);
        }
    }
    for (uint64_t s = 0; s < j->steps; s++) tw_side_step(t, w, s);
    tw_side_segments(t, w);
    w->body.record = j->record;
    w->body.segment = j->segment;
    w->body.job = j->digest;
    w->body.steps = j->steps;
    for (uint64_t s = 0; s < j->steps && j->record == VD_RECORD_FULL; s++)
        w->body.node_count += j->phases[vd_job_locate(j, s).phase].graph->node_count;
    w->body.first_state = j->first_state;
    vd_step_leaf_decode(w->step[j->steps - 1], &last);
    w->body.last_state = last.state;
    if (j->record == VD_RECORD_FULL)
        vd_tree_root(VD_TREE_STEPS, w->step_hash[0], j->steps, w->body.tree.b);
    else
        vd_tree_root(VD_TREE_SEGMENTS, w->segment_hash[0], vd_job_segments(j), w->body.tree.b);
    vd_tree_root(VD_TREE_OUTPUTS, w->output_hash[0], j->steps, w->body.outputs.b);
    vd_trace_body_encode(&w->body, w->party.body);
    w->party.root = vd_trace_root(&w->body);
    return w;
}

static inline tw_side *tw_honest(const tw_truth *t) { return tw_side_new(t, NULL); }

static inline tw_side *tw_liar(const tw_truth *t, uint64_t step, uint32_t node, tw_lie_kind kind,
                               uint64_t salt)
{
    tw_lie lie = {step, node, kind, salt};
    return tw_side_new(t, &lie);
}

/* The claim of a segment that `steps` makes for the trace of `w`. */
static inline vd_claim_body tw_claim(const tw_truth *t, const tw_side *w, const tw_side *steps,
                                     uint64_t segment)
{
    vd_claim_body b;
    uint64_t first;
    memset(&b, 0, sizeof b);
    b.job = t->job->digest;
    b.trace = w->party.root;
    b.segment = segment;
    vd_job_segment(t->job, segment, &first, &b.steps);
    vd_tree_root(VD_TREE_STEPS, steps->step_hash[first], b.steps, b.tree.b);
    return b;
}

/* ---- what a side says -------------------------------------------------------------------- */

typedef struct { const tw_truth *truth; } tw_source;

static inline const tw_tensor *tw_find(const tw_truth *t, const vd_digest *d)
{
    for (uint64_t s = 0; s < t->job->steps; s++) {
        const ro_graph *g = t->job->phases[vd_job_locate(t->job, s).phase].graph;
        for (uint32_t k = 0; k < t->job->slot_count; k++)
            if (vd_digest_equal(&t->step[s].slots[k].digest, d)) return &t->step[s].slots[k];
        for (uint32_t i = 0; i < g->node_count; i++)
            if (vd_digest_equal(&t->step[s].out[i].digest, d)) return &t->step[s].out[i];
    }
    for (uint32_t c = 0; c < t->job->constant_count; c++)
        if (vd_digest_equal(&t->constant[c].digest, d)) return &t->constant[c];
    return NULL;
}

static inline int tw_chunk(void *ctx, const vd_digest *tensor, const ro_type *type, uint64_t index,
                           const uint8_t **bytes, size_t *size, const uint8_t **path,
                           uint32_t *path_size)
{
    static uint8_t room[VD_PROOF_MAX * VD_DIGEST];
    const tw_tensor *t = tw_find(((tw_source *)ctx)->truth, tensor);
    if (!t || !ro_type_equal(type, &t->type)) return 0;
    *bytes = t->bytes + index * VD_CHUNK_BYTES;
    *size = vd_tensor_chunk_bytes(type, index);
    *path_size =
        vd_proof_from_leaves(VD_TREE_CHUNKS, t->chunks, vd_tensor_chunks(type), index, room);
    *path = room;
    return 1;
}

/* A tensor that this side committed to as output of a node. */
static inline const tw_tensor *tw_output(const tw_truth *t, const tw_side *w, const rf_question *q)
{
    const tw_tensor *o = &t->step[q->step].out[q->node];
    if (w->lies && w->lie.step == q->step && w->lie.node == q->node && w->lie.kind <= TW_JUNK)
        o = &w->lied;
    return vd_digest_equal(&o->digest, &q->tensor) && w->lie.kind != TW_JUNK ? o : NULL;
}

static inline uint64_t tw_bits(const tw_tensor *t, uint64_t element)
{
    uint32_t size = ro_dtypes[t->type.dtype].size;
    uint64_t v = 0;
    for (uint32_t k = size; k-- > 0;) v = v << 8 | t->bytes[element * size + k];
    return v;
}

/* Parts as they are, or (forged) all zero but the last, which folds to any value. */
static inline size_t tw_parts(const tw_truth *t, const rf_node *n, const rf_question *q,
                              int forged, uint64_t value, uint8_t **out)
{
    ro_reader r;
    ro_err err = {RO_OK, {0}};
    uint64_t *parts, count[RO_LEVELS_MAX];
    uint32_t levels;
    size_t size;
    memset(&r, 0, sizeof r);
    r.in = n->in;
    r.out = n->out;
    r.inputs = n->inputs;
    r.outputs = n->outputs;
    r.data = t->constants;
    must(ro_explain_all(n->node->op, &r, n->node->attrs, q->output, q->element, &levels, count,
                        &parts, &err), &err);
    must(rf_parts_write(n, q, parts, count, out, &size, &err), &err);
    ro_free(parts);
    if (forged) {
        memset(*out, 0, size);
        for (int k = 0; k < 8; k++) (*out)[size - 8 + (size_t)k] = (uint8_t)(value >> (8 * k));
    }
    return size;
}

/* An answer to a question other than windows, from ro_alloc; 0: none. claims: whose steps the
 * side's segment claims have. */
static inline size_t tw_says(const tw_truth *t, const tw_side *w, const tw_side *claims,
                             rf_game *game, const rf_question *q, uint8_t **out)
{
    const vd_job *j = t->job;
    const tw_side *steps = q->claim == RF_NONE ? w : claims;
    ro_err err = {RO_OK, {0}};
    uint64_t first = 0, n = j->steps;
    const uint8_t *leaves = NULL, *leaf = NULL;
    size_t size = 0;
    tw_source source = {t};
    rf_chunk_source chunks = {tw_chunk, &source};
    const tw_tensor *o = NULL;
    if (q->kind == RF_Q_OPERANDS) {
        if (rf_operands_write(game, q, &chunks, out, &size, &err)) return 0;
        return size;
    }
    *out = ro_alloc(1 << 18);
    if (q->claim != RF_NONE) vd_job_segment(j, j->segment ? q->step / j->segment : 0, &first, &n);
    if (q->tree == VD_TREE_CHUNKS && ((o = tw_output(t, w, q)) || (o = tw_output(t, claims, q)))) {
        leaves = o->chunks;
        n = vd_tensor_chunks(&o->type);
        leaf = o->bytes + q->lo * VD_CHUNK_BYTES;
        size = vd_tensor_chunk_bytes(&o->type, q->lo);
    }
    if (q->kind == RF_Q_HEADER)
        return ((o = tw_output(t, w, q)) || (o = tw_output(t, claims, q)))
                   ? vd_tensor_header_encode(&o->type, o->chunk_root.b, *out) : 0;
    if (q->tree == VD_TREE_CHUNKS && !o) return 0;
    switch (q->tree) {
    case VD_TREE_STEPS:
        leaves = steps->step_hash[first];
        leaf = steps->step[first + q->lo];
        size = VD_STEP_LEAF_BYTES;
        break;
    case VD_TREE_SEGMENTS:
        leaves = w->segment_hash[0];
        n = vd_job_segments(j);
        leaf = w->segment[q->lo];
        size = VD_SEGMENT_LEAF_BYTES;
        break;
    case VD_TREE_OUTPUTS: leaves = w->output_hash[0]; break;
    case VD_TREE_NODES:
        leaves = steps->node_hash[q->step][0];
        n = j->phases[vd_job_locate(j, q->step).phase].graph->node_count;
        leaf = steps->node[q->step][q->lo].bytes;
        size = steps->node[q->step][q->lo].size;
        break;
    default: break;
    }
    if (q->kind == RF_Q_STATE) {
        for (uint32_t k = 0; k < j->slot_count; k++)
            memcpy(*out + k * VD_DIGEST, t->step[q->step].slots[k].digest.b, VD_DIGEST);
        return j->slot_count * VD_DIGEST;
    }
    if (q->kind == RF_Q_OUTPUTS) {
        memcpy(*out, w->outputs[q->lo].b, (q->hi - q->lo) * VD_DIGEST);
        return (q->hi - q->lo) * VD_DIGEST;
    }
    if (q->kind == RF_Q_HASHES && leaves)
        return VD_DIGEST *
               (size_t)vd_descend_from_leaves(q->tree, leaves, n, q->lo, q->hi, q->depth, *out);
    if (q->kind != RF_Q_LEAF || !leaf) return 0;
    memcpy(*out, leaf, size);
    return size;
}

/* ---- members and the loop ---------------------------------------------------------------- */

typedef struct {
    const tw_side *side;
    const tw_side *claims; /* whose steps its segment claims have; NULL: its own          */
    uint64_t account;
    int absent, uncommitted, withdraws, unrevealed, silent, forges, inattentive, wrong_attention;
    int garbles;           /* this many wrong answers before each right one               */
    int no_claims;
    uint8_t key[32];
    vd_digest salt;
} tw_member;

typedef struct {
    rf_effect e;
    rf_question q;
    int has_q;
    uint32_t *members, member_count;
} tw_ask;

typedef struct {
    const tw_truth *truth;
    rf_task *task;
    rf_task_setup setup;
    tw_member *member; /* one more than there are: the auditor, once there is one */
    uint32_t members;
    uint64_t now;
    int stop;            /* write and read the state before every event */
    int starve;          /* try every event with every allocation failing once; 2: the quick way */
    uint32_t starved;
    int kernel_lies, host_cannot;
    int late;            /* run what was not possible once it is held: 1 as it is, 2 with lies */
    uint32_t faults;     /* this many of the host's works fail first    */
    int undelivered;
    const tw_side *auditor;
    tw_ask *queue;
    uint32_t head, tail, room;
    tw_ask hold[16];     /* the last HOLDs, in order */
    uint32_t holds;
    /* what came of it */
    char *log;           /* every effect, a line each */
    size_t log_size, log_room;
    uint32_t struck, returned, verdicts, refused[RF_REFUSALS], asked, events;
    uint64_t moved;      /* sum of all transfers */
    uint32_t settled;
    uint64_t state_bytes;
} tw;

static inline rf_params tw_params(const vd_job *j, uint32_t slots)
{
    rf_cost c;
    rf_params p;
    ro_err err = {RO_OK, {0}};
    must(rf_cost_of_job(j, &c, &err), &err);
    must(rf_params_defaults(&c, slots, 0, RF_PRICE_DEFAULT, RF_PRICE_BYTES_DEFAULT, &p, &err),
         &err);
    p.challenges = 1;
    p.account_slots = slots;
    must(rf_params_check(&p, &err), &err);
    return p;
}

static inline tw *tw_new(const tw_truth *t, uint32_t members)
{
    tw *w = calloc(1, sizeof *w);
    ro_err err = {RO_OK, {0}};
    w->truth = t;
    w->members = members;
    w->member = calloc(members + 1, sizeof *w->member);
    w->now = 1000;
    w->setup.job = t->job;
    w->setup.referee = made_up(1, 2, 3);
    w->setup.task = made_up(4, 5, 6);
    w->setup.secret = made_up(7, 8, 9);
    w->setup.params = tw_params(t->job, members);
    for (uint32_t k = 0; k < members; k++) {
        vd_digest key = made_up(k, 10, 11);
        memcpy(w->member[k].key, key.b, sizeof w->member[k].key);
        w->member[k].salt = made_up(k, 12, 13);
        w->member[k].account = k;
    }
    must(rf_task_new(&w->setup, w->now, &w->task, &err), &err);
    return w;
}

static inline void tw_free(tw *w)
{
    rf_task_free(w->task);
    for (uint32_t k = 0; k < w->tail; k++) free(w->queue[k].members);
    free(w->member);
    free(w->queue);
    free(w->log);
    free(w);
}

/* Members whose sides are these. */
static inline tw *tw_world(const tw_truth *t, uint32_t n, tw_side *const *sides,
                           const tw_side *auditor)
{
    tw *w = tw_new(t, n);
    for (uint32_t k = 0; k < n; k++) w->member[k].side = sides[k];
    w->auditor = auditor;
    return w;
}

static inline int tw_accepted(const tw *w, const tw_side *s)
{
    vd_digest root;
    return rf_task_root(w->task, &root) && vd_digest_equal(&root, &s->party.root);
}

/* Fields that an effect has no use for say so. */
static inline void tw_check(const rf_effect *e)
{
    const int of_member = e->kind == RF_DO_ACCEPT || e->kind == RF_DO_REFUSE ||
                          e->kind == RF_DO_RELEASE || e->kind == RF_DO_STRIKE ||
                          e->kind == RF_DO_RETURN;
    if (!of_member && e->member != RF_NONE) abort();
    if (e->kind == RF_DO_REFUSE && e->reason != RF_R_CONFLICT && e->position) abort();
    if (e->duplicate != 0 && e->duplicate != 1) abort();
}

static inline void tw_note(tw *w, const rf_effect *e)
{
    tw_check(e);
    char hex[65], text[512];
    vd_digest_hex(&e->asked, hex);
    int n = snprintf(text, sizeof text,
                     "%s %u m%u p%llu d%llu r%u l%u %u/%u s%u %.12s w%u n%u t%u\n",
                     rf_effect_name(e->kind), e->state, e->member, (unsigned long long)e->position,
                     (unsigned long long)e->deadline, e->kind == RF_DO_REFUSE ? e->reason : 99,
                     e->lost, e->level, e->pair, e->sides, hex, e->work, e->number,
                     e->transfer_count);
    if (w->log_size + (size_t)n + 1 > w->log_room) {
        w->log_room = 2 * w->log_room + 4096;
        w->log = realloc(w->log, w->log_room);
    }
    memcpy(w->log + w->log_size, text, (size_t)n + 1);
    w->log_size += (size_t)n;
    w->struck += e->kind == RF_DO_STRIKE;
    w->struck -= e->kind == RF_DO_RETURN;
    w->returned += e->kind == RF_DO_RETURN;
    w->verdicts += e->kind == RF_DO_VERDICT;
    w->asked += e->kind == RF_DO_ASK;
    if (e->kind == RF_DO_REFUSE) w->refused[e->reason]++;
    if (e->kind != RF_DO_SETTLE) return;
    w->settled++;
    for (uint32_t k = 0; k < e->transfer_count; k++) w->moved += (uint64_t)e->transfers[k].amount;
}

static inline void tw_enqueue(tw *w, const rf_effect *e)
{
    if (w->tail == w->room) {
        w->room = 2 * w->room + 64;
        w->queue = realloc(w->queue, w->room * sizeof *w->queue);
    }
    tw_ask *a = &w->queue[w->tail++];
    a->e = *e;
    a->has_q = e->question != NULL;
    if (e->question) a->q = *e->question;
    a->member_count = e->member_count;
    a->members = NULL;
    if (!e->member_count) return;
    a->members = malloc(e->member_count * sizeof *a->members);
    memcpy(a->members, e->members, e->member_count * sizeof *a->members);
}

/* Written, read, written again: the same bytes; and go on with what was read. */
static inline void tw_restart(tw *w)
{
    uint8_t *bytes, *again;
    size_t n, m;
    rf_task *t;
    ro_err err = {RO_OK, {0}};
    must(rf_task_save(w->task, &bytes, &n, &err), &err);
    must(rf_task_restore(w->truth->job, bytes, n, &t, &err), &err);
    must(rf_task_save(t, &again, &m, &err), &err);
    if (n != m || memcmp(bytes, again, n) != 0) abort();
    if (n > w->state_bytes) w->state_bytes = n;
    ro_free(bytes);
    ro_free(again);
    rf_task_free(w->task);
    w->task = t;
}

/* The last effect of a kind that the last event had; NULL: none. */
static inline const rf_effect *tw_last(const tw *w, rf_effect_kind kind)
{
    uint32_t n;
    const rf_effect *e = rf_task_effects(w->task, &n), *found = NULL;
    for (uint32_t k = 0; k < n; k++)
        if (e[k].kind == kind) found = &e[k];
    return found;
}

/* What is tried without memory: an event; NULL: asking what is open. */
static inline ro_status tw_try(rf_task *t, const rf_event *event, uint64_t now, ro_err *why)
{
    return event ? rf_task_event(t, event, now, why) : rf_task_pending(t, why);
}

/* A state, with room for this many effects. */
static inline rf_task *tw_read(const tw *w, const uint8_t *bytes, size_t n, uint32_t effects)
{
    rf_task *t;
    ro_err err = {RO_OK, {0}};
    must(rf_task_restore(w->truth->job, bytes, n, &t, &err), &err);
    if (!effects) return t;
    t->effects = ro_alloc_zero(effects * sizeof *t->effects);
    t->effect_room = effects;
    return t;
}

typedef struct {
    uint8_t *before, *after;
    size_t before_size, after_size;
    uint32_t effects;
} tw_tried;

/* The at-th allocation fails, once or with all that follow: the event fails, or has gone as it does
 * with memory. 0: it has gone well. */
static inline int tw_starve_at(tw *w, const rf_event *event, const tw_tried *x, uint32_t effects,
                               uint64_t at, int for_good)
{
    uint8_t *same;
    size_t n;
    ro_err why = {RO_OK, {0}}, err = why;
    rf_task *t = tw_read(w, x->before, x->before_size, effects);
    ro_alloc_fail_at(at, for_good);
    ro_status st = tw_try(t, event, w->now, &why);
    ro_alloc_fail_at(0, 0);
    if (st) {
        if (st != RO_ENOMEM) abort();
        if (event && tw_try(t, event, w->now, &why) != RO_EUSAGE) abort();
        w->starved++;
    } else {
        uint32_t count;
        rf_task_effects(t, &count);
        if (count != x->effects) abort();
        must(rf_task_save(t, &same, &n, &err), &err);
        if (n != x->after_size || memcmp(same, x->after, n) != 0) abort();
        ro_free(same);
    }
    rf_task_free(t);
    return st != RO_OK;
}

/* Every allocation fails once, with every number of effects that there was room for. */
static inline void tw_starve(tw *w, const rf_event *event)
{
    tw_tried x;
    ro_err err = {RO_OK, {0}};
    must(rf_task_save(w->task, &x.before, &x.before_size, &err), &err);
    rf_task *t = tw_read(w, x.before, x.before_size, 0);
    must(tw_try(t, event, w->now, &err), &err);
    rf_task_effects(t, &x.effects);
    must(rf_task_save(t, &x.after, &x.after_size, &err), &err);
    rf_task_free(t);
    for (uint32_t effects = 0; effects <= (w->starve == 1 ? x.effects : 0); effects++) {
        uint64_t all = 1;
        while (tw_starve_at(w, event, &x, effects, all, 1)) all++;
        for (uint64_t at = 1; at < all; at++) tw_starve_at(w, event, &x, effects, at, 0);
    }
    ro_free(x.before);
    ro_free(x.after);
}

static inline void tw_note_hold(tw *w, const rf_effect *e)
{
    tw_ask *a = &w->hold[w->holds++ % 16];
    a->e = *e;
    a->q = *e->question;
    a->has_q = 1;
}

static inline void tw_event(tw *w, const rf_event *event)
{
    uint32_t n;
    ro_err err = {RO_OK, {0}};
    if (w->starve) tw_starve(w, event);
    if (w->starve) tw_starve(w, NULL);
    if (w->stop) tw_restart(w);
    must(rf_task_event(w->task, event, w->now, &err), &err);
    w->events++;
    const rf_effect *e = rf_task_effects(w->task, &n);
    for (uint32_t k = 0; k < n; k++) {
        tw_note(w, &e[k]);
        if (e[k].kind == RF_DO_HOLD) tw_note_hold(w, &e[k]);
        if (e[k].kind == RF_DO_ASK || e[k].kind == RF_DO_CHALLENGE || e[k].kind == RF_DO_RUN ||
            e[k].kind == RF_DO_AUDIT || e[k].kind == RF_DO_DELIVER ||
            (e[k].kind == RF_DO_HOLD && w->late))
            tw_enqueue(w, &e[k]);
    }
}

static inline void tw_plain(tw *w, rf_event_kind kind)
{
    rf_event e;
    memset(&e, 0, sizeof e);
    e.kind = kind;
    tw_event(w, &e);
}

static inline void tw_tick(tw *w, uint64_t now)
{
    w->now = now;
    tw_plain(w, RF_EV_TICK);
}

static inline rf_message tw_message(const tw *w, uint32_t member, rf_message_type type)
{
    rf_message m;
    memset(&m, 0, sizeof m);
    m.referee = w->setup.referee;
    m.task = w->setup.task;
    m.type = type;
    m.role = member == w->members ? RF_AUDITOR : RF_PROVIDER;
    memcpy(m.key, w->member[member].key, sizeof m.key);
    return m;
}

/* The reason it was refused for; -1: it was accepted. */
static inline int tw_send(tw *w, uint32_t member, const rf_message *m, const void *bytes, size_t n)
{
    rf_event e;
    memset(&e, 0, sizeof e);
    e.kind = RF_EV_MESSAGE;
    e.message = m;
    e.bytes = bytes;
    e.size = n;
    e.account = made_up(w->member[member].account, 1, 1);
    tw_event(w, &e);
    const rf_effect *no = tw_last(w, RF_DO_REFUSE);
    return no ? (int)no->reason : -1;
}

static inline int tw_send_work(tw *w, uint32_t k)
{
    rf_message m = tw_message(w, k, RF_M_WORK);
    uint8_t bytes[RF_PARAMS_BYTES];
    rf_params_encode(&w->setup.params, bytes);
    m.claim.terms = rf_terms_digest(bytes, sizeof bytes);
    return tw_send(w, k, &m, NULL, 0);
}

static inline rf_message tw_commitment(const tw *w, uint32_t k)
{
    rf_message m = tw_message(w, k, RF_M_COMMIT);
    m.claim.commitment = rf_commitment(&m.referee, &m.task, m.key, &w->member[k].side->party.root,
                                       &w->member[k].salt);
    return m;
}

static inline int tw_send_commit(tw *w, uint32_t k)
{
    rf_message m = tw_commitment(w, k);
    return tw_send(w, k, &m, NULL, 0);
}

static inline rf_message tw_reveal(const tw *w, uint32_t k, const tw_side *side)
{
    rf_message m = tw_message(w, k, RF_M_REVEAL);
    m.claim.reveal.root = side->party.root;
    m.claim.reveal.salt = w->member[k].salt;
    strcpy(m.claim.reveal.backend, tw_backend);
    memcpy(m.claim.reveal.body, side->party.body, sizeof m.claim.reveal.body);
    return m;
}

static inline int tw_send_reveal(tw *w, uint32_t k)
{
    rf_message m = tw_reveal(w, k, w->member[k].side);
    return tw_send(w, k, &m, NULL, 0);
}

static inline int tw_send_opening(tw *w, uint32_t k, const vd_digest *asked, const void *bytes,
                                  size_t n)
{
    rf_message m = tw_message(w, k, RF_M_OPENING);
    m.question = *asked;
    m.claim.opening.size = n;
    m.claim.opening.digest = rf_payload_digest(bytes, n);
    return tw_send(w, k, &m, bytes, n);
}

static inline const tw_side *tw_claims_of(const tw *w, uint32_t k)
{
    return w->member[k].claims ? w->member[k].claims : w->member[k].side;
}

static inline int tw_send_segment(tw *w, uint32_t k, const vd_digest *asked, uint64_t segment)
{
    rf_message m = tw_message(w, k, RF_M_SEGMENT);
    const tw_side *steps = tw_claims_of(w, k);
    uint64_t first, count;
    m.question = *asked;
    m.slot.root = w->member[k].side->party.root;
    m.slot.segment = segment;
    m.claim.segment.body = tw_claim(w->truth, w->member[k].side, steps, segment);
    strcpy(m.claim.segment.backend, tw_backend);
    vd_job_segment(w->truth->job, segment, &first, &count);
    return tw_send(w, k, &m, steps->step[first], count * VD_STEP_LEAF_BYTES);
}

/* The value of the part in question on a member's side: what a forger must explain. */
static inline uint64_t tw_claimed(const tw *w, uint32_t k, const tw_ask *a)
{
    const rf_game *g = rf_task_game(w->task, a->e.level, a->e.pair);
    int side = vd_digest_equal(&w->member[k].side->party.root, &a->e.roots[1]);
    return g->part.value[side];
}

static inline int tw_send_parts(tw *w, uint32_t k, const tw_ask *a)
{
    rf_message m = tw_message(w, k, RF_M_EXPLANATION);
    const rf_node *n = rf_game_subject(rf_task_game(w->task, a->e.level, a->e.pair));
    uint8_t *bytes;
    size_t size = tw_parts(w->truth, n, &a->q, w->member[k].forges || w->member[k].side->lies,
                           tw_claimed(w, k, a), &bytes);
    m.question = a->e.asked;
    m.slot.root = a->e.claim;
    m.slot.step = a->q.step;
    m.slot.node = a->q.node;
    m.slot.output = a->q.output;
    m.slot.element = a->q.element;
    m.slot.level = a->q.level;
    m.slot.index = a->q.index;
    m.claim.parts.count = size / 8;
    m.claim.parts.digest = rf_payload_digest(bytes, size);
    int refused = tw_send(w, k, &m, bytes, size);
    ro_free(bytes);
    return refused;
}

static inline int tw_may(const tw *w, uint32_t k, const tw_ask *a)
{
    rf_task_member m;
    const tw_side *own = w->member[k].side;
    if (!own || (!vd_digest_equal(&own->party.root, &a->e.roots[0]) &&
                 !vd_digest_equal(&own->party.root, &a->e.roots[1])))
        return 0;
    uint32_t member = rf_task_find(w->task, w->member[k].key);
    if (member == RF_NONE || w->member[k].silent) return 0;
    rf_task_get_member(w->task, member, &m);
    for (int side = 0; side < 2; side++)
        if (a->e.sides >> side & 1 && m.has_root && m.lost == RF_LOST_NOTHING &&
            vd_digest_equal(&m.root, &a->e.roots[side]))
            return 1;
    return 0;
}

static inline void tw_garble(tw *w, uint32_t k, const tw_ask *a, uint8_t *bytes, size_t n)
{
    for (int i = 0; i < w->member[k].garbles; i++) {
        bytes[(size_t)i % n] ^= 1;
        if (tw_send_opening(w, k, &a->e.asked, bytes, n) < 0) abort();
        bytes[(size_t)i % n] ^= 1;
    }
}

static inline void tw_answer(tw *w, const tw_ask *a)
{
    for (uint32_t k = 0; k <= w->members; k++) {
        uint8_t *bytes = NULL;
        rf_game *game = rf_task_game(w->task, a->e.level, a->e.pair);
        if (!tw_may(w, k, a)) continue;
        if (a->q.kind == RF_Q_SEGMENTS) {
            if (!w->member[k].no_claims) tw_send_segment(w, k, &a->e.asked, a->q.lo);
            continue;
        }
        if (a->q.kind == RF_Q_EXPLANATIONS) {
            if (!w->member[k].no_claims) tw_send_parts(w, k, a);
            continue;
        }
        if (!game) return;
        size_t n = tw_says(w->truth, w->member[k].side, tw_claims_of(w, k), game, &a->q, &bytes);
        if (n && w->member[k].garbles) tw_garble(w, k, a, bytes, n);
        int done = n && tw_send_opening(w, k, &a->e.asked, bytes, n) < 0;
        ro_free(bytes);
        if (done) return;
    }
}

static inline int tw_has_no_answer(const tw_member *m)
{
    return m->absent || m->uncommitted || m->withdraws || m->unrevealed || m->inattentive;
}

static inline void tw_challenge(tw *w, const tw_ask *a)
{
    for (uint32_t k = 0; k < w->members; k++) {
        const tw_member *m = &w->member[k];
        rf_message c = tw_message(w, k, RF_M_CHALLENGE);
        if (tw_has_no_answer(m)) continue;
        const tw_tensor *t = &w->truth->step[a->e.step].out[a->e.node];
        if (m->side->lies && m->side->lie.step == a->e.step && m->side->lie.node == a->e.node)
            t = &m->side->lied;
        c.question = a->e.asked;
        c.slot.challenge = a->e.number;
        c.slot.step = a->e.step;
        c.slot.node = a->e.node;
        c.slot.output = a->e.output;
        c.claim.challenge = rf_challenge_answer(&c.task, c.key, t->bytes, ro_type_bytes(&t->type));
        if (m->wrong_attention) c.claim.challenge.b[0] ^= 1;
        tw_send(w, k, &c, NULL, 0);
    }
}

/* The expected answers: by key, whatever its number is in the task. */
static inline size_t tw_expected(const tw *w, const tw_ask *a, uint8_t *out)
{
    size_t n = 0;
    for (uint32_t i = 0; i < a->member_count; i++) {
        rf_task_member is;
        uint32_t k = 0;
        rf_task_get_member(w->task, a->members[i], &is);
        while (memcmp(w->member[k].key, is.key, sizeof is.key) != 0) k++;
        const tw_member *m = &w->member[k];
        const tw_tensor *t = &w->truth->step[a->e.step].out[a->e.node];
        if (m->side->lies && m->side->lie.step == a->e.step && m->side->lie.node == a->e.node)
            t = &m->side->lied;
        vd_digest d =
            rf_challenge_answer(&w->setup.task, m->key, t->bytes, ro_type_bytes(&t->type));
        memcpy(out + n, d.b, VD_DIGEST);
        n += VD_DIGEST;
    }
    return n;
}

static inline void tw_work(tw *w, const tw_ask *a)
{
    static uint8_t out[4200 * VD_DIGEST];
    rf_event e;
    memset(&e, 0, sizeof e);
    e.kind = RF_EV_WORK;
    e.work = a->e.work;
    e.bytes = out;
    if (w->faults) {
        w->faults--;
        e.end = RF_WORK_FAULT;
    } else if (!a->has_q) {
        e.size = tw_expected(w, a, out);
    } else if (w->host_cannot || a->q.kind != RF_Q_KERNEL) {
        e.end = RF_WORK_CANNOT;
    } else {
        const tw_tensor *t = &w->truth->step[a->q.step].out[a->q.node];
        uint64_t bits = tw_bits(t, a->q.element) ^ (uint32_t)w->kernel_lies;
        vd_put_le(out, bits, 8);
        out[8] = w->kernel_lies ? 0 : RF_RAN_TWICE;
        e.size = RF_KERNEL_BYTES;
    }
    if (a->e.deadline > w->now) w->now = a->e.deadline;
    tw_event(w, &e);
}

/* The kernel of a question, which a host that could not run it has now. */
static inline void tw_late(tw *w, const tw_ask *hold, uint64_t lie)
{
    const rf_question *q = &hold->q;
    const uint64_t bits = tw_bits(&w->truth->step[q->step].out[q->node], q->element) ^ lie;
    uint8_t out[RF_KERNEL_BYTES];
    rf_event e;
    vd_put_le(out, bits, 8);
    out[8] = lie ? 0 : RF_RAN_TWICE;
    memset(&e, 0, sizeof e);
    e.kind = RF_EV_WORK;
    e.work = hold->e.work;
    e.bytes = out;
    e.size = sizeof out;
    tw_event(w, &e);
}

static inline void tw_audit(tw *w)
{
    rf_event e;
    vd_digest key = made_up(w->now, 99, 99);
    if (!w->auditor) return;
    memset(&e, 0, sizeof e);
    e.kind = RF_EV_AUDITOR;
    memcpy(e.key, key.b, sizeof e.key);
    memcpy(w->member[w->members].key, key.b, sizeof e.key);
    w->member[w->members].side = w->auditor;
    tw_event(w, &e);
    tw_send_reveal(w, w->members);
}

static inline void tw_deliver(tw *w)
{
    rf_event e;
    vd_digest root;
    if (w->undelivered || !rf_task_root(w->task, &root)) return;
    memset(&e, 0, sizeof e);
    e.kind = RF_EV_DELIVERED;
    e.member = RF_NONE;
    for (uint32_t k = 0; k < rf_task_members(w->task); k++) {
        rf_task_member m;
        rf_task_get_member(w->task, k, &m);
        if (m.stands && e.member == RF_NONE) e.member = k;
    }
    tw_event(w, &e);
}

/* Do what the task has asked for: one thing, all of it. */
static inline void tw_serve(tw *w, const tw_ask *a)
{
    switch (a->e.kind) {
    case RF_DO_ASK: tw_answer(w, a); break;
    case RF_DO_CHALLENGE: tw_challenge(w, a); break;
    case RF_DO_RUN: tw_work(w, a); break;
    case RF_DO_AUDIT: tw_audit(w); break;
    case RF_DO_HOLD: tw_late(w, a, w->late == 2); break;
    default: tw_deliver(w); break;
    }
}

static inline void tw_pump(tw *w)
{
    while (w->head < w->tail) {
        tw_ask a = w->queue[w->head++];
        tw_serve(w, &a);
    }
}

static inline void tw_open(tw *w)
{
    for (uint32_t k = 0; k < w->members; k++)
        if (!w->member[k].absent) tw_send_work(w, k);
    tw_plain(w, RF_EV_READY);
    tw_tick(w, rf_task_deadline(w->task));
}

static inline void tw_commit(tw *w)
{
    for (uint32_t k = 0; k < w->members; k++)
        if (!w->member[k].absent && !w->member[k].uncommitted) tw_send_commit(w, k);
    for (uint32_t k = 0; k < w->members; k++) {
        rf_message m = tw_message(w, k, RF_M_WITHDRAW);
        if (w->member[k].withdraws) tw_send(w, k, &m, NULL, 0);
    }
    tw_tick(w, rf_task_deadline(w->task));
}

static inline void tw_reveals(tw *w)
{
    for (uint32_t k = 0; k < w->members; k++) {
        const tw_member *m = &w->member[k];
        if (!m->absent && !m->uncommitted && !m->withdraws && !m->unrevealed) tw_send_reveal(w, k);
    }
    tw_tick(w, rf_task_deadline(w->task));
}

static inline void tw_finish(tw *w)
{
    tw_pump(w);
    for (uint32_t k = 0; k < 100000; k++) {
        rf_task_state s = rf_task_get_state(w->task);
        if (s == RF_T_SETTLED || s == RF_T_REFUNDED) return;
        tw_tick(w, rf_task_deadline(w->task));
        tw_pump(w);
    }
    abort();
}

/* Go on until a state before the end. */
static inline void tw_until(tw *w, rf_task_state state)
{
    tw_pump(w);
    while (rf_task_get_state(w->task) != state) {
        tw_tick(w, rf_task_deadline(w->task));
        tw_pump(w);
    }
}

/* As far as reveals are public. */
static inline void tw_begin(tw *w)
{
    tw_open(w);
    tw_commit(w);
    tw_reveals(w);
}

static inline void tw_run(tw *w)
{
    tw_begin(w);
    tw_finish(w);
}

static inline rf_loss tw_lost(const tw *w, uint32_t k)
{
    rf_task_member m;
    rf_task_get_member(w->task, rf_task_find(w->task, w->member[k].key), &m);
    return m.lost;
}
#endif
