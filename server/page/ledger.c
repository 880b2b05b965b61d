/* ledger.c - the page of the ledger: does it sum, who has what, what moved last. */
#include "parts.h"

static const char *const place_words[SV_PLACES] = {"free", "held", "escrow", "treasury", "burn"};

/* ---- conservation ----------------------------------------------------------------------- */

static int64_t sum_of(const int64_t places[SV_PLACES])
{
    int64_t sum = 0;
    for (uint32_t k = 0; k < SV_PLACES; k++) {
        RO_ASSERT(places[k] >= 0 && places[k] <= INT64_MAX - sum);
        sum += places[k];
    }
    return sum;
}

static void conservation(sv_html *h, const sv_page_frame *f, const sv_page_ledger *p)
{
    const int64_t stayed = p->deposits - p->withdrawals, sum = sum_of(p->places);
    RO_ASSERT(p->withdrawals >= 0 && stayed >= 0 && sum == stayed);
    sv_mark(h, "<section aria-labelledby=\"h-cons\" id=\"conservation\" data-live>\n"
               "<h2 id=\"h-cons\">Conservation</h2>\n<figure class=\"fig wide\">\n");
    if (p->deposits) sv_svg_conservation(h, p->deposits, p->withdrawals, p->places);
    sv_mark(h, "<figcaption class=\"key\">");
    for (uint32_t k = 0; k < SV_PLACES; k++) {
        sv_mark(h, "<span><svg width=\"22\" height=\"12\" aria-hidden=\"true\"><rect class=\"%s\" "
                   "x=\".5\" y=\".5\" width=\"21\" height=\"11\"/></svg>%s ", sv_place_class[k],
                place_words[k]);
        sv_mark_money(h, p->places[k]);
        sv_mark(h, "</span>");
    }
    sv_mark(h, "</figcaption>\n</figure>\n<p class=\"eq\"><span>");
    sv_mark_micro(h, p->deposits);
    sv_mark(h, " paid in</span> <span>\xe2\x88\x92 ");
    sv_mark_micro(h, p->withdrawals);
    sv_mark(h, " paid out</span> <span>= ");
    sv_mark_micro(h, stayed);
    sv_mark(h, "</span> <span>= ");
    sv_mark_micro(h, sum);
    sv_mark(h, " in ");
    sv_mark_count(h, p->accounts);
    sv_mark(h, " account%s</span> <span class=\"good\"><span class=\"ok-i\" aria-hidden=\"true\">"
               "\xe2\x9c\x93</span>difference ", sv_plural(p->accounts));
    sv_mark_micro(h, stayed - sum);
    sv_mark(h, "</span></p>\n<p class=\"dim\">");
    sv_mark_count(h, p->transfers);
    sv_mark(h, " transfer%s", sv_plural(p->transfers));
    if (p->checked_ms) {
        sv_mark(h, ", the last at ");
        sv_mark_time(h, p->checked_ms, f->now_ms);
        sv_mark(h, " UTC");
    }
    sv_mark(h, ".");
    if (p->reconciled_ms) {
        sv_mark(h, " Reconciled at ");
        sv_mark_time(h, p->reconciled_ms, f->now_ms);
        sv_mark(h, " UTC: 0 differences.");
    }
    sv_mark(h, " <code>verded reconcile --data DIR</code> does it by hand.</p>\n</section>\n");
}

/* ---- balances --------------------------------------------------------------------------- */

static void cell(sv_html *h, int64_t amount, const char *more)
{
    if (amount) {
        sv_mark(h, "<td class=\"num%s\">", more);
        sv_mark_micro(h, amount);
        sv_mark(h, "</td>");
    } else
        sv_mark(h, "<td class=\"num dim%s\"><span aria-hidden=\"true\">\xc2\xb7</span>"
                   "<span class=\"sr\">0</span></td>", more);
}

static void cells(sv_html *h, const int64_t places[SV_PLACES])
{
    cell(h, places[0], "");
    cell(h, places[1], "");
    cell(h, places[2], " w");
    cell(h, places[3] + places[4], " w");
    sv_mark(h, "<td class=\"num\"><b>");
    sv_mark_micro(h, sum_of(places));
    sv_mark(h, "</b></td></tr>\n");
}

