/* GatherElements, ScatterElements, ScatterRows - elements by indices that lie beside them; data
 * with elements or slices changed.
 *   GatherElements   A x (rank n), I indices (rank n; i64 axis)   ->   A y (as indices)
 *   ScatterElements  A data (rank n), I indices (rank n), A updates (as indices); i64 axis,
 *                    u32 reduction   ->   A y (as data)
 *   ScatterRows      A data (d, inner..), I indices (q..), A updates (q.., inner..);
 *                    u32 reduction   ->   A y (as data)
 *   The place of an index is its own, with the index itself on the axis. A negative index counts
 *       from the end, once; one that is still outside gives 0, or changes nothing (rules 4, 41).
 *       On the other axes indices are at most as long as data
 *   reduction  0: y is the last update of its place, in row-major order, or data; bits are kept
 *              (rule 13). 1 add, 2 mul, 3 max, 4 min: a chain from data over the updates of its
 *              place in that order, max and min in the total order, where NaN wins both (rule 9)
 *   gradients  GatherElements: ScatterElements of zeros by add. ScatterElements, ScatterRows with
 *              reduction 0 or 1: of data dy, for 0 with zeros in the places; of updates dy at their
 *              places, for 0 where they are what is there. Others: none
 *   errors  RO_EATTR axis, reduction; RO_ESHAPE; RO_ETYPE a reduction of bools
 *   cost    GatherElements 0 flops; the others 1 an index that may lead to the element
 *   source  ONNX GatherElements-13, ScatterElements-18; ScatterND-18 where k is 1            */
#if defined(RO_PASS_ATTRS)
#define RO_GatherElements_ATTRS(F) F(i64, axis)
#define RO_ScatterElements_ATTRS(F) F(i64, axis) F(u32, reduction)
#define RO_ScatterRows_ATTRS(F) F(u32, reduction)
RO_ATTRS(GatherElements);
RO_ATTRS(ScatterElements);
RO_ATTRS(ScatterRows);
/* The place on an axis of d positions that index number q names; d: none. */
RO_FN uint64_t ro_scatter_place(const ro_reader *r, uint64_t q, uint64_t d)
{
    int64_t k = ro_read_i64(r, 1, q);
    if (k < 0) k += (int64_t)d;
    return k >= 0 && (uint64_t)k < d ? (uint64_t)k : d;
}
/* The indices that may lead to element i of data: n of them, the first, how far they are apart,
 * and the place on the axis that they have to name. */
