/* vmath.c - the loops of vmath.h at one ISA level.
 *
 * What this file decides: the block length. The scalar bodies are branch-free, so the
 * compiler vectorises the loop over a block; working on a block of our own, whose length it
 * knows and which nothing else points to, spares it the tests for overlap and the remainder
 * loop, and makes x == y safe.
 *
 * Invariants
 *   1. Only the functions named by RO_VMATH_EACH, with the suffix RO_ISA, are defined.
 *   2. Lanes past the end compute on zeros and are not stored. */
#include "vmath.h"

#include "arith.h"

#include <string.h>

#ifndef RO_ISA
#error "vmath.c: compile with -DRO_ISA=base, avx2 or avx512"
#endif
#define RO_JOIN2(a, b, c) a##b##_f32_##c
#define RO_JOIN(a, b, c) RO_JOIN2(a, b, c)

enum { BLOCK = 64 };

/* One block. The copies have a length known here, so they are a few vector moves. */
#define RO_VMATH_DEFINE(name, level)                                          \
    static void name##_block(const float *x, float *y)                        \
    {                                                                         \
        float in[BLOCK], out[BLOCK];                                          \
        memcpy(in, x, sizeof in);                                             \
        for (int i = 0; i < BLOCK; i++)                                       \
            out[i] = ro_bits_f32(ro_canon_f32(ro_##name##_f32(in[i])));       \
        memcpy(y, out, sizeof out);                                           \
    }                                                                         \
    void RO_JOIN(ro_v, name, level)(const float *x, float *y, size_t n)       \
    {                                                                         \
        float rest[BLOCK] = {0};                                              \
        for (; n >= BLOCK; n -= BLOCK, x += BLOCK, y += BLOCK) name##_block(x, y); \
        if (n == 0) return;                                                   \
        memcpy(rest, x, n * sizeof *rest);                                    \
        name##_block(rest, rest);                                             \
        memcpy(y, rest, n * sizeof *rest);                                    \
    }

RO_VMATH_EACH(RO_VMATH_DEFINE, RO_ISA)
