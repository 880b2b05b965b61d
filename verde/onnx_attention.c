/* onnx_attention.c - attention in ONNX's five forms, and rotary embeddings, as nodes.
 *
 * What this file decides: when attention is one node, and else the order of operations that ONNX's
 * own function bodies have, node by node; docs/ONNX.md states it.
 *
 * Invariants
 *   1. One node and the nodes that it stands for give the same bits in float32 and float64, so a
 *      model that is trained, which needs their gradients, computes what it computes when it runs.
 *   2. Heads that share a key and value meet them by broadcasting: nothing is copied for them.
 *   3. A score is one sum of all its products, a row of weights one softmax: no part of either
 *      hangs on how long a sequence is. */
#include <math.h>

#include "onnx_lower.h"

/* ---- what they share ---------------------------------------------------------------------- */

/* sqrt(scale), or of 1 / sqrt(size) where the model says no scale, in float32. It is a number of
 * the model's, so it is computed now. */
static ro_status scale_of(vd_use *u, int64_t size, int root, float *f)
{
    vd_maker m = {u->l, RO_OK};
    const void *data;
    ro_value s = vd_make_real(&m, RO_F32, vd_use_float(u, "scale", 1));
    if (!vd_use_attribute(u, "scale") || (!root && vd_use_float(u, "scale", 0) == 0)) {
        s = vd_make_1(&m, "Sqrt", vd_make_real(&m, RO_F32, (double)size));
        s = vd_make_2(&m, "Div", vd_make_real(&m, RO_F32, 1), s);
    }
    if (root) s = vd_make_1(&m, "Sqrt", s);
    RO_TRY(m.status);
    RO_TRY(vd_lower_known(u->l, s, &data));
    memcpy(f, data, 4);
    if (*f != *f) return vd_use_fail(u, RO_EATTR, "has a scale of which there is no square root");
    return RO_OK;
}

/* (batch, length, heads * size) as (batch, heads, length, size); with 4 axes, x as it is. */
static ro_status split_heads(vd_use *u, ro_value x, int64_t heads, ro_value *out)
{
    vd_maker m = {u->l, RO_OK};
    ro_type t = *ro_graph_type(u->l->graph, x);
    *out = x;
    if (t.rank == 4) return RO_OK;
    if (t.rank != 3 || heads < 1 || t.dims[2] % heads)
        return vd_use_fail(u, RO_ESHAPE, "has no %lld heads in a tensor of %u axes, the last of "
                           "%lld", (long long)heads, t.rank, (long long)t.dims[t.rank ? t.rank - 1
                                                                                      : 0]);
    const int64_t dims[4] = {t.dims[0], t.dims[1], heads, t.dims[2] / heads};
    *out = vd_make_swap(&m, vd_make_reshape(&m, x, 4, dims), 1, 2);
    return m.status;
}

/* (batch, heads, length, size) back to (batch, length, heads * size). */
static ro_value join_heads(vd_maker *m, ro_value x)
{
    x = vd_make_swap(m, x, 1, 2);
    ro_type t = vd_make_type(m, x);
    if (m->status) return RO_NO_VALUE;
    const int64_t dims[3] = {t.dims[0], t.dims[1], t.dims[2] * t.dims[3]};
    return vd_make_reshape(m, x, 3, dims);
}

/* a b where b has fewer heads: heads h of a meets head h / (heads of a / heads of b) of b. */
static ro_value by_heads(vd_maker *m, ro_value a, ro_value b)
{
    ro_type x = vd_make_type(m, a), y = vd_make_type(m, b);
    if (m->status || x.dims[1] == y.dims[1]) return vd_make_2(m, "MatMul", a, b);
    const int64_t *p = x.dims, *q = y.dims;
    const int64_t left[5] = {p[0], q[1], p[1] / q[1], p[2], p[3]};
    const int64_t right[5] = {q[0], q[1], 1, q[2], q[3]}, out[4] = {p[0], p[1], p[2], q[3]};
    a = vd_make_reshape(m, a, 5, left);
    b = vd_make_reshape(m, b, 5, right);
    return vd_make_reshape(m, vd_make_2(m, "MatMul", a, b), 4, out);
}

