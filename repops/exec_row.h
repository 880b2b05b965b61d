/* exec_row.h - reductions, softmax, norms and the classifier's loss. A part of exec_patterns.c.
 *
 * What this file decides: how rule 31's lanes become vectors. Two shapes of loop serve all:
 * where the row is contiguous in runs, 32 neighbours go to the 32 lanes; where it is not, the
 * rows that lie beside each other go side by side, 32 lanes for each.
 *
 * Invariants
 *   1. Lane l takes positions l, l + 32, ... of a chunk of 4,096; chunks are closed where the
 *      scalar body closes them, and their results are a row again.
 *   2. A row belongs to one thread. */

typedef ro_lanes_f32 row_lanes; /* for rows of chunk results: short */

#define INLINE static inline __attribute__((always_inline))

INLINE float fold_one(int is_max, float a, float b) { return ro_lane_fold_f32(is_max, a, b); }

/* ---- one row, fed in runs ------------------------------------------------------------------ */

typedef struct {
    float acc[RO_LANES];
    uint64_t at;     /* positions in the open chunk            */
    uint64_t chunks; /* closed ones, whose results are in next */
    float identity;
    row_lanes next;
} row_sum;

INLINE void row_open(row_sum *s, int is_max)
{
    s->identity = is_max ? ro_least_f32(RO_F32) : 0;
    s->at = s->chunks = 0;
    for (uint32_t l = 0; l < RO_LANES; l++) s->acc[l] = s->identity;
}

INLINE float row_fold(row_sum *s, int is_max)
{
    for (uint32_t h = RO_LANES / 2; h; h /= 2)
        for (uint32_t l = 0; l < h; l++) s->acc[l] = fold_one(is_max, s->acc[l], s->acc[l + h]);
    return s->acc[0];
}

static void row_close_chunk(row_sum *s, int is_max)
{
    if (s->chunks == 0) ro_lanes_init_f32(&s->next, is_max, s->identity);
    ro_lanes_push_f32(&s->next, row_fold(s, is_max));
    s->chunks++;
    s->at = 0;
    for (uint32_t l = 0; l < RO_LANES; l++) s->acc[l] = s->identity;
}

/* n elements that stay within the open chunk. */
INLINE void row_run(row_sum *s, int is_max, const float *x, uint64_t n)
{
    uint64_t i = 0, lane = s->at % RO_LANES;
    s->at += n;
    if (lane) {
        uint64_t head = RO_LANES - lane < n ? RO_LANES - lane : n;
        for (; i < head; i++) s->acc[lane + i] = fold_one(is_max, s->acc[lane + i], x[i]);
    }
    if (is_max && n - i >= RO_LANES) { /* in whole numbers, of which the machine has a maximum */
        int32_t most[RO_LANES];
        for (uint32_t l = 0; l < RO_LANES; l++) most[l] = ro_order_f32(s->acc[l]);
        for (; n - i >= RO_LANES; i += RO_LANES)
            for (uint32_t l = 0; l < RO_LANES; l++)
                most[l] = greater(ro_order_f32(x[i + l]), most[l]);
        for (uint32_t l = 0; l < RO_LANES; l++) s->acc[l] = number_of(most[l]);
    } else if (n - i >= RO_LANES) {
        float acc[RO_LANES];
        memcpy(acc, s->acc, sizeof acc);
        for (; n - i >= RO_LANES; i += RO_LANES)
            for (uint32_t l = 0; l < RO_LANES; l++) acc[l] = fold_one(is_max, acc[l], x[i + l]);
        memcpy(s->acc, acc, sizeof acc);
    }
    for (uint64_t l = 0; i < n; i++, l++) s->acc[l] = fold_one(is_max, s->acc[l], x[i]);
}

INLINE void row_feed(row_sum *s, int is_max, const float *x, uint64_t n)
{
    while (n) {
        if (s->at == RO_CHUNK) row_close_chunk(s, is_max); /* only when more follows */
        uint64_t room = RO_CHUNK - s->at, take = n < room ? n : room;
        row_run(s, is_max, x, take);
        x += take;
        n -= take;
    }
}

INLINE float row_end(row_sum *s, int is_max)
{
    if (s->chunks == 0) return row_fold(s, is_max);
    row_close_chunk(s, is_max);
    return ro_lanes_end_f32(&s->next);
}

