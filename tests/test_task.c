/* test_task.c - the life of a task: every transition, every deadline, who is struck for what, and
 * that a task which is stopped after any event goes on as if it had not been.
 *
 * Names carry the threats of docs/THREATS.md that they test. */
#include <criterion/criterion.h>

#include "task_world.h"

Test(task, all_agree_and_it_is_settled)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw_side *h = tw_honest(t);
    tw *w = tw_world(t, 3, (tw_side *[]){h, h, h}, h);
    tw_run(w);
    cr_assert_eq(rf_task_get_state(w->task), RF_T_SETTLED);
    cr_assert_eq(rf_task_end(w->task), RF_END_SETTLED);
    cr_assert(tw_accepted(w, h));
    cr_assert_eq(w->struck, 0);
    cr_assert_eq(w->settled, 1);
    tw_free(w);
    tw_truth_free(t);
}

Test(task, a_liar_against_two_honest_falls_by_one_element)
{
    tw_truth *t = tw_truth_small(6, 0);
    for (uint64_t s = 0; s < 6; s++)
        for (uint32_t node = 0; node < (s ? 3 : 2); node++) {
            tw_side *h = tw_honest(t), *l = tw_liar(t, s, node, TW_OUTPUT, 4);
            rf_task_counts c;
            tw *w = tw_world(t, 3, (tw_side *[]){h, l, h}, h);
            tw_run(w);
            cr_assert_eq(rf_task_get_state(w->task), RF_T_SETTLED, "%s", w->log);
            cr_assert(tw_accepted(w, h), "%s", w->log);
            cr_assert_eq(tw_lost(w, 1), RF_LOST_VERDICT);
            cr_assert_eq(w->struck, 1);
            rf_task_get_counts(w->task, &c);
            cr_assert_eq(c.recomputed, 1);
            tw_free(w);
        }
    tw_truth_free(t);
}

/* ---- deadlines: one tick before, at, one after ------------------------------------------- */

/* Stop right before the state that a script would reach with time, and look at its deadline. */
typedef enum { AT_OPEN, AT_COMMIT, AT_REVEAL, AT_CHALLENGE, AT_AUDIT, AT_DELIVERY, AT_FINAL } edge;

static tw *until(const tw_truth *t, tw_side *const sides[2], edge e)
{
    tw *w = tw_world(t, 2, sides, e == AT_AUDIT ? NULL : sides[0]);
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
    tw_side *h = tw_honest(t);
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
    tw_truth_free(t);
}

/* A message at a deadline is late, one before it is in time. */
Test(task, T28_messages_before_at_and_after)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw_side *h = tw_honest(t);
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
    tw_truth_free(t);
}

/* The first question of a dispute: both sides have one deadline; each alone is late, or in time. */
Test(task, T28_answers_before_at_and_after_their_deadline)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw_side *h = tw_honest(t), *l = tw_liar(t, 2, 0, TW_OUTPUT, 4);
    for (int64_t off = -1; off <= 1; off++)
        for (uint32_t late = 0; late < 2; late++) {
            tw *w = tw_world(t, 2, (tw_side *[2]){h, l}, h);
            tw_begin(w);
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
    tw_truth_free(t);
}

/* Down for an hour: what was open stays open an hour longer, to the millisecond. */
Test(task, T28_downtime_is_added_to_whatever_is_open)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw_side *h = tw_honest(t), *l = tw_liar(t, 2, 0, TW_OUTPUT, 4);
    for (int64_t off = -1; off <= 0; off++) {
        tw *w = tw_world(t, 2, (tw_side *[2]){h, l}, h);
        rf_event e;
        tw_begin(w);
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
            cr_assert(tw_accepted(w, h));
        }
        tw_free(w);
    }
    tw_truth_free(t);
}

/* An audit and the host's tries have the time back too. */
Test(task, T28_downtime_of_an_audit_and_of_tries)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw_side *h = tw_honest(t);
    rf_event down, fault;
    memset(&down, 0, sizeof down);
    memset(&fault, 0, sizeof fault);
    down.kind = RF_EV_DOWNTIME;
    fault.kind = RF_EV_WORK;
    fault.end = RF_WORK_FAULT;
    tw *w = tw_world(t, 2, (tw_side *[2]){h, h}, NULL);
    w->member[1].unrevealed = 1;
    tw_begin(w);
    tw_pump(w);
    uint64_t d = rf_task_deadline(w->task);
    w->now = d + 5;
    down.ms = 10;
    tw_event(w, &down);
    cr_assert_null(tw_last(w, RF_DO_AUDIT));
    cr_assert_eq(rf_task_deadline(w->task), d + 10);
    tw_free(w);
    w = tw_world(t, 2, (tw_side *[2]){h, h}, h);
    tw_begin(w);
    while (w->queue[w->head].e.kind != RF_DO_RUN) tw_challenge(w, &w->queue[w->head++]);
    fault.work = w->queue[w->head++].e.work;
    tw_event(w, &fault);
    down.ms = w->setup.params.retry_ms;
    tw_event(w, &down);
    w->now += w->setup.params.retry_ms;
    tw_event(w, &fault); /* within the time for tries, as it was counted */
    cr_assert_eq(rf_task_get_state(w->task), RF_T_AGREED);
    cr_assert_not_null(tw_last(w, RF_DO_RUN));
    tw_free(w);
    tw_truth_free(t);
}

/* T29: nobody need call a timeout, and a tick that comes hours late does what a punctual one does,
 * to both sides of a pair at once. */
Test(task, T29_a_tick_that_comes_late)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw_side *h = tw_honest(t), *l = tw_liar(t, 2, 0, TW_OUTPUT, 4);
    tw *w = tw_world(t, 2, (tw_side *[2]){h, l}, h);
    tw_begin(w);
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
    cr_assert(tw_accepted(w, h));
    tw_free(w);
    tw_truth_free(t);
}

/* ---- T01: equivocation, in any order, once ------------------------------------------------ */

Test(task, T01_two_commitments_strike_once_in_any_order_and_at_any_time)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw_side *h = tw_honest(t), *l = tw_liar(t, 2, 0, TW_OUTPUT, 4);
    for (int order = 0; order < 2; order++)
        for (int when = 0; when < 4; when++) {
            tw *w = tw_world(t, 3, (tw_side *[3]){h, h, h}, h);
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
            tw_until(w, RF_T_FINAL);
            rf_loss before = tw_lost(w, 2);
            if (when == 2) tw_send(w, 2, &m[1], NULL, 0);
            for (int k = 0; k < 3; k++) tw_send(w, 2, &m[1], NULL, 0);
            cr_assert_eq(tw_last(w, RF_DO_REFUSE)->reason, RF_R_CONFLICT);
            cr_assert_eq(tw_last(w, RF_DO_REFUSE)->position, first);
            cr_assert_eq(tw_lost(w, 2), before ? before : RF_LOST_EQUIVOCATION);
            cr_assert_eq(w->struck, 1, "order %d when %d: %s", order, when, w->log);
            tw_finish(w);
            cr_assert(tw_accepted(w, h));
            cr_assert_eq(w->settled, 1);
            tw_free(w);
        }
    tw_truth_free(t);
}

/* The same root under another backend is another claim in the same slot. */
Test(task, T01_two_reveals_of_one_root)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw_side *h = tw_honest(t);
    tw *w = tw_world(t, 2, (tw_side *[2]){h, h}, h);
    tw_open(w);
    tw_commit(w);
    rf_message m = tw_reveal(w, 1, h);
    cr_assert_eq(tw_send_reveal(w, 1), -1);
    cr_assert_eq(tw_send_reveal(w, 0), -1);
    strcpy(m.claim.reveal.backend, "cuda test");
    uint64_t first = rf_task_position(w->task) - 1; /* member 0's came after it */
    cr_assert_eq(tw_send(w, 1, &m, NULL, 0), RF_R_CONFLICT);
    cr_assert_eq(tw_last(w, RF_DO_STRIKE)->position, first);
    cr_assert_eq(tw_lost(w, 1), RF_LOST_EQUIVOCATION);
    tw_tick(w, rf_task_deadline(w->task));
    tw_finish(w);
    cr_assert(tw_accepted(w, h));
    cr_assert_eq(w->struck, 1);
    tw_free(w);
    tw_truth_free(t);
}

/* The last of a root: before RESOLVED the root falls at once, after it the result stands. */
Test(task, T01_the_last_identity_of_a_root_equivocates)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw_side *h = tw_honest(t), *l = tw_liar(t, 2, 0, TW_OUTPUT, 4);
    for (int late = 0; late < 2; late++) {
        tw *w = tw_world(t, 2, (tw_side *[2]){h, l}, h);
        tw_begin(w);
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
            tw_until(w, RF_T_FINAL);
            cr_assert_eq(tw_send(w, who, &m, NULL, 0), RF_R_CONFLICT);
            cr_assert_eq(tw_lost(w, 0), RF_LOST_EQUIVOCATION);
            tw_finish(w);
        }
        cr_assert_eq(rf_task_get_state(w->task), RF_T_SETTLED, "%s", w->log);
        cr_assert(tw_accepted(w, h));
        tw_free(w);
    }
    tw_truth_free(t);
}

/* ---- T04, T05, T76, T78: commit, reveal, withdraw ------------------------------------------ */

Test(task, T04_silent_after_commit)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw_side *h = tw_honest(t), *l = tw_liar(t, 2, 0, TW_OUTPUT, 4);
    tw *w = tw_world(t, 3, (tw_side *[3]){h, l, l}, h);
    w->member[1].unrevealed = w->member[2].unrevealed = 1;
    tw_run(w);
    cr_assert(tw_accepted(w, h)); /* alone: after an audit */
    rf_task_counts c;
    rf_task_get_counts(w->task, &c);
    cr_assert(c.audited);
    cr_assert_eq(tw_lost(w, 1), RF_LOST_NO_REVEAL);
    cr_assert_eq(tw_lost(w, 2), RF_LOST_NO_REVEAL);
    cr_assert_eq(tw_lost(w, 0), RF_LOST_NOTHING);
    tw_free(w);
    tw_truth_free(t);
}

Test(task, T05_reveals_early_mismatched_and_of_no_commitment)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw_side *h = tw_honest(t), *l = tw_liar(t, 2, 0, TW_OUTPUT, 4);
    tw *w = tw_world(t, 2, (tw_side *[2]){h, h}, h);
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
    cr_assert(tw_accepted(w, h));
    tw_free(w);
    tw_truth_free(t);
}

/* T18: what opens the commitment and is no body of this job forfeits. */
Test(task, T18_a_reveal_of_another_jobs_body)
{
    tw_truth *t = tw_truth_small(6, 0), *other = tw_truth_small(5, 0);
    tw_side *h = tw_honest(t), *o = tw_honest(other);
    tw *w = tw_world(t, 2, (tw_side *[2]){h, o}, h);
    tw_open(w);
    tw_commit(w);
    cr_assert_eq(tw_send_reveal(w, 0), -1);
    cr_assert_eq(tw_send_reveal(w, 1), RF_R_CONTENT);
    cr_assert_eq(tw_lost(w, 1), RF_LOST_NO_REVEAL);
    w->member[1].unrevealed = 1;
    tw_tick(w, rf_task_deadline(w->task));
    tw_finish(w);
    cr_assert(tw_accepted(w, h));
    tw_free(w);
    tw_truth_free(t);
    tw_truth_free(other);
}

Test(task, T76_withdrawal_ends_with_commit_and_roots_are_sealed)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw_side *h = tw_honest(t);
    tw *w = tw_world(t, 3, (tw_side *[3]){h, h, h}, h);
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
    cr_assert(tw_accepted(w, h));
    cr_assert_eq(w->struck, 0);
    rf_task_get_member(w->task, 2, &m);
    cr_assert_eq(m.stage, RF_STAGE_WITHDRAWN);
    tw_free(w);
    tw_truth_free(t);
}

