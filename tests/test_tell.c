/* test_tell.c - what people are told: every kind of verdict by every method, for every set of
 * guilty parties, has its own sentences, and they claim no more than the verdict. */
#include "../referee/tell.c"

#include <criterion/criterion.h>

#include "small_job.h"

static const char *const ABOUT[] = {"agreed", "said", "recomputed", "why", "cost", "open"};
enum { AGREED, SAID, RECOMPUTED, WHY, COST, OPEN, ABOUTS };

/* What was heard, by pair (the last row: of the whole dispute) and subject. */
typedef struct { char text[4][ABOUTS][2048]; uint32_t count[4][ABOUTS]; } heard;

static void listen(void *ctx, uint32_t pair, const char *about, const char *text)
{
    heard *h = ctx;
    uint32_t row = pair == RF_NONE ? 3 : pair, k = 0;
    while (k < ABOUTS && strcmp(ABOUT[k], about) != 0) k++;
    cr_assert(k < ABOUTS && row < 4, "%s", about);
    cr_assert_lt(strlen(text), sizeof h->text[0][0]);
    strncpy(h->text[row][k], text, sizeof h->text[0][0] - 1);
    h->count[row][k]++;
    /* A whole sentence each, in ASCII, nothing left unfilled. */
    size_t n = strlen(text);
    cr_assert(n && text[n - 1] == '.', "%s", text);
    cr_assert(text[0] == '-' || (text[0] >= 'A' && text[0] <= 'Z') || (text[0] >= '0' &&
              text[0] <= '9'), "%s", text);
    for (size_t i = 0; i < n; i++) cr_assert(text[i] >= ' ' && text[i] <= '~', "%s", text);
    cr_assert(!strstr(text, "  ") && !strchr(text, '%') && !strstr(text, "(null)"), "%s", text);
}

/* ---- verdicts that are made up ---------------------------------------------------------- */

typedef enum { NO_PLACE, RANGE, STEP, NODE, ELEMENT } place;
/* alarm 2: no alarm, but something failed. */
typedef struct { rf_kind kind; rf_method method; place at; rf_bodies bodies; int alarm; } sort;
static const sort SORTS[] = {
    {RF_STRUCTURE, RF_BY_NONE, NO_PLACE, RF_TREES_DIFFER, 0},
    {RF_STRUCTURE, RF_BY_NONE, STEP, RF_TREES_DIFFER, 0},
    {RF_STRUCTURE, RF_BY_NONE, NODE, RF_TREES_DIFFER, 0},
    {RF_INPUTS, RF_BY_NONE, NODE, RF_TREES_DIFFER, 0},
    {RF_STEP, RF_BY_NONE, STEP, RF_TREES_DIFFER, 0},
    {RF_STEP, RF_BY_NONE, STEP, RF_OUTPUTS_DIFFER, 0},
    {RF_STEP, RF_BY_NONE, STEP, RF_ENDS_DIFFER, 0},
    {RF_OUTPUT, RF_BY_ELEMENT, ELEMENT, RF_TREES_DIFFER, 0},
    {RF_OUTPUT, RF_BY_PARTIAL, ELEMENT, RF_TREES_DIFFER, 0},
    {RF_OUTPUT, RF_BY_OPERATOR, NODE, RF_TREES_DIFFER, 0},
    {RF_OUTPUT, RF_BY_STEP, STEP, RF_TREES_DIFFER, 0},
    {RF_OUTPUT, RF_BY_SEGMENT, RANGE, RF_TREES_DIFFER, 0},
    {RF_OUTPUT, RF_BY_SEGMENT, RANGE, RF_OUTPUTS_DIFFER, 0},
    {RF_FORFEIT, RF_BY_NONE, STEP, RF_TREES_DIFFER, 0},
    {RF_FORFEIT, RF_BY_NONE, ELEMENT, RF_TREES_DIFFER, 0},
    {RF_WITHHELD, RF_BY_STEP, STEP, RF_TREES_DIFFER, 0},
    {RF_WITHHELD, RF_BY_SEGMENT, RANGE, RF_TREES_DIFFER, 0},
    {RF_UNDECIDED, RF_BY_NONE, NO_PLACE, RF_TREES_DIFFER, 0},
    {RF_UNDECIDED, RF_BY_NONE, NODE, RF_TREES_DIFFER, 0},
    {RF_UNDECIDED, RF_BY_NONE, ELEMENT, RF_TREES_DIFFER, 1},
    {RF_UNDECIDED, RF_BY_NONE, ELEMENT, RF_TREES_DIFFER, 2},
};
enum { SORT_COUNT = sizeof SORTS / sizeof *SORTS };

