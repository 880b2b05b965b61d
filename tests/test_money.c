/* test_money.c - parameters of a task, and the transfers that end it.
 *
 * What this file decides: that rf_settle conserves, never overdraws and pays whom
 * docs/ECONOMICS.md says, judged by a second computation here that has no transfers in it, only
 * each account's end; that rf_params_check refuses each inequality's violation by name. */
#define _GNU_SOURCE 1
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../referee/money.h"
#include "small_job.h"

#define MEMBERS 9u
#define ANSWERS 12u
#define LIST RF_TRANSFERS_MAX(MEMBERS, ANSWERS)

static uint64_t state = 7;
static uint64_t next(void) /* splitmix64 */
{
    uint64_t z = state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}
static uint32_t pick(uint32_t n) { return (uint32_t)(next() % n); }

static const rf_cost COST = {.flops = UINT64_C(740453975564), .steps = 1877,
                             .step_flops = 394697189, .segment_steps = 1, .element_flops = 100352,
                             .element_bytes = 3411968, .evidence_bytes = 3745984,
                             .state_bytes = 245904, .output_bytes = 253408};

static rf_params defaults(uint32_t slots)
{
    rf_params p;
    ro_err err = {0};
    cr_assert_eq(rf_params_defaults(&COST, slots, 0, RF_PRICE_DEFAULT, RF_PRICE_BYTES_DEFAULT, &p,
                                    &err), RO_OK, "%s", err.msg);
    return p;
}

/* ---- accounts ----------------------------------------------------------------------------- */

typedef struct {
    int64_t free[MEMBERS], held[MEMBERS], client, escrow, treasury, burn;
} books;

static books opened(const rf_outcome *o)
{
    books b = {.escrow = o->escrow, .treasury = o->treasury};
    for (uint32_t m = 0; m < o->member_count; m++) b.held[m] = o->members[m].held;
    return b;
}

static int64_t *account(books *b, rf_account a)
{
    cr_assert_lt(a.member, MEMBERS);
    switch (a.kind) {
    case RF_ACCOUNT_FREE: return &b->free[a.member];
    case RF_ACCOUNT_HELD: return &b->held[a.member];
    case RF_ACCOUNT_CLIENT: return &b->client;
    case RF_ACCOUNT_ESCROW: return &b->escrow;
    case RF_ACCOUNT_TREASURY: return &b->treasury;
    case RF_ACCOUNT_BURN: return &b->burn;
    }
    cr_assert(0, "account kind %d", (int)a.kind);
    return NULL;
}

static __int128 total(const books *b)
{
    __int128 sum = (__int128)b->client + b->escrow + b->treasury + b->burn;
    for (uint32_t m = 0; m < MEMBERS; m++) sum += (__int128)b->free[m] + b->held[m];
    return sum;
}

/* Book a list, holding every invariant of money.h against each leg. */
static books booked(const rf_outcome *o, const rf_transfer *list, uint32_t count)
{
    books b = opened(o);
    const __int128 before = total(&b);
    for (uint32_t k = 0; k < count; k++) {
        const rf_transfer *t = &list[k];
        int64_t *from = account(&b, t->from), *to = account(&b, t->to);
        cr_assert_gt(t->amount, 0);
        cr_assert(from != to);
        cr_assert_geq(*from, t->amount, "leg %u (%s) overdraws", k, rf_purpose_name(t->purpose));
        cr_assert_eq(t->key >> 56, (uint64_t)t->purpose);
        cr_assert(k == 0 || t->purpose >= t[-1].purpose, "legs are not in the order of purposes");
        if (k && t->purpose >= RF_FOR_RERUN && t->purpose <= RF_FOR_REST &&
            t[-1].purpose >= RF_FOR_RERUN)
            cr_assert_leq(o->members[t[-1].from.member].lost_at,
                          o->members[t->from.member].lost_at, "who lost first pays first");
        for (uint32_t i = 0; i < k; i++) cr_assert_neq(list[i].key, t->key, "two legs, one key");
        *from -= t->amount;
        *to += t->amount;
        cr_assert(total(&b) == before, "leg %u makes or loses money", k);
    }
    cr_assert_eq(b.escrow, 0);
    for (uint32_t m = 0; m < o->member_count; m++) cr_assert_eq(b.held[m], 0, "member %u", m);
    return b;
}

/* ---- the second computation --------------------------------------------------------------- */

static int right(const rf_member *m) { return m->standing && m->lost == RF_LOST_NOTHING; }

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* Every account's end, from sums. */
static books expected(const rf_params *p, const rf_outcome *o)
{
    books b = {.treasury = o->treasury, .client = o->escrow};
    int64_t fees = 0, lost = 0, audit = o->audited ? p->audit : 0, paid, cap = 0, winners = 0;
    uint32_t auditor = MEMBERS, levels = 0;
    int64_t most;
    while ((1u << levels) < p->slots + 1) levels++;
    most = cap = (p->replay + p->segment) * p->slots * levels;
    for (uint32_t m = 0; m < o->member_count; m++) {
        const rf_member *v = &o->members[m];
        int owes = v->stage == RF_STAGE_CLAIMED || v->stage == RF_STAGE_WITHDRAWN ||
                   (v->standing && o->end == RF_END_UNDELIVERED);
        if (v->stage == RF_STAGE_AUDITOR) {
            auditor = m;
            if (!right(v)) audit = 0;
        } else if (v->lost != RF_LOST_NOTHING) {
            lost += p->stake;
        } else {
            owes = owes && o->end != RF_END_REFUNDED;
            fees += owes ? p->fee : 0;
            b.free[m] = p->stake - (owes ? p->fee : 0);
            winners += right(v) && o->end == RF_END_SETTLED;
        }
    }
    paid = least(audit, fees);
    audit -= paid;
    b.treasury += fees - paid;
    if (auditor < MEMBERS) b.free[auditor] += paid;
    else b.treasury += paid;
    for (uint32_t k = 0; k < o->answer_count; k++) {
        const rf_member *v = &o->members[o->answers[k].member];
        if (!right(v) || (v->stage != RF_STAGE_AUDITOR && o->end != RF_END_SETTLED)) continue;
        paid = least(least(o->answers[k].cost, cap), lost);
        b.free[o->answers[k].member] += paid;
        cap -= paid;
        lost -= paid;
    }
    paid = least(least(o->referee_cost, most), lost);
    b.treasury += paid;
    lost -= paid;
    paid = least(audit, lost);
    audit -= paid;
    lost -= paid;
    if (auditor < MEMBERS) b.free[auditor] += paid;
    else b.treasury += paid;
    b.burn = lost - (int64_t)((__int128)lost * (RF_PPM - p->burn_ppm) / RF_PPM);
    for (uint32_t m = 0; m < o->member_count; m++) {
        const rf_member *v = &o->members[m];
        if (o->end != RF_END_SETTLED || !right(v)) continue;
        if (v->delivered) b.free[m] += p->delivery, b.client -= p->delivery;
        if (v->stage == RF_STAGE_AUDITOR) continue;
        b.free[m] += p->reward + (lost - b.burn) / winners;
        b.client -= p->reward;
    }
    b.treasury += winners ? (lost - b.burn) % winners : lost - b.burn;
    if (o->end == RF_END_SETTLED) b.client -= p->premium, b.treasury += p->premium;
    if (auditor < MEMBERS) b.free[auditor] += audit, b.treasury -= audit;
    return b;
}

static void same(const books *a, const books *b)
{
    for (uint32_t m = 0; m < MEMBERS; m++)
        cr_assert_eq(a->free[m], b->free[m], "member %u: %lld, %lld", m, (long long)a->free[m],
                     (long long)b->free[m]);
    cr_assert_eq(a->client, b->client);
    cr_assert_eq(a->treasury, b->treasury, "treasury: %lld, %lld", (long long)a->treasury,
                 (long long)b->treasury);
    cr_assert_eq(a->burn, b->burn);
}

/* ---- outcomes ----------------------------------------------------------------------------- */

typedef struct {
    rf_params p;
    rf_member members[MEMBERS];
    rf_answer answers[ANSWERS];
    rf_outcome o;
} task;

