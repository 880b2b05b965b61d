/* exec_patterns.c - the loops over scalar bodies, compiled once an ISA level.
 *
 * What this file decides: how the operators that are no contractions run fast. ops.def is
 * expanded here again, so that every body is compiled for the level and becomes a loop over
 * elements; the files below add drivers that do less index arithmetic or share work between
 * elements. There are no intrinsics: the compiler vectorises loops whose lanes are independent.
 *
 * Invariants
 *   1. Compiled with -DRO_ISA=base, avx2 or avx512 and that level's -m flags; the only symbol
 *      that leaves is ro_patterns_<level>.
 *   2. Every driver stores the bits of the scalar body: same operations, same order, NaN
 *      canonical. tests/test_exec.c compares them on random bits.
 *   3. Work is split between threads by output elements or by whole rows, never inside a sum. */
#include "body.h"
#include "exec_broadcast.h"
#include "exec_cpu.h"
#include "vmath.h"

#include <string.h>

#ifndef RO_ISA
#error "exec_patterns.c: compile with -DRO_ISA=base, avx2 or avx512"
#endif

/* ---- every body, and a loop over it -------------------------------------------------------- */

#define RO_PASS_ATTRS
#include "ops.def"
#undef RO_PASS_ATTRS

/* One-argument and two-argument maps over arrays; a step is 0 (one element for all) or 1. NaNs
 * come out as they are: making them canonical in the same loop keeps gcc from vectorising maps
 * with a condition. */
typedef void map1_fn(const void *attrs, const void *a, void *y, uint64_t n);
typedef void map2_fn(const void *attrs, const void *a, uint64_t a_step, const void *b,
                     uint64_t b_step, void *y, uint64_t n);

/* Declared without a value here and defined, where the body exists, by the passes below: what
 * is never defined stays NULL. */
#define RO_OP(op, ...)                                                                         \
    static ro_elements_fn *const all_##op##_f32, *const all_##op##_f64, *const all_##op##_i64, \
        *const all_##op##_u64, *const all_##op##_bits;                                         \
    static map1_fn *const map1_##op##_f32, *const map1_##op##_f64;                             \
    static map2_fn *const map2_##op##_f32, *const map2_##op##_f64;
#include "ops.def"
#undef RO_OP

static void store_bits(ro_dtype d, void *to, uint64_t at, const uint64_t *bits, uint64_t n)
{
    switch (ro_dtypes[d].size) {
    case 8:
        memcpy((uint64_t *)to + at, bits, n * 8);
        break;
    case 4:
        for (uint64_t k = 0; k < n; k++) ((uint32_t *)to)[at + k] = (uint32_t)bits[k];
        break;
    case 2:
        for (uint64_t k = 0; k < n; k++) ((uint16_t *)to)[at + k] = (uint16_t)bits[k];
        break;
    default:
        for (uint64_t k = 0; k < n; k++) ((uint8_t *)to)[at + k] = (uint8_t)bits[k];
        break;
    }
}

enum { BATCH = 64 }; /* elements between two stores: their bits stay in the first cache */

