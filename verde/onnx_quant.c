/* onnx_quant.c - how ONNX's quantized operators become nodes.
 *
 * What this file decides: which numbers meet. Products and sums of quantized numbers are taken in
 * int32, mod 2^32 and so in any order; scales are float32 there, whatever dtype they come in.
 *
 * Invariants
 *   1. Every rounding is that of a node: of QuantizeLinear, DequantizeLinear, Div, Mul, Cast.
 *   2. A scale or zero point is one number, a number for each place of one axis, or for each block
 *      of such places. Any other is refused. */
#include <string.h>

#include "onnx_lower.h"

/* ---- scales and zero points --------------------------------------------------------------- */

/* p, of one number, as a scalar; of n, along an axis of a tensor of so many axes. */
static ro_status spread(vd_use *u, ro_value p, uint32_t rank, uint32_t axis, int64_t n,
                        ro_value *out)
{
    const ro_type t = *ro_graph_type(u->l->graph, p);
    int64_t dims[RO_RANK_MAX] = {1, 1, 1, 1, 1, 1, 1, 1};
    uint64_t count = ro_type_elements(&t);
    *out = p;
    if (count == 1) return vd_lower_reshape(u->l, p, 0, NULL, out);
    if (t.rank != 1 || axis >= rank || (int64_t)count != n)
        return vd_use_fail(u, RO_ESHAPE, "has %llu scales or zero points for an axis of %lld",
                           (unsigned long long)count, (long long)n);
    dims[axis] = n;
    return vd_lower_reshape(u->l, p, rank, dims, out);
}

/* p of (.., blocks, ..) for x of (.., D, ..): each is repeated for its block. */
static ro_status unblock(vd_use *u, ro_value p, const ro_type *x, uint32_t axis, int64_t block,
                         ro_value *out)
{
    const ro_type t = *ro_graph_type(u->l->graph, p);
    int64_t *at, d = x->dims[axis], n = d / block + (d % block != 0);
    int fits = t.rank == x->rank && t.dims[axis] == n;
    for (uint32_t a = 0; fits && a < t.rank; a++) fits = a == axis || t.dims[a] == x->dims[a];
    if (!fits)
        return vd_use_fail(u, RO_ESHAPE, "has scales or zero points that its blocks of %lld do not "
                           "give", (long long)block);
    RO_TRY(vd_use_list(u, (uint64_t)d, &at));
    for (int64_t k = 0; k < d; k++) at[k] = k / block;
    return vd_lower_take(u->l, p, axis, at, (uint64_t)d, out);
}

/* A scale or zero point of QuantizeLinear or DequantizeLinear, to meet x. */
static ro_status parameter(vd_use *u, ro_value p, ro_value *out)
{
    const ro_type x = *vd_use_type(u, 0);
    int64_t block = vd_use_int(u, "block_size", 0), named = vd_use_int(u, "axis", 1);
    uint32_t axis = RO_RANK_MAX;
    int single = ro_type_elements(ro_graph_type(u->l->graph, p)) == 1 && block == 0;
    if (!single) RO_TRY(vd_use_axis(u, named, x.rank, &axis));
    if (block < 0) return vd_use_fail(u, RO_EATTR, "has blocks of %lld", (long long)block);
    if (block) return unblock(u, p, &x, axis, block, out);
    return spread(u, p, x.rank, axis, single ? 1 : x.dims[axis], out);
}

/* ---- QuantizeLinear, DequantizeLinear ----------------------------------------------------- */

static ro_status quantized(vd_maker *m, ro_value x, ro_value scale, ro_value zero, ro_value *out)
{
    *out = vd_make_plain(m, "QuantizeLinear", (const ro_value[]){x, scale, zero}, 3);
    return m->status;
}

