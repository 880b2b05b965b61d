/* engine.c - the writer's thread, its batches, and the views that follow from them.
 *
 * What this file decides: what is remembered of an open task beside its state, and when a view is
 * made anew.
 *
 * Invariants
 *   1. Views, changes and host work of a batch are handed out after its commit, in order.
 *   2. What is kept here of a task follows from the disk, and is made again with it. */
#include "engine.h"

#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../verde/files.h"

#define BUCKETS 4096u
#define HEARTBEAT_MS 1000u
#define HEARTBEAT_SLACK_MS 3000u /* a pause that is no downtime */
#define BLOB_HEADER 128u         /* docs/FORMATS.md, "The store" */

/* What is kept of an open task. */
typedef struct sv_open {
    struct sv_open *next; /* in its bucket */
    int references;       /* of views, and of the engine; under the lock */
    vd_digest task, client;
    sv_fixed fixed;
    sv_blob *blobs;
    uint32_t blob_count, disputes, place;
    uint64_t changed_ms, position;
    struct sv_open *next_dirty;
    int data_ready, looking, over, dirty, audits;
    rf_task_state state;
    sv_view *view;
} sv_open;

typedef struct { uint64_t position; vd_digest task; int ledger; char what[96]; } change;
typedef struct { sv_action action; vd_digest task; sv_engine *engine; } looking;

struct sv_engine {
    sv_engine_options o;
    char *dir;
    const vd_key *key;
    vd_digest referee;
    sv_ledger *ledger;
    sv_catalog *catalog;
    sv_tasks *tasks;
    vd_store *store;
    int heart; /* the file that is written while the service is up */
    uint64_t beaten;
    const sv_fixed *submitting;
    change *changes;
    uint32_t change_count, change_room;
    sv_engine_counts counts; /* of the engine's thread; copied out under the lock */

    pthread_t thread;
    int started;
    pthread_mutex_t lock; /* the queue, the tables of open tasks, references, counts */
    pthread_cond_t wake;
    sv_action *first, **last;
    uint64_t waiting;
    int stop;
    sv_open *bucket[BUCKETS];
    sv_open **list, *dirty;
    uint32_t count, room;
    sv_engine_counts shown;
};

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

/* ---- the table of open tasks ------------------------------------------------------------- */

static sv_open **bucket_of(sv_engine *e, const vd_digest *task)
{
    uint32_t h;
    memcpy(&h, task->b, sizeof h);
    return &e->bucket[h % BUCKETS];
}

static sv_open *find_open(sv_engine *e, const vd_digest *task)
{
    sv_open *o = *bucket_of(e, task);
    while (o && !vd_digest_equal(&o->task, task)) o = o->next;
    return o;
}

static void drop_open(sv_open *o) /* under the lock */
{
    if (--o->references) return;
    ro_free(o->blobs);
    ro_free(o);
}

static void drop_view(sv_view *v) /* under the lock */
{
    if (!v || --v->references) return;
    for (uint32_t k = 0; k < v->asked_count; k++) sv_text_free(&v->asked[k].text);
    ro_free(v->asked);
    ro_free(v->seats);
    sv_text_free(&v->full);
    sv_text_free(&v->brief);
    drop_open((sv_open *)(uintptr_t)v->open);
    ro_free(v);
}

static ro_status add_open(sv_engine *e, sv_open *o, ro_err *err)
{
    if (e->count == e->room) {
        uint32_t room = e->room ? 2 * e->room : 64;
        sv_open **list = ro_alloc(room * sizeof *list);
        if (!list) return RO_FAIL(err, RO_ENOMEM, "no memory for %u tasks", room);
        if (e->count) memcpy(list, e->list, e->count * sizeof *list);
        pthread_mutex_lock(&e->lock);
        ro_free(e->list);
        e->list = list;
        e->room = room;
        pthread_mutex_unlock(&e->lock);
    }
    pthread_mutex_lock(&e->lock);
    sv_open **b = bucket_of(e, &o->task);
    o->next = *b;
    *b = o;
    o->place = e->count;
    e->list[e->count++] = o;
    o->references = 1;
    pthread_mutex_unlock(&e->lock);
    return RO_OK;
}

