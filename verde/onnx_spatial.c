/* onnx_spatial.c - operators of ONNX that know places: resizing, sampling, windows over channels,
 * columns and images, determinants.
 *
 * What this file decides: which places are read, and the order of operations of what is put
 * together from several nodes. Windows that slide are in onnx_layers.c. */
#include "onnx_lower.h"

/* ---- small pieces ------------------------------------------------------------------------- */

/* Positions from, from + step, .. below to of an axis. */
static ro_status part_of(vd_lower *l, ro_value x, int64_t axis, int64_t from, int64_t to,
                         ro_value *out)
{
    const int64_t step = 1;
    vd_attrs a = vd_attrs_of("Slice");
    vd_attrs_ints(l, &a, "starts", &from, 1);
    vd_attrs_ints(l, &a, "ends", &to, 1);
    vd_attrs_ints(l, &a, "axes", &axis, 1);
    vd_attrs_ints(l, &a, "steps", &step, 1);
    return vd_lower_emit(l, &a, &x, 1, 1, out);
}

static ro_status sum_over(vd_lower *l, ro_value x, int64_t axis, ro_value *out)
{
    const ro_ints axes = {1, {axis}};
    return vd_lower_reduce(l, "ReduceSum", x, &axes, 1, out);
}

static ro_status expand(vd_lower *l, ro_value x, uint32_t rank, const int64_t *dims, ro_value *out)
{
    vd_attrs a = vd_attrs_of("Expand");
    vd_attrs_ints(l, &a, "shape", dims, rank);
    return vd_lower_emit(l, &a, &x, 1, 1, out);
}

static ro_status transpose(vd_lower *l, ro_value x, uint32_t rank, const int64_t *perm,
                           ro_value *out)
{
    vd_attrs a = vd_attrs_of("Transpose");
    vd_attrs_ints(l, &a, "perm", perm, rank);
    return vd_lower_emit(l, &a, &x, 1, 1, out);
}

/* c where x is 0, y elsewhere. */
static ro_status unless_zero(vd_lower *l, ro_value x, ro_value c, ro_value y, ro_value *out)
{
    ro_value zero, is;
    RO_TRY(vd_lower_scalar(l, ro_graph_type(l->graph, x)->dtype, 0, &zero));
    RO_TRY(vd_lower_binary(l, "Equal", x, zero, &is));
    return vd_lower_where(l, is, c, y, out);
}

/* The product of sizes [from, to) of a checked type; 0 where one is. */
static int64_t span_of(const ro_type *t, uint32_t from, uint32_t to)
{
    int64_t n = 1;
    for (uint32_t k = from; k < to; k++)
        if (!t->dims[k]) return 0;
    for (uint32_t k = from; k < to; k++) n *= t->dims[k];
    return n;
}

/* A list of one number an axis, each in [least, 2^20], in an attribute. */
static ro_status axis_list(vd_use *u, const char *name, uint32_t n, int64_t least,
                           int64_t otherwise, ro_ints *out)
{
    int given;
    RO_TRY(vd_use_ints(u, RO_INPUTS_MAX, name, out, &given));
    for (uint32_t k = 0; !given && k < n; k++) out->v[out->n++] = otherwise;
    if (out->n != n)
        return vd_use_fail(u, RO_EATTR, "has %u numbers in %s; %u are wanted", out->n, name, n);
    for (uint32_t k = 0; k < n; k++)
        if (out->v[k] < least || out->v[k] > INT64_C(1) << 20)
            return vd_use_fail(u, RO_EATTR, "has %lld in %s; %lld to 2^20 are allowed",
                               (long long)out->v[k], name, (long long)least);
    return RO_OK;
}

/* ---- normalizations over places ----------------------------------------------------------- */

