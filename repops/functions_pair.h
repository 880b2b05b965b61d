/* functions_pair.h - functions whose value is a pair of doubles, of which binary32 takes the
 * nearest float and binary64 the sum of both halves.
 *
 * What this file decides: the bits of sin to atanh and of expm1, in binary32 and in binary64.
 * Included at the end of functions.h, never alone.
 *
 * Invariants
 *   1. A *_f32 function returns the float nearest to the true value, as in functions.h.
 *   2. A *_f64 function is a fixed sequence of operations, written down in docs/ARITHMETIC.md, 3.4,
 *      and within one unit in the last place; tests/prove.c measures it. Here the order of
 *      operations is the definition: no step may be left out where it seems to do nothing.
 *   3. Only operations of arith.h and integer operations on bits, and no float is converted to an
 *      integer. Only what binary64 alone uses branches or loops on its argument. */
#ifndef RO_FUNCTIONS_PAIR_H
#define RO_FUNCTIONS_PAIR_H

/* ---- more of pairs --------------------------------------------------------------------- */

RO_FN ro_dd ro_dd_add(ro_dd a, ro_dd b)
{
    ro_dd s = ro_dd_sum(a.h, b.h);
    return ro_dd_fast(s.h, ro_add_f64(s.l, ro_add_f64(a.l, b.l)));
}
RO_FN ro_dd ro_dd_neg(ro_dd a) { return ro_dd_make(ro_neg_f64(a.h), ro_neg_f64(a.l)); }
RO_FN ro_dd ro_dd_half(ro_dd a) { return ro_dd_make(ro_mul_f64(a.h, 0.5), ro_mul_f64(a.l, 0.5)); }
RO_FN ro_dd ro_dd_pick(int c, ro_dd a, ro_dd b)
{
    return ro_dd_make(ro_pick_f64(c, a.h, b.h), ro_pick_f64(c, a.l, b.l));
}

/* sqrt(a), a >= 0. */
RO_FN ro_dd ro_dd_sqrt(ro_dd a)
{
    double s = ro_sqrt_f64(a.h);
    double rest = ro_add_f64(ro_fma_f64(ro_neg_f64(s), s, a.h), a.l);
    return ro_dd_make(s, ro_pick_f64(s > 0.0, ro_div_f64(rest, ro_add_f64(s, s)), 0.0));
}

/* c + z a: one step of Horner's rule in a pair. */
RO_FN ro_dd ro_dd_next(double ch, double cl, ro_dd z, ro_dd a)
{
    ro_dd p = ro_dd_mul(a, z);
    ro_dd s = ro_dd_sum(ch, p.h);
    return ro_dd_make(s.h, ro_add_f64(s.l, ro_add_f64(cl, p.l)));
}

RO_FN double ro_dd_to_f64(ro_dd a) { return ro_add_f64(a.h, a.l); }

/* v 2^k in two exact steps but for the last; -2100 < k < 2000. */
RO_FN double ro_scale_f64(double v, int64_t k)
{
    int64_t half = (int64_t)((uint64_t)(k + 4096) >> 1) - 2048;
    return ro_mul_f64(ro_mul_f64(v, ro_pow2(half)), ro_pow2(k - half));
}

/* a > b of numbers that are not negative, by their bits: what compilers know to be a comparison of
 * doubles, and then a choice of one, they make a minimum of, which is none of our operations. */
RO_FN int ro_over_f64(double a, double b) { return ro_f64_bits(a) > ro_f64_bits(b); }
/* |x|, not over `most`; `most` for a NaN. */
RO_FN double ro_capped_f64(double x, double most)
{
    double a = ro_abs_f64(x);
    return ro_pick_f64(ro_over_f64(most, a), a, most);
}
RO_FN double ro_sign_of_f64(double x, double from)
{
    return ro_bits_f64((ro_f64_bits(x) & (UINT64_MAX >> 1)) |
                       (ro_f64_bits(from) & (UINT64_C(1) << 63)));
}
/* y, or a NaN where x is one. */
RO_FN double ro_keep_nan_f64(double y, double x)
{
    return ro_bits_f64(ro_f64_bits(y) | (0 - (uint64_t)(x != x)));
}

/* ---- sin, cos, tan --------------------------------------------------------------------- */

RO_FN double ro_from_48_bits(uint64_t v)
{
    return ro_sub_f64(ro_bits_f64(UINT64_C(0x4330000000000000) | v), 0x1p52);
}

/* 48 bits from bit `at` on of a number of 32-bit digits, as a double. */
RO_FN double ro_bits_from(const uint32_t *p, uint32_t at)
{
    uint32_t i = at >> 5, s = at & 31;
    uint64_t v = (((uint64_t)p[i + 1] << 32 | p[i]) >> s) |
                 (s ? (uint64_t)p[i + 2] << (64 - s) : 0);
    return ro_from_48_bits(v & ((UINT64_C(1) << 48) - 1));
}

/* Quarter turns in a, 0 <= a < inf: a = n pi/2 + r, |r| <= pi/4; n mod 4 is returned. Up to pi/4
 * a is r. Beyond, a = m 2^e is multiplied by those 256 bits of 2/pi that matter, in integers, so
 * that r keeps its relative error however close a comes to a multiple. */