/* A reveal after one's own withdrawal is the other claim in that slot. */
Test(task, T76_withdrawn_and_revealed)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw_side *h = tw_honest(t);
    tw *w = tw_world(t, 2, (tw_side *[2]){h, h}, h);
    w->member[1].withdraws = 1;
    tw_open(w);
    tw_commit(w);
    cr_assert_eq(tw_send_reveal(w, 0), -1);
    cr_assert_eq(tw_send_reveal(w, 1), RF_R_CONFLICT);
    cr_assert_eq(tw_lost(w, 1), RF_LOST_EQUIVOCATION);
    tw_tick(w, rf_task_deadline(w->task));
    tw_finish(w);
    cr_assert(tw_accepted(w, h));
    tw_free(w);
    tw_truth_free(t);
}

/* Slots claimed to ruin the task: it is audited, not refunded, and who did nothing pays a fee. */
Test(task, T78_claimed_and_never_committed)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw_side *h = tw_honest(t);
    tw *w = tw_world(t, 5, (tw_side *[5]){h, h, h, h, h}, h);
    for (uint32_t k = 1; k < 5; k++) w->member[k].uncommitted = 1;
    tw_begin(w);
    tw_until(w, RF_T_FINAL);
    tw_tick(w, rf_task_deadline(w->task));
    const rf_effect *e = tw_last(w, RF_DO_SETTLE);
    uint32_t fees = 0;
    for (uint32_t k = 0; k < e->transfer_count; k++)
        fees += e->transfers[k].purpose <= RF_FOR_FEE;
    cr_assert_geq(fees, 4);
    cr_assert(tw_accepted(w, h));
    tw_free(w);
    tw_truth_free(t);
}

Test(task, T78_too_many_claimants_and_accounts)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw_side *h = tw_honest(t);
    enum { SLOTS = 3, MANY = 16 };
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
    tw_truth_free(t);
}

/* ---- disputes ---------------------------------------------------------------------------- */

static uint64_t recomputed(const tw *w)
{
    rf_task_counts c;
    rf_task_get_counts(w->task, &c);
    return c.recomputed;
}

/* T23: every mix of four sides, of which any are wrong in the same or another place. */
Test(task, T23_four_claims_any_of_them_wrong, .timeout = 120)
{
    tw_truth *t = tw_truth_small(4, 0);
    tw_side *side[5] = {tw_honest(t), tw_liar(t, 1, 0, TW_OUTPUT, 4),
                        tw_liar(t, 1, 0, TW_OUTPUT, 5), tw_liar(t, 2, 1, TW_OUTPUT, 4),
                        tw_liar(t, 2, 2, TW_STRUCTURE, 4)};
    for (uint32_t code = 0; code < 625; code++) {
        uint32_t pick[4] = {code % 5, code / 5 % 5, code / 25 % 5, code / 125};
        uint32_t right = 0, roots = 0, seen = 0;
        if (pick[0] > pick[1] || pick[1] > pick[2] || pick[2] > pick[3]) continue;
        tw *w = tw_world(t, 4, (tw_side *[4]){side[pick[0]], side[pick[1]], side[pick[2]],
                                              side[pick[3]]}, side[0]);
        for (int k = 0; k < 4; k++) {
            right += pick[k] == 0;
            roots += !(seen >> pick[k] & 1);
            seen |= 1u << pick[k];
        }
        tw_run(w);
        for (uint32_t k = 0; k < 4; k++)
            if (pick[k] == 0) cr_assert_eq(tw_lost(w, k), RF_LOST_NOTHING, "%u: %s", code, w->log);
            else if (right) cr_assert_neq(tw_lost(w, k), RF_LOST_NOTHING, "%u: %s", code, w->log);
        if (right) cr_assert(tw_accepted(w, side[0]), "%u: %s", code, w->log);
        cr_assert_leq(recomputed(w), roots, "%u", code); /* the auditor's root may be one more */
        cr_assert_eq(w->settled, 1);
        tw_free(w);
    }
    tw_truth_free(t);
}

Test(task, T23_nobody_was_right)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw_side *a = tw_liar(t, 2, 0, TW_OUTPUT, 4), *b = tw_liar(t, 2, 0, TW_OUTPUT, 5);
    tw *w = tw_world(t, 2, (tw_side *[2]){a, b}, NULL);
    tw_run(w);
    cr_assert_eq(rf_task_get_state(w->task), RF_T_REFUNDED);
    cr_assert_eq(rf_task_end(w->task), RF_END_NOBODY);
    cr_assert_eq(tw_lost(w, 0), RF_LOST_VERDICT);
    cr_assert_eq(tw_lost(w, 1), RF_LOST_VERDICT);
    cr_assert_eq(recomputed(w), 1);
    vd_digest root;
    cr_assert_eq(rf_task_root(w->task, &root), 0);
    tw_free(w);
    tw_truth_free(t);
}

/* T26: silence and tensors that cannot be opened cost whoever owes them. */
Test(task, T26_who_opens_nothing_forfeits)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw_side *h = tw_honest(t), *l = tw_liar(t, 2, 0, TW_OUTPUT, 4);
    tw_side *junk = tw_liar(t, 3, 1, TW_JUNK, 4);
    for (int k = 0; k < 3; k++) {
        tw *w = tw_world(t, 3, (tw_side *[3]){h, k == 2 ? junk : l, h}, h);
        w->member[1].silent = k == 0;
        w->member[0].silent = w->member[2].silent = k == 1;
        tw_run(w);
        /* Where the honest are silent, the lone liar is audited, and found out. */
        cr_assert_eq(tw_lost(w, 1), k == 1 ? RF_LOST_VERDICT : RF_LOST_FORFEIT, "%s", w->log);
        cr_assert_eq(tw_lost(w, 0), k == 1 ? RF_LOST_FORFEIT : RF_LOST_NOTHING);
        cr_assert(tw_accepted(w, h));
        cr_assert_eq(recomputed(w), k == 1 ? 1 : 0);
        tw_free(w);
    }
    tw_truth_free(t);
}

Test(task, T26_both_silent_both_forfeit)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw_side *a = tw_liar(t, 2, 0, TW_OUTPUT, 4), *b = tw_liar(t, 2, 0, TW_OUTPUT, 5);
    tw *w = tw_world(t, 2, (tw_side *[2]){a, b}, NULL);
    w->member[0].silent = w->member[1].silent = 1;
    tw_run(w);
    cr_assert_eq(tw_lost(w, 0), RF_LOST_FORFEIT);
    cr_assert_eq(tw_lost(w, 1), RF_LOST_FORFEIT);
    cr_assert_eq(rf_task_end(w->task), RF_END_NOBODY);
    tw_free(w);
    tw_truth_free(t);
}

/* T79: two liars share a record that nobody can open, then differ: withheld, and both fall. */
Test(task, T79_liars_that_share_what_nobody_can_open)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw_side *a = tw_liar(t, 2, 0, TW_OUTPUT, 4), *b = tw_liar(t, 2, 0, TW_OUTPUT, 5);
    tw *w = tw_world(t, 2, (tw_side *[2]){a, b}, NULL);
    tw_begin(w);
    for (; w->head < w->tail;) {
        tw_ask ask = w->queue[w->head++];
        if (ask.e.kind == RF_DO_CHALLENGE) tw_challenge(w, &ask);
        if (ask.e.kind == RF_DO_ASK && ask.e.sides != 3) tw_answer(w, &ask);
    }
    tw_finish(w);
    cr_assert_eq(tw_lost(w, 0), RF_LOST_WITHHELD, "%s", w->log);
    cr_assert_eq(tw_lost(w, 1), RF_LOST_WITHHELD);
    tw_free(w);
    tw_truth_free(t);
}

/* T31: wrong answers cost their sender its voice after sixteen, its side nothing. */
Test(task, T31_sixteen_wrong_answers_silence_one_member_only)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw_side *h = tw_honest(t), *l = tw_liar(t, 2, 0, TW_OUTPUT, 4);
    tw *w = tw_world(t, 3, (tw_side *[3]){h, h, l}, h);
    w->member[0].garbles = 20; /* a saboteur on the honest root: never right in time */
    w->member[1].garbles = 15;
    tw_run(w);
    cr_assert(tw_accepted(w, h));
    cr_assert_eq(tw_lost(w, 0), RF_LOST_NOTHING);
    cr_assert_eq(tw_lost(w, 2), RF_LOST_VERDICT);
    cr_assert_gt(w->refused[RF_R_LIMIT], 0);
    cr_assert_gt(w->refused[RF_R_CONTENT], 15);
    tw_free(w);
    tw_truth_free(t);
}

/* Fifteen wrong answers and a right one; sixteen, and the right one is not heard. */
Test(task, T31_the_sixteenth_wrong_answer)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw_side *h = tw_honest(t), *l = tw_liar(t, 2, 0, TW_OUTPUT, 4);
    for (uint32_t wrong = 15; wrong <= 16; wrong++) {
        tw *w = tw_world(t, 2, (tw_side *[2]){h, l}, h);
        uint8_t *bytes, none[8] = {0};
        tw_begin(w);
        tw_ask a = w->queue[0];
        for (uint32_t k = 0; !tw_may(w, 0, &a) || !a.has_q; k++) a = w->queue[k];
        size_t n = tw_says(t, h, h, rf_task_game(w->task, 0, 0), &a.q, &bytes);
        for (uint32_t k = 0; k < wrong; k++)
            cr_assert_eq(tw_send_opening(w, 0, &a.e.asked, none, 1 + k % 8), RF_R_CONTENT);
        cr_assert_eq(tw_send_opening(w, 0, &a.e.asked, bytes, n), wrong < 16 ? -1 : RF_R_LIMIT);
        ro_free(bytes);
        tw_free(w);
    }
    tw_truth_free(t);
}

/* Answers from whoever was not asked, to what is not open, in other contexts, twice. */
Test(task, T31_answers_out_of_turn)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw_side *h = tw_honest(t), *l = tw_liar(t, 2, 0, TW_OUTPUT, 4);
    tw *w = tw_world(t, 2, (tw_side *[2]){h, l}, h);
    uint8_t *bytes;
    rf_message m;
    tw_begin(w);
    uint32_t k = 0;
    while (w->queue[k].e.kind != RF_DO_ASK) k++;
    tw_ask a = w->queue[k];
    uint32_t mine = vd_digest_equal(&a.e.roots[a.e.sides == 2], &h->party.root) ? 0 : 1;
    const tw_side *side = w->member[mine].side;
    rf_game *g = rf_task_game(w->task, 0, 0);
    size_t n = tw_says(t, side, side, g, &a.q, &bytes);
    cr_assert_eq(tw_send_opening(w, 1 - mine, &a.e.asked, bytes, n), RF_R_STALE);
    vd_digest other = a.e.asked;
    other.b[0] ^= 1;
    cr_assert_eq(tw_send_opening(w, mine, &other, bytes, n), RF_R_STALE);
    cr_assert(vd_digest_equal(&tw_last(w, RF_DO_REFUSE)->asked, &a.e.asked));
    cr_assert_eq(tw_send_opening(w, mine, &a.e.asked, bytes, n - 1), RF_R_CONTENT);
    m = tw_message(w, mine, RF_M_OPENING);
    m.question = a.e.asked;
    m.claim.opening.size = n;
    cr_assert_eq(tw_send(w, mine, &m, bytes, n), RF_R_CONTENT); /* its digest is of other bytes */
    m.claim.opening.digest = rf_payload_digest(bytes, n);
    m.role = RF_AUDITOR;
    cr_assert_eq(tw_send(w, mine, &m, bytes, n), RF_R_CONTEXT);
    m.role = RF_PROVIDER;
    m.task.b[0] ^= 1;
    cr_assert_eq(tw_send(w, mine, &m, bytes, n), RF_R_CONTEXT);
    m.task.b[0] ^= 1;
    m.referee.b[0] ^= 1;
    cr_assert_eq(tw_send(w, mine, &m, bytes, n), RF_R_CONTEXT);
    m.referee.b[0] ^= 1;
    m.key[0] ^= 1;
    cr_assert_eq(tw_send(w, mine, &m, bytes, n), RF_R_UNKNOWN);
    cr_assert_eq(tw_send_opening(w, mine, &a.e.asked, bytes, n), -1);
    uint64_t at = tw_last(w, RF_DO_ACCEPT)->position;
    cr_assert_eq(tw_send_opening(w, mine, &a.e.asked, bytes, n), -1); /* the same message */
    cr_assert(tw_last(w, RF_DO_ACCEPT)->duplicate);
    cr_assert_eq(tw_last(w, RF_DO_ACCEPT)->position, at);
    ro_free(bytes);
    cr_assert_eq(w->struck, 0);
    tw_finish(w);
    cr_assert(tw_accepted(w, h));
    tw_free(w);
    tw_truth_free(t);
}

