/* pages.h - from what the service knows to the structs of its pages. Private to pages*.c.
 *
 * What this file decides: what the files that fill pages share. Everything of a page lies in one
 * arena of its request.
 *
 * Invariants
 *   1. A page shows what is durable: views of the engine and rows of a reader.
 *   2. Nothing is shown that was not read or computed here. */
#ifndef SV_PAGES_H
#define SV_PAGES_H
#include "api.h"
#include "page/page.h"

/* A request for a page. */
typedef struct {
    sv_api *api;
    sv_catalog *c;   /* of the thread that this runs on */
    ro_arena *arena;
    uint64_t now_ms;
    ro_err err;      /* the first failure, RO_OK: none  */
} sv_paging;

/* Room of the request; failure is noted, and what is given then is not to be used. */
void *sv_paging_room(sv_paging *p, size_t size);
/* A text of the request, never NULL. */
const char *sv_paging_text(sv_paging *p, const char *format, ...) RO_PRINTF(2, 3);
/* What was marked, as a text of the request; h is released. */
const char *sv_paging_keep(sv_paging *p, sv_html *h);
/* "8 min", "24 h" */
const char *sv_paging_duration(sv_paging *p, uint64_t ms);
/* 0, and noted, unless st is RO_OK. */
int sv_paging_ok(sv_paging *p, ro_status st);

/* A provider by its key: the name of its account, where that has one. A client by its id. */
sv_page_who sv_paging_who(sv_paging *p, const vd_digest *key);
sv_page_who sv_paging_client(sv_paging *p, const vd_digest *id);

/* ---- tasks as they are told (pages_task.c) ---------------------------------------------- */

typedef struct {
    vd_digest key, account, root;
    rf_role role;
    rf_stage stage;
    rf_loss lost;
    int assigned, provisional, has_root, stands;
} sv_told_member;

typedef struct {
    vd_digest id, client, job;
    rf_task_state state;
    rf_end end;
    uint64_t created_ms, changed_ms, deadline_ms;
    const char *record;
    uint64_t job_bytes, steps, nodes, flops, output_bytes, finality_ms, challenges;
    uint32_t slots, roots, disputes, member_count;
    int64_t reward, stake, escrow;
    const sv_told_member *members;
} sv_told;

/* One of the list of providers. */
void sv_paging_provider(sv_paging *p, const sv_provider *r, sv_page_provider_line *out);
/* A task; 0: there is none, or a failure was noted. */
int sv_paging_task(sv_paging *p, const vd_digest *id, sv_told *out);
/* The same from its JSON. */
int sv_paging_told(sv_paging *p, const char *json, sv_told *out);
/* Its line in a list. */
sv_page_task_line sv_paging_line(sv_paging *p, const sv_told *t);
/* "Task 51be88d7": tasks have no other name. */
const char *sv_paging_name(sv_paging *p, const vd_digest *id);

/* ---- disputes (pages_dispute.c) ---------------------------------------------------------- */

/* What is kept of a pair. ended_ms 0: it is judged. */
typedef struct {
    vd_digest task, roots[2];
    uint32_t number, level, pair;
    uint64_t begun_ms, ended_ms, recomputed, openings, evidence;
    int guilty[2], has_step;
    uint64_t step;
    const char *where; /* of the verdict */
} sv_pair;
/* All pairs of a task, in order; NULL and *count 0: none. */
const sv_pair *sv_paging_pairs(sv_paging *p, const vd_digest *task, uint32_t *count);
/* The same of one row. */
void sv_paging_row(sv_paging *p, const sv_dispute *d, sv_pair *out);
/* Who stood on each side of a pair, from the members of its task. */
void sv_paging_sides(sv_paging *p, const sv_told *t, const vd_digest roots[2],
                     sv_page_crowd sides[2]);
const char *sv_paging_verdict(sv_paging *p, const sv_pair *d, const sv_page_crowd sides[2]);

/* ---- replies (pages.c) ------------------------------------------------------------------ */

sv_page_frame sv_paging_frame(sv_paging *p);
/* The page into the reply, or why there is none. */
void sv_paging_send(sv_paging *p, sv_exchange *x, sv_html *h, unsigned status);
void sv_paging_missing(sv_paging *p, sv_exchange *x, const char *what);
/* What names a page that follows from the log alone. */
void sv_paging_etag(sv_paging *p, sv_exchange *x, const sv_page_frame *f);
int sv_paging_begin(sv_paging *p, sv_api *a, sv_catalog *c, sv_exchange *x);
void sv_paging_end(sv_paging *p);

/* Handlers. */
void sv_get_task_page(sv_api *a, sv_exchange *x);
void sv_get_provider_page(sv_api *a, sv_exchange *x);
void sv_get_dispute_page(sv_api *a, sv_exchange *x);
#endif
