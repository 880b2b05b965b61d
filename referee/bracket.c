/* bracket.c - roots against each other: levels and pairs, the questions that are open, who may
 * answer them, the windows in which claims are filed.
 *
 * Invariants
 *   1. A pair's open questions are its game's, in the game's order.
 *   2. An opening closes its question at once; a window closes at its deadline or when every
 *      standing member of its side has filed, and its game sees nothing before.
 *   3. A root falls when its last member is struck, as all are by a verdict: in rf_sweep and
 *      nowhere else.
 *   4. A wrong answer counts against its sender alone.
 *   5. What a pair takes is provisional until the pair has ended, and where a kernel was not at
 *      hand until that has been run or the finality delay has passed: so long its game is kept. If
 *      two implementations of the referee's differ meanwhile, all of it goes back. */
#include "task_state.h"

#include "../verde/bytes.h"

#include <stdlib.h>
#include <string.h>

static const char CONTRADICTED[] = "two implementations of the referee's contradict each other";

/* ---- what a question is ------------------------------------------------------------------ */

/* Whether a trace file answers it as it lies there; all else may need steps to be run again. */
static int is_in_the_trace(const rf_question *q)
{
    return q->claim == RF_NONE &&
           (q->kind == RF_Q_HASHES || q->kind == RF_Q_LEAF || q->kind == RF_Q_OUTPUTS) &&
           (q->tree == VD_TREE_STEPS || q->tree == VD_TREE_SEGMENTS || q->tree == VD_TREE_OUTPUTS ||
            q->tree == VD_TREE_NODES);
}

static uint64_t time_for(const rf_task *t, const rf_question *q)
{
    return is_in_the_trace(q) ? rf_deadline_ms(&t->params, 0, VD_DESCEND_MAX * VD_DIGEST)
                              : rf_deadline_max_ms(&t->params);
}

/* Run again once, a side has all its tensors: what it is asked next costs no more than bytes. */
static int64_t cost_of(const rf_task *t, rf_pair *p, const rf_question *q)
{
    uint32_t sides = (uint32_t)q->parties;
    if (is_in_the_trace(q) || (p->costly & sides) == sides) return 1;
    p->costly |= sides;
    return t->params.replay > 1 ? t->params.replay : 1;
}

/* The trace root, or the root of the segment claim, that is asked about; 0 for both sides'. */
static vd_digest claim_asked(const rf_task *t, const rf_pair *p, const rf_question *q)
{
    static const vd_digest both;
    if (q->claim != RF_NONE) return rf_game_get_claim(p->game, q->claim)->root;
    if (q->parties != 1 && q->parties != 2) return both;
    return t->roots[p->group[q->parties == 2]].root;
}

void rf_describe(const rf_task *t, const rf_pair *p, const rf_question *q, rf_open *o)
{
    rf_asked a;
    memset(o, 0, sizeof *o);
    o->q = *q;
    o->claim = claim_asked(t, p, q);
    o->window = RF_NONE;
    a.task = t->task;
    a.root = o->claim;
    a.level = p->level;
    a.pair = p->number;
    a.kind = rf_question_name(q->kind);
    a.q = q;
    o->asked = rf_asked_digest(&a);
}

static int compare_names(const void *a, const void *b)
{
    return strncmp(a, b, VD_BACKEND_BYTES);
}

/* The backends that members of a pair's roots name, struck or not, each once. Copied: a seat may
 * move while what an effect points to may not. */
static ro_status name_backends(rf_task *t, const rf_pair *p, rf_effect *e, ro_err *err)
{
    char(*list)[VD_BACKEND_BYTES] = ro_arena_alloc(t->event, (t->seat_count + 1) * sizeof *list);
    uint32_t n = 0, names = 0;
    if (!list) return RO_FAIL(err, RO_ENOMEM, "no memory for the names of backends");
    for (uint32_t k = 0; k < t->seat_count; k++)
        if (t->seats[k].group == p->group[0] || t->seats[k].group == p->group[1])
            memcpy(list[n++], t->seats[k].backend, sizeof *list);
    qsort(list, n, sizeof *list, compare_names);
    for (uint32_t k = 0; k < n; k++)
        if (!names || compare_names(list[names - 1], list[k]) != 0)
            memmove(list[names++], list[k], sizeof *list);
    e->backends = (const char(*)[VD_BACKEND_BYTES])list;
    e->backend_count = names;
    return RO_OK;
}

ro_status rf_ask_effect(rf_task *t, const rf_pair *p, const rf_open *o, rf_effect_kind kind,
                        ro_err *err)
{
    rf_effect *e;
    rf_question *q = rf_event_copy(t, &o->q, sizeof o->q);
    if (!q) return RO_FAIL(err, RO_ENOMEM, "no memory for a question");
    RO_TRY(rf_effect_new(t, kind, &e, err));
    e->position = o->position;
    e->deadline = o->deadline;
    e->level = p->level;
    e->pair = p->number;
    e->sides = (uint32_t)o->q.parties;
    e->asked = o->asked;
    e->claim = o->claim;
    e->question = q;
    e->work = o->work;
    for (int k = 0; k < 2; k++) e->roots[k] = t->roots[p->group[k]].root;
    return kind == RF_DO_RUN || kind == RF_DO_HOLD ? name_backends(t, p, e, err) : RO_OK;
}

