/* Split - a tensor cut along an axis; bits are kept.
 *   A x; i64 axis, ints split   ->   A y... (one for each number of split)
 *   output n holds split[n] positions of the axis, after those of the outputs before it
 *   gradient  Concat of the outputs' gradients, zeros for an output that has none
 *   errors  RO_EATTR axis outside [-rank, rank), a negative part, parts that do not sum to the
 *           axis, or not as many parts as outputs
 *   cost    0 flops      source  ONNX Split-18 with constant parts                         */
#if defined(RO_PASS_ATTRS)
#define RO_Split_ATTRS(F) F(i64, axis) F(ints, split)
RO_ATTRS(Split);
#elif defined(RO_PASS_BODY)
#if RO_IS_BITS
RO_AT(Split)
{
    const ro_Split_attrs *t = (const ro_Split_attrs *)attrs;
    const ro_type *x = &r->in[0];
    uint32_t axis = ro_axis(t->axis, x->rank);
    uint64_t inner = ro_span(x, axis + 1, x->rank), part = (uint64_t)t->split.v[out];
    uint64_t outer = i / inner / part, at = i / inner % part, rest = i % inner;
    for (uint32_t n = 0; n < out; n++) at += (uint64_t)t->split.v[n];
    return ro_read_bits(r, 0, (outer * (uint64_t)x->dims[axis] + at) * inner + rest);
}
#endif
#elif defined(RO_PASS_HOST)
RO_INFER(Split)
{
    const ro_Split_attrs *t = (const ro_Split_attrs *)attrs;
    (void)n_in;
    RO_TRY(ro_check_axis(t->axis, in[0].rank, err));
    uint32_t axis = ro_axis(t->axis, in[0].rank);
    int64_t left = in[0].dims[axis];
    if (t->split.n != n_out)
        return RO_FAIL(err, RO_EATTR, "split has %u parts for %u outputs", t->split.n, n_out);
    for (uint32_t n = 0; n < n_out; n++) {
        if (t->split.v[n] < 0 || t->split.v[n] > left)
            return RO_FAIL(err, RO_EATTR, "part %u of split is %lld; 0 to %lld are left", n,
                           (long long)t->split.v[n], (long long)left);
        left -= t->split.v[n];
        out[n] = in[0];
        out[n].dims[axis] = t->split.v[n];
    }
    if (left != 0)
        return RO_FAIL(err, RO_EATTR, "split leaves %lld of %lld positions over", (long long)left,
                       (long long)in[0].dims[axis]);
    return RO_OK;
}
RO_GRAD(Split)
{
    ro_Concat_attrs t = {0};
    ro_value part[RO_OUTPUTS_MAX];
    t.axis = ((const ro_Split_attrs *)node->attrs)->axis;
    for (uint32_t n = 0; n < node->outputs; n++) {
        part[n] = dy[n];
        if (dy[n] == RO_NO_VALUE)
            RO_TRY(ro_emit_fill(g, ro_graph_type(g, node->first_output + n), 0, &part[n], err));
    }
    return ro_emit(g, RO_OP_Concat, &t, part, node->outputs, &dx[0], err);
}
#elif defined(RO_OP)
RO_OP(Split, MOVE, .version = 1, .signature = "A x -> A y...", .at = RO_AT_BITS(Split),
      .infer = ro_Split_infer, .flops = ro_flops_0, .reads = ro_reads_1, .grad = ro_Split_grad)
#endif
