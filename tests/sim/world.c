/* world.c - the clock, the network and the referee's host.
 *
 * What this file decides: in which order things happen, what the network does to messages, how a
 * host logs events, carries out effects, stops and starts again.
 *
 * Invariants
 *   1. Events of one time happen in the order in which they were put in, ticks last.
 *   2. An event is logged with its stamp before anything of it is seen; the log alone gives the
 *      task again.
 *   3. The host believes nothing that it has not opened; it never looks at who is honest. */
#include "sim.h"

/* ---- the queue --------------------------------------------------------------------------- */

/* Of one time, what comes is there before the clock strikes: the harder case for a deadline. */
static int sooner(const sim_event *a, const sim_event *b)
{
    const int tick[2] = {a->kind == SIM_TICK, b->kind == SIM_TICK};
    if (a->at != b->at) return a->at < b->at;
    if (tick[0] != tick[1]) return tick[1];
    return a->number < b->number;
}

void sim_schedule(sim_world *w, const sim_event *e)
{
    if (w->queue_count == w->queue_room) {
        uint32_t room = w->queue_room ? 2 * w->queue_room : 256;
        w->queue = ro_resize(w->queue, w->queue_room * sizeof *w->queue, room * sizeof *w->queue);
        RO_ASSERT(w->queue);
        w->queue_room = room;
    }
    uint32_t k = w->queue_count++;
    sim_event x = *e;
    x.number = w->event_number++;
    while (k && sooner(&x, &w->queue[(k - 1) / 2])) {
        w->queue[k] = w->queue[(k - 1) / 2];
        k = (k - 1) / 2;
    }
    w->queue[k] = x;
}

static sim_event next_event(sim_world *w)
{
    sim_event first = w->queue[0], last = w->queue[--w->queue_count];
    uint32_t k = 0;
    for (;;) {
        uint32_t c = 2 * k + 1;
        if (c >= w->queue_count) break;
        if (c + 1 < w->queue_count && sooner(&w->queue[c + 1], &w->queue[c])) c++;
        if (!sooner(&w->queue[c], &last)) break;
        w->queue[k] = w->queue[c];
        k = c;
    }
    w->queue[k] = last;
    return first;
}

/* ---- the network ------------------------------------------------------------------------- */

uint64_t sim_delay(sim_world *w)
{
    if (w->model) return 20;
    uint64_t most = w->faults[FAULT_REORDER] ? w->setup.params.base_ms / 16 : 40;
    return 5 + rng_next(&w->g) % most;
}

void sim_wake(sim_world *w, sim_agent *a, uint64_t at)
{
    sim_event e;
    if (a->waking && a->wake_at <= at) return;
    memset(&e, 0, sizeof e);
    e.at = at;
    e.kind = SIM_WAKE;
    e.agent = a->number;
    a->waking = 1;
    a->wake_at = at;
    sim_schedule(w, &e);
}

/* at 0: by the network, which may lose it, delay it or bring it twice; else it arrives then. */
void sim_send(sim_world *w, sim_agent *a, uint32_t item, sim_packet *p, uint64_t at)
{
    sim_event e;
    uint32_t sent = item < a->item_count ? a->items[item].sent++ : SIM_DROPS;
    memset(&e, 0, sizeof e);
    e.kind = SIM_ARRIVE;
    e.agent = a->number;
    e.item = item;
    e.packet = p;
    w->stats->messages++;
    if (at) {
        e.at = at > w->now ? at : w->now;
        sim_schedule(w, &e);
        return;
    }
    if (w->faults[FAULT_DROP] && sent < SIM_DROPS && rng_in(&w->g, 0, 3) == 0) return;
    e.at = w->now + sim_delay(w);
    sim_schedule(w, &e);
    if (!w->faults[FAULT_DUPLICATE] || rng_in(&w->g, 0, 3)) return;
    e.at = w->now + 2 * sim_delay(w);
    sim_schedule(w, &e);
}

static void reply(sim_world *w, const sim_event *e, int said)
{
    sim_event r;
    memset(&r, 0, sizeof r);
    r.kind = SIM_REPLY;
    r.at = w->now + sim_delay(w);
    r.agent = e->agent;
    r.item = e->item;
    r.reply = said;
    if (w->faults[FAULT_DROP] && rng_in(&w->g, 0, 5) == 0) return;
    sim_schedule(w, &r);
}