/* ---- opening and closing questions -------------------------------------------------------- */

static ro_status open_work(rf_task *t, rf_pair *p, rf_open *o, ro_err *err)
{
    RO_TRY(rf_room(&t->works, &t->work_room, t->work_count, sizeof *t->works, err));
    rf_work *w = &t->works[t->work_count++];
    memset(w, 0, sizeof *w);
    o->work = w->id = t->next_work++;
    w->pair = (uint32_t)(p - t->pairs);
    w->group = w->challenge = RF_NONE;
    p->open_count++;
    return rf_run_work(t, w, err);
}

static ro_status open_question(rf_task *t, rf_pair *p, const rf_question *q, ro_err *err)
{
    rf_open *o = &p->open[p->open_count];
    rf_describe(t, p, q, o);
    o->position = ++t->position;
    o->deadline = UINT64_MAX;
    if (q->parties == 0) return open_work(t, p, o, err);
    o->deadline = rf_later(t->now, time_for(t, q));
    if (rf_is_window(q->kind)) {
        RO_TRY(rf_room(&p->windows, &p->window_room, p->window_count, sizeof *p->windows, err));
        rf_window *w = &p->windows[p->window_count];
        memset(w, 0, sizeof *w);
        w->q = *q;
        w->position = o->position;
        o->window = p->window_count++;
    } else {
        o->cost = cost_of(t, p, q);
    }
    p->open_count++;
    t->counts.questions++;
    return rf_ask_effect(t, p, o, RF_DO_ASK, err);
}

static ro_status close_question(rf_task *t, rf_pair *p, uint32_t slot, ro_err *err)
{
    if (p->open[slot].q.parties) {
        t->position++;
        RO_TRY(rf_ask_effect(t, p, &p->open[slot], RF_DO_CLOSE, err));
    }
    ro_free(p->open[slot].refusals);
    for (uint32_t k = slot + 1; k < p->open_count; k++) p->open[k - 1] = p->open[k];
    p->open_count--;
    return RO_OK;
}

static void free_window(rf_window *w)
{
    for (uint32_t k = 0; k < w->entry_count; k++) ro_free(w->entries[k].bytes);
    ro_free(w->entries);
    ro_free(w->filings);
}

void rf_pair_free(rf_pair *p)
{
    for (uint32_t k = 0; k < p->open_count; k++) ro_free(p->open[k].refusals);
    for (uint32_t k = 0; k < p->window_count; k++) free_window(&p->windows[k]);
    ro_free(p->windows);
    ro_free(p->missed);
    rf_game_free(p->game);
    p->windows = NULL;
    p->missed = NULL;
    p->game = NULL;
    p->open_count = p->window_count = p->window_room = p->missed_count = p->missed_room = 0;
}

/* ---- provisional verdicts ----------------------------------------------------------------- */

/* A loss by what a pair found: in doubt until the pair has ended, and while it is held. */
static ro_status strike(rf_task *t, const rf_pair *p, uint32_t member, rf_loss lost, ro_err *err)
{
    rf_seat *s = &t->seats[member];
    if (s->lost != RF_LOST_NOTHING) return RO_OK; /* a root's fall counts again when it is final */
    RO_TRY(rf_strike(t, member, lost, 0, err));
    s->doubt = (rf_doubt){p->level, p->number};
    return RO_OK;
}

static int is_doubted(const rf_seat *s, uint32_t level, uint32_t number)
{
    return s->doubt.level == level && s->doubt.number == number;
}

static void clear_doubt(rf_seat *s)
{
    s->doubt = (rf_doubt){RF_NONE, 0};
    s->next = RF_LOST_NOTHING;
    s->next_first = 0;
}

/* What a pair took is lost for good: also, with its root, by one who is in another's doubt or has
 * its stake again after that. Auditors have none, and may have brought the root back since. */
static ro_status confirm(rf_task *t, const rf_held *h, ro_err *err)
{
    for (uint32_t k = 0; k < t->seat_count; k++) {
        rf_seat *s = &t->seats[k];
        if (is_doubted(s, h->level, h->number)) clear_doubt(s);
        for (int side = 0; side < 2; side++)
            if (s->group == h->group[side] && s->role != RF_AUDITOR &&
                h->fell[side] != RF_LOST_NOTHING)
                RO_TRY(rf_strike(t, k, h->fell[side], 0, err));
    }
    return RO_OK;
}

/* Whoever was struck by that pair, and nobody else, has its stake again: unless it would have lost
 * it for something else since. */
static ro_status give_back(rf_task *t, uint32_t level, uint32_t number, ro_err *err)
{
    for (uint32_t k = 0; k < t->seat_count; k++) {
        rf_seat *s = &t->seats[k];
        const rf_loss next = s->next;
        const uint64_t first = s->next_first;
        rf_effect *e;
        if (!is_doubted(s, level, number)) continue;
        clear_doubt(s);
        s->lost = RF_LOST_NOTHING;
        s->lost_at = 0;
        t->roots[s->group].standing++;
        t->position++;
        RO_TRY(rf_effect_new(t, RF_DO_RETURN, &e, err));
        e->member = k;
        e->level = level;
        e->pair = number;
        if (next != RF_LOST_NOTHING) RO_TRY(rf_strike(t, k, next, first, err));
    }
    return RO_OK;
}

