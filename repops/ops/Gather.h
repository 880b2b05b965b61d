/* Gather, GatherGrad - slices of x along an axis, chosen by indices; the embedding gradient.
 *   A x (outer.., d, inner..), I indices (q..), i64 axis   ->   A y (outer.., q.., inner..)
 *   F dy (outer.., q.., inner..), I indices, i64 axis, i64 dim = d   ->   F dx (as x)
 *   A negative index counts from the end, once; where one is still outside [0, d) Gather gives
 *       zeros and GatherGrad adds nothing (rules 4, 41). Gather keeps bits
 *   GatherGrad: from +0, add(dx, dy) for each index that names the slice, in ascending flat
 *       position of the index (rules 40, 49)
 *   gradients  Gather: GatherGrad
 *   errors  RO_EATTR when the axis is out of range; RO_ESHAPE
 *   cost    0 flops; GatherGrad 1 an index      source  ONNX Gather-13                         */
#if defined(RO_PASS_ATTRS)
#define RO_Gather_ATTRS(F) F(i64, axis)
#define RO_GatherGrad_ATTRS(F) F(i64, axis) F(i64, dim)
RO_ATTRS(Gather);
RO_ATTRS(GatherGrad);
/* The slice that index q names; d when it names none. */
RO_FN uint64_t ro_gather_slice(const ro_reader *r, uint64_t q, uint64_t d)
{
    int64_t k = ro_read_i64(r, 1, q);
    if (k < 0) k += (int64_t)d;
    return k >= 0 && (uint64_t)k < d ? (uint64_t)k : d;
}
#elif defined(RO_PASS_BODY)
#if RO_IS_BITS
RO_AT(Gather)
{
    const ro_type *x = &r->in[0];
    uint32_t axis = ro_axis(((const ro_Gather_attrs *)attrs)->axis, x->rank);
    uint64_t d = (uint64_t)x->dims[axis], inner = ro_span(x, axis + 1, x->rank);
    uint64_t q = i / inner % ro_elements(&r->in[1]), outer = i / inner / ro_elements(&r->in[1]);
    uint64_t k = ro_gather_slice(r, q, d);
    (void)out;
    return k < d ? ro_read_bits(r, 0, (outer * d + k) * inner + i % inner) : 0;
}
#elif RO_IS_FLOAT
RO_FN uint64_t RO_N(ro_GatherGrad_count)(RO_AT_ARGS)
{
    (void)attrs, (void)out, (void)i;
    return ro_elements(&r->in[1]);
}
RO_CHAIN_FROM(GatherGrad, 0)
RO_FN uint64_t RO_N(ro_GatherGrad_step)(RO_AT_ARGS, uint64_t p, uint64_t acc)
{
    const ro_GatherGrad_attrs *t = (const ro_GatherGrad_attrs *)attrs;
    const ro_type *dx = &r->out[0];
    uint32_t axis = ro_axis(t->axis, dx->rank);
    uint64_t d = (uint64_t)t->dim, inner = ro_span(dx, axis + 1, dx->rank);
    uint64_t own = i / inner % d, outer = i / inner / d;
    (void)out;
    if (ro_gather_slice(r, p, d) != own) return acc;
    RO_T dy = READ(r, 0, (outer * ro_elements(&r->in[1]) + p) * inner + i % inner);
    return TO_BITS(ADD(FROM_BITS(acc), dy));
}
RO_CHAIN_STORED(GatherGrad)
RO_CHAIN_BODY(GatherGrad, 0)
#endif
#elif defined(RO_PASS_HOST)
RO_INFER(Gather)
{
    const ro_type *x = &in[0], *q = &in[1];
    int64_t axis = ((const ro_Gather_attrs *)attrs)->axis;
    (void)n_in, (void)n_out;
    RO_TRY(ro_check_axis(axis, x->rank, err));
    if (x->rank - 1 + q->rank > RO_RANK_MAX)
        return RO_FAIL(err, RO_ESHAPE, "Gather's result has %u axes; at most %u are allowed",
                       x->rank - 1 + q->rank, RO_RANK_MAX);
    uint32_t at = ro_axis(axis, x->rank);
    *out = ro_type_of(x->dtype, at, x->dims);
    for (uint32_t a = 0; a < q->rank; a++) out->dims[out->rank++] = q->dims[a];
    for (uint32_t a = at + 1; a < x->rank; a++) out->dims[out->rank++] = x->dims[a];
    return RO_OK;
}
RO_INFER(GatherGrad)
{
    const ro_GatherGrad_attrs *t = attrs;
    const ro_type *dy = &in[0], *q = &in[1];
    ro_type y;
    if (q->rank > dy->rank || dy->rank - q->rank + 1 > RO_RANK_MAX)
        return RO_FAIL(err, RO_ESHAPE, "GatherGrad's dy has rank %u and its indices rank %u",
                       dy->rank, q->rank);
    uint32_t rank = dy->rank - q->rank + 1;
    RO_TRY(ro_check_axis(t->axis, rank, err));
    if (t->dim < 0)
        return RO_FAIL(err, RO_EATTR, "dim is %lld; 0 or more is allowed", (long long)t->dim);
    uint32_t at = ro_axis(t->axis, rank);
    *out = ro_type_of(dy->dtype, at, dy->dims);
    out->dims[out->rank++] = t->dim;
    for (uint32_t a = at + q->rank; a < dy->rank; a++) out->dims[out->rank++] = dy->dims[a];
    RO_TRY(ro_type_check(out, err));
    ro_type two[2] = {*out, *q};
    ro_Gather_attrs forward = {.axis = t->axis};
    RO_TRY(ro_Gather_infer(&forward, two, n_in, &y, n_out, err));
    return ro_check_shapes(dy, "the gradient dy", &y, "Gather's output", err);
}
RO_READS(GatherGrad)
{
    (void)attrs, (void)n_in, (void)out, (void)input;
    return ro_elements(&in[1]);
}
RO_FLOPS(GatherGrad) { return ro_GatherGrad_reads(attrs, in, n_in, out, 0); }
RO_GRAD(Gather)
{
    const ro_Gather_attrs *t = node->attrs;
    const ro_type *x = ro_graph_type(g, node->in[0]);
    ro_GatherGrad_attrs tg = {.axis = t->axis, .dim = x->dims[ro_axis(t->axis, x->rank)]};
    return ro_emit2(g, RO_OP_GatherGrad, &tg, dy[0], node->in[1], &dx[0], err);
}
#elif defined(RO_OP)
RO_OP(Gather, MOVE, .version = 1, .signature = "A x, I indices -> A y", .at = RO_AT_BITS(Gather),
      .infer = ro_Gather_infer, .flops = ro_flops_0, .reads = ro_reads_1, .grad = ro_Gather_grad)
RO_OP(GatherGrad, AT, .version = 1, .signature = "F dy, I indices -> F dx",
      .at = RO_AT_FLOAT(GatherGrad), .explain = RO_EXPLAIN_FLOAT(GatherGrad),
      .infer = ro_GatherGrad_infer, .flops = ro_GatherGrad_flops, .reads = ro_GatherGrad_reads,
      .grad = NULL)
#endif
