/* exec_cell.h - a time step of LSTM, GRU and RNN. A part of exec_patterns.c.
 *
 * What this file decides: a step is one product of the state with the weights of all gates, by the
 * kernels of gemm.h into the scratch, then one pass over the state that adds what x gives, and
 * applies the functions to whole pieces of a row.
 *
 * Invariants
 *   1. The weights are read as they lie, (H, G H), where steps are few; else the first of them in a
 *      run lays them out for the others.
 *   2. float32 goes by arrays, float64 by the scalar functions that the bodies use. */

enum { CELLS = 128 }; /* elements of a row at once: the gates of a piece stay in the first cache */

/* wide: a row of x and of the weights; columns: a row of the product, from gate `first` on. */
typedef struct {
    const ro_task *t;
    const void *x; /* of this step; set, like all data, when the task runs */
    uint64_t batch, size, wide, columns, first;
    uint32_t weights, lengths; /* inputs */
    int64_t step;
} cell_job;

static const ro_kernels *cell_kernels(const ro_task *t)
{
    return t->compute == RO_C_F32 ? t->kernels->f32 : t->kernels->f64;
}

static const void *cell_at(const ro_task *t, const void *p, uint64_t elements)
{
    return (const char *)p + elements * cell_kernels(t)->size;
}

static cell_job cell_of(const ro_task *t)
{
    const ro_reader *r = &t->reader;
    cell_job j = {.t = t, .batch = (uint64_t)r->in[1].dims[1], .size = ro_cell_size(r)};
    j.step = ro_cell_step(t->attrs);
    j.wide = j.columns = (uint64_t)r->in[0].dims[2];
    j.weights = t->op == RO_OP_LSTMCell || t->op == RO_OP_GRUState ? 3 : 2;
    j.lengths = t->op == RO_OP_LSTMCell ? 5 : t->op == RO_OP_RNNCell ? 3 : 4;
    if (t->op == RO_OP_GRUGates) j.columns = 2 * j.size;
    if (t->op == RO_OP_GRUState) j.columns = j.size, j.first = 2;
    return j;
}

/* The gates' sums of all rows: its sizes. */
static ro_gemm cell_product(const cell_job *j)
{
    ro_gemm g;
    memset(&g, 0, sizeof g);
    g.batches = 1;
    g.m = j->batch;
    g.n = j->columns;
    g.k = j->size;
    g.a_row = (int64_t)(j->t->op == RO_OP_GRUState ? 2 * j->size : j->size);
    g.a_col = 1;
    g.b_row = (int64_t)j->wide;
    g.b_col = 1;
    g.c_row = (int64_t)j->columns;
    g.c_col = 1;
    g.alpha = g.beta = 1;
    return g;
}

static uint64_t cell_sums_bytes(const cell_job *j)
{
    return (j->batch * j->columns * cell_kernels(j->t)->size + 63) / 64 * 64;
}

static uint64_t cell_scratch(const ro_task *t, uint32_t threads)
{
    cell_job j = cell_of(t);
    ro_gemm g = cell_product(&j);
    return cell_sums_bytes(&j) + ro_gemm_scratch(cell_kernels(t), &g, threads);
}

/* ---- float32: elements [at, at + n) of the state, all of row b ------------------------------ */

typedef struct { const cell_job *j; uint64_t b, at, column, n; } cell_piece;

static const float *cell_in(const cell_piece *p, uint32_t input)
{
    return (const float *)p->j->t->reader.data[input] + p->at;
}

static const float *cell_given(const cell_piece *p, uint64_t gate)
{
    return (const float *)p->j->x + p->b * p->j->wide + gate * p->j->size + p->column;
}

static const float *cell_sum(const cell_piece *p, uint64_t gate)
{
    return (const float *)p->j->t->scratch + p->b * p->j->columns +
           (gate - p->j->first) * p->j->size + p->column;
}

