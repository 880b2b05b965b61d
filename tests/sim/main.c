/* main.c - verde-sim: seeds by the thousand, and what came of them.
 *
 *   verde-sim --roots N | --patterns LENGTH [--every-pair] [--json]
 *   verde-sim --seeds N [--seed S] [--threads T] [--json] [--plant NAME] [--anything] [--story]
 *             [--evidence FOLDER] [--lead STRATEGY | --rational]
 *   verde-sim --plants | --leaks
 *
 * --anything: what has to occur in a long run need not. --story: what happens, event by event.
 * --evidence FOLDER: worker N writes all its evidence to FOLDER/N, a file or a pipe, each with a
 * line before it that says how long it is and what must follow from it.
 * --lead STRATEGY: it plays in every seed. --rational: in every seed somebody plays for money.
 *
 * What this file decides: how seeds are shared out and what is printed. A seed runs in one process
 * from begin to end; each worker takes every T-th, so a worker that dies names its seed.
 *
 * Exit: 0 all is well; 1 a violation, a crash, or something that had to occur did not; 2 usage. */
#include "sim.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORKERS_MAX 64
#define SIM_LONG 20000u

typedef struct { sim_stats stats; uint64_t at; pid_t process; } worker;
typedef struct {
    uint64_t seeds, seed, roots, patterns;
    uint32_t threads;
    sim_options world;
    const char *evidence;
    int json, few, every; /* few: what must occur is not asked for */
} options;

static double seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- workers ----------------------------------------------------------------------------- */

/* A planted bug that anybody has caught is caught. */
static int is_caught(const worker *workers, uint32_t count)
{
    for (uint32_t k = 0; sim_plant_on() && k < count; k++)
        if (workers[k].stats.violations) return 1;
    return 0;
}

static FILE *open_evidence(const char *folder, uint32_t number)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%u", folder, number);
    FILE *f = fopen(path, "w");
    if (f) return f;
    fprintf(stderr, "verde-sim: %s: %s\n", path, strerror(errno));
    exit(1);
}

static void work(worker *workers, uint32_t number, const options *o, const sim_pool *pool,
                 const sim_keys *keys)
{
    worker *me = &workers[number];
    sim_options world = o->world;
    ro_err err = {RO_OK, {0}};
    if (o->evidence) world.evidence = open_evidence(o->evidence, number);
    must(ro_float_mode(&err), &err);
    for (uint64_t s = number; s < o->seeds && !is_caught(workers, o->threads); s += o->threads) {
        me->at = o->seed + s;
        sim_run_seed(pool, keys, me->at, &world, &me->stats);
        fflush(stdout);
    }
    if (world.evidence && fclose(world.evidence)) exit(1);
}

static void add(uint64_t *to, const uint64_t *from, size_t n)
{
    for (size_t k = 0; k < n; k++) to[k] += from[k];
}

static void gather(sim_stats *all, const sim_stats *s)
{
    if (s->violations && (!all->violations || s->first_failing < all->first_failing)) {
        all->first_failing = s->first_failing;
        memcpy(all->sentence, s->sentence, sizeof all->sentence);
    }
#define ADD(field) add((uint64_t *)&all->field, (const uint64_t *)&s->field, sizeof s->field / 8)
    ADD(seeds), ADD(violations), ADD(honest_slashed), ADD(wrong_accepted), ADD(disputes);
    ADD(outcomes), ADD(verdicts), ADD(faults), ADD(ends), ADD(parties), ADD(judged), ADD(pairs);
    ADD(events), ADD(messages), ADD(restores), ADD(evidence), ADD(audits), ADD(held);
    ADD(rational), ADD(tried), ADD(plans), ADD(moves), ADD(rational_out);
#undef ADD
}

