/* test_page.c - the pages: every one of them well formed whatever it is given, nothing of it markup
 * but ours, its pictures within their places and as the comparisons say; and the way down of real
 * disputes, played by the members of task_world.h, from the openings that the referee accepted. */
#include <criterion/criterion.h>
#include <signal.h>

#include "../referee/game.h"
#include "../server/course.h"
#include "html_check.h"
#include "page_samples.h"

static ro_status watched_event(rf_task *t, const rf_event *e, uint64_t now, ro_err *err);
#define rf_task_event watched_event
#include "task_world.h"
#undef rf_task_event

static const sv_page_frame *frame(void)
{
    static sv_page_frame f;
    f = ps_frame();
    return &f;
}

/* The page, checked; the next call has its place. */
static const char *checked(sv_html *h, const char *what)
{
    static char *kept;
    ro_err err = {RO_OK, {0}};
    must(sv_html_status(h, &err), &err);
    const char *wrong = html_wrong(h->text);
    cr_assert_null(wrong, "%s: %s", what, wrong ? wrong : "");
    cr_assert_null(strstr(h->text, "nan"), "%s", what);
    free(kept);
    kept = strdup(h->text);
    sv_html_release(h);
    return kept;
}

static const char *dispute_text(const sv_page_dispute *d, const char *what)
{
    sv_html h;
    sv_html_init(&h);
    sv_page_write_dispute(&h, frame(), d);
    return checked(&h, what);
}

static uint32_t times(const char *text, const char *what)
{
    uint32_t n = 0;
    for (const char *at = text; (at = strstr(at, what)); at += strlen(what)) n++;
    return n;
}
#define HAS(text, what) cr_assert_not_null(strstr(text, what), "without %s", what)
#define LACKS(text, what) cr_assert_null(strstr(text, what), "with %s", what)

/* ---- text ---------------------------------------------------------------------------------- */

static const char hostile[] = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>&amp;"
                              "\x01\x7f\xff\xfe\xc0\x80\xed\xa0\x80\xe2\x80\xae\xf4\x90\x80\x80"
                              "\xe2\x81\xa6\xc3\xa9\xf0\x9f\x8c\xb2\xc3";

static const char *put(sv_html *h)
{
    static char text[4096];
    ro_err err = {RO_OK, {0}};
    must(sv_html_status(h, &err), &err);
    snprintf(text, sizeof text, "%s", h->text ? h->text : "");
    sv_html_release(h);
    return text;
}

Test(page, T51_text_of_any_origin_stays_text)
{
    sv_html h;
    sv_html_init(&h);
    sv_mark(&h, "<p title=\"%s\">%s</p>", hostile, hostile);
    const char *text = put(&h);
    LACKS(text, "<script");
    LACKS(text, "<img");
    LACKS(text, "\xe2\x80\xae"); /* turns the direction of what follows */
    HAS(text, "&lt;script&gt;");
    HAS(text, "&quot;&#39;");
    HAS(text, "\xc3\xa9\xf0\x9f\x8c\xb2\xef\xbf\xbd</p>"); /* half a character is none */
    cr_assert_eq(times(text, "<"), 2);
}

Test(page, numbers_and_money_are_written_whole)
{
    static const struct { int64_t micro; const char *money; } rows[] = {
        {0, "0.00"}, {1, "0.000001"}, {-1, "\xe2\x88\x92" "0.000001"}, {20000000, "20.00"},
        {1234567890000, "1,234,567.89"}, {INT64_MAX, "9,223,372,036,854.775807"},
        {INT64_MIN, "\xe2\x88\x92" "9,223,372,036,854.775808"}, {999999, "0.999999"},
        {-20000000, "\xe2\x88\x92" "20.00"}};
    sv_html h;
    sv_html_init(&h);
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        sv_mark_money(&h, rows[k].micro);
        cr_assert_str_eq(put(&h), rows[k].money);
    }
    sv_mark_count(&h, UINT64_MAX);
    cr_assert_str_eq(put(&h), "18,446,744,073,709,551,615");
    sv_mark_micro(&h, 1234567);
    cr_assert_str_eq(put(&h), "1.23<span class=\"u\">4567</span>");
    sv_mark_bytes(&h, 114688);
    cr_assert_str_eq(put(&h), "112 KiB");
    sv_mark_bytes(&h, UINT64_MAX);
    cr_assert_str_eq(put(&h), "15.99 EiB");
    sv_mark_duration(&h, 549000);
    cr_assert_str_eq(put(&h), "9 min 9 s");
    sv_mark(&h, "%d %u %lld %llu %zu %x %c 100%%", -1, 2u, -3LL, 4ULL, (size_t)5, 0xabu, '<');
    cr_assert_str_eq(put(&h), "-1 2 -3 4 5 ab &lt; 100%");
}