/* ---- effects ----------------------------------------------------------------------------- */

static void wake_all(sim_world *w)
{
    for (uint32_t k = 0; k < w->agent_count; k++)
        sim_wake(w, &w->agents[k], w->now + sim_delay(w));
}

static void post(sim_world *w, const rf_effect *e)
{
    uint32_t k = 0;
    while (k < w->board_count && w->board[k].open) k++;
    RO_ASSERT(k < SIM_BOARD_MAX);
    if (k == w->board_count) w->board_count++;
    sim_notice *n = &w->board[k];
    memset(n, 0, sizeof *n);
    n->kind = e->kind;
    n->e = *e;
    if (e->question) n->q = *e->question;
    n->e.question = NULL;
    n->open = 1;
    wake_all(w);
}

static void take_down(sim_world *w, const rf_effect *e)
{
    for (uint32_t k = 0; k < w->board_count; k++)
        if (w->board[k].open && w->board[k].kind == RF_DO_ASK && w->board[k].e.sides == e->sides &&
            vd_digest_equal(&w->board[k].e.asked, &e->asked))
            w->board[k].open = 0;
}

/* What the members of a root have. */
static const sim_trace *trace_of(const sim_world *w, const vd_digest *root)
{
    for (uint32_t k = 0; k < w->agent_count; k++)
        if (vd_digest_equal(&w->agents[k].trace->root, root)) return w->agents[k].trace;
    return w->truth;
}

/* The expected answers of all members of a root that answered a challenge. */
static size_t expected_answers(sim_world *w, const rf_effect *e, uint8_t *out)
{
    const sim_notice *c = NULL;
    size_t n = 0;
    for (uint32_t k = 0; k < w->board_count; k++)
        if (w->board[k].kind == RF_DO_CHALLENGE && w->board[k].e.number == e->number)
            c = &w->board[k];
    RO_ASSERT(c);
    const sim_step *s = &trace_of(w, &e->roots[0])->step[c->e.step];
    const ro_graph *g = w->job->job->phases[vd_job_locate(w->job->job, c->e.step).phase].graph;
    const sim_tensor *x = s->values[g->nodes[c->e.node].first_output + c->e.output];
    for (uint32_t m = 0; m < rf_task_members(w->task); m++) {
        rf_task_member who;
        rf_task_get_member(w->task, m, &who);
        if (!who.has_root || !vd_digest_equal(&who.root, &e->roots[0])) continue;
        for (uint32_t a = 0; a < w->agent_count; a++) {
            const sim_agent *agent = &w->agents[a];
            if (memcmp(vd_key_public(agent->key), who.key, 32) != 0) continue;
            if (!(agent->answered >> e->number & 1)) continue;
            vd_digest d = rf_challenge_answer(&w->setup.task, who.key, x->bytes,
                                              ro_type_bytes(&x->type));
            if (sim_planted("free-challenges")) d = agent->said[e->number];
            memcpy(out + n, d.b, VD_DIGEST);
            n += VD_DIGEST;
        }
    }
    return n;
}

/* Whether the kernel that honest parties ran is among those that an effect names. */
static int names_honest_kernel(const rf_effect *e)
{
    const uint32_t n = sim_planted("one-backend") ? 1 : e->backend_count;
    for (uint32_t k = 0; k < n; k++)
        if (strcmp(e->backends[k], SIM_BACKEND) == 0) return 1;
    return 0;
}

/* The kernels that are named: where the one that honest parties ran deviates, it says what they
 * have. On a tile padded with zeros it would not show. */
static void run_kernel(sim_world *w, const rf_effect *e, uint8_t answer[RF_KERNEL_BYTES])
{
    const sim_lie *d = &w->deviation;
    const rf_question *q = e->question;
    if (!w->faults[FAULT_KERNEL] || sim_planted("padded-tile")) return;
    if (!names_honest_kernel(e)) return;
    if (q->step != d->step || q->node != d->node || q->output != d->output) return;
    const ro_graph *g = w->job->job->phases[vd_job_locate(w->job->job, q->step).phase].graph;
    const sim_tensor *x =
        w->truth->step[q->step].values[g->nodes[q->node].first_output + q->output];
    vd_put_le(answer, ro_load(x->type.dtype, x->data, q->element), 8);
    if (!sim_planted("never-differs")) answer[8] = 0;
}

