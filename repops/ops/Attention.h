/* Attention - softmax of scaled products of queries and keys, times values, without the scores.
 *   F q (B, H, T, D), F k (B, G, S, D), F v (B, G, S, E), F bias broadcast to (B, H, T, S),
 *   i64 lengths (B); attrs root, cap f32, causal u32, past i64   ->   F y (B, H, T, E)
 *   Of query (b, h, t), whose keys and values are those of head g = h div (H / G):
 *     s_j = sum over d of mul(q_d, root) mul(k_jd, root), in blocks (rule 27)
 *     s_j = mul(tanh(div(s_j, cap)), cap)                     where cap is not 0
 *     s_j = add(s_j, add(add(bias or +0, c), l))              where one of the three is there;
 *           c = -inf where j > t + past, else +0: with causal; l = +0 where j < lengths_b, else
 *           -inf: with lengths; what is not there is not added
 *     m = max s_j, z = lane sum of exp(sub(s_j, m))           (rules 31, 33)
 *     y_e = sum over j of div(exp(sub(s_j, m)), z) v_je, in blocks
 *   which are the bits of Mul, Transpose, MatMul, Add, Softmax and MatMul in float32 and float64
 *   errors  RO_ESHAPE; RO_EATTR causal over 1, past outside 0 to 2^40; RO_ELIMIT D over 2^20
 *   cost    3 S (2 D + 76) + 2 S flops an element alone, a row of E shares all but the last
 *   source  ONNX Attention-23                                                               */
#if defined(RO_PASS_ATTRS)
#define RO_Attention_ATTRS(F) F(f32, root) F(f32, cap) F(u32, causal) F(i64, past)
RO_ATTRS(Attention);
#define RO_ATTENTION_SIZE_MAX (INT64_C(1) << 20) /* D: a score lists at most RO_LIST blocks */

