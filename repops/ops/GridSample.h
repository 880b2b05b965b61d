/* GridSample - x between its places, where a grid says.
 *   F x (N, C, d..), F grid (M, o.., axes), I batch? (M); 1 to 3 spatial axes; u32 mode (0 nearest,
 *       1 linear, 2 cubic), u32 padding_mode (0 zeros, 1 border, 2 reflection), u32 align_corners
 *       (0, 1; 2: the grid counts positions)   ->   F y (M, C, o..)
 *   grid[m, o.., k] is where y[m, :, o..] lies on spatial axis axes - 1 - k. Sample m is of image
 *   batch[m], counted from the end once if negative, or m; of an image that is not there +0
 *   y = chain from +0 of fma(w, tap) over taps row-major, w = the axes' weights, mul left to right.
 *       Places and weights, in the type of x: docs/ARITHMETIC.md 5.12
 *   gradients  none
 *   errors  RO_ESHAPE, RO_EATTR, RO_ELIMIT
 *   cost    2 + axes flops a tap      source  ONNX GridSample-20                                 */
#if defined(RO_PASS_ATTRS)
#define RO_GridSample_ATTRS(F) F(u32, mode) F(u32, padding_mode) F(u32, align_corners)
RO_ATTRS(GridSample);
enum { RO_GRID_NEAREST, RO_GRID_LINEAR, RO_GRID_CUBIC };
enum { RO_GRID_ZEROS, RO_GRID_BORDER, RO_GRID_REFLECTION };
enum { RO_GRID_MIDDLES, RO_GRID_CORNERS, RO_GRID_POSITIONS };
#define RO_GRID_FAR INT64_C(0x3fffffff) /* of a size, so that places within 2^30 are enough */
RO_FN uint64_t ro_grid_taps(uint32_t mode)
{
    return mode == RO_GRID_NEAREST ? 1 : mode == RO_GRID_LINEAR ? 2 : 4;
}
/* The position that is read for position i of an axis of n; -1: none. */
RO_FN int64_t ro_grid_inside(const ro_GridSample_attrs *t, int64_t i, int64_t n)
{
    if (i >= 0 && i < n) return i;
    if (t->padding_mode == RO_GRID_ZEROS) return -1;
    if (t->padding_mode == RO_GRID_BORDER || n == 1) return i < 0 ? 0 : n - 1;
    int64_t ends = t->align_corners ? 1 : 0, period = 2 * (n - ends); /* the ends once, or twice */
    i = (i % period + period) % period;
    return i < n ? i : period - 1 + ends - i;
}
/* The image of sample m; N: none. */
RO_FN uint64_t ro_grid_image(const ro_reader *r, uint64_t m)
{
    int64_t n = r->in[0].dims[0], k = (int64_t)m;
    if (!ro_has(r, 2)) return m;
    k = ro_read_i64(r, 2, m);
    if (k < 0) k += n;
    return (uint64_t)(k >= 0 && k < n ? k : n);
}
#elif defined(RO_PASS_BODY)
#if RO_IS_FLOAT
#if RO_IS_F32
#define RO_GRID_WHOLE(x) ro_f64_to_i64((double)(x))
#else
#define RO_GRID_WHOLE(x) ro_f64_to_i64(x)
#endif
RO_FN int64_t RO_N(ro_grid_floor)(RO_T x)
{
    int64_t i = RO_GRID_WHOLE(x);
    return RO_N(ro_i64_to)(i) > x ? i - 1 : i;
}
RO_FN RO_T RO_N(ro_grid_even)(RO_T x)
{
    int64_t i = RO_N(ro_grid_floor)(x);
    RO_T rest = SUB(x, RO_N(ro_i64_to)(i)), half = (RO_T)0.5;
    return RO_N(ro_i64_to)(rest > half || (rest == half && i % 2) ? i + 1 : i);
}
RO_FN RO_T RO_N(ro_grid_reflect)(RO_T x, RO_T lo, RO_T hi)
{
    RO_T span = SUB(hi, lo), past = x < lo ? SUB(lo, x) : SUB(x, hi);
    if (!(span > 0)) return lo;
    int64_t n = RO_GRID_WHOLE(DIV(past, span));
    RO_T rest = SUB(past, MUL(RO_N(ro_i64_to)(n), span));
    return (x < lo) == (n % 2 == 0) ? ADD(lo, rest) : SUB(hi, rest);
}
/* Where a number of the grid lies on an axis of n. */
RO_FN RO_T RO_N(ro_grid_place)(const ro_GridSample_attrs *t, RO_T x, int64_t n)
{
    const RO_T far = (RO_T)0x1p30, half = (RO_T)0.5;
    const RO_T size = RO_N(ro_i64_to)(n), last = RO_N(ro_i64_to)(n - 1);
    if (t->align_corners == RO_GRID_CORNERS) x = MUL(MUL(ADD(x, 1), (RO_T)0.5), last);
    else if (t->align_corners == RO_GRID_MIDDLES) x = MUL(SUB(MUL(ADD(x, 1), size), 1), (RO_T)0.5);
    if (!(x >= -far)) x = -far;
    else if (x > far) x = far;
    if (t->mode == RO_GRID_NEAREST) x = RO_N(ro_grid_even)(x);
    RO_T lo = t->align_corners ? 0 : -half, hi = t->align_corners ? last : SUB(size, half);
    if (x >= lo && x <= hi) return x;
    if (t->padding_mode == RO_GRID_BORDER) return x < 0 ? 0 : x > last ? last : x;
    return t->padding_mode == RO_GRID_REFLECTION ? RO_N(ro_grid_reflect)(x, lo, hi) : x;
}
RO_FN RO_T RO_N(ro_grid_near)(RO_T x) /* of cubic, x <= 1 */
{
    return ADD(MUL(MUL(SUB(MUL((RO_T)1.25, x), (RO_T)2.25), x), x), 1);
}
RO_FN RO_T RO_N(ro_grid_wide)(RO_T x) /* 1 <= x <= 2 */
{
    RO_T s = ADD(MUL(SUB(MUL((RO_T)-0.75, x), (RO_T)-3.75), x), -6);
    return SUB(MUL(s, x), -3);
}
RO_FN RO_T RO_N(ro_grid_weight)(const ro_GridSample_attrs *t, RO_T f, uint64_t k)
{
    if (t->mode == RO_GRID_NEAREST) return 1;
    if (t->mode == RO_GRID_LINEAR) return k ? f : SUB(1, f);
    switch (k) {
    case 0: return RO_N(ro_grid_wide)(ADD(f, 1));
    case 1: return RO_N(ro_grid_near)(f);
    case 2: return RO_N(ro_grid_near)(SUB(1, f));
    default: return RO_N(ro_grid_wide)(SUB(2, f));
    }
}
RO_FN uint64_t RO_N(ro_GridSample_count)(RO_AT_ARGS)
{
    uint64_t n = 1, taps = ro_grid_taps(((const ro_GridSample_attrs *)attrs)->mode);
    (void)out, (void)i;
    for (uint32_t a = 2; a < r->in[0].rank; a++) n *= taps;
    return n;
}
RO_CHAIN_FROM(GridSample, 0)
RO_FN uint64_t RO_N(ro_GridSample_step)(RO_AT_ARGS, uint64_t p, uint64_t acc)
{
    const ro_GridSample_attrs *t = (const ro_GridSample_attrs *)attrs;
    const ro_type *x = &r->in[0];
    uint32_t axes = x->rank - 2;
    int64_t at[RO_RANK_MAX];
    RO_T weight[RO_SPATIAL_MAX] = {0}, w, value = 0;
    uint64_t taps = ro_grid_taps(t->mode), rows = ro_span(&r->out[0], 2, x->rank);
    uint64_t m = i / rows / (uint64_t)x->dims[1], row = m * rows + i % rows;
    int inside = 1;
    (void)out;
    at[0] = (int64_t)ro_grid_image(r, m);
    at[1] = (int64_t)(i / rows % (uint64_t)x->dims[1]);
    for (uint32_t a = axes; a-- > 0; p /= taps) {
        int64_t n = x->dims[2 + a], base;
        RO_T q = RO_N(ro_grid_place)(t, READ(r, 1, row * axes + axes - 1 - a), n);
        base = RO_N(ro_grid_floor)(q);
        weight[a] = RO_N(ro_grid_weight)(t, SUB(q, RO_N(ro_i64_to)(base)), p % taps);
        at[2 + a] = ro_grid_inside(t, base + (int64_t)(p % taps) - (taps == 4), n);
        inside &= at[2 + a] >= 0;
    }
    if (at[0] == x->dims[0]) return acc;
    w = weight[0];
    for (uint32_t a = 1; a < axes; a++) w = MUL(w, weight[a]);
    if (inside) value = READ(r, 0, ro_flatten(x, at));
    return TO_BITS(FMA(w, value, FROM_BITS(acc)));
}
RO_CHAIN_STORED(GridSample)
RO_CHAIN_AT(GridSample)
#undef RO_GRID_WHOLE
#endif
#elif defined(RO_PASS_HOST)
RO_INFER(GridSample)
{
    const ro_GridSample_attrs *t = attrs;
    const ro_type *x = &in[0], *q = &in[1];
    (void)n_out;
    if (t->mode > RO_GRID_CUBIC || t->padding_mode > RO_GRID_REFLECTION ||
        t->align_corners > RO_GRID_POSITIONS)
        return RO_FAIL(err, RO_EATTR, "GridSample has mode %u, padding_mode %u and align_corners "
                       "%u; 0 to 2 are known of each", t->mode, t->padding_mode, t->align_corners);
    if (x->rank < 3 || x->rank > 2 + RO_SPATIAL_MAX || q->rank != x->rank ||
        q->dims[q->rank - 1] != (int64_t)x->rank - 2)
        return RO_FAIL(err, RO_ESHAPE, "GridSample takes (N, C, sizes) of rank 3 to %u, not %u, "
                       "and a grid of that rank with a number for each size", 2 + RO_SPATIAL_MAX,
                       x->rank);
    for (uint32_t a = 2; a < x->rank; a++)
        if (x->dims[a] < 1 || x->dims[a] > RO_GRID_FAR)
            return RO_FAIL(err, RO_ELIMIT, "GridSample reads an axis of %lld positions; 1 to %lld "
                           "are allowed", (long long)x->dims[a], (long long)RO_GRID_FAR);
    if (ro_given(in, n_in, 2) ? in[2].rank != 1 || in[2].dims[0] != q->dims[0]
                              : q->dims[0] != x->dims[0])
        return RO_FAIL(err, RO_ESHAPE, "GridSample has a grid for %lld samples, not one for each",
                       (long long)q->dims[0]);
    *out = *x;
    out->dims[0] = q->dims[0];
    for (uint32_t a = 2; a < x->rank; a++) out->dims[a] = q->dims[a - 1];
    return ro_type_check(out, err);
}
RO_READS(GridSample)
{
    uint64_t n = 1, taps = ro_grid_taps(((const ro_GridSample_attrs *)attrs)->mode);
    (void)n_in, (void)out;
    if (input) return input == 1 ? in[0].rank - 2 : 1;
    for (uint32_t a = 2; a < in[0].rank; a++) n *= taps;
    return n;
}
RO_FLOPS(GridSample) { return in[0].rank * ro_GridSample_reads(attrs, in, n_in, out, 0); }
#elif defined(RO_OP)
RO_OP(GridSample, AT, .version = 1, .signature = "F x, F grid, I batch? -> F y",
      .at = RO_AT_FLOAT(GridSample), .infer = ro_GridSample_infer, .flops = ro_GridSample_flops,
      .reads = ro_GridSample_reads)
#endif
