/* onnx_signal.c - Fourier transforms of ONNX, windows and mel weights as nodes.
 *
 * What this file decides: that a transform is one product with a matrix of cosines and sines, and
 * what these are; which numbers a window and a matrix of mel weights are made of. docs/ONNX.md,
 * "Transforms" and "Windows", states it.
 *
 * Invariants
 *   1. An entry is cos or sin of 2 pi p / n, p and n whole, rounded once to the dtype: computed in
 *      whole numbers alone, 224 bits behind the point, of which all but the last 16 are sure. */
#include "onnx_lower.h"

#define DFT_LENGTH INT64_C(65536)           /* of a transform, so that 2 n has 32 bits          */
#define DFT_ENTRIES VD_LOWER_INDICES        /* of one matrix: 16 MiB of float32                 */

/* ---- cosines and sines -------------------------------------------------------------------- */

/* A number in [0, 16) in 32-bit limbs, the highest first and in front of the point. */
#define LIMBS 8
typedef struct { uint32_t limb[LIMBS]; } fixed;

static fixed fixed_times(const fixed *a, uint32_t by)
{
    fixed y;
    uint64_t carry = 0;
    for (int k = LIMBS - 1; k >= 0; k--) {
        carry += (uint64_t)a->limb[k] * by;
        y.limb[k] = (uint32_t)carry;
        carry >>= 32;
    }
    return y;
}

static fixed fixed_over(const fixed *a, uint32_t by)
{
    fixed y;
    uint64_t rest = 0;
    for (int k = 0; k < LIMBS; k++) {
        rest = rest << 32 | a->limb[k];
        y.limb[k] = (uint32_t)(rest / by);
        rest %= by;
    }
    return y;
}

static fixed fixed_mul(const fixed *a, const fixed *b)
{
    uint32_t product[2 * LIMBS] = {0};
    fixed y;
    for (int i = LIMBS - 1; i >= 0; i--) {
        uint64_t carry = 0;
        for (int j = LIMBS - 1; j >= 0; j--) {
            carry += (uint64_t)a->limb[i] * b->limb[j] + product[i + j + 1];
            product[i + j + 1] = (uint32_t)carry;
            carry >>= 32;
        }
        product[i] = (uint32_t)carry;
    }
    memcpy(y.limb, product + 1, sizeof y.limb);
    return y;
}

/* a + b, or a - b where that is not negative. */
static fixed fixed_plus(const fixed *a, const fixed *b, int minus)
{
    fixed y;
    uint64_t carry = minus ? 1 : 0;
    for (int k = LIMBS - 1; k >= 0; k--) {
        carry += (uint64_t)a->limb[k] + (minus ? ~b->limb[k] : b->limb[k]);
        y.limb[k] = (uint32_t)carry;
        carry >>= 32;
    }
    return y;
}

static int fixed_is_zero(const fixed *a)
{
    for (int k = 0; k < LIMBS; k++)
        if (a->limb[k]) return 0;
    return 1;
}

/* cos or sin of pi/2 r / n, 0 < r < n: the Taylor series, its two signs added up apart. */
static fixed quarter_wave(uint32_t r, uint32_t n, int sine)
{
    static const fixed pi = {{3, 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822,
                              0x299f31d0, 0x082efa98}};
    fixed x = fixed_times(&pi, r), term = {{1}}, sum[2] = {{{0}}, {{0}}};
    x = fixed_over(&x, 2 * n);
    const fixed square = fixed_mul(&x, &x);
    if (sine) term = x;
    for (uint32_t k = sine ? 2 : 1, turn = 0; !fixed_is_zero(&term); k += 2, turn ^= 1) {
        sum[turn] = fixed_plus(&sum[turn], &term, 0);
        term = fixed_mul(&term, &square);
        term = fixed_over(&term, k * (k + 1));
    }
    return fixed_plus(&sum[0], &sum[1], 1);
}

/* Bit k behind the point of a number below 2; bit 0 is before it. */
static uint32_t fixed_bit(const fixed *a, uint32_t k)
{
    return a->limb[(k + 31) / 32] >> (31 - (k + 31) % 32) & 1;
}

