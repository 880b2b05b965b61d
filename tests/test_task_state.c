/* test_task_state.c - bytes that are no task's state: every rule by which a state holds together,
 * broken one at a time; states cut at every byte. A state is altered in memory and written, since
 * writing believes what it writes; what reads it must not. */
#include <criterion/criterion.h>

#include "../verde/bytes.h"
#include "task_world.h"

static void must_be_refused(const tw *w, const uint8_t *bytes, size_t n, const char *what)
{
    rf_task *t = NULL;
    ro_err err = {RO_OK, {0}};
    ro_status st = rf_task_restore(w->truth->job, bytes, n, &t, &err);
    cr_assert_eq(st, RO_EFORMAT, "%s: %d %s", what, (int)st, err.msg);
    cr_assert_not_null(strstr(err.msg, what), "'%s' is not in '%s'", what, err.msg);
    cr_assert_null(t);
}

/* Write the task as it is now; it must be refused with these words. */
static void refused(const tw *w, const char *what)
{
    uint8_t *bytes;
    size_t n;
    ro_err err = {RO_OK, {0}};
    must(rf_task_save(w->task, &bytes, &n, &err), &err);
    must_be_refused(w, bytes, n, what);
    ro_free(bytes);
}

static void accepted(const tw *w)
{
    uint8_t *bytes;
    size_t n;
    rf_task *t = NULL;
    ro_err err = {RO_OK, {0}};
    must(rf_task_save(w->task, &bytes, &n, &err), &err);
    must(rf_task_restore(w->truth->job, bytes, n, &t, &err), &err);
    rf_task_free(t);
    ro_free(bytes);
}

/* A field with another value for a moment. */
#define WITH(w, place, value, what)                \
    do {                                           \
        __typeof__(place) was_ = (place);          \
        (place) = (value);                         \
        refused((w), (what));                      \
        (place) = was_;                            \
        accepted(w);                               \
    } while (0)

#define LOOSE "does not hold together"

static tw *two(const tw_truth *t)
{
    tw_side *h = tw_honest(t), *l = tw_liar(t, 2, 0, TW_OUTPUT, 4);
    return tw_world(t, 2, (tw_side *[2]){h, l}, h);
}

static tw_ask until_asked(tw *w, rf_effect_kind kind, rf_question_kind question)
{
    for (;;) {
        cr_assert_lt(w->head, w->tail, "%s", w->log);
        tw_ask a = w->queue[w->head++];
        if (a.e.kind == kind && a.has_q && a.q.kind == question) return a;
        tw_serve(w, &a);
    }
}

static tw *until_kernel(const tw_truth *t)
{
    tw *w = two(t);
    tw_begin(w);
    until_asked(w, RF_DO_RUN, RF_Q_KERNEL);
    return w;
}

static void done(tw *w)
{
    const tw_truth *t = w->truth;
    tw_free(w);
    tw_truth_free((tw_truth *)(uintptr_t)t);
}

/* ---- states, ends, deadlines --------------------------------------------------------------- */

Test(task_state, T52_ends_and_deadlines_of_a_state)
{
    tw *w = two(tw_truth_small(6, 0));
    rf_task *t = w->task;
    accepted(w);
    WITH(w, t->end, RF_END_NOBODY, LOOSE); /* open, and ended */
    WITH(w, t->deadline, UINT64_MAX, LOOSE);
    WITH(w, t->challenging, RF_C_ASKED, LOOSE);
    WITH(w, t->auditing, RF_A_WANTED, LOOSE);
    WITH(w, t->state, RF_T_AGREED, LOOSE);
    WITH(w, t->params.stake, 0, "parameters that are none");
    WITH(w, t->params.challenges, RF_CHALLENGES_MAX + 1, "parameters that are none");
    t->challenging = RF_C_DONE;
    t->auditing = RF_A_WANTED; /* before it is known what was revealed */
    refused(w, LOOSE);
    t->challenging = RF_C_NONE;
    t->auditing = RF_A_NONE;
    tw_begin(w);
    t = w->task;
    accepted(w);
    WITH(w, t->deadline, w->now + 5, LOOSE); /* pairs have deadlines, the state has none */
    WITH(w, t->challenging, RF_C_NONE, LOOSE);
    WITH(w, t->auditing, RF_A_WANTED, LOOSE); /* pairs are judged */
    WITH(w, t->state, RF_T_REVEAL, LOOSE);
    WITH(w, t->challenging, RF_C_CHECKED, LOOSE);
    tw_until(w, RF_T_FINAL);
    t = w->task;
    accepted(w);
    WITH(w, t->accepted, RF_NONE, LOOSE);
    WITH(w, t->end, RF_END_NOBODY, LOOSE); /* waits for nothing */
    WITH(w, t->end, RF_END_UNDELIVERED, LOOSE);
    WITH(w, t->auditing, RF_A_WANTED, LOOSE);
    WITH(w, t->state, RF_T_SETTLED, LOOSE); /* with a deadline */
    tw_finish(w);
    t = w->task;
    accepted(w);
    WITH(w, t->end, RF_END_REFUNDED, LOOSE);
    done(w);
}

