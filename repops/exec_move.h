/* exec_move.h - operators that move bits, and the common casts. A part of exec_patterns.c.
 *
 * What this file decides: how a movement becomes copies of runs. A strided walk over the output
 * with the distance in the input for each axis serves Transpose, Slice and Expand; Concat,
 * Split and Gather copy whole runs.
 *
 * Invariants
 *   1. Elements are moved as integers of their size: NaN payloads stay.
 *   2. Each output byte is written by one thread. */

/* ---- strided walks ------------------------------------------------------------------------- */

/* Output axes, innermost first, with the distance in the input of one position of each. */
typedef struct {
    uint32_t rank, size;
    uint64_t n[RO_RANK_MAX + 1];
    int64_t step[RO_RANK_MAX + 1];
    const char *from;
    char *to;
} walk;

static void walk_axis(walk *w, uint64_t n, int64_t step)
{
    if (n == 1) return;
    if (w->rank && step == w->step[w->rank - 1] * (int64_t)w->n[w->rank - 1]) {
        w->n[w->rank - 1] *= n;
        return;
    }
    w->n[w->rank] = n;
    w->step[w->rank++] = step;
}

static int64_t walk_place(const walk *w, uint64_t i)
{
    int64_t at = 0;
    for (uint32_t k = 0; k < w->rank; k++) {
        at += (int64_t)(i % w->n[k]) * w->step[k];
        i /= w->n[k];
    }
    return at;
}

#define COPY_STRIDED(type)                                                                     \
    static void copy_##type(type *restrict to, const type *restrict from, int64_t step,        \
                            uint64_t n)                                                        \
    {                                                                                          \
        if (step == 0)                                                                         \
            for (uint64_t i = 0; i < n; i++) to[i] = from[0];                                  \
        else                                                                                   \
            for (uint64_t i = 0; i < n; i++) to[i] = from[(int64_t)i * step];                  \
    }
COPY_STRIDED(uint8_t)
COPY_STRIDED(uint16_t)
COPY_STRIDED(uint32_t)
COPY_STRIDED(uint64_t)

static void walk_copy(const walk *w, uint64_t i, int64_t at, uint64_t n)
{
    const char *from = w->from + at * (int64_t)w->size;
    char *to = w->to + i * w->size;
    int64_t step = w->step[0];
    if (step == 1)
        memcpy(to, from, n * w->size);
    else if (w->size == 4)
        copy_uint32_t((uint32_t *)(void *)to, (const uint32_t *)(const void *)from, step, n);
    else if (w->size == 8)
        copy_uint64_t((uint64_t *)(void *)to, (const uint64_t *)(const void *)from, step, n);
    else if (w->size == 2)
        copy_uint16_t((uint16_t *)(void *)to, (const uint16_t *)(const void *)from, step, n);
    else
        copy_uint8_t((uint8_t *)to, (const uint8_t *)from, step, n);
}

/* Flat output elements [begin, end). */
static void walk_range(void *ctx, uint64_t begin, uint64_t end, uint32_t worker)
{
    const walk *w = ctx;
    (void)worker;
    for (uint64_t i = begin; i < end;) {
        uint64_t left = w->n[0] - i % w->n[0], n = end - i < left ? end - i : left;
        walk_copy(w, i, walk_place(w, i), n);
        i += n;
    }
}

/* A transposition of two axes of 4-byte elements, both long: square tiles, so that neither side
 * is read or written across more lines than the cache holds. Work is split by tiles' columns. */
enum { TILE = 16 };
typedef struct { const walk *w; uint32_t axis; uint64_t across; } turn;

static void turn_tile(const walk *w, uint32_t axis, uint64_t a, uint64_t b, uint64_t outer_to,
                      int64_t outer_from, uint64_t stride)
{
    uint64_t na = w->n[0] - a < TILE ? w->n[0] - a : TILE;
    uint64_t nb = w->n[axis] - b < TILE ? w->n[axis] - b : TILE;
    const uint32_t *from = (const uint32_t *)(const void *)w->from + outer_from +
                           (int64_t)a * w->step[0] + (int64_t)b;
    uint32_t *to = (uint32_t *)(void *)w->to + outer_to + a + b * stride;
    for (uint64_t j = 0; j < nb; j++)
        for (uint64_t i = 0; i < na; i++)
            to[j * stride + i] = from[(int64_t)i * w->step[0] + (int64_t)j];
}

