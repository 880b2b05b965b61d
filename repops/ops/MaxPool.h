/* MaxPool, MaxPoolGrad - the greatest element of a sliding window.
 *   N x (N, C, d..), 1 to 3 spatial axes; ints kernel_shape, ints strides, ints pads (begins,
 *       then ends), ints dilations, u32 ceil_mode   ->   N y (N, C, o..), i64 indices?
 *   Grad   F dy (as y), F x, the same attributes   ->   F dx
 *   y = the greatest in the total order (rule 9) of the taps inside x; padding does not take
 *       part. indices: where it is, flat over all of x; of equals the first. No tap inside: y is
 *       -inf or the least integer, indices -1, and no gradient (rule 37)
 *   Grad   from +0, add(dx, dy) for each window that chose this element, windows ascending
 *   gradients  MaxPool: MaxPoolGrad
 *   errors  RO_ESHAPE, RO_EATTR (window.h)
 *   cost    1 flop a tap; Grad: the taps of every window over the element
 *   source  ONNX MaxPool-12 (storage_order 0)                                                  */
#if defined(RO_PASS_ATTRS)
#define RO_MaxPool_ATTRS(F) \
    F(ints, kernel_shape) F(ints, strides) F(ints, pads) F(ints, dilations) F(u32, ceil_mode)
#define RO_MaxPoolGrad_ATTRS(F) RO_MaxPool_ATTRS(F)
RO_ATTRS(MaxPool);
typedef ro_MaxPool_attrs ro_MaxPoolGrad_attrs;
RO_FN ro_window ro_maxpool_window(const void *attrs, const ro_type *x, const ro_type *y)
{
    const ro_MaxPool_attrs *t = (const ro_MaxPool_attrs *)attrs;
    return ro_window_of(x, y, t->kernel_shape.v, &t->strides, &t->pads, &t->dilations);
}
#define RO_MAXPOOL_PART RO_CHAIN /* taps in one part of MaxPoolGrad's explanation */
/* Windows that may cover element i of MaxPoolGrad, parts for the taps of each, lists of these. */
typedef struct { uint64_t windows, parts, lists; } ro_maxpool_shape;
RO_FN ro_maxpool_shape ro_maxpool_shape_by(const ro_window *w, uint64_t windows)
{
    ro_maxpool_shape s;
    uint64_t taps = 1;
    for (uint32_t a = 0; a < w->axes; a++)
        taps *= (uint64_t)(w->kernel[a] < w->x[a] ? w->kernel[a] : w->x[a]);
    s.windows = windows;
    s.parts = (taps + RO_MAXPOOL_PART - 1) / RO_MAXPOOL_PART;
    s.lists = ro_mark_lists(s.parts);
    return s;
}
RO_FN ro_maxpool_shape ro_maxpool_shape_of(const ro_reader *r, const void *attrs, uint64_t i)
{
    ro_window w = ro_maxpool_window(attrs, &r->in[1], &r->in[0]);
    int64_t at[RO_SPATIAL_MAX];
    return ro_maxpool_shape_by(&w, ro_window_covering(&w, i, at).count);
}
#elif defined(RO_PASS_BODY)
#if !RO_IS_BITS
RO_FN uint64_t RO_N(ro_MaxPool_count)(RO_AT_ARGS)
{
    ro_window w = ro_maxpool_window(attrs, &r->in[0], &r->out[0]);
    (void)out;
    return ro_window_taps(&w, i, 0).count;
}
RO_FN uint64_t RO_N(ro_MaxPool_start)(RO_AT_ARGS)
{
    (void)r, (void)attrs, (void)out, (void)i;
    return UINT64_MAX;
}
/* The accumulator is a tap; one that is not before p (the start, or a wild claim) is none. */
RO_FN uint64_t RO_N(ro_MaxPool_step)(RO_AT_ARGS, uint64_t p, uint64_t acc)
{
    ro_window w = ro_maxpool_window(attrs, &r->in[0], &r->out[0]);
    ro_box taps = ro_window_taps(&w, i, 0);
    (void)out;
    if (acc >= p) return p;
    RO_T best = READ(r, 0, ro_box_index(&taps, acc));
    return ORDER(READ(r, 0, ro_box_index(&taps, p))) > ORDER(best) ? p : acc;
}
/* Where that tap is in x, or UINT64_MAX; and the number there, or the least. */
RO_FN uint64_t RO_N(ro_MaxPool_place)(const ro_reader *r, const void *attrs, uint64_t i,
                                      uint64_t acc)
{
    ro_window w = ro_maxpool_window(attrs, &r->in[0], &r->out[0]);
    ro_box taps = ro_window_taps(&w, i, 0);
    return acc >= taps.count ? UINT64_MAX : ro_box_index(&taps, acc);
}
RO_FN RO_T RO_N(ro_MaxPool_best)(const ro_reader *r, const void *attrs, uint64_t i, uint64_t acc)
{
    uint64_t j = RO_N(ro_MaxPool_place)(r, attrs, i, acc);
    return j == UINT64_MAX ? RO_N(ro_least)(r->in[0].dtype) : READ(r, 0, j);
}
RO_FN uint64_t RO_N(ro_MaxPool_finish)(RO_AT_ARGS, uint64_t acc)
{
    if (out == 1) return ro_out_u64(r, out, RO_N(ro_MaxPool_place)(r, attrs, i, acc));
    return OUT(r, out, RO_N(ro_MaxPool_best)(r, attrs, i, acc));
}
RO_CHAIN_AT(MaxPool)
#ifndef __CUDACC__
/* Explanation: that of the chain, whose accumulators are taps, but level 2 is the number at the
 * best tap and level 3 the value: so no part reads where parties may differ on the tap. */