static float lane_sum(const float *x, uint64_t n)
{
    row_sum s;
    row_open(&s, 0);
    row_feed(&s, 0, x, n);
    return row_end(&s, 0);
}

static float lane_max(const float *x, uint64_t n)
{
    row_sum s;
    row_open(&s, 1);
    row_feed(&s, 1, x, n);
    return row_end(&s, 1);
}

static float canonical(float x) { return ro_bits_f32(ro_canon_f32(x)); }

/* ---- ReduceSum, ReduceMean, ReduceMax ------------------------------------------------------ */

/* The axes of x, merged, innermost first: those that stay and those that are reduced. */
typedef struct {
    uint32_t kept, reduced;
    uint64_t kept_n[RO_RANK_MAX], kept_step[RO_RANK_MAX];
    uint64_t n[RO_RANK_MAX], step[RO_RANK_MAX];
    uint64_t rows, count;
    int inner_reduced; /* the innermost axis is reduced: rows lie in runs */
} reduction;

static reduction reduction_of(const ro_type *x, uint32_t mask)
{
    reduction p;
    uint64_t stride = 1;
    int last = -1;
    memset(&p, 0, sizeof p);
    p.rows = p.count = 1;
    for (uint32_t a = x->rank; a-- > 0;) {
        uint64_t d = (uint64_t)x->dims[a];
        int r = (int)(mask >> a & 1);
        uint32_t *k = r ? &p.reduced : &p.kept;
        uint64_t *n = r ? p.n : p.kept_n, *step = r ? p.step : p.kept_step;
        *(r ? &p.count : &p.rows) *= d;
        if (d == 1) continue;
        if (last == r) {
            n[*k - 1] *= d;
        } else {
            if (last < 0) p.inner_reduced = r;
            n[*k] = d;
            step[(*k)++] = stride;
        }
        last = r;
        stride *= d;
    }
    return p;
}

static uint64_t place(uint32_t axes, const uint64_t *n, const uint64_t *step, uint64_t i)
{
    uint64_t at = 0;
    for (uint32_t k = 0; k < axes; k++) {
        at += i % n[k] * step[k];
        i /= n[k];
    }
    return at;
}

typedef struct {
    reduction p;
    const float *x;
    float *y;
    int is_max, mean;
} reduce_job;

static void reduce_store(const reduce_job *j, uint64_t row, float s)
{
    if (j->mean) s = ro_div_f32(s, ro_count_f32(j->p.count));
    j->y[row] = canonical(s);
}

INLINE void reduce_runs(const reduce_job *j, int is_max, uint64_t begin, uint64_t end)
{
    const reduction *p = &j->p;
    uint64_t run = p->reduced ? p->n[0] : 1;
    for (uint64_t row = begin; row < end; row++) {
        const float *x = j->x + place(p->kept, p->kept_n, p->kept_step, row);
        row_sum s;
        row_open(&s, is_max);
        for (uint64_t at = 0; at < p->count; at += run)
            row_feed(&s, is_max, x + place(p->reduced, p->n, p->step, at), run);
        reduce_store(j, row, row_end(&s, is_max));
    }
}

static void reduce_run_range(void *ctx, uint64_t begin, uint64_t end, uint32_t worker)
{
    const reduce_job *j = ctx;
    (void)worker;
    if (j->is_max)
        reduce_runs(j, 1, begin, end);
    else
        reduce_runs(j, 0, begin, end);
}

/* Neighbouring rows side by side: one chunk of positions, all its lanes for each row. */
enum { BESIDE = 16 };

static void beside_sum(const reduce_job *j, const float *x, uint32_t wide, uint64_t from,
                       uint64_t to, float *result)
{
    const reduction *p = &j->p;
    float acc[RO_LANES][BESIDE] = {{0}};
    for (uint64_t at = from; at < to; at++) {
        const float *q = x + place(p->reduced, p->n, p->step, at);
        float *lane = acc[(at - from) % RO_LANES];
        if (wide == BESIDE)
            for (uint32_t c = 0; c < BESIDE; c++) lane[c] = ro_add_f32(lane[c], q[c]);
        else
            for (uint32_t c = 0; c < wide; c++) lane[c] = ro_add_f32(lane[c], q[c]);
    }
    for (uint32_t h = RO_LANES / 2; h; h /= 2)
        for (uint32_t l = 0; l < h; l++)
            for (uint32_t c = 0; c < BESIDE; c++)
                acc[l][c] = ro_add_f32(acc[l][c], acc[l + h][c]);
    memcpy(result, acc[0], sizeof acc[0]);
}

