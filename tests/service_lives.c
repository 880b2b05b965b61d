/* service_lives.c - a folder of a service with something in it: tasks that agreed, that were
 * disputed over steps, segments, programs and parts, one that is being judged and one that is at
 * work, played by the members of task_world.h through the engine, as verded runs it.
 *
 *   service_lives FOLDER      prints the ids of the tasks, a line each: "agreed 51be.." */
#include <pthread.h>
#include <time.h>

#include "../server/engine.h"

static ro_status engine_event(rf_task *t, const rf_event *e, uint64_t now, ro_err *err);
#define rf_task_event engine_event
#include "task_world.h"
#undef rf_task_event

#define MONEY (INT64_C(1) << 50)

static struct {
    sv_engine *e;
    vd_digest client, task;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    uint64_t clock; /* runs ahead of ours: the engine sees no deadline come */

} house;

/* ---- the engine's thread ------------------------------------------------------------------ */

typedef struct job {
    sv_action action;
    ro_status (*run)(sv_engine *e, struct job *j, ro_err *err);
    const rf_event *event;
    uint64_t now;
    const sv_order *order;
    const sv_fixed *fixed;
    ro_status st;
    ro_err err;
    int done;
} job;

static void run_job(sv_engine *e, sv_action *a)
{
    job *j = (job *)(void *)a;
    j->st = j->run(e, j, &j->err);
}

static void job_done(sv_engine *e, sv_action *a, const ro_err *failed)
{
    job *j = (job *)(void *)a;
    (void)e;
    pthread_mutex_lock(&house.lock);
    if (failed) {
        j->st = failed->code;
        j->err = *failed;
    }
    j->done = 1;
    pthread_cond_signal(&house.wake);
    pthread_mutex_unlock(&house.lock);
}

static void do_job(job *j)
{
    j->action.run = run_job;
    j->action.done = job_done;
    sv_engine_post(house.e, &j->action);
    pthread_mutex_lock(&house.lock);
    while (!j->done) pthread_cond_wait(&house.wake, &house.lock);
    pthread_mutex_unlock(&house.lock);
    must(j->st, &j->err);
}

static ro_status take_event(sv_engine *e, job *j, ro_err *err)
{
    return sv_tasks_event(sv_engine_tasks(e), &house.task, j->event, j->now, err);
}

static ro_status take_order(sv_engine *e, job *j, ro_err *err)
{
    return sv_engine_submit(e, j->order, j->fixed, err);
}

static ro_status in_one(sv_engine *e, ro_status (*f)(sv_engine *, ro_err *), ro_err *err)
{
    RO_TRY(sv_ledger_begin(sv_engine_ledger(e), err));
    ro_status st = f(e, err);
    if (st) sv_ledger_rollback(sv_engine_ledger(e));
    else st = sv_ledger_commit(sv_engine_ledger(e), err);
    return st;
}

static ro_status found(sv_engine *e, ro_err *err)
{
    static const char *const names[] = {"alder", "birch", "cedar"};
    for (uint64_t k = 0; k < 4; k++) {
        sv_client c;
        memset(&c, 0, sizeof c);
        const vd_digest request = made_up(k, 90, 91), token = made_up(k, 92, 93);
        const vd_digest key = made_up(k, 10, 11);
        c.id = k < 3 ? made_up(k, 1, 1) : house.client;
        snprintf(c.name, sizeof c.name, "%s", k < 3 ? names[k] : "nordlys");
        const sv_account to = {SV_FREE, c.id, {{0}}};
        RO_TRY(sv_catalog_add_client(sv_engine_catalog(e), &c, &token, house.clock, err));
        if (k < 3) RO_TRY(sv_catalog_bind(sv_engine_catalog(e), &key, &c.id, err));
        RO_TRY(sv_ledger_deposit(sv_engine_ledger(e), &request, &to, MONEY, house.clock,
                                 err));
    }
    return RO_OK;
}

static ro_status take_money(sv_engine *e, job *j, ro_err *err)
{
    (void)j;
    return in_one(e, found, err);
}

