/* deviations.c - is there a coalition that does better by leaving the protocol?
 *
 * What this file decides: the money rules of referee/money.h, by search. A task is played out
 * abstractly: who claims, commits, reveals, answers, files claims, delivers; what is true of a pair
 * of roots follows from where each first departs from the truth. The money comes from rf_settle
 * itself. docs/ECONOMICS.md says what is left out and what a profitable deviation is.
 *
 *   deviations                  every play of at most 4 steps that fits into half a minute, the
 *                               climb on larger ones, and every planted leak
 *   deviations --long           every play of at most 4 steps, ten times the climb
 *   deviations --job JOB [N]    the parameters of a job with N slots (4), each with its reason
 *   deviations --replies JOB [N] what each way to behave is worth to one provider of that job
 *
 * Invariants
 *   1. Under the rules as they are nothing may be found; under each leak a profit must be.
 *   2. A play is worth what its transfers say: sums remembered for equal outcomes are compared with
 *      rf_settle's again for one play in 64. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../referee/money.h"
#include "../verde/cli.h"

#define COALITION_MAX 5u
#define HONEST_MAX 3u
#define MEMBERS_MAX (COALITION_MAX + HONEST_MAX + 1)
#define ROOTS_MAX (COALITION_MAX + 1)
#define ANSWERS_MAX 64u
#define NO_ROOT UINT32_MAX
#define LIST_MAX RF_TRANSFERS_MAX(MEMBERS_MAX, ANSWERS_MAX)

/* ---- plays -------------------------------------------------------------------------------- */

/* What an identity of the coalition does. The first four need no root. */
typedef enum {
    NO_SHOW,    /* claims a slot and commits nothing                                            */
    WITHDRAW,   /* before COMMIT closes                                                         */
    HIDE,       /* commits, reveals nothing valid, late, or fails the attention challenges      */
    EQUIVOCATE, /* two reveals, before anything is resolved                                     */
    PLAY,       /* does all that the protocol asks, for whatever root it has, at once           */
    STALL,      /* the same, at the last moment of every deadline                               */
    WAIT,       /* withdraws as soon as it is contradicted or audited, if it still may          */
    SILENT,     /* reveals, then answers nothing, or a tick too late                            */
    SABOTAGE,   /* answers, and files a false claim under its root                              */
    DOUBLE,     /* equivocates after the result is resolved                                     */
    KEEP,       /* never uploads                                                                */
    ACTS
} act;
static const char *const ACT_NAMES[ACTS] = {"no show", "withdraw", "hide", "equivocate", "play",
                                            "stall", "wait", "silent", "sabotage", "double",
                                            "keep"};

/* Which lie (0: none), and the first step that is wrong; the truth: the number of steps. */
typedef struct { uint8_t act, lie; uint32_t step; } policy;

typedef struct {
    uint32_t steps, coalition, honest;
    int reversed; /* the order of the bracket */
    int client;   /* belongs to the coalition */
    policy who[COALITION_MAX];
} play;

/* The protocol, and its holes: none are set in the rules as they are. */
typedef struct {
    rf_params p;
    int early_payout, cumulative_clocks, client_deadlines, late_withdrawal, audit_undisputed_only,
        winner_keeps_all;
    int64_t dispute_bounty, wrong_bounty; /* what somebody outside would pay */
} rules;

typedef struct { uint8_t lie; uint32_t step, mask; } root;

typedef struct {
    const rules *r;
    const play *x;
    int drawn;  /* the audit, where it is drawn */
    int staged; /* a stake of the coalition was lost in a dispute */
    int judged, audited, wrong, certain;
    rf_member member[MEMBERS_MAX];
    uint32_t members, root_of[MEMBERS_MAX];
    root roots[ROOTS_MAX];
    uint32_t root_count;
    rf_answer answers[ANSWERS_MAX];
    uint32_t answer_count;
    uint64_t log;
    int64_t referee_cost, honest_cost;
    rf_end end;
} game;

static int is_honest(const game *g, uint32_t m) { return m >= g->x->coalition; }
static act act_of(const game *g, uint32_t m)
{
    return is_honest(g, m) ? PLAY : (act)g->x->who[m].act;
}
/* Who is logged first: the coalition, unless it stalls. */
static uint32_t rank(const game *g, uint32_t m)
{
    return is_honest(g, m) ? 1 : act_of(g, m) == STALL ? 2 : 0;
}
static uint32_t first_of(const game *g, uint32_t mask)
{
    uint32_t best = NO_ROOT;
    for (uint32_t m = 0; m < g->members; m++)
        if (mask >> m & 1 && (best == NO_ROOT || rank(g, m) < rank(g, best))) best = m;
    return best;
}

/* ---- commit, reveal ----------------------------------------------------------------------- */

static void lose(game *g, uint32_t m, rf_loss cause)
{
    if (g->member[m].lost != RF_LOST_NOTHING) return;
    g->member[m].lost = cause;
    g->member[m].lost_at = ++g->log;
}

static void reveal(game *g, uint32_t m, uint8_t lie, uint32_t step)
{
    uint32_t k = 0;
    while (k < g->root_count && (g->roots[k].lie != lie || g->roots[k].step != step)) k++;
    if (k == g->root_count) g->roots[g->root_count++] = (root){lie, step, 0};
    g->roots[k].mask |= 1u << m;
    g->root_of[m] = k;
    g->member[m].stage = RF_STAGE_REVEALED;
}

