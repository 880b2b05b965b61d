/* test_work.c - the host's own work on real data: a task whose expected answers and kernels come
 * from server/work.c ends as one whose host knows them.
 *
 * The world of task_world.h plays the parties on a task in memory and answers its host work from
 * what it knows. Every other event goes to an engine's task too, whose work is done by children. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../server/work.h"

static ro_status mirrored_event(rf_task *t, const rf_event *e, uint64_t now, ro_err *err);
#define rf_task_event mirrored_event
#include "task_world.h"
#undef rf_task_event

#define MONEY (INT64_C(1) << 40)

static struct {
    char dir[64];
    vd_key *key;
    sv_engine *e;
    sv_work *work;
    vd_digest task;
    uint32_t answers, kernels, holds; /* that were handed out */
    char verdict[1024];               /* of the last dispute, as it is told */
    pthread_mutex_t lock;
    pthread_cond_t wake;
} house = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};

/* ---- the engine's thread ------------------------------------------------------------------ */

typedef struct deed {
    sv_action action;
    ro_status (*run)(sv_engine *e, struct deed *d, ro_err *err);
    const rf_event *event;
    const sv_order *order;
    const sv_fixed *fixed;
    uint64_t now;
    rf_task_state state;
    uint32_t open, struck; /* works that are open; members that have lost */
    int provisional;
    ro_status st;
    ro_err err;
    int over;
} deed;

static void run_deed(sv_engine *e, sv_action *a)
{
    deed *d = (deed *)(void *)a;
    d->st = d->run(e, d, &d->err);
}

static void deed_done(sv_engine *e, sv_action *a, const ro_err *failed)
{
    deed *d = (deed *)(void *)a;
    (void)e;
    pthread_mutex_lock(&house.lock);
    if (failed) d->st = failed->code;
    d->over = 1;
    pthread_cond_signal(&house.wake);
    pthread_mutex_unlock(&house.lock);
}

static void have_done(deed *d)
{
    d->action.run = run_deed;
    d->action.done = deed_done;
    d->over = 0;
    sv_engine_post(house.e, &d->action);
    pthread_mutex_lock(&house.lock);
    while (!d->over) pthread_cond_wait(&house.wake, &house.lock);
    pthread_mutex_unlock(&house.lock);
    must(d->st, &d->err);
}

static ro_status take_event(sv_engine *e, deed *d, ro_err *err)
{
    return sv_tasks_event(sv_engine_tasks(e), &house.task, d->event, d->now, err);
}

static ro_status take_order(sv_engine *e, deed *d, ro_err *err)
{
    return sv_engine_submit(e, d->order, d->fixed, err);
}

static ro_status take_money(sv_engine *e, deed *d, ro_err *err)
{
    (void)d;
    sv_ledger *l = sv_engine_ledger(e);
    RO_TRY(sv_ledger_begin(l, err));
    for (uint32_t k = 0; k < 4; k++) {
        const vd_digest request = made_up(k, 3, 3);
        const sv_account to = {SV_FREE, made_up(k < 3 ? k : 77, 1, 1), {{0}}};
        RO_TRY(sv_ledger_deposit(l, &request, &to, MONEY, 0, err));
    }
    return sv_ledger_commit(l, err);
}

/* RF_T_SETTLED also where it has ended otherwise: the world's end says which. */
static ro_status look(sv_engine *e, deed *d, ro_err *err)
{
    rf_task *t = sv_tasks_find(sv_engine_tasks(e), &house.task);
    uint32_t n;
    d->open = d->struck = 0;
    d->state = t ? rf_task_get_state(t) : RF_T_SETTLED;
    if (!t) return RO_OK;
    RO_TRY(rf_task_pending(t, err));
    const rf_effect *x = rf_task_effects(t, &n);
    rf_task_counts c;
    rf_task_get_counts(t, &c);
    d->provisional = c.provisional;
    for (uint32_t k = 0; k < n; k++) d->open += x[k].kind == RF_DO_RUN;
    for (uint32_t k = 0; k < rf_task_members(t); k++) {
        rf_task_member m;
        rf_task_get_member(t, k, &m);
        d->struck += m.lost != RF_LOST_NOTHING;
    }
    return RO_OK;
}

/* ---- the mirror --------------------------------------------------------------------------- */

