/* fuzz_task.c - the state machine of a task: any order of any members' messages, host's results,
 * ticks and restarts; and states of any bytes.
 *
 * The first byte chooses: 0 and 1, a script at `full` and at checkpoint:3, two bytes an event; else
 * the rest is a state. A script aborts where an invariant does not hold: the state goes back, it is
 * settled twice, a member is struck twice, a deadline that has come is still open, a written state
 * does not read as itself, the honest member's root falls by a verdict.
 *
 * libFuzzer: -fsanitize=fuzzer,address,undefined. With -DREPLAY see fuzz_replay.h. */
#include "fuzz_replay.h"
#include "task_world.h"

typedef struct {
    tw *w;
    tw_truth *truth;
    tw_side *honest, *liar, *other, *hidden;
    rf_task_state state;
} script;

static void hold(int condition)
{
    if (!condition) abort();
}

static tw_side *lying(const tw_truth *t, uint64_t step, uint32_t node, uint64_t salt)
{
    tw_lie lie = {step, node, TW_OUTPUT, salt};
    return tw_side_new(t, &lie);
}

static void begin(script *s, uint32_t segment)
{
    memset(s, 0, sizeof *s);
    s->truth = tw_truth_small(6, segment);
    s->honest = tw_side_new(s->truth, NULL);
    s->liar = lying(s->truth, 4, 0, 4);
    s->other = lying(s->truth, 5, 0, 5);
    s->hidden = lying(s->truth, 3, 1, 6);
    s->w = tw_new(s->truth, 4);
    s->w->auditor = s->honest;
    for (uint32_t k = 0; k < 4; k++)
        s->w->member[k].side = k == 1 ? s->liar : k == 2 ? s->other : s->honest;
    s->w->member[3].claims = s->hidden;
}

/* After every event. Only the honest member's own silence may cost it anything; at checkpoint level
 * silence about its claim, or the false claim of whom it left alone with its root, too. */
static void check(script *s)
{
    uint32_t lost_count = 0;
    for (uint32_t k = 0; k < rf_task_members(s->w->task); k++) {
        rf_task_member m;
        rf_task_get_member(s->w->task, k, &m);
        lost_count += m.lost != RF_LOST_NOTHING;
    }
    hold(s->w->struck == lost_count); /* each once */
    rf_task_state now = rf_task_get_state(s->w->task);
    hold(now >= s->state && s->w->settled <= 1);
    hold((now == RF_T_SETTLED || now == RF_T_REFUNDED) == (s->w->settled == 1));
    s->state = now;
    hold(rf_task_deadline(s->w->task) > s->w->now);
    uint32_t me = rf_task_find(s->w->task, s->w->member[0].key);
    rf_loss lost = me == RF_NONE ? RF_LOST_NOTHING : tw_lost(s->w, 0);
    hold(lost != RF_LOST_EQUIVOCATION);
    hold((lost != RF_LOST_VERDICT && lost != RF_LOST_CLAIM) || s->truth->job->segment);
}

static void contradict(script *s, uint32_t k)
{
    rf_message m = tw_commitment(s->w, k);
    m.claim.commitment.b[0] ^= 1;
    if (k) tw_send(s->w, k, &m, NULL, 0);
}

static void garbage(script *s, uint32_t k, uint8_t byte)
{
    const uint8_t bytes[32] = {byte};
    const vd_digest none = {{byte}};
    const tw *w = s->w;
    tw_send_opening(s->w, k, w->head < w->tail ? &w->queue[w->head].e.asked : &none, bytes,
                    byte % 33);
}

static void host(script *s, rf_event_kind kind, uint8_t byte)
{
    rf_event e;
    memset(&e, 0, sizeof e);
    e.kind = kind;
    e.member = byte % 5;
    e.ms = byte;
    e.work = byte;
    e.end = (rf_work_end)(byte % 3);
    memset(e.key, byte, sizeof e.key);
    tw_event(s->w, &e);
}

/* The next thing that was asked for is done; with `only` below 4 by that member alone. */
static void serve(script *s, uint32_t only)
{
    tw *w = s->w;
    if (w->head == w->tail) return;
    for (uint32_t k = 0; k < 4; k++) w->member[k].silent = only < 4 && only != k;
    tw_ask a = w->queue[only < 4 ? w->head : w->head++];
    tw_serve(w, &a);
}

