/* test_functions.c - the functions of one argument, the powers and the random words.
 *
 * What this file decides: the values at the ends of the number line (rule 23 and 24), known
 * answers for the binary64 sequences, the powers and Philox, and that the array forms are the
 * scalar ones at every length. Correct rounding itself is tests/prove.c's matter.
 *
 * Invariants
 *   1. Known answers come from elsewhere: Random123's published vectors, and a program with
 *      exact rationals, rounded once an operation as docs/ARITHMETIC.md writes them.
 *   2. Errors of binary64 functions are measured with the C library's long double, whose own are
 *      some 2^-10 of a unit.
 *   3. The array forms work in buffers with a margin: a write beside the end is a failure. */
#include "repops/arith.h"
#include "repops/vmath.h"

#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <string.h>

/* ---- ends of the number line ------------------------------------------------------------- */

#define NEG_ZERO 0x80000000u
#define INF 0x7f800000u
#define ONE 0x3f800000u
#define HALF 0x3f000000u
#define HALF_PI 0x3fc90fdbu
#define TINY 0x00000001u /* 2^-149 */

typedef struct {
    const char *name;
    size_t loop;
    /* bits at -inf, -0, +0, +inf, 2^-149 and the greatest float */
    uint32_t minus_inf, minus_zero, zero, inf, tiny, huge;
} ends;

#define AT(name) #name, offsetof(ro_vmath, name)
static const ends table[] = {
    {AT(exp), 0, ONE, ONE, INF, ONE, INF},
    {AT(log), RO_NAN_F32, 0xff800000u, 0xff800000u, INF, 0xc2ce8ed0u, 0x42b17218u},
    {AT(tanh), 0xbf800000u, NEG_ZERO, 0, ONE, TINY, ONE},
    {AT(erf), 0xbf800000u, NEG_ZERO, 0, ONE, TINY, ONE},
    {AT(sigmoid), 0, HALF, HALF, ONE, HALF, ONE},
    {AT(softplus), 0, 0x3f317218u, 0x3f317218u, INF, 0x3f317218u, 0x7f7fffffu},
    /* 2^-150 is a tie that gelu's positive second term decides upward. */
    {AT(gelu), NEG_ZERO, NEG_ZERO, 0, INF, TINY, 0x7f7fffffu},
    {AT(gelu_tanh), NEG_ZERO, NEG_ZERO, 0, INF, TINY, 0x7f7fffffu},
    {AT(dgelu), NEG_ZERO, HALF, HALF, ONE, HALF, ONE},
    {AT(dgelu_tanh), NEG_ZERO, HALF, HALF, ONE, HALF, ONE},
    {AT(sin2pi), RO_NAN_F32, NEG_ZERO, 0, RO_NAN_F32, 6, 0},
    {AT(cos2pi), RO_NAN_F32, ONE, ONE, RO_NAN_F32, ONE, ONE},
    {AT(sin), RO_NAN_F32, NEG_ZERO, 0, RO_NAN_F32, TINY, 0xbf0599b3u},
    {AT(cos), RO_NAN_F32, ONE, ONE, RO_NAN_F32, ONE, 0x3f5a5f96u},
    {AT(tan), RO_NAN_F32, NEG_ZERO, 0, RO_NAN_F32, TINY, 0xbf1c9ecau},
    {AT(asin), RO_NAN_F32, NEG_ZERO, 0, RO_NAN_F32, TINY, RO_NAN_F32},
    {AT(acos), RO_NAN_F32, HALF_PI, HALF_PI, RO_NAN_F32, HALF_PI, RO_NAN_F32},
    {AT(atan), HALF_PI | NEG_ZERO, NEG_ZERO, 0, HALF_PI, TINY, HALF_PI},
    {AT(sinh), 0xff800000u, NEG_ZERO, 0, INF, TINY, INF},
    {AT(cosh), INF, ONE, ONE, INF, ONE, INF},
    {AT(asinh), 0xff800000u, NEG_ZERO, 0, INF, TINY, 0x42b2d4fcu},
    {AT(acosh), RO_NAN_F32, RO_NAN_F32, RO_NAN_F32, INF, RO_NAN_F32, 0x42b2d4fcu},
    {AT(atanh), RO_NAN_F32, NEG_ZERO, 0, RO_NAN_F32, TINY, RO_NAN_F32},
    {AT(expm1), 0xbf800000u, NEG_ZERO, 0, INF, TINY, INF},
};

/* ---- the levels this processor has --------------------------------------------------------- */

