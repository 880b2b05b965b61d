/* test_ledger.c - the service's ledger: money is kept, the log is whole, what was committed is
 * there after a kill at any instant, and the reconciler sees every row that was tampered with. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../server/ledger.h"
#include "small_job.h"

static const uint8_t seed[32] = {7};

typedef struct { char dir[64]; vd_key *key; sv_ledger *l; } world;

static void reopen(world *w, int older)
{
    ro_err err = {RO_OK, {0}};
    sv_ledger_close(w->l);
    w->l = NULL;
    must(sv_ledger_open(w->dir, w->key, older, &w->l, &err), &err);
}

static world begin(void)
{
    world w = {"/tmp/verde-ledger-XXXXXX", NULL, NULL};
    ro_err err = {RO_OK, {0}};
    cr_assert(mkdtemp(w.dir));
    must(vd_key_from_seed(seed, &w.key, &err), &err);
    reopen(&w, 0);
    return w;
}

static void path_of(const world *w, const char *name, char out[128])
{
    snprintf(out, 128, "%s/%s", w->dir, name);
}

static void end(world *w)
{
    static const char *const names[] = {"ledger.db", "ledger.db-wal", "ledger.db-shm", "heads",
                                        "copy.db"};
    char path[128];
    sv_ledger_close(w->l);
    vd_key_free(w->key);
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        path_of(w, names[k], path);
        unlink(path);
    }
    rmdir(w->dir);
}

static sv_account free_of(uint64_t n) { return (sv_account){SV_FREE, made_up(n, 1, 1), {{0}}}; }
static sv_account held_of(uint64_t n, uint64_t task)
{
    return (sv_account){SV_HELD, made_up(n, 1, 1), made_up(task, 2, 2)};
}
static const sv_account mint = {SV_MINT, {{0}}, {{0}}}, burn = {SV_BURN, {{0}}, {{0}}};

static ro_status append(world *w, uint64_t number, const char *kind, const char *body, ro_err *err);
/* One transaction of one move; its status. */
static ro_status move(world *w, uint64_t key, sv_account from, sv_account to, int64_t amount,
                      ro_err *err)
{
    sv_transfer_key k = {made_up(9, 9, 9), key};
    must(sv_ledger_begin(w->l, err), err);
    ro_status st = append(w, SV_NO_NUMBER, "moved", "", err);
    if (!st) st = sv_ledger_move(w->l, &k, &from, &to, amount, err);
    if (st) {
        sv_ledger_rollback(w->l);
        return st;
    }
    return sv_ledger_commit(w->l, err);
}

static int64_t balance(world *w, sv_account a)
{
    int64_t b, total;
    ro_err err = {RO_OK, {0}};
    must(sv_ledger_begin(w->l, &err), &err);
    must(sv_ledger_balance(w->l, &a, &b, &err), &err);
    must(sv_ledger_total(w->l, &total, &err), &err);
    sv_ledger_rollback(w->l);
    return b;
}

static ro_status append(world *w, uint64_t number, const char *kind, const char *body, ro_err *err)
{
    sv_event e;
    memset(&e, 0, sizeof e);
    e.stamp_ms = 1000 + number;
    e.task = made_up(5, 2, 2);
    e.number = number;
    memcpy(e.kind, kind, strlen(kind));
    e.body = body;
    e.size = strlen(body);
    return sv_ledger_append(w->l, &e, err);
}

static void log_one(world *w, uint64_t number)
{
    ro_err err = {RO_OK, {0}};
    must(sv_ledger_begin(w->l, &err), &err);
    must(append(w, number, "message", "said", &err), &err);
    must(sv_ledger_commit(w->l, &err), &err);
}

static int balanced(const world *w, char why[256])
{
    ro_err err = {RO_OK, {0}};
    int yes = -1;
    must(sv_reconcile(w->dir, &yes, why, NULL, &err), &err);
    cr_assert_eq(yes, !why[0]);
    return yes;
}

/* ---- money -------------------------------------------------------------------------------- */

