/* Dropout - elements dropped by chance, the others scaled.
 *   H x, i64 step (scalar); u64 seed, u32 stream, u32 threshold, f32 scale   ->   H y
 *   w = word(i) as in ops/Random.h, i the flat index; y = w >= threshold ? mul(x, scale) : +0,
 *       even where a dropped x is NaN (rule 17). Whoever builds computes threshold =
 *       min(2^32 - 1, round(ratio 2^32)) and scale = 1 / (1 - ratio) rounded once
 *   gradient  the same operator on dy: seed, step and stream are the same
 *   errors  RO_ESHAPE step is no scalar
 *   cost    about 100 flops an element      source  definition (ONNX Dropout-13 leaves the
 *           generator open)                                                               */
#if defined(RO_PASS_ATTRS)
#define RO_Dropout_ATTRS(F) F(u64, seed) F(u32, stream) F(u32, threshold) F(f32, scale)
RO_ATTRS(Dropout);
#elif defined(RO_PASS_BODY)
#if RO_IS_F32
RO_AT(Dropout)
{
    const ro_Dropout_attrs *t = (const ro_Dropout_attrs *)attrs;
    uint32_t word[4];
    float x = ro_read_f32(r, 0, i);
    ro_random_block(t->seed, t->stream, ro_read_i64(r, 1, 0), i, word);
    return ro_out_f32(r, out, word[i % 4] >= t->threshold ? ro_mul_f32(x, t->scale) : 0.0f);
}
#endif
#elif defined(RO_PASS_HOST)
RO_INFER(Dropout)
{
    RO_TRY(ro_check_scalar(&in[1], "step", err));
    return ro_infer_same(attrs, in, n_in, out, n_out, err);
}
RO_GRAD(Dropout)
{
    return ro_emit2(g, RO_OP_Dropout, node->attrs, dy[0], node->in[1], &dx[0], err);
}
#elif defined(RO_OP)
RO_OP(Dropout, AT, .version = 1, .signature = "H x, i64 step -> H y",
      .at = RO_AT_F32(Dropout), .infer = ro_Dropout_infer, .flops = ro_random_flops,
      .reads = ro_reads_1, .grad = ro_Dropout_grad)
#endif
