/* Where - one of two tensors, element by element; bits are kept.
 *   bool c, A x, A y (all three broadcast, right-aligned)   ->   A z
 *   z = c ? x : y; c is true where its byte is not 0
 *   gradient  Where(c, dy, 0) and Where(c, 0, dy), then rule 43 over broadcast axes
 *   errors  RO_ESHAPE when the shapes do not broadcast
 *   cost    0 flops      source  ONNX Where-16                                            */
#if defined(RO_PASS_ATTRS)
#define RO_Where_ATTRS(F)
RO_ATTRS(Where);
#elif defined(RO_PASS_BODY)
#if RO_IS_BITS
RO_AT(Where)
{
    uint64_t c = ro_read_bits(r, 0, ro_broadcast_index(&r->out[0], &r->in[0], i));
    uint32_t from = c ? 1 : 2;
    (void)attrs, (void)out;
    return ro_read_bits(r, from, ro_broadcast_index(&r->out[0], &r->in[from], i));
}
#endif
#elif defined(RO_PASS_HOST)
RO_INFER(Where)
{
    ro_type xy;
    (void)attrs, (void)n_in, (void)n_out;
    RO_TRY(ro_broadcast(&in[1], &in[2], &xy, err));
    return ro_broadcast(&xy, &in[0], &out[0], err);
}
RO_GRAD(Where)
{
    ro_value zero, c = node->in[0], part, in[3];
    RO_TRY(ro_emit_scalar(g, ro_graph_type(g, dy[0])->dtype, 0, &zero, err));
    for (uint32_t k = 1; k <= 2; k++) {
        in[0] = c;
        in[k] = dy[0];
        in[3 - k] = zero;
        RO_TRY(ro_emit(g, RO_OP_Where, NULL, in, 3, &part, err));
        RO_TRY(ro_emit_unbroadcast(g, part, node->in[k], &dx[k], err));
    }
    return RO_OK;
}
#elif defined(RO_OP)
RO_OP(Where, MOVE, .version = 1, .signature = "bool c, A x, A y -> A z", .at = RO_AT_BITS(Where),
      .infer = ro_Where_infer, .flops = ro_flops_0, .reads = ro_reads_1, .grad = ro_Where_grad)
#endif