/* x / (bias + alpha mean(x^2 over a window of channels, absent ones 0))^beta */
static ro_status lrn(vd_use *u)
{
    vd_lower *l = u->l;
    const int64_t size = vd_use_int(u, "size", 0), ones[2] = {1, 1};
    const int64_t kernel[2] = {size, 1}, pads[4] = {(size - 1) / 2, 0, size / 2, 0};
    vd_attrs a = vd_attrs_of("AveragePool");
    ro_value d, c;
    RO_TRY(vd_use_wants(u, 1, 1));
    ro_type t = *vd_use_type(u, 0);
    if (t.rank < 3 || size < 1 || size > INT64_C(1) << 20)
        return vd_use_fail(u, RO_EATTR, "takes (N, C, sizes) and a size of 1 to 2^20, not %lld",
                           (long long)size);
    const int64_t flat[4] = {t.dims[0], 1, t.dims[1], span_of(&t, 2, t.rank)};
    RO_TRY(vd_lower_binary(l, "Mul", u->in[0], u->in[0], &d));
    RO_TRY(vd_lower_reshape(l, d, 4, flat, &d));
    vd_attrs_ints(l, &a, "kernel_shape", kernel, 2);
    vd_attrs_ints(l, &a, "strides", ones, 2);
    vd_attrs_ints(l, &a, "dilations", ones, 2);
    vd_attrs_ints(l, &a, "pads", pads, 4);
    vd_attrs_int(l, &a, "count_include_pad", 1);
    RO_TRY(vd_lower_emit(l, &a, &d, 1, 1, &d));
    RO_TRY(vd_lower_reshape(l, d, t.rank, t.dims, &d));
    RO_TRY(vd_lower_scalar(l, t.dtype, vd_use_float(u, "alpha", 1e-4f), &c));
    RO_TRY(vd_lower_binary(l, "Mul", d, c, &d));
    RO_TRY(vd_lower_scalar(l, t.dtype, vd_use_float(u, "bias", 1), &c));
    RO_TRY(vd_lower_binary(l, "Add", d, c, &d));
    RO_TRY(vd_lower_scalar(l, t.dtype, vd_use_float(u, "beta", 0.75f), &c));
    RO_TRY(vd_lower_binary(l, "Pow", d, c, &d));
    return vd_lower_binary(l, "Div", u->in[0], d, &u->out[0]);
}

/* x over its norm along an axis; where that is 0, so is the result. */
static ro_status lp_normalization(vd_use *u)
{
    vd_lower *l = u->l;
    const int64_t p = vd_use_int(u, "p", 2);
    uint32_t axis;
    ro_value norm, zero;
    RO_TRY(vd_use_wants(u, 1, 1));
    ro_type t = *vd_use_type(u, 0);
    RO_TRY(vd_use_axis(u, vd_use_int(u, "axis", -1), t.rank, &axis));
    if (p != 1 && p != 2)
        return vd_use_fail(u, RO_EATTR, "has p %lld; 1 and 2 are taken", (long long)p);
    if (p == 1) RO_TRY(vd_lower_plain(l, "Abs", u->in, 1, &norm));
    else RO_TRY(vd_lower_binary(l, "Mul", u->in[0], u->in[0], &norm));
    RO_TRY(sum_over(l, norm, axis, &norm));
    if (p == 2) RO_TRY(vd_lower_plain(l, "Sqrt", &norm, 1, &norm));
    RO_TRY(vd_lower_scalar(l, t.dtype, 0, &zero));
    RO_TRY(vd_lower_binary(l, "Div", u->in[0], norm, &u->out[0]));
    return unless_zero(l, norm, zero, u->out[0], &u->out[0]);
}

/* ---- determinants ------------------------------------------------------------------------- */

#define DET_MOST 64 /* rows: each is some twenty nodes */

/* One step of elimination on x (B, m, m): the pivot is the first greatest |x| of column 0; row 0
 * takes its place. product: (B, 1, 1), times the pivot, negated where rows changed places. */
