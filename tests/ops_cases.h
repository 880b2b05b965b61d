/* ops_cases.h - random admissible nodes of every operator, for the tests that walk the table.
 *
 * Invariants
 *   1. Every operator has a case: the table below is made from ops.def, so one without does not
 *      compile.
 *   2. A case is a function of the generator's state: no expression draws twice, as compilers
 *      choose which operand comes first.
 *   3. A case is admitted; case_make fails the test otherwise, with the operator's own sentence. */
#ifndef OPS_CASES_H
#define OPS_CASES_H
#include "../repops/host.h"

#include "../repops/body.h"
#define RO_PASS_ATTRS
#include "../repops/ops.def"
#undef RO_PASS_ATTRS

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct { uint64_t s; } rng;
static inline uint64_t rng_next(rng *g) /* splitmix64 */
{
    uint64_t z = g->s += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}
/* Of an operator: by its name, so that another operator before it moves none of its cases. */
static inline rng rng_of(ro_op op)
{
    rng g = {UINT64_C(0xcbf29ce484222325)}; /* FNV-1a */
    for (const char *p = ro_ops[op].name; *p; p++)
        g.s = (g.s ^ (uint8_t)*p) * UINT64_C(0x100000001b3);
    return g;
}
static inline int64_t rng_in(rng *g, int64_t lo, int64_t hi) /* both ends included */
{
    return lo + (int64_t)(rng_next(g) % (uint64_t)(hi - lo + 1));
}

#define CASE_INPUTS 8
typedef struct {
    ro_op op;
    union { uint8_t bytes[RO_ATTRS_SIZE_MAX]; uint64_t align; } attrs;
    uint32_t inputs, outputs;
    ro_type in[CASE_INPUTS], out[CASE_INPUTS];
    /* What the test asks for: a dtype for each set letter (RO_NONE: random) and rows that reach
     * over the bounds of blocks and chunks. */
    ro_dtype force;
    int big, empty;         /* empty: sizes may be 0 */
    int64_t most;           /* the largest small size; 0: 4 */
    double lo[CASE_INPUTS]; /* where a finite difference is well behaved: values in [lo, hi]; */
    double hi[CASE_INPUTS]; /* integers: the range of valid indices                           */
} node_case;

#define CASE(op)                                            \
    static void case_##op(node_case *c, rng *g, ro_##op##_attrs *t); \
    static void case_##op##_any(node_case *c, rng *g)       \
    {                                                       \
        case_##op(c, g, (ro_##op##_attrs *)(void *)c->attrs.bytes); \
    }                                                       \
    static void case_##op(node_case *c, rng *g, ro_##op##_attrs *t)
#define UNUSED (void)g, (void)t

/* ---- parts of cases ------------------------------------------------------------------------- */

/* The dtype that is asked for, where the set has it, else one of the set. */
static ro_dtype case_dtype(node_case *c, rng *g, char set)
{
    static const ro_dtype all[] = {RO_F64, RO_F32, RO_F16, RO_BF16, RO_I8,  RO_I16, RO_I32,
                                   RO_I64, RO_U8,  RO_U16, RO_U32,  RO_U64, RO_BOOL};
    const int floats = set == 'F' || set == 'H', real = ro_dtype_is_float(c->force);
    const int fits = floats ? real : set == 'Z' ? !real && c->force != RO_BOOL
                                                : set != 'N' || c->force != RO_BOOL;
    if (c->force && set == 'H' && c->force == RO_F64) return RO_F32;
    if (c->force && fits) return c->force;
    if (set == 'Z') return all[rng_in(g, 4, 11)]; /* integers */
    return all[rng_in(g, set == 'H', floats ? 3 : set == 'N' ? 11 : 12)];
}
/* The dtype of statistics of d. */
static ro_dtype case_statistics(ro_dtype d) { return d == RO_F64 ? RO_F64 : RO_F32; }
/* A size: small, or with `big` around the bounds of blocks (256), groups and chunks (4,096). */
static int64_t case_size(const node_case *c, rng *g)
{
    return rng_in(g, c->empty && rng_in(g, 0, 9) == 0 ? 0 : 1, c->most ? c->most : 4);
}
static int64_t case_length(const node_case *c, rng *g)
{
    static const int64_t lengths[] = {1, 255, 256, 257, 4095, 4096, 4097, 8193, 12345};
    int64_t n = c->big ? lengths[rng_in(g, 0, 8)] : case_size(c, g);
    return c->big ? n : n + rng_in(g, 0, 3);
}
static ro_type *case_in(node_case *c, ro_dtype d, uint32_t rank, const int64_t *dims)
{
    ro_type *t = &c->in[c->inputs++];
    *t = ro_type_of(d, rank, dims);
    return t;
}
#define IN(dtype, rank, ...) case_in(c, dtype, rank, (const int64_t[]){__VA_ARGS__})
static ro_type *case_like(node_case *c, const ro_type *t)
{
    return case_in(c, t->dtype, t->rank, t->dims);
}
/* A tensor of random rank and shape. */
static ro_type *case_tensor(node_case *c, rng *g, ro_dtype d, uint32_t least_rank)
{
    int64_t dims[RO_RANK_MAX];
    uint32_t rank = (uint32_t)rng_in(g, least_rank, 4);
    for (uint32_t a = 0; a < rank; a++) dims[a] = case_size(c, g);
    return case_in(c, d, rank, dims);
}
/* A second operand that broadcasts with t: some axes 1, some leading axes missing. */
static void case_broadcast(node_case *c, rng *g, const ro_type *t, ro_dtype d)
{
    uint32_t skip = (uint32_t)rng_in(g, 0, t->rank);
    ro_type *b = case_in(c, d, t->rank - skip, t->dims + skip);
    for (uint32_t a = 0; a < b->rank; a++)
        if (rng_in(g, 0, 2) == 0) b->dims[a] = 1;
}
static void case_range(node_case *c, uint32_t input, double lo, double hi)
{
    c->lo[input] = lo;
    c->hi[input] = hi;
}
static int64_t case_axis(rng *g, uint32_t rank)
{
    return rng_in(g, -(int64_t)rank, (int64_t)rank - 1);
}
static void case_step(node_case *c)
{
    case_range(c, c->inputs, 0, 1000);
    case_in(c, RO_I64, 0, NULL);
}
static ro_ints case_dims(const ro_type *t, uint32_t from)
{
    ro_ints l;
    memset(&l, 0, sizeof l);
    for (uint32_t a = from; a < t->rank; a++) l.v[l.n++] = t->dims[a];
    return l;
}
/* The output types of a forward operator, for the case of its gradient. */
static ro_type case_forward(ro_op op, const void *attrs, const ro_type *in, uint32_t n)
{
    ro_err err = {0};
    ro_type out[CASE_INPUTS];
    memset(out, 0, sizeof out);
    if (ro_ops[op].infer(attrs, in, n, out, 1, &err)) {
        fprintf(stderr, "%s: %s\n", ro_ops[op].name, err.msg);
        abort();
    }
    return out[0];
}

/* ---- elementwise, movement ------------------------------------------------------------------ */

