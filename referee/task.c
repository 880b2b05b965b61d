/* task.c - the life of a task: slots, commitments, reveals, challenges, audits, delivery,
 * settlement, and what time does to each.
 *
 * Invariants
 *   1. rf_expired is the only comparison of a time with a deadline.
 *   2. Every change of state passes rf_enter, every lost stake rf_strike, every end settle().
 *   3. A message out of its window, or one that opens no commitment, is refused and is no claim:
 *      so whether two messages of one signer are equivocation does not hang on their order.
 *   4. A refusal changes nothing but, for a wrong answer, a count. */
#include "task_state.h"

#include "../verde/bytes.h"

#include <stdlib.h>
#include <string.h>

#define NEVER UINT64_MAX

int rf_expired(uint64_t now, uint64_t deadline) { return now >= deadline; }
uint64_t rf_later(uint64_t now, uint64_t ms) { return ms < NEVER - 1 - now ? now + ms : NEVER - 1; }
int rf_is_open(const rf_task *t) { return t->state == RF_T_AGREED || t->state == RF_T_DISPUTED; }
int rf_over(const rf_task *t) { return t->state == RF_T_SETTLED || t->state == RF_T_REFUNDED; }

const char *rf_task_state_name(rf_task_state s)
{
    static const char *const names[] = {"open",     "commit", "reveal",  "agreed",  "disputed",
                                        "resolved", "final",  "settled", "refunded"};
    return names[s];
}

const char *rf_effect_name(rf_effect_kind k)
{
    static const char *const names[] = {"state",  "accept",    "refuse", "release", "publish",
                                        "ask",    "close",     "challenge", "run",  "verdict",
                                        "strike", "audit",     "deliver",   "settle", "alarm",
                                        "hold",   "return",    "stand"};
    return names[k];
}

/* ---- vectors, effects -------------------------------------------------------------------- */

ro_status rf_room(void *items, uint32_t *room, uint32_t count, size_t size, ro_err *err)
{
    void *old, *grown;
    if (count < *room) return RO_OK;
    uint32_t want = *room ? 2 * *room : 8;
    memcpy(&old, items, sizeof old); /* a pointer to a pointer of any type */
    grown = want > *room ? ro_alloc_zero(want * size) : NULL;
    if (!grown) return RO_FAIL(err, RO_ENOMEM, "no memory for %u records of a task", want);
    if (*room) memcpy(grown, old, *room * size);
    ro_free(old);
    memcpy(items, &grown, sizeof grown);
    *room = want;
    return RO_OK;
}

void *rf_event_copy(rf_task *t, const void *bytes, size_t n)
{
    void *p = ro_arena_alloc(t->event, n);
    if (p) memcpy(p, bytes, n);
    return p;
}

/* The effect lies in a vector: set its fields before the next one is made. */
ro_status rf_effect_new(rf_task *t, rf_effect_kind kind, rf_effect **out, ro_err *err)
{
    RO_TRY(rf_room(&t->effects, &t->effect_room, t->effect_count, sizeof *t->effects, err));
    rf_effect *e = &t->effects[t->effect_count++];
    memset(e, 0, sizeof *e);
    e->kind = kind;
    e->position = t->position;
    e->member = RF_NONE;
    e->state = t->state;
    *out = e;
    return RO_OK;
}

ro_status rf_accept(rf_task *t, uint32_t member, uint64_t position, int duplicate, ro_err *err)
{
    rf_effect *e;
    RO_TRY(rf_effect_new(t, RF_DO_ACCEPT, &e, err));
    e->member = member;
    e->position = position;
    e->duplicate = duplicate;
    return RO_OK;
}

ro_status rf_refuse(rf_task *t, uint32_t member, rf_refusal reason, uint64_t position,
                    const vd_digest *asked, ro_err *err)
{
    rf_effect *e;
    RO_TRY(rf_effect_new(t, RF_DO_REFUSE, &e, err));
    e->member = member;
    e->reason = reason;
    e->position = position;
    if (asked) e->asked = *asked;
    return RO_OK;
}

static ro_status alarm_raise(rf_task *t, const char *why, ro_err *err)
{
    rf_effect *e;
    RO_TRY(rf_effect_new(t, RF_DO_ALARM, &e, err));
    e->why = why;
    return RO_OK;
}

/* ---- claims that count ------------------------------------------------------------------- */

static uint32_t place_of(const rf_task *t, const vd_digest *slot)
{
    RO_ASSERT(t->index_room); /* members have said something, and nobody else is looked up */
    uint32_t i = vd_get_u32(slot->b) & (t->index_room - 1);
    while (t->index[i] != RF_NONE && !vd_digest_equal(&t->said[t->index[i]].slot, slot))
        i = (i + 1) & (t->index_room - 1);
    return i;
}

const rf_said *rf_find_said(const rf_task *t, const vd_digest *slot)
{
    uint32_t i = t->index[place_of(t, slot)];
    return i == RF_NONE ? NULL : &t->said[i];
}

/* Twice as many places as there is room for claims: there is always an empty one. */
ro_status rf_index_said(rf_task *t, ro_err *err)
{
    uint32_t room = 16;
    while (room < 2 * t->said_room) room *= 2;
    uint32_t *index = ro_alloc(room * sizeof *index);
    if (!index) return RO_FAIL(err, RO_ENOMEM, "no memory for the index of a task's claims");
    memset(index, 0xff, room * sizeof *index);
    ro_free(t->index);
    t->index = index;
    t->index_room = room;
    for (uint32_t k = 0; k < t->said_count; k++) t->index[place_of(t, &t->said[k].slot)] = k;
    return RO_OK;
}

