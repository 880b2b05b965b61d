/* Tanh, Sigmoid, TanhGrad, SigmoidGrad - the two squashing functions.
 *   Tanh, Sigmoid   F x          ->   F y     float32: correctly rounded (rules 21 to 23); float64:
 *                                             the sequences of docs/ARITHMETIC.md, 3.4
 *   TanhGrad        F dy, F y    ->   F dx = mul(dy, sub(1, mul(y, y)))     (rule 44)
 *   SigmoidGrad     F dy, F y    ->   F dx = mul(dy, mul(y, sub(1, y)))     (rule 45)
 *   gradients  TanhGrad(dy, y), SigmoidGrad(dy, y) of the stored result y; theirs: none
 *   errors  RO_ESHAPE when dy and y differ in shape
 *   cost    about 32 flops an element, gradients 3      source  ONNX Tanh-13, Sigmoid-13     */
#if defined(RO_PASS_ATTRS)
#define RO_Tanh_ATTRS(F)
#define RO_TanhGrad_ATTRS(F)
#define RO_Sigmoid_ATTRS(F)
#define RO_SigmoidGrad_ATTRS(F)
RO_ATTRS(Tanh);
RO_ATTRS(TanhGrad);
RO_ATTRS(Sigmoid);
RO_ATTRS(SigmoidGrad);
#elif defined(RO_PASS_BODY)
#if RO_IS_FLOAT
RO_FN RO_T RO_N(ro_Tanh_map)(const ro_Tanh_attrs *t, RO_T x)
{
    (void)t;
    return RO_N(ro_tanh)(x);
}
RO_FN RO_T RO_N(ro_Sigmoid_map)(const ro_Sigmoid_attrs *t, RO_T x)
{
    (void)t;
    return RO_N(ro_sigmoid)(x);
}
RO_FN RO_T RO_N(ro_TanhGrad_map)(const ro_TanhGrad_attrs *t, RO_T dy, RO_T y)
{
    (void)t;
    return MUL(dy, SUB(1, MUL(y, y)));
}
RO_FN RO_T RO_N(ro_SigmoidGrad_map)(const ro_SigmoidGrad_attrs *t, RO_T dy, RO_T y)
{
    (void)t;
    return MUL(dy, MUL(y, SUB(1, y)));
}
RO_MAP1(Tanh)
RO_MAP1(Sigmoid)
RO_MAP2(TanhGrad)
RO_MAP2(SigmoidGrad)
#endif
#elif defined(RO_PASS_HOST)
static uint64_t ro_squash_grad_flops(RO_FLOPS_ARGS)
{
    (void)attrs, (void)in, (void)n_in, (void)out;
    return 3;
}
RO_GRAD(Tanh)
{
    return ro_emit2(g, RO_OP_TanhGrad, NULL, dy[0], node->first_output, &dx[0], err);
}
RO_GRAD(Sigmoid)
{
    return ro_emit2(g, RO_OP_SigmoidGrad, NULL, dy[0], node->first_output, &dx[0], err);
}
#elif defined(RO_OP)
RO_OP(Tanh, MAP, .version = 1, .signature = "F x -> F y", .at = RO_AT_FLOAT(Tanh),
      .infer = ro_infer_same, .flops = ro_flops_32, .reads = ro_reads_1, .grad = ro_Tanh_grad)
RO_OP(TanhGrad, MAP, .version = 1, .signature = "F dy, F y -> F dx",
      .at = RO_AT_FLOAT(TanhGrad), .infer = ro_infer_alike, .flops = ro_squash_grad_flops,
      .reads = ro_reads_1)
RO_OP(Sigmoid, MAP, .version = 1, .signature = "F x -> F y", .at = RO_AT_FLOAT(Sigmoid),
      .infer = ro_infer_same, .flops = ro_flops_32, .reads = ro_reads_1, .grad = ro_Sigmoid_grad)
RO_OP(SigmoidGrad, MAP, .version = 1, .signature = "F dy, F y -> F dx",
      .at = RO_AT_FLOAT(SigmoidGrad), .infer = ro_infer_alike, .flops = ro_squash_grad_flops,
      .reads = ro_reads_1)
#endif