RO_FN uint64_t ro_quarters(double a, ro_dd *r)
{
    uint64_t u = ro_f64_bits(a), m = (u & (UINT64_MAX >> 12)) | UINT64_C(1) << 52, n, c = 0;
    uint32_t p[12], e = (uint32_t)(u >> 52), word, point, flip;
    ro_dd f, g;
    *r = ro_dd_make(a, 0.0);
    if (a <= RO_QUARTER_PI) return 0;
    word = e < 1077 ? 0 : (e - 1077) >> 5; /* a = m 2^(e - 1075); bits of 4 and above drop out */
    point = 1331 + 32 * word - e;          /* of the product's bits those below are a fraction */
    for (uint32_t i = 0; i < 8; i++) {
        c += (uint64_t)ro_two_by_pi[word + 7 - i] * (uint32_t)m;
        p[i] = (uint32_t)c;
        c >>= 32;
    }
    p[8] = (uint32_t)c;
    c = 0;
    for (uint32_t i = 0; i < 8; i++) {
        c += (uint64_t)ro_two_by_pi[word + 7 - i] * (m >> 32) + p[i + 1];
        p[i + 1] = (uint32_t)c;
        c >>= 32;
    }
    p[9] = (uint32_t)c;
    p[10] = p[11] = 0;
    n = ((((uint64_t)p[(point >> 5) + 1] << 32 | p[point >> 5]) >> (point & 31)) & 3);
    /* From half a quarter on the rest to the next one, with a minus sign: by two's complement, of
     * which the carry is not worth taking so far below. */
    flip = p[(point - 1) >> 5] >> ((point - 1) & 31) & 1;
    for (uint32_t i = 0; i < 12; i++) p[i] ^= 0 - flip;
    f = ro_dd_fast(ro_mul_f64(ro_bits_from(p, point - 144), 0x1p-144),
                   ro_mul_f64(ro_bits_from(p, point - 192), 0x1p-192));
    g = ro_dd_fast(ro_mul_f64(ro_bits_from(p, point - 96), 0x1p-96), f.h);
    f.l = ro_add_f64(g.l, f.l);
    g = ro_dd_fast(ro_mul_f64(ro_bits_from(p, point - 48), 0x1p-48), g.h);
    g.l = ro_add_f64(g.l, f.l);
    g = ro_dd_mul(g, ro_dd_make(RO_HALF_PI_H, RO_HALF_PI_L));
    *r = ro_dd_pick(flip != 0, ro_dd_neg(g), g);
    return n + flip;
}

/* The same for a float, which has 24 bits and an exponent of 128 at most: 160 bits of 2/pi are
 * enough, and shifting a by its exponent's last five bits puts the point in one place for all, so
 * that nothing branches. */
RO_FN uint64_t ro_quarters_f32(float a, ro_dd *r)
{
    const uint64_t low = 0xffffffffu;
    uint64_t u = ro_f32_bits(a), e = u >> 23, q = e > 126 ? e - 126 : 0, w = q >> 5 & 7;
    uint64_t m = ((u & 0x7fffff) | 0x800000) << (q & 31), ml = m & low, mh = m >> 32;
    uint64_t x0 = ml * ro_two_by_pi_f32[w + 4], y0 = mh * ro_two_by_pi_f32[w + 4];
    uint64_t x1 = ml * ro_two_by_pi_f32[w + 3], y1 = mh * ro_two_by_pi_f32[w + 3];
    uint64_t x2 = ml * ro_two_by_pi_f32[w + 2], y2 = mh * ro_two_by_pi_f32[w + 2];
    uint64_t x3 = ml * ro_two_by_pi_f32[w + 1], y3 = mh * ro_two_by_pi_f32[w + 1];
    uint64_t x4 = ml * ro_two_by_pi_f32[w];
    uint64_t v1 = (x0 >> 32) + (x1 & low) + (y0 & low);
    uint64_t v2 = (v1 >> 32) + (x1 >> 32) + (y0 >> 32) + (x2 & low) + (y1 & low);
    uint64_t v3 = (v2 >> 32) + (x2 >> 32) + (y1 >> 32) + (x3 & low) + (y2 & low);
    uint64_t v4 = (v3 >> 32) + (x3 >> 32) + (y2 >> 32) + (x4 & low) + (y3 & low);
    uint64_t n = v4 >> 24 & 3, flip = v4 >> 23 & 1, all = (0 - flip) & ((UINT64_C(1) << 48) - 1);
    uint64_t p1 = ((v4 & 0xffffff) << 24 | (v3 & low) >> 8) ^ all;
    uint64_t p2 = ((v3 & 0xff) << 40 | (v2 & low) << 8 | (v1 & low) >> 24) ^ all;
    uint64_t p3 = ((v1 & 0xffffff) << 24 | (x0 & low) >> 8) ^ all;
    int small = (double)a <= RO_QUARTER_PI;
    ro_dd f = ro_dd_fast(ro_mul_f64(ro_from_48_bits(p2), 0x1p-96),
                         ro_mul_f64(ro_from_48_bits(p3), 0x1p-144));
    ro_dd g = ro_dd_fast(ro_mul_f64(ro_from_48_bits(p1), 0x1p-48), f.h);
    g.l = ro_add_f64(g.l, f.l);
    g = ro_dd_mul(g, ro_dd_make(RO_HALF_PI_H, RO_HALF_PI_L));
    g = ro_dd_pick(flip != 0, ro_dd_neg(g), g);
    *r = ro_dd_pick(small, ro_dd_make((double)a, 0.0), g);
    return small ? 0 : n + flip;
}