/* The nearest number of so many bits; 0 where the sure bits leave two. */
static double nearest(const fixed *a, uint32_t precision)
{
    const uint32_t sure = 32 * (LIMBS - 1) - 16;
    uint32_t first = 0, at;
    double y = 0, place = 1;
    while (!fixed_bit(a, first)) first++;
    for (uint32_t k = 0; k < first; k++) place /= 2;
    for (at = first; at < first + precision; at++, place /= 2)
        y += fixed_bit(a, at) ? place : 0;
    uint32_t half = fixed_bit(a, at++);
    while (at < sure && fixed_bit(a, at) != half) at++;
    if (at == sure) return 0;
    return half ? y + 2 * place : y;
}

/* cos or sin of 2 pi p / n rounded to float32 or float64; 0 <= p < n. *sure: out: 0 on failure */
static double of_turn(uint64_t p, uint64_t n, int sine, ro_dtype d, int *sure)
{
    uint32_t quarter = (uint32_t)(4 * p / n), r = (uint32_t)(4 * p % n);
    if (sine) quarter += 3; /* sin(a) = cos(a - pi/2) */
    int odd = quarter & 1, negative = (quarter + 1) & 2;
    double y = odd ? 0 : 1;
    if (r) {
        const fixed exact = quarter_wave(r, (uint32_t)n, odd);
        y = nearest(&exact, d == RO_F32 ? 24 : 53);
        *sure &= y != 0;
    }
    return negative && y != 0 ? -y : y;
}

/* ---- the transform ------------------------------------------------------------------------ */

typedef struct {
    int64_t in, length, out; /* numbers along the axis that are read, n, and that are given */
    int64_t parts, given;    /* 1 real, 2 complex                                           */
    int inverse, onesided;
} transform;

/* A matrix from element i on, of the row of number j: what that part of it is multiplied by in part
 * `to` of every result k. */
static void entries(const transform *f, double *const wave[2], int64_t part, int64_t j, int64_t to,
                    ro_dtype d, void *matrix, uint64_t i)
{
    const int minus = part != to && (part == 0) != f->inverse;
    const int twice = f->inverse && f->onesided && j && 2 * j != f->length;
    int64_t p = 0; /* j k mod n */
    for (int64_t k = 0; k < f->out; k++) {
        const double w = wave[part != to][p] * (twice ? 2 : 1), x = minus && w != 0 ? -w : w;
        if (d == RO_F32) ((float *)matrix)[i++] = (float)x; /* which it is already */
        else ((double *)matrix)[i++] = x;
        p += j;
        if (p >= f->length) p -= f->length;
    }
}

/* Room for a constant's elements, of the same budget as lists. */
static ro_status bytes_of(vd_use *u, const ro_type *t, int64_t **out)
{
    return vd_use_list(u, (ro_type_bytes(t) + sizeof **out - 1) / sizeof **out, out);
}

/* A constant of numbers that the dtype has. */
static ro_status numbers(vd_use *u, ro_dtype d, uint32_t rank, const int64_t *dims, const double *x,
                         ro_value *out)
{
    const ro_type t = ro_type_of(d, rank, dims);
    int64_t *data;
    RO_TRY(bytes_of(u, &t, &data));
    for (uint64_t k = 0; k < ro_type_elements(&t); k++)
        ro_set_element(d, data, k, ro_bits_of_number(d, x[k]));
    return vd_lower_constant(u->l, NULL, &t, data, out);
}

/* Operations that a cosine or a sine in 224 bits counts for. */
#define WAVE_WORK 240u

/* Of the same budget as lists. */
static ro_status reals(vd_use *u, uint64_t n, double **out)
{
    int64_t *room;
    RO_TRY(vd_use_list(u, n, &room));
    *out = (double *)(void *)room;
    return RO_OK;
}

/* cos of 2 pi p / n for p below count, at most n + 1, and `both`: sin. Past a half turn, and of an
 * even n past a quarter, they are the ones before, or those negated, and where 4 divides n a sine
 * is a cosine: exactly so, and rounding to the nearest keeps it. */