static void set_dirty(sv_engine *e, sv_open *o)
{
    if (o->dirty) return;
    o->dirty = 1;
    o->next_dirty = e->dirty;
    e->dirty = o;
}

static void remove_open(sv_engine *e, sv_open *o)
{
    sv_open **d = &e->dirty;
    while (*d && *d != o) d = &(*d)->next_dirty;
    if (*d) *d = o->next_dirty;
    pthread_mutex_lock(&e->lock);
    sv_open **b = bucket_of(e, &o->task);
    while (*b != o) b = &(*b)->next;
    *b = o->next;
    e->list[o->place] = e->list[--e->count];
    e->list[o->place]->place = o->place;
    drop_view(o->view);
    o->view = NULL;
    drop_open(o);
    pthread_mutex_unlock(&e->lock);
}

/* ---- what is fixed of a task ------------------------------------------------------------- */

static ro_status list_blobs(const vd_job *j, sv_open *o, ro_err *err)
{
    o->blobs = ro_alloc((j->constant_count + j->slot_count + 1u) * sizeof *o->blobs);
    if (!o->blobs) return RO_FAIL(err, RO_ENOMEM, "no memory for a task's data");
    for (uint32_t k = 0; k < j->constant_count + j->slot_count; k++) {
        const vd_slot *s = k < j->constant_count ? &j->constants[k]
                                                 : &j->slots[k - j->constant_count];
        vd_digest zero;
        uint32_t at = 0;
        vd_tensor_digest_zero(&s->type, zero.b);
        if (k >= j->constant_count && vd_digest_equal(&zero, &s->digest)) continue;
        while (at < o->blob_count && !vd_digest_equal(&o->blobs[at].digest, &s->digest)) at++;
        if (at < o->blob_count) continue;
        o->blobs[o->blob_count].digest = s->digest;
        o->blobs[o->blob_count].type = s->type;
        o->blobs[o->blob_count++].bytes = BLOB_HEADER + ro_type_bytes(&s->type);
    }
    return RO_OK;
}

static ro_status new_open(sv_engine *e, const sv_task_look *l, const sv_fixed *f, sv_open **out,
                          ro_err *err)
{
    sv_open *o = ro_alloc_zero(sizeof *o);
    if (!o) return RO_FAIL(err, RO_ENOMEM, "no memory for a task");
    o->task = l->task;
    o->client = l->client;
    o->fixed = *f;
    o->state = rf_task_get_state(l->state);
    o->data_ready = o->state > RF_T_OPEN;
    ro_status st = list_blobs(l->job, o, err);
    if (st == RO_OK) st = add_open(e, o, err);
    if (st) {
        ro_free(o->blobs);
        ro_free(o);
        return st;
    }
    set_dirty(e, o);
    *out = o;
    return RO_OK;
}

static void fixed_of_job(const vd_job *j, sv_fixed *f)
{
    f->nodes = 0;
    for (uint32_t p = 0; p < j->phase_count; p++) f->nodes += j->phases[p].graph->node_count;
}

typedef struct { sv_fixed *f; } reading;

static ro_status read_made(void *ctx, const sv_listed *t, ro_err *err)
{
    (void)err;
    ((reading *)ctx)->f->made_ms = t->made_ms;
    return RO_OK;
}

static ro_status read_secret(void *ctx, const sv_task_record *r, ro_err *err)
{
    sv_order o;
    RO_TRY(sv_order_read(r->order, r->order_size, &o, err));
    ((reading *)ctx)->f->secret = o.secret;
    return RO_OK;
}

static ro_status count_disputes(void *ctx, const sv_dispute *d, ro_err *err)
{
    (void)err;
    *(uint32_t *)ctx = d->number;
    return RO_OK;
}

/* Of a task that is on the disk. */
static ro_status load_open(sv_engine *e, const sv_task_look *l, ro_err *err)
{
    sv_fixed f;
    sv_open *o;
    reading r = {&f};
    memset(&f, 0, sizeof f);
    fixed_of_job(l->job, &f);
    RO_TRY(rf_cost_of_job(l->job, &f.cost, err));
    RO_TRY(sv_catalog_task(e->catalog, &l->task, read_made, &r, err));
    RO_TRY(sv_catalog_order(e->catalog, &l->task, read_secret, &r, err));
    RO_TRY(new_open(e, l, &f, &o, err));
    o->changed_ms = sv_ledger_stamp(e->ledger);
    return sv_catalog_disputes(e->catalog, &l->task, 0, count_disputes, &o->disputes, err);
}

