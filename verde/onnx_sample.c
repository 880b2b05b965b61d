/* onnx_sample.c - resizing, sampling and convolutions whose taps move, of ONNX as nodes.
 *
 * What this file decides: which places are read. What lies between two of them is the operators'
 * Resize and GridSample. */
#include "onnx_lower.h"

/* ---- resizing ----------------------------------------------------------------------------- */

/* Coordinates by the numbers that the operator Resize has for them; then what only the nearest
 * place knows. */
enum { HALF_PIXEL, ASYMMETRIC, ALIGN_CORNERS, PYTORCH, SYMMETRIC, CROP, HALF_PIXEL_NN };
static const char *const COORDINATES[] = {
    "half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel", "half_pixel_symmetric",
    "tf_crop_and_resize", "tf_half_pixel_for_nn", NULL};
enum { PREFER_FLOOR, PREFER_CEIL, FLOOR, CEIL };
enum { NEAREST, LINEAR, CUBIC };

typedef struct {
    uint32_t mode, coordinates, nearest, policy;
    ro_ints axes;                 /* that are listed, or all */
    int64_t to[RO_RANK_MAX];      /* by axis: size, scale = n / d, part of x */
    int64_t n[RO_RANK_MAX], d[RO_RANK_MAX];
    double start[RO_RANK_MAX], end[RO_RANK_MAX];
} resizing;

/* The scale exactly; 0 where it is not over 0, or has over 53 bits. */
static int as_ratio(float scale, int64_t *n, int64_t *d)
{
    uint32_t bits;
    memcpy(&bits, &scale, 4);
    int64_t m = (bits & 0x7fffff) | 0x800000;
    int e = (int)(bits >> 23) - 150; /* a sign makes it large */
    while (m % 2 == 0) m /= 2, e++;
    if (e < -52 || e > 52 - 24) return 0;
    *n = e > 0 ? m << e : m;
    *d = e < 0 ? INT64_C(1) << -e : 1;
    return 1;
}

static ro_status take_scales(vd_use *u, const ro_type *t, resizing *r, uint32_t input)
{
    const vd_onnx_attribute *list = vd_use_attribute(u, "scales");
    const ro_type *s = vd_use_type(u, input);
    const void *data = NULL;
    uint64_t count = s ? ro_type_elements(s) : list && list->type == VD_A_FLOATS ? list->count : 0;
    if (count != r->axes.n || (s && s->dtype != RO_F32))
        return vd_use_fail(u, RO_ESHAPE, "has scales for %llu of %u axes",
                           (unsigned long long)count, r->axes.n);
    if (s) RO_TRY(vd_lower_known(u->l, u->in[input], &data));
    for (uint32_t k = 0; k < count; k++) {
        const int64_t a = r->axes.v[k];
        float f = s ? ((const float *)data)[k] : list->v.floats[k];
        double to = (double)t->dims[a] * (double)f;
        if (!as_ratio(f, &r->n[a], &r->d[a]) || !(to >= 0 && to <= VD_LOWER_INDICES))
            return vd_use_fail(u, RO_ELIMIT, "scales axis %lld of %lld by %g", (long long)a,
                               (long long)t->dims[a], (double)f);
        r->to[a] = (int64_t)to;
    }
    return RO_OK;
}

static ro_status take_sizes(vd_use *u, const ro_type *t, resizing *r, const ro_ints *sizes)
{
    if (sizes->n != r->axes.n)
        return vd_use_fail(u, RO_ESHAPE, "has sizes for %u of %u axes", sizes->n, r->axes.n);
    for (uint32_t k = 0; k < sizes->n; k++) {
        const int64_t a = r->axes.v[k];
        r->n[a] = r->to[a] = sizes->v[k];
        r->d[a] = t->dims[a];
        if (r->n[a] < 0 || r->n[a] > (int64_t)VD_LOWER_INDICES || r->d[a] > INT64_C(1) << 38 ||
            (r->n[a] && !r->d[a]))
            return vd_use_fail(u, RO_ELIMIT, "resizes axis %lld of %lld to %lld", (long long)a,
                               (long long)r->d[a], (long long)r->n[a]);
    }
    if (!r->policy || !ro_type_elements(t)) return RO_OK;
    int64_t n = r->n[r->axes.v[0]], d = r->d[r->axes.v[0]];
    for (uint32_t k = 1; k < sizes->n; k++) { /* products below 2^60 */
        const int64_t a = r->axes.v[k], less = r->n[a] * d, more = n * r->d[a];
        if (r->policy == 1 ? less < more : less > more) n = r->n[a], d = r->d[a];
    }
    for (uint32_t k = 0; k < sizes->n; k++) {
        const int64_t a = r->axes.v[k];
        r->to[a] = (2 * n * t->dims[a] + d) / (2 * d);
        r->n[a] = n, r->d[a] = d;
        if (r->to[a] > (int64_t)VD_LOWER_INDICES)
            return vd_use_fail(u, RO_ELIMIT, "resizes axis %lld to %lld", (long long)a,
                               (long long)r->to[a]);
    }
    return RO_OK;
}

