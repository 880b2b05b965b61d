/* Resize, ResizeGrad - interpolation between the places of listed axes.
 *   F x, f64 roi?; ints axes (ascending, from 0), ints sizes, ints scale_n, ints scale_d (one an
 *       axis; the scale is n / d), u32 mode (1 linear, 2 cubic), u32 coordinates (below),
 *       u32 antialias, u32 exclude_outside, f32 cubic_coeff_a, f32 extrapolation_value   ->   F y
 *   Grad   F dy, the same attributes and ints dims (sizes of x's listed axes)   ->   F dx
 *   y = chain from +0 of fma(w, x) over the taps of all listed axes, row-major; w = the axes'
 *       weights, mul left to right. Places and weights: ARITHMETIC.md 5.12; in binary64 but for
 *       the two of plain linear, w = RN(x - floor x) and sub(1, w) (rule 42)
 *   coordinates  0 half_pixel, 1 asymmetric, 2 align_corners, 3 pytorch_half_pixel,
 *       4 half_pixel_symmetric, 5 tf_crop_and_resize: roi has starts, then ends; y is
 *       extrapolation_value where a place lies outside [0, in - 1]
 *   Grad   chain of fma(w, dy) over the outputs with a tap on the element, ascending; w of an axis
 *       is the chain of the weights of the taps there
 *   gradients  Resize: ResizeGrad; none with a roi
 *   errors  RO_ESHAPE, RO_EATTR
 *   cost    alone, a tap: 2 + axes flops, and of each axis 24 or, where weights are divided by
 *           their sum, 12 a tap; Grad: an output over the element, with its searches. Where all
 *           are made the places are shared
 *   source  ONNX Resize-19                                                                       */
#if defined(RO_PASS_ATTRS)
#define RO_Resize_ATTRS(F)                                                                  \
    F(ints, axes) F(ints, sizes) F(ints, scale_n) F(ints, scale_d) F(u32, mode)             \
    F(u32, coordinates) F(u32, antialias) F(u32, exclude_outside) F(f32, cubic_coeff_a)     \
    F(f32, extrapolation_value)
#define RO_ResizeGrad_ATTRS(F) RO_Resize_ATTRS(F) F(ints, dims)
RO_ATTRS(Resize);
RO_ATTRS(ResizeGrad);
enum { RO_RESIZE_LINEAR = 1, RO_RESIZE_CUBIC };
enum { RO_RESIZE_HALF, RO_RESIZE_ASYMMETRIC, RO_RESIZE_ALIGN, RO_RESIZE_PYTORCH,
       RO_RESIZE_SYMMETRIC, RO_RESIZE_CROP };
#define RO_RESIZE_EXACT INT64_C(0x1fffffffffffff) /* 2^53 - 1, the most of n and d */
#define RO_RESIZE_TAPS 4096 /* on an axis: the sum of weights goes over all of them for each tap */

/* What both operators say of one axis. */
typedef struct {
    uint32_t mode, coordinates, antialias, exclude_outside;
    int64_t in, out, n, d;
    double a, start, end; /* of cubic; of roi */
} ro_resize_rule;
#define RO_RESIZE_RULE(t, k, size)                                                          \
    {(t)->mode, (t)->coordinates, (t)->antialias, (t)->exclude_outside, (size),             \
     (t)->sizes.v[k], (t)->scale_n.v[k], (t)->scale_d.v[k], (double)(t)->cubic_coeff_a, 0, 1}

/* The taps of one place: at first, first + 1, ..; f from the tap before the place; sum: of the
 * weights, where they are divided by it, else 0. */
typedef struct { int64_t first; double f, sum; } ro_resize_place;