/* ---- what an event brings ---------------------------------------------------------------- */

static void note_change(sv_engine *e, const change *c)
{
    if (e->change_count == e->change_room) {
        uint32_t room = e->change_room ? 2 * e->change_room : 256;
        change *list = ro_resize(e->changes, e->change_room * sizeof *list, room * sizeof *list);
        if (!list) return; /* a stream misses one; the next says that something changed */
        e->changes = list;
        e->change_room = room;
    }
    e->changes[e->change_count++] = *c;
}

void sv_engine_changed(sv_engine *e, const vd_digest *task, int ledger, const char *what)
{
    change c;
    vd_digest head;
    memset(&c, 0, sizeof c);
    sv_ledger_head(e->ledger, &c.position, &head);
    if (c.position) c.position--;
    if (task) c.task = *task;
    c.ledger = ledger;
    (void)snprintf(c.what, sizeof c.what, "%s", what);
    note_change(e, &c);
}

/* "task 51be88d7 is in COMMIT, 2 of 3" */
static void tell_change(sv_engine *e, const sv_task_look *l, int ledger)
{
    static const char *const names[] = {"OPEN", "COMMIT", "REVEAL", "AGREED", "DISPUTED",
                                        "RESOLVED", "FINAL", "SETTLED", "REFUNDED"};
    char text[96], id[65];
    const rf_task_state s = rf_task_get_state(l->state);
    uint32_t did = 0, of = 0;
    rf_task_member m;
    for (uint32_t k = 0; k < rf_task_members(l->state); k++) {
        rf_task_get_member(l->state, k, &m);
        if (m.role != RF_PROVIDER) continue;
        of += s == RF_T_OPEN ? 0 : (uint32_t)m.assigned;
        did += s == RF_T_OPEN || (s == RF_T_COMMIT && m.stage == RF_STAGE_COMMITTED) ||
               m.stage == RF_STAGE_REVEALED;
    }
    if (s == RF_T_OPEN) of = l->params->slots;
    vd_digest_hex(&l->task, id);
    int n = snprintf(text, sizeof text, "task %.8s is in %s", id, names[s]);
    if (s <= RF_T_REVEAL && n > 0)
        (void)snprintf(text + n, sizeof text - (size_t)n, ", %u of %u", did, of);
    sv_engine_changed(e, &l->task, ledger, text);
}

typedef struct { const vd_digest *root; int claim; rf_signer *to; } signing;

static ro_status find_signer(void *ctx, const sv_event *row, ro_err *err)
{
    signing *s = ctx;
    rf_message m;
    const void *payload;
    size_t size;
    int is;
    RO_TRY(sv_event_message(row, &m, &payload, &size, &is, err));
    if (!is || s->to->is_signed || row->number == SV_NO_NUMBER) return RO_OK;
    const int reveal = m.type == RF_M_REVEAL && !s->claim;
    if (!reveal && !(m.type == RF_M_SEGMENT && s->claim)) return RO_OK;
    const vd_digest root = reveal ? m.claim.reveal.root : vd_claim_root(&m.claim.segment.body);
    if (!vd_digest_equal(&root, s->root)) return RO_OK;
    s->to->is_signed = 1;
    memcpy(s->to->key, m.key, sizeof m.key);
    memcpy(s->to->signature, reveal ? m.claim.reveal.signature : m.claim.segment.signature, 64);
    memcpy(s->to->backend, reveal ? m.claim.reveal.backend : m.claim.segment.backend,
           VD_BACKEND_BYTES);
    return RO_OK;
}

static ro_status signer_of(sv_engine *e, const vd_digest *task, const vd_digest *root, int claim,
                           rf_signer *out, ro_err *err)
{
    signing s = {root, claim, out};
    return sv_ledger_events(e->ledger, task, 0, find_signer, &s, err);
}

