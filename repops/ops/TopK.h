/* TopK - the greatest or least elements along an axis, in order.
 *   N x, i64 axis, i64 k, u32 largest   ->   N values, i64 indices? (as x, the axis of size k)
 *   Element j is the j-th of its line in the total order (rule 9), greatest first, or with
 *       largest = 0 least first; NaN is above +inf either way. Equal ones come by ascending index
 *   indices    where it is on the axis
 *   gradient   dy at the indices, else +0
 *   A line has at most RO_TOPK_LINE_MAX elements: an element reads all of them, perhaps each in a
 *       chunk of its own, and has no explanation
 *   errors  RO_ELIMIT a longer line; RO_EATTR when the axis is out of range, k not in [0, size of
 *           the axis], or largest not 0 or 1
 *   cost    66 flops an element of the line, shared by its k results     source  ONNX TopK-11
 *
 * A body finds the bits of the j-th key from the highest on, by counting the keys that are not
 * less: so an element reads its line some 33 or 65 times, and none needs room. */
#if defined(RO_PASS_ATTRS)
#define RO_TopK_ATTRS(F) F(i64, axis) F(i64, k) F(u32, largest)
RO_ATTRS(TopK);
#elif defined(RO_PASS_BODY)
#if !RO_IS_BITS
/* Greater for what comes first. */
RO_FN uint64_t RO_N(ro_topk_key)(uint32_t largest, RO_T x)
{
#if RO_IS_F32
    uint64_t key = (uint32_t)ORDER(x) ^ 0x80000000u;
    return largest ? key : 0xffffffffu - key;
#elif RO_IS_U64
    return largest ? x : ~x;
#else
    uint64_t key = (uint64_t)ORDER(x) ^ UINT64_C(1) << 63;
    return largest ? key : ~key;
#endif
}
RO_AT(TopK)
{
    const ro_TopK_attrs *t = (const ro_TopK_attrs *)attrs;
    const ro_type *x = &r->in[0];
    uint32_t axis = ro_axis(t->axis, x->rank);
    uint64_t n = (uint64_t)x->dims[axis], inner = ro_span(x, axis + 1, x->rank);
    uint64_t k = (uint64_t)t->k, j = i / inner % k, found = 0, key = 0, above = 0;
    uint64_t base = i / inner / k * n * inner + i % inner;
    for (uint64_t bit = RO_IS_F32 ? UINT64_C(1) << 31 : UINT64_C(1) << 63; bit; bit >>= 1) {
        uint64_t count = 0;
        for (uint64_t p = 0; p < n; p++)
            count += RO_N(ro_topk_key)(t->largest, READ(r, 0, base + p * inner)) >= (key | bit);
        if (count > j) key |= bit;
    }
    for (uint64_t p = 0; p < n; p++)
        above += RO_N(ro_topk_key)(t->largest, READ(r, 0, base + p * inner)) > key;
    for (uint64_t p = 0, equal = 0; p < n; p++) {
        if (RO_N(ro_topk_key)(t->largest, READ(r, 0, base + p * inner)) != key) continue;
        if (above + equal++ <= j) found = p;
    }
    return out ? ro_out_u64(r, out, found) : OUT(r, out, READ(r, 0, base + found * inner));
}
#endif
#elif defined(RO_PASS_HOST)
RO_INFER(TopK)
{
    const ro_TopK_attrs *t = attrs;
    (void)n_in;
    RO_TRY(ro_check_axis(t->axis, in[0].rank, err));
    RO_TRY(ro_check_flag(t->largest, "largest", err));
    uint32_t axis = ro_axis(t->axis, in[0].rank);
    if (t->k < 0 || t->k > in[0].dims[axis])
        return RO_FAIL(err, RO_EATTR, "TopK takes %lld of %lld positions; 0 to all are allowed",
                       (long long)t->k, (long long)in[0].dims[axis]);
    if (in[0].dims[axis] > RO_TOPK_LINE_MAX)
        return RO_FAIL(err, RO_ELIMIT, "TopK orders lines of %lld elements; at most %d are allowed",
                       (long long)in[0].dims[axis], RO_TOPK_LINE_MAX);
    out[0] = in[0];
    out[0].dims[axis] = t->k;
    if (n_out > 1) out[1] = ro_type_of(RO_I64, out[0].rank, out[0].dims);
    return RO_OK;
}
RO_READS(TopK)
{
    (void)n_in, (void)out, (void)input;
    return (uint64_t)in[0].dims[ro_axis(((const ro_TopK_attrs *)attrs)->axis, in[0].rank)];
}
RO_FLOPS(TopK) { return ro_saturating_mul(66, ro_TopK_reads(attrs, in, n_in, out, 0)); }
static uint64_t ro_topk_shared(RO_FLOPS_ARGS)
{
    (void)in, (void)n_in, (void)out;
    return (uint64_t)((const ro_TopK_attrs *)attrs)->k;
}
RO_GRAD(TopK)
{
    const ro_TopK_attrs *t = node->attrs;
    ro_ScatterElements_attrs to = {0};
    ro_value in[3] = {RO_NO_VALUE, node->first_output + 1, dy[0]}, again;
    to.axis = t->axis;
    if (node->outputs < 2) {
        const ro_value x = node->in[0];
        RO_TRY(ro_graph_node(g, RO_OP_TopK, node->attrs, &x, 1, 2, &again, err));
        in[1] = again + 1;
    }
    RO_TRY(ro_emit_fill(g, ro_graph_type(g, node->in[0]), 0, &in[0], err));
    return ro_emit(g, RO_OP_ScatterElements, &to, in, 3, &dx[0], err);
}
#elif defined(RO_OP)
RO_OP(TopK, AT, .version = 1, .signature = "N x -> N values, i64 indices?", .at = RO_AT_ALL(TopK),
      .infer = ro_TopK_infer, .flops = ro_TopK_flops, .shared = ro_topk_shared,
      .reads = ro_TopK_reads, .grad = ro_TopK_grad)
#endif