#define UNARY(op, set)                                      \
    CASE(op)                                                \
    {                                                       \
        UNUSED;                                             \
        case_tensor(c, g, case_dtype(c, g, set), 0);        \
    }
#define TWO(op, set) CASE(op) { UNUSED; case_like(c, case_tensor(c, g, case_dtype(c, g, set), 0)); }
#define BINARY(op, set)                                     \
    CASE(op)                                                \
    {                                                       \
        UNUSED;                                             \
        ro_dtype d = case_dtype(c, g, set);                 \
        case_broadcast(c, g, case_tensor(c, g, d, 0), d);   \
        case_range(c, 1, 0.5, 4.5);                         \
    }
UNARY(Neg, 'N')
UNARY(Relu, 'N')
UNARY(Exp, 'F')
UNARY(Identity, 'A')
UNARY(Tanh, 'F')
UNARY(Sigmoid, 'F')
TWO(TanhGrad, 'F')
TWO(SigmoidGrad, 'F')
BINARY(Add, 'N')
BINARY(Sub, 'N')
BINARY(Mul, 'N')
BINARY(Div, 'N')
BINARY(Equal, 'A')
BINARY(Greater, 'N')
BINARY(GreaterOrEqual, 'N')
BINARY(Less, 'N')
BINARY(LessOrEqual, 'N')
UNARY(Sign, 'N')
UNARY(Floor, 'F')
UNARY(Ceil, 'F')
UNARY(Round, 'F')
UNARY(IsNaN, 'F')
UNARY(BitwiseNot, 'Z')
BINARY(BitwiseAnd, 'Z')
BINARY(BitwiseOr, 'Z')
BINARY(BitwiseXor, 'Z')
UNARY(Abs, 'N')
UNARY(Softsign, 'F')
UNARY(Erf, 'F')
UNARY(Softplus, 'F')
UNARY(Mish, 'F')
UNARY(Sin, 'F')
UNARY(Cos, 'F')
UNARY(Sinh, 'F')
UNARY(Cosh, 'F')
UNARY(Asinh, 'F')
UNARY(Atan, 'F')
/* Where the function is smooth. */
#define UNARY_IN(op, low, high)                             \
    CASE(op)                                                \
    {                                                       \
        UNUSED;                                             \
        case_tensor(c, g, case_dtype(c, g, 'F'), 0);        \
        case_range(c, 0, low, high);                        \
    }