/* Members that wait leave when another root was shown or an audit is coming. */
static int leaves(const game *g, const policy *w)
{
    uint32_t shown = 0;
    if (!g->r->late_withdrawal || w->act != WAIT) return 0;
    for (uint32_t k = 0; k < g->root_count; k++)
        if (g->roots[k].lie != w->lie || g->roots[k].step != w->step) return 1;
    for (uint32_t m = 0; m < g->members; m++) shown += g->member[m].stage == RF_STAGE_REVEALED;
    return g->drawn || shown + 1 < g->r->p.quorum;
}

static void commit_and_reveal(game *g)
{
    const play *x = g->x;
    g->members = x->coalition + x->honest;
    for (uint32_t m = 0; m < g->members; m++) {
        g->member[m] = (rf_member){.stage = RF_STAGE_COMMITTED, .held = g->r->p.stake};
        g->root_of[m] = NO_ROOT;
        if (is_honest(g, m)) {
            reveal(g, m, 0, x->steps);
            continue;
        }
        switch (x->who[m].act) {
        case NO_SHOW: g->member[m].stage = RF_STAGE_CLAIMED; break;
        case WITHDRAW: g->member[m].stage = RF_STAGE_WITHDRAWN; break;
        case HIDE: lose(g, m, RF_LOST_NO_REVEAL); break;
        case EQUIVOCATE: lose(g, m, RF_LOST_EQUIVOCATION); break;
        case WAIT:
            if (g->r->late_withdrawal) break;
            reveal(g, m, x->who[m].lie, x->who[m].step);
            break;
        default: reveal(g, m, x->who[m].lie, x->who[m].step);
        }
    }
    for (uint32_t m = 0; g->r->late_withdrawal && m < x->coalition; m++) {
        if (x->who[m].act != WAIT) continue;
        if (leaves(g, &x->who[m])) g->member[m].stage = RF_STAGE_WITHDRAWN;
        else reveal(g, m, x->who[m].lie, x->who[m].step);
    }
}

/* ---- disputes ----------------------------------------------------------------------------- */

static uint32_t unstruck(const game *g, const root *r)
{
    uint32_t mask = 0;
    for (uint32_t m = 0; m < g->members; m++)
        if (r->mask >> m & 1 && g->member[m].lost == RF_LOST_NOTHING) mask |= 1u << m;
    return mask;
}

/* Members of a root that answer in time. With cumulative clocks one who stalls on a root spends
 * the time of all; with a client's deadlines only its friends can meet them. */
static uint32_t answering(const game *g, const root *r)
{
    uint32_t mask = unstruck(g, r), all = mask;
    for (uint32_t m = 0; m < g->members; m++) {
        if (!(all >> m & 1)) continue;
        if (act_of(g, m) == SILENT) mask &= ~(1u << m);
        if (is_honest(g, m) && g->r->client_deadlines && g->x->client) mask &= ~(1u << m);
        if (act_of(g, m) == STALL && g->r->cumulative_clocks) return 0;
    }
    return mask;
}

static void fall(game *g, const root *r, rf_loss cause)
{
    const uint32_t mask = unstruck(g, r);
    for (uint32_t m = 0; m < g->members; m++) {
        if (!(mask >> m & 1)) continue;
        lose(g, m, cause);
        g->staged |= !is_honest(g, m);
    }
}

static int stands(const game *g, const root *r) { return unstruck(g, r) != 0; }

/* The first to answer for a root is paid for the dearest answer and the dearest claim. */
static void answer(game *g, uint32_t mask)
{
    if (g->answer_count == ANSWERS_MAX) return;
    g->answers[g->answer_count++] =
        (rf_answer){++g->log, first_of(g, mask), g->r->p.replay + g->r->p.segment};
}

/* False claims are struck out; those who are left must number one. */
static uint32_t claims(game *g, uint32_t mask)
{
    for (uint32_t m = 0; m < g->members; m++) {
        if (!(mask >> m & 1) || act_of(g, m) != SABOTAGE) continue;
        lose(g, m, RF_LOST_CLAIM);
        g->staged = 1;
        mask &= ~(1u << m);
    }
    return mask;
}

static void judge_pair(game *g, root *a, root *b)
{
    uint32_t in[2] = {answering(g, a), answering(g, b)};
    const uint32_t first = a->step < b->step ? a->step : b->step;
    root *side[2] = {a, b};
    g->judged = 1;
    g->referee_cost += g->r->p.segment;
    for (int s = 0; s < 2; s++) {
        if (in[s]) answer(g, in[s]);
        if (in[s] && side[s]->lie == 0) g->honest_cost += g->r->p.replay + g->r->p.segment;
    }
    for (int s = 0; s < 2; s++)
        if (!in[s]) fall(g, side[s], RF_LOST_FORFEIT);
    if (!in[0] || !in[1]) return;
    for (int s = 0; s < 2; s++) in[s] = claims(g, in[s]);
    for (int s = 0; s < 2; s++)
        if (!in[s]) fall(g, side[s], RF_LOST_CLAIM);
    if (!in[0] || !in[1]) return;
    for (int s = 0; s < 2; s++)
        if (side[s]->lie && side[s]->step == first) fall(g, side[s], RF_LOST_VERDICT);
}

