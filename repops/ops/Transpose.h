/* Transpose - the axes in another order; bits are kept.
 *   A x; ints perm   ->   A y
 *   y[i0, i1, ...] = x at the index whose axis perm[a] is i_a; axis a of y has the size of axis
 *       perm[a] of x
 *   gradient  Transpose by the inverse order
 *   errors  RO_EATTR unless perm is a permutation of 0 .. rank - 1
 *   cost    0 flops      source  ONNX Transpose-13, perm always given                       */
#if defined(RO_PASS_ATTRS)
#define RO_Transpose_ATTRS(F) F(ints, perm)
RO_ATTRS(Transpose);
#elif defined(RO_PASS_BODY)
#if RO_IS_BITS
RO_AT(Transpose)
{
    const ro_Transpose_attrs *t = (const ro_Transpose_attrs *)attrs;
    int64_t at[RO_RANK_MAX], from[RO_RANK_MAX];
    (void)out;
    ro_unflatten(&r->out[0], i, at);
    for (uint32_t a = 0; a < r->out[0].rank; a++) from[t->perm.v[a]] = at[a];
    return ro_read_bits(r, 0, ro_flatten(&r->in[0], from));
}
#endif
#elif defined(RO_PASS_HOST)
RO_INFER(Transpose)
{
    const ro_ints *perm = &((const ro_Transpose_attrs *)attrs)->perm;
    uint32_t seen = 0;
    (void)n_in, (void)n_out;
    if (perm->n != in[0].rank)
        return RO_FAIL(err, RO_EATTR, "perm has %u numbers; the tensor has %u axes", perm->n,
                       in[0].rank);
    out[0] = in[0];
    for (uint32_t a = 0; a < perm->n; a++) {
        int64_t p = perm->v[a];
        if (p < 0 || p >= (int64_t)perm->n || (seen >> p & 1))
            return RO_FAIL(err, RO_EATTR, "perm[%u] is %lld; perm must list 0 to %u once each", a,
                           (long long)p, perm->n - 1);
        seen |= 1u << p;
        out[0].dims[a] = in[0].dims[p];
    }
    return RO_OK;
}
RO_GRAD(Transpose)
{
    const ro_ints *perm = &((const ro_Transpose_attrs *)node->attrs)->perm;
    ro_Transpose_attrs t = {0};
    t.perm.n = perm->n;
    for (uint32_t a = 0; a < perm->n; a++) t.perm.v[perm->v[a]] = a;
    return ro_emit1(g, RO_OP_Transpose, &t, dy[0], &dx[0], err);
}
#elif defined(RO_OP)
RO_OP(Transpose, MOVE, .version = 1, .signature = "A x -> A y", .at = RO_AT_BITS(Transpose),
      .infer = ro_Transpose_infer, .flops = ro_flops_0, .reads = ro_reads_1,
      .grad = ro_Transpose_grad)
#endif
