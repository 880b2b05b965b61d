/* svg.c - shapes, and the small pictures: states, stakes, days, history, conservation. */
#include "svg_parts.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

const char *const sv_place_class[SV_PLACES] = {"agf", "ag", "jd", "no2", "i2"};

/* ---- shapes ----------------------------------------------------------------------------- */

sv_x sv_at(uint64_t v, uint64_t lo, uint64_t hi)
{
    RO_ASSERT(lo < hi && lo <= v && v <= hi && hi - lo <= VD_TREE_LEAVES_MAX);
    return (sv_x)((v - lo) * (uint64_t)SV_WIDE / (hi - lo)); /* 2^40 x 10^5 < 2^57 */
}

sv_x sv_share(int64_t amount, int64_t largest)
{
    RO_ASSERT(amount >= 0 && largest >= 0);
    if (largest == 0) return 0;
    if (amount >= largest) return SV_WIDE;
    return (sv_x)((double)SV_WIDE * (double)amount / (double)largest);
}

void sv_mark_x(sv_html *h, sv_x x)
{
    char text[32];
    const uint64_t v = (uint64_t)(x < 0 ? -x : x);
    int n = snprintf(text, sizeof text, "%s%" PRIu64 ".%03" PRIu64, x < 0 ? "-" : "", v / 1000,
                     v % 1000);
    while (text[n - 1] == '0') n--;
    if (text[n - 1] == '.') n--;
    text[n] = 0;
    sv_mark(h, "%s%%", text);
}

void sv_rect(sv_html *h, const char *class, sv_x x, int y, sv_x w, int height)
{
    sv_mark(h, "<rect class=\"%s\" x=\"", class);
    sv_mark_x(h, x);
    sv_mark(h, "\" y=\"%d\" width=\"", y);
    sv_mark_x(h, w);
    sv_mark(h, "\" height=\"%d\"/>\n", height);
}

void sv_hatched(sv_html *h, sv_x x, int y, sv_x w, int height)
{
    sv_mark(h, "<rect class=\"df\" fill=\"url(#hatch)\" x=\"");
    sv_mark_x(h, x);
    sv_mark(h, "\" y=\"%d\" width=\"", y);
    sv_mark_x(h, w);
    sv_mark(h, "\" height=\"%d\"/>\n", height);
}

void sv_line(sv_html *h, const char *class, sv_x x1, int y1, sv_x x2, int y2)
{
    sv_mark(h, "<line class=\"%s\" x1=\"", class);
    sv_mark_x(h, x1);
    sv_mark(h, "\" y1=\"%d\" x2=\"", y1);
    sv_mark_x(h, x2);
    sv_mark(h, "\" y2=\"%d\"/>\n", y2);
}

void sv_label(sv_html *h, const char *class, sv_x x, int y, int dx, const char *text)
{
    sv_mark(h, "<text");
    if (class[0]) sv_mark(h, " class=\"%s\"", class);
    sv_mark(h, " x=\"");
    sv_mark_x(h, x);
    sv_mark(h, "\" y=\"%d\"", y);
    if (dx) sv_mark(h, " dx=\"%d\"", dx);
    sv_mark(h, ">%s</text>\n", text);
}

void sv_picture(sv_html *h, const char *class, int height, sv_html *label, sv_html *shapes)
{
    sv_mark(h, "<svg class=\"%s\" height=\"%d\" ", class, height);
    if (label && label->size) {
        sv_mark(h, "role=\"img\" aria-label=\"");
        sv_mark_html(h, label);
        sv_mark(h, "\">\n");
    } else sv_mark(h, "aria-hidden=\"true\">\n");
    sv_mark_html(h, shapes);
    sv_mark(h, "</svg>\n");
    if (label) sv_html_release(label);
    sv_html_release(shapes);
}

sv_words sv_count_words(uint64_t n)
{
    sv_words w;
    sv_html h;
    sv_html_init(&h);
    sv_mark_count(&h, n);
    snprintf(w.text, sizeof w.text, "%s", h.size ? h.text : "");
    sv_html_release(&h);
    return w;
}

