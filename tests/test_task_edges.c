/* test_task_edges.c - what few tasks meet: members struck between two of their messages, bodies
 * that differ over equal trees, hosts that answer wrongly, jobs without nodes, full lists, no
 * memory at the places that whole lives of test_task.c do not come to. */
#include <criterion/criterion.h>

#include "task_world.h"

static tw *two(const tw_truth *t)
{
    tw_side *h = tw_honest(t), *l = tw_liar(t, 2, 0, TW_OUTPUT, 4);
    return tw_world(t, 2, (tw_side *[2]){h, l}, h);
}

static int contradict(tw *w, uint32_t k)
{
    rf_message other = tw_commitment(w, k);
    other.claim.commitment.b[0] ^= 1;
    return tw_send(w, k, &other, NULL, 0);
}

/* Do what is asked until the next thing asked is one of this kind; it is returned, not done. */
static tw_ask until_asked(tw *w, rf_effect_kind kind, rf_question_kind question)
{
    for (;;) {
        cr_assert_lt(w->head, w->tail, "%s", w->log);
        tw_ask a = w->queue[w->head++];
        if (a.e.kind == kind && (!a.has_q || a.q.kind == question)) return a;
        tw_serve(w, &a);
    }
}

/* New parameters, before anything was said. */
static void renew(tw *w)
{
    ro_err err = {RO_OK, {0}};
    rf_task_free(w->task);
    must(rf_task_new(&w->setup, w->now, &w->task, &err), &err);
}

/* ---- members ------------------------------------------------------------------------------- */

/* The struck are not heard where their root stands, whatever they could say. */
Test(task_edges, T31_the_struck_are_not_heard_on_a_root_that_stands)
{
    for (uint32_t segment = 0; segment <= 3; segment += 3) {
        tw_truth *t = tw_truth_small(6, segment);
        tw_side *h = tw_honest(t), *l = tw_liar(t, 4, 0, TW_OUTPUT, 4);
        tw *w = tw_world(t, 3, (tw_side *[3]){h, h, l}, h);
        uint8_t *bytes;
        tw_begin(w);
        tw_ask a;
        do a = until_asked(w, RF_DO_ASK, segment ? RF_Q_SEGMENTS : RF_Q_HASHES);
        while (!tw_may(w, 1, &a));
        cr_assert_eq(contradict(w, 1), RF_R_CONFLICT);
        if (segment) {
            cr_assert_eq(tw_send_segment(w, 1, &a.e.asked, 1), RF_R_STRUCK);
        } else {
            size_t n = tw_says(t, h, h, rf_task_game(w->task, 0, 0), &a.q, &bytes);
            cr_assert_eq(tw_send_opening(w, 1, &a.e.asked, bytes, n), RF_R_STRUCK);
            ro_free(bytes);
        }
        w->head--;
        w->member[1].silent = 1;
        tw_finish(w);
        cr_assert(tw_accepted(w, h), "%s", w->log);
        cr_assert_eq(tw_lost(w, 0), RF_LOST_NOTHING);
        cr_assert_eq(tw_lost(w, 1), RF_LOST_EQUIVOCATION);
        tw_free(w);
        tw_truth_free(t);
    }
}

/* A claim in answer to a question that is no window; a window closed is asked about no more. */
Test(task_edges, T75_claims_where_none_is_asked_for)
{
    tw_truth *t = tw_truth_small(6, 3);
    tw_side *h = tw_honest(t), *l = tw_liar(t, 4, 0, TW_OUTPUT, 4);
    tw *w = tw_world(t, 2, (tw_side *[2]){h, l}, h);
    tw_begin(w);
    tw_ask a;
    do a = until_asked(w, RF_DO_ASK, RF_Q_HASHES);
    while (!tw_may(w, 0, &a));
    cr_assert_eq(tw_send_segment(w, 0, &a.e.asked, 1), RF_R_STALE);
    w->head--;
    tw_finish(w);
    cr_assert_eq(tw_lost(w, 0), RF_LOST_NOTHING, "%s", w->log); /* it was no claim */
    cr_assert(tw_accepted(w, h));
    tw_free(w);
    tw_truth_free(t);
}