/* Q, K and V of 4 axes that go together. */
static ro_status check_heads(const vd_use *u, ro_value q, ro_value k, ro_value v)
{
    const ro_type *a = ro_graph_type(u->l->graph, q), *b = ro_graph_type(u->l->graph, k),
                  *c = ro_graph_type(u->l->graph, v);
    if (a->rank != 4 || b->rank != 4 || c->rank != 4)
        return vd_use_fail(u, RO_ESHAPE, "takes a query, key and value of the same rank");
    if (!b->dims[1] || a->dims[1] % b->dims[1] || b->dims[1] != c->dims[1] ||
        a->dims[0] != b->dims[0] || b->dims[0] != c->dims[0])
        return vd_use_fail(u, RO_ESHAPE, "has %lld heads of a query, %lld of a key and %lld of a "
                           "value, in batches of %lld, %lld and %lld", (long long)a->dims[1],
                           (long long)b->dims[1], (long long)c->dims[1], (long long)a->dims[0],
                           (long long)b->dims[0], (long long)c->dims[0]);
    return RO_OK;
}

/* The dtype of softmax, by the model's number for it. */
static ro_status softmax_dtype(const vd_use *u, ro_dtype otherwise, ro_dtype *out)
{
    int64_t d = vd_use_int(u, "softmax_precision", (int64_t)otherwise);
    *out = (ro_dtype)d;
    if (d > 0 && d < RO_DTYPE_LIMIT && ro_dtype_is_float(*out)) return RO_OK;
    return vd_use_fail(u, RO_EATTR, "has softmax_precision %lld, which is no float", (long long)d);
}

static ro_value softmax(vd_maker *m, ro_value x)
{
    vd_attrs a = vd_attrs_of("Softmax");
    vd_attrs_int(m->l, &a, "axis", -1);
    return vd_make_node(m, &a, &x, 1);
}

/* sqrt(scale) Q times sqrt(scale) K transposed. */
static ro_value scores(vd_maker *m, ro_value q, ro_value k, float scale_root)
{
    ro_value root = vd_make_real(m, vd_make_type(m, q).dtype, (double)scale_root);
    q = vd_make_2(m, "Mul", q, root);
    return by_heads(m, q, vd_make_2(m, "Mul", vd_make_swap(m, k, 2, 3), root));
}

/* Whether attention is one node: nobody asks for what it holds inside, and it has one dtype in
 * which all is computed. at: of softmax. */
static int is_one_node(const vd_use *u, ro_value q, ro_value k, ro_value v, ro_dtype at)
{
    const ro_dtype d = ro_graph_type(u->l->graph, q)->dtype;
    const ro_dtype computed = d == RO_F64 ? RO_F64 : RO_F32;
    return !u->l->train && vd_use_wanted(u, RO_OUTPUTS_MAX) < 4 && (at == d || at == computed) &&
           d == ro_graph_type(u->l->graph, k)->dtype && d == ro_graph_type(u->l->graph, v)->dtype;
}

typedef struct {
    ro_value q, k, v, bias, lengths; /* the last two: RO_NO_VALUE where there are none */
    float root;
    double cap;
    int64_t causal, past;
} one_node;

static ro_value make_one_node(vd_maker *m, const one_node *x)
{
    const ro_value in[5] = {x->q, x->k, x->v, x->bias, x->lengths};
    vd_attrs a = vd_attrs_of("Attention");
    vd_attrs_real(m->l, &a, "root", (double)x->root);
    vd_attrs_real(m->l, &a, "cap", x->cap);
    vd_attrs_int(m->l, &a, "causal", x->causal);
    vd_attrs_int(m->l, &a, "past", x->causal ? x->past : 0);
    return vd_make_node(m, &a, in, x->lengths != RO_NO_VALUE ? 5 : x->bias != RO_NO_VALUE ? 4 : 3);
}