ro_status rf_add_said(rf_task *t, const vd_digest *slot, const vd_digest *claim, ro_err *err)
{
    uint32_t room = t->said_room;
    RO_TRY(rf_room(&t->said, &t->said_room, t->said_count, sizeof *t->said, err));
    if (room != t->said_room) RO_TRY(rf_index_said(t, err));
    uint32_t place = place_of(t, slot);
    RO_ASSERT(t->index[place] == RF_NONE);
    t->said[t->said_count] = (rf_said){*slot, *claim, t->position};
    t->index[place] = t->said_count++;
    return RO_OK;
}

/* ---- members ----------------------------------------------------------------------------- */

uint32_t rf_task_find(const rf_task *t, const uint8_t key[32])
{
    for (uint32_t k = 0; k < t->seat_count; k++)
        if (memcmp(t->seats[k].key, key, sizeof t->seats[k].key) == 0) return k;
    return RF_NONE;
}

ro_status rf_add_seat(rf_task *t, const uint8_t key[32], rf_role role, ro_err *err)
{
    RO_TRY(rf_room(&t->seats, &t->seat_room, t->seat_count, sizeof *t->seats, err));
    rf_seat *s = &t->seats[t->seat_count++];
    memcpy(s->key, key, sizeof s->key);
    s->role = role;
    s->stage = role == RF_AUDITOR ? RF_STAGE_AUDITOR : RF_STAGE_CLAIMED;
    s->group = s->doubt.level = RF_NONE;
    return RO_OK;
}

ro_status rf_strike(rf_task *t, uint32_t member, rf_loss lost, uint64_t first, ro_err *err)
{
    rf_seat *s = &t->seats[member];
    rf_effect *e;
    if (s->lost != RF_LOST_NOTHING) {
        if (s->doubt.level == RF_NONE || s->next != RF_LOST_NOTHING) return RO_OK;
        s->next = lost; /* where the first comes to nothing */
        s->next_first = first;
        return RO_OK;
    }
    s->lost = lost;
    s->lost_at = ++t->position;
    if (s->group != RF_NONE) t->roots[s->group].standing--;
    t->sweep = 1;
    RO_TRY(rf_effect_new(t, RF_DO_STRIKE, &e, err));
    e->member = member;
    e->lost = lost;
    e->position = lost == RF_LOST_EQUIVOCATION ? first : s->lost_at;
    return RO_OK;
}

/* ---- states and the end ------------------------------------------------------------------ */

ro_status rf_enter(rf_task *t, rf_task_state state, uint64_t deadline, ro_err *err)
{
    rf_effect *e;
    RO_ASSERT(state > t->state && !rf_over(t));
    t->state = state;
    t->deadline = deadline;
    t->position++;
    RO_TRY(rf_effect_new(t, RF_DO_STATE, &e, err));
    e->deadline = deadline == NEVER ? 0 : deadline;
    return RO_OK;
}

static int compare_answers(const void *a, const void *b)
{
    const rf_answer *x = a, *y = b;
    return (x->question > y->question) - (x->question < y->question);
}

/* The members that money knows: those with a slot, and the auditor that revealed. Members of the
 * task, by place in the outcome, into who; places by member into place. */
static uint32_t outcome_members(const rf_task *t, rf_member *members, uint32_t *who,
                                uint32_t *place)
{
    uint32_t n = 0;
    for (uint32_t k = 0; k < t->seat_count; k++) {
        const rf_seat *s = &t->seats[k];
        int auditor = k == t->auditor && s->revealed &&
                      (s->lost == RF_LOST_NOTHING || s->delivered);
        place[k] = RF_NONE;
        if (!s->assigned && !auditor) continue;
        members[n].stage = s->stage;
        members[n].lost = auditor ? RF_LOST_NOTHING : s->lost;
        members[n].lost_at = auditor ? 0 : s->lost_at;
        members[n].standing = s->group != RF_NONE && s->group == t->accepted;
        members[n].delivered = s->delivered && members[n].standing;
        members[n].held = auditor ? 0 : t->params.stake;
        who[n] = k;
        place[k] = n++;
    }
    return n;
}

static uint32_t outcome_answers(const rf_task *t, const uint32_t *place, rf_answer *answers)
{
    uint32_t n = 0;
    for (uint32_t k = 0; k < t->answer_count; k++) {
        uint32_t at = place[t->answers[k].member];
        if (at == RF_NONE) continue;
        answers[n] = t->answers[k];
        answers[n++].member = at;
    }
    qsort(answers, n, sizeof *answers, compare_answers);
    return n;
}

static ro_status settle_transfers(rf_task *t, rf_outcome *o, const uint32_t *who, ro_err *err)
{
    rf_effect *e;
    uint32_t most = RF_TRANSFERS_MAX(o->member_count, o->answer_count), n = 0;
    rf_transfer *list = ro_arena_alloc(t->event, most * sizeof *list);
    if (!list) return RO_FAIL(err, RO_ENOMEM, "no memory for %u transfers", most);
    RO_TRY(rf_settle(&t->params, o, list, most, &n, err));
    for (uint32_t k = 0; k < n; k++)
        for (int side = 0; side < 2; side++) {
            rf_account *a = side ? &list[k].to : &list[k].from;
            if (a->kind == RF_ACCOUNT_FREE || a->kind == RF_ACCOUNT_HELD)
                a->member = who[a->member];
        }
    RO_TRY(rf_effect_new(t, RF_DO_SETTLE, &e, err));
    e->transfers = list;
    e->transfer_count = n;
    e->end = o->end;
    return RO_OK;
}

