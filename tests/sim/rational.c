/* rational.c - an owner of one to three identities that knows the rules and plays for money alone.
 *
 * What this file decides: what such an owner can do, what it expects of it, and what it then does.
 * It has no script. Before the task it weighs plans: what the root of each identity says, of what
 * nothing needs to be computed. Then it weighs moves in the order in which a task lets them be
 * made, each on top of the best so far, from honest play and from the best plan that is not. What a
 * choice is worth it finds by playing this very seed with it, both ways the audit can be drawn: a
 * simulated task is its own model. What is left is its best reply to everybody else.
 *
 * Invariants
 *   1. Everything but the owner's identities is the same for each choice.
 *   2. The audit's draw, which nobody knows, counts with its chance; what the owner could not know
 *      either, a referee that fails for good, is not drawn in such a seed.
 *   3. Who else is there is honest or a liar with a root of its own. A saboteur of a true root
 *      falls only where there is a dispute: there it may pay to stage one, at its expense. */
#include "sim.h"

typedef struct { const char *name; sim_root first, rest; } plan;
static const plan plans[] = {
    {"honest play", ROOT_TRUTH, ROOT_TRUTH}, /* the first */
    {"nothing is computed", ROOT_LIE, ROOT_LIE},
    {"half is computed", ROOT_LIE_HALFWAY, ROOT_LIE_HALFWAY},
    {"all but the last step is computed", ROOT_LIE_LAST, ROOT_LIE_LAST},
    {"the truth against a lie of its own", ROOT_TRUTH, ROOT_LIE},
    {"two lies of its own against each other", ROOT_LIE, ROOT_OTHER_LIE},
    {"with the liar", ROOT_OF_LIAR, ROOT_OF_LIAR},
    {"the truth, and with the liar", ROOT_TRUTH, ROOT_OF_LIAR},
    {"a root copied without its tensors", ROOT_COPY, ROOT_COPY},
    {"the truth, copied without its tensors", ROOT_TRUTH, ROOT_COPY},
};
const uint32_t sim_plan_count = sizeof plans / sizeof *plans;

/* By the rules: answers may come at any time before their deadline. Who leaves makes no other move,
 * so leaving is weighed last; the others in the order in which a task lets them be made. */
static const struct { const char *name; uint64_t plays; int by_rules; } moves[] = {
    {"answers at the last moment", PLAY_STALL, 1},
    {"answers first", PLAY_FRONT_RUN, 1},
    {"commits twice", PLAY_TWO_COMMITS, 0},
    {"reveals twice", PLAY_TWO_REVEALS, 0},
    {"answers nothing", PLAY_NO_ANSWER, 0},
    {"answers late", PLAY_LATE_ANSWER, 0},
    {"answers wrongly", PLAY_ONLY_WRONG, 0},
    {"keeps its tensors", PLAY_NO_TENSORS, 0},
    {"files no claim", PLAY_NO_CLAIMS, 0},
    {"files false claims", PLAY_FALSE_CLAIMS | PLAY_FALSE_PARTS, 0},
    {"files two claims", PLAY_TWO_CLAIMS, 0},
    {"delivers nothing", PLAY_NO_DELIVERY, 0},
    {"reveals late", PLAY_LATE_REVEAL, 0},
    {"reveals nothing", PLAY_NO_REVEAL, 0},
    {"withdraws after the others", PLAY_LATE_WITHDRAW, 0},
    {"withdraws", PLAY_WITHDRAW, 0},
    {"commits nothing", PLAY_NO_COMMIT, 0},
    {"claims no slot", PLAY_ABSENT, 0},
};
const uint32_t sim_move_count = sizeof moves / sizeof *moves;

const char *sim_plan_name(uint32_t k) { return plans[k].name; }
const char *sim_move_name(uint32_t k) { return moves[k].name; }

int sim_is_rational(uint64_t seed, const sim_options *options)
{
    if (options->rational) return 1;
    return seed % 16 == 11 && !options->lead && !sim_plant_on();
}

/* ---- what a choice is worth -------------------------------------------------------------- */

/* What somebody outside may pay, as in tests/deviations.c: prices that the rules withstand. */
static void bounties(const rf_params *p, int64_t *dispute, int64_t *wrong)
{
    const int64_t one = RF_PPM, drawn = p->audit_ppm;
    int64_t exposure;
    ro_err err = {RO_OK, {0}};
    must(rf_params_exposure(p, &exposure, &err), &err);
    *dispute = 4 * exposure;
    *wrong = p->stake * drawn / (one - drawn) * p->quorum / 2;
    if (sim_planted("audit-rate-0")) *wrong = 0; /* as if drawn were */
}

int64_t sim_pay_off(const sim_world *w)
{
    const rf_params *p = &w->setup.params;
    int64_t sum = 0, dispute, wrong;
    int staged = 0;
    vd_digest root;
    bounties(p, &dispute, &wrong);
    for (uint32_t k = 0; k < w->party_count; k++) {
        const sim_agent *a = &w->agents[k];
        if (!a->owned) continue;
        sum += w->money[RF_ACCOUNT_FREE][k] - w->funded[k] - w->at_cost[k];
        staged |= a->lost >= RF_LOST_VERDICT && a->lost <= RF_LOST_CLAIM;
    }
    if (staged) sum += dispute;
    if (rf_task_end(w->task) == RF_END_SETTLED && rf_task_root(w->task, &root) &&
        !vd_digest_equal(&root, &w->truth->root))
        sum += wrong;
    sum *= (int64_t)RF_PPM;
    return sum - p->run * (int64_t)RF_PPM / (int64_t)w->job->job->steps * (int64_t)w->computed;
}