UNARY_IN(HardSwish, -2.9, 2.9)
UNARY_IN(Tan, -1, 1)
UNARY_IN(Asin, -0.9, 0.9)
UNARY_IN(Acos, -0.9, 0.9)
UNARY_IN(Atanh, -0.9, 0.9)
UNARY_IN(Acosh, 1.25, 4.5)
CASE(Elu) { case_tensor(c, g, case_dtype(c, g, 'F'), 0); t->alpha = 0.75f; }
CASE(Selu) { case_tensor(c, g, case_dtype(c, g, 'F'), 0); t->alpha = 0.75f; t->gamma = 1.25f; }
CASE(Celu) { case_tensor(c, g, case_dtype(c, g, 'F'), 0); t->alpha = 0.75f; }
CASE(Swish) { case_tensor(c, g, case_dtype(c, g, 'F'), 0); t->alpha = 1.25f; }
BINARY(PRelu, 'N')
CASE(LeakyRelu) { case_tensor(c, g, case_dtype(c, g, 'F'), 0); t->alpha = 0.25f; }
CASE(ThresholdedRelu)
{
    const int above = rng_in(g, 0, 1) != 0; /* of the step at alpha */
    case_tensor(c, g, case_dtype(c, g, 'F'), 0);
    case_range(c, 0, above ? 0.75 : -2, above ? 2 : 0.25);
    t->alpha = 0.5f;
}
CASE(Shrink)
{
    case_tensor(c, g, case_dtype(c, g, 'F'), 0);
    t->bias = (float)rng_in(g, 0, 2) / 2;
    t->lambd = 0.5f;
}
CASE(HardSigmoid)
{
    case_tensor(c, g, case_dtype(c, g, 'F'), 0);
    t->alpha = (float)rng_in(g, -1, 4) / 4;
    t->beta = (float)rng_in(g, -1, 2) / 2;
}
CASE(Reciprocal)
{
    UNUSED;
    case_tensor(c, g, case_dtype(c, g, 'F'), 0);
    case_range(c, 0, 0.5, 4.5);
}
CASE(Not) { UNUSED; case_tensor(c, g, RO_BOOL, 0); }
static void case_logic(node_case *c, rng *g)
{
    case_broadcast(c, g, case_tensor(c, g, RO_BOOL, 0), RO_BOOL);
}
CASE(And) { UNUSED; case_logic(c, g); }
CASE(Or) { UNUSED; case_logic(c, g); }
CASE(Xor) { UNUSED; case_logic(c, g); }
CASE(IsInf)
{
    case_tensor(c, g, case_dtype(c, g, 'F'), 0);
    t->detect_negative = (uint32_t)rng_in(g, 0, 1);
    t->detect_positive = (uint32_t)rng_in(g, 0, 1);
}
CASE(BitShift)
{
    ro_dtype d = case_dtype(c, g, 'Z');
    case_broadcast(c, g, case_tensor(c, g, d, 0), d);
    t->direction = (uint32_t)rng_in(g, 0, 1);
}
CASE(Mod)
{
    ro_dtype d = case_dtype(c, g, 'N');
    case_broadcast(c, g, case_tensor(c, g, d, 0), d);
    t->fmod = ro_dtype_is_float(d) ? 1 : (uint32_t)rng_in(g, 0, 1);
}
CASE(Pow)
{
    UNUSED;
    ro_dtype d = case_dtype(c, g, c->force || rng_in(g, 0, 1) ? 'N' : 'Z');
    if (d == RO_F64) d = RO_F32;
    case_broadcast(c, g, case_tensor(c, g, d, 0), d);
    case_range(c, 0, 0.5, 2.5);
}
/* One to four inputs that broadcast together. */
static void case_several(node_case *c, rng *g, char set)
{
    ro_dtype d = case_dtype(c, g, set);
    const ro_type *x = case_tensor(c, g, d, 0);
    uint32_t more = (uint32_t)rng_in(g, 0, 3);
    for (uint32_t k = 0; k < more; k++) case_broadcast(c, g, x, d);
}
/* In ranges that do not meet, in any order: where two are equal no gradient is a difference. */
static void case_apart(node_case *c, rng *g)
{
    const int64_t turn = rng_in(g, 0, 3);
    for (uint32_t k = 0; k < c->inputs; k++) {
        const double at = 2 * (double)((k + turn) % c->inputs);
        case_range(c, k, at, at + 1.9);
    }
}
CASE(Max) { UNUSED; case_several(c, g, 'N'); case_apart(c, g); }
CASE(Min) { UNUSED; case_several(c, g, 'N'); case_apart(c, g); }
CASE(Sum) { UNUSED; case_several(c, g, 'F'); }
CASE(Mean) { UNUSED; case_several(c, g, 'F'); }
CASE(Clip)
{
    UNUSED;
    ro_dtype d = case_tensor(c, g, case_dtype(c, g, 'N'), 0)->dtype;
    uint32_t bounds = (uint32_t)rng_in(g, 0, 3);
    if (bounds & 1) case_in(c, d, 0, NULL);
    else if (bounds) case_in(c, RO_NONE, 0, NULL);
    if (bounds & 2) case_in(c, d, 0, NULL);
    case_range(c, 1, -1, -0.5);
    case_range(c, 2, 0.5, 1);
}
TWO(ReluGrad, 'F')
CASE(Log) { UNUSED; case_tensor(c, g, case_dtype(c, g, 'F'), 0); case_range(c, 0, 0.5, 4.5); }
CASE(Sqrt) { UNUSED; case_tensor(c, g, case_dtype(c, g, 'F'), 0); case_range(c, 0, 0.5, 4.5); }
CASE(Gelu)
{
    case_tensor(c, g, case_dtype(c, g, 'F'), 0);
    t->approximate = (uint32_t)rng_in(g, 0, 1);
}
CASE(GeluGrad)
{
    case_like(c, case_tensor(c, g, case_dtype(c, g, 'F'), 0));
    t->approximate = (uint32_t)rng_in(g, 0, 1);
}
CASE(Cast)
{
    case_tensor(c, g, case_dtype(c, g, 'A'), 0);
    t->to = !c->force ? case_dtype(c, g, 'A') : rng_in(g, 0, 1) ? RO_F32 : RO_F64;
}
CASE(BitCast)
{
    ro_type *x = case_tensor(c, g, case_dtype(c, g, 'A'), 0);
    do t->to = case_dtype(&(node_case){.op = c->op}, g, 'A');
    while (ro_dtypes[t->to].size != ro_dtypes[x->dtype].size);
}
static ro_dtype case_quantized(rng *g)
{
    static const ro_dtype all[] = {RO_I8, RO_I16, RO_I32, RO_U8, RO_U16, RO_U32};
    return all[rng_in(g, 0, 5)];
}
CASE(QuantizeLinear)
{
    UNUSED;
    ro_dtype d = case_dtype(c, g, 'F');
    ro_type x = *case_tensor(c, g, d, 0);
    case_range(c, 1, 0.5, 2);
    case_broadcast(c, g, &x, d);
    case_broadcast(c, g, &x, case_quantized(g));
}
CASE(DequantizeLinear)
{
    UNUSED;
    ro_dtype d = case_quantized(g);
    ro_type x = *case_tensor(c, g, d, 0);
    case_broadcast(c, g, &x, case_dtype(c, g, 'F'));
    if (rng_in(g, 0, 1)) case_broadcast(c, g, &x, d);
}
CASE(Where)
{
    UNUSED;
    ro_type *b = case_tensor(c, g, RO_BOOL, 0);
    ro_dtype d = case_dtype(c, g, 'A');
    case_range(c, 0, 0, 1);
    case_in(c, d, b->rank, b->dims);
    case_broadcast(c, g, b, d);
}
CASE(Transpose)
{
    const ro_type *x = case_tensor(c, g, case_dtype(c, g, 'A'), 0);
    t->perm.n = x->rank;
    for (uint32_t a = 0; a < x->rank; a++) {
        uint32_t k = (uint32_t)rng_in(g, 0, a);
        t->perm.v[a] = t->perm.v[k];
        t->perm.v[k] = a;
    }
}
CASE(Reshape)
{
    const ro_type *x = case_tensor(c, g, case_dtype(c, g, 'A'), 1);
    t->shape = case_dims(x, 1);
    t->shape.v[t->shape.n++] = x->dims[0];
}
CASE(Flatten)
{
    const ro_type *x = case_tensor(c, g, case_dtype(c, g, 'A'), 0);
    t->axis = rng_in(g, -(int64_t)x->rank, x->rank);
}
CASE(Expand)
{
    ro_type shape = *case_tensor(c, g, case_dtype(c, g, 'A'), 1);
    c->inputs = 0;
    case_broadcast(c, g, &shape, shape.dtype);
    t->shape = case_dims(&shape, 0);
}
CASE(Concat)
{
    const ro_type *x = case_tensor(c, g, case_dtype(c, g, 'A'), 1);
    uint32_t more = (uint32_t)rng_in(g, 0, 3);
    t->axis = case_axis(g, x->rank);
    for (uint32_t k = 0; k < more; k++)
        case_like(c, x)->dims[ro_axis(t->axis, x->rank)] = case_size(c, g);
}
CASE(Split)
{
    const ro_type *x = case_tensor(c, g, case_dtype(c, g, 'A'), 1);
    t->axis = case_axis(g, x->rank);
    int64_t left = x->dims[ro_axis(t->axis, x->rank)];
    c->outputs = t->split.n = (uint32_t)rng_in(g, 1, 3);
    for (uint32_t k = 0; k < t->split.n; k++) {
        t->split.v[k] = k + 1 == t->split.n ? left : rng_in(g, 0, left);
        left -= t->split.v[k];
    }
}
static void case_slice(rng *g, const ro_type *x, ro_ints *starts, ro_ints *ends, ro_ints *axes,
                       ro_ints *steps)
{
    for (uint32_t a = 0; a < x->rank; a++) {
        if (rng_in(g, 0, 2) == 0) continue;
        int back = rng_in(g, 0, 1) != 0, likely = rng_in(g, 0, 3) != 0; /* not empty */
        starts->v[starts->n++] =
            !likely ? rng_in(g, -6, 6) : back ? rng_in(g, 2, 6) : rng_in(g, 0, 1);
        ends->v[ends->n++] = !likely ? rng_in(g, -6, 6) : back ? -9 : rng_in(g, 2, 6);
        axes->v[axes->n++] = rng_in(g, 0, 1) ? (int64_t)a : (int64_t)a - (int64_t)x->rank;
        steps->v[steps->n++] = back ? rng_in(g, -3, -1) : rng_in(g, 1, 3);
    }
}
CASE(Slice)
{
    const ro_type *x = case_tensor(c, g, case_dtype(c, g, 'A'), 1);
    case_slice(g, x, &t->starts, &t->ends, &t->axes, &t->steps);
}
CASE(SliceGrad)
{
    ro_type x = *case_tensor(c, g, case_dtype(c, g, 'A'), 1);
    ro_Slice_attrs f;
    memset(&f, 0, sizeof f);
    case_slice(g, &x, &f.starts, &f.ends, &f.axes, &f.steps);
    t->starts = f.starts;
    t->ends = f.ends;
    t->axes = f.axes;
    t->steps = f.steps;
    t->dims = case_dims(&x, 0);
    c->in[0] = case_forward(RO_OP_Slice, &f, &x, 1);
}
CASE(ConstantOfShape)
{
    ro_dtype d = case_dtype(c, g, 'A');
    t->dtype = d;
    t->shape.n = (uint32_t)rng_in(g, 0, 3);
    for (uint32_t a = 0; a < t->shape.n; a++) t->shape.v[a] = case_size(c, g);
    t->bits = rng_next(g) >> (64 - 8 * ro_dtypes[d].size);
}
CASE(Gather)
{
    const ro_type *x = case_tensor(c, g, case_dtype(c, g, 'A'), 1);
    t->axis = case_axis(g, x->rank);
    int64_t d = x->dims[ro_axis(t->axis, x->rank)];
    case_range(c, 1, -(double)d, (double)d - 1);
    case_tensor(c, g, rng_in(g, 0, 1) ? RO_I32 : RO_I64, 0);
}
CASE(GatherGrad)
{
    int64_t q = case_length(c, g), outer = case_size(c, g), inner = case_size(c, g);
    ro_dtype d = case_dtype(c, g, 'F');
    t->dim = rng_in(g, 1, 5);
    t->axis = rng_in(g, 0, 1) ? 1 : -2;
    case_range(c, 1, -(double)t->dim, (double)t->dim - 1);
    if (c->big) outer = inner = 1;
    IN(d, 4, outer, 2, q, inner);
    IN(rng_in(g, 0, 1) ? RO_I32 : RO_I64, 2, 2, q);
}
/* Indices for an axis of x, on the other axes at most as many as x has positions. */
static void case_indices(node_case *c, rng *g, const ro_type *x, int64_t axis)
{
    ro_type q = *x;
    q.dtype = rng_in(g, 0, 1) ? RO_I32 : RO_I64;
    int64_t d = x->dims[ro_axis(axis, x->rank)];
    for (uint32_t a = 0; a < q.rank; a++)
        if (q.dims[a]) q.dims[a] = rng_in(g, 1, q.dims[a]);
    q.dims[ro_axis(axis, x->rank)] = case_length(c, g);
    case_range(c, 1, -(double)d, (double)d - 1);
    case_like(c, &q);
}
CASE(GatherElements)
{
    const ro_type *x = case_tensor(c, g, case_dtype(c, g, 'A'), 1);
    t->axis = case_axis(g, x->rank);
    case_indices(c, g, x, t->axis);
}
/* What updates do: of bools and where a gradient is asked for (which forces a dtype) it is given
 * only for replacing and adding. */
