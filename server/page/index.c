/* index.c - the overview: what this is, what is in progress, who takes part, is all well. */
#include <string.h>

#include "parts.h"

static void empty_row(sv_html *h, uint32_t columns, const char *first, const char *then)
{
    sv_mark(h, "<tr class=\"none\"><td colspan=\"%u\"><p><b>%s</b> %s</p>", columns, first, then);
}

/* ---- figures ---------------------------------------------------------------------------- */

static void progress(sv_html *h, const sv_page_index *p)
{
    static const struct { rf_task_state state; const char *words; } what[] = {
        {RF_T_OPEN, "open"}, {RF_T_COMMIT, "commit"}, {RF_T_REVEAL, "reveal"},
        {RF_T_AGREED, "agreed"}, {RF_T_DISPUTED, "disputed"}, {RF_T_RESOLVED, "to be delivered"},
        {RF_T_FINAL, "waiting to be final"}};
    uint64_t all = 0;
    const char *between = "";
    for (uint32_t s = 0; s < RF_T_SETTLED; s++) all += p->by_state[s];
    sv_mark(h, "<div><dt>Tasks in progress</dt><dd>");
    sv_mark_count(h, all);
    sv_mark(h, "<small>%s", all ? "" : p->task_total ? "none now" : "none yet");
    for (size_t k = 0; k < sizeof what / sizeof *what; k++) {
        if (!p->by_state[what[k].state]) continue;
        sv_mark(h, "%s%u %s", between, p->by_state[what[k].state], what[k].words);
        between = ", ";
    }
    sv_mark(h, "</small></dd></div>\n");
}

static void figures(sv_html *h, const sv_page_index *p)
{
    uint64_t settled = 0;
    const uint64_t disputes = p->disputes_open + p->disputes_decided + p->disputes_undecided;
    for (uint32_t k = 0; k < SV_PAGE_DAYS; k++) settled += p->settled[k];
    sv_mark(h, "<dl class=\"facts\" id=\"figures\" data-live>\n");
    progress(h, p);
    sv_mark(h, "<div><dt>Settled in %u days</dt><dd>", SV_PAGE_DAYS);
    sv_mark_count(h, settled);
    if (settled) sv_svg_days(h, p->settled, SV_PAGE_DAYS);
    else sv_mark(h, "<small>none yet</small>");
    sv_mark(h, "</dd></div>\n<div><dt>Disputes</dt><dd>");
    sv_mark_count(h, disputes);
    sv_mark(h, "<small>");
    if (disputes)
        sv_mark(h, "%llu open, %llu decided, %llu undecided", (unsigned long long)p->disputes_open,
                (unsigned long long)p->disputes_decided,
                (unsigned long long)p->disputes_undecided);
    else sv_mark(h, "none yet");
    sv_mark(h, "</small></dd></div>\n<div><dt>Numbers recomputed</dt><dd>");
    sv_mark_count(h, p->recomputed);
    sv_mark(h, "<small>by the referee, in ");
    sv_mark_count(h, p->task_total);
    sv_mark(h, " task%s</small></dd></div>\n<div><dt>Ledger difference</dt><dd>",
            sv_plural(p->task_total));
    sv_mark_micro(h, p->difference);
    sv_mark(h, "<small>");
    sv_mark_count(h, p->transfers);
    sv_mark(h, " transfer%s, in %s out</small></dd></div>\n</dl>\n", sv_plural(p->transfers),
            p->difference ? "is not" : "=");
}

/* ---- tasks ------------------------------------------------------------------------------ */

static void next_words(sv_html *h, const sv_page_task_line *t, uint64_t now_ms)
{
    static const char *const until[] = {"claims until ",  "commits until ",   "reveals until ",
                                        "answers until ", "answers until ",   "delivery until ",
                                        "final at ",      "",                 ""};
    if (t->state == RF_T_SETTLED) {
        sv_mark(h, "<small>%s</small>", t->disputed ? "after a dispute" : "agreed");
    } else if (t->state == RF_T_REFUNDED) {
        sv_mark(h, "<small>%s</small>", t->end == RF_END_NOBODY ? "nobody was right"
                                        : t->end == RF_END_UNDELIVERED ? "not delivered"
                                                                       : "no verdict is possible");
    } else if (t->deadline_ms) {
        sv_mark(h, "<small>%s", until[t->state]);
        sv_mark_time(h, t->deadline_ms, now_ms);
        sv_mark(h, "</small>");
    }
}

