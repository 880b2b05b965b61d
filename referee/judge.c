/* judge.c - who is wrong at the first difference: bodies, segments, steps, structure, inputs,
 * outputs. docs/PROTOCOL.md, "A dispute", 1 to 4; the numbers below are its.
 *
 * Invariants
 *   1. Each rule is applied to both sides before the next one: both may be guilty.
 *   2. What both committed to is asked of both; if it is malformed, both are guilty.
 *   3. Offline an opening that will not come never condemns: the smallest unit with agreed inputs
 *      is run again, and each side stands or falls by the digest. */
#include "game.h"

#include "../verde/bytes.h"

#include <string.h>

/* Parts of parts: ro_explain has at most RO_LEVELS_MAX levels of them. */
#define RF_DUELS_MAX (4 * RO_LEVELS_MAX)

void rf_guilty_side(rf_pass *p, int side, rf_kind cause)
{
    rf_verdict *v = p->v;
    if (v->kind == RF_AGREE) v->kind = cause;
    for (uint32_t k = 0; k < RF_PARTIES_MAX; k++) {
        if (!(p->mask[side] >> k & 1)) continue;
        for (uint32_t i = 0; i < v->guilty_count; i++) RO_ASSERT(v->guilty[i].party != k);
        v->guilty[v->guilty_count++] = (rf_guilt){k, cause};
    }
}

static rf_flow decide(rf_pass *p, rf_kind kind, const char *why)
{
    p->v->kind = kind;
    snprintf(p->v->why, sizeof p->v->why, "%s", why);
    return RF_DECIDED;
}

/* Condemn the sides that are wrong, if any is; else go on. */
static rf_flow condemn(rf_pass *p, const int wrong[2], rf_kind kind, const char *why)
{
    if (!wrong[0] && !wrong[1]) return RF_GO;
    for (int k = 0; k < 2; k++)
        if (wrong[k]) rf_guilty_side(p, k, kind);
    return decide(p, kind, why);
}

/* Where two that differ were compared with what is right: one is wrong at least. */
static rf_flow condemn_one(rf_pass *p, const int wrong[2], rf_kind kind, const char *why)
{
    RO_ASSERT(wrong[0] || wrong[1]);
    return condemn(p, wrong, kind, why);
}

static rf_flow both_malformed(rf_pass *p, const char *why)
{
    const int wrong[2] = {1, 1};
    return condemn(p, wrong, RF_STRUCTURE, why);
}

static uint64_t everybody(const rf_pass *p) { return p->mask[0] | p->mask[1]; }

static rf_flow undecided(rf_pass *p)
{
    p->v->method = RF_BY_NONE;
    return decide(p, RF_UNDECIDED, "the agreed inputs can neither be found nor re-derived here");
}

/* ---- running again: 3e ------------------------------------------------------------------ */

typedef struct { vd_digest hash, state; int landed; } rerun;

/* The host says whether implementations of its own agree on what it ran. What else the verdict
 * stands on may still be of one alone. */
static void ran_by(rf_pass *p, uint8_t flags)
{
    if (!(flags & RF_RAN_TWICE)) p->v->provisional = 1;
}

static rf_flow run_again(rf_pass *p, vd_tree_kind tree, uint64_t lo, uint64_t hi,
                         const vd_digest *before, rerun *r)
{
    rf_question q;
    const uint8_t *b;
    size_t n;
    rf_question_init(&q, RF_Q_RERUN, 0);
    q.tree = tree;
    q.lo = lo;
    q.hi = hi;
    if (before) q.state = *before;
    q.has_state = before != NULL;
    RF_FLOW(rf_ask(p, &q, &b, &n));
    memcpy(r->hash.b, b, VD_DIGEST);
    memcpy(r->state.b, b + VD_DIGEST, VD_DIGEST);
    r->landed = b[2 * VD_DIGEST] & RF_RAN_LANDED;
    rf_range_steps(p->g->job, tree, lo, hi, &p->v->lo, &p->v->hi);
    p->v->method = tree == VD_TREE_SEGMENTS || p->v->hi - p->v->lo > 1 ? RF_BY_SEGMENT : RF_BY_STEP;
    ran_by(p, b[2 * VD_DIGEST]);
    return RF_GO;
}

/* Judge a node of a tree by running the steps under it. A run from the job's first state that
 * does not come through the state both sides agreed on shows that nobody can open that one. */
static rf_flow judge_rerun(rf_pass *p, vd_tree_kind tree, uint64_t lo, uint64_t hi,
                           const vd_digest hash[2], const vd_digest *before)
{
    rerun r;
    rf_flow f = run_again(p, tree, lo, hi, before, &r);
    if (f == RF_ABSENT) return undecided(p);
    RF_FLOW(f);
    RO_ASSERT(p->v->has_step || p->v->method != RF_BY_STEP); /* one step: it was found */
    const int wrong[2] = {!vd_digest_equal(&hash[0], &r.hash), !vd_digest_equal(&hash[1], &r.hash)};
    if (!r.landed) {
        const int both[2] = {1, 1};
        return condemn(
            p, both, RF_WITHHELD,
            "the state both committed to before the difference is not what the job gives, "
            "and nobody can open it");
    }
    return condemn_one(p, wrong, RF_OUTPUT, "the steps were run again from the agreed state");
}

/* ---- step leaves ------------------------------------------------------------------------ */

/* Whether these bytes are a leaf of this step, as far as the job prescribes it. */
static int step_leaf_is(const vd_job *j, const uint8_t *b, size_t n, uint64_t step, vd_step_leaf *l)
{
    vd_place at = vd_job_locate(j, step);
    if (n != VD_STEP_LEAF_BYTES) return 0;
    vd_step_leaf_decode(b, l);
    return l->repeat == at.repeat && l->phase == at.phase && l->step == at.step &&
           l->global == step;
}

static void line_walk(const rf_line *line, rf_walk *w)
{
    memset(w, 0, sizeof *w);
    w->tree = VD_TREE_STEPS;
    w->step = line->first;
    w->n = line->count;
    for (int k = 0; k < 2; k++) {
        w->mask[k] = line->mask[k];
        w->claim[k] = line->claim[k];
        w->root[k] = line->tree[k];
    }
}

static void leaf_question(const rf_walk *w, int side, uint64_t parties, rf_question *q)
{
    rf_question_init(q, RF_Q_LEAF, parties);
    q->tree = w->tree;
    q->claim = w->claim[side];
    q->lo = w->lo;
    q->hi = w->hi;
    q->of = w->hash[side];
    q->tensor = w->tensor[side];
    q->step = w->step;
    q->node = w->node;
    q->output = w->output;
}

static rf_flow ask_leaf_both(rf_pass *p, const rf_walk *w, const uint8_t *b[2], size_t n[2])
{
    rf_question q[2];
    for (int k = 0; k < 2; k++) leaf_question(w, k, w->mask[k], &q[k]);
    return rf_ask_both(p, q, b, n);
}

/* A leaf that both committed to. */
static rf_flow ask_leaf_agreed(rf_pass *p, const rf_walk *w, const uint8_t **b, size_t *n)
{
    rf_question q;
    leaf_question(w, 0, everybody(p), &q);
    return rf_ask(p, &q, b, n);
}

