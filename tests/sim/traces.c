/* traces.c - traces in memory: an honest run of a job, and runs with lies in them.
 *
 * What this file decides: how each kind of lie alters what is committed to. A lie lies in one
 * step; with `carry` the later steps are run from what it made of the state, without they are the
 * honest ones, so the liar returns to the truth.
 *
 * Invariants
 *   1. Whatever is told is sealed: leaves, trees, body and root follow from it.
 *   2. A node whose inputs are those of a run before it is not run again: it puts out the same. */
#include "jobs.h"

const char *sim_lie_name(sim_lie_kind k)
{
    static const char *const names[LIE_KINDS] = {
        "truth", "one bit", "NaN", "-0", "random bytes", "shape", "dtype", "unopenable output",
        "false part", "input", "input digest", "descriptor", "node's step", "node's index",
        "node's arity", "node leaf too long", "node hash", "zero hash of a node", "inner as leaf",
        "state", "outputs", "node root", "repeat", "phase", "phase step", "global step",
        "step leaf too long", "step hash", "zero hash of a step", "swapped states", "skipped step",
        "repeated state", "segment index", "segment first", "segment count", "segment state",
        "segment outputs", "segment leaf too long", "segment hash", "last state", "outputs root",
        "leaf of outputs", "tree", "body's job", "body's steps", "body's first state",
        "body's level", "body's nodes"};
    return names[k];
}

static vd_digest junk(const sim_lie *l, uint64_t what)
{
    uint8_t bytes[24];
    vd_digest d;
    vd_put_le(bytes, l->salt, 8);
    vd_put_le(bytes + 8, l->step, 8);
    vd_put_le(bytes + 16, what, 8);
    vd_tagged_hash("simulated junk", bytes, sizeof bytes, d.b);
    return d;
}

/* ---- what a node put out ----------------------------------------------------------------- */

static void *copy_data(ro_arena *a, const sim_tensor *x)
{
    void *data = sim_alloc(a, ro_type_bytes(&x->type) + 8);
    memcpy(data, x->data, ro_type_bytes(&x->type));
    return data;
}

/* The bits that the lie puts in the place of an element, which they differ from. */
static uint64_t false_bits(const sim_lie *l, ro_dtype d, uint64_t bits)
{
    uint32_t width = d == RO_BOOL ? 1 : 8 * ro_dtypes[d].size;
    if (l->kind == LIE_NAN)
        return ro_bits_of_number(d, NAN) | (l->salt & (width == 16 ? 7 : 0xffff));
    if (l->kind == LIE_NEGATIVE_ZERO) return ro_bits_of_number(d, -0.0);
    return bits ^ UINT64_C(1) << l->salt % width;
}

static const sim_tensor *another_type(sim_trace *t, ro_arena *a, const sim_lie *l,
                                      const sim_tensor *x)
{
    ro_type type = x->type;
    if (l->kind == LIE_SHAPE) {
        type.dims[type.rank++] = 1;
    } else {
        static const ro_dtype other[RO_DTYPE_LIMIT] = {
            [RO_F32] = RO_I32, [RO_I32] = RO_F32,  [RO_F64] = RO_I64,  [RO_I64] = RO_F64,
            [RO_U8] = RO_BOOL, [RO_BOOL] = RO_U8,  [RO_F16] = RO_BF16, [RO_BF16] = RO_F16,
            [RO_I8] = RO_U8,   [RO_I16] = RO_U16,  [RO_U16] = RO_I16,  [RO_U32] = RO_I32,
            [RO_U64] = RO_I64};
        type.dtype = other[type.dtype];
    }
    return sim_put(&t->store, a, &type, copy_data(a, x));
}

static const sim_tensor *unopenable(ro_arena *a, const sim_lie *l, const sim_tensor *x)
{
    sim_tensor *y = sim_alloc(a, sizeof *y);
    *y = *x;
    y->digest = junk(l, 1);
    y->next = NULL;
    return y;
}

