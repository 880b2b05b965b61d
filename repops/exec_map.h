/* exec_map.h - elementwise operators. A part of exec_patterns.c.
 *
 * What this file decides: what runs in an inner loop. Broadcasting leaves one in which each
 * input stands still or goes on by one element; functions run over arrays by vmath.h. */

/* The canonical number with this key, ro_order_f32's. */
static float number_of(int32_t key)
{
    uint32_t u = key < 0 ? ~(uint32_t)key | 0x80000000u : (uint32_t)key;
    return ro_bits_f32(key == INT32_MAX ? RO_NAN_F32 : u);
}

static int32_t greater(int32_t a, int32_t b) { return a > b ? a : b; }

/* ---- maps ---------------------------------------------------------------------------------- */

typedef struct { map1_fn *const *one[2]; map2_fn *const *two[2]; } map_row; /* f32, f64 */
static const map_row map_rows[RO_OP_COUNT] = {
#define RO_OP(op, ...)                                                                         \
    [RO_OP_##op] = {{&map1_##op##_f32, &map1_##op##_f64}, {&map2_##op##_f32, &map2_##op##_f64}},
#include "ops.def"
#undef RO_OP
};

typedef struct {
    const ro_task *t;
    uint32_t size;
    map1_fn *one;
    map2_fn *two;
    broadcast w;
} map_job;

enum { PIECE = 2048 }; /* elements mapped before their NaNs are made canonical, from the cache */

static void make_canonical(void *y, uint32_t size, uint64_t n)
{
    float *f = y;
    double *d = y;
    if (size == 4)
        for (uint64_t i = 0; i < n; i++) f[i] = ro_bits_f32(ro_canon_f32(f[i]));
    else
        for (uint64_t i = 0; i < n; i++) d[i] = ro_bits_f64(ro_canon_f64(d[i]));
}

static void map1_range(void *ctx, uint64_t begin, uint64_t end, uint32_t worker)
{
    const map_job *j = ctx;
    (void)worker;
    for (uint64_t i = begin; i < end; i += PIECE) {
        uint64_t n = end - i < PIECE ? end - i : PIECE;
        char *y = (char *)j->t->out[0] + i * j->size;
        j->one(j->t->attrs, (const char *)j->t->reader.data[0] + i * j->size, y, n);
        make_canonical(y, j->size, n);
    }
}

static void map2_range(void *ctx, uint64_t begin, uint64_t end, uint32_t worker)
{
    const map_job *j = ctx;
    const broadcast *w = &j->w;
    uint64_t done = begin;
    (void)worker;
    for (uint64_t i = begin; i < end;) {
        uint64_t left = w->n[0] - i % w->n[0], n = end - i < left ? end - i : left, at[SIDES];
        if (n > PIECE) n = PIECE;
        broadcast_at(w, i, at);
        j->two(j->t->attrs, (const char *)j->t->reader.data[0] + at[0] * j->size, w->step[0][0],
               (const char *)j->t->reader.data[1] + at[1] * j->size, w->step[1][0],
               (char *)j->t->out[0] + i * j->size, n);
        i += n;
        if (i - done < PIECE && i < end) continue; /* rows may be short */
        make_canonical((char *)j->t->out[0] + done * j->size, j->size, i - done);
        done = i;
    }
}

static int map_fits(const ro_task *t)
{
    const map_row *row = &map_rows[t->op];
    if (t->compute != RO_C_F32 && t->compute != RO_C_F64) return 0;
    return *row->one[t->compute] || *row->two[t->compute];
}

static void map_run(const ro_task *t)
{
    const map_row *row = &map_rows[t->op];
    map_job j = {.t = t, .one = *row->one[t->compute], .two = *row->two[t->compute]};
    j.size = t->compute == RO_C_F32 ? 4 : 8;
    if (j.two) {
        const ro_type *in[SIDES] = {&t->reader.in[0], &t->reader.in[1], NULL};
        j.w = broadcast_of(&t->reader.out[0], in, 2);
    }
    ro_parallel(t->pool, ro_type_elements(&t->reader.out[0]), RO_GRAIN,
                j.two ? map2_range : map1_range, &j);
}

static const ro_driver map_driver = {NULL, map_run};

/* ---- any other map ------------------------------------------------------------------------- */

/* Of other dtypes, or with a bool to give: the scalar body over runs of an axis along which each
 * input goes on or stands still, which it sees as tensors of that one axis. */
enum { SHORT_RUN = 16 }; /* elements of a run that are not worth a call */
typedef struct {
    const ro_task *t;
    ro_elements_fn *elements;
    broadcast w;
} runs_job;

static broadcast runs_of(const ro_task *t)
{
    const ro_type *in[SIDES] = {&t->reader.in[0], &t->reader.in[1], &t->reader.in[2]};
    return broadcast_of(&t->reader.out[0], in, t->reader.inputs);
}

static int runs_fit(const ro_task *t)
{
    if (ro_ops[t->op].pattern != RO_P_MAP || t->reader.inputs > SIDES ||
        ro_type_elements(&t->reader.out[0]) == 0)
        return 0;
    return runs_of(t).n[0] >= SHORT_RUN;
}

static void runs_range(void *ctx, uint64_t begin, uint64_t end, uint32_t worker)
{
    const runs_job *j = ctx;
    ro_reader r = j->t->reader;
    ro_type in[SIDES], out = r.out[0];
    const void *data[SIDES];
    (void)worker;
    out.rank = 1;
    for (uint32_t k = 0; k < r.inputs; k++) {
        in[k] = r.in[k];
        in[k].rank = 1;
    }
    for (uint64_t i = begin; i < end;) {
        uint64_t left = j->w.n[0] - i % j->w.n[0], n = end - i < left ? end - i : left, at[SIDES];
        broadcast_at(&j->w, i, at);
        out.dims[0] = (int64_t)n;
        for (uint32_t k = 0; k < r.inputs; k++) {
            in[k].dims[0] = j->w.step[k][0] ? (int64_t)n : 1;
            data[k] = (const char *)j->t->reader.data[k] + at[k] * ro_dtypes[in[k].dtype].size;
        }
        r.in = in;
        r.out = &out;
        r.data = data;
        j->elements(&r, j->t->attrs, 0, 0, n,
                    (char *)j->t->out[0] + i * ro_dtypes[out.dtype].size);
        i += n;
    }
}

static void runs_run(const ro_task *t)
{
    runs_job j = {t, find_elements(t->op, t->compute), runs_of(t)};
    ro_parallel(t->pool, ro_type_elements(&t->reader.out[0]), RO_GRAIN / 8, runs_range, &j);
}

static const ro_driver runs_driver = {NULL, runs_run};

/* ---- functions ----------------------------------------------------------------------------- */

static const ro_vmath functions = RO_VMATH_TABLE(RO_ISA);

/* The array form of an operator's function, of input 0 (GeluGrad: of input 1); NULL: none. */
static ro_vmath_fn *vector_function(const ro_task *t)
{
    switch (t->op) {
    case RO_OP_Exp: return functions.exp;
    case RO_OP_Log: return functions.log;
    case RO_OP_Tanh: return functions.tanh;
    case RO_OP_Sigmoid: return functions.sigmoid;
    case RO_OP_Erf: return functions.erf;
    case RO_OP_Softplus: return functions.softplus;
    case RO_OP_Sin: return functions.sin;
    case RO_OP_Cos: return functions.cos;
    case RO_OP_Tan: return functions.tan;
    case RO_OP_Asin: return functions.asin;
    case RO_OP_Acos: return functions.acos;
    case RO_OP_Atan: return functions.atan;
    case RO_OP_Sinh: return functions.sinh;
    case RO_OP_Cosh: return functions.cosh;
    case RO_OP_Asinh: return functions.asinh;
    case RO_OP_Acosh: return functions.acosh;
    case RO_OP_Atanh: return functions.atanh;
    case RO_OP_Gelu:
        return ((const ro_Gelu_attrs *)t->attrs)->approximate ? functions.gelu_tanh
                                                              : functions.gelu;
    case RO_OP_GeluGrad:
        return ((const ro_GeluGrad_attrs *)t->attrs)->approximate ? functions.dgelu_tanh
                                                                  : functions.dgelu;
    default: return NULL;
    }
}

typedef struct { const ro_task *t; ro_vmath_fn *fn; } function_job;

static void function_range(void *ctx, uint64_t begin, uint64_t end, uint32_t worker)
{
    const function_job *j = ctx;
    const ro_task *t = j->t;
    float *y = (float *)t->out[0] + begin;
    uint64_t n = end - begin;
    (void)worker;
    if (t->op == RO_OP_GeluGrad) {
        const float *dy = (const float *)t->reader.data[0] + begin;
        j->fn((const float *)t->reader.data[1] + begin, y, n);
        for (uint64_t i = 0; i < n; i++)
            y[i] = ro_bits_f32(ro_canon_f32(ro_mul_f32(dy[i], y[i])));
        return;
    }
    j->fn((const float *)t->reader.data[0] + begin, y, n);
}

static void function_run(const ro_task *t)
{
    function_job j = {t, vector_function(t)};
    ro_parallel(t->pool, ro_type_elements(&t->reader.out[0]), RO_GRAIN / 8, function_range, &j);
}

static const ro_driver function_driver = {NULL, function_run};

/* ---- Clip ---------------------------------------------------------------------------------- */

/* In whole numbers, as the greatest of a row: a NaN, of the element or of a bound, stays. */
static void clip_range(void *ctx, uint64_t begin, uint64_t end, uint32_t worker)
{
    const ro_task *t = ctx;
    const ro_reader *r = &t->reader;
    const float *x = r->data[0];
    const int32_t low = ro_has(r, 1) ? ro_order_f32(*(const float *)r->data[1]) : INT32_MIN;
    const int32_t high = ro_has(r, 2) ? ro_order_f32(*(const float *)r->data[2]) : INT32_MAX - 1;
    float *y = t->out[0];
    (void)worker;
    for (uint64_t i = begin; i < end; i++) {
        int32_t k = ro_order_f32(x[i]);
        k = greater(k, low);
        k = k > high && k != INT32_MAX ? high : k;
        k = high == INT32_MAX ? high : k;
        y[i] = number_of(k);
    }
}

static void clip_run(const ro_task *t)
{
    ro_parallel(t->pool, ro_type_elements(&t->reader.out[0]), RO_GRAIN, clip_range,
                (void *)(uintptr_t)t);
}

static const ro_driver clip_driver = {NULL, clip_run};

/* ---- Dropout --------------------------------------------------------------------------------- */

/* Four neighbours share one block of random words. */
static void dropout_range(void *ctx, uint64_t begin, uint64_t end, uint32_t worker)
{
    const ro_task *t = ctx;
    const ro_Dropout_attrs *p = t->attrs;
    const float *x = t->reader.data[0];
    float *y = t->out[0];
    int64_t step = *(const int64_t *)t->reader.data[1];
    uint32_t word[4] = {0};
    (void)worker;
    for (uint64_t i = begin; i < end; i++) {
        if (i == begin || i % 4 == 0) ro_random_block(p->seed, p->stream, step, i, word);
        float kept = ro_bits_f32(ro_canon_f32(ro_mul_f32(x[i], p->scale)));
        y[i] = word[i % 4] >= p->threshold ? kept : 0;
    }
}

static void dropout_run(const ro_task *t)
{
    ro_parallel(t->pool, ro_type_elements(&t->reader.out[0]), RO_GRAIN / 16, dropout_range,
                (void *)(uintptr_t)t);
}

static const ro_driver dropout_driver = {NULL, dropout_run};
