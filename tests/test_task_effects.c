/* test_task_effects.c - what a task tells its host, field by field; what it makes of an event's
 * fields that are not its kind's; and that what it tells costs it nothing.
 *
 * Names carry the threats of docs/THREATS.md that they test. */
#include <criterion/criterion.h>

#include "../verde/bytes.h"
#include "task_world.h"

static tw_side *liar(const tw_truth *t, uint64_t step, uint32_t node, uint64_t salt)
{
    tw_lie lie = {step, node, TW_OUTPUT, salt};
    return tw_side_new(t, &lie);
}

/* n members of one truth; liars, a bit each, differ from it and from each other. */
static tw *world(const tw_truth *t, uint32_t n, uint32_t liars)
{
    tw *w = tw_new(t, n);
    tw_side *h = tw_side_new(t, NULL);
    for (uint32_t k = 0; k < n; k++)
        w->member[k].side = liars >> k & 1 ? liar(t, k % 6, k % 2, 4 + k) : h;
    w->auditor = h;
    return w;
}

/* The task anew, with what was changed in its setup. */
static void set_up_again(tw *w)
{
    ro_err err = {RO_OK, {0}};
    rf_task_free(w->task);
    must(rf_task_new(&w->setup, w->now, &w->task, &err), &err);
}

/* ---- states ------------------------------------------------------------------------------- */

/* One line of tw_note. */
typedef struct {
    char kind[16];
    unsigned state, member;
    unsigned long long position, deadline;
} line;

static const char *next_line(const char *text, line *l)
{
    int n = sscanf(text, "%15s %u m%u p%llu d%llu", l->kind, &l->state, &l->member, &l->position,
                   &l->deadline);
    cr_assert_eq(n, 5, "%s", text);
    return strchr(text, '\n') + 1;
}

/* A state has a deadline, or ends by itself; no state, verdict or settlement is of a member. */
static uint32_t check_lines(const tw *w)
{
    uint32_t states = 0;
    line l;
    for (const char *at = w->log; *at;) {
        const char *from = at;
        at = next_line(at, &l);
        int of_all = strcmp(l.kind, "state") == 0 || strcmp(l.kind, "verdict") == 0 ||
                     strcmp(l.kind, "settle") == 0 || strcmp(l.kind, "publish") == 0 ||
                     strcmp(l.kind, "audit") == 0 || strcmp(l.kind, "deliver") == 0;
        if (of_all) cr_assert_eq(l.member, RF_NONE, "%.90s", from);
        if (strcmp(l.kind, "state") != 0) continue;
        int timed = l.state == RF_T_COMMIT || l.state == RF_T_REVEAL || l.state == RF_T_RESOLVED ||
                    l.state == RF_T_FINAL;
        cr_assert_eq(l.deadline != 0, timed, "%.90s", from);
        states |= 1u << l.state;
    }
    return states;
}

Test(task_effects, states_say_when_they_end)
{
    tw_truth *t = tw_truth_small(6, 0);
    uint32_t seen = 0;
    for (uint32_t liars = 0; liars < 8; liars += liars ? 2 : 1)
        for (int undelivered = 0; undelivered < 2; undelivered++) {
            tw *w = world(t, 3, liars);
            w->undelivered = undelivered;
            tw_run(w);
            seen |= check_lines(w);
            tw_free(w);
        }
    cr_assert_eq(seen, 0x1feu, "all states but the first");
    tw_truth_free(t);
}

/* The state that is entered is told with the deadline that is held. */
Test(task_effects, a_state_is_told_with_its_deadline)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw *w = world(t, 2, 0);
    tw_open(w);
    cr_assert_eq(tw_last(w, RF_DO_STATE)->deadline, rf_task_deadline(w->task));
    tw_commit(w);
    cr_assert_eq(tw_last(w, RF_DO_STATE)->deadline, rf_task_deadline(w->task));
    tw_free(w);
    tw_truth_free(t);
}

/* ---- slots -------------------------------------------------------------------------------- */

