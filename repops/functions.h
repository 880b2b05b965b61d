/* functions.h - the functions of one argument, and the random numbers.
 *
 * What this file decides: the bits of exp, log, tanh, erf, sigmoid, softplus, gelu and its
 * kin, sin and cos of whole turns, of the binary64 exp and log, of integer powers and of
 * Philox4x32-10; functions_pair.h has the others. Included at the end of arith.h, never alone.
 *
 * Invariants
 *   1. A *_f32 function returns the float nearest to the true value, for all 2^32 arguments;
 *      tests/prove.c checks every one and vectors/functions.digests pins the outputs. A NaN
 *      gives a NaN whose payload means nothing: whoever stores it makes it canonical.
 *   2. Only operations of arith.h and integer operations on bits are used, no loop and no
 *      branch depends on the argument (a compiler can vectorise every body), and no float is
 *      converted to an integer: indices come out of the bits, masked to the table's size.
 *   3. How: the value is computed as a pair of doubles with an error near 2^-62, rounded to
 *      odd as one double, and converted once. Rounding to odd makes the second rounding
 *      harmless, subnormal results included. exp and tanh are good enough in one double.
 *   4. ro_exp_f64 and ro_log_f64 are fixed sequences of binary64 operations (rule 26), within
 *      1.3 units of 2^-53 and claimed exact nowhere. */
#ifndef RO_FUNCTIONS_H
#define RO_FUNCTIONS_H
#ifndef RO_ARITH_H
#error "repops: include arith.h, which includes functions.h"
#endif
#include "functions_tables.h"

/* ---- pairs of doubles ------------------------------------------------------------------ */

/* The number h + l, |l| at most about one unit in the last place of h. */
typedef struct {
    double h, l;
} ro_dd;

RO_FN ro_dd ro_dd_make(double h, double l)
{
    ro_dd r;
    r.h = h;
    r.l = l;
    return r;
}

/* a + b exactly, where |a| >= |b| or a = 0. */
RO_FN ro_dd ro_dd_fast(double a, double b)
{
    double h = ro_add_f64(a, b);
    return ro_dd_make(h, ro_add_f64(ro_sub_f64(a, h), b));
}

/* a + b exactly. */
RO_FN ro_dd ro_dd_sum(double a, double b)
{
    double h = ro_add_f64(a, b), t = ro_sub_f64(h, a);
    return ro_dd_make(h, ro_add_f64(ro_sub_f64(a, ro_sub_f64(h, t)), ro_sub_f64(b, t)));
}

RO_FN ro_dd ro_dd_mul(ro_dd a, ro_dd b)
{
    double h = ro_mul_f64(a.h, b.h);
    double cross = ro_fma_f64(a.h, b.l, ro_mul_f64(a.l, b.h));
    return ro_dd_make(h, ro_add_f64(ro_fma_f64(a.h, b.h, ro_neg_f64(h)), cross));
}

RO_FN ro_dd ro_dd_mul_f64(ro_dd a, double b)
{
    double h = ro_mul_f64(a.h, b);
    return ro_dd_make(h, ro_fma_f64(a.l, b, ro_fma_f64(a.h, b, ro_neg_f64(h))));
}

/* c + x a: one step of Horner's rule. */
RO_FN ro_dd ro_dd_step(double ch, double cl, double x, ro_dd a)
{
    ro_dd p = ro_dd_mul_f64(a, x);
    ro_dd s = ro_dd_sum(ch, p.h);
    return ro_dd_make(s.h, ro_add_f64(s.l, ro_add_f64(cl, p.l)));
}

/* a / b with one division; the remainder is exact. */
RO_FN ro_dd ro_dd_div(ro_dd a, ro_dd b)
{
    double inv = ro_div_f64(1.0, b.h), q = ro_mul_f64(a.h, inv);
    double rest = ro_fma_f64(ro_neg_f64(q), b.h, a.h);
    rest = ro_add_f64(rest, ro_fma_f64(ro_neg_f64(q), b.l, a.l));
    return ro_dd_make(q, ro_mul_f64(rest, inv));
}

/* The double nearest to a when that is exact, else the one of the two neighbours of a whose
 * last bit is 1; then one conversion, which thereby rounds a itself. */