static uint32_t case_reduction(const node_case *c, rng *g, ro_dtype d)
{
    return (uint32_t)rng_in(g, 0, d == RO_BOOL ? 0 : c->force == RO_F64 ? 1 : 4);
}
CASE(ScatterElements)
{
    const ro_type *x = case_tensor(c, g, case_dtype(c, g, 'A'), 1);
    t->axis = case_axis(g, x->rank);
    t->reduction = case_reduction(c, g, x->dtype);
    case_indices(c, g, x, t->axis);
    ro_type u = c->in[1];
    u.dtype = x->dtype;
    case_like(c, &u);
}
CASE(ScatterRows)
{
    const ro_type *x = case_tensor(c, g, case_dtype(c, g, 'A'), 1);
    t->reduction = case_reduction(c, g, x->dtype);
    case_range(c, 1, -(double)x->dims[0], (double)x->dims[0] - 1);
    ro_type u = *IN(rng_in(g, 0, 1) ? RO_I32 : RO_I64, 2, 2, case_length(c, g));
    u.dtype = x->dtype;
    for (uint32_t a = 1; a < x->rank; a++) u.dims[u.rank++] = x->dims[a];
    case_like(c, &u);
}

/* ---- contractions --------------------------------------------------------------------------- */

CASE(MatMul)
{
    UNUSED;
    ro_dtype d = case_dtype(c, g, 'N');
    int64_t m = case_size(c, g), k = case_length(c, g), n = case_size(c, g), b = case_size(c, g);
    switch (rng_in(g, 0, 4)) {
    case 0: IN(d, 1, k); IN(d, 1, k); break;
    case 1: IN(d, 1, k); IN(d, 3, b, k, n); break;
    case 2: IN(d, 3, b, m, k); IN(d, 2, k, n); break;
    case 3: IN(d, 4, b, 1, m, k); IN(d, 3, 2, k, n); break;
    default: IN(d, 2, m, k); IN(d, 2, k, n); break;
    }
}
CASE(Gemm)
{
    ro_dtype d = case_dtype(c, g, 'F');
    int64_t m = case_size(c, g), k = case_length(c, g), n = case_size(c, g);
    t->transA = (uint32_t)rng_in(g, 0, 1);
    t->transB = (uint32_t)rng_in(g, 0, 1);
    t->alpha = (float)rng_in(g, 1, 3) / 2;
    t->beta = (float)rng_in(g, 0, 3) / 2;
    IN(d, 2, t->transA ? k : m, t->transA ? m : k);
    IN(d, 2, t->transB ? n : k, t->transB ? k : n);
    switch (rng_in(g, 0, 3)) {
    case 0: break;
    case 1: IN(d, 1, n); break;
    case 2: IN(d, 2, m, 1); break;
    default: IN(d, 2, m, n); break;
    }
}
CASE(Attention)
{
    static const int64_t keys[] = {1, 33, 255, 257, 513, 4097};
    const ro_dtype d = case_dtype(c, g, 'F');
    const int64_t few = c->most > 4 ? 2 : 4; /* where axes are long, these are not */
    const int64_t b = rng_in(g, c->empty ? 0 : 1, few), own = rng_in(g, c->empty ? 0 : 1, few);
    const int64_t heads = own * rng_in(g, 1, 2);
    const int64_t n = c->big ? keys[rng_in(g, 0, 5)] : case_length(c, g);
    const int64_t rows = case_size(c, g);
    const int64_t size = c->big && n < 300 ? rng_in(g, 250, 260) : case_size(c, g);
    const int64_t width = c->big ? 1 : rng_in(g, c->empty ? 0 : 1, few);
    t->root = (float)rng_in(g, 1, 3) / 2;
    t->cap = rng_in(g, 0, 1) ? 0 : 1.5f;
    t->causal = (uint32_t)rng_in(g, 0, 1);
    t->past = t->causal ? rng_in(g, 0, n) : 0;
    IN(d, 4, b, heads, rows, size);
    IN(d, 4, b, own ? own : 1, n, size);
    IN(d, 4, b, own ? own : 1, n, width);
    if (rng_in(g, 0, 1)) return;
    const ro_type scores = ro_type_of(d, 4, (int64_t[]){b, heads, rows, n});
    case_broadcast(c, g, &scores, d);
    if (rng_in(g, 0, 1)) IN(RO_I64, 1, b);
    case_range(c, 4, 1, (double)n);
}
/* x, w and attributes of a convolution; returns its output. */
static ro_type case_conv(node_case *c, rng *g, char set, ro_Conv_attrs *t, ro_type *x, ro_type *w)
{
    uint32_t axes = c->big ? 2 : (uint32_t)rng_in(g, 1, 3);
    int64_t group = rng_in(g, 1, 2), cg = c->big ? rng_in(g, 1, 500) : rng_in(g, 1, 2);
    int64_t n = c->big ? 9 : case_size(c, g);
    int64_t maps = group * (c->big ? 150 : rng_in(g, 1, 2));
    *x = ro_type_of(case_dtype(c, g, set), 2, (int64_t[]){n, cg * group});
    *w = ro_type_of(x->dtype, 2, (int64_t[]){maps, cg});
    t->group = (uint32_t)group;
    t->strides.n = t->dilations.n = axes;
    t->pads.n = 2 * axes;
    for (uint32_t a = 0; a < axes; a++) {
        int64_t k = rng_in(g, 1, 3), d = rng_in(g, 1, 2), p = rng_in(g, 0, 2), q = rng_in(g, 0, 2);
        int64_t least = (k - 1) * d + 1 - p - q;
        t->strides.v[a] = rng_in(g, 1, 3);
        t->dilations.v[a] = d;
        t->pads.v[a] = p;
        t->pads.v[axes + a] = q;
        x->dims[x->rank++] = (least > 1 ? least : 1) + rng_in(g, 0, c->big ? 25 : 3);
        w->dims[w->rank++] = k;
    }
    return case_forward(RO_OP_Conv, t, (ro_type[]){*x, *w}, 2);
}
CASE(Conv)
{
    ro_type x, w;
    case_conv(c, g, 'N', t, &x, &w);
    case_like(c, &x);
    case_like(c, &w);
    if (rng_in(g, 0, 1)) IN(x.dtype, 1, w.dims[0]);
}
CASE(ConvInputGrad)
{
    ro_Conv_attrs f;
    ro_type x, w;
    memset(&f, 0, sizeof f);
    ro_type y = case_conv(c, g, 'F', &f, &x, &w);
    t->strides = f.strides, t->pads = f.pads, t->dilations = f.dilations, t->group = f.group;
    t->dims = case_dims(&x, 2);
    case_like(c, &y);
    case_like(c, &w);
}
CASE(ConvWeightGrad)
{
    ro_Conv_attrs f;
    ro_type x, w;
    memset(&f, 0, sizeof f);
    ro_type y = case_conv(c, g, 'F', &f, &x, &w);
    t->strides = f.strides, t->pads = f.pads, t->dilations = f.dilations, t->group = f.group;
    t->dims = case_dims(&w, 2);
    case_like(c, &y);
    case_like(c, &x);
}

