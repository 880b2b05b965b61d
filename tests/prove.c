/* prove.c - checks a correctly rounded function on all 2^32 floats.
 *
 *   prove FUNCTION|all [--stride N] [--digest-only] [--threads N] [--pinned FILE]
 *   exit 0 nothing wrong, 1 a wrong output or digest, 2 usage, 3 the machine failed
 *
 * What this file decides: what "correctly rounded" is compared with.
 *
 * Invariants
 *   1. The reference shares nothing with repops: it is the C library's long double function,
 *      or a short formula of such functions, and MPFR wherever that cannot decide.
 *   2. The long double value L is trusted to a relative error of 2^-44, some 2^20 of its own
 *      ulps and far above what the formulas below lose. It decides only when every number
 *      within that distance rounds to the same float; else MPFR does, at 320 bits.
 *   3. Where a formula cancels (the zeros of dgelu and dgelu_tanh), MPFR always decides.
 *   4. The digest is SHA-256 over the outputs for the inputs 0, 1, ..., 2^32 - 1, each four
 *      bytes little-endian, NaN as 7fc00000. */
#define _GNU_SOURCE
#include "repops/arith.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <mpfr.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if LDBL_MANT_DIG < 64
#error "prove: the reference needs a long double of at least 64 bits"
#endif

enum {
    THREADS_MAX = 64,
    BLOCK = 1 << 18,   /* inputs a thread takes at a time */
    WAVE_BLOCKS = 64,  /* blocks between two updates of the digest */
    DIGITS = 320       /* bits MPFR works with: gelu(2^-149) needs 149 + 24 and a margin */
};

/* ---- long double references ------------------------------------------------------------ */

#define SQRT_HALF 0.707106781186547524400844362104849039L
#define TWO_PI 6.283185307179586476925286766559005768L
#define INV_SQRT_2PI 0.398942280401432677939946059934381868L
#define GELU_A 1.595769121605730711759783339560105654L /* 2 sqrt(2/pi) */

static long double sigmoid_ld(long double x)
{
    long double e = expl(x < 0 ? x : -x);
    return (x < 0 ? e : 1) / (1 + e);
}

static long double softplus_ld(long double x)
{
    return (x > 0 ? x : 0) + log1pl(expl(x > 0 ? -x : x));
}

static long double gelu_ld(long double x)
{
    return 0.5L * x * erfcl(-x * SQRT_HALF);
}

static long double dgelu_ld(long double x)
{
    if (fabsl(x + 0.75179L) < 0x1p-8L) return NAN;
    if (x < -140) return -0.0L; /* below 0, and long double underflows in places */
    return 0.5L * erfcl(-x * SQRT_HALF) + x * INV_SQRT_2PI * expl(-0.5L * x * x);
}

static long double gelu_tanh_ld(long double x)
{
    return x * sigmoid_ld(GELU_A * (x + 0.044715L * x * x * x));
}

static long double dgelu_tanh_ld(long double x)
{
    long double v = GELU_A * (x + 0.044715L * x * x * x), s = sigmoid_ld(v);
    if (fabsl(x + 0.75246L) < 0x1p-8L) return NAN;
    /* Where s is 0 or 1 to all digits the product below would be 0 times a huge number. */
    if (fabsl(v) > 11000) return x < 0 ? -0.0L : 1;
    return s + s * sigmoid_ld(-v) * x * GELU_A * (1 + 3 * 0.044715L * x * x);
}

/* fmodl and the subtraction are exact, so the argument of sinl is 2 pi r rounded once. */
static long double turn_ld(long double u, int quarter)
{
    long double a = fmodl(fabsl(u), 1), k = rintl(4 * a), r = TWO_PI * (a - k / 4), y;
    int q = ((int)k + quarter) & 3;
    y = (q & 1) ? cosl(r) : sinl(r);
    if (!(q & 1) && a == k / 4) return quarter ? 0.0L : copysignl(0, u);
    y = (q & 2) ? -y : y;
    return !quarter && u < 0 ? -y : y;
}

static long double sin2pi_ld(long double u) { return turn_ld(u, 0); }
static long double cos2pi_ld(long double u) { return turn_ld(u, 1); }

/* ---- MPFR references: y = f(x) at DIGITS bits; t is scratch ----------------------------- */

static void exp_mp(mpfr_t y, const mpfr_t x, mpfr_t *t)
{
    (void)t;
    mpfr_exp(y, x, MPFR_RNDN);
}

static void log_mp(mpfr_t y, const mpfr_t x, mpfr_t *t)
{
    (void)t;
    mpfr_log(y, x, MPFR_RNDN);
}

static void tanh_mp(mpfr_t y, const mpfr_t x, mpfr_t *t)
{
    (void)t;
    mpfr_tanh(y, x, MPFR_RNDN);
}

static void erf_mp(mpfr_t y, const mpfr_t x, mpfr_t *t)
{
    (void)t;
    mpfr_erf(y, x, MPFR_RNDN);
}

static void sigmoid_mp(mpfr_t y, const mpfr_t x, mpfr_t *t)
{
    mpfr_neg(t[0], x, MPFR_RNDN);
    mpfr_exp(t[0], t[0], MPFR_RNDN);
    mpfr_add_ui(t[0], t[0], 1, MPFR_RNDN);
    mpfr_ui_div(y, 1, t[0], MPFR_RNDN);
}

