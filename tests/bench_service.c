/* bench_service.c - what the service takes: life cycles of tasks a second, reads, slow clients,
 * memory, and whether a task costs more where there are many. docs/SERVICE.md, "What it takes".
 *
 *   bench_service [--json] [--only NAME]
 *
 * The service is a process of its own with its files on the disk; this one signs and asks, on the
 * same processors. A cycle is a submission, three claims, commitments and reveals, the delivery,
 * agreement and settlement: 11 requests, each durable when it is answered. Its windows last
 * WINDOW_MS; cycles are begun at a rate, and the rate counts that is settled without one message
 * too late. */
#include "../server/engine.h"
#include "service_lives.h"

#define WINDOW_MS 700u
#define SECONDS 5.0

static int json, results;
static char base[1000];
static double disk_rate;

static void result(const char *name, double value, const char *unit, const char *better,
                   double goal, const char *reason)
{
    const int pass = goal <= 0 || (!strcmp(better, "lower") ? value <= goal : value >= goal);
    if (!json) {
        printf("%-28s %12.3f %-8s", name, value, unit);
        if (goal > 0)
            printf(" %s %g: %s;", !strcmp(better, "lower") ? "<=" : ">=", goal,
                   pass ? "reached" : "missed");
        printf(" %s\n", reason);
        fflush(stdout);
        return;
    }
    printf("%s\n{\"name\": \"%s\", \"value\": %.9g, \"unit\": \"%s\", \"peer\": null, "
           "\"peer_value\": null, \"ratio\": null, \"better\": \"%s\", \"goal_on\": \"value\", ",
           results++ ? "," : "", name, value, unit, better);
    if (goal > 0) printf("\"goal\": %g, ", goal);
    else printf("\"goal\": null, ");
    printf("\"pass\": %s, \"reason\": \"%s\"}", pass ? "true" : "false",
           goal > 0 && pass ? "" : reason);
}

/* ---- a service --------------------------------------------------------------------------- */

typedef struct { sc_service s; sc_pool pool; lv_world w; char dir[1100]; } house;

static void begin_house(house *h, const char *name, const char *window, int connections)
{
    memset(h, 0, sizeof *h);
    snprintf(h->dir, sizeof h->dir, "%s/%s", base, name);
    h->s.program = VERDE_BIN_DIR "/verded";
    h->s.dir = h->dir;
    lv_flags(&h->s, window);
    sc_start(&h->s);
    sc_open(&h->pool, &h->s, connections);
    lv_found(&h->w, &h->pool, strtoull(window, NULL, 10));
}

static void end_house(house *h)
{
    sc_close(&h->pool);
    int status = sc_end(&h->s, SIGTERM);
    if (!WIFEXITED(status) || WEXITSTATUS(status)) sc_die("verded ended with %d", status);
    remove_folder(h->dir);
}

/* ---- cycles ------------------------------------------------------------------------------ */

/* Begin `rate` lives a second for this long; 0: the service lags behind. */
static int run_lives(house *h, const lv_job *job, double rate, double seconds)
{
    const double begin = sc_now();
    double next = begin, ticked = 0, now;
    while ((now = sc_now()) < begin + seconds) {
        for (; next <= now; next += 1 / rate) lv_begin(&h->w, job);
        if (!sc_pump(&h->pool, 1)) sc_die("nobody listens");
        if (now - ticked < 0.001) continue;
        ticked = now;
        lv_tick(&h->w);
        if (h->pool.waiting > 4000) return 0;
    }
    return 1;
}

static void drain(house *h)
{
    for (const double end = sc_now() + 60; h->w.open && sc_now() < end;) {
        sc_pump(&h->pool, 1);
        lv_tick(&h->w);
    }
    if (h->w.open) sc_die("%llu lives do not end", (unsigned long long)h->w.open);
}

static double settled(house *h)
{
    return sc_metric(&h->pool, "verde_tasks_entered_total{state=\"settled\"}");
}

