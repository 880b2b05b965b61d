/* engine.c - the writer's thread and its batches.
 *
 * What this file decides: what shares a transaction, what is done by itself, what happens when a
 * transaction is lost, what a task's parameters are.
 *
 * Invariants
 *   1. Views, changes and host work of a batch are handed out after its commit, in order.
 *   2. What is kept here of a task follows from the disk, and is made again with it. */
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../verde/files.h"
#include "engine_state.h"

#define HEARTBEAT_MS 1000u
#define HEARTBEAT_SLACK_MS 3000u /* a pause that is no downtime */

typedef struct { sv_action action; vd_digest task; sv_engine *engine; } looking;

uint64_t sv_now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static int64_t nanoseconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

sv_ledger *sv_engine_ledger(sv_engine *e) { return e->ledger; }
sv_catalog *sv_engine_catalog(sv_engine *e) { return e->catalog; }
sv_tasks *sv_engine_tasks(sv_engine *e) { return e->tasks; }
const vd_key *sv_engine_key(const sv_engine *e) { return e->key; }
const vd_digest *sv_engine_referee(const sv_engine *e) { return &e->referee; }

/* ---- what is done by itself -------------------------------------------------------------- */

static int has_all(sv_engine *e, const sv_open *o)
{
    for (uint32_t k = 0; k < o->blob_count; k++)
        if (!vd_store_has(e->store, &o->blobs[k].digest)) return 0;
    return 1;
}

static void run_looking(sv_engine *e, sv_action *a)
{
    looking *l = (looking *)(void *)a;
    ro_err err = {RO_OK, {0}};
    rf_event ev;
    sv_open *o = sv_open_find(e, &l->task);
    if (!o || o->data_ready || o->state != RF_T_OPEN || !has_all(e, o)) return;
    memset(&ev, 0, sizeof ev);
    ev.kind = RF_EV_READY;
    if (sv_tasks_event(e->tasks, &l->task, &ev, sv_now_ms(), &err)) e->counts.failures++;
}

static void free_looking(sv_engine *e, sv_action *a, const ro_err *failed)
{
    (void)e;
    (void)failed;
    ro_free(a);
}

void sv_engine_look_again(sv_engine *e, const vd_digest *task)
{
    looking *l = ro_alloc_zero(sizeof *l);
    if (!l) return; /* the next blob, or the next start, looks again */
    l->task = *task;
    l->action.run = run_looking;
    l->action.done = free_looking;
    sv_engine_post(e, &l->action);
}

typedef struct { const sv_task_look *l; vd_digest key; int found; } drawing;

static ro_status draw_row(void *ctx, const vd_digest *key, uint64_t audits, ro_err *err)
{
    drawing *d = ctx;
    (void)audits;
    (void)err;
    if (d->found || rf_task_find(d->l->state, key->b) != RF_NONE) return RO_OK;
    d->key = *key;
    d->found = 1;
    return RO_OK;
}

typedef struct { sv_action action; vd_digest task; } auditing;

/* The one with the fewest audits so far; the list has them in this order. */
static void run_auditing(sv_engine *e, sv_action *a)
{
    const vd_digest task = ((auditing *)(void *)a)->task;
    ro_err err = {RO_OK, {0}};
    rf_event ev;
    sv_task_look l;
    memset(&l, 0, sizeof l);
    drawing d = {&l, {{0}}, 0};
    l.state = sv_tasks_find(e->tasks, &task);
    if (!l.state || sv_catalog_auditors(e->catalog, draw_row, &d, &err) || !d.found) return;
    memset(&ev, 0, sizeof ev);
    ev.kind = RF_EV_AUDITOR;
    memcpy(ev.key, d.key.b, sizeof ev.key);
    ro_status st = sv_tasks_event(e->tasks, &task, &ev, sv_now_ms(), &err);
    if (st == RO_OK) st = sv_ledger_begin(e->ledger, &err);
    if (st == RO_OK) {
        st = sv_catalog_count_audit(e->catalog, &d.key, &err);
        if (st) sv_ledger_rollback(e->ledger);
        else st = sv_ledger_commit(e->ledger, &err);
    }
    e->counts.failures += st != RO_OK;
}

static void free_action(sv_engine *e, sv_action *a, const ro_err *failed)
{
    (void)e;
    (void)failed;
    ro_free(a);
}