static void finish(task *t)
{
    ro_err err = {0};
    t->o.members = t->members;
    t->o.answers = t->answers;
    for (uint32_t m = 0; m < t->o.member_count; m++)
        t->members[m].held = t->members[m].stage == RF_STAGE_AUDITOR ? 0 : t->p.stake;
    static int lost; /* in turn, so that reading one too many shows wherever it is done */
    lost = !lost;
    for (uint32_t m = t->o.member_count; m < MEMBERS; m++)
        t->members[m] = (rf_member){.stage = RF_STAGE_AUDITOR, .standing = 1, .delivered = 1,
                                    .lost = lost ? RF_LOST_VERDICT : RF_LOST_NOTHING};
    cr_assert_eq(rf_params_escrow(&t->p, &t->o.escrow, &err), RO_OK, "%s", err.msg);
}

/* n members that revealed one root and stand; the first delivered. */
static task agreed(uint32_t n)
{
    task t = {.p = defaults(n)};
    t.o = (rf_outcome){.end = RF_END_SETTLED, .treasury = 5000, .member_count = n};
    for (uint32_t m = 0; m < n; m++)
        t.members[m] = (rf_member){.stage = RF_STAGE_REVEALED, .standing = 1};
    t.members[0].delivered = 1;
    return t;
}

static void lose(task *t, uint32_t m, rf_loss cause, uint64_t at)
{
    t->members[m].lost = cause;
    t->members[m].lost_at = at;
    t->members[m].standing = 0;
}

static ro_status settle(task *t, rf_transfer *list, uint32_t *count, ro_err *err)
{
    finish(t);
    *err = (ro_err){0};
    return rf_settle(&t->p, &t->o, list, LIST, count, err);
}

static books settled(task *t)
{
    rf_transfer list[LIST];
    uint32_t count = 0;
    ro_err err;
    cr_assert_eq(settle(t, list, &count, &err), RO_OK, "%s", err.msg);
    books b = booked(&t->o, list, count), e = expected(&t->p, &t->o);
    same(&b, &e);
    return b;
}

static void random_members(task *t)
{
    uint64_t at[MEMBERS];
    uint32_t n = t->o.member_count;
    for (uint32_t m = 0; m < n; m++) at[m] = 100 * (m + 1) + pick(99);
    for (uint32_t m = n; m > 1; m--) {
        uint32_t k = pick(m);
        uint64_t x = at[m - 1];
        at[m - 1] = at[k];
        at[k] = x;
    }
    for (uint32_t m = 0; m < n; m++) {
        rf_member *v = &t->members[m];
        v->stage = (rf_stage)pick(4);
        v->standing = v->stage == RF_STAGE_REVEALED && pick(3);
        if (v->stage == RF_STAGE_COMMITTED || (v->stage == RF_STAGE_REVEALED && !v->standing) ||
            (v->standing && pick(8) == 0) || (v->stage == RF_STAGE_WITHDRAWN && pick(8) == 0))
            v->lost = (rf_loss)(1 + pick(RF_LOST_ATTENTION));
        v->lost_at = v->lost ? at[m] : 0;
        if (t->o.end == RF_END_NOBODY && v->standing) {
            v->standing = 0;
            v->lost = RF_LOST_VERDICT;
            v->lost_at = at[m];
        }
    }
}

/* Any outcome that the state machine could hand over, and some that it could not. */
static task random_task(void)
{
    task t = {.p = defaults(1 + pick(MEMBERS - 1))};
    int stand = 0;
    t.p.burn_ppm = pick(3) ? t.p.burn_ppm : pick(RF_PPM + 1);
    t.p.stake = pick(4) ? t.p.stake : 10000000 + pick(99999999);
    if (pick(4) == 0) { /* too little for what is to be paid */
        t.p.stake = pick(200);
        t.p.fee = pick((uint32_t)t.p.stake + 1);
    }
    t.o.end = (rf_end)pick(4);
    t.o.member_count = pick(t.p.slots + 1);
    random_members(&t);
    if (pick(2)) {
        t.members[t.o.member_count++] =
            (rf_member){.stage = RF_STAGE_AUDITOR, .standing = pick(4) != 0};
        t.o.audited = pick(4) != 0;
    } else {
        t.o.audited = (int)pick(2);
    }
    for (uint32_t m = 0; m < t.o.member_count; m++) stand |= t.members[m].standing;
    if (!stand && (t.o.end == RF_END_SETTLED || t.o.end == RF_END_UNDELIVERED))
        t.o.end = RF_END_NOBODY;
    while (t.o.end == RF_END_SETTLED) {
        uint32_t m = pick(t.o.member_count);
        if (!t.members[m].standing) continue;
        t.members[m].delivered = 1;
        break;
    }
    t.o.treasury = t.p.audit + pick(1000000);
    t.o.referee_cost = pick(3) ? pick(100) : pick(1000000);
    t.o.answer_count = t.o.member_count ? pick(ANSWERS + 1) : 0;
    for (uint32_t k = 0; k < t.o.answer_count; k++)
        t.answers[k] = (rf_answer){1000 * k + pick(999), pick(t.o.member_count),
                                   1 + pick((uint32_t)(t.p.replay + t.p.segment))};
    return t;
}

/* ---- settlement --------------------------------------------------------------------------- */

Test(money, T40_random_outcomes_conserve_and_pay_whom_they_should)
{
    for (int k = 0; k < 200000; k++) {
        task t = random_task();
        settled(&t);
    }
}

Test(money, T38_settled_twice_gives_one_list)
{
    for (int k = 0; k < 20000; k++) {
        task t = random_task();
        rf_transfer a[LIST], b[LIST];
        uint32_t n = 0, m = 0;
        ro_err err;
        cr_assert_eq(settle(&t, a, &n, &err), RO_OK);
        cr_assert_eq(settle(&t, b, &m, &err), RO_OK);
        cr_assert_eq(n, m);
        for (uint32_t i = 0; i < n; i++) {
            cr_assert_eq(a[i].key, b[i].key);
            cr_assert_eq(a[i].amount, b[i].amount);
            cr_assert(a[i].to.kind == b[i].to.kind && a[i].to.member == b[i].to.member);
        }
    }
}

Test(money, what_everybody_gets_when_all_agree)
{
    task t = agreed(4);
    books b = settled(&t);
    for (uint32_t m = 1; m < 4; m++) cr_assert_eq(b.free[m], t.p.stake + t.p.reward);
    cr_assert_eq(b.free[0], t.p.stake + t.p.reward + t.p.delivery);
    cr_assert_eq(b.client, 0);
    cr_assert_eq(b.treasury, 5000 + t.p.premium);
    cr_assert_eq(b.burn, 0);
}

Test(money, the_order_of_a_lost_stake)
{
    task t = agreed(4);
    lose(&t, 3, RF_LOST_VERDICT, 50);
    t.answers[0] = (rf_answer){40, 1, 20};
    t.answers[1] = (rf_answer){45, 3, 20}; /* the liar's own: not paid */
    t.o.answer_count = 2;
    t.o.referee_cost = 7;
    t.o.audited = 1; /* by the referee itself */
    books b = settled(&t);
    int64_t rest = t.p.stake - 20 - 7 - t.p.audit, half = rest / 2;
    cr_assert_eq(b.burn, rest - half);
    cr_assert_eq(b.free[1], t.p.stake + t.p.reward + 20 + half / 3);
    cr_assert_eq(b.free[2], t.p.stake + t.p.reward + half / 3);
    cr_assert_eq(b.free[3], 0);
    cr_assert_eq(b.client, t.p.reward, "the empty slot's share");
    cr_assert_eq(b.treasury, 5000 + t.p.premium + 7 + t.p.audit + half % 3);
}

Test(money, judging_and_answers_take_at_most_a_fifth)
{
    task t = agreed(4);
    int64_t most;
    lose(&t, 3, RF_LOST_VERDICT, 50);
    t.o.referee_cost = RF_SUPPLY_MAX;
    books b = settled(&t);
    cr_assert_eq(rf_params_rerun_max(&t.p, &most, NULL), RO_OK);
    cr_assert_eq(b.burn, t.p.stake - most - (t.p.stake - most) / 2);
    cr_assert_geq(b.burn, t.p.stake * 4 / 10);
}

