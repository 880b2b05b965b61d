/* exec_order.h - running sums, scatters and the elements of a line in order. A part of
 * exec_patterns.c.
 *
 * What this file decides: that what a scalar body does again for each element is done once for a
 * line: a chain stores each of its accumulators, updates go where their indices say, and the
 * first k are kept in a heap while the line is read once.
 *
 * Invariants
 *   1. Accumulators and keys are the scalar bodies' own: their step functions are called here.
 *   2. A line belongs to one thread, and the updates of a scatter go in one by one. */

/* The scalar bodies' functions by compute type. */
typedef uint64_t chain_step(const ro_reader *r, const void *attrs, uint32_t out, uint64_t i,
                            uint64_t p, uint64_t acc);
typedef uint64_t chain_end(const ro_reader *r, const void *attrs, uint32_t out, uint64_t i,
                           uint64_t acc);
typedef uint64_t chain_start(const ro_reader *r, const void *attrs, uint32_t out, uint64_t i);
typedef struct {
    chain_start *start[RO_C_COUNT];
    chain_step *step[RO_C_COUNT];
    chain_end *end[RO_C_COUNT];
} chain_functions;
#define EACH_COMPUTE(name) {name##_f32, name##_f64, name##_i64, name##_u64}
#define CHAIN_FUNCTIONS(op) \
    {EACH_COMPUTE(ro_##op##_start), EACH_COMPUTE(ro_##op##_step), EACH_COMPUTE(ro_##op##_finish)}

/* ---- CumSum, CumProd ----------------------------------------------------------------------- */

static void running_range(void *ctx, uint64_t begin, uint64_t end, uint32_t worker)
{
    static const chain_functions sum = CHAIN_FUNCTIONS(CumSum), product = CHAIN_FUNCTIONS(CumProd);
    const ro_task *t = ctx;
    const ro_CumSum_attrs *a = t->attrs;
    const ro_type *x = &t->reader.in[0];
    const chain_functions *f = t->op == RO_OP_CumSum ? &sum : &product;
    uint64_t n = (uint64_t)x->dims[ro_axis(a->axis, x->rank)];
    uint64_t inner = ro_span(x, ro_axis(a->axis, x->rank) + 1, x->rank);
    (void)worker;
    for (uint64_t line = begin; line < end; line++) {
        uint64_t base = line / inner * n * inner + line % inner;
        uint64_t acc = f->start[t->compute](&t->reader, a, 0, base);
        for (uint64_t p = 0; p < n; p++) {
            uint64_t i = base + (a->reverse ? n - 1 - p : p) * inner;
            uint64_t next = f->step[t->compute](&t->reader, a, 0, i, p, acc);
            uint64_t bits = f->end[t->compute](&t->reader, a, 0, i, a->exclusive ? acc : next);
            store_bits(x->dtype, t->out[0], i, &bits, 1);
            acc = next;
        }
    }
}

static void running_run(const ro_task *t)
{
    const ro_type *x = &t->reader.in[0];
    const ro_CumSum_attrs *a = t->attrs;
    uint64_t n = (uint64_t)x->dims[ro_axis(a->axis, x->rank)];
    ro_parallel(t->pool, ro_type_elements(x) / n, rows_grain(8 * n), running_range,
                (void *)(uintptr_t)t);
}

/* ---- ScatterElements, ScatterRows ---------------------------------------------------------- */

typedef uint64_t scatter_fold(const ro_reader *r, uint32_t reduction, uint64_t u, uint64_t acc);
typedef uint64_t scatter_bits(const ro_reader *r, uint32_t reduction, uint64_t bits);
static scatter_fold *const scatter_folds[RO_C_COUNT] = EACH_COMPUTE(ro_scatter_fold);
static scatter_bits *const scatter_begins[RO_C_COUNT] = EACH_COMPUTE(ro_scatter_begin);
static scatter_bits *const scatter_ends[RO_C_COUNT] = EACH_COMPUTE(ro_scatter_end);

static uint32_t scatter_reduction(const ro_task *t)
{
    return t->op == RO_OP_ScatterRows ? ((const ro_ScatterRows_attrs *)t->attrs)->reduction
                                      : ((const ro_ScatterElements_attrs *)t->attrs)->reduction;
}

/* Update u goes into element i of y, which `own` reads as its data: the stored element is the
 * accumulator. (What computes in 16 bits comes here as float32.) */
static void scatter_one(const ro_task *t, const ro_reader *own, uint32_t how, uint64_t i,
                        uint64_t u)
{
    uint64_t acc = scatter_begins[t->compute](own, how, i);
    acc = scatter_folds[t->compute](own, how, u, acc);
    acc = scatter_ends[t->compute](own, how, acc);
    store_bits(own->in[0].dtype, t->out[0], i, &acc, 1);
}

/* y before the first update: data, with NaN canonical where something is computed. */
static void scatter_copy_range(void *ctx, uint64_t begin, uint64_t end, uint32_t worker)
{
    const ro_task *t = ctx;
    const ro_type *x = &t->reader.in[0];
    const uint32_t how = scatter_reduction(t), size = ro_dtypes[x->dtype].size;
    (void)worker;
    if (!how)
        memcpy((char *)t->out[0] + begin * size,
               (const char *)t->reader.data[0] + begin * size, (end - begin) * size);
    for (uint64_t i = begin; how && i < end; i++) {
        uint64_t bits = scatter_begins[t->compute](&t->reader, how, i);
        bits = scatter_ends[t->compute](&t->reader, how, bits);
        store_bits(x->dtype, t->out[0], i, &bits, 1);
    }
}

static void scatter_rows(const ro_task *t, const ro_reader *own, uint32_t how)
{
    const ro_type *x = &own->in[0];
    uint64_t n = ro_type_elements(&own->in[1]), inner = ro_span(x, 1, x->rank);
    uint64_t d = (uint64_t)x->dims[0], bytes = inner * ro_dtypes[x->dtype].size;
    for (uint64_t q = 0; q < n; q++) {
        uint64_t k = ro_scatter_place(own, q, d);
        if (k == d) continue;
        if (!how)
            memcpy((char *)t->out[0] + k * bytes, (const char *)own->data[2] + q * bytes, bytes);
        for (uint64_t j = 0; how && j < inner; j++)
            scatter_one(t, own, how, k * inner + j, q * inner + j);
    }
}

static void scatter_elements(const ro_task *t, const ro_reader *own, uint32_t how)
{
    const ro_type *x = &own->in[0];
    uint32_t axis = ro_axis(((const ro_ScatterElements_attrs *)t->attrs)->axis, x->rank);
    uint64_t n = ro_type_elements(&own->in[1]), d = (uint64_t)x->dims[axis];
    int64_t at[RO_RANK_MAX];
    for (uint64_t q = 0; q < n; q++) {
        uint64_t k = ro_scatter_place(own, q, d);
        if (k == d) continue;
        ro_unflatten(&own->in[1], q, at);
        at[axis] = (int64_t)k;
        scatter_one(t, own, how, ro_flatten(x, at), q);
    }
}

static void scatter_run(const ro_task *t)
{
    const void *data[3] = {t->out[0], t->reader.data[1], t->reader.data[2]};
    ro_reader own = t->reader;
    own.data = data;
    ro_parallel(t->pool, ro_type_elements(&own.in[0]), RO_GRAIN, scatter_copy_range,
                (void *)(uintptr_t)t);
    if (t->op == RO_OP_ScatterRows) scatter_rows(t, &own, scatter_reduction(t));
    else scatter_elements(t, &own, scatter_reduction(t));
}

/* ---- TopK ---------------------------------------------------------------------------------- */

/* An element of a line; of two the one that comes later in the answer is the worse. */
typedef struct { uint64_t key, at; } ranked;

static int worse(const ranked *a, const ranked *b)
{
    return a->key < b->key || (a->key == b->key && a->at > b->at);
}

/* Put x where the heap of n, whose root is the worst, has a hole at its root. */
static void heap_sink(ranked *heap, uint64_t n, ranked x)
{
    uint64_t k = 0;
    for (uint64_t c = 1; c < n; c = 2 * k + 1) {
        if (c + 1 < n && worse(&heap[c + 1], &heap[c])) c++;
        if (!worse(&heap[c], &x)) break;
        heap[k] = heap[c];
        k = c;
    }
    heap[k] = x;
}

static void heap_rise(ranked *heap, uint64_t k)
{
    const ranked x = heap[k];
    for (; k && worse(&x, &heap[(k - 1) / 2]); k = (k - 1) / 2) heap[k] = heap[(k - 1) / 2];
    heap[k] = x;
}

static uint64_t key_of(const ro_task *t, uint32_t largest, uint64_t i)
{
    const ro_reader *r = &t->reader;
    switch (t->compute) {
    case RO_C_F32: return ro_topk_key_f32(largest, ro_read_f32(r, 0, i));
    case RO_C_F64: return ro_topk_key_f64(largest, ro_read_f64(r, 0, i));
    case RO_C_I64: return ro_topk_key_i64(largest, ro_read_i64(r, 0, i));
    default: return ro_topk_key_u64(largest, ro_read_u64(r, 0, i));
    }
}

/* The stored bits of element i, NaN canonical. */
static uint64_t stored_bits(const ro_task *t, uint64_t i)
{
    const ro_reader *r = &t->reader;
    switch (t->compute) {
    case RO_C_F32: return ro_out_f32(r, 0, ro_read_f32(r, 0, i));
    case RO_C_F64: return ro_out_f64(r, 0, ro_read_f64(r, 0, i));
    case RO_C_I64: return ro_out_i64(r, 0, ro_read_i64(r, 0, i));
    default: return ro_out_u64(r, 0, ro_read_u64(r, 0, i));
    }
}

/* The first k of a line, kept in a heap; then the worst is taken off again and again. */
static void topk_line(const ro_task *t, uint64_t line, ranked *heap)
{
    const ro_TopK_attrs *a = t->attrs;
    const ro_type *x = &t->reader.in[0];
    uint32_t axis = ro_axis(a->axis, x->rank);
    uint64_t n = (uint64_t)x->dims[axis], k = (uint64_t)a->k, inner = ro_span(x, axis + 1, x->rank);
    uint64_t base = line / inner * n * inner + line % inner;
    uint64_t to = line / inner * k * inner + line % inner;
    for (uint64_t p = 0; p < n; p++) {
        const ranked e = {key_of(t, a->largest, base + p * inner), p};
        if (p < k) {
            heap[p] = e;
            heap_rise(heap, p);
        } else if (worse(&heap[0], &e)) {
            heap_sink(heap, k, e);
        }
    }
    for (uint64_t j = k; j-- > 0;) {
        const uint64_t at = heap[0].at, bits = stored_bits(t, base + at * inner);
        store_bits(x->dtype, t->out[0], to + j * inner, &bits, 1);
        if (t->reader.outputs > 1) store_bits(RO_I64, t->out[1], to + j * inner, &at, 1);
        heap_sink(heap, j, heap[j]);
    }
}

static void topk_range(void *ctx, uint64_t begin, uint64_t end, uint32_t worker)
{
    const ro_task *t = ctx;
    uint64_t k = (uint64_t)((const ro_TopK_attrs *)t->attrs)->k;
    ranked *heap = (ranked *)t->scratch + worker * k;
    for (uint64_t line = begin; line < end; line++) topk_line(t, line, heap);
}

static uint64_t topk_scratch(const ro_task *t, uint32_t threads)
{
    return (uint64_t)((const ro_TopK_attrs *)t->attrs)->k * sizeof(ranked) * threads;
}

static void topk_run(const ro_task *t)
{
    const ro_type *y = &t->reader.out[0], *x = &t->reader.in[0];
    const ro_TopK_attrs *a = t->attrs;
    uint64_t n = (uint64_t)x->dims[ro_axis(a->axis, x->rank)];
    ro_parallel(t->pool, ro_type_elements(y) / (uint64_t)a->k, rows_grain(16 * n), topk_range,
                (void *)(uintptr_t)t);
}

/* ---- the choice ---------------------------------------------------------------------------- */

static const ro_driver *order_driver(const ro_task *t)
{
    static const ro_driver running = {NULL, running_run}, scatter = {NULL, scatter_run};
    static const ro_driver topk = {topk_scratch, topk_run};
    if (ro_type_elements(&t->reader.out[0]) == 0) return NULL;
    switch (t->op) {
    case RO_OP_CumSum:
    case RO_OP_CumProd: return &running;
    case RO_OP_ScatterElements:
    case RO_OP_ScatterRows: return &scatter;
    case RO_OP_TopK: return &topk;
    default: return NULL;
    }
}