/* Stakes go back to those without a slot: of a refund in OPEN all of them, later nobody's. */
Test(task_effects, T45_a_refund_releases_who_has_no_slot)
{
    tw_truth *t = tw_truth_small(6, 0);
    for (int open = 0; open < 2; open++) {
        tw *w = world(t, 3, 0);
        uint32_t n, released = 0;
        if (open)
            for (uint32_t k = 0; k < 3; k++) tw_send_work(w, k);
        else tw_open(w);
        tw_plain(w, RF_EV_ALARM);
        const rf_effect *e = rf_task_effects(w->task, &n);
        for (uint32_t k = 0; k < n; k++)
            if (e[k].kind == RF_DO_RELEASE) cr_assert_eq(e[k].member, released++);
        cr_assert_eq(released, open ? 3u : 0u);
        cr_assert_eq(rf_task_get_state(w->task), RF_T_REFUNDED);
        tw_free(w);
    }
    tw_truth_free(t);
}

/* Who gets a slot follows from the server's secret and the keys: the least of their hashes. */
Test(task_effects, T78_slots_go_by_lot)
{
    enum { SLOTS = 3, MANY = 9 };
    tw_truth *t = tw_truth_small(6, 0);
    uint32_t first = 0;
    for (uint64_t secret = 0; secret < 8; secret++) {
        tw *w = world(t, MANY, 0);
        vd_digest order[MANY];
        w->setup.params = tw_params(t->job, SLOTS);
        w->setup.secret = made_up(secret, 1, 1);
        set_up_again(w);
        tw_open(w);
        for (uint32_t k = 0; k < MANY; k++) {
            uint8_t bytes[64];
            memcpy(bytes, w->setup.secret.b, 32);
            memcpy(bytes + 32, w->member[k].key, 32);
            vd_tagged_hash("verde/1 work slot", bytes, sizeof bytes, order[k].b);
        }
        for (uint32_t k = 0; k < MANY; k++) {
            rf_task_member m;
            uint32_t below = 0;
            rf_task_get_member(w->task, rf_task_find(w->task, w->member[k].key), &m);
            for (uint32_t i = 0; i < MANY; i++) below += memcmp(order[i].b, order[k].b, 32) < 0;
            cr_assert_eq(m.assigned != 0, below < SLOTS, "secret %u, member %u", (unsigned)secret,
                         k);
            first += k < SLOTS && m.assigned;
        }
        tw_free(w);
    }
    cr_assert_lt(first, 8 * SLOTS, "these came first each time");
    tw_truth_free(t);
}

/* ---- what is logged, and refused ---------------------------------------------------------- */

/* The same claim again is accepted where it was logged, and said to be there. */
Test(task_effects, T01_repeated_claims_keep_their_place)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw *w = world(t, 2, 0);
    tw_open(w);
    cr_assert_eq(tw_send_commit(w, 0), -1);
    const uint64_t first = tw_last(w, RF_DO_ACCEPT)->position;
    cr_assert_eq(tw_last(w, RF_DO_ACCEPT)->duplicate, 0);
    cr_assert_eq(tw_send_commit(w, 1), -1);
    cr_assert_gt(tw_last(w, RF_DO_ACCEPT)->position, first);
    cr_assert_eq(tw_send_commit(w, 0), -1);
    cr_assert_eq(tw_last(w, RF_DO_ACCEPT)->position, first);
    cr_assert_eq(tw_last(w, RF_DO_ACCEPT)->duplicate, 1);
    tw_free(w);
    tw_truth_free(t);
}

/* Only a conflict names a place in the log. */
Test(task_effects, T05_a_refusal_names_no_place)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw *w = world(t, 2, 0);
    tw_open(w);
    cr_assert_eq(tw_send_reveal(w, 0), RF_R_EARLY);
    cr_assert_eq(tw_last(w, RF_DO_REFUSE)->position, 0u);
    cr_assert_eq(tw_last(w, RF_DO_REFUSE)->member, rf_task_find(w->task, w->member[0].key));
    tw_free(w);
    tw_truth_free(t);
}

/* ---- pairs -------------------------------------------------------------------------------- */

