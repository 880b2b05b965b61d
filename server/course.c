/* course.c - from openings to the way down of a dispute. */
#include "course.h"

#include "../verde/bytes.h"

#include <inttypes.h>
#include <stdio.h>

/* ---- playing again ---------------------------------------------------------------------- */

#define ENTRY_HEAD_BYTES 10u /* place u8, absent u8, size u64 */

typedef struct {
    rf_game *game;
    vd_in in;
    sv_opening *list;
    uint32_t count;
} replay;

static ro_status entry(replay *r, ro_err *err)
{
    rf_question open[RF_OPEN_MAX];
    uint32_t count;
    int accepted = 1;
    const uint8_t *head = vd_in_bytes(&r->in, 2);
    const uint64_t size = vd_in_u64(&r->in);
    const uint8_t *bytes = r->in.bad ? NULL : vd_in_bytes(&r->in, size);
    RO_TRY(rf_game_next(r->game, open, &count, err));
    if (r->in.bad || head[0] >= count || head[1] > 1 || (head[1] && size))
        return RO_FAIL(err, RO_EFORMAT, "opening %u of a transcript is malformed", r->count);
    const rf_question *q = &open[head[0]];
    if (head[1] && rf_is_window(q->kind))
        return RO_FAIL(err, RO_EFORMAT, "opening %u of a transcript is an absent window", r->count);
    if (head[1]) rf_game_cannot(r->game, q, RF_NONE);
    else RO_TRY(rf_game_offer(r->game, q, bytes, (size_t)size, &accepted, err));
    if (!accepted)
        return RO_FAIL(err, RO_EFORMAT, "opening %u of a transcript is no answer", r->count);
    r->list[r->count++] = (sv_opening){*q, head[1] ? NULL : bytes, (size_t)size};
    return RO_OK;
}

static ro_status entries(replay *r, ro_arena *a, sv_course *out, ro_err *err)
{
    const uint64_t most = vd_in_left(&r->in) / ENTRY_HEAD_BYTES;
    r->list = ro_arena_alloc(a, (size_t)(most + 1) * sizeof *r->list);
    if (!r->list) return RO_FAIL(err, RO_ENOMEM, "no memory for a transcript");
    while (vd_in_left(&r->in)) RO_TRY(entry(r, err));
    RO_TRY(rf_game_next(r->game, out->open, &out->open_count, err));
    out->list = r->list;
    out->count = r->count;
    out->has_verdict = out->open_count == 0;
    if (out->has_verdict) {
        const uint32_t pairs = rf_game_pairs(r->game);
        out->verdict = *(pairs ? rf_game_pair(r->game, pairs - 1) : rf_game_verdict(r->game));
    }
    return RO_OK;
}

ro_status sv_course_replay(const rf_setup *s, const void *bytes, size_t n, ro_arena *a,
                           sv_course *out, ro_err *err)
{
    replay r = {NULL, {bytes, n, 0, 0}, NULL, 0};
    RO_ASSERT(s->party_count == 2 && s->online);
    memset(out, 0, sizeof *out);
    RO_TRY(rf_game_new(s, &r.game, err));
    ro_status st = entries(&r, a, out, err);
    rf_game_free(r.game);
    return st;
}

/* ---- what both sides opened ------------------------------------------------------------- */

typedef struct {
    const sv_course *c;
    const vd_job *j;
    ro_arena *a;
    sv_page_dispute *p;
    uint32_t claim[2]; /* of each side: the segment claims that were judged last, or RF_NONE */
    uint64_t step;     /* global: where the way down led */
    uint32_t phase;
    const ro_graph *graph;
    uint32_t output;
} drawing;

/* Where in a job a tree's questions are. */
typedef struct { vd_tree_kind tree; int claimed, in_step, in_tensor; uint32_t node, output; } locus;

static int is_of(const drawing *d, const locus *l, int side, const rf_question *q)
{
    return q->tree == l->tree && q->parties == (uint64_t)1 << side &&
           q->claim == (l->claimed ? d->claim[side] : RF_NONE) &&
           (!l->in_step || q->step == d->step) &&
           (!l->in_tensor || (q->node == l->node && q->output == l->output));
}

/* The last answer of a side to a question of that kind about [lo, hi). */
static const sv_opening *opened(const drawing *d, const locus *l, int side, rf_question_kind kind,
                                uint64_t lo, uint64_t hi)
{
    for (uint32_t k = d->c->count; k-- > 0;) {
        const sv_opening *o = &d->c->list[k];
        if (o->bytes && o->q.kind == kind && is_of(d, l, side, &o->q) && o->q.lo == lo &&
            o->q.hi == hi)
            return o;
    }
    return NULL;
}

