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

typedef struct {
    const uint64_t *parts;
    uint64_t first[RO_LEVELS_MAX]; /* where a level begins in parts */
} table;

static uint64_t from_table(const ro_claims *claims, uint32_t level, uint64_t index)
{
    const table *t = claims->ctx;
    return t->parts[t->first[level] + index];
}

ro_status ro_explain_all(ro_op op, const ro_reader *r, const void *attrs, uint32_t out, uint64_t i,
                         uint32_t *levels, uint64_t *count, uint64_t **parts, ro_err *err)
{
    const ro_explain *e = ro_explain_of(op, r);
    uint64_t total = 0, size;
    table t;
    if (!e) return RO_FAIL(err, RO_EOP, "%s has no partial results", ro_ops[op].name);
    uint32_t n = e->levels(r, attrs, out, i, count);
    RO_ASSERT(n <= RO_LEVELS_MAX);
    for (uint32_t l = 0; l < n; l++) {
        t.first[l] = total;
        total += count[l]; /* at most some 2^33 a level: elements are at most 2^40 */
    }
    uint64_t *all = ro_mul_size(total, sizeof *all, &size) ? ro_alloc(size) : NULL;
    if (!all)
        return RO_FAIL(err, RO_ENOMEM, "no memory for %llu partial results of %s",
                       (unsigned long long)total, ro_ops[op].name);
    t.parts = all;
    ro_claims claims = {from_table, &t};
    for (uint32_t l = 0; l < n; l++)
        for (uint64_t k = 0; k < count[l]; k++)
            all[t.first[l] + k] = e->part(r, attrs, out, i, l, k, &claims);
    *levels = n;
    *parts = all;
    return RO_OK;
}
