/* svg_dispute.c - the way down of a dispute: steps, nodes, chunks, elements, bits.
 *
 * What this file decides: where a shape stands. Strips of more than SHOWN_MAX cells are drawn as
 * their axis and, under it, the WINDOW cells around the one that was chosen. */
#include "svg_parts.h"

#include <inttypes.h>
#include <string.h>

#define SHOWN_MAX 128u
#define CHUNKS_MAX 64u
#define WINDOW 64u
#define ROWS 5u /* halvings of one scale */

static sv_html empty(void)
{
    sv_html h;
    sv_html_init(&h);
    return h;
}

/* ---- beams ------------------------------------------------------------------------------ */

/* As a number of a drawing that is 100 wide. */
static void put_place(sv_html *h, sv_x x)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRId64 ".%03" PRId64, x / 1000, x % 1000);
    sv_mark(h, "%s", text);
}

static void beam(sv_html *h, sv_span s)
{
    sv_mark(h, "<polygon points=\"");
    put_place(h, s.from);
    sv_mark(h, ",0 ");
    put_place(h, s.to);
    sv_mark(h, ",0 100,100 0,100\"/>");
    for (int k = 0; k < 2; k++) {
        sv_mark(h, "<line x1=\"");
        put_place(h, k ? s.to : s.from);
        sv_mark(h, "\" y1=\"0\" x2=\"%d\" y2=\"100\"/>", k ? 100 : 0);
    }
    sv_mark(h, "</svg>\n");
}

void sv_beam_at(sv_html *h, sv_span from, int y, int height)
{
    sv_mark(h, "<svg class=\"beam\" viewBox=\"0 0 100 100\" preserveAspectRatio=\"none\" "
               "width=\"100%%\" height=\"%d\" y=\"%d\">", height, y);
    beam(h, from);
}

void sv_svg_beam(sv_html *h, sv_span from)
{
    sv_mark(h, "<svg class=\"beam\" viewBox=\"0 0 100 100\" preserveAspectRatio=\"none\" "
               "width=\"100%%\" height=\"44\" aria-hidden=\"true\">");
    beam(h, from);
}

void sv_svg_not_yet(sv_html *h, const char *text)
{
    sv_html b = empty(), label = empty();
    sv_rect(&b, "nc", 0, 4, SV_WIDE, 28);
    sv_label(&b, "", 0, 22, 12, text);
    sv_mark(&label, "%s", text);
    sv_picture(h, "strip", 40, &label, &b);
}

/* ---- trees of steps and segments -------------------------------------------------------- */

typedef struct { const sv_descent *d; sv_html *b; uint64_t lo, hi; int y; } scale;

static sv_x on(const scale *s, uint64_t v) { return sv_at(v, s->lo, s->hi); }

/* "412 differs", "0-511 agree" */
static sv_words row_words(const sv_descent *d, const sv_halving *c)
{
    sv_words w;
    const uint64_t first = d->first + c->lo, last = d->first + c->mid - 1;
    if (c->mid - c->lo == 1)
        snprintf(w.text, sizeof w.text, "%" PRIu64 " %s", first, c->differs ? "differs" : "agrees");
    else
        snprintf(w.text, sizeof w.text, "%" PRIu64 "\xe2\x80\x93%" PRIu64 " %s", first, last,
                 c->differs ? "differ" : "agree");
    return w;
}

/* Right of the row, left of it, or in the half that is not followed: the first that has room; none
 * has: the widest, and not on a phone. */
