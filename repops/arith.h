/* arith.h - THE arithmetic. One text, compiled by the C compiler and by nvcc.
 *
 * What this file decides: how a number is added, multiplied, divided, fused, compared,
 * converted and made canonical. Scalar bodies touch floating point through these functions
 * only, so that one reading of docs/ARITHMETIC.md is one set of bits on every processor.
 *
 * Invariants
 *   1. Every operation here is one IEEE-754 operation, rounded once to nearest even.
 *   2. Nothing is contracted, reordered or approximated: ro_exact() in CMakeLists.txt sets
 *      the flags, the #errors below catch a build that forgot, tests/ptx_lint.py reads the
 *      PTX.
 *   3. Nothing here can trap or has undefined behaviour, whatever the bits (rule 4: total). */
#ifndef RO_ARITH_H
#define RO_ARITH_H
#include <stdint.h>

#if defined(__FAST_MATH__)
#error "repops: fast math changes bits; build through ro_exact() in CMakeLists.txt"
#endif
#if !defined(__CUDACC__) && defined(__FLT_EVAL_METHOD__) && __FLT_EVAL_METHOD__ != 0
#error "repops: float expressions must be evaluated in float (x87 is not supported)"
#endif

#ifdef __CUDACC__
#define RO_FN static __host__ __device__ __forceinline__
/* nvcc compiles this text twice: the host's pass has its own copy of every table. */
#ifdef __CUDA_ARCH__
#define RO_TABLE static __device__ const
#else
#define RO_TABLE static const
#endif
#else
#define RO_FN static inline __attribute__((unused))
#define RO_TABLE static const
#endif

/* ---- bits ------------------------------------------------------------------------------ */

RO_FN uint32_t ro_f32_bits(float x)
{
#ifdef __CUDA_ARCH__
    return __float_as_uint(x);
#else
    union { float f; uint32_t u; } v;
    v.f = x;
    return v.u;
#endif
}

RO_FN float ro_bits_f32(uint32_t u)
{
#ifdef __CUDA_ARCH__
    return __uint_as_float(u);
#else
    union { float f; uint32_t u; } v;
    v.u = u;
    return v.f;
#endif
}

RO_FN uint64_t ro_f64_bits(double x)
{
#ifdef __CUDA_ARCH__
    return (uint64_t)__double_as_longlong(x);
#else
    union { double f; uint64_t u; } v;
    v.f = x;
    return v.u;
#endif
}

RO_FN double ro_bits_f64(uint64_t u)
{
#ifdef __CUDA_ARCH__
    return __longlong_as_double((long long)u);
#else
    union { double f; uint64_t u; } v;
    v.u = u;
    return v.f;
#endif
}

/* ---- one rounded operation ------------------------------------------------------------- */