static rf_opening *missed_kernel(const rf_game *g, uint32_t n)
{
    rf_opening *o = g->oldest;
    while (o->q.kind != RF_Q_KERNEL || !o->absent || n--) o = o->later;
    return o;
}

ro_status rf_held_effects(rf_task *t, const rf_held *h, ro_err *err)
{
    const rf_pair p = {.level = h->level, .number = h->number, .group = {h->group[0], h->group[1]}};
    for (uint32_t k = 0; k < h->missed_count; k++) {
        rf_open o = {.q = missed_kernel(h->game, k)->q, .position = h->position};
        o.work = h->missed[k];
        RO_TRY(rf_ask_effect(t, &p, &o, RF_DO_HOLD, err));
    }
    return RO_OK;
}

/* Keep the game of the pair that has just ended, which is the last of those, where a kernel was
 * not at hand: with what that says it is judged again. Else what it took is lost. */
static ro_status hold(rf_task *t, rf_pair *p, const rf_loss fell[2], ro_err *err)
{
    const rf_held ended = {.level = p->level, .number = p->number,
                           .group = {p->group[0], p->group[1]}, .fell = {fell[0], fell[1]},
                           .position = t->position};
    if (!p->missed_count) return confirm(t, &ended, err);
    RO_TRY(rf_room(&t->held, &t->held_room, t->held_count, sizeof *t->held, err));
    rf_held *h = &t->held[t->held_count++];
    *h = ended;
    h->game = t->ended[--t->ended_count].game;
    h->missed = p->missed;
    h->missed_count = p->missed_count;
    h->missed_room = p->missed_room;
    p->missed = NULL;
    p->missed_count = p->missed_room = 0;
    return rf_held_effects(t, h, err);
}

/* Its evidence can still be asked for until the next event. */
static ro_status drop_held(rf_task *t, uint32_t at, ro_err *err)
{
    rf_held *h = &t->held[at];
    RO_TRY(rf_room(&t->ended, &t->ended_room, t->ended_count, sizeof *t->ended, err));
    t->ended[t->ended_count++] = (rf_ended){h->game, h->level, h->number};
    ro_free(h->missed);
    memmove(h, h + 1, (--t->held_count - at) * sizeof *h);
    return RO_OK;
}

static ro_status let_stand(rf_task *t, uint32_t at, ro_err *err)
{
    const rf_held *h = &t->held[at];
    rf_effect *e;
    t->position++;
    RO_TRY(rf_effect_new(t, RF_DO_STAND, &e, err));
    e->level = h->level;
    e->pair = h->number;
    for (int k = 0; k < 2; k++) e->roots[k] = t->roots[h->group[k]].root;
    RO_TRY(confirm(t, h, err));
    return drop_held(t, at, err);
}

ro_status rf_let_stand(rf_task *t, ro_err *err)
{
    while (t->held_count) RO_TRY(let_stand(t, 0, err));
    return RO_OK;
}

ro_status rf_stop_pairs(rf_task *t, ro_err *err)
{
    for (uint32_t k = 0; k < t->pair_count; k++) {
        rf_pair *p = &t->pairs[k];
        if (!p->done) RO_TRY(give_back(t, p->level, p->number, err));
        rf_pair_free(p);
    }
    t->pair_count = 0;
    return RO_OK;
}

/* The verdict with what the kernel said in place of its absence. */
static ro_status judge_again(rf_held *h, uint32_t missed, const uint8_t *answer, rf_verdict *v,
                             ro_err *err)
{
    rf_game *g = h->game;
    rf_opening *o = missed_kernel(g, missed);
    rf_question open[RF_OPEN_MAX];
    uint32_t count;
    uint8_t *copy = ro_arena_alloc(g->pair, RF_KERNEL_BYTES);
    if (!copy) return RO_FAIL(err, RO_ENOMEM, "no memory for a kernel's answer");
    memcpy(copy, answer, RF_KERNEL_BYTES);
    o->bytes = copy;
    o->size = RF_KERNEL_BYTES;
    o->absent = 0;
    g->bytes_read += RF_KERNEL_BYTES;
    h->missed_count--;
    memmove(&h->missed[missed], &h->missed[missed + 1],
            (h->missed_count - missed) * sizeof *h->missed);
    RO_TRY(ro_float_mode(err));
    if (rf_run_pass(g, 0, 1, v, 0, open, &count, err) != RF_FAULT) return RO_OK;
    return err->code ? err->code : RO_ENOMEM;
}