typedef struct { const uint64_t *parts; const uint64_t *count; } told_parts;

static uint64_t told(const ro_claims *claims, uint32_t level, uint64_t index)
{
    const told_parts *t = claims->ctx;
    uint64_t at = index;
    for (uint32_t k = 0; k < level; k++) at += t->count[k];
    return t->parts[at];
}

/* Fold parts from level 1 up; those of level 0 follow from inputs alone (the pool's dear subjects
 * are no chains). Returns the value. */
static uint64_t fold(const sim_job *j, uint64_t *parts, const ro_reader *r, const ro_node *n)
{
    const ro_explain *e = ro_explain_of(n->op, r);
    uint64_t at = j->part_count[0];
    told_parts claims_of = {parts, j->part_count};
    ro_claims claims = {told, &claims_of};
    for (uint32_t k = 1; k < j->part_levels; k++)
        for (uint64_t i = 0; i < j->part_count[k]; i++)
            parts[at++] = e->part(r, n->attrs, 0, 0, k, i, &claims);
    return parts[at - 1];
}

static uint64_t *copy_parts(const sim_job *j, ro_arena *a)
{
    uint64_t total = 0;
    for (uint32_t k = 0; k < j->part_levels; k++) total += j->part_count[k];
    uint64_t *parts = sim_alloc(a, total * sizeof *parts);
    memcpy(parts, j->parts, total * sizeof *parts);
    return parts;
}

/* Two parts exchanged often fold to the same value: a sum of two does not know its order. */
int sim_false_parts(const sim_job *j, ro_arena *a, sim_trace *t, rng *g)
{
    const ro_graph *graph = j->job->phases[1].graph;
    const ro_node *n = &graph->nodes[j->subject];
    const sim_step *s = &j->truth->step[j->job->steps - 1];
    ro_type in[CASE_INPUTS];
    const void *data[CASE_INPUTS];
    if (!j->dear) return 0;
    for (uint32_t k = 0; k < n->inputs; k++) {
        in[k] = graph->values[n->in[k]].type;
        data[k] = s->values[n->in[k]]->data;
    }
    ro_reader r = {in,  &graph->values[n->first_output].type, n->inputs, n->outputs, data, NULL,
                   NULL};
    uint64_t value = ro_load(r.out[0].dtype, s->values[n->first_output]->data, 0);
    for (int tries = 0; tries < 200; tries++) {
        uint64_t *parts = copy_parts(j, a), i = rng_next(g) % 4; /* early ones are met first */
        uint64_t k = tries % 2 ? rng_next(g) % j->part_count[0] : (i ^ 1) % j->part_count[0];
        uint64_t other = parts[i];
        parts[i] = parts[k];
        parts[k] = other;
        if (parts[i] == other || fold(j, parts, &r, n) != value) continue;
        t->parts = parts;
        t->part_step = SIM_EVERY_STEP;
        return 1;
    }
    return 0;
}

/* One part of the element is false and what follows from it is folded, so the explanation holds. */
static uint64_t false_part(sim_trace *t, ro_arena *a, const sim_lie *l, const ro_reader *r,
                           const ro_node *n)
{
    const sim_job *j = t->base;
    t->parts = copy_parts(j, a);
    t->parts[l->salt % j->part_count[0]] ^= UINT64_C(1) << (16 + l->salt / 7 % 13);
    t->part_step = l->step;
    return fold(j, t->parts, r, n);
}