/* The treasury is stated as what the server sets aside for a task when it opens it: one audit. */
static ro_status settle(rf_task *t, rf_end end, ro_err *err)
{
    rf_outcome o;
    uint32_t seats = t->seat_count + 1;
    rf_member *members = ro_arena_alloc(t->event, seats * sizeof *members);
    uint32_t *who = ro_arena_alloc(t->event, seats * sizeof *who);
    uint32_t *place = ro_arena_alloc(t->event, seats * sizeof *place);
    rf_answer *answers = ro_arena_alloc(t->event, (t->answer_count + 1) * sizeof *answers);
    if (!members || !who || !place || !answers) return RO_FAIL(err, RO_ENOMEM, "no memory");
    memset(&o, 0, sizeof o);
    o.end = t->end = end;
    o.treasury = t->params.audit;
    ro_status fits = rf_params_escrow(&t->params, &o.escrow, err);
    RO_ASSERT(fits == RO_OK); /* rf_params_check has seen it */
    RO_TRY(rf_money_multiply(t->params.segment, t->counts.pairs, &o.referee_cost, err));
    o.members = members;
    o.member_count = outcome_members(t, members, who, place);
    o.answers = answers;
    o.answer_count = outcome_answers(t, place, answers);
    o.audited = t->counts.audited;
    return settle_transfers(t, &o, who, err);
}

ro_status rf_refund(rf_task *t, rf_end end, const char *why, ro_err *err)
{
    if (rf_over(t)) return RO_OK;
    if (why) RO_TRY(alarm_raise(t, why, err));
    for (uint32_t k = 0; k < t->seat_count; k++) {
        rf_effect *e;
        if (t->state != RF_T_OPEN) break;
        RO_TRY(rf_effect_new(t, RF_DO_RELEASE, &e, err));
        e->member = k;
    }
    RO_TRY(rf_stop_pairs(t, err));
    t->work_count = 0;
    t->challenging = RF_C_DONE;
    t->auditing = RF_A_DONE;
    if (end != RF_END_UNDELIVERED) t->accepted = RF_NONE;
    t->end = end;
    if (!t->held_count) return rf_refund_now(t, err);
    if (t->state == RF_T_FINAL) return RO_OK;
    return rf_enter(t, RF_T_FINAL, rf_later(t->now, t->params.finality_ms), err);
}

ro_status rf_refund_now(rf_task *t, ro_err *err)
{
    if (t->end == RF_END_SETTLED || t->held_count) return RO_OK;
    RO_TRY(rf_enter(t, RF_T_REFUNDED, NEVER, err));
    return settle(t, t->end, err);
}

/* ---- OPEN: work slots -------------------------------------------------------------------- */

static uint32_t account_claims(const rf_task *t, const vd_digest *account)
{
    uint32_t n = 0;
    for (uint32_t k = 0; k < t->seat_count; k++)
        n += vd_digest_equal(&t->seats[k].account, account) != 0;
    return n;
}

ro_status rf_known(rf_task *t, uint32_t member, const rf_message *m, int *is_known, ro_err *err)
{
    vd_digest slot = rf_slot_digest(m), claim = rf_claim_digest(m);
    const rf_said *s = rf_find_said(t, &slot);
    *is_known = s != NULL;
    if (!s) return RO_OK;
    uint64_t first = s->position;
    if (vd_digest_equal(&s->claim, &claim)) return rf_accept(t, member, first, 1, err);
    RO_TRY(rf_strike(t, member, RF_LOST_EQUIVOCATION, first, err));
    return rf_refuse(t, member, RF_R_CONFLICT, first, NULL, err);
}

ro_status rf_record(rf_task *t, uint32_t member, const rf_message *m, ro_err *err)
{
    vd_digest slot = rf_slot_digest(m), claim = rf_claim_digest(m);
    RO_TRY(rf_add_said(t, &slot, &claim, err));
    return rf_accept(t, member, t->position, 0, err);
}

static vd_digest terms_of(const rf_task *t)
{
    uint8_t bytes[RF_PARAMS_BYTES];
    rf_params_encode(&t->params, bytes);
    return rf_terms_digest(bytes, sizeof bytes);
}

static ro_status take_work_claim(rf_task *t, uint32_t member, const rf_event *e, ro_err *err)
{
    const rf_message *m = e->message;
    vd_digest terms = terms_of(t);
    int is_known;
    if (!vd_digest_equal(&m->claim.terms, &terms))
        return rf_refuse(t, member, RF_R_MISMATCH, 0, NULL, err);
    if (member != RF_NONE) {
        if (t->seats[member].role != m->role)
            return rf_refuse(t, member, RF_R_CONTEXT, 0, NULL, err);
        return rf_known(t, member, m, &is_known, err);
    }
    if (t->state != RF_T_OPEN) return rf_refuse(t, member, RF_R_LATE, 0, NULL, err);
    if (t->seat_count >= RF_CLAIMANTS_FACTOR * t->params.slots ||
        account_claims(t, &e->account) >= t->params.account_slots)
        return rf_refuse(t, member, RF_R_LIMIT, 0, NULL, err);
    RO_TRY(rf_add_seat(t, m->key, RF_PROVIDER, err));
    t->seats[t->seat_count - 1].account = e->account;
    return rf_record(t, t->seat_count - 1, m, err);
}

