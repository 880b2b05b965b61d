/* test_gemm.c - every fast contraction gives the bits of the sums as the text writes them.
 *
 * What this file decides: the reference (scalar, one element at a time, straight from
 * docs/ARITHMETIC.md) and the shapes, strides, values, instruction sets and thread counts for
 * which the kernels of gemm.h are compared with it, whole buffers at a time.
 *
 * Invariants
 *   1. The reference shares no code with the kernels.
 *   2. Outputs lie in buffers with gaps and margins, scratch in memory full of NaNs with a
 *      margin: a write beside its place is a difference too. */
#include "repops/gemm.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- values ------------------------------------------------------------------------------ */

static uint64_t seed;

static uint64_t draw(void)
{
    seed += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = seed;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static uint64_t below(uint64_t n) { return draw() % n; }

typedef enum { V_UNIFORM, V_BITS, V_RARE, V_TINY, V_COUNT } values;

static double value(values v, int wide)
{
    static const double special[] = {0.0, -0.0, INFINITY, -INFINITY, NAN, 0x1p-149, -0x1p-1074,
                                     0x1.fffffep127, -0x1p-126, 0x1p-1022};
    double uniform = (double)(int64_t)draw() * 0x1p-63;
    union { uint64_t u; double d; } d;
    union { uint32_t u; float f; } f;
    switch (v) {
    case V_BITS: /* any pattern: NaNs with payloads, infinities, subnormals */
        d.u = draw();
        f.u = (uint32_t)d.u;
        return wide ? d.d : (double)f.f;
    case V_RARE: /* mostly zeros of both signs, so that signs of sums show */
        if (below(3000) == 0) return special[below(10)];
        return below(4) ? (below(2) ? -0.0 : 0.0) : uniform;
    case V_TINY: /* products around the smallest numbers */
        return uniform * (wide ? 0x1p-530 : 0x1p-70);
    default:
        return uniform;
    }
}

static void fill(void *p, uint64_t n, int wide, values v)
{
    for (uint64_t i = 0; i < n; i++) {
        double x = value(v, wide);
        if (wide) ((double *)p)[i] = x;
        else ((float *)p)[i] = (float)x;
    }
}

static double get(const void *p, int64_t i, int wide)
{
    return wide ? ((const double *)p)[i] : (double)((const float *)p)[i];
}

static void put(void *p, int64_t i, int wide, double x)
{
    uint64_t wide_nan = UINT64_C(0x7ff8000000000000);
    uint32_t nan = 0x7fc00000;
    if (wide) {
        ((double *)p)[i] = x;
        if (isnan(x)) memcpy((double *)p + i, &wide_nan, 8);
    } else {
        ((float *)p)[i] = (float)x;
        if (isnan(x)) memcpy((float *)p + i, &nan, 4);
    }
}

/* ---- the order, one product at a time ---------------------------------------------------- */

typedef struct { int wide; uint64_t k; double block, group, total; } sum;

static double add(const sum *s, double a, double b)
{
    return s->wide ? a + b : (double)((float)a + (float)b);
}

static double multiply(const sum *s, double a, double b)
{
    return s->wide ? a * b : (double)((float)a * (float)b);
}

static void close_block(sum *s, uint64_t block)
{
    s->group = block % 16 == 0 ? s->block : add(s, s->group, s->block);
    s->block = 0;
}

static void close_group(sum *s, uint64_t group)
{
    s->total = group == 0 ? s->group : add(s, s->total, s->group);
}

/* The next number: a product, or (take = 0) a tap that is skipped. */
static void next(sum *s, int take, double a, double b)
{
    if (s->k && s->k % 256 == 0) close_block(s, s->k / 256 - 1);
    if (s->k && s->k % 4096 == 0) close_group(s, s->k / 4096 - 1);
    if (take && s->wide) s->block = fma(a, b, s->block);
    if (take && !s->wide) s->block = (double)fmaf((float)a, (float)b, (float)s->block);
    s->k++;
}

static double end(sum *s)
{
    if (s->k == 0) return 0;
    close_block(s, (s->k - 1) / 256);
    close_group(s, (s->k - 1) / 4096);
    return s->total;
}

/* ---- what is compared -------------------------------------------------------------------- */

static const ro_kernel_set *sets[3];
static int set_count;
static ro_pool *pools[4]; /* [threads] */

static void begin(void)
{
    ro_err err = {RO_OK, ""};
    set_count = 0;
    seed = 1;
    sets[set_count++] = &ro_gemm_base;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        sets[set_count++] = &ro_gemm_avx2;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        sets[set_count++] = &ro_gemm_avx512;
#endif
    for (uint32_t t = 1; t <= 3; t++) cr_assert_eq(ro_pool_new(t, &pools[t], &err), RO_OK);
}

static void finish(void)
{
    for (uint32_t t = 1; t <= 3; t++) ro_pool_free(pools[t]);
}

TestSuite(gemm, .init = begin, .fini = finish, .timeout = 600);

#define MARGIN 64u

static void *buffer(uint64_t bytes, int fill_byte)
{
    void *p = ro_alloc(bytes + MARGIN);
    cr_assert_not_null(p);
    memset(p, fill_byte, bytes + MARGIN);
    return p;
}

static void check_margin(const void *p, uint64_t bytes, int fill_byte, const char *what)
{
    for (uint64_t i = 0; i < MARGIN; i++)
        cr_assert_eq(((const unsigned char *)p)[bytes + i], fill_byte, "%s: past its end", what);
}

static void check_equal(const void *got, const void *want, uint64_t n, int wide, const char *set,
                        uint32_t threads, const char *what)
{
    uint64_t size = wide ? 8 : 4;
    if (memcmp(got, want, n * size) == 0) return;
    for (uint64_t i = 0; i < n; i++) {
        const unsigned char *g = (const unsigned char *)got + i * size;
        const unsigned char *w = (const unsigned char *)want + i * size;
        cr_assert(memcmp(g, w, size) == 0, "%s, %s, %u threads: element %llu is %a, not %a", what,
                  set, threads, (unsigned long long)i, get(got, (int64_t)i, wide),
                  get(want, (int64_t)i, wide));
    }
}

/* ---- matrix products --------------------------------------------------------------------- */

static void reference_gemm(const ro_gemm *g, int wide, void *c)
{
    for (int64_t batch = 0; batch < (int64_t)g->batches; batch++) {
        for (int64_t m = 0; m < (int64_t)g->m; m++) {
            for (int64_t n = 0; n < (int64_t)g->n; n++) {
                sum s = {wide, 0, 0, 0, 0};
                for (int64_t k = 0; k < (int64_t)g->k; k++)
                    next(&s, 1, get(g->a, batch * g->a_batch + m * g->a_row + k * g->a_col, wide),
                         get(g->b, batch * g->b_batch + k * g->b_row + n * g->b_col, wide));
                double x = multiply(&s, g->alpha, end(&s));
                int64_t at = batch * g->add_batch + m * g->add_row + n * g->add_col;
                if (g->add) x = add(&s, x, multiply(&s, g->beta, get(g->add, at, wide)));
                put(c, batch * g->c_batch + m * g->c_row + n * g->c_col, wide, x);
            }
        }
    }
}

/* Strides of a rows x cols matrix: row-major, column-major, or spread out. */
static uint64_t layout(int kind, uint64_t rows, uint64_t cols, int64_t *row, int64_t *col)
{
    *row = kind == 0 ? (int64_t)cols : kind == 1 ? 1 : (int64_t)cols * 2 + 3;
    *col = kind == 0 ? 1 : kind == 1 ? (int64_t)rows : 2;
    return rows * (kind == 1 ? 1 : (uint64_t)*row) + cols * (uint64_t)*col + 1;
}

typedef struct { int a, b, c, add, wide; uint64_t batches; values v; } variant;

/* The same with one operand laid out first, and then out of reach. */
static void check_packed(ro_gemm g, const ro_kernels *q, ro_pool *pool, const void *want,
                         uint64_t count, variant o, const char *name, const char *what)
{
    uint64_t bytes = ro_gemm_pack_bytes(q, &g), size = q->size;
    int is_a = ro_gemm_packs(q, &g) == 'a';
    if (g.batches != 1 && is_a) return;
    void *packed = buffer(bytes, 0xff);
    ro_gemm_pack(q, &g, packed, pool);
    check_margin(packed, bytes, 0xff, what);
    g.packed = packed;
    if (is_a) g.a = NULL;
    else g.b = NULL;
    bytes = ro_gemm_scratch(q, &g, ro_pool_threads(pool));
    void *scratch = buffer(bytes, 0xff);
    memset(g.c, 0xa5, count * size);
    ro_gemm_run(q, &g, scratch, pool);
    check_equal(g.c, want, count, o.wide, name, ro_pool_threads(pool), what);
    check_margin(scratch, bytes, 0xff, what);
    ro_free(scratch), ro_free(packed);
}

static void check_gemm(uint64_t m, uint64_t n, uint64_t k, variant o)
{
    ro_gemm g = {.batches = o.batches, .m = m, .n = n, .k = k, .alpha = 1, .beta = 1};
    uint64_t size = o.wide ? 8 : 4, na = layout(o.a, m, k, &g.a_row, &g.a_col);
    uint64_t nb = layout(o.b, k, n, &g.b_row, &g.b_col);
    uint64_t nc = layout(o.c, m, n, &g.c_row, &g.c_col), count = nc * o.batches;
    void *a = buffer(na * o.batches * size, 0), *b = buffer(nb * size, 0);
    void *extra = buffer((m + 1) * (n + 1) * size, 0);
    void *want = buffer(count * size, 0xa5), *got = buffer(count * size, 0xa5);
    char what[160];
    fill(a, na * o.batches, o.wide, o.v);
    fill(b, nb, o.wide, o.v);
    fill(extra, (m + 1) * (n + 1), o.wide, o.v);
    g.a = a, g.b = b, g.c = got, g.a_batch = (int64_t)na, g.c_batch = (int64_t)nc;
    if (o.add) {
        g.add = extra, g.alpha = 0.75, g.beta = -1.5;
        g.add_row = o.add & 1 ? (int64_t)n : 0, g.add_col = o.add & 2 ? 1 : 0;
    }
    reference_gemm(&g, o.wide, want);
    snprintf(what, sizeof what, "gemm %llux%llux%llu layouts %d%d%d add %d f%d values %d",
             (unsigned long long)m, (unsigned long long)n, (unsigned long long)k, o.a, o.b, o.c,
             o.add, o.wide ? 64 : 32, o.v);
    for (int s = 0; s < set_count; s++) {
        const ro_kernels *q = o.wide ? sets[s]->f64 : sets[s]->f32;
        for (uint32_t t = 1; t <= 3; t++) {
            uint64_t bytes = ro_gemm_scratch(q, &g, t);
            void *scratch = buffer(bytes, 0xff);
            memset(got, 0xa5, count * size);
            ro_gemm_run(q, &g, scratch, pools[t]);
            check_equal(got, want, count, o.wide, sets[s]->name, t, what);
            check_margin(got, count * size, 0xa5, what);
            check_margin(scratch, bytes, 0xff, what);
            ro_free(scratch);
            check_packed(g, q, pools[t], want, count, o, sets[s]->name, what);
        }
    }
    ro_free(a), ro_free(b), ro_free(extra), ro_free(want), ro_free(got);
}

static variant any_variant(void)
{
    variant o = {(int)below(3), (int)below(3), (int)below(3), (int)below(5), (int)below(2),
                 1 + below(2), (values)below(V_COUNT)};
    return o;
}

static const uint64_t edges[] = {1,  2,  3,  4,  5,  6,  7,  8,  9,  12, 13, 14, 15, 16, 17,
                                 18, 23, 24, 25, 28, 29, 31, 32, 33, 47, 48, 49, 63, 65, 97};
#define EDGES (sizeof edges / sizeof edges[0])

Test(gemm, rows_and_columns_at_every_tile_edge)
{
    for (uint64_t i = 0; i < EDGES; i++)
        for (uint64_t j = 0; j < EDGES; j++)
            check_gemm(edges[i], edges[j], 1 + below(20), any_variant());
}

Test(gemm, products_at_every_block_and_group_edge)
{
    static const uint64_t ks[] = {0,   1,   2,   15,  16,   17,   31,   33,   255,  256,
                                  257, 271, 511, 512, 513,  4095, 4096, 4097, 4352, 4353,
                                  8191, 8192, 8193, 8200, 12300};
    for (uint64_t i = 0; i < sizeof ks / sizeof ks[0]; i++) {
        for (int repeat = 0; repeat < 6; repeat++) {
            variant o = any_variant();
            if (ks[i] > 4000) o.batches = 1;
            check_gemm(1 + below(ks[i] > 4000 ? 5 : 20), 1 + below(ks[i] > 4000 ? 20 : 40), ks[i],
                       o);
        }
    }
}

Test(gemm, chunks_of_rows_and_columns)
{
    static const uint64_t shapes[][3] = {{700, 20, 7},  {20, 1100, 7}, {340, 530, 3},
                                         {350, 40, 260}, {1, 600, 300}, {600, 1, 300},
                                         {64, 10, 1568}, {10, 200, 64}, {15, 520, 257}};
    for (uint64_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        variant o = any_variant();
        for (o.wide = 0; o.wide < 2; o.wide++)
            check_gemm(shapes[i][0], shapes[i][1], shapes[i][2], o);
    }
}

Test(gemm, nothing_to_do)
{
    variant o = {0, 0, 0, 0, 0, 1, V_UNIFORM};
    check_gemm(0, 5, 5, o);
    check_gemm(5, 0, 5, o);
    o.batches = 0;
    check_gemm(5, 5, 5, o);
}

/* ---- convolutions ------------------------------------------------------------------------ */

static int64_t flat4(int64_t a, int64_t b, int64_t c, int64_t d, int64_t nb, int64_t nc,
                     int64_t nd)
{
    return ((a * nb + b) * nc + c) * nd + d;
}

static double padded(const ro_conv *c, const void *x, int64_t n, int64_t channel, int64_t h,
                     int64_t w, int wide)
{
    if (h < 0 || h >= c->in[0] || w < 0 || w >= c->in[1]) return 0;
    return get(x, flat4(n, channel, h, w, (int64_t)c->in_channels, c->in[0], c->in[1]), wide);
}

static void reference_forward(const ro_conv *c, const void *x, const void *w, const void *bias,
                              int wide, void *y)
{
    int64_t images = (int64_t)c->images, outs = (int64_t)c->out_channels;
    int64_t per = (int64_t)(c->in_channels / c->groups), rows = outs / (int64_t)c->groups;
    for (int64_t i = 0; i < images * outs * c->out[0] * c->out[1]; i++) {
        int64_t ow = i % c->out[1], oh = i / c->out[1] % c->out[0];
        int64_t m = i / c->out[1] / c->out[0] % outs, n = i / c->out[1] / c->out[0] / outs;
        sum s = {wide, 0, 0, 0, 0};
        for (int64_t ch = 0; ch < per; ch++)
            for (int64_t kh = 0; kh < c->kernel[0]; kh++)
                for (int64_t kw = 0; kw < c->kernel[1]; kw++)
                    next(&s, 1,
                         padded(c, x, n, m / rows * per + ch,
                                oh * c->stride[0] + kh * c->dilation[0] - c->pad[0],
                                ow * c->stride[1] + kw * c->dilation[1] - c->pad[1], wide),
                         get(w, flat4(m, ch, kh, kw, per, c->kernel[0], c->kernel[1]), wide));
        double v = end(&s);
        if (bias) v = add(&s, v, get(bias, m, wide));
        put(y, i, wide, v);
    }
}

static void reference_weight(const ro_conv *c, const void *x, const void *dy, int wide, void *dw)
{
    int64_t outs = (int64_t)c->out_channels, per = (int64_t)(c->in_channels / c->groups);
    int64_t rows = outs / (int64_t)c->groups;
    for (int64_t i = 0; i < outs * per * c->kernel[0] * c->kernel[1]; i++) {
        int64_t kw = i % c->kernel[1], kh = i / c->kernel[1] % c->kernel[0];
        int64_t ch = i / c->kernel[1] / c->kernel[0] % per;
        int64_t m = i / c->kernel[1] / c->kernel[0] / per;
        sum s = {wide, 0, 0, 0, 0};
        for (int64_t n = 0; n < (int64_t)c->images; n++)
            for (int64_t oh = 0; oh < c->out[0]; oh++)
                for (int64_t ow = 0; ow < c->out[1]; ow++)
                    next(&s, 1,
                         padded(c, x, n, m / rows * per + ch,
                                oh * c->stride[0] + kh * c->dilation[0] - c->pad[0],
                                ow * c->stride[1] + kw * c->dilation[1] - c->pad[1], wide),
                         get(dy, flat4(n, m, oh, ow, outs, c->out[0], c->out[1]), wide));
        put(dw, i, wide, end(&s));
    }
}

static void reference_input(const ro_conv *c, const void *dy, const void *w, const void *bias,
                            int wide, void *dx)
{
    int64_t ins = (int64_t)c->in_channels, outs = (int64_t)c->out_channels;
    int64_t per = ins / (int64_t)c->groups, rows = outs / (int64_t)c->groups;
    for (int64_t i = 0; i < (int64_t)c->images * ins * c->in[0] * c->in[1]; i++) {
        int64_t iw = i % c->in[1], ih = i / c->in[1] % c->in[0];
        int64_t channel = i / c->in[1] / c->in[0] % ins, n = i / c->in[1] / c->in[0] / ins;
        int64_t group = channel / per;
        sum s = {wide, 0, 0, 0, 0};
        for (int64_t k = 0; k < rows * c->kernel[0] * c->kernel[1]; k++) {
            int64_t kw = k % c->kernel[1], kh = k / c->kernel[1] % c->kernel[0];
            int64_t m = group * rows + k / c->kernel[1] / c->kernel[0];
            int64_t th = ih + c->pad[0] - kh * c->dilation[0];
            int64_t tw = iw + c->pad[1] - kw * c->dilation[1];
            int take = th % c->stride[0] == 0 && tw % c->stride[1] == 0;
            int64_t oh = th / c->stride[0], ow = tw / c->stride[1];
            int inside = th >= 0 && tw >= 0 && oh < c->out[0] && ow < c->out[1];
            double a = 0;
            if (take && inside)
                a = get(dy, flat4(n, m, oh, ow, outs, c->out[0], c->out[1]), wide);
            next(&s, take, a, get(w, flat4(m, channel % per, kh, kw, per, c->kernel[0],
                                           c->kernel[1]), wide));
        }
        double v = end(&s);
        if (bias) v = add(&s, v, get(bias, channel, wide));
        put(dx, i, wide, v);
    }
}

static void check_conv_kind(const ro_conv *c, ro_conv_kind kind, const void *from,
                            const void *with, const void *bias, const void *want, uint64_t n,
                            int wide)
{
    uint64_t size = wide ? 8 : 4;
    char what[240];
    snprintf(what, sizeof what,
             "conv kind %d f%d n %d g %d c %d m %d in %dx%d out %dx%d k %dx%d s %d,%d d %d,%d "
             "p %d,%d", kind, wide ? 64 : 32, (int)c->images, (int)c->groups, (int)c->in_channels,
             (int)c->out_channels, (int)c->in[0], (int)c->in[1], (int)c->out[0], (int)c->out[1],
             (int)c->kernel[0], (int)c->kernel[1], (int)c->stride[0], (int)c->stride[1],
             (int)c->dilation[0], (int)c->dilation[1], (int)c->pad[0], (int)c->pad[1]);
    for (int s = 0; s < set_count; s++) {
        const ro_kernels *q = wide ? sets[s]->f64 : sets[s]->f32;
        for (uint32_t t = 1; t <= 3; t++) {
            uint64_t bytes = ro_conv_scratch(q, kind, c, t);
            void *scratch = buffer(bytes, 0xff), *got = buffer(n * size, 0xa5);
            ro_conv_run(q, kind, c, from, with, bias, got, scratch, pools[t]);
            check_equal(got, want, n, wide, sets[s]->name, t, what);
            check_margin(got, n * size, 0xa5, what);
            check_margin(scratch, bytes, 0xff, what);
            ro_free(scratch), ro_free(got);
        }
    }
}

static void check_conv(const ro_conv *c, int wide, values v, int with_bias)
{
    uint64_t size = wide ? 8 : 4;
    uint64_t nx = c->images * c->in_channels * (uint64_t)(c->in[0] * c->in[1]);
    uint64_t ny = c->images * c->out_channels * (uint64_t)(c->out[0] * c->out[1]);
    uint64_t nw = c->out_channels * (c->in_channels / c->groups) *
                  (uint64_t)(c->kernel[0] * c->kernel[1]);
    uint64_t channels = c->in_channels + c->out_channels;
    void *x = buffer(nx * size, 0), *y = buffer(ny * size, 0), *w = buffer(nw * size, 0);
    void *bias = buffer(channels * size, 0), *b = with_bias ? bias : NULL;
    void *want = buffer((nx + ny + nw) * size, 0);
    fill(x, nx, wide, v), fill(y, ny, wide, v), fill(w, nw, wide, v);
    fill(bias, channels, wide, v);
    reference_forward(c, x, w, b, wide, want);
    check_conv_kind(c, RO_CONV_FORWARD, x, w, b, want, ny, wide);
    reference_input(c, y, w, b, wide, want);
    check_conv_kind(c, RO_CONV_GRAD_INPUT, y, w, b, want, nx, wide);
    reference_weight(c, x, y, wide, want);
    check_conv_kind(c, RO_CONV_GRAD_WEIGHT, x, y, NULL, want, nw, wide);
    ro_free(x), ro_free(y), ro_free(w), ro_free(bias), ro_free(want);
}

Test(gemm, convolutions_of_any_geometry)
{
    for (int round = 0; round < 250; round++) {
        ro_conv c = {.images = 1 + below(3), .groups = 1 + below(3) % 3};
        if (below(2)) c.groups = 1;
        c.in_channels = c.groups * (1 + below(4));
        c.out_channels = c.groups * (1 + below(below(4) ? 6 : 40));
        for (int d = 0; d < 2; d++) {
            c.in[d] = 1 + (int64_t)below(below(3) ? 9 : 24);
            c.kernel[d] = 1 + (int64_t)below(4);
            c.stride[d] = 1 + (int64_t)below(3);
            c.dilation[d] = 1 + (int64_t)below(3);
            c.pad[d] = (int64_t)below(5);
            int64_t room = c.in[d] + c.pad[d] - (c.kernel[d] - 1) * c.dilation[d] - 1;
            c.out[d] = (room < 0 ? 0 : room / c.stride[d]) + 1 + (int64_t)below(3);
        }
        check_conv(&c, (int)below(2), (values)below(V_COUNT), (int)below(2));
    }
}

Test(gemm, convolutions_across_blocks_and_groups)
{
    static const ro_conv cases[] = {
        {2, 1, 30, 5, {5, 6}, {5, 6}, {3, 3}, {1, 1}, {1, 1}, {1, 1}},
        {1, 1, 3, 60, {5, 7}, {3, 4}, {3, 3}, {2, 2}, {1, 1}, {1, 1}},
        {1, 1, 460, 3, {4, 4}, {4, 4}, {3, 3}, {1, 1}, {1, 1}, {1, 1}},
        {1, 1, 2, 470, {5, 5}, {3, 3}, {3, 3}, {2, 2}, {1, 1}, {1, 1}},
        {1, 1, 1, 920, {3, 3}, {3, 3}, {3, 3}, {1, 1}, {1, 1}, {1, 1}},
        {1, 1, 1, 300, {4, 4}, {2, 2}, {2, 9}, {3, 5}, {1, 1}, {0, 2}},
        {3, 1, 2, 18, {40, 41}, {40, 41}, {3, 3}, {1, 1}, {1, 1}, {1, 1}},
        {7, 1, 1, 3, {37, 33}, {37, 33}, {2, 2}, {1, 1}, {1, 1}, {1, 0}},
        {300, 1, 2, 3, {1, 1}, {1, 1}, {1, 1}, {1, 1}, {1, 1}, {0, 0}},
        {130, 2, 4, 4, {2, 2}, {2, 2}, {3, 3}, {1, 1}, {1, 1}, {1, 1}},
        {1, 1, 2, 3, {300, 5}, {300, 5}, {3, 3}, {1, 1}, {1, 1}, {1, 1}},
        {1, 1, 200, 2, {20, 90}, {20, 90}, {1, 1}, {1, 1}, {1, 1}, {0, 0}},
        {4, 1, 1, 16, {28, 28}, {28, 28}, {3, 3}, {1, 1}, {1, 1}, {1, 1}},
        {3, 1, 16, 32, {14, 14}, {14, 14}, {3, 3}, {1, 1}, {1, 1}, {1, 1}},
        {2, 1, 3, 4, {9, 9}, {2, 2}, {1, 1}, {7, 7}, {1, 1}, {0, 0}},
    };
    for (uint64_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (int v = 0; v < V_COUNT; v += 2)
            check_conv(&cases[i], i % 3 == 0 && v, (values)v, (int)(i & 1));
}
