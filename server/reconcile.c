/* reconcile.c - what a ledger says, read again from its rows alone.
 *
 * What this file decides: whether money was kept, whether the log is whole, and whether a task that
 * has ended left nothing behind. It shares no code with ledger.c: no trigger, cached balance or
 * stored head is believed.
 *
 * Invariants
 *   1. Nothing is written; the database is opened for reading.
 *   2. Sums are exact whatever the rows say: no sum of SQLite's overflows.
 *   3. The first thing that is wrong is named, with its row and both values. */
#include <errno.h>
#include <sqlite3.h>
#include <unistd.h>

#include "../verde/bytes.h"
#include "ledger.h"

typedef struct {
    sqlite3 *db;
    char *why; /* 256 bytes; [0] 0 while nothing is wrong */
    uint64_t events, transfers, accounts, tasks;
    __int128 money;
    uint8_t key[32], chain[32]; /* chain: the head of the events read so far */
    int has_head;
} pass;

#define WRONG(p, ...) ((void)((p)->why[0] ? 0 : snprintf((p)->why, 256, __VA_ARGS__)))

static ro_status unreadable(sqlite3 *db, ro_err *err)
{
    int code = sqlite3_errcode(db) & 0xff;
    int strange = code == SQLITE_NOTADB || code == SQLITE_CORRUPT || code == SQLITE_ERROR;
    return RO_FAIL(err, strange ? RO_EFORMAT : RO_EIO, "the ledger cannot be read: %s",
                   sqlite3_errmsg(db));
}

/* Call `row` for each row of a query of ours. */
static ro_status each(pass *p, const char *sql, void (*row)(pass *, sqlite3_stmt *), ro_err *err)
{
    sqlite3_stmt *s = NULL;
    int got;
    if (sqlite3_prepare_v2(p->db, sql, -1, &s, NULL) != SQLITE_OK) return unreadable(p->db, err);
    while ((got = sqlite3_step(s)) == SQLITE_ROW) row(p, s);
    ro_status st = got == SQLITE_DONE ? RO_OK : unreadable(p->db, err);
    sqlite3_finalize(s);
    return st;
}

/* A sum that SQLite made by halves of 32 bits, in two columns, so that none overflows. */
static __int128 halves(sqlite3_stmt *s, int n)
{
    return (__int128)sqlite3_column_int64(s, n) * ((int64_t)1 << 32) +
           sqlite3_column_int64(s, n + 1);
}

static void account_row(pass *p, sqlite3_stmt *s)
{
    const char *kind = (const char *)sqlite3_column_text(s, 1);
    long long id = sqlite3_column_int64(s, 0), balance = sqlite3_column_int64(s, 2);
    __int128 sum = halves(s, 3) - halves(s, 5);
    int mint = kind && strcmp(kind, "mint") == 0;
    p->accounts++;
    if (sum != balance)
        WRONG(p, "account %lld (%s) has balance %lld, its transfers add up to %lld", id, kind,
              balance, (long long)sum);
    if (mint ? balance > 0 : balance < 0)
        WRONG(p, "account %lld (%s) has balance %lld", id, kind, balance);
    if (balance < -RF_SUPPLY_MAX || balance > RF_SUPPLY_MAX)
        WRONG(p, "account %lld (%s) has %lld; all money is at most %lld", id, kind, balance,
              (long long)RF_SUPPLY_MAX);
    p->money += balance;
}

static void transfer_row(pass *p, sqlite3_stmt *s)
{
    long long id = sqlite3_column_int64(s, 0), amount = sqlite3_column_int64(s, 1);
    p->transfers++;
    if (amount <= 0) WRONG(p, "transfer %lld moves %lld", id, amount);
    if (sqlite3_column_int64(s, 2))
        WRONG(p, "transfer %lld names an account that is not there", id);
    if (sqlite3_column_int64(s, 3))
        WRONG(p, "transfer %lld moves from an account to itself", id);
    if (sqlite3_column_int64(s, 4)) WRONG(p, "transfer %lld takes from what was burnt", id);
}

static void twice_row(pass *p, sqlite3_stmt *s)
{
    WRONG(p, "transfer %lld was booked twice", (long long)sqlite3_column_int64(s, 0));
}