/* 2 ceil(k d / n) where x is made smaller without gaps, else 2 k. */
RO_FN int64_t ro_resize_taps(const ro_resize_rule *r)
{
    int64_t k = r->mode == RO_RESIZE_CUBIC ? 2 : 1;
    if (!r->antialias || r->n >= r->d) return 2 * k;
    return 2 * ((k * r->d - 1) / r->n + 1);
}
RO_FN double ro_resize_half(const ro_resize_rule *r, int64_t o)
{
    double up = ro_mul_f64(ro_i64_to_f64(2 * o + 1), ro_i64_to_f64(r->d));
    return ro_sub_f64(ro_div_f64(up, ro_mul_f64(2, ro_i64_to_f64(r->n))), 0.5);
}
/* Where output o lies on the axis of x. */
RO_FN double ro_resize_at(const ro_resize_rule *r, int64_t o)
{
    double n = ro_i64_to_f64(r->n), d = ro_i64_to_f64(r->d), in = ro_i64_to_f64(r->in);
    double whole = ro_div_f64(ro_mul_f64(in, n), d), last = ro_i64_to_f64(r->in - 1);
    double x = ro_i64_to_f64(o), width;
    switch (r->coordinates) {
    case RO_RESIZE_ASYMMETRIC: return ro_div_f64(ro_mul_f64(x, d), n);
    case RO_RESIZE_ALIGN:
        return whole == 1 ? 0 : ro_div_f64(ro_mul_f64(x, last), ro_sub_f64(whole, 1));
    case RO_RESIZE_PYTORCH: return r->out == 1 ? 0 : ro_resize_half(r, o);
    case RO_RESIZE_SYMMETRIC:
        x = ro_sub_f64(1, ro_div_f64(ro_i64_to_f64(r->out), whole));
        return ro_add_f64(ro_mul_f64(ro_mul_f64(in, 0.5), x), ro_resize_half(r, o));
    case RO_RESIZE_CROP:
        width = ro_sub_f64(r->end, r->start);
        x = whole == 1 ? ro_mul_f64(ro_mul_f64(width, last), 0.5)
                       : ro_div_f64(ro_mul_f64(ro_mul_f64(x, width), last), ro_sub_f64(whole, 1));
        return ro_add_f64(x, ro_mul_f64(r->start, last));
    default: return ro_resize_half(r, o);
    }
}
/* Within +-2^52, so that a floor is a whole number of int64; NaN is the least. By the total order's
 * integers: of a comparison of doubles nvcc makes a minimum, which is none of our operations. */