/* A verdict names its sides as its guilt does; every question was counted. */
Test(task_effects, T23_a_verdict_names_its_sides)
{
    tw_truth *t = tw_truth_small(6, 0);
    for (uint32_t lies = 0; lies < 4; lies++) {
        tw *w = world(t, 2, 0);
        const rf_effect *e = NULL;
        rf_task_counts c;
        uint32_t n;
        w->member[1].side = liar(t, 2, 1, 4 + lies); /* either may come first */
        tw_begin(w);
        while (!(e = tw_last(w, RF_DO_VERDICT))) {
            tw_ask a = w->queue[w->head++];
            cr_assert(w->head <= w->tail);
            tw_serve(w, &a);
        }
        const rf_verdict *v = e->verdict;
        cr_assert(v->guilty_count == 1 && v->guilty[0].party < 2);
        for (uint32_t k = 0; k < 2; k++) {
            const tw_side *is = w->member[k == v->guilty[0].party].side;
            cr_assert(vd_digest_equal(&e->roots[k], &is->party.root), "side %u", k);
        }
        cr_assert(rf_task_game(w->task, e->level, e->pair) != NULL); /* until the next event */
        rf_task_effects(w->task, &n);
        tw_finish(w);
        rf_task_get_counts(w->task, &c);
        cr_assert_eq(c.questions, w->asked);
        cr_assert_eq(c.pairs, 1u);
        tw_free(w);
    }
    tw_truth_free(t);
}

/* What a trace file answers as it lies there has the time of its bytes, all else that of a
 * replay. */
Test(task_effects, T27_the_time_that_a_question_gives)
{
    for (uint32_t segment = 0; segment < 3; segment += 2) {
        tw_truth *t = tw_truth_small(6, segment);
        tw *w = world(t, 2, 0);
        uint32_t seen[2][RF_Q_KERNEL + 1] = {{0}};
        w->member[1].side = liar(t, 3, 0, 4);
        tw_open(w);
        tw_commit(w);
        tw_reveals(w);
        const uint64_t dear = rf_deadline_max_ms(&w->setup.params),
                       cheap = rf_deadline_ms(&w->setup.params, 0, VD_DESCEND_MAX * VD_DIGEST);
        cr_assert_lt(cheap, dear);
        while (w->head < w->tail) {
            tw_ask a = w->queue[w->head++];
            if (a.e.kind == RF_DO_ASK) {
                int lies_there = a.q.claim == RF_NONE && a.q.tree != VD_TREE_CHUNKS &&
                                 (a.q.kind == RF_Q_HASHES || a.q.kind == RF_Q_LEAF);
                cr_assert_eq(a.e.deadline, w->now + (lies_there ? cheap : dear), "%s of %s",
                             rf_question_name(a.q.kind), vd_tree_kind_name(a.q.tree));
                seen[lies_there][a.q.kind]++;
            }
            tw_serve(w, &a);
        }
        cr_assert(seen[1][RF_Q_HASHES] && seen[1][RF_Q_LEAF] && seen[0][RF_Q_LEAF], "%u %u %u",
                  seen[1][RF_Q_HASHES], seen[1][RF_Q_LEAF], seen[0][RF_Q_LEAF]);
        cr_assert(segment ? seen[0][RF_Q_SEGMENTS] : seen[0][RF_Q_OPERANDS]);
        tw_free(w);
        tw_truth_free(t);
    }
}

/* Another level, or a pair that is not, has no game. */
Test(task_effects, a_game_is_found_by_level_and_pair)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw *w = world(t, 4, 2 | 8); /* three roots: a pair, and one that waits */
    tw_begin(w);
    const tw_ask *a = &w->queue[w->head];
    while (a->e.kind != RF_DO_ASK) a++;
    cr_assert_lt(a - w->queue, w->tail);
    cr_assert(rf_task_game(w->task, a->e.level, a->e.pair) != NULL);
    cr_assert(rf_task_game(w->task, a->e.level + 1, a->e.pair) == NULL);
    cr_assert(rf_task_game(w->task, a->e.level, 1) == NULL);
    cr_assert(rf_task_game(w->task, a->e.level + 1, 1) == NULL);
    tw_free(w);
    tw_truth_free(t);
}