static const sim_tensor *false_output(sim_trace *t, ro_arena *a, const sim_lie *l,
                                      const ro_reader *r, const ro_node *n, const sim_tensor *x)
{
    uint64_t elements = ro_type_elements(&x->type),
             bits = ro_load(x->type.dtype, x->data, l->element);
    if (l->kind == LIE_SHAPE || l->kind == LIE_DTYPE) return another_type(t, a, l, x);
    if (l->kind == LIE_JUNK) return unopenable(a, l, x);
    uint8_t *data = copy_data(a, x);
    rng g = {l->salt};
    if (l->kind == LIE_RANDOM)
        for (uint64_t i = 0; i < elements; i++)
            sim_put_bits(x->type.dtype, data, i,
                         rng_next(&g) & (x->type.dtype == RO_BOOL ? 1 : ~0ull));
    else
        sim_put_bits(x->type.dtype, data, l->element,
                 l->kind == LIE_PART ? false_part(t, a, l, r, n)
                                     : false_bits(l, x->type.dtype, bits));
    return sim_put(&t->store, a, &x->type, data);
}

/* ---- one step ---------------------------------------------------------------------------- */

typedef struct {
    sim_trace *t;
    ro_arena *arena;
    uint64_t step;
    const ro_graph *g;
    const sim_lie *lie; /* of this step, or NULL */
    const sim_step *like; /* the same graph with perhaps the same inputs: a run before this one */
} stepping;

static int lie_is(const stepping *s, uint32_t node, sim_lie_kind from, sim_lie_kind to)
{
    return s->lie && s->lie->node == node && s->lie->kind >= from && s->lie->kind <= to;
}

static const sim_tensor *input_of(const stepping *s, uint32_t node, uint32_t k)
{
    ro_value v = s->g->nodes[node].in[k];
    const sim_tensor *x = s->t->step[s->step].values[v];
    if (!lie_is(s, node, LIE_INPUT, LIE_INPUT) || s->lie->output != k) return x;
    uint8_t *data = copy_data(s->arena, x);
    sim_put_bits(x->type.dtype, data, s->lie->element,
             false_bits(s->lie, x->type.dtype, ro_load(x->type.dtype, data, s->lie->element)));
    return sim_put(&s->t->store, s->arena, &x->type, data);
}

static void run_node(stepping *s, uint32_t node, const sim_tensor **in)
{
    const ro_node *n = &s->g->nodes[node];
    const sim_tensor **values = s->t->step[s->step].values;
    ro_type types[2][RO_INPUTS_MAX];
    const void *data[RO_INPUTS_MAX];
    int same = s->like != NULL;
    memset(types, 0, sizeof types);
    for (uint32_t k = 0; k < n->inputs; k++) {
        data[k] = in[k] ? in[k]->data : NULL;
        if (!in[k]) continue;
        types[0][k] = s->g->values[n->in[k]].type;
        same = same && vd_digest_equal(&in[k]->digest, &s->like->values[n->in[k]]->digest);
    }
    for (uint32_t k = 0; k < n->outputs; k++) types[1][k] = s->g->values[n->first_output + k].type;
    ro_reader r = {types[0], types[1], n->inputs, n->outputs, data, NULL, NULL};
    for (uint32_t k = 0; k < n->outputs; k++) {
        const ro_type *type = &types[1][k];
        const sim_tensor **y = &values[n->first_output + k];
        if (same) {
            *y = s->like->values[n->first_output + k];
        } else {
            uint8_t *to = sim_alloc(s->arena, ro_type_bytes(type) + 8);
            for (uint64_t i = 0; i < ro_type_elements(type); i++)
                sim_put_bits(type->dtype, to, i, ro_at(n->op, &r, n->attrs, k, i));
            *y = sim_put(&s->t->store, s->arena, type, to);
        }
        if (lie_is(s, node, LIE_BIT, LIE_PART) && s->lie->output == k)
            *y = false_output(s->t, s->arena, s->lie, &r, n, *y);
    }
}