static void balances(sv_html *h, const sv_page_ledger *p)
{
    sv_mark(h, "<section aria-labelledby=\"h-bal\">\n<h2 id=\"h-bal\">Balances</h2>\n"
               "<div class=\"scroll\" tabindex=\"0\" role=\"region\" "
               "aria-label=\"Balances by account\">\n<table class=\"tight\" id=\"balances\" "
               "data-live>\n<caption>Credits of one million micro-units.</caption>\n<thead><tr>"
               "<th scope=\"col\">Account</th><th scope=\"col\" class=\"num\">Free</th>"
               "<th scope=\"col\" class=\"num\">Held</th>"
               "<th scope=\"col\" class=\"num w\">Escrow</th>"
               "<th scope=\"col\" class=\"num w\">System</th>"
               "<th scope=\"col\" class=\"num\">Sum</th></tr></thead>\n<tbody>\n");
    for (uint32_t k = 0; k < p->balance_count; k++) {
        sv_mark(h, "<tr><th scope=\"row\">");
        sv_mark_who(h, &p->balances[k].who);
        sv_mark(h, "</th>");
        cells(h, p->balances[k].places);
    }
    if (p->balance_count == 0)
        sv_mark(h, "<tr class=\"none\"><td colspan=\"6\"><p><b>No credit has come in yet.</b> An "
                   "operator pays in with <code>verde account deposit</code>.</p></td></tr>\n");
    sv_mark(h, "</tbody>\n<tfoot><tr><th scope=\"row\">Sum</th>");
    cells(h, p->places);
    sv_mark(h, "</tfoot>\n</table>\n</div>\n</section>\n");
}

/* ---- the journal ------------------------------------------------------------------------ */

static void group(sv_html *h, const sv_page_frame *f, const sv_page_group *g)
{
    int64_t sum = 0;
    int fits = 1; /* one credit can move several times in a transaction */
    sv_mark(h, "<tbody>\n<tr class=\"group\"><th scope=\"rowgroup\" colspan=\"5\"><strong>%s",
            g->title);
    if (g->has_task) {
        sv_mark(h, " <a href=\"");
        sv_mark_task_path(h, &g->task);
        sv_mark(h, "\"><bdi>%s</bdi></a>", g->name);
    }
    sv_mark(h, "</strong> <span class=\"dim\">\xc2\xb7 ");
    sv_mark_time(h, g->at_ms, f->now_ms);
    sv_mark(h, "</span></th></tr>\n");
    for (uint32_t k = 0; k < g->count; k++) {
        const sv_page_transfer *t = &g->list[k];
        sv_mark(h, "<tr><td class=\"num w dim\">");
        sv_mark_count(h, t->number);
        sv_mark(h, "</td><td><bdi>%s</bdi></td><td><bdi>%s</bdi></td><td class=\"w dim\">%s</td>"
                   "<td class=\"num\">", t->from, t->to, t->purpose);
        sv_mark_micro(h, t->amount);
        sv_mark(h, "</td></tr>\n");
        fits &= t->amount <= INT64_MAX - sum;
        if (fits) sum += t->amount;
    }
    if (g->count > 1 && fits) {
        sv_mark(h, "<tr class=\"sum\"><td class=\"w\"></td><td colspan=\"2\">%u transfers, out = in"
                   "</td><td class=\"w\"></td><td class=\"num\">", g->count);
        sv_mark_micro(h, sum);
        sv_mark(h, "</td></tr>\n");
    }
    sv_mark(h, "</tbody>\n");
}

static void journal(sv_html *h, const sv_page_frame *f, const sv_page_ledger *p)
{
    uint64_t shown = 0;
    sv_mark(h, "<section aria-labelledby=\"h-jour\">\n<h2 id=\"h-jour\">Journal</h2>\n"
               "<table class=\"tight journal\" id=\"journal\" data-live>\n<caption>Append-only, "
               "newest first. Each transfer takes from one account and gives to one other; a "
               "transaction is all of its transfers or none.</caption>\n<thead><tr>"
               "<th scope=\"col\" class=\"num w\">No.</th><th scope=\"col\">Debit (from)</th>"
               "<th scope=\"col\">Credit (to)</th><th scope=\"col\" class=\"w\">For</th>"
               "<th scope=\"col\" class=\"num\">Amount</th></tr></thead>\n");
    for (uint32_t k = 0; k < p->group_count; k++) {
        group(h, f, &p->groups[k]);
        shown += p->groups[k].count;
    }
    sv_mark(h, "</table>\n<p class=\"dim more\">");
    sv_mark_count(h, shown);
    sv_mark(h, " of ");
    sv_mark_count(h, p->transfers);
    sv_mark(h, " transfer%s.", sv_plural(p->transfers));
    if (p->older) sv_mark(h, " <a href=\"%s\">Older</a>", p->older);
    if (p->older) sv_mark(h, " \xc2\xb7");
    sv_mark(h, " <a href=\"/v1/ledger/transfers\">The journal as JSON</a></p>\n</section>\n");
}

void sv_page_write_ledger(sv_html *h, const sv_page_frame *f, const sv_page_ledger *p)
{
    sv_html title;
    sv_html_init(&title);
    sv_mark(&title, "Ledger: Verde");
    sv_page_begin(h, f, &title, SV_NAV_LEDGER, "/v1/ledger/events");
    sv_mark(h, "<h1>Ledger</h1>\n<p class=\"lede\">It sums: every credit that came in is in "
               "exactly one account. That is checked inside each transaction, again for this "
               "page, and by "
               "separate code that only reads.</p>\n");
    conservation(h, f, p);
    balances(h, p);
    journal(h, f, p);
    sv_page_end(h, f);
    sv_html_release(&title);
}