/* x, the state and for LSTM the cell; GRUState's gates; r; what may be there beside it; lengths. */
static void case_cell(node_case *c, rng *g, int64_t gates, int64_t *step)
{
    const ro_dtype d = case_dtype(c, g, 'F');
    const int64_t size = c->big ? rng_in(g, 255, 257) : case_size(c, g);
    const int64_t batch = case_size(c, g), steps = rng_in(g, 1, 3);
    const int lstm = c->op == RO_OP_LSTMCell;
    *step = rng_in(g, 0, steps - 1);
    IN(d, 3, steps, batch, gates * size);
    for (int k = 0; k <= lstm; k++) IN(d, 3, 1, batch, size);
    if (c->op == RO_OP_GRUState) IN(d, 3, 1, batch, 2 * size);
    IN(d, 2, size, gates * size);
    if (c->op == RO_OP_GRUGates) return;
    if (lstm || c->op == RO_OP_GRUCell)
        IN(rng_in(g, 0, 1) ? d : RO_NONE, 1, lstm ? 3 * size : size);
    case_range(c, c->inputs, 0, 4);
    switch (rng_in(g, 0, 2)) {
    case 0: IN(RO_I32, 1, batch); break;
    case 1: IN(RO_I64, 1, batch); break;
    default: IN(RO_NONE, 0, 0); break;
    }
}
CASE(LSTMCell)
{
    case_cell(c, g, 4, &t->step);
    t->f = (uint32_t)rng_in(g, 0, 2);
    t->g = (uint32_t)rng_in(g, 0, 2);
    t->h = (uint32_t)rng_in(g, 0, 2);
    t->input_forget = (uint32_t)rng_in(g, 0, 1);
    c->outputs = 2;
}
CASE(GRUCell)
{
    case_cell(c, g, 3, &t->step);
    t->f = (uint32_t)rng_in(g, 0, 2);
    t->g = (uint32_t)rng_in(g, 0, 2);
}
CASE(RNNCell) { case_cell(c, g, 1, &t->step); t->f = (uint32_t)rng_in(g, 0, 2); }
CASE(GRUGates) { case_cell(c, g, 3, &t->step); t->f = (uint32_t)rng_in(g, 0, 2); }
CASE(GRUState) { case_cell(c, g, 3, &t->step); t->g = (uint32_t)rng_in(g, 0, 2); }

/* ---- rows ----------------------------------------------------------------------------------- */

