/* draw.c - the picture of a dispute: the steps halved to one, the nodes of that step, the chunks of
 * the output, the elements of a chunk, the bits of the numbers.
 *
 * What this file decides: how it looks. x is in percent and there is no outer viewBox, so one
 * drawing serves all widths and its text never shrinks.
 *
 * Invariants
 *   1. The file stands alone: style, pattern and a sentence that tells the whole picture.
 *   2. What is known equal is a line, what differs is hatched, what was chosen opens into the next
 *      strip by a beam. */
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "report.h"

#define ROOM ((size_t)512 << 10) /* the tallest picture is some 60 KB */
#define ROW 24
#define TOP 40

typedef struct { char *text; size_t n; int y; } canvas;

static void put(canvas *c, const char *format, ...) RO_PRINTF(2, 3);
static void put(canvas *c, const char *format, ...)
{
    va_list a;
    va_start(a, format);
    int n = vsnprintf(c->text + c->n, ROOM - c->n, format, a);
    va_end(a);
    RO_ASSERT(n >= 0 && (size_t)n < ROOM - c->n);
    c->n += (size_t)n;
}

static void rect(canvas *c, const char *class, double x, double w, int y, int h)
{
    put(c, "<rect class=\"%s\" x=\"%.3f%%\" y=\"%d\" width=\"%.3f%%\" height=\"%d\"/>\n", class, x,
        y, w, h);
}

static void hatch(canvas *c, double x, double w, int y, int h)
{
    put(c, "<rect class=\"df\" fill=\"url(#hatch)\" x=\"%.3f%%\" y=\"%d\" width=\"%.3f%%\" "
           "height=\"%d\"/>\n", x, y, w, h);
}

static void line(canvas *c, double x1, double x2, int y1, int y2)
{
    put(c, "<line class=\"ln\" x1=\"%.3f%%\" y1=\"%d\" x2=\"%.3f%%\" y2=\"%d\"/>\n", x1, y1, x2,
        y2);
}

/* As the text of an element or the value of an attribute. */
static void escaped(canvas *c, const char *text)
{
    for (; *text; text++) {
        if (*text == '&') put(c, "&amp;");
        else if (*text == '<') put(c, "&lt;");
        else if (*text == '"') put(c, "&quot;");
        else put(c, "%c", *text);
    }
}

static void label(canvas *c, double x, int y, const char *anchor, const char *text)
{
    put(c, "<text x=\"%.3f%%\" y=\"%d\" text-anchor=\"%s\">", x, y, anchor);
    escaped(c, text);
    put(c, "</text>\n");
}

/* Text on a white ground, so that no line runs through it. place: what stands at x, its start,
 * middle or end. Its letters are 7.2 pixels wide. */
static void ground(canvas *c, double x, int y, int place, const char *text)
{
    static const char *const anchors[] = {"start", "middle", "end"};
    double w = 7.2 * (double)strlen(text) + 8;
    put(c, "<rect fill=\"#fff\" x=\"%.3f%%\" y=\"%d\" width=\"%.1f\" height=\"14\" "
           "transform=\"translate(%.1f)\"/>\n", x, y + 2, w, 4 - (w - 8) * place / 2 - 8);
    label(c, x, y + 13, anchors[place], text);
}

static void heading(canvas *c, const char *text)
{
    c->y += 22;
    put(c, "<text class=\"h\" x=\"0\" y=\"%d\">%s</text>\n", c->y - 6, text);
}

/* From what was chosen above to the next strip. */
static void beam(canvas *c, double x1, double x2)
{
    put(c, "<svg x=\"0\" y=\"%d\" width=\"100%%\" height=\"26\" viewBox=\"0 0 100 100\" "
           "preserveAspectRatio=\"none\"><polygon class=\"beam\" points=\"%.3f,0 %.3f,0 100,100 "
           "0,100\"/></svg>\n", c->y, x1, x2);
    c->y += 26;
}

/* ---- the step tree ---------------------------------------------------------------------- */

static uint64_t half(uint64_t n)
{
    uint64_t p = 1;
    while (p * 2 < n) p *= 2;
    return p;
}

