/* dispute.c - a dispute: who was wrong about what, drawn from the whole job down to the bits.
 *
 * What this file decides: the words around the pictures, and which stages a dispute has. */
#include "parts.h"

#include <string.h>

typedef unsigned long long big; /* as sv_mark takes a u64 */

static int is_decided(const sv_page_dispute *p) { return p->state == SV_DISPUTE_DECIDED; }

/* The side that was wrong where one was; -1: both, or nobody. */
static int wrong_side(const sv_page_dispute *p)
{
    if (p->guilty[0] == p->guilty[1]) return -1;
    return p->guilty[1];
}

static void mark_side(sv_html *h, const sv_page_dispute *p, int side)
{
    sv_mark_crowd(h, &p->sides[side], 0);
}

static const char *was(const sv_page_dispute *p, int side)
{
    return p->sides[side].count == 1 ? "was" : "were";
}

/* "0x3d2f8a11" */
static void mark_bits(sv_html *h, ro_dtype d, uint64_t bits)
{
    sv_mark(h, "0x");
    for (uint32_t k = 8 * ro_dtypes[d].size; k > 0; k -= 4)
        sv_mark(h, "%x", (unsigned)(bits >> (k - 4) & 15));
}

static void mark_value(sv_html *h, ro_dtype d, uint64_t bits)
{
    sv_mark(h, "<code>");
    mark_bits(h, d, bits);
    sv_mark(h, "</code>");
}

/* ---- title and first sentence ----------------------------------------------------------- */

static const char *act(rf_kind k)
{
    switch (k) {
    case RF_OUTPUT: return "wrong about one number";
    case RF_STRUCTURE: return "running another program";
    case RF_INPUTS: return "reading other inputs";
    case RF_STEP: return "wrong about a run of steps";
    case RF_FORFEIT: return "silent";
    case RF_WITHHELD: return "keeping back what it had committed to";
    default: return "wrong";
    }
}

static void headline(sv_html *h, const sv_page_dispute *p)
{
    const int side = wrong_side(p);
    if (p->state == SV_DISPUTE_OPEN) {
        mark_side(h, p, 0);
        sv_mark(h, " against ");
        mark_side(h, p, 1);
        sv_mark(h, ": not decided yet");
    } else if (p->state == SV_DISPUTE_UNDECIDED) sv_mark(h, "Nobody was shown to be wrong");
    else if (side < 0) sv_mark(h, "Both sides were %s", act(p->verdict->kind));
    else {
        mark_side(h, p, side);
        sv_mark(h, " %s %s", was(p, side), act(p->verdict->kind));
    }
}

/* "step 412, node 37 (Conv), element [14, 3, 1, 2]" */
static void place(sv_html *h, const sv_page_dispute *p)
{
    const rf_verdict *v = p->verdict;
    if (!v->has_step) {
        if (v->hi > v->lo + 1)
            sv_mark(h, "steps %llu to %llu", (big)v->lo, (big)(v->hi - 1));
        else if (v->hi > v->lo) sv_mark(h, "step %llu", (big)v->lo);
        else sv_mark(h, "the end of the run");
        return;
    }
    sv_mark(h, "step %llu", (big)v->step);
    if (v->has_node) sv_mark(h, ", node %u (%s)", v->node, p->op);
    if (v->has_element) sv_mark(h, ", element <span class=\"nw\">%s</span>", p->index);
}

static void stakes(sv_html *h, const sv_page_dispute *p)
{
    if (p->stake <= 0) return;
    sv_mark(h, " The stake of ");
    sv_mark_money(h, p->stake);
    sv_mark(h, " of each who claimed that is lost%s.",
            p->verdict->provisional ? ", unless a second implementation contradicts it" : "");
}

static void value_sentence(sv_html *h, const sv_page_dispute *p)
{
    const int side = wrong_side(p), one = side < 0 ? 0 : side;
    mark_side(h, p, one);
    sv_mark(h, " claimed ");
    mark_value(h, p->value_type, p->values[one]);
    if (side < 0) {
        sv_mark(h, " and ");
        mark_side(h, p, 1);
        sv_mark(h, " ");
        mark_value(h, p->value_type, p->values[1]);
    }
    sv_mark(h, ". Recomputed it is ");
    mark_value(h, p->value_type, p->recomputed);
    if (side >= 0) {
        sv_mark(h, ", as ");
        mark_side(h, p, !side);
        sv_mark(h, " claimed.");
    } else sv_mark(h, ", which neither claimed.");
}

