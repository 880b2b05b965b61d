/* ledger.h - whose money is where, what has happened, and in which order: on the disk before
 * anybody hears of it.
 *
 * What this file decides: what the service keeps for good and what one transaction holds
 * together. No database is named here, so that another can stand behind the same calls.
 *
 * Invariants
 *   1. Money moves by transfers alone, each from one account to another, so the sum over all
 *      accounts is 0: what was paid in is below 0 in the mint, and no other account ever is.
 *   2. A transfer's (scope, key) is booked once. Transfers and events are never changed or removed.
 *   3. The log is a chain of hashes: an event's head follows from all events before it, and the
 *      last head of every transaction is signed.
 *   4. What a transaction wrote is there to stay when sv_ledger_commit returns RO_OK, and the whole
 *      of it, or nothing of it is.
 *   5. The last signed head lies outside of the database too. A database that lacks what it names
 *      is an older copy, and is not opened unless the caller says so.
 *   6. Money moves with an event: so what 5 says of events it says of money.
 *   7. One process has a ledger open for writing. */
#ifndef SV_LEDGER_H
#define SV_LEDGER_H
#include "../referee/money.h"

#define SV_KIND_BYTES 16u               /* of an event's kind: "message", zero padded           */
#define SV_BODY_MAX (UINT64_C(1) << 26)  /* of an event: a payload of 32 MiB and its message     */
#define SV_STATE_MAX (UINT64_C(1) << 29) /* of a saved task                                      */

typedef enum {
    SV_FREE,     /* an owner's, to be used       */
    SV_HELD,     /* an owner's stake in a task   */
    SV_ESCROW,   /* a client's, for a task       */
    SV_TREASURY, /* the referee's                */
    SV_BURN,     /* nothing ever leaves it       */
    SV_MINT,     /* minus all that was paid in   */
    SV_ACCOUNTS
} sv_account_kind;
const char *sv_account_name(sv_account_kind k); /* "free" */

typedef struct {
    sv_account_kind kind;
    vd_digest owner; /* FREE, HELD, ESCROW; else 0 */
    vd_digest task;  /* HELD, ESCROW; else 0       */
} sv_account;

/* What names a transfer. */
typedef struct {
    vd_digest scope; /* the task that it is of, or the digest of what asked for it             */
    uint64_t key;    /* rf_transfer's, or SV_KEY_... and a number below 2^56                   */
} sv_transfer_key;
/* Keys of a task's transfers before its end: rf_transfer keys begin with their purpose (8 bits, 1
 * to 14), these with more. */
#define SV_KEY_ESCROW (UINT64_C(0x80) << 56)
#define SV_KEY_STAKE (UINT64_C(0x81) << 56)   /* + how many stakes were put aside before it     */
#define SV_KEY_RELEASE (UINT64_C(0x82) << 56) /* + member                                       */
#define SV_KEY_DEPOSIT (UINT64_C(0x83) << 56) /* sv_ledger_deposit                               */

typedef struct sv_ledger sv_ledger;

/* Open the ledger of a folder, or begin one in an empty one.
 *   dir       exists; borrowed
 *   key       signs heads; kept
 *   older     1: an older copy of the database is accepted, and what it lacks is given up
 *   returns   RO_OK; RO_EDIFFER an older copy, the ledger of another key, or a log that is not
 *             what its signed head says; RO_EFORMAT not a ledger, or of another version; RO_EIO,
 *             also when another process has it; RO_ENOMEM                                     */
ro_status sv_ledger_open(const char *dir, const vd_key *key, int older, sv_ledger **out,
                         ro_err *err) RO_CHECKED;
void sv_ledger_close(sv_ledger *l); /* an open transaction is undone */

/* Everything below happens in a transaction, one at a time (asserted). After a failure it can only
 * be undone. */
ro_status sv_ledger_begin(sv_ledger *l, ro_err *err) RO_CHECKED;
/* RO_OK: all of it is durable, and the head signed. Else the transaction is over and nothing of it
 * happened; but when sv_ledger_broken nobody knows before it is opened again. */
ro_status sv_ledger_commit(sv_ledger *l, ro_err *err) RO_CHECKED;
void sv_ledger_rollback(sv_ledger *l);
/* Many transactions in one: from sv_ledger_batch on, what is committed is only set apart, and
 * becomes durable, all of it, when sv_ledger_batch_end returns RO_OK; until then nobody may be told
 * of it. One that is undone takes nothing of the others. After a failure of batch_end, or when the
 * ledger is broken meanwhile, none of them happened for sure: it must be opened again. */
ro_status sv_ledger_batch(sv_ledger *l, ro_err *err) RO_CHECKED;
ro_status sv_ledger_batch_end(sv_ledger *l, ro_err *err) RO_CHECKED;
/* 1: a commit has failed half way; every later call fails until it is opened again. */
int sv_ledger_broken(const sv_ledger *l);

/* ---- money ------------------------------------------------------------------------------ */

/* Move an amount, in a transaction that appends an event too (asserted when it is committed).
 *   amount    > 0
 *   returns   RO_OK; RO_ELIMIT the account has less, with a sentence that names both, or more
 *             money than RF_SUPPLY_MAX would be; RO_EDIFFER the key was booked before; RO_EIO   */
ro_status sv_ledger_move(sv_ledger *l, const sv_transfer_key *k, const sv_account *from,
                         const sv_account *to, int64_t amount, ro_err *err) RO_CHECKED;
/* Pay in from outside: a move from the mint, and an event of kind "deposit".
 *   request   what names it: the same is booked once
 *   returns   as sv_ledger_move                                                               */