Test(page, a_time_has_its_date_where_that_is_another_day)
{
    sv_html h;
    sv_html_init(&h);
    sv_mark_time(&h, PS_NOW, PS_NOW);
    cr_assert_str_eq(put(&h), "<time datetime=\"2026-11-21T14:02:11Z\">14:02:11</time>");
    sv_mark_time(&h, PS_NOW - PS_DAY, PS_NOW);
    cr_assert_str_eq(put(&h), "<time datetime=\"2026-11-20T14:02:11Z\">20 Nov</time>");
    sv_mark_time(&h, PS_NOW - 366 * PS_DAY, PS_NOW);
    HAS(put(&h), "20 Nov 2025</time>");
    sv_mark_time(&h, 0, PS_NOW);
    HAS(put(&h), "none");
    sv_mark_time(&h, UINT64_MAX, PS_NOW);
    HAS(put(&h), "none");
}

Test(page, a_page_that_finds_no_memory_says_so)
{
    ps_index *s = ps_index_new();
    uint64_t n = 1;
    for (int whole = 0; !whole; n++) {
        ro_err err = {RO_OK, {0}};
        sv_html h;
        sv_html_init(&h);
        ro_alloc_fail_at(n, 1);
        sv_page_write_index(&h, frame(), &s->page);
        ro_alloc_fail_at(0, 0);
        whole = sv_html_status(&h, &err) == RO_OK;
        cr_assert(whole || err.code == RO_ENOMEM);
        sv_html_release(&h);
    }
    cr_assert_gt(n, 10);
    free(s);
}

/* ---- every page ------------------------------------------------------------------------------ */

static const char *index_text(const sv_page_index *p, const sv_page_frame *f)
{
    sv_html h;
    sv_html_init(&h);
    sv_page_write_index(&h, f, p);
    return checked(&h, "index");
}

Test(page, the_overview_in_its_three_states)
{
    ps_index *s = ps_index_new();
    sv_page_frame f = ps_frame();
    sv_page_index nothing;
    memset(&nothing, 0, sizeof nothing);
    const char *text = index_text(&s->page, &f);
    HAS(text, "cedar wrong at step 412</bdi></a>");
    HAS(text, "data-events=\"/v1/events\"");
    LACKS(text, "role=\"alert\"");
    cr_assert_eq(times(text, "data-live"), 8);
    text = index_text(&nothing, &f);
    HAS(text, "verde submit docs/examples/mlp.json --server http://127.0.0.1:8321");
    HAS(text, "verde provide --server http://127.0.0.1:8321 --key provider.key");
    f.trouble = "Not taking new work: <disk>.";
    f.trouble_why = "No space.";
    f.trouble_ms = PS_NOW - 13000;
    text = index_text(&s->page, &f);
    HAS(text, "role=\"alert\"><p><strong>Not taking new work: &lt;disk&gt;.</strong> No space.");
    HAS(text, "class=\"bad\" data-live");
    free(s);
}

static const char *task_text(const sv_page_task *p)
{
    sv_html h;
    sv_html_init(&h);
    sv_page_write_task(&h, frame(), p);
    return checked(&h, "task");
}