/* The agreed state root before step `index` of the line. */
static rf_flow state_before(rf_pass *p, const rf_line *line, uint64_t index, vd_digest *root)
{
    rf_walk *w = &p->trail->before;
    const uint8_t *b;
    size_t n;
    vd_step_leaf l;
    *root = line->before;
    if (index == 0) return RF_GO;
    line_walk(line, w);
    RF_FLOW(rf_walk_to(p, w, index - 1));
    RF_FLOW(ask_leaf_agreed(p, w, &b, &n));
    if (!step_leaf_is(p->g->job, b, n, line->first + index - 1, &l))
        return both_malformed(p, "both committed to a malformed leaf of the step before");
    p->trail->step_before = b;
    *root = l.state;
    return RF_GO;
}

static rf_flow judge_step_rerun(rf_pass *p, const rf_line *line, uint64_t index,
                                const vd_digest hash[2])
{
    vd_digest before;
    uint64_t step = line->first + index;
    rf_flow f = state_before(p, line, index, &before);
    if (f != RF_GO && f != RF_ABSENT) return f;
    return judge_rerun(p, VD_TREE_STEPS, step, step + 1, hash, f == RF_GO ? &before : NULL);
}

/* ---- state and outputs from agreed nodes: 2 --------------------------------------------- */

typedef struct {
    const rf_line *line;
    uint64_t index, step;
    vd_place at;
    const vd_phase *phase;
    vd_step_leaf leaf[2];
    vd_digest hash[2];
    vd_digest before;          /* the state root */
    const vd_digest *slots;    /* the state, once asked for */
    rf_walk nodes;
} stepping;

static rf_flow ask_state(rf_pass *p, stepping *s)
{
    rf_question q;
    const uint8_t *b;
    size_t n;
    if (s->slots) return RF_GO;
    RF_FLOW(state_before(p, s->line, s->index, &s->before));
    rf_question_init(&q, RF_Q_STATE, everybody(p));
    q.tree = VD_TREE_STATE;
    q.hi = p->g->job->slot_count;
    q.step = s->step;
    q.of = s->before;
    RF_FLOW(rf_ask(p, &q, &b, &n));
    s->slots = (const vd_digest *)b;
    p->trail->state = b;
    return RF_GO;
}

/* Whether these bytes are a leaf of this node, as far as the job prescribes it. */
static int node_leaf_is(const stepping *s, const uint8_t *b, size_t n, uint32_t node,
                        vd_node_leaf *l)
{
    const ro_graph *g = s->phase->graph;
    ro_err why = {RO_OK, {0}};
    if (n != vd_node_leaf_size(g, node) || vd_node_leaf_decode(b, n, l, &why)) return 0;
    vd_digest d = vd_node_descriptor(g, node);
    if (l->global != s->step || l->node != node || !vd_digest_equal(&l->descriptor, &d) ||
        l->inputs != vd_node_inputs(&g->nodes[node]))
        return 0;
    RO_ASSERT(l->outputs == g->nodes[node].outputs); /* by its size */
    return 1;
}

static void nodes_walk(const stepping *s, rf_walk *w)
{
    line_walk(s->line, w);
    w->tree = VD_TREE_NODES;
    w->step = s->step;
    w->n = s->phase->graph->node_count;
    for (int k = 0; k < 2; k++) w->root[k] = s->leaf[k].nodes;
}

/* The digest of a value that both agree on: a slot's, a constant's, or what an agreed node leaf
 * says was put out. */
static rf_flow agreed_value(rf_pass *p, stepping *s, ro_value v, vd_digest *d, rf_walk *w,
                            const uint8_t **leaf, size_t *leaf_size)
{
    const ro_value_info *i = &s->phase->graph->values[v];
    vd_node_leaf l;
    if (i->kind == RO_V_CONSTANT) {
        *d = p->g->job->constants[i->index].digest;
        return RF_GO;
    }
    if (i->kind == RO_V_SLOT) {
        RF_FLOW(ask_state(p, s));
        *d = s->slots[i->index];
        return RF_GO;
    }
    nodes_walk(s, w);
    RF_FLOW(rf_walk_to(p, w, i->index));
    RF_FLOW(ask_leaf_agreed(p, w, leaf, leaf_size));
    if (!node_leaf_is(s, *leaf, *leaf_size, i->index, &l))
        return both_malformed(p, "both committed to a malformed node record");
    *d = l.out[i->output];
    return RF_GO;
}

static rf_flow value_digest(rf_pass *p, stepping *s, ro_value v, vd_digest *d)
{
    rf_walk w;
    const uint8_t *leaf;
    size_t n;
    int recording = p->trail->recording;
    p->trail->recording = 0;
    rf_flow f = agreed_value(p, s, v, d, &w, &leaf, &n);
    p->trail->recording = recording;
    return f;
}

static rf_flow next_state(rf_pass *p, stepping *s, vd_digest *root)
{
    const vd_job *j = p->g->job;
    vd_digest *next = rf_scratch(p, j->slot_count * sizeof *next);
    if (!next) return RF_FAULT;
    next[0] = vd_step_digest(s->step + 1);
    for (uint32_t k = 1; k < j->slot_count; k++) {
        ro_value v = vd_phase_next(s->phase, k);
        if (v != RO_NO_VALUE) {
            RF_FLOW(value_digest(p, s, v, &next[k]));
            continue;
        }
        RF_FLOW(ask_state(p, s));
        next[k] = s->slots[k];
    }
    *root = vd_state_root(next, j->slot_count);
    return RF_GO;
}

static rf_flow judge_wiring(rf_pass *p, stepping *s)
{
    const ro_graph *g = s->phase->graph;
    vd_digest state, outputs, *out = rf_scratch(p, (g->output_count + 1) * sizeof *out);
    int wrong[2] = {0, 0};
    if (!out) return RF_FAULT;
    for (uint32_t k = 0; k < g->output_count; k++)
        RF_FLOW(value_digest(p, s, g->outputs[k], &out[k]));
    outputs = vd_outputs_digest(out, g->output_count);
    for (int k = 0; k < 2; k++) wrong[k] = !vd_digest_equal(&s->leaf[k].outputs, &outputs);
    if (!vd_digest_equal(&s->leaf[0].state, &s->leaf[1].state)) {
        RF_FLOW(next_state(p, s, &state));
        for (int k = 0; k < 2; k++) wrong[k] |= !vd_digest_equal(&s->leaf[k].state, &state);
    }
    return condemn_one(p, wrong, RF_STEP,
                       "the step's state or outputs do not follow from its own node records");
}

/* ---- one element: 3c, 3d ---------------------------------------------------------------- */

/* The node's inputs, as both sides agree on them. Two other claims of the segment may agree on
 * others, so what is computed from inputs is asked about under theirs. */
static vd_digest agreed_inputs(const rf_pass *p)
{
    vd_digest d;
    vd_tagged_hash("verde/1 inputs", p->g->subject.digest,
                   p->g->subject.inputs * sizeof p->g->subject.digest[0], d.b);
    return d;
}

static rf_flow operator_again(rf_pass *p, stepping *s, const vd_node_leaf l[2])
{
    rf_question q;
    const uint8_t *b;
    size_t n;
    int wrong[2];
    rf_question_init(&q, RF_Q_OPERATOR, 0);
    q.of = agreed_inputs(p);
    q.step = s->step;
    q.node = l[0].node;
    RF_FLOW(rf_ask(p, &q, &b, &n));
    for (int k = 0; k < 2; k++)
        wrong[k] = memcmp(l[k].out, b, l[k].outputs * (size_t)VD_DIGEST) != 0;
    p->v->method = RF_BY_OPERATOR;
    p->v->has_element = 0;
    ran_by(p, b[l[0].outputs * (size_t)VD_DIGEST]);
    p->v->elements_recomputed = 0;
    for (uint32_t k = 0; k < p->g->subject.outputs; k++)
        p->v->elements_recomputed += ro_type_elements(&p->g->subject.out[k]);
    return condemn_one(p, wrong, RF_OUTPUT, "the operator was run again on its agreed inputs");
}

