/* tasks.c - events into the log, money after them, answers last.
 *
 * What this file decides: the bytes of an event in the log, and what of a task's effects is booked.
 *
 * Invariants
 *   1. rf_task_event and the rows that follow from it are between one begin and one commit.
 *   2. A task whose transaction failed has no state in memory until it was read again. */
#include "tasks.h"

#include "../verde/bytes.h"

#define EVENT_VERSION 1u
#define EVENT_HEAD_BYTES (5u * 4u + 8u + VD_DIGEST + 32u + 4u)
#define ORDER_BYTES (4u + 3u * VD_DIGEST + RF_PARAMS_BYTES) /* and the job */

typedef struct {
    vd_digest task, client;
    rf_params params;
    ro_arena *arena; /* has the job */
    vd_job *job;
    rf_task *state;     /* NULL: to be read again */
    uint32_t unsaved;   /* events since the saved state */
    uint64_t stakes;    /* transfers of stakes so far: their keys */
    uint64_t job_size;
} entry;

struct sv_tasks {
    sv_ledger *ledger;
    const vd_key *key;
    vd_digest referee;
    entry **list;
    uint32_t count, room;
    sv_tasks_watch *watch; /* NULL: none */
    void *watch_ctx;
};

static ro_status tell_watch(const sv_tasks *s, const entry *t, const rf_event *e, ro_err *err)
{
    const sv_task_look look = {t->task, t->client, &t->params, t->job, t->state, t->job_size};
    return s->watch ? s->watch(s->watch_ctx, &look, e, err) : RO_OK;
}

void sv_tasks_set_watch(sv_tasks *s, sv_tasks_watch *watch, void *ctx)
{
    s->watch = watch;
    s->watch_ctx = ctx;
}

/* ---- bytes of events -------------------------------------------------------------------- */

static void kind_text(const char *text, char out[SV_KIND_BYTES])
{
    size_t n = strlen(text);
    RO_ASSERT(n && n < SV_KIND_BYTES);
    memset(out, 0, SV_KIND_BYTES);
    memcpy(out, text, n);
}

static const char *event_name(rf_event_kind k)
{
    static const char *const names[] = {"tick",    "message",   "ready",    "work",
                                        "auditor", "delivered", "downtime", "alarm"};
    RO_ASSERT((unsigned)k < sizeof names / sizeof *names);
    return names[k];
}

static ro_status event_write(const rf_event *e, uint8_t **bytes, uint64_t *size, ro_err *err)
{
    uint8_t message[RF_MESSAGE_MAX];
    size_t n = e->kind == RF_EV_MESSAGE ? rf_message_encode(e->message, message) : 0;
    if (e->size > RF_PAYLOAD_MAX)
        return RO_FAIL(err, RO_ELIMIT, "a payload has %zu bytes; %llu are allowed", e->size,
                       (unsigned long long)RF_PAYLOAD_MAX);
    uint8_t *b = ro_alloc(EVENT_HEAD_BYTES + n + e->size);
    if (!b) return RO_FAIL(err, RO_ENOMEM, "no memory for an event of %zu bytes", e->size);
    vd_out o = {b, 0};
    vd_out_u32(&o, EVENT_VERSION);
    vd_out_u32(&o, (uint32_t)e->kind);
    vd_out_u32(&o, e->work);
    vd_out_u32(&o, (uint32_t)e->end);
    vd_out_u32(&o, e->member);
    vd_out_u64(&o, e->ms);
    vd_out_bytes(&o, e->account.b, VD_DIGEST);
    vd_out_bytes(&o, e->key, sizeof e->key);
    vd_out_u32(&o, (uint32_t)n);
    vd_out_bytes(&o, message, n);
    vd_out_bytes(&o, e->bytes, e->size);
    *bytes = b;
    *size = o.n;
    return RO_OK;
}