typedef struct { vd_digest order; uint32_t member; } lot;

static int compare_lots(const void *a, const void *b)
{
    return memcmp(((const lot *)a)->order.b, ((const lot *)b)->order.b, VD_DIGEST);
}

/* The slots go to the claimants with the lowest H(tag, secret, key): nobody can aim for one. */
static ro_status close_open(rf_task *t, ro_err *err)
{
    lot *lots = ro_arena_alloc(t->event, (t->seat_count + 1) * sizeof *lots);
    rf_effect *e;
    if (!t->ready) return rf_refund(t, RF_END_REFUNDED, "the job's data are not complete", err);
    if (!lots) return RO_FAIL(err, RO_ENOMEM, "no memory to assign work slots");
    for (uint32_t k = 0; k < t->seat_count; k++) {
        uint8_t bytes[2 * VD_DIGEST];
        memcpy(bytes, t->secret.b, VD_DIGEST);
        memcpy(bytes + VD_DIGEST, t->seats[k].key, VD_DIGEST);
        vd_tagged_hash("verde/1 work slot", bytes, sizeof bytes, lots[k].order.b);
        lots[k].member = k;
    }
    qsort(lots, t->seat_count, sizeof *lots, compare_lots);
    for (uint32_t k = 0; k < t->seat_count; k++) {
        if (k < t->params.slots) {
            t->seats[lots[k].member].assigned = 1;
            continue;
        }
        RO_TRY(rf_effect_new(t, RF_DO_RELEASE, &e, err));
        e->member = lots[k].member;
    }
    return rf_enter(t, RF_T_COMMIT, rf_later(t->now, t->params.commit_ms), err);
}

/* ---- COMMIT ------------------------------------------------------------------------------ */

static ro_status take_commit(rf_task *t, uint32_t member, const rf_message *m, ro_err *err)
{
    rf_seat *s = &t->seats[member];
    int is_known;
    RO_TRY(rf_known(t, member, m, &is_known, err));
    if (is_known) return RO_OK;
    if (t->state == RF_T_OPEN) return rf_refuse(t, member, RF_R_EARLY, 0, NULL, err);
    if (!s->assigned) return rf_refuse(t, member, RF_R_UNKNOWN, 0, NULL, err);
    if (t->state != RF_T_COMMIT || s->stage != RF_STAGE_CLAIMED)
        return rf_refuse(t, member, RF_R_LATE, 0, NULL, err);
    s->stage = RF_STAGE_COMMITTED;
    s->commitment = m->claim.commitment;
    return rf_record(t, member, m, err);
}

static ro_status take_withdrawal(rf_task *t, uint32_t member, const rf_message *m, ro_err *err)
{
    rf_seat *s = &t->seats[member];
    int is_known;
    if (s->stage == RF_STAGE_WITHDRAWN) return rf_known(t, member, m, &is_known, err);
    if (t->state == RF_T_OPEN) return rf_refuse(t, member, RF_R_EARLY, 0, NULL, err);
    if (!s->assigned) return rf_refuse(t, member, RF_R_UNKNOWN, 0, NULL, err);
    if (t->state != RF_T_COMMIT) return rf_refuse(t, member, RF_R_LATE, 0, NULL, err);
    if (s->lost != RF_LOST_NOTHING) return rf_refuse(t, member, RF_R_STRUCK, 0, NULL, err);
    s->stage = RF_STAGE_WITHDRAWN;
    return rf_record(t, member, m, err);
}

static ro_status close_commit(rf_task *t, ro_err *err)
{
    uint32_t committed = 0;
    for (uint32_t k = 0; k < t->seat_count; k++)
        committed += t->seats[k].stage == RF_STAGE_COMMITTED;
    if (!committed) return rf_refund(t, RF_END_NOBODY, NULL, err);
    return rf_enter(t, RF_T_REVEAL, rf_later(t->now, t->params.reveal_ms), err);
}

/* ---- REVEAL ------------------------------------------------------------------------------ */

void rf_keep_reveal(rf_seat *s, const rf_message *m)
{
    const rf_reveal *r = &m->claim.reveal;
    s->reveal = rf_claim_digest(m);
    s->root = r->root;
    s->revealed = 1;
    memcpy(s->backend, r->backend, sizeof s->backend);
    memcpy(s->body, r->body, sizeof s->body);
}

int rf_body_is_of_job(const rf_task *t, const rf_reveal *r)
{
    ro_err why = {RO_OK, {0}};
    rf_party party;
    vd_trace_body body;
    party.root = r->root;
    memcpy(party.body, r->body, sizeof party.body);
    return rf_check_body(t->job, &party, &body, &why) == RO_OK;
}

