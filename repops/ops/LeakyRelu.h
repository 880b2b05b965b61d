/* LeakyRelu, PRelu, ThresholdedRelu, Shrink - activations of straight pieces.
 *   LeakyRelu        F x; f32 alpha                        ->   F y
 *   PRelu            N x, N slope (broadcasts to x)        ->   N y
 *   ThresholdedRelu  F x; f32 alpha                        ->   F y
 *   Shrink           F x; f32 bias, f32 lambd              ->   F y
 *   LeakyRelu, PRelu  x < 0 ? mul(slope, x) : x, so that -0 and a NaN stay (rule 6)
 *   ThresholdedRelu   x > alpha ? x : +0
 *   Shrink            x < -lambd ? add(x, bias) : x > lambd ? sub(x, bias) : +0
 *   comparisons are IEEE's: a NaN gives +0 in the last two
 *   gradients  LeakyRelu Where(Less(x, 0), mul(dy, alpha), dy); PRelu likewise with slope, and
 *              Where(Less(x, 0), mul(dy, x), 0) by rule 43; ThresholdedRelu dy where
 *              x > alpha, Shrink where x < -lambd or x > lambd, else +0
 *   errors  RO_ESHAPE when slope does not broadcast to x
 *   cost    2 flops an element      source  ONNX LeakyRelu-16, PRelu-16, ThresholdedRelu-10,
 *                                           Shrink-9                                       */
#if defined(RO_PASS_ATTRS)
#define RO_LeakyRelu_ATTRS(F) F(f32, alpha)
#define RO_PRelu_ATTRS(F)
#define RO_ThresholdedRelu_ATTRS(F) F(f32, alpha)
#define RO_Shrink_ATTRS(F) F(f32, bias) F(f32, lambd)
RO_ATTRS(LeakyRelu);
RO_ATTRS(PRelu);
RO_ATTRS(ThresholdedRelu);
RO_ATTRS(Shrink);
#elif defined(RO_PASS_BODY)
#if RO_IS_FLOAT
RO_FN RO_T RO_N(ro_LeakyRelu_map)(const ro_LeakyRelu_attrs *t, RO_T a)
{
    return a < 0 ? MUL((RO_T)t->alpha, a) : a;
}
RO_FN RO_T RO_N(ro_ThresholdedRelu_map)(const ro_ThresholdedRelu_attrs *t, RO_T a)
{
    return a > (RO_T)t->alpha ? a : 0;
}
RO_FN RO_T RO_N(ro_Shrink_map)(const ro_Shrink_attrs *t, RO_T a)
{
    RO_T bias = (RO_T)t->bias, lambd = (RO_T)t->lambd;
    return a < NEG(lambd) ? ADD(a, bias) : a > lambd ? SUB(a, bias) : 0;
}
RO_MAP1(LeakyRelu)
RO_MAP1(ThresholdedRelu)
RO_MAP1(Shrink)
#endif
#if RO_IS_FLOAT || RO_IS_I64
RO_FN RO_T RO_N(ro_PRelu_map)(const ro_PRelu_attrs *t, RO_T a, RO_T slope)
{
    (void)t;
    return a < 0 ? MUL(slope, a) : a;
}
RO_MAP2(PRelu)
#elif RO_IS_U64
RO_FN RO_T RO_N(ro_PRelu_map)(const ro_PRelu_attrs *t, RO_T a, RO_T slope)
{
    (void)t, (void)slope;
    return a;
}
RO_MAP2(PRelu)
#endif
#elif defined(RO_PASS_HOST)
RO_INFER(PRelu)
{
    RO_TRY(ro_infer_broadcast(attrs, in, n_in, out, n_out, err));
    return ro_check_shapes(&in[0], "x", &out[0], "x with slope", err);
}
RO_GRAD(LeakyRelu)
{
    double alpha = (double)((const ro_LeakyRelu_attrs *)node->attrs)->alpha;
    ro_value a, m;
    RO_TRY(ro_emit_scalar(g, ro_graph_type(g, dy[0])->dtype, alpha, &a, err));
    RO_TRY(ro_emit2(g, RO_OP_Mul, NULL, dy[0], a, &m, err));
    return ro_emit_below_zero(g, node->in[0], m, dy[0], &dx[0], err);
}
RO_GRAD(PRelu)
{
    ro_value x = node->in[0], zero, m, d;
    RO_TRY(ro_emit2(g, RO_OP_Mul, NULL, dy[0], node->in[1], &m, err));
    RO_TRY(ro_emit_below_zero(g, x, m, dy[0], &dx[0], err));
    RO_TRY(ro_emit_scalar(g, ro_graph_type(g, x)->dtype, 0, &zero, err));
    RO_TRY(ro_emit2(g, RO_OP_Mul, NULL, dy[0], x, &m, err));
    RO_TRY(ro_emit_below_zero(g, x, m, zero, &d, err));
    return ro_emit_unbroadcast(g, d, node->in[1], &dx[1], err);
}
RO_GRAD(ThresholdedRelu)
{
    double alpha = (double)((const ro_ThresholdedRelu_attrs *)node->attrs)->alpha;
    const ro_dtype d = ro_graph_type(g, dy[0])->dtype;
    ro_value a, zero;
    RO_TRY(ro_emit_scalar(g, d, alpha, &a, err));
    RO_TRY(ro_emit_scalar(g, d, 0, &zero, err));
    return ro_emit_where(g, RO_OP_Greater, node->in[0], a, dy[0], zero, &dx[0], err);
}
RO_GRAD(Shrink)
{
    double lambd = (double)((const ro_Shrink_attrs *)node->attrs)->lambd;
    const ro_dtype d = ro_graph_type(g, dy[0])->dtype;
    ro_value x = node->in[0], low, high, zero;
    RO_TRY(ro_emit_scalar(g, d, -lambd, &low, err));
    RO_TRY(ro_emit_scalar(g, d, lambd, &high, err));
    RO_TRY(ro_emit_scalar(g, d, 0, &zero, err));
    RO_TRY(ro_emit_where(g, RO_OP_Greater, x, high, dy[0], zero, &zero, err));
    return ro_emit_where(g, RO_OP_Less, x, low, dy[0], zero, &dx[0], err);
}
#elif defined(RO_OP)
RO_OP(LeakyRelu, MAP, .version = 1, .signature = "F x -> F y", .at = RO_AT_FLOAT(LeakyRelu),
      .infer = ro_infer_same, .flops = ro_flops_2, .reads = ro_reads_1,
      .grad = ro_LeakyRelu_grad)
RO_OP(PRelu, MAP, .version = 1, .signature = "N x, N slope -> N y", .at = RO_AT_ALL(PRelu),
      .infer = ro_PRelu_infer, .flops = ro_flops_2, .reads = ro_reads_1, .grad = ro_PRelu_grad)
RO_OP(ThresholdedRelu, MAP, .version = 1, .signature = "F x -> F y",
      .at = RO_AT_FLOAT(ThresholdedRelu), .infer = ro_infer_same, .flops = ro_flops_2,
      .reads = ro_reads_1, .grad = ro_ThresholdedRelu_grad)
RO_OP(Shrink, MAP, .version = 1, .signature = "F x -> F y", .at = RO_AT_FLOAT(Shrink),
      .infer = ro_infer_same, .flops = ro_flops_2, .reads = ro_reads_1, .grad = ro_Shrink_grad)
#endif