RO_FN float ro_dd_to_f32(ro_dd a)
{
    ro_dd s = ro_dd_fast(a.h, a.l);
    uint64_t u = ro_f64_bits(s.h), l = ro_f64_bits(s.l);
    uint64_t opposite = (u ^ l) >> 63;
    uint64_t move = ((l << 1) != 0 ? (uint64_t)1 : (uint64_t)0) & ~u;
    u += (uint64_t)(0 - move) & ((uint64_t)1 - (opposite << 1));
    return ro_f64_to_f32(ro_bits_f64(u));
}

/* a where c is 1, b where it is 0, by bits: with c ? a : b compilers move what only one side
 * needs, table look-ups included, behind a branch and then cannot vectorise it. */
RO_FN float ro_pick_f32(int c, float a, float b)
{
    uint32_t m = 0 - (uint32_t)c;
    return ro_bits_f32((ro_f32_bits(a) & m) | (ro_f32_bits(b) & ~m));
}
RO_FN double ro_pick_f64(int c, double a, double b)
{
    uint64_t m = 0 - (uint64_t)c;
    return ro_bits_f64((ro_f64_bits(a) & m) | (ro_f64_bits(b) & ~m));
}

/* y, or a NaN where x is one. */
RO_FN float ro_keep_nan_f32(float y, float x)
{
    return ro_bits_f32(ro_f32_bits(y) | (0 - (uint32_t)(x != x)));
}

/* x with the sign bit of `from` (of the arguments, never of a computed NaN). */
RO_FN float ro_sign_of_f32(float x, float from)
{
    return ro_bits_f32((ro_f32_bits(x) & 0x7fffffffu) | (ro_f32_bits(from) & 0x80000000u));
}

/* |x| as a double, not over `most`; `most` for a NaN. Positive floats order like their bits,
 * and an integer minimum never becomes a branch. */
RO_FN double ro_capped(float x, float most)
{
    uint32_t u = ro_f32_bits(x) & 0x7fffffffu, m = ro_f32_bits(most);
    return (double)ro_bits_f32(u < m ? u : m);
}

/* Adding this rounds to an integer, half to even, and leaves it in the low bits. */
#define RO_ROUNDER 0x1.8p52

/* 2^k as a double; -1022 <= k <= 1023. */
RO_FN double ro_pow2(int64_t k) { return ro_bits_f64((uint64_t)(k + 1023) << 52); }

/* ---- exp ------------------------------------------------------------------------------- */

/* exp(y) = m 2^k, |y.h| <= 1000, with a relative error below 2^-62: y = n ln2/32 + r, and the
 * product of 2^(n/32) with 1 + r + r^2/2 + ... keeps r as a pair and the rest, below 2^-14,
 * once. */
RO_FN ro_dd ro_dd_exp_parts(ro_dd y, int64_t *k)
{
    double t = ro_add_f64(ro_mul_f64(y.h, RO_INV_LN2_32), RO_ROUNDER);
    double n = ro_neg_f64(ro_sub_f64(t, RO_ROUNDER));
    uint64_t bits = ro_f64_bits(t);
    uint64_t i = bits & 31;
    double th = ro_exp2_table[i][0], tl = ro_exp2_table[i][1];
    double r = ro_fma_f64(n, RO_LN2_32_HI, y.h);
    double rl = ro_fma_f64(n, RO_LN2_32_LO, y.l);
    double p = RO_INV_FACT_7, h, l;
    ro_dd s;
    p = ro_fma_f64(p, r, RO_INV_FACT_6);
    p = ro_fma_f64(p, r, RO_INV_FACT_5);
    p = ro_fma_f64(p, r, RO_INV_FACT_4);
    p = ro_fma_f64(p, r, RO_INV_FACT_3);
    p = ro_fma_f64(p, r, RO_INV_FACT_2);
    p = ro_mul_f64(p, ro_mul_f64(r, r));
    /* exp(r + rl) - 1 - r, for rl is small enough to be linear: rl exp(r). */
    p = ro_add_f64(p, ro_fma_f64(rl, ro_add_f64(r, p), rl));
    h = ro_mul_f64(th, r);
    l = ro_fma_f64(th, r, ro_neg_f64(h));
    l = ro_add_f64(l, ro_fma_f64(th, p, ro_fma_f64(tl, r, tl)));
    s = ro_dd_fast(th, h);
    /* n + 2^51 stands in the low bits. */
    *k = (int64_t)((bits >> 5) & 0x1ffff) - (int64_t)((bits >> 5) & 0x10000) * 2;
    return ro_dd_fast(s.h, ro_add_f64(s.l, l));
}

