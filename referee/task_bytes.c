/* task_bytes.c - the state of a task as canonical bytes, and back.
 *
 * What this file decides: docs/FORMATS.md, "A task's state". One description of the bytes serves
 * both ways: the same function writes a field or reads it. What is derived (games, what they ask,
 * who stands, the index of claims) is not in the bytes and is made again.
 *
 * Invariants
 *   1. What is read is written again and compared: one state has one byte string.
 *   2. A count is held against the bytes that are left before room is made for it.
 *   3. A number that names something is held against how many there are. */
#include "task_state.h"

#include "../verde/bytes.h"

#include <string.h>

#define TASK_MAGIC "VERDETSK"
/* 1 had no provisional verdicts, 2 not what fell by them, 3 no flags of kernels. */
#define TASK_VERSION 4u

/* Exactly one of the two is set. */
typedef struct {
    vd_out *out;
    vd_in *in;
    ro_err *err;
    ro_status status; /* of memory; bytes that are wrong set in->bad */
} io;

static void io_bad(io *x) { x->in->bad = 1; }

static void io_u64(io *x, uint64_t *v)
{
    if (x->in) *v = vd_in_u64(x->in);
    else vd_out_u64(x->out, *v);
}

static void io_u32(io *x, uint32_t *v)
{
    if (x->in) *v = vd_in_u32(x->in);
    else vd_out_u32(x->out, *v);
}

static void io_i64(io *x, int64_t *v)
{
    uint64_t bits = (uint64_t)*v;
    io_u64(x, &bits);
    *v = (int64_t)bits;
}

static void io_bytes(io *x, void *bytes, size_t n)
{
    if (!x->in) {
        vd_out_bytes(x->out, bytes, n);
        return;
    }
    const uint8_t *p = vd_in_bytes(x->in, n);
    if (p) memcpy(bytes, p, n);
}

static void io_digest(io *x, vd_digest *d) { io_bytes(x, d->b, sizeof d->b); }

/* A small number in one byte, at most `most`. */
static uint32_t io_small(io *x, uint32_t v, uint32_t most)
{
    if (!x->in) {
        vd_out_u8(x->out, (uint8_t)v);
        return v;
    }
    v = vd_in_u8(x->in);
    if (v > most) io_bad(x);
    return v <= most ? v : 0;
}

static void io_flag(io *x, int *v) { *v = (int)io_small(x, (uint32_t)*v, 1); }

/* A number that names one of `count`; `none` 1: or RF_NONE. */
static void io_index(io *x, uint32_t *v, uint32_t count, int none)
{
    io_u32(x, v);
    if (x->in && *v >= count && !(none && *v == RF_NONE)) {
        io_bad(x);
        *v = 0;
    }
}

static void *io_room(io *x, size_t n)
{
    void *p = ro_alloc_zero(n);
    if (p) return p;
    x->status = RO_FAIL(x->err, RO_ENOMEM, "no memory for %zu bytes of a task", n);
    io_bad(x);
    return NULL;
}

/* The count of a vector, at most `most`, whose records have at least `least` bytes; makes its
 * room. */
static void io_few(io *x, void *items, uint32_t *room, uint32_t *count, size_t size, size_t least,
                   uint32_t most)
{
    io_u32(x, count);
    if (!x->in) return;
    if (*count > most || *count > vd_in_left(x->in) / least) io_bad(x);
    if (x->in->bad) *count = 0;
    if (*count == 0) return;
    void *p = io_room(x, *count * size); /* a few times what the bytes have */
    if (!p) *count = 0;
    memcpy(items, &p, sizeof p);
    *room = *count;
}

static void io_vector(io *x, void *items, uint32_t *room, uint32_t *count, size_t size,
                      size_t least)
{
    io_few(x, items, room, count, size, least, UINT32_MAX);
}

/* ---- members, claims, roots -------------------------------------------------------------- */