/* The part of x that is shown, on the listed axes: *roi, binary64. */
static ro_status take_roi(vd_use *u, resizing *r, ro_value *roi)
{
    const ro_type *t = vd_use_type(u, 1);
    const void *data;
    if (!t || ro_type_elements(t) != 2 * r->axes.n)
        return vd_use_fail(u, RO_ESHAPE, "has no roi of %u numbers", 2 * r->axes.n);
    RO_TRY(vd_lower_cast(u->l, u->in[1], RO_F64, roi));
    RO_TRY(vd_lower_known(u->l, *roi, &data));
    for (uint32_t k = 0; k < r->axes.n; k++) {
        r->start[r->axes.v[k]] = ((const double *)data)[k];
        r->end[r->axes.v[k]] = ((const double *)data)[r->axes.n + k];
    }
    return RO_OK;
}

static int is_resized(const resizing *r, const ro_type *t, uint32_t a)
{
    return r->to[a] != t->dims[a] || r->n[a] != r->d[a] ||
           (r->coordinates == CROP && (r->start[a] != 0 || r->end[a] != 1));
}

/* Where position i of an axis lies on x: ARITHMETIC 5.12, Resize. */
static double place(const resizing *r, uint32_t a, int64_t i, int64_t size)
{
    const double x = (double)i, n = (double)r->n[a], d = (double)r->d[a], last = (double)(size - 1);
    const double whole = (double)size * n / d, half = (double)(2 * i + 1) * d / (2 * n) - 0.5;
    const double width = r->end[a] - r->start[a];
    switch (r->coordinates) {
    case ASYMMETRIC: return x * d / n;
    case ALIGN_CORNERS: return whole == 1 ? 0 : x * last / (whole - 1);
    case PYTORCH: return r->to[a] == 1 ? 0 : half;
    case SYMMETRIC: return (double)size / 2 * (1 - (double)r->to[a] / whole) + half;
    case CROP:
        return (whole == 1 ? width * last / 2 : x * width * last / (whole - 1)) +
               r->start[a] * last;
    case HALF_PIXEL_NN: return (double)(2 * i + 1) * d / (2 * n);
    default: return half;
    }
}

/* The whole number next to x >= -1 by the rule. */
static int64_t rounded(double x, uint32_t how)
{
    int64_t low = (int64_t)x;
    if ((double)low > x) low--;
    double rest = x - (double)low;
    return low + (how == CEIL           ? rest > 0
                  : how == PREFER_CEIL  ? rest >= 0.5
                  : how == PREFER_FLOOR ? rest > 0.5 : 0);
}

/* x at the nearest places of an axis; of those outside a crop, the extrapolation value. */
static ro_status resize_nearest(vd_use *u, const resizing *r, uint32_t a, ro_value *x)
{
    vd_lower *l = u->l;
    const ro_type t = *ro_graph_type(l->graph, *x);
    const int64_t size = t.dims[a], dims[RO_RANK_MAX] = {r->to[a], 1, 1, 1, 1, 1, 1, 1};
    int64_t *at, *out, outside = 0;
    ro_value is, value;
    RO_TRY(vd_use_list(u, (uint64_t)r->to[a], &at));
    RO_TRY(vd_use_list(u, (uint64_t)r->to[a], &out));
    for (int64_t i = 0; i < r->to[a]; i++) {
        double p = place(r, a, i, size);
        out[i] = r->coordinates == CROP && !(p >= 0 && p <= (double)(size - 1));
        outside |= out[i];
        p = p >= -1 ? p <= (double)size ? p : (double)size : -1;
        at[i] = rounded(p, r->nearest);
        at[i] = at[i] < 0 ? 0 : at[i] >= size ? size - 1 : at[i];
    }
    RO_TRY(vd_lower_take(l, *x, a, at, (uint64_t)r->to[a], x));
    if (!outside) return RO_OK;
    RO_TRY(vd_use_made(u, RO_BOOL, t.rank - a, dims, out, &is));
    RO_TRY(vd_lower_scalar(l, t.dtype, vd_use_float(u, "extrapolation_value", 0), &value));
    return vd_lower_where(l, is, value, *x, x);
}