/* An auditor is wanted when challenges are done. */
Test(task_state, T52_an_audit_among_challenges)
{
    const tw_truth *truth = tw_truth_small(6, 0);
    tw_side *h = tw_honest(truth);
    tw *w = tw_world(truth, 2, (tw_side *[2]){h, h}, NULL);
    w->member[1].unrevealed = 1;
    tw_begin(w);
    tw_pump(w);
    rf_task *t = w->task;
    cr_assert_eq(t->auditing, RF_A_WANTED);
    accepted(w);
    WITH(w, t->challenging, RF_C_ASKED, LOOSE);
    WITH(w, t->challenging, RF_C_ANSWERED, LOOSE);
    done(w);
}

/* ---- members ------------------------------------------------------------------------------- */

Test(task_state, T52_members_of_a_state)
{
    tw *w = until_kernel(tw_truth_small(6, 0));
    rf_task *t = w->task;
    rf_seat *s = &t->seats[0];
    accepted(w);
    WITH(w, s->revealed, 0, LOOSE);
    WITH(w, s->backend[VD_BACKEND_BYTES - 1], 'x', "canonical form");
    WITH(w, s->group, t->root_count, LOOSE);
    WITH(w, s->role, (rf_role)(RF_AUDITOR + 1), LOOSE);
    WITH(w, s->doubt.number, 1, LOOSE);
    WITH(w, s->next, RF_LOST_ATTENTION, LOOSE);
    WITH(w, s->next_first, 1, LOOSE);
    WITH(w, s->doubt.level, 0, LOOSE); /* it has lost nothing, and its pair misses no kernel */
    WITH(w, t->accepted, t->root_count, LOOSE);
    done(w);
}

/* ---- pairs, questions, works ---------------------------------------------------------------- */

Test(task_state, T52_works_of_a_state)
{
    tw *w = until_kernel(tw_truth_small(6, 0));
    rf_task *t = w->task;
    cr_assert_eq(t->work_count, 1);
    accepted(w);
    WITH(w, t->works[0].id, t->works[0].id + 1, LOOSE);
    WITH(w, t->works[0].pair, RF_NONE, LOOSE); /* then its challenge is missing */
    WITH(w, t->works[0].pair, 1, LOOSE);
    WITH(w, t->work_count, 0, LOOSE);
    WITH(w, t->pairs[0].open[0].work, 7, LOOSE);
    t->works[1] = t->works[0];
    t->works[1].id += 5;
    WITH(w, t->work_count, 2, LOOSE); /* one that nobody asked for */
    t->challenging = RF_C_DONE;
    accepted(w);
    WITH(w, t->auditing, RF_A_WANTED, LOOSE); /* before the pair has ended */
    t->state = RF_T_REVEAL;
    t->deadline = w->now + 1;
    refused(w, LOOSE); /* judged before they are revealed */
    done(w);
}

