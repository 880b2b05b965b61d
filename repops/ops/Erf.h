/* Erf, Softplus, Mish - smooth functions of one float.
 *   F x   ->   F y
 *   Erf       erf(x), in float32 the float nearest to the true value (rule 21)
 *   Softplus  softplus(x) = log(1 + e^x), likewise
 *   Mish      float32: mul(x, tanh(softplus(x))), each rounded
 *   float64: the sequences of docs/ARITHMETIC.md, 3.4
 *   gradients  Erf mul(dy, mul(RN(2 / sqrt(pi)), exp(neg(mul(x, x)))));
 *              Softplus mul(dy, sigmoid(x)); Mish with t = tanh(softplus(x)):
 *              mul(dy, add(t, mul(x, mul(sub(1, mul(t, t)), sigmoid(x)))))
 *   errors  none
 *   cost    about 32 flops an element      source  ONNX Erf-13, Softplus-1, Mish-18        */
#if defined(RO_PASS_ATTRS)
#define RO_Erf_ATTRS(F)
#define RO_Softplus_ATTRS(F)
#define RO_Mish_ATTRS(F)
RO_ATTRS(Erf);
RO_ATTRS(Softplus);
RO_ATTRS(Mish);
#elif defined(RO_PASS_BODY)
#if RO_IS_FLOAT
RO_FN RO_T RO_N(ro_Erf_map)(const ro_Erf_attrs *t, RO_T a) { (void)t; return RO_N(ro_erf)(a); }
RO_FN RO_T RO_N(ro_Softplus_map)(const ro_Softplus_attrs *t, RO_T a)
{
    (void)t;
    return RO_N(ro_softplus)(a);
}
RO_FN RO_T RO_N(ro_Mish_map)(const ro_Mish_attrs *t, RO_T a)
{
    (void)t;
#if RO_IS_F32
    return ro_mul_f32(a, ro_tanh_f32(ro_softplus_f32(a)));
#else
    return ro_mish_f64(a);
#endif
}
RO_MAP1(Erf)
RO_MAP1(Softplus)
RO_MAP1(Mish)
#endif
#elif defined(RO_PASS_HOST)
RO_GRAD(Erf)
{
    ro_value x = node->in[0], scale, v;
    RO_TRY(ro_emit_scalar(g, ro_graph_type(g, x)->dtype, RO_TWO_BY_ROOT_PI_H, &scale, err));
    RO_TRY(ro_emit2(g, RO_OP_Mul, NULL, x, x, &v, err));
    RO_TRY(ro_emit1(g, RO_OP_Neg, NULL, v, &v, err));
    RO_TRY(ro_emit1(g, RO_OP_Exp, NULL, v, &v, err));
    RO_TRY(ro_emit2(g, RO_OP_Mul, NULL, scale, v, &v, err));
    return ro_emit2(g, RO_OP_Mul, NULL, dy[0], v, &dx[0], err);
}
RO_GRAD(Softplus)
{
    ro_value s;
    RO_TRY(ro_emit1(g, RO_OP_Sigmoid, NULL, node->in[0], &s, err));
    return ro_emit2(g, RO_OP_Mul, NULL, dy[0], s, &dx[0], err);
}
RO_GRAD(Mish)
{
    ro_value x = node->in[0], one, t, v, s;
    RO_TRY(ro_emit_scalar(g, ro_graph_type(g, x)->dtype, 1, &one, err));
    RO_TRY(ro_emit1(g, RO_OP_Softplus, NULL, x, &t, err));
    RO_TRY(ro_emit1(g, RO_OP_Tanh, NULL, t, &t, err));
    RO_TRY(ro_emit2(g, RO_OP_Mul, NULL, t, t, &v, err));
    RO_TRY(ro_emit2(g, RO_OP_Sub, NULL, one, v, &v, err));
    RO_TRY(ro_emit1(g, RO_OP_Sigmoid, NULL, x, &s, err));
    RO_TRY(ro_emit2(g, RO_OP_Mul, NULL, v, s, &v, err));
    RO_TRY(ro_emit2(g, RO_OP_Mul, NULL, x, v, &v, err));
    RO_TRY(ro_emit2(g, RO_OP_Add, NULL, t, v, &v, err));
    return ro_emit2(g, RO_OP_Mul, NULL, dy[0], v, &dx[0], err);
}
#elif defined(RO_OP)
RO_OP(Erf, MAP, .version = 1, .signature = "F x -> F y", .at = RO_AT_FLOAT(Erf),
      .infer = ro_infer_same, .flops = ro_flops_32, .reads = ro_reads_1, .grad = ro_Erf_grad)
RO_OP(Softplus, MAP, .version = 1, .signature = "F x -> F y", .at = RO_AT_FLOAT(Softplus),
      .infer = ro_infer_same, .flops = ro_flops_32, .reads = ro_reads_1,
      .grad = ro_Softplus_grad)
RO_OP(Mish, MAP, .version = 1, .signature = "F x -> F y", .at = RO_AT_FLOAT(Mish),
      .infer = ro_infer_same, .flops = ro_flops_32, .reads = ro_reads_1, .grad = ro_Mish_grad)
#endif
