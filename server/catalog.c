/* catalog.c - accounts, lists and replies in the ledger's database.
 *
 * What this file decides: the tables that are neither money nor log.
 *
 * Invariants
 *   1. Nothing here moves money or makes an event.
 *   2. A list is read along an index, a page at a time. */
#include "catalog.h"

#include <string.h>
#include <unistd.h>

#include "../verde/files.h"
#include "database.h"

const char sv_catalog_schema[] =
    "CREATE TABLE client(id BLOB PRIMARY KEY CHECK(length(id) = 32), name TEXT NOT NULL UNIQUE,"
    " token BLOB NOT NULL UNIQUE CHECK(length(token) = 32), made INTEGER NOT NULL)"
    " STRICT, WITHOUT ROWID;"
    "CREATE TABLE bound(key BLOB PRIMARY KEY CHECK(length(key) = 32),"
    " account BLOB NOT NULL CHECK(length(account) = 32)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX bound_account ON bound(account);"
    "CREATE TABLE given(who BLOB NOT NULL, key TEXT NOT NULL, made INTEGER NOT NULL,"
    " request BLOB NOT NULL, status INTEGER NOT NULL, location TEXT NOT NULL, body BLOB NOT NULL,"
    " PRIMARY KEY(who, key)) STRICT;"
    "CREATE INDEX given_made ON given(made);"
    "CREATE TABLE told(task BLOB PRIMARY KEY CHECK(length(task) = 32), made INTEGER NOT NULL,"
    " full TEXT, brief TEXT) STRICT;"
    "CREATE TABLE seat(key BLOB NOT NULL, task INTEGER NOT NULL REFERENCES task(id),"
    " PRIMARY KEY(key, task)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX task_client ON task(client, id);"
    "CREATE INDEX task_status ON task(status, id);"
    "CREATE TABLE dispute(task BLOB NOT NULL, number INTEGER NOT NULL, level INTEGER NOT NULL,"
    " pair INTEGER NOT NULL, root BLOB NOT NULL, other BLOB NOT NULL, begun INTEGER NOT NULL,"
    " ended INTEGER NOT NULL, decided INTEGER NOT NULL, recomputed INTEGER NOT NULL,"
    " verdict TEXT NOT NULL, openings BLOB NOT NULL, evidence BLOB NOT NULL,"
    " PRIMARY KEY(task, number), UNIQUE(task, level, pair)) STRICT;"
    "CREATE INDEX dispute_counts ON dispute(ended, decided, recomputed);"
    "CREATE TABLE entered(task BLOB NOT NULL, state INTEGER NOT NULL, at INTEGER NOT NULL,"
    " PRIMARY KEY(task, state)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX entered_at ON entered(state, at);"
    "CREATE TABLE provider(key BLOB PRIMARY KEY CHECK(length(key) = 32), tasks INTEGER NOT NULL,"
    " slashed INTEGER NOT NULL, seen INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE INDEX provider_seen ON provider(seen);"
    "CREATE TABLE auditor(key BLOB PRIMARY KEY CHECK(length(key) = 32), audits INTEGER NOT NULL)"
    " STRICT, WITHOUT ROWID;"
    /* what an owner sees of the transfers, without a look at those of others */
    "CREATE TABLE statement(owner BLOB NOT NULL, transfer INTEGER NOT NULL,"
    " PRIMARY KEY(owner, transfer)) STRICT, WITHOUT ROWID;"
    "CREATE TRIGGER transfer_is_stated AFTER INSERT ON transfer BEGIN"
    " INSERT OR IGNORE INTO statement SELECT owner, NEW.id FROM account"
    " WHERE id IN (NEW.debit, NEW.credit) AND kind IN ('free', 'held', 'escrow'); END;"
    /* accounts of tasks that have ended hold nothing and are not in it */
    "CREATE INDEX account_holds ON account(kind, owner, balance) WHERE balance <> 0;";

typedef enum {
    Q_CLIENT_NEW, Q_CLIENT_NAMED, Q_CLIENT, Q_TOKEN, Q_BIND, Q_BOUND, Q_KEYS, Q_TOTALS, Q_BALANCE,
    Q_TRANSFERS, Q_STATEMENT, Q_HEAD, Q_TASK_NEW, Q_TASK_END, Q_SEAT, Q_TASKS, Q_TASKS_STATUS,
    Q_TASKS_CLIENT, Q_TASKS_KEY, Q_TASK, Q_ORDER, Q_MESSAGES, Q_DISPUTES, Q_DISPUTE_NEW,
    Q_DISPUTE_END, Q_DISPUTE_ALL, Q_DISPUTE, Q_DISPUTE_LAST, Q_DISPUTE_TOTALS, Q_SCOPE, Q_HOLDERS,
    Q_ENTER, Q_ENTERED, Q_DAYS, Q_COUNTS, Q_CLAIMED, Q_STRUCK, Q_PROVIDERS, Q_PROVIDER,
    Q_AUDITOR_NEW, Q_AUDITORS, Q_AUDIT, Q_GIVEN, Q_GIVE, Q_FORGET,
    Q_TOUCH,
    Q_COUNT
} query;

#define TRANSFER_COLUMNS                                                                       \
    "SELECT t.id, coalesce(e.stamp, 0), t.key, t.scope, a.kind, a.owner, a.task, b.kind, "     \
    "b.owner, b.task, t.amount FROM "
