/* test_gradients.c - the gradient of every differentiable operator against finite differences.
 *
 * A node y = op(x..) becomes the loss L = sum over its float outputs of sum(mul(y, w)), w random.
 * ro_graph_differentiate gives dL/dx as nodes; every node is evaluated by its scalar body. The
 * other side is the central difference (L(x + h) - L(x - h)) / 2h with L summed in binary64 from
 * a binary64 evaluation of the operator: by its own binary64 body where it has one, else by the
 * reference formulas below.
 *
 * Inputs are distinct multiples of h = 2^-12 that keep 8 h between each other and from 0, so x +- h
 * is exact in either dtype and no maximum or Relu changes its choice. The tolerance has two parts,
 * both relative to the largest term of L and of the gradient: the difference's own error is
 * h^2/6 f''' (1e-8 f''', and f''' reaches some hundreds for Div, Log and LayerNormalization on
 * [0.5, 4.5]: 1e-5) plus 2^-52 |L| / h (1e-12); a gradient computed in binary32 adds 2^-24 for
 * each of its roundings, at most some hundred here (1e-5). So 4e-5; a wrong formula is off by
 * the size of the gradient itself. */
#include "ops_cases.h"

#include <criterion/criterion.h>

#define STEP 0x1p-12
#define TOLERANCE 4e-5

/* ---- values as doubles ---------------------------------------------------------------------- */

static double get(ro_dtype d, const void *p, uint64_t j)
{
    uint64_t b = ro_element(d, p, j);
    return ro_dtype_is_float(d) ? ro_float_of_bits(d, b) : (double)ro_integer_of_bits(d, b);
}
static void put_double(ro_dtype d, void *p, uint64_t j, double x)
{
    ro_set_element(d, p, j, ro_bits_of_number(d, x));
}
static void *room(const ro_type *t) { return calloc(ro_type_elements(t) + 1, 8); }

/* ---- binary64 references of the operators that compute in binary32 only --------------------- */

/* A loss written from its definition: softmax, logarithm, weights, ignored labels. */
static void loss_reference(const node_case *c, void *const *x, double *const *y)
{
    const ro_SoftmaxCrossEntropyLoss_attrs *t = (const void *)c->attrs.bytes;
    int64_t N = c->in[0].dims[0], C = c->in[0].dims[1], D = c->in[0].dims[2];
    double total = 0, weight = 0;
    for (int64_t n = 0; n < N; n++)
        for (int64_t d = 0; d < D; d++) {
            double sum = 0, w = 1, l = 0;
            int64_t label = (int64_t)get(c->in[1].dtype, x[1], (uint64_t)(n * D + d));
            for (int64_t k = 0; k < C; k++)
                sum += exp(get(RO_F32, x[0], (uint64_t)((n * C + k) * D + d)));
            for (int64_t k = 0; k < C; k++) {
                uint64_t j = (uint64_t)((n * C + k) * D + d);
                double z = get(RO_F32, x[0], j) - log(sum);
                if (c->outputs > 1) y[1][j] = z;
                if (k == label) l = -z;
            }
            if (c->inputs > 2) w = get(RO_F32, x[2], (uint64_t)label);
            if (t->has_ignore && label == t->ignore_index) w = 0;
            total += w * l;
            weight += w;
            if (t->reduction == 0) y[0][n * D + d] = w * l;
        }
    if (t->reduction == 1) y[0][0] = total;
    if (t->reduction == 2) y[0][0] = weight == 0 ? 0 : total / weight;
}

static void pow_reference(const node_case *c, void *const *x, double *y)
{
    for (uint64_t j = 0; j < ro_type_elements(&c->out[0]); j++)
        y[j] = pow(get(RO_F32, x[0], ro_broadcast_index(&c->out[0], &c->in[0], j)),
                   get(RO_F32, x[1], ro_broadcast_index(&c->out[0], &c->in[1], j)));
}

