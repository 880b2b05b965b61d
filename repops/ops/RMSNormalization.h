/* RMSNormalization, RMSNormalizationGrad.
 *   F x, F scale? (shape of the normalized axes), i64 axis, f32 epsilon
 *       ->   F y, S inv_rms? (x's shape, normalized axes 1)
 *   Grad   F dy, F x, S inv_rms, F scale?, i64 axis   ->   F dx
 *   A row is the elements of the axes from `axis` on, n of them; sums are lane sums (rule 31).
 *   v = div(sum mul(x, x), RN(n)); inv_rms = div(1, sqrt(add(v, epsilon)));
 *   y = mul(mul(x, inv_rms), scale), where an absent scale omits its operation (rule 34)
 *   Grad        xh = mul(x, inv_rms), h = mul(dy, scale), c = div(sum mul(h, xh), RN(n)),
 *               dx = mul(inv_rms, sub(h, mul(xh, c)))
 *   gradients  Grad; for scale LayerNormalizationScaleGrad with a mean of +0. Where the node does
 *              not give inv_rms, a node of its own does. Not through inv_rms
 *   errors  RO_EATTR, RO_ESHAPE
 *   cost    4 flops (6 in Grad) an element and element of the row, shared by the row
 *   source  ONNX RMSNormalization-23                                                         */
#if defined(RO_PASS_ATTRS)
#define RO_RMSNormalization_ATTRS(F) F(i64, axis) F(f32, epsilon)
#define RO_RMSNormalizationGrad_ATTRS(F) F(i64, axis)
RO_ATTRS(RMSNormalization);
RO_ATTRS(RMSNormalizationGrad);
#elif defined(RO_PASS_BODY)
#if RO_IS_FLOAT
RO_FN uint64_t RO_N(ro_RMSNormalization_count)(RO_AT_ARGS)
{
    const ro_RMSNormalization_attrs *t = (const ro_RMSNormalization_attrs *)attrs;
    const ro_type *x = &r->in[0];
    (void)out, (void)i;
    return ro_span(x, ro_axis(t->axis, x->rank), x->rank);
}
RO_FN RO_T RO_N(ro_RMSNormalization_term)(RO_AT_ARGS, uint32_t s, const RO_T *st, uint64_t j)
{
    uint64_t n = RO_N(ro_RMSNormalization_count)(r, attrs, out, i), row = out == 0 ? i / n : i;
    RO_T x = READ(r, 0, row * n + j);
    (void)s, (void)st;
    return MUL(x, x);
}
RO_FN uint64_t RO_N(ro_RMSNormalization_finish)(RO_AT_ARGS, const RO_T *st)
{
    const ro_RMSNormalization_attrs *t = (const ro_RMSNormalization_attrs *)attrs;
    RO_T inv = DIV(1, RO_N(ro_sqrt)(ADD(st[0], (RO_T)t->epsilon)));
    if (out == 1) return OUT(r, out, inv);
    RO_T y = MUL(READ(r, 0, i), inv);
    if (ro_has(r, 1))
        y = MUL(y, READ(r, 1, i % RO_N(ro_RMSNormalization_count)(r, attrs, out, i)));
    return OUT(r, out, y);
}
RO_ROW_BODY(RMSNormalization, 1, RO_STAGE_MEAN)