#define LOOP(name, a)                                                                      \
    static void ro_v##name##_f32_scalar(const float *x, float *y, size_t n)                \
    {                                                                                      \
        for (size_t i = 0; i < n; i++) y[i] = ro_bits_f32(ro_canon_f32(ro_##name##_f32(x[i]))); \
    }
RO_VMATH_EACH(LOOP, 0)
static const ro_vmath scalar = RO_VMATH_TABLE(scalar), base = RO_VMATH_TABLE(base);
#if defined(__x86_64__)
static const ro_vmath avx2 = RO_VMATH_TABLE(avx2), avx512 = RO_VMATH_TABLE(avx512);
#endif

static int levels(const ro_vmath *out[4])
{
    int n = 0;
    out[n++] = &scalar;
    out[n++] = &base;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) out[n++] = &avx2;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
        out[n++] = &avx512;
#endif
    return n;
}

static ro_vmath_fn *loop_of(const ro_vmath *level, size_t offset)
{
    ro_vmath_fn *f;
    memcpy(&f, (const char *)level + offset, sizeof f);
    return f;
}

static uint32_t at(ro_vmath_fn *f, uint32_t x)
{
    float in = ro_bits_f32(x), out;
    f(&in, &out, 1);
    return ro_f32_bits(out);
}

Test(functions, ends)
{
    const ro_vmath *level[4];
    int n = levels(level);
    for (int l = 0; l < n; l++) {
        for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
            const ends *e = &table[i];
            ro_vmath_fn *f = loop_of(level[l], e->loop);
            const uint32_t in[] = {0xff800000u, NEG_ZERO, 0, INF, TINY, 0x7f7fffffu,
                                   0x7fc00000u, 0xffc00000u, 0x7f800001u, 0xffffffffu};
            const uint32_t want[] = {e->minus_inf, e->minus_zero, e->zero, e->inf, e->tiny,
                                     e->huge, RO_NAN_F32, RO_NAN_F32, RO_NAN_F32, RO_NAN_F32};
            for (size_t k = 0; k < sizeof in / sizeof in[0]; k++)
                cr_expect_eq(at(f, in[k]), want[k], "level %d: %s(%08x) is %08x, not %08x", l,
                             e->name, in[k], at(f, in[k]), want[k]);
        }
    }
}

Test(functions, last_subnormals)
{
    /* gelu and its kin round to -0 only under half the least float, and keep their sign. */
    cr_expect_eq(ro_f32_bits(ro_gelu_f32(-14.3f)), 0x80000001u);
    cr_expect_eq(ro_f32_bits(ro_gelu_f32(-14.5f)), NEG_ZERO);
    cr_expect_eq(ro_f32_bits(ro_dgelu_f32(-14.3f)), 0x80000010u);
    cr_expect_eq(ro_f32_bits(ro_dgelu_f32(-15.0f)), NEG_ZERO);
    cr_expect_eq(ro_f32_bits(ro_gelu_tanh_f32(-14.3f)), NEG_ZERO);
    cr_expect_eq(ro_f32_bits(ro_exp_f32(-103.97208f)), TINY);
    cr_expect_eq(ro_f32_bits(ro_exp_f32(-103.972084f)), 0);
    cr_expect_eq(ro_f32_bits(ro_sigmoid_f32(-103.97208f)), TINY);
    /* The true value is 2^-49.6 of itself above the middle of two floats. */
    cr_expect_eq(ro_f32_bits(ro_gelu_f32(-0x1.79da74p+3f)), 0x8c882138u);
}

Test(functions, quarter_turns)
{
    /* Zeros of sin2pi carry the sign of u, those of cos2pi are +0. */
    for (int k = -9; k <= 9; k++) {
        float u = 0.25f * (float)k;
        int q = k & 3;
        uint32_t s = q == 1 ? ONE : q == 3 ? 0xbf800000u : k < 0 ? NEG_ZERO : 0;
        uint32_t c = q == 0 ? ONE : q == 2 ? 0xbf800000u : 0;
        cr_expect_eq(ro_f32_bits(ro_sin2pi_f32(u)), s, "sin2pi(%d/4)", k);
        cr_expect_eq(ro_f32_bits(ro_cos2pi_f32(u)), c, "cos2pi(%d/4)", k);
    }
    cr_expect_eq(ro_f32_bits(ro_sin2pi_f32(-0x1.fffffep127f)), NEG_ZERO);
    cr_expect_eq(ro_f32_bits(ro_cos2pi_f32(0x1.000002p23f)), ONE);
}

/* ---- array forms ---------------------------------------------------------------------------- */

