/* gemm.h - fast contractions: matrix products, 2-D convolutions and their gradients.
 *
 * What this file decides: how a contraction is described to the fast kernels, and what one
 * instruction set has to provide. Private to this folder. What the sums are is not decided
 * here: docs/ARITHMETIC.md fixes their order, and every kernel gives exactly those bits.
 *
 * The order: products are numbered k = 0, 1, ...; blocks of 256 consecutive numbers are chains
 * acc = fma(a, b, acc) from +0; block sums are added left to right inside a group of 16 blocks;
 * group sums are added left to right; the first of each is taken as it is. Then the epilogue,
 * one rounding an operation, and NaNs become canonical.
 *
 * Invariants
 *   1. Nothing is allocated here: the caller asks for the scratch bytes and gives them.
 *   2. Rows and columns are padded inside tiles, k never: fma(0, 0, -0) would be +0.
 *   3. Tile shapes, blocking and the thread count choose who computes an element and when,
 *      never the order of its additions. A thread boundary inside one sum lies between groups.
 *   4. NaNs keep whatever payload the processor gives them until the last store. */
#ifndef RO_GEMM_H
#define RO_GEMM_H
#include "repops.h"

#ifndef RO_BODY_H /* which says the same for scalar bodies */
#define RO_BLOCK 256u                       /* products of one chain                 */
#define RO_GROUP_BLOCKS 16u                 /* chains of one group                   */
#define RO_GROUP (RO_BLOCK * RO_GROUP_BLOCKS)
#endif

/* ---- what an instruction set provides ---------------------------------------------------- */

#define RO_TILE_ROWS 14u  /* most rows of a tile: 2 x 14 accumulators, 2 operands, 1 broadcast */
#define RO_TILE_VECTORS 3u

/* One chain of k products for a tile of rows x vectors accumulators, row-major.
 *   a       k columns of `rows` elements, packed: a[j * rows + i]
 *   b       product j meets the elements at b + offset[j]
 *   add     0: the chains are stored; 1: they are added to what the tile holds
 * k = 0 gives +0 chains. */
typedef void ro_tile_fn(uint64_t k, const void *a, const void *b, const int64_t *offset,
                        void *tile, int add);

/* Consecutive products that meet consecutive elements of x. */
typedef struct { int64_t offset; uint64_t count; } ro_run;

/* The same for a left operand that is read where it lies: product j of a run meets
 * x[run.offset + j + row[i]] in tile row i, and the next vectors of b, which is packed. */
typedef void ro_tap_fn(const ro_run *runs, uint64_t count, const void *x, const int64_t *row,
                       const void *b, void *tile, int add);

/* out = canonical(alpha * s), or canonical(alpha * s + beta * add) in three roundings. Element
 * (i, j) of add and out lies at i * row + j * lane. */
typedef struct {
    double alpha, beta; /* values of the element type */
    const void *add;    /* NULL: none */
    int64_t add_row, add_lane;
    void *out;
    int64_t out_row, out_lane;
} ro_finish;

typedef struct {
    uint32_t size;   /* bytes of an element */
    uint32_t lanes;  /* elements of a vector */
    uint32_t rows[RO_TILE_VECTORS]; /* most rows of a tile that is v + 1 vectors wide */
    uint32_t tap_rows[RO_TILE_VECTORS]; /* the same for ro_tap_fn */
    uint32_t dense;   /* vectors across the tiles of a matrix product */
    uint32_t spatial; /* vectors across the tiles of a convolution    */
    ro_tile_fn *tile[RO_TILE_VECTORS][RO_TILE_ROWS]; /* [vectors - 1][rows - 1] */
    ro_tap_fn *tap[RO_TILE_VECTORS][RO_TILE_ROWS];
    /* to[j * width + i] = from[i * lane + j * step] for i < used, +0 for used <= i < width */
    void (*pack)(uint32_t used, uint32_t width, uint64_t k, const void *from, int64_t lane,
                 int64_t step, void *to);
    /* The same with step[j] in place of j * step. */
    void (*gather)(uint32_t used, uint32_t width, uint64_t k, const void *from, int64_t lane,
                   const int64_t *step, void *to);
    /* `count` elements of each of `rows` rows, from_step apart in the source. */
    void (*copy)(uint64_t rows, uint64_t count, const void *from, int64_t from_row,
                 int64_t from_step, void *to, int64_t to_row);
    void (*add)(uint64_t count, const void *from, void *to); /* to[i] = to[i] + from[i] */
    /* Rows of the tile are `stride` elements apart. */
    void (*finish)(const ro_finish *f, const void *tile, uint32_t stride, uint32_t rows,
                   uint32_t lanes);
} ro_kernels;