/* One unit: TILE positions of the turned axis, all of the innermost, one place of the others. */
static void turn_range(void *ctx, uint64_t begin, uint64_t end, uint32_t worker)
{
    const turn *t = ctx;
    const walk *w = t->w;
    uint64_t stride = 1;
    (void)worker;
    for (uint32_t k = 0; k < t->axis; k++) stride *= w->n[k];
    for (uint64_t unit = begin; unit < end; unit++) {
        uint64_t b = unit % t->across * TILE, rest = unit / t->across, to = 0, scale = w->n[0];
        int64_t from = 0;
        for (uint32_t k = 1; k < w->rank; k++) {
            if (k != t->axis) {
                from += (int64_t)(rest % w->n[k]) * w->step[k];
                to += rest % w->n[k] * scale;
                rest /= w->n[k];
            }
            scale *= w->n[k];
        }
        for (uint64_t a = 0; a < w->n[0]; a += TILE) turn_tile(w, t->axis, a, b, to, from, stride);
    }
}

static void walk_run(const ro_task *t, walk *w)
{
    uint64_t n = ro_type_elements(&t->reader.out[0]);
    if (w->rank == 0) w->n[w->rank] = 1, w->step[w->rank++] = 1;
    for (uint32_t k = 1; k < w->rank && w->size == 4 && w->step[0] > 1; k++) {
        if (w->step[k] != 1 || w->n[k] < TILE / 2) continue;
        turn job = {w, k, (w->n[k] + TILE - 1) / TILE};
        uint64_t units = n / w->n[0] / w->n[k] * job.across;
        ro_parallel(t->pool, units, rows_grain(w->n[0] * TILE), turn_range, &job);
        return;
    }
    ro_parallel(t->pool, n, RO_GRAIN, walk_range, w);
}

static walk walk_of(const ro_task *t)
{
    walk w;
    memset(&w, 0, sizeof w);
    w.size = ro_dtypes[t->reader.in[0].dtype].size;
    w.from = t->reader.data[0];
    w.to = t->out[0];
    return w;
}

/* The distance in a tensor of one position of each axis. */
static void strides_of(const ro_type *x, int64_t *stride)
{
    int64_t s = 1;
    for (uint32_t a = x->rank; a-- > 0; s *= x->dims[a]) stride[a] = s;
}

static void transpose_run(const ro_task *t)
{
    const ro_ints *perm = &((const ro_Transpose_attrs *)t->attrs)->perm;
    const ro_type *y = &t->reader.out[0];
    int64_t stride[RO_RANK_MAX];
    walk w = walk_of(t);
    strides_of(&t->reader.in[0], stride);
    for (uint32_t a = y->rank; a-- > 0;)
        walk_axis(&w, (uint64_t)y->dims[a], stride[perm->v[a]]);
    walk_run(t, &w);
}

static void slice_run(const ro_task *t)
{
    const ro_Slice_attrs *p = t->attrs;
    const ro_type *x = &t->reader.in[0], *y = &t->reader.out[0];
    int64_t stride[RO_RANK_MAX], start = 0;
    walk w = walk_of(t);
    strides_of(x, stride);
    int64_t step[RO_RANK_MAX];
    for (uint32_t a = 0; a < x->rank; a++) step[a] = stride[a];
    for (uint32_t k = 0; k < p->axes.n; k++) {
        uint32_t a = ro_axis(p->axes.v[k], x->rank);
        ro_slice_part s = ro_slice_axis(x->dims[a], p->starts.v[k], p->ends.v[k], p->steps.v[k]);
        start += s.start * stride[a];
        step[a] = s.count > 1 ? s.step * stride[a] : 0; /* one position: any step, none overflows */
    }
    for (uint32_t a = y->rank; a-- > 0;) walk_axis(&w, (uint64_t)y->dims[a], step[a]);
    w.from += start * (int64_t)w.size;
    walk_run(t, &w);
}

static void expand_run(const ro_task *t)
{
    const ro_type *x = &t->reader.in[0], *y = &t->reader.out[0];
    int64_t stride[RO_RANK_MAX];
    walk w = walk_of(t);
    strides_of(x, stride);
    for (uint32_t a = y->rank; a-- > 0;) {
        uint32_t lead = y->rank - x->rank;
        int repeats = a < lead || x->dims[a - lead] == 1;
        walk_axis(&w, (uint64_t)y->dims[a], repeats ? 0 : stride[a - lead]);
    }
    walk_run(t, &w);
}

