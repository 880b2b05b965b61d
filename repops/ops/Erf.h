/* Erf, Softplus, Mish - functions of one f32.
 *   H x   ->   H y
 *   Erf       erf(x), the float nearest to the true value (rule 21)
 *   Softplus  softplus(x) = log(1 + e^x), likewise
 *   Mish      mul(x, tanh(softplus(x))), each rounded
 *   gradients  Erf mul(dy, mul(RN32(2 / sqrt(pi)), exp(neg(mul(x, x)))));
 *              Softplus mul(dy, sigmoid(x)); Mish none
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
#if RO_IS_F32
RO_FN float ro_Erf_map_f32(const ro_Erf_attrs *t, float a) { (void)t; return ro_erf_f32(a); }
RO_FN float ro_Softplus_map_f32(const ro_Softplus_attrs *t, float a)
{
    (void)t;
    return ro_softplus_f32(a);
}
RO_FN float ro_Mish_map_f32(const ro_Mish_attrs *t, float a)
{
    (void)t;
    return ro_mul_f32(a, ro_tanh_f32(ro_softplus_f32(a)));
}
RO_MAP1(Erf)
RO_MAP1(Softplus)
RO_MAP1(Mish)
#endif
#elif defined(RO_PASS_HOST)
RO_GRAD(Erf)
{
    ro_value x = node->in[0], scale, v;
    RO_TRY(ro_emit_scalar(g, ro_graph_type(g, dy[0])->dtype, 0x1.20dd76p+0, &scale, err));
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
#elif defined(RO_OP)
RO_OP(Erf, MAP, .version = 1, .signature = "H x -> H y", .at = RO_AT_F32(Erf),
      .infer = ro_infer_same, .flops = ro_flops_32, .reads = ro_reads_1, .grad = ro_Erf_grad)
RO_OP(Softplus, MAP, .version = 1, .signature = "H x -> H y", .at = RO_AT_F32(Softplus),
      .infer = ro_infer_same, .flops = ro_flops_32, .reads = ro_reads_1,
      .grad = ro_Softplus_grad)
RO_OP(Mish, MAP, .version = 1, .signature = "H x -> H y", .at = RO_AT_F32(Mish),
      .infer = ro_infer_same, .flops = ro_flops_32, .reads = ro_reads_1)
#endif
