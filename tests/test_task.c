/* test_task.c - the life of a task: every transition, every deadline, who is struck for what, and
 * that a task which is stopped after any event goes on as if it had not been.
 *
 * Names carry the threats of docs/THREATS.md that they test. */
#include <criterion/criterion.h>

#include "task_world.h"

static tw_side *honest(const tw_truth *t) { return tw_side_new(t, NULL); }

static tw_side *liar(const tw_truth *t, uint64_t step, uint32_t node, tw_lie_kind kind,
                     uint64_t salt)
{
    tw_lie lie = {step, node, kind, salt};
    return tw_side_new(t, &lie);
}

/* Members whose sides are these; the auditor is honest. */
static tw *world(const tw_truth *t, uint32_t n, tw_side *const *sides, const tw_side *auditor)
{
    tw *w = tw_new(t, n);
    for (uint32_t k = 0; k < n; k++) w->member[k].side = sides[k];
    w->auditor = auditor;
    return w;
}

static int accepted(const tw *w, const tw_side *s)
{
    vd_digest root;
    return rf_task_root(w->task, &root) && vd_digest_equal(&root, &s->party.root);
}

Test(task, all_agree_and_it_is_settled)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw_side *h = honest(t);
    tw *w = world(t, 3, (tw_side *[]){h, h, h}, h);
    tw_run(w);
    cr_assert_eq(rf_task_get_state(w->task), RF_T_SETTLED);
    cr_assert_eq(rf_task_end(w->task), RF_END_SETTLED);
    cr_assert(accepted(w, h));
    cr_assert_eq(w->struck, 0);
    cr_assert_eq(w->settled, 1);
    tw_free(w);
    free(h);
    tw_truth_free(t);
}

Test(task, a_liar_against_two_honest_falls_by_one_element)
{
    tw_truth *t = tw_truth_small(6, 0);
    for (uint64_t s = 0; s < 6; s++)
        for (uint32_t node = 0; node < (s ? 3 : 2); node++) {
            tw_side *h = honest(t), *l = liar(t, s, node, TW_OUTPUT, 4);
            rf_task_counts c;
            tw *w = world(t, 3, (tw_side *[]){h, l, h}, h);
            tw_run(w);
            cr_assert_eq(rf_task_get_state(w->task), RF_T_SETTLED, "%s", w->log);
            cr_assert(accepted(w, h), "%s", w->log);
            cr_assert_eq(tw_lost(w, 1), RF_LOST_VERDICT);
            cr_assert_eq(w->struck, 1);
            rf_task_get_counts(w->task, &c);
            cr_assert_eq(c.recomputed, 1);
            tw_free(w);
            free(h);
            free(l);
        }
    tw_truth_free(t);
}

/* ---- deadlines: one tick before, at, one after ------------------------------------------- */

/* Stop right before the state that a script would reach with time, and look at its deadline. */
typedef enum { AT_OPEN, AT_COMMIT, AT_REVEAL, AT_CHALLENGE, AT_AUDIT, AT_DELIVERY, AT_FINAL } edge;

static tw *until(const tw_truth *t, tw_side *const sides[2], edge e)
{
    tw *w = world(t, 2, sides, e == AT_AUDIT ? NULL : sides[0]);
    w->setup.params.quorum = 2;
    if (e == AT_OPEN) {
        tw_send_work(w, 0);
        tw_plain(w, RF_EV_READY);
        return w;
    }
    tw_open(w);
    if (e == AT_COMMIT) {
        tw_send_commit(w, 0);
        return w;
    }
    tw_commit(w);
    if (e == AT_REVEAL) {
        tw_send_reveal(w, 0);
        return w;
    }
    w->member[1].unrevealed = e == AT_AUDIT; /* one of a quorum of two: the audit is certain */
    tw_reveals(w);
    w->undelivered = e == AT_DELIVERY;
    if (e != AT_CHALLENGE) tw_pump(w);
    return w;
}