Test(money, the_first_to_lose_pays_first)
{
    task t = agreed(4);
    rf_transfer list[LIST];
    uint32_t count = 0;
    ro_err err;
    lose(&t, 1, RF_LOST_FORFEIT, 90);
    lose(&t, 3, RF_LOST_VERDICT, 80);
    t.answers[0] = (rf_answer){40, 0, 20};
    t.o.answer_count = 1;
    cr_assert_eq(settle(&t, list, &count, &err), RO_OK, "%s", err.msg);
    cr_assert_eq(list[0].purpose, RF_FOR_RERUN);
    cr_assert_eq(list[0].from.member, 3u);
}

/* In whatever order members lost: every permutation of six. */
Test(money, lost_stakes_are_spent_in_the_order_of_the_log)
{
    for (uint32_t code = 0; code < 720; code++) {
        task t = agreed(7);
        uint32_t left[6] = {1, 2, 3, 4, 5, 6}, rest = code;
        for (uint32_t n = 6; n > 0; n--) {
            uint32_t at = rest % n;
            rest /= n;
            lose(&t, left[at], RF_LOST_VERDICT, 10 * n);
            left[at] = left[n - 1];
        }
        settled(&t);
    }
}

Test(money, T43_self_dispute_loses_most_of_a_stake)
{
    for (uint32_t slots = 2; slots <= MEMBERS - 1; slots++) {
        task t = agreed(slots);
        int64_t most, back = 0, honest = 0;
        ro_err err = {0};
        cr_assert_eq(rf_params_rerun_max(&t.p, &most, &err), RO_OK);
        lose(&t, slots - 1, RF_LOST_VERDICT, 1);
        for (uint32_t k = 0; k < ANSWERS; k++)
            t.answers[t.o.answer_count++] = (rf_answer){k + 2, 0, t.p.replay + t.p.segment};
        books b = settled(&t);
        for (uint32_t m = 0; m < slots; m++) back += b.free[m];
        honest = (int64_t)slots * t.p.stake + (int64_t)(slots - 1) * t.p.reward + t.p.delivery;
        cr_assert_geq(honest - back, t.p.stake / 100 * 45, "%u slots", slots);
        cr_assert_leq(10 * most, t.p.stake);
    }
}

Test(money, answers_are_paid_up_to_what_a_task_can_need)
{
    task t = agreed(2);
    int64_t most;
    ro_err err = {0};
    cr_assert_eq(rf_params_rerun_max(&t.p, &most, &err), RO_OK);
    lose(&t, 1, RF_LOST_VERDICT, 1);
    for (uint32_t k = 0; k < ANSWERS; k++)
        t.answers[t.o.answer_count++] = (rf_answer){k + 2, 0, t.p.replay + t.p.segment};
    cr_assert_lt(most, (int64_t)ANSWERS * (t.p.replay + t.p.segment));
    books b = settled(&t);
    int64_t rest = t.p.stake - most;
    cr_assert_eq(b.free[0], t.p.stake + t.p.reward + t.p.delivery + most + rest / 2);
}

Test(money, T04_T76_T78_fees)
{
    task t = agreed(4);
    t.members[1].stage = RF_STAGE_CLAIMED;
    t.members[2].stage = RF_STAGE_WITHDRAWN;
    t.members[1].standing = t.members[2].standing = 0;
    lose(&t, 3, RF_LOST_NO_REVEAL, 9);
    t.members[3].stage = RF_STAGE_COMMITTED;
    t.o.member_count = 5;
    t.members[4] = (rf_member){.stage = RF_STAGE_AUDITOR, .standing = 1};
    t.o.audited = 1;
    books b = settled(&t);
    cr_assert_eq(b.free[1], t.p.stake - t.p.fee);
    cr_assert_eq(b.free[2], t.p.stake - t.p.fee);
    cr_assert_eq(b.free[3], 0);
    cr_assert_eq(b.free[4], t.p.audit);
    cr_assert_eq(b.client, 3 * t.p.reward);
    cr_assert_geq(b.treasury, 5000 + t.p.premium + t.p.fee, "the treasury paid for nothing");
}

Test(money, V016_nothing_is_paid_without_delivery)
{
    task t = agreed(3);
    t.members[0].delivered = 0;
    t.o.end = RF_END_UNDELIVERED;
    lose(&t, 2, RF_LOST_VERDICT, 9);
    t.answers[0] = (rf_answer){4, 0, 20};
    t.o.answer_count = 1;
    books b = settled(&t);
    cr_assert_eq(b.free[0], t.p.stake - t.p.fee);
    cr_assert_eq(b.free[1], t.p.stake - t.p.fee);
    cr_assert_eq(b.free[2], 0);
    cr_assert_eq(b.client, t.o.escrow);
}

Test(money, nobody_right_refunds_the_client)
{
    task t = agreed(3);
    t.members[0].delivered = 0;
    t.o.end = RF_END_NOBODY;
    for (uint32_t m = 0; m < 3; m++) lose(&t, m, RF_LOST_VERDICT, m + 1);
    books b = settled(&t);
    cr_assert_eq(b.client, t.o.escrow);
    for (uint32_t m = 0; m < 3; m++) cr_assert_eq(b.free[m], 0);
    cr_assert_eq(b.burn + b.treasury - 5000, 3 * t.p.stake);
}

Test(money, T45_a_refund_from_any_state_gives_back_what_was_there)
{
    for (uint32_t stage = 0; stage < 4; stage++)
        for (uint32_t losers = 0; losers <= 2; losers++) {
            task t = agreed(4);
            t.members[0].delivered = 0;
            t.o.end = RF_END_REFUNDED;
            for (uint32_t m = 0; m < 4; m++) {
                t.members[m].stage = (rf_stage)stage;
                t.members[m].standing = 0;
            }
            if (stage == RF_STAGE_CLAIMED && losers) continue;
            for (uint32_t m = 0; m < losers; m++) lose(&t, m, RF_LOST_EQUIVOCATION, m);
            books b = settled(&t);
            cr_assert_eq(b.client, t.o.escrow);
            for (uint32_t m = 0; m < 4; m++)
                cr_assert_eq(b.free[m], m < losers ? 0 : t.p.stake, "a verdict stays, no fees");
        }
}

Test(money, late_equivocation_leaves_the_result_and_takes_the_stake)
{
    task t = agreed(2);
    t.members[1].lost = RF_LOST_EQUIVOCATION;
    t.members[1].lost_at = 5;
    books b = settled(&t);
    cr_assert_eq(b.free[1], 0);
    cr_assert_eq(b.client, t.p.reward);
    cr_assert_eq(b.free[0], t.p.stake + t.p.reward + t.p.delivery + t.p.stake / 2);
}

Test(money, an_auditor_that_falls_is_paid_nothing)
{
    task t = agreed(2);
    t.o.member_count = 3;
    t.members[2] = (rf_member){.stage = RF_STAGE_AUDITOR};
    t.o.audited = 1;
    books b = settled(&t);
    cr_assert_eq(b.free[2], 0);
    t.members[2].standing = 1;
    t.o.treasury = 0;
    t.p.premium = t.p.audit;
    b = settled(&t);
    cr_assert_eq(b.free[2], t.p.audit, "the premium comes before the treasury pays");
    t.p.premium = t.p.audit - 1;
    rf_transfer list[LIST];
    uint32_t count = 77;
    ro_err err;
    cr_assert_eq(settle(&t, list, &count, &err), RO_ELIMIT);
    cr_assert(strstr(err.msg, "unpaid"), "%s", err.msg);
    cr_assert_eq(count, 77u);
}