/* Who filed the claim of a segment that stood is paid for one segment, once. */
Test(task_effects, T43_a_segment_claim_that_stands_is_paid)
{
    tw_truth *t = tw_truth_small(6, 2);
    tw *w = world(t, 2, 0);
    ro_err err = {RO_OK, {0}};
    int64_t exposure = 0;
    uint32_t paid = 0;
    rf_params *p = &w->setup.params;
    w->member[1].side = liar(t, 3, 0, 4);
    p->segment = 7000;
    must(rf_params_exposure(p, &exposure, &err), &err);
    p->stake = 10 * exposure;
    set_up_again(w);
    tw_begin(w);
    const rf_effect *e = NULL;
    for (uint32_t k = 0; !e && k < 100; k++) {
        while (!e && w->head < w->tail) {
            tw_ask a = w->queue[w->head++];
            tw_serve(w, &a);
            e = tw_last(w, RF_DO_SETTLE);
        }
        if (!e) tw_tick(w, rf_task_deadline(w->task));
        if (!e) e = tw_last(w, RF_DO_SETTLE);
    }
    cr_assert(e && e->end == RF_END_SETTLED, "%s", w->log);
    for (uint32_t k = 0; k < e->transfer_count; k++) {
        const rf_transfer *x = &e->transfers[k];
        if (x->purpose != RF_FOR_RERUN || x->amount != 7000) continue;
        cr_assert_eq(x->to.member, rf_task_find(w->task, w->member[0].key));
        paid++;
    }
    cr_assert_eq(paid, 1u, "%s", w->log);
    tw_free(w);
    tw_truth_free(t);
}

/* A root that waits in a level has no question of its own, wherever it met another before. */
Test(task_effects, T31_who_waits_is_asked_nothing)
{
    enum { MANY = 6 };
    tw_truth *t = tw_truth_small(6, 0);
    uint32_t waited = 0;
    for (uint64_t task = 0; task < 12; task++) {
        tw *w = world(t, MANY, 0);
        for (uint32_t k = 0; k < MANY; k++) w->member[k].side = liar(t, k % 6, k % 2, 4 + k);
        w->setup.task = made_up(task, 3, 3);
        set_up_again(w);
        tw_begin(w);
        while (w->head < w->tail) {
            const tw_ask a = w->queue[w->head++];
            if (a.e.kind != RF_DO_ASK || a.e.level == 0) {
                tw_serve(w, &a);
                continue;
            }
            for (uint32_t k = 0; k < MANY; k++) { /* all questions of the level are open now */
                static const uint8_t bytes[32];
                int pairs = 0;
                rf_task_member m;
                rf_task_get_member(w->task, rf_task_find(w->task, w->member[k].key), &m);
                for (uint32_t i = w->head - 1; i < w->tail; i++)
                    for (int side = 0; side < 2; side++)
                        pairs |= vd_digest_equal(&w->queue[i].e.roots[side], &m.root);
                if (pairs || !m.stands) continue;
                cr_assert_eq(tw_send_opening(w, k, &a.e.asked, bytes, sizeof bytes), RF_R_STALE);
                cr_assert(vd_all_zero(tw_last(w, RF_DO_REFUSE)->asked.b, VD_DIGEST));
                waited++;
            }
            break;
        }
        tw_free(w);
    }
    cr_assert_gt(waited, 2u);
    tw_truth_free(t);
}

/* All that members of either side name, each once, whoever came first: nobody's kernel is left out
 * because another sits before it with its root and a name of another. */
Test(task_effects, T60_the_backends_of_both_sides)
{
    static const char *const names[4] = {"cpu d", "cpu b", "cpu a", "cpu b"};
    tw_truth *t = tw_truth_small(6, 0);
    for (uint32_t first = 0; first < 2; first++) {
        tw *w = world(t, 4, 0);
        uint32_t kernels = 0, holds = 0;
        tw_side *l = liar(t, 2, 1, 4);
        w->late = w->host_cannot = 1;
        for (uint32_t k = 0; k < 4; k++)
            if (k % 2 == first) w->member[k].side = l;
        tw_open(w);
        tw_commit(w);
        for (uint32_t k = 4; k-- > 0;) {
            rf_message m = tw_reveal(w, k, w->member[k].side);
            memset(m.claim.reveal.backend, 0, sizeof m.claim.reveal.backend);
            memcpy(m.claim.reveal.backend, names[k], 5);
            cr_assert_eq(tw_send(w, k, &m, NULL, 0), -1);
        }
        tw_tick(w, rf_task_deadline(w->task));
        while (w->head < w->tail) {
            tw_ask a = w->queue[w->head++];
            tw_serve(w, &a);
            for (uint32_t i = 0; i < 2; i++) {
                const rf_effect *e = tw_last(w, i ? RF_DO_HOLD : RF_DO_RUN);
                if (!e || !e->question) continue;
                kernels += !i;
                holds += i;
                cr_assert_eq(e->backend_count, 3);
                for (uint32_t k = 0; k < 3; k++)
                    cr_assert_str_eq(e->backends[k], names[2 - k]);
            }
        }
        cr_assert(kernels == 1 && holds == 1);
        tw_free(w);
    }
    tw_truth_free(t);
}