/* Cycles a second that are settled when so many are begun; 0: not all of them in time. */
static double sustained(house *h, const lv_job *job, double rate)
{
    const double warm = 6.5 * WINDOW_MS * 1e-3;
    const uint64_t late = h->w.late;
    int keeps = run_lives(h, job, rate, warm);
    double from = sc_now(), count = settled(h), got = 0;
    keeps = keeps && run_lives(h, job, rate, SECONDS);
    if (keeps) got = (settled(h) - count) / (sc_now() - from);
    drain(h);
    keeps = keeps && h->w.late == late && got >= 0.97 * rate;
    if (!json || getenv("LV_TELL"))
        fprintf(stderr, "  %.0f cycles/s begun: %.0f settled, %llu late\n", rate, got,
                (unsigned long long)(h->w.late - late));
    return keeps ? got : 0;
}

static void bench_cycles(void)
{
    house h;
    char window[16], reason[200];
    lv_job *job = lv_job_new(0);
    double best = 0, rate = 60, got, step = 1.3;
    snprintf(window, sizeof window, "%u", WINDOW_MS);
    begin_house(&h, "cycles", window, 48);
    for (int tries = 0; tries < 10 && rate > 10; tries++) {
        got = sustained(&h, job, rate);
        if (got > best) best = got;
        if (!got && best) break;
        rate = got ? rate * step : rate / step;
    }
    const double cpu = sc_processor_s(h.s.pid), lives = (double)h.w.over;
    end_house(&h);
    lv_job_free(job);
    snprintf(reason, sizeof reason, "the highest rate at which every cycle settles; %.2f ms of "
             "verded's processor time each", cpu / lives * 1e3);
    result("service_cycles", best, "1/s", "higher", 300, reason);
    result("service_disk_syncs", disk_rate, "1/s", "higher", 0, "for comparison: the disk");
}

/* ---- reads ------------------------------------------------------------------------------- */

typedef struct { double *took; uint32_t count, room, bad; } laps;

static int lap(sc_request *r, unsigned status, const char *body, size_t n)
{
    laps *l = r->ctx;
    (void)body;
    l->bad += status != 200 || n < 100;
    if (l->count < l->room) l->took[l->count++] = sc_now() - r->since;
    return 0;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The given part of the laps, in ms. */
static double quantile(laps *l, double q)
{
    qsort(l->took, l->count, sizeof *l->took, ascending);
    return l->count ? l->took[(uint32_t)(q * (l->count - 1))] * 1e3 : -1;
}

/* Ask at a rate, whether answers come or not: a lap is counted from when it should have begun. */
static void read_at_rate(house *h, const char *line, double rate, double seconds, laps *l)
{
    const double begin = sc_now();
    double next = begin, now;
    l->count = l->bad = 0;
    while ((now = sc_now()) < begin + seconds || h->pool.flying || h->pool.waiting) {
        for (; next <= now && next < begin + seconds; next += 1 / rate) {
            sc_request *r = sc_request_new(line, "", NULL, 0);
            r->done = lap;
            r->ctx = l;
            r->since = next;
            sc_post(&h->pool, r);
        }
        if (!sc_pump(&h->pool, next > now ? (next - now > 0.001 ? 1 : 0) : 0))
            sc_die("nobody listens");
    }
    if (l->bad) sc_die("%u of %u reads went wrong", l->bad, l->count);
}

/* wrk -t1 -c64 of a path; 0: there is no wrk. */
static int wrk(const house *h, const char *path, double *rate, double *p99_ms)
{
    char command[400], line[256], unit[8];
    double v;
    *rate = *p99_ms = 0;
    snprintf(command, sizeof command, "command -v wrk >/dev/null && wrk -t1 -c64 -d%d --latency "
             "http://127.0.0.1:%u%s", (int)SECONDS, h->s.port, path);
    FILE *f = popen(command, "r");
    while (f && fgets(line, sizeof line, f)) {
        if (sscanf(line, "Requests/sec: %lf", &v) == 1) *rate = v;
        if (sscanf(line, " 99%% %lf%7s", &v, unit) == 2)
            *p99_ms = v * (unit[0] == 'u' ? 1e-3 : unit[0] == 's' ? 1e3 : 1);
        if (strstr(line, "Non-2xx") || strstr(line, "Socket errors")) sc_die("wrk: %s", line);
    }
    if (f) pclose(f);
    return *rate > 0;
}

/* Connections that send one byte of a head a second, until told to stop. */
typedef struct { int fd[200]; uint32_t count; double last; } slow;

static void slow_begin(slow *s, uint16_t port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (s->count = 0; s->count < 200; s->count++) {
        s->fd[s->count] = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(s->fd[s->count], (struct sockaddr *)&a, sizeof a)) sc_die("no connection");
    }
    s->last = 0;
}

