/* exec_attention.h - Attention without its scores in memory. A part of exec_patterns.c.
 *
 * What this file decides: how rows of queries go together. A block of rows of one head has its
 * scores in a worker's scratch, made by one product, turned to weights a row at a time, and
 * consumed by a second product; the scaled keys are made once.
 *
 * Invariants
 *   1. A score is the element that MatMul would give, a weight the one that Softmax would, so the
 *      bits hang neither on the rows of a block nor on the threads.
 *   2. Scratch is the keys, and for each worker a block's scores and queries: never T x S. */

#define ATTENTION_SCORES (UINT64_C(1) << 18) /* of a block: 1 MiB of float32, within a core's L2 */
#define ATTENTION_ROWS 128u                  /* of a block at most: packing the keys then is 1 % */
#define ATTENTION_ROWS_LEAST 16u             /* about a tile */

typedef struct {
    const ro_task *t;
    const ro_kernels *kernels;
    uint64_t rows, blocks, items;               /* of a block; of a head; blocks of all heads */
    uint64_t keys, scores, queries, scratch; /* elements of keys and of a worker; bytes of one */
    ro_gemm score, value;                       /* of a whole block */
} attention;

static uint64_t attention_bytes(const attention *a, uint64_t elements)
{
    return (elements * a->kernels->size + 63) / 64 * 64;
}

/* Scratch of either product for a block of so many rows. */
static uint64_t attention_products(const attention *a, uint64_t rows)
{
    ro_gemm score = a->score, value = a->value;
    score.m = value.m = rows;
    uint64_t one = ro_gemm_scratch(a->kernels, &score, 1);
    uint64_t two = ro_gemm_scratch(a->kernels, &value, 1);
    return one > two ? one : two;
}

static attention attention_of(const ro_task *t, uint32_t threads)
{
    const ro_type *q = &t->reader.in[0], *v = &t->reader.in[2];
    const ro_attention_row w = ro_attention_row_of(&t->reader, 0);
    const uint64_t rows = (uint64_t)q->dims[2], heads = (uint64_t)(q->dims[0] * q->dims[1]);
    attention a = {.t = t, .rows = ATTENTION_SCORES / w.keys};
    a.kernels = t->compute == RO_C_F32 ? t->kernels->f32 : t->kernels->f64;
    if (a.rows > ATTENTION_ROWS) a.rows = ATTENTION_ROWS;
    if (a.rows < ATTENTION_ROWS_LEAST) a.rows = ATTENTION_ROWS_LEAST;
    if (a.rows > rows) a.rows = rows;
    while (a.rows > ATTENTION_ROWS_LEAST && heads * ((rows + a.rows - 1) / a.rows) < 2 * threads)
        a.rows = (a.rows + 1) / 2;
    a.blocks = (rows + a.rows - 1) / a.rows;
    a.items = heads * a.blocks;
    a.keys = (uint64_t)(v->dims[0] * v->dims[1]) * w.keys * w.size;
    a.scores = a.rows * w.keys;
    a.queries = a.rows * w.size;
    a.score = (ro_gemm){.batches = 1, .m = a.rows, .n = w.keys, .k = w.size, .alpha = 1, .beta = 1,
                        .a_row = (int64_t)w.size, .a_col = 1, .b_row = 1,
                        .b_col = (int64_t)w.size, .c_row = (int64_t)w.keys, .c_col = 1};
    a.value = (ro_gemm){.batches = 1, .m = a.rows, .n = w.width, .k = w.keys, .alpha = 1,
                        .beta = 1, .a_row = (int64_t)w.keys, .a_col = 1,
                        .b_row = (int64_t)w.width, .b_col = 1, .c_row = (int64_t)w.width,
                        .c_col = 1};
    const uint64_t last = rows - (a.blocks - 1) * a.rows; /* its layout may be another */
    uint64_t inner = attention_products(&a, a.rows), other = attention_products(&a, last);
    a.scratch = attention_bytes(&a, a.scores) + attention_bytes(&a, a.queries) +
                ((inner > other ? inner : other) + 63) / 64 * 64;
    return a;
}

