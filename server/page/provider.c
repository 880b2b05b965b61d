/* provider.c - a provider: was it slashed, why, what does it hold. */
#include "parts.h"

static void first_sentence(sv_html *h, const sv_page_frame *f, const sv_page_provider *p)
{
    const int64_t more = p->stake > 0 ? p->line.free_amount / p->stake : 0;
    sv_mark(h, "<p class=\"lede\" id=\"lede\" data-live>");
    if (p->slash_count == 0)
        sv_mark(h, "Never slashed: it was right, or not contradicted, in all its %u task%s.",
                p->line.tasks, sv_plural(p->line.tasks));
    else {
        const sv_page_slash *s = &p->slashes[0];
        if (p->slash_count == 1) sv_mark(h, "Slashed once: ");
        else sv_mark(h, "Slashed %u times, last ", p->slash_count);
        sv_mark(h, "for <a href=\"#s1\">%s</a> in <bdi>%s</bdi> (", sv_loss_words(s->lost),
                s->name);
        sv_mark_time(h, s->at_ms, f->now_ms);
        sv_mark(h, ").");
    }
    if (p->stake > 0 && more) {
        sv_mark(h, " Its free stake covers ");
        sv_mark_count(h, (uint64_t)more);
        sv_mark(h, " more task%s like its last.", sv_plural((uint64_t)more));
    } else if (p->stake > 0) sv_mark(h, " Its free stake covers no further task like its last.");
    sv_mark(h, "</p>\n");
}

static void figures(sv_html *h, const sv_page_provider *p)
{
    sv_mark(h, "<dl class=\"facts\" id=\"figures\" data-live>\n<div><dt>Stake, free</dt><dd>");
    sv_mark_money(h, p->line.free_amount);
    sv_mark(h, "<small>not in any task</small></dd></div>\n<div><dt>Stake, held</dt><dd>");
    sv_mark_money(h, p->line.held);
    sv_mark(h, "<small>%s</small></dd></div>\n<div><dt>Tasks</dt><dd>%u<small>%u paid, %u slashed"
               "</small></dd></div>\n<div><dt>Earned</dt><dd>",
            p->line.held ? "by tasks in progress" : "no task in progress", p->line.tasks, p->paid,
            p->line.slashed);
    sv_mark_money(h, p->earned);
    sv_mark(h, "<small>in %u task%s</small></dd></div>\n<div><dt>Lost</dt><dd>", p->paid,
            sv_plural(p->paid));
    sv_mark_money(h, p->lost_amount);
    sv_mark(h, "<small>in %u slash%s</small></dd></div>\n</dl>\n", p->line.slashed,
            p->line.slashed == 1 ? "" : "es");
}

static void where_it_went(sv_html *h, const sv_page_slash *s)
{
    const struct { int64_t amount; const char *to; } parts[3] = {
        {s->burned, "burned"}, {s->treasury, "treasury"}, {s->shared, "to who stood"}};
    const char *between = "";
    for (size_t k = 0; k < 3; k++) {
        if (parts[k].amount == 0) continue;
        sv_mark(h, "%s", between);
        if (between[0]) sv_mark(h, "<br>");
        sv_mark_money(h, parts[k].amount);
        sv_mark(h, " %s", parts[k].to);
        between = " ";
    }
}

static void slash_row(sv_html *h, const sv_page_frame *f, const sv_page_slash *s, uint32_t number)
{
    sv_mark(h, "<tr id=\"s%u\"><th scope=\"row\" class=\"nw\">", number);
    sv_mark_time(h, s->at_ms, f->now_ms);
    sv_mark(h, "</th>\n<td><span class=\"bad\">%s</span> in <a href=\"", sv_loss_words(s->lost));
    sv_mark_task_path(h, &s->task);
    sv_mark(h, "\"><bdi>%s</bdi></a>", s->name);
    if (s->why[0]) sv_mark(h, ": <bdi>%s</bdi>", s->why);
    if (s->dispute) {
        sv_mark(h, "<small><a href=\"");
        sv_mark_dispute_path(h, &s->task, s->dispute);
        sv_mark(h, "\">The dispute</a>, with what checks it</small>");
    } else sv_mark(h, "<small>Nothing was recomputed: it follows from the signed event "
                      "log.</small>");
    sv_mark(h, "</td>\n<td class=\"w nw\">");
    where_it_went(h, s);
    sv_mark(h, "</td><td class=\"num\">");
    sv_mark_money(h, -s->amount);
    sv_mark(h, "</td></tr>\n");
}

