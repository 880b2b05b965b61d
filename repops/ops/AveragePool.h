/* AveragePool, AveragePoolGrad, GlobalAveragePool - means of windows and of planes.
 *   F x (N, C, d..), 1 to 3 spatial axes; ints kernel_shape, ints strides, ints pads (begins,
 *       then ends), ints dilations, u32 ceil_mode, u32 count_include_pad   ->   F y (N, C, o..)
 *   Grad   F dy (as y), the same attributes and ints dims (spatial sizes of x)   ->   F dx
 *   Global F x (N, C, d..)   ->   F y (N, C, 1..)
 *   y = div(s, RN(count)): s one chain from +0 over the taps inside x, row-major; count those
 *       taps or, with count_include_pad, the positions inside the padded extent; at least 1
 *   Grad   from +0, add(dx, div(dy, RN(count))) for each window over the element, ascending
 *   Global div(lane sum, RN(count)) over the plane (rules 31, 38)
 *   gradients  AveragePool: AveragePoolGrad; Global: Expand(Div(dy, count))
 *   errors  RO_ESHAPE, RO_EATTR (window.h)
 *   cost    1 flop a tap; Grad: 2 a window over the element; Global: 1 an element of the plane
 *   source  ONNX AveragePool-19, GlobalAveragePool-1                                          */
#if defined(RO_PASS_ATTRS)
#define RO_AveragePool_ATTRS(F)                                                     \
    F(ints, kernel_shape) F(ints, strides) F(ints, pads) F(ints, dilations)         \
    F(u32, ceil_mode) F(u32, count_include_pad)
#define RO_AveragePoolGrad_ATTRS(F) RO_AveragePool_ATTRS(F) F(ints, dims)
#define RO_GlobalAveragePool_ATTRS(F)
RO_ATTRS(AveragePool);
RO_ATTRS(AveragePoolGrad);
RO_ATTRS(GlobalAveragePool);
#define RO_AVERAGEPOOL_WINDOW(t, x, y) \
    ro_window_of(x, y, (t)->kernel_shape.v, &(t)->strides, &(t)->pads, &(t)->dilations)
/* What the window of output element j divides by. */
RO_FN uint64_t ro_averagepool_count(const ro_window *w, uint64_t j, uint32_t count_include_pad)
{
    uint64_t padded, inside = ro_window_taps(w, j, &padded).count;
    uint64_t n = count_include_pad ? padded : inside;
    return n ? n : 1;
}
#elif defined(RO_PASS_BODY)
#if RO_IS_FLOAT
RO_FN uint64_t RO_N(ro_AveragePool_count)(RO_AT_ARGS)
{
    const ro_AveragePool_attrs *t = (const ro_AveragePool_attrs *)attrs;
    ro_window w = RO_AVERAGEPOOL_WINDOW(t, &r->in[0], &r->out[0]);
    (void)out;
    return ro_window_taps(&w, i, 0).count;
}
RO_CHAIN_FROM(AveragePool, 0)
RO_FN uint64_t RO_N(ro_AveragePool_step)(RO_AT_ARGS, uint64_t p, uint64_t acc)
{
    const ro_AveragePool_attrs *t = (const ro_AveragePool_attrs *)attrs;
    ro_window w = RO_AVERAGEPOOL_WINDOW(t, &r->in[0], &r->out[0]);
    ro_box taps = ro_window_taps(&w, i, 0);
    (void)out;
    return TO_BITS(ADD(FROM_BITS(acc), READ(r, 0, ro_box_index(&taps, p))));
}
RO_FN uint64_t RO_N(ro_AveragePool_finish)(RO_AT_ARGS, uint64_t acc)
{
    const ro_AveragePool_attrs *t = (const ro_AveragePool_attrs *)attrs;
    ro_window w = RO_AVERAGEPOOL_WINDOW(t, &r->in[0], &r->out[0]);
    uint64_t n = ro_averagepool_count(&w, i, t->count_include_pad);
    return OUT(r, out, DIV(FROM_BITS(acc), RO_N(ro_count)(n)));
}
RO_CHAIN_BODY(AveragePool, 0)