Test(ledger, V003_money_moves_and_is_never_made)
{
    world w = begin();
    ro_err err = {RO_OK, {0}};
    char why[256];
    must(move(&w, 1, mint, free_of(1), 100, &err), &err);
    must(move(&w, 2, free_of(1), held_of(1, 5), 60, &err), &err);
    cr_assert_eq(balance(&w, free_of(1)), 40);
    cr_assert_eq(balance(&w, mint), -100);
    cr_assert_eq(move(&w, 3, free_of(1), held_of(1, 5), 41, &err), RO_ELIMIT);
    cr_assert(strstr(err.msg, "has 40; 41 are needed"), "%s", err.msg);
    cr_assert_eq(balance(&w, held_of(1, 5)), 60);
    memset(&err, 0, sizeof err);
    cr_assert_eq(move(&w, 2, free_of(1), held_of(1, 5), 1, &err), RO_EDIFFER); /* booked before */
    memset(&err, 0, sizeof err);
    cr_assert_eq(move(&w, 4, mint, free_of(2), RF_SUPPLY_MAX, &err), RO_ELIMIT);
    memset(&err, 0, sizeof err);
    must(move(&w, 5, mint, free_of(2), RF_SUPPLY_MAX - 100, &err), &err);
    must(move(&w, 6, free_of(2), burn, RF_SUPPLY_MAX - 100, &err), &err);
    /* a held account of a task that nobody opened is what a reconciler must not overlook */
    cr_assert(!balanced(&w, why) && strstr(why, "is of a task that is not there"), "%s", why);
    end(&w);
}

Test(ledger, a_deposit_is_booked_once_and_is_in_the_log)
{
    world w = begin();
    ro_err err = {RO_OK, {0}};
    const vd_digest request = made_up(6, 6, 6);
    const sv_account to = free_of(1);
    uint64_t position;
    vd_digest head;
    char why[256];
    must(sv_ledger_begin(w.l, &err), &err);
    must(sv_ledger_deposit(w.l, &request, &to, 500, 1000, &err), &err);
    must(sv_ledger_commit(w.l, &err), &err);
    must(sv_ledger_begin(w.l, &err), &err);
    cr_assert_eq(sv_ledger_deposit(w.l, &request, &to, 500, 1001, &err), RO_EDIFFER);
    sv_ledger_rollback(w.l);
    cr_assert_eq(balance(&w, to), 500);
    sv_ledger_head(w.l, &position, &head);
    cr_assert_eq(position, 1);
    cr_assert(balanced(&w, why), "%s", why);
    end(&w);
}

Test(ledger, what_is_undone_was_never_there)
{
    world w = begin();
    ro_err err = {RO_OK, {0}};
    uint64_t position;
    vd_digest before, after;
    char why[256];
    sv_transfer_key k = {made_up(1, 1, 1), 1};
    sv_account to = free_of(1);
    log_one(&w, 0);
    sv_ledger_head(w.l, &position, &before);
    must(sv_ledger_begin(w.l, &err), &err);
    must(append(&w, 1, "tick", "", &err), &err);
    must(sv_ledger_move(w.l, &k, &mint, &to, 5, &err), &err);
    sv_ledger_rollback(w.l);
    sv_ledger_head(w.l, &position, &after);
    cr_assert_eq(position, 1);
    cr_assert(vd_digest_equal(&before, &after));
    cr_assert_eq(balance(&w, to), 0);
    reopen(&w, 0);
    log_one(&w, 1);
    cr_assert(balanced(&w, why), "%s", why);
    end(&w);
}

/* ---- tasks and the outbox ------------------------------------------------------------------ */

typedef struct { uint32_t count; char status[16]; uint64_t position, state_size; } kept;

static ro_status keep_row(void *ctx, const sv_task_record *r, ro_err *err)
{
    kept *k = ctx;
    (void)err;
    k->count++;
    k->position = r->position;
    k->state_size = r->state_size;
    snprintf(k->status, sizeof k->status, "%s", r->status);
    return RO_OK;
}

static ro_status notice_row(void *ctx, const sv_notice *n, ro_err *err)
{
    (void)err;
    cr_assert_eq(n->size, 5);
    *(uint64_t *)ctx = n->id;
    return RO_OK;
}

