/* gemm_impl.h - the inner loops of contractions; included once an instruction set and type.
 *
 * What this file decides: how a tile of sums stays in registers, and how operands are laid out
 * for it. The including file defines, and this file undefines at its end:
 *   K(name)             the name with the type's suffix
 *   REAL, VEC, LANES    the element, the vector and its length
 *   ZERO() SET(x) LOAD(p) STORE(p, v) LOAD_N(p, n) STORE_N(p, v, n)    0 < n < LANES; missing
 *                       lanes load as +0 and are not stored
 *   FMA(a, b, c) ADD(a, b) MUL(a, b) CANON(v)
 *   TRANSPOSE(v)        LANES x LANES in place; left out where none is written
 *   TILES(F)            F(vectors, rows) for every tile that fits the REGISTERS
 *   TILE_ROWS TAP_ROWS DENSE SPATIAL REGISTERS    of ro_kernels, and the processor's vectors
 *
 * Invariants
 *   1. Lane l of a vector only ever meets lane l: no horizontal operation on values.
 *   2. a * b + c is FMA where the order says fma, ADD of MUL elsewhere. */
#include <string.h>

#ifndef RO_GEMM_IMPL_ONCE
#define RO_GEMM_IMPL_ONCE
#define INLINE static inline __attribute__((always_inline))
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif
#define TO_4(F, v) F(v, 1) F(v, 2) F(v, 3) F(v, 4)
#define TO_6(F, v) TO_4(F, v) F(v, 5) F(v, 6)
#define TO_9(F, v) TO_6(F, v) F(v, 7) F(v, 8) F(v, 9)
#define TO_12(F, v) TO_9(F, v) F(v, 10) F(v, 11) F(v, 12)
#define TO_14(F, v) TO_12(F, v) F(v, 13) F(v, 14)
#endif

/* ---- tiles ------------------------------------------------------------------------------- */

INLINE void K(clear)(const uint32_t rows, const uint32_t vectors,
                     VEC acc[RO_TILE_ROWS][RO_TILE_VECTORS])
{
    UNROLL
    for (uint32_t i = 0; i < rows; i++) {
        UNROLL
        for (uint32_t v = 0; v < vectors; v++) acc[i][v] = ZERO();
    }
}

INLINE void K(keep)(const uint32_t rows, const uint32_t vectors,
                    VEC acc[RO_TILE_ROWS][RO_TILE_VECTORS], REAL *tile, int add)
{
    if (add) {
        UNROLL
        for (uint32_t i = 0; i < rows; i++) {
            UNROLL
            for (uint32_t v = 0; v < vectors; v++)
                acc[i][v] = ADD(LOAD(tile + (i * vectors + v) * LANES), acc[i][v]);
        }
    }
    UNROLL
    for (uint32_t i = 0; i < rows; i++) {
        UNROLL
        for (uint32_t v = 0; v < vectors; v++)
            STORE(tile + (i * vectors + v) * LANES, acc[i][v]);
    }
}

INLINE void K(tile)(const uint32_t rows, const uint32_t vectors, uint64_t k, const REAL *a,
                    const REAL *b, const int64_t *offset, REAL *tile, int add)
{
    VEC acc[RO_TILE_ROWS][RO_TILE_VECTORS];
    K(clear)(rows, vectors, acc);
    for (uint32_t i = 0; add && i < rows * vectors; i++)
        __builtin_prefetch(tile + i * LANES);
    for (uint64_t j = 0; j < k; j++, a += rows) {
        const REAL *bj = b + offset[j];
        VEC bv[RO_TILE_VECTORS];
        UNROLL
        for (uint32_t v = 0; v < vectors; v++) bv[v] = LOAD(bj + v * LANES);
        UNROLL
        for (uint32_t i = 0; i < rows; i++) {
            VEC av = SET(a[i]);
            UNROLL
            for (uint32_t v = 0; v < vectors; v++) acc[i][v] = FMA(av, bv[v], acc[i][v]);
        }
    }
    K(keep)(rows, vectors, acc, tile, add);
}

/* Products j, j + 1, ... of a run, `steps` of them, for every row: the address of a row's
 * element is worked out once for all of them. */
INLINE void K(tap_steps)(const uint32_t steps, const uint32_t rows, const uint32_t vectors,
                         const REAL *x, const int64_t *row, const REAL *b,
                         VEC acc[RO_TILE_ROWS][RO_TILE_VECTORS])
{
    VEC bv[4][RO_TILE_VECTORS];
    UNROLL
    for (uint32_t s = 0; s < steps; s++) {
        UNROLL
        for (uint32_t v = 0; v < vectors; v++) bv[s][v] = LOAD(b + (s * vectors + v) * LANES);
    }
    UNROLL
    for (uint32_t i = 0; i < rows; i++) {
        const REAL *xi = x + row[i];
        UNROLL
        for (uint32_t s = 0; s < steps; s++) {
            VEC xv = SET(xi[s]);
            UNROLL
            for (uint32_t v = 0; v < vectors; v++) acc[i][v] = FMA(xv, bv[s][v], acc[i][v]);
        }
    }
}

