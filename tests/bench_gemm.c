/* bench_gemm.c - how fast the contractions are, beside OpenBLAS and beside the multipliers.
 *
 * What this file decides: the shapes, how time is taken, and what a figure is compared with.
 * usage: bench_gemm [--json] [THREADS [SET]]      SET: avx512, avx2, base; the best one if left out
 *
 * Invariants
 *   1. The bits are checked before a speed is printed: the kernel set under test against the
 *      portable one, and a wrong one ends the program with 1.
 *   2. Ours and the peer's runs alternate; a figure is a median. With one thread the clock
 *      counts this thread's time, so that other load on the machine does not.
 *   3. The peer is loaded at run time. OPENBLAS_CORETYPE is set to the kernels for this
 *      processor's instruction set: left to itself, OpenBLAS 0.3.21 runs SSE kernels on
 *      processors newer than it, five times slower, and that would be no comparison. */
#define _GNU_SOURCE
#include "repops/gemm.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define RUNS_MAX 61

typedef void sgemm_fn(int order, int ta, int tb, int m, int n, int k, float alpha, const float *a,
                      int lda, const float *b, int ldb, float beta, float *c, int ldc);

static uint32_t threads = 1;
static const ro_kernel_set *set;
static ro_pool *pool;
static sgemm_fn *peer;
static double peak; /* GFLOP/s of one thread's multipliers */

