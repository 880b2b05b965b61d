/* test_tasks.c - tasks over a ledger: a whole life, agreed or disputed, in which every event is
 * logged, booked and durable; killed at any instant and started again, it ends as it would have.
 *
 * The world of task_world.h plays the parties on a task in memory; each of its events goes to the
 * ledger's task too, whose effects must be the same. What is killed plays the same life again, and
 * goes on where the log ends. */
#include <criterion/criterion.h>
#include <signal.h>
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
} mirror;

static const vd_digest nobody = {{0}};
static const sv_account mint = {SV_MINT, {{0}}, {{0}}}, treasury = {SV_TREASURY, {{0}}, {{0}}};
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
    sv_transfer_key k = {made_up(3, 3, 3), SV_KEY_DEPOSIT + key};
    must(sv_ledger_begin(h->l, &err), &err);
    must(sv_ledger_move(h->l, &k, &mint, to, amount, &err), &err);
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

static ro_status mirrored_event(rf_task *t, const rf_event *e, uint64_t now, ro_err *err)
{
    RO_TRY(rf_task_event(t, e, now, err));
    if (mirror.seen++ < mirror.done) return RO_OK; /* it is in the log */
    if (mirror.reopen_every && mirror.seen % mirror.reopen_every == 0) reopen(mirror.h);
    must(sv_tasks_event(mirror.h->s, &mirror.task, e, now, err), err);
    rf_task_state s = rf_task_get_state(t);
    rf_task *kept = sv_tasks_find(mirror.h->s, &mirror.task);
    cr_assert_eq(kept == NULL, s == RF_T_SETTLED || s == RF_T_REFUNDED);
    if (kept) same_effects(t, kept);
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

Test(tasks, V009_killed_over_commit_reveal_and_settle, .timeout = 240)
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

/* ---- submitting ---------------------------------------------------------------------------- */

Test(tasks, what_cannot_be_paid_is_not_opened)
{
    ro_err err = {RO_OK, {0}};
    tw_truth *t = tw_truth_small(6, 0);
    tw_side *honest = tw_honest(t);
    tw *w = tw_world(t, 2, (tw_side *[]){honest, honest}, honest);
    house h = found(1); /* the second member has nothing */
    ro_arena *a = ro_arena_new();
    sv_order o = order_of(w, &h, a), poor = o;
    poor.client = made_up(78, 1, 1);
    cr_assert_eq(sv_tasks_submit(h.s, &poor, 1000, &err), RO_ELIMIT);
    cr_assert(strstr(err.msg, "free has 0;"), "%s", err.msg);
    memset(&err, 0, sizeof err);
    cr_assert_eq(sv_tasks_count(h.s), 0);
    must(sv_tasks_submit(h.s, &o, 1000, &err), &err);
    cr_assert_eq(sv_tasks_submit(h.s, &o, 1000, &err), RO_EDIFFER);
    memset(&err, 0, sizeof err);
    cr_assert_eq(sv_tasks_count(h.s), 1);
    mirror.task = o.task;
    rf_message m = tw_message(w, 1, RF_M_WORK);
    uint8_t terms[RF_PARAMS_BYTES];
    rf_params_encode(&o.params, terms);
    m.claim.terms = rf_terms_digest(terms, sizeof terms);
    rf_event e = {.kind = RF_EV_MESSAGE, .message = &m, .account = made_up(1, 1, 1)};
    cr_assert_eq(sv_tasks_event(h.s, &o.task, &e, 1001, &err), RO_ELIMIT);
    cr_assert_eq(logged(&h), 0);
    e.account = made_up(0, 1, 1);
    memset(&err, 0, sizeof err);
    must(sv_tasks_event(h.s, &o.task, &e, 1001, &err), &err);
    const sv_account held = {SV_HELD, {{0}}, o.task};
    sv_account mine = held;
    memcpy(mine.owner.b, m.key, VD_DIGEST);
    cr_assert_eq(has(&h, &mine), o.params.stake);
    rf_event freeze = {.kind = RF_EV_ALARM};
    must(sv_tasks_event(h.s, &o.task, &freeze, 1002, &err), &err);
    cr_assert_eq(sv_tasks_count(h.s), 0);
    cr_assert_eq(has(&h, &mine), 0); /* refunded */
    balanced(&h);
    ro_arena_free(a);
    leave(&h);
    tw_free(w);
    tw_truth_free(t);
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
    tw_truth *t = tw_truth_small(6, 0);
    tw_side *honest = tw_honest(t);
    tw *w = tw_world(t, 1, (tw_side *[]){honest}, honest);
    house h = found(1);
    ro_arena *a = ro_arena_new();
    vd_key *key;
    const uint8_t another[32] = {11};
    uint8_t bytes[RF_MESSAGE_MAX], terms[RF_PARAMS_BYTES];
    must(vd_key_from_seed(another, &key, &err), &err);
    sv_order o = order_of(w, &h, a);
    must(sv_tasks_submit(h.s, &o, 1000, &err), &err);
    mirror.task = o.task;
    rf_message m = tw_message(w, 0, RF_M_COMMIT);
    must(rf_message_sign(&m, key, &err), &err);
    said no = say(&h, bytes, rf_message_encode(&m, bytes), 1001);
    cr_assert(no.m.type == RF_M_REFUSAL && no.m.claim.refusal.reason == RF_R_UNKNOWN);
    no = say(&h, "no message", 10, 1001);
    cr_assert_eq(no.m.claim.refusal.reason, RF_R_MALFORMED);
    cr_assert_eq(logged(&h), 0); /* strangers do not make the log grow */
    m = tw_message(w, 0, RF_M_WORK);
    rf_params_encode(&o.params, terms);
    m.claim.terms = rf_terms_digest(terms, sizeof terms);
    must(rf_message_sign(&m, key, &err), &err);
    size_t n = rf_message_encode(&m, bytes);
    bytes[n - 1] ^= 1;
    no = say(&h, bytes, n, 1001);
    cr_assert_eq(no.m.claim.refusal.reason, RF_R_SIGNATURE);
    bytes[n - 1] ^= 1;
    said first = say(&h, bytes, n, 1002);
    cr_assert_eq(first.m.type, RF_M_RECEIPT);
    reopen(&h);
    said again = say(&h, bytes, n, 900); /* the clock went back, the process was another */
    cr_assert_eq(again.m.type, RF_M_RECEIPT);
    cr_assert(!rf_equivocates(&first.m, &again.m));
    vd_digest claims[2] = {rf_claim_digest(&first.m), rf_claim_digest(&again.m)};
    cr_assert(vd_digest_equal(&claims[0], &claims[1]));
    cr_assert_eq(first.m.claim.receipt.logged_ms, 1002);
    sv_account held = {SV_HELD, nobody, o.task};
    memcpy(held.owner.b, vd_key_public(key), VD_DIGEST);
    cr_assert_eq(has(&h, &held), o.params.stake); /* once */
    balanced(&h);
    vd_key_free(key);
    ro_arena_free(a);
    leave(&h);
    tw_free(w);
    tw_truth_free(t);
}