/* 1: y was computed here. */
static int reference(const node_case *c, void *const *x, double *const *y)
{
    uint64_t n = ro_type_elements(&c->out[0]);
    if (c->op == RO_OP_SoftmaxCrossEntropyLoss) {
        loss_reference(c, x, y);
        return 1;
    }
    if (c->op == RO_OP_Pow) {
        pow_reference(c, x, y[0]);
        return 1;
    }
    if (c->op != RO_OP_Tanh && c->op != RO_OP_Sigmoid && c->op != RO_OP_Gelu &&
        c->op != RO_OP_Erf && c->op != RO_OP_Softplus)
        return 0;
    for (uint64_t j = 0; j < n; j++) {
        double v = get(c->in[0].dtype, x[0], j);
        double u = sqrt(2 / acos(-1.0)) * (v + 0.044715 * v * v * v);
        switch ((int)c->op) {
        case RO_OP_Tanh: y[0][j] = tanh(v); break;
        case RO_OP_Erf: y[0][j] = erf(v); break;
        case RO_OP_Softplus: y[0][j] = log1p(exp(v)); break;
        case RO_OP_Sigmoid: y[0][j] = 1 / (1 + exp(-v)); break;
        default:
            y[0][j] = ((const ro_Gelu_attrs *)(const void *)c->attrs.bytes)->approximate
                          ? 0.5 * v * (1 + tanh(u)) : 0.5 * v * erfc(-v / sqrt(2));
            break;
        }
    }
    return 1;
}

/* ---- L, in binary64 ------------------------------------------------------------------------- */

static double loss_of(const node_case *c, void *const *x, double *const *w)
{
    double *y[CASE_INPUTS], L = 0;
    ro_reader r = {c->in, c->out, c->inputs, c->outputs, (const void *const *)x, NULL, NULL};
    for (uint32_t k = 0; k < c->outputs; k++) y[k] = room(&c->out[k]);
    int have = reference(c, x, y);
    for (uint32_t k = 0; k < c->outputs; k++)
        for (uint64_t j = 0; j < ro_type_elements(&c->out[k]); j++) {
            uint64_t bits = have ? 0 : ro_at(c->op, &r, c->attrs.bytes, k, j);
            double v = have ? y[k][j] : get(c->out[k].dtype, &bits, 0);
            if (w[k] && !isinf(v)) L += w[k][j] * v; /* a pool's empty window: a constant -inf */
        }
    for (uint32_t k = 0; k < c->outputs; k++) free(y[k]);
    return L;
}

/* ---- dL/dx, by the graph -------------------------------------------------------------------- */

typedef struct {
    ro_graph *g;
    void **data; /* [value_count] */
} program;

static void evaluate(program *p)
{
    for (uint32_t k = 0; k < p->g->node_count; k++) {
        const ro_node *n = &p->g->nodes[k];
        ro_type in[RO_INPUTS_MAX], out[RO_OUTPUTS_MAX];
        const void *data[RO_INPUTS_MAX];
        memset(in, 0, sizeof in);
        for (uint32_t j = 0; j < n->inputs; j++) {
            if (n->in[j] == RO_NO_VALUE) continue;
            in[j] = *ro_graph_type(p->g, n->in[j]);
            data[j] = p->data[n->in[j]];
        }
        for (uint32_t j = 0; j < n->outputs; j++)
            out[j] = *ro_graph_type(p->g, n->first_output + j);
        ro_reader r = {in, out, n->inputs, n->outputs, data, NULL, NULL};
        for (uint32_t j = 0; j < n->outputs; j++) {
            void *y = p->data[n->first_output + j] = room(&out[j]);
            for (uint64_t i = 0; i < ro_type_elements(&out[j]); i++)
                ro_set_element(out[j].dtype, y, i, ro_at(n->op, &r, n->attrs, j, i));
        }
    }
}