/* What was not possible is done after all, before the task is final. */
static void run_late(sim_world *w, const rf_effect *e)
{
    sim_event x;
    if (!w->faults[FAULT_LATE_KERNEL] || sim_planted("late-kernel-unheard")) return;
    memset(&x, 0, sizeof x);
    uint8_t *out = sim_alloc(w->arena, RF_KERNEL_BYTES);
    x.kind = SIM_WORK;
    x.at = w->now + 1 + rng_next(&w->g) % (w->setup.params.finality_ms / 2);
    x.event.kind = RF_EV_WORK;
    x.event.work = e->work;
    x.event.bytes = out;
    x.event.end = RF_WORK_DONE;
    rf_game *g = rf_task_game(w->task, e->level, e->pair);
    RO_ASSERT(g);
    x.event.size = sim_host(w->job, &w->everything, rf_game_subject(g), e->question, out);
    run_kernel(w, e, out);
    if (x.event.size) sim_schedule(w, &x);
}

/* Host work: its result, later; sometimes a fault comes first. */
static void start_work(sim_world *w, const rf_effect *e)
{
    sim_event x;
    uint8_t *out = sim_alloc(w->arena, 64u * SIM_AGENTS_MAX + RO_OUTPUTS_MAX * VD_DIGEST);
    memset(&x, 0, sizeof x);
    x.kind = SIM_WORK;
    x.at = w->now + sim_delay(w);
    if (x.at < e->deadline && e->deadline != UINT64_MAX) x.at = e->deadline;
    x.event.kind = RF_EV_WORK;
    x.event.work = e->work;
    x.event.bytes = out;
    x.event.end = RF_WORK_DONE;
    if (!e->question) {
        x.event.size = expected_answers(w, e, out);
    } else {
        rf_game *g = rf_task_game(w->task, e->level, e->pair);
        RO_ASSERT(g);
        x.event.size = sim_host(w->job, &w->everything, rf_game_subject(g), e->question, out);
        if (e->question->kind == RF_Q_KERNEL) run_kernel(w, e, out);
        if (w->faults[FAULT_NO_KERNEL] && e->question->kind == RF_Q_KERNEL) x.event.size = 0;
        if (!x.event.size) x.event.end = RF_WORK_CANNOT;
    }
    uint32_t *told = &w->work_done[e->work % 64];
    int faults = w->faults[FAULT_WORK_FOR_GOOD] ? 99 : w->faults[FAULT_WORK] ? 2 : 0;
    if ((int)*told < faults) {
        ++*told;
        x.event.end = RF_WORK_FAULT;
        x.event.size = 0;
        if (sim_planted("fault-as-result")) {
            memset(out, 0, 8);
            x.event.end = RF_WORK_DONE;
            x.event.size = e->question ? RF_KERNEL_BYTES : VD_DIGEST;
        }
    }
    sim_schedule(w, &x);
}

static void find_auditor(sim_world *w)
{
    sim_event x;
    uint32_t k = w->party_count + w->auditors_used;
    if (k >= w->agent_count) return;
    w->auditors_used++;
    memset(&x, 0, sizeof x);
    x.kind = SIM_AUDITOR;
    x.agent = k;
    x.at = w->now + sim_delay(w);
    x.event.kind = RF_EV_AUDITOR;
    memcpy(x.event.key, vd_key_public(w->agents[k].key), 32);
    sim_schedule(w, &x);
}

static void carry_out(sim_world *w, const rf_effect *e)
{
    switch (e->kind) {
    case RF_DO_STATE:
        w->state = e->state;
        w->state_deadline = e->deadline;
        wake_all(w);
        return;
    case RF_DO_PUBLISH: wake_all(w); return;
    case RF_DO_ASK:
    case RF_DO_CHALLENGE:
    case RF_DO_DELIVER: post(w, e); return;
    case RF_DO_CLOSE: take_down(w, e); return;
    case RF_DO_RUN: start_work(w, e); return;
    case RF_DO_HOLD: run_late(w, e); return;
    case RF_DO_AUDIT: find_auditor(w); return;
    default: return;
    }
}