void sv_svg_patterns(sv_html *h)
{
    sv_mark(h, "<svg class=\"defs\" width=\"0\" height=\"0\" aria-hidden=\"true\"><defs>"
               "<pattern id=\"hatch\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" "
               "patternTransform=\"rotate(45)\"><rect class=\"hb\" width=\"6\" height=\"6\"/>"
               "<line class=\"hl\" x1=\"0\" y1=\"0\" x2=\"0\" y2=\"6\"/></pattern></defs></svg>\n");
}

/* ---- states and stakes ------------------------------------------------------------------ */

/* Cells: OPEN, COMMIT, REVEAL, AGREED or DISPUTED, RESOLVED, FINAL, SETTLED. */
static int cell_of(rf_task_state s)
{
    if (s == RF_T_REFUNDED) return -1;
    return (int)s - (s >= RF_T_DISPUTED);
}

void sv_svg_state(sv_html *h, rf_task_state state, int disputed)
{
    const int at = cell_of(state);
    sv_mark(h, "<svg class=\"pips\" width=\"61\" height=\"12\" aria-hidden=\"true\">");
    for (int k = 0; k < 7; k++) {
        const int now = k == at && at < 6;
        if (k == 3 && disputed && k <= at)
            sv_mark(h, "<rect class=\"df\" fill=\"url(#hatch)\"");
        else sv_mark(h, "<rect class=\"%s\"", k <= at ? "agf" : "pn");
        sv_mark(h, " x=\"%d\" y=\"%d\" width=\"7\" height=\"%d\"/>", 9 * k, now ? 0 : 3,
                now ? 12 : 6);
    }
    if (at < 0) sv_mark(h, "<line class=\"ln\" x1=\"0\" y1=\"6\" x2=\"61\" y2=\"6\"/>");
    sv_mark(h, "</svg>");
}

void sv_svg_stake(sv_html *h, int64_t free_amount, int64_t held, int64_t largest)
{
    sv_html b;
    sv_html_init(&b);
    const sv_x edge = sv_share(free_amount, largest), width = sv_share(held, largest);
    sv_rect(&b, "agf", 0, 3, edge, 8);
    if (held) sv_rect(&b, "ag", edge, 3, width < SV_WIDE - edge ? width : SV_WIDE - edge, 8);
    sv_picture(h, "strip", 14, NULL, &b);
}

void sv_svg_days(sv_html *h, const uint32_t *days, uint32_t count)
{
    sv_html b, label;
    uint32_t top = 1;
    sv_html_init(&b);
    sv_html_init(&label);
    sv_mark(&label, "Tasks settled a day, last %u days: ", count);
    for (uint32_t k = 0; k < count; k++) top = days[k] > top ? days[k] : top;
    for (uint32_t k = 0; k < count; k++) {
        const sv_x x = sv_at(k, 0, count), w = sv_at(k + 1, 0, count) - x;
        const int tall = (int)((uint64_t)28 * days[k] / top);
        const int height = tall ? tall : 1;
        sv_rect(&b, k + 1 == count ? "agf" : "bar", x + w * 14 / 100, 30 - height, w * 72 / 100,
                height);
        sv_mark(&label, "%s%u", k ? ", " : "", days[k]);
    }
    sv_line(&b, "ln", 0, 30, SV_WIDE, 30);
    sv_picture(h, "strip", 31, &label, &b);
}

void sv_svg_traces(sv_html *h)
{
    static const char *const names[3] = {"alder", "birch", "cedar"};
    const sv_x x0 = sv_at(412, 0, 937);
    sv_html b, label;
    sv_html_init(&b);
    sv_html_init(&label);
    sv_mark(&label, "An example: three providers, the same 937 steps. Two traces agree throughout; "
                    "the third differs from step 412 on.");
    for (int k = 0; k < 3; k++) {
        const int y = 30 + 34 * k;
        sv_label(&b, "k", 0, y - 7, 0, names[k]);
        sv_rect(&b, "ag", 0, y, k == 2 ? x0 : SV_WIDE, 10);
        if (k == 2) sv_hatched(&b, x0, y, SV_WIDE - x0, 10);
    }
    sv_line(&b, "ld", x0, 18, x0, 118);
    sv_label(&b, "d mid", x0, 132, 0, "step 412: the traces part here");
    sv_picture(h, "", 138, &label, &b);
}

