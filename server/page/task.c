/* task.c - a task: is it done, what did it cost, who took part. */
#include "parts.h"

/* ---- the first sentence ----------------------------------------------------------------- */

static void until(sv_html *h, const sv_page_frame *f, const sv_page_task *p)
{
    sv_mark_time(h, p->line.deadline_ms, f->now_ms);
    sv_mark(h, " UTC");
}

/* "after a dispute, in which cedar was wrong at step 412" */
static void after_dispute(sv_html *h, const sv_page_task_line *t)
{
    if (!t->dispute || !t->outcome) return;
    sv_mark(h, " The dispute: <a href=\"");
    sv_mark_dispute_path(h, &t->id, t->dispute);
    sv_mark(h, "\"><bdi>%s</bdi></a>.", t->outcome);
}

static void paid(sv_html *h, const sv_page_task_line *t)
{
    sv_mark(h, " You paid ");
    sv_mark_money(h, t->paid);
    sv_mark(h, " of the ");
    sv_mark_money(h, t->escrow);
    sv_mark(h, " you reserved.");
}

static void no_result(sv_html *h, const sv_page_task_line *t)
{
    switch (t->end) {
    case RF_END_UNDELIVERED:
        sv_mark(h, "No result: one stood, but nobody delivered its outputs in time.");
        break;
    case RF_END_NOBODY: sv_mark(h, "No result: nobody revealed one that stands."); break;
    default:
        sv_mark(h, "No result: the referee could not decide, or an operator stopped the task; "
                   "that is nobody\xe2\x80\x99s fault.");
    }
}

static void before_verdict(sv_html *h, const sv_page_frame *f, const sv_page_task *p)
{
    const sv_page_task_line *t = &p->line;
    switch (t->state) {
    case RF_T_OPEN:
        sv_mark(h, "Waiting for providers: %u of %u places %s taken; more can be until ",
                t->claimed, t->slots, t->claimed == 1 ? "is" : "are");
        until(h, f, p);
        sv_mark(h, ".");
        break;
    case RF_T_COMMIT:
        sv_mark(h, "Running. %u of %u providers %s finished and committed; the time is up at ",
                t->committed, t->claimed, t->committed == 1 ? "has" : "have");
        until(h, f, p);
        sv_mark(h, ". Nobody can see another\xe2\x80\x99s result before that.");
        break;
    case RF_T_REVEAL:
        sv_mark(h, "Computed. %u of the %u who committed %s revealed the result; all are shown at ",
                t->revealed, t->committed, t->revealed == 1 ? "has" : "have");
        until(h, f, p);
        sv_mark(h, ".");
        break;
    case RF_T_AGREED:
        sv_mark(h, "Nobody disagrees: %u provider%s revealed one and the same trace root. Before "
                   "it counts, questions about what they computed, and an audit where one is due, "
                   "are answered.", t->revealed, sv_plural(t->revealed));
        break;
    default:
        RO_ASSERT(t->state == RF_T_DISPUTED);
        sv_mark(h, "The providers disagree: they revealed %u different results. The referee is "
                   "finding the first number on which they part", t->roots);
        if (t->dispute) {
            sv_mark(h, ", <a href=\"");
            sv_mark_dispute_path(h, &t->id, t->dispute);
            sv_mark(h, "\">shown here</a>");
        }
        sv_mark(h, ".");
    }
}

static void first_sentence(sv_html *h, const sv_page_frame *f, const sv_page_task *p)
{
    const sv_page_task_line *t = &p->line;
    sv_mark(h, "<p class=\"lede\" id=\"lede\" data-live>");
    if (t->state < RF_T_RESOLVED) before_verdict(h, f, p);
    else if (t->state == RF_T_REFUNDED) {
        no_result(h, t);
        after_dispute(h, t);
        paid(h, t);
    } else {
        sv_mark(h, t->disputed ? "Done, though the providers disagreed: the result of %u of them "
                                 "stands."
                               : "Done, and nobody disagreed: %u revealed the same trace root.",
                t->standing);
        after_dispute(h, t);
        if (t->state == RF_T_SETTLED) paid(h, t);
        else {
            sv_mark(h, t->state == RF_T_FINAL ? " It becomes final at "
                                             : " It is delivered until ");
            until(h, f, p);
            sv_mark(h, t->state == RF_T_FINAL ? " and is then paid for." : ".");
        }
    }
    sv_mark(h, "</p>\n");
}

/* ---- the states ------------------------------------------------------------------------- */

static void moment(sv_html *h, const sv_page_frame *f, const sv_page_task *p, rf_task_state s)
{
    const sv_page_moment *m = &p->moments[s];
    const rf_task_state now = p->line.state;
    const int here = s == now, done = m->at_ms && !here;
    const char *class = s == RF_T_DISPUTED && (done || here) ? "done split"
                        : done || (here && s >= RF_T_SETTLED) ? "done" : here ? "cur" : "todo";
    sv_mark(h, "<li class=\"%s\"", class);
    if (here) sv_mark(h, " aria-current=\"step\"");
    sv_mark(h, "><b>%s</b><span>", sv_state_word(s));
    if (m->at_ms) sv_mark_time(h, m->at_ms, f->now_ms);
    sv_mark(h, "</span><span>%s</span></li>\n", m->note);
}