static ro_status event_read(const void *bytes, uint64_t size, rf_event *e, rf_message *m,
                            ro_err *err)
{
    vd_in in = {bytes, size, 0, 0};
    memset(e, 0, sizeof *e);
    uint32_t version = vd_in_u32(&in);
    uint32_t kind = vd_in_u32(&in);
    e->work = vd_in_u32(&in);
    uint32_t end = vd_in_u32(&in);
    e->member = vd_in_u32(&in);
    e->ms = vd_in_u64(&in);
    const uint8_t *account = vd_in_bytes(&in, VD_DIGEST), *key = vd_in_bytes(&in, sizeof e->key);
    uint32_t n = vd_in_u32(&in);
    const uint8_t *message = vd_in_bytes(&in, n);
    if (in.bad || version != EVENT_VERSION || kind > RF_EV_ALARM || end > RF_WORK_CANNOT)
        return RO_FAIL(err, RO_EFORMAT, "an event of the log is not of version %u", EVENT_VERSION);
    e->kind = (rf_event_kind)kind;
    e->end = (rf_work_end)end;
    memcpy(e->account.b, account, VD_DIGEST);
    memcpy(e->key, key, sizeof e->key);
    if (e->kind == RF_EV_MESSAGE) {
        RO_TRY(rf_message_decode(message, n, m, err));
        e->message = m;
    }
    e->size = (size_t)vd_in_left(&in);
    e->bytes = vd_in_bytes(&in, e->size);
    return RO_OK;
}

ro_status sv_event_message(const sv_event *row, rf_message *m, const void **payload, size_t *size,
                           int *is_message, ro_err *err)
{
    rf_event e;
    *is_message = strncmp(row->kind, "message", SV_KIND_BYTES) == 0;
    if (!*is_message) return RO_OK;
    RO_TRY(event_read(row->body, row->size, &e, m, err));
    *payload = e.bytes;
    *size = e.size;
    return RO_OK;
}

/* What a task was opened with. The job itself is beside it in the task's row; the log has its
 * digest. */
static void order_write(const sv_order *o, uint8_t out[ORDER_BYTES])
{
    vd_out to = {out, 0};
    vd_digest job;
    vd_tagged_hash("verde/1 service job", o->job, (size_t)o->job_size, job.b);
    vd_out_u32(&to, EVENT_VERSION);
    vd_out_bytes(&to, o->client.b, VD_DIGEST);
    vd_out_bytes(&to, o->secret.b, VD_DIGEST);
    vd_out_bytes(&to, job.b, VD_DIGEST);
    rf_params_encode(&o->params, out + to.n);
    RO_ASSERT(to.n + RF_PARAMS_BYTES == ORDER_BYTES);
}

ro_status sv_order_read(const void *order, uint64_t size, sv_order *out, ro_err *err)
{
    const uint8_t *bytes = order;
    if (size < ORDER_BYTES || vd_get_u32(bytes) != EVENT_VERSION)
        return RO_FAIL(err, RO_EFORMAT, "a task of the ledger is not of version %u",
                       EVENT_VERSION);
    memset(out, 0, sizeof *out);
    memcpy(out->client.b, bytes + 4, VD_DIGEST);
    memcpy(out->secret.b, bytes + 4 + VD_DIGEST, VD_DIGEST);
    out->job = bytes + ORDER_BYTES;
    out->job_size = size - ORDER_BYTES;
    return rf_params_decode(bytes + ORDER_BYTES - RF_PARAMS_BYTES, RF_PARAMS_BYTES, &out->params,
                            err);
}

/* ---- accounts --------------------------------------------------------------------------- */

static vd_digest key_digest(const uint8_t key[32])
{
    vd_digest d;
    memcpy(d.b, key, VD_DIGEST);
    return d;
}

static sv_account free_account(const vd_digest *owner)
{
    return (sv_account){SV_FREE, *owner, {{0}}};
}

static sv_account held_account(const entry *t, const uint8_t key[32])
{
    return (sv_account){SV_HELD, key_digest(key), t->task};
}

static sv_account escrow_account(const vd_digest *client, const vd_digest *task)
{
    return (sv_account){SV_ESCROW, *client, *task};
}

static const sv_account treasury_account = {SV_TREASURY, {{0}}, {{0}}};

/* An auditor has no account that funds it: it is paid under its key. */
static sv_account member_free(const rf_task_member *m)
{
    const vd_digest key = key_digest(m->key);
    return free_account(m->role == RF_AUDITOR ? &key : &m->account);
}

static sv_account account_of(const entry *t, const rf_account *a)
{
    rf_task_member m;
    switch (a->kind) {
    case RF_ACCOUNT_FREE:
        rf_task_get_member(t->state, a->member, &m);
        return member_free(&m);
    case RF_ACCOUNT_HELD:
        rf_task_get_member(t->state, a->member, &m);
        return held_account(t, m.key);
    case RF_ACCOUNT_CLIENT: return free_account(&t->client);
    case RF_ACCOUNT_ESCROW: return escrow_account(&t->client, &t->task);
    case RF_ACCOUNT_TREASURY: return treasury_account;
    default: RO_ASSERT(a->kind == RF_ACCOUNT_BURN); return (sv_account){SV_BURN, {{0}}, {{0}}};
    }
}

