/* ledger.c - the ledger in one SQLite file, with the last signed head beside it.
 *
 * What this file decides: the tables, what makes a write durable, how an older copy is known.
 *
 * Invariants
 *   1. A balance changes in one place, the trigger on new transfers, which takes from one account
 *      what it gives to the other.
 *   2. The order of a commit: the signed head into the database, COMMIT, the head into the file
 *      `heads`, its sync. A crash between the last two leaves a file that names less than the
 *      database has, which is no older copy. */

#include <fcntl.h>
#include <unistd.h>

#include "../verde/bytes.h"
#include "../verde/files.h"
#include "database.h"

#define APPLICATION_ID 0x56455244 /* "VERD" */
#define SCHEMA_VERSION 3
#define HEADS_NAME "heads"
/* Position, head, signature, zeros. Two slots, written in turn: a torn write leaves the other. */
#define SLOT_BYTES 128u

static const char schema[] =
    "CREATE TABLE signer(id INTEGER PRIMARY KEY CHECK(id = 1),"
    " key BLOB NOT NULL CHECK(length(key) = 32)) STRICT;"
    "CREATE TABLE head(id INTEGER PRIMARY KEY CHECK(id = 1), position INTEGER NOT NULL,"
    " head BLOB NOT NULL CHECK(length(head) = 32),"
    " signature BLOB NOT NULL CHECK(length(signature) = 64)) STRICT;"
    "CREATE TABLE account(id INTEGER PRIMARY KEY, kind TEXT NOT NULL CHECK(kind IN"
    " ('free','held','escrow','treasury','burn','mint')),"
    " owner BLOB NOT NULL CHECK(length(owner) = 32),"
    " task BLOB NOT NULL CHECK(length(task) = 32), balance INTEGER NOT NULL DEFAULT 0,"
    " UNIQUE(kind, owner, task), CHECK(balance >= 0 OR kind = 'mint'),"
    " CHECK(balance <= 0 OR kind <> 'mint')) STRICT;"
    "CREATE INDEX account_task ON account(task);"
    "CREATE TABLE transfer(id INTEGER PRIMARY KEY, scope BLOB NOT NULL CHECK(length(scope) = 32),"
    " key INTEGER NOT NULL, debit INTEGER NOT NULL REFERENCES account(id),"
    " credit INTEGER NOT NULL REFERENCES account(id), amount INTEGER NOT NULL CHECK(amount > 0),"
    " event INTEGER NOT NULL," /* that it came with */
    " UNIQUE(scope, key), CHECK(debit <> credit)) STRICT;"
    "CREATE TRIGGER transfer_books AFTER INSERT ON transfer BEGIN"
    " UPDATE account SET balance = balance - NEW.amount WHERE id = NEW.debit;"
    " UPDATE account SET balance = balance + NEW.amount WHERE id = NEW.credit; END;"
    "CREATE TRIGGER transfer_stays BEFORE UPDATE ON transfer BEGIN"
    " SELECT RAISE(ABORT, 'transfers are never changed'); END;"
    "CREATE TRIGGER transfer_is_kept BEFORE DELETE ON transfer BEGIN"
    " SELECT RAISE(ABORT, 'transfers are never removed'); END;"
    "CREATE TABLE event(position INTEGER PRIMARY KEY, stamp INTEGER NOT NULL,"
    " task BLOB NOT NULL CHECK(length(task) = 32), number INTEGER NOT NULL,"
    " kind BLOB NOT NULL CHECK(length(kind) = 16), body BLOB NOT NULL,"
    " head BLOB NOT NULL CHECK(length(head) = 32)) STRICT;"
    "CREATE INDEX event_task ON event(task, number);"
    "CREATE TRIGGER event_stays BEFORE UPDATE ON event BEGIN"
    " SELECT RAISE(ABORT, 'events are never changed'); END;"
    "CREATE TRIGGER event_is_kept BEFORE DELETE ON event BEGIN"
    " SELECT RAISE(ABORT, 'events are never removed'); END;"
    "CREATE TABLE task(id INTEGER PRIMARY KEY, task BLOB NOT NULL UNIQUE CHECK(length(task) = 32),"
    " client BLOB NOT NULL CHECK(length(client) = 32), status TEXT NOT NULL,"
    " position INTEGER NOT NULL, stakes INTEGER NOT NULL, opened BLOB NOT NULL,"
    " state BLOB NOT NULL) STRICT;"
    "CREATE INDEX task_open ON task(id) WHERE status NOT IN ('settled', 'refunded');"
    "CREATE TABLE outbox(id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " task BLOB NOT NULL CHECK(length(task) = 32), kind BLOB NOT NULL CHECK(length(kind) = 16),"
    " body BLOB NOT NULL) STRICT;"
    "PRAGMA application_id = 0x56455244;"
    "PRAGMA user_version = 3;";