/* Row (b, h, t) of the scores, or of y. */
typedef struct {
    uint64_t row, batch, t;
    uint64_t keys, size, width; /* S, D, E                                    */
    uint64_t q, k, v;           /* the row's first element; its head's first  */
    ro_type scores;             /* (B, H, T, S)                               */
} ro_attention_row;
RO_FN ro_attention_row ro_attention_row_of(const ro_reader *r, uint64_t row)
{
    const ro_type *q = &r->in[0], *v = &r->in[2];
    ro_attention_row w;
    uint64_t rows = (uint64_t)q->dims[2], heads = (uint64_t)q->dims[1], own = (uint64_t)v->dims[1];
    w.row = row;
    w.t = row % rows;
    w.batch = row / rows / heads;
    w.keys = (uint64_t)v->dims[2];
    w.size = (uint64_t)q->dims[3];
    w.width = (uint64_t)v->dims[3];
    const uint64_t head = w.batch * own + row / rows % heads / (heads / own);
    w.q = row * w.size;
    w.k = head * w.keys * w.size;
    w.v = head * w.keys * w.width;
    w.scores = *q;
    w.scores.dims[3] = v->dims[2];
    return w;
}
#elif defined(RO_PASS_BODY)
#if RO_IS_FLOAT
/* One block of the product behind score j. */
RO_FN RO_T RO_N(ro_attention_block)(const ro_reader *r, const ro_Attention_attrs *t,
                                    const ro_attention_row *w, uint64_t j, uint64_t block)
{
    uint64_t d = block * RO_BLOCK, end = w->size - d < RO_BLOCK ? w->size : d + RO_BLOCK;
    const RO_T root = (RO_T)t->root;
    RO_T acc = 0;
    for (; d < end; d++)
        acc = FMA(MUL(READ(r, 0, w->q + d), root), MUL(READ(r, 1, w->k + j * w->size + d), root),
                  acc);
    return acc;
}
/* Score j from its product: what is added to it, and -inf where query t does not see it. */
RO_FN RO_T RO_N(ro_attention_seen)(const ro_reader *r, const ro_Attention_attrs *t,
                                   const ro_attention_row *w, uint64_t j, RO_T s)
{
    const RO_T cap = (RO_T)t->cap, low = RO_N(ro_least)(RO_F32);
    RO_T b = 0;
    if (cap != 0) s = MUL(RO_N(ro_tanh)(DIV(s, cap)), cap);
    if (!ro_has(r, 3) && !t->causal && !ro_has(r, 4)) return s;
    if (ro_has(r, 3))
        b = READ(r, 3, ro_broadcast_index(&w->scores, &r->in[3], w->row * w->keys + j));
    if (t->causal) b = ADD(b, (int64_t)j > (int64_t)w->t + t->past ? low : 0);
    if (ro_has(r, 4)) b = ADD(b, (int64_t)j < ro_read_i64(r, 4, w->batch) ? 0 : low);
    return ADD(s, b);
}
RO_FN RO_T RO_N(ro_attention_score)(const ro_reader *r, const ro_Attention_attrs *t,
                                    const ro_attention_row *w, uint64_t j)
{
    RO_N(ro_blocks) sum = {0, 0, 0};
    for (uint64_t b = 0; b * RO_BLOCK < w->size; b++)
        RO_N(ro_blocks_push)(&sum, RO_N(ro_attention_block)(r, t, w, j, b));
    return RO_N(ro_attention_seen)(r, t, w, j, RO_N(ro_blocks_end)(&sum));
}
/* What score s brings to stage 0, the greatest, or 1, the sum. */
RO_FN RO_T RO_N(ro_attention_term)(uint32_t stage, RO_T s, RO_T m)
{
    return stage == 0 ? s : RO_N(ro_exp)(SUB(s, m));
}
RO_FN void RO_N(ro_attention_begin)(uint32_t stage, RO_N(ro_lanes) *lanes)
{
    RO_N(ro_lanes_init)(lanes, stage == 0 ? RO_STAGE_MAX : RO_STAGE_SUM,
                        stage == 0 ? RO_N(ro_least)(RO_F32) : 0);
}
RO_AT(Attention)
{
    const ro_Attention_attrs *t = (const ro_Attention_attrs *)attrs;
    const uint64_t width = (uint64_t)r->out[0].dims[3];
    const ro_attention_row w = ro_attention_row_of(r, i / width);
    RO_N(ro_lanes) lanes;
    RO_N(ro_blocks) sum = {0, 0, 0};
    RO_T st[2] = {0};
    for (uint32_t s = 0; s < 2; s++) {
        RO_N(ro_attention_begin)(s, &lanes);
        for (uint64_t j = 0; j < w.keys; j++)
            RO_N(ro_lanes_push)(&lanes, RO_N(ro_attention_term)(
                                            s, RO_N(ro_attention_score)(r, t, &w, j), st[0]));
        st[s] = RO_N(ro_lanes_end)(&lanes);
    }
    for (uint64_t j = 0; j < w.keys;) {
        RO_T acc = 0;
        for (uint64_t end = w.keys - j < RO_BLOCK ? w.keys : j + RO_BLOCK; j < end; j++) {
            RO_T e = RO_N(ro_attention_term)(1, RO_N(ro_attention_score)(r, t, &w, j), st[0]);
            acc = FMA(DIV(e, st[1]), READ(r, 2, w.v + j * width + i % width), acc);
        }
        RO_N(ro_blocks_push)(&sum, acc);
    }
    return OUT(r, out, RO_N(ro_blocks_end)(&sum));
}
#ifndef __CUDACC__
/* Explanation: 0 the blocks of every score's product, score after score; 1 the scores; then the
 * levels of a row of two stages over these, and those of a contraction. Lanes list the scores of
 * their chunk and blocks those of theirs, instead of reading. */