/* sin(r) and cos(r), |r| <= pi/4 and a little, z = r^2. */
RO_FN ro_dd ro_dd_sin(ro_dd r, ro_dd z)
{
    double p = RO_INV_FACT_21;
    ro_dd a;
    p = ro_fma_f64(p, z.h, ro_neg_f64(RO_INV_FACT_19));
    p = ro_fma_f64(p, z.h, RO_INV_FACT_17);
    p = ro_fma_f64(p, z.h, ro_neg_f64(RO_INV_FACT_15));
    p = ro_fma_f64(p, z.h, RO_INV_FACT_13);
    p = ro_fma_f64(p, z.h, ro_neg_f64(RO_INV_FACT_11));
    p = ro_fma_f64(p, z.h, RO_INV_FACT_9);
    p = ro_fma_f64(p, z.h, ro_neg_f64(RO_INV_FACT_7));
    a = ro_dd_fast(RO_INV_FACT_5, ro_fma_f64(p, z.h, RO_INV_FACT_5_L));
    a = ro_dd_next(ro_neg_f64(RO_INV_FACT_3), ro_neg_f64(RO_INV_FACT_3_L), z, a);
    a = ro_dd_next(1.0, 0.0, z, a);
    return ro_dd_mul(a, r);
}
RO_FN ro_dd ro_dd_cos(ro_dd z)
{
    double p = ro_neg_f64(RO_INV_FACT_22);
    ro_dd a;
    p = ro_fma_f64(p, z.h, RO_INV_FACT_20);
    p = ro_fma_f64(p, z.h, ro_neg_f64(RO_INV_FACT_18));
    p = ro_fma_f64(p, z.h, RO_INV_FACT_16);
    p = ro_fma_f64(p, z.h, ro_neg_f64(RO_INV_FACT_14));
    p = ro_fma_f64(p, z.h, RO_INV_FACT_12);
    p = ro_fma_f64(p, z.h, ro_neg_f64(RO_INV_FACT_10));
    p = ro_fma_f64(p, z.h, RO_INV_FACT_8);
    p = ro_fma_f64(p, z.h, ro_neg_f64(RO_INV_FACT_6));
    a = ro_dd_fast(RO_INV_FACT_4, ro_fma_f64(p, z.h, RO_INV_FACT_4_L));
    a = ro_dd_next(-0.5, 0.0, z, a);
    return ro_dd_next(1.0, 0.0, z, a);
}

/* Of n quarter turns and r: sin for turn = 0, cos for turn = 1, tan for turn = 2. */
RO_FN ro_dd ro_dd_circular(uint64_t n, ro_dd r, uint64_t turn)
{
    ro_dd z = ro_dd_mul(r, r), s = ro_dd_sin(r, z), c = ro_dd_cos(z), y;
    if (turn == 2) {
        y = ro_dd_div(ro_dd_pick((n & 1) != 0, c, s), ro_dd_pick((n & 1) != 0, s, c));
        return ro_dd_pick((n & 1) != 0, ro_dd_neg(y), y);
    }
    y = ro_dd_pick(((n + turn) & 1) != 0, c, s);
    return ro_dd_pick(((n + turn) & 2) != 0, ro_dd_neg(y), y);
}

/* Odd functions take the sign of their argument by sign bits, so that zeros keep it. */
RO_FN float ro_circular_f32(float x, uint64_t turn)
{
    int finite = ro_abs_f32(x) < ro_bits_f32(0x7f800000u);
    ro_dd r;
    uint64_t n = ro_quarters_f32(ro_pick_f32(finite, ro_abs_f32(x), 0.0f), &r);
    float y = ro_dd_to_f32(ro_dd_circular(n, r, turn));
    y = ro_bits_f32(ro_f32_bits(y) ^ (turn == 1 ? 0 : ro_f32_bits(x) & 0x80000000u));
    return ro_pick_f32(finite, y, ro_bits_f32(RO_NAN_F32));
}
RO_FN double ro_circular_f64(double x, uint64_t turn)
{
    int finite = ro_abs_f64(x) < ro_bits_f64(UINT64_C(0x7ff0000000000000));
    ro_dd r;
    uint64_t n = ro_quarters(finite ? ro_abs_f64(x) : 0.0, &r);
    double y = ro_dd_to_f64(ro_dd_circular(n, r, turn));
    y = ro_bits_f64(ro_f64_bits(y) ^ (turn == 1 ? 0 : ro_f64_bits(x) & (UINT64_C(1) << 63)));
    return finite ? y : ro_bits_f64(RO_NAN_F64);
}
RO_FN float ro_sin_f32(float x) { return ro_circular_f32(x, 0); }
RO_FN float ro_cos_f32(float x) { return ro_circular_f32(x, 1); }
RO_FN float ro_tan_f32(float x) { return ro_circular_f32(x, 2); }
RO_FN double ro_sin_f64(double x) { return ro_circular_f64(x, 0); }
RO_FN double ro_cos_f64(double x) { return ro_circular_f64(x, 1); }
RO_FN double ro_tan_f64(double x) { return ro_circular_f64(x, 2); }

/* ---- asin, acos, atan ------------------------------------------------------------------ */

/* The angle in [0, pi/2] whose tangent is y/x; y, x >= 0, not both 0. With q = y/x or x/y, not
 * over 1, and c the sixteenth next to it, the angle is atan(c) + atan((y - c x) / (x + c y)). */
RO_FN ro_dd ro_dd_angle(ro_dd y, ro_dd x)
{
    int steep = ro_over_f64(y.h, x.h);
    ro_dd n = ro_dd_pick(steep, x, y), d = ro_dd_pick(steep, y, x), r, s;
    double t = ro_add_f64(ro_mul_f64(ro_div_f64(n.h, d.h), 16.0), RO_ROUNDER);
    double c = ro_mul_f64(ro_sub_f64(t, RO_ROUNDER), 0.0625), z, p;
    uint64_t i = ro_f64_bits(t) & 31;
    i = i < 16 ? i : 16;
    r = ro_dd_div(ro_dd_add(n, ro_dd_neg(ro_dd_mul_f64(d, c))),
                  ro_dd_add(d, ro_dd_mul_f64(n, c)));
    z = ro_mul_f64(r.h, r.h);
    p = ro_fma_f64(ro_neg_f64(RO_INV_13), z, RO_INV_11);
    p = ro_fma_f64(p, z, ro_neg_f64(RO_INV_9));
    p = ro_fma_f64(p, z, RO_INV_7);
    p = ro_fma_f64(p, z, ro_neg_f64(RO_INV_5));
    p = ro_fma_f64(p, z, RO_INV_3);
    p = ro_neg_f64(ro_mul_f64(ro_mul_f64(r.h, z), p));
    s = ro_dd_sum(ro_atan_table[i][0], r.h);
    s.l = ro_add_f64(s.l, ro_add_f64(ro_atan_table[i][1], ro_add_f64(r.l, p)));
    return ro_dd_pick(steep, ro_dd_add(ro_dd_make(RO_HALF_PI_H, RO_HALF_PI_L), ro_dd_neg(s)), s);
}

