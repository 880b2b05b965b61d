/* parts.h - what the pages have in common. Private to the page. */
#ifndef SV_PAGE_PARTS_H
#define SV_PAGE_PARTS_H
#include "page.h"

typedef enum {
    SV_NAV_NONE, SV_NAV_OVERVIEW, SV_NAV_DISPUTES, SV_NAV_PROVIDERS, SV_NAV_LEDGER
} sv_nav;

/* Head, header and the beginning of main. events: the stream that this page listens to; NULL:
 * nothing here changes. The title is what `title` has written. */
void sv_page_begin(sv_html *h, const sv_page_frame *f, const sv_html *title, sv_nav here,
                   const char *events);
void sv_page_end(sv_html *h, const sv_page_frame *f);

/* An id as its first 8 digits; a path of pages. */
void sv_mark_short(sv_html *h, const vd_digest *id);
void sv_mark_task_path(sv_html *h, const vd_digest *id);
void sv_mark_dispute_path(sv_html *h, const vd_digest *id, uint32_t number);
/* A name, set apart from the direction of the text around it; a link where it is a provider. */
void sv_mark_who(sv_html *h, const sv_page_who *w);
void sv_mark_name(sv_html *h, const char *name);
/* "alder", "alder and birch", "alder, birch and 3 more". */
void sv_mark_crowd(sv_html *h, const sv_page_crowd *c, int links);
/* The letter of a claim, 0 is A: dashed where it is, or may be, the wrong one. */
void sv_mark_claim(sv_html *h, uint32_t claim, int wrong);
void sv_mark_recomputed(sv_html *h);
void sv_mark_state(sv_html *h, rf_task_state s, int disputed);
const char *sv_state_word(rf_task_state s); /* "OPEN" */
void sv_mark_files(sv_html *h, const sv_page_files *f, const char *caption);
void sv_mark_properties(sv_html *h, const sv_page_properties *p);
/* A command and what it prints; `out` may be empty. */
void sv_mark_command(sv_html *h, const char *label, const sv_html *in, const sv_html *out);
/* "s" unless there is one. */
const char *sv_plural(uint64_t n);
/* What a stake was lost for, in words: "a wrong output". */
const char *sv_loss_words(rf_loss l);

#endif
