/* ArgMax - where the maximum along an axis is.
 *   N x, i64 axis, u32 keepdims, u32 select_last_index   ->   i64 y
 *   y = the index of the greatest in the total order (NaN above +inf, all NaNs equal, -0 < +0;
 *       rule 9); of equals the first, with select_last_index the last
 *   gradients  none
 *   errors  RO_EATTR when the axis is out of range; RO_ESHAPE when it has no elements
 *   cost    1 flop an element of the row      source  ONNX ArgMax-13                         */
#if defined(RO_PASS_ATTRS)
#define RO_ArgMax_ATTRS(F) F(i64, axis) F(u32, keepdims) F(u32, select_last_index)
RO_ATTRS(ArgMax);
#elif defined(RO_PASS_BODY)
#if !RO_IS_BITS
RO_FN uint64_t RO_N(ro_ArgMax_count)(RO_AT_ARGS)
{
    (void)out, (void)i;
    return (uint64_t)r->in[0].dims[ro_axis(((const ro_ArgMax_attrs *)attrs)->axis, r->in[0].rank)];
}
RO_FN uint64_t RO_N(ro_ArgMax_start)(RO_AT_ARGS)
{
    (void)r, (void)attrs, (void)out, (void)i;
    return UINT64_MAX;
}
/* The accumulator is an index; one that is not before p (the start, or a wild claim) is none. */
RO_FN uint64_t RO_N(ro_ArgMax_step)(RO_AT_ARGS, uint64_t p, uint64_t acc)
{
    const ro_ArgMax_attrs *t = (const ro_ArgMax_attrs *)attrs;
    const ro_type *x = &r->in[0];
    uint32_t axis = ro_axis(t->axis, x->rank);
    uint64_t inner = ro_span(x, axis + 1, x->rank), n = (uint64_t)x->dims[axis];
    uint64_t base = i / inner * n * inner + i % inner;
    (void)out;
    if (acc >= p) return p;
    RO_T a = READ(r, 0, base + acc * inner), b = READ(r, 0, base + p * inner);
    return ORDER(b) > ORDER(a) || (t->select_last_index && ORDER(b) == ORDER(a)) ? p : acc;
}
RO_FN uint64_t RO_N(ro_ArgMax_finish)(RO_AT_ARGS, uint64_t acc)
{
    (void)attrs, (void)i;
    return ro_out_u64(r, out, acc);
}
RO_CHAIN_BODY(ArgMax, 2)
#endif
#elif defined(RO_PASS_HOST)
RO_INFER(ArgMax)
{
    const ro_ArgMax_attrs *t = attrs;
    const ro_type *x = &in[0];
    (void)n_in, (void)n_out;
    RO_TRY(ro_check_axis(t->axis, x->rank, err));
    RO_TRY(ro_check_flag(t->keepdims, "keepdims", err));
    RO_TRY(ro_check_flag(t->select_last_index, "select_last_index", err));
    uint32_t axis = ro_axis(t->axis, x->rank);
    if (x->dims[axis] == 0)
        return RO_FAIL(err, RO_ESHAPE, "ArgMax goes over axis %u, which has 0 elements; 1 or more "
                       "are needed", axis);
    *out = ro_type_of(RO_I64, axis, x->dims);
    if (t->keepdims) out->dims[out->rank++] = 1;
    for (uint32_t a = axis + 1; a < x->rank; a++) out->dims[out->rank++] = x->dims[a];
    return RO_OK;
}
RO_READS(ArgMax)
{
    (void)n_in, (void)out, (void)input;
    return (uint64_t)in[0].dims[ro_axis(((const ro_ArgMax_attrs *)attrs)->axis, in[0].rank)];
}
RO_FLOPS(ArgMax) { return ro_ArgMax_reads(attrs, in, n_in, out, 0); }
#elif defined(RO_OP)
RO_OP(ArgMax, AT, .version = 1, .signature = "N x -> i64 y", .at = RO_AT_ALL(ArgMax),
      .explain = RO_EXPLAIN_ALL(ArgMax), .infer = ro_ArgMax_infer, .flops = ro_ArgMax_flops,
      .reads = ro_ArgMax_reads, .grad = NULL)
#endif