/* One node over all axes that are resized. */
static ro_status resize_smooth(vd_use *u, const resizing *r, const ro_type *t, ro_value roi)
{
    vd_lower *l = u->l;
    vd_attrs a = vd_attrs_of("Resize");
    ro_value in[2] = {u->in[0], RO_NO_VALUE};
    int64_t list[4][RO_RANK_MAX], *at;
    uint32_t n = 0, listed = 0;
    RO_TRY(vd_use_list(u, 2 * RO_RANK_MAX, &at));
    for (uint32_t k = 0; k < t->rank; k++) {
        if (!is_resized(r, t, k)) continue;
        list[0][n] = k, list[1][n] = r->to[k], list[2][n] = r->n[k], list[3][n++] = r->d[k];
    }
    for (uint32_t k = 0; r->coordinates == CROP && k < n; k++) {
        for (listed = 0; r->axes.v[listed] != list[0][k];) listed++;
        at[k] = listed;
        at[n + k] = r->axes.n + listed;
    }
    if (r->coordinates == CROP) RO_TRY(vd_lower_take(l, roi, 0, at, 2 * n, &in[1]));
    vd_attrs_ints(l, &a, "axes", list[0], n);
    vd_attrs_ints(l, &a, "sizes", list[1], n);
    vd_attrs_ints(l, &a, "scale_n", list[2], n);
    vd_attrs_ints(l, &a, "scale_d", list[3], n);
    vd_attrs_int(l, &a, "mode", r->mode);
    vd_attrs_int(l, &a, "coordinates", r->coordinates);
    vd_attrs_int(l, &a, "antialias", vd_use_int(u, "antialias", 0) != 0);
    vd_attrs_int(l, &a, "exclude_outside", vd_use_int(u, "exclude_outside", 0) != 0);
    vd_attrs_real(l, &a, "cubic_coeff_a", vd_use_float(u, "cubic_coeff_a", -0.75f));
    vd_attrs_real(l, &a, "extrapolation_value", vd_use_float(u, "extrapolation_value", 0));
    return vd_lower_emit(l, &a, in, in[1] == RO_NO_VALUE ? 1 : 2, 1, &u->out[0]);
}

/* The axes that are listed; those of x in other modes than CROP, as they are. */
static ro_status resize_axes(vd_use *u, const ro_type *t, resizing *r)
{
    int listed;
    uint32_t axis, seen = 0;
    RO_TRY(vd_use_ints(u, RO_INPUTS_MAX, "axes", &r->axes, &listed));
    for (uint32_t k = 0; !listed && k < t->rank; k++) r->axes.v[r->axes.n++] = k;
    for (uint32_t k = 0; k < r->axes.n; k++) {
        RO_TRY(vd_use_axis(u, r->axes.v[k], t->rank, &axis));
        if (seen >> axis & 1) return vd_use_fail(u, RO_EATTR, "lists axis %u twice", axis);
        seen |= 1u << axis;
        r->axes.v[k] = axis;
    }
    for (uint32_t k = 0; k < t->rank; k++) {
        r->to[k] = t->dims[k];
        r->n[k] = r->d[k] = 1;
        r->end[k] = 1;
    }
    return RO_OK;
}

static ro_status resize_way(vd_use *u, resizing *r)
{
    static const char *const modes[] = {"nearest", "linear", "cubic", NULL};
    static const char *const nearest[] = {"round_prefer_floor", "round_prefer_ceil", "floor",
                                          "ceil", NULL};
    static const char *const policies[] = {"stretch", "not_larger", "not_smaller", NULL};
    memset(r, 0, sizeof *r);
    RO_TRY(vd_use_choice(u, "mode", modes, &r->mode));
    RO_TRY(vd_use_choice(u, "keep_aspect_ratio_policy", policies, &r->policy));
    RO_TRY(vd_use_choice(u, "coordinate_transformation_mode", COORDINATES, &r->coordinates));
    RO_TRY(vd_use_choice(u, "nearest_mode", nearest, &r->nearest));
    if (u->l->opset < 11 || u->name[0] == 'U') r->coordinates = ASYMMETRIC, r->nearest = FLOOR;
    if (r->mode == NEAREST) return vd_use_only(u, "antialias", 0);
    if (r->coordinates != HALF_PIXEL_NN) return RO_OK;
    return vd_use_fail(u, RO_EOP, "has tf_half_pixel_for_nn, which is for the nearest mode alone");
}