/* Answer everything at the last moment; how long it took until nothing is open or an audit is. */
static uint64_t stalled(tw *w)
{
    uint64_t start = w->now, most = start;
    while (w->head < w->tail) {
        tw_ask a = w->queue[w->head++];
        if (a.e.kind == RF_DO_CHALLENGE) tw_challenge(w, &a);
        if (a.e.kind == RF_DO_RUN) tw_work(w, &a);
        if (a.e.kind == RF_DO_AUDIT || a.e.kind == RF_DO_DELIVER) {
            w->head--;
            break;
        }
        if (a.e.kind != RF_DO_ASK) continue;
        if (a.e.deadline - 1 > w->now) w->now = a.e.deadline - 1;
        tw_answer(w, &a);
        if (w->now > most) most = w->now;
    }
    return most - start;
}

/* T27: with every answer at the last moment and saboteurs on the honest root, some silent, some
 * with false claims, the dispute ends within the bound and the honest one loses nothing. */
Test(task, T27_every_answer_at_the_last_moment, .timeout = 100)
{
    for (uint32_t segment = 0; segment <= 3; segment += 3)
        for (uint32_t saboteurs = 1; saboteurs <= 16; saboteurs *= 4) {
            tw_truth *t = tw_truth_small(6, segment);
            tw_side *h = tw_honest(t), *l[3], *bad[16];
            uint32_t n = saboteurs + 4;
            rf_task_counts c;
            tw *w = tw_new(t, n);
            for (uint64_t k = 0; k < 3; k++) l[k] = tw_liar(t, 4 + k % 2, 0, TW_OUTPUT, k + 4);
            for (uint64_t k = 0; k < 16; k++) bad[k] = tw_liar(t, 3, 1, TW_OUTPUT, k + 1);
            w->auditor = h;
            for (uint32_t k = 0; k < n; k++) {
                w->member[k].side = k == 0 || k > 3 ? h : l[k - 1];
                w->member[k].silent = k > 3 && k % 2;
                if (k > 3) w->member[k].claims = bad[k - 4];
            }
            tw_begin(w);
            uint64_t took = stalled(w);
            rf_task_get_counts(w->task, &c);
            cr_assert_leq(took, rf_task_bound_ms(&w->setup.params, c.roots, n, 16), "%s", w->log);
            cr_assert_gt(took, 10 * rf_deadline_ms(&w->setup.params, 0, 0));
            tw_finish(w);
            cr_assert(tw_accepted(w, h));
            cr_assert_eq(tw_lost(w, 0), RF_LOST_NOTHING);
            tw_free(w);
            tw_truth_free(t);
        }
}

/* T33: who comes first changes nothing about who meets whom. */
Test(task, T33_arrival_does_not_choose_the_pairs)
{
    enum { SIDES = 6 };
    tw_truth *t = tw_truth_small(6, 0);
    tw_side *side[SIDES] = {tw_honest(t)};
    vd_digest met[2][8][2], draw[2];
    for (uint64_t k = 1; k < SIDES; k++) side[k] = tw_liar(t, 2, 0, TW_OUTPUT, k);
    for (uint32_t turn = 0; turn < 2; turn++) {
        tw *w = tw_new(t, SIDES);
        uint32_t pairs = 0;
        for (uint32_t k = 0; k < SIDES; k++) w->member[k].side = side[k];
        for (uint32_t k = 0; k < SIDES; k++) tw_send_work(w, turn ? SIDES - 1 - k : k);
        tw_plain(w, RF_EV_READY);
        tw_tick(w, rf_task_deadline(w->task));
        for (uint32_t k = 0; k < SIDES; k++) tw_send_commit(w, turn ? (k + 3) % SIDES : k);
        tw_tick(w, rf_task_deadline(w->task));
        for (uint32_t k = 0; k < SIDES; k++) tw_send_reveal(w, turn ? SIDES - 1 - k : k);
        tw_tick(w, rf_task_deadline(w->task));
        uint32_t n;
        const rf_effect *e = rf_task_effects(w->task, &n);
        for (uint32_t k = 0; k < n; k++)
            if (e[k].kind == RF_DO_ASK && e[k].sides == 1) {
                met[turn][pairs][0] = e[k].roots[0];
                met[turn][pairs++][1] = e[k].roots[1];
            }
        cr_assert_eq(pairs, 3);
        draw[turn] = tw_last(w, RF_DO_PUBLISH)->asked;
        tw_free(w);
    }
    cr_assert(vd_digest_equal(&draw[0], &draw[1]));
    cr_assert_arr_eq(met[0], met[1], 3 * sizeof met[0][0]);
    tw_truth_free(t);
}

/* T34: after the end nothing moves. */
Test(task, T34_nothing_moves_after_the_end)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw_side *h = tw_honest(t), *l = tw_liar(t, 2, 0, TW_OUTPUT, 4);
    tw *w = tw_world(t, 3, (tw_side *[3]){h, l, h}, h);
    rf_event e;
    uint32_t n;
    tw_run(w);
    cr_assert_eq(w->settled, 1);
    for (rf_event_kind k = RF_EV_TICK; k <= RF_EV_ALARM; k++) {
        rf_message m = tw_commitment(w, 0);
        memset(&e, 0, sizeof e);
        e.kind = k;
        e.message = &m;
        w->now += UINT64_C(1) << 40;
        tw_event(w, &e);
        const rf_effect *x = rf_task_effects(w->task, &n);
        for (uint32_t i = 0; i < n; i++) cr_assert_eq(x[i].kind, RF_DO_REFUSE);
        cr_assert_eq(rf_task_get_state(w->task), RF_T_SETTLED);
    }
    cr_assert_eq(rf_task_deadline(w->task), UINT64_MAX);
    cr_assert_eq(w->settled, 1);
    tw_free(w);
    tw_truth_free(t);
}

/* T06, T32: many roots of one honest member: V-007, and as many rounds as a bracket has. */
static void many_roots(uint32_t roots, uint32_t most_rounds)
{
    tw_truth *t = tw_truth_small(4, 0);
    tw *w = tw_new(t, roots);
    rf_task_counts c;
    tw_side **side = calloc(roots, sizeof *side);
    uint32_t me = roots / 3;
    for (uint32_t k = 0; k < roots; k++) {
        side[k] = k == me ? tw_honest(t) : tw_liar(t, 1 + k % 3, k / 3 % 3, TW_OUTPUT, k + 1);
        w->member[k].side = side[k];
    }
    w->auditor = side[me];
    tw_run(w);
    rf_task_get_counts(w->task, &c);
    cr_assert_eq(c.roots, roots);
    cr_assert_leq(c.recomputed, roots - 1);
    cr_assert_leq(c.levels, most_rounds);
    cr_assert(tw_accepted(w, side[me]));
    cr_assert_eq(tw_lost(w, me), RF_LOST_NOTHING);
    cr_assert_eq(w->struck, roots - 1);
    cr_assert_eq(rf_task_get_state(w->task), RF_T_SETTLED);
    free(side);
    tw_free(w);
    tw_truth_free(t);
}

Test(task, T32_64_distinct_roots_with_one_honest, .timeout = 60) { many_roots(64, 6); }
Test(task, T32_1000_distinct_roots_with_one_honest, .timeout = 300) { many_roots(1000, 10); }

/* ---- T24, T61, T74, T75: segment claims ------------------------------------------------------ */

/* A run of 6 steps in segments of 3. The liar lies in an output of step 4; saboteurs reveal the
 * honest root and file claims of segment 1 that lie in step 3 at a node that no output or state
 * shows, so they are admitted. */
typedef struct {
    tw_truth *t;
    tw_side *h, *l, *bad[3];
} segments;

static segments segments_new(void)
{
    segments s;
    s.t = tw_truth_small(6, 3);
    s.h = tw_honest(s.t);
    s.l = tw_liar(s.t, 4, 0, TW_OUTPUT, 4);
    for (uint64_t k = 0; k < 3; k++) s.bad[k] = tw_liar(s.t, 3, 1, TW_OUTPUT, k + 4);
    return s;
}

static void segments_free(segments *s) { tw_truth_free(s->t); }

/* Begin, answer what is asked but work and windows of the honest root: that window is returned. */
static tw_ask until_window(tw *w, const segments *s)
{
    tw_ask window;
    memset(&window, 0, sizeof window);
    tw_begin(w);
    while (w->head < w->tail) {
        tw_ask a = w->queue[w->head++];
        if (a.has_q && a.q.kind == RF_Q_SEGMENTS && vd_digest_equal(&a.e.claim, &s->h->party.root))
            window = a;
        if (a.e.kind == RF_DO_CHALLENGE) tw_challenge(w, &a);
        if (a.e.kind == RF_DO_ASK) tw_answer(w, &a);
    }
    cr_assert(window.has_q);
    return window;
}

/* A false claim of segment 1 that is judged before the honest one. */
static const tw_side *false_first(const segments *s)
{
    vd_claim_body right = tw_claim(s->t, s->h, s->h, 1), wrong = right;
    const tw_side *side = NULL;
    for (uint64_t salt = 1; memcmp(wrong.tree.b, right.tree.b, VD_DIGEST) >= 0; salt++) {
        side = tw_liar(s->t, 3, 1, TW_OUTPUT, salt);
        wrong = tw_claim(s->t, s->h, side, 1);
    }
    return side;
}

static int is_hidden(const segments *s)
{
    return memcmp(s->bad[0]->segment, s->h->segment, sizeof s->h->segment) == 0 &&
           memcmp(s->bad[0]->step_hash[3], s->h->step_hash[3], VD_DIGEST) != 0;
}

Test(task, T61_segment_saboteurs_on_the_honest_root)
{
    segments s = segments_new();
    cr_assert(is_hidden(&s));
    for (uint32_t saboteurs = 0; saboteurs <= 3; saboteurs++)
        for (uint32_t first = 0; first < 2; first++) { /* who files first */
            tw *w = tw_new(s.t, saboteurs + 2);
            uint32_t me = first ? 0 : saboteurs, lies = saboteurs + 1;
            uint32_t struck = 0;
            w->auditor = s.h;
            for (uint32_t k = 0; k < saboteurs + 2; k++) {
                w->member[k].side = k == lies ? s.l : s.h;
                if (k != lies && k != me) w->member[k].claims = s.bad[k % 3];
            }
            tw_run(w);
            cr_assert(tw_accepted(w, s.h), "%s", w->log);
            cr_assert_eq(tw_lost(w, me), RF_LOST_NOTHING);
            cr_assert_eq(tw_lost(w, lies), RF_LOST_CLAIM, "%s", w->log); /* its root's last */
            for (uint32_t k = 0; k < saboteurs + 2; k++)
                if (k != lies && k != me && tw_lost(w, k) != RF_LOST_NOTHING) {
                    cr_assert_eq(tw_lost(w, k), RF_LOST_CLAIM);
                    struck++;
                }
            cr_assert_leq(recomputed(w), saboteurs + 1);
            cr_assert_eq(w->struck, struck + 1);
            tw_free(w);
        }
    segments_free(&s);
}

