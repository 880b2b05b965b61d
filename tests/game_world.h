/* game_world.h - parties in memory: made-up runs of the small job that lie where they are told to,
 * and a host that answers for them. No operator is run: what is true is what small_advance says.
 *
 * A lie is a function that alters one step's leaves before the trees are built over them, so
 * anything may be false and still hash up. */
#ifndef GAME_WORLD_H
#define GAME_WORLD_H
#include "../referee/referee.h"
#include "small_job.h"

#define WORLD_STEPS_MAX 40
#define WORLD_LEAF_MAX 512

typedef struct {
    uint8_t bytes[WORLD_LEAF_MAX];
    size_t size;
} world_leaf;

typedef struct {
    world_leaf step[WORLD_STEPS_MAX], node[WORLD_STEPS_MAX][SMALL_NODES_MAX];
    vd_digest slots[WORLD_STEPS_MAX + 1][3]; /* the state before each step */
    uint8_t step_hash[WORLD_STEPS_MAX][VD_DIGEST], output_hash[WORLD_STEPS_MAX][VD_DIGEST];
    uint8_t node_hash[WORLD_STEPS_MAX][SMALL_NODES_MAX][VD_DIGEST];
    uint32_t nodes[WORLD_STEPS_MAX];
    rf_party party;
    vd_trace_body body;
} world_side;

typedef enum {
    LIE_NONE, LIE_OUTPUT, LIE_INPUT, LIE_DESCRIPTOR, LIE_NODE_STEP, LIE_NODE_INDEX, LIE_NODE_COUNT,
    LIE_NODE_LONG, LIE_STATE, LIE_OUTPUTS, LIE_NODE_ROOT, LIE_REPEAT, LIE_PHASE, LIE_PHASE_STEP,
    LIE_GLOBAL, LIE_STEP_LONG, LIE_KINDS
} world_lie;

/* salt: two lies of one kind with different salts differ. */
typedef struct { uint64_t step; uint32_t node; world_lie lie; uint8_t salt; } world_plan;

static inline void world_lie_node(world_leaf *l, const world_plan *p)
{
    uint32_t at = 0;
    uint32_t inputs = l->bytes[44];
    switch (p->lie) {
    case LIE_OUTPUT: at = 52 + 32 * inputs + 5; break;
    case LIE_INPUT: at = 48 + 5; break;
    case LIE_DESCRIPTOR: at = 12 + 5; break;
    case LIE_NODE_STEP: at = 0; break;
    case LIE_NODE_INDEX: at = 8; break;
    case LIE_NODE_COUNT: at = 44; break;
    case LIE_NODE_LONG: l->bytes[l->size++] = p->salt; return;
    default: return;
    }
    l->bytes[at] = (uint8_t)(l->bytes[at] ^ p->salt);
}

static inline void world_lie_step(world_leaf *l, const world_plan *p)
{
    uint32_t at = 0;
    switch (p->lie) {
    case LIE_REPEAT: at = 0; break;
    case LIE_PHASE: at = 8; break;
    case LIE_PHASE_STEP: at = 12; break;
    case LIE_GLOBAL: at = 20; break;
    case LIE_STATE: at = 28 + 3; break;
    case LIE_OUTPUTS: at = 60 + 3; break;
    case LIE_NODE_ROOT: at = 92 + 3; break;
    case LIE_STEP_LONG: l->bytes[l->size++] = p->salt; return;
    default: return;
    }
    l->bytes[at] = (uint8_t)(l->bytes[at] ^ p->salt);
}

