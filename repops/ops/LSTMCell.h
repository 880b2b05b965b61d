/* LSTMCell, GRUCell, RNNCell, GRUGates, GRUState - one time step of a recurrent network.
 *   LSTMCell  F x, F h, F c, F r, F p?, I lengths?; u32 f, g, h, input_forget  ->  F y, F cell
 *   GRUCell   F x, F h, F r, F b?, I lengths?; u32 f, g                        ->  F y
 *   RNNCell   F x, F h, F r, I lengths?; u32 f                                 ->  F y
 *   GRUGates  F x, F h, F r; u32 f                        ->  F y (1, B, 2 H): z, then mul(r, h)
 *   GRUState  F x, F h, F gates, F r, I lengths?; u32 g                        ->  F y
 *   All have i64 step. x (T, B, G H) is what the inputs of all steps give to the G gates, biases
 *   added; h, c, y and cell are (1, B, H), r (H, G H), p (3 H), b (H), lengths (B). With s(G), the
 *   sum over k of h[k] r[k, G] (rule 27), and v(G) = add(x[step, G], s(G)):
 *   LSTMCell  gates i, o, f, c: i = f(v(i) + p(i) c), f = f(v(f) + p(f) c) or sub(1, i) with
 *             input_forget, cell = add(mul(f, c), mul(i, g(v(c)))), o = f(v(o) + p(o) cell),
 *             y = mul(o, h(cell)); + p() c, two roundings, only with p
 *   GRUCell   gates z, r, h: z = f(v(z)), r = f(v(r)), n = g(add(x(h), mul(r, add(s(h), b)))),
 *             y = add(mul(sub(1, z), n), mul(z, h)): the reset after the product, as torch has it
 *   GRUGates, GRUState   the same with the reset before it: n = g(add(x(h), s)), s the sum over k
 *             of mul(r, h)[k] r[k, h]. Two nodes, because s takes the r of all of the row
 *   RNNCell   y = f(v)
 *   f, g, h   0 Sigmoid, 1 Tanh, 2 Relu
 *   A row whose length is not over step keeps its state: y = h, cell = c.
 *   gradients  none: a step that is trained is several nodes (verde/onnx_recurrent.c)
 *   errors  RO_ESHAPE, RO_EATTR
 *   cost    2 H flops a gate and element      source  ONNX LSTM-22, GRU-22, RNN-22          */
#if defined(RO_PASS_ATTRS)
/* The step leads in all five. */
#define RO_LSTMCell_ATTRS(F) F(i64, step) F(u32, f) F(u32, g) F(u32, h) F(u32, input_forget)
#define RO_GRUCell_ATTRS(F) F(i64, step) F(u32, f) F(u32, g)
#define RO_RNNCell_ATTRS(F) F(i64, step) F(u32, f)
#define RO_GRUGates_ATTRS(F) F(i64, step) F(u32, f)
#define RO_GRUState_ATTRS(F) F(i64, step) F(u32, g)
RO_ATTRS(LSTMCell);
RO_ATTRS(GRUCell);
RO_ATTRS(RNNCell);
RO_ATTRS(GRUGates);
RO_ATTRS(GRUState);
enum { RO_CELL_SIGMOID, RO_CELL_TANH, RO_CELL_RELU, RO_CELL_FUNCTIONS };
enum { RO_LSTM_I, RO_LSTM_O, RO_LSTM_F, RO_LSTM_C, RO_LSTM_GATES };

RO_FN int ro_is_cell(ro_op op)
{
    return op == RO_OP_LSTMCell || op == RO_OP_GRUCell || op == RO_OP_RNNCell ||
           op == RO_OP_GRUGates || op == RO_OP_GRUState;
}
RO_FN int64_t ro_cell_step(const void *attrs) { return ((const ro_RNNCell_attrs *)attrs)->step; }