/* What is refused: each change to a sound outcome, the status, a word of the sentence. */
typedef void (*change)(task *);
static void held_differs(task *t) { t->members[1].held++; }
static void escrow_differs(task *t) { t->o.escrow--; }
static void treasury_negative(task *t) { t->o.treasury = -1; }
static void referee_negative(task *t) { t->o.referee_cost = -1; }
static void referee_dear(task *t) { t->o.referee_cost = RF_SUPPLY_MAX + 1; }
static void all_the_money(task *t)
{
    t->o.treasury = RF_SUPPLY_MAX - t->o.escrow - 3 * t->p.stake + 1;
}
static void all_the_money_behind_an_auditor(task *t)
{
    t->members[0] = (rf_member){.stage = RF_STAGE_AUDITOR, .standing = 1, .delivered = 1};
    t->o.treasury = RF_SUPPLY_MAX - t->o.escrow - 2 * t->p.stake + 1;
}
static void money_without_stakes(task *t) { t->o.treasury = RF_SUPPLY_MAX - t->o.escrow + 1; }
static void stage_unknown(task *t) { t->members[0].stage = (rf_stage)9; }
static void loss_unknown(task *t) { t->members[0].lost = (rf_loss)99; }
static void end_unknown(task *t) { t->o.end = (rf_end)9; }
static void neither(task *t) { t->members[1].standing = 0; }
static void hidden_stands(task *t) { t->members[1].stage = RF_STAGE_COMMITTED; }
static void claimed_stands(task *t) { t->members[1].stage = RF_STAGE_CLAIMED; }
static void claimed_lost(task *t)
{
    lose(t, 1, RF_LOST_VERDICT, 1);
    t->members[1].stage = RF_STAGE_CLAIMED;
}
static void hidden_kept(task *t)
{
    t->members[1].stage = RF_STAGE_COMMITTED;
    t->members[1].standing = 0;
}
static void undelivered(task *t) { t->members[0].delivered = 0; }
static void delivered_after_all(task *t) { t->o.end = RF_END_UNDELIVERED; }
static void nobody_to_deliver(task *t)
{
    t->o.end = RF_END_UNDELIVERED;
    t->members[0].delivered = 0;
    for (uint32_t m = 0; m < 3; m++) lose(t, m, RF_LOST_VERDICT, m);
}
static void somebody(task *t) { t->o.end = RF_END_NOBODY; }
static void delivered_fallen(task *t) { lose(t, 0, RF_LOST_VERDICT, 1); }
static void two_first(task *t) { t->members[1].delivered = 1; }
static void too_many(task *t) { t->p.slots = 2; }
static void two_auditors(task *t)
{
    t->members[1] = t->members[2] = (rf_member){.stage = RF_STAGE_AUDITOR, .standing = 1};
}
static void auditor_stakes(task *t) { t->members[1].stage = RF_STAGE_AUDITOR; }
static void one_position(task *t)
{
    lose(t, 1, RF_LOST_VERDICT, 4);
    lose(t, 2, RF_LOST_VERDICT, 4);
}
static void answer(task *t, uint64_t question, uint32_t member, int64_t cost)
{
    t->answers[t->o.answer_count++] = (rf_answer){question, member, cost};
}
static void stranger(task *t) { answer(t, 1, 3, 1); }
static void free_answer(task *t) { answer(t, 1, 0, 0); }
static void dear_answer(task *t) { answer(t, 1, 0, t->p.replay + t->p.segment + 1); }
static void paid_twice(task *t)
{
    answer(t, 1, 0, 1);
    answer(t, 1, 1, 1);
}
static void fee_over_stake(task *t) { t->p.fee = t->p.stake + 1; }
static void out_of_range(task *t) { t->p.burn_ppm = RF_PPM + 1; }
static void answers_over_the_supply(task *t) { t->p.replay = RF_SUPPLY_MAX / 2; }

static const struct { change make; ro_status status; const char *word; int before; } REFUSED[] = {
    {held_differs, RO_EDIFFER, "holds", 0},
    {escrow_differs, RO_EDIFFER, "escrow", 0},
    {treasury_negative, RO_ELIMIT, "treasury", 0},
    {referee_negative, RO_ELIMIT, "referee", 0},
    {referee_dear, RO_ELIMIT, "referee", 0},
    {all_the_money, RO_ELIMIT, "make a sum", 0},
    {money_without_stakes, RO_ELIMIT, "make a sum", 0},
    {all_the_money_behind_an_auditor, RO_ELIMIT, "make a sum", 0},
    {stage_unknown, RO_EFORMAT, "stage", 0},
    {loss_unknown, RO_EFORMAT, "loss", 0},
    {end_unknown, RO_EFORMAT, "end 9", 0},
    {neither, RO_EFORMAT, "neither", 0},
    {hidden_stands, RO_EFORMAT, "cannot stand", 0},
    {hidden_kept, RO_EFORMAT, "cannot stand", 0},
    {claimed_stands, RO_EFORMAT, "lost or stands", 0},
    {claimed_lost, RO_EFORMAT, "lost or stands", 0},
    {undelivered, RO_EFORMAT, "nobody delivered", 0},
    {delivered_after_all, RO_EFORMAT, "not undelivered", 0},
    {nobody_to_deliver, RO_EFORMAT, "0 stand and 0 delivered", 0},
    {somebody, RO_EFORMAT, "not nobody", 0},
    {delivered_fallen, RO_EFORMAT, "does not stand", 0},
    {two_first, RO_EFORMAT, "2 first deliveries", 0},
    {too_many, RO_EFORMAT, "3 members", 1},
    {two_auditors, RO_EFORMAT, "2 auditors", 1},
    {auditor_stakes, RO_EDIFFER, "holds", 0},
    {one_position, RO_EFORMAT, "members 2 and 1 lost at one log position", 0},
    {stranger, RO_EFORMAT, "member 3 of 3", 0},
    {free_answer, RO_ELIMIT, "costs 0", 0},
    {dear_answer, RO_ELIMIT, "costs", 0},
    {paid_twice, RO_EFORMAT, "not after", 0},
    {fee_over_stake, RO_ELIMIT, "a fee", 1},
    {out_of_range, RO_ELIMIT, "burn_ppm", 0},
    {answers_over_the_supply, RO_ELIMIT, "micro-units are outside", 0}};

Test(money, outcomes_that_contradict_themselves_are_refused)
{
    for (size_t k = 0; k < sizeof REFUSED / sizeof REFUSED[0]; k++) {
        task t = agreed(3);
        rf_transfer list[LIST];
        uint32_t count = 77;
        ro_err err = {0};
        if (REFUSED[k].before) REFUSED[k].make(&t);
        finish(&t);
        if (!REFUSED[k].before) REFUSED[k].make(&t);
        ro_status st = rf_settle(&t.p, &t.o, list, LIST, &count, &err);
        cr_assert_eq(st, REFUSED[k].status, "%zu: %d, %s", k, (int)st, err.msg);
        cr_assert(strstr(err.msg, REFUSED[k].word), "%zu: %s", k, err.msg);
        cr_assert_eq(count, 77u);
    }
}

Test(money, a_list_too_short_is_refused_at_every_length)
{
    for (int k = 0; k < 200; k++) {
        task t = random_task();
        rf_transfer list[LIST];
        uint32_t count = 0, again = 77;
        ro_err err;
        cr_assert_eq(settle(&t, list, &count, &err), RO_OK);
        for (uint32_t max = 0; max < count; max++) {
            err = (ro_err){0};
            cr_assert_eq(rf_settle(&t.p, &t.o, list, max, &again, &err), RO_ELIMIT);
            cr_assert_eq(again, 77u);
        }
        cr_assert_eq(rf_settle(&t.p, &t.o, list, count, &again, &err), RO_OK);
    }
}

/* Nothing but fees moves: they are stakes as a whole, and nobody promised anything. */
Test(money, a_list_too_short_for_the_fees)
{
    task t = agreed(1);
    rf_transfer list[LIST];
    uint32_t count = 77;
    ro_err err;
    t.members[0] = (rf_member){.stage = RF_STAGE_CLAIMED};
    t.o.end = RF_END_NOBODY;
    t.p.fee = t.p.stake;
    t.p.reward = t.p.premium = t.p.delivery = 0;
    books b = settled(&t);
    cr_assert_eq(b.treasury, 5000 + t.p.stake);
    finish(&t);
    err = (ro_err){0};
    cr_assert_eq(rf_settle(&t.p, &t.o, list, 0, &count, &err), RO_ELIMIT);
    cr_assert_eq(count, 77u);
}

/* ---- boundaries ---------------------------------------------------------------------------- */

static const int64_t EDGES[] = {0, 1, -1, INT64_C(1) << 31, INT64_C(1) << 53, INT64_C(1) << 62,
                                INT64_MAX, (INT64_C(1) << 62) - 1, (INT64_C(1) << 62) + 1,
                                INT64_MIN};
#define EDGE_COUNT (sizeof EDGES / sizeof EDGES[0])

