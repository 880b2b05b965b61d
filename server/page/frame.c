/* frame.c - what stands around every page, and the pieces that pages share; the page of what is not
 * there. */
#include "parts.h"

#include <string.h>

/* ---- names, ids, letters ---------------------------------------------------------------- */

const char *sv_plural(uint64_t n) { return n == 1 ? "" : "s"; }

void sv_mark_short(sv_html *h, const vd_digest *id) { sv_mark_digest(h, id, 8); }

void sv_mark_task_path(sv_html *h, const vd_digest *id)
{
    char hex[65];
    vd_digest_hex(id, hex);
    sv_mark(h, "/tasks/%s", hex);
}

void sv_mark_dispute_path(sv_html *h, const vd_digest *id, uint32_t number)
{
    sv_mark_task_path(h, id);
    sv_mark(h, "/disputes/%u", number);
}

void sv_mark_name(sv_html *h, const char *name) { sv_mark(h, "<bdi>%s</bdi>", name); }

void sv_mark_who(sv_html *h, const sv_page_who *w)
{
    char hex[65];
    vd_digest_hex(&w->key, hex);
    if (w->is_provider) sv_mark(h, "<a href=\"/providers/%s\">", hex);
    sv_mark_name(h, w->name);
    if (w->is_provider) sv_mark(h, "</a>");
}

#define CROWD_SHOWN 5u

void sv_mark_crowd(sv_html *h, const sv_page_crowd *c, int links)
{
    const uint32_t shown = c->count > CROWD_SHOWN + 1 ? CROWD_SHOWN : c->count;
    if (c->count == 0) sv_mark(h, "nobody");
    for (uint32_t k = 0; k < shown; k++) {
        const int last = k + 1 == c->count;
        sv_mark(h, "%s", k == 0 ? "" : last ? " and " : ", ");
        if (links) sv_mark_who(h, &c->list[k]);
        else sv_mark_name(h, c->list[k].name);
    }
    if (shown < c->count) sv_mark(h, " and %u more", c->count - shown);
}

void sv_mark_claim(sv_html *h, uint32_t claim, int wrong)
{
    sv_mark(h, "<span class=\"tag %s\">", wrong ? "b" : "a");
    if (claim < 26) sv_mark(h, "%c</span>", (int)('A' + claim));
    else sv_mark(h, "%u</span>", claim + 1);
}

void sv_mark_recomputed(sv_html *h) { sv_mark(h, "<span class=\"tag r\">R</span>"); }

const char *sv_state_word(rf_task_state s)
{
    static const char *const words[] = {"OPEN",     "COMMIT", "REVEAL",  "AGREED",  "DISPUTED",
                                        "RESOLVED", "FINAL",  "SETTLED", "REFUNDED"};
    RO_ASSERT((unsigned)s < sizeof words / sizeof *words);
    return words[s];
}

void sv_mark_state(sv_html *h, rf_task_state s, int disputed)
{
    sv_mark(h, "<span class=\"state\">");
    sv_svg_state(h, s, disputed);
    sv_mark(h, "<b>%s</b></span>", sv_state_word(s));
}

const char *sv_loss_words(rf_loss l)
{
    switch (l) {
    case RF_LOST_NOTHING: return "nothing";
    case RF_LOST_NO_REVEAL: return "no reveal";
    case RF_LOST_EQUIVOCATION: return "two answers to one question";
    case RF_LOST_VERDICT: return "a wrong result";
    case RF_LOST_FORFEIT: return "silence in a dispute";
    case RF_LOST_WITHHELD: return "data that nobody can open";
    case RF_LOST_CLAIM: return "a false claim in a dispute";
    default: RO_ASSERT(l == RF_LOST_ATTENTION); return "an attention challenge";
    }
}

/* ---- lists ------------------------------------------------------------------------------ */

void sv_mark_files(sv_html *h, const sv_page_files *f, const char *caption)
{
    int digests = 0;
    for (uint32_t k = 0; k < f->count; k++) digests |= f->list[k].has_digest;
    sv_mark(h, "<table class=\"tight\">\n<caption>%s</caption>\n<thead><tr>"
               "<th scope=\"col\">File</th><th scope=\"col\" class=\"num\">Bytes</th>", caption);
    if (digests) sv_mark(h, "<th scope=\"col\" class=\"w\">Digest</th>");
    sv_mark(h, "</tr></thead>\n<tbody>\n");
    for (uint32_t k = 0; k < f->count; k++) {
        const sv_page_file *x = &f->list[k];
        sv_mark(h, "<tr><th scope=\"row\"><a href=\"%s\">%s</a><small>%s</small></th>"
                   "<td class=\"num\">", x->href, x->name, x->note);
        sv_mark_count(h, x->size);
        sv_mark(h, "</td>");
        if (digests) sv_mark(h, "<td class=\"w\">");
        if (x->has_digest) sv_mark_digest(h, &x->digest, 16);
        sv_mark(h, digests ? "</td></tr>\n" : "</tr>\n");
    }
    sv_mark(h, "</tbody>\n</table>\n");
}

void sv_mark_properties(sv_html *h, const sv_page_properties *p)
{
    sv_mark(h, "<dl class=\"kv\">\n");
    for (uint32_t k = 0; k < p->count; k++) {
        const sv_page_property *x = &p->list[k];
        if (x->is_code) sv_mark(h, "<dt>%s</dt><dd><code>%s</code></dd>\n", x->name, x->value);
        else sv_mark(h, "<dt>%s</dt><dd><bdi>%s</bdi></dd>\n", x->name, x->value);
    }
    sv_mark(h, "</dl>\n");
}