/* The element as the fast kernel computes it among its real neighbours. *twice: the host's scalar
 * body gives the same on whole inputs, and so do its parts. */
static rf_flow kernel_bits(rf_pass *p, uint64_t step, uint64_t *bits, int *twice)
{
    rf_question q;
    const uint8_t *b;
    size_t n;
    rf_question_init(&q, RF_Q_KERNEL, 0);
    q.of = agreed_inputs(p);
    q.step = step;
    q.node = p->v->node;
    q.output = p->v->output;
    q.element = p->v->element;
    RF_FLOW(rf_ask(p, &q, &b, &n));
    *bits = vd_get_u64(b);
    *twice = b[8] & RF_RAN_TWICE;
    return RF_GO;
}

/* No verdict by one implementation alone: 6. */
static rf_flow second_opinion(rf_pass *p, uint64_t step, uint64_t bits)
{
    uint64_t kernel;
    int twice; /* the referee ran the scalar body itself */
    rf_flow f = kernel_bits(p, step, &kernel, &twice);
    if (f == RF_ABSENT) {
        p->v->provisional = 1;
        return RF_GO;
    }
    RF_FLOW(f);
    if (kernel == bits) return RF_GO;
    p->v->alarm = 1;
    return decide(p, RF_UNDECIDED,
                  "the referee's scalar body and its fast kernel differ: nobody is condemned");
}

/* What is agreed of a part's needs: an accumulator among them may say where the part reads. */
static void put_agreed_needs(vd_out *o, const rf_part *part, const ro_parts *needs, uint32_t count)
{
    uint64_t bits;
    for (uint32_t k = 0; k < count; k++)
        for (uint64_t i = needs[k].begin; i < needs[k].end; i++) {
            if (!rf_agreed_bits(part, needs[k].level, i, &bits)) continue;
            vd_out_u64(o, needs[k].level);
            vd_out_u64(o, i);
            vd_out_u64(o, bits);
        }
}

/* What a part reads, under the same inputs and with the same agreed of what it needs. */
static rf_flow operands_context(rf_pass *p, const rf_part *part, const ro_parts *needs,
                                uint32_t count, vd_digest *of)
{
    vd_out counted = {NULL, 0};
    put_agreed_needs(&counted, part, needs, count);
    uint8_t *bytes = rf_scratch(p, VD_DIGEST + counted.n);
    if (!bytes) return RF_FAULT;
    vd_out o = {bytes, 0};
    vd_out_bytes(&o, of->b, VD_DIGEST);
    put_agreed_needs(&o, part, needs, count);
    vd_tagged_hash("verde/1 operands", bytes, o.n, of->b);
    return RF_GO;
}

/* part NULL: of the whole element. */
static rf_flow ask_operands(rf_pass *p, uint64_t step, const rf_part *part, const ro_parts *needs,
                            uint32_t count, const uint8_t **b, size_t *n)
{
    rf_question q;
    rf_question_init(&q, RF_Q_OPERANDS, everybody(p));
    q.step = step;
    q.node = p->v->node;
    q.output = p->v->output;
    q.element = p->v->element;
    q.of = agreed_inputs(p);
    if (part) {
        q.level = part->level;
        q.index = part->index;
        RF_FLOW(operands_context(p, part, needs, count, &q.of));
    }
    return rf_ask(p, &q, b, n);
}

static rf_flow parse_operands(rf_pass *p, const uint8_t *b, size_t n, rf_operands *o)
{
    int ok = 0;
    ro_status st = rf_operands_parse(&p->g->subject, b, n, o, p->scratch, &ok, p->err);
    if (st) return rf_fault(p, st);
    RO_ASSERT(ok); /* it was accepted */
    return RF_GO;
}

/* The element, or a part whose needs are agreed. */
static rf_flow computed(rf_pass *p, rf_operands *o, const rf_part *part, rf_computed *c)
{
    ro_status st = rf_run_body(o, p->v->output, p->v->element, part, NULL, c, p->err);
    if (st) return rf_fault(p, st); /* RO_ENOMEM */
    RO_ASSERT((c->complete && !o->missing) || !c->done || p->g->runner);
    if (c->done && !o->missing) return RF_GO; /* what was accepted lacks nothing that is read */
    p->v->method = RF_BY_NONE;
    p->v->has_value = p->v->provisional = 0;
    return decide(p, RF_UNDECIDED, "the referee could not compute what would decide");
}

static rf_flow judge_whole(rf_pass *p, stepping *s)
{
    rf_verdict *v = p->v;
    const uint8_t *b;
    size_t n;
    rf_operands o;
    rf_computed c;
    RF_FLOW(ask_operands(p, s->step, NULL, NULL, 0, &b, &n));
    RF_FLOW(parse_operands(p, b, n, &o));
    p->trail->operands = b;
    p->trail->operands_size = n;
    RF_FLOW(computed(p, &o, NULL, &c));
    v->recomputed = c.bits;
    RF_FLOW(second_opinion(p, s->step, v->recomputed));
    v->method = RF_BY_ELEMENT;
    v->elements_recomputed++;
    v->has_value = 1;
    const int wrong[2] = {v->claimed[0] != v->recomputed, v->claimed[1] != v->recomputed};
    return condemn(p, wrong, RF_OUTPUT, "one element was recomputed from its agreed operands");
}

/* The part stands where needs are agreed: compute it. */
static rf_flow judge_part(rf_pass *p, stepping *s, const rf_part *part, int wrong[2])
{
    rf_verdict *v = p->v;
    rf_operands o;
    rf_computed c;
    uint64_t bits;
    int twice;
    RF_FLOW(parse_operands(p, part->operands, part->operands_size, &o));
    RF_FLOW(computed(p, &o, part, &c));
    v->recomputed = c.bits;
    for (int k = 0; k < 2; k++) wrong[k] = part->value[k] != v->recomputed;
    v->method = RF_BY_PARTIAL;
    v->elements_recomputed++;
    v->has_value = 1;
    v->part_level = part->level;
    v->part_index = part->index;
    /* The kernel computes elements, not parts: it can confirm the element of a side that is right
     * here, and a side that is right here and wrong further on is no contradiction. It is asked
     * whoever is wrong: end_partial looks at what it said of who falls. */
    rf_flow f = kernel_bits(p, s->step, &bits, &twice);
    if (f != RF_GO && f != RF_ABSENT) return f;
    v->provisional = 1;
    for (int k = 0; k < 2; k++)
        if (f == RF_GO && !wrong[k] && bits == v->claimed[k]) v->provisional = 0;
    v->claimed[0] = part->value[0];
    v->claimed[1] = part->value[1];
    p->trail->part = *part;
    return RF_GO;
}

/* Two explanations against each other: which part of the element is in question, what was filed
 * for it on each side, and which two of these are played out below. */
typedef struct {
    rf_part part;
    ro_parts needs[RO_NEEDS_MAX];
    uint32_t need_count;
    size_t answer_size;
    rf_filed filed[2];
    uint32_t pick[2];
    uint8_t once[2]; /* offline: the flag of the only explanation */
} duel;