static uint64_t half(uint64_t n)
{
    uint64_t k = 1;
    while (2 * k < n) k *= 2;
    return k;
}

/* An answer to "the hashes below [lo, hi)", of both sides. */
typedef struct { uint64_t lo, hi; uint32_t depth, count; const uint8_t *h[2]; } answers;

/* The part that begins at leaf v. */
static uint32_t part_at(const answers *a, uint64_t v)
{
    uint32_t low = 0, high = a->count;
    while (high - low > 1) {
        uint64_t lo, hi;
        const uint32_t middle = low + (high - low) / 2;
        vd_descend_range(a->lo, a->hi, a->depth, middle, &lo, &hi);
        if (v < lo) high = middle;
        else low = middle;
    }
    return low;
}

static uint64_t part_end(const answers *a, uint32_t part)
{
    uint64_t lo, hi;
    vd_descend_range(a->lo, a->hi, a->depth, part, &lo, &hi);
    return hi;
}

/* The parts of [lo, hi), which is a node above them: from one up to the next that is not of it. */
static void parts_of(const answers *a, uint64_t lo, uint64_t hi, uint32_t *from, uint32_t *count)
{
    *from = part_at(a, lo);
    *count = 1;
    while (part_end(a, *from + *count - 1) < hi) ++*count;
}

/* What a side says of a node above the parts. Left halves are whole trees of equal parts, whose
 * root is that of their hashes. */
static vd_digest said(const answers *a, vd_tree_kind tree, int side, uint32_t from, uint32_t count)
{
    vd_digest d;
    vd_tree_root(tree, a->h[side] + (size_t)from * VD_DIGEST, count, d.b);
    return d;
}

/* Which of the leaves agree, where the parts are leaves. */
static ro_status note_leaves(drawing *d, const answers *a, sv_descent *w, ro_err *err)
{
    if (a->count != a->hi - a->lo) return RO_OK;
    uint8_t *known = ro_arena_alloc(d->a, a->count);
    if (!known) return RO_FAIL(err, RO_ENOMEM, "no memory for a strip of %u cells", a->count);
    for (uint32_t k = 0; k < a->count; k++)
        known[k] = memcmp(a->h[0] + (size_t)k * VD_DIGEST, a->h[1] + (size_t)k * VD_DIGEST,
                          VD_DIGEST) == 0 ? SV_EQUAL : SV_UNLIKE;
    w->compared = known;
    w->known_from = a->lo;
    w->known = a->count;
    return RO_OK;
}

/* From one pair of answers as far down as it leads: halves of halves, to one of its parts. */
static ro_status halve(drawing *d, const answers *a, vd_tree_kind tree, sv_descent *w,
                       uint64_t *lo, uint64_t *hi, ro_err *err)
{
    for (;;) {
        uint32_t from, count;
        parts_of(a, *lo, *hi, &from, &count);
        if (count == 1) {
            for (int k = 0; k < 2; k++)
                memcpy(w->digest[k].b, a->h[k] + (size_t)from * VD_DIGEST, VD_DIGEST);
            return note_leaves(d, a, w, err);
        }
        sv_halving *c = &w->halvings[w->count];
        c->lo = *lo;
        c->hi = *hi;
        c->mid = *lo + half(*hi - *lo);
        parts_of(a, c->lo, c->mid, &from, &count);
        for (int k = 0; k < 2; k++) c->left[k] = said(a, tree, k, from, count);
        c->differs = !vd_digest_equal(&c->left[0], &c->left[1]);
        if (c->differs) *hi = c->mid;
        else *lo = c->mid;
        RO_ASSERT(++w->count < SV_HALVINGS_MAX);
    }
}

/* Down one tree of n leaves as far as both sides have opened it. A tree of one leaf has nothing to
 * compare: whoever opens it has come there. */
