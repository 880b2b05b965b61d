/* prove.c - checks a correctly rounded function on all 2^32 floats, and measures one of binary64.
 *
 *   prove FUNCTION|all [--stride N] [--digest-only] [--threads N] [--pinned FILE]
 *         [--level scalar|base|avx2|avx512]    which code runs: functions.h, or vmath.h's loops
 *   prove --f64 FUNCTION|all [--points N] [--threads N]     the worst error on N random doubles
 *   exit 0 nothing wrong, 1 a wrong output or digest, or over 1 unit in the last place, 2 usage,
 *   3 the machine failed
 *
 * What this file decides: what "correctly rounded" is compared with, and which doubles are drawn.
 *
 * Invariants
 *   1. The reference shares nothing with repops: it is the C library's binary64 function, or
 *      a short formula of such functions, and MPFR wherever that cannot decide.
 *   2. The binary64 value is trusted to a relative error of 2^-41 only: 2^11 units and more,
 *      where the library's own errors are a few and the worst formula loses 2^8. It decides
 *      when every number within that distance rounds to the same float; else MPFR does, at
 *      320 bits.
 *   3. Where a formula cancels (the zeros of dgelu and dgelu_tanh), MPFR always decides.
 *   4. The digest is SHA-256 over the outputs for the inputs 0, 1, ..., 2^32 - 1, each four
 *      bytes little-endian, NaN as 7fc00000. */
#define _GNU_SOURCE
#include "repops/arith.h"
#include "repops/vmath.h"

#include <errno.h>
#include <math.h>
#include <mpfr.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    THREADS_MAX = 64,
    PIECE = 4096,      /* inputs of one call */
    BLOCK = 1 << 18,   /* inputs a thread takes at a time */
    WAVE_BLOCKS = 64,  /* blocks between two updates of the digest */
    DIGITS = 320       /* bits MPFR works with: gelu(2^-149) needs 149 + 24 and a margin */
};

/* ---- binary64 references --------------------------------------------------------------- */

#define SQRT_HALF 0x1.6a09e667f3bcdp-1
#define TWO_PI 0x1.921fb54442d18p+2
#define INV_SQRT_2PI 0x1.9884533d43651p-2
#define GELU_A 0x1.9884533d43651p+0 /* 2 sqrt(2/pi) */

static double sigmoid_wide(double x)
{
    double e = exp(x < 0 ? x : -x);
    return (x < 0 ? e : 1) / (1 + e);
}

static double softplus_wide(double x)
{
    return (x > 0 ? x : 0) + log1p(exp(x > 0 ? -x : x));
}

/* erfc magnifies the rounding of its argument by x^2: 2^-45 where gelu underflows. */
static double gelu_wide(double x)
{
    return 0.5 * x * erfc(-x * SQRT_HALF);
}

static double dgelu_wide(double x)
{
    if (fabs(x + 0.75179) < 0x1p-8) return NAN;
    if (x < -30) return -0.0; /* below 0, but the terms underflow apart */
    return 0.5 * erfc(-x * SQRT_HALF) + x * INV_SQRT_2PI * exp(-0.5 * x * x);
}

static double gelu_tanh_wide(double x)
{
    return x * sigmoid_wide(GELU_A * (x + 0.044715 * x * x * x));
}

static double dgelu_tanh_wide(double x)
{
    double v = GELU_A * (x + 0.044715 * x * x * x), s = sigmoid_wide(v);
    if (fabs(x + 0.75246) < 0x1p-8) return NAN;
    /* Where s is 0 or 1 to all digits the product below would be 0 times a huge number. */
    if (fabs(v) > 600) return x < 0 ? -0.0 : 1;
    return s + s * sigmoid_wide(-v) * x * GELU_A * (1 + 3 * 0.044715 * x * x);
}

