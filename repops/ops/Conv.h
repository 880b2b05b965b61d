/* Conv, ConvInputGrad, ConvWeightGrad - convolution (cross-correlation) and its gradients.
 *   Conv            N x (N, C, d..), N w (M, C / group, k..), N b? (M)   ->   N y (N, M, o..)
 *   ConvInputGrad   F dy (N, M, o..), F w   ->   F dx (N, C, dims..)
 *   ConvWeightGrad  F dy (N, M, o..), F x   ->   F dw (M, C / group, dims..)
 *   1 to 3 spatial axes; ints strides, ints pads (begins, then ends), ints dilations, u32 group;
 *   the gradients have ints dims: the spatial sizes of what they give
 *   Conv's terms are numbered k = (c, kernel..), c within the group; padding is read as +0 and
 *       takes part; then add(s, b). ConvWeightGrad: k = (n, o..), likewise. ConvInputGrad:
 *       k = (m, kernel..), m within the group; a tap between strides is skipped but keeps its
 *       number, a tap outside dy takes part as +0. Blocks of 256, groups of 4,096 (rules 27, 30)
 *   gradients  of Conv: the other two, and one ReduceSum of dy over n and o.. for b; of
 *       ConvInputGrad: Conv for dy and ConvWeightGrad for w
 *   errors  RO_ESHAPE, RO_EATTR (window.h, group, dims that do not give dy)
 *   cost    2 K flops an element      source  ONNX Conv-11                                */