Test(task_state, T52_works_of_challenges)
{
    const tw_truth *truth = tw_truth_small(6, 0);
    tw_side *h = tw_honest(truth);
    tw *w = tw_world(truth, 2, (tw_side *[2]){h, h}, h);
    tw_begin(w);
    while (w->queue[w->head].e.kind == RF_DO_CHALLENGE) tw_challenge(w, &w->queue[w->head++]);
    rf_task *t = w->task;
    cr_assert(t->work_count == 1 && t->challenging == RF_C_CHECKED);
    accepted(w);
    WITH(w, t->works[0].group, RF_NONE, LOOSE);
    WITH(w, t->works[0].challenge, RF_NONE, LOOSE);
    WITH(w, t->works[0].challenge, 1, LOOSE);
    WITH(w, t->challenging, RF_C_DONE, LOOSE);
    WITH(w, t->work_count, 0, LOOSE);
    done(w);
}

/* Works of two pairs at a time, each its own. */
Test(task_state, T52_works_of_two_pairs)
{
    const tw_truth *truth = tw_truth_small(6, 0);
    tw_side *side[4] = {tw_honest(truth)};
    for (uint64_t k = 1; k < 4; k++) side[k] = tw_liar(truth, 1 + k, 0, TW_OUTPUT, k);
    tw *w = tw_world(truth, 4, side, side[0]);
    tw_begin(w);
    until_asked(w, RF_DO_RUN, RF_Q_KERNEL);
    until_asked(w, RF_DO_RUN, RF_Q_KERNEL);
    rf_task *t = w->task;
    cr_assert_eq(t->work_count, 2);
    accepted(w);
    WITH(w, t->works[0].pair, t->works[1].pair, LOOSE);
    WITH(w, t->works[0].id, t->works[1].id, LOOSE);
    WITH(w, t->pairs[0].group[0], t->pairs[1].group[0], ""); /* a root meets one other at a time */
    done(w);
}

/* A root in two pairs, whose games can be played all the same: both ask the same. */
Test(task_state, T52_a_root_in_two_pairs)
{
    const tw_truth *truth = tw_truth_small(6, 0);
    tw_side *side[4] = {tw_honest(truth)};
    for (uint64_t k = 1; k < 4; k++) side[k] = tw_liar(truth, 1 + k, 0, TW_OUTPUT, k);
    tw *w = tw_world(truth, 4, side, side[0]);
    tw_begin(w);
    cr_assert_eq(w->task->pair_count, 2);
    accepted(w);
    WITH(w, w->task->pairs[1].group[1], w->task->pairs[0].group[1], LOOSE);
    done(w);
}

Test(task_state, T52_openings_of_a_state)
{
    tw *w = until_kernel(tw_truth_small(6, 0));
    rf_pair *p = &w->task->pairs[0];
    rf_opening *o = p->game->oldest;
    rf_window extra;
    int taken;
    ro_err err = {RO_OK, {0}};
    const uint8_t bits[RF_KERNEL_BYTES] = {0};
    uint32_t missed = 0;
    memset(&extra, 0, sizeof extra);
    WITH(w, o->slot, RF_OPEN_MAX, "opening of no question");
    WITH(w, o->absent, 2, "opening of no question");
    WITH(w, o->absent, 1, "opening of no question"); /* with bytes */
    WITH(w, o->size, o->size - 1, "opening that is none");
    p->windows = &extra;
    p->window_count = 1;
    refused(w, "asks nothing"); /* a window that the game never had */
    p->windows = NULL;
    p->window_count = 0;
    accepted(w);
    p->missed = &missed;
    p->missed_count = 1;
    refused(w, "did not miss");
    p->missed_count = 0;
    p->missed = NULL;
    accepted(w);
    /* Answered to the end: a pair that is being judged asks something. */
    must(rf_game_offer(p->game, &p->open[0].q, bits, sizeof bits, &taken, &err), &err);
    cr_assert(taken);
    refused(w, "asks nothing");
    done(w);
}

/* ---- windows ------------------------------------------------------------------------------- */

static tw *until_windows(const tw_truth *t, tw_ask *a)
{
    tw_side *h = tw_honest(t), *l = tw_liar(t, 4, 0, TW_OUTPUT, 4);
    tw *w = tw_world(t, 4, (tw_side *[4]){h, h, l, h}, h);
    w->member[3].unrevealed = 1;
    tw_begin(w);
    do *a = until_asked(w, RF_DO_ASK, RF_Q_SEGMENTS);
    while (!tw_may(w, 0, a));
    cr_assert_eq(tw_send_segment(w, 0, &a->e.asked, 1), -1);
    return w;
}