/* The greatest needs no lanes: whatever the order, it is one of the row's. */
static void beside_max(const reduce_job *j, const float *x, uint32_t wide, uint64_t from,
                       uint64_t to, float *result)
{
    const reduction *p = &j->p;
    int32_t most[BESIDE];
    for (uint32_t c = 0; c < BESIDE; c++) most[c] = ro_order_f32(ro_least_f32(RO_F32));
    for (uint64_t at = from; at < to; at++) {
        const float *q = x + place(p->reduced, p->n, p->step, at);
        for (uint32_t c = 0; c < wide; c++) most[c] = greater(ro_order_f32(q[c]), most[c]);
    }
    for (uint32_t c = 0; c < BESIDE; c++) result[c] = number_of(most[c]);
}

static void beside_rows(const reduce_job *j, const float *x, uint32_t wide, uint64_t row)
{
    float result[BESIDE];
    row_lanes next[BESIDE];
    uint64_t n = j->p.count;
    for (uint64_t from = 0; from < n; from += RO_CHUNK) {
        uint64_t to = n - from < RO_CHUNK ? n : from + RO_CHUNK;
        if (j->is_max)
            beside_max(j, x, wide, from, to, result);
        else
            beside_sum(j, x, wide, from, to, result);
        if (n <= RO_CHUNK) break;
        float identity = j->is_max ? ro_least_f32(RO_F32) : 0;
        for (uint32_t c = 0; c < wide; c++) {
            if (from == 0) ro_lanes_init_f32(&next[c], j->is_max, identity);
            ro_lanes_push_f32(&next[c], result[c]);
        }
    }
    for (uint32_t c = 0; c < wide; c++)
        reduce_store(j, row + c, n <= RO_CHUNK ? result[c] : ro_lanes_end_f32(&next[c]));
}

/* Ranges of groups of BESIDE neighbouring rows. */
static void reduce_beside_range(void *ctx, uint64_t begin, uint64_t end, uint32_t worker)
{
    const reduce_job *j = ctx;
    uint64_t inner = j->p.kept_n[0], groups = (inner + BESIDE - 1) / BESIDE;
    (void)worker;
    for (uint64_t k = begin; k < end; k++) {
        uint64_t column = k % groups * BESIDE, row = k / groups * inner + column;
        uint32_t wide = inner - column < BESIDE ? (uint32_t)(inner - column) : BESIDE;
        beside_rows(j, j->x + place(j->p.kept, j->p.kept_n, j->p.kept_step, row), wide, row);
    }
}

/* Which axes a node reduces; 0: it is no reduction of these, or reduces nothing. */
static uint32_t reduced_axes(const ro_task *t)
{
    const ro_type *x = &t->reader.in[0];
    switch (t->op) {
    case RO_OP_ReduceSum:
    case RO_OP_ReduceMean:
    case RO_OP_ReduceMax:
        return ro_reduce_nothing(t->attrs) ? 0 : ro_reduce_mask(t->attrs, x);
    case RO_OP_GlobalAveragePool: return ((1u << x->rank) - 1) & ~3u;
    default: return 0;
    }
}

static uint64_t rows_grain(uint64_t work) { return work >= RO_GRAIN ? 1 : RO_GRAIN / (work + 1); }

static int reduce_fits(const ro_task *t)
{
    return t->compute == RO_C_F32 && reduced_axes(t) &&
           ro_type_elements(&t->reader.in[0]) != 0;
}

