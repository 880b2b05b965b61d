/* rerun.c - whole operators and steps, run again where a verdict cannot come from an element.
 *
 * Invariants
 *   1. Operators and steps run through a backend, on whole tensors, as a party runs them.
 *   2. Only hashes come back, or one element's bits. */
#include "game.h"

#include <string.h>

#include "../verde/bytes.h"

/* ---- whole operators -------------------------------------------------------------------- */

typedef struct { vd_digest *digests; ro_value first; } sink;

static void take_digest(void *ctx, ro_value v, const uint8_t digest[32])
{
    sink *s = ctx;
    memcpy(s->digests[v - s->first].b, digest, VD_DIGEST);
}

/* The node alone, its inputs as constants. */
static ro_status lone_graph(const rf_node *n, ro_arena *a, ro_graph **out, ro_value *first,
                            ro_err *err)
{
    ro_value in[RO_INPUTS_MAX];
    ro_graph *g;
    RO_TRY(ro_graph_new(a, &g, err));
    for (uint32_t k = 0; k < n->inputs; k++) {
        in[k] = RO_NO_VALUE;
        if (n->in[k].dtype != RO_NONE) RO_TRY(ro_graph_constant(g, k, &n->in[k], &in[k], err));
    }
    RO_TRY(ro_graph_node(g, n->node->op, n->node->attrs, in, n->inputs, n->outputs, first, err));
    for (uint32_t k = 0; k < n->outputs; k++) RO_TRY(ro_graph_add_output(g, *first + k, err));
    *out = g;
    return RO_OK;
}

static ro_status one_element(const rf_node *n, const ro_backend *b, ro_plan *plan, ro_value v,
                             uint32_t output, uint64_t element, uint64_t *bits, ro_err *err)
{
    const ro_type *t = &n->out[output];
    uint8_t canonical[8], *data = ro_alloc(ro_type_bytes(t));
    uint32_t size = ro_dtypes[t->dtype].size;
    if (!data) return RO_FAIL(err, RO_ENOMEM, "no memory for an operator's output");
    ro_status st = b->value(plan, v, data, err);
    if (!st) {
        ro_canonical_bytes(t->dtype, data + element * size, canonical, 1);
        *bits = vd_get_le(canonical, size);
    }
    ro_free(data);
    return st;
}

static ro_status run_lone(const rf_node *n, const ro_backend *b, ro_device *d, ro_state *state,
                          const void *const *data, vd_digest *digests, uint32_t output,
                          uint64_t element, uint64_t *bits, ro_arena *a, ro_err *err)
{
    ro_graph *g;
    ro_value first;
    ro_plan *plan = NULL;
    RO_TRY(lone_graph(n, a, &g, &first, err));
    uint8_t *all = ro_arena_alloc(a, g->value_count);
    if (!all) return RO_FAIL(err, RO_ENOMEM, "no memory to run an operator");
    for (uint32_t k = 0; k < n->outputs; k++) all[first + k] = 1;
    ro_plan_options o = {data, n->inputs, 0, 1, vd_tensor_digest};
    sink s = {digests, first};
    ro_step_options so = {digests ? all : NULL, take_digest, &s, NULL};
    RO_TRY(b->plan(d, state, g, &o, &plan, err));
    ro_status st = b->step(plan, &so, err);
    if (!st && bits) st = one_element(n, b, plan, first + output, output, element, bits, err);
    b->plan_free(plan);
    return st;
}

ro_status rf_run_operator(const rf_node *n, const ro_backend *b, ro_pool *pool,
                          const void *const *data, vd_digest *digests, uint32_t output,
                          uint64_t element, uint64_t *bits, ro_err *err)
{
    ro_device *d = NULL;
    ro_state *state = NULL;
    ro_arena *a = ro_arena_new();
    if (!a) return RO_FAIL(err, RO_ENOMEM, "no memory to run an operator");
    ro_type step = ro_type_of(RO_I64, 0, NULL);
    ro_status st = b->open(pool, &d, err);
    if (!st) st = b->state_new(d, &step, 1, &state, err);
    if (!st) st = run_lone(n, b, d, state, data, digests, output, element, bits, a, err);
    if (state) b->state_free(state);
    if (d) b->close(d);
    ro_arena_free(a);
    return st;
}

ro_status rf_fold_parts(const rf_node *n, const ro_reader *r, uint32_t output, uint64_t element,
                        uint64_t *bits, ro_err *err)
{
    uint32_t levels;
    uint64_t count[RO_LEVELS_MAX], total = 0, *parts;
    RO_TRY(ro_explain_all(n->node->op, r, n->node->attrs, output, element, &levels, count, &parts,
                          err));
    for (uint32_t k = 0; k < levels; k++) total += count[k];
    *bits = parts[total - 1];
    ro_free(parts);
    return RO_OK;
}

/* ---- steps and segments ----------------------------------------------------------------- */