ro_status rf_take_late(rf_task *t, const rf_event *e, ro_err *err)
{
    uint32_t at = 0, k = 0;
    rf_verdict v;
    for (; at < t->held_count; at++) {
        const rf_held *h = &t->held[at];
        for (k = 0; k < h->missed_count && h->missed[k] != e->work; k++) {}
        if (k < h->missed_count) break;
    }
    if (at == t->held_count || e->end != RF_WORK_DONE || e->size != RF_KERNEL_BYTES) return RO_OK;
    rf_held *h = &t->held[at];
    RO_TRY(judge_again(h, k, e->bytes, &v, err));
    if (v.alarm) {
        RO_TRY(give_back(t, h->level, h->number, err));
        RO_TRY(drop_held(t, at, err));
        return rf_refund(t, RF_END_REFUNDED, CONTRADICTED, err);
    }
    if (h->missed_count) return RO_OK;
    RO_TRY(let_stand(t, at, err));
    return rf_refund_now(t, err);
}

/* ---- the end of a pair ------------------------------------------------------------------- */

static ro_status pay_answer(rf_task *t, uint64_t question, uint32_t member, int64_t cost,
                            ro_err *err)
{
    if (t->answer_count == RF_ANSWERS_MAX) return RO_OK;
    RO_TRY(rf_room(&t->answers, &t->answer_room, t->answer_count, sizeof *t->answers, err));
    t->answers[t->answer_count++] = (rf_answer){question, member, cost};
    return RO_OK;
}

/* Of the claims in a window that stand, the first that was logged. */
static ro_status pay_windows(rf_task *t, rf_pair *p, ro_err *err)
{
    for (uint32_t k = 0; k < p->window_count; k++) {
        rf_window *w = &p->windows[k];
        const rf_entry *first = NULL;
        int64_t cost = w->q.kind == RF_Q_SEGMENTS ? t->params.segment : t->params.replay;
        for (uint32_t i = 0; w->closed && i < w->entry_count; i++)
            if (!w->entries[i].struck && (!first || w->entries[i].position < first->position))
                first = &w->entries[i];
        if (first) RO_TRY(pay_answer(t, w->position, first->first, cost > 1 ? cost : 1, err));
    }
    return RO_OK;
}

static void drop_works(rf_task *t, uint32_t pair)
{
    uint32_t n = 0;
    for (uint32_t k = 0; k < t->work_count; k++)
        if (t->works[k].pair != pair) t->works[n++] = t->works[k];
    t->work_count = n;
}

/* The game goes to where it can still be asked for evidence until the next event. */
static ro_status finish_pair(rf_task *t, rf_pair *p, const rf_verdict *v, ro_err *err)
{
    rf_effect *e;
    rf_verdict *copy = v ? rf_event_copy(t, v, sizeof *v) : NULL;
    if (v && !copy) return RO_FAIL(err, RO_ENOMEM, "no memory for a verdict");
    while (p->open_count) RO_TRY(close_question(t, p, 0, err));
    drop_works(t, (uint32_t)(p - t->pairs));
    RO_TRY(rf_room(&t->ended, &t->ended_room, t->ended_count, sizeof *t->ended, err));
    t->ended[t->ended_count++] = (rf_ended){p->game, p->level, p->number};
    t->counts.recomputed += p->game->recomputed;
    p->game = NULL;
    p->done = 1;
    t->counts.pairs++;
    t->position++;
    for (int k = 0; k < 2; k++) t->roots[p->group[k]].pair = RF_NONE;
    RO_TRY(pay_windows(t, p, err));
    RO_TRY(rf_effect_new(t, RF_DO_VERDICT, &e, err));
    e->level = p->level;
    e->pair = p->number;
    e->verdict = copy;
    for (int k = 0; k < 2; k++) e->roots[k] = t->roots[p->group[k]].root;
    return RO_OK;
}

static rf_loss loss_of(rf_kind cause)
{
    return cause == RF_FORFEIT ? RF_LOST_FORFEIT : cause == RF_WITHHELD ? RF_LOST_WITHHELD
                                                                        : RF_LOST_VERDICT;
}

/* With all its members a root falls, when members are swept. */
static ro_status fall(rf_task *t, const rf_pair *p, uint32_t side, rf_loss lost, ro_err *err)
{
    for (uint32_t k = 0; k < t->seat_count; k++)
        if (t->seats[k].group == p->group[side]) RO_TRY(strike(t, p, k, lost, err));
    return RO_OK;
}

static ro_status end_pair(rf_task *t, rf_pair *p, ro_err *err)
{
    const rf_verdict *v = rf_game_verdict(p->game);
    t->counts.provisional |= v->provisional;
    RO_TRY(finish_pair(t, p, v, err));
    if (v->guilty_count == 0) { /* online nothing else is undecided */
        RO_TRY(give_back(t, p->level, p->number, err));
        return rf_refund(t, RF_END_REFUNDED, CONTRADICTED, err);
    }
    rf_loss fell[2] = {RF_LOST_NOTHING, RF_LOST_NOTHING};
    for (uint32_t k = 0; k < v->guilty_count; k++) {
        fell[v->guilty[k].party] = loss_of(v->guilty[k].cause);
        RO_TRY(fall(t, p, v->guilty[k].party, fell[v->guilty[k].party], err));
    }
    return hold(t, p, fell, err);
}

