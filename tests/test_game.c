/* test_game.c - the dispute core over parties in memory: where, who, and what is refused.
 *
 * Names carry the threats of docs/THREATS.md that they test. */
#include <criterion/criterion.h>

#include "game_world.h"

typedef struct { ro_arena *arena; vd_job *job; world_side truth; } fixture;

/* Sides are large: they lie in the heap. */
static fixture *set_up(uint64_t steps)
{
    ro_err err = {RO_OK, {0}};
    fixture *f = calloc(1, sizeof *f);
    f->arena = ro_arena_new();
    must(small_job(f->arena, 1, steps - 1, 0, 3, &f->job, &err), &err);
    world_run(&f->truth, f->job, NULL, 0);
    return f;
}

static void tear_down(fixture *f)
{
    ro_arena_free(f->arena);
    free(f);
}

static world_side *lying(const fixture *f, const world_plan *plans, uint32_t count)
{
    world_side *w = malloc(sizeof *w);
    world_run(w, f->job, plans, count);
    return w;
}

static world_host host(const fixture *f, const world_side *a, const world_side *b)
{
    world_host h;
    memset(&h, 0, sizeof h);
    h.job = f->job;
    h.truth = &f->truth;
    h.sides[0] = a;
    h.sides[1] = b;
    h.count = 2;
    return h;
}

static rf_game *two(const fixture *f, const world_side *a, const world_side *b, world_host *h)
{
    *h = host(f, a, b);
    return world_play(h, 0);
}

Test(game, equal_roots_agree_without_a_question)
{
    fixture *f = set_up(8);
    world_host h;
    rf_game *g = two(f, &f->truth, &f->truth, &h);
    cr_assert_eq(rf_game_verdict(g)->kind, RF_AGREE);
    cr_assert_eq(h.asked, 0);
    rf_game_free(g);
    tear_down(f);
}

/* ---- T25: every pair of patterns of honest and lying steps ------------------------------ */

Test(game, T25_first_difference_of_all_pairs_of_patterns, .timeout = 300)
{
    enum { STEPS = 8 };
    fixture *f = set_up(STEPS);
    world_side **side = calloc(1 << STEPS, sizeof *side);
    for (uint32_t p = 0; p < 1u << STEPS; p++) {
        world_plan plans[STEPS];
        uint32_t n = 0;
        for (uint32_t s = 0; s < STEPS; s++)
            if (p >> s & 1) plans[n++] = (world_plan){s, 1, LIE_OUTPUT, 1};
        side[p] = lying(f, plans, n);
    }
    for (uint32_t a = 0; a < 1u << STEPS; a++)
        for (uint32_t b = 0; b < 1u << STEPS; b++) {
            if (a == b) continue;
            world_host h;
            rf_game *g = two(f, side[a], side[b], &h);
            const rf_verdict *v = rf_game_verdict(g);
            uint32_t first = (uint32_t)__builtin_ctz(a ^ b);
            cr_assert(v->kind == RF_OUTPUT && v->method == RF_BY_OPERATOR, "%u %u: %s", a, b,
                      v->why);
            cr_assert(v->step == first && v->node == 1, "%u %u: step %u", a, b, (unsigned)v->step);
            cr_assert_eq(world_guilty(g), (a >> first & 1) ? 1 : 2);
            cr_assert_eq(h.operators, 1);
            rf_game_free(g);
        }
    for (uint32_t p = 0; p < 1u << STEPS; p++) free(side[p]);
    free(side);
    tear_down(f);
}

Test(game, T25_every_divergence_position_of_longer_traces)
{
    for (uint64_t steps = 2; steps <= 33; steps += 1 + steps % 4) {
        fixture *f = set_up(steps);
        for (uint64_t s = 0; s < steps; s++)
            for (uint32_t node = 0; node < f->truth.nodes[s]; node++) {
                world_plan plan = {s, node, LIE_OUTPUT, 1};
                world_side *w = lying(f, &plan, 1);
                world_host h;
                rf_game *g = two(f, w, &f->truth, &h);
                const rf_verdict *v = rf_game_verdict(g);
                cr_assert(v->kind == RF_OUTPUT && v->step == s && v->node == node);
                cr_assert_eq(world_guilty(g), 1);
                rf_game_free(g);
                free(w);
            }
        tear_down(f);
    }
}

/* ---- T18, T20, T21, T22, T62, T71: every field ------------------------------------------ */

