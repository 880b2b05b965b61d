/* cmd_bench.c - verde bench: how long one run of a model takes and how much memory, beside
 * onnxruntime where its library is.
 *
 * Invariants
 *   1. Each of the two is measured with each number of threads in a process of its own, so that its
 *      peak is its own.
 *   2. They take turns, a round each, on the same inputs. The first run of a round is not counted:
 *      it makes room and fills caches.
 *   3. Runs of ours give the same digests, or nothing is printed: speed is of right bits only.
 *   4. What the other cannot do is said beside our figures and is no error, but for a library that
 *      was named and is not there. */
#define _GNU_SOURCE
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"

#define RUNS_MAX 100000u
#define ROUNDS 5u
#define SECONDS_MAX 20.0 /* no further run begins after so long, or a share of it in a round */

/* Seconds of one run: only computed (`processor`: the least of all threads', which other programs
 * do not lengthen); and, of ours, computed and hashed as a trace at `full` is. */
typedef struct { double median, least, processor, recorded, load; } timing;
typedef struct {
    ro_status status;
    char why[256];
    timing t;
    uint64_t runs, plan_bytes, peak_bytes;
    char version[24]; /* of onnxruntime, and what follows */
    double apart;     /* the largest difference of an output from ours */
    char alone[256];  /* why outputs could not be compared; "": they were */
} measured;

/* What is measured, in the process of its own. */
typedef struct runner runner;
struct runner {
    ro_status (*open)(runner *r, ro_err *err);
    ro_status (*run)(runner *r, ro_err *err);
    ro_status (*end)(runner *r, measured *m, ro_err *err); /* after its peak is known */
    const cli_args *a;
    uint32_t threads;
    uint64_t runs;
    FILE *outputs; /* ours, for the other to compare */
    cli_job j;     /* ours, and what follows */
    ro_plan *plan;
    uint8_t *want;
    uint8_t sum[32], first[32]; /* of the digests of a run, of the first run */
    int record, recorded;       /* whether to hash, and runs that were hashed */
    cli_onnxruntime *other;
};

typedef struct { double *all, processor, spent; uint64_t count; } times;