Test(ledger, T38_a_task_that_has_ended_takes_no_other_state)
{
    world w = begin();
    ro_err err = {RO_OK, {0}};
    kept k = {0};
    sv_task_record r = {.task = made_up(5, 2, 2), .client = made_up(1, 1, 1), .status = "open",
                        .order = "job", .order_size = 3, .state = "s", .state_size = 1};
    must(sv_ledger_begin(w.l, &err), &err);
    must(sv_ledger_keep(w.l, &r, &err), &err);
    r.order = NULL;
    r.status = "commit";
    r.state = "later";
    r.state_size = 5;
    must(sv_ledger_keep(w.l, &r, &err), &err);
    must(sv_ledger_open_tasks(w.l, keep_row, &k, &err), &err);
    cr_assert(k.count == 1 && k.state_size == 5 && !strcmp(k.status, "commit"));
    r.status = "settled";
    must(sv_ledger_keep(w.l, &r, &err), &err);
    memset(&k, 0, sizeof k);
    must(sv_ledger_open_tasks(w.l, keep_row, &k, &err), &err);
    cr_assert_eq(k.count, 0);
    must(sv_ledger_find(w.l, &r.task, keep_row, &k, &err), &err);
    cr_assert(!strcmp(k.status, "settled"));
    must(sv_ledger_commit(w.l, &err), &err);
    must(sv_ledger_begin(w.l, &err), &err);
    cr_assert_eq(sv_ledger_keep(w.l, &r, &err), RO_EDIFFER); /* V-004: it is settled once */
    memset(&err, 0, sizeof err);
    cr_assert_eq(sv_ledger_commit(w.l, &err), RO_EIO); /* after a failure it can only be undone */
    end(&w);
}

Test(ledger, a_notice_stays_until_it_was_taken)
{
    world w = begin();
    ro_err err = {RO_OK, {0}};
    uint64_t id = 0;
    sv_notice n = {0, made_up(5, 2, 2), "alarm", "why, ", 5};
    must(sv_ledger_begin(w.l, &err), &err);
    must(sv_ledger_post(w.l, &n, &err), &err);
    must(sv_ledger_commit(w.l, &err), &err);
    reopen(&w, 0);
    must(sv_ledger_begin(w.l, &err), &err);
    must(sv_ledger_notices(w.l, notice_row, &id, &err), &err);
    cr_assert_neq(id, 0);
    must(sv_ledger_taken(w.l, id, &err), &err);
    id = 0;
    must(sv_ledger_notices(w.l, notice_row, &id, &err), &err);
    cr_assert_eq(id, 0);
    must(sv_ledger_commit(w.l, &err), &err);
    end(&w);
}

/* ---- the log ------------------------------------------------------------------------------- */

typedef struct { vd_digest head; uint64_t count; } walk;

static ro_status walk_row(void *ctx, const sv_event *e, ro_err *err)
{
    walk *k = ctx;
    (void)err;
    cr_assert_eq(e->position, k->count);
    k->head = sv_event_head(&k->head, e);
    cr_assert(vd_digest_equal(&k->head, &e->head));
    k->count++;
    return RO_OK;
}

Test(ledger, the_log_is_a_chain_and_its_head_goes_on)
{
    world w = begin();
    ro_err err = {RO_OK, {0}};
    walk k = {{{0}}, 0};
    uint64_t position;
    vd_digest head;
    sv_event e;
    const vd_digest task = made_up(5, 2, 2);
    for (uint64_t n = 0; n < 20; n++) {
        log_one(&w, 3 * n);
        if (n % 7 == 3) reopen(&w, 0);
    }
    must(sv_ledger_begin(w.l, &err), &err);
    must(sv_ledger_events(w.l, &task, 0, walk_row, &k, &err), &err);
    must(sv_ledger_numbered(w.l, &task, 27, &e, &err), &err);
    cr_assert(e.position == 9 && e.stamp_ms == 1027);
    must(append(&w, 0, "tick", "", &err), &err); /* the clock went back */
    cr_assert_eq(sv_ledger_stamp(w.l), 1057);
    cr_assert_eq(sv_ledger_numbered(w.l, &task, 28, &e, &err), RO_ENOTFOUND);
    sv_ledger_rollback(w.l);
    sv_ledger_head(w.l, &position, &head);
    cr_assert_eq(position, 20);
    cr_assert(vd_digest_equal(&head, &k.head));
    end(&w);
}

static void copy(const char *from, const char *to)
{
    char bytes[4096];
    ssize_t n;
    int a = open(from, O_RDONLY), b = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    cr_assert(a >= 0 && b >= 0);
    while ((n = read(a, bytes, sizeof bytes)) > 0) cr_assert_eq(write(b, bytes, (size_t)n), n);
    close(a);
    close(b);
}