static void cell_v(const cell_piece *p, uint64_t gate, float *v)
{
    const float *x = cell_given(p, gate), *s = cell_sum(p, gate);
    for (uint64_t i = 0; i < p->n; i++) v[i] = ro_add_f32(x[i], s[i]);
}

static void cell_apply(uint32_t f, float *v, uint64_t n)
{
    if (f == RO_CELL_TANH) functions.tanh(v, v, n);
    else if (f == RO_CELL_SIGMOID) functions.sigmoid(v, v, n);
    else
        for (uint64_t i = 0; i < n; i++) v[i] = ro_cell_function_f32(f, v[i]);
}

static void cell_gate(const cell_piece *p, uint64_t gate, uint32_t f, float *v)
{
    cell_v(p, gate, v);
    cell_apply(f, v, p->n);
}

/* v of a gate that sees the cell c. */
static void cell_peep(const cell_piece *p, uint64_t gate, const float *c, float *v)
{
    if (!ro_has(&p->j->t->reader, 4)) return;
    const float *w = (const float *)p->j->t->reader.data[4] + gate * p->j->size + p->column;
    for (uint64_t i = 0; i < p->n; i++) v[i] = ro_add_f32(v[i], ro_mul_f32(w[i], c[i]));
}

static void lstm_piece(const cell_piece *p, float *y)
{
    const ro_LSTMCell_attrs *t = p->j->t->attrs;
    const float *c = cell_in(p, 2);
    float *cell = (float *)p->j->t->out[1] + p->at;
    float i[CELLS], f[CELLS], g[CELLS], o[CELLS];
    cell_v(p, RO_LSTM_I, i);
    cell_peep(p, RO_LSTM_I, c, i);
    cell_apply(t->f, i, p->n);
    if (t->input_forget) {
        for (uint64_t k = 0; k < p->n; k++) f[k] = ro_sub_f32(1, i[k]);
    } else {
        cell_v(p, RO_LSTM_F, f);
        cell_peep(p, RO_LSTM_F, c, f);
        cell_apply(t->f, f, p->n);
    }
    cell_gate(p, RO_LSTM_C, t->g, g);
    for (uint64_t k = 0; k < p->n; k++)
        g[k] = ro_add_f32(ro_mul_f32(f[k], c[k]), ro_mul_f32(i[k], g[k]));
    cell_v(p, RO_LSTM_O, o);
    cell_peep(p, RO_LSTM_O, g, o);
    cell_apply(t->f, o, p->n);
    for (uint64_t k = 0; k < p->n; k++) cell[k] = canonical(g[k]);
    cell_apply(t->h, g, p->n);
    for (uint64_t k = 0; k < p->n; k++) y[k] = canonical(ro_mul_f32(o[k], g[k]));
}

static void gru_blend(const cell_piece *p, const float *z, const float *n, float *y)
{
    const float *h = cell_in(p, 1);
    for (uint64_t k = 0; k < p->n; k++) y[k] = canonical(ro_gru_state_f32(z[k], n[k], h[k]));
}

static void gru_piece(const cell_piece *p, float *y)
{
    const ro_GRUCell_attrs *t = p->j->t->attrs;
    const float *x = cell_given(p, 2), *s = cell_sum(p, 2);
    const int biased = ro_has(&p->j->t->reader, 3);
    const float *b = biased ? (const float *)p->j->t->reader.data[3] + p->column : NULL;
    float z[CELLS], n[CELLS];
    cell_gate(p, 1, t->f, n);
    for (uint64_t k = 0; k < p->n; k++) {
        float hidden = b ? ro_add_f32(s[k], b[k]) : s[k];
        n[k] = ro_add_f32(x[k], ro_mul_f32(n[k], hidden));
    }
    cell_apply(t->g, n, p->n);
    cell_gate(p, 0, t->f, z);
    gru_blend(p, z, n, y);
}

