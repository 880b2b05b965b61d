/* Relu, ReluGrad - the positive part.
 *   Relu      N x          ->   N y       y = Max(x, +0) in the total order of rule 9: a NaN
 *                                         stays a NaN, -0 gives +0 (rule 6)
 *   ReluGrad  F dy, F x    ->   F dx      dx = x > 0 ? dy : +0, IEEE comparison (rule 47)
 *   gradient  Relu ReluGrad(dy, x); ReluGrad none
 *   errors  RO_ESHAPE when dy and x differ in shape
 *   cost    1 flop an element      source  ONNX Relu-14                                    */
#if defined(RO_PASS_ATTRS)
#define RO_Relu_ATTRS(F)
#define RO_ReluGrad_ATTRS(F)
RO_ATTRS(Relu);
RO_ATTRS(ReluGrad);
#elif defined(RO_PASS_BODY)
#if !RO_IS_BITS
RO_FN RO_T RO_N(ro_Relu_map)(const ro_Relu_attrs *t, RO_T a)
{
    (void)t;
    return ORDER(a) > ORDER((RO_T)0) ? a : 0;
}
RO_MAP1(Relu)
#endif
#if RO_IS_FLOAT
RO_FN RO_T RO_N(ro_ReluGrad_map)(const ro_ReluGrad_attrs *t, RO_T dy, RO_T x)
{
    (void)t;
    return x > 0 ? dy : 0;
}
RO_MAP2(ReluGrad)
#endif
#elif defined(RO_PASS_HOST)
RO_GRAD(Relu) { return ro_emit2(g, RO_OP_ReluGrad, NULL, dy[0], node->in[0], &dx[0], err); }
#elif defined(RO_OP)
RO_OP(Relu, MAP, .version = 1, .signature = "N x -> N y", .at = RO_AT_ALL(Relu),
      .infer = ro_infer_same, .flops = ro_flops_1, .reads = ro_reads_1, .grad = ro_Relu_grad)
RO_OP(ReluGrad, MAP, .version = 1, .signature = "F dy, F x -> F dx", .at = RO_AT_FLOAT(ReluGrad),
      .infer = ro_infer_alike, .flops = ro_flops_1, .reads = ro_reads_1)
#endif