/* Reshape and its like where they are no view. */
static void rename_run(const ro_task *t)
{
    walk w = walk_of(t);
    walk_axis(&w, ro_type_elements(&t->reader.out[0]), 1);
    walk_run(t, &w);
}

/* ---- runs ---------------------------------------------------------------------------------- */

/* The first `bytes` of every row of one tensor to every row of another. */
static void copy_rows(const char *from, uint64_t from_row, char *to, uint64_t to_row,
                      uint64_t bytes, uint64_t rows)
{
    for (uint64_t i = 0; i < rows && bytes; i++)
        memcpy(to + i * to_row, from + i * from_row, bytes);
}

static void concat_run(const ro_task *t)
{
    const ro_type *y = &t->reader.out[0];
    uint32_t axis = ro_axis(((const ro_Concat_attrs *)t->attrs)->axis, y->rank);
    uint64_t rows = ro_span(y, 0, axis), size = ro_dtypes[y->dtype].size, at = 0;
    uint64_t row = ro_span(y, axis, y->rank) * size;
    for (uint32_t k = 0; k < t->reader.inputs; k++) {
        uint64_t part = ro_span(&t->reader.in[k], axis, y->rank) * size;
        copy_rows(t->reader.data[k], part, (char *)t->out[0] + at, row, part, rows);
        at += part;
    }
}

static void split_run(const ro_task *t)
{
    const ro_type *x = &t->reader.in[0];
    uint32_t axis = ro_axis(((const ro_Split_attrs *)t->attrs)->axis, x->rank);
    uint64_t rows = ro_span(x, 0, axis), size = ro_dtypes[x->dtype].size, at = 0;
    uint64_t row = ro_span(x, axis, x->rank) * size;
    for (uint32_t k = 0; k < t->reader.outputs; k++) {
        uint64_t part = ro_span(&t->reader.out[k], axis, x->rank) * size;
        copy_rows((const char *)t->reader.data[0] + at, row, t->out[k], part, part, rows);
        at += part;
    }
}

static void gather_range(void *ctx, uint64_t begin, uint64_t end, uint32_t worker)
{
    const ro_task *t = ctx;
    const ro_type *x = &t->reader.in[0];
    uint32_t axis = ro_axis(((const ro_Gather_attrs *)t->attrs)->axis, x->rank);
    uint64_t d = (uint64_t)x->dims[axis], q = ro_type_elements(&t->reader.in[1]);
    uint64_t bytes = ro_span(x, axis + 1, x->rank) * ro_dtypes[x->dtype].size;
    (void)worker;
    for (uint64_t i = begin; i < end && bytes; i++) {
        uint64_t k = ro_gather_slice(&t->reader, i % q, d);
        char *to = (char *)t->out[0] + i * bytes;
        if (k < d)
            memcpy(to, (const char *)t->reader.data[0] + (i / q * d + k) * bytes, bytes);
        else
            memset(to, 0, bytes);
    }
}

static void gather_run(const ro_task *t)
{
    const ro_type *x = &t->reader.in[0];
    uint32_t axis = ro_axis(((const ro_Gather_attrs *)t->attrs)->axis, x->rank);
    uint64_t rows = ro_span(x, 0, axis) * ro_type_elements(&t->reader.in[1]);
    ro_parallel(t->pool, rows, rows_grain(ro_span(x, axis + 1, x->rank)), gather_range,
                (void *)(uintptr_t)t);
}

/* The embedding gradient: columns (outer, inner) are split between threads, and each adds its part
 * of every contribution in ascending position. */
static void gather_grad_columns(const ro_task *t, uint64_t outer, uint64_t from, uint64_t to)
{
    const ro_GatherGrad_attrs *p = t->attrs;
    const ro_type *dx = &t->reader.out[0];
    uint64_t d = (uint64_t)p->dim, count = ro_type_elements(&t->reader.in[1]);
    uint64_t inner = ro_span(dx, ro_axis(p->axis, dx->rank) + 1, dx->rank);
    float *out = (float *)t->out[0] + outer * d * inner;
    const float *in = (const float *)t->reader.data[0] + outer * count * inner;
    for (uint64_t k = 0; k < d; k++) memset(out + k * inner + from, 0, (to - from) * sizeof *out);
    for (uint64_t q = 0; q < count; q++) {
        uint64_t k = ro_gather_slice(&t->reader, q, d);
        if (k == d) continue;
        float *restrict y = out + k * inner;
        const float *restrict x = in + q * inner;
        for (uint64_t i = from; i < to; i++) y[i] = ro_add_f32(y[i], x[i]);
    }
    for (uint64_t k = 0; k < d; k++)
        for (uint64_t i = from; i < to; i++) out[k * inner + i] = canonical(out[k * inner + i]);
}