/* ---- stake over time -------------------------------------------------------------------- */

#define HISTORY_BOTTOM 174
#define HISTORY_TOP 34

static int height_of(int64_t amount, int64_t top)
{
    return HISTORY_BOTTOM - (int)((HISTORY_BOTTOM - HISTORY_TOP) * sv_share(amount, top) / SV_WIDE);
}

/* 1, 2 or 5 times a power of ten, at most `most` of which make the whole. */
static int64_t tick_of(int64_t whole, int64_t most)
{
    static const int64_t times[3] = {1, 2, 5};
    for (int64_t power = 1;; power *= 10)
        for (int k = 0; k < 3; k++)
            if (power > INT64_MAX / 50 || whole / most < times[k] * power) return times[k] * power;
}

static sv_x place_of(const sv_history *s, uint64_t ms)
{
    if (ms <= s->from_ms || s->to_ms <= s->from_ms) return 0;
    if (ms >= s->to_ms) return SV_WIDE;
    return (sv_x)((double)SV_WIDE * (double)(ms - s->from_ms) / (double)(s->to_ms - s->from_ms));
}

/* "150", "0.0005", "1,500 m": of a tick, so few digits count. */
static void mark_tick(sv_html *h, int64_t v)
{
    if (v >= INT64_C(1000000000000)) {
        sv_mark_count(h, (uint64_t)v / UINT64_C(1000000000000));
        sv_mark(h, " m");
        return;
    }
    sv_mark_money(h, v);
    size_t n = h->size;
    while (n && h->text[n - 1] == '0') n--;
    if (n && h->text[n - 1] == '.') n--;
    if (h->size) h->text[n] = 0;
    h->size = n;
}

static int64_t most_of(const sv_history *s)
{
    int64_t most = 1;
    for (uint32_t k = 0; k < s->point_count; k++)
        most = s->points[k].amount > most ? s->points[k].amount : most;
    return most;
}

int sv_svg_history_is_wide(const sv_history *s)
{
    const int64_t most = most_of(s); /* credits of 4 digits, or less than a hundredth */
    return most >= INT64_C(1000000000) || most < 100000;
}

static void history_scale(sv_html *b, int64_t top, int64_t tick)
{
    for (int64_t v = 0;; v += tick) {
        sv_html text;
        const int y = height_of(v, top);
        sv_line(b, "lg", 0, y, SV_WIDE, y);
        sv_html_init(&text);
        mark_tick(&text, v);
        sv_label(b, "end", 0, y + 4, -10, text.size ? text.text : "0");
        sv_html_release(&text);
        if (v > top - tick) return;
    }
}

/* A line at each slash, and its amount where there is room: the newest first. */
static void history_marks(sv_html *b, const sv_history *s)
{
    sv_x taken = 2 * SV_WIDE;
    for (uint32_t k = s->mark_count; k-- > 0;) {
        const sv_x x = place_of(s, s->marks[k].ms);
        sv_html text;
        sv_html_init(&text);
        sv_mark_money(&text, s->marks[k].amount);
        const sv_x wide = 2600 * (sv_x)text.size; /* on a phone */
        const sv_x end = x > 80000 ? x : x < 10000 ? x + wide : x + wide / 2;
        sv_line(b, "ldd", x, HISTORY_TOP - 14, x, HISTORY_BOTTOM);
        if (end < taken) {
            sv_label(b, x > 80000 ? "d end" : x < 10000 ? "d" : "d mid", x, HISTORY_TOP - 20, 0,
                     text.size ? text.text : "");
            taken = end - wide;
        }
        sv_html_release(&text);
    }
}