static void find_auditor(sv_engine *e, sv_open *o)
{
    auditing *a = ro_alloc_zero(sizeof *a);
    if (!a) return;
    o->audits = 0;
    a->task = o->task;
    a->action.run = run_auditing;
    a->action.done = free_action;
    sv_engine_post(e, &a->action);
}

/* Hand out what the host has to do. Whoever gets it knows what it has begun already. */
static void hand_out_work(sv_engine *e, const sv_task_look *l)
{
    uint32_t n;
    ro_err err = {RO_OK, {0}};
    if (!e->o.work || rf_task_pending(l->state, &err)) return;
    const rf_effect *x = rf_task_effects(l->state, &n);
    for (uint32_t k = 0; k < n; k++)
        if (x[k].kind == RF_DO_RUN || x[k].kind == RF_DO_HOLD) e->o.work(e->o.ctx, l, &x[k]);
}

static void show(sv_engine *e, sv_open *o)
{
    sv_task_look l;
    if (!sv_tasks_look(e->tasks, &o->task, &l)) { /* it has ended */
        sv_open_remove(e, o);
        return;
    }
    o->over = 0; /* what ended it may have been undone */
    if (!l.state) return;
    o->state = rf_task_get_state(l.state);
    sv_open_show(e, o, &l);
    if (!o->looking) sv_engine_look_again(e, &o->task);
    o->looking = 1;
    if (o->audits) find_auditor(e, o);
    if (o->state >= RF_T_AGREED) hand_out_work(e, &l);
}

/* After a durable batch: what changed is shown. */
static void publish(sv_engine *e)
{
    while (e->dirty) {
        sv_open *o = e->dirty;
        e->dirty = o->next_dirty;
        o->dirty = 0;
        show(e, o);
    }
    for (uint32_t k = 0; k < e->change_count; k++)
        if (e->o.changed)
            e->o.changed(e->o.ctx, e->changes[k].position, &e->changes[k].task,
                         e->changes[k].ledger, e->changes[k].what);
    e->change_count = 0;
}

/* ---- opening, and opening again ---------------------------------------------------------- */

static void close_tables(sv_engine *e)
{
    while (e->count) sv_open_remove(e, e->list[e->count - 1]);
    sv_tasks_close(e->tasks);
    sv_catalog_close(e->catalog);
    sv_ledger_close(e->ledger);
    e->tasks = NULL;
    e->catalog = NULL;
    e->ledger = NULL;
    e->change_count = 0;
}

static ro_status open_tables(sv_engine *e, ro_err *err)
{
    RO_TRY(sv_ledger_open(e->dir, e->key, e->o.older, &e->ledger, err));
    RO_TRY(sv_catalog_open(e->ledger, &e->catalog, err));
    RO_TRY(sv_tasks_open(e->ledger, e->key, &e->tasks, err));
    sv_tasks_set_watch(e->tasks, sv_engine_watch, e);
    for (uint32_t k = 0; k < sv_tasks_count(e->tasks); k++) {
        sv_task_look l;
        sv_tasks_at(e->tasks, k, &l);
        RO_TRY(sv_open_load(e, &l, err));
    }
    return RO_OK;
}

/* An older copy was accepted once, when the service began; never by itself later. */
static ro_status open_again(sv_engine *e, ro_err *err)
{
    close_tables(e);
    ro_status st = open_tables(e, err);
    if (st) close_tables(e);
    e->counts.reopened += st == RO_OK;
    return st;
}

static ro_status first_money(sv_engine *e, ro_err *err)
{
    static const sv_account treasury = {SV_TREASURY, {{0}}, {{0}}};
    vd_digest request, head;
    uint64_t position;
    sv_ledger_head(e->ledger, &position, &head);
    if (position || e->o.treasury <= 0) return RO_OK;
    vd_tagged_hash("verde/1 first treasury", e->referee.b, VD_DIGEST, request.b);
    RO_TRY(sv_ledger_begin(e->ledger, err));
    ro_status st = sv_ledger_deposit(e->ledger, &request, &treasury, e->o.treasury, sv_now_ms(),
                                     err);
    if (st) sv_ledger_rollback(e->ledger);
    else st = sv_ledger_commit(e->ledger, err);
    return st;
}

/* ---- time that the service was down ------------------------------------------------------ */