static void slow_tick(slow *s)
{
    static const char text[] = "GET /v1/tasks HTTP/1.1\r\nHost: x\r\nX-Long: aaaaaaaaaaaaaaaaaaaa";
    static size_t at;
    if (sc_now() < s->last + 1) return;
    s->last = sc_now();
    for (uint32_t k = 0; k < s->count; k++)
        (void)!send(s->fd[k], text + at % (sizeof text - 1), 1, MSG_NOSIGNAL);
    at++;
}

static void slow_end(slow *s)
{
    while (s->count) close(s->fd[--s->count]);
}

/* Two times the same number of reads, once beside slow clients; in turns, as the machine drifts. */
static void bench_slow(house *h, const char *line)
{
    laps l = {calloc(200000, sizeof(double)), 0, 200000, 0};
    double alone[5], beside[5];
    slow s;
    for (int k = 0; k < 5; k++) {
        read_at_rate(h, line, 2000, 2, &l);
        alone[k] = quantile(&l, 0.99);
        slow_begin(&s, h->s.port);
        for (int part = 0; part < 4; part++) {
            slow_tick(&s);
            laps p = {l.took + 50000, 0, 100000, 0};
            read_at_rate(h, line, 2000, 0.5, &p);
            memcpy(l.took + (part ? l.count : 0), p.took, p.count * sizeof *p.took);
            l.count = (part ? l.count : 0) + p.count;
        }
        beside[k] = quantile(&l, 0.99);
        slow_end(&s);
    }
    qsort(alone, 5, sizeof *alone, ascending);
    qsort(beside, 5, sizeof *beside, ascending);
    result("service_slow_clients", beside[2] / alone[2], "x", "lower", 2,
           "p99 of reads at 2,000/s beside 200 slow clients, of that without them");
    free(l.took);
}

static void bench_reads(house *h, const char *task)
{
    laps l = {calloc(200000, sizeof(double)), 0, 200000, 0};
    char path[100], line[120];
    double rate, p99;
    snprintf(path, sizeof path, "/v1/tasks/%s", task);
    snprintf(line, sizeof line, "GET %s", path);
    read_at_rate(h, line, 2000, SECONDS, &l);
    result("service_reads_2000_p50", quantile(&l, 0.5), "ms", "lower", 0, "at 2,000 reads/s");
    result("service_reads_2000_p99", quantile(&l, 0.99), "ms", "lower", 5, "at 2,000 reads/s");
    if (wrk(h, path, &rate, &p99)) {
        result("service_reads", rate, "1/s", "higher", 20000, "wrk -t1 -c64 of an open task");
        result("service_reads_p99", p99, "ms", "lower", 10, "at that load");
        if (wrk(h, "/v1/tasks", &rate, &p99))
            result("service_reads_pages", rate, "1/s", "higher", 0, "of pages of 50 tasks");
    } else {
        result("service_reads", 0, "1/s", "higher", 20000, "wrk is not installed");
    }
    bench_slow(h, line);
    free(l.took);
}

/* ---- memory ------------------------------------------------------------------------------ */