RO_FN double ro_resize_limited(double x)
{
    int64_t k = ro_order_f64(x);
    if (!(x == x) || k < ro_order_f64(-0x1p52)) return -0x1p52;
    return k > ro_order_f64(0x1p52) ? 0x1p52 : x;
}
RO_FN int64_t ro_resize_floor(double x)
{
    int64_t i = ro_f64_to_i64(x);
    return ro_i64_to_f64(i) > x ? i - 1 : i;
}
RO_FN double ro_resize_kernel(const ro_resize_rule *r, double x)
{
    double a = r->a, s;
    if (r->mode == RO_RESIZE_LINEAR) return x < 1 ? ro_sub_f64(1, x) : 0;
    if (x <= 1) {
        s = ro_sub_f64(ro_mul_f64(ro_add_f64(a, 2), x), ro_add_f64(a, 3));
        return ro_add_f64(ro_mul_f64(ro_mul_f64(s, x), x), 1);
    }
    if (!(x < 2)) return 0;
    s = ro_sub_f64(ro_mul_f64(a, x), ro_mul_f64(5, a));
    s = ro_add_f64(ro_mul_f64(s, x), ro_mul_f64(8, a));
    return ro_sub_f64(ro_mul_f64(s, x), ro_mul_f64(4, a));
}
/* Tap k before division and rounding. */
RO_FN double ro_resize_raw(const ro_resize_rule *r, const ro_resize_place *p, int64_t k)
{
    int64_t at = p->first + k;
    double x = ro_sub_f64(ro_i64_to_f64(k + 1 - ro_resize_taps(r) / 2), p->f);
    if (r->exclude_outside && (at < 0 || at >= r->in)) return 0;
    if (r->antialias && r->n < r->d)
        x = ro_mul_f64(x, ro_div_f64(ro_i64_to_f64(r->n), ro_i64_to_f64(r->d)));
    return ro_resize_kernel(r, ro_abs_f64(x));
}
RO_FN ro_resize_place ro_resize_place_of(const ro_resize_rule *r, int64_t o)
{
    double x = ro_resize_limited(ro_resize_at(r, o));
    int64_t floor = ro_resize_floor(x), taps = ro_resize_taps(r);
    ro_resize_place p;
    p.first = floor + 1 - taps / 2;
    p.f = ro_sub_f64(x, ro_i64_to_f64(floor));
    p.sum = 0;
    if (r->antialias || r->exclude_outside)
        for (int64_t k = 0; k < taps; k++) p.sum = ro_add_f64(p.sum, ro_resize_raw(r, &p, k));
    return p;
}
/* The position on the axis that tap k reads. */
RO_FN int64_t ro_resize_index(const ro_resize_rule *r, const ro_resize_place *p, int64_t k)
{
    int64_t at = p->first + k;
    return at < 0 ? 0 : at >= r->in ? r->in - 1 : at;
}
RO_FN double ro_resize_exact(const ro_resize_rule *r, const ro_resize_place *p, int64_t k)
{
    double e = ro_resize_raw(r, p, k);
    return p->sum != 0 ? ro_div_f64(e, p->sum) : e;
}
/* The least o whose first tap is at or after `at`; places do not go back. */
RO_FN int64_t ro_resize_reaching(const ro_resize_rule *r, int64_t at)
{
    int64_t lo = 0, hi = r->out;
    while (lo < hi) {
        int64_t o = lo + (hi - lo) / 2;
        int64_t floor = ro_resize_floor(ro_resize_limited(ro_resize_at(r, o)));
        if (floor + 1 - ro_resize_taps(r) / 2 >= at) hi = o;
        else lo = o + 1;
    }
    return lo;
}
/* The outputs [*lo, *hi) of an axis with a tap on position j. */
RO_FN void ro_resize_over(const ro_resize_rule *r, int64_t j, int64_t *lo, int64_t *hi)
{
    *lo = j == 0 ? 0 : ro_resize_reaching(r, j + 1 - ro_resize_taps(r));
    *hi = j == r->in - 1 ? r->out : ro_resize_reaching(r, j + 1);
}
#elif defined(RO_PASS_BODY)
#if RO_IS_FLOAT
#if RO_IS_F32
#define RO_RESIZE_ROUND(x) ro_f64_to_f32(x)
#else
#define RO_RESIZE_ROUND(x) (x)
#endif
RO_FN RO_T RO_N(ro_resize_weight)(const ro_resize_rule *r, const ro_resize_place *p, int64_t k)
{
    if (r->mode != RO_RESIZE_LINEAR || r->antialias || r->exclude_outside)
        return RO_RESIZE_ROUND(ro_resize_exact(r, p, k));
    RO_T w = RO_RESIZE_ROUND(p->f);
    return k ? w : SUB(1, w);
}
RO_FN ro_resize_rule RO_N(ro_Resize_rule)(const ro_reader *r, const ro_Resize_attrs *t, uint32_t k)
{
    ro_resize_rule rule = RO_RESIZE_RULE(t, k, r->in[0].dims[t->axes.v[k]]);
    if (t->coordinates == RO_RESIZE_CROP) {
        rule.start = ro_read_f64(r, 1, k);
        rule.end = ro_read_f64(r, 1, t->axes.n + k);
    }
    return rule;
}
RO_FN uint64_t RO_N(ro_Resize_count)(RO_AT_ARGS)
{
    const ro_Resize_attrs *t = (const ro_Resize_attrs *)attrs;
    uint64_t n = 1;
    (void)out, (void)i;
    for (uint32_t k = 0; k < t->axes.n; k++) {
        ro_resize_rule rule = RO_RESIZE_RULE(t, k, r->in[0].dims[t->axes.v[k]]);
        n *= (uint64_t)ro_resize_taps(&rule);
    }
    return n;
}
RO_CHAIN_FROM(Resize, 0)
RO_FN uint64_t RO_N(ro_Resize_step)(RO_AT_ARGS, uint64_t p, uint64_t acc)
{
    const ro_Resize_attrs *t = (const ro_Resize_attrs *)attrs;
    int64_t at[RO_RANK_MAX];
    RO_T weight[RO_RANK_MAX] = {0}, w;
    ro_unflatten(&r->out[out], i, at);
    for (uint32_t k = t->axes.n; k-- > 0;) {
        ro_resize_rule rule = RO_N(ro_Resize_rule)(r, t, k);
        uint64_t taps = (uint64_t)ro_resize_taps(&rule);
        ro_resize_place place = ro_resize_place_of(&rule, at[t->axes.v[k]]);
        weight[k] = RO_N(ro_resize_weight)(&rule, &place, (int64_t)(p % taps));
        at[t->axes.v[k]] = ro_resize_index(&rule, &place, (int64_t)(p % taps));
        p /= taps;
    }
    w = weight[0];
    for (uint32_t k = 1; k < t->axes.n; k++) w = MUL(w, weight[k]);
    return TO_BITS(FMA(w, READ(r, 0, ro_flatten(&r->in[0], at)), FROM_BITS(acc)));
}
RO_FN uint64_t RO_N(ro_Resize_finish)(RO_AT_ARGS, uint64_t acc)
{
    const ro_Resize_attrs *t = (const ro_Resize_attrs *)attrs;
    int64_t at[RO_RANK_MAX];
    if (t->coordinates != RO_RESIZE_CROP) return OUT(r, out, FROM_BITS(acc));
    ro_unflatten(&r->out[out], i, at);
    for (uint32_t k = 0; k < t->axes.n; k++) {
        ro_resize_rule rule = RO_N(ro_Resize_rule)(r, t, k);
        double x = ro_resize_at(&rule, at[t->axes.v[k]]);
        if (!(x >= 0 && x <= ro_i64_to_f64(rule.in - 1)))
            return OUT(r, out, (RO_T)t->extrapolation_value);
    }
    return OUT(r, out, FROM_BITS(acc));
}
RO_CHAIN_BODY(Resize, 0)

