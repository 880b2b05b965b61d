/* test_tasks.c - tasks over a ledger: a whole life, agreed or disputed, in which every event is
 * logged, booked and durable; killed at any instant and started again, it ends as it would have.
 *
 * The world of task_world.h plays the parties on a task in memory; each of its events goes to the
 * ledger's task too, whose effects must be the same. What is killed plays the same life again, and
 * goes on where the log ends. */
#include <criterion/criterion.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../server/tasks.h"

static ro_status mirrored_event(rf_task *t, const rf_event *e, uint64_t now, ro_err *err);
#define rf_task_event mirrored_event
#include "task_world.h"
#undef rf_task_event

static const uint8_t seed[32] = {9};
#define MONEY (INT64_C(1) << 40)

typedef struct { char dir[64]; vd_key *key; sv_ledger *l; sv_tasks *s; } house;

/* What mirrored_event feeds; a process plays one life at a time. */
static struct {
    house *h;
    vd_digest task;
    uint64_t done;  /* events of the task that the log had already */
    uint64_t seen;  /* of this playing */
    int out;        /* where durable events are told; -1: nowhere */
    uint64_t reopen_every; /* 0: never */
    int faults;     /* writes fail: what was not durable is said again */
} mirror;

/* ---- a disk that fails --------------------------------------------------------------------- */

/* Of every `period` writes, truncations and syncs one fails, of the database and of the file beside
 * it: at once, after half of a write, or with a full disk. */
typedef enum { FAIL, TEAR, FULL, FAULT_MODES } fault_mode;
static struct {
    int armed;
    fault_mode mode;
    uint64_t period, offset, count, failed;
    uint64_t broken, durable; /* ledgers that were opened again; with what nobody was told */
    sqlite3_vfs shim, *real;
    sqlite3_io_methods methods;
} disk;
typedef struct { sqlite3_file base; sqlite3_file *real; } disk_file;

static int fails(void)
{
    int now = disk.armed && disk.count++ % disk.period == disk.offset;
    disk.failed += (uint64_t)now;
    return now;
}

static sqlite3_file *real_of(sqlite3_file *f) { return ((disk_file *)(void *)f)->real; }

static int disk_close(sqlite3_file *f)
{
    sqlite3_file *r = real_of(f);
    return r->pMethods->xClose(r);
}
static int disk_read(sqlite3_file *f, void *to, int n, sqlite3_int64 at)
{
    return real_of(f)->pMethods->xRead(real_of(f), to, n, at);
}
static int disk_write(sqlite3_file *f, const void *from, int n, sqlite3_int64 at)
{
    sqlite3_file *r = real_of(f);
    if (!fails()) return r->pMethods->xWrite(r, from, n, at);
    if (disk.mode == TEAR) (void)r->pMethods->xWrite(r, from, n / 2, at);
    return disk.mode == FULL ? SQLITE_FULL : SQLITE_IOERR_WRITE;
}
static int disk_truncate(sqlite3_file *f, sqlite3_int64 n)
{
    return fails() ? SQLITE_IOERR_TRUNCATE : real_of(f)->pMethods->xTruncate(real_of(f), n);
}
static int disk_sync(sqlite3_file *f, int flags)
{
    return fails() ? SQLITE_IOERR_FSYNC : real_of(f)->pMethods->xSync(real_of(f), flags);
}
static int disk_size(sqlite3_file *f, sqlite3_int64 *n)
{
    return real_of(f)->pMethods->xFileSize(real_of(f), n);
}
static int disk_lock(sqlite3_file *f, int k) { return real_of(f)->pMethods->xLock(real_of(f), k); }
static int disk_unlock(sqlite3_file *f, int k)
{
    return real_of(f)->pMethods->xUnlock(real_of(f), k);
}
static int disk_reserved(sqlite3_file *f, int *out)
{
    return real_of(f)->pMethods->xCheckReservedLock(real_of(f), out);
}
static int disk_control(sqlite3_file *f, int op, void *arg)
{
    return real_of(f)->pMethods->xFileControl(real_of(f), op, arg);
}
static int disk_sector(sqlite3_file *f) { return real_of(f)->pMethods->xSectorSize(real_of(f)); }
static int disk_device(sqlite3_file *f)
{
    return real_of(f)->pMethods->xDeviceCharacteristics(real_of(f));
}
static int disk_map(sqlite3_file *f, int page, int size, int extend, void volatile **out)
{
    return real_of(f)->pMethods->xShmMap(real_of(f), page, size, extend, out);
}
static int disk_map_lock(sqlite3_file *f, int offset, int n, int flags)
{
    return real_of(f)->pMethods->xShmLock(real_of(f), offset, n, flags);
}
static void disk_barrier(sqlite3_file *f) { real_of(f)->pMethods->xShmBarrier(real_of(f)); }
static int disk_unmap(sqlite3_file *f, int forget)
{
    return real_of(f)->pMethods->xShmUnmap(real_of(f), forget);
}