/* T74: what is filed first closes nothing: the honest claim may come at the last moment. */
Test(task, T74_windows_stay_open_until_all_have_filed_or_the_deadline)
{
    segments s = segments_new();
    for (int64_t off = -1; off <= 1; off++) {
        tw *w = tw_world(s.t, 3, (tw_side *[3]){s.h, s.h, s.l}, s.h);
        w->member[1].claims = s.bad[0];
        w->member[0].no_claims = 1;
        tw_ask window = until_window(w, &s);
        uint64_t deadline = window.e.deadline;
        cr_assert_eq(rf_task_deadline(w->task), deadline); /* the others' are in */
        w->now = deadline + (uint64_t)off;
        int refused = tw_send_segment(w, 0, &window.e.asked, 1);
        cr_assert_eq(refused, off < 0 ? -1 : RF_R_STALE, "%d", refused);
        w->member[0].no_claims = 0;
        tw_finish(w);
        cr_assert_eq(tw_lost(w, 0), off < 0 ? RF_LOST_NOTHING : RF_LOST_VERDICT, "%d: %s", (int)off,
                     w->log);
        if (off >= 0) cr_assert_eq(tw_lost(w, 1), RF_LOST_CLAIM);
        else cr_assert(tw_accepted(w, s.h));
        tw_free(w);
    }
    segments_free(&s);
}

/* T75: one claim a slot: the same in two envelopes is one, two different ones are equivocation, and
 * one that is not admitted is refused and still its signer's. */
Test(task, T75_slots_of_segment_claims)
{
    segments s = segments_new();
    tw *w = tw_world(s.t, 4, (tw_side *[4]){s.h, s.h, s.h, s.l}, s.h);
    for (uint32_t k = 0; k < 3; k++) w->member[k].no_claims = 1;
    tw_ask window = until_window(w, &s);
    vd_digest other = window.e.asked;
    other.b[0] ^= 1;
    cr_assert_eq(tw_send_segment(w, 0, &other, 1), RF_R_STALE);
    cr_assert_eq(tw_send_segment(w, 0, &window.e.asked, 0), RF_R_STALE); /* not asked for */
    cr_assert_eq(tw_send_segment(w, 0, &window.e.asked, 1), -1);
    cr_assert_eq(tw_send_segment(w, 0, &window.e.asked, 1), -1);
    cr_assert(tw_last(w, RF_DO_ACCEPT)->duplicate);
    cr_assert_eq(tw_send_segment(w, 0, &other, 1), -1); /* another envelope */
    cr_assert(tw_last(w, RF_DO_ACCEPT)->duplicate);
    w->member[1].claims = s.l; /* ends in another state: not admitted */
    cr_assert_eq(tw_send_segment(w, 1, &window.e.asked, 1), RF_R_CONTENT);
    cr_assert_eq(tw_lost(w, 1), RF_LOST_NOTHING);
    w->member[1].claims = s.h;
    cr_assert_eq(tw_send_segment(w, 1, &window.e.asked, 1), RF_R_CONFLICT);
    cr_assert_eq(tw_lost(w, 1), RF_LOST_EQUIVOCATION);
    w->member[2].claims = s.bad[1];
    cr_assert_eq(tw_send_segment(w, 2, &window.e.asked, 1), -1); /* all have filed */
    w->member[2].claims = s.bad[2];
    cr_assert_eq(tw_send_segment(w, 2, &window.e.asked, 1), RF_R_CONFLICT);
    cr_assert_eq(tw_lost(w, 2), RF_LOST_EQUIVOCATION);
    tw_finish(w);
    cr_assert(tw_accepted(w, s.h), "%s", w->log);
    cr_assert_eq(tw_lost(w, 0), RF_LOST_NOTHING);
    cr_assert_eq(tw_lost(w, 3), RF_LOST_CLAIM);
    tw_free(w);
    segments_free(&s);
}

Test(task, T26_no_claim_filed_forfeits_the_root)
{
    segments s = segments_new();
    for (int both = 0; both < 2; both++) {
        tw *w = tw_world(s.t, 2, (tw_side *[2]){s.h, s.l}, s.h);
        w->member[1].no_claims = 1;
        w->member[0].no_claims = both;
        tw_run(w);
        cr_assert_eq(tw_lost(w, 1), RF_LOST_FORFEIT);
        cr_assert_eq(tw_lost(w, 0), both ? RF_LOST_FORFEIT : RF_LOST_NOTHING);
        cr_assert_eq(recomputed(w), 0);
        tw_free(w);
    }
    segments_free(&s);
}

/* ---- T24, T74: explanations ------------------------------------------------------------------ */

#define DEAR UINT64_C(140000) /* terms: both operands have over 1 MiB */

Test(task, T24_false_explanations_on_the_honest_root, .timeout = 200)
{
    for (uint32_t segment = 0; segment <= 2; segment += 2)
        for (uint32_t saboteurs = 0; saboteurs <= 2; saboteurs++) {
            tw_truth *t = tw_truth_dear(DEAR, segment);
            tw_side *h = tw_honest(t), *l = tw_liar(t, 0, 0, TW_OUTPUT, 1 << 20);
            tw *w = tw_new(t, saboteurs + 2);
            rf_task_counts c;
            w->auditor = h;
            for (uint32_t k = 0; k < saboteurs + 2; k++) {
                w->member[k].side = k == saboteurs + 1 ? l : h;
                w->member[k].forges = k < saboteurs;
            }
            tw_run(w);
            rf_task_get_counts(w->task, &c);
            cr_assert(tw_accepted(w, h), "%s", w->log);
            cr_assert_eq(tw_lost(w, saboteurs), RF_LOST_NOTHING, "%s", w->log);
            cr_assert_neq(tw_lost(w, saboteurs + 1), RF_LOST_NOTHING);
            for (uint32_t k = 0; k < saboteurs; k++)
                cr_assert(tw_lost(w, k) == RF_LOST_NOTHING || tw_lost(w, k) == RF_LOST_CLAIM);
            cr_assert_geq(c.explanations, 2);
            cr_assert_geq(c.recomputed, 1, "%s", w->log);
            cr_assert_leq(c.recomputed, c.roots + c.claims + c.explanations - 1);
            tw_free(w);
            tw_truth_free(t);
        }
}

Test(task, T26_nobody_explains, .timeout = 100)
{
    tw_truth *t = tw_truth_dear(DEAR, 0);
    tw_side *h = tw_honest(t), *l = tw_liar(t, 0, 0, TW_OUTPUT, 1 << 20);
    tw *w = tw_world(t, 2, (tw_side *[2]){h, l}, h);
    w->member[1].no_claims = 1;
    tw_run(w);
    cr_assert(tw_accepted(w, h), "%s", w->log);
    cr_assert_eq(tw_lost(w, 1), RF_LOST_FORFEIT);
    cr_assert_eq(recomputed(w), 0);
    tw_free(w);
    tw_truth_free(t);
}

/* ---- T36, T60: the referee's own troubles -------------------------------------------------- */

Test(task, T60_two_implementations_that_differ_condemn_nobody)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw_side *h = tw_honest(t), *l = tw_liar(t, 2, 0, TW_OUTPUT, 4);
    tw *w = tw_world(t, 2, (tw_side *[2]){h, l}, h);
    w->kernel_lies = 1;
    tw_run(w);
    cr_assert_eq(rf_task_end(w->task), RF_END_REFUNDED);
    cr_assert_eq(w->struck, 0);
    cr_assert_not_null(strstr(w->log, "alarm"));
    tw_free(w);
    tw_truth_free(t);
}

/* It gives the liar's element, of whose explanation a part was recomputed: that is not struck. */
Test(task, T60_a_kernel_that_gives_the_liars_element_strikes_nobody, .timeout = 100)
{
    for (uint32_t segment = 0; segment <= 2; segment += 2) {
        tw_truth *t = tw_truth_dear(DEAR, segment);
        tw_side *h = tw_honest(t), *l = tw_liar(t, 0, 0, TW_OUTPUT, 1 << 20);
        tw *w = tw_world(t, 2, (tw_side *[2]){h, l}, h);
        w->kernel_lies = 1 << 20;
        tw_run(w);
        cr_assert_eq(rf_task_end(w->task), RF_END_REFUNDED, "%s", w->log);
        cr_assert_eq(w->struck, 0, "%s", w->log);
        cr_assert_not_null(strstr(w->log, "alarm"));
        cr_assert_eq(recomputed(w), 1);
        tw_free(w);
        tw_truth_free(t);
    }
}

Test(task, T36_faults_are_tried_again_and_then_refunded)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw_side *h = tw_honest(t), *l = tw_liar(t, 2, 0, TW_OUTPUT, 4);
    for (uint32_t faults = 0; faults <= 5; faults++) {
        tw *w = tw_world(t, 3, (tw_side *[3]){h, l, h}, h);
        uint32_t retries = w->setup.params.retries;
        w->faults = faults;
        tw_run(w);
        cr_assert_eq(retries, 3);
        int refunded = faults > retries;
        cr_assert_eq(rf_task_end(w->task), refunded ? RF_END_REFUNDED : RF_END_SETTLED, "%u: %s",
                     faults, w->log);
        cr_assert_eq(tw_lost(w, 1), refunded ? RF_LOST_NOTHING : RF_LOST_VERDICT);
        cr_assert_eq(tw_lost(w, 0), RF_LOST_NOTHING);
        tw_free(w);
    }
    tw_truth_free(t);
}

/* ---- T03, T07, T65, T66, T77: audits, attention, delivery --------------------------------- */

Test(task, T77_a_staged_dispute_does_not_spare_the_audit)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw_side *h = tw_honest(t);
    tw_side *a = tw_liar(t, 2, 0, TW_OUTPUT, 4), *b = tw_liar(t, 2, 0, TW_OUTPUT, 5);
    tw *w = tw_world(t, 2, (tw_side *[2]){a, b}, h);
    rf_task_counts c;
    w->member[1].silent = 1; /* the friend that loses on purpose */
    tw_run(w);
    rf_task_get_counts(w->task, &c);
    cr_assert(c.audited);
    cr_assert(tw_accepted(w, h), "%s", w->log);
    cr_assert_eq(tw_lost(w, 0), RF_LOST_VERDICT);
    cr_assert_eq(tw_lost(w, 1), RF_LOST_FORFEIT);
    tw_free(w);
    tw_truth_free(t);
}

/* An auditor is a claimant: one that is wrong falls, and slashes nobody. */
Test(task, T65_an_auditor_that_is_wrong)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw_side *h = tw_honest(t), *l = tw_liar(t, 2, 0, TW_OUTPUT, 4);
    tw *w = tw_world(t, 2, (tw_side *[2]){h, h}, l);
    w->member[1].uncommitted = 1;
    tw_run(w);
    cr_assert(tw_accepted(w, h), "%s", w->log);
    cr_assert_eq(tw_lost(w, 0), RF_LOST_NOTHING);
    cr_assert_eq(recomputed(w), 1);
    cr_assert_eq(rf_task_end(w->task), RF_END_SETTLED);
    tw_free(w);
    tw_truth_free(t);
}