static void io_seat(io *x, rf_seat *s, uint32_t roots)
{
    io_bytes(x, s->key, sizeof s->key);
    io_digest(x, &s->account);
    s->role = (rf_role)io_small(x, s->role, RF_AUDITOR);
    s->stage = (rf_stage)io_small(x, s->stage, RF_STAGE_AUDITOR);
    io_flag(x, &s->assigned);
    io_flag(x, &s->delivered);
    s->lost = (rf_loss)io_small(x, s->lost, RF_LOST_ATTENTION);
    io_u64(x, &s->lost_at);
    io_u32(x, &s->doubt.level);
    io_u32(x, &s->doubt.number);
    s->next = (rf_loss)io_small(x, s->next, RF_LOST_ATTENTION);
    io_u64(x, &s->next_first);
    io_digest(x, &s->commitment);
    io_flag(x, &s->revealed);
    io_index(x, &s->group, roots, 1);
    if (s->revealed) {
        io_digest(x, &s->reveal);
        io_digest(x, &s->root);
        io_bytes(x, s->backend, sizeof s->backend);
        io_bytes(x, s->body, sizeof s->body);
        if (x->in) s->backend[VD_BACKEND_BYTES - 1] = 0;
    }
    io_u64(x, &s->answered);
    if (!s->answered) return;
    if (x->in) s->answers = io_room(x, RF_CHALLENGES_MAX * sizeof *s->answers);
    for (uint32_t k = 0; k < RF_CHALLENGES_MAX && s->answers; k++)
        if (s->answered >> k & 1) io_digest(x, &s->answers[k]);
}

static void io_root(io *x, rf_root *r)
{
    io_digest(x, &r->root);
    io_digest(x, &r->order);
    io_bytes(x, r->body, sizeof r->body);
    io_flag(x, &r->fallen);
}

static void io_said(io *x, rf_said *s)
{
    io_digest(x, &s->slot);
    io_digest(x, &s->claim);
    io_u64(x, &s->position);
}

static void io_members(io *x, rf_task *t)
{
    io_few(x, &t->roots, &t->root_room, &t->root_count, sizeof *t->roots, 64,
           t->params.slots + RF_AUDITORS_MAX); /* one of each that has a slot, and of auditors */
    for (uint32_t k = 0; k < t->root_count; k++) io_root(x, &t->roots[k]);
    io_vector(x, &t->seats, &t->seat_room, &t->seat_count, sizeof *t->seats, 64);
    for (uint32_t k = 0; k < t->seat_count; k++) io_seat(x, &t->seats[k], t->root_count);
    io_vector(x, &t->said, &t->said_room, &t->said_count, sizeof *t->said, 72);
    for (uint32_t k = 0; k < t->said_count; k++) io_said(x, &t->said[k]);
    io_vector(x, &t->answers, &t->answer_room, &t->answer_count, sizeof *t->answers, 20);
    for (uint32_t k = 0; k < t->answer_count; k++) {
        io_u64(x, &t->answers[k].question);
        io_index(x, &t->answers[k].member, t->seat_count, 0);
        io_i64(x, &t->answers[k].cost);
    }
}

/* ---- pairs ------------------------------------------------------------------------------- */

static void io_entry(io *x, rf_entry *e, const rf_window *w, uint32_t seats)
{
    io_digest(x, &e->digest);
    io_u64(x, &e->position);
    io_index(x, &e->first, seats, 0);
    io_flag(x, &e->struck);
    if (w->closed) return; /* the game has its bytes */
    if (x->in && vd_in_left(x->in) < w->size) io_bad(x);
    if (x->in && !x->in->bad) e->bytes = io_room(x, w->size);
    if (e->bytes) io_bytes(x, e->bytes, w->size);
}

static void io_window(io *x, rf_window *w, uint32_t seats)
{
    uint64_t size = w->size;
    io_flag(x, &w->closed);
    io_u64(x, &w->position);
    io_u64(x, &size);
    w->size = (size_t)size;
    io_vector(x, &w->entries, &w->entry_room, &w->entry_count, sizeof *w->entries, 45);
    for (uint32_t k = 0; k < w->entry_count; k++) io_entry(x, &w->entries[k], w, seats);
    io_vector(x, &w->filings, &w->filing_room, &w->filing_count, sizeof *w->filings, 8);
    for (uint32_t k = 0; k < w->filing_count; k++) {
        io_index(x, &w->filings[k].member, seats, 0);
        io_index(x, &w->filings[k].entry, w->entry_count, 1);
    }
}