static void outcome(sv_html *h, const sv_page_task_line *t)
{
    if (t->dispute && (t->outcome || t->state == RF_T_DISPUTED)) {
        sv_mark(h, "<a href=\"");
        sv_mark_dispute_path(h, &t->id, t->dispute);
        if (t->outcome) sv_mark(h, "\"><bdi>%s</bdi></a>", t->outcome);
        else sv_mark(h, "\">%u different results</a>", t->roots);
        return;
    }
    switch (t->state) {
    case RF_T_OPEN: sv_mark(h, "%u of %u claimed", t->claimed, t->slots); break;
    case RF_T_COMMIT: sv_mark(h, "%u of %u committed", t->committed, t->slots); break;
    case RF_T_REVEAL: sv_mark(h, "%u of %u revealed", t->revealed, t->slots); break;
    case RF_T_DISPUTED: sv_mark(h, "%u different results", t->roots); break;
    case RF_T_REFUNDED: sv_mark(h, "no result"); break;
    default: sv_mark(h, "agreed, %u of %u", t->standing, t->slots);
    }
}

static void task_row(sv_html *h, const sv_page_task_line *t, uint64_t now_ms)
{
    sv_mark(h, "<tr><th scope=\"row\"><a href=\"");
    sv_mark_task_path(h, &t->id);
    sv_mark(h, "\"><bdi>%s</bdi></a><small>%s</small></th>\n<td>", t->name, t->what);
    sv_mark_state(h, t->state, t->disputed);
    next_words(h, t, now_ms);
    sv_mark(h, "<small class=\"n\">");
    outcome(h, t);
    sv_mark(h, "</small></td>\n<td class=\"w\">");
    sv_mark_crowd(h, &t->members, 1);
    sv_mark(h, "</td><td class=\"w\">");
    outcome(h, t);
    const int over = t->state >= RF_T_SETTLED;
    sv_mark(h, "</td><td class=\"num\">");
    sv_mark_money(h, over ? t->paid : t->escrow);
    sv_mark(h, "<small class=\"w\">");
    if (over && t->paid < t->escrow) {
        sv_mark_money(h, t->escrow - t->paid);
        sv_mark(h, " returned");
    } else sv_mark(h, "%s", over ? "paid" : "in escrow");
    sv_mark(h, "</small></td><td class=\"num w\">");
    sv_mark_time(h, t->changed_ms, now_ms);
    sv_mark(h, "</td></tr>\n");
}

static void tasks(sv_html *h, const sv_page_frame *f, const sv_page_index *p)
{
    sv_mark(h, "<section aria-labelledby=\"h-tasks\">\n<h2 id=\"h-tasks\">Tasks</h2>\n"
               "<table id=\"tasks\" data-live>\n<caption>Work in progress first, then newest. "
               "Times are UTC, amounts are credits.</caption>\n<thead><tr><th "
               "scope=\"col\">Task</th>"
               "<th scope=\"col\">State</th><th scope=\"col\" class=\"w\">Providers</th>"
               "<th scope=\"col\" class=\"w\">Outcome</th><th scope=\"col\" class=\"num\">Cost</th>"
               "<th scope=\"col\" class=\"num w\">Changed</th></tr></thead>\n<tbody>\n");
    for (uint32_t k = 0; k < p->task_count; k++) task_row(h, &p->tasks[k], f->now_ms);
    if (p->task_count == 0) {
        empty_row(h, 6, "No task has been submitted yet.",
                  "An account, money for it and a task, from a terminal:");
        sv_mark(h, "<pre>verde account new alice --server %s --token DIR/operator.token --out "
                   "alice.token\nverde account deposit alice 1000000 --server %s --token "
                   "DIR/operator.token\nverde submit docs/examples/mlp.json --server %s --token "
                   "alice.token</pre></td></tr>\n", f->server, f->server, f->server);
    }
    sv_mark(h, "</tbody>\n</table>\n");
    if (p->task_count) {
        sv_mark(h, "<p class=\"dim more\">");
        sv_mark_count(h, p->task_count);
        sv_mark(h, " of ");
        sv_mark_count(h, p->task_total);
        sv_mark(h, " task%s.", sv_plural(p->task_total));
        if (p->older) sv_mark(h, " <a href=\"%s\">Older</a>", p->older);
        sv_mark(h, "</p>\n");
    }
    sv_mark(h, "</section>\n");
}