static void beat(sv_engine *e, uint64_t now)
{
    ro_err err = {RO_OK, {0}};
    uint8_t bytes[8];
    if (now < e->beaten + HEARTBEAT_MS || e->heart < 0) return;
    e->beaten = now;
    for (int k = 0; k < 8; k++) bytes[k] = (uint8_t)(now >> (8 * k));
    if (vd_fs_write(e->heart, bytes, sizeof bytes, 0, "alive", &err)) e->counts.failures++;
}

/* From when it was last seen alive until now, added to every deadline before anything expires. */
static ro_status add_downtime(sv_engine *e, ro_err *err)
{
    uint8_t bytes[8];
    uint64_t size, alive = 0;
    const uint64_t now = sv_now_ms();
    rf_event ev;
    RO_TRY(vd_fs_size(e->heart, &size, "alive", err));
    if (size < sizeof bytes) return RO_OK;
    RO_TRY(vd_fs_read(e->heart, bytes, sizeof bytes, 0, "alive", err));
    for (int k = 0; k < 8; k++) alive |= (uint64_t)bytes[k] << (8 * k);
    if (alive < sv_ledger_stamp(e->ledger)) alive = sv_ledger_stamp(e->ledger);
    if (now < alive + HEARTBEAT_SLACK_MS) return RO_OK;
    memset(&ev, 0, sizeof ev);
    ev.kind = RF_EV_DOWNTIME;
    ev.ms = now - alive;
    for (uint32_t k = sv_tasks_count(e->tasks); k-- > 0;) {
        sv_task_look l;
        sv_tasks_at(e->tasks, k, &l);
        RO_TRY(sv_tasks_event(e->tasks, &l.task, &ev, now, err));
    }
    return RO_OK;
}

/* ---- the thread ------------------------------------------------------------------------- */

static void show_counts(sv_engine *e) /* under the lock */
{
    vd_digest head;
    e->counts.waiting = e->waiting;
    e->counts.tasks = e->count;
    e->counts.deadline_ms = e->tasks ? sv_tasks_deadline(e->tasks) : UINT64_MAX;
    if (e->ledger) sv_ledger_head(e->ledger, &e->counts.position, &head);
    e->shown = e->counts;
}

/* Wait for something to do; up to SV_BATCH_MAX of what waits. */
static sv_action *take_batch(sv_engine *e, int *stop)
{
    pthread_mutex_lock(&e->lock);
    show_counts(e);
    while (!e->first && !e->stop) {
        const uint64_t now = sv_now_ms(), due = e->shown.deadline_ms;
        if (due <= now) break;
        uint64_t ms = due - now < HEARTBEAT_MS / 2 ? due - now : HEARTBEAT_MS / 2;
        struct timespec t;
        clock_gettime(CLOCK_REALTIME, &t);
        t.tv_nsec += (long)(ms % 1000) * 1000000;
        t.tv_sec += (time_t)(ms / 1000) + t.tv_nsec / 1000000000;
        t.tv_nsec %= 1000000000;
        (void)pthread_cond_timedwait(&e->wake, &e->lock, &t);
        if (!e->first) break;
    }
    sv_action *a = e->first, **end = &e->first;
    for (uint32_t k = 0; *end && k < SV_BATCH_MAX; k++) {
        end = &(*end)->next;
        e->waiting--;
    }
    e->first = *end;
    *end = NULL;
    if (!e->first) e->last = &e->first;
    *stop = e->stop && !a;
    pthread_mutex_unlock(&e->lock);
    return a;
}

/* Whether a write becomes durable again, after one has not. */
static ro_status try_writing(sv_engine *e, ro_err *err)
{
    RO_TRY(sv_ledger_batch(e->ledger, err));
    ro_status st = sv_ledger_begin(e->ledger, err), end;
    if (st == RO_OK) {
        st = sv_catalog_touch(e->catalog, sv_now_ms(), err);
        if (st) sv_ledger_rollback(e->ledger);
        else st = sv_ledger_commit(e->ledger, err);
    }
    end = sv_ledger_batch_end(e->ledger, err);
    return st ? st : end;
}