/* A dtype that an attribute names; `otherwise` where it is 0 or absent. */
static ro_status named_dtype(const vd_use *u, const char *name, ro_dtype otherwise, ro_dtype *out)
{
    int64_t d = vd_use_int(u, name, 0);
    *out = d ? (ro_dtype)d : otherwise;
    if (d >= 0 && d < RO_DTYPE_LIMIT && ro_dtypes[*out].name) return RO_OK;
    return vd_use_fail(u, RO_EOP, "has the %s %lld, which is not computed with", name,
                       (long long)d);
}

/* Divided in the dtype of the precision, which is the scale's unless it is told; a quotient of 16
 * bits is rounded to them before it is rounded to a whole number. */
static ro_status quantize(vd_use *u)
{
    vd_maker m = {u->l, RO_OK};
    ro_dtype to, precision;
    ro_value scale, zero, x = u->in[0];
    RO_TRY(vd_use_wants(u, 2, 3));
    RO_TRY(named_dtype(u, "precision", vd_use_type(u, 1)->dtype, &precision));
    int64_t told = vd_use_int(u, "output_dtype", 0);
    uint32_t small = told > 0 && told < VD_ONNX_DTYPE_LIMIT && vd_small_bits((uint32_t)told)
                         ? (uint32_t)told : 0;
    to = small ? vd_small_held(small) : RO_U8;
    if (!small) RO_TRY(named_dtype(u, "output_dtype", RO_U8, &to));
    if (u->count > 2 && vd_lower_small(u->l, u->in[2])) small = vd_lower_small(u->l, u->in[2]);
    if (!ro_dtype_is_float(precision))
        return vd_use_fail(u, RO_ETYPE, "divides in %s", ro_dtypes[precision].name);
    RO_TRY(parameter(u, u->in[1], &scale));
    if (u->count > 2) {
        uint32_t of = small ? small : (uint32_t)vd_use_type(u, 2)->dtype;
        if (told && told != (int64_t)of)
            return vd_use_fail(u, RO_ETYPE, "has a zero point that is not of its output_dtype");
        RO_TRY(parameter(u, u->in[2], &zero));
    } else {
        zero = vd_make_real(&m, to, 0);
    }
    x = vd_make_cast(&m, x, precision);
    scale = vd_make_cast(&m, scale, precision);
    if (ro_dtypes[precision].size == 2) {
        x = vd_make_2(&m, "Div", x, scale);
        scale = vd_make_real(&m, precision, 1);
    }
    if (m.status || !small) return quantized(&m, x, scale, zero, &u->out[0]);
    return vd_small_quantize(u, x, scale, zero, small, vd_use_int(u, "saturate", 1) != 0,
                             &u->out[0]);
}

/* In the wider of the scale's dtype and the output's, then rounded to that. */
static ro_status dequantize(vd_use *u)
{
    vd_maker m = {u->l, RO_OK};
    ro_dtype to;
    ro_value in[3], y;
    uint32_t count = u->count;
    RO_TRY(vd_use_wants(u, 2, 3));
    RO_TRY(named_dtype(u, "output_dtype", vd_use_type(u, 1)->dtype, &to));
    if (!ro_dtype_is_float(to))
        return vd_use_fail(u, RO_ETYPE, "gives %s", ro_dtypes[to].name);
    in[0] = u->in[0];
    RO_TRY(parameter(u, u->in[1], &in[1]));
    if (count > 2) RO_TRY(parameter(u, u->in[2], &in[2]));
    if (ro_dtypes[to].size > ro_dtypes[vd_use_type(u, 1)->dtype].size)
        in[1] = vd_make_cast(&m, in[1], to);
    if (m.status) return m.status;
    uint32_t small = vd_lower_small(u->l, in[0]);
    if (small && !vd_small_is_integer(small))
        RO_TRY(vd_small_dequantize(u, in[0], in[1], count > 2 ? in[2] : RO_NO_VALUE, &y));
    else
        RO_TRY(vd_lower_plain(u->l, "DequantizeLinear", in, count, &y));
    u->out[0] = vd_make_cast(&m, y, to);
    return m.status;
}

