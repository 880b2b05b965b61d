/* api.h - the routes of docs/API.md: which there are, who may, where each runs.
 *
 * What this file decides: what every route shares. What a route does is beside its table, by
 * purpose: api.c (health, accounts, money), api_tasks.c, api_files.c, pages.c.
 *
 * Invariants
 *   1. Reads run on the thread of HTTP and see what is durable. Whatever changes something runs in
 *      the engine's, and is answered after it is durable.
 *   2. A body is read strictly: unknown and doubled keys, other types, trailing bytes are refused.
 *   3. Nothing of a token is kept but its hash. */
#ifndef SV_API_H
#define SV_API_H
#include "clerk.h"
#include "engine.h"
#include "fields.h"
#include "http.h"

typedef struct sv_api sv_api;
typedef void sv_handler(sv_api *a, sv_exchange *x);

enum {
    SV_WRITES = 1,    /* in the engine's thread                                     */
    SV_ONCE = 2,      /* takes an Idempotency-Key                                   */
    SV_OPERATOR = 4,  /* the operator alone                                         */
    SV_CLIENT = 8,    /* an account's token, or the operator's                      */
    SV_HEAVY = 16,    /* on the clerk's thread                                      */
    SV_FILE = 32,     /* its body goes to a file: `head` is called first            */
    SV_PREPARED = 64  /* `head` is called with the body, before the engine's turn   */
};
typedef struct {
    sv_method method;
    const char *pattern; /* {id}, {other}: 64 hex digits; {n}, {m}: numbers, 32 bits  */
    sv_handler *handle;
    unsigned flags;
    uint64_t body_max;
    const char *type;    /* of its body; NULL: none                                 */
    sv_handler *head;    /* SV_FILE, SV_PREPARED                                    */
    sv_handler *again;   /* SV_ONCE: makes a reply anew that is not to be kept      */
} sv_route;
/* Their last has pattern NULL. */
extern const sv_route sv_routes_tasks[], sv_routes_files[], sv_routes_pages[];

/* A file that is built in: docs/openapi.json. */
typedef struct { const unsigned char *bytes; size_t size; } sv_embedded;
extern const sv_embedded sv_openapi;

struct sv_api {
    sv_engine *engine;
    sv_catalog *reader;   /* of HTTP's thread */
    sv_catalog *clerk_reader;
    vd_store *store;      /* of HTTP's thread, for looking */
    sv_http *http;
    sv_clerk *clerk;      /* heavy requests and files, one after the other */
    sv_rules rules;
    vd_digest operator_token;
    int folder;           /* of the data */
    uint64_t started_ms;
    char address[160];    /* "http://127.0.0.1:8321": for commands on pages */
    struct sv_upload *uploads; /* under way; api_files.c */
};

/* Fill a->folder and the rest is given; then sv_http_open with these calls. */
sv_http_calls sv_api_calls(sv_api *a);
vd_digest sv_token_hash(const char *token);

/* ---- for handlers ----------------------------------------------------------------------- */

/* sv_fields of an exchange's body; 0: the reply says why not. */
int sv_body_fields(sv_exchange *x, const char *const *names, const char **values, uint32_t count,
                   char room[SV_FIELDS_ROOM]);
/* A failure of ours or the world's as a reply: RO_ENOMEM, RO_EIO: 503, and so on. */
void sv_reply_failed(sv_reply *r, ro_status st, const ro_err *err);
/* ?limit= and ?cursor=: 0 with a reply when they are not what they may be. */
int sv_page_of(sv_exchange *x, uint32_t *limit, int64_t *before);
/* A page that is being written. */
typedef struct { sv_text *t; uint32_t left; int64_t last; } sv_listing;
/* Post something of an exchange to the engine; its reply is sent when `run` is durable. The
 * exchange must be waiting. */
void sv_api_write(sv_api *a, sv_exchange *x, sv_handler *run);
void sv_fresh(uint8_t *bytes, size_t n); /* chance, from the system */
void sv_etag(sv_reply *r, const vd_digest *d);
/* The page that says that there is nothing, where HTML is asked for (pages.c); 0: it is not. */
int sv_page_not_found(sv_api *a, sv_exchange *x);
/* Post what is heavy to the clerk, from any thread; `run` ends with sv_http_done. The exchange must
 * be waiting. */
void sv_api_heavy(sv_api *a, sv_exchange *x, sv_handler *run);

/* What a handler keeps of an exchange begins with this: x->mine. */
typedef struct { void (*over)(sv_api *a, sv_exchange *x); } sv_mine;

/* A change of the catalog alone, in a transaction of its own. */
#define SV_IN_TRANSACTION(a, st, err, call)                                                       \
    do {                                                                                       \
        (st) = sv_ledger_begin(sv_engine_ledger((a)->engine), (err));                          \
        if ((st) == RO_OK) {                                                                   \
            (st) = (call);                                                                     \
            if (st) sv_ledger_rollback(sv_engine_ledger((a)->engine));                         \
            else (st) = sv_ledger_commit(sv_engine_ledger((a)->engine), (err));                \
        }                                                                                      \
    } while (0)

#endif