/* ---- disputes, providers, health -------------------------------------------------------- */

static void dispute_row(sv_html *h, const sv_page_dispute_line *d, uint64_t now_ms)
{
    sv_mark(h, "<tr><th scope=\"row\"><a href=\"");
    sv_mark_dispute_path(h, &d->task, d->number);
    sv_mark(h, "\"><bdi>%s</bdi></a><small>no. %u \xc2\xb7 ", d->name, d->number);
    sv_mark_time(h, d->at_ms, now_ms);
    sv_mark(h, "</small></th>\n<td class=\"w\">");
    for (uint32_t k = 0; k < 2; k++) {
        if (k) sv_mark(h, "<br>");
        sv_mark_claim(h, k, d->state == SV_DISPUTE_DECIDED ? d->guilty[k] : k == 1);
        sv_mark(h, " ");
        sv_mark_crowd(h, &d->sides[k], 0);
    }
    sv_mark(h, "</td>\n<td><span class=\"%s\"><bdi>%s</bdi></span><small><bdi>%s</bdi></small></td>"
               "<td class=\"num\">",
            d->state == SV_DISPUTE_DECIDED ? "bad" : "open", d->verdict, d->where);
    if (d->state == SV_DISPUTE_OPEN)
        sv_mark(h, "<span aria-hidden=\"true\">\xe2\x80\x93</span>"
                   "<span class=\"sr\">not yet</span>");
    else sv_mark_count(h, d->recomputed);
    sv_mark(h, "</td></tr>\n");
}

static void disputes(sv_html *h, const sv_page_frame *f, const sv_page_index *p)
{
    sv_mark(h, "<section aria-labelledby=\"h-disputes\" id=\"disputes-section\">\n"
               "<h2 id=\"h-disputes\">Disputes</h2>\n<table id=\"disputes\" data-live>\n"
               "<caption>Where traces parted, who was wrong, and how many numbers the referee "
               "recomputed to know.</caption>\n<thead><tr><th scope=\"col\">Task</th>"
               "<th scope=\"col\" class=\"w\">Claims</th><th scope=\"col\">Verdict</th>"
               "<th scope=\"col\" class=\"num\">Recomputed</th></tr></thead>\n<tbody>\n");
    for (uint32_t k = 0; k < p->dispute_count; k++) dispute_row(h, &p->disputes[k], f->now_ms);
    if (p->dispute_count == 0) {
        empty_row(h, 4, "No dispute so far.", "One opens by itself when two revealed traces "
                                              "differ.");
        sv_mark(h, "</td></tr>\n");
    }
    sv_mark(h, "</tbody>\n</table>\n</section>\n");
}

static void provider_row(sv_html *h, const sv_page_provider_line *r, int64_t largest,
                         uint64_t now_ms)
{
    sv_mark(h, "<tr><th scope=\"row\">");
    sv_mark_who(h, &r->who);
    char hex[65];
    vd_digest_hex(&r->who.key, hex);
    sv_mark(h, "<small>");
    hex[8] = 0;
    if (strcmp(hex, r->who.name) != 0) sv_mark_short(h, &r->who.key); /* else it is its name */
    if (r->note[0]) sv_mark(h, " <span class=\"w\">\xc2\xb7 <bdi>%s</bdi></span>", r->note);
    sv_mark(h, "</small></th>\n<td class=\"w bar-cell\">");
    sv_svg_stake(h, r->free_amount, r->held, largest);
    sv_mark(h, "</td><td class=\"num\">");
    sv_mark_money(h, r->free_amount);
    sv_mark(h, "</td><td class=\"num\">");
    sv_mark_money(h, r->held);
    sv_mark(h, "</td><td class=\"num w\">%u</td><td class=\"num\">", r->tasks);
    if (r->slashed) sv_mark(h, "<span class=\"bad\">%u</span>", r->slashed);
    else sv_mark(h, "0");
    sv_mark(h, "</td><td class=\"num w\">");
    sv_mark_time(h, r->seen_ms, now_ms);
    sv_mark(h, "</td></tr>\n");
}