static void row_label(const scale *s, const sv_halving *c)
{
    const sv_words w = row_words(s->d, c);
    const size_t wide = strlen(w.text) - (c->mid - c->lo > 1 ? 2 : 0); /* a dash has 3 bytes */
    const sv_x need = 2800 * (sv_x)wide;
    const sv_x from = c->differs ? on(s, c->mid) : on(s, c->lo);
    const sv_x to = c->differs ? on(s, c->hi) : on(s, c->mid);
    const sv_x room[3] = {SV_WIDE - on(s, c->hi), on(s, c->lo), to - from};
    int at = -1, widest = 0;
    for (int k = 0; k < 3; k++) {
        if (at < 0 && room[k] >= need) at = k;
        if (room[k] > room[widest]) widest = k;
    }
    char class[16];
    snprintf(class, sizeof class, "%s%s%s", c->differs ? "d" : "g", at < 0 ? " w" : "",
             (at < 0 ? widest : at) == 1 ? " end" : "");
    if (at < 0) at = widest;
    if (at == 0) sv_label(s->b, class, on(s, c->hi), s->y + 12, 8, w.text);
    else if (at == 1) sv_label(s->b, class, on(s, c->lo), s->y + 10, -8, w.text);
    else sv_label(s->b, class, from, s->y + 12, 8, w.text);
}

static void row(scale *s, const sv_halving *c)
{
    const sv_x lo = on(s, c->lo), mid = on(s, c->mid), hi = on(s, c->hi);
    if (c->lo > s->lo) sv_rect(s->b, "agf", 0, s->y + 14, lo, 2);
    if (c->differs) sv_hatched(s->b, lo, s->y, mid - lo, 16);
    else sv_rect(s->b, "ag", lo, s->y, mid - lo, 16);
    if (c->differs) sv_rect(s->b, "nc", mid, s->y, hi - mid, 16);
    else sv_hatched(s->b, mid, s->y, hi - mid, 16);
    row_label(s, c);
    const sv_x a = c->differs ? lo : mid, z = c->differs ? mid : hi;
    sv_line(s->b, "ld", a, s->y + 16, a, s->y + 24);
    sv_line(s->b, "ld", z, s->y + 16, z, s->y + 24);
    s->y += 24;
}

/* The axis: its ends, and ticks at 1, 2 or 5 times a power of ten between them, at most five. */
static void axis(sv_html *b, const sv_descent *d)
{
    const sv_words first = sv_count_words(d->first), last = sv_count_words(d->first + d->n - 1);
    uint64_t tick = 1;
    static const uint64_t steps[3] = {1, 2, 5};
    for (uint64_t power = 1, found = 0; !found; power *= 10)
        for (int k = 0; k < 3 && !found; k++)
            if ((found = d->n <= 5 * steps[k] * power) != 0) tick = steps[k] * power;
    sv_label(b, "k", 0, 11, 0, first.text);
    sv_line(b, "ln", 0, 20, SV_WIDE, 20);
    for (uint64_t v = (d->first / tick + 1) * tick; v + 1 < d->first + d->n; v += tick) {
        const sv_words w = sv_count_words(v);
        const sv_x x = sv_at(v - d->first, 0, d->n);
        const sv_x half = 1200 * (sv_x)strlen(w.text); /* and what stands at the ends */
        if (x + half > SV_WIDE - 2400 * (sv_x)strlen(last.text)) break;
        if (x < half + 2400 * (sv_x)strlen(first.text)) continue;
        sv_label(b, "mid", x, 11, 0, w.text);
        sv_line(b, "ln", x, 15, x, 20);
    }
    if (d->n > 1) sv_label(b, "k end", SV_WIDE, 11, 0, last.text);
}

static void put_halvings(sv_html *label, const sv_descent *d)
{
    for (uint32_t k = 0; k < d->count; k++) {
        const sv_halving *c = &d->halvings[k];
        const unsigned long long first = d->first + c->lo, last = d->first + c->mid - 1;
        if (first == last)
            sv_mark(label, "; %s %llu %s", d->what, first, c->differs ? "differs" : "agrees");
        else
            sv_mark(label, "; %ss %llu to %llu %s", d->what, first, last,
                    c->differs ? "differ" : "agree");
    }
}

/* The chosen interval, whole again. */
static void open_scale(scale *s, sv_span *at, uint64_t lo, uint64_t hi)
{
    const sv_words a = sv_count_words(s->d->first + lo), z = sv_count_words(s->d->first + hi - 1);
    char middle[160];
    sv_beam_at(s->b, *at, s->y, 34);
    sv_line(s->b, "ln", 0, s->y + 34, SV_WIDE, s->y + 34);
    sv_label(s->b, "k", 0, s->y + 50, 0, a.text);
    sv_label(s->b, "k end", SV_WIDE, s->y + 50, 0, z.text);
    snprintf(middle, sizeof middle, "the %s %ss left", sv_count_words(hi - lo).text, s->d->what);
    sv_label(s->b, "mid", SV_WIDE / 2, s->y + 50, 0, middle);
    s->y += 58;
    s->lo = lo;
    s->hi = hi;
}