/* A chunked body without an end to a route that takes 64 MiB; what the process grew by, in MiB. */
static double endless_upload(house *h)
{
    static char chunk[65536 + 16];
    char head[400], path[64];
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(h->s.port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0), n;
    uint64_t sent = 0;
    snprintf(path, sizeof path, "/proc/%d/clear_refs", (int)h->s.pid);
    small_put(path, "5", 1); /* the greatest resident size begins anew */
    const long before = sc_memory_kb(h->s.pid, "VmRSS");
    if (connect(fd, (struct sockaddr *)&a, sizeof a)) sc_die("no connection");
    n = snprintf(head, sizeof head, "POST /v1/tasks HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "
                 "%s\r\nIdempotency-Key: big\r\nContent-Type: application/vnd.verde.job\r\n"
                 "Transfer-Encoding: chunked\r\n\r\n", h->w.token);
    if (send(fd, head, (size_t)n, MSG_NOSIGNAL) != n) sc_die("no connection");
    n = snprintf(chunk, sizeof chunk, "%x\r\n", 65536);
    memset(chunk + n, 'x', 65536);
    memcpy(chunk + n + 65536, "\r\n", 2);
    while (sent < UINT64_C(1) << 30) {
        if (send(fd, chunk, (size_t)n + 65538, MSG_NOSIGNAL) <= 0) break; /* it was cut: as good */
        sent += 65536;
    }
    const long peak = sc_memory_kb(h->s.pid, "VmHWM");
    close(fd);
    return (double)(peak - before) / 1024;
}

static void bench_memory(void)
{
    house h;
    char hex[65] = "";
    lv_job *job = lv_job_new(0);
    begin_house(&h, "memory", "3600000", 16);
    for (int k = 0; k < 1000; k++) {
        lv_life *l = lv_begin(&h.w, job);
        while (l->stage != LV_COMMIT) sc_pump(&h.pool, 1000);
        memcpy(hex, l->hex, sizeof hex);
    }
    result("service_open_tasks_rss", (double)sc_memory_kb(h.s.pid, "VmRSS") / 1024, "MiB", "lower",
           128, "1,000 open tasks of three claims each");
    bench_reads(&h, hex);
    result("service_upload_rss", endless_upload(&h), "MiB", "lower", 8,
           "growth while 1 GB came chunked");
    while (h.w.lives) {
        lv_life *l = h.w.lives;
        h.w.lives = l->next;
        free(l);
    }
    end_house(&h);
    lv_job_free(job);
}

/* ---- many tasks -------------------------------------------------------------------------- */

typedef struct {
    sv_action action;
    const lv_job *job;
    const rf_params *params;
    const sv_fixed *fixed;
    vd_digest client;
    uint64_t first, count;
    int done;
} filling;

/* Tasks that are opened and frozen at once: they have ended. */
static void fill_some(sv_engine *e, sv_action *a)
{
    filling *f = (filling *)(void *)a;
    ro_err err = {RO_OK, {0}};
    rf_event freeze;
    memset(&freeze, 0, sizeof freeze);
    freeze.kind = RF_EV_ALARM;
    for (uint64_t k = 0; k < f->count; k++) {
        const sv_order o = {made_up(f->first + k, 1, 5), f->client, made_up(f->first + k, 2, 5),
                            *f->params, f->job->bytes, f->job->size};
        must(sv_engine_submit(e, &o, f->fixed, &err), &err);
        must(sv_tasks_event(sv_engine_tasks(e), &o.task, &freeze, sv_now_ms(), &err), &err);
    }
}

static void filled(sv_engine *e, sv_action *a, const ro_err *failed)
{
    (void)e;
    if (failed) sc_die("%s", failed->msg);
    __atomic_store_n(&((filling *)(void *)a)->done, 1, __ATOMIC_RELEASE);
}

/* The service is down meanwhile. */
static void fill(const house *h, const lv_job *job, uint64_t from, uint64_t to)
{
    ro_err err = {RO_OK, {0}};
    sv_engine_options o = {.dir = h->dir, .treasury = 0};
    sv_engine *e;
    vd_key *key;
    vd_job *j;
    sv_wishes none;
    rf_params p;
    sv_fixed f;
    ro_arena *a = ro_arena_new();
    memset(&none, 0, sizeof none);
    sv_rules_defaults(&o.rules);
    must(vd_key_load(in_folder(h->dir, "referee.key"), &key, &err), &err);
    must(sv_engine_open(&o, key, &e, &err), &err);
    must(vd_job_decode(job->bytes, job->size, a, &j, &err), &err);
    must(sv_engine_quote(e, j, &none, &p, &f, &err), &err);
    while (from < to) {
        filling x = {{NULL, fill_some, filled}, job, &p, &f, {{0}}, from, to - from, 0};
        if (x.count > 1000) x.count = 1000;
        if (!sc_hex(h->w.client, x.client.b, VD_DIGEST)) sc_die("no client");
        sv_engine_post(e, &x.action);
        while (!__atomic_load_n(&x.done, __ATOMIC_ACQUIRE)) usleep(500);
        from += x.count;
    }
    sv_engine_close(e);
    vd_key_free(key);
    ro_arena_free(a);
}