RO_FN uint64_t RO_N(ro_AveragePoolGrad_count)(RO_AT_ARGS)
{
    const ro_AveragePoolGrad_attrs *t = (const ro_AveragePoolGrad_attrs *)attrs;
    ro_window w = RO_AVERAGEPOOL_WINDOW(t, &r->out[0], &r->in[0]);
    int64_t at[RO_SPATIAL_MAX];
    (void)out;
    return ro_window_covering(&w, i, at).count;
}
RO_CHAIN_FROM(AveragePoolGrad, 0)
RO_FN uint64_t RO_N(ro_AveragePoolGrad_step)(RO_AT_ARGS, uint64_t p, uint64_t acc)
{
    const ro_AveragePoolGrad_attrs *t = (const ro_AveragePoolGrad_attrs *)attrs;
    ro_window w = RO_AVERAGEPOOL_WINDOW(t, &r->out[0], &r->in[0]);
    int64_t at[RO_SPATIAL_MAX], o[RO_SPATIAL_MAX];
    ro_box windows = ro_window_covering(&w, i, at);
    (void)out;
    ro_box_at(&windows, p, o);
    if (!ro_window_covers(&w, o, at)) return acc;
    uint64_t j = ro_box_index(&windows, p);
    RO_T n = RO_N(ro_count)(ro_averagepool_count(&w, j, t->count_include_pad));
    return TO_BITS(ADD(FROM_BITS(acc), DIV(READ(r, 0, j), n)));
}
RO_CHAIN_STORED(AveragePoolGrad)
RO_CHAIN_BODY(AveragePoolGrad, 0)