Test(page, a_task_in_every_state_answers_first)
{
    static const char *const answers[9] = {
        "Waiting for providers: 1 of 3 places is taken", "Running. 2 of 3 providers have finished",
        "Computed. 2 of the 3 who committed have revealed", "revealed 2 different results",
        "Done, and nobody disagreed: 3 revealed the same", "You paid 6.00 of the 9.00 you reserved",
        "You paid 9.00 of the 9.00 you reserved", "Nobody disagrees: 3 providers revealed one",
        "No result: the referee could not decide"};
    for (uint32_t k = 0; k < 9; k++) {
        ps_task *t = ps_task_new(k);
        const char *text = task_text(&t->page);
        const char *lede = strstr(text, "class=\"lede\"");
        cr_assert_not_null(lede);
        const char *said = strstr(lede, answers[k]);
        cr_assert(said && said - lede < 700, "%u: %.300s", k, lede);
        HAS(text, "aria-current=\"step\"");
        cr_assert_eq(strstr(text, "What it cost you") != NULL, t->page.line.state >= RF_T_SETTLED);
        ps_task_free(t);
    }
}

Test(page, names_of_any_kind_and_amounts_of_any_size)
{
    ps_task *t = ps_task_new(5);
    t->page.line.name = t->page.line.what = t->page.line.outcome = hostile;
    t->page.client.name = t->dispute.verdict = t->dispute.where = t->costs[0].what = hostile;
    for (uint32_t k = 0; k < 3; k++) {
        t->members[k].who.name = hostile;
        t->members[k].stake = t->members[k].received = INT64_MAX;
        t->members[k].claim = 4000;
    }
    t->page.line.escrow = t->page.line.paid = t->costs[0].amount = t->page.returned = INT64_MAX;
    t->page.line.deadline_ms = t->page.moments[2].at_ms = UINT64_MAX;
    LACKS(task_text(&t->page), "<script>");
    t->page.members = NULL;
    t->page.member_count = 0;
    HAS(task_text(&t->page), "Nobody has claimed a place yet");
    ps_task_free(t);

    ps_index *s = ps_index_new();
    const sv_page_frame f = ps_frame();
    s->providers[0].who.name = s->providers[0].note = s->checks[0].detail = hostile;
    s->disputes[0].name = s->disputes[0].verdict = s->disputes[0].where = hostile;
    for (uint32_t k = 0; k < 5; k++) {
        s->providers[k].free_amount = s->providers[k].held = INT64_MAX;
        s->who[k].name = hostile;
    }
    s->tasks[0].name = s->tasks[0].what = hostile;
    s->page.task_total = s->page.transfers = s->page.recomputed = UINT64_MAX;
    s->page.difference = INT64_MIN;
    s->page.settled[3] = UINT32_MAX;
    LACKS(index_text(&s->page, &f), "<script>");
    free(s);
}

static const char *provider_text(const sv_page_provider *p)
{
    sv_html h;
    sv_html_init(&h);
    sv_page_write_provider(&h, frame(), p);
    return checked(&h, "provider");
}

Test(page, a_provider_who_was_slashed_and_one_who_was_not)
{
    ps_provider *bad = ps_provider_new(2), *good = ps_provider_new(1);
    const char *text = provider_text(&bad->page);
    HAS(text, "Slashed 2 times, last for <a href=\"#s1\">a wrong result</a>");
    HAS(text, "Stake of cedar over time");
    cr_assert_eq(times(text, "class=\"ldd\""), 2);
    HAS(provider_text(&good->page), "Never slashed");
    good->page.line.who.name = good->page.history.name = hostile;
    good->page.history.to_ms = good->page.history.from_ms;
    for (uint32_t k = 0; k < 40; k++) good->points[k].amount = INT64_MAX;
    LACKS(provider_text(&good->page), "<script>");
    good->page.history.point_count = good->page.task_count = good->page.line.tasks = 0;
    HAS(provider_text(&good->page), "It has claimed no task yet");
    ps_provider_free(bad);
    ps_provider_free(good);
}

