/* recompute.c - one element, one part of an element, one operator, some steps: what the referee
 * computes itself.
 *
 * Invariants
 *   1. Elements and parts come from scalar bodies, which read nothing but chunks that were
 *      checked against an agreed digest.
 *   2. An answer holds exactly the chunks that are read: none is missing and none idle.
 *   3. Operators and steps run through a backend, on whole tensors, as a party runs them. */
#include "game.h"

#include <string.h>

#include "../verde/bytes.h"

/* ---- the node in question --------------------------------------------------------------- */

void rf_node_init(rf_node *n, const vd_job *j, uint32_t phase, uint32_t node,
                  const vd_digest *present)
{
    const ro_graph *g = j->phases[phase].graph;
    memset(n, 0, sizeof *n);
    n->job = j;
    n->graph = g;
    n->node = &g->nodes[node];
    n->inputs = n->node->inputs;
    n->outputs = n->node->outputs;
    for (uint32_t k = 0, at = 0; k < n->inputs; k++) {
        if (n->node->in[k] == RO_NO_VALUE) continue;
        n->in[k] = g->values[n->node->in[k]].type;
        n->digest[k] = present[at++];
    }
    for (uint32_t k = 0; k < n->outputs; k++) n->out[k] = g->values[n->node->first_output + k].type;
}

static uint64_t at_most(uint64_t a, uint64_t limit) { return a < limit ? a : limit; }

uint64_t rf_element_bytes(const rf_node *n, uint32_t output)
{
    const ro_op_desc *d = &ro_ops[n->node->op];
    uint64_t sum = 0, bytes;
    for (uint32_t k = 0; k < n->inputs; k++) {
        if (n->in[k].dtype == RO_NONE) continue;
        uint64_t reads = d->reads(n->node->attrs, n->in, n->inputs, &n->out[output], k);
        uint64_t all = ro_type_bytes(&n->in[k]);
        if (!ro_mul_size(at_most(reads, vd_tensor_chunks(&n->in[k])), VD_CHUNK_BYTES, &bytes) ||
            bytes > all)
            bytes = all;
        if (!ro_add_size(sum, bytes, &sum)) return UINT64_MAX;
    }
    return sum;
}

static void reader_init(const rf_node *n, ro_reader *r)
{
    memset(r, 0, sizeof *r);
    r->in = n->in;
    r->out = n->out;
    r->inputs = n->inputs;
    r->outputs = n->outputs;
}

static const ro_explain *explain_of(const rf_node *n, ro_reader *r)
{
    reader_init(n, r);
    return ro_explain_of(n->node->op, r);
}

int rf_is_partial(const rf_node *n, uint32_t output)
{
    ro_reader r;
    return explain_of(n, &r) && rf_element_bytes(n, output) > RF_PARTIAL_BYTES;
}

/* ---- operands: chunks that were handed over --------------------------------------------- */

/* An answer: count u32, then for each chunk, ascending by (input, chunk): input u32, chunk u64,
 * bytes u32, path hashes u32, the bytes, the path. */
#define OPERAND_HEAD 20u

static int operand_after(const rf_operand *a, const rf_operand *b)
{
    return b->input > a->input || (b->input == a->input && b->chunk > a->chunk);
}

static int operand_holds(const rf_node *n, const rf_operand *o)
{
    return o->input < n->inputs && n->in[o->input].dtype != RO_NONE &&
           vd_tensor_chunk_verify(&n->in[o->input], n->digest[o->input].b, o->chunk, o->bytes,
                                  o->size, o->path, o->path_size);
}

ro_status rf_operands_parse(const rf_node *n, const uint8_t *bytes, size_t size, rf_operands *o,
                            ro_arena *a, int *ok, ro_err *err)
{
    vd_in in = {bytes, size, 0, 0};
    uint32_t count = vd_in_u32(&in);
    memset(o, 0, sizeof *o);
    o->node = n;
    *ok = 0;
    if (in.bad || count > vd_in_left(&in) / OPERAND_HEAD) return RO_OK;
    o->list = ro_arena_alloc(a, (count + 1) * sizeof *o->list);
    if (!o->list) return RO_FAIL(err, RO_ENOMEM, "no memory for %u operand chunks", count);
    for (uint32_t k = 0; k < count; k++) {
        rf_operand *x = &o->list[k];
        x->input = vd_in_u32(&in);
        x->chunk = vd_in_u64(&in);
        x->size = vd_in_u32(&in);
        x->path_size = vd_in_u32(&in);
        x->bytes = vd_in_bytes(&in, x->size);
        x->path = vd_in_bytes(&in, (uint64_t)x->path_size * VD_DIGEST);
        if (in.bad || (k && !operand_after(x - 1, x))) return RO_OK;
    }
    o->count = count;
    *ok = vd_in_left(&in) == 0;
    return RO_OK;
}