/* The outputs over element i: their box, and where i lies. */
RO_FN uint64_t RO_N(ro_ResizeGrad_box)(const ro_reader *r, const ro_ResizeGrad_attrs *t, uint64_t i,
                                       int64_t *at, int64_t *lo, int64_t *hi)
{
    uint64_t n = 1;
    ro_unflatten(&r->out[0], i, at);
    for (uint32_t k = 0; k < t->axes.n; k++) {
        ro_resize_rule rule = RO_RESIZE_RULE(t, k, t->dims.v[k]);
        ro_resize_over(&rule, at[t->axes.v[k]], &lo[k], &hi[k]);
        n *= (uint64_t)(hi[k] > lo[k] ? hi[k] - lo[k] : 0);
    }
    return n;
}
RO_FN uint64_t RO_N(ro_ResizeGrad_count)(RO_AT_ARGS)
{
    int64_t at[RO_RANK_MAX], lo[RO_RANK_MAX], hi[RO_RANK_MAX];
    (void)out;
    return RO_N(ro_ResizeGrad_box)(r, (const ro_ResizeGrad_attrs *)attrs, i, at, lo, hi);
}
RO_CHAIN_FROM(ResizeGrad, 0)
/* What position j of an axis weighs in output o. */
RO_FN RO_T RO_N(ro_resize_share)(const ro_resize_rule *r, int64_t o, int64_t j)
{
    ro_resize_place p = ro_resize_place_of(r, o);
    int64_t taps = ro_resize_taps(r);
    RO_T w = 0;
    for (int64_t k = 0; k < taps; k++)
        if (ro_resize_index(r, &p, k) == j) w = ADD(w, RO_N(ro_resize_weight)(r, &p, k));
    return w;
}
RO_FN uint64_t RO_N(ro_ResizeGrad_step)(RO_AT_ARGS, uint64_t p, uint64_t acc)
{
    const ro_ResizeGrad_attrs *t = (const ro_ResizeGrad_attrs *)attrs;
    int64_t at[RO_RANK_MAX], lo[RO_RANK_MAX], hi[RO_RANK_MAX];
    RO_T weight[RO_RANK_MAX] = {0}, w;
    (void)out;
    RO_N(ro_ResizeGrad_box)(r, t, i, at, lo, hi);
    for (uint32_t k = t->axes.n; k-- > 0;) {
        ro_resize_rule rule = RO_RESIZE_RULE(t, k, t->dims.v[k]);
        uint64_t n = (uint64_t)(hi[k] - lo[k]);
        int64_t o = lo[k] + (int64_t)(p % n), *place = &at[t->axes.v[k]];
        weight[k] = RO_N(ro_resize_share)(&rule, o, *place);
        *place = o;
        p /= n;
    }
    w = weight[0];
    for (uint32_t k = 1; k < t->axes.n; k++) w = MUL(w, weight[k]);
    return TO_BITS(FMA(w, READ(r, 0, ro_flatten(&r->in[0], at)), FROM_BITS(acc)));
}
RO_CHAIN_STORED(ResizeGrad)
RO_CHAIN_BODY(ResizeGrad, 0)
#undef RO_RESIZE_ROUND
#endif
#elif defined(RO_PASS_HOST)
static ro_status ro_resize_axis_check(const ro_resize_rule *r, ro_err *err)
{
    if (r->n < 1 || r->d < 1 || r->n > RO_RESIZE_EXACT || r->d > RO_RESIZE_EXACT)
        return RO_FAIL(err, RO_EATTR, "a scale is %lld over %lld; 1 to 2^53 - 1 are allowed",
                       (long long)r->n, (long long)r->d);
    if (r->in < 1)
        return RO_FAIL(err, RO_ESHAPE, "Resize goes over an axis of no positions");
    if (ro_resize_taps(r) > RO_RESIZE_TAPS)
        return RO_FAIL(err, RO_ELIMIT, "Resize has %lld taps on an axis; %d are allowed",
                       (long long)ro_resize_taps(r), RO_RESIZE_TAPS);
    if (r->coordinates == RO_RESIZE_ALIGN &&
        ro_div_f64(ro_mul_f64((double)r->in, (double)r->n), (double)r->d) < 1)
        return RO_FAIL(err, RO_EATTR, "Resize aligns the corners of less than one position");
    return RO_OK;
}
/* x's type, and y's. */
static ro_status ro_resize_check(const ro_Resize_attrs *t, const ro_type *x, ro_type *y,
                                 ro_err *err)
{
    uint32_t n = t->axes.n;
    uint64_t taps = 1;
    if (t->mode < RO_RESIZE_LINEAR || t->mode > RO_RESIZE_CUBIC ||
        t->coordinates > RO_RESIZE_CROP)
        return RO_FAIL(err, RO_EATTR, "Resize has the mode %u and coordinates %u; 1 to 2 and 0 to "
                       "5 are known", t->mode, t->coordinates);
    RO_TRY(ro_check_flag(t->antialias, "antialias", err));
    RO_TRY(ro_check_flag(t->exclude_outside, "exclude_outside", err));
    RO_TRY(ro_check_finite((double)t->cubic_coeff_a, "cubic_coeff_a", err));
    if (n < 1 || n > x->rank || t->sizes.n != n || t->scale_n.n != n || t->scale_d.n != n)
        return RO_FAIL(err, RO_EATTR, "Resize lists %u axes, %u sizes, %u and %u parts of scales "
                       "for a tensor of rank %u", n, t->sizes.n, t->scale_n.n, t->scale_d.n,
                       x->rank);
    ro_ints dims = {x->rank, {0}};
    for (uint32_t a = 0; a < x->rank; a++) dims.v[a] = x->dims[a];
    for (uint32_t k = 0; k < n; k++) {
        if (t->axes.v[k] < (k ? t->axes.v[k - 1] + 1 : 0) || t->axes.v[k] >= (int64_t)x->rank)
            return RO_FAIL(err, RO_EATTR, "Resize's axis %lld does not ascend within rank %u",
                           (long long)t->axes.v[k], x->rank);
        ro_resize_rule rule = RO_RESIZE_RULE(t, k, x->dims[t->axes.v[k]]);
        RO_TRY(ro_resize_axis_check(&rule, err));
        taps = ro_saturating_mul(taps, (uint64_t)ro_resize_taps(&rule));
        dims.v[t->axes.v[k]] = t->sizes.v[k];
    }
    if (taps > RO_ELEMENTS_MAX)
        return RO_FAIL(err, RO_ELIMIT, "Resize has more than %llu taps",
                       (unsigned long long)RO_ELEMENTS_MAX);
    return ro_infer_shape(x->dtype, &dims, y, err);
}
RO_INFER(Resize)
{
    const ro_Resize_attrs *t = attrs;
    int crops = t->coordinates == RO_RESIZE_CROP;
    (void)n_out;
    RO_TRY(ro_resize_check(t, &in[0], &out[0], err));
    if (crops != ro_given(in, n_in, 1) ||
        (crops && (in[1].rank != 1 || in[1].dims[0] != 2 * (int64_t)t->axes.n)))
        return RO_FAIL(err, RO_ESHAPE, "Resize takes a roi of %u numbers with coordinates 5, and "
                       "none with others", 2 * t->axes.n);
    return RO_OK;
}
/* What both operators have. */
#define RO_RESIZE_SAME(t)                                                                      \
    .axes = (t)->axes, .sizes = (t)->sizes, .scale_n = (t)->scale_n, .scale_d = (t)->scale_d,  \
    .mode = (t)->mode, .coordinates = (t)->coordinates, .antialias = (t)->antialias,           \
    .exclude_outside = (t)->exclude_outside, .cubic_coeff_a = (t)->cubic_coeff_a,              \
    .extrapolation_value = (t)->extrapolation_value