/* sqrt(1 - a^2), 0 <= a <= 1. */
RO_FN ro_dd ro_dd_across(double a)
{
    return ro_dd_sqrt(ro_dd_mul(ro_dd_sum(1.0, ro_neg_f64(a)), ro_dd_sum(1.0, a)));
}

/* asin(a), and acos of x with |x| = a and the sign bit `negative`; 0 <= a <= 1. */
RO_FN ro_dd ro_dd_asin(double a) { return ro_dd_angle(ro_dd_make(a, 0.0), ro_dd_across(a)); }
RO_FN ro_dd ro_dd_acos(double a, int negative)
{
    ro_dd y = ro_dd_angle(ro_dd_across(a), ro_dd_make(a, 0.0));
    ro_dd pi = ro_dd_make(ro_add_f64(RO_HALF_PI_H, RO_HALF_PI_H),
                          ro_add_f64(RO_HALF_PI_L, RO_HALF_PI_L));
    return ro_dd_pick(negative, ro_dd_add(pi, ro_dd_neg(y)), y);
}
/* atan(a), a <= 2^200. */
RO_FN ro_dd ro_dd_atan(double a)
{
    return ro_dd_angle(ro_dd_make(a, 0.0), ro_dd_make(1.0, 0.0));
}

RO_FN float ro_asin_f32(float x)
{
    float y = ro_sign_of_f32(ro_dd_to_f32(ro_dd_asin(ro_capped(x, 1.0f))), x);
    return ro_pick_f32(ro_abs_f32(x) <= 1.0f, y, ro_bits_f32(RO_NAN_F32));
}
RO_FN float ro_acos_f32(float x)
{
    float y = ro_dd_to_f32(ro_dd_acos(ro_capped(x, 1.0f), x < 0.0f));
    return ro_pick_f32(ro_abs_f32(x) <= 1.0f, y, ro_bits_f32(RO_NAN_F32));
}
RO_FN float ro_atan_f32(float x)
{
    float y = ro_dd_to_f32(ro_dd_atan(ro_capped(x, 0x1p100f)));
    return ro_keep_nan_f32(ro_sign_of_f32(y, x), x);
}
RO_FN double ro_asin_f64(double x)
{
    double y = ro_sign_of_f64(ro_dd_to_f64(ro_dd_asin(ro_capped_f64(x, 1.0))), x);
    return ro_pick_f64(ro_abs_f64(x) <= 1.0, y, ro_bits_f64(RO_NAN_F64));
}
RO_FN double ro_acos_f64(double x)
{
    double y = ro_dd_to_f64(ro_dd_acos(ro_capped_f64(x, 1.0), x < 0.0));
    return ro_pick_f64(ro_abs_f64(x) <= 1.0, y, ro_bits_f64(RO_NAN_F64));
}
RO_FN double ro_atan_f64(double x)
{
    double y = ro_dd_to_f64(ro_dd_atan(ro_capped_f64(x, 0x1p100)));
    return ro_keep_nan_f64(ro_sign_of_f64(y, x), x);
}

/* ---- expm1, sinh, cosh ----------------------------------------------------------------- */

/* exp(y) - 1, |y| <= 700. */
RO_FN ro_dd ro_dd_expm1(double y)
{
    ro_dd big = ro_dd_add(ro_dd_exp(ro_dd_make(y, 0.0)), ro_dd_make(-1.0, 0.0)), a;
    int near = ro_abs_f64(y) < 0.25;
    double v = ro_pick_f64(near, y, 0.0), p = RO_INV_FACT_15;
    p = ro_fma_f64(p, v, RO_INV_FACT_14);
    p = ro_fma_f64(p, v, RO_INV_FACT_13);
    p = ro_fma_f64(p, v, RO_INV_FACT_12);
    p = ro_fma_f64(p, v, RO_INV_FACT_11);
    p = ro_fma_f64(p, v, RO_INV_FACT_10);
    p = ro_fma_f64(p, v, RO_INV_FACT_9);
    p = ro_fma_f64(p, v, RO_INV_FACT_8);
    p = ro_fma_f64(p, v, RO_INV_FACT_7);
    p = ro_fma_f64(p, v, RO_INV_FACT_6);
    p = ro_fma_f64(p, v, RO_INV_FACT_5);
    a = ro_dd_fast(RO_INV_FACT_4, ro_fma_f64(p, v, RO_INV_FACT_4_L));
    a = ro_dd_step(RO_INV_FACT_3, RO_INV_FACT_3_L, v, a);
    a = ro_dd_step(0.5, 0.0, v, a);
    a = ro_dd_step(1.0, 0.0, v, a);
    return ro_dd_pick(near, ro_dd_mul_f64(a, v), big);
}

/* sinh(a) and cosh(a), 0 <= a <= 700; tanh(a). */
RO_FN ro_dd ro_dd_sinh(double a)
{
    ro_dd u = ro_dd_expm1(a);
    return ro_dd_half(ro_dd_add(u, ro_dd_div(u, ro_dd_add(u, ro_dd_make(1.0, 0.0)))));
}
RO_FN ro_dd ro_dd_cosh(double a)
{
    ro_dd e = ro_dd_exp(ro_dd_make(a, 0.0));
    return ro_dd_half(ro_dd_add(e, ro_dd_div(ro_dd_make(1.0, 0.0), e)));
}
RO_FN ro_dd ro_dd_tanh(double a)
{
    ro_dd u = ro_dd_expm1(ro_add_f64(a, a));
    return ro_dd_div(u, ro_dd_add(u, ro_dd_make(2.0, 0.0)));
}