static inline void world_step(world_side *w, const small_run *r, const world_plan *plans,
                              uint32_t count)
{
    uint64_t s = r->steps - 1;
    vd_place at = vd_job_locate(r->job, s);
    const ro_graph *g = r->job->phases[at.phase].graph;
    const vd_digest *d = r->digests;
    vd_step_leaf leaf = {at.repeat, at.phase, at.step, s, r->state, r->outputs, {{0}}};
    w->nodes[s] = g->node_count;
    for (uint32_t i = 0; i < g->node_count; i++) {
        vd_node_leaf l = {s, i, vd_node_descriptor(g, i), vd_node_inputs(&g->nodes[i]),
                          g->nodes[i].outputs, d, d + vd_node_inputs(&g->nodes[i])};
        w->node[s][i].size = vd_node_leaf_encode(&l, w->node[s][i].bytes);
        d += l.inputs + l.outputs;
        for (uint32_t k = 0; k < count; k++)
            if (plans[k].step == s && plans[k].node == i) world_lie_node(&w->node[s][i], &plans[k]);
        vd_leaf_hash(VD_TREE_NODES, w->node[s][i].bytes, w->node[s][i].size, w->node_hash[s][i]);
    }
    vd_tree_root(VD_TREE_NODES, w->node_hash[s][0], g->node_count, leaf.nodes.b);
    w->step[s].size = vd_step_leaf_encode(&leaf, w->step[s].bytes);
    for (uint32_t k = 0; k < count; k++)
        if (plans[k].step == s) world_lie_step(&w->step[s], &plans[k]);
    vd_leaf_hash(VD_TREE_STEPS, w->step[s].bytes, w->step[s].size, w->step_hash[s]);
    vd_leaf_hash(VD_TREE_OUTPUTS, w->step[s].bytes + 60, VD_DIGEST, w->output_hash[s]);
}

/* The body over whatever the leaves say now. */
static inline void world_body(world_side *w, const vd_job *j)
{
    vd_step_leaf last;
    memset(&w->body, 0, sizeof w->body);
    vd_step_leaf_decode(w->step[j->steps - 1].bytes, &last);
    w->body.record = j->record;
    w->body.segment = j->segment;
    w->body.job = j->digest;
    w->body.steps = j->steps;
    for (uint64_t s = 0; s < j->steps; s++) w->body.node_count += w->nodes[s];
    w->body.first_state = j->first_state;
    w->body.last_state = last.state;
    vd_tree_root(VD_TREE_STEPS, w->step_hash[0], j->steps, w->body.tree.b);
    vd_tree_root(VD_TREE_OUTPUTS, w->output_hash[0], j->steps, w->body.outputs.b);
}

static inline void world_seal(world_side *w)
{
    vd_trace_body_encode(&w->body, w->party.body);
    w->party.root = vd_trace_root(&w->body);
}

static inline void world_run(world_side *w, const vd_job *j, const world_plan *plans,
                             uint32_t count)
{
    small_run r;
    small_begin(&r, j);
    memset(w, 0, sizeof *w);
    while (r.steps < j->steps) {
        memcpy(w->slots[r.steps], r.slots, sizeof r.slots);
        small_advance(&r);
        world_step(w, &r, plans, count);
    }
    memcpy(w->slots[j->steps], r.slots, sizeof r.slots);
    world_body(w, j);
    world_seal(w);
}

/* ---- the host --------------------------------------------------------------------------- */

typedef struct {
    const vd_job *job;
    const world_side *sides[4], *truth;
    uint32_t count;
    uint32_t refuse_kinds;  /* these kinds of question nobody answers: a bit each */
    uint64_t silent;        /* these parties never answer                         */
    int garble;             /* every answer is first given wrong                  */
    uint32_t reruns, operators, asked;
    uint8_t twice; /* RF_RAN_TWICE where two implementations agree on what is run again */
} world_host;

/* What one side says; 0: it has no answer. */
static inline size_t world_says(const world_host *h, const world_side *w, const rf_question *q,
                                uint8_t *out)
{
    const uint8_t *leaves = NULL;
    uint64_t n = h->job->steps;
    const world_leaf *l = NULL;
    if (q->tree == VD_TREE_STEPS) leaves = w->step_hash[0];
    if (q->tree == VD_TREE_OUTPUTS) leaves = w->output_hash[0];
    if (q->tree == VD_TREE_NODES) leaves = w->node_hash[q->step][0], n = w->nodes[q->step];
    if (q->kind == RF_Q_HASHES && leaves)
        return VD_DIGEST * (size_t)vd_descend_from_leaves(q->tree, leaves, n, q->lo, q->hi,
                                                          q->depth, out);
    if (q->kind == RF_Q_LEAF && q->tree == VD_TREE_STEPS) l = &w->step[q->lo];
    if (q->kind == RF_Q_LEAF && q->tree == VD_TREE_NODES) l = &w->node[q->step][q->lo];
    if (q->kind == RF_Q_STATE) {
        memcpy(out, w->slots[q->step], sizeof w->slots[0]);
        return sizeof w->slots[0];
    }
    if (!l) return 0;
    memcpy(out, l->bytes, l->size);
    return l->size;
}