static void io_open(io *x, rf_open *o, uint32_t seats)
{
    io_u64(x, &o->position);
    io_u64(x, &o->deadline);
    io_i64(x, &o->cost);
    io_u32(x, &o->work);
    io_vector(x, &o->refusals, &o->refusal_room, &o->refusal_count, sizeof *o->refusals, 8);
    for (uint32_t k = 0; k < o->refusal_count; k++) {
        io_index(x, &o->refusals[k].member, seats, 0);
        io_u32(x, &o->refusals[k].count);
    }
}

static void write_openings(io *x, const rf_game *g)
{
    uint32_t n = 0;
    for (const rf_opening *o = g->oldest; o; o = o->later) n++;
    vd_out_u32(x->out, n);
    for (const rf_opening *o = g->oldest; o; o = o->later) {
        vd_out_u8(x->out, (uint8_t)o->slot);
        vd_out_u8(x->out, (uint8_t)o->absent);
        vd_out_u64(x->out, o->size);
        vd_out_bytes(x->out, o->bytes, o->size);
    }
}

/* What the game asks now, where nothing is open. A pair that is held has no windows any more: what
 * they were closed with is among its openings. */
static ro_status ask_again(rf_task *t, rf_pair *p, uint32_t *windows, ro_err *err)
{
    rf_question q[RF_OPEN_MAX];
    uint32_t count;
    if (p->open_count) return RO_OK;
    RO_TRY(rf_game_next(p->game, q, &count, err));
    for (uint32_t k = 0; k < count; k++) {
        rf_describe(t, p, &q[k], &p->open[k]);
        if (p->done || !rf_is_window(q[k].kind)) continue;
        if (*windows == p->window_count)
            return RO_FAIL(err, RO_EFORMAT, "a task's state lacks a window of its game");
        p->windows[*windows].q = q[k];
        p->open[k].window = (*windows)++;
    }
    p->open_count = count;
    return RO_OK;
}

static ro_status replay_one(rf_pair *p, vd_in *in, ro_err *err)
{
    uint32_t slot = vd_in_u8(in), absent = vd_in_u8(in);
    uint64_t n = vd_in_u64(in);
    const uint8_t *bytes = vd_in_bytes(in, n);
    int accepted = 1;
    if (!bytes || slot >= p->open_count || absent > 1 ||
        (absent && (n || rf_is_window(p->open[slot].q.kind))))
        return RO_FAIL(err, RO_EFORMAT, "a task's state has an opening of no question");
    rf_open *o = &p->open[slot];
    if (o->window != RF_NONE && !p->windows[o->window].closed) accepted = 0;
    else if (absent) rf_game_cannot(p->game, &o->q, RF_NONE);
    else RO_TRY(rf_game_offer(p->game, &o->q, bytes, (size_t)n, &accepted, err));
    if (!accepted) return RO_FAIL(err, RO_EFORMAT, "a task's state has an opening that is none");
    for (uint32_t k = slot + 1; k < p->open_count; k++) p->open[k - 1] = p->open[k];
    p->open_count--;
    return RO_OK;
}

/* Every work that was not possible is of a kernel that the game did without. */
static int misses_match(const rf_game *g, const uint32_t *missed, uint32_t count,
                        const rf_task *t)
{
    uint32_t n = 0;
    for (const rf_opening *o = g->oldest; o; o = o->later)
        n += o->absent && o->q.kind == RF_Q_KERNEL;
    for (uint32_t k = 0; k < count; k++)
        if (missed[k] >= t->next_work) return 0;
    return n == count;
}