#define TRANSFER_JOINS                                                                         \
    "JOIN account a ON a.id = t.debit JOIN account b ON b.id = t.credit "                      \
    "LEFT JOIN event e ON e.position = t.event "
#define DISPUTE_COLUMNS                                                                        \
    "SELECT number, level, pair, root, other, verdict, length(openings), length(evidence), "
#define DISPUTE_MORE ", task, begun, ended, decided, recomputed FROM dispute "
#define PROVIDER_COLUMNS "SELECT key, tasks, slashed, seen FROM provider "
#define HOLDERS(kind)                                                                          \
    "SELECT owner, 0 FROM (SELECT owner FROM account WHERE kind = '" kind "' "                 \
    "AND balance <> 0 ORDER BY owner LIMIT ?1)"
#define TASK_COLUMNS                                                                           \
    "SELECT t.id, t.task, t.client, t.status, o.made, o.full, o.brief FROM "
static const char *const queries[Q_COUNT] = {
    [Q_CLIENT_NEW] = "INSERT INTO client(id, name, token, made) VALUES(?1, ?2, ?3, ?4)",
    [Q_CLIENT_NAMED] = "SELECT id, name FROM client WHERE name = ?1",
    [Q_CLIENT] = "SELECT id, name FROM client WHERE id = ?1",
    [Q_TOKEN] = "SELECT id, name FROM client WHERE token = ?1",
    [Q_BIND] = "INSERT INTO bound(key, account) VALUES(?1, ?2)",
    [Q_BOUND] = "SELECT account FROM bound WHERE key = ?1",
    [Q_KEYS] = "SELECT key, 0 FROM bound WHERE account = ?1 ORDER BY key",
    [Q_TOTALS] = "SELECT kind, sum(balance), count(*) FROM account WHERE balance <> 0 "
                 "GROUP BY kind",
    [Q_BALANCE] = "SELECT coalesce(sum(balance), 0) FROM account "
                  "WHERE kind = ?1 AND owner = ?2 AND balance <> 0",
    [Q_TRANSFERS] = TRANSFER_COLUMNS "transfer t " TRANSFER_JOINS
                    "WHERE t.id < ?1 ORDER BY t.id DESC LIMIT ?2",
    [Q_STATEMENT] = TRANSFER_COLUMNS "statement s JOIN transfer t ON t.id = s.transfer "
                    TRANSFER_JOINS "WHERE s.owner = ?3 AND s.transfer < ?1 "
                    "ORDER BY s.transfer DESC LIMIT ?2",
    [Q_TOUCH] = "INSERT INTO given(who, key, made, request, status, location, body) "
                "VALUES(x'', '', ?1, x'', 0, '', x'') ON CONFLICT DO UPDATE SET made = ?1",
    [Q_HEAD] = "SELECT position, head FROM head WHERE id = 1",
    [Q_TASK_NEW] = "INSERT INTO told(task, made) VALUES(?1, ?2)",
    [Q_TASK_END] = "UPDATE told SET full = ?2, brief = ?3 WHERE task = ?1",
    [Q_SEAT] = "INSERT OR IGNORE INTO seat(key, task) SELECT ?2, id FROM task WHERE task = ?1",
    [Q_TASKS] = TASK_COLUMNS "task t JOIN told o ON o.task = t.task "
                "WHERE t.id < ?1 ORDER BY t.id DESC LIMIT ?2",
    [Q_TASKS_STATUS] = TASK_COLUMNS "task t JOIN told o ON o.task = t.task "
                       "WHERE t.status = ?3 AND t.id < ?1 ORDER BY t.id DESC LIMIT ?2",
    [Q_TASKS_CLIENT] = TASK_COLUMNS "task t JOIN told o ON o.task = t.task "
                       "WHERE t.client = ?3 AND t.id < ?1 ORDER BY t.id DESC LIMIT ?2",
    [Q_TASKS_KEY] = TASK_COLUMNS "seat s JOIN task t ON t.id = s.task "
                    "JOIN told o ON o.task = t.task WHERE s.key = ?3 AND s.task < ?1 "
                    "ORDER BY s.task DESC LIMIT ?2",
    [Q_TASK] = TASK_COLUMNS "task t JOIN told o ON o.task = t.task WHERE t.task = ?1",
    [Q_ORDER] = "SELECT task, client, status, opened FROM task WHERE task = ?1",
    [Q_MESSAGES] = "SELECT position, stamp, task, number, kind, head, body FROM event "
                   "WHERE task = ?1 AND number >= 0 ORDER BY number",
    [Q_DISPUTES] = "SELECT count(*), sum(level = ?2 AND pair = ?3) FROM dispute WHERE task = ?1",
    [Q_DISPUTE_NEW] = "INSERT INTO dispute(task, number, level, pair, root, other, verdict, "
                      "openings, evidence, begun, ended, decided, recomputed) "
                      "VALUES(?1, ?2, ?3, ?4, ?5, ?6, 'null', x'', x'', ?7, 0, 0, 0)",
    [Q_DISPUTE_END] = "UPDATE dispute SET verdict = ?4, openings = ?5, evidence = ?6, ended = ?7, "
                      "decided = ?8, recomputed = ?9 "
                      "WHERE task = ?1 AND level = ?2 AND pair = ?3",
    [Q_DISPUTE_ALL] = DISPUTE_COLUMNS "NULL, NULL" DISPUTE_MORE "WHERE task = ?1 ORDER BY number",
    [Q_DISPUTE] = DISPUTE_COLUMNS "openings, evidence" DISPUTE_MORE "WHERE task = ?1 "
                  "AND number = ?2",
    [Q_DISPUTE_LAST] = DISPUTE_COLUMNS "NULL, NULL" DISPUTE_MORE "ORDER BY rowid DESC LIMIT ?1",
    [Q_DISPUTE_TOTALS] = "SELECT count(*), coalesce(sum(ended > 0), 0), coalesce(sum(decided), 0), "
                         "coalesce(sum(recomputed), 0) FROM dispute",
    [Q_SCOPE] = TRANSFER_COLUMNS "transfer t " TRANSFER_JOINS
                "WHERE t.scope = ?1 ORDER BY t.id LIMIT ?2",
    [Q_HOLDERS] = HOLDERS("free") " UNION " HOLDERS("held") " LIMIT ?1",
    [Q_ENTER] = "INSERT OR IGNORE INTO entered(task, state, at) VALUES(?1, ?2, ?3)",
    [Q_ENTERED] = "SELECT state, at FROM entered WHERE task = ?1",
    [Q_DAYS] = "SELECT at / 86400000, count(*) FROM entered WHERE state = ?1 AND at >= ?2 "
               "GROUP BY 1",
    [Q_COUNTS] = "SELECT coalesce((SELECT max(id) FROM task), 0), "
                 "coalesce((SELECT max(id) FROM transfer), 0)",
    [Q_CLAIMED] = "INSERT INTO provider(key, tasks, slashed, seen) VALUES(?1, 1, 0, ?2) "
                  "ON CONFLICT DO UPDATE SET tasks = tasks + 1, seen = excluded.seen",
    [Q_STRUCK] = "UPDATE provider SET slashed = slashed + ?2 WHERE key = ?1",
    [Q_PROVIDERS] = PROVIDER_COLUMNS "ORDER BY seen DESC LIMIT ?1",
    [Q_PROVIDER] = PROVIDER_COLUMNS "WHERE key = ?1",
    [Q_AUDITOR_NEW] = "INSERT INTO auditor(key, audits) VALUES(?1, 0) ON CONFLICT DO NOTHING",
    [Q_AUDITORS] = "SELECT key, audits FROM auditor ORDER BY audits, key LIMIT 1024",
    [Q_AUDIT] = "UPDATE auditor SET audits = audits + 1 WHERE key = ?1",
    [Q_GIVEN] = "SELECT request, status, location, body FROM given WHERE who = ?1 AND key = ?2",
    [Q_GIVE] = "INSERT INTO given(who, key, made, request, status, location, body) "
               "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    [Q_FORGET] = "DELETE FROM given WHERE rowid IN (SELECT rowid FROM given WHERE made < ?1 "
                 "ORDER BY made LIMIT 4)",
};

struct sv_catalog {
    sv_statements s;
    sqlite3_stmt *prepared[Q_COUNT];
    int owned; /* the connection */
};

/* ---- connections ------------------------------------------------------------------------ */

static ro_status catalog_new(sqlite3 *db, int owned, sv_catalog **out, ro_err *err)
{
    sv_catalog *c = ro_alloc_zero(sizeof *c);
    if (!c) return RO_FAIL(err, RO_ENOMEM, "no memory for the catalog");
    c->s = (sv_statements){db, queries, c->prepared, Q_COUNT, 0};
    c->owned = owned;
    *out = c;
    return RO_OK;
}

ro_status sv_catalog_open(sv_ledger *l, sv_catalog **out, ro_err *err)
{
    return catalog_new(sv_ledger_connection(l), 0, out, err);
}

ro_status sv_catalog_read(const char *dir, sv_catalog **out, ro_err *err)
{
    char path[VD_FS_NAME_MAX];
    sqlite3 *db = NULL;
    int n = snprintf(path, sizeof path, "%s/ledger.db", dir);
    if (n < 0 || (size_t)n >= sizeof path)
        return RO_FAIL(err, RO_ELIMIT, "the folder's path has more than %u bytes",
                       VD_FS_NAME_MAX - 12);
    int got = sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);
    if (!db) return RO_FAIL(err, RO_ENOMEM, "no memory for the catalog");
    ro_status st = got == SQLITE_OK ? RO_OK : sv_db_failed(db, "be opened", err);
    sqlite3_busy_timeout(db, 5000);
    if (st == RO_OK)
        st = sv_db_run(db, "PRAGMA trusted_schema = OFF; PRAGMA query_only = ON;", err);
    if (st == RO_OK) st = catalog_new(db, 1, out, err);
    if (st) sqlite3_close(db);
    return st;
}

