/* Max, Min, Clip - the extremes of several tensors.
 *   Max, Min  N x... (broadcast, right-aligned)            ->   N y
 *   Clip      N x, N min?, N max? (scalars)                ->   N y = Min(Max(x, min), max)
 *   in the total order of rule 9: -0 < +0; a NaN among the inputs is the result of Max and of
 *   Min; a bound that is not given takes no part; min > max gives max (rule 6)
 *   gradient  Clip dy where x >= min and x <= max (IEEE), else +0; none of its bounds. Max, Min: dy
 *             goes to the first input that equals the result (IEEE), to none where that is NaN
 *   errors  RO_ESHAPE when the shapes do not broadcast or a bound is no scalar
 *   cost    1 flop an element and input      source  ONNX Max-13, Min-13, Clip-13           */
#if defined(RO_PASS_ATTRS)
#define RO_Max_ATTRS(F)
#define RO_Min_ATTRS(F)
#define RO_Clip_ATTRS(F)
RO_ATTRS(Max);
RO_ATTRS(Min);
RO_ATTRS(Clip);
#elif defined(RO_PASS_BODY)
#if !RO_IS_BITS
RO_FN RO_T RO_N(ro_greater_of)(RO_T a, RO_T b) { return ORDER(b) > ORDER(a) ? b : a; }
RO_FN RO_T RO_N(ro_lesser_of)(RO_T a, RO_T b)
{
#if RO_IS_FLOAT
    if (a != a) return a;
    if (b != b) return b;
#endif
    return ORDER(b) < ORDER(a) ? b : a;
}
RO_AT(Max)
{
    RO_T y = READ(r, 0, ro_broadcast_index(&r->out[0], &r->in[0], i));
    (void)attrs;
    for (uint32_t k = 1; k < r->inputs; k++)
        y = RO_N(ro_greater_of)(y, READ(r, k, ro_broadcast_index(&r->out[0], &r->in[k], i)));
    return OUT(r, out, y);
}
RO_AT(Min)
{
    RO_T y = READ(r, 0, ro_broadcast_index(&r->out[0], &r->in[0], i));
    (void)attrs;
    for (uint32_t k = 1; k < r->inputs; k++)
        y = RO_N(ro_lesser_of)(y, READ(r, k, ro_broadcast_index(&r->out[0], &r->in[k], i)));
    return OUT(r, out, y);
}
RO_AT(Clip)
{
    RO_T y = READ(r, 0, i);
    (void)attrs;
    if (ro_has(r, 1)) y = RO_N(ro_greater_of)(y, READ(r, 1, 0));
    if (ro_has(r, 2)) y = RO_N(ro_lesser_of)(y, READ(r, 2, 0));
    return OUT(r, out, y);
}
#endif
#elif defined(RO_PASS_HOST)
static ro_status ro_infer_broadcast_all(RO_INFER_ARGS)
{
    ro_type y = in[0];
    (void)attrs, (void)n_out;
    for (uint32_t k = 1; k < n_in; k++) RO_TRY(ro_broadcast(&y, &in[k], &y, err));
    out[0] = y;
    return RO_OK;
}
static uint64_t ro_flops_inputs(RO_FLOPS_ARGS)
{
    (void)attrs, (void)in, (void)out;
    return n_in;
}
RO_INFER(Clip)
{
    if (ro_given(in, n_in, 1)) RO_TRY(ro_check_scalar(&in[1], "min", err));
    if (ro_given(in, n_in, 2)) RO_TRY(ro_check_scalar(&in[2], "max", err));
    return ro_infer_same(attrs, in, n_in, out, n_out, err);
}
RO_GRAD(Clip)
{
    static const ro_op within[] = {RO_OP_GreaterOrEqual, RO_OP_LessOrEqual};
    ro_value zero, c, in[3];
    RO_TRY(ro_emit_scalar(g, ro_graph_type(g, dy[0])->dtype, 0, &zero, err));
    dx[0] = dy[0];
    for (uint32_t k = 1; k < node->inputs; k++) {
        if (node->in[k] == RO_NO_VALUE) continue;
        RO_TRY(ro_emit2(g, within[k - 1], NULL, node->in[0], node->in[k], &c, err));
        in[0] = c;
        in[1] = dx[0];
        in[2] = zero;
        RO_TRY(ro_emit(g, RO_OP_Where, NULL, in, 3, &dx[0], err));
    }
    return RO_OK;
}
/* The first input that the result equals has dy; none where it is NaN. */
static ro_status ro_emit_extreme_grad(ro_graph *g, const ro_node *node, ro_value dy, ro_value *dx,
                                      ro_err *err)
{
    ro_value zero, in[3], left = dy;
    RO_TRY(ro_emit_scalar(g, ro_graph_type(g, dy)->dtype, 0, &zero, err));
    for (uint32_t k = 0; k < node->inputs; k++) {
        RO_TRY(ro_emit2(g, RO_OP_Equal, NULL, node->in[k], node->first_output, &in[0], err));
        in[1] = left;
        in[2] = zero;
        RO_TRY(ro_emit(g, RO_OP_Where, NULL, in, 3, &dx[k], err));
        in[1] = zero;
        in[2] = left;
        if (k + 1 < node->inputs) RO_TRY(ro_emit(g, RO_OP_Where, NULL, in, 3, &left, err));
        RO_TRY(ro_emit_unbroadcast(g, dx[k], node->in[k], &dx[k], err));
    }
    return RO_OK;
}
RO_GRAD(Max) { return ro_emit_extreme_grad(g, node, dy[0], dx, err); }
RO_GRAD(Min) { return ro_emit_extreme_grad(g, node, dy[0], dx, err); }
#elif defined(RO_OP)
RO_OP(Max, MAP, .version = 1, .signature = "N x... -> N y", .at = RO_AT_ALL(Max),
      .infer = ro_infer_broadcast_all, .flops = ro_flops_inputs, .reads = ro_reads_1,
      .grad = ro_Max_grad)
RO_OP(Min, MAP, .version = 1, .signature = "N x... -> N y", .at = RO_AT_ALL(Min),
      .infer = ro_infer_broadcast_all, .flops = ro_flops_inputs, .reads = ro_reads_1,
      .grad = ro_Min_grad)
RO_OP(Clip, AT, .version = 1, .signature = "N x, N min?, N max? -> N y", .at = RO_AT_ALL(Clip),
      .infer = ro_Clip_infer, .flops = ro_flops_2, .reads = ro_reads_1, .grad = ro_Clip_grad)
#endif