static void softplus_mp(mpfr_t y, const mpfr_t x, mpfr_t *t)
{
    mpfr_exp(t[0], x, MPFR_RNDN);
    mpfr_log1p(y, t[0], MPFR_RNDN);
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

#define WRAP(name) static float name##_ro(float x) { return ro_##name##_f32(x); }
WRAP(exp)
WRAP(log)
WRAP(tanh)
WRAP(erf)
WRAP(sigmoid)
WRAP(softplus)
WRAP(gelu)
WRAP(gelu_tanh)
WRAP(dgelu)
WRAP(dgelu_tanh)
WRAP(sin2pi)
WRAP(cos2pi)

typedef struct {
    const char *name;
    int version;
    float (*ours)(float);
    long double (*wide)(long double);
    void (*exact)(mpfr_t, const mpfr_t, mpfr_t *);
    float at_minus_inf, at_plus_inf; /* the limits of rule 23 */
} function;

#define FUNCTION(name, wide, minus, plus) {#name, 1, name##_ro, wide, name##_mp, minus, plus}
static const function functions[] = {
    FUNCTION(exp, expl, 0.0f, INFINITY),
    FUNCTION(log, logl, NAN, INFINITY),
    FUNCTION(tanh, tanhl, -1.0f, 1.0f),
    FUNCTION(erf, erfl, -1.0f, 1.0f),
    FUNCTION(sigmoid, sigmoid_ld, 0.0f, 1.0f),
    FUNCTION(softplus, softplus_ld, 0.0f, INFINITY),
    FUNCTION(gelu, gelu_ld, -0.0f, INFINITY),
    FUNCTION(gelu_tanh, gelu_tanh_ld, -0.0f, INFINITY),
    FUNCTION(dgelu, dgelu_ld, -0.0f, 1.0f),
    FUNCTION(dgelu_tanh, dgelu_tanh_ld, -0.0f, 1.0f),
    FUNCTION(sin2pi, sin2pi_ld, NAN, NAN),
    FUNCTION(cos2pi, cos2pi_ld, NAN, NAN),
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
    long double y, slack;
    float a, b;
    if (x != x) return NAN;
    if (isinf(x)) return x < 0 ? f->at_minus_inf : f->at_plus_inf;
    y = f->wide((long double)x);
    /* Zeros are exact or far below the least float, infinities far above the greatest. */
    if (y == 0 || isinf(y)) return (float)y;
    slack = fabsl(y) * 0x1p-44L;
    a = (float)(y - slack);
    b = (float)(y + slack);
    /* A long double NaN is the formula's refusal, or a true one: MPFR knows. */
    if (y == y && ro_f32_bits(a) == ro_f32_bits(b)) return a;
    if (y != y && f->wide == logl && x < 0) return NAN;
    ++*decided;
    return decide(f, x, s);
}

/* ---- all inputs ------------------------------------------------------------------------ */

typedef struct {
    const function *f;
    uint64_t stride, wave; /* index of the wave's first input among those asked for */
    uint64_t count;        /* inputs in the wave */
    int compare;
    unsigned char *bytes;
    atomic_ullong next, wrong, decided;
} work;

static void prove_block(work *w, uint64_t from, uint64_t to, scratch *s)
{
    uint64_t wrong = 0, decided = 0;
    for (uint64_t i = from; i < to; i++) {
        float x = ro_bits_f32((uint32_t)((w->wave + i) * w->stride));
        uint32_t got = ro_canon_f32(w->f->ours(x)), want;
        unsigned char *p = w->bytes + 4 * i;
        for (int k = 0; k < 4; k++) p[k] = (unsigned char)(got >> (8 * k));
        if (!w->compare) continue;
        want = ro_canon_f32(reference(w->f, x, s, &decided));
        if (got == want) continue;
        if (atomic_load(&w->wrong) + wrong++ < 10)
            printf("  %s(%08x): %08x, should be %08x\n", w->f->name, ro_f32_bits(x), got, want);
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
} options;

static int prove_function(const function *f, const options *o, unsigned char *bytes)
{
    work w = {.f = f, .stride = o->stride, .compare = o->compare, .bytes = bytes};
    char hex[65] = "", want[65] = "";
    double start = seconds();
    int rc = prove_inputs(&w, o->threads, hex);
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

static int usage(void)
{
    fprintf(stderr, "usage: prove FUNCTION|all [--stride N] [--digest-only] [--threads N] "
                    "[--pinned FILE]\nfunctions:");
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
    options o = {.stride = 1, .compare = 1, .threads = 2};
    unsigned char *bytes;
    int rc = 0, found = 0;
    if (argc < 2) return usage();
    for (int i = 2; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "--digest-only") == 0) o.compare = 0;
        else if (strcmp(argv[i], "--stride") == 0) o.stride = number(value, UINT32_MAX), i++;
        else if (strcmp(argv[i], "--threads") == 0)
            o.threads = (int)number(value, THREADS_MAX), i++;
        else if (strcmp(argv[i], "--pinned") == 0 && value != NULL) o.pinned = argv[++i];
        else return usage();
    }
    if (o.stride == 0 || o.threads == 0) return usage();
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