static ro_status resize(vd_use *u)
{
    const int old = u->name[0] == 'U' || u->l->opset < 11;
    resizing r;
    ro_ints sizes = {0, {0}};
    ro_value roi = RO_NO_VALUE;
    int given = 0, any = 0;
    if (!vd_use_type(u, 0)) return vd_use_fail(u, RO_EFORMAT, "lacks its input");
    const ro_type t = *vd_use_type(u, 0);
    RO_TRY(resize_way(u, &r));
    RO_TRY(resize_axes(u, &t, &r));
    if (!old) RO_TRY(vd_use_ints(u, 3, NULL, &sizes, &given));
    if (given && r.axes.n) RO_TRY(take_sizes(u, &t, &r, &sizes));
    else RO_TRY(take_scales(u, &t, &r, old ? 1 : 2));
    if (r.coordinates == CROP) RO_TRY(take_roi(u, &r, &roi));
    const ro_type y = ro_type_of(t.dtype, t.rank, r.to);
    RO_TRY(ro_type_check(&y, u->l->err));
    if (!ro_type_elements(&y)) {
        vd_maker m = {u->l, RO_OK};
        u->out[0] = vd_make_zeros(&m, t.dtype, y.rank, y.dims);
        return m.status;
    }
    for (uint32_t k = 0; k < t.rank; k++) any |= is_resized(&r, &t, k);
    if (!any) return vd_lower_plain(u->l, "Identity", u->in, 1, &u->out[0]);
    if (r.mode != NEAREST) return resize_smooth(u, &r, &t, roi);
    u->out[0] = u->in[0];
    for (uint32_t k = 0; k < t.rank; k++)
        if (is_resized(&r, &t, k)) RO_TRY(resize_nearest(u, &r, k, &u->out[0]));
    return RO_OK;
}

/* ---- sampling ----------------------------------------------------------------------------- */

enum { ZEROS, BORDER, REFLECTION };
enum { MIDDLES, CORNERS, POSITIONS };

static vd_attrs sampling(vd_lower *l, uint32_t mode, uint32_t padding, uint32_t align)
{
    vd_attrs a = vd_attrs_of("GridSample");
    vd_attrs_int(l, &a, "mode", mode);
    vd_attrs_int(l, &a, "padding_mode", padding);
    vd_attrs_int(l, &a, "align_corners", align);
    return a;
}

static ro_status grid_sample(vd_use *u)
{
    static const char *const modes[] = {"linear", "nearest", "cubic", "bilinear", "bicubic", NULL};
    static const uint32_t codes[] = {LINEAR, NEAREST, CUBIC, LINEAR, CUBIC};
    static const char *const paddings[] = {"zeros", "border", "reflection", NULL};
    uint32_t mode, padding;
    RO_TRY(vd_use_wants(u, 2, 2));
    RO_TRY(vd_use_choice(u, "mode", modes, &mode));
    RO_TRY(vd_use_choice(u, "padding_mode", paddings, &padding));
    vd_maker m = {u->l, RO_OK};
    u->in[1] = vd_make_cast(&m, u->in[1], vd_use_type(u, 0)->dtype);
    RO_TRY(m.status);
    vd_attrs a = sampling(u->l, codes[mode], padding, vd_use_int(u, "align_corners", 0) != 0);
    return vd_use_emit(u, &a, 2, 1);
}

/* One axis of RoiAlign: where its samples lie, (rois, all), whether that is within one position of
 * the image, and brought into it. */
typedef struct { ro_value inside, clipped; } roi_axis;

/* start + bin * width + (sample + 0.5) * width / samples; start and width are (rois, 1). */
static roi_axis roi_places(vd_use *u, vd_maker *m, ro_value start, ro_value width, int64_t size,
                           int64_t bins, int64_t samples)
{
    const ro_dtype d = vd_use_type(u, 0)->dtype;
    const int64_t n = bins * samples, dims[2] = {1, n};
    int64_t *bin = NULL, *twice = NULL;
    if (!m->status) m->status = vd_use_list(u, (uint64_t)n, &bin);
    if (!m->status) m->status = vd_use_list(u, (uint64_t)n, &twice);
    for (int64_t k = 0; !m->status && k < n; k++)
        bin[k] = k / samples, twice[k] = 2 * (k % samples) + 1;
    ro_value at = vd_make_2(m, "Mul", width, vd_make_ints(m, d, bin, 2, dims));
    ro_value x = vd_make_ints(m, d, twice, 2, dims);
    x = vd_make_2(m, "Div", x, vd_make_real(m, d, 2));
    x = vd_make_2(m, "Mul", width, x);
    x = vd_make_2(m, "Div", x, vd_make_real(m, d, (double)samples));
    at = vd_make_2(m, "Add", start, at);
    x = vd_make_2(m, "Add", at, x);
    ro_value low = vd_make_2(m, "GreaterOrEqual", x, vd_make_real(m, d, -1));
    ro_value high = vd_make_2(m, "LessOrEqual", x, vd_make_real(m, d, (double)size));
    ro_value zero = vd_make_real(m, d, 0), last = vd_make_real(m, d, (double)(size - 1));
    const ro_value in[3] = {x, zero, last};
    roi_axis axis;
    axis.inside = vd_make_2(m, "And", low, high);
    axis.clipped = vd_make_plain(m, "Clip", in, 3);
    return axis;
}

