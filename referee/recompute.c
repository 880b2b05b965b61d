/* recompute.c - one element, or one part of an element: what the referee computes itself.
 *
 * Invariants
 *   1. Elements and parts come from scalar bodies, which read nothing but chunks that were
 *      checked against an agreed digest.
 *   2. An explanation holds when it repeats what is agreed and folds to what it explains.
 *   3. Of what a runner brings back only numbers count: nothing is an address or a size. */
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

void rf_reader_of(const rf_node *n, const void *const *data, ro_reader *r)
{
    memset(r, 0, sizeof *r);
    r->in = n->in;
    r->out = n->out;
    r->inputs = n->inputs;
    r->outputs = n->outputs;
    r->data = data;
}

const ro_explain *rf_explain_of(const rf_node *n, ro_reader *r)
{
    rf_reader_of(n, NULL, r);
    return ro_explain_of(n->node->op, r);
}

int rf_is_partial(const rf_node *n, uint32_t output)
{
    ro_reader r;
    return rf_explain_of(n, &r) && rf_element_bytes(n, output) > RF_PARTIAL_BYTES;
}

/* ---- elements --------------------------------------------------------------------------- */

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
    rf_reader_of(o->node, NULL, r);
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
    const ro_explain *e = rf_explain_of(n, &r);
    return e->levels(&r, n->node->attrs, output, element, count);
}

uint32_t rf_part_needs(const rf_node *n, uint32_t output, uint64_t element, const rf_part *part,
                       ro_parts needs[RO_NEEDS_MAX], uint64_t *total)
{
    ro_reader r;
    const ro_explain *e = rf_explain_of(n, &r);
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

uint64_t rf_unknown_claim(const rf_node *n)
{
    if (n->inputs == 0 || n->in[0].dtype == RO_NONE) return 1;
    ro_compute c = ro_dtypes[n->in[0].dtype].compute;
    return c == RO_C_F32 ? 0x3f800000 : c == RO_C_F64 ? UINT64_C(0x3ff0000000000000) : 1;
}

/* Claims that part() sees: an answer's bits of the needs in order, or what is agreed. */
typedef struct {
    const rf_part *part;
    const uint8_t *answer;
    const ro_parts *needs;
    uint32_t count;
    int complete;
    uint64_t one;
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
    if (rf_agreed_bits(c->part, level, index, &bits)) return bits;
    c->complete = 0;
    return c->one;
}

uint64_t rf_compute_part(rf_operands *o, uint32_t output, uint64_t element, const rf_part *part,
                         const uint8_t *answer, int *complete)
{
    ro_reader r;
    ro_parts needs[RO_NEEDS_MAX];
    uint64_t total;
    const ro_explain *e = rf_explain_of(o->node, &r);
    claimed c = {part, answer, needs, 0, 1, rf_unknown_claim(o->node)};
    ro_claims claims = {claimed_bits, &c};
    c.count = rf_part_needs(o->node, output, element, part, needs, &total);
    operands_reader(o, &r);
    uint64_t bits = e->part(&r, o->node->node->attrs, output, element, part->level, part->index,
                            &claims);
    *complete = c.complete;
    return bits;
}

/* ---- where bodies run ------------------------------------------------------------------- */

typedef struct {
    rf_operands *operands;
    uint32_t output;
    uint64_t element;
    const rf_part *part; /* NULL: the whole element */
    const uint8_t *answer;
} body_work;

/* What a body gives and did: bits u64, reads that found nothing u64, complete u8, and of each
 * operand whether it was read. */
#define BODY_HEAD 17u

static void run_here(const body_work *w, rf_computed *c)
{
    rf_operands *o = w->operands;
    c->done = c->complete = 1;
    c->bits = w->part ? rf_compute_part(o, w->output, w->element, w->part, w->answer, &c->complete)
                      : rf_compute(o, w->output, w->element);
}

static void body_result(const void *work, uint8_t *result)
{
    const body_work *w = work;
    const rf_operands *o = w->operands;
    rf_computed c;
    run_here(w, &c);
    vd_put_le(result, c.bits, 8);
    vd_put_le(result + 8, o->missing, 8);
    result[16] = (uint8_t)c.complete;
    for (uint32_t k = 0; k < o->count; k++) result[BODY_HEAD + k] = o->list[k].touched;
}

ro_status rf_run_body(rf_operands *o, uint32_t output, uint64_t element, const rf_part *part,
                      const uint8_t *answer, rf_computed *c, ro_err *err)
{
    const rf_runner *r = o->node->runner;
    const body_work w = {o, output, element, part, answer};
    memset(c, 0, sizeof *c);
    if (!r) {
        run_here(&w, c);
        return RO_OK;
    }
    size_t size = BODY_HEAD + (size_t)o->count;
    uint8_t *result = ro_alloc(size);
    if (!result) return RO_FAIL(err, RO_ENOMEM, "no memory to compute an element");
    c->done = r->run(r->ctx, body_result, &w, result, size);
    if (c->done) {
        c->bits = vd_get_u64(result);
        o->missing = vd_get_u64(result + 8);
        c->complete = result[16];
        for (uint32_t k = 0; k < o->count; k++) o->list[k].touched = result[BODY_HEAD + k];
    }
    ro_free(result);
    return RO_OK;
}

ro_status rf_touch(rf_operands *o, const rf_question *q, const rf_part *part, rf_computed *c,
                   ro_err *err)
{
    rf_part own;
    if (q->level == RF_NONE) return rf_run_body(o, q->output, q->element, NULL, NULL, c, err);
    own = *part;
    own.level = q->level;
    own.index = q->index;
    return rf_run_body(o, q->output, q->element, &own, NULL, c, err);
}

/* An explanation holds when it repeats what is agreed and folds to the value it explains. */
ro_status rf_parts_hold(const rf_node *n, const rf_question *q, const rf_part *part, int side,
                        const uint8_t *bytes, size_t size, int *ok, ro_err *err)
{
    ro_parts needs[RO_NEEDS_MAX];
    uint64_t total, at = 0, agreed;
    rf_operands o;
    rf_computed c;
    *ok = 0;
    if (q->level != part->level || q->index != part->index) return RO_OK;
    ro_reader r;
    rf_reader_of(n, NULL, &r);
    uint32_t count = rf_part_needs(n, q->output, q->element, part, needs, &total);
    if (total > RF_PARTS_MAX || size != total * 8) return RO_OK;
    for (uint32_t k = 0; k < count; k++)
        for (uint64_t i = needs[k].begin; i < needs[k].end; i++, at++) {
            uint64_t bits = vd_get_u64(bytes + 8 * at);
            if (!ro_part_canonical(n->node->op, &r, needs[k].level, bits) ||
                (rf_agreed_bits(part, needs[k].level, i, &agreed) && agreed != bits))
                return RO_OK;
        }
    ro_arena *a = ro_arena_new();
    if (!a) return RO_FAIL(err, RO_ENOMEM, "no memory to check an explanation");
    ro_status st = rf_operands_parse(n, part->operands, part->operands_size, &o, a, ok, err);
    if (!st && *ok) {
        st = rf_run_body(&o, q->output, q->element, part, bytes, &c, err);
        *ok = !st && c.done && c.bits == part->value[side] && c.complete && o.missing == 0;
    }
    ro_arena_free(a);
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
