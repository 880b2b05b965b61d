/* explain.c - the parts of a dear element, computed as an honest party does.
 *
 * The rules of explanations stand in repops.h and, for each pattern, in body_pass.h; here is
 * only the walk through them.
 *
 * Invariants
 *   1. A part is computed from parts that its needs list and from inputs, so whoever holds the
 *      same needs and inputs computes the same part. */
#include "repops.h"

const ro_explain *ro_explain_of(ro_op op, const ro_reader *r)
{
    ro_compute c = r->inputs ? ro_dtypes[r->in[0].dtype].compute : RO_C_F32;
    return ro_ops[op].explain[c];
}

int ro_part_canonical(ro_op op, const ro_reader *r, uint32_t level, uint64_t bits)
{
    const ro_explain *e = ro_explain_of(op, r);
    if (level < e->marks) return bits <= 1;
    if (level < e->positions) return 1;
    return ro_dtypes[r->in[0].dtype].compute != RO_C_F32 || bits >> 32 == 0;
}

typedef struct {
    const ro_explain *e;
    const ro_reader *r;
    const void *attrs;
    uint32_t out;
    uint64_t i, *parts;
    uint64_t first[RO_LEVELS_MAX], known[RO_LEVELS_MAX]; /* where a level begins in parts */
} table;

static uint64_t from_table(const ro_claims *claims, uint32_t level, uint64_t index);

/* The parts of a level up to one. A level of a chain needs parts of the level above it that lie
 * before: those are computed on the way, which goes down no further than there are levels. */
static void compute(table *t, uint32_t level, uint64_t end)
{
    const ro_claims claims = {from_table, t};
    for (uint64_t k = t->known[level]; k < end; k = t->known[level]) {
        uint64_t bits = t->e->part(t->r, t->attrs, t->out, t->i, level, k, &claims);
        t->parts[t->first[level] + k] = bits;
        t->known[level] = k + 1;
    }
}

static uint64_t from_table(const ro_claims *claims, uint32_t level, uint64_t index)
{
    table *t = claims->ctx;
    if (index >= t->known[level]) compute(t, level, index + 1);
    return t->parts[t->first[level] + index];
}

ro_status ro_explain_all(ro_op op, const ro_reader *r, const void *attrs, uint32_t out, uint64_t i,
                         uint32_t *levels, uint64_t *count, uint64_t **parts, ro_err *err)
{
    table t = {ro_explain_of(op, r), r, attrs, out, i, NULL, {0}, {0}};
    uint64_t total = 0, size;
    if (!t.e) return RO_FAIL(err, RO_EOP, "%s has no partial results", ro_ops[op].name);
    uint32_t n = t.e->levels(r, attrs, out, i, count);
    RO_ASSERT(n <= RO_LEVELS_MAX);
    for (uint32_t l = 0; l < n; l++) {
        t.first[l] = total;
        total += count[l]; /* at most some 2^33 a level: elements are at most 2^40 */
    }
    t.parts = ro_mul_size(total, sizeof *t.parts, &size) ? ro_alloc(size) : NULL;
    if (!t.parts)
        return RO_FAIL(err, RO_ENOMEM, "no memory for %llu partial results of %s",
                       (unsigned long long)total, ro_ops[op].name);
    for (uint32_t l = 0; l < n; l++) compute(&t, l, count[l]);
    *levels = n;
    *parts = t.parts;
    return RO_OK;
}