/* As the body of ONNX's function says. */
static ro_status dynamic_quantize(vd_use *u)
{
    vd_maker m = {u->l, RO_OK};
    const ro_ints all = {0, {0}};
    ro_value high, low, clip[3];
    RO_TRY(vd_use_wants(u, 1, 1));
    ro_dtype d = vd_use_type(u, 0)->dtype;
    ro_value none = vd_make_real(&m, d, 0), most = vd_make_real(&m, d, 255);
    RO_TRY(vd_lower_reduce(u->l, "ReduceMax", u->in[0], &all, 0, &high));
    ro_value turned = vd_make_1(&m, "Neg", u->in[0]);
    if (m.status) return m.status;
    RO_TRY(vd_lower_reduce(u->l, "ReduceMax", turned, &all, 0, &low));
    low = vd_make_2(&m, "Min", vd_make_1(&m, "Neg", low), none);
    high = vd_make_2(&m, "Max", high, none);
    ro_value scale = vd_make_2(&m, "Div", vd_make_2(&m, "Sub", high, low), most);
    clip[0] = vd_make_2(&m, "Sub", none, vd_make_2(&m, "Div", low, scale));
    clip[1] = none;
    clip[2] = most;
    clip[0] = vd_make_plain(&m, "Clip", clip, 3);
    u->out[1] = scale;
    u->out[2] = vd_make_cast(&m, vd_make_1(&m, "Round", clip[0]), RO_U8);
    return quantized(&m, u->in[0], scale, u->out[2], &u->out[0]);
}

/* ---- products of quantized numbers -------------------------------------------------------- */

/* x less its zero point, in int32. axis: along which a list of zero points lies. */
static ro_status centred(vd_use *u, uint32_t x, uint32_t zero, uint32_t axis, ro_value *out)
{
    vd_maker m = {u->l, RO_OK};
    const ro_type t = *vd_use_type(u, x), *z = vd_use_type(u, zero);
    ro_value p;
    *out = vd_make_cast(&m, u->in[x], RO_I32);
    if (!z || m.status) return m.status;
    p = u->in[zero];
    if (z->rank <= 1) RO_TRY(spread(u, p, t.rank, axis, axis < t.rank ? t.dims[axis] : 0, &p));
    *out = vd_make_2(&m, "Sub", *out, vd_make_cast(&m, p, RO_I32));
    return m.status;
}

/* The axis of rows of a, that of columns of b: of one axis they have none. */
static uint32_t rows_of(const ro_type *t) { return t->rank > 1 ? t->rank - 2 : RO_RANK_MAX; }
static uint32_t columns_of(const ro_type *t) { return t->rank > 1 ? t->rank - 1 : RO_RANK_MAX; }

static ro_status matmul(vd_use *u, uint32_t b, uint32_t a_zero, uint32_t b_zero, ro_value *out)
{
    vd_maker m = {u->l, RO_OK};
    ro_value x, y;
    RO_TRY(centred(u, 0, a_zero, rows_of(vd_use_type(u, 0)), &x));
    RO_TRY(centred(u, b, b_zero, columns_of(vd_use_type(u, b)), &y));
    *out = vd_make_2(&m, "MatMul", x, y);
    return m.status;
}

static ro_status matmul_integer(vd_use *u)
{
    RO_TRY(vd_use_wants(u, 2, 4));
    return matmul(u, 1, 2, 3, &u->out[0]);
}

/* w's zero point is one for each output channel. */
static ro_status conv(vd_use *u, uint32_t w, uint32_t x_zero, uint32_t w_zero, ro_value bias,
                      ro_value *out)
{
    ro_value in[3] = {RO_NO_VALUE, RO_NO_VALUE, bias};
    RO_TRY(centred(u, 0, x_zero, RO_RANK_MAX, &in[0]));
    RO_TRY(centred(u, w, w_zero, 0, &in[1]));
    return vd_use_conv(u, in, bias == RO_NO_VALUE ? 2 : 3, out);
}