static void false_record(const stepping *s, sim_leaf *l, uint32_t inputs)
{
    size_t at = 0;
    switch (s->lie->kind) {
    case LIE_INPUT_DIGEST: at = 48 + (s->lie->output % inputs) * VD_DIGEST; break;
    case LIE_DESCRIPTOR: at = 12; break;
    case LIE_NODE_STEP: at = 0; break;
    case LIE_NODE_INDEX: at = 8; break;
    case LIE_NODE_ARITY: at = 44; break;
    case LIE_NODE_LONG: l->bytes[l->size++] = (uint8_t)s->lie->salt; return;
    default: return;
    }
    l->bytes[at + s->lie->salt % 4] ^= (uint8_t)(1 + s->lie->salt / 4 % 255);
}

static void record_node(stepping *s, uint32_t node, const sim_tensor *const *in)
{
    const ro_node *n = &s->g->nodes[node];
    sim_step *st = &s->t->step[s->step];
    vd_digest digests[2][RO_INPUTS_MAX];
    vd_node_leaf l = {s->step, node, vd_node_descriptor(s->g, node), 0, n->outputs, digests[0],
                      digests[1]};
    for (uint32_t k = 0; k < n->inputs; k++)
        if (in[k]) digests[0][l.inputs++] = in[k]->digest;
    for (uint32_t k = 0; k < n->outputs; k++)
        digests[1][k] = st->values[n->first_output + k]->digest;
    sim_leaf *leaf = &st->nodes[node];
    leaf->bytes = sim_alloc(s->arena, vd_node_leaf_size(s->g, node) + 1);
    leaf->size = vd_node_leaf_encode(&l, leaf->bytes);
    if (lie_is(s, node, LIE_INPUT_DIGEST, LIE_NODE_LONG)) false_record(s, leaf, l.inputs);
    uint8_t *hash = st->node_hash + node * VD_DIGEST;
    vd_leaf_hash(VD_TREE_NODES, leaf->bytes, leaf->size, hash);
    if (lie_is(s, node, LIE_NODE_HASH, LIE_NODE_HASH))
        memcpy(hash, junk(s->lie, 2).b, VD_DIGEST);
    if (lie_is(s, node, LIE_NODE_ZERO, LIE_NODE_ZERO)) memset(hash, 0, VD_DIGEST);
    if (lie_is(s, node, LIE_NODE_AS_LEAF, LIE_NODE_AS_LEAF))
        vd_inner_hash(VD_TREE_NODES, hash, hash, hash);
}

static void false_step(const stepping *s, sim_step *st, vd_step_leaf *l)
{
    const sim_lie *lie = s->lie;
    switch (lie->kind) {
    case LIE_STATE: l->state = junk(lie, 3); break;
    case LIE_OUTPUTS: l->outputs = junk(lie, 4); break;
    case LIE_NODES_ROOT: l->nodes = junk(lie, 5); break;
    case LIE_REPEAT: l->repeat += 1 + lie->salt % 7; break;
    case LIE_PHASE: l->phase ^= (uint32_t)(1 + lie->salt % 7); break;
    case LIE_PHASE_STEP: l->step += 1 + lie->salt % 7; break;
    case LIE_GLOBAL: l->global ^= 1 + lie->salt % 7; break;
    case LIE_REPEAT_STATE:
        l->state = vd_state_root(st->state, s->t->base->job->slot_count); break;
    default: break;
    }
}

static void seal_step(const stepping *s, sim_step *st, const vd_step_leaf *l)
{
    uint8_t *hash = s->t->step_hash + s->step * VD_DIGEST;
    st->leaf.bytes = sim_alloc(s->arena, VD_STEP_LEAF_BYTES + 1);
    st->leaf.size = vd_step_leaf_encode(l, st->leaf.bytes);
    st->outputs = l->outputs;
    if (s->lie && s->lie->kind == LIE_STEP_LONG)
        st->leaf.bytes[st->leaf.size++] = (uint8_t)s->lie->salt;
    vd_leaf_hash(VD_TREE_STEPS, st->leaf.bytes, st->leaf.size, hash);
    if (s->lie && s->lie->kind == LIE_STEP_HASH) memcpy(hash, junk(s->lie, 6).b, VD_DIGEST);
    if (s->lie && s->lie->kind == LIE_STEP_ZERO) memset(hash, 0, VD_DIGEST);
    vd_leaf_hash(VD_TREE_OUTPUTS, st->outputs.b, VD_DIGEST,
                 s->t->output_hash + s->step * VD_DIGEST);
}

