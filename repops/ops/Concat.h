/* Concat - tensors one after another along an axis; bits are kept.
 *   A x... (equal shapes but for the axis); i64 axis   ->   A y
 *   y has, along the axis, the positions of the first input, then those of the second, ...
 *   gradient  for each input the Slice of dy that holds its positions
 *   errors  RO_EATTR axis outside [-rank, rank); RO_ESHAPE when ranks or other axes differ
 *   cost    0 flops      source  ONNX Concat-13                                           */
#if defined(RO_PASS_ATTRS)
#define RO_Concat_ATTRS(F) F(i64, axis)
RO_ATTRS(Concat);
#elif defined(RO_PASS_BODY)
#if RO_IS_BITS
RO_AT(Concat)
{
    const ro_type *y = &r->out[0];
    uint32_t axis = ro_axis(((const ro_Concat_attrs *)attrs)->axis, y->rank);
    uint64_t inner = ro_span(y, axis + 1, y->rank), d = (uint64_t)y->dims[axis];
    uint64_t outer = i / inner / d, at = i / inner % d, rest = i % inner;
    (void)out;
    for (uint32_t n = 0; n < r->inputs; n++) {
        uint64_t dn = (uint64_t)r->in[n].dims[axis];
        if (at < dn) return ro_read_bits(r, n, (outer * dn + at) * inner + rest);
        at -= dn;
    }
    return 0; /* not reached: at < d, the sum of all dn */
}
#endif
#elif defined(RO_PASS_HOST)
/* Whether t has the dtype and the axes of `like`, but for one axis. */
static int ro_Concat_fits(const ro_type *t, const ro_type *like, uint32_t axis)
{
    int fits = t->dtype == like->dtype && t->rank == like->rank;
    for (uint32_t k = 0; fits && k < t->rank; k++) fits = k == axis || t->dims[k] == like->dims[k];
    return fits;
}
RO_INFER(Concat)
{
    int64_t axis = ((const ro_Concat_attrs *)attrs)->axis;
    (void)n_out;
    RO_TRY(ro_check_axis(axis, in[0].rank, err));
    uint32_t a = ro_axis(axis, in[0].rank);
    ro_type y = in[0];
    for (uint32_t n = 1; n < n_in; n++) {
        char first[96], other[96];
        if (!ro_Concat_fits(&in[n], &in[0], a))
            return RO_FAIL(err, RO_ESHAPE, "Concat on axis %u: input %u is %s, input 0 is %s", a, n,
                           ro_type_text(&in[n], other, sizeof other),
                           ro_type_text(&in[0], first, sizeof first));
        y.dims[a] += in[n].dims[a];
    }
    out[0] = y;
    return RO_OK;
}
RO_GRAD(Concat)
{
    int64_t axis = ((const ro_Concat_attrs *)node->attrs)->axis;
    uint32_t a = ro_axis(axis, ro_graph_type(g, dy[0])->rank);
    int64_t from = 0;
    for (uint32_t n = 0; n < node->inputs; n++) {
        ro_Slice_attrs t = {0};
        t.starts.n = t.ends.n = t.axes.n = t.steps.n = 1;
        t.starts.v[0] = from;
        t.ends.v[0] = from += ro_graph_type(g, node->in[n])->dims[a];
        t.axes.v[0] = a;
        t.steps.v[0] = 1;
        RO_TRY(ro_emit1(g, RO_OP_Slice, &t, dy[0], &dx[n], err));
    }
    return RO_OK;
}
#elif defined(RO_OP)
RO_OP(Concat, MOVE, .version = 1, .signature = "A x... -> A y", .at = RO_AT_BITS(Concat),
      .infer = ro_Concat_infer, .flops = ro_flops_0, .reads = ro_reads_1, .grad = ro_Concat_grad)
#endif
