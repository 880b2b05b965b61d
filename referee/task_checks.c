/* task_checks.c - what is asked of members that agree: attention challenges and audits; and the
 * host's own work, which may fail.
 *
 * Invariants
 *   1. Who does not answer a challenge is struck; its root stays, unless it was the last on it.
 *   2. An audit slashes nobody by itself: an auditor's root is one more root.
 *   3. A fault is tried again, then the task is refunded; it never is an answer. */
#include "task_state.h"

#include "../verde/bytes.h"

#include <string.h>

/* ---- attention challenges ---------------------------------------------------------------- */

/* A step of the job and an output of one of its nodes; a phase without nodes draws again. */
static void draw_attention(const rf_task *t, uint32_t number, rf_attention *a)
{
    uint8_t bytes[VD_DIGEST + 8];
    vd_digest d;
    memset(a, 0, sizeof *a);
    memcpy(bytes, t->draw.b, VD_DIGEST);
    for (uint32_t attempt = 0; attempt < 64; attempt++) {
        vd_put_le(bytes + VD_DIGEST, number, 4);
        vd_put_le(bytes + VD_DIGEST + 4, attempt, 4);
        vd_tagged_hash("verde/1 attention", bytes, sizeof bytes, d.b);
        a->step = vd_get_u64(d.b) % t->job->steps;
        const ro_graph *g = t->job->phases[vd_job_locate(t->job, a->step).phase].graph;
        if (!g->node_count) continue;
        a->node = (uint32_t)(vd_get_u64(d.b + 8) % g->node_count);
        a->output = (uint32_t)(vd_get_u64(d.b + 16) % g->nodes[a->node].outputs);
        return;
    }
    a->is_void = 1;
}

static vd_digest attention_asked(const rf_task *t, uint32_t number)
{
    rf_asked a;
    memset(&a, 0, sizeof a);
    a.task = t->task;
    a.pair = number;
    a.kind = "challenge";
    return rf_asked_digest(&a);
}

ro_status rf_challenge_effect(rf_task *t, uint32_t number, ro_err *err)
{
    rf_effect *e;
    RO_TRY(rf_effect_new(t, RF_DO_CHALLENGE, &e, err));
    e->position = t->challenge_position;
    e->deadline = t->challenge_deadline;
    e->number = number;
    e->step = t->attention[number].step;
    e->node = t->attention[number].node;
    e->output = t->attention[number].output;
    e->asked = attention_asked(t, number);
    return RO_OK;
}

ro_status rf_ask_challenges(rf_task *t, ro_err *err)
{
    t->challenging = RF_C_ASKED;
    t->challenge_position = ++t->position;
    t->challenge_deadline = rf_later(t->now, rf_deadline_max_ms(&t->params));
    for (uint32_t k = 0; k < t->params.challenges; k++) {
        draw_attention(t, k, &t->attention[k]);
        if (!t->attention[k].is_void) RO_TRY(rf_challenge_effect(t, k, err));
    }
    return RO_OK;
}

/* No auditor is sought before challenges are done with. */
static int owes_attention(const rf_seat *s) { return s->revealed && s->lost == RF_LOST_NOTHING; }

static int answered_all(const rf_task *t, const rf_seat *s)
{
    for (uint32_t k = 0; k < t->params.challenges; k++)
        if (!t->attention[k].is_void && !(s->answered >> k & 1)) return 0;
    return 1;
}

ro_status rf_close_challenges(rf_task *t, ro_err *err)
{
    t->challenging = RF_C_ANSWERED;
    t->position++;
    for (uint32_t k = 0; k < t->seat_count; k++)
        if (owes_attention(&t->seats[k]) && !answered_all(t, &t->seats[k]))
            RO_TRY(rf_strike(t, k, RF_LOST_ATTENTION, 0, err));
    return RO_OK;
}

static ro_status challenges_answered(rf_task *t, ro_err *err)
{
    for (uint32_t k = 0; k < t->seat_count; k++)
        if (owes_attention(&t->seats[k]) && !answered_all(t, &t->seats[k])) return RO_OK;
    return rf_close_challenges(t, err);
}