static void gates_piece(const cell_piece *p)
{
    const ro_GRUGates_attrs *t = p->j->t->attrs;
    const float *h = cell_in(p, 1);
    float *z = (float *)p->j->t->out[0] + p->b * 2 * p->j->size + p->column, *r = z + p->j->size;
    float v[CELLS];
    cell_gate(p, 0, t->f, v);
    for (uint64_t k = 0; k < p->n; k++) z[k] = canonical(v[k]);
    cell_gate(p, 1, t->f, v);
    for (uint64_t k = 0; k < p->n; k++) r[k] = canonical(ro_mul_f32(v[k], h[k]));
}

static void piece_f32(const cell_piece *p)
{
    const ro_task *t = p->j->t;
    const float *gates = t->op == RO_OP_GRUState ? t->reader.data[2] : NULL;
    float *y = (float *)t->out[0] + p->at, n[CELLS];
    if (t->op == RO_OP_LSTMCell) {
        lstm_piece(p, y);
    } else if (t->op == RO_OP_GRUCell) {
        gru_piece(p, y);
    } else if (t->op == RO_OP_GRUGates) {
        gates_piece(p);
    } else if (t->op == RO_OP_GRUState) {
        cell_gate(p, 2, ((const ro_GRUState_attrs *)t->attrs)->g, n);
        gru_blend(p, gates + p->b * 2 * p->j->size + p->column, n, y);
    } else {
        cell_gate(p, 0, ((const ro_RNNCell_attrs *)t->attrs)->f, n);
        for (uint64_t k = 0; k < p->n; k++) y[k] = canonical(n[k]);
    }
}

/* A row that has ended: what the state was. */
static void piece_kept(const cell_piece *p)
{
    const int both = p->j->t->op == RO_OP_LSTMCell;
    for (int out = 0; out <= both; out++) {
        const float *from = cell_in(p, out ? 2 : 1);
        float *to = (float *)p->j->t->out[out] + p->at;
        for (uint64_t k = 0; k < p->n; k++) to[k] = canonical(from[k]);
    }
}

static int row_ended(const cell_job *j, uint64_t b)
{
    return ro_cell_ended(&j->t->reader, j->lengths, j->step, b * j->size);
}

static void cell_range_f32(void *ctx, uint64_t begin, uint64_t end, uint32_t worker)
{
    const cell_job *j = ctx;
    (void)worker;
    for (uint64_t i = begin; i < end;) {
        cell_piece p = {j, i / j->size, i, i % j->size, CELLS};
        if (p.n > j->size - p.column) p.n = j->size - p.column;
        if (p.n > end - i) p.n = end - i;
        if (row_ended(j, p.b)) piece_kept(&p);
        else piece_f32(&p);
        i += p.n;
    }
}

/* ---- float64 -------------------------------------------------------------------------------- */

/* Element i of the state, not of a row that has ended. */
static void cell_one_f64(const cell_job *j, uint64_t i)
{
    const ro_task *t = j->t;
    const ro_reader *r = &t->reader;
    const double *s = (const double *)t->scratch + i / j->size * j->columns + i % j->size;
    const double *x = (const double *)j->x + i / j->size * j->wide + i % j->size;
    const double *h = (const double *)r->data[1] + i, *in = r->data[2];
    const uint64_t H = j->size, at = i / H * 2 * H + i % H;
    double *y = t->out[0], v[RO_LSTM_GATES] = {0}, p[RO_LSTM_C] = {0};
    if (t->op == RO_OP_LSTMCell) {
        const int peeps = ro_has(r, 4);
        double cell = in[i];
        for (uint64_t q = 0; q < RO_LSTM_GATES; q++) v[q] = ro_add_f64(x[q * H], s[q * H]);
        for (uint64_t q = 0; peeps && q < RO_LSTM_C; q++)
            p[q] = ((const double *)r->data[4])[q * H + i % H];
        y[i] = ro_lstm_state_f64(t->attrs, v, p, peeps, &cell);
        ((double *)t->out[1])[i] = cell;
    } else if (t->op == RO_OP_GRUCell) {
        double hidden = s[2 * H];
        if (ro_has(r, 3)) hidden = ro_add_f64(hidden, ((const double *)r->data[3])[i % H]);
        y[i] = ro_gru_linear_f64(t->attrs, ro_add_f64(x[0], s[0]), ro_add_f64(x[H], s[H]), hidden,
                                 x[2 * H], *h);
    } else if (t->op == RO_OP_GRUGates) {
        const uint32_t f = ((const ro_GRUGates_attrs *)t->attrs)->f;
        y[at] = ro_cell_function_f64(f, ro_add_f64(x[0], s[0]));
        y[at + H] = ro_mul_f64(ro_cell_function_f64(f, ro_add_f64(x[H], s[H])), *h);
    } else if (t->op == RO_OP_GRUState) {
        const uint32_t g = ((const ro_GRUState_attrs *)t->attrs)->g;
        double n = ro_cell_function_f64(g, ro_add_f64(x[2 * H], s[0]));
        y[i] = ro_gru_state_f64(in[at], n, *h);
    } else {
        y[i] = ro_cell_function_f64(((const ro_RNNCell_attrs *)t->attrs)->f,
                                    ro_add_f64(x[0], s[0]));
    }
}

