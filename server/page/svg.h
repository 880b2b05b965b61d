/* svg.h - the pictures of the pages, and what of a dispute they are computed from.
 *
 * What this file decides: how a picture is computed. Every one is as wide as its place and has no
 * viewBox: x is in thousandths of a percent of the width, y in pixels, so one drawing serves all
 * widths and its text never shrinks.
 *
 * Invariants
 *   1. Solid: known to agree. Hatched: known to differ. Dashed: not compared. Nothing is drawn
 *      that was not compared or computed.
 *   2. Every picture has a label that says all of it in words, or is named by what stands beside
 *      it and hidden from who reads words.
 *   3. No picture has more than some 4,500 shapes, whatever is drawn. */
#ifndef SV_SVG_H
#define SV_SVG_H
#include "../../referee/task.h"
#include "html.h"

typedef int64_t sv_x; /* thousandths of a percent: 100000 is the right edge */
#define SV_WIDE ((sv_x)100000)
typedef struct { sv_x from, to; } sv_span;

/* One comparison in a tree of hashes: of the left half of what is left. */
typedef struct { uint64_t lo, mid, hi; int differs; vd_digest left[2]; } sv_halving;
#define SV_HALVINGS_MAX VD_PROOF_MAX /* of one tree: each goes down a level */

typedef enum { SV_NOT_COMPARED, SV_EQUAL, SV_UNLIKE } sv_compared;

/* The way down in one tree, as far as it went. */
typedef struct {
    const char *what; /* "step", "segment", "node", "chunk"                                    */
    uint64_t n;       /* leaves; 0: this tree was not asked about                              */
    uint64_t first;   /* how leaf 0 is numbered                                                */
    sv_halving halvings[SV_HALVINGS_MAX];
    uint32_t count;
    int found;        /* the first leaf that differs is `leaf`, from 0                         */
    uint64_t leaf;
    vd_digest digest[2];     /* of that leaf                                                   */
    const uint8_t *compared; /* sv_compared, of `known` leaves from `known_from` on; NULL      */
    uint64_t known_from, known;
} sv_descent;

/* The hatch, once a page. */
void sv_svg_patterns(sv_html *h);
/* From what was chosen above to the whole width of the next strip. */
void sv_svg_beam(sv_html *h, sv_span from);
/* Stages that were not reached: one dashed strip. */
void sv_svg_not_yet(sv_html *h, const char *label);
/* The tree of steps or segments: a row a halving, after five the chosen interval opens again.
 * Returns the span of what was found, or of what is left. */
sv_span sv_svg_bisection(sv_html *h, const sv_descent *d);

#define SV_USES_MAX 64u
/* The nodes of a step. inputs, uses: the nodes that give the first differing one its inputs, and
 * those that read it, ascending. */
typedef struct {
    const sv_descent *nodes;
    const char *name; /* of the first that differs: its operator */
    const uint32_t *inputs, *uses;
    uint32_t input_count, use_count, use_total; /* use_total: also those that are not in uses   */
} sv_node_strip;
sv_span sv_svg_nodes(sv_html *h, const sv_node_strip *s);
/* The chunks of a tensor of so many bytes. */
sv_span sv_svg_chunks(sv_html *h, const sv_descent *d, uint64_t bytes);
/* The elements of a chunk: `unlike` a byte each, of `count`. index: of `pick`, as text. */
sv_span sv_svg_elements(sv_html *h, const uint8_t *unlike, uint32_t count, uint32_t pick,
                        const char *index);

typedef enum { SV_RIGHT, SV_WRONG, SV_RECOMPUTED, SV_CLAIMED } sv_word_kind;
typedef struct {
    ro_dtype dtype;
    uint64_t word, mask; /* mask: the bits in which the two claims differ */
    sv_word_kind kind;
    const char *who;
    int scale, foot;     /* the fields of a number above it; the first bit's number below */
} sv_word;
void sv_svg_word(sv_html *h, const sv_word *w);

/* Seven cells, one a state. disputed: it went through DISPUTED. */
void sv_svg_state(sv_html *h, rf_task_state state, int disputed);
void sv_svg_stake(sv_html *h, int64_t free_amount, int64_t held, int64_t largest);
void sv_svg_days(sv_html *h, const uint32_t *days, uint32_t count);
/* Three traces of which one leaves the others: what newcomers see. */
void sv_svg_traces(sv_html *h);

typedef struct { uint64_t ms; int64_t amount; } sv_point;
/* Stake over time; a mark is a slash of so much. Points ascending. */
typedef struct {
    const char *name;
    const sv_point *points, *marks;
    uint32_t point_count, mark_count;
    uint64_t from_ms, to_ms;
} sv_history;
void sv_svg_history(sv_html *h, const sv_history *s);
/* Whether amounts beside it are long and need room. */
int sv_svg_history_is_wide(const sv_history *s);

#define SV_PLACES 5u /* free, held, escrow, treasury, burn */
extern const char *const sv_place_class[SV_PLACES];
/* Two bars of one length: what came in and stayed, and where it is. */
void sv_svg_conservation(sv_html *h, int64_t deposits, int64_t withdrawals,
                         const int64_t places[SV_PLACES]);

#endif