/* The bracket: neighbours in the order of the roots, an odd one has a bye. The root that is left,
 * or NULL. */
static root *bracket(game *g)
{
    root *level[ROOTS_MAX];
    uint32_t n = g->root_count;
    for (uint32_t k = 0; k < n; k++) level[k] = &g->roots[g->x->reversed ? n - 1 - k : k];
    while (n > 1) {
        uint32_t left = 0;
        for (uint32_t k = 0; k + 1 < n; k += 2) judge_pair(g, level[k], level[k + 1]);
        for (uint32_t k = 0; k < n; k++)
            if (stands(g, level[k])) level[left++] = level[k];
        n = left;
    }
    return n ? level[0] : NULL;
}

/* ---- audit, delivery ---------------------------------------------------------------------- */

static void audit(game *g, root *w)
{
    uint32_t standing = 0, auditor = g->members;
    for (uint32_t m = 0; m < g->members; m++) standing += unstruck(g, w) >> m & 1;
    if (g->r->early_payout || (g->r->audit_undisputed_only && g->judged)) return;
    g->certain = standing < g->r->p.quorum;
    if (!g->certain && !g->drawn) return;
    g->audited = 1;
    g->member[auditor] = (rf_member){.stage = RF_STAGE_AUDITOR, .standing = 1};
    if (w->lie == 0) return;
    g->referee_cost += g->r->p.segment;
    for (uint32_t m = 0; m < g->members; m++)
        if (unstruck(g, w) >> m & 1) lose(g, m, RF_LOST_VERDICT);
    g->answers[g->answer_count++] =
        (rf_answer){++g->log, auditor, g->r->p.replay + g->r->p.segment};
}

static void deliver(game *g, const root *w)
{
    uint32_t willing = 0, who;
    for (uint32_t m = 0; m < g->members; m++)
        if (g->member[m].standing && (act_of(g, m) != KEEP || g->r->early_payout))
            willing |= 1u << m;
    who = first_of(g, willing);
    g->end = who == NO_ROOT ? RF_END_UNDELIVERED : RF_END_SETTLED;
    g->wrong = who != NO_ROOT && w->lie;
    if (who != NO_ROOT) g->member[who].delivered = 1;
}

static void run(game *g, const rules *r, const play *x, int drawn)
{
    root *w;
    g->r = r;
    g->x = x;
    g->drawn = drawn;
    g->staged = g->judged = g->audited = g->wrong = g->certain = 0;
    g->root_count = g->answer_count = 0;
    g->log = 0;
    g->referee_cost = g->honest_cost = 0;
    g->end = RF_END_NOBODY;
    commit_and_reveal(g);
    w = bracket(g);
    if (w) audit(g, w);
    if (w && stands(g, w)) {
        for (uint32_t m = 0; m < g->members; m++)
            g->member[m].standing = unstruck(g, w) >> m & 1;
        for (uint32_t m = 0; m < g->members; m++)
            if (act_of(g, m) == DOUBLE && g->member[m].standing) lose(g, m, RF_LOST_EQUIVOCATION);
        deliver(g, w);
    }
    g->members += (uint32_t)g->audited;
}

/* ---- what a play is worth ----------------------------------------------------------------- */

typedef struct { int64_t coalition, client, honest; } sums;

static int from_lost(const rf_transfer *t)
{
    return t->purpose >= RF_FOR_RERUN && t->purpose <= RF_FOR_REST;
}

/* The leak: what was lost, and the slots that nobody won, all go to the first who stands. */
static void give_winner(const game *g, rf_transfer *list, uint32_t count)
{
    uint32_t right = 0, first;
    for (uint32_t m = 0; m < g->members; m++)
        if (g->member[m].standing && g->member[m].stage == RF_STAGE_REVEALED &&
            g->member[m].lost == RF_LOST_NOTHING)
            right |= 1u << m;
    first = first_of(g, right);
    for (uint32_t k = 0; first != NO_ROOT && k < count; k++)
        if (from_lost(&list[k]) || list[k].purpose == RF_FOR_REFUND)
            list[k].to = (rf_account){RF_ACCOUNT_FREE, first};
}

static void settle(const game *g, sums *s)
{
    rf_transfer list[LIST_MAX];
    uint32_t count;
    ro_err err = {0};
    rf_outcome o = {.end = g->end, .treasury = INT64_C(1) << 40, .referee_cost = g->referee_cost,
                    .audited = g->audited, .members = g->member, .member_count = g->members,
                    .answers = g->answers, .answer_count = g->answer_count};
    if (rf_params_escrow(&g->r->p, &o.escrow, &err) ||
        rf_settle(&g->r->p, &o, list, LIST_MAX, &count, &err)) {
        fprintf(stderr, "a play cannot be settled: %s\n", err.msg);
        exit(1);
    }
    if (g->r->winner_keeps_all) give_winner(g, list, count);
    *s = (sums){-g->r->p.stake * g->x->coalition, -o.escrow, INT64_MAX};
    int64_t honest[MEMBERS_MAX] = {0};
    for (uint32_t k = 0; k < count; k++) {
        const rf_account *to = &list[k].to;
        if (to->kind == RF_ACCOUNT_CLIENT) s->client += list[k].amount;
        if (to->kind != RF_ACCOUNT_FREE) continue;
        if (to->member < g->x->coalition) s->coalition += list[k].amount;
        else honest[to->member] += list[k].amount;
    }
    for (uint32_t m = g->x->coalition; m < g->x->coalition + g->x->honest; m++)
        if (honest[m] - g->r->p.stake < s->honest) s->honest = honest[m] - g->r->p.stake;
}