/* ---- effects ---------------------------------------------------------------------------- */

static int claims_slot(const rf_event *e, const rf_effect *x)
{
    return e->kind == RF_EV_MESSAGE && e->message->type == RF_M_WORK &&
           x->kind == RF_DO_ACCEPT && !x->duplicate;
}

static ro_status book_stake(sv_tasks *s, entry *t, const rf_event *e, const rf_effect *x,
                            ro_err *err)
{
    rf_task_member m;
    rf_task_get_member(t->state, x->member, &m);
    sv_account open = member_free(&m), held = held_account(t, m.key);
    int back = x->kind == RF_DO_RELEASE;
    sv_transfer_key k = {t->task, (back ? SV_KEY_RELEASE : SV_KEY_STAKE) + t->stakes};
    RO_ASSERT(back || vd_digest_equal(&m.account, &e->account));
    return sv_ledger_move(s->ledger, &k, back ? &held : &open, back ? &open : &held,
                          t->params.stake, err);
}

static ro_status post(sv_tasks *s, const entry *t, const char *kind, const char *text, ro_err *err)
{
    sv_notice n = {0, t->task, {0}, text, strlen(text)};
    kind_text(kind, n.kind);
    return sv_ledger_post(s->ledger, &n, err);
}

static ro_status book_end(sv_tasks *s, const entry *t, const rf_effect *x, ro_err *err)
{
    for (uint32_t k = 0; k < x->transfer_count; k++) {
        const rf_transfer *m = &x->transfers[k];
        sv_transfer_key key = {t->task, m->key};
        sv_account from = account_of(t, &m->from), to = account_of(t, &m->to);
        RO_TRY(sv_ledger_move(s->ledger, &key, &from, &to, m->amount, err));
    }
    return post(s, t, "end", rf_end_name(x->end), err);
}

/* What follows from the last event. replay: it was booked when it was logged. */
static ro_status book(sv_tasks *s, entry *t, const rf_event *e, int replay, ro_err *err)
{
    uint32_t n;
    const rf_effect *x = rf_task_effects(t->state, &n);
    for (uint32_t k = 0; k < n; k++, x++) {
        const int stake = claims_slot(e, x) || x->kind == RF_DO_RELEASE;
        if (!replay && stake) RO_TRY(book_stake(s, t, e, x, err));
        t->stakes += (uint64_t)stake;
        if (replay) continue;
        if (x->kind == RF_DO_SETTLE) RO_TRY(book_end(s, t, x, err));
        if (x->kind == RF_DO_ALARM) RO_TRY(post(s, t, "alarm", x->why, err));
    }
    return RO_OK;
}

/* ---- reading and writing tasks ---------------------------------------------------------- */

static void entry_free(entry *t)
{
    if (!t) return;
    rf_task_free(t->state);
    ro_arena_free(t->arena);
    ro_free(t);
}

static void forget_state(entry *t)
{
    rf_task_free(t->state);
    t->state = NULL;
}

static int ended(const entry *t)
{
    rf_task_state st = rf_task_get_state(t->state);
    return st == RF_T_SETTLED || st == RF_T_REFUNDED;
}

static ro_status keep(sv_tasks *s, entry *t, const void *order, uint64_t order_size, ro_err *err)
{
    sv_task_record r;
    uint8_t *state;
    size_t size;
    vd_digest head;
    memset(&r, 0, sizeof r);
    r.task = t->task;
    r.client = t->client;
    r.status = rf_task_state_name(rf_task_get_state(t->state));
    r.stakes = t->stakes;
    r.order = order;
    r.order_size = order_size;
    sv_ledger_head(s->ledger, &r.position, &head);
    RO_TRY(rf_task_save(t->state, &state, &size, err));
    r.state = state;
    r.state_size = size;
    ro_status st = sv_ledger_keep(s->ledger, &r, err);
    ro_free(state);
    if (st == RO_OK) t->unsaved = 0;
    return st;
}

typedef struct { sv_tasks *s; entry *t; } reading;