static ro_status waves(vd_use *u, int64_t count, int64_t n, ro_dtype d, double *wave[2], int both)
{
    int sure = 1;
    for (int sine = 0; sine <= both; sine++) {
        RO_TRY(reals(u, (uint64_t)count, &wave[sine]));
        for (int64_t p = 0; p < count; p++) {
            const int mirrored = 2 * p > n, folded = !mirrored && n % 2 == 0 && 4 * p > n;
            const double x = wave[sine][mirrored ? n - p : folded ? n / 2 - p : 0];
            if (mirrored || folded) {
                wave[sine][p] = mirrored == sine && x != 0 ? -x : x;
                continue;
            }
            if (sine && n % 4 == 0 && n / 4 - p < count) { /* sin(a) = cos(pi / 2 - a) */
                wave[1][p] = wave[0][n / 4 - p];
                continue;
            }
            RO_TRY(vd_use_charge(u, 1, WAVE_WORK));
            wave[sine][p] = of_turn((uint64_t)p, (uint64_t)n, sine, d, &sure);
        }
    }
    return sure ? RO_OK : vd_use_fail(u, RO_EOP, "has a cosine that 208 bits do not round");
}

/* x (rows, parts, in) -> (rows, given, out): one product. */
static ro_value product(vd_use *u, vd_maker *k, const transform *f, ro_value x)
{
    const ro_type t = vd_make_type(k, x);
    const uint64_t rows = (uint64_t)(f->in * f->parts), columns = (uint64_t)(f->out * f->given);
    const int64_t dims[2] = {(int64_t)rows, (int64_t)columns}, flat[2] = {t.dims[0], dims[0]};
    const int64_t result[3] = {t.dims[0], f->given, f->out};
    const ro_type matrix = ro_type_of(t.dtype, 2, dims);
    double *wave[2] = {NULL, NULL};
    int64_t *all = NULL;
    ro_value m = RO_NO_VALUE;
    if (!k->status && rows * columns > DFT_ENTRIES)
        k->status = vd_use_fail(u, RO_ELIMIT, "is a matrix of %llu numbers; %llu are allowed",
                                (unsigned long long)(rows * columns),
                                (unsigned long long)DFT_ENTRIES);
    if (!k->status) k->status = waves(u, f->length, f->length, t.dtype, wave, 1);
    if (!k->status) k->status = bytes_of(u, &matrix, &all);
    for (int64_t r = 0; !k->status && r < dims[0]; r++)
        for (int64_t to = 0; to < f->given; to++)
            entries(f, wave, r / f->in, r % f->in, to, t.dtype, all,
                    (uint64_t)(r * dims[1] + to * f->out));
    if (!k->status) k->status = vd_lower_constant(u->l, NULL, &matrix, all, &m);
    x = vd_make_2(k, "MatMul", vd_make_reshape(k, x, 2, flat), m);
    return vd_make_reshape(k, x, 3, result);
}

/* x (rows, 2, m) times c + i s, number by number. */
static ro_value turned(vd_maker *k, ro_value x, ro_value c, ro_value s)
{
    ro_value re = vd_make_slice(k, x, 1, 0, 1, 1), im = vd_make_slice(k, x, 1, 1, 2, 1);
    ro_value a = vd_make_2(k, "Mul", re, c), b = vd_make_2(k, "Mul", re, s);
    a = vd_make_2(k, "Sub", a, vd_make_2(k, "Mul", im, s));
    b = vd_make_2(k, "Add", b, vd_make_2(k, "Mul", im, c));
    return vd_make_join(k, a, b, 1);
}

/* Of an even length n: the results of even number are the transform of x_j + x_{j + n/2}, those of
 * odd number that of (x_j - x_{j + n/2}) (c + i s), c and s at j / n. Half the work. */
