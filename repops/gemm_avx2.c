/* gemm_avx2.c - contraction tiles for AVX2 with FMA.
 *
 * What this file decides: the vectors of gemm_impl.h for x86-64 with AVX2 and FMA. It is
 * compiled for that level alone and is called only where the processor has it.
 *
 * Invariants
 *   1. 16 registers: 12 accumulators at most, beside the vectors of b and one broadcast. */
#include "gemm.h"

#include "arith.h"
#include <immintrin.h>

#define TILES(F) TO_12(F, 1) TO_6(F, 2) TO_4(F, 3)
#define REGISTERS 16u
#define TILE_ROWS {12, 6, 4}
#define TAP_ROWS {12, 6, 4}
#define DENSE 2
#define SPATIAL 2

static inline __m256i first_8(uint64_t n)
{
    __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), lane);
}

static inline __m256i first_4(uint64_t n)
{
    __m256i lane = _mm256_setr_epi64x(0, 1, 2, 3);
    return _mm256_cmpgt_epi64(_mm256_set1_epi64x((long long)n), lane);
}

static inline __m256 canon_f32(__m256 v)
{
    __m256 nan = _mm256_castsi256_ps(_mm256_set1_epi32((int)RO_NAN_F32));
    return _mm256_blendv_ps(v, nan, _mm256_cmp_ps(v, v, _CMP_UNORD_Q));
}

static inline __m256d canon_f64(__m256d v)
{
    __m256d nan = _mm256_castsi256_pd(_mm256_set1_epi64x((long long)RO_NAN_F64));
    return _mm256_blendv_pd(v, nan, _mm256_cmp_pd(v, v, _CMP_UNORD_Q));
}

static inline __attribute__((always_inline)) void transpose_f32(__m256 r[8])
{
    for (int i = 0; i < 8; i += 4) {
        __m256d a = _mm256_castps_pd(_mm256_unpacklo_ps(r[i], r[i + 1]));
        __m256d b = _mm256_castps_pd(_mm256_unpackhi_ps(r[i], r[i + 1]));
        __m256d c = _mm256_castps_pd(_mm256_unpacklo_ps(r[i + 2], r[i + 3]));
        __m256d d = _mm256_castps_pd(_mm256_unpackhi_ps(r[i + 2], r[i + 3]));
        r[i] = _mm256_castpd_ps(_mm256_unpacklo_pd(a, c));
        r[i + 1] = _mm256_castpd_ps(_mm256_unpackhi_pd(a, c));
        r[i + 2] = _mm256_castpd_ps(_mm256_unpacklo_pd(b, d));
        r[i + 3] = _mm256_castpd_ps(_mm256_unpackhi_pd(b, d));
    }
    for (int i = 0; i < 4; i++) {
        __m256 low = r[i], high = r[i + 4];
        r[i] = _mm256_permute2f128_ps(low, high, 0x20);
        r[i + 4] = _mm256_permute2f128_ps(low, high, 0x31);
    }
}

static inline __attribute__((always_inline)) void transpose_f64(__m256d r[4])
{
    __m256d a = _mm256_unpacklo_pd(r[0], r[1]), b = _mm256_unpackhi_pd(r[0], r[1]);
    __m256d c = _mm256_unpacklo_pd(r[2], r[3]), d = _mm256_unpackhi_pd(r[2], r[3]);
    r[0] = _mm256_permute2f128_pd(a, c, 0x20);
    r[1] = _mm256_permute2f128_pd(b, d, 0x20);
    r[2] = _mm256_permute2f128_pd(a, c, 0x31);
    r[3] = _mm256_permute2f128_pd(b, d, 0x31);
}

#define K(name) name##_f32
#define REAL float
#define VEC __m256
#define LANES 8u
#define ZERO() _mm256_setzero_ps()
#define SET(x) _mm256_set1_ps(x)
#define LOAD(p) _mm256_loadu_ps(p)
#define STORE(p, v) _mm256_storeu_ps(p, v)
#define LOAD_N(p, n) _mm256_maskload_ps(p, first_8(n))
#define STORE_N(p, v, n) _mm256_maskstore_ps(p, first_8(n), v)
#define FMA(a, b, c) _mm256_fmadd_ps(a, b, c)
#define ADD(a, b) _mm256_add_ps(a, b)
#define MUL(a, b) _mm256_mul_ps(a, b)
#define CANON(v) canon_f32(v)
#define TRANSPOSE(r) transpose_f32(r)
#include "gemm_impl.h"

#define K(name) name##_f64
#define REAL double
#define VEC __m256d
#define LANES 4u
#define ZERO() _mm256_setzero_pd()
#define SET(x) _mm256_set1_pd(x)
#define LOAD(p) _mm256_loadu_pd(p)
#define STORE(p, v) _mm256_storeu_pd(p, v)
#define LOAD_N(p, n) _mm256_maskload_pd(p, first_4(n))
#define STORE_N(p, v, n) _mm256_maskstore_pd(p, first_4(n), v)
#define FMA(a, b, c) _mm256_fmadd_pd(a, b, c)
#define ADD(a, b) _mm256_add_pd(a, b)
#define MUL(a, b) _mm256_mul_pd(a, b)
#define CANON(v) canon_f64(v)
#define TRANSPOSE(r) transpose_f64(r)
#include "gemm_impl.h"

const ro_kernel_set ro_gemm_avx2 = {"avx2", &kernels_f32, &kernels_f64};