static void make(const sort *s, const vd_job *j, uint32_t guilty, rf_verdict *v)
{
    memset(v, 0, sizeof *v);
    v->kind = s->kind;
    v->method = s->method;
    v->alarm = s->alarm == 1;
    snprintf(v->why, sizeof v->why, "%s",
             s->alarm == 2   ? "the child had no memory"
             : s->alarm == 1 ? "two implementations differ"
                             : "the agreed inputs can neither be found nor re-derived here");
    v->sides[1] = 1;
    v->has_step = s->at >= STEP;
    v->has_node = s->at >= NODE;
    v->has_element = s->at == ELEMENT;
    v->has_value = v->has_element && s->method != RF_BY_NONE;
    v->step = 2;
    v->phase = 1;
    v->node = 1;
    v->op = j->phases[1].graph->nodes[1].op;
    v->type = j->slots[1].type;
    v->element = 4;
    v->claimed[0] = 0x3f800000;
    v->claimed[1] = 0x3f801000;
    v->recomputed = guilty & 1 ? guilty & 2 ? 0x40000000 : 0x3f801000 : 0x3f800000;
    v->input = 1;
    v->part_index = 40;
    if (s->method == RF_BY_STEP || s->method == RF_BY_SEGMENT) {
        v->lo = 2;
        v->hi = s->method == RF_BY_STEP ? 3 : 4;
    }
    v->elements_recomputed = s->method == RF_BY_OPERATOR ? 6 : (uint64_t)v->has_value;
    v->questions = 7;
    v->bytes_read = 1234;
    for (uint32_t k = 0; k < 3; k++) {
        uint32_t side = k == 1; /* A and C against B */
        if (guilty >> side & 1) v->guilty[v->guilty_count++] = (rf_guilt){k, s->kind};
    }
}

/* What a report of at most four parties and two pairs points to. */
typedef struct {
    uint32_t side[4];
    uint8_t stands[4], is_signed[4], foreign[4];
    const rf_verdict *pairs[2];
    rf_bodies bodies[2];
} rows;

static void outcome(const vd_job *j, const sort *s, uint32_t guilty, rf_verdict *v, rows *r,
                    rf_report *o)
{
    memset(o, 0, sizeof *o);
    memset(r, 0, sizeof *r);
    make(s, j, guilty, v);
    o->side = r->side;
    o->stands = r->stands;
    o->is_signed = r->is_signed;
    o->foreign = r->foreign;
    o->pairs = r->pairs;
    o->bodies = r->bodies;
    o->job = j;
    o->party_count = 3;
    o->side[1] = 1;
    o->verdict = o->pairs[0] = v;
    o->bodies[0] = s->bodies;
    o->pair_count = 1;
    o->job_flops = 5000000;
    o->ms = 12;
    for (uint32_t k = 0; k < 3; k++) {
        o->stands[k] = !(guilty >> (k == 1) & 1);
        o->is_signed[k] = 1;
    }
}

static int has(const char *text, const char *part) { return strstr(text, part) != NULL; }

static void check_recomputed(const rf_verdict *v, const char *text)
{
    static const char *const says[] = {"Nothing", "this one number", "this one partial result",
                                       "the whole operation", "the whole of step 2",
                                       "ran steps 2 to 3 again"};
    if (v->kind == RF_WITHHELD) cr_assert(has(text, "from its first state"), "%s", text);
    else if (v->alarm) cr_assert(has(text, "twice"), "%s", text);
    else cr_assert(has(text, says[v->method]), "%s: %s", rf_method_name(v->method), text);
    if (v->has_value) cr_assert(has(text, v->recomputed == 0x3f800000 ? "is 1 (0x3f800000)"
                                          : v->recomputed == 0x40000000 ? "is 2 (0x40000000)"
                                          : "is 1.00048828 (0x3f801000)"), "%s", text);
    cr_assert_eq(has(text, "second implementation"), v->has_value && !v->provisional, "%s", text);
}

static void check_why(const rf_verdict *v, uint32_t guilty, const char *text)
{
    cr_assert_eq(has(text, "nobody is condemned"), v->kind == RF_UNDECIDED, "%s", text);
    cr_assert_eq(has(text, "fault of the referee"), v->alarm, "%s", text);
    cr_assert_eq(has(text, "fails in the referee"), has(v->why, "memory"), "%s", text);
    cr_assert_eq(has(text, "both fall"), v->kind == RF_WITHHELD, "%s", text);
    cr_assert_eq(has(text, "deadline"), v->kind == RF_FORFEIT, "%s", text);
    if (v->kind == RF_OUTPUT) {
        cr_assert_eq(has(text, "both records are wrong"), guilty == 3, "%s", text);
        cr_assert_eq(has(text, "A and C have it, B has not; so the record of B is wrong"),
                     guilty == 2, "%s", text);
        cr_assert_eq(has(text, "B has it, A and C have not; so the record of A and C is wrong"),
                     guilty == 1, "%s", text);
    }
    if (v->kind == RF_STRUCTURE || v->kind == RF_INPUTS) {
        const char *who = guilty == 3 ? "The record of either side "
                          : guilty == 2 ? "The record of B " : "The record of A and C ";
        cr_assert(has(text, who), "%s", text);
    }
    if (v->kind == RF_STEP)
        cr_assert(has(text, guilty == 2 ? "What B states" : guilty == 1 ? "What A and C state "
                                                                        : "states"), "%s", text);
}