static ro_status conv_integer(vd_use *u)
{
    RO_TRY(vd_use_wants(u, 2, 4));
    return conv(u, 1, 2, 3, RO_NO_VALUE, &u->out[0]);
}

/* A scale in float32, along an axis of what it meets. */
static ro_status scale_of(vd_use *u, uint32_t input, uint32_t rank, uint32_t axis, int64_t n,
                          ro_value *out)
{
    vd_maker m = {u->l, RO_OK};
    *out = u->in[input];
    if (vd_use_type(u, input)->rank <= 1) RO_TRY(spread(u, *out, rank, axis, n, out));
    *out = vd_make_cast(&m, *out, RO_F32);
    return m.status;
}

/* sum, of numbers of scale a b, in the scale and with the zero point of the inputs 6 and 7. */
static ro_status requantize(vd_use *u, ro_value sum, ro_value a, ro_value b, uint32_t axis)
{
    vd_maker m = {u->l, RO_OK};
    const ro_type t = *ro_graph_type(u->l->graph, sum);
    ro_value scale, zero = u->in[7];
    int64_t n = axis < t.rank ? t.dims[axis] : 0;
    RO_TRY(scale_of(u, 6, t.rank, axis, n, &scale));
    if (vd_use_type(u, 7)->rank <= 1) RO_TRY(spread(u, zero, t.rank, axis, n, &zero));
    ro_value x = vd_make_2(&m, "Mul", a, b);
    x = vd_make_2(&m, "Mul", x, vd_make_cast(&m, sum, RO_F32));
    return quantized(&m, x, scale, zero, &u->out[0]);
}

/* Scales of a lie along its rows, of b along its columns, and the output's along its rows. */
static ro_status qlinear_matmul(vd_use *u)
{
    ro_value sum, a, b;
    RO_TRY(vd_use_wants(u, 8, 8));
    const ro_type ta = *vd_use_type(u, 0), tb = *vd_use_type(u, 3);
    uint32_t rows = rows_of(&ta), columns = columns_of(&tb);
    RO_TRY(matmul(u, 3, 2, 5, &sum));
    RO_TRY(scale_of(u, 1, ta.rank, rows, rows < ta.rank ? ta.dims[rows] : 0, &a));
    RO_TRY(scale_of(u, 4, tb.rank, columns, columns < tb.rank ? tb.dims[columns] : 0, &b));
    return requantize(u, sum, a, b, rows_of(ro_graph_type(u->l->graph, sum)));
}

static ro_status qlinear_conv(vd_use *u)
{
    ro_value sum, a, b;
    RO_TRY(vd_use_wants(u, 8, 9));
    RO_TRY(conv(u, 3, 2, 5, u->count > 8 ? u->in[8] : RO_NO_VALUE, &sum));
    const ro_type t = *ro_graph_type(u->l->graph, sum);
    RO_TRY(scale_of(u, 1, t.rank, RO_RANK_MAX, 0, &a));
    RO_TRY(scale_of(u, 4, t.rank, 1, t.dims[1], &b));
    return requantize(u, sum, a, b, RO_RANK_MAX);
}

/* saturate is of the dtypes of 8-bit floats alone. */
const vd_lower_row vd_lower_quantized[] = {
    {"QuantizeLinear", quantize, "axis block_size output_dtype precision saturate"},
    {"DequantizeLinear", dequantize, "axis block_size output_dtype"},
    {"DynamicQuantizeLinear", dynamic_quantize, ""},
    {"MatMulInteger", matmul_integer, ""},
    {"ConvInteger", conv_integer, "auto_pad dilations group kernel_shape pads strides"},
    {"QLinearMatMul", qlinear_matmul, ""},
    {"QLinearConv", qlinear_conv, "auto_pad dilations group kernel_shape pads strides"},
    {NULL, NULL, NULL},
};
