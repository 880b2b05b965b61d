/* test_game_branches.c - every branch of the dispute core that test_game.c's made-up parties do not
 * reach: tensors and elements, partial results, segments and their claims, silence at each
 * question, what is malformed on both sides, and the referee's own faults.
 *
 * Names carry the threats of docs/THREATS.md that they test. */
#include <criterion/criterion.h>
#include <fenv.h>

#include "game_real.h"

typedef struct { real_tensors *tensors; vd_job *job; real_side *truth; } fixture;

static fixture set_up(uint32_t segment, uint64_t repeats)
{
    fixture f = {calloc(1, sizeof *f.tensors), NULL, NULL};
    f.tensors->arena = ro_arena_new();
    f.job = real_mixed(f.tensors, segment, repeats);
    f.truth = real_run(f.tensors, f.job, NULL, 0, NULL, 0);
    return f;
}

static void tear_down(fixture *f)
{
    free(f->truth);
    ro_arena_free(f->tensors->arena);
    free(f->tensors);
}

static real_side *faulty(fixture *f, real_fault fault)
{
    return real_run(f->tensors, f->job, &fault, 1, NULL, 0);
}

static real_side *lying(fixture *f, world_plan plan)
{
    return real_run(f->tensors, f->job, NULL, 0, &plan, 1);
}

static real_host host(const fixture *f, const real_side *a, const real_side *b)
{
    real_host h;
    memset(&h, 0, sizeof h);
    h.job = f->job;
    h.tensors = f->tensors;
    h.truth = f->truth;
    h.sides[0] = a;
    h.sides[1] = b;
    h.count = 2;
    return h;
}

typedef struct {
    rf_kind kind;
    rf_method method;
    uint64_t guilty;
} want;

/* Play, compare, free. The verdict is handed out for what else a test asks. */
static rf_verdict expect(real_host *h, want w)
{
    rf_game *g = real_play(h);
    rf_verdict v = *rf_game_verdict(g);
    cr_assert_eq(v.kind, w.kind, "%s, not %s: %s", rf_kind_name(v.kind), rf_kind_name(w.kind),
                 v.why);
    cr_assert_eq(v.method, w.method, "%s, not %s: %s", rf_method_name(v.method),
                 rf_method_name(w.method), v.why);
    cr_assert_eq(world_guilty(g), w.guilty, "guilty %x: %s", (unsigned)world_guilty(g), v.why);
    for (uint32_t k = 0; k < h->count; k++)
        cr_assert_eq(rf_game_stands(g, k), !(w.guilty >> k & 1));
    cr_assert_eq(v.guilty_count, __builtin_popcountll(w.guilty));
    cr_assert(v.why[0], "a verdict without a sentence");
    for (uint32_t k = 0; k < v.guilty_count; k++) cr_assert_eq(v.guilty[k].cause, w.kind);
    rf_game_free(g);
    return v;
}

/* ---- names --------------------------------------------------------------------------- */

Test(game_branches, one_root_is_agreement)
{
    fixture f = set_up(0, 1);
    real_host h = host(&f, f.truth, f.truth);
    rf_verdict v = expect(&h, (want){RF_AGREE, RF_BY_NONE, 0});
    cr_assert_str_eq(v.why, "all parties committed to one root");
    cr_assert_eq(h.questions, 0);
    tear_down(&f);
}

Test(game_branches, names)
{
    cr_assert_str_eq(rf_kind_name(RF_AGREE), "agree");
    cr_assert_str_eq(rf_kind_name(RF_UNDECIDED), "undecided");
    cr_assert_str_eq(rf_method_name(RF_BY_NONE), "none");
    cr_assert_str_eq(rf_method_name(RF_BY_SEGMENT), "segment");
    cr_assert_str_eq(rf_question_name(RF_Q_HASHES), "hashes");
    cr_assert_str_eq(rf_question_name(RF_Q_KERNEL), "kernel");
}

/* ---- one element --------------------------------------------------------------------- */

Test(game_branches, a_fault_in_every_output_is_found_at_its_element)
{
    static const real_fault FAULTS[] = {
        {2, REAL_ADD, 0, 1300, 1, 0}, /* the second chunk */
        {1, REAL_ADD, 0, 0, 0x80, 0},    {3, REAL_SUM, 0, 0, 1, 0}, {2, REAL_POOL, 0, 7, 1, 0},
        {2, REAL_POOL, 1, 5, 1, 0},      {1, REAL_NORM, 0, 4, 1, 0}, {3, REAL_NEG, 0, 5, 1, 0},
        {1, REAL_LOSS, 0, 0, 1, 0},      {2, REAL_LOSS, 1, 3, 1, 0},
    };
    fixture f = set_up(0, 1);
    for (size_t k = 0; k < sizeof FAULTS / sizeof *FAULTS; k++)
        for (uint32_t liar = 0; liar < 2; liar++) {
            real_side *x = faulty(&f, FAULTS[k]);
            real_host h = host(&f, liar ? f.truth : x, liar ? x : f.truth);
            rf_verdict v = expect(&h, (want){RF_OUTPUT, RF_BY_ELEMENT, 1u << liar});
            cr_assert(v.has_step && v.has_node && v.has_element && v.has_value && !v.provisional);
            cr_assert(v.step == FAULTS[k].step && v.node == FAULTS[k].node, "case %zu", k);
            cr_assert(v.output == FAULTS[k].output && v.element == FAULTS[k].element);
            cr_assert_eq(v.chunk, FAULTS[k].element * ro_dtypes[v.type.dtype].size / 4096);
            cr_assert_eq(v.elements_recomputed, 1);
            cr_assert_eq(v.phase, 1);
            cr_assert_eq(v.op, f.job->phases[1].graph->nodes[v.node].op);
            uint32_t side = v.sides[1] == liar;
            cr_assert_eq(v.claimed[side], v.claimed[!side] ^ FAULTS[k].flip);
            cr_assert_eq(v.recomputed, v.claimed[!side]);
            cr_assert_eq(h.asked[RF_Q_KERNEL], 1);
            cr_assert_eq(h.asked[RF_Q_RERUN] + h.asked[RF_Q_OPERATOR], 0);
            free(x);
        }
    tear_down(&f);
}

/* Of several outputs the one that differs first along the leading axis; the earlier at a tie. */
Test(game_branches, the_first_difference_among_several_outputs)
{
    static const struct { uint64_t element[2]; uint32_t output; } CASES[] = {
        {{9, 1}, 1}, {{1, 9}, 0}, {{6, 5}, 0}, {{4, 3}, 1},
        {{0, 2}, 0}, {{0, 5}, 0}, /* of the loss: a scalar stands before every row */
    };
    fixture f = set_up(0, 1);
    for (size_t k = 0; k < sizeof CASES / sizeof *CASES; k++) {
        uint32_t node = k < 4 ? REAL_POOL : REAL_LOSS;
        real_fault faults[2] = {{2, node, 0, CASES[k].element[0], 1, 0},
                                {2, node, 1, CASES[k].element[1], 1, 0}};
        real_side *x = real_run(f.tensors, f.job, faults, 2, NULL, 0);
        real_host h = host(&f, x, f.truth);
        rf_verdict v = expect(&h, (want){RF_OUTPUT, RF_BY_ELEMENT, 1});
        cr_assert_eq(v.output, CASES[k].output, "case %zu", k);
        cr_assert_eq(v.element, CASES[k].element[v.output], "case %zu", k);
        free(x);
    }
    tear_down(&f);
}

Test(game_branches, T23_both_wrong_at_one_element)
{
    fixture f = set_up(0, 1);
    real_side *x = faulty(&f, (real_fault){2, REAL_NEG, 0, 3, 1, 0});
    real_side *y = faulty(&f, (real_fault){2, REAL_NEG, 0, 3, 2, 0});
    real_host h = host(&f, x, y);
    rf_verdict v = expect(&h, (want){RF_OUTPUT, RF_BY_ELEMENT, 3});
    cr_assert(v.recomputed != v.claimed[0] && v.recomputed != v.claimed[1]);
    free(x);
    free(y);
    tear_down(&f);
}

/* Nobody is condemned where the referee's two implementations differ, nor by one alone without the
 * verdict saying so. */
Test(game_branches, T60_the_second_opinion)
{
    fixture f = set_up(0, 1);
    real_side *x = faulty(&f, (real_fault){2, REAL_NEG, 0, 3, 1, 0});
    real_host h = host(&f, x, f.truth);
    h.kernel_flip = 4;
    rf_verdict v = expect(&h, (want){RF_UNDECIDED, RF_BY_NONE, 0});
    cr_assert(v.alarm && !v.has_value);
    h.kernel_flip = 0;
    h.deaf_kinds = 1u << RF_Q_KERNEL;
    v = expect(&h, (want){RF_OUTPUT, RF_BY_ELEMENT, 1});
    cr_assert(v.provisional && !v.alarm);
    free(x);
    tear_down(&f);
}

/* ---- tensors that are not what the job makes them ------------------------------------ */

Test(game_branches, T20_forged_tensors)
{
    static const struct { real_fault fault; want want; } CASES[] = {
        {{2, REAL_NEG, 0, 0, 0, FORGE_TYPE}, {RF_STRUCTURE, RF_BY_NONE, 1}},
        {{2, REAL_NEG, 0, 0, 0, FORGE_HEADER}, {RF_STRUCTURE, RF_BY_NONE, 1}},
        {{2, REAL_NEG, 0, 0, 0, FORGE_SHORT_CHUNK}, {RF_STRUCTURE, RF_BY_NONE, 1}},
        {{2, REAL_NEG, 0, 0, 0, FORGE_LONG_CHUNK}, {RF_STRUCTURE, RF_BY_NONE, 1}},
        {{2, REAL_EMPTY, 0, 0, 0, FORGE_ROOT}, {RF_STRUCTURE, RF_BY_NONE, 1}},
        {{2, REAL_ADD, 0, 0, 0, FORGE_ROOT}, {RF_OUTPUT, RF_BY_OPERATOR, 1}},
        {{2, REAL_NEG, 0, 0, 0, FORGE_ROOT}, {RF_OUTPUT, RF_BY_OPERATOR, 1}},
    };
    fixture f = set_up(0, 1);
    for (size_t k = 0; k < sizeof CASES / sizeof *CASES; k++)
        for (uint32_t liar = 0; liar < 2; liar++) {
            real_side *x = faulty(&f, CASES[k].fault);
            real_host h = host(&f, liar ? f.truth : x, liar ? x : f.truth);
            want w = CASES[k].want;
            w.guilty = 1u << liar;
            rf_verdict v = expect(&h, w);
            cr_assert(v.step == 2 && v.node == CASES[k].fault.node && !v.has_element);
            if (w.kind == RF_STRUCTURE) cr_assert_eq(v.elements_recomputed, 0);
            free(x);
        }
    tear_down(&f);
}

/* Both forged one tensor, each in its own way: both fall, by the rule that comes first. */
Test(game_branches, T23_forged_tensors_of_both)
{
    static const struct { real_forge forge[2]; uint32_t node; want want; } CASES[] = {
        {{FORGE_TYPE, FORGE_HEADER}, REAL_NEG, {RF_STRUCTURE, RF_BY_NONE, 3}},
        {{FORGE_SHORT_CHUNK, FORGE_LONG_CHUNK}, REAL_NEG, {RF_STRUCTURE, RF_BY_NONE, 3}},
        {{FORGE_TYPE, FORGE_SHORT_CHUNK}, REAL_NEG, {RF_STRUCTURE, RF_BY_NONE, 1}},
        {{FORGE_ROOT, FORGE_TYPE}, REAL_EMPTY, {RF_STRUCTURE, RF_BY_NONE, 2}},
    };
    fixture f = set_up(0, 1);
    for (size_t k = 0; k < sizeof CASES / sizeof *CASES; k++) {
        real_side *x =
            faulty(&f, (real_fault){2, CASES[k].node, 0, 0, 0, CASES[k].forge[0]});
        real_side *y =
            faulty(&f, (real_fault){2, CASES[k].node, 0, 0, 0, CASES[k].forge[1]});
        real_host h = host(&f, x, y);
        expect(&h, CASES[k].want);
        free(x);
        free(y);
    }
    tear_down(&f);
}

/* ---- silence at each question -------------------------------------------------------- */

static rf_question_kind deaf_kind;
static vd_tree_kind deaf_tree;
static uint64_t deaf_parties; /* these do not answer; all bits: nobody, the host neither */
static int deaf_at(const rf_question *q, uint32_t party)
{
    if (q->kind != deaf_kind || (deaf_kind <= RF_Q_LEAF && q->tree != deaf_tree)) return 0;
    return party == RF_NONE ? deaf_parties == UINT64_MAX : (int)(deaf_parties >> party & 1);
}

/* A question that both are asked for their own: online whoever is silent forfeits, offline the
 * smallest unit with agreed inputs is run again. */
Test(game_branches, T26_silence_at_each_own_question)
{
    static const struct {
        rf_question_kind kind;
        vd_tree_kind tree;
        rf_method method;
    } CASES[] = {
        {RF_Q_HASHES, VD_TREE_STEPS, RF_BY_SEGMENT}, {RF_Q_LEAF, VD_TREE_STEPS, RF_BY_STEP},
        {RF_Q_HASHES, VD_TREE_NODES, RF_BY_STEP},    {RF_Q_LEAF, VD_TREE_NODES, RF_BY_STEP},
        {RF_Q_HEADER, 0, RF_BY_OPERATOR},            {RF_Q_HASHES, VD_TREE_CHUNKS, RF_BY_OPERATOR},
        {RF_Q_LEAF, VD_TREE_CHUNKS, RF_BY_OPERATOR},
    };
    fixture f = set_up(0, 1);
    real_side *x = faulty(&f, (real_fault){2, REAL_ADD, 0, 3, 1, 0});
    for (size_t k = 0; k < sizeof CASES / sizeof *CASES; k++)
        for (uint64_t silent = 1; silent < 4; silent++) {
            real_host h = host(&f, x, f.truth);
            deaf_kind = CASES[k].kind;
            deaf_tree = CASES[k].tree;
            deaf_parties = silent;
            h.deaf = deaf_at;
            rf_verdict v = expect(&h, (want){RF_OUTPUT, CASES[k].method, 1});
            cr_assert(v.provisional);
            h.online = 1;
            v = expect(&h, (want){RF_FORFEIT, RF_BY_NONE, silent});
            const char *who = silent == 3 ? "neither side" : "one side did not";
            cr_assert(strstr(v.why, who), "%s", v.why);
            cr_assert(strstr(v.why, rf_question_name(deaf_kind)), "%s", v.why);
        }
    free(x);
    tear_down(&f);
}

/* A question about what both committed to: online both fall when nobody answers. */
Test(game_branches, T26_silence_at_each_joint_question)
{
    static const struct {
        real_fault fault;
        rf_question_kind kind;
        vd_tree_kind tree;
        rf_method method;
    } CASES[] = {
        {{3, REAL_NORM, 0, 3, 1, 0}, RF_Q_STATE, 0, RF_BY_STEP},
        {{3, REAL_SUM, 0, 0, 1, 0}, RF_Q_OPERANDS, 0, RF_BY_OPERATOR},
        {{3, REAL_ADD, 0, 7, 1, 0}, RF_Q_OPERANDS, 0, RF_BY_OPERATOR},
    };
    fixture f = set_up(0, 1);
    for (size_t k = 0; k < sizeof CASES / sizeof *CASES; k++) {
        real_side *x = faulty(&f, CASES[k].fault);
        real_host h = host(&f, x, f.truth);
        deaf_kind = CASES[k].kind;
        deaf_tree = CASES[k].tree;
        deaf_parties = 3;
        h.deaf = deaf_at;
        expect(&h, (want){RF_OUTPUT, CASES[k].method, 1});
        deaf_parties = 2; /* the other one's answer is as good */
        expect(&h, (want){RF_OUTPUT, RF_BY_ELEMENT, 1});
        deaf_parties = 3;
        h.online = 1;
        rf_verdict v = expect(&h, (want){RF_WITHHELD, RF_BY_NONE, 3});
        cr_assert(strstr(v.why, "nobody showed what both"), "%s", v.why);
        cr_assert(strstr(v.why, rf_question_name(deaf_kind)), "%s", v.why);
        free(x);
    }
    tear_down(&f);
}

/* ---- the step body ------------------------------------------------------------------- */