static ro_status eliminate(vd_use *u, int64_t m, ro_value *x, ro_value *product)
{
    vd_lower *l = u->l;
    vd_attrs a = vd_attrs_of("ArgMax");
    ro_value column, zero, at, numbers, is, row, first, rest, pivot, factor, minus;
    RO_TRY(vd_lower_scalar(l, ro_graph_type(l->graph, *x)->dtype, 0, &zero));
    RO_TRY(part_of(l, *x, 2, 0, 1, &column));
    RO_TRY(vd_lower_plain(l, "Abs", &column, 1, &column));
    vd_attrs_int(l, &a, "axis", 1);
    vd_attrs_int(l, &a, "keepdims", 1);
    RO_TRY(vd_lower_emit(l, &a, &column, 1, 1, &at));
    RO_TRY(vd_use_numbers(u, m, 1, 3, &numbers));
    RO_TRY(vd_lower_binary(l, "Equal", at, numbers, &is));
    RO_TRY(vd_lower_where(l, is, *x, zero, &row));
    RO_TRY(sum_over(l, row, 1, &row));
    RO_TRY(part_of(l, *x, 1, 0, 1, &first));
    RO_TRY(vd_lower_where(l, is, first, *x, &rest));
    RO_TRY(part_of(l, row, 2, 0, 1, &pivot));
    RO_TRY(vd_lower_binary(l, "Mul", *product, pivot, product));
    RO_TRY(vd_lower_plain(l, "Neg", product, 1, &minus));
    RO_TRY(unless_zero(l, at, *product, minus, product));
    RO_TRY(part_of(l, rest, 1, 1, m, &rest));
    RO_TRY(part_of(l, rest, 2, 0, 1, &factor));
    RO_TRY(vd_lower_binary(l, "Div", factor, pivot, &factor));
    RO_TRY(unless_zero(l, pivot, zero, factor, &factor));
    RO_TRY(part_of(l, row, 2, 1, m, &row));
    RO_TRY(part_of(l, rest, 2, 1, m, &rest));
    RO_TRY(vd_lower_binary(l, "Mul", factor, row, &row));
    return vd_lower_binary(l, "Sub", rest, row, x);
}

static ro_status det(vd_use *u)
{
    vd_lower *l = u->l;
    ro_value x = u->in[0], product;
    RO_TRY(vd_use_wants(u, 1, 1));
    ro_type t = *vd_use_type(u, 0);
    const int64_t n = t.rank < 2 ? -1 : t.dims[t.rank - 1];
    if (n < 0 || t.dims[t.rank - 2] != n || n > DET_MOST)
        return vd_use_fail(u, RO_ELIMIT, "takes square matrices of at most %d rows", DET_MOST);
    const int64_t dims[3] = {span_of(&t, 0, t.rank - 2), n, n}, one[3] = {dims[0], 1, 1};
    RO_TRY(vd_lower_scalar(l, t.dtype, 1, &product));
    RO_TRY(expand(l, product, 3, one, &product));
    RO_TRY(vd_lower_reshape(l, x, 3, dims, &x));
    for (int64_t m = n; m > 1; m--) RO_TRY(eliminate(u, m, &x, &product));
    if (n) RO_TRY(vd_lower_binary(l, "Mul", product, x, &product));
    return vd_lower_reshape(l, product, t.rank - 2, t.dims, &u->out[0]);
}

/* ---- columns and images ------------------------------------------------------------------- */

#define TAPS_MOST 1024 /* of a window: each is three nodes */

typedef struct {
    uint32_t axes;
    ro_ints image, block, strides, dilations, pads;
    int64_t taps, length, whole[RO_RANK_MAX], blocks[RO_RANK_MAX]; /* padded sizes; how many fit */
} columns;