/* exp(y) itself, |y.h| <= 700. */
RO_FN ro_dd ro_dd_exp(ro_dd y)
{
    int64_t k;
    ro_dd m = ro_dd_exp_parts(y, &k);
    double scale = ro_pow2(k);
    return ro_dd_make(ro_mul_f64(m.h, scale), ro_mul_f64(m.l, scale));
}

/* exp(x); overflows to +inf, underflows to +0. One double is enough: with 2^k taken out, 1 + p
 * is off by little more than its one rounding. Without a table, since few processors look up
 * eight doubles as fast as they multiply them. */
RO_FN float ro_exp_f32(float x)
{
    double y = ro_capped(x, 110.0f), t, n, r, p;
    y = ro_pick_f64(x < 0.0f, ro_neg_f64(y), y);
    t = ro_add_f64(ro_mul_f64(y, RO_INV_LN2), RO_ROUNDER);
    n = ro_neg_f64(ro_sub_f64(t, RO_ROUNDER));
    r = ro_fma_f64(n, RO_LN2_LO, ro_fma_f64(n, RO_LN2_HI, y));
    p = ro_fma_f64(RO_INV_FACT_13, r, RO_INV_FACT_12);
    p = ro_fma_f64(p, r, RO_INV_FACT_11);
    p = ro_fma_f64(p, r, RO_INV_FACT_10);
    p = ro_fma_f64(p, r, RO_INV_FACT_9);
    p = ro_fma_f64(p, r, RO_INV_FACT_8);
    p = ro_fma_f64(p, r, RO_INV_FACT_7);
    p = ro_fma_f64(p, r, RO_INV_FACT_6);
    p = ro_fma_f64(p, r, RO_INV_FACT_5);
    p = ro_fma_f64(p, r, RO_INV_FACT_4);
    p = ro_fma_f64(p, r, RO_INV_FACT_3);
    p = ro_fma_f64(p, r, RO_INV_FACT_2);
    p = ro_add_f64(ro_fma_f64(ro_mul_f64(p, r), r, r), 1.0);
    p = ro_bits_f64(ro_f64_bits(p) + (ro_f64_bits(t) << 52));
    return ro_keep_nan_f32(ro_f64_to_f32(p), x);
}

/* exp(x) in binary64, rule 26's sequence. */
RO_FN double ro_exp_f64(double x)
{
    double y = x, t, n, r, p;
    int64_t k, half;
    y = y < -746.0 ? -746.0 : y;
    y = y > 710.0 ? 710.0 : y;
    y = x == x ? y : 0.0;
    t = ro_add_f64(ro_mul_f64(y, RO_INV_LN2), RO_ROUNDER);
    n = ro_neg_f64(ro_sub_f64(t, RO_ROUNDER));
    k = (int64_t)(ro_f64_bits(t) & 0xfff);
    k = (k ^ 0x800) - 0x800;
    r = ro_fma_f64(n, RO_LN2_LO, ro_fma_f64(n, RO_LN2_HI, y));
    p = ro_fma_f64(RO_INV_FACT_13, r, RO_INV_FACT_12);
    p = ro_fma_f64(p, r, RO_INV_FACT_11);
    p = ro_fma_f64(p, r, RO_INV_FACT_10);
    p = ro_fma_f64(p, r, RO_INV_FACT_9);
    p = ro_fma_f64(p, r, RO_INV_FACT_8);
    p = ro_fma_f64(p, r, RO_INV_FACT_7);
    p = ro_fma_f64(p, r, RO_INV_FACT_6);
    p = ro_fma_f64(p, r, RO_INV_FACT_5);
    p = ro_fma_f64(p, r, RO_INV_FACT_4);
    p = ro_fma_f64(p, r, RO_INV_FACT_3);
    p = ro_fma_f64(p, r, RO_INV_FACT_2);
    p = ro_fma_f64(p, r, 1.0);
    p = ro_fma_f64(p, r, 1.0);
    half = (int64_t)((uint64_t)(k + 4096) >> 1) - 2048;
    p = ro_mul_f64(ro_mul_f64(p, ro_pow2(half)), ro_pow2(k - half));
    p = x > 710.0 ? ro_bits_f64(UINT64_C(0x7ff0000000000000)) : p;
    p = x < -746.0 ? 0.0 : p;
    return x == x ? p : x;
}