/* Append L = sum over outputs of sum(mul(y, w)); constants from `next` on hold the weights. */
static ro_status append_loss(ro_graph *g, const node_case *c, ro_value first, double *const *w,
                             uint32_t next, ro_value *weights, ro_value *loss, ro_err *err)
{
    ro_ReduceSum_attrs all = {0};
    *loss = RO_NO_VALUE;
    for (uint32_t k = 0; k < c->outputs; k++) {
        ro_value m, s;
        if (!w[k]) continue;
        RO_TRY(ro_graph_constant(g, next + k, &c->out[k], &weights[k], err));
        RO_TRY(ro_emit2(g, RO_OP_Mul, NULL, first + k, weights[k], &m, err));
        RO_TRY(ro_emit1(g, RO_OP_ReduceSum, &all, m, &s, err));
        if (*loss == RO_NO_VALUE) *loss = s;
        else RO_TRY(ro_emit2(g, RO_OP_Add, NULL, *loss, s, loss, err));
    }
    return RO_OK;
}

static ro_status differentiate(const node_case *c, double *const *w, ro_graph *g, ro_value *in,
                               ro_value *weights, ro_value *grads, uint32_t *wrt_count,
                               ro_err *err)
{
    ro_value first, loss, wrt[CASE_INPUTS];
    *wrt_count = 0;
    for (uint32_t k = 0; k < c->inputs; k++) {
        in[k] = RO_NO_VALUE;
        if (c->in[k].dtype == RO_NONE) continue;
        RO_TRY(ro_graph_constant(g, k, &c->in[k], &in[k], err));
        if (c->in[k].dtype == RO_F32 || c->in[k].dtype == RO_F64) wrt[(*wrt_count)++] = in[k];
    }
    RO_TRY(ro_graph_node(g, c->op, c->attrs.bytes, in, c->inputs, c->outputs, &first, err));
    RO_TRY(append_loss(g, c, first, w, c->inputs, weights, &loss, err));
    return ro_graph_differentiate(g, loss, wrt, *wrt_count, grads, NULL, err);
}

/* ---- one case ------------------------------------------------------------------------------- */

/* How many steps apart the values of an input may lie. */
static double span_of(const node_case *c, uint32_t k)
{
    return floor((c->hi[k] - c->lo[k]) / STEP / (double)(ro_type_elements(&c->in[k]) + 1));
}
/* A case whose floats have room to be far apart. */
static void make_small(node_case *c, ro_op op, rng *g)
{
    const ro_dtype force = c->force;
    for (int large = 1; large;) {
        *c = (node_case){.force = force};
        case_make(c, op, g);
        large = 0;
        for (uint32_t k = 0; k < c->inputs; k++)
            large |= (c->in[k].dtype == RO_F32 || c->in[k].dtype == RO_F64) && span_of(c, k) < 16;
    }
}

/* Distinct values in [lo, hi], in random order; integers are any in the range. */
static void fill(const node_case *c, uint32_t k, void *p, rng *g)
{
    uint64_t n = ro_type_elements(&c->in[k]);
    double span = span_of(c, k);
    if (c->in[k].dtype != RO_F32 && c->in[k].dtype != RO_F64) {
        int64_t lo = (int64_t)c->lo[k], hi = (int64_t)c->hi[k];
        for (uint64_t j = 0; j < n; j++)
            put_double(c->in[k].dtype, p, j, (double)rng_in(g, lo, hi));
        return;
    }
    uint64_t *place = malloc((n + 1) * sizeof *place);
    for (uint64_t j = 0; j < n; j++) {
        uint64_t other = (uint64_t)rng_in(g, 0, (int64_t)j);
        place[j] = place[other];
        place[other] = j;
    }
    for (uint64_t j = 0; j < n; j++) {
        double x = c->lo[k] + STEP * (span * (double)(place[j] + 1) - 8 + (double)rng_in(g, 0, 3));
        if (fabs(x) < 8 * STEP) x = 8 * STEP;
        put_double(c->in[k].dtype, p, j, x);
    }
    free(place);
}

