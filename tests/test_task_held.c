/* test_task_held.c - provisional verdicts: what is taken by one implementation alone is held until
 * the kernel that was not at hand has been run, or the finality delay has passed (V-013). */
#include <criterion/criterion.h>

#include "task_world.h"

static rf_task_member member_of(const tw *w, uint32_t k)
{
    rf_task_member m;
    rf_task_get_member(w->task, rf_task_find(w->task, w->member[k].key), &m);
    return m;
}

/* What comes back to a member of its stake, of the transfers of the last event. */
static int64_t returned_to(const tw *w, uint32_t k)
{
    const rf_effect *e = tw_last(w, RF_DO_SETTLE);
    const uint32_t member = rf_task_find(w->task, w->member[k].key);
    int64_t sum = 0;
    cr_assert_not_null(e);
    for (uint32_t i = 0; i < e->transfer_count; i++) {
        const rf_transfer *x = &e->transfers[i];
        if (x->from.kind == RF_ACCOUNT_HELD && x->from.member == member &&
            x->to.kind == RF_ACCOUNT_FREE && x->to.member == member)
            sum += x->amount;
    }
    return sum;
}

/* A host without the kernel, as far as the first verdict: challenges are not answered yet. */
static void until_held(tw *w)
{
    w->host_cannot = 1;
    tw_begin(w);
    for (uint32_t k = 0; k < w->tail && !w->holds; k++) {
        tw_ask a = w->queue[k];
        if (a.e.kind == RF_DO_ASK) tw_answer(w, &a);
        if (a.e.kind == RF_DO_RUN) tw_work(w, &a);
    }
    cr_assert_gt(w->holds, 0, "%s", w->log);
}

static void equivocate(tw *w, uint32_t k)
{
    rf_message other = tw_commitment(w, k);
    other.claim.commitment.b[0] ^= 1;
    cr_assert_eq(tw_send(w, k, &other, NULL, 0), RF_R_CONFLICT);
}

static tw *two(const tw_truth *t)
{
    tw_side *h = tw_honest(t), *l = tw_liar(t, 2, 0, TW_OUTPUT, 4);
    return tw_world(t, 2, (tw_side *[2]){h, l}, h);
}

Test(task_held, V013_a_loss_stands_when_the_kernel_agrees)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw *w = two(t);
    ro_err err = {RO_OK, {0}};
    rf_task_counts c;
    uint32_t n;
    w->host_cannot = 1;
    tw_begin(w);
    tw_until(w, RF_T_FINAL);
    cr_assert_eq(w->holds, 1);
    const tw_ask *hold = &w->hold[0];
    const int lies = vd_digest_equal(&hold->e.roots[1], &w->member[1].side->party.root);
    cr_assert(hold->q.kind == RF_Q_KERNEL && hold->q.step == 2 && hold->q.node == 0);
    cr_assert(vd_digest_equal(&hold->e.roots[lies], &w->member[1].side->party.root));
    must(rf_task_pending(w->task, &err), &err);
    const rf_effect *e = rf_task_effects(w->task, &n);
    cr_assert(n == 1 && e->kind == RF_DO_HOLD && e->work == hold->e.work && e->question);
    cr_assert(e->backend_count == 1 && strcmp(e->backends[0], "cpu test") == 0);
    cr_assert(e->position == hold->e.position && e->position < rf_task_position(w->task));
    cr_assert_not_null(rf_task_game(w->task, 0, 0));
    cr_assert_null(rf_task_game(w->task, 0, 1));
    rf_task_get_counts(w->task, &c);
    cr_assert(c.provisional);
    cr_assert(member_of(w, 1).lost == RF_LOST_VERDICT && member_of(w, 1).provisional);
    cr_assert(!member_of(w, 0).provisional);
    tw_late(w, hold, 0);
    e = tw_last(w, RF_DO_STAND);
    cr_assert(e && e->level == 0 && e->pair == 0);
    cr_assert(vd_digest_equal(&e->roots[0], &hold->e.roots[0]));
    cr_assert(vd_digest_equal(&e->roots[1], &hold->e.roots[1]));
    cr_assert_not_null(rf_task_game(w->task, 0, 0)); /* its evidence, until the next event */
    cr_assert(member_of(w, 1).lost == RF_LOST_VERDICT && !member_of(w, 1).provisional);
    tw_late(w, hold, 1); /* too late to say something else */
    rf_task_effects(w->task, &n);
    cr_assert_eq(n, 0);
    cr_assert_null(rf_task_game(w->task, 0, 0));
    cr_assert_eq(rf_task_get_state(w->task), RF_T_FINAL);
    cr_assert_eq(w->settled, 0);
    tw_tick(w, rf_task_deadline(w->task));
    cr_assert_eq(rf_task_end(w->task), RF_END_SETTLED);
    cr_assert_eq(returned_to(w, 1), 0);
    cr_assert_eq(w->returned, 0);
    tw_free(w);
    tw_truth_free(t);
}

