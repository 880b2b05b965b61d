/* plan.c - from a graph to places: lives, one block, views and the exchange of slots.
 *
 * What this file decides: which bytes a value may use. Nodes run in order, so a life is an
 * interval of node numbers. Places are given in that order, the smallest hole that is large
 * enough first; holes that touch become one.
 *
 * Invariants
 *   1. An output is placed before the inputs of its node are given back: a node never writes
 *      where it reads.
 *   2. A value that leaves as an output, or that several slots take, lives to the end.
 *   3. A view takes over its input's place only when the view's node is the last reader: so a
 *      flipped bit in either is seen by exactly those who would see it in a copy. */
#include "plan.h"

#include <string.h>

#define FOREVER UINT32_MAX

typedef struct { uint64_t offset, bytes; } hole;

typedef struct {
    const ro_graph *g;
    ro_layout *l;
    uint32_t *last;  /* node that reads a value last; its own node if none does */
    uint32_t *takes; /* slots that take a value */
    hole *holes;     /* ascending, never touching */
    uint32_t hole_count;
    int keep_all;
} planner;

static ro_status too_large(ro_err *err)
{
    return RO_FAIL(err, RO_ELIMIT, "the values of a graph need more bytes than 64 bits count");
}

static ro_status padded(const ro_type *t, uint64_t *bytes, ro_err *err)
{
    uint64_t n = ro_type_bytes(t); /* an admitted type: fits */
    if (!ro_add_size(n, RO_PLACE_ALIGN - 1, &n)) return too_large(err);
    *bytes = n / RO_PLACE_ALIGN * RO_PLACE_ALIGN;
    return RO_OK;
}

static ro_status add_bytes(uint64_t *sum, uint64_t bytes, ro_err *err)
{
    return ro_add_size(*sum, bytes, sum) ? RO_OK : too_large(err);
}

/* ---- lives --------------------------------------------------------------------------------- */

/* The node's output that `v` is, and nothing but one slot's next value? */
static int exchanges(const planner *p, ro_value v)
{
    return p->g->values[v].kind == RO_V_NODE && p->takes[v] == 1 && p->last[v] != FOREVER;
}

static void find_lives(planner *p)
{
    const ro_graph *g = p->g;
    for (uint32_t i = 0; i < g->node_count; i++) {
        const ro_node *n = &g->nodes[i];
        for (uint32_t k = 0; k < n->outputs; k++)
            p->last[n->first_output + k] = p->keep_all ? FOREVER : i;
        for (uint32_t k = 0; k < n->inputs; k++)
            if (n->in[k] != RO_NO_VALUE && p->last[n->in[k]] != FOREVER) p->last[n->in[k]] = i;
    }
    for (uint32_t k = 0; k < g->output_count; k++) p->last[g->outputs[k]] = FOREVER;
    for (uint32_t s = 0; s < g->slot_count; s++)
        if (g->next[s] != RO_NO_VALUE) p->takes[g->next[s]]++;
    for (uint32_t s = 0; s < g->slot_count; s++) {
        ro_value v = g->next[s];
        if (v != RO_NO_VALUE && p->takes[v] > 1) p->last[v] = FOREVER;
    }
}

/* ---- the block ----------------------------------------------------------------------------- */

static void remove_hole(planner *p, uint32_t h)
{
    p->hole_count--;
    memmove(&p->holes[h], &p->holes[h + 1], (p->hole_count - h) * sizeof *p->holes);
}

static ro_status take(planner *p, uint64_t bytes, uint64_t *offset, ro_err *err)
{
    uint32_t best = p->hole_count;
    for (uint32_t h = 0; h < p->hole_count; h++)
        if (p->holes[h].bytes >= bytes && (best == p->hole_count ||
                                           p->holes[h].bytes < p->holes[best].bytes))
            best = h;
    if (best < p->hole_count) {
        *offset = p->holes[best].offset;
        p->holes[best].offset += bytes;
        p->holes[best].bytes -= bytes;
        if (p->holes[best].bytes == 0) remove_hole(p, best);
        return RO_OK;
    }
    *offset = p->l->block_bytes;
    if (p->hole_count) { /* a hole at the end grows */
        hole *h = &p->holes[p->hole_count - 1];
        if (h->offset + h->bytes == p->l->block_bytes) {
            *offset = h->offset;
            p->hole_count--;
        }
    }
    p->l->block_bytes = *offset;
    return add_bytes(&p->l->block_bytes, bytes, err);
}

static void give(planner *p, uint64_t offset, uint64_t bytes)
{
    uint32_t h = 0;
    if (bytes == 0) return;
    while (h < p->hole_count && p->holes[h].offset < offset) h++;
    int before = h > 0 && p->holes[h - 1].offset + p->holes[h - 1].bytes == offset;
    int after = h < p->hole_count && offset + bytes == p->holes[h].offset;
    if (before && after) {
        p->holes[h - 1].bytes += bytes + p->holes[h].bytes;
        remove_hole(p, h);
    } else if (before) {
        p->holes[h - 1].bytes += bytes;
    } else if (after) {
        p->holes[h].offset = offset;
        p->holes[h].bytes += bytes;
    } else {
        memmove(&p->holes[h + 1], &p->holes[h], (p->hole_count - h) * sizeof *p->holes);
        p->holes[h] = (hole){offset, bytes};
        p->hole_count++;
    }
}

/* ---- nodes --------------------------------------------------------------------------------- */

int ro_only_renames(ro_op op)
{
    return op == RO_OP_Reshape || op == RO_OP_Flatten || op == RO_OP_Identity;
}

static int is_view(const planner *p, uint32_t i)
{
    const ro_node *n = &p->g->nodes[i];
    if (!ro_only_renames(n->op)) return 0;
    ro_value x = n->in[0];
    return p->l->places[x].where == RO_AT_BLOCK && p->last[x] == i &&
           !exchanges(p, n->first_output);
}