static const char *ledger_text(const sv_page_ledger *p)
{
    sv_html h;
    sv_html_init(&h);
    sv_page_write_ledger(&h, frame(), p);
    return checked(&h, "ledger");
}

Test(page, the_ledger_sums)
{
    ps_ledger *l = ps_ledger_new(PS_CREDIT);
    const char *text = ledger_text(&l->page);
    HAS(text, "difference 0.00<span class=\"u\">0000</span>");
    HAS(text, "Deposits less withdrawals, 1,080.00, equal the sum of all accounts.");
    HAS(text, "8 transfers, out = in");
    free(l);
    l = ps_ledger_new((INT64_C(1) << 62) / 1100); /* nearly all the money that there can be */
    l->balances[0].who.name = l->groups[0].name = l->transfers[0].from = hostile;
    for (uint32_t k = 0; k < 9; k++) l->transfers[k].amount = INT64_MAX;
    text = ledger_text(&l->page);
    LACKS(text, "<script>");
    LACKS(text, "out = in"); /* a sum that does not fit is not shown */
    free(l);
    sv_page_ledger nothing;
    memset(&nothing, 0, sizeof nothing);
    HAS(ledger_text(&nothing), "No credit has come in yet");
}

Test(page, a_ledger_that_does_not_sum_is_never_drawn, .signal = SIGABRT)
{
    ps_ledger *l = ps_ledger_new(PS_CREDIT);
    sv_html h;
    sv_html_init(&h);
    l->page.places[0]++;
    sv_page_write_ledger(&h, frame(), &l->page);
}

Test(page, what_is_not_there_is_named)
{
    sv_html h;
    const sv_page_missing m = {"task", hostile};
    sv_html_init(&h);
    sv_page_write_missing(&h, frame(), &m);
    const char *text = checked(&h, "missing");
    HAS(text, "There is no task of this name");
    LACKS(text, "<script>");
}

Test(page, files_are_built_in)
{
    const sv_page_asset *css = sv_page_find_asset("/verde.css");
    cr_assert(css && css->size > 4096 && strlen(css->etag) == 32);
    cr_assert_eq(memcmp(css->bytes, "/* verde.css", 12), 0);
    cr_assert_not_null(sv_page_find_asset("/live.js"));
    cr_assert_not_null(sv_page_find_asset("/favicon.svg"));
    cr_assert_null(sv_page_find_asset("/../verde.css"));
}

/* ---- pictures of disputes -------------------------------------------------------------------- */

Test(page, a_dispute_down_to_the_bit)
{
    const ps_shape x = ps_usual();
    ps_dispute *d = ps_dispute_new(&x);
    const char *text = dispute_text(&d->page, "dispute");
    HAS(text, "<bdi>cedar</bdi> was wrong about one number");
    HAS(text, "The tree over 937 steps, halved 10 times; steps 0 to 511 differ; steps 0 to 255 "
              "agree");
    HAS(text, "First differing step: 412.");
    HAS(text, "51 nodes in the step; 2 differ; the first is node 37, Conv; its inputs come of "
              "nodes 32 and 33, which agree; its result is used by node 45.");
    HAS(text, "13 chunks of 4 KiB; the first that differs is chunk 5.");
    HAS(text, "number 562, element [14, 3, 1, 2], is the first to differ, and 1 after it differs.");
    HAS(text, "cedar: 0x3d2f8a51, in binary 00111101001011111000101001010001");
    HAS(text, ">bit 6<");
    HAS(text, "differs from R: wrong");
    HAS(text, "42 million \xc3\x97");
    LACKS(text, "data-events"); /* it never changes */
    cr_assert_eq(times(text, "<tr><td class=\"num\">"), 20);
    free(d);
}