void sv_catalog_close(sv_catalog *c)
{
    if (!c) return;
    sv_db_finalize(&c->s);
    if (c->owned) sqlite3_close(c->s.db);
    ro_free(c);
}

ro_status sv_catalog_freeze(sv_catalog *c, ro_err *err)
{
    RO_ASSERT(c->owned);
    return sv_db_run(c->s.db, "BEGIN", err);
}

void sv_catalog_thaw(sv_catalog *c)
{
    ro_err none = {RO_OK, {0}};
    (void)!sv_db_run(c->s.db, "END", &none); /* nothing was written: there is nothing to fail */
}

/* Ask for at most one row. 0: there is none, and nothing is to be reset. */
#define ONE_ROW(c, q, s, row, ...)                                                             \
    do {                                                                                       \
        RO_TRY(sv_db_ask(&(c)->s, q, &(s), err, __VA_ARGS__));                                 \
        RO_TRY(sv_db_step(&(c)->s, s, &(row), err));                                           \
    } while (0)

/* A statement that changes rows. */
#define CHANGE(c, q, ...)                                                                      \
    do {                                                                                       \
        sqlite3_stmt *change_;                                                                 \
        RO_TRY(sv_db_ask(&(c)->s, q, &change_, err, __VA_ARGS__));                             \
        RO_TRY(sv_db_finish(&(c)->s, change_, err));                                           \
    } while (0)