static ro_status descend(drawing *d, const locus *l, const char *what, uint64_t n, uint64_t first,
                         sv_descent *w, ro_err *err)
{
    uint64_t lo = 0, hi = n;
    w->what = what;
    w->n = n;
    w->first = first;
    while (hi - lo > 1) {
        const sv_opening *o[2];
        for (int k = 0; k < 2; k++) o[k] = opened(d, l, k, RF_Q_HASHES, lo, hi);
        if (!o[0] || !o[1]) return RO_OK;
        const uint32_t depth = o[0]->q.depth;
        const answers a = {lo, hi, depth, vd_descend_count(lo, hi, depth),
                           {o[0]->bytes, o[1]->bytes}};
        RO_ASSERT(o[0]->size == (size_t)a.count * VD_DIGEST && o[1]->size == o[0]->size &&
                  o[1]->q.depth == depth);
        RO_TRY(halve(d, &a, l->tree, w, &lo, &hi, err));
    }
    w->leaf = lo;
    w->found = n > 1;
    for (int k = 0; k < 2; k++) {
        const sv_opening *leaf = opened(d, l, k, RF_Q_LEAF, lo, hi);
        if (!leaf) continue;
        w->found = 1;
        if (n == 1) vd_leaf_hash(l->tree, leaf->bytes, leaf->size, w->digest[k].b);
    }
    return RO_OK;
}

/* ---- steps and segments ------------------------------------------------------------------ */

/* The claims that the last questions about steps of a segment were put to. */
static void judged_claims(drawing *d)
{
    d->claim[0] = d->claim[1] = RF_NONE;
    for (uint32_t k = 0; k < d->c->count; k++) {
        const rf_question *q = &d->c->list[k].q;
        if (q->tree != VD_TREE_STEPS || q->claim == RF_NONE) continue;
        if (q->kind != RF_Q_HASHES && q->kind != RF_Q_LEAF) continue;
        if (q->parties == 1) d->claim[0] = q->claim;
        if (q->parties == 2) d->claim[1] = q->claim;
    }
}

static int is_asked(const drawing *d, vd_tree_kind tree)
{
    for (uint32_t k = 0; k < d->c->count; k++)
        if (d->c->list[k].q.tree == tree && d->c->list[k].q.kind <= RF_Q_LEAF) return 1;
    for (uint32_t k = 0; k < d->c->open_count; k++)
        if (d->c->open[k].tree == tree && d->c->open[k].kind <= RF_Q_LEAF) return 1;
    return 0;
}

static ro_status draw_steps(drawing *d, ro_err *err)
{
    sv_page_dispute *p = d->p;
    uint64_t first = 0, count = d->j->steps;
    locus steps = {.tree = VD_TREE_STEPS}, segments = {.tree = VD_TREE_SEGMENTS};
    if (d->j->record == VD_RECORD_CHECKPOINT) {
        if (!is_asked(d, VD_TREE_SEGMENTS)) return RO_OK;
        RO_TRY(descend(d, &segments, "segment", vd_job_segments(d->j), 0, &p->segments, err));
        judged_claims(d);
        if (!p->segments.found || d->claim[0] == RF_NONE || d->claim[1] == RF_NONE) return RO_OK;
        vd_job_segment(d->j, p->segments.leaf, &first, &count);
        steps.claimed = 1;
    } else if (!is_asked(d, VD_TREE_STEPS)) return RO_OK;
    RO_TRY(descend(d, &steps, "step", count, first, &p->steps, err));
    if (!p->steps.found) return RO_OK;
    d->step = first + p->steps.leaf;
    d->phase = vd_job_locate(d->j, d->step).phase;
    d->graph = d->j->phases[d->phase].graph;
    return RO_OK;
}

/* ---- the node ---------------------------------------------------------------------------- */

static int gives(const ro_node *n, ro_value v)
{
    return v != RO_NO_VALUE && v >= n->first_output && v - n->first_output < n->outputs;
}

static ro_status neighbours(drawing *d, uint32_t node, ro_err *err)
{
    const ro_graph *g = d->graph;
    const ro_node *n = &g->nodes[node];
    uint32_t *in = ro_arena_alloc(d->a, (n->inputs + 1u) * sizeof *in);
    uint32_t *uses = ro_arena_alloc(d->a, SV_USES_MAX * sizeof *uses);
    if (!in || !uses) return RO_FAIL(err, RO_ENOMEM, "no memory for the neighbours of a node");
    for (uint32_t k = 0; k < node; k++) {
        int is = 0;
        for (uint32_t i = 0; i < n->inputs && !is; i++) is = gives(&g->nodes[k], n->in[i]);
        if (is) in[d->p->input_count++] = k;
    }
    for (uint32_t k = node + 1; k < g->node_count; k++) {
        int is = 0;
        for (uint32_t i = 0; i < g->nodes[k].inputs && !is; i++) is = gives(n, g->nodes[k].in[i]);
        if (!is) continue;
        if (d->p->use_count < SV_USES_MAX) uses[d->p->use_count++] = k;
        d->p->use_total++;
    }
    d->p->inputs = in;
    d->p->uses = uses;
    return RO_OK;
}

