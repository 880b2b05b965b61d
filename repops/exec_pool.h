/* exec_pool.h - windows over float32 planes. A part of exec_patterns.c.
 *
 * What this file decides: that a plane is the unit of work, and which windows have loops of
 * their own: 2 x 2 with stride 2, where no two windows meet. Other 2-D windows walk their taps
 * with clamped bounds; 1-D and 3-D ones run their scalar bodies.
 *
 * Invariants
 *   1. Taps are compared, and windows visited, in ascending order, as the scalar body does: of
 *      equals the first is chosen, and contributions to one element come in window order. */

typedef struct {
    const ro_task *t;
    ro_window w;
    int halves; /* 2 x 2, stride 2, no padding, every window inside */
} pool_job;

static pool_job pool_job_of(const ro_task *t, const ro_type *x, const ro_type *y)
{
    pool_job j = {t, ro_maxpool_window(t->attrs, x, y), 1};
    for (uint32_t a = 0; a < 2; a++)
        if (j.w.kernel[a] != 2 || j.w.stride[a] != 2 || j.w.dilation[a] != 1 || j.w.pad[a] != 0 ||
            j.w.y[a] * 2 > j.w.x[a])
            j.halves = 0;
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

static void maxpool_halves(const pool_job *j, const float *restrict x, float *restrict y)
{
    int64_t wide = j->w.x[1];
    for (int64_t oh = 0; oh < j->w.y[0]; oh++) {
        const float *p = x + 2 * oh * wide, *q = p + wide;
        for (int64_t o = 0; o < j->w.y[1]; o++) {
            float a = p[2 * o], b = p[2 * o + 1], c = q[2 * o], d = q[2 * o + 1];
            a = ro_order_f32(b) > ro_order_f32(a) ? b : a;
            c = ro_order_f32(d) > ro_order_f32(c) ? d : c;
            y[oh * j->w.y[1] + o] = canonical(ro_order_f32(c) > ro_order_f32(a) ? c : a);
        }
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
        maxpool_halves(j, x, y);
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

/* Each element is in one window: it gets add(+0, dy) if it is the first greatest, else +0. */
static void maxpool_grad_halves(const pool_job *j, const float *restrict dy,
                                const float *restrict x, float *restrict dx)
{
    int64_t wide = j->w.x[1];
    for (int64_t oh = 0; oh < j->w.y[0]; oh++) {
        const float *p = x + 2 * oh * wide, *q = p + wide;
        float *s = dx + 2 * oh * wide, *t = s + wide;
        for (int64_t o = 0; o < j->w.y[1]; o++) {
            int32_t a = ro_order_f32(p[2 * o]), b = ro_order_f32(p[2 * o + 1]);
            int32_t c = ro_order_f32(q[2 * o]), d = ro_order_f32(q[2 * o + 1]);
            int32_t ab = b > a ? b : a, cd = d > c ? d : c;
            int upper = ab >= cd, left = a >= b, left2 = c >= d;
            float g = canonical(ro_add_f32(0, dy[oh * j->w.y[1] + o]));
            s[2 * o] = upper && left ? g : 0;
            s[2 * o + 1] = upper && !left ? g : 0;
            t[2 * o] = !upper && left2 ? g : 0;
            t[2 * o + 1] = !upper && !left2 ? g : 0;
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
        maxpool_grad_halves(j, dy, x, dx);
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