static uint64_t draw(uint64_t *s)
{
    uint64_t z = *s += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* Half the inputs are any bits, half lie where the functions are curved. */
static void fill(float *x, size_t n, uint64_t *s)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t r = draw(s);
        x[i] = (r & 1) ? ro_bits_f32((uint32_t)(r >> 32))
                       : (float)((double)(int64_t)draw(s) * 0x1p-59);
    }
}

enum { LENGTH = 200, MARGIN = 8 };

static void check_loop(ro_vmath_fn *f, ro_vmath_fn *want, const char *name, uint64_t *s)
{
    float x[LENGTH + MARGIN], y[LENGTH + MARGIN], w[LENGTH + MARGIN];
    for (size_t n = 0; n <= LENGTH; n++) {
        size_t skew = n % 7; /* no alignment is asked for */
        fill(x, LENGTH + MARGIN, s);
        memcpy(y, x, sizeof y);
        memcpy(w, x, sizeof w);
        want(x + skew, w + skew, n <= LENGTH - skew ? n : LENGTH - skew);
        f(x + skew, y + skew, n <= LENGTH - skew ? n : LENGTH - skew);
        cr_expect_arr_eq(y, w, sizeof w, "%s differs at length %zu", name, n);
        f(x + skew, x + skew, n <= LENGTH - skew ? n : LENGTH - skew);
        cr_expect_arr_eq(x, w, sizeof w, "%s in place differs at length %zu", name, n);
    }
}

Test(functions, array_forms)
{
    const ro_vmath *level[4];
    int n = levels(level);
    uint64_t s = 1;
    for (int l = 1; l < n; l++)
        for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
            check_loop(loop_of(level[l], table[i].loop), loop_of(&scalar, table[i].loop),
                       table[i].name, &s);
}

/* ---- binary64 sequences, powers, random words ----------------------------------------------- */

typedef struct {
    double x;
    uint64_t want;
} answer;

Test(functions, exp64)
{
    static const answer a[] = {
        {0x1p+0, UINT64_C(0x4005bf0a8b145769)},
        {-0x1p+0, UINT64_C(0x3fd78b56362cef38)},
        {0x1.999999999999ap-4, UINT64_C(0x3ff1aec7b35a00d4)},
        {-0x1.999999999999ap-4, UINT64_C(0x3fecf46d99d52b3a)},
        {0x1.48p+4, UINT64_C(0x41c7d6c4f0bcdd5c)},
        {0x1.62cp+9, UINT64_C(0x7fe81e9b4b52d0c9)},
        {-0x1.626p+9, UINT64_C(0x000b3c15564d094a)},
        {-0x1.748p+9, UINT64_C(0x0000000000000001)},
        {0x1.56e1fc2f8f359p-997, UINT64_C(0x3ff0000000000000)},
        {710.5, UINT64_C(0x7ff0000000000000)},
        {-747, 0},
        {INFINITY, UINT64_C(0x7ff0000000000000)},
        {-INFINITY, 0},
        {NAN, RO_NAN_F64},
    };
    for (size_t i = 0; i < sizeof a / sizeof a[0]; i++)
        cr_expect_eq(ro_canon_f64(ro_exp_f64(a[i].x)), a[i].want, "exp64(%a)", a[i].x);
}

Test(functions, log64)
{
    static const answer a[] = {
        {0x1p-1074, UINT64_C(0xc0874385446d71c3)},
        {0x1.8p-1060, UINT64_C(0xc086f2a4f5736e06)},
        {0x1p-1022, UINT64_C(0xc086232bdd7abcd2)},
        {0x1.6a09e667f3bccp-1, UINT64_C(0xbfd62e42fefa39f1)},
        {0x1.6a09e667f3bcdp-1, UINT64_C(0xbfd62e42fefa39ee)},
        {0x1.6a09e667f3bcdp+0, UINT64_C(0x3fd62e42fefa39f0)},
        {0x1.6a09e667f3bcep+0, UINT64_C(0x3fd62e42fefa39f3)},
        {0x1.0000000000001p+0, UINT64_C(0x3cafffffffffffff)},
        {0x1.fffffffffffffp-1, UINT64_C(0xbca0000000000000)},
        {0x1p+0, 0},
        {0x1.4p+3, UINT64_C(0x40026bb1bbb55516)},
        {0x1.fffffffffffffp+1023, UINT64_C(0x40862e42fefa39ef)},
        {0.0, UINT64_C(0xfff0000000000000)},
        {-0.0, UINT64_C(0xfff0000000000000)},
        {-0x1p-1074, RO_NAN_F64},
        {INFINITY, UINT64_C(0x7ff0000000000000)},
        {-INFINITY, RO_NAN_F64},
        {NAN, RO_NAN_F64},
    };
    for (size_t i = 0; i < sizeof a / sizeof a[0]; i++)
        cr_expect_eq(ro_canon_f64(ro_log_f64(a[i].x)), a[i].want, "log64(%a)", a[i].x);
}

