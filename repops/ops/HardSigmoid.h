/* HardSigmoid, HardSwish, Softsign - activations without a function.
 *   HardSigmoid  F x; f32 alpha, beta   ->   F y = Clip(add(mul(alpha, x), beta), 0, 1), in the
 *                                            total order of rule 9: a NaN stays one
 *   HardSwish    F x   ->   F y = mul(x, HardSigmoid of x with alpha RN32(1/6) and beta 0.5)
 *   Softsign     F x   ->   F y = div(x, add(1, abs x))
 *   gradients  HardSigmoid mul(dy, alpha) where 0 < y < 1, else +0; HardSwish mul(dy, add(h,
 *              mul(x, s))), h its HardSigmoid and s RN(1/6) where 0 < h < 1, else +0;
 *              Softsign div(dy, mul(d, d)), d = add(1, abs x)
 *   errors  none
 *   cost    2 flops an element      source  ONNX HardSigmoid-6, HardSwish-14, Softsign-1   */
#if defined(RO_PASS_ATTRS)
#define RO_HardSigmoid_ATTRS(F) F(f32, alpha) F(f32, beta)
#define RO_HardSwish_ATTRS(F)
#define RO_SIXTH 0x1.555556p-3f /* RN32(1/6): HardSwish has HardSigmoid with it and 0.5 */
#define RO_Softsign_ATTRS(F)
RO_ATTRS(HardSigmoid);
RO_ATTRS(HardSwish);
RO_ATTRS(Softsign);
#elif defined(RO_PASS_BODY)
#if RO_IS_FLOAT
/* A sum of -0 becomes +0, as Max in the total order asks; a NaN falls through. */
RO_FN RO_T RO_N(ro_hard_sigmoid)(RO_T x, float alpha, float beta)
{
    RO_T u = ADD(MUL((RO_T)alpha, x), (RO_T)beta);
    return u <= 0 ? 0 : u > 1 ? 1 : u;
}
RO_FN RO_T RO_N(ro_HardSigmoid_map)(const ro_HardSigmoid_attrs *t, RO_T a)
{
    return RO_N(ro_hard_sigmoid)(a, t->alpha, t->beta);
}
RO_FN RO_T RO_N(ro_HardSwish_map)(const ro_HardSwish_attrs *t, RO_T a)
{
    (void)t;
    return MUL(a, RO_N(ro_hard_sigmoid)(a, RO_SIXTH, 0.5f));
}
RO_FN RO_T RO_N(ro_Softsign_map)(const ro_Softsign_attrs *t, RO_T a)
{
    (void)t;
    return DIV(a, ADD(1, RO_N(ro_abs)(a)));
}
RO_MAP1(HardSigmoid)
RO_MAP1(HardSwish)
RO_MAP1(Softsign)
#endif
#elif defined(RO_PASS_HOST)
/* v where 0 < y < 1, else +0. */
static ro_status ro_emit_inside(ro_graph *g, ro_value y, ro_value v, ro_value *out, ro_err *err)
{
    const ro_dtype d = ro_graph_type(g, y)->dtype;
    ro_value zero, one;
    RO_TRY(ro_emit_scalar(g, d, 0, &zero, err));
    RO_TRY(ro_emit_scalar(g, d, 1, &one, err));
    RO_TRY(ro_emit_where(g, RO_OP_Greater, y, zero, v, zero, &v, err));
    return ro_emit_where(g, RO_OP_Less, y, one, v, zero, out, err);
}
RO_GRAD(HardSigmoid)
{
    double alpha = (double)((const ro_HardSigmoid_attrs *)node->attrs)->alpha;
    ro_value a, m;
    RO_TRY(ro_emit_scalar(g, ro_graph_type(g, dy[0])->dtype, alpha, &a, err));
    RO_TRY(ro_emit2(g, RO_OP_Mul, NULL, dy[0], a, &m, err));
    return ro_emit_inside(g, node->first_output, m, &dx[0], err);
}
RO_GRAD(HardSwish)
{
    const ro_HardSigmoid_attrs t = {.alpha = RO_SIXTH, .beta = 0.5f};
    ro_value x = node->in[0], h, s;
    RO_TRY(ro_emit1(g, RO_OP_HardSigmoid, &t, x, &h, err));
    RO_TRY(ro_emit_scalar(g, ro_graph_type(g, x)->dtype, (double)t.alpha, &s, err));
    RO_TRY(ro_emit_inside(g, h, s, &s, err));
    RO_TRY(ro_emit2(g, RO_OP_Mul, NULL, x, s, &s, err));
    RO_TRY(ro_emit2(g, RO_OP_Add, NULL, h, s, &s, err));
    return ro_emit2(g, RO_OP_Mul, NULL, dy[0], s, &dx[0], err);
}
RO_GRAD(Softsign)
{
    ro_value one, d, square;
    RO_TRY(ro_emit_scalar(g, ro_graph_type(g, dy[0])->dtype, 1, &one, err));
    RO_TRY(ro_emit1(g, RO_OP_Abs, NULL, node->in[0], &d, err));
    RO_TRY(ro_emit2(g, RO_OP_Add, NULL, one, d, &d, err));
    RO_TRY(ro_emit2(g, RO_OP_Mul, NULL, d, d, &square, err));
    return ro_emit2(g, RO_OP_Div, NULL, dy[0], square, &dx[0], err);
}
#elif defined(RO_OP)
RO_OP(HardSigmoid, MAP, .version = 1, .signature = "F x -> F y", .at = RO_AT_FLOAT(HardSigmoid),
      .infer = ro_infer_same, .flops = ro_flops_2, .reads = ro_reads_1,
      .grad = ro_HardSigmoid_grad)
RO_OP(HardSwish, MAP, .version = 1, .signature = "F x -> F y", .at = RO_AT_FLOAT(HardSwish),
      .infer = ro_infer_same, .flops = ro_flops_2, .reads = ro_reads_1, .grad = ro_HardSwish_grad)
RO_OP(Softsign, MAP, .version = 1, .signature = "F x -> F y", .at = RO_AT_FLOAT(Softsign),
      .infer = ro_infer_same, .flops = ro_flops_2, .reads = ro_reads_1, .grad = ro_Softsign_grad)
#endif
