/* bench.c - what recording costs the main job, and how fast the main job is.
 *
 *   bench [JOB.json] [--rounds N] [--json]
 *
 * Three copies of the job advance in turn, a few steps at a time: one records nothing, one at
 * checkpoint:50, one at full. Medians over the rounds of the same process, so a drifting clock
 * hits all three. The digests at the end are compared first: the recorded state must be the
 * unrecorded one's, bit for bit. */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../verde/cli.h"

enum { NOTHING, CHECKPOINT, FULL, LEVELS };
#define STEPS 50 /* a round: one segment of checkpoint:50 */
#define ROUNDS_MAX 99

typedef struct {
    cli_job job;
    vd_exec *e;
    vd_writer *w;
    double seconds[ROUNDS_MAX];
} lane;

static void die(const char *what, const ro_err *err)
{
    fprintf(stderr, "bench: %s: %s\n", what, err->msg);
    exit(4);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(const double *x, int n)
{
    double sorted[ROUNDS_MAX];
    memcpy(sorted, x, (size_t)n * sizeof *x);
    qsort(sorted, (size_t)n, sizeof *sorted, ascending);
    return n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

static void open_lane(lane *l, const char *path, const char *folder, int level)
{
    static const char *const records[LEVELS] = {"checkpoint:50", "checkpoint:50", "full"};
    cli_option options[] = {{.name = "--record", .has_value = 1, .value = records[level]},
                            {.name = "--threads", .has_value = 1}, {0}};
    cli_args a = {.options = options};
    vd_exec_options o;
    char file[600];
    uint64_t done;
    ro_err err = {0};
    memset(l, 0, sizeof *l);
    memset(&o, 0, sizeof o);
    if (cli_job_load(&l->job, path, &a, &err)) die("job", &err);
    o.backend = ro_cpu();
    o.pool = l->job.pool;
    o.constants = l->job.constants;
    if (vd_exec_new(l->job.job, &o, &l->e, &err)) die("run", &err);
    if (vd_exec_first_state(l->e, NULL, &err)) die("state", &err);
    snprintf(file, sizeof file, "%s/%d.trace", folder, level);
    if (level != NOTHING && vd_writer_open(file, l->job.job, -1, NULL, &l->w, &done, &err))
        die("trace", &err);
}

static void advance(lane *l, int level, int round)
{
    double start = now();
    ro_err err = {0};
    vd_step_result r;
    for (int k = 0; k < STEPS; k++) {
        int state = level == FULL || (level == CHECKPOINT && (vd_exec_steps(l->e) + 1) % 50 == 0);
        if (vd_exec_step(l->e, level == FULL, state, &r, &err)) die("step", &err);
        const vd_digest *root = r.has_state ? &r.state : NULL;
        if (l->w && vd_writer_step(l->w, root, &r.outputs, r.digests, &err)) die("trace", &err);
    }
    l->seconds[round] = (now() - start) / STEPS;
}

/* Bytes that the full level digests a step. */
static double bytes_per_step(const vd_job *j)
{
    const ro_graph *g = j->phases[j->phase_count - 1].graph;
    double n = 0;
    for (uint32_t v = 0; v < g->value_count; v++)
        if (g->values[v].kind == RO_V_NODE) n += (double)ro_type_bytes(&g->values[v].type);
    return n;
}

static void result(int json, int *count, const char *name, double value, const char *unit,
                   const char *better, double goal, const char *reason)
{
    int pass = !strcmp(better, "lower") ? value <= goal : value >= goal;
    if (!json) {
        printf("%-36s %10.3f %-10s", name, value, unit);
        if (goal > 0) printf(" goal %s %g: %s", better, goal, pass ? "reached" : "missed");
        printf("\n");
        return;
    }
    printf("%s\n{\"name\": \"%s\", \"value\": %.6g, \"unit\": \"%s\", \"peer\": null, "
           "\"peer_value\": null, \"ratio\": null, \"better\": \"%s\", \"goal_on\": \"value\", ",
           (*count)++ ? "," : "", name, value, unit, better);
    if (goal > 0) printf("\"goal\": %g, \"pass\": %s, ", goal, pass ? "true" : "false");
    else printf("\"goal\": null, \"pass\": true, ");
    printf("\"reason\": \"%s\"}", goal > 0 && pass ? "" : reason);
}

static void same_state(lane *l)
{
    for (int k = 1; k < LEVELS; k++)
        for (uint32_t s = 0; s < l[0].job.job->slot_count; s++) {
            uint64_t n = ro_type_bytes(&l[0].job.job->slots[s].type);
            uint8_t *a = ro_alloc(n), *b = ro_alloc(n);
            ro_err err = {0};
            if (!a || !b || vd_exec_slot(l[0].e, s, a, &err) || vd_exec_slot(l[k].e, s, b, &err))
                die("state", &err);
            if (memcmp(a, b, n)) {
                fprintf(stderr, "bench: recording changed the bits of slot %u\n", s);
                exit(1);
            }
            ro_free(a);
            ro_free(b);
        }
}

int main(int argc, char **argv)
{
    static lane l[LEVELS];
    const char *path = "docs/examples/cnn.json";
    char folder[] = "/tmp/verde-bench-XXXXXX", command[64];
    int rounds = 9, json = 0, count = 0;
    double added[ROUNDS_MAX], share[ROUNDS_MAX], check[ROUNDS_MAX];
    for (int k = 1; k < argc; k++) {
        if (!strcmp(argv[k], "--json")) json = 1;
        else if (!strcmp(argv[k], "--rounds") && k + 1 < argc)
            rounds = (int)strtol(argv[++k], NULL, 10);
        else path = argv[k];
    }
    if (rounds < 1 || rounds > ROUNDS_MAX || !mkdtemp(folder)) return 2;
    for (int k = 0; k < LEVELS; k++) open_lane(&l[k], path, folder, k);
    for (int r = 0; r <= rounds; r++) /* round 0 warms up and is overwritten */
        for (int k = 0; k < LEVELS; k++) advance(&l[k], k, r ? r - 1 : 0);
    same_state(l);
    uint32_t threads = ro_pool_threads(l[0].job.pool);
    for (int r = 0; r < rounds; r++) {
        added[r] = l[FULL].seconds[r] - l[NOTHING].seconds[r];
        share[r] = 100 * added[r] / l[NOTHING].seconds[r];
        check[r] = 100 * (l[CHECKPOINT].seconds[r] - l[NOTHING].seconds[r]) / l[NOTHING].seconds[r];
    }
    double bytes = bytes_per_step(l[0].job.job), t = median(l[NOTHING].seconds, rounds);
    if (json) printf("{\"schema\": \"verde-bench/1\", \"results\": [");
    result(json, &count, "training_steps", 1 / t, "steps/s", "higher", 0, "for comparison");
    result(json, &count, "recording_checkpoint_50", median(check, rounds), "%", "lower", 2, "");
    result(json, &count, "recording_full", median(share, rounds), "%", "lower", 0,
           "for comparison: the rate below has the goal");
    result(json, &count, "recording_full_rate", bytes / median(added, rounds) / threads * 1e-9,
           "GB/s a core", "higher", 3,
           "SHA-256 instructions of this processor are the bound; see tensor_digest");
    if (json) printf("\n]}\n");
    for (int k = 0; k < LEVELS; k++) {
        vd_writer_free(l[k].w);
        vd_exec_free(l[k].e);
        cli_job_free(&l[k].job);
    }
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command) ? 4 : 0;
}