/* Down to leaf `target` of n; first: the number of the first leaf. */
static void tree(canvas *c, const char *what, uint64_t first, uint64_t n, uint64_t target)
{
    uint64_t lo = 0, hi = n, from = 0, to = n;
    int rows = 0, place;
    char text[64];
    if (n == 1) {
        rect(c, "on", 0, 100, c->y, ROW - 6);
        c->y += ROW;
    }
    while (hi - lo > 1) {
        uint64_t mid = lo + half(hi - lo);
        int left = target < mid;
        double scale = 100.0 / (double)(to - from), a = (double)(lo - from) * scale;
        double m = (double)(mid - from) * scale, b = (double)(hi - from) * scale;
        if (a > 0) line(c, 0, a, c->y + 9, c->y + 9);
        rect(c, left ? "op" : "eq", a, m - a, c->y, ROW - 6);
        if (left) hatch(c, a, m - a, c->y, ROW - 6);
        rect(c, left ? "un" : "op", m, b - m, c->y, ROW - 6);
        if (!left) hatch(c, m, b - m, c->y, ROW - 6);
        if (left) hi = mid;
        else lo = mid;
        if (hi - lo == 1) snprintf(text, sizeof text, "%" PRIu64 " differs", first + lo);
        else
            snprintf(text, sizeof text, "%" PRIu64 " to %" PRIu64 " differ", first + lo,
                     first + hi - 1);
        place = b < 60 ? 0 : a > 40 ? 2 : 1;
        ground(c, place == 0 ? b + 1 : place == 2 ? a - 1 : left ? (a + m) / 2 : (m + b) / 2,
               c->y, place, text);
        c->y += ROW;
        if (++rows % 5 == 0 && hi - lo > 1) {
            beam(c, (double)(lo - from) * scale, (double)(hi - from) * scale);
            from = lo;
            to = hi;
        }
    }
    double scale = 100.0 / (double)(to - from), a = (double)(lo - from) * scale;
    rect(c, "on", a, scale, c->y, ROW - 6);
    snprintf(text, sizeof text, "%s %" PRIu64, what, first + target);
    label(c, a < 50 ? a + scale + 1 : a - 1, c->y + 13, a < 50 ? "start" : "end", text);
    c->y += ROW;
    beam(c, a, a + scale);
}

/* ---- cells in a strip; more than 128 show the 64 around the chosen one ------------------ */

typedef struct { const rf_files *f; const rf_verdict *v; } subject;

static int nodes_differ(const subject *s, uint64_t i)
{
    const vd_trace *a = s->f->traces[s->v->sides[0]], *b = s->f->traces[s->v->sides[1]];
    size_t n, m;
    const uint8_t *x = vd_trace_node_leaf(a, s->v->step, (uint32_t)i, &n);
    const uint8_t *y = vd_trace_node_leaf(b, s->v->step, (uint32_t)i, &m);
    return x && y && (n != m || memcmp(x, y, n) != 0);
}

static void strip(canvas *c, uint64_t n, uint64_t pick, const subject *nodes)
{
    uint64_t first = 0, count = n;
    if (n > 128) {
        double a = 100.0 * (double)pick / (double)n;
        first = pick < 32 ? 0 : pick - 32;
        if (first + 64 > n) first = n - 64;
        count = 64;
        line(c, 0, 100, c->y + 9, c->y + 9);
        rect(c, "on", a, 0.4, c->y, ROW - 6);
        c->y += ROW;
        beam(c, 100.0 * (double)first / (double)n, 100.0 * (double)(first + 64) / (double)n);
    }
    double w = 100.0 / (double)count;
    for (uint64_t k = 0; k < count; k++) {
        int differs = first + k == pick || (nodes && nodes_differ(nodes, first + k));
        rect(c, first + k == pick ? "on" : "eq", (double)k * w, w, c->y, ROW);
        if (differs) hatch(c, (double)k * w, w, c->y, ROW);
    }
    c->y += ROW + 4;
    beam(c, (double)(pick - first) * w, (double)(pick - first + 1) * w);
}

static void elements(canvas *c, const rf_verdict *v)
{
    uint32_t width = ro_dtypes[v->type.dtype].size, rows = VD_CHUNK_BYTES / width / 64;
    uint64_t at = v->element % (VD_CHUNK_BYTES / width);
    char text[200], index[160];
    int h = (int)rows * 8;
    for (uint32_t x = 0; x <= 64; x += 8) line(c, x * 100.0 / 64, x * 100.0 / 64, c->y, c->y + h);
    for (uint32_t y = 0; y <= rows; y += rows / 8)
        line(c, 0, 100, c->y + (int)y * 8, c->y + (int)y * 8);
    rect(c, "on", (double)(at % 64) * 100 / 64, 100.0 / 64, c->y + (int)(at / 64) * 8, 8);
    c->y += h + 16;
    snprintf(text, sizeof text, "element %" PRIu64 " %s", v->element,
             rf_index_text(&v->type, v->element, index));
    label(c, 0, c->y, "start", text);
    c->y += 10;
}

static void bits(canvas *c, const char *who, uint64_t word, uint64_t mask, uint32_t width,
                 const char *value)
{
    uint32_t n = width * 8;
    double w = 78.0 / n;
    label(c, 0, c->y + 15, "start", who);
    for (uint32_t k = 0; k < n; k++) {
        uint32_t bit = n - 1 - k;
        int set = word >> bit & 1;
        const char *class = mask >> bit & 1 ? (set ? "on" : "dx") : set ? "b1" : "b0";
        rect(c, class, 6 + k * w, w * 0.9, c->y, 20);
    }
    label(c, 85, c->y + 15, "start", value);
    c->y += 26;
}

static void numbers(canvas *c, const rf_files *f, const rf_verdict *v)
{
    ro_dtype d = v->has_value ? rf_value_dtype(f->job, v) : v->type.dtype;
    uint32_t width = ro_dtypes[d].size;
    uint64_t mask = v->claimed[0] ^ v->claimed[1];
    int first = v->sides[0] > v->sides[1];
    for (int i = 0; i < 2; i++) {
        int k = i ^ first;
        char name[8], value[40];
        bits(c, rf_party_name(v->sides[k], name), v->claimed[k], mask, width,
             ro_element_text(d, v->claimed[k], value));
    }
    line(c, 0, 100, c->y, c->y);
    c->y += 6;
    char value[40];
    if (v->has_value)
        bits(c, "rule", v->recomputed, 0, width, ro_element_text(d, v->recomputed, value));
}