/* A row of nobody's; SQLite writes no page for a value that is the same. */
ro_status sv_catalog_touch(sv_catalog *c, uint64_t now_ms, ro_err *err)
{
    CHANGE(c, Q_TOUCH, "u", now_ms);
    return RO_OK;
}

/* ---- accounts --------------------------------------------------------------------------- */

static void client_row(sqlite3_stmt *s, sv_client *a)
{
    const char *name = (const char *)sqlite3_column_text(s, 1);
    memset(a, 0, sizeof *a);
    sv_db_column(s, 0, a->id.b, VD_DIGEST);
    if (name && strlen(name) <= SV_NAME_MAX) memcpy(a->name, name, strlen(name));
}

ro_status sv_catalog_add_client(sv_catalog *c, const sv_client *a, const vd_digest *token,
                                uint64_t now_ms, ro_err *err)
{
    sqlite3_stmt *s;
    int row;
    ONE_ROW(c, Q_CLIENT_NAMED, s, row, "t", a->name);
    if (row) {
        sv_db_done(s);
        return RO_FAIL(err, RO_EDIFFER, "there is an account named \"%s\"", a->name);
    }
    CHANGE(c, Q_CLIENT_NEW, "dtdu", &a->id, a->name, token, now_ms);
    return RO_OK;
}

/* by: what the format says, a digest or a text */
static ro_status find_client(sv_catalog *c, query q, const char *format, const void *by,
                             sv_client *a, ro_err *err)
{
    sqlite3_stmt *s;
    int row;
    ONE_ROW(c, q, s, row, format, by);
    if (!row) return RO_FAIL(err, RO_ENOTFOUND, "there is no such account");
    client_row(s, a);
    sv_db_done(s);
    return RO_OK;
}

ro_status sv_catalog_client(sv_catalog *c, const vd_digest *id, sv_client *a, ro_err *err)
{
    return find_client(c, Q_CLIENT, "d", id, a, err);
}

ro_status sv_catalog_token(sv_catalog *c, const vd_digest *token, sv_client *a, ro_err *err)
{
    return find_client(c, Q_TOKEN, "d", token, a, err);
}

ro_status sv_catalog_named(sv_catalog *c, const char *name, sv_client *a, ro_err *err)
{
    return find_client(c, Q_CLIENT_NAMED, "t", name, a, err);
}

static ro_status bound(sv_catalog *c, const vd_digest *key, vd_digest *account, int *is,
                       ro_err *err)
{
    sqlite3_stmt *s;
    ONE_ROW(c, Q_BOUND, s, *is, "d", key);
    *account = *key;
    if (!*is) return RO_OK;
    sv_db_column(s, 0, account->b, VD_DIGEST);
    sv_db_done(s);
    return RO_OK;
}

ro_status sv_catalog_bind(sv_catalog *c, const vd_digest *key, const vd_digest *account,
                          ro_err *err)
{
    vd_digest other;
    int is;
    RO_TRY(bound(c, key, &other, &is, err));
    if (is) return RO_FAIL(err, RO_EDIFFER, "the key has an account; it has one for good");
    CHANGE(c, Q_BIND, "dd", key, account);
    return RO_OK;
}

ro_status sv_catalog_account_of(sv_catalog *c, const vd_digest *key, vd_digest *account,
                                ro_err *err)
{
    int is;
    return bound(c, key, account, &is, err);
}

/* Rows of (digest, number). */
static ro_status digests(sv_catalog *c, sqlite3_stmt *s, sv_digest_row *row, void *ctx,
                         ro_err *err)
{
    int there;
    vd_digest d;
    for (;;) {
        RO_TRY(sv_db_step(&c->s, s, &there, err));
        if (!there) return RO_OK;
        sv_db_column(s, 0, d.b, VD_DIGEST);
        ro_status st = row(ctx, &d, (uint64_t)sqlite3_column_int64(s, 1), err);
        if (st) {
            sv_db_done(s);
            return st;
        }
    }
}

ro_status sv_catalog_keys(sv_catalog *c, const vd_digest *account, sv_digest_row *row, void *ctx,
                          ro_err *err)
{
    sqlite3_stmt *s;
    RO_TRY(sv_db_ask(&c->s, Q_KEYS, &s, err, "d", account));
    return digests(c, s, row, ctx, err);
}