/* v (rois, n) with n on axis `at` of 4. */
static ro_value lie_along(vd_maker *m, ro_value v, uint32_t at)
{
    const ro_type t = vd_make_type(m, v);
    int64_t dims[4] = {t.dims[0], 1, 1, 1};
    dims[at] = t.dims[1];
    return vd_make_reshape(m, v, 4, dims);
}

/* x at places y, x (rois, all of each) of images: (rois, C, y, x). */
static ro_value roi_samples(vd_use *u, vd_maker *m, uint32_t mode, ro_value y, ro_value x,
                            ro_value images)
{
    const vd_attrs a = sampling(m->l, mode, BORDER, POSITIONS);
    const int64_t dims[4] = {vd_make_type(m, y).dims[0], vd_make_type(m, y).dims[1],
                             vd_make_type(m, x).dims[1], 1};
    x = vd_make_expand(m, lie_along(m, x, 2), 4, dims);
    y = vd_make_expand(m, lie_along(m, y, 1), 4, dims);
    const ro_value in[3] = {u->in[0], vd_make_join(m, x, y, 3), images};
    return vd_make_node(m, &a, in, 3);
}

/* The greatest of the four neighbours of each sample times its weight, as ONNX's max mode is. */
static ro_value roi_greatest(vd_use *u, vd_maker *m, const roi_axis axis[2], ro_value images)
{
    ro_value at[2][2], w[2][2], product[4];
    ro_value one = vd_make_real(m, vd_use_type(u, 0)->dtype, 1);
    for (uint32_t k = 0; k < 2; k++) { /* y, x */
        at[k][0] = vd_make_1(m, "Floor", axis[k].clipped);
        at[k][1] = vd_make_2(m, "Add", at[k][0], one);
        w[k][1] = vd_make_2(m, "Sub", axis[k].clipped, at[k][0]);
        w[k][0] = lie_along(m, vd_make_2(m, "Sub", one, w[k][1]), 2 + k);
        w[k][1] = lie_along(m, w[k][1], 2 + k);
    }
    for (int k = 0; k < 4; k++) {
        ro_value v = roi_samples(u, m, NEAREST, at[0][k / 2], at[1][k % 2], images);
        product[k] = vd_make_2(m, "Mul", vd_make_2(m, "Mul", w[0][k / 2], w[1][k % 2]), v);
    }
    return vd_make_plain(m, "Max", product, 4);
}

typedef struct {
    int greatest, half;
    int64_t bins[2], ratio; /* y, x */
    ro_value start, width;  /* (rois, 2) each: x, y; width of a bin */
} roi_align;

/* So many rois from the first on, whose bins have these samples. */
static ro_value align_some(vd_use *u, vd_maker *m, const roi_align *r, int64_t first, int64_t end,
                           const int64_t samples[2])
{
    const ro_type t = *vd_use_type(u, 0);
    const int64_t ones[2] = {1, 1}, none[4] = {0};
    vd_attrs a = vd_attrs_of(r->greatest ? "MaxPool" : "AveragePool");
    ro_value images = vd_make_slice(m, u->in[2], 0, first, end, 1), y;
    ro_value start = vd_make_slice(m, r->start, 0, first, end, 1);
    ro_value width = vd_make_slice(m, r->width, 0, first, end, 1);
    roi_axis axis[2];
    for (uint32_t k = 0; k < 2; k++) {
        ro_value s = vd_make_slice(m, start, 1, !k, !k + 1, 1);
        ro_value w = vd_make_slice(m, width, 1, !k, !k + 1, 1);
        axis[k] = roi_places(u, m, s, w, t.dims[2 + k], r->bins[k], samples[k]);
    }
    y = r->greatest ? roi_greatest(u, m, axis, images)
                    : roi_samples(u, m, LINEAR, axis[0].clipped, axis[1].clipped, images);
    ro_value inside = lie_along(m, axis[0].inside, 2);
    inside = vd_make_2(m, "And", inside, lie_along(m, axis[1].inside, 3));
    y = vd_make_where(m, inside, y, vd_make_real(m, t.dtype, 0));
    vd_attrs_ints(m->l, &a, "kernel_shape", samples, 2);
    vd_attrs_ints(m->l, &a, "strides", samples, 2);
    vd_attrs_ints(m->l, &a, "dilations", ones, 2);
    vd_attrs_ints(m->l, &a, "pads", none, 4);
    return vd_make_node(m, &a, &y, 1);
}