Test(page, disputes_of_other_kinds)
{
    const ps_shape x = ps_usual();
    ps_dispute *d = ps_dispute_about_node(&x, RF_STRUCTURE);
    const char *text = dispute_text(&d->page, "structure");
    HAS(text, "running another program");
    HAS(text, "0 numbers recomputed: none is needed");
    LACKS(text, "of 4 KiB");
    free(d);
    d = ps_dispute_about_node(&x, RF_INPUTS);
    HAS(dispute_text(&d->page, "inputs"), "reading other inputs");
    free(d);
    for (int stages = 0; stages < 4; stages++) {
        d = ps_dispute_open(&x, stages);
        text = dispute_text(&d->page, "open");
        HAS(text, ": not decided yet");
        HAS(text, "data-events=\"/v1/tasks/");
        HAS(text, "birch and cedar");
        cr_assert_geq(times(text, ">not yet<"), 1);
        free(d);
    }
    d = ps_dispute_undecided(&x);
    text = dispute_text(&d->page, "undecided");
    HAS(text, "Nobody was shown to be wrong");
    HAS(text, ">not reached<");
    free(d);
    d = ps_dispute_both_wrong(&x);
    text = dispute_text(&d->page, "both");
    HAS(text, "Both sides were wrong");
    cr_assert_eq(times(text, "differs from R: wrong"), 2);
    d->page.is_part = 1;
    d->page.of = 3;
    d->page.number = 2;
    text = dispute_text(&d->page, "a pair of three");
    HAS(text, "Pair 2 of 3.");
    HAS(text, "one partial result");
    free(d);
}

Test(page, a_dispute_of_hostile_names_and_numbers)
{
    ps_shape x = ps_usual();
    ps_dispute *d = ps_dispute_new(&x);
    for (uint32_t k = 0; k < 5; k++) d->who[k].name = hostile;
    d->page.name = d->page.op = hostile;
    snprintf(d->verdict.why, sizeof d->verdict.why, "%s", hostile);
    d->page.stake = INT64_MAX;
    d->page.bytes_read = d->page.questions = d->page.job_flops = UINT64_MAX;
    d->page.element_flops = 1;
    const char *text = dispute_text(&d->page, "hostile");
    LACKS(text, "<script>");
    LACKS(text, "<img");
    free(d);
}

/* Every size at a boundary: T = 1 and 10^6, nodes and chunks around where a strip is cut, every
 * width of an element. */
Test(page, disputes_of_any_size)
{
    static const uint64_t steps[] = {1, 2, 3, 31, 32, 33, 937, 1000000, UINT64_C(1) << 40};
    static const uint32_t nodes[] = {1, 2, 16, 127, 128, 129, 1000};
    static const int64_t elements[] = {1, 7, 1024, 1025, 16 * 1024, 17 * 1024, 64 * 1024,
                                       64 * 1024 + 1, 4096 * 4096};
    static const ro_dtype types[] = {RO_F32, RO_F64, RO_F16, RO_BF16, RO_U8, RO_I64, RO_BOOL};
    for (uint32_t k = 0; k < 189; k++) {
        ps_shape x;
        memset(&x, 0, sizeof x);
        x.steps = steps[k % 9];
        x.nodes = nodes[k % 7];
        x.type = ro_type_of(types[k % 7], 1, &elements[k / 7 % 9]);
        const uint64_t all = (uint64_t)elements[k / 7 % 9];
        const uint32_t at = k / 63; /* the first, one within, the last */
        x.step = at == 0 ? 0 : at == 1 ? x.steps * 5 / 7 : x.steps - 1;
        x.node = at == 0 ? 0 : at == 1 ? x.nodes * 5 / 7 : x.nodes - 1;
        x.element = at == 0 ? 0 : at == 1 ? all * 5 / 7 : all - 1;
        ps_dispute *d = ps_dispute_new(&x);
        char what[64];
        snprintf(what, sizeof what, "size %u", k);
        const char *text = dispute_text(&d->page, what);
        snprintf(what, sizeof what, "First differing step: %llu.", (unsigned long long)x.step);
        HAS(text, what);
        cr_assert_lt(strlen(text), 1 << 20);
        free(d);
    }
}

/* ---- real disputes --------------------------------------------------------------------------- */

