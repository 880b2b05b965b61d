/* Gemm - general matrix product: y = alpha op(a) op(b) + beta c.
 *   F a (M, K) or, with transA, (K, M); F b (K, N) or, with transB, (N, K); F c? broadcast to
 *   (M, N); u32 transA, u32 transB, f32 alpha, f32 beta   ->   F y (M, N)
 *   y = add(mul(alpha, s), mul(beta, c)), s in blocks of 256 and groups of 4,096 (rules 27, 28);
 *       literally so at beta = 0; without c: mul(alpha, s)
 *   gradients  da, db: Gemm with the same alpha; dc: rule 43, then mul by beta unless it is 1
 *   errors  RO_ESHAPE when a rank is not 2, K differs or c does not broadcast to (M, N)
 *   cost    2 K flops an element      source  ONNX Gemm-13                                */
#if defined(RO_PASS_ATTRS)
#define RO_Gemm_ATTRS(F) F(u32, transA) F(u32, transB) F(f32, alpha) F(f32, beta)
RO_ATTRS(Gemm);
#elif defined(RO_PASS_BODY)
#if RO_IS_FLOAT
RO_FN uint64_t RO_N(ro_Gemm_terms)(const ro_reader *r, const void *attrs, uint64_t i)
{
    const ro_Gemm_attrs *t = (const ro_Gemm_attrs *)attrs;
    (void)i;
    return (uint64_t)r->in[0].dims[t->transA ? 0 : 1];
}
RO_FN int RO_N(ro_Gemm_term)(const ro_reader *r, const void *attrs, uint64_t i, uint64_t k,
                             RO_T *a, RO_T *b)
{
    const ro_Gemm_attrs *t = (const ro_Gemm_attrs *)attrs;
    uint64_t M = (uint64_t)r->out[0].dims[0], N = (uint64_t)r->out[0].dims[1];
    uint64_t K = RO_N(ro_Gemm_terms)(r, attrs, i), m = i / N, n = i % N;
    *a = READ(r, 0, t->transA ? k * M + m : m * K + k);
    *b = READ(r, 1, t->transB ? n * K + k : k * N + n);
    return 1;
}
RO_FN RO_T RO_N(ro_Gemm_finish)(const ro_reader *r, const void *attrs, uint64_t i, RO_T s)
{
    const ro_Gemm_attrs *t = (const ro_Gemm_attrs *)attrs;
    s = MUL((RO_T)t->alpha, s);
    if (!ro_has(r, 2)) return s;
    RO_T c = READ(r, 2, ro_broadcast_index(&r->out[0], &r->in[2], i));
    return ADD(s, MUL((RO_T)t->beta, c));
}
RO_CONTRACT_BODY(Gemm)
#endif
#elif defined(RO_PASS_HOST)
RO_INFER(Gemm)
{
    const ro_Gemm_attrs *t = attrs;
    const ro_type *a = &in[0], *b = &in[1];
    (void)n_out;
    RO_TRY(ro_check_flag(t->transA, "transA", err));
    RO_TRY(ro_check_flag(t->transB, "transB", err));
    RO_TRY(ro_check_finite((double)t->alpha, "alpha", err));
    RO_TRY(ro_check_finite((double)t->beta, "beta", err));
    if (a->rank != 2 || b->rank != 2)
        return RO_FAIL(err, RO_ESHAPE, "Gemm multiplies ranks %u and %u; both must be 2", a->rank,
                       b->rank);
    int64_t m = a->dims[t->transA ? 1 : 0], ka = a->dims[t->transA ? 0 : 1];
    int64_t n = b->dims[t->transB ? 0 : 1], kb = b->dims[t->transB ? 1 : 0];
    if (ka != kb)
        return RO_FAIL(err, RO_ESHAPE, "Gemm multiplies K = %lld by K = %lld; they must be equal",
                       (long long)ka, (long long)kb);
    *out = *a;
    out->dims[0] = m;
    out->dims[1] = n;
    if (!ro_given(in, n_in, 2)) return RO_OK;
    const ro_type *c = &in[2];
    char text[96];
    for (uint32_t x = 0; x < c->rank; x++)
        if (c->rank > 2 || (c->dims[c->rank - 1 - x] != 1 &&
                            c->dims[c->rank - 1 - x] != out->dims[1 - x]))
            return RO_FAIL(err, RO_ESHAPE, "Gemm's c is %s; it must broadcast to [%lld,%lld]",
                           ro_type_text(c, text, sizeof text), (long long)m, (long long)n);
    return RO_OK;
}
static uint64_t ro_gemm_k(const void *attrs, const ro_type *in)
{
    return (uint64_t)in[0].dims[((const ro_Gemm_attrs *)attrs)->transA ? 0 : 1];
}
RO_FLOPS(Gemm)
{
    (void)n_in, (void)out;
    return ro_saturating_add(ro_saturating_mul(2, ro_gemm_k(attrs, in)), 3);
}
RO_READS(Gemm)
{
    (void)n_in, (void)out;
    return input < 2 ? ro_gemm_k(attrs, in) : 1;
}
RO_GRAD(Gemm)
{
    const ro_Gemm_attrs *t = node->attrs;
    ro_value a = node->in[0], b = node->in[1];
    ro_Gemm_attrs da = {.alpha = t->alpha, .beta = 1}, db = da;
    if (t->transA) {
        da.transA = t->transB;
        da.transB = 1;
        RO_TRY(ro_emit2(g, RO_OP_Gemm, &da, b, dy[0], &dx[0], err));
    } else {
        da.transB = !t->transB;
        RO_TRY(ro_emit2(g, RO_OP_Gemm, &da, dy[0], b, &dx[0], err));
    }
    if (t->transB) {
        db.transA = 1;
        db.transB = t->transA;
        RO_TRY(ro_emit2(g, RO_OP_Gemm, &db, dy[0], a, &dx[1], err));
    } else {
        db.transA = !t->transA;
        RO_TRY(ro_emit2(g, RO_OP_Gemm, &db, a, dy[0], &dx[1], err));
    }
    if (node->inputs < 3 || node->in[2] == RO_NO_VALUE) return RO_OK;
    RO_TRY(ro_emit_unbroadcast(g, dy[0], node->in[2], &dx[2], err));
    if (ro_f32_bits(t->beta) == ro_f32_bits(1.0f)) return RO_OK;
    ro_value beta;
    RO_TRY(ro_emit_scalar(g, ro_graph_type(g, a)->dtype, (double)t->beta, &beta, err));
    return ro_emit2(g, RO_OP_Mul, NULL, dx[2], beta, &dx[2], err);
}
#elif defined(RO_OP)
RO_OP(Gemm, CONTRACT, .version = 1, .signature = "F a, F b, F c? -> F y", .at = RO_AT_FLOAT(Gemm),
      .explain = RO_EXPLAIN_FLOAT(Gemm), .infer = ro_Gemm_infer, .flops = ro_Gemm_flops,
      .reads = ro_Gemm_reads, .grad = ro_Gemm_grad)
#endif