#define ROI_GROUPS 64         /* of rois whose bins have as many samples: some fifty nodes each */
#define ROI_SAMPLES 4096.0

/* Samples of a bin along both axes: as many as whole positions cover it. */
static int samples_of(ro_dtype d, const void *width, int64_t roi, int64_t n[2])
{
    for (int k = 0; k < 2; k++) {
        double w = ro_float_of_bits(d, ro_element(d, width, (uint64_t)(2 * roi + !k)));
        if (!(w > 0 && w <= ROI_SAMPLES)) return 0;
        n[k] = (int64_t)w;
        n[k] += (double)n[k] < w;
    }
    return 1;
}

/* Rois with as many samples, one after another, are one group. */
static ro_status align_groups(vd_use *u, vd_maker *m, const roi_align *r, int64_t rois)
{
    const ro_dtype d = vd_use_type(u, 0)->dtype;
    int64_t n[2] = {r->ratio, r->ratio}, next[2];
    ro_value group[ROI_GROUPS];
    const void *width = NULL;
    uint32_t groups = 0;
    RO_TRY(m->status);
    if (!r->ratio && rois && d != RO_F32 && d != RO_F64)
        return vd_use_fail(u, RO_EOP, "has sampling_ratio 0 for %s", ro_dtypes[d].name);
    if (!r->ratio && rois) RO_TRY(vd_lower_known(u->l, r->width, &width));
    for (int64_t first = 0, k = 0; width && first < rois; first = k) {
        for (k = first; k < rois; k++) {
            if (!samples_of(d, width, k, next))
                return vd_use_fail(u, RO_EOP, "has a roi of no size, or of bins over 4,096 wide");
            if (k == first) memcpy(n, next, sizeof n);
            if (memcmp(n, next, sizeof n)) break;
        }
        if (groups == ROI_GROUPS)
            return vd_use_fail(u, RO_ELIMIT, "has rois of more than %d sizes, one after another; "
                               "a sampling_ratio over 0 takes any", ROI_GROUPS);
        group[groups++] = align_some(u, m, r, first, k, n);
    }
    if (!n[0]) n[0] = n[1] = 1; /* there is no roi */
    if (!groups) group[groups++] = align_some(u, m, r, 0, rois, n);
    RO_TRY(m->status);
    return vd_lower_concat(u->l, group, groups, 0, &u->out[0]);
}

static ro_status roi_align_of(vd_use *u)
{
    static const char *const modes[] = {"avg", "max", NULL};
    static const char *const ways[] = {"half_pixel", "output_half_pixel", NULL};
    vd_maker m = {u->l, RO_OK};
    uint32_t mode, way;
    RO_TRY(vd_use_wants(u, 3, 3));
    const ro_type t = *vd_use_type(u, 0), q = *vd_use_type(u, 1), b = *vd_use_type(u, 2);
    RO_TRY(vd_use_choice(u, "mode", modes, &mode));
    RO_TRY(vd_use_choice(u, "coordinate_transformation_mode", ways, &way));
    roi_align r = {mode == 1, way == 0 && u->l->opset >= 16,
                   {vd_use_int(u, "output_height", 1), vd_use_int(u, "output_width", 1)},
                   vd_use_int(u, "sampling_ratio", 0), 0, 0};
    if (t.rank != 4 || q.rank != 2 || q.dims[1] != 4 || b.rank != 1 || b.dims[0] != q.dims[0] ||
        q.dtype != t.dtype || t.dims[2] < 1 || t.dims[3] < 1)
        return vd_use_fail(u, RO_ESHAPE, "takes (N, C, H, W), (rois, 4) and an image for each roi");
    if (r.bins[0] < 1 || r.bins[1] < 1 || r.bins[0] > 4096 || r.bins[1] > 4096 || r.ratio < 0 ||
        r.ratio > 4096)
        return vd_use_fail(u, RO_ELIMIT, "makes %lld by %lld bins of %lld samples; 4096 of each "
                           "are allowed", (long long)r.bins[0], (long long)r.bins[1],
                           (long long)r.ratio);
    ro_value scale = vd_make_real(&m, t.dtype, vd_use_float(u, "spatial_scale", 1));
    ro_value corners = vd_make_2(&m, "Mul", u->in[1], scale);
    if (r.half) corners = vd_make_2(&m, "Sub", corners, vd_make_real(&m, t.dtype, 0.5));
    r.start = vd_make_slice(&m, corners, 1, 0, 2, 1);
    r.width = vd_make_2(&m, "Sub", vd_make_slice(&m, corners, 1, 2, 4, 1), r.start);
    if (!r.half) r.width = vd_make_2(&m, "Max", r.width, vd_make_real(&m, t.dtype, 1));
    int64_t *bins;
    RO_TRY(vd_use_list(u, 2, &bins));
    bins[0] = r.bins[1], bins[1] = r.bins[0];
    r.width = vd_make_2(&m, "Div", r.width,
                        vd_make_ints(&m, t.dtype, bins, 1, (const int64_t[]){2}));
    return align_groups(u, &m, &r, q.dims[0]);
}