Test(task_edges, T76_withdrawn_before_any_commitment)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw *w = two(t);
    cr_assert_eq(tw_send_work(w, 1), -1);
    cr_assert_eq(tw_send_work(w, 1), -1); /* again: the same claim */
    cr_assert(tw_last(w, RF_DO_ACCEPT)->duplicate);
    cr_assert_eq(rf_task_members(w->task), 1);
    tw_open(w);
    rf_message out = tw_message(w, 1, RF_M_WITHDRAW);
    cr_assert_eq(tw_send(w, 1, &out, NULL, 0), -1);
    cr_assert_eq(tw_send_commit(w, 1), RF_R_LATE);
    w->member[1].uncommitted = 1;
    tw_commit(w);
    tw_reveals(w);
    tw_finish(w);
    cr_assert_eq(rf_task_end(w->task), RF_END_SETTLED);
    cr_assert_eq(w->struck, 0);
    tw_free(w);
    tw_truth_free(t);
}

/* ---- bodies that differ over equal trees --------------------------------------------------- */

/* An outputs root that does not follow from the steps; all else is the truth. */
static tw_side *other_outputs(const tw_truth *t, uint64_t step)
{
    tw_side *w = tw_honest(t);
    const vd_digest false_one = made_up(step, 77, 77);
    memcpy(w->output_hash[step], false_one.b, VD_DIGEST);
    vd_tree_root(VD_TREE_OUTPUTS, w->output_hash[0], t->job->steps, w->body.outputs.b);
    vd_trace_body_encode(&w->body, w->party.body);
    w->party.root = vd_trace_root(&w->body);
    return w;
}

Test(task_edges, T18_an_outputs_root_that_is_not_of_its_steps)
{
    for (uint32_t segment = 0; segment <= 3; segment += 3) {
        tw_truth *t = tw_truth_small(6, segment);
        tw_side *h = tw_honest(t), *l = other_outputs(t, 4);
        tw *w = tw_world(t, 2, (tw_side *[2]){h, l}, h);
        rf_task_counts c;
        tw_run(w);
        rf_task_get_counts(w->task, &c);
        cr_assert(tw_accepted(w, h), "%s", w->log);
        cr_assert_eq(tw_lost(w, 1), RF_LOST_VERDICT);
        cr_assert_eq(tw_lost(w, 0), RF_LOST_NOTHING);
        cr_assert_eq(c.recomputed, 0);
        tw_free(w);
        tw_truth_free(t);
    }
}

/* ---- the host ------------------------------------------------------------------------------ */

/* A kernel's answer is 8 bytes: anything else is a fault, and tried again. */
Test(task_edges, T36_a_kernels_answer_of_another_size)
{
    tw_truth *t = tw_truth_small(6, 0);
    for (size_t n = RF_KERNEL_BYTES - 1; n <= RF_KERNEL_BYTES + 1; n += 2) {
        tw *w = two(t);
        rf_event e;
        tw_begin(w);
        tw_ask a = until_asked(w, RF_DO_RUN, RF_Q_KERNEL);
        while (!a.has_q) {
            tw_serve(w, &a);
            a = until_asked(w, RF_DO_RUN, RF_Q_KERNEL);
        }
        memset(&e, 0, sizeof e);
        e.kind = RF_EV_WORK;
        e.work = a.e.work;
        e.bytes = "0123456789";
        e.size = n;
        tw_event(w, &e);
        const rf_effect *again = tw_last(w, RF_DO_RUN);
        cr_assert(again && again->work == a.e.work && again->deadline > w->now);
        cr_assert_eq(w->struck, 0);
        tw_finish(w);
        cr_assert_eq(tw_lost(w, 1), RF_LOST_VERDICT);
        cr_assert_eq(rf_task_end(w->task), RF_END_SETTLED);
        tw_free(w);
    }
    tw_truth_free(t);
}