/* What is seen of a task that is played: each pair, when it has ended. */
#define SEEN_MAX 8
static struct {
    uint8_t *bytes[SEEN_MAX];
    size_t size[SEEN_MAX];
    vd_digest roots[SEEN_MAX][2];
    rf_verdict verdict[SEEN_MAX];
    uint64_t reads[SEEN_MAX]; /* chunks of inputs that the verdict was computed from */
    uint32_t count;
} seen;

/* A transcript, as docs/API.md has it. */
static void note_pair(const rf_effect *e, const rf_game *g)
{
    const uint32_t k = seen.count++;
    size_t size = 0;
    cr_assert_lt(k, SEEN_MAX);
    for (const rf_opening *o = g->oldest; o; o = o->later) size += 10 + (o->absent ? 0 : o->size);
    uint8_t *b = seen.bytes[k] = malloc(size);
    seen.size[k] = size;
    for (const rf_opening *o = g->oldest; o; o = o->later) {
        *b++ = (uint8_t)o->slot;
        *b++ = o->absent != 0;
        vd_put_le(b, o->absent ? 0 : o->size, 8);
        b += 8;
        if (!o->absent) memcpy(b, o->bytes, o->size);
        b += o->absent ? 0 : o->size;
    }
    memcpy(seen.roots[k], e->roots, sizeof seen.roots[k]);
    seen.verdict[k] = *e->verdict;
    seen.reads[k] = 0;
    for (const rf_opening *o = g->oldest; o; o = o->later) {
        rf_operands parsed;
        int ok = 0;
        ro_err err = {RO_OK, {0}};
        if (o->q.kind != RF_Q_OPERANDS || o->absent) continue;
        ro_arena *a = ro_arena_new();
        must(rf_operands_parse(rf_game_subject(g), o->bytes, o->size, &parsed, a, &ok, &err), &err);
        cr_assert(ok);
        seen.reads[k] = parsed.count;
        ro_arena_free(a);
    }
}

static ro_status watched_event(rf_task *t, const rf_event *e, uint64_t now, ro_err *err)
{
    uint32_t n;
    RO_TRY(rf_task_event(t, e, now, err));
    const rf_effect *x = rf_task_effects(t, &n);
    for (uint32_t k = 0; k < n; k++)
        if (x[k].kind == RF_DO_VERDICT && x[k].verdict)
            note_pair(&x[k], rf_task_game(t, x[k].level, x[k].pair));
    return RO_OK;
}

static const rf_party *party_of(const tw *w, const vd_digest *root)
{
    for (uint32_t k = 0; k < w->members; k++)
        if (vd_digest_equal(&w->member[k].side->party.root, root)) return &w->member[k].side->party;
    return NULL;
}

typedef struct { sv_course c; sv_page_dispute page; ro_arena *a; sv_page_who who[2]; } real;

/* The page of pair k, of its first so many bytes of a transcript. */
static void draw(real *r, const tw *w, uint32_t k, size_t size)
{
    ro_err err = {RO_OK, {0}};
    const rf_party parties[2] = {*party_of(w, &seen.roots[k][0]), *party_of(w, &seen.roots[k][1])};
    const rf_setup s = {w->truth->job, parties, 2, NULL, 0, 1, w->setup.task};
    memset(r, 0, sizeof *r);
    r->a = ro_arena_new();
    must(sv_course_replay(&s, seen.bytes[k], size, r->a, &r->c, &err), &err);
    must(sv_course_draw(&r->c, w->truth->job, r->a, &r->page, &err), &err);
    r->who[0] = ps_who("alder");
    r->who[1] = ps_who("cedar");
    r->page.name = "a task";
    r->page.number = r->page.of = 1;
    r->page.waiting = "cedar";
    for (int side = 0; side < 2; side++) {
        r->page.sides[side] = (sv_page_crowd){&r->who[side], 1};
        r->page.roots[side] = seen.roots[k][side];
    }
}

static void drop_seen(void)
{
    for (uint32_t k = 0; k < seen.count; k++) free(seen.bytes[k]);
    seen.count = 0;
}