static const struct { world_lie lie; rf_kind kind; int cheap; } FIELDS[] = {
    {LIE_OUTPUT, RF_OUTPUT, 0},          {LIE_INPUT, RF_INPUTS, 1},
    {LIE_DESCRIPTOR, RF_STRUCTURE, 1},   {LIE_NODE_STEP, RF_STRUCTURE, 1},
    {LIE_NODE_INDEX, RF_STRUCTURE, 1},   {LIE_NODE_COUNT, RF_STRUCTURE, 1},
    {LIE_NODE_LONG, RF_STRUCTURE, 1},    {LIE_STATE, RF_STEP, 1},
    {LIE_OUTPUTS, RF_STEP, 1},           {LIE_REPEAT, RF_STRUCTURE, 1},
    {LIE_PHASE, RF_STRUCTURE, 1},        {LIE_PHASE_STEP, RF_STRUCTURE, 1},
    {LIE_GLOBAL, RF_STRUCTURE, 1},       {LIE_STEP_LONG, RF_STRUCTURE, 1},
};

Test(game, T18_T20_T21_T22_every_field_of_a_step, .timeout = 120)
{
    fixture *f = set_up(6);
    for (size_t k = 0; k < sizeof FIELDS / sizeof *FIELDS; k++)
        for (uint64_t s = 1; s < 6; s += 2)
            for (int honest_first = 0; honest_first < 2; honest_first++) {
                world_plan plan = {s, 2, FIELDS[k].lie, 1};
                world_side *w = lying(f, &plan, 1);
                world_host h;
                rf_game *g = honest_first ? two(f, &f->truth, w, &h) : two(f, w, &f->truth, &h);
                const rf_verdict *v = rf_game_verdict(g);
                cr_assert_eq(v->kind, FIELDS[k].kind, "lie %d: %s", FIELDS[k].lie, v->why);
                cr_assert_eq(v->step, s);
                cr_assert_eq(world_guilty(g), honest_first ? 2 : 1);
                if (FIELDS[k].cheap) {
                    cr_assert_eq(v->elements_recomputed, 0);
                    cr_assert_eq(h.operators + h.reruns, 0);
                }
                rf_game_free(g);
                free(w);
            }
    tear_down(f);
}

/* Both altered one field, each in its own way: both are guilty, and nobody stands. */
Test(game, T23_both_sides_guilty_of_every_field)
{
    fixture *f = set_up(6);
    for (size_t k = 0; k < sizeof FIELDS / sizeof *FIELDS; k++) {
        world_plan one = {3, 2, FIELDS[k].lie, 1}, other = {3, 2, FIELDS[k].lie, 2};
        world_side *a = lying(f, &one, 1), *b = lying(f, &other, 1);
        world_host h;
        rf_game *g = two(f, a, b, &h);
        cr_assert_eq(rf_game_verdict(g)->kind, FIELDS[k].kind);
        cr_assert_eq(world_guilty(g), 3, "lie %d", FIELDS[k].lie);
        cr_assert(!rf_game_stands(g, 0) && !rf_game_stands(g, 1));
        rf_game_free(g);
        free(a);
        free(b);
    }
    tear_down(f);
}

/* An agreed record is malformed and both differ elsewhere: both fall by structure. */
Test(game, T23_shared_malformed_producer)
{
    fixture *f = set_up(6);
    world_plan a[2] = {{3, 1, LIE_DESCRIPTOR, 1}, {3, 2, LIE_OUTPUT, 1}};
    world_side *x = lying(f, a, 2), *y = lying(f, a, 1);
    world_host h;
    rf_game *g = two(f, x, y, &h);
    cr_assert_eq(rf_game_verdict(g)->kind, RF_STRUCTURE);
    cr_assert_eq(world_guilty(g), 3);
    rf_game_free(g);
    free(x);
    free(y);
    tear_down(f);
}

/* A node root that is the root of nothing: it cannot be opened, the step is run again. */
Test(game, T62_a_node_root_that_nobody_can_open)
{
    fixture *f = set_up(6);
    world_plan plan = {3, 0, LIE_NODE_ROOT, 1};
    world_side *w = lying(f, &plan, 1);
    world_host h;
    rf_game *g = two(f, w, &f->truth, &h);
    const rf_verdict *v = rf_game_verdict(g);
    cr_assert(v->kind == RF_OUTPUT && v->method == RF_BY_STEP && v->step == 3);
    cr_assert_eq(world_guilty(g), 1);
    cr_assert_eq(h.reruns, 1);
    rf_game_free(g);
    free(w);
    tear_down(f);
}