/* ---- a convolution whose taps move --------------------------------------------------------- */

typedef struct {
    int64_t groups, taps, kernel[2], out[2];
    ro_ints strides, dilations, pads;
} deformed;

static ro_status deformed_of(vd_use *u, deformed *c)
{
    const ro_type *x = vd_use_type(u, 0), *w = vd_use_type(u, 1), *by = vd_use_type(u, 2);
    const ro_type *m = vd_use_type(u, 4);
    ro_ints kernel;
    int given;
    c->groups = vd_use_int(u, "offset_group", 1);
    RO_TRY(vd_use_axis_list(u, "strides", 2, 1, 1, &c->strides));
    RO_TRY(vd_use_axis_list(u, "dilations", 2, 1, 1, &c->dilations));
    RO_TRY(vd_use_axis_list(u, "pads", 4, 0, 0, &c->pads));
    RO_TRY(vd_use_ints(u, RO_INPUTS_MAX, "kernel_shape", &kernel, &given));
    if (x->rank != 4 || w->rank != 4 || by->rank != 4 || (m && m->rank != 4))
        return vd_use_fail(u, RO_ESHAPE, "takes tensors of rank 4: (N, C, H, W)");
    for (uint32_t k = 0; k < 2; k++) {
        c->kernel[k] = w->dims[2 + k];
        c->out[k] = by->dims[2 + k];
        if (given && (kernel.n != 2 || kernel.v[k] != c->kernel[k]))
            return vd_use_fail(u, RO_EATTR, "has another kernel_shape than its weight");
        if (c->kernel[k] < 1 || c->kernel[k] > 1024)
            return vd_use_fail(u, RO_ELIMIT, "has a kernel of %lld; 1 to 1024 are allowed",
                               (long long)c->kernel[k]);
        int64_t room = x->dims[2 + k] + c->pads.v[k] + c->pads.v[2 + k] - 1 -
                       (c->kernel[k] - 1) * c->dilations.v[k];
        if (room < 0 || c->out[k] != room / c->strides.v[k] + 1 || x->dims[2 + k] < 1)
            return vd_use_fail(u, RO_ESHAPE, "has offsets for %lld places on axis %u",
                               (long long)c->out[k], 2 + k);
    }
    c->taps = c->kernel[0] * c->kernel[1];
    if (c->groups < 1 || c->groups > x->dims[1] || x->dims[1] % c->groups ||
        by->dims[0] != x->dims[0] || by->dims[1] != 2 * c->taps * c->groups ||
        (m && (m->dims[0] != x->dims[0] || m->dims[1] != c->taps * c->groups ||
               m->dims[2] != c->out[0] || m->dims[3] != c->out[1])))
        return vd_use_fail(u, RO_ESHAPE, "has offsets or a mask that do not fit %lld groups of "
                           "%lld taps", (long long)c->groups, (long long)c->taps);
    return RO_OK;
}

