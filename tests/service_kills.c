/* service_kills.c - verded killed with SIGKILL at any instant, while tasks are submitted, fed,
 * claimed, committed to, revealed, delivered and settled; the reconciler after each kill.
 *
 *   service_kills KILLS [SEED]     "ok ..." a check; exit 1 with a sentence when one fails
 *
 * What was under way when the service fell is sent again to the next one, byte for byte, and every
 * request is sent a second time after it was answered. In the end every task that was told of has
 * settled once: each account has to the micro-unit what that many settled tasks leave it. Then two
 * rounds of the same tasks: 64 connections that deliver and freeze them at one time, and a service
 * whose files may not grow. */
#include <sys/resource.h>

#include "service_lives.h"

#define WINDOW "1500"
#define IN_FLIGHT 64u
#define APART_S 0.2 /* so that at any time some are in every state */

typedef struct { sc_service s; sc_pool pool; lv_world w; lv_job *job; } house;

static char dir[256];

/* ---- balances ---------------------------------------------------------------------------- */

static void reconcile(const house *h, const char *when)
{
    char out[64];
    int status;
    pid_t child = fork();
    if (!child) {
        int null = open("/dev/null", O_WRONLY);
        dup2(null, 1);
        execl(h->s.program, h->s.program, "reconcile", "--data", h->s.dir, (char *)NULL);
        _exit(127);
    }
    waitpid(child, &status, 0);
    snprintf(out, sizeof out, "exit %d", WEXITSTATUS(status));
    if (!WIFEXITED(status) || WEXITSTATUS(status)) sc_die("%s: reconcile: %s", when, out);
}

/* Everything that an owner has. */
static int64_t has(house *h, const char *id)
{
    char line[120], headers[200];
    snprintf(line, sizeof line, "GET /v1/accounts/%s", id);
    snprintf(headers, sizeof headers, "Authorization: Bearer %s\r\n", h->s.operator_token);
    sc_reply r = sc_ask(&h->pool, line, headers, NULL, 0);
    if (r.status != 200) sc_die("%s: %u %s", line, r.status, r.body);
    int64_t sum = sc_number(r.body, "free") + sc_number(r.body, "held") +
                  sc_number(r.body, "escrow");
    free(r.body);
    return sum;
}

static int64_t of_providers(house *h)
{
    char hex[65];
    int64_t sum = 0;
    for (uint32_t k = 0; k < LV_PROVIDERS; k++) {
        vd_digest id;
        memcpy(id.b, vd_key_public(h->w.provider[k]), VD_DIGEST);
        vd_digest_hex(&id, hex);
        sum += has(h, hex);
    }
    return sum;
}

static double open_tasks(house *h)
{
    static const char *const states[] = {"open", "commit", "reveal", "agreed", "disputed",
                                         "resolved", "final"};
    double n = 0;
    for (size_t k = 0; k < sizeof states / sizeof *states; k++) {
        char name[80];
        snprintf(name, sizeof name, "verde_tasks_open{state=\"%s\"}", states[k]);
        n += sc_metric(&h->pool, name);
    }
    return n;
}

static void wait_for_ends(house *h)
{
    for (const double end = sc_now() + 30; open_tasks(h) > 0; usleep(50000))
        if (sc_now() > end) sc_die("%.0f tasks do not end", open_tasks(h));
}

/* ---- kills ------------------------------------------------------------------------------- */

static uint64_t state = 88172645463325252u;
static uint64_t chance(uint64_t n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % n;
}

/* Lives go on for so long; begin: new ones too. */
static void go_on(house *h, double seconds, int begin)
{
    static double next;
    const double end = sc_now() + seconds;
    do {
        if (begin && h->w.open < IN_FLIGHT && sc_now() > next) {
            if (h->w.begun % 4 == 0) h->job = lv_job_new(1000 + h->w.begun);
            lv_begin(&h->w, h->job); /* jobs are kept to the end */
            next = sc_now() + APART_S;
        }
        if (!sc_pump(&h->pool, 1)) sc_die("nobody listens");
        lv_tick(&h->w);
    } while (sc_now() < end);
}