/* ---- one row of scores ---------------------------------------------------------------------- */

/* What is added to the scores of a row, other than the bias: -inf from a position on. */
static void attention_masks(const ro_task *t, const ro_attention_row *w, uint64_t *causal,
                            uint64_t *length)
{
    const ro_Attention_attrs *p = t->attrs;
    *causal = *length = w->keys;
    if (p->causal && w->t + (uint64_t)p->past + 1 < w->keys)
        *causal = w->t + (uint64_t)p->past + 1;
    if (!ro_has(&t->reader, 4)) return;
    int64_t n = ro_read_i64(&t->reader, 4, w->batch);
    if (n < (int64_t)w->keys) *length = n < 0 ? 0 : (uint64_t)n;
}

/* The row's scores to weights, in place: ro_attention_seen and what follows from it. */
#define ATTENTION_WEIGHTS(S, T, TANH, MOST, EXP_SUM)                                               \
    static void attention_weights_##S(const ro_task *t, const ro_attention_row *w, T *x)           \
    {                                                                                              \
        const ro_Attention_attrs *p = t->attrs;                                                    \
        const ro_reader *r = &t->reader;                                                           \
        const T cap = (T)p->cap, low = ro_least_##S(RO_F32);                                       \
        const uint64_t n = w->keys;                                                                \
        uint64_t causal, length;                                                                   \
        attention_masks(t, w, &causal, &length);                                                   \
        if (cap != 0) {                                                                            \
            for (uint64_t j = 0; j < n; j++) x[j] = ro_div_##S(x[j], cap);                         \
            TANH(x, n);                                                                            \
            for (uint64_t j = 0; j < n; j++) x[j] = ro_mul_##S(x[j], cap);                         \
        }                                                                                          \
        if (ro_has(r, 3)) {                                                                        \
            const ro_type *b = &r->in[3];                                                          \
            const uint64_t step = b->rank && b->dims[b->rank - 1] != 1;                            \
            const T *bias = r->data[3];                                                            \
            bias += ro_broadcast_index(&w->scores, b, w->row * n);                                 \
            for (uint64_t j = 0; j < n; j++) {                                                     \
                T c = bias[j * step];                                                              \
                if (p->causal) c = ro_add_##S(c, j < causal ? 0 : low);                            \
                if (ro_has(r, 4)) c = ro_add_##S(c, j < length ? 0 : low);                         \
                x[j] = ro_add_##S(x[j], c);                                                        \
            }                                                                                      \
        } else if (p->causal || ro_has(r, 4)) {                                                    \
            const uint64_t seen = causal < length ? causal : length;                               \
            for (uint64_t j = 0; j < seen; j++) x[j] = ro_add_##S(x[j], 0);                        \
            for (uint64_t j = seen; j < n; j++) x[j] = ro_add_##S(x[j], low);                      \
        }                                                                                          \
        const T m = MOST(x, n), z = EXP_SUM(x, m, x, n);                                           \
        for (uint64_t j = 0; j < n; j++) x[j] = ro_div_##S(x[j], z);                               \
    }

static void tanh_row_f32(float *x, uint64_t n) { functions.tanh(x, x, n); }
ATTENTION_WEIGHTS(f32, float, tanh_row_f32, lane_max, exp_row)

static void tanh_row_f64(double *x, uint64_t n)
{
    for (uint64_t j = 0; j < n; j++) x[j] = ro_tanh_f64(x[j]);
}
static double lane_max_f64(const double *x, uint64_t n)
{
    ro_lanes_f64 lanes;
    ro_lanes_init_f64(&lanes, RO_STAGE_MAX, ro_least_f64(RO_F64));
    for (uint64_t j = 0; j < n; j++) ro_lanes_push_f64(&lanes, x[j]);
    return ro_lanes_end_f64(&lanes);
}
static double exp_row_f64(const double *x, double m, double *y, uint64_t n)
{
    ro_lanes_f64 lanes;
    ro_lanes_init_f64(&lanes, RO_STAGE_SUM, 0);
    for (uint64_t j = 0; j < n; j++) {
        y[j] = ro_exp_f64(ro_sub_f64(x[j], m));
        ro_lanes_push_f64(&lanes, y[j]);
    }
    return ro_lanes_end_f64(&lanes);
}
ATTENTION_WEIGHTS(f64, double, tanh_row_f64, lane_max_f64, exp_row_f64)

