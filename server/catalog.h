/* catalog.h - who has an account, which replies were given, what can be listed: beside the money
 * and the log, in the same database and the same transactions.
 *
 * What this file decides: what of the service is looked up by others than the state machine.
 *
 * Invariants
 *   1. Tokens are not here, only their hashes.
 *   2. What is read through sv_catalog_read is durable: its connection sees committed rows alone.
 *   3. Every list comes by pages of an index, so a page costs the same however much there is. */
#ifndef SV_CATALOG_H
#define SV_CATALOG_H
#include "ledger.h"

#define SV_NAME_MAX 64u     /* of an account                                     */
#define SV_IDEMPOTENCY_MAX 128u
#define SV_REPLY_KEPT_MS (UINT64_C(24) * 3600 * 1000)

typedef struct sv_catalog sv_catalog;

/* To write, between begin and commit of the ledger, which is kept. */
ro_status sv_catalog_open(sv_ledger *l, sv_catalog **out, ro_err *err) RO_CHECKED;
/* To read what is durable, by a connection of its own: one thread at a time, no transaction. */
ro_status sv_catalog_read(const char *dir, sv_catalog **out, ro_err *err) RO_CHECKED;
void sv_catalog_close(sv_catalog *c);
/* Write something of no meaning. */
ro_status sv_catalog_touch(sv_catalog *c, uint64_t now_ms, ro_err *err) RO_CHECKED;
/* What a reader gives from here to there is of one instant. */
ro_status sv_catalog_freeze(sv_catalog *c, ro_err *err) RO_CHECKED;
void sv_catalog_thaw(sv_catalog *c);

/* ---- accounts --------------------------------------------------------------------------- */

typedef struct { vd_digest id; char name[SV_NAME_MAX + 1]; } sv_client;
/* RO_EDIFFER: the name is taken. */
ro_status sv_catalog_add_client(sv_catalog *c, const sv_client *a, const vd_digest *token,
                                uint64_t now_ms, ro_err *err) RO_CHECKED;
/* The account of an id, of a token's hash; RO_ENOTFOUND. */
ro_status sv_catalog_client(sv_catalog *c, const vd_digest *id, sv_client *a, ro_err *err)
    RO_CHECKED;
ro_status sv_catalog_token(sv_catalog *c, const vd_digest *token, sv_client *a, ro_err *err)
    RO_CHECKED;
ro_status sv_catalog_named(sv_catalog *c, const char *name, sv_client *a, ro_err *err) RO_CHECKED;
/* RO_EDIFFER: the key has an account. */
ro_status sv_catalog_bind(sv_catalog *c, const vd_digest *key, const vd_digest *account,
                          ro_err *err) RO_CHECKED;
/* Of a key that nobody has bound: itself. */
ro_status sv_catalog_account_of(sv_catalog *c, const vd_digest *key, vd_digest *account,
                                ro_err *err) RO_CHECKED;
typedef ro_status sv_digest_row(void *ctx, const vd_digest *d, uint64_t number, ro_err *err);
ro_status sv_catalog_keys(sv_catalog *c, const vd_digest *account, sv_digest_row *row, void *ctx,
                          ro_err *err) RO_CHECKED;

/* ---- money as it is read ----------------------------------------------------------------- */

typedef struct {
    int64_t sum[SV_ACCOUNTS];
    uint64_t accounts[SV_ACCOUNTS]; /* that hold something */
} sv_totals;
ro_status sv_catalog_totals(sv_catalog *c, sv_totals *t, ro_err *err) RO_CHECKED;
/* What an owner has in all accounts of a kind. */
ro_status sv_catalog_balance(sv_catalog *c, sv_account_kind kind, const vd_digest *owner,
                             int64_t *sum, ro_err *err) RO_CHECKED;