static ro_status replay_row(void *ctx, const sv_event *row, ro_err *err)
{
    reading *r = ctx;
    rf_event e;
    rf_message m;
    RO_TRY(event_read(row->body, row->size, &e, &m, err));
    RO_TRY(rf_task_event(r->t->state, &e, row->stamp_ms, err));
    r->t->unsaved++;
    return book(r->s, r->t, &e, 1, err);
}

static ro_status decode_job(entry *t, const void *job, uint64_t size, ro_err *err)
{
    if (size > SV_JOB_MAX)
        return RO_FAIL(err, RO_ELIMIT, "a job has %llu bytes; %llu are allowed",
                       (unsigned long long)size, (unsigned long long)SV_JOB_MAX);
    t->job_size = size;
    t->arena = ro_arena_new();
    if (!t->arena) return RO_FAIL(err, RO_ENOMEM, "no memory for a job");
    return vd_job_decode(job, size, t->arena, &t->job, err);
}

/* The state as it was saved, then what was logged after it. */
static ro_status read_row(void *ctx, const sv_task_record *r, ro_err *err)
{
    reading *x = ctx;
    entry *t = x->t;
    t->task = r->task;
    t->client = r->client;
    t->stakes = r->stakes;
    t->unsaved = 0;
    sv_order o;
    RO_TRY(sv_order_read(r->order, r->order_size, &o, err));
    t->params = o.params;
    if (!t->job) RO_TRY(decode_job(t, o.job, o.job_size, err));
    RO_TRY(rf_task_restore(t->job, r->state, (size_t)r->state_size, &t->state, err));
    return sv_ledger_events(x->s->ledger, &r->task, r->position, replay_row, x, err);
}

/* Room for one more, so that nothing can fail once it is in the ledger. */
static ro_status reserve(sv_tasks *s, ro_err *err)
{
    if (s->count >= SV_TASKS_MAX)
        return RO_FAIL(err, RO_ELIMIT, "%u tasks are open; %u are allowed", s->count,
                       SV_TASKS_MAX);
    if (s->count < s->room) return RO_OK;
    uint32_t room = s->room ? 2 * s->room : 64;
    entry **list = ro_resize(s->list, s->room * sizeof *list, room * sizeof *list);
    if (!list) return RO_FAIL(err, RO_ENOMEM, "no memory for %u tasks", room);
    s->list = list;
    s->room = room;
    return RO_OK;
}

static void drop(sv_tasks *s, entry *t)
{
    uint32_t k = 0;
    while (s->list[k] != t) k++;
    s->list[k] = s->list[--s->count];
    entry_free(t);
}

static ro_status load_row(void *ctx, const sv_task_record *r, ro_err *err)
{
    reading x = {ctx, NULL};
    RO_TRY(reserve(x.s, err));
    x.t = ro_alloc_zero(sizeof *x.t);
    if (!x.t) return RO_FAIL(err, RO_ENOMEM, "no memory for a task");
    x.s->list[x.s->count++] = x.t;
    return read_row(&x, r, err);
}

ro_status sv_tasks_open(sv_ledger *l, const vd_key *key, sv_tasks **out, ro_err *err)
{
    sv_tasks *s = ro_alloc_zero(sizeof *s);
    if (!s) return RO_FAIL(err, RO_ENOMEM, "no memory for tasks");
    s->ledger = l;
    s->key = key;
    s->referee = key_digest(vd_key_public(key));
    ro_status st = sv_ledger_begin(l, err);
    if (st == RO_OK) {
        st = sv_ledger_open_tasks(l, load_row, s, err);
        sv_ledger_rollback(l); /* nothing was written */
    }
    if (st) {
        sv_tasks_close(s);
        return st;
    }
    *out = s;
    return RO_OK;
}

void sv_tasks_close(sv_tasks *s)
{
    if (!s) return;
    for (uint32_t k = 0; k < s->count; k++) entry_free(s->list[k]);
    ro_free(s->list);
    ro_free(s);
}

uint32_t sv_tasks_count(const sv_tasks *s) { return s->count; }

void sv_tasks_at(sv_tasks *s, uint32_t k, sv_task_look *out)
{
    const entry *t = s->list[k];
    *out = (sv_task_look){t->task, t->client, &t->params, t->job, t->state, t->job_size};
}