/* Sums by what they depend on: how many members of each party came to each end, who delivered, and
 * whose answers were first. Valid for one set of rules, one coalition's size and one number of
 * honest members; emptied between. */
#define MEMO (1u << 14)
static struct { uint64_t key; sums s; } memo[MEMO];
static uint64_t settled, played;

static uint64_t outcome_key(const game *g)
{
    uint64_t count[2][6] = {{0}}, paid[3] = {0}, key = 1, delivered = 0;
    for (uint32_t m = 0; m < g->x->coalition + g->x->honest; m++) {
        const rf_member *v = &g->member[m];
        int lost = v->lost != RF_LOST_NOTHING;
        count[is_honest(g, m)][lost ? 3 + (v->standing != 0) : v->standing   ? 2
                               : v->stage == RF_STAGE_REVEALED               ? 1
                                                                             : 0]++;
        if (v->delivered) delivered = 1 + (uint64_t)is_honest(g, m) + (lost ? 2 : 0);
    }
    for (uint32_t k = 0; k < g->answer_count; k++) {
        uint32_t m = g->answers[k].member;
        int right = g->member[m].standing && g->member[m].lost == RF_LOST_NOTHING;
        if (right) paid[m >= g->x->coalition + g->x->honest ? 2 : is_honest(g, m)]++;
    }
    for (int s = 0; s < 2; s++)
        for (int k = 0; k < 5; k++) key = key << 3 | count[s][k];
    key = key << 3 | delivered;
    key = (key << 4 | paid[0]) << 4 | paid[1];
    key = (key << 1 | paid[2]) << 4 | (uint64_t)(g->referee_cost / (g->r->p.segment));
    return (key << 2 | (uint64_t)g->end) << 1 | (uint64_t)g->audited;
}

static void worth(const game *g, sums *s, int remember)
{
    uint64_t key = outcome_key(g), at = (key * UINT64_C(0x9E3779B97F4A7C15)) >> 50;
    played++;
    remember = remember && !g->r->winner_keeps_all; /* who is first then matters too */
    if (remember && memo[at].key == key && played % 64) {
        *s = memo[at].s;
        return;
    }
    settle(g, s);
    settled++;
    if (remember && memo[at].key == key &&
        (memo[at].s.coalition != s->coalition || memo[at].s.client != s->client ||
         memo[at].s.honest != s->honest)) {
        fprintf(stderr, "equal outcomes were settled differently\n");
        exit(1);
    }
    memo[at].key = key;
    memo[at].s = *s;
}

/* What a coalition has at the end, times 10^6, on average over the audit's draw: by itself, with
 * the client in it, and with a client to whom the right result is worth what it pays for it. */
typedef struct { int64_t alone, client, valued, unpaid; int wrong, robbed, staged; } value;

/* One run serves all identities of a coalition; a lie costs the steps before it. */
static int64_t spent(const game *g, int *whole)
{
    const rf_params *p = &g->r->p;
    uint32_t most = 0;
    int64_t cost;
    for (uint32_t m = 0; m < g->x->coalition; m++)
        if (g->x->who[m].act >= PLAY && g->x->who[m].step > most) most = g->x->who[m].step;
    *whole = most == g->x->steps;
    cost = (p->run * most + g->x->steps - 1) / g->x->steps;
    for (uint32_t m = 0; m < g->x->coalition; m++)
        if (g->member[m].delivered && act_of(g, m) != KEEP) cost += p->delivery;
    return cost;
}

static void add_case(const game *g, int64_t chance, value *v, int remember)
{
    const rf_params *p = &g->r->p;
    sums s;
    int whole;
    int64_t own, bounty = g->staged ? g->r->dispute_bounty : 0;
    worth(g, &s, remember);
    own = s.coalition - spent(g, &whole);
    v->unpaid += chance * own;
    v->alone += chance * (own + bounty + (g->wrong ? g->r->wrong_bounty : 0));
    own += bounty + s.client;
    v->client += chance * own;
    if (whole || (g->end == RF_END_SETTLED && !g->wrong)) own += p->slots * p->reward;
    v->valued += chance * own;
    v->wrong |= g->x->honest && g->wrong;
    v->robbed |= g->x->honest && s.honest - g->honest_cost < p->reward;
    v->staged |= g->staged;
}

static value evaluate(const rules *r, const play *x, int remember)
{
    const int64_t p = r->p.audit_ppm, one = RF_PPM;
    value v = {0};
    game g;
    run(&g, r, x, 0);
    if (p == 0 || (g.certain && !r->late_withdrawal)) {
        add_case(&g, one, &v, remember);
        return v;
    }
    add_case(&g, one - p, &v, remember);
    run(&g, r, x, 1);
    add_case(&g, p, &v, remember);
    return v;
}

/* The best that the same identities can do by the protocol. Without the client that is to work,
 * all on one run: random assignment and the cap on an account are taken to have failed. A client
 * may also create no task, or run the job itself. */