static void reduce_run(const ro_task *t)
{
    const ro_type *x = &t->reader.in[0];
    reduce_job j = {.x = t->reader.data[0], .y = t->out[0]};
    j.p = reduction_of(x, reduced_axes(t));
    j.is_max = t->op == RO_OP_ReduceMax;
    j.mean = t->op == RO_OP_ReduceMean || t->op == RO_OP_GlobalAveragePool;
    if (j.p.inner_reduced || j.p.kept == 0) {
        ro_parallel(t->pool, j.p.rows, rows_grain(j.p.count), reduce_run_range, &j);
        return;
    }
    uint64_t groups = (j.p.kept_n[0] + BESIDE - 1) / BESIDE;
    ro_parallel(t->pool, j.p.rows / j.p.kept_n[0] * groups, rows_grain(j.p.count * BESIDE),
                reduce_beside_range, &j);
}

static const ro_driver reduce_driver = {NULL, reduce_run};

/* ---- operators that keep the row ----------------------------------------------------------- */

/* Rows of n elements, `inner` apart; a row that is not contiguous is copied to the scratch and
 * back. Every worker has SCRATCH_ROWS rows there. */
#define SCRATCH_ROWS 4u
typedef struct {
    const ro_task *t;
    uint64_t n, inner, rows;
} row_job;

static uint64_t row_scratch(uint64_t n, uint32_t threads)
{
    uint64_t one = (n + 15) / 16 * 16 * sizeof(float);
    return one * SCRATCH_ROWS * threads;
}

static float *scratch_row(const row_job *j, uint32_t worker, uint32_t k)
{
    return (float *)j->t->scratch + ((j->n + 15) / 16 * 16) * (worker * SCRATCH_ROWS + k);
}

/* The row of input k: where it lies, or copied to the worker's scratch row k. */
static const float *row_in(const row_job *j, uint32_t k, uint64_t row, uint32_t worker)
{
    const float *x = j->t->reader.data[k];
    x += row / j->inner * j->n * j->inner + row % j->inner;
    if (j->inner == 1) return x;
    float *to = scratch_row(j, worker, k);
    for (uint64_t i = 0; i < j->n; i++) to[i] = x[i * j->inner];
    return to;
}

/* Where to write a row of output 0, and what brings it there. */
static float *row_out(const row_job *j, uint64_t row, uint32_t worker)
{
    if (j->inner == 1) return (float *)j->t->out[0] + row * j->n;
    return scratch_row(j, worker, 2);
}

static void row_put(const row_job *j, uint64_t row, const float *y)
{
    float *to = (float *)j->t->out[0] + row / j->inner * j->n * j->inner + row % j->inner;
    if (j->inner == 1) return;
    for (uint64_t i = 0; i < j->n; i++) to[i * j->inner] = y[i];
}

/* y = exp(x - m); returns the lane sum. */
static float exp_row(const float *x, float m, float *y, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) y[i] = ro_sub_f32(x[i], m);
    functions.exp(y, y, n);
    return lane_sum(y, n);
}

static void softmax_range(void *ctx, uint64_t begin, uint64_t end, uint32_t worker)
{
    const row_job *j = ctx;
    for (uint64_t row = begin; row < end; row++) {
        const float *x = row_in(j, 0, row, worker);
        float *y = row_out(j, row, worker), m = lane_max(x, j->n), s;
        if (j->t->op == RO_OP_Softmax) {
            s = exp_row(x, m, y, j->n);
            for (uint64_t i = 0; i < j->n; i++) y[i] = canonical(ro_div_f32(y[i], s));
        } else {
            s = ro_log_f32(exp_row(x, m, y, j->n));
            for (uint64_t i = 0; i < j->n; i++)
                y[i] = canonical(ro_sub_f32(ro_sub_f32(x[i], m), s));
        }
        row_put(j, row, y);
    }
}

static void softmax_grad_range(void *ctx, uint64_t begin, uint64_t end, uint32_t worker)
{
    const row_job *j = ctx;
    for (uint64_t row = begin; row < end; row++) {
        const float *dy = row_in(j, 0, row, worker), *y = row_in(j, 1, row, worker);
        float *dx = row_out(j, row, worker), s;
        if (j->t->op == RO_OP_SoftmaxGrad) {
            for (uint64_t i = 0; i < j->n; i++) dx[i] = ro_mul_f32(y[i], dy[i]);
            s = lane_sum(dx, j->n);
            for (uint64_t i = 0; i < j->n; i++)
                dx[i] = canonical(ro_mul_f32(y[i], ro_sub_f32(dy[i], s)));
        } else {
            s = lane_sum(dy, j->n);
            functions.exp(y, dx, j->n);
            for (uint64_t i = 0; i < j->n; i++)
                dx[i] = canonical(ro_sub_f32(dy[i], ro_mul_f32(dx[i], s)));
        }
        row_put(j, row, dx);
    }
}