/* Contradicted in any state: frozen and refunded, and the stake comes back. */
Test(task_held, V013_a_loss_is_returned_when_the_kernel_contradicts)
{
    tw_truth *t = tw_truth_small(6, 0);
    static const rf_task_state states[] = {RF_T_DISPUTED, RF_T_RESOLVED, RF_T_FINAL};
    for (size_t k = 0; k < sizeof states / sizeof *states; k++) {
        tw *w = two(t);
        vd_digest root;
        uint64_t sum;
        if (k == 0) until_held(w);
        w->host_cannot = 1;
        w->undelivered = states[k] == RF_T_RESOLVED;
        if (k) tw_begin(w);
        if (k) tw_until(w, states[k]);
        cr_assert_eq(rf_task_get_state(w->task), states[k]);
        cr_assert(member_of(w, 1).provisional);
        tw_late(w, &w->hold[0], 1);
        const rf_effect *back = tw_last(w, RF_DO_RETURN);
        cr_assert(back && back->member == rf_task_find(w->task, w->member[1].key));
        cr_assert(back->level == 0 && back->pair == 0);
        cr_assert_not_null(tw_last(w, RF_DO_ALARM));
        cr_assert_null(tw_last(w, RF_DO_STAND));
        cr_assert_eq(rf_task_get_state(w->task), RF_T_REFUNDED);
        cr_assert_eq(rf_task_end(w->task), RF_END_REFUNDED);
        cr_assert_eq(tw_lost(w, 1), RF_LOST_NOTHING);
        cr_assert_eq(member_of(w, 1).lost_at, 0);
        cr_assert(!member_of(w, 1).provisional);
        cr_assert_eq(rf_task_root(w->task, &root), 0);
        for (uint32_t i = 0; i < 2; i++)
            cr_assert_eq(returned_to(w, i), w->setup.params.stake);
        sum = 2 * (uint64_t)w->setup.params.stake;
        int64_t escrow;
        ro_err err = {RO_OK, {0}};
        must(rf_params_escrow(&w->setup.params, &escrow, &err), &err);
        cr_assert_eq(w->moved, sum + (uint64_t)escrow); /* and nothing else was booked */
        cr_assert_eq(w->settled, 1);
        tw_free(w);
    }
    tw_truth_free(t);
}