static ro_status engine_event(rf_task *t, const rf_event *e, uint64_t now, ro_err *err)
{
    job j = {.run = take_event, .event = e, .now = now};
    RO_TRY(rf_task_event(t, e, now, err));
    do_job(&j);
    return RO_OK;
}

/* ---- lives -------------------------------------------------------------------------------- */

typedef enum { ENDS, OPENS, JUDGES } stop_at;

static void live(const char *name, tw_truth *t, tw_side *other, stop_at where)
{
    static uint64_t number;
    ro_err err = {RO_OK, {0}};
    ro_arena *a = ro_arena_new();
    tw_side *honest = tw_honest(t);
    tw *w = tw_world(t, 3, (tw_side *[]){honest, other ? other : honest, honest}, honest);
    uint8_t *bytes;
    char hex[65];
    sv_wishes none;
    sv_fixed f;
    rf_params p;
    memset(&none, 0, sizeof none);
    number++;
    w->now = house.clock;
    w->setup.referee = *sv_engine_referee(house.e);
    w->setup.task = house.task = made_up(number, 95, 96);
    sv_order o = {w->setup.task, house.client, w->setup.secret, w->setup.params, NULL, 0};
    must(vd_job_encode(t->job, a, &bytes, &o.job_size, &err), &err);
    o.job = bytes;
    must(sv_engine_quote(house.e, t->job, &none, &p, &f, &err), &err);
    f.secret = o.secret;
    rf_task_free(w->task);
    must(rf_task_new(&w->setup, w->now, &w->task, &err), &err);
    job j = {.run = take_order, .order = &o, .fixed = &f};
    do_job(&j);
    tw_open(w);
    if (where != OPENS) {
        tw_commit(w);
        tw_reveals(w);
    }
    if (where == ENDS) tw_finish(w);
    for (int k = 0; where == JUDGES && k < 3 && w->head < w->tail; k++) {
        tw_ask ask = w->queue[w->head++];
        tw_serve(w, &ask);
    }
    house.clock = w->now + 1000;
    vd_digest_hex(&house.task, hex);
    printf("%s %s\n", name, hex);
    tw_free(w);
    ro_arena_free(a);
}

int main(int argc, char **argv)
{
    ro_err err = {RO_OK, {0}};
    char path[512];
    vd_key *key;
    sv_engine_options o;
    memset(&o, 0, sizeof o);
    if (argc != 2) return 2;
    (void)mkdir(argv[1], 0700);
    snprintf(path, sizeof path, "%s/referee.key", argv[1]);
    must(vd_key_new(path, &err), &err);
    must(vd_key_load(path, &key, &err), &err);
    o.dir = argv[1];
    o.treasury = MONEY;
    sv_rules_defaults(&o.rules);
    pthread_mutex_init(&house.lock, NULL);
    pthread_cond_init(&house.wake, NULL);
    must(sv_engine_open(&o, key, &house.e, &err), &err);
    house.client = made_up(77, 1, 1);
    house.clock = sv_now_ms() + 10000;
    job j = {.run = take_money};
    do_job(&j);
    tw_truth *full = tw_truth_small(8, 0), *segments = tw_truth_small(7, 3);
    tw_truth *dear = tw_truth_dear(300000, 0);
    live("agreed", full, NULL, ENDS);
    live("output", full, tw_liar(full, 5, 0, TW_OUTPUT, 4), ENDS);
    live("structure", full, tw_liar(full, 3, 1, TW_STRUCTURE, 4), ENDS);
    live("inputs", full, tw_liar(full, 3, 1, TW_INPUT, 4), ENDS);
    live("segments", segments, tw_liar(segments, 4, 0, TW_OUTPUT, 4), ENDS);
    live("part", dear, tw_liar(dear, 1, 0, TW_OUTPUT, 4), ENDS);
    live("judged", full, tw_liar(full, 6, 0, TW_OUTPUT, 4), JUDGES);
    live("working", full, NULL, OPENS);
    sv_engine_close(house.e);
    tw_truth_free(full);
    tw_truth_free(segments);
    tw_truth_free(dear);
    vd_key_free(key);
    return 0;
}