/* Inputs whose gradient the operators do not give, by definition: class weights of a loss, the
 * bounds of Clip. */
static int constant_input(ro_op op, uint32_t k)
{
    return (op == RO_OP_SoftmaxCrossEntropyLoss && k == 2) || (op == RO_OP_Clip && k > 0);
}

static uint64_t compare(const node_case *c, uint32_t k, void *const *x, double *const *w,
                        const void *grad)
{
    uint64_t n = ro_type_elements(&c->in[k]);
    ro_dtype d = c->in[k].dtype;
    double *numeric = malloc((n + 1) * sizeof *numeric), most = 1;
    for (uint64_t j = 0; j < n; j++) {
        double v = get(d, x[k], j);
        put_double(d, x[k], j, v + STEP);
        double up = loss_of(c, x, w);
        put_double(d, x[k], j, v - STEP);
        double down = loss_of(c, x, w);
        put_double(d, x[k], j, v);
        numeric[j] = (up - down) / (2 * STEP);
        if (fabs(numeric[j]) > most) most = fabs(numeric[j]);
    }
    for (uint64_t j = 0; j < n; j++)
        cr_assert(fabs(get(d, grad, j) - numeric[j]) <= TOLERANCE * most,
                  "%s: input %u, element %llu: gradient %.9g, difference %.9g", ro_ops[c->op].name,
                  k, (unsigned long long)j, get(d, grad, j), numeric[j]);
    free(numeric);
    return n;
}

static int differentiable_output(const node_case *c, uint32_t k)
{
    int norm = c->op == RO_OP_LayerNormalization || c->op == RO_OP_RMSNormalization;
    if (norm && k > 0) return 0; /* refused, tested below */
    return c->out[k].dtype == RO_F32 || c->out[k].dtype == RO_F64;
}

/* Elements compared. */
static uint64_t check_case(ro_op op, ro_dtype dtype, rng *g)
{
    node_case c = {.force = dtype};
    void *x[CASE_INPUTS] = {0};
    double *w[CASE_INPUTS] = {0};
    ro_value in[CASE_INPUTS], weights[CASE_INPUTS], grads[CASE_INPUTS];
    uint32_t wrt = 0, at = 0;
    uint64_t compared = 0;
    ro_err err = {0};
    ro_arena *arena = ro_arena_new();
    program p;
    make_small(&c, op, g);
    for (uint32_t k = 0; k < c.inputs; k++)
        if (c.in[k].dtype) fill(&c, k, x[k] = room(&c.in[k]), g);
    for (uint32_t k = 0; k < c.outputs; k++) {
        if (!differentiable_output(&c, k)) continue;
        w[k] = room(&c.out[k]);
        for (uint64_t j = 0; j < ro_type_elements(&c.out[k]); j++)
            w[k][j] = (double)rng_in(g, -16, 16) / 16;
    }
    cr_assert_eq(ro_graph_new(arena, &p.g, &err), RO_OK);
    cr_assert_eq(differentiate(&c, w, p.g, in, weights, grads, &wrt, &err), RO_OK, "%s: %s",
                 ro_ops[op].name, err.msg);
    p.data = calloc(p.g->value_count, sizeof *p.data);
    for (uint32_t k = 0; k < c.inputs; k++)
        if (in[k] != RO_NO_VALUE) p.data[in[k]] = x[k];
    for (uint32_t k = 0; k < c.outputs; k++) {
        if (!w[k]) continue;
        p.data[weights[k]] = room(&c.out[k]);
        for (uint64_t j = 0; j < ro_type_elements(&c.out[k]); j++)
            put_double(c.out[k].dtype, p.data[weights[k]], j, w[k][j]);
    }
    evaluate(&p);
    for (uint32_t k = 0; k < c.inputs; k++) {
        if (c.in[k].dtype != RO_F32 && c.in[k].dtype != RO_F64) continue;
        const void *grad = p.data[grads[at]];
        cr_assert(ro_type_equal(ro_graph_type(p.g, grads[at++]), &c.in[k]), "%s: input %u",
                  ro_ops[op].name, k);
        if (!constant_input(op, k)) compared += compare(&c, k, x, w, grad);
    }
    for (ro_value v = 0; v < p.g->value_count; v++) free(p.data[v]);
    for (uint32_t k = 0; k < c.outputs; k++) free(w[k]);
    free(p.data);
    ro_arena_free(arena);
    return compared;
}