/* fmod and the subtraction are exact, so the argument of sin is 2 pi r rounded twice. */
static double turn_wide(double u, int quarter)
{
    double a = fmod(fabs(u), 1), k = rint(4 * a), r = TWO_PI * (a - k / 4), y;
    int q = ((int)k + quarter) & 3;
    y = (q & 1) ? cos(r) : sin(r);
    if (!(q & 1) && a == k / 4) return quarter ? 0.0 : copysign(0, u);
    y = (q & 2) ? -y : y;
    return !quarter && u < 0 ? -y : y;
}

static double sin2pi_wide(double u) { return turn_wide(u, 0); }
static double cos2pi_wide(double u) { return turn_wide(u, 1); }

/* ---- MPFR references: y = f(x) at DIGITS bits; t is scratch ----------------------------- */

#define DIRECT(name)                                                  \
    static void name##_mp(mpfr_t y, const mpfr_t x, mpfr_t *t)        \
    {                                                                 \
        (void)t;                                                      \
        mpfr_##name(y, x, MPFR_RNDN);                                 \
    }
DIRECT(exp)
DIRECT(log)
DIRECT(tanh)
DIRECT(erf)
DIRECT(sin)
DIRECT(cos)
DIRECT(tan)
DIRECT(asin)
DIRECT(acos)
DIRECT(atan)
DIRECT(sinh)
DIRECT(cosh)
DIRECT(asinh)
DIRECT(acosh)
DIRECT(atanh)
DIRECT(expm1)

static void sigmoid_mp(mpfr_t y, const mpfr_t x, mpfr_t *t)
{
    mpfr_neg(t[0], x, MPFR_RNDN);
    mpfr_exp(t[0], t[0], MPFR_RNDN);
    mpfr_add_ui(t[0], t[0], 1, MPFR_RNDN);
    mpfr_ui_div(y, 1, t[0], MPFR_RNDN);
}

static void softplus_mp(mpfr_t y, const mpfr_t x, mpfr_t *t)
{
    mpfr_abs(t[0], x, MPFR_RNDN);
    mpfr_neg(t[0], t[0], MPFR_RNDN);
    mpfr_exp(t[0], t[0], MPFR_RNDN);
    mpfr_log1p(y, t[0], MPFR_RNDN);
    if (mpfr_sgn(x) > 0) mpfr_add(y, y, x, MPFR_RNDN);
}

static void mish_mp(mpfr_t y, const mpfr_t x, mpfr_t *t)
{
    softplus_mp(y, x, t);
    mpfr_tanh(y, y, MPFR_RNDN);
    mpfr_mul(y, y, x, MPFR_RNDN);
}

/* Phi(x) = erfc(-x / sqrt(2)) / 2. */
static void normal_mp(mpfr_t y, const mpfr_t x, mpfr_t *t)
{
    mpfr_sqrt_ui(t[0], 2, MPFR_RNDN);
    mpfr_div(t[0], x, t[0], MPFR_RNDN);
    mpfr_neg(t[0], t[0], MPFR_RNDN);
    mpfr_erfc(y, t[0], MPFR_RNDN);
    mpfr_div_ui(y, y, 2, MPFR_RNDN);
}

static void gelu_mp(mpfr_t y, const mpfr_t x, mpfr_t *t)
{
    normal_mp(y, x, t);
    mpfr_mul(y, y, x, MPFR_RNDN);
}

static void dgelu_mp(mpfr_t y, const mpfr_t x, mpfr_t *t)
{
    normal_mp(y, x, t);
    mpfr_sqr(t[0], x, MPFR_RNDN);
    mpfr_div_si(t[0], t[0], -2, MPFR_RNDN);
    mpfr_exp(t[0], t[0], MPFR_RNDN);
    mpfr_mul(t[0], t[0], x, MPFR_RNDN);
    mpfr_const_pi(t[1], MPFR_RNDN);
    mpfr_mul_ui(t[1], t[1], 2, MPFR_RNDN);
    mpfr_sqrt(t[1], t[1], MPFR_RNDN);
    mpfr_div(t[0], t[0], t[1], MPFR_RNDN);
    mpfr_add(y, y, t[0], MPFR_RNDN);
    if (mpfr_zero_p(y)) mpfr_setsign(y, y, 1, MPFR_RNDN); /* as dgelu_tanh_mp */
}