static uint32_t struck_in(const rf_task *t)
{
    uint32_t n = 0;
    for (uint32_t k = 0; k < rf_task_members(t); k++) {
        rf_task_member m;
        rf_task_get_member(t, k, &m);
        n += m.lost != RF_LOST_NOTHING;
    }
    return n;
}

static uint32_t works_of(const rf_task *t)
{
    uint32_t n, runs = 0;
    const rf_effect *x = rf_task_effects(t, &n);
    for (uint32_t k = 0; k < n; k++) runs += x[k].kind == RF_DO_RUN;
    return runs;
}

/* The engine's task gets its work from children: once the world's has all of its own, they must be
 * in one state. */
static void wait_for_work(const rf_task *t)
{
    const struct timespec nap = {0, 20000000};
    deed d = {.run = look};
    rf_task_counts c;
    rf_task_get_counts(t, &c);
    for (uint32_t k = 0; k < 1000; k++) {
        have_done(&d);
        if (!d.open && d.state == rf_task_get_state(t) && d.struck == struck_in(t) &&
            d.provisional == c.provisional)
            return;
        nanosleep(&nap, NULL);
    }
    cr_assert_fail("%u works are open, in state %s where %s was expected, %u struck of %u", d.open,
                   rf_task_state_name(d.state), rf_task_state_name(rf_task_get_state(t)), d.struck,
                   struck_in(t));
}

static uint32_t world_open; /* works that the world still has to answer */

static ro_status mirrored_event(rf_task *t, const rf_event *e, uint64_t now, ro_err *err)
{
    deed d = {.run = take_event, .event = e, .now = now};
    RO_TRY(rf_task_event(t, e, now, err));
    world_open += works_of(t);
    if (e->kind != RF_EV_WORK) {
        have_done(&d);
        return RO_OK;
    }
    world_open--;
    if (!world_open) wait_for_work(t);
    return RO_OK;
}

/* ---- the house ---------------------------------------------------------------------------- */

static void take_work(void *ctx, const sv_task_look *l, const rf_effect *x)
{
    (void)ctx;
    house.answers += x->kind == RF_DO_RUN && !x->question;
    house.kernels += x->kind == RF_DO_RUN && x->question;
    house.holds += x->kind == RF_DO_HOLD;
    sv_work_take(house.work, l, x);
}

static void found(void)
{
    ro_err err = {RO_OK, {0}};
    static const uint8_t seed[32] = {7};
    sv_engine_options o;
    snprintf(house.dir, sizeof house.dir, "/tmp/verde-work-XXXXXX");
    cr_assert(mkdtemp(house.dir));
    must(vd_key_from_seed(seed, &house.key, &err), &err);
    memset(&o, 0, sizeof o);
    o.dir = house.dir;
    o.treasury = MONEY;
    o.work = take_work;
    sv_rules_defaults(&o.rules);
    must(sv_work_open(house.dir, &house.work, &err), &err);
    must(sv_engine_open(&o, house.key, &house.e, &err), &err);
    must(sv_work_begin(house.work, house.e, &err), &err);
    deed d = {.run = take_money};
    have_done(&d);
}

static void leave(void)
{
    char command[128];
    sv_work_stop(house.work);
    sv_engine_close(house.e);
    sv_work_close(house.work);
    vd_key_free(house.key);
    snprintf(command, sizeof command, "rm -rf %s", house.dir);
    cr_assert_eq(system(command), 0);
}

/* What the job needs. */
static void fill_store(const tw_truth *t)
{
    char path[128];
    vd_store *s;
    ro_err err = {RO_OK, {0}};
    snprintf(path, sizeof path, "%s/store", house.dir);
    must(vd_store_open(path, 0, &s, &err), &err);
    for (uint32_t k = 0; k < t->job->constant_count; k++)
        must(vd_store_put(s, &t->job->constants[k].type, t->constants[k],
                          &t->job->constants[k].digest, &err), &err);
    for (uint32_t k = 1; k < t->job->slot_count; k++)
        must(vd_store_put(s, &t->job->slots[k].type, t->step[0].slots[k].bytes,
                          &t->job->slots[k].digest, &err), &err);
    vd_store_close(s);
}