/* ---- the host's work and audits ----------------------------------------------------------- */

/* Tries are counted from the first that failed, whenever that was. */
Test(task_effects, T36_tries_begin_with_the_first_fault)
{
    tw_truth *t = tw_truth_small(6, 0);
    for (uint32_t faults = 1; faults < 3; faults++) {
        tw *w = world(t, 2, 2);
        w->now = 10 * w->setup.params.retry_ms;
        w->faults = faults;
        set_up_again(w);
        tw_run(w);
        cr_assert_eq(w->faults, 0u);
        cr_assert_eq(rf_task_end(w->task), RF_END_SETTLED, "%s", w->log);
        tw_free(w);
    }
    tw_truth_free(t);
}

/* An audit is of the root that stands, whichever place it has. */
Test(task_effects, T77_an_audit_names_its_root)
{
    tw_truth *t = tw_truth_small(6, 0);
    for (uint32_t liars = 0; liars < 4; liars++) {
        tw *w = world(t, 3, liars);
        const rf_effect *e = NULL;
        w->setup.params.audit_ppm = RF_PPM;
        w->setup.params.premium = w->setup.params.audit;
        set_up_again(w);
        tw_begin(w);
        while (!(e = tw_last(w, RF_DO_AUDIT))) {
            cr_assert_lt(w->head, w->tail, "%s", w->log);
            tw_ask a = w->queue[w->head++];
            tw_serve(w, &a);
        }
        for (uint32_t k = 0; k < 2; k++)
            cr_assert(vd_digest_equal(&e->roots[k], &w->member[2].side->party.root));
        cr_assert_eq(e->deadline, rf_task_deadline(w->task));
        tw_finish(w);
        cr_assert_eq(rf_task_end(w->task), RF_END_SETTLED);
        tw_free(w);
    }
    tw_truth_free(t);
}

/* ---- fields of events --------------------------------------------------------------------- */

/* Only downtime moves deadlines. */
Test(task_effects, T28_a_tick_has_no_length)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw *w = world(t, 2, 0);
    const uint64_t deadline = rf_task_deadline(w->task);
    rf_event e;
    memset(&e, 0, sizeof e);
    e.ms = 5000;
    for (int kind = 0; kind < 2; kind++) {
        e.kind = kind ? RF_EV_DOWNTIME : RF_EV_TICK;
        tw_event(w, &e);
        cr_assert_eq(rf_task_deadline(w->task), deadline + (kind ? 5000 : 0));
    }
    tw_free(w);
    tw_truth_free(t);
}

/* What follows from an expiry comes before the next one, however late the tick is: the liar falls
 * for a challenge, so the other's question, whose time ran out after it, is asked no more. */
Test(task_effects, T29_expiries_one_after_the_other)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw *w = world(t, 2, 2);
    uint32_t served = 0;
    w->member[1].inattentive = 1;
    tw_begin(w);
    w->now += 5000; /* so that the next questions end after the challenge */
    for (uint32_t k = 0, open = w->tail; k < open; k++) {
        const tw_ask a = w->queue[w->head++];
        tw_serve(w, &a);
        served += a.e.kind == RF_DO_ASK;
    }
    cr_assert(served == 2 && w->head < w->tail);
    tw_tick(w, 2 * rf_task_deadline(w->task));
    cr_assert_eq(tw_lost(w, 1), RF_LOST_ATTENTION, "%s", w->log);
    cr_assert_eq(tw_lost(w, 0), RF_LOST_NOTHING, "%s", w->log);
    tw_free(w);
    tw_truth_free(t);
}

