/* onnx_small.c - dtypes of ONNX that RepOps has not: floats of 8 and 4 bits, integers of 4 and 2.
 *
 * What this file decides: such a value is a tensor of uint8, or of int8 for int4 and int2, with an
 * element in each byte: its bits, of an integer the number. Between these and other dtypes go nodes
 * on integers and tables, which are exact; so no bit comes from anywhere but RepOps.
 *
 * Invariants
 *   1. Which dtype a value stands for is kept beside it (vd_lower_mark). Cast, CastLike,
 *      QuantizeLinear and DequantizeLinear look at it; every other operator refuses such a value.
 *   2. A float is rounded once, to nearest even, from its float32. */
#include <string.h>

#include "onnx_lower.h"

enum { E4M3FN = 17, E4M3FNUZ, E5M2, E5M2FNUZ, UINT4, INT4, E2M1, E8M0, UINT2, INT2 };

/* A float dtype: bits of the fraction, of all but the sign, the exponent's bias; the codes of the
 * greatest number, of an infinity (0: none) and of NaN, which in float4e2m1 becomes -0. uz: a zero
 * alone, -0 being NaN. */
typedef struct { uint32_t fraction, magnitude, bias, most, infinity, nan; int uz; } format;
static const format formats[] = {
    [E4M3FN] = {3, 7, 7, 0x7e, 0, 0x7f, 0},   [E4M3FNUZ] = {3, 7, 8, 0x7f, 0, 0x80, 1},
    [E5M2] = {2, 7, 15, 0x7b, 0x7c, 0x7e, 0}, [E5M2FNUZ] = {2, 7, 16, 0x7f, 0, 0x80, 1},
    [E2M1] = {1, 3, 1, 7, 0, 8, 0},           [E8M0] = {0, 8, 127, 0xfe, 0, 0xff, 0},
};

int vd_small_is_integer(uint32_t d)
{
    return d == UINT4 || d == INT4 || d == UINT2 || d == INT2;
}

uint32_t vd_small_bits(uint32_t dtype)
{
    if (dtype < E4M3FN || dtype > INT2) return 0;
    if (dtype == UINT2 || dtype == INT2) return 2;
    return dtype == UINT4 || dtype == INT4 || dtype == E2M1 ? 4 : 8;
}

ro_dtype vd_small_held(uint32_t dtype)
{
    if (!vd_small_bits(dtype)) return RO_NONE;
    return dtype == INT4 || dtype == INT2 ? RO_I8 : RO_U8;
}

void vd_small_unpack(uint32_t dtype, const uint8_t *from, uint64_t elements, uint8_t *to)
{
    uint32_t bits = vd_small_bits(dtype), top = 1u << (bits - 1), mask = 2 * top - 1;
    int is_signed = vd_small_held(dtype) == RO_I8;
    for (uint64_t i = 0; i < elements; i++) {
        uint32_t v = (uint32_t)from[i * bits / 8] >> i * bits % 8 & mask;
        to[i] = (uint8_t)(is_signed ? (v ^ top) - top : v);
    }
}

/* ---- which dtype a value stands for ------------------------------------------------------- */

uint32_t vd_lower_small(const vd_lower *l, ro_value v)
{
    return v < l->small_room ? l->small[v] : 0;
}

ro_status vd_lower_mark(vd_lower *l, ro_value v, uint32_t dtype)
{
    if (v >= l->small_room) {
        uint32_t room = 2 * v + 64;
        uint8_t *p = ro_arena_alloc(l->arena, room);
        if (!p) return RO_FAIL(l->err, RO_ENOMEM, "no memory to lower the model");
        if (l->small_room) memcpy(p, l->small, l->small_room);
        l->small = p;
        l->small_room = room;
    }
    l->small[v] = (uint8_t)dtype;
    return RO_OK;
}

/* ---- to other dtypes ---------------------------------------------------------------------- */

/* The number of a code, as float32 bits. */
static uint32_t number_of(uint32_t dtype, uint32_t code)
{
    const format *f = &formats[dtype];
    uint32_t sign = dtype == E8M0 ? 0 : code >> f->magnitude & 1;
    uint32_t a = code & ((1u << f->magnitude) - 1), unit = 1u << f->fraction;
    if (dtype == E8M0 ? code == f->nan : f->uz ? code == f->nan : f->nan && a > f->most)
        return f->infinity == a && f->infinity ? 0x7f800000 | sign << 31 : 0x7fc00000;
    if (a < unit && dtype != E8M0) { /* subnormal: in units of 2^(1 - bias - fraction) */
        double x = (double)a / (double)(UINT64_C(1) << (f->bias - 1 + f->fraction));
        return (uint32_t)ro_bits_of_number(RO_F32, sign ? -x : x);
    }
    if (dtype == E8M0 && !code) return 0x00400000; /* 2^-127 */
    return sign << 31 | ((a << (23 - f->fraction)) + ((127 - f->bias) << 23));
}