/* Play the game again: its questions come as they came before. */
static ro_status replay(rf_task *t, rf_pair *p, vd_in *in, ro_err *err)
{
    uint32_t windows = 0, n = vd_in_u32(in);
    RO_TRY(rf_pair_game(t, p, err));
    for (uint32_t k = 0; k < n; k++) {
        RO_TRY(ask_again(t, p, &windows, err));
        RO_TRY(replay_one(p, in, err));
    }
    if (!misses_match(p->game, p->missed, p->missed_count, t))
        return RO_FAIL(err, RO_EFORMAT, "a task's state has kernels that its games did not miss");
    if (p->done) return RO_OK;
    RO_TRY(ask_again(t, p, &windows, err));
    for (uint32_t k = 0; k < p->open_count; k++)
        if (p->open[k].window != RF_NONE && p->windows[p->open[k].window].closed)
            return RO_FAIL(err, RO_EFORMAT, "a task's state has a closed window that is open");
    if (p->open_count && windows == p->window_count) return RO_OK;
    return RO_FAIL(err, RO_EFORMAT, "a task's state has a pair that asks nothing");
}

/* What is of no use is refused before it costs a game. */
static void io_missed(io *x, rf_task *t, rf_pair *p)
{
    io_vector(x, &p->missed, &p->missed_room, &p->missed_count, sizeof *p->missed, 4);
    for (uint32_t k = 0; k < p->missed_count; k++) io_u32(x, &p->missed[k]);
    if (x->in && (p->group[0] == p->group[1] || (p->done && !p->missed_count))) io_bad(x);
    if (!x->in) {
        write_openings(x, p->game);
    } else if (!x->in->bad) {
        ro_status st = replay(t, p, x->in, x->err);
        if (st) {
            x->status = st;
            io_bad(x);
        }
    }
}

static void io_pair(io *x, rf_task *t, uint32_t number)
{
    rf_pair *p = &t->pairs[number];
    p->level = t->level;
    p->number = number;
    for (int k = 0; k < 2; k++) io_index(x, &p->group[k], t->root_count, 0);
    io_flag(x, &p->done);
    p->costly = io_small(x, p->costly, 3);
    io_vector(x, &p->windows, &p->window_room, &p->window_count, sizeof *p->windows, 25);
    for (uint32_t k = 0; k < p->window_count; k++) io_window(x, &p->windows[k], t->seat_count);
    if (p->done) return;
    io_missed(x, t, p);
    for (uint32_t k = 0; k < p->open_count; k++) io_open(x, &p->open[k], t->seat_count);
}

/* What is left of a pair that is held is read as a pair, and kept as what it is. */
static void io_held(io *x, rf_task *t, rf_held *h)
{
    rf_pair p = {.level = h->level, .number = h->number, .done = 1, .game = h->game,
                 .missed = h->missed, .missed_count = h->missed_count,
                 .missed_room = h->missed_room};
    io_u32(x, &p.level);
    io_u32(x, &p.number);
    for (int k = 0; k < 2; k++) {
        p.group[k] = h->group[k];
        io_index(x, &p.group[k], t->root_count, 0);
        h->fell[k] = (rf_loss)io_small(x, h->fell[k], RF_LOST_ATTENTION);
    }
    io_u64(x, &h->position);
    io_missed(x, t, &p);
    h->level = p.level;
    h->number = p.number;
    memcpy(h->group, p.group, sizeof h->group);
    h->game = p.game;
    h->missed = p.missed;
    h->missed_count = p.missed_count;
    h->missed_room = p.missed_room;
}

/* ---- the whole --------------------------------------------------------------------------- */

static void io_counts(io *x, rf_task_counts *c)
{
    io_u32(x, &c->roots);
    io_u32(x, &c->claims);
    io_u32(x, &c->explanations);
    io_u64(x, &c->recomputed);
    io_u64(x, &c->questions);
    io_u32(x, &c->levels);
    io_u32(x, &c->pairs);
    io_flag(x, &c->audited);
    io_flag(x, &c->provisional);
}