/* At the end of the delay the verdict stands; a millisecond before it can be contradicted. */
Test(task_held, T28_a_contradiction_before_at_and_after_the_end_of_the_delay)
{
    tw_truth *t = tw_truth_small(6, 0);
    for (int64_t off = -1; off <= 1; off++) {
        tw *w = two(t);
        w->host_cannot = 1;
        tw_begin(w);
        tw_until(w, RF_T_FINAL);
        w->now = rf_task_deadline(w->task) + (uint64_t)off;
        tw_late(w, &w->hold[0], 1);
        cr_assert_eq(tw_last(w, RF_DO_STAND) != NULL, off >= 0);
        cr_assert_eq(rf_task_end(w->task), off < 0 ? RF_END_REFUNDED : RF_END_SETTLED);
        cr_assert_eq(tw_lost(w, 1), off < 0 ? RF_LOST_NOTHING : RF_LOST_VERDICT);
        cr_assert(!member_of(w, 1).provisional);
        cr_assert_eq(returned_to(w, 1), off < 0 ? w->setup.params.stake : 0);
        cr_assert_eq(w->settled, 1);
        tw_free(w);
    }
    tw_truth_free(t);
}

/* What is no kernel's answer changes nothing. */
Test(task_held, T36_late_answers_that_are_none)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw *w = two(t);
    uint8_t bytes[RF_KERNEL_BYTES + 1] = {0};
    uint32_t n;
    w->host_cannot = 1;
    tw_begin(w);
    tw_until(w, RF_T_FINAL);
    for (int k = 0; k < 5; k++) {
        rf_event e;
        memset(&e, 0, sizeof e);
        e.kind = RF_EV_WORK;
        e.work = w->hold[0].e.work + (k == 4);
        e.end = k == 0 ? RF_WORK_FAULT : k == 1 ? RF_WORK_CANNOT : RF_WORK_DONE;
        e.bytes = bytes;
        e.size = RF_KERNEL_BYTES + (k == 3) - (k == 2);
        tw_event(w, &e);
        rf_task_effects(w->task, &n);
        cr_assert_eq(n, 0, "%d", k);
        cr_assert(member_of(w, 1).provisional);
    }
    tw_finish(w);
    cr_assert_eq(rf_task_end(w->task), RF_END_SETTLED);
    tw_free(w);
    tw_truth_free(t);
}

/* Nobody was right, says one implementation: the refund waits, and so does what was lost. */
Test(task_held, V013_a_refund_waits_for_what_is_held)
{
    enum { IN_TIME, AGREES, CONTRADICTS, FROZEN, CASES };
    tw_truth *t = tw_truth_small(6, 0);
    tw_side *a = tw_liar(t, 2, 0, TW_OUTPUT, 4), *b = tw_liar(t, 2, 0, TW_OUTPUT, 5);
    for (int k = 0; k < CASES; k++) {
        tw *w = tw_world(t, 2, (tw_side *[2]){a, b}, NULL);
        vd_digest root;
        until_held(w);
        cr_assert_eq(rf_task_get_state(w->task), RF_T_FINAL, "%s", w->log);
        cr_assert_eq(rf_task_deadline(w->task), w->now + w->setup.params.finality_ms);
        cr_assert(w->settled == 0 && rf_task_root(w->task, &root) == 0);
        cr_assert_eq(tw_send_opening(w, 0, &w->queue[0].e.asked, "x", 1), RF_R_STRUCK);
        tw_restart(w);
        if (k == IN_TIME) {
            tw_tick(w, rf_task_deadline(w->task) - 1);
            cr_assert_eq(w->settled, 0);
            tw_tick(w, rf_task_deadline(w->task));
            cr_assert_not_null(tw_last(w, RF_DO_STAND));
        } else if (k == FROZEN) {
            tw_plain(w, RF_EV_ALARM);
            cr_assert_not_null(tw_last(w, RF_DO_ALARM));
            cr_assert_eq(rf_task_get_state(w->task), RF_T_FINAL);
            cr_assert_eq(w->settled, 0);
            tw_tick(w, rf_task_deadline(w->task));
        } else {
            tw_late(w, &w->hold[0], k == CONTRADICTS);
        }
        const int none = k == IN_TIME || k == AGREES;
        cr_assert_eq(rf_task_get_state(w->task), RF_T_REFUNDED);
        cr_assert_eq(rf_task_end(w->task), none ? RF_END_NOBODY : RF_END_REFUNDED);
        for (uint32_t i = 0; i < 2; i++) {
            cr_assert_eq(tw_lost(w, i), k == CONTRADICTS ? RF_LOST_NOTHING : RF_LOST_VERDICT);
            cr_assert_eq(returned_to(w, i), k == CONTRADICTS ? w->setup.params.stake : 0);
        }
        cr_assert_eq(w->settled, 1);
        tw_restart(w);
        tw_free(w);
    }
    tw_truth_free(t);
}