sv_span sv_svg_bisection(sv_html *h, const sv_descent *d)
{
    sv_html b = empty(), label = empty();
    scale s = {d, &b, 0, d->n, 26};
    sv_span at = {0, SV_WIDE};
    RO_ASSERT(d->n && d->count <= SV_HALVINGS_MAX);
    axis(&b, d);
    for (uint32_t k = 0; k < d->count; k++) {
        const sv_halving *c = &d->halvings[k];
        if (k && k % ROWS == 0) open_scale(&s, &at, c->lo, c->hi);
        row(&s, c);
        at.from = c->differs ? on(&s, c->lo) : on(&s, c->mid);
        at.to = c->differs ? on(&s, c->mid) : on(&s, c->hi);
    }
    if (d->count == 0) {
        if (d->found) sv_hatched(&b, 0, s.y, SV_WIDE, 16);
        else sv_rect(&b, "nc", 0, s.y, SV_WIDE, 16);
        sv_line(&b, "ld", 0, s.y + 16, 0, s.y + 24);
        sv_line(&b, "ld", SV_WIDE, s.y + 16, SV_WIDE, s.y + 24);
        s.y += 24;
    }
    sv_mark(&label, "The tree over %llu %s%s, halved %u time%s", (unsigned long long)d->n, d->what,
            d->n == 1 ? "" : "s", d->count, d->count == 1 ? "" : "s");
    put_halvings(&label, d);
    if (d->found)
        sv_mark(&label, ". First differing %s: %llu.", d->what,
                (unsigned long long)(d->first + d->leaf));
    else sv_mark(&label, ". Not followed further yet.");
    sv_picture(h, "strip", s.y, &label, &b);
    return at;
}

/* ---- strips of cells -------------------------------------------------------------------- */

/* Which of n cells are shown, the chosen one in the middle where it can be. */
static void window_of(uint64_t n, uint64_t most, uint64_t pick, uint64_t *from, uint64_t *to)
{
    *from = 0;
    *to = n;
    if (n <= most) return;
    *from = pick < WINDOW / 2 ? 0 : pick - WINDOW / 2;
    if (*from + WINDOW > n) *from = n - WINDOW;
    *to = *from + WINDOW;
}

static sv_compared is_compared(const sv_descent *d, uint64_t i)
{
    if (d->found && i == d->leaf) return SV_UNLIKE;
    if (d->compared && i >= d->known_from && i - d->known_from < d->known)
        return (sv_compared)d->compared[i - d->known_from];
    return d->found && i < d->leaf ? SV_EQUAL : SV_NOT_COMPARED;
}

/* The axis of a strip that is too long, and a beam to its window. y: below the beam. */
static int long_axis(sv_html *b, const sv_descent *d, uint64_t from, uint64_t to)
{
    const sv_x x = sv_at(d->leaf, 0, d->n);
    const sv_words last = sv_count_words(d->n - 1), pick = sv_count_words(d->leaf);
    const sv_x half = 1400 * (sv_x)(strlen(pick.text) + strlen(last.text));
    sv_label(b, "k", 0, 11, 0, "0");
    sv_label(b, "k end", SV_WIDE, 11, 0, last.text);
    sv_line(b, "ln", 0, 20, SV_WIDE, 20);
    if (x > half && x < SV_WIDE - 2 * half) sv_label(b, "d mid", x, 11, 0, pick.text);
    sv_line(b, "ld", x, 14, x, 26);
    sv_beam_at(b, (sv_span){sv_at(from, 0, d->n), sv_at(to, 0, d->n)}, 26, 34);
    sv_label(b, "", 0, 74, 0, sv_count_words(from).text);
    sv_label(b, "end", SV_WIDE, 74, 0, sv_count_words(to - 1).text);
    return 80;
}

