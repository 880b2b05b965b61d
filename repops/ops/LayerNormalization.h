/* LayerNormalization, LayerNormalizationGrad, LayerNormalizationScaleGrad.
 *   F x, F scale?, F bias? (shape of the normalized axes), i64 axis, f32 epsilon
 *       ->   F y, F mean?, F inv_std? (x's shape, normalized axes 1)
 *   Grad        F dy, F x, F mean, F inv_std, F scale?, i64 axis   ->   F dx
 *   ScaleGrad   F dy, F x, F mean, F inv_std, i64 axis   ->   F dscale
 *   A row is the elements of the axes from `axis` on, n of them; sums are lane sums (rule 31).
 *   mean = div(sum x, RN(n)); d = sub(x, mean); v = div(sum mul(d, d), RN(n));
 *   inv_std = div(1, sqrt(add(v, epsilon))); y = add(mul(mul(d, inv_std), scale), bias), where
 *       an absent scale or bias omits its operation (rules 34, 36)
 *   Grad        xh = mul(d, inv_std), h = mul(dy, scale), a = div(sum h, RN(n)),
 *               c = div(sum mul(h, xh), RN(n)), dx = mul(inv_std, sub(sub(h, a), mul(xh, c)))
 *   ScaleGrad   the sum over rows of mul(dy, xh)
 *   gradients  Grad; ScaleGrad; for bias one ReduceSum of dy over the rows. Where the node does
 *              not give mean and inv_std, a node of its own does. Not through mean and inv_std
 *   errors  RO_EATTR, RO_ESHAPE
 *   cost    4 flops (8 in Grad) an element and element of the row, shared by the row
 *   source  ONNX LayerNormalization-17                                                       */
#if defined(RO_PASS_ATTRS)
#define RO_LayerNormalization_ATTRS(F) F(i64, axis) F(f32, epsilon)
#define RO_LayerNormalizationGrad_ATTRS(F) F(i64, axis)
#define RO_LayerNormalizationScaleGrad_ATTRS(F) F(i64, axis)
RO_ATTRS(LayerNormalization);
RO_ATTRS(LayerNormalizationGrad);
RO_ATTRS(LayerNormalizationScaleGrad);
#elif defined(RO_PASS_BODY)
#if RO_IS_FLOAT
RO_FN uint64_t RO_N(ro_LayerNormalization_count)(RO_AT_ARGS)
{
    const ro_LayerNormalization_attrs *t = (const ro_LayerNormalization_attrs *)attrs;
    const ro_type *x = &r->in[0];
    (void)out, (void)i;
    return ro_span(x, ro_axis(t->axis, x->rank), x->rank);
}
RO_FN RO_T RO_N(ro_LayerNormalization_term)(RO_AT_ARGS, uint32_t s, const RO_T *st, uint64_t j)
{
    uint64_t n = RO_N(ro_LayerNormalization_count)(r, attrs, out, i), row = out == 0 ? i / n : i;
    RO_T x = READ(r, 0, row * n + j);
    if (s == 0) return x;
    x = SUB(x, st[0]);
    return MUL(x, x);
}
RO_FN uint64_t RO_N(ro_LayerNormalization_finish)(RO_AT_ARGS, const RO_T *st)
{
    const ro_LayerNormalization_attrs *t = (const ro_LayerNormalization_attrs *)attrs;
    if (out == 1) return OUT(r, out, st[0]);
    RO_T inv_std = DIV(1, RO_N(ro_sqrt)(ADD(st[1], (RO_T)t->epsilon)));
    if (out == 2) return OUT(r, out, inv_std);
    uint64_t j = i % RO_N(ro_LayerNormalization_count)(r, attrs, out, i);
    RO_T y = MUL(SUB(READ(r, 0, i), st[0]), inv_std);
    if (ro_has(r, 1)) y = MUL(y, READ(r, 1, j));
    if (ro_has(r, 2)) y = ADD(y, READ(r, 2, j));
    return OUT(r, out, y);
}
RO_ROW_BODY(LayerNormalization, 2, RO_STAGE_MEAN, RO_STAGE_MEAN)

