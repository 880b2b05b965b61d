/* cmd_bench.c - verde bench: how long one run of a model takes, and how much memory.
 *
 * Invariants
 *   1. A number of threads is measured in a process of its own, so that its peak is its own.
 *   2. The first run is not counted: it makes room and fills caches.
 *   3. Every run gives the same digests, or nothing is printed: speed is of right bits only. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"

#define RUNS_MAX 100000u
#define SECONDS_MAX 20.0 /* no further run begins after so long */

/* Seconds of one run: only computed (`processor`: the least of all threads', which other programs
 * do not lengthen); and computed and hashed as a trace at `full` is. */
typedef struct { double median, least, processor, recorded, load; } timing;
typedef struct {
    ro_status status;
    char why[256];
    timing t;
    uint64_t runs, plan_bytes, peak_bytes;
} measured;

typedef struct {
    const vd_job *job;
    ro_plan *plan;
    uint8_t *want;
    uint8_t sum[32], first[32]; /* of the digests of a run, of the first run */
    int recorded;               /* runs that were hashed */
    double processor;           /* seconds of the last run */
} bench;

static double processor_seconds(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void take_digest(void *ctx, ro_value v, const uint8_t digest[32])
{
    bench *b = ctx;
    (void)v;
    for (int k = 0; k < 32; k++) b->sum[k] ^= digest[k];
}

static ro_status run_once(bench *b, int record, double *seconds, ro_err *err)
{
    const ro_step_options o = {record ? b->want : NULL, take_digest, b, NULL};
    memset(b->sum, 0, sizeof b->sum);
    double start = vd_seconds(), before = processor_seconds();
    RO_TRY(ro_cpu()->step(b->plan, &o, err));
    *seconds = vd_seconds() - start;
    b->processor = processor_seconds() - before;
    if (record && !b->recorded++) memcpy(b->first, b->sum, sizeof b->sum);
    if (record && memcmp(b->first, b->sum, sizeof b->sum))
        return RO_FAIL(err, RO_EDIFFER, "two runs of the model gave different digests");
    return RO_OK;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* At most so many runs, their times in ascending order. */
static ro_status repeat(bench *b, uint64_t runs, int record, double *all, uint64_t *done,
                        double *processor, ro_err *err)
{
    double start = vd_seconds(), warm;
    RO_TRY(run_once(b, record, &warm, err));
    *processor = b->processor;
    for (*done = 0; *done < runs && (!*done || vd_seconds() - start < SECONDS_MAX); ++*done) {
        RO_TRY(run_once(b, record, &all[*done], err));
        if (b->processor < *processor) *processor = b->processor;
    }
    qsort(all, *done, sizeof *all, by_size);
    return RO_OK;
}

static ro_status measure(bench *b, uint64_t runs, measured *m, ro_err *err)
{
    struct rusage used;
    uint64_t done;
    double hashed;
    double *all = ro_alloc(runs * sizeof *all);
    if (!all) return RO_FAIL(err, RO_ENOMEM, "no memory for the times of %llu runs",
                             (unsigned long long)runs);
    ro_status st = repeat(b, runs, 0, all, &m->runs, &m->t.processor, err);
    if (!st) {
        m->t.median = all[m->runs / 2];
        m->t.least = all[0];
        (void)getrusage(RUSAGE_SELF, &used); /* before anything is hashed */
        m->peak_bytes = (uint64_t)used.ru_maxrss * 1024;
        st = repeat(b, runs, 1, all, &done, &hashed, err);
    }
    if (!st) m->t.recorded = all[done / 2];
    ro_free(all);
    return st;
}

/* Every node's outputs, but where they are an input's bytes. */
static ro_status want_all(const ro_graph *g, ro_arena *arena, uint8_t **want, ro_err *err)
{
    *want = ro_arena_alloc(arena, g->value_count + (size_t)1);
    if (!*want) return RO_FAIL(err, RO_ENOMEM, "no memory for a model's digests");
    for (uint32_t v = 0; v < g->value_count; v++)
        (*want)[v] = g->values[v].kind == RO_V_NODE &&
                     !ro_only_renames(g->nodes[g->values[v].index].op);
    return RO_OK;
}

static ro_status on_device(cli_job *j, ro_device *d, uint64_t runs, double start, measured *m,
                           ro_err *err)
{
    const ro_graph *g = j->job->phases[0].graph;
    const int64_t zero = 0;
    bench b = {.job = j->job};
    ro_state *s = NULL;
    ro_plan_options o;
    memset(&o, 0, sizeof o);
    o.constants = j->constants;
    o.constant_count = j->job->constant_count;
    o.hash = vd_tensor_digest;
    RO_TRY(want_all(g, j->arena, &b.want, err));
    RO_TRY(ro_cpu()->state_new(d, &j->job->slots[0].type, 1, &s, err));
    ro_status st = ro_cpu()->put(s, 0, &zero, err);
    if (!st) st = ro_cpu()->plan(d, s, g, &o, &b.plan, err);
    m->t.load = vd_seconds() - start;
    if (!st) st = measure(&b, runs, m, err);
    if (b.plan) {
        m->plan_bytes = ro_cpu()->peak_bytes(b.plan);
        ro_cpu()->plan_free(b.plan);
    }
    ro_cpu()->state_free(s);
    return st;
}

static ro_status load_and_measure(const cli_args *a, uint32_t threads, uint64_t runs, measured *m,
                                  ro_err *err)
{
    char number[16];
    cli_option options[] = {{.name = "--threads", .has_value = 1, .value = number},
                            *cli_get(a, "--input"), {0}};
    const cli_args own = {.options = options};
    cli_job j;
    ro_device *d = NULL;
    double start = vd_seconds();
    snprintf(number, sizeof number, "%u", threads);
    memset(&j, 0, sizeof j);
    ro_status st = cli_job_load(&j, a->words[0], &own, err);
    if (!st && !j.is_model)
        st = RO_FAIL(err, RO_EUSAGE, "verde bench takes a model that is run once");
    if (!st) st = ro_float_mode(err);
    if (!st) st = ro_cpu()->open(j.pool, &d, err);
    if (!st) st = on_device(&j, d, runs, start, m, err);
    if (d) ro_cpu()->close(d);
    cli_job_free(&j);
    return st;
}

/* In a child, whose peak is that of this one measurement. */
static ro_status in_child(const cli_args *a, uint32_t threads, uint64_t runs, measured *m,
                          ro_err *err)
{
    int ends[2], status = 0;
    fflush(stdout);
    if (pipe(ends)) return RO_FAIL(err, RO_EIO, "no pipe: %s", strerror(errno));
    pid_t child = fork();
    if (child < 0) return RO_FAIL(err, RO_EIO, "no child process: %s", strerror(errno));
    memset(m, 0, sizeof *m);
    if (child == 0) {
        ro_err why = {RO_OK, {0}};
        m->status = load_and_measure(a, threads, runs, m, &why);
        memcpy(m->why, why.msg, sizeof m->why);
        _exit(write(ends[1], m, sizeof *m) != (ssize_t)sizeof *m);
    }
    close(ends[1]);
    ssize_t got = read(ends[0], m, sizeof *m); /* less than a pipe's page: all at once */
    close(ends[0]);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {}
    if (got != (ssize_t)sizeof *m || status)
        return RO_FAIL(err, RO_EIO, "the process that runs the model ended with status %d", status);
    return m->status ? RO_FAIL(err, m->status, "%.250s", m->why) : RO_OK;
}

static void print_line(uint32_t threads, const measured *m)
{
    char bytes[32], runs[32];
    printf("%7u  %10.3f  %10.3f  %10.3f  %8.0f  %10s  %6s\n", threads, 1e3 * m->t.median,
           1e3 * m->t.least, 1e3 * m->t.recorded, 1e3 * m->t.load,
           cli_bytes(m->peak_bytes, bytes), cli_count(m->runs, runs));
}

static void json_line(cJSON *list, uint32_t threads, const measured *m)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddItemToArray(list, o);
    cli_json_u64(o, "threads", threads);
    cli_json_u64(o, "runs", m->runs);
    cJSON_AddNumberToObject(o, "ms", 1e3 * m->t.median);
    cJSON_AddNumberToObject(o, "least_ms", 1e3 * m->t.least);
    cJSON_AddNumberToObject(o, "least_processor_ms", 1e3 * m->t.processor);
    cJSON_AddNumberToObject(o, "recorded_ms", 1e3 * m->t.recorded);
    cJSON_AddNumberToObject(o, "load_ms", 1e3 * m->t.load);
    cli_json_u64(o, "peak_bytes", m->peak_bytes);
    cli_json_u64(o, "plan_bytes", m->plan_bytes);
}

ro_status cmd_bench(int argc, char **argv, int *exit_code, ro_err *err)
{
    cli_option options[] = {
        {.name = "--input", .has_value = 1, .many = 1}, {.name = "--threads", .has_value = 1},
        {.name = "--runs", .has_value = 1}, {.name = "--json"}, {0}};
    cli_args a = {.options = options};
    uint64_t only = 0, runs = 20;
    measured m;
    (void)exit_code;
    RO_TRY(cli_parse(argc, argv, &a, 1, 1, err));
    RO_TRY(cli_number(&a, "--threads", 1, RO_THREADS_MAX, &only, err));
    RO_TRY(cli_number(&a, "--runs", 1, RUNS_MAX, &runs, err));
    cJSON *o = cli_value(&a, "--json") ? cJSON_CreateObject() : NULL, *list = NULL;
    if (o) {
        cJSON_AddStringToObject(o, "schema", "verde-bench-model/1");
        cJSON_AddStringToObject(o, "isa", ro_cpu_isa());
        list = cJSON_AddArrayToObject(o, "results");
    }
    ro_status st = RO_OK;
    for (uint32_t threads = only ? (uint32_t)only : 1; !st; threads++) {
        st = in_child(&a, threads, runs, &m, err);
        if (st) break;
        if (!o && (only || threads == 1))
            printf("%7s  %10s  %10s  %10s  %8s  %10s  %6s\n", "threads", "median ms", "least ms",
                   "traced ms", "load ms", "peak", "runs");
        if (o) json_line(list, threads, &m);
        else print_line(threads, &m);
        if (only || threads == 2) break;
    }
    if (st || !o) cJSON_Delete(o);
    else cli_json(o);
    return st;
}