static rf_operand *find_operand(rf_operands *o, uint32_t input, uint64_t chunk)
{
    rf_operand *last = &o->list[o->last];
    if (o->last < o->count && last->input == input && last->chunk == chunk) return last;
    uint32_t lo = 0, hi = o->count;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        rf_operand *x = &o->list[mid];
        if (x->input == input && x->chunk == chunk) {
            o->last = mid;
            return x;
        }
        if (x->input < input || (x->input == input && x->chunk < chunk)) lo = mid + 1;
        else hi = mid;
    }
    return NULL;
}

static uint64_t fetch(const ro_reader *r, uint32_t input, uint64_t element)
{
    rf_operands *o = r->ctx;
    uint32_t size = ro_dtypes[r->in[input].dtype].size;
    uint64_t at = element * size;
    if (element >= ro_type_elements(&r->in[input])) return 0; /* bodies do not; costs little */
    rf_operand *x = find_operand(o, input, at / VD_CHUNK_BYTES);
    if (!x || at % VD_CHUNK_BYTES + size > x->size) {
        o->missing++;
        return 0;
    }
    x->touched = 1;
    return vd_get_le(x->bytes + at % VD_CHUNK_BYTES, size);
}

static void operands_reader(rf_operands *o, ro_reader *r)
{
    reader_init(o->node, r);
    r->fetch = fetch;
    r->ctx = o;
}

uint64_t rf_compute(rf_operands *o, uint32_t output, uint64_t element)
{
    ro_reader r;
    operands_reader(o, &r);
    return ro_at(o->node->node->op, &r, o->node->node->attrs, output, element);
}

int rf_operands_exact(const rf_operands *o)
{
    for (uint32_t k = 0; k < o->count; k++)
        if (!o->list[k].touched) return 0;
    return o->missing == 0;
}

/* ---- parts: 3d -------------------------------------------------------------------------- */

uint32_t rf_part_levels(const rf_node *n, uint32_t output, uint64_t element)
{
    ro_reader r;
    uint64_t count[RO_LEVELS_MAX];
    const ro_explain *e = explain_of(n, &r);
    return e->levels(&r, n->node->attrs, output, element, count);
}

uint32_t rf_part_needs(const rf_node *n, uint32_t output, uint64_t element, const rf_part *part,
                       ro_parts needs[RO_NEEDS_MAX], uint64_t *total)
{
    ro_reader r;
    const ro_explain *e = explain_of(n, &r);
    uint32_t count = e->needs(&r, n->node->attrs, output, element, part->level, part->index, needs);
    *total = 0;
    for (uint32_t k = 0; k < count; k++) *total += needs[k].end - needs[k].begin;
    return count;
}

int rf_agreed_bits(const rf_part *part, uint32_t level, uint64_t index, uint64_t *bits)
{
    for (uint32_t k = part->agreed_count; k-- > 0;) {
        const rf_run *a = &part->agreed[k];
        if (a->run.level != level || index < a->run.begin || index >= a->run.end) continue;
        *bits = vd_get_u64(a->bits + 8 * (index - a->run.begin));
        return 1;
    }
    return 0;
}

int rf_parts_agreed(const rf_part *part, const ro_parts *needs, uint32_t count)
{
    uint64_t bits;
    for (uint32_t k = 0; k < count; k++)
        for (uint64_t i = needs[k].begin; i < needs[k].end; i++)
            if (!rf_agreed_bits(part, needs[k].level, i, &bits)) return 0;
    return 1;
}