/* ---- money as it is read ----------------------------------------------------------------- */

static int kind_of(sqlite3_stmt *s, int n, sv_account_kind *k)
{
    const char *name = (const char *)sqlite3_column_text(s, n);
    for (int i = 0; name && i < SV_ACCOUNTS; i++) {
        *k = (sv_account_kind)i;
        if (strcmp(name, sv_account_name(*k)) == 0) return 1;
    }
    return 0;
}

ro_status sv_catalog_totals(sv_catalog *c, sv_totals *t, ro_err *err)
{
    sqlite3_stmt *s;
    int row;
    sv_account_kind k;
    memset(t, 0, sizeof *t);
    RO_TRY(sv_db_ask(&c->s, Q_TOTALS, &s, err, ""));
    for (;;) {
        RO_TRY(sv_db_step(&c->s, s, &row, err));
        if (!row) return RO_OK;
        if (!kind_of(s, 0, &k)) continue;
        t->sum[k] = sqlite3_column_int64(s, 1);
        t->accounts[k] = (uint64_t)sqlite3_column_int64(s, 2);
    }
}

ro_status sv_catalog_balance(sv_catalog *c, sv_account_kind kind, const vd_digest *owner,
                             int64_t *sum, ro_err *err)
{
    sqlite3_stmt *s;
    int row;
    ONE_ROW(c, Q_BALANCE, s, row, "td", sv_account_name(kind), owner);
    *sum = row ? sqlite3_column_int64(s, 0) : 0;
    if (row) sv_db_done(s);
    return RO_OK;
}

static void account_columns(sqlite3_stmt *s, int n, sv_account *a)
{
    if (!kind_of(s, n, &a->kind)) a->kind = SV_MINT;
    sv_db_column(s, n + 1, a->owner.b, VD_DIGEST);
    sv_db_column(s, n + 2, a->task.b, VD_DIGEST);
}

static ro_status booked_rows(sv_catalog *c, sqlite3_stmt *s, sv_booked_row *row, void *ctx,
                             ro_err *err)
{
    sv_booked b;
    int there;
    for (;;) {
        RO_TRY(sv_db_step(&c->s, s, &there, err));
        if (!there) return RO_OK;
        b.id = sqlite3_column_int64(s, 0);
        b.stamp_ms = (uint64_t)sqlite3_column_int64(s, 1);
        b.key = (uint64_t)sqlite3_column_int64(s, 2);
        sv_db_column(s, 3, b.scope.b, VD_DIGEST);
        account_columns(s, 4, &b.from);
        account_columns(s, 7, &b.to);
        b.amount = sqlite3_column_int64(s, 10);
        ro_status st = row(ctx, &b, err);
        if (st) {
            sv_db_done(s);
            return st;
        }
    }
}

ro_status sv_catalog_transfers(sv_catalog *c, const vd_digest *owner, int64_t before,
                               uint32_t limit, sv_booked_row *row, void *ctx, ro_err *err)
{
    sqlite3_stmt *s;
    if (owner)
        RO_TRY(sv_db_ask(&c->s, Q_STATEMENT, &s, err, "iud", before, (uint64_t)limit, owner));
    else RO_TRY(sv_db_ask(&c->s, Q_TRANSFERS, &s, err, "iu", before, (uint64_t)limit));
    return booked_rows(c, s, row, ctx, err);
}

ro_status sv_catalog_scope(sv_catalog *c, const vd_digest *scope, uint32_t limit,
                           sv_booked_row *row, void *ctx, ro_err *err)
{
    sqlite3_stmt *s;
    RO_TRY(sv_db_ask(&c->s, Q_SCOPE, &s, err, "du", scope, (uint64_t)limit));
    return booked_rows(c, s, row, ctx, err);
}

ro_status sv_catalog_holders(sv_catalog *c, uint32_t limit, sv_digest_row *row, void *ctx,
                             ro_err *err)
{
    sqlite3_stmt *s;
    RO_TRY(sv_db_ask(&c->s, Q_HOLDERS, &s, err, "u", (uint64_t)limit));
    return digests(c, s, row, ctx, err);
}

ro_status sv_catalog_head(sv_catalog *c, uint64_t *position, vd_digest *head, ro_err *err)
{
    sqlite3_stmt *s;
    int row;
    ONE_ROW(c, Q_HEAD, s, row, "");
    *position = row ? (uint64_t)sqlite3_column_int64(s, 0) : 0;
    memset(head, 0, sizeof *head);
    if (row) sv_db_column(s, 1, head->b, VD_DIGEST);
    if (row) sv_db_done(s);
    return RO_OK;
}

/* ---- tasks ------------------------------------------------------------------------------ */

ro_status sv_catalog_add_task(sv_catalog *c, const vd_digest *task, uint64_t now_ms, ro_err *err)
{
    CHANGE(c, Q_TASK_NEW, "du", task, now_ms);
    return RO_OK;
}

ro_status sv_catalog_end_task(sv_catalog *c, const vd_digest *task, const char *full,
                              const char *brief, ro_err *err)
{
    CHANGE(c, Q_TASK_END, "dtt", task, full, brief);
    return RO_OK;
}

ro_status sv_catalog_add_seat(sv_catalog *c, const vd_digest *task, const vd_digest *key,
                              ro_err *err)
{
    CHANGE(c, Q_SEAT, "dd", task, key);
    return RO_OK;
}