/* State or outputs that do not follow from equal nodes, at a step with and without nodes. */
Test(game_branches, T21_state_and_outputs_that_do_not_follow)
{
    static const world_lie LIES[2] = {LIE_STATE, LIE_OUTPUTS};
    fixture f = set_up(0, 2);
    for (uint64_t step = 0; step < 6; step++)
        for (int k = 0; k < 2; k++)
            for (uint32_t liar = 0; liar < 2; liar++) {
                real_side *x = lying(&f, (world_plan){step, 0, LIES[k], 1});
                real_host h = host(&f, liar ? f.truth : x, liar ? x : f.truth);
                rf_verdict v = expect(&h, (want){RF_STEP, RF_BY_NONE, 1u << liar});
                cr_assert(v.step == step && v.has_step && !v.has_node);
                free(x);
            }
    tear_down(&f);
}

/* One lies about the state, the other about the outputs: both fall by one rule. */
Test(game_branches, T23_each_side_lies_about_another_thing)
{
    fixture f = set_up(0, 1);
    real_side *x = lying(&f, (world_plan){2, 0, LIE_STATE, 1});
    real_side *y = lying(&f, (world_plan){2, 0, LIE_OUTPUTS, 1});
    real_host h = host(&f, x, y);
    expect(&h, (want){RF_STEP, RF_BY_NONE, 3});
    free(x);
    free(y);
    tear_down(&f);
}

/* What the step body follows from is asked of both; if it is malformed both fall, if nobody shows
 * it the step is run again, and without that nobody falls. */
static int deaf_joint(const rf_question *q, uint32_t party)
{
    return q->parties == 3 && deaf_at(q, party);
}

Test(game_branches, T26_a_step_body_whose_sources_nobody_shows)
{
    static const struct {
        uint64_t step;
        world_lie lie;
        rf_question_kind kind;
        vd_tree_kind tree;
    } CASES[] = {
        {2, LIE_OUTPUTS, RF_Q_HASHES, VD_TREE_NODES}, {2, LIE_OUTPUTS, RF_Q_LEAF, VD_TREE_NODES},
        {2, LIE_OUTPUTS, RF_Q_STATE, 0},              {2, LIE_OUTPUTS, RF_Q_LEAF, VD_TREE_STEPS},
        {0, LIE_STATE, RF_Q_STATE, 0},                {2, LIE_STATE, RF_Q_LEAF, VD_TREE_NODES},
    };
    fixture f = set_up(0, 1);
    deaf_parties = 3;
    for (size_t k = 0; k < sizeof CASES / sizeof *CASES; k++) {
        real_side *x = lying(&f, (world_plan){CASES[k].step, 0, CASES[k].lie, 1});
        real_host h = host(&f, f.truth, x);
        deaf_kind = CASES[k].kind;
        deaf_tree = CASES[k].tree;
        h.deaf = deaf_joint;
        rf_verdict v = expect(&h, (want){RF_OUTPUT, RF_BY_STEP, 2});
        cr_assert(v.step == CASES[k].step && v.lo == v.step && v.hi == v.step + 1, "case %zu", k);
        h.deaf_kinds = 1u << RF_Q_RERUN;
        expect(&h, (want){RF_UNDECIDED, RF_BY_NONE, 0});
        h.deaf_kinds = 0;
        h.online = 1;
        expect(&h, (want){RF_WITHHELD, RF_BY_NONE, 3});
        free(x);
    }
    tear_down(&f);
}

Test(game_branches, T23_shared_malformed_sources)
{
    static const struct { world_plan shared; world_lie own; } CASES[] = {
        {{2, REAL_SUM, LIE_DESCRIPTOR, 1}, LIE_STATE},   /* the producer of the next state */
        {{2, REAL_ADD, LIE_NODE_INDEX, 1}, LIE_OUTPUTS}, /* of an output */
        {{2, REAL_ADD, LIE_NODE_LONG, 1}, LIE_OUTPUTS},  {{1, 0, LIE_GLOBAL, 1}, LIE_OUTPUTS},
        {{1, 0, LIE_STEP_LONG, 1}, LIE_OUTPUTS},         {{1, 0, LIE_PHASE, 1}, LIE_STATE},
        {{1, 0, LIE_PHASE_STEP, 1}, LIE_STATE},          {{1, 0, LIE_REPEAT, 1}, LIE_STATE},
    };
    fixture f = set_up(0, 1);
    for (size_t k = 0; k < sizeof CASES / sizeof *CASES; k++) {
        world_plan plans[2] = {CASES[k].shared, {2, 0, CASES[k].own, 1}};
        real_side *x = real_run(f.tensors, f.job, NULL, 0, plans, 2);
        real_side *y = real_run(f.tensors, f.job, NULL, 0, plans, 1);
        real_host h = host(&f, x, y);
        h.truth = f.truth;
        rf_verdict v = expect(&h, (want){RF_STRUCTURE, RF_BY_NONE, 3});
        cr_assert(v.step == 2 && h.asked[RF_Q_RERUN] == 0, "case %zu", k);
        free(x);
        free(y);
    }
    tear_down(&f);
}

/* ---- nodes --------------------------------------------------------------------------- */

Test(game_branches, T62_a_step_without_nodes_has_no_node_root)
{
    fixture f = set_up(0, 1);
    real_side *x = lying(&f, (world_plan){0, 0, LIE_NODE_ROOT, 1});
    real_side *y = lying(&f, (world_plan){0, 0, LIE_NODE_ROOT, 2});
    for (uint32_t liar = 0; liar < 2; liar++) {
        real_host h = host(&f, liar ? f.truth : x, liar ? x : f.truth);
        expect(&h, (want){RF_STRUCTURE, RF_BY_NONE, 1u << liar});
    }
    real_host h = host(&f, x, y);
    expect(&h, (want){RF_STRUCTURE, RF_BY_NONE, 3});
    free(x);
    free(y);
    tear_down(&f);
}

/* Alter a byte of a node's record and hash all above it again. */
static void forge_record(real_side *x, const vd_job *j, uint64_t step, uint32_t node, size_t at,
                         uint8_t flip)
{
    world_leaf *l = &x->w.node[step][node];
    l->bytes[at] ^= flip;
    vd_leaf_hash(VD_TREE_NODES, l->bytes, l->size, x->w.node_hash[step][node]);
    vd_tree_root(VD_TREE_NODES, x->w.node_hash[step][0], REAL_NODES, x->w.step[step].bytes + 92);
    vd_leaf_hash(VD_TREE_STEPS, x->w.step[step].bytes, x->w.step[step].size, x->w.step_hash[step]);
    real_body(x, j);
    world_seal(&x->w);
}

/* An input of each kind altered in the record: what it must be is agreed, and named. */
Test(game_branches, T18_inputs_of_every_kind)
{
    static const struct { uint32_t node, at, input; } CASES[] = {
        {REAL_ADD, 0, 0},  {REAL_ADD, 1, 1},  {REAL_SUM, 0, 0},
        {REAL_NORM, 0, 0}, {REAL_NORM, 1, 2}, {REAL_NEG, 0, 0},
    };
    fixture f = set_up(0, 1);
    for (size_t k = 0; k < sizeof CASES / sizeof *CASES; k++) {
        real_side *x = lying(&f, (world_plan){0});
        forge_record(x, f.job, 2, CASES[k].node, 48 + 32 * CASES[k].at, 1);
        for (uint32_t liar = 0; liar < 2; liar++) {
            real_host h = host(&f, liar ? f.truth : x, liar ? x : f.truth);
            rf_verdict v = expect(&h, (want){RF_INPUTS, RF_BY_NONE, 1u << liar});
            cr_assert(v.node == CASES[k].node && v.input == CASES[k].input, "case %zu", k);
        }
        free(x);
    }
    tear_down(&f);
}

/* The first input that is wrong on any side is named, whoever's it is. */
Test(game_branches, T23_each_side_alters_another_input)
{
    fixture f = set_up(0, 1);
    int met[2] = {0, 0};
    for (uint8_t flip = 1; flip; flip = (uint8_t)(flip << 1)) { /* who is side 0 is by the roots */
        real_side *x = lying(&f, (world_plan){0}), *y = lying(&f, (world_plan){0});
        forge_record(x, f.job, 2, REAL_NORM, 48, flip);
        forge_record(y, f.job, 2, REAL_NORM, 48 + 32, flip);
        real_host h = host(&f, x, y);
        rf_verdict v = expect(&h, (want){RF_INPUTS, RF_BY_NONE, 3});
        cr_assert_eq(v.input, 0);
        met[v.sides[0]] = 1;
        free(x);
        free(y);
    }
    cr_assert(met[0] && met[1]);
    tear_down(&f);
}

/* A record as long as the job's, in which an input is passed off as an output; and records of
 * another step, another node, another operator, too long. */
Test(game_branches, T20_records_that_are_not_the_nodes)
{
    fixture f = set_up(0, 1);
    real_side *x = lying(&f, (world_plan){0});
    world_leaf *l = &x->w.node[2][REAL_ADD]; /* two inputs, one output */
    uint8_t moved[32];
    memcpy(moved, l->bytes + 48 + 32, 32);
    l->bytes[44] = 1;
    memset(l->bytes + 48 + 32, 0, 4);
    l->bytes[48 + 32] = 2;
    memcpy(l->bytes + 48 + 32 + 4, moved, 32);
    forge_record(x, f.job, 2, REAL_ADD, 0, 0);
    for (uint32_t liar = 0; liar < 2; liar++) {
        real_host h = host(&f, liar ? f.truth : x, liar ? x : f.truth);
        rf_verdict v = expect(&h, (want){RF_STRUCTURE, RF_BY_NONE, 1u << liar});
        cr_assert(v.node == REAL_ADD && v.step == 2);
    }
    free(x);
    static const world_lie LIES[] = {LIE_DESCRIPTOR, LIE_NODE_STEP, LIE_NODE_INDEX, LIE_NODE_COUNT,
                                     LIE_NODE_LONG};
    for (size_t k = 0; k < sizeof LIES / sizeof *LIES; k++) {
        x = lying(&f, (world_plan){2, REAL_NORM, LIES[k], 1});
        real_host h = host(&f, x, f.truth);
        rf_verdict v = expect(&h, (want){RF_STRUCTURE, RF_BY_NONE, 1});
        cr_assert(v.node == REAL_NORM && v.step == 2);
        free(x);
    }
    tear_down(&f);
}

/* An operator that is run again where its element cannot be shown, and the step where it cannot. */
Test(game_branches, T26_from_the_element_to_the_step)
{
    fixture f = set_up(0, 1);
    real_side *x = faulty(&f, (real_fault){2, REAL_POOL, 1, 3, 1, 0});
    real_host h = host(&f, x, f.truth);
    h.deaf_kinds = 1u << RF_Q_OPERANDS;
    rf_verdict v = expect(&h, (want){RF_OUTPUT, RF_BY_OPERATOR, 1});
    cr_assert(v.provisional && !v.has_element);
    cr_assert_eq(v.elements_recomputed, 24); /* both outputs: 3 x 1 x 2 x 2 each, twice */
    h.deaf_kinds |= 1u << RF_Q_OPERATOR;
    v = expect(&h, (want){RF_OUTPUT, RF_BY_STEP, 1});
    cr_assert(v.lo == 2 && v.hi == 3);
    h.deaf_kinds |= 1u << RF_Q_RERUN;
    expect(&h, (want){RF_UNDECIDED, RF_BY_NONE, 0});
    free(x);
    tear_down(&f);
}

/* The operator's run agrees with neither, or the steps' run does: both fall. */
Test(game_branches, T23_both_wrong_where_it_is_run_again)
{
    fixture f = set_up(0, 1);
    real_side *x = faulty(&f, (real_fault){2, REAL_POOL, 1, 3, 1, 0});
    real_side *y = faulty(&f, (real_fault){2, REAL_POOL, 1, 3, 2, 0});
    real_host h = host(&f, x, y);
    h.deaf_kinds = 1u << RF_Q_OPERANDS;
    expect(&h, (want){RF_OUTPUT, RF_BY_OPERATOR, 3});
    h.deaf_kinds |= 1u << RF_Q_OPERATOR;
    expect(&h, (want){RF_OUTPUT, RF_BY_STEP, 3});
    h.not_landed = 1;
    expect(&h, (want){RF_WITHHELD, RF_BY_STEP, 3});
    free(x);
    free(y);
    tear_down(&f);
}

/* ---- segments and their claims ------------------------------------------------------- */

enum { AT = 5 }; /* a step of segment 2 of 4; steps 4 and 5 are its own */

static int first_claims(const real_host *h, const rf_game *g)
{
    int standing = 0;
    for (uint32_t k = 0; k < h->claim_count; k++)
        standing |= real_claim_stands(h, g, k) << k;
    return standing;
}

Test(game_branches, claims_of_both_lead_to_the_element)
{
    fixture f = set_up(2, 2);
    for (uint32_t liar = 0; liar < 2; liar++)
        for (uint64_t step = 0; step < 8; step++) {
            if (step % 4 == 0) continue; /* a step without nodes has no element */
            real_side *x = faulty(&f, (real_fault){step, REAL_NEG, 0, 2, 1, 0});
            real_host h = host(&f, liar ? f.truth : x, liar ? x : f.truth);
            for (uint32_t k = 0; k < 2; k++)
                real_claim(&h, h.sides[k], h.sides[k], step / 2, 1);
            rf_game *g = real_play(&h);
            const rf_verdict *v = rf_game_verdict(g);
            cr_assert(v->kind == RF_OUTPUT && v->method == RF_BY_ELEMENT, "%s", v->why);
            cr_assert(v->step == step && v->node == REAL_NEG && v->element == 2);
            cr_assert_eq(world_guilty(g), 1u << liar);
            cr_assert_eq(v->struck_claims, 1);
            cr_assert_eq(first_claims(&h, g), liar ? 1 : 2);
            rf_game_free(g);
            free(x);
        }
    tear_down(&f);
}

/* Claims that are not of the pair, the segment, or that do not fit the committed leaf do not count;
 * nor does one that nobody opens. Then the segment is run again. */
Test(game_branches, T24_claims_that_are_not_admitted)
{
    fixture f = set_up(2, 2);
    real_side *x = faulty(&f, (real_fault){AT, REAL_NEG, 0, 2, 1, 0});
    real_side *state = lying(&f, (world_plan){AT, 0, LIE_STATE, 1});
    real_side *outputs = lying(&f, (world_plan){4, 0, LIE_OUTPUTS, 1});
    real_side *shape = lying(&f, (world_plan){4, 0, LIE_GLOBAL, 1});
    const real_side *sources[4] = {state, outputs, shape, f.truth};
    for (int k = 0; k < 6; k++) {
        real_host h = host(&f, x, f.truth);
        real_claim(&h, x, x, 2, 1);
        if (k < 3) real_claim(&h, sources[k], f.truth, 2, 1);
        if (k == 3) real_claim(&h, f.truth, f.truth, 1, 1); /* another segment */
        if (k == 4) real_claim(&h, f.truth, state, 2, 1);   /* another trace */
        if (k == 5) {
            real_claim(&h, f.truth, f.truth, 2, 1);
            h.deaf_kinds = 1u << RF_Q_STEP_LEAVES;
        }
        rf_verdict v = expect(&h, (want){RF_OUTPUT, RF_BY_SEGMENT, 1});
        cr_assert(v.lo == 4 && v.hi == 6 && !v.has_step && v.provisional, "case %d", k);
        cr_assert_eq(v.struck_claims, 0);
        h.deaf_kinds |= 1u << RF_Q_RERUN;
        expect(&h, (want){RF_UNDECIDED, RF_BY_NONE, 0});
        h.online = 1; /* the window is empty, whatever was handed in */
        if (k < 5) expect(&h, (want){RF_FORFEIT, RF_BY_NONE, 2});
        h.claim_count = 0;
        expect(&h, (want){RF_FORFEIT, RF_BY_NONE, 3});
    }
    free(x);
    free(state);
    free(outputs);
    free(shape);
    tear_down(&f);
}

/* A false claim of a segment under the honest root that lies before (or behind) the honest one, by
 * its bytes: online claims stand in that order, and who forges one can try until it does. */