#if defined(RO_PASS_ATTRS)
#define RO_Conv_ATTRS(F) F(ints, strides) F(ints, pads) F(ints, dilations) F(u32, group)
#define RO_ConvInputGrad_ATTRS(F) RO_Conv_ATTRS(F) F(ints, dims)
#define RO_ConvWeightGrad_ATTRS(F) RO_Conv_ATTRS(F) F(ints, dims)
RO_ATTRS(Conv);
RO_ATTRS(ConvInputGrad);
RO_ATTRS(ConvWeightGrad);
/* x at output o and tap k of a window: its index in plane `plane`, or 0 when in the padding. */
RO_FN int ro_conv_source(const ro_window *w, const int64_t *o, const int64_t *k, uint64_t plane,
                         uint64_t *index)
{
    uint64_t j = plane;
    for (uint32_t a = 0; a < w->axes; a++) {
        int64_t at = o[a] * w->stride[a] - w->pad[a] + k[a] * w->dilation[a];
        if (at < 0 || at >= w->x[a]) return 0;
        j = j * (uint64_t)w->x[a] + (uint64_t)at;
    }
    *index = j;
    return 1;
}
/* dy at element x and tap k: 1 there, 0 outside dy, -1 between strides (which wins). */
RO_FN int ro_conv_target(const ro_window *w, const int64_t *x, const int64_t *k, uint64_t plane,
                         uint64_t *index)
{
    uint64_t j = plane;
    int inside = 1;
    for (uint32_t a = 0; a < w->axes; a++) {
        int64_t t = x[a] + w->pad[a] - k[a] * w->dilation[a];
        if (t % w->stride[a] != 0) return -1;
        t /= w->stride[a];
        if (t < 0 || t >= w->y[a]) inside = 0;
        j = j * (uint64_t)w->y[a] + (uint64_t)t;
    }
    *index = j;
    return inside;
}
#elif defined(RO_PASS_BODY)
#if !RO_IS_BITS
RO_FN uint64_t RO_N(ro_Conv_terms)(const ro_reader *r, const void *attrs, uint64_t i)
{
    (void)attrs, (void)i;
    return ro_span(&r->in[1], 1, r->in[1].rank);
}
RO_FN int RO_N(ro_Conv_term)(const ro_reader *r, const void *attrs, uint64_t i, uint64_t k,
                             RO_T *a, RO_T *b)
{
    const ro_Conv_attrs *t = (const ro_Conv_attrs *)attrs;
    const ro_type *x = &r->in[0], *f = &r->in[1];
    ro_window w = ro_window_of(x, &r->out[0], f->dims + 2, &t->strides, &t->pads, &t->dilations);
    int64_t o[RO_SPATIAL_MAX], at[RO_SPATIAL_MAX];
    uint64_t M = (uint64_t)f->dims[0], row = ro_plane_of(w.axes, w.y, i, o), j;
    uint64_t n = row / M, m = row % M, c = ro_plane_of(w.axes, w.kernel, k, at);
    c += m / (M / t->group) * (uint64_t)f->dims[1];
    j = n * (uint64_t)x->dims[1] + c;
    *a = ro_conv_source(&w, o, at, j, &j) ? READ(r, 0, j) : 0;
    *b = READ(r, 1, m * ro_span(f, 1, f->rank) + k);
    return 1;
}
RO_FN RO_T RO_N(ro_Conv_finish)(const ro_reader *r, const void *attrs, uint64_t i, RO_T s)
{
    (void)attrs;
    if (!ro_has(r, 2)) return s;
    return ADD(s, READ(r, 2, i / ro_span(&r->out[0], 2, r->out[0].rank) %
                                 (uint64_t)r->out[0].dims[1]));
}
RO_CONTRACT_BODY(Conv)
#endif
#if RO_IS_FLOAT
RO_FN uint64_t RO_N(ro_ConvInputGrad_terms)(const ro_reader *r, const void *attrs, uint64_t i)
{
    const ro_type *f = &r->in[1];
    (void)i;
    return (uint64_t)f->dims[0] / ((const ro_ConvInputGrad_attrs *)attrs)->group *
           ro_span(f, 2, f->rank);
}
RO_FN int RO_N(ro_ConvInputGrad_term)(const ro_reader *r, const void *attrs, uint64_t i,
                                      uint64_t k, RO_T *a, RO_T *b)
{
    const ro_ConvInputGrad_attrs *t = (const ro_ConvInputGrad_attrs *)attrs;
    const ro_type *dy = &r->in[0], *f = &r->in[1], *dx = &r->out[0];
    ro_window w = ro_window_of(dx, dy, f->dims + 2, &t->strides, &t->pads, &t->dilations);
    int64_t x[RO_SPATIAL_MAX], at[RO_SPATIAL_MAX];
    uint64_t C = (uint64_t)dx->dims[1], M = (uint64_t)f->dims[0], Cg = (uint64_t)f->dims[1];
    uint64_t row = ro_plane_of(w.axes, w.x, i, x), n = row / C, c = row % C, j;
    uint64_t m = ro_plane_of(w.axes, w.kernel, k, at) + c / Cg * (M / t->group);
    int there = ro_conv_target(&w, x, at, n * M + m, &j);
    if (there < 0) return 0;
    uint64_t taps = ro_span(f, 2, f->rank);
    *a = there ? READ(r, 0, j) : 0;
    *b = READ(r, 1, (m * Cg + c % Cg) * taps + k % taps);
    return 1;
}
RO_FN RO_T RO_N(ro_ConvInputGrad_finish)(const ro_reader *r, const void *attrs, uint64_t i, RO_T s)
{
    (void)r, (void)attrs, (void)i;
    return s;
}
RO_CONTRACT_BODY(ConvInputGrad)