typedef enum {
    Q_BEGIN, Q_COMMIT, Q_ROLLBACK, Q_SAVE, Q_RELEASE, Q_UNDO, Q_HEAD, Q_HEAD_PUT, Q_SIGNER,
    Q_SIGNER_PUT, Q_LAST, Q_ACCOUNT_NEW, Q_ACCOUNT, Q_MOVE, Q_MOVED, Q_TOTAL, Q_APPEND,
    Q_EVENT_AT, Q_EVENTS, Q_NUMBERED, Q_TASK_NEW, Q_TASK_PUT, Q_TASKS, Q_TASK, Q_POST,
    Q_NOTICES, Q_TAKEN, Q_COUNT
} query;

#define TASK_COLUMNS "SELECT task, client, status, position, stakes, opened, state FROM task "
#define EVENT_COLUMNS "SELECT position, stamp, task, number, kind, head, body FROM event "
static const char *const queries[Q_COUNT] = {
    [Q_BEGIN] = "BEGIN IMMEDIATE",
    [Q_COMMIT] = "COMMIT",
    [Q_ROLLBACK] = "ROLLBACK",
    [Q_SAVE] = "SAVEPOINT one",
    [Q_RELEASE] = "RELEASE one",
    [Q_UNDO] = "ROLLBACK TO one",
    [Q_HEAD] = "SELECT position, head, signature FROM head WHERE id = 1",
    [Q_HEAD_PUT] = "INSERT INTO head(id, position, head, signature) VALUES(1, ?1, ?2, ?3) ON "
                   "CONFLICT(id) DO UPDATE SET position = ?1, head = ?2, signature = ?3",
    [Q_SIGNER] = "SELECT key FROM signer WHERE id = 1",
    [Q_SIGNER_PUT] = "INSERT INTO signer(id, key) VALUES(1, ?1)",
    [Q_LAST] = "SELECT position, head, stamp FROM event ORDER BY position DESC LIMIT 1",
    [Q_ACCOUNT_NEW] = "INSERT INTO account(kind, owner, task) VALUES(?1, ?2, ?3) "
                      "ON CONFLICT DO NOTHING",
    [Q_ACCOUNT] = "SELECT id, balance FROM account WHERE kind = ?1 AND owner = ?2 AND task = ?3",
    [Q_MOVE] = "INSERT INTO transfer(scope, key, debit, credit, amount, event) "
               "VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
    [Q_MOVED] = "SELECT amount FROM transfer WHERE scope = ?1 AND key = ?2",
    [Q_TOTAL] = "SELECT sum(CASE WHEN kind = 'mint' THEN 0 ELSE balance END),"
                " sum(balance) FROM account",
    [Q_APPEND] = "INSERT INTO event(position, stamp, task, number, kind, body, head) "
                 "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    [Q_EVENT_AT] = EVENT_COLUMNS "WHERE position = ?1",
    [Q_EVENTS] = EVENT_COLUMNS "WHERE task = ?1 AND position >= ?2 ORDER BY position",
    [Q_NUMBERED] = EVENT_COLUMNS "WHERE task = ?1 AND number = ?2 ORDER BY position LIMIT 1",
    [Q_TASK_NEW] = "INSERT INTO task(task, client, status, position, stakes, opened, state) "
                   "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    [Q_TASK_PUT] = "UPDATE task SET status = ?2, position = ?3, stakes = ?4, state = ?5 "
                   "WHERE task = ?1 AND status NOT IN ('settled', 'refunded')",
    [Q_TASKS] = TASK_COLUMNS "WHERE status NOT IN ('settled', 'refunded') ORDER BY id",
    [Q_TASK] = TASK_COLUMNS "WHERE task = ?1",
    [Q_POST] = "INSERT INTO outbox(task, kind, body) VALUES(?1, ?2, ?3)",
    [Q_NOTICES] = "SELECT id, task, kind, body FROM outbox ORDER BY id",
    [Q_TAKEN] = "DELETE FROM outbox WHERE id = ?1",
};

struct sv_ledger {
    sv_statements s;
    sqlite3_stmt *prepared[Q_COUNT];
    const vd_key *key;
    int heads;           /* descriptor of the file, which is the lock too */
    uint64_t slot;       /* written next */
    uint64_t position;   /* of the next event */
    uint64_t stamp;      /* of the last event, or of one that was undone */
    vd_digest head;
    uint64_t begun_position; /* as they were when the transaction was begun */
    vd_digest begun_head;
    int moved; /* money, in this transaction */
    int begun, broken;
    int batch;               /* one transaction that is committed later holds those that end */
    uint64_t batch_position; /* as it was when that was begun */
};

const char *sv_account_name(sv_account_kind k)
{
    static const char *const names[SV_ACCOUNTS] = {"free",     "held", "escrow",
                                                   "treasury", "burn", "mint"};
    RO_ASSERT((unsigned)k < SV_ACCOUNTS);
    return names[k];
}

/* ---- heads ------------------------------------------------------------------------------ */