static ro_status take_reveal(rf_task *t, uint32_t member, const rf_message *m, ro_err *err)
{
    rf_seat *s = &t->seats[member];
    const rf_reveal *r = &m->claim.reveal;
    int is_known;
    vd_digest opens = rf_commitment(&m->referee, &m->task, m->key, &r->root, &r->salt);
    if (t->state < RF_T_REVEAL) return rf_refuse(t, member, RF_R_EARLY, 0, NULL, err);
    if (vd_all_zero(s->commitment.b, VD_DIGEST))
        return rf_refuse(t, member, RF_R_UNKNOWN, 0, NULL, err);
    if (!vd_digest_equal(&opens, &s->commitment))
        return rf_refuse(t, member, RF_R_MISMATCH, 0, NULL, err);
    RO_TRY(rf_known(t, member, m, &is_known, err));
    if (is_known) return RO_OK;
    if (t->state != RF_T_REVEAL) return rf_refuse(t, member, RF_R_LATE, 0, NULL, err);
    if (s->lost != RF_LOST_NOTHING) return rf_refuse(t, member, RF_R_STRUCK, 0, NULL, err);
    if (!rf_body_is_of_job(t, r)) {
        vd_digest slot = rf_slot_digest(m), claim = rf_claim_digest(m);
        RO_TRY(rf_add_said(t, &slot, &claim, err));
        RO_TRY(rf_strike(t, member, RF_LOST_NO_REVEAL, 0, err));
        return rf_refuse(t, member, RF_R_CONTENT, 0, NULL, err);
    }
    s->stage = RF_STAGE_REVEALED;
    rf_keep_reveal(s, m);
    return rf_record(t, member, m, err);
}

vd_digest rf_task_sealed_secret(const vd_digest *secret)
{
    vd_digest d;
    vd_tagged_hash("verde/1 sealed secret", secret->b, VD_DIGEST, d.b);
    return d;
}

static int compare_digests(const void *a, const void *b) { return memcmp(a, b, VD_DIGEST); }

/* H(tag, secret, reveals in ascending order): who reveals first has no say in it. */
static ro_status make_draw(rf_task *t, ro_err *err)
{
    vd_digest *all = ro_arena_alloc(t->event, (t->seat_count + 1) * sizeof *all);
    uint32_t n = 1;
    if (!all) return RO_FAIL(err, RO_ENOMEM, "no memory for a draw");
    all[0] = t->secret;
    for (uint32_t k = 0; k < t->seat_count; k++)
        if (t->seats[k].revealed) all[n++] = t->seats[k].reveal;
    qsort(all + 1, n - 1, sizeof *all, compare_digests);
    vd_tagged_hash("verde/1 draw", all, n * sizeof *all, t->draw.b);
    return RO_OK;
}

static uint32_t find_group(const rf_task *t, const rf_seat *s)
{
    uint32_t g = 0;
    while (g < t->root_count && !vd_digest_equal(&t->roots[g].root, &s->root)) g++;
    return g;
}

ro_status rf_group_of(rf_task *t, const rf_seat *s, uint32_t *group, ro_err *err)
{
    *group = find_group(t, s);
    if (*group < t->root_count) return RO_OK;
    RO_TRY(rf_room(&t->roots, &t->root_room, t->root_count, sizeof *t->roots, err));
    rf_root *r = &t->roots[t->root_count++];
    memset(r, 0, sizeof *r);
    r->root = s->root;
    r->pair = RF_NONE;
    memcpy(r->body, s->body, sizeof r->body);
    t->counts.roots++;
    return RO_OK;
}

static int compare_roots(const void *a, const void *b)
{
    return memcmp(((const rf_root *)a)->root.b, ((const rf_root *)b)->root.b, VD_DIGEST);
}
static int compare_orders(const void *a, const void *b)
{
    return memcmp(((const rf_root *)a)->order.b, ((const rf_root *)b)->order.b, VD_DIGEST);
}

/* Distinct roots in the order in which they will be paired. */
static ro_status group_roots(rf_task *t, ro_err *err)
{
    uint32_t g;
    for (uint32_t k = 0; k < t->seat_count; k++)
        if (t->seats[k].revealed) RO_TRY(rf_group_of(t, &t->seats[k], &g, err));
    if (!t->root_count) return RO_OK;
    qsort(t->roots, t->root_count, sizeof *t->roots, compare_roots);
    vd_digest *sorted = ro_arena_alloc(t->event, t->root_count * sizeof *sorted);
    if (!sorted) return RO_FAIL(err, RO_ENOMEM, "no memory to order %u roots", t->root_count);
    for (uint32_t k = 0; k < t->root_count; k++) sorted[k] = t->roots[k].root;
    vd_digest all = rf_pairing_seed(sorted, t->root_count);
    for (uint32_t k = 0; k < t->root_count; k++)
        t->roots[k].order = rf_pairing_order(&t->task, &all, &t->roots[k].root);
    qsort(t->roots, t->root_count, sizeof *t->roots, compare_orders);
    for (uint32_t k = 0; k < t->seat_count; k++) {
        rf_seat *s = &t->seats[k];
        if (!s->revealed) continue;
        s->group = find_group(t, s);
        t->roots[s->group].standing += s->lost == RF_LOST_NOTHING;
    }
    t->sweep = 1;
    return RO_OK;
}

/* ---- from REVEAL to RESOLVED ------------------------------------------------------------- */

static ro_status close_reveal(rf_task *t, ro_err *err)
{
    rf_effect *e;
    for (uint32_t k = 0; k < t->seat_count; k++)
        if (t->seats[k].stage == RF_STAGE_COMMITTED)
            RO_TRY(rf_strike(t, k, RF_LOST_NO_REVEAL, 0, err));
    RO_TRY(make_draw(t, err));
    RO_TRY(group_roots(t, err));
    if (!t->root_count) return rf_refund(t, RF_END_NOBODY, NULL, err);
    RO_TRY(rf_effect_new(t, RF_DO_PUBLISH, &e, err));
    e->asked = t->draw;
    RO_TRY(rf_enter(t, t->root_count > 1 ? RF_T_DISPUTED : RF_T_AGREED, NEVER, err));
    return rf_ask_challenges(t, err);
}