static void open_sentence(sv_html *h, const sv_page_frame *f, const sv_page_dispute *p)
{
    mark_side(h, p, 0);
    sv_mark(h, " revealed one result of this job, ");
    mark_side(h, p, 1);
    sv_mark(h, " another, so at least one of the two is wrong. The referee is finding out which");
    if (p->waiting[0]) sv_mark(h, ": it waits for <bdi>%s</bdi>", p->waiting);
    if (p->waiting[0] && p->deadline_ms) {
        sv_mark(h, " until ");
        sv_mark_time(h, p->deadline_ms, f->now_ms);
        sv_mark(h, " UTC");
    }
    sv_mark(h, ".");
}

static void first_sentence(sv_html *h, const sv_page_frame *f, const sv_page_dispute *p)
{
    sv_mark(h, "<p class=\"lede\" id=\"lede\" data-live>");
    if (p->state == SV_DISPUTE_OPEN) open_sentence(h, f, p);
    else if (p->state == SV_DISPUTE_UNDECIDED) {
        sv_mark(h, "%s Nobody loses a stake by it.",
                p->faulted ? "The referee could not finish: what failed is its own, and a fault "
                             "never decides."
                           : "What would decide it could not be had.");
    } else {
        sv_mark(h, "At ");
        place(h, p);
        if (p->has_values && p->has_recomputed) {
            sv_mark(h, p->is_part ? ", in one partial result of it, " : ", ");
            value_sentence(h, p);
        } else {
            sv_mark(h, ": <bdi>%s</bdi>.", p->verdict->why);
        }
        stakes(h, p);
    }
    sv_mark(h, "</p>\n");
}

/* ---- figures ---------------------------------------------------------------------------- */

static uint32_t comparisons(const sv_page_dispute *p)
{
    return p->segments.count + p->steps.count + p->nodes.count + p->chunks.count;
}

/* "42 million": nobody reads more of such a number. */
static void rough(sv_html *h, uint64_t n)
{
    static const struct { uint64_t one; const char *name; } units[] = {
        {UINT64_C(1000000000000), "trillion"}, {1000000000, "billion"}, {1000000, "million"}};
    size_t k = 0;
    while (k < 3 && n < units[k].one) k++;
    sv_mark_count(h, k < 3 ? (n + units[k].one / 2) / units[k].one : n);
    if (k < 3) sv_mark(h, " %s", units[k].name);
}

static void figures(sv_html *h, const sv_page_frame *f, const sv_page_dispute *p)
{
    sv_mark(h, "<dl class=\"facts\" id=\"figures\" data-live>\n"
               "<div><dt>Comparisons of digests</dt><dd>%u<small>%u of steps, %u of nodes, %u of "
               "chunks</small></dd></div>\n<div><dt>Numbers recomputed</dt><dd>", comparisons(p),
            p->segments.count + p->steps.count, p->nodes.count, p->chunks.count);
    sv_mark_count(h, p->recomputed_count);
    sv_mark(h, "<small>");
    if (p->element_flops && p->recomputed_count) {
        sv_mark_count(h, p->element_flops);
        sv_mark(h, " operations");
    } else sv_mark(h, "by the referee");
    sv_mark(h, "</small></dd></div>\n<div><dt>Read from the parties</dt><dd>");
    sv_mark_bytes(h, p->bytes_read);
    sv_mark(h, "<small>in ");
    sv_mark_count(h, p->questions);
    sv_mark(h, " answer%s</small></dd></div>\n<div><dt>%s</dt><dd>", sv_plural(p->questions),
            p->ended_ms ? "First question to verdict" : "Open since");
    if (p->ended_ms)
        sv_mark_duration(h, p->ended_ms < p->opened_ms ? 0 : p->ended_ms - p->opened_ms);
    else sv_mark_time(h, p->opened_ms, f->now_ms);
    sv_mark(h, "<small>%s</small></dd></div>\n",
            p->ended_ms ? "answers of the parties included" : "UTC");
    if (p->job_flops && p->element_flops && p->recomputed_count) {
        sv_mark(h, "<div><dt>Running the job again</dt><dd>");
        rough(h, p->job_flops / p->element_flops);
        sv_mark(h, " \xc3\x97<small>that work</small></dd></div>\n");
    }
    sv_mark(h, "</dl>\n");
}