/* Not delivered while a verdict is held: what stands still stands, nothing is delivered late. */
Test(task_held, T65_undelivered_while_a_verdict_is_held)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw *w = two(t);
    rf_event e;
    vd_digest root;
    w->host_cannot = w->undelivered = 1;
    tw_begin(w);
    tw_until(w, RF_T_RESOLVED);
    tw_tick(w, rf_task_deadline(w->task));
    cr_assert_eq(rf_task_get_state(w->task), RF_T_FINAL);
    tw_restart(w);
    cr_assert(rf_task_root(w->task, &root) && w->settled == 0);
    memset(&e, 0, sizeof e);
    e.kind = RF_EV_DELIVERED;
    tw_event(w, &e);
    cr_assert_eq(tw_last(w, RF_DO_REFUSE)->reason, RF_R_LATE);
    tw_late(w, &w->hold[0], 0);
    cr_assert_eq(rf_task_end(w->task), RF_END_UNDELIVERED);
    cr_assert_eq(tw_lost(w, 1), RF_LOST_VERDICT);
    cr_assert_eq(returned_to(w, 0), w->setup.params.stake - w->setup.params.fee);
    tw_free(w);
    tw_truth_free(t);
}

/* Only those whom it struck: silence, a missing reveal and another pair's verdict stay. */
Test(task_held, V013_others_stay_struck)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw_side *h = tw_honest(t), *l = tw_liar(t, 2, 0, TW_OUTPUT, 4);
    tw_side *silent = tw_liar(t, 3, 0, TW_OUTPUT, 5);
    tw *w = tw_world(t, 4, (tw_side *[4]){h, l, silent, h}, h);
    w->member[2].silent = w->member[3].unrevealed = 1;
    w->host_cannot = 1;
    tw_begin(w);
    tw_until(w, RF_T_FINAL);
    cr_assert_eq(w->holds, 1);
    cr_assert_eq(w->struck, 3);
    tw_late(w, &w->hold[0], 1);
    cr_assert_eq(tw_lost(w, 0), RF_LOST_NOTHING);
    cr_assert_eq(tw_lost(w, 1), RF_LOST_NOTHING);
    cr_assert_eq(tw_lost(w, 2), RF_LOST_FORFEIT);
    cr_assert_eq(tw_lost(w, 3), RF_LOST_NO_REVEAL);
    for (uint32_t k = 0; k < 4; k++)
        cr_assert_eq(returned_to(w, k), k < 2 ? w->setup.params.stake : 0);
    cr_assert_eq(rf_task_end(w->task), RF_END_REFUNDED);
    tw_free(w);
    tw_truth_free(t);
}

/* Of several verdicts that are held one is contradicted: the task is frozen, and the others are
 * held as long as they would have been. */