/* The gate of contraction s of an LSTM's element: no o for the cell, no f where it is 1 - i. */
RO_FN uint32_t ro_lstm_gate(const ro_LSTMCell_attrs *t, uint32_t out, uint32_t s)
{
    uint32_t gate = out == 1 && s >= RO_LSTM_O ? s + 1 : s;
    return t->input_forget && gate >= RO_LSTM_F ? gate + 1 : gate;
}
/* The size of the state; where gate 0 of x lies for element i of it, and how wide x is. */
RO_FN uint64_t ro_cell_size(const ro_reader *r) { return (uint64_t)r->in[1].dims[2]; }
RO_FN uint64_t ro_cell_x(const ro_reader *r, int64_t step, uint64_t i)
{
    uint64_t H = ro_cell_size(r), B = (uint64_t)r->in[1].dims[1];
    return ((uint64_t)step * B + i / H) * (uint64_t)r->in[0].dims[2] + i % H;
}
/* Whether the row of element i has ended before this step. */
RO_FN int ro_cell_ended(const ro_reader *r, uint32_t lengths, int64_t step, uint64_t i)
{
    return ro_has(r, lengths) && ro_read_i64(r, lengths, i / ro_cell_size(r)) <= step;
}
#elif defined(RO_PASS_BODY)
#if RO_IS_FLOAT
RO_FN RO_T RO_N(ro_cell_function)(uint32_t f, RO_T x)
{
    if (f == RO_CELL_TANH) return RO_N(ro_tanh)(x);
    if (f == RO_CELL_RELU) return ORDER(x) > ORDER((RO_T)0) ? x : 0;
    return RO_N(ro_sigmoid)(x);
}
/* Product k of gate `gate` of element i, where the row of the state begins at `row` of input h. */
RO_FN void RO_N(ro_cell_product)(const ro_reader *r, uint32_t h, uint64_t row, uint32_t weights,
                                 uint64_t gate, uint64_t i, uint64_t k, RO_T *a, RO_T *b)
{
    uint64_t H = ro_cell_size(r), wide = (uint64_t)r->in[weights].dims[1];
    *a = READ(r, h, row + k);
    *b = READ(r, weights, k * wide + gate * H + i % H);
}

/* The new state from v of the gates, the peepholes and the cell, which becomes the new one. */
RO_FN RO_T RO_N(ro_lstm_state)(const ro_LSTMCell_attrs *t, const RO_T *v, const RO_T *p,
                               int peeps, RO_T *cell)
{
    const RO_T c = *cell;
    RO_T i = v[RO_LSTM_I], o = v[RO_LSTM_O], f = v[RO_LSTM_F];
    if (peeps) i = ADD(i, MUL(p[RO_LSTM_I], c));
    i = RO_N(ro_cell_function)(t->f, i);
    if (peeps) f = ADD(f, MUL(p[RO_LSTM_F], c));
    f = t->input_forget ? SUB(1, i) : RO_N(ro_cell_function)(t->f, f);
    *cell = ADD(MUL(f, c), MUL(i, RO_N(ro_cell_function)(t->g, v[RO_LSTM_C])));
    if (peeps) o = ADD(o, MUL(p[RO_LSTM_O], *cell));
    return MUL(RO_N(ro_cell_function)(t->f, o), RO_N(ro_cell_function)(t->h, *cell));
}
RO_FN uint32_t RO_N(ro_LSTMCell_sums)(const void *attrs, uint32_t out)
{
    uint32_t gates = out == 1 ? 3 : 4;
    return ((const ro_LSTMCell_attrs *)attrs)->input_forget ? gates - 1 : gates;
}
RO_FN uint64_t RO_N(ro_LSTMCell_terms)(const ro_reader *r) { return ro_cell_size(r); }
RO_FN void RO_N(ro_LSTMCell_term)(RO_AT_ARGS, uint32_t s, uint64_t k, RO_T *a, RO_T *b)
{
    uint64_t row = i - i % ro_cell_size(r);
    uint32_t gate = ro_lstm_gate((const ro_LSTMCell_attrs *)attrs, out, s);
    RO_N(ro_cell_product)(r, 1, row, 3, gate, i, k, a, b);
}
RO_FN uint64_t RO_N(ro_LSTMCell_finish)(RO_AT_ARGS, const RO_T *sum)
{
    const ro_LSTMCell_attrs *t = (const ro_LSTMCell_attrs *)attrs;
    RO_T v[RO_LSTM_GATES] = {0}, p[RO_LSTM_C] = {0};
    uint64_t H = ro_cell_size(r), x = ro_cell_x(r, t->step, i);
    uint32_t n = RO_N(ro_LSTMCell_sums)(attrs, out);
    int peeps = ro_has(r, 4);
    if (ro_cell_ended(r, 5, t->step, i)) return OUT(r, out, READ(r, out ? 2 : 1, i));
    for (uint32_t s = 0; s < n; s++) {
        uint32_t gate = ro_lstm_gate(t, out, s);
        v[gate] = ADD(READ(r, 0, x + gate * H), sum[s]);
        if (peeps && gate < RO_LSTM_C) p[gate] = READ(r, 4, gate * H + i % H);
    }
    RO_T cell = READ(r, 2, i), y = RO_N(ro_lstm_state)(t, v, p, peeps, &cell);
    return OUT(r, out, out ? cell : y);
}
RO_SUMS_BODY(LSTMCell)