static ro_status columns_of(vd_use *u, const ro_type *x, columns *c)
{
    int given;
    memset(c, 0, sizeof *c);
    RO_TRY(vd_use_ints(u, 1, NULL, &c->image, &given));
    RO_TRY(vd_use_ints(u, 2, NULL, &c->block, &given));
    c->axes = c->image.n;
    if (x->rank != 3 || !c->axes || c->axes + 3 > RO_RANK_MAX || c->block.n != c->axes)
        return vd_use_fail(u, RO_ESHAPE, "wants (N, C taps, blocks) and sizes of 1 to %u axes",
                           RO_RANK_MAX - 3);
    RO_TRY(axis_list(u, "strides", c->axes, 1, 1, &c->strides));
    RO_TRY(axis_list(u, "dilations", c->axes, 1, 1, &c->dilations));
    RO_TRY(axis_list(u, "pads", 2 * c->axes, 0, 0, &c->pads));
    c->taps = c->length = 1;
    for (uint32_t k = 0; k < c->axes; k++) {
        int64_t size = c->image.v[k], b = c->block.v[k];
        if (size < 0 || size > INT64_C(1) << 30 || b < 1 || b > TAPS_MOST ||
            (c->taps *= b) > TAPS_MOST)
            return vd_use_fail(u, RO_ELIMIT, "has over %d taps, or a size of %lld", TAPS_MOST,
                               (long long)size);
        c->whole[k] = size + c->pads.v[k] + c->pads.v[c->axes + k];
        int64_t room = c->whole[k] - (b - 1) * c->dilations.v[k] - 1;
        c->blocks[k] = room < 0 ? 0 : room / c->strides.v[k] + 1;
        c->length = c->blocks[k] && c->length > INT64_MAX / c->blocks[k]
                        ? -1 : c->length * c->blocks[k];
        if (c->length < 0) break;
    }
    if (c->length < 1 || x->dims[2] != c->length || x->dims[1] % c->taps)
        return vd_use_fail(u, RO_ESHAPE, "has %lld columns of %lld for %lld blocks of %lld taps",
                           (long long)x->dims[2], (long long)x->dims[1], (long long)c->length,
                           (long long)c->taps);
    return RO_OK;
}

/* A tap's numbers x (N, C, blocks..) where they lie in the padded image, 0 elsewhere. */
static ro_status spread(vd_lower *l, const columns *c, int64_t tap, const ro_type *x, ro_value *v)
{
    vd_attrs a = vd_attrs_of("SliceGrad");
    int64_t starts[RO_RANK_MAX], ends[RO_RANK_MAX], axes[RO_RANK_MAX], dims[RO_RANK_MAX];
    dims[0] = x->dims[0], dims[1] = x->dims[1];
    for (uint32_t k = c->axes; k-- > 0; tap /= c->block.v[k]) {
        axes[k] = 2 + k;
        dims[2 + k] = c->whole[k];
        starts[k] = tap % c->block.v[k] * c->dilations.v[k];
        ends[k] = starts[k] + (c->blocks[k] - 1) * c->strides.v[k] + 1;
    }
    vd_attrs_ints(l, &a, "starts", starts, c->axes);
    vd_attrs_ints(l, &a, "ends", ends, c->axes);
    vd_attrs_ints(l, &a, "axes", axes, c->axes);
    vd_attrs_ints(l, &a, "steps", c->strides.v, c->axes);
    vd_attrs_ints(l, &a, "dims", dims, c->axes + 2);
    return vd_lower_emit(l, &a, v, 1, 1, v);
}

/* The images of the taps added up in ascending order, then without the padding. */
static ro_status col2im(vd_use *u)
{
    vd_lower *l = u->l;
    columns c;
    ro_value part[RO_INPUTS_MAX], x;
    uint32_t parts = 0;
    RO_TRY(vd_use_wants(u, 3, 3));
    ro_type t = *vd_use_type(u, 0);
    RO_TRY(columns_of(u, &t, &c));
    ro_type one = ro_type_of(t.dtype, 2, (const int64_t[]){t.dims[0], t.dims[1] / c.taps});
    int64_t dims[RO_RANK_MAX] = {one.dims[0], one.dims[1], c.taps};
    for (uint32_t k = 0; k < c.axes; k++) one.dims[one.rank++] = dims[3 + k] = c.blocks[k];
    RO_TRY(vd_lower_reshape(l, u->in[0], c.axes + 3, dims, &x));
    for (int64_t tap = 0; tap < c.taps; tap++) {
        RO_TRY(part_of(l, x, 2, tap, tap + 1, &part[parts]));
        RO_TRY(vd_lower_reshape(l, part[parts], one.rank, one.dims, &part[parts]));
        RO_TRY(spread(l, &c, tap, &one, &part[parts]));
        if (++parts < RO_INPUTS_MAX && tap + 1 < c.taps) continue;
        RO_TRY(vd_lower_plain(l, "Sum", part, parts, &part[0]));
        parts = 1;
    }
    for (uint32_t k = 0; k < c.axes; k++)
        if (c.whole[k] != c.image.v[k])
            RO_TRY(part_of(l, part[0], 2 + k, c.pads.v[k], c.pads.v[k] + c.image.v[k], &part[0]));
    u->out[0] = part[0];
    return RO_OK;
}