INLINE void K(tap)(const uint32_t rows, const uint32_t vectors, const ro_run *runs,
                   uint64_t count, const REAL *x, const int64_t *row, const REAL *b, REAL *tile,
                   int add)
{
    /* As many steps at once as leave registers for their vectors of b and a broadcast. */
    const uint32_t spare = REGISTERS - 1 - rows * vectors;
    const uint32_t steps = spare >= 4 * vectors ? 4 : spare >= 2 * vectors ? 2 : 1;
    VEC acc[RO_TILE_ROWS][RO_TILE_VECTORS];
    K(clear)(rows, vectors, acc);
    for (uint64_t r = 0; r < count; r++) {
        const REAL *xr = x + runs[r].offset;
        uint64_t j = 0, n = runs[r].count;
        for (; j + steps <= n; j += steps, b += steps * vectors * LANES)
            K(tap_steps)(steps, rows, vectors, xr + j, row, b, acc);
        for (; j < n; j++, b += vectors * LANES)
            K(tap_steps)(1, rows, vectors, xr + j, row, b, acc);
    }
    K(keep)(rows, vectors, acc, tile, add);
}

#define TILE_FUNCTIONS(v, r)                                                                   \
    static void K(tile_##v##_##r)(uint64_t k, const void *a, const void *b,                    \
                                  const int64_t *offset, void *tile, int add)                  \
    {                                                                                          \
        K(tile)(r, v, k, a, b, offset, tile, add);                                             \
    }                                                                                          \
    static void K(tap_##v##_##r)(const ro_run *runs, uint64_t count, const void *x,            \
                                 const int64_t *row, const void *b, void *tile, int add)       \
    {                                                                                          \
        K(tap)(r, v, runs, count, x, row, b, tile, add);                                       \
    }
TILES(TILE_FUNCTIONS)
#undef TILE_FUNCTIONS

/* ---- layout ------------------------------------------------------------------------------ */

INLINE VEC K(load_some)(const REAL *p, uint64_t n)
{
    return n >= LANES ? LOAD(p) : LOAD_N(p, n);
}

INLINE void K(store_some)(REAL *p, VEC v, uint64_t n)
{
    if (n >= LANES)
        STORE(p, v);
    else
        STORE_N(p, v, n);
}

static void K(pack_scalar)(uint32_t used, uint32_t width, uint64_t k, const REAL *from,
                           int64_t lane, int64_t step, REAL *to)
{
    for (uint64_t j = 0; j < k; j++, from += step, to += width) {
        for (uint32_t i = 0; i < used; i++) to[i] = from[(int64_t)i * lane];
        for (uint32_t i = used; i < width; i++) to[i] = 0;
    }
}

static void K(pack_rows)(uint32_t used, uint32_t width, uint64_t k, const REAL *from,
                         int64_t step, REAL *to)
{
    for (uint64_t j = 0; j < k; j++, from += step, to += width) {
        for (uint32_t i = 0; i < width; i += LANES) {
            VEC v = i < used ? K(load_some)(from + i, used - i) : ZERO();
            K(store_some)(to + i, v, width - i);
        }
    }
}

#ifdef TRANSPOSE
static void K(pack_across)(uint32_t used, uint32_t width, uint64_t k, const REAL *from,
                           int64_t lane, REAL *to)
{
    uint64_t whole = k - k % LANES;
    for (uint32_t i = 0; i < width; i += LANES) {
        uint32_t here = i >= used ? 0 : used - i < LANES ? used - i : LANES;
        const REAL *row = from + (here ? (int64_t)i * lane : 0);
        for (uint64_t j = 0; j < whole; j += LANES) {
            VEC v[LANES];
            UNROLL
            for (uint32_t l = 0; l < LANES; l++)
                v[l] = l < here ? LOAD(row + (int64_t)l * lane + j) : ZERO();
            TRANSPOSE(v);
            UNROLL
            for (uint32_t l = 0; l < LANES; l++)
                K(store_some)(to + (j + l) * width + i, v[l], width - i);
        }
    }
    K(pack_scalar)(used, width, k - whole, from + whole, lane, 1, to + whole * width);
}
#endif

static void K(pack)(uint32_t used, uint32_t width, uint64_t k, const void *from, int64_t lane,
                    int64_t step, void *to)
{
    if (lane == 1) K(pack_rows)(used, width, k, from, step, to);
#ifdef TRANSPOSE
    else if (step == 1) K(pack_across)(used, width, k, from, lane, to);
#endif
    else K(pack_scalar)(used, width, k, from, lane, step, to);
}

static void K(gather)(uint32_t used, uint32_t width, uint64_t k, const void *from, int64_t lane,
                      const int64_t *step, void *to)
{
    REAL *t = to;
    for (uint64_t j = 0; j < k; j++, t += width) {
        const REAL *f = (const REAL *)from + step[j];
        for (uint32_t i = 0; i < used; i++) t[i] = f[(int64_t)i * lane];
        for (uint32_t i = used; i < width; i++) t[i] = 0;
    }
}