/* Whoever signed a claim that the game has found false is out at once, and has lost when the pair
 * has ended: what is found later can still show that two implementations differ. Nothing is open:
 * all windows are closed. */
static ro_status strike_signers(rf_task *t, rf_pair *p, ro_err *err)
{
    for (uint32_t k = 0; k < p->window_count; k++) {
        rf_window *w = &p->windows[k];
        for (uint32_t i = 0; i < w->entry_count; i++) {
            if (w->entries[i].struck || !rf_game_struck(p->game, &w->q, i)) continue;
            w->entries[i].struck = 1;
            for (uint32_t f = 0; f < w->filing_count; f++)
                if (w->filings[f].entry == i)
                    RO_TRY(strike(t, p, w->filings[f].member, RF_LOST_CLAIM, err));
        }
    }
    return RO_OK;
}

ro_status rf_pair_step(rf_task *t, uint32_t pair, ro_err *err)
{
    rf_pair *p = &t->pairs[pair];
    rf_question q[RF_OPEN_MAX];
    uint32_t count;
    RO_ASSERT(!p->done);
    if (p->open_count) return RO_OK;
    RO_TRY(rf_game_next(p->game, q, &count, err));
    RO_TRY(strike_signers(t, p, err));
    if (count == 0) return end_pair(t, p, err);
    for (uint32_t k = 0; k < count; k++) RO_TRY(open_question(t, p, &q[k], err));
    return RO_OK;
}

/* ---- levels ------------------------------------------------------------------------------ */

ro_status rf_pair_game(rf_task *t, rf_pair *p, ro_err *err)
{
    rf_party parties[2];
    rf_setup s;
    for (int k = 0; k < 2; k++) {
        parties[k].root = t->roots[p->group[k]].root;
        memcpy(parties[k].body, t->roots[p->group[k]].body, sizeof parties[k].body);
    }
    memset(&s, 0, sizeof s);
    s.job = t->job;
    s.parties = parties;
    s.party_count = 2;
    s.online = 1;
    s.task = t->task;
    return rf_game_new(&s, &p->game, err);
}

static ro_status begin_pair(rf_task *t, uint32_t a, uint32_t b, ro_err *err)
{
    RO_TRY(rf_room(&t->pairs, &t->pair_room, t->pair_count, sizeof *t->pairs, err));
    rf_pair *p = &t->pairs[t->pair_count];
    memset(p, 0, sizeof *p);
    p->level = t->level;
    p->number = t->pair_count;
    p->group[0] = a;
    p->group[1] = b;
    RO_TRY(rf_pair_game(t, p, err));
    t->roots[a].pair = t->roots[b].pair = t->pair_count++;
    return RO_OK;
}

/* Neighbours among the roots that stand, in their order; an odd last one waits. */
ro_status rf_begin_level(rf_task *t, ro_err *err)
{
    uint32_t last = RF_NONE;
    for (uint32_t k = 0; k < t->pair_count; k++) rf_pair_free(&t->pairs[k]);
    t->pair_count = 0;
    t->level = t->counts.levels++;
    t->position++;
    for (uint32_t k = 0; k < t->root_count; k++) {
        if (t->roots[k].fallen) continue;
        if (last == RF_NONE) {
            last = k;
            continue;
        }
        RO_TRY(begin_pair(t, last, k, err));
        last = RF_NONE;
    }
    for (uint32_t k = 0; k < t->pair_count; k++) RO_TRY(rf_pair_step(t, k, err));
    return RO_OK;
}

rf_game *rf_task_game(const rf_task *t, uint32_t level, uint32_t pair)
{
    for (uint32_t k = 0; k < t->ended_count; k++)
        if (t->ended[k].level == level && t->ended[k].number == pair) return t->ended[k].game;
    for (uint32_t k = 0; k < t->held_count; k++)
        if (t->held[k].level == level && t->held[k].number == pair) return t->held[k].game;
    return level == t->level && pair < t->pair_count ? t->pairs[pair].game : NULL;
}

/* ---- windows ----------------------------------------------------------------------------- */

static int is_standing(const rf_task *t, uint32_t member)
{
    return t->seats[member].lost == RF_LOST_NOTHING;
}

static uint32_t group_asked(const rf_pair *p, const rf_open *o)
{
    return p->group[o->q.parties == 2];
}

static int all_have_filed(const rf_task *t, const rf_pair *p, const rf_open *o)
{
    const rf_window *w = &p->windows[o->window];
    uint32_t n = 0;
    for (uint32_t k = 0; k < w->filing_count; k++) n += is_standing(t, w->filings[k].member) != 0;
    return n == t->roots[group_asked(p, o)].standing;
}

typedef struct { rf_entry entry; uint32_t was; size_t size; } ranked;

static int compare_entries(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    return memcmp(x->entry.bytes, y->entry.bytes, x->size);
}

/* What is still signed by somebody who stands, ascending, as the game wants it: n in list, and what
 * they were in the window before. */
