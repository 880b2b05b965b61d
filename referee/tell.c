/* tell.c - what people are told: names and numbers, the way down as a tree, the verdict in
 * sentences.
 *
 * What this file decides: the words. It judges nothing: all of it follows from an rf_report, so
 * every verdict can be told, those too that files cannot bring about.
 *
 * Invariants
 *   1. No line is wider than the screen: what does not fit is cut, sentences are broken.
 *   2. What was not shown is not said: who stands was not contradicted, which is not to be right;
 *      every kind of verdict says what it leaves open.
 *   3. Without UTF-8 in the locale only ASCII is written, without a terminal no colour. */
#include <inttypes.h>
#include <langinfo.h>
#include <locale.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../verde/cli.h"
#include "report.h"

/* ---- names and numbers ------------------------------------------------------------------ */

const char *rf_party_name(uint32_t party, char name[8])
{
    if (party < 26) snprintf(name, 8, "%c", 'A' + (int)party);
    else snprintf(name, 8, "P%u", (party + 1) % 1000000);
    return name;
}

const char *rf_side_names(const rf_files *f, const vd_digest *root, char *text, size_t size)
{
    size_t n = 0;
    uint32_t more = 0;
    text[0] = 0;
    for (uint32_t k = 0; k < f->trace_count; k++) {
        char name[8];
        if (!vd_digest_equal(vd_trace_get_root(f->traces[k]), root)) continue;
        if (n + 32 > size) {
            more++;
            continue;
        }
        n += (size_t)snprintf(text + n, size - n, "%s%s", n ? ", " : "", rf_party_name(k, name));
    }
    if (more) snprintf(text + n, size - n, " and %u more", more);
    return text;
}

const char *rf_index_text(const ro_type *t, uint64_t element, char text[160])
{
    uint64_t at[RO_RANK_MAX];
    int n = 1;
    for (uint32_t a = t->rank; a-- > 0;) {
        uint64_t d = (uint64_t)t->dims[a];
        at[a] = element % d;
        element /= d;
    }
    text[0] = '[';
    for (uint32_t a = 0; a < t->rank; a++)
        n += snprintf(text + n, 160 - (size_t)n, "%s%" PRIu64, a ? ", " : "", at[a]);
    snprintf(text + n, 160 - (size_t)n, "]");
    return text;
}

ro_dtype rf_value_dtype(const vd_job *j, const rf_verdict *v)
{
    static const ro_dtype of[RO_C_COUNT] = {RO_F32, RO_F64, RO_I64, RO_U64};
    if (v->method != RF_BY_PARTIAL) return v->type.dtype;
    const ro_graph *g = j->phases[v->phase].graph;
    return of[ro_dtypes[g->values[g->nodes[v->node].in[0]].type.dtype].compute];
}

static int guilty_in(const rf_report *o, const rf_verdict *v, uint32_t party, rf_kind *cause)
{
    for (uint32_t k = 0; k < v->guilty_count; k++) {
        if (o->side[v->guilty[k].party] != o->side[party]) continue;
        *cause = v->guilty[k].cause;
        return 1;
    }
    return 0;
}

rf_kind rf_guilt_of(const rf_report *o, uint32_t party)
{
    rf_kind cause = RF_AGREE;
    for (uint32_t k = 0; k < o->pair_count; k++)
        if (guilty_in(o, o->pairs[k], party, &cause)) break;
    return cause;
}

/* ---- sets of parties -------------------------------------------------------------------- */

typedef int member(const rf_report *o, const rf_verdict *v, int side, uint32_t party);

static int on_side(const rf_report *o, const rf_verdict *v, int side, uint32_t party)
{
    return o->side[party] == o->side[v->sides[side]];
}

static int is_standing(const rf_report *o, const rf_verdict *v, int side, uint32_t party)
{
    (void)v;
    (void)side;
    return o->stands[party];
}

static int is_guilty_unsigned(const rf_report *o, const rf_verdict *v, int side, uint32_t party)
{
    (void)v;
    (void)side;
    return !o->is_signed[party] && rf_guilt_of(o, party) != RF_AGREE;
}

/* Condemned by numbers that its own kernels were not asked for. */
static int is_foreign(const rf_report *o, const rf_verdict *v, int side, uint32_t party)
{
    rf_kind cause;
    (void)v;
    (void)side;
    for (uint32_t k = 0; k < o->pair_count && o->foreign[party]; k++)
        if (o->pairs[k]->elements_recomputed && guilty_in(o, o->pairs[k], party, &cause)) return 1;
    return 0;
}

/* "A", "A and B", "A, B and C"; of very many the first, and how many more. Returns their number. */
static uint32_t list_text(const rf_report *o, member *in, const rf_verdict *v, int side,
                          char text[512])
{
    uint32_t count = 0, left;
    size_t n = 0;
    text[0] = 0;
    for (uint32_t k = 0; k < o->party_count; k++) count += in(o, v, side, k) != 0;
    left = count;
    for (uint32_t k = 0; k < o->party_count && left; k++) {
        char name[8];
        if (!in(o, v, side, k)) continue;
        if (left > 1 && n > 512 - 48) {
            snprintf(text + n - 2, 514 - n, " and %u more", left);
            break;
        }
        n += (size_t)snprintf(text + n, 512 - n, "%s%s", rf_party_name(k, name),
                              left > 2 ? ", " : left == 2 ? " and " : "");
        left--;
    }
    return count;
}

