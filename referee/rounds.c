/* rounds.c - all games of a dispute over files, and what came of them together.
 *
 * What this file decides: that up to RF_PARTIES_MAX traces meet in one game. Where there are more,
 * distinct roots do, each for all traces that have it: in the order of pairing over all of them, in
 * groups of that size, round after round, until one group is left or nobody falls.
 *
 * Invariants
 *   1. n distinct roots take at most n - 1 pairs that fell somebody, however they are grouped; a
 *      round in which nobody falls is the last.
 *   2. Whatever is told of a dispute names traces by their place on the command line. */
#include <stdlib.h>
#include <string.h>

#include "game.h"
#include "report.h"

ro_status rf_play(rf_files *f, rf_game *g, rf_transcript *t, ro_err *err)
{
    rf_question open[RF_OPEN_MAX];
    uint32_t count;
    for (;;) {
        RO_TRY(rf_game_next(g, open, &count, err));
        if (count == 0) return RO_OK;
        for (uint32_t k = 0; k < count; k++) {
            if (t) rf_transcript_ask(t, g, &open[k]);
            RO_TRY(rf_files_answer(f, g, &open[k], err));
            if (t) rf_transcript_close(t);
        }
    }
}

/* ---- who meets --------------------------------------------------------------------------- */

typedef struct { vd_digest root, order; uint32_t trace; } entrant;

static int by_root(const void *a, const void *b) { return memcmp(a, b, sizeof(vd_digest)); }

static int by_order(const void *a, const void *b)
{
    const entrant *x = a, *y = b;
    return memcmp(x->order.b, y->order.b, VD_DIGEST);
}

/* All traces where a game takes them; of more, the first of every root, in the order of pairing. */
static ro_status enter(const rf_files *f, const rf_report *o, uint32_t **in, uint32_t *count,
                       ro_err *err)
{
    uint32_t n = 0;
    entrant *all = ro_arena_alloc(f->arena, f->trace_count * sizeof *all);
    vd_digest *roots = ro_arena_alloc(f->arena, f->trace_count * sizeof *roots);
    *in = ro_arena_alloc(f->arena, f->trace_count * sizeof **in);
    if (!all || !roots || !*in) return RO_FAIL(err, RO_ENOMEM, "no memory for a dispute");
    *count = f->trace_count;
    for (uint32_t k = 0; k < f->trace_count; k++) {
        (*in)[k] = k;
        if (o->side[k] == k) all[n++] = (entrant){*vd_trace_get_root(f->traces[k]), {{0}}, k};
    }
    if (f->trace_count <= RF_PARTIES_MAX) return RO_OK;
    qsort(all, n, sizeof *all, by_root);
    for (uint32_t k = 0; k < n; k++) roots[k] = all[k].root;
    vd_digest seed = rf_pairing_seed(roots, n);
    for (uint32_t k = 0; k < n; k++)
        all[k].order = rf_pairing_order(&f->job->digest, &seed, &all[k].root);
    qsort(all, n, sizeof *all, by_order);
    for (uint32_t k = 0; k < n; k++) (*in)[k] = all[k].trace;
    *count = n;
    return RO_OK;
}

/* ---- one game ---------------------------------------------------------------------------- */

/* A game numbers its parties; here they are traces. */
static void name_traces(const rf_files *f, rf_verdict *v)
{
    for (int k = 0; k < 2; k++) v->sides[k] = f->party[v->sides[k]];
    for (uint32_t k = 0; k < v->guilty_count; k++)
        v->guilty[k].party = f->party[v->guilty[k].party];
}

static rf_bodies bodies_of(const rf_files *f, const rf_verdict *v)
{
    const vd_trace_body *a = vd_trace_get_body(f->traces[v->sides[0]]);
    const vd_trace_body *b = vd_trace_get_body(f->traces[v->sides[1]]);
    if (!vd_digest_equal(&a->tree, &b->tree)) return RF_TREES_DIFFER;
    return vd_digest_equal(&a->outputs, &b->outputs) ? RF_ENDS_DIFFER : RF_OUTPUTS_DIFFER;
}

/* Pairs that nothing decides meet again in every round, so their number is bounded by no more than
 * that of pairs and rounds. The lists lie in the arena, and double. */
static ro_status more_pairs(const rf_files *f, rf_report *o, ro_err *err)
{
    uint32_t room = o->pair_room ? 2 * o->pair_room : RF_PARTIES_MAX;
    const rf_verdict **pairs = ro_arena_alloc(f->arena, room * sizeof *pairs);
    rf_bodies *bodies = ro_arena_alloc(f->arena, room * sizeof *bodies);
    if (!pairs || !bodies) return RO_FAIL(err, RO_ENOMEM, "no memory for %u verdicts", room);
    for (uint32_t k = 0; k < o->pair_count; k++) {
        pairs[k] = o->pairs[k];
        bodies[k] = o->bodies[k];
    }
    o->pairs = pairs;
    o->bodies = bodies;
    o->pair_room = room;
    return RO_OK;
}

static ro_status keep_pair(const rf_files *f, const rf_verdict *v, rf_report *o, ro_err *err)
{
    rf_verdict *own = ro_arena_alloc(f->arena, sizeof *own);
    if (!own) return RO_FAIL(err, RO_ENOMEM, "no memory for a verdict");
    if (o->pair_count == o->pair_room) RO_TRY(more_pairs(f, o, err));
    *own = *v;
    name_traces(f, own);
    o->bodies[o->pair_count] = bodies_of(f, own);
    o->pairs[o->pair_count++] = own;
    return RO_OK;
}