static void gather_grad_range(void *ctx, uint64_t begin, uint64_t end, uint32_t worker)
{
    const ro_task *t = ctx;
    const ro_type *dx = &t->reader.out[0];
    uint32_t axis = ro_axis(((const ro_GatherGrad_attrs *)t->attrs)->axis, dx->rank);
    uint64_t inner = ro_span(dx, axis + 1, dx->rank);
    (void)worker;
    for (uint64_t i = begin; i < end;) {
        uint64_t left = inner - i % inner, n = end - i < left ? end - i : left;
        gather_grad_columns(t, i / inner, i % inner, i % inner + n);
        i += n;
    }
}

static void gather_grad_run(const ro_task *t)
{
    const ro_GatherGrad_attrs *p = t->attrs;
    uint64_t columns = ro_type_elements(&t->reader.out[0]) / (uint64_t)p->dim;
    ro_parallel(t->pool, columns, 16, gather_grad_range, (void *)(uintptr_t)t);
}

static void fill_range(void *ctx, uint64_t begin, uint64_t end, uint32_t worker)
{
    const ro_task *t = ctx;
    const ro_ConstantOfShape_attrs *p = t->attrs;
    walk w = {.rank = 1, .size = ro_dtypes[p->dtype].size, .to = t->out[0]};
    uint8_t one8 = (uint8_t)p->bits;
    uint16_t one16 = (uint16_t)p->bits;
    uint32_t one32 = (uint32_t)p->bits;
    (void)worker;
    w.from = w.size == 8   ? (const char *)&p->bits
             : w.size == 4 ? (const char *)&one32
             : w.size == 2 ? (const char *)&one16
                           : (const char *)&one8;
    walk_copy(&w, begin, 0, end - begin);
}

static void fill_run(const ro_task *t)
{
    ro_parallel(t->pool, ro_type_elements(&t->reader.out[0]), RO_GRAIN, fill_range,
                (void *)(uintptr_t)t);
}

/* ---- casts --------------------------------------------------------------------------------- */

static void cast_u8_range(void *ctx, uint64_t begin, uint64_t end, uint32_t worker)
{
    const ro_task *t = ctx;
    const uint8_t *restrict x = t->reader.data[0];
    float *restrict y = t->out[0];
    (void)worker;
    for (uint64_t i = begin; i < end; i++) y[i] = (float)x[i]; /* exact */
}

static void cast_run(const ro_task *t)
{
    ro_parallel(t->pool, ro_type_elements(&t->reader.out[0]), RO_GRAIN, cast_u8_range,
                (void *)(uintptr_t)t);
}

/* ---- the choice ---------------------------------------------------------------------------- */

static const ro_driver *move_driver(const ro_task *t)
{
    static const ro_driver transpose = {NULL, transpose_run}, slice = {NULL, slice_run};
    static const ro_driver expand = {NULL, expand_run}, rename = {NULL, rename_run};
    static const ro_driver concat = {NULL, concat_run}, split = {NULL, split_run};
    static const ro_driver gather = {NULL, gather_run}, fill = {NULL, fill_run};
    static const ro_driver cast = {NULL, cast_run}, gather_grad = {NULL, gather_grad_run};
    switch (t->op) {
    case RO_OP_Concat: return &concat;
    case RO_OP_Split: return &split;
    case RO_OP_Cast:
        return t->reader.in[0].dtype == RO_U8 && t->reader.out[0].dtype == RO_F32 ? &cast : NULL;
    default: break;
    }
    if (ro_type_elements(&t->reader.out[0]) == 0) return NULL;
    switch (t->op) {
    case RO_OP_Transpose: return &transpose;
    case RO_OP_Slice: return &slice;
    case RO_OP_Expand: return &expand;
    case RO_OP_Reshape:
    case RO_OP_Flatten:
    case RO_OP_BitCast:
    case RO_OP_Identity: return &rename;
    case RO_OP_Gather: return &gather;
    case RO_OP_GatherGrad: return t->compute == RO_C_F32 ? &gather_grad : NULL;
    case RO_OP_ConstantOfShape: return &fill;
    default: return NULL;
    }
}