/* ---- log ------------------------------------------------------------------------------- */

/* 2 atanh(s) - 2 s over s^3, |s| <= 0.1716: the odd series in w = s^2. */
RO_FN double ro_log_series(double w)
{
    double q = ro_fma_f64(RO_TWO_BY_25, w, RO_TWO_BY_23);
    q = ro_fma_f64(q, w, RO_TWO_BY_21);
    q = ro_fma_f64(q, w, RO_TWO_BY_19);
    q = ro_fma_f64(q, w, RO_TWO_BY_17);
    q = ro_fma_f64(q, w, RO_TWO_BY_15);
    q = ro_fma_f64(q, w, RO_TWO_BY_13);
    q = ro_fma_f64(q, w, RO_TWO_BY_11);
    q = ro_fma_f64(q, w, RO_TWO_BY_9);
    q = ro_fma_f64(q, w, RO_TWO_BY_7);
    q = ro_fma_f64(q, w, RO_TWO_BY_5);
    return ro_fma_f64(q, w, RO_TWO_BY_3);
}

/* k ln2 + log(1 + f), 1 + f within [sqrt(1/2), sqrt(2)] give or take an ulp, |k| < 2^11. */
RO_FN ro_dd ro_dd_log(double k, ro_dd f)
{
    ro_dd d = ro_dd_fast(2.0, f.h), s, h;
    double w, c, lo;
    d.l = ro_add_f64(d.l, f.l);
    s = ro_dd_div(f, d);
    w = ro_mul_f64(s.h, s.h);
    c = ro_mul_f64(ro_mul_f64(s.h, w), ro_log_series(w));
    h = ro_dd_sum(ro_mul_f64(k, RO_LN2_HI), ro_add_f64(s.h, s.h));
    lo = ro_add_f64(h.l, ro_add_f64(s.l, s.l));
    lo = ro_add_f64(ro_fma_f64(k, RO_LN2_LO, lo), c);
    return ro_dd_make(h.h, lo);
}

/* log(x); log(+-0) = -inf, log of a negative number is NaN. */
RO_FN float ro_log_f32(float x)
{
    uint64_t u = ro_f64_bits((double)x);
    /* Above bit 52 stands k + 2048, where x = 2^k m with m in [sqrt(1/2), sqrt(2)). */
    uint64_t e = (u - UINT64_C(0x3fe6a09e667f3bcd) + (UINT64_C(2048) << 52)) >> 52;
    double m = ro_bits_f64(u - ((e - 2048) << 52));
    double k = ro_sub_f64(ro_bits_f64(UINT64_C(0x4330000000000000) | e),
                          0x1p52 + 2048.0);
    float y = ro_dd_to_f32(ro_dd_log(k, ro_dd_make(ro_sub_f64(m, 1.0), 0.0)));
    y = ro_pick_f32(x == 0.0f, ro_bits_f32(0xff800000u), y);
    y = ro_pick_f32(x < 0.0f, ro_bits_f32(RO_NAN_F32), y);
    y = ro_pick_f32(ro_f32_bits(x) == 0x7f800000u, x, y);
    return ro_keep_nan_f32(y, x);
}

