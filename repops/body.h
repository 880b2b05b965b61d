/* body.h - what scalar bodies are written in: typed reads, index arithmetic, the two
 * reduction orders and the store. Compiled by the C compiler and by nvcc.
 *
 * What this file decides: how an operator file (ops/<op>.h) is expanded. ops.def is included
 * several times, each time with one of
 *   RO_PASS_ATTRS   attribute structs, once
 *   RO_PASS_BODY    scalar bodies; once for each compute type (body_pass.h sets RO_T and the
 *                   RO_IS_... flags) and once for "bits" (operators that only move bits)
 *   RO_PASS_HOST    shape inference, cost and gradients, once, host only
 *   RO_OP           the table row
 *
 * Invariants
 *   1. A body reads its inputs through ro_read_* only, so what it needs can be discovered.
 *   2. A body returns the stored bits of one element: NaN canonical, integers wrapped.
 *   3. Order is part of the value: lanes and blocks below are the only reductions. */
#ifndef RO_BODY_H
#define RO_BODY_H
#include "arith.h"
#include "repops.h"

/* ---- attributes: struct, field table and committed bytes expand from one list ----------- */

#define RO_FIELD_u32(name) uint32_t name;
#define RO_FIELD_u64(name) uint64_t name;
#define RO_FIELD_i64(name) int64_t name;
#define RO_FIELD_f32(name) float name;
#define RO_FIELD_f64(name) double name;
#define RO_FIELD_ints(name) ro_ints name;
#define RO_FIELD(type, name) RO_FIELD_##type(name)
/* The last member keeps an empty list legal and of one size in C and in C++. */
#define RO_ATTRS(op) typedef struct { RO_##op##_ATTRS(RO_FIELD) uint8_t end_; } ro_##op##_attrs

/* ---- reading ----------------------------------------------------------------------------- */

RO_FN uint64_t ro_load(ro_dtype d, const void *p, uint64_t j)
{
    switch (d) {
    case RO_F64: case RO_I64: case RO_U64: return ((const uint64_t *)p)[j];
    case RO_F32: case RO_I32: case RO_U32: return ((const uint32_t *)p)[j];
    case RO_F16: case RO_BF16: case RO_I16: case RO_U16: return ((const uint16_t *)p)[j];
    default: return ((const uint8_t *)p)[j];
    }
}

RO_FN int ro_is_float(ro_dtype d)
{
    return d == RO_F32 || d == RO_F64 || d == RO_F16 || d == RO_BF16;
}

/* Raw stored bits, zero-extended. */
RO_FN uint64_t ro_read_bits(const ro_reader *r, uint32_t in, uint64_t j)
{
#ifndef __CUDA_ARCH__
    if (!r->data) return r->fetch(r, in, j);
#endif
    return ro_load(r->in[in].dtype, r->data[in], j);
}

RO_FN int ro_has(const ro_reader *r, uint32_t in)
{
    return in < r->inputs && r->in[in].dtype != RO_NONE;
}

RO_FN float ro_f32_of_bits(ro_dtype d, uint64_t b)
{
    if (d == RO_F16) return ro_f16_to_f32((uint32_t)b);
    if (d == RO_BF16) return ro_bf16_to_f32((uint32_t)b);
    return ro_bits_f32((uint32_t)b);
}
RO_FN float ro_read_f32(const ro_reader *r, uint32_t in, uint64_t j)
{
    return ro_f32_of_bits(r->in[in].dtype, ro_read_bits(r, in, j));
}

RO_FN double ro_read_f64(const ro_reader *r, uint32_t in, uint64_t j)
{
    uint64_t b = ro_read_bits(r, in, j);
    return r->in[in].dtype == RO_F32 ? (double)ro_bits_f32((uint32_t)b) : ro_bits_f64(b);
}

/* Integers and bools, extended to 64 bits as their dtype says. */
RO_FN int64_t ro_i64_of_bits(ro_dtype d, uint64_t b)
{
    switch (d) {
    case RO_I32: return (int64_t)(int32_t)(uint32_t)b;
    case RO_I16: return (int64_t)(int16_t)(uint16_t)b;
    case RO_I8: return (int64_t)(int8_t)(uint8_t)b;
    case RO_BOOL: return b != 0;
    default: return (int64_t)b;
    }
}
RO_FN int64_t ro_read_i64(const ro_reader *r, uint32_t in, uint64_t j)
{
    return ro_i64_of_bits(r->in[in].dtype, ro_read_bits(r, in, j));
}
RO_FN uint64_t ro_read_u64(const ro_reader *r, uint32_t in, uint64_t j)
{
    return (uint64_t)ro_read_i64(r, in, j);
}