Test(task, T28_state_deadlines_before_at_and_after)
{
    static const struct { edge e; rf_task_state before, after; } edges[] = {
        {AT_OPEN, RF_T_OPEN, RF_T_COMMIT},           {AT_COMMIT, RF_T_COMMIT, RF_T_REVEAL},
        {AT_REVEAL, RF_T_REVEAL, RF_T_AGREED},       {AT_DELIVERY, RF_T_RESOLVED, RF_T_REFUNDED},
        {AT_FINAL, RF_T_FINAL, RF_T_SETTLED},        {AT_CHALLENGE, RF_T_AGREED, RF_T_REFUNDED},
    };
    tw_truth *t = tw_truth_small(6, 0);
    tw_side *h = honest(t);
    for (size_t k = 0; k < sizeof edges / sizeof *edges; k++)
        for (int64_t off = -1; off <= 1; off++) {
            tw *w = until(t, (tw_side *[2]){h, h}, edges[k].e);
            uint64_t d = rf_task_deadline(w->task);
            cr_assert_eq(rf_task_get_state(w->task), edges[k].before);
            tw_tick(w, d + (uint64_t)off);
            cr_assert_eq(rf_task_get_state(w->task), off < 0 ? edges[k].before : edges[k].after,
                         "edge %zu %+d: %s", k, (int)off, w->log);
            tw_free(w);
        }
    free(h);
    tw_truth_free(t);
}

/* A message at a deadline is late, one before it is in time. */
Test(task, T28_messages_before_at_and_after)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw_side *h = honest(t);
    for (int64_t off = -1; off <= 1; off++) {
        tw *w = until(t, (tw_side *[2]){h, h}, AT_OPEN);
        w->now = rf_task_deadline(w->task) + (uint64_t)off;
        cr_assert_eq(tw_send_work(w, 1), off < 0 ? -1 : RF_R_LATE);
        tw_free(w);
        w = until(t, (tw_side *[2]){h, h}, AT_COMMIT);
        w->now = rf_task_deadline(w->task) + (uint64_t)off;
        cr_assert_eq(tw_send_commit(w, 1), off < 0 ? -1 : RF_R_LATE);
        tw_free(w);
        w = until(t, (tw_side *[2]){h, h}, AT_REVEAL);
        w->now = rf_task_deadline(w->task) + (uint64_t)off;
        cr_assert_eq(tw_send_reveal(w, 1), off < 0 ? -1 : RF_R_LATE);
        cr_assert_eq(tw_lost(w, 1), off < 0 ? RF_LOST_NOTHING : RF_LOST_NO_REVEAL);
        tw_free(w);
    }
    free(h);
    tw_truth_free(t);
}

/* The first question of a dispute: both sides have one deadline; each alone is late, or in time. */
Test(task, T28_answers_before_at_and_after_their_deadline)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw_side *h = honest(t), *l = liar(t, 2, 0, TW_OUTPUT, 4);
    for (int64_t off = -1; off <= 1; off++)
        for (uint32_t late = 0; late < 2; late++) {
            tw *w = world(t, 2, (tw_side *[2]){h, l}, h);
            tw_open(w);
            tw_commit(w);
            tw_reveals(w);
            uint32_t first = w->head, asks = 0;
            uint64_t deadline = 0;
            for (; w->head < w->tail; w->head++)
                if (w->queue[w->head].e.kind == RF_DO_ASK) asks++;
            cr_assert_eq(asks, 2);
            for (uint32_t k = first; k < w->tail; k++) {
                tw_ask *a = &w->queue[k];
                if (a->e.kind != RF_DO_ASK) continue;
                deadline = a->e.deadline;
                w->member[late].silent = 1;
                tw_answer(w, a);
                w->member[late].silent = 0;
            }
            w->now = deadline + (uint64_t)off;
            for (uint32_t k = first; k < first + 3; k++)
                if (w->queue[k].e.kind == RF_DO_ASK) tw_answer(w, &w->queue[k]);
            cr_assert_eq(tw_lost(w, late), off < 0 ? RF_LOST_NOTHING : RF_LOST_FORFEIT, "%s",
                         w->log);
            cr_assert_eq(tw_lost(w, 1 - late), RF_LOST_NOTHING);
            tw_free(w);
        }
    free(h);
    free(l);
    tw_truth_free(t);
}

