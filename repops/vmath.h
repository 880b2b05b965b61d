/* vmath.h - the functions of functions.h over arrays.
 *
 * What this file decides: how the one-argument functions are looped over. y[i] = f(x[i]) for
 * i < n, with the bits of the scalar function except that every NaN comes out as 7fc00000, as
 * a stored element must (rule 2).
 *
 * Invariants
 *   1. vmath.c is compiled once an ISA level with -DRO_ISA=base, avx2 or avx512 and the
 *      matching -m flags; each object defines ro_vexp_f32_<level> and so on, and nothing else.
 *   2. All levels give the same bits: they are one text of exact operations.
 *   3. y may be x itself; other overlaps are not allowed. No alignment is asked for.
 *
 * Which level runs is exec_cpu.c's decision: it takes RO_VMATH_TABLE(level), a whole table,
 * so that a call costs one indirect jump and no test. avx2 needs AVX2 and FMA, avx512 needs
 * AVX-512 F, DQ, BW and VL. */
#ifndef RO_VMATH_H
#define RO_VMATH_H
#include <stddef.h>

typedef void ro_vmath_fn(const float *x, float *y, size_t n);

/* Every function with an array form, as F(name, ...). */
#define RO_VMATH_EACH(F, a) \
    F(exp, a) F(log, a) F(tanh, a) F(erf, a) F(sigmoid, a) F(softplus, a) F(gelu, a) \
    F(gelu_tanh, a) F(dgelu, a) F(dgelu_tanh, a) F(sin2pi, a) F(cos2pi, a) F(sin, a) F(cos, a) \
    F(tan, a) F(asin, a) F(acos, a) F(atan, a) F(sinh, a) F(cosh, a) F(asinh, a) F(acosh, a) \
    F(atanh, a) F(expm1, a)

typedef struct {
#define RO_VMATH_FIELD(name, a) ro_vmath_fn *name;
    RO_VMATH_EACH(RO_VMATH_FIELD, 0)
#undef RO_VMATH_FIELD
} ro_vmath;

#define RO_VMATH_DECLARE(name, level) ro_vmath_fn ro_v##name##_f32_##level;
RO_VMATH_EACH(RO_VMATH_DECLARE, base)
#if defined(__x86_64__)
RO_VMATH_EACH(RO_VMATH_DECLARE, avx2)
RO_VMATH_EACH(RO_VMATH_DECLARE, avx512)
#endif
#undef RO_VMATH_DECLARE

/* A table of one level's functions: static const ro_vmath t = RO_VMATH_TABLE(avx2); */
#define RO_VMATH_ENTRY(name, level) .name = ro_v##name##_f32_##level,
#define RO_VMATH_TABLE(level) {RO_VMATH_EACH(RO_VMATH_ENTRY, level)}

#endif