Test(task, T65_no_auditor_is_the_referees_fault)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw_side *h = tw_honest(t);
    tw *w = tw_world(t, 2, (tw_side *[2]){h, h}, NULL);
    w->member[1].uncommitted = 1;
    tw_run(w);
    cr_assert_eq(rf_task_end(w->task), RF_END_REFUNDED);
    cr_assert_eq(w->struck, 0);
    tw_free(w);
    tw_truth_free(t);
}

Test(task, T65_undelivered)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw_side *h = tw_honest(t);
    tw *w = tw_world(t, 3, (tw_side *[3]){h, h, h}, h);
    w->undelivered = 1;
    tw_run(w);
    cr_assert_eq(rf_task_get_state(w->task), RF_T_REFUNDED);
    cr_assert_eq(rf_task_end(w->task), RF_END_UNDELIVERED);
    cr_assert_eq(w->struck, 0);
    cr_assert_eq(w->settled, 1);
    tw_free(w);
    tw_truth_free(t);
}

Test(task, T65_nobody_reveals_or_commits)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw_side *h = tw_honest(t);
    for (int k = 0; k < 3; k++) {
        tw *w = tw_world(t, 2, (tw_side *[2]){h, h}, h);
        for (int i = 0; i < 2; i++) {
            w->member[i].absent = k == 0;
            w->member[i].uncommitted = k == 1;
            w->member[i].unrevealed = k == 2;
        }
        tw_run(w);
        cr_assert_eq(rf_task_end(w->task), RF_END_NOBODY);
        cr_assert_eq(w->struck, k == 2 ? 2 : 0);
        tw_free(w);
    }
    tw_truth_free(t);
}

/* T66: the client that keeps its data back. */
Test(task, T66_commit_does_not_open_without_the_jobs_data)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw_side *h = tw_honest(t);
    tw *w = tw_world(t, 2, (tw_side *[2]){h, h}, h);
    uint32_t n, released = 0;
    tw_send_work(w, 0);
    tw_send_work(w, 1);
    tw_tick(w, rf_task_deadline(w->task));
    const rf_effect *e = rf_task_effects(w->task, &n);
    for (uint32_t k = 0; k < n; k++) released += e[k].kind == RF_DO_RELEASE;
    cr_assert_eq(rf_task_get_state(w->task), RF_T_REFUNDED);
    cr_assert_eq(released, 2);
    tw_free(w);
    tw_truth_free(t);
}

Test(task, T03_challenges_unanswered_and_answered_wrong)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw_side *h = tw_honest(t);
    tw *w = tw_world(t, 4, (tw_side *[4]){h, h, h, h}, h);
    w->member[1].inattentive = 1;
    w->member[2].wrong_attention = 1;
    tw_run(w);
    cr_assert(tw_accepted(w, h), "%s", w->log);
    cr_assert_eq(tw_lost(w, 0), RF_LOST_NOTHING);
    cr_assert_eq(tw_lost(w, 1), RF_LOST_ATTENTION);
    cr_assert_eq(tw_lost(w, 2), RF_LOST_ATTENTION);
    cr_assert_eq(tw_lost(w, 3), RF_LOST_NOTHING);
    tw_free(w);
    tw_truth_free(t);
}

/* ---- time, more of it ---------------------------------------------------------------------- */

/* T30: no claim inherits or loses time: a question's deadline counts from when it was asked,
 * however early or late the ones before it were answered. */
Test(task, T30_every_question_has_its_whole_time)
{
    segments s = segments_new();
    tw *w = tw_world(s.t, 3, (tw_side *[3]){s.h, s.h, s.l}, s.h);
    w->member[1].claims = s.bad[0];
    tw_begin(w);
    const rf_params *p = &w->setup.params;
    uint32_t asked = 0;
    while (w->head < w->tail) {
        tw_ask a = w->queue[w->head++];
        if (a.e.kind == RF_DO_ASK) {
            uint64_t now = w->now, ms = a.e.deadline - now;
            asked++;
            if (a.e.sides != 2) /* of two asked at once the second is answered after the first */
                cr_assert(ms == rf_deadline_max_ms(p) || ms == rf_deadline_ms(p, 0, 1 << 17),
                          "%llu", (unsigned long long)ms);
            w->now = a.e.deadline - 1;
            tw_answer(w, &a);
        } else if (a.e.kind == RF_DO_CHALLENGE) {
            tw_challenge(w, &a);
        } else if (a.e.kind == RF_DO_RUN) {
            tw_work(w, &a);
        }
    }
    cr_assert_gt(asked, 12);
    tw_free(w);
    segments_free(&s);
}

/* Expiries of one time are applied in the order of the claims' roots, whoever came first. */
Test(task, T29_expiries_in_the_order_of_roots)
{
    enum { SIDES = 16 };
    tw_truth *t = tw_truth_small(6, 0);
    tw_side *side[SIDES];
    for (uint64_t k = 0; k < SIDES; k++) side[k] = tw_liar(t, 2, 0, TW_OUTPUT, k + 1);
    tw *w = tw_world(t, SIDES, side, NULL);
    uint32_t n, closed = 0;
    vd_digest last = {{0}};
    tw_begin(w);
    tw_tick(w, w->now + rf_deadline_ms(&w->setup.params, 0, VD_DESCEND_MAX * VD_DIGEST));
    const rf_effect *e = rf_task_effects(w->task, &n);
    for (uint32_t k = 0; k < n; k++) {
        if (e[k].kind != RF_DO_CLOSE) continue;
        const vd_digest *root = &e[k].roots[e[k].sides == 2];
        cr_assert_lt(memcmp(last.b, root->b, VD_DIGEST), 0);
        last = *root;
        closed++;
    }
    cr_assert_eq(closed, SIDES);
    cr_assert_eq(w->struck, SIDES);
    cr_assert_eq(rf_task_end(w->task), RF_END_NOBODY);
    tw_free(w);
    tw_truth_free(t);
}

/* An audit that nobody does ends at its deadline; one done before it is in time. */
Test(task, T28_an_audit_before_at_and_after_its_deadline)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw_side *h = tw_honest(t);
    for (int64_t off = -1; off <= 1; off++) {
        tw *w = tw_world(t, 2, (tw_side *[2]){h, h}, NULL);
        rf_event e;
        w->member[1].unrevealed = 1;
        tw_begin(w);
        tw_pump(w);
        tw_tick(w, w->now);
        memset(&e, 0, sizeof e);
        e.kind = RF_EV_AUDITOR;
        memset(e.key, 9, sizeof e.key);
        memset(w->member[2].key, 9, sizeof e.key);
        w->member[2].side = h;
        tw_event(w, &e);
        cr_assert_not_null(tw_last(w, RF_DO_ACCEPT));
        tw_event(w, &e);
        cr_assert_not_null(tw_last(w, RF_DO_REFUSE)); /* one at a time */
        w->now = rf_task_deadline(w->task) + (uint64_t)off;
        cr_assert_eq(tw_send_reveal(w, 2), off < 0 ? -1 : RF_R_LATE);
        cr_assert_eq(rf_task_get_state(w->task), off < 0 ? RF_T_RESOLVED : RF_T_AGREED, "%s",
                     w->log);
        tw_free(w);
    }
    tw_truth_free(t);
}

/* ---- V-008: evidence of a task's verdicts --------------------------------------------------- */

Test(task, V008_verdicts_by_element_and_partial_have_evidence, .timeout = 100)
{
    for (int k = 0; k < 4; k++) {
        const uint32_t segment = k == 1 ? 3 : k == 3 ? 2 : 0;
        tw_truth *t = k < 2 ? tw_truth_small(6, segment) : tw_truth_dear(DEAR, segment);
        tw_side *h = tw_honest(t), *l = tw_liar(t, k < 2 ? 4 : 0, 0, TW_OUTPUT, 1 << 20);
        tw *w = tw_world(t, 2, (tw_side *[2]){h, l}, h);
        const rf_effect *v = NULL;
        rf_signer none[2];
        uint8_t *bytes;
        size_t n;
        rf_evidence got;
        ro_err err = {RO_OK, {0}};
        memset(none, 0, sizeof none);
        for (int side = 0; side < 2; side++) strcpy(none[side].backend, "cpu test");
        tw_begin(w);
        while (!v && w->head < w->tail) {
            tw_ask a = w->queue[w->head++];
            if (a.e.kind == RF_DO_CHALLENGE) tw_challenge(w, &a);
            if (a.e.kind == RF_DO_ASK) tw_answer(w, &a);
            if (a.e.kind == RF_DO_RUN) tw_work(w, &a);
            v = tw_last(w, RF_DO_VERDICT);
        }
        cr_assert(v && v->verdict, "%s", w->log);
        cr_assert_eq(v->verdict->method, k < 2 ? RF_BY_ELEMENT : RF_BY_PARTIAL);
        rf_game *g = rf_task_game(w->task, v->level, v->pair);
        must(rf_evidence_write(g, none, none, &bytes, &n, &err), &err);
        must(rf_evidence_check(bytes, n, &got, &err), &err);
        int wrong = vd_digest_equal(&got.roots[0], &l->party.root) ? 0 : 1;
        cr_assert(got.guilty[wrong] && !got.guilty[1 - wrong]);
        cr_assert_eq(got.method, v->verdict->method);
        ro_free(bytes);
        tw_free(w);
        tw_truth_free(t);
    }
}

/* ---- whoever may not, whatever does not fit ------------------------------------------------ */

static int send_empty(tw *w, const rf_message *m) { return tw_send(w, 0, m, NULL, 0); }

static void host_event(tw *w, rf_event_kind kind, uint32_t member)
{
    rf_event e;
    memset(&e, 0, sizeof e);
    e.kind = kind;
    e.member = member;
    memset(e.key, 9, sizeof e.key);
    e.work = 77;
    tw_event(w, &e);
}

Test(task, T08_messages_that_do_not_fit_are_refused_and_cost_nothing)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw_side *h = tw_honest(t);
    tw *w = tw_world(t, 3, (tw_side *[3]){h, h, h}, h);
    rf_message m = tw_message(w, 0, RF_M_WORK);
    cr_assert_eq(send_empty(w, &m), RF_R_MISMATCH); /* other terms */
    m.role = RF_AUDITOR;
    cr_assert_eq(send_empty(w, &m), RF_R_CONTEXT);
    m = tw_message(w, 0, RF_M_RECEIPT);
    m.role = RF_REFEREE;
    cr_assert_eq(send_empty(w, &m), RF_R_CONTEXT);
    cr_assert_eq(tw_send_commit(w, 0), RF_R_UNKNOWN);
    for (uint32_t k = 0; k < 3; k++) tw_send_work(w, k);
    m = tw_message(w, 0, RF_M_CHALLENGE);
    cr_assert_eq(send_empty(w, &m), RF_R_EARLY);
    cr_assert_eq(tw_send_opening(w, 0, &h->party.root, "x", 1), RF_R_EARLY);
    host_event(w, RF_EV_DELIVERED, 0);
    cr_assert_eq(tw_last(w, RF_DO_REFUSE)->reason, RF_R_EARLY);
    host_event(w, RF_EV_AUDITOR, 0); /* nobody asked */
    cr_assert_eq(tw_last(w, RF_DO_REFUSE)->reason, RF_R_CONTEXT);
    host_event(w, RF_EV_WORK, 0); /* no such work */
    tw_plain(w, RF_EV_READY);
    tw_tick(w, rf_task_deadline(w->task));
    m = tw_commitment(w, 0);
    cr_assert_eq(tw_send(w, 0, &m, "x", 1), RF_R_CONTENT); /* it has no payload */
    m.role = RF_AUDITOR;
    cr_assert_eq(send_empty(w, &m), RF_R_CONTEXT);
    cr_assert_eq(w->struck, 0);
    tw_commit(w);
    tw_reveals(w);
    m = tw_message(w, 0, RF_M_CHALLENGE);
    m.slot.challenge = 1; /* there is one, number 0 */
    cr_assert_eq(send_empty(w, &m), RF_R_STALE);
    m.slot.challenge = UINT32_MAX;
    cr_assert_eq(send_empty(w, &m), RF_R_STALE);
    tw_ask a = w->queue[0];
    for (int k = 0; k < 3; k++) {
        m.slot.challenge = 0;
        m.slot.step = a.e.step + (k == 0);
        m.slot.node = a.e.node + (k == 1);
        m.slot.output = a.e.output + (k == 2);
        cr_assert_eq(send_empty(w, &m), RF_R_STALE);
    }
    tw_finish(w);
    cr_assert(tw_accepted(w, h));
    cr_assert_eq(w->struck, 0);
    tw_free(w);
    tw_truth_free(t);
}