/* x, unless it is of another shape than the one that it has to have: broadcasting goes one way. */
static ro_status keeps_shape(const vd_use *u, ro_value x, const ro_type *was, const char *what)
{
    const ro_type *t = ro_graph_type(u->l->graph, x);
    int same = t->rank == was->rank;
    for (uint32_t k = 0; same && k < t->rank; k++) same = t->dims[k] == was->dims[k];
    return same ? RO_OK : vd_use_fail(u, RO_ESHAPE, "has %s that does not fit", what);
}

/* ---- Attention ---------------------------------------------------------------------------- */

/* The model's own mask in d. From version 24 on one that is too short goes on with -inf. */
static ro_value own_mask(vd_use *u, vd_maker *m, ro_dtype d, int64_t total)
{
    ro_value x = u->in[3], low = vd_make_real(m, d, -INFINITY);
    ro_type t = vd_make_type(m, x);
    x = t.dtype == RO_BOOL ? vd_make_where(m, x, vd_make_real(m, d, 0), low)
                           : vd_make_cast(m, x, d);
    if (m->status || u->l->opset < 24 || !t.rank || t.dims[t.rank - 1] >= total) return x;
    t.dims[t.rank - 1] = total - t.dims[t.rank - 1];
    return vd_make_join(m, x, vd_make_expand(m, low, t.rank, t.dims), t.rank - 1);
}

static ro_value added(vd_maker *m, ro_value sum, ro_value x)
{
    return sum == RO_NO_VALUE ? x : vd_make_2(m, "Add", sum, x);
}

/* What is added to scores (batch, heads, rows, total), in d; RO_NO_VALUE: nothing. past: positions
 * before the query's first. */
static ro_value bias_of(vd_use *u, vd_maker *m, ro_dtype d, int64_t rows, int64_t total,
                        int64_t past)
{
    ro_value bias = RO_NO_VALUE, zero = vd_make_real(m, d, 0), low = vd_make_real(m, d, -INFINITY);
    if (vd_use_type(u, 3)) bias = own_mask(u, m, d, total);
    if (vd_use_int(u, "is_causal", 0)) {
        ro_value row = vd_make_numbers(m, u, rows, 0, 2);
        ro_value column = vd_make_numbers(m, u, total, 1, 2);
        ro_value before = vd_make_real(m, RO_I64, (double)past);
        ro_value later = vd_make_2(m, "Less", vd_make_2(m, "Add", row, before), column);
        bias = added(m, bias, vd_make_where(m, later, low, zero));
    }
    if (vd_use_type(u, 6) && !m->status) {
        const int64_t dims[4] = {(int64_t)ro_type_elements(vd_use_type(u, 6)), 1, 1, 1};
        ro_value length = vd_make_reshape(m, u->in[6], 4, dims);
        ro_value is = vd_make_2(m, "Less", vd_make_numbers(m, u, total, 3, 4), length);
        bias = added(m, bias, vd_make_where(m, is, zero, low));
    }
    return bias;
}

/* Softmax of the scores with all that is added to them, node by node, and what output 3 is. */
static ro_status weights(vd_use *u, one_node *x, ro_dtype at, ro_value *out)
{
    vd_maker m = {u->l, RO_OK};
    const ro_type q = vd_make_type(&m, x->q);
    const int64_t mode = vd_use_int(u, "qk_matmul_output_mode", 0);
    ro_value s = scores(&m, x->q, x->k, x->root);
    u->out[3] = s;
    if (x->cap != 0) {
        ro_value c = vd_make_real(&m, q.dtype, x->cap);
        s = vd_make_2(&m, "Mul", vd_make_1(&m, "Tanh", vd_make_2(&m, "Div", s, c)), c);
    }
    if (mode == 1) u->out[3] = s;
    ro_value bias = bias_of(u, &m, q.dtype, q.dims[2], vd_make_type(&m, x->k).dims[2], x->past);
    if (bias != RO_NO_VALUE) {
        const ro_type was = vd_make_type(&m, s);
        s = vd_make_2(&m, "Add", s, bias);
        RO_TRY(m.status);
        RO_TRY(keeps_shape(u, s, &was, "a mask or lengths"));
    }
    if (mode == 2) u->out[3] = s;
    *out = s = vd_make_cast(&m, softmax(&m, vd_make_cast(&m, s, at)), q.dtype);
    if (mode == 3) u->out[3] = s;
    return m.status;
}