/* ---- blocks of rows ------------------------------------------------------------------------- */

static void attention_scale(const attention *a, const void *from, uint64_t begin, uint64_t end,
                            void *to)
{
    const double root = (double)((const ro_Attention_attrs *)a->t->attrs)->root;
    if (a->t->compute == RO_C_F32) {
        const float *x = from;
        float *y = to;
        for (uint64_t i = begin; i < end; i++) y[i - begin] = ro_mul_f32(x[i], (float)root);
    } else {
        const double *x = from;
        double *y = to;
        for (uint64_t i = begin; i < end; i++) y[i - begin] = ro_mul_f64(x[i], root);
    }
}

static void attention_keys_range(void *ctx, uint64_t begin, uint64_t end, uint32_t worker)
{
    const attention *a = ctx;
    (void)worker;
    attention_scale(a, a->t->reader.data[1], begin, end,
                    (char *)a->t->scratch + begin * a->kernels->size);
}

static void attention_range(void *ctx, uint64_t begin, uint64_t end, uint32_t worker)
{
    const attention *a = ctx;
    const ro_task *t = a->t;
    const uint64_t rows = (uint64_t)t->reader.in[0].dims[2], size = a->kernels->size;
    char *scores = (char *)t->scratch + attention_bytes(a, a->keys) + worker * a->scratch;
    char *queries = scores + attention_bytes(a, a->scores);
    char *inner = queries + attention_bytes(a, a->queries);
    for (uint64_t k = begin; k < end; k++) {
        const uint64_t first = k % a->blocks * a->rows, row = k / a->blocks * rows + first;
        const ro_attention_row w = ro_attention_row_of(&t->reader, row);
        ro_gemm s = a->score, v = a->value;
        s.m = v.m = rows - first < a->rows ? rows - first : a->rows;
        attention_scale(a, t->reader.data[0], w.q, w.q + s.m * w.size, queries);
        s.a = queries;
        s.b = (char *)t->scratch + w.k * size;
        s.c = scores;
        ro_gemm_run(a->kernels, &s, inner, NULL);
        for (uint64_t i = 0; i < s.m; i++) {
            const ro_attention_row own = ro_attention_row_of(&t->reader, row + i);
            if (t->compute == RO_C_F32)
                attention_weights_f32(t, &own, (float *)(void *)scores + i * w.keys);
            else
                attention_weights_f64(t, &own, (double *)(void *)scores + i * w.keys);
        }
        v.a = scores;
        v.b = (const char *)t->reader.data[2] + w.v * size;
        v.c = (char *)t->out[0] + row * w.width * size;
        ro_gemm_run(a->kernels, &v, inner, NULL);
    }
}

/* Nothing empty reaches a product. */
static int attention_fits(const ro_task *t)
{
    if (t->op != RO_OP_Attention || (t->compute != RO_C_F32 && t->compute != RO_C_F64)) return 0;
    for (uint32_t k = 0; k < 3; k++)
        if (ro_type_elements(&t->reader.in[k]) == 0) return 0;
    return 1;
}

static uint64_t attention_scratch(const ro_task *t, uint32_t threads)
{
    attention a = attention_of(t, threads);
    return attention_bytes(&a, a.keys) + threads * a.scratch;
}

static void attention_run(const ro_task *t)
{
    attention a = attention_of(t, ro_pool_threads(t->pool));
    ro_parallel(t->pool, a.keys, RO_GRAIN, attention_keys_range, &a);
    ro_parallel(t->pool, a.items, 1, attention_range, &a);
}

static const ro_driver attention_driver = {attention_scratch, attention_run};