/* Claimants without a slot have none of the rights of members. */
Test(task, T78_claimants_without_a_slot)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw_side *h = tw_honest(t);
    tw *w = tw_new(t, 4);
    ro_err err = {RO_OK, {0}};
    rf_task_free(w->task);
    w->setup.params = tw_params(t->job, 2);
    must(rf_task_new(&w->setup, w->now, &w->task, &err), &err);
    w->auditor = h;
    for (uint32_t k = 0; k < 4; k++) w->member[k].side = h;
    tw_open(w);
    uint32_t out = 0;
    for (uint32_t k = 0; k < 4; k++) {
        rf_task_member m;
        rf_message x = tw_message(w, k, RF_M_WITHDRAW);
        rf_task_get_member(w->task, k, &m);
        if (m.assigned) continue;
        out++;
        cr_assert_eq(tw_send_commit(w, k), RF_R_UNKNOWN);
        cr_assert_eq(tw_send(w, k, &x, NULL, 0), RF_R_UNKNOWN);
        w->member[k].uncommitted = w->member[k].inattentive = 1;
    }
    cr_assert_eq(out, 2);
    tw_commit(w);
    tw_reveals(w);
    tw_finish(w);
    cr_assert(tw_accepted(w, h), "%s", w->log);
    tw_free(w);
    tw_truth_free(t);
}

/* Whoever has lost is not heard any more, wherever it speaks; what it repeats is still known. */
Test(task, T01_the_struck_are_refused_everywhere)
{
    segments s = segments_new();
    tw *w = tw_world(s.t, 3, (tw_side *[3]){s.h, s.h, s.l}, s.h);
    tw_open(w);
    rf_message first = tw_commitment(w, 1), second = first, out = tw_message(w, 1, RF_M_WITHDRAW);
    second.claim.commitment.b[0] ^= 1;
    cr_assert_eq(tw_send(w, 1, &first, NULL, 0), -1);
    cr_assert_eq(tw_send(w, 1, &second, NULL, 0), RF_R_CONFLICT);
    cr_assert_eq(tw_send(w, 1, &out, NULL, 0), RF_R_STRUCK);
    cr_assert_eq(tw_send(w, 1, &first, NULL, 0), -1);
    tw_send_commit(w, 0);
    tw_send_commit(w, 2);
    tw_tick(w, rf_task_deadline(w->task));
    cr_assert_eq(tw_send_reveal(w, 1), RF_R_STRUCK);
    w->member[1].unrevealed = 1;
    tw_send_reveal(w, 0);
    tw_send_reveal(w, 2);
    tw_tick(w, rf_task_deadline(w->task));
    /* Struck after its reveal: its challenge, openings and claims. */
    rf_message other = tw_commitment(w, 2);
    other.claim.commitment.b[1] ^= 1;
    w->member[2].side = s.l;
    uint32_t k = 0;
    while (!w->queue[k].has_q) k++;
    cr_assert_eq(tw_send(w, 2, &other, NULL, 0), RF_R_CONFLICT);
    cr_assert_eq(tw_send_opening(w, 2, &w->queue[k].e.asked, "x", 1), RF_R_STRUCK);
    cr_assert_eq(tw_send_segment(w, 2, &w->queue[k].e.asked, 1), RF_R_STRUCK);
    rf_message c = tw_message(w, 2, RF_M_CHALLENGE);
    c.slot.step = w->queue[0].e.step;
    c.slot.node = w->queue[0].e.node;
    c.slot.output = w->queue[0].e.output;
    cr_assert_eq(tw_send(w, 2, &c, NULL, 0), RF_R_STRUCK);
    w->member[2].inattentive = 1;
    tw_finish(w);
    cr_assert(tw_accepted(w, s.h), "%s", w->log);
    cr_assert_eq(w->struck, 2);
    tw_free(w);
    segments_free(&s);
}

/* Struck while the window is open: what one has filed alone is dropped, and nobody waits for it. */
Test(task, T61_struck_while_a_window_is_open)
{
    for (int filed = 0; filed < 2; filed++) {
        segments s = segments_new();
        tw *w = tw_world(s.t, 3, (tw_side *[3]){s.h, s.h, s.l}, s.h);
        rf_task_counts c;
        w->member[1].claims = false_first(&s);
        w->member[0].no_claims = w->member[1].no_claims = 1;
        tw_ask window = until_window(w, &s);
        rf_message other = tw_commitment(w, 1);
        other.claim.commitment.b[0] ^= 1;
        if (filed) {
            cr_assert_eq(tw_send_segment(w, 1, &window.e.asked, 1), -1);
            cr_assert_eq(tw_send(w, 1, &other, NULL, 0), RF_R_CONFLICT);
            cr_assert_null(tw_last(w, RF_DO_CLOSE));
            cr_assert_eq(tw_send_segment(w, 0, &window.e.asked, 1), -1);
        } else {
            cr_assert_eq(tw_send_segment(w, 0, &window.e.asked, 1), -1);
            cr_assert_null(tw_last(w, RF_DO_CLOSE));
            cr_assert_eq(tw_send(w, 1, &other, NULL, 0), RF_R_CONFLICT);
        }
        cr_assert_not_null(tw_last(w, RF_DO_CLOSE));
        w->member[0].no_claims = 0;
        tw_pump(w);
        /* Nobody waits for openings of a claim that was dropped. */
        cr_assert_eq(w->verdicts, 1, "%s", w->log);
        tw_finish(w);
        rf_task_get_counts(w->task, &c);
        cr_assert(tw_accepted(w, s.h), "%s", w->log);
        cr_assert_eq(c.recomputed, 1);
        cr_assert_eq(tw_lost(w, 1), RF_LOST_EQUIVOCATION);
        cr_assert_eq(tw_lost(w, 2), RF_LOST_CLAIM);
        tw_free(w);
        segments_free(&s);
    }
}

/* A pair whose last member on a side falls by itself: what was recomputed until then counts. */
Test(task, V007_recomputations_of_a_pair_without_a_verdict)
{
    segments s = segments_new();
    tw *w = tw_world(s.t, 3, (tw_side *[3]){s.h, s.h, s.l}, s.h);
    w->member[1].claims = false_first(&s); /* struck while the honest one is left */
    tw_begin(w);
    while (!w->struck) {
        tw_ask a = w->queue[w->head++];
        if (a.e.kind == RF_DO_CHALLENGE) tw_challenge(w, &a);
        if (a.e.kind == RF_DO_ASK) tw_answer(w, &a);
        if (a.e.kind == RF_DO_RUN && a.has_q) tw_work(w, &a);
    }
    cr_assert_eq(tw_lost(w, 1), RF_LOST_CLAIM);
    rf_message other = tw_commitment(w, 2);
    other.claim.commitment.b[0] ^= 1;
    cr_assert_eq(tw_send(w, 2, &other, NULL, 0), RF_R_CONFLICT);
    cr_assert_null(tw_last(w, RF_DO_VERDICT)->verdict);
    cr_assert_eq(recomputed(w), 1);
    tw_finish(w);
    cr_assert(tw_accepted(w, s.h), "%s", w->log);
    tw_free(w);
    segments_free(&s);
}

/* T43: what had to be computed is paid once a pair and side, to who said it first and stands; what
 * lies in a trace file costs next to nothing; a false claim that came first is paid nothing. */
Test(task, T43_answers_are_paid_once_and_false_claims_never)
{
    segments s = segments_new();
    tw *w = tw_world(s.t, 3, (tw_side *[3]){s.h, s.h, s.l}, s.h);
    ro_err err = {RO_OK, {0}};
    rf_params *p = &w->setup.params;
    int64_t exposure, replays = 0, claims = 0;
    p->replay = 1000;
    p->segment = 700;
    must(rf_params_exposure(p, &exposure, &err), &err);
    p->stake = 10 * exposure;
    rf_task_free(w->task);
    must(rf_task_new(&w->setup, w->now, &w->task, &err), &err);
    w->member[0].claims = false_first(&s); /* members file in their order */
    tw_begin(w);
    tw_until(w, RF_T_FINAL);
    tw_tick(w, rf_task_deadline(w->task));
    const rf_effect *e = tw_last(w, RF_DO_SETTLE);
    for (uint32_t k = 0; k < e->transfer_count; k++) {
        const rf_transfer *x = &e->transfers[k];
        if (x->purpose != RF_FOR_RERUN) continue;
        cr_assert_eq(x->to.member, 1, "member %u is paid", x->to.member);
        replays += x->amount == p->replay;
        claims += x->amount == p->segment;
        cr_assert(x->amount == 1 || x->amount == p->replay || x->amount == p->segment);
    }
    cr_assert_eq(claims, 1);
    cr_assert_leq(replays, 1);
    cr_assert_eq(tw_lost(w, 0), RF_LOST_CLAIM);
    tw_free(w);
    segments_free(&s);
}

/* A challenge answered twice, and in two ways. */
Test(task, T03_challenges_repeated_and_contradicted)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw_side *h = tw_honest(t);
    tw *w = tw_world(t, 3, (tw_side *[3]){h, h, h}, h);
    tw_begin(w);
    rf_message m = tw_message(w, 1, RF_M_CHALLENGE);
    m.slot.step = w->queue[0].e.step;
    m.slot.node = w->queue[0].e.node;
    m.slot.output = w->queue[0].e.output;
    cr_assert_eq(tw_send(w, 1, &m, NULL, 0), -1);
    cr_assert_eq(tw_send(w, 1, &m, NULL, 0), -1);
    cr_assert(tw_last(w, RF_DO_ACCEPT)->duplicate);
    m.claim.challenge.b[0] ^= 1;
    cr_assert_eq(tw_send(w, 1, &m, NULL, 0), RF_R_CONFLICT);
    cr_assert_eq(tw_lost(w, 1), RF_LOST_EQUIVOCATION);
    memcpy(m.key, w->member[2].key, sizeof m.key);
    w->member[1].inattentive = w->member[2].inattentive = 1;
    tw_pump(w);
    tw_tick(w, rf_task_deadline(w->task));
    cr_assert_eq(tw_send(w, 2, &m, NULL, 0), RF_R_LATE);
    cr_assert_eq(tw_lost(w, 2), RF_LOST_ATTENTION);
    tw_finish(w);
    cr_assert(tw_accepted(w, h), "%s", w->log);
    cr_assert_eq(tw_lost(w, 0), RF_LOST_NOTHING);
    tw_free(w);
    tw_truth_free(t);
}