/* ---- the picture ------------------------------------------------------------------------ */

static void begin_stage(sv_html *h, const char *more, const sv_span *from)
{
    sv_mark(h, "<div class=\"stage%s\">\n", more);
    if (from) sv_svg_beam(h, *from);
}

/* Before anybody is guilty the letters alone tell the claims apart. */
static int is_dashed(const sv_page_dispute *p, int side)
{
    return is_decided(p) ? p->guilty[side] : side == 1;
}

static void digests_of(sv_html *h, const sv_page_dispute *p, const sv_descent *d)
{
    if (!d->found) return;
    sv_mark(h, "<p>");
    for (int k = 0; k < 2; k++) {
        sv_mark(h, "%s<span class=\"nw\">", k ? " " : "");
        sv_mark_claim(h, (uint32_t)k, is_dashed(p, k));
        sv_mark(h, " ");
        sv_mark_short(h, &d->digest[k]);
        sv_mark(h, "</span>");
    }
    sv_mark(h, "</p>");
}

static void found_what(sv_html *h, const sv_page_dispute *p, const char *title,
                       const sv_descent *d, const char *name)
{
    sv_mark(h, "<div class=\"what\"><h3>%s <b>", title);
    if (d->found) sv_mark(h, "%llu", (big)(d->first + d->leaf));
    else sv_mark(h, "not yet");
    if (d->found && name[0]) sv_mark(h, " %s", name);
    sv_mark(h, "</b></h3><p>of ");
    sv_mark_count(h, d->n);
    sv_mark(h, "; %u comparison%s</p>", d->count, sv_plural(d->count));
    digests_of(h, p, d);
}

static void not_yet(sv_html *h, const sv_page_dispute *p, const char *title, const sv_span *from)
{
    begin_stage(h, "", from);
    sv_mark(h, "<div class=\"what\"><h3>%s</h3></div>\n", title);
    sv_svg_not_yet(h, p->state == SV_DISPUTE_OPEN ? "not yet" : "not reached");
    sv_mark(h, "</div>\n");
}

static const sv_span whole = {0, SV_WIDE};

/* Trees of segments and steps; *at: the span that opens into what comes next. */
static int trees(sv_html *h, const sv_page_dispute *p, sv_span *at)
{
    int some = 0;
    const sv_descent *const list[2] = {&p->segments, &p->steps};
    for (int k = 0; k < 2; k++) {
        const sv_descent *d = list[k];
        if (d->n == 0) continue;
        begin_stage(h, "", some ? at : NULL);
        found_what(h, p, k ? "Step" : "Segment", d, "");
        if (!some)
            sv_mark(h, "<p>Each row compares one digest a side: that of the left half of what "
                       "remains.</p>");
        sv_mark(h, "</div>\n");
        *at = sv_svg_bisection(h, d);
        sv_mark(h, "</div>\n");
        some = 1;
        if (!d->found) return 0;
    }
    return p->steps.found;
}

static int node_stage(sv_html *h, const sv_page_dispute *p, sv_span *at)
{
    const sv_node_strip s = {&p->nodes, p->op, p->inputs, p->uses, p->input_count,
                             p->use_count, p->use_total};
    if (!p->nodes.found) return 0;
    begin_stage(h, "", at);
    found_what(h, p, "Node", &p->nodes, p->op);
    sv_mark(h, "</div>\n");
    *at = sv_svg_nodes(h, &s);
    sv_mark(h, "</div>\n");
    return 1;
}

static int element_stages(sv_html *h, const sv_page_dispute *p, sv_span *at)
{
    if (!p->chunks.found) return 0;
    begin_stage(h, "", at);
    found_what(h, p, "Chunk", &p->chunks, "");
    sv_mark(h, "</div>\n");
    *at = sv_svg_chunks(h, &p->chunks, ro_type_bytes(&p->type));
    sv_mark(h, "</div>\n");
    if (!p->unlike) return 0;
    begin_stage(h, "", at);
    sv_mark(h, "<div class=\"what\"><h3>Element <b>%u</b></h3><p>of ", p->element);
    sv_mark_count(h, p->element_count);
    sv_mark(h, " in the chunk, which is <span class=\"nw\">%s</span> of the result</p></div>\n",
            p->index);
    *at = sv_svg_elements(h, p->unlike, p->element_count, p->element, p->index);
    sv_mark(h, "</div>\n");
    return 1;
}