ro_status sv_ledger_deposit(sv_ledger *l, const vd_digest *request, const sv_account *to,
                            int64_t amount, uint64_t stamp_ms, ro_err *err) RO_CHECKED;
/* Whether a key was booked, and what it moved (0: it was not). */
ro_status sv_ledger_moved(sv_ledger *l, const sv_transfer_key *k, int64_t *amount, ro_err *err)
    RO_CHECKED;
/* 0 for an account that nothing was ever moved to. */
ro_status sv_ledger_balance(sv_ledger *l, const sv_account *a, int64_t *balance, ro_err *err)
    RO_CHECKED;
/* What is in all accounts but the mint, which has as much below 0. RO_EDIFFER when it has not. */
ro_status sv_ledger_total(sv_ledger *l, int64_t *total, ro_err *err) RO_CHECKED;

/* ---- the log ---------------------------------------------------------------------------- */

#define SV_NO_NUMBER UINT64_MAX
typedef struct {
    uint64_t position; /* in the log of the service, from 0: given by sv_ledger_append          */
    uint64_t stamp_ms;
    vd_digest task;
    uint64_t number;   /* the task's own position of it, which receipts name; SV_NO_NUMBER      */
    char kind[SV_KIND_BYTES];
    const void *body;
    uint64_t size;
    vd_digest head;    /* given by sv_ledger_append                                             */
} sv_event;
/* Append an event: position and head are set, a stamp before the last one is raised to it.
 * RO_ELIMIT a body over SV_BODY_MAX; RO_EIO. */
ro_status sv_ledger_append(sv_ledger *l, sv_event *e, ro_err *err) RO_CHECKED;
/* The next position, and the head before it (0 for the first). */
void sv_ledger_head(const sv_ledger *l, uint64_t *position, vd_digest *head);
/* The stamp of the last event, 0 before the first: who stamps the next takes no earlier one. */
uint64_t sv_ledger_stamp(const sv_ledger *l);
/* What head an event with these fields has after `before`. */
vd_digest sv_event_head(const vd_digest *before, const sv_event *e);

/* Called for each row, in order; what it is given is valid until it returns. A status other than
 * RO_OK ends the pass and is returned. */
typedef ro_status sv_event_row(void *ctx, const sv_event *e, ro_err *err);
/* A task's events from a position on, in order. */
ro_status sv_ledger_events(sv_ledger *l, const vd_digest *task, uint64_t from, sv_event_row *row,
                           void *ctx, ro_err *err) RO_CHECKED;
/* The event of a task that has this number; RO_ENOTFOUND. Its body is not given. */
ro_status sv_ledger_numbered(sv_ledger *l, const vd_digest *task, uint64_t number, sv_event *e,
                             ro_err *err) RO_CHECKED;

/* ---- tasks and what is to be told ------------------------------------------------------- */

typedef struct {
    vd_digest task, client;
    const char *status;  /* rf_task_state_name                                                  */
    uint64_t position;   /* events of the log below it are in the state                         */
    const void *order, *state; /* what it was opened with, for good; its state              */
    uint64_t order_size, state_size;
    uint64_t stakes;     /* put aside so far                                                    */
} sv_task_record;
/* Keep a task: a new one, or another state of one. order NULL: as it was. */
ro_status sv_ledger_keep(sv_ledger *l, const sv_task_record *r, ro_err *err) RO_CHECKED;
typedef ro_status sv_task_row(void *ctx, const sv_task_record *r, ro_err *err);
/* All that are neither settled nor refunded, in the order in which they came. */
ro_status sv_ledger_open_tasks(sv_ledger *l, sv_task_row *row, void *ctx, ro_err *err) RO_CHECKED;
/* One, whatever its status; RO_ENOTFOUND. */
ro_status sv_ledger_find(sv_ledger *l, const vd_digest *task, sv_task_row *row, void *ctx,
                         ro_err *err) RO_CHECKED;

/* What is to be told to the world after the transaction: it stays until it was taken. */
typedef struct {
    uint64_t id; /* given by the ledger, ascending */
    vd_digest task;
    char kind[SV_KIND_BYTES];
    const void *body;
    uint64_t size;
} sv_notice;
ro_status sv_ledger_post(sv_ledger *l, const sv_notice *n, ro_err *err) RO_CHECKED;
typedef ro_status sv_notice_row(void *ctx, const sv_notice *n, ro_err *err);
ro_status sv_ledger_notices(sv_ledger *l, sv_notice_row *row, void *ctx, ro_err *err) RO_CHECKED;
ro_status sv_ledger_taken(sv_ledger *l, uint64_t id, ro_err *err) RO_CHECKED;

/* ---- a copy (backup.c) ------------------------------------------------------------------ */

/* Copy a ledger into a folder that has none, also while a service has it open.
 *   to        exists; borrowed
 *   returns   RO_OK: the copy is whole and durable; RO_EUSAGE there is a ledger already;
 *             RO_ENOTFOUND, RO_EIO; RO_ENOMEM                                                  */
ro_status sv_backup(const char *dir, const char *to, ro_err *err) RO_CHECKED;

/* ---- the reconciler (reconcile.c: shares no code with the ledger) ------------------------ */

/* Read a ledger again from its rows alone: balances from transfers, heads from events, what is left
 * in a task that has ended. Writes nothing.
 *   *balanced out: 0: *why is the first thing that is wrong
 *   say       what it counted is printed there; NULL: nothing
 *   returns   RO_OK whatever it found; RO_ENOTFOUND, RO_EIO, RO_EFORMAT it cannot be read      */
ro_status sv_reconcile(const char *dir, int *balanced, char why[256], FILE *say, ro_err *err)
    RO_CHECKED;

#endif