static value honest_value(const rules *r, const play *x)
{
    play y = *x;
    const int64_t itself = (r->p.slots * r->p.reward - r->p.run) * (int64_t)RF_PPM;
    value v;
    for (uint32_t m = 0; m < y.coalition; m++) y.who[m] = (policy){PLAY, 0, y.steps};
    v = evaluate(r, &y, 0);
    if (v.client < 0) v.client = 0;
    if (v.valued < itself) v.valued = itself;
    if (v.valued < 0) v.valued = 0;
    return v;
}

/* ---- what is found ------------------------------------------------------------------------ */

typedef enum { ALONE, WITH_CLIENT, WITH_VALUED, WRONG, ROBBED, KINDS } kind;
static const char *const KIND_NAMES[KINDS] = {
    "profit", "profit with the client", "profit with a client who wants the result",
    "a wrong result with an honest provider", "an honest provider out of pocket"};

typedef struct {
    uint64_t plays, found[KINDS];
    int64_t best[KINDS];    /* gain over the protocol, times 10^6 */
    play where[KINDS];
    int64_t cheapest_staged; /* of the stake, in millionths: the least a staged dispute cost */
} search;

static void search_init(search *f)
{
    memset(f, 0, sizeof *f);
    for (int k = 0; k < KINDS; k++) f->best[k] = INT64_MIN;
    f->cheapest_staged = INT64_MAX;
}

static void note(search *f, kind k, int64_t gain, int bad, const play *x)
{
    f->found[k] += bad != 0;
    if (gain <= f->best[k]) return;
    f->best[k] = gain;
    f->where[k] = *x;
}

static int64_t consider(search *f, const rules *r, const play *x, const value *honest, int remember)
{
    value v = evaluate(r, x, remember);
    int64_t gain = v.alone - honest->alone, most = gain;
    f->plays++;
    if (!x->client) note(f, ALONE, gain, gain > 0, x);
    note(f, WITH_CLIENT, v.client - honest->client, v.client > honest->client, x);
    note(f, WITH_VALUED, v.valued - honest->valued, v.valued > honest->valued, x);
    note(f, WRONG, v.wrong - 1, v.wrong, x);
    note(f, ROBBED, v.robbed - 1, v.robbed, x);
    if (v.staged && r->p.stake && (honest->alone - v.unpaid) / r->p.stake < f->cheapest_staged)
        f->cheapest_staged = (honest->alone - v.unpaid) / r->p.stake;
    if (v.client - honest->client > most) most = v.client - honest->client;
    if (v.valued - honest->valued > most) most = v.valued - honest->valued;
    return most;
}

static uint64_t violations(const search *f)
{
    uint64_t n = 0;
    for (int k = 0; k < KINDS; k++) n += f->found[k];
    return n;
}

static void print_play(const play *x)
{
    printf("%u steps, %u honest%s:", x->steps, x->honest, x->client ? ", the client," : "");
    for (uint32_t m = 0; m < x->coalition; m++) {
        const policy *w = &x->who[m];
        printf("%s %s", m ? "," : "", ACT_NAMES[w->act]);
        if (w->act >= PLAY && w->lie) printf(" lie %u at step %u", w->lie, w->step);
        else if (w->act >= PLAY) printf(" the truth");
    }
}

/* ---- every play --------------------------------------------------------------------------- */

#define POLICIES_MAX 96u

/* To wait where nobody may leave is to play. */
static uint32_t policies(const rules *r, uint32_t steps, policy list[POLICIES_MAX])
{
    uint32_t n = 0;
    for (uint8_t a = 0; a < PLAY; a++) list[n++] = (policy){a, 0, 0};
    for (uint8_t a = PLAY; a < ACTS; a++) {
        if (a == WAIT && !r->late_withdrawal) continue;
        list[n++] = (policy){a, 0, steps};
        for (uint8_t lie = 1; lie <= 2; lie++)
            for (uint32_t s = 0; s < steps; s++) list[n++] = (policy){a, lie, s};
    }
    return n;
}

/* The two lies are each other's mirror image: more of the second than of the first is skipped. */
static int mirrored(const play *x)
{
    int balance = 0;
    for (uint32_t m = 0; m < x->coalition; m++)
        balance += x->who[m].lie == 1 ? 1 : x->who[m].lie == 2 ? -1 : 0;
    return balance < 0;
}

static uint32_t lies(const play *x)
{
    uint32_t n = 0;
    for (uint32_t m = 0; m < x->coalition; m++) n += x->who[m].lie != 0;
    return n;
}

/* All multisets of policies for one number of identities, against each number of honest ones. */
static void exhaust(search *f, const rules *r, uint32_t steps, uint32_t coalition, int client)
{
    policy list[POLICIES_MAX];
    const uint32_t n = policies(r, steps, list);
    for (uint32_t honest = 0; honest <= HONEST_MAX; honest++) {
        play x = {.steps = steps, .coalition = coalition, .honest = honest, .client = client};
        uint32_t at[COALITION_MAX] = {0}, m;
        const value base = honest_value(r, &x);
        memset(memo, 0, sizeof memo);
        do {
            for (m = 0; m < coalition; m++) x.who[m] = list[at[m]];
            for (x.reversed = 0; x.reversed <= (lies(&x) > 1) && !mirrored(&x); x.reversed++)
                consider(f, r, &x, &base, 1);
            for (m = coalition; m > 0 && at[m - 1] == n - 1; m--) continue;
            if (m) {
                uint32_t next = at[m - 1] + 1;
                for (m--; m < coalition; m++) at[m] = next;
            }
        } while (m);
    }
}