RO_FN uint64_t RO_N(ro_RMSNormalizationGrad_count)(RO_AT_ARGS)
{
    const ro_RMSNormalizationGrad_attrs *t = (const ro_RMSNormalizationGrad_attrs *)attrs;
    const ro_type *dy = &r->in[0];
    (void)out, (void)i;
    return ro_span(dy, ro_axis(t->axis, dy->rank), dy->rank);
}
/* h of one element; xh of one. */
RO_FN RO_T RO_N(ro_rmsnorm_h)(const ro_reader *r, uint64_t n, uint64_t i)
{
    RO_T dy = READ(r, 0, i);
    return ro_has(r, 3) ? MUL(dy, READ(r, 3, i % n)) : dy;
}
RO_FN RO_T RO_N(ro_rmsnorm_xh)(const ro_reader *r, uint64_t row, uint64_t i)
{
    return MUL(READ(r, 1, i), READ(r, 2, row));
}
RO_FN RO_T RO_N(ro_RMSNormalizationGrad_term)(RO_AT_ARGS, uint32_t s, const RO_T *st, uint64_t j)
{
    uint64_t n = RO_N(ro_RMSNormalizationGrad_count)(r, attrs, out, i), row = i / n;
    (void)s, (void)st;
    return MUL(RO_N(ro_rmsnorm_h)(r, n, row * n + j), RO_N(ro_rmsnorm_xh)(r, row, row * n + j));
}
RO_FN uint64_t RO_N(ro_RMSNormalizationGrad_finish)(RO_AT_ARGS, const RO_T *st)
{
    uint64_t n = RO_N(ro_RMSNormalizationGrad_count)(r, attrs, out, i), row = i / n;
    RO_T h = RO_N(ro_rmsnorm_h)(r, n, i), xh = RO_N(ro_rmsnorm_xh)(r, row, i);
    return OUT(r, out, MUL(READ(r, 2, row), SUB(h, MUL(xh, st[0]))));
}
RO_ROW_BODY(RMSNormalizationGrad, 1, RO_STAGE_MEAN)
#endif
#elif defined(RO_PASS_HOST)
RO_INFER(RMSNormalization)
{
    const ro_RMSNormalization_attrs *t = attrs;
    ro_type rows, row;
    RO_TRY(ro_check_finite((double)t->epsilon, "epsilon", err));
    RO_TRY(ro_layernorm_split(&in[0], t->axis, &rows, &row, err));
    if (ro_given(in, n_in, 1)) RO_TRY(ro_check_shapes(&in[1], "scale", &row, "the row", err));
    out[0] = in[0];
    if (in[0].dtype != RO_F64) rows.dtype = RO_F32;
    for (uint32_t k = 1; k < n_out; k++) out[k] = rows;
    return RO_OK;
}
RO_INFER(RMSNormalizationGrad)
{
    const ro_RMSNormalizationGrad_attrs *t = attrs;
    ro_type rows, row;
    RO_TRY(ro_layernorm_split(&in[1], t->axis, &rows, &row, err));
    RO_TRY(ro_check_shapes(&in[0], "the gradient dy", &in[1], "x", err));
    RO_TRY(ro_check_shapes(&in[2], "inv_rms", &rows, "one element a row", err));
    if (ro_given(in, n_in, 3)) RO_TRY(ro_check_shapes(&in[3], "scale", &row, "the row", err));
    return ro_infer_same(attrs, in, n_in, out, n_out, err);
}
RO_READS(RMSNormalization)
{
    return input == 0 ? ro_layernorm_shared(attrs, in, n_in, out) : 1;
}
RO_READS(RMSNormalizationGrad)
{
    return input == 2 ? 1 : ro_layernorm_shared(attrs, in, n_in, out);
}
RO_FLOPS(RMSNormalization)
{
    return ro_saturating_mul(4, ro_layernorm_shared(attrs, in, n_in, out));
}
RO_FLOPS(RMSNormalizationGrad)
{
    return ro_saturating_mul(6, ro_layernorm_shared(attrs, in, n_in, out));
}
RO_GRAD(RMSNormalization)
{
    const ro_RMSNormalization_attrs *t = node->attrs;
    ro_RMSNormalizationGrad_attrs tg = {.axis = t->axis};
    ro_LayerNormalizationScaleGrad_attrs ts = {.axis = t->axis};
    ro_value x = node->in[0], first = node->first_output;
    ro_value scale = node->inputs > 1 ? node->in[1] : RO_NO_VALUE;
    if (node->outputs > 1 && dy[1] != RO_NO_VALUE)
        return RO_FAIL(err, RO_EOP, "RMSNormalization has no gradient through its output 1");
    if (node->outputs < 2)
        RO_TRY(ro_graph_node(g, RO_OP_RMSNormalization, t, &x, 1, 2, &first, err));
    const ro_value in[4] = {dy[0], x, first + 1, scale};
    const uint32_t inputs = scale == RO_NO_VALUE ? 3 : 4;
    RO_TRY(ro_emit(g, RO_OP_RMSNormalizationGrad, &tg, in, inputs, &dx[0], err));
    if (scale == RO_NO_VALUE) return RO_OK;
    const ro_type rows = *ro_graph_type(g, first + 1);
    ro_value mean;
    RO_TRY(ro_emit_fill(g, &rows, 0, &mean, err));
    const ro_value of_scale[4] = {dy[0], x, mean, first + 1};
    return ro_emit(g, RO_OP_LayerNormalizationScaleGrad, &ts, of_scale, 4, &dx[1], err);
}
#elif defined(RO_OP)
RO_OP(RMSNormalization, ROW, .version = 1, .signature = "F x, F scale? -> F y, S inv_rms?",
      .at = RO_AT_FLOAT(RMSNormalization), .explain = RO_EXPLAIN_FLOAT(RMSNormalization),
      .infer = ro_RMSNormalization_infer, .flops = ro_RMSNormalization_flops,
      .reads = ro_RMSNormalization_reads, .shared = ro_layernorm_shared,
      .grad = ro_RMSNormalization_grad)
RO_OP(RMSNormalizationGrad, ROW, .version = 1,
      .signature = "F dy, F x, S inv_rms, F scale? -> F dx",
      .at = RO_AT_FLOAT(RMSNormalizationGrad), .explain = RO_EXPLAIN_FLOAT(RMSNormalizationGrad),
      .infer = ro_RMSNormalizationGrad_infer, .flops = ro_RMSNormalizationGrad_flops,
      .reads = ro_RMSNormalizationGrad_reads, .shared = ro_layernorm_shared, .grad = NULL)
#endif