void rf_range_steps(const vd_job *j, vd_tree_kind tree, uint64_t lo, uint64_t hi, uint64_t *first,
                    uint64_t *end)
{
    *first = lo;
    *end = hi;
    if (tree != VD_TREE_SEGMENTS) return;
    *first = lo * j->segment;
    *end = hi == vd_job_segments(j) ? j->steps : hi * j->segment;
}

/* The hash of a step's node tree from the digests of a run. */
static ro_status node_root(const vd_job *j, const vd_step_result *r, uint32_t phase,
                           uint8_t *leaves, vd_digest *root)
{
    const ro_graph *g = j->phases[phase].graph;
    const vd_digest *d = r->digests;
    uint8_t bytes[VD_NODE_LEAF_BYTES(RO_INPUTS_MAX, RO_OUTPUTS_MAX)];
    for (uint32_t i = 0; i < g->node_count; i++) {
        vd_node_leaf l = {r->global, i, vd_node_descriptor(g, i), vd_node_inputs(&g->nodes[i]),
                          g->nodes[i].outputs, d, NULL};
        l.out = d + l.inputs;
        vd_leaf_hash(VD_TREE_NODES, bytes, vd_node_leaf_encode(&l, bytes), leaves + i * VD_DIGEST);
        d += l.inputs + l.outputs;
    }
    vd_tree_root(VD_TREE_NODES, leaves, g->node_count, root->b);
    return RO_OK;
}

typedef struct {
    const vd_job *job;
    vd_exec *e;
    uint8_t *leaves;
    vd_digest state;           /* after the last step */
    vd_frontier tree, outputs; /* outputs: of the segment that is being run */
} ranging;

static ro_status range_step(ranging *x, vd_tree_kind tree, uint64_t segment_end, ro_err *err)
{
    const vd_job *j = x->job;
    vd_step_result r;
    uint8_t leaf[VD_STEP_LEAF_BYTES], hash[VD_DIGEST];
    uint64_t step = vd_exec_steps(x->e);
    int full = tree == VD_TREE_STEPS, ends = step + 1 == segment_end;
    RO_TRY(vd_exec_step(x->e, full, full || ends, &r, err));
    x->state = r.state;
    if (full) {
        vd_place at = vd_job_locate(j, step);
        vd_step_leaf l = {at.repeat, at.phase, at.step, step, r.state, r.outputs, {{0}}};
        RO_TRY(node_root(j, &r, at.phase, x->leaves, &l.nodes));
        vd_leaf_hash(VD_TREE_STEPS, leaf, vd_step_leaf_encode(&l, leaf), hash);
        vd_frontier_append(&x->tree, hash);
        return RO_OK;
    }
    vd_leaf_hash(VD_TREE_OUTPUTS, r.outputs.b, VD_DIGEST, hash);
    vd_frontier_append(tree == VD_TREE_OUTPUTS ? &x->tree : &x->outputs, hash);
    if (tree != VD_TREE_SEGMENTS || !ends) return RO_OK;
    vd_segment_leaf s = {step / j->segment, 0, 0, r.state, {{0}}};
    vd_job_segment(j, s.index, &s.first, &s.count);
    vd_frontier_root(&x->outputs, s.outputs.b);
    vd_leaf_hash(VD_TREE_SEGMENTS, leaf, vd_segment_leaf_encode(&s, leaf), hash);
    vd_frontier_append(&x->tree, hash);
    vd_frontier_init(&x->outputs, VD_TREE_OUTPUTS);
    return RO_OK;
}

ro_status rf_run_range(vd_exec *e, const vd_job *j, vd_tree_kind tree, uint64_t lo, uint64_t hi,
                       vd_digest *hash, vd_digest *state, ro_err *err)
{
    ranging x;
    uint64_t first, end;
    uint32_t widest = 1;
    ro_status st = RO_OK;
    rf_range_steps(j, tree, lo, hi, &first, &end);
    RO_ASSERT(vd_exec_steps(e) == first);
    for (uint32_t p = 0; p < j->phase_count; p++)
        if (j->phases[p].graph->node_count > widest) widest = j->phases[p].graph->node_count;
    memset(&x, 0, sizeof x);
    x.job = j;
    x.e = e;
    x.leaves = ro_alloc((uint64_t)widest * VD_DIGEST);
    if (!x.leaves) return RO_FAIL(err, RO_ENOMEM, "no memory to run steps again");
    vd_frontier_init(&x.tree, tree);
    vd_frontier_init(&x.outputs, VD_TREE_OUTPUTS);
    while (!st && vd_exec_steps(e) < end) {
        uint64_t segment_end = end;
        if (tree == VD_TREE_SEGMENTS) {
            uint64_t k = vd_exec_steps(e) / j->segment, from, count;
            vd_job_segment(j, k, &from, &count);
            segment_end = from + count;
        }
        st = range_step(&x, tree, segment_end, err);
    }
    if (!st) vd_frontier_root(&x.tree, hash->b);
    if (!st) *state = x.state;
    ro_free(x.leaves);
    return st;
}