static uint32_t rank_entries(const rf_task *t, const rf_window *w, ranked *list)
{
    uint32_t n = 0;
    for (uint32_t k = 0; k < w->entry_count; k++) {
        int signed_by = 0;
        for (uint32_t f = 0; f < w->filing_count; f++)
            signed_by |= w->filings[f].entry == k && is_standing(t, w->filings[f].member);
        if (signed_by) list[n++] = (ranked){w->entries[k], k, w->size};
    }
    qsort(list, n, sizeof *list, compare_entries);
    return n;
}

/* Put the entries into their order and drop the bytes, which the game keeps. */
static void settle_entries(rf_window *w, const ranked *list, uint32_t n)
{
    for (uint32_t f = 0; f < w->filing_count; f++) {
        uint32_t now = RF_NONE;
        for (uint32_t k = 0; k < n; k++)
            if (list[k].was == w->filings[f].entry) now = k;
        w->filings[f].entry = now;
    }
    for (uint32_t k = 0; k < w->entry_count; k++) ro_free(w->entries[k].bytes);
    for (uint32_t k = 0; k < n; k++) {
        w->entries[k] = list[k].entry;
        w->entries[k].bytes = NULL;
    }
    w->entry_count = n;
    w->closed = 1;
}

static ro_status close_window(rf_task *t, uint32_t pair, uint32_t slot, ro_err *err)
{
    rf_pair *p = &t->pairs[pair];
    rf_window *w = &p->windows[p->open[slot].window];
    ranked *list = ro_arena_alloc(t->event, (w->entry_count + 1) * sizeof *list);
    if (!list) return RO_FAIL(err, RO_ENOMEM, "no memory to close a window");
    uint32_t n = rank_entries(t, w, list);
    uint8_t *all = ro_arena_alloc(t->event, n * w->size); /* they are in memory one by one */
    int accepted;
    if (!all) return RO_FAIL(err, RO_ENOMEM, "no memory for %u claims of a window", n);
    for (uint32_t k = 0; k < n; k++) memcpy(all + k * w->size, list[k].entry.bytes, w->size);
    RO_TRY(rf_game_offer(p->game, &p->open[slot].q, all, n * w->size, &accepted, err));
    if (!accepted) return RO_FAIL(err, RO_EFORMAT, "a window holds claims that were not admitted");
    settle_entries(w, list, n);
    RO_TRY(close_question(t, p, slot, err));
    return rf_pair_step(t, pair, err);
}

/* ---- what follows from struck members ----------------------------------------------------- */

static ro_status sweep_pair(rf_task *t, uint32_t pair, ro_err *err)
{
    rf_pair *p = &t->pairs[pair];
    if (t->roots[p->group[0]].fallen || t->roots[p->group[1]].fallen) {
        const rf_loss fell[2] = {RF_LOST_NOTHING, RF_LOST_NOTHING}; /* its members, one by one */
        RO_TRY(finish_pair(t, p, NULL, err));
        return hold(t, p, fell, err);
    }
    for (uint32_t k = 0; k < p->open_count; k++)
        if (p->open[k].window != RF_NONE && all_have_filed(t, p, &p->open[k])) {
            t->sweep = 1; /* the other side's window may be complete too */
            return close_window(t, pair, k, err);
        }
    return RO_OK;
}

/* A root whose last member was struck falls at once; a window that waited for a struck member
 * alone closes. Each round strikes or closes something, so it ends. */
ro_status rf_sweep(rf_task *t, ro_err *err)
{
    while (t->sweep) {
        t->sweep = 0;
        for (uint32_t k = 0; k < t->root_count; k++)
            if (!t->roots[k].standing) t->roots[k].fallen = 1;
        for (uint32_t k = 0; k < t->pair_count; k++)
            if (!t->pairs[k].done) RO_TRY(sweep_pair(t, k, err));
    }
    return RO_OK;
}

/* ---- time -------------------------------------------------------------------------------- */

/* Of equal deadlines the one whose claim has the lowest root; a question to both counts as the
 * lower of theirs. */
static vd_digest rank_of(const rf_task *t, const rf_pair *p, const rf_open *o)
{
    const vd_digest *a = &t->roots[p->group[0]].root, *b = &t->roots[p->group[1]].root;
    if (o->q.parties == 1) return *a;
    if (o->q.parties == 2) return *b;
    return memcmp(a->b, b->b, VD_DIGEST) < 0 ? *a : *b;
}

uint64_t rf_pairs_deadline(const rf_task *t, uint32_t *pair, uint32_t *slot)
{
    uint64_t first = UINT64_MAX;
    vd_digest best = {{0}}, rank;
    for (uint32_t k = 0; k < t->pair_count; k++)
        for (uint32_t i = 0; i < t->pairs[k].open_count; i++) {
            const rf_open *o = &t->pairs[k].open[i];
            if (o->deadline > first || o->deadline == UINT64_MAX) continue;
            rank = rank_of(t, &t->pairs[k], o);
            if (o->deadline == first && memcmp(rank.b, best.b, VD_DIGEST) >= 0) continue;
            first = o->deadline;
            best = rank;
            *pair = k;
            *slot = i;
        }
    return first;
}