/* Q, K and V with heads told apart, K and V after those of the past. */
static ro_status attention_inputs(vd_use *u, one_node *x)
{
    vd_maker m = {u->l, RO_OK};
    const int64_t mode = vd_use_int(u, "qk_matmul_output_mode", 0);
    RO_TRY(split_heads(u, u->in[0], vd_use_int(u, "q_num_heads", 0), &x->q));
    RO_TRY(split_heads(u, u->in[1], vd_use_int(u, "kv_num_heads", 0), &x->k));
    RO_TRY(split_heads(u, u->in[2], vd_use_int(u, "kv_num_heads", 0), &x->v));
    RO_TRY(check_heads(u, x->q, x->k, x->v));
    if (mode < 0 || mode > 3)
        return vd_use_fail(u, RO_EATTR, "has qk_matmul_output_mode %lld", (long long)mode);
    if (!vd_use_type(u, 4) != !vd_use_type(u, 5))
        return vd_use_fail(u, RO_EFORMAT, "has one of past_key and past_value");
    x->past = vd_use_type(u, 4) && vd_use_type(u, 4)->rank == 4 ? vd_use_type(u, 4)->dims[2] : 0;
    if (vd_use_type(u, 4)) x->k = vd_make_join(&m, u->in[4], x->k, 2);
    if (vd_use_type(u, 5)) x->v = vd_make_join(&m, u->in[5], x->v, 2);
    x->cap = vd_use_float(u, "softcap", 0);
    x->causal = vd_use_int(u, "is_causal", 0) != 0;
    RO_TRY(m.status);
    return scale_of(u, ro_graph_type(u->l->graph, x->q)->dims[3], 1, &x->root);
}

static ro_status attention(vd_use *u)
{
    vd_maker m = {u->l, RO_OK};
    one_node x = {.bias = RO_NO_VALUE, .lengths = RO_NO_VALUE};
    ro_dtype at;
    ro_value y;
    RO_TRY(vd_use_wants(u, 3, 7));
    RO_TRY(attention_inputs(u, &x));
    const ro_type q = vd_make_type(&m, x.q), *lengths = vd_use_type(u, 6);
    RO_TRY(softmax_dtype(u, q.dtype, &at));
    u->out[1] = x.k;
    u->out[2] = x.v;
    if (is_one_node(u, x.q, x.k, x.v, at) &&
        (!lengths || (lengths->rank == 1 && lengths->dims[0] == q.dims[0]))) {
        if (vd_use_type(u, 3)) x.bias = own_mask(u, &m, q.dtype, vd_make_type(&m, x.k).dims[2]);
        if (lengths) x.lengths = vd_make_cast(&m, u->in[6], RO_I64);
        y = make_one_node(&m, &x);
    } else {
        RO_TRY(weights(u, &x, at, &y));
        y = by_heads(&m, y, x.v);
    }
    u->out[0] = vd_use_type(u, 0)->rank == 3 ? join_heads(&m, y) : y;
    return m.status;
}