static const char *short_hex(ro_arena *a, const vd_digest *x)
{
    char hex[65];
    vd_digest_hex(x, hex);
    return ro_arena_string(a, hex, 16);
}

static ro_status say(drawing *d, sv_page_difference *x, const char *field, uint32_t number,
                     const vd_digest *a, const vd_digest *b, ro_err *err)
{
    char text[32];
    int n = number == RF_NONE ? snprintf(text, sizeof text, "%s", field)
                              : snprintf(text, sizeof text, "%s %u", field, number);
    x->field = ro_arena_string(d->a, text, (size_t)n);
    x->says[0] = short_hex(d->a, a);
    x->says[1] = short_hex(d->a, b);
    x->differs = !vd_digest_equal(a, b);
    if (x->field && x->says[0] && x->says[1]) return RO_OK;
    return RO_FAIL(err, RO_ENOMEM, "no memory for a list of differences");
}

/* What both leaves of the node say, where no number is what differs. */
static ro_status draw_differences(drawing *d, uint32_t node, ro_err *err)
{
    const locus nodes = {.tree = VD_TREE_NODES, .claimed = d->claim[0] != RF_NONE, .in_step = 1};
    const vd_digest descriptor = vd_node_descriptor(d->graph, node);
    vd_node_leaf l[2];
    uint32_t n = 0;
    for (int k = 0; k < 2; k++) {
        ro_err why = {RO_OK, {0}};
        const sv_opening *o = opened(d, &nodes, k, RF_Q_LEAF, node, (uint64_t)node + 1);
        if (!o || vd_node_leaf_decode(o->bytes, o->size, &l[k], &why)) return RO_OK;
    }
    const uint32_t inputs = l[0].inputs < l[1].inputs ? l[0].inputs : l[1].inputs;
    const uint32_t outputs = l[0].outputs < l[1].outputs ? l[0].outputs : l[1].outputs;
    sv_page_difference *x = ro_arena_alloc(d->a, (2u + inputs + outputs) * sizeof *x);
    if (!x) return RO_FAIL(err, RO_ENOMEM, "no memory for a list of differences");
    RO_TRY(say(d, &x[n++], "descriptor", RF_NONE, &l[0].descriptor, &l[1].descriptor, err));
    RO_TRY(say(d, &x[n++], "descriptor in the job", RF_NONE, &descriptor, &descriptor, err));
    for (uint32_t k = 0; k < inputs; k++)
        RO_TRY(say(d, &x[n++], "input", k, &l[0].in[k], &l[1].in[k], err));
    for (uint32_t k = 0; k < outputs; k++)
        RO_TRY(say(d, &x[n++], "output", k, &l[0].out[k], &l[1].out[k], err));
    d->p->differences = x;
    d->p->difference_count = n;
    return RO_OK;
}

static ro_status draw_node(drawing *d, ro_err *err)
{
    const locus nodes = {.tree = VD_TREE_NODES, .claimed = d->claim[0] != RF_NONE, .in_step = 1};
    sv_page_dispute *p = d->p;
    if (!d->graph || !d->graph->node_count || !is_asked(d, VD_TREE_NODES)) return RO_OK;
    RO_TRY(descend(d, &nodes, "node", d->graph->node_count, 0, &p->nodes, err));
    if (!p->nodes.found) return RO_OK;
    const uint32_t node = (uint32_t)p->nodes.leaf;
    p->op = ro_ops[d->graph->nodes[node].op].name;
    p->op_version = ro_ops[d->graph->nodes[node].op].version;
    RO_TRY(neighbours(d, node, err));
    if (p->verdict && (p->verdict->kind == RF_STRUCTURE || p->verdict->kind == RF_INPUTS))
        return draw_differences(d, node, err);
    return RO_OK;
}

/* ---- the element and its values ---------------------------------------------------------- */

#define INDEX_MAX (24u * RO_RANK_MAX + 8u)

static size_t index_text(const ro_type *t, uint64_t element, char text[INDEX_MAX])
{
    uint64_t at[RO_RANK_MAX];
    int n = 1;
    for (uint32_t k = t->rank; k-- > 0;) {
        at[k] = element % (uint64_t)t->dims[k];
        element /= (uint64_t)t->dims[k];
    }
    text[0] = '[';
    for (uint32_t k = 0; k < t->rank; k++)
        n += snprintf(text + n, INDEX_MAX - (size_t)n, "%s%" PRIu64, k ? ", " : "", at[k]);
    n += snprintf(text + n, INDEX_MAX - (size_t)n, "]");
    return (size_t)n;
}