ro_status rf_take_challenge(rf_task *t, uint32_t member, const rf_message *m, ro_err *err)
{
    rf_seat *s = &t->seats[member];
    const uint32_t n = m->slot.challenge;
    const rf_attention *a = &t->attention[n < RF_CHALLENGES_MAX ? n : 0];
    int is_known;
    if (t->challenging == RF_C_NONE) return rf_refuse(t, member, RF_R_EARLY, 0, NULL, err);
    if (n >= t->params.challenges || a->is_void || m->slot.step != a->step ||
        m->slot.node != a->node || m->slot.output != a->output)
        return rf_refuse(t, member, RF_R_STALE, 0, NULL, err);
    RO_TRY(rf_known(t, member, m, &is_known, err));
    if (is_known) return RO_OK;
    if (!s->revealed) return rf_refuse(t, member, RF_R_UNKNOWN, 0, NULL, err);
    if (t->challenging != RF_C_ASKED) return rf_refuse(t, member, RF_R_LATE, 0, NULL, err);
    if (s->lost != RF_LOST_NOTHING) return rf_refuse(t, member, RF_R_STRUCK, 0, NULL, err);
    if (!s->answers) s->answers = ro_alloc_zero(RF_CHALLENGES_MAX * sizeof *s->answers);
    if (!s->answers) return RO_FAIL(err, RO_ENOMEM, "no memory for answers to challenges");
    s->answers[n] = m->claim.challenge;
    s->answered |= UINT64_C(1) << n;
    RO_TRY(rf_record(t, member, m, err));
    return challenges_answered(t, err);
}

/* Who answered, struck since or not: the list does not change while the host works. */
static int is_checked(const rf_seat *s, const rf_work *w)
{
    return s->group == w->group && s->answered >> w->challenge & 1;
}

ro_status rf_run_work(rf_task *t, const rf_work *w, ro_err *err)
{
    rf_effect *e;
    if (w->pair != RF_NONE) {
        const rf_pair *p = &t->pairs[w->pair];
        RO_TRY(rf_ask_effect(t, p, rf_host_question(p), RF_DO_RUN, err));
        t->effects[t->effect_count - 1].deadline = w->not_before;
        return RO_OK;
    }
    uint32_t *members = ro_arena_alloc(t->event, (t->seat_count + 1) * sizeof *members), n = 0;
    if (!members) return RO_FAIL(err, RO_ENOMEM, "no memory for the members of a root");
    for (uint32_t k = 0; k < t->seat_count; k++)
        if (is_checked(&t->seats[k], w)) members[n++] = k;
    RO_TRY(rf_effect_new(t, RF_DO_RUN, &e, err));
    e->deadline = w->not_before;
    e->work = w->id;
    e->members = members;
    e->member_count = n;
    e->number = w->challenge;
    e->step = t->attention[w->challenge].step;
    e->node = t->attention[w->challenge].node;
    e->output = t->attention[w->challenge].output;
    e->roots[0] = e->roots[1] = t->roots[w->group].root;
    return RO_OK;
}

/* The expected answers for the root that is left. */
ro_status rf_check_challenges(rf_task *t, uint32_t group, ro_err *err)
{
    t->challenging = RF_C_CHECKED;
    for (uint32_t k = 0; k < t->params.challenges; k++) {
        if (t->attention[k].is_void) continue;
        RO_TRY(rf_room(&t->works, &t->work_room, t->work_count, sizeof *t->works, err));
        rf_work *w = &t->works[t->work_count++];
        memset(w, 0, sizeof *w);
        w->id = t->next_work++;
        w->pair = RF_NONE;
        w->group = group;
        w->challenge = k;
        RO_TRY(rf_run_work(t, w, err));
    }
    if (!t->work_count) t->challenging = RF_C_DONE;
    return RO_OK;
}

static ro_status take_expected(rf_task *t, const rf_work *w, const rf_event *e, int *fault,
                               ro_err *err)
{
    const uint8_t *want = e->bytes;
    size_t n = 0;
    for (uint32_t k = 0; k < t->seat_count; k++) n += is_checked(&t->seats[k], w) != 0;
    *fault = e->end == RF_WORK_DONE && e->size != n * VD_DIGEST;
    if (*fault || e->end == RF_WORK_CANNOT) return RO_OK;
    for (uint32_t k = 0; k < t->seat_count; k++) {
        const rf_seat *s = &t->seats[k];
        if (!is_checked(s, w)) continue;
        if (memcmp(s->answers[w->challenge].b, want, VD_DIGEST) != 0)
            RO_TRY(rf_strike(t, k, RF_LOST_ATTENTION, 0, err));
        want += VD_DIGEST;
    }
    return RO_OK;
}

/* ---- the host's work --------------------------------------------------------------------- */