static void K(copy)(uint64_t rows, uint64_t count, const void *from, int64_t from_row,
                    int64_t from_step, void *to, int64_t to_row)
{
    const REAL *f = from;
    REAL *t = to;
    if (from_step != 1) {
        for (uint64_t r = 0; r < rows; r++, f += from_row, t += to_row)
            for (uint64_t i = 0; i < count; i++) t[i] = f[(int64_t)i * from_step];
        return;
    }
    for (; count >= LANES; count -= LANES, f += LANES, t += LANES)
        for (int64_t r = 0; r < (int64_t)rows; r++) STORE(t + r * to_row, LOAD(f + r * from_row));
    for (int64_t r = 0; r < (int64_t)rows && count; r++)
        STORE_N(t + r * to_row, LOAD_N(f + r * from_row, count), count);
}

/* ---- after the sums ---------------------------------------------------------------------- */

static void K(add)(uint64_t count, const void *from, void *to)
{
    const REAL *f = from;
    REAL *t = to;
    for (uint64_t i = 0; i < count; i += LANES) /* tiles are whole vectors */
        STORE(t + i, ADD(LOAD(t + i), LOAD(f + i)));
}

/* n elements that lie `step` apart, as a vector. */
INLINE VEC K(load_apart)(const REAL *p, int64_t step, uint32_t n)
{
    REAL t[LANES] = {0};
    if (step == 0) return SET(p[0]);
    if (step == 1) return K(load_some)(p, n);
    for (uint32_t i = 0; i < n; i++) t[i] = p[(int64_t)i * step];
    return LOAD(t);
}

INLINE void K(store_apart)(REAL *p, int64_t step, VEC v, uint32_t n)
{
    REAL t[LANES];
    if (step == 1) {
        K(store_some)(p, v, n);
        return;
    }
    STORE(t, v);
    for (uint32_t i = 0; i < n; i++) p[(int64_t)i * step] = t[i];
}

/* n lanes of every row; `whole` and `plain` are known where this is inlined: n is LANES, and
 * the output is contiguous with at most one addend a row. */
INLINE void K(finish_lanes)(const int whole, const int plain, const ro_finish *f,
                            const REAL *from, uint32_t stride, uint32_t rows, uint32_t l,
                            uint32_t n)
{
    VEC alpha = SET((REAL)f->alpha), beta = SET((REAL)f->beta);
    const REAL *add = f->add ? (const REAL *)f->add + (int64_t)l * f->add_lane : NULL;
    REAL *out = (REAL *)f->out + (int64_t)l * f->out_lane;
    for (uint32_t i = 0; i < rows; i++, from += stride, out += f->out_row) {
        VEC v = MUL(alpha, whole ? LOAD(from) : LOAD_N(from, n));
        if (add) {
            VEC c = plain ? SET(*add) : K(load_apart)(add, f->add_lane, n);
            v = ADD(v, MUL(beta, c));
            add += f->add_row;
        }
        v = CANON(v);
        if (!plain) K(store_apart)(out, f->out_lane, v, n);
        else if (whole) STORE(out, v);
        else STORE_N(out, v, n);
    }
}

static void K(finish)(const ro_finish *f, const void *tile, uint32_t stride, uint32_t rows,
                      uint32_t lanes)
{
    const REAL *from = tile;
    int plain = f->out_lane == 1 && (!f->add || f->add_lane == 0);
    for (uint32_t l = 0; l < lanes; l += LANES) {
        uint32_t n = lanes - l < LANES ? lanes - l : LANES;
        if (!plain) K(finish_lanes)(0, 0, f, from + l, stride, rows, l, n);
        else if (n == LANES) K(finish_lanes)(1, 1, f, from + l, stride, rows, l, n);
        else K(finish_lanes)(0, 1, f, from + l, stride, rows, l, n);
    }
}

/* ---- the table --------------------------------------------------------------------------- */

#define TILE_ENTRY(v, r) [v - 1][r - 1] = K(tile_##v##_##r),
#define TAP_ENTRY(v, r) [v - 1][r - 1] = K(tap_##v##_##r),
#define KERNELS                                                                                \
    {                                                                                          \
        .size = sizeof(REAL), .lanes = LANES, .rows = TILE_ROWS, .tap_rows = TAP_ROWS,         \
        .dense = DENSE, .spatial = SPATIAL, .tile = {TILES(TILE_ENTRY)},                       \
        .tap = {TILES(TAP_ENTRY)},                                                             \
        .pack = K(pack), .gather = K(gather), .copy = K(copy), .add = K(add),                  \
        .finish = K(finish)                                                                    \
    }
static const ro_kernels K(kernels) = KERNELS;
#undef KERNELS
#undef TILE_ENTRY
#undef TAP_ENTRY

#undef K
#undef REAL
#undef VEC
#undef LANES
#undef ZERO
#undef SET
#undef LOAD
#undef STORE
#undef LOAD_N
#undef STORE_N
#undef FMA
#undef ADD
#undef MUL
#undef CANON
#undef TRANSPOSE