/* The output whose chunks were asked about last. */
static int find_output(drawing *d)
{
    for (uint32_t k = d->c->count; k-- > 0;) {
        const rf_question *q = &d->c->list[k].q;
        if (q->tree != VD_TREE_CHUNKS || q->step != d->step || q->node != d->p->nodes.leaf ||
            (q->kind != RF_Q_HASHES && q->kind != RF_Q_LEAF) || q->parties > 2)
            continue;
        d->output = q->output;
        return d->output < d->graph->nodes[q->node].outputs;
    }
    return 0;
}

/* Both sides' chunk: which of its elements differ, and the first that does. */
static ro_status draw_chunk(drawing *d, const sv_opening *const o[2], ro_err *err)
{
    sv_page_dispute *p = d->p;
    const uint32_t size = ro_dtypes[p->type.dtype].size;
    const size_t bytes = vd_tensor_chunk_bytes(&p->type, p->chunks.leaf);
    if (o[0]->size != bytes || o[1]->size != bytes) return RO_OK;
    const uint32_t count = (uint32_t)(bytes / size);
    uint8_t *unlike = ro_arena_alloc(d->a, count);
    if (!unlike) return RO_FAIL(err, RO_ENOMEM, "no memory for %u elements", count);
    for (uint32_t k = 0; k < count; k++)
        unlike[k] = memcmp(o[0]->bytes + k * size, o[1]->bytes + k * size, size) != 0;
    for (p->element = 0; p->element < count && !unlike[p->element];) p->element++;
    RO_ASSERT(p->element < count); /* chunks of unlike hashes */
    p->unlike = unlike;
    p->element_count = count;
    char text[INDEX_MAX];
    const size_t n =
        index_text(&p->type, p->chunks.leaf * (VD_CHUNK_BYTES / size) + p->element, text);
    p->index = ro_arena_string(d->a, text, n);
    if (!p->index) return RO_FAIL(err, RO_ENOMEM, "no memory for an index");
    p->has_values = 1;
    p->value_type = p->type.dtype;
    for (int k = 0; k < 2; k++) p->values[k] = vd_get_le(o[k]->bytes + p->element * size, size);
    return RO_OK;
}

static ro_status draw_element(drawing *d, ro_err *err)
{
    locus chunks = {.tree = VD_TREE_CHUNKS, .claimed = d->claim[0] != RF_NONE, .in_step = 1,
                    .in_tensor = 1};
    const sv_opening *o[2];
    sv_page_dispute *p = d->p;
    if (!p->nodes.found || !find_output(d)) return RO_OK;
    const ro_node *n = &d->graph->nodes[p->nodes.leaf];
    p->type = d->graph->values[n->first_output + d->output].type;
    chunks.node = (uint32_t)p->nodes.leaf;
    chunks.output = d->output;
    RO_TRY(descend(d, &chunks, "chunk", vd_tensor_chunks(&p->type), 0, &p->chunks, err));
    if (!p->chunks.found) return RO_OK;
    for (int k = 0; k < 2; k++)
        o[k] = opened(d, &chunks, k, RF_Q_LEAF, p->chunks.leaf, p->chunks.leaf + 1);
    return o[0] && o[1] ? draw_chunk(d, o, err) : RO_OK;
}

/* Hashes in the proof of some leaves of n, ascending: docs/FORMATS.md, "Operands". at is used
 * up. */
static uint64_t proof_hashes(uint64_t n, uint64_t *at, uint64_t count)
{
    uint64_t hashes = 0;
    for (; n > 1; n = (n + 1) / 2) {
        uint64_t parents = 0;
        for (uint64_t k = 0; k < count; k++) {
            const int pair = k + 1 < count && at[k + 1] == (at[k] ^ 1);
            hashes += !pair && (at[k] ^ 1) < n;
            at[parents++] = at[k] / 2;
            k += (uint64_t)pair;
        }
        count = parents;
    }
    return hashes;
}