static void io_clocks(io *x, rf_task *t)
{
    t->state = (rf_task_state)io_small(x, t->state, RF_T_REFUNDED);
    t->end = (rf_end)io_small(x, t->end, RF_END_REFUNDED);
    io_u64(x, &t->now);
    io_u64(x, &t->position);
    io_u64(x, &t->deadline);
    io_flag(x, &t->ready);
    io_digest(x, &t->draw);
    t->challenging = (rf_challenging)io_small(x, t->challenging, RF_C_DONE);
    io_u64(x, &t->challenge_deadline);
    io_u64(x, &t->challenge_position);
    for (uint32_t k = 0; k < t->params.challenges; k++) {
        rf_attention *a = &t->attention[k];
        io_u64(x, &a->step);
        io_u32(x, &a->node);
        io_u32(x, &a->output);
        io_flag(x, &a->is_void);
    }
    t->auditing = (rf_auditing)io_small(x, t->auditing, RF_A_DONE);
    io_u64(x, &t->audit_deadline);
    io_u32(x, &t->audit_tries);
    io_counts(x, &t->counts);
    io_u32(x, &t->level);
    io_u32(x, &t->next_work);
}

static void io_works(io *x, rf_task *t)
{
    io_vector(x, &t->works, &t->work_room, &t->work_count, sizeof *t->works, 36);
    for (uint32_t k = 0; k < t->work_count; k++) {
        rf_work *w = &t->works[k];
        io_u32(x, &w->id);
        io_index(x, &w->pair, t->pair_count, 1);
        io_index(x, &w->group, t->root_count, 1);
        io_index(x, &w->challenge, t->params.challenges, 1);
        io_u32(x, &w->tries);
        io_u64(x, &w->first_fault);
        io_u64(x, &w->not_before);
    }
}

static void io_task(io *x, rf_task *t)
{
    io_clocks(x, t);
    io_members(x, t);
    io_index(x, &t->accepted, t->root_count, 1);
    io_index(x, &t->auditor, t->seat_count, 1);
    io_few(x, &t->pairs, &t->pair_room, &t->pair_count, sizeof *t->pairs, 14, t->root_count / 2);
    for (uint32_t k = 0; k < t->pair_count; k++)
        if (!x->in || !x->in->bad) io_pair(x, t, k);
    /* in each a root fell; auditors bring some back */
    io_few(x, &t->held, &t->held_room, &t->held_count, sizeof *t->held, 34,
           t->root_count + RF_AUDITORS_MAX);
    for (uint32_t k = 0; k < t->held_count; k++)
        if (!x->in || !x->in->bad) io_held(x, t, &t->held[k]);
    io_works(x, t);
}

static void write_task(const rf_task *t, vd_out *o)
{
    uint8_t params[RF_PARAMS_BYTES];
    io x = {o, NULL, NULL, RO_OK};
    rf_params_encode(&t->params, params);
    vd_out_bytes(o, TASK_MAGIC, 8);
    vd_out_u32(o, TASK_VERSION);
    vd_out_bytes(o, t->job->digest.b, VD_DIGEST);
    vd_out_bytes(o, t->referee.b, VD_DIGEST);
    vd_out_bytes(o, t->task.b, VD_DIGEST);
    vd_out_bytes(o, t->secret.b, VD_DIGEST);
    vd_out_bytes(o, params, sizeof params);
    io_task(&x, (rf_task *)(uintptr_t)t); /* writing changes nothing */
}

ro_status rf_task_save(const rf_task *t, uint8_t **bytes, size_t *size, ro_err *err)
{
    RO_TRY(rf_alive(t, err));
    vd_out o = {NULL, 0};
    write_task(t, &o);
    size_t total = o.n;
    o = (vd_out){ro_alloc(total), 0};
    if (!o.to) return RO_FAIL(err, RO_ENOMEM, "no memory for a state of %zu bytes", total);
    write_task(t, &o);
    RO_ASSERT(o.n == total);
    *bytes = o.to;
    *size = total;
    return RO_OK;
}

static uint32_t count_works(const rf_task *t, uint32_t pair, uint32_t id)
{
    uint32_t n = 0;
    for (uint32_t k = 0; k < t->work_count; k++)
        n += t->works[k].pair == pair && t->works[k].id == id;
    return n;
}

/* Every question to the host has one work, and every work its question or its challenge; these
 * are there while challenges are checked. */