/* The evidence of a pair that has just ended, when it has any. */
static ro_status take_evidence(sv_engine *e, const sv_task_look *l, const rf_effect *x, rf_game *g,
                               uint8_t **bytes, size_t *size, ro_err *err)
{
    rf_signer traces[2], claims[2];
    uint32_t sides[2], claim[2];
    ro_err why = {RO_OK, {0}};
    memset(traces, 0, sizeof traces);
    memset(claims, 0, sizeof claims);
    if (!rf_evidence_sides(g, sides, claim)) return RO_OK;
    for (int k = 0; k < 2; k++) {
        RO_TRY(signer_of(e, &l->task, &x->roots[sides[k] & 1], 0, &traces[k], err));
        if (claim[k] == RF_NONE) continue;
        RO_TRY(signer_of(e, &l->task, &rf_game_get_claim(g, claim[k])->root, 1, &claims[k], err));
    }
    ro_status st = rf_evidence_write(g, traces, claims, bytes, size, &why);
    if (st == RO_ENOMEM) return RO_FAIL(err, st, "%s", why.msg);
    return RO_OK; /* a verdict without evidence has none to keep */
}

static ro_status take_verdict(sv_engine *e, sv_open *o, const sv_task_look *l, const rf_effect *x,
                              ro_err *err)
{
    uint8_t *openings = NULL, *evidence = NULL;
    size_t openings_size = 0, evidence_size = 0;
    uint32_t count;
    sv_text told = {NULL, 0, 0, 0};
    rf_game *g = rf_task_game(l->state, x->level, x->pair);
    ro_status st = RO_OK;
    e->counts.verdicts++;
    if (g) st = rf_game_openings(g, 0, &openings, &openings_size, &count, err);
    if (g && st == RO_OK && x->verdict)
        st = take_evidence(e, l, x, g, &evidence, &evidence_size, err);
    if (x->verdict) sv_tell_verdict(&told, x->verdict);
    else sv_put(&told, "null"); /* a side's last member fell by itself */
    if (st == RO_OK && told.failed) st = RO_FAIL(err, RO_ENOMEM, "no memory for a verdict");
    if (st == RO_OK) {
        sv_dispute d = {.level = x->level, .pair = x->pair, .roots = {x->roots[0], x->roots[1]},
                        .begun_ms = sv_ledger_stamp(e->ledger),
                        .ended_ms = sv_ledger_stamp(e->ledger), .verdict = told.text,
                        .openings = openings, .openings_size = openings_size,
                        .evidence = evidence, .evidence_size = evidence_size};
        d.recomputed = x->verdict ? x->verdict->elements_recomputed : 0;
        d.decided = x->verdict && x->verdict->guilty_count > 0;
        st = sv_catalog_begin_dispute(e->catalog, &l->task, &d, &o->disputes, err);
        if (st == RO_OK) st = sv_catalog_end_dispute(e->catalog, &l->task, &d, err);
    }
    sv_text_free(&told);
    ro_free(openings);
    ro_free(evidence);
    return st;
}

/* A pair has its number from its first question on. */
static ro_status begin_dispute(sv_engine *e, sv_open *o, const rf_effect *x, ro_err *err)
{
    sv_dispute d;
    memset(&d, 0, sizeof d);
    d.level = x->level;
    d.pair = x->pair;
    d.roots[0] = x->roots[0];
    d.roots[1] = x->roots[1];
    d.begun_ms = sv_ledger_stamp(e->ledger);
    return sv_catalog_begin_dispute(e->catalog, &o->task, &d, &o->disputes, err);
}

static vd_digest key_of(const uint8_t key[32])
{
    vd_digest d;
    memcpy(d.b, key, VD_DIGEST);
    return d;
}

static ro_status count_slash(sv_engine *e, const sv_task_look *l, uint32_t member, int by,
                             ro_err *err)
{
    rf_task_member m;
    rf_task_get_member(l->state, member, &m);
    const vd_digest key = key_of(m.key);
    return m.role == RF_PROVIDER ? sv_catalog_struck(e->catalog, &key, by, err) : RO_OK;
}