/* A window with as many claims as a vector has room for at first. */
Test(task_edges, T61_eight_claims_in_a_window)
{
    enum { SABOTEURS = 7 };
    tw_truth *t = tw_truth_small(6, 3);
    tw_side *h = tw_honest(t), *l = tw_liar(t, 4, 0, TW_OUTPUT, 4);
    tw *w = tw_new(t, SABOTEURS + 2);
    rf_task_counts c;
    w->auditor = h;
    for (uint32_t k = 0; k < SABOTEURS + 2; k++) {
        w->member[k].side = k == SABOTEURS + 1 ? l : h;
        if (k < SABOTEURS) w->member[k].claims = tw_liar(t, 3, 1, TW_OUTPUT, k + 4);
    }
    tw_run(w);
    rf_task_get_counts(w->task, &c);
    cr_assert_eq(c.claims, SABOTEURS + 2);
    cr_assert(tw_accepted(w, h), "%s", w->log);
    cr_assert_eq(tw_lost(w, SABOTEURS), RF_LOST_NOTHING);
    cr_assert_eq(tw_lost(w, SABOTEURS + 1), RF_LOST_CLAIM);
    tw_free(w);
    tw_truth_free(t);
}

/* A side falls by itself while the kernel runs: its work is dropped, and its answer nobody's. */
Test(task_edges, T36_a_kernel_that_comes_after_its_pair)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw *w = two(t);
    uint32_t n;
    rf_task_counts c;
    tw_begin(w);
    tw_ask a = until_asked(w, RF_DO_RUN, RF_Q_KERNEL);
    cr_assert(a.has_q);
    cr_assert_eq(contradict(w, 1), RF_R_CONFLICT);
    cr_assert_null(tw_last(w, RF_DO_VERDICT)->verdict);
    w->kernel_lies = 1;
    tw_work(w, &a);
    rf_task_effects(w->task, &n);
    cr_assert_eq(n, 0);
    cr_assert_null(rf_task_game(w->task, 0, 0));
    w->kernel_lies = 0;
    tw_finish(w);
    rf_task_get_counts(w->task, &c);
    cr_assert_eq(c.questions, w->asked);
    cr_assert_eq(tw_lost(w, 0), RF_LOST_NOTHING);
    cr_assert_eq(rf_task_end(w->task), RF_END_SETTLED);
    tw_free(w);
    tw_truth_free(t);
}

/* Several challenges: each answered, one answered wrong; the host has a work for each. */
Test(task_edges, T03_several_challenges)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw_side *h = tw_honest(t);
    tw *w = tw_world(t, 3, (tw_side *[3]){h, h, h}, h);
    uint32_t asked = 0, runs = 0;
    w->setup.params.challenges = 3;
    renew(w);
    tw_begin(w);
    while (w->head < w->tail) {
        tw_ask a = w->queue[w->head++];
        asked += a.e.kind == RF_DO_CHALLENGE;
        runs += a.e.kind == RF_DO_RUN;
        w->member[1].inattentive = a.e.kind == RF_DO_CHALLENGE && a.e.number == 1;
        w->member[2].wrong_attention = a.e.number == 2;
        tw_restart(w);
        tw_serve(w, &a);
        if (asked < 3 || runs) continue;
        if (tw_lost(w, 1) == RF_LOST_NOTHING) tw_tick(w, rf_task_deadline(w->task));
    }
    cr_assert(asked == 3 && runs == 3, "%s", w->log);
    cr_assert_eq(tw_lost(w, 0), RF_LOST_NOTHING);
    cr_assert_eq(tw_lost(w, 1), RF_LOST_ATTENTION); /* two of three */
    cr_assert_eq(tw_lost(w, 2), RF_LOST_ATTENTION);
    tw_finish(w);
    cr_assert(tw_accepted(w, h), "%s", w->log);
    tw_free(w);
    tw_truth_free(t);
}

/* ---- jobs whose steps compute nothing ------------------------------------------------------- */

static ro_graph *no_nodes(ro_arena *a)
{
    ro_graph *g;
    ro_err err = {RO_OK, {0}};
    must(ro_graph_new(a, &g, &err), &err);
    return g;
}

/* The small job with a phase that has no nodes after it, or nothing but such a phase. */
static tw_truth *idle_truth(int all)
{
    static const float zeros[12];
    ro_err err = {RO_OK, {0}};
    tw_truth *t = calloc(1, sizeof *t);
    t->arena = ro_arena_new();
    must(small_unsealed(t->arena, 1, 1, 0, 1, &t->job, &err), &err);
    vd_phase *phases = ro_arena_alloc(t->arena, 3 * sizeof *phases);
    memcpy(phases, t->job->phases, 2 * sizeof *phases);
    phases[2].steps = 4;
    phases[2].graph = no_nodes(t->arena);
    t->job->phases = all ? &phases[2] : phases;
    t->job->phase_count = all ? 1 : 3;
    must(vd_job_seal(t->job, &err), &err);
    t->constants[0] = zeros;
    t->constant[0] = tw_tensor_new(t->arena, &t->job->constants[0].type);
    tw_seal_tensor(t->arena, &t->constant[0]);
    tw_truth_run(t);
    return t;
}

