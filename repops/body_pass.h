/* body_pass.h - one pass of scalar bodies. Included by whoever expands the bodies, with
 * RO_PASS_<compute> defined to 1 for one of f32, f64, i64, u64, bits; no include guard.
 *
 * Gives the operator files
 *   RO_T                the compute type; RO_S its suffix; RO_N(name) = name_<suffix>
 *   RO_IS_F32 .. RO_IS_BITS, RO_IS_FLOAT, RO_IS_INT as 0 or 1
 *   ADD SUB MUL DIV FMA NEG ORDER, READ(r, in, j) -> RO_T, OUT(r, out, x) -> bits
 *   RO_N(ro_lanes): a row reduction by 32 lanes (rules 31, 9)
 *   RO_MAP1, RO_MAP2, RO_CONTRACT_BODY, RO_SUMS_BODY, RO_ROW_BODY, RO_CHAIN_BODY: bodies (and,
 *   but for the first two, explanations) from their essential part */
#undef RO_T
#undef RO_S
#undef RO_IS_F32
#undef RO_IS_F64
#undef RO_IS_I64
#undef RO_IS_U64
#undef RO_IS_BITS
#define RO_IS_F32 0
#define RO_IS_F64 0
#define RO_IS_I64 0
#define RO_IS_U64 0
#define RO_IS_BITS 0
#if defined(RO_PASS_f32)
#define RO_T float
#define RO_S _f32
#undef RO_IS_F32
#define RO_IS_F32 1
#elif defined(RO_PASS_f64)
#define RO_T double
#define RO_S _f64
#undef RO_IS_F64
#define RO_IS_F64 1
#elif defined(RO_PASS_i64)
#define RO_T int64_t
#define RO_S _i64
#undef RO_IS_I64
#define RO_IS_I64 1
#elif defined(RO_PASS_u64)
#define RO_T uint64_t
#define RO_S _u64
#undef RO_IS_U64
#define RO_IS_U64 1
#else
#define RO_T uint64_t
#define RO_S _bits
#undef RO_IS_BITS
#define RO_IS_BITS 1
#endif
#undef RO_IS_FLOAT
#undef RO_IS_INT
#define RO_IS_FLOAT (RO_IS_F32 || RO_IS_F64)
#define RO_IS_INT (RO_IS_I64 || RO_IS_U64)

#ifndef RO_N
#define RO_N(name) RO_CAT(name, RO_S)
#define ADD(a, b) RO_N(ro_add)(a, b)
#define SUB(a, b) RO_N(ro_sub)(a, b)
#define MUL(a, b) RO_N(ro_mul)(a, b)
#define DIV(a, b) RO_N(ro_div)(a, b)
#define FMA(a, b, c) RO_N(ro_fma)(a, b, c)
#define NEG(a) RO_N(ro_neg)(a)
#define ORDER(a) RO_N(ro_order)(a)
#define READ(r, in, j) RO_N(ro_read)(r, in, j)
#define OUT(r, out, x) RO_N(ro_out)(r, out, x)
/* The bits of a compute value, exactly: partial results travel so. */
#define TO_BITS(x) RO_N(ro_to_bits)(x)
#define FROM_BITS(b) RO_N(ro_from_bits)(b)
/* The signature of a body. kernels/at.cu puts a kernel before each. */
#ifndef RO_AT_KERNEL
#define RO_AT_KERNEL(op)
#endif
#define RO_AT(op)                                                                          \
    RO_AT_KERNEL(op)                                                                       \
    RO_FN uint64_t RO_N(ro_##op##_at)(const ro_reader *r, const void *attrs, uint32_t out, \
                                      uint64_t i)

/* Elementwise bodies from a map: RO_T op_map(const ro_<op>_attrs *t, RO_T a[, RO_T b]). Inputs
 * broadcast (right-aligned). Who loops over the same map (exec_patterns.c) defines
 * RO_MAP1_LOOP and RO_MAP2_LOOP. */