/* One implementation alone, unless the host says that two of its own agree. */
Test(game, T60_what_is_run_again_by_one_implementation_is_provisional)
{
    static const world_lie LIES[2] = {LIE_OUTPUT, LIE_NODE_ROOT};
    static const rf_method METHODS[2] = {RF_BY_OPERATOR, RF_BY_STEP};
    fixture *f = set_up(6);
    for (int k = 0; k < 4; k++) {
        world_plan plan = {3, k / 2 ? 0 : 2, LIES[k / 2], 1};
        world_side *w = lying(f, &plan, 1);
        world_host h = host(f, w, &f->truth);
        h.twice = k % 2 ? RF_RAN_TWICE : 0;
        rf_game *g = world_play(&h, 0);
        const rf_verdict *v = rf_game_verdict(g);
        cr_assert(v->kind == RF_OUTPUT && v->method == METHODS[k / 2], "%s", v->why);
        cr_assert_eq(world_guilty(g), 1);
        cr_assert_eq(v->provisional, k % 2 == 0, "case %d", k);
        rf_game_free(g);
        free(w);
    }
    tear_down(f);
}

/* A tree root of random bytes: the unit is the whole trace. */
Test(game, T62_random_bytes_for_a_tree)
{
    fixture *f = set_up(6);
    world_side *w = lying(f, NULL, 0);
    world_host h;
    memset(w->body.tree.b, 7, VD_DIGEST);
    world_seal(w);
    rf_game *g = two(f, w, &f->truth, &h);
    const rf_verdict *v = rf_game_verdict(g);
    cr_assert(v->kind == RF_OUTPUT && v->method == RF_BY_SEGMENT && v->lo == 0 && v->hi == 6);
    cr_assert_eq(world_guilty(g), 1);
    rf_game_free(g);
    free(w);
    tear_down(f);
}

/* ---- bodies over equal trees: T18 ------------------------------------------------------- */

Test(game, T18_body_fields_over_equal_trees)
{
    fixture *f = set_up(6);
    for (int field = 0; field < 3; field++) {
        world_side *w = lying(f, NULL, 0);
        world_host h;
        if (field != 1) w->body.last_state.b[4] ^= 1;
        if (field == 1) {
            w->output_hash[4][0] ^= 1; /* an outputs tree over another digest at step 4 */
            vd_tree_root(VD_TREE_OUTPUTS, w->output_hash[0], 6, w->body.outputs.b);
        }
        if (field == 2) w->body.outputs.b[0] ^= 1; /* a root of nothing */
        world_seal(w);
        rf_game *g = two(f, &f->truth, w, &h);
        const rf_verdict *v = rf_game_verdict(g);
        cr_assert_eq(v->kind, field == 2 ? RF_OUTPUT : RF_STEP, "field %d: %s", field, v->why);
        cr_assert_eq(world_guilty(g), 2);
        if (field == 1) cr_assert_eq(v->step, 4);
        if (field < 2) cr_assert_eq(h.reruns, 0);
        rf_game_free(g);
        free(w);
    }
    tear_down(f);
}

Test(game, T18_bodies_that_are_not_the_jobs_are_refused)
{
    fixture *f = set_up(6);
    for (size_t at = 0; at < VD_TRACE_BODY_BYTES; at++) {
        rf_party parties[2] = {f->truth.party, f->truth.party};
        rf_setup s = {f->job, parties, 2, NULL, 0, 0, f->job->digest};
        rf_game *g = NULL;
        ro_err err = {RO_OK, {0}};
        parties[1].body[at] ^= 1;
        cr_assert_eq(rf_game_new(&s, &g, &err), RO_EFORMAT, "byte %zu", at); /* not its root's */
        vd_tagged_hash("verde/1 trace", parties[1].body, VD_TRACE_BODY_BYTES, parties[1].root.b);
        memset(&err, 0, sizeof err);
        ro_status st = rf_game_new(&s, &g, &err);
        int claims = at >= 96; /* last state, outputs root, tree: the dispute's to judge */
        cr_assert(claims ? st == RO_OK : st == RO_EDIFFER || st == RO_EFORMAT, "byte %zu", at);
        if (!st) rf_game_free(g);
    }
    tear_down(f);
}

/* ---- T13, T14, T16, T17: openings of any bytes ------------------------------------------ */