/* log(x) in binary64, rule 26's sequence; subnormal arguments are scaled first, exactly. */
RO_FN double ro_log_f64(double x)
{
    int tiny = x < 0x1p-1022;
    uint64_t u = ro_f64_bits(tiny ? ro_mul_f64(x, 0x1p54) : x);
    /* One past RN(sqrt(2)): m = RN(sqrt(2)) itself stays, as the rule says. */
    uint64_t e = (u - UINT64_C(0x3fe6a09e667f3bce) + (UINT64_C(2048) << 52)) >> 52;
    double m = ro_bits_f64(u - ((e - 2048) << 52));
    double k = ro_sub_f64(ro_bits_f64(UINT64_C(0x4330000000000000) | e),
                          tiny ? 0x1p52 + 2102.0 : 0x1p52 + 2048.0);
    double f = ro_sub_f64(m, 1.0), s = ro_div_f64(f, ro_add_f64(2.0, f));
    double z = ro_mul_f64(s, s), p, t, y;
    p = ro_fma_f64(RO_TWO_BY_23, z, RO_TWO_BY_21);
    p = ro_fma_f64(p, z, RO_TWO_BY_19);
    p = ro_fma_f64(p, z, RO_TWO_BY_17);
    p = ro_fma_f64(p, z, RO_TWO_BY_15);
    p = ro_fma_f64(p, z, RO_TWO_BY_13);
    p = ro_fma_f64(p, z, RO_TWO_BY_11);
    p = ro_fma_f64(p, z, RO_TWO_BY_9);
    p = ro_fma_f64(p, z, RO_TWO_BY_7);
    p = ro_fma_f64(p, z, RO_TWO_BY_5);
    p = ro_fma_f64(p, z, RO_TWO_BY_3);
    t = ro_mul_f64(s, ro_sub_f64(f, ro_mul_f64(z, p)));
    y = ro_fma_f64(k, RO_LN2_HI, ro_sub_f64(f, ro_sub_f64(t, ro_mul_f64(k, RO_LN2_LO))));
    y = k == 0.0 ? ro_sub_f64(f, t) : y;
    y = x == 0.0 ? ro_bits_f64(UINT64_C(0xfff0000000000000)) : y;
    y = x < 0.0 ? ro_bits_f64(RO_NAN_F64) : y;
    y = ro_f64_bits(x) == UINT64_C(0x7ff0000000000000) ? x : y;
    return x == x ? y : x;
}

/* ---- tanh, sigmoid, softplus ----------------------------------------------------------- */

/* tanh(x) = e / (e + 2), e = exp(2|x|) - 1 computed with a small relative error. */
RO_FN float ro_tanh_f32(float x)
{
    double a = ro_capped(x, 10.0f), y = ro_add_f64(a, a);
    double t = ro_add_f64(ro_mul_f64(y, RO_INV_LN2), RO_ROUNDER);
    double n = ro_neg_f64(ro_sub_f64(t, RO_ROUNDER));
    double r = ro_fma_f64(n, RO_LN2_HI, y), rl = ro_mul_f64(n, RO_LN2_LO);
    double z = ro_add_f64(r, rl), p, s, e;
    p = ro_fma_f64(RO_INV_FACT_13, z, RO_INV_FACT_12);
    p = ro_fma_f64(p, z, RO_INV_FACT_11);
    p = ro_fma_f64(p, z, RO_INV_FACT_10);
    p = ro_fma_f64(p, z, RO_INV_FACT_9);
    p = ro_fma_f64(p, z, RO_INV_FACT_8);
    p = ro_fma_f64(p, z, RO_INV_FACT_7);
    p = ro_fma_f64(p, z, RO_INV_FACT_6);
    p = ro_fma_f64(p, z, RO_INV_FACT_5);
    p = ro_fma_f64(p, z, RO_INV_FACT_4);
    p = ro_fma_f64(p, z, RO_INV_FACT_3);
    p = ro_fma_f64(p, z, RO_INV_FACT_2);
    p = ro_add_f64(ro_fma_f64(ro_mul_f64(p, z), z, rl), r);
    s = ro_bits_f64((ro_f64_bits(t) << 52) + UINT64_C(0x3ff0000000000000));
    e = ro_fma_f64(s, p, ro_sub_f64(s, 1.0));
    y = ro_div_f64(e, ro_add_f64(e, 2.0));
    return ro_keep_nan_f32(ro_sign_of_f32(ro_f64_to_f32(y), x), x);
}

/* n / (1 + e) with n = e for a negative x and 1 otherwise; e = exp(-|something|) <= 1. */
RO_FN ro_dd ro_dd_logistic(float x, ro_dd e)
{
    ro_dd d = ro_dd_fast(1.0, e.h);
    ro_dd n = ro_dd_make(ro_pick_f64(x < 0.0f, e.h, 1.0), ro_pick_f64(x < 0.0f, e.l, 0.0));
    d.l = ro_add_f64(d.l, e.l);
    return ro_dd_div(n, d);
}

/* 1 / (1 + exp(-x)). */
RO_FN float ro_sigmoid_f32(float x)
{
    ro_dd e = ro_dd_exp(ro_dd_make(ro_neg_f64(ro_capped(x, 120.0f)), 0.0));
    float y = ro_dd_to_f32(ro_dd_logistic(x, e));
    return ro_keep_nan_f32(y, x);
}