/* A delivery of nobody's, of one who is not there, and of one whose claim fell. */
Test(task_effects, T65_deliveries_of_the_right_root_only)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw *w = world(t, 3, 2);
    rf_event e;
    w->undelivered = 1;
    tw_begin(w);
    tw_until(w, RF_T_RESOLVED);
    memset(&e, 0, sizeof e);
    e.kind = RF_EV_DELIVERED;
    for (uint32_t off = 0; off < 3; off++) {
        e.member = off < 2 ? rf_task_members(w->task) + off
                           : rf_task_find(w->task, w->member[1].key);
        tw_event(w, &e);
        cr_assert(tw_last(w, RF_DO_REFUSE) && tw_last(w, RF_DO_REFUSE)->reason == RF_R_UNKNOWN);
        cr_assert_eq(rf_task_get_state(w->task), RF_T_RESOLVED);
    }
    e.member = rf_task_find(w->task, w->member[2].key);
    tw_event(w, &e);
    cr_assert_eq(rf_task_get_state(w->task), RF_T_FINAL);
    tw_free(w);
    tw_truth_free(t);
}

/* ---- what is known of a member, and of time ----------------------------------------------- */

/* Nobody stands who lost its stake, though its root does; nobody whose root fell. */
Test(task_effects, T01_who_equivocates_stands_no_more)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw *w = world(t, 3, 2);
    rf_task_member m;
    tw_begin(w);
    rf_message twice = tw_commitment(w, 2);
    twice.claim.commitment.b[0] ^= 1;
    cr_assert_eq(tw_send(w, 2, &twice, NULL, 0), RF_R_CONFLICT);
    tw_finish(w);
    for (uint32_t k = 0; k < 3; k++) {
        rf_task_get_member(w->task, rf_task_find(w->task, w->member[k].key), &m);
        cr_assert_eq(m.stands != 0, k == 0, "%u", k);
    }
    tw_free(w);
    tw_truth_free(t);
}

Test(task_effects, V006_the_bound_to_the_millisecond)
{
    tw_truth *t = tw_truth_small(6, 0);
    const rf_params p = tw_params(t->job, 4);
    const uint64_t one = rf_deadline_max_ms(&p) + 1;
    cr_assert_eq(rf_task_bound_ms(&p, 1, 3, 16), 3 * 16 * one);
    cr_assert_eq(rf_task_bound_ms(&p, 2, 3, 16), (1 + 3) * 16 * one);
    cr_assert_eq(rf_task_bound_ms(&p, 3, 3, 16), (2 + 3) * 16 * one);
    cr_assert_eq(rf_task_bound_ms(&p, 4, 3, 16), (2 + 3) * 16 * one);
    cr_assert_eq(rf_task_bound_ms(&p, 5, 3, 16), (3 + 3) * 16 * one);
    tw_truth_free(t);
}

/* ---- without memory ----------------------------------------------------------------------- */

/* What is open is told again, or it is said that there was no memory for all of it. */
Test(task_effects, V011_no_memory_to_tell_what_is_open)
{
    tw_truth *t = tw_truth_small(6, 0);
    for (uint32_t liars = 0; liars < 4; liars += 2) {
        tw *w = world(t, 6, liars ? 0x2a : 0);
        uint32_t all, n;
        uint64_t at = 1, failed = 0;
        ro_err err = {RO_OK, {0}};
        tw_begin(w);
        must(rf_task_pending(w->task, &err), &err);
        rf_task_effects(w->task, &all);
        cr_assert_gt(all, 0u);
        for (;; at++) {
            uint8_t *bytes;
            size_t size;
            rf_task *again;
            err = (ro_err){RO_OK, {0}};
            must(rf_task_save(w->task, &bytes, &size, &err), &err);
            must(rf_task_restore(t->job, bytes, size, &again, &err), &err);
            ro_free(bytes);
            ro_alloc_fail_at(at, 0);
            ro_status st = rf_task_pending(again, &err);
            ro_alloc_fail_at(0, 0);
            if (st) cr_assert(st == RO_ENOMEM && err.msg[0]);
            else rf_task_effects(again, &n);
            if (!st) cr_assert_eq(n, all);
            rf_task_free(again);
            failed += st != RO_OK;
            if (!st) break;
        }
        cr_assert_geq(failed, 2u);
        tw_free(w);
    }
    tw_truth_free(t);
}