static real_side *saboteur(fixture *f, uint32_t node, int before)
{
    for (uint32_t k = 0; k < 256; k++) {
        world_plan plan = {AT, node, LIE_OUTPUT, (uint8_t)(k + 1)};
        real_side *x = node == REAL_SUM
                           ? lying(f, plan)
                           : faulty(f, (real_fault){AT, node, 0, k % 8, 2u + 2 * (k / 8), 0});
        real_host h = host(f, x, f->truth);
        real_claim(&h, x, f->truth, 2, 0);
        real_claim(&h, f->truth, f->truth, 2, 1);
        int order = memcmp(h.claims[0].body.tree.b, h.claims[1].body.tree.b, VD_DIGEST);
        if (before ? order < 0 : order > 0) return x;
        free(x);
    }
    cr_assert(0, "no such claim in 256 tries");
    return NULL;
}

/* The same claim handed in twice is one; a false one is struck out and the next one speaks. What
 * nobody comes to is not struck: offline claims stand as they were handed in, online as sorted. */
Test(game_branches, T24_T61_false_claims_under_the_honest_root)
{
    fixture f = set_up(2, 2);
    real_side *x = faulty(&f, (real_fault){AT, REAL_NEG, 0, 2, 1, 0});
    real_side *bad[2] = {saboteur(&f, REAL_SUM, 0), saboteur(&f, REAL_SUM, 1)};
    for (uint32_t liar = 0; liar < 2; liar++)
        for (int k = 0; k < 4; k++) {
            int online = k & 1, before = k >> 1 || !online;
            real_host h = host(&f, liar ? f.truth : x, liar ? x : f.truth);
            h.online = online;
            real_claim(&h, bad[k >> 1], f.truth, 2, 0);
            real_claim(&h, bad[k >> 1], f.truth, 2, 0);
            real_claim(&h, f.truth, f.truth, 2, 1);
            real_claim(&h, x, x, 2, 1);
            rf_game *g = real_play(&h);
            const rf_verdict *v = rf_game_verdict(g);
            cr_assert(v->kind == RF_OUTPUT && v->step == AT, "%s", v->why);
            cr_assert_eq(world_guilty(g), 1u << liar);
            cr_assert_eq(v->struck_claims, before ? 2u : 1u);
            /* Of twins the first is judged. */
            cr_assert_eq(first_claims(&h, g), before ? 2 | 4 : 1 | 2 | 4);
            cr_assert_eq(h.asked[RF_Q_STEP_LEAVES], online ? 0u : 3u);
            cr_assert_eq(h.asked[RF_Q_SEGMENTS], online ? 2u : 0u);
            if (online) {
                real_window *w = &h.windows[h.windows[1].count == 2];
                cr_assert(w->count == 2 && w->claim[!before] == 0 && w->claim[before] == 2);
                cr_assert(!rf_game_struck(g, &w->q, RF_FILED_MAX));
                cr_assert(rf_game_struck(g, &w->q, !before) == before);
                w->q.lo++;
                cr_assert(!rf_game_struck(g, &w->q, 0), "a window that never was");
            }
            rf_game_free(g);
        }
    free(x);
    free(bad[0]);
    free(bad[1]);
    tear_down(&f);
}

/* A round of claims leaves nothing behind but who was struck: an element found in the first, a
 * state that does not follow in the second, or an answer that does not come. */
Test(game_branches, T24_each_round_of_claims_begins_afresh)
{
    fixture f = set_up(2, 2);
    /* The pool's output goes nowhere, so its claim ends as the honest one does. */
    real_side *bad = saboteur(&f, REAL_POOL, 1);
    real_side *x = lying(&f, (world_plan){AT, 0, LIE_STATE, 1});
    real_side *y = faulty(&f, (real_fault){AT, REAL_NORM, 0, 2, 1, 0});
    for (int online = 0; online < 2; online++) {
        real_host h = host(&f, x, f.truth);
        h.online = online;
        real_claim(&h, bad, f.truth, 2, 0);
        real_claim(&h, f.truth, f.truth, 2, 1);
        real_claim(&h, x, x, 2, 1);
        rf_verdict v = expect(&h, (want){RF_STEP, RF_BY_NONE, 1});
        cr_assert(v.has_step && !v.has_node && !v.has_element && !v.has_value);
        cr_assert(v.step == AT && v.struck_claims == 2);
    }
    real_host h = host(&f, y, f.truth);
    real_claim(&h, bad, f.truth, 2, 0);
    real_claim(&h, f.truth, f.truth, 2, 1);
    real_claim(&h, y, y, 2, 1);
    h.online = 1;
    deaf_kind = RF_Q_STATE; /* what the second round asks for, and the first does not */
    deaf_parties = 3;
    h.deaf = deaf_at;
    rf_verdict v = expect(&h, (want){RF_WITHHELD, RF_BY_NONE, 3});
    cr_assert(v.has_node && !v.has_element && !v.has_value && v.struck_claims == 3);
    free(bad);
    free(x);
    free(y);
    tear_down(&f);
}

/* A job of one segment: two nodes that negate a constant and that again; the last is put out. */
static fixture set_up_twice_negated(void)
{
    fixture f = {calloc(1, sizeof *f.tensors), NULL, NULL};
    ro_err err = {RO_OK, {0}};
    f.tensors->arena = ro_arena_new();
    f.job = real_job(f.tensors, 1, 1, 2);
    ro_graph *g = (ro_graph *)(uintptr_t)f.job->phases[0].graph;
    ro_value x = real_floats(f.tensors, f.job, g, 1, (int64_t[]){64});
    ro_value y = real_emit(g, RO_OP_Neg, NULL, &x, 1, 1);
    y = real_emit(g, RO_OP_Neg, NULL, &y, 1, 1);
    real_ends(f.job, g, RO_NO_VALUE, RO_NO_VALUE, &y, 1);
    f.job->phases[0].steps = 2;
    must(vd_job_seal(f.job, &err), &err);
    f.truth = real_run(f.tensors, f.job, NULL, 0, NULL, 0);
    return f;
}

/* Claims of both roots agree on a false input of the node on whose output they differ. What was
 * shown and computed of it is not of the same element under the true input, about which the honest
 * claim and another of the liar's differ: its own follows from the false one. */
Test(game_branches, T24_what_is_computed_is_of_what_is_agreed)
{
    uint32_t played = 0;
    for (uint64_t e = 0; e < 64; e++) {
        fixture f = set_up_twice_negated();
        const real_fault faults[2] = {{1, 0, 0, e, 1, 0}, {1, 1, 0, e, 1, 0}};
        real_side *bad = real_run(f.tensors, f.job, faults, 2, NULL, 0);
        real_side *follows = real_run(f.tensors, f.job, faults, 1, NULL, 0);
        real_side *x = real_run(f.tensors, f.job, faults + 1, 1, NULL, 0);
        for (int way = 0; way < 3; way++) {
            const rf_method method = way == 2 ? RF_BY_OPERATOR : RF_BY_ELEMENT;
            real_host h = host(&f, x, f.truth);
            h.online = way == 1;
            if (way == 2) h.deaf_kinds = 1u << RF_Q_OPERANDS;
            real_claim(&h, bad, f.truth, 0, 0);
            real_claim(&h, f.truth, f.truth, 0, 1);
            real_claim(&h, follows, x, 0, 1);
            real_claim(&h, x, x, 0, 1);
            rf_verdict v = expect(&h, (want){RF_OUTPUT, method, 1});
            cr_assert(v.has_value == (way < 2) && v.provisional == (way == 2));
            if (v.struck_claims < 3 || v.node == 0) continue; /* their bytes order them otherwise */
            cr_assert_eq(h.asked[RF_Q_OPERANDS], 3); /* of it twice, and of its input */
            cr_assert_eq(h.asked[way < 2 ? RF_Q_KERNEL : RF_Q_OPERATOR], 3);
            played++;
        }
        free(bad);
        free(follows);
        free(x);
        tear_down(&f);
    }
    cr_assert_geq(played, 128);
}

/* Alone, a claim that its root's owner did not sign falls without the root; online all have had
 * their turn, and a root without a claim left falls; a claim of its own takes it with it. */
Test(game_branches, T24_what_falls_with_the_last_claim)
{
    fixture f = set_up(2, 2);
    real_side *x = faulty(&f, (real_fault){AT, REAL_NEG, 0, 2, 1, 0});
    real_side *bad = lying(&f, (world_plan){AT, REAL_SUM, LIE_OUTPUT, 1});
    real_host h = host(&f, x, f.truth);
    real_claim(&h, bad, f.truth, 2, 0);
    real_claim(&h, x, x, 2, 1);
    rf_verdict v = expect(&h, (want){RF_OUTPUT, RF_BY_SEGMENT, 1});
    cr_assert(!v.has_step && !v.has_node && !v.has_element && v.struck_claims == 1);
    real_host other = host(&f, x, f.truth); /* in whatever order they were handed in */
    real_claim(&other, x, x, 2, 1);
    real_claim(&other, bad, f.truth, 2, 0);
    expect(&other, (want){RF_OUTPUT, RF_BY_SEGMENT, 1});
    h.online = 1;
    expect(&h, (want){RF_FORFEIT, RF_BY_NONE, 2}); /* what its record names cannot be shown */
    h.online = 0;
    h.claims[0].own = 1;
    expect(&h, (want){RF_OUTPUT, RF_BY_OPERATOR, 2});
    free(x);
    free(bad);
    tear_down(&f);
}

/* Both sides' claims are false at one place: both fall if both are their own. */
Test(game_branches, T23_claims_of_both_are_false)
{
    fixture f = set_up(2, 2);
    real_side *x = faulty(&f, (real_fault){AT, REAL_NEG, 0, 2, 1, 0});
    real_side *y = faulty(&f, (real_fault){AT, REAL_NEG, 0, 2, 2, 0});
    real_host h = host(&f, x, y);
    real_claim(&h, x, x, 2, 1);
    real_claim(&h, y, y, 2, 1);
    rf_verdict v = expect(&h, (want){RF_OUTPUT, RF_BY_ELEMENT, 3});
    cr_assert_eq(v.struck_claims, 2);
    h.claims[0].own = 0; /* then the segment is run again, and both are wrong */
    expect(&h, (want){RF_OUTPUT, RF_BY_SEGMENT, 3});
    h.claims[0].own = 1;
    h.kernel_flip = 1; /* a contradiction of the referee's own strikes nothing */
    v = expect(&h, (want){RF_UNDECIDED, RF_BY_NONE, 0});
    cr_assert(v.alarm && v.struck_claims == 0);
    free(x);
    free(y);
    tear_down(&f);
}

Test(game_branches, T18_segment_leaves_that_are_malformed)
{
    static const struct { size_t at; want want; } CASES[] = {
        {0, {RF_STRUCTURE, RF_BY_NONE, 0}},  {8, {RF_STRUCTURE, RF_BY_NONE, 0}},
        {16, {RF_STRUCTURE, RF_BY_NONE, 0}}, {24, {RF_OUTPUT, RF_BY_SEGMENT, 0}},
        {56, {RF_OUTPUT, RF_BY_SEGMENT, 0}}, {VD_SEGMENT_LEAF_BYTES, {RF_STRUCTURE, RF_BY_NONE, 0}},
    };
    fixture f = set_up(2, 2);
    for (size_t k = 0; k < sizeof CASES / sizeof *CASES; k++)
        for (uint32_t liar = 0; liar < 2; liar++) {
            real_side *x = faulty(&f, (real_fault){0});
            real_forge_segment(x, f.job, 1, CASES[k].at);
            real_host h = host(&f, liar ? f.truth : x, liar ? x : f.truth);
            want w = CASES[k].want;
            w.guilty = 1u << liar;
            expect(&h, w);
            free(x);
        }
    tear_down(&f);
}

/* The leaf of the segment before the difference is shared: if it is malformed both fall, if nobody
 * shows it the run begins at the job's first state. */
Test(game_branches, T23_T26_the_segment_before)
{
    fixture f = set_up(2, 2);
    for (int k = 0; k < 2; k++) {
        real_side *x = faulty(&f, (real_fault){AT, REAL_NEG, 0, 2, 1, 0});
        real_side *y = faulty(&f, (real_fault){0});
        real_host h = host(&f, x, y);
        if (k == 0) {
            real_forge_segment(x, f.job, 1, 8);
            real_forge_segment(y, f.job, 1, 8);
            expect(&h, (want){RF_STRUCTURE, RF_BY_NONE, 3});
        } else {
            deaf_kind = RF_Q_LEAF;
            deaf_tree = VD_TREE_SEGMENTS;
            deaf_parties = 3;
            h.deaf = deaf_joint;
            expect(&h, (want){RF_OUTPUT, RF_BY_SEGMENT, 1});
            h.online = 1;
            expect(&h, (want){RF_WITHHELD, RF_BY_NONE, 3});
        }
        free(x);
        free(y);
    }
    tear_down(&f);
}

Test(game_branches, T26_silence_about_a_segment)
{
    static const rf_question_kind KINDS[2] = {RF_Q_HASHES, RF_Q_LEAF};
    fixture f = set_up(2, 2);
    real_side *x = faulty(&f, (real_fault){AT, REAL_NEG, 0, 2, 1, 0});
    for (int k = 0; k < 2; k++) {
        real_host h = host(&f, x, f.truth);
        deaf_kind = KINDS[k];
        deaf_tree = VD_TREE_SEGMENTS;
        deaf_parties = 1;
        h.deaf = deaf_at;
        rf_verdict v = expect(&h, (want){RF_OUTPUT, RF_BY_SEGMENT, 1});
        cr_assert(k ? v.lo == 4 && v.hi == 6 : v.lo == 0 && v.hi == 8);
        h.online = 1;
        expect(&h, (want){RF_FORFEIT, RF_BY_NONE, 1});
    }
    free(x);
    tear_down(&f);
}

/* The steps of a claim that nobody opens: the smallest unit in it is run again. */
Test(game_branches, T26_silence_inside_a_claim)
{
    static const struct { rf_question_kind kind; vd_tree_kind tree; uint64_t lo, hi; } CASES[] = {
        {RF_Q_HASHES, VD_TREE_STEPS, 4, 6}, {RF_Q_LEAF, VD_TREE_STEPS, 5, 6},
        {RF_Q_HASHES, VD_TREE_NODES, 5, 6}, {RF_Q_LEAF, VD_TREE_NODES, 5, 6},
    };
    fixture f = set_up(2, 2);
    real_side *x = faulty(&f, (real_fault){AT, REAL_NEG, 0, 2, 1, 0});
    for (size_t k = 0; k < sizeof CASES / sizeof *CASES; k++) {
        real_host h = host(&f, x, f.truth);
        real_claim(&h, x, x, 2, 1);
        real_claim(&h, f.truth, f.truth, 2, 1);
        deaf_kind = CASES[k].kind;
        deaf_tree = CASES[k].tree;
        deaf_parties = 1;
        h.deaf = deaf_at;
        rf_verdict v =
            expect(&h, (want){RF_OUTPUT, k ? RF_BY_STEP : RF_BY_SEGMENT, 1});
        cr_assert(v.lo == CASES[k].lo && v.hi == CASES[k].hi, "case %zu", k);
    }
    free(x);
    tear_down(&f);
}

/* ---- bodies over equal trees --------------------------------------------------------- */

/* Alter the last state, the outputs root (over another digest at step `at`), or both. */
static void forge_body(real_side *x, const vd_job *j, int state, int outputs, uint64_t at)
{
    if (state) x->w.body.last_state.b[state] ^= 1;
    if (outputs) {
        x->w.output_hash[at][outputs] ^= 1;
        vd_tree_root(VD_TREE_OUTPUTS, x->w.output_hash[0], j->steps, x->w.body.outputs.b);
    }
    world_seal(&x->w);
}

Test(game_branches, T18_bodies_at_both_levels)
{
    for (uint32_t segment = 0; segment < 3; segment += 2) {
        fixture f = set_up(segment, 2);
        for (int what = 1; what < 4; what++)
            for (uint32_t liar = 0; liar < 2; liar++) {
                real_side *x = faulty(&f, (real_fault){0}), *y = faulty(&f, (real_fault){0});
                real_host h = host(&f, liar ? f.truth : x, liar ? x : f.truth);
                forge_body(x, f.job, what & 1, what & 2, 5);
                rf_verdict v = expect(&h, (want){RF_STEP, RF_BY_NONE, 1u << liar});
                cr_assert(v.has_step && v.step == (what & 2 ? 5u : 7u), "%d", what);
                h = host(&f, x, y);
                forge_body(y, f.job, what & 1 ? 2 : 0, what & 2 ? 3 : 0, 5);
                expect(&h, (want){RF_STEP, RF_BY_NONE, 3});
                free(x);
                free(y);
            }
        tear_down(&f);
    }
}