/* h and xh of one element. */
RO_FN uint64_t RO_N(ro_LayerNormalizationGrad_count)(RO_AT_ARGS)
{
    const ro_LayerNormalizationGrad_attrs *t = (const ro_LayerNormalizationGrad_attrs *)attrs;
    const ro_type *dy = &r->in[0];
    (void)out, (void)i;
    return ro_span(dy, ro_axis(t->axis, dy->rank), dy->rank);
}
RO_FN RO_T RO_N(ro_layernorm_h)(const ro_reader *r, uint64_t n, uint64_t i)
{
    RO_T dy = READ(r, 0, i);
    return ro_has(r, 4) ? MUL(dy, READ(r, 4, i % n)) : dy;
}
RO_FN RO_T RO_N(ro_layernorm_xh)(const ro_reader *r, uint64_t row, uint64_t i)
{
    return MUL(SUB(READ(r, 1, i), READ(r, 2, row)), READ(r, 3, row));
}
RO_FN RO_T RO_N(ro_LayerNormalizationGrad_term)(RO_AT_ARGS, uint32_t s, const RO_T *st,
                                                uint64_t j)
{
    uint64_t n = RO_N(ro_LayerNormalizationGrad_count)(r, attrs, out, i), row = i / n;
    RO_T h = RO_N(ro_layernorm_h)(r, n, row * n + j);
    (void)st;
    return s == 0 ? h : MUL(h, RO_N(ro_layernorm_xh)(r, row, row * n + j));
}
RO_FN uint64_t RO_N(ro_LayerNormalizationGrad_finish)(RO_AT_ARGS, const RO_T *st)
{
    uint64_t n = RO_N(ro_LayerNormalizationGrad_count)(r, attrs, out, i), row = i / n;
    RO_T h = RO_N(ro_layernorm_h)(r, n, i), xh = RO_N(ro_layernorm_xh)(r, row, i);
    return OUT(r, out, MUL(READ(r, 3, row), SUB(SUB(h, st[0]), MUL(xh, st[1]))));
}
RO_ROW_BODY(LayerNormalizationGrad, 2, RO_STAGE_MEAN, RO_STAGE_MEAN)