static ro_status listed(sv_catalog *c, sqlite3_stmt *s, sv_listed_row *row, void *ctx,
                        uint64_t *count, ro_err *err)
{
    sv_listed t;
    int there;
    for (;; ++*count) {
        RO_TRY(sv_db_step(&c->s, s, &there, err));
        if (!there) return RO_OK;
        t.number = sqlite3_column_int64(s, 0);
        sv_db_column(s, 1, t.task.b, VD_DIGEST);
        sv_db_column(s, 2, t.client.b, VD_DIGEST);
        t.status = (const char *)sqlite3_column_text(s, 3);
        t.made_ms = (uint64_t)sqlite3_column_int64(s, 4);
        t.full = (const char *)sqlite3_column_text(s, 5);
        t.brief = (const char *)sqlite3_column_text(s, 6);
        ro_status st = row(ctx, &t, err);
        if (st) {
            sv_db_done(s);
            return st;
        }
    }
}

ro_status sv_catalog_tasks(sv_catalog *c, const sv_filter *f, int64_t before, uint32_t limit,
                           sv_listed_row *row, void *ctx, ro_err *err)
{
    sqlite3_stmt *s;
    uint64_t count = 0, most = limit;
    RO_ASSERT((f->status != NULL) + (f->client != NULL) + (f->key != NULL) <= 1);
    if (f->status)
        RO_TRY(sv_db_ask(&c->s, Q_TASKS_STATUS, &s, err, "iut", before, most, f->status));
    else if (f->client)
        RO_TRY(sv_db_ask(&c->s, Q_TASKS_CLIENT, &s, err, "iud", before, most, f->client));
    else if (f->key)
        RO_TRY(sv_db_ask(&c->s, Q_TASKS_KEY, &s, err, "iud", before, most, f->key));
    else RO_TRY(sv_db_ask(&c->s, Q_TASKS, &s, err, "iu", before, most));
    return listed(c, s, row, ctx, &count, err);
}

ro_status sv_catalog_task(sv_catalog *c, const vd_digest *task, sv_listed_row *row, void *ctx,
                          ro_err *err)
{
    sqlite3_stmt *s;
    uint64_t count = 0;
    RO_TRY(sv_db_ask(&c->s, Q_TASK, &s, err, "d", task));
    RO_TRY(listed(c, s, row, ctx, &count, err));
    return count ? RO_OK : RO_FAIL(err, RO_ENOTFOUND, "there is no such task");
}

ro_status sv_catalog_order(sv_catalog *c, const vd_digest *task, sv_task_row *row, void *ctx,
                           ro_err *err)
{
    sqlite3_stmt *s;
    sv_task_record r;
    int there;
    ONE_ROW(c, Q_ORDER, s, there, "d", task);
    if (!there) return RO_FAIL(err, RO_ENOTFOUND, "there is no such task");
    memset(&r, 0, sizeof r);
    sv_db_column(s, 0, r.task.b, VD_DIGEST);
    sv_db_column(s, 1, r.client.b, VD_DIGEST);
    r.status = (const char *)sqlite3_column_text(s, 2);
    r.order = sqlite3_column_blob(s, 3);
    r.order_size = (uint64_t)sqlite3_column_bytes(s, 3);
    ro_status st = row(ctx, &r, err);
    sv_db_done(s);
    return st;
}

ro_status sv_catalog_messages(sv_catalog *c, const vd_digest *task, sv_event_row *row, void *ctx,
                              ro_err *err)
{
    sqlite3_stmt *s;
    sv_event e;
    int there;
    RO_TRY(sv_db_ask(&c->s, Q_MESSAGES, &s, err, "d", task));
    for (;;) {
        RO_TRY(sv_db_step(&c->s, s, &there, err));
        if (!there) return RO_OK;
        memset(&e, 0, sizeof e);
        e.position = (uint64_t)sqlite3_column_int64(s, 0);
        e.stamp_ms = (uint64_t)sqlite3_column_int64(s, 1);
        sv_db_column(s, 2, e.task.b, VD_DIGEST);
        e.number = (uint64_t)sqlite3_column_int64(s, 3);
        sv_db_column(s, 4, e.kind, SV_KIND_BYTES);
        sv_db_column(s, 5, e.head.b, VD_DIGEST);
        e.body = sqlite3_column_blob(s, 6);
        e.size = (uint64_t)sqlite3_column_bytes(s, 6);
        ro_status st = row(ctx, &e, err);
        if (st) {
            sv_db_done(s);
            return st;
        }
    }
}

/* ---- disputes --------------------------------------------------------------------------- */

ro_status sv_catalog_begin_dispute(sv_catalog *c, const vd_digest *task, const sv_dispute *d,
                                   uint32_t *count, ro_err *err)
{
    sqlite3_stmt *s;
    int row, known = 0;
    ONE_ROW(c, Q_DISPUTES, s, row, "duu", task, (uint64_t)d->level, (uint64_t)d->pair);
    *count = row ? (uint32_t)sqlite3_column_int64(s, 0) : 0;
    if (row) {
        known = sqlite3_column_int64(s, 1) > 0;
        sv_db_done(s);
    }
    if (known) return RO_OK;
    ++*count;
    CHANGE(c, Q_DISPUTE_NEW, "duuuddu", task, (uint64_t)*count, (uint64_t)d->level,
           (uint64_t)d->pair, &d->roots[0], &d->roots[1], d->begun_ms);
    return RO_OK;
}