void sv_mark_command(sv_html *h, const char *label, const sv_html *in, const sv_html *out)
{
    sv_mark(h, "<div class=\"copy\"><pre tabindex=\"0\" role=\"region\" aria-label=\"%s\" "
               "data-copy=\"", label);
    sv_mark_html(h, in);
    sv_mark(h, "\">");
    sv_mark_html(h, in);
    if (out->size) {
        sv_mark(h, "\n<span class=\"out\">");
        sv_mark_html(h, out);
        sv_mark(h, "</span>");
    }
    sv_mark(h, "</pre></div>\n");
}

/* ---- the frame -------------------------------------------------------------------------- */

static void nav(sv_html *h, sv_nav here)
{
    static const struct { const char *href, *text; sv_nav nav; } items[] = {
        {"/", "Overview", SV_NAV_OVERVIEW},
        {"/#disputes-section", "Disputes", SV_NAV_DISPUTES},
        {"/#providers-section", "Providers", SV_NAV_PROVIDERS},
        {"/ledger", "Ledger", SV_NAV_LEDGER},
        {"/openapi.json", "API", SV_NAV_NONE}};
    sv_mark(h, "<nav aria-label=\"Main\"><ul>\n");
    for (size_t k = 0; k < sizeof items / sizeof *items; k++) {
        sv_mark(h, "<li><a href=\"%s\"", items[k].href);
        if (here != SV_NAV_NONE && items[k].nav == here) sv_mark(h, " aria-current=\"page\"");
        sv_mark(h, ">%s</a></li>\n", items[k].text);
    }
    sv_mark(h, "</ul></nav>\n");
}

static void readiness(sv_html *h, const sv_page_frame *f)
{
    const uint64_t since = f->trouble ? f->trouble_ms : 0;
    sv_mark(h, "<p class=\"now\"><span id=\"asof\" class=\"%s\" data-live>"
               "<svg width=\"9\" height=\"9\" aria-hidden=\"true\">"
               "<circle cx=\"4.5\" cy=\"4.5\" r=\"4.5\"/></svg>%s",
            f->trouble ? "bad" : "fine",
            !f->trouble ? "Ready at " : since ? "Not ready since " : "Not ready at ");
    sv_mark_time(h, since ? since : f->now_ms, f->now_ms);
    sv_mark(h, " UTC</span> <span id=\"live\" role=\"status\"></span></p>\n");
}

void sv_page_begin(sv_html *h, const sv_page_frame *f, const sv_html *title, sv_nav here,
                   const char *events)
{
    sv_mark(h, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
               "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>");
    sv_mark_html(h, title);
    sv_mark(h, "</title>\n<link rel=\"icon\" href=\"/favicon.svg\" type=\"image/svg+xml\">\n"
               "<link rel=\"stylesheet\" href=\"/verde.css\">\n"
               "<script type=\"module\" src=\"/live.js\"></script>\n</head>\n<body>\n"
               "<a class=\"skip\" href=\"#main\">Skip to content</a>\n");
    sv_svg_patterns(h);
    sv_mark(h, "<header class=\"top\">\n<div class=\"wrap\">\n<a class=\"brand\" href=\"/\">"
               "<svg width=\"19\" height=\"19\" viewBox=\"0 0 20 20\" aria-hidden=\"true\">"
               "<rect x=\"1\" y=\"1\" width=\"18\" height=\"3\"/>"
               "<rect x=\"1\" y=\"6\" width=\"9\" height=\"3\"/>"
               "<rect x=\"5.5\" y=\"11\" width=\"4.5\" height=\"3\"/>"
               "<rect x=\"7.5\" y=\"16\" width=\"2.5\" height=\"3\"/></svg>Verde</a>\n");
    nav(h, here);
    readiness(h, f);
    sv_mark(h, "</div>\n</header>\n<main class=\"wrap\" id=\"main\"");
    if (events) sv_mark(h, " data-events=\"%s\"", events);
    sv_mark(h, ">\n");
}

void sv_page_end(sv_html *h, const sv_page_frame *f)
{
    sv_mark(h, "</main>\n<footer>\n<div class=\"wrap\">\n<ul>\n<li>verded %s</li>\n<li>referee ",
            f->version);
    sv_mark_short(h, &f->referee);
    sv_mark(h, "</li>\n<li id=\"log\" data-live>event log ");
    sv_mark_count(h, f->events);
    sv_mark(h, ", head ");
    sv_mark_short(h, &f->head);
    sv_mark(h, "</li>\n<li><a href=\"/readyz\">health</a></li>\n"
               "<li><a href=\"/metrics\">metrics</a></li>\n"
               "<li><a href=\"/openapi.json\">OpenAPI</a></li>\n</ul>\n</div>\n</footer>\n"
               "</body>\n</html>\n");
}

/* ---- 404 -------------------------------------------------------------------------------- */

void sv_page_write_missing(sv_html *h, const sv_page_frame *f, const sv_page_missing *p)
{
    sv_html title;
    sv_html_init(&title);
    sv_mark(&title, "No such %s: Verde", p->what);
    sv_page_begin(h, f, &title, SV_NAV_NONE, NULL);
    sv_mark(h, "<p class=\"crumb\"><a href=\"/\">Overview</a></p>\n"
               "<h1>There is no %s of this name</h1>\n"
               "<p class=\"lede\">Nothing here is called <code class=\"long\">%s</code>. Every "
               "task, dispute and provider that this service knows is linked from <a "
               "href=\"/\">the "
               "overview</a>. Programs get the same answer as "
               "<code>application/problem+json</code>, status 404.</p>\n", p->what, p->id);
    sv_page_end(h, f);
    sv_html_release(&title);
}