static double now(void)
{
    struct timespec t;
    clock_gettime(threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void *room(uint64_t elements)
{
    float *p = ro_alloc((elements + 16) * sizeof *p);
    static uint32_t state = 1;
    if (!p) exit(1);
    for (uint64_t i = 0; i < elements + 16; i++) {
        state = state * 1664525u + 1013904223u;
        p[i] = (float)(int32_t)state * 0x1p-31f;
    }
    return p;
}

/* ---- what the multipliers can do --------------------------------------------------------- */

#if defined(__x86_64__)
__attribute__((target("avx512f"))) static float spin_avx512(uint64_t n)
{
    __m512 x = _mm512_set1_ps(0.5f), a[16];
    for (int i = 0; i < 16; i++) a[i] = _mm512_set1_ps((float)i);
    for (uint64_t r = 0; r < n; r++)
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++) a[i] = _mm512_fmadd_ps(a[i], x, x);
    for (int i = 1; i < 16; i++) a[0] = _mm512_add_ps(a[0], a[i]);
    return _mm512_cvtss_f32(a[0]);
}

__attribute__((target("avx2,fma"))) static float spin_avx2(uint64_t n)
{
    __m256 x = _mm256_set1_ps(0.5f), a[12];
    for (int i = 0; i < 12; i++) a[i] = _mm256_set1_ps((float)i);
    for (uint64_t r = 0; r < n; r++)
#pragma GCC unroll 16
        for (int i = 0; i < 12; i++) a[i] = _mm256_fmadd_ps(a[i], x, x);
    for (int i = 1; i < 12; i++) a[0] = _mm256_add_ps(a[0], a[i]);
    return _mm256_cvtss_f32(a[0]);
}

static double measure_peak(void)
{
    double best = 0;
    volatile float sink = 0;
    for (int i = 0; i < 9; i++) {
        uint64_t n = 1000000;
        double t = now();
        if (set == &ro_gemm_avx512) sink = spin_avx512(n);
        else if (set == &ro_gemm_avx2) sink = spin_avx2(n);
        else return 0;
        t = now() - t;
        double rate = (set == &ro_gemm_avx512 ? 512.0 : 192.0) * (double)n / t * 1e-9;
        if (rate > best) best = rate;
    }
    (void)sink;
    return best;
}
#else
static double measure_peak(void) { return 0; }
#endif

/* ---- one case ---------------------------------------------------------------------------- */

typedef struct {
    const char *name;
    ro_gemm g;       /* used where kind < 0 */
    ro_conv c;
    int kind;        /* a ro_conv_kind, or -1 */
    int transposed;  /* the peer's b is n x k */
    const void *from, *with;
    void *to;
    void *scratch;
    uint64_t elements; /* of the result */
} bench;

static void run_ours(bench *b, const ro_kernel_set *s, ro_pool *on, void *to)
{
    if (b->kind < 0) {
        b->g.c = to;
        ro_gemm_run(s->f32, &b->g, b->scratch, on);
    } else {
        ro_conv_run(s->f32, (ro_conv_kind)b->kind, &b->c, b->from, b->with, NULL, to, b->scratch,
                    on);
    }
}

static void run_peer(const bench *b, float *to)
{
    int m = (int)b->g.m, n = (int)b->g.n, k = (int)b->g.k;
    peer(101, 111, b->transposed ? 112 : 111, m, n, k, 1, b->from, k, b->with,
         b->transposed ? k : n, 0, to, n);
}

static uint64_t scratch_of(const bench *b, const ro_kernel_set *s)
{
    if (b->kind < 0) return ro_gemm_scratch(s->f32, &b->g, threads);
    return ro_conv_scratch(s->f32, (ro_conv_kind)b->kind, &b->c, threads);
}

/* Medians of alternating runs: ours into [0], the peer's into [1]. */
static void measure(bench *b, double flops, double median[2])
{
    double t[2][RUNS_MAX], start = now();
    int inner = flops < 2e6 ? 100 : flops < 2e7 ? 20 : flops < 2e8 ? 4 : 1, runs = 0;
    int with_peer = peer && b->kind < 0;
    while (runs < RUNS_MAX && (runs < 7 || now() - start < 1.0)) {
        double t0 = now();
        for (int i = 0; i < inner; i++) run_ours(b, set, pool, b->to);
        double t1 = now();
        for (int i = 0; i < inner && with_peer; i++) run_peer(b, b->to);
        t[0][runs] = (t1 - t0) / inner;
        t[1][runs++] = (now() - t1) / inner;
    }
    for (int i = 0; i < 2; i++) {
        qsort(t[i], (size_t)runs, sizeof(double), by_value);
        median[i] = t[i][runs / 2];
    }
}

static int json, printed;

static void report_json(const bench *b, double rate, double other)
{
    printf("%s\n{\"name\": \"%s\", \"value\": %.4g, \"unit\": \"GFLOP/s\", ", printed++ ? "," : "",
           b->name, rate);
    if (other > 0)
        printf("\"peer\": \"OpenBLAS\", \"peer_value\": %.4g, \"ratio\": %.4g, ", other,
               rate / other);
    else
        printf("\"peer\": null, \"peer_value\": null, \"ratio\": null, ");
    printf("\"better\": \"higher\", \"goal_on\": \"ratio\", \"goal\": null, \"pass\": true, "
           "\"reason\": \"for comparison\"}");
}

static void report(bench *b, double flops)
{
    uint64_t ours = scratch_of(b, set), plain = scratch_of(b, &ro_gemm_base);
    double median[2];
    void *want = room(b->elements);
    b->to = room(b->elements);
    b->scratch = room((ours > plain ? ours : plain) / 4);
    if (flops <= 3e9) {
        run_ours(b, &ro_gemm_base, NULL, want);
        run_ours(b, set, pool, b->to);
        if (memcmp(want, b->to, b->elements * 4) != 0) {
            printf("%-28s WRONG BITS\n", b->name);
            exit(1);
        }
    }
    measure(b, flops, median);
    double rate = flops / median[0] * 1e-9;
    if (json) {
        report_json(b, rate, peer && b->kind < 0 ? flops / median[1] * 1e-9 : 0);
        ro_free(want), ro_free(b->to), ro_free(b->scratch);
        return;
    }
    printf("%-28s %8.3f ms %8.1f GFLOP/s", b->name, median[0] * 1e3, rate);
    if (peak > 0) printf("  %5.1f %% of peak", 100 * rate / peak / threads);
    if (peer && b->kind < 0) printf("  %5.2f x OpenBLAS", median[1] / median[0]);
    printf("\n");
    fflush(stdout);
    ro_free(want), ro_free(b->to), ro_free(b->scratch);
}

static void bench_gemm(uint64_t m, uint64_t n, uint64_t k, int transposed)
{
    char name[64];
    bench b = {.name = name, .kind = -1, .transposed = transposed};
    snprintf(name, sizeof name, "gemm %llux%llux%llu%s", (unsigned long long)m,
             (unsigned long long)n, (unsigned long long)k, transposed ? " bT" : "");
    b.from = room(m * k), b.with = room(n * k), b.elements = m * n;
    b.g = (ro_gemm){.batches = 1, .m = m, .n = n, .k = k, .a = b.from, .b = b.with, .alpha = 1,
                    .beta = 1, .a_row = (int64_t)k, .a_col = 1, .c_row = (int64_t)n, .c_col = 1};
    b.g.b_row = transposed ? 1 : (int64_t)n, b.g.b_col = transposed ? (int64_t)k : 1;
    report(&b, 2.0 * (double)m * (double)n * (double)k);
    ro_free((void *)(uintptr_t)b.from), ro_free((void *)(uintptr_t)b.with);
}

static void bench_conv(const char *name, ro_conv c)
{
    static const char *const kinds[] = {"forward", "dX", "dW"};
    uint64_t x = c.images * c.in_channels * (uint64_t)(c.in[0] * c.in[1]);
    uint64_t y = c.images * c.out_channels * (uint64_t)(c.out[0] * c.out[1]);
    uint64_t w = c.out_channels * c.in_channels / c.groups *
                 (uint64_t)(c.kernel[0] * c.kernel[1]);
    void *px = room(x), *py = room(y), *pw = room(w);
    const void *from[] = {px, py, px}, *with[] = {pw, pw, py};
    uint64_t elements[] = {y, x, w};
    for (int kind = 0; kind < 3; kind++) {
        char text[64];
        snprintf(text, sizeof text, "%s %s", name, kinds[kind]);
        bench b = {.name = text, .kind = kind, .c = c, .from = from[kind], .with = with[kind],
                   .elements = elements[kind]};
        report(&b, 2.0 * (double)(y / c.out_channels) * (double)w);
    }
    ro_free(px), ro_free(py), ro_free(pw);
}

static void choose(const char *name)
{
    static const ro_kernel_set *const all[] = {
#if defined(__x86_64__)
        &ro_gemm_avx512, &ro_gemm_avx2,
#endif
        &ro_gemm_base};
#if defined(__x86_64__)
    int has[] = {__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl"),
                 __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"), 1};
#else
    int has[] = {1};
#endif
    for (size_t i = 0; i < sizeof all / sizeof all[0] && !set; i++)
        if (has[i] && (!name || strcmp(name, all[i]->name) == 0)) set = all[i];
}

int main(int argc, char **argv)
{
    ro_err err = {RO_OK, ""};
    if (argc > 1 && strcmp(argv[1], "--json") == 0) json = 1, argc--, argv++;
    if (argc > 1) threads = (uint32_t)strtoul(argv[1], NULL, 10);
    choose(argc > 2 ? argv[2] : NULL);
    if (!set || threads < 1 || threads > RO_THREADS_MAX) {
        fprintf(stderr, "usage: bench_gemm [--json] [THREADS [avx512|avx2|base]]\n");
        return 2;
    }
    unsetenv("OPENBLAS_CORETYPE");
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl"))
        setenv("OPENBLAS_CORETYPE", "SkylakeX", 1);
    else if (__builtin_cpu_supports("avx2"))
        setenv("OPENBLAS_CORETYPE", "Haswell", 1);
#endif
    if (ro_pool_new(threads, &pool, &err)) {
        fprintf(stderr, "%s\n", err.msg);
        return 1;
    }
    void *library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
    if (library) {
        void *f = dlsym(library, "cblas_sgemm");
        void *count = dlsym(library, "openblas_set_num_threads");
        void (*set_threads)(int);
        memcpy(&peer, &f, sizeof f);
        memcpy(&set_threads, &count, sizeof count);
        if (count) set_threads((int)threads);
    }
    peak = measure_peak();
    if (json) printf("{\"schema\": \"verde-bench/1\", \"results\": [");
    else
        printf("%s, %u thread%s, %.0f GFLOP/s of fma a thread, peer: %s\n", set->name, threads,
               threads == 1 ? "" : "s", peak, peer ? "OpenBLAS" : "none");
    bench_conv("conv1 64x1x28x28 m16 3x3",
               (ro_conv){64, 1, 1, 16, {28, 28}, {28, 28}, {3, 3}, {1, 1}, {1, 1}, {1, 1}});
    bench_conv("conv2 64x16x14x14 m32 3x3",
               (ro_conv){64, 1, 16, 32, {14, 14}, {14, 14}, {3, 3}, {1, 1}, {1, 1}, {1, 1}});
    bench_conv("conv 4x64x56x56 m64 3x3",
               (ro_conv){4, 1, 64, 64, {56, 56}, {56, 56}, {3, 3}, {1, 1}, {1, 1}, {1, 1}});
    bench_conv("conv 4x256x14x14 m256 3x3",
               (ro_conv){4, 1, 256, 256, {14, 14}, {14, 14}, {3, 3}, {1, 1}, {1, 1}, {1, 1}});
    bench_conv("conv 4x64x56x56 m128 3x3 /2",
               (ro_conv){4, 1, 64, 128, {56, 56}, {28, 28}, {3, 3}, {2, 2}, {1, 1}, {1, 1}});
    bench_conv("conv 4x96x28x28 depthwise",
               (ro_conv){4, 96, 96, 96, {28, 28}, {28, 28}, {3, 3}, {1, 1}, {1, 1}, {1, 1}});
    bench_gemm(64, 10, 1568, 0);
    bench_gemm(64, 1568, 10, 0);
    bench_gemm(1568, 10, 64, 0);
    bench_gemm(1, 1024, 1024, 1);
    bench_gemm(1, 4096, 4096, 1);
    bench_gemm(1, 4096, 4096, 0);
    bench_gemm(8, 1024, 1024, 1);
    bench_gemm(32, 1024, 1024, 1);
    bench_gemm(128, 768, 3072, 0);
    bench_gemm(256, 256, 256, 0);
    bench_gemm(512, 512, 512, 0);
    bench_gemm(1024, 1024, 1024, 0);
    bench_gemm(1024, 1024, 1024, 1);
    bench_gemm(2048, 2048, 2048, 0);
    if (json) printf("\n]}\n");
    ro_pool_free(pool);
    return 0;
}
