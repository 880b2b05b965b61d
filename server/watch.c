/* watch.c - what follows from an event beside its money: seats, disputes with their evidence, what
 * is told when a task ends, changes for streams.
 *
 * What this file decides: what of an event is written into the catalog, in the event's own
 * transaction, and in which words it is told. */
#include <string.h>

#include "engine_state.h"

static void note_change(sv_engine *e, const sv_noted *c)
{
    if (e->change_count == e->change_room) {
        uint32_t room = e->change_room ? 2 * e->change_room : 256;
        sv_noted *list = ro_resize(e->changes, e->change_room * sizeof *list, room * sizeof *list);
        if (!list) return; /* a stream misses one; the next says that something changed */
        e->changes = list;
        e->change_room = room;
    }
    e->changes[e->change_count++] = *c;
}

void sv_engine_changed(sv_engine *e, const vd_digest *task, int ledger, const char *what)
{
    sv_noted c;
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

ro_status sv_engine_watch(void *ctx, const sv_task_look *l, const rf_event *ev, ro_err *err)
{
    sv_engine *e = ctx;
    sv_open *o = sv_open_find(e, &l->task);
    uint32_t n = 0;
    int ledger = ev == NULL;
    const uint64_t now = sv_ledger_stamp(e->ledger);
    if (!ev) {
        sv_fixed f = *e->submitting;
        f.made_ms = now;
        RO_TRY(sv_open_new(e, l, &f, &o, err));
        RO_TRY(sv_catalog_add_task(e->catalog, &l->task, now, err));
        RO_TRY(sv_catalog_enter(e->catalog, &l->task, RF_T_OPEN, now, err));
    }
    RO_ASSERT(o);
    vd_digest head;
    sv_ledger_head(e->ledger, &o->position, &head);
    o->position--;
    o->changed_ms = now;
    sv_open_touch(e, o);
    o->state = rf_task_get_state(l->state);
    if (ev && ev->kind == RF_EV_READY) o->data_ready = 1;
    const rf_effect *x = ev ? rf_task_effects(l->state, &n) : NULL;
    for (uint32_t k = 0; k < n; k++) RO_TRY(take_effect(e, o, l, ev, &x[k], &ledger, err));
    tell_change(e, l, ledger);
    if (o->state == RF_T_SETTLED || o->state == RF_T_REFUNDED) return end_open(e, o, l, err);
    return RO_OK;
}