/* A challenge is drawn again where a step has no nodes; where no step has any there is none. */
Test(task_edges, T03_challenges_of_steps_without_nodes)
{
    for (int all = 0; all < 2; all++) {
        tw_truth *t = idle_truth(all);
        tw_side *h = tw_honest(t);
        tw *w = tw_world(t, 2, (tw_side *[2]){h, h}, h);
        uint32_t asked = 0, n, told = 0;
        ro_err err = {RO_OK, {0}};
        w->setup.params.challenges = 32;
        renew(w);
        tw_begin(w);
        for (uint32_t k = 0; k < w->tail; k++) {
            asked += w->queue[k].e.kind == RF_DO_CHALLENGE;
            cr_assert_lt(w->queue[k].e.step, 2);
        }
        cr_assert_eq(asked, all ? 0 : 32);
        tw_restart(w);
        must(rf_task_pending(w->task, &err), &err);
        rf_task_effects(w->task, &n);
        told = n;
        cr_assert_eq(told, asked);
        rf_message m = tw_message(w, 0, RF_M_CHALLENGE);
        if (all) cr_assert_eq(tw_send(w, 0, &m, NULL, 0), RF_R_STALE);
        tw_finish(w);
        cr_assert(tw_accepted(w, h), "%s", w->log);
        cr_assert_eq(w->struck, 0);
        cr_assert_eq(strstr(w->log, "\nrun ") != NULL, !all);
        tw_free(w);
        tw_truth_free(t);
    }
}

/* ---- auditors ------------------------------------------------------------------------------- */

static void name_auditor(tw *w, uint8_t number, const tw_side *side)
{
    rf_event e;
    memset(&e, 0, sizeof e);
    e.kind = RF_EV_AUDITOR;
    memset(e.key, number, sizeof e.key);
    memcpy(w->member[w->members].key, e.key, sizeof e.key);
    w->member[w->members].side = side;
    tw_event(w, &e);
    cr_assert_not_null(tw_last(w, RF_DO_ACCEPT));
}

/* One of a quorum of two reveals: the audit is certain, and wanted now. */
static tw *until_audit(const tw_truth *t, uint32_t retries)
{
    tw_side *h = tw_honest(t);
    tw *w = tw_world(t, 2, (tw_side *[2]){h, h}, NULL);
    w->member[1].unrevealed = 1;
    w->setup.params.retries = retries;
    renew(w);
    tw_begin(w);
    tw_pump(w);
    cr_assert_eq(rf_task_get_state(w->task), RF_T_AGREED);
    const tw_ask *a = &w->queue[w->tail - 1];
    cr_assert_eq(a->e.kind, RF_DO_AUDIT);
    cr_assert(vd_digest_equal(&a->e.roots[0], &h->party.root));
    return w;
}

/* An auditor that comes after another has done its work is too late, and no equivocator. */
Test(task_edges, T65_an_auditor_that_was_replaced)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw *w = until_audit(t, 3);
    const tw_side *h = w->member[0].side;
    name_auditor(w, 40, h);
    const rf_message first = tw_reveal(w, 2, h);
    rf_message m = first;
    m.role = RF_AUDITOR;
    tw_tick(w, rf_task_deadline(w->task));
    name_auditor(w, 41, h);
    cr_assert_eq(tw_send(w, 2, &m, NULL, 0), RF_R_LATE);
    cr_assert_eq(tw_send_reveal(w, 2), -1);
    cr_assert_eq(rf_task_get_state(w->task), RF_T_RESOLVED);
    cr_assert_eq(tw_send(w, 2, &m, NULL, 0), RF_R_LATE);
    tw_finish(w);
    cr_assert_eq(w->struck, 1); /* who revealed nothing */
    tw_free(w);
    tw_truth_free(t);
}