static row_job softmax_job(const ro_task *t)
{
    const ro_type *x = &t->reader.in[0];
    uint32_t axis = ro_axis(((const ro_softmax_attrs *)t->attrs)->axis, x->rank);
    row_job j = {t, (uint64_t)x->dims[axis], ro_span(x, axis + 1, x->rank), 0};
    j.rows = ro_span(x, 0, axis) * j.inner;
    return j;
}

static uint64_t softmax_scratch(const ro_task *t, uint32_t threads)
{
    row_job j = softmax_job(t);
    return j.inner == 1 ? 0 : row_scratch(j.n, threads);
}

static void softmax_run(const ro_task *t)
{
    row_job j = softmax_job(t);
    int forward = t->op == RO_OP_Softmax || t->op == RO_OP_LogSoftmax;
    if (j.n) /* empty rows have no elements */
        ro_parallel(t->pool, j.rows, rows_grain(j.n * 8),
                    forward ? softmax_range : softmax_grad_range, &j);
}

static const ro_driver softmax_driver = {softmax_scratch, softmax_run};

/* ---- LayerNormalization, RMSNormalization -------------------------------------------------- */

static void layernorm_range(void *ctx, uint64_t begin, uint64_t end, uint32_t worker)
{
    const row_job *j = ctx;
    const ro_reader *r = &j->t->reader;
    float eps = ((const ro_LayerNormalization_attrs *)j->t->attrs)->epsilon;
    const float *g = ro_has(r, 1) ? r->data[1] : NULL, *b = ro_has(r, 2) ? r->data[2] : NULL;
    for (uint64_t row = begin; row < end; row++) {
        const float *x = row_in(j, 0, row, worker);
        float *y = row_out(j, row, worker), n = ro_count_f32(j->n);
        float mean = ro_div_f32(lane_sum(x, j->n), n);
        for (uint64_t i = 0; i < j->n; i++) {
            float d = ro_sub_f32(x[i], mean);
            y[i] = ro_mul_f32(d, d);
        }
        float v = ro_div_f32(lane_sum(y, j->n), n);
        float inv = ro_div_f32(1, ro_sqrt_f32(ro_add_f32(v, eps)));
        for (uint64_t i = 0; i < j->n; i++) y[i] = ro_mul_f32(ro_sub_f32(x[i], mean), inv);
        if (g)
            for (uint64_t i = 0; i < j->n; i++) y[i] = ro_mul_f32(y[i], g[i]);
        if (b)
            for (uint64_t i = 0; i < j->n; i++) y[i] = ro_add_f32(y[i], b[i]);
        for (uint64_t i = 0; i < j->n; i++) y[i] = canonical(y[i]);
        if (r->outputs > 1) ((float *)j->t->out[1])[row] = canonical(mean);
        if (r->outputs > 2) ((float *)j->t->out[2])[row] = canonical(inv);
    }
}

static void layernorm_grad_range(void *ctx, uint64_t begin, uint64_t end, uint32_t worker)
{
    const row_job *j = ctx;
    const ro_reader *r = &j->t->reader;
    const float *mean = r->data[2], *inv = r->data[3], *g = ro_has(r, 4) ? r->data[4] : NULL;
    float *h = scratch_row(j, worker, 0), *xh = scratch_row(j, worker, 1);
    float n = ro_count_f32(j->n);
    for (uint64_t row = begin; row < end; row++) {
        const float *dy = row_in(j, 0, row, worker), *x = row_in(j, 1, row, worker);
        float *dx = row_out(j, row, worker);
        for (uint64_t i = 0; i < j->n; i++) {
            h[i] = g ? ro_mul_f32(dy[i], g[i]) : dy[i];
            xh[i] = ro_mul_f32(ro_sub_f32(x[i], mean[row]), inv[row]);
            dx[i] = ro_mul_f32(h[i], xh[i]);
        }
        float a = ro_div_f32(lane_sum(h, j->n), n), c = ro_div_f32(lane_sum(dx, j->n), n);
        for (uint64_t i = 0; i < j->n; i++)
            dx[i] = canonical(ro_mul_f32(
                inv[row], ro_sub_f32(ro_sub_f32(h[i], a), ro_mul_f32(xh[i], c))));
    }
}