/* Cut, or filled up with 0, on both sides alike; of an odd number the larger half is behind. */
static ro_status center_crop_pad(vd_use *u)
{
    vd_lower *l = u->l;
    ro_ints shape, axes;
    int given, listed;
    uint32_t axis;
    ro_value x = u->in[0], zero;
    RO_TRY(vd_use_wants(u, 2, 2));
    ro_type t = *vd_use_type(u, 0);
    RO_TRY(vd_use_ints(u, 1, NULL, &shape, &given));
    RO_TRY(vd_use_ints(u, RO_INPUTS_MAX, "axes", &axes, &listed));
    for (uint32_t k = 0; !listed && k < t.rank; k++) axes.v[axes.n++] = k;
    if (shape.n != axes.n)
        return vd_use_fail(u, RO_ESHAPE, "has %u sizes for %u axes", shape.n, axes.n);
    RO_TRY(vd_lower_scalar(l, t.dtype, 0, &zero));
    for (uint32_t k = 0; k < axes.n; k++) {
        RO_TRY(vd_use_axis(u, axes.v[k], t.rank, &axis));
        int64_t size = ro_graph_type(l->graph, x)->dims[axis], to = shape.v[k];
        if (to < 0 || to > (int64_t)RO_ELEMENTS_MAX)
            return vd_use_fail(u, RO_ELIMIT, "wants the size %lld", (long long)to);
        int64_t less = to < size ? size - to : to - size, sign = to < size ? -1 : 1;
        if (!less) continue;
        RO_TRY(vd_use_pad_axis(u, axis, sign * (less / 2), sign * (less - less / 2), 0, zero, &x));
    }
    u->out[0] = x;
    return x != u->in[0] ? RO_OK : vd_lower_plain(l, "Identity", &x, 1, &u->out[0]);
}

/* ---- grids -------------------------------------------------------------------------------- */

/* The places -1 to 1 of an axis of n: of its ends with `ends`, else of the middles of n equal
 * parts. (1, .., n, .., 1, 1), of which axis number `at` of `axes` has n. */
static ro_status base_axis(vd_use *u, ro_dtype d, int64_t n, int ends, uint32_t at, uint32_t axes,
                           ro_value *out)
{
    vd_lower *l = u->l;
    int64_t *list, dims[RO_RANK_MAX] = {1, 1, 1, 1, 1, 1, 1, 1};
    int64_t over = !ends ? n : n > 1 ? n - 1 : 1;
    ro_value divisor;
    RO_TRY(vd_use_list(u, (uint64_t)n, &list));
    for (int64_t k = 0; k < n; k++) list[k] = ends ? 2 * k - over : 2 * k + 1 - n;
    dims[at] = n;
    RO_TRY(vd_lower_int64s(l, list, axes + 1, dims, out));
    RO_TRY(vd_lower_cast(l, *out, d, out));
    RO_TRY(vd_lower_scalar(l, d, (double)over, &divisor));
    return vd_lower_binary(l, "Div", *out, divisor, out);
}

