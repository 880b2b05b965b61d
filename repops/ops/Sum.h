/* Sum, Mean - several tensors, element by element.
 *   F x... (broadcast, right-aligned)   ->   F y
 *   Sum   add(..add(x0, x1).., xn), left to right; of one input x0 (rule 14)
 *   Mean  div(Sum, RN(number of inputs))
 *   gradients  Sum dy; Mean div(dy, RN(number)); then rule 43 over broadcast axes
 *   errors  RO_ESHAPE when the shapes do not broadcast
 *   cost    1 flop an element and input      source  ONNX Sum-13, Mean-13                   */
#if defined(RO_PASS_ATTRS)
#define RO_Sum_ATTRS(F)
#define RO_Mean_ATTRS(F)
RO_ATTRS(Sum);
RO_ATTRS(Mean);
#elif defined(RO_PASS_BODY)
#if RO_IS_FLOAT
RO_FN RO_T RO_N(ro_sum_of)(const ro_reader *r, uint64_t i)
{
    RO_T y = READ(r, 0, ro_broadcast_index(&r->out[0], &r->in[0], i));
    for (uint32_t k = 1; k < r->inputs; k++)
        y = ADD(y, READ(r, k, ro_broadcast_index(&r->out[0], &r->in[k], i)));
    return y;
}
RO_AT(Sum) { (void)attrs; return OUT(r, out, RO_N(ro_sum_of)(r, i)); }
RO_AT(Mean) { (void)attrs; return OUT(r, out, DIV(RO_N(ro_sum_of)(r, i), (RO_T)r->inputs)); }
#endif
#elif defined(RO_PASS_HOST)
RO_GRAD(Sum)
{
    for (uint32_t k = 0; k < node->inputs; k++)
        RO_TRY(ro_emit_unbroadcast(g, dy[0], node->in[k], &dx[k], err));
    return RO_OK;
}
RO_GRAD(Mean)
{
    ro_value n, d;
    RO_TRY(ro_emit_scalar(g, ro_graph_type(g, dy[0])->dtype, node->inputs, &n, err));
    RO_TRY(ro_emit2(g, RO_OP_Div, NULL, dy[0], n, &d, err));
    for (uint32_t k = 0; k < node->inputs; k++)
        RO_TRY(ro_emit_unbroadcast(g, d, node->in[k], &dx[k], err));
    return RO_OK;
}
#elif defined(RO_OP)
RO_OP(Sum, MAP, .version = 1, .signature = "F x... -> F y", .at = RO_AT_FLOAT(Sum),
      .infer = ro_infer_broadcast_all, .flops = ro_flops_inputs, .reads = ro_reads_1,
      .grad = ro_Sum_grad)
RO_OP(Mean, MAP, .version = 1, .signature = "F x... -> F y", .at = RO_AT_FLOAT(Mean),
      .infer = ro_infer_broadcast_all, .flops = ro_flops_inputs, .reads = ro_reads_1,
      .grad = ro_Mean_grad)
#endif