static int works_match(const rf_task *t)
{
    uint32_t asked = 0, works = 0;
    for (uint32_t k = 0; k < t->pair_count; k++)
        for (uint32_t i = 0; !t->pairs[k].done && i < t->pairs[k].open_count; i++) {
            if (t->pairs[k].open[i].q.parties) continue;
            if (count_works(t, k, t->pairs[k].open[i].work) != 1) return 0;
            asked++;
        }
    for (uint32_t k = 0; k < t->work_count; k++) {
        works += t->works[k].pair != RF_NONE;
        if (t->works[k].pair == RF_NONE &&
            (t->works[k].group == RF_NONE || t->works[k].challenge == RF_NONE))
            return 0;
    }
    return asked == works && (works < t->work_count) == (t->challenging == RF_C_CHECKED);
}

static int is_of(const rf_seat *s, const uint32_t group[2])
{
    return s->group == group[0] || s->group == group[1];
}

/* The roots of the pair with that name that is being judged, or held; NULL: there is none, or more
 * than one. */
static const uint32_t *named_pair(const rf_task *t, uint32_t level, uint32_t number)
{
    const uint32_t *found = NULL;
    uint32_t n = 0;
    if (level == t->level && number < t->pair_count && !t->pairs[number].done) {
        found = t->pairs[number].group;
        n++;
    }
    for (uint32_t k = 0; k < t->held_count; k++)
        if (t->held[k].level == level && t->held[k].number == number) {
            found = t->held[k].group;
            n++;
        }
    return n == 1 ? found : NULL;
}

/* Whether a loss in doubt has been lost to a pair that can still give it back, by a member of one
 * of its roots; only of equivocation a first claim is kept. */
static int doubt_holds(const rf_task *t, const rf_seat *s)
{
    if (s->next_first && s->next != RF_LOST_EQUIVOCATION) return 0;
    if (s->doubt.level == RF_NONE) return s->doubt.number == 0 && s->next == RF_LOST_NOTHING;
    const uint32_t *group = named_pair(t, s->doubt.level, s->doubt.number);
    return group && is_of(s, group) && s->lost != RF_LOST_NOTHING;
}

/* Whether each pair that is held has a name of its own, and only members of a pair's roots filed
 * claims in it. */
static int pairs_hold(const rf_task *t)
{
    for (uint32_t k = 0; k < t->held_count; k++)
        if (!named_pair(t, t->held[k].level, t->held[k].number)) return 0;
    for (uint32_t k = 0; k < t->pair_count; k++)
        for (uint32_t i = 0; i < t->pairs[k].window_count; i++) {
            const rf_window *w = &t->pairs[k].windows[i];
            for (uint32_t f = 0; f < w->filing_count; f++)
                if (!is_of(&t->seats[w->filings[f].member], t->pairs[k].group)) return 0;
        }
    return 1;
}

/* Whether the end and what is held fit the state: FINAL without a result waits for what is held,
 * and nothing is held by a task that has ended. */
static int end_holds(const rf_task *t)
{
    if (t->state == RF_T_FINAL)
        return t->end == RF_END_SETTLED || (t->held_count && !t->pair_count);
    if (rf_over(t) && t->held_count) return 0;
    return (t->end != RF_END_SETTLED) == (t->state == RF_T_REFUNDED);
}

/* Whether what is waited for fits the state: nothing but the outputs once it is known what is
 * right, an auditor after the challenges. */
static int waits_hold(const rf_task *t)
{
    const int challenging = t->challenging != RF_C_NONE && t->challenging != RF_C_DONE;
    uint32_t judging = 0;
    for (uint32_t k = 0; k < t->pair_count; k++) judging += !t->pairs[k].done;
    if (t->auditing == RF_A_WANTED && (t->challenging != RF_C_DONE || judging)) return 0;
    if (rf_is_open(t)) return t->challenging != RF_C_NONE;
    return !challenging && !judging && t->auditing != RF_A_WANTED;
}

/* What the bytes leave to be counted, and what no count shows: who is in which pair, that a state
 * that has a root names it, that every work has its question. */
