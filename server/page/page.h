/* page.h - the pages of the service: plain structs in, HTML out.
 *
 * What this file decides: what a page needs to know. Who fills the structs takes them from the
 * ledger, the tasks and the games; what is drawn follows from them and from nothing else.
 *
 * Invariants
 *   1. A page is whole without its script; the script asks for the same page again.
 *   2. Names, texts and numbers may be of any origin and any size.
 *   3. Strings are UTF-8 or not, borrowed, and never NULL where it is not said.
 *   4. A page function writes all of the document; sv_html_status says whether it has it. */
#ifndef SV_PAGE_H
#define SV_PAGE_H
#include "svg.h"

/* ---- what every page has ---------------------------------------------------------------- */

typedef struct {
    uint64_t now_ms;
    const char *version;    /* "0.1.0"                                                         */
    const char *server;     /* "http://127.0.0.1:8321", for commands                           */
    vd_digest referee;      /* its key                                                         */
    uint64_t events;        /* in the log                                                      */
    vd_digest head;
    const char *trouble;    /* NULL: ready. "Not taking new work: the disk is full."           */
    const char *trouble_why;/* with trouble: what happened, in sentences                       */
    uint64_t trouble_ms;    /* since when; 0: not known                                        */
} sv_page_frame;

/* Who takes part. key: 0s where there is no page of it (an account that is no provider). */
typedef struct { const char *name; vd_digest key; int is_provider; } sv_page_who;
typedef struct { const sv_page_who *list; uint32_t count; } sv_page_crowd;

/* A file to download. */
typedef struct {
    const char *name, *note, *href;
    uint64_t size;
    vd_digest digest;
    int has_digest;
} sv_page_file;
typedef struct { const sv_page_file *list; uint32_t count; } sv_page_files;

/* A line of a list of properties; is_code: set as code. */
typedef struct { const char *name, *value; int is_code; } sv_page_property;
typedef struct { const sv_page_property *list; uint32_t count; } sv_page_properties;

/* ---- / ---------------------------------------------------------------------------------- */

typedef struct {
    vd_digest id;
    const char *name, *what; /* "fashion-mnist-mlp"; "training, 937 steps"                     */
    rf_task_state state;
    rf_end end;              /* of a task that has ended                                       */
    int disputed;
    uint64_t deadline_ms, changed_ms;
    sv_page_crowd members;
    uint32_t slots, claimed, committed, revealed, standing, roots;
    uint32_t dispute;        /* its last one, from 1; 0: none                                  */
    const char *outcome;     /* with dispute: "cedar wrong at step 412"; NULL: not yet         */
    int64_t escrow, paid;
} sv_page_task_line;

typedef enum { SV_DISPUTE_OPEN, SV_DISPUTE_DECIDED, SV_DISPUTE_UNDECIDED } sv_page_dispute_state;
typedef struct {
    vd_digest task;
    const char *name;
    uint32_t number;       /* from 1 */
    uint64_t at_ms;
    sv_page_crowd sides[2];
    int guilty[2];
    sv_page_dispute_state state;
    const char *verdict;   /* "cedar wrong", "open" */
    const char *where;     /* "outputs: step 412, node 37 Conv, element [14, 3, 1, 2]" */
    uint64_t recomputed;
} sv_page_dispute_line;

typedef struct {
    sv_page_who who;
    const char *note;      /* "cpu AVX2", of its last reveal; may be empty */
    int64_t free_amount, held;
    uint32_t tasks, slashed;
    uint64_t seen_ms;
} sv_page_provider_line;

typedef struct { const char *name, *detail; int holds; } sv_page_check;

#define SV_PAGE_DAYS 14u
typedef struct {
    const sv_page_task_line *tasks;
    uint32_t task_count;
    uint64_t task_total;
    uint32_t by_state[RF_T_REFUNDED + 1u]; /* of all tasks                                      */
    uint32_t settled[SV_PAGE_DAYS];        /* a day, the last is today                          */
    const sv_page_dispute_line *disputes;
    uint32_t dispute_count;
    uint64_t disputes_open, disputes_decided, disputes_undecided, recomputed;
    const sv_page_provider_line *providers;
    uint32_t provider_count;
    const sv_page_check *checks;
    uint32_t check_count;
    uint64_t transfers;
    int64_t difference;                    /* of the ledger: 0                                  */
    const char *older;                     /* where older tasks are: NULL: these are all        */
} sv_page_index;
void sv_page_write_index(sv_html *h, const sv_page_frame *f, const sv_page_index *p);

/* ---- /tasks/ID -------------------------------------------------------------------------- */

/* When a state was entered; 0: not yet. */
typedef struct { uint64_t at_ms; const char *note; } sv_page_moment;

typedef struct {
    sv_page_who who;
    rf_role role;
    rf_stage stage;
    rf_loss lost;
    int provisional;
    int has_root, has_commitment;
    uint32_t claim;             /* its letter, from 0: equal roots, one letter                 */
    vd_digest root, commitment;
    uint64_t committed_ms, revealed_ms;
    int64_t stake, received;    /* received: above its stake                                   */
} sv_page_member;

typedef struct { uint32_t number; const char *verdict, *where; int open; } sv_page_task_dispute;
typedef struct { const char *what; int64_t amount; } sv_page_cost;

typedef struct {
    sv_page_task_line line;
    sv_page_who client;
    sv_page_moment moments[RF_T_REFUNDED + 1u]; /* by state */
    const sv_page_member *members;
    uint32_t member_count;
    const sv_page_task_dispute *disputes;
    uint32_t dispute_count;
    const sv_page_cost *costs;  /* what left the escrow, so far                                */
    uint32_t cost_count;
    int64_t returned;
    sv_page_files files;
    sv_page_properties job;
    uint64_t finality_ms;
    uint32_t transfers;         /* that settled it                                             */
} sv_page_task;
void sv_page_write_task(sv_html *h, const sv_page_frame *f, const sv_page_task *p);