static inline size_t world_truth(world_host *h, const rf_question *q, uint8_t *out)
{
    const world_side *t = h->truth;
    if (q->kind == RF_Q_OPERATOR) {
        const world_leaf *l = &t->node[q->step][q->node];
        size_t outputs = l->bytes[48 + 32 * l->bytes[44]] * (size_t)VD_DIGEST;
        memcpy(out, l->bytes + l->size - outputs, outputs);
        out[outputs] = h->twice;
        h->operators++;
        return outputs + 1;
    }
    if (q->kind != RF_Q_RERUN || q->tree == VD_TREE_SEGMENTS) return 0;
    const uint8_t *leaves = q->tree == VD_TREE_STEPS ? t->step_hash[q->lo] : t->output_hash[q->lo];
    vd_tree_root(q->tree, leaves, q->hi - q->lo, out);
    vd_digest state = vd_state_root(t->slots[q->hi], 3), before = vd_state_root(t->slots[q->lo], 3);
    memcpy(out + VD_DIGEST, state.b, VD_DIGEST);
    int landed = !q->has_state || vd_digest_equal(&before, &q->state);
    out[2 * VD_DIGEST] = (landed ? RF_RAN_LANDED : 0) | h->twice;
    h->reruns++;
    return 2 * VD_DIGEST + 1;
}

static inline void world_answer(world_host *h, rf_game *g, const rf_question *q)
{
    static uint8_t out[VD_DESCEND_MAX * VD_DIGEST];
    int accepted = 0;
    ro_err err = {RO_OK, {0}};
    h->asked++;
    for (uint32_t k = 0; !accepted && k < h->count; k++) {
        if (!(q->parties >> k & 1) || h->silent >> k & 1 || h->refuse_kinds >> q->kind & 1)
            continue;
        size_t n = world_says(h, h->sides[k], q, out);
        if (n == 0) continue;
        if (h->garble) {
            out[n / 2] ^= 1;
            must(rf_game_answer(g, q, k, out, n, &accepted, &err), &err);
            if (accepted) abort();
            out[n / 2] ^= 1;
            must(rf_game_answer(g, q, k, out, n - 1, &accepted, &err), &err);
            if (accepted) abort();
        }
        must(rf_game_answer(g, q, k, out, n, &accepted, &err), &err);
    }
    if (!accepted && q->parties == 0 && !(h->refuse_kinds >> q->kind & 1)) {
        size_t n = world_truth(h, q, out);
        if (n) must(rf_game_answer(g, q, RF_NONE, out, n, &accepted, &err), &err);
    }
    rf_game_cannot(g, q, RF_NONE);
}

static inline rf_game *world_begin(const world_host *h, int online)
{
    rf_party parties[4];
    rf_setup s;
    rf_game *g;
    ro_err err = {RO_OK, {0}};
    memset(&s, 0, sizeof s);
    for (uint32_t k = 0; k < h->count; k++) parties[k] = h->sides[k]->party;
    s.job = h->job;
    s.parties = parties;
    s.party_count = h->count;
    s.online = online;
    s.task = h->job->digest;
    must(rf_game_new(&s, &g, &err), &err);
    return g;
}

/* Play to the verdict; the caller frees the game. */
static inline rf_game *world_play(world_host *h, int online)
{
    rf_game *g = world_begin(h, online);
    rf_question open[RF_OPEN_MAX];
    uint32_t count;
    ro_err err = {RO_OK, {0}};
    for (;;) {
        must(rf_game_next(g, open, &count, &err), &err);
        if (count == 0) return g;
        for (uint32_t k = 0; k < count; k++) world_answer(h, g, &open[k]);
    }
}

/* The guilty parties, a bit each. */
static inline uint64_t world_guilty(const rf_game *g)
{
    uint64_t mask = 0;
    const rf_verdict *v = rf_game_verdict(g);
    for (uint32_t k = 0; k < v->guilty_count; k++) mask |= UINT64_C(1) << v->guilty[k].party;
    return mask;
}
#endif