int sv_tasks_look(sv_tasks *s, const vd_digest *task, sv_task_look *out)
{
    for (uint32_t k = 0; k < s->count; k++) {
        if (!vd_digest_equal(&s->list[k]->task, task)) continue;
        sv_tasks_at(s, k, out);
        return 1;
    }
    return 0;
}

/* The task of an id, with its state, or NULL with RO_ENOTFOUND. */
static ro_status find(sv_tasks *s, const vd_digest *task, entry **out, ro_err *err)
{
    reading x = {s, NULL};
    for (uint32_t k = 0; k < s->count && !x.t; k++)
        if (vd_digest_equal(&s->list[k]->task, task)) x.t = s->list[k];
    if (!x.t) return RO_FAIL(err, RO_ENOTFOUND, "no such task is open");
    if (!x.t->state) {
        RO_TRY(sv_ledger_begin(s->ledger, err));
        ro_status st = sv_ledger_find(s->ledger, task, read_row, &x, err);
        sv_ledger_rollback(s->ledger);
        if (st) {
            forget_state(x.t);
            return st;
        }
    }
    *out = x.t;
    return RO_OK;
}

rf_task *sv_tasks_find(sv_tasks *s, const vd_digest *task)
{
    ro_err err = {RO_OK, {0}};
    entry *t;
    return find(s, task, &t, &err) ? NULL : t->state;
}

/* ---- submitting ------------------------------------------------------------------------- */

/* The treasury pays an audit of every open task if it must. */
static ro_status treasury_suffices(sv_tasks *s, int64_t audit, ro_err *err)
{
    int64_t has, needed = audit;
    for (uint32_t k = 0; k < s->count; k++)
        RO_TRY(rf_money_add(&needed, s->list[k]->params.audit, err));
    RO_TRY(sv_ledger_balance(s->ledger, &treasury_account, &has, err));
    if (has >= needed) return RO_OK;
    return RO_FAIL(err, RO_ELIMIT, "the treasury has %lld; an audit of every open task and of this "
                   "one are %lld", (long long)has, (long long)needed);
}

static ro_status log_event(sv_tasks *s, const entry *t, const char *kind, uint64_t number,
                           uint64_t now, const void *body, uint64_t size, ro_err *err)
{
    sv_event e;
    memset(&e, 0, sizeof e);
    e.task = t->task;
    e.number = number;
    e.stamp_ms = now;
    kind_text(kind, e.kind);
    e.body = body;
    e.size = size;
    return sv_ledger_append(s->ledger, &e, err);
}

static uint64_t stamp(const sv_tasks *s, uint64_t now)
{
    uint64_t last = sv_ledger_stamp(s->ledger);
    return now > last ? now : last;
}

/* Between begin and commit. */
static ro_status submit(sv_tasks *s, entry *t, const sv_order *o, const uint8_t *order,
                        uint64_t now, ro_err *err)
{
    int64_t escrow, booked;
    sv_account from = free_account(&o->client), to = escrow_account(&o->client, &o->task);
    sv_transfer_key k = {o->task, SV_KEY_ESCROW};
    RO_TRY(sv_ledger_moved(s->ledger, &k, &booked, err));
    if (booked) return RO_FAIL(err, RO_EDIFFER, "the task's id is taken");
    RO_TRY(treasury_suffices(s, o->params.audit, err));
    RO_TRY(rf_params_escrow(&o->params, &escrow, err));
    RO_TRY(log_event(s, t, "order", SV_NO_NUMBER, now, order, ORDER_BYTES, err));
    RO_TRY(sv_ledger_move(s->ledger, &k, &from, &to, escrow, err));
    RO_TRY(keep(s, t, order, ORDER_BYTES + o->job_size, err));
    return tell_watch(s, t, NULL, err);
}

static ro_status open_task(sv_tasks *s, entry *t, const sv_order *o, uint64_t now, ro_err *err)
{
    t->task = o->task;
    t->client = o->client;
    t->params = o->params;
    RO_TRY(decode_job(t, o->job, o->job_size, err));
    rf_task_setup setup = {t->job, s->referee, o->task, o->secret, o->params};
    return rf_task_new(&setup, now, &t->state, err);
}