/* Where the taps would be without offsets: (taps, oh, ow, 2), x first. */
static ro_value taps_at_rest(vd_use *u, vd_maker *m, const deformed *c, ro_dtype d)
{
    const int64_t all[4] = {c->taps, c->out[0], c->out[1], 1};
    ro_value part[2];
    for (uint32_t k = 0; k < 2; k++) {
        int64_t *list = NULL, dims[4] = {c->taps, 1, 1, 1}, n = c->taps * c->out[k];
        dims[1 + k] = c->out[k];
        if (!m->status) m->status = vd_use_list(u, (uint64_t)n, &list);
        for (int64_t i = 0; !m->status && i < n; i++) {
            int64_t tap = i / c->out[k], at = k ? tap % c->kernel[1] : tap / c->kernel[1];
            list[i] = i % c->out[k] * c->strides.v[k] - c->pads.v[k] + at * c->dilations.v[k];
        }
        part[!k] = vd_make_expand(m, vd_make_ints(m, d, list, 4, dims), 4, all);
    }
    return vd_make_join(m, part[0], part[1], 3);
}

/* x at the taps, times the mask: (N, C, taps, oh, ow). */
static ro_value deformed_taps(vd_use *u, vd_maker *m, const deformed *c)
{
    static const int64_t last[5] = {0, 1, 3, 4, 2};
    const vd_attrs a = sampling(m->l, LINEAR, ZEROS, POSITIONS);
    const ro_type x = *vd_use_type(u, 0);
    const int64_t images = x.dims[0] * c->groups, rows = c->taps * c->out[0];
    const int64_t by[5] = {images, c->taps, 2, c->out[0], c->out[1]};
    const int64_t grid[4] = {images, rows, c->out[1], 2}, mask[4] = {images, 1, rows, c->out[1]};
    const int64_t image[4] = {images, x.dims[1] / c->groups, x.dims[2], x.dims[3]};
    const int64_t taps[5] = {x.dims[0], x.dims[1], c->taps, c->out[0], c->out[1]};
    ro_value v = vd_make_transpose(m, vd_make_reshape(m, u->in[2], 5, by), last);
    ro_value h = vd_make_slice(m, v, 4, 0, 1, 1), w = vd_make_slice(m, v, 4, 1, 2, 1);
    v = vd_make_join(m, w, h, 4);
    v = vd_make_2(m, "Add", taps_at_rest(u, m, c, x.dtype), v);
    ro_value in[2] = {vd_make_reshape(m, u->in[0], 4, image), RO_NO_VALUE};
    in[1] = vd_make_reshape(m, v, 4, grid);
    v = vd_make_node(m, &a, in, 2);
    if (vd_use_type(u, 4)) v = vd_make_2(m, "Mul", v, vd_make_reshape(m, u->in[4], 4, mask));
    return vd_make_reshape(m, v, 5, taps);
}

/* Each tap's sample becomes a position of a third axis, along which a Conv has the kernel. */
static ro_status deform_conv(vd_use *u)
{
    vd_maker m = {u->l, RO_OK};
    deformed c;
    vd_attrs a = vd_attrs_of("Conv");
    const int64_t ones[3] = {1, 1, 1}, none[6] = {0};
    RO_TRY(vd_use_wants(u, 3, 5));
    RO_TRY(deformed_of(u, &c));
    const ro_type x = *vd_use_type(u, 0), w = *vd_use_type(u, 1);
    const int64_t weight[5] = {w.dims[0], w.dims[1], c.taps, 1, 1};
    const int64_t y[4] = {x.dims[0], w.dims[0], c.out[0], c.out[1]};
    ro_value in[3] = {deformed_taps(u, &m, &c), RO_NO_VALUE,
                      u->count > 3 ? u->in[3] : RO_NO_VALUE};
    in[1] = vd_make_reshape(&m, u->in[1], 5, weight);
    vd_attrs_ints(u->l, &a, "strides", ones, 3);
    vd_attrs_ints(u->l, &a, "dilations", ones, 3);
    vd_attrs_ints(u->l, &a, "pads", none, 6);
    vd_attrs_int(u->l, &a, "group", vd_use_int(u, "group", 1));
    ro_value v = vd_make_node(&m, &a, in, in[2] == RO_NO_VALUE ? 2 : 3);
    u->out[0] = vd_make_reshape(&m, v, 4, y);
    return m.status;
}

/* ---- the table ---------------------------------------------------------------------------- */

const vd_lower_row vd_lower_sampling[] = {
    {"DeformConv", deform_conv, "dilations group kernel_shape offset_group pads strides"},
    {"GridSample", grid_sample, "align_corners mode padding_mode"},
    {"Resize Upsample", resize,
     "antialias axes coordinate_transformation_mode cubic_coeff_a exclude_outside "
     "extrapolation_value keep_aspect_ratio_policy mode nearest_mode scales"},
    {"RoiAlign", roi_align_of,
     "coordinate_transformation_mode mode output_height output_width sampling_ratio spatial_scale"},
    {NULL, NULL, NULL},
};