static void kill_and_start(house *h)
{
    sc_end(&h->s, SIGKILL);
    reconcile(h, "after a kill");
    sc_start(&h->s);
    sc_service_changed(&h->pool);
}

/* Slots won are paid, and nothing else: of lives that all settled, money tells how many did. */
static void check_money(house *h, int64_t before, int64_t reward, int64_t delivery)
{
    const double lives = (double)(of_providers(h) - before) / (double)(3 * reward + delivery);
    if (lives != (double)h->w.begun)
        sc_die("%llu lives were begun, providers were paid for %.3f",
               (unsigned long long)h->w.begun, lives);
}

static int64_t parameter(house *h, const char *name)
{
    char headers[200];
    snprintf(headers, sizeof headers, "Content-Type: application/vnd.verde.job\r\n");
    sc_reply r = sc_ask(&h->pool, "POST /v1/quotes", headers, h->job->bytes, h->job->size);
    if (r.status != 200) sc_die("a quote: %u %s", r.status, r.body);
    const int64_t v = sc_number(r.body, name);
    free(r.body);
    return v;
}

static void kills(house *h, unsigned long count)
{
    h->job = lv_job_new(1);
    const int64_t reward = parameter(h, "reward"), delivery = parameter(h, "delivery");
    const int64_t before = of_providers(h);
    h->w.twice = 1;
    for (unsigned long k = 0; k < count; k++) {
        go_on(h, 0.003 + (double)chance(60000) * 1e-6, 1);
        kill_and_start(h);
    }
    for (const double end = sc_now() + 60; h->w.open; go_on(h, 0.05, 0))
        if (sc_now() > end) sc_die("%llu lives do not end", (unsigned long long)h->w.open);
    wait_for_ends(h);
    reconcile(h, "in the end");
    if (h->w.late)
        sc_die("%llu lives had a message refused: %s", (unsigned long long)h->w.late, h->w.refusal);
    check_money(h, before, reward, delivery);
    printf("ok T37 %lu kills -9 over commit, reveal and settlement: balanced after each, %llu "
           "tasks settled once\n", count, (unsigned long long)h->w.over);
    printf("ok T31 %llu requests sent twice, %llu cut off and sent again: one task, one receipt, "
           "one payment each\n", (unsigned long long)h->w.replayed,
           (unsigned long long)h->pool.broken);
}

/* ---- data that two tasks share ------------------------------------------------------------ */

/* The second task's data are there already when it is told so, and it knows. */
static void shared_blob(house *h)
{
    char line[120];
    lv_job *job = lv_job_new(999);
    lv_life *l[2];
    h->w.twice = 0;
    for (int k = 0; k < 2; k++) {
        l[k] = lv_begin(&h->w, job);
        while (l[k]->stage < LV_BLOB) sc_pump(&h->pool, 10);
    }
    while (l[0]->stage < LV_COMMIT || l[1]->stage < LV_COMMIT) {
        sc_pump(&h->pool, 10);
        lv_tick(&h->w);
    }
    for (int k = 0; k < 2; k++) {
        snprintf(line, sizeof line, "GET /v1/tasks/%s", l[k]->hex);
        sc_reply r = sc_ask(&h->pool, line, "", NULL, 0);
        if (!strstr(r.body, "\"data_ready\": true"))
            sc_die("task %d of two with one blob does not know that it is there", k + 1);
        free(r.body);
    }
    printf("ok T66 two tasks with one blob: both have it\n");
    for (const double end = sc_now() + 30; h->w.open && sc_now() < end; go_on(h, 0.05, 0)) {}
    wait_for_ends(h);
    lv_job_free(job);
}

/* ---- 64 at one time ---------------------------------------------------------------------- */

typedef struct { uint32_t left, frozen, other; } rush;

static int rushed(sc_request *r, unsigned status, const char *body, size_t n)
{
    rush *c = r->ctx;
    (void)body;
    (void)n;
    c->left--;
    c->frozen += status == 200;
    c->other += status != 200 && status != 404 && status != 409;
    return 0;
}