Test(task_held, V013_one_of_several_is_contradicted)
{
    enum { SIDES = 4 };
    tw_truth *t = tw_truth_small(6, 0);
    tw_side *side[SIDES] = {tw_honest(t)};
    for (uint64_t k = 1; k < SIDES; k++) side[k] = tw_liar(t, 1 + k, 0, TW_OUTPUT, k);
    for (int agree = 0; agree < 2; agree++) {
        tw *w = tw_world(t, SIDES, side, side[0]);
        uint32_t back = 0;
        w->host_cannot = 1;
        tw_begin(w);
        tw_until(w, RF_T_FINAL);
        cr_assert_eq(w->holds, 3, "%s", w->log);
        const uint64_t end = rf_task_deadline(w->task);
        tw_late(w, &w->hold[1], 1);
        cr_assert_not_null(tw_last(w, RF_DO_ALARM));
        cr_assert_eq(w->returned, 1);
        cr_assert_eq(rf_task_get_state(w->task), RF_T_FINAL);
        cr_assert_eq(rf_task_deadline(w->task), end);
        cr_assert_eq(w->settled, 0);
        tw_restart(w);
        for (uint32_t k = 1; k < SIDES; k++) {
            back += tw_lost(w, k) == RF_LOST_NOTHING;
            cr_assert_eq(member_of(w, k).provisional, tw_lost(w, k) != RF_LOST_NOTHING);
        }
        cr_assert_eq(back, 1);
        if (agree) {
            tw_late(w, &w->hold[0], 0);
            cr_assert_eq(w->settled, 0);
            tw_late(w, &w->hold[2], 0);
        } else {
            tw_tick(w, end);
        }
        cr_assert_eq(rf_task_end(w->task), RF_END_REFUNDED);
        cr_assert_eq(w->struck, SIDES - 2);
        for (uint32_t k = 0; k < SIDES; k++)
            cr_assert_eq(returned_to(w, k),
                         tw_lost(w, k) == RF_LOST_NOTHING ? w->setup.params.stake : 0);
        tw_free(w);
    }
    tw_truth_free(t);
}

/* A root that fell provisionally, was brought back by an auditor and fell again: its member loses
 * its stake as long as one of both verdicts stands, in whichever order they are decided. */
Test(task_held, V013_a_root_that_falls_twice)
{
    enum { FIRST = 1, SECOND = 2 }; /* the verdict that is contradicted, a bit each */
    tw_truth *t = tw_truth_small(6, 0);
    tw_side *h = tw_honest(t), *l = tw_liar(t, 2, 0, TW_OUTPUT, 4);
    for (uint32_t k = 0; k < 12; k++) {
        const uint32_t lies = k % 4, order = k / 4; /* 2: what is held stands when time ends */
        tw *w = tw_world(t, 2, (tw_side *[2]){h, l}, l);
        w->host_cannot = 1;
        tw_begin(w);
        tw_until(w, RF_T_FINAL);
        cr_assert_eq(w->holds, 2, "%s", w->log);
        cr_assert(tw_lost(w, 1) == RF_LOST_VERDICT && member_of(w, 1).provisional);
        w->starve = 1;
        for (uint32_t i = 0; i < 2; i++) {
            const uint32_t at = order == 1 ? !i : i;
            tw_restart(w);
            if (order < 2 || lies >> at & 1) tw_late(w, &w->hold[at], lies >> at & 1);
        }
        w->starve = 0;
        tw_finish(w);
        const int both = lies == (FIRST | SECOND);
        cr_assert_eq(tw_lost(w, 1), both ? RF_LOST_NOTHING : RF_LOST_VERDICT, "%u: %s", k, w->log);
        cr_assert_eq(returned_to(w, 1), both ? w->setup.params.stake : 0);
        cr_assert_eq(tw_lost(w, 0), RF_LOST_NOTHING);
        cr_assert_eq(rf_task_end(w->task), lies ? RF_END_REFUNDED : RF_END_SETTLED);
        cr_assert_eq(w->struck, both ? 0 : lies == SECOND ? 1 : 2); /* and the auditor, by it */
        tw_free(w);
    }
    tw_truth_free(t);
}