RO_FN uint64_t RO_N(ro_GlobalAveragePool_count)(RO_AT_ARGS)
{
    (void)attrs, (void)out, (void)i;
    return ro_span(&r->in[0], 2, r->in[0].rank);
}
RO_FN RO_T RO_N(ro_GlobalAveragePool_term)(RO_AT_ARGS, uint32_t s, const RO_T *st, uint64_t j)
{
    (void)attrs, (void)out, (void)s, (void)st;
    return READ(r, 0, i * ro_span(&r->in[0], 2, r->in[0].rank) + j);
}
RO_FN uint64_t RO_N(ro_GlobalAveragePool_finish)(RO_AT_ARGS, const RO_T *st)
{
    (void)attrs, (void)i;
    return OUT(r, out, st[0]);
}
RO_ROW_BODY(GlobalAveragePool, 1, RO_STAGE_MEAN)
#endif
#elif defined(RO_PASS_HOST)
/* AveragePoolGrad's attributes begin with AveragePool's. */
static ro_status ro_averagepool_infer(const ro_AveragePool_attrs *t, const ro_type *x, ro_type *y,
                                      ro_err *err)
{
    RO_TRY(ro_check_flag(t->ceil_mode, "ceil_mode", err));
    RO_TRY(ro_check_flag(t->count_include_pad, "count_include_pad", err));
    if (x->rank < 3 || t->kernel_shape.n != x->rank - 2)
        return RO_FAIL(err, RO_ESHAPE, "a pool of %u spatial axes goes over a tensor of rank %u",
                       t->kernel_shape.n, x->rank);
    *y = *x;
    return ro_window_infer(x, t->kernel_shape.v, &t->strides, &t->pads, &t->dilations,
                           t->ceil_mode, y->dims + 2, err);
}
RO_INFER(AveragePool)
{
    (void)n_in, (void)n_out;
    return ro_averagepool_infer(attrs, &in[0], &out[0], err);
}
static ro_AveragePool_attrs ro_averagepool_forward(const ro_AveragePoolGrad_attrs *t)
{
    return (ro_AveragePool_attrs){.kernel_shape = t->kernel_shape, .strides = t->strides,
                                  .pads = t->pads, .dilations = t->dilations,
                                  .ceil_mode = t->ceil_mode,
                                  .count_include_pad = t->count_include_pad};
}
RO_INFER(AveragePoolGrad)
{
    const ro_AveragePoolGrad_attrs *t = attrs;
    ro_AveragePool_attrs forward = ro_averagepool_forward(t);
    ro_ints all = {2, {0}};
    ro_type y;
    (void)n_in, (void)n_out;
    if (in[0].rank < 3 || t->dims.n != in[0].rank - 2)
        return RO_FAIL(err, RO_ESHAPE, "AveragePoolGrad's dy has rank %u and dims has %u numbers",
                       in[0].rank, t->dims.n);
    for (uint32_t a = 0; a < in[0].rank; a++)
        all.v[a] = a < 2 ? in[0].dims[a] : t->dims.v[a - 2];
    all.n = in[0].rank;
    RO_TRY(ro_infer_shape(in[0].dtype, &all, out, err));
    RO_TRY(ro_averagepool_infer(&forward, out, &y, err));
    return ro_check_shapes(&in[0], "the gradient dy", &y, "AveragePool's output", err);
}
RO_INFER(GlobalAveragePool)
{
    (void)attrs, (void)n_in, (void)n_out;
    if (in[0].rank < 3)
        return RO_FAIL(err, RO_ESHAPE, "GlobalAveragePool goes over rank %u; 3 or more is needed",
                       in[0].rank);
    *out = in[0];
    for (uint32_t a = 2; a < out->rank; a++) out->dims[a] = 1;
    return RO_OK;
}
RO_READS(AveragePool)
{
    (void)n_in, (void)out, (void)input;
    return ro_window_volume(&((const ro_AveragePool_attrs *)attrs)->kernel_shape, &in[0]);
}
RO_FLOPS(AveragePool)
{
    return ro_saturating_add(ro_AveragePool_reads(attrs, in, n_in, out, 0), 1);
}
RO_READS(AveragePoolGrad)
{
    const ro_AveragePoolGrad_attrs *t = attrs;
    (void)n_in, (void)out, (void)input;
    return ro_window_overlap(&t->kernel_shape, &t->strides, &t->dilations, &in[0]);
}
RO_FLOPS(AveragePoolGrad)
{
    return ro_saturating_mul(2, ro_AveragePoolGrad_reads(attrs, in, n_in, out, 0));
}
RO_READS(GlobalAveragePool)
{
    (void)attrs, (void)n_in, (void)out, (void)input;
    return ro_span(&in[0], 2, in[0].rank);
}
RO_FLOPS(GlobalAveragePool)
{
    return ro_saturating_add(ro_GlobalAveragePool_reads(attrs, in, n_in, out, 0), 1);
}
RO_GRAD(AveragePool)
{
    const ro_AveragePool_attrs *t = node->attrs;
    const ro_type *x = ro_graph_type(g, node->in[0]);
    ro_AveragePoolGrad_attrs tg = {.kernel_shape = t->kernel_shape, .strides = t->strides,
                                   .pads = t->pads, .dilations = t->dilations,
                                   .ceil_mode = t->ceil_mode,
                                   .count_include_pad = t->count_include_pad};
    for (uint32_t a = 2; a < x->rank; a++) tg.dims.v[tg.dims.n++] = x->dims[a];
    return ro_emit1(g, RO_OP_AveragePoolGrad, &tg, dy[0], &dx[0], err);
}
RO_GRAD(GlobalAveragePool)
{
    const ro_type *x = ro_graph_type(g, node->in[0]);
    ro_Expand_attrs t = {.shape = {.n = x->rank}};
    ro_value n, d;
    for (uint32_t a = 0; a < x->rank; a++) t.shape.v[a] = x->dims[a];
    RO_TRY(ro_emit_scalar(g, x->dtype, ro_u64_to_f64(ro_span(x, 2, x->rank)), &n, err));
    RO_TRY(ro_emit2(g, RO_OP_Div, NULL, dy[0], n, &d, err));
    return ro_emit1(g, RO_OP_Expand, &t, d, &dx[0], err);
}
#elif defined(RO_OP)
RO_OP(AveragePool, AT, .version = 1, .signature = "F x -> F y", .at = RO_AT_FLOAT(AveragePool),
      .explain = RO_EXPLAIN_FLOAT(AveragePool), .infer = ro_AveragePool_infer,
      .flops = ro_AveragePool_flops, .reads = ro_AveragePool_reads, .grad = ro_AveragePool_grad)
RO_OP(AveragePoolGrad, AT, .version = 1, .signature = "F dy -> F dx",
      .at = RO_AT_FLOAT(AveragePoolGrad), .explain = RO_EXPLAIN_FLOAT(AveragePoolGrad),
      .infer = ro_AveragePoolGrad_infer, .flops = ro_AveragePoolGrad_flops,
      .reads = ro_AveragePoolGrad_reads, .grad = NULL)
RO_OP(GlobalAveragePool, ROW, .version = 1, .signature = "F x -> F y",
      .at = RO_AT_FLOAT(GlobalAveragePool), .explain = RO_EXPLAIN_FLOAT(GlobalAveragePool),
      .infer = ro_GlobalAveragePool_infer, .flops = ro_GlobalAveragePool_flops,
      .reads = ro_GlobalAveragePool_reads, .grad = ro_GlobalAveragePool_grad)
#endif