RO_FN float ro_expm1_f32(float x)
{
    double a = ro_capped(x, 110.0f);
    a = ro_pick_f64(x < 0.0f, ro_neg_f64(a), a);
    float y = ro_dd_to_f32(ro_dd_expm1(a));
    y = ro_pick_f32(x == 0.0f, x, y);
    return ro_keep_nan_f32(y, x);
}
RO_FN float ro_sinh_f32(float x)
{
    float y = ro_dd_to_f32(ro_dd_sinh(ro_capped(x, 110.0f)));
    return ro_keep_nan_f32(ro_sign_of_f32(y, x), x);
}
RO_FN float ro_cosh_f32(float x)
{
    return ro_keep_nan_f32(ro_dd_to_f32(ro_dd_cosh(ro_capped(x, 110.0f))), x);
}

/* exp(y) 2^shift rounded twice where it is subnormal; |y| <= 1000. */
RO_FN double ro_exp_scaled_f64(double y, int64_t shift)
{
    int64_t k;
    ro_dd m = ro_dd_exp_parts(ro_dd_make(y, 0.0), &k);
    return ro_scale_f64(ro_dd_to_f64(m), k + shift);
}
RO_FN double ro_expm1_f64(double x)
{
    double a = ro_capped_f64(x, 720.0), low = ro_capped_f64(a, 700.0);
    double y = ro_dd_to_f64(ro_dd_expm1(ro_pick_f64(x < 0.0, ro_neg_f64(low), low)));
    y = ro_pick_f64(x > 700.0, ro_exp_scaled_f64(a, 0), y);
    y = ro_pick_f64(x == 0.0, x, y);
    return ro_keep_nan_f64(y, x);
}
RO_FN double ro_sinh_f64(double x)
{
    double a = ro_capped_f64(x, 720.0), low = ro_capped_f64(a, 700.0);
    double y = ro_dd_to_f64(ro_dd_sinh(low));
    y = ro_pick_f64(a > 700.0, ro_exp_scaled_f64(a, -1), y);
    return ro_keep_nan_f64(ro_sign_of_f64(y, x), x);
}
RO_FN double ro_cosh_f64(double x)
{
    double a = ro_capped_f64(x, 720.0), low = ro_capped_f64(a, 700.0);
    double y = ro_dd_to_f64(ro_dd_cosh(low));
    return ro_keep_nan_f64(ro_pick_f64(a > 700.0, ro_exp_scaled_f64(a, -1), y), x);
}

/* ---- tanh, sigmoid --------------------------------------------------------------------- */

/* From 22 on 1 is nearest. */
RO_FN double ro_tanh_f64(double x)
{
    double y = ro_dd_to_f64(ro_dd_tanh(ro_capped_f64(x, 22.0)));
    return ro_keep_nan_f64(ro_sign_of_f64(y, x), x);
}

/* m / (1 + e) and 1 / (1 + e), e = exp(-|v|) = m 2^k: sigmoid(v) is 2^k times that for a negative
 * v, and as it is otherwise; |v.h| <= 1000. */
RO_FN ro_dd ro_dd_logistic_parts(ro_dd v, int64_t *k)
{
    int negative = v.h < 0.0, far = ro_over_f64(ro_abs_f64(v.h), 700.0);
    ro_dd y = ro_dd_pick(negative, v, ro_dd_neg(v)), one = ro_dd_make(1.0, 0.0), m, e;
    m = ro_dd_exp_parts(y, k);
    e = ro_dd_exp(ro_dd_pick(far, ro_dd_make(-700.0, 0.0), y));
    *k = negative ? *k : 0;
    return ro_dd_div(ro_dd_pick(negative, m, one), ro_dd_add(e, one));
}
RO_FN double ro_sigmoid_f64(double x)
{
    double a = ro_sign_of_f64(ro_capped_f64(x, 760.0), x), y;
    int64_t k;
    y = ro_dd_to_f64(ro_dd_logistic_parts(ro_dd_make(a, 0.0), &k));
    return ro_keep_nan_f64(ro_scale_f64(y, k), x);
}

/* ---- asinh, acosh, atanh --------------------------------------------------------------- */

/* ln(v) + shift ln 2, v.h >= 1; f = v - 1, which may hold more of it than v does. */
RO_FN ro_dd ro_dd_ln(ro_dd v, ro_dd f, double shift)
{
    uint64_t u = ro_f64_bits(v.h);
    /* Above bit 52 stands k + 2048, where v = 2^k m with m in [sqrt(1/2), sqrt(2)). */
    uint64_t e = (u - UINT64_C(0x3fe6a09e667f3bcd) + (UINT64_C(2048) << 52)) >> 52;
    double k = ro_sub_f64(ro_bits_f64(UINT64_C(0x4330000000000000) | e), 0x1p52 + 2048.0);
    double m = ro_bits_f64(u - ((e - 2048) << 52));
    double l = ro_mul_f64(v.l, ro_bits_f64((UINT64_C(3071) - e) << 52));
    ro_dd g = ro_dd_make(ro_sub_f64(m, 1.0), ro_pick_f64(e < 3071, l, 0.0));
    return ro_dd_log(ro_add_f64(k, shift), ro_dd_pick(e == 2048, f, g));
}
/* ln(1 + f), f >= 0. */
RO_FN ro_dd ro_dd_one_and(ro_dd f)
{
    ro_dd v = ro_dd_sum(1.0, f.h);
    return ro_dd_fast(v.h, ro_add_f64(v.l, f.l));
}
RO_FN ro_dd ro_dd_log1p(ro_dd f) { return ro_dd_ln(ro_dd_one_and(f), f, 0.0); }

