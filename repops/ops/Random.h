/* RandomUniform, RandomNormal - random numbers drawn by position, step and stream.
 *   i64 step (scalar); u64 seed, u32 stream, ..., ints shape   ->   f32 y (shape)
 *   word(i) = word i mod 4 of Philox4x32-10 with the key seed (low word first) and the counter
 *       (low32(i div 4), high32(i div 4), low32(step), stream)              (rules 15, 16)
 *   RandomUniform  U = (word(i) >> 8) 2^-24, exact; y = add(mul(U, sub(high, low)), low), which
 *       may be high itself
 *   RandomNormal   elements 2j and 2j + 1 share w = word(2j), v = word(2j + 1):
 *       r = sqrt(mul(-2, log(((w >> 8) + 1) 2^-24))), u = (v >> 8) 2^-24,
 *       z = mul(r, cos2pi(u)) at 2j, mul(r, sin2pi(u)) at 2j + 1; y = add(mul(z, scale), mean)
 *   gradient  none
 *   errors  RO_ESHAPE step is no scalar; RO_EATTR more than 8 or negative sizes
 *   cost    about 100 flops an element, normal 200      source  definition
 *
 * No body keeps a generator: an element is a function of its place, so any can be drawn alone. */
#if defined(RO_PASS_ATTRS)
#define RO_RandomUniform_ATTRS(F) F(u64, seed) F(u32, stream) F(f32, low) F(f32, high) \
    F(ints, shape)
#define RO_RandomNormal_ATTRS(F) F(u64, seed) F(u32, stream) F(f32, mean) F(f32, scale) \
    F(ints, shape)
RO_ATTRS(RandomUniform);
RO_ATTRS(RandomNormal);
/* The four words of the block that holds position i. */
RO_FN void ro_random_block(uint64_t seed, uint32_t stream, int64_t step, uint64_t i,
                           uint32_t word[4])
{
    uint32_t at[4];
    at[0] = (uint32_t)(i / 4);
    at[1] = (uint32_t)(i / 4 >> 32);
    at[2] = (uint32_t)(uint64_t)step;
    at[3] = stream;
    ro_philox(at, seed, word);
}
/* n 2^-24, exact for n <= 2^24. */
RO_FN float ro_random_unit(uint32_t n) { return ro_mul_f32(ro_u64_to_f32(n), 0x1p-24f); }
#elif defined(RO_PASS_BODY)
#if RO_IS_I64
RO_AT(RandomUniform)
{
    const ro_RandomUniform_attrs *t = (const ro_RandomUniform_attrs *)attrs;
    uint32_t word[4];
    ro_random_block(t->seed, t->stream, ro_read_i64(r, 0, 0), i, word);
    float u = ro_random_unit(word[i % 4] >> 8);
    return ro_out_f32(r, out, ro_add_f32(ro_mul_f32(u, ro_sub_f32(t->high, t->low)), t->low));
}
RO_AT(RandomNormal)
{
    const ro_RandomNormal_attrs *t = (const ro_RandomNormal_attrs *)attrs;
    uint32_t word[4], pair = (uint32_t)(i % 4) & 2u;
    ro_random_block(t->seed, t->stream, ro_read_i64(r, 0, 0), i, word);
    float log = ro_log_f32(ro_random_unit((word[pair] >> 8) + 1));
    float radius = ro_sqrt_f32(ro_mul_f32(-2.0f, log));
    float u = ro_random_unit(word[pair + 1] >> 8);
    float z = ro_mul_f32(radius, i % 2 ? ro_sin2pi_f32(u) : ro_cos2pi_f32(u));
    return ro_out_f32(r, out, ro_add_f32(ro_mul_f32(z, t->scale), t->mean));
}
#endif
#elif defined(RO_PASS_HOST)
RO_INFER(RandomUniform)
{
    (void)n_in, (void)n_out;
    RO_TRY(ro_check_scalar(&in[0], "step", err));
    return ro_infer_shape(RO_F32, &((const ro_RandomUniform_attrs *)attrs)->shape, &out[0], err);
}
RO_INFER(RandomNormal)
{
    (void)n_in, (void)n_out;
    RO_TRY(ro_check_scalar(&in[0], "step", err));
    return ro_infer_shape(RO_F32, &((const ro_RandomNormal_attrs *)attrs)->shape, &out[0], err);
}
static uint64_t ro_random_flops(RO_FLOPS_ARGS)
{
    (void)attrs, (void)in, (void)n_in, (void)out;
    return 100;
}
RO_FLOPS(RandomNormal)
{
    (void)attrs, (void)in, (void)n_in, (void)out;
    return 200;
}
#elif defined(RO_OP)
RO_OP(RandomUniform, AT, .version = 1, .signature = "i64 step -> f32 y",
      .at = RO_AT_I64(RandomUniform), .infer = ro_RandomUniform_infer, .flops = ro_random_flops,
      .reads = ro_reads_1)
RO_OP(RandomNormal, AT, .version = 1, .signature = "i64 step -> f32 y",
      .at = RO_AT_I64(RandomNormal), .infer = ro_RandomNormal_infer,
      .flops = ro_RandomNormal_flops, .reads = ro_reads_1)
#endif