vd_digest sv_event_head(const vd_digest *before, const sv_event *e)
{
    uint8_t bytes[2 * VD_DIGEST + 24 + SV_KIND_BYTES];
    vd_digest d;
    vd_out o = {bytes, 0};
    vd_out_bytes(&o, before->b, VD_DIGEST);
    vd_out_u64(&o, e->position);
    vd_out_u64(&o, e->stamp_ms);
    vd_out_bytes(&o, e->task.b, VD_DIGEST);
    vd_out_u64(&o, e->number);
    vd_out_bytes(&o, e->kind, SV_KIND_BYTES);
    vd_tagged_hash_two("verde/1 service event", bytes, o.n, e->body, e->size, d.b);
    return d;
}

/* Heads are signed under a tag of their own: no message begins with it. */
static void head_digest(uint64_t position, const vd_digest *head, vd_digest *d)
{
    uint8_t bytes[8 + VD_DIGEST];
    vd_put_le(bytes, position, 8);
    memcpy(bytes + 8, head->b, VD_DIGEST);
    vd_tagged_hash("verde/1 service head", bytes, sizeof bytes, d->b);
}

typedef struct { uint64_t position; vd_digest head; int there; } anchor;

static ro_status read_slot(sv_ledger *l, uint64_t slot, anchor *a, ro_err *err)
{
    uint8_t bytes[SLOT_BYTES];
    uint64_t size;
    vd_digest d;
    anchor x = {0, {{0}}, 1};
    RO_TRY(vd_fs_size(l->heads, &size, HEADS_NAME, err));
    if (size < (slot + 1) * SLOT_BYTES) return RO_OK;
    RO_TRY(vd_fs_read(l->heads, bytes, SLOT_BYTES, slot * SLOT_BYTES, HEADS_NAME, err));
    x.position = vd_get_u64(bytes);
    memcpy(x.head.b, bytes + 8, VD_DIGEST);
    head_digest(x.position, &x.head, &d);
    ro_err why = {RO_OK, {0}};
    ro_status st = vd_check_signature(vd_key_public(l->key), d.b, VD_DIGEST, bytes + 8 + VD_DIGEST,
                                      &why);
    if (st == RO_ENOMEM) return RO_FAIL(err, RO_ENOMEM, "%s", why.msg);
    if (st) return RO_OK; /* torn */
    if (a->there && a->position > x.position) return RO_OK;
    *a = x;
    l->slot = 1 - slot;
    return RO_OK;
}

static ro_status write_anchor(sv_ledger *l, const uint8_t signature[64], ro_err *err)
{
    uint8_t bytes[SLOT_BYTES] = {0};
    vd_put_le(bytes, l->position, 8);
    memcpy(bytes + 8, l->head.b, VD_DIGEST);
    memcpy(bytes + 8 + VD_DIGEST, signature, 64);
    RO_TRY(vd_fs_write(l->heads, bytes, SLOT_BYTES, l->slot * SLOT_BYTES, HEADS_NAME, err));
    RO_TRY(vd_fs_sync(l->heads, HEADS_NAME, err));
    l->slot = 1 - l->slot;
    return RO_OK;
}

void sv_ledger_head(const sv_ledger *l, uint64_t *position, vd_digest *head)
{
    *position = l->position;
    *head = l->head;
}

uint64_t sv_ledger_stamp(const sv_ledger *l) { return l->stamp; }

/* ---- opening ---------------------------------------------------------------------------- */

static ro_status pragma_value(sqlite3 *db, const char *text, int64_t *value, ro_err *err)
{
    sqlite3_stmt *s = NULL;
    if (sqlite3_prepare_v2(db, text, -1, &s, NULL) != SQLITE_OK || sqlite3_step(s) != SQLITE_ROW) {
        sqlite3_finalize(s);
        return sv_db_failed(db, "be read", err);
    }
    *value = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    return RO_OK;
}