/* Who stands on a claim, for a picture's label. */
static const char *claimant(const sv_page_dispute *p, int row)
{
    if (row == 2) return "recomputed";
    return p->sides[row].count == 1 ? p->sides[row].list[0].name : row ? "claim B" : "claim A";
}

static void word(sv_html *h, const sv_page_dispute *p, int row, const sv_span *from)
{
    char text[40];
    const int last = row == (p->has_recomputed ? 2 : 1);
    const int wrong = row < 2 && p->values[row] != p->recomputed;
    const uint64_t bits = row == 2 ? p->recomputed : p->values[row];
    const sv_word w = {p->value_type, bits, p->values[0] ^ p->values[1],
                       row == 2 ? SV_RECOMPUTED : !p->has_recomputed ? SV_CLAIMED
                       : wrong ? SV_WRONG : SV_RIGHT,
                       claimant(p, row), row == 0, last};
    begin_stage(h, row == 2 ? " value last" : " value", from);
    sv_mark(h, "<div class=\"what%s\"><p>", row == 0 ? " first" : "");
    if (row == 2) sv_mark_recomputed(h);
    else sv_mark_claim(h, (uint32_t)row, is_dashed(p, row));
    sv_mark(h, " <b>");
    if (row == 2) sv_mark(h, "recomputed");
    else mark_side(h, p, row);
    sv_mark(h, "</b></p><p>");
    mark_value(h, p->value_type, bits);
    sv_mark(h, " = %s</p><p>", ro_element_text(p->value_type, bits, text));
    if (row == 2) sv_mark(h, "by the referee");
    else if (p->has_recomputed)
        sv_mark(h, "<span class=\"%s\">%s</span>", wrong ? "bad" : "good",
                wrong ? "differs from R: wrong" : "equals R: right");
    else sv_mark(h, "claimed");
    sv_mark(h, "</p></div>\n");
    sv_svg_word(h, &w);
    sv_mark(h, "</div>\n");
}

/* Whether stages below the last one that was reached are of this dispute at all. */
static int goes_on(const sv_page_dispute *p) { return p->state != SV_DISPUTE_DECIDED; }

static void numbers(sv_html *h, const sv_page_dispute *p, const sv_span *at)
{
    for (int row = 0; row < (p->has_recomputed ? 3 : 2); row++)
        word(h, p, row, row == 0 ? at : NULL);
    if (!p->has_recomputed && goes_on(p)) not_yet(h, p, "Recomputed", NULL);
}

static void key(sv_html *h, const sv_page_dispute *p)
{
    static const struct { const char *class, *words; } keys[] = {
        {"ag", "agree"}, {"df", "differ"}, {"nc", "not compared"}};
    sv_mark(h, "<p class=\"key\" id=\"fig-key\">\n");
    for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
        sv_mark(h, "<span><svg width=\"22\" height=\"12\" aria-hidden=\"true\">"
                   "<rect class=\"%s\"", keys[k].class);
        if (k == 1) sv_mark(h, " fill=\"url(#hatch)\"");
        sv_mark(h, " x=\".5\" y=\".5\" width=\"21\" height=\"11\"/></svg>%s</span>\n",
                keys[k].words);
    }
    for (int k = 0; k < 2; k++) {
        sv_mark(h, "<span>");
        sv_mark_claim(h, (uint32_t)k, is_dashed(p, k));
        sv_mark(h, " ");
        mark_side(h, p, k);
        sv_mark(h, "</span>\n");
    }
    if (p->has_recomputed) {
        sv_mark(h, "<span>");
        sv_mark_recomputed(h);
        sv_mark(h, " recomputed</span>\n");
    }
    sv_mark(h, "</p>\n");
}