static rf_window *filed_window(const tw *w)
{
    rf_pair *p = &w->task->pairs[0];
    for (uint32_t k = 0; k < p->window_count; k++)
        if (!p->windows[k].closed && p->windows[k].entry_count) return &p->windows[k];
    cr_assert(0);
    return NULL;
}

Test(task_state, T52_open_windows_of_a_state)
{
    tw_ask a;
    tw *w = until_windows(tw_truth_small(6, 3), &a);
    rf_window *open = filed_window(w);
    accepted(w);
    WITH(w, open->filings[0].member, w->task->seat_count, LOOSE);
    const uint32_t elsewhere = rf_task_find(w->task, w->member[3].key); /* revealed no root */
    WITH(w, open->filings[0].member, elsewhere, LOOSE);
    WITH(w, open->filings[0].entry, open->entry_count, LOOSE);
    WITH(w, open->entries[0].first, w->task->seat_count, LOOSE);
    WITH(w, w->task->pairs[0].window_count, 1, "lacks a window");
    WITH(w, open->entry_count, 0, LOOSE); /* its filing names it */
    WITH(w, open->closed, 1, "closed window that is open");
    done(w);
}

Test(task_state, T52_closed_windows_of_a_state)
{
    const tw_truth *t = tw_truth_small(6, 3);
    tw_side *h = tw_honest(t), *l = tw_liar(t, 4, 0, TW_OUTPUT, 4);
    tw *w = tw_world(t, 2, (tw_side *[2]){h, l}, h);
    tw_begin(w);
    tw_ask a = until_asked(w, RF_DO_ASK, RF_Q_SEGMENTS);
    tw_serve(w, &a); /* one side's is closed, with the other's open */
    rf_pair *p = &w->task->pairs[0];
    rf_window *shut = &p->windows[!p->windows[0].closed];
    rf_opening *o = p->game->newest;
    cr_assert(shut->closed && shut->entry_count == 1 && rf_is_window(o->q.kind));
    accepted(w);
    WITH(w, o->slot, 1, "opening that is none"); /* the window that is open */
    const size_t size = o->size;
    o->size = 0;
    WITH(w, o->absent, 1, "opening of no question"); /* windows close, if empty */
    o->size = size;
    const uint32_t entries = shut->entry_count, entry = shut->filings[0].entry;
    shut->entry_count = 0;
    shut->filings[0].entry = RF_NONE;
    WITH(w, shut->closed, 0, "opening that is none");
    shut->entry_count = entries;
    shut->filings[0].entry = entry;
    accepted(w);
    done(w);
}

/* Claims in an open window that were never admitted: refused when it closes, and by that alone. */
Test(task_state, T52_claims_that_were_not_admitted)
{
    tw_ask a;
    tw *w = until_windows(tw_truth_small(6, 3), &a);
    rf_event e;
    ro_err err = {RO_OK, {0}};
    filed_window(w)->entries[0].bytes[0] ^= 1;
    tw_restart(w);
    memset(&e, 0, sizeof e);
    cr_assert_eq(rf_task_event(w->task, &e, a.e.deadline, &err), RO_EFORMAT);
    cr_assert_not_null(strstr(err.msg, "not admitted"), "%s", err.msg);
    done(w);
}

/* ---- what is held --------------------------------------------------------------------------- */

/* Of members 0 to 3 three fall, each to a pair without a kernel. */
static tw *until_held(const tw_truth *t)
{
    tw_side *side[4] = {tw_honest(t)};
    for (uint64_t k = 1; k < 4; k++) side[k] = tw_liar(t, 1 + k, 0, TW_OUTPUT, k);
    tw *w = tw_world(t, 4, side, side[0]);
    w->host_cannot = 1;
    tw_begin(w);
    tw_until(w, RF_T_FINAL);
    cr_assert_eq(w->task->held_count, 3);
    return w;
}

static rf_seat *first_doubted(const tw *w)
{
    rf_seat *s = w->task->seats;
    while (s->doubt.level == RF_NONE) s++;
    return s;
}