static ro_status set_up(sv_ledger *l, ro_err *err)
{
    int64_t application = 0, version = 0, tables = 0;
    RO_TRY(sv_db_run(l->s.db, "PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF;", err));
    RO_TRY(pragma_value(l->s.db, "PRAGMA application_id", &application, err));
    RO_TRY(pragma_value(l->s.db, "PRAGMA user_version", &version, err));
    RO_TRY(pragma_value(l->s.db, "SELECT count(*) FROM sqlite_schema", &tables, err));
    if (tables && (application != APPLICATION_ID || version != SCHEMA_VERSION))
        return RO_FAIL(err, RO_EFORMAT, "the database is not a ledger of version %d, but has "
                       "application %lld and version %lld", SCHEMA_VERSION,
                       (long long)application, (long long)version);
    RO_TRY(sv_db_run(l->s.db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;", err));
    if (tables) return RO_OK;
    sqlite3_stmt *s;
    RO_TRY(sv_db_run(l->s.db, "BEGIN IMMEDIATE;", err));
    RO_TRY(sv_db_run(l->s.db, schema, err));
    RO_TRY(sv_db_run(l->s.db, sv_catalog_schema, err));
    RO_TRY(sv_db_ask(&l->s, Q_SIGNER_PUT, &s, err, "d", vd_key_public(l->key)));
    RO_TRY(sv_db_finish(&l->s, s, err));
    return sv_db_run(l->s.db, "COMMIT;", err);
}

static ro_status check_signer(sv_ledger *l, ro_err *err)
{
    sqlite3_stmt *s;
    int row;
    RO_TRY(sv_db_ask(&l->s, Q_SIGNER, &s, err, ""));
    RO_TRY(sv_db_step(&l->s, s, &row, err));
    uint8_t key[32] = {0};
    if (row) sv_db_column(s, 0, key, sizeof key);
    if (row) sv_db_done(s);
    int same = memcmp(key, vd_key_public(l->key), sizeof key) == 0;
    return same ? RO_OK : RO_FAIL(err, RO_EDIFFER, "the ledger is signed by another key");
}

/* The last event and the signed head must be one. */
static ro_status check_head(sv_ledger *l, ro_err *err)
{
    sqlite3_stmt *s;
    int row;
    uint64_t claimed = 0;
    vd_digest head = {{0}}, d;
    uint8_t signature[64];
    RO_TRY(sv_db_ask(&l->s, Q_LAST, &s, err, ""));
    RO_TRY(sv_db_step(&l->s, s, &row, err));
    if (row) {
        l->position = (uint64_t)sqlite3_column_int64(s, 0) + 1;
        sv_db_column(s, 1, l->head.b, VD_DIGEST);
        l->stamp = (uint64_t)sqlite3_column_int64(s, 2);
        sv_db_done(s);
    }
    RO_TRY(sv_db_ask(&l->s, Q_HEAD, &s, err, ""));
    RO_TRY(sv_db_step(&l->s, s, &row, err));
    if (!row && !l->position) return RO_OK;
    if (row) {
        claimed = (uint64_t)sqlite3_column_int64(s, 0);
        sv_db_column(s, 1, head.b, VD_DIGEST);
        sv_db_column(s, 2, signature, sizeof signature);
        sv_db_done(s);
    }
    if (!row || claimed != l->position || !vd_digest_equal(&head, &l->head))
        return RO_FAIL(err, RO_EDIFFER, "the log has %llu events; its signed head is of %llu",
                       (unsigned long long)l->position, (unsigned long long)claimed);
    head_digest(claimed, &head, &d);
    RO_TRY(vd_check_signature(vd_key_public(l->key), d.b, VD_DIGEST, signature, err));
    return RO_OK;
}

/* From here on this is the last head. */
static ro_status begin_anchor(sv_ledger *l, ro_err *err)
{
    uint8_t signature[64];
    vd_digest d;
    head_digest(l->position, &l->head, &d);
    RO_TRY(vd_sign(l->key, d.b, VD_DIGEST, signature, err));
    RO_TRY(vd_fs_truncate(l->heads, 0, HEADS_NAME, err));
    l->slot = 0;
    return write_anchor(l, signature, err);
}

/* The database must have the event before the place that the file names, under that head. */
static ro_status check_anchor(sv_ledger *l, int older, ro_err *err)
{
    anchor a = {0, {{0}}, 0};
    sqlite3_stmt *s;
    int row, same = 0;
    for (uint64_t k = 0; k < 2; k++) RO_TRY(read_slot(l, k, &a, err));
    if (!a.there && !l->position) return begin_anchor(l, err);
    if (a.there && !a.position) return RO_OK;
    if (a.there && a.position <= l->position) {
        RO_TRY(sv_db_ask(&l->s, Q_EVENT_AT, &s, err, "u", a.position - 1));
        RO_TRY(sv_db_step(&l->s, s, &row, err));
        if (row) {
            vd_digest head;
            sv_db_column(s, 5, head.b, VD_DIGEST);
            same = vd_digest_equal(&head, &a.head);
            sv_db_done(s);
        }
    }
    if (same) return RO_OK;
    if (older) return begin_anchor(l, err);
    if (!a.there)
        return RO_FAIL(err, RO_EDIFFER, "the file %s has no head that the ledger's key signed; "
                       "whether the database is an older copy cannot be told", HEADS_NAME);
    return RO_FAIL(err, RO_EDIFFER, "the database is an older copy: its log has %llu events and "
                   "%llu were signed; messages that were receipted are missing from it",
                   (unsigned long long)l->position, (unsigned long long)a.position);
}

static ro_status open_database(sv_ledger *l, const char *dir, ro_err *err)
{
    char path[VD_FS_NAME_MAX];
    int n = snprintf(path, sizeof path, "%s/ledger.db", dir);
    if (n < 0 || (size_t)n >= sizeof path)
        return RO_FAIL(err, RO_ELIMIT, "the folder's path has more than %u bytes",
                       VD_FS_NAME_MAX - 12);
    /* Sealed secrets and reveals are in it. What SQLite makes beside it has its mode. */
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) return vd_fs_failed("open", path, err);
    close(fd);
    int got = sqlite3_open_v2(path, &l->s.db,
                              SQLITE_OPEN_READWRITE | SQLITE_OPEN_FULLMUTEX, NULL);
    if (!l->s.db) return RO_FAIL(err, RO_ENOMEM, "no memory for the ledger");
    if (got != SQLITE_OK) return sv_db_failed(l->s.db, "be opened", err);
    sqlite3_busy_timeout(l->s.db, 5000);
    if (sqlite3_db_config(l->s.db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL) != SQLITE_OK)
        return sv_db_failed(l->s.db, "be opened defensively", err);
    return RO_OK;
}

static ro_status open_all(sv_ledger *l, const char *dir, int older, ro_err *err)
{
    int folder = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) return vd_fs_failed("open", dir, err);
    ro_status st = vd_fs_lock(folder, HEADS_NAME, HEADS_NAME, 0, &l->heads, NULL, err);
    if (st == RO_OK) st = vd_fs_sync(folder, dir, err);
    close(folder);
    RO_TRY(st);
    RO_TRY(open_database(l, dir, err));
    RO_TRY(set_up(l, err));
    RO_TRY(check_signer(l, err));
    RO_TRY(check_head(l, err));
    return check_anchor(l, older, err);
}