/* ln(1 + f), or ln(2 a) where a > 2^64: there asinh and acosh are that to all digits. */
RO_FN ro_dd ro_dd_area(double a, ro_dd f)
{
    int far = a > 0x1p64;
    ro_dd v = ro_dd_pick(far, ro_dd_make(a, 0.0), ro_dd_one_and(f));
    f = ro_dd_pick(far, ro_dd_make(ro_sub_f64(a, 1.0), 0.0), f);
    return ro_dd_ln(v, f, ro_pick_f64(far, 1.0, 0.0));
}
/* ln(a + sqrt(a^2 + 1)), 1 + a + a^2 / (sqrt(a^2 + 1) + 1) being the number; a is finite. */
RO_FN ro_dd ro_dd_asinh(double a)
{
    double near = ro_capped_f64(a, 0x1p64);
    ro_dd one = ro_dd_make(1.0, 0.0), x = ro_dd_make(near, 0.0), z = ro_dd_mul(x, x);
    ro_dd w = ro_dd_add(ro_dd_sqrt(ro_dd_add(z, one)), one);
    return ro_dd_area(a, ro_dd_add(x, ro_dd_div(z, w)));
}
/* ln(a + sqrt(a^2 - 1)), a >= 1. */
RO_FN ro_dd ro_dd_acosh(double a)
{
    double near = ro_capped_f64(a, 0x1p64);
    ro_dd below = ro_dd_sum(near, -1.0), above = ro_dd_sum(near, 1.0);
    return ro_dd_area(a, ro_dd_add(below, ro_dd_sqrt(ro_dd_mul(below, above))));
}
/* ln((1 + a) / (1 - a)) / 2, 0 <= a < 1. */
RO_FN ro_dd ro_dd_atanh(double a)
{
    ro_dd n = ro_dd_make(ro_add_f64(a, a), 0.0);
    return ro_dd_half(ro_dd_log1p(ro_dd_div(n, ro_dd_sum(1.0, ro_neg_f64(a)))));
}

RO_FN float ro_asinh_f32(float x)
{
    float a = ro_abs_f32(x), y = ro_dd_to_f32(ro_dd_asinh(ro_capped(x, 0x1.fffffep127f)));
    y = ro_pick_f32(a < 0x1p-30f || ro_f32_bits(a) == 0x7f800000u, a, y);
    return ro_keep_nan_f32(ro_sign_of_f32(y, x), x);
}
RO_FN float ro_acosh_f32(float x)
{
    double a = (double)ro_pick_f32(x >= 1.0f && ro_f32_bits(x) != 0x7f800000u, x, 1.0f);
    float y = ro_pick_f32(ro_f32_bits(x) == 0x7f800000u, x, ro_dd_to_f32(ro_dd_acosh(a)));
    return ro_pick_f32(x >= 1.0f, y, ro_bits_f32(RO_NAN_F32));
}
RO_FN float ro_atanh_f32(float x)
{
    float a = ro_abs_f32(x);
    float y = ro_dd_to_f32(ro_dd_atanh((double)ro_pick_f32(a < 1.0f, a, 0.5f)));
    y = ro_pick_f32(a < 0x1p-30f, a, y);
    y = ro_pick_f32(a == 1.0f, ro_bits_f32(0x7f800000u), y);
    return ro_pick_f32(a <= 1.0f, ro_sign_of_f32(y, x), ro_bits_f32(RO_NAN_F32));
}
/* Below 2^-32 an odd function is its argument to 2^-64. */
RO_FN double ro_asinh_f64(double x)
{
    double a = ro_abs_f64(x);
    double y = ro_dd_to_f64(ro_dd_asinh(ro_capped_f64(x, 0x1.fffffffffffffp1023)));
    y = ro_pick_f64(a < 0x1p-32 || ro_f64_bits(a) == UINT64_C(0x7ff0000000000000), a, y);
    return ro_keep_nan_f64(ro_sign_of_f64(y, x), x);
}
RO_FN double ro_acosh_f64(double x)
{
    int inf = ro_f64_bits(x) == UINT64_C(0x7ff0000000000000);
    double y = ro_dd_to_f64(ro_dd_acosh(ro_pick_f64(x >= 1.0 && !inf, x, 1.0)));
    return ro_pick_f64(x >= 1.0, ro_pick_f64(inf, x, y), ro_bits_f64(RO_NAN_F64));
}
RO_FN double ro_atanh_f64(double x)
{
    double a = ro_abs_f64(x);
    double y = ro_dd_to_f64(ro_dd_atanh(ro_pick_f64(a < 1.0, a, 0.5)));
    y = ro_pick_f64(a < 0x1p-32, a, y);
    y = ro_pick_f64(a == 1.0, ro_bits_f64(UINT64_C(0x7ff0000000000000)), y);
    return ro_pick_f64(a <= 1.0, ro_sign_of_f64(y, x), ro_bits_f64(RO_NAN_F64));
}

/* ---- softplus, mish; binary64 only ------------------------------------------------------ */

/* exp(-a) = m 2^k with e, the same as a pair but for a > 700 exp(-700). */
RO_FN ro_dd ro_dd_decay(ro_dd a, ro_dd *e, int64_t *k)
{
    ro_dd y = ro_dd_neg(a);
    *e = ro_dd_exp(ro_dd_pick(ro_over_f64(a.h, 700.0), ro_dd_make(-700.0, 0.0), y));
    return ro_dd_exp_parts(y, k);
}

/* log(1 + exp(x)); from -40 down exp(x) alone. */
RO_FN double ro_softplus_f64(double x)
{
    double a = ro_capped_f64(x, 760.0), y, base;
    int64_t k;
    ro_dd e, m = ro_dd_decay(ro_dd_make(a, 0.0), &e, &k);
    base = ro_pick_f64(!(ro_f64_bits(x) >> 63), x, 0.0);
    y = ro_dd_to_f64(ro_dd_add(ro_dd_make(base, 0.0), ro_dd_log1p(e)));
    y = ro_pick_f64(x < -40.0, ro_scale_f64(ro_dd_to_f64(m), k), y);
    y = ro_pick_f64(ro_f64_bits(x) == UINT64_C(0x7ff0000000000000), x, y);
    return ro_keep_nan_f64(y, x);
}