static const sim_tensor *step_number(stepping *s)
{
    int64_t *v = sim_alloc(s->arena, sizeof *v);
    *v = (int64_t)s->step + 1;
    ro_type type = ro_type_of(RO_I64, 0, NULL);
    return sim_put(&s->t->store, s->arena, &type, v);
}

static vd_digest *digests_of(ro_arena *a, const sim_tensor *const *slots, uint32_t count)
{
    vd_digest *d = sim_alloc(a, count * sizeof *d);
    for (uint32_t k = 0; k < count; k++) d[k] = slots[k]->digest;
    return d;
}

/* Run step s->step on the state `slots`, which is moved on. */
static void run_step(stepping *s, const sim_tensor **slots)
{
    const vd_job *j = s->t->base->job;
    sim_step *st = &s->t->step[s->step];
    vd_place at = vd_job_locate(j, s->step);
    const vd_phase *p = &j->phases[at.phase];
    vd_digest outputs[CASE_INPUTS + 2];
    vd_step_leaf l = {at.repeat, at.phase, at.step, s->step, {{0}}, {{0}}, {{0}}};
    s->g = p->graph;
    st->slots = sim_alloc(s->arena, j->slot_count * sizeof *st->slots);
    memcpy(st->slots, slots, j->slot_count * sizeof *st->slots);
    st->state = digests_of(s->arena, slots, j->slot_count);
    st->values = sim_alloc(s->arena, s->g->value_count * sizeof *st->values);
    st->nodes = sim_alloc(s->arena, s->g->node_count * sizeof *st->nodes);
    st->node_hash = sim_alloc(s->arena, s->g->node_count * (size_t)VD_DIGEST);
    for (uint32_t v = 0; v < s->g->value_count; v++) {
        const ro_value_info *i = &s->g->values[v];
        if (i->kind == RO_V_SLOT) st->values[v] = slots[i->index];
        if (i->kind == RO_V_CONSTANT) st->values[v] = s->t->base->constants[i->index];
    }
    for (uint32_t i = 0; i < s->g->node_count; i++) {
        const sim_tensor *in[RO_INPUTS_MAX] = {NULL};
        for (uint32_t k = 0; k < s->g->nodes[i].inputs; k++)
            if (s->g->nodes[i].in[k] != RO_NO_VALUE) in[k] = input_of(s, i, k);
        run_node(s, i, in);
        record_node(s, i, in);
    }
    const sim_tensor *next[SIM_SLOTS_MAX];
    for (uint32_t k = 1; k < j->slot_count; k++) {
        ro_value v = vd_phase_next(p, k);
        next[k] = v == RO_NO_VALUE ? slots[k] : st->values[v];
    }
    next[0] = step_number(s);
    memcpy(slots, next, j->slot_count * sizeof *slots);
    for (uint32_t k = 0; k < s->g->output_count; k++)
        outputs[k] = st->values[s->g->outputs[k]]->digest;
    l.state = vd_state_root(digests_of(s->arena, slots, j->slot_count), j->slot_count);
    l.outputs = vd_outputs_digest(outputs, s->g->output_count);
    vd_tree_root(VD_TREE_NODES, st->node_hash, s->g->node_count, l.nodes.b);
    if (s->lie) false_step(s, st, &l);
    seal_step(s, st, &l);
}

/* ---- segments and body ------------------------------------------------------------------- */