static ro_status take_effect(sv_engine *e, sv_open *o, const sv_task_look *l, const rf_event *ev,
                             const rf_effect *x, int *ledger, ro_err *err)
{
    vd_digest key;
    switch (x->kind) {
    case RF_DO_STATE:
        e->counts.states[x->state]++;
        return sv_catalog_enter(e->catalog, &l->task, (uint32_t)x->state,
                                sv_ledger_stamp(e->ledger), err);
    case RF_DO_ACCEPT:
        if (x->duplicate) return RO_OK;
        if (ev->kind == RF_EV_AUDITOR) key = key_of(ev->key);
        else if (ev->kind == RF_EV_MESSAGE && ev->message->type == RF_M_WORK)
            key = key_of(ev->message->key);
        else return RO_OK;
        *ledger |= ev->kind == RF_EV_MESSAGE;
        if (ev->kind == RF_EV_MESSAGE)
            RO_TRY(sv_catalog_claimed(e->catalog, &key, sv_ledger_stamp(e->ledger), err));
        return sv_catalog_add_seat(e->catalog, &l->task, &key, err);
    case RF_DO_RELEASE:
    case RF_DO_SETTLE: *ledger = 1; return RO_OK;
    case RF_DO_ASK: return begin_dispute(e, o, x, err);
    case RF_DO_VERDICT: return take_verdict(e, o, l, x, err);
    case RF_DO_STRIKE: e->counts.strikes++; return count_slash(e, l, x->member, 1, err);
    case RF_DO_RETURN: return count_slash(e, l, x->member, -1, err);
    case RF_DO_ALARM: e->counts.alarms++; return RO_OK;
    case RF_DO_AUDIT: o->audits = 1; return RO_OK;
    default: return RO_OK;
    }
}

/* As it was told when it ended. */
static ro_status end_open(sv_engine *e, sv_open *o, const sv_task_look *l, ro_err *err)
{
    sv_text full = {NULL, 0, 0, 0}, brief = {NULL, 0, 0, 0};
    o->over = 1;
    sv_tell_task(&full, l, &o->fixed, o->changed_ms, o->position, o->data_ready, o->disputes, 0);
    sv_tell_task(&brief, l, &o->fixed, o->changed_ms, o->position, o->data_ready, o->disputes, 1);
    ro_status st = full.failed || brief.failed
                       ? RO_FAIL(err, RO_ENOMEM, "no memory to tell of a task")
                       : sv_catalog_end_task(e->catalog, &l->task, full.text, brief.text, err);
    sv_text_free(&full);
    sv_text_free(&brief);
    return st;
}

static ro_status watch(void *ctx, const sv_task_look *l, const rf_event *ev, ro_err *err)
{
    sv_engine *e = ctx;
    sv_open *o = find_open(e, &l->task);
    uint32_t n = 0;
    int ledger = ev == NULL;
    const uint64_t now = sv_ledger_stamp(e->ledger);
    if (!ev) {
        sv_fixed f = *e->submitting;
        f.made_ms = now;
        RO_TRY(new_open(e, l, &f, &o, err));
        RO_TRY(sv_catalog_add_task(e->catalog, &l->task, now, err));
        RO_TRY(sv_catalog_enter(e->catalog, &l->task, RF_T_OPEN, now, err));
    }
    RO_ASSERT(o);
    vd_digest head;
    sv_ledger_head(e->ledger, &o->position, &head);
    o->position--;
    o->changed_ms = now;
    set_dirty(e, o);
    o->state = rf_task_get_state(l->state);
    if (ev && ev->kind == RF_EV_READY) o->data_ready = 1;
    const rf_effect *x = ev ? rf_task_effects(l->state, &n) : NULL;
    for (uint32_t k = 0; k < n; k++) RO_TRY(take_effect(e, o, l, ev, &x[k], &ledger, err));
    tell_change(e, l, ledger);
    if (o->state == RF_T_SETTLED || o->state == RF_T_REFUNDED) return end_open(e, o, l, err);
    return RO_OK;
}

/* ---- views ------------------------------------------------------------------------------ */

static int take_asked(sv_view *v, const sv_task_look *l)
{
    uint32_t n;
    ro_err err = {RO_OK, {0}};
    if (v->state < RF_T_AGREED || v->state > RF_T_FINAL) return 1;
    if (rf_task_pending(l->state, &err)) return 0;
    const rf_effect *x = rf_task_effects(l->state, &n);
    v->asked = ro_alloc_zero((n + 1u) * sizeof *v->asked);
    if (!v->asked) return 0;
    for (uint32_t k = 0; k < n; k++) {
        if (x[k].kind != RF_DO_ASK && x[k].kind != RF_DO_CHALLENGE && x[k].kind != RF_DO_DELIVER &&
            x[k].kind != RF_DO_AUDIT)
            continue;
        sv_tell_asked(&v->asked[v->asked_count++], &l->task, &x[k]);
    }
    return 1;
}

