/* svg_parts.h - shapes that the pictures share. Private to the page. */
#ifndef SV_SVG_PARTS_H
#define SV_SVG_PARTS_H
#include "svg.h"

/* v in [lo, hi], as a place. */
sv_x sv_at(uint64_t v, uint64_t lo, uint64_t hi);
/* amount of largest, both >= 0. */
sv_x sv_share(int64_t amount, int64_t largest);
/* "12.345%", without what is 0 at its end. */
void sv_mark_x(sv_html *h, sv_x x);
void sv_rect(sv_html *h, const char *class, sv_x x, int y, sv_x w, int height);
void sv_hatched(sv_html *h, sv_x x, int y, sv_x w, int height);
void sv_line(sv_html *h, const char *class, sv_x x1, int y1, sv_x x2, int y2);
/* dx: pixels */
void sv_label(sv_html *h, const char *class, sv_x x, int y, int dx, const char *text);
/* The opening, the shapes and the end; both are released. label empty: hidden. */
void sv_picture(sv_html *h, const char *class, int height, sv_html *label, sv_html *shapes);
void sv_beam_at(sv_html *h, sv_span from, int y, int height);
/* Shorter than 48: numbers with commas, and words around them. */
typedef struct { char text[96]; } sv_words;
sv_words sv_count_words(uint64_t n);

#endif