Test(gradients, every_differentiable_operator)
{
    int operators = 0;
    for (int op = 0; op < RO_OP_COUNT; op++) {
        rng g = rng_of((ro_op)op);
        uint64_t compared = 0;
        if (!ro_ops[op].grad || ro_ops[op].signature[0] == '-') continue; /* no grad, no inputs */
        for (int k = 0; k < 25; k++) {
            if (ro_ops[op].at[RO_C_F64]) compared += check_case((ro_op)op, RO_F64, &g);
            else compared += check_case((ro_op)op, RO_F32, &g);
        }
        cr_assert_gt(compared, 25, "%s was not compared", ro_ops[op].name);
        operators++;
    }
    cr_assert_geq(operators, 35);
}

/* ---- where no difference says it --------------------------------------------------------- */

/* Of equal numbers the first has the gradient, of zeros of both signs too; a NaN has none. */
Test(gradients, of_equal_numbers)
{
    static const float a[4] = {2, 0.0f, 1, 0}, b[4] = {2, -0.0f, 3, 0}, ones[4] = {1, 1, 1, 1};
    const ro_op ops[2] = {RO_OP_Max, RO_OP_Min};
    for (int k = 0; k < 2; k++) {
        const float first[4] = {1, 1, (float)k, 0}, second[4] = {0, 0, (float)!k, 0};
        node_case c = {.op = ops[k], .inputs = 2, .outputs = 1};
        float x[2][4];
        double w[4] = {1, 1, 1, 1}, *weights_of[1] = {w};
        ro_value in[CASE_INPUTS], weights[CASE_INPUTS], grads[CASE_INPUTS];
        uint32_t wrt = 0;
        ro_err err = {0};
        ro_arena *arena = ro_arena_new();
        program p;
        c.in[0] = c.in[1] = c.out[0] = ro_type_of(RO_F32, 1, (int64_t[]){4});
        memcpy(x[0], a, sizeof a);
        memcpy(x[1], b, sizeof b);
        x[0][3] = x[1][3] = ro_bits_f32(RO_NAN_F32);
        cr_assert_eq(ro_graph_new(arena, &p.g, &err), RO_OK);
        cr_assert_eq(differentiate(&c, weights_of, p.g, in, weights, grads, &wrt, &err), RO_OK);
        p.data = calloc(p.g->value_count, sizeof *p.data);
        p.data[in[0]] = memcpy(room(&c.in[0]), x[0], sizeof a);
        p.data[in[1]] = memcpy(room(&c.in[1]), x[1], sizeof b);
        p.data[weights[0]] = memcpy(room(&c.out[0]), ones, sizeof ones);
        evaluate(&p);
        cr_assert_eq(memcmp(p.data[grads[0]], first, sizeof first), 0, "%s", ro_ops[ops[k]].name);
        cr_assert_eq(memcmp(p.data[grads[1]], second, sizeof second), 0, "%s", ro_ops[ops[k]].name);
        for (ro_value v = 0; v < p.g->value_count; v++) free(p.data[v]);
        free(p.data);
        ro_arena_free(arena);
    }
}

/* ---- what is refused ------------------------------------------------------------------------ */

