/* Softmax, LogSoftmax, SoftmaxGrad, LogSoftmaxGrad - along one axis.
 *   F x, i64 axis   ->   F y;   F dy, F y, i64 axis   ->   F dx
 *   m = the row's maximum as it is (an infinite one gives NaN), s = lane sum of exp(sub(x, m))
 *   Softmax y = div(exp(sub(x, m)), s)         LogSoftmax y = sub(sub(x, m), log(s))
 *   SoftmaxGrad dx = mul(y, sub(dy, S)), S = lane sum of mul(y, dy)
 *   LogSoftmaxGrad dx = sub(dy, mul(exp(y), S)), S = lane sum of dy         (rules 31, 33)
 *   gradients  the Grad operators
 *   errors  RO_EATTR when the axis is out of range; RO_ESHAPE when dy and y differ
 *   cost    70 flops an element (35 in the gradients) and element of the row, shared by the row
 *   source  ONNX Softmax-13, LogSoftmax-13                                                 */
#if defined(RO_PASS_ATTRS)
#define RO_Softmax_ATTRS(F) F(i64, axis)
#define RO_LogSoftmax_ATTRS(F) F(i64, axis)
#define RO_SoftmaxGrad_ATTRS(F) F(i64, axis)
#define RO_LogSoftmaxGrad_ATTRS(F) F(i64, axis)
typedef struct { RO_Softmax_ATTRS(RO_FIELD) uint8_t end_; } ro_softmax_attrs;
typedef ro_softmax_attrs ro_Softmax_attrs, ro_LogSoftmax_attrs;
typedef ro_softmax_attrs ro_SoftmaxGrad_attrs, ro_LogSoftmaxGrad_attrs;
RO_FN uint64_t ro_softmax_count(const void *attrs, const ro_type *x)
{
    return (uint64_t)x->dims[ro_axis(((const ro_softmax_attrs *)attrs)->axis, x->rank)];
}
/* Element j of the row of element i. */
RO_FN uint64_t ro_softmax_index(const void *attrs, const ro_type *x, uint64_t i, uint64_t j)
{
    uint32_t axis = ro_axis(((const ro_softmax_attrs *)attrs)->axis, x->rank);
    uint64_t inner = ro_span(x, axis + 1, x->rank), n = (uint64_t)x->dims[axis];
    return i - i / inner % n * inner + j * inner;
}
#elif defined(RO_PASS_BODY)
#if RO_IS_FLOAT
#define RO_SOFTMAX_COUNT(op)                         \
    RO_FN uint64_t RO_N(ro_##op##_count)(RO_AT_ARGS) \
    {                                                \
        (void)out, (void)i;                          \
        return ro_softmax_count(attrs, &r->in[0]);   \
    }
#define RO_SOFTMAX_TERM(op)                                                                  \
    RO_SOFTMAX_COUNT(op)                                                                     \
    RO_FN RO_T RO_N(ro_##op##_term)(RO_AT_ARGS, uint32_t s, const RO_T *st, uint64_t j) \
    {                                                                                        \
        RO_T x = READ(r, 0, ro_softmax_index(attrs, &r->in[0], i, j));                       \
        (void)out;                                                                           \
        return s == 0 ? x : RO_N(ro_exp)(SUB(x, st[0]));                                     \
    }
RO_SOFTMAX_TERM(Softmax)
RO_FN uint64_t RO_N(ro_Softmax_finish)(RO_AT_ARGS, const RO_T *st)
{
    (void)attrs;
    return OUT(r, out, DIV(RO_N(ro_exp)(SUB(READ(r, 0, i), st[0])), st[1]));
}
RO_ROW_BODY(Softmax, 2, RO_STAGE_MAX, RO_STAGE_SUM)

RO_SOFTMAX_TERM(LogSoftmax)
RO_FN uint64_t RO_N(ro_LogSoftmax_finish)(RO_AT_ARGS, const RO_T *st)
{
    (void)attrs;
    return OUT(r, out, SUB(SUB(READ(r, 0, i), st[0]), RO_N(ro_log)(st[1])));
}
RO_ROW_BODY(LogSoftmax, 2, RO_STAGE_MAX, RO_STAGE_SUM)

RO_SOFTMAX_COUNT(SoftmaxGrad)
RO_FN RO_T RO_N(ro_SoftmaxGrad_term)(RO_AT_ARGS, uint32_t s, const RO_T *st, uint64_t j)
{
    uint64_t k = ro_softmax_index(attrs, &r->in[0], i, j);
    (void)out, (void)s, (void)st;
    return MUL(READ(r, 1, k), READ(r, 0, k));
}
RO_FN uint64_t RO_N(ro_SoftmaxGrad_finish)(RO_AT_ARGS, const RO_T *st)
{
    (void)attrs;
    return OUT(r, out, MUL(READ(r, 1, i), SUB(READ(r, 0, i), st[0])));
}
RO_ROW_BODY(SoftmaxGrad, 1, RO_STAGE_SUM)

RO_SOFTMAX_COUNT(LogSoftmaxGrad)
RO_FN RO_T RO_N(ro_LogSoftmaxGrad_term)(RO_AT_ARGS, uint32_t s, const RO_T *st, uint64_t j)
{
    (void)out, (void)s, (void)st;
    return READ(r, 0, ro_softmax_index(attrs, &r->in[0], i, j));
}
RO_FN uint64_t RO_N(ro_LogSoftmaxGrad_finish)(RO_AT_ARGS, const RO_T *st)
{
    (void)attrs;
    return OUT(r, out, SUB(READ(r, 0, i), MUL(RO_N(ro_exp)(READ(r, 1, i)), st[0])));
}
RO_ROW_BODY(LogSoftmaxGrad, 1, RO_STAGE_SUM)
#undef RO_SOFTMAX_TERM
#undef RO_SOFTMAX_COUNT
#endif
#elif defined(RO_PASS_HOST)
static ro_status ro_softmax_infer(RO_INFER_ARGS)
{
    RO_TRY(ro_check_axis(((const ro_softmax_attrs *)attrs)->axis, in[0].rank, err));
    return ro_infer_same(attrs, in, n_in, out, n_out, err);
}
static ro_status ro_softmax_grad_infer(RO_INFER_ARGS)
{
    RO_TRY(ro_check_shapes(&in[0], "the gradient dy", &in[1], "the output y", err));
    return ro_softmax_infer(attrs, in, n_in, out, n_out, err);
}
static uint64_t ro_softmax_reads(RO_FLOPS_ARGS, uint32_t input)
{
    (void)n_in, (void)out, (void)input;
    return ro_softmax_count(attrs, &in[0]);
}
static uint64_t ro_softmax_flops(RO_FLOPS_ARGS)
{
    (void)n_in, (void)out;
    return ro_saturating_mul(70, ro_softmax_count(attrs, &in[0]));
}
static uint64_t ro_softmax_grad_flops(RO_FLOPS_ARGS)
{
    (void)n_in, (void)out;
    return ro_saturating_mul(35, ro_softmax_count(attrs, &in[0]));
}
static uint64_t ro_softmax_shared(RO_FLOPS_ARGS)
{
    (void)n_in, (void)out;
    return ro_softmax_count(attrs, &in[0]);
}
RO_READS(LogSoftmaxGrad)
{
    return input == 0 ? ro_softmax_reads(attrs, in, n_in, out, 0) : 1;
}
RO_GRAD(Softmax)
{
    return ro_emit2(g, RO_OP_SoftmaxGrad, node->attrs, dy[0], node->first_output, &dx[0], err);
}
RO_GRAD(LogSoftmax)
{
    return ro_emit2(g, RO_OP_LogSoftmaxGrad, node->attrs, dy[0], node->first_output, &dx[0], err);
}
#elif defined(RO_OP)
RO_OP(Softmax, ROW, .version = 1, .signature = "F x -> F y", .at = RO_AT_FLOAT(Softmax),
      .explain = RO_EXPLAIN_FLOAT(Softmax), .infer = ro_softmax_infer, .flops = ro_softmax_flops,
      .reads = ro_softmax_reads, .shared = ro_softmax_shared, .grad = ro_Softmax_grad)
RO_OP(LogSoftmax, ROW, .version = 1, .signature = "F x -> F y", .at = RO_AT_FLOAT(LogSoftmax),
      .explain = RO_EXPLAIN_FLOAT(LogSoftmax), .infer = ro_softmax_infer,
      .flops = ro_softmax_flops, .reads = ro_softmax_reads, .shared = ro_softmax_shared,
      .grad = ro_LogSoftmax_grad)
RO_OP(SoftmaxGrad, ROW, .version = 1, .signature = "F dy, F y -> F dx",
      .at = RO_AT_FLOAT(SoftmaxGrad), .explain = RO_EXPLAIN_FLOAT(SoftmaxGrad),
      .infer = ro_softmax_grad_infer, .flops = ro_softmax_grad_flops, .reads = ro_softmax_reads,
      .shared = ro_softmax_shared, .grad = NULL)
RO_OP(LogSoftmaxGrad, ROW, .version = 1, .signature = "F dy, F y -> F dx",
      .at = RO_AT_FLOAT(LogSoftmaxGrad), .explain = RO_EXPLAIN_FLOAT(LogSoftmaxGrad),
      .infer = ro_softmax_grad_infer, .flops = ro_softmax_grad_flops,
      .reads = ro_LogSoftmaxGrad_reads, .shared = ro_softmax_shared, .grad = NULL)
#endif