/* ---- storing: the element in the output's dtype ------------------------------------------- */

RO_FN uint64_t ro_bits_of_i64(ro_dtype d, int64_t x)
{
    switch (d) {
    case RO_I32: case RO_U32: return (uint32_t)x;
    case RO_I16: case RO_U16: return (uint16_t)x;
    case RO_I8: case RO_U8: return (uint8_t)x;
    case RO_BOOL: return x != 0;
    default: return (uint64_t)x;
    }
}
RO_FN uint64_t ro_out_i64(const ro_reader *r, uint32_t out, int64_t x)
{
    return ro_bits_of_i64(r->out[out].dtype, x);
}
RO_FN uint64_t ro_out_u64(const ro_reader *r, uint32_t out, uint64_t x)
{
    return ro_bits_of_i64(r->out[out].dtype, (int64_t)x);
}
/* Of a float dtype, with the one rounding that its width needs. */
RO_FN uint64_t ro_bits_of_f32(ro_dtype d, float x)
{
    switch (d) {
    case RO_F64: return ro_canon_f64((double)x);
    case RO_F16: return ro_f32_to_f16(x);
    case RO_BF16: return ro_f32_to_bf16(x);
    default: return ro_canon_f32(x);
    }
}
RO_FN uint64_t ro_bits_of_f64(ro_dtype d, double x)
{
    switch (d) {
    case RO_F32: return ro_canon_f32(ro_f64_to_f32(x));
    case RO_F16: return ro_f32_to_f16(ro_f64_to_odd(x));
    case RO_BF16: return ro_f32_to_bf16(ro_f64_to_odd(x));
    default: return ro_canon_f64(x);
    }
}
RO_FN uint64_t ro_out_f32(const ro_reader *r, uint32_t out, float x)
{
    return ro_bits_of_f32(r->out[out].dtype, x);
}
RO_FN uint64_t ro_out_f64(const ro_reader *r, uint32_t out, double x)
{
    (void)r;
    (void)out;
    return ro_canon_f64(x);
}

/* ---- a compute value as 64 bits, for partial results ---------------------------------------- */

RO_FN uint64_t ro_to_bits_f32(float x) { return ro_canon_f32(x); }
RO_FN uint64_t ro_to_bits_f64(double x) { return ro_canon_f64(x); }
RO_FN uint64_t ro_to_bits_i64(int64_t x) { return (uint64_t)x; }
RO_FN uint64_t ro_to_bits_u64(uint64_t x) { return x; }
RO_FN float ro_from_bits_f32(uint64_t b) { return ro_bits_f32((uint32_t)b); }
RO_FN double ro_from_bits_f64(uint64_t b) { return ro_bits_f64(b); }
RO_FN int64_t ro_from_bits_i64(uint64_t b) { return (int64_t)b; }
RO_FN uint64_t ro_from_bits_u64(uint64_t b) { return b; }

/* ---- shapes ------------------------------------------------------------------------------- */

RO_FN uint64_t ro_elements(const ro_type *t)
{
    uint64_t n = 1;
    for (uint32_t a = 0; a < t->rank; a++) n *= (uint64_t)t->dims[a];
    return n;
}

/* Product of dims [from, to). */
RO_FN uint64_t ro_span(const ro_type *t, uint32_t from, uint32_t to)
{
    uint64_t n = 1;
    for (uint32_t a = from; a < to; a++) n *= (uint64_t)t->dims[a];
    return n;
}

RO_FN void ro_unflatten(const ro_type *t, uint64_t i, int64_t *at)
{
    for (uint32_t a = t->rank; a-- > 0;) {
        uint64_t d = (uint64_t)t->dims[a];
        at[a] = d ? (int64_t)(i % d) : 0;
        i = d ? i / d : 0;
    }
}

RO_FN uint64_t ro_flatten(const ro_type *t, const int64_t *at)
{
    uint64_t i = 0;
    for (uint32_t a = 0; a < t->rank; a++) i = i * (uint64_t)t->dims[a] + (uint64_t)at[a];
    return i;
}