static void check_open(const rf_report *o, uint32_t guilty, const char *text)
{
    const rf_verdict *v = o->verdict;
    int file = v->method == RF_BY_ELEMENT || v->method == RF_BY_PARTIAL;
    cr_assert_eq(has(text, "provisional"), rf_is_provisional(o), "%s", text);
    cr_assert_eq(has(text, "Nobody's record"), guilty == 3, "%s", text);
    cr_assert_eq(has(text, "is right remains open"), guilty == 0, "%s", text);
    cr_assert_eq(has(text, "--store DIR"),
                 guilty == 0 && !v->alarm && !has(v->why, "memory"), "%s", text);
    cr_assert_eq(has(text, "not contradicted"), guilty == 1 || guilty == 2, "%s", text);
    cr_assert_eq(has(text, "That A and C stand means"), guilty == 2, "%s", text);
    cr_assert_eq(has(text, "That B stands means"), guilty == 1, "%s", text);
    cr_assert_eq(has(text, "--evidence"), file, "%s", text);
    cr_assert_eq(has(text, "no evidence file"), !file && v->method != RF_BY_NONE, "%s", text);
    cr_assert_eq(has(text, "A forfeit does not say"), v->kind == RF_FORFEIT, "%s", text);
    cr_assert(!has(text, "not signed"), "%s", text);
}

static void check_one(const vd_job *j, const sort *s, uint32_t guilty, int provisional, int foreign)
{
    rf_verdict v;
    rf_report o;
    rows r;
    heard *h = calloc(1, sizeof *h);
    outcome(j, s, guilty, &v, &r, &o);
    v.provisional = provisional;
    for (uint32_t k = 0; k < 3; k++) o.foreign[k] = (uint8_t)foreign;
    rf_explain(&o, listen, h);
    for (int k = 0; k < ABOUTS; k++)
        cr_assert_eq(h->count[0][k] + h->count[3][k], 1, "%s: %u times", ABOUT[k],
                     h->count[0][k] + h->count[3][k]);
    cr_assert(has(h->text[0][AGREED], "A and C on one side and B on the other"), "%s",
              h->text[0][AGREED]);
    cr_assert_eq(has(h->text[0][AGREED], "what comes out of it differs"),
                 s->kind == RF_OUTPUT && s->at >= NODE && j->record == VD_RECORD_FULL, "%s",
                 h->text[0][AGREED]);
    if (v.has_element) {
        cr_assert(has(h->text[0][SAID], "A and C say, is 1 (in bits 0x3f800000); B says 1.00048828 "
                                        "(0x3f801000)"), "%s", h->text[0][SAID]);
        cr_assert(has(h->text[0][SAID], "one bit, number 12"), "%s", h->text[0][SAID]);
    }
    check_recomputed(&v, h->text[0][RECOMPUTED]);
    check_why(&v, guilty, h->text[0][WHY]);
    cr_assert(has(h->text[3][COST], "7 questions"), "%s", h->text[3][COST]);
    cr_assert(has(h->text[3][COST], "5.00 MFLOP"), "%s", h->text[3][COST]);
    check_open(&o, guilty, h->text[3][OPEN]);
    free(h);
}

static void each_sort(uint32_t segment)
{
    ro_err err = {RO_OK, {0}};
    ro_arena *a = ro_arena_new();
    vd_job *j = NULL;
    must(small_job(a, 1, 5, segment, 3, &j, &err), &err);
    for (uint32_t k = 0; k < SORT_COUNT; k++)
        for (uint32_t guilty = 0; guilty < 4; guilty++) {
            int nobody = SORTS[k].kind == RF_UNDECIDED, all = SORTS[k].kind == RF_WITHHELD;
            if ((guilty == 0) != nobody || (all && guilty != 3)) continue;
            if (segment && SORTS[k].at >= NODE) continue; /* those come from segment claims */
            for (int p = 0; p < 4; p++) check_one(j, &SORTS[k], guilty, p & 1, p >> 1);
        }
    ro_arena_free(a);
}

Test(tell, every_kind_by_every_method_in_its_own_words) { each_sort(0); }
Test(tell, the_same_at_checkpoint_level) { each_sort(2); }

/* ---- agreement, several pairs, segment claims, signatures ------------------------------- */

typedef struct {
    ro_arena *arena;
    vd_job *job;
    rf_verdict v;
    rows rows;
    rf_report o;
    heard h;
} scene;