/* Of ai.onnx.preview: what is done to scores and weights is in graphs of the node's own. */
static ro_status modified(vd_use *u, const char *name, ro_value *x)
{
    const vd_onnx_graph *g;
    ro_value out[RO_OUTPUTS_MAX];
    if (!vd_use_attribute(u, name)) return RO_OK;
    RO_TRY(vd_use_graph(u, name, &g));
    ro_type t = *ro_graph_type(u->l->graph, *x);
    if (g->input_count != 1 || g->output_count != 1)
        return vd_use_fail(u, RO_EFORMAT, "has a %s of %u inputs and %u outputs", name,
                           g->input_count, g->output_count);
    RO_TRY(vd_lower_inner(u->l, g, x, 1, out));
    if (vd_lower_is_list(out[0]) || !ro_type_equal(&t, ro_graph_type(u->l->graph, out[0])))
        return vd_use_fail(u, RO_ESHAPE, "has a %s that gives another type than it gets", name);
    *x = out[0];
    return RO_OK;
}

static ro_status flex_attention(vd_use *u)
{
    vd_maker m = {u->l, RO_OK};
    one_node one = {u->in[0], u->in[1], u->in[2], RO_NO_VALUE, RO_NO_VALUE, 0, 0, 0, 0};
    ro_value x;
    ro_dtype at;
    RO_TRY(vd_use_wants(u, 3, 3));
    RO_TRY(check_heads(u, u->in[0], u->in[1], u->in[2]));
    ro_type t = *vd_use_type(u, 0);
    RO_TRY(softmax_dtype(u, t.dtype == RO_F64 ? RO_F64 : RO_F32, &at));
    RO_TRY(scale_of(u, t.dims[3], 1, &one.root));
    if (!vd_use_attribute(u, "score_mod") && !vd_use_attribute(u, "prob_mod") &&
        is_one_node(u, one.q, one.k, one.v, at)) {
        u->out[0] = make_one_node(&m, &one);
        return m.status;
    }
    x = vd_make_cast(&m, scores(&m, u->in[0], u->in[1], one.root), at);
    RO_TRY(m.status);
    RO_TRY(modified(u, "score_mod", &x));
    x = softmax(&m, x);
    RO_TRY(m.status);
    RO_TRY(modified(u, "prob_mod", &x));
    x = by_heads(&m, x, vd_make_cast(&m, u->in[2], at));
    u->out[0] = vd_make_cast(&m, x, t.dtype);
    return m.status;
}

/* ---- attention without softmax: a state that every position changes ----------------------- */

enum { GATED_DELTA, LINEAR, GATED, DELTA };

typedef struct {
    ro_value q, k, v, decay, beta; /* (batch, length, heads, size), in float32 */
    ro_value scale;
    int64_t batch, length, kv_heads;
} linear;

/* (batch, length, heads * size) with the heads told apart, in float32. */
static ro_status unpacked(vd_use *u, uint32_t input, const linear *s, int64_t heads, ro_value *out)
{
    vd_maker m = {u->l, RO_OK};
    const ro_type *t = vd_use_type(u, input);
    if (t->rank != 3 || t->dims[0] != s->batch || t->dims[1] != s->length || t->dims[2] % heads)
        return vd_use_fail(u, RO_ESHAPE, "has no input %u of %lld batches, %lld positions and "
                           "%lld heads", input, (long long)s->batch, (long long)s->length,
                           (long long)heads);
    const int64_t dims[4] = {t->dims[0], t->dims[1], heads, t->dims[2] / heads};
    *out = vd_make_cast(&m, vd_make_reshape(&m, u->in[input], 4, dims), RO_F32);
    return m.status;
}