typedef struct {
    int64_t id;
    uint64_t stamp_ms, key;
    vd_digest scope;
    sv_account from, to;
    int64_t amount;
} sv_booked;
typedef ro_status sv_booked_row(void *ctx, const sv_booked *b, ro_err *err);
/* Transfers below `before`, newest first, at most `limit`; owner NULL: all. */
ro_status sv_catalog_transfers(sv_catalog *c, const vd_digest *owner, int64_t before,
                               uint32_t limit, sv_booked_row *row, void *ctx, ro_err *err)
    RO_CHECKED;
/* Those of a scope (a task, or what asked for a deposit), in order. */
ro_status sv_catalog_scope(sv_catalog *c, const vd_digest *scope, uint32_t limit,
                           sv_booked_row *row, void *ctx, ro_err *err) RO_CHECKED;
/* Owners who have something free or held, at most `limit`. */
ro_status sv_catalog_holders(sv_catalog *c, uint32_t limit, sv_digest_row *row, void *ctx,
                             ro_err *err) RO_CHECKED;
/* The log's end, as it is durable. */
ro_status sv_catalog_head(sv_catalog *c, uint64_t *position, vd_digest *head, ro_err *err)
    RO_CHECKED;

/* ---- tasks ------------------------------------------------------------------------------ */

typedef struct {
    int64_t number;     /* in the order in which they came */
    vd_digest task, client;
    const char *status;
    uint64_t made_ms;
    const char *full, *brief; /* as it was told when it ended; NULL: it is open */
} sv_listed;
typedef ro_status sv_listed_row(void *ctx, const sv_listed *t, ro_err *err);
typedef struct { const char *status; const vd_digest *client, *key; } sv_filter; /* NULL: any */
ro_status sv_catalog_add_task(sv_catalog *c, const vd_digest *task, uint64_t now_ms, ro_err *err)
    RO_CHECKED;
ro_status sv_catalog_end_task(sv_catalog *c, const vd_digest *task, const char *full,
                              const char *brief, ro_err *err) RO_CHECKED;
ro_status sv_catalog_add_seat(sv_catalog *c, const vd_digest *task, const vd_digest *key,
                              ro_err *err) RO_CHECKED;
/* A task has entered a state; when it entered each, 0: it has not. */
ro_status sv_catalog_enter(sv_catalog *c, const vd_digest *task, uint32_t state, uint64_t now_ms,
                           ro_err *err) RO_CHECKED;
ro_status sv_catalog_entered(sv_catalog *c, const vd_digest *task, uint64_t *at_ms, uint32_t states,
                             ro_err *err) RO_CHECKED;
/* How many tasks entered a state on each of so many days (UTC), of which the last is today. */
ro_status sv_catalog_days(sv_catalog *c, uint32_t state, uint64_t now_ms, uint32_t *days,
                          uint32_t count, ro_err *err) RO_CHECKED;
/* How many tasks and transfers there ever were. */
ro_status sv_catalog_counts(sv_catalog *c, uint64_t *tasks, uint64_t *transfers, ro_err *err)
    RO_CHECKED;
/* Newest first, below number `before`; at most one of the filter's fields is set (asserted). */
ro_status sv_catalog_tasks(sv_catalog *c, const sv_filter *f, int64_t before, uint32_t limit,
                           sv_listed_row *row, void *ctx, ro_err *err) RO_CHECKED;
/* RO_ENOTFOUND. */
ro_status sv_catalog_task(sv_catalog *c, const vd_digest *task, sv_listed_row *row, void *ctx,
                          ro_err *err) RO_CHECKED;
/* What the task was opened with: its bytes from `at` on are the job's. RO_ENOTFOUND. */
ro_status sv_catalog_order(sv_catalog *c, const vd_digest *task, sv_task_row *row, void *ctx,
                           ro_err *err) RO_CHECKED;
/* The messages that a task has accepted, in order, as sv_ledger_events gives them. */
ro_status sv_catalog_messages(sv_catalog *c, const vd_digest *task, sv_event_row *row, void *ctx,
                              ro_err *err) RO_CHECKED;

/* ---- disputes --------------------------------------------------------------------------- */