/* One side is wrong about the state, the other about the outputs. */
Test(game_branches, T23_bodies_wrong_in_different_fields)
{
    fixture f = set_up(0, 2);
    real_side *x = faulty(&f, (real_fault){0}), *y = faulty(&f, (real_fault){0});
    forge_body(x, f.job, 1, 0, 0);
    forge_body(y, f.job, 0, 1, 3);
    real_host h = host(&f, x, y);
    rf_verdict v = expect(&h, (want){RF_STEP, RF_BY_NONE, 3});
    cr_assert_eq(v.step, 3);
    free(x);
    free(y);
    tear_down(&f);
}

Test(game_branches, T26_bodies_whose_sources_nobody_shows)
{
    static const struct {
        uint32_t segment;
        rf_question_kind kind;
        vd_tree_kind tree;
        int state, outputs;
        rf_method method;
    } CASES[] = {
        {0, RF_Q_HASHES, VD_TREE_STEPS, 1, 0, RF_BY_NONE},
        {0, RF_Q_LEAF, VD_TREE_STEPS, 1, 0, RF_BY_NONE},
        {0, RF_Q_LEAF, VD_TREE_STEPS, 0, 1, RF_BY_STEP},
        {0, RF_Q_HASHES, VD_TREE_STEPS, 0, 1, RF_BY_STEP},
        {2, RF_Q_LEAF, VD_TREE_SEGMENTS, 1, 0, RF_BY_NONE},
        {2, RF_Q_HASHES, VD_TREE_SEGMENTS, 0, 1, RF_BY_STEP},
        {2, RF_Q_LEAF, VD_TREE_SEGMENTS, 0, 1, RF_BY_STEP},
        {2, RF_Q_OUTPUTS, 0, 1, 0, RF_BY_NONE},
        {2, RF_Q_OUTPUTS, 0, 0, 1, RF_BY_STEP},
    };
    for (size_t k = 0; k < sizeof CASES / sizeof *CASES; k++) {
        fixture f = set_up(CASES[k].segment, 2);
        real_side *x = faulty(&f, (real_fault){0});
        real_host h = host(&f, x, f.truth);
        forge_body(x, f.job, CASES[k].state, CASES[k].outputs, 5);
        deaf_kind = CASES[k].kind;
        deaf_tree = CASES[k].tree;
        deaf_parties = 3;
        h.deaf = deaf_at;
        rf_game *g = real_play(&h);
        const rf_verdict *v = rf_game_verdict(g);
        cr_assert_eq(world_guilty(g), 1, "case %zu: %s", k, v->why);
        cr_assert_eq(v->kind, CASES[k].outputs ? RF_OUTPUT : RF_STEP, "case %zu", k);
        cr_assert(v->provisional && h.asked[RF_Q_RERUN] == 1);
        if (CASES[k].outputs) cr_assert(v->lo == 5 && v->hi == 6 && v->method == RF_BY_STEP);
        else cr_assert(v->lo == 0 && v->hi == 8 && v->method == RF_BY_SEGMENT);
        rf_game_free(g);
        h.deaf_kinds = 1u << RF_Q_RERUN;
        expect(&h, (want){RF_UNDECIDED, RF_BY_NONE, 0});
        h.deaf_kinds = 0;
        h.online = 1;
        expect(&h, (want){RF_WITHHELD, RF_BY_NONE, 3});
        free(x);
        tear_down(&f);
    }
}

/* The outputs trees themselves are not shown: they are the unit. */
Test(game_branches, T26_silence_about_the_outputs_tree)
{
    fixture f = set_up(0, 2);
    real_side *x = faulty(&f, (real_fault){0});
    real_host h = host(&f, x, f.truth);
    forge_body(x, f.job, 0, 1, 5);
    deaf_kind = RF_Q_HASHES;
    deaf_tree = VD_TREE_OUTPUTS;
    deaf_parties = 1;
    h.deaf = deaf_at;
    rf_verdict v = expect(&h, (want){RF_OUTPUT, RF_BY_SEGMENT, 1});
    cr_assert(v.lo == 0 && v.hi == 8 && !v.has_step);
    h.online = 1;
    expect(&h, (want){RF_FORFEIT, RF_BY_NONE, 1});
    free(x);
    tear_down(&f);
}

Test(game_branches, T23_shared_malformed_ends)
{
    for (uint32_t segment = 0; segment < 3; segment += 2)
        for (int outputs = 0; outputs < 2; outputs++) {
            fixture f = set_up(segment, 2);
            world_plan plan = {outputs ? 5 : 7, 0, segment ? LIE_NONE : LIE_GLOBAL, 1};
            real_side *x = lying(&f, plan), *y = lying(&f, plan);
            real_host h = host(&f, x, y);
            if (segment) {
                real_forge_segment(x, f.job, outputs ? 2 : 3, 16);
                real_forge_segment(y, f.job, outputs ? 2 : 3, 16);
            }
            forge_body(x, f.job, !outputs, outputs, 5);
            expect(&h, (want){RF_STRUCTURE, RF_BY_NONE, 3});
            free(x);
            free(y);
            tear_down(&f);
        }
}

/* ---- trees of more than one answer --------------------------------------------------- */

/* A line of steps, or of segments of one step, that takes two answers. Its leaves are made up: what
 * counts is what is asked. */
enum { LONG = 5000, LATE = 4090 }; /* right of 4,096 leaves are one answer deep */
typedef struct {
    uint8_t leaf[LONG][VD_STEP_LEAF_BYTES], hash[LONG][VD_DIGEST];
    vd_tree_kind tree;
    size_t size;
} long_side;

static void long_leaf(long_side *x, const vd_job *j, uint64_t s)
{
    vd_place place = vd_job_locate(j, s);
    vd_step_leaf l = {place.repeat, place.phase, place.step, s, made_up(s, 0, 0),
                      made_up(s, 1, 0), made_up(s, 2, 0)};
    vd_segment_leaf g = {s, s, 1, made_up(s, 0, 0), made_up(s, 1, 0)};
    if (j->segment) x->size = vd_segment_leaf_encode(&g, x->leaf[s]);
    else x->size = vd_step_leaf_encode(&l, x->leaf[s]);
}

/* wrong[k]: leaves of nothing; LONG: none. */
static void long_run(long_side *x, const vd_job *j, const uint64_t wrong[2], rf_party *party)
{
    vd_trace_body b = {j->record, j->segment, j->digest, j->steps, 0, j->first_state, {{0}}, {{0}},
                       {{0}}};
    for (uint32_t p = 0; p < j->phase_count && !j->segment; p++)
        b.node_count += j->phases[p].steps * j->phases[p].graph->node_count;
    x->tree = j->segment ? VD_TREE_SEGMENTS : VD_TREE_STEPS;
    for (uint64_t s = 0; s < LONG; s++) {
        long_leaf(x, j, s);
        if (s == wrong[0] || s == wrong[1]) x->leaf[s][0] ^= 1;
        vd_leaf_hash(x->tree, x->leaf[s], x->size, x->hash[s]);
    }
    vd_tree_root(x->tree, x->hash[0], LONG, b.tree.b);
    vd_trace_body_encode(&b, party->body);
    party->root = vd_trace_root(&b);
}

/* mode: 0 all is shown, 1 the deeper hashes only where both agree, 2 those neither. */
static void long_answer(const long_side *x, rf_game *g, const rf_question *q, int mode)
{
    static uint8_t out[VD_DESCEND_MAX * VD_DIGEST];
    int accepted = 0;
    size_t n = 0;
    ro_err err = {RO_OK, {0}};
    int deep = q->lo > 0 || q->hi < LONG, joint = q->parties == 3;
    if (q->kind == RF_Q_HASHES && (!deep || mode == 0 || (joint && mode == 1)))
        n = VD_DIGEST * (size_t)vd_descend_from_leaves(q->tree, x->hash[0], LONG, q->lo, q->hi,
                                                       q->depth, out);
    if (q->kind == RF_Q_LEAF) {
        n = x->size;
        memcpy(out, x->leaf[q->lo], n);
    }
    if (q->kind == RF_Q_RERUN) {
        cr_assert(q->tree == x->tree && q->lo == LATE && q->hi == LATE + 2);
        cr_assert_eq(q->has_state, mode == 1);
        vd_tree_root(x->tree, x->hash[q->lo], 2, out);
        memset(out + VD_DIGEST, 1, VD_DIGEST + 1);
        n = 2 * VD_DIGEST + 1;
    }
    if (n) must(rf_game_answer(g, q, RF_NONE, out, n, &accepted, &err), &err);
    rf_game_cannot(g, q, RF_NONE);
}

/* The leaf LATE of one side is of no step; where `shared`, so is the leaf before it, of both. */
static void check_long(const vd_job *j, long_side *x[2], int mode, int shared)
{
    rf_party parties[2];
    rf_setup s = {j, parties, 2, NULL, 0, 0, j->digest};
    rf_question open[RF_OPEN_MAX];
    uint32_t count;
    rf_game *g = NULL;
    ro_err err = {RO_OK, {0}};
    uint64_t wrong[2] = {shared ? LATE - 1 : LONG, LONG};
    long_run(x[0], j, wrong, &parties[0]);
    wrong[1] = LATE;
    long_run(x[1], j, wrong, &parties[1]);
    must(rf_game_new(&s, &g, &err), &err);
    for (must(rf_game_next(g, open, &count, &err), &err); count;
         must(rf_game_next(g, open, &count, &err), &err))
        for (uint32_t k = 0; k < count; k++)
            long_answer(x[open[k].parties == 2], g, &open[k], mode);
    const rf_verdict *v = rf_game_verdict(g);
    int both = mode == 1 && shared, structure = mode == 0 || both;
    cr_assert_eq(world_guilty(g), both ? 3 : 2, "mode %d, %d: %s", mode, shared, v->why);
    cr_assert_eq(v->kind, structure ? RF_STRUCTURE : RF_OUTPUT, "mode %d, %d: %s", mode, shared,
                 v->why);
    cr_assert_eq(v->method, structure ? RF_BY_NONE : RF_BY_SEGMENT);
    if (mode == 0 && !j->segment) cr_assert(v->has_step && v->step == LATE);
    if (!structure) cr_assert(v->lo == LATE && v->hi == LATE + 2);
    rf_game_free(g);
}

Test(game_branches, T25_T26_a_leaf_behind_two_answers, .timeout = 60)
{
    long_side *x[2] = {malloc(sizeof *x[0]), malloc(sizeof *x[1])};
    for (uint32_t segment = 0; segment < 2; segment++) {
        ro_arena *a = ro_arena_new();
        vd_job *j = NULL;
        ro_err err = {RO_OK, {0}};
        must(small_job(a, 1, LONG - 1, segment, 0, &j, &err), &err);
        for (int mode = 0; mode < 3; mode++)
            for (int shared = 0; shared < 2; shared++) check_long(j, x, mode, shared);
        ro_arena_free(a);
    }
    free(x[0]);
    free(x[1]);
}

/* ---- one element explained by parts -------------------------------------------------- */

enum { SUM = 300001, ROW = 1 }; /* two rows of 1.2 MB: over RF_PARTIAL_BYTES; row 1 is disputed */

typedef struct { const uint64_t *parts, *first; } parts_table;
static uint64_t from_parts(const ro_claims *c, uint32_t level, uint64_t index)
{
    const parts_table *t = c->ctx;
    return t->parts[t->first[level] + index];
}

/* All parts of the sum, with part `altered` of level 0 changed and what follows folded again. */
static uint64_t *fold(const rf_node *n, const float *x, uint64_t altered, uint32_t bit,
                      uint64_t *count, uint64_t *value)
{
    const void *data[1] = {x};
    const ro_reader r = {n->in, n->out, 1, 1, data, NULL, NULL};
    const ro_explain *e = ro_explain_of(n->node->op, &r);
    uint64_t *parts, first[RO_LEVELS_MAX + 1] = {0};
    uint32_t levels;
    ro_err err = {RO_OK, {0}};
    must(ro_explain_all(n->node->op, &r, n->node->attrs, 0, ROW, &levels, count, &parts, &err),
         &err);
    for (uint32_t l = 0; l < levels; l++) first[l + 1] = first[l] + count[l];
    parts_table t = {parts, first};
    const ro_claims claims = {from_parts, &t};
    if (altered < SUM) parts[altered] ^= UINT64_C(1) << bit;
    for (uint32_t l = 1; l < levels; l++)
        for (uint64_t k = 0; k < count[l]; k++)
            parts[first[l] + k] = e->part(&r, n->node->attrs, 0, ROW, l, k, &claims);
    *value = parts[first[levels] - 1];
    return parts;
}

typedef struct {
    fixture f;
    real_side *side[2];
    real_host h;
    uint64_t *parts[2], said, right; /* the second side's element, and what it is */
} summing;

/* A job of two steps that sum, as node 1; side k altered part[k] of the second (SUM: none). */
static void sum_up(summing *s, const uint64_t part[2])
{
    static float x[2 * SUM];
    uint64_t attrs[RO_ATTRS_SIZE_MAX / 8] = {0};
    ro_err err = {RO_OK, {0}};
    memset(s, 0, sizeof *s);
    s->f.tensors = calloc(1, sizeof *s->f.tensors);
    s->f.tensors->arena = ro_arena_new();
    vd_job *j = s->f.job = real_job(s->f.tensors, 1, 1, 0);
    ro_graph *g = (ro_graph *)(uintptr_t)j->phases[0].graph;
    ro_type type = ro_type_of(RO_F32, 2, (int64_t[]){2, SUM});
    must(ro_attr_set_ints(RO_OP_ReduceSum, attrs, "axes", (int64_t[]){1}, 1, &err), &err);
    for (uint32_t k = 0; k < 2 * SUM; k++) x[k] = 1.0f + (float)(k % 7);
    ro_value c = real_constant(s->f.tensors, j, g, &type, x);
    ro_value v = real_slot(j, g, 2);
    (void)real_emit(g, RO_OP_Neg, NULL, &v, 1, 1);
    ro_value y = real_emit(g, RO_OP_ReduceSum, attrs, &c, 1, 1);
    real_ends(j, g, RO_NO_VALUE, RO_NO_VALUE, &y, 1);
    j->phases[0].steps = 2;
    must(vd_job_seal(j, &err), &err);
    s->f.truth = real_run(s->f.tensors, j, NULL, 0, NULL, 0);
    rf_node n;
    rf_node_init(&n, j, 0, 1, &j->constants[0].digest);
    cr_assert(rf_is_partial(&n, 0));
    s->h = host(&s->f, NULL, NULL);
    for (uint32_t k = 0; k < 2; k++) {
        uint64_t value, right, *told = fold(&n, x, part[k], 22 - k, s->h.parts_count, &value);
        ro_free(fold(&n, x, SUM, 0, s->h.parts_count, &right));
        s->h.sides[k] = s->side[k] = faulty(&s->f, (real_fault){1, 1, 0, ROW, value ^ right, 0});
        s->h.parts[k] = s->parts[k] = told;
        s->said = value;
        s->right = right;
    }
}

static void sum_down(summing *s)
{
    for (int k = 0; k < 2; k++) {
        free(s->side[k]);
        ro_free(s->parts[k]);
    }
    tear_down(&s->f);
}

Test(game_branches, T24_partial_results, .timeout = 60)
{
    static const struct {
        uint64_t part[2], guilty;
        int provisional;
    } CASES[] = {
        {{SUM, 40}, 2, 0}, {{40, SUM}, 1, 0}, {{11, 12}, 1, 1}, {{11, 11}, 3, 1},
    };
    for (size_t k = 0; k < sizeof CASES / sizeof *CASES; k++) {
        summing s;
        sum_up(&s, CASES[k].part);
        rf_verdict v = expect(&s.h, (want){RF_OUTPUT, RF_BY_PARTIAL, CASES[k].guilty});
        cr_assert_eq(v.provisional, CASES[k].provisional, "case %zu", k);
        cr_assert(v.part_level == 0 && v.has_value && v.has_element && v.elements_recomputed == 1);
        cr_assert_eq(v.part_index, CASES[k].part[0] == SUM ? 40 : CASES[k].part[0]);
        cr_assert(v.claimed[0] != v.claimed[1]);
        for (uint32_t i = 0; i < 2; i++)
            cr_assert_eq(v.claimed[i] != v.recomputed, CASES[k].guilty >> v.sides[i] & 1);
        /* Of the value, of the whole row, of the chunk, of no lane: both sides each time. */
        cr_assert(s.h.asked[RF_Q_PARTS] == 6 && s.h.asked[RF_Q_EXPLANATIONS] == 0);
        cr_assert_eq(s.h.asked[RF_Q_OPERANDS], 4); /* and of these four */
        memset(s.h.asked, 0, sizeof s.h.asked);
        s.h.online = 1; /* the same in windows */
        rf_verdict w = expect(&s.h, (want){RF_OUTPUT, RF_BY_PARTIAL, CASES[k].guilty});
        cr_assert(w.part_level == 0 && w.part_index == v.part_index);
        cr_assert(w.recomputed == v.recomputed && w.provisional == v.provisional);
        cr_assert(s.h.asked[RF_Q_PARTS] == 0 && s.h.asked[RF_Q_EXPLANATIONS] == 6);
        sum_down(&s);
    }
}

