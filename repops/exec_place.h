/* exec_place.h - Resize and its gradient over float32 planes. A part of exec_patterns.c.
 *
 * What this file decides: that the taps of each axis are made once a node, for up to three axes
 * that are the last ones; axes that lack are one tap of weight 1 in front: no product changes.
 * Others, and crops, run their scalar bodies.
 *
 * Invariants
 *   1. Taps come in the order of the chain: an output's row goes through them one after the other,
 *      a gradient's row through the outputs over it. */

enum { RESIZE_AXES = 3 };

typedef struct {
    const ro_task *t;
    uint64_t planes;
    int64_t in[RESIZE_AXES], out[RESIZE_AXES], taps[RESIZE_AXES];
    int64_t *at[RESIZE_AXES];    /* [out][taps] positions in x; of the last axis [taps][out] */
    float *weight[RESIZE_AXES];
    int64_t *count[RESIZE_AXES]; /* [out] of different positions: gradient only              */
} resize_job;

static ro_ints resize_axes(const ro_task *t)
{
    return t->op == RO_OP_Resize ? ((const ro_Resize_attrs *)t->attrs)->axes
                                 : ((const ro_ResizeGrad_attrs *)t->attrs)->axes;
}

static ro_resize_rule resize_rule(const ro_task *t, uint32_t k)
{
    const ro_type *x = t->op == RO_OP_Resize ? &t->reader.in[0] : &t->reader.out[0];
    if (t->op == RO_OP_Resize) {
        const ro_Resize_attrs *a = t->attrs;
        return (ro_resize_rule)RO_RESIZE_RULE(a, k, x->dims[a->axes.v[k]]);
    }
    const ro_ResizeGrad_attrs *a = t->attrs;
    return (ro_resize_rule)RO_RESIZE_RULE(a, k, x->dims[a->axes.v[k]]);
}

/* Sizes, and where the tables lie in the scratch; *bytes: of them. */
static resize_job resize_job_of(const ro_task *t, uint64_t *bytes)
{
    const ro_ints axes = resize_axes(t);
    const uint32_t skip = RESIZE_AXES - axes.n;
    resize_job j = {t, ro_span(&t->reader.in[0], 0, (uint32_t)axes.v[0]), {1, 1, 1}, {1, 1, 1},
                    {1, 1, 1}, {NULL}, {NULL}, {NULL}};
    uint8_t *place = t->scratch;
    *bytes = 0;
    for (uint32_t k = 0; k < RESIZE_AXES; k++) {
        if (k >= skip) {
            ro_resize_rule rule = resize_rule(t, k - skip);
            j.in[k] = rule.in, j.out[k] = rule.out, j.taps[k] = ro_resize_taps(&rule);
        }
        uint64_t n = (uint64_t)j.out[k] * (uint64_t)j.taps[k], all = (n + 15) / 16 * 16;
        if (place) {
            j.at[k] = (int64_t *)(void *)(place + *bytes);
            j.count[k] = j.at[k] + all;
            j.weight[k] = (float *)(j.count[k] + all);
        }
        *bytes += all * (2 * sizeof **j.at + sizeof **j.weight);
    }
    return j;
}

static uint64_t resize_scratch(const ro_task *t, uint32_t threads)
{
    uint64_t bytes;
    (void)threads;
    resize_job_of(t, &bytes);
    return bytes;
}

/* The taps of output o of an axis: all of them, or in the gradient those of one position as one. */
static void resize_taps_of(const resize_job *j, uint32_t k, const ro_resize_rule *rule, int64_t o)
{
    const int last = k == RESIZE_AXES - 1 && j->t->op == RO_OP_Resize;
    const int64_t step = last ? j->out[k] : 1;
    int64_t n = 0, *at = j->at[k] + (last ? o : o * j->taps[k]);
    float *weight = j->weight[k] + (last ? o : o * j->taps[k]);
    ro_resize_place p = ro_resize_place_of(rule, o);
    for (int64_t tap = 0; tap < j->taps[k]; tap++) {
        int64_t q = ro_resize_index(rule, &p, tap);
        float w = ro_resize_weight_f32(rule, &p, tap);
        if (j->t->op == RO_OP_Resize) {
            at[tap * step] = q;
            weight[tap * step] = w;
            continue;
        }
        if (!n || at[n - 1] != q) at[n] = q, weight[n++] = 0;
        weight[n - 1] = ro_add_f32(weight[n - 1], w);
    }
    j->count[k][o] = n;
}

static void resize_tables(const resize_job *j)
{
    const uint32_t skip = RESIZE_AXES - resize_axes(j->t).n;
    for (uint32_t k = 0; k < skip; k++) j->at[k][0] = 0, j->weight[k][0] = 1, j->count[k][0] = 1;
    for (uint32_t k = skip; k < RESIZE_AXES; k++) {
        ro_resize_rule rule = resize_rule(j->t, k - skip);
        for (int64_t o = 0; o < j->out[k]; o++) resize_taps_of(j, k, &rule, o);
    }
}