/* However many retries a task has, it has 8 auditors. */
Test(task_edges, T65_auditors_are_counted)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw *w = until_audit(t, 20);
    uint8_t n = 0;
    while (rf_task_get_state(w->task) == RF_T_AGREED) {
        name_auditor(w, (uint8_t)(40 + n++), NULL);
        cr_assert_leq(n, RF_AUDITORS_MAX);
        tw_tick(w, rf_task_deadline(w->task));
    }
    cr_assert_eq(n, RF_AUDITORS_MAX);
    cr_assert_eq(rf_task_end(w->task), RF_END_REFUNDED);
    cr_assert_not_null(tw_last(w, RF_DO_ALARM));
    tw_free(w);
    tw_truth_free(t);
}

/* Frozen while an auditor works: it is owed nothing, and takes part in no transfer. */
Test(task_edges, T65_frozen_before_the_auditor_revealed)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw *w = until_audit(t, 3);
    name_auditor(w, 40, w->member[0].side);
    tw_plain(w, RF_EV_ALARM);
    const rf_effect *e = tw_last(w, RF_DO_SETTLE);
    cr_assert(e && e->end == RF_END_REFUNDED);
    for (uint32_t k = 0; k < e->transfer_count; k++) {
        const rf_transfer *x = &e->transfers[k];
        cr_assert(x->to.kind != RF_ACCOUNT_FREE || x->to.member < 2);
        cr_assert_neq(x->purpose, RF_FOR_AUDIT);
    }
    tw_free(w);
    tw_truth_free(t);
}

/* ---- time ------------------------------------------------------------------------------------ */

/* What follows from an expiry comes before the next one, however late the tick: the winner of a
 * pair meets the next root before both are struck for challenges that nobody answered. */
Test(task_edges, T29_what_follows_from_an_expiry_comes_before_the_next)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw_side *side[3] = {tw_honest(t), tw_liar(t, 2, 0, TW_OUTPUT, 4),
                        tw_liar(t, 3, 0, TW_OUTPUT, 5)};
    tw *w = tw_world(t, 3, side, NULL);
    uint32_t n, asked = 0, last = 0;
    tw_begin(w);
    for (uint32_t k = 0; k < w->tail; k++) {
        tw_ask a = w->queue[k];
        if (a.e.kind != RF_DO_ASK || a.e.sides != 2) continue;
        tw_answer(w, &a); /* the other side says nothing */
        break;
    }
    tw_tick(w, w->now + (UINT64_C(1) << 40));
    const rf_effect *e = rf_task_effects(w->task, &n);
    for (uint32_t k = 0; k < n; k++) {
        asked += e[k].kind == RF_DO_ASK && e[k].level == 1;
        if (e[k].kind == RF_DO_ASK) last = k;
        if (e[k].kind == RF_DO_STRIKE && e[k].lost == RF_LOST_ATTENTION) cr_assert_gt(k, last);
    }
    cr_assert_eq(asked, 2, "%s", w->log);
    cr_assert_eq(w->struck, 3);
    tw_free(w);
    tw_truth_free(t);
}

/* ---- names, what is published ---------------------------------------------------------------- */

Test(task_edges, names_of_states_and_effects_are_all_different)
{
    for (int k = 0; k <= RF_T_REFUNDED; k++)
        for (int i = 0; i < k; i++)
            cr_assert_str_neq(rf_task_state_name((rf_task_state)k),
                              rf_task_state_name((rf_task_state)i));
    for (int k = 0; k <= RF_DO_STAND; k++)
        for (int i = 0; i < k; i++)
            cr_assert_str_neq(rf_effect_name((rf_effect_kind)k), rf_effect_name((rf_effect_kind)i));
    cr_assert_str_eq(rf_task_state_name(RF_T_REFUNDED), "refunded");
    cr_assert_str_eq(rf_effect_name(RF_DO_STAND), "stand");
}

/* What is published at OPEN binds the server to its secret, and does not tell it. */
Test(task_edges, T33_the_secret_is_sealed)
{
    const vd_digest secret = made_up(1, 2, 3);
    vd_digest other = secret, sealed = rf_task_sealed_secret(&secret), want;
    vd_tagged_hash("verde/1 sealed secret", secret.b, sizeof secret.b, want.b);
    cr_assert(vd_digest_equal(&sealed, &want));
    other.b[31] ^= 1;
    want = rf_task_sealed_secret(&other);
    cr_assert(!vd_digest_equal(&sealed, &want));
}