/* Cells [from, to) at y, and a frame around them; returns the span of the chosen one. */
static sv_span cells(sv_html *b, const sv_descent *d, uint64_t from, uint64_t to, int y, int tall)
{
    for (uint64_t i = from; i < to; i++) {
        const sv_x x = sv_at(i, from, to), w = sv_at(i + 1, from, to) - x;
        if (is_compared(d, i) == SV_EQUAL) sv_rect(b, "cell", x, y, w, tall);
        if (is_compared(d, i) == SV_NOT_COMPARED) sv_rect(b, "nc", x, y, w, tall);
    }
    sv_rect(b, "frame", 0, y, SV_WIDE, tall);
    for (uint64_t i = from; i < to; i++)
        if (is_compared(d, i) == SV_UNLIKE)
            sv_hatched(b, sv_at(i, from, to), y, sv_at(i + 1, from, to) - sv_at(i, from, to), tall);
    return (sv_span){sv_at(d->leaf, from, to), sv_at(d->leaf + 1, from, to)};
}

static sv_x middle(uint64_t i, uint64_t from, uint64_t to)
{
    return (sv_at(i, from, to) + sv_at(i + 1, from, to)) / 2;
}

/* Of a list of nodes, those in the window. */
static uint32_t first_in(const uint32_t *list, uint32_t count, uint64_t from)
{
    uint32_t k = 0;
    while (k < count && list[k] < from) k++;
    return k;
}

static void input_wires(sv_html *b, const sv_node_strip *s, uint64_t from, uint64_t to, int y)
{
    const sv_x quarter = (sv_at(from + 1, from, to) - sv_at(from, from, to)) * 35 / 100;
    const sv_x c = middle(s->nodes->leaf, from, to) - quarter;
    uint32_t k = first_in(s->inputs, s->input_count, from);
    const int outside = k > 0;
    if (s->input_count == 0) return;
    sv_x low = outside ? 0 : middle(s->inputs[0], from, to);
    for (; k < s->input_count; k++) {
        const sv_x x = middle(s->inputs[k], from, to);
        sv_line(b, "la", x, y, x, y + 10);
    }
    sv_line(b, "la", low, y + 10, c, y + 10);
    sv_line(b, "la", c, y + 10, c, y);
    if (low >= 20000) sv_label(b, "g end w", low, y + 16, -8, "inputs agree");
}

static void use_wires(sv_html *b, const sv_node_strip *s, uint64_t from, uint64_t to, int y)
{
    const sv_x quarter = (sv_at(from + 1, from, to) - sv_at(from, from, to)) * 35 / 100;
    const sv_x c = middle(s->nodes->leaf, from, to) + quarter;
    sv_x high = c;
    if (s->use_count == 0) return;
    for (uint32_t k = 0; k < s->use_count; k++) {
        const sv_x x = s->uses[k] < to ? middle(s->uses[k], from, to) : SV_WIDE;
        if (s->uses[k] < to) sv_line(b, "ld", x, y + 10, x, y);
        high = x > high ? x : high;
    }
    sv_line(b, "ld", c, y, c, y + 10);
    sv_line(b, "ld", c, y + 10, high, y + 10);
    if (high <= 82000) sv_label(b, "d w", high, y + 16, 8, "used here");
    else if (high - c >= 14000) sv_label(b, "d end xw", high, y + 24, -4, "used here");
}

/* "3", "3 and 4", "3, 4, 5 and 17 more" */
static void put_list(sv_html *h, const uint32_t *list, uint32_t count, uint32_t all)
{
    const uint32_t shown = all > 8 ? 8 : count;
    for (uint32_t k = 0; k < shown; k++)
        sv_mark(h, "%s%u", k == 0 ? "" : k + 1 == all ? " and " : ", ", list[k]);
    if (shown < all) sv_mark(h, " and %u more", all - shown);
}