int rf_is_provisional(const rf_report *o)
{
    for (uint32_t k = 0; k < o->party_count; k++)
        if (is_foreign(o, NULL, 0, k)) return 1;
    return o->verdict->provisional;
}

const char *rf_side_text(const rf_report *o, const rf_verdict *v, int side, char text[512])
{
    (void)list_text(o, on_side, v, side, text);
    return text;
}

/* The side that has the first party of the two is told first. */
static int told(const rf_verdict *v, int place)
{
    return place ^ (v->sides[0] > v->sides[1]);
}

/* ---- the screen ------------------------------------------------------------------------- */

void rf_screen_init(rf_screen *s)
{
    struct winsize w;
    const char *columns = getenv("COLUMNS"), *no = getenv("NO_COLOR"), *term = getenv("TERM");
    memset(s, 0, sizeof *s);
    memset(&w, 0, sizeof w);
    s->terminal = isatty(STDOUT_FILENO);
    if (s->terminal && ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0) s->width = w.ws_col;
    if (!s->width && columns) s->width = (uint32_t)strtoul(columns, NULL, 10) % 10000;
    if (!s->width) s->width = 80;
    if (s->width < 20) s->width = 20;
    s->colour = s->terminal && !(no && *no) && term && strcmp(term, "dumb") != 0;
    s->unicode = setlocale(LC_CTYPE, "") && strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

void rf_put(rf_line_out *l, rf_style style, const char *format, ...)
{
    static const char *const codes[] = {"", "\033[1m", "\033[2m", "\033[32m", "\033[31m"};
    char text[1024];
    va_list a;
    va_start(a, format);
    int n = vsnprintf(text, sizeof text, format, a);
    va_end(a);
    if (n < 0 || l->column >= l->s->width) return;
    int coloured = l->s->colour && style != RF_PLAIN;
    if (coloured) fputs(codes[style], stdout);
    for (const char *p = text; *p; p++) {
        if ((*p & 0xc0) != 0x80 && l->column++ >= l->s->width) break; /* at a character's start */
        putchar(*p);
    }
    if (coloured) fputs("\033[0m", stdout);
}

void rf_end_line(rf_line_out *l)
{
    putchar('\n');
    l->column = 0;
}

void rf_wrap(const rf_screen *s, uint32_t indent, const char *text)
{
    uint32_t most = s->width < 100 ? s->width : 100, column = 0; /* longer lines read badly */
    while (*text) {
        size_t n = strcspn(text, " ");
        if (column && column + 1 + n > most) {
            putchar('\n');
            column = 0;
        }
        if (column == 0) {
            printf("%*s", (int)indent, "");
            column = indent;
        } else {
            putchar(' ');
            column++;
        }
        for (size_t k = 0; k < n; k++) { /* a word that is wider than the screen */
            if (column >= most) {
                printf("\n%*s", (int)indent, "");
                column = indent;
            }
            putchar(text[k]);
            column++;
        }
        text += n + (text[n] == ' ');
    }
    putchar('\n');
}

/* ---- the tree --------------------------------------------------------------------------- */

typedef struct {
    const rf_report *o;
    const rf_screen *s;
    const rf_verdict *v;
    uint32_t depth; /* how many things the present one lies in */
} drawing;

static uint64_t half(uint64_t n)
{
    uint64_t p = 1;
    while (p * 2 < n) p *= 2;
    return p;
}

static void branch(const drawing *d, rf_line_out *l, int last)
{
    *l = (rf_line_out){d->s, 0};
    rf_put(l, RF_PLAIN, "%*s", 2 + 3 * (int)d->depth, "");
    if (d->s->unicode) rf_put(l, RF_DIM, last ? "└─ " : "├─ ");
    else rf_put(l, RF_DIM, last ? "`- " : "|- ");
}

/* Which part of all n is left after this halving. */
static void gauge(const drawing *d, rf_line_out *l, uint64_t n, uint64_t lo, uint64_t hi)
{
    uint32_t room = d->s->width > l->column ? d->s->width - l->column : 0;
    uint32_t cells = room < 32 ? room : 32;
    double scale = (double)cells / (double)n;
    if (cells < 8) return;
    uint32_t from = (uint32_t)((double)lo * scale), to = (uint32_t)((double)hi * scale);
    if (from >= cells) from = cells - 1;
    if (to <= from) to = from + 1;
    for (uint32_t k = 0; k < to && k < cells; k++) {
        if (k < from) rf_put(l, RF_DIM, d->s->unicode ? "·" : ".");
        else rf_put(l, RF_BAD, d->s->unicode ? "█" : "#");
    }
}

/* One line for each half that is put aside on the way from all n leaves to [to, end). first: the
 * number of the first leaf. */
static void halve(const drawing *d, const char *what, uint64_t first, uint64_t n, uint64_t to,
                  uint64_t end)
{
    uint64_t lo = 0, hi = n;
    char a[32], b[32];
    int wide = 2 * snprintf(a, sizeof a, "%s", cli_count(first + n - 1, b)) + 4;
    rf_line_out l = {d->s, 0};
    rf_put(&l, RF_PLAIN, "%*s", 2 + 3 * (int)d->depth, "");
    rf_put(&l, RF_BOLD, "%s", what);
    rf_end_line(&l);
    while ((lo < to || hi > end) && hi - lo > 1) {
        uint64_t mid = lo + half(hi - lo), aside_lo, aside_hi;
        int left = to < mid;
        char text[80];
        aside_lo = first + (left ? mid : lo);
        aside_hi = first + (left ? hi : mid) - 1;
        if (left) hi = mid;
        else lo = mid;
        if (aside_lo == aside_hi) snprintf(text, sizeof text, "%s", cli_count(aside_lo, a));
        else
            snprintf(text, sizeof text, "%s to %s", cli_count(aside_lo, a),
                     cli_count(aside_hi, b));
        branch(d, &l, 0);
        rf_put(&l, RF_PLAIN, "%-*s  ", wide, text);
        rf_put(&l, left ? RF_DIM : RF_GOOD, "%-13s ", left ? "not compared" : "equal");
        gauge(d, &l, n, lo, hi);
        rf_end_line(&l);
    }
}

/* The leaf that the halving came to; what lies in it is drawn below it, further in. */
static void chosen(drawing *d, const char *format, ...) RO_PRINTF(2, 3);
static void chosen(drawing *d, const char *format, ...)
{
    char text[512];
    rf_line_out l;
    va_list a;
    va_start(a, format);
    vsnprintf(text, sizeof text, format, a);
    va_end(a);
    branch(d, &l, 1);
    rf_put(&l, RF_BAD, "%s", text);
    rf_end_line(&l);
    d->depth++;
}

static void heading_of(char text[160], uint64_t n, const char *one, const char *many,
                       const char *of)
{
    char a[32];
    snprintf(text, 160, "%s %s%s", cli_count(n, a), n == 1 ? one : many, of);
}

/* Sign, exponent and fraction of a float stand apart, eight bits of anything else. */
static int gap_after(ro_dtype d, uint32_t bit)
{
    if (d == RO_F32) return bit == 31 || bit == 23;
    if (d == RO_F64) return bit == 63 || bit == 52;
    if (d == RO_F16) return bit == 15 || bit == 10;
    if (d == RO_BF16) return bit == 15 || bit == 7;
    return bit % 8 == 0 && bit;
}

static void bits_line(const drawing *d, const char *who, ro_dtype type, uint64_t word,
                      uint64_t mask, int marks)
{
    rf_line_out l = {d->s, 0};
    rf_put(&l, RF_PLAIN, "%*s%-12s ", 2 + 3 * (int)d->depth, "", who);
    for (uint32_t bit = ro_dtypes[type].size * 8; bit-- > 0;) {
        int differs = mask >> bit & 1;
        if (marks && mask << (63 - bit) == 0) break; /* nothing follows */
        if (marks) rf_put(&l, differs ? RF_BAD : RF_PLAIN, "%s", differs ? "^" : " ");
        else rf_put(&l, differs ? RF_BAD : RF_PLAIN, "%d", (int)(word >> bit & 1));
        if (gap_after(type, bit)) rf_put(&l, RF_PLAIN, " ");
    }
    rf_end_line(&l);
}

static void value_line(const drawing *d, const char *who, ro_dtype type, uint64_t word)
{
    rf_line_out l = {d->s, 0};
    char text[40];
    rf_put(&l, RF_PLAIN, "%*s%-12s ", 2 + 3 * (int)d->depth, "", who);
    rf_put(&l, RF_PLAIN, "0x%0*" PRIx64 "  %s", (int)ro_dtypes[type].size * 2, word,
           ro_element_text(type, word, text));
    rf_end_line(&l);
}

static void draw_bits(const drawing *d)
{
    const rf_verdict *v = d->v;
    ro_dtype type = v->has_value ? rf_value_dtype(d->o->job, v) : v->type.dtype;
    uint32_t bits = ro_dtypes[type].size * 8;
    uint64_t mask = v->claimed[0] ^ v->claimed[1];
    int fits = 2 + 3 * d->depth + 13 + bits + (bits + 7) / 8 <= d->s->width;
    for (int i = 0; i < 2; i++) {
        char name[512];
        int k = told(v, i);
        rf_side_text(d->o, v, k, name);
        if (strlen(name) > 12) snprintf(name + 9, 4, "...");
        if (fits) bits_line(d, name, type, v->claimed[k], mask, 0);
        else value_line(d, name, type, v->claimed[k]);
    }
    if (v->has_value && fits) bits_line(d, "recomputed", type, v->recomputed, mask, 0);
    else if (v->has_value) value_line(d, "recomputed", type, v->recomputed);
    if (fits) bits_line(d, "", type, 0, mask, 1);
}

static void draw_element(drawing *d)
{
    const rf_verdict *v = d->v;
    uint64_t chunks = vd_tensor_chunks(&v->type);
    uint32_t each = VD_CHUNK_BYTES / ro_dtypes[v->type.dtype].size;
    uint64_t first = v->chunk * each, last = first + each - 1, n = ro_type_elements(&v->type);
    char text[160], of[96], type[96], a[32], b[32], c[32];
    snprintf(of, sizeof of, " of 4 KiB in output %u, %s", v->output,
             ro_type_text(&v->type, type, sizeof type));
    heading_of(text, chunks, "chunk", "chunks", of);
    halve(d, text, 0, chunks, v->chunk, v->chunk + 1);
    if (last >= n) last = n - 1;
    chosen(d, "chunk %s: elements %s to %s", cli_count(v->chunk, a), cli_count(first, b),
           cli_count(last, c));
    chosen(d, "element %s %s", cli_count(v->element, a), rf_index_text(&v->type, v->element, text));
    if (v->method == RF_BY_PARTIAL)
        chosen(d, "its part %s of level %u", cli_count(v->part_index, a), v->part_level);
    draw_bits(d);
}

/* From here on inside one step. */
static void draw_nodes(drawing *d)
{
    const rf_verdict *v = d->v;
    uint32_t n = d->o->job->phases[v->phase].graph->node_count;
    char text[160], a[32];
    heading_of(text, n, "operator", "operators", " in this step");
    halve(d, text, 0, n, v->node, v->node + 1);
    if (v->kind == RF_INPUTS)
        chosen(d, "node %s, %s: its input %u", cli_count(v->node, a), ro_ops[v->op].name, v->input);
    else chosen(d, "node %s, %s", cli_count(v->node, a), ro_ops[v->op].name);
    if (v->has_element) draw_element(d);
}

static void draw_steps(drawing *d, const char *of, uint64_t first, uint64_t n)
{
    const rf_verdict *v = d->v;
    char text[160], a[32], b[32];
    uint64_t lo = v->has_step ? v->step : v->lo, hi = v->has_step ? v->step + 1 : v->hi;
    heading_of(text, n, "step", "steps", of);
    halve(d, text, first, n, lo - first, hi - first);
    if (v->has_step)
        chosen(d, "step %s, phase %u%s", cli_count(v->step, a),
               vd_job_locate(d->o->job, v->step).phase,
               v->method == RF_BY_STEP ? ", run again" : "");
    else chosen(d, "steps %s to %s, run again", cli_count(lo, a), cli_count(hi - 1, b));
    if (v->has_node) draw_nodes(d);
}

static void draw_segments(drawing *d)
{
    const vd_job *j = d->o->job;
    const rf_verdict *v = d->v;
    char text[160], of[64], a[32], b[32];
    uint64_t lo = (v->has_step ? v->step : v->lo) / j->segment, hi = lo + 1, first, n;
    int claims = v->struck_claims > 0; /* what is known of single steps comes from them */
    if (!claims && v->hi > v->lo) hi = (v->hi + j->segment - 1) / j->segment;
    snprintf(of, sizeof of, " of %u steps", j->segment);
    heading_of(text, vd_job_segments(j), "segment", "segments", of);
    halve(d, text, 0, vd_job_segments(j), lo, hi);
    if (hi - lo > 1)
        chosen(d, "segments %s to %s, run again", cli_count(lo, a), cli_count(hi - 1, b));
    else chosen(d, "segment %s%s", cli_count(lo, a), claims ? "" : ", run again");
    if (!claims) return;
    vd_job_segment(j, lo, &first, &n);
    draw_steps(d, " in the segment claims", first, n);
}

void rf_print_tree(const rf_report *o, const rf_screen *s, uint32_t pair)
{
    drawing d = {o, s, o->pairs[pair], 0};
    const rf_verdict *v = d.v;
    int known = v->has_step || v->hi > v->lo; /* else nothing on the way was learnt */
    if (o->bodies[pair] == RF_TREES_DIFFER && known) {
        if (o->job->record == VD_RECORD_CHECKPOINT) draw_segments(&d);
        else draw_steps(&d, ", recorded in full", 0, o->job->steps);
    } else if (o->bodies[pair] == RF_OUTPUTS_DIFFER && known) {
        draw_steps(&d, "' outputs; the rest of the records is equal", 0, o->job->steps);
    } else {
        rf_line_out l = {s, 2};
        printf("  ");
        rf_put(&l, RF_PLAIN, "%s", o->bodies[pair] == RF_ENDS_DIFFER
                                       ? "every record is equal; the stated last states differ"
                                       : "no record of the difference can be opened");
        rf_end_line(&l);
    }
}

/* ---- sentences -------------------------------------------------------------------------- */

typedef struct {
    const rf_report *o;
    const rf_verdict *v;
    rf_hear *hear;
    void *ctx;
    uint32_t pair;
    char text[4096];
    size_t n;
    char side[2][512];      /* in the order of telling */
    uint32_t count[2];      /* parties of them */
    int guilty[2];
} telling;

static void say(telling *t, const char *format, ...) RO_PRINTF(2, 3);
static void say(telling *t, const char *format, ...)
{
    va_list a;
    if (t->n && t->n + 1 < sizeof t->text) t->text[t->n++] = ' ';
    va_start(a, format);
    int n = vsnprintf(t->text + t->n, sizeof t->text - t->n, format, a);
    va_end(a);
    RO_ASSERT(n >= 0 && (size_t)n < sizeof t->text - t->n); /* the longest piece has some 2,000 */
    t->n += (size_t)n;
}

static void done(telling *t, const char *about)
{
    if (t->n) t->hear(t->ctx, t->pair, about, t->text);
    t->n = 0;
    t->text[0] = 0;
}

static const char *s_of(uint32_t parties) { return parties == 1 ? "s" : ""; }

/* Both guilty, the guilty one, the other one; -1: nobody is. */
static int both_guilty(const telling *t) { return t->guilty[0] && t->guilty[1]; }
static int guilty_side(const telling *t) { return t->guilty[0] ? 0 : t->guilty[1] ? 1 : -1; }

static void tell_equal_segments(telling *t, uint64_t segment)
{
    const vd_job *j = t->o->job;
    char a[32];
    say(t, "The run is recorded in segments of %u steps.", j->segment);
    if (segment)
        say(t, "Up to the end of segment %s, counted from 0, everything recorded is equal on both "
               "sides, bit for bit.", cli_count(segment - 1, a));
    else say(t, "Both begin with the same state; in the first segment already they differ.");
}

static void tell_equal_steps(telling *t, uint64_t step)
{
    char a[32], b[32];
    if (step == 0) say(t, "Both begin with the same state; in step 0, the first, they differ.");
    else
        say(t, "The records of the %s steps before step %s are equal on both sides, bit for bit.",
            cli_count(step, a), cli_count(step, b));
}

static void tell_agreed(telling *t)
{
    const rf_verdict *v = t->v;
    const vd_job *j = t->o->job;
    char a[32], b[32];
    rf_bodies bodies = t->o->bodies[t->pair];
    say(t, t->count[0] + t->count[1] > 2
               ? "%s on one side and %s on the other committed to different records of one job of "
                 "%s step%s."
               : "%s and %s committed to different records of one job of %s step%s.",
        t->side[0], t->side[1], cli_count(j->steps, a), j->steps == 1 ? "" : "s");
    if (bodies != RF_TREES_DIFFER) {
        say(t, "In both the record of every %s is equal, bit for bit; what each states at its end "
               "is not.", j->record == VD_RECORD_FULL ? "step" : "segment");
    } else if (v->has_step && (j->record == VD_RECORD_FULL || v->struck_claims)) {
        tell_equal_steps(t, v->step);
        if (v->has_node && v->node)
            say(t, "In step %s the first %s of its %s operations are equal too.",
                cli_count(v->step, a), cli_count(v->node, b),
                cli_count(j->phases[v->phase].graph->node_count, (char[32]){0}));
        if (v->has_node && v->kind == RF_OUTPUT && v->method <= RF_BY_OPERATOR)
            say(t, "Both put the same numbers into the next one, node %s, %s; what comes out of "
                   "it differs.", cli_count(v->node, a), ro_ops[v->op].name);
    } else if (v->has_step || v->hi > v->lo) {
        uint64_t lo = v->has_step ? v->step : v->lo;
        if (j->record == VD_RECORD_FULL) tell_equal_steps(t, lo);
        else tell_equal_segments(t, lo / j->segment);
    }
    done(t, "agreed");
}

static void tell_values(telling *t, const char *what)
{
    const rf_verdict *v = t->v;
    ro_dtype d = v->has_value ? rf_value_dtype(t->o->job, v) : v->type.dtype;
    uint64_t mask = v->claimed[0] ^ v->claimed[1];
    int digits = (int)ro_dtypes[d].size * 2, one = __builtin_popcountll(mask) == 1;
    char x[2][40];
    for (int k = 0; k < 2; k++) ro_element_text(d, v->claimed[told(v, k)], x[k]);
    say(t, "%s, %s say%s, is %s (in bits 0x%0*" PRIx64 "); %s say%s %s (0x%0*" PRIx64 ").", what,
        t->side[0], s_of(t->count[0]), x[0], digits, v->claimed[told(v, 0)], t->side[1],
        s_of(t->count[1]), x[1], digits, v->claimed[told(v, 1)]);
    if (one) say(t, "That is a difference of one bit, number %d.", __builtin_ctzll(mask));
    else say(t, "That is a difference of %d bits.", __builtin_popcountll(mask));
}

static void tell_said(telling *t)
{
    const rf_verdict *v = t->v;
    char a[32], index[160], what[400];
    rf_bodies bodies = t->o->bodies[t->pair];
    if (v->has_element) {
        snprintf(what, sizeof what, "The first number that differs is element %s of the output%s. "
                 "It", rf_index_text(&v->type, v->element, index),
                 v->method == RF_BY_PARTIAL ? ", which each side explained by partial results. The "
                                              "first of these that differs" : "");
        tell_values(t, what);
    } else if (bodies != RF_TREES_DIFFER) {
        say(t, "Each states its own %s.", bodies == RF_ENDS_DIFFER
                                              ? "state at the end of the run"
                                              : "summary of the outputs of all steps");
    } else if (v->kind == RF_STRUCTURE) {
        say(t, "At the first place where they differ, each names its own record of what was done.");
    } else if (v->kind == RF_INPUTS) {
        say(t, "At that operation, node %s, %s, they do not name the same numbers as its input %u.",
            cli_count(v->node, a), ro_ops[v->op].name, v->input);
    } else if (v->kind == RF_STEP) {
        say(t, "They agree on every operation of the step and differ on what it leaves behind.");
    } else if (v->has_node) {
        say(t, "Each names its own digest, a fingerprint, of what that operation put out.");
    } else {
        say(t, "From there on each names its own digests, fingerprints, of what was done.");
    }
    if (v->struck_claims)
        say(t, "Each side had handed in claims of what happened inside the segment, step by step.");
    done(t, "said");
}

static void tell_recomputed_value(telling *t)
{
    const rf_verdict *v = t->v;
    ro_dtype d = rf_value_dtype(t->o->job, v);
    char x[40];
    say(t, "The referee computed this one %s itself, from inputs that both sides are bound to, by "
           "the definition of %s, version %u. The result is %s (0x%0*" PRIx64 ").",
        v->method == RF_BY_PARTIAL ? "partial result" : "number", ro_ops[v->op].name,
        ro_ops[v->op].version, ro_element_text(d, v->recomputed, x), (int)ro_dtypes[d].size * 2,
        v->recomputed);
    if (!v->provisional && v->method == RF_BY_ELEMENT)
        say(t, "A second implementation, the one that is used for running jobs, gave the same "
               "bits.");
    if (!v->provisional && v->method == RF_BY_PARTIAL)
        say(t, "A second implementation, the one that is used for running jobs, confirmed the "
               "whole number of the side that is right here.");
}

/* Undecided for want of openings, and not because something failed in the referee. */
static int lacks_inputs(const rf_verdict *v)
{
    return v->kind == RF_UNDECIDED && strncmp(v->why, "the agreed inputs", 17) == 0;
}

static void tell_recomputed(telling *t)
{
    const rf_verdict *v = t->v;
    char a[32], b[32];
    if (v->has_value && v->method != RF_BY_NONE) tell_recomputed_value(t);
    else if (v->kind == RF_FORFEIT) say(t, "Nothing: there was nothing to compute from.");
    else if (v->kind == RF_WITHHELD)
        say(t, "The referee ran the job from its first state to where the records part.");
    else if (v->alarm)
        say(t, "The referee computed this number twice, by two implementations of its own.");
    else if (v->method == RF_BY_OPERATOR)
        say(t, "The tensors from which a single number could be judged were not all at hand. So "
               "the referee ran the whole operation again on inputs that both sides are bound to, "
               "%s numbers, and compared digests.", cli_count(v->elements_recomputed, a));
    else if (v->method == RF_BY_STEP)
        say(t, "The records from which a single operation could be judged were not all at hand. So "
               "the referee ran the whole of step %s again and compared digests.",
            cli_count(v->lo, a));
    else if (v->method == RF_BY_SEGMENT)
        say(t, "The records from which a single step could be judged were not all at hand. So the "
               "referee ran steps %s to %s again and compared digests.", cli_count(v->lo, a),
            cli_count(v->hi - 1, b));
    else if (lacks_inputs(v))
        say(t, "Nothing was recomputed: the inputs that both agree on are not at hand.");
    else if (v->kind == RF_UNDECIDED) say(t, "Nothing that could decide: %s.", v->why);
    else say(t, "Nothing: what the two wrote down is enough.");
    done(t, "recomputed");
}

static void tell_why_output(telling *t, const char *who)
{
    const rf_verdict *v = t->v;
    int wrong = guilty_side(t);
    const char *what = v->method == RF_BY_ELEMENT    ? "number"
                       : v->method == RF_BY_PARTIAL  ? "partial result"
                       : v->method == RF_BY_OPERATOR ? "output"
                                                     : "outcome";
    say(t, "From equal inputs the job's arithmetic leaves exactly one right %s, to the last bit.",
        what);
    if (both_guilty(t)) say(t, "Neither side has it, so both records are wrong.");
    else
        say(t, "%s %s it, %s %s not; so the record of %s is wrong.", t->side[!wrong],
            t->count[!wrong] == 1 ? "has" : "have", who, t->count[wrong] == 1 ? "has" : "have",
            who);
}

static void tell_why_undecided(telling *t)
{
    if (t->v->alarm)
        say(t, "The two results differ. That is a fault of the referee, so nobody is condemned. "
               "Please report it.");
    else if (lacks_inputs(t->v))
        say(t, "Without them neither side can be shown to be wrong, so nobody is condemned.");
    else say(t, "What fails in the referee never decides, so nobody is condemned.");
}

static void tell_why(telling *t)
{
    const rf_verdict *v = t->v;
    int wrong = guilty_side(t), both = both_guilty(t);
    const char *who = both || wrong < 0 ? "either side" : t->side[wrong];
    const char *s = both || wrong < 0 ? "s" : s_of(t->count[wrong]);
    switch (v->kind) {
    case RF_AGREE: break;
    case RF_OUTPUT: tell_why_output(t, who); break;
    case RF_UNDECIDED: tell_why_undecided(t); break;
    case RF_STRUCTURE:
        say(t, "The job prescribes what is done at every place, and in what form it is written "
               "down. The record of %s is of something else.", who);
        break;
    case RF_INPUTS:
        say(t, "An operation takes in what an earlier operation, the state or the job's data gives "
               "it, and nothing else. The record of %s takes in something else.", who);
        break;
    case RF_STEP:
        say(t, "What is left behind follows from records that both sides agree on. What %s state%s "
               "does not follow from them.", who, s);
        break;
    case RF_FORFEIT:
        say(t, "Who commits to a record must be able to open it when asked. There was no valid "
               "answer of %s before the deadline.", who);
        break;
    case RF_WITHHELD:
        say(t, "Both sides committed to the state in which this began. It is not what the job "
               "gives, and neither can open it; one honest side would have been able to. So both "
               "fall.");
        break;
    }
    if (v->struck_claims)
        say(t, "On the way %s of a segment %s found false and struck out.",
            v->struck_claims == 1 ? "one claim" : "several claims",
            v->struck_claims == 1 ? "was" : "were");
    done(t, "why");
}

/* ---- about the whole dispute ------------------------------------------------------------ */

static void tell_cost(telling *t)
{
    const rf_verdict *v = t->o->verdict;
    char a[32], b[32], c[32], d[32];
    say(t, "%s number%s recomputed, %s of answers to %s question%s, in %s.",
        cli_count(v->elements_recomputed, a), v->elements_recomputed == 1 ? "" : "s",
        cli_bytes(v->bytes_read, b), cli_count(v->questions, c), v->questions == 1 ? "" : "s",
        cli_time(t->o->ms / 1e3, d));
    if (v->method == RF_BY_STEP || v->method == RF_BY_SEGMENT)
        say(t, "%s of the job's %s step%s %s run again.", cli_count(v->hi - v->lo, a),
            cli_count(t->o->job->steps, b), t->o->job->steps == 1 ? "" : "s",
            v->hi - v->lo == 1 ? "was" : "were");
    if (t->o->job_flops)
        say(t, "Running the whole job again takes %sFLOP (floating-point operations).",
            cli_amount((double)t->o->job_flops, a));
    done(t, "cost");
}

/* Of what was judged provisionally, why. */
static void tell_provisional(telling *t)
{
    char names[512];
    uint32_t count = list_text(t->o, is_foreign, NULL, 0, names);
    if (t->o->verdict->provisional)
        say(t, "The verdict is provisional: one implementation alone computed what decides it, and "
               "a fault of that one is not excluded.");
    if (count)
        say(t, "The verdict is provisional: %s say%s that another kind of machine was used, and "
               "its kernels were not run here.", names, s_of(count));
}

static void tell_standing(telling *t)
{
    const rf_report *o = t->o;
    uint32_t count, roots = 0;
    char names[512];
    for (uint32_t k = 0; k < o->party_count; k++) roots += o->stands[k] && o->side[k] == k;
    count = list_text(o, is_standing, NULL, 0, names);
    if (count == 0) {
        say(t, "Nobody's record is left standing: what the right result is remains open, and "
               "somebody else has to run the job.");
        return;
    }
    if (o->verdict->kind == RF_UNDECIDED || roots > 1) {
        say(t, "Who of %s is right remains open.", names);
        if (lacks_inputs(o->verdict))
            say(t, "It would be decided by a store (--store DIR) that holds the job's data and a "
                   "state before the difference.");
        return;
    }
    say(t, "That %s stand%s means: not contradicted at the first difference. What comes after it "
           "was not examined, and had all parties committed to one and the same false record, "
           "there would have been nothing to find.", names, s_of(count));
}

/* How others can check it, by what was done in the pairs. */
static void tell_checking(telling *t)
{
    uint32_t numbers = 0, runs = 0, forfeits = 0;
    int many = t->o->pair_count > 1;
    for (uint32_t k = 0; k < t->o->pair_count; k++) {
        const rf_verdict *v = t->o->pairs[k];
        forfeits += v->kind == RF_FORFEIT;
        numbers += v->method == RF_BY_ELEMENT || v->method == RF_BY_PARTIAL;
        runs += v->method >= RF_BY_OPERATOR;
    }
    if (forfeits)
        say(t, "A forfeit does not say that the numbers were wrong, only that nobody showed them.");
    if (numbers)
        say(t, "%s derive the verdict again from one file: --evidence F writes it, verde-verdict F "
               "reads it.", many ? "Where one number was recomputed, anyone can" : "Anyone can");
    if (runs)
        say(t, "%s no evidence file: who wants to check the verdict needs the same tensors and "
               "runs the same again.", many ? "Where more was run again, there is" : "There is");
}

static void tell_open(telling *t)
{
    char names[512];
    uint32_t count = list_text(t->o, is_guilty_unsigned, NULL, 0, names);
    tell_standing(t);
    tell_provisional(t);
    tell_checking(t);
    if (count)
        say(t, "%s %s not signed: the verdict is about what is in the file, not about who made it.",
            names, count == 1 ? "is" : "are");
    done(t, "open");
}

static void tell_agreement(telling *t)
{
    char a[32], b[32];
    int full = t->o->job->record == VD_RECORD_FULL;
    say(t, "All %s parties committed to one record of the job's %s step%s: %s.",
        cli_count(t->o->party_count, a), cli_count(t->o->job->steps, b),
        t->o->job->steps == 1 ? "" : "s",
        full ? "every tensor of every step is equal, bit for bit"
             : "the outputs of every step and the state at the end of every segment are equal, bit "
               "for bit");
    done(t, "agreed");
    say(t, "Nothing: there is nothing in dispute.");
    done(t, "recomputed");
    say(t, "That all agree does not show that the record is true: had all parties committed to one "
           "and the same false record, there would be nothing to find. A further run by somebody "
           "else would find it.");
    done(t, "open");
}

static void tell_pair(telling *t)
{
    const rf_verdict *v = t->v;
    for (int k = 0; k < 2; k++) {
        rf_kind cause;
        t->count[k] = list_text(t->o, on_side, v, told(v, k), t->side[k]);
        t->guilty[k] = guilty_in(t->o, v, v->sides[told(v, k)], &cause);
    }
    tell_agreed(t);
    tell_said(t);
    tell_recomputed(t);
    tell_why(t);
}

void rf_explain(const rf_report *o, rf_hear *hear, void *ctx)
{
    telling t;
    char names[512];
    uint32_t roots = 0;
    memset(&t, 0, sizeof t);
    t.o = o;
    t.hear = hear;
    t.ctx = ctx;
    t.pair = RF_NONE;
    if (o->pair_count == 0) {
        tell_agreement(&t);
        return;
    }
    for (uint32_t k = 0; k < o->party_count; k++) roots += o->side[k] == k;
    if (o->pair_count > 1) {
        say(&t, "The %u parties committed to %u different records. They met in pairs, in an order "
                "that follows from the records and that nobody can choose; %u pairs were judged.",
            o->party_count, roots, o->pair_count);
        done(&t, "agreed");
    }
    for (t.pair = 0; t.pair < o->pair_count; t.pair++) {
        t.v = o->pairs[t.pair];
        tell_pair(&t);
    }
    t.pair = RF_NONE;
    if (o->pair_count > 1) {
        uint32_t standing = list_text(o, is_standing, NULL, 0, names);
        say(&t, "Left standing: %s.", standing ? names : "nobody");
        done(&t, "why");
    }
    tell_cost(&t);
    tell_open(&t);
}

typedef struct { const rf_report *o; const rf_screen *s; uint32_t pair; } printing;

static void print_piece(void *ctx, uint32_t pair, const char *about, const char *text)
{
    static const char *const headings[][2] = {
        {"agreed", "What was agreed"},         {"said", "Who said what"},
        {"recomputed", "What was recomputed"}, {"why", "Why that decides"},
        {"cost", "What it cost"},              {"open", "What is not decided"}};
    printing *p = ctx;
    rf_line_out l = {p->s, 0};
    if (p->o->pair_count > 1 && pair != p->pair) {
        char a[512], b[512];
        const rf_verdict *v = pair == RF_NONE ? NULL : p->o->pairs[pair];
        putchar('\n');
        if (!v) rf_put(&l, RF_BOLD, "All pairs");
        else
            rf_put(&l, RF_BOLD, "Pair %u of %u: %s against %s", pair + 1, p->o->pair_count,
                   rf_side_text(p->o, v, told(v, 0), a), rf_side_text(p->o, v, told(v, 1), b));
        rf_end_line(&l);
    }
    p->pair = pair;
    for (size_t k = 0; k < sizeof headings / sizeof *headings; k++)
        if (strcmp(headings[k][0], about) == 0) rf_put(&l, RF_BOLD, "%s", headings[k][1]);
    rf_end_line(&l);
    rf_wrap(p->s, 2, text);
}

void rf_print_explanation(const rf_report *o, const rf_screen *s)
{
    printing p = {o, s, RF_NONE};
    putchar('\n');
    rf_explain(o, print_piece, &p);
}