static int make_whole(rf_task *t)
{
    for (uint32_t k = 0; k < t->root_count; k++) t->roots[k].pair = RF_NONE;
    for (uint32_t k = 0; k < t->seat_count; k++) {
        const rf_seat *s = &t->seats[k];
        if (s->group != RF_NONE && s->lost == RF_LOST_NOTHING) t->roots[s->group].standing++;
        if (s->group != RF_NONE && !s->revealed) return 0;
        if (!doubt_holds(t, s)) return 0;
    }
    for (uint32_t k = 0; k < t->pair_count; k++) {
        const rf_pair *p = &t->pairs[k];
        for (int side = 0; side < 2 && !p->done; side++) {
            if (t->roots[p->group[side]].pair != RF_NONE) return 0;
            t->roots[p->group[side]].pair = k;
        }
    }
    int has_root = t->state >= RF_T_RESOLVED && t->state <= RF_T_SETTLED &&
                   (t->end == RF_END_SETTLED || t->end == RF_END_UNDELIVERED);
    int timeless = rf_is_open(t) || rf_over(t);
    return works_match(t) && pairs_hold(t) && end_holds(t) && waits_hold(t) &&
           (!has_root || t->accepted != RF_NONE) && timeless == (t->deadline == UINT64_MAX);
}

static ro_status read_head(vd_in *in, const vd_job *job, rf_task *t, ro_err *err)
{
    ro_err why = {RO_OK, {0}};
    const uint8_t *magic = vd_in_bytes(in, 8);
    uint32_t version = vd_in_u32(in);
    const uint8_t *digest = vd_in_bytes(in, VD_DIGEST);
    io x = {NULL, in, err, RO_OK};
    if (!digest || memcmp(magic, TASK_MAGIC, 8) != 0 || version != TASK_VERSION)
        return RO_FAIL(err, RO_EFORMAT, "these bytes are no task's state");
    if (memcmp(digest, job->digest.b, VD_DIGEST) != 0)
        return RO_FAIL(err, RO_EDIFFER, "a task's state is of another job");
    io_digest(&x, &t->referee);
    io_digest(&x, &t->task);
    io_digest(&x, &t->secret);
    const uint8_t *params = vd_in_bytes(in, RF_PARAMS_BYTES);
    if (!params || rf_params_decode(params, RF_PARAMS_BYTES, &t->params, &why) ||
        rf_params_fit(&t->params, &why))
        return RO_FAIL(err, RO_EFORMAT, "a task's state has parameters that are none");
    t->job = job;
    return RO_OK;
}

static ro_status compare_again(const rf_task *t, const void *bytes, size_t n, ro_err *err)
{
    uint8_t *again;
    size_t size;
    RO_TRY(rf_task_save(t, &again, &size, err));
    RO_ASSERT(size == n); /* what was read to its end: each field is written as it was read */
    int same = memcmp(again, bytes, n) == 0;
    ro_free(again);
    return same ? RO_OK : RO_FAIL(err, RO_EFORMAT, "a task's state is not in its canonical form");
}

static ro_status read_task(rf_task *t, const vd_job *job, const void *bytes, size_t n, ro_err *err)
{
    vd_in in = {bytes, n, 0, 0};
    io x = {NULL, &in, err, RO_OK};
    RO_TRY(read_head(&in, job, t, err));
    io_task(&x, t);
    if (x.status) return x.status;
    if (in.bad || in.at != n || !make_whole(t))
        return RO_FAIL(err, RO_EFORMAT, "a task's state of %zu bytes does not hold together", n);
    RO_TRY(rf_index_said(t, err));
    t->sweep = 1;
    return compare_again(t, bytes, n, err);
}

ro_status rf_task_restore(const vd_job *job, const void *bytes, size_t n, rf_task **out,
                          ro_err *err)
{
    rf_task *t = ro_alloc_zero(sizeof *t);
    if (!t) return RO_FAIL(err, RO_ENOMEM, "no memory for a task");
    ro_status st = read_task(t, job, bytes, n, err);
    if (st) {
        rf_task_free(t);
        return st;
    }
    *out = t;
    return RO_OK;
}