/* t[0] = 0.044715 x^2, t[1] = 2 sqrt(2/pi), t[2] = 1 / (1 + exp(-t[1] x (1 + t[0]))). */
static void gelu_tanh_parts(const mpfr_t x, mpfr_t *t)
{
    mpfr_sqr(t[0], x, MPFR_RNDN);
    mpfr_mul_ui(t[0], t[0], 44715, MPFR_RNDN);
    mpfr_div_ui(t[0], t[0], 1000000, MPFR_RNDN);
    mpfr_const_pi(t[1], MPFR_RNDN);
    mpfr_ui_div(t[1], 8, t[1], MPFR_RNDN);
    mpfr_sqrt(t[1], t[1], MPFR_RNDN);
    mpfr_add_ui(t[2], t[0], 1, MPFR_RNDN);
    mpfr_mul(t[2], t[2], x, MPFR_RNDN);
    mpfr_mul(t[2], t[2], t[1], MPFR_RNDN);
    mpfr_neg(t[2], t[2], MPFR_RNDN);
    mpfr_exp(t[2], t[2], MPFR_RNDN);
    mpfr_add_ui(t[2], t[2], 1, MPFR_RNDN);
    mpfr_ui_div(t[2], 1, t[2], MPFR_RNDN);
}

static void gelu_tanh_mp(mpfr_t y, const mpfr_t x, mpfr_t *t)
{
    gelu_tanh_parts(x, t);
    mpfr_mul(y, t[2], x, MPFR_RNDN);
}

/* s + s (1 - s) x t[1] (1 + 3 t[0]), s = t[2]. */
static void dgelu_tanh_mp(mpfr_t y, const mpfr_t x, mpfr_t *t)
{
    gelu_tanh_parts(x, t);
    mpfr_mul_ui(t[0], t[0], 3, MPFR_RNDN);
    mpfr_add_ui(t[0], t[0], 1, MPFR_RNDN);
    mpfr_mul(t[0], t[0], t[1], MPFR_RNDN);
    mpfr_mul(t[0], t[0], x, MPFR_RNDN);
    mpfr_ui_sub(t[1], 1, t[2], MPFR_RNDN);
    mpfr_mul(t[0], t[0], t[1], MPFR_RNDN);
    mpfr_add_ui(t[0], t[0], 1, MPFR_RNDN);
    mpfr_mul(y, t[0], t[2], MPFR_RNDN);
    if (mpfr_zero_p(y)) mpfr_setsign(y, y, 1, MPFR_RNDN); /* of what is below 0 and underflowed */
}

static void sin2pi_mp(mpfr_t y, const mpfr_t x, mpfr_t *t)
{
    (void)t;
    mpfr_sinu(y, x, 1, MPFR_RNDN);
}

static void cos2pi_mp(mpfr_t y, const mpfr_t x, mpfr_t *t)
{
    (void)t;
    mpfr_cosu(y, x, 1, MPFR_RNDN);
}

/* ---- the functions --------------------------------------------------------------------- */