typedef struct { const char *name; const ro_kernels *f32, *f64; } ro_kernel_set;

#if defined(__x86_64__)
extern const ro_kernel_set ro_gemm_avx512; /* needs AVX-512 F, BW, DQ, VL */
extern const ro_kernel_set ro_gemm_avx2;   /* needs AVX2 and FMA          */
#endif
/* "neon" on aarch64, else "base": portable C, every fma exact. */
extern const ro_kernel_set ro_gemm_base;

/* ---- matrix products --------------------------------------------------------------------- */

/* c[m,n] = alpha * sum over k of a[m,k] b[k,n] (+ beta * add[m,n]), for each batch. Strides are
 * in elements and may be 0 (broadcast) or swapped (transposed); c does not overlap an input.
 * alpha = beta = 1 changes no bits. */
typedef struct {
    uint64_t batches, m, n, k;
    const void *a;
    int64_t a_batch, a_row, a_col; /* a[m,k] */
    const void *b;
    int64_t b_batch, b_row, b_col; /* b[k,n] */
    void *c;
    int64_t c_batch, c_row, c_col;
    double alpha, beta;
    const void *add; /* NULL: none */
    int64_t add_batch, add_row, add_col;
    const void *packed; /* what ro_gemm_pack made of the operand it names; NULL: nothing */
} ro_gemm;

/* Scratch bytes for ro_gemm_run with at most `threads` threads. Any alignment of 64. */
uint64_t ro_gemm_scratch(const ro_kernels *kernels, const ro_gemm *g, uint32_t threads);
void ro_gemm_run(const ro_kernels *kernels, const ro_gemm *g, void *scratch, ro_pool *pool);

/* An operand that stays the same over many products can be laid out once. Which one that may be
 * follows from g's sizes: ro_gemm_packs says 'a' or 'b', and ro_gemm_pack lays it out into
 * ro_gemm_pack_bytes bytes. Every g with these sizes, this operand and g.packed set may then run
 * without reading the operand; its batch stride must be 0 where there are several batches. */
char ro_gemm_packs(const ro_kernels *kernels, const ro_gemm *g);
uint64_t ro_gemm_pack_bytes(const ro_kernels *kernels, const ro_gemm *g);
void ro_gemm_pack(const ro_kernels *kernels, const ro_gemm *g, void *packed, ro_pool *pool);

/* ---- convolutions ------------------------------------------------------------------------ */

/* Axis 0 is the height, axis 1 the width. x is [images, in_channels, in[0], in[1]], w is
 * [out_channels, in_channels / groups, kernel[0], kernel[1]], y is [images, out_channels,
 * out[0], out[1]], all row-major; output o of an axis reads i = o * stride + k * dilation - pad.
 * The padding at the end is what `out` makes it. */
typedef struct {
    uint64_t images, groups, in_channels, out_channels;
    int64_t in[2], out[2], kernel[2], stride[2], dilation[2], pad[2];
} ro_conv;

typedef enum {
    RO_CONV_FORWARD,     /* (x, w) -> y:   k = (c, kh, kw)                                */
    RO_CONV_GRAD_INPUT,  /* (y, w) -> x:   k = (co, kh, kw); also ConvTranspose           */
    RO_CONV_GRAD_WEIGHT  /* (x, y) -> w:   k = (n, oh, ow)                                */
} ro_conv_kind;

/* Scratch bytes for ro_conv_run with at most `threads` threads. */
uint64_t ro_conv_scratch(const ro_kernels *kernels, ro_conv_kind kind, const ro_conv *c,
                         uint32_t threads);
/*   from, with   the two inputs in the order of ro_conv_kind
 *   bias         one element a channel of the output, added last; NULL: none. NULL for
 *                RO_CONV_GRAD_WEIGHT
 *   to           overlaps no input; every element is written                              */
void ro_conv_run(const ro_kernels *kernels, ro_conv_kind kind, const ro_conv *c,
                 const void *from, const void *with, const void *bias, void *to, void *scratch,
                 ro_pool *pool);
#endif