int rf_part_descend(rf_part *part, const ro_parts *needs, uint32_t count,
                    const uint8_t *const answer[2])
{
    uint64_t at = 0;
    for (uint32_t r = 0; r < count; r++) {
        uint64_t run = needs[r].end - needs[r].begin, i = 0;
        const uint8_t *a = answer[0] + 8 * at, *b = answer[1] + 8 * at;
        while (i < run && memcmp(a + 8 * i, b + 8 * i, 8) == 0) i++;
        if (i && part->agreed_count < RF_RUNS_MAX)
            part->agreed[part->agreed_count++] =
                (rf_run){{needs[r].level, needs[r].begin, needs[r].begin + i}, a};
        if (i < run) {
            part->level = needs[r].level;
            part->index = needs[r].begin + i;
            part->value[0] = vd_get_u64(a + 8 * i);
            part->value[1] = vd_get_u64(b + 8 * i);
            return 1;
        }
        at += run;
    }
    return 0;
}

/* Claims that part() sees: an answer's bits of the needs in order, or what is agreed. */
typedef struct {
    const rf_part *part;
    const uint8_t *answer;
    const ro_parts *needs;
    uint32_t count;
    int complete;
} claimed;

static uint64_t claimed_bits(const ro_claims *claims, uint32_t level, uint64_t index)
{
    claimed *c = claims->ctx;
    uint64_t bits = 0, at = 0;
    for (uint32_t k = 0; c->answer && k < c->count; k++) {
        const ro_parts *n = &c->needs[k];
        if (n->level == level && index >= n->begin && index < n->end)
            return vd_get_u64(c->answer + 8 * (at + index - n->begin));
        at += n->end - n->begin;
    }
    if (!rf_agreed_bits(c->part, level, index, &bits)) c->complete = 0;
    return bits;
}

uint64_t rf_compute_part(rf_operands *o, uint32_t output, uint64_t element, const rf_part *part,
                         const uint8_t *answer, int *complete)
{
    ro_reader r;
    ro_parts needs[RO_NEEDS_MAX];
    uint64_t total;
    const ro_explain *e = explain_of(o->node, &r);
    claimed c = {part, answer, needs, 0, 1};
    ro_claims claims = {claimed_bits, &c};
    c.count = rf_part_needs(o->node, output, element, part, needs, &total);
    operands_reader(o, &r);
    uint64_t bits = e->part(&r, o->node->node->attrs, output, element, part->level, part->index,
                            &claims);
    *complete = c.complete;
    return bits;
}

/* What an answer of operands must cover: the element, or one part whose claims read as zero, since
 * what a part reads does not hang on other parts. */
static void touch(rf_operands *o, const rf_question *q)
{
    rf_part part;
    int complete;
    if (q->level == RF_NONE) {
        (void)rf_compute(o, q->output, q->element);
        return;
    }
    memset(&part, 0, sizeof part);
    part.level = q->level;
    part.index = q->index;
    (void)rf_compute_part(o, q->output, q->element, &part, NULL, &complete);
}

ro_status rf_operands_hold(const rf_node *n, const rf_question *q, const rf_part *part,
                           const uint8_t *bytes, size_t size, int *ok, ro_err *err)
{
    rf_operands o;
    ro_arena *a = ro_arena_new();
    (void)part;
    if (!a) return RO_FAIL(err, RO_ENOMEM, "no memory to check operands");
    ro_status st = rf_operands_parse(n, bytes, size, &o, a, ok, err);
    if (!st && *ok) {
        for (uint32_t k = 0; *ok && k < o.count; k++) *ok = operand_holds(n, &o.list[k]);
        if (*ok) touch(&o, q);
        *ok = *ok && rf_operands_exact(&o);
    }
    ro_arena_free(a);
    return st;
}

/* An explanation holds when it repeats what is agreed and folds to the value it explains. */
ro_status rf_parts_hold(const rf_node *n, const rf_question *q, const rf_part *part, int side,
                        const uint8_t *bytes, size_t size, int *ok, ro_err *err)
{
    ro_parts needs[RO_NEEDS_MAX];
    uint64_t total, at = 0, agreed;
    rf_operands o;
    int complete;
    *ok = 0;
    if (q->level != part->level || q->index != part->index) return RO_OK;
    uint32_t count = rf_part_needs(n, q->output, q->element, part, needs, &total);
    if (total > RF_PARTS_MAX || size != total * 8) return RO_OK;
    for (uint32_t k = 0; k < count; k++)
        for (uint64_t i = needs[k].begin; i < needs[k].end; i++, at++)
            if (rf_agreed_bits(part, needs[k].level, i, &agreed) &&
                agreed != vd_get_u64(bytes + 8 * at))
                return RO_OK;
    ro_arena *a = ro_arena_new();
    if (!a) return RO_FAIL(err, RO_ENOMEM, "no memory to check an explanation");
    ro_status st = rf_operands_parse(n, part->operands, part->operands_size, &o, a, ok, err);
    if (!st && *ok)
        *ok = rf_compute_part(&o, q->output, q->element, part, bytes, &complete) ==
                  part->value[side] &&
              complete && o.missing == 0;
    ro_arena_free(a);
    return st;
}

