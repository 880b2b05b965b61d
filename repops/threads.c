/* threads.c - the pool, and the floating-point mode of every thread in it.
 *
 * Invariants
 *   1. A range handed out begins at a multiple of the grain: work is split by output, by K
 *      group or by 4,096-chunk, never otherwise, so the thread count never changes a bit.
 *   2. Every thread that computes runs in round-to-nearest with subnormals kept and an fma that
 *      rounds once; a pool with a worker that cannot have that is refused. */
#define _GNU_SOURCE
#include "repops.h"

#include <fenv.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

struct ro_pool {
    uint32_t threads; /* the caller is one of them */
    pthread_t *workers;
    pthread_mutex_t lock;
    pthread_cond_t wake, done;
    _Atomic uint64_t round;   /* counts ro_parallel calls */
    _Atomic uint32_t running; /* workers still in this round */
    _Atomic int stop;
    uint32_t started; /* workers whose float mode is decided */
    int spins;        /* looks before a thread sleeps; 0 where threads outnumber cores */
    int broken;
    ro_range_fn *fn;
    void *ctx;
    uint64_t n, grain;
    _Atomic uint64_t next;
};

/* The pool whose range this thread runs (NULL: none), and its number there. */
static _Thread_local const ro_pool *inside;
static _Thread_local uint32_t current_worker;

/* ---- float mode --------------------------------------------------------------------------- */

/* Subnormals: the sum of the two smallest must be the next one, not zero. volatile keeps the
 * compiler from deciding it. */
static int subnormals_kept(void)
{
    volatile float a = 0x1p-149f, b = 0x1p-149f, c = 0x1p-127f, d = 0.5f;
    return a + b == 0x1p-148f && c * d == 0x1p-128f;
}

static int rounds_to_nearest(void)
{
    volatile float one = 1.0f, up = 0x1.8p-24f, down = 0x1p-25f;
    return one + up == 0x1.000002p+0f && one + down == 1.0f && -one - down == -1.0f;
}

/* Some C libraries give a * b + c, or a sum in double, where the processor has no fma: the first
 * gives 0 here, the second rounds a tie that is none. */
static int fma_rounds_once(void)
{
    volatile float a = 0x1.001p+0f, b = -0x1.002p+0f, tiny = 0x1p-60f;
    volatile double c = 0x1.0000001p+0, d = -0x1.0000002p+0;
    return __builtin_fmaf(a, a, b) == 0x1p-24f && __builtin_fmaf(a, a, tiny) == 0x1.002002p+0f &&
           __builtin_fma(c, c, d) == 0x1p-56;
}

ro_status ro_float_mode(ro_err *err)
{
#if defined(__x86_64__)
    _mm_setcsr((_mm_getcsr() & ~0xe040u) | 0x1f80u); /* no FTZ, no DAZ, nearest, masked */
#elif defined(__aarch64__)
    uint64_t mode;
    __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
    mode &= ~((UINT64_C(3) << 22) | (UINT64_C(1) << 24) | (UINT64_C(1) << 19));
    __asm__ volatile("msr fpcr, %0" : : "r"(mode));
#else
    (void)fesetround(FE_TONEAREST);
#endif
    if (!rounds_to_nearest() || !subnormals_kept())
        return RO_FAIL(err, RO_EDEVICE,
                       "this processor does not round binary32 to nearest with subnormals kept");
    if (!fma_rounds_once())
        return RO_FAIL(err, RO_EDEVICE, "the fma of this processor or C library rounds twice");
    return RO_OK;
}

/* ---- the pool ------------------------------------------------------------------------------ */

static void run_ranges(ro_pool *p, uint32_t worker)
{
    const ro_pool *pool_outside = inside;
    uint32_t worker_outside = current_worker;
    inside = p;
    current_worker = worker;
    for (;;) {
        uint64_t begin = atomic_fetch_add(&p->next, p->grain);
        if (begin >= p->n) break;
        uint64_t end = p->n - begin < p->grain ? p->n : begin + p->grain;
        p->fn(p->ctx, begin, end, worker);
    }
    inside = pool_outside;
    current_worker = worker_outside;
}

/* A training step has some 40 parallel regions of 20 to 200 us: a sleep and a wake-up between
 * them would cost as much as the work. About 100 us of looking covers the gaps. */
#define SPINS 2000