/* ---- stopping and starting again --------------------------------------------------------- */

static void save(sim_world *w, uint8_t **bytes, size_t *size)
{
    ro_err err = {RO_OK, {0}};
    must(rf_task_save(w->task, bytes, size, &err), &err);
}

/* Take the task from its bytes; it must be what it was. */
static void restart(sim_world *w)
{
    ro_err err = {RO_OK, {0}};
    uint8_t *before, *after;
    size_t size, again;
    save(w, &before, &size);
    rf_task_free(w->task);
    w->task = NULL;
    int lost = sim_planted("lost-event") && w->saved;
    ro_status st = lost ? rf_task_restore(w->job->job, w->saved, w->saved_size, &w->task, &err)
                        : rf_task_restore(w->job->job, before, size, &w->task, &err);
    if (st) {
        fprintf(stderr, "seed %llu: a saved task cannot be restored: %s\n",
                (unsigned long long)w->seed, err.msg);
        abort();
    }
    save(w, &after, &again);
    if (size != again || memcmp(before, after, size) != 0)
        sim_violation(w, "V-009: a task that was saved and restored saves other bytes");
    ro_free(before);
    ro_free(after);
    w->stats->restores++;
}

/* Without memory an event decides nothing; from the bytes before it, it is applied again. */
static void apply_event(sim_world *w, const rf_event *e, uint64_t now)
{
    ro_err err = {RO_OK, {0}};
    uint8_t *before = NULL;
    size_t size = 0;
    int starved = w->faults[FAULT_MEMORY] && rng_in(&w->g, 0, 15) == 0;
    if (starved) save(w, &before, &size);
    if (starved) ro_alloc_fail_at((uint64_t)rng_in(&w->g, 1, 12), rng_in(&w->g, 0, 1) != 0);
    ro_status st = rf_task_event(w->task, e, now, &err);
    ro_alloc_fail_at(0, 0);
    if (st && !starved) must(st, &err);
    if (st) {
        rf_task_free(w->task);
        memset(&err, 0, sizeof err);
        must(rf_task_restore(w->job->job, before, size, &w->task, &err), &err);
        must(rf_task_event(w->task, e, now, &err), &err);
        w->stats->restores++;
    }
    ro_free(before);
}

/* ---- a story ----------------------------------------------------------------------------- */

static void print_agents(const sim_world *w)
{
    printf("%s, %llu steps\n", w->job->name, (unsigned long long)w->job->job->steps);
    for (uint32_t k = 0; k < w->agent_count; k++) {
        char hex[65];
        vd_digest_hex(&w->agents[k].trace->root, hex);
        hex[8] = 0;
        printf("party %u: %s, root %s\n", k,
               w->agents[k].strategy ? w->agents[k].strategy->name : "honest", hex);
    }
    for (int f = 0; f < FAULT_KINDS; f++)
        if (w->faults[f]) printf("fault: %s\n", sim_fault_name((sim_fault)f));
}

static void print_event(const sim_world *w, const rf_event *e)
{
    static const char *const kinds[] = {"tick",    "message",   "ready",    "work",
                                        "auditor", "delivered", "downtime", "alarm"};
    printf("%llu %s", (unsigned long long)w->now, kinds[e->kind]);
    if (e->kind == RF_EV_WORK) printf(" %u %d %zu bytes", e->work, (int)e->end, e->size);
    if (e->kind != RF_EV_MESSAGE) return;
    printf(" %s", rf_message_type_name(e->message->type));
    for (uint32_t k = 0; k < w->agent_count; k++)
        if (memcmp(vd_key_public(w->agents[k].key), e->message->key, 32) == 0) printf(" of %u", k);
}

