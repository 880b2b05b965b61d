/* test_task.c - the life of a task: every transition, every deadline, who is struck for what, and
 * that a task which is stopped after any event goes on as if it had not been.
 *
 * Names carry the threats of docs/THREATS.md that they test. */
#include <criterion/criterion.h>

#include "task_world.h"

static tw_side *honest(const tw_truth *t) { return tw_side_new(t, NULL); }

static tw_side *liar(const tw_truth *t, uint64_t step, uint32_t node, tw_lie_kind kind, uint64_t salt)
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