/* V-012: who would have lost its stake for something else since has lost it for that. */
Test(task_held, V012_equivocation_while_a_loss_is_provisional)
{
    tw_truth *t = tw_truth_small(6, 0);
    for (int lie = 0; lie < 2; lie++) {
        tw *w = two(t);
        until_held(w);
        rf_message again = tw_commitment(w, 1);
        cr_assert_eq(tw_send(w, 1, &again, NULL, 0), -1);
        const uint64_t first = tw_last(w, RF_DO_ACCEPT)->position;
        for (int k = 0; k < 2; k++) {
            equivocate(w, 1);
            cr_assert_null(tw_last(w, RF_DO_STRIKE)); /* it has lost already */
        }
        cr_assert_eq(tw_lost(w, 1), RF_LOST_VERDICT);
        w->starve = 1;
        tw_late(w, &w->hold[0], (uint64_t)lie);
        w->starve = 0;
        cr_assert_eq(tw_last(w, RF_DO_RETURN) != NULL, lie);
        const rf_effect *e = tw_last(w, RF_DO_STRIKE);
        if (lie) cr_assert(e && e->lost == RF_LOST_EQUIVOCATION && e->position == first);
        else cr_assert_null(e);
        cr_assert_eq(tw_lost(w, 1), lie ? RF_LOST_EQUIVOCATION : RF_LOST_VERDICT);
        cr_assert(!member_of(w, 1).provisional);
        if (!lie) tw_finish(w);
        cr_assert_eq(rf_task_end(w->task), lie ? RF_END_REFUNDED : RF_END_SETTLED);
        cr_assert_eq(returned_to(w, 1), 0);
        tw_free(w);
    }
    tw_truth_free(t);
}

/* ---- claims and explanations --------------------------------------------------------------- */

/* Segments of 3 steps; member 1 files a claim that is false where no output shows it, and is judged
 * before the honest member's. */
typedef struct {
    tw_truth *t;
    tw_side *h, *l, *bad;
} claims;

static claims claims_new(void)
{
    claims c;
    c.t = tw_truth_small(6, 3);
    c.h = tw_honest(c.t);
    c.l = tw_liar(c.t, 4, 0, TW_OUTPUT, 4);
    const vd_claim_body right = tw_claim(c.t, c.h, c.h, 1);
    vd_claim_body wrong = right;
    for (uint64_t salt = 1; memcmp(wrong.tree.b, right.tree.b, VD_DIGEST) >= 0; salt++) {
        c.bad = tw_liar(c.t, 3, 1, TW_OUTPUT, salt);
        wrong = tw_claim(c.t, c.h, c.bad, 1);
    }
    return c;
}

/* As far as the false claim is struck out; cannot: which nobody but scalar bodies found false. */
static tw *until_struck(const claims *c, int cannot)
{
    tw *w = tw_world(c->t, 3, (tw_side *[3]){c->h, c->h, c->l}, c->h);
    w->member[1].claims = c->bad;
    w->host_cannot = cannot;
    tw_begin(w);
    while (!w->struck) {
        tw_ask a = w->queue[w->head++];
        if (a.e.kind == RF_DO_CHALLENGE) tw_challenge(w, &a);
        if (a.e.kind == RF_DO_ASK) tw_answer(w, &a);
        if (a.e.kind == RF_DO_RUN && a.has_q) tw_work(w, &a);
    }
    cr_assert(tw_lost(w, 1) == RF_LOST_CLAIM && member_of(w, 1).provisional);
    cr_assert_eq(w->holds, 0); /* the pair goes on */
    return w;
}

/* Of a pair's kernels the first was at hand and is not asked for again, the next one was not. All
 * that the pair took hangs on it: it ends in one way. */
Test(task_held, V013_the_first_kernel_was_at_hand)
{
    for (uint32_t lie = 0; lie < 2; lie++) {
        claims c = claims_new();
        tw *w = until_struck(&c, 0);
        w->host_cannot = 1;
        tw_until(w, RF_T_FINAL);
        cr_assert_eq(w->holds, 1);
        for (uint32_t k = 1; k < 3; k++)
            cr_assert(tw_lost(w, k) == RF_LOST_CLAIM && member_of(w, k).provisional);
        tw_restart(w);
        tw_late(w, &w->hold[0], lie);
        for (uint32_t k = 1; k < 3; k++) {
            cr_assert_eq(tw_lost(w, k), lie ? RF_LOST_NOTHING : RF_LOST_CLAIM);
            cr_assert(!member_of(w, k).provisional);
        }
        cr_assert_eq(rf_task_get_state(w->task), lie ? RF_T_REFUNDED : RF_T_FINAL);
        tw_free(w);
        tw_truth_free(c.t);
    }
}