/* ---- /tasks/ID/disputes/N --------------------------------------------------------------- */

/* A field of what the two sides say of the node: descriptors, digests. */
typedef struct { const char *field; const char *says[2]; int differs; } sv_page_difference;

typedef struct {
    vd_digest task;
    const char *name;            /* of the task                                                */
    uint32_t number, of;         /* pairs are numbered from 1, in the order judged             */
    sv_page_crowd sides[2];      /* claims A and B                                             */
    vd_digest roots[2], job;
    uint64_t steps_total;
    int guilty[2];
    sv_page_dispute_state state;
    const rf_verdict *verdict;   /* NULL: open                                                 */
    const char *waiting;         /* open: who must answer what; else ""                        */
    uint64_t deadline_ms;
    int faulted;                 /* undecided for a fault of the referee                       */
    /* the way down; n 0: not reached, or not of this dispute */
    sv_descent segments, steps, nodes, chunks;
    /* has_node */
    const char *op;
    uint32_t op_version;
    const uint32_t *inputs, *uses; /* uses: the first SV_USES_MAX                              */
    uint32_t input_count, use_count, use_total;
    const sv_page_difference *differences; /* structure, inputs                                */
    uint32_t difference_count;
    /* has_element */
    ro_type type;
    const char *index;           /* "[14, 3, 1, 2]"                                            */
    const uint8_t *unlike;       /* of the chunk's elements, a byte each                       */
    uint32_t element_count, element; /* in the chunk                                           */
    /* values: of the element, or of the part that was recomputed */
    int has_values, has_recomputed, is_part;
    ro_dtype value_type;
    uint64_t values[2], recomputed;
    uint64_t bytes_read, recomputed_count, questions;
    uint64_t reads;              /* chunks of inputs that the value follows from; 0: not known */
    uint64_t job_flops, element_flops;     /* 0: not known                                     */
    uint64_t opened_ms, ended_ms;
    int64_t stake;               /* lost by each on a guilty side                              */
    sv_page_files files;         /* evidence first                                             */
    const char *evidence;        /* its path on the server; NULL: there is none                */
} sv_page_dispute;
void sv_page_write_dispute(sv_html *h, const sv_page_frame *f, const sv_page_dispute *p);

/* ---- /providers/KEY --------------------------------------------------------------------- */

typedef struct {
    vd_digest task;
    const char *name, *what;
    uint32_t dispute;       /* from 1; 0: none                                                 */
    rf_loss lost;
    const char *why;        /* "step 412, node 37 Conv, element [14, 3, 1, 2]"; may be empty   */
    uint64_t at_ms;
    int64_t amount;         /* what it lost, > 0                                               */
    int64_t burned, treasury, shared;
} sv_page_slash;

typedef struct {
    vd_digest task;
    const char *name, *what;
    rf_task_state state;
    rf_loss lost;
    int64_t change;         /* of its stake */
    uint64_t at_ms;
} sv_page_provider_task;

typedef struct {
    sv_page_provider_line line;
    int64_t earned, lost_amount, stake; /* stake: what a task asked for last                   */
    uint32_t paid;
    uint64_t joined_ms;
    sv_history history;
    const sv_page_slash *slashes;
    uint32_t slash_count;
    const sv_page_provider_task *tasks;
    uint32_t task_count;
    uint64_t task_total;
    sv_page_properties identity;
} sv_page_provider;
void sv_page_write_provider(sv_html *h, const sv_page_frame *f, const sv_page_provider *p);

/* ---- /ledger ---------------------------------------------------------------------------- */

typedef struct { sv_page_who who; vd_digest account; int64_t places[SV_PLACES]; } sv_page_balance;
typedef struct {
    uint64_t number;
    const char *from, *to, *purpose;
    int64_t amount;
} sv_page_transfer;
/* Transfers of one transaction. */
typedef struct {
    const char *title;          /* "Settlement of" */
    const char *name;           /* of the task; may be empty */
    vd_digest task;
    int has_task;
    uint64_t at_ms;
    const sv_page_transfer *list;
    uint32_t count;
} sv_page_group;

typedef struct {
    int64_t deposits, withdrawals, places[SV_PLACES]; /* places sum to what stayed: checked      */
    const sv_page_balance *balances;
    uint32_t balance_count;
    uint64_t accounts;          /* that are not empty                                          */
    uint64_t transfers;
    uint64_t checked_ms, reconciled_ms;
    const sv_page_group *groups;
    uint32_t group_count;
    const char *older;          /* NULL: these are all                                         */
} sv_page_ledger;
void sv_page_write_ledger(sv_html *h, const sv_page_frame *f, const sv_page_ledger *p);

/* ---- 404 -------------------------------------------------------------------------------- */

/* what: "task", "provider", "dispute", "page"; id: as it was asked for. */
typedef struct { const char *what, *id; } sv_page_missing;
void sv_page_write_missing(sv_html *h, const sv_page_frame *f, const sv_page_missing *p);

/* ---- files of the pages ----------------------------------------------------------------- */

/* verde.css, live.js, favicon.svg, as they were when the program was built. */
typedef struct {
    const char *path, *type, *etag; /* etag: quoted, of the bytes */
    const unsigned char *bytes;
    size_t size;
} sv_page_asset;
const sv_page_asset *sv_page_find_asset(const char *path); /* NULL: there is none */

#endif
