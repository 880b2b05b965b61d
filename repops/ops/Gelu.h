/* Gelu, GeluGrad - the Gaussian error linear unit.
 *   Gelu      F x          ->   F y
 *   GeluGrad  F dy, F x    ->   F dx = mul(dy, dgelu(x))
 *   approximate 0: gelu(x) = x Phi(x); 1: 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) with
 *       real constants. gelu and its derivative dgelu are correctly rounded as one function
 *       each in float32 (rules 21 to 23, 46); float64: the sequences of docs/ARITHMETIC.md, 3.4
 *   gradient  Gelu GeluGrad(dy, x); GeluGrad none
 *   errors  RO_EATTR approximate above 1; RO_ESHAPE when dy and x differ in shape
 *   cost    about 32 flops an element      source  ONNX Gelu-20                             */
#if defined(RO_PASS_ATTRS)
#define RO_Gelu_ATTRS(F) F(u32, approximate)
#define RO_GeluGrad_ATTRS(F) F(u32, approximate)
RO_ATTRS(Gelu);
RO_ATTRS(GeluGrad);
#elif defined(RO_PASS_BODY)
#if RO_IS_FLOAT
RO_FN RO_T RO_N(ro_Gelu_map)(const ro_Gelu_attrs *t, RO_T x)
{
    return t->approximate ? RO_N(ro_gelu_tanh)(x) : RO_N(ro_gelu)(x);
}
RO_FN RO_T RO_N(ro_GeluGrad_map)(const ro_GeluGrad_attrs *t, RO_T dy, RO_T x)
{
    return MUL(dy, t->approximate ? RO_N(ro_dgelu_tanh)(x) : RO_N(ro_dgelu)(x));
}
RO_MAP1(Gelu)
RO_MAP2(GeluGrad)
#endif
#elif defined(RO_PASS_HOST)
static ro_status ro_gelu_check(uint32_t approximate, ro_err *err)
{
    if (approximate > 1)
        return RO_FAIL(err, RO_EATTR, "approximate is %u; 0 (none) and 1 (tanh) are known",
                       approximate);
    return RO_OK;
}
RO_INFER(Gelu)
{
    RO_TRY(ro_gelu_check(((const ro_Gelu_attrs *)attrs)->approximate, err));
    return ro_infer_same(attrs, in, n_in, out, n_out, err);
}
RO_INFER(GeluGrad)
{
    RO_TRY(ro_gelu_check(((const ro_GeluGrad_attrs *)attrs)->approximate, err));
    return ro_infer_alike(attrs, in, n_in, out, n_out, err);
}
RO_GRAD(Gelu)
{
    ro_GeluGrad_attrs t = {0};
    t.approximate = ((const ro_Gelu_attrs *)node->attrs)->approximate;
    return ro_emit2(g, RO_OP_GeluGrad, &t, dy[0], node->in[0], &dx[0], err);
}
#elif defined(RO_OP)
RO_OP(Gelu, MAP, .version = 1, .signature = "F x -> F y", .at = RO_AT_FLOAT(Gelu),
      .infer = ro_Gelu_infer, .flops = ro_flops_32, .reads = ro_reads_1, .grad = ro_Gelu_grad)
RO_OP(GeluGrad, MAP, .version = 2, .signature = "F dy, F x -> F dx",
      .at = RO_AT_FLOAT(GeluGrad), .infer = ro_GeluGrad_infer, .flops = ro_flops_32,
      .reads = ro_reads_1)
#endif