static void run_all(const options *o, const sim_pool *pool, const sim_keys *keys, sim_stats *all)
{
    worker *workers = mmap(NULL, o->threads * sizeof *workers, PROT_READ | PROT_WRITE,
                           MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    RO_ASSERT(workers != MAP_FAILED);
    fflush(stdout);
    for (uint32_t k = 0; k < o->threads; k++) {
        pid_t process = fork();
        RO_ASSERT(process >= 0);
        if (process == 0) {
            work(workers, k, o, pool, keys);
            _exit(0);
        }
        workers[k].process = process;
    }
    for (uint32_t n = 0; n < o->threads; n++) {
        int status;
        uint32_t k = 0;
        pid_t process = wait(&status);
        while (k < o->threads && workers[k].process != process) k++;
        RO_ASSERT(k < o->threads);
        sim_stats *s = &workers[k].stats;
        if (status && (!s->violations++ || workers[k].at < s->first_failing)) {
            s->first_failing = workers[k].at;
            snprintf(s->sentence, sizeof s->sentence, "the referee dies (status %d)", status);
        }
    }
    for (uint32_t k = 0; k < o->threads; k++) gather(all, &workers[k].stats);
    munmap(workers, o->threads * sizeof *workers);
}

/* ---- what had to occur ------------------------------------------------------------------- */

static uint32_t lacks(int print, const char *what, const char *a, const char *b)
{
    if (print) printf("never occurred: %s %s, %s\n", what, a, b);
    return 1;
}

/* Of owners that play for money: each plan and move weighed, each end of an identity met. */
static uint32_t rational_lacks(const sim_stats *s, int print)
{
    static const sim_outcome ways[] = {
        OUT_STANDS,    OUT_NO_MEMBER, OUT_FEE,     OUT_NO_REVEAL,  OUT_EQUIVOCATION,
        OUT_ATTENTION, OUT_CLAIM,     OUT_FORFEIT, OUT_ELEMENT};
    uint32_t n = 0;
    if (!s->rational) n += lacks(print, "rational", "an owner that", "plays for money");
    for (uint32_t k = 0; k < sim_plan_count; k++)
        if (!s->plans[k][0]) n += lacks(print, "rational", sim_plan_name(k), "weighed");
    for (uint32_t k = 0; k < sim_move_count; k++)
        if (!s->moves[k][0]) n += lacks(print, "rational", sim_move_name(k), "weighed");
    for (size_t k = 0; k < sizeof ways / sizeof *ways; k++)
        if (!s->rational_out[ways[k]][0])
            n += lacks(print, "rational", sim_outcome_name(ways[k]), "weighed");
    if (!s->rational_out[OUT_STANDS][1]) n += lacks(print, "rational", "stands", "played");
    return n;
}

static uint32_t asked_of(const sim_stats *s, const sim_strategy *of)
{
    return s->seeds < SIM_LONG ? of->must : of->must | of->often;
}

/* Every way out of every strategy, every fault and every end; in a long run also every pair of
 * strategies, and a verdict on an element of every operator at the first, a middle and the last
 * step. Phase 0 has no subjects, so the first step judges Identity alone. */
static uint32_t missing(const sim_stats *s, int print)
{
    static const char *const where[3] = {"first step", "middle", "last step"};
    static const struct { rf_kind kind; rf_method method; } verdicts[] = {
        {RF_STEP, RF_BY_NONE},      {RF_STRUCTURE, RF_BY_NONE}, {RF_INPUTS, RF_BY_NONE},
        {RF_OUTPUT, RF_BY_ELEMENT}, {RF_OUTPUT, RF_BY_PARTIAL}, {RF_FORFEIT, RF_BY_NONE},
        {RF_WITHHELD, RF_BY_NONE},  {RF_UNDECIDED, RF_BY_NONE}};
    uint32_t n = 0;
    for (uint32_t k = 0; k < sim_strategy_count; k++)
        for (int o = 0; o < OUT_KINDS; o++)
            if (asked_of(s, &sim_strategies[k]) >> o & 1 && !s->outcomes[k][o])
                n += lacks(print, "strategy", sim_strategies[k].name,
                           sim_outcome_name((sim_outcome)o));
    for (int f = 0; f < FAULT_KINDS; f++)
        if (!s->faults[f]) n += lacks(print, "fault", sim_fault_name((sim_fault)f), "of the world");
    for (int e = 0; e <= RF_END_REFUNDED; e++)
        if (!s->ends[e]) n += lacks(print, "end", rf_end_name((rf_end)e), "of a task");
    for (size_t k = 0; k < sizeof verdicts / sizeof *verdicts; k++)
        if (!s->verdicts[verdicts[k].kind][verdicts[k].method])
            n += lacks(print, "verdict", rf_kind_name(verdicts[k].kind),
                       rf_method_name(verdicts[k].method));
    n += rational_lacks(s, print);
    for (int h = 0; h < HELD_KINDS; h++)
        if (!s->held[h]) n += lacks(print, "held", "a verdict", sim_held_name((sim_held)h));
    if (s->disputes * 5 < s->seeds * 4) n += lacks(print, "disputes", "in four", "of five seeds");
    if (s->seeds < SIM_LONG) return n;
    for (uint32_t k = 0; k < sim_strategy_count; k++)
        for (uint32_t i = 0; i < k; i++)
            if (!s->pairs[k][i])
                n += lacks(print, "pair", sim_strategies[k].name, sim_strategies[i].name);
    for (int op = 0; op < RO_OP_COUNT; op++)
        for (int at = op == RO_OP_Identity ? 0 : 1; at < 3; at++)
            if (!s->judged[op][at]) n += lacks(print, "verdict", ro_ops[op].name, where[at]);
    return n;
}

/* Counts without which the run would have failed, each emptied alone; of the ways out of each
 * strategy there is one, or its number is in *idle. */
static uint32_t needed(const sim_stats *s, uint32_t *idle)
{
    static const struct { size_t at, size; } fields[] = {
#define FIELD(name) {offsetof(sim_stats, name), sizeof s->name}
        FIELD(outcomes), FIELD(verdicts), FIELD(faults), FIELD(ends),  FIELD(pairs),
        FIELD(judged),   FIELD(plans),    FIELD(moves),  FIELD(rational_out), FIELD(held)};
#undef FIELD
    static sim_stats other;
    const uint32_t lacking = missing(s, 0);
    uint32_t n = 0, ways[64] = {0};
    other = *s;
    for (size_t f = 0; f < sizeof fields / sizeof *fields; f++)
        for (size_t k = 0; k < fields[f].size / sizeof(uint64_t); k++) {
            uint64_t *count = (uint64_t *)((uint8_t *)&other + fields[f].at) + k, was = *count;
            if (!was) continue;
            *count = 0;
            int noticed = missing(&other, 0) > lacking;
            *count = was;
            n += (uint32_t)noticed;
            if (f == 0 && noticed) ways[k / OUT_KINDS]++;
        }
    *idle = 0;
    for (uint32_t k = 0; k < sim_strategy_count; k++) *idle += !ways[k];
    return n;
}

/* ---- printing ---------------------------------------------------------------------------- */

static void print_rational(const sim_stats *s)
{
    static const char *const what[2] = {"rational, weighed", "rational, played"};
    for (int played = 0; played < 2; played++) {
        printf("%-32s", what[played]);
        for (int o = 0; o < OUT_KINDS; o++)
            if (s->rational_out[o][played])
                printf("  %s %llu", sim_outcome_name((sim_outcome)o),
                       (unsigned long long)s->rational_out[o][played]);
        printf("\n");
    }
    for (uint32_t k = 0; k < sim_plan_count; k++)
        printf("  %-36s weighed %llu, chosen %llu\n", sim_plan_name(k),
               (unsigned long long)s->plans[k][0], (unsigned long long)s->plans[k][1]);
    for (uint32_t k = 0; k < sim_move_count; k++)
        printf("  %-36s weighed %llu, chosen %llu\n", sim_move_name(k),
               (unsigned long long)s->moves[k][0], (unsigned long long)s->moves[k][1]);
}

static void print_histogram(const sim_stats *s)
{
    for (uint32_t k = 0; k < sim_strategy_count; k++) {
        printf("%-32s", sim_strategies[k].name);
        for (int o = 0; o < OUT_KINDS; o++)
            if (s->outcomes[k][o])
                printf("  %s %llu", sim_outcome_name((sim_outcome)o),
                       (unsigned long long)s->outcomes[k][o]);
        printf("\n");
    }
    print_rational(s);
    printf("%-32s", "verdicts");
    for (int v = 0; v < 8; v++)
        for (int m = 0; m < 6; m++)
            if (s->verdicts[v][m])
                printf("  %s/%s %llu", rf_kind_name((rf_kind)v), rf_method_name((rf_method)m),
                       (unsigned long long)s->verdicts[v][m]);
    printf("\n%-32s", "faults");
    for (int f = 0; f < FAULT_KINDS; f++)
        printf("  %s %llu", sim_fault_name((sim_fault)f), (unsigned long long)s->faults[f]);
    printf("\n%-32s", "held verdicts");
    for (int h = 0; h < HELD_KINDS; h++)
        printf("  %s %llu", sim_held_name((sim_held)h), (unsigned long long)s->held[h]);
    printf("\n%-32s", "ends");
    for (int e = 0; e <= RF_END_REFUNDED; e++)
        printf("  %s %llu", rf_end_name((rf_end)e), (unsigned long long)s->ends[e]);
    printf("\n%-32s", "parties");
    for (int n = 1; n < 8; n++)
        if (s->parties[n]) printf("  %d: %llu", n, (unsigned long long)s->parties[n]);
    printf("\n");
}

/* Of each plan, move and way out how often it was weighed, and chosen or played. */
static void print_json_pair(const char **comma, const char *name, const uint64_t count[2])
{
    printf("%s\"%s\": [%llu, %llu]", *comma, name, (unsigned long long)count[0],
           (unsigned long long)count[1]);
    *comma = ", ";
}

static void print_json_rational(const sim_stats *s)
{
    const char *comma = "";
    printf("\"plans\": {");
    for (uint32_t k = 0; k < sim_plan_count; k++)
        print_json_pair(&comma, sim_plan_name(k), s->plans[k]);
    comma = "";
    printf("}, \"moves\": {");
    for (uint32_t k = 0; k < sim_move_count; k++)
        print_json_pair(&comma, sim_move_name(k), s->moves[k]);
    comma = "";
    printf("}, \"owned\": {");
    for (int o = 0; o < OUT_KINDS; o++)
        print_json_pair(&comma, sim_outcome_name((sim_outcome)o), s->rational_out[o]);
    printf("}, ");
}

static void print_json_histogram(const sim_stats *s)
{
    const char *comma = "";
    printf(", \"strategies\": {");
    for (uint32_t k = 0; k < sim_strategy_count; k++) {
        printf("%s\"%s\": {", comma, sim_strategies[k].name);
        const char *inner = "";
        for (int o = 0; o < OUT_KINDS; o++) {
            if (!s->outcomes[k][o]) continue;
            printf("%s\"%s\": %llu", inner, sim_outcome_name((sim_outcome)o),
                   (unsigned long long)s->outcomes[k][o]);
            inner = ", ";
        }
        printf("}");
        comma = ", ";
    }
    comma = "";
    printf("}, ");
    print_json_rational(s);
    printf("\"verdicts\": {");
    for (int v = 0; v < 8; v++)
        for (int m = 0; m < 6; m++) {
            if (!s->verdicts[v][m]) continue;
            printf("%s\"%s/%s\": %llu", comma, rf_kind_name((rf_kind)v),
                   rf_method_name((rf_method)m), (unsigned long long)s->verdicts[v][m]);
            comma = ", ";
        }
    comma = "";
    printf("}, \"faults\": {");
    for (int f = 0; f < FAULT_KINDS; f++) {
        printf("%s\"%s\": %llu", comma, sim_fault_name((sim_fault)f),
               (unsigned long long)s->faults[f]);
        comma = ", ";
    }
    comma = "";
    printf("}, \"held\": {");
    for (int h = 0; h < HELD_KINDS; h++) {
        printf("%s\"%s\": %llu", comma, sim_held_name((sim_held)h),
               (unsigned long long)s->held[h]);
        comma = ", ";
    }
    printf("}");
}

static void print_result(const options *o, const sim_stats *s, double seconds, uint32_t lacking)
{
    static const struct { const char *name; size_t at; } counts[] = {
#define COUNT(field) {#field, offsetof(sim_stats, field)}
        COUNT(seeds), COUNT(violations), COUNT(honest_slashed), COUNT(wrong_accepted),
        COUNT(disputes), COUNT(events), COUNT(messages), COUNT(restores), COUNT(evidence),
        COUNT(audits), COUNT(rational), COUNT(tried)};
#undef COUNT
    uint32_t idle, need = o->few ? (idle = 0) : needed(s, &idle);
    if (!o->json) print_histogram(s);
    printf(o->json ? "{" : "\n");
    for (size_t k = 0; k < sizeof counts / sizeof *counts; k++) {
        uint64_t n = *(const uint64_t *)((const uint8_t *)s + counts[k].at);
        printf(o->json ? "\"%s\": %llu, " : "%s %llu\n", counts[k].name, (unsigned long long)n);
    }
    if (o->json) {
        printf("\"never_occurred\": %u, \"needed\": %u, \"idle_strategies\": %u, "
               "\"seconds\": %.1f, \"first_failing_seed\": ", lacking, need, idle, seconds);
        if (s->violations)
            printf("%llu, \"sentence\": \"%s\"", (unsigned long long)s->first_failing, s->sentence);
        else printf("null");
        print_json_histogram(s);
        printf("}\n");
        return;
    }
    printf("needed %u\nidle_strategies %u\n", need, idle);
    if (s->violations)
        printf("first_failing_seed %llu: %s\n", (unsigned long long)s->first_failing, s->sentence);
    printf(
        "%llu seeds in %.1f s: %llu violations, %llu honest slashed, %llu wrong accepted, %u never "
        "occurred\n",
        (unsigned long long)s->seeds, seconds, (unsigned long long)s->violations,
        (unsigned long long)s->honest_slashed, (unsigned long long)s->wrong_accepted, lacking);
}

/* ---- the command line -------------------------------------------------------------------- */

static int usage(const char *what)
{
    fprintf(stderr,
            "verde-sim: %s\nverde-sim --seeds N [--seed S] [--threads T] [--json] [--plant NAME] "
            "[--lead STRATEGY | --rational] [--anything] [--story] [--evidence FOLDER]\n"
            "verde-sim --roots N | --patterns LENGTH [--every-pair] [--json]\n"
            "verde-sim --plants | --leaks\n",
            what);
    return 2;
}

static int number(const char *text, uint64_t most, uint64_t *out)
{
    char *end;
    *out = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && !*end && *out <= most;
}

static int parse(int argc, char **argv, options *o)
{
    for (int k = 1; k < argc; k++) {
        uint64_t n = 0;
        int more = k + 1 < argc;
        if (strcmp(argv[k], "--json") == 0) {
            o->json = 1;
        } else if (strcmp(argv[k], "--anything") == 0) {
            o->few = 1;
        } else if (strcmp(argv[k], "--story") == 0) {
            o->world.story = o->few = 1;
        } else if (strcmp(argv[k], "--rational") == 0) {
            o->world.rational = 1;
        } else if (strcmp(argv[k], "--every-pair") == 0) {
            o->every = 1;
        } else if (more && strcmp(argv[k], "--roots") == 0) {
            if (!number(argv[++k], 4000, &o->roots)) return usage("--roots takes at most 4000");
        } else if (more && strcmp(argv[k], "--patterns") == 0) {
            if (!number(argv[++k], 12, &o->patterns)) return usage("--patterns takes at most 12");
        } else if (more && strcmp(argv[k], "--seeds") == 0) {
            if (!number(argv[++k], UINT64_C(1) << 32, &o->seeds))
                return usage("--seeds takes a number");
        } else if (more && strcmp(argv[k], "--seed") == 0) {
            if (!number(argv[++k], UINT64_C(1) << 48, &o->seed))
                return usage("--seed takes a number");
        } else if (more && strcmp(argv[k], "--threads") == 0) {
            if (!number(argv[++k], WORKERS_MAX, &n) || !n) return usage("--threads takes 1 to 64");
            o->threads = (uint32_t)n;
        } else if (more && strcmp(argv[k], "--lead") == 0) {
            for (uint32_t i = 0; i < sim_strategy_count; i++)
                if (strcmp(sim_strategies[i].name, argv[k + 1]) == 0)
                    o->world.lead = &sim_strategies[i];
            if (!o->world.lead) return usage("there is no such strategy");
            o->few = 1;
            k++;
        } else if (more && strcmp(argv[k], "--evidence") == 0) {
            o->evidence = argv[++k];
        } else if (more && strcmp(argv[k], "--plant") == 0) {
            if (!sim_plant_choose(argv[++k])) return usage("there is no such plant");
        } else {
            return usage(argv[k]);
        }
    }
    return o->seeds || o->roots || o->patterns ? 0 : usage("--seeds is missing");
}

int main(int argc, char **argv)
{
    static sim_stats all;
    options o;
    sim_pool pool = {NULL, 0};
    sim_keys keys;
    int leaks = argc == 2 && strcmp(argv[1], "--leaks") == 0;
    if (leaks || (argc == 2 && strcmp(argv[1], "--plants") == 0)) {
        for (uint32_t k = 0; k < sim_plant_count; k++)
            if (sim_plants[k].leak == leaks)
                printf("%s: %s\n", sim_plants[k].name, sim_plants[k].what);
        return 0;
    }
    memset(&o, 0, sizeof o);
    o.threads = 2;
    int bad = parse(argc, argv, &o);
    if (bad) return bad;
    double start = seconds_now();
    sim_pool_make(&pool);
    if (!o.seeds) {
        int good = o.roots ? sim_crowd(&pool, (uint32_t)o.roots, o.json)
                           : sim_games(&pool, (uint32_t)o.patterns, o.every, o.json);
        sim_pool_release(&pool);
        return good ? 0 : 1;
    }
    sim_keys_make(&keys);
    run_all(&o, &pool, &keys, &all);
    sim_pool_release(&pool);
    sim_keys_release(&keys);
    uint32_t lacking = o.few ? 0 : missing(&all, !o.json);
    print_result(&o, &all, seconds_now() - start, lacking);
    return all.violations || lacking ? 1 : 0;
}