typedef struct {
    vd_digest task;               /* as it is read */
    uint32_t number, level, pair; /* number: from 1, in the order of their first questions */
    uint64_t begun_ms, ended_ms;  /* its first question, its end; ended 0: it is judged still */
    uint64_t recomputed;          /* elements */
    int decided;                  /* somebody is guilty */
    vd_digest roots[2];
    int ended;
    const char *verdict;          /* JSON; null: it has none, or none yet */
    const void *openings, *evidence;
    uint64_t openings_size, evidence_size; /* evidence: 0 none */
} sv_dispute;
typedef ro_status sv_dispute_row(void *ctx, const sv_dispute *d, ro_err *err);
/* Number a pair of a task, the first time; *count out: how many the task has. Then its end. */
ro_status sv_catalog_begin_dispute(sv_catalog *c, const vd_digest *task, const sv_dispute *d,
                                   uint32_t *count, ro_err *err) RO_CHECKED;
ro_status sv_catalog_end_dispute(sv_catalog *c, const vd_digest *task, const sv_dispute *d,
                                 ro_err *err) RO_CHECKED;
/* number 0: all of a task, without openings and evidence but with their sizes. */
ro_status sv_catalog_disputes(sv_catalog *c, const vd_digest *task, uint32_t number,
                              sv_dispute_row *row, void *ctx, ro_err *err) RO_CHECKED;

/* The last of all tasks, newest first, without openings and evidence. */
ro_status sv_catalog_last_disputes(sv_catalog *c, uint32_t limit, sv_dispute_row *row, void *ctx,
                                   ro_err *err) RO_CHECKED;
typedef struct { uint64_t all, ended, decided, recomputed; } sv_dispute_totals;
ro_status sv_catalog_dispute_totals(sv_catalog *c, sv_dispute_totals *t, ro_err *err) RO_CHECKED;

/* ---- providers: keys that ever claimed a slot --------------------------------------------- */

typedef struct { vd_digest key; uint32_t tasks, slashed; uint64_t seen_ms; } sv_provider;
ro_status sv_catalog_claimed(sv_catalog *c, const vd_digest *key, uint64_t now_ms, ro_err *err)
    RO_CHECKED;
/* by: 1, or -1 where a stake came back. */
ro_status sv_catalog_struck(sv_catalog *c, const vd_digest *key, int by, ro_err *err) RO_CHECKED;
/* RO_ENOTFOUND. */
ro_status sv_catalog_provider(sv_catalog *c, const vd_digest *key, sv_provider *p, ro_err *err)
    RO_CHECKED;
typedef ro_status sv_provider_row(void *ctx, const sv_provider *p, ro_err *err);
/* Those who claimed a slot last come first. */
ro_status sv_catalog_providers(sv_catalog *c, uint32_t limit, sv_provider_row *row, void *ctx,
                               ro_err *err) RO_CHECKED;

/* ---- auditors --------------------------------------------------------------------------- */

ro_status sv_catalog_add_auditor(sv_catalog *c, const vd_digest *key, ro_err *err) RO_CHECKED;
ro_status sv_catalog_auditors(sv_catalog *c, sv_digest_row *row, void *ctx, ro_err *err)
    RO_CHECKED;
ro_status sv_catalog_count_audit(sv_catalog *c, const vd_digest *key, ro_err *err) RO_CHECKED;

/* ---- replies that were given ------------------------------------------------------------ */

typedef struct {
    vd_digest request;
    uint32_t status;
    char location[160];
    const void *body;
    uint64_t size;
} sv_given;
/* Called with the reply to (who, key), if there is one. */
typedef ro_status sv_given_row(void *ctx, const sv_given *g, ro_err *err);
ro_status sv_catalog_given(sv_catalog *c, const vd_digest *who, const char *key,
                           sv_given_row *row, void *ctx, ro_err *err) RO_CHECKED;
/* Keep one, and forget some that are older than SV_REPLY_KEPT_MS. */
ro_status sv_catalog_give(sv_catalog *c, const vd_digest *who, const char *key, uint64_t now_ms,
                          const sv_given *g, ro_err *err) RO_CHECKED;

#endif