/* What the two sides say of a node, where that is the difference. */
static void differences(sv_html *h, const sv_page_dispute *p)
{
    if (p->difference_count == 0) return;
    sv_mark(h, "<div class=\"says scroll\" tabindex=\"0\" role=\"region\" "
               "aria-label=\"What the claims say of the node\">\n<table class=\"tight\">\n"
               "<caption>What the claims say of "
               "node %llu. %llu number%s recomputed: none is needed.</caption>\n<thead><tr>"
               "<th scope=\"col\">Field</th><th scope=\"col\">Claim A</th>"
               "<th scope=\"col\">Claim B</th><th "
               "scope=\"col\">Compared</th></tr></thead>\n<tbody>\n",
            (big)p->nodes.leaf, (big)p->recomputed_count, sv_plural(p->recomputed_count));
    for (uint32_t k = 0; k < p->difference_count; k++) {
        const sv_page_difference *d = &p->differences[k];
        sv_mark(h, "<tr><th scope=\"row\">%s</th><td><code>%s</code></td><td><code>%s</code></td>"
                   "<td><span class=\"%s\">%s</span></td></tr>\n", d->field, d->says[0],
                d->says[1], d->differs ? "bad" : "good", d->differs ? "differ" : "agree");
    }
    sv_mark(h, "</tbody>\n</table>\n</div>\n");
}

static void lens(sv_html *h, const sv_page_dispute *p)
{
    sv_span at = whole;
    sv_mark(h, "<figure class=\"lens\" id=\"lens\" data-live aria-labelledby=\"h-fig\" "
               "aria-describedby=\"fig-key\">\n<h2 class=\"sr\" id=\"h-fig\">From ");
    sv_mark_count(h, p->steps_total);
    sv_mark(h, " step%s down to the difference</h2>\n", sv_plural(p->steps_total));
    key(h, p);
    const int stepped = trees(h, p, &at);
    if (!stepped && p->steps.n == 0 && goes_on(p))
        not_yet(h, p, "Step", p->segments.n ? &at : NULL);
    const int noded = stepped && node_stage(h, p, &at);
    if (!noded && goes_on(p)) not_yet(h, p, "Node", stepped ? &at : NULL);
    if (noded) differences(h, p);
    const int element = noded && element_stages(h, p, &at);
    if (!element && goes_on(p)) {
        if (!p->chunks.found) not_yet(h, p, "Chunk", noded ? &at : NULL);
        not_yet(h, p, "Element", NULL);
    }
    if (p->has_values) numbers(h, p, element ? &at : NULL);
    sv_mark(h, "</figure>\n");
}

/* ---- why that decides ------------------------------------------------------------------- */

static void why_tree(sv_html *h, const sv_descent *d)
{
    if (!d->found) return;
    if (d->leaf == 0)
        sv_mark(h, "<li>The digests of %s %llu, the first, differ already.</li>\n", d->what,
                (big)d->first);
    else if (d->leaf == 1)
        sv_mark(h, "<li>The digests of %s %llu are equal in both claims; those of %s %llu are not."
                   "</li>\n", d->what, (big)d->first, d->what, (big)d->first + 1);
    else
        sv_mark(h, "<li>The digests of %ss %llu to %llu are equal in both claims; those of %s %llu "
                   "are not.</li>\n", d->what, (big)d->first, (big)(d->first + d->leaf - 1),
                d->what, (big)(d->first + d->leaf));
}

static void why_element(sv_html *h, const sv_page_dispute *p)
{
    sv_mark(h, "<li>Structure: both describe node %llu as the job does, %s version %u with the "
               "same attributes and wiring.</li>\n<li>Inputs: both read the same.</li>\n",
            (big)p->nodes.leaf, p->op, p->op_version);
    if (!p->chunks.found) return;
    sv_mark(h, "<li>Outputs: of the %llu chunk%s of the result, chunk %llu is the first to differ",
            (big)p->chunks.n, sv_plural(p->chunks.n), (big)p->chunks.leaf);
    if (p->unlike)
        sv_mark(h, ", and in it number %u, which is element <span class=\"nw\">%s</span>",
                p->element, p->index);
    sv_mark(h, ".</li>\n");
    if (!p->has_recomputed) return;
    if (p->reads == 0)
        sv_mark(h, "<li>The referee was given what %s depends on, each with its path to a digest "
                   "on which both agree, and computed it.</li>\n<li>The result ",
                p->is_part ? "this part of the element" : "this element");
    else
        sv_mark(h, "<li>The referee was given the %llu chunk%s that %s depends on, each with its "
                   "path to a digest on which both agree, and computed it.</li>\n<li>The result ",
                (big)p->reads, sv_plural(p->reads), p->is_part ? "this part" : "this element");
    if (wrong_side(p) < 0) sv_mark(h, "equals neither claim: both are wrong.</li>\n");
    else {
        sv_mark(h, "equals claim %c and not claim %c.</li>\n", wrong_side(p) ? 'A' : 'B',
                wrong_side(p) ? 'B' : 'A');
    }
}

