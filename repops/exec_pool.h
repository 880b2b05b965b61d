/* exec_pool.h - windows over float32 planes. A part of exec_patterns.c.
 *
 * What this file decides: that a plane is the unit of work, and which windows have loops of
 * their own: 2 x 2 with stride 2, where no two windows meet. Other 2-D windows walk their taps
 * with clamped bounds; 1-D and 3-D ones run their scalar bodies.
 *
 * Invariants
 *   1. Taps are compared, and windows visited, in ascending order, as the scalar body does: of
 *      equals the first is chosen, and contributions to one element come in window order. */

/* Windows of 2 x 2 at once: their keys stay in the first cache. */
enum { WINDOWS = 512 };

typedef struct {
    const ro_task *t;
    ro_window w;
    int halves; /* 2 x 2, stride 2, no padding, every window inside, a row of them in a batch */
} pool_job;

static pool_job pool_job_of(const ro_task *t, const ro_type *x, const ro_type *y)
{
    pool_job j = {t, ro_maxpool_window(t->attrs, x, y), 1};
    for (uint32_t a = 0; a < 2; a++)
        if (j.w.kernel[a] != 2 || j.w.stride[a] != 2 || j.w.dilation[a] != 1 || j.w.pad[a] != 0 ||
            j.w.y[a] * 2 > j.w.x[a])
            j.halves = 0;
    if (j.w.y[1] < 1 || j.w.y[1] > WINDOWS) j.halves = 0;
    return j;
}

/* Taps of output o on an axis that lie inside x: [*lo, *hi). */
static void taps_inside(const ro_window *w, uint32_t a, int64_t o, int64_t *lo, int64_t *hi)
{
    int64_t d = w->dilation[a], start = o * w->stride[a] - w->pad[a];
    *lo = start < 0 ? ro_ceil_div(-start, d) : 0;
    *hi = ro_ceil_div(w->x[a] - start, d);
    if (*hi > w->kernel[a]) *hi = w->kernel[a];
}

/* The flat place in the plane of the window's first greatest tap; -1: no tap is inside. */
static int64_t first_greatest(const ro_window *w, const float *x, int64_t oh, int64_t ow)
{
    int64_t h0, h1, w0, w1, best = -1;
    int32_t top = 0;
    taps_inside(w, 0, oh, &h0, &h1);
    taps_inside(w, 1, ow, &w0, &w1);
    for (int64_t kh = h0; kh < h1; kh++) {
        int64_t row = (oh * w->stride[0] - w->pad[0] + kh * w->dilation[0]) * w->x[1];
        for (int64_t kw = w0; kw < w1; kw++) {
            int64_t at = row + ow * w->stride[1] - w->pad[1] + kw * w->dilation[1];
            int32_t key = ro_order_f32(x[at]);
            if (best < 0 || key > top) {
                best = at;
                top = key;
            }
        }
    }
    return best;
}

/* Keys of the upper and of the lower row of some rows of windows, two for each window. */
typedef struct { int32_t upper[2 * WINDOWS], lower[2 * WINDOWS]; } half_keys;

static void keys_of(const float *restrict x, int32_t *restrict key, int64_t n)
{
    for (int64_t i = 0; i < n; i++) key[i] = ro_order_f32(x[i]);
}

static void half_keys_of(const ro_window *w, const float *x, int64_t oh, int64_t rows,
                         half_keys *k)
{
    int64_t pair = 2 * w->y[1];
    for (int64_t r = 0; r < rows; r++) {
        const float *p = x + 2 * (oh + r) * w->x[1];
        keys_of(p, k->upper + r * pair, pair);
        keys_of(p + w->x[1], k->lower + r * pair, pair);
    }
}

static void maxpool_halves(const ro_window *w, const float *x, float *y)
{
    int64_t rows = WINDOWS / w->y[1];
    half_keys k;
    for (int64_t oh = 0; oh < w->y[0]; oh += rows) {
        int64_t some = w->y[0] - oh < rows ? w->y[0] - oh : rows, n = some * w->y[1];
        float *restrict to = y + oh * w->y[1];
        half_keys_of(w, x, oh, some, &k);
        for (int64_t i = 0; i < 2 * n; i++) k.upper[i] = greater(k.upper[i], k.lower[i]);
        for (int64_t o = 0; o < n; o++)
            to[o] = number_of(greater(k.upper[2 * o], k.upper[2 * o + 1]));
    }
}

static void maxpool_plane(const pool_job *j, uint64_t plane)
{
    const ro_window *w = &j->w;
    uint64_t in = (uint64_t)(w->x[0] * w->x[1]), out = (uint64_t)(w->y[0] * w->y[1]);
    const float *x = (const float *)j->t->reader.data[0] + plane * in;
    float *y = (float *)j->t->out[0] + plane * out;
    int64_t *index = j->t->reader.outputs > 1 ? (int64_t *)j->t->out[1] + plane * out : NULL;
    if (j->halves && !index) {
        maxpool_halves(w, x, y);
        return;
    }
    for (int64_t oh = 0; oh < w->y[0]; oh++) {
        for (int64_t ow = 0; ow < w->y[1]; ow++) {
            int64_t at = first_greatest(w, x, oh, ow), o = oh * w->y[1] + ow;
            y[o] = at < 0 ? ro_least_f32(RO_F32) : canonical(x[at]);
            if (index) index[o] = at < 0 ? -1 : (int64_t)(plane * in) + at;
        }
    }
}