static void left_row(pass *p, sqlite3_stmt *s)
{
    WRONG(p, "account %lld (%s) has %lld of a task that has ended",
          (long long)sqlite3_column_int64(s, 0), (const char *)sqlite3_column_text(s, 1),
          (long long)sqlite3_column_int64(s, 2));
}

static void lone_row(pass *p, sqlite3_stmt *s)
{
    WRONG(p, "account %lld (%s) is of a task that is not there",
          (long long)sqlite3_column_int64(s, 0), (const char *)sqlite3_column_text(s, 1));
}

static void task_row(pass *p, sqlite3_stmt *s)
{
    p->tasks++;
    if (sqlite3_column_int64(s, 1) > (sqlite3_int64)p->events)
        WRONG(p, "task %lld knows %lld events, the log has %llu",
              (long long)sqlite3_column_int64(s, 0), (long long)sqlite3_column_int64(s, 1),
              (unsigned long long)p->events);
}

/* ---- the log ---------------------------------------------------------------------------- */

static void event_row(pass *p, sqlite3_stmt *s)
{
    uint8_t bytes[32 + 8 + 8 + 32 + 8 + 16];
    const void *task = sqlite3_column_blob(s, 2), *kind = sqlite3_column_blob(s, 4);
    const void *body = sqlite3_column_blob(s, 5), *head = sqlite3_column_blob(s, 6);
    if (p->why[0]) return;
    if (sqlite3_column_int64(s, 0) != (sqlite3_int64)p->events ||
        sqlite3_column_bytes(s, 2) != 32 || sqlite3_column_bytes(s, 4) != 16 ||
        sqlite3_column_bytes(s, 6) != 32) {
        WRONG(p, "event %llu of the log is missing or has another form",
              (unsigned long long)p->events);
        return;
    }
    memcpy(bytes, p->chain, 32);
    vd_put_le(bytes + 32, p->events, 8);
    vd_put_le(bytes + 40, (uint64_t)sqlite3_column_int64(s, 1), 8);
    memcpy(bytes + 48, task, 32);
    vd_put_le(bytes + 80, (uint64_t)sqlite3_column_int64(s, 3), 8);
    memcpy(bytes + 88, kind, 16);
    vd_tagged_hash_two("verde/1 service event", bytes, sizeof bytes, body ? body : "",
                       (size_t)sqlite3_column_bytes(s, 5), p->chain);
    if (memcmp(p->chain, head, 32) != 0)
        WRONG(p, "event %llu of the log does not hash to its head", (unsigned long long)p->events);
    p->events++;
}

static void signer_row(pass *p, sqlite3_stmt *s)
{
    if (sqlite3_column_bytes(s, 0) == 32) memcpy(p->key, sqlite3_column_blob(s, 0), 32);
}

static void head_row(pass *p, sqlite3_stmt *s)
{
    uint8_t bytes[40], digest[32];
    ro_err err = {RO_OK, {0}};
    p->has_head = 1;
    if (sqlite3_column_bytes(s, 1) != 32 || sqlite3_column_bytes(s, 2) != 64 ||
        sqlite3_column_int64(s, 0) != (sqlite3_int64)p->events ||
        memcmp(sqlite3_column_blob(s, 1), p->chain, 32) != 0) {
        WRONG(p, "the signed head is of %lld events, the log has %llu",
              (long long)sqlite3_column_int64(s, 0), (unsigned long long)p->events);
        return;
    }
    vd_put_le(bytes, p->events, 8);
    memcpy(bytes + 8, p->chain, 32);
    vd_tagged_hash("verde/1 service head", bytes, sizeof bytes, digest);
    if (vd_check_signature(p->key, digest, 32, sqlite3_column_blob(s, 2), &err))
        WRONG(p, "the head is not signed by the ledger's key: %.160s", err.msg);
}

static ro_status read_log(pass *p, ro_err *err)
{
    RO_TRY(each(p, "SELECT position, stamp, task, number, kind, body, head FROM event "
                   "ORDER BY position", event_row, err));
    RO_TRY(each(p, "SELECT key FROM signer", signer_row, err));
    RO_TRY(each(p, "SELECT position, head, signature FROM head", head_row, err));
    if (p->events && !p->has_head) WRONG(p, "the log has no signed head");
    return RO_OK;
}