static double processor_seconds(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- ours --------------------------------------------------------------------------------- */

static void take_digest(void *ctx, ro_value v, const uint8_t digest[32])
{
    runner *r = ctx;
    (void)v;
    for (int k = 0; k < 32; k++) r->sum[k] ^= digest[k];
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

static ro_status open_ours(runner *r, ro_err *err)
{
    char number[16];
    cli_option options[] = {{.name = "--threads", .has_value = 1, .value = number},
                            *cli_get(r->a, "--input"), {0}};
    const cli_args own = {.options = options};
    const int64_t zero = 0;
    ro_device *d = NULL;
    ro_state *s = NULL;
    ro_plan_options o;
    snprintf(number, sizeof number, "%u", r->threads);
    RO_TRY(cli_job_load(&r->j, r->a->words[0], &own, err));
    if (!r->j.is_model)
        return RO_FAIL(err, RO_EUSAGE, "verde bench takes a model that is run once");
    RO_TRY(ro_float_mode(err));
    memset(&o, 0, sizeof o);
    o.constants = r->j.constants;
    o.constant_count = r->j.job->constant_count;
    o.hash = vd_tensor_digest;
    RO_TRY(want_all(r->j.job->phases[0].graph, r->j.arena, &r->want, err));
    RO_TRY(ro_cpu()->open(r->j.pool, &d, err));
    RO_TRY(ro_cpu()->state_new(d, &r->j.job->slots[0].type, 1, &s, err));
    RO_TRY(ro_cpu()->put(s, 0, &zero, err));
    return ro_cpu()->plan(d, s, r->j.job->phases[0].graph, &o, &r->plan, err);
}

static ro_status run_ours(runner *r, ro_err *err)
{
    const ro_step_options o = {r->record ? r->want : NULL, take_digest, r, NULL};
    memset(r->sum, 0, sizeof r->sum);
    RO_TRY(ro_cpu()->step(r->plan, &o, err));
    if (r->record && !r->recorded++) memcpy(r->first, r->sum, sizeof r->sum);
    if (r->record && memcmp(r->first, r->sum, sizeof r->sum))
        return RO_FAIL(err, RO_EDIFFER, "two runs of the model gave different digests");
    return RO_OK;
}

/* An output on its way from one process of this program to another; its elements follow. */
typedef struct { char name[256]; ro_type type; } sent;

static ro_status send_outputs(runner *r, ro_err *err)
{
    const ro_graph *g = r->j.job->phases[0].graph;
    for (uint32_t k = 0; k < g->output_count; k++) {
        sent s = {.type = *ro_graph_type(g, g->outputs[k])};
        const size_t bytes = ro_type_bytes(&s.type);
        void *data = ro_alloc(bytes);
        snprintf(s.name, sizeof s.name, "%s", r->j.onnx.outputs[k]);
        ro_status st = data ? ro_cpu()->value(r->plan, g->outputs[k], data, err)
                            : RO_FAIL(err, RO_ENOMEM, "no memory for a model's outputs");
        if (!st && (fwrite(&s, sizeof s, 1, r->outputs) != 1 ||
                    fwrite(data, 1, bytes, r->outputs) != bytes))
            st = RO_FAIL(err, RO_EIO, "the outputs cannot be kept: %s", strerror(errno));
        ro_free(data);
        if (st) return st;
    }
    if (fflush(r->outputs)) return RO_FAIL(err, RO_EIO, "the outputs cannot be kept: %s",
                                           strerror(errno));
    return RO_OK;
}

/* ---- rounds, in the child ----------------------------------------------------------------- */

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static ro_status run_timed(runner *r, double *seconds, double *processor, ro_err *err)
{
    double start = vd_seconds(), before = processor_seconds();
    RO_TRY(r->run(r, err));
    *seconds = vd_seconds() - start;
    *processor = processor_seconds() - before;
    return RO_OK;
}

static ro_status run_round(runner *r, uint64_t runs, times *t, ro_err *err)
{
    const double begun = vd_seconds(), before = t->spent;
    double seconds, processor;
    if (t->count && before >= SECONDS_MAX) return RO_OK;
    RO_TRY(run_timed(r, &seconds, &processor, err));
    for (uint64_t k = 0; k < runs; k++) {
        t->spent = before + vd_seconds() - begun;
        const int round_is_over = k && t->spent - before >= SECONDS_MAX / ROUNDS;
        if (t->count && (round_is_over || t->spent >= SECONDS_MAX)) break;
        RO_TRY(run_timed(r, &t->all[t->count], &processor, err));
        if (!t->count++ || processor < t->processor) t->processor = processor;
    }
    t->spent = before + vd_seconds() - begun;
    return RO_OK;
}

static ro_status times_new(uint64_t runs, times *t, ro_err *err)
{
    memset(t, 0, sizeof *t);
    t->all = ro_alloc(runs * sizeof *t->all);
    if (t->all) return RO_OK;
    return RO_FAIL(err, RO_ENOMEM, "no memory for the times of %llu runs",
                   (unsigned long long)runs);
}

static ro_status end_ours(runner *r, measured *m, ro_err *err)
{
    times t;
    RO_TRY(send_outputs(r, err));
    m->plan_bytes = ro_cpu()->peak_bytes(r->plan);
    r->record = 1;
    RO_TRY(times_new(r->runs, &t, err));
    RO_TRY(run_round(r, r->runs, &t, err));
    qsort(t.all, t.count, sizeof *t.all, by_size);
    m->t.recorded = t.all[t.count / 2];
    return RO_OK;
}

static ro_status finish(runner *r, times *t, measured *m, ro_err *err)
{
    struct rusage used;
    (void)getrusage(RUSAGE_SELF, &used); /* before anything else is done */
    m->peak_bytes = (uint64_t)used.ru_maxrss * 1024;
    qsort(t->all, t->count, sizeof *t->all, by_size);
    m->runs = t->count;
    m->t.median = t->all[t->count / 2];
    m->t.least = t->all[0];
    m->t.processor = t->processor;
    return r->end(r, m, err);
}

/* Does what it is asked, so many runs or none more, until it fails or nobody asks. */
static _Noreturn void serve(runner *r, int socket)
{
    measured m = {.status = RO_OK};
    times t = {0};
    ro_err err = {RO_OK, {0}};
    uint64_t runs;
    do {
        if (recv(socket, &runs, sizeof runs, MSG_WAITALL) != (ssize_t)sizeof runs) _exit(1);
        if (!t.all) {
            const double start = vd_seconds();
            m.status = times_new(r->runs, &t, &err);
            if (!m.status) m.status = r->open(r, &err);
            m.t.load = vd_seconds() - start;
        }
        if (!m.status) m.status = runs ? run_round(r, runs, &t, &err) : finish(r, &t, &m, &err);
        memcpy(m.why, err.msg, sizeof m.why);
        if (send(socket, &m, sizeof m, MSG_NOSIGNAL) != (ssize_t)sizeof m) _exit(1);
    } while (runs && !m.status);
    _exit(0);
}

/* ---- onnxruntime -------------------------------------------------------------------------- */

static ro_status open_other(runner *r, ro_err *err)
{
    vd_job_file f;
    const char *model = cli_value(r->a, "--onnxruntime-model");
    r->j.arena = ro_arena_new();
    if (!r->j.arena) return RO_FAIL(err, RO_ENOMEM, "no memory for a job");
    RO_TRY(cli_model_files(r->a->words[0], r->a, r->j.arena, &f, err));
    if (!model) model = f.onnx;
    if (!model)
        return RO_FAIL(err, RO_EOP, "the job has no model of ONNX; --onnxruntime-model names one");
    vd_onnx_input *in = ro_arena_alloc(r->j.arena, (f.input_count + (size_t)1) * sizeof *in);
    if (!in) return RO_FAIL(err, RO_ENOMEM, "no memory for a model's inputs");
    for (uint32_t k = 0; k < f.input_count; k++) {
        in[k].name = f.input_names[k];
        RO_TRY(cli_value_load(f.input_paths[k], NULL, r->j.arena, &in[k], err));
    }
    return cli_onnxruntime_open(cli_value(r->a, "--onnxruntime"), model, in, f.input_count,
                                r->threads, r->j.arena, &r->other, err);
}

static ro_status run_other(runner *r, ro_err *err) { return cli_onnxruntime_run(r->other, err); }

static double number(ro_dtype d, const void *data, uint64_t i)
{
    const uint64_t bits = ro_element(d, data, i);
    if (ro_dtype_is_float(d)) return ro_float_of_bits(d, bits);
    return d == RO_U64 ? (double)bits : (double)(int64_t)bits;
}

/* The largest difference of elements; NaNs are alike, and nothing else is like one. */
static double largest(const ro_type *t, const void *x, const void *y)
{
    const uint64_t n = ro_type_elements(t);
    double most = 0;
    for (uint64_t i = 0; i < n; i++) {
        const double a = number(t->dtype, x, i), b = number(t->dtype, y, i);
        const double d = a > b ? a - b : b - a;
        if (a == b || (a != a && b != b)) continue;
        if (d != d) return (double)INFINITY;
        if (d > most) most = d;
    }
    return most;
}

static ro_status compare(runner *r, double *apart, ro_err *err)
{
    sent s;
    rewind(r->outputs);
    while (fread(&s, sizeof s, 1, r->outputs) == 1) {
        const size_t bytes = ro_type_bytes(&s.type);
        char ours[96], theirs[96];
        ro_tensor t;
        void *data = ro_arena_alloc(r->j.arena, bytes);
        if (!data) return RO_FAIL(err, RO_ENOMEM, "no memory for a model's outputs");
        if (fread(data, 1, bytes, r->outputs) != bytes)
            return RO_FAIL(err, RO_EIO, "the outputs cannot be read back");
        RO_TRY(cli_onnxruntime_output(r->other, s.name, &t, err));
        if (!ro_type_equal(&s.type, &t.type))
            return RO_FAIL(err, RO_ETYPE, "output \"%.60s\" is %s of ours and %s of theirs", s.name,
                           ro_type_text(&s.type, ours, sizeof ours),
                           ro_type_text(&t.type, theirs, sizeof theirs));
        const double d = largest(&s.type, data, t.data);
        if (d > *apart) *apart = d;
    }
    return RO_OK;
}

static ro_status end_other(runner *r, measured *m, ro_err *err)
{
    ro_err why = {RO_OK, {0}};
    (void)err;
    snprintf(m->version, sizeof m->version, "%s", cli_onnxruntime_version(r->other));
    if (compare(r, &m->apart, &why)) memcpy(m->alone, why.msg, sizeof m->alone);
    return RO_OK;
}

/* ---- both, in turn ------------------------------------------------------------------------ */

typedef struct { pid_t pid; int socket; } child;

static ro_status child_new(runner *r, const child *other, child *c, ro_err *err)
{
    int ends[2];
    fflush(stdout);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
        return RO_FAIL(err, RO_EIO, "no pair of sockets: %s", strerror(errno));
    c->pid = fork();
    if (c->pid == 0) {
        close(ends[0]);
        if (other) close(other->socket); /* which tells it that we have gone */
        serve(r, ends[1]);
    }
    close(ends[1]);
    c->socket = ends[0];
    if (c->pid > 0) return RO_OK;
    close(ends[0]);
    return RO_FAIL(err, RO_EIO, "no child process: %s", strerror(errno));
}

static int child_free(child *c)
{
    int status = 0;
    if (c->pid <= 0) return 0;
    close(c->socket);
    while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR) {}
    c->pid = 0;
    return status;
}

/* So many runs; 0: what came of all. */
static ro_status ask(child *c, uint64_t runs, measured *m, ro_err *err)
{
    if (send(c->socket, &runs, sizeof runs, MSG_NOSIGNAL) != (ssize_t)sizeof runs ||
        recv(c->socket, m, sizeof *m, MSG_WAITALL) != (ssize_t)sizeof *m)
        return RO_FAIL(err, RO_EIO, "the process that runs the model ended with status %d",
                       child_free(c));
    return m->status ? RO_FAIL(err, m->status, "%.250s", m->why) : RO_OK;
}

static void ask_other(child *c, uint64_t runs, measured *m)
{
    ro_err why = {RO_OK, {0}};
    if (m->status) return;
    m->status = ask(c, runs, m, &why);
    if (m->status) memcpy(m->why, why.msg, sizeof m->why);
}

static ro_status take_turns(const cli_args *a, uint64_t runs, child *c, measured *ours,
                            measured *theirs, ro_err *err)
{
    for (uint64_t k = 0; k < ROUNDS; k++) {
        const uint64_t n = runs * (k + 1) / ROUNDS - runs * k / ROUNDS;
        if (!n) continue;
        RO_TRY(ask(&c[0], n, ours, err));
        ask_other(&c[1], n, theirs);
        if (theirs->status == RO_ENOTFOUND && cli_value(a, "--onnxruntime"))
            return RO_FAIL(err, RO_ENOTFOUND, "%.250s", theirs->why);
    }
    RO_TRY(ask(&c[0], 0, ours, err));
    ask_other(&c[1], 0, theirs);
    return RO_OK;
}

static ro_status measure(const cli_args *a, uint32_t threads, uint64_t runs, measured *ours,
                         measured *theirs, ro_err *err)
{
    runner r[2] = {{.open = open_ours, .run = run_ours, .end = end_ours},
                   {.open = open_other, .run = run_other, .end = end_other}};
    child c[2] = {{0, -1}, {0, -1}};
    FILE *outputs = tmpfile();
    if (!outputs) return RO_FAIL(err, RO_EIO, "no temporary file: %s", strerror(errno));
    memset(ours, 0, sizeof *ours);
    memset(theirs, 0, sizeof *theirs);
    for (int k = 0; k < 2; k++) {
        r[k].a = a;
        r[k].threads = threads;
        r[k].runs = runs;
        r[k].outputs = outputs;
    }
    ro_status st = child_new(&r[0], NULL, &c[0], err);
    if (!st) st = child_new(&r[1], &c[0], &c[1], err);
    if (!st) st = take_turns(a, runs, c, ours, theirs, err);
    (void)child_free(&c[0]);
    (void)child_free(&c[1]);
    fclose(outputs);
    return st;
}

/* ---- what is said ------------------------------------------------------------------------- */

static void print_line(uint32_t threads, const char *name, const measured *m)
{
    char bytes[32], runs[32], traced[16] = "";
    if (m->t.recorded > 0) snprintf(traced, sizeof traced, "%.3f", 1e3 * m->t.recorded);
    printf("%7u  %-11s  %10.3f  %10.3f  %10s  %8.0f  %10s  %6s\n", threads, name,
           1e3 * m->t.median, 1e3 * m->t.least, traced, 1e3 * m->t.load,
           cli_bytes(m->peak_bytes, bytes), cli_count(m->runs, runs));
}

static double memory_ratio(const measured *ours, const measured *theirs)
{
    return (double)ours->peak_bytes / (double)theirs->peak_bytes;
}

static void print_both(uint32_t threads, int is_first, const measured *ours, const measured *theirs)
{
    if (is_first)
        printf("%7s  %-11s  %10s  %10s  %10s  %8s  %10s  %6s\n", "threads", "", "median ms",
               "least ms", "traced ms", "load ms", "peak", "runs");
    print_line(threads, "verde", ours);
    if (theirs->status) return;
    print_line(threads, "onnxruntime", theirs);
    printf("%7s  %-11s  %10.2f  %10.2f  %10s  %8.2f  %10.2f\n", "", "ratio",
           ours->t.median / theirs->t.median, ours->t.least / theirs->t.least, "",
           ours->t.load / theirs->t.load, memory_ratio(ours, theirs));
}

static void print_end(const measured *theirs, double apart)
{
    if (theirs->status)
        printf("No comparison with onnxruntime: %s.\n", theirs->why);
    else if (theirs->alone[0])
        printf("The outputs are not compared with those of onnxruntime %s: %s.\n",
               theirs->version, theirs->alone);
    else
        printf("Largest difference from an output of onnxruntime %s: %.2g.\n", theirs->version,
               apart);
}

static void json_figures(cJSON *o, const measured *m)
{
    cli_json_u64(o, "runs", m->runs);
    cJSON_AddNumberToObject(o, "ms", 1e3 * m->t.median);
    cJSON_AddNumberToObject(o, "least_ms", 1e3 * m->t.least);
    cJSON_AddNumberToObject(o, "least_processor_ms", 1e3 * m->t.processor);
    cJSON_AddNumberToObject(o, "load_ms", 1e3 * m->t.load);
    cli_json_u64(o, "peak_bytes", m->peak_bytes);
}

static void json_both(cJSON *list, uint32_t threads, const measured *ours, const measured *theirs)
{
    cJSON *o = cJSON_CreateObject(), *other = cJSON_CreateObject();
    cJSON_AddItemToArray(list, o);
    cli_json_u64(o, "threads", threads);
    json_figures(o, ours);
    cJSON_AddNumberToObject(o, "recorded_ms", 1e3 * ours->t.recorded);
    cli_json_u64(o, "plan_bytes", ours->plan_bytes);
    cJSON_AddItemToObject(o, "onnxruntime", other);
    if (theirs->status) {
        cJSON_AddStringToObject(other, "why", theirs->why);
        return;
    }
    cJSON_AddStringToObject(other, "version", theirs->version);
    json_figures(other, theirs);
    cJSON_AddNumberToObject(other, "time_ratio", ours->t.median / theirs->t.median);
    cJSON_AddNumberToObject(other, "memory_ratio", memory_ratio(ours, theirs));
    if (theirs->alone[0]) cJSON_AddStringToObject(other, "not_compared", theirs->alone);
    else cJSON_AddNumberToObject(other, "largest_difference", theirs->apart);
}

ro_status cmd_bench(int argc, char **argv, int *exit_code, ro_err *err)
{
    cli_option options[] = {
        {.name = "--input", .has_value = 1, .many = 1}, {.name = "--threads", .has_value = 1},
        {.name = "--runs", .has_value = 1}, {.name = "--onnxruntime", .has_value = 1},
        {.name = "--onnxruntime-model", .has_value = 1}, {.name = "--json"}, {0}};
    cli_args a = {.options = options};
    uint64_t only = 0, runs = 20;
    measured ours, theirs;
    double apart = 0;
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
        st = measure(&a, threads, runs, &ours, &theirs, err);
        if (st) break;
        if (theirs.apart > apart) apart = theirs.apart;
        if (o) json_both(list, threads, &ours, &theirs);
        else print_both(threads, only || threads == 1, &ours, &theirs);
        if (only || threads == 2) break;
    }
    if (!st && !o) print_end(&theirs, apart);
    if (st || !o) cJSON_Delete(o);
    else cli_json(o);
    return st;
}