Test(task_state, T52_held_pairs_of_a_state)
{
    tw *w = until_held(tw_truth_small(6, 0));
    rf_task *t = w->task;
    rf_seat *s = first_doubted(w);
    rf_held *h = &t->held[1];
    accepted(w);
    WITH(w, s->doubt.level, 9, LOOSE);
    WITH(w, s->doubt.number, 9, LOOSE);
    WITH(w, s->lost, RF_LOST_NOTHING, LOOSE);
    WITH(w, s->group, RF_NONE, LOOSE);
    WITH(w, h->level, 9, LOOSE); /* then a loss has no pair */
    WITH(w, h->number, 9, LOOSE);
    WITH(w, h->group[0], t->root_count, LOOSE);
    WITH(w, h->group[0], h->group[1], LOOSE); /* before there is a game of it */
    WITH(w, h->missed[0], t->next_work, "did not miss");
    WITH(w, h->missed_count, 0, LOOSE);
    WITH(w, s->next_first, 1, LOOSE); /* of no equivocation */
    WITH(w, s->group, s->group ? 0 : t->root_count - 1, LOOSE); /* another pair's */
    s->next_first = 1;
    s->next = RF_LOST_EQUIVOCATION;
    accepted(w);
    WITH(w, s->next, RF_LOST_ATTENTION, LOOSE);
    s->next_first = 0;
    s->next = RF_LOST_NOTHING;
    WITH(w, t->held_count, 2, LOOSE);
    WITH(w, t->held_count, 0, LOOSE);
    WITH(w, t->end, RF_END_NOBODY, LOOSE); /* with pairs of a level that is over */
    tw_finish(w);
    done(w);
}

/* Each pair that is held has a name of its own, which is no pair's that is judged. */
Test(task_state, T52_names_of_held_pairs)
{
    tw *w = until_held(tw_truth_small(6, 0));
    rf_task *t = w->task;
    for (uint32_t k = 0; k < t->seat_count; k++) t->seats[k].doubt = (rf_doubt){RF_NONE, 0};
    t->held[1].level = t->held[0].level;
    t->held[1].number = 7;
    accepted(w);
    WITH(w, t->held[1].number, t->held[0].number, LOOSE);
    t->held[2].number = t->held[0].number;
    WITH(w, t->held[2].level, t->held[0].level, LOOSE);
    done(w);
}

/* As many as there can be, each of which costs memory, and one more. */
Test(task_state, V010_more_roots_and_pairs_than_there_can_be)
{
    enum { MOST = 4 + RF_AUDITORS_MAX };
    tw *w = until_held(tw_truth_small(6, 0));
    rf_task *t = w->task;
    rf_held held[MOST + 1], *held_was = t->held;
    rf_root roots[MOST + 1], *roots_were = t->roots;
    rf_pair pairs[3], *pairs_were = t->pairs;
    for (uint32_t k = 0; k < t->seat_count; k++) t->seats[k].doubt = (rf_doubt){RF_NONE, 0};
    cr_assert(t->root_count == 4 && t->params.slots == 4 && t->pair_count == 1);
    for (uint32_t k = 0; k <= MOST; k++) {
        held[k] = t->held[0];
        held[k].level = 100 + k;
        roots[k] = t->roots[k % 4];
    }
    for (uint32_t k = 0; k < 3; k++) pairs[k] = t->pairs[0];
    t->held = held;
    t->held_count = MOST;
    WITH(w, t->held_count, MOST + 1, LOOSE);
    t->held = held_was;
    t->held_count = 3;
    t->pairs = pairs;
    t->pair_count = 2;
    WITH(w, t->pair_count, 3, LOOSE);
    t->pairs = pairs_were;
    t->pair_count = 1;
    t->roots = roots;
    t->root_count = MOST;
    WITH(w, t->root_count, MOST + 1, LOOSE);
    t->roots = roots_were;
    t->root_count = 4;
    done(w);
}