/* ---- writing an answer ------------------------------------------------------------------ */

/* What a body reads is discovered: a list of wanted chunks grows until nothing is missing. */
typedef struct { uint32_t input; uint64_t chunk; } want;
typedef struct {
    const rf_node *node;
    const rf_chunk_source *source;
    want *list;
    uint64_t count, room;
    uint8_t *cache; /* bytes of the chunk read last */
    uint32_t cache_input;
    uint64_t cache_chunk;
    size_t cache_size;
    ro_status status;
} discovery;

static int want_before(const want *a, uint32_t input, uint64_t chunk)
{
    return a->input < input || (a->input == input && a->chunk < chunk);
}

static uint64_t want_place(const discovery *d, uint32_t input, uint64_t chunk)
{
    uint64_t lo = 0, hi = d->count;
    while (lo < hi) {
        uint64_t mid = lo + (hi - lo) / 2;
        if (want_before(&d->list[mid], input, chunk)) lo = mid + 1;
        else hi = mid;
    }
    return lo;
}

static int add_want(discovery *d, uint32_t input, uint64_t chunk)
{
    uint64_t at = want_place(d, input, chunk);
    if (at < d->count && d->list[at].input == input && d->list[at].chunk == chunk) return 1;
    if (d->count == d->room) {
        uint64_t room = d->room ? 2 * d->room : 64;
        want *list = ro_resize(d->list, d->room * sizeof *list, room * sizeof *list);
        if (!list) return 0;
        d->list = list;
        d->room = room;
    }
    memmove(d->list + at + 1, d->list + at, (d->count - at) * sizeof *d->list);
    d->list[at] = (want){input, chunk};
    d->count++;
    return 1;
}

static uint64_t discover(const ro_reader *r, uint32_t input, uint64_t element)
{
    discovery *d = r->ctx;
    uint32_t size = ro_dtypes[r->in[input].dtype].size, path_size;
    uint64_t at = element * size, chunk = at / VD_CHUNK_BYTES;
    if (d->status || element >= ro_type_elements(&r->in[input])) return 0;
    if (d->cache_size == 0 || d->cache_input != input || d->cache_chunk != chunk) {
        const uint8_t *bytes, *path;
        size_t n;
        if (!d->source->chunk(d->source->ctx, &d->node->digest[input], &r->in[input], chunk, &bytes,
                              &n, &path, &path_size) || n > VD_CHUNK_BYTES) {
            d->status = RO_ENOTFOUND;
            return 0;
        }
        memcpy(d->cache, bytes, n);
        d->cache_input = input;
        d->cache_chunk = chunk;
        d->cache_size = n;
        if (!add_want(d, input, chunk)) d->status = RO_ENOMEM;
    }
    if (at % VD_CHUNK_BYTES + size > d->cache_size) return 0;
    return vd_get_le(d->cache + at % VD_CHUNK_BYTES, size);
}

static uint64_t no_claim(const ro_claims *claims, uint32_t level, uint64_t index)
{
    (void)claims;
    (void)level;
    (void)index;
    return 0;
}

static void run_discovery(discovery *d, const rf_question *q)
{
    ro_reader r;
    const ro_node *node = d->node->node;
    const ro_explain *e = explain_of(d->node, &r);
    const ro_claims none = {no_claim, NULL};
    r.fetch = discover;
    r.ctx = d;
    if (q->level == RF_NONE) (void)ro_at(node->op, &r, node->attrs, q->output, q->element);
    else (void)e->part(&r, node->attrs, q->output, q->element, q->level, q->index, &none);
}