sv_span sv_svg_nodes(sv_html *h, const sv_node_strip *s)
{
    const sv_descent *d = s->nodes;
    sv_html b = empty(), label = empty();
    uint64_t from, to, unlike = 0;
    int y = 28;
    window_of(d->n, SHOWN_MAX, d->leaf, &from, &to);
    if (to - from < d->n) y = long_axis(&b, d, from, to);
    else {
        sv_label(&b, "k", 0, 18, 0, "0");
        if (d->n > 1) sv_label(&b, "k end", SV_WIDE, 18, 0, sv_count_words(d->n - 1).text);
    }
    const sv_span at = cells(&b, d, from, to, y, 26);
    input_wires(&b, s, from, to, y + 26);
    use_wires(&b, s, from, to, y + 26);
    sv_line(&b, "ld", at.from, y + 26, at.from, y + 84);
    sv_line(&b, "ld", at.to, y + 26, at.to, y + 84);
    for (uint64_t i = 0; i < d->n; i++) unlike += is_compared(d, i) == SV_UNLIKE;
    sv_mark(&label, "%llu node%s in the step; %llu differ%s; the first is node %llu, %s",
            (unsigned long long)d->n, d->n == 1 ? "" : "s", (unsigned long long)unlike,
            unlike == 1 ? "s" : "", (unsigned long long)d->leaf, s->name);
    if (s->input_count) {
        sv_mark(&label, "; its inputs come of node%s ", s->input_count == 1 ? "" : "s");
        put_list(&label, s->inputs, s->input_count, s->input_count);
        sv_mark(&label, ", which agree%s", s->input_count == 1 ? "s" : "");
    }
    if (s->use_count) {
        sv_mark(&label, "; its result is used by node%s ", s->use_total == 1 ? "" : "s");
        put_list(&label, s->uses, s->use_count, s->use_total);
    }
    sv_mark(&label, ".");
    sv_picture(h, "strip", y + 84, &label, &b);
    return at;
}

/* ---- chunks ----------------------------------------------------------------------------- */

/* Where cell i of the shown ones begins: the last is as long as it is full. */
static sv_x chunk_at(uint64_t i, uint64_t from, uint64_t to, uint64_t bytes)
{
    const uint64_t end = to * VD_CHUNK_BYTES < bytes ? to * VD_CHUNK_BYTES : bytes;
    const uint64_t begin = from * VD_CHUNK_BYTES, here = i * VD_CHUNK_BYTES;
    return sv_at(here < end ? here : end, begin, end);
}

static void chunk_cells(sv_html *b, const sv_descent *d, uint64_t from, uint64_t to, uint64_t bytes,
                        int y)
{
    for (int pass = 0; pass < 2; pass++) {
        for (uint64_t i = from; i < to; i++) {
            const sv_x x = chunk_at(i, from, to, bytes);
            const sv_x w = chunk_at(i + 1, from, to, bytes) - x;
            const sv_compared c = is_compared(d, i);
            const int mine = d->found && i == d->leaf;
            char text[24];
            if (pass != (c == SV_UNLIKE)) continue;
            if (c == SV_UNLIKE) sv_hatched(b, x, y, w, 28);
            else sv_rect(b, c == SV_EQUAL ? "cell" : "nc", x, y, w, 28);
            if (to - from > 16) continue;
            snprintf(text, sizeof text, "%" PRIu64, i);
            const sv_x ground = x + w / 2 - 1300; /* under the number, so that it can be read */
            if (mine && ground >= 0 && ground + 2600 <= SV_WIDE)
                sv_rect(b, "hb", ground, y + 5, 2600, 18);
            sv_label(b, mine ? "mid d" : w < 5000 ? "mid k w" : "mid k", x + w / 2, y + 18, 0,
                     text);
        }
        if (pass == 0) sv_rect(b, "frame", 0, y, SV_WIDE, 28);
    }
}

