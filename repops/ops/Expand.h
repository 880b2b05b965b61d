/* Expand - a tensor repeated along axes of size 1; bits are kept.
 *   A x; ints shape   ->   A y
 *   y has the shape to which x and shape broadcast (right-aligned); y[i] is the element of x
 *       that meets i
 *   gradient  dy summed over the repeated axes (rule 43)
 *   errors  RO_ESHAPE when they do not broadcast; RO_EATTR more than 8 or negative sizes
 *   cost    0 flops      source  ONNX Expand-13 with a constant shape                      */
#if defined(RO_PASS_ATTRS)
#define RO_Expand_ATTRS(F) F(ints, shape)
RO_ATTRS(Expand);
#elif defined(RO_PASS_BODY)
#if RO_IS_BITS
RO_AT(Expand)
{
    (void)attrs, (void)out;
    return ro_read_bits(r, 0, ro_broadcast_index(&r->out[0], &r->in[0], i));
}
#endif
#elif defined(RO_PASS_HOST)
RO_INFER(Expand)
{
    ro_type shape;
    (void)n_in, (void)n_out;
    RO_TRY(ro_infer_shape(in[0].dtype, &((const ro_Expand_attrs *)attrs)->shape, &shape, err));
    return ro_broadcast(&in[0], &shape, &out[0], err);
}
RO_GRAD(Expand) { return ro_emit_unbroadcast(g, dy[0], node->in[0], &dx[0], err); }
#elif defined(RO_OP)
RO_OP(Expand, MOVE, .version = 1, .signature = "A x -> A y", .at = RO_AT_BITS(Expand),
      .infer = ro_Expand_infer, .flops = ro_flops_0, .reads = ro_reads_1, .grad = ro_Expand_grad)
#endif