/* ---- rules -------------------------------------------------------------------------------- */

typedef struct { uint32_t slots, quorum, audit_ppm, stake_factor, replay_steps, segment; } variety;

static void die(const ro_err *err)
{
    fprintf(stderr, "deviations: %s\n", err->msg);
    exit(1);
}

/* Half of what would make a wrong result worth an audit's risk; four times all the work that a
 * dispute can cause. docs/ECONOMICS.md */
static void set_bounties(rules *r)
{
    const int64_t one = RF_PPM, p = r->p.audit_ppm;
    int64_t exposure;
    ro_err err = {0};
    if (rf_params_exposure(&r->p, &exposure, &err)) die(&err);
    r->dispute_bounty = 4 * exposure;
    r->wrong_bounty = p == one ? r->p.stake : r->p.stake * p / (one - p) * r->p.quorum / 2;
}

static void rules_of(rules *r, const rf_cost *c, const variety *v)
{
    const int64_t one = RF_PPM;
    ro_err err = {0};
    memset(r, 0, sizeof *r);
    if (rf_params_defaults(c, v->slots, v->replay_steps, RF_PRICE_DEFAULT, RF_PRICE_BYTES_DEFAULT,
                           &r->p, &err))
        die(&err);
    r->p.quorum = v->quorum;
    r->p.audit_ppm = v->audit_ppm;
    r->p.premium = v->quorum > v->slots ? r->p.audit
                                        : (r->p.audit * v->audit_ppm + one - 1) / one;
    r->p.stake *= v->stake_factor;
    if (r->p.stake < 2 * (r->p.run + 1) * one / v->audit_ppm)
        r->p.stake = 2 * (r->p.run + 1) * one / v->audit_ppm + 1;
    if (rf_params_check(&r->p, &err)) die(&err);
    set_bounties(r);
}

static rf_cost cost_of(uint64_t flops, uint64_t steps, uint64_t segment)
{
    return (rf_cost){.flops = flops, .steps = steps, .step_flops = flops / steps,
                     .segment_steps = segment, .element_flops = 100000, .element_bytes = 1 << 20,
                     .evidence_bytes = 1 << 20, .state_bytes = 1 << 28, .output_bytes = 1 << 28};
}

static const variety VARIETIES[] = {
    {8, 2, 100000, 1, 0, 1},  /* the defaults */
    {8, 2, 400000, 1, 0, 1},  /* audits often */
    {8, 2, 10000, 1, 0, 1},   /* and rarely */
    {8, 2, 100000, 5, 0, 1},  /* a client that asks for more */
    {8, 1, 100000, 1, 1, 1},  /* one provider is enough */
    {8, 3, 250000, 2, 1, 1},
    {8, 64, 1000000, 1, 0, 1} /* every result is audited */
};
#define VARIETY_COUNT (sizeof VARIETIES / sizeof VARIETIES[0])

/* ---- climbing ----------------------------------------------------------------------------- */

static uint64_t random_state = 1;
static uint32_t pick(uint32_t n) /* splitmix64 */
{
    uint64_t z = random_state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return (uint32_t)((z ^ z >> 31) % n);
}

/* One pick a statement: initialisers have no order. */
static policy pick_policy(uint32_t steps)
{
    policy w = {.step = steps};
    w.act = (uint8_t)pick(ACTS);
    w.lie = (uint8_t)pick(3);
    if (w.lie) w.step = pick(4) ? pick(steps) : pick(2) ? 0 : steps - 1;
    return w;
}

static play pick_play(uint32_t slots)
{
    play x = {.steps = 1u << pick(12)};
    x.steps = 5 + pick(x.steps);
    x.coalition = 1 + pick(COALITION_MAX);
    x.reversed = (int)pick(2);
    if (x.coalition > slots) x.coalition = slots;
    x.honest = pick(1 + (slots - x.coalition < HONEST_MAX ? slots - x.coalition : HONEST_MAX));
    for (uint32_t m = 0; m < COALITION_MAX; m++) x.who[m] = pick_policy(x.steps);
    return x;
}

static play neighbour(const play *x, uint32_t slots)
{
    play y = *x;
    policy *w = &y.who[pick(y.coalition)];
    switch (pick(7)) {
    case 0: w->act = (uint8_t)pick(ACTS); break;
    case 1: *w = pick_policy(y.steps); break;
    case 2: if (w->lie) w->step = w->step ? w->step - 1 : pick(y.steps); break;
    case 3: *w = y.who[pick(y.coalition)]; break;
    case 4: y.reversed = !y.reversed; break;
    case 5:
        if (y.coalition + y.honest < slots && y.coalition < COALITION_MAX) y.coalition++;
        else if (y.coalition > 1) y.coalition--;
        break;
    default:
        y.honest = pick(HONEST_MAX + 1);
        if (y.coalition + y.honest > slots) y.honest = slots - y.coalition;
    }
    return y;
}

#define TRIES 40u

/* From `restarts` random plays, each under rules and costs of its own, uphill until TRIES changes
 * in a row gain nothing. leak: NULL: the rules as they are. */