Test(ledger, T58_an_older_copy_is_not_opened_unless_it_is_asked_for)
{
    world w = begin();
    ro_err err = {RO_OK, {0}};
    char now[128], old[128], why[256];
    path_of(&w, "ledger.db", now);
    path_of(&w, "copy.db", old);
    log_one(&w, 0);
    sv_ledger_close(w.l); /* which writes the database's journal into it */
    w.l = NULL;
    copy(now, old);
    reopen(&w, 0);
    log_one(&w, 1);
    sv_ledger_close(w.l);
    w.l = NULL;
    copy(old, now);
    cr_assert_eq(sv_ledger_open(w.dir, w.key, 0, &w.l, &err), RO_EDIFFER);
    cr_assert(strstr(err.msg, "has 1 events and 2 were signed"), "%s", err.msg);
    reopen(&w, 1);
    log_one(&w, 2); /* another history from here on */
    log_one(&w, 3);
    reopen(&w, 0);
    cr_assert(balanced(&w, why), "%s", why);
    sv_ledger_close(w.l);
    w.l = NULL;
    cr_assert_eq(unlink(now), 0); /* none at all is older too */
    memset(&err, 0, sizeof err);
    cr_assert_eq(sv_ledger_open(w.dir, w.key, 0, &w.l, &err), RO_EDIFFER);
    end(&w);
}

Test(ledger, nobody_else_reads_it)
{
    static const char *const names[] = {"ledger.db", "ledger.db-wal"};
    world w = begin();
    char path[128];
    struct stat s;
    log_one(&w, 0);
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        path_of(&w, names[k], path);
        cr_assert_eq(stat(path, &s), 0);
        cr_assert_eq(s.st_mode & 0777, 0600);
    }
    end(&w);
}

Test(ledger, one_process_writes_and_one_key_signs)
{
    world w = begin();
    ro_err err = {RO_OK, {0}};
    sv_ledger *other = NULL;
    vd_key *key;
    const uint8_t another[32] = {8};
    cr_assert_eq(sv_ledger_open(w.dir, w.key, 0, &other, &err), RO_EIO);
    cr_assert(strstr(err.msg, "another process"), "%s", err.msg);
    sv_ledger_close(w.l);
    w.l = NULL;
    memset(&err, 0, sizeof err);
    must(vd_key_from_seed(another, &key, &err), &err);
    cr_assert_eq(sv_ledger_open(w.dir, key, 0, &other, &err), RO_EDIFFER);
    vd_key_free(key);
    end(&w);
}

/* ---- the reconciler ------------------------------------------------------------------------ */

/* Each line is SQL that somebody with the file at hand might run, and what must be said of it. */
static const struct { const char *sql, *says; } tampering[] = {
    {"UPDATE account SET balance = balance + 1 WHERE kind = 'free'", "its transfers add up to"},
    {"UPDATE account SET balance = balance - 1 WHERE kind = 'mint'", "its transfers add up to"},
    {"DROP TRIGGER transfer_stays; UPDATE transfer SET amount = amount + 1 WHERE id = 1",
     "its transfers add up to"},
    {"DROP TRIGGER transfer_is_kept; DELETE FROM transfer WHERE id = 2", "its transfers add up to"},
    {"DROP TRIGGER transfer_books; INSERT INTO transfer VALUES(99, zeroblob(32), 9, 1, 2, 7, 0)",
     "its transfers add up to"},
    {"DROP TRIGGER event_stays; UPDATE event SET body = x'00' WHERE position = 1",
     "event 1 of the log does not hash"},
    {"DROP TRIGGER event_stays; UPDATE event SET stamp = stamp + 1 WHERE position = 2",
     "event 2 of the log does not hash"},
    {"DROP TRIGGER event_stays; UPDATE event SET number = 77 WHERE position = 0",
     "event 0 of the log does not hash"},
    {"DROP TRIGGER event_stays; UPDATE event SET kind = zeroblob(16) WHERE position = 0",
     "event 0 of the log does not hash"},
    {"DROP TRIGGER event_stays; UPDATE event SET task = zeroblob(32) WHERE position = 0",
     "event 0 of the log does not hash"},
    {"DROP TRIGGER event_is_kept; DELETE FROM event WHERE position = 1", "event 1 of the log is"},
    {"DROP TRIGGER event_is_kept; DELETE FROM event WHERE position = 4", "signed head is of 5"},
    {"UPDATE head SET position = 2", "signed head is of 2"},
    {"UPDATE head SET signature = zeroblob(64)", "not signed by the ledger's key"},
    {"UPDATE signer SET key = zeroblob(32)", "not signed by the ledger's key"},
    {"DELETE FROM head", "no signed head"},
    {"UPDATE task SET status = 'settled'", "of a task that has ended"},
    {"UPDATE task SET position = 6", "knows 6 events"},
    {"DELETE FROM task", "of a task that is not there"},
};