static ro_value halves(vd_use *u, vd_maker *k, const transform *f, ro_value x)
{
    const ro_type t = vd_make_type(k, x);
    const int64_t m = f->length / 2, result[3] = {t.dims[0], 2, f->length};
    transform half = *f;
    double *wave[2] = {NULL, NULL};
    ro_value c = RO_NO_VALUE, s = RO_NO_VALUE;
    half.length = half.in = half.out = m;
    if (!k->status) k->status = waves(u, m, f->length, t.dtype, wave, 1);
    for (int64_t j = 1; !k->status && j < m && !f->inverse; j++) wave[1][j] = -wave[1][j];
    if (!k->status) k->status = numbers(u, t.dtype, 1, &m, wave[0], &c);
    if (!k->status) k->status = numbers(u, t.dtype, 1, &m, wave[1], &s);
    ro_value low = vd_make_slice(k, x, 2, 0, m, 1), high = vd_make_slice(k, x, 2, m, 2 * m, 1);
    ro_value even = vd_make_2(k, "Add", low, high), odd = vd_make_2(k, "Sub", low, high);
    even = vd_make_axis(k, product(u, k, &half, even), 3);
    odd = vd_make_axis(k, product(u, k, &half, turned(k, odd, c, s)), 3);
    return vd_make_reshape(k, vd_make_join(k, even, odd, 3), 3, result);
}

/* Complex numbers, all of them wanted. That models before version 19 are left whole has one reason:
 * two suites of ONNX have one inverse transform in versions 17 and 19, and expect the noise of two
 * libraries where 0 is right: docs/ONNX.md, "Transforms". */
static int in_halves(const vd_lower *l, const transform *f)
{
    return l->opset >= 19 && f->parts == 2 && f->given == 2 && f->length % 2 == 0 &&
           f->in == f->length && f->out == f->length;
}

/* x (.., length at the axis, .., parts) */
static ro_status fourier(vd_use *u, ro_value x, uint32_t axis, transform *f, ro_value *out)
{
    vd_maker m = {u->l, RO_OK};
    const ro_dtype given = ro_graph_type(u->l->graph, x)->dtype;
    x = vd_make_cast(&m, x, given == RO_F64 ? RO_F64 : RO_F32); /* of 16 bits: rounded at the end */
    const ro_type t = vd_make_type(&m, x);
    RO_TRY(m.status);
    const int64_t most = f->inverse && f->onesided ? f->length / 2 + 1 : f->length;
    int64_t perm[RO_RANK_MAX], inverse[RO_RANK_MAX], dims[RO_RANK_MAX], flat[3] = {1, 0, 0};
    uint32_t n = 0;
    f->parts = t.dims[t.rank - 1];
    f->in = t.dims[axis] < most ? t.dims[axis] : most;
    f->out = f->onesided && !f->inverse ? f->length / 2 + 1 : f->length;
    f->given = f->inverse && f->onesided ? 1 : 2;
    if (f->in < t.dims[axis]) x = vd_make_slice(&m, x, axis, 0, f->in, 1);
    for (uint32_t k = 0; k + 1 < t.rank; k++) {
        if (k == axis) continue;
        flat[0] *= t.dims[k];
        dims[n] = t.dims[k];
        perm[n++] = k;
    }
    perm[n] = t.rank - 1, perm[n + 1] = axis;
    dims[n] = f->given, dims[n + 1] = f->out;
    for (uint32_t k = 0; k < t.rank; k++) inverse[perm[k]] = k;
    flat[1] = f->parts, flat[2] = f->in;
    x = vd_make_reshape(&m, vd_make_transpose(&m, x, perm), 3, flat);
    x = in_halves(u->l, f) ? halves(u, &m, f, x) : product(u, &m, f, x);
    *out = vd_make_transpose(&m, vd_make_reshape(&m, x, t.rank, dims), inverse);
    if (f->inverse)
        *out = vd_make_2(&m, "Div", *out, vd_make_real(&m, t.dtype, (double)f->length));
    *out = vd_make_cast(&m, *out, given);
    return m.status;
}

/* x is a signal, and its axis one of time. */
static ro_status check_signal(const vd_use *u, const ro_type *x, int64_t length)
{
    if (!ro_dtype_is_float(x->dtype))
        return vd_use_fail(u, RO_ETYPE, "transforms %s; floats are taken",
                           ro_dtypes[x->dtype].name);
    if (x->rank < 2 || x->dims[x->rank - 1] < 1 || x->dims[x->rank - 1] > 2)
        return vd_use_fail(u, RO_ESHAPE, "wants a last axis of 1 or 2: real, or complex");
    if (length < 1 || length > DFT_LENGTH)
        return vd_use_fail(u, RO_ELIMIT, "has the length %lld; 1 to %lld are allowed",
                           (long long)length, (long long)DFT_LENGTH);
    return RO_OK;
}