static ro_status submit_whole(sv_tasks *s, entry *t, const sv_order *o, uint64_t now, ro_err *err)
{
    RO_TRY(open_task(s, t, o, now, err));
    uint8_t *order = ro_alloc(ORDER_BYTES + (size_t)o->job_size);
    if (!order) return RO_FAIL(err, RO_ENOMEM, "no memory for a job");
    order_write(o, order);
    memcpy(order + ORDER_BYTES, o->job, (size_t)o->job_size);
    ro_status st = sv_ledger_begin(s->ledger, err);
    if (st == RO_OK) {
        st = submit(s, t, o, order, now, err);
        if (st) sv_ledger_rollback(s->ledger);
        else st = sv_ledger_commit(s->ledger, err);
    }
    ro_free(order);
    return st;
}

ro_status sv_tasks_submit(sv_tasks *s, const sv_order *o, uint64_t now_ms, ro_err *err)
{
    RO_TRY(reserve(s, err));
    entry *t = ro_alloc_zero(sizeof *t);
    if (!t) return RO_FAIL(err, RO_ENOMEM, "no memory for a task");
    ro_status st = submit_whole(s, t, o, stamp(s, now_ms), err);
    if (st) {
        entry_free(t);
        return st;
    }
    s->list[s->count++] = t;
    return RO_OK;
}

/* ---- events ----------------------------------------------------------------------------- */

/* Where the task has logged a message that it accepts now for the first time. */
static uint64_t number_of(const entry *t, const rf_event *e)
{
    uint32_t n;
    const rf_effect *x = rf_task_effects(t->state, &n);
    if (e->kind != RF_EV_MESSAGE) return SV_NO_NUMBER;
    for (uint32_t k = 0; k < n; k++)
        if (x[k].kind == RF_DO_ACCEPT) return x[k].duplicate ? SV_NO_NUMBER : x[k].position;
    return SV_NO_NUMBER;
}

static int moved_on(const entry *t)
{
    uint32_t n;
    const rf_effect *x = rf_task_effects(t->state, &n);
    for (uint32_t k = 0; k < n; k++)
        if (x[k].kind == RF_DO_STATE) return 1;
    return 0;
}

/* Whether a slot that is claimed for the first time can be paid for. */
static ro_status can_pay(sv_tasks *s, const entry *t, const rf_event *e, ro_err *err)
{
    int64_t has;
    sv_account a = free_account(&e->account);
    if (e->kind != RF_EV_MESSAGE || e->message->type != RF_M_WORK) return RO_OK;
    if (rf_task_find(t->state, e->message->key) != RF_NONE) return RO_OK;
    RO_TRY(sv_ledger_balance(s->ledger, &a, &has, err));
    if (has >= t->params.stake) return RO_OK;
    return RO_FAIL(err, RO_ELIMIT, "the account has %lld; the stake of a slot is %lld",
                   (long long)has, (long long)t->params.stake);
}

/* Between begin and commit. */
static ro_status apply(sv_tasks *s, entry *t, const rf_event *e, const uint8_t *body, uint64_t size,
                       uint64_t now, ro_err *err)
{
    RO_TRY(rf_task_event(t->state, e, now, err));
    RO_TRY(log_event(s, t, event_name(e->kind), number_of(t, e), now, body, size, err));
    RO_TRY(book(s, t, e, 0, err));
    t->unsaved++;
    if (moved_on(t) || t->unsaved >= SV_REPLAY_MAX) RO_TRY(keep(s, t, NULL, 0, err));
    return tell_watch(s, t, e, err);
}

/* Give an event to a task in the open transaction, which a failure undoes. */
static ro_status take(sv_tasks *s, entry *t, const rf_event *e, uint64_t now, ro_err *err)
{
    uint8_t *body = NULL;
    uint64_t size = 0;
    ro_status st = can_pay(s, t, e, err);
    if (st == RO_OK) st = event_write(e, &body, &size, err);
    if (st == RO_OK) {
        st = apply(s, t, e, body, size, now, err);
        if (st) forget_state(t);
    }
    ro_free(body);
    if (st) sv_ledger_rollback(s->ledger);
    return st;
}

ro_status sv_tasks_event(sv_tasks *s, const vd_digest *task, const rf_event *e, uint64_t now_ms,
                         ro_err *err)
{
    entry *t;
    RO_TRY(find(s, task, &t, err));
    RO_TRY(sv_ledger_begin(s->ledger, err));
    RO_TRY(take(s, t, e, stamp(s, now_ms), err));
    ro_status st = sv_ledger_commit(s->ledger, err);
    if (st) forget_state(t);
    else if (ended(t)) drop(s, t);
    return st;
}

/* ---- messages --------------------------------------------------------------------------- */