ro_status sv_catalog_end_dispute(sv_catalog *c, const vd_digest *task, const sv_dispute *d,
                                 ro_err *err)
{
    CHANGE(c, Q_DISPUTE_END, "duutbbuuu", task, (uint64_t)d->level, (uint64_t)d->pair, d->verdict,
           d->openings, d->openings_size, d->evidence, d->evidence_size, d->ended_ms,
           (uint64_t)d->decided, d->recomputed);
    return RO_OK;
}

static ro_status dispute_rows(sv_catalog *c, sqlite3_stmt *s, sv_dispute_row *row, void *ctx,
                              ro_err *err)
{
    sv_dispute d;
    int there;
    for (;;) {
        RO_TRY(sv_db_step(&c->s, s, &there, err));
        if (!there) return RO_OK;
        d.number = (uint32_t)sqlite3_column_int64(s, 0);
        d.level = (uint32_t)sqlite3_column_int64(s, 1);
        d.pair = (uint32_t)sqlite3_column_int64(s, 2);
        sv_db_column(s, 3, d.roots[0].b, VD_DIGEST);
        sv_db_column(s, 4, d.roots[1].b, VD_DIGEST);
        d.verdict = (const char *)sqlite3_column_text(s, 5);
        d.openings_size = (uint64_t)sqlite3_column_int64(s, 6);
        d.evidence_size = (uint64_t)sqlite3_column_int64(s, 7);
        d.openings = sqlite3_column_blob(s, 8);
        d.evidence = sqlite3_column_blob(s, 9);
        sv_db_column(s, 10, d.task.b, VD_DIGEST);
        d.begun_ms = (uint64_t)sqlite3_column_int64(s, 11);
        d.ended_ms = (uint64_t)sqlite3_column_int64(s, 12);
        d.ended = d.ended_ms > 0;
        d.decided = sqlite3_column_int64(s, 13) != 0;
        d.recomputed = (uint64_t)sqlite3_column_int64(s, 14);
        ro_status st = row(ctx, &d, err);
        if (st) {
            sv_db_done(s);
            return st;
        }
    }
}

ro_status sv_catalog_disputes(sv_catalog *c, const vd_digest *task, uint32_t number,
                              sv_dispute_row *row, void *ctx, ro_err *err)
{
    sqlite3_stmt *s;
    if (number) RO_TRY(sv_db_ask(&c->s, Q_DISPUTE, &s, err, "du", task, (uint64_t)number));
    else RO_TRY(sv_db_ask(&c->s, Q_DISPUTE_ALL, &s, err, "d", task));
    return dispute_rows(c, s, row, ctx, err);
}

ro_status sv_catalog_last_disputes(sv_catalog *c, uint32_t limit, sv_dispute_row *row, void *ctx,
                                   ro_err *err)
{
    sqlite3_stmt *s;
    RO_TRY(sv_db_ask(&c->s, Q_DISPUTE_LAST, &s, err, "u", (uint64_t)limit));
    return dispute_rows(c, s, row, ctx, err);
}

ro_status sv_catalog_dispute_totals(sv_catalog *c, sv_dispute_totals *t, ro_err *err)
{
    sqlite3_stmt *s;
    int row;
    ONE_ROW(c, Q_DISPUTE_TOTALS, s, row, "");
    RO_ASSERT(row);
    t->all = (uint64_t)sqlite3_column_int64(s, 0);
    t->ended = (uint64_t)sqlite3_column_int64(s, 1);
    t->decided = (uint64_t)sqlite3_column_int64(s, 2);
    t->recomputed = (uint64_t)sqlite3_column_int64(s, 3);
    sv_db_done(s);
    return RO_OK;
}

/* ---- when tasks moved on ----------------------------------------------------------------- */

ro_status sv_catalog_enter(sv_catalog *c, const vd_digest *task, uint32_t state, uint64_t now_ms,
                           ro_err *err)
{
    CHANGE(c, Q_ENTER, "duu", task, (uint64_t)state, now_ms);
    return RO_OK;
}

ro_status sv_catalog_entered(sv_catalog *c, const vd_digest *task, uint64_t *at_ms, uint32_t states,
                             ro_err *err)
{
    sqlite3_stmt *s;
    int there;
    memset(at_ms, 0, states * sizeof *at_ms);
    RO_TRY(sv_db_ask(&c->s, Q_ENTERED, &s, err, "d", task));
    for (;;) {
        RO_TRY(sv_db_step(&c->s, s, &there, err));
        if (!there) return RO_OK;
        const uint64_t state = (uint64_t)sqlite3_column_int64(s, 0);
        if (state < states) at_ms[state] = (uint64_t)sqlite3_column_int64(s, 1);
    }
}

#define DAY_MS UINT64_C(86400000)