/* The axis was an attribute before version 20. */
static ro_status dft(vd_use *u)
{
    transform f = {0, 0, 0, 0, 0, vd_use_int(u, "inverse", 0) != 0,
                   vd_use_int(u, "onesided", 0) != 0};
    int64_t at = u->l->opset < 20 ? vd_use_int(u, "axis", 1) : -2;
    uint32_t axis;
    double real;
    RO_TRY(vd_use_wants(u, 1, u->l->opset < 20 ? 2 : 3));
    ro_type t = *vd_use_type(u, 0);
    if (u->count > 2) RO_TRY(vd_use_scalar(u, 2, &real, &at));
    RO_TRY(vd_use_axis(u, at, t.rank, &axis));
    if (axis + 1 == t.rank) return vd_use_fail(u, RO_EATTR, "transforms the axis of parts");
    f.length = f.inverse && f.onesided ? 2 * (t.dims[axis] - 1) : t.dims[axis];
    if (vd_use_type(u, 1)) RO_TRY(vd_use_scalar(u, 1, &real, &f.length));
    RO_TRY(check_signal(u, &t, f.length));
    return fourier(u, u->in[0], axis, &f, &u->out[0]);
}

/* (batch, time, parts): frames of a length, a step between their first numbers. */
static ro_status stft(vd_use *u)
{
    vd_maker m = {u->l, RO_OK};
    transform f = {0, 0, 0, 0, 0, 0, vd_use_int(u, "onesided", 1) != 0};
    int64_t step, *at;
    double real;
    RO_TRY(vd_use_wants(u, 2, 4));
    ro_type t = *vd_use_type(u, 0);
    const ro_type *w = vd_use_type(u, 2);
    RO_TRY(vd_use_scalar(u, 1, &real, &step));
    f.length = w && w->rank == 1 ? w->dims[0] : t.dims[1];
    if (vd_use_type(u, 3)) RO_TRY(vd_use_scalar(u, 3, &real, &f.length));
    RO_TRY(check_signal(u, &t, f.length));
    if (t.rank != 3 || step < 1 || t.dims[1] < f.length || (w && (w->rank != 1 ||
        w->dims[0] != f.length)))
        return vd_use_fail(u, RO_ESHAPE, "wants a signal (batch, time, parts) of at least a frame "
                           "of %lld, a step over 0 and a window of the frame's length",
                           (long long)f.length);
    const int64_t dims[2] = {1 + (t.dims[1] - f.length) / step, f.length};
    const int64_t column[2] = {f.length, 1};
    RO_TRY(vd_use_list(u, (uint64_t)dims[0] * (uint64_t)dims[1], &at));
    for (int64_t k = 0; k < dims[0] * dims[1]; k++) at[k] = k / dims[1] * step + k % dims[1];
    ro_value x = vd_make_gather(&m, u->in[0], vd_make_ints(&m, RO_I64, at, 2, dims), 1);
    if (w) x = vd_make_2(&m, "Mul", x, vd_make_reshape(&m, u->in[2], 2, column));
    RO_TRY(m.status);
    return fourier(u, x, 2, &f, &u->out[0]);
}

/* ---- windows ------------------------------------------------------------------------------ */

/* The dtype that the node asks for, and the float dtype that its numbers are computed in. */
static ro_status output_dtype(const vd_use *u, ro_dtype *wanted, ro_dtype *computed)
{
    int64_t d = vd_use_int(u, "output_datatype", RO_F32);
    *wanted = *computed = RO_F32;
    if (d <= 0 || d >= RO_DTYPE_LIMIT || !ro_dtypes[d].size)
        return vd_use_fail(u, RO_EOP, "gives the dtype %lld, which is not computed with",
                           (long long)d);
    *wanted = (ro_dtype)d;
    *computed = *wanted == RO_F64 ? RO_F64 : RO_F32;
    return RO_OK;
}

/* x times a number, or another value. */
static ro_status scaled(vd_lower *l, ro_value x, double by, ro_dtype d, ro_value *out)
{
    ro_value k;
    RO_TRY(vd_lower_scalar(l, d, by, &k));
    return vd_lower_binary(l, "Mul", k, x, out);
}

