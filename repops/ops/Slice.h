/* Slice, SliceGrad - every step-th position from start up to end on some axes; bits are kept.
 *   Slice      A x;  ints starts, ends, axes, steps            ->   A y
 *   SliceGrad  A dy; ints starts, ends, axes, steps, dims      ->   A dx (dims)
 *   On a listed axis of size d: a negative start or end has d added once; then start is clamped
 *       to [0, d] and end to [0, d] for step > 0, start to [0, d - 1] and end to [-1, d - 1] for
 *       step < 0; y has max(0, ceil((end - start) / step)) positions, the j-th start + j step.
 *       Nothing remains of an axis of size 0. Axes that are not listed stay whole.
 *   SliceGrad puts dy at the positions that Slice of a tensor of shape dims takes, and bits 0
 *       (+0, 0, false) elsewhere.
 *   gradients  Slice SliceGrad(dy); SliceGrad Slice(dy)
 *   errors  RO_EATTR lists of different lengths, an axis outside [-rank, rank) or listed twice,
 *           a step of 0; RO_ESHAPE when dy is not what Slice makes of dims
 *   cost    0 flops      source  ONNX Slice-13 with constant lists                         */
#if defined(RO_PASS_ATTRS)
#define RO_Slice_ATTRS(F) F(ints, starts) F(ints, ends) F(ints, axes) F(ints, steps)
#define RO_SliceGrad_ATTRS(F) F(ints, starts) F(ints, ends) F(ints, axes) F(ints, steps) \
    F(ints, dims)
RO_ATTRS(Slice);
RO_ATTRS(SliceGrad);
/* What a slice takes of one axis. */
typedef struct {
    int64_t start, step, count;
} ro_slice_part;