/* What a finished game says. Returns how many roots fell in *fell. */
static ro_status hear(rf_files *f, const rf_game *g, rf_report *o, uint32_t *fell, ro_err *err)
{
    uint32_t pairs = f->stopped ? 0 : rf_game_pairs(g);
    for (uint32_t k = 0; k < pairs; k++) RO_TRY(keep_pair(f, rf_game_pair(g, k), o, err));
    for (uint32_t p = 0; p < f->party_count; p++) {
        if (rf_files_stands(f, g, p)) continue;
        for (uint32_t k = 0; k < f->trace_count; k++)
            if (o->side[k] == o->side[f->party[p]]) o->stands[k] = 0;
        *fell += o->side[f->party[p]] == f->party[p];
    }
    for (uint32_t c = 0; c < f->filed_count; c++)
        if (!f->stopped && !rf_game_claim_stands(g, c)) o->claim_stands[f->filed[c]] = 0;
    return RO_OK;
}

/* Plays it; *v is its verdict, by trace. */
static ro_status one_game(rf_files *f, const uint32_t *party, uint32_t count, rf_transcript *t,
                          rf_report *o, rf_verdict *v, uint32_t *fell, ro_err *err)
{
    rf_game *g = NULL;
    RO_TRY(rf_files_game(f, party, count, &g, err));
    if (t) rf_transcript_begin(t, f);
    ro_status st = rf_play(f, g, t, err);
    if (!st) st = hear(f, g, o, fell, err);
    if (!st) {
        *v = *rf_files_verdict(f, g);
        name_traces(f, v);
        if (t) rf_transcript_end(t, v, f->stopped ? 1 : rf_game_pairs(g));
    }
    rf_game_free(o->game);
    o->game = st ? NULL : g;
    if (st) rf_game_free(g);
    return st;
}

/* ---- all of them ------------------------------------------------------------------------- */

/* Of several games as of one: the last decided pair speaks, cost is of all. Whose root fell in
 * which pair is in the pairs. */
static void put_together(const rf_report *o, rf_verdict *v)
{
    uint32_t standing = 0, last = 0;
    for (uint32_t k = 0; k < o->party_count; k++) standing += o->stands[k] && o->side[k] == k;
    for (uint32_t k = 0; k < o->pair_count; k++)
        if ((o->pairs[k]->kind == RF_UNDECIDED) == (standing > 1)) last = k;
    *v = *o->pairs[last];
    for (uint32_t k = 0; k < o->pair_count; k++)
        if (k != last) rf_add_pair(v, o->pairs[k]);
}

static ro_status begin(rf_files *f, rf_report *o, rf_verdict **v, ro_err *err)
{
    uint32_t n = f->trace_count;
    o->job = f->job;
    o->party_count = n;
    o->side = ro_arena_alloc(f->arena, n * sizeof *o->side);
    o->stands = ro_arena_alloc(f->arena, n);
    o->is_signed = ro_arena_alloc(f->arena, n);
    o->foreign = ro_arena_alloc(f->arena, n);
    o->claim_stands = ro_arena_alloc(f->arena, f->claim_count);
    *v = ro_arena_alloc(f->arena, sizeof **v);
    if (!o->side || !o->stands || !o->is_signed || !o->foreign || !o->claim_stands || !*v)
        return RO_FAIL(err, RO_ENOMEM, "no memory for a dispute");
    RO_TRY(more_pairs(f, o, err));
    memset(o->claim_stands, 1, f->claim_count);
    for (uint32_t k = 0; k < n; k++) {
        const vd_digest *root = vd_trace_get_root(f->traces[k]);
        while (!vd_digest_equal(vd_trace_get_root(f->traces[o->side[k]]), root)) o->side[k]++;
        o->stands[k] = 1;
        o->is_signed[k] = vd_trace_key(f->traces[k]) != NULL;
        o->foreign[k] = (uint8_t)!rf_files_ran(f, k);
    }
    return RO_OK;
}

ro_status rf_rounds(rf_files *f, rf_transcript *t, rf_report *o, ro_err *err)
{
    uint32_t *in = NULL, count = 0, fell, games = 0, groups;
    rf_verdict *v;
    memset(o, 0, sizeof *o);
    RO_TRY(begin(f, o, &v, err));
    RO_TRY(enter(f, o, &in, &count, err));
    do {
        uint32_t left = 0;
        fell = groups = 0;
        for (uint32_t at = 0; at < count && !f->stopped; at += RF_PARTIES_MAX, groups++) {
            uint32_t n = count - at < RF_PARTIES_MAX ? count - at : RF_PARTIES_MAX;
            if (n == 1 && games) continue; /* it waits for the next round */
            RO_TRY(one_game(f, in + at, n, t, o, v, &fell, err));
            games++;
        }
        for (uint32_t k = 0; k < count; k++)
            if (o->stands[in[k]]) in[left++] = in[k];
        count = left;
    } while (groups > 1 && fell && count > 1 && !f->stopped);
    if (games > 1 && !f->stopped) put_together(o, v);
    o->verdict = v;
    if (f->stopped) { /* nobody is condemned, whatever had been judged */
        memset(o->stands, 1, f->trace_count);
        memset(o->claim_stands, 1, f->claim_count);
        o->pair_count = 1;
        o->pairs[0] = v;
        o->bodies[0] = bodies_of(f, v);
    }
    return RO_OK;
}