ro_status sv_ledger_open(const char *dir, const vd_key *key, int older, sv_ledger **out,
                         ro_err *err)
{
    sv_ledger *l = ro_alloc_zero(sizeof *l);
    if (!l) return RO_FAIL(err, RO_ENOMEM, "no memory for the ledger");
    l->key = key;
    l->heads = -1;
    l->s = (sv_statements){NULL, queries, l->prepared, Q_COUNT, 0};
    ro_status st = open_all(l, dir, older, err);
    if (st) {
        sv_ledger_close(l);
        return st;
    }
    *out = l;
    return RO_OK;
}

void sv_ledger_close(sv_ledger *l)
{
    if (!l) return;
    if (l->begun) sv_ledger_rollback(l);
    sv_db_finalize(&l->s);
    sqlite3_close(l->s.db);
    if (l->heads >= 0) close(l->heads);
    ro_free(l);
}

/* ---- transactions ----------------------------------------------------------------------- */

static ro_status usable(const sv_ledger *l, ro_err *err)
{
    if (l->broken)
        return RO_FAIL(err, RO_EIO, "a commit has failed; the ledger must be opened again");
    if (l->s.failed) return RO_FAIL(err, RO_EIO, "the transaction has failed; it must be undone");
    return RO_OK;
}

int sv_ledger_broken(const sv_ledger *l) { return l->broken; }

static ro_status plain(sv_ledger *l, query q, ro_err *err)
{
    sqlite3_stmt *s;
    RO_TRY(sv_db_ask(&l->s, q, &s, err, ""));
    return sv_db_finish(&l->s, s, err);
}

ro_status sv_ledger_begin(sv_ledger *l, ro_err *err)
{
    RO_ASSERT(!l->begun);
    RO_TRY(usable(l, err));
    ro_status st = plain(l, l->batch ? Q_SAVE : Q_BEGIN, err);
    if (st) {
        l->s.failed = 0; /* nothing was begun, so there is nothing to undo */
        return st;
    }
    l->begun = 1;
    l->moved = 0;
    l->begun_position = l->position;
    l->begun_head = l->head;
    return RO_OK;
}

/* grown: events were appended since BEGIN. */
static ro_status commit(sv_ledger *l, int grown, uint8_t signature[64], ro_err *err)
{
    sqlite3_stmt *s;
    vd_digest d;
    RO_TRY(usable(l, err));
    if (grown) {
        head_digest(l->position, &l->head, &d);
        RO_TRY(vd_sign(l->key, d.b, VD_DIGEST, signature, err));
        RO_TRY(sv_db_ask(&l->s, Q_HEAD_PUT, &s, err, "udb", l->position, &l->head, signature,
                         (uint64_t)64));
        RO_TRY(sv_db_finish(&l->s, s, err));
    }
    ro_status st = plain(l, Q_COMMIT, err);
    if (st) l->broken = 1; /* its frames may be on the disk: recovery would find them */
    return st;
}

static ro_status anchor_commit(sv_ledger *l, int grown, const uint8_t signature[64], ro_err *err)
{
    ro_status st = grown ? write_anchor(l, signature, err) : RO_OK;
    if (st) l->broken = 1;
    return st;
}

ro_status sv_ledger_commit(sv_ledger *l, ro_err *err)
{
    uint8_t signature[64];
    int grown = l->position != l->begun_position;
    RO_ASSERT(l->begun && (grown || !l->moved));
    ro_status st = usable(l, err);
    if (st == RO_OK) st = l->batch ? plain(l, Q_RELEASE, err) : commit(l, grown, signature, err);
    if (st) {
        sv_ledger_rollback(l);
        return st;
    }
    l->begun = 0;
    return l->batch ? RO_OK : anchor_commit(l, grown, signature, err);
}

void sv_ledger_rollback(sv_ledger *l)
{
    RO_ASSERT(l->begun);
    ro_err err = {RO_OK, {0}};
    int over = sqlite3_get_autocommit(l->s.db); /* SQLite has undone all of it by itself */
    l->s.failed = 0;
    if (l->batch && over) l->broken = 1; /* and with it what others were to be told */
    else if (l->batch && (plain(l, Q_UNDO, &err) || plain(l, Q_RELEASE, &err))) l->broken = 1;
    else if (!l->batch && !over && plain(l, Q_ROLLBACK, &err)) l->broken = 1;
    l->begun = l->s.failed = 0;
    l->position = l->begun_position;
    l->head = l->begun_head;
}