static int write_chunk(const discovery *d, const want *w, vd_out *o)
{
    const uint8_t *bytes, *path;
    size_t n;
    uint32_t path_size;
    if (!d->source->chunk(d->source->ctx, &d->node->digest[w->input], &d->node->in[w->input],
                          w->chunk, &bytes, &n, &path, &path_size))
        return 0;
    vd_out_u32(o, w->input);
    vd_out_u64(o, w->chunk);
    vd_out_u32(o, (uint32_t)n);
    vd_out_u32(o, path_size);
    vd_out_bytes(o, bytes, n);
    vd_out_bytes(o, path, path_size * (size_t)VD_DIGEST);
    return 1;
}

static ro_status write_wanted(const discovery *d, uint8_t **answer, size_t *size, ro_err *err)
{
    vd_out o = {NULL, 4};
    uint64_t room = 4;
    for (uint64_t k = 0; k < d->count; k++) {
        const ro_type *t = &d->node->in[d->list[k].input];
        room += OPERAND_HEAD + vd_tensor_chunk_bytes(t, d->list[k].chunk) +
                (uint64_t)vd_proof_size(vd_tensor_chunks(t), d->list[k].chunk) * VD_DIGEST;
    }
    if (d->count > UINT32_MAX || room > RF_EVIDENCE_MAX)
        return RO_FAIL(err, RO_ELIMIT, "the operands take %llu bytes; %llu are allowed",
                       (unsigned long long)room, (unsigned long long)RF_EVIDENCE_MAX);
    o.to = ro_alloc(room);
    if (!o.to) return RO_FAIL(err, RO_ENOMEM, "no memory for operands");
    vd_put_le(o.to, d->count, 4);
    for (uint64_t k = 0; k < d->count; k++)
        if (!write_chunk(d, &d->list[k], &o) || o.n > room) {
            ro_free(o.to);
            return RO_FAIL(err, RO_ENOTFOUND, "an operand's chunk cannot be read");
        }
    *answer = o.to;
    *size = o.n;
    return RO_OK;
}

ro_status rf_operands_write(const rf_node *n, const rf_question *q, const rf_chunk_source *s,
                            uint8_t **answer, size_t *size, ro_err *err)
{
    discovery d;
    memset(&d, 0, sizeof d);
    d.node = n;
    d.source = s;
    d.cache = ro_alloc(VD_CHUNK_BYTES);
    if (!d.cache) return RO_FAIL(err, RO_ENOMEM, "no memory for operands");
    run_discovery(&d, q);
    ro_status st = d.status;
    if (st == RO_ENOTFOUND) st = RO_FAIL(err, st, "an input of the element is in no store");
    else if (st) st = RO_FAIL(err, st, "no memory for operands");
    else st = write_wanted(&d, answer, size, err);
    ro_free(d.list);
    ro_free(d.cache);
    return st;
}

ro_status rf_parts_write(const rf_node *n, const rf_question *q, const uint64_t *parts,
                         const uint64_t *count, uint8_t **answer, size_t *size, ro_err *err)
{
    ro_parts needs[RO_NEEDS_MAX];
    uint64_t total, first[RO_LEVELS_MAX + 1] = {0};
    rf_part part;
    memset(&part, 0, sizeof part);
    part.level = q->level;
    part.index = q->index;
    for (uint32_t k = 0; k < RO_LEVELS_MAX && k <= q->level; k++)
        first[k + 1] = first[k] + count[k];
    uint32_t runs = rf_part_needs(n, q->output, q->element, &part, needs, &total);
    if (total > RF_PARTS_MAX)
        return RO_FAIL(err, RO_ELIMIT, "a part needs %llu others; %llu are allowed",
                       (unsigned long long)total, (unsigned long long)RF_PARTS_MAX);
    vd_out o = {ro_alloc(total * 8), 0};
    if (!o.to) return RO_FAIL(err, RO_ENOMEM, "no memory for an explanation");
    for (uint32_t k = 0; k < runs; k++)
        for (uint64_t i = needs[k].begin; i < needs[k].end; i++)
            vd_out_u64(&o, parts[first[needs[k].level] + i]);
    *answer = o.to;
    *size = o.n;
    return RO_OK;
}

/* ---- whole operators -------------------------------------------------------------------- */

typedef struct { vd_digest *digests; ro_value first; } sink;

static void take_digest(void *ctx, ro_value v, const uint8_t digest[32])
{
    sink *s = ctx;
    memcpy(s->digests[v - s->first].b, digest, VD_DIGEST);
}