static void play(script *s, uint8_t op, uint8_t arg)
{
    tw *w = s->w;
    const uint32_t k = arg % 4;
    const uint64_t deadline = rf_task_deadline(w->task);
    rf_message m = tw_message(w, k, RF_M_WITHDRAW);
    switch (op % 16) {
    case 0: tw_tick(w, w->now + arg); break;
    case 1: tw_tick(w, deadline == UINT64_MAX ? w->now : deadline - 1 + arg % 3); break;
    case 2: tw_send_work(w, k); break;
    case 3: tw_send_commit(w, k); break;
    case 4: if (k) tw_send(w, k, &m, NULL, 0); break;
    case 5: tw_send_reveal(w, k); break;
    case 6: serve(s, k); break;
    case 7: serve(s, 4); break;
    case 8: contradict(s, k); break;
    case 9: garbage(s, k, arg); break;
    case 10: host(s, RF_EV_WORK, arg); break;
    case 11: host(s, RF_EV_AUDITOR, arg); break;
    case 12: host(s, RF_EV_DELIVERED, arg); break;
    case 13: host(s, arg % 64 ? RF_EV_DOWNTIME : RF_EV_ALARM, arg); break;
    case 14: tw_plain(w, RF_EV_READY); break;
    default: tw_restart(w); break;
    }
}

static void run_script(const uint8_t *data, size_t size, uint32_t segment)
{
    script s;
    begin(&s, segment);
    for (size_t k = 0; k + 1 < size && k < 512; k += 2) {
        play(&s, data[k], data[k + 1]);
        check(&s);
    }
    tw_restart(s.w);
    tw_free(s.w);
    tw_truth_free(s.truth);
}

/* A state is refused with a sentence, or goes on to its end without a crash. */
static void run_state(const uint8_t *data, size_t size)
{
    for (uint32_t segment = 0; segment <= 3; segment += 3) {
        tw_truth *t = tw_truth_small(6, segment);
        rf_task *task;
        rf_event e;
        ro_err err = {RO_OK, {0}};
        memset(&e, 0, sizeof e);
        if (rf_task_restore(t->job, data, size, &task, &err) == RO_OK) {
            for (uint32_t k = 0; k < 40 && rf_task_deadline(task) != UINT64_MAX; k++)
                if (rf_task_event(task, &e, rf_task_deadline(task), &err)) break;
            rf_task_free(task);
        } else {
            hold(err.msg[0] != 0);
        }
        tw_truth_free(t);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) return 0;
    if (data[0] > 1) run_state(data + 1, size - 1);
    else run_script(data + 1, size - 1, data[0] ? 3 : 0);
    return 0;
}

static const uint8_t life[] = {2, 0, 2, 1, 2, 2, 2, 3, 14, 0, 1, 1, 3, 0, 3, 1, 3, 2,
                               3, 3, 1, 1, 5, 0, 5, 1, 5, 2, 5, 3, 1, 1};

static void write_state(const script *s, const char *folder, const char *name)
{
    uint8_t *state;
    size_t n;
    ro_err err = {RO_OK, {0}};
    must(rf_task_save(s->w->task, &state, &n, &err), &err);
    uint8_t *with = malloc(n + 1);
    with[0] = 2;
    memcpy(with + 1, state, n);
    small_put(in_folder(folder, name), with, n + 1);
    free(with);
    ro_free(state);
}

/* A verdict is held, and a pair is judged still. */
static void write_held(const char *folder)
{
    script s;
    begin(&s, 0);
    s.w->host_cannot = 1;
    for (size_t k = 0; k < sizeof life; k += 2) play(&s, life[k], life[k + 1]);
    while (!s.w->holds || !s.w->task->pair_count || s.w->task->pairs[0].done) serve(&s, 4);
    write_state(&s, folder, "state-held");
    tw_free(s.w);
    tw_truth_free(s.truth);
}

/* Whole lives as scripts, and a state in the middle of a dispute at each level. */
void write_seeds(const char *folder)
{
    for (uint8_t level = 0; level < 2; level++) {
        uint8_t bytes[1 + sizeof life + 160];
        script s;
        bytes[0] = level;
        memcpy(bytes + 1, life, sizeof life);
        for (size_t k = 0; k < 160; k += 2) {
            bytes[1 + sizeof life + k] = k % 40 == 38 ? 1 : 7;
            bytes[2 + sizeof life + k] = 1;
        }
        small_put(in_folder(folder, level ? "checkpoint" : "full"), bytes, sizeof bytes);
        begin(&s, level ? 3 : 0);
        for (size_t k = 0; k < sizeof life + 20; k += 2) play(&s, bytes[1 + k], bytes[2 + k]);
        write_state(&s, folder, level ? "state-checkpoint" : "state-full");
        tw_free(s.w);
        tw_truth_free(s.truth);
    }
    write_held(folder);
}