static void tamper(const char *path, const char *sql)
{
    sqlite3 *db;
    char *why = NULL;
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    sqlite3_exec(db, sql, NULL, NULL, &why);
    cr_assert_null(why, "%s: %s", sql, why);
    sqlite3_close(db);
}

static void fill(world *w)
{
    ro_err err = {RO_OK, {0}};
    sv_task_record r = {.task = made_up(5, 2, 2), .client = made_up(1, 1, 1), .status = "open",
                        .order = "job", .order_size = 3, .state = "s", .state_size = 1};
    must(move(w, 1, mint, free_of(1), 100, &err), &err);
    must(move(w, 2, free_of(1), held_of(1, 5), 60, &err), &err);
    must(sv_ledger_begin(w->l, &err), &err);
    must(sv_ledger_keep(w->l, &r, &err), &err);
    must(sv_ledger_commit(w->l, &err), &err);
    for (uint64_t n = 0; n < 3; n++) log_one(w, n);
}

Test(ledger, the_reconciler_names_every_row_that_was_tampered_with)
{
    world w = begin();
    char now[128], old[128], why[256];
    path_of(&w, "ledger.db", now);
    path_of(&w, "copy.db", old);
    fill(&w);
    sv_ledger_close(w.l);
    w.l = NULL;
    cr_assert(balanced(&w, why), "%s", why);
    copy(now, old);
    for (size_t k = 0; k < sizeof tampering / sizeof *tampering; k++) {
        copy(old, now);
        tamper(now, tampering[k].sql);
        cr_assert(!balanced(&w, why), "%s", tampering[k].sql);
        cr_assert(strstr(why, tampering[k].says), "%s: %s", tampering[k].sql, why);
    }
    copy(old, now);
    cr_assert(balanced(&w, why), "%s", why);
    end(&w);
}

Test(ledger, triggers_keep_what_was_written)
{
    static const char *const forbidden[] = {
        "UPDATE transfer SET amount = 1", "DELETE FROM transfer", "UPDATE event SET stamp = 1",
        "DELETE FROM event", "UPDATE account SET balance = -1 WHERE kind = 'free'",
        "INSERT INTO transfer VALUES(99, zeroblob(32), 9, 2, 1, 1000000, 0)"};
    world w = begin();
    char now[128], why[256];
    sqlite3 *db;
    path_of(&w, "ledger.db", now);
    fill(&w);
    sv_ledger_close(w.l);
    w.l = NULL;
    cr_assert_eq(sqlite3_open(now, &db), SQLITE_OK);
    for (size_t k = 0; k < sizeof forbidden / sizeof *forbidden; k++)
        cr_assert_eq(sqlite3_exec(db, forbidden[k], NULL, NULL, NULL), SQLITE_CONSTRAINT, "%s",
                     forbidden[k]);
    sqlite3_close(db);
    cr_assert(balanced(&w, why), "%s", why);
    end(&w);
}

Test(ledger, verded_reconcile_says_it_with_its_exit_code)
{
    world w = begin();
    char now[128], command[256];
    path_of(&w, "ledger.db", now);
    fill(&w);
    snprintf(command, sizeof command, "%s/verded reconcile --data %s >/dev/null", VERDE_BIN_DIR,
             w.dir);
    cr_assert_eq(WEXITSTATUS(system(command)), 0); /* while the service has it open, too */
    sv_ledger_close(w.l);
    w.l = NULL;
    cr_assert_eq(WEXITSTATUS(system(command)), 0);
    tamper(now, tampering[0].sql);
    cr_assert_eq(WEXITSTATUS(system(command)), 1);
    cr_assert_eq(unlink(now), 0);
    snprintf(command, sizeof command, "%s/verded reconcile --data %s 2>/dev/null", VERDE_BIN_DIR,
             w.dir);
    cr_assert_eq(WEXITSTATUS(system(command)), 4);
    end(&w);
}