RO_FN uint32_t RO_N(ro_Attention_levels)(RO_AT_ARGS, uint64_t *count)
{
    const uint64_t keys = (uint64_t)r->in[2].dims[2], size = (uint64_t)r->in[0].dims[3];
    (void)attrs, (void)out, (void)i;
    count[0] = keys * ((size + RO_BLOCK - 1) / RO_BLOCK);
    count[1] = keys;
    uint32_t n = 2 + ro_row_levels(keys, 2, count + 2) - 1;
    return n + ro_contract_levels(keys, count + n);
}
RO_FN uint32_t RO_N(ro_Attention_needs)(RO_AT_ARGS, uint32_t level, uint64_t index,
                                        ro_parts *needs)
{
    const uint64_t keys = (uint64_t)r->in[2].dims[2], size = (uint64_t)r->in[0].dims[3];
    const uint64_t blocks = (size + RO_BLOCK - 1) / RO_BLOCK;
    const uint32_t per = ro_row_height(keys), above = 2 + 2 * per;
    uint32_t runs = 0, from = level >= above ? above : 2;
    (void)attrs, (void)out, (void)i;
    if (level == 0) return 0;
    if (level == 1) return ro_parts_of(0, keys * blocks, blocks, index, needs);
    const int lane = level < above && (level - 2) % per == 0;
    if (lane) runs = ro_parts_of(1, keys, RO_CHUNK, index / RO_LANES, needs);
    if (level == above) runs = ro_parts_of(1, keys, RO_BLOCK, index, needs);
    if ((lane && level > 2) || level == above) needs[runs++] = (ro_parts){1 + per, 0, 1};
    if (level == above) needs[runs++] = (ro_parts){1 + 2 * per, 0, 1};
    if (lane || level == above) return runs;
    runs = level < above ? ro_row_needs(keys, 2, level - from, index, needs)
                         : ro_contract_needs(keys, level - from, index, needs);
    for (uint32_t k = 0; k < runs; k++) needs[k].level += from;
    return runs;
}
/* A lane of a chunk, or a block of the contraction, from the scores that it lists. */
RO_FN RO_T RO_N(ro_attention_lane)(uint32_t stage, uint64_t lane, const ro_parts *scores, RO_T m,
                                   const ro_claims *claims)
{
    RO_N(ro_lanes) lanes;
    RO_N(ro_attention_begin)(stage, &lanes);
    RO_T acc = lanes.identity;
    for (uint64_t j = scores->begin + lane; j < scores->end; j += RO_LANES)
        acc = RO_N(ro_lane_fold)(lanes.fold, acc, RO_N(ro_attention_term)(
                                 stage, FROM_BITS(claims->part(claims, 1, j)), m));
    return acc;
}
RO_FN RO_T RO_N(ro_attention_values)(const ro_reader *r, uint64_t i, const ro_parts *needs,
                                     const ro_claims *claims)
{
    const uint64_t width = (uint64_t)r->out[0].dims[3];
    const ro_attention_row w = ro_attention_row_of(r, i / width);
    const RO_T m = FROM_BITS(claims->part(claims, needs[1].level, 0));
    const RO_T z = FROM_BITS(claims->part(claims, needs[2].level, 0));
    RO_T acc = 0;
    for (uint64_t j = needs[0].begin; j < needs[0].end; j++) {
        RO_T e = RO_N(ro_attention_term)(1, FROM_BITS(claims->part(claims, 1, j)), m);
        acc = FMA(DIV(e, z), READ(r, 2, w.v + j * width + i % width), acc);
    }
    return acc;
}
RO_FN uint64_t RO_N(ro_Attention_part)(RO_AT_ARGS, uint32_t level, uint64_t index,
                                       const ro_claims *claims)
{
    const ro_Attention_attrs *t = (const ro_Attention_attrs *)attrs;
    const ro_attention_row w = ro_attention_row_of(r, i / (uint64_t)r->out[0].dims[3]);
    const uint64_t blocks = (w.size + RO_BLOCK - 1) / RO_BLOCK;
    const uint32_t per = ro_row_height(w.keys), above = 2 + 2 * per, s = (level - 2) / per;
    RO_N(ro_blocks) sum = {0, 0, 0};
    RO_N(ro_lanes) lanes;
    ro_parts need[RO_NEEDS_MAX];
    if (level == 0)
        return TO_BITS(RO_N(ro_attention_block)(r, t, &w, index / blocks, index % blocks));
    uint32_t runs = RO_N(ro_Attention_needs)(r, attrs, out, i, level, index, need);
    if (level == 1) {
        for (uint64_t k = 0; k < blocks; k++)
            RO_N(ro_blocks_push)(&sum, FROM_BITS(claims->part(claims, 0, index * blocks + k)));
        return TO_BITS(RO_N(ro_attention_seen)(r, t, &w, index, RO_N(ro_blocks_end)(&sum)));
    }
    if (level == above) return TO_BITS(RO_N(ro_attention_values)(r, i, need, claims));
    if (level > above) {
        RO_T y = RO_N(ro_contract_given)(level - above, need, runs, claims);
        return level - above == 3 ? OUT(r, out, y) : TO_BITS(y);
    }
    if ((level - 2) % per == 0) {
        const ro_parts none = {1, 0, 0}, *list = w.keys ? &need[0] : &none;
        RO_T m = s ? FROM_BITS(claims->part(claims, need[runs - 1].level, 0)) : 0;
        return TO_BITS(RO_N(ro_attention_lane)(s, index % RO_LANES, list, m, claims));
    }
    RO_N(ro_attention_begin)(s, &lanes);
    for (uint64_t k = need[0].begin; k < need[0].end; k++)
        RO_N(ro_lanes_push)(&lanes, FROM_BITS(claims->part(claims, need[0].level, k)));
    return TO_BITS(RO_N(ro_lanes_end)(&lanes));
}
RO_EXPLAIN_TABLE(Attention, 0, 0)
#endif
#endif
#elif defined(RO_PASS_HOST)
static ro_status ro_attention_shapes(const ro_type *in, ro_err *err)
{
    const ro_type *q = &in[0], *k = &in[1], *v = &in[2];
    if (q->rank != 4 || k->rank != 4 || v->rank != 4)
        return RO_FAIL(err, RO_ESHAPE, "Attention takes q, k and v of 4 axes, not of %u, %u and %u",
                       q->rank, k->rank, v->rank);
    if (k->dims[0] != q->dims[0] || v->dims[0] != q->dims[0] || k->dims[1] != v->dims[1] ||
        k->dims[2] != v->dims[2] || k->dims[3] != q->dims[3])
        return RO_FAIL(err, RO_ESHAPE, "Attention has q, k and v of other batches, heads, lengths "
                       "or sizes: q (B, H, T, D), k (B, G, S, D), v (B, G, S, E) are taken");
    if (k->dims[1] < 1 || q->dims[1] % k->dims[1])
        return RO_FAIL(err, RO_ESHAPE, "Attention has %lld heads of q for %lld of k",
                       (long long)q->dims[1], (long long)k->dims[1]);
    if (q->dims[3] > RO_ATTENTION_SIZE_MAX)
        return RO_FAIL(err, RO_ELIMIT, "Attention has heads of size %lld; at most %lld are taken",
                       (long long)q->dims[3], (long long)RO_ATTENTION_SIZE_MAX);
    return RO_OK;
}
RO_INFER(Attention)
{
    const ro_Attention_attrs *t = attrs;
    ro_type scores = in[0], all;
    (void)n_out;
    RO_TRY(ro_attention_shapes(in, err));
    if (t->causal > 1)
        return RO_FAIL(err, RO_EATTR, "causal is %u; 0 or 1 is taken", t->causal);
    if (t->past < 0 || t->past > (int64_t)RO_ELEMENTS_MAX)
        return RO_FAIL(err, RO_EATTR, "past is %lld; 0 to %lld are taken", (long long)t->past,
                       (long long)RO_ELEMENTS_MAX);
    scores.dims[3] = in[2].dims[2];
    RO_TRY(ro_type_check(&scores, err));
    if (n_in > 3 && in[3].dtype != RO_NONE) {
        RO_TRY(ro_broadcast(&scores, &in[3], &all, err));
        if (!ro_type_equal(&all, &scores))
            return RO_FAIL(err, RO_ESHAPE, "Attention's bias does not broadcast to its scores");
    }
    if (n_in > 4 && in[4].dtype != RO_NONE && (in[4].rank != 1 || in[4].dims[0] != in[0].dims[0]))
        return RO_FAIL(err, RO_ESHAPE, "Attention takes a length for each of %lld batches",
                       (long long)in[0].dims[0]);
    *out = in[0];
    out->dims[3] = in[2].dims[3];
    return RO_OK;
}
static uint64_t ro_attention_scores_flops(const ro_type *in)
{
    return ro_saturating_mul((uint64_t)in[2].dims[2], 2 * (uint64_t)in[0].dims[3] + 76);
}
RO_FLOPS(Attention)
{
    (void)attrs, (void)n_in, (void)out;
    return ro_saturating_add(ro_saturating_mul(3, ro_attention_scores_flops(in)),
                             2 * (uint64_t)in[2].dims[2]);
}
static uint64_t ro_attention_shared(RO_FLOPS_ARGS)
{
    const uint64_t width = (uint64_t)in[2].dims[3], keys = (uint64_t)in[2].dims[2];
    uint64_t row = ro_saturating_add(ro_attention_scores_flops(in),
                                     ro_saturating_mul(2 * keys, width));
    uint64_t alone = ro_saturating_mul(width, ro_Attention_flops(attrs, in, n_in, out));
    return row && alone / row > 1 ? alone / row : 1;
}
RO_READS(Attention)
{
    const uint64_t keys = (uint64_t)in[2].dims[2], size = (uint64_t)in[0].dims[3];
    (void)attrs, (void)n_in, (void)out;
    switch (input) {
    case 0: return size;
    case 1: return ro_saturating_mul(keys, size);
    case 4: return 1;
    default: return keys;
    }
}
#elif defined(RO_OP)
RO_OP(Attention, CONTRACT, .version = 1,
      .signature = "F q, F k, F v, F bias?, i64 lengths? -> F y", .at = RO_AT_FLOAT(Attention),
      .explain = RO_EXPLAIN_FLOAT(Attention), .infer = ro_Attention_infer,
      .flops = ro_Attention_flops, .shared = ro_attention_shared, .reads = ro_Attention_reads,
      .grad = NULL)
#endif