static void timeline(sv_html *h, const sv_page_frame *f, const sv_page_task *p)
{
    sv_mark(h, "<ol class=\"time\" role=\"list\" aria-label=\"States of the task\" id=\"timeline\" "
               "data-live>\n");
    for (uint32_t s = 0; s <= RF_T_REFUNDED; s++) {
        const rf_task_state now = p->line.state;
        const int reached = p->moments[s].at_ms || s == now;
        if (s == RF_T_DISPUTED && !reached) continue;
        if (s == RF_T_AGREED && !reached && (p->line.disputed || now > RF_T_AGREED)) continue;
        if (s == RF_T_REFUNDED && now != RF_T_REFUNDED) continue;
        if (now == RF_T_REFUNDED && !reached) continue;
        moment(h, f, p, (rf_task_state)s);
    }
    sv_mark(h, "</ol>\n");
}

/* ---- who took part ---------------------------------------------------------------------- */

static void stake_cell(sv_html *h, const sv_page_task *p, const sv_page_member *m)
{
    const int over = p->line.state >= RF_T_SETTLED;
    sv_mark(h, "<td class=\"num\">");
    if (m->role == RF_AUDITOR) sv_mark(h, "<span class=\"dim\">none</span>");
    else if (m->lost) {
        sv_mark(h, "<span class=\"bad\">");
        sv_mark_money(h, -m->stake);
        sv_mark(h, "</span><small>%s</small>", m->provisional ? "lost, if it stays so" : "lost");
    } else {
        sv_mark_money(h, m->stake);
        sv_mark(h, "<small>%s</small>", over ? "released" : "held");
    }
    sv_mark(h, "</td>");
}

static void stage_note(sv_html *h, const sv_page_member *m)
{
    if (m->lost) sv_mark(h, "<small class=\"bad\">%s</small>", sv_loss_words(m->lost));
    else if (m->role == RF_AUDITOR) sv_mark(h, "<small>auditor</small>");
    else if (m->stage == RF_STAGE_WITHDRAWN) sv_mark(h, "<small>withdrew</small>");
}

/* Dashed: its root fell, or, before that is known, is not the first. */
static void root_cells(sv_html *h, const sv_page_task *p, const sv_page_member *m)
{
    const int over = p->line.state >= RF_T_RESOLVED;
    const int dashed = m->lost != RF_LOST_NOTHING || (!over && m->claim > 0);
    const vd_digest *d = m->has_root ? &m->root : &m->commitment;
    sv_mark(h, "<td>");
    if (m->has_root) sv_mark_claim(h, m->claim, dashed);
    else sv_mark(h, "<span class=\"dim\">sealed</span>");
    sv_mark(h, "</td><td>");
    if (m->has_root || m->has_commitment) {
        sv_mark(h, "<span class=\"w\">");
        sv_mark_digest(h, d, 16);
        sv_mark(h, "</span><span class=\"n\">");
        sv_mark_digest(h, d, 8);
        sv_mark(h, "</span>");
        if (!m->has_root) sv_mark(h, "<small>commitment</small>");
    } else sv_mark(h, "<span class=\"dim\">none yet</span>");
    sv_mark(h, "</td>");
}

static void member_row(sv_html *h, const sv_page_frame *f, const sv_page_task *p,
                       const sv_page_member *m)
{
    sv_mark(h, "<tr><th scope=\"row\">");
    sv_mark_who(h, &m->who);
    stage_note(h, m);
    sv_mark(h, "</th>");
    root_cells(h, p, m);
    sv_mark(h, "<td class=\"w\">");
    sv_mark_time(h, m->committed_ms, f->now_ms);
    sv_mark(h, "</td><td class=\"w\">");
    sv_mark_time(h, m->revealed_ms, f->now_ms);
    sv_mark(h, "</td>");
    stake_cell(h, p, m);
    sv_mark(h, "<td class=\"num\">");
    sv_mark_money(h, m->received);
    sv_mark(h, "</td></tr>\n");
}

static void members(sv_html *h, const sv_page_frame *f, const sv_page_task *p)
{
    sv_mark(h, "<section aria-labelledby=\"h-prov\">\n<h2 id=\"h-prov\">Providers</h2>\n"
               "<div class=\"scroll\" tabindex=\"0\" role=\"region\" "
               "aria-label=\"Providers of this task\">\n<table id=\"parties\" data-live>\n"
               "<caption>Equal roots make one claim. Each committed before it could see "
               "another\xe2\x80\x99s root.</caption>\n<thead><tr><th scope=\"col\">Provider</th>"
               "<th scope=\"col\">Claim</th><th scope=\"col\">Trace root</th>"
               "<th scope=\"col\" class=\"w\">Committed</th>"
               "<th scope=\"col\" class=\"w\">Revealed</th>"
               "<th scope=\"col\" class=\"num\">Stake</th>"
               "<th scope=\"col\" class=\"num\">Received</th></tr></thead>\n<tbody>\n");
    for (uint32_t k = 0; k < p->member_count; k++) member_row(h, f, p, &p->members[k]);
    if (p->member_count == 0)
        sv_mark(h, "<tr class=\"none\"><td colspan=\"7\"><p><b>Nobody has claimed a place "
                   "yet.</b></p></td></tr>\n");
    sv_mark(h, "</tbody>\n</table>\n</div>\n</section>\n");
}

