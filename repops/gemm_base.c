/* gemm_base.c - contraction tiles for any processor: NEON on aarch64, else plain C.
 *
 * What this file decides: the vectors of gemm_impl.h where no other file does. Plain C uses the
 * compiler's four-lane vectors for additions and one fma a lane, which is a call into the C
 * library where the target has no such instruction: slow there, and exact.
 *
 * Invariants
 *   1. The plain path needs nothing of the target but IEEE binary32 and binary64. */
#include "gemm.h"

#include "arith.h"
#include <string.h>

#define TILES(F) TO_14(F, 1) TO_14(F, 2) TO_9(F, 3)
#define REGISTERS 32u
#define TILE_ROWS {14, 14, 9}
#define TAP_ROWS {14, 13, 9}
#define DENSE 3
#define SPATIAL 3

#if defined(__aarch64__)
#include <arm_neon.h>
typedef float32x4_t vector_f32;
typedef float64x2_t vector_f64;
#define SET_f32(x) vdupq_n_f32(x)
#define SET_f64(x) vdupq_n_f64(x)
#define FMA_f32(a, b, c) vfmaq_f32(c, a, b)
#define FMA_f64(a, b, c) vfmaq_f64(c, a, b)
#define SET_NAME "neon"
#else
typedef float vector_f32 __attribute__((vector_size(16)));
typedef double vector_f64 __attribute__((vector_size(16)));
#define SET_f32(x) ((vector_f32){(x), (x), (x), (x)})
#define SET_f64(x) ((vector_f64){(x), (x)})
#define FMA_f32(a, b, c) fused_f32(a, b, c)
#define FMA_f64(a, b, c) fused_f64(a, b, c)
#define SET_NAME "base"

static inline vector_f32 fused_f32(vector_f32 a, vector_f32 b, vector_f32 c)
{
    for (int l = 0; l < 4; l++) c[l] = ro_fma_f32(a[l], b[l], c[l]);
    return c;
}

static inline vector_f64 fused_f64(vector_f64 a, vector_f64 b, vector_f64 c)
{
    for (int l = 0; l < 2; l++) c[l] = ro_fma_f64(a[l], b[l], c[l]);
    return c;
}
#endif

/* n elements, the other lanes +0: memcpy, for p has only the alignment of its element. */
static inline vector_f32 load_f32(const float *p, uint64_t n)
{
    vector_f32 v = SET_f32(0);
    memcpy(&v, p, n * sizeof *p);
    return v;
}

static inline vector_f64 load_f64(const double *p, uint64_t n)
{
    vector_f64 v = SET_f64(0);
    memcpy(&v, p, n * sizeof *p);
    return v;
}

static inline void store_f32(float *p, vector_f32 v, uint64_t n)
{
    memcpy(p, &v, n * sizeof *p);
}

static inline vector_f32 canon_f32(vector_f32 v)
{
    for (int l = 0; l < 4; l++) v[l] = ro_bits_f32(ro_canon_f32(v[l]));
    return v;
}

static inline void store_f64(double *p, vector_f64 v, uint64_t n)
{
    memcpy(p, &v, n * sizeof *p);
}

static inline vector_f64 canon_f64(vector_f64 v)
{
    for (int l = 0; l < 2; l++) v[l] = ro_bits_f64(ro_canon_f64(v[l]));
    return v;
}

#define K(name) name##_f32
#define REAL float
#define VEC vector_f32
#define LANES 4u
#define ZERO() SET_f32(0)
#define SET(x) SET_f32(x)
#define LOAD(p) load_f32(p, 4)
#define STORE(p, v) store_f32(p, v, 4)
#define LOAD_N(p, n) load_f32(p, n)
#define STORE_N(p, v, n) store_f32(p, v, n)
#define FMA(a, b, c) FMA_f32(a, b, c)
#define ADD(a, b) ((a) + (b))
#define MUL(a, b) ((a) * (b))
#define CANON(v) canon_f32(v)
#include "gemm_impl.h"

#define K(name) name##_f64
#define REAL double
#define VEC vector_f64
#define LANES 2u
#define ZERO() SET_f64(0)
#define SET(x) SET_f64(x)
#define LOAD(p) load_f64(p, 2)
#define STORE(p, v) store_f64(p, v, 2)
#define LOAD_N(p, n) load_f64(p, n)
#define STORE_N(p, v, n) store_f64(p, v, n)
#define FMA(a, b, c) FMA_f64(a, b, c)
#define ADD(a, b) ((a) + (b))
#define MUL(a, b) ((a) * (b))
#define CANON(v) canon_f64(v)
#include "gemm_impl.h"

const ro_kernel_set ro_gemm_base = {SET_NAME, &kernels_f32, &kernels_f64};