typedef struct { uint64_t n, first, step, own; } ro_scatter_line;
RO_FN ro_scatter_line ro_scatter_line_of(const ro_reader *r, uint32_t axis, uint64_t i)
{
    const ro_type *x = &r->in[0], *q = &r->in[1];
    ro_scatter_line l;
    int64_t at[RO_RANK_MAX] = {0};
    ro_unflatten(x, i, at);
    l.own = (uint64_t)at[axis];
    l.n = (uint64_t)q->dims[axis];
    l.step = ro_span(q, axis + 1, q->rank);
    at[axis] = 0;
    for (uint32_t a = 0; a < x->rank; a++)
        if (a != axis && at[a] >= q->dims[a]) l.n = 0;
    l.first = l.n ? ro_flatten(q, at) : 0;
    return l;
}
#elif defined(RO_PASS_BODY)
#if RO_IS_BITS
RO_AT(GatherElements)
{
    const ro_type *x = &r->in[0];
    uint32_t axis = ro_axis(((const ro_GatherElements_attrs *)attrs)->axis, x->rank);
    uint64_t d = (uint64_t)x->dims[axis], k = ro_scatter_place(r, i, d);
    int64_t at[RO_RANK_MAX];
    (void)out;
    if (k == d) return 0;
    ro_unflatten(&r->in[1], i, at);
    at[axis] = (int64_t)k;
    return ro_read_bits(r, 0, ro_flatten(x, at));
}
#else
/* One update. The accumulator is a number, or with reduction 0 stored bits. */
RO_FN uint64_t RO_N(ro_scatter_fold)(const ro_reader *r, uint32_t reduction, uint64_t u,
                                     uint64_t acc)
{
    if (reduction == 0) return ro_read_bits(r, 2, u);
    RO_T a = FROM_BITS(acc), b = READ(r, 2, u);
    switch (reduction) {
    case 1: return TO_BITS(ADD(a, b));
    case 2: return TO_BITS(MUL(a, b));
    case 3: return TO_BITS(ORDER(b) > ORDER(a) ? b : a);
    default: break;
    }
#if RO_IS_FLOAT
    if (a != a || b != b) return TO_BITS(a != a ? a : b);
#endif
    return TO_BITS(ORDER(b) < ORDER(a) ? b : a);
}
RO_FN uint64_t RO_N(ro_scatter_begin)(const ro_reader *r, uint32_t reduction, uint64_t i)
{
    return reduction ? TO_BITS(READ(r, 0, i)) : ro_read_bits(r, 0, i);
}
RO_FN uint64_t RO_N(ro_scatter_end)(const ro_reader *r, uint32_t reduction, uint64_t acc)
{
    return reduction ? OUT(r, 0, FROM_BITS(acc)) : acc;
}
#define RO_SCATTER(op)                                                                         \
    RO_FN uint64_t RO_N(ro_##op##_start)(RO_AT_ARGS)                                           \
    {                                                                                          \
        (void)out;                                                                             \
        return RO_N(ro_scatter_begin)(r, ((const ro_##op##_attrs *)attrs)->reduction, i);      \
    }                                                                                          \
    RO_FN uint64_t RO_N(ro_##op##_finish)(RO_AT_ARGS, uint64_t acc)                            \
    {                                                                                          \
        (void)out, (void)i;                                                                    \
        return RO_N(ro_scatter_end)(r, ((const ro_##op##_attrs *)attrs)->reduction, acc);      \
    }                                                                                          \
    RO_CHAIN_BODY(op, 0)
RO_FN uint64_t RO_N(ro_ScatterElements_count)(RO_AT_ARGS)
{
    const ro_ScatterElements_attrs *t = (const ro_ScatterElements_attrs *)attrs;
    (void)out;
    return ro_scatter_line_of(r, ro_axis(t->axis, r->in[0].rank), i).n;
}
RO_FN uint64_t RO_N(ro_ScatterElements_step)(RO_AT_ARGS, uint64_t p, uint64_t acc)
{
    const ro_ScatterElements_attrs *t = (const ro_ScatterElements_attrs *)attrs;
    uint32_t axis = ro_axis(t->axis, r->in[0].rank);
    ro_scatter_line l = ro_scatter_line_of(r, axis, i);
    uint64_t q = l.first + p * l.step;
    (void)out;
    if (ro_scatter_place(r, q, (uint64_t)r->in[0].dims[axis]) != l.own) return acc;
    return RO_N(ro_scatter_fold)(r, t->reduction, q, acc);
}
RO_SCATTER(ScatterElements)
RO_FN uint64_t RO_N(ro_ScatterRows_count)(RO_AT_ARGS)
{
    (void)attrs, (void)out, (void)i;
    return ro_elements(&r->in[1]);
}
RO_FN uint64_t RO_N(ro_ScatterRows_step)(RO_AT_ARGS, uint64_t p, uint64_t acc)
{
    const ro_ScatterRows_attrs *t = (const ro_ScatterRows_attrs *)attrs;
    const ro_type *x = &r->in[0];
    uint64_t inner = ro_span(x, 1, x->rank);
    (void)out;
    if (ro_scatter_place(r, p, (uint64_t)x->dims[0]) != i / inner) return acc;
    return RO_N(ro_scatter_fold)(r, t->reduction, p * inner + i % inner, acc);
}
RO_SCATTER(ScatterRows)
#undef RO_SCATTER
#endif
#elif defined(RO_PASS_HOST)
static ro_status ro_scatter_axis(const ro_type *x, const ro_type *q, int64_t axis, ro_err *err)
{
    RO_TRY(ro_check_axis(axis, x->rank, err));
    if (q->rank != x->rank)
        return RO_FAIL(err, RO_ESHAPE, "indices of %u axes go into a tensor of %u; both must have "
                       "as many", q->rank, x->rank);
    for (uint32_t a = 0; a < x->rank; a++)
        if (a != ro_axis(axis, x->rank) && q->dims[a] > x->dims[a])
            return RO_FAIL(err, RO_ESHAPE, "axis %u has %lld indices for %lld positions", a,
                           (long long)q->dims[a], (long long)x->dims[a]);
    return RO_OK;
}
static ro_status ro_scatter_reduction(const ro_type *x, uint32_t reduction, ro_err *err)
{
    if (reduction > 4)
        return RO_FAIL(err, RO_EATTR, "reduction is %u; 0 to 4 are allowed", reduction);
    if (reduction && x->dtype == RO_BOOL)
        return RO_FAIL(err, RO_ETYPE, "a scatter of bools has reduction %u; 0 is allowed",
                       reduction);
    return RO_OK;
}
RO_INFER(GatherElements)
{
    (void)n_in, (void)n_out;
    RO_TRY(ro_scatter_axis(&in[0], &in[1], ((const ro_GatherElements_attrs *)attrs)->axis, err));
    *out = in[1];
    out->dtype = in[0].dtype;
    return RO_OK;
}
RO_INFER(ScatterElements)
{
    const ro_ScatterElements_attrs *t = attrs;
    (void)n_in, (void)n_out;
    RO_TRY(ro_scatter_axis(&in[0], &in[1], t->axis, err));
    RO_TRY(ro_scatter_reduction(&in[0], t->reduction, err));
    RO_TRY(ro_check_shapes(&in[2], "updates", &in[1], "indices", err));
    *out = in[0];
    return RO_OK;
}
RO_INFER(ScatterRows)
{
    const ro_type *x = &in[0], *q = &in[1];
    ro_type u = *q;
    (void)n_in, (void)n_out;
    RO_TRY(ro_scatter_reduction(x, ((const ro_ScatterRows_attrs *)attrs)->reduction, err));
    if (x->rank == 0 || q->rank + x->rank - 1 > RO_RANK_MAX)
        return RO_FAIL(err, RO_ESHAPE, "ScatterRows has data of %u axes and indices of %u", x->rank,
                       q->rank);
    for (uint32_t a = 1; a < x->rank; a++) u.dims[u.rank++] = x->dims[a];
    RO_TRY(ro_check_shapes(&in[2], "updates", &u, "rows by indices", err));
    *out = *x;
    return RO_OK;
}
RO_READS(ScatterElements)
{
    const ro_ScatterElements_attrs *t = attrs;
    (void)n_in, (void)out;
    return input == 0 ? 1 : (uint64_t)in[1].dims[ro_axis(t->axis, in[0].rank)];
}
RO_FLOPS(ScatterElements) { return ro_ScatterElements_reads(attrs, in, n_in, out, 1); }
RO_READS(ScatterRows)
{
    (void)attrs, (void)n_in, (void)out;
    return input == 0 ? 1 : ro_elements(&in[1]);
}
RO_FLOPS(ScatterRows) { return ro_ScatterRows_reads(attrs, in, n_in, out, 1); }
RO_GRAD(GatherElements)
{
    ro_ScatterElements_attrs t = {0};
    ro_value in[3] = {RO_NO_VALUE, node->in[1], dy[0]};
    t.axis = ((const ro_GatherElements_attrs *)node->attrs)->axis;
    t.reduction = 1;
    RO_TRY(ro_emit_fill(g, ro_graph_type(g, node->in[0]), 0, &in[0], err));
    return ro_emit(g, RO_OP_ScatterElements, &t, in, 3, &dx[0], err);
}
/* Of data: dy, without the places that were overwritten. */
static ro_status ro_scatter_data_grad(ro_graph *g, const ro_node *node, uint32_t reduction,
                                      const ro_value *dy, ro_value *dx, ro_err *err)
{
    ro_value in[3] = {dy[0], node->in[1], RO_NO_VALUE};
    dx[0] = dy[0];
    if (reduction > 1)
        return RO_FAIL(err, RO_EOP, "%s has a gradient with reduction 0 or 1 only; this one has %u",
                       ro_ops[node->op].name, reduction);
    if (reduction) return RO_OK;
    RO_TRY(ro_emit_fill(g, ro_graph_type(g, node->in[2]), 0, &in[2], err));
    return ro_emit(g, node->op, node->attrs, in, 3, &dx[0], err);
}
/* A tensor of numbers 1, 2, .. along an axis. */
static ro_status ro_emit_numbers(ro_graph *g, const ro_type *like, int64_t axis, ro_value *out,
                                 ro_err *err)
{
    const ro_type t = ro_type_of(RO_I64, like->rank, like->dims);
    ro_CumSum_attrs sum = {0};
    sum.axis = axis;
    RO_TRY(ro_emit_fill(g, &t, 1, out, err));
    return ro_emit1(g, RO_OP_CumSum, &sum, *out, out, err);
}
/* Numbers are scattered into places and gathered again: dx stays where its own came back. */
static ro_status ro_scatter_winners(ro_graph *g, const ro_node *node, const ro_type *places,
                                    ro_op back, const void *back_attrs, ro_value numbers,
                                    ro_value *dx, ro_err *err)
{
    const ro_type dy = *ro_graph_type(g, *dx);
    ro_type same = *ro_graph_type(g, node->in[1]);
    ro_value in[3] = {RO_NO_VALUE, node->in[1], numbers}, won, pick[3];
    RO_TRY(ro_emit_fill(g, places, 0, &in[0], err));
    RO_TRY(ro_emit(g, node->op, node->attrs, in, 3, &won, err));
    RO_TRY(ro_emit2(g, back, back_attrs, won, node->in[1], &won, err));
    RO_TRY(ro_emit2(g, RO_OP_Equal, NULL, won, numbers, &won, err));
    while (same.rank < dy.rank) same.dims[same.rank++] = 1;
    RO_TRY(ro_emit_reshape(g, won, &same, &pick[0], err));
    pick[1] = *dx;
    RO_TRY(ro_emit_scalar(g, dy.dtype, 0, &pick[2], err));
    return ro_emit(g, RO_OP_Where, NULL, pick, 3, dx, err);
}
RO_GRAD(ScatterElements)
{
    const ro_ScatterElements_attrs *t = node->attrs;
    ro_GatherElements_attrs back = {0};
    ro_value numbers;
    back.axis = t->axis;
    RO_TRY(ro_scatter_data_grad(g, node, t->reduction, dy, dx, err));
    RO_TRY(ro_emit2(g, RO_OP_GatherElements, &back, dy[0], node->in[1], &dx[2], err));
    if (t->reduction) return RO_OK;
    ro_type places = *ro_graph_type(g, node->in[0]);
    places.dtype = RO_I64;
    RO_TRY(ro_emit_numbers(g, ro_graph_type(g, node->in[1]), t->axis, &numbers, err));
    return ro_scatter_winners(g, node, &places, RO_OP_GatherElements, &back, numbers, &dx[2], err);
}
RO_GRAD(ScatterRows)
{
    const ro_ScatterRows_attrs *t = node->attrs;
    ro_Gather_attrs rows = {0};
    ro_value numbers;
    RO_TRY(ro_scatter_data_grad(g, node, t->reduction, dy, dx, err));
    RO_TRY(ro_emit2(g, RO_OP_Gather, &rows, dy[0], node->in[1], &dx[2], err));
    if (t->reduction) return RO_OK;
    const ro_type q = *ro_graph_type(g, node->in[1]);
    const int64_t all = (int64_t)ro_type_elements(&q);
    const ro_type list = ro_type_of(RO_I64, 1, &all);
    const ro_type places = ro_type_of(RO_I64, 1, ro_graph_type(g, node->in[0])->dims);
    RO_TRY(ro_emit_numbers(g, &list, 0, &numbers, err));
    RO_TRY(ro_emit_reshape(g, numbers, &q, &numbers, err));
    return ro_scatter_winners(g, node, &places, RO_OP_Gather, &rows, numbers, &dx[2], err);
}
#elif defined(RO_OP)
RO_OP(GatherElements, MOVE, .version = 1, .signature = "A x, I indices -> A y",
      .at = RO_AT_BITS(GatherElements), .infer = ro_GatherElements_infer, .flops = ro_flops_0,
      .reads = ro_reads_1, .grad = ro_GatherElements_grad)
RO_OP(ScatterElements, AT, .version = 1, .signature = "A data, I indices, A updates -> A y",
      .at = RO_AT_ALL(ScatterElements), .explain = RO_EXPLAIN_ALL(ScatterElements),
      .infer = ro_ScatterElements_infer, .flops = ro_ScatterElements_flops,
      .reads = ro_ScatterElements_reads, .grad = ro_ScatterElements_grad)
RO_OP(ScatterRows, AT, .version = 1, .signature = "A data, I indices, A updates -> A y",
      .at = RO_AT_ALL(ScatterRows), .explain = RO_EXPLAIN_ALL(ScatterRows),
      .infer = ro_ScatterRows_infer, .flops = ro_ScatterRows_flops, .reads = ro_ScatterRows_reads,
      .grad = ro_ScatterRows_grad)
#endif