Test(money, T39_sums_and_products_at_the_boundaries)
{
    for (size_t i = 0; i < EDGE_COUNT; i++)
        for (size_t j = 0; j < EDGE_COUNT; j++) {
            const __int128 a = EDGES[i], b = EDGES[j];
            int64_t sum = EDGES[i], product = 5;
            int fits = a + b >= 0 && a + b <= RF_SUPPLY_MAX;
            cr_assert_eq(rf_money_add(&sum, EDGES[j], NULL), fits ? RO_OK : RO_ELIMIT);
            cr_assert(sum == (fits ? a + b : a));
            fits = a >= 0 && b >= 0 && a * b <= RF_SUPPLY_MAX;
            cr_assert_eq(rf_money_multiply(EDGES[i], EDGES[j], &product, NULL),
                         fits ? RO_OK : RO_ELIMIT);
            cr_assert(product == (fits ? a * b : 5));
        }
}

/* Each sum and product in what a task can cost, one over the supply. */
Test(money, T39_what_a_task_can_cost_at_the_boundaries)
{
    const rf_params p = defaults(4);
    rf_params q = p;
    int64_t out = 5;
    q.replay = RF_SUPPLY_MAX - p.segment + 1;
    cr_assert_eq(rf_params_rerun_max(&q, &out, NULL), RO_ELIMIT);
    q.replay = RF_SUPPLY_MAX / 12 - p.segment + 1; /* 4 slots x 3 levels */
    cr_assert_eq(rf_params_rerun_max(&q, &out, NULL), RO_ELIMIT);
    cr_assert_eq(out, 5);
    q.replay--;
    cr_assert_eq(rf_params_rerun_max(&q, &out, NULL), RO_OK);
    cr_assert_eq(out, RF_SUPPLY_MAX / 12 * 12);
    q.audit = RF_SUPPLY_MAX % 12;
    cr_assert_eq(rf_params_exposure(&q, &out, NULL), RO_OK);
    cr_assert_eq(out, RF_SUPPLY_MAX);
    q.audit++;
    out = 5;
    cr_assert_eq(rf_params_exposure(&q, &out, NULL), RO_ELIMIT);
    q = p;
    q.reward = RF_SUPPLY_MAX / 4;
    q.premium = q.delivery = 0;
    cr_assert_eq(rf_params_escrow(&q, &out, NULL), RO_OK);
    cr_assert_eq(out, RF_SUPPLY_MAX);
    out = 5;
    q.premium = 1;
    cr_assert_eq(rf_params_escrow(&q, &out, NULL), RO_ELIMIT);
    q.premium = 0;
    q.delivery = 1;
    cr_assert_eq(rf_params_escrow(&q, &out, NULL), RO_ELIMIT);
    q.reward = RF_SUPPLY_MAX / 4 + 1;
    cr_assert_eq(rf_params_escrow(&q, &out, NULL), RO_ELIMIT);
    cr_assert_eq(out, 5);
}

/* Every amount of the parameters and the outcome at every edge: refused, or exact. */
static int64_t *amount(task *t, uint32_t k)
{
    int64_t *const all[] = {&t->p.reward, &t->p.stake,  &t->p.fee,      &t->p.premium,
                            &t->p.audit,  &t->p.replay, &t->p.delivery, &t->o.treasury,
                            &t->o.referee_cost};
    return k < sizeof all / sizeof all[0] ? all[k] : NULL;
}

Test(money, T39_settlement_at_the_boundaries)
{
    uint32_t good = 0, refused = 0;
    for (uint32_t a = 0; amount(&(task){.p = {0}}, a); a++)
        for (uint32_t b = 0; b <= a; b++)
            for (size_t i = 0; i < EDGE_COUNT * EDGE_COUNT * 2; i++) {
                task t = agreed(3);
                rf_transfer list[LIST];
                uint32_t count = 0;
                ro_err err = {0};
                if (i % 2) lose(&t, 2, RF_LOST_VERDICT, 3);
                t.o.audited = (int)(i % 2);
                *amount(&t, a) = EDGES[i / 2 % EDGE_COUNT];
                *amount(&t, b) = EDGES[i / 2 / EDGE_COUNT];
                t.o.members = t.members;
                t.o.answers = t.answers;
                for (uint32_t m = 0; m < 3; m++) t.members[m].held = t.p.stake;
                if (rf_params_escrow(&t.p, &t.o.escrow, &err)) t.o.escrow = 0;
                err = (ro_err){0};
                if (rf_settle(&t.p, &t.o, list, LIST, &count, &err)) {
                    refused++;
                    cr_assert(err.msg[0]);
                    continue;
                }
                good++;
                books have = booked(&t.o, list, count), want = expected(&t.p, &t.o);
                same(&have, &want);
            }
    cr_assert_gt(good, 1000u);
    cr_assert_gt(refused, 1000u);
}

Test(money, a_task_of_all_slots)
{
    const uint32_t n = RF_SLOTS_MAX;
    rf_member *members = calloc(n + 1, sizeof *members);
    rf_transfer *list = calloc(RF_TRANSFERS_MAX(n + 1, 1), sizeof *list);
    rf_answer a = {5, 0, 1};
    rf_params p = defaults(n);
    rf_outcome o = {.end = RF_END_SETTLED, .audited = 1, .members = members, .member_count = n + 1,
                    .answers = &a, .answer_count = 1, .referee_cost = 3};
    uint32_t count = 0, burned = 0;
    int64_t sum = 0;
    ro_err err = {0};
    cr_assert(members && list);
    for (uint32_t m = 0; m < n; m++) {
        members[m] = (rf_member){.stage = RF_STAGE_REVEALED, .standing = 1, .held = p.stake};
        if (m % 2 == 0) continue;
        members[m].standing = 0;
        members[m].lost = RF_LOST_VERDICT;
        members[m].lost_at = 2 * n - m; /* the last loses first */
    }
    members[0].delivered = 1;
    members[n] = (rf_member){.stage = RF_STAGE_AUDITOR, .standing = 1};
    cr_assert_eq(rf_params_escrow(&p, &o.escrow, &err), RO_OK);
    cr_assert_eq(rf_settle(&p, &o, list, RF_TRANSFERS_MAX(n + 1, 1), &count, &err), RO_OK, "%s",
                 err.msg);
    for (uint32_t k = 0; k < count; k++) {
        if (list[k].from.kind == RF_ACCOUNT_HELD) sum += list[k].amount;
        if (list[k].purpose != RF_FOR_BURN) continue;
        cr_assert(!burned || list[k].from.member < list[k - 1].from.member);
        burned++;
    }
    cr_assert_eq(sum, (int64_t)n * p.stake);
    cr_assert_gt(burned, n / 5);
    o.answer_count = RF_ANSWERS_MAX + 1; /* refused before they are read */
    cr_assert_eq(rf_settle(&p, &o, list, RF_TRANSFERS_MAX(n + 1, 1), &count, &err), RO_ELIMIT);
    cr_assert(strstr(err.msg, "16777216 are allowed"), "%s", err.msg);
    o.answer_count = 1;
    o.member_count = n + 2;
    err = (ro_err){0};
    cr_assert_eq(rf_settle(&p, &o, list, RF_TRANSFERS_MAX(n + 1, 1), &count, &err), RO_ELIMIT);
    cr_assert(strstr(err.msg, "4097 are allowed"), "%s", err.msg);
    free(members);
    free(list);
}

/* ---- parameters ---------------------------------------------------------------------------- */

Test(money, parameters_are_their_bytes)
{
    rf_params p = defaults(4), q;
    uint8_t bytes[RF_PARAMS_BYTES + 1], again[RF_PARAMS_BYTES];
    ro_err err = {0};
    rf_params_encode(&p, bytes);
    cr_assert_eq(bytes[0], 1);
    cr_assert_eq(bytes[4], 4, "slots come first");
    cr_assert_eq(bytes[36] | bytes[37] << 8, (int)p.reward, "8 counts, then amounts");
    cr_assert_eq(rf_params_decode(bytes, RF_PARAMS_BYTES, &q, &err), RO_OK, "%s", err.msg);
#define SAME(type, name) cr_assert_eq(p.name, q.name, #name);
    RF_PARAMS(SAME)
    for (size_t n = 0; n <= RF_PARAMS_BYTES + 1; n++)
        cr_assert_eq(rf_params_decode(bytes, n, &q, NULL),
                     n == RF_PARAMS_BYTES ? RO_OK : RO_EFORMAT);
    for (size_t at = 0; at < RF_PARAMS_BYTES; at++) { /* other bytes: other parameters, or none */
        bytes[at] ^= 0x81;
        ro_status st = rf_params_decode(bytes, RF_PARAMS_BYTES, &q, NULL);
        cr_assert(st == RO_OK || st == (at < 4 ? RO_EFORMAT : RO_ELIMIT));
        if (st == RO_OK) {
            rf_params_encode(&q, again);
            cr_assert_arr_eq(bytes, again, RF_PARAMS_BYTES);
        }
        bytes[at] ^= 0x81;
    }
}

