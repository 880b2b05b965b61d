/* ReduceSum, ReduceMean, ReduceMax, ReduceProd, ReduceMaxGrad - reductions over axes.
 *   N x (ReduceMean: F), ints axes, u32 keepdims, u32 noop_with_empty_axes   ->   y
 *   ReduceMaxGrad: F dy (as ReduceMax gives), F x, the same attributes   ->   F dx
 *   A row is the reduced elements, row-major over the reduced axes in ascending axis number
 *       (rule 31). Sum: lanes from +0; mean: div(sum, RN(count)), of none NaN; max: the greatest
 *       in the total order (rule 9), of none -inf or the least integer; product: lanes from 1,
 *       folded by mul (rule 32). No axes: all of them;
 *       with noop_with_empty_axes none: y = x, with NaN canonical
 *   ReduceMaxGrad: dx = dy of its row at the row's first maximum, else +0
 *   gradients  Sum: dy, reshaped and expanded; Mean: div(dy, RN(count)) first; Max: the Grad;
 *           Prod: none
 *   errors  RO_EATTR when an axis is out of range or named twice, or a flag is not 0 or 1
 *   cost    1 flop an element of the row      source  ONNX ReduceSum-13, ReduceMean-18,
 *           ReduceMax-20 (axes as an attribute)                                          */