ro_status sv_ledger_batch(sv_ledger *l, ro_err *err)
{
    RO_ASSERT(!l->begun && !l->batch);
    RO_TRY(usable(l, err));
    ro_status st = plain(l, Q_BEGIN, err);
    l->s.failed = 0;
    if (st) return st;
    l->batch = 1;
    l->batch_position = l->position;
    return RO_OK;
}

ro_status sv_ledger_batch_end(sv_ledger *l, ro_err *err)
{
    uint8_t signature[64];
    int grown = l->position != l->batch_position;
    RO_ASSERT(!l->begun && l->batch);
    l->batch = 0;
    ro_status st = commit(l, grown, signature, err);
    if (st == RO_OK) return anchor_commit(l, grown, signature, err);
    l->broken = 1; /* the caller's memory is of what is not there */
    ro_err why = {RO_OK, {0}};
    l->s.failed = 0;
    if (!sqlite3_get_autocommit(l->s.db)) (void)plain(l, Q_ROLLBACK, &why);
    return st;
}

sqlite3 *sv_ledger_connection(sv_ledger *l) { return l->s.db; }

/* ---- money ------------------------------------------------------------------------------ */

static ro_status account(sv_ledger *l, const sv_account *a, int make, int64_t *id, int64_t *balance,
                         ro_err *err)
{
    sqlite3_stmt *s;
    int row;
    if (make) {
        RO_TRY(sv_db_ask(&l->s, Q_ACCOUNT_NEW, &s, err, "tdd", sv_account_name(a->kind), &a->owner,
                   &a->task));
        RO_TRY(sv_db_finish(&l->s, s, err));
    }
    RO_TRY(sv_db_ask(&l->s, Q_ACCOUNT, &s, err, "tdd", sv_account_name(a->kind), &a->owner,
                     &a->task));
    RO_TRY(sv_db_step(&l->s, s, &row, err));
    *id = row ? sqlite3_column_int64(s, 0) : 0;
    *balance = row ? sqlite3_column_int64(s, 1) : 0;
    if (row) sv_db_done(s);
    return RO_OK;
}

ro_status sv_ledger_balance(sv_ledger *l, const sv_account *a, int64_t *balance, ro_err *err)
{
    int64_t id;
    RO_ASSERT(l->begun);
    RO_TRY(usable(l, err));
    return account(l, a, 0, &id, balance, err);
}

ro_status sv_ledger_moved(sv_ledger *l, const sv_transfer_key *k, int64_t *amount, ro_err *err)
{
    sqlite3_stmt *s;
    int row;
    RO_ASSERT(l->begun);
    RO_TRY(usable(l, err));
    RO_TRY(sv_db_ask(&l->s, Q_MOVED, &s, err, "du", &k->scope, k->key));
    RO_TRY(sv_db_step(&l->s, s, &row, err));
    *amount = row ? sqlite3_column_int64(s, 0) : 0;
    if (row) sv_db_done(s);
    return RO_OK;
}

ro_status sv_ledger_move(sv_ledger *l, const sv_transfer_key *k, const sv_account *from,
                         const sv_account *to, int64_t amount, ro_err *err)
{
    int64_t debit, credit, has, other, before;
    sqlite3_stmt *s;
    RO_ASSERT(l->begun && amount > 0);
    RO_TRY(sv_ledger_moved(l, k, &before, err));
    if (before) return RO_FAIL(err, RO_EDIFFER, "this transfer was booked before");
    RO_TRY(account(l, from, 1, &debit, &has, err));
    RO_TRY(account(l, to, 1, &credit, &other, err));
    RO_ASSERT(debit != credit);
    if (from->kind == SV_MINT) {
        int64_t supply = -has;
        RO_TRY(rf_money_add(&supply, amount, err));
    } else if (has < amount) {
        return RO_FAIL(err, RO_ELIMIT, "the account %s has %lld; %lld are needed",
                       sv_account_name(from->kind), (long long)has, (long long)amount);
    }
    /* of the event that the transaction has, or will have */
    const uint64_t event = l->position - (l->position != l->begun_position);
    RO_TRY(sv_db_ask(&l->s, Q_MOVE, &s, err, "duiiiu", &k->scope, k->key, debit, credit, amount,
                     event));
    l->moved = 1;
    return sv_db_finish(&l->s, s, err);
}