/* c p, c = x but no less than -least, which times 2^k is an activation at x. */
RO_FN double ro_activation_f64(double x, double least, ro_dd p, int64_t k)
{
    int negative = x < 0.0;
    double c = ro_pick_f64(negative, ro_neg_f64(ro_capped_f64(x, least)), x);
    double y = ro_dd_to_f64(ro_dd_mul_f64(p, c));
    y = ro_pick_f64(negative, ro_scale_f64(y, k), y);
    y = ro_pick_f64(x == 0.0 || ro_f64_bits(x) == UINT64_C(0x7ff0000000000000), x, y);
    return ro_keep_nan_f64(y, x);
}

/* x tanh(log(1 + exp(x))) = x n / d: with e = exp(-|x|) n is e (e + 2) and d is n + 2 below 0,
 * n is 1 + 2 e and d is n + 2 e^2 above. */
RO_FN double ro_mish_f64(double x)
{
    int negative = x < 0.0;
    int64_t k;
    ro_dd e, m = ro_dd_decay(ro_dd_make(ro_capped_f64(x, 760.0), 0.0), &e, &k), n, d, w;
    w = ro_dd_add(ro_dd_add(e, e), ro_dd_make(1.0, 0.0));
    n = ro_dd_mul(e, ro_dd_add(e, ro_dd_make(2.0, 0.0)));
    d = ro_dd_mul(e, ro_dd_add(e, e));
    d = ro_dd_pick(negative, ro_dd_add(n, ro_dd_make(2.0, 0.0)), ro_dd_add(w, d));
    n = ro_dd_pick(negative, ro_dd_mul(m, ro_dd_add(e, ro_dd_make(2.0, 0.0))), w);
    return ro_activation_f64(x, 760.0, ro_dd_div(n, d), k);
}

/* ---- erf, gelu and its derivative; binary64 only ---------------------------------------- */

/* 1 - z/3 + z^2/10 - ..., the series of erf(u) sqrt(pi) / (2 u), z = u^2 <= 0.3. */
RO_FN ro_dd ro_dd_erf_series(ro_dd z)
{
    double p = ro_erf_terms[11];
    ro_dd a;
    for (uint32_t n = 11; n-- > 0;) p = ro_fma_f64(p, z.h, ro_erf_terms[n]);
    a = ro_dd_fast(RO_ERF_2_H, ro_fma_f64(p, z.h, RO_ERF_2_L));
    a = ro_dd_next(RO_ERF_1_H, RO_ERF_1_L, z, a);
    return ro_dd_next(1.0, 0.0, z, a);
}

/* erfc(u) exp(u^2), z = u^2, u >= 0.5: the trapezoidal rule of step h = 7/16 on the integral
 * (u / pi) int exp(-t^2) / (t^2 + z) dt, which is off by what the pole at iu leaves (the term in
 * exp64; from 6 on it is too small) and by 2^-73. */
RO_FN ro_dd ro_dd_erfc_scaled(ro_dd u, ro_dd z)
{
    ro_dd s, one = ro_dd_make(1.0, 0.0);
    double t = 0.0, v = ro_mul_f64(u.h, RO_TWO_PI_BY_H), pole;
    for (uint32_t n = 15; n > 7; n--) {
        double q = ro_mul_f64((double)(n * n), 0x1.88p-3);
        t = ro_add_f64(t, ro_div_f64(ro_bell_table[n][0], ro_add_f64(z.h, q)));
    }
    s = ro_dd_make(t, 0.0);
    for (uint32_t n = 7; n > 0; n--) {
        double q = ro_mul_f64((double)(n * n), 0x1.88p-3);
        ro_dd w = ro_dd_make(ro_bell_table[n][0], ro_bell_table[n][1]);
        s = ro_dd_add(ro_dd_div(w, ro_dd_add(z, ro_dd_make(q, 0.0))), s);
    }
    s = ro_dd_add(ro_dd_div(one, z), s);
    s = ro_dd_mul(ro_dd_mul(u, ro_dd_make(RO_H_BY_PI_H, RO_H_BY_PI_L)), s);
    pole = ro_mul_f64(2.0, ro_exp_f64(ro_sub_f64(z.h, v)));
    pole = ro_div_f64(pole, ro_sub_f64(ro_exp_f64(ro_neg_f64(v)), 1.0));
    return ro_dd_add(s, ro_dd_make(ro_pick_f64(u.h < 6.0, pole, 0.0), 0.0));
}

RO_FN double ro_erf_f64(double x)
{
    double a = ro_capped_f64(x, 6.0), v = ro_pick_f64(ro_over_f64(0.5, a), 0.5, a), y;
    ro_dd z = ro_dd_mul(ro_dd_make(a, 0.0), ro_dd_make(a, 0.0)), f;
    ro_dd w = ro_dd_mul(ro_dd_make(v, 0.0), ro_dd_make(v, 0.0));
    f = ro_dd_mul(ro_dd_erfc_scaled(ro_dd_make(v, 0.0), w), ro_dd_exp(ro_dd_neg(w)));
    f = ro_dd_add(ro_dd_make(1.0, 0.0), ro_dd_neg(f));
    z = ro_dd_mul(ro_dd_erf_series(z), ro_dd_make(RO_TWO_BY_ROOT_PI_H, RO_TWO_BY_ROOT_PI_L));
    y = ro_dd_to_f64(ro_dd_pick(a < 0.5, ro_dd_mul_f64(z, a), f));
    return ro_keep_nan_f64(ro_sign_of_f64(y, x), x);
}