/* Each of `tasks` is frozen by 64 connections together, each with a key of its own. */
static void settle_together(house *h, uint32_t tasks)
{
    rush c = {0, 0, 0};
    const int64_t before = has(h, h->w.client) + of_providers(h);
    h->w.twice = 0;
    for (uint32_t t = 0; t < tasks; t++) {
        char line[120], headers[400];
        lv_life *l = lv_begin(&h->w, h->job);
        while (l->stage < LV_COMMIT) sc_pump(&h->pool, 10);
        snprintf(line, sizeof line, "POST /v1/tasks/%s/freeze", l->hex);
        for (int k = 0; k < 64; k++) {
            snprintf(headers, sizeof headers, "Authorization: Bearer %s\r\nIdempotency-Key: f%u-%d"
                     "\r\n", h->s.operator_token, t, k);
            sc_request *r = sc_request_new(line, headers, NULL, 0);
            r->done = rushed;
            r->ctx = &c;
            c.left++;
            sc_post(&h->pool, r);
        }
        while (c.left) sc_pump(&h->pool, 100);
        h->w.lives = l->next;
        h->w.open--;
        free(l);
    }
    wait_for_ends(h);
    reconcile(h, "after 64 at one time");
    if (c.frozen != tasks || c.other)
        sc_die("%u tasks: %u were ended, %u answers are none", tasks, c.frozen, c.other);
    if (has(h, h->w.client) + of_providers(h) != before)
        sc_die("a refund is not all that was put in");
    printf("ok T38 %u tasks ended by 64 connections at one time: once each, refunded in full\n",
           tasks);
}

/* ---- files that may not grow ------------------------------------------------------------- */

static void no_room(house *h, int is)
{
    struct rlimit l = {RLIM_INFINITY, RLIM_INFINITY};
    if (is) l.rlim_cur = 4096;
    if (prlimit(h->s.pid, RLIMIT_FSIZE, &l, NULL)) sc_die("no limit can be set");
}

static void full_disk(house *h)
{
    char json[200];
    unsigned refused = 0;
    const int64_t before = has(h, h->w.client);
    snprintf(json, sizeof json, "{\"to\": \"%s\", \"amount\": \"1\"}", h->w.client);
    no_room(h, 1);
    for (int k = 0; k < 20; k++) {
        sc_reply r = sc_operate(&h->pool, "POST /v1/deposits", json);
        if (r.status == 201) sc_die("a deposit was taken that cannot be kept");
        refused += r.status == 503;
        free(r.body);
    }
    sc_reply health = sc_ask(&h->pool, "GET /healthz", "", NULL, 0);
    sc_reply ready = sc_ask(&h->pool, "GET /readyz", "", NULL, 0);
    if (refused != 20 || health.status != 200 || ready.status != 503)
        sc_die("full: %u of 20 were 503; healthz %u, readyz %u", refused, health.status,
               ready.status);
    free(health.body);
    free(ready.body);
    no_room(h, 0);
    usleep(1200000); /* it tries again by itself */
    sc_deposit(&h->pool, h->w.client, 1);
    if (has(h, h->w.client) != before + 1) sc_die("a deposit that was refused is there");
    reconcile(h, "after a full disk");
    printf("ok T57 files that may not grow: 503, readyz red, nothing lost; it goes on with room\n");
}

int main(int argc, char **argv)
{
    static house h;
    const char *tmp = getenv("TMPDIR");
    const unsigned long count = argc > 1 ? strtoul(argv[1], NULL, 10) : 200;
    if (argc > 2) state ^= strtoull(argv[2], NULL, 10) << 20;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* the service has it too */
    snprintf(dir, sizeof dir, "%.200s/verde-kills-XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(dir)) sc_die("no folder");
    h.s.program = VERDE_BIN_DIR "/verded";
    h.s.dir = dir;
    lv_flags(&h.s, WINDOW);
    sc_start(&h.s);
    sc_open(&h.pool, &h.s, 64);
    lv_found(&h.w, &h.pool, strtoull(WINDOW, NULL, 10));
    kills(&h, count);
    shared_blob(&h);
    settle_together(&h, 20);
    full_disk(&h);
    sc_close(&h.pool);
    int status = sc_end(&h.s, SIGTERM);
    if (!WIFEXITED(status) || WEXITSTATUS(status)) sc_die("verded ended with %d", status);
    remove_folder(dir);
    return 0;
}