static int take_seats(sv_view *v, const sv_task_look *l)
{
    rf_task_member m;
    v->seat_count = rf_task_members(l->state);
    v->seats = ro_alloc_zero((v->seat_count + 1u) * sizeof *v->seats);
    if (!v->seats) return 0;
    for (uint32_t k = 0; k < v->seat_count; k++) {
        rf_task_get_member(l->state, k, &m);
        memcpy(v->seats[k].key, m.key, sizeof m.key);
        v->seats[k].role = m.role;
        v->seats[k].root = m.root;
        v->seats[k].has_root = m.has_root;
        v->seats[k].lost = m.lost != RF_LOST_NOTHING;
        v->seats[k].assigned = m.assigned;
    }
    return 1;
}

static void make_view(sv_engine *e, sv_open *o, const sv_task_look *l)
{
    sv_view *v = ro_alloc_zero(sizeof *v), *old;
    if (!v) return; /* readers keep the one before */
    v->references = 1;
    v->task = o->task;
    v->client = o->client;
    v->state = o->state;
    v->position = o->position;
    v->disputes = o->disputes;
    v->has_root = rf_task_root(l->state, &v->root);
    v->result_bytes = o->fixed.cost.output_bytes;
    sv_tell_task(&v->full, l, &o->fixed, o->changed_ms, o->position, o->data_ready, o->disputes, 0);
    sv_tell_task(&v->brief, l, &o->fixed, o->changed_ms, o->position, o->data_ready, o->disputes,
                 1);
    const int whole = take_asked(v, l) && take_seats(v, l) && !v->full.failed && !v->brief.failed;
    pthread_mutex_lock(&e->lock);
    v->open = o;
    o->references++;
    old = o->view;
    if (whole) o->view = v;
    drop_view(whole ? old : v);
    pthread_mutex_unlock(&e->lock);
}

sv_view *sv_engine_view(sv_engine *e, const vd_digest *task)
{
    pthread_mutex_lock(&e->lock);
    sv_open *o = find_open(e, task);
    sv_view *v = o ? o->view : NULL;
    if (v) v->references++;
    pthread_mutex_unlock(&e->lock);
    return v;
}

sv_view *sv_engine_next_view(sv_engine *e, uint32_t *cursor)
{
    sv_view *v = NULL;
    pthread_mutex_lock(&e->lock);
    while (!v && *cursor < e->count) v = e->list[(*cursor)++]->view;
    if (v) v->references++;
    pthread_mutex_unlock(&e->lock);
    return v;
}

void sv_engine_release(sv_engine *e, sv_view *v)
{
    if (!v) return;
    pthread_mutex_lock(&e->lock);
    drop_view(v);
    pthread_mutex_unlock(&e->lock);
}

const sv_blob *sv_view_blobs(const sv_view *v, uint32_t *count)
{
    *count = v->open->blob_count;
    return v->open->blobs;
}

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
    sv_open *o = find_open(e, &l->task);
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
        remove_open(e, o);
        return;
    }
    o->over = 0; /* what ended it may have been undone */
    if (!l.state) return;
    o->state = rf_task_get_state(l.state);
    make_view(e, o, &l);
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
    while (e->count) remove_open(e, e->list[e->count - 1]);
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
    sv_tasks_set_watch(e->tasks, watch, e);
    for (uint32_t k = 0; k < sv_tasks_count(e->tasks); k++) {
        sv_task_look l;
        sv_tasks_at(e->tasks, k, &l);
        RO_TRY(load_open(e, &l, err));
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

static ro_status run_batch(sv_engine *e, sv_action *batch, ro_err *err)
{
    const uint64_t now = sv_now_ms();
    ro_err why = {RO_OK, {0}};
    if (!e->ledger || sv_ledger_broken(e->ledger)) {
        RO_TRY(open_again(e, err));
        publish(e);
    }
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
    fixed_of_job(j, f);
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
    sv_open *open = st ? find_open(e, &o->task) : NULL;
    if (open) remove_open(e, open);
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
