/* onnx_spatial.c - columns and images, cutting, grids, determinants and norms of ONNX as nodes.
 *
 * What this file decides: the order of operations of what is put together from several nodes.
 * Windows that slide are in onnx_layers.c, resizing and sampling in onnx_sample.c. */
#include "onnx_lower.h"

/* ---- small pieces ------------------------------------------------------------------------- */

/* c where x is 0, y elsewhere. */
static ro_value unless_zero(vd_maker *m, ro_value x, ro_value c, ro_value y)
{
    ro_value zero = vd_make_real(m, vd_make_type(m, x).dtype, 0);
    return vd_make_where(m, vd_make_2(m, "Equal", x, zero), c, y);
}

/* ---- normalizations over places ----------------------------------------------------------- */

/* x / (bias + alpha mean(x^2 over a window of channels, absent ones 0))^beta */
static ro_status lrn(vd_use *u)
{
    vd_lower *l = u->l;
    const int64_t size = vd_use_int(u, "size", 0), ones[2] = {1, 1};
    vd_attrs a = vd_attrs_of("AveragePool");
    vd_maker m = {l, RO_OK};
    RO_TRY(vd_use_wants(u, 1, 1));
    ro_type t = *vd_use_type(u, 0);
    if (t.rank < 3 || size < 1 || size > INT64_C(1) << 20)
        return vd_use_fail(u, RO_EATTR, "takes (N, C, sizes) and a size of 1 to 2^20, not %lld",
                           (long long)size);
    const int64_t kernel[2] = {size, 1}, pads[4] = {(size - 1) / 2, 0, size / 2, 0};
    const int64_t flat[4] = {t.dims[0], 1, t.dims[1], vd_span(&t, 2, t.rank)};
    vd_attrs_ints(l, &a, "kernel_shape", kernel, 2);
    vd_attrs_ints(l, &a, "strides", ones, 2);
    vd_attrs_ints(l, &a, "dilations", ones, 2);
    vd_attrs_ints(l, &a, "pads", pads, 4);
    vd_attrs_int(l, &a, "count_include_pad", 1);
    ro_value d = vd_make_reshape(&m, vd_make_2(&m, "Mul", u->in[0], u->in[0]), 4, flat);
    d = vd_make_reshape(&m, vd_make_node(&m, &a, &d, 1), t.rank, t.dims);
    d = vd_make_2(&m, "Mul", d, vd_make_real(&m, t.dtype, vd_use_float(u, "alpha", 1e-4f)));
    d = vd_make_2(&m, "Add", d, vd_make_real(&m, t.dtype, vd_use_float(u, "bias", 1)));
    d = vd_make_2(&m, "Pow", d, vd_make_real(&m, t.dtype, vd_use_float(u, "beta", 0.75f)));
    u->out[0] = vd_make_2(&m, "Div", u->in[0], d);
    return m.status;
}

/* x over its norm along an axis; where that is 0, so is the result. */
static ro_status lp_normalization(vd_use *u)
{
    const int64_t p = vd_use_int(u, "p", 2);
    vd_maker m = {u->l, RO_OK};
    uint32_t axis;
    RO_TRY(vd_use_wants(u, 1, 1));
    ro_type t = *vd_use_type(u, 0);
    RO_TRY(vd_use_axis(u, vd_use_int(u, "axis", -1), t.rank, &axis));
    if (p != 1 && p != 2)
        return vd_use_fail(u, RO_EATTR, "has p %lld; 1 and 2 are taken", (long long)p);
    ro_value norm = p == 1 ? vd_make_1(&m, "Abs", u->in[0])
                           : vd_make_2(&m, "Mul", u->in[0], u->in[0]);
    norm = vd_make_sum(&m, norm, axis, 1);
    if (p == 2) norm = vd_make_1(&m, "Sqrt", norm);
    ro_value zero = vd_make_real(&m, t.dtype, 0);
    u->out[0] = unless_zero(&m, norm, zero, vd_make_2(&m, "Div", u->in[0], norm));
    return m.status;
}

/* ---- determinants ------------------------------------------------------------------------- */

#define DET_MOST 64 /* rows: each is some twenty nodes */

/* One step of elimination on x (B, m, m): the pivot is the first greatest |x| of column 0; row 0
 * takes its place. product: (B, 1, 1), times the pivot, negated where rows changed places. */