/* A task that is over holds nothing, and nothing is held whose kernels have all been run. */
Test(task_state, T52_what_is_held_for_nothing)
{
    tw *w = until_held(tw_truth_small(6, 0));
    rf_task *t = w->task;
    const uint8_t bits[RF_KERNEL_BYTES] = {0};
    rf_opening *o = t->held[2].game->oldest;
    for (uint32_t k = 0; k < t->seat_count; k++) t->seats[k].doubt = (rf_doubt){RF_NONE, 0};
    accepted(w); /* auditors' roots fall without a stake that is lost */
    while (o->q.kind != RF_Q_KERNEL) o = o->later;
    *o = (rf_opening){o->next, o->q, bits, sizeof bits, 0, o->struck, o->window, o->later, o->slot};
    t->held[2].missed_count = 0;
    refused(w, LOOSE);
    t->held[2].missed_count = 1;
    o->absent = 1;
    o->size = 0;
    accepted(w);
    t->state = RF_T_SETTLED;
    t->deadline = UINT64_MAX;
    refused(w, LOOSE);
    t->held_count = 0;
    accepted(w);
    t->held_count = 3;
    done(w);
}

/* A pair that is judged holds what it took, until its end. */
Test(task_state, T52_losses_to_a_pair_that_is_judged)
{
    const tw_truth *truth = tw_truth_small(6, 3);
    tw_side *h = tw_honest(truth), *l = tw_liar(truth, 4, 0, TW_OUTPUT, 4), *bad = NULL;
    const vd_claim_body right = tw_claim(truth, h, h, 1);
    vd_claim_body wrong = right;
    for (uint64_t salt = 1; memcmp(wrong.tree.b, right.tree.b, VD_DIGEST) >= 0; salt++) {
        bad = tw_liar(truth, 3, 1, TW_OUTPUT, salt);
        wrong = tw_claim(truth, h, bad, 1);
    }
    tw *w = tw_world(truth, 3, (tw_side *[3]){h, h, l}, h);
    w->member[1].claims = bad;
    w->host_cannot = 1;
    tw_begin(w);
    while (!w->struck) {
        tw_ask a = w->queue[w->head++];
        tw_serve(w, &a);
    }
    rf_task *t = w->task;
    rf_seat *s = first_doubted(w);
    cr_assert_eq(t->pairs[0].missed_count, 1);
    accepted(w);
    WITH(w, s->doubt.number, 1, LOOSE);
    WITH(w, s->doubt.level, 1, LOOSE);
    WITH(w, t->pairs[0].missed_count, 0, "did not miss");
    WITH(w, t->pairs[0].missed[0], t->next_work, "did not miss");
    tw_finish(w);
    done(w);
}

/* A claim that nobody opens: absent, among openings that follow it. */
Test(task_state, V009_openings_that_did_not_come)
{
    const tw_truth *truth = tw_truth_small(6, 3);
    tw_side *h = tw_honest(truth), *l = tw_liar(truth, 4, 0, TW_OUTPUT, 4), *bad = NULL;
    const vd_claim_body right = tw_claim(truth, h, h, 1);
    vd_claim_body wrong = right;
    for (uint64_t salt = 1; memcmp(wrong.tree.b, right.tree.b, VD_DIGEST) >= 0; salt++) {
        bad = tw_liar(truth, 3, 1, TW_OUTPUT, salt);
        wrong = tw_claim(truth, h, bad, 1);
    }
    tw *w = tw_world(truth, 3, (tw_side *[3]){h, h, l}, h);
    w->member[1].claims = bad;
    tw_begin(w);
    while (w->head < w->tail) {
        tw_ask a = w->queue[w->head++];
        w->member[1].silent = a.has_q && a.q.claim != RF_NONE;
        tw_serve(w, &a);
    }
    w->member[1].silent = 1;
    for (int k = 0; k < 3 && !w->struck; k++) tw_tick(w, rf_task_deadline(w->task));
    cr_assert_eq(tw_lost(w, 1), RF_LOST_CLAIM, "%s", w->log);
    cr_assert_eq(rf_task_get_state(w->task), RF_T_DISPUTED);
    tw_restart(w);
    w->stop = 1;
    tw_finish(w);
    cr_assert(tw_accepted(w, h), "%s", w->log);
    cr_assert_eq(tw_lost(w, 0), RF_LOST_NOTHING);
    done(w);
}

/* ---- the whole ------------------------------------------------------------------------------ */