Test(ledger, a_copy_is_made_while_it_is_in_use)
{
    world w = begin();
    ro_err err = {RO_OK, {0}};
    char why[256], path[128], command[384];
    world other = {"/tmp/verde-ledger-XXXXXX", NULL, NULL};
    cr_assert(mkdtemp(other.dir));
    fill(&w);
    must(sv_ledger_begin(w.l, &err), &err); /* what is not committed is not copied */
    must(append(&w, 9, "tick", "", &err), &err);
    snprintf(command, sizeof command, "%s/verded backup --data %s --to %s 2>/dev/null",
             VERDE_BIN_DIR, w.dir, other.dir);
    cr_assert_eq(WEXITSTATUS(system(command)), 0);
    cr_assert_eq(WEXITSTATUS(system(command)), 2); /* none is overwritten */
    must(sv_ledger_commit(w.l, &err), &err);
    cr_assert(balanced(&other, why), "%s", why);
    path_of(&other, "ledger.db.partial", path);
    cr_assert_neq(access(path, F_OK), 0);
    must(vd_key_from_seed(seed, &other.key, &err), &err);
    /* without heads nobody can tell whether it is an older one */
    cr_assert_eq(sv_ledger_open(other.dir, other.key, 0, &other.l, &err), RO_EDIFFER);
    memset(&err, 0, sizeof err);
    reopen(&other, 1);
    reopen(&other, 0);
    uint64_t position;
    vd_digest head;
    sv_ledger_head(other.l, &position, &head);
    cr_assert_eq(position, 5);
    cr_assert_eq(balance(&other, mint), -100);
    end(&other);
    cr_assert_eq(sv_backup(w.dir, other.dir, &err), RO_ENOTFOUND); /* no such folder any more */
    end(&w);
}

/* ---- kill -9 ------------------------------------------------------------------------------- */

/* A child that books without end, and says the number of each transaction when it is durable. */
static void book_for_ever(world *w, int out)
{
    ro_err err = {RO_OK, {0}};
    uint64_t n;
    vd_digest head;
    for (;;) {
        sv_ledger_head(w->l, &n, &head);
        sv_transfer_key k[2] = {{made_up(1, 1, 1), 2 * n}, {made_up(1, 1, 1), 2 * n + 1}};
        sv_account a = free_of(1), b = free_of(2 + n % 3);
        must(sv_ledger_begin(w->l, &err), &err);
        must(append(w, n, "message", "said", &err), &err);
        must(sv_ledger_move(w->l, &k[0], &mint, &a, 10, &err), &err);
        must(sv_ledger_move(w->l, &k[1], &a, &b, 10, &err), &err);
        must(sv_ledger_commit(w->l, &err), &err);
        if (write(out, &n, sizeof n) != (ssize_t)sizeof n) _exit(1);
    }
}

/* Kill it after `patience` microseconds; the last number that it said. */
static int64_t run_and_kill(world *w, useconds_t patience)
{
    int ends[2], status;
    uint64_t n;
    int64_t last = -1;
    cr_assert_eq(pipe(ends), 0);
    sv_ledger_close(w->l); /* the child opens it itself: no database handle crosses a fork */
    w->l = NULL;
    pid_t child = fork();
    if (!child) {
        close(ends[0]);
        reopen(w, 0);
        book_for_ever(w, ends[1]);
    }
    close(ends[1]);
    usleep(patience);
    kill(child, SIGKILL);
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    while (read(ends[0], &n, sizeof n) == (ssize_t)sizeof n) last = (int64_t)n;
    close(ends[0]);
    return last;
}

Test(ledger, V009_what_was_said_is_there_after_a_kill_at_any_instant, .timeout = 120)
{
    world w = begin();
    char why[256];
    uint64_t said = 0, position;
    vd_digest head;
    for (uint32_t k = 0; k < 40; k++) {
        int64_t last = run_and_kill(&w, 2000 + k * 1733 % 40000);
        cr_assert(balanced(&w, why), "after kill %u: %s", k, why);
        reopen(&w, 0);
        sv_ledger_head(w.l, &position, &head);
        cr_assert(last < 0 || position > (uint64_t)last, "kill %u lost event %lld", k,
                  (long long)last);
        cr_assert_eq(balance(&w, mint), -10 * (int64_t)position); /* event and money, or neither */
        cr_assert_eq(balance(&w, free_of(1)), 0);
        if (last >= 0) said = (uint64_t)last;
    }
    cr_assert_gt(said, 40);
    end(&w);
}