#ifndef RO_MAP1_LOOP
#define RO_MAP1_LOOP(op)
#define RO_MAP2_LOOP(op)
#endif
#define RO_MAP1(op)                                                                            \
    RO_AT(op)                                                                                  \
    {                                                                                          \
        return OUT(r, out, RO_N(ro_##op##_map)((const ro_##op##_attrs *)attrs, READ(r, 0, i))); \
    }                                                                                          \
    RO_MAP1_LOOP(op)
#define RO_MAP2(op)                                                                            \
    RO_AT(op)                                                                                  \
    {                                                                                          \
        RO_T a = READ(r, 0, ro_broadcast_index(&r->out[0], &r->in[0], i));                     \
        RO_T b = READ(r, 1, ro_broadcast_index(&r->out[0], &r->in[1], i));                     \
        return OUT(r, out, RO_N(ro_##op##_map)((const ro_##op##_attrs *)attrs, a, b));         \
    }                                                                                          \
    RO_MAP2_LOOP(op)

/* A contraction (rule 27). The operator file gives
 *   uint64_t ro_<op>_terms(r, attrs, i)          K of output element i
 *   int ro_<op>_term(r, attrs, i, k, &a, &b)     0: tap k is skipped but keeps its number
 *   RO_T ro_<op>_finish(r, attrs, i, s)          what follows the last group sum
 * and gets the body and its explanation. */
#define RO_CONTRACT_BODY(op)                                                                   \
    RO_FN RO_T RO_N(ro_##op##_block)(const ro_reader *r, const void *attrs, uint64_t i,        \
                                     uint64_t K, uint64_t block)                               \
    {                                                                                          \
        uint64_t k = block * RO_BLOCK, end = K - k < RO_BLOCK ? K : k + RO_BLOCK;              \
        RO_T acc = 0, a, b;                                                                    \
        for (; k < end; k++)                                                                   \
            if (RO_N(ro_##op##_term)(r, attrs, i, k, &a, &b)) acc = FMA(a, b, acc);            \
        return acc;                                                                            \
    }                                                                                          \
    RO_FN RO_T RO_N(ro_##op##_sum)(const ro_reader *r, const void *attrs, uint64_t i)          \
    {                                                                                          \
        uint64_t K = RO_N(ro_##op##_terms)(r, attrs, i);                                       \
        RO_N(ro_blocks) sum = {0, 0, 0};                                                       \
        for (uint64_t b = 0; b * RO_BLOCK < K; b++)                                            \
            RO_N(ro_blocks_push)(&sum, RO_N(ro_##op##_block)(r, attrs, i, K, b));              \
        return RO_N(ro_blocks_end)(&sum);                                                      \
    }                                                                                          \
    RO_AT(op)                                                                                  \
    {                                                                                          \
        RO_T s = RO_N(ro_##op##_sum)(r, attrs, i);                                             \
        return OUT(r, out, RO_N(ro_##op##_finish)(r, attrs, i, s));                            \
    }                                                                                          \
    RO_CONTRACT_EXPLAIN(op)

/* Contractions side by side, all of one length, then the element. The operator file gives
 *   uint32_t ro_<op>_sums(attrs, out)                  how many: 1 to RO_SUMS_MAX
 *   uint64_t ro_<op>_terms(r)                          K of each
 *   void ro_<op>_term(r, attrs, out, i, s, k, &a, &b)  product k of contraction s
 *   uint64_t ro_<op>_finish(r, attrs, out, i, sum)     the stored bits
 * and gets the body and its explanation. */
#define RO_SUMS_BODY(op)                                                                       \
    RO_FN RO_T RO_N(ro_##op##_block)(RO_AT_ARGS, uint32_t s, uint64_t block)                   \
    {                                                                                          \
        uint64_t K = RO_N(ro_##op##_terms)(r), k = block * RO_BLOCK;                           \
        uint64_t end = K - k < RO_BLOCK ? K : k + RO_BLOCK;                                    \
        RO_T acc = 0, a, b;                                                                    \
        for (; k < end; k++) {                                                                 \
            RO_N(ro_##op##_term)(r, attrs, out, i, s, k, &a, &b);                              \
            acc = FMA(a, b, acc);                                                              \
        }                                                                                      \
        return acc;                                                                            \
    }                                                                                          \
    RO_FN RO_T RO_N(ro_##op##_sum)(RO_AT_ARGS, uint32_t s)                                     \
    {                                                                                          \
        const uint64_t K = RO_N(ro_##op##_terms)(r);                                           \
        RO_N(ro_blocks) sum = {0, 0, 0};                                                       \
        for (uint64_t b = 0; b * RO_BLOCK < K; b++)                                            \
            RO_N(ro_blocks_push)(&sum, RO_N(ro_##op##_block)(r, attrs, out, i, s, b));         \
        return RO_N(ro_blocks_end)(&sum);                                                      \
    }                                                                                          \
    RO_AT(op)                                                                                  \
    {                                                                                          \
        RO_T sum[RO_SUMS_MAX] = {0};                                                           \
        uint32_t n = RO_N(ro_##op##_sums)(attrs, out);                                         \
        for (uint32_t s = 0; s < n; s++) sum[s] = RO_N(ro_##op##_sum)(r, attrs, out, i, s);    \
        return RO_N(ro_##op##_finish)(r, attrs, out, i, sum);                                  \
    }                                                                                          \
    RO_SUMS_EXPLAIN(op)

/* A row operator: one or more stages of lane reductions (rule 31) over a row, each of
 * RO_STAGE_MAX, RO_STAGE_SUM, RO_STAGE_PRODUCT or RO_STAGE_MEAN (a sum divided by RN(count)); then
 * the element.
 * The operator file gives
 *   uint64_t ro_<op>_count(r, attrs, out, i)             positions in the row of element i
 *   RO_T ro_<op>_term(r, attrs, out, i, s, st, j)        what position j brings to stage s;
 *                                                        st[t] holds stage t < s
 *   uint64_t ro_<op>_finish(r, attrs, out, i, st)        the stored bits
 * and gets the body and its explanation from RO_ROW_BODY(op, stages, kind of each...). */
#define RO_ROW_BODY(op, stages, ...)                                                           \
    RO_FN int RO_N(ro_##op##_kind)(uint32_t s)                                                 \
    {                                                                                          \
        const int kinds[stages] = {__VA_ARGS__};                                               \
        return kinds[s];                                                                       \
    }                                                                                          \
    RO_FN void RO_N(ro_##op##_begin)(const ro_reader *r, uint32_t s, RO_N(ro_lanes) *lanes)    \
    {                                                                                          \
        int kind = RO_N(ro_##op##_kind)(s), fold = kind == RO_STAGE_MEAN ? RO_STAGE_SUM : kind; \
        RO_N(ro_lanes_init)(lanes, fold,                                                       \
                            fold == RO_STAGE_MAX ? RO_N(ro_least)(r->in[0].dtype)              \
                                                 : (RO_T)(fold == RO_STAGE_PRODUCT));          \
    }                                                                                          \
    RO_FN RO_T RO_N(ro_##op##_settle)(uint32_t s, uint64_t n, RO_T folded)                     \
    {                                                                                          \
        return RO_N(ro_##op##_kind)(s) == RO_STAGE_MEAN ? DIV(folded, RO_N(ro_count)(n))       \
                                                        : folded;                              \
    }                                                                                          \
    RO_AT(op)                                                                                  \
    {                                                                                          \
        RO_N(ro_lanes) lanes;                                                                  \
        RO_T st[stages] = {0};                                                                 \
        uint64_t n = RO_N(ro_##op##_count)(r, attrs, out, i);                                  \
        for (uint32_t s = 0; s < stages; s++) {                                                \
            RO_N(ro_##op##_begin)(r, s, &lanes);                                               \
            for (uint64_t j = 0; j < n; j++)                                                   \
                RO_N(ro_lanes_push)(&lanes, RO_N(ro_##op##_term)(r, attrs, out, i, s, st, j)); \
            st[s] = RO_N(ro_##op##_settle)(s, n, RO_N(ro_lanes_end)(&lanes));                  \
        }                                                                                      \
        return RO_N(ro_##op##_finish)(r, attrs, out, i, st);                                   \
    }                                                                                          \
    RO_ROW_EXPLAIN(op, stages)

/* A chain: an accumulator that goes through positions in order. The operator file gives
 *   uint64_t ro_<op>_count(r, attrs, out, i)             positions
 *   uint64_t ro_<op>_start(r, attrs, out, i)             the accumulator before the first, as bits
 *   uint64_t ro_<op>_step(r, attrs, out, i, p, acc)      the accumulator after position p
 *   uint64_t ro_<op>_finish(r, attrs, out, i, acc)       the stored bits
 * and gets the body and its explanation. positions: 2 where the accumulator is one, which is a
 * number's place in 64 bits, else 0. */
#define RO_CHAIN_BODY(op, positions)                                                           \
    RO_CHAIN_AT(op)                                                                            \
    RO_CHAIN_EXPLAIN(op, positions)
#define RO_CHAIN_AT(op)                                                                        \
    RO_AT(op)                                                                                  \
    {                                                                                          \
        uint64_t n = RO_N(ro_##op##_count)(r, attrs, out, i);                                  \
        uint64_t acc = RO_N(ro_##op##_start)(r, attrs, out, i);                                \
        for (uint64_t p = 0; p < n; p++) acc = RO_N(ro_##op##_step)(r, attrs, out, i, p, acc); \
        return RO_N(ro_##op##_finish)(r, attrs, out, i, acc);                                  \
    }
/* The start and the finish of most chains: a number, from v; and what is stored is that number. */
#define RO_CHAIN_FROM(op, v)                                                                   \
    RO_FN uint64_t RO_N(ro_##op##_start)(RO_AT_ARGS)                                           \
    {                                                                                          \
        (void)r, (void)attrs, (void)out, (void)i;                                              \
        return TO_BITS((RO_T)v);                                                               \
    }
#define RO_CHAIN_STORED(op)                                                                    \
    RO_FN uint64_t RO_N(ro_##op##_finish)(RO_AT_ARGS, uint64_t acc)                            \
    {                                                                                          \
        (void)attrs, (void)i;                                                                  \
        return OUT(r, out, FROM_BITS(acc));                                                    \
    }

/* ---- the explanations: see repops.h. The device has no use for them. */
#define RO_AT_ARGS const ro_reader *r, const void *attrs, uint32_t out, uint64_t i
#ifdef __CUDACC__
#define RO_CONTRACT_EXPLAIN(op)
#define RO_SUMS_EXPLAIN(op)
#define RO_ROW_EXPLAIN(op, stages)
#define RO_CHAIN_EXPLAIN(op, positions)
#else
#define RO_EXPLAIN_TABLE(op, marks, positions)                                                 \
    static const ro_explain RO_N(ro_##op##_explain) __attribute__((unused)) = {                \
        RO_N(ro_##op##_levels), RO_N(ro_##op##_needs), RO_N(ro_##op##_part), marks, positions};

#define RO_CONTRACT_EXPLAIN(op)                                                                \
    RO_FN uint32_t RO_N(ro_##op##_levels)(RO_AT_ARGS, uint64_t *count)                    \
    {                                                                                          \
        (void)out;                                                                             \
        return ro_contract_levels(RO_N(ro_##op##_terms)(r, attrs, i), count);                  \
    }                                                                                          \
    RO_FN uint32_t RO_N(ro_##op##_needs)(RO_AT_ARGS, uint32_t level, uint64_t index,      \
                                         ro_parts *needs)                                      \
    {                                                                                          \
        (void)out;                                                                             \
        return ro_contract_needs(RO_N(ro_##op##_terms)(r, attrs, i), level, index, needs);     \
    }                                                                                          \
    RO_FN uint64_t RO_N(ro_##op##_part)(RO_AT_ARGS, uint32_t level, uint64_t index,       \
                                        const ro_claims *claims)                                 \
    {                                                                                          \
        ro_parts from[RO_NEEDS_MAX];                                                           \
        uint64_t K = RO_N(ro_##op##_terms)(r, attrs, i);                                       \
        if (level == 0) return TO_BITS(RO_N(ro_##op##_block)(r, attrs, i, K, index));          \
        uint32_t runs = ro_contract_needs(K, level, index, from);                              \
        RO_T s = RO_N(ro_contract_given)(level, from, runs, claims);                           \
        return level == 3 ? OUT(r, out, RO_N(ro_##op##_finish)(r, attrs, i, s)) : TO_BITS(s);  \
    }                                                                                          \
    RO_EXPLAIN_TABLE(op, 0, 0)

/* Level 3 s + v: level v of contraction s; the last is the value. */
#define RO_SUMS_EXPLAIN(op)                                                                    \
    RO_FN uint32_t RO_N(ro_##op##_levels)(RO_AT_ARGS, uint64_t *count)                         \
    {                                                                                          \
        (void)i;                                                                               \
        return ro_sums_levels(RO_N(ro_##op##_terms)(r), RO_N(ro_##op##_sums)(attrs, out),      \
                              count);                                                          \
    }                                                                                          \
    RO_FN uint32_t RO_N(ro_##op##_needs)(RO_AT_ARGS, uint32_t level, uint64_t index,           \
                                         ro_parts *needs)                                      \
    {                                                                                          \
        (void)i;                                                                               \
        return ro_sums_needs(RO_N(ro_##op##_terms)(r), RO_N(ro_##op##_sums)(attrs, out),       \
                             level, index, needs);                                             \
    }                                                                                          \
    RO_FN uint64_t RO_N(ro_##op##_part)(RO_AT_ARGS, uint32_t level, uint64_t index,            \
                                        const ro_claims *claims)                               \
    {                                                                                          \
        RO_T sum[RO_SUMS_MAX] = {0};                                                           \
        ro_parts from[RO_NEEDS_MAX];                                                           \
        const uint32_t n = RO_N(ro_##op##_sums)(attrs, out), s = level / 3;                    \
        uint32_t runs = RO_N(ro_##op##_needs)(r, attrs, out, i, level, index, from);           \
        if (s < n && level % 3 == 0)                                                           \
            return TO_BITS(RO_N(ro_##op##_block)(r, attrs, out, i, s, index));                 \
        if (s < n) return TO_BITS(RO_N(ro_contract_given)(level % 3, from, runs, claims));     \
        for (uint32_t t = 0; t < runs; t++) /* a whole sum each */                             \
            sum[t] = RO_N(ro_contract_given)(3, &from[t], 1, claims);                          \
        return RO_N(ro_##op##_finish)(r, attrs, out, i, sum);                                  \
    }                                                                                          \
    RO_EXPLAIN_TABLE(op, 0, 0)

#define RO_ROW_EXPLAIN(op, stages)                                                             \
    RO_FN uint32_t RO_N(ro_##op##_levels)(RO_AT_ARGS, uint64_t *count)                    \
    {                                                                                          \
        return ro_row_levels(RO_N(ro_##op##_count)(r, attrs, out, i), stages, count);          \
    }                                                                                          \
    RO_FN uint32_t RO_N(ro_##op##_needs)(RO_AT_ARGS, uint32_t level, uint64_t index,      \
                                         ro_parts *needs)                                      \
    {                                                                                          \
        uint64_t n = RO_N(ro_##op##_count)(r, attrs, out, i);                                  \
        return ro_row_needs(n, stages, level, index, needs);                                   \
    }                                                                                          \
    RO_FN uint64_t RO_N(ro_##op##_part)(RO_AT_ARGS, uint32_t level, uint64_t index,       \
                                        const ro_claims *claims)                                 \
    {                                                                                          \
        RO_N(ro_lanes) lanes;                                                                  \
        RO_T st[stages] = {0};                                                                 \
        ro_parts from[RO_NEEDS_MAX];                                                           \
        uint64_t n = RO_N(ro_##op##_count)(r, attrs, out, i);                                  \
        uint32_t per = ro_row_height(n), s = level / per, v = level % per;                     \
        uint32_t runs = ro_row_needs(n, stages, level, index, from);                           \
        if (v == 0) { /* a lane of a chunk, or the value: the stages before it are given */    \
            for (uint32_t t = 0; t < runs; t++)                                                \
                st[t] = RO_N(ro_##op##_settle)(                                                \
                    t, n, FROM_BITS(claims->part(claims, from[t].level, 0)));                  \
            if (s == stages) return RO_N(ro_##op##_finish)(r, attrs, out, i, st);              \
            uint64_t j = index / RO_LANES * RO_CHUNK, end = n - j < RO_CHUNK ? n : j + RO_CHUNK;\
            RO_N(ro_##op##_begin)(r, s, &lanes);                                               \
            RO_T acc = lanes.identity;                                                         \
            for (j += index % RO_LANES; j < end; j += RO_LANES)                                \
                acc = RO_N(ro_lane_fold)(                                                      \
                    lanes.fold, acc, RO_N(ro_##op##_term)(r, attrs, out, i, s, st, j));      \
            return TO_BITS(acc);                                                               \
        }                                                                                      \
        RO_N(ro_##op##_begin)(r, s, &lanes);                                                   \
        for (uint64_t k = from[0].begin; k < from[0].end; k++)                                 \
            RO_N(ro_lanes_push)(&lanes, FROM_BITS(claims->part(claims, from[0].level, k)));    \
        return TO_BITS(RO_N(ro_lanes_end)(&lanes));                                            \
    }                                                                                          \
    RO_EXPLAIN_TABLE(op, 0, 0)

/* A part of one of a chain's two levels of accumulators; above them, the last of its list. */
#define RO_CHAIN_PART(op)                                                                      \
    RO_FN uint64_t RO_N(ro_##op##_chain)(RO_AT_ARGS, uint32_t level, uint64_t index,           \
                                         const ro_claims *claims)                              \
    {                                                                                          \
        ro_parts from;                                                                         \
        uint64_t n = RO_N(ro_##op##_count)(r, attrs, out, i);                                  \
        uint32_t given = ro_chain_needs(n, level, index, &from);                               \
        uint64_t acc = given ? claims->part(claims, from.level, from.end - 1)                  \
                             : RO_N(ro_##op##_start)(r, attrs, out, i);                        \
        if (level) return acc;                                                                 \
        uint64_t p = index * RO_CHAIN, end = n - p < RO_CHAIN ? n : p + RO_CHAIN;              \
        for (; p < end; p++) acc = RO_N(ro_##op##_step)(r, attrs, out, i, p, acc);             \
        return acc;                                                                            \
    }

#define RO_CHAIN_EXPLAIN(op, positions)                                                        \
    RO_CHAIN_PART(op)                                                                          \
    RO_FN uint32_t RO_N(ro_##op##_levels)(RO_AT_ARGS, uint64_t *count)                    \
    {                                                                                          \
        return ro_chain_levels(RO_N(ro_##op##_count)(r, attrs, out, i), count);                \
    }                                                                                          \
    RO_FN uint32_t RO_N(ro_##op##_needs)(RO_AT_ARGS, uint32_t level, uint64_t index,      \
                                         ro_parts *needs)                                      \
    {                                                                                          \
        uint64_t n = RO_N(ro_##op##_count)(r, attrs, out, i);                                  \
        return ro_chain_needs(n, level, index, needs);                                         \
    }                                                                                          \
    RO_FN uint64_t RO_N(ro_##op##_part)(RO_AT_ARGS, uint32_t level, uint64_t index,       \
                                        const ro_claims *claims)                                 \
    {                                                                                          \
        uint64_t acc = RO_N(ro_##op##_chain)(r, attrs, out, i, level, index, claims);          \
        return level == 2 ? RO_N(ro_##op##_finish)(r, attrs, out, i, acc) : acc;               \
    }                                                                                          \
    RO_EXPLAIN_TABLE(op, 0, positions)
#endif
#endif

#if !RO_IS_BITS
/* What the greatest of no elements is: -inf, or the dtype's least integer. */
RO_FN RO_T RO_N(ro_least)(ro_dtype d)
{
    (void)d;
#if RO_IS_F32
    return ro_bits_f32(0xff800000u);
#elif RO_IS_F64
    return ro_bits_f64(UINT64_C(0xfff0000000000000));
#elif RO_IS_I64
    return d == RO_I8 ? INT8_MIN : d == RO_I16 ? INT16_MIN : d == RO_I32 ? INT32_MIN : INT64_MIN;
#else
    return 0;
#endif
}

/* RN(n) of the compute type, as means divide by it. */
RO_FN RO_T RO_N(ro_count)(uint64_t n)
{
#if RO_IS_FLOAT
    return RO_N(ro_u64_to)(n);
#else
    return (RO_T)n;
#endif
}

/* Block sums as rule 27 adds them: those of a group left to right, then the groups. */
typedef struct { RO_T group, sum; uint64_t count; } RO_N(ro_blocks);
RO_FN void RO_N(ro_blocks_push)(RO_N(ro_blocks) *s, RO_T x)
{
    if (s->count % RO_GROUP_BLOCKS) {
        s->group = ADD(s->group, x);
    } else {
        if (s->count) s->sum = s->count == RO_GROUP_BLOCKS ? s->group : ADD(s->sum, s->group);
        s->group = x;
    }
    s->count++;
}
RO_FN RO_T RO_N(ro_blocks_end)(const RO_N(ro_blocks) *s)
{
    if (s->count == 0) return 0;
    return s->count <= RO_GROUP_BLOCKS ? s->group : ADD(s->sum, s->group);
}
#ifndef __CUDACC__
/* What a part of a level of a contraction over 0 is, from what it lists: the value (level 3) is the
 * last running sum, any other the sum from left to right. */
RO_FN RO_T RO_N(ro_contract_given)(uint32_t level, const ro_parts *from, uint32_t runs,
                                   const ro_claims *claims)
{
    RO_T s = 0;
    if (level == 3)
        return runs ? FROM_BITS(claims->part(claims, from[0].level, from[0].end - 1)) : s;
    for (uint32_t t = 0; t < runs; t++)
        for (uint64_t k = from[t].begin; k < from[t].end; k++) {
            RO_T x = FROM_BITS(claims->part(claims, from[t].level, k));
            s = t == 0 && k == from[t].begin ? x : ADD(s, x);
        }
    return s;
}
#endif

/* A row reduction fed in order: lane l folds elements l, l+32, ... from the identity; at 4,096
 * elements, or the end, the lanes fold by halves and the result enters the next level. */
typedef struct {
    RO_T acc[RO_LANE_LEVELS][RO_LANES];
    uint64_t count[RO_LANE_LEVELS];
    RO_T identity;
    int fold; /* RO_STAGE_SUM, RO_STAGE_MAX or RO_STAGE_PRODUCT */
} RO_N(ro_lanes);

RO_FN RO_T RO_N(ro_lane_fold)(int fold, RO_T a, RO_T b)
{
    if (fold == RO_STAGE_MAX) return ORDER(b) > ORDER(a) ? b : a;
    return fold == RO_STAGE_PRODUCT ? MUL(a, b) : ADD(a, b);
}

RO_FN void RO_N(ro_lanes_clear)(RO_N(ro_lanes) *s, uint32_t level)
{
    for (uint32_t l = 0; l < RO_LANES; l++) s->acc[level][l] = s->identity;
}

/* A sum from +0, a product from 1, or the greatest in the total order from the least. */
RO_FN void RO_N(ro_lanes_init)(RO_N(ro_lanes) *s, int fold, RO_T identity)
{
    s->identity = identity;
    s->fold = fold;
    for (uint32_t v = 0; v < RO_LANE_LEVELS; v++) s->count[v] = 0;
    RO_N(ro_lanes_clear)(s, 0); /* upper levels: when the first chunk result reaches them */
}

/* Fold the 32 lanes of one level by halves: 16, 8, 4, 2, 1. */
RO_FN RO_T RO_N(ro_lanes_chunk)(RO_N(ro_lanes) *s, uint32_t level)
{
    RO_T *acc = s->acc[level];
    for (uint32_t h = RO_LANES / 2; h; h /= 2)
        for (uint32_t l = 0; l < h; l++)
            acc[l] = RO_N(ro_lane_fold)(s->fold, acc[l], acc[l + h]);
    RO_T y = acc[0];
    RO_N(ro_lanes_clear)(s, level);
    return y;
}

/* Feed x to a level. A full chunk is closed only when more follows: one chunk stays one level. */
RO_FN void RO_N(ro_lanes_feed)(RO_N(ro_lanes) *s, uint32_t level, RO_T x)
{
    for (uint32_t v = level; v < RO_LANE_LEVELS; v++) {
        if (v && s->count[v] == 0) RO_N(ro_lanes_clear)(s, v);
        int full = s->count[v] != 0 && s->count[v] % RO_CHUNK == 0;
        RO_T up = full ? RO_N(ro_lanes_chunk)(s, v) : x;
        RO_T *lane = &s->acc[v][s->count[v] % RO_LANES];
        *lane = RO_N(ro_lane_fold)(s->fold, *lane, x);
        s->count[v]++;
        if (!full) return;
        x = up;
    }
}
RO_FN void RO_N(ro_lanes_push)(RO_N(ro_lanes) *s, RO_T x) { RO_N(ro_lanes_feed)(s, 0, x); }

RO_FN RO_T RO_N(ro_lanes_end)(RO_N(ro_lanes) *s)
{
    for (uint32_t v = 0;; v++) {
        RO_T y = RO_N(ro_lanes_chunk)(s, v);
        if (v + 1 == RO_LANE_LEVELS || s->count[v] <= RO_CHUNK) return y;
        RO_N(ro_lanes_feed)(s, v + 1, y);
    }
}
#endif
