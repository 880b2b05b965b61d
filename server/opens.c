/* opens.c - what the engine keeps of open tasks, and the views that readers get of them.
 *
 * What this file decides: what is remembered of a task beside its state, what a view holds, who
 * keeps it alive.
 *
 * Invariants
 *   1. The table is changed by the engine's thread, under the lock; readers look under it.
 *   2. A view is never changed: a newer one takes its place, and it lives while it is read. */
#include <string.h>

#include "engine_state.h"

#define BLOB_HEADER 128u /* docs/FORMATS.md, "The store" */

static sv_open **bucket_of(sv_engine *e, const vd_digest *task)
{
    uint32_t h;
    memcpy(&h, task->b, sizeof h);
    return &e->bucket[h % SV_BUCKETS];
}

sv_open *sv_open_find(sv_engine *e, const vd_digest *task)
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

void sv_open_touch(sv_engine *e, sv_open *o)
{
    if (o->dirty) return;
    o->dirty = 1;
    o->next_dirty = e->dirty;
    e->dirty = o;
}

void sv_open_remove(sv_engine *e, sv_open *o)
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

ro_status sv_open_new(sv_engine *e, const sv_task_look *l, const sv_fixed *f, sv_open **out,
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
    sv_open_touch(e, o);
    *out = o;
    return RO_OK;
}

void sv_fixed_of_job(const vd_job *j, sv_fixed *f)
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
ro_status sv_open_load(sv_engine *e, const sv_task_look *l, ro_err *err)
{
    sv_fixed f;
    sv_open *o;
    reading r = {&f};
    memset(&f, 0, sizeof f);
    sv_fixed_of_job(l->job, &f);
    RO_TRY(rf_cost_of_job(l->job, &f.cost, err));
    RO_TRY(sv_catalog_task(e->catalog, &l->task, read_made, &r, err));
    RO_TRY(sv_catalog_order(e->catalog, &l->task, read_secret, &r, err));
    RO_TRY(sv_open_new(e, l, &f, &o, err));
    o->changed_ms = sv_ledger_stamp(e->ledger);
    return sv_catalog_disputes(e->catalog, &l->task, 0, count_disputes, &o->disputes, err);
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

void sv_open_show(sv_engine *e, sv_open *o, const sv_task_look *l)
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
    sv_open *o = sv_open_find(e, task);
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