static int disk_open(sqlite3_vfs *v, const char *name, sqlite3_file *f, int flags, int *got)
{
    disk_file *d = (disk_file *)(void *)f;
    (void)v;
    d->real = (sqlite3_file *)(void *)(d + 1);
    int st = disk.real->xOpen(disk.real, name, d->real, flags, got);
    f->pMethods = st == SQLITE_OK ? &disk.methods : NULL;
    return st;
}

static void use_disk(void)
{
    if (disk.real) return;
    disk.real = sqlite3_vfs_find(NULL);
    disk.shim = *disk.real; /* all but opening is the real one's */
    disk.shim.zName = "failing";
    disk.shim.pNext = NULL;
    disk.shim.szOsFile = (int)sizeof(disk_file) + disk.real->szOsFile;
    disk.shim.xOpen = disk_open;
    disk.methods = (sqlite3_io_methods){
        2, disk_close, disk_read, disk_write, disk_truncate, disk_sync, disk_size, disk_lock,
        disk_unlock, disk_reserved, disk_control, disk_sector, disk_device, disk_map,
        disk_map_lock, disk_barrier, disk_unmap, NULL, NULL};
    cr_assert_eq(sqlite3_vfs_register(&disk.shim, 1), SQLITE_OK);
}

/* The file of heads is written by these. */
ro_status __real_vd_fs_write(int fd, const void *bytes, uint64_t n, uint64_t at, const char *shown,
                             ro_err *err);
ro_status __wrap_vd_fs_write(int fd, const void *bytes, uint64_t n, uint64_t at, const char *shown,
                             ro_err *err);
ro_status __wrap_vd_fs_write(int fd, const void *bytes, uint64_t n, uint64_t at, const char *shown,
                             ro_err *err)
{
    if (!fails()) return __real_vd_fs_write(fd, bytes, n, at, shown, err);
    if (disk.mode == TEAR) RO_TRY(__real_vd_fs_write(fd, bytes, n / 2, at, shown, err));
    return RO_FAIL(err, RO_EIO, "a planted fault");
}
ro_status __real_vd_fs_sync(int fd, const char *shown, ro_err *err);
ro_status __wrap_vd_fs_sync(int fd, const char *shown, ro_err *err);
ro_status __wrap_vd_fs_sync(int fd, const char *shown, ro_err *err)
{
    return fails() ? RO_FAIL(err, RO_EIO, "a planted fault") : __real_vd_fs_sync(fd, shown, err);
}

static const vd_digest nobody = {{0}};
static const sv_account treasury = {SV_TREASURY, {{0}}, {{0}}};
static vd_digest client_id(void) { return made_up(77, 1, 1); }

/* ---- the house ----------------------------------------------------------------------------- */

static void shut(house *h)
{
    sv_tasks_close(h->s);
    sv_ledger_close(h->l);
    h->s = NULL;
    h->l = NULL;
}

static void reopen(house *h)
{
    ro_err err = {RO_OK, {0}};
    shut(h);
    must(sv_ledger_open(h->dir, h->key, 0, &h->l, &err), &err);
    must(sv_tasks_open(h->l, h->key, &h->s, &err), &err);
}

static void pay_in(house *h, uint64_t key, const sv_account *to, int64_t amount)
{
    ro_err err = {RO_OK, {0}};
    const vd_digest request = made_up(key, 3, 3);
    must(sv_ledger_begin(h->l, &err), &err);
    must(sv_ledger_deposit(h->l, &request, to, amount, 0, &err), &err);
    must(sv_ledger_commit(h->l, &err), &err);
}