sv_span sv_svg_chunks(sv_html *h, const sv_descent *d, uint64_t bytes)
{
    sv_html b = empty(), label = empty();
    uint64_t from, to;
    int y = 4;
    RO_ASSERT(d->n && bytes > (d->n - 1) * VD_CHUNK_BYTES && bytes <= d->n * VD_CHUNK_BYTES);
    window_of(d->n, CHUNKS_MAX, d->leaf, &from, &to);
    if (to - from < d->n) y = long_axis(&b, d, from, to);
    chunk_cells(&b, d, from, to, bytes, y);
    const sv_span at = {chunk_at(d->leaf, from, to, bytes), chunk_at(d->leaf + 1, from, to, bytes)};
    sv_line(&b, "ld", at.from, y + 28, at.from, y + 76);
    sv_line(&b, "ld", at.to, y + 28, at.to, y + 76);
    const uint64_t end = (d->leaf + 1) * VD_CHUNK_BYTES < bytes ? (d->leaf + 1) * VD_CHUNK_BYTES
                                                                : bytes;
    char words[256];
    snprintf(words, sizeof words, "bytes %s\xe2\x80\x93%s",
             sv_count_words(d->leaf * VD_CHUNK_BYTES).text, sv_count_words(end - 1).text);
    const sv_x need = 2400 * (sv_x)strlen(words); /* on a phone */
    if (at.to <= 50000) sv_label(&b, need > SV_WIDE - at.to ? "w" : "", at.to, y + 48, 8, words);
    else if (at.from >= 50000)
        sv_label(&b, need > at.from ? "end w" : "end", at.from, y + 48, -8, words);
    else
        sv_label(&b, at.to - at.from > 60000 ? "mid" : "mid w", (at.from + at.to) / 2, y + 48, 0,
                 words);
    sv_mark(&label, "%llu chunk%s of 4 KiB; the first that differs is chunk %llu.",
            (unsigned long long)d->n, d->n == 1 ? "" : "s", (unsigned long long)d->leaf);
    sv_picture(h, "strip", y + 76, &label, &b);
    return at;
}

/* ---- elements --------------------------------------------------------------------------- */

#define COLUMNS 64u
#define GRID 112 /* pixels */

static void grid(sv_html *b, uint32_t rows)
{
    sv_mark(b, "<svg class=\"grid\" viewBox=\"0 0 64 %u\" preserveAspectRatio=\"none\" "
               "width=\"100%%\" height=\"%d\" y=\"4\"><rect class=\"agt\" width=\"64\" "
               "height=\"%u\"/><path d=\"", rows, GRID, rows);
    for (uint32_t x = 0; x <= COLUMNS; x++) sv_mark(b, "M%u 0V%u", x, rows);
    for (uint32_t y = 0; y <= rows; y++) sv_mark(b, "M0 %uH64", y);
    sv_mark(b, "\"/></svg>\n");
}

/* The index on a plate beside its element, where it is short. */
static void plate(sv_html *b, sv_span at, int y, const char *index)
{
    const size_t n = strlen(index);
    const int left = at.from >= 50000, width = 8 * (int)n + 6;
    const int top = y > 30 ? y - 24 : y + 20;
    if (n > 20) return;
    sv_mark(b, "<rect class=\"plate\" x=\"");
    sv_mark_x(b, left ? at.from : at.to);
    sv_mark(b, "\" y=\"%d\" width=\"%d\" height=\"18\" transform=\"translate(%d 0)\" rx=\"2\"/>\n",
            top, width, left ? -width - 9 : 9);
    sv_label(b, left ? "d m end" : "d m", left ? at.from : at.to, top + 13, left ? -14 : 14, index);
}