/* (2, length, size): a strided row on axis 1 or, half the time, on axes 1 and 0. */
static void case_reduce(node_case *c, rng *g, char set, ro_ReduceSum_attrs *t)
{
    ro_dtype d = case_dtype(c, g, set);
    int64_t n = case_length(c, g), inner = case_size(c, g);
    IN(d, 3, 2, n, inner);
    t->keepdims = (uint32_t)rng_in(g, 0, 1);
    t->noop_with_empty_axes = (uint32_t)rng_in(g, 0, 1);
    if (c->big || rng_in(g, 0, 3)) t->axes.v[t->axes.n++] = rng_in(g, 0, 1) ? 1 : -2;
    if (t->axes.n && rng_in(g, 0, 1)) t->axes.v[t->axes.n++] = 0;
}
CASE(ReduceSum) { case_reduce(c, g, 'N', t); }
CASE(ReduceMax) { case_reduce(c, g, 'N', t); }
CASE(ReduceProd) { case_reduce(c, g, 'N', t); }
CASE(ReduceMean) { case_reduce(c, g, 'F', t); }
CASE(ReduceMaxGrad)
{
    case_reduce(c, g, 'F', t);
    c->in[1] = c->in[0];
    c->in[0] = case_forward(RO_OP_ReduceMax, t, &c->in[1], 1);
    c->inputs = 2;
}
static void case_softmax(node_case *c, rng *g, int64_t *axis)
{
    int64_t outer = case_size(c, g), n = case_length(c, g), inner = case_size(c, g);
    *axis = rng_in(g, 0, 1) ? 1 : -2;
    IN(case_dtype(c, g, 'F'), 3, outer, n, inner);
}
CASE(Softmax) { case_softmax(c, g, &t->axis); }
CASE(LogSoftmax) { case_softmax(c, g, &t->axis); }
CASE(SoftmaxGrad) { case_softmax(c, g, &t->axis); case_like(c, &c->in[0]); }
CASE(LogSoftmaxGrad) { case_softmax(c, g, &t->axis); case_like(c, &c->in[0]); }
CASE(LayerNormalization)
{
    int64_t n = case_length(c, g), m = case_size(c, g);
    ro_dtype d = case_dtype(c, g, 'F');
    int wide = rng_in(g, 0, 1) != 0; /* normalize the last two axes */
    t->axis = wide ? -2 : 2;
    t->epsilon = 1e-5f;
    IN(d, 3, case_size(c, g), m, n);
    c->inputs += (uint32_t)rng_in(g, 0, 2);
    for (uint32_t k = 1; k < c->inputs; k++)
        c->in[k] = ro_type_of(d, wide ? 2 : 1, c->in[0].dims + (wide ? 1 : 2));
    if (c->inputs == 3 && rng_in(g, 0, 2) == 0) memset(&c->in[1], 0, sizeof c->in[1]);
    c->outputs = (uint32_t)rng_in(g, 1, 3);
}
static void case_layernorm(node_case *c, rng *g, int64_t rows, int64_t n)
{
    ro_dtype d = case_dtype(c, g, 'F');
    IN(d, 3, rows, 2, n);
    case_like(c, &c->in[0]);
    IN(case_statistics(d), 3, rows, 1, 1);
    case_like(c, &c->in[2]);
}
CASE(LayerNormalizationGrad)
{
    int64_t rows = case_size(c, g), n = case_length(c, g);
    case_layernorm(c, g, rows, n);
    t->axis = 1;
    if (rng_in(g, 0, 1)) IN(c->in[0].dtype, 2, 2, c->in[0].dims[2]);
}
CASE(LayerNormalizationScaleGrad)
{
    int64_t rows = case_length(c, g), n = case_size(c, g);
    case_layernorm(c, g, rows, n);
    t->axis = -2;
}
CASE(RMSNormalization)
{
    int64_t n = case_length(c, g), m = case_size(c, g);
    ro_dtype d = case_dtype(c, g, 'F');
    int wide = rng_in(g, 0, 1) != 0; /* normalize the last two axes */
    t->axis = wide ? -2 : 2;
    t->epsilon = 1e-5f;
    case_range(c, 0, 0.5, 4.5); /* a short row near 0 bends too much for a difference */
    IN(d, 3, case_size(c, g), m, n);
    if (rng_in(g, 0, 2)) case_in(c, d, wide ? 2 : 1, c->in[0].dims + (wide ? 1 : 2));
    c->outputs = (uint32_t)rng_in(g, 1, 2);
}
CASE(RMSNormalizationGrad)
{
    int64_t rows = case_size(c, g), n = case_length(c, g);
    case_layernorm(c, g, rows, n);
    c->inputs--; /* there is no mean */
    t->axis = 1;
    if (rng_in(g, 0, 1)) IN(c->in[0].dtype, 2, 2, c->in[0].dims[2]);
}
CASE(GlobalAveragePool)
{
    UNUSED;
    ro_dtype d = case_dtype(c, g, 'F');
    int64_t n = case_size(c, g), channels = case_size(c, g), area = case_length(c, g);
    IN(d, 4, n, channels, area, 1);
}
CASE(ArgMax)
{
    ro_dtype d = case_dtype(c, g, 'N');
    int64_t n = case_length(c, g), inner = case_size(c, g);
    IN(d, 3, 2, n, inner);
    if (c->in[0].dims[1] == 0) c->in[0].dims[1] = 1;
    t->axis = rng_in(g, 0, 1) ? 1 : -2;
    t->keepdims = (uint32_t)rng_in(g, 0, 1);
    t->select_last_index = (uint32_t)rng_in(g, 0, 1);
}
static void case_running(node_case *c, rng *g, ro_CumSum_attrs *t)
{
    ro_dtype d = case_dtype(c, g, 'N');
    int64_t outer = case_size(c, g), n = case_length(c, g), inner = c->big ? 1 : case_size(c, g);
    IN(d, 3, outer, n, inner);
    t->axis = rng_in(g, 0, 1) ? 1 : -2;
    t->exclusive = (uint32_t)rng_in(g, 0, 1);
    t->reverse = (uint32_t)rng_in(g, 0, 1);
}
CASE(CumSum) { case_running(c, g, t); }
CASE(CumProd) { case_running(c, g, t); }
CASE(TopK)
{
    ro_dtype d = case_dtype(c, g, 'N');
    int64_t n = case_length(c, g), inner = case_size(c, g), least = c->empty ? 0 : 1;
    if (n > RO_TOPK_LINE_MAX) n = RO_TOPK_LINE_MAX;
    IN(d, 3, 2, n, inner);
    t->axis = rng_in(g, 0, 1) ? 1 : -2;
    t->k = n ? rng_in(g, least, n < 20 ? n : 20) : 0;
    t->largest = (uint32_t)rng_in(g, 0, 1);
    c->outputs = (uint32_t)rng_in(g, 1, 2);
}

/* ---- pools ---------------------------------------------------------------------------------- */

/* Windows of a long case: where an element goes through all taps of every window around it
 * (`around`), fewer of both, but more taps than an explanation takes at once (256). */
static void case_pool(node_case *c, rng *g, char set, int around, ro_MaxPool_attrs *t)
{
    uint32_t axes = c->big ? 2 : (uint32_t)rng_in(g, 1, 3);
    int64_t most = !c->big ? 3 : around ? 20 : 70;
    ro_dtype dtype = case_dtype(c, g, set);
    int64_t n = c->big ? 1 : case_size(c, g), channels = case_size(c, g);
    ro_type *x = IN(dtype, 2, n, channels);
    t->ceil_mode = (uint32_t)rng_in(g, 0, 1);
    t->kernel_shape.n = t->strides.n = t->dilations.n = axes;
    t->pads.n = 2 * axes;
    for (uint32_t a = 0; a < axes; a++) {
        int64_t k = rng_in(g, !c->big ? 1 : around ? 17 : 30, most), d = rng_in(g, 1, 2);
        int64_t p = rng_in(g, 0, 3), q = rng_in(g, 0, 3);
        int64_t least = (k - 1) * d + 1 - p - q;
        t->kernel_shape.v[a] = k;
        t->strides.v[a] = c->big && around ? rng_in(g, k / 2, k) : rng_in(g, 1, c->big ? 2 : 4);
        t->dilations.v[a] = d;
        t->pads.v[a] = p;
        t->pads.v[axes + a] = q;
        x->dims[x->rank++] = (least > 1 ? least : 1) + rng_in(g, 0, most);
    }
}
static void case_average(node_case *c, rng *g, ro_AveragePool_attrs *t)
{
    ro_MaxPool_attrs m;
    memset(&m, 0, sizeof m);
    case_pool(c, g, 'F', 0, &m);
    t->kernel_shape = m.kernel_shape, t->strides = m.strides, t->pads = m.pads;
    t->dilations = m.dilations, t->ceil_mode = m.ceil_mode;
    t->count_include_pad = (uint32_t)rng_in(g, 0, 1);
}
CASE(MaxPool)
{
    case_pool(c, g, 'N', 0, t);
    c->outputs = (uint32_t)rng_in(g, 1, 2);
}
CASE(MaxPoolGrad)
{
    case_pool(c, g, 'F', 1, t);
    c->in[1] = c->in[0];
    c->in[0] = case_forward(RO_OP_MaxPool, t, &c->in[1], 1);
    c->inputs = 2;
}
CASE(AveragePool) { case_average(c, g, t); }
CASE(AveragePoolGrad)
{
    ro_AveragePool_attrs f;
    memset(&f, 0, sizeof f);
    case_average(c, g, &f);
    t->kernel_shape = f.kernel_shape, t->strides = f.strides, t->pads = f.pads;
    t->dilations = f.dilations, t->ceil_mode = f.ceil_mode;
    t->count_include_pad = f.count_include_pad;
    t->dims = case_dims(&c->in[0], 2);
    c->in[0] = case_forward(RO_OP_AveragePool, &f, &c->in[0], 1);
}