static void slashes(sv_html *h, const sv_page_frame *f, const sv_page_provider *p)
{
    sv_mark(h, "<section aria-labelledby=\"h-slash\">\n<h2 id=\"h-slash\">Why <bdi>%s</bdi> was "
               "slashed</h2>\n<table>\n<caption>Each slash names its rule and what proves it."
               "</caption>\n<thead><tr><th scope=\"col\">When</th><th scope=\"col\">Why</th>"
               "<th scope=\"col\" class=\"w\">Where the stake went</th>"
               "<th scope=\"col\" class=\"num\">Amount</th></tr></thead>\n<tbody>\n",
            p->line.who.name);
    for (uint32_t k = 0; k < p->slash_count; k++) slash_row(h, f, &p->slashes[k], k + 1);
    sv_mark(h, "</tbody>\n</table>\n</section>\n");
}

static void task_rows(sv_html *h, const sv_page_frame *f, const sv_page_provider *p)
{
    for (uint32_t k = 0; k < p->task_count; k++) {
        const sv_page_provider_task *t = &p->tasks[k];
        sv_mark(h, "<tr><th scope=\"row\"><a href=\"");
        sv_mark_task_path(h, &t->task);
        sv_mark(h, "\"><bdi>%s</bdi></a><small>%s</small></th><td>", t->name, t->what);
        if (t->lost) sv_mark(h, "<span class=\"bad\">%s</span>", sv_loss_words(t->lost));
        else if (t->state == RF_T_SETTLED) sv_mark(h, "<span class=\"good\">paid</span>");
        else sv_mark(h, "%s", sv_state_word(t->state));
        sv_mark(h, "</td><td class=\"num\">");
        sv_mark_signed(h, t->change);
        sv_mark(h, "</td><td class=\"num w\">");
        sv_mark_time(h, t->at_ms, f->now_ms);
        sv_mark(h, "</td></tr>\n");
    }
    if (p->task_count == 0)
        sv_mark(h, "<tr class=\"none\"><td colspan=\"4\"><p><b>It has claimed no task yet.</b></p>"
                   "</td></tr>\n");
}

void sv_page_write_provider(sv_html *h, const sv_page_frame *f, const sv_page_provider *p)
{
    sv_html title;
    sv_html_init(&title);
    sv_mark(&title, "%s, provider: Verde", p->line.who.name);
    sv_page_begin(h, f, &title, SV_NAV_PROVIDERS, "/v1/events");
    sv_mark(h, "<p class=\"crumb\"><a href=\"/#providers-section\">Providers</a> / ");
    sv_mark_short(h, &p->line.who.key);
    sv_mark(h, "</p>\n<h1><bdi>%s</bdi></h1>\n", p->line.who.name);
    first_sentence(h, f, p);
    figures(h, p);
    if (p->history.point_count) {
        sv_mark(h, "<section aria-labelledby=\"h-hist\">\n<h2 id=\"h-hist\">Stake over time</h2>\n"
                   "<figure class=\"fig axis%s\">\n",
                sv_svg_history_is_wide(&p->history) ? " far" : "");
        sv_svg_history(h, &p->history);
        sv_mark(h, "<figcaption>Free and held together, in credits. Each vertical mark is a slash."
                   "</figcaption>\n</figure>\n</section>\n");
    }
    if (p->slash_count) slashes(h, f, p);
    sv_mark(h, "<div class=\"cols\">\n<section aria-labelledby=\"h-tasks\">\n"
               "<h2 id=\"h-tasks\">Tasks</h2>\n<table class=\"tight\" id=\"tasks\" data-live>\n"
               "<caption>Newest first; the change of its stake.</caption>\n<thead><tr>"
               "<th scope=\"col\">Task</th><th scope=\"col\">Outcome</th>"
               "<th scope=\"col\" class=\"num\">Credits</th>"
               "<th scope=\"col\" class=\"num w\">When</th></tr></thead>\n<tbody>\n");
    task_rows(h, f, p);
    sv_mark(h, "</tbody>\n</table>\n<p class=\"dim more\">%u of ", p->task_count);
    sv_mark_count(h, p->task_total);
    sv_mark(h, ".</p>\n</section>\n<section aria-labelledby=\"h-id\">\n"
               "<h2 id=\"h-id\">Identity</h2>\n");
    sv_mark_properties(h, &p->identity);
    sv_mark(h, "</section>\n</div>\n");
    sv_page_end(h, f);
    sv_html_release(&title);
}