/* Phi(x) and exp(-x^2/2), both times 2^-k where x < -0.75, and k = 0 elsewhere; |x| is capped at
 * 39, where gelu has underflown. */
RO_FN ro_dd ro_dd_normal(double x, ro_dd *bell, int64_t *k)
{
    double a = ro_capped_f64(x, 39.0), c = ro_sign_of_f64(a, x);
    int near = a < 0.75, low = c <= -0.75;
    ro_dd z = ro_dd_half(ro_dd_mul(ro_dd_make(a, 0.0), ro_dd_make(a, 0.0))), e, m, u, w, p, t;
    ro_dd slope = ro_dd_make(RO_INV_ROOT_2PI_H, RO_INV_ROOT_2PI_L), one = ro_dd_make(1.0, 0.0);
    m = ro_dd_decay(z, &e, k);
    *k = low ? *k : 0;
    *bell = ro_dd_pick(low, m, e);
    p = ro_dd_mul_f64(ro_dd_mul(ro_dd_erf_series(ro_dd_pick(near, z, ro_dd_make(0.0, 0.0))), slope),
                      c);
    p = ro_dd_add(ro_dd_make(0.5, 0.0), p);
    u = ro_dd_mul_f64(ro_dd_make(RO_ROOT_HALF_H, RO_ROOT_HALF_L), near ? 1.0 : a);
    w = ro_dd_pick(near, ro_dd_make(0.5, 0.0), z);
    t = ro_dd_mul(ro_dd_half(ro_dd_erfc_scaled(u, w)), *bell);
    t = ro_dd_pick(low, t, ro_dd_add(one, ro_dd_neg(t)));
    return ro_dd_pick(near, p, t);
}

RO_FN double ro_gelu_f64(double x)
{
    int64_t k;
    ro_dd bell, p = ro_dd_normal(x, &bell, &k);
    return ro_activation_f64(x, 39.0, p, k);
}

/* Less than 1/16 from its zero the terms of a derivative of gelu cancel to fewer digits than a pair
 * needs: there it is computed from x - x0 and a row of ro_gelu_zeros. */
RO_FN int ro_gelu_zero_near(const double *zero, double x)
{
    return ro_abs_f64(ro_sub_f64(x, zero[0])) < 0.0625;
}
RO_FN double ro_gelu_zero_f64(const double *zero, double x)
{
    ro_dd t = ro_dd_add(ro_dd_make(x, 0.0), ro_dd_neg(ro_dd_make(zero[0], zero[1])));
    double p = zero[15];
    for (uint32_t n = 14; n > 3; n--) p = ro_fma_f64(p, t.h, zero[n]);
    return ro_dd_to_f64(ro_dd_mul(ro_dd_fast(zero[2], ro_fma_f64(p, t.h, zero[3])), t));
}

/* Phi(x) + x phi(x). */
RO_FN double ro_dgelu_f64(double x)
{
    if (ro_gelu_zero_near(ro_gelu_zeros[0], x)) return ro_gelu_zero_f64(ro_gelu_zeros[0], x);
    int64_t k;
    ro_dd bell, p = ro_dd_normal(x, &bell, &k);
    ro_dd slope = ro_dd_make(RO_INV_ROOT_2PI_H, RO_INV_ROOT_2PI_L);
    double c = ro_sign_of_f64(ro_capped_f64(x, 39.0), x);
    p = ro_dd_add(p, ro_dd_mul_f64(ro_dd_mul(slope, bell), c));
    return ro_keep_nan_f64(ro_scale_f64(ro_dd_to_f64(p), k), x);
}

/* t (a + b t^2). */
RO_FN ro_dd ro_dd_cubic(double t, ro_dd a, ro_dd b)
{
    ro_dd z = ro_dd_mul(ro_dd_make(t, 0.0), ro_dd_make(t, 0.0));
    return ro_dd_mul_f64(ro_dd_add(a, ro_dd_mul(b, z)), t);
}
RO_FN double ro_gelu_tanh_f64(double x)
{
    double c = ro_sign_of_f64(ro_capped_f64(x, 22.0), x);
    int64_t k;
    ro_dd v = ro_dd_cubic(c, ro_dd_make(RO_GELU_A_H, RO_GELU_A_L),
                          ro_dd_make(RO_GELU_B_H, RO_GELU_B_L));
    ro_dd p = ro_dd_logistic_parts(v, &k);
    return ro_activation_f64(x, 22.0, p, k);
}

/* Its derivative: at -t it is e (1 + e - t v') / (1 + e)^2, and at t 1 less that. */
RO_FN double ro_dgelu_tanh_f64(double x)
{
    if (ro_gelu_zero_near(ro_gelu_zeros[1], x)) return ro_gelu_zero_f64(ro_gelu_zeros[1], x);
    double t = ro_capped_f64(x, 22.0);
    int64_t k;
    int negative = x < 0.0;
    ro_dd a = ro_dd_make(RO_GELU_A_H, RO_GELU_A_L), one = ro_dd_make(1.0, 0.0), e, d, w;
    ro_dd m = ro_dd_decay(ro_dd_cubic(t, a, ro_dd_make(RO_GELU_B_H, RO_GELU_B_L)), &e, &k);
    w = ro_dd_cubic(t, a, ro_dd_make(RO_GELU_B3_H, RO_GELU_B3_L));
    d = ro_dd_add(e, one);
    w = ro_dd_mul(ro_dd_pick(negative, m, e), ro_dd_add(d, ro_dd_neg(w)));
    w = ro_dd_div(w, ro_dd_mul(d, d));
    w = ro_dd_pick(negative, w, ro_dd_add(one, ro_dd_neg(w)));
    return ro_keep_nan_f64(ro_scale_f64(ro_dd_to_f64(w), negative ? k : 0), x);
}

#endif