static void climb(search *f, uint32_t restarts, void (*leak)(rules *), int client)
{
    for (uint32_t k = 0; k < restarts; k++) {
        variety v = {0};
        v.slots = 1 + pick(16);
        v.quorum = 1 + pick(4);
        v.audit_ppm = 1000 + pick(500000);
        v.stake_factor = 1 + pick(3);
        v.segment = 1 + pick(64);
        play x = pick_play(v.slots);
        rf_cost c = cost_of((1 + pick(1000)) * UINT64_C(1000000000000), x.steps, v.segment);
        rules r;
        rules_of(&r, &c, &v);
        if (leak) leak(&r);
        x.client = client;
        value base = honest_value(&r, &x);
        int64_t best = consider(f, &r, &x, &base, 0);
        for (uint32_t tries = 0; tries < TRIES; tries++) {
            play y = neighbour(&x, v.slots);
            base = honest_value(&r, &y);
            int64_t gain = consider(f, &r, &y, &base, 0);
            if (gain < best) continue;
            if (gain > best) tries = 0;
            best = gain;
            x = y;
        }
    }
}

/* ---- leaks -------------------------------------------------------------------------------- */

static void no_burn(rules *r) { r->p.burn_ppm = 0; }
static void no_audit(rules *r) { r->p.audit_ppm = 0; r->wrong_bounty = 0; }
static void winner_keeps_all(rules *r) { r->winner_keeps_all = 1; }
static void early_payout(rules *r) { r->early_payout = 1; }
static void cumulative_clocks(rules *r) { r->cumulative_clocks = 1; }
static void client_deadlines(rules *r) { r->client_deadlines = 1; }
static void late_withdrawal(rules *r) { r->late_withdrawal = 1; }
static void undisputed_only(rules *r) { r->audit_undisputed_only = 1; }

static const struct { const char *name; void (*make)(rules *); int client; } LEAKS[] = {
    {"burn share 0", no_burn, 0},
    {"audit rate 0", no_audit, 0},
    {"winner keeps all", winner_keeps_all, 0},
    {"early payout", early_payout, 0},
    {"cumulative clocks", cumulative_clocks, 0},
    {"client-set deadlines", client_deadlines, 1},
    {"withdrawal after reveals", late_withdrawal, 0},
    {"no audit after a dispute", undisputed_only, 0}};
#define LEAK_COUNT (sizeof LEAKS / sizeof LEAKS[0])

static int failed;
static void verdict(int good, const char *what)
{
    printf("%s %s", good ? "ok" : "not ok", what);
    failed |= !good;
}

static void find_leak(size_t leak)
{
    char what[96];
    for (size_t v = 0; v < VARIETY_COUNT; v++) {
        const rf_cost c = cost_of(UINT64_C(1000000000000000), 1000, VARIETIES[v].segment);
        const kind k = LEAKS[leak].client ? WITH_CLIENT : ALONE;
        search f;
        rules r;
        search_init(&f);
        rules_of(&r, &c, &VARIETIES[v]);
        LEAKS[leak].make(&r);
        for (uint32_t n = 1; n <= 3; n++) exhaust(&f, &r, 2, n, LEAKS[leak].client);
        if (!f.found[k]) continue;
        snprintf(what, sizeof what, "leak found: %s", LEAKS[leak].name);
        verdict(1, what);
        printf(": gains %.2f x the job's cost: ", (double)f.best[k] / 1e6 / (double)r.p.run);
        print_play(&f.where[k]);
        printf("; p %.2f\n", r.p.audit_ppm / 1e6);
        return;
    }
    snprintf(what, sizeof what, "leak not found: %s\n", LEAKS[leak].name);
    verdict(0, what);
}

/* The climb is worth something: it finds the leaks as well. */
static void climb_leak(size_t leak)
{
    char what[96];
    search f;
    search_init(&f);
    climb(&f, 500, LEAKS[leak].make, LEAKS[leak].client);
    snprintf(what, sizeof what, "climbs find: %s\n", LEAKS[leak].name);
    verdict(f.found[LEAKS[leak].client ? WITH_CLIENT : ALONE] != 0, what);
}

/* ---- the run ------------------------------------------------------------------------------ */

static void report(const search *f, const char *what)
{
    verdict(violations(f) == 0, what);
    printf(": %" PRIu64 " plays, no deviation pays", f->plays);
    if (f->cheapest_staged != INT64_MAX)
        printf("; the cheapest staged dispute cost %.2f stakes", (double)f->cheapest_staged / 1e6);
    printf("\n");
    for (int k = 0; k < KINDS; k++) {
        if (!f->found[k]) continue;
        printf("not ok %s, %" PRIu64 " times, best by %.6f: ", KIND_NAMES[k], f->found[k],
               (double)f->best[k] / 1e6);
        print_play(&f->where[k]);
        printf("\n");
    }
}

static void every_play(uint32_t steps, uint32_t coalition, size_t rule_sets)
{
    char what[96];
    search f;
    search_init(&f);
    for (size_t v = 0; v < rule_sets; v++) {
        const rf_cost c = cost_of(UINT64_C(1000000000000000), steps, VARIETIES[v].segment);
        rules r;
        rules_of(&r, &c, &VARIETIES[v]);
        exhaust(&f, &r, steps, coalition, 0);
    }
    snprintf(what, sizeof what, "every play, %u steps, %u identities, %zu set%s of rules", steps,
             coalition, rule_sets, rule_sets == 1 ? "" : "s");
    report(&f, what);
}