/* The node alone, its inputs as constants. */
static ro_status lone_graph(const rf_node *n, ro_arena *a, ro_graph **out, ro_value *first,
                            ro_err *err)
{
    ro_value in[RO_INPUTS_MAX];
    ro_graph *g;
    RO_TRY(ro_graph_new(a, &g, err));
    for (uint32_t k = 0; k < n->inputs; k++) {
        in[k] = RO_NO_VALUE;
        if (n->in[k].dtype != RO_NONE) RO_TRY(ro_graph_constant(g, k, &n->in[k], &in[k], err));
    }
    RO_TRY(ro_graph_node(g, n->node->op, n->node->attrs, in, n->inputs, n->outputs, first, err));
    for (uint32_t k = 0; k < n->outputs; k++) RO_TRY(ro_graph_add_output(g, *first + k, err));
    *out = g;
    return RO_OK;
}

static ro_status one_element(const rf_node *n, const ro_backend *b, ro_plan *plan, ro_value v,
                             uint32_t output, uint64_t element, uint64_t *bits, ro_err *err)
{
    const ro_type *t = &n->out[output];
    uint8_t canonical[8], *data = ro_alloc(ro_type_bytes(t));
    uint32_t size = ro_dtypes[t->dtype].size;
    if (!data) return RO_FAIL(err, RO_ENOMEM, "no memory for an operator's output");
    ro_status st = b->value(plan, v, data, err);
    if (!st) {
        ro_canonical_bytes(t->dtype, data + element * size, canonical, 1);
        *bits = vd_get_le(canonical, size);
    }
    ro_free(data);
    return st;
}

static ro_status run_lone(const rf_node *n, const ro_backend *b, ro_device *d, ro_state *state,
                          const void *const *data, vd_digest *digests, uint32_t output,
                          uint64_t element, uint64_t *bits, ro_arena *a, ro_err *err)
{
    ro_graph *g;
    ro_value first;
    ro_plan *plan = NULL;
    RO_TRY(lone_graph(n, a, &g, &first, err));
    uint8_t *all = ro_arena_alloc(a, g->value_count);
    if (!all) return RO_FAIL(err, RO_ENOMEM, "no memory to run an operator");
    for (uint32_t k = 0; k < n->outputs; k++) all[first + k] = 1;
    ro_plan_options o = {data, n->inputs, 0, 1, vd_tensor_digest};
    sink s = {digests, first};
    ro_step_options so = {digests ? all : NULL, take_digest, &s, NULL};
    RO_TRY(b->plan(d, state, g, &o, &plan, err));
    ro_status st = b->step(plan, &so, err);
    if (!st && bits) st = one_element(n, b, plan, first + output, output, element, bits, err);
    b->plan_free(plan);
    return st;
}

ro_status rf_run_operator(const rf_node *n, const ro_backend *b, ro_pool *pool,
                          const void *const *data, vd_digest *digests, uint32_t output,
                          uint64_t element, uint64_t *bits, ro_err *err)
{
    ro_device *d = NULL;
    ro_state *state = NULL;
    ro_arena *a = ro_arena_new();
    if (!a) return RO_FAIL(err, RO_ENOMEM, "no memory to run an operator");
    ro_type step = ro_type_of(RO_I64, 0, NULL);
    ro_status st = b->open(pool, &d, err);
    if (!st) st = b->state_new(d, &step, 1, &state, err);
    if (!st) st = run_lone(n, b, d, state, data, digests, output, element, bits, a, err);
    if (state) b->state_free(state);
    if (d) b->close(d);
    ro_arena_free(a);
    return st;
}

/* ---- steps and segments ----------------------------------------------------------------- */

void rf_range_steps(const vd_job *j, vd_tree_kind tree, uint64_t lo, uint64_t hi, uint64_t *first,
                    uint64_t *end)
{
    *first = lo;
    *end = hi;
    if (tree != VD_TREE_SEGMENTS) return;
    *first = lo * j->segment;
    *end = hi == vd_job_segments(j) ? j->steps : hi * j->segment;
}

