/* BatchIndices - which examples are in the batch of a step: a fresh permutation every epoch.
 *   i64 step (scalar); u64 seed, u64 n, u32 batch, u32 stream   ->   i64 indices (batch)
 *   q = step batch + j mod 2^64, epoch e = q div n, p = q mod n; y[j] = P_e(p), unsigned
 *   P_e  a 4-round Feistel permutation on 2h bits, h = max(4, ceil(bits(n - 1) / 2)), walked
 *       until the result is below n: L = x >> h, R = x mod 2^h; for r = 0 .. 3 (L, R) becomes
 *       (R, L xor (F mod 2^h)) with F = word 0 of Philox4x32-10 with key seed and counter
 *       (R, r, low32(e), stream); x = L 2^h + R            (rules 18 to 20)
 *   gradient  none
 *   errors  RO_ESHAPE step is no scalar; RO_EATTR n outside [1, 2^63]
 *   cost    400 flops a walk, 2^2h / n walks on average      source  definition
 *
 * A batch runs across the end of an epoch; each index is computed alone. The walk ends: it
 * follows a cycle of a permutation that began below n. */
#if defined(RO_PASS_ATTRS)
#define RO_BatchIndices_ATTRS(F) F(u64, seed) F(u64, n) F(u32, batch) F(u32, stream)
RO_ATTRS(BatchIndices);
RO_FN uint32_t ro_batch_half(uint64_t n)
{
    uint32_t bits = 0;
    while (bits < 64 && (n - 1) >> bits) bits++;
    return bits <= 8 ? 4 : (bits + 1) / 2;
}
#elif defined(RO_PASS_BODY)
#if RO_IS_I64
RO_AT(BatchIndices)
{
    const ro_BatchIndices_attrs *t = (const ro_BatchIndices_attrs *)attrs;
    uint64_t q = ro_read_u64(r, 0, 0) * t->batch + i, x = q % t->n;
    uint32_t h = ro_batch_half(t->n), at[4], word[4];
    uint32_t mask = (uint32_t)((UINT64_C(1) << h) - 1);
    at[2] = (uint32_t)(q / t->n);
    at[3] = t->stream;
    (void)out;
    do {
        uint32_t left = (uint32_t)(x >> h), right = (uint32_t)x & mask;
        for (uint32_t round = 0; round < 4; round++) {
            at[0] = right;
            at[1] = round;
            ro_philox(at, t->seed, word);
            right = left ^ (word[0] & mask);
            left = at[0];
        }
        x = (uint64_t)left << h | right;
    } while (x >= t->n);
    return x;
}
#endif
#elif defined(RO_PASS_HOST)
RO_INFER(BatchIndices)
{
    const ro_BatchIndices_attrs *t = (const ro_BatchIndices_attrs *)attrs;
    int64_t batch = t->batch;
    (void)n_in, (void)n_out;
    RO_TRY(ro_check_scalar(&in[0], "step", err));
    if (t->n < 1 || t->n > UINT64_C(1) << 63)
        return RO_FAIL(err, RO_EATTR, "batches are drawn from %llu examples; 1 to 2^63 are allowed",
                       (unsigned long long)t->n);
    out[0] = ro_type_of(RO_I64, 1, &batch);
    return RO_OK;
}
RO_FLOPS(BatchIndices)
{
    uint64_t n = ((const ro_BatchIndices_attrs *)attrs)->n;
    (void)in, (void)n_in, (void)out;
    return 400 * ((UINT64_MAX >> (64 - 2 * ro_batch_half(n))) / n + 1);
}
#elif defined(RO_OP)
RO_OP(BatchIndices, AT, .version = 1, .signature = "i64 step -> i64 indices",
      .at = RO_AT_I64(BatchIndices), .infer = ro_BatchIndices_infer,
      .flops = ro_BatchIndices_flops, .reads = ro_reads_1)
#endif