/* Who explains nothing forfeits online, unless its element is what the kernel gives. Where the body
 * does too, it is right, and the other falls; else nobody does: that is what the parts of an honest
 * party whose kernel deviates look like. Where no kernel is heard it is provisional. Offline the
 * element is computed whole. */
Test(game_branches, T26_T60_an_element_that_is_not_explained, .timeout = 60)
{
    static const uint64_t parts[2] = {SUM, 40};
    for (uint32_t silent = 0; silent < 2; silent++) {
        summing s;
        sum_up(&s, parts);
        const uint64_t *explained = s.h.parts[!silent];
        const uint64_t lied = s.said ^ s.right; /* to what the kernel says then */
        s.h.parts[silent] = NULL;
        rf_verdict v = expect(&s.h, (want){RF_OUTPUT, RF_BY_ELEMENT, 2});
        cr_assert(!v.provisional && v.bytes_read > 1 << 20);
        s.h.online = 1;
        for (int both = 0; both < 2; both++) {
            const uint32_t guilty = both ? 3 : 1u << silent;
            s.h.parts[!silent] = both ? NULL : explained;
            s.h.kernel_flip = 1 << 30; /* of neither */
            v = expect(&s.h, (want){RF_FORFEIT, RF_BY_NONE, guilty});
            cr_assert(!v.provisional && !v.alarm && !v.has_value);
            s.h.deaf_kinds = 1u << RF_Q_KERNEL;
            v = expect(&s.h, (want){RF_FORFEIT, RF_BY_NONE, guilty});
            cr_assert(v.provisional && !v.alarm);
            s.h.deaf_kinds = 0;
            for (uint32_t way = 0; way < 3; way++) {
                const uint32_t side = way == 1;
                s.h.kernel_flip = side ? lied : 0;
                s.h.kernel_alone = way == 2;
                int spoken_for = guilty >> side & 1, frozen = way && spoken_for;
                v = expect(&s.h, frozen       ? (want){RF_UNDECIDED, RF_BY_NONE, 0}
                                 : spoken_for ? (want){RF_OUTPUT, RF_BY_OPERATOR, 2}
                                              : (want){RF_FORFEIT, RF_BY_NONE, guilty});
                cr_assert(v.alarm == frozen && !v.provisional);
                cr_assert(v.has_value == (spoken_for && !frozen) && v.has_element);
                if (v.has_value) cr_assert_eq(v.recomputed, s.right);
                if (frozen) cr_assert(strstr(v.why, "no explanation is left"), "%s", v.why);
            }
        }
        sum_down(&s);
    }
}

/* Honest parties ran a kernel that deviates: they committed its element, which their parts do not
 * fold to. Nobody falls, also where somebody under their root folds it falsely. */
Test(game_branches, T60_a_kernel_that_deviates_from_its_parts, .timeout = 60)
{
    static const uint64_t parts[2] = {SUM, 40};
    for (int saboteur = 0; saboteur < 2; saboteur++) {
        summing s;
        sum_up(&s, parts);
        const uint64_t *lie = s.h.parts[1];
        s.h.parts[1] = s.h.parts[0]; /* side 1 is honest here, with the true parts */
        s.h.sides[2] = s.side[1];
        s.h.parts[2] = lie;
        s.h.count = saboteur ? 3 : 2;
        s.h.kernel_flip = s.said ^ s.right;
        s.h.online = 1;
        rf_verdict v = expect(&s.h, (want){RF_UNDECIDED, RF_BY_NONE, 0});
        cr_assert(v.alarm && !v.provisional && !v.has_value);
        cr_assert_eq(v.elements_recomputed, saboteur ? 1u : 0u);
        for (int k = 0; k < 2; k++) cr_assert_eq(v.claimed[k], v.sides[k] ? s.said : s.right);
        s.h.deaf_kinds = 1u << RF_Q_KERNEL; /* until it has been run */
        v = expect(&s.h, (want){saboteur ? RF_OUTPUT : RF_FORFEIT,
                                saboteur ? RF_BY_PARTIAL : RF_BY_NONE, saboteur ? 6 : 2});
        cr_assert(v.provisional);
        sum_down(&s);
    }
}

/* Somebody under a root (side 0: the honest one) explains it falsely: two chunks of the row are
 * exchanged, which give the same sum, sorted before or behind the right explanation; `lanes`: the
 * false chunk is explained too, by a false lane. *at: the first chunk that is false. The caller
 * frees it all. */
enum { LIE = 5 * 32 + 8, LIES = 5 }; /* the other root's false lane, and its chunk */
static uint64_t *false_parts(const summing *s, uint32_t side, int before, int lanes, uint32_t *at)
{
    const uint64_t *count = s->h.parts_count;
    uint64_t n = count[0] + count[1] + count[2] + count[3];
    uint64_t *t = ro_alloc(n * sizeof *t), *chunk = t + count[0];
    cr_assert(t && count[1] > LIES);
    memcpy(t, s->parts[side], n * sizeof *t);
    for (uint32_t k = 0; k < LIES * (uint32_t)count[1]; k++) {
        uint32_t i = k % LIES, j = k / LIES;
        uint64_t swap = chunk[i];
        float was, is, lane; /* all whole numbers: sums are exact */
        if (j <= LIES || chunk[j] == swap || (memcmp(&chunk[j], &swap, 8) < 0) != before) continue;
        memcpy(&was, &swap, sizeof was);
        memcpy(&is, &chunk[j], sizeof is);
        memcpy(&lane, &t[i * 32], sizeof lane);
        lane += lanes ? is - was : 0;
        memcpy(&t[i * 32], &lane, sizeof lane);
        chunk[i] = chunk[j];
        chunk[j] = swap;
        *at = i;
        return t;
    }
    cr_assert(0, "all chunks are alike");
    return NULL;
}

static uint32_t deaf_part;
static int deaf_to_a_part(const rf_question *q, uint32_t party)
{
    return q->kind == RF_Q_EXPLANATIONS && party == 1 && q->level == 1 && q->index == deaf_part;
}

/* The verdict of a game follows from the evidence of it. */
static void check_evidence(rf_game *g)
{
    rf_signer traces[2], claims[2];
    uint32_t sides[2], used[2];
    uint8_t *bytes = NULL;
    size_t size;
    rf_evidence e;
    ro_err err = {RO_OK, {0}};
    cr_assert(rf_evidence_sides(g, sides, used));
    memset(traces, 0, sizeof traces);
    memset(claims, 0, sizeof claims);
    for (int k = 0; k < 2; k++) traces[k].backend[0] = claims[k].backend[0] = 'x';
    must(rf_evidence_write(g, traces, claims, &bytes, &size, &err), &err);
    cr_assert_eq(rf_evidence_check(bytes, size, &e, &err), RO_OK, "%s", err.msg);
    ro_free(bytes);
}

/* It is struck and the next one speaks; of a root only its last explanation decides. */
Test(game_branches, T24_T61_false_explanations_under_the_honest_root, .timeout = 60)
{
    static const uint64_t parts[2] = {SUM, LIE};
    enum { NOBODY, SECOND, FIRST };
    static const struct {
        int before, lanes, deaf;
        uint32_t asked, recomputed;
        want want;
    } CASES[] = {
        {0, 0, NOBODY, 6, 1, {RF_OUTPUT, RF_BY_PARTIAL, 2}}, /* nobody comes to it              */
        {1, 0, NOBODY, 8, 1, {RF_OUTPUT, RF_BY_PARTIAL, 2}}, /* its chunk is not explained      */
        {1, 1, NOBODY, 8, 2, {RF_OUTPUT, RF_BY_PARTIAL, 2}}, /* its lane is computed            */
        {1, 1, SECOND, 8, 1, {RF_FORFEIT, RF_BY_NONE, 2}},   /* the liar leaves the second duel */
        {1, 1, FIRST, 6, 0, {RF_FORFEIT, RF_BY_NONE, 2}},    /* or the first                    */
        {1, 0, FIRST, 6, 0, {RF_FORFEIT, RF_BY_NONE, 2}},    /* as both do                      */
    };
    summing s;
    sum_up(&s, parts);
    s.h.sides[2] = s.side[0];
    s.h.count = 3;
    s.h.online = 1;
    s.h.deaf = deaf_to_a_part;
    for (size_t k = 0; k < sizeof CASES / sizeof *CASES; k++) {
        uint32_t at = 0;
        uint64_t *bad = false_parts(&s, 0, CASES[k].before, CASES[k].lanes, &at);
        s.h.parts[2] = bad;
        deaf_part = CASES[k].deaf == FIRST ? at : CASES[k].deaf == SECOND ? LIES : RF_NONE;
        memset(s.h.asked, 0, sizeof s.h.asked);
        rf_verdict v = expect(&s.h, CASES[k].want);
        cr_assert_eq(s.h.asked[RF_Q_EXPLANATIONS], CASES[k].asked, "case %zu", k);
        if (v.has_value) { /* of the explanations that the verdict stands on */
            rf_game *g = real_play(&s.h);
            check_evidence(g);
            rf_game_free(g);
        }
        cr_assert_eq(v.elements_recomputed, CASES[k].recomputed, "case %zu", k);
        cr_assert_eq(v.has_value, CASES[k].want.method == RF_BY_PARTIAL);
        if (v.has_value) cr_assert(v.part_level == 0 && v.part_index == LIE);
        ro_free(bad);
    }
    sum_down(&s);
}

/* A part that two explanations agree about another way is asked about anew: what is agreed before
 * it is of its window. Here somebody under each root exchanged the same two chunks before it. */
Test(game_branches, T61_a_window_is_of_what_is_agreed, .timeout = 60)
{
    static const uint64_t parts[2] = {SUM, LIE};
    uint32_t at = 0;
    summing s;
    sum_up(&s, parts);
    uint64_t *bad[2] = {false_parts(&s, 0, 1, 0, &at), false_parts(&s, 1, 1, 0, &at)};
    for (int k = 0; k < 2; k++) {
        s.h.sides[2 + k] = s.side[k];
        s.h.parts[2 + k] = bad[k];
    }
    s.h.count = 4;
    s.h.online = 1;
    rf_verdict v = expect(&s.h, (want){RF_OUTPUT, RF_BY_PARTIAL, 2 | 8});
    cr_assert(v.part_level == 0 && v.part_index == LIE && v.elements_recomputed == 2);
    /* Of the value, the row, the part that both fold another way to, what is false before it (which
     * nobody explains), and the part again. */
    cr_assert_eq(s.h.asked[RF_Q_EXPLANATIONS], 10u);
    for (int k = 0; k < 2; k++) ro_free(bad[k]);
    sum_down(&s);
}

static int deaf_to_whole_elements(const rf_question *q, uint32_t party)
{
    (void)party; /* to find that it has no operands, a host reads them all */
    return q->kind == RF_Q_OPERANDS && q->level == RF_NONE;
}

/* What a part reads may hang on what is agreed above it: where the greatest so far lies. Each root
 * explains a list of such places twice. The first two explanations agree on a false place and are
 * both wrong next to it; the other two agree on the true one, whose chunk is another: its operands
 * are asked for anew. Nobody can show the whole element, as when it is too large. */
Test(game_branches, T24_operands_are_of_what_is_agreed, .timeout = 60)
{
    static float x[SUM];
    enum { TRUE = 0x50ff, FALSE = 0x1388, LIED = 0x7777, PART = 200 };
    const ro_type type = ro_type_of(RO_F32, 1, (int64_t[]){SUM});
    uint64_t attrs[RO_ATTRS_SIZE_MAX / 8] = {0}, count[RO_LEVELS_MAX], *parts[4];
    uint32_t levels;
    fixture f = {0};
    ro_err err = {RO_OK, {0}};
    f.tensors = calloc(1, sizeof *f.tensors);
    f.tensors->arena = ro_arena_new();
    vd_job *j = f.job = real_job(f.tensors, 1, 1, 0);
    ro_graph *g = (ro_graph *)(uintptr_t)j->phases[0].graph;
    x[TRUE] = 5;
    x[FALSE] = 4;
    ro_value c = real_constant(f.tensors, j, g, &type, x);
    (void)real_slot(j, g, 2);
    ro_value y = real_emit(g, RO_OP_ArgMax, attrs, &c, 1, 1);
    real_ends(j, g, RO_NO_VALUE, RO_NO_VALUE, &y, 1);
    must(vd_job_seal(j, &err), &err);
    f.truth = real_run(f.tensors, j, NULL, 0, NULL, 0);
    real_side *liar = faulty(&f, (real_fault){0, 0, 0, 0, TRUE ^ LIED, 0});
    const void *data[1] = {x};
    rf_node n;
    rf_node_init(&n, j, 0, 0, &j->constants[0].digest);
    cr_assert(rf_is_partial(&n, 0));
    const ro_reader r = {n.in, n.out, 1, 1, data, NULL, NULL};
    real_host h = host(&f, liar, f.truth);
    for (uint64_t k = 0; k < 4; k++) { /* even: the liar's; the last two are the false places */
        must(ro_explain_all(n.node->op, &r, n.node->attrs, 0, 0, &levels, count, &parts[k], &err),
             &err);
        cr_assert(levels == 3 && count[0] > PART && count[1] == 1 && count[2] == 1);
        for (uint64_t i = 0; k >= 2 && i < PART; i++)
            if (parts[k][i] == TRUE) parts[k][i] = FALSE;
        if (k != 1) parts[k][PART] = 7 + k;
        for (uint64_t i = count[0] - 1; k % 2 == 0 && i < count[0] + 2; i++) parts[k][i] = LIED;
        h.parts[k] = parts[k];
        h.sides[k] = k % 2 ? f.truth : liar;
    }
    memcpy(h.parts_count, count, sizeof count);
    h.count = 4;
    h.online = 1;
    h.deaf = deaf_to_whole_elements;
    rf_verdict v = expect(&h, (want){RF_OUTPUT, RF_BY_PARTIAL, 5});
    cr_assert(v.recomputed == TRUE && v.claimed[0] == 7 && v.claimed[1] == TRUE);
    cr_assert(!v.provisional && v.part_level == 0 && v.part_index == PART);
    cr_assert_eq(v.elements_recomputed, 2);  /* one part, as it was agreed about twice */
    cr_assert_eq(h.asked[RF_Q_OPERANDS], 4); /* of the value, the list and twice the part */
    for (int k = 0; k < 4; k++) ro_free(parts[k]);
    free(liar);
    tear_down(&f);
}

/* The kernel confirms the element of whoever is right at the part, or says nothing, or errs. */
Test(game_branches, T60_a_part_has_no_second_opinion_of_its_own, .timeout = 60)
{
    static const uint64_t parts[2] = {SUM, 40};
    summing s;
    sum_up(&s, parts);
    s.h.deaf_kinds = 1u << RF_Q_KERNEL;
    rf_verdict v = expect(&s.h, (want){RF_OUTPUT, RF_BY_PARTIAL, 2});
    cr_assert_eq(v.provisional, 1);
    s.h.deaf_kinds = 0;
    s.h.kernel_flip = 1;
    v = expect(&s.h, (want){RF_OUTPUT, RF_BY_PARTIAL, 2});
    cr_assert_eq(v.provisional, 1);
    s.h.kernel_flip = 0;
    s.h.deaf_kinds = 1u << RF_Q_OPERANDS; /* of the value: the operator is run again */
    expect(&s.h, (want){RF_OUTPUT, RF_BY_OPERATOR, 2});
    s.h.online = 1;
    expect(&s.h, (want){RF_WITHHELD, RF_BY_NONE, 3});
    sum_down(&s);
}

/* ---- bodies that run elsewhere --------------------------------------------------------- */