static ro_value eliminate(vd_use *u, vd_maker *m, ro_value x, int64_t rows, ro_value *product)
{
    vd_attrs a = vd_attrs_of("ArgMax");
    ro_value zero = vd_make_real(m, vd_make_type(m, x).dtype, 0);
    ro_value column = vd_make_1(m, "Abs", vd_make_slice(m, x, 2, 0, 1, 1));
    vd_attrs_int(m->l, &a, "axis", 1);
    vd_attrs_int(m->l, &a, "keepdims", 1);
    ro_value numbers = vd_make_numbers(m, u, rows, 1, 3);
    ro_value at = vd_make_node(m, &a, &column, 1), is = vd_make_2(m, "Equal", at, numbers);
    ro_value row = vd_make_sum(m, vd_make_where(m, is, x, zero), 1, 1);
    ro_value rest = vd_make_where(m, is, vd_make_slice(m, x, 1, 0, 1, 1), x);
    ro_value pivot = vd_make_slice(m, row, 2, 0, 1, 1);
    *product = vd_make_2(m, "Mul", *product, pivot);
    *product = unless_zero(m, at, *product, vd_make_1(m, "Neg", *product));
    rest = vd_make_slice(m, rest, 1, 1, rows, 1);
    ro_value factor = vd_make_2(m, "Div", vd_make_slice(m, rest, 2, 0, 1, 1), pivot);
    factor = unless_zero(m, pivot, zero, factor);
    row = vd_make_2(m, "Mul", factor, vd_make_slice(m, row, 2, 1, rows, 1));
    return vd_make_2(m, "Sub", vd_make_slice(m, rest, 2, 1, rows, 1), row);
}