/* log(1 + exp(x)) = max(x, 0) + log(1 + e), e = exp(-|x|); over sqrt(2) the sum is halved. */
RO_FN float ro_softplus_f32(float x)
{
    ro_dd e = ro_dd_exp(ro_dd_make(ro_neg_f64(ro_capped(x, 120.0f)), 0.0)), f, y;
    int high = e.h > 0x1.a8p-2;
    double k = ro_pick_f64(high, 1.0, 0.0), half = ro_pick_f64(high, 0.5, 1.0);
    /* By the sign bit: a compiler makes another instruction of a comparison with 0. */
    double base = ro_pick_f64(!(ro_f32_bits(x) >> 31), (double)x, 0.0);
    float z;
    f = ro_dd_sum(e.h, ro_neg_f64(k));
    f.l = ro_add_f64(f.l, e.l);
    f = ro_dd_log(k, ro_dd_make(ro_mul_f64(f.h, half), ro_mul_f64(f.l, half)));
    f = ro_dd_fast(f.h, f.l);
    y = ro_dd_sum(base, f.h);
    z = ro_dd_to_f32(ro_dd_make(y.h, ro_add_f64(y.l, f.l)));
    z = ro_pick_f32(ro_f32_bits(x) == 0x7f800000u, x, z);
    return ro_keep_nan_f32(z, x);
}

/* ---- erf, gelu and its derivative ------------------------------------------------------ */

/* Row i of a table at t: c0 + c1 d + c2 d^2 + ..., d = t - centre, which is exact. The table
 * and the index come apart because a compiler gathers table[i][k], but not through a pointer
 * to a row. */
RO_FN ro_dd ro_dd_row(const double (*table)[RO_ROW], uint64_t i, double t)
{
    double d = ro_sub_f64(t, table[i][0]);
    double q = ro_fma_f64(table[i][15], d, table[i][14]);
    ro_dd a;
    q = ro_fma_f64(q, d, table[i][13]);
    q = ro_fma_f64(q, d, table[i][12]);
    q = ro_fma_f64(q, d, table[i][11]);
    q = ro_fma_f64(q, d, table[i][10]);
    q = ro_fma_f64(q, d, table[i][9]);
    q = ro_fma_f64(q, d, table[i][8]);
    q = ro_fma_f64(q, d, table[i][7]);
    a = ro_dd_fast(table[i][5], ro_fma_f64(q, d, table[i][6]));
    a = ro_dd_step(table[i][3], table[i][4], d, a);
    return ro_dd_step(table[i][1], table[i][2], d, a);
}

/* erf(x); from 3.99 on it is 1 to the nearest float. */
RO_FN float ro_erf_f32(float x)
{
    double t = ro_capped(x, 3.990234375f);
    uint64_t i = (ro_f64_bits(ro_add_f64(t, 4.0)) >> 46) & 63;
    float y = ro_dd_to_f32(ro_dd_row(ro_erf_table, i, t));
    return ro_keep_nan_f32(ro_sign_of_f32(y, x), x);
}

/* The row for t in [0, 15): 16 to an octave of t + 1. */
RO_FN uint64_t ro_octave_row(double t)
{
    return ((ro_f64_bits(ro_add_f64(t, 1.0)) >> 48) - 0x3ff0) & 63;
}

/* exp(-t^2/2); t has at most 26 bits, so the square is exact. */
RO_FN ro_dd ro_dd_bell(double t)
{
    return ro_dd_exp(ro_dd_make(ro_mul_f64(ro_mul_f64(t, t), -0.5), 0.0));
}

/* a for a negative x, 1 - a otherwise. */
RO_FN ro_dd ro_dd_tail(float x, ro_dd a)
{
    ro_dd r = ro_dd_sum(1.0, ro_neg_f64(a.h));
    r.l = ro_sub_f64(r.l, a.l);
    return ro_dd_make(ro_pick_f64(x < 0.0f, a.h, r.h), ro_pick_f64(x < 0.0f, a.l, r.l));
}

/* The float nearest to x p, p > 0; x = +inf stays, a NaN stays, and the sign is x's. `t` is
 * |x| where x is negative (capped, where the product underflows anyhow). */