sv_span sv_svg_elements(sv_html *h, const uint8_t *unlike, uint32_t count, uint32_t pick,
                        const char *index)
{
    sv_html b = empty(), label = empty();
    RO_ASSERT(pick < count && count <= VD_CHUNK_BYTES);
    const uint32_t rows = (count + COLUMNS - 1) / COLUMNS, wide = COLUMNS;
    const uint32_t r = pick / wide, c = pick % wide;
    uint64_t others = 0;
    const sv_span at = {sv_at(c, 0, wide), sv_at(c + 1, 0, wide)};
    const sv_x centre = (at.from + at.to) / 2;
    const int top = 4 + GRID * (int)r / (int)rows, tall = GRID / (int)rows + (GRID % (int)rows > 0);
    grid(&b, rows);
    if (count % wide) { /* what the last row lacks */
        const sv_x end = sv_at(count % wide, 0, wide);
        sv_rect(&b, "lack", end, 4 + GRID * ((int)rows - 1) / (int)rows, SV_WIDE - end, tall);
    }
    sv_rect(&b, "frame", 0, 4, SV_WIDE, GRID);
    for (uint32_t k = 0; k < count; k++) {
        if (!unlike[k] || k == pick) continue;
        others++;
        sv_rect(&b, "also", sv_at(k % wide, 0, wide), 4 + GRID * (int)(k / wide) / (int)rows,
                sv_at(k % wide + 1, 0, wide) - sv_at(k % wide, 0, wide), tall);
    }
    sv_line(&b, "lc", 0, top + tall / 2, SV_WIDE, top + tall / 2);
    sv_line(&b, "lc", centre, 4, centre, 116);
    sv_rect(&b, "dff", at.from, top, at.to - at.from, tall);
    sv_line(&b, "ld", at.from, top + tall, at.from, 126);
    sv_line(&b, "ld", at.to, top + tall, at.to, 126);
    plate(&b, at, top, index);
    sv_mark(&label, "%u numbers of the chunk; number %u, element %s, is the first to differ", count,
            pick, index);
    if (others)
        sv_mark(&label, ", and %llu after it differ%s", (unsigned long long)others,
                others == 1 ? "s" : "");
    sv_mark(&label, ".");
    sv_picture(h, "strip", 126, &label, &b);
    return at;
}

/* ---- bits ------------------------------------------------------------------------------- */

typedef struct { uint32_t from, to; const char *name; } field;

/* The fields of a floating-point number, from the highest bit on; 0: it is none. */
static uint32_t fields_of(ro_dtype d, field f[3])
{
    static const struct { ro_dtype dtype; uint32_t exponent; } known[] = {
        {RO_F32, 8}, {RO_F64, 11}, {RO_F16, 5}, {RO_BF16, 8}};
    for (size_t k = 0; k < sizeof known / sizeof *known; k++) {
        if (known[k].dtype != d) continue;
        f[0] = (field){0, 1, "sign"};
        f[1] = (field){1, 1 + known[k].exponent, "exponent"};
        f[2] = (field){1 + known[k].exponent, 8 * ro_dtypes[d].size, "fraction"};
        return 3;
    }
    return 0;
}

static const char *class_of(sv_word_kind k)
{
    return k == SV_RIGHT ? "g" : k == SV_RECOMPUTED ? "j" : "d";
}

/* The bits whose bit of `mask` is `hot`, as one text with a list of places. */
static void bit_row(sv_html *b, const sv_word *w, uint32_t n, uint64_t hot, int y)
{
    const char *between = "";
    const uint64_t all = n == 64 ? UINT64_MAX : (UINT64_C(1) << n) - 1;
    const uint64_t shown = hot ? w->mask & all : ~w->mask & all;
    if (shown == 0) return;
    sv_mark(b, "<text class=\"bit mid%s%s\" x=\"", hot ? " on" : "", n > 32 ? " w" : "");
    for (uint32_t k = 0; k < n; k++) {
        if (!(shown >> (n - 1 - k) & 1)) continue;
        sv_mark(b, "%s", between);
        sv_mark_x(b, (sv_at(k, 0, n) + sv_at(k + 1, 0, n)) / 2);
        between = " ";
    }
    sv_mark(b, "\" y=\"%d\">", y + 62);
    for (uint32_t bit = n; bit-- > 0;)
        if (shown >> bit & 1) sv_mark(b, "%d", (int)(w->word >> bit & 1));
    sv_mark(b, "</text>\n");
}

static sv_x bit_width(uint32_t k, uint32_t n) { return sv_at(k + 1, 0, n) - sv_at(k, 0, n); }