/* To a step; where segment claims were judged, to a segment and then to a step of it. */
static void steps(canvas *c, const vd_job *j, const rf_verdict *v)
{
    char text[120];
    if (v->has_step && j->record == VD_RECORD_CHECKPOINT && v->struck_claims) {
        uint64_t segment = v->step / j->segment, first, count;
        vd_job_segment(j, segment, &first, &count);
        heading(c, "Segments: where the two traces first differ");
        tree(c, "segment", 0, vd_job_segments(j), segment);
        heading(c, "Steps of that segment: where the two claims first differ");
        tree(c, "step", first, count, v->step - first);
    } else if (v->has_step) {
        heading(c, "Steps: where the two traces first differ");
        tree(c, "step", 0, j->steps, v->step);
    } else if (v->hi > v->lo) {
        snprintf(text, sizeof text, "Steps %" PRIu64 " to %" PRIu64 " of %" PRIu64
                 " were run again", v->lo, v->hi - 1, j->steps);
        heading(c, text);
    }
}

static void body(canvas *c, const rf_files *f, const rf_verdict *v)
{
    subject s = {f, v};
    char text[160];
    steps(c, f->job, v);
    if (v->has_node) {
        snprintf(text, sizeof text, "Nodes of step %" PRIu64 ": %u, %s", v->step, v->node,
                 ro_ops[v->op].name);
        heading(c, text);
        strip(c, f->job->phases[v->phase].graph->node_count, v->node, &s);
    }
    if (v->has_element) {
        heading(c, "Chunks of its output, 4 KiB each");
        strip(c, vd_tensor_chunks(&v->type), v->chunk, NULL);
        heading(c, "Elements of that chunk");
        elements(c, v);
        heading(c, v->method == RF_BY_PARTIAL ? "Bits of the partial result"
                                              : "Bits: the claims, and what the rule gives");
        numbers(c, f, v);
    } else {
        c->y += 20;
        snprintf(text, sizeof text, "%" PRIu64 " number%s recomputed", v->elements_recomputed,
                 v->elements_recomputed == 1 ? "" : "s");
        label(c, 0, c->y, "start", text);
        c->y += 10;
    }
}

ro_status rf_draw(const rf_files *f, const rf_verdict *v, const char *path, ro_err *err)
{
    canvas c = {ro_alloc(ROOM), 0, TOP}, all = {ro_alloc(ROOM), 0, 0};
    ro_status st = RO_OK;
    if (!c.text || !all.text) st = RO_FAIL(err, RO_ENOMEM, "no memory for a picture");
    if (!st) {
        c.text[0] = 0;
        body(&c, f, v);
        put(&all,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"100%%\" height=\"%d\" role=\"img\" "
            "aria-label=\"Dispute: %s",
            c.y + 10, rf_kind_name(v->kind));
        if (v->has_step) put(&all, " at step %" PRIu64, v->step);
        if (v->has_node) put(&all, ", node %u, %s", v->node, ro_ops[v->op].name);
        if (v->has_element) put(&all, ", element %" PRIu64, v->element);
        put(&all, "; %" PRIu64 " number%s recomputed; ", v->elements_recomputed,
            v->elements_recomputed == 1 ? "" : "s");
        escaped(&all, v->why);
        put(&all, "\">\n");
        put(&all,
            "<style>text{font:12px ui-monospace,monospace;fill:#223;paint-order:stroke;"
            "stroke:#fff;stroke-width:3px}.h{font-weight:600}"
            ".t{font-size:15px;font-weight:600}.on{fill:#c2410c}.eq,.b0{fill:#e8eaf0}"
            ".b1{fill:#9aa3b8}.op{fill:#fff}.dx{fill:#fff;stroke:#c2410c}"
            ".un{fill:none;stroke:#9aa3b8;stroke-dasharray:3 3}"
            ".ln{stroke:#9aa3b8;stroke-width:1}.beam{fill:#c2410c;opacity:.12}"
            ".df{stroke:#c2410c;stroke-width:.5}rect{shape-rendering:crispEdges}</style>\n"
            "<defs><pattern id=\"hatch\" width=\"6\" height=\"6\" "
            "patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\"><rect width=\"3\" "
            "height=\"6\" fill=\"#c2410c\" opacity=\".45\"/></pattern></defs>\n");
        put(&all, "<text class=\"t\" x=\"0\" y=\"20\">%s: ", rf_kind_name(v->kind));
        escaped(&all, v->why);
        put(&all, "</text>\n");
        put(&all, "%s</svg>\n", c.text);
        st = rf_files_readable(f, err);
        if (!st) st = rf_write_file(path, all.text, all.n, err);
    }
    ro_free(c.text);
    ro_free(all.text);
    return st;
}