/* Cut at every byte, and with a byte too many. */
static void cut_everywhere(const tw *w)
{
    uint8_t *bytes, *more;
    size_t n;
    ro_err err = {RO_OK, {0}};
    must(rf_task_save(w->task, &bytes, &n, &err), &err);
    for (size_t cut = 0; cut < n; cut++) must_be_refused(w, bytes, cut, "");
    more = malloc(n + 1);
    memcpy(more, bytes, n);
    more[n] = 0;
    must_be_refused(w, more, n + 1, LOOSE);
    free(more);
    ro_free(bytes);
}

Test(task_state, T52_states_cut_at_every_byte, .timeout = 300)
{
    tw_ask a;
    tw *w = until_windows(tw_truth_small(6, 3), &a);
    cut_everywhere(w);
    done(w);
    w = until_held(tw_truth_small(6, 0));
    cut_everywhere(w);
    done(w);
}

/* A claim whose size is more than there are bytes. */
Test(task_state, T52_claims_larger_than_the_state)
{
    tw_ask a;
    tw *w = until_windows(tw_truth_small(6, 3), &a);
    uint8_t *bytes;
    size_t n, at = 0;
    ro_err err = {RO_OK, {0}};
    uint8_t size[8];
    vd_put_le(size, filed_window(w)->size, 8);
    must(rf_task_save(w->task, &bytes, &n, &err), &err);
    while (memcmp(bytes + at, size, 8) != 0 || vd_get_u32(bytes + at + 8) != 1) at++;
    vd_put_le(bytes + at, UINT64_C(1) << 40, 8);
    must_be_refused(w, bytes, n, LOOSE);
    ro_free(bytes);
    done(w);
}

/* V-011: no memory to read a state of large openings, or of what is held. */
Test(task_state, V011_no_memory_to_restore_what_was_played, .timeout = 300)
{
    enum { LONG = 20000 };
    for (int k = 0; k < 3; k++) {
        tw_truth *t = k ? tw_truth_dear(LONG, 0) : tw_truth_small(6, 3);
        tw_side *h = tw_honest(t), *l = tw_liar(t, k ? 0 : 4, 0, TW_OUTPUT, 1 << 20);
        tw *w = tw_world(t, 2, (tw_side *[2]){h, l}, h);
        uint8_t *bytes;
        size_t n;
        uint64_t all = 1;
        ro_err err = {RO_OK, {0}};
        w->host_cannot = 1;
        tw_begin(w);
        until_asked(w, RF_DO_RUN, RF_Q_KERNEL);
        w->head--;
        if (k == 2) tw_until(w, RF_T_FINAL);
        cr_assert_eq(w->task->held_count, k == 2);
        must(rf_task_save(w->task, &bytes, &n, &err), &err);
        for (int for_good = 1; for_good >= 0; for_good--)
            for (uint64_t at = 1; for_good || at < all; at++) {
                rf_task *again = NULL;
                ro_err why = {RO_OK, {0}};
                ro_alloc_fail_at(at, for_good);
                ro_status st = rf_task_restore(t->job, bytes, n, &again, &why);
                ro_alloc_fail_at(0, 0);
                all = for_good ? at : all;
                rf_task_free(again);
                if (for_good && st == RO_OK) break;
                cr_assert_eq(st, RO_ENOMEM, "%llu: %s", (unsigned long long)at, why.msg);
            }
        cr_assert_gt(all, 20);
        ro_free(bytes);
        done(w);
    }
}

/* What a referee declares of its cost is held against the supply, whoever wrote the state. */
Test(task_state, T39_more_pairs_than_money_can_count)
{
    tw *w = two(tw_truth_small(6, 0));
    ro_err err = {RO_OK, {0}};
    rf_params *p = &w->setup.params;
    int64_t exposure;
    rf_event e;
    p->segment = INT64_C(1) << 40;
    must(rf_params_exposure(p, &exposure, &err), &err);
    p->stake = 10 * exposure;
    rf_task_free(w->task);
    must(rf_task_new(&w->setup, w->now, &w->task, &err), &err);
    tw_begin(w);
    w->task->counts.pairs = UINT32_MAX;
    tw_restart(w);
    memset(&e, 0, sizeof e);
    e.kind = RF_EV_ALARM;
    cr_assert_eq(rf_task_event(w->task, &e, w->now, &err), RO_ELIMIT);
    done(w);
}