/* x (size, in.., sizes) and a Resize of its axes 1 and, sometimes, 2; returns y. A roi comes where
 * no dtype is forced: it has no gradient. */
static ro_type case_resize(node_case *c, rng *g, ro_Resize_attrs *t, ro_type *x, int up)
{
    uint32_t axes = c->big ? 2 : (uint32_t)rng_in(g, 1, 2);
    int crops = !c->force && rng_in(g, 0, 4) == 0;
    ro_dtype d = case_dtype(c, g, 'F');
    int64_t outer = case_size(c, g), inner = case_size(c, g);
    *x = ro_type_of(d, 4, (int64_t[]){outer, 1, 1, inner});
    if (rng_in(g, 0, 1)) x->rank = 1 + axes; /* the resized axes are the last ones */
    t->axes.n = t->sizes.n = t->scale_n.n = t->scale_d.n = axes;
    for (uint32_t k = 0; k < axes; k++) {
        int64_t in = rng_in(g, 1, 4), n = rng_in(g, 1, 5), by = rng_in(g, 1, 5);
        if (c->big) { /* many taps, or many outputs over a place */
            n = up ? rng_in(g, 9, 15) : 1;
            by = up ? 1 : rng_in(g, 9, 15);
            in = up ? in : by * in;
        }
        x->dims[1 + k] = in;
        t->axes.v[k] = 1 + k;
        t->sizes.v[k] = rng_in(g, 0, 1) && !c->big ? rng_in(g, 1, 8) : (in * n + by - 1) / by;
        t->scale_n.v[k] = rng_in(g, 0, 1) ? n : t->sizes.v[k];
        t->scale_d.v[k] = t->scale_n.v[k] == n ? by : in;
    }
    t->mode = (uint32_t)rng_in(g, 1, 2);
    t->coordinates = crops ? RO_RESIZE_CROP : (uint32_t)rng_in(g, 0, 4);
    for (uint32_t k = 0; k < axes; k++) /* aligned corners need a whole position */
        if (x->dims[1 + k] * t->scale_n.v[k] < t->scale_d.v[k]) t->scale_n.v[k] = t->scale_d.v[k];
    t->antialias = c->big ? 1 : (uint32_t)rng_in(g, 0, 1);
    t->exclude_outside = (uint32_t)rng_in(g, 0, 1);
    t->cubic_coeff_a = -0.75f;
    t->extrapolation_value = 1.5f;
    ro_type in[2] = {*x, ro_type_of(RO_NONE, 0, NULL)};
    if (crops) in[1] = ro_type_of(RO_F64, 1, (int64_t[]){2 * (int64_t)axes});
    return case_forward(RO_OP_Resize, t, in, 1 + (uint32_t)crops);
}
CASE(Resize)
{
    ro_type x;
    case_resize(c, g, t, &x, 0);
    case_like(c, &x);
    if (t->coordinates == RO_RESIZE_CROP) IN(RO_F64, 1, 2 * (int64_t)t->axes.n);
}
CASE(ResizeGrad)
{
    ro_Resize_attrs f;
    ro_type x, y;
    do {
        memset(&f, 0, sizeof f);
        y = case_resize(c, g, &f, &x, 1);
    } while (f.coordinates == RO_RESIZE_CROP);
    t->axes = f.axes, t->sizes = f.sizes, t->scale_n = f.scale_n, t->scale_d = f.scale_d;
    t->mode = f.mode, t->coordinates = f.coordinates, t->antialias = f.antialias;
    t->exclude_outside = f.exclude_outside, t->cubic_coeff_a = f.cubic_coeff_a;
    t->extrapolation_value = f.extrapolation_value;
    t->dims.n = f.axes.n;
    for (uint32_t k = 0; k < f.axes.n; k++) t->dims.v[k] = x.dims[1 + k];
    case_like(c, &y);
}

CASE(GridSample)
{
    uint32_t axes = (uint32_t)rng_in(g, 1, 3);
    ro_dtype d = case_dtype(c, g, 'F');
    int64_t n = case_size(c, g), channels = case_size(c, g), samples = case_size(c, g);
    ro_type *x = IN(d, 2, n, channels);
    int listed = rng_in(g, 0, 1) != 0;
    ro_type *grid = IN(d, 1, listed ? samples : n);
    for (uint32_t a = 0; a < axes; a++) {
        x->dims[x->rank++] = rng_in(g, 1, 5);
        grid->dims[grid->rank++] = case_size(c, g);
    }
    grid->dims[grid->rank++] = axes;
    if (listed) IN(rng_in(g, 0, 1) ? RO_I32 : RO_I64, 1, samples);
    case_range(c, 2, -(double)n, (double)n - 1);
    t->mode = (uint32_t)rng_in(g, 0, 2);
    t->padding_mode = (uint32_t)rng_in(g, 0, 2);
    t->align_corners = (uint32_t)rng_in(g, 0, 2);
}

/* ---- random, loss, updates ------------------------------------------------------------------ */