/* What a side's explanation of a part must fold to, and what it may not contradict. */
static void put_context(vd_out *o, const rf_part *part, int side, const vd_digest *inputs)
{
    vd_out_bytes(o, inputs->b, VD_DIGEST);
    vd_out_u64(o, part->value[side]);
    for (uint32_t k = 0; k < part->agreed_count; k++) {
        const rf_run *r = &part->agreed[k];
        vd_out_u64(o, r->run.level);
        vd_out_u64(o, r->run.begin);
        vd_out_u64(o, r->run.end);
        vd_out_bytes(o, r->bits, 8 * (r->run.end - r->run.begin));
    }
}

/* A window is for one such context alone, and so is an explanation that is handed in offline. */
static rf_flow duel_context(rf_pass *p, const rf_part *part, int side, vd_digest *d)
{
    const vd_digest inputs = agreed_inputs(p);
    vd_out counted = {NULL, 0};
    put_context(&counted, part, side, &inputs);
    vd_out o = {rf_scratch(p, counted.n), 0};
    if (!o.to) return RF_FAULT;
    put_context(&o, part, side, &inputs);
    vd_tagged_hash("verde/1 explained", o.to, o.n, d->b);
    return RF_GO;
}

static rf_flow ask_explanations(rf_pass *p, stepping *s, duel *d)
{
    rf_question q[2];
    const uint8_t *b[2];
    size_t n[2];
    for (int k = 0; k < 2; k++) {
        rf_question_init(&q[k], p->g->online ? RF_Q_EXPLANATIONS : RF_Q_PARTS, p->mask[k]);
        q[k].step = s->step;
        q[k].node = p->v->node;
        q[k].output = p->v->output;
        q[k].element = p->v->element;
        q[k].level = d->part.level;
        q[k].index = d->part.index;
        q[k].tensor = p->trail->chunks.tensor[k];
        RF_FLOW(duel_context(p, &d->part, k, &q[k].of));
        if (p->g->online) q[k].claim = p->trail->claim[k];
    }
    p->g->part = d->part;
    if (p->g->online) return rf_ask_windows(p, q, d->answer_size, d->filed);
    RF_FLOW(rf_ask_both(p, q, b, n));
    for (int k = 0; k < 2; k++)
        d->filed[k] = (rf_filed){b[k], d->answer_size, 1, &d->once[k]};
    return RF_GO;
}

static uint32_t next_filed(const rf_filed *f)
{
    uint32_t k = 0;
    while (k < f->count && f->struck[k]) k++;
    return k;
}

/* Set up the duel over its part: operands first, then what it needs. RF_ABSENT: too large. */
static rf_flow open_duel(rf_pass *p, stepping *s, duel *d)
{
    uint64_t total;
    d->need_count = rf_part_needs(&p->g->subject, p->v->output, p->v->element, &d->part, d->needs,
                                  &total);
    RO_ASSERT(total <= RF_PARTS_MAX); /* or the job were not sealed */
    if (d->part.agreed_count + d->need_count > RF_RUNS_MAX) return RF_ABSENT;
    d->answer_size = total * 8;
    p->g->part = d->part; /* what its operands are hangs on what is agreed */
    RF_FLOW(ask_operands(p, s->step, &d->part, d->needs, d->need_count, &d->part.operands,
                         &d->part.operands_size));
    if (rf_parts_agreed(&d->part, d->needs, d->need_count)) return RF_GO;
    return ask_explanations(p, s, d);
}

/* The next two explanations that stand; 0: a side has none left, and wrong says which. */
static int next_duel(const rf_pass *p, duel *d, duel *below, int wrong[2])
{
    const uint8_t *answer[2];
    for (int k = 0; k < 2; k++) {
        d->pick[k] = next_filed(&d->filed[k]);
        wrong[k] = d->pick[k] == d->filed[k].count;
        answer[k] = d->filed[k].bytes + d->pick[k] * d->filed[k].size;
    }
    if (wrong[0] || wrong[1]) return 0;
    memset(below, 0, sizeof *below);
    below->part = d->part;
    /* Equal parts fold to equal values, so two that are admitted differ, unless a runner gave two
     * results for one body: its part is computed then as one that is agreed. */
    int differ = rf_part_descend(&below->part, d->needs, d->need_count, answer);
    RO_ASSERT(differ || p->g->runner);
    return 1;
}

static void record_rounds(rf_trail *t, const duel *d, uint32_t depth)
{
    for (uint32_t k = 0; k < depth; k++)
        t->rounds[k] = (rf_round){d[k].part.operands,
                                  {d[k].filed[0].bytes + d[k].pick[0] * d[k].filed[0].size,
                                   d[k].filed[1].bytes + d[k].pick[1] * d[k].filed[1].size},
                                  d[k].part.operands_size,
                                  d[k].answer_size};
    t->round_count = depth;
}

/* Explanations do not decide: none of them is struck, and the verdict is of the element. */
static void set_parts_aside(rf_pass *p, const duel *top)
{
    rf_verdict *v = p->v;
    for (rf_opening *o = p->g->windows; o; o = o->window)
        if (o->q.kind == RF_Q_EXPLANATIONS) memset(o->struck, 0, RF_FILED_MAX);
    for (int k = 0; k < 2; k++) v->claimed[k] = top->part.value[k];
    v->method = RF_BY_NONE;
    v->has_value = v->provisional = 0;
}

/* Nobody falls with an element. */
static rf_flow freeze_element(rf_pass *p, const duel *top, int explained)
{
    set_parts_aside(p, top);
    p->v->alarm = 1;
    return decide(p, RF_UNDECIDED,
                  explained ? "the referee's fast kernel gives the element of a side that its "
                              "scalar body finds wrong in a part: nobody is condemned"
                            : "the referee's fast kernel gives the element of a side of which no "
                              "explanation is left: nobody is condemned");
}

/* Kernel, body and parts of the host's own all give this element, on whole inputs: who has it is
 * right, whatever was said of its parts, and the other side is wrong. */
static rf_flow right_by_operator(rf_pass *p, const duel *top, uint64_t bits)
{
    rf_verdict *v = p->v;
    set_parts_aside(p, top);
    v->method = RF_BY_OPERATOR;
    v->recomputed = bits;
    v->has_value = 1;
    const int wrong[2] = {v->claimed[0] != bits, v->claimed[1] != bits};
    return condemn(p, wrong, RF_OUTPUT,
                   "the operator was run again on its agreed inputs: who has its element is right, "
                   "explained or not");
}

/* The sides that fall with an element. One whose element is the kernel's would be condemned by
 * scalar bodies alone, against another implementation. So it would where it was explained by
 * nobody: parts come from scalar bodies, and those of who ran a kernel that deviates do not fold
 * to what it gave. Where these agree on the element after all, that decides. */
static rf_flow end_partial(rf_pass *p, uint64_t step, const duel *top, const int wrong[2])
{
    const int explained = p->v->method == RF_BY_PARTIAL;
    uint64_t bits;
    int twice;
    rf_flow heard = kernel_bits(p, step, &bits, &twice);
    if (heard != RF_GO && heard != RF_ABSENT) return heard;
    for (int k = 0; heard == RF_GO && k < 2; k++)
        if (wrong[k] && bits == top->part.value[k])
            return twice ? right_by_operator(p, top, bits) : freeze_element(p, top, explained);
    if (explained)
        return condemn(p, wrong, RF_OUTPUT,
                       "one partial result was recomputed from its agreed parts");
    p->v->provisional = heard == RF_ABSENT;
    return condemn(p, wrong, RF_FORFEIT, "no explanation of the element by its parts is left");
}