static void cell_range_f64(void *ctx, uint64_t begin, uint64_t end, uint32_t worker)
{
    const cell_job *j = ctx;
    const ro_task *t = j->t;
    (void)worker;
    for (uint64_t i = begin; i < end; i++) {
        const int ended = row_ended(j, i / j->size), wide = t->op == RO_OP_GRUGates;
        const uint64_t at = wide ? i / j->size * 2 * j->size + i % j->size : i;
        for (uint32_t out = 0; ended && out < t->reader.outputs; out++)
            ((double *)t->out[out])[i] = ((const double *)t->reader.data[1 + out])[i];
        if (!ended) cell_one_f64(j, i);
        make_canonical((double *)t->out[0] + at, 8, 1);
        if (wide) make_canonical((double *)t->out[0] + at + j->size, 8, 1);
        if (t->reader.outputs > 1) make_canonical((double *)t->out[1] + i, 8, 1);
    }
}

/* ---- the driver ----------------------------------------------------------------------------- */

static int cell_fits(const ro_task *t)
{
    return ro_is_cell(t->op) && (t->compute == RO_C_F32 || t->compute == RO_C_F64) &&
           ro_type_elements(&t->reader.out[0]) != 0;
}

/* Of the weights: nothing where the product lays the state out instead. */
static uint64_t cell_packed(const ro_task *t, uint32_t *input)
{
    if (!cell_fits(t)) return 0;
    cell_job j = cell_of(t);
    ro_gemm g = cell_product(&j);
    *input = j.weights;
    return ro_gemm_packs(cell_kernels(t), &g) == 'b' ? ro_gemm_pack_bytes(cell_kernels(t), &g) : 0;
}

static void cell_run(const ro_task *t)
{
    cell_job j = cell_of(t);
    ro_gemm g = cell_product(&j);
    const void *const *data = t->reader.data;
    j.x = cell_at(t, data[0], (uint64_t)j.step * j.batch * j.wide);
    /* Of GRUState mul(r, h), the second half of a row of gates. */
    g.a = t->op == RO_OP_GRUState ? cell_at(t, data[2], j.size) : data[1];
    g.b = cell_at(t, data[j.weights], j.first * j.size);
    g.c = t->scratch;
    if (t->packs) ro_gemm_pack(cell_kernels(t), &g, t->packed, t->pool);
    g.packed = t->packed;
    ro_gemm_run(cell_kernels(t), &g, (char *)t->scratch + cell_sums_bytes(&j), t->pool);
    ro_parallel(t->pool, j.batch * j.size, RO_GRAIN / 32,
                t->compute == RO_C_F32 ? cell_range_f32 : cell_range_f64, &j);
}

static const ro_driver cell_driver = {cell_scratch, cell_run};