static void providers(sv_html *h, const sv_page_frame *f, const sv_page_index *p)
{
    int64_t largest = 0;
    for (uint32_t k = 0; k < p->provider_count; k++) {
        const sv_page_provider_line *r = &p->providers[k];
        const int64_t all = r->free_amount > INT64_MAX - r->held ? INT64_MAX
                                                                 : r->free_amount + r->held;
        largest = all > largest ? all : largest;
    }
    sv_mark(h, "<section aria-labelledby=\"h-providers\" id=\"providers-section\">\n"
               "<h2 id=\"h-providers\">Providers</h2>\n<table id=\"providers\" data-live>\n"
               "<caption>Solid is free stake, framed is held by tasks in progress.</caption>\n"
               "<thead><tr><th scope=\"col\">Provider</th><th scope=\"col\" class=\"w\">Stake</th>"
               "<th scope=\"col\" class=\"num\">Free</th><th scope=\"col\" class=\"num\">Held</th>"
               "<th scope=\"col\" class=\"num w\">Tasks</th>"
               "<th scope=\"col\" class=\"num\">Slashed</th>"
               "<th scope=\"col\" class=\"num w\">Seen</th></tr></thead>\n<tbody>\n");
    for (uint32_t k = 0; k < p->provider_count; k++)
        provider_row(h, &p->providers[k], largest, f->now_ms);
    if (p->provider_count == 0) {
        empty_row(h, 7, "No provider has joined yet.",
                  "Start one on any machine that can reach this one:");
        sv_mark(h, "<pre>verde keygen provider.key\nverde provide --server %s --key provider.key"
                   "</pre></td></tr>\n", f->server);
    }
    sv_mark(h, "</tbody>\n</table>\n</section>\n");
}

static void health(sv_html *h, const sv_page_index *p)
{
    sv_mark(h, "<section aria-labelledby=\"h-health\">\n<h2 id=\"h-health\">Health</h2>\n"
               "<table class=\"tight\" id=\"health\" data-live>\n<caption>What the service checks "
               "about itself, for operators and referees.</caption>\n<thead><tr>"
               "<th scope=\"col\">Check</th><th scope=\"col\">Now</th><th scope=\"col\">Detail</th>"
               "</tr></thead>\n<tbody>\n");
    for (uint32_t k = 0; k < p->check_count; k++) {
        const sv_page_check *c = &p->checks[k];
        sv_mark(h, "<tr><th scope=\"row\">%s</th><td class=\"nw\"><span class=\"%s\">"
                   "<span class=\"%s\" aria-hidden=\"true\">%s</span>%s</span></td>"
                   "<td class=\"dim\">%s</td></tr>\n",
                c->name, c->holds ? "good" : "bad", c->holds ? "ok-i" : "no-i",
                c->holds ? "\xe2\x9c\x93" : "\xe2\x9c\x95", c->holds ? "holds" : "fails",
                c->detail);
    }
    sv_mark(h, "</tbody>\n</table>\n</section>\n");
}

/* ---- the page --------------------------------------------------------------------------- */

static void intro(sv_html *h)
{
    sv_mark(h, "<section class=\"intro\" aria-label=\"What this is\">\n<div>\n"
               "<h1>Machine-learning work done by strangers, checked</h1>\n<p class=\"lede\">"
               "Several providers run the same deterministic job, and each commits to a hash of "
               "every step before it can see the others\xe2\x80\x99. Traces that agree are "
               "accepted. "
               "Where two differ, a referee finds the first step, operator and number at which "
               "they part, recomputes that one number, and the provider who had it wrong loses its "
               "stake.</p>\n</div>\n<figure class=\"fig\">\n");
    sv_svg_traces(h);
    sv_mark(h, "<figcaption class=\"sr\">An example: three traces of one training job.</figcaption>"
               "\n</figure>\n</section>\n");
}

void sv_page_write_index(sv_html *h, const sv_page_frame *f, const sv_page_index *p)
{
    sv_html title;
    sv_html_init(&title);
    sv_mark(&title, "Verde: refereed machine-learning work");
    sv_page_begin(h, f, &title, SV_NAV_OVERVIEW, "/v1/events");
    sv_mark(h, "<div id=\"alert\" data-live>");
    if (f->trouble)
        sv_mark(h, "<div class=\"alert\" role=\"alert\"><p><strong>%s</strong> %s</p></div>",
                f->trouble, f->trouble_why);
    sv_mark(h, "</div>\n");
    intro(h);
    figures(h, p);
    tasks(h, f, p);
    disputes(h, f, p);
    providers(h, f, p);
    if (p->check_count) health(h, p);
    sv_page_end(h, f);
    sv_html_release(&title);
}