/* From the n-th call on, `times` calls come back wrong. */
typedef enum { FAILS, ZEROS, ONES, FLIPS } wrongness;
typedef struct { wrongness how; uint32_t from, times, calls; } elsewhere;

static int run_elsewhere(void *ctx, rf_body *body, const void *work, uint8_t *result, size_t size)
{
    elsewhere *e = ctx;
    uint32_t k = e->calls++;
    body(work, result);
    if (k < e->from || k - e->from >= e->times) return 1;
    if (e->how == ZEROS || e->how == ONES) memset(result, e->how == ZEROS ? 0 : 0xff, size);
    if (e->how == FLIPS) result[0] ^= 1;
    return e->how != FAILS;
}

/* Whatever goes wrong there, once or for ever: the liar falls or nobody does, and the game ends. */
static void check_elsewhere(real_host *h, rf_method method, uint32_t liar, uint32_t want_calls)
{
    elsewhere e = {FAILS, 0, 0, 0};
    const rf_runner r = {run_elsewhere, &e};
    uint32_t undecided = 0;
    h->runner = &r;
    rf_verdict v = expect(h, (want){RF_OUTPUT, method, 1u << liar});
    const uint64_t value = v.recomputed;
    const uint32_t calls = e.calls;
    cr_assert_eq(calls, want_calls);
    for (int how = FAILS; how <= FLIPS; how++)
        for (uint32_t from = 0; from < calls; from++)
            for (uint32_t times = 1; times; times = times == 1 ? UINT32_MAX : 0) {
                e = (elsewhere){(wrongness)how, from, times, 0};
                rf_game *g = real_play(h);
                v = *rf_game_verdict(g);
                cr_assert(v.kind == RF_OUTPUT || v.kind == RF_UNDECIDED, "%s", v.why);
                cr_assert_eq(world_guilty(g), v.kind == RF_OUTPUT ? 1u << liar : 0,
                             "how %d, from %u: %s", how, from, v.why);
                if (v.method == method) cr_assert_eq(v.recomputed, value);
                if (v.kind == RF_UNDECIDED) cr_assert(!v.has_value && v.method == RF_BY_NONE);
                undecided += v.kind == RF_UNDECIDED;
                rf_game_free(g);
            }
    cr_assert_gt(undecided, 0);
    h->runner = NULL;
}

Test(game_branches, T36_T55_bodies_that_run_elsewhere, .timeout = 120)
{
    static const uint64_t parts[2] = {SUM, 40};
    fixture f = set_up(0, 1);
    real_side *x = faulty(&f, (real_fault){2, REAL_NEG, 0, 3, 1, 0});
    real_host h = host(&f, x, f.truth);
    check_elsewhere(&h, RF_BY_ELEMENT, 0, 4); /* to write, to check, in two passes */
    free(x);
    tear_down(&f);
    summing s;
    sum_up(&s, parts);
    check_elsewhere(&s.h, RF_BY_PARTIAL, 1, 16);
    sum_down(&s);
}

/* A part that needs more parts than an answer may hold: its job is not admitted, since online the
 * element could not be explained. Of many windows over one element, each with taps for 33 lists;
 * of a chain, and of a contraction, whose value lists one part too many. */
static void admit(ro_op op, const uint64_t *attrs, const ro_type in[2], uint64_t needs)
{
    fixture f = {calloc(1, sizeof *f.tensors), NULL, NULL};
    ro_err err = {RO_OK, {0}};
    char says[96];
    f.tensors->arena = ro_arena_new();
    f.job = real_job(f.tensors, 1, 1, 0);
    ro_graph *g = (ro_graph *)(uintptr_t)f.job->phases[0].graph;
    ro_value c[2] = {real_constant(f.tensors, f.job, g, &in[0], NULL),
                     real_constant(f.tensors, f.job, g, &in[1], NULL)};
    ro_value y = real_emit(g, op, attrs, c, 2, 1);
    real_ends(f.job, g, RO_NO_VALUE, RO_NO_VALUE, &y, 1);
    ro_status st = vd_job_seal(f.job, &err);
    snprintf(says, sizeof says, "node 0: an element of %s is explained", ro_ops[op].name);
    if (needs <= VD_PARTS_MAX) cr_assert_eq(st, RO_OK, "%s", err.msg);
    else cr_assert(st == RO_ELIMIT && strstr(err.msg, says), "%s", err.msg);
    snprintf(says, sizeof says, "up to %llu others", (unsigned long long)needs);
    if (st) cr_assert(strstr(err.msg, says) && strstr(err.msg, "8192 are allowed"), "%s", err.msg);
    tear_down(&f);
}

Test(game_branches, an_element_of_too_many_parts)
{
    static const struct { int64_t taps, windows; uint64_t needs; } POOLS[] = {
        {1 << 25, 256, 8192}, {(1 << 25) + 1, 256, 8448}, {1 << 25, 257, 8193},
        {(1 << 25) + 1, 248, 8184}, {(1 << 25) + 1, 249, 8217},
    };
    static const char *const ones[2] = {"strides", "dilations"};
    for (size_t k = 0; k < sizeof POOLS / sizeof *POOLS; k++) {
        uint64_t attrs[RO_ATTRS_SIZE_MAX / 8] = {0};
        ro_err err = {RO_OK, {0}};
        const int64_t width = POOLS[k].taps + POOLS[k].windows - 1;
        must(ro_attr_set_ints(RO_OP_MaxPoolGrad, attrs, "kernel_shape", &POOLS[k].taps, 1, &err),
             &err);
        for (int i = 0; i < 2; i++)
            must(ro_attr_set_ints(RO_OP_MaxPoolGrad, attrs, ones[i], (int64_t[]){1}, 1, &err),
                 &err);
        must(ro_attr_set_ints(RO_OP_MaxPoolGrad, attrs, "pads", (int64_t[]){0, 0}, 2, &err), &err);
        const ro_type in[2] = {ro_type_of(RO_F32, 3, (int64_t[]){1, 1, POOLS[k].windows}),
                               ro_type_of(RO_F32, 3, (int64_t[]){1, 1, width})};
        admit(RO_OP_MaxPoolGrad, attrs, in, POOLS[k].needs);
    }
    for (int64_t more = 0; more < 2; more++) {
        const uint64_t attrs[RO_ATTRS_SIZE_MAX / 8] = {0};
        const int64_t terms = (INT64_C(1) << 37) + more;
        const ro_type in[2] = {ro_type_of(RO_F32, 2, (int64_t[]){1, terms}),
                               ro_type_of(RO_F32, 2, (int64_t[]){terms, 1})};
        admit(RO_OP_MatMul, attrs, in, 8192u + (uint64_t)more);
    }
    uint64_t attrs[RO_ATTRS_SIZE_MAX / 8] = {0};
    ro_err err = {RO_OK, {0}};
    must(ro_attr_set_int(RO_OP_GatherGrad, attrs, "dim", 2, &err), &err);
    for (int64_t more = 0; more < 2; more++) {
        const int64_t rows = (INT64_C(1) << 33) + more;
        const ro_type in[2] = {ro_type_of(RO_F32, 1, &rows), ro_type_of(RO_I64, 1, &rows)};
        admit(RO_OP_GatherGrad, attrs, in, 8192u + (uint64_t)more);
    }
}

/* ---- answers ------------------------------------------------------------------------- */

/* Every field of a question: an answer to one that differs in it is an answer to nothing. */
static void alter(rf_question *q, int field)
{
    switch (field) {
    case 0: q->kind = q->kind == RF_Q_LEAF ? RF_Q_HEADER : RF_Q_LEAF; break;
    case 1: q->parties ^= 4; break;
    case 2: q->claim--; break;
    case 3: q->tree ^= 1; break;
    case 4: q->lo++; break;
    case 5: q->hi++; break;
    case 6: q->depth++; break;
    case 7: q->of.b[31] ^= 1; break;
    case 8: q->tensor.b[0] ^= 1; break;
    case 9: q->step++; break;
    case 10: q->node++; break;
    case 11: q->output++; break;
    case 12: q->element++; break;
    case 13: q->level--; break;
    case 14: q->index++; break;
    case 15: q->has_state ^= 1; break;
    default: q->state.b[5] ^= 1; break;
    }
}
enum { FIELDS = 17 };

/* Every question of a game, before it is answered: altered in each field, from parties that it does
 * not ask, cut by a byte, longer by one, and with each of some bits flipped. None is accepted, and
 * the verdict is the same. */
static uint32_t attack(rf_game *g, const rf_question *q, const uint8_t *right, size_t n)
{
    ro_err err = {RO_OK, {0}};
    int accepted = 1;
    uint8_t *bytes = malloc(n + 1);
    memcpy(bytes, right, n);
    bytes[n] = 0;
    for (int field = 0; field < FIELDS; field++) {
        rf_question other = *q;
        alter(&other, field);
        must(rf_game_answer(g, &other, RF_NONE, bytes, n, &accepted, &err), &err);
        cr_assert(!accepted, "%s: field %d", rf_question_name(q->kind), field);
        rf_game_cannot(g, &other, RF_NONE);
    }
    for (uint32_t party = 0; party < 66; party++) {
        if (party < 64 && q->parties >> party & 1) continue;
        must(rf_game_answer(g, q, party, bytes, n, &accepted, &err), &err);
        cr_assert(!accepted, "%s: party %u", rf_question_name(q->kind), party);
    }
    must(rf_game_answer(g, q, RF_NONE, NULL, n, &accepted, &err), &err);
    cr_assert(!accepted);
    must(rf_game_admits(g, q, NULL, bytes, n, &accepted, &err), &err);
    cr_assert(!accepted, "%s is no window", rf_question_name(q->kind));
    /* The host's own results are its own to get right. */
    size_t flips = q->kind >= RF_Q_OPERATOR ? 0 : 8;
    for (size_t k = 0; k < flips; k++) {
        size_t at = k * (n - 1) / 7;
        if (q->kind == RF_Q_PARTS) at = at - at % 8 + 3; /* the exponent: it folds to another sum */
        bytes[at] ^= 0x40;
        must(rf_game_answer(g, q, RF_NONE, bytes, n, &accepted, &err), &err);
        cr_assert(!accepted, "%s: byte %zu of %zu", rf_question_name(q->kind), at, n);
        bytes[at] ^= 0x40;
    }
    for (size_t k = 0; k < 2; k++) {
        must(rf_game_answer(g, q, RF_NONE, bytes, k ? n - 1 : n + 1, &accepted, &err), &err);
        cr_assert(!accepted, "%s: %zu bytes of %zu", rf_question_name(q->kind), n + 1 - 2 * k, n);
    }
    must(rf_game_answer(g, q, RF_NONE, bytes, 0, &accepted, &err), &err);
    cr_assert(!accepted, "%s: no bytes", rf_question_name(q->kind));
    free(bytes);
    return 1;
}

/* What answers a window is offered by the host, all at once: nothing that a party sends, no other
 * number of bytes, nothing altered, twice, or out of order. Nothing closes it but that. */
/* That nobody opens it is no opening of a window. */
static void attack_replay(rf_game *g, const rf_question *q)
{
    rf_question open[RF_OPEN_MAX];
    uint8_t absent[10] = {0, 1};
    uint32_t count;
    ro_err err = {0};
    cr_assert_eq(rf_game_next(g, open, &count, &err), RO_OK);
    while (absent[0] < count && memcmp(&open[absent[0]].kind, &q->kind, sizeof q->kind))
        absent[0]++;
    cr_assert_eq(rf_game_replay(g, absent, sizeof absent, open, &count, &err), RO_EFORMAT);
}

static void attack_window(rf_game *g, const rf_question *q, const uint8_t *right, size_t n)
{
    /* Of a claim's body: version, job, trace, segment, steps; of the tree, what admits it knows. */
    static const size_t AT_BODY[8] = {0, 4, 8, 39, 40, 71, 72, 80};
    ro_err err = {RO_OK, {0}};
    int accepted = 1;
    uint8_t *bytes = malloc(2 * n);
    memcpy(bytes, right, n);
    memcpy(bytes + n, right, n);
    must(rf_game_answer(g, q, RF_NONE, bytes, n, &accepted, &err), &err);
    cr_assert(!accepted);
    must(rf_game_answer(g, q, q->parties == 2, bytes, n, &accepted, &err), &err);
    cr_assert(!accepted);
    rf_game_cannot(g, q, RF_NONE);
    for (int field = 0; field < FIELDS; field++) {
        rf_question other = *q;
        alter(&other, field);
        must(rf_game_offer(g, &other, bytes, n, &accepted, &err), &err);
        cr_assert(!accepted, "%s: field %d", rf_question_name(q->kind), field);
    }
    must(rf_game_offer(g, q, NULL, n, &accepted, &err), &err);
    cr_assert(!accepted);
    for (size_t k = 0; k < 3; k++) {
        must(rf_game_offer(g, q, bytes, k == 2 ? 2 * n : n + 1 - 2 * k, &accepted, &err), &err);
        cr_assert(!accepted, "%s: bytes, %zu", rf_question_name(q->kind), k);
    }
    for (size_t k = 0; k < 8; k++) {
        size_t at = q->kind == RF_Q_SEGMENTS ? AT_BODY[k] : k * (n - 1) / 7 / 8 * 8 + 3;
        bytes[at] ^= 0x40;
        must(rf_game_offer(g, q, bytes, n, &accepted, &err), &err);
        cr_assert(!accepted, "%s: byte %zu of %zu", rf_question_name(q->kind), at, n);
        if (q->kind == RF_Q_EXPLANATIONS)
            must(rf_game_admits(g, q, NULL, bytes, n, &accepted, &err), &err);
        cr_assert(!accepted);
        bytes[at] ^= 0x40;
    }
    uint8_t *many = calloc(RF_FILED_MAX + 1, n); /* more than are taken, each by its tree */
    for (size_t k = 0; q->kind == RF_Q_SEGMENTS && k <= RF_FILED_MAX; k++) {
        memcpy(many + k * n, right, n - VD_DIGEST);
        many[k * n + n - VD_DIGEST] = (uint8_t)(k >> 8);
        many[k * n + n - VD_DIGEST + 1] = (uint8_t)k;
    }
    must(rf_game_offer(g, q, many, (RF_FILED_MAX + 1) * n, &accepted, &err), &err);
    cr_assert(!accepted);
    free(many);
    if (q->kind == RF_Q_SEGMENTS) {
        bytes[n - 1] ^= 1; /* of two trees the greater one first */
        if (memcmp(bytes, bytes + n, n) < 0) bytes[n - 1] ^= 1, bytes[2 * n - 1] ^= 1;
        if (memcmp(bytes, bytes + n, n) < 0) bytes[n - 1] ^= 1, bytes[2 * n - 1] ^= 1;
        must(rf_game_offer(g, q, bytes, 2 * n, &accepted, &err), &err);
        cr_assert(!accepted && memcmp(bytes, bytes + n, n) > 0);
    }
    free(bytes);
}

/* A claim that its host asks about: of another job, trace, segment or length, or with step leaves
 * that are too few, of other steps, or end in another state or other outputs. */
static void attack_admission(real_host *h, rf_game *g, const rf_question *q, uint8_t *out)
{
    ro_err err = {RO_OK, {0}};
    int admitted = 1;
    uint32_t k = 0;
    while (!vd_digest_equal(&h->claims[k].body.trace, &h->sides[q->parties == 2]->w.party.root))
        k++;
    const vd_claim_body right = h->claims[k].body;
    size_t n = real_step_leaves(h, k, out);
    for (int field = 0; field < 4; field++) {
        vd_claim_body b = right;
        if (field == 0) b.job.b[31] ^= 1;
        if (field == 1) b.trace.b[0] ^= 1;
        if (field == 2) b.segment ^= 1;
        if (field == 3) b.steps--;
        must(rf_game_admits(g, q, &b, out, n, &admitted, &err), &err);
        cr_assert(!admitted, "field %d", field);
    }
    must(rf_game_admits(g, q, &right, out, n - VD_STEP_LEAF_BYTES, &admitted, &err), &err);
    cr_assert(!admitted);
    /* The first leaf's repeat, phase, step, global step and outputs; the last one's state. */
    const size_t AT_LEAF[6] = {0, 8, 12, 20, 60, n - VD_STEP_LEAF_BYTES + 28};
    for (size_t i = 0; i < 6; i++) {
        out[AT_LEAF[i]] ^= 1;
        must(rf_game_admits(g, q, &right, out, n, &admitted, &err), &err);
        cr_assert(!admitted, "byte %zu", AT_LEAF[i]);
        out[AT_LEAF[i]] ^= 1;
    }
    must(rf_game_admits(g, q, &right, out, n, &admitted, &err), &err);
    cr_assert(admitted);
    rf_question other = *q;
    other.lo++;
    must(rf_game_admits(g, &other, &right, out, n, &admitted, &err), &err);
    cr_assert(!admitted);
}