CASE(Dropout)
{
    case_tensor(c, g, case_dtype(c, g, 'H'), 0);
    case_step(c);
    t->seed = rng_next(g);
    t->stream = (uint32_t)rng_next(g);
    t->threshold = (uint32_t)rng_next(g);
    t->scale = 1.5f;
}
CASE(BatchIndices)
{
    case_step(c);
    t->seed = rng_next(g);
    t->n = (uint64_t)rng_in(g, 1, 100000);
    t->batch = (uint32_t)case_length(c, g);
    t->stream = (uint32_t)rng_next(g);
}
CASE(RandomUniform)
{
    case_step(c);
    t->seed = rng_next(g);
    t->low = -1;
    t->high = 2;
    t->shape.n = 1;
    t->shape.v[0] = case_length(c, g);
}
CASE(RandomNormal)
{
    case_step(c);
    t->seed = rng_next(g);
    t->mean = 1;
    t->scale = 2;
    t->shape.n = 1;
    t->shape.v[0] = case_length(c, g);
}
CASE(LearningRate)
{
    case_step(c);
    t->kind = (uint32_t)rng_in(g, 0, 4);
    t->base = 0.1;
    t->min = 0.001;
    t->warmup = (uint64_t)rng_in(g, 0, 10);
    t->total = (uint64_t)rng_in(g, 0, 100);
    t->gamma = 0.5;
    t->period = (uint64_t)rng_in(g, 1, 10);
}
static void case_loss(node_case *c, rng *g, ro_SoftmaxCrossEntropyLoss_attrs *t)
{
    int64_t n = c->big ? rng_in(g, 1, 9000) : case_size(c, g);
    int64_t classes = rng_in(g, 1, 5), d = rng_in(g, 1, 2);
    ro_dtype dtype = case_dtype(c, g, 'H');
    IN(dtype, 3, n, classes, d);
    case_range(c, c->inputs, 0, (double)classes - 1);
    IN(rng_in(g, 0, 1) ? RO_I32 : RO_I64, 2, n, d);
    case_range(c, c->inputs, 0.5, 4.5);
    if (rng_in(g, 0, 1)) IN(dtype, 1, classes);
    t->reduction = (uint32_t)rng_in(g, 0, 2);
    t->ignore_index = rng_in(g, -1, 3);
    t->has_ignore = (uint32_t)rng_in(g, 0, 1);
}
CASE(SoftmaxCrossEntropyLoss)
{
    case_loss(c, g, t);
    c->outputs = (uint32_t)rng_in(g, 1, 2);
}
CASE(SoftmaxCrossEntropyLossGrad)
{
    node_case f = *c;
    case_loss(&f, g, t);
    ro_type dloss = case_forward(RO_OP_SoftmaxCrossEntropyLoss, t, f.in, f.inputs);
    case_like(c, &dloss);
    for (uint32_t k = 0; k < f.inputs; k++) {
        case_range(c, c->inputs, f.lo[k], f.hi[k]);
        case_like(c, &f.in[k]);
    }
}
CASE(SGD)
{
    const ro_type *p = case_tensor(c, g, RO_F32, 0);
    case_like(c, p);
    case_in(c, RO_F32, 0, NULL);
    int slot = rng_in(g, 0, 1) != 0;
    if (slot) case_like(c, p);
    t->momentum = slot ? 0.9 : 0;
    t->dampening = rng_in(g, 0, 1) ? 0.5 : 0;
    t->weight_decay = rng_in(g, 0, 1) ? 0.01 : 0;
    t->nesterov = slot && rng_in(g, 0, 1) ? 1 : 0;
    c->outputs = slot ? 2 : 1;
}
CASE(AdamW)
{
    const ro_type *p = case_tensor(c, g, RO_F32, 0);
    case_like(c, p);
    case_in(c, RO_F32, 0, NULL);
    case_in(c, RO_F64, 0, NULL);
    case_in(c, RO_F64, 0, NULL);
    case_like(c, p);
    case_like(c, p);
    t->beta1 = 0.9;
    t->beta2 = 0.999;
    t->epsilon = 1e-8;
    t->weight_decay = 0.01;
    t->decoupled = (uint32_t)rng_in(g, 0, 1);
    c->outputs = 3;
}

/* ---- the table ------------------------------------------------------------------------------ */

static void (*const case_of[RO_OP_COUNT])(node_case *c, rng *g) = {
#define RO_OP(name, ...) case_##name##_any,
#include "../repops/ops.def"
#undef RO_OP
};

/* Whether the node is admitted, with its output types; the sentence why not is in err. */
static inline ro_status case_admit(node_case *c, ro_err *err)
{
    ro_graph *graph;
    ro_value in[CASE_INPUTS], first;
    ro_arena *arena = ro_arena_new();
    ro_status s = ro_graph_new(arena, &graph, err);
    for (uint32_t k = 0; !s && k < c->inputs; k++) {
        in[k] = RO_NO_VALUE;
        if (c->in[k].dtype) s = ro_graph_constant(graph, k, &c->in[k], &in[k], err);
    }
    if (!s) s = ro_graph_node(graph, c->op, c->attrs.bytes, in, c->inputs, c->outputs, &first, err);
    for (uint32_t k = 0; !s && k < c->outputs; k++) c->out[k] = *ro_graph_type(graph, first + k);
    ro_arena_free(arena);
    return s;
}

/* A random node of op; c->force, c->big and c->empty are the caller's. Aborts if not admitted. */
static inline void case_make(node_case *c, ro_op op, rng *g)
{
    ro_dtype force = c->force;
    int big = c->big, empty = c->empty;
    int64_t most = c->most;
    ro_err err = {0};
    memset(c, 0, sizeof *c);
    c->op = op;
    c->force = force;
    c->big = big;
    c->empty = empty;
    c->most = most;
    c->outputs = 1;
    for (uint32_t k = 0; k < CASE_INPUTS; k++) case_range(c, k, -2, 2);
    case_of[op](c, g);
    if (case_admit(c, &err)) {
        fprintf(stderr, "a case of %s is not admitted: %s\n", ro_ops[op].name, err.msg);
        abort();
    }
}

/* ---- dtypes that are taken, and those that cases have --------------------------------------- */

/* Of each input, and last of the output, which dtypes cases had and which are admitted. */
typedef struct {
    uint8_t seen[CASE_INPUTS + 1][RO_DTYPE_LIMIT], taken[CASE_INPUTS + 1][RO_DTYPE_LIMIT];
} case_dtypes;

static inline int case_is_dtype(int code)
{
    ro_err err = {0};
    ro_type t = ro_type_of((ro_dtype)code, 0, NULL);
    return ro_type_check(&t, &err) == RO_OK;
}

static inline void case_note(uint8_t (*to)[RO_DTYPE_LIMIT], const node_case *c)
{
    for (uint32_t k = 0; k < c->inputs; k++) to[k][c->in[k].dtype] = 1;
    to[CASE_INPUTS][c->out[0].dtype] = 1;
}

/* What else would be admitted in the case's place: another dtype for an input, for it and for all
 * that have the same one, or for all inputs and the attribute that says the output's. */
static inline void case_try_dtypes(case_dtypes *d, const node_case *c)
{
    for (uint32_t k = 0; k <= c->inputs; k++)
        for (int t = RO_NONE + 1; t < RO_DTYPE_LIMIT; t++)
            for (int alone = 0; alone < 2; alone++) {
                node_case other = *c;
                ro_err err = {0};
                uint32_t count;
                const ro_field *f = ro_ops[c->op].fields(&count);
                if (!case_is_dtype(t)) continue;
                for (uint32_t i = 0; k < c->inputs && i < c->inputs; i++)
                    if (i == k || (!alone && c->in[i].dtype == c->in[k].dtype))
                        other.in[i].dtype = (ro_dtype)t;
                for (uint32_t i = 0; k == c->inputs && i < count; i++)
                    if (!strcmp(f[i].name, "to") || !strcmp(f[i].name, "dtype"))
                        memcpy(other.attrs.bytes + f[i].offset, &(uint32_t){(uint32_t)t}, 4);
                if (case_admit(&other, &err) == RO_OK) case_note(d->taken, &other);
            }
}

/* The first input, or CASE_INPUTS for the output, that takes a dtype of which there was no case;
 * -1: none. */
static inline int case_lacks(const case_dtypes *d, ro_dtype *which)
{
    for (int k = 0; k <= CASE_INPUTS; k++)
        for (int t = RO_NONE + 1; t < RO_DTYPE_LIMIT; t++)
            if (d->taken[k][t] && !d->seen[k][t]) {
                *which = (ro_dtype)t;
                return k;
            }
    return -1;
}
#endif