/* Down for an hour: what was open stays open an hour longer, to the millisecond. */
Test(task, T28_downtime_is_added_to_whatever_is_open)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw_side *h = honest(t), *l = liar(t, 2, 0, TW_OUTPUT, 4);
    for (int64_t off = -1; off <= 0; off++) {
        tw *w = world(t, 2, (tw_side *[2]){h, l}, h);
        rf_event e;
        tw_open(w);
        tw_commit(w);
        tw_reveals(w);
        uint64_t d = rf_task_deadline(w->task);
        memset(&e, 0, sizeof e);
        e.kind = RF_EV_DOWNTIME;
        e.ms = 3600000;
        w->now = d + 3600000 + (uint64_t)off; /* back only now */
        tw_event(w, &e);
        cr_assert_eq(w->struck, off < 0 ? 0 : 2);
        if (off < 0) {
            cr_assert_eq(rf_task_deadline(w->task), d + 3600000);
            tw_finish(w);
            cr_assert(accepted(w, h));
        }
        tw_free(w);
    }
    free(h);
    free(l);
    tw_truth_free(t);
}

/* T29: nobody need call a timeout, and a tick that comes hours late does what a punctual one does,
 * to both sides of a pair at once. */
Test(task, T29_a_tick_that_comes_late)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw_side *h = honest(t), *l = liar(t, 2, 0, TW_OUTPUT, 4);
    tw *w = world(t, 2, (tw_side *[2]){h, l}, h);
    tw_open(w);
    tw_commit(w);
    tw_reveals(w);
    for (w->head = 0; w->queue[w->head].e.kind != RF_DO_ASK; w->head++) {}
    w->member[1].silent = 1;
    for (uint32_t k = 0; k < w->tail; k++)
        if (w->queue[k].e.kind == RF_DO_ASK) tw_answer(w, &w->queue[k]);
    w->member[0].inattentive = w->member[1].inattentive = 0;
    for (uint32_t k = 0; k < w->tail; k++)
        if (w->queue[k].e.kind == RF_DO_CHALLENGE) tw_challenge(w, &w->queue[k]);
    w->head = w->tail;
    tw_tick(w, w->now + 100 * UINT64_C(3600000));
    tw_finish(w);
    cr_assert_eq(tw_lost(w, 1), RF_LOST_FORFEIT);
    cr_assert_eq(tw_lost(w, 0), RF_LOST_NOTHING);
    cr_assert(accepted(w, h));
    tw_free(w);
    free(h);
    free(l);
    tw_truth_free(t);
}

/* ---- T01: equivocation, in any order, once ------------------------------------------------ */

Test(task, T01_two_commitments_strike_once_in_any_order_and_at_any_time)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw_side *h = honest(t), *l = liar(t, 2, 0, TW_OUTPUT, 4);
    for (int order = 0; order < 2; order++)
        for (int when = 0; when < 4; when++) {
            tw *w = world(t, 3, (tw_side *[3]){h, h, h}, h);
            rf_message m[2];
            tw_open(w);
            for (int k = 0; k < 2; k++) {
                w->member[2].side = (k ^ order) ? l : h;
                m[k] = tw_commitment(w, 2);
            }
            w->member[2].side = order ? l : h;
            cr_assert_eq(tw_send(w, 2, &m[0], NULL, 0), -1);
            cr_assert_eq(tw_send(w, 2, &m[0], NULL, 0), -1); /* a retry */
            cr_assert(tw_last(w, RF_DO_ACCEPT)->duplicate);
            uint64_t first = tw_last(w, RF_DO_ACCEPT)->position;
            if (when == 0) cr_assert_eq(tw_send(w, 2, &m[1], NULL, 0), RF_R_CONFLICT);
            tw_send_commit(w, 0);
            tw_send_commit(w, 1);
            tw_tick(w, rf_task_deadline(w->task));
            if (when == 1) cr_assert_eq(tw_send(w, 2, &m[1], NULL, 0), RF_R_CONFLICT);
            for (uint32_t k = 0; k < 3; k++) tw_send_reveal(w, k);
            tw_tick(w, rf_task_deadline(w->task));
            tw_pump(w);
            while (rf_task_get_state(w->task) != RF_T_FINAL) {
                tw_tick(w, rf_task_deadline(w->task));
                tw_pump(w);
            }
            rf_loss before = tw_lost(w, 2);
            if (when == 2) tw_send(w, 2, &m[1], NULL, 0);
            for (int k = 0; k < 3; k++) tw_send(w, 2, &m[1], NULL, 0);
            cr_assert_eq(tw_last(w, RF_DO_REFUSE)->reason, RF_R_CONFLICT);
            cr_assert_eq(tw_last(w, RF_DO_REFUSE)->position, first);
            cr_assert_eq(tw_lost(w, 2), before ? before : RF_LOST_EQUIVOCATION);
            cr_assert_eq(w->struck, 1, "order %d when %d: %s", order, when, w->log);
            tw_finish(w);
            cr_assert(accepted(w, h));
            cr_assert_eq(w->settled, 1);
            tw_free(w);
        }
    free(h);
    free(l);
    tw_truth_free(t);
}