static void seal_segment(sim_trace *t, ro_arena *a, uint64_t k, const sim_lie *l)
{
    vd_segment_leaf s;
    vd_step_leaf last;
    uint64_t first, count;
    vd_job_segment(t->base->job, k, &first, &count);
    vd_step_leaf_decode(t->step[first + count - 1].leaf.bytes, &last);
    s.index = k;
    s.first = first;
    s.count = count;
    s.state = last.state;
    vd_tree_root(VD_TREE_OUTPUTS, t->output_hash + first * VD_DIGEST, count, s.outputs.b);
    if (l && l->kind == LIE_SEGMENT_INDEX) s.index ^= 1 + l->salt % 7;
    if (l && l->kind == LIE_SEGMENT_FIRST) s.first ^= 1 + l->salt % 7;
    if (l && l->kind == LIE_SEGMENT_COUNT) s.count ^= 1 + l->salt % 7;
    if (l && l->kind == LIE_SEGMENT_STATE) s.state = junk(l, 7);
    if (l && l->kind == LIE_SEGMENT_OUTPUTS) s.outputs = junk(l, 8);
    sim_leaf *leaf = &t->segment[k];
    uint8_t *hash = t->segment_hash + k * VD_DIGEST;
    leaf->bytes = sim_alloc(a, VD_SEGMENT_LEAF_BYTES + 1);
    leaf->size = vd_segment_leaf_encode(&s, leaf->bytes);
    if (l && l->kind == LIE_SEGMENT_LONG) leaf->bytes[leaf->size++] = (uint8_t)l->salt;
    vd_leaf_hash(VD_TREE_SEGMENTS, leaf->bytes, leaf->size, hash);
    if (l && l->kind == LIE_SEGMENT_HASH) memcpy(hash, junk(l, 9).b, VD_DIGEST);
}

static void false_body(sim_trace *t, const sim_lie *l)
{
    vd_trace_body *b = &t->body;
    switch (l->kind) {
    case LIE_LAST_STATE: b->last_state = junk(l, 10); break;
    case LIE_OUTPUTS_ROOT: b->outputs = junk(l, 11); break;
    case LIE_OUTPUT_LEAF:
        memcpy(t->output_hash + l->step * VD_DIGEST, junk(l, 12).b, VD_DIGEST);
        vd_tree_root(VD_TREE_OUTPUTS, t->output_hash, t->base->job->steps, b->outputs.b);
        break;
    case LIE_TREE: b->tree = junk(l, 13); break;
    case LIE_BODY_JOB: b->job = junk(l, 14); break;
    case LIE_BODY_STEPS: b->steps += 1 + l->salt % 7; break;
    case LIE_BODY_FIRST: b->first_state = junk(l, 15); break;
    case LIE_BODY_NODES: b->node_count = b->node_count * 2 + 1; break;
    case LIE_BODY_LEVEL:
        b->record = b->record == VD_RECORD_FULL ? VD_RECORD_CHECKPOINT : VD_RECORD_FULL;
        b->segment = b->record == VD_RECORD_FULL ? 0 : 2;
        break;
    default: break;
    }
}

static void seal(sim_trace *t, ro_arena *a, const sim_lie *lies, uint32_t count)
{
    const vd_job *j = t->base->job;
    vd_trace_body *b = &t->body;
    uint64_t segments = vd_job_segments(j);
    vd_step_leaf last;
    vd_step_leaf_decode(t->step[j->steps - 1].leaf.bytes, &last);
    memset(b, 0, sizeof *b);
    b->record = j->record;
    b->segment = j->segment;
    b->job = j->digest;
    b->steps = j->steps;
    b->first_state = j->first_state;
    b->last_state = last.state;
    for (uint64_t s = 0; !segments && s < j->steps; s++)
        b->node_count += j->phases[vd_job_locate(j, s).phase].graph->node_count;
    for (uint64_t k = 0; k < segments; k++) {
        const sim_lie *l = NULL;
        for (uint32_t i = 0; i < count; i++)
            if (lies[i].step / j->segment == k && lies[i].kind >= LIE_SEGMENT_INDEX &&
                lies[i].kind <= LIE_SEGMENT_HASH)
                l = &lies[i];
        seal_segment(t, a, k, l);
    }
    if (segments) vd_tree_root(VD_TREE_SEGMENTS, t->segment_hash, segments, b->tree.b);
    else vd_tree_root(VD_TREE_STEPS, t->step_hash, j->steps, b->tree.b);
    vd_tree_root(VD_TREE_OUTPUTS, t->output_hash, j->steps, b->outputs.b);
    for (uint32_t k = 0; k < count; k++) false_body(t, &lies[k]);
    vd_trace_body_encode(b, t->body_bytes);
    t->root = vd_trace_root(b);
}