static ro_status resolve(rf_task *t, uint32_t group, ro_err *err)
{
    rf_effect *e;
    t->accepted = group;
    RO_TRY(rf_enter(t, RF_T_RESOLVED, rf_later(t->now, rf_delivery_ms(&t->params)), err));
    RO_TRY(rf_effect_new(t, RF_DO_DELIVER, &e, err));
    e->deadline = t->deadline;
    e->roots[0] = e->roots[1] = t->roots[group].root;
    return RO_OK;
}

/* One root is left. What is still to be done before it counts; *go: do it again. */
static ro_status conclude(rf_task *t, uint32_t group, int *go, ro_err *err)
{
    *go = 1;
    if (t->challenging == RF_C_ANSWERED) return rf_check_challenges(t, group, err);
    *go = 0;
    if (t->challenging != RF_C_DONE || t->auditing == RF_A_WANTED) return RO_OK;
    if (t->auditing == RF_A_NONE &&
        rf_audit_due(&t->params, t->roots[group].standing, &t->draw))
        return rf_want_auditor(t, err);
    return resolve(t, group, err);
}

/* Do whatever follows now without an event or time. */
static ro_status advance(rf_task *t, ro_err *err)
{
    int go = 1;
    while (go) {
        uint32_t standing = 0, last = 0, judging = 0;
        RO_TRY(rf_sweep(t, err));
        if (!rf_is_open(t)) return RO_OK;
        for (uint32_t k = 0; k < t->pair_count; k++) judging += !t->pairs[k].done;
        if (judging) return RO_OK;
        for (uint32_t k = 0; k < t->root_count; k++)
            if (!t->roots[k].fallen) last = k, standing++;
        if (standing == 0) return rf_refund(t, RF_END_NOBODY, NULL, err);
        if (standing > 1) {
            if (t->state == RF_T_AGREED) RO_TRY(rf_enter(t, RF_T_DISPUTED, NEVER, err));
            RO_TRY(rf_begin_level(t, err));
        } else {
            RO_TRY(conclude(t, last, &go, err));
        }
    }
    return RO_OK;
}

/* ---- delivery ---------------------------------------------------------------------------- */

static ro_status take_delivery(rf_task *t, const rf_event *e, ro_err *err)
{
    uint32_t member = e->member == RF_NONE ? t->auditor : e->member;
    if (t->state != RF_T_RESOLVED)
        return rf_refuse(t, e->member, t->state < RF_T_RESOLVED ? RF_R_EARLY : RF_R_LATE, 0, NULL,
                         err);
    if (member >= t->seat_count || t->seats[member].group != t->accepted)
        return rf_refuse(t, e->member, RF_R_UNKNOWN, 0, NULL, err);
    t->seats[member].delivered = 1;
    RO_TRY(rf_accept(t, member, t->position, 0, err));
    return rf_enter(t, RF_T_FINAL, rf_later(t->now, t->params.finality_ms), err);
}

static ro_status close_final(rf_task *t, ro_err *err)
{
    RO_TRY(rf_let_stand(t, err));
    if (t->end != RF_END_SETTLED) return rf_refund_now(t, err);
    RO_TRY(rf_enter(t, RF_T_SETTLED, NEVER, err));
    return settle(t, RF_END_SETTLED, err);
}

/* ---- time -------------------------------------------------------------------------------- */

typedef enum { OF_STATE, OF_CHALLENGES, OF_AUDIT, OF_QUESTION } timer;

/* The deadline that comes first; at one time the task's own before those of claims, and these in
 * the order of the claims' roots. While challenges are answered or an audit is wanted, never both,
 * the state has no deadline. */
static uint64_t first_deadline(const rf_task *t, timer *of, uint32_t *pair, uint32_t *slot)
{
    uint64_t first = t->deadline, d;
    *of = OF_STATE;
    if (rf_over(t)) return NEVER;
    if (t->challenging == RF_C_ASKED) {
        first = t->challenge_deadline;
        *of = OF_CHALLENGES;
    }
    if (t->auditing == RF_A_WANTED) {
        first = t->audit_deadline;
        *of = OF_AUDIT;
    }
    d = rf_pairs_deadline(t, pair, slot);
    if (d < first) {
        first = d;
        *of = OF_QUESTION;
    }
    return first;
}

uint64_t rf_task_deadline(const rf_task *t)
{
    timer of;
    uint32_t pair, slot;
    return first_deadline(t, &of, &pair, &slot);
}

static ro_status expire_state(rf_task *t, ro_err *err)
{
    switch (t->state) {
    case RF_T_OPEN: return close_open(t, err);
    case RF_T_COMMIT: return close_commit(t, err);
    case RF_T_REVEAL: return close_reveal(t, err);
    case RF_T_RESOLVED: return rf_refund(t, RF_END_UNDELIVERED, NULL, err);
    default: RO_ASSERT(t->state == RF_T_FINAL); return close_final(t, err);
    }
}