ro_status sv_ledger_deposit(sv_ledger *l, const vd_digest *request, const sv_account *to,
                            int64_t amount, uint64_t stamp_ms, ro_err *err)
{
    static const sv_account mint = {SV_MINT, {{0}}, {{0}}};
    const sv_transfer_key k = {*request, SV_KEY_DEPOSIT};
    uint8_t body[SV_KIND_BYTES + 2 * VD_DIGEST + 8] = {0};
    const char *name = sv_account_name(to->kind);
    sv_event e;
    memset(&e, 0, sizeof e);
    memcpy(body, name, strlen(name));
    vd_out o = {body, SV_KIND_BYTES};
    vd_out_bytes(&o, to->owner.b, VD_DIGEST);
    vd_out_bytes(&o, to->task.b, VD_DIGEST);
    vd_out_u64(&o, (uint64_t)amount);
    e.task = *request;
    e.number = SV_NO_NUMBER;
    e.stamp_ms = stamp_ms;
    memcpy(e.kind, "deposit", sizeof "deposit");
    e.body = body;
    e.size = o.n;
    RO_TRY(sv_ledger_append(l, &e, err));
    return sv_ledger_move(l, &k, &mint, to, amount, err);
}

ro_status sv_ledger_total(sv_ledger *l, int64_t *total, ro_err *err)
{
    sqlite3_stmt *s;
    int row;
    RO_ASSERT(l->begun);
    RO_TRY(usable(l, err));
    RO_TRY(sv_db_ask(&l->s, Q_TOTAL, &s, err, ""));
    RO_TRY(sv_db_step(&l->s, s, &row, err));
    RO_ASSERT(row);
    *total = sqlite3_column_int64(s, 0);
    int64_t rest = sqlite3_column_int64(s, 1);
    sv_db_done(s);
    if (!rest) return RO_OK;
    return RO_FAIL(err, RO_EDIFFER, "the accounts add up to %lld, not to 0", (long long)rest);
}

/* ---- the log ---------------------------------------------------------------------------- */

ro_status sv_ledger_append(sv_ledger *l, sv_event *e, ro_err *err)
{
    sqlite3_stmt *s;
    RO_ASSERT(l->begun);
    RO_TRY(usable(l, err));
    if (e->size > SV_BODY_MAX)
        return RO_FAIL(err, RO_ELIMIT, "an event has %llu bytes; %llu are allowed",
                       (unsigned long long)e->size, (unsigned long long)SV_BODY_MAX);
    if (e->stamp_ms < l->stamp) e->stamp_ms = l->stamp;
    e->position = l->position;
    e->head = sv_event_head(&l->head, e);
    RO_TRY(sv_db_ask(&l->s, Q_APPEND, &s, err, "uudukbd", e->position, e->stamp_ms, &e->task,
                     e->number, e->kind, e->body, e->size, &e->head));
    RO_TRY(sv_db_finish(&l->s, s, err));
    l->position++;
    l->head = e->head;
    l->stamp = e->stamp_ms;
    return RO_OK;
}

static void event_row(sqlite3_stmt *s, sv_event *e)
{
    memset(e, 0, sizeof *e);
    e->position = (uint64_t)sqlite3_column_int64(s, 0);
    e->stamp_ms = (uint64_t)sqlite3_column_int64(s, 1);
    sv_db_column(s, 2, e->task.b, VD_DIGEST);
    e->number = (uint64_t)sqlite3_column_int64(s, 3);
    sv_db_column(s, 4, e->kind, SV_KIND_BYTES);
    sv_db_column(s, 5, e->head.b, VD_DIGEST);
    e->body = sqlite3_column_blob(s, 6);
    e->size = (uint64_t)sqlite3_column_bytes(s, 6);
}

ro_status sv_ledger_events(sv_ledger *l, const vd_digest *task, uint64_t from, sv_event_row *row,
                           void *ctx, ro_err *err)
{
    sqlite3_stmt *s;
    sv_event e;
    int there;
    RO_ASSERT(l->begun);
    RO_TRY(usable(l, err));
    RO_TRY(sv_db_ask(&l->s, Q_EVENTS, &s, err, "du", task, from));
    for (;;) {
        RO_TRY(sv_db_step(&l->s, s, &there, err));
        if (!there) return RO_OK;
        event_row(s, &e);
        ro_status st = row(ctx, &e, err);
        if (st) {
            sv_db_done(s);
            return st;
        }
    }
}

ro_status sv_ledger_numbered(sv_ledger *l, const vd_digest *task, uint64_t number, sv_event *e,
                             ro_err *err)
{
    sqlite3_stmt *s;
    int there;
    RO_ASSERT(l->begun);
    RO_TRY(usable(l, err));
    RO_TRY(sv_db_ask(&l->s, Q_NUMBERED, &s, err, "du", task, number));
    RO_TRY(sv_db_step(&l->s, s, &there, err));
    if (!there) return RO_FAIL(err, RO_ENOTFOUND, "the task has no event of that number");
    event_row(s, e);
    e->body = NULL;
    e->size = 0;
    sv_db_done(s);
    return RO_OK;
}

/* ---- tasks ------------------------------------------------------------------------------ */

