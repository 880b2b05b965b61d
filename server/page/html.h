/* html.h - a growing buffer of HTML, and what is written into it: text, amounts, times, digests.
 *
 * What this file decides: how a value becomes text on a page. Nothing reaches a page but through
 * here, so nothing is there that was not escaped.
 *
 * Invariants
 *   1. What a format says is markup, written by us; what its %s brings is text of any origin.
 *   2. A buffer that found no memory, or grew over SV_HTML_MAX, stays as it is and says so at the
 *      end: sv_html_status. Nobody sends half of a page. */
#ifndef SV_HTML_H
#define SV_HTML_H
#include "../../verde/verde.h"

#define SV_HTML_MAX ((size_t)16 << 20) /* bytes: the longest list on a page makes some 200 KB */

typedef struct {
    char *text; /* a 0 follows it; NULL: nothing yet */
    size_t size, room;
    ro_status lost;
} sv_html;

void sv_html_init(sv_html *h);
void sv_html_release(sv_html *h);
/* RO_OK: all of it is there. RO_ENOMEM; RO_ELIMIT: a page would be longer than SV_HTML_MAX. */
ro_status sv_html_status(const sv_html *h, ro_err *err) RO_CHECKED;

/* Markup of ours. %s is escaped, so it may be a value of any origin, as text and in the quotes of
 * an attribute; what is no UTF-8, a control character or turns the direction of writing becomes
 * U+FFFD. Numbers: %c, and %d %i %u %x with l, ll or z. Others are asserted. */
void sv_mark(sv_html *h, const char *format, ...) RO_PRINTF(2, 3);
/* What another buffer has, markup and all. */
void sv_mark_html(sv_html *h, const sv_html *from);

void sv_mark_count(sv_html *h, uint64_t n);    /* 1,234                                       */
void sv_mark_money(sv_html *h, int64_t micro); /* 1,234.50, or all six places where they count */
void sv_mark_micro(sv_html *h, int64_t micro); /* six places, the last four small             */
void sv_mark_signed(sv_html *h, int64_t micro);/* +1.50                                       */
void sv_mark_bytes(sv_html *h, uint64_t n);    /* 4.00 KiB                                    */
void sv_mark_duration(sv_html *h, uint64_t ms);/* 38 ms, 9 min 9 s, 2 d 3 h                   */
/* A time of day; of another day than now_ms the day, with its time where it is to come, with its
 * year where that differs. 0: a dash. */
void sv_mark_time(sv_html *h, uint64_t ms, uint64_t now_ms);
/* The first n hex digits of a digest, all in its title. */
void sv_mark_digest(sv_html *h, const vd_digest *d, uint32_t digits);

#endif