/* A claim garbled on its way is no claim; one for another place, or in an opening's, neither. */
Test(task, T75_claims_garbled_and_misplaced)
{
    segments s = segments_new();
    tw *w = tw_world(s.t, 2, (tw_side *[2]){s.h, s.l}, s.h);
    w->member[0].no_claims = 1;
    tw_ask window = until_window(w, &s);
    rf_message m = tw_message(w, 0, RF_M_SEGMENT);
    uint8_t leaves[3 * VD_STEP_LEAF_BYTES];
    memcpy(leaves, s.h->step[3], sizeof leaves);
    m.question = window.e.asked;
    m.slot.root = s.h->party.root;
    m.slot.segment = 1;
    m.claim.segment.body = tw_claim(s.t, s.h, s.h, 1);
    leaves[7] ^= 1;
    cr_assert_eq(tw_send(w, 0, &m, leaves, sizeof leaves), RF_R_CONTENT);
    leaves[7] ^= 1;
    cr_assert_eq(tw_send(w, 0, &m, leaves, sizeof leaves - 1), RF_R_CONTENT);
    m.slot.root.b[0] ^= 1; /* for a root that is not its own */
    cr_assert_eq(tw_send(w, 0, &m, leaves, sizeof leaves), RF_R_STALE);
    m.slot.root.b[0] ^= 1;
    cr_assert_eq(tw_send_opening(w, 0, &window.e.asked, leaves, sizeof leaves), RF_R_STALE);
    rf_message x = tw_message(w, 0, RF_M_EXPLANATION);
    x.question = window.e.asked;
    x.slot.root = s.h->party.root;
    cr_assert_eq(tw_send(w, 0, &x, NULL, 0), RF_R_STALE);
    cr_assert_eq(tw_send(w, 0, &m, leaves, sizeof leaves), -1);
    cr_assert_eq(w->struck, 0);
    w->member[0].no_claims = 0;
    tw_finish(w);
    cr_assert(tw_accepted(w, s.h), "%s", w->log);
    tw_free(w);
    segments_free(&s);
}

/* An explanation is for one claim, step, node, output, element, level and index. */
Test(task, T75_explanations_of_something_else, .timeout = 100)
{
    tw_truth *t = tw_truth_dear(DEAR, 0);
    tw_side *h = tw_honest(t), *l = tw_liar(t, 0, 0, TW_OUTPUT, 1 << 20);
    tw *w = tw_world(t, 2, (tw_side *[2]){h, l}, h);
    tw_begin(w);
    tw_ask a;
    uint8_t *bytes;
    for (;;) {
        a = w->queue[w->head++];
        if (a.has_q && a.q.kind == RF_Q_EXPLANATIONS && tw_may(w, 0, &a)) break;
        if (a.e.kind == RF_DO_CHALLENGE) tw_challenge(w, &a);
        if (a.e.kind == RF_DO_ASK) tw_answer(w, &a);
    }
    const rf_node *n = rf_game_subject(rf_task_game(w->task, a.e.level, a.e.pair));
    size_t size = tw_parts(t, n, &a.q, 0, 0, &bytes);
    for (int k = 0; k < 8; k++) {
        rf_message m = tw_message(w, 0, RF_M_EXPLANATION);
        m.question = a.e.asked;
        m.slot.root = a.e.claim;
        m.slot.root.b[0] ^= k == 0;
        m.slot.step = a.q.step + (k == 1);
        m.slot.node = a.q.node + (k == 2);
        m.slot.output = a.q.output + (k == 3);
        m.slot.element = a.q.element + (k == 4);
        m.slot.level = a.q.level + (k == 5);
        m.slot.index = a.q.index + (k == 6);
        m.claim.parts.count = size / 8;
        m.claim.parts.digest = rf_payload_digest(bytes, size);
        cr_assert_eq(tw_send(w, 0, &m, bytes, size), k < 7 ? RF_R_STALE : -1, "%d", k);
    }
    ro_free(bytes);
    w->head--;
    tw_finish(w);
    cr_assert(tw_accepted(w, h), "%s", w->log);
    cr_assert_eq(tw_lost(w, 0), RF_LOST_NOTHING);
    tw_free(w);
    tw_truth_free(t);
}

/* Host work that comes twice, of the wrong size, never, or too late to be tried again. */
Test(task, T36_the_hosts_answers_that_are_none)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw_side *h = tw_honest(t);
    for (int k = 0; k < 3; k++) {
        tw *w = tw_world(t, 2, (tw_side *[2]){h, h}, h);
        rf_event e;
        tw_begin(w);
        while (w->queue[w->head].e.kind == RF_DO_CHALLENGE) tw_challenge(w, &w->queue[w->head++]);
        cr_assert_eq(w->queue[w->head].e.kind, RF_DO_RUN);
        memset(&e, 0, sizeof e);
        e.kind = RF_EV_WORK;
        e.work = w->queue[w->head].e.work;
        e.bytes = "?";
        e.size = 1;
        e.end = k == 1 ? RF_WORK_CANNOT : k == 2 ? RF_WORK_FAULT : RF_WORK_DONE;
        tw_event(w, &e);
        if (k == 1) {
            cr_assert_eq(rf_task_get_state(w->task), RF_T_RESOLVED); /* nobody is struck for it */
        } else {
            cr_assert_not_null(tw_last(w, RF_DO_RUN)); /* again, and not at once */
            cr_assert_gt(tw_last(w, RF_DO_RUN)->deadline, w->now);
            w->head++;
        }
        if (k == 2) {
            w->now += w->setup.params.retry_ms;
            tw_event(w, &e);
            cr_assert_eq(rf_task_end(w->task), RF_END_REFUNDED);
        }
        tw_finish(w);
        tw_event(w, &e); /* long done */
        cr_assert_eq(w->struck, 0);
        tw_free(w);
    }
    tw_truth_free(t);
}

/* An auditor with another job's body, one that is a member already, one that says two things. */
Test(task, T65_auditors_that_are_none)
{
    tw_truth *t = tw_truth_small(6, 0), *other = tw_truth_small(5, 0);
    tw_side *h = tw_honest(t), *o = tw_honest(other);
    tw *w = tw_world(t, 2, (tw_side *[2]){h, h}, NULL);
    rf_event e;
    ro_err err = {RO_OK, {0}};
    uint32_t n;
    w->member[1].unrevealed = 1;
    tw_begin(w);
    tw_pump(w);
    must(rf_task_pending(w->task, &err), &err);
    cr_assert_eq(rf_task_effects(w->task, &n)[0].kind, RF_DO_AUDIT);
    memset(&e, 0, sizeof e);
    e.kind = RF_EV_AUDITOR;
    memcpy(e.key, w->member[0].key, sizeof e.key);
    tw_event(w, &e);
    cr_assert_eq(tw_last(w, RF_DO_REFUSE)->reason, RF_R_CONTEXT);
    for (uint8_t turn = 0; turn < 2; turn++) {
        memset(e.key, 20 + turn, sizeof e.key);
        memcpy(w->member[2].key, e.key, sizeof e.key);
        tw_event(w, &e);
        w->member[2].side = turn ? h : o;
        cr_assert_eq(tw_send_reveal(w, 2), turn ? -1 : RF_R_CONTENT);
        if (!turn) cr_assert_not_null(tw_last(w, RF_DO_AUDIT)); /* another is sought */
        if (!turn) cr_assert_eq(tw_send_reveal(w, 2), RF_R_LATE);
    }
    rf_message work = tw_message(w, 2, RF_M_WORK), two = tw_reveal(w, 2, h);
    uint8_t params[RF_PARAMS_BYTES];
    rf_params_encode(&w->setup.params, params);
    work.role = RF_PROVIDER;
    work.claim.terms = rf_terms_digest(params, sizeof params);
    cr_assert_eq(tw_send(w, 2, &work, NULL, 0), RF_R_CONTEXT);
    strcpy(two.claim.reveal.backend, "cuda test");
    cr_assert_eq(tw_send(w, 2, &two, NULL, 0), RF_R_CONFLICT);
    must(rf_task_pending(w->task, &err), &err);
    cr_assert_eq(rf_task_effects(w->task, &n)[0].kind, RF_DO_DELIVER);
    host_event(w, RF_EV_DELIVERED, 7);
    cr_assert_eq(tw_last(w, RF_DO_REFUSE)->reason, RF_R_UNKNOWN);
    host_event(w, RF_EV_DELIVERED, 1); /* it revealed nothing */
    cr_assert_eq(tw_last(w, RF_DO_REFUSE)->reason, RF_R_UNKNOWN);
    cr_assert_eq(tw_send_opening(w, 0, &h->party.root, "x", 1), RF_R_LATE);
    host_event(w, RF_EV_DELIVERED, RF_NONE); /* by the auditor, struck or not */
    host_event(w, RF_EV_DELIVERED, 0);
    cr_assert_eq(tw_last(w, RF_DO_REFUSE)->reason, RF_R_LATE);
    tw_finish(w);
    cr_assert_eq(rf_task_end(w->task), RF_END_SETTLED, "%s", w->log);
    tw_free(w);
    tw_truth_free(t);
    tw_truth_free(other);
}

/* Clocks at the end of their range, going back, and bounds that do not fit. */
Test(task, T39_times_at_the_end_of_their_range)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw_side *h = tw_honest(t);
    ro_err err = {RO_OK, {0}};
    tw *w = tw_world(t, 2, (tw_side *[2]){h, h}, h);
    uint64_t d = rf_task_deadline(w->task);
    w->now += 5;
    tw_plain(w, RF_EV_READY);
    w->now = 0; /* a clock that went back changes nothing */
    tw_plain(w, RF_EV_TICK);
    cr_assert_eq(rf_task_deadline(w->task), d);
    rf_task_free(w->task);
    w->now = UINT64_MAX - 100;
    must(rf_task_new(&w->setup, w->now, &w->task, &err), &err);
    cr_assert_eq(rf_task_deadline(w->task), UINT64_MAX - 1);
    rf_event e;
    memset(&e, 0, sizeof e);
    e.kind = RF_EV_DOWNTIME;
    e.ms = UINT64_MAX;
    tw_event(w, &e);
    cr_assert_eq(rf_task_get_state(w->task), RF_T_OPEN);
    tw_tick(w, UINT64_MAX); /* all states in one go */
    cr_assert_eq(rf_task_get_state(w->task), RF_T_REFUNDED);
    cr_assert_eq(rf_task_bound_ms(&w->setup.params, 2, 2, UINT64_MAX), UINT64_MAX);
    cr_assert_eq(rf_task_bound_ms(&w->setup.params, 2, 2, UINT64_MAX / 4), UINT64_MAX);
    w->setup.params.challenges = RF_CHALLENGES_MAX + 1;
    rf_task *none = NULL;
    cr_assert_eq(rf_task_new(&w->setup, 0, &none, &err), RO_ELIMIT);
    w->setup.params.challenges = 0;
    err.code = RO_OK;
    cr_assert_eq(rf_task_new(&w->setup, 0, &none, &err), RO_ELIMIT);
    w->setup.params = tw_params(t->job, 2);
    w->setup.params.base_ms = w->setup.params.replay_flops = w->setup.params.answer_bytes = 0;
    err.code = RO_OK;
    cr_assert_eq(rf_task_new(&w->setup, 0, &none, &err), RO_ELIMIT); /* no time to answer */
    w->setup.params.base_ms = 1;
    must(rf_task_new(&w->setup, 0, &none, &err), &err);
    rf_task_free(none);
    rf_task_free(NULL);
    tw_free(w);
    tw_truth_free(t);
}

/* ---- stopped after any event --------------------------------------------------------------- */

/* Whole lives: who is on which side, and what each does. */
typedef struct {
    const char *name;
    uint32_t segment, members;
    const char *sides; /* h honest, l and m liars, j junk, i inputs, s structure, b files false
                          segment claims, f forges explanations */
    const char *deeds; /* a letter a member: . none, s silent, r unrevealed, w withdraws,
                          c uncommitted, g garbles, n files nothing, t inattentive, x wrong there */
    uint32_t faults;
    int kernel_lies, dear, undelivered, no_auditor;
    int kernel; /* 1 never at hand, 2 late, 3 late and it contradicts */
} life;