ro_status sv_ledger_keep(sv_ledger *l, const sv_task_record *r, ro_err *err)
{
    sqlite3_stmt *s;
    RO_ASSERT(l->begun);
    RO_TRY(usable(l, err));
    if (r->state_size > SV_STATE_MAX)
        return RO_FAIL(err, RO_ELIMIT, "a task's state has %llu bytes; %llu are allowed",
                       (unsigned long long)r->state_size, (unsigned long long)SV_STATE_MAX);
    if (r->order) {
        RO_TRY(sv_db_ask(&l->s, Q_TASK_NEW, &s, err, "ddtuubb", &r->task, &r->client, r->status,
                   r->position, r->stakes, r->order, r->order_size, r->state, r->state_size));
        return sv_db_finish(&l->s, s, err);
    }
    RO_TRY(sv_db_ask(&l->s, Q_TASK_PUT, &s, err, "dtuub", &r->task, r->status, r->position,
                     r->stakes, r->state, r->state_size));
    RO_TRY(sv_db_finish(&l->s, s, err));
    if (sqlite3_changes(l->s.db) == 1) return RO_OK;
    l->s.failed = 1;
    return RO_FAIL(err, RO_EDIFFER, "the task has ended, or is none; it takes no other state");
}

static ro_status task_rows(sv_ledger *l, sqlite3_stmt *s, sv_task_row *row, void *ctx,
                           uint64_t *count, ro_err *err)
{
    sv_task_record r;
    int there;
    for (;; ++*count) {
        RO_TRY(sv_db_step(&l->s, s, &there, err));
        if (!there) return RO_OK;
        memset(&r, 0, sizeof r);
        sv_db_column(s, 0, r.task.b, VD_DIGEST);
        sv_db_column(s, 1, r.client.b, VD_DIGEST);
        r.status = (const char *)sqlite3_column_text(s, 2);
        r.position = (uint64_t)sqlite3_column_int64(s, 3);
        r.stakes = (uint64_t)sqlite3_column_int64(s, 4);
        r.order = sqlite3_column_blob(s, 5);
        r.order_size = (uint64_t)sqlite3_column_bytes(s, 5);
        r.state = sqlite3_column_blob(s, 6);
        r.state_size = (uint64_t)sqlite3_column_bytes(s, 6);
        ro_status st = row(ctx, &r, err);
        if (st) {
            sv_db_done(s);
            return st;
        }
    }
}

ro_status sv_ledger_open_tasks(sv_ledger *l, sv_task_row *row, void *ctx, ro_err *err)
{
    sqlite3_stmt *s;
    uint64_t count = 0;
    RO_ASSERT(l->begun);
    RO_TRY(usable(l, err));
    RO_TRY(sv_db_ask(&l->s, Q_TASKS, &s, err, ""));
    return task_rows(l, s, row, ctx, &count, err);
}

ro_status sv_ledger_find(sv_ledger *l, const vd_digest *task, sv_task_row *row, void *ctx,
                         ro_err *err)
{
    sqlite3_stmt *s;
    uint64_t count = 0;
    RO_ASSERT(l->begun);
    RO_TRY(usable(l, err));
    RO_TRY(sv_db_ask(&l->s, Q_TASK, &s, err, "d", task));
    RO_TRY(task_rows(l, s, row, ctx, &count, err));
    return count ? RO_OK : RO_FAIL(err, RO_ENOTFOUND, "there is no such task");
}

/* ---- the outbox ------------------------------------------------------------------------- */

ro_status sv_ledger_post(sv_ledger *l, const sv_notice *n, ro_err *err)
{
    sqlite3_stmt *s;
    RO_ASSERT(l->begun);
    RO_TRY(usable(l, err));
    if (n->size > SV_BODY_MAX)
        return RO_FAIL(err, RO_ELIMIT, "a notice has %llu bytes; %llu are allowed",
                       (unsigned long long)n->size, (unsigned long long)SV_BODY_MAX);
    RO_TRY(sv_db_ask(&l->s, Q_POST, &s, err, "dkb", &n->task, n->kind, n->body, n->size));
    return sv_db_finish(&l->s, s, err);
}

ro_status sv_ledger_notices(sv_ledger *l, sv_notice_row *row, void *ctx, ro_err *err)
{
    sqlite3_stmt *s;
    sv_notice n;
    int there;
    RO_ASSERT(l->begun);
    RO_TRY(usable(l, err));
    RO_TRY(sv_db_ask(&l->s, Q_NOTICES, &s, err, ""));
    for (;;) {
        RO_TRY(sv_db_step(&l->s, s, &there, err));
        if (!there) return RO_OK;
        n.id = (uint64_t)sqlite3_column_int64(s, 0);
        sv_db_column(s, 1, n.task.b, VD_DIGEST);
        sv_db_column(s, 2, n.kind, SV_KIND_BYTES);
        n.body = sqlite3_column_blob(s, 3);
        n.size = (uint64_t)sqlite3_column_bytes(s, 3);
        ro_status st = row(ctx, &n, err);
        if (st) {
            sv_db_done(s);
            return st;
        }
    }
}

ro_status sv_ledger_taken(sv_ledger *l, uint64_t id, ro_err *err)
{
    sqlite3_stmt *s;
    RO_ASSERT(l->begun);
    RO_TRY(usable(l, err));
    RO_TRY(sv_db_ask(&l->s, Q_TAKEN, &s, err, "u", id));
    return sv_db_finish(&l->s, s, err);
}