static void all(int is_long)
{
    search f;
    for (size_t k = 0; k < LEAK_COUNT; k++) find_leak(k);
    for (size_t k = 0; k < LEAK_COUNT; k++) climb_leak(k);
    for (uint32_t steps = 1; steps <= 4; steps++)
        for (uint32_t n = 1; n <= COALITION_MAX; n++)
            every_play(steps, n, n <= 4 || is_long ? VARIETY_COUNT : 1);
    search_init(&f);
    random_state = 1;
    climb(&f, is_long ? 100000 : 10000, NULL, 0);
    report(&f, is_long ? "100000 climbs" : "10000 climbs");
    printf("%" PRIu64 " plays, %" PRIu64 " settlements\n", played, settled);
}

/* ---- a job's figures ---------------------------------------------------------------------- */

static void load(const char *path, uint32_t slots, rf_cost *c, rules *r)
{
    cli_option options[] = {{.name = "--threads", .has_value = 1}, {0}};
    cli_args a = {.options = options};
    cli_job j;
    ro_err err = {0};
    memset(&j, 0, sizeof j);
    memset(r, 0, sizeof *r);
    if (cli_job_load(&j, path, &a, &err) || rf_cost_of_job(j.job, c, &err) ||
        rf_params_defaults(c, slots, 0, RF_PRICE_DEFAULT, RF_PRICE_BYTES_DEFAULT, &r->p, &err))
        die(&err);
    set_bounties(r);
    cli_job_free(&j);
}

static void print_job(const rf_cost *c, const rf_params *p)
{
    int64_t exposure, escrow;
    ro_err err = {0};
    if (rf_params_exposure(p, &exposure, &err) || rf_params_escrow(p, &escrow, &err)) die(&err);
    printf("the job: %" PRIu64 " FLOP in %" PRIu64 " steps, at most %" PRIu64 " a step\n", c->flops,
           c->steps, c->step_flops);
    printf("its dearest element: %" PRIu64 " FLOP on %" PRIu64 " bytes\n", c->element_flops,
           c->element_bytes);
#define PRINT_u32(name) printf("%-14s %12" PRIu32 "\n", #name, p->name);
#define PRINT_u64(name) printf("%-14s %12" PRIu64 "\n", #name, p->name);
#define PRINT_i64(name) printf("%-14s %12" PRId64 "\n", #name, p->name);
#define PRINT(type, name) PRINT_##type(name)
    RF_PARAMS(PRINT)
    printf("exposure %" PRId64 ", ten times that %" PRId64 ", stake %" PRId64 "\n", exposure,
           10 * exposure, p->stake);
    printf("audit rate x stake %" PRId64 ", what skipping the job saves %" PRId64 "\n",
           p->stake / (int64_t)RF_PPM * p->audit_ppm +
               p->stake % (int64_t)RF_PPM * p->audit_ppm / (int64_t)RF_PPM,
           p->run);
    printf("escrow %" PRId64 ", the longest deadline %" PRIu64 " ms\n", escrow,
           rf_deadline_max_ms(p));
}

/* What one provider has at the end, in job costs: against 0, 1 and 3 honest others, and as one of
 * four who do the same and share one run. */
static void print_reply(const rules *r, const char *name, policy w)
{
    static const uint32_t OTHERS[] = {0, 1, 3, 0};
    printf("%-32s", name);
    for (size_t k = 0; k < 4; k++) {
        play x = {.steps = 4, .coalition = k < 3 ? 1 : 4, .honest = OTHERS[k],
                  .who = {w, w, w, w}};
        double all = (double)evaluate(r, &x, 0).unpaid / 1e6 / (double)r->p.run;
        printf(" %8.2f", all / x.coalition);
    }
    printf("\n");
}

static void print_replies(const rules *r)
{
    printf("%-32s %8s %8s %8s %8s\n", "", "alone", "1 honest", "3 honest", "4 alike");
    print_reply(r, "run the job, answer, deliver", (policy){PLAY, 0, 4});
    print_reply(r, "invent everything", (policy){PLAY, 1, 0});
    print_reply(r, "stop halfway, invent the rest", (policy){PLAY, 1, 2});
    print_reply(r, "copy a root without the tensors", (policy){HIDE, 0, 0});
    print_reply(r, "reveal nothing", (policy){HIDE, 0, 0});
    print_reply(r, "withdraw", (policy){WITHDRAW, 0, 0});
    print_reply(r, "claim a slot and commit nothing", (policy){NO_SHOW, 0, 0});
    print_reply(r, "run the job, say two things", (policy){DOUBLE, 0, 4});
    print_reply(r, "invent everything, stay silent", (policy){SILENT, 1, 0});
    print_reply(r, "run the job, never upload", (policy){KEEP, 0, 4});
}

int main(int argc, char **argv)
{
    rf_cost c;
    rules r;
    const uint32_t slots = argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10) : 4;
    if (argc == 1 || (argc == 2 && strcmp(argv[1], "--long") == 0)) {
        all(argc == 2);
        return failed;
    }
    if (argc < 3 || (strcmp(argv[1], "--job") && strcmp(argv[1], "--replies"))) {
        fprintf(stderr, "usage: deviations [--long | --job JOB [N] | --replies JOB [N]]\n");
        return 2;
    }
    load(argv[2], slots, &c, &r);
    if (strcmp(argv[1], "--job") == 0) print_job(&c, &r.p);
    else print_replies(&r);
    return 0;
}