/* The same root under another backend is another claim in the same slot. */
Test(task, T01_two_reveals_of_one_root)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw_side *h = honest(t);
    tw *w = world(t, 2, (tw_side *[2]){h, h}, h);
    tw_open(w);
    tw_commit(w);
    rf_message m = tw_reveal(w, 1, h);
    cr_assert_eq(tw_send_reveal(w, 1), -1);
    cr_assert_eq(tw_send_reveal(w, 0), -1);
    strcpy(m.claim.reveal.backend, "cuda test");
    cr_assert_eq(tw_send(w, 1, &m, NULL, 0), RF_R_CONFLICT);
    cr_assert_eq(tw_lost(w, 1), RF_LOST_EQUIVOCATION);
    tw_tick(w, rf_task_deadline(w->task));
    tw_finish(w);
    cr_assert(accepted(w, h));
    cr_assert_eq(w->struck, 1);
    tw_free(w);
    free(h);
    tw_truth_free(t);
}

/* The last of a root: before RESOLVED the root falls at once, after it the result stands. */
Test(task, T01_the_last_identity_of_a_root_equivocates)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw_side *h = honest(t), *l = liar(t, 2, 0, TW_OUTPUT, 4);
    for (int late = 0; late < 2; late++) {
        tw *w = world(t, 2, (tw_side *[2]){h, l}, h);
        tw_open(w);
        tw_commit(w);
        tw_reveals(w);
        uint32_t who = late ? 0 : 1;
        rf_message m = tw_commitment(w, who);
        m.claim.commitment.b[0] ^= 1;
        if (!late) {
            cr_assert_eq(tw_send(w, who, &m, NULL, 0), RF_R_CONFLICT);
            cr_assert_eq(w->verdicts, 1); /* a pair without a verdict */
            cr_assert_null(tw_last(w, RF_DO_VERDICT)->verdict);
            tw_finish(w);
            cr_assert_eq(tw_lost(w, 0), RF_LOST_NOTHING);
        } else {
            tw_pump(w);
            while (rf_task_get_state(w->task) != RF_T_FINAL) {
                tw_tick(w, rf_task_deadline(w->task));
                tw_pump(w);
            }
            cr_assert_eq(tw_send(w, who, &m, NULL, 0), RF_R_CONFLICT);
            cr_assert_eq(tw_lost(w, 0), RF_LOST_EQUIVOCATION);
            tw_finish(w);
        }
        cr_assert_eq(rf_task_get_state(w->task), RF_T_SETTLED, "%s", w->log);
        cr_assert(accepted(w, h));
        tw_free(w);
    }
    free(h);
    free(l);
    tw_truth_free(t);
}

/* ---- T04, T05, T76, T78: commit, reveal, withdraw ------------------------------------------ */

Test(task, T04_silent_after_commit)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw_side *h = honest(t), *l = liar(t, 2, 0, TW_OUTPUT, 4);
    tw *w = world(t, 3, (tw_side *[3]){h, l, l}, h);
    w->member[1].unrevealed = w->member[2].unrevealed = 1;
    tw_run(w);
    cr_assert(accepted(w, h)); /* alone: after an audit */
    rf_task_counts c;
    rf_task_get_counts(w->task, &c);
    cr_assert(c.audited);
    cr_assert_eq(tw_lost(w, 1), RF_LOST_NO_REVEAL);
    cr_assert_eq(tw_lost(w, 2), RF_LOST_NO_REVEAL);
    cr_assert_eq(tw_lost(w, 0), RF_LOST_NOTHING);
    tw_free(w);
    free(h);
    free(l);
    tw_truth_free(t);
}