#define ELEMENTS(op)                                                                           \
    static void RO_N(elements_##op)(const ro_reader *r, const void *attrs, uint32_t out,       \
                                    uint64_t begin, uint64_t end, void *to)                    \
    {                                                                                          \
        uint64_t bits[BATCH];                                                                  \
        for (uint64_t i = begin; i < end;) {                                                   \
            uint64_t n = end - i < BATCH ? end - i : BATCH;                                    \
            for (uint64_t k = 0; k < n; k++)                                                   \
                bits[k] = RO_N(ro_##op##_at)(r, attrs, out, i + k);                            \
            store_bits(r->out[out].dtype, to, i, bits, n);                                     \
            i += n;                                                                            \
        }                                                                                      \
    }

#define MAP1_LOOP(op)                                                                          \
    static void RO_N(loop1_##op)(const void *attrs, const void *a, void *y, uint64_t n)        \
    {                                                                                          \
        const RO_T *restrict from = (const RO_T *)a;                                           \
        RO_T *restrict to = (RO_T *)y;                                                         \
        for (uint64_t i = 0; i < n; i++)                                                       \
            to[i] = RO_N(ro_##op##_map)((const ro_##op##_attrs *)attrs, from[i]);              \
    }                                                                                          \
    static map1_fn *const RO_N(map1_##op) = RO_N(loop1_##op);

#define MAP2_OF(op, x, z) RO_N(ro_##op##_map)((const ro_##op##_attrs *)attrs, x, z)
#define MAP2_LOOP(op)                                                                          \
    static void RO_N(loop2_##op)(const void *attrs, const void *a, uint64_t a_step,            \
                                 const void *b, uint64_t b_step, void *y, uint64_t n)          \
    {                                                                                          \
        const RO_T *restrict p = (const RO_T *)a, *restrict q = (const RO_T *)b;               \
        RO_T *restrict to = (RO_T *)y, p0 = p[0], q0 = q[0];                                   \
        if (a_step && b_step)                                                                  \
            for (uint64_t i = 0; i < n; i++) to[i] = MAP2_OF(op, p[i], q[i]);                  \
        else if (a_step)                                                                       \
            for (uint64_t i = 0; i < n; i++) to[i] = MAP2_OF(op, p[i], q0);                    \
        else if (b_step)                                                                       \
            for (uint64_t i = 0; i < n; i++) to[i] = MAP2_OF(op, p0, q[i]);                    \
        else                                                                                   \
            for (uint64_t i = 0; i < n; i++) to[i] = MAP2_OF(op, p0, q0);                      \
    }                                                                                          \
    static map2_fn *const RO_N(map2_##op) = RO_N(loop2_##op);
#define MAP1_LOOP_f32(op) MAP1_LOOP(op)
#define MAP1_LOOP_f64(op) MAP1_LOOP(op)
#define MAP1_LOOP_i64(op)
#define MAP1_LOOP_u64(op)
#define MAP2_LOOP_f32(op) MAP2_LOOP(op)
#define MAP2_LOOP_f64(op) MAP2_LOOP(op)
#define MAP2_LOOP_i64(op)
#define MAP2_LOOP_u64(op)
#define RO_MAP1_LOOP(op) RO_N(MAP1_LOOP)(op)
#define RO_MAP2_LOOP(op) RO_N(MAP2_LOOP)(op)

#define RO_PASS_BODY
#define RO_PASS_f32
#include "body_pass.h"
/* A body's header brings its loop with it. */
#undef RO_AT
#define RO_AT(op)                                                                              \
    RO_FN uint64_t RO_N(ro_##op##_at)(const ro_reader *r, const void *attrs, uint32_t out,     \
                                      uint64_t i);                                             \
    ELEMENTS(op)                                                                               \
    static ro_elements_fn *const RO_N(all_##op) = RO_N(elements_##op);                         \
    RO_FN uint64_t RO_N(ro_##op##_at)(const ro_reader *r, const void *attrs, uint32_t out,     \
                                      uint64_t i)
#include "ops.def"
#undef RO_PASS_f32
#define RO_PASS_f64
#include "body_pass.h"
#include "ops.def"
#undef RO_PASS_f64
#define RO_PASS_i64
#include "body_pass.h"
#include "ops.def"
#undef RO_PASS_i64
#define RO_PASS_u64
#include "body_pass.h"
#include "ops.def"
#undef RO_PASS_u64
#include "body_pass.h"
#include "ops.def"
#undef RO_PASS_BODY

typedef struct { ro_elements_fn *const *all[RO_C_COUNT], *const *bits; } elements_row;
static const elements_row elements_rows[RO_OP_COUNT] = {
#define RO_OP(op, ...)                                                                         \
    [RO_OP_##op] = {{&all_##op##_f32, &all_##op##_f64, &all_##op##_i64, &all_##op##_u64},      \
                    &all_##op##_bits},
#include "ops.def"
#undef RO_OP
};

static ro_elements_fn *find_elements(ro_op op, ro_compute c)
{
    const elements_row *row = &elements_rows[op];
    return *row->bits ? *row->bits : *row->all[c];
}

#include "exec_map.h"
#include "exec_row.h"
#include "exec_loss.h"
#include "exec_move.h"
#include "exec_place.h"
#include "exec_pool.h"
#include "exec_update.h"
#include "exec_order.h"
#include "exec_attention.h"
#include "exec_cell.h"

/* ---- the table ----------------------------------------------------------------------------- */

static int is_softmax(ro_op op)
{
    return op == RO_OP_Softmax || op == RO_OP_LogSoftmax || op == RO_OP_SoftmaxGrad ||
           op == RO_OP_LogSoftmaxGrad;
}

static const ro_driver *find_driver(const ro_task *t)
{
    int f32 = t->compute == RO_C_F32;
    const ro_driver *d = move_driver(t);
    if (d) return d;
    if (f32 && vector_function(t)) return &function_driver;
    if (map_fits(t)) return &map_driver;
    if (f32 && t->op == RO_OP_Clip) return &clip_driver;
    if (t->op == RO_OP_Dropout) return &dropout_driver;
    if (reduce_fits(t)) return &reduce_driver;
    if (f32 && is_softmax(t->op)) return &softmax_driver;
    if (layernorm_fits(t)) return &layernorm_driver;
    if (attention_fits(t)) return &attention_driver;
    if (loss_fits(t)) return &loss_driver;
    if (maxpool_fits(t)) return &maxpool_driver;
    if (resize_fits(t)) return &resize_driver;
    if (cell_fits(t)) return &cell_driver;
    if ((d = order_driver(t)) != NULL || (d = update_driver(t)) != NULL) return d;
    return runs_fit(t) ? &runs_driver : NULL;
}

#define LEVEL_(level) ro_patterns_##level
#define LEVEL(level) LEVEL_(level)
const ro_patterns LEVEL(RO_ISA) = {.elements = find_elements, .driver = find_driver,
                                  .packed = cell_packed};