RO_CHAIN_PART(MaxPool)
RO_FN uint32_t RO_N(ro_MaxPool_levels)(RO_AT_ARGS, uint64_t *count)
{
    ro_chain_levels(RO_N(ro_MaxPool_count)(r, attrs, out, i), count);
    count[3] = 1;
    return 4;
}
RO_FN uint32_t RO_N(ro_MaxPool_needs)(RO_AT_ARGS, uint32_t level, uint64_t index, ro_parts *needs)
{
    uint64_t n = RO_N(ro_MaxPool_count)(r, attrs, out, i);
    uint32_t runs = ro_chain_needs(n, level < 2 ? level : 2, index, needs);
    return level == 3 ? runs + ro_parts_of(2, 1, 1, 0, needs + runs) : runs;
}
RO_FN uint64_t RO_N(ro_MaxPool_part)(RO_AT_ARGS, uint32_t level, uint64_t index,
                                     const ro_claims *claims)
{
    if (level == 3 && out == 0) return OUT(r, out, FROM_BITS(claims->part(claims, 2, 0)));
    uint64_t acc = RO_N(ro_MaxPool_chain)(r, attrs, out, i, level < 2 ? level : 2, index, claims);
    if (level < 2) return acc;
    return level == 2 ? TO_BITS(RO_N(ro_MaxPool_best)(r, attrs, i, acc))
                      : RO_N(ro_MaxPool_finish)(r, attrs, out, i, acc);
}
RO_EXPLAIN_TABLE(MaxPool, 0, 2)
#endif
#if RO_IS_FLOAT
/* Window number p of those around element i: its output element, or UINT64_MAX where it does not
 * cover i; *taps, and *own, the tap that i is. */