Test(task, T05_reveals_early_mismatched_and_of_no_commitment)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw_side *h = honest(t), *l = liar(t, 2, 0, TW_OUTPUT, 4);
    tw *w = world(t, 2, (tw_side *[2]){h, h}, h);
    cr_assert_eq(tw_send_reveal(w, 0), RF_R_UNKNOWN);
    cr_assert_eq(tw_send_work(w, 0), -1);
    cr_assert_eq(tw_send_reveal(w, 0), RF_R_EARLY);
    cr_assert_eq(tw_send_commit(w, 0), RF_R_EARLY);
    cr_assert_eq(tw_send_work(w, 1), -1);
    tw_plain(w, RF_EV_READY);
    tw_tick(w, rf_task_deadline(w->task));
    cr_assert_eq(tw_send_commit(w, 0), -1);
    for (uint64_t k = 0; k < 3; k++) {
        tw_tick(w, rf_task_deadline(w->task) - 3 + k);
        cr_assert_eq(tw_send_reveal(w, 0), RF_R_EARLY);
    }
    tw_tick(w, rf_task_deadline(w->task));
    rf_message m = tw_reveal(w, 0, l);
    cr_assert_eq(tw_send(w, 0, &m, NULL, 0), RF_R_MISMATCH);
    m = tw_reveal(w, 0, h);
    m.claim.reveal.salt.b[3] ^= 1;
    cr_assert_eq(tw_send(w, 0, &m, NULL, 0), RF_R_MISMATCH);
    cr_assert_eq(tw_send_reveal(w, 1), RF_R_UNKNOWN); /* it never committed */
    cr_assert_eq(tw_send_reveal(w, 0), -1);
    cr_assert_eq(tw_send(w, 0, &m, NULL, 0), RF_R_MISMATCH); /* after it: no equivocation */
    cr_assert_eq(w->struck, 0);
    w->member[1].uncommitted = 1;
    tw_tick(w, rf_task_deadline(w->task));
    tw_finish(w);
    cr_assert(accepted(w, h));
    tw_free(w);
    free(h);
    free(l);
    tw_truth_free(t);
}

/* T18: what opens the commitment and is no body of this job forfeits. */
Test(task, T18_a_reveal_of_another_jobs_body)
{
    tw_truth *t = tw_truth_small(6, 0), *other = tw_truth_small(5, 0);
    tw_side *h = honest(t), *o = honest(other);
    tw *w = world(t, 2, (tw_side *[2]){h, o}, h);
    tw_open(w);
    tw_commit(w);
    cr_assert_eq(tw_send_reveal(w, 0), -1);
    cr_assert_eq(tw_send_reveal(w, 1), RF_R_CONTENT);
    cr_assert_eq(tw_lost(w, 1), RF_LOST_NO_REVEAL);
    w->member[1].unrevealed = 1;
    tw_tick(w, rf_task_deadline(w->task));
    tw_finish(w);
    cr_assert(accepted(w, h));
    tw_free(w);
    free(h);
    free(o);
    tw_truth_free(t);
    tw_truth_free(other);
}

Test(task, T76_withdrawal_ends_with_commit_and_roots_are_sealed)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw_side *h = honest(t);
    tw *w = world(t, 3, (tw_side *[3]){h, h, h}, h);
    rf_message out = tw_message(w, 2, RF_M_WITHDRAW);
    rf_task_member m;
    for (uint32_t k = 0; k < 3; k++) tw_send_work(w, k);
    cr_assert_eq(tw_send(w, 2, &out, NULL, 0), RF_R_EARLY);
    tw_plain(w, RF_EV_READY);
    tw_tick(w, rf_task_deadline(w->task));
    for (uint32_t k = 0; k < 3; k++) tw_send_commit(w, k);
    rf_message other = tw_message(w, 1, RF_M_WITHDRAW);
    w->now = rf_task_deadline(w->task) - 1;
    cr_assert_eq(tw_send(w, 2, &out, NULL, 0), -1);
    cr_assert_eq(tw_send(w, 2, &out, NULL, 0), -1);
    w->now++;
    cr_assert_eq(tw_send(w, 1, &other, NULL, 0), RF_R_LATE); /* at the deadline */
    cr_assert_eq(rf_task_get_state(w->task), RF_T_REVEAL);
    for (uint32_t k = 0; k < 2; k++) {
        cr_assert_eq(tw_send_reveal(w, k), -1);
        rf_task_get_member(w->task, k, &m);
        cr_assert(!m.has_root && vd_digest_equal(&m.root, &(vd_digest){{0}}));
        cr_assert_eq(tw_send(w, 1, &other, NULL, 0), RF_R_LATE);
    }
    cr_assert_null(strstr(w->log, "publish"));
    tw_tick(w, rf_task_deadline(w->task));
    cr_assert_not_null(tw_last(w, RF_DO_PUBLISH));
    w->member[2].withdraws = 1;
    tw_finish(w);
    cr_assert(accepted(w, h));
    cr_assert_eq(w->struck, 0);
    rf_task_get_member(w->task, 2, &m);
    cr_assert_eq(m.stage, RF_STAGE_WITHDRAWN);
    tw_free(w);
    free(h);
    tw_truth_free(t);
}