/* ---- a whole trace ----------------------------------------------------------------------- */

static void first_state(sim_trace *t, ro_arena *a, const sim_tensor **slots)
{
    const vd_job *j = t->base->job;
    for (uint32_t k = 0; k < j->slot_count; k++) {
        const ro_type *type = &j->slots[k].type;
        slots[k] = sim_find(&t->store, &j->slots[k].digest);
        if (!slots[k])
            slots[k] = sim_put(&t->store, a, type, sim_alloc(a, ro_type_bytes(type) + 8));
    }
}

/* A step of the run before this one whose graph is the same; NULL: there is none. */
static const sim_step *like_step(const sim_trace *t, uint64_t s)
{
    const vd_job *j = t->base->job;
    if (t->base->truth) return &t->base->truth->step[s];
    if (s == 0 || vd_job_locate(j, s).phase != vd_job_locate(j, s - 1).phase) return NULL;
    return &t->step[s - 1];
}

/* Two step leaves exchange their states. */
static void swap_states(sim_trace *t, ro_arena *arena, uint64_t s)
{
    uint8_t state[VD_DIGEST];
    for (uint64_t k = s; k < s + 2; k++) {
        uint8_t *own = sim_alloc(arena, VD_STEP_LEAF_BYTES + 1);
        memcpy(own, t->step[k].leaf.bytes, t->step[k].leaf.size);
        t->step[k].leaf.bytes = own;
    }
    uint8_t *a = t->step[s].leaf.bytes, *b = t->step[s + 1].leaf.bytes;
    memcpy(state, a + 28, VD_DIGEST);
    memcpy(a + 28, b + 28, VD_DIGEST);
    memcpy(b + 28, state, VD_DIGEST);
    for (uint64_t k = s; k < s + 2; k++)
        vd_leaf_hash(VD_TREE_STEPS, t->step[k].leaf.bytes, t->step[k].leaf.size,
                     t->step_hash + k * VD_DIGEST);
}

static sim_trace *new_trace(const sim_job *j, ro_arena *a)
{
    sim_trace *t = sim_alloc(a, sizeof *t);
    size_t hashes = j->job->steps * VD_DIGEST;
    RO_ASSERT(j->job->steps <= SIM_STEPS_MAX);
    t->base = j;
    t->store.below = &j->store;
    t->step_hash = sim_alloc(a, hashes);
    t->output_hash = sim_alloc(a, hashes);
    t->segment_hash = sim_alloc(a, hashes);
    if (!j->truth) return t;
    memcpy(t->step, j->truth->step, sizeof t->step);
    memcpy(t->step_hash, j->truth->step_hash, hashes);
    memcpy(t->output_hash, j->truth->output_hash, hashes);
    t->store.below = &j->truth->store;
    return t;
}