/* A duel has ended. Strike the explanations that lost it in the duel above, and so on up while a
 * side there has none left. RF_DECIDED: of the element itself; RF_GO: *depth is where to go on. */
static rf_flow end_duel(rf_pass *p, uint64_t step, duel *d, uint32_t *depth, int wrong[2])
{
    while (*depth > 0) {
        duel *above = &d[--*depth];
        int left[2];
        for (int k = 0; k < 2; k++) {
            if (wrong[k]) above->filed[k].struck[above->pick[k]] = 1;
            left[k] = next_filed(&above->filed[k]) < above->filed[k].count;
        }
        if (left[0] && left[1]) return RF_GO;
        for (int k = 0; k < 2; k++) wrong[k] = !left[k];
    }
    return end_partial(p, step, d, wrong);
}

static rf_flow judge_partial(rf_pass *p, stepping *s)
{
    rf_verdict *v = p->v;
    const uint64_t claimed[2] = {v->claimed[0], v->claimed[1]};
    duel *d = rf_scratch(p, (RF_DUELS_MAX + 1) * sizeof *d);
    uint32_t depth = 0;
    if (!d) return RF_FAULT;
    d[0].part.level = rf_part_levels(&p->g->subject, v->output, v->element) - 1;
    for (int k = 0; k < 2; k++) d[0].part.value[k] = claimed[k];
    RF_FLOW(open_duel(p, s, &d[0]));
    for (;;) {
        int wrong[2];
        if (rf_parts_agreed(&d[depth].part, d[depth].needs, d[depth].need_count)) {
            for (int k = 0; k < 2; k++) v->claimed[k] = claimed[k];
            RF_FLOW(judge_part(p, s, &d[depth].part, wrong));
            record_rounds(p->trail, d, depth);
        } else if (next_duel(p, &d[depth], &d[depth + 1], wrong)) {
            if (++depth == RF_DUELS_MAX) return RF_ABSENT;
            RF_FLOW(open_duel(p, s, &d[depth]));
            continue;
        } else {
            v->method = RF_BY_NONE; /* nothing was filed that stands: silence, not a number */
            v->has_value = 0;
        }
        RF_FLOW(end_duel(p, s->step, d, &depth, wrong));
    }
}

static rf_flow judge_element(rf_pass *p, stepping *s)
{
    if (rf_is_partial(&p->g->subject, p->v->output)) {
        const rf_verdict begun = *p->v; /* what is noted of parts is not of the element */
        rf_flow f = judge_partial(p, s);
        if (f != RF_ABSENT) return f;
        const uint64_t recomputed = p->v->elements_recomputed;
        *p->v = begun;
        p->v->elements_recomputed = recomputed;
    }
    return judge_whole(p, s);
}

/* ---- outputs: 3c ------------------------------------------------------------------------ */

typedef struct {
    int found;
    uint32_t output;
    uint64_t leading, element, chunk, claimed[2];
    rf_walk walk;
    const uint8_t *header[2], *bytes[2];
    size_t header_size, chunk_size;
} difference;

static rf_flow open_headers(rf_pass *p, stepping *s, const vd_node_leaf l[2], uint32_t out,
                            const uint8_t *b[2], size_t n[2])
{
    rf_question q[2];
    for (int k = 0; k < 2; k++) {
        rf_question_init(&q[k], RF_Q_HEADER, p->mask[k]);
        q[k].of = q[k].tensor = l[k].out[out];
        q[k].step = s->step;
        q[k].node = l[k].node;
        q[k].output = out;
    }
    return rf_ask_both(p, q, b, n);
}

static uint64_t load_bits(const uint8_t *b, uint32_t size)
{
    uint64_t v = 0;
    for (uint32_t k = size; k-- > 0;) v = v << 8 | b[k];
    return v;
}

/* The first differing chunk and element of one output whose digests differ. */
static rf_flow find_difference(rf_pass *p, stepping *s, const vd_node_leaf l[2], uint32_t out,
                               difference *d)
{
    const ro_type *type = &p->g->subject.out[out];
    const uint8_t **b = d->bytes;
    size_t n[2];
    int wrong[2];
    RF_FLOW(open_headers(p, s, l, out, d->header, n));
    d->header_size = n[0];
    rf_walk *w = &d->walk;
    line_walk(s->line, w);
    for (int k = 0; k < 2; k++) {
        ro_type got;
        wrong[k] = !vd_tensor_header_decode(d->header[k], n[k], &got, w->root[k].b) ||
                   !ro_type_equal(&got, type);
        w->tensor[k] = l[k].out[out];
        w->mask[k] = p->mask[k];
    }
    RF_FLOW(
        condemn(p, wrong, RF_STRUCTURE, "a tensor's header is not of the type the job gives it"));
    w->tree = VD_TREE_CHUNKS;
    w->step = s->step;
    w->n = vd_tensor_chunks(type);
    w->node = l[0].node;
    w->output = out;
    if (w->n == 0) {
        uint8_t empty[VD_DIGEST];
        vd_tree_root(VD_TREE_CHUNKS, NULL, 0, empty);
        for (int k = 0; k < 2; k++) wrong[k] = memcmp(empty, w->root[k].b, VD_DIGEST) != 0;
        return condemn_one(p, wrong, RF_STRUCTURE, "a tensor without elements has chunks");
    }
    RF_FLOW(rf_walk_first(p, w));
    RF_FLOW(ask_leaf_both(p, w, b, n));
    d->chunk_size = vd_tensor_chunk_bytes(type, w->lo);
    for (int k = 0; k < 2; k++) wrong[k] = n[k] != d->chunk_size;
    RF_FLOW(condemn(p, wrong, RF_STRUCTURE, "a chunk is not as long as the job makes it"));
    uint32_t size = ro_dtypes[type->dtype].size, i = 0;
    while (memcmp(b[0] + i, b[1] + i, size) == 0) i += size;
    uint64_t rest = type->rank ? ro_type_elements(type) / (uint64_t)type->dims[0] : 1;
    d->chunk = w->lo;
    d->element = (w->lo * VD_CHUNK_BYTES + i) / size;
    d->leading = type->rank ? d->element / rest : 0;
    for (int k = 0; k < 2; k++) d->claimed[k] = load_bits(b[k] + i, size);
    d->output = out;
    d->found = 1;
    return RF_GO;
}

static rf_flow judge_outputs(rf_pass *p, stepping *s, const vd_node_leaf l[2])
{
    difference best, d;
    rf_verdict *v = p->v;
    memset(&best, 0, sizeof best);
    for (uint32_t k = 0; k < l[0].outputs; k++) {
        if (vd_digest_equal(&l[0].out[k], &l[1].out[k])) continue;
        memset(&d, 0, sizeof d);
        RF_FLOW(find_difference(p, s, l, k, &d));
        /* Outputs come in order: an equal leading index keeps the earlier one. */
        if (!best.found || d.leading < best.leading) best = d;
    }
    RO_ASSERT(best.found); /* nothing but outputs is left to differ */
    v->output = best.output;
    v->element = best.element;
    v->chunk = best.chunk;
    v->type = p->g->subject.out[best.output];
    v->has_element = 1;
    p->trail->chunks = best.walk;
    p->trail->chunk_size = best.chunk_size;
    p->trail->header_size = best.header_size;
    for (int k = 0; k < 2; k++) {
        v->claimed[k] = best.claimed[k];
        p->trail->header[k] = best.header[k];
        p->trail->chunk[k] = best.bytes[k];
    }
    return judge_element(p, s);
}