/* ---- lists that are full -------------------------------------------------------------------- */

/* A list of paid answers takes no more than a settlement does: the answer counts, unpaid. */
Test(task_edges, T39_no_more_answers_are_paid_than_fit)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw *w = two(t);
    uint8_t *bytes;
    tw_begin(w);
    tw_ask a = until_asked(w, RF_DO_ASK, RF_Q_HASHES);
    const uint32_t k = tw_may(w, 0, &a) ? 0 : 1;
    const tw_side *side = w->member[k].side;
    size_t n = tw_says(t, side, side, rf_task_game(w->task, 0, 0), &a.q, &bytes);
    w->task->answer_count = RF_ANSWERS_MAX;
    cr_assert_eq(tw_send_opening(w, k, &a.e.asked, bytes, n), -1);
    cr_assert_eq(w->task->answer_count, RF_ANSWERS_MAX);
    cr_assert_not_null(tw_last(w, RF_DO_CLOSE));
    w->task->answer_count = 0;
    ro_free(bytes);
    tw_finish(w);
    cr_assert_eq(tw_lost(w, 1), RF_LOST_VERDICT);
    tw_free(w);
    tw_truth_free(t);
}

/* A vector does not grow past what its count can say. */
Test(task_edges, T39_a_vector_of_two_thousand_million)
{
    ro_err err = {RO_OK, {0}};
    uint8_t byte = 7, *items = &byte;
    uint32_t room = UINT32_C(1) << 31;
    cr_assert_eq(rf_room(&items, &room, room, sizeof byte, &err), RO_ENOMEM);
    cr_assert(items == &byte && room == UINT32_C(1) << 31);
    cr_assert_eq(rf_room(&items, &room, room - 1, sizeof byte, &err), RO_OK);
}

/* ---- no memory ------------------------------------------------------------------------------ */

/* A task that failed half way takes nothing, tells nothing and is not written. */
Test(task_edges, V011_a_task_that_failed_half_way)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw *w = two(t);
    rf_event e;
    uint8_t *bytes = NULL;
    size_t n;
    ro_err err = {RO_OK, {0}};
    memset(&e, 0, sizeof e);
    ro_alloc_fail_at(1, 0);
    cr_assert_eq(rf_task_event(w->task, &e, w->now, &err), RO_ENOMEM);
    ro_alloc_fail_at(0, 0);
    err.code = RO_OK;
    cr_assert_eq(rf_task_event(w->task, &e, w->now, &err), RO_EUSAGE);
    err.code = RO_OK;
    cr_assert_eq(rf_task_pending(w->task, &err), RO_EUSAGE);
    err.code = RO_OK;
    cr_assert_eq(rf_task_save(w->task, &bytes, &n, &err), RO_EUSAGE);
    cr_assert_null(bytes);
    tw_free(w);
    tw_truth_free(t);
}

/* Who is refused, struck, released and sought, with every allocation failing once. */
Test(task_edges, V011_no_memory_for_equivocators, .timeout = 300)
{
    for (int when = 0; when < 3; when++) {
        tw_truth *t = tw_truth_small(6, 3);
        tw_side *h = tw_honest(t), *l = tw_liar(t, 4, 0, TW_OUTPUT, 4);
        tw *w = tw_world(t, 3, (tw_side *[3]){h, h, l}, h);
        w->starve = 1;
        tw_open(w);
        for (uint32_t k = 0; k < 3; k++) tw_send_commit(w, k);
        if (when == 0) cr_assert_eq(contradict(w, 1), RF_R_CONFLICT);
        tw_tick(w, rf_task_deadline(w->task));
        for (uint32_t k = 0; k < 3; k++) tw_send_reveal(w, k);
        if (when == 1) {
            rf_message two = tw_reveal(w, 1, h);
            strcpy(two.claim.reveal.backend, "cuda test");
            cr_assert_eq(tw_send(w, 1, &two, NULL, 0), RF_R_CONFLICT);
        }
        tw_tick(w, rf_task_deadline(w->task));
        if (when == 2) cr_assert_eq(contradict(w, 2), RF_R_CONFLICT); /* the last of its root */
        cr_assert_eq(w->struck, 1);
        w->starve = 0;
        w->member[1].inattentive = when == 0;
        tw_finish(w);
        cr_assert(tw_accepted(w, h), "%s", w->log);
        tw_free(w);
        tw_truth_free(t);
    }
}