RO_INFER(ResizeGrad)
{
    const ro_ResizeGrad_attrs *t = attrs;
    ro_Resize_attrs forward = {RO_RESIZE_SAME(t)};
    ro_ints dims = {in[0].rank, {0}};
    ro_type y;
    (void)n_in, (void)n_out;
    if (t->dims.n != t->axes.n || t->coordinates == RO_RESIZE_CROP)
        return RO_FAIL(err, RO_EATTR, "ResizeGrad has %u dims for %u axes, and coordinates %u; "
                       "those over 4 have no gradient", t->dims.n, t->axes.n, t->coordinates);
    for (uint32_t a = 0; a < in[0].rank; a++) dims.v[a] = in[0].dims[a];
    for (uint32_t k = 0; k < t->axes.n; k++)
        if (t->axes.v[k] >= 0 && t->axes.v[k] < (int64_t)in[0].rank)
            dims.v[t->axes.v[k]] = t->dims.v[k];
    RO_TRY(ro_infer_shape(in[0].dtype, &dims, out, err));
    RO_TRY(ro_resize_check(&forward, out, &y, err));
    return ro_check_shapes(&in[0], "the gradient dy", &y, "Resize's output", err);
}
RO_READS(Resize)
{
    const ro_Resize_attrs *t = attrs;
    uint64_t n = 1;
    (void)n_in, (void)out;
    if (input == 1) return 2 * t->axes.n;
    for (uint32_t k = 0; k < t->axes.n; k++) {
        ro_resize_rule rule = RO_RESIZE_RULE(t, k, in[0].dims[t->axes.v[k]]);
        int64_t taps = ro_resize_taps(&rule);
        n = ro_saturating_mul(n, (uint64_t)(taps < rule.in ? taps : rule.in));
    }
    return n;
}
/* Of an axis, a place and its weight; the body has no room for them and makes them again at every
 * tap, with the sum of all weights where they are divided by it. */