/* The hash of a step's node tree from the digests of a run. */
static ro_status node_root(const vd_job *j, const vd_step_result *r, uint32_t phase,
                           uint8_t *leaves, vd_digest *root)
{
    const ro_graph *g = j->phases[phase].graph;
    const vd_digest *d = r->digests;
    uint8_t bytes[VD_NODE_LEAF_BYTES(RO_INPUTS_MAX, RO_OUTPUTS_MAX)];
    for (uint32_t i = 0; i < g->node_count; i++) {
        vd_node_leaf l = {r->global, i, vd_node_descriptor(g, i), vd_node_inputs(&g->nodes[i]),
                          g->nodes[i].outputs, d, NULL};
        l.out = d + l.inputs;
        vd_leaf_hash(VD_TREE_NODES, bytes, vd_node_leaf_encode(&l, bytes), leaves + i * VD_DIGEST);
        d += l.inputs + l.outputs;
    }
    vd_tree_root(VD_TREE_NODES, leaves, g->node_count, root->b);
    return RO_OK;
}

typedef struct {
    const vd_job *job;
    vd_exec *e;
    uint8_t *leaves;
    vd_digest state;           /* after the last step */
    vd_frontier tree, outputs; /* outputs: of the segment that is being run */
} ranging;

static ro_status range_step(ranging *x, vd_tree_kind tree, uint64_t segment_end, ro_err *err)
{
    const vd_job *j = x->job;
    vd_step_result r;
    uint8_t leaf[VD_STEP_LEAF_BYTES], hash[VD_DIGEST];
    uint64_t step = vd_exec_steps(x->e);
    int full = tree == VD_TREE_STEPS, ends = step + 1 == segment_end;
    RO_TRY(vd_exec_step(x->e, full, full || ends, &r, err));
    x->state = r.state;
    if (full) {
        vd_place at = vd_job_locate(j, step);
        vd_step_leaf l = {at.repeat, at.phase, at.step, step, r.state, r.outputs, {{0}}};
        RO_TRY(node_root(j, &r, at.phase, x->leaves, &l.nodes));
        vd_leaf_hash(VD_TREE_STEPS, leaf, vd_step_leaf_encode(&l, leaf), hash);
        vd_frontier_append(&x->tree, hash);
        return RO_OK;
    }
    vd_leaf_hash(VD_TREE_OUTPUTS, r.outputs.b, VD_DIGEST, hash);
    vd_frontier_append(tree == VD_TREE_OUTPUTS ? &x->tree : &x->outputs, hash);
    if (tree != VD_TREE_SEGMENTS || !ends) return RO_OK;
    vd_segment_leaf s = {step / j->segment, 0, 0, r.state, {{0}}};
    vd_job_segment(j, s.index, &s.first, &s.count);
    vd_frontier_root(&x->outputs, s.outputs.b);
    vd_leaf_hash(VD_TREE_SEGMENTS, leaf, vd_segment_leaf_encode(&s, leaf), hash);
    vd_frontier_append(&x->tree, hash);
    vd_frontier_init(&x->outputs, VD_TREE_OUTPUTS);
    return RO_OK;
}

ro_status rf_run_range(vd_exec *e, const vd_job *j, vd_tree_kind tree, uint64_t lo, uint64_t hi,
                       vd_digest *hash, vd_digest *state, ro_err *err)
{
    ranging x;
    uint64_t first, end;
    uint32_t widest = 1;
    ro_status st = RO_OK;
    rf_range_steps(j, tree, lo, hi, &first, &end);
    RO_ASSERT(vd_exec_steps(e) == first);
    for (uint32_t p = 0; p < j->phase_count; p++)
        if (j->phases[p].graph->node_count > widest) widest = j->phases[p].graph->node_count;
    memset(&x, 0, sizeof x);
    x.job = j;
    x.e = e;
    x.leaves = ro_alloc((uint64_t)widest * VD_DIGEST);
    if (!x.leaves) return RO_FAIL(err, RO_ENOMEM, "no memory to run steps again");
    vd_frontier_init(&x.tree, tree);
    vd_frontier_init(&x.outputs, VD_TREE_OUTPUTS);
    while (!st && vd_exec_steps(e) < end) {
        uint64_t segment_end = end;
        if (tree == VD_TREE_SEGMENTS) {
            uint64_t k = vd_exec_steps(e) / j->segment, from, count;
            vd_job_segment(j, k, &from, &count);
            segment_end = from + count;
        }
        st = range_step(&x, tree, segment_end, err);
    }
    if (!st) vd_frontier_root(&x.tree, hash->b);
    if (!st) *state = x.state;
    ro_free(x.leaves);
    return st;
}