/* Nothing that a pair takes is final before its end: where two implementations differ in it later,
 * what was struck before goes back too, and nobody is struck by that pair. */
Test(task_held, V013_a_kernel_that_differs_after_one_that_did_not)
{
    for (int lie = 0; lie < 2; lie++) {
        claims c = claims_new();
        tw *w = until_struck(&c, 0);
        tw_restart(w);
        w->kernel_lies = lie;
        w->starve = 2;
        tw_finish(w);
        cr_assert_eq(rf_task_end(w->task), lie ? RF_END_REFUNDED : RF_END_SETTLED);
        cr_assert_eq(w->holds, 0);
        cr_assert_eq(w->returned, lie ? 1 : 0);
        cr_assert_eq(tw_lost(w, 0), RF_LOST_NOTHING);
        for (uint32_t k = 1; k < 3; k++) {
            cr_assert_eq(tw_lost(w, k), lie ? RF_LOST_NOTHING : RF_LOST_CLAIM);
            cr_assert(!member_of(w, k).provisional);
            cr_assert_eq(returned_to(w, k), lie ? w->setup.params.stake : 0);
        }
        tw_free(w);
        tw_truth_free(c.t);
    }
}

/* With both kernels that were missed: the first that contradicts gives back what the pair took. */
Test(task_held, V013_claims_and_their_root)
{
    for (uint32_t k = 0; k < 6; k++) {
        const uint32_t lie = k % 3, order = k / 3;
        claims c = claims_new();
        tw *w = until_struck(&c, 1);
        tw_until(w, RF_T_FINAL);
        cr_assert_eq(w->holds, 2, "%s", w->log);
        cr_assert_eq(tw_lost(w, 2), RF_LOST_CLAIM);
        cr_assert(member_of(w, 2).provisional);
        cr_assert_neq(w->hold[0].e.work, w->hold[1].e.work);
        tw_late(w, &w->hold[order], lie == 1);
        if (lie != 1) {
            cr_assert_null(tw_last(w, RF_DO_STAND));
            cr_assert(member_of(w, 1).provisional && member_of(w, 2).provisional);
            tw_restart(w);
            tw_late(w, &w->hold[order], 1); /* it was run, and is asked for no more */
            cr_assert_eq(w->returned, 0);
            tw_late(w, &w->hold[!order], lie == 2);
        }
        cr_assert_eq(w->returned, lie ? 2 : 0);
        cr_assert_eq(rf_task_get_state(w->task), lie ? RF_T_REFUNDED : RF_T_FINAL);
        for (uint32_t i = 1; i < 3; i++) {
            cr_assert_eq(tw_lost(w, i), lie ? RF_LOST_NOTHING : RF_LOST_CLAIM);
            cr_assert(!member_of(w, i).provisional);
        }
        tw_finish(w);
        cr_assert_eq(tw_lost(w, 0), RF_LOST_NOTHING);
        tw_free(w);
        tw_truth_free(c.t);
    }
}

/* A pair that comes to no verdict keeps nothing that was provisional: two implementations differ
 * in it, or the task is frozen while it is judged. */
Test(task_held, V013_a_pair_without_a_verdict_gives_back)
{
    for (int frozen = 0; frozen < 2; frozen++) {
        claims c = claims_new();
        tw *w = until_struck(&c, 1);
        w->host_cannot = 0;
        w->kernel_lies = w->starve = 1;
        if (frozen) tw_plain(w, RF_EV_ALARM);
        else tw_finish(w);
        cr_assert_eq(rf_task_end(w->task), RF_END_REFUNDED);
        cr_assert_eq(w->holds, 0);
        cr_assert_eq(w->returned, 1);
        cr_assert_eq(w->struck, 0);
        cr_assert_eq(returned_to(w, 1), w->setup.params.stake);
        tw_free(w);
        tw_truth_free(c.t);
    }
}

