/* Reshape, Flatten, Identity - the same elements in the same order; bits are kept.
 *   Reshape   A x; ints shape   ->   A y (shape)        sizes as they are: 0 is an empty axis,
 *                                                       -1 is resolved by whoever builds
 *   Flatten   A x; i64 axis     ->   A y (product of the axes before axis, product of the rest)
 *   Identity  A x               ->   A y
 *   y[i] = x[i] in row-major order
 *   gradients  dy reshaped to the shape of x
 *   errors  RO_EATTR more than 8 or negative sizes, axis outside [-rank, rank]; RO_ESHAPE when
 *           the element counts differ
 *   cost    0 flops      source  ONNX Reshape-21, Flatten-21, Identity-21                   */
#if defined(RO_PASS_ATTRS)
#define RO_Reshape_ATTRS(F) F(ints, shape)
#define RO_Flatten_ATTRS(F) F(i64, axis)
#define RO_Identity_ATTRS(F)
RO_ATTRS(Reshape);
RO_ATTRS(Flatten);
RO_ATTRS(Identity);
#elif defined(RO_PASS_BODY)
#if RO_IS_BITS
RO_AT(Reshape) { (void)attrs, (void)out; return ro_read_bits(r, 0, i); }
RO_AT(Flatten) { (void)attrs, (void)out; return ro_read_bits(r, 0, i); }
RO_AT(Identity) { (void)attrs, (void)out; return ro_read_bits(r, 0, i); }
#endif
#elif defined(RO_PASS_HOST)
RO_INFER(Reshape)
{
    char a[96], b[96];
    (void)n_in, (void)n_out;
    RO_TRY(ro_infer_shape(in[0].dtype, &((const ro_Reshape_attrs *)attrs)->shape, &out[0], err));
    if (ro_type_elements(&in[0]) != ro_type_elements(&out[0]))
        return RO_FAIL(err, RO_ESHAPE, "%s cannot become %s: the element counts differ",
                       ro_type_text(&in[0], a, sizeof a), ro_type_text(&out[0], b, sizeof b));
    return RO_OK;
}
RO_INFER(Flatten)
{
    int64_t axis = ((const ro_Flatten_attrs *)attrs)->axis, dims[2] = {1, 1};
    uint32_t rank = in[0].rank;
    (void)n_in, (void)n_out;
    if (axis < -(int64_t)rank || axis > (int64_t)rank)
        return RO_FAIL(err, RO_EATTR, "axis is %lld; -%u to %u are allowed", (long long)axis, rank,
                       rank);
    for (uint32_t a = 0; a < rank; a++) dims[a >= ro_axis(axis, rank)] *= in[0].dims[a];
    out[0] = ro_type_of(in[0].dtype, 2, dims);
    return RO_OK;
}
static ro_status ro_reshape_back(ro_graph *g, const ro_node *node, const ro_value *dy,
                                 ro_value *dx, ro_err *err)
{
    return ro_emit_reshape(g, dy[0], ro_graph_type(g, node->in[0]), &dx[0], err);
}
#elif defined(RO_OP)
RO_OP(Reshape, MOVE, .version = 1, .signature = "A x -> A y", .at = RO_AT_BITS(Reshape),
      .infer = ro_Reshape_infer, .flops = ro_flops_0, .reads = ro_reads_1, .grad = ro_reshape_back)
RO_OP(Flatten, MOVE, .version = 1, .signature = "A x -> A y", .at = RO_AT_BITS(Flatten),
      .infer = ro_Flatten_infer, .flops = ro_flops_0, .reads = ro_reads_1, .grad = ro_reshape_back)
RO_OP(Identity, MOVE, .version = 1, .signature = "A x -> A y", .at = RO_AT_BITS(Identity),
      .infer = ro_infer_same, .flops = ro_flops_0, .reads = ro_reads_1, .grad = ro_reshape_back)
#endif