/* One position: the state after it, and what is read from that. */
static ro_value linear_step(vd_maker *m, const linear *s, int64_t t, ro_value *state)
{
    ro_value k = vd_make_axis(m, vd_make_at(m, s->k, 1, t), 3), old = *state;
    ro_value v = vd_make_at(m, s->v, 1, t), q = vd_make_axis(m, vd_make_at(m, s->q, 1, t), 2);
    if (s->decay != RO_NO_VALUE) {
        ro_value decay = vd_make_1(m, "Exp", vd_make_at(m, s->decay, 1, t));
        old = vd_make_2(m, "Mul", old, vd_make_axis(m, decay, 3));
    }
    v = vd_make_axis(m, v, 2);
    if (s->beta != RO_NO_VALUE) {
        ro_value found = vd_make_2(m, "MatMul", vd_make_swap(m, k, 2, 3), old);
        ro_value beta = vd_make_axis(m, vd_make_at(m, s->beta, 1, t), 3);
        v = vd_make_2(m, "Mul", beta, vd_make_2(m, "Sub", v, found));
    }
    *state = vd_make_2(m, "Add", old, vd_make_2(m, "MatMul", k, v));
    return vd_make_2(m, "Mul", s->scale, by_heads(m, q, *state));
}

static ro_status linear_inputs(vd_use *u, uint32_t rule, linear *s)
{
    const int64_t heads = vd_use_int(u, "q_num_heads", 0), own = vd_use_int(u, "kv_num_heads", 0);
    const ro_type q = *vd_use_type(u, 0);
    float scale;
    const int alone = vd_use_type(u, 5) && vd_use_type(u, 5)->rank == 3 &&
                      vd_use_type(u, 5)->dims[2] == 1; /* one beta for all heads */
    const int decays = rule == GATED || rule == GATED_DELTA, decay = vd_use_type(u, 4) != NULL;
    const int corrects = rule == DELTA || rule == GATED_DELTA, beta = vd_use_type(u, 5) != NULL;
    if (own < 1 || heads < 1 || heads % own)
        return vd_use_fail(u, RO_EATTR, "has %lld and %lld heads", (long long)heads,
                           (long long)own);
    if (decay != decays || beta != corrects)
        return vd_use_fail(u, RO_EFORMAT, "has another decay or beta than its rule wants");
    s->batch = q.dims[0];
    s->length = q.dims[1];
    s->kv_heads = own;
    if (q.rank != 3 || s->length < 1)
        return vd_use_fail(u, RO_ESHAPE, "takes (batch, length, heads * size), of a length over 0");
    RO_TRY(unpacked(u, 0, s, heads, &s->q));
    RO_TRY(unpacked(u, 1, s, own, &s->k));
    RO_TRY(unpacked(u, 2, s, own, &s->v));
    s->decay = s->beta = RO_NO_VALUE;
    if (decays) RO_TRY(unpacked(u, 4, s, own, &s->decay));
    if (corrects) RO_TRY(unpacked(u, 5, s, alone ? 1 : own, &s->beta));
    RO_TRY(scale_of(u, q.dims[2] / heads, 0, &scale));
    return vd_lower_scalar(u->l, RO_F32, (double)scale, &s->scale);
}

static ro_status linear_attention(vd_use *u)
{
    static const char *const rules[] = {"gated_delta", "linear", "gated", "delta", NULL};
    vd_lower *l = u->l;
    vd_maker m = {l, RO_OK};
    linear s;
    uint32_t rule;
    ro_value state;
    RO_TRY(vd_use_wants(u, 3, 6));
    RO_TRY(vd_use_choice(u, "update_rule", rules, &rule));
    RO_TRY(linear_inputs(u, rule, &s));
    const ro_dtype d = vd_use_type(u, 0)->dtype,
                   own = vd_use_type(u, 3) ? vd_use_type(u, 3)->dtype : d;
    RO_TRY(vd_use_turns(u, (uint64_t)s.length));
    ro_value *turns = ro_arena_alloc(l->arena, (uint64_t)s.length * sizeof *turns);
    if (!turns) return RO_FAIL(l->err, RO_ENOMEM, "no memory to lower the model");
    const int64_t dims[4] = {s.batch, s.kv_heads, vd_make_type(&m, s.k).dims[3],
                             vd_make_type(&m, s.v).dims[3]};
    const ro_type first = ro_type_of(RO_F32, 4, dims);
    if (vd_use_type(u, 3)) {
        RO_TRY(keeps_shape(u, u->in[3], &first, "a state"));
        state = vd_make_cast(&m, u->in[3], RO_F32);
    } else {
        state = vd_make_zeros(&m, RO_F32, 4, dims);
    }
    for (int64_t t = 0; t < s.length; t++) /* each (batch, heads, 1, size) */
        turns[t] = vd_make_swap(&m, linear_step(&m, &s, t, &state), 1, 2);
    RO_TRY(m.status);
    RO_TRY(vd_lower_concat(l, turns, (uint32_t)s.length, 1, &u->out[0]));
    ro_type t = vd_make_type(&m, u->out[0]);
    const int64_t joined[3] = {t.dims[0], t.dims[1], t.dims[2] * t.dims[3]};
    u->out[0] = vd_make_cast(&m, vd_make_reshape(&m, u->out[0], 3, joined), d);
    u->out[1] = vd_make_cast(&m, state, own);
    return m.status;
}