static void bit_cells(sv_html *b, const sv_word *w, uint32_t n, int y)
{
    char class[16];
    snprintf(class, sizeof class, "hot %s", class_of(w->kind));
    for (uint32_t k = 0; k < n; k++)
        if (w->word >> (n - 1 - k) & 1)
            sv_rect(b, "one", sv_at(k, 0, n), y + 46, bit_width(k, n), 24);
    for (uint32_t k = 0; k <= n; k += 4)
        sv_line(b, "ln", sv_at(k, 0, n), y + 46, sv_at(k, 0, n), y + 70);
    sv_line(b, "ln", 0, y + 46, SV_WIDE, y + 46);
    sv_line(b, "ln", 0, y + 70, SV_WIDE, y + 70);
    for (uint32_t k = 0; k < n; k++)
        if (w->mask >> (n - 1 - k) & 1)
            sv_rect(b, class, sv_at(k, 0, n), y + 46, bit_width(k, n), 24);
}

/* A hex digit over its four bits; tinted where one of them differs. */
static void digits(sv_html *b, const sv_word *w, uint32_t n, int y)
{
    for (int pass = 0; pass < 2; pass++)
        for (uint32_t k = 0; k < n; k += 4) {
            const unsigned digit = (unsigned)(w->word >> (n - 4 - k) & 15);
            const int hot = (w->mask >> (n - 4 - k) & 15) != 0;
            const sv_x from = sv_at(k, 0, n), wide = sv_at(k + 4, 0, n) - from;
            char text[2] = {"0123456789abcdef"[digit], 0}, class[24];
            if (pass == 0) {
                if (hot) sv_rect(b, "band", from, y, wide, 84);
                continue;
            }
            snprintf(class, sizeof class, "hex%s mid%s%s", n > 32 ? " small" : "", hot ? " " : "",
                     hot ? class_of(w->kind) : "");
            sv_label(b, class, from + wide / 2, y + 34, 0, text);
        }
}

static void word_scale(sv_html *b, ro_dtype dtype, uint32_t n)
{
    field f[3];
    const uint32_t count = fields_of(dtype, f);
    for (uint32_t k = 0; k < count; k++) {
        const sv_x x1 = sv_at(f[k].from, 0, n), x2 = sv_at(f[k].to, 0, n);
        sv_line(b, "ln", x1, 20, x2, 20);
        sv_line(b, "ln", x1, 20, x1, 25);
        if (k == 0) sv_label(b, n > 32 ? "xw" : n == 32 ? "w" : "", 0, 12, 0, f[k].name);
        else sv_label(b, k == 1 && n > 32 ? "mid w" : "mid", (x1 + x2) / 2, 12, 0, f[k].name);
    }
    if (count) sv_line(b, "ln", SV_WIDE, 20, SV_WIDE, 25);
}

void sv_svg_word(sv_html *h, const sv_word *w)
{
    sv_html b = empty(), label = empty();
    const uint32_t n = 8 * ro_dtypes[w->dtype].size;
    int y = 0;
    RO_ASSERT(n == 8 || n == 16 || n == 32 || n == 64);
    if (w->scale) word_scale(&b, w->dtype, n);
    if (w->scale) y = 26;
    digits(&b, w, n, y);
    bit_cells(&b, w, n, y);
    bit_row(&b, w, n, 0, y);
    bit_row(&b, w, n, 1, y);
    for (uint32_t k = 0; k < n && w->foot; k++)
        if (w->mask >> (n - 1 - k) & 1) {
            char text[24];
            snprintf(text, sizeof text, "bit %u", n - 1 - k);
            sv_label(&b, k < n / 10 ? "d" : k > n - 1 - n / 10 ? "d end" : "d mid",
                     (sv_at(k, 0, n) + sv_at(k + 1, 0, n)) / 2, y + 100, 0, text);
            break;
        }
    sv_mark(&label, "%s: 0x", w->who);
    for (uint32_t k = n; k > 0; k -= 4) sv_mark(&label, "%x", (unsigned)(w->word >> (k - 4) & 15));
    sv_mark(&label, ", in binary ");
    for (uint32_t bit = n; bit-- > 0;) sv_mark(&label, "%d", (int)(w->word >> bit & 1));
    sv_picture(h, "strip", y + (w->foot ? 106 : 84), &label, &b);
}