/* ---- disputes, cost, the job ------------------------------------------------------------- */

static void disputes(sv_html *h, const sv_page_task *p)
{
    sv_mark(h, "<section aria-labelledby=\"h-disp\">\n<h2 id=\"h-disp\">Disputes</h2>\n"
               "<table class=\"tight\" id=\"disputes\" data-live>\n<caption>A page for each pair "
               "of claims, in the order judged.</caption>\n<thead><tr>"
               "<th scope=\"col\">Dispute</th><th scope=\"col\">Verdict</th>"
               "<th scope=\"col\">Where</th></tr></thead>\n<tbody>\n");
    for (uint32_t k = 0; k < p->dispute_count; k++) {
        const sv_page_task_dispute *d = &p->disputes[k];
        sv_mark(h, "<tr><th scope=\"row\"><a href=\"");
        sv_mark_dispute_path(h, &p->line.id, d->number);
        sv_mark(h, "\">No. %u</a></th><td><span class=\"%s\"><bdi>%s</bdi></span></td>"
                   "<td><bdi>%s</bdi></td></tr>\n",
                d->number, d->open ? "open" : "bad", d->verdict, d->where);
    }
    sv_mark(h, "</tbody>\n</table>\n</section>\n");
}

static void cost(sv_html *h, const sv_page_task *p)
{
    const sv_page_task_line *t = &p->line;
    const int over = t->state >= RF_T_SETTLED;
    sv_mark(h, "<section aria-labelledby=\"h-cost\">\n<h2 id=\"h-cost\">%s</h2>\n"
               "<table class=\"tight\" id=\"cost\" data-live>\n<caption>Credits of <bdi>%s</bdi>. "
               "%s</caption>\n<thead class=\"sr\"><tr><th scope=\"col\">Item</th>"
               "<th scope=\"col\">Credits</th></tr></thead>\n<tbody>\n"
               "<tr><th scope=\"row\">Reserved at submission</th><td class=\"num\">",
            over ? "What it cost you" : "What it will cost you at most", p->client.name,
            t->disputed ? "A dispute is paid from the stake of who was wrong."
                        : "A provider that fails is not paid.");
    sv_mark_money(h, t->escrow);
    sv_mark(h, "</td></tr>\n");
    for (uint32_t k = 0; k < p->cost_count; k++) {
        sv_mark(h, "<tr><th scope=\"row\"><bdi>%s</bdi></th><td class=\"num\">", p->costs[k].what);
        sv_mark_money(h, -p->costs[k].amount);
        sv_mark(h, "</td></tr>\n");
    }
    sv_mark(h, "</tbody>\n");
    if (over) {
        sv_mark(h, "<tfoot><tr><th scope=\"row\">Returned to you</th><td class=\"num\">");
        sv_mark_money(h, p->returned);
        sv_mark(h, "</td></tr></tfoot>\n");
    }
    sv_mark(h, "</table>\n</section>\n");
}

void sv_page_write_task(sv_html *h, const sv_page_frame *f, const sv_page_task *p)
{
    sv_html title, events;
    char hex[65];
    sv_html_init(&title);
    sv_html_init(&events);
    vd_digest_hex(&p->line.id, hex);
    sv_mark(&title, "%s, task ", p->line.name);
    for (int k = 0; k < 8; k++) sv_mark(&title, "%c", hex[k]);
    sv_mark(&title, ": Verde");
    sv_mark(&events, "/v1/tasks/%s/events", hex);
    sv_page_begin(h, f, &title, SV_NAV_NONE, events.size ? events.text : NULL);
    sv_mark(h, "<p class=\"crumb\"><a href=\"/\">Tasks</a> / ");
    sv_mark_short(h, &p->line.id);
    sv_mark(h, "</p>\n<h1><bdi>%s</bdi></h1>\n", p->line.name);
    first_sentence(h, f, p);
    timeline(h, f, p);
    members(h, f, p);
    if (p->dispute_count) disputes(h, p);
    sv_mark(h, "<div class=\"cols\">\n");
    cost(h, p);
    sv_mark(h, "<section aria-labelledby=\"h-down\">\n<h2 id=\"h-down\">Downloads</h2>\n");
    sv_mark_files(h, &p->files, "Ranges are served, so a broken download resumes.");
    sv_mark(h, "</section>\n</div>\n<section aria-labelledby=\"h-job\">\n"
               "<h2 id=\"h-job\">The job</h2>\n");
    sv_mark_properties(h, &p->job);
    sv_mark(h, "</section>\n");
    sv_page_end(h, f);
    sv_html_release(&title);
    sv_html_release(&events);
}