Test(money, T42_parameters_are_copied_into_the_task)
{
    task t = agreed(3);
    rf_params config = t.p;
    uint8_t stored[RF_PARAMS_BYTES];
    ro_err err = {0};
    lose(&t, 2, RF_LOST_VERDICT, 4);
    books before = settled(&t);
    rf_params_encode(&config, stored); /* at creation */
    config.stake *= 2;                 /* in the middle of the dispute */
    config.burn_ppm = 0;
    config.reward = 0;
    cr_assert_eq(rf_params_decode(stored, sizeof stored, &t.p, &err), RO_OK);
    books after = settled(&t);
    same(&before, &after);
}

typedef void (*tweak)(rf_params *);
static void low_stake(rf_params *p) { p->stake--; }
static void low_fee(rf_params *p) { p->fee = p->audit - 1; }
static void high_fee(rf_params *p) { p->fee = p->stake / 10 + 1; }
static void low_audit(rf_params *p) { p->audit = p->run - 1; }
static void low_reward(rf_params *p) { p->reward = p->run; }
static void low_rate(rf_params *p) { p->audit_ppm--; }
static void low_premium(rf_params *p) { p->premium--; }
static void low_premium_for_all(rf_params *p) { p->quorum = p->slots + 1; }
static void low_burn(rf_params *p) { p->burn_ppm = RF_PPM / 2 - 1; }
static void no_challenge(rf_params *p) { p->challenges = 0; }
static void negative(rf_params *p) { p->reward = -5; }
static void no_slots(rf_params *p) { p->slots = 0; }
static void endless(rf_params *p) { p->commit_ms = RF_MS_MAX + 1; }
static void too_much(rf_params *p)
{
    p->replay = RF_SUPPLY_MAX / 8;
    p->stake = RF_SUPPLY_MAX;
}
static void rich(rf_params *p)
{
    p->stake = RF_SUPPLY_MAX / 4 + 1;
}
static void rich_reward(rf_params *p) { p->reward = RF_SUPPLY_MAX / 4 + 1; }
static void rich_together(rf_params *p) { p->stake = RF_SUPPLY_MAX / 4; }
static void dear_audit(rf_params *p) { p->audit = RF_SUPPLY_MAX; }
static void dear_exposure(rf_params *p) { p->audit = p->fee = RF_SUPPLY_MAX / 10; }

static const struct { tweak make; const char *words; } VIOLATED[] = {
    {low_stake, "the stake is"},
    {low_fee, "(one full audit)"},
    {high_fee, "(the fee)"},
    {low_audit, "(the job's own cost)"},
    {low_reward, "(more than the job costs)"},
    {low_rate, "(more than skipping the work saves)"},
    {low_premium, "(what audits cost on average)"},
    {low_premium_for_all, "(what audits cost on average)"},
    {low_burn, "(half, in millionths)"},
    {no_challenge, "(one)"},
    {negative, "reward is -5"},
    {no_slots, "slots is 0"},
    {endless, "commit_ms is"},
    {too_much, "micro-units"},
    {rich, "micro-units"},
    {rich_reward, "micro-units"},
    {rich_together, "micro-units"},
    {dear_audit, "micro-units"},
    {dear_exposure, "micro-units"}};

/* Parameters of which none can be one less. */
static rf_params tight(void)
{
    rf_params p = defaults(4);
    int64_t exposure = 0;
    ro_err err = {0};
    p.run = p.audit = p.fee = 1000;
    p.reward = 1001;
    p.replay = 27;
    p.segment = 2;
    cr_assert_eq(rf_params_exposure(&p, &exposure, &err), RO_OK);
    cr_assert_eq(exposure, 1000 + 4 * 3 * 29);
    p.stake = 10 * exposure;
    p.audit_ppm = 74259; /* of 13,480: 1001.01 */
    p.premium = 75;      /* of 1,000: 74.3 */
    p.challenges = 1;
    return p;
}

Test(money, each_inequality_is_refused_with_its_sentence)
{
    const rf_params p = tight();
    rf_params other = p;
    ro_err err = {0};
    cr_assert_eq(rf_params_check(&p, &err), RO_OK, "%s", err.msg);
    other.quorum = p.slots; /* can be reached, so audits are not certain */
    cr_assert_eq(rf_params_check(&other, &err), RO_OK, "%s", err.msg);
    other.quorum = p.slots + 1;
    other.premium = p.audit;
    cr_assert_eq(rf_params_check(&other, &err), RO_OK, "%s", err.msg);
    other = p;
    other.fee = p.stake / 10;
    cr_assert_eq(rf_params_check(&other, &err), RO_OK, "%s", err.msg);
    for (size_t k = 0; k < sizeof VIOLATED / sizeof VIOLATED[0]; k++) {
        rf_params q = p;
        err = (ro_err){0};
        VIOLATED[k].make(&q);
        cr_assert_eq(rf_params_check(&q, &err), RO_ELIMIT, "%zu", k);
        cr_assert(strstr(err.msg, VIOLATED[k].words), "%zu: %s", k, err.msg);
    }
}

Test(money, T70_the_stake_covers_all_that_a_dispute_can_cost)
{
    for (uint32_t slots = 1; slots <= RF_SLOTS_MAX; slots = slots * 3 / 2 + 1) {
        rf_params p = defaults(slots);
        uint32_t levels = 0;
        int64_t exposure;
        while ((1u << levels) < slots) levels++;
        cr_assert_eq(rf_params_exposure(&p, &exposure, NULL), RO_OK);
        cr_assert_geq(exposure, p.audit + (int64_t)slots * levels * (p.replay + p.segment));
        cr_assert_geq(p.stake, 10 * exposure);
        cr_assert_geq(p.fee, p.audit);
        cr_assert_leq(p.fee, p.stake / 10);
        cr_assert_gt(p.stake / RF_PPM * p.audit_ppm + p.stake % RF_PPM * p.audit_ppm / RF_PPM,
                     p.run);
    }
}