/* The scalar functions as if they were a level. */
#define LOOP(name, a)                                                               \
    static void ro_v##name##_f32_scalar(const float *x, float *y, size_t n)          \
    {                                                                               \
        for (size_t i = 0; i < n; i++) y[i] = ro_bits_f32(ro_canon_f32(ro_##name##_f32(x[i]))); \
    }
RO_VMATH_EACH(LOOP, 0)
static const ro_vmath level_scalar = RO_VMATH_TABLE(scalar);
static const ro_vmath level_base = RO_VMATH_TABLE(base);
#if defined(__x86_64__)
static const ro_vmath level_avx2 = RO_VMATH_TABLE(avx2);
static const ro_vmath level_avx512 = RO_VMATH_TABLE(avx512);
#endif

/* The level of that name, or NULL where this build or this processor lacks it. */
static const ro_vmath *level_named(const char *name)
{
    if (strcmp(name, "scalar") == 0) return &level_scalar;
    if (strcmp(name, "base") == 0) return &level_base;
#if defined(__x86_64__)
    if (strcmp(name, "avx2") == 0 && __builtin_cpu_supports("avx2") &&
        __builtin_cpu_supports("fma"))
        return &level_avx2;
    if (strcmp(name, "avx512") == 0 && __builtin_cpu_supports("avx512f") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl"))
        return &level_avx512;
#endif
    return NULL;
}

typedef struct {
    const char *name;
    int version;
    size_t ours; /* offset of its loop in a level */
    double (*wide)(double);
    void (*exact)(mpfr_t, const mpfr_t, mpfr_t *);
    float at_minus_inf, at_plus_inf; /* the limits of rule 23 */
} function;

#define FUNCTION(name, wide, minus, plus) \
    {#name, 1, offsetof(ro_vmath, name), wide, name##_mp, minus, plus}
static const function functions[] = {
    FUNCTION(exp, exp, 0.0f, INFINITY),
    FUNCTION(log, log, NAN, INFINITY),
    FUNCTION(tanh, tanh, -1.0f, 1.0f),
    FUNCTION(erf, erf, -1.0f, 1.0f),
    FUNCTION(sigmoid, sigmoid_wide, 0.0f, 1.0f),
    FUNCTION(softplus, softplus_wide, 0.0f, INFINITY),
    FUNCTION(gelu, gelu_wide, -0.0f, INFINITY),
    FUNCTION(gelu_tanh, gelu_tanh_wide, -0.0f, INFINITY),
    FUNCTION(dgelu, dgelu_wide, -0.0f, 1.0f),
    FUNCTION(dgelu_tanh, dgelu_tanh_wide, -0.0f, 1.0f),
    FUNCTION(sin2pi, sin2pi_wide, NAN, NAN),
    FUNCTION(cos2pi, cos2pi_wide, NAN, NAN),
    FUNCTION(sin, sin, NAN, NAN),
    FUNCTION(cos, cos, NAN, NAN),
    FUNCTION(tan, tan, NAN, NAN),
    FUNCTION(asin, asin, NAN, NAN),
    FUNCTION(acos, acos, NAN, NAN),
    FUNCTION(atan, atan, -0x1.921fb6p+0f, 0x1.921fb6p+0f),
    FUNCTION(sinh, sinh, -INFINITY, INFINITY),
    FUNCTION(cosh, cosh, INFINITY, INFINITY),
    FUNCTION(asinh, asinh, -INFINITY, INFINITY),
    FUNCTION(acosh, acosh, NAN, INFINITY),
    FUNCTION(atanh, atanh, NAN, NAN),
    FUNCTION(expm1, expm1, -1.0f, INFINITY),
};
enum { FUNCTIONS = sizeof functions / sizeof functions[0] };

/* ---- one input ------------------------------------------------------------------------- */

typedef struct {
    mpfr_t x, y, f, t[3];
} scratch;

static void scratch_init(scratch *s)
{
    mpfr_init2(s->x, 24);
    mpfr_init2(s->f, 24);
    mpfr_init2(s->y, DIGITS);
    for (int i = 0; i < 3; i++) mpfr_init2(s->t[i], DIGITS);
}

static void scratch_release(scratch *s)
{
    mpfr_clear(s->x);
    mpfr_clear(s->f);
    mpfr_clear(s->y);
    for (int i = 0; i < 3; i++) mpfr_clear(s->t[i]);
    mpfr_free_cache();
}

/* The DIGITS-bit value, rounded to binary32 with its subnormals. */
static float decide(const function *f, float x, scratch *s)
{
    mpfr_exp_t low = mpfr_get_emin(), high = mpfr_get_emax();
    int ternary;
    float r;
    mpfr_set_flt(s->x, x, MPFR_RNDN);
    f->exact(s->y, s->x, s->t);
    ternary = mpfr_set(s->f, s->y, MPFR_RNDN);
    mpfr_set_emin(-148);
    mpfr_set_emax(128);
    ternary = mpfr_check_range(s->f, ternary, MPFR_RNDN);
    mpfr_subnormalize(s->f, ternary, MPFR_RNDN);
    r = mpfr_get_flt(s->f, MPFR_RNDN);
    mpfr_set_emin(low);
    mpfr_set_emax(high);
    return r;
}

static float reference(const function *f, float x, scratch *s, uint64_t *decided)
{
    double y, slack;
    float a, b;
    if (x != x) return NAN;
    if (isinf(x)) return x < 0 ? f->at_minus_inf : f->at_plus_inf;
    y = f->wide((double)x);
    /* Zeros are exact or far below the least float, infinities far above the greatest. */
    if (y == 0 || isinf(y)) return (float)y;
    slack = fabs(y) * 0x1p-41;
    a = (float)(y - slack);
    b = (float)(y + slack);
    if (y == y && ro_f32_bits(a) == ro_f32_bits(b)) return a;
    /* A NaN is a formula's refusal, or the library's: outside the domain. */
    if (y != y && f->wide != dgelu_wide && f->wide != dgelu_tanh_wide) return NAN;
    ++*decided;
    return decide(f, x, s);
}

/* ---- all inputs ------------------------------------------------------------------------ */

typedef struct {
    const function *f;
    ro_vmath_fn *ours;
    uint64_t stride, wave; /* index of the wave's first input among those asked for */
    uint64_t count;        /* inputs in the wave */
    int compare;
    unsigned char *bytes;
    atomic_ullong next, wrong, decided;
} work;

/* At most BLOCK inputs. */
static void prove_block(work *w, uint64_t from, uint64_t to, scratch *s)
{
    uint64_t wrong = 0, decided = 0;
    float x[PIECE], y[PIECE];
    for (uint64_t i = from; i < to; i++) {
        uint64_t j = (i - from) % PIECE, k = to - i < PIECE ? to - i : PIECE;
        uint32_t got, want;
        if (j == 0) {
            for (uint64_t e = 0; e < k; e++)
                x[e] = ro_bits_f32((uint32_t)((w->wave + i + e) * w->stride));
            w->ours(x, y, (size_t)k);
        }
        got = ro_f32_bits(y[j]);
        for (int b = 0; b < 4; b++) w->bytes[4 * i + (uint64_t)b] = (unsigned char)(got >> (8 * b));
        if (!w->compare) continue;
        want = ro_canon_f32(reference(w->f, x[j], s, &decided));
        if (got == want) continue;
        if (atomic_load(&w->wrong) + wrong++ < 10)
            printf("  %s(%08x): %08x, should be %08x\n", w->f->name, ro_f32_bits(x[j]), got, want);
    }
    atomic_fetch_add(&w->wrong, wrong);
    atomic_fetch_add(&w->decided, decided);
}

static void *prove_thread(void *arg)
{
    work *w = arg;
    scratch s;
    scratch_init(&s);
    for (;;) {
        uint64_t from = atomic_fetch_add(&w->next, BLOCK);
        if (from >= w->count) break;
        prove_block(w, from, from + BLOCK < w->count ? from + BLOCK : w->count, &s);
    }
    scratch_release(&s);
    return NULL;
}

static int prove_wave(work *w, int threads)
{
    pthread_t id[THREADS_MAX];
    int started = 0, rc = 0;
    atomic_store(&w->next, 0);
    while (started < threads && rc == 0) {
        rc = pthread_create(&id[started], NULL, prove_thread, w);
        if (rc == 0) started++;
    }
    for (int i = 0; i < started; i++) pthread_join(id[i], NULL);
    return rc;
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Runs the inputs; hex gets the digest. 0, or 3 when the machine fails. */
static int prove_inputs(work *w, int threads, char hex[65])
{
    uint64_t total = ((UINT64_C(1) << 32) + w->stride - 1) / w->stride;
    unsigned char digest[EVP_MAX_MD_SIZE];
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    int ok = md != NULL && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1;
    for (w->wave = 0; ok && w->wave < total; w->wave += w->count) {
        uint64_t wave = (uint64_t)BLOCK * WAVE_BLOCKS;
        w->count = total - w->wave < wave ? total - w->wave : wave;
        ok = prove_wave(w, threads) == 0 &&
             EVP_DigestUpdate(md, w->bytes, (size_t)w->count * 4) == 1;
    }
    ok = ok && EVP_DigestFinal_ex(md, digest, NULL) == 1;
    for (int i = 0; ok && i < 32; i++)
        snprintf(hex + 2 * i, 3, "%02x", (unsigned)digest[i]);
    EVP_MD_CTX_free(md);
    return ok ? 0 : 3;
}

/* The pinned digest of a function, or "" where the file has none: 0, or 3 without the file. */
static int read_pinned(const char *path, const function *f, char hex[65])
{
    char line[256], name[64];
    FILE *in = fopen(path, "r");
    int version;
    hex[0] = 0;
    if (in == NULL) return 3;
    while (fgets(line, sizeof line, in) != NULL) {
        char found[65];
        if (line[0] == '#' || sscanf(line, "%63s %d %64s", name, &version, found) != 3) continue;
        if (strcmp(name, f->name) == 0 && version == f->version) memcpy(hex, found, 65);
    }
    fclose(in);
    return 0;
}

typedef struct {
    uint64_t stride;
    int compare, threads;
    const char *pinned;
    const ro_vmath *level;
} options;

static int prove_function(const function *f, const options *o, unsigned char *bytes)
{
    work w = {.f = f, .stride = o->stride, .compare = o->compare, .bytes = bytes};
    char hex[65] = "", want[65] = "";
    double start = seconds();
    int rc;
    memcpy(&w.ours, (const char *)o->level + f->ours, sizeof w.ours);
    rc = prove_inputs(&w, o->threads, hex);
    if (rc != 0) {
        fprintf(stderr, "prove: a thread or the digest could not be started\n");
        return rc;
    }
    if (o->compare)
        printf("%s %d: %llu wrong, %llu decided by MPFR, stride %llu, %.0f s\n", f->name,
               f->version, (unsigned long long)w.wrong, (unsigned long long)w.decided,
               (unsigned long long)o->stride, seconds() - start);
    if (o->stride == 1) printf("%-12s %d %s\n", f->name, f->version, hex);
    if (o->stride == 1 && o->pinned != NULL) {
        if (read_pinned(o->pinned, f, want) != 0) {
            fprintf(stderr, "prove: %s cannot be read: %s\n", o->pinned, strerror(errno));
            return 3;
        }
        if (strcmp(want, hex) != 0) {
            printf("%s: the pinned digest is %s\n", f->name, want[0] ? want : "missing");
            rc = 1;
        }
    }
    fflush(stdout);
    return w.wrong != 0 ? 1 : rc;
}

/* ---- binary64: the worst error on random points ---------------------------------------------- */

typedef struct {
    const char *name;
    double (*ours)(double);
    void (*exact)(mpfr_t, const mpfr_t, mpfr_t *);
    double span; /* beyond it the function is dull; 0: it is not */
    const double *zero; /* where its terms cancel; NULL: nowhere */
} function64;

#define FUNCTION64(name, span) {#name, ro_##name##_f64, name##_mp, span, NULL}
#define FUNCTION64_ZERO(name, span, zero) {#name, ro_##name##_f64, name##_mp, span, zero}
static const function64 functions64[] = {
    FUNCTION64(exp, 746),      FUNCTION64(log, 0),     FUNCTION64(tanh, 24),
    FUNCTION64(sigmoid, 746),  FUNCTION64(erf, 6.5),   FUNCTION64(softplus, 746),
    FUNCTION64(mish, 746),     FUNCTION64(gelu, 39),   FUNCTION64(gelu_tanh, 22),
    FUNCTION64(sin, 0),        FUNCTION64(cos, 0),     FUNCTION64(tan, 0),
    FUNCTION64(asin, 1),       FUNCTION64(acos, 1),    FUNCTION64(atan, 0),
    FUNCTION64(sinh, 711),     FUNCTION64(cosh, 711),  FUNCTION64(expm1, 711),
    FUNCTION64(asinh, 0),      FUNCTION64(acosh, 0),   FUNCTION64(atanh, 1),
    FUNCTION64_ZERO(dgelu, 39, ro_gelu_zeros[0]),
    FUNCTION64_ZERO(dgelu_tanh, 22, ro_gelu_zeros[1]),
};
enum { FUNCTIONS64 = sizeof functions64 / sizeof functions64[0], DIGITS64 = 140 };

typedef struct {
    const function64 *f;
    uint64_t points, seed;
    double worst, at;
    int wrong; /* a NaN or an infinity where there is none, or none where there is one */
} measure;

static uint64_t draw(uint64_t *s)
{
    uint64_t z = *s += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* A quarter are any bits, a quarter lie evenly within the span or [-100, 100], a quarter within
 * [-2, 2], and the rest has an exponent from -40 to 9, as its distance from the zero where that is
 * given. */
static double point(const function64 *f, uint64_t *s)
{
    uint64_t r = draw(s), way = r & 3;
    double u = (double)(int64_t)draw(s) * 0x1p-63;
    if (way == 0) return ro_bits_f64(draw(s));
    if (way == 1) return u * (f->span > 0 ? f->span : 100);
    if (way == 2) return u * (f->span == 1 ? 1 : 2);
    u = ldexp(u < 0 ? u - 1 : u + 1, (int)((r >> 32) % 50) - 40);
    return f->zero ? *f->zero + u * 0x1p-12 : u; /* 2^-52 to 1/8 of it */
}

/* |got - y| in units in the last place of the double nearest to y; -1: one of both is infinite. */
static double units(double got, mpfr_t y, mpfr_t scratch_number)
{
    double want = mpfr_get_d(y, MPFR_RNDN);
    int exponent;
    if (want != want || got != got || isinf(want) || isinf(got))
        return (want != want && got != got) || want == got ? 0 : -1;
    if (signbit(want) != signbit(got)) return -1;
    frexp(want, &exponent);
    if (want == 0 || exponent < -1021) exponent = -1021;
    mpfr_sub_d(scratch_number, y, got, MPFR_RNDN);
    mpfr_mul_2si(scratch_number, scratch_number, 53 - exponent, MPFR_RNDN);
    return fabs(mpfr_get_d(scratch_number, MPFR_RNDN));
}

static void *measure_thread(void *arg)
{
    measure *m = arg;
    mpfr_t x, y, t[3], e;
    mpfr_init2(x, 53);
    mpfr_inits2(DIGITS64, y, e, t[0], t[1], t[2], (mpfr_ptr)0);
    for (uint64_t i = 0; i < m->points; i++) {
        double v = point(m->f, &m->seed), got = m->f->ours(v), error;
        mpfr_set_d(x, v, MPFR_RNDN);
        m->f->exact(y, x, t);
        error = units(got, y, e);
        if (error < 0 && m->wrong++ < 5) printf("  %s(%a): %a\n", m->f->name, v, got);
        if (error > m->worst) m->worst = error, m->at = v;
    }
    mpfr_clears(x, y, e, t[0], t[1], t[2], (mpfr_ptr)0);
    mpfr_free_cache();
    return NULL;
}

/* Splits the points between threads. 0; 1 over one unit; 3 the machine failed. */
static int measure_function(const function64 *f, uint64_t points, int threads)
{
    measure m[THREADS_MAX];
    pthread_t id[THREADS_MAX];
    double start = seconds(), worst = 0, at = 0;
    int started = 0, wrong = 0;
    for (int i = 0; i < threads; i++) {
        m[i] = (measure){.f = f, .points = points / (uint64_t)threads, .seed = (uint64_t)i << 40};
        if (pthread_create(&id[i], NULL, measure_thread, &m[i]) != 0) break;
        started++;
    }
    for (int i = 0; i < started; i++) {
        pthread_join(id[i], NULL);
        wrong += m[i].wrong;
        if (m[i].worst > worst) worst = m[i].worst, at = m[i].at;
    }
    if (started < threads) {
        fprintf(stderr, "prove: a thread could not be started\n");
        return 3;
    }
    printf("%-10s f64: at most %.4f ulp at %a, %d wrong, of %llu points, %.0f s\n", f->name, worst,
           at, wrong, (unsigned long long)points, seconds() - start);
    fflush(stdout);
    return worst > 1 || wrong ? 1 : 0;
}

static int measure_all(const char *name, uint64_t points, int threads)
{
    int rc = -1;
    for (int i = 0; i < FUNCTIONS64; i++) {
        if (strcmp(name, "all") != 0 && strcmp(name, functions64[i].name) != 0) continue;
        int one = measure_function(&functions64[i], points, threads);
        rc = one > rc ? one : rc;
    }
    return rc;
}

static int usage(void)
{
    fprintf(stderr, "usage: prove FUNCTION|all [--stride N] [--digest-only] [--threads N] "
                    "[--pinned FILE]\n       [--level scalar|base|avx2|avx512]\n"
                    "       prove --f64 FUNCTION|all [--points N] [--threads N]\nfunctions:");
    for (int i = 0; i < FUNCTIONS; i++) fprintf(stderr, " %s", functions[i].name);
    fprintf(stderr, "\n");
    return 2;
}

/* A whole decimal number in [1, most]; 0 if the text is anything else. */
static uint64_t number(const char *text, uint64_t most)
{
    uint64_t v = 0;
    if (text == NULL || *text == 0) return 0;
    for (; *text; text++) {
        if (*text < '0' || *text > '9' || v > most) return 0;
        v = 10 * v + (uint64_t)(*text - '0');
    }
    return v <= most ? v : 0;
}

int main(int argc, char **argv)
{
    options o = {.stride = 1, .compare = 1, .threads = 2, .level = &level_scalar};
    unsigned char *bytes;
    uint64_t points = 10000000;
    int rc = 0, found = 0, wide = argc > 2 && strcmp(argv[1], "--f64") == 0;
    if (argc < 2) return usage();
    for (int i = wide ? 3 : 2; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "--digest-only") == 0) o.compare = 0;
        else if (strcmp(argv[i], "--stride") == 0) o.stride = number(value, UINT32_MAX), i++;
        else if (strcmp(argv[i], "--points") == 0) points = number(value, UINT32_MAX), i++;
        else if (strcmp(argv[i], "--threads") == 0)
            o.threads = (int)number(value, THREADS_MAX), i++;
        else if (strcmp(argv[i], "--pinned") == 0 && value != NULL) o.pinned = argv[++i];
        else if (strcmp(argv[i], "--level") == 0 && value != NULL)
            o.level = level_named(argv[++i]);
        else return usage();
    }
    if (o.level == NULL) {
        fprintf(stderr, "prove: this machine or build has no such level\n");
        return 2;
    }
    if (o.stride == 0 || o.threads == 0 || points == 0) return usage();
    if (wide) {
        rc = measure_all(argv[2], points, o.threads);
        return rc < 0 ? usage() : rc;
    }
    bytes = malloc((size_t)BLOCK * WAVE_BLOCKS * 4);
    if (bytes == NULL) return 3;
    for (int i = 0; i < FUNCTIONS; i++) {
        int one;
        if (strcmp(argv[1], "all") != 0 && strcmp(argv[1], functions[i].name) != 0) continue;
        found = 1;
        one = prove_function(&functions[i], &o, bytes);
        rc = one > rc ? one : rc;
    }
    free(bytes);
    return found ? rc : usage();
}