/* Attack a window with what is then filed in it. */
static void attack_filing(real_host *h, rf_game *g, const rf_question *q, uint8_t *out)
{
    real_window w;
    size_t n;
    ro_err err = {RO_OK, {0}};
    must(real_collect(h, g, q, &w, out, &n, &err), &err);
    cr_assert_eq(w.count, 1);
    attack_replay(g, q);
    attack_window(g, q, out, n);
    if (q->kind == RF_Q_SEGMENTS) attack_admission(h, g, q, out);
}

/* Play with every question attacked first; returns the kinds met, a bit each. */
static uint32_t play_attacked(real_host *h, uint64_t guilty)
{
    rf_question open[RF_OPEN_MAX];
    uint32_t count, kinds = 0;
    ro_err err = {RO_OK, {0}};
    uint8_t *out = malloc(REAL_ROOM);
    rf_game *g = real_new(h);
    for (must(rf_game_next(g, open, &count, &err), &err); count;
         must(rf_game_next(g, open, &count, &err), &err))
        for (uint32_t k = 0; k < count; k++) {
            size_t n = 0;
            int window = rf_is_window(open[k].kind);
            if (window) attack_filing(h, g, &open[k], out);
            for (uint32_t party = 0; party < h->count && n == 0 && !window; party++)
                if (open[k].parties >> party & 1 && !real_deaf(h, &open[k], party))
                    n = real_says(h, g, party, &open[k], out);
            if (open[k].parties == 0 && !real_deaf(h, &open[k], RF_NONE))
                n = open[k].kind == RF_Q_RERUN
                        ? real_rerun(h, &open[k], out)
                        : real_operator(h, rf_game_subject(g), &open[k], out);
            if (n) attack(g, &open[k], out, n);
            if (n || window) kinds |= 1u << open[k].kind;
            must(real_answer(h, g, &open[k], out, &err), &err);
            cr_assert(!rf_game_struck(g, &open[k], 0)); /* no window, or nothing judged yet */
        }
    cr_assert_eq(world_guilty(g), guilty, "%s", rf_game_verdict(g)->why);
    rf_game_free(g);
    free(out);
    return kinds;
}

Test(game_branches, T13_T14_T16_T17_every_kind_of_question_attacked, .timeout = 120)
{
    static const uint64_t parts[2] = {SUM, 40};
    fixture f = set_up(0, 1), c = set_up(2, 2);
    real_side *x = faulty(&f, (real_fault){3, REAL_NORM, 0, 3, 1, 0});
    real_side *y = faulty(&c, (real_fault){AT, REAL_POOL, 1, 2, 1, 0});
    real_side *z = faulty(&c, (real_fault){0});
    uint32_t kinds = 0;
    real_host h = host(&f, x, f.truth);
    kinds |= play_attacked(&h, 1);
    h.deaf_kinds = 1u << RF_Q_OPERANDS | 1u << RF_Q_OPERATOR;
    kinds |= play_attacked(&h, 1);
    h = host(&c, c.truth, y);
    kinds |= play_attacked(&h, 2);
    real_claim(&h, c.truth, c.truth, 2, 1);
    real_claim(&h, y, y, 2, 1);
    kinds |= play_attacked(&h, 2);
    h.online = 1;
    kinds |= play_attacked(&h, 2);
    h.online = 0;
    h.deaf_kinds = 1u << RF_Q_OPERANDS;
    kinds |= play_attacked(&h, 2);
    forge_body(z, c.job, 1, 1, 5);
    h = host(&c, z, c.truth);
    kinds |= play_attacked(&h, 1);
    summing s;
    sum_up(&s, parts);
    kinds |= play_attacked(&s.h, 2);
    s.h.online = 1;
    kinds |= play_attacked(&s.h, 2);
    cr_assert_eq(kinds, (1u << (RF_Q_KERNEL + 1)) - 1, "kinds %x", kinds);
    sum_down(&s);
    free(x);
    free(y);
    free(z);
    tear_down(&f);
    tear_down(&c);
}

/* Leaves and headers longer than any are refused before they are hashed. */
Test(game_branches, T17_answers_without_end)
{
    fixture f = set_up(0, 1);
    real_side *x = faulty(&f, (real_fault){2, REAL_NEG, 0, 3, 1, 0});
    real_host h = host(&f, x, f.truth);
    rf_question open[RF_OPEN_MAX];
    uint32_t count, met = 0;
    int accepted;
    ro_err err = {RO_OK, {0}};
    uint8_t *out = calloc(1, REAL_ROOM);
    rf_game *g = real_new(&h);
    for (must(rf_game_next(g, open, &count, &err), &err); count;
         must(rf_game_next(g, open, &count, &err), &err))
        for (uint32_t k = 0; k < count; k++) {
            must(rf_game_answer(g, &open[k], RF_NONE, out, REAL_ROOM, &accepted, &err), &err);
            cr_assert(!accepted);
            must(rf_game_answer(g, &open[k], RF_NONE, out, RF_LEAF_BYTES_MAX + 1, &accepted, &err),
                 &err);
            cr_assert(!accepted);
            met |= 1u << open[k].kind;
            must(real_answer(&h, g, &open[k], out, &err), &err);
        }
    cr_assert_eq(world_guilty(g), 1);
    cr_assert(met >> RF_Q_LEAF & 1 && met >> RF_Q_HEADER & 1);
    rf_game_free(g);
    free(out);
    free(x);
    tear_down(&f);
}

/* Two parties on one side: one that has given up does not close the question for the other, nor
 * does nobody's row of refusals close it for both. */
Test(game_branches, T31_refusals_are_counted_for_each)
{
    fixture f = set_up(0, 1);
    real_side *x = faulty(&f, (real_fault){2, REAL_NEG, 0, 3, 1, 0});
    real_host h = host(&f, x, x);
    h.sides[2] = f.truth;
    h.sides[3] = f.truth;
    h.count = 4;
    h.online = 1;
    rf_question open[RF_OPEN_MAX], again[RF_OPEN_MAX];
    uint32_t count;
    int accepted;
    ro_err err = {RO_OK, {0}};
    uint8_t junk[64] = {0}, *out = malloc(REAL_ROOM);
    rf_game *g = real_new(&h);
    must(rf_game_next(g, open, &count, &err), &err);
    cr_assert_eq(count, 2);
    uint32_t at = open[0].parties == 3 ? 0 : 1; /* the question to x's side */
    for (uint32_t k = 0; k < 2 * RF_REFUSALS_MAX; k++)
        must(rf_game_answer(g, &open[at], RF_NONE, junk, sizeof junk, &accepted, &err), &err);
    rf_game_cannot(g, &open[at], 0);
    must(rf_game_next(g, again, &count, &err), &err);
    cr_assert_eq(count, 2);
    /* Who has given up is not heard again, nor is nobody; the other one is. */
    size_t n = real_says(&h, g, 0, &open[at], out);
    must(rf_game_answer(g, &open[at], 0, out, n, &accepted, &err), &err);
    cr_assert(!accepted);
    must(rf_game_answer(g, &open[at], RF_NONE, out, n, &accepted, &err), &err);
    cr_assert(!accepted);
    for (uint32_t k = 0; k + 1 < RF_REFUSALS_MAX; k++)
        must(rf_game_answer(g, &open[at], 1, junk, sizeof junk, &accepted, &err), &err);
    must(rf_game_answer(g, &open[at], 1, out, n, &accepted, &err), &err);
    cr_assert(accepted);
    /* The first question is closed: the second keeps its refusals when it moves up. */
    for (uint32_t k = 0; k < RF_REFUSALS_MAX; k++)
        must(rf_game_answer(g, &open[!at], 2 + k % 2 * 0, junk, sizeof junk, &accepted, &err),
             &err);
    must(rf_game_next(g, again, &count, &err), &err);
    cr_assert_eq(count, 1);
    rf_game_cannot(g, &open[!at], 3);
    must(rf_game_next(g, again, &count, &err), &err);
    cr_assert_eq(count, 0);
    cr_assert_eq(rf_game_verdict(g)->kind, RF_FORFEIT);
    cr_assert_eq(world_guilty(g), 12);
    cr_assert(rf_game_stands(g, 0) && rf_game_stands(g, 1) && !rf_game_stands(g, 2));
    rf_game_free(g);
    free(out);
    free(x);
    tear_down(&f);
}

/* ---- what a question says ------------------------------------------------------------ */

/* Where the difference lies that a game's questions are about. */
typedef struct {
    uint64_t step, element;
    uint32_t node, output;
    uint64_t first; /* of the line: 0, or the claim's */
} place;

static void check_tensor_question(const real_host *h, const rf_question *q, const place *at)
{
    uint32_t k = q->parties == 2;
    const world_leaf *l = &h->sides[k]->w.node[at->step][at->node];
    cr_assert(q->parties == 1 || q->parties == 2);
    cr_assert(q->step == at->step && q->node == at->node && q->output == at->output);
    cr_assert_eq(memcmp(q->tensor.b, l->bytes + 52 + 32 * l->bytes[44] + 32 * at->output, 32), 0);
    if (q->kind == RF_Q_HEADER) cr_assert(vd_digest_equal(&q->of, &q->tensor));
    if (q->kind == RF_Q_LEAF) cr_assert_eq(q->hi, q->lo + 1);
}

static void check_tree_question(const real_host *h, const rf_game *g, const rf_question *q,
                                const place *at)
{
    uint32_t claim = real_claim_of(h, g, q->claim);
    cr_assert(q->parties == 1 || q->parties == 2 || q->parties == 3);
    cr_assert_eq(q->step, q->tree == VD_TREE_NODES   ? at->step
                          : q->tree == VD_TREE_STEPS ? at->first : 0);
    if (q->kind == RF_Q_HASHES) cr_assert_eq(q->depth, VD_DESCEND_DEPTH_MAX);
    else cr_assert_eq(q->hi, q->lo + 1);
    if (q->kind == RF_Q_LEAF && q->tree == VD_TREE_NODES && q->parties != 3)
        cr_assert_eq(q->lo, at->node);
    int of_claim = h->claim_count && q->tree != VD_TREE_SEGMENTS;
    cr_assert_eq(claim != RF_NONE, of_claim);
    if (of_claim && q->parties != 3)
        cr_assert(vd_digest_equal(&h->claims[claim].body.trace,
                                  &h->sides[q->parties == 2]->w.party.root));
}

static vd_digest inputs_of(const rf_node *n)
{
    vd_digest d;
    vd_tagged_hash("verde/1 inputs", n->digest, n->inputs * sizeof n->digest[0], d.b);
    return d;
}

/* What is read or computed is bound to the inputs, and to what is agreed: at first to no part. */
static void check_bound(const rf_game *g, const rf_question *q)
{
    const vd_digest inputs = inputs_of(rf_game_subject(g));
    vd_digest bound = inputs;
    if (q->level != RF_NONE) vd_tagged_hash("verde/1 operands", inputs.b, VD_DIGEST, bound.b);
    cr_assert(vd_digest_equal(&q->of, &bound));
}

/* What is filed in a window is bound to what is explained: at first its side's element. */
static void check_window_question(const real_host *h, const rf_game *g, const rf_question *q,
                                  const place *at)
{
    uint32_t k = q->parties == 2;
    const real_side *own = h->sides[k];
    cr_assert(q->parties == 1 || q->parties == 2);
    if (q->kind == RF_Q_SEGMENTS) {
        uint64_t segment = at->step / h->job->segment;
        cr_assert(q->tree == VD_TREE_STEPS && q->lo == segment && q->hi == segment + 1);
        cr_assert(q->claim == RF_NONE && q->step == at->first);
        cr_assert_eq(memcmp(q->of.b, own->segment_hash[segment], VD_DIGEST), 0);
        return;
    }
    check_tensor_question(h, q, at);
    cr_assert(q->output == at->output && q->element == at->element && q->level < RF_NONE);
    if (q->level != 3) return;
    uint8_t bytes[VD_DIGEST + 8] = {0};
    vd_digest bound = inputs_of(rf_game_subject(g));
    memcpy(bytes, bound.b, VD_DIGEST);
    memcpy(bytes + VD_DIGEST, real_find(h->tensors, &q->tensor)->bytes + 4 * at->element, 4);
    vd_tagged_hash("verde/1 explained", bytes, sizeof bytes, bound.b);
    cr_assert(vd_digest_equal(&q->of, &bound));
}

static void check_question(const real_host *h, const rf_game *g, const rf_question *q,
                           const place *at)
{
    const vd_digest *slots = h->truth->w.slots[at->step];
    vd_digest state = vd_state_root(slots, 3);
    int hosts = q->kind >= RF_Q_OPERATOR, joint = q->kind == RF_Q_STATE || q->kind == RF_Q_OPERANDS;
    if (hosts) cr_assert_eq(q->parties, 0);
    if (joint) cr_assert_eq(q->parties, 3);
    switch (q->kind) {
    case RF_Q_HASHES:
    case RF_Q_LEAF:
        if (q->tree == VD_TREE_CHUNKS) check_tensor_question(h, q, at);
        else check_tree_question(h, g, q, at);
        break;
    case RF_Q_HEADER: check_tensor_question(h, q, at); break;
    case RF_Q_STATE:
        cr_assert(q->tree == VD_TREE_STATE && q->lo == 0 && q->hi == 3 && q->step == at->step);
        cr_assert(vd_digest_equal(&q->of, &state));
        break;
    case RF_Q_STEP_LEAVES:
        cr_assert(q->tree == VD_TREE_STEPS && q->lo == 0 && q->hi == 2 && q->step == at->first);
        cr_assert(vd_digest_equal(&q->of, &h->claims[q->claim].body.tree));
        cr_assert(vd_digest_equal(&h->claims[q->claim].body.trace,
                                  &h->sides[q->parties == 2]->w.party.root));
        break;
    case RF_Q_PARTS: check_tensor_question(h, q, at); /* fall through */
    case RF_Q_OPERANDS:
    case RF_Q_KERNEL: cr_assert(q->output == at->output && q->element == at->element);
        /* fall through */
    case RF_Q_OPERATOR:
        cr_assert(q->step == at->step && q->node == at->node);
        if (q->kind != RF_Q_PARTS) check_bound(g, q);
        break;
    case RF_Q_RERUN:
        cr_assert(q->has_state && vd_digest_equal(&q->state, &state));
        cr_assert(q->tree == VD_TREE_STEPS && q->lo == at->step && q->hi == at->step + 1);
        break;
    case RF_Q_SEGMENTS:
    case RF_Q_EXPLANATIONS: check_window_question(h, g, q, at); break;
    case RF_Q_OUTPUTS: cr_assert(0); break;
    }
}

static void check_questions(real_host *h, const place *at)
{
    rf_question open[RF_OPEN_MAX];
    uint32_t count;
    ro_err err = {RO_OK, {0}};
    uint8_t *out = malloc(REAL_ROOM);
    rf_game *g = real_new(h);
    h->questions = 0;
    for (must(rf_game_next(g, open, &count, &err), &err); count;
         must(rf_game_next(g, open, &count, &err), &err))
        for (uint32_t k = 0; k < count; k++) {
            check_question(h, g, &open[k], at);
            must(real_answer(h, g, &open[k], out, &err), &err);
        }
    const rf_verdict *v = rf_game_verdict(g);
    cr_assert(v->kind == RF_OUTPUT && v->step == at->step && v->guilty_count == 1, "%s", v->why);
    cr_assert_eq(v->questions, h->questions);
    rf_game_free(g);
    free(out);
}