static uint64_t ro_resize_place_flops(uint32_t divided, uint64_t taps)
{
    return divided ? ro_saturating_mul(12, taps) : 24;
}
/* Taps of an element, and into *each what one costs. */
static uint64_t ro_resize_cost(const ro_Resize_attrs *t, const ro_type *x, uint64_t *each)
{
    uint64_t n = 1;
    *each = 2 + t->axes.n;
    for (uint32_t k = 0; k < t->axes.n; k++) {
        ro_resize_rule rule = RO_RESIZE_RULE(t, k, x->dims[t->axes.v[k]]);
        const uint64_t taps = (uint64_t)ro_resize_taps(&rule);
        n = ro_saturating_mul(n, taps);
        *each += ro_resize_place_flops(t->antialias || t->exclude_outside, taps);
    }
    return n;
}
RO_FLOPS(Resize)
{
    uint64_t each, n = ro_resize_cost(attrs, &in[0], &each);
    (void)n_in, (void)out;
    return ro_saturating_mul(n, each);
}
/* Where all elements are made, the places of an axis are made once. */
static uint64_t ro_resize_shared(RO_FLOPS_ARGS)
{
    uint64_t each;
    (void)n_in, (void)out;
    (void)ro_resize_cost(attrs, &in[0], &each);
    return each / (2 + ((const ro_Resize_attrs *)attrs)->axes.n);
}
/* Outputs over one position of an axis: places a step apart of so many in T, or all. */
static uint64_t ro_resize_most(const ro_resize_rule *r)
{
    double whole = ro_div_f64(ro_mul_f64((double)r->in, (double)r->n), (double)r->d);
    double step = r->coordinates == RO_RESIZE_ALIGN
                      ? r->in == 1 ? 0 : ro_div_f64((double)(r->in - 1), ro_sub_f64(whole, 1))
                      : ro_div_f64((double)r->d, (double)r->n);
    double most = step > 0 ? ro_div_f64((double)ro_resize_taps(r), step) + 2 : (double)r->out;
    if (!((double)r->out <= whole + 1) || !(most < (double)r->out)) return (uint64_t)r->out;
    return (uint64_t)most;
}
RO_READS(ResizeGrad)
{
    const ro_ResizeGrad_attrs *t = attrs;
    uint64_t n = 1;
    (void)in, (void)n_in, (void)out, (void)input;
    for (uint32_t k = 0; k < t->axes.n; k++) {
        ro_resize_rule rule = RO_RESIZE_RULE(t, k, t->dims.v[k]);
        n = ro_saturating_mul(n, ro_resize_most(&rule));
    }
    return n;
}
/* An output over the element: on each axis two searches, for the first and the last, and taps. */
static uint64_t ro_resize_grad_each(const void *attrs)
{
    const ro_ResizeGrad_attrs *t = attrs;
    uint64_t each = 3 + t->axes.n;
    for (uint32_t k = 0; k < t->axes.n; k++) {
        ro_resize_rule rule = RO_RESIZE_RULE(t, k, t->dims.v[k]);
        const uint64_t taps = (uint64_t)ro_resize_taps(&rule);
        each += 24 * 64 + 24 * taps + ro_resize_place_flops(t->antialias || t->exclude_outside,
                                                            taps);
    }
    return each;
}
RO_FLOPS(ResizeGrad)
{
    return ro_saturating_mul(ro_resize_grad_each(attrs),
                             ro_ResizeGrad_reads(attrs, in, n_in, out, 0));
}
static uint64_t ro_resize_grad_shared(RO_FLOPS_ARGS)
{
    (void)in, (void)n_in, (void)out;
    return ro_resize_grad_each(attrs) / (3 + ((const ro_ResizeGrad_attrs *)attrs)->axes.n);
}
RO_GRAD(Resize)
{
    const ro_Resize_attrs *t = node->attrs;
    const ro_type *x = ro_graph_type(g, node->in[0]);
    ro_ResizeGrad_attrs tg = {RO_RESIZE_SAME(t)};
    if (t->coordinates == RO_RESIZE_CROP)
        return RO_FAIL(err, RO_EOP, "Resize with a roi has no gradient; a model with it cannot be "
                       "trained");
    for (uint32_t k = 0; k < t->axes.n; k++) tg.dims.v[tg.dims.n++] = x->dims[t->axes.v[k]];
    return ro_emit1(g, RO_OP_ResizeGrad, &tg, dy[0], &dx[0], err);
}
#elif defined(RO_OP)
RO_OP(Resize, AT, .version = 1, .signature = "F x, f64 roi? -> F y", .at = RO_AT_FLOAT(Resize),
      .explain = RO_EXPLAIN_FLOAT(Resize), .infer = ro_Resize_infer, .flops = ro_Resize_flops,
      .shared = ro_resize_shared, .reads = ro_Resize_reads, .grad = ro_Resize_grad)
RO_OP(ResizeGrad, AT, .version = 1, .signature = "F dy -> F dx", .at = RO_AT_FLOAT(ResizeGrad),
      .explain = RO_EXPLAIN_FLOAT(ResizeGrad), .infer = ro_ResizeGrad_infer,
      .flops = ro_ResizeGrad_flops, .shared = ro_resize_grad_shared,
      .reads = ro_ResizeGrad_reads, .grad = NULL)
#endif