typedef struct {
    vd_digest task;
    uint64_t position, now;
    const void *bytes;
    size_t size;
    uint8_t *out;
    size_t *out_size;
} answering;

static ro_status sign_answer(sv_tasks *s, const answering *a, rf_message *m, ro_err *err)
{
    m->referee = s->referee;
    m->task = a->task;
    m->role = RF_REFEREE;
    m->time_ms = a->now;
    RO_TRY(rf_message_sign(m, s->key, err));
    *a->out_size = rf_message_encode(m, a->out);
    return RO_OK;
}

static ro_status refuse(sv_tasks *s, const answering *a, rf_refusal reason, const vd_digest *asked,
                        ro_err *err)
{
    rf_message m;
    uint64_t events;
    memset(&m, 0, sizeof m);
    m.type = RF_M_REFUSAL;
    m.claim.refusal.message = rf_received_digest(a->bytes, a->size);
    m.claim.refusal.reason = reason;
    if (reason == RF_R_STALE) m.claim.refusal.question = *asked;
    m.claim.refusal.position = a->position;
    sv_ledger_head(s->ledger, &events, &m.claim.refusal.head);
    return sign_answer(s, a, &m, err);
}

/* Everything of a receipt is in the log: it is the same whenever it is asked for. */
static void receipt_claim(const sv_event *e, const rf_message *of, rf_message *m)
{
    memset(m, 0, sizeof *m);
    m->type = RF_M_RECEIPT;
    m->slot.position = e->number;
    memcpy(m->claim.receipt.key, of->key, sizeof of->key);
    m->claim.receipt.message = rf_message_id(of);
    m->claim.receipt.head = e->head;
    m->claim.receipt.logged_ms = e->stamp_ms;
}

ro_status sv_event_receipt(const vd_key *key, const sv_event *row, const rf_message *of,
                           uint8_t out[RF_MESSAGE_MAX], size_t *size, ro_err *err)
{
    rf_message m;
    receipt_claim(row, of, &m);
    m.referee = of->referee;
    m.task = of->task;
    m.role = RF_REFEREE;
    m.time_ms = row->stamp_ms;
    RO_TRY(rf_message_sign(&m, key, err));
    *size = rf_message_encode(&m, out);
    return RO_OK;
}

static ro_status receipt(sv_tasks *s, const answering *a, const rf_message *of, uint64_t number,
                         ro_err *err)
{
    rf_message m;
    sv_event e;
    RO_TRY(sv_ledger_numbered(s->ledger, &a->task, number, &e, err));
    receipt_claim(&e, of, &m);
    return sign_answer(s, a, &m, err);
}

/* What is refused before anything is logged: strangers cannot make the log grow. */
static ro_status screen(sv_tasks *s, const sv_opened *o, entry **t, int *reason, ro_err *err)
{
    const rf_message *m = &o->message;
    ro_err why = {RO_OK, {0}};
    *t = NULL;
    *reason = RF_R_CONTEXT;
    if (m->role == RF_REFEREE || !vd_digest_equal(&m->referee, &s->referee)) return RO_OK;
    ro_status st = find(s, &m->task, t, &why);
    if (st == RO_ENOTFOUND) return RO_OK;
    if (st) return RO_FAIL(err, st, "%s", why.msg);
    *reason = RF_R_UNKNOWN;
    if (m->type != RF_M_WORK && rf_task_find((*t)->state, m->key) == RF_NONE) return RO_OK;
    *reason = o->payload_fits ? -1 : RF_R_CONTENT;
    return RO_OK;
}

static ro_status answer_effects(sv_tasks *s, const entry *t, answering *a, const rf_message *m,
                                ro_err *err)
{
    uint32_t n;
    const rf_effect *x = rf_task_effects(t->state, &n);
    a->position = rf_task_position(t->state);
    for (uint32_t k = 0; k < n; k++) {
        if (x[k].kind == RF_DO_ACCEPT) return receipt(s, a, m, x[k].position, err);
        if (x[k].kind == RF_DO_REFUSE) return refuse(s, a, x[k].reason, &x[k].asked, err);
    }
    return refuse(s, a, RF_R_LATE, NULL, err); /* the task ended before it was looked at */
}