/* theta (N, axes, axes + 1) times (.., y, x, 1) for every place of the sizes. */
static ro_status affine_grid(vd_use *u)
{
    vd_lower *l = u->l;
    const int64_t perm[3] = {0, 2, 1};
    ro_value base[4], theta;
    ro_ints size;
    int given;
    RO_TRY(vd_use_wants(u, 2, 2));
    ro_type t = *vd_use_type(u, 0), all = t;
    RO_TRY(vd_use_ints(u, 1, NULL, &size, &given));
    const uint32_t axes = size.n - 2;
    if ((size.n != 4 && size.n != 5) || t.rank != 3 || t.dims[1] != (int64_t)axes ||
        t.dims[2] != (int64_t)axes + 1 || t.dims[0] != size.v[0])
        return vd_use_fail(u, RO_ESHAPE, "wants theta (N, 2, 3) and 4 sizes, or (N, 3, 4) and 5");
    all = ro_type_of(t.dtype, axes, size.v + 2);
    RO_TRY(ro_type_check(&all, l->err));
    all.dims[all.rank++] = 1;
    for (uint32_t k = 0; k < axes; k++) {
        ro_value *to = &base[axes - 1 - k];
        RO_TRY(base_axis(u, t.dtype, all.dims[k], vd_use_int(u, "align_corners", 0) != 0, k, axes,
                         to));
        RO_TRY(expand(l, *to, all.rank, all.dims, to));
    }
    RO_TRY(vd_lower_scalar(l, t.dtype, 1, &base[axes]));
    RO_TRY(expand(l, base[axes], all.rank, all.dims, &base[axes]));
    RO_TRY(vd_lower_concat(l, base, axes + 1, axes, &base[0]));
    const int64_t flat[2] = {span_of(&all, 0, axes), axes + 1};
    RO_TRY(vd_lower_reshape(l, base[0], 2, flat, &base[0]));
    RO_TRY(transpose(l, u->in[0], 3, perm, &theta));
    RO_TRY(vd_lower_binary(l, "MatMul", base[0], theta, &u->out[0]));
    size.v[1] = size.v[0]; /* (N, sizes, axes) */
    size.v[size.n] = axes;
    return vd_lower_reshape(l, u->out[0], axes + 2, size.v + 1, &u->out[0]);
}

/* ---- resizing by the nearest position ----------------------------------------------------- */

enum { HALF_PIXEL, PYTORCH, ALIGN, ASYMMETRIC, SYMMETRIC };
enum { PREFER_FLOOR, PREFER_CEIL, FLOOR, CEIL };

static double floor_of(double x)
{
    double t = (double)(int64_t)x;
    return t > x ? t - 1 : t;
}

/* Position i of `to`, on the scale of `from`. */
static double place(uint32_t mode, int64_t i, double scale, int64_t from, int64_t to)
{
    double x = (double)i;
    if (mode == ASYMMETRIC) return x / scale;
    if (mode == ALIGN) return to == 1 ? 0 : x * (double)(from - 1) / (double)(to - 1);
    if (mode == PYTORCH && to == 1) return 0;
    double half = (x + 0.5) / scale - 0.5;
    if (mode != SYMMETRIC) return half;
    double exact = (double)from * scale, adjust = (double)to / exact;
    return (double)from / 2 * (1 - adjust) + half;
}

static int64_t rounded(double x, uint32_t how)
{
    double low = floor_of(x), rest = x - low;
    int up = how == CEIL           ? rest > 0
             : how == PREFER_CEIL  ? rest >= 0.5
             : how == PREFER_FLOOR ? rest > 0.5 : 0;
    return (int64_t)low + up;
}

typedef struct {
    uint32_t mode, nearest;
    double scale[RO_RANK_MAX];
    int64_t to[RO_RANK_MAX];
} resizing;