RO_FN uint64_t RO_N(ro_maxpool_over)(const ro_reader *r, const void *attrs, uint64_t i, uint64_t p,
                                     ro_box *taps, uint64_t *own)
{
    ro_window w = ro_maxpool_window(attrs, &r->in[1], &r->in[0]);
    int64_t at[RO_SPATIAL_MAX], o[RO_SPATIAL_MAX];
    ro_box windows = ro_window_covering(&w, i, at);
    ro_box_at(&windows, p, o);
    if (!ro_window_covers(&w, o, at)) return UINT64_MAX;
    uint64_t j = ro_box_index(&windows, p);
    *taps = ro_window_taps(&w, j, 0);
    *own = 0;
    for (uint32_t a = 0; a < w.axes; a++)
        *own = *own * taps->n[a] + (uint64_t)((at[a] - taps->first[a]) / taps->step[a]);
    return j;
}
/* Does one of taps [from, to) keep the window from choosing its tap `own`, element i? */
RO_FN int RO_N(ro_maxpool_beaten)(const ro_reader *r, const ro_box *taps, uint64_t own, uint64_t i,
                                  uint64_t from, uint64_t to)
{
    RO_T x = READ(r, 1, i);
    for (uint64_t p = from; p < to; p++) {
        RO_T y = READ(r, 1, ro_box_index(taps, p));
        if (p < own ? ORDER(y) >= ORDER(x) : ORDER(y) > ORDER(x)) return 1;
    }
    return 0;
}
RO_AT(MaxPoolGrad)
{
    uint64_t n = ro_maxpool_shape_of(r, attrs, i).windows, own;
    RO_T acc = 0;
    ro_box taps;
    for (uint64_t p = 0; p < n; p++) {
        uint64_t j = RO_N(ro_maxpool_over)(r, attrs, i, p, &taps, &own);
        if (j == UINT64_MAX || RO_N(ro_maxpool_beaten)(r, &taps, own, i, 0, taps.count)) continue;
        acc = ADD(acc, READ(r, 0, j));
    }
    return OUT(r, out, acc);
}
#ifndef __CUDACC__
/* Explanation: level 0, for each window around i and each 256 of its taps, whether the window
 * covers i and none of these beats it; level 1, for each 4,096 of these, whether all are; above
 * it the levels of the chain over windows. */