static ro_status run_batch(sv_engine *e, sv_action *batch, ro_err *err)
{
    const uint64_t now = sv_now_ms();
    ro_err why = {RO_OK, {0}};
    if (!e->ledger || sv_ledger_broken(e->ledger)) {
        RO_TRY(open_again(e, err));
        publish(e);
    }
    if (e->counts.broken) RO_TRY(try_writing(e, err));
    if (!batch && sv_tasks_deadline(e->tasks) > now) return RO_OK;
    RO_TRY(sv_ledger_batch(e->ledger, err));
    for (sv_action *a = batch; a && !sv_ledger_broken(e->ledger); a = a->next) a->run(e, a);
    ro_status ticked = RO_OK;
    if (sv_tasks_deadline(e->tasks) <= now && !sv_ledger_broken(e->ledger))
        ticked = sv_tasks_tick(e->tasks, now, &why);
    RO_TRY(sv_ledger_batch_end(e->ledger, err));
    if (ticked) { /* a task that cannot be read now: not again at once */
        const struct timespec nap = {0, 50000000};
        e->counts.failures++;
        nanosleep(&nap, NULL);
    }
    e->counts.batches++;
    publish(e);
    return RO_OK;
}

static void *work(void *ctx)
{
    sv_engine *e = ctx;
    for (;;) {
        int stop;
        ro_err err = {RO_OK, {0}};
        sv_action *batch = take_batch(e, &stop), *next;
        if (stop) return NULL;
        beat(e, sv_now_ms());
        const int64_t begun = nanoseconds();
        ro_status st = run_batch(e, batch, &err);
        e->counts.broken = st != RO_OK;
        if (st) {
            const struct timespec nap = {0, 100000000};
            e->counts.failures++;
            (void)snprintf(e->counts.why, sizeof e->counts.why, "%.190s", err.msg);
            if (!batch) nanosleep(&nap, NULL);
        } else if (batch) {
            e->counts.batch_ns += nanoseconds() - begun;
        }
        for (sv_action *a = batch; a; a = next) {
            next = a->next;
            e->counts.actions++;
            a->done(e, a, st ? &err : NULL);
        }
    }
}

void sv_engine_post(sv_engine *e, sv_action *a)
{
    a->next = NULL;
    pthread_mutex_lock(&e->lock);
    *e->last = a;
    e->last = &a->next;
    e->waiting++;
    pthread_cond_signal(&e->wake);
    pthread_mutex_unlock(&e->lock);
}

void sv_engine_count(sv_engine *e, sv_engine_counts *c)
{
    pthread_mutex_lock(&e->lock);
    *c = e->shown;
    c->waiting = e->waiting;
    pthread_mutex_unlock(&e->lock);
}

/* ---- parameters ------------------------------------------------------------------------- */

void sv_rules_defaults(sv_rules *r)
{
    memset(r, 0, sizeof *r);
    r->slots = 3;
    r->price = RF_PRICE_DEFAULT;
    r->price_bytes = RF_PRICE_BYTES_DEFAULT;
    for (uint32_t k = 0; k < SV_PARAMS; k++) r->given[k] = -1;
    r->tasks_max = 4096;
}

static int is_named(uint32_t k, const char *name) { return strcmp(sv_params()[k].name, name) == 0; }

ro_status sv_engine_quote(const sv_engine *e, const vd_job *j, const sv_wishes *w, rf_params *p,
                          sv_fixed *f, ro_err *err)
{
    const sv_rules *r = &e->o.rules;
    vd_cost dear;
    rf_params server;
    uint64_t slots = r->slots, replay = r->replay_steps;
    memset(f, 0, sizeof *f);
    sv_fixed_of_job(j, f);
    RO_TRY(vd_job_cost(j, &dear, err));
    RO_TRY(vd_job_admit(j, &dear, VD_DISPUTE_BYTES_MAX, VD_DISPUTE_FLOPS_MAX, err));
    RO_TRY(rf_cost_of_job(j, &f->cost, err));
    for (uint32_t k = 0; k < SV_PARAMS; k++) {
        if (!w->has[k]) continue;
        if (is_named(k, "slots")) slots = w->value[k];
        if (is_named(k, "replay_steps")) replay = w->value[k];
    }
    if (slots < 1 || slots > RF_SLOTS_MAX)
        return RO_FAIL(err, RO_ELIMIT, "slots is %llu; 1 to %u are allowed",
                       (unsigned long long)slots, RF_SLOTS_MAX);
    RO_TRY(rf_params_defaults(&f->cost, (uint32_t)slots, replay, r->price, r->price_bytes, &server,
                              err));
    for (uint32_t k = 0; k < SV_PARAMS; k++)
        if (r->given[k] >= 0)
            RO_TRY(sv_param_set(&server, &sv_params()[k], (uint64_t)r->given[k], err));
    if (server.quorum > server.slots) server.quorum = server.slots;
    *p = server;
    for (uint32_t k = 0; k < SV_PARAMS; k++)
        if (w->has[k]) RO_TRY(sv_param_set(p, &sv_params()[k], w->value[k], err));
    RO_TRY(rf_params_within(&server, p, err));
    return rf_params_check(p, err);
}