static ro_status own(planner *p, uint64_t bytes, uint32_t *index, ro_err *err)
{
    *index = p->l->own_count++;
    p->l->own[*index] = bytes;
    return add_bytes(&p->l->own_bytes, bytes, err);
}

static ro_status place_node(planner *p, uint32_t i, ro_err *err)
{
    const ro_node *n = &p->g->nodes[i];
    int view = is_view(p, i);
    for (uint32_t k = 0; k < n->outputs; k++) {
        ro_value v = n->first_output + k;
        ro_place *at = &p->l->places[v];
        uint64_t bytes = 0;
        RO_TRY(padded(&p->g->values[v].type, &bytes, err));
        at->kept = p->last[v] == FOREVER;
        at->where = exchanges(p, v) ? RO_AT_OWN : RO_AT_BLOCK;
        if (at->where == RO_AT_OWN) {
            RO_TRY(own(p, bytes, &at->index, err));
        } else if (view) {
            at->is_view = 1;
            at->offset = p->l->places[n->in[0]].offset;
        } else {
            RO_TRY(take(p, bytes, &at->offset, err));
        }
    }
    return RO_OK;
}

static ro_status release(planner *p, uint32_t i, ro_value v, ro_err *err)
{
    const ro_place *at = &p->l->places[v];
    uint64_t bytes = 0;
    if (at->where != RO_AT_BLOCK || p->last[v] != i) return RO_OK;
    RO_TRY(padded(&p->g->values[v].type, &bytes, err));
    give(p, at->offset, bytes);
    return RO_OK;
}

/* Give back what node i read or made last. A view's input lives on as the view. */
static ro_status release_node(planner *p, uint32_t i, ro_err *err)
{
    const ro_node *n = &p->g->nodes[i];
    int view = p->l->places[n->first_output].is_view;
    for (uint32_t k = 0; k < n->inputs && !view; k++) {
        int again = n->in[k] == RO_NO_VALUE;
        for (uint32_t j = 0; j < k; j++) again |= n->in[j] == n->in[k];
        if (!again) RO_TRY(release(p, i, n->in[k], err));
    }
    for (uint32_t k = 0; k < n->outputs; k++) RO_TRY(release(p, i, n->first_output + k, err));
    return RO_OK;
}

/* ---- slots --------------------------------------------------------------------------------- */

static ro_status place_next(planner *p, uint32_t slot, ro_err *err)
{
    ro_value v = p->g->next[slot];
    const ro_value_info *info = &p->g->values[v];
    ro_next *n = &p->l->nexts[p->l->next_count];
    uint64_t bytes = 0;
    if (info->kind == RO_V_SLOT && info->index == slot) return RO_OK;
    RO_TRY(padded(&info->type, &bytes, err));
    n->slot = slot;
    n->from = v;
    n->bytes = ro_type_bytes(&info->type);
    n->kind = RO_NEXT_COPY;
    if (info->kind == RO_V_SLOT) {
        n->kind = RO_NEXT_STAGE;
        RO_TRY(own(p, bytes, &n->own, err));
    } else if (p->l->places[v].where == RO_AT_OWN) {
        n->kind = RO_NEXT_EXCHANGE;
        n->own = p->l->places[v].index;
    }
    p->l->next_count++;
    return RO_OK;
}

static ro_status place_leaves(planner *p, ro_err *err)
{
    for (ro_value v = 0; v < p->g->value_count; v++) {
        const ro_value_info *info = &p->g->values[v];
        uint64_t bytes = 0;
        if (info->kind == RO_V_NODE) continue;
        p->l->places[v].where = info->kind == RO_V_SLOT ? RO_AT_SLOT : RO_AT_CONSTANT;
        p->l->places[v].index = info->index;
        if (info->kind != RO_V_SLOT) continue;
        RO_TRY(padded(&info->type, &bytes, err));
        RO_TRY(add_bytes(&p->l->slot_bytes, bytes, err));
    }
    return RO_OK;
}

static void *array(ro_arena *a, uint64_t count, size_t size)
{
    return ro_arena_alloc(a, (size_t)(count + 1) * size); /* counts are 32 bits: fits */
}

ro_status ro_layout_new(const ro_graph *g, int keep_all, ro_arena *a, ro_layout **out,
                        ro_err *err)
{
    planner p = {.g = g, .keep_all = keep_all};
    p.l = array(a, 1, sizeof *p.l);
    p.last = array(a, g->value_count, sizeof *p.last);
    p.takes = array(a, g->value_count, sizeof *p.takes);
    p.holes = array(a, g->value_count, sizeof *p.holes);
    if (!p.l || !p.last || !p.takes || !p.holes)
        return RO_FAIL(err, RO_ENOMEM, "no memory to plan %u values", g->value_count);
    p.l->places = array(a, g->value_count, sizeof *p.l->places);
    p.l->nexts = array(a, g->slot_count, sizeof *p.l->nexts);
    p.l->own = array(a, g->slot_count, sizeof *p.l->own);
    if (!p.l->places || !p.l->nexts || !p.l->own)
        return RO_FAIL(err, RO_ENOMEM, "no memory to plan %u values", g->value_count);
    find_lives(&p);
    RO_TRY(place_leaves(&p, err));
    for (uint32_t i = 0; i < g->node_count; i++) {
        RO_TRY(place_node(&p, i, err));
        RO_TRY(release_node(&p, i, err));
    }
    for (uint32_t s = 0; s < g->slot_count; s++)
        if (g->next[s] != RO_NO_VALUE) RO_TRY(place_next(&p, s, err));
    *out = p.l;
    return RO_OK;
}