static void why(sv_html *h, const sv_page_frame *f, const sv_page_dispute *p)
{
    sv_mark(h, "<section aria-labelledby=\"h-why\">\n<h2 id=\"h-why\">%s</h2>\n"
               "<ol class=\"why\" role=\"list\">\n<li>Both claims are of job ",
            is_decided(p) ? "Why that decides it" : "What is known so far");
    sv_mark_short(h, &p->job);
    sv_mark(h, ", start from the same state, and do not say the same of the run. So there is a "
               "first difference.</li>\n<li>");
    mark_side(h, p, 0);
    sv_mark(h, " revealed root ");
    sv_mark_short(h, &p->roots[0]);
    sv_mark(h, " (claim A), ");
    mark_side(h, p, 1);
    sv_mark(h, " root ");
    sv_mark_short(h, &p->roots[1]);
    sv_mark(h, " (claim B).</li>\n");
    why_tree(h, &p->segments);
    why_tree(h, &p->steps);
    why_tree(h, &p->nodes);
    if (p->nodes.found && p->verdict && p->verdict->kind == RF_OUTPUT) why_element(h, p);
    if (p->verdict && p->verdict->why[0])
        sv_mark(h, "<li>In the referee\xe2\x80\x99s words: <bdi>%s</bdi>.</li>\n", p->verdict->why);
    if (p->state == SV_DISPUTE_OPEN && p->waiting[0]) {
        sv_mark(h, "<li>Now it waits for <bdi>%s</bdi>", p->waiting);
        if (p->deadline_ms) {
            sv_mark(h, ", until ");
            sv_mark_time(h, p->deadline_ms, f->now_ms);
            sv_mark(h, " UTC: whoever has not answered by then has lost");
        }
        sv_mark(h, ".</li>\n");
    }
    sv_mark(h, "</ol>\n");
    if (is_decided(p))
        sv_mark(h, "<p class=\"dim prose\">The verdict says that something is wrong, not why: a "
                   "broken memory module and a lie look the same.</p>\n");
    sv_mark(h, "</section>\n");
}

static void check(sv_html *h, const sv_page_frame *f, const sv_page_dispute *p)
{
    sv_html in, out;
    sv_html_init(&in);
    sv_html_init(&out);
    sv_mark(h, "<section aria-labelledby=\"h-check\">\n<h2 id=\"h-check\">Check it yourself"
               "</h2>\n");
    if (p->evidence) {
        char hex[65];
        vd_digest_hex(&p->task, hex);
        hex[8] = 0;
        sv_mark(h, "<p>The evidence is one file. Re-deriving the verdict from it needs no network, "
                   "no account and none of the job\xe2\x80\x99s data.</p>\n");
        sv_mark(&in, "curl -o %s-%u.evidence \\\n  %s%s\nverde-verdict %s-%u.evidence", hex,
                p->number, f->server, p->evidence, hex, p->number);
        sv_mark_command(h, "Commands to check the evidence", &in, &out);
    } else
        sv_mark(h, "<p>%s The transcript has every answer of both sides; a game that is given them "
                   "comes to the same verdict.</p>\n",
                p->state == SV_DISPUTE_OPEN ? "There is no verdict yet."
                                            : "This kind of verdict has no evidence file of its "
                                              "own.");
    if (p->files.count) {
        sv_mark(h, "<div class=\"gap\">");
        sv_mark_files(h, &p->files, "What the verdict rests on.");
        sv_mark(h, "</div>\n");
    }
    sv_mark(h, "</section>\n");
    sv_html_release(&in);
    sv_html_release(&out);
}

/* ---- comparisons ------------------------------------------------------------------------ */