static house found(uint32_t members)
{
    house h = {"/tmp/verde-tasks-XXXXXX", NULL, NULL, NULL};
    ro_err err = {RO_OK, {0}};
    cr_assert(mkdtemp(h.dir));
    must(vd_key_from_seed(seed, &h.key, &err), &err);
    reopen(&h);
    sv_account client = {SV_FREE, client_id(), {{0}}};
    pay_in(&h, 0, &treasury, MONEY);
    pay_in(&h, 1, &client, MONEY);
    for (uint32_t k = 0; k < members; k++) {
        sv_account a = {SV_FREE, made_up(k, 1, 1), {{0}}};
        pay_in(&h, 2 + k, &a, MONEY);
    }
    return h;
}

static int64_t has(house *h, const sv_account *a);
static void move_all(house *h, const sv_account *from, const sv_account *to)
{
    ro_err err = {RO_OK, {0}};
    sv_transfer_key k = {made_up(3, 3, 4), 0};
    int64_t amount = has(h, from);
    must(sv_ledger_begin(h->l, &err), &err);
    sv_event e = {.task = k.scope, .number = SV_NO_NUMBER, .kind = "moved"};
    must(sv_ledger_append(h->l, &e, &err), &err);
    must(sv_ledger_move(h->l, &k, from, to, amount, &err), &err);
    must(sv_ledger_commit(h->l, &err), &err);
}

static void leave(house *h)
{
    static const char *const names[] = {"ledger.db", "ledger.db-wal", "ledger.db-shm", "heads"};
    char path[128];
    shut(h);
    vd_key_free(h->key);
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        snprintf(path, sizeof path, "%s/%s", h->dir, names[k]);
        unlink(path);
    }
    rmdir(h->dir);
}

static int64_t has(house *h, const sv_account *a)
{
    int64_t b, total;
    ro_err err = {RO_OK, {0}};
    must(sv_ledger_begin(h->l, &err), &err);
    must(sv_ledger_balance(h->l, a, &b, &err), &err);
    must(sv_ledger_total(h->l, &total, &err), &err);
    sv_ledger_rollback(h->l);
    return b;
}

static void balanced(const house *h)
{
    ro_err err = {RO_OK, {0}};
    char why[256];
    int yes;
    must(sv_reconcile(h->dir, &yes, why, NULL, &err), &err);
    cr_assert(yes, "%s", why);
}

/* ---- the mirror ---------------------------------------------------------------------------- */

static void same_effects(const rf_task *a, const rf_task *b)
{
    uint32_t n, m;
    const rf_effect *x = rf_task_effects(a, &n), *y = rf_task_effects(b, &m);
    cr_assert_eq(n, m);
    for (uint32_t k = 0; k < n; k++)
        cr_assert(x[k].kind == y[k].kind && x[k].position == y[k].position &&
                  x[k].deadline == y[k].deadline && x[k].member == y[k].member &&
                  x[k].transfer_count == y[k].transfer_count &&
                  vd_digest_equal(&x[k].asked, &y[k].asked));
}

static uint64_t logged(house *h);

/* While the disk fails: what is not in the log is said again. */
static void insist(const rf_event *e, uint64_t now)
{
    ro_err err = {RO_OK, {0}};
    disk.armed = 1;
    ro_status st = sv_tasks_event(mirror.h->s, &mirror.task, e, now, &err);
    disk.armed = 0;
    if (!st) return;
    cr_assert_eq(st, RO_EIO, "%s", err.msg);
    const int broken = sv_ledger_broken(mirror.h->l);
    disk.broken += (uint64_t)broken;
    if (broken) reopen(mirror.h);
    uint64_t n = logged(mirror.h);
    balanced(mirror.h);
    if (broken && n == mirror.seen) { /* nobody was told, and it is there: no harm */
        disk.durable++;
        return;
    }
    cr_assert_eq(n, mirror.seen - 1);
    memset(&err, 0, sizeof err);
    must(sv_tasks_event(mirror.h->s, &mirror.task, e, now, &err), &err);
}

