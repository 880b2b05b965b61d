/* MatMul - matrix product, numpy's semantics.
 *   N a (..., M, K), N b (..., K, N); leading axes broadcast; rank 1 is promoted as numpy does
 *   ->   N y (..., M, N)
 *   y = sum over k of a[m, k] b[k, n] in blocks of 256 and groups of 4,096 (rule 27)
 *   gradients  dy bT and aT dy; where a's leading axes meet a rank-2 b, db is one product with
 *              K = all leading indices row-major (rule 29), else per batch, then ReduceSum
 *   errors  RO_ESHAPE when K differs, a rank is 0 or the leading axes do not broadcast
 *   cost    2 K flops an element      source  ONNX MatMul-13                              */
#if defined(RO_PASS_ATTRS)
#define RO_MatMul_ATTRS(F)
RO_ATTRS(MatMul);
/* Where row m of a, or column n of b, begins for output element i, and the stride along K. */
typedef struct { uint64_t a, b, a_stride, b_stride; } ro_matmul_at;
RO_FN ro_matmul_at ro_matmul_locate(const ro_reader *r, uint64_t i)
{
    const ro_type *a = &r->in[0], *b = &r->in[1];
    ro_matmul_at at;
    uint64_t k = (uint64_t)a->dims[a->rank - 1];
    uint64_t n = b->rank > 1 ? (uint64_t)b->dims[b->rank - 1] : 1;
    uint64_t m = a->rank > 1 ? (uint64_t)a->dims[a->rank - 2] : 1;
    uint64_t col = i % n, row = i / n % m, batch = i / n / m;
    uint64_t ja = 0, jb = 0, sa = 1, sb = 1;
    uint32_t ra = a->rank > 2 ? a->rank - 2 : 0, rb = b->rank > 2 ? b->rank - 2 : 0;
    for (uint32_t x = 0; x < ra || x < rb; x++) {
        uint64_t da = x < ra ? (uint64_t)a->dims[ra - 1 - x] : 1;
        uint64_t db = x < rb ? (uint64_t)b->dims[rb - 1 - x] : 1;
        uint64_t d = da == 1 ? db : da, p = d ? batch % d : 0;
        batch = d ? batch / d : 0;
        if (da != 1) ja += p * sa;
        if (db != 1) jb += p * sb;
        sa *= da;
        sb *= db;
    }
    at.a = (ja * m + row) * k;
    at.b = jb * k * n + col;
    at.a_stride = 1;
    at.b_stride = n;
    return at;
}
#elif defined(RO_PASS_BODY)
#if !RO_IS_BITS
RO_FN int RO_N(ro_MatMul_term)(const ro_reader *r, const void *attrs, uint64_t i, uint64_t k,
                               RO_T *a, RO_T *b)
{
    ro_matmul_at at = ro_matmul_locate(r, i);
    (void)attrs;
    *a = READ(r, 0, at.a + k * at.a_stride);
    *b = READ(r, 1, at.b + k * at.b_stride);
    return 1;
}
RO_FN uint64_t RO_N(ro_MatMul_terms)(const ro_reader *r, const void *attrs, uint64_t i)
{
    (void)attrs;
    (void)i;
    return (uint64_t)r->in[0].dims[r->in[0].rank - 1];
}
RO_FN RO_T RO_N(ro_MatMul_finish)(const ro_reader *r, const void *attrs, uint64_t i, RO_T s)
{
    (void)r;
    (void)attrs;
    (void)i;
    return s;
}
RO_CONTRACT_BODY(MatMul)
#endif
#elif defined(RO_PASS_HOST)
RO_INFER(MatMul)
{
    const ro_type *a = &in[0], *b = &in[1];
    ro_type ba = *a, bb = *b, y;
    (void)attrs;
    (void)n_in;
    (void)n_out;
    if (a->rank == 0 || b->rank == 0)
        return RO_FAIL(err, RO_ESHAPE, "MatMul takes tensors of rank 1 or more, not scalars");
    int64_t ka = a->dims[a->rank - 1], kb = b->dims[b->rank > 1 ? b->rank - 2 : 0];
    if (ka != kb)
        return RO_FAIL(err, RO_ESHAPE, "MatMul multiplies K = %lld by K = %lld; they must be equal",
                       (long long)ka, (long long)kb);
    ba.rank = a->rank > 2 ? a->rank - 2 : 0;
    bb.rank = b->rank > 2 ? b->rank - 2 : 0;
    RO_TRY(ro_broadcast(&ba, &bb, &y, err));
    if (y.rank + (a->rank > 1) + (b->rank > 1) > RO_RANK_MAX)
        return RO_FAIL(err, RO_ESHAPE, "MatMul's result has more than %u axes", RO_RANK_MAX);
    if (a->rank > 1) y.dims[y.rank++] = a->dims[a->rank - 2];
    if (b->rank > 1) y.dims[y.rank++] = b->dims[b->rank - 1];
    *out = y;
    return RO_OK;
}
RO_FLOPS(MatMul)
{
    (void)attrs;
    (void)n_in;
    (void)out;
    return ro_saturating_mul(2, (uint64_t)in[0].dims[in[0].rank - 1]);
}
RO_READS(MatMul)
{
    (void)attrs;
    (void)n_in;
    (void)out;
    (void)input;
    return (uint64_t)in[0].dims[in[0].rank - 1];
}
/* Swap the last two axes. */
static ro_status ro_matmul_transpose(ro_graph *g, ro_value v, ro_value *out, ro_err *err)
{
    uint32_t rank = ro_graph_type(g, v)->rank;
    ro_Transpose_attrs t = {0};
    t.perm.n = rank;
    for (uint32_t a = 0; a < rank; a++) t.perm.v[a] = a;
    t.perm.v[rank - 1] = rank - 2;
    t.perm.v[rank - 2] = rank - 1;
    return ro_emit1(g, RO_OP_Transpose, &t, v, out, err);
}
/* A value seen as a matrix of its last axis and everything before it. */
static ro_status ro_matmul_flat(ro_graph *g, ro_value v, ro_value *out, ro_err *err)
{
    ro_type t = *ro_graph_type(g, v), m = t;
    m.rank = 2;
    m.dims[0] = 1;
    for (uint32_t a = 0; a + 1 < t.rank; a++) m.dims[0] *= t.dims[a];
    m.dims[1] = t.dims[t.rank - 1];
    return ro_emit_reshape(g, v, &m, out, err);
}
RO_GRAD(MatMul)
{
    ro_value a = node->in[0], b = node->in[1], y = dy[0], t, d;
    ro_type ta = *ro_graph_type(g, a), tb = *ro_graph_type(g, b), ty;
    if (ta.rank == 1 || tb.rank == 1) { /* promote, so that one rule serves */
        ro_type pa = ta, pb = tb;
        if (ta.rank == 1) pa = ro_type_of(ta.dtype, 2, (int64_t[]){1, ta.dims[0]});
        if (tb.rank == 1) pb = ro_type_of(tb.dtype, 2, (int64_t[]){tb.dims[0], 1});
        RO_TRY(ro_emit_reshape(g, a, &pa, &a, err));
        RO_TRY(ro_emit_reshape(g, b, &pb, &b, err));
        ro_type two[2] = {pa, pb};
        RO_TRY(ro_MatMul_infer(NULL, two, 2, &ty, 1, err));
        RO_TRY(ro_emit_reshape(g, y, &ty, &y, err));
    }
    RO_TRY(ro_matmul_transpose(g, b, &t, err));
    RO_TRY(ro_emit2(g, RO_OP_MatMul, NULL, y, t, &d, err));
    RO_TRY(ro_emit_unbroadcast(g, d, a, &d, err));
    RO_TRY(ro_emit_reshape(g, d, &ta, &dx[0], err));
    if (ro_graph_type(g, b)->rank == 2) {
        ro_value fa, fy;
        RO_TRY(ro_matmul_flat(g, a, &fa, err));
        RO_TRY(ro_matmul_flat(g, y, &fy, err));
        RO_TRY(ro_matmul_transpose(g, fa, &t, err));
        RO_TRY(ro_emit2(g, RO_OP_MatMul, NULL, t, fy, &d, err));
    } else {
        RO_TRY(ro_matmul_transpose(g, a, &t, err));
        RO_TRY(ro_emit2(g, RO_OP_MatMul, NULL, t, y, &d, err));
        RO_TRY(ro_emit_unbroadcast(g, d, b, &d, err));
    }
    return ro_emit_reshape(g, d, &tb, &dx[1], err);
}
#elif defined(RO_OP)
RO_OP(MatMul, CONTRACT, .version = 1, .signature = "N a, N b -> N y", .at = RO_AT_ALL(MatMul),
      .explain = RO_EXPLAIN_ALL(MatMul), .infer = ro_MatMul_infer,
      .flops = ro_MatMul_flops, .reads = ro_MatMul_reads, .grad = ro_MatMul_grad)
#endif