Test(task_edges, V011_no_memory_for_bad_reveals_and_releases, .timeout = 300)
{
    tw_truth *t = tw_truth_small(6, 0), *other = tw_truth_small(5, 0);
    tw_side *h = tw_honest(t), *o = tw_honest(other);
    tw *w = tw_world(t, 2, (tw_side *[2]){h, o}, o);
    w->starve = 1;
    tw_send_work(w, 0);
    tw_send_work(w, 1);
    tw_tick(w, rf_task_deadline(w->task)); /* without the job's data: both are released */
    cr_assert_eq(rf_task_get_state(w->task), RF_T_REFUNDED);
    tw_free(w);
    w = tw_world(t, 3, (tw_side *[3]){h, o, o}, o);
    w->setup.params = tw_params(t->job, 2);
    w->setup.params.account_slots = 2;
    renew(w);
    w->starve = 1;
    tw_open(w); /* one has no slot */
    tw_commit(w);
    for (uint32_t k = 0; k < 3; k++) tw_send_reveal(w, k);
    tw_tick(w, rf_task_deadline(w->task));
    tw_finish(w); /* auditors that reveal another job's body */
    cr_assert_eq(rf_task_get_state(w->task), RF_T_REFUNDED);
    tw_free(w);
    tw_truth_free(t);
    tw_truth_free(other);
}

Test(task_edges, V011_no_memory_for_auditors_and_contradictions, .timeout = 300)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw *w = until_audit(t, 3);
    tw_side *l = tw_liar(t, 2, 0, TW_OUTPUT, 4);
    name_auditor(w, 40, l);
    w->starve = 1;
    cr_assert_eq(tw_send_reveal(w, 2), -1);
    cr_assert_eq(rf_task_get_state(w->task), RF_T_DISPUTED);
    rf_message two = tw_reveal(w, 2, l);
    strcpy(two.claim.reveal.backend, "cuda test");
    cr_assert_eq(tw_send(w, 2, &two, NULL, 0), RF_R_CONFLICT);
    w->starve = 0;
    tw_finish(w);
    cr_assert(tw_accepted(w, w->member[0].side), "%s", w->log);
    tw_free(w);
    w = tw_world(t, 2, (tw_side *[2]){l, l}, l);
    tw_begin(w);
    rf_message m = tw_message(w, 1, RF_M_CHALLENGE);
    m.slot.step = w->queue[0].e.step;
    m.slot.node = w->queue[0].e.node;
    m.slot.output = w->queue[0].e.output;
    cr_assert_eq(tw_send(w, 1, &m, NULL, 0), -1);
    m.claim.challenge.b[0] ^= 1;
    w->starve = 1;
    cr_assert_eq(tw_send(w, 1, &m, NULL, 0), RF_R_CONFLICT);
    cr_assert_eq(tw_lost(w, 1), RF_LOST_EQUIVOCATION);
    tw_free(w);
    tw_truth_free(t);
}

Test(task_edges, V011_no_memory_for_claims_of_an_equivocator, .timeout = 300)
{
    tw_truth *t = tw_truth_small(6, 3);
    tw_side *h = tw_honest(t), *l = tw_liar(t, 4, 0, TW_OUTPUT, 4);
    tw *w = tw_world(t, 3, (tw_side *[3]){h, h, l}, h);
    tw_begin(w);
    tw_ask a;
    do a = until_asked(w, RF_DO_ASK, RF_Q_SEGMENTS);
    while (!tw_may(w, 1, &a));
    cr_assert_eq(tw_send_segment(w, 1, &a.e.asked, 1), -1);
    w->member[1].claims = l;
    w->starve = 1;
    cr_assert_eq(tw_send_segment(w, 1, &a.e.asked, 1), RF_R_CONFLICT);
    cr_assert_eq(tw_lost(w, 1), RF_LOST_EQUIVOCATION);
    tw_free(w);
    tw_truth_free(t);
}