static const life LIVES[] = {
    {"agreed", 0, 3, "hhh", "...", 0, 0, 0, 0, 0, 0},
    {"alone", 0, 3, "hhh", ".rc", 0, 0, 0, 0, 0, 0},
    {"output", 0, 3, "hlh", "...", 0, 0, 0, 0, 0, 0},
    {"many roots", 0, 7, "hlmjish", ".......", 0, 0, 0, 0, 0, 0},
    {"silence", 0, 4, "hlmh", ".s.s", 0, 0, 0, 0, 0, 0},
    {"nobody", 0, 2, "lm", "..", 0, 0, 0, 0, 1, 0},
    {"staged", 0, 2, "lm", ".s", 0, 0, 0, 0, 0, 0},
    {"garbles", 0, 3, "hlh", "g.g", 0, 0, 0, 0, 0, 0},
    {"faults", 0, 3, "hlh", "...", 2, 0, 0, 0, 0, 0},
    {"too many faults", 0, 3, "hlh", "...", 9, 0, 0, 0, 0, 0},
    {"alarm", 0, 3, "hlh", "...", 0, 1, 0, 0, 0, 0},
    {"undelivered", 0, 3, "hlh", "...", 0, 0, 0, 1, 0, 0},
    {"no auditor", 0, 2, "hl", "..", 0, 0, 0, 0, 1, 0},
    {"attention", 0, 4, "hhhh", ".tx.", 0, 0, 0, 0, 0, 0},
    {"withdrawn", 0, 4, "hhlh", ".w..", 0, 0, 0, 0, 0, 0},
    {"segments", 3, 4, "bhlb", "....", 0, 0, 0, 0, 0, 0},
    {"no claims", 3, 3, "hlh", "n..", 0, 0, 0, 0, 0, 0},
    {"segment roots", 3, 5, "hlmbh", ".....", 0, 0, 0, 0, 0, 0},
    {"explanations", 0, 4, "fhlf", "....", 0, 0, 1, 0, 0, 0},
    {"explained in a segment", 2, 3, "fhl", "...", 0, 0, 1, 0, 0, 0},
    {"provisional", 0, 4, "hlmh", "....", 0, 0, 0, 0, 0, 1},
    {"provisional nobody", 0, 2, "lm", "..", 0, 0, 0, 0, 1, 1},
    {"provisional claims", 3, 4, "bhlb", "....", 0, 0, 0, 0, 0, 1},
    {"confirmed", 0, 4, "hlmh", "....", 0, 0, 0, 0, 0, 2},
    {"confirmed claims", 3, 4, "bhlb", "....", 0, 0, 0, 0, 0, 2},
    {"contradicted", 0, 4, "hlmh", "....", 0, 0, 0, 0, 0, 3},
    {"contradicted claims", 3, 5, "hlmbh", ".....", 0, 0, 0, 0, 0, 3},
    {"provisional explanations", 0, 4, "fhlf", "....", 0, 0, 1, 0, 0, 2},
};
#define LIFE_COUNT (sizeof LIVES / sizeof *LIVES)

typedef struct {
    tw_truth *t;
    tw_side *side[7]; /* h l m j i s b */
} cast;

static cast cast_new(const life *x)
{
    cast c;
    c.t = x->dear ? tw_truth_dear(DEAR, x->segment) : tw_truth_small(6, x->segment);
    c.side[0] = tw_honest(c.t);
    c.side[1] = tw_liar(c.t, x->dear ? 0 : 4, 0, TW_OUTPUT, 1 << 20);
    c.side[2] = tw_liar(c.t, x->dear ? 1 : 5, 0, TW_OUTPUT, 5);
    c.side[3] = tw_liar(c.t, 1, 0, TW_JUNK, 6);
    c.side[4] = tw_liar(c.t, 1, 0, TW_INPUT, 7);
    c.side[5] = tw_liar(c.t, 1, 0, TW_STRUCTURE, 8);
    c.side[6] = x->dear ? tw_honest(c.t) : tw_liar(c.t, 3, 1, TW_OUTPUT, 9);
    return c;
}

static void cast_free(cast *c) { tw_truth_free(c->t); }

static tw *live(const life *x, const cast *c)
{
    tw *w = tw_new(c->t, x->members);
    for (uint32_t k = 0; k < x->members; k++) {
        tw_member *m = &w->member[k];
        const char deed = x->deeds[k], side = x->sides[k];
        const char *at = strchr("hlmjis", side);
        m->side = c->side[at ? at - "hlmjis" : 0];
        if (at) m->side = c->side[strchr("hlmjis", side) - strchr("hlmjis", 'h')];
        if (side == 'b') m->claims = c->side[6];
        m->forges = side == 'f';
        m->silent = deed == 's';
        m->unrevealed = deed == 'r';
        m->withdraws = deed == 'w';
        m->uncommitted = deed == 'c';
        m->garbles = deed == 'g' ? 3 : 0;
        m->no_claims = deed == 'n';
        m->inattentive = deed == 't';
        m->wrong_attention = deed == 'x';
    }
    w->faults = x->faults;
    w->kernel_lies = x->kernel_lies;
    w->undelivered = x->undelivered;
    w->host_cannot = x->kernel > 0;
    w->late = x->kernel - w->host_cannot;
    w->auditor = x->no_auditor ? NULL : c->side[0];
    return w;
}

/* V-009: written, read and gone on with before every event, a life has the same effects. */
Test(task, V009_stopped_before_every_event, .timeout = 300)
{
    for (size_t k = 0; k < LIFE_COUNT; k++) {
        cast c = cast_new(&LIVES[k]);
        tw *w = live(&LIVES[k], &c), *stopped = live(&LIVES[k], &c);
        stopped->stop = 1;
        tw_run(w);
        tw_run(stopped);
        cr_assert_str_eq(w->log, stopped->log, "%s", LIVES[k].name);
        cr_assert_eq(w->moved, stopped->moved);
        cr_assert_eq(w->settled, 1);
        tw_restart(w); /* the end can be read too */
        tw_free(w);
        tw_free(stopped);
        cast_free(&c);
    }
}

/* What is open is told again to who asks, and asking changes nothing. */
Test(task, V009_what_is_open_is_told_again)
{
    for (size_t k = 0; k < LIFE_COUNT; k++) {
        cast c = cast_new(&LIVES[k]);
        tw *w = live(&LIVES[k], &c);
        ro_err err = {RO_OK, {0}};
        uint8_t *before, *after;
        size_t n, m;
        uint32_t count;
        tw_begin(w);
        uint32_t open = w->tail - w->head;
        must(rf_task_save(w->task, &before, &n, &err), &err);
        must(rf_task_pending(w->task, &err), &err);
        rf_task_effects(w->task, &count);
        cr_assert_eq(count, open, "%s", LIVES[k].name);
        must(rf_task_save(w->task, &after, &m, &err), &err);
        cr_assert(n == m && memcmp(before, after, n) == 0);
        ro_free(before);
        ro_free(after);
        tw_free(w);
        cast_free(&c);
    }
}

/* Any byte of a state changed: refused, or a state that can be gone on with; never a crash. */
Test(task, T52_states_with_a_changed_byte, .timeout = 300)
{
    for (size_t k = 0; k < LIFE_COUNT; k++) {
        if (LIVES[k].dear) continue; /* they are large, and no other bytes */
        cast c = cast_new(&LIVES[k]);
        tw *w = live(&LIVES[k], &c);
        ro_err err = {RO_OK, {0}};
        uint8_t *bytes;
        size_t n;
        tw_begin(w);
        for (uint32_t turn = 0; turn < 6 && w->head < w->tail; turn++) {
            tw_ask a = w->queue[w->head++];
            if (a.e.kind == RF_DO_ASK) tw_answer(w, &a);
        }
        must(rf_task_save(w->task, &bytes, &n, &err), &err);
        for (size_t at = 0; at < n; at += n > 4000 ? 1 + at % 7 : 1)
            for (int how = 0; how < 3; how++) {
                const uint8_t was = bytes[at];
                rf_task *t = NULL;
                ro_err why = {RO_OK, {0}};
                bytes[at] = how == 0 ? (uint8_t)(was ^ 1) : how == 1 ? 0xff : (uint8_t)(was ^ 0x80);
                if (rf_task_restore(c.t->job, bytes, n, &t, &why) == RO_OK) {
                    rf_event e;
                    memset(&e, 0, sizeof e);
                    for (uint32_t i = 0; i < 30 && rf_task_deadline(t) != UINT64_MAX; i++)
                        if (rf_task_event(t, &e, rf_task_deadline(t), &why)) break;
                    rf_task_free(t);
                } else {
                    cr_assert_neq(why.msg[0], 0);
                }
                bytes[at] = was;
            }
        for (size_t cut = 0; cut < n; cut += 1 + cut / 16) {
            rf_task *t = NULL;
            ro_err why = {RO_OK, {0}};
            cr_assert_neq(rf_task_restore(c.t->job, bytes, cut, &t, &why), RO_OK);
        }
        ro_free(bytes);
        tw_free(w);
        cast_free(&c);
    }
}

Test(task, T52_a_state_of_another_job)
{
    tw_truth *t = tw_truth_small(6, 0), *other = tw_truth_small(5, 0);
    tw *w = tw_new(t, 2);
    ro_err err = {RO_OK, {0}};
    uint8_t *bytes;
    size_t n;
    rf_task *again;
    must(rf_task_save(w->task, &bytes, &n, &err), &err);
    cr_assert_eq(rf_task_restore(other->job, bytes, n, &again, &err), RO_EDIFFER);
    ro_free(bytes);
    tw_free(w);
    tw_truth_free(t);
    tw_truth_free(other);
}

/* V-011: memory that fails at any place of any event is an error, and decides nothing. */
static void starve(size_t from, size_t step)
{
    for (size_t k = from; k < LIFE_COUNT; k += step) {
        if (LIVES[k].dear) continue; /* no other events, and slow */
        cast c = cast_new(&LIVES[k]);
        tw *w = live(&LIVES[k], &c), *fed = live(&LIVES[k], &c);
        w->starve = 1;
        tw_run(w);
        tw_run(fed);
        cr_assert_str_eq(w->log, fed->log);
        cr_assert_gt(w->starved, w->events, "%s: %u", LIVES[k].name, w->starved);
        tw_free(w);
        tw_free(fed);
        cast_free(&c);
    }
}

Test(task, V011_no_memory_at_any_place_of_any_event, .timeout = 300) { starve(0, 2); }
Test(task, V011_no_memory_at_any_place_of_the_other_events, .timeout = 300) { starve(1, 2); }

Test(task, V011_no_memory_to_restore)
{
    cast c = cast_new(&LIVES[15]);
    tw *w = live(&LIVES[15], &c);
    ro_err err = {RO_OK, {0}};
    uint8_t *bytes;
    size_t n;
    uint32_t failures = 0;
    tw_begin(w);
    must(rf_task_save(w->task, &bytes, &n, &err), &err);
    for (uint64_t at = 1;; at++) {
        rf_task *t;
        ro_err why = {RO_OK, {0}};
        ro_alloc_fail_at(at, 0);
        ro_status st = rf_task_restore(c.t->job, bytes, n, &t, &why);
        ro_alloc_fail_at(0, 0);
        if (st == RO_OK) {
            rf_task_free(t);
            break;
        }
        cr_assert_eq(st, RO_ENOMEM, "%s", why.msg);
        failures++;
    }
    cr_assert_gt(failures, 5);
    ro_free(bytes);
    tw_free(w);
    cast_free(&c);
}