static void resize_row(const float *restrict x, const int64_t *restrict at,
                       const float *restrict weight, float w, float *restrict y, int64_t n)
{
    for (int64_t o = 0; o < n; o++)
        y[o] = ro_fma_f32(ro_mul_f32(w, weight[o]), x[at[o]], y[o]);
}

/* Rows of outputs: (plane, o0, o1). */
static void resize_range(void *ctx, uint64_t begin, uint64_t end, uint32_t worker)
{
    const resize_job *j = ctx;
    const uint64_t rows = (uint64_t)(j->out[0] * j->out[1]);
    const int64_t *in = j->in, wide = j->out[2];
    (void)worker;
    for (uint64_t i = begin; i < end; i++) {
        const float *x = (const float *)j->t->reader.data[0] +
                         i / rows * (uint64_t)(in[0] * in[1] * in[2]);
        float *y = (float *)j->t->out[0] + i * (uint64_t)wide;
        const int64_t a = (int64_t)(i % rows) / j->out[1] * j->taps[0];
        const int64_t b = (int64_t)(i % rows) % j->out[1] * j->taps[1];
        memset(y, 0, (size_t)wide * sizeof *y);
        for (int64_t s = a; s < a + j->taps[0]; s++)
            for (int64_t r = b; r < b + j->taps[1]; r++) {
                const float *row = x + (j->at[0][s] * in[1] + j->at[1][r]) * in[2];
                const float w = ro_mul_f32(j->weight[0][s], j->weight[1][r]);
                for (int64_t t = 0; t < j->taps[2]; t++)
                    resize_row(row, j->at[2] + t * wide, j->weight[2] + t * wide, w, y, wide);
            }
        for (int64_t o = 0; o < wide; o++) y[o] = canonical(y[o]);
    }
}

/* What a row of dy gives a row of dx. */
static void resize_grad_row(const resize_job *j, float w, const float *dy, float *dx)
{
    for (int64_t o = 0; o < j->out[2]; o++) {
        const int64_t *at = j->at[2] + o * j->taps[2];
        const float *weight = j->weight[2] + o * j->taps[2];
        for (int64_t t = 0; t < j->count[2][o]; t++)
            dx[at[t]] = ro_fma_f32(ro_mul_f32(w, weight[t]), dy[o], dx[at[t]]);
    }
}

static void resize_grad_range(void *ctx, uint64_t begin, uint64_t end, uint32_t worker)
{
    const resize_job *j = ctx;
    const uint64_t n = (uint64_t)(j->in[0] * j->in[1] * j->in[2]);
    const int64_t rows = j->out[0] * j->out[1];
    (void)worker;
    for (uint64_t plane = begin; plane < end; plane++) {
        const float *dy = (const float *)j->t->reader.data[0] +
                          plane * (uint64_t)(rows * j->out[2]);
        float *dx = (float *)j->t->out[0] + plane * n;
        memset(dx, 0, n * sizeof *dx);
        for (int64_t o = 0; o < rows; o++) {
            const int64_t p = o / j->out[1], q = o % j->out[1];
            const int64_t a = p * j->taps[0], b = q * j->taps[1];
            for (int64_t s = a; s < a + j->count[0][p]; s++)
                for (int64_t r = b; r < b + j->count[1][q]; r++)
                    resize_grad_row(j, ro_mul_f32(j->weight[0][s], j->weight[1][r]),
                                    dy + o * j->out[2],
                                    dx + (j->at[0][s] * j->in[1] + j->at[1][r]) * j->in[2]);
        }
        for (uint64_t i = 0; i < n; i++) dx[i] = canonical(dx[i]);
    }
}

static void resize_run(const ro_task *t)
{
    uint64_t bytes;
    resize_job j = resize_job_of(t, &bytes);
    const uint64_t rows = (uint64_t)(j.out[0] * j.out[1]);
    const uint64_t work = (uint64_t)(2 * j.taps[0] * j.taps[1] * j.taps[2] * j.out[2]);
    if (!j.planes || !ro_elements(&t->reader.out[0])) return;
    resize_tables(&j);
    if (t->op == RO_OP_Resize)
        ro_parallel(t->pool, j.planes * rows, rows_grain(work), resize_range, &j);
    else
        ro_parallel(t->pool, j.planes, rows_grain(work * rows), resize_grad_range, &j);
}

/* The listed axes are the last ones, and the tables have at most 32 MiB. */
static int resize_fits(const ro_task *t)
{
    uint64_t bytes = 0;
    if ((t->op != RO_OP_Resize && t->op != RO_OP_ResizeGrad) || t->compute != RO_C_F32) return 0;
    const ro_ints axes = resize_axes(t);
    const uint32_t rank = t->reader.in[0].rank;
    if (axes.n > RESIZE_AXES || resize_rule(t, 0).coordinates == RO_RESIZE_CROP) return 0;
    for (uint32_t k = 0; k < axes.n; k++) {
        ro_resize_rule rule = resize_rule(t, k);
        if (axes.v[k] != (int64_t)(rank - axes.n + k)) return 0;
        bytes += (uint64_t)rule.out * (uint64_t)ro_resize_taps(&rule) * 20;
    }
    return bytes <= UINT64_C(1) << 25;
}

static const ro_driver resize_driver = {resize_scratch, resize_run};
