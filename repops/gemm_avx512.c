/* gemm_avx512.c - contraction tiles for AVX-512.
 *
 * What this file decides: the vectors of gemm_impl.h for x86-64 with AVX-512 F, BW, DQ, VL. It
 * is compiled for that level alone and is called only where the processor has it.
 *
 * Invariants
 *   1. 32 registers: 28 accumulators at most, beside the vectors of b and one broadcast. */
#include "gemm.h"

#include "arith.h"
#include <immintrin.h>

#define TILES(F) TO_14(F, 1) TO_14(F, 2) TO_9(F, 3)
#define REGISTERS 32u
#define TILE_ROWS {14, 14, 9}
#define TAP_ROWS {14, 13, 9}
#define DENSE 2
#define SPATIAL 3

static inline __mmask16 first_16(uint64_t n) { return (__mmask16)((1u << n) - 1); }
static inline __mmask8 first_8(uint64_t n) { return (__mmask8)((1u << n) - 1); }

static inline __m512 canon_f32(__m512 v)
{
    __mmask16 nan = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
    return _mm512_castsi512_ps(
        _mm512_mask_set1_epi32(_mm512_castps_si512(v), nan, (int)RO_NAN_F32));
}

static inline __m512d canon_f64(__m512d v)
{
    __mmask8 nan = _mm512_cmp_pd_mask(v, v, _CMP_UNORD_Q);
    return _mm512_castsi512_pd(
        _mm512_mask_set1_epi64(_mm512_castpd_si512(v), nan, (long long)RO_NAN_F64));
}

/* Lanes of 128 bits, 4 x 4, as a matrix to transpose. */
static inline __attribute__((always_inline)) void quarters(__m512 r[16])
{
    for (int i = 0; i < 4; i++) {
        __m512 a = _mm512_shuffle_f32x4(r[i], r[i + 4], 0x88);
        __m512 b = _mm512_shuffle_f32x4(r[i], r[i + 4], 0xdd);
        __m512 c = _mm512_shuffle_f32x4(r[i + 8], r[i + 12], 0x88);
        __m512 d = _mm512_shuffle_f32x4(r[i + 8], r[i + 12], 0xdd);
        r[i] = _mm512_shuffle_f32x4(a, c, 0x88);
        r[i + 8] = _mm512_shuffle_f32x4(a, c, 0xdd);
        r[i + 4] = _mm512_shuffle_f32x4(b, d, 0x88);
        r[i + 12] = _mm512_shuffle_f32x4(b, d, 0xdd);
    }
}

static inline __attribute__((always_inline)) void transpose_f32(__m512 r[16])
{
    for (int i = 0; i < 16; i += 4) {
        __m512d a = _mm512_castps_pd(_mm512_unpacklo_ps(r[i], r[i + 1]));
        __m512d b = _mm512_castps_pd(_mm512_unpackhi_ps(r[i], r[i + 1]));
        __m512d c = _mm512_castps_pd(_mm512_unpacklo_ps(r[i + 2], r[i + 3]));
        __m512d d = _mm512_castps_pd(_mm512_unpackhi_ps(r[i + 2], r[i + 3]));
        r[i] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, c));
        r[i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, c));
        r[i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(b, d));
        r[i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(b, d));
    }
    quarters(r);
}

static inline __attribute__((always_inline)) void transpose_f64(__m512d r[8])
{
    __m512d t[8];
    for (int i = 0; i < 8; i += 2) {
        t[i] = _mm512_unpacklo_pd(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_pd(r[i], r[i + 1]);
    }
    for (int i = 0; i < 2; i++) {
        __m512d a = _mm512_shuffle_f64x2(t[i], t[i + 2], 0x88);
        __m512d b = _mm512_shuffle_f64x2(t[i], t[i + 2], 0xdd);
        __m512d c = _mm512_shuffle_f64x2(t[i + 4], t[i + 6], 0x88);
        __m512d d = _mm512_shuffle_f64x2(t[i + 4], t[i + 6], 0xdd);
        r[i] = _mm512_shuffle_f64x2(a, c, 0x88);
        r[i + 4] = _mm512_shuffle_f64x2(a, c, 0xdd);
        r[i + 2] = _mm512_shuffle_f64x2(b, d, 0x88);
        r[i + 6] = _mm512_shuffle_f64x2(b, d, 0xdd);
    }
}

#define K(name) name##_f32
#define REAL float
#define VEC __m512
#define LANES 16u
#define ZERO() _mm512_setzero_ps()
#define SET(x) _mm512_set1_ps(x)
#define LOAD(p) _mm512_loadu_ps(p)
#define STORE(p, v) _mm512_storeu_ps(p, v)
#define LOAD_N(p, n) _mm512_maskz_loadu_ps(first_16(n), p)
#define STORE_N(p, v, n) _mm512_mask_storeu_ps(p, first_16(n), v)
#define FMA(a, b, c) _mm512_fmadd_ps(a, b, c)
#define ADD(a, b) _mm512_add_ps(a, b)
#define MUL(a, b) _mm512_mul_ps(a, b)
#define CANON(v) canon_f32(v)
#define TRANSPOSE(r) transpose_f32(r)
#include "gemm_impl.h"

#define K(name) name##_f64
#define REAL double
#define VEC __m512d
#define LANES 8u
#define ZERO() _mm512_setzero_pd()
#define SET(x) _mm512_set1_pd(x)
#define LOAD(p) _mm512_loadu_pd(p)
#define STORE(p, v) _mm512_storeu_pd(p, v)
#define LOAD_N(p, n) _mm512_maskz_loadu_pd(first_8(n), p)
#define STORE_N(p, v, n) _mm512_mask_storeu_pd(p, first_8(n), v)
#define FMA(a, b, c) _mm512_fmadd_pd(a, b, c)
#define ADD(a, b) _mm512_add_pd(a, b)
#define MUL(a, b) _mm512_mul_pd(a, b)
#define CANON(v) canon_f64(v)
#define TRANSPOSE(r) transpose_f64(r)
#include "gemm_impl.h"

const ro_kernel_set ro_gemm_avx512 = {"avx512", &kernels_f32, &kernels_f64};