/* A comparison is true: of both sides' leaves as they were run. */
static void true_halvings(const sv_descent *d, const tw *w, const vd_digest roots[2])
{
    for (uint32_t k = 0; k < d->count; k++) {
        const sv_halving *c = &d->halvings[k];
        for (int side = 0; side < 2; side++) {
            vd_digest root;
            const tw_side *s = NULL;
            for (uint32_t i = 0; i < w->members; i++)
                if (vd_digest_equal(&w->member[i].side->party.root, &roots[side]))
                    s = w->member[i].side;
            vd_tree_root(VD_TREE_STEPS, s->step_hash[d->first + c->lo], c->mid - c->lo, root.b);
            cr_assert(vd_digest_equal(&root, &c->left[side]), "comparison %u", k);
        }
        cr_assert_eq(c->differs, d->leaf < c->mid);
    }
}

/* Play a liar beside two honest ones, and look at what the page makes of it. */
static real *play(tw_truth *t, tw_side *liar, tw **out)
{
    tw_side *honest = tw_honest(t);
    tw *w = tw_world(t, 3, (tw_side *[]){honest, liar, honest}, honest);
    real *r = calloc(1, sizeof *r);
    drop_seen();
    tw_run(w);
    cr_assert_eq(seen.count, 1);
    draw(r, w, 0, seen.size[0]);
    cr_assert_eq(r->page.state, SV_DISPUTE_DECIDED);
    const int wrong = vd_digest_equal(&seen.roots[0][1], &liar->party.root);
    cr_assert(r->page.guilty[wrong] && !r->page.guilty[!wrong]);
    cr_assert_eq(r->c.verdict.kind, seen.verdict[0].kind);
    *out = w;
    return r;
}

static void leave(real *r, tw *w)
{
    ro_arena_free(r->a);
    free(r);
    tw_free(w);
}

Test(page, a_real_dispute_is_drawn_from_its_openings)
{
    tw_truth *t = tw_truth_small(6, 0);
    for (uint64_t step = 1; step < 6; step++) {
        tw *w;
        real *r = play(t, tw_liar(t, step, 0, TW_OUTPUT, 4), &w);
        const sv_page_dispute *p = &r->page;
        cr_assert(p->steps.found && p->steps.n == 6 && p->steps.leaf == step);
        true_halvings(&p->steps, w, seen.roots[0]);
        cr_assert(p->nodes.found && p->nodes.leaf == 0);
        cr_assert(p->nodes.compared && p->nodes.compared[0] == SV_UNLIKE);
        cr_assert(p->chunks.found && p->unlike && p->has_recomputed);
        const rf_verdict *v = &seen.verdict[0];
        cr_assert_eq(p->element, v->element);
        cr_assert_eq(p->recomputed, v->recomputed);
        cr_assert_eq(p->values[0], v->claimed[0]);
        cr_assert_eq(p->values[1], v->claimed[1]);
        cr_assert(p->reads == seen.reads[0] && p->reads > 0);
        const char *text = dispute_text(p, "a real dispute");
        HAS(text, "wrong about one number");
        char first[64];
        snprintf(first, sizeof first, "First differing step: %llu.", (unsigned long long)step);
        HAS(text, first);
        leave(r, w);
    }
    drop_seen();
    tw_truth_free(t);
}

Test(page, a_real_dispute_over_segments_has_two_trees)
{
    tw_truth *t = tw_truth_small(7, 3);
    tw *w;
    real *r = play(t, tw_liar(t, 4, 0, TW_OUTPUT, 4), &w);
    cr_assert(r->page.segments.found && r->page.segments.n == 3 && r->page.segments.leaf == 1);
    cr_assert(r->page.steps.found && r->page.steps.first == 3 && r->page.steps.leaf == 1);
    true_halvings(&r->page.steps, w, seen.roots[0]);
    const char *text = dispute_text(&r->page, "segments");
    HAS(text, "First differing segment: 1.");
    HAS(text, "First differing step: 4.");
    HAS(text, "equals R: right");
    leave(r, w);
    drop_seen();
    tw_truth_free(t);
}