Test(money, T27_T66_a_client_can_only_lengthen_and_pay_more)
{
    const rf_params s = defaults(4);
    rf_params a = s;
    ro_err err = {0};
    cr_assert_eq(rf_params_within(&s, &a, &err), RO_OK, "%s", err.msg);
#define MORE(name, up, down)                                                       \
    a = s;                                                                         \
    a.name++;                                                                      \
    cr_assert_eq(rf_params_within(&s, &a, NULL), (up) ? RO_OK : RO_ELIMIT, #name); \
    a.name -= 2;                                                                   \
    cr_assert_eq(rf_params_within(&s, &a, NULL), (down) ? RO_OK : RO_ELIMIT, #name);
    MORE(slots, 0, 0)
    MORE(quorum, 1, 0)
    MORE(challenges, 1, 0)
    MORE(burn_ppm, 1, 0)
    MORE(audit_ppm, 1, 0)
    MORE(refusals, 1, 0)
    MORE(retries, 1, 0)
    MORE(reward, 1, 0)
    MORE(stake, 1, 0)
    MORE(fee, 1, 0)
    MORE(premium, 1, 0)
    MORE(delivery, 0, 0)
    MORE(run, 0, 0)
    MORE(audit, 0, 0)
    MORE(replay, 0, 0)
    MORE(segment, 0, 0)
    MORE(replay_steps, 0, 0)
    MORE(replay_flops, 0, 0)
    MORE(answer_bytes, 0, 0)
    MORE(output_bytes, 0, 0)
    MORE(flops_second, 0, 1)
    MORE(bytes_second, 0, 1)
    MORE(open_ms, 1, 0)
    MORE(commit_ms, 1, 0)
    MORE(reveal_ms, 1, 0)
    MORE(base_ms, 1, 0)
    MORE(finality_ms, 1, 0)
    MORE(retry_ms, 1, 0)
    a = s;
    a.account_slots++;
    cr_assert_eq(rf_params_within(&s, &a, &err), RO_ELIMIT);
    cr_assert(strstr(err.msg, "at most 1"), "%s", err.msg);
    a = s;
    a.retry_ms = RF_MS_MAX + 1; /* more, and out of range on either side */
    cr_assert_eq(rf_params_within(&s, &a, NULL), RO_ELIMIT);
    cr_assert_eq(rf_params_within(&a, &s, NULL), RO_ELIMIT);
    a = s;
    a.refusals = 0; /* the server's own, of which more may be asked */
    cr_assert_eq(rf_params_within(&a, &s, NULL), RO_ELIMIT);
}

Test(money, T27_deadlines_follow_from_work_and_bytes)
{
    rf_params p = defaults(4);
    p.base_ms = 1000;
    p.flops_second = 100;
    p.bytes_second = 10;
    cr_assert_eq(rf_deadline_ms(&p, 0, 0), 1000u);
    cr_assert_eq(rf_deadline_ms(&p, 100, 0), 5000u);
    cr_assert_eq(rf_deadline_ms(&p, 0, 10), 2000u);
    cr_assert_eq(rf_deadline_ms(&p, 0, 1), 1100u);
    cr_assert_eq(rf_deadline_ms(&p, 1, 0), 1040u);
    p.flops_second = 3;
    cr_assert_eq(rf_deadline_ms(&p, 1, 0), 1000u + 4 * 334, "rounded up");
    cr_assert_eq(rf_deadline_ms(&p, UINT64_MAX, UINT64_MAX), RF_MS_MAX);
    p.flops_second = UINT64_MAX;
    cr_assert_eq(rf_deadline_ms(&p, UINT64_MAX, 0), 1000u + 4 * 1000);
    cr_assert_geq(rf_deadline_ms(&p, UINT64_MAX - 1, 0), 1000u + 4 * 1000);
    p.bytes_second = 1; /* 1000 times this many is 0 in 64 bits */
    cr_assert_eq(rf_deadline_ms(&p, 0, UINT64_C(1) << 61), RF_MS_MAX);
    cr_assert_eq(rf_deadline_ms(&p, 0, RF_MS_MAX / 1000), RF_MS_MAX);
    p.base_ms = 0;
    cr_assert_eq(rf_deadline_ms(&p, 0, RF_MS_MAX / 1000 - 1), (RF_MS_MAX / 1000 - 1) * 1000);
    /* Rates over 2^54, where a thousand times what is left of an amount does not fit: exact here,
     * and never rounded down. */
    p.bytes_second = UINT64_C(1) << 60;
    cr_assert_eq(rf_deadline_ms(&p, 0, (UINT64_C(1) << 60) - 1024), 1000u);
    p.bytes_second = 1024 * UINT64_C(10000000000000333);
    cr_assert_eq(rf_deadline_ms(&p, 0, 3072 * UINT64_C(10000000000000) + 1023), 4u);
    p.bytes_second = UINT64_C(1) << 54;
    cr_assert_eq(rf_deadline_ms(&p, 0, (UINT64_C(1) << 54) - 1), 1000u);
    p = defaults(4);
    cr_assert_eq(rf_deadline_max_ms(&p), rf_deadline_ms(&p, p.replay_flops, p.answer_bytes));
    cr_assert_eq(rf_delivery_ms(&p), p.base_ms + 254, "254 kB at 1 MB/s");
}

Test(money, T65_T77_audits_are_certain_below_the_quorum_and_as_often_as_said_above)
{
    rf_params p = defaults(4);
    vd_digest low = {{0}}, high;
    uint32_t drawn = 0;
    memset(high.b, 0xff, sizeof high.b);
    for (uint32_t standing = 0; standing < p.quorum; standing++)
        cr_assert(rf_audit_due(&p, standing, &high));
    cr_assert(rf_audit_due(&p, p.quorum, &low));
    cr_assert(!rf_audit_due(&p, p.quorum, &high));
    p.audit_ppm = RF_PPM;
    cr_assert(rf_audit_due(&p, p.quorum, &high), "p = 1 audits everything");
    p.audit_ppm = 0;
    cr_assert(!rf_audit_due(&p, p.quorum, &low), "p = 0 nothing");
    p.audit_ppm = 100000;
    for (uint32_t k = 0; k < 1000000; k++) {
        vd_digest d;
        for (int b = 0; b < 32; b++) d.b[b] = b < 8 ? (uint8_t)(next() >> 32) : 0;
        drawn += (uint32_t)rf_audit_due(&p, p.quorum, &d);
    }
    cr_assert(drawn > 98500 && drawn < 101500, "%u of a million at a tenth", drawn);
}

Test(money, defaults_hold_for_any_job)
{
    uint32_t good = 0;
    for (int k = 0; k < 20000; k++) {
        rf_cost c = {.flops = next() >> pick(64), .steps = 1 + (next() >> (24 + pick(40)))};
        rf_params p;
        ro_err err = {0};
        c.step_flops = next() >> pick(64);
        c.segment_steps = 1 + pick(4096);
        c.element_flops = next() >> (20 + pick(44));
        c.element_bytes = next() >> (20 + pick(44));
        c.evidence_bytes = c.element_bytes;
        c.state_bytes = next() >> (20 + pick(44));
        c.output_bytes = c.state_bytes;
        ro_status st = rf_params_defaults(&c, 1 + pick(RF_SLOTS_MAX), pick(2) * pick(100000),
                                          1 + pick(RF_PRICE_MAX), 1 + pick(RF_PRICE_MAX), &p, &err);
        if (st == RO_OK) {
            cr_assert_eq(rf_params_check(&p, &err), RO_OK, "%s", err.msg);
            good++;
        } else {
            cr_assert_eq(st, RO_ELIMIT, "%s", err.msg);
        }
    }
    cr_assert_gt(good, 5000u);
    rf_params p;
    cr_assert_eq(rf_params_defaults(&COST, 0, 0, 1, 1, &p, NULL), RO_EUSAGE);
    cr_assert_eq(rf_params_defaults(&COST, RF_SLOTS_MAX + 1, 0, 1, 1, &p, NULL), RO_EUSAGE);
    for (int64_t bad = 0; bad <= RF_PRICE_MAX + 1; bad += RF_PRICE_MAX + 1) {
        cr_assert_eq(rf_params_defaults(&COST, 4, 0, bad, 1, &p, NULL), RO_EUSAGE);
        cr_assert_eq(rf_params_defaults(&COST, 4, 0, 1, bad, &p, NULL), RO_EUSAGE);
    }
    cr_assert_eq(rf_params_defaults(&COST, 4, 0, 1, RF_PRICE_MAX, &p, NULL), RO_OK);
    cr_assert_eq(rf_params_defaults(&COST, 4, 0, RF_PRICE_MAX, 1, &p, NULL), RO_OK);
}

Test(money, defaults_of_the_example_to_the_unit)
{
    const rf_params p = defaults(4);
    cr_assert_eq(p.run, 741, "740.45 GFLOP at 1 a GFLOP");
    cr_assert_eq(p.audit, 1112);
    cr_assert_eq(p.reward, 1112);
    cr_assert_eq(p.fee, 1112);
    cr_assert_eq(p.premium, 112);
    cr_assert_eq(p.delivery, 1, "253 kB at 100 a GB, at least 1");
    cr_assert_eq(p.replay, 27, "64 steps of 0.39 GFLOP: 26; 4.3 MB: 1");
    cr_assert_eq(p.segment, 2, "0.39 GFLOP: 1; 3.4 MB: 1");
    cr_assert_eq(p.stake, 14840, "20 x (run + 1), over 10 x (1112 + 4 x 3 x 29)");
    cr_assert_eq(p.replay_steps, 64u);
    cr_assert_eq(p.replay_flops, 64 * COST.step_flops + COST.element_flops);
    cr_assert_eq(p.answer_bytes, COST.evidence_bytes + (512u << 10));
    cr_assert_eq(p.output_bytes, COST.output_bytes);
    cr_assert_eq(p.commit_ms, 3600000u + 60000 + 4 * 74046 + 254);
    rf_cost c = COST;
    rf_params q;
    c.segment_steps = 100; /* the longer of D's default */
    cr_assert_eq(rf_params_defaults(&c, 4, 0, 2000, 1000, &q, NULL), RO_OK);
    cr_assert_eq(q.run, 1481);
    cr_assert_eq(q.replay_steps, 100u);
    cr_assert_eq(q.segment, 79 + 4, "39.5 GFLOP, 3.4 MB");
    c.steps = 9;
    cr_assert_eq(rf_params_defaults(&c, 4, 0, 1000, 100, &q, NULL), RO_OK);
    cr_assert_eq(q.replay_steps, 9u, "no replay is longer than the job");
    cr_assert_eq(rf_params_defaults(&c, 4, 5, 1000, 100, &q, NULL), RO_OK);
    cr_assert_eq(q.replay_steps, 5u);
    c.steps = 0;
    cr_assert_eq(rf_params_defaults(&c, 4, 0, 1000, 100, &q, NULL), RO_OK);
    cr_assert_eq(q.replay_steps, 1u);
    c.flops = UINT64_C(2000000000000); /* what divides is not rounded, one more is */
    c.output_bytes = UINT64_C(3000000000);
    cr_assert_eq(rf_params_defaults(&c, 4, 0, 1, 1, &q, NULL), RO_OK);
    cr_assert(q.run == 2 && q.delivery == 3);
    c.flops++;
    c.output_bytes++;
    cr_assert_eq(rf_params_defaults(&c, 4, 0, 1, 1, &q, NULL), RO_OK);
    cr_assert(q.run == 3 && q.delivery == 4);
}

/* A cost whose bound saturated has no price, whichever it is; nor has one over the supply. */
static void no_flops(rf_cost *c) { c->flops = UINT64_MAX; }
static void no_output(rf_cost *c) { c->output_bytes = UINT64_MAX; }
static void no_replay(rf_cost *c) { c->step_flops = UINT64_C(1) << 60; }
static void no_replay_sum(rf_cost *c)
{
    c->step_flops = UINT64_MAX / 64;
    c->element_flops = 64;
}
static void no_answer(rf_cost *c) { c->evidence_bytes = UINT64_MAX - 5; }
static void no_segment(rf_cost *c) { c->segment_steps = UINT64_MAX; }
static void no_element(rf_cost *c) { c->element_bytes = UINT64_MAX; }

Test(money, costs_without_a_price)
{
    static void (*const CASES[])(rf_cost *) = {no_flops,  no_output,  no_replay, no_replay_sum,
                                               no_answer, no_segment, no_element};
    for (size_t k = 0; k < sizeof CASES / sizeof *CASES; k++) {
        rf_cost c = COST;
        rf_params p;
        ro_err err = {0};
        CASES[k](&c);
        cr_assert_eq(rf_params_defaults(&c, 4, 64, 1000, 100, &p, &err), RO_ELIMIT, "%zu", k);
        cr_assert(strstr(err.msg, "saturates"), "%zu: %s", k, err.msg);
    }
    rf_cost c = COST;
    rf_params p;
    ro_err err = {0};
    c.evidence_bytes = UINT64_C(10000000000000000000);
    cr_assert_eq(rf_params_defaults(&c, RF_SLOTS_MAX, 0, 1000, RF_PRICE_MAX, &p, &err), RO_ELIMIT);
    cr_assert(strstr(err.msg, "micro-units"), "%s", err.msg);
    c.evidence_bytes = UINT64_C(50000000000000000); /* this exposure fits, ten of them do not */
    err = (ro_err){0};
    cr_assert_eq(rf_params_defaults(&c, RF_SLOTS_MAX, 0, 1000, RF_PRICE_MAX, &p, &err), RO_ELIMIT);
    cr_assert(strstr(err.msg, "10 x"), "%s", err.msg);
    c.evidence_bytes = UINT64_C(1500000000000000); /* ten of these fit, the stakes of all do not */
    err = (ro_err){0};
    cr_assert_eq(rf_params_defaults(&c, RF_SLOTS_MAX, 0, 1000, RF_PRICE_MAX, &p, &err), RO_ELIMIT);
    cr_assert(strstr(err.msg, "4096 x"), "%s", err.msg);
}

Test(money, T66_a_job_costs_what_its_graph_says)
{
    ro_arena *arena = ro_arena_new();
    vd_job *j = NULL;
    vd_cost whole;
    rf_cost c, longer;
    ro_err err = {0};
    must(small_job(arena, 2, 4, 0, 0, &j, &err), &err);
    must(vd_job_cost(j, &whole, &err), &err);
    must(rf_cost_of_job(j, &c, &err), &err);
    cr_assert_eq(c.flops, whole.flops);
    cr_assert_eq(c.steps, 10u, "2 x (1 + 4)");
    cr_assert_eq(c.segment_steps, 1u);
    cr_assert_gt(c.step_flops, 0u);
    cr_assert_geq(c.step_flops * c.steps, c.flops, "no step is dearer than the dearest");
    cr_assert_lt(c.step_flops, c.flops);
    cr_assert_eq(c.element_bytes, whole.element_bytes);
    cr_assert_eq(c.state_bytes, 8u + 24 + 24);
    cr_assert_eq(c.output_bytes, 56u + 8 * (32 + 24 + 48), "the last state, 8 steps' outputs");
    must(small_job(arena, 4, 4, 3, 0, &j, &err), &err);
    must(rf_cost_of_job(j, &longer, &err), &err);
    cr_assert_eq(longer.flops, 2 * c.flops);
    cr_assert_eq(longer.step_flops, c.step_flops);
    cr_assert_eq(longer.segment_steps, 3u);
    cr_assert_eq(longer.output_bytes - longer.state_bytes, 2 * (c.output_bytes - c.state_bytes));
    vd_phase *phases = (vd_phase *)(uintptr_t)j->phases, first = phases[0];
    phases[0] = phases[1]; /* the dearest step comes first */
    phases[1] = first;
    must(rf_cost_of_job(j, &c, &err), &err);
    cr_assert_eq(c.step_flops, longer.step_flops);
    ro_arena_free(arena);
}

Test(money, a_job_costs_nothing_wrong_without_memory)
{
    ro_arena *arena = ro_arena_new();
    vd_job *j = NULL;
    rf_cost c;
    uint64_t n = 1;
    ro_err err = {0};
    must(small_job(arena, 2, 4, 0, 0, &j, &err), &err);
    for (;; n++) {
        ro_alloc_fail_at(n, 0);
        err = (ro_err){0};
        ro_status st = rf_cost_of_job(j, &c, &err);
        ro_alloc_fail_at(0, 0);
        if (st == RO_OK) break;
        cr_assert(st == RO_ENOMEM && err.msg[0], "allocation %llu", (unsigned long long)n);
    }
    cr_assert_gt(n, 4u); /* of the whole job and of a step of each phase */
    ro_arena_free(arena);
}

Test(money, names)
{
    cr_assert_str_eq(rf_loss_name(RF_LOST_NOTHING), "nothing");
    cr_assert_str_eq(rf_loss_name(RF_LOST_EQUIVOCATION), "equivocation");
    cr_assert_str_eq(rf_loss_name(RF_LOST_ATTENTION), "attention");
    cr_assert_str_eq(rf_loss_name((rf_loss)(RF_LOST_ATTENTION + 1)), "unknown");
    cr_assert_str_eq(rf_end_name(RF_END_SETTLED), "settled");
    cr_assert_str_eq(rf_end_name(RF_END_REFUNDED), "refunded");
    cr_assert_str_eq(rf_end_name((rf_end)(RF_END_REFUNDED + 1)), "unknown");
    cr_assert_str_eq(rf_purpose_name((rf_purpose)0), "unknown");
    cr_assert_str_eq(rf_purpose_name(RF_FOR_FEE_AUDIT), "fee, audit");
    cr_assert_str_eq(rf_purpose_name(RF_FOR_BURN), "burn");
    cr_assert_str_eq(rf_purpose_name(RF_FOR_DELIVERY), "delivery");
    cr_assert_str_eq(rf_purpose_name(RF_FOR_TREASURY_AUDIT), "audit, treasury");
    cr_assert_str_eq(rf_purpose_name((rf_purpose)(RF_FOR_TREASURY_AUDIT + 1)), "unknown");
}