Test(gradients, a_recurrent_cell_has_none)
{
    ro_arena *arena = ro_arena_new();
    ro_graph *g;
    ro_err err = {0};
    ro_value in[4], y, s, grad;
    const ro_type t[4] = {ro_type_of(RO_F32, 3, (int64_t[]){1, 1, 4}),
                          ro_type_of(RO_F32, 3, (int64_t[]){1, 1, 1}),
                          ro_type_of(RO_F32, 3, (int64_t[]){1, 1, 1}),
                          ro_type_of(RO_F32, 2, (int64_t[]){1, 4})};
    ro_ReduceSum_attrs all = {0};
    ro_LSTMCell_attrs cell = {0};
    cr_assert_eq(ro_graph_new(arena, &g, &err), RO_OK);
    for (uint32_t k = 0; k < 4; k++)
        cr_assert_eq(ro_graph_constant(g, k, &t[k], &in[k], &err), RO_OK);
    cr_assert_eq(ro_graph_node(g, RO_OP_LSTMCell, &cell, in, 4, 2, &y, &err), RO_OK);
    cr_assert_eq(ro_emit1(g, RO_OP_ReduceSum, &all, y, &s, &err), RO_OK);
    cr_assert_eq(ro_graph_differentiate(g, s, &in[1], 1, &grad, NULL, &err), RO_EOP);
    cr_assert(strstr(err.msg, "LSTMCell"), "%s", err.msg);
    ro_arena_free(arena);
}

Test(gradients, refused_by_name)
{
    ro_arena *arena = ro_arena_new();
    ro_graph *g;
    ro_err err = {0};
    ro_value x, y, s, grad;
    ro_type t = ro_type_of(RO_F64, 2, (int64_t[]){2, 3});
    ro_ReduceSum_attrs all = {0};
    ro_LayerNormalization_attrs ln = {.axis = 1, .epsilon = 1e-5f};
    ro_RMSNormalization_attrs rms = {.axis = 1, .epsilon = 1e-5f};
    ro_SoftmaxGrad_attrs sg = {.axis = 1};
    cr_assert_eq(ro_graph_new(arena, &g, &err), RO_OK);
    cr_assert_eq(ro_graph_constant(g, 0, &t, &x, &err), RO_OK);

    cr_assert_eq(ro_graph_node(g, RO_OP_LayerNormalization, &ln, &x, 1, 2, &y, &err), RO_OK);
    cr_assert_eq(ro_emit1(g, RO_OP_ReduceSum, &all, y + 1, &s, &err), RO_OK);
    cr_assert_eq(ro_graph_differentiate(g, s, &x, 1, &grad, NULL, &err), RO_EOP);
    cr_assert_str_eq(err.msg, "LayerNormalization has no gradient through its output 1");

    memset(&err, 0, sizeof err);
    cr_assert_eq(ro_graph_node(g, RO_OP_RMSNormalization, &rms, &x, 1, 2, &y, &err), RO_OK);
    cr_assert_eq(ro_emit1(g, RO_OP_ReduceSum, &all, y + 1, &s, &err), RO_OK);
    cr_assert_eq(ro_graph_differentiate(g, s, &x, 1, &grad, NULL, &err), RO_EOP);
    cr_assert_str_eq(err.msg, "RMSNormalization has no gradient through its output 1");

    memset(&err, 0, sizeof err);
    cr_assert_eq(ro_emit2(g, RO_OP_SoftmaxGrad, &sg, x, x, &y, &err), RO_OK);
    cr_assert_eq(ro_emit1(g, RO_OP_ReduceSum, &all, y, &s, &err), RO_OK);
    cr_assert_eq(ro_graph_differentiate(g, s, &x, 1, &grad, NULL, &err), RO_EOP);
    cr_assert_str_eq(err.msg, "SoftmaxGrad has no gradient; a model with it cannot be trained");
    ro_arena_free(arena);
}