ro_status vd_small_widen(vd_use *u, ro_value x, ro_dtype to, ro_value *out)
{
    vd_maker m = {u->l, RO_OK};
    uint32_t dtype = vd_lower_small(u->l, x);
    const int64_t dims[1] = {1 << vd_small_bits(dtype)};
    ro_type t = ro_type_of(RO_F32, 1, dims);
    ro_value table;
    if (!vd_small_is_integer(dtype)) {
        uint32_t *v = ro_arena_alloc(u->l->arena, ro_type_bytes(&t));
        if (!v) return RO_FAIL(u->l->err, RO_ENOMEM, "no memory to lower the model");
        for (uint32_t k = 0; k < (uint32_t)dims[0]; k++) v[k] = number_of(dtype, k);
        RO_TRY(vd_lower_constant(u->l, NULL, &t, v, &table));
        x = vd_make_gather(&m, table, vd_make_cast(&m, x, RO_I32), 0);
    }
    *out = vd_make_cast(&m, x, to);
    return m.status;
}

/* ---- from other dtypes -------------------------------------------------------------------- */

static ro_value whole(vd_maker *m, uint32_t v) { return vd_make_real(m, RO_U32, (double)v); }

/* An operator on x and a number; the number where c holds, else x. */
static ro_value with(vd_maker *m, const char *name, ro_value x, uint32_t v)
{
    return vd_make_2(m, name, x, whole(m, v));
}
static ro_value unless(vd_maker *m, ro_value c, uint32_t v, ro_value x)
{
    return vd_make_where(m, c, whole(m, v), x);
}

static ro_value shifted(vd_maker *m, ro_value x, uint32_t by, int right)
{
    vd_attrs a = vd_attrs_of("BitShift");
    const ro_value in[2] = {x, whole(m, by)};
    vd_attrs_int(m->l, &a, "direction", right);
    return vd_make_node(m, &a, in, 2);
}

static ro_value bits_of(vd_maker *m, ro_value x)
{
    vd_attrs a = vd_attrs_of("BitCast");
    vd_attrs_int(m->l, &a, "to", RO_U32);
    return vd_make_node(m, &a, &x, 1);
}

/* The code of |x|, a its bits, before what is too large becomes something else. */
static ro_value rounded(vd_maker *m, const format *f, ro_value x, ro_value a)
{
    uint32_t s = 23 - f->fraction, half = (1u << (s - 1)) - 1 - ((127 - f->bias) << 23);
    ro_value odd = with(m, "BitwiseAnd", shifted(m, a, s, 1), 1);
    ro_value normal = vd_make_2(m, "Add", odd, with(m, "Add", a, half));
    normal = shifted(m, normal, s, 1);
    ro_value unit = vd_make_real(m, RO_F32, (double)(UINT64_C(1) << (f->bias - 1 + f->fraction)));
    ro_value below = vd_make_2(m, "Mul", unit, vd_make_1(m, "Abs", x));
    below = vd_make_cast(m, vd_make_1(m, "Round", below), RO_U32);
    ro_value is_below = with(m, "Less", a, (128 - f->bias) << 23);
    return vd_make_where(m, is_below, below, normal);
}

static ro_value float_code(vd_maker *m, const format *f, ro_value x, int saturate)
{
    ro_value u = bits_of(m, x), a = with(m, "BitwiseAnd", u, 0x7fffffff);
    ro_value code = rounded(m, f, x, a), sign = shifted(m, u, 31, 1);
    int sticks = saturate || f->magnitude == 3; /* float4e2m1 has nothing beyond */
    uint32_t beyond = sticks ? f->most : f->infinity ? f->infinity : f->nan;
    code = unless(m, with(m, "Greater", code, f->most), beyond, code);
    code = unless(m, with(m, "Greater", a, 0x7f800000), f->nan, code);
    if (f->uz) { /* neither the zero nor NaN has a sign */
        sign = unless(m, with(m, "Equal", code, 0), 0, sign);
        sign = unless(m, with(m, "Equal", code, f->nan), 0, sign);
    }
    code = vd_make_2(m, "BitwiseOr", code, shifted(m, sign, f->magnitude, 0));
    return vd_make_cast(m, code, RO_U8);
}

/* A power of two: the exponent, one more by the rounding of the fraction, which is up, nearest or
 * down. As ONNX's reference has it, without a look at the sign. */
static ro_status power_code(vd_use *u, vd_maker *m, ro_value x, int saturate, ro_value *out)
{
    enum { UP, DOWN, NEAREST, HALF = 0x400000 };
    static const char *const modes[] = {"up", "down", "nearest", NULL};
    uint32_t mode;
    RO_TRY(vd_use_choice(u, "round_mode", modes, &mode));
    ro_value bits = bits_of(m, x), rest = with(m, "BitwiseAnd", bits, 0x7fffff);
    ro_value e = with(m, "BitwiseAnd", shifted(m, bits, 23, 1), 0xff);
    ro_value up = with(m, "Greater", rest, mode == NEAREST ? HALF : 0);
    if (mode == NEAREST) {
        ro_value tie = with(m, "Equal", rest, HALF);
        tie = vd_make_2(m, "And", tie, with(m, "Greater", e, 0));
        up = vd_make_2(m, "Or", up, tie);
    }
    /* The greatest exponent that still goes up; NaN's and an infinity's do not. */
    up = vd_make_2(m, "And", up, with(m, "LessOrEqual", e, saturate ? 0xfd : 0xfe));
    if (mode != DOWN) e = vd_make_2(m, "Add", e, vd_make_cast(m, up, RO_U32));
    *out = vd_make_cast(m, e, RO_U8);
    return m->status;
}