ro_status rf_expire_question(rf_task *t, uint32_t pair, uint32_t slot, ro_err *err)
{
    rf_pair *p = &t->pairs[pair];
    if (p->open[slot].window != RF_NONE) return close_window(t, pair, slot, err);
    rf_game_cannot(p->game, &p->open[slot].q, RF_NONE);
    RO_TRY(close_question(t, p, slot, err));
    return rf_pair_step(t, pair, err);
}

/* ---- answers ----------------------------------------------------------------------------- */

/* The open question of a member's pair that its side may answer; slot RF_NONE: there is none with
 * that digest, and *now is the one that is open to its side, or 0. */
static void find_question(const rf_task *t, uint32_t member, const vd_digest *asked,
                          uint32_t *pair, uint32_t *slot, vd_digest *now)
{
    uint32_t group = t->seats[member].group;
    memset(now, 0, sizeof *now);
    *slot = RF_NONE;
    *pair = group == RF_NONE ? RF_NONE : t->roots[group].pair;
    if (*pair == RF_NONE) return;
    const rf_pair *p = &t->pairs[*pair];
    uint64_t side = p->group[1] == group ? 2 : 1;
    for (uint32_t k = 0; k < p->open_count; k++) {
        if (!(p->open[k].q.parties & side)) continue;
        *now = p->open[k].asked;
        if (vd_digest_equal(&p->open[k].asked, asked)) *slot = k;
    }
}

static ro_status count_refusal(rf_open *o, uint32_t member, ro_err *err)
{
    uint32_t k = 0;
    while (k < o->refusal_count && o->refusals[k].member != member) k++;
    if (k == o->refusal_count) {
        RO_TRY(rf_room(&o->refusals, &o->refusal_room, k, sizeof *o->refusals, err));
        o->refusals[o->refusal_count++] = (rf_refusals){member, 0};
    }
    o->refusals[k].count++;
    return RO_OK;
}

static int is_ignored(const rf_task *t, const rf_open *o, uint32_t member)
{
    for (uint32_t k = 0; k < o->refusal_count; k++)
        if (o->refusals[k].member == member) return o->refusals[k].count >= t->params.refusals;
    return 0;
}

static ro_status not_now(rf_task *t, uint32_t member, const vd_digest *now, ro_err *err)
{
    rf_refusal why = t->seats[member].lost != RF_LOST_NOTHING ? RF_R_STRUCK
                     : t->state < RF_T_AGREED                 ? RF_R_EARLY
                     : t->state > RF_T_DISPUTED               ? RF_R_LATE
                                                              : RF_R_STALE;
    return rf_refuse(t, member, why, 0, now, err);
}

ro_status rf_take_opening(rf_task *t, uint32_t member, const rf_event *e, ro_err *err)
{
    const rf_message *m = e->message;
    vd_digest id = rf_message_id(m), now;
    const rf_said *said = rf_find_said(t, &id);
    uint32_t pair, slot;
    int accepted = 0;
    ro_err why = {RO_OK, {0}};
    if (said) return rf_accept(t, member, said->position, 1, err);
    find_question(t, member, &m->question, &pair, &slot, &now);
    if (slot == RF_NONE || !is_standing(t, member) ||
        t->pairs[pair].open[slot].window != RF_NONE)
        return not_now(t, member, &now, err);
    rf_pair *p = &t->pairs[pair];
    rf_open *o = &p->open[slot];
    if (is_ignored(t, o, member)) return rf_refuse(t, member, RF_R_LIMIT, 0, NULL, err);
    if (rf_payload_check(m, e->bytes, e->size, &why) == RO_OK)
        RO_TRY(rf_game_offer(p->game, &o->q, e->bytes, e->size, &accepted, err));
    if (!accepted) {
        RO_TRY(count_refusal(o, member, err));
        return rf_refuse(t, member, RF_R_CONTENT, 0, NULL, err);
    }
    RO_TRY(rf_add_said(t, &id, &m->claim.opening.digest, err));
    RO_TRY(rf_accept(t, member, t->position, 0, err));
    RO_TRY(pay_answer(t, o->position, member, o->cost, err));
    RO_TRY(close_question(t, p, slot, err));
    return rf_pair_step(t, pair, err);
}

/* ---- filing ------------------------------------------------------------------------------ */

static int is_for(const rf_task *t, uint32_t member, const rf_open *o, const rf_message *m)
{
    const rf_slot *s = &m->slot;
    const rf_question *q = &o->q;
    if (m->type == RF_M_SEGMENT)
        return q->kind == RF_Q_SEGMENTS && s->segment == q->lo &&
               vd_digest_equal(&s->root, &t->roots[t->seats[member].group].root);
    return q->kind == RF_Q_EXPLANATIONS && vd_digest_equal(&s->root, &o->claim) &&
           s->step == q->step && s->node == q->node && s->output == q->output &&
           s->element == q->element && s->level == q->level && s->index == q->index;
}

static int has_filed(const rf_window *w, uint32_t member)
{
    for (uint32_t k = 0; k < w->filing_count; k++)
        if (w->filings[k].member == member) return 1;
    return 0;
}