#if defined(RO_PASS_ATTRS)
#define RO_ReduceSum_ATTRS(F) F(ints, axes) F(u32, keepdims) F(u32, noop_with_empty_axes)
#define RO_ReduceMean_ATTRS(F) RO_ReduceSum_ATTRS(F)
#define RO_ReduceMax_ATTRS(F) RO_ReduceSum_ATTRS(F)
#define RO_ReduceProd_ATTRS(F) RO_ReduceSum_ATTRS(F)
#define RO_ReduceMaxGrad_ATTRS(F) RO_ReduceSum_ATTRS(F)
typedef struct { RO_ReduceSum_ATTRS(RO_FIELD) uint8_t end_; } ro_reduce_attrs;
typedef ro_reduce_attrs ro_ReduceSum_attrs, ro_ReduceMean_attrs;
typedef ro_reduce_attrs ro_ReduceProd_attrs, ro_ReduceMax_attrs, ro_ReduceMaxGrad_attrs;
RO_FN uint32_t ro_reduce_mask(const void *attrs, const ro_type *x)
{
    const ro_reduce_attrs *t = (const ro_reduce_attrs *)attrs;
    return ro_axes_mask(&t->axes, x->rank, t->noop_with_empty_axes);
}
RO_FN int ro_reduce_nothing(const void *attrs)
{
    const ro_reduce_attrs *t = (const ro_reduce_attrs *)attrs;
    return t->axes.n == 0 && t->noop_with_empty_axes;
}
/* The row of element i of x; *j: its position in the row. */
RO_FN uint64_t ro_reduce_row(const ro_type *x, uint32_t mask, uint64_t i, uint64_t *j)
{
    uint64_t row = 0, rows = 1, n = 1;
    *j = 0;
    for (uint32_t a = x->rank; a-- > 0;) {
        uint64_t d = (uint64_t)x->dims[a], at = d ? i % d : 0;
        i = d ? i / d : 0;
        if (mask >> a & 1) {
            *j += at * n;
            n *= d;
        } else {
            row += at * rows;
            rows *= d;
        }
    }
    return row;
}
#elif defined(RO_PASS_BODY)
#if !RO_IS_BITS
#define RO_REDUCE(op)                                                                        \
    RO_FN uint64_t RO_N(ro_##op##_count)(RO_AT_ARGS)                                    \
    {                                                                                        \
        (void)out, (void)i;                                                                  \
        return ro_reduced_count(&r->in[0], ro_reduce_mask(attrs, &r->in[0]));                \
    }                                                                                        \
    RO_FN RO_T RO_N(ro_##op##_term)(RO_AT_ARGS, uint32_t s, const RO_T *st, uint64_t j) \
    {                                                                                        \
        const ro_type *x = &r->in[0];                                                        \
        (void)out, (void)s, (void)st;                                                        \
        return READ(r, 0, ro_reduced_index(x, ro_reduce_mask(attrs, x), i, j));              \
    }                                                                                        \
    RO_FN uint64_t RO_N(ro_##op##_finish)(RO_AT_ARGS, const RO_T *st)                   \
    {                                                                                        \
        return OUT(r, out, ro_reduce_nothing(attrs) ? READ(r, 0, i) : st[0]);                \
    }
RO_REDUCE(ReduceSum)
RO_REDUCE(ReduceMax)
RO_REDUCE(ReduceProd)
RO_ROW_BODY(ReduceSum, 1, RO_STAGE_SUM)
RO_ROW_BODY(ReduceMax, 1, RO_STAGE_MAX)
RO_ROW_BODY(ReduceProd, 1, RO_STAGE_PRODUCT)
#if RO_IS_FLOAT
RO_REDUCE(ReduceMean)
RO_ROW_BODY(ReduceMean, 1, RO_STAGE_MEAN)

/* Does one of positions [from, to) of its row keep element i from being the first maximum? */
RO_FN int RO_N(ro_reduce_beaten)(const ro_reader *r, const void *attrs, uint64_t i, uint64_t from,
                                 uint64_t to)
{
    const ro_type *x = &r->in[1];
    uint32_t mask = ro_reduce_mask(attrs, x);
    uint64_t own, row = ro_reduce_row(x, mask, i, &own);
    RO_T mine = READ(r, 1, i);
    for (uint64_t p = from; p < to; p++) {
        RO_T y = READ(r, 1, ro_reduced_index(x, mask, row, p));
        if (p < own ? ORDER(y) >= ORDER(mine) : ORDER(y) > ORDER(mine)) return 1;
    }
    return 0;
}
RO_FN uint64_t RO_N(ro_reduce_chosen)(RO_AT_ARGS, int chosen)
{
    uint64_t own, row = ro_reduce_row(&r->in[1], ro_reduce_mask(attrs, &r->in[1]), i, &own);
    return OUT(r, out, chosen ? READ(r, 0, row) : 0);
}
RO_AT(ReduceMaxGrad)
{
    uint64_t n = ro_reduced_count(&r->in[1], ro_reduce_mask(attrs, &r->in[1]));
    int beaten = RO_N(ro_reduce_beaten)(r, attrs, i, 0, n);
    return RO_N(ro_reduce_chosen)(r, attrs, out, i, !beaten);
}
#ifndef __CUDACC__
/* Explanation: level 0, for each 256 positions, whether none beats i; level 1, for each 4,096 of
 * these, whether all are; level 2 the value. */
RO_FN uint32_t RO_N(ro_ReduceMaxGrad_levels)(RO_AT_ARGS, uint64_t *count)
{
    uint64_t n = ro_reduced_count(&r->in[1], ro_reduce_mask(attrs, &r->in[1]));
    (void)out, (void)i;
    count[0] = (n + RO_CHAIN - 1) / RO_CHAIN;
    count[1] = ro_mark_lists(count[0]);
    count[2] = 1;
    return 3;
}
RO_FN uint32_t RO_N(ro_ReduceMaxGrad_needs)(RO_AT_ARGS, uint32_t level, uint64_t index,
                                            ro_parts *needs)
{
    uint64_t count[RO_LEVELS_MAX];
    RO_N(ro_ReduceMaxGrad_levels)(r, attrs, out, i, count);
    if (level == 0) return 0;
    return ro_parts_of(level - 1, count[level - 1], level == 1 ? RO_LIST : count[1], index, needs);
}
RO_FN uint64_t RO_N(ro_ReduceMaxGrad_part)(RO_AT_ARGS, uint32_t level, uint64_t index,
                                           const ro_claims *claims)
{
    uint64_t n = ro_reduced_count(&r->in[1], ro_reduce_mask(attrs, &r->in[1]));
    uint64_t from = index * RO_CHAIN, to = n - from < RO_CHAIN ? n : from + RO_CHAIN;
    ro_parts list;
    if (level == 0) return !RO_N(ro_reduce_beaten)(r, attrs, i, from, to);
    int chosen = !RO_N(ro_ReduceMaxGrad_needs)(r, attrs, out, i, level, index, &list) ||
                 ro_all_marked(claims, &list);
    return level == 1 ? (uint64_t)chosen : RO_N(ro_reduce_chosen)(r, attrs, out, i, chosen);
}
RO_EXPLAIN_TABLE(ReduceMaxGrad, 2, 0)
#endif
#endif
#undef RO_REDUCE
#endif
#elif defined(RO_PASS_HOST)
static ro_status ro_reduce_infer(RO_INFER_ARGS)
{
    const ro_reduce_attrs *t = attrs;
    uint32_t rank = in[0].rank, mask = 0;
    (void)n_in, (void)n_out;
    RO_TRY(ro_check_flag(t->keepdims, "keepdims", err));
    RO_TRY(ro_check_flag(t->noop_with_empty_axes, "noop_with_empty_axes", err));
    if (t->axes.n > rank)
        return RO_FAIL(err, RO_EATTR, "axes has %u numbers; at most %u, the rank, are allowed",
                       t->axes.n, rank);
    for (uint32_t k = 0; k < t->axes.n; k++) {
        RO_TRY(ro_check_axis(t->axes.v[k], rank, err));
        uint32_t bit = 1u << ro_axis(t->axes.v[k], rank);
        if (mask & bit)
            return RO_FAIL(err, RO_EATTR, "axis %lld is named twice", (long long)t->axes.v[k]);
        mask |= bit;
    }
    mask = ro_reduce_mask(attrs, &in[0]);
    *out = ro_type_of(in[0].dtype, 0, NULL);
    for (uint32_t a = 0; a < rank; a++) {
        int reduced = mask >> a & 1;
        if (!reduced || t->keepdims) out->dims[out->rank++] = reduced ? 1 : in[0].dims[a];
    }
    return RO_OK;
}
RO_INFER(ReduceMaxGrad)
{
    ro_type y;
    RO_TRY(ro_reduce_infer(attrs, &in[1], n_in - 1, &y, n_out, err));
    RO_TRY(ro_check_shapes(&in[0], "the gradient dy", &y, "ReduceMax's output", err));
    *out = in[1];
    return RO_OK;
}
static uint64_t ro_reduce_reads(RO_FLOPS_ARGS, uint32_t input)
{
    (void)n_in, (void)out, (void)input;
    return ro_reduced_count(&in[0], ro_reduce_mask(attrs, &in[0]));
}
static uint64_t ro_reduce_flops(RO_FLOPS_ARGS)
{
    return ro_saturating_add(ro_reduce_reads(attrs, in, n_in, out, 0), 1);
}
RO_FLOPS(ReduceMaxGrad) { return ro_reduce_flops(attrs, &in[1], n_in - 1, out); }
RO_READS(ReduceMaxGrad)
{
    return input == 0 ? 1 : ro_reduce_reads(attrs, &in[1], n_in - 1, out, 0);
}
/* dy with the reduced axes as ones again, expanded over x. */
static ro_status ro_reduce_spread(ro_graph *g, const ro_node *node, ro_value dy, ro_value *dx,
                                  ro_err *err)
{
    const ro_type *x = ro_graph_type(g, node->in[0]);
    uint32_t mask = ro_reduce_mask(node->attrs, x);
    ro_type kept = *x;
    ro_Expand_attrs t = {.shape = {.n = x->rank}};
    for (uint32_t a = 0; a < x->rank; a++) {
        t.shape.v[a] = x->dims[a];
        if (mask >> a & 1) kept.dims[a] = 1;
    }
    RO_TRY(ro_emit_reshape(g, dy, &kept, &dy, err));
    return ro_emit1(g, RO_OP_Expand, &t, dy, dx, err);
}
RO_GRAD(ReduceSum)
{
    if (!ro_reduce_nothing(node->attrs)) return ro_reduce_spread(g, node, dy[0], &dx[0], err);
    dx[0] = dy[0];
    return RO_OK;
}
RO_GRAD(ReduceMean)
{
    const ro_type *x = ro_graph_type(g, node->in[0]);
    ro_value n, d;
    dx[0] = dy[0];
    if (ro_reduce_nothing(node->attrs)) return RO_OK;
    double count = ro_u64_to_f64(ro_reduced_count(x, ro_reduce_mask(node->attrs, x)));
    RO_TRY(ro_emit_scalar(g, x->dtype, count, &n, err));
    RO_TRY(ro_emit2(g, RO_OP_Div, NULL, dy[0], n, &d, err));
    return ro_reduce_spread(g, node, d, &dx[0], err);
}
RO_GRAD(ReduceMax)
{
    dx[0] = dy[0];
    if (ro_reduce_nothing(node->attrs)) return RO_OK;
    return ro_emit2(g, RO_OP_ReduceMaxGrad, node->attrs, dy[0], node->in[0], &dx[0], err);
}
#elif defined(RO_OP)
RO_OP(ReduceSum, ROW, .version = 1, .signature = "N x -> N y", .at = RO_AT_ALL(ReduceSum),
      .explain = RO_EXPLAIN_ALL(ReduceSum), .infer = ro_reduce_infer, .flops = ro_reduce_flops,
      .reads = ro_reduce_reads, .grad = ro_ReduceSum_grad)
RO_OP(ReduceMean, ROW, .version = 1, .signature = "F x -> F y", .at = RO_AT_FLOAT(ReduceMean),
      .explain = RO_EXPLAIN_FLOAT(ReduceMean), .infer = ro_reduce_infer, .flops = ro_reduce_flops,
      .reads = ro_reduce_reads, .grad = ro_ReduceMean_grad)
RO_OP(ReduceMax, ROW, .version = 1, .signature = "N x -> N y", .at = RO_AT_ALL(ReduceMax),
      .explain = RO_EXPLAIN_ALL(ReduceMax), .infer = ro_reduce_infer, .flops = ro_reduce_flops,
      .reads = ro_reduce_reads, .grad = ro_ReduceMax_grad)
RO_OP(ReduceProd, ROW, .version = 1, .signature = "N x -> N y", .at = RO_AT_ALL(ReduceProd),
      .explain = RO_EXPLAIN_ALL(ReduceProd), .infer = ro_reduce_infer, .flops = ro_reduce_flops,
      .reads = ro_reduce_reads, .grad = NULL)
RO_OP(ReduceMaxGrad, AT, .version = 1, .signature = "F dy, F x -> F dx",
      .at = RO_AT_FLOAT(ReduceMaxGrad), .explain = RO_EXPLAIN_FLOAT(ReduceMaxGrad),
      .infer = ro_ReduceMaxGrad_infer, .flops = ro_ReduceMaxGrad_flops,
      .reads = ro_ReduceMaxGrad_reads, .grad = NULL)
#endif