/* Between what is new and the state before. */
RO_FN RO_T RO_N(ro_gru_state)(RO_T z, RO_T n, RO_T h)
{
    return ADD(MUL(SUB(1, z), n), MUL(z, h));
}
/* From v of z and r, the sum of the third gate with its bias, x of it and the state before. */
RO_FN RO_T RO_N(ro_gru_linear)(const ro_GRUCell_attrs *t, RO_T z, RO_T reset, RO_T s, RO_T x,
                               RO_T h)
{
    z = RO_N(ro_cell_function)(t->f, z);
    reset = RO_N(ro_cell_function)(t->f, reset);
    return RO_N(ro_gru_state)(z, RO_N(ro_cell_function)(t->g, ADD(x, MUL(reset, s))), h);
}
RO_FN uint32_t RO_N(ro_GRUCell_sums)(const void *attrs, uint32_t out)
{
    (void)attrs, (void)out;
    return 3;
}
RO_FN uint64_t RO_N(ro_GRUCell_terms)(const ro_reader *r) { return ro_cell_size(r); }
RO_FN void RO_N(ro_GRUCell_term)(RO_AT_ARGS, uint32_t s, uint64_t k, RO_T *a, RO_T *b)
{
    (void)attrs, (void)out;
    RO_N(ro_cell_product)(r, 1, i - i % ro_cell_size(r), 2, s, i, k, a, b);
}
RO_FN uint64_t RO_N(ro_GRUCell_finish)(RO_AT_ARGS, const RO_T *sum)
{
    const ro_GRUCell_attrs *t = (const ro_GRUCell_attrs *)attrs;
    uint64_t H = ro_cell_size(r), x = ro_cell_x(r, t->step, i);
    RO_T h = READ(r, 1, i), s = sum[2];
    if (ro_cell_ended(r, 4, t->step, i)) return OUT(r, out, h);
    if (ro_has(r, 3)) s = ADD(s, READ(r, 3, i % H));
    RO_T z = ADD(READ(r, 0, x), sum[0]), reset = ADD(READ(r, 0, x + H), sum[1]);
    return OUT(r, out, RO_N(ro_gru_linear)(t, z, reset, s, READ(r, 0, x + 2 * H), h));
}
RO_SUMS_BODY(GRUCell)