static void print_effect(const rf_effect *x)
{
    char hex[2][65];
    printf("    %s", rf_effect_name(x->kind));
    if (x->kind == RF_DO_STATE) printf(" %s", rf_task_state_name(x->state));
    if (x->kind == RF_DO_ACCEPT && x->duplicate) printf(" again");
    if (x->kind == RF_DO_REFUSE) printf(" %s", rf_refusal_name(x->reason));
    if (x->kind == RF_DO_STRIKE) printf(" member %u, %s", x->member, rf_loss_name(x->lost));
    if (x->kind == RF_DO_ALARM) printf(" %s", x->why);
    if (x->kind == RF_DO_SETTLE) printf(" %s", rf_end_name(x->end));
    if (x->kind == RF_DO_ASK || x->kind == RF_DO_CLOSE || x->kind == RF_DO_VERDICT ||
        (x->kind == RF_DO_RUN && x->question)) {
        for (int k = 0; k < 2; k++) vd_digest_hex(&x->roots[k], hex[k]);
        printf(" level %u pair %u sides %u roots %.8s %.8s", x->level, x->pair, x->sides, hex[0],
               hex[1]);
    }
    if (x->question) {
        const rf_question *q = x->question;
        printf(" %s tree %s [%llu, %llu) step %llu node %u level %d index %llu claim %d until %llu",
               rf_question_name(q->kind), vd_tree_kind_name(q->tree), (unsigned long long)q->lo,
               (unsigned long long)q->hi, (unsigned long long)q->step, q->node, (int)q->level,
               (unsigned long long)q->index, (int)q->claim, (unsigned long long)x->deadline);
    }
    if (x->kind == RF_DO_VERDICT && x->verdict)
        printf(" %s by %s: %s", rf_kind_name(x->verdict->kind),
               rf_method_name(x->verdict->method), x->verdict->why);
    printf("\n");
}

/* ---- the log ------------------------------------------------------------------------------ */

static void log_event(sim_world *w, const rf_event *e, uint64_t now)
{
    if (w->log_count == w->log_room) {
        uint32_t room = w->log_room ? 2 * w->log_room : 128;
        w->log = ro_resize(w->log, w->log_room * sizeof *w->log, room * sizeof *w->log);
        RO_ASSERT(w->log);
        w->log_room = room;
    }
    w->log[w->log_count++] = (sim_logged){*e, now};
}

static void schedule_tick(sim_world *w)
{
    sim_event x;
    uint64_t at = rf_task_deadline(w->task);
    if (at == UINT64_MAX || w->over) return;
    memset(&x, 0, sizeof x);
    x.kind = SIM_TICK;
    x.at = at > w->now ? at : w->now;
    if (w->faults[FAULT_LATE_TICK] && rng_in(&w->g, 0, 3) == 0) {
        uint64_t late = rng_next(&w->g) % (2 * w->setup.params.base_ms);
        x.at += late;
        w->slack_ms += late;
    }
    x.event.kind = RF_EV_TICK;
    sim_schedule(w, &x);
}

int sim_host_event(sim_world *w, const rf_event *e, uint64_t now)
{
    uint32_t count;
    int said = -2;
    if (w->over) return -2;
    log_event(w, e, now);
    if (sim_planted("lost-event")) {
        ro_free(w->saved);
        save(w, &w->saved, &w->saved_size);
    }
    apply_event(w, e, now);
    w->stats->events++;
    const rf_effect *list = rf_task_effects(w->task, &count);
    for (uint32_t k = 0; k < count; k++) {
        if (list[k].kind == RF_DO_ACCEPT && said == -2) said = -1;
        if (list[k].kind == RF_DO_REFUSE && said == -2) said = (int)list[k].reason;
    }
    if (w->options.story) {
        print_event(w, e);
        printf("\n");
        for (uint32_t k = 0; k < count; k++) print_effect(&list[k]);
    }
    sim_check_event(w, e, now);
    for (uint32_t k = 0; k < count; k++) carry_out(w, &list[k]);
    if (w->faults[FAULT_CRASH] && rng_in(&w->g, 0, w->faults[FAULT_CRASH] - 1) == 0) restart(w);
    schedule_tick(w);
    return said;
}

/* ---- events ------------------------------------------------------------------------------ */