static void comparison_rows(sv_html *h, const sv_descent *d, uint32_t *number)
{
    for (uint32_t k = 0; k < d->count; k++) {
        const sv_halving *c = &d->halvings[k];
        const big first = d->first + c->lo, last = d->first + c->mid - 1;
        sv_mark(h, "<tr><td class=\"num\">%u</td><th scope=\"row\">%s", ++*number, d->what);
        if (first == last) sv_mark(h, " %llu</th>", first);
        else sv_mark(h, "s %llu\xe2\x80\x93%llu</th>", first, last);
        for (int side = 0; side < 2; side++) {
            sv_mark(h, "<td>");
            sv_mark_digest(h, &c->left[side], 16);
            sv_mark(h, "</td>");
        }
        sv_mark(h, "<td class=\"nw\"><span class=\"%s\">%s</span></td></tr>\n",
                c->differs ? "bad" : "good", c->differs ? "differ, go left" : "agree, go right");
    }
}

static void all_comparisons(sv_html *h, const sv_page_dispute *p)
{
    uint32_t number = 0;
    const uint32_t n = comparisons(p);
    if (n == 0) return;
    sv_mark(h, "<section aria-labelledby=\"h-comp\" id=\"comparisons\" data-live>\n"
               "<h2 id=\"h-comp\">The %u comparison%s</h2>\n<details>\n"
               "<summary>Show each pair of digests</summary>\n"
               "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Comparisons\">\n"
               "<table class=\"tight comps\">\n<caption>At every level only the left half is "
               "compared: if it differs the first difference is in it, else in the right half."
               "</caption>\n<thead><tr><th scope=\"col\" class=\"num\">No.</th>"
               "<th scope=\"col\">Left half</th><th scope=\"col\">Claim A</th>"
               "<th scope=\"col\">Claim B</th><th "
               "scope=\"col\">Result</th></tr></thead>\n<tbody>\n",
            n, sv_plural(n));
    comparison_rows(h, &p->segments, &number);
    comparison_rows(h, &p->steps, &number);
    comparison_rows(h, &p->nodes, &number);
    comparison_rows(h, &p->chunks, &number);
    sv_mark(h, "</tbody>\n</table>\n</div>\n</details>\n</section>\n");
}

/* ---- the page --------------------------------------------------------------------------- */

static void crumb(sv_html *h, const sv_page_dispute *p)
{
    sv_mark(h, "<p class=\"crumb\"><a href=\"/#disputes-section\">Disputes</a> / <a href=\"");
    sv_mark_task_path(h, &p->task);
    sv_mark(h, "\"><bdi>%s</bdi></a> / ", p->name);
    sv_mark_short(h, &p->task);
    sv_mark(h, "-%u</p>\n", p->number);
}

/* More than two claims: a page a pair, in the order judged. */
static void others(sv_html *h, const sv_page_dispute *p)
{
    if (p->of < 2) return;
    sv_mark(h, "<nav aria-label=\"Pairs of this task\" class=\"more\"><p>Pair %u of %u.", p->number,
            p->of);
    if (p->number > 1) {
        sv_mark(h, " <a href=\"");
        sv_mark_dispute_path(h, &p->task, p->number - 1);
        sv_mark(h, "\">The one before</a>");
    }
    if (p->number < p->of) {
        sv_mark(h, " <a href=\"");
        sv_mark_dispute_path(h, &p->task, p->number + 1);
        sv_mark(h, "\">The next</a>");
    }
    sv_mark(h, "</p></nav>\n");
}

void sv_page_write_dispute(sv_html *h, const sv_page_frame *f, const sv_page_dispute *p)
{
    sv_html title, events;
    char hex[65];
    sv_html_init(&title);
    sv_html_init(&events);
    vd_digest_hex(&p->task, hex);
    sv_mark(&events, "/v1/tasks/%s/events", hex);
    hex[8] = 0;
    RO_ASSERT((p->state == SV_DISPUTE_OPEN) == (p->verdict == NULL));
    sv_mark(&title, "Dispute %s-%u of %s: Verde", hex, p->number, p->name);
    sv_page_begin(h, f, &title, SV_NAV_DISPUTES,
                  p->state == SV_DISPUTE_OPEN && events.size ? events.text : NULL);
    crumb(h, p);
    sv_mark(h, "<h1>");
    headline(h, p);
    sv_mark(h, "</h1>\n");
    first_sentence(h, f, p);
    others(h, p);
    figures(h, f, p);
    lens(h, p);
    sv_mark(h, "<div class=\"cols\">\n");
    why(h, f, p);
    check(h, f, p);
    sv_mark(h, "</div>\n");
    all_comparisons(h, p);
    sv_page_end(h, f);
    sv_html_release(&title);
    sv_html_release(&events);
}