/* A cell of one sum has as many products as the state has elements. */
#define RO_CELL_TERMS(op)                                                                      \
    RO_FN uint64_t RO_N(ro_##op##_terms)(const ro_reader *r, const void *attrs, uint64_t i)    \
    {                                                                                          \
        (void)attrs, (void)i;                                                                  \
        return ro_cell_size(r);                                                                \
    }
RO_CELL_TERMS(RNNCell)
RO_FN int RO_N(ro_RNNCell_term)(const ro_reader *r, const void *attrs, uint64_t i, uint64_t k,
                                RO_T *a, RO_T *b)
{
    (void)attrs;
    RO_N(ro_cell_product)(r, 1, i - i % ro_cell_size(r), 2, 0, i, k, a, b);
    return 1;
}
RO_FN RO_T RO_N(ro_RNNCell_finish)(const ro_reader *r, const void *attrs, uint64_t i, RO_T s)
{
    const ro_RNNCell_attrs *t = (const ro_RNNCell_attrs *)attrs;
    if (ro_cell_ended(r, 3, t->step, i)) return READ(r, 1, i);
    return RO_N(ro_cell_function)(t->f, ADD(READ(r, 0, ro_cell_x(r, t->step, i)), s));
}
RO_CONTRACT_BODY(RNNCell)

/* Element i of z and mul(r, h): the gate, and the element of the state that it is about. */
RO_FN uint64_t RO_N(ro_GRUGates_place)(const ro_reader *r, uint64_t i, uint32_t *gate)
{
    uint64_t H = ro_cell_size(r);
    *gate = i / H % 2 != 0;
    return i / H / 2 * H + i % H;
}
RO_CELL_TERMS(GRUGates)
RO_FN int RO_N(ro_GRUGates_term)(const ro_reader *r, const void *attrs, uint64_t i, uint64_t k,
                                 RO_T *a, RO_T *b)
{
    uint32_t gate;
    uint64_t at = RO_N(ro_GRUGates_place)(r, i, &gate);
    (void)attrs;
    RO_N(ro_cell_product)(r, 1, at - at % ro_cell_size(r), 2, gate, at, k, a, b);
    return 1;
}
RO_FN RO_T RO_N(ro_GRUGates_finish)(const ro_reader *r, const void *attrs, uint64_t i, RO_T s)
{
    const ro_GRUGates_attrs *t = (const ro_GRUGates_attrs *)attrs;
    uint32_t gate;
    uint64_t at = RO_N(ro_GRUGates_place)(r, i, &gate), H = ro_cell_size(r);
    RO_T v = ADD(READ(r, 0, ro_cell_x(r, t->step, at) + gate * H), s);
    v = RO_N(ro_cell_function)(t->f, v);
    return gate ? MUL(v, READ(r, 1, at)) : v;
}
RO_CONTRACT_BODY(GRUGates)

RO_CELL_TERMS(GRUState)
RO_FN int RO_N(ro_GRUState_term)(const ro_reader *r, const void *attrs, uint64_t i, uint64_t k,
                                 RO_T *a, RO_T *b)
{
    uint64_t H = ro_cell_size(r);
    (void)attrs;
    RO_N(ro_cell_product)(r, 2, (i / H * 2 + 1) * H, 3, 2, i, k, a, b);
    return 1;
}
RO_FN RO_T RO_N(ro_GRUState_finish)(const ro_reader *r, const void *attrs, uint64_t i, RO_T s)
{
    const ro_GRUState_attrs *t = (const ro_GRUState_attrs *)attrs;
    uint64_t H = ro_cell_size(r), x = ro_cell_x(r, t->step, i);
    RO_T h = READ(r, 1, i);
    if (ro_cell_ended(r, 4, t->step, i)) return h;
    RO_T n = RO_N(ro_cell_function)(t->g, ADD(READ(r, 0, x + 2 * H), s));
    return RO_N(ro_gru_state)(READ(r, 2, i / H * 2 * H + i % H), n, h);
}
RO_CONTRACT_BODY(GRUState)
#undef RO_CELL_TERMS
#endif
#elif defined(RO_PASS_HOST)
static ro_status ro_cell_check(const ro_type *t, const char *name, uint32_t rank, int64_t a,
                               int64_t b, int64_t c, ro_err *err)
{
    const ro_type want = ro_type_of(t->dtype, rank, (int64_t[]){a, b, c});
    char have[96], text[96];
    if (ro_type_equal(t, &want)) return RO_OK;
    return RO_FAIL(err, RO_ESHAPE, "a cell's %s is %s; it must be %s", name,
                   ro_type_text(t, have, sizeof have), ro_type_text(&want, text, sizeof text));
}
static ro_status ro_cell_check_function(uint32_t f, const char *name, ro_err *err)
{
    if (f < RO_CELL_FUNCTIONS) return RO_OK;
    return RO_FAIL(err, RO_EATTR, "%s is %u; 0 (Sigmoid), 1 (Tanh) and 2 (Relu) are allowed", name,
                   f);
}
/* What all cells have: x, h, the weights and perhaps lengths, by their numbers; and the step. */
static ro_status ro_cell_infer(const ro_type *in, uint32_t n_in, int64_t step, int64_t gates,
                               uint32_t weights, uint32_t lengths, ro_type *out, ro_err *err)
{
    const ro_type *x = &in[0], *h = &in[1];
    char text[96];
    if (h->rank != 3 || h->dims[0] != 1)
        return RO_FAIL(err, RO_ESHAPE, "a cell's state is %s; it must be [1, batch, size]",
                       ro_type_text(h, text, sizeof text));
    const int64_t B = h->dims[1], H = h->dims[2]; /* at most 2^40: four of it fit */
    RO_TRY(ro_cell_check(x, "x", 3, x->rank ? x->dims[0] : 0, B, gates * H, err));
    RO_TRY(ro_cell_check(&in[weights], "r", 2, H, gates * H, 0, err));
    if (ro_given(in, n_in, lengths))
        RO_TRY(ro_cell_check(&in[lengths], "lengths", 1, B, 0, 0, err));
    if (step < 0 || step >= x->dims[0])
        return RO_FAIL(err, RO_EATTR, "step is %lld of %lld steps", (long long)step,
                       (long long)x->dims[0]);
    *out = *h;
    return RO_OK;
}
RO_INFER(LSTMCell)
{
    const ro_LSTMCell_attrs *t = attrs;
    (void)n_out;
    RO_TRY(ro_cell_check_function(t->f, "f", err));
    RO_TRY(ro_cell_check_function(t->g, "g", err));
    RO_TRY(ro_cell_check_function(t->h, "h", err));
    RO_TRY(ro_check_flag(t->input_forget, "input_forget", err));
    RO_TRY(ro_cell_infer(in, n_in, t->step, RO_LSTM_GATES, 3, 5, out, err));
    RO_TRY(ro_check_shapes(&in[2], "a cell's c", &in[1], "its h", err));
    if (ro_given(in, n_in, 4))
        RO_TRY(ro_cell_check(&in[4], "p", 1, 3 * in[1].dims[2], 0, 0, err));
    out[1] = out[0];
    return RO_OK;
}
RO_INFER(GRUCell)
{
    const ro_GRUCell_attrs *t = attrs;
    (void)n_out;
    RO_TRY(ro_cell_check_function(t->f, "f", err));
    RO_TRY(ro_cell_check_function(t->g, "g", err));
    RO_TRY(ro_cell_infer(in, n_in, t->step, 3, 2, 4, out, err));
    return ro_given(in, n_in, 3) ? ro_cell_check(&in[3], "b", 1, in[1].dims[2], 0, 0, err) : RO_OK;
}
RO_INFER(RNNCell)
{
    const ro_RNNCell_attrs *t = attrs;
    (void)n_out;
    RO_TRY(ro_cell_check_function(t->f, "f", err));
    return ro_cell_infer(in, n_in, t->step, 1, 2, 3, out, err);
}
RO_INFER(GRUGates)
{
    const ro_GRUGates_attrs *t = attrs;
    (void)n_out;
    RO_TRY(ro_cell_check_function(t->f, "f", err));
    RO_TRY(ro_cell_infer(in, n_in, t->step, 3, 2, RO_INPUTS_MAX, out, err));
    out->dims[2] *= 2;
    return RO_OK;
}
RO_INFER(GRUState)
{
    const ro_GRUState_attrs *t = attrs;
    (void)n_out;
    RO_TRY(ro_cell_check_function(t->g, "g", err));
    RO_TRY(ro_cell_infer(in, n_in, t->step, 3, 3, 4, out, err));
    return ro_cell_check(&in[2], "gates", 3, 1, in[1].dims[1], 2 * in[1].dims[2], err);
}
/* Of so many gates, each a contraction, an addition and a function. */
static uint64_t ro_cell_flops(const ro_type *in, uint64_t gates)
{
    return ro_saturating_mul(gates, ro_saturating_add(ro_saturating_mul(2, (uint64_t)in[1].dims[2]),
                                                      36));
}
RO_FLOPS(LSTMCell)
{
    (void)attrs, (void)n_in, (void)out;
    return ro_saturating_add(ro_cell_flops(in, RO_LSTM_GATES), 48);
}
RO_FLOPS(GRUCell)
{
    (void)attrs, (void)n_in, (void)out;
    return ro_saturating_add(ro_cell_flops(in, 3), 6);
}
static uint64_t ro_cell_flops_1(RO_FLOPS_ARGS)
{
    (void)attrs, (void)n_in, (void)out;
    return ro_saturating_add(ro_cell_flops(in, 1), 4);
}
/* Both outputs come from the same gates. */
static uint64_t ro_lstm_shared(RO_FLOPS_ARGS)
{
    (void)attrs, (void)in, (void)n_in, (void)out;
    return 2;
}
static uint64_t ro_cell_reads(const ro_type *in, uint32_t input, uint32_t weights, uint64_t gates)
{
    uint64_t H = (uint64_t)in[1].dims[2];
    if (input == weights) return ro_saturating_mul(gates, H);
    return input == 0 ? gates : input == 1 ? H : 1;
}
RO_READS(LSTMCell)
{
    (void)attrs, (void)n_in, (void)out;
    return input == 4 ? 3 : ro_cell_reads(in, input, 3, RO_LSTM_GATES);
}
RO_READS(GRUCell)
{
    (void)attrs, (void)n_in, (void)out;
    return ro_cell_reads(in, input, 2, 3);
}
RO_READS(RNNCell)
{
    (void)attrs, (void)n_in, (void)out;
    return ro_cell_reads(in, input, 2, 1);
}
RO_READS(GRUState)
{
    uint64_t H = (uint64_t)in[1].dims[2];
    (void)attrs, (void)n_in, (void)out;
    return input == 2 ? ro_saturating_add(H, 1) : input == 3 ? H : 1;
}
#elif defined(RO_OP)
RO_OP(LSTMCell, CONTRACT, .version = 1,
      .signature = "F x, F h, F c, F r, F p?, I lengths? -> F y, F cell",
      .at = RO_AT_FLOAT(LSTMCell), .explain = RO_EXPLAIN_FLOAT(LSTMCell),
      .infer = ro_LSTMCell_infer, .flops = ro_LSTMCell_flops, .shared = ro_lstm_shared,
      .reads = ro_LSTMCell_reads)
RO_OP(GRUCell, CONTRACT, .version = 1, .signature = "F x, F h, F r, F b?, I lengths? -> F y",
      .at = RO_AT_FLOAT(GRUCell), .explain = RO_EXPLAIN_FLOAT(GRUCell),
      .infer = ro_GRUCell_infer, .flops = ro_GRUCell_flops, .reads = ro_GRUCell_reads)
RO_OP(RNNCell, CONTRACT, .version = 1, .signature = "F x, F h, F r, I lengths? -> F y",
      .at = RO_AT_FLOAT(RNNCell), .explain = RO_EXPLAIN_FLOAT(RNNCell),
      .infer = ro_RNNCell_infer, .flops = ro_cell_flops_1, .reads = ro_RNNCell_reads)
RO_OP(GRUGates, CONTRACT, .version = 1, .signature = "F x, F h, F r -> F y",
      .at = RO_AT_FLOAT(GRUGates), .explain = RO_EXPLAIN_FLOAT(GRUGates),
      .infer = ro_GRUGates_infer, .flops = ro_cell_flops_1, .reads = ro_RNNCell_reads)
RO_OP(GRUState, CONTRACT, .version = 1,
      .signature = "F x, F h, F gates, F r, I lengths? -> F y", .at = RO_AT_FLOAT(GRUState),
      .explain = RO_EXPLAIN_FLOAT(GRUState), .infer = ro_GRUState_infer,
      .flops = ro_cell_flops_1, .reads = ro_GRUState_reads)
#endif