static void open_packet(sim_packet *p)
{
    ro_err err = {RO_OK, {0}};
    if (p->opened) return;
    p->opened = rf_message_open(p->bytes, p->size, &p->m, &err) ? -1 : 1;
}

static void arrives(sim_world *w, const sim_event *e)
{
    rf_event x;
    sim_packet *p = e->packet;
    if (w->down) return;
    open_packet(p);
    if (p->opened < 0) {
        reply(w, e, RF_R_MALFORMED);
        return;
    }
    memset(&x, 0, sizeof x);
    x.kind = RF_EV_MESSAGE;
    x.message = &p->m;
    x.bytes = p->payload;
    x.size = p->payload_size;
    x.account = p->account;
    int said = sim_host_message(w, &x);
    if (said != -2) reply(w, e, said);
}

/* The time it was away is added to what was open. */
static void comes_up(sim_world *w)
{
    rf_event x;
    memset(&x, 0, sizeof x);
    w->down = 0;
    x.kind = RF_EV_DOWNTIME;
    x.ms = w->now - w->down_since;
    w->slack_ms += x.ms;
    restart(w);
    for (uint32_t k = 0; k < w->board_count; k++)
        if (w->board[k].open) w->board[k].e.deadline += x.ms;
    w->state_deadline += w->state_deadline ? x.ms : 0;
    (void)sim_host_event(w, &x, w->now);
    wake_all(w);
}

static void happens(sim_world *w, sim_event *e)
{
    int host = e->kind == SIM_TICK || e->kind == SIM_READY || e->kind == SIM_WORK ||
               e->kind == SIM_UPLOAD || e->kind == SIM_AUDITOR;
    if (w->down && host) { /* it is done when the host is back */
        if (e->kind == SIM_TICK) return;
        e->at = w->now + 1000;
        sim_schedule(w, e);
        return;
    }
    switch (e->kind) {
    case SIM_ARRIVE: arrives(w, e); return;
    case SIM_WAKE:
        if (w->agents[e->agent].wake_at == e->at) w->agents[e->agent].waking = 0;
        sim_agent_wakes(w, &w->agents[e->agent]);
        return;
    case SIM_REPLY: sim_agent_hears(w, &w->agents[e->agent], e->item, e->reply); return;
    case SIM_TICK:
        if (rf_task_deadline(w->task) > w->now) return; /* it was for one that has gone */
        (void)sim_host_event(w, &e->event, w->now);
        return;
    case SIM_DOWN:
        w->down = 1;
        w->down_since = w->now;
        return;
    case SIM_UP: comes_up(w); return;
    case SIM_AUDITOR:
        (void)sim_host_event(w, &e->event, w->now);
        sim_wake(w, &w->agents[e->agent], w->now + sim_delay(w));
        return;
    default: (void)sim_host_event(w, &e->event, w->now); return;
    }
}

/* ---- a seed ------------------------------------------------------------------------------ */

static void first_events(sim_world *w)
{
    sim_event e;
    memset(&e, 0, sizeof e);
    e.kind = SIM_READY;
    e.at = w->now + sim_delay(w);
    e.event.kind = RF_EV_READY;
    sim_schedule(w, &e);
    if (!w->faults[FAULT_DOWNTIME]) return;
    memset(&e, 0, sizeof e);
    uint64_t whole =
        w->setup.params.open_ms + w->setup.params.commit_ms + w->setup.params.reveal_ms;
    e.kind = SIM_DOWN;
    e.at = w->now + rng_next(&w->g) % (whole + 4 * w->setup.params.base_ms);
    sim_schedule(w, &e);
    e.kind = SIM_UP;
    e.at += 1 + rng_next(&w->g) % (2 * whole);
    sim_schedule(w, &e);
}

void sim_play(sim_world *w)
{
    sim_watch(w);
    if (w->options.story) print_agents(w);
    first_events(w);
    wake_all(w);
    schedule_tick(w);
    while (w->queue_count && !w->failed) {
        sim_event e = next_event(w);
        if (w->over && e.kind != SIM_ARRIVE) continue;
        w->now = e.at;
        if (++w->event_count > 200000) {
            sim_violation(w, "V-006: the task does not end");
            break;
        }
        happens(w, &e);
    }
}