sim_trace *sim_lying(const sim_job *j, ro_arena *a, const sim_lie *lies, uint32_t count)
{
    sim_trace *t = new_trace(j, a);
    const sim_tensor *slots[SIM_SLOTS_MAX];
    stepping s;
    uint32_t next = 0;
    int away = !j->truth; /* the state is not that of the truth */
    memset(&s, 0, sizeof s);
    s.t = t;
    s.arena = a;
    if (!j->truth) first_state(t, a, slots);
    for (s.step = 0; s.step < j->job->steps; s.step++) {
        int here = next < count && lies[next].step == s.step;
        if (!away && !here) continue;
        s.lie = here ? &lies[next] : NULL;
        s.like = like_step(t, s.step);
        if (!away) memcpy(slots, j->truth->step[s.step].slots, j->job->slot_count * sizeof *slots);
        if (here && s.lie->kind == LIE_SKIP)
            memcpy(slots, t->step[s.step - 1].slots, j->job->slot_count * sizeof *slots);
        run_step(&s, slots);
        if (here) away = lies[next++].carry;
    }
    t->state_end = away ? digests_of(a, slots, j->job->slot_count) : j->truth->state_end;
    for (uint32_t k = 0; k < count; k++)
        if (lies[k].kind == LIE_SWAP) swap_states(t, a, lies[k].step);
    seal(t, a, lies, count);
    return t;
}

/* ---- where lies fit ---------------------------------------------------------------------- */

static int fits_output(const ro_graph *g, sim_lie *l, rng *r)
{
    const ro_node *n = &g->nodes[l->node];
    l->output = (uint32_t)rng_in(r, 0, n->outputs - 1);
    const ro_type *type = &g->values[n->first_output + l->output].type;
    uint64_t elements = ro_type_elements(type);
    if (l->kind == LIE_SHAPE && type->rank == RO_RANK_MAX) return 0;
    if ((l->kind == LIE_NAN || l->kind == LIE_NEGATIVE_ZERO) && !ro_dtype_is_float(type->dtype))
        return 0;
    if (elements == 0) return l->kind == LIE_SHAPE || l->kind == LIE_DTYPE || l->kind == LIE_JUNK;
    l->element = rng_in(r, 0, 1) ? rng_next(r) % elements : rng_in(r, 0, 1) ? 0 : elements - 1;
    return 1;
}

static int fits_input(const ro_graph *g, sim_lie *l, rng *r)
{
    const ro_node *n = &g->nodes[l->node];
    if (n->inputs == 0) return 0;
    l->output = (uint32_t)rng_in(r, 0, n->inputs - 1);
    if (n->in[l->output] == RO_NO_VALUE) return 0;
    uint64_t elements = ro_type_elements(&g->values[n->in[l->output]].type);
    if (l->kind == LIE_INPUT && elements == 0) return 0;
    l->element = elements ? rng_next(r) % elements : 0;
    return 1;
}

int sim_lie_fits(const sim_job *j, sim_lie *l, rng *r)
{
    const vd_job *job = j->job;
    vd_place at = vd_job_locate(job, l->step);
    const ro_graph *g = job->phases[at.phase].graph;
    int record = l->kind >= LIE_BIT && l->kind <= LIE_NODE_AS_LEAF;
    l->salt = rng_next(r);
    if (record && g->node_count == 0) return 0;
    if (record) l->node = (uint32_t)rng_in(r, 0, g->node_count - 1);
    if (record && at.phase == 1 && rng_in(r, 0, 1)) l->node = j->subject;
    if (l->kind == LIE_PART) {
        l->node = j->subject;
        l->output = 0;
        l->element = 0;
        return j->dear && at.phase == 1;
    }
    if (l->kind >= LIE_BIT && l->kind <= LIE_JUNK) return fits_output(g, l, r);
    if (l->kind == LIE_INPUT || l->kind == LIE_INPUT_DIGEST) return fits_input(g, l, r);
    if (l->kind == LIE_SWAP) return l->step + 1 < job->steps;
    if (l->kind == LIE_SKIP)
        return l->step > 0 && vd_job_locate(job, l->step - 1).phase == at.phase;
    if (l->kind >= LIE_SEGMENT_INDEX && l->kind <= LIE_SEGMENT_HASH)
        return job->record == VD_RECORD_CHECKPOINT;
    return 1;
}