/* ---- binary64 functions against the library's long double ------------------------------------ */

typedef struct {
    const char *name;
    double (*ours)(double);
    long double (*wide)(long double);
} wide_row;

static long double sigmoidl(long double x) { return 1 / (1 + expl(-x)); }
static long double softplusl(long double x)
{
    return (x > 0 ? x : 0) + log1pl(expl(x > 0 ? -x : x));
}
static long double mishl(long double x) { return x * tanhl(softplusl(x)); }
static long double gelul(long double x) { return x / 2 * erfcl(-x * sqrtl(0.5L)); }
static long double gelu_tanhl(long double x)
{
    return x * sigmoidl(2 * sqrtl(2 / acosl(-1)) * (x + 0.044715L * x * x * x));
}

#define WIDE(name) {#name, ro_##name##_f64, name##l}
static const wide_row wide_rows[] = {
    WIDE(exp),  WIDE(log),  WIDE(tanh), WIDE(sigmoid), WIDE(erf),   WIDE(softplus), WIDE(mish),
    WIDE(gelu), WIDE(gelu_tanh), WIDE(sin), WIDE(cos), WIDE(tan),   WIDE(asin),     WIDE(acos),
    WIDE(atan), WIDE(sinh), WIDE(cosh), WIDE(asinh),   WIDE(acosh), WIDE(atanh),    WIDE(expm1),
};

/* The rest of 10^7 points is `make test-slow ONLY=f64-functions`, against MPFR. */
Test(functions, binary64_within_one_unit)
{
    uint64_t s = 5;
    if (LDBL_MANT_DIG < 64) cr_skip_test("long double has %d bits here", LDBL_MANT_DIG);
    for (size_t i = 0; i < sizeof wide_rows / sizeof wide_rows[0]; i++) {
        const wide_row *w = &wide_rows[i];
        double worst = 0, at = 0;
        for (int k = 0; k < 20000; k++) {
            double u = (double)(int64_t)draw(&s) * 0x1p-63, x = k & 1 ? u : 30 * u, got, e;
            long double want = w->wide((long double)x);
            /* In the tails the references lose as many bits as their exponents grow. */
            if (fabsl(want) < 0x1p-60L || isnan(want)) continue;
            got = w->ours(x);
            e = (double)fabsl(((long double)got - want) / ldexpl(1, ilogbl(want) - 52));
            if (!(e <= worst)) worst = e, at = x;
        }
        cr_expect(worst <= 1, "%s(%a) is off by %.4f units", w->name, at, worst);
    }
}

Test(functions, powers)
{
    /* In each of the first three another order of the products gives other bits. */
    cr_expect_eq(ro_f64_bits(ro_powi_f64(0.999, 15)), UINT64_C(0x3fef85f9f83880bc));
    cr_expect_eq(ro_f64_bits(ro_powi_f64(1.1, 13)), UINT64_C(0x400b9e405ed5ecb6));
    cr_expect_eq(ro_f64_bits(ro_powi_f64(0.9, 1000)), UINT64_C(0x366fee7413dac412));
    cr_expect_eq(ro_f64_bits(ro_powi_f64(-1.5, 7)), UINT64_C(0xc031160000000000));
    cr_expect_eq(ro_f64_bits(ro_powi_f64(3.0, 0)), UINT64_C(0x3ff0000000000000));
    cr_expect_eq(ro_f64_bits(ro_powi_f64(-0.0, 1)), UINT64_C(0x8000000000000000));
    cr_expect_eq(ro_f64_bits(ro_powi_f64(0.5, UINT64_MAX)), 0);
}

Test(functions, philox)
{
    static const struct {
        uint32_t counter[4];
        uint64_t key;
        uint32_t want[4];
    } a[] = {
        {{0, 0, 0, 0}, 0, {0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u}},
        {{0xffffffffu, 0xffffffffu, 0xffffffffu, 0xffffffffu},
         UINT64_MAX,
         {0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu}},
        {{0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u},
         UINT64_C(0x299f31d0a4093822),
         {0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u}},
    };
    for (size_t i = 0; i < sizeof a / sizeof a[0]; i++) {
        uint32_t out[4];
        ro_philox(a[i].counter, a[i].key, out);
        cr_expect_arr_eq(out, a[i].want, sizeof out, "answer %zu", i);
    }
}