RO_FN float ro_times_f32(float x, double t, ro_dd p)
{
    double a = ro_pick_f64(x < 0.0f, t, (double)ro_abs_f32(x));
    float y = ro_dd_to_f32(ro_dd_mul_f64(ro_dd_fast(p.h, p.l), a));
    y = ro_pick_f32(ro_f32_bits(x) == 0x7f800000u, x, y);
    return ro_keep_nan_f32(ro_sign_of_f32(y, x), x);
}

/* x Phi(x), Phi the normal distribution. Phi(-t) = exp(-t^2/2) times a tame function, which
 * keeps the relative error down to the last subnormal; gelu(-inf) = -0. */
RO_FN float ro_gelu_f32(float x)
{
    double t = ro_capped(x, 14.9990234375f);
    ro_dd a = ro_dd_mul(ro_dd_bell(t), ro_dd_row(ro_mills_table, ro_octave_row(t), t));
    return ro_times_f32(x, t, ro_dd_tail(x, a));
}

/* Phi(x) + x phi(x), the derivative of gelu; d(x) + d(-x) = 1. */
RO_FN float ro_dgelu_f32(float x)
{
    double t = ro_capped(x, 14.9990234375f);
    ro_dd a = ro_dd_mul(ro_dd_bell(t), ro_dd_row(ro_dgelu_table, ro_octave_row(t), t));
    float y = ro_dd_to_f32(ro_dd_tail(x, ro_dd_fast(a.h, a.l)));
    return ro_keep_nan_f32(y, x);
}

/* exp(-v), v = t (A + B t^2) = 2 sqrt(2/pi) (t + 0.044715 t^3) >= 0. */
RO_FN ro_dd ro_dd_gelu_tanh_exp(double t)
{
    ro_dd b = ro_dd_mul_f64(ro_dd_make(RO_GELU_B_H, RO_GELU_B_L), ro_mul_f64(t, t));
    ro_dd s = ro_dd_sum(RO_GELU_A_H, b.h);
    s.l = ro_add_f64(s.l, ro_add_f64(RO_GELU_A_L, b.l));
    return ro_dd_exp(ro_dd_mul_f64(s, ro_neg_f64(t)));
}

/* 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) = x / (1 + exp(-v)). */
RO_FN float ro_gelu_tanh_f32(float x)
{
    double t = ro_capped(x, 12.0f);
    return ro_times_f32(x, t, ro_dd_logistic(x, ro_dd_gelu_tanh_exp(t)));
}

/* The derivative of gelu_tanh: at -t it is e (1 + e - t v') / (1 + e)^2, e = exp(-v); the
 * bracket has a zero near 0.7525, about which it is taken from its own polynomial. */
RO_FN float ro_dgelu_tanh_f32(float x)
{
    double t = ro_capped(x, 12.0f), z = ro_mul_f64(t, t);
    ro_dd e = ro_dd_gelu_tanh_exp(t), v, k, d, near_zero;
    int near = ro_abs_f64(ro_sub_f64(t, ro_dgelu_tanh_row[0][0])) < 0.0625;
    float y;
    v = ro_dd_step(RO_GELU_A_H, RO_GELU_A_L, z, ro_dd_make(RO_GELU_B3_H, RO_GELU_B3_L));
    v = ro_dd_mul_f64(v, ro_neg_f64(t));
    d = ro_dd_fast(1.0, e.h);
    d.l = ro_add_f64(d.l, e.l);
    k = ro_dd_sum(d.h, v.h);
    k.l = ro_add_f64(k.l, ro_add_f64(d.l, v.l));
    near_zero = ro_dd_row(ro_dgelu_tanh_row, 0, t);
    k.h = ro_pick_f64(near, near_zero.h, k.h);
    k.l = ro_pick_f64(near, near_zero.l, k.l);
    k = ro_dd_div(ro_dd_mul(e, ro_dd_fast(k.h, k.l)), ro_dd_mul(d, d));
    y = ro_dd_to_f32(ro_dd_tail(x, ro_dd_fast(k.h, k.l)));
    return ro_keep_nan_f32(y, x);
}

/* ---- sin and cos of whole turns -------------------------------------------------------- */

/* sin(2 pi u) for quarter = 0, cos(2 pi u) for quarter = 1. The reduction is exact:
 * u = q/4 + r, |r| <= 1/8; from 2^24 on every float is a whole number. */