/* a0 - a1 cos(2 pi k / n) + a2 cos(4 pi k / n), k < size; n is the size or, of symmetric windows,
 * one less. */
static ro_status window(vd_use *u)
{
    static const double kinds[3][3] = {
        {0.5, 0.5, 0},                     /* HannWindow     */
        {0.54347826087, 0.45652173913, 0}, /* HammingWindow  */
        {0.42, 0.5, 0.08}};                /* BlackmanWindow */
    const double *a = kinds[u->name[2] == 'n' ? 0 : u->name[2] == 'm' ? 1 : 2];
    vd_lower *l = u->l;
    ro_dtype wanted, d;
    int64_t size, n;
    double real, *wave[2], *twice;
    ro_value c, y;
    RO_TRY(vd_use_wants(u, 1, 1));
    RO_TRY(output_dtype(u, &wanted, &d));
    RO_TRY(vd_use_scalar(u, 0, &real, &size));
    n = vd_use_int(u, "periodic", 1) ? size : size - 1;
    if (n < 1 || size > DFT_LENGTH)
        return vd_use_fail(u, RO_ELIMIT, "has the size %lld; %d to %lld are allowed",
                           (long long)size, n == size ? 1 : 2, (long long)DFT_LENGTH);
    RO_TRY(waves(u, size, n, d, wave, 0));
    RO_TRY(numbers(u, d, 1, &size, wave[0], &c));
    RO_TRY(scaled(l, c, a[1], d, &c));
    RO_TRY(vd_lower_scalar(l, d, a[0], &y));
    RO_TRY(vd_lower_binary(l, "Sub", y, c, &y));
    if (a[2] != 0) {
        RO_TRY(reals(u, (uint64_t)size, &twice));
        for (int64_t k = 0; k < size; k++) twice[k] = wave[0][2 * k % n];
        RO_TRY(numbers(u, d, 1, &size, twice, &c));
        RO_TRY(scaled(l, c, a[2], d, &c));
        RO_TRY(vd_lower_binary(l, "Add", y, c, &y));
    }
    vd_maker m = {l, RO_OK};
    u->out[0] = vd_make_cast(&m, y, wanted);
    return m.status;
}

/* The edges of so many bands in numbers of a transform: floor of (length + 1) hz / rate, whose hz
 * + 700 go from low to high in equal ratios, of which there is one more than bands and edges. */
static ro_status mel_edges(vd_use *u, int64_t bands, int64_t length, int64_t rate,
                           const int64_t **out)
{
    vd_lower *l = u->l;
    const int64_t count = bands + 2;
    ro_value seven, k, edge[2], f;
    const void *data;
    double *steps;
    RO_TRY(vd_lower_scalar(l, RO_F64, 700, &seven));
    for (uint32_t e = 0; e < 2; e++) {
        RO_TRY(vd_lower_cast(l, u->in[3 + e], RO_F64, &edge[e]));
        RO_TRY(vd_lower_reshape(l, edge[e], 0, NULL, &edge[e]));
        RO_TRY(vd_lower_binary(l, "Div", edge[e], seven, &edge[e]));
        RO_TRY(vd_lower_scalar(l, RO_F64, 1, &k));
        RO_TRY(vd_lower_binary(l, "Add", k, edge[e], &edge[e]));
        RO_TRY(vd_lower_plain(l, "Log", &edge[e], 1, &edge[e]));
    }
    RO_TRY(reals(u, (uint64_t)count, &steps));
    for (int64_t i = 0; i < count; i++) steps[i] = (double)i;
    RO_TRY(numbers(u, RO_F64, 1, &count, steps, &f));
    RO_TRY(vd_lower_binary(l, "Sub", edge[1], edge[0], &edge[1]));
    RO_TRY(vd_lower_scalar(l, RO_F64, (double)count, &k));
    RO_TRY(vd_lower_binary(l, "Div", edge[1], k, &edge[1]));
    RO_TRY(vd_lower_binary(l, "Mul", f, edge[1], &f));
    RO_TRY(vd_lower_binary(l, "Add", f, edge[0], &f));
    RO_TRY(vd_lower_plain(l, "Exp", &f, 1, &f));
    RO_TRY(vd_lower_scalar(l, RO_F64, 1, &k));
    RO_TRY(vd_lower_binary(l, "Sub", f, k, &f));
    RO_TRY(scaled(l, f, 700, RO_F64, &f));
    RO_TRY(scaled(l, f, (double)(length + 1), RO_F64, &f));
    RO_TRY(vd_lower_scalar(l, RO_F64, (double)rate, &k));
    RO_TRY(vd_lower_binary(l, "Div", f, k, &f));
    RO_TRY(vd_lower_plain(l, "Floor", &f, 1, &f));
    RO_TRY(vd_lower_cast(l, f, RO_I64, &f));
    RO_TRY(vd_lower_known(l, f, &data));
    *out = data;
    return RO_OK;
}