/* One whose other side falls by itself is held, or its liar could buy a saboteur free. */
Test(task_held, V013_a_pair_whose_side_falls_by_itself_is_held)
{
    for (uint32_t lie = 0; lie < 2; lie++) {
        claims c = claims_new();
        tw *w = until_struck(&c, 1);
        equivocate(w, 2);
        cr_assert_null(tw_last(w, RF_DO_VERDICT)->verdict);
        cr_assert_eq(w->holds, 1);
        tw_until(w, RF_T_FINAL);
        cr_assert(member_of(w, 1).provisional);
        cr_assert(!member_of(w, 2).provisional); /* its own doing */
        tw_late(w, &w->hold[0], lie);
        cr_assert_eq(tw_lost(w, 1), lie ? RF_LOST_NOTHING : RF_LOST_CLAIM);
        cr_assert_eq(tw_lost(w, 2), RF_LOST_EQUIVOCATION);
        tw_finish(w);
        cr_assert_eq(rf_task_end(w->task), lie ? RF_END_REFUNDED : RF_END_SETTLED);
        tw_free(w);
        tw_truth_free(c.t);
    }
}

/* With the last claim its root falls, with it who filed nothing: as provisional as the claim. */
Test(task_held, V013_who_filed_nothing_falls_with_the_root)
{
    claims c = claims_new();
    tw *w = tw_world(c.t, 3, (tw_side *[3]){c.h, c.l, c.l}, c.h);
    w->member[2].no_claims = 1;
    w->host_cannot = 1;
    tw_begin(w);
    tw_until(w, RF_T_FINAL);
    cr_assert_eq(tw_lost(w, 2), RF_LOST_VERDICT, "%s", w->log); /* filed nothing, fell with it */
    cr_assert(member_of(w, 2).provisional);
    tw_late(w, &w->hold[0], 1);
    for (uint32_t k = 0; k < 3; k++) cr_assert_eq(tw_lost(w, k), RF_LOST_NOTHING);
    cr_assert_eq(rf_task_end(w->task), RF_END_REFUNDED);
    tw_free(w);
    tw_truth_free(c.t);
}

/* By a part: the kernel computes elements. The liar's contradicts, the other's and one that is
 * nobody's do not. */
Test(task_held, V013_explanations, .timeout = 100)
{
    enum { DEAR = 140000 };
    static const uint64_t lies[] = {0, 1 << 20, 3};
    for (size_t k = 0; k < sizeof lies / sizeof *lies; k++) {
        tw_truth *t = tw_truth_dear(DEAR, 0);
        tw_side *h = tw_honest(t), *l = tw_liar(t, 0, 0, TW_OUTPUT, 1 << 20);
        tw *w = tw_world(t, 3, (tw_side *[3]){h, l, h}, h);
        w->member[2].forges = 1;
        w->host_cannot = 1;
        tw_begin(w);
        tw_until(w, RF_T_FINAL);
        cr_assert_eq(w->holds, 1, "%s", w->log);
        const uint32_t struck = w->struck;
        cr_assert_geq(struck, 1);
        cr_assert(tw_lost(w, 1) != RF_LOST_NOTHING && member_of(w, 1).provisional);
        tw_restart(w);
        tw_late(w, &w->hold[0], lies[k]);
        cr_assert_eq(w->returned, k == 1 ? struck : 0);
        cr_assert_eq(rf_task_get_state(w->task), k == 1 ? RF_T_REFUNDED : RF_T_FINAL);
        cr_assert_eq(tw_last(w, RF_DO_STAND) != NULL, k != 1);
        tw_finish(w);
        tw_free(w);
        tw_truth_free(t);
    }
}