RO_FN uint64_t RO_N(ro_LayerNormalizationScaleGrad_count)(RO_AT_ARGS)
{
    const ro_LayerNormalizationScaleGrad_attrs *t =
        (const ro_LayerNormalizationScaleGrad_attrs *)attrs;
    (void)out, (void)i;
    return ro_span(&r->in[0], 0, ro_axis(t->axis, r->in[0].rank));
}
RO_FN RO_T RO_N(ro_LayerNormalizationScaleGrad_term)(RO_AT_ARGS, uint32_t s, const RO_T *st,
                                                     uint64_t j)
{
    uint64_t at = j * ro_elements(&r->out[0]) + i;
    (void)attrs, (void)out, (void)s, (void)st;
    return MUL(READ(r, 0, at), RO_N(ro_layernorm_xh)(r, j, at));
}
RO_FN uint64_t RO_N(ro_LayerNormalizationScaleGrad_finish)(RO_AT_ARGS, const RO_T *st)
{
    (void)attrs, (void)i;
    return OUT(r, out, st[0]);
}
RO_ROW_BODY(LayerNormalizationScaleGrad, 1, RO_STAGE_SUM)
#endif
#elif defined(RO_PASS_HOST)
/* The two halves of x's shape: the rows (normalized axes 1) and the normalized axes alone. */
static ro_status ro_layernorm_split(const ro_type *x, int64_t axis, ro_type *rows, ro_type *row,
                                    ro_err *err)
{
    RO_TRY(ro_check_axis(axis, x->rank, err));
    uint32_t first = ro_axis(axis, x->rank);
    *rows = *x;
    for (uint32_t a = first; a < x->rank; a++) rows->dims[a] = 1;
    *row = ro_type_of(x->dtype, x->rank - first, x->dims + first);
    return RO_OK;
}
RO_INFER(LayerNormalization)
{
    const ro_LayerNormalization_attrs *t = attrs;
    ro_type rows, row;
    RO_TRY(ro_check_finite((double)t->epsilon, "epsilon", err));
    RO_TRY(ro_layernorm_split(&in[0], t->axis, &rows, &row, err));
    if (ro_given(in, n_in, 1)) RO_TRY(ro_check_shapes(&in[1], "scale", &row, "the row", err));
    if (ro_given(in, n_in, 2)) RO_TRY(ro_check_shapes(&in[2], "bias", &row, "the row", err));
    out[0] = in[0];
    if (in[0].dtype != RO_F64) rows.dtype = RO_F32;
    for (uint32_t k = 1; k < n_out; k++) out[k] = rows;
    return RO_OK;
}
static ro_status ro_layernorm_grad_check(const ro_type *in, int64_t axis, ro_type *row, ro_err *err)
{
    ro_type rows;
    RO_TRY(ro_layernorm_split(&in[1], axis, &rows, row, err));
    RO_TRY(ro_check_shapes(&in[0], "the gradient dy", &in[1], "x", err));
    RO_TRY(ro_check_shapes(&in[2], "mean", &rows, "one element a row", err));
    return ro_check_shapes(&in[3], "inv_std", &rows, "one element a row", err);
}
RO_INFER(LayerNormalizationGrad)
{
    const ro_LayerNormalizationGrad_attrs *t = attrs;
    ro_type row;
    RO_TRY(ro_layernorm_grad_check(in, t->axis, &row, err));
    if (ro_given(in, n_in, 4)) RO_TRY(ro_check_shapes(&in[4], "scale", &row, "the row", err));
    return ro_infer_same(attrs, in, n_in, out, n_out, err);
}
RO_INFER(LayerNormalizationScaleGrad)
{
    const ro_LayerNormalizationScaleGrad_attrs *t = attrs;
    (void)n_in, (void)n_out;
    return ro_layernorm_grad_check(in, t->axis, &out[0], err);
}
static uint64_t ro_layernorm_shared(RO_FLOPS_ARGS)
{
    const ro_LayerNormalization_attrs *t = attrs; /* the axis leads in all three */
    (void)n_in, (void)out;
    return ro_span(&in[0], ro_axis(t->axis, in[0].rank), in[0].rank);
}
RO_READS(LayerNormalization)
{
    return input == 0 ? ro_layernorm_shared(attrs, in, n_in, out) : 1;
}
RO_READS(LayerNormalizationGrad)
{
    return input == 2 || input == 3 ? 1 : ro_layernorm_shared(attrs, in, n_in, out);
}
RO_READS(LayerNormalizationScaleGrad)
{
    const ro_LayerNormalizationScaleGrad_attrs *t = attrs;
    (void)n_in, (void)out, (void)input;
    return ro_span(&in[0], 0, ro_axis(t->axis, in[0].rank));
}
RO_FLOPS(LayerNormalization)
{
    return ro_saturating_mul(4, ro_layernorm_shared(attrs, in, n_in, out));
}
RO_FLOPS(LayerNormalizationGrad)
{
    return ro_saturating_mul(8, ro_layernorm_shared(attrs, in, n_in, out));
}
RO_FLOPS(LayerNormalizationScaleGrad)
{
    return ro_saturating_mul(4, ro_LayerNormalizationScaleGrad_reads(attrs, in, n_in, out, 0));
}
/* The sum of dy over rows: as a matrix, so that even no leading axis makes a row of one. */
static ro_status ro_layernorm_bias_grad(ro_graph *g, ro_value dy, const ro_type *row, ro_value *dx,
                                        ro_err *err)
{
    const ro_type *y = ro_graph_type(g, dy);
    ro_ReduceSum_attrs t = {.axes = {1, {0}}};
    ro_type m = ro_type_of(y->dtype, 2, (int64_t[]){1, 1});
    for (uint32_t a = 0; a < y->rank; a++) m.dims[a >= y->rank - row->rank] *= y->dims[a];
    RO_TRY(ro_emit_reshape(g, dy, &m, &dy, err));
    RO_TRY(ro_emit1(g, RO_OP_ReduceSum, &t, dy, &dy, err));
    return ro_emit_reshape(g, dy, row, dx, err);
}
RO_GRAD(LayerNormalization)
{
    const ro_LayerNormalization_attrs *t = node->attrs;
    ro_LayerNormalizationGrad_attrs tg = {.axis = t->axis};
    ro_LayerNormalizationScaleGrad_attrs ts = {.axis = t->axis};
    ro_value x = node->in[0], first = node->first_output;
    for (uint32_t k = 1; k < node->outputs; k++)
        if (dy[k] != RO_NO_VALUE)
            return RO_FAIL(err, RO_EOP, "LayerNormalization has no gradient through its output %u",
                           k);
    if (node->outputs < 3) RO_TRY(ro_graph_node(g, RO_OP_LayerNormalization, t, &x, 1, 3, &first,
                                                err));
    ro_value in[5] = {dy[0], x, first + 1, first + 2, RO_NO_VALUE};
    int scale = node->inputs > 1 && node->in[1] != RO_NO_VALUE;
    if (scale) in[4] = node->in[1];
    RO_TRY(ro_emit(g, RO_OP_LayerNormalizationGrad, &tg, in, scale ? 5 : 4, &dx[0], err));
    if (scale) RO_TRY(ro_emit(g, RO_OP_LayerNormalizationScaleGrad, &ts, in, 4, &dx[1], err));
    if (node->inputs < 3 || node->in[2] == RO_NO_VALUE) return RO_OK;
    return ro_layernorm_bias_grad(g, dy[0], ro_graph_type(g, node->in[2]), &dx[2], err);
}
#elif defined(RO_OP)
RO_OP(LayerNormalization, ROW, .version = 1,
      .signature = "F x, F scale?, F bias? -> F y, S mean?, S inv_std?",
      .at = RO_AT_FLOAT(LayerNormalization), .explain = RO_EXPLAIN_FLOAT(LayerNormalization),
      .infer = ro_LayerNormalization_infer, .flops = ro_LayerNormalization_flops,
      .reads = ro_LayerNormalization_reads, .shared = ro_layernorm_shared,
      .grad = ro_LayerNormalization_grad)
RO_OP(LayerNormalizationGrad, ROW, .version = 1,
      .signature = "F dy, F x, S mean, S inv_std, F scale? -> F dx",
      .at = RO_AT_FLOAT(LayerNormalizationGrad),
      .explain = RO_EXPLAIN_FLOAT(LayerNormalizationGrad),
      .infer = ro_LayerNormalizationGrad_infer, .flops = ro_LayerNormalizationGrad_flops,
      .reads = ro_LayerNormalizationGrad_reads, .shared = ro_layernorm_shared, .grad = NULL)
RO_OP(LayerNormalizationScaleGrad, ROW, .version = 1,
      .signature = "F dy, F x, S mean, S inv_std -> F dscale",
      .at = RO_AT_FLOAT(LayerNormalizationScaleGrad),
      .explain = RO_EXPLAIN_FLOAT(LayerNormalizationScaleGrad),
      .infer = ro_LayerNormalizationScaleGrad_infer, .flops = ro_LayerNormalizationScaleGrad_flops,
      .reads = ro_LayerNormalizationScaleGrad_reads, .grad = NULL)
#endif