static ro_status resize_scales(vd_use *u, const ro_type *t, resizing *r)
{
    int old = u->name[0] == 'U' || u->l->opset < 11;
    uint32_t at = old ? 1 : 2;
    const vd_onnx_attribute *list = vd_use_attribute(u, "scales");
    const void *data = NULL;
    ro_ints sizes;
    int given = 0;
    if (!old) RO_TRY(vd_use_ints(u, 3, NULL, &sizes, &given));
    const ro_type *s = vd_use_type(u, at);
    uint64_t n = given ? sizes.n : s ? ro_type_elements(s) : list ? list->count : 0;
    if (n != t->rank || (s && !given && s->dtype != RO_F32) ||
        (!s && list && list->type != VD_A_FLOATS))
        return vd_use_fail(u, RO_ESHAPE, "has scales for %llu of %u axes", (unsigned long long)n,
                           t->rank);
    if (s && !given) RO_TRY(vd_lower_known(u->l, u->in[at], &data));
    for (uint32_t k = 0; k < t->rank; k++) {
        float f = 1;
        if (data) memcpy(&f, (const float *)data + k, 4);
        else if (!given) f = list->v.floats[k];
        r->scale[k] = given && t->dims[k] ? (double)sizes.v[k] / (double)t->dims[k] : (double)f;
        double to = given ? (double)sizes.v[k] : (double)t->dims[k] * (double)f;
        if (!(r->scale[k] > 0) || !(to >= 0 && to < VD_LOWER_INDICES))
            return vd_use_fail(u, RO_ELIMIT, "scales axis %u by %g", k, r->scale[k]);
        r->to[k] = (int64_t)to;
    }
    return RO_OK;
}

static ro_status resize(vd_use *u)
{
    static const char *const kinds[] = {"nearest", NULL};
    static const char *const modes[] = {"half_pixel", "pytorch_half_pixel", "align_corners",
                                        "asymmetric", "half_pixel_symmetric", NULL};
    static const char *const nearest[] = {"round_prefer_floor", "round_prefer_ceil", "floor",
                                          "ceil", NULL};
    static const char *const policies[] = {"stretch", NULL};
    vd_lower *l = u->l;
    resizing r;
    uint32_t unused;
    memset(&r, 0, sizeof r);
    if (!vd_use_type(u, 0)) return vd_use_fail(u, RO_EFORMAT, "lacks its input");
    ro_type t = *vd_use_type(u, 0);
    RO_TRY(vd_use_choice(u, "mode", kinds, &unused));
    RO_TRY(vd_use_choice(u, "keep_aspect_ratio_policy", policies, &unused));
    RO_TRY(vd_use_choice(u, "coordinate_transformation_mode", modes, &r.mode));
    RO_TRY(vd_use_choice(u, "nearest_mode", nearest, &r.nearest));
    RO_TRY(vd_use_only(u, "antialias", 0));
    if (vd_use_attribute(u, "axes")) return vd_use_fail(u, RO_EOP, "resizes listed axes");
    if (l->opset < 11 || u->name[0] == 'U') r.mode = ASYMMETRIC, r.nearest = FLOOR;
    RO_TRY(resize_scales(u, &t, &r));
    u->out[0] = u->in[0];
    for (uint32_t k = 0; k < t.rank; k++) {
        if (r.to[k] == t.dims[k] && r.scale[k] == 1) continue;
        int64_t *at;
        RO_TRY(vd_use_list(u, (uint64_t)r.to[k], &at));
        for (int64_t i = 0; i < r.to[k]; i++) {
            at[i] = rounded(place(r.mode, i, r.scale[k], t.dims[k], r.to[k]), r.nearest);
            at[i] = at[i] < 0 ? 0 : at[i] >= t.dims[k] ? t.dims[k] - 1 : at[i];
        }
        RO_TRY(vd_lower_take(l, u->out[0], k, at, (uint64_t)r.to[k], &u->out[0]));
    }
    return u->out[0] != u->in[0] ? RO_OK : vd_lower_plain(l, "Identity", u->in, 1, &u->out[0]);
}

/* ---- the table ---------------------------------------------------------------------------- */

const vd_lower_row vd_lower_spatial[] = {
    {"AffineGrid", affine_grid, "align_corners"},
    {"CenterCropPad", center_crop_pad, "axes"},
    {"Col2Im", col2im, "dilations pads strides"},
    {"Det", det, ""},
    {"LRN", lrn, "alpha beta bias size"},
    {"LpNormalization", lp_normalization, "axis p"},
    {"Resize Upsample", resize,
     "antialias axes coordinate_transformation_mode cubic_coeff_a exclude_outside "
     "extrapolation_value keep_aspect_ratio_policy mode nearest_mode scales"},
    {NULL, NULL, NULL},
};