RO_FN float ro_turn_f32(float u, uint64_t quarter)
{
    double w = (double)ro_abs_f32(u), t, r, z, q;
    uint64_t turn, sign;
    int cosine;
    ro_dd a;
    float y;
    w = ro_pick_f64(w < 0x1p24, w, 0.0);
    t = ro_add_f64(ro_mul_f64(w, 4.0), RO_ROUNDER);
    r = ro_sub_f64(w, ro_mul_f64(ro_sub_f64(t, RO_ROUNDER), 0.25));
    turn = ro_f64_bits(t) + quarter;
    cosine = (turn & 1) != 0;
    z = ro_mul_f64(r, r);
    q = cosine ? RO_COS2PI_8 : RO_SIN2PI_8;
    q = ro_fma_f64(q, z, cosine ? RO_COS2PI_7 : RO_SIN2PI_7);
    q = ro_fma_f64(q, z, cosine ? RO_COS2PI_6 : RO_SIN2PI_6);
    q = ro_fma_f64(q, z, cosine ? RO_COS2PI_5 : RO_SIN2PI_5);
    q = ro_fma_f64(q, z, cosine ? RO_COS2PI_4 : RO_SIN2PI_4);
    q = ro_fma_f64(q, z, cosine ? RO_COS2PI_3 : RO_SIN2PI_3);
    a = ro_dd_fast(cosine ? RO_COS2PI_2_H : RO_SIN2PI_2_H,
                   ro_fma_f64(q, z, cosine ? RO_COS2PI_2_L : RO_SIN2PI_2_L));
    a = ro_dd_step(cosine ? RO_COS2PI_1_H : RO_SIN2PI_1_H,
                   cosine ? RO_COS2PI_1_L : RO_SIN2PI_1_L, z, a);
    a = ro_dd_step(cosine ? RO_COS2PI_0_H : RO_SIN2PI_0_H,
                   cosine ? RO_COS2PI_0_L : RO_SIN2PI_0_L, z, a);
    y = ro_dd_to_f32(ro_dd_mul_f64(ro_dd_fast(a.h, a.l), cosine ? 1.0 : r));
    sign = (turn & 2) << 30;
    sign = quarter == 0 ? sign ^ (ro_f32_bits(u) & 0x80000000u) : sign;
    y = ro_bits_f32(ro_f32_bits(y) ^ (uint32_t)sign);
    /* A zero has the sign of u under sin and is +0 under cos (rule 24). */
    y = ro_pick_f32(y == 0.0f, quarter == 0 ? ro_sign_of_f32(0.0f, u) : 0.0f, y);
    return ro_pick_f32(ro_abs_f32(u) < ro_bits_f32(0x7f800000u), y, ro_bits_f32(RO_NAN_F32));
}

/* sin(2 pi u) and cos(2 pi u); NaN at the infinities. */
RO_FN float ro_sin2pi_f32(float u) { return ro_turn_f32(u, 0); }
RO_FN float ro_cos2pi_f32(float u) { return ro_turn_f32(u, 1); }

/* ---- integer powers, random words ------------------------------------------------------ */

/* x^n by squaring, lowest bit first, the first factor taken as it is, no square after the
 * last bit (rule 25); x^0 = 1. */
RO_FN double ro_powi_f64(double x, uint64_t n)
{
    double r = 1.0;
    int first = 1;
    while (n != 0) {
        if (n & 1) r = first ? x : ro_mul_f64(r, x);
        if (n & 1) first = 0;
        n >>= 1;
        if (n != 0) x = ro_mul_f64(x, x);
    }
    return r;
}

/* Philox4x32-10 (rule 15): four random words for one counter and one key. */
RO_FN void ro_philox(const uint32_t ctr[4], uint64_t key, uint32_t out[4])
{
    uint32_t c0 = ctr[0], c1 = ctr[1], c2 = ctr[2], c3 = ctr[3];
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    for (int round = 0; round < 10; round++) {
        uint64_t a = (uint64_t)0xD2511F53u * c0, b = (uint64_t)0xCD9E8D57u * c2;
        c0 = (uint32_t)(b >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)b;
        c2 = (uint32_t)(a >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)a;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

#include "functions_pair.h"
#endif