static void rmsnorm_range(void *ctx, uint64_t begin, uint64_t end, uint32_t worker)
{
    const row_job *j = ctx;
    const ro_reader *r = &j->t->reader;
    float eps = ((const ro_RMSNormalization_attrs *)j->t->attrs)->epsilon, n = ro_count_f32(j->n);
    const float *g = ro_has(r, 1) ? r->data[1] : NULL;
    for (uint64_t row = begin; row < end; row++) {
        const float *x = row_in(j, 0, row, worker);
        float *y = row_out(j, row, worker);
        for (uint64_t i = 0; i < j->n; i++) y[i] = ro_mul_f32(x[i], x[i]);
        float v = ro_div_f32(lane_sum(y, j->n), n);
        float inv = ro_div_f32(1, ro_sqrt_f32(ro_add_f32(v, eps)));
        for (uint64_t i = 0; i < j->n; i++) y[i] = ro_mul_f32(x[i], inv);
        if (g)
            for (uint64_t i = 0; i < j->n; i++) y[i] = ro_mul_f32(y[i], g[i]);
        for (uint64_t i = 0; i < j->n; i++) y[i] = canonical(y[i]);
        if (r->outputs > 1) ((float *)j->t->out[1])[row] = canonical(inv);
    }
}

static void rmsnorm_grad_range(void *ctx, uint64_t begin, uint64_t end, uint32_t worker)
{
    const row_job *j = ctx;
    const ro_reader *r = &j->t->reader;
    const float *inv = r->data[2], *g = ro_has(r, 3) ? r->data[3] : NULL;
    float *h = scratch_row(j, worker, 0), *xh = scratch_row(j, worker, 1);
    float n = ro_count_f32(j->n);
    for (uint64_t row = begin; row < end; row++) {
        const float *dy = row_in(j, 0, row, worker), *x = row_in(j, 1, row, worker);
        float *dx = row_out(j, row, worker);
        for (uint64_t i = 0; i < j->n; i++) {
            h[i] = g ? ro_mul_f32(dy[i], g[i]) : dy[i];
            xh[i] = ro_mul_f32(x[i], inv[row]);
            dx[i] = ro_mul_f32(h[i], xh[i]);
        }
        float c = ro_div_f32(lane_sum(dx, j->n), n);
        for (uint64_t i = 0; i < j->n; i++)
            dx[i] = canonical(ro_mul_f32(inv[row], ro_sub_f32(h[i], ro_mul_f32(xh[i], c))));
    }
}

/* The range function of an operator, whose attributes begin with the axis; NULL: another's. */
static ro_range_fn *layernorm_range_of(ro_op op)
{
    switch (op) {
    case RO_OP_LayerNormalization: return layernorm_range;
    case RO_OP_LayerNormalizationGrad: return layernorm_grad_range;
    case RO_OP_RMSNormalization: return rmsnorm_range;
    case RO_OP_RMSNormalizationGrad: return rmsnorm_grad_range;
    default: return NULL;
    }
}

static row_job layernorm_job(const ro_task *t)
{
    const ro_type *x = &t->reader.in[0];
    int64_t axis = ((const ro_LayerNormalizationGrad_attrs *)t->attrs)->axis;
    uint32_t first = ro_axis(axis, x->rank);
    row_job j = {t, ro_span(x, first, x->rank), 1, ro_span(x, 0, first)};
    return j;
}

static uint64_t layernorm_scratch(const ro_task *t, uint32_t threads)
{
    return row_scratch(layernorm_job(t).n, threads);
}

static void layernorm_run(const ro_task *t)
{
    row_job j = layernorm_job(t);
    ro_parallel(t->pool, j.rows, rows_grain(j.n * 2), layernorm_range_of(t->op), &j);
}

static int layernorm_fits(const ro_task *t)
{
    return t->compute == RO_C_F32 && ro_type_elements(&t->reader.in[0]) != 0 &&
           layernorm_range_of(t->op) != NULL;
}

static const ro_driver layernorm_driver = {layernorm_scratch, layernorm_run};
