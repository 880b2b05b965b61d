/* CumSum, CumProd - running sums and products along an axis.
 *   N x, i64 axis, u32 exclusive, u32 reverse   ->   N y (as x)
 *   y = the chain from +0 by add, or from 1 by mul, over the elements of its line up to and with
 *       its own; exclusive: without its own. reverse: the line is gone through from its end
 *       (rule 39)
 *   gradients  CumSum: CumSum of dy with reverse flipped; CumProd: none
 *   errors  RO_EATTR when the axis is out of range or a flag is not 0 or 1
 *   cost    1 flop an element before it, shared by the line
 *   source  ONNX CumSum-14, CumProd-26                                                     */
#if defined(RO_PASS_ATTRS)
#define RO_CumSum_ATTRS(F) F(i64, axis) F(u32, exclusive) F(u32, reverse)
#define RO_CumProd_ATTRS(F) RO_CumSum_ATTRS(F)
RO_ATTRS(CumSum);
typedef ro_CumSum_attrs ro_CumProd_attrs;
/* The line of an element: its length, where it begins, how far its elements are apart, and which
 * of them the element is, counted in the order of the chain. */
typedef struct { uint64_t n, base, inner, own; } ro_line;
RO_FN ro_line ro_line_of(const ro_type *x, int64_t along, uint64_t i)
{
    uint32_t axis = ro_axis(along, x->rank);
    ro_line l;
    l.n = (uint64_t)x->dims[axis];
    l.inner = ro_span(x, axis + 1, x->rank);
    l.base = i / l.inner / l.n * l.n * l.inner + i % l.inner;
    l.own = i / l.inner % l.n;
    return l;
}
#elif defined(RO_PASS_BODY)
#if !RO_IS_BITS
#define RO_RUNNING(op, START, FOLD)                                                            \
    RO_FN uint64_t RO_N(ro_##op##_count)(RO_AT_ARGS)                                           \
    {                                                                                          \
        const ro_CumSum_attrs *t = (const ro_CumSum_attrs *)attrs;                             \
        ro_line l = ro_line_of(&r->in[0], t->axis, i);                                         \
        (void)out;                                                                             \
        return (t->reverse ? l.n - 1 - l.own : l.own) + !t->exclusive;                         \
    }                                                                                          \
    RO_CHAIN_FROM(op, START)                                                                   \
    RO_FN uint64_t RO_N(ro_##op##_step)(RO_AT_ARGS, uint64_t p, uint64_t acc)                  \
    {                                                                                          \
        const ro_CumSum_attrs *t = (const ro_CumSum_attrs *)attrs;                             \
        ro_line l = ro_line_of(&r->in[0], t->axis, i);                                         \
        (void)out;                                                                             \
        RO_T x = READ(r, 0, l.base + (t->reverse ? l.n - 1 - p : p) * l.inner);                \
        return TO_BITS(FOLD(FROM_BITS(acc), x));                                               \
    }                                                                                          \
    RO_CHAIN_STORED(op)                                                                        \
    RO_CHAIN_BODY(op, 0)
RO_RUNNING(CumSum, 0, ADD)
RO_RUNNING(CumProd, 1, MUL)
#undef RO_RUNNING
#endif
#elif defined(RO_PASS_HOST)
RO_INFER(CumSum)
{
    const ro_CumSum_attrs *t = attrs;
    (void)n_in, (void)n_out;
    RO_TRY(ro_check_axis(t->axis, in[0].rank, err));
    RO_TRY(ro_check_flag(t->exclusive, "exclusive", err));
    RO_TRY(ro_check_flag(t->reverse, "reverse", err));
    *out = in[0];
    return RO_OK;
}
static uint64_t ro_line_length(RO_FLOPS_ARGS)
{
    (void)n_in, (void)out;
    return (uint64_t)in[0].dims[ro_axis(((const ro_CumSum_attrs *)attrs)->axis, in[0].rank)];
}
RO_READS(CumSum)
{
    (void)input;
    return ro_line_length(attrs, in, n_in, out);
}
RO_GRAD(CumSum)
{
    ro_CumSum_attrs t = *(const ro_CumSum_attrs *)node->attrs;
    t.reverse = !t.reverse;
    return ro_emit1(g, RO_OP_CumSum, &t, dy[0], &dx[0], err);
}
#elif defined(RO_OP)
RO_OP(CumSum, AT, .version = 1, .signature = "N x -> N y", .at = RO_AT_ALL(CumSum),
      .explain = RO_EXPLAIN_ALL(CumSum), .infer = ro_CumSum_infer, .flops = ro_line_length,
      .shared = ro_line_length, .reads = ro_CumSum_reads, .grad = ro_CumSum_grad)
RO_OP(CumProd, AT, .version = 1, .signature = "N x -> N y", .at = RO_AT_ALL(CumProd),
      .explain = RO_EXPLAIN_ALL(CumProd), .infer = ro_CumSum_infer, .flops = ro_line_length,
      .shared = ro_line_length, .reads = ro_CumSum_reads, .grad = NULL)
#endif
