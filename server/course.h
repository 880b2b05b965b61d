/* course.h - the course of a dispute, from the answers that were accepted in it.
 *
 * What this file decides: what the page of a dispute draws. All of it is computed from openings
 * that hash up to what both sides committed to, and from the job.
 *
 * Invariants
 *   1. A comparison is of two digests that both sides opened; a leaf is known to agree or to differ
 *      only when both sides' digests of it, or of what holds it, were opened.
 *   2. The same openings give the same page. */
#ifndef SV_COURSE_H
#define SV_COURSE_H
#include "page/page.h"

/* An answer to a question, in the order of acceptance; bytes NULL: nobody gave one. */
typedef struct { rf_question q; const uint8_t *bytes; size_t size; } sv_opening;

typedef struct {
    const sv_opening *list;
    uint32_t count;
    rf_question open[RF_OPEN_MAX]; /* what is asked now */
    uint32_t open_count;
    int has_verdict;
    rf_verdict verdict;            /* guilty[].party is 0 or 1: the side */
} sv_course;

/* Play a pair's game again from its transcript (docs/API.md, "Questions").
 *   s         of two parties, online; borrowed
 *   bytes     of any origin; what is drawn points into them
 *   *out      out: in the arena
 *   returns   RO_OK; RO_EFORMAT it is none, or has an answer that the game does not take; what
 *             rf_game_new and rf_game_offer return
 *   cost      a pass of the game for each opening                  thread  any, one game each   */
ro_status sv_course_replay(const rf_setup *s, const void *bytes, size_t n, ro_arena *a,
                           sv_course *out, ro_err *err) RO_CHECKED;

/* Fill what of a dispute's page follows from its course: state, guilty, verdict, the way down, the
 * node, element, values, counts. The rest of *p is the caller's, and stays.
 *   j         sealed; borrowed, as c is: the page points into both
 *   returns   RO_OK; RO_ENOMEM                                                                */
ro_status sv_course_draw(const sv_course *c, const vd_job *j, ro_arena *a, sv_page_dispute *p,
                         ro_err *err) RO_CHECKED;

#endif
