/* Neg - the negative.
 *   N x   ->   N y
 *   y = neg(x): the sign bit flipped; integers mod 2^w, unsigned too (rule 1)
 *   gradient  neg(dy)
 *   errors  none
 *   cost    1 flop an element      source  ONNX Neg-13                                     */
#if defined(RO_PASS_ATTRS)
#define RO_Neg_ATTRS(F)
RO_ATTRS(Neg);
#elif defined(RO_PASS_BODY)
#if !RO_IS_BITS
RO_FN RO_T RO_N(ro_Neg_map)(const ro_Neg_attrs *t, RO_T a) { (void)t; return NEG(a); }
RO_MAP1(Neg)
#endif
#elif defined(RO_PASS_HOST)
RO_GRAD(Neg)
{
    (void)node;
    return ro_emit1(g, RO_OP_Neg, NULL, dy[0], &dx[0], err);
}
#elif defined(RO_OP)
RO_OP(Neg, MAP, .version = 1, .signature = "N x -> N y", .at = RO_AT_ALL(Neg),
      .infer = ro_infer_same, .flops = ro_flops_1, .reads = ro_reads_1, .grad = ro_Neg_grad)
#endif
