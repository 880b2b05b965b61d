/* body_pass.h - one pass of scalar bodies. Included by whoever expands the bodies, with
 * RO_PASS_<compute> defined to 1 for one of f32, f64, i64, u64, bits; no include guard.
 *
 * Gives the operator files
 *   RO_T                the compute type; RO_S its suffix; RO_N(name) = name_<suffix>
 *   RO_IS_F32 .. RO_IS_BITS, RO_IS_FLOAT, RO_IS_INT as 0 or 1
 *   ADD SUB MUL DIV FMA NEG ORDER, READ(r, in, j) -> RO_T, OUT(r, out, x) -> bits
 *   RO_N(ro_lanes): a row reduction by 32 lanes (rules 31, 9)
 *   RO_MAP1, RO_MAP2, RO_CONTRACT_BODY: bodies from their essential part */
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
/* The signature of a body. */
#define RO_AT(op) RO_FN uint64_t RO_N(ro_##op##_at)(const ro_reader *r, const void *attrs, \
                                                    uint32_t out, uint64_t i)

/* Elementwise bodies from a map: RO_T op_map(const ro_<op>_attrs *t, RO_T a[, RO_T b]). Inputs
 * broadcast (right-aligned); exec_cpu.c loops over the same map. */
#define RO_MAP1(op)                                                                            \
    RO_AT(op)                                                                                  \
    {                                                                                          \
        return OUT(r, out, RO_N(ro_##op##_map)((const ro_##op##_attrs *)attrs, READ(r, 0, i))); \
    }
#define RO_MAP2(op)                                                                            \
    RO_AT(op)                                                                                  \
    {                                                                                          \
        RO_T a = READ(r, 0, ro_broadcast_index(&r->out[0], &r->in[0], i));                     \
        RO_T b = READ(r, 1, ro_broadcast_index(&r->out[0], &r->in[1], i));                     \
        return OUT(r, out, RO_N(ro_##op##_map)((const ro_##op##_attrs *)attrs, a, b));         \
    }

/* A contraction (rule 27). The operator file gives
 *   uint64_t ro_<op>_terms(r, attrs, i)          K of output element i
 *   int ro_<op>_term(r, attrs, i, k, &a, &b)     0: tap k is skipped but keeps its number
 *   RO_T ro_<op>_finish(r, attrs, i, s)          what follows the last group sum
 * and gets the body and
 *   ro_<op>_partial(r, attrs, i, level, index)   level 0: block sum, one fma chain from +0;
 *       1: group sum, its block sums left to right; 2: all group sums, left to right (index 0;
 *       K = 0: +0); 3: finish of the stored bits `index` of a level 2 value. Bits of RO_T. */
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
    RO_FN RO_T RO_N(ro_##op##_group)(const ro_reader *r, const void *attrs, uint64_t i,        \
                                     uint64_t K, uint64_t group)                               \
    {                                                                                          \
        uint64_t b = group * (RO_GROUP / RO_BLOCK), n = (K + RO_BLOCK - 1) / RO_BLOCK;         \
        uint64_t end = n - b < RO_GROUP / RO_BLOCK ? n : b + RO_GROUP / RO_BLOCK;              \
        RO_T s = RO_N(ro_##op##_block)(r, attrs, i, K, b);                                     \
        for (b++; b < end; b++) s = ADD(s, RO_N(ro_##op##_block)(r, attrs, i, K, b));          \
        return s;                                                                              \
    }                                                                                          \
    RO_FN RO_T RO_N(ro_##op##_sum)(const ro_reader *r, const void *attrs, uint64_t i)          \
    {                                                                                          \
        uint64_t K = RO_N(ro_##op##_terms)(r, attrs, i), n = (K + RO_GROUP - 1) / RO_GROUP;    \
        if (n == 0) return 0;                                                                  \
        RO_T s = RO_N(ro_##op##_group)(r, attrs, i, K, 0);                                     \
        for (uint64_t g = 1; g < n; g++) s = ADD(s, RO_N(ro_##op##_group)(r, attrs, i, K, g)); \
        return s;                                                                              \
    }                                                                                          \
    RO_AT(op)                                                                                  \
    {                                                                                          \
        RO_T s = RO_N(ro_##op##_sum)(r, attrs, i);                                             \
        return OUT(r, out, RO_N(ro_##op##_finish)(r, attrs, i, s));                            \
    }                                                                                          \
    RO_FN uint64_t RO_N(ro_##op##_partial)(const ro_reader *r, const void *attrs, uint64_t i,  \
                                           uint32_t level, uint64_t index)                     \
    {                                                                                          \
        uint64_t K = RO_N(ro_##op##_terms)(r, attrs, i);                                       \
        if (level == 0) return TO_BITS(RO_N(ro_##op##_block)(r, attrs, i, K, index));          \
        if (level == 1) return TO_BITS(RO_N(ro_##op##_group)(r, attrs, i, K, index));          \
        if (level == 2) return TO_BITS(RO_N(ro_##op##_sum)(r, attrs, i));                      \
        return OUT(r, 0, RO_N(ro_##op##_finish)(r, attrs, i, FROM_BITS(index)));               \
    }
#endif

#if !RO_IS_BITS
/* A row reduction fed in order: lane l folds elements l, l+32, ... from the identity; at 4,096
 * elements, or the end, the lanes fold by halves and the result enters the next level. */
typedef struct {
    RO_T acc[RO_LANE_LEVELS][RO_LANES];
    uint64_t count[RO_LANE_LEVELS];
    RO_T identity;
    int is_max;
} RO_N(ro_lanes);

RO_FN RO_T RO_N(ro_lane_fold)(int is_max, RO_T a, RO_T b)
{
    if (is_max) return ORDER(b) > ORDER(a) ? b : a;
    return ADD(a, b);
}

RO_FN void RO_N(ro_lanes_clear)(RO_N(ro_lanes) *s, uint32_t level)
{
    for (uint32_t l = 0; l < RO_LANES; l++) s->acc[level][l] = s->identity;
}

/* is_max 0: sum from +0; 1: the greatest in the total order, from `identity`. */
RO_FN void RO_N(ro_lanes_init)(RO_N(ro_lanes) *s, int is_max, RO_T identity)
{
    s->identity = identity;
    s->is_max = is_max;
    for (uint32_t v = 0; v < RO_LANE_LEVELS; v++) {
        s->count[v] = 0;
        RO_N(ro_lanes_clear)(s, v);
    }
}

/* Fold the 32 lanes of one level by halves: 16, 8, 4, 2, 1. */
RO_FN RO_T RO_N(ro_lanes_chunk)(RO_N(ro_lanes) *s, uint32_t level)
{
    for (uint32_t h = RO_LANES / 2; h; h /= 2)
        for (uint32_t l = 0; l < h; l++)
            s->acc[level][l] = RO_N(ro_lane_fold)(s->is_max, s->acc[level][l], s->acc[level][l + h]);
    RO_T y = s->acc[level][0];
    RO_N(ro_lanes_clear)(s, level);
    return y;
}

/* Feed x to a level. A full chunk is closed only when more follows: one chunk stays one level. */
RO_FN void RO_N(ro_lanes_feed)(RO_N(ro_lanes) *s, uint32_t level, RO_T x)
{
    for (uint32_t v = level; v < RO_LANE_LEVELS; v++) {
        int full = s->count[v] != 0 && s->count[v] % RO_CHUNK == 0;
        RO_T up = full ? RO_N(ro_lanes_chunk)(s, v) : x;
        RO_T *lane = &s->acc[v][s->count[v] % RO_LANES];
        *lane = RO_N(ro_lane_fold)(s->is_max, *lane, x);
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