/* ---- nodes: 3a, 3b ---------------------------------------------------------------------- */

static rf_flow judge_inputs(rf_pass *p, stepping *s, const vd_node_leaf l[2])
{
    const ro_node *node = &s->phase->graph->nodes[l[0].node];
    int wrong[2] = {0, 0};
    uint32_t at = 0;
    for (uint32_t k = 0; k < node->inputs; k++) {
        vd_digest want;
        rf_walk w;
        memset(&w, 0, sizeof w);
        if (node->in[k] == RO_NO_VALUE) continue;
        RF_FLOW(agreed_value(p, s, node->in[k], &want, &w, &p->trail->producer[k],
                             &p->trail->producer_size[k]));
        p->trail->producer_path[k] = w.path[0];
        p->trail->producer_path_size[k] = w.path_size;
        for (int side = 0; side < 2; side++) {
            int bad = !vd_digest_equal(&l[side].in[at], &want);
            if (bad && !wrong[0] && !wrong[1]) p->v->input = k;
            wrong[side] |= bad;
        }
        at++;
    }
    return condemn(p, wrong, RF_INPUTS, "an input is not what was put out for it");
}

static rf_flow judge_nodes(rf_pass *p, stepping *s)
{
    rf_walk *w = &p->trail->nodes;
    const uint8_t *b[2];
    size_t n[2];
    vd_node_leaf l[2];
    int wrong[2];
    nodes_walk(s, w);
    if (w->n == 0) {
        uint8_t empty[VD_DIGEST];
        vd_tree_root(VD_TREE_NODES, NULL, 0, empty);
        for (int k = 0; k < 2; k++) wrong[k] = memcmp(empty, w->root[k].b, VD_DIGEST) != 0;
        return condemn_one(p, wrong, RF_STRUCTURE, "a step without nodes has a node root");
    }
    RF_FLOW(rf_walk_first(p, w));
    p->v->has_node = 1;
    p->v->node = (uint32_t)w->lo;
    p->v->op = s->phase->graph->nodes[w->lo].op;
    RF_FLOW(ask_leaf_both(p, w, b, n));
    for (int k = 0; k < 2; k++) wrong[k] = !node_leaf_is(s, b[k], n[k], p->v->node, &l[k]);
    RF_FLOW(condemn(p, wrong, RF_STRUCTURE,
                    "the record is not of the operator that the job prescribes at this node"));
    for (int k = 0; k < 2; k++) p->trail->node_leaf[k] = b[k];
    p->trail->node_size = n[0];
    RF_FLOW(judge_inputs(p, s, l));
    rf_node_init(&p->g->subject, p->g->job, s->at.phase, p->v->node, l[0].in);
    p->g->subject.runner = p->g->runner;
    rf_flow f = judge_outputs(p, s, l);
    return f == RF_ABSENT ? operator_again(p, s, l) : f;
}

/* ---- a step, a line of steps: 1, 2 ------------------------------------------------------ */

static rf_flow judge_step(rf_pass *p, stepping *s, const rf_walk *w)
{
    const uint8_t *b[2];
    size_t n[2];
    int wrong[2];
    RF_FLOW(ask_leaf_both(p, w, b, n));
    for (int k = 0; k < 2; k++) {
        wrong[k] = !step_leaf_is(p->g->job, b[k], n[k], s->step, &s->leaf[k]);
        p->trail->step_leaf[k] = b[k];
    }
    RF_FLOW(
        condemn(p, wrong, RF_STRUCTURE, "the leaf is not of the step that stands at its place"));
    if (vd_digest_equal(&s->leaf[0].nodes, &s->leaf[1].nodes)) return judge_wiring(p, s);
    return judge_nodes(p, s);
}

static rf_flow judge_line(rf_pass *p, const rf_line *line)
{
    rf_walk *w = &p->trail->steps;
    stepping s;
    memset(&s, 0, sizeof s);
    line_walk(line, w);
    rf_flow f = rf_walk_first(p, w);
    if (f == RF_ABSENT) { /* the subtree that cannot be opened is the unit */
        vd_digest before;
        uint64_t lo = w->lo, hi = w->hi;
        const vd_digest hash[2] = {w->hash[0], w->hash[1]};
        f = state_before(p, line, lo, &before);
        if (f != RF_GO && f != RF_ABSENT) return f;
        return judge_rerun(p, VD_TREE_STEPS, line->first + lo, line->first + hi, hash,
                           f == RF_GO ? &before : NULL);
    }
    RF_FLOW(f);
    s.line = line;
    s.index = w->lo;
    s.step = line->first + w->lo;
    s.at = vd_job_locate(p->g->job, s.step);
    s.phase = &p->g->job->phases[s.at.phase];
    for (int k = 0; k < 2; k++) s.hash[k] = w->hash[k];
    p->v->has_step = 1;
    p->v->step = s.step;
    p->v->phase = s.at.phase;
    f = judge_step(p, &s, w);
    return f == RF_ABSENT ? judge_step_rerun(p, line, s.index, s.hash) : f;
}

/* ---- segments: 4 ------------------------------------------------------------------------ */

static int segment_leaf_is(const vd_job *j, const uint8_t *b, size_t n, uint64_t segment,
                           vd_segment_leaf *l)
{
    uint64_t first, count;
    if (n != VD_SEGMENT_LEAF_BYTES) return 0;
    vd_job_segment(j, segment, &first, &count);
    vd_segment_leaf_decode(b, l);
    return l->index == segment && l->first == first && l->count == count;
}

static void segments_walk(rf_pass *p, rf_walk *w)
{
    memset(w, 0, sizeof *w);
    w->tree = VD_TREE_SEGMENTS;
    w->n = vd_job_segments(p->g->job);
    for (int k = 0; k < 2; k++) {
        w->mask[k] = p->mask[k];
        w->claim[k] = RF_NONE;
        w->root[k] = p->body[k]->tree;
    }
}

static rf_flow segment_before(rf_pass *p, uint64_t segment, vd_digest *state)
{
    rf_walk w;
    const uint8_t *b;
    size_t n;
    vd_segment_leaf l;
    *state = p->g->job->first_state;
    if (segment == 0) return RF_GO;
    segments_walk(p, &w);
    RF_FLOW(rf_walk_to(p, &w, segment - 1));
    RF_FLOW(ask_leaf_agreed(p, &w, &b, &n));
    if (!segment_leaf_is(p->g->job, b, n, segment - 1, &l))
        return both_malformed(p, "both committed to a malformed leaf of the segment before");
    p->trail->segment_before = b;
    if (p->trail->recording) p->trail->before = w;
    *state = l.state;
    return RF_GO;
}

int rf_claim_fits(const vd_job *j, const vd_segment_leaf *leaf, const uint8_t *leaves,
                  ro_arena *scratch)
{
    vd_step_leaf l;
    vd_digest root;
    uint8_t *hashes = ro_arena_alloc(scratch, leaf->count * VD_DIGEST);
    if (!hashes) return -1;
    for (uint64_t k = 0; k < leaf->count; k++) {
        if (!step_leaf_is(j, leaves + k * VD_STEP_LEAF_BYTES, VD_STEP_LEAF_BYTES, leaf->first + k,
                          &l))
            return 0;
        vd_leaf_hash(VD_TREE_OUTPUTS, l.outputs.b, VD_DIGEST, hashes + k * VD_DIGEST);
    }
    vd_tree_root(VD_TREE_OUTPUTS, hashes, leaf->count, root.b);
    return vd_digest_equal(&root, &leaf->outputs) && vd_digest_equal(&l.state, &leaf->state);
}