static ro_status expire(rf_task *t, ro_err *err)
{
    timer of;
    uint32_t pair, slot;
    while (rf_expired(t->now, first_deadline(t, &of, &pair, &slot))) {
        t->position++;
        switch (of) {
        case OF_STATE: RO_TRY(expire_state(t, err)); break;
        case OF_CHALLENGES: RO_TRY(rf_close_challenges(t, err)); break;
        case OF_AUDIT: RO_TRY(rf_audit_failed(t, err)); break;
        default: RO_TRY(rf_expire_question(t, pair, slot, err)); break;
        }
        RO_TRY(advance(t, err));
    }
    return RO_OK;
}

static void add_time(uint64_t *deadline, uint64_t ms)
{
    if (*deadline != NEVER) *deadline = rf_later(*deadline, ms);
}

/* Nobody could be heard while the server was down: whatever was open stays open as much longer. */
static void add_downtime(rf_task *t, uint64_t ms)
{
    add_time(&t->deadline, ms);
    if (t->challenging == RF_C_ASKED) add_time(&t->challenge_deadline, ms);
    if (t->auditing == RF_A_WANTED) add_time(&t->audit_deadline, ms);
    for (uint32_t k = 0; k < t->pair_count; k++)
        for (uint32_t i = 0; i < t->pairs[k].open_count; i++)
            add_time(&t->pairs[k].open[i].deadline, ms);
    for (uint32_t k = 0; k < t->work_count; k++) add_time(&t->works[k].first_fault, ms);
}

/* ---- events ------------------------------------------------------------------------------ */

static ro_status take_of_member(rf_task *t, uint32_t member, const rf_event *e, ro_err *err)
{
    const rf_message *m = e->message;
    if (m->role != t->seats[member].role) return rf_refuse(t, member, RF_R_CONTEXT, 0, NULL, err);
    switch (m->type) {
    case RF_M_COMMIT: return take_commit(t, member, m, err);
    case RF_M_WITHDRAW: return take_withdrawal(t, member, m, err);
    case RF_M_REVEAL:
        return m->role == RF_AUDITOR ? rf_take_audit(t, member, m, err)
                                     : take_reveal(t, member, m, err);
    case RF_M_CHALLENGE: return rf_take_challenge(t, member, m, err);
    case RF_M_SEGMENT:
    case RF_M_EXPLANATION: return rf_take_filing(t, member, e, err);
    default: return rf_take_opening(t, member, e, err);
    }
}

static ro_status take_message(rf_task *t, const rf_event *e, ro_err *err)
{
    const rf_message *m = e->message;
    uint32_t member = rf_task_find(t, m->key);
    ro_err why = {RO_OK, {0}};
    if (!vd_digest_equal(&m->referee, &t->referee) || !vd_digest_equal(&m->task, &t->task) ||
        !rf_may_send(m->role, m->type) || m->role == RF_REFEREE)
        return rf_refuse(t, member, RF_R_CONTEXT, 0, NULL, err);
    if (rf_over(t)) return rf_refuse(t, member, RF_R_LATE, 0, NULL, err);
    if (!rf_has_payload(m->type) && rf_payload_check(m, e->bytes, e->size, &why))
        return rf_refuse(t, member, RF_R_CONTENT, 0, NULL, err);
    if (m->type == RF_M_WORK) return take_work_claim(t, member, e, err);
    if (member == RF_NONE) return rf_refuse(t, member, RF_R_UNKNOWN, 0, NULL, err);
    return take_of_member(t, member, e, err);
}

static ro_status apply(rf_task *t, const rf_event *e, ro_err *err)
{
    switch (e->kind) {
    case RF_EV_MESSAGE: return take_message(t, e, err);
    case RF_EV_READY: t->ready = 1; return RO_OK;
    case RF_EV_WORK: return rf_take_result(t, e, err);
    case RF_EV_AUDITOR: return rf_take_auditor(t, e, err);
    case RF_EV_DELIVERED: return take_delivery(t, e, err);
    case RF_EV_ALARM: return rf_refund(t, RF_END_REFUNDED, "the task was frozen", err);
    default: return RO_OK; /* a tick; downtime */
    }
}

/* What the last event left behind. */
static ro_status begin_event(rf_task *t, ro_err *err)
{
    for (uint32_t k = 0; k < t->ended_count; k++) rf_game_free(t->ended[k].game);
    t->ended_count = t->effect_count = 0;
    ro_arena_free(t->event);
    t->event = ro_arena_new();
    return t->event ? RO_OK : RO_FAIL(err, RO_ENOMEM, "no memory for an event");
}

ro_status rf_alive(const rf_task *t, ro_err *err)
{
    if (!t->dead) return RO_OK;
    return RO_FAIL(err, RO_EUSAGE, "an event of this task failed half way: restore it");
}

ro_status rf_task_event(rf_task *t, const rf_event *e, uint64_t now, ro_err *err)
{
    RO_TRY(rf_alive(t, err));
    ro_status st = begin_event(t, err);
    if (now > t->now) t->now = now < NEVER ? now : NEVER - 1;
    t->position++;
    if (!st && e->kind == RF_EV_DOWNTIME) add_downtime(t, e->ms);
    if (!st) st = expire(t, err);
    if (!st) st = apply(t, e, err);
    if (!st) st = advance(t, err);
    t->dead = st != RO_OK;
    return st;
}

const rf_effect *rf_task_effects(const rf_task *t, uint32_t *count)
{
    *count = t->effect_count;
    return t->effects;
}