static ro_status fault_again(rf_task *t, rf_work *w, ro_err *err)
{
    const uint64_t apart = t->params.retry_ms / ((uint64_t)t->params.retries + 1);
    if (w->tries == 0) w->first_fault = t->now;
    if (w->tries++ >= t->params.retries ||
        rf_expired(t->now, rf_later(w->first_fault, t->params.retry_ms)))
        return rf_refund(t, RF_END_REFUNDED, "the referee could not do its own work", err);
    w->not_before = rf_later(t->now, apart);
    return rf_run_work(t, w, err);
}

ro_status rf_take_result(rf_task *t, const rf_event *e, ro_err *err)
{
    uint32_t k = 0;
    int fault = e->end == RF_WORK_FAULT;
    while (k < t->work_count && t->works[k].id != e->work) k++;
    if (k == t->work_count) return rf_take_late(t, e, err); /* or done before */
    rf_work w = t->works[k];
    if (!fault && w.pair == RF_NONE) RO_TRY(take_expected(t, &w, e, &fault, err));
    else if (!fault) RO_TRY(rf_take_work(t, w.pair, &w, e, &fault, err));
    if (fault) return fault_again(t, &t->works[k], err);
    memmove(&t->works[k], &t->works[k + 1], (t->work_count - k - 1) * sizeof *t->works);
    t->work_count--;
    if (t->challenging == RF_C_CHECKED && !t->work_count) t->challenging = RF_C_DONE;
    return w.pair == RF_NONE ? RO_OK : rf_pair_step(t, w.pair, err);
}

/* ---- audits ------------------------------------------------------------------------------ */

ro_status rf_audit_effect(rf_task *t, ro_err *err)
{
    rf_effect *e;
    RO_TRY(rf_effect_new(t, RF_DO_AUDIT, &e, err));
    e->deadline = t->audit_deadline;
    for (uint32_t k = 0; k < t->root_count; k++)
        if (!t->roots[k].fallen) e->roots[0] = e->roots[1] = t->roots[k].root;
    return RO_OK;
}

ro_status rf_want_auditor(rf_task *t, ro_err *err)
{
    t->auditing = RF_A_WANTED;
    t->position++;
    t->audit_deadline =
        rf_later(t->now, rf_later(t->params.commit_ms, t->params.reveal_ms + 1));
    return rf_audit_effect(t, err);
}

/* An auditor that says nothing valid is the referee's fault, not the providers'. */
ro_status rf_audit_failed(rf_task *t, ro_err *err)
{
    t->auditor = RF_NONE;
    if (t->audit_tries++ >= t->params.retries || t->audit_tries >= RF_AUDITORS_MAX)
        return rf_refund(t, RF_END_REFUNDED, "no auditor did the job", err);
    return rf_want_auditor(t, err);
}

ro_status rf_take_auditor(rf_task *t, const rf_event *e, ro_err *err)
{
    if (t->auditing != RF_A_WANTED || t->auditor != RF_NONE ||
        rf_task_find(t, e->key) != RF_NONE)
        return rf_refuse(t, RF_NONE, RF_R_CONTEXT, 0, NULL, err);
    RO_TRY(rf_add_seat(t, e->key, RF_AUDITOR, err));
    t->auditor = t->seat_count - 1;
    return rf_accept(t, t->auditor, t->position, 0, err);
}

/* Its root is one more root: what the rules make of it decides, not who it is. */
ro_status rf_take_audit(rf_task *t, uint32_t member, const rf_message *m, ro_err *err)
{
    rf_seat *s = &t->seats[member];
    int is_known;
    RO_TRY(rf_known(t, member, m, &is_known, err));
    if (is_known) return RO_OK;
    if (t->auditing != RF_A_WANTED || member != t->auditor)
        return rf_refuse(t, member, RF_R_LATE, 0, NULL, err);
    if (!rf_body_is_of_job(t, &m->claim.reveal)) {
        RO_TRY(rf_refuse(t, member, RF_R_CONTENT, 0, NULL, err));
        return rf_audit_failed(t, err);
    }
    rf_keep_reveal(s, m);
    RO_TRY(rf_record(t, member, m, err));
    RO_TRY(rf_group_of(t, s, &s->group, err));
    t->roots[s->group].standing++;
    t->roots[s->group].fallen = 0;
    t->auditing = RF_A_DONE;
    t->counts.audited = 1;
    return RO_OK;
}