/* The admitted claims of a side for a segment. */
typedef struct {
    uint32_t *id, count;
    uint8_t *struck; /* online: the window's flags, by place in id */
} admitted;

/* Offline: those that came with the setup. */
static rf_flow admit_claims(rf_pass *p, int side, const vd_segment_leaf *leaf, admitted *list)
{
    rf_game *g = p->g;
    for (uint32_t k = 0; k < g->claim_count; k++) {
        const rf_claim *c = &g->claims[k];
        rf_question q;
        const uint8_t *b;
        size_t n;
        uint32_t i = 0;
        if (!vd_digest_equal(&c->body.trace, &g->groups[p->group[side]].root) ||
            c->body.segment != leaf->index)
            continue;
        while (i < list->count && !vd_digest_equal(&g->claims[list->id[i]].root, &c->root)) i++;
        if (i < list->count) continue; /* the same claim by another hand */
        rf_question_init(&q, RF_Q_STEP_LEAVES, p->mask[side]);
        q.tree = VD_TREE_STEPS;
        q.claim = k;
        q.hi = leaf->count;
        q.of = c->body.tree;
        q.step = leaf->first;
        rf_flow f = rf_ask(p, &q, &b, &n);
        if (f == RF_ABSENT) continue;
        RF_FLOW(f);
        int fits = rf_claim_fits(g->job, leaf, b, p->scratch);
        if (fits < 0) return rf_fault(p, RO_FAIL(p->err, RO_ENOMEM, "no memory to judge a claim"));
        if (fits) list->id[list->count++] = k;
    }
    return RF_GO;
}

/* Online: the claims of both windows get their numbers, side 0's first. */
static rf_flow number_claims(rf_pass *p, const rf_filed filed[2])
{
    rf_game *g = p->g;
    uint32_t n = filed[0].count + filed[1].count;
    if (g->claims_filed) return RF_GO;
    g->claims = ro_arena_alloc(g->pair, n * sizeof *g->claims);
    g->claims_struck = ro_arena_alloc(g->pair, n);
    if (!g->claims || !g->claims_struck)
        return rf_fault(p, RO_FAIL(p->err, RO_ENOMEM, "no memory for segment claims"));
    for (uint32_t k = 0; k < n; k++) {
        const rf_filed *f = &filed[k >= filed[0].count];
        uint32_t i = k < filed[0].count ? k : k - filed[0].count;
        rf_claim *c = &g->claims[k];
        ro_status st = vd_claim_body_decode(f->bytes + i * f->size, &c->body, p->err);
        RO_ASSERT(st == RO_OK); /* the window's answer was accepted */
        c->root = vd_claim_root(&c->body);
        c->own = 1;
    }
    g->claim_count = n;
    g->claims_filed = 1;
    return RF_GO;
}

static rf_flow file_claims(rf_pass *p, const rf_walk *w, const vd_segment_leaf leaf[2],
                           admitted list[2])
{
    rf_question q[2];
    rf_filed filed[2];
    for (int k = 0; k < 2; k++) {
        rf_question_init(&q[k], RF_Q_SEGMENTS, p->mask[k]);
        q[k].tree = VD_TREE_STEPS;
        q[k].lo = leaf[k].index;
        q[k].hi = leaf[k].index + 1;
        q[k].of = w->hash[k];
        q[k].step = leaf[k].first;
        p->g->leaf[k] = leaf[k];
    }
    RF_FLOW(rf_ask_windows(p, q, VD_CLAIM_BODY_BYTES, filed));
    RF_FLOW(number_claims(p, filed));
    for (int k = 0; k < 2; k++) {
        list[k].id = rf_scratch(p, filed[k].count * sizeof *list[k].id);
        if (!list[k].id) return RF_FAULT;
        for (uint32_t i = 0; i < filed[k].count; i++)
            list[k].id[i] = (k ? filed[0].count : 0) + i;
        list[k].count = filed[k].count;
        list[k].struck = filed[k].struck;
    }
    return RF_GO;
}

static rf_flow gather_claims(rf_pass *p, const rf_walk *w, const vd_segment_leaf leaf[2],
                             admitted list[2])
{
    memset(list, 0, 2 * sizeof *list);
    if (p->g->online) RF_FLOW(file_claims(p, w, leaf, list));
    p->struck = rf_scratch(p, p->g->claim_count);
    if (!p->struck) return RF_FAULT;
    for (int k = 0; k < 2 && !p->g->online; k++) {
        list[k].id = rf_scratch(p, p->g->claim_count * sizeof *list[k].id);
        if (!list[k].id) return RF_FAULT;
        RF_FLOW(admit_claims(p, k, &leaf[k], &list[k]));
    }
    return RF_GO;
}

static uint32_t next_claim(const rf_pass *p, const admitted *list)
{
    for (uint32_t k = 0; k < list->count; k++)
        if (!p->struck[list->id[k]]) return list->id[k];
    return RF_NONE;
}

static void strike_claim(rf_pass *p, admitted *list, uint32_t claim)
{
    p->struck[claim] = 1;
    for (uint32_t k = 0; list->struck && k < list->count; k++)
        if (list->id[k] == claim) list->struck[k] = 1;
    p->v->struck_claims = 0;
    for (uint32_t k = 0; k < p->g->claim_count; k++) p->v->struck_claims += p->struck[k];
}

/* Whether a side falls with its claims, which are all struck out. */
static int falls_with(const rf_pass *p, const admitted *list)
{
    int own = p->g->online;
    for (uint32_t k = 0; k < list->count; k++) own |= p->g->claims[list->id[k]].own;
    return own;
}

/* One claim of each side against the other, from the agreed state. */
static rf_flow judge_two_claims(rf_pass *p, const vd_segment_leaf *leaf, const vd_digest *before,
                                const uint32_t claim[2])
{
    rf_line line = {leaf->first, leaf->count, {p->mask[0], p->mask[1]}, {0}, {{{0}}}, *before};
    rf_verdict *v = p->v;
    v->guilty_count = 0;
    v->kind = RF_AGREE;
    v->has_node = v->has_element = v->has_value = 0;
    v->method = RF_BY_NONE;
    v->elements_recomputed = 0;
    for (int k = 0; k < 2; k++) {
        line.claim[k] = p->trail->claim[k] = claim[k];
        line.tree[k] = p->g->claims[claim[k]].body.tree;
    }
    return judge_line(p, &line);
}

static rf_flow no_claims(rf_pass *p, const admitted list[2])
{
    const int wrong[2] = {list[0].count == 0, list[1].count == 0};
    if (!p->g->online) return RF_ABSENT;
    return condemn(p, wrong, RF_FORFEIT, "nobody filed an admissible claim of the segment");
}