ro_status rf_task_pending(rf_task *t, ro_err *err)
{
    rf_effect *e;
    RO_TRY(rf_alive(t, err));
    RO_TRY(begin_event(t, err));
    for (uint32_t k = 0; k < t->pair_count; k++)
        for (uint32_t i = 0; i < t->pairs[k].open_count; i++)
            if (t->pairs[k].open[i].q.parties)
                RO_TRY(rf_ask_effect(t, &t->pairs[k], &t->pairs[k].open[i], RF_DO_ASK, err));
    for (uint32_t k = 0; t->challenging == RF_C_ASKED && k < t->params.challenges; k++)
        if (!t->attention[k].is_void) RO_TRY(rf_challenge_effect(t, k, err));
    for (uint32_t k = 0; k < t->work_count; k++) RO_TRY(rf_run_work(t, &t->works[k], err));
    if (t->auditing == RF_A_WANTED) RO_TRY(rf_audit_effect(t, err));
    for (uint32_t k = 0; k < t->held_count; k++) RO_TRY(rf_held_effects(t, &t->held[k], err));
    if (t->state == RF_T_RESOLVED) {
        RO_TRY(rf_effect_new(t, RF_DO_DELIVER, &e, err));
        e->deadline = t->deadline;
        e->roots[0] = e->roots[1] = t->roots[t->accepted].root;
    }
    return RO_OK;
}

/* ---- making and asking ------------------------------------------------------------------- */

ro_status rf_params_fit(const rf_params *p, ro_err *err)
{
    const uint64_t ms = rf_deadline_max_ms(p);
    RO_TRY(rf_params_check(p, err));
    if (p->challenges <= RF_CHALLENGES_MAX && ms) return RO_OK;
    return RO_FAIL(err, RO_ELIMIT, "%u attention challenges and %llu ms for an answer; at most %u "
                   "and at least 1 are allowed", p->challenges, (unsigned long long)ms,
                   RF_CHALLENGES_MAX);
}

ro_status rf_task_new(const rf_task_setup *s, uint64_t now, rf_task **out, ro_err *err)
{
    RO_TRY(rf_params_fit(&s->params, err));
    rf_task *t = ro_alloc_zero(sizeof *t);
    if (!t) return RO_FAIL(err, RO_ENOMEM, "no memory for a task");
    t->job = s->job;
    t->referee = s->referee;
    t->task = s->task;
    t->secret = s->secret;
    t->params = s->params;
    t->now = now;
    t->accepted = t->auditor = RF_NONE;
    t->deadline = rf_later(now, s->params.open_ms);
    *out = t;
    return RO_OK;
}

void rf_task_free(rf_task *t)
{
    if (!t) return;
    for (uint32_t k = 0; k < t->pair_count; k++) rf_pair_free(&t->pairs[k]);
    for (uint32_t k = 0; k < t->ended_count; k++) rf_game_free(t->ended[k].game);
    for (uint32_t k = 0; k < t->held_count; k++) {
        rf_game_free(t->held[k].game);
        ro_free(t->held[k].missed);
    }
    for (uint32_t k = 0; k < t->seat_count; k++) ro_free(t->seats[k].answers);
    ro_free(t->seats);
    ro_free(t->said);
    ro_free(t->index);
    ro_free(t->roots);
    ro_free(t->pairs);
    ro_free(t->held);
    ro_free(t->works);
    ro_free(t->answers);
    ro_free(t->effects);
    ro_free(t->ended);
    ro_arena_free(t->event);
    ro_free(t);
}

rf_task_state rf_task_get_state(const rf_task *t) { return t->state; }
uint64_t rf_task_position(const rf_task *t) { return t->position; }
uint32_t rf_task_members(const rf_task *t) { return t->seat_count; }
rf_end rf_task_end(const rf_task *t) { return t->end; }
void rf_task_get_counts(const rf_task *t, rf_task_counts *c) { *c = t->counts; }

void rf_task_get_member(const rf_task *t, uint32_t member, rf_task_member *m)
{
    RO_ASSERT(member < t->seat_count);
    const rf_seat *s = &t->seats[member];
    memset(m, 0, sizeof *m);
    memcpy(m->key, s->key, sizeof m->key);
    m->role = s->role;
    m->account = s->account;
    m->assigned = s->assigned;
    m->stage = s->stage;
    m->lost = s->lost;
    m->lost_at = s->lost_at;
    m->provisional = s->doubt.level != RF_NONE;
    m->delivered = s->delivered;
    m->has_root = s->group != RF_NONE; /* sealed until roots are grouped */
    if (!m->has_root) return;
    m->root = s->root;
    m->stands = !t->roots[s->group].fallen && s->lost == RF_LOST_NOTHING;
}

int rf_task_root(const rf_task *t, vd_digest *root)
{
    if (t->accepted == RF_NONE) return 0;
    *root = t->roots[t->accepted].root;
    return 1;
}

/* A level's pairs are judged at one time. Within a pair every further round of claims follows from
 * a claim that was struck, and who signed that one files no more: so there are no more such rounds
 * in the whole task than identities. */
uint64_t rf_task_bound_ms(const rf_params *p, uint32_t roots, uint32_t identities,
                          uint64_t pair_questions)
{
    uint64_t levels = 0, questions, ms;
    while ((UINT64_C(1) << levels) < roots) levels++;
    if (!ro_mul_size(levels + identities, pair_questions, &questions) ||
        !ro_mul_size(questions, rf_deadline_max_ms(p) + 1, &ms))
        return NEVER;
    return ms;
}