Test(game, T13_wrong_answers_are_refused_and_cost_nothing)
{
    fixture *f = set_up(8);
    world_plan plan = {5, 2, LIE_OUTPUT, 1};
    world_side *w = lying(f, &plan, 1);
    world_host h = host(f, w, &f->truth);
    h.garble = 1;
    rf_game *g = world_play(&h, 0);
    cr_assert_eq(rf_game_verdict(g)->kind, RF_OUTPUT);
    cr_assert_eq(world_guilty(g), 1);
    rf_game_free(g);
    free(w);
    tear_down(f);
}

/* Answers to questions that are not open, from parties that were not asked, wrong ones. */
Test(game, T31_answers_out_of_turn)
{
    fixture *f = set_up(8);
    world_plan plan = {5, 2, LIE_OUTPUT, 1};
    world_side *w = lying(f, &plan, 1);
    rf_party parties[2] = {w->party, f->truth.party};
    rf_setup s = {f->job, parties, 2, NULL, 0, 1, f->job->digest};
    rf_game *g;
    rf_question open[RF_OPEN_MAX];
    uint32_t count;
    int accepted;
    ro_err err = {RO_OK, {0}};
    uint8_t junk[8 * VD_DIGEST] = {1};
    must(rf_game_new(&s, &g, &err), &err);
    must(rf_game_next(g, open, &count, &err), &err);
    cr_assert_eq(count, 2);
    rf_question other = open[0];
    other.lo = 1;
    must(rf_game_answer(g, &other, RF_NONE, junk, sizeof junk, &accepted, &err), &err);
    cr_assert_eq(accepted, 0);
    uint32_t asked = open[0].parties == 1 ? 0 : 1;
    must(rf_game_answer(g, &open[0], 1 - asked, junk, sizeof junk, &accepted, &err), &err);
    cr_assert_eq(accepted, 0);
    must(rf_game_answer(g, &open[0], 63, junk, sizeof junk, &accepted, &err), &err);
    must(rf_game_answer(g, &open[0], 64, junk, sizeof junk, &accepted, &err), &err);
    for (uint32_t k = 0; k < RF_REFUSALS_MAX; k++) {
        must(rf_game_next(g, open, &count, &err), &err);
        cr_assert_eq(count, 2, "after %u refusals", k);
        must(rf_game_answer(g, &open[0], asked, junk, sizeof junk, &accepted, &err), &err);
        cr_assert_eq(accepted, 0);
    }
    must(rf_game_next(g, open, &count, &err), &err);
    cr_assert_eq(count, 1); /* the one that gave sixteen wrong answers is not asked any more */
    rf_game_cannot(g, &open[0], RF_NONE);
    must(rf_game_next(g, open, &count, &err), &err);
    cr_assert_eq(count, 0);
    cr_assert_eq(rf_game_verdict(g)->kind, RF_FORFEIT);
    cr_assert_eq(world_guilty(g), 3);
    rf_game_free(g);
    free(w);
    tear_down(f);
}

/* ---- silence: 3e, 3f -------------------------------------------------------------------- */

Test(game, T26_silence_online_forfeits_and_offline_is_run_again)
{
    fixture *f = set_up(8);
    world_plan plan = {5, 2, LIE_OUTPUT, 1};
    world_side *w = lying(f, &plan, 1);
    for (int online = 0; online < 2; online++)
        for (uint32_t silent = 1; silent < 4; silent++) {
            world_host h = host(f, w, &f->truth);
            h.silent = silent;
            rf_game *g = world_play(&h, online);
            const rf_verdict *v = rf_game_verdict(g);
            cr_assert_eq(v->kind, online ? RF_FORFEIT : RF_OUTPUT, "%s", v->why);
            cr_assert_eq(world_guilty(g), online ? silent : 1);
            cr_assert_eq(h.reruns, online ? 0 : 1);
            rf_game_free(g);
        }
    free(w);
    tear_down(f);
}

/* ---- openings in bytes ------------------------------------------------------------------- */

static ro_status replayed(rf_game *g, const void *bytes, size_t n, uint32_t *left)
{
    rf_question open[RF_OPEN_MAX];
    ro_err err = {RO_OK, {0}};
    ro_status st = rf_game_replay(g, bytes, n, open, left, &err);
    cr_assert_eq(err.code, st);
    return st;
}