/* One transaction: the event, its money, the answer's place in the log. */
static ro_status take_message(sv_tasks *s, entry *t, answering *a, const rf_event *e, ro_err *err)
{
    ro_err poor = {RO_OK, {0}};
    RO_TRY(sv_ledger_begin(s->ledger, err));
    ro_status st = can_pay(s, t, e, &poor);
    if (st) {
        sv_ledger_rollback(s->ledger);
        if (st == RO_ELIMIT) return refuse(s, a, RF_R_UNKNOWN, NULL, err); /* no stake, no place */
        return RO_FAIL(err, st, "%s", poor.msg);
    }
    RO_TRY(take(s, t, e, a->now, err));
    st = answer_effects(s, t, a, e->message, err);
    if (st) sv_ledger_rollback(s->ledger);
    else st = sv_ledger_commit(s->ledger, err);
    if (st) forget_state(t);
    else if (ended(t)) drop(s, t);
    return st;
}

void sv_message_open(const void *bytes, size_t n, const void *payload, size_t payload_size,
                     sv_opened *out)
{
    ro_err why = {RO_OK, {0}};
    memset(out, 0, sizeof *out);
    out->bytes = bytes;
    out->size = n;
    out->payload = payload;
    out->payload_size = payload_size;
    out->status = rf_message_open(bytes, n, &out->message, &out->why);
    if (out->status == RO_OK)
        out->payload_fits = payload_size <= RF_PAYLOAD_MAX &&
                            !rf_payload_check(&out->message, payload, payload_size, &why);
}

ro_status sv_tasks_opened(sv_tasks *s, const sv_opened *o, const vd_digest *account,
                          uint64_t now_ms, uint8_t answer[RF_MESSAGE_MAX], size_t *answer_size,
                          ro_err *err)
{
    rf_event e;
    entry *t;
    int reason;
    answering a = {{{0}}, 0, stamp(s, now_ms), o->bytes, o->size, answer, answer_size};
    if (o->status == RO_EFORMAT) return refuse(s, &a, RF_R_MALFORMED, NULL, err);
    if (o->status == RO_ESIGNATURE) return refuse(s, &a, RF_R_SIGNATURE, NULL, err);
    if (o->status) return RO_FAIL(err, o->status, "%s", o->why.msg);
    a.task = o->message.task;
    RO_TRY(screen(s, o, &t, &reason, err));
    if (t) a.position = rf_task_position(t->state);
    if (reason >= 0) return refuse(s, &a, (rf_refusal)reason, NULL, err);
    memset(&e, 0, sizeof e);
    e.kind = RF_EV_MESSAGE;
    e.message = &o->message;
    e.bytes = o->payload;
    e.size = o->payload_size;
    e.account = *account;
    return take_message(s, t, &a, &e, err);
}

ro_status sv_tasks_message(sv_tasks *s, const void *bytes, size_t n, const void *payload,
                           size_t payload_size, const vd_digest *account, uint64_t now_ms,
                           uint8_t answer[RF_MESSAGE_MAX], size_t *answer_size, ro_err *err)
{
    sv_opened o;
    sv_message_open(bytes, n, payload, payload_size, &o);
    return sv_tasks_opened(s, &o, account, now_ms, answer, answer_size, err);
}

/* ---- time ------------------------------------------------------------------------------- */

uint64_t sv_tasks_deadline(const sv_tasks *s)
{
    uint64_t first = UINT64_MAX;
    for (uint32_t k = 0; k < s->count; k++) {
        /* one that was given up is looked at again at once */
        uint64_t at = s->list[k]->state ? rf_task_deadline(s->list[k]->state) : 0;
        if (at < first) first = at;
    }
    return first;
}

ro_status sv_tasks_tick(sv_tasks *s, uint64_t now_ms, ro_err *err)
{
    const uint64_t now = stamp(s, now_ms);
    ro_status first = RO_OK;
    rf_event tick;
    memset(&tick, 0, sizeof tick);
    for (uint32_t k = 0; k < s->count && !sv_ledger_broken(s->ledger);) {
        entry *t;
        ro_err why = {RO_OK, {0}};
        const uint32_t before = s->count;
        ro_status st = find(s, &s->list[k]->task, &t, &why);
        if (st == RO_OK && rf_expired(now, rf_task_deadline(t->state)))
            st = sv_tasks_event(s, &t->task, &tick, now, &why);
        if (st && !first) first = RO_FAIL(err, st, "%s", why.msg);
        k += s->count == before; /* an ended one has given its place to the last */
    }
    return first;
}