/* The element of a (right-aligned, broadcast) that meets element i of out. */
RO_FN uint64_t ro_broadcast_index(const ro_type *out, const ro_type *a, uint64_t i)
{
    uint64_t j = 0, stride = 1;
    int same = out->rank == a->rank, one = 1; /* most are, and divide nothing */
    for (uint32_t k = 0; k < a->rank; k++) {
        one = one && a->dims[k] == 1;
        same = same && a->dims[k] == out->dims[k];
    }
    if (same || one) return same ? i : 0;
    for (uint32_t k = 0; k < out->rank; k++) {
        uint64_t d = (uint64_t)out->dims[out->rank - 1 - k];
        uint64_t at = d ? i % d : 0;
        i = d ? i / d : 0;
        if (k < a->rank) {
            uint64_t da = (uint64_t)a->dims[a->rank - 1 - k];
            if (da != 1) j += at * stride;
            stride *= da;
        }
    }
    return j;
}

/* An axis counted from the end if negative; admitted shapes make it valid. */
RO_FN uint32_t ro_axis(int64_t axis, uint32_t rank)
{
    return (uint32_t)(axis < 0 ? axis + (int64_t)rank : axis);
}

/* Which axes a reduction covers, as a bit mask. Empty list: all, or none with noop. */
RO_FN uint32_t ro_axes_mask(const ro_ints *axes, uint32_t rank, uint32_t noop)
{
    uint32_t mask = 0;
    if (axes->n == 0) return noop ? 0 : (1u << rank) - 1;
    for (uint32_t a = 0; a < axes->n; a++) mask |= 1u << ro_axis(axes->v[a], rank);
    return mask;
}

/* Row of a reduction: out element i fixes the kept axes; position j enumerates the reduced
 * ones row-major in ascending axis number (rule 31). */
RO_FN uint64_t ro_reduced_count(const ro_type *x, uint32_t mask)
{
    uint64_t n = 1;
    for (uint32_t a = 0; a < x->rank; a++)
        if (mask >> a & 1) n *= (uint64_t)x->dims[a];
    return n;
}
RO_FN uint64_t ro_reduced_index(const ro_type *x, uint32_t mask, uint64_t i, uint64_t j)
{
    uint64_t index = 0, stride = 1;
    for (uint32_t a = x->rank; a-- > 0;) {
        uint64_t d = (uint64_t)x->dims[a], at = 0;
        if (mask >> a & 1) {
            at = d ? j % d : 0;
            j = d ? j / d : 0;
        } else {
            at = d ? i % d : 0;
            i = d ? i / d : 0;
        }
        index += at * stride;
        stride *= d;
    }
    return index;
}

/* ---- the two reduction orders -------------------------------------------------------------- */

#define RO_BLOCK 256u          /* products in one fma chain                        */
#define RO_GROUP 4096u         /* products in one group: 16 blocks                 */
#define RO_LANES 32u           /* a warp                                           */
#define RO_CHUNK 4096u         /* row elements in one lane reduction               */
#define RO_LANE_LEVELS 4u      /* 4096^4 > RO_ELEMENTS_MAX                         */

#define RO_GROUP_BLOCKS (RO_GROUP / RO_BLOCK)
#define RO_CHAIN 256u          /* positions of a chain in one part of an explanation */
#define RO_LIST 4096u          /* parts that one part lists: 32 KiB of an answer     */
enum { RO_STAGE_SUM, RO_STAGE_MAX, RO_STAGE_MEAN, RO_STAGE_PRODUCT };

/* ---- the shapes of explanations (see repops.h) ----------------------------------------------- */

/* Parts [index * fan, + fan) of a level of n parts, as one run; returns 1, or 0 when empty. */
RO_FN uint32_t ro_parts_of(uint32_t level, uint64_t n, uint64_t fan, uint64_t index, ro_parts *p)
{
    p->level = level;
    p->begin = index * fan;
    p->end = n - p->begin < fan ? n : p->begin + fan;
    return n != 0;
}

/* Block sums, group sums, the running sum after every RO_LIST groups, the value. */
RO_FN uint32_t ro_contract_levels(uint64_t K, uint64_t *count)
{
    count[0] = (K + RO_BLOCK - 1) / RO_BLOCK;
    count[1] = (K + RO_GROUP - 1) / RO_GROUP;
    count[2] = (count[1] + RO_LIST - 1) / RO_LIST;
    count[3] = 1;
    return 4;
}
RO_FN uint32_t ro_contract_needs(uint64_t K, uint32_t level, uint64_t index, ro_parts *needs)
{
    uint64_t count[RO_LEVELS_MAX];
    uint32_t runs = 0;
    ro_contract_levels(K, count);
    if (level == 0) return 0;
    if (level == 3) return ro_parts_of(2, count[2], count[2], 0, needs);
    if (level == 2 && index) runs = ro_parts_of(2, count[2], 1, index - 1, needs);
    return runs + ro_parts_of(level - 1, count[level - 1], level == 1 ? RO_GROUP_BLOCKS : RO_LIST,
                              index, needs + runs);
}