Test(page, real_disputes_about_program_and_inputs)
{
    static const struct { tw_lie_kind lie; rf_kind kind; const char *says; } rows[] = {
        {TW_STRUCTURE, RF_STRUCTURE, "running another program"},
        {TW_INPUT, RF_INPUTS, "reading other inputs"}};
    tw_truth *t = tw_truth_small(6, 0);
    for (size_t k = 0; k < 2; k++) {
        tw *w;
        real *r = play(t, tw_liar(t, 3, 1, rows[k].lie, 4), &w);
        uint32_t unlike = 0;
        cr_assert_eq(r->page.verdict->kind, rows[k].kind);
        for (uint32_t i = 0; i < r->page.difference_count; i++)
            unlike += r->page.differences[i].differs != 0;
        cr_assert_gt(unlike, 0);
        const char *text = dispute_text(&r->page, "of another kind");
        HAS(text, rows[k].says);
        HAS(text, "0 numbers recomputed");
        leave(r, w);
    }
    drop_seen();
    tw_truth_free(t);
}

Test(page, a_real_dispute_about_a_part)
{
    tw_truth *t = tw_truth_dear(300000, 0);
    tw *w;
    real *r = play(t, tw_liar(t, 1, 0, TW_OUTPUT, 4), &w);
    cr_assert(r->page.is_part && r->page.has_recomputed);
    cr_assert_eq(r->page.reads, seen.reads[0]);
    HAS(dispute_text(&r->page, "a part"), "in one partial result of it");
    leave(r, w);
    drop_seen();
    tw_truth_free(t);
}

/* While it is open: a page after each answer, of which none says more than was opened. */
Test(page, a_dispute_that_is_open_shows_how_far_it_came)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw *w;
    real *whole = play(t, tw_liar(t, 4, 0, TW_OUTPUT, 4), &w);
    uint32_t stages = 0;
    size_t at = 0;
    while (at < seen.size[0]) {
        real r;
        draw(&r, w, 0, at);
        cr_assert_eq(r.page.state, SV_DISPUTE_OPEN);
        cr_assert_null(r.page.verdict);
        const uint32_t reached = (uint32_t)(r.page.steps.found + r.page.nodes.found +
                                            r.page.chunks.found + (r.page.unlike != NULL));
        cr_assert_geq(reached, stages);
        stages = reached;
        HAS(dispute_text(&r.page, "an open dispute"), "not yet");
        ro_arena_free(r.a);
        at += 10 + (size_t)vd_get_le(seen.bytes[0] + at + 2, 8);
    }
    cr_assert_eq(stages, 4);
    leave(whole, w);
    drop_seen();
    tw_truth_free(t);
}

Test(page, a_transcript_of_any_bytes_is_refused_or_played)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw *w;
    real *whole = play(t, tw_liar(t, 4, 0, TW_OUTPUT, 4), &w);
    const rf_party parties[2] = {*party_of(w, &seen.roots[0][0]), *party_of(w, &seen.roots[0][1])};
    const rf_setup s = {w->truth->job, parties, 2, NULL, 0, 1, w->setup.task};
    uint32_t refused = 0;
    for (size_t k = 0; k < seen.size[0]; k += k < 64 ? 1 : 37) {
        ro_err err = {RO_OK, {0}};
        ro_arena *a = ro_arena_new();
        sv_course c;
        seen.bytes[0][k] ^= 1;
        ro_status st = sv_course_replay(&s, seen.bytes[0], seen.size[0], a, &c, &err);
        cr_assert(st == RO_OK || st == RO_EFORMAT, "%s", err.msg);
        refused += st == RO_EFORMAT;
        seen.bytes[0][k] ^= 1;
        ro_arena_free(a);
    }
    cr_assert_gt(refused, 60);
    leave(whole, w);
    drop_seen();
    tw_truth_free(t);
}