/* ---- a convolution that looks back only --------------------------------------------------- */

static ro_status causal_conv(vd_use *u)
{
    static const char *const ways[] = {"none", "silu", "swish", NULL};
    vd_maker m = {u->l, RO_OK};
    uint32_t way;
    RO_TRY(vd_use_wants(u, 2, 4));
    RO_TRY(vd_use_choice(u, "activation", ways, &way));
    ro_type x = *vd_use_type(u, 0), w = *vd_use_type(u, 1);
    if (x.rank != 3 || w.rank != 3 || w.dims[2] < 1 || w.dims[0] != x.dims[1])
        return vd_use_fail(u, RO_ESHAPE, "takes (N, C, length) and a weight (C, 1, size)");
    const int64_t back = w.dims[2] - 1, before[3] = {x.dims[0], x.dims[1], back};
    ro_value in[3] = {u->in[0], u->in[1], u->count > 2 ? u->in[2] : RO_NO_VALUE}, y;
    if (vd_use_type(u, 3)) in[0] = vd_make_join(&m, u->in[3], in[0], 2);
    else if (back) in[0] = vd_make_join(&m, vd_make_zeros(&m, x.dtype, 3, before), in[0], 2);
    RO_TRY(m.status);
    if (vd_make_type(&m, in[0]).dims[2] != x.dims[2] + back)
        return vd_use_fail(u, RO_ESHAPE, "has a state that is not %lld long", (long long)back);
    vd_attrs a = vd_attrs_of("Conv");
    const int64_t one = 1, none[2] = {0, 0};
    vd_attrs_ints(u->l, &a, "strides", &one, 1);
    vd_attrs_ints(u->l, &a, "dilations", &one, 1);
    vd_attrs_ints(u->l, &a, "pads", none, 2);
    vd_attrs_int(u->l, &a, "group", x.dims[1]);
    RO_TRY(vd_lower_emit(u->l, &a, in, in[2] == RO_NO_VALUE ? 2 : 3, 1, &y));
    if (way) {
        ro_value f = vd_make_cast(&m, y, RO_F32);
        y = vd_make_cast(&m, vd_make_2(&m, "Mul", f, vd_make_1(&m, "Sigmoid", f)), x.dtype);
    }
    u->out[0] = y;
    u->out[1] = vd_make_slice(&m, in[0], 2, x.dims[2], x.dims[2] + back, 1);
    return m.status;
}

/* ---- rotary embeddings -------------------------------------------------------------------- */