/* The openings of a game give the game again, cut anywhere between two of them. */
Test(game, its_openings_give_a_game_again)
{
    fixture *f = set_up(8);
    world_plan plan = {5, 2, LIE_OUTPUT, 1};
    world_side *w = lying(f, &plan, 1);
    for (uint32_t silent = 0; silent < 2; silent++) {
        world_host h = host(f, w, &f->truth);
        uint8_t *all, *rest;
        size_t size, rest_size;
        uint32_t count, left;
        ro_err err = {RO_OK, {0}};
        h.silent = silent;
        rf_game *g = world_play(&h, 1);
        cr_assert_eq(rf_game_openings(g, 0, &all, &size, &count, &err), RO_OK);
        cr_assert_gt(count, silent ? 0 : 3);
        for (uint32_t from = 0; from <= count; from++) {
            uint32_t same;
            cr_assert_eq(rf_game_openings(g, from, &rest, &rest_size, &same, &err), RO_OK);
            cr_assert_eq(same, count);
            rf_game *again = world_begin(&h, 1);
            cr_assert_eq(replayed(again, all, size - rest_size, &left), RO_OK);
            cr_assert_eq(left == 0, from == count);
            cr_assert_eq(replayed(again, rest, rest_size, &left), RO_OK);
            cr_assert_eq(left, 0);
            cr_assert_eq(rf_game_verdict(again)->kind, rf_game_verdict(g)->kind);
            cr_assert_eq(world_guilty(again), world_guilty(g));
            rf_game_free(again);
            ro_free(rest);
        }
        rf_game_free(g);
        ro_free(all);
    }
    free(w);
    tear_down(f);
}

/* Bytes that are none; and no memory at any place. */
Test(game, openings_that_are_none_are_refused)
{
    fixture *f = set_up(8);
    world_plan plan = {5, 2, LIE_OUTPUT, 1};
    world_side *w = lying(f, &plan, 1);
    world_host h = host(f, w, &f->truth);
    uint8_t *all, absent[11] = {0, 1};
    size_t size;
    uint32_t count, left;
    ro_err err = {RO_OK, {0}};
    rf_game *g = world_play(&h, 1);
    cr_assert_eq(rf_game_openings(g, 0, &all, &size, &count, &err), RO_OK);
    for (uint32_t k = 0; k < 5; k++) {
        rf_game *again = world_begin(&h, 1);
        const uint8_t was[3] = {all[0], all[1], all[10]};
        if (k == 0) all[0] = RF_OPEN_MAX;
        if (k == 1) all[1] = 2;
        if (k == 2) all[10] ^= 1; /* of the answer: it does not hash to what is claimed */
        cr_assert_eq(replayed(again, k == 3 ? absent : all, k < 3 ? size : k == 3 ? 10 : size - 1,
                              &left), k == 3 ? RO_OK : RO_EFORMAT, "case %u", k);
        memcpy(all, was, 2);
        all[10] = was[2];
        rf_game_free(again);
    }
    absent[2] = 1; /* nobody's answer of a byte */
    rf_game *again = world_begin(&h, 1);
    cr_assert_eq(replayed(again, absent, sizeof absent, &left), RO_EFORMAT);
    rf_game_free(again);
    ro_status st = RO_ENOMEM;
    for (uint64_t n = 1; st != RO_OK; n++) {
        again = world_begin(&h, 1);
        ro_alloc_fail_at(n, 0);
        st = replayed(again, all, size, &left);
        ro_alloc_fail_at(0, 0);
        cr_assert(st == RO_OK || st == RO_ENOMEM);
        rf_game_free(again);
    }
    uint8_t *none;
    ro_alloc_fail_at(1, 0);
    cr_assert_eq(rf_game_openings(g, 0, &none, &size, &count, &err), RO_ENOMEM);
    ro_alloc_fail_at(0, 0);
    rf_game_free(g);
    ro_free(all);
    free(w);
    tear_down(f);
}

/* What both committed to and nobody opens: online both fall, offline the step is run again; where
 * that cannot be either, nobody is condemned. */
Test(game, T26_T79_withheld_state)
{
    fixture *f = set_up(8);
    world_plan plan = {5, 1, LIE_OUTPUT, 1}; /* node 1 reads slots */
    world_side *w = lying(f, &plan, 1);
    for (int mode = 0; mode < 3; mode++) {
        world_host h = host(f, w, &f->truth);
        h.refuse_kinds = 1u << RF_Q_STATE | (mode == 2 ? 1u << RF_Q_RERUN : 0);
        rf_game *g = world_play(&h, mode == 0);
        static const rf_kind want[3] = {RF_WITHHELD, RF_OUTPUT, RF_UNDECIDED};
        static const uint64_t guilty[3] = {3, 1, 0};
        cr_assert_eq(rf_game_verdict(g)->kind, want[mode]);
        cr_assert_eq(world_guilty(g), guilty[mode]);
        rf_game_free(g);
    }
    free(w);
    tear_down(f);
}