static ro_status read_money(pass *p, ro_err *err)
{
    RO_TRY(each(p, "WITH c AS (SELECT credit AS id, sum(amount >> 32) AS high,"
                   "  sum(amount & 4294967295) AS low FROM transfer GROUP BY credit),"
                   " d AS (SELECT debit AS id, sum(amount >> 32) AS high,"
                   "  sum(amount & 4294967295) AS low FROM transfer GROUP BY debit)"
                   " SELECT a.id, a.kind, a.balance, coalesce(c.high, 0), coalesce(c.low, 0),"
                   "  coalesce(d.high, 0), coalesce(d.low, 0) FROM account a"
                   "  LEFT JOIN c ON c.id = a.id LEFT JOIN d ON d.id = a.id", account_row, err));
    RO_TRY(each(p, "SELECT t.id, t.amount, d.id IS NULL OR c.id IS NULL, t.debit = t.credit,"
                   " d.kind = 'burn' FROM transfer t LEFT JOIN account d ON d.id = t.debit"
                   " LEFT JOIN account c ON c.id = t.credit", transfer_row, err));
    RO_TRY(each(p, "SELECT max(id) FROM transfer GROUP BY scope, key HAVING count(*) > 1",
                twice_row, err));
    if (!p->why[0] && p->money)
        WRONG(p, "the accounts add up to %lld, not to 0", (long long)p->money);
    return RO_OK;
}

static ro_status read_tasks(pass *p, ro_err *err)
{
    RO_TRY(each(p, "SELECT id, position FROM task", task_row, err));
    RO_TRY(each(p, "SELECT a.id, a.kind, a.balance FROM account a JOIN task t ON t.task = a.task"
                   " WHERE t.status IN ('settled', 'refunded') AND a.balance <> 0",
                left_row, err));
    return each(p, "SELECT a.id, a.kind FROM account a WHERE a.kind IN ('held', 'escrow') AND"
                   " NOT EXISTS (SELECT 1 FROM task t WHERE t.task = a.task)", lone_row, err);
}

/* One transaction: a service that runs on meanwhile is seen at one time. */
static ro_status read_all(pass *p, ro_err *err)
{
    sqlite3_stmt *s = NULL;
    if (sqlite3_prepare_v2(p->db, "BEGIN", -1, &s, NULL) != SQLITE_OK ||
        sqlite3_step(s) != SQLITE_DONE) {
        sqlite3_finalize(s);
        return unreadable(p->db, err);
    }
    sqlite3_finalize(s);
    RO_TRY(read_log(p, err));
    RO_TRY(read_money(p, err));
    return read_tasks(p, err);
}

ro_status sv_reconcile(const char *dir, int *balanced, char why[256], FILE *say, ro_err *err)
{
    char path[512];
    pass p;
    memset(&p, 0, sizeof p);
    p.why = why;
    why[0] = 0;
    int n = snprintf(path, sizeof path, "%s/ledger.db", dir);
    if (n < 0 || (size_t)n >= sizeof path)
        return RO_FAIL(err, RO_ELIMIT, "the folder's path has more than 500 bytes");
    if (access(path, R_OK) != 0)
        return RO_FAIL(err, errno == ENOENT ? RO_ENOTFOUND : RO_EIO, "%.160s cannot be read", path);
    int got = sqlite3_open_v2(path, &p.db, SQLITE_OPEN_READONLY, NULL);
    if (!p.db) return RO_FAIL(err, RO_ENOMEM, "no memory for the ledger");
    sqlite3_busy_timeout(p.db, 5000);
    ro_status st = got == SQLITE_OK ? read_all(&p, err) : unreadable(p.db, err);
    sqlite3_close(p.db);
    if (st) return st;
    *balanced = !why[0];
    if (say)
        fprintf(say, "%llu events, %llu accounts, %llu transfers, %llu tasks: %s\n",
                (unsigned long long)p.events, (unsigned long long)p.accounts,
                (unsigned long long)p.transfers, (unsigned long long)p.tasks,
                *balanced ? "balanced" : why);
    return RO_OK;
}