/* Contractions of K side by side, each with its three lower levels; above them the value. */
#define RO_SUMS_MAX 4u /* 13 levels and 4 runs of needs */
RO_FN uint32_t ro_sums_levels(uint64_t K, uint32_t sums, uint64_t *count)
{
    for (uint32_t s = 0; s < sums; s++) ro_contract_levels(K, count + 3 * s);
    return 3 * sums + 1; /* the last one's value stands above all of them */
}
RO_FN uint32_t ro_sums_needs(uint64_t K, uint32_t sums, uint32_t level, uint64_t index,
                             ro_parts *needs)
{
    uint32_t s = level / 3, runs = 0;
    if (s < sums) {
        runs = ro_contract_needs(K, level % 3, index, needs);
        for (uint32_t t = 0; t < runs; t++) needs[t].level += 3 * s;
        return runs;
    }
    for (s = 0; s < sums; s++) {
        uint32_t one = ro_contract_needs(K, 3, 0, needs + runs);
        if (one) needs[runs].level += 3 * s;
        runs += one;
    }
    return runs;
}

/* Levels of one stage over a row of n: lanes, chunks, chunks of chunks. */
RO_FN uint32_t ro_row_height(uint64_t n)
{
    uint32_t h = 2;
    for (; n > RO_CHUNK; n = (n + RO_CHUNK - 1) / RO_CHUNK) h++;
    return h;
}
RO_FN uint32_t ro_row_levels(uint64_t n, uint32_t stages, uint64_t *count)
{
    uint32_t per = ro_row_height(n);
    for (uint32_t s = 0; s < stages; s++) {
        uint64_t m = n;
        for (uint32_t v = 1; v < per; v++)
            count[s * per + v] = m = m ? (m + RO_CHUNK - 1) / RO_CHUNK : 1;
        count[s * per] = count[s * per + 1] * RO_LANES;
    }
    count[stages * per] = 1;
    return stages * per + 1;
}
RO_FN uint32_t ro_row_needs(uint64_t n, uint32_t stages, uint32_t level, uint64_t index,
                            ro_parts *needs)
{
    uint64_t count[RO_LEVELS_MAX];
    uint32_t per = ro_row_height(n), s = level / per, v = level % per;
    ro_row_levels(n, stages, count);
    uint64_t fan = v == 1 ? RO_LANES : RO_CHUNK;
    if (v) return ro_parts_of(level - 1, count[level - 1], fan, index, needs);
    for (uint32_t t = 0; t < s; t++) ro_parts_of(t * per + per - 1, 1, 1, 0, &needs[t]);
    return s;
}

/* Accumulators after every RO_CHAIN positions, after every RO_LIST of these, the value. */
RO_FN uint32_t ro_chain_levels(uint64_t n, uint64_t *count)
{
    count[0] = (n + RO_CHAIN - 1) / RO_CHAIN;
    count[1] = (count[0] + RO_LIST - 1) / RO_LIST;
    count[2] = 1;
    return 3;
}
RO_FN uint32_t ro_chain_needs(uint64_t n, uint32_t level, uint64_t index, ro_parts *needs)
{
    uint64_t count[RO_LEVELS_MAX];
    ro_chain_levels(n, count);
    if (level == 2) return ro_parts_of(1, count[1], count[1], 0, needs);
    if (level == 1) return ro_parts_of(0, count[0], RO_LIST, index, needs);
    if (index == 0) return 0;
    if (index % RO_LIST) return ro_parts_of(0, count[0], 1, index - 1, needs);
    return ro_parts_of(1, count[1], 1, index / RO_LIST - 1, needs);
}

/* Marks: 1 where none of so many things beats a number. Of n in a row, those of every RO_LIST are
 * one mark in the level above. */
RO_FN uint64_t ro_mark_lists(uint64_t n) { return (n + RO_LIST - 1) / RO_LIST; }
#ifndef __CUDACC__
RO_FN int ro_all_marked(const ro_claims *claims, const ro_parts *list)
{
    int all = 1;
    for (uint64_t k = list->begin; k < list->end; k++)
        all &= claims->part(claims, list->level, k) != 0;
    return all;
}
#endif

#define RO_CAT_(a, b) a##b
#define RO_CAT(a, b) RO_CAT_(a, b)

#include "window.h"
#endif