static ro_status mirrored_event(rf_task *t, const rf_event *e, uint64_t now, ro_err *err)
{
    RO_TRY(rf_task_event(t, e, now, err));
    if (mirror.seen++ < mirror.done) return RO_OK; /* it is in the log */
    if (mirror.reopen_every && mirror.seen % mirror.reopen_every == 0) reopen(mirror.h);
    if (mirror.faults) insist(e, now);
    else must(sv_tasks_event(mirror.h->s, &mirror.task, e, now, err), err);
    rf_task_state s = rf_task_get_state(t);
    rf_task *kept = sv_tasks_find(mirror.h->s, &mirror.task);
    cr_assert_eq(kept == NULL, s == RF_T_SETTLED || s == RF_T_REFUNDED);
    /* read again, it has the state but not the last effects */
    if (kept && !mirror.faults) same_effects(t, kept);
    if (mirror.out >= 0 && write(mirror.out, &mirror.seen, sizeof mirror.seen) < 0) _exit(1);
    return RO_OK;
}

static ro_status count_row(void *ctx, const sv_event *e, ro_err *err)
{
    (void)err;
    *(uint64_t *)ctx += strncmp(e->kind, "order", SV_KIND_BYTES) != 0;
    return RO_OK;
}

static uint64_t logged(house *h)
{
    uint64_t n = 0;
    ro_err err = {RO_OK, {0}};
    must(sv_ledger_begin(h->l, &err), &err);
    must(sv_ledger_events(h->l, &mirror.task, 0, count_row, &n, &err), &err);
    sv_ledger_rollback(h->l);
    return n;
}

/* The task in memory is of this house's referee, and the ledger has the same. */
static sv_order order_of(tw *w, house *h, ro_arena *a)
{
    ro_err err = {RO_OK, {0}};
    uint8_t *job;
    sv_order o = {w->setup.task, client_id(), w->setup.secret, w->setup.params, NULL, 0};
    memcpy(w->setup.referee.b, vd_key_public(h->key), VD_DIGEST);
    rf_task_free(w->task);
    must(rf_task_new(&w->setup, w->now, &w->task, &err), &err);
    must(vd_job_encode(w->truth->job, a, &job, &o.job_size, &err), &err);
    o.job = job;
    return o;
}

/* Play a life from its first event on; what the log has already is not said again. */
static void play(house *h, tw *w)
{
    ro_err err = {RO_OK, {0}};
    ro_arena *a = ro_arena_new();
    sv_order o = order_of(w, h, a);
    mirror.h = h;
    mirror.task = o.task;
    mirror.seen = 0;
    mirror.done = logged(h);
    sv_account escrow = {SV_ESCROW, client_id(), o.task};
    if (!mirror.done && has(h, &escrow) == 0) must(sv_tasks_submit(h->s, &o, w->now, &err), &err);
    tw_run(w);
    ro_arena_free(a);
}

static void check_end(house *h, uint32_t members, int struck)
{
    const sv_account burn = {SV_BURN, {{0}}, {{0}}};
    balanced(h);
    cr_assert_eq(sv_tasks_count(h->s), 0);
    cr_assert_eq(has(h, &burn) > 0, struck);
    for (uint32_t k = 0; k < members; k++) {
        sv_account a = {SV_FREE, made_up(k, 1, 1), {{0}}};
        if (struck && k == 1) cr_assert_lt(has(h, &a), MONEY);
        else cr_assert_gt(has(h, &a), MONEY);
    }
}

/* ---- whole lives --------------------------------------------------------------------------- */

static void live(uint64_t reopen_every, int cheat, uint32_t segment)
{
    tw_truth *t = tw_truth_small(6, segment);
    tw_side *honest = tw_honest(t), *liar = tw_liar(t, 4, 0, TW_OUTPUT, 4);
    tw *w = tw_world(t, 3, (tw_side *[]){honest, cheat ? liar : honest, honest}, honest);
    house h = found(3);
    mirror.out = -1;
    mirror.reopen_every = reopen_every;
    play(&h, w);
    cr_assert_eq(rf_task_get_state(w->task), RF_T_SETTLED);
    cr_assert_eq(w->struck, (uint32_t)cheat);
    check_end(&h, 3, cheat);
    reopen(&h);
    check_end(&h, 3, cheat);
    leave(&h);
    tw_free(w);
    tw_truth_free(t);
}