Test(game_branches, T16_a_question_says_what_it_is_about, .timeout = 60)
{
    static const uint64_t parts[2] = {SUM, 40};
    static const place AT_NORM = {3, 3, REAL_NORM, 0, 0}, AT_POOL = {2, 2, REAL_POOL, 1, 0},
                       AT_ADD = {AT, 1300, REAL_ADD, 0, 4}, AT_SUM = {1, ROW, 1, 0, 0};
    fixture f = set_up(0, 1), c = set_up(2, 2);
    real_side *x = faulty(&f, (real_fault){3, REAL_NORM, 0, 3, 1, 0});
    real_side *y = faulty(&f, (real_fault){2, REAL_POOL, 1, 2, 1, 0});
    real_side *z = faulty(&c, (real_fault){AT, REAL_ADD, 0, 1300, 1, 0});
    for (int swap = 0; swap < 2; swap++) {
        real_host h = host(&f, swap ? f.truth : x, swap ? x : f.truth);
        check_questions(&h, &AT_NORM);
        h = host(&f, swap ? f.truth : y, swap ? y : f.truth);
        check_questions(&h, &AT_POOL);
        h.deaf_kinds = 1u << RF_Q_OPERANDS;
        check_questions(&h, &AT_POOL);
        h.deaf_kinds |= 1u << RF_Q_OPERATOR;
        check_questions(&h, &AT_POOL);
        h = host(&c, swap ? c.truth : z, swap ? z : c.truth);
        for (int k = 0; k < 2; k++) real_claim(&h, h.sides[k], h.sides[k], 2, 1);
        check_questions(&h, &AT_ADD);
        cr_assert(h.asked[RF_Q_STEP_LEAVES] == 2 && h.asked[RF_Q_SEGMENTS] == 0);
        h.online = 1;
        check_questions(&h, &AT_ADD);
        cr_assert(h.asked[RF_Q_STEP_LEAVES] == 2 && h.asked[RF_Q_SEGMENTS] == 2);
    }
    summing s;
    sum_up(&s, parts);
    check_questions(&s.h, &AT_SUM);
    s.h.online = 1;
    check_questions(&s.h, &AT_SUM);
    cr_assert(s.h.asked[RF_Q_PARTS] == 6 && s.h.asked[RF_Q_EXPLANATIONS] == 6);
    sum_down(&s);
    free(x);
    free(y);
    free(z);
    tear_down(&f);
    tear_down(&c);
}

/* ---- setting up ---------------------------------------------------------------------- */

Test(game_branches, setups_that_are_refused)
{
    fixture f = set_up(2, 2);
    rf_party parties[RF_PARTIES_MAX + 1];
    rf_claim claims[RF_CLAIMS_MAX + 1];
    real_host h = host(&f, f.truth, f.truth);
    real_claim(&h, f.truth, f.truth, 2, 1);
    for (uint32_t k = 0; k <= RF_PARTIES_MAX; k++) parties[k] = f.truth->w.party;
    for (uint32_t k = 0; k <= RF_CLAIMS_MAX; k++) claims[k] = h.claims[0];
    const struct { uint32_t parties, claims; int online; ro_status status; } COUNTS[] = {
        {0, 0, 0, RO_EUSAGE},
        {RF_PARTIES_MAX + 1, 0, 0, RO_EUSAGE},
        {1, RF_CLAIMS_MAX + 1, 0, RO_EUSAGE},
        {1, 0, 0, RO_OK},
        {RF_PARTIES_MAX, RF_CLAIMS_MAX, 0, RO_OK},
        {1, 1, 1, RO_EUSAGE}, /* online claims are filed when they are asked for */
        {RF_PARTIES_MAX, 0, 1, RO_OK},
    };
    for (size_t k = 0; k < sizeof COUNTS / sizeof *COUNTS; k++) {
        rf_setup s = {f.job,  parties, COUNTS[k].parties, claims, COUNTS[k].claims,
                      COUNTS[k].online, f.job->digest};
        rf_game *g = NULL;
        ro_err err = {RO_OK, {0}};
        cr_assert_eq(rf_game_new(&s, &g, &err), COUNTS[k].status, "%zu: %s", k, err.msg);
        cr_assert_eq(g != NULL, COUNTS[k].status == RO_OK);
        rf_game_free(g);
    }
    for (int k = 0; k < 6; k++) {
        rf_claim bad = h.claims[0];
        rf_setup s = {f.job, parties, 1, &bad, 1, 0, f.job->digest};
        rf_game *g = NULL;
        ro_err err = {RO_OK, {0}};
        if (k == 1) bad.body.job.b[0] ^= 1;
        if (k == 2) bad.body.steps--;
        if (k == 3) bad.body.segment = 4;
        if (k == 4) bad.body.segment = UINT64_MAX;
        if (k > 0) bad.root = vd_claim_root(&bad.body);
        if (k == 5) bad.root.b[9] ^= 1;
        ro_status want = k == 0 ? RO_OK : k == 5 ? RO_EFORMAT : RO_EDIFFER;
        cr_assert_eq(rf_game_new(&s, &g, &err), want, "claim %d: %s", k, err.msg);
        rf_game_free(g);
    }
    tear_down(&f);
}

/* ---- many roots ---------------------------------------------------------------------- */

/* 64 roots of nothing. Only what the host runs again decides: it does so for every `every`-th pair,
 * and says nothing else. */
static rf_game *crowd(const fixture *f, uint32_t every, uint32_t *reruns)
{
    rf_party parties[RF_PARTIES_MAX];
    rf_setup s = {f->job, parties, RF_PARTIES_MAX, NULL, 0, 0, f->job->digest};
    rf_game *g = NULL;
    rf_question open[RF_OPEN_MAX];
    uint32_t count;
    ro_err err = {RO_OK, {0}};
    const uint8_t answer[2 * VD_DIGEST + 1] = {[2 * VD_DIGEST] = 1};
    for (uint32_t k = 0; k < RF_PARTIES_MAX; k++) {
        vd_trace_body b = f->truth->w.body;
        b.tree = made_up(k, 1, 2);
        vd_trace_body_encode(&b, parties[k].body);
        parties[k].root = vd_trace_root(&b);
    }
    must(rf_game_new(&s, &g, &err), &err);
    *reruns = 0;
    for (must(rf_game_next(g, open, &count, &err), &err); count;
         must(rf_game_next(g, open, &count, &err), &err))
        for (uint32_t k = 0; k < count; k++) {
            int accepted = 0;
            if (open[k].kind == RF_Q_RERUN && every && rf_game_pairs(g) % every == 0) {
                must(rf_game_answer(g, &open[k], RF_NONE, answer, sizeof answer, &accepted, &err),
                     &err);
                cr_assert(accepted);
                (*reruns)++;
            }
            rf_game_cannot(g, &open[k], RF_NONE);
        }
    return g;
}

Test(game_branches, T06_a_crowd_that_nothing_decides)
{
    fixture f = set_up(0, 1);
    uint32_t reruns;
    rf_game *g = crowd(&f, 0, &reruns);
    cr_assert_eq(rf_game_pairs(g), 32); /* one level without a decision is enough */
    cr_assert_eq(rf_game_verdict(g)->kind, RF_UNDECIDED);
    cr_assert_eq(rf_game_verdict(g)->guilty_count, 0);
    rf_game_free(g);
    g = crowd(&f, 20, &reruns); /* levels go on while one of each is decided: 323 to 337 are none */
    cr_assert_eq(rf_game_pairs(g), 338);
    cr_assert_eq(rf_game_verdict(g)->kind, RF_UNDECIDED);
    cr_assert_eq(reruns, 17);
    cr_assert_eq(__builtin_popcountll(world_guilty(g)), 34);
    rf_game_free(g);
    g = crowd(&f, 1, &reruns); /* the run agrees with nobody: all fall */
    cr_assert_eq(rf_game_pairs(g), 32);
    cr_assert_eq(world_guilty(g), UINT64_MAX);
    cr_assert_eq(rf_game_verdict(g)->kind, RF_OUTPUT);
    cr_assert_eq(reruns, 32);
    rf_game_free(g);
    tear_down(&f);
}

/* The order of pairing by its rule: H(tag, task, H(tag, all sorted roots), root), ascending. */
Test(game_branches, T33_pairs_meet_in_the_order_of_the_rule)
{
    enum { N = 5 };
    fixture f = set_up(0, 1);
    rf_party parties[N];
    vd_digest roots[N], order[N], key[3] = {made_up(9, 9, 9)};
    uint32_t count, first = 0, second = N;
    rf_game *g = NULL;
    rf_question open[RF_OPEN_MAX];
    ro_err err = {RO_OK, {0}};
    for (uint32_t k = 0; k < N; k++) {
        vd_trace_body b = f.truth->w.body;
        b.tree = made_up(k, 3, 4);
        vd_trace_body_encode(&b, parties[k].body);
        roots[k] = parties[k].root = vd_trace_root(&b);
    }
    for (uint32_t i = 1; i < N; i++)
        for (uint32_t k = i; k > 0 && memcmp(roots[k - 1].b, roots[k].b, 32) > 0; k--) {
            vd_digest d = roots[k];
            roots[k] = roots[k - 1];
            roots[k - 1] = d;
        }
    vd_tagged_hash("verde/1 roots", roots, sizeof roots, key[1].b);
    for (uint32_t k = 0; k < N; k++) {
        key[2] = parties[k].root;
        vd_tagged_hash("verde/1 pairing", key, sizeof key, order[k].b);
        if (memcmp(order[k].b, order[first].b, 32) < 0) first = k;
    }
    for (uint32_t k = 0; k < N; k++)
        if (k != first && (second == N || memcmp(order[k].b, order[second].b, 32) < 0)) second = k;
    rf_setup s = {f.job, parties, N, NULL, 0, 0, key[0]};
    must(rf_game_new(&s, &g, &err), &err);
    must(rf_game_next(g, open, &count, &err), &err);
    cr_assert_eq(count, 2);
    cr_assert_eq(open[0].parties, UINT64_C(1) << first);
    cr_assert_eq(open[1].parties, UINT64_C(1) << second);
    rf_game_free(g);
    tear_down(&f);
}

/* What was struck in each pair's segment adds up. */
Test(game_branches, T24_struck_claims_of_all_pairs)
{
    fixture f = set_up(2, 2);
    real_side *x = faulty(&f, (real_fault){AT, REAL_NEG, 0, 2, 1, 0});
    real_side *y = faulty(&f, (real_fault){AT, REAL_NEG, 0, 3, 1, 0});
    for (int online = 0; online < 2; online++) {
        real_host h = host(&f, x, f.truth);
        h.sides[2] = y;
        h.count = 3;
        h.online = online;
        for (int k = 0; k < 3; k++) real_claim(&h, h.sides[k], h.sides[k], 2, 1);
        rf_game *g = real_play(&h);
        uint32_t struck = 0;
        for (uint32_t k = 0; k < rf_game_pairs(g); k++) struck += rf_game_pair(g, k)->struck_claims;
        cr_assert_eq(world_guilty(g), 5);
        cr_assert(struck == 2 && rf_game_verdict(g)->struck_claims == 2);
        if (!online) cr_assert_eq(first_claims(&h, g), 2);
        cr_assert_eq(h.asked[RF_Q_SEGMENTS], online ? 4u : 0u); /* each pair has its windows */
        rf_game_free(g);
    }
    free(x);
    free(y);
    tear_down(&f);
}

/* Whatever the caller's thread did to the processor's rounding before each call. */
Test(game_branches, T60_bodies_round_as_they_must)
{
    fixture f = set_up(0, 1);
    real_side *x = faulty(&f, (real_fault){2, REAL_NORM, 0, 3, 1, 0});
    real_host h = host(&f, x, f.truth);
    rf_question open[RF_OPEN_MAX];
    uint32_t count = 1;
    ro_err err = {RO_OK, {0}};
    uint8_t *out = malloc(REAL_ROOM);
    rf_game *g = real_new(&h);
    h.deaf_kinds = 1u << RF_Q_KERNEL;
    while (count) {
        fesetround(FE_UPWARD);
        must(rf_game_next(g, open, &count, &err), &err);
        for (uint32_t k = 0; k < count; k++) {
            fesetround(FE_TOWARDZERO);
            must(real_answer(&h, g, &open[k], out, &err), &err);
        }
    }
    cr_assert_eq(rf_game_verdict(g)->method, RF_BY_ELEMENT);
    cr_assert_eq(world_guilty(g), 1);
    rf_game_free(g);
    free(out);
    free(x);
    tear_down(&f);
}

/* A question that moves up when the one before it is answered keeps its count of refusals. */
Test(game_branches, T31_refusals_stay_with_their_question)
{
    fixture f = set_up(0, 1);
    real_side *x = faulty(&f, (real_fault){2, REAL_NEG, 0, 3, 1, 0});
    for (int swap = 0; swap < 2; swap++) {
        real_host h = host(&f, swap ? x : f.truth, swap ? f.truth : x);
        rf_question open[RF_OPEN_MAX], left[RF_OPEN_MAX];
        uint32_t count;
        int accepted;
        ro_err err = {RO_OK, {0}};
        uint8_t junk[64] = {0}, *out = malloc(REAL_ROOM);
        rf_game *g = real_new(&h);
        must(rf_game_next(g, open, &count, &err), &err);
        uint32_t late = open[1].parties == 2;
        for (uint32_t k = 0; k + 1 < RF_REFUSALS_MAX; k++)
            must(rf_game_answer(g, &open[1], late, junk, sizeof junk, &accepted, &err), &err);
        must(real_answer(&h, g, &open[0], out, &err), &err);
        must(rf_game_next(g, left, &count, &err), &err);
        cr_assert(count == 1 && left[0].parties == open[1].parties);
        must(rf_game_answer(g, &open[1], late, junk, sizeof junk, &accepted, &err), &err);
        size_t n = real_says(&h, g, late, &open[1], out);
        must(rf_game_answer(g, &open[1], late, out, n, &accepted, &err), &err);
        cr_assert(!accepted, "its sixteenth wrong answer was its last");
        rf_game_free(g);
        free(out);
    }
    free(x);
    tear_down(&f);
}

/* A pair's evidence has nothing of the pair before it, which needed the state and asked for the
 * leaf of the step before. */
Test(game_branches, evidence_is_of_the_last_pair)
{
    fixture f = set_up(0, 1);
    real_side *y = faulty(&f, (real_fault){3, REAL_NEG, 0, 3, 1, 0});
    int found = 0;
    for (uint64_t element = 0; element < 6; element++) {
        real_side *x = faulty(&f, (real_fault){2, REAL_NORM, 0, element, 1, 0});
        real_host h = host(&f, x, f.truth);
        h.sides[2] = y;
        h.count = 3;
        rf_game *g = real_play(&h);
        cr_assert_eq(world_guilty(g), 5);
        found += rf_game_pair(g, 0)->node == REAL_NORM;
        check_evidence(g);
        rf_game_free(g);
        free(x);
    }
    cr_assert_gt(found, 0, "chance put them all last");
    free(y);
    tear_down(&f);
}

/* Cost and guilt are of all pairs; the last one decided speaks. */
Test(game_branches, T23_what_three_roots_add_up_to)
{
    fixture f = set_up(0, 1);
    real_side *x = faulty(&f, (real_fault){2, REAL_NEG, 0, 3, 1, 0});
    real_side *y = faulty(&f, (real_fault){3, REAL_POOL, 0, 3, 1, 0});
    real_host h = host(&f, x, f.truth);
    h.sides[2] = y;
    h.sides[3] = x;
    h.count = 4;
    h.deaf_kinds = 1u << RF_Q_KERNEL;
    rf_game *g = real_play(&h);
    const rf_verdict *v = rf_game_verdict(g);
    uint64_t sum[4] = {0};
    cr_assert_eq(world_guilty(g), 13);
    cr_assert_eq(rf_game_pairs(g), 2);
    for (uint32_t k = 0; k < 2; k++) {
        const rf_verdict *w = rf_game_pair(g, k);
        cr_assert_eq(w->kind, RF_OUTPUT);
        sum[0] += w->elements_recomputed;
        sum[1] += w->bytes_read;
        sum[2] += w->questions;
        sum[3] += w->guilty_count;
    }
    cr_assert(v->elements_recomputed == sum[0] && v->bytes_read == sum[1] && sum[1] > 0);
    cr_assert(v->questions == sum[2] && v->guilty_count == sum[3] && sum[3] == 3);
    /* Each pair asks for the kernel's opinion, which nobody gives; all other questions count. */
    cr_assert_eq(v->questions, h.questions);
    cr_assert(v->provisional && !v->alarm);
    cr_assert_eq(v->step, rf_game_pair(g, 1)->step);
    rf_question open[RF_OPEN_MAX];
    uint32_t count = 9;
    ro_err err = {RO_OK, {0}};
    must(rf_game_next(g, open, &count, &err), &err); /* what is over stays over */
    cr_assert(count == 0 && rf_game_verdict(g) == v && rf_game_pairs(g) == 2);
    rf_game_free(g);
    free(x);
    free(y);
    tear_down(&f);
}