static void history_days(sv_html *b, const sv_history *s)
{
    const uint64_t day = 86400000, days = (s->to_ms - s->from_ms) / day;
    const uint64_t every = days < 5 ? 1 : days / 4 + 1;
    for (uint64_t ms = s->from_ms; days && place_of(s, ms) < 88000; ms += every * day) {
        static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                           "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
        const time_t seconds = (time_t)(ms / 1000);
        struct tm t;
        char text[32];
        if (!gmtime_r(&seconds, &t)) return;
        snprintf(text, sizeof text, "%d %s", t.tm_mday, months[t.tm_mon]);
        sv_label(b, place_of(s, ms) > 4000 ? "mid" : "", place_of(s, ms), 194, 0, text);
    }
    sv_label(b, "end", SV_WIDE, 194, 0, "now");
}

void sv_svg_history(sv_html *h, const sv_history *s)
{
    sv_html b, label;
    const int64_t most = most_of(s);
    int64_t top;
    sv_html_init(&b);
    sv_html_init(&label);
    const int64_t tick = tick_of(most, 4);
    top = most > INT64_MAX - tick ? INT64_MAX : (most + tick - 1) / tick * tick;
    history_scale(&b, top, tick);
    sv_mark(&label, "Stake of %s over time: ", s->name);
    sv_mark_money(&label, s->point_count ? s->points[0].amount : 0);
    sv_mark(&label, " at first, ");
    sv_mark_money(&label, s->point_count ? s->points[s->point_count - 1].amount : 0);
    sv_mark(&label, " now, %u slash%s.", s->mark_count, s->mark_count == 1 ? "" : "es");
    history_marks(&b, s);
    for (uint32_t k = 0; k < s->point_count; k++) {
        const int last = k + 1 == s->point_count;
        const sv_x x = place_of(s, s->points[k].ms);
        const sv_x next = last ? SV_WIDE : place_of(s, s->points[k + 1].ms);
        const int y = height_of(s->points[k].amount, top);
        if (k) {
            const int before = height_of(s->points[k - 1].amount, top);
            sv_line(&b, y > before ? "ld" : "la", x, before, x, y);
        }
        if (next > x) sv_line(&b, "la", x, y, next, y);
    }
    history_days(&b, s);
    sv_picture(h, "", 196, &label, &b);
}

/* ---- conservation ----------------------------------------------------------------------- */

void sv_svg_conservation(sv_html *h, int64_t deposits, int64_t withdrawals,
                         const int64_t places[SV_PLACES])
{
    sv_html b, label;
    int64_t sum = 0;
    sv_html_init(&b);
    sv_html_init(&label);
    const int64_t stayed = deposits - withdrawals;
    const sv_x edge = sv_share(stayed, deposits);
    sv_label(&b, "k", 0, 12, 0, "what came in and stayed");
    sv_rect(&b, "no2", 0, 19, edge, 22);
    if (withdrawals) {
        sv_rect(&b, "nc", edge, 19, SV_WIDE - edge, 22);
        sv_label(&b, "end", SV_WIDE, 12, 0, "withdrawn");
    }
    sv_label(&b, "k", 0, 66, 0, "where it is");
    for (uint32_t k = 0; k < SV_PLACES; k++) {
        const sv_x x = sv_share(sum, deposits);
        sum += places[k];
        if (places[k]) sv_rect(&b, sv_place_class[k], x, 73, sv_share(sum, deposits) - x, 22);
    }
    RO_ASSERT(sum == stayed); /* who fills the figures has compared them */
    sv_line(&b, "lk", edge, 19, edge, 106);
    if (edge > 50000) sv_label(&b, "k end", edge, 66, -8, "equal");
    else sv_label(&b, "k", edge > 30000 ? edge : 50000, 66, 8, "equal");
    sv_mark(&label, "Deposits less withdrawals, ");
    sv_mark_money(&label, stayed);
    sv_mark(&label, ", equal the sum of all accounts.");
    sv_picture(h, "", 108, &label, &b);
}