/* Explanations and their operands are large: what follows one needs room of its own. */
Test(task_edges, V011_no_memory_for_explanations, .timeout = 600)
{
    enum { DEAR = 140000 };
    for (int cannot = 0; cannot < 2; cannot++) {
        tw_truth *t = tw_truth_dear(DEAR, 0);
        tw_side *h = tw_honest(t), *l = tw_liar(t, 0, 0, TW_OUTPUT, 1 << 20);
        tw *w = tw_world(t, 2, (tw_side *[2]){h, l}, h);
        w->host_cannot = cannot;
        tw_begin(w);
        while (w->head < w->tail) {
            tw_ask a = w->queue[w->head++];
            w->starve = a.has_q && (a.q.kind == RF_Q_EXPLANATIONS || a.q.kind == RF_Q_KERNEL) ? 2
                                                                                              : 0;
            tw_serve(w, &a);
        }
        w->starve = 0;
        tw_finish(w);
        cr_assert(tw_accepted(w, h), "%s", w->log);
        tw_free(w);
        tw_truth_free(t);
    }
}

/* So do a kernel's answer, or its absence, after operands that fill what room there was. */
Test(task_edges, V011_no_memory_for_a_kernels_answer, .timeout = 300)
{
    enum { LONG = 20000 };
    for (int cannot = 0; cannot < 2; cannot++) {
        tw_truth *t = tw_truth_dear(LONG, 0);
        tw_side *h = tw_honest(t), *l = tw_liar(t, 0, 0, TW_OUTPUT, 1 << 20);
        tw *w = tw_world(t, 2, (tw_side *[2]){h, l}, h);
        w->host_cannot = cannot;
        tw_begin(w);
        tw_ask a = until_asked(w, RF_DO_RUN, RF_Q_KERNEL);
        cr_assert(a.has_q);
        w->starve = 1;
        tw_work(w, &a);
        cr_assert_eq(w->verdicts, 1);
        w->starve = 0;
        tw_finish(w);
        cr_assert(tw_accepted(w, h), "%s", w->log);
        tw_free(w);
        tw_truth_free(t);
    }
}

/* One step that negates more numbers than one answer has chunk hashes for. */
static tw_truth *wide_truth(void)
{
    enum { NUMBERS = 2100 * 1024 };
    ro_err err = {RO_OK, {0}};
    tw_truth *t = tw_truth_dear(4, 0);
    ro_graph *g;
    ro_value x;
    int64_t dims[1] = {NUMBERS};
    vd_job *j = t->job;
    ro_type type = ro_type_of(RO_F32, 1, dims);
    t->constant[0] = tw_tensor_new(t->arena, &type);
    tw_seal_tensor(t->arena, &t->constant[0]);
    t->constants[0] = t->constant[0].bytes;
    j->constants[0].type = type;
    j->constants[0].digest = t->constant[0].digest;
    must(ro_graph_new(t->arena, &g, &err), &err);
    must(ro_graph_constant(g, 0, &type, &x, &err), &err);
    must(ro_emit1(g, RO_OP_Neg, NULL, x, &x, &err), &err);
    must(ro_graph_add_output(g, x, &err), &err);
    j->phases[0].graph = g;
    must(vd_job_seal(j, &err), &err);
    tw_truth_run(t);
    return t;
}

/* And an opening that is not given in time, after hashes that fill what room there was. */
Test(task_edges, V011_no_memory_for_silence, .timeout = 300)
{
    tw_truth *t = wide_truth();
    tw_side *h = tw_honest(t), *l = tw_liar(t, 0, 0, TW_OUTPUT, 1 << 20);
    tw *w = tw_world(t, 2, (tw_side *[2]){h, l}, h);
    tw_begin(w);
    tw_ask a;
    do a = until_asked(w, RF_DO_ASK, RF_Q_LEAF);
    while (a.q.tree != VD_TREE_CHUNKS ? (tw_serve(w, &a), 1) : 0);
    for (uint32_t k = 0; k < w->tail; k++)
        if (w->queue[k].e.kind == RF_DO_CHALLENGE) tw_challenge(w, &w->queue[k]);
    w->starve = 1;
    tw_tick(w, rf_task_deadline(w->task));
    w->starve = 0;
    cr_assert_eq(tw_lost(w, 0), RF_LOST_FORFEIT, "%s", w->log);
    cr_assert_eq(tw_lost(w, 1), RF_LOST_FORFEIT);
    tw_free(w);
    tw_truth_free(t);
}