/* Processor time of the service for a cycle, in ms, with so many tasks in the database. */
static double cost_with(house *h, const lv_job *job, uint64_t from, uint64_t tasks)
{
    int status = sc_end(&h->s, SIGTERM);
    if (status) sc_die("verded ended with %d", status);
    fill(h, job, from, tasks);
    sc_start(&h->s);
    sc_service_changed(&h->pool);
    run_lives(h, job, 40, 3);
    const double cpu = sc_processor_s(h->s.pid), now = sc_now();
    const uint64_t over = h->w.over;
    run_lives(h, job, 40, 2 * SECONDS);
    const double ms = (sc_processor_s(h->s.pid) - cpu) / (double)(h->w.over - over) * 1e3;
    if (h->w.over - over < 30 * (uint64_t)(sc_now() - now)) sc_die("lives do not end");
    drain(h);
    return ms;
}

static void bench_many(void)
{
    static const struct { uint64_t tasks; const char *name; } sizes[] = {
        {10, "service_cost_10_tasks"}, {1000, "service_cost_1000_tasks"},
        {100000, "service_cost_100000_tasks"}};
    house h;
    double ms[3];
    char window[16];
    uint64_t from = 0;
    lv_job *job = lv_job_new(0);
    snprintf(window, sizeof window, "%u", WINDOW_MS);
    begin_house(&h, "many", window, 16);
    for (int k = 0; k < 3; k++) {
        ms[k] = cost_with(&h, job, from, sizes[k].tasks);
        from = sizes[k].tasks;
        result(sizes[k].name, ms[k], "ms", "lower", 0,
               "verded's processor time for a cycle, that many tasks having ended");
    }
    result("service_cost_growth", ms[2] / ms[0], "x", "lower", 1.25, "from 10 to 100,000 tasks");
    end_house(&h);
    lv_job_free(job);
}

/* ---- the disk ---------------------------------------------------------------------------- */

static double syncs_a_second(void)
{
    static char page[4096];
    int fd = open(in_folder(base, "sync"), O_RDWR | O_CREAT, 0600), n = 0;
    const double begin = sc_now();
    while (sc_now() < begin + 1) {
        if (pwrite(fd, page, sizeof page, n % 256 * 4096) != sizeof page || fdatasync(fd))
            sc_die("the disk cannot be written");
        n++;
    }
    close(fd);
    unlink(in_folder(base, "sync"));
    return n / (sc_now() - begin);
}

int main(int argc, char **argv)
{
    const char *only = "", *tmp = getenv("TMPDIR");
    for (int k = 1; k < argc; k++) {
        if (!strcmp(argv[k], "--json")) json = 1;
        else if (!strcmp(argv[k], "--only") && k + 1 < argc) only = argv[++k];
        else sc_die("bench_service [--json] [--only cycles|reads|many]");
    }
    signal(SIGPIPE, SIG_IGN);
    snprintf(base, sizeof base, "%s/verde-bench-XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(base)) sc_die("no folder in %s", base);
    disk_rate = syncs_a_second();
    if (json) printf("{\"schema\": \"verde-bench/1\", \"results\": [");
    if (!*only || !strcmp(only, "cycles")) bench_cycles();
    if (!*only || !strcmp(only, "reads")) bench_memory();
    if (!*only || !strcmp(only, "many")) bench_many();
    if (json) printf("\n]}\n");
    remove_folder(base);
    return 0;
}