static void maxpool_range(void *ctx, uint64_t begin, uint64_t end, uint32_t worker)
{
    (void)worker;
    for (uint64_t plane = begin; plane < end; plane++) maxpool_plane(ctx, plane);
}

/* What the four elements of each window get: add(+0, dy) the first greatest, +0 the others. */
typedef struct { uint32_t corner[4][WINDOWS]; } half_grads;

static void half_grads_of(const half_keys *k, const float *restrict dy, half_grads *restrict g,
                          int64_t n)
{
    for (int64_t o = 0; o < n; o++) {
        int32_t a = k->upper[2 * o], b = k->upper[2 * o + 1];
        int32_t c = k->lower[2 * o], d = k->lower[2 * o + 1];
        uint32_t all = ro_canon_f32(ro_add_f32(0, dy[o]));
        uint32_t upper = greater(a, b) >= greater(c, d) ? all : 0, lower = all ^ upper;
        uint32_t first = a >= b ? upper : 0, third = c >= d ? lower : 0;
        g->corner[0][o] = first;
        g->corner[1][o] = upper ^ first;
        g->corner[2][o] = third;
        g->corner[3][o] = lower ^ third;
    }
}

static void interleave(const uint32_t *restrict a, const uint32_t *restrict b, float *restrict to,
                       int64_t n)
{
    for (int64_t o = 0; o < n; o++) {
        to[2 * o] = ro_bits_f32(a[o]);
        to[2 * o + 1] = ro_bits_f32(b[o]);
    }
}

static void maxpool_grad_halves(const ro_window *w, const float *dy, const float *x, float *dx)
{
    int64_t wide = w->y[1], rows = WINDOWS / wide;
    half_keys k;
    half_grads g;
    for (int64_t oh = 0; oh < w->y[0]; oh += rows) {
        int64_t some = w->y[0] - oh < rows ? w->y[0] - oh : rows;
        half_keys_of(w, x, oh, some, &k);
        half_grads_of(&k, dy + oh * wide, &g, some * wide);
        for (int64_t r = 0; r < some; r++) {
            float *to = dx + 2 * (oh + r) * w->x[1];
            interleave(g.corner[0] + r * wide, g.corner[1] + r * wide, to, wide);
            interleave(g.corner[2] + r * wide, g.corner[3] + r * wide, to + w->x[1], wide);
        }
    }
}

static void maxpool_grad_plane(const pool_job *j, uint64_t plane)
{
    const ro_window *w = &j->w;
    uint64_t in = (uint64_t)(w->x[0] * w->x[1]), out = (uint64_t)(w->y[0] * w->y[1]);
    const float *dy = (const float *)j->t->reader.data[0] + plane * out;
    const float *x = (const float *)j->t->reader.data[1] + plane * in;
    float *dx = (float *)j->t->out[0] + plane * in;
    if (!j->halves || w->y[0] * 2 != w->x[0] || w->y[1] * 2 != w->x[1])
        memset(dx, 0, in * sizeof *dx);
    if (j->halves) {
        maxpool_grad_halves(w, dy, x, dx);
        return;
    }
    for (int64_t oh = 0; oh < w->y[0]; oh++) {
        for (int64_t ow = 0; ow < w->y[1]; ow++) {
            int64_t at = first_greatest(w, x, oh, ow);
            if (at >= 0) dx[at] = ro_add_f32(dx[at], dy[oh * w->y[1] + ow]);
        }
    }
    for (uint64_t i = 0; i < in; i++) dx[i] = canonical(dx[i]);
}

static void maxpool_grad_range(void *ctx, uint64_t begin, uint64_t end, uint32_t worker)
{
    (void)worker;
    for (uint64_t plane = begin; plane < end; plane++) maxpool_grad_plane(ctx, plane);
}

static void maxpool_run(const ro_task *t)
{
    int forward = t->op == RO_OP_MaxPool;
    const ro_type *x = &t->reader.in[forward ? 0 : 1];
    const ro_type *y = forward ? &t->reader.out[0] : &t->reader.in[0];
    pool_job j = pool_job_of(t, x, y);
    uint64_t taps = (uint64_t)(j.w.kernel[0] * j.w.kernel[1]);
    uint64_t work = ro_span(y, 2, 4) * (j.halves ? 1 : 2 * taps) + ro_span(x, 2, 4);
    ro_parallel(t->pool, (uint64_t)(x->dims[0] * x->dims[1]), rows_grain(work),
                forward ? maxpool_range : maxpool_grad_range, &j);
}

static int maxpool_fits(const ro_task *t)
{
    if (t->op != RO_OP_MaxPool && t->op != RO_OP_MaxPoolGrad) return 0;
    return t->compute == RO_C_F32 && t->reader.in[0].rank == 4;
}

static const ro_driver maxpool_driver = {NULL, maxpool_run};