/* The bytes that the game gets of a claim: a segment claim's body, an explanation's parts. */
static ro_status add_entry(rf_task *t, rf_window *w, const rf_event *e, uint32_t member,
                           uint32_t *at, ro_err *err)
{
    const rf_message *m = e->message;
    uint8_t body[VD_CLAIM_BODY_BYTES];
    const void *bytes = m->type == RF_M_SEGMENT ? body : e->bytes;
    w->size = m->type == RF_M_SEGMENT ? sizeof body : e->size;
    vd_digest d = m->claim.parts.digest;
    if (m->type == RF_M_SEGMENT) {
        vd_claim_body_encode(&m->claim.segment.body, body);
        d = vd_claim_root(&m->claim.segment.body);
    }
    for (*at = 0; *at < w->entry_count; ++*at)
        if (vd_digest_equal(&w->entries[*at].digest, &d)) return RO_OK;
    RO_TRY(rf_room(&w->entries, &w->entry_room, w->entry_count, sizeof *w->entries, err));
    rf_entry entry = {ro_alloc(w->size), d, t->position, member, 0};
    if (!entry.bytes) return RO_FAIL(err, RO_ENOMEM, "no memory for a claim of %zu bytes", w->size);
    memcpy(entry.bytes, bytes, w->size);
    w->entries[w->entry_count++] = entry;
    if (m->type == RF_M_SEGMENT) t->counts.claims++;
    else t->counts.explanations++;
    return RO_OK;
}

/* File a claim. One that is not admitted is refused and still its signer's in that slot. */
static ro_status file(rf_task *t, uint32_t member, uint32_t pair, uint32_t slot, const rf_event *e,
                      int is_new, ro_err *err)
{
    rf_pair *p = &t->pairs[pair];
    rf_open *o = &p->open[slot];
    rf_window *w = &p->windows[o->window];
    const rf_message *m = e->message;
    vd_digest place = rf_slot_digest(m), claim = rf_claim_digest(m);
    uint32_t entry = RF_NONE;
    int admitted;
    RO_TRY(rf_game_admits(p->game, &o->q, m->type == RF_M_SEGMENT ? &m->claim.segment.body : NULL,
                          e->bytes, e->size, &admitted, err));
    RO_TRY(rf_room(&w->filings, &w->filing_room, w->filing_count, sizeof *w->filings, err));
    if (is_new) RO_TRY(rf_add_said(t, &place, &claim, err));
    if (admitted) RO_TRY(add_entry(t, w, e, member, &entry, err));
    w->filings[w->filing_count++] = (rf_filing){member, entry};
    RO_TRY(admitted ? rf_accept(t, member, t->position, 0, err)
                    : rf_refuse(t, member, RF_R_CONTENT, 0, NULL, err));
    return all_have_filed(t, p, o) ? close_window(t, pair, slot, err) : RO_OK;
}

ro_status rf_take_filing(rf_task *t, uint32_t member, const rf_event *e, ro_err *err)
{
    const rf_message *m = e->message;
    vd_digest place = rf_slot_digest(m), claim = rf_claim_digest(m), now;
    const rf_said *said = rf_find_said(t, &place);
    uint64_t first = said ? said->position : 0;
    uint32_t pair, slot;
    ro_err why = {RO_OK, {0}};
    if (said && !vd_digest_equal(&said->claim, &claim)) {
        RO_TRY(rf_strike(t, member, RF_LOST_EQUIVOCATION, first, err));
        return rf_refuse(t, member, RF_R_CONFLICT, first, NULL, err);
    }
    find_question(t, member, &m->question, &pair, &slot, &now);
    if (slot == RF_NONE || !is_standing(t, member) ||
        !is_for(t, member, &t->pairs[pair].open[slot], m) ||
        has_filed(&t->pairs[pair].windows[t->pairs[pair].open[slot].window], member))
        return said ? rf_accept(t, member, first, 1, err) : not_now(t, member, &now, err);
    if (rf_payload_check(m, e->bytes, e->size, &why))
        return rf_refuse(t, member, RF_R_CONTENT, 0, NULL, err);
    return file(t, member, pair, slot, e, said == NULL, err);
}

/* ---- the host's answers ------------------------------------------------------------------ */

/* Online nothing but kernels is asked of the host, and then nothing of anybody else. */
const rf_open *rf_host_question(const rf_pair *p)
{
    RO_ASSERT(p->open_count == 1 && p->open[0].q.kind == RF_Q_KERNEL);
    return &p->open[0];
}

ro_status rf_take_work(rf_task *t, uint32_t pair, const rf_work *w, const rf_event *e, int *fault,
                       ro_err *err)
{
    rf_pair *p = &t->pairs[pair];
    int accepted = 0;
    RO_ASSERT(rf_host_question(p)->work == w->id);
    if (e->end == RF_WORK_CANNOT) {
        RO_TRY(rf_room(&p->missed, &p->missed_room, p->missed_count, sizeof *p->missed, err));
        p->missed[p->missed_count++] = w->id;
        rf_game_cannot(p->game, &p->open[0].q, RF_NONE);
        return close_question(t, p, 0, err);
    }
    RO_TRY(rf_game_offer(p->game, &p->open[0].q, e->bytes, e->size, &accepted, err));
    *fault = !accepted;
    return accepted ? close_question(t, p, 0, err) : RO_OK;
}