RO_FN uint32_t RO_N(ro_MaxPoolGrad_levels)(RO_AT_ARGS, uint64_t *count)
{
    ro_maxpool_shape s = ro_maxpool_shape_of(r, attrs, i);
    (void)out;
    count[0] = s.windows * s.parts;
    count[1] = s.windows * s.lists;
    return 2 + ro_chain_levels(s.windows, count + 2);
}
RO_FN uint32_t RO_N(ro_MaxPoolGrad_needs)(RO_AT_ARGS, uint32_t level, uint64_t index,
                                          ro_parts *needs)
{
    ro_maxpool_shape s = ro_maxpool_shape_of(r, attrs, i);
    uint32_t runs = 0;
    (void)out;
    if (level == 0) return 0;
    if (level == 1) {
        uint64_t first = index / s.lists * s.parts; /* of this window */
        runs = ro_parts_of(0, s.parts, RO_LIST, index % s.lists, needs);
        needs->begin += first;
        needs->end += first;
        return runs;
    }
    if (level == 2) runs = ro_parts_of(1, s.windows * s.lists, RO_CHAIN * s.lists, index, needs);
    uint32_t chain = ro_chain_needs(s.windows, level - 2, index, needs + runs);
    if (chain) needs[runs].level += 2;
    return runs + chain;
}
RO_FN uint64_t RO_N(ro_MaxPoolGrad_part)(RO_AT_ARGS, uint32_t level, uint64_t index,
                                         const ro_claims *claims)
{
    ro_maxpool_shape s = ro_maxpool_shape_of(r, attrs, i);
    uint64_t own, p, from, end;
    ro_parts list;
    ro_box taps;
    if (level == 0) {
        p = index / s.parts;
        if (RO_N(ro_maxpool_over)(r, attrs, i, p, &taps, &own) == UINT64_MAX) return 0;
        from = index % s.parts * RO_MAXPOOL_PART;
        end = taps.count < from + RO_MAXPOOL_PART ? taps.count : from + RO_MAXPOOL_PART;
        return !RO_N(ro_maxpool_beaten)(r, &taps, own, i, from, end);
    }
    if (level == 1)
        return !RO_N(ro_MaxPoolGrad_needs)(r, attrs, out, i, level, index, &list) ||
               ro_all_marked(claims, &list);
    uint32_t given = ro_chain_needs(s.windows, level - 2, index, &list);
    RO_T acc = given ? FROM_BITS(claims->part(claims, list.level + 2, list.end - 1)) : 0;
    if (level == 3) return TO_BITS(acc);
    if (level == 4) return OUT(r, out, acc);
    p = index * RO_CHAIN;
    end = s.windows - p < RO_CHAIN ? s.windows : p + RO_CHAIN;
    for (; p < end; p++) {
        list = (ro_parts){1, p * s.lists, (p + 1) * s.lists};
        int chosen = ro_all_marked(claims, &list);
        uint64_t j = RO_N(ro_maxpool_over)(r, attrs, i, p, &taps, &own);
        if (chosen && j != UINT64_MAX) acc = ADD(acc, READ(r, 0, j));
    }
    return TO_BITS(acc);
}
RO_EXPLAIN_TABLE(MaxPoolGrad, 2, 0)
#endif
#endif
#endif
#elif defined(RO_PASS_HOST)
static ro_status ro_maxpool_infer(const ro_MaxPool_attrs *t, const ro_type *x, ro_type *y,
                                  ro_err *err)
{
    RO_TRY(ro_check_flag(t->ceil_mode, "ceil_mode", err));
    if (x->rank < 3 || t->kernel_shape.n != x->rank - 2)
        return RO_FAIL(err, RO_ESHAPE, "a pool of %u spatial axes goes over a tensor of rank %u",
                       t->kernel_shape.n, x->rank);
    *y = *x;
    return ro_window_infer(x, t->kernel_shape.v, &t->strides, &t->pads, &t->dilations,
                           t->ceil_mode, y->dims + 2, err);
}
RO_INFER(MaxPool)
{
    (void)n_in;
    RO_TRY(ro_maxpool_infer(attrs, &in[0], &out[0], err));
    if (n_out > 1) out[1] = ro_type_of(RO_I64, out[0].rank, out[0].dims);
    return RO_OK;
}
RO_INFER(MaxPoolGrad)
{
    ro_type y;
    (void)n_in, (void)n_out;
    RO_TRY(ro_maxpool_infer(attrs, &in[1], &y, err));
    RO_TRY(ro_check_shapes(&in[0], "the gradient dy", &y, "MaxPool's output", err));
    *out = in[1];
    return RO_OK;
}
RO_READS(MaxPool)
{
    (void)n_in, (void)out, (void)input;
    return ro_window_volume(&((const ro_MaxPool_attrs *)attrs)->kernel_shape, &in[0]);
}
RO_FLOPS(MaxPool) { return ro_MaxPool_reads(attrs, in, n_in, out, 0); }
RO_READS(MaxPoolGrad)
{
    const ro_MaxPool_attrs *t = attrs;
    uint64_t windows =
        ro_window_overlap(&t->kernel_shape, &t->strides, &t->dilations, &in[0]);
    (void)n_in, (void)out;
    if (input == 0) return windows;
    return ro_saturating_mul(windows, ro_window_volume(&t->kernel_shape, &in[1]));
}
RO_FLOPS(MaxPoolGrad) { return ro_MaxPoolGrad_reads(attrs, in, n_in, out, 1); }
RO_GRAD(MaxPool)
{
    return ro_emit2(g, RO_OP_MaxPoolGrad, node->attrs, dy[0], node->in[0], &dx[0], err);
}
#elif defined(RO_OP)
RO_OP(MaxPool, AT, .version = 1, .signature = "N x -> N y, i64 indices?", .at = RO_AT_ALL(MaxPool),
      .explain = RO_EXPLAIN_ALL(MaxPool), .infer = ro_MaxPool_infer, .flops = ro_MaxPool_flops,
      .reads = ro_MaxPool_reads, .grad = ro_MaxPool_grad)
RO_OP(MaxPoolGrad, AT, .version = 1, .signature = "F dy, F x -> F dx",
      .at = RO_AT_FLOAT(MaxPoolGrad), .explain = RO_EXPLAIN_FLOAT(MaxPoolGrad),
      .infer = ro_MaxPoolGrad_infer, .flops = ro_MaxPoolGrad_flops, .reads = ro_MaxPoolGrad_reads,
      .grad = NULL)
#endif
