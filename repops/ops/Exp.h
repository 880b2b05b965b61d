/* Exp, Log, Sqrt - functions of one float.
 *   F x   ->   F y
 *   y = exp(x), log(x), sqrt(x)      float32: the float nearest to the true value (rules 21 to
 *       23); float64: sqrt is correctly rounded, exp and log are the sequences of rule 26
 *   gradients  Exp mul(dy, y); Log div(dy, x); Sqrt div(mul(dy, 0.5), y)
 *   errors  none
 *   cost    about 32 flops an element, Sqrt 1      source  ONNX Exp-13, Log-13, Sqrt-13     */
#if defined(RO_PASS_ATTRS)
#define RO_Exp_ATTRS(F)
#define RO_Log_ATTRS(F)
#define RO_Sqrt_ATTRS(F)
RO_ATTRS(Exp);
RO_ATTRS(Log);
RO_ATTRS(Sqrt);
#elif defined(RO_PASS_BODY)
#if RO_IS_FLOAT
RO_FN RO_T RO_N(ro_Exp_map)(const ro_Exp_attrs *t, RO_T a) { (void)t; return RO_N(ro_exp)(a); }
RO_FN RO_T RO_N(ro_Log_map)(const ro_Log_attrs *t, RO_T a) { (void)t; return RO_N(ro_log)(a); }
RO_FN RO_T RO_N(ro_Sqrt_map)(const ro_Sqrt_attrs *t, RO_T a) { (void)t; return RO_N(ro_sqrt)(a); }
RO_MAP1(Exp)
RO_MAP1(Log)
RO_MAP1(Sqrt)
#endif
#elif defined(RO_PASS_HOST)
RO_GRAD(Exp) { return ro_emit2(g, RO_OP_Mul, NULL, dy[0], node->first_output, &dx[0], err); }
RO_GRAD(Log) { return ro_emit2(g, RO_OP_Div, NULL, dy[0], node->in[0], &dx[0], err); }
RO_GRAD(Sqrt)
{
    ro_value half, h;
    RO_TRY(ro_emit_scalar(g, ro_graph_type(g, dy[0])->dtype, 0.5, &half, err));
    RO_TRY(ro_emit2(g, RO_OP_Mul, NULL, dy[0], half, &h, err));
    return ro_emit2(g, RO_OP_Div, NULL, h, node->first_output, &dx[0], err);
}
#elif defined(RO_OP)
RO_OP(Exp, MAP, .version = 1, .signature = "F x -> F y", .at = RO_AT_FLOAT(Exp),
      .infer = ro_infer_same, .flops = ro_flops_32, .reads = ro_reads_1, .grad = ro_Exp_grad)
RO_OP(Log, MAP, .version = 1, .signature = "F x -> F y", .at = RO_AT_FLOAT(Log),
      .infer = ro_infer_same, .flops = ro_flops_32, .reads = ro_reads_1, .grad = ro_Log_grad)
RO_OP(Sqrt, MAP, .version = 1, .signature = "F x -> F y", .at = RO_AT_FLOAT(Sqrt),
      .infer = ro_infer_same, .flops = ro_flops_1, .reads = ro_reads_1, .grad = ro_Sqrt_grad)
#endif