/* Truncated, then mod 2^w. */
static ro_value integer_code(vd_maker *m, uint32_t dtype, ro_value x)
{
    const double top = (double)(1 << (vd_small_bits(dtype) - 1)), mask = 2 * top - 1;
    ro_value v = vd_make_cast(m, x, RO_I32), low = vd_make_real(m, RO_I32, top);
    v = vd_make_2(m, "BitwiseAnd", v, vd_make_real(m, RO_I32, mask));
    if (vd_small_held(dtype) == RO_I8)
        v = vd_make_2(m, "Sub", vd_make_2(m, "BitwiseXor", v, low), low);
    return vd_make_cast(m, v, vd_small_held(dtype));
}

ro_status vd_small_narrow(vd_use *u, ro_value x, uint32_t to, int saturate, ro_value *out)
{
    vd_maker m = {u->l, RO_OK};
    uint32_t from = vd_lower_small(u->l, x);
    ro_dtype d = ro_graph_type(u->l->graph, x)->dtype;
    if (from && !vd_small_is_integer(from)) {
        RO_TRY(vd_small_widen(u, x, RO_F32, &x));
    } else if (!vd_small_is_integer(to) && ro_dtypes[d].size > 2 && d != RO_F32) {
        return vd_use_fail(u, RO_EOP, "casts %s to %s", ro_dtypes[d].name, vd_onnx_dtype_name(to));
    }
    if (vd_small_is_integer(to)) {
        *out = integer_code(&m, to, x);
    } else {
        x = vd_make_cast(&m, x, RO_F32);
        if (to == E8M0) RO_TRY(power_code(u, &m, x, saturate, out));
        else *out = float_code(&m, &formats[to], x, saturate);
    }
    if (m.status) return m.status;
    return vd_lower_mark(u->l, *out, to);
}

/* ---- quantized numbers -------------------------------------------------------------------- */

/* That a zero point of floats is 0, as ONNX wants; that of float4e2m1 it adds, which ends a -0. */
static ro_status no_zero(vd_use *u, ro_value zero)
{
    const void *data;
    RO_TRY(vd_lower_known(u->l, zero, &data));
    const ro_type *t = ro_graph_type(u->l->graph, zero);
    for (uint64_t k = 0; k < ro_type_elements(t); k++)
        if (((const uint8_t *)data)[k])
            return vd_use_fail(u, RO_EOP, "has a zero point of floats that is not 0");
    return RO_OK;
}

ro_status vd_small_quantize(vd_use *u, ro_value x, ro_value scale, ro_value zero, uint32_t to,
                            int saturate, ro_value *out)
{
    vd_maker m = {u->l, RO_OK};
    if (!vd_small_is_integer(to)) {
        RO_TRY(no_zero(u, zero));
        x = vd_make_2(&m, "Div", x, scale);
        ro_dtype d = vd_make_type(&m, x).dtype;
        if (to == E2M1) x = vd_make_2(&m, "Add", x, vd_make_real(&m, d, 0));
        return m.status ? m.status : vd_small_narrow(u, x, to, saturate, out);
    }
    const uint32_t bits = vd_small_bits(to);
    int is_signed = vd_small_held(to) == RO_I8;
    double low = is_signed ? -(double)(1 << (bits - 1)) : 0, high = low + (double)(1 << bits) - 1;
    const ro_value in[3] = {x, scale, vd_make_cast(&m, zero, RO_I16)};
    ro_value clip[3];
    clip[0] = vd_make_plain(&m, "QuantizeLinear", in, 3);
    clip[1] = vd_make_real(&m, RO_I16, low);
    clip[2] = vd_make_real(&m, RO_I16, high);
    *out = vd_make_cast(&m, vd_make_plain(&m, "Clip", clip, 3), vd_small_held(to));
    return m.status ? m.status : vd_lower_mark(u->l, *out, to);
}

ro_status vd_small_dequantize(vd_use *u, ro_value x, ro_value scale, ro_value zero, ro_value *out)
{
    vd_maker m = {u->l, RO_OK};
    ro_dtype d = ro_graph_type(u->l->graph, scale)->dtype;
    if (zero != RO_NO_VALUE) RO_TRY(no_zero(u, zero));
    RO_TRY(vd_small_widen(u, x, d, &x));
    *out = vd_make_2(&m, "Mul", x, scale);
    return m.status;
}