/* ---- submitting ------------------------------------------------------------------------- */

ro_status sv_engine_submit(sv_engine *e, const sv_order *o, const sv_fixed *f, ro_err *err)
{
    if (sv_tasks_count(e->tasks) >= e->o.rules.tasks_max)
        return RO_FAIL(err, RO_ELIMIT, "%u tasks are open; %llu are allowed",
                       sv_tasks_count(e->tasks), (unsigned long long)e->o.rules.tasks_max);
    sv_fixed fixed = *f;
    fixed.secret = o->secret;
    e->submitting = &fixed;
    ro_status st = sv_tasks_submit(e->tasks, o, sv_now_ms(), err);
    e->submitting = NULL;
    sv_open *open = st ? sv_open_find(e, &o->task) : NULL;
    if (open) sv_open_remove(e, open);
    return st;
}

/* ---- the whole -------------------------------------------------------------------------- */

static ro_status open_files(sv_engine *e, ro_err *err)
{
    char path[VD_FS_NAME_MAX];
    int n = snprintf(path, sizeof path, "%s/store", e->dir);
    if (n < 0 || (size_t)n >= sizeof path)
        return RO_FAIL(err, RO_ELIMIT, "the folder's path has more than %u bytes",
                       VD_FS_NAME_MAX - 12);
    RO_TRY(vd_store_open(path, 1, &e->store, err));
    (void)snprintf(path, sizeof path, "%s/alive", e->dir);
    e->heart = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    return e->heart < 0 ? vd_fs_failed("open", path, err) : RO_OK;
}

static ro_status open_engine(sv_engine *e, ro_err *err)
{
    e->dir = ro_alloc(strlen(e->o.dir) + 1);
    if (!e->dir) return RO_FAIL(err, RO_ENOMEM, "no memory for the service");
    memcpy(e->dir, e->o.dir, strlen(e->o.dir) + 1);
    RO_TRY(open_files(e, err));
    RO_TRY(open_tables(e, err));
    e->o.older = 0;
    RO_TRY(first_money(e, err));
    RO_TRY(add_downtime(e, err));
    for (uint32_t k = 0; k < e->count; k++) e->list[k]->audits = e->list[k]->state >= RF_T_AGREED;
    publish(e);
    if (pthread_create(&e->thread, NULL, work, e) != 0)
        return RO_FAIL(err, RO_ENOMEM, "a thread cannot be had");
    e->started = 1;
    return RO_OK;
}

ro_status sv_engine_open(const sv_engine_options *o, const vd_key *key, sv_engine **out,
                         ro_err *err)
{
    sv_engine *e = ro_alloc_zero(sizeof *e);
    if (!e) return RO_FAIL(err, RO_ENOMEM, "no memory for the service");
    e->o = *o;
    e->key = key;
    memcpy(e->referee.b, vd_key_public(key), VD_DIGEST);
    e->heart = -1;
    e->last = &e->first;
    pthread_mutex_init(&e->lock, NULL);
    pthread_cond_init(&e->wake, NULL);
    ro_status st = open_engine(e, err);
    if (st) {
        sv_engine_close(e);
        return st;
    }
    *out = e;
    return RO_OK;
}

void sv_engine_close(sv_engine *e)
{
    if (!e) return;
    pthread_mutex_lock(&e->lock);
    e->stop = 1;
    pthread_cond_signal(&e->wake);
    pthread_mutex_unlock(&e->lock);
    if (e->started) pthread_join(e->thread, NULL);
    close_tables(e);
    vd_store_close(e->store);
    if (e->heart >= 0) close(e->heart);
    pthread_mutex_destroy(&e->lock);
    pthread_cond_destroy(&e->wake);
    ro_free(e->changes);
    ro_free(e->list);
    ro_free(e->dir);
    ro_free(e);
}