/* Behind the chunks of one input and their proof. Returns how many there are. */
static uint64_t pass_input(const drawing *d, const ro_node *n, vd_in *in)
{
    const uint32_t input = vd_in_u32(in);
    const uint64_t count = vd_in_u32(in);
    const uint8_t *places = vd_in_bytes(in, count * 8);
    if (in->bad || input >= n->inputs || n->in[input] == RO_NO_VALUE) return 0;
    const ro_type *t = &d->graph->values[n->in[input]].type;
    uint64_t *at = ro_arena_alloc(d->a, (size_t)count * sizeof *at);
    if (!at) return 0;
    for (uint64_t k = 0; k < count; k++) {
        at[k] = vd_get_u64(places + 8 * k);
        (void)vd_in_bytes(in, vd_tensor_chunk_bytes(t, at[k]));
    }
    (void)vd_in_bytes(in, proof_hashes(vd_tensor_chunks(t), at, count) * VD_DIGEST);
    return count;
}

/* How many chunks an answer of operands has; 0: it cannot be told. */
static uint64_t chunks_in(const drawing *d, const sv_opening *o)
{
    vd_in in = {o->bytes, o->size, 0, 0};
    uint64_t all = 0;
    const ro_node *n = &d->graph->nodes[o->q.node];
    const uint32_t inputs = vd_in_u32(&in);
    for (uint32_t k = 0; k < inputs && !in.bad; k++) all += pass_input(d, n, &in);
    return in.bad || vd_in_left(&in) ? 0 : all;
}

/* Operations of one element of the output that differs. */
static uint64_t element_flops(const drawing *d)
{
    const ro_node *n = &d->graph->nodes[d->p->nodes.leaf];
    ro_type in[RO_INPUTS_MAX];
    memset(in, 0, sizeof in);
    if (!ro_ops[n->op].flops || n->inputs > RO_INPUTS_MAX) return 0;
    for (uint32_t k = 0; k < n->inputs; k++)
        if (n->in[k] != RO_NO_VALUE) in[k] = d->graph->values[n->in[k]].type;
    return ro_ops[n->op].flops(n->attrs, in, n->inputs, &d->p->type);
}

/* What the verdict has of values: those of the part, where a part decided. */
static void draw_values(drawing *d)
{
    static const ro_dtype of[RO_C_COUNT] = {RO_F32, RO_F64, RO_I64, RO_U64};
    const rf_verdict *v = d->p->verdict;
    sv_page_dispute *p = d->p;
    for (uint32_t k = 0; k < d->c->count && d->graph; k++) {
        const sv_opening *o = &d->c->list[k];
        if (o->bytes && o->q.kind == RF_Q_OPERANDS && o->q.node < d->graph->node_count)
            p->reads = chunks_in(d, o);
    }
    if (!v || !v->has_value) return;
    p->is_part = v->method == RF_BY_PARTIAL;
    if (!p->is_part && p->chunks.found) p->element_flops = element_flops(d);
    p->has_recomputed = p->has_values = 1;
    p->recomputed = v->recomputed;
    for (int k = 0; k < 2; k++) p->values[k] = v->claimed[k];
    p->value_type = v->type.dtype;
    if (p->is_part) {
        const ro_graph *g = d->j->phases[v->phase].graph;
        p->value_type = of[ro_dtypes[g->values[g->nodes[v->node].in[0]].type.dtype].compute];
    }
}

/* ---- all of it --------------------------------------------------------------------------- */

static void draw_state(drawing *d)
{
    sv_page_dispute *p = d->p;
    p->verdict = d->c->has_verdict ? &d->c->verdict : NULL;
    p->state = !p->verdict ? SV_DISPUTE_OPEN
               : p->verdict->guilty_count ? SV_DISPUTE_DECIDED : SV_DISPUTE_UNDECIDED;
    p->faulted = p->verdict && p->verdict->alarm;
    for (uint32_t k = 0; p->verdict && k < p->verdict->guilty_count; k++) {
        RO_ASSERT(p->verdict->guilty[k].party < 2);
        p->guilty[p->verdict->guilty[k].party] = 1;
    }
    p->questions = d->c->count;
    for (uint32_t k = 0; k < d->c->count; k++) p->bytes_read += d->c->list[k].size;
    p->recomputed_count = p->verdict ? p->verdict->elements_recomputed : 0;
}

ro_status sv_course_draw(const sv_course *c, const vd_job *j, ro_arena *a, sv_page_dispute *p,
                         ro_err *err)
{
    drawing d = {c, j, a, p, {RF_NONE, RF_NONE}, 0, 0, NULL, 0};
    p->job = j->digest;
    p->steps_total = j->steps;
    p->op = p->index = "";
    draw_state(&d);
    RO_TRY(draw_steps(&d, err));
    RO_TRY(draw_node(&d, err));
    RO_TRY(draw_element(&d, err));
    draw_values(&d);
    return RO_OK;
}