/* A and C against B. */
static scene *set_up(uint32_t segment, const sort *kind, uint32_t guilty)
{
    ro_err err = {RO_OK, {0}};
    scene *s = calloc(1, sizeof *s);
    s->arena = ro_arena_new();
    must(small_job(s->arena, 1, 5, segment, 3, &s->job, &err), &err);
    outcome(s->job, kind, guilty, &s->v, &s->rows, &s->o);
    return s;
}

static void tear_down(scene *s)
{
    ro_arena_free(s->arena);
    free(s);
}

Test(tell, agreement_is_not_truth)
{
    for (uint32_t segment = 0; segment <= 2; segment += 2) {
        scene *s = set_up(segment, &SORTS[0], 0);
        s->v.kind = RF_AGREE;
        s->o.pair_count = 0;
        rf_explain(&s->o, listen, &s->h);
        const char (*text)[2048] = s->h.text[3];
        cr_assert(has(text[AGREED], segment ? "end of every segment" : "every tensor"));
        cr_assert(has(text[AGREED], "All 3 parties"));
        cr_assert(has(text[RECOMPUTED], "Nothing"));
        cr_assert(has(text[OPEN], "does not show that the record is true"));
        tear_down(s);
    }
}

Test(tell, each_pair_has_its_own_sentences)
{
    scene *s = set_up(0, &SORTS[3], 1); /* inputs: A and C fall */
    rf_verdict second;
    heard *h = &s->h;
    make(&SORTS[7], s->job, 2, &second); /* an element: B against D, D falls */
    second.sides[0] = 1;
    second.sides[1] = 3;
    second.guilty[0] = (rf_guilt){3, RF_OUTPUT};
    s->o.party_count = 4;
    s->o.side[3] = 3;
    s->o.pairs[1] = s->o.verdict = &second;
    s->o.pair_count = 2;
    rf_explain(&s->o, listen, h);
    cr_assert(has(h->text[3][AGREED], "4 parties committed to 3 different records"));
    cr_assert(has(h->text[0][WHY], "The record of A and C takes in"), "%s", h->text[0][WHY]);
    cr_assert(has(h->text[1][AGREED], "B and D committed"), "%s", h->text[1][AGREED]);
    cr_assert(has(h->text[1][WHY], "B has it, D has not"), "%s", h->text[1][WHY]);
    cr_assert(has(h->text[3][WHY], "Left standing: B."), "%s", h->text[3][WHY]);
    cr_assert(has(h->text[3][OPEN], "Where one number was recomputed, anyone can"));
    cr_assert(!has(h->text[3][OPEN], "no evidence file"));
    cr_assert(h->count[0][COST] + h->count[1][COST] == 0 && h->count[3][COST] == 1);
    s->o.stands[1] = 0;
    s->v.method = RF_BY_OPERATOR;
    rf_explain(&s->o, listen, h);
    cr_assert(has(h->text[3][OPEN], "Where more was run again, there is no evidence file"));
    cr_assert(has(h->text[3][WHY], "Left standing: nobody."), "%s", h->text[3][WHY]);
    tear_down(s);
}

Test(tell, segment_claims_and_missing_signatures)
{
    scene *s = set_up(2, &SORTS[7], 2);
    s->v.struck_claims = 1;
    s->o.is_signed[1] = 0;
    rf_explain(&s->o, listen, &s->h);
    const char (*text)[2048] = s->h.text[0];
    cr_assert(has(text[SAID], "claims of what happened inside the segment"));
    cr_assert(has(text[AGREED], "Both put the same numbers into the next one"));
    cr_assert(has(text[WHY], "one claim of a segment was found false"));
    cr_assert(has(s->h.text[3][OPEN], "B is not signed"), "%s", s->h.text[3][OPEN]);
    tear_down(s);
}

Test(tell, sides_of_any_number_of_parties_are_named)
{
    static uint32_t side[4096];
    rf_report o;
    rf_verdict v;
    char text[512];
    memset(&o, 0, sizeof o);
    memset(&v, 0, sizeof v);
    o.side = side;
    o.party_count = 64;
    rf_side_text(&o, &v, 0, text);
    cr_assert(has(text, "A, B, C, ") && has(text, "P63 and P64"), "%s", text);
    for (o.party_count = 200; o.party_count <= 4096; o.party_count += 13) {
        char end[40];
        uint32_t named = 1;
        rf_side_text(&o, &v, 0, text);
        for (const char *c = strchr(text, ','); c; c = strchr(c + 1, ',')) named++;
        snprintf(end, sizeof end, " and %u more", o.party_count - named);
        cr_assert(strlen(text) < 512 && strncmp(text, "A, B, C, ", 9) == 0, "%s", text);
        cr_assert_str_eq(text + strlen(text) - strlen(end), end);
    }
}