static ro_status keep_verdict(void *ctx, const sv_dispute *d, ro_err *err)
{
    (void)ctx;
    (void)err;
    snprintf(house.verdict, sizeof house.verdict, "%s", d->verdict);
    return RO_OK;
}

static void read_verdict(void)
{
    sv_catalog *c;
    ro_err err = {RO_OK, {0}};
    must(sv_catalog_read(house.dir, &c, &err), &err);
    must(sv_catalog_disputes(c, &house.task, 0, keep_verdict, NULL, &err), &err);
    sv_catalog_close(c);
}

/* A whole life; how many have lost their stakes. cannot: no kernel that is named is here. */
static uint32_t live(tw_truth *t, tw_side *const sides[3], tw_side *honest, int cannot)
{
    ro_err err = {RO_OK, {0}};
    ro_arena *a = ro_arena_new();
    uint8_t *bytes;
    sv_fixed f;
    found();
    fill_store(t);
    tw *w = tw_world(t, 3, sides, honest);
    w->host_cannot = cannot;
    w->setup.params.challenges = 48; /* so that tensors are asked for that a lie changed */
    w->now = sv_now_ms() + 20000; /* ahead of the engine's clock, which sees no deadline come */
    w->setup.referee = *sv_engine_referee(house.e);
    house.task = w->setup.task;
    sv_order o = {w->setup.task, made_up(77, 1, 1), w->setup.secret, w->setup.params, NULL, 0};
    must(vd_job_encode(t->job, a, &bytes, &o.job_size, &err), &err);
    o.job = bytes;
    memset(&f, 0, sizeof f);
    must(rf_cost_of_job(t->job, &f.cost, &err), &err);
    rf_task_free(w->task);
    must(rf_task_new(&w->setup, w->now, &w->task, &err), &err);
    deed d = {.run = take_order, .order = &o, .fixed = &f};
    have_done(&d);
    tw_run(w);
    cr_assert_eq(rf_task_get_state(w->task), RF_T_SETTLED);
    const uint32_t struck = struck_in(w->task);
    read_verdict();
    leave();
    tw_free(w);
    ro_arena_free(a);
    return struck;
}

static char backend[VD_BACKEND_BYTES];

static void as_run_here(void)
{
    snprintf(backend, sizeof backend, "cpu %s", ro_cpu_isa());
    tw_backend = backend;
}

static void liar_falls(tw_truth *t, uint64_t step, int cannot)
{
    tw_side *honest = tw_honest(t), *liar = tw_liar(t, step, 0, TW_OUTPUT, 4);
    if (!cannot) as_run_here();
    cr_assert_eq(live(t, (tw_side *[]){honest, liar, honest}, honest, cannot), 1);
    cr_assert_gt(house.kernels, 0);
    cr_assert_eq(house.holds > 0, cannot);
    cr_assert(strstr(house.verdict, cannot ? "\"provisional\": true" : "\"provisional\": false"),
              "%s", house.verdict);
    tw_truth_free(t);
}

Test(work, expected_answers_are_those_of_an_honest_run, .timeout = 120)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw_side *honest = tw_honest(t);
    as_run_here();
    cr_assert_eq(live(t, (tw_side *[]){honest, honest, honest}, honest, 0), 0);
    cr_assert_gt(house.answers, 0);
    tw_truth_free(t);
}

/* All say the same lie: the host's own run does not come to it, so it knows no answers. */
Test(work, no_answers_are_expected_of_another_run, .timeout = 120)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw_side *liar = tw_liar(t, 2, 0, TW_OUTPUT, 4);
    as_run_here();
    cr_assert_eq(live(t, (tw_side *[]){liar, liar, liar}, liar, 0), 0);
    cr_assert_gt(house.answers, 0);
    tw_truth_free(t);
}

Test(work, a_kernel_confirms_the_scalar_body, .timeout = 120)
{
    liar_falls(tw_truth_small(6, 0), 4, 0);
}

Test(work, a_kernel_of_a_segment, .timeout = 120) { liar_falls(tw_truth_small(7, 3), 5, 0); }
Test(work, a_kernel_of_a_part, .timeout = 120) { liar_falls(tw_truth_dear(300000, 0), 0, 0); }

Test(work, V013_a_kernel_that_is_not_here_leaves_the_verdict_provisional, .timeout = 120)
{
    liar_falls(tw_truth_small(6, 0), 4, 1);
}