RO_FN int64_t ro_slice_clamp(int64_t x, int64_t d, int64_t low, int64_t high)
{
    if (x < 0) x += d;
    return x < low ? low : x > high ? high : x;
}
RO_FN ro_slice_part ro_slice_axis(int64_t d, int64_t start, int64_t end, int64_t step)
{
    ro_slice_part p;
    uint64_t span, by = step < 0 ? 0 - (uint64_t)step : (uint64_t)step;
    p.step = step;
    p.start = ro_slice_clamp(start, d, 0, step < 0 ? d - 1 : d);
    end = ro_slice_clamp(end, d, step < 0 ? -1 : 0, step < 0 ? d - 1 : d);
    span = step < 0 ? (uint64_t)(p.start - end) : (uint64_t)(end - p.start);
    if (d == 0 || (step < 0 ? end >= p.start : p.start >= end)) span = 0;
    p.count = (int64_t)(span / by + (span % by != 0));
    return p;
}
#elif defined(RO_PASS_BODY)
#if RO_IS_BITS
RO_AT(Slice)
{
    const ro_Slice_attrs *t = (const ro_Slice_attrs *)attrs;
    int64_t at[RO_RANK_MAX];
    (void)out;
    ro_unflatten(&r->out[0], i, at);
    for (uint32_t k = 0; k < t->axes.n; k++) {
        uint32_t a = ro_axis(t->axes.v[k], r->in[0].rank);
        ro_slice_part p = ro_slice_axis(r->in[0].dims[a], t->starts.v[k], t->ends.v[k],
                                        t->steps.v[k]);
        at[a] = p.start + at[a] * p.step;
    }
    return ro_read_bits(r, 0, ro_flatten(&r->in[0], at));
}
RO_AT(SliceGrad)
{
    const ro_SliceGrad_attrs *t = (const ro_SliceGrad_attrs *)attrs;
    int64_t at[RO_RANK_MAX];
    (void)out;
    ro_unflatten(&r->out[0], i, at);
    for (uint32_t k = 0; k < t->axes.n; k++) {
        uint32_t a = ro_axis(t->axes.v[k], r->out[0].rank);
        ro_slice_part p = ro_slice_axis(r->out[0].dims[a], t->starts.v[k], t->ends.v[k],
                                        t->steps.v[k]);
        int64_t from = at[a] - p.start;
        if (from % p.step != 0) return 0;
        at[a] = from / p.step;
        if (at[a] < 0 || at[a] >= p.count) return 0;
    }
    return ro_read_bits(r, 0, ro_flatten(&r->in[0], at));
}
#endif
#elif defined(RO_PASS_HOST)
/* The type of a slice of x. */
static ro_status ro_slice_type(const ro_type *x, const ro_ints *starts, const ro_ints *ends,
                               const ro_ints *axes, const ro_ints *steps, ro_type *y, ro_err *err)
{
    uint32_t seen = 0;
    if (starts->n != axes->n || ends->n != axes->n || steps->n != axes->n)
        return RO_FAIL(err, RO_EATTR,
                       "starts, ends, axes and steps have %u, %u, %u and %u numbers; all must "
                       "have as many", starts->n, ends->n, axes->n, steps->n);
    *y = *x;
    for (uint32_t k = 0; k < axes->n; k++) {
        RO_TRY(ro_check_axis(axes->v[k], x->rank, err));
        uint32_t a = ro_axis(axes->v[k], x->rank);
        if (seen >> a & 1) return RO_FAIL(err, RO_EATTR, "axis %u is sliced twice", a);
        if (steps->v[k] == 0)
            return RO_FAIL(err, RO_EATTR, "the step on axis %u is 0; it must not be", a);
        seen |= 1u << a;
        y->dims[a] = ro_slice_axis(x->dims[a], starts->v[k], ends->v[k], steps->v[k]).count;
    }
    return RO_OK;
}
RO_INFER(Slice)
{
    const ro_Slice_attrs *t = (const ro_Slice_attrs *)attrs;
    (void)n_in, (void)n_out;
    return ro_slice_type(&in[0], &t->starts, &t->ends, &t->axes, &t->steps, &out[0], err);
}
RO_INFER(SliceGrad)
{
    const ro_SliceGrad_attrs *t = (const ro_SliceGrad_attrs *)attrs;
    ro_type x, y;
    (void)n_in, (void)n_out;
    RO_TRY(ro_infer_shape(in[0].dtype, &t->dims, &x, err));
    RO_TRY(ro_slice_type(&x, &t->starts, &t->ends, &t->axes, &t->steps, &y, err));
    RO_TRY(ro_check_shapes(&in[0], "dy", &y, "the slice", err));
    out[0] = x;
    return RO_OK;
}
RO_GRAD(Slice)
{
    const ro_Slice_attrs *s = (const ro_Slice_attrs *)node->attrs;
    const ro_type *x = ro_graph_type(g, node->in[0]);
    ro_SliceGrad_attrs t = {0};
    t.starts = s->starts;
    t.ends = s->ends;
    t.axes = s->axes;
    t.steps = s->steps;
    t.dims.n = x->rank;
    for (uint32_t a = 0; a < x->rank; a++) t.dims.v[a] = x->dims[a];
    return ro_emit1(g, RO_OP_SliceGrad, &t, dy[0], &dx[0], err);
}
RO_GRAD(SliceGrad)
{
    const ro_SliceGrad_attrs *s = (const ro_SliceGrad_attrs *)node->attrs;
    ro_Slice_attrs t = {0};
    t.starts = s->starts;
    t.ends = s->ends;
    t.axes = s->axes;
    t.steps = s->steps;
    return ro_emit1(g, RO_OP_Slice, &t, dy[0], &dx[0], err);
}
#elif defined(RO_OP)
RO_OP(Slice, MOVE, .version = 1, .signature = "A x -> A y", .at = RO_AT_BITS(Slice),
      .infer = ro_Slice_infer, .flops = ro_flops_0, .reads = ro_reads_1, .grad = ro_Slice_grad)
RO_OP(SliceGrad, MOVE, .version = 1, .signature = "A dy -> A dx", .at = RO_AT_BITS(SliceGrad),
      .infer = ro_SliceGrad_infer, .flops = ro_flops_0, .reads = ro_reads_1,
      .grad = ro_SliceGrad_grad)
#endif