/* The cosines or sines that meet x: (batch, 1, length, half), or (batch, length, 1, half). */
static ro_status angles(vd_use *u, uint32_t input, int64_t half, int packed, ro_value *out)
{
    vd_maker m = {u->l, RO_OK};
    ro_value c = u->in[input];
    if (vd_use_type(u, 3)) c = vd_make_gather(&m, c, u->in[3], 0);
    ro_type t = vd_make_type(&m, c);
    RO_TRY(m.status);
    if (t.rank != 3 || t.dims[2] < half)
        return vd_use_fail(u, RO_ESHAPE, "has a cache of %u axes, or of under %lld numbers for "
                           "each position", t.rank, (long long)half);
    if (t.dims[2] > half) c = vd_make_slice(&m, c, 2, 0, half, 1);
    *out = vd_make_axis(&m, c, packed ? 2 : 1);
    return m.status;
}

static ro_status rotary(vd_use *u)
{
    vd_maker m = {u->l, RO_OK};
    ro_value x = u->in[0], c, s, y;
    RO_TRY(vd_use_wants(u, 3, 4));
    ro_type t = *vd_use_type(u, 0);
    const int64_t heads = vd_use_int(u, "num_heads", 0);
    const int packed = t.rank == 3, mixed = vd_use_int(u, "interleaved", 0) != 0;
    int64_t dims[5] = {t.dims[0], t.dims[1], t.dims[2], t.dims[3], 1};
    if ((t.rank != 4 && !packed) || (packed && (heads < 1 || t.dims[2] % heads)))
        return vd_use_fail(u, RO_ESHAPE, "has no %lld heads in a tensor of %u axes",
                           (long long)heads, t.rank);
    if (packed) {
        dims[2] = heads;
        dims[3] = t.dims[2] / heads;
        x = vd_make_reshape(&m, x, 4, dims);
    }
    int64_t size = dims[3], turned = vd_use_int(u, "rotary_embedding_dim", 0);
    if (turned == 0) turned = size;
    if (turned < 0 || turned > size || turned % 2)
        return vd_use_fail(u, RO_EATTR, "turns %lld of %lld numbers", (long long)turned,
                           (long long)size);
    const int64_t half = turned / 2, step = mixed ? 2 : 1;
    RO_TRY(angles(u, 1, half, packed, &c));
    RO_TRY(angles(u, 2, half, packed, &s));
    ro_value first = vd_make_slice(&m, x, 3, 0, mixed ? turned : half, step);
    ro_value second = vd_make_slice(&m, x, 3, mixed ? 1 : half, turned, step);
    ro_value real = vd_make_2(&m, "Mul", c, first), other = vd_make_2(&m, "Mul", s, first);
    real = vd_make_2(&m, "Sub", real, vd_make_2(&m, "Mul", s, second));
    other = vd_make_2(&m, "Add", other, vd_make_2(&m, "Mul", c, second));
    if (mixed) {
        dims[3] = half;
        real = vd_make_reshape(&m, real, 5, dims);
        other = vd_make_reshape(&m, other, 5, dims);
    }
    y = vd_make_join(&m, real, other, mixed ? 4 : 3);
    dims[3] = turned;
    if (mixed) y = vd_make_reshape(&m, y, 4, dims);
    if (turned < size) y = vd_make_join(&m, y, vd_make_slice(&m, x, 3, turned, size, 1), 3);
    u->out[0] = packed ? vd_make_reshape(&m, y, 3, t.dims) : y;
    RO_TRY(m.status);
    return keeps_shape(u, u->out[0], &t, "a cache");
}

/* ---- the tables --------------------------------------------------------------------------- */

const vd_lower_row vd_lower_attention[] = {
    {"Attention", attention,
     "is_causal kv_num_heads q_num_heads qk_matmul_output_mode scale softcap softmax_precision"},
    {"LinearAttention", linear_attention,
     "chunk_size kv_num_heads q_num_heads scale update_rule"},
    {"CausalConvWithState", causal_conv, "activation"},
    {"RotaryEmbedding", rotary, "interleaved num_heads rotary_embedding_dim"},
    {NULL, NULL, NULL},
};

const vd_lower_row vd_lower_preview[] = {
    {"FlexAttention", flex_attention, "prob_mod scale score_mod softmax_precision"},
    {NULL, NULL, NULL},
};