/* A reveal after one's own withdrawal is the other claim in that slot. */
Test(task, T76_withdrawn_and_revealed)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw_side *h = honest(t);
    tw *w = world(t, 2, (tw_side *[2]){h, h}, h);
    w->member[1].withdraws = 1;
    tw_open(w);
    tw_commit(w);
    cr_assert_eq(tw_send_reveal(w, 0), -1);
    cr_assert_eq(tw_send_reveal(w, 1), RF_R_CONFLICT);
    cr_assert_eq(tw_lost(w, 1), RF_LOST_EQUIVOCATION);
    tw_tick(w, rf_task_deadline(w->task));
    tw_finish(w);
    cr_assert(accepted(w, h));
    tw_free(w);
    free(h);
    tw_truth_free(t);
}

/* Slots claimed to ruin the task: it is audited, not refunded, and who did nothing pays a fee. */
Test(task, T78_claimed_and_never_committed)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw_side *h = honest(t);
    tw *w = world(t, 5, (tw_side *[5]){h, h, h, h, h}, h);
    for (uint32_t k = 1; k < 5; k++) w->member[k].uncommitted = 1;
    tw_open(w);
    tw_commit(w);
    tw_reveals(w);
    tw_pump(w);
    while (rf_task_get_state(w->task) != RF_T_FINAL) {
        tw_tick(w, rf_task_deadline(w->task));
        tw_pump(w);
    }
    tw_tick(w, rf_task_deadline(w->task));
    const rf_effect *e = tw_last(w, RF_DO_SETTLE);
    uint32_t fees = 0;
    for (uint32_t k = 0; k < e->transfer_count; k++)
        fees += e->transfers[k].purpose <= RF_FOR_FEE;
    cr_assert_geq(fees, 4);
    cr_assert(accepted(w, h));
    tw_free(w);
    free(h);
    tw_truth_free(t);
}

Test(task, T78_too_many_claimants_and_accounts)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw_side *h = honest(t);
    enum { SLOTS = 3, MANY = 14 };
    tw *w = tw_new(t, MANY);
    ro_err err = {RO_OK, {0}};
    rf_task_free(w->task);
    w->setup.params = tw_params(t->job, SLOTS);
    w->setup.params.account_slots = 2;
    must(rf_task_new(&w->setup, w->now, &w->task, &err), &err);
    uint32_t assigned = 0, released = 0, n;
    for (uint32_t k = 0; k < MANY; k++) {
        w->member[k].side = h;
        w->member[k].account = k < 4 ? 0 : k;
        int want = k == 2 || k == 3 || k >= 2 + RF_CLAIMANTS_FACTOR * SLOTS ? RF_R_LIMIT : -1;
        cr_assert_eq(tw_send_work(w, k), want, "%u", k);
    }
    tw_plain(w, RF_EV_READY);
    tw_tick(w, rf_task_deadline(w->task));
    const rf_effect *e = rf_task_effects(w->task, &n);
    for (uint32_t k = 0; k < n; k++) released += e[k].kind == RF_DO_RELEASE;
    for (uint32_t k = 0; k < rf_task_members(w->task); k++) {
        rf_task_member m;
        rf_task_get_member(w->task, k, &m);
        assigned += m.assigned != 0;
    }
    cr_assert_eq(assigned, SLOTS);
    cr_assert_eq(released, rf_task_members(w->task) - SLOTS);
    tw_free(w);
    free(h);
    tw_truth_free(t);
}