ro_status sv_catalog_days(sv_catalog *c, uint32_t state, uint64_t now_ms, uint32_t *days,
                          uint32_t count, ro_err *err)
{
    sqlite3_stmt *s;
    int there;
    const uint64_t today = now_ms / DAY_MS, first = today < count ? 0 : today - count + 1;
    memset(days, 0, count * sizeof *days);
    RO_TRY(sv_db_ask(&c->s, Q_DAYS, &s, err, "uu", (uint64_t)state, first * DAY_MS));
    for (;;) {
        RO_TRY(sv_db_step(&c->s, s, &there, err));
        if (!there) return RO_OK;
        const uint64_t day = (uint64_t)sqlite3_column_int64(s, 0);
        if (day <= today && today - day < count)
            days[count - 1 - (today - day)] = (uint32_t)sqlite3_column_int64(s, 1);
    }
}

ro_status sv_catalog_counts(sv_catalog *c, uint64_t *tasks, uint64_t *transfers, ro_err *err)
{
    sqlite3_stmt *s;
    int row;
    ONE_ROW(c, Q_COUNTS, s, row, "");
    RO_ASSERT(row);
    *tasks = (uint64_t)sqlite3_column_int64(s, 0);
    *transfers = (uint64_t)sqlite3_column_int64(s, 1);
    sv_db_done(s);
    return RO_OK;
}

/* ---- providers --------------------------------------------------------------------------- */

ro_status sv_catalog_claimed(sv_catalog *c, const vd_digest *key, uint64_t now_ms, ro_err *err)
{
    CHANGE(c, Q_CLAIMED, "du", key, now_ms);
    return RO_OK;
}

ro_status sv_catalog_struck(sv_catalog *c, const vd_digest *key, int by, ro_err *err)
{
    CHANGE(c, Q_STRUCK, "di", key, (int64_t)by);
    return RO_OK;
}

static void provider_columns(sqlite3_stmt *s, sv_provider *p)
{
    sv_db_column(s, 0, p->key.b, VD_DIGEST);
    p->tasks = (uint32_t)sqlite3_column_int64(s, 1);
    p->slashed = (uint32_t)sqlite3_column_int64(s, 2);
    p->seen_ms = (uint64_t)sqlite3_column_int64(s, 3);
}

ro_status sv_catalog_provider(sv_catalog *c, const vd_digest *key, sv_provider *p, ro_err *err)
{
    sqlite3_stmt *s;
    int row;
    ONE_ROW(c, Q_PROVIDER, s, row, "d", key);
    if (!row) return RO_FAIL(err, RO_ENOTFOUND, "the key has never claimed a slot");
    provider_columns(s, p);
    sv_db_done(s);
    return RO_OK;
}

ro_status sv_catalog_providers(sv_catalog *c, uint32_t limit, sv_provider_row *row, void *ctx,
                               ro_err *err)
{
    sqlite3_stmt *s;
    sv_provider p;
    int there;
    RO_TRY(sv_db_ask(&c->s, Q_PROVIDERS, &s, err, "u", (uint64_t)limit));
    for (;;) {
        RO_TRY(sv_db_step(&c->s, s, &there, err));
        if (!there) return RO_OK;
        provider_columns(s, &p);
        ro_status st = row(ctx, &p, err);
        if (st) {
            sv_db_done(s);
            return st;
        }
    }
}

/* ---- auditors --------------------------------------------------------------------------- */

ro_status sv_catalog_add_auditor(sv_catalog *c, const vd_digest *key, ro_err *err)
{
    CHANGE(c, Q_AUDITOR_NEW, "d", key);
    return RO_OK;
}

ro_status sv_catalog_auditors(sv_catalog *c, sv_digest_row *row, void *ctx, ro_err *err)
{
    sqlite3_stmt *s;
    RO_TRY(sv_db_ask(&c->s, Q_AUDITORS, &s, err, ""));
    return digests(c, s, row, ctx, err);
}

ro_status sv_catalog_count_audit(sv_catalog *c, const vd_digest *key, ro_err *err)
{
    CHANGE(c, Q_AUDIT, "d", key);
    return RO_OK;
}

/* ---- replies that were given ------------------------------------------------------------ */

ro_status sv_catalog_given(sv_catalog *c, const vd_digest *who, const char *key,
                           sv_given_row *row, void *ctx, ro_err *err)
{
    sqlite3_stmt *s;
    sv_given g;
    int there;
    ONE_ROW(c, Q_GIVEN, s, there, "dt", who, key);
    if (!there) return RO_OK;
    memset(&g, 0, sizeof g);
    sv_db_column(s, 0, g.request.b, VD_DIGEST);
    g.status = (uint32_t)sqlite3_column_int64(s, 1);
    snprintf(g.location, sizeof g.location, "%s", (const char *)sqlite3_column_text(s, 2));
    g.body = sqlite3_column_blob(s, 3);
    g.size = (uint64_t)sqlite3_column_bytes(s, 3);
    ro_status st = row(ctx, &g, err);
    sv_db_done(s);
    return st;
}

ro_status sv_catalog_give(sv_catalog *c, const vd_digest *who, const char *key, uint64_t now_ms,
                          const sv_given *g, ro_err *err)
{
    CHANGE(c, Q_GIVE, "dtudutb", who, key, now_ms, &g->request, (uint64_t)g->status,
           g->location, g->body, g->size);
    if (now_ms > SV_REPLY_KEPT_MS) CHANGE(c, Q_FORGET, "u", now_ms - SV_REPLY_KEPT_MS);
    return RO_OK;
}