RO_FN uint64_t RO_N(ro_ConvWeightGrad_terms)(const ro_reader *r, const void *attrs, uint64_t i)
{
    const ro_type *dy = &r->in[0];
    (void)attrs, (void)i;
    return (uint64_t)dy->dims[0] * ro_span(dy, 2, dy->rank);
}
RO_FN int RO_N(ro_ConvWeightGrad_term)(const ro_reader *r, const void *attrs, uint64_t i,
                                       uint64_t k, RO_T *a, RO_T *b)
{
    const ro_ConvWeightGrad_attrs *t = (const ro_ConvWeightGrad_attrs *)attrs;
    const ro_type *dy = &r->in[0], *x = &r->in[1], *dw = &r->out[0];
    ro_window w = ro_window_of(x, dy, dw->dims + 2, &t->strides, &t->pads, &t->dilations);
    int64_t o[RO_SPATIAL_MAX], at[RO_SPATIAL_MAX];
    uint64_t M = (uint64_t)dw->dims[0], Cg = (uint64_t)dw->dims[1], area = ro_span(dy, 2, dy->rank);
    uint64_t row = ro_plane_of(w.axes, w.kernel, i, at), m = row / Cg, j;
    uint64_t n = ro_plane_of(w.axes, w.y, k, o), c = row % Cg + m / (M / t->group) * Cg;
    *a = READ(r, 0, (n * M + m) * area + k % area);
    j = n * (uint64_t)x->dims[1] + c;
    *b = ro_conv_source(&w, o, at, j, &j) ? READ(r, 1, j) : 0;
    return 1;
}
RO_FN RO_T RO_N(ro_ConvWeightGrad_finish)(const ro_reader *r, const void *attrs, uint64_t i, RO_T s)
{
    (void)r, (void)attrs, (void)i;
    return s;
}
RO_CONTRACT_BODY(ConvWeightGrad)
#endif
#elif defined(RO_PASS_HOST)
/* y's type from x's and w's; the three operators share this one check. */
static ro_status ro_conv_infer(const ro_type *x, const ro_type *w, const ro_ints *strides,
                               const ro_ints *pads, const ro_ints *dilations, uint32_t group,
                               ro_type *y, ro_err *err)
{
    char tx[96], tw[96];
    if (w->rank != x->rank)
        return RO_FAIL(err, RO_ESHAPE, "Conv's x is %s and w is %s; their ranks must be equal",
                       ro_type_text(x, tx, sizeof tx), ro_type_text(w, tw, sizeof tw));
    *y = *x;
    RO_TRY(ro_window_infer(x, w->dims + 2, strides, pads, dilations, 0, y->dims + 2, err));
    if (group < 1)
        return RO_FAIL(err, RO_EATTR, "group is 0; 1 or more is allowed");
    if (x->dims[1] % group != 0 || x->dims[1] / group != w->dims[1] || w->dims[0] % group != 0)
        return RO_FAIL(err, RO_ESHAPE, "Conv's x is %s and w is %s; %u groups do not divide them",
                       ro_type_text(x, tx, sizeof tx), ro_type_text(w, tw, sizeof tw), group);
    y->dims[1] = w->dims[0];
    return RO_OK;
}
RO_INFER(Conv)
{
    const ro_Conv_attrs *t = attrs;
    char text[96];
    (void)n_out;
    RO_TRY(ro_conv_infer(&in[0], &in[1], &t->strides, &t->pads, &t->dilations, t->group, out, err));
    if (ro_given(in, n_in, 2) && (in[2].rank != 1 || in[2].dims[0] != in[1].dims[0]))
        return RO_FAIL(err, RO_ESHAPE, "Conv's b is %s; it must have one element for each of %lld "
                       "maps", ro_type_text(&in[2], text, sizeof text), (long long)in[1].dims[0]);
    return RO_OK;
}
/* A type like `like`, with channels `channels` and spatial sizes from the attribute dims. */
static ro_status ro_conv_dims(const ro_type *like, uint64_t channels, const ro_ints *dims,
                              ro_type *out, ro_err *err)
{
    ro_ints all = {2, {like->dims[0], 0}};
    if (like->rank < 3 || like->rank > 2 + RO_SPATIAL_MAX)
        return RO_FAIL(err, RO_ESHAPE, "Conv's gradient has rank %u; 3 to %u is allowed",
                       like->rank, 2 + RO_SPATIAL_MAX);
    if (dims->n != like->rank - 2)
        return RO_FAIL(err, RO_EATTR, "dims has %u numbers; %u are needed", dims->n,
                       like->rank - 2);
    if (channels > RO_ELEMENTS_MAX)
        return RO_FAIL(err, RO_ELIMIT, "a tensor has more than %llu channels",
                       (unsigned long long)RO_ELEMENTS_MAX);
    all.v[1] = (int64_t)channels;
    for (uint32_t a = 0; a < dims->n; a++) all.v[all.n++] = dims->v[a];
    return ro_infer_shape(like->dtype, &all, out, err);
}
static ro_status ro_conv_gives(const ro_type *y, const ro_type *dy, ro_err *err)
{
    return ro_check_shapes(dy, "the gradient dy", y, "Conv's output", err);
}
RO_INFER(ConvInputGrad)
{
    const ro_ConvInputGrad_attrs *t = attrs;
    uint64_t channels;
    ro_type y;
    (void)n_in, (void)n_out;
    if (in[1].rank != in[0].rank)
        return RO_FAIL(err, RO_ESHAPE, "ConvInputGrad's dy has rank %u and w has rank %u; they "
                       "must be equal", in[0].rank, in[1].rank);
    if (!ro_mul_size((uint64_t)in[1].dims[1], t->group, &channels)) channels = UINT64_MAX;
    RO_TRY(ro_conv_dims(&in[0], channels, &t->dims, out, err));
    RO_TRY(ro_conv_infer(out, &in[1], &t->strides, &t->pads, &t->dilations, t->group, &y, err));
    return ro_conv_gives(&y, &in[0], err);
}
RO_INFER(ConvWeightGrad)
{
    const ro_ConvWeightGrad_attrs *t = attrs;
    const ro_type *dy = &in[0], *x = &in[1];
    ro_type y;
    (void)n_in, (void)n_out;
    if (x->rank != dy->rank || x->rank < 3)
        return RO_FAIL(err, RO_ESHAPE, "ConvWeightGrad's dy has rank %u and x has rank %u; they "
                       "must be equal, and at least 3", dy->rank, x->rank);
    if (t->group < 1)
        return RO_FAIL(err, RO_EATTR, "group is 0; 1 or more is allowed");
    RO_TRY(ro_conv_dims(dy, (uint64_t)x->dims[1] / t->group, &t->dims, out, err));
    out->dims[0] = dy->dims[1];
    RO_TRY(ro_type_check(out, err));
    RO_TRY(ro_conv_infer(x, out, &t->strides, &t->pads, &t->dilations, t->group, &y, err));
    return ro_conv_gives(&y, dy, err);
}
static uint64_t ro_conv_span(const ro_type *t, uint32_t from)
{
    uint64_t n = 1;
    for (uint32_t a = from; a < t->rank; a++) n = ro_saturating_mul(n, (uint64_t)t->dims[a]);
    return n;
}
RO_READS(Conv)
{
    (void)attrs, (void)n_in, (void)out;
    return input < 2 ? ro_conv_span(&in[1], 1) : 1;
}
RO_READS(ConvInputGrad)
{
    const ro_ConvInputGrad_attrs *t = attrs;
    (void)n_in, (void)out, (void)input;
    return ro_saturating_mul((uint64_t)in[1].dims[0] / t->group, ro_conv_span(&in[1], 2));
}
RO_READS(ConvWeightGrad)
{
    (void)attrs, (void)n_in, (void)out, (void)input;
    return ro_saturating_mul((uint64_t)in[0].dims[0], ro_conv_span(&in[0], 2));
}
RO_FLOPS(Conv)
{
    uint64_t bias = ro_given(in, n_in, 2) ? 1 : 0;
    return ro_saturating_add(ro_saturating_mul(2, ro_Conv_reads(attrs, in, n_in, out, 0)), bias);
}
RO_FLOPS(ConvInputGrad)
{
    return ro_saturating_mul(2, ro_ConvInputGrad_reads(attrs, in, n_in, out, 0));
}
RO_FLOPS(ConvWeightGrad)
{
    return ro_saturating_mul(2, ro_ConvWeightGrad_reads(attrs, in, n_in, out, 0));
}
RO_GRAD(Conv)
{
    const ro_Conv_attrs *t = node->attrs;
    const ro_type *x = ro_graph_type(g, node->in[0]), *w = ro_graph_type(g, node->in[1]);
    ro_ConvInputGrad_attrs ti = {.strides = t->strides, .pads = t->pads,
                                 .dilations = t->dilations, .group = t->group};
    ro_ConvWeightGrad_attrs tw = {.strides = t->strides, .pads = t->pads,
                                  .dilations = t->dilations, .group = t->group};
    ro_ReduceSum_attrs sum = {.axes = {1, {0}}};
    for (uint32_t a = 2; a < x->rank; a++) {
        ti.dims.v[ti.dims.n++] = x->dims[a];
        tw.dims.v[tw.dims.n++] = w->dims[a];
        sum.axes.v[sum.axes.n++] = a;
    }
    RO_TRY(ro_emit2(g, RO_OP_ConvInputGrad, &ti, dy[0], node->in[1], &dx[0], err));
    RO_TRY(ro_emit2(g, RO_OP_ConvWeightGrad, &tw, dy[0], node->in[0], &dx[1], err));
    if (node->inputs < 3 || node->in[2] == RO_NO_VALUE) return RO_OK;
    return ro_emit1(g, RO_OP_ReduceSum, &sum, dy[0], &dx[2], err);
}
/* It is linear in both: what is dy there is a Conv of what comes back here. */
RO_GRAD(ConvInputGrad)
{
    const ro_ConvInputGrad_attrs *t = node->attrs;
    const ro_type *w = ro_graph_type(g, node->in[1]);
    ro_Conv_attrs tc = {.strides = t->strides, .pads = t->pads, .dilations = t->dilations,
                        .group = t->group};
    ro_ConvWeightGrad_attrs tw = {.strides = t->strides, .pads = t->pads,
                                  .dilations = t->dilations, .group = t->group};
    for (uint32_t a = 2; a < w->rank; a++) tw.dims.v[tw.dims.n++] = w->dims[a];
    RO_TRY(ro_emit2(g, RO_OP_Conv, &tc, dy[0], node->in[1], &dx[0], err));
    return ro_emit2(g, RO_OP_ConvWeightGrad, &tw, node->in[0], dy[0], &dx[1], err);
}
#elif defined(RO_OP)
RO_OP(Conv, CONTRACT, .version = 1, .signature = "N x, N w, N b? -> N y", .at = RO_AT_ALL(Conv),
      .explain = RO_EXPLAIN_ALL(Conv), .infer = ro_Conv_infer, .flops = ro_Conv_flops,
      .reads = ro_Conv_reads, .grad = ro_Conv_grad)
RO_OP(ConvInputGrad, CONTRACT, .version = 1, .signature = "F dy, F w -> F dx",
      .at = RO_AT_FLOAT(ConvInputGrad), .explain = RO_EXPLAIN_FLOAT(ConvInputGrad),
      .infer = ro_ConvInputGrad_infer, .flops = ro_ConvInputGrad_flops,
      .reads = ro_ConvInputGrad_reads, .grad = ro_ConvInputGrad_grad)
RO_OP(ConvWeightGrad, CONTRACT, .version = 1, .signature = "F dy, F x -> F dw",
      .at = RO_AT_FLOAT(ConvWeightGrad), .explain = RO_EXPLAIN_FLOAT(ConvWeightGrad),
      .infer = ro_ConvWeightGrad_infer, .flops = ro_ConvWeightGrad_flops,
      .reads = ro_ConvWeightGrad_reads, .grad = NULL)
#endif