/* Two liars share a false state that nobody can open, then differ: both fall. */
Test(game, T79_liars_share_an_unopenable_state)
{
    fixture *f = set_up(8);
    world_plan plans[2] = {{4, 0, LIE_STATE, 1}, {5, 1, LIE_OUTPUT, 1}};
    world_side *a = lying(f, plans, 2), *b = lying(f, plans, 1);
    world_host h;
    rf_game *g = two(f, a, b, &h);
    cr_assert_eq(rf_game_verdict(g)->kind, RF_WITHHELD);
    cr_assert_eq(world_guilty(g), 3);
    rf_game_free(g);
    free(a);
    free(b);
    tear_down(f);
}

/* ---- T06, T23, T33: many claims --------------------------------------------------------- */

Test(game, T23_one_to_four_claims_wrong_in_all_combinations, .timeout = 120)
{
    enum { KINDS = 4 };
    fixture *f = set_up(8);
    world_side *side[KINDS] = {lying(f, NULL, 0), NULL, NULL, NULL};
    const world_plan plans[KINDS] = {{0}, {2, 1, LIE_OUTPUT, 1}, {2, 1, LIE_OUTPUT, 2},
                                     {6, 3, LIE_OUTPUT, 1}};
    for (uint32_t k = 1; k < KINDS; k++) side[k] = lying(f, &plans[k], 1);
    for (uint32_t n = 1; n <= 4; n++)
        for (uint32_t code = 0; code < 1u << (2 * n); code++) {
            world_host h;
            uint64_t honest = 0, distinct = 0, all = (UINT64_C(1) << n) - 1;
            memset(&h, 0, sizeof h);
            h.job = f->job;
            h.truth = &f->truth;
            h.count = n;
            for (uint32_t k = 0; k < n; k++) {
                uint32_t kind = code >> (2 * k) & 3;
                h.sides[k] = side[kind];
                if (kind == 0) honest |= UINT64_C(1) << k;
                distinct |= UINT64_C(1) << kind;
            }
            rf_game *g = world_play(&h, 0);
            int roots = __builtin_popcountll(distinct);
            cr_assert(h.operators + h.reruns <= (uint32_t)roots - 1);
            if (honest) {
                cr_assert_eq(world_guilty(g), all & ~honest, "%u claims, %x", n, code);
                for (uint32_t k = 0; k < n; k++)
                    cr_assert_eq(rf_game_stands(g, k), (int)(honest >> k & 1));
            }
            if (roots == 1) cr_assert_eq(rf_game_verdict(g)->kind, RF_AGREE);
            rf_game_free(g);
        }
    for (uint32_t k = 0; k < KINDS; k++) free(side[k]);
    tear_down(f);
}

Test(game, T33_pairing_does_not_follow_arrival)
{
    fixture *f = set_up(8);
    world_side *side[3];
    for (uint8_t k = 0; k < 3; k++) {
        world_plan plan = {(uint64_t)k + 2, 1, LIE_OUTPUT, 1};
        side[k] = lying(f, &plan, 1);
    }
    vd_digest first[2] = {{{0}}, {{0}}};
    static const int order[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                    {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    for (int p = 0; p < 6; p++) {
        world_host h;
        memset(&h, 0, sizeof h);
        h.job = f->job;
        h.truth = &f->truth;
        h.count = 4;
        for (int k = 0; k < 3; k++) h.sides[k] = side[order[p][k]];
        h.sides[3] = &f->truth;
        rf_game *g = world_play(&h, 0);
        const rf_verdict *v = rf_game_pair(g, 0);
        for (int k = 0; k < 2; k++) {
            const vd_digest *root = &h.sides[v->sides[k]]->party.root;
            if (p == 0) first[k] = *root;
            cr_assert(vd_digest_equal(&first[k], root));
        }
        cr_assert_eq(world_guilty(g), 7);
        rf_game_free(g);
    }
    for (int k = 0; k < 3; k++) free(side[k]);
    tear_down(f);
}