/* Triangles between edges, as quotients of whole numbers: up to the middle, and down from it. */
static ro_status mel_triangles(vd_use *u, int64_t bands, int64_t rows, const int64_t *edge,
                               double *above, double *below)
{
    for (int64_t k = 0; k < bands * rows; k++) below[k] = 1;
    for (int64_t b = 0; b < bands; b++) {
        const int64_t low = edge[b], middle = edge[b + 1], high = edge[b + 2];
        if (low < 0 || middle < low || middle >= rows || high < middle || high > rows)
            return vd_use_fail(u, RO_ESHAPE, "has band %lld from %lld by %lld to %lld, and %lld "
                               "numbers", (long long)b, (long long)low, (long long)middle,
                               (long long)high, (long long)rows);
        if (low == middle) above[middle * bands + b] = 1;
        for (int64_t j = low; low < middle && j <= middle; j++) {
            above[j * bands + b] = (double)(j - low);
            below[j * bands + b] = (double)(middle - low);
        }
        for (int64_t j = middle; j < high; j++) {
            above[j * bands + b] = (double)(high - j);
            below[j * bands + b] = (double)(high - middle);
        }
    }
    return RO_OK;
}

static ro_status mel_weights(vd_use *u)
{
    ro_dtype wanted, d;
    int64_t whole[3], dims[2];
    const int64_t *edge;
    double real, *above, *below;
    ro_value n, y;
    RO_TRY(vd_use_wants(u, 5, 5));
    RO_TRY(output_dtype(u, &wanted, &d));
    for (uint32_t k = 0; k < 3; k++) {
        RO_TRY(vd_use_scalar(u, k, &real, &whole[k]));
        if (whole[k] < 1 || whole[k] > INT64_C(1) << 22)
            return vd_use_fail(u, RO_ELIMIT, "has %lld as input %u; 1 to %lld are allowed",
                               (long long)whole[k], k, (long long)INT64_C(1) << 22);
    }
    dims[0] = whole[1] / 2 + 1;
    dims[1] = whole[0];
    const uint64_t all = (uint64_t)dims[0] * (uint64_t)dims[1];
    if (all > VD_LOWER_INDICES || whole[0] > DFT_LENGTH)
        return vd_use_fail(u, RO_ELIMIT, "makes %llu numbers in %lld bands; %llu and %lld are "
                           "allowed", (unsigned long long)all, (long long)whole[0],
                           (unsigned long long)VD_LOWER_INDICES, (long long)DFT_LENGTH);
    RO_TRY(mel_edges(u, whole[0], whole[1], whole[2], &edge));
    RO_TRY(reals(u, all, &above));
    RO_TRY(reals(u, all, &below));
    RO_TRY(mel_triangles(u, dims[1], dims[0], edge, above, below));
    RO_TRY(numbers(u, d, 2, dims, above, &n));
    RO_TRY(numbers(u, d, 2, dims, below, &y));
    vd_maker m = {u->l, RO_OK};
    u->out[0] = vd_make_cast(&m, vd_make_2(&m, "Div", n, y), wanted);
    return m.status;
}

/* ---- the table ---------------------------------------------------------------------------- */

const vd_lower_row vd_lower_signal[] = {
    {"DFT", dft, "axis inverse onesided"},
    {"STFT", stft, "onesided"},
    {"HannWindow HammingWindow BlackmanWindow", window, "output_datatype periodic"},
    {"MelWeightMatrix", mel_weights, "output_datatype"},
    {NULL, NULL, NULL},
};