#ifdef __CUDA_ARCH__
RO_FN float ro_add_f32(float a, float b) { return __fadd_rn(a, b); }
RO_FN float ro_sub_f32(float a, float b) { return __fsub_rn(a, b); }
RO_FN float ro_mul_f32(float a, float b) { return __fmul_rn(a, b); }
RO_FN float ro_div_f32(float a, float b) { return __fdiv_rn(a, b); }
RO_FN float ro_fma_f32(float a, float b, float c) { return __fmaf_rn(a, b, c); }
RO_FN float ro_sqrt_f32(float a) { return __fsqrt_rn(a); }
RO_FN double ro_add_f64(double a, double b) { return __dadd_rn(a, b); }
RO_FN double ro_sub_f64(double a, double b) { return __dsub_rn(a, b); }
RO_FN double ro_mul_f64(double a, double b) { return __dmul_rn(a, b); }
RO_FN double ro_div_f64(double a, double b) { return __ddiv_rn(a, b); }
RO_FN double ro_fma_f64(double a, double b, double c) { return __fma_rn(a, b, c); }
RO_FN double ro_sqrt_f64(double a) { return __dsqrt_rn(a); }
RO_FN float ro_f64_to_f32(double a) { return __double2float_rn(a); }
RO_FN float ro_i64_to_f32(int64_t a) { return __ll2float_rn((long long)a); }
RO_FN float ro_u64_to_f32(uint64_t a) { return __ull2float_rn((unsigned long long)a); }
RO_FN double ro_i64_to_f64(int64_t a) { return __ll2double_rn((long long)a); }
RO_FN double ro_u64_to_f64(uint64_t a) { return __ull2double_rn((unsigned long long)a); }
#else
RO_FN float ro_add_f32(float a, float b) { return a + b; }
RO_FN float ro_sub_f32(float a, float b) { return a - b; }
RO_FN float ro_mul_f32(float a, float b) { return a * b; }
RO_FN float ro_div_f32(float a, float b) { return a / b; }
RO_FN float ro_fma_f32(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
RO_FN float ro_sqrt_f32(float a) { return __builtin_sqrtf(a); }
RO_FN double ro_add_f64(double a, double b) { return a + b; }
RO_FN double ro_sub_f64(double a, double b) { return a - b; }
RO_FN double ro_mul_f64(double a, double b) { return a * b; }
RO_FN double ro_div_f64(double a, double b) { return a / b; }
RO_FN double ro_fma_f64(double a, double b, double c) { return __builtin_fma(a, b, c); }
RO_FN double ro_sqrt_f64(double a) { return __builtin_sqrt(a); }
RO_FN float ro_f64_to_f32(double a) { return (float)a; }
RO_FN float ro_i64_to_f32(int64_t a) { return (float)a; }
RO_FN float ro_u64_to_f32(uint64_t a) { return (float)a; }
RO_FN double ro_i64_to_f64(int64_t a) { return (double)a; }
RO_FN double ro_u64_to_f64(uint64_t a) { return (double)a; }
#endif

/* ---- canonical NaN, sign bits ---------------------------------------------------------- */

#define RO_NAN_F32 0x7fc00000u
#define RO_NAN_F64 UINT64_C(0x7ff8000000000000)

RO_FN uint32_t ro_canon_f32(float x) { return x == x ? ro_f32_bits(x) : RO_NAN_F32; }
RO_FN uint64_t ro_canon_f64(double x) { return x == x ? ro_f64_bits(x) : RO_NAN_F64; }
RO_FN float ro_neg_f32(float x) { return ro_bits_f32(ro_f32_bits(x) ^ 0x80000000u); }
RO_FN double ro_neg_f64(double x) { return ro_bits_f64(ro_f64_bits(x) ^ (UINT64_C(1) << 63)); }
RO_FN float ro_abs_f32(float x) { return ro_bits_f32(ro_f32_bits(x) & 0x7fffffffu); }
RO_FN double ro_abs_f64(double x) { return ro_bits_f64(ro_f64_bits(x) & (UINT64_MAX >> 1)); }

/* ---- integers: mod 2^64, total --------------------------------------------------------- */

RO_FN int64_t ro_add_i64(int64_t a, int64_t b) { return (int64_t)((uint64_t)a + (uint64_t)b); }
RO_FN int64_t ro_sub_i64(int64_t a, int64_t b) { return (int64_t)((uint64_t)a - (uint64_t)b); }
RO_FN int64_t ro_mul_i64(int64_t a, int64_t b) { return (int64_t)((uint64_t)a * (uint64_t)b); }
RO_FN int64_t ro_neg_i64(int64_t a) { return (int64_t)(0 - (uint64_t)a); }
RO_FN int64_t ro_div_i64(int64_t a, int64_t b)
{
    return b == 0 ? 0 : b == -1 ? ro_neg_i64(a) : a / b;
}
RO_FN int64_t ro_fma_i64(int64_t a, int64_t b, int64_t c)
{
    return ro_add_i64(ro_mul_i64(a, b), c);
}
RO_FN uint64_t ro_add_u64(uint64_t a, uint64_t b) { return a + b; }
RO_FN uint64_t ro_sub_u64(uint64_t a, uint64_t b) { return a - b; }
RO_FN uint64_t ro_mul_u64(uint64_t a, uint64_t b) { return a * b; }
RO_FN uint64_t ro_neg_u64(uint64_t a) { return 0 - a; }
RO_FN uint64_t ro_div_u64(uint64_t a, uint64_t b) { return b == 0 ? 0 : a / b; }
RO_FN uint64_t ro_fma_u64(uint64_t a, uint64_t b, uint64_t c) { return a * b + c; }

/* Float to integer: truncate toward zero, then saturate; NaN gives 0 (rule 8). */
RO_FN int64_t ro_f64_to_i64(double x)
{
    if (!(x == x)) return 0;
    if (x >= 0x1p63) return INT64_MAX;
    if (x < -0x1p63) return INT64_MIN;
    return (int64_t)x;
}
RO_FN uint64_t ro_f64_to_u64(double x)
{
    if (!(x >= 1.0)) return 0;
    if (x >= 0x1p64) return UINT64_MAX;
    return (uint64_t)x;
}

/* ---- 16 bits: storage. Read exactly, written with one rounding (rule 5) ------------------ */

#define RO_NAN_F16 0x7e00u
#define RO_NAN_BF16 0x7fc0u

RO_FN float ro_f16_to_f32(uint32_t h)
{
    uint32_t sign = (h & 0x8000u) << 16, a = h & 0x7fffu;
    if (a >= 0x7c00u) return ro_bits_f32(sign | 0x7f800000u | (a & 0x3ffu) << 13);
    if (a >= 0x400u) return ro_bits_f32(sign | ((a << 13) + 0x38000000u)); /* 127 - 15 */
    return ro_bits_f32(sign | ro_f32_bits(ro_mul_f32((float)a, 0x1p-24f)));
}
RO_FN float ro_bf16_to_f32(uint32_t h) { return ro_bits_f32(h << 16); }

/* x / 2^n to nearest even, n from 1 to 31. */
RO_FN uint32_t ro_shift_even(uint32_t x, uint32_t n)
{
    return (x + ((1u << (n - 1)) - 1) + (x >> n & 1)) >> n;
}
RO_FN uint32_t ro_f32_to_f16(float x)
{
    uint32_t b = ro_f32_bits(x), sign = b >> 16 & 0x8000u, a = b & 0x7fffffffu;
    if (a > 0x7f800000u) return RO_NAN_F16;
    if (a >= 0x47800000u) return sign | 0x7c00u; /* 2^16 */
    if (a >= 0x38800000u) return sign | ro_shift_even(a - 0x38000000u, 13); /* 2^-14 */
    if (a < 0x33000000u) return sign; /* 2^-25: half of the least */
    return sign | ro_shift_even((a & 0x7fffffu) | 0x800000u, 126 - (a >> 23));
}
RO_FN uint32_t ro_f32_to_bf16(float x)
{
    uint32_t b = ro_f32_bits(x);
    return x == x ? ro_shift_even(b, 16) : RO_NAN_BF16;
}

/* Binary64 to binary32 rounded to odd: what is rounded again to 16 bits rounds as if once. */
RO_FN float ro_f64_to_odd(double x)
{
    float y = ro_f64_to_f32(x);
    uint32_t b = ro_f32_bits(y);
    if ((double)y == x || !(x == x) || (b & 1)) return y;
    return ro_bits_f32(ro_abs_f64((double)y) > ro_abs_f64(x) ? b - 1 : b + 1);
}
/* An integer in 24 bits, those below as one, and scaled back: as exact for a rounding to 8. */
RO_FN float ro_u64_to_odd(uint64_t x)
{
    uint32_t n = 0;
    float scale = 1;
    while (x >> n >> 24) n++;
    for (uint32_t k = 0; k < n; k++) scale = ro_mul_f32(scale, 2);
    uint64_t kept = x >> n;
    return ro_mul_f32((float)(kept | (kept << n != x)), scale);
}

/* ---- total order of rule 9: -0 < +0, all NaNs equal and outermost ---------------------- */

/* A key that orders like the value: NaN above +inf. Min uses the same key with NaN lowered. */
RO_FN int64_t ro_order_f64(double x)
{
    uint64_t b = ro_f64_bits(x);
    if (!(x == x)) return INT64_MAX;
    return (b >> 63) ? (int64_t)~(b & (UINT64_MAX >> 1)) : (int64_t)b;
}
RO_FN int32_t ro_order_f32(float x)
{
    uint32_t b = ro_f32_bits(x);
    if (!(x == x)) return INT32_MAX;
    return (b >> 31) ? (int32_t)~(b & 0x7fffffffu) : (int32_t)b;
}
RO_FN int64_t ro_order_i64(int64_t x) { return x; }
RO_FN uint64_t ro_order_u64(uint64_t x) { return x; }

#include "functions.h"
#endif