/* Claims of different roots against each other until one side has none left. */
static rf_flow judge_claims(rf_pass *p, const rf_walk *w, const vd_segment_leaf leaf[2],
                            const vd_digest *before)
{
    admitted list[2];
    const rf_trail begun = *p->trail; /* what is noted of a pair of claims is not of the next */
    rf_verdict *v = p->v;
    RF_FLOW(gather_claims(p, w, leaf, list));
    if (!list[0].count || !list[1].count) return no_claims(p, list);
    for (;;) {
        const uint32_t claim[2] = {next_claim(p, &list[0]), next_claim(p, &list[1])};
        int fallen[2];
        *p->trail = begun;
        rf_flow f = judge_two_claims(p, &leaf[0], before, claim);
        if (f != RF_DECIDED || v->kind == RF_UNDECIDED) return f;
        v->elements_recomputed += p->recomputed;
        p->recomputed = v->elements_recomputed;
        for (uint32_t k = 0; k < v->guilty_count; k++)
            for (int side = 0; side < 2; side++)
                if (p->mask[side] >> v->guilty[k].party & 1)
                    strike_claim(p, &list[side], claim[side]);
        for (int k = 0; k < 2; k++) fallen[k] = next_claim(p, &list[k]) == RF_NONE;
        if (!fallen[0] && !fallen[1]) continue;
        for (int k = 0; k < 2; k++)
            if (fallen[k] && !falls_with(p, &list[k])) return RF_ABSENT;
        rf_kind kind = v->kind;
        v->guilty_count = 0;
        for (int k = 0; k < 2; k++)
            if (fallen[k]) rf_guilty_side(p, k, kind);
        return RF_DECIDED;
    }
}

static rf_flow judge_segment(rf_pass *p, const rf_walk *w)
{
    const uint8_t *b[2];
    size_t n[2];
    int wrong[2];
    vd_segment_leaf l[2];
    vd_digest before;
    RF_FLOW(ask_leaf_both(p, w, b, n));
    for (int k = 0; k < 2; k++) {
        wrong[k] = !segment_leaf_is(p->g->job, b[k], n[k], w->lo, &l[k]);
        p->trail->segment_leaf[k] = b[k];
    }
    RF_FLOW(condemn(p, wrong, RF_STRUCTURE,
                    "the leaf is not of the segment that stands at its place"));
    RF_FLOW(segment_before(p, w->lo, &before));
    return judge_claims(p, w, l, &before);
}

static rf_flow judge_segments(rf_pass *p)
{
    rf_walk *w = &p->trail->segments;
    vd_digest before;
    segments_walk(p, w);
    rf_flow f = rf_walk_first(p, w);
    uint64_t lo = w->lo, hi = w->hi;
    if (f == RF_GO) f = judge_segment(p, w);
    if (f != RF_ABSENT) return f;
    f = segment_before(p, lo, &before);
    if (f != RF_GO && f != RF_ABSENT) return f;
    p->v->kind = RF_AGREE;
    p->v->guilty_count = 0;
    p->v->has_step = p->v->has_node = p->v->has_element = p->v->has_value = 0;
    return judge_rerun(p, VD_TREE_SEGMENTS, lo, hi, w->hash, f == RF_GO ? &before : NULL);
}

/* ---- bodies that differ over equal trees: 2 --------------------------------------------- */

static void outputs_walk(rf_pass *p, rf_walk *w)
{
    segments_walk(p, w);
    w->tree = VD_TREE_OUTPUTS;
    w->n = p->g->job->steps;
    for (int k = 0; k < 2; k++) w->root[k] = p->body[k]->outputs;
}

/* The leaf of the agreed tree that step `step` lies in, decoded: state at its end, and the hash
 * of the step's leaf in the outputs tree. */
static rf_flow agreed_end(rf_pass *p, uint64_t step, vd_digest *state, vd_digest *output)
{
    const vd_job *j = p->g->job;
    rf_walk w;
    rf_question q;
    const uint8_t *b;
    size_t n;
    vd_step_leaf l;
    vd_segment_leaf s;
    segments_walk(p, &w);
    if (j->record == VD_RECORD_FULL) {
        w.tree = VD_TREE_STEPS;
        w.n = j->steps;
        RF_FLOW(rf_walk_to(p, &w, step));
        RF_FLOW(ask_leaf_agreed(p, &w, &b, &n));
        if (!step_leaf_is(j, b, n, step, &l))
            return both_malformed(p, "both committed to a malformed step leaf");
        *state = l.state;
        vd_leaf_hash(VD_TREE_OUTPUTS, l.outputs.b, VD_DIGEST, output->b);
        return RF_GO;
    }
    RF_FLOW(rf_walk_to(p, &w, step / j->segment));
    RF_FLOW(ask_leaf_agreed(p, &w, &b, &n));
    if (!segment_leaf_is(j, b, n, step / j->segment, &s))
        return both_malformed(p, "both committed to a malformed segment leaf");
    *state = s.state;
    rf_question_init(&q, RF_Q_OUTPUTS, everybody(p));
    q.tree = VD_TREE_OUTPUTS;
    q.lo = s.first;
    q.hi = s.first + s.count;
    q.of = s.outputs;
    RF_FLOW(rf_ask(p, &q, &b, &n));
    vd_leaf_hash(VD_TREE_OUTPUTS, b + (step - s.first) * VD_DIGEST, VD_DIGEST, output->b);
    return RF_GO;
}

static rf_flow judge_outputs_root(rf_pass *p, rf_walk *w, int wrong[2])
{
    vd_digest state, want;
    if (vd_digest_equal(&w->root[0], &w->root[1])) return RF_GO;
    RF_FLOW(rf_walk_first(p, w));
    p->v->has_step = 1;
    p->v->step = w->lo;
    RF_FLOW(agreed_end(p, w->lo, &state, &want));
    for (int k = 0; k < 2; k++) wrong[k] |= !vd_digest_equal(&w->hash[k], &want);
    return RF_GO;
}

static rf_flow judge_last_state(rf_pass *p, int wrong[2])
{
    vd_digest state, unused;
    uint64_t last = p->g->job->steps - 1;
    if (vd_digest_equal(&p->body[0]->last_state, &p->body[1]->last_state)) return RF_GO;
    if (!p->v->has_step) p->v->step = last;
    p->v->has_step = 1;
    rf_flow f = agreed_end(p, last, &state, &unused);
    if (f == RF_ABSENT) {
        rerun r;
        memset(&r, 0, sizeof r);
        f = run_again(p, VD_TREE_OUTPUTS, 0, last + 1, NULL, &r);
        state = r.state;
    }
    if (f == RF_ABSENT) return undecided(p);
    RF_FLOW(f);
    for (int k = 0; k < 2; k++) wrong[k] |= !vd_digest_equal(&p->body[k]->last_state, &state);
    return RF_GO;
}

static rf_flow judge_bodies(rf_pass *p)
{
    rf_walk w;
    int wrong[2] = {0, 0};
    outputs_walk(p, &w);
    rf_flow f = judge_outputs_root(p, &w, wrong);
    if (f == RF_ABSENT) return judge_rerun(p, VD_TREE_OUTPUTS, w.lo, w.hi, w.hash, NULL);
    RF_FLOW(f);
    RF_FLOW(judge_last_state(p, wrong));
    return condemn_one(p, wrong, RF_STEP,
                       "the body's last state or outputs root does not follow from its own leaves");
}

rf_flow rf_judge(rf_pass *p)
{
    const vd_job *j = p->g->job;
    if (vd_digest_equal(&p->body[0]->tree, &p->body[1]->tree)) return judge_bodies(p);
    if (j->record == VD_RECORD_CHECKPOINT) return judge_segments(p);
    rf_line line = {0, j->steps, {p->mask[0], p->mask[1]}, {RF_NONE, RF_NONE},
                    {p->body[0]->tree, p->body[1]->tree}, j->first_state};
    return judge_line(p, &line);
}