static ro_status det(vd_use *u)
{
    vd_maker m = {u->l, RO_OK};
    RO_TRY(vd_use_wants(u, 1, 1));
    ro_type t = *vd_use_type(u, 0);
    const int64_t n = t.rank < 2 ? -1 : t.dims[t.rank - 1];
    if (n < 0 || t.dims[t.rank - 2] != n || n > DET_MOST)
        return vd_use_fail(u, RO_ELIMIT, "takes square matrices of at most %d rows", DET_MOST);
    const int64_t dims[3] = {vd_span(&t, 0, t.rank - 2), n, n}, one[3] = {dims[0], 1, 1};
    ro_value product = vd_make_expand(&m, vd_make_real(&m, t.dtype, 1), 3, one);
    ro_value x = vd_make_reshape(&m, u->in[0], 3, dims);
    for (int64_t rows = n; rows > 1; rows--) x = eliminate(u, &m, x, rows, &product);
    if (n) product = vd_make_2(&m, "Mul", product, x);
    u->out[0] = vd_make_reshape(&m, product, t.rank - 2, t.dims);
    return m.status;
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
    RO_TRY(vd_use_axis_list(u, "strides", c->axes, 1, 1, &c->strides));
    RO_TRY(vd_use_axis_list(u, "dilations", c->axes, 1, 1, &c->dilations));
    RO_TRY(vd_use_axis_list(u, "pads", 2 * c->axes, 0, 0, &c->pads));
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

/* A tap's numbers (N, C, blocks..) where they lie in the padded image, 0 elsewhere. */
static ro_value spread(vd_maker *m, const columns *c, int64_t tap, ro_value x)
{
    const ro_type t = vd_make_type(m, x);
    vd_attrs a = vd_attrs_of("SliceGrad");
    int64_t starts[RO_RANK_MAX], ends[RO_RANK_MAX], axes[RO_RANK_MAX];
    int64_t dims[RO_RANK_MAX] = {t.dims[0], t.dims[1]};
    for (uint32_t k = c->axes; k-- > 0; tap /= c->block.v[k]) {
        axes[k] = 2 + k;
        dims[2 + k] = c->whole[k];
        starts[k] = tap % c->block.v[k] * c->dilations.v[k];
        ends[k] = starts[k] + (c->blocks[k] - 1) * c->strides.v[k] + 1;
    }
    vd_attrs_ints(m->l, &a, "starts", starts, c->axes);
    vd_attrs_ints(m->l, &a, "ends", ends, c->axes);
    vd_attrs_ints(m->l, &a, "axes", axes, c->axes);
    vd_attrs_ints(m->l, &a, "steps", c->strides.v, c->axes);
    vd_attrs_ints(m->l, &a, "dims", dims, c->axes + 2);
    return vd_make_node(m, &a, &x, 1);
}

/* The images of the taps added up in ascending order, then without the padding. */
static ro_status col2im(vd_use *u)
{
    vd_maker m = {u->l, RO_OK};
    columns c;
    ro_value part[RO_INPUTS_MAX];
    uint32_t parts = 0;
    RO_TRY(vd_use_wants(u, 3, 3));
    ro_type t = *vd_use_type(u, 0);
    RO_TRY(columns_of(u, &t, &c));
    int64_t dims[RO_RANK_MAX] = {t.dims[0], t.dims[1] / c.taps, c.taps};
    for (uint32_t k = 0; k < c.axes; k++) dims[3 + k] = c.blocks[k];
    ro_value x = vd_make_reshape(&m, u->in[0], c.axes + 3, dims);
    for (int64_t tap = 0; tap < c.taps; tap++) {
        part[parts++] = spread(&m, &c, tap, vd_make_at(&m, x, 2, tap));
        if (parts < RO_INPUTS_MAX && tap + 1 < c.taps) continue;
        part[0] = vd_make_plain(&m, "Sum", part, parts);
        parts = 1;
    }
    for (uint32_t k = 0; k < c.axes; k++)
        if (c.whole[k] != c.image.v[k])
            part[0] = vd_make_slice(&m, part[0], 2 + k, c.pads.v[k], c.pads.v[k] + c.image.v[k],
                                    1);
    u->out[0] = part[0];
    return m.status;
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
 * parts; (.., n, .., 1), axis number `at` of all's having n, spread over all. */
static ro_value base_axis(vd_use *u, vd_maker *m, const ro_type *all, uint32_t at, int ends)
{
    int64_t *list = NULL, dims[RO_RANK_MAX] = {1, 1, 1, 1, 1, 1, 1, 1};
    const int64_t n = dims[at] = all->dims[at], over = !ends ? n : n > 1 ? n - 1 : 1;
    if (!m->status) m->status = vd_use_list(u, (uint64_t)n, &list);
    for (int64_t k = 0; !m->status && k < n; k++) list[k] = ends ? 2 * k - over : 2 * k + 1 - n;
    ro_value x = vd_make_ints(m, all->dtype, list, all->rank, dims);
    x = vd_make_2(m, "Div", x, vd_make_real(m, all->dtype, (double)over));
    return vd_make_expand(m, x, all->rank, all->dims);
}

/* theta (N, axes, axes + 1) times (x, y, .., 1) for every place of the sizes. */
static ro_status affine_grid(vd_use *u)
{
    const int ends = vd_use_int(u, "align_corners", 0) != 0;
    vd_maker m = {u->l, RO_OK};
    vd_attrs join = vd_attrs_of("Concat");
    ro_value base[4];
    ro_ints size;
    int given;
    RO_TRY(vd_use_wants(u, 2, 2));
    ro_type t = *vd_use_type(u, 0), all;
    RO_TRY(vd_use_ints(u, 1, NULL, &size, &given));
    const uint32_t axes = size.n - 2;
    if ((size.n != 4 && size.n != 5) || t.rank != 3 || t.dims[1] != (int64_t)axes ||
        t.dims[2] != (int64_t)axes + 1 || t.dims[0] != size.v[0])
        return vd_use_fail(u, RO_ESHAPE, "wants theta (N, 2, 3) and 4 sizes, or (N, 3, 4) and 5");
    all = ro_type_of(t.dtype, axes, size.v + 2);
    RO_TRY(ro_type_check(&all, u->l->err));
    all.dims[all.rank++] = 1;
    for (uint32_t k = 0; k < axes; k++) base[axes - 1 - k] = base_axis(u, &m, &all, k, ends);
    base[axes] = vd_make_expand(&m, vd_make_real(&m, t.dtype, 1), all.rank, all.dims);
    vd_attrs_int(u->l, &join, "axis", axes);
    const int64_t flat[2] = {vd_span(&all, 0, axes), axes + 1};
    ro_value places = vd_make_reshape(&m, vd_make_node(&m, &join, base, axes + 1), 2, flat);
    size.v[1] = size.v[0]; /* (N, sizes, axes) */
    size.v[size.n] = axes;
    u->out[0] = vd_make_reshape(&m, vd_make_2(&m, "MatMul", places,
                                              vd_make_swap(&m, u->in[0], 1, 2)),
                                axes + 2, size.v + 1);
    return m.status;
}

/* ---- the table ---------------------------------------------------------------------------- */

const vd_lower_row vd_lower_spatial[] = {
    {"AffineGrid", affine_grid, "align_corners"},
    {"CenterCropPad", center_crop_pad, "axes"},
    {"Col2Im", col2im, "dilations pads strides"},
    {"Det", det, ""},
    {"LRN", lrn, "alpha beta bias size"},
    {"LpNormalization", lp_normalization, "axis p"},
    {NULL, NULL, NULL},
};