Test(tasks, three_agree_and_are_paid) { live(0, 0, 0); }
Test(tasks, a_liar_is_struck_and_pays) { live(0, 1, 0); }
Test(tasks, V009_started_again_before_every_event_it_is_the_same)
{
    live(1, 0, 0);
    live(1, 1, 0);
    live(1, 1, 3);
}
Test(tasks, V009_started_again_now_and_then) { live(7, 1, 3); }

/* ---- kill -9 ------------------------------------------------------------------------------- */

/* Play on in a child that is killed after `patience` microseconds. 1: it came to the end. */
static int play_and_kill(house *h, tw *w, useconds_t patience, uint64_t *told)
{
    int ends[2], status;
    uint64_t n;
    cr_assert_eq(pipe(ends), 0);
    shut(h); /* no database handle crosses a fork */
    pid_t child = fork();
    if (!child) {
        close(ends[0]);
        mirror.out = ends[1];
        reopen(h);
        play(h, w);
        _exit(0);
    }
    close(ends[1]);
    usleep(patience);
    kill(child, SIGKILL);
    cr_assert_eq(waitpid(child, &status, 0), child);
    while (read(ends[0], &n, sizeof n) == (ssize_t)sizeof n) *told = n;
    close(ends[0]);
    cr_assert(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
    return !WIFSIGNALED(status);
}

Test(tasks, T37_V009_killed_over_commit_reveal_and_settle, .timeout = 240)
{
    tw_truth *t = tw_truth_small(6, 0);
    tw_side *honest = tw_honest(t), *liar = tw_liar(t, 4, 0, TW_OUTPUT, 4);
    uint32_t kills = 0;
    for (uint32_t life = 0; kills < 40; life++) {
        tw *w = tw_world(t, 3, (tw_side *[]){honest, life % 2 ? liar : honest, honest}, honest);
        house h = found(3);
        uint64_t told = 0;
        int over = 0;
        mirror.reopen_every = 0;
        for (uint32_t k = 0; !over && k < 500; k++) {
            over = play_and_kill(&h, w, 4000 + (1 + k) * 1733 % 23000, &told);
            kills += !over;
            balanced(&h);
            reopen(&h);
            mirror.task = w->setup.task;
            cr_assert_geq(logged(&h), told, "%llu events were told, the log has %llu",
                          (unsigned long long)told, (unsigned long long)logged(&h));
        }
        cr_assert(over);
        check_end(&h, 3, life % 2);
        leave(&h);
        tw_free(w);
    }
    tw_truth_free(t);
}

/* ---- writes that fail ---------------------------------------------------------------------- */

#define PERIOD 24u /* every write of a life fails in one of as many lives */

static uint64_t live_with_faults(tw_truth *t, fault_mode mode, uint64_t offset, int cheat)
{
    tw_side *honest = tw_honest(t), *liar = tw_liar(t, 4, 0, TW_OUTPUT, 4);
    tw *w = tw_world(t, 3, (tw_side *[]){honest, cheat ? liar : honest, honest}, honest);
    house h = found(3);
    disk.mode = mode;
    disk.period = PERIOD;
    disk.offset = offset;
    disk.count = disk.failed = 0;
    mirror.out = -1;
    mirror.reopen_every = 0;
    mirror.faults = 1;
    play(&h, w);
    cr_assert_eq(rf_task_get_state(w->task), RF_T_SETTLED);
    check_end(&h, 3, cheat);
    leave(&h);
    tw_free(w);
    return disk.failed;
}

Test(tasks, T57_V009_each_write_and_sync_fails_once, .timeout = 240)
{
    tw_truth *t = tw_truth_small(6, 0);
    use_disk();
    uint64_t failed = 0;
    for (uint64_t k = 0; k < PERIOD; k++)
        failed += live_with_faults(t, (fault_mode)(k % FAULT_MODES), k, k % 2 == 1);
    /* SQLite writes within COMMIT: whether it is durable is known when it was opened again */
    cr_assert_gt(failed, 4 * PERIOD);
    cr_assert_gt(disk.broken, PERIOD);
    cr_assert_gt(disk.durable, 0);
    tw_truth_free(t);
}

/* ---- submitting ---------------------------------------------------------------------------- */

/* A task of honest members, the first of whom has money; each test submits it as it likes. */
typedef struct { tw_truth *truth; tw *w; house h; ro_arena *arena; sv_order order; } fixture;

static fixture set_up(uint32_t members)
{
    fixture f = {.truth = tw_truth_small(6, 0), .arena = ro_arena_new()};
    tw_side *honest = tw_honest(f.truth);
    f.w = tw_world(f.truth, members, (tw_side *[]){honest, honest}, honest);
    f.h = found(1);
    f.order = order_of(f.w, &f.h, f.arena);
    return f;
}

static void tear_down(fixture *f)
{
    balanced(&f->h);
    ro_arena_free(f->arena);
    leave(&f->h);
    tw_free(f->w);
    tw_truth_free(f->truth);
}

Test(tasks, T41_what_cannot_be_paid_is_not_opened)
{
    ro_err err = {RO_OK, {0}};
    fixture f = set_up(2); /* the second member has nothing */
    sv_order o = f.order, poor = o;
    poor.client = made_up(78, 1, 1);
    cr_assert_eq(sv_tasks_submit(f.h.s, &poor, 1000, &err), RO_ELIMIT);
    cr_assert(strstr(err.msg, "free has 0;"), "%s", err.msg);
    memset(&err, 0, sizeof err);
    cr_assert_eq(sv_tasks_count(f.h.s), 0);
    must(sv_tasks_submit(f.h.s, &o, 1000, &err), &err);
    cr_assert_eq(sv_tasks_submit(f.h.s, &o, 1000, &err), RO_EDIFFER);
    memset(&err, 0, sizeof err);
    cr_assert_eq(sv_tasks_count(f.h.s), 1);
    mirror.task = o.task;
    rf_message m = tw_message(f.w, 1, RF_M_WORK);
    uint8_t terms[RF_PARAMS_BYTES];
    rf_params_encode(&o.params, terms);
    m.claim.terms = rf_terms_digest(terms, sizeof terms);
    rf_event e = {.kind = RF_EV_MESSAGE, .message = &m, .account = made_up(1, 1, 1)};
    cr_assert_eq(sv_tasks_event(f.h.s, &o.task, &e, 1001, &err), RO_ELIMIT);
    cr_assert_eq(logged(&f.h), 0);
    e.account = made_up(0, 1, 1);
    memset(&err, 0, sizeof err);
    must(sv_tasks_event(f.h.s, &o.task, &e, 1001, &err), &err);
    const sv_account held = {SV_HELD, {{0}}, o.task};
    sv_account mine = held;
    memcpy(mine.owner.b, m.key, VD_DIGEST);
    cr_assert_eq(has(&f.h, &mine), o.params.stake);
    rf_event freeze = {.kind = RF_EV_ALARM};
    must(sv_tasks_event(f.h.s, &o.task, &freeze, 1002, &err), &err);
    cr_assert_eq(sv_tasks_count(f.h.s), 0);
    cr_assert_eq(has(&f.h, &mine), 0); /* refunded */
    tear_down(&f);
}

/* ---- time ---------------------------------------------------------------------------------- */

Test(tasks, a_tick_ends_what_nobody_claimed)
{
    ro_err err = {RO_OK, {0}};
    fixture f = set_up(1);
    sv_order o = f.order;
    const sv_account client = {SV_FREE, client_id(), {{0}}};
    must(sv_tasks_submit(f.h.s, &o, 1000, &err), &err);
    o.task = made_up(44, 5, 6);
    must(sv_tasks_submit(f.h.s, &o, 2000, &err), &err);
    rf_event ready = {.kind = RF_EV_READY};
    must(sv_tasks_event(f.h.s, &f.w->setup.task, &ready, 2001, &err), &err);
    must(sv_tasks_event(f.h.s, &o.task, &ready, 2001, &err), &err);
    cr_assert_lt(has(&f.h, &client), MONEY);
    reopen(&f.h);
    cr_assert_eq(sv_tasks_count(f.h.s), 2);
    for (uint32_t k = 0; sv_tasks_count(f.h.s); k++) {
        uint64_t at = sv_tasks_deadline(f.h.s);
        cr_assert(k < 100 && at != UINT64_MAX);
        must(sv_tasks_tick(f.h.s, at - 1, &err), &err); /* nothing is due yet */
        cr_assert_eq(sv_tasks_deadline(f.h.s), at);
        must(sv_tasks_tick(f.h.s, at, &err), &err);
    }
    cr_assert_eq(sv_tasks_deadline(f.h.s), UINT64_MAX);
    cr_assert_eq(has(&f.h, &client), MONEY); /* all of it came back */
    tear_down(&f);
}

/* ---- messages as they come ----------------------------------------------------------------- */

typedef struct { uint8_t bytes[RF_MESSAGE_MAX]; size_t size; rf_message m; } said;

static said say(house *h, const void *bytes, size_t n, uint64_t now)
{
    said a;
    ro_err err = {RO_OK, {0}};
    const vd_digest account = made_up(0, 1, 1);
    must(sv_tasks_message(h->s, bytes, n, NULL, 0, &account, now, a.bytes, &a.size, &err), &err);
    must(rf_message_open(a.bytes, a.size, &a.m, &err), &err);
    cr_assert_arr_eq(a.m.key, vd_key_public(h->key), 32);
    return a;
}

Test(tasks, T67_one_place_of_the_log_has_one_receipt)
{
    ro_err err = {RO_OK, {0}};
    fixture f = set_up(1);
    vd_key *key;
    const uint8_t another[32] = {11};
    uint8_t bytes[RF_MESSAGE_MAX], terms[RF_PARAMS_BYTES];
    must(vd_key_from_seed(another, &key, &err), &err);
    sv_order o = f.order;
    must(sv_tasks_submit(f.h.s, &o, 1000, &err), &err);
    mirror.task = o.task;
    rf_message m = tw_message(f.w, 0, RF_M_COMMIT);
    must(rf_message_sign(&m, key, &err), &err);
    said no = say(&f.h, bytes, rf_message_encode(&m, bytes), 1001);
    cr_assert(no.m.type == RF_M_REFUSAL && no.m.claim.refusal.reason == RF_R_UNKNOWN);
    no = say(&f.h, "no message", 10, 1001);
    cr_assert_eq(no.m.claim.refusal.reason, RF_R_MALFORMED);
    cr_assert_eq(logged(&f.h), 0); /* strangers do not make the log grow */
    m = tw_message(f.w, 0, RF_M_WORK);
    rf_params_encode(&o.params, terms);
    m.claim.terms = rf_terms_digest(terms, sizeof terms);
    must(rf_message_sign(&m, key, &err), &err);
    size_t n = rf_message_encode(&m, bytes);
    bytes[n - 1] ^= 1;
    no = say(&f.h, bytes, n, 1001);
    cr_assert_eq(no.m.claim.refusal.reason, RF_R_SIGNATURE);
    bytes[n - 1] ^= 1;
    sv_account all = {SV_FREE, made_up(0, 1, 1), {{0}}}; /* who has nothing gets no place */
    move_all(&f.h, &all, &treasury);
    no = say(&f.h, bytes, n, 1001);
    cr_assert_eq(no.m.claim.refusal.reason, RF_R_UNKNOWN);
    cr_assert_eq(logged(&f.h), 0);
    pay_in(&f.h, 9, &all, MONEY);
    said first = say(&f.h, bytes, n, 1002);
    cr_assert_eq(first.m.type, RF_M_RECEIPT);
    reopen(&f.h);
    said again = say(&f.h, bytes, n, 900); /* the clock went back, the process was another */
    cr_assert_eq(again.m.type, RF_M_RECEIPT);
    cr_assert(!rf_equivocates(&first.m, &again.m));
    vd_digest claims[2] = {rf_claim_digest(&first.m), rf_claim_digest(&again.m)};
    cr_assert(vd_digest_equal(&claims[0], &claims[1]));
    cr_assert_eq(first.m.claim.receipt.logged_ms, 1002);
    sv_account held = {SV_HELD, nobody, o.task};
    memcpy(held.owner.b, vd_key_public(key), VD_DIGEST);
    cr_assert_eq(has(&f.h, &held), o.params.stake); /* once */
    balanced(&f.h);
    vd_key_free(key);
    tear_down(&f);
}