static void relax(void)
{
#if defined(__x86_64__)
    _mm_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void await_round(ro_pool *p, uint64_t seen)
{
    for (int k = 0; k < p->spins && atomic_load(&p->round) == seen && !atomic_load(&p->stop); k++)
        relax();
    pthread_mutex_lock(&p->lock);
    while (!p->stop && p->round == seen) pthread_cond_wait(&p->wake, &p->lock);
    pthread_mutex_unlock(&p->lock);
}

static void await_workers(ro_pool *p)
{
    for (int k = 0; k < p->spins && atomic_load(&p->running); k++) relax();
    pthread_mutex_lock(&p->lock);
    while (p->running) pthread_cond_wait(&p->done, &p->lock);
    pthread_mutex_unlock(&p->lock);
}

typedef struct { ro_pool *pool; uint32_t worker; } worker_start;

static void *worker_main(void *arg)
{
    worker_start *s = arg;
    ro_pool *p = s->pool;
    uint32_t worker = s->worker;
    uint64_t seen = 0;
    int ok = ro_float_mode(NULL) == RO_OK;
    ro_free(s);
    pthread_mutex_lock(&p->lock);
    if (!ok) p->broken = 1;
    p->started++;
    pthread_cond_broadcast(&p->done);
    pthread_mutex_unlock(&p->lock);
    for (;;) {
        await_round(p, seen);
        if (p->stop) break;
        seen++; /* no round begins before every worker has ended the one before */
        run_ranges(p, worker);
        if (atomic_fetch_sub(&p->running, 1) != 1) continue;
        pthread_mutex_lock(&p->lock);
        pthread_cond_broadcast(&p->done);
        pthread_mutex_unlock(&p->lock);
    }
    return NULL;
}

uint32_t ro_cores(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) {
        int n = CPU_COUNT(&set);
        if (n > 0) return (uint32_t)n;
    }
    return 1;
}

static ro_status start_workers(ro_pool *p, ro_err *err)
{
    for (uint32_t w = 1; w < p->threads; w++) {
        worker_start *s = ro_alloc(sizeof *s);
        if (s) *s = (worker_start){p, w};
        if (!s || pthread_create(&p->workers[w], NULL, worker_main, s) != 0) {
            ro_free(s);
            p->threads = w; /* free joins the ones that run */
            return RO_FAIL(err, RO_ENOMEM, "thread %u of the pool could not be started", w);
        }
    }
    pthread_mutex_lock(&p->lock);
    while (p->started + 1 < p->threads) pthread_cond_wait(&p->done, &p->lock);
    int broken = p->broken;
    pthread_mutex_unlock(&p->lock);
    if (broken)
        return RO_FAIL(err, RO_EDEVICE, "a pool thread does not round as docs/ARITHMETIC.md asks");
    return RO_OK;
}

ro_status ro_pool_new(uint32_t threads, ro_pool **out, ro_err *err)
{
    RO_TRY(ro_float_mode(err));
    if (threads == 0) threads = ro_cores();
    if (threads > RO_THREADS_MAX)
        return RO_FAIL(err, RO_ELIMIT, "%u threads were asked for; 1 to %u are allowed", threads,
                       RO_THREADS_MAX);
    ro_pool *p = ro_alloc_zero(sizeof *p);
    if (p) p->workers = ro_alloc_zero(threads * sizeof *p->workers);
    if (!p || !p->workers) {
        ro_free(p);
        return RO_FAIL(err, RO_ENOMEM, "no memory for a pool of %u threads", threads);
    }
    p->threads = threads;
    p->spins = threads <= ro_cores() ? SPINS : 0;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    pthread_cond_init(&p->done, NULL);
    ro_status st = start_workers(p, err);
    if (st) {
        ro_pool_free(p);
        return st;
    }
    *out = p;
    return RO_OK;
}

void ro_pool_free(ro_pool *p)
{
    if (!p) return;
    pthread_mutex_lock(&p->lock);
    p->stop = 1;
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
    for (uint32_t w = 1; w < p->threads; w++) pthread_join(p->workers[w], NULL);
    pthread_cond_destroy(&p->wake);
    pthread_cond_destroy(&p->done);
    pthread_mutex_destroy(&p->lock);
    ro_free(p->workers);
    ro_free(p);
}

uint32_t ro_pool_threads(const ro_pool *p) { return p ? p->threads : 1; }

void ro_parallel(ro_pool *p, uint64_t n, uint64_t grain, ro_range_fn *fn, void *ctx)
{
    if (n == 0) return;
    if (grain == 0) grain = 1;
    if (!p || p->threads == 1 || n <= grain || inside) {
        /* A worker of another pool is nobody here: scratch may be for p's threads alone. */
        fn(ctx, 0, n, inside && inside == p ? current_worker : 0);
        return;
    }
    pthread_mutex_lock(&p->lock);
    p->fn = fn;
    p->ctx = ctx;
    p->n = n;
    p->grain = grain;
    atomic_store(&p->next, 0);
    p->running = p->threads - 1;
    p->round++;
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
    run_ranges(p, 0);
    await_workers(p);
}