typedef struct {
    const sim_pool *pool;
    const sim_keys *keys;
    uint64_t seed;
    const sim_options *options;
    sim_stats *stats;
    int64_t run;    /* the job's cost */
    uint32_t owned; /* identities     */
} search;

/* One play; *mattered: the audit would have been drawn. */
static int64_t play(search *f, const sim_choice *c, int drawn, int *mattered)
{
    static sim_world world;
    static sim_stats scratch;
    sim_world *w = &world;
    memset(&scratch, 0, sizeof scratch);
    sim_begin(w, f->pool, f->keys, f->seed, f->options, &scratch, c, 1);
    w->drawn = drawn;
    sim_play(w);
    sim_check_end(w);
    for (int o = 0; o < OUT_KINDS; o++) f->stats->rational_out[o][0] += scratch.rational_out[o][0];
    f->stats->tried++;
    *mattered = w->draw_mattered;
    f->run = w->setup.params.run;
    int64_t value = sim_pay_off(w);
    sim_end(w);
    return value;
}

/* The expected pay-off, in millionths. */
static int64_t worth(search *f, const sim_choice *c)
{
    int mattered;
    const int64_t one = RF_PPM, p = SIM_AUDIT_PPM;
    f->stats->plans[c->plan][0]++;
    for (uint32_t k = 0; k < sim_move_count; k++) f->stats->moves[k][0] += c->moves >> k & 1;
    int64_t value = play(f, c, 0, &mattered);
    if (!mattered) return value;
    return value / one * (one - p) + play(f, c, 1, &mattered) / one * p;
}

/* ---- choices ----------------------------------------------------------------------------- */

static void make_plan(uint32_t k, sim_choice *c)
{
    memset(c, 0, sizeof *c);
    c->plan = k;
    for (uint32_t i = 0; i < SIM_OWNED_MAX; i++) c->root[i] = i ? plans[k].rest : plans[k].first;
}

static void make_move(sim_choice *c, uint32_t k, int all, uint32_t owned)
{
    c->moves |= 1u << k;
    c->all = all;
    for (uint32_t i = all ? 0 : owned - 1; i < owned; i++) c->plays[i] |= moves[k].plays;
}

/* Each move in turn, on top of the best so far; the best and its worth are kept. */
static void climb(search *f, sim_choice *best, int64_t *value, int all, int by_rules)
{
    for (uint32_t k = 0; k < sim_move_count; k++) {
        sim_choice c = *best;
        if (by_rules && !moves[k].by_rules) continue;
        make_move(&c, k, all, f->owned);
        int64_t v = worth(f, &c);
        if (v <= *value) continue;
        *value = v;
        *best = c;
    }
}

static void climb_from(search *f, const sim_choice *start, int64_t value, int all,
                       sim_choice *best, int64_t *most)
{
    sim_choice c = *start;
    climb(f, &c, &value, all, 0);
    if (value <= *most) return;
    *most = value;
    *best = c;
}

/* Whether a plan is another one here. */
static int is_open(uint32_t k, uint32_t owned, int liar)
{
    const plan *p = &plans[k];
    if (!liar && (p->first == ROOT_OF_LIAR || p->rest == ROOT_OF_LIAR)) return 0;
    return owned > 1 || p->first == p->rest;
}

static void look_around(search *f, int *liar)
{
    static sim_world world;
    static sim_stats scratch;
    sim_choice honest;
    make_plan(0, &honest);
    sim_begin(&world, f->pool, f->keys, f->seed, f->options, &scratch, &honest, 1);
    f->owned = world.owned_count;
    *liar = world.honest_count + world.owned_count < world.party_count;
    sim_end(&world);
}

/* Shares are whole units; what does not divide among members is nobody's. */
#define ROUNDING ((int64_t)SIM_AGENTS_MAX * RF_PPM)

/* The best plan that is not honest play. */
static int64_t best_plan(search *f, int liar, sim_choice *best)
{
    int64_t value = INT64_MIN;
    for (uint32_t k = 1; k < sim_plan_count; k++) {
        sim_choice c;
        if (!is_open(k, f->owned, liar)) continue;
        make_plan(k, &c);
        int64_t v = worth(f, &c);
        if (v <= value) continue;
        value = v;
        *best = c;
    }
    return value;
}

void sim_best_reply(const sim_pool *pool, const sim_keys *keys, uint64_t seed,
                    const sim_options *options, sim_stats *stats, sim_choice *best, double *gain)
{
    search f = {pool, keys, seed, options, stats, 0, 0};
    sim_choice rules, other;
    int64_t honest, value, plan_value;
    int liar;
    look_around(&f, &liar);
    make_plan(0, best);
    rules = *best;
    honest = worth(&f, &rules);
    for (int all = f.owned == 1; all < 2; all++) climb(&f, &rules, &honest, all, 1);
    value = honest + ROUNDING;
    plan_value = best_plan(&f, liar, &other);
    for (int all = f.owned == 1; all < 2; all++) {
        climb_from(&f, &rules, honest, all, best, &value);
        climb_from(&f, &other, plan_value, all, best, &value);
    }
    *gain = 0;
    if (best->plan || best->moves)
        *gain = (double)(value - honest) / (double)RF_PPM / (double)f.run;
    stats->rational++;
    stats->plans[best->plan][1]++;
    for (uint32_t k = 0; k < sim_move_count; k++) stats->moves[k][1] += best->moves >> k & 1;
}

void sim_choice_text(const sim_choice *c, char *out, size_t n)
{
    size_t at = (size_t)snprintf(out, n, "%s", plans[c->plan].name);
    for (uint32_t k = 0; k < sim_move_count && at < n; k++)
        if (c->moves >> k & 1)
            at += (size_t)snprintf(out + at, n - at, "; %s%s", c->all ? "" : "one identity ",
                                   moves[k].name);
}
