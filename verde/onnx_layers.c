/* onnx_layers.c - windows, reductions, normalizations and losses of ONNX as nodes.
 *
 * What this file decides: paddings that ONNX leaves to be computed, and the order of operations of
 * what is put together from several nodes. */
#include "onnx_lower.h"

/* ---- windows ------------------------------------------------------------------------------ */

typedef struct {
    uint32_t axes;
    ro_ints kernel, strides, dilations, pads;
} window;

enum { NOTSET, SAME_UPPER, SAME_LOWER, VALID };
static const char *const AUTO_PADS[] = {"NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID", NULL};

/* So that no sum of products leaves int64: sizes have at most 2^40. */
static int in_range(int64_t v, int64_t least) { return v >= least && v <= INT64_C(1) << 20; }

/* Pads of a window by what the model says of them. kernel: where it is not an attribute's. */
static ro_status window_of(vd_use *u, const ro_type *x, const int64_t *kernel, window *w,
                           uint32_t *automatic)
{
    memset(w, 0, sizeof *w);
    if (x->rank < 3) return vd_use_fail(u, RO_ESHAPE, "takes (N, C, sizes)");
    w->axes = x->rank - 2;
    if (w->axes > RO_INTS_MAX / 2) return vd_use_fail(u, RO_ELIMIT, "has too many axes");
    RO_TRY(vd_use_counted(u, "kernel_shape", w->axes, 0, &w->kernel));
    for (uint32_t a = 0; kernel && a < w->axes; a++) {
        if (vd_use_attribute(u, "kernel_shape") && w->kernel.v[a] != kernel[a])
            return vd_use_fail(u, RO_EATTR, "has another kernel_shape than its weight");
        w->kernel.v[a] = kernel[a];
    }
    RO_TRY(vd_use_counted(u, "strides", w->axes, 1, &w->strides));
    RO_TRY(vd_use_counted(u, "dilations", w->axes, 1, &w->dilations));
    RO_TRY(vd_use_counted(u, "pads", 2 * w->axes, 0, &w->pads));
    RO_TRY(vd_use_choice(u, "auto_pad", AUTO_PADS, automatic));
    for (uint32_t a = 0; a < w->axes; a++)
        if (!in_range(w->strides.v[a], 1) || !in_range(w->dilations.v[a], 1) ||
            !in_range(w->kernel.v[a], 1) || !in_range(w->pads.v[a], 0) ||
            !in_range(w->pads.v[w->axes + a], 0))
            return vd_use_fail(u, RO_EATTR, "has no window on axis %u, or one over 2^20", a);
    return RO_OK;
}

static int64_t extent(const window *w, uint32_t a)
{
    return (w->kernel.v[a] - 1) * w->dilations.v[a] + 1;
}

/* Half of them before, the odd one after, or for SAME_LOWER before. */
static void share_pads(window *w, uint32_t a, int64_t total, int lower)
{
    if (total < 0) total = 0;
    w->pads.v[a] = lower ? (total + 1) / 2 : total / 2;
    w->pads.v[w->axes + a] = total - w->pads.v[a];
}

static void same_pads(window *w, const ro_type *x, uint32_t automatic)
{
    for (uint32_t a = 0; a < w->axes && automatic != NOTSET; a++) {
        int64_t s = w->strides.v[a], out = (x->dims[2 + a] + s - 1) / s;
        share_pads(w, a, automatic == VALID ? 0 : (out - 1) * s + extent(w, a) - x->dims[2 + a],
                   automatic == SAME_LOWER);
    }
}

static void set_window(vd_lower *l, vd_attrs *a, const window *w)
{
    vd_attrs_ints(l, a, "strides", w->strides.v, w->axes);
    vd_attrs_ints(l, a, "pads", w->pads.v, 2 * w->axes);
    vd_attrs_ints(l, a, "dilations", w->dilations.v, w->axes);
}

ro_status vd_use_conv(vd_use *u, const ro_value *in, uint32_t count, ro_value *out)
{
    vd_attrs a = vd_attrs_of("Conv");
    window w;
    uint32_t automatic;
    const ro_type *x = ro_graph_type(u->l->graph, in[0]), *f = ro_graph_type(u->l->graph, in[1]);
    if (x->rank != f->rank) return vd_use_fail(u, RO_ESHAPE, "wants x and w of one rank");
    RO_TRY(window_of(u, x, f->dims + 2, &w, &automatic));
    same_pads(&w, x, automatic);
    set_window(u->l, &a, &w);
    vd_attrs_int(u->l, &a, "group", vd_use_int(u, "group", 1));
    return vd_lower_emit(u->l, &a, in, count, 1, out);
}

static ro_status conv(vd_use *u)
{
    RO_TRY(vd_use_wants(u, 2, 3));
    return vd_use_conv(u, u->in, u->count, &u->out[0]);
}

/* A value of one number a channel, to meet x (N, C, sizes). */
static ro_status along_channels(const vd_use *u, ro_value v, const ro_type *x, ro_value *out)
{
    const int64_t n = (int64_t)ro_type_elements(ro_graph_type(u->l->graph, v));
    const int64_t dims[RO_RANK_MAX] = {n, 1, 1, 1, 1, 1, 1, 1};
    if (n != x->dims[1])
        return vd_use_fail(u, RO_ESHAPE, "has %lld numbers for %lld channels", (long long)n,
                           (long long)x->dims[1]);
    return vd_lower_reshape(u->l, v, x->rank - 1, dims, out);
}

/* It is the gradient of Conv by its input, of which only the size is known. */
static ro_status conv_transpose(vd_use *u)
{
    vd_lower *l = u->l;
    vd_attrs a = vd_attrs_of("ConvInputGrad");
    window w;
    ro_ints more, shape;
    int has_shape;
    uint32_t automatic;
    int64_t sizes[RO_RANK_MAX];
    if (!vd_use_type(u, 0) || !vd_use_type(u, 1)) return vd_use_fail(u, RO_EFORMAT, "lacks inputs");
    ro_type x = *vd_use_type(u, 0), f = *vd_use_type(u, 1);
    if (x.rank != f.rank) return vd_use_fail(u, RO_ESHAPE, "wants x and w of one rank");
    RO_TRY(window_of(u, &x, f.dims + 2, &w, &automatic));
    RO_TRY(vd_use_axis_list(u, "output_padding", w.axes, 0, 0, &more));
    RO_TRY(vd_use_ints(u, RO_INPUTS_MAX, "output_shape", &shape, &has_shape));
    if (has_shape && shape.n < w.axes) return vd_use_fail(u, RO_EATTR, "has too short a shape");
    for (uint32_t k = 0; k < w.axes; k++) {
        int64_t s = w.strides.v[k], full = s * (x.dims[2 + k] - 1) + more.v[k] + extent(&w, k);
        int64_t want = has_shape ? shape.v[shape.n - w.axes + k] : s * x.dims[2 + k];
        if (want < 0 || (uint64_t)want > RO_ELEMENTS_MAX)
            return vd_use_fail(u, RO_EATTR, "has a shape of %lld", (long long)want);
        int told = has_shape || automatic == SAME_UPPER || automatic == SAME_LOWER;
        if (told) share_pads(&w, k, full - want, automatic != SAME_UPPER);
        else if (automatic == VALID) share_pads(&w, k, 0, 0);
        sizes[k] = told ? want : full - w.pads.v[k] - w.pads.v[w.axes + k];
    }
    set_window(l, &a, &w);
    vd_attrs_int(l, &a, "group", vd_use_int(u, "group", 1));
    vd_attrs_ints(l, &a, "dims", sizes, w.axes);
    RO_TRY(vd_use_emit(u, &a, 2, 1));
    if (u->count < 3 || u->in[2] == RO_NO_VALUE) return RO_OK;
    ro_value bias;
    const ro_type y = *ro_graph_type(l->graph, u->out[0]);
    RO_TRY(along_channels(u, u->in[2], &y, &bias));
    return vd_lower_binary(l, "Add", u->out[0], bias, &u->out[0]);
}

/* Places in (N, C, d1, d2..) as a tensor has them whose spatial axes lie the other way round, the
 * first one closest; -1 stays. */
static ro_status column_major(vd_use *u, const ro_type *x, ro_value *places)
{
    vd_lower *l = u->l;
    int64_t area = 1, before = 1;
    ro_value size, plane, rest = *places, at, to, none, is;
    for (uint32_t k = 2; k < x->rank; k++) area *= x->dims[k];
    if (!area) return RO_OK; /* all are -1 */
    RO_TRY(vd_lower_int64s(l, &area, 0, NULL, &size));
    RO_TRY(vd_lower_binary(l, "Div", *places, size, &plane));
    RO_TRY(vd_lower_binary(l, "Mul", plane, size, &to));
    RO_TRY(vd_lower_binary(l, "Sub", rest, to, &rest));
    for (uint32_t k = 2; k < x->rank; k++) { /* the axes in front: their places are large */
        area /= x->dims[k];
        RO_TRY(vd_lower_int64s(l, &area, 0, NULL, &size));
        RO_TRY(vd_lower_binary(l, "Div", rest, size, &at));
        RO_TRY(vd_lower_binary(l, "Mul", at, size, &plane));
        RO_TRY(vd_lower_binary(l, "Sub", rest, plane, &rest));
        RO_TRY(vd_lower_int64s(l, &before, 0, NULL, &size));
        RO_TRY(vd_lower_binary(l, "Mul", at, size, &at));
        RO_TRY(vd_lower_binary(l, "Add", to, at, &to));
        before *= x->dims[k];
    }
    RO_TRY(vd_lower_scalar(l, RO_I64, 0, &none));
    RO_TRY(vd_lower_binary(l, "Less", *places, none, &is));
    return vd_lower_where(l, is, *places, to, places);
}

static ro_status pool(vd_use *u)
{
    vd_attrs a = vd_attrs_of(u->name);
    window w;
    uint32_t automatic;
    int mean = u->name[0] == 'A';
    const ro_type *x = vd_use_type(u, 0);
    if (!x) return vd_use_fail(u, RO_EFORMAT, "lacks its input");
    RO_TRY(window_of(u, x, NULL, &w, &automatic));
    same_pads(&w, x, automatic);
    set_window(u->l, &a, &w);
    vd_attrs_ints(u->l, &a, "kernel_shape", w.kernel.v, w.axes);
    vd_attrs_int(u->l, &a, "ceil_mode", vd_use_int(u, "ceil_mode", 0) != 0);
    if (mean)
        vd_attrs_int(u->l, &a, "count_include_pad", vd_use_int(u, "count_include_pad", 0) != 0);
    const uint32_t outputs = mean ? 1 : vd_use_wanted(u, 2);
    const ro_type type = *x;
    RO_TRY(vd_use_emit(u, &a, 1, outputs));
    if (outputs == 1 || !vd_use_int(u, "storage_order", 0)) return RO_OK;
    return column_major(u, &type, &u->out[1]);
}

/* |x|^p */
static ro_status to_power(vd_use *u, int64_t p, ro_value *out)
{
    vd_lower *l = u->l;
    ro_value exponent;
    if (p == 2) return vd_lower_binary(l, "Mul", u->in[0], u->in[0], out);
    RO_TRY(vd_lower_plain(l, "Abs", u->in, 1, out));
    if (p == 1) return RO_OK;
    RO_TRY(vd_lower_scalar(l, vd_use_type(u, 0)->dtype, (double)p, &exponent));
    return vd_lower_binary(l, "Pow", *out, exponent, out);
}

/* x^(1 / p), the exponent rounded once. */
static ro_status to_root(vd_lower *l, ro_value x, int64_t p, ro_value *out)
{
    ro_dtype d = ro_graph_type(l->graph, x)->dtype;
    ro_value one, exponent;
    *out = x;
    if (p == 1) return RO_OK;
    if (p == 2) return vd_lower_plain(l, "Sqrt", &x, 1, out);
    RO_TRY(vd_lower_scalar(l, d, 1, &one));
    RO_TRY(vd_lower_scalar(l, d, (double)p, &exponent));
    RO_TRY(vd_lower_binary(l, "Div", one, exponent, &exponent));
    return vd_lower_binary(l, "Pow", x, exponent, out);
}

/* p, which was a real number in version 1. */
static ro_status take_power(const vd_use *u, int64_t *p)
{
    const vd_onnx_attribute *a = vd_use_attribute(u, "p");
    const double given = a && a->type == VD_A_FLOAT ? (double)a->v.f
                                                    : (double)vd_use_int(u, "p", 2);
    if (!(given >= 1 && given <= 1024) || given != (double)(int64_t)given)
        return vd_use_fail(u, RO_EATTR, "has p %g; whole numbers from 1 to 1024 are taken", given);
    *p = (int64_t)given;
    return RO_OK;
}

/* Padding at the end as ceil_mode would have it: a last window that begins in the input or in the
 * padding before it counts. */
static void pad_to_ceiling(window *w, const ro_type *x)
{
    for (uint32_t a = 0; a < w->axes; a++) {
        int64_t begin = x->dims[2 + a] + w->pads.v[a], *end = &w->pads.v[w->axes + a];
        int64_t s = w->strides.v[a], rest = begin + *end - extent(w, a);
        int64_t last = rest < 0 ? 0 : (rest + s - 1) / s * s;
        if (rest > 0 && last < begin && last > rest) *end += last - rest;
    }
}

/* Sums of powers by a Conv whose weights are 1, each channel by itself. */
static ro_status lp_pool(vd_use *u)
{
    vd_lower *l = u->l;
    vd_attrs a = vd_attrs_of("Conv"), e = vd_attrs_of("Expand");
    int64_t p = 0, dims[RO_RANK_MAX] = {1, 1};
    window w;
    uint32_t automatic;
    ro_value in[2], one;
    RO_TRY(vd_use_wants(u, 1, 1));
    RO_TRY(take_power(u, &p));
    ro_type x = *vd_use_type(u, 0);
    RO_TRY(window_of(u, &x, NULL, &w, &automatic));
    same_pads(&w, &x, automatic);
    if (vd_use_int(u, "ceil_mode", 0)) pad_to_ceiling(&w, &x);
    for (uint32_t k = 0; k < w.axes; k++) dims[2 + k] = w.kernel.v[k];
    RO_TRY(vd_lower_scalar(l, x.dtype, 1, &one));
    vd_attrs_ints(l, &e, "shape", dims, x.rank);
    RO_TRY(vd_lower_emit(l, &e, &one, 1, 1, &in[1]));
    RO_TRY(to_power(u, p, &in[0]));
    dims[0] = x.dims[0] * x.dims[1];
    memcpy(dims + 2, x.dims + 2, w.axes * sizeof *dims);
    RO_TRY(vd_lower_reshape(l, in[0], x.rank, dims, &in[0]));
    set_window(l, &a, &w);
    vd_attrs_int(l, &a, "group", 1);
    RO_TRY(vd_lower_emit(l, &a, in, 2, 1, &in[0]));
    RO_TRY(to_root(l, in[0], p, &in[0]));
    memcpy(x.dims + 2, ro_graph_type(l->graph, in[0])->dims + 2, w.axes * sizeof *dims);
    return vd_lower_reshape(l, in[0], x.rank, x.dims, &u->out[0]);
}

/* ---- reductions --------------------------------------------------------------------------- */

#define ROW_CHUNK INT64_C(4096)     /* of a lane sum: ARITHMETIC 2.2         */
#define ROW_LONG (INT64_C(1) << 20) /* elements of a row that one node reduces */

static ro_status reduce_node(vd_lower *l, const char *name, ro_value x, const ro_ints *axes,
                             int keep, ro_value *out)
{
    vd_attrs a = vd_attrs_of(name);
    vd_attrs_ints(l, &a, "axes", axes->v, axes->n);
    vd_attrs_int(l, &a, "keepdims", keep);
    return vd_lower_emit(l, &a, &x, 1, 1, out);
}

/* x with the reduced axes last and in one: (rows, n). */
static ro_status rows_of(vd_lower *l, ro_value x, uint32_t mask, int64_t n, ro_value *out)
{
    ro_type t = *ro_graph_type(l->graph, x);
    vd_attrs a = vd_attrs_of("Transpose");
    int64_t perm[RO_RANK_MAX], dims[2] = {1, n};
    uint32_t at = 0, moved = 0;
    for (uint32_t reduced = 0; reduced < 2; reduced++)
        for (uint32_t k = 0; k < t.rank; k++) {
            if ((mask >> k & 1) != reduced) continue;
            if (!reduced) dims[0] *= t.dims[k];
            moved |= k != at;
            perm[at++] = k;
        }
    vd_attrs_ints(l, &a, "perm", perm, t.rank);
    if (moved) RO_TRY(vd_lower_emit(l, &a, &x, 1, 1, &x));
    return vd_lower_reshape(l, x, 2, dims, out);
}

/* The results of the row's chunks, and what is made of those: the sums and maxima that one node
 * would have (ARITHMETIC 2.2). */
static ro_status reduce_chunks(vd_lower *l, const char *name, ro_value x, ro_value *out)
{
    const ro_ints last = {1, {2}}, second = {1, {1}};
    ro_type t = *ro_graph_type(l->graph, x);
    const int64_t n = t.dims[1], whole = n - n % ROW_CHUNK;
    const int64_t dims[3] = {t.dims[0], whole / ROW_CHUNK, ROW_CHUNK};
    vd_maker m = {l, RO_OK};
    ro_value part[2] = {x, x};
    if (whole < n) {
        part[1] = vd_make_slice(&m, x, 1, whole, n, 1);
        RO_TRY(m.status);
        RO_TRY(reduce_node(l, name, part[1], &second, 1, &part[1]));
        part[0] = vd_make_slice(&m, x, 1, 0, whole, 1);
        RO_TRY(m.status);
    }
    RO_TRY(vd_lower_reshape(l, part[0], 3, dims, &part[0]));
    RO_TRY(reduce_node(l, name, part[0], &last, 0, &part[0]));
    if (whole < n) RO_TRY(vd_lower_concat(l, part, 2, 1, &part[0]));
    return reduce_node(l, name, part[0], &second, 0, out);
}

/* A reduction. One of very many elements becomes two, so that an element of either is cheap to
 * compute alone; the bits are the same. Of 16-bit floats both are in float32, in which one node
 * would compute, so that only the result is rounded; a maximum never is. */
ro_status vd_lower_reduce(vd_lower *l, const char *name, ro_value x, const ro_ints *axes, int keep,
                          ro_value *out)
{
    ro_type t = *ro_graph_type(l->graph, x);
    const int mean = strcmp(name, "ReduceMean") == 0, fits = mean || !strcmp(name, "ReduceSum") ||
                                                             !strcmp(name, "ReduceMax") ||
                                                             !strcmp(name, "ReduceProd");
    const int widens = ro_dtype_is_float(t.dtype) && ro_dtypes[t.dtype].size == 2 &&
                       strcmp(name, "ReduceMax");
    uint32_t mask = axes->n ? 0 : (1u << t.rank) - 1, rank = 0;
    int64_t n = 1, dims[RO_RANK_MAX];
    for (uint32_t k = 0; k < axes->n; k++)
        if (axes->v[k] >= -(int64_t)t.rank && axes->v[k] < (int64_t)t.rank)
            mask |= 1u << (axes->v[k] < 0 ? axes->v[k] + (int64_t)t.rank : axes->v[k]);
    for (uint32_t k = 0; k < t.rank; k++) {
        if (mask >> k & 1) n *= t.dims[k];
        if (keep || !(mask >> k & 1)) dims[rank++] = mask >> k & 1 ? 1 : t.dims[k];
    }
    if (!fits || n <= ROW_LONG) return reduce_node(l, name, x, axes, keep, out);
    RO_TRY(rows_of(l, x, mask, n, &x));
    if (widens) RO_TRY(vd_lower_cast(l, x, RO_F32, &x));
    RO_TRY(reduce_chunks(l, mean ? "ReduceSum" : name, x, &x));
    if (mean) {
        ro_value count;
        RO_TRY(vd_lower_scalar(l, widens ? RO_F32 : t.dtype, (double)n, &count));
        RO_TRY(vd_lower_binary(l, "Div", x, count, &x));
    }
    if (widens) RO_TRY(vd_lower_cast(l, x, t.dtype, &x));
    return vd_lower_reshape(l, x, rank, dims, out);
}

/* What is done to the elements before they are added up, and to the sum. */
static const struct { const char *name, *before, *after; } SUMS[] = {
    {"ReduceL1", "Abs", NULL}, {"ReduceL2", "Mul", "Sqrt"}, {"ReduceSumSquare", "Mul", NULL},
    {"ReduceLogSum", NULL, "Log"}};

/* Log of the sum of Exp(x - m), and m, the greatest, or 0 where that is infinite (rule 32). */
static ro_status log_sum_exp(vd_lower *l, ro_value x, const ro_ints *axes, int keep, ro_value *out)
{
    vd_maker m = {l, RO_OK};
    vd_attrs a = vd_attrs_of("IsInf");
    ro_value most, is, sum;
    vd_attrs_int(l, &a, "detect_negative", 1);
    vd_attrs_int(l, &a, "detect_positive", 1);
    RO_TRY(vd_lower_reduce(l, "ReduceMax", x, axes, 1, &most));
    RO_TRY(vd_lower_emit(l, &a, &most, 1, 1, &is));
    const ro_value zero = vd_make_real(&m, ro_graph_type(l->graph, x)->dtype, 0);
    most = vd_make_where(&m, is, zero, most);
    x = vd_make_2(&m, "Sub", x, most);
    x = vd_make_1(&m, "Exp", x);
    if (m.status) return m.status;
    RO_TRY(vd_lower_reduce(l, "ReduceSum", x, axes, keep, &sum));
    const ro_type t = vd_make_type(&m, sum);
    sum = vd_make_1(&m, "Log", sum);
    if (!keep) most = vd_make_reshape(&m, most, t.rank, t.dims);
    *out = vd_make_2(&m, "Add", most, sum);
    return m.status;
}

/* x in the opposite order: floats negated, whole numbers from the one whose bits are all 1, which
 * leaves none out. A NaN stays one, so it is the least as it was the greatest. */
static ro_status opposite(vd_lower *l, ro_value x, ro_value *out)
{
    ro_dtype d = ro_graph_type(l->graph, x)->dtype;
    ro_value ones;
    if (ro_dtype_is_float(d)) return vd_lower_plain(l, "Neg", &x, 1, out);
    RO_TRY(vd_lower_scalar(l, d, -1, &ones));
    return vd_lower_binary(l, "Sub", ones, x, out);
}

static ro_status arg_min(vd_use *u)
{
    vd_attrs a = vd_attrs_of("ArgMax");
    ro_value x;
    if (!vd_use_type(u, 0)) return vd_use_fail(u, RO_EFORMAT, "lacks its input");
    RO_TRY(opposite(u->l, u->in[0], &x));
    vd_attrs_int(u->l, &a, "axis", vd_use_int(u, "axis", 0));
    vd_attrs_int(u->l, &a, "keepdims", vd_use_int(u, "keepdims", 1) != 0);
    vd_attrs_int(u->l, &a, "select_last_index", vd_use_int(u, "select_last_index", 0) != 0);
    return vd_lower_emit(u->l, &a, &x, 1, 1, &u->out[0]);
}

static ro_status reduction(vd_use *u)
{
    vd_lower *l = u->l;
    ro_ints axes;
    int given, keep = vd_use_int(u, "keepdims", 1) != 0;
    ro_value x = u->in[0];
    if (!vd_use_type(u, 0)) return vd_use_fail(u, RO_EFORMAT, "lacks its input");
    RO_TRY(vd_use_ints(u, 1, "axes", &axes, &given));
    if (!axes.n && vd_use_int(u, "noop_with_empty_axes", 0)) {
        if (strcmp(u->name, "ReduceSum") && strcmp(u->name, "ReduceMean") &&
            strcmp(u->name, "ReduceMax") && strcmp(u->name, "ReduceProd"))
            return vd_use_fail(u, RO_EOP, "reduces no axis, which is not taken");
        return vd_lower_plain(l, "Identity", &x, 1, &u->out[0]);
    }
    if (!strcmp(u->name, "ReduceLogSumExp")) return log_sum_exp(l, x, &axes, keep, &u->out[0]);
    for (size_t k = 0; k < sizeof SUMS / sizeof *SUMS; k++) {
        if (strcmp(SUMS[k].name, u->name)) continue;
        const char *before = SUMS[k].before, *after = SUMS[k].after;
        if (before && strcmp(before, "Mul") == 0) RO_TRY(vd_lower_binary(l, "Mul", x, x, &x));
        else if (before) RO_TRY(vd_lower_plain(l, before, &x, 1, &x));
        RO_TRY(vd_lower_reduce(l, "ReduceSum", x, &axes, keep, &u->out[0]));
        return after ? vd_lower_plain(l, after, &u->out[0], 1, &u->out[0]) : RO_OK;
    }
    const int least = !strcmp(u->name, "ReduceMin"), most = !strcmp(u->name, "ReduceMax");
    const int bools = (least || most) && vd_use_type(u, 0)->dtype == RO_BOOL;
    if (bools) RO_TRY(vd_lower_cast(l, x, RO_U8, &x));
    if (least) RO_TRY(opposite(l, x, &x));
    RO_TRY(vd_lower_reduce(l, least ? "ReduceMax" : u->name, x, &axes, keep, &x));
    if (least) RO_TRY(opposite(l, x, &x));
    if (bools) RO_TRY(vd_lower_cast(l, x, RO_BOOL, &x));
    u->out[0] = x;
    return RO_OK;
}

static ro_status global_max_pool(vd_use *u)
{
    ro_ints axes = {0, {0}};
    const ro_type *x = vd_use_type(u, 0);
    if (!x || x->rank < 3) return vd_use_fail(u, RO_ESHAPE, "takes (N, C, sizes)");
    for (uint32_t k = 2; k < x->rank; k++) axes.v[axes.n++] = k;
    return vd_lower_reduce(u->l, "ReduceMax", u->in[0], &axes, 1, &u->out[0]);
}

static ro_status global_lp_pool(vd_use *u)
{
    ro_ints axes = {0, {0}};
    ro_value x;
    int64_t p = 0;
    RO_TRY(vd_use_wants(u, 1, 1));
    RO_TRY(take_power(u, &p));
    const uint32_t rank = vd_use_type(u, 0)->rank;
    if (rank < 3) return vd_use_fail(u, RO_ESHAPE, "takes (N, C, sizes)");
    for (uint32_t k = 2; k < rank; k++) axes.v[axes.n++] = k;
    RO_TRY(to_power(u, p, &x));
    RO_TRY(vd_lower_reduce(u->l, "ReduceSum", x, &axes, 1, &x));
    return to_root(u->l, x, p, &u->out[0]);
}

/* Softmax and LogSoftmax. Before version 13 a tensor was a matrix cut at the axis. */
static ro_status softmax(vd_use *u)
{
    vd_lower *l = u->l;
    vd_attrs a = vd_attrs_of(u->name);
    int cut = l->opset < 13;
    uint32_t axis;
    if (!vd_use_type(u, 0)) return vd_use_fail(u, RO_EFORMAT, "lacks its input");
    ro_type t = *vd_use_type(u, 0);
    int64_t given = vd_use_int(u, "axis", cut ? 1 : -1);
    if (t.rank == 0 || (cut && given == (int64_t)t.rank))
        return vd_use_fail(u, RO_ESHAPE, "has no axis to go along");
    RO_TRY(vd_use_axis(u, given, t.rank, &axis));
    ro_value x = u->in[0];
    const int64_t flat[2] = {vd_span(&t, 0, axis), vd_span(&t, axis, t.rank)};
    if (cut) RO_TRY(vd_lower_reshape(l, x, 2, flat, &x));
    vd_attrs_int(l, &a, "axis", cut ? 1 : axis);
    RO_TRY(vd_lower_emit(l, &a, &x, 1, 1, &u->out[0]));
    return cut ? vd_lower_reshape(l, u->out[0], t.rank, t.dims, &u->out[0]) : RO_OK;
}

/* 1 at the first maximum along the axis, 0 elsewhere. */
static ro_status hardmax(vd_use *u)
{
    vd_lower *l = u->l;
    vd_attrs a = vd_attrs_of("ArgMax");
    uint32_t axis;
    ro_value at, numbers, same;
    if (!vd_use_type(u, 0)) return vd_use_fail(u, RO_EFORMAT, "lacks its input");
    ro_type t = *vd_use_type(u, 0);
    if (l->opset < 13 && t.rank != 2) return vd_use_fail(u, RO_EOP, "cuts a tensor to a matrix");
    RO_TRY(vd_use_axis(u, vd_use_int(u, "axis", l->opset < 13 ? 1 : -1), t.rank, &axis));
    if (t.dims[axis] > 4096) return vd_use_fail(u, RO_ELIMIT, "goes along over 4,096 positions");
    vd_attrs_int(l, &a, "axis", axis);
    vd_attrs_int(l, &a, "keepdims", 1);
    RO_TRY(vd_lower_emit(l, &a, u->in, 1, 1, &at));
    RO_TRY(vd_use_numbers(u, t.dims[axis], axis, t.rank, &numbers));
    RO_TRY(vd_lower_binary(l, "Equal", at, numbers, &same));
    return vd_lower_cast(l, same, t.dtype, &u->out[0]);
}

/* ---- normalizations ----------------------------------------------------------------------- */

/* x scaled and shifted by one number a channel. */
static ro_status scale_channels(const vd_use *u, ro_value x, ro_value scale, ro_value bias,
                                ro_value *out)
{
    const ro_type t = *ro_graph_type(u->l->graph, x);
    RO_TRY(along_channels(u, scale, &t, &scale));
    RO_TRY(along_channels(u, bias, &t, &bias));
    RO_TRY(vd_lower_binary(u->l, "Mul", x, scale, &x));
    return vd_lower_binary(u->l, "Add", x, bias, out);
}

/* By the batch's own statistics: before version 14 where it gives more than y, before version 7
 * unless is_test says otherwise. */
static int is_training(const vd_use *u)
{
    if (u->l->opset < 7) return !vd_use_int(u, "is_test", 0);
    return u->l->opset < 14 ? vd_use_wanted(u, RO_OUTPUTS_MAX) > 1
                            : vd_use_int(u, "training_mode", 0) != 0;
}

/* (x - mean) (1 / sqrt(var + epsilon)) scale + bias, each product rounded; in training onnx_train.c
 * has the first part. */
static ro_status batch_norm(vd_use *u)
{
    vd_lower *l = u->l;
    ro_value mean, deviation, epsilon, x;
    if (l->opset < 9) RO_TRY(vd_use_only(u, "spatial", 1));
    for (uint32_t k = 0; k < 5; k++)
        if (!vd_use_type(u, k)) return vd_use_fail(u, RO_EFORMAT, "lacks input %u", k);
    ro_type t = *vd_use_type(u, 0);
    if (t.rank < 2) return vd_use_fail(u, RO_ESHAPE, "takes (N, C, sizes)");
    if (is_training(u) || vd_train_averages(u)) {
        RO_TRY(vd_lower_batch_statistics(u, &x));
        RO_TRY(vd_train_averages_next(u));
        return scale_channels(u, x, u->in[1], u->in[2], &u->out[0]);
    }
    RO_TRY(vd_lower_scalar(l, t.dtype, vd_use_float(u, "epsilon", 1e-5f), &epsilon));
    RO_TRY(vd_lower_binary(l, "Add", u->in[4], epsilon, &deviation));
    RO_TRY(vd_lower_plain(l, "Sqrt", &deviation, 1, &deviation));
    RO_TRY(vd_lower_plain(l, "Reciprocal", &deviation, 1, &deviation));
    RO_TRY(along_channels(u, deviation, &t, &deviation));
    RO_TRY(along_channels(u, u->in[3], &t, &mean));
    RO_TRY(vd_lower_binary(l, "Sub", u->in[0], mean, &x));
    RO_TRY(vd_lower_binary(l, "Mul", x, deviation, &x));
    return scale_channels(u, x, u->in[1], u->in[2], &u->out[0]);
}

static ro_status normalize(vd_lower *l, ro_value x, int64_t axis, double epsilon, ro_value *out)
{
    vd_attrs a = vd_attrs_of("LayerNormalization");
    vd_attrs_int(l, &a, "axis", axis);
    vd_attrs_real(l, &a, "epsilon", epsilon);
    return vd_lower_emit(l, &a, &x, 1, 1, out);
}

static ro_status instance_norm(vd_use *u)
{
    ro_value x;
    for (uint32_t k = 0; k < 3; k++)
        if (!vd_use_type(u, k)) return vd_use_fail(u, RO_EFORMAT, "lacks input %u", k);
    if (vd_use_type(u, 0)->rank < 3) return vd_use_fail(u, RO_ESHAPE, "takes (N, C, sizes)");
    RO_TRY(normalize(u->l, u->in[0], 2, vd_use_float(u, "epsilon", 1e-5f), &x));
    return scale_channels(u, x, u->in[1], u->in[2], &u->out[0]);
}

/* Scale and bias are of channels from version 21, before of groups. */
static ro_status group_norm(vd_use *u)
{
    vd_lower *l = u->l;
    ro_value x;
    for (uint32_t k = 0; k < 3; k++)
        if (!vd_use_type(u, k)) return vd_use_fail(u, RO_EFORMAT, "lacks input %u", k);
    ro_type t = *vd_use_type(u, 0);
    int64_t g = vd_use_int(u, "num_groups", 0), dims[3] = {0, g, 1};
    if (t.rank < 3 || g < 1 || t.dims[1] % g)
        return vd_use_fail(u, RO_ESHAPE, "has %lld groups that do not fit", (long long)g);
    dims[0] = t.dims[0];
    dims[2] = t.dims[1] / g;
    if (!ro_type_elements(&t)) return vd_lower_plain(l, "Identity", u->in, 1, &u->out[0]);
    for (uint32_t k = 2; k < t.rank; k++) dims[2] *= t.dims[k];
    RO_TRY(vd_use_only(u, "stash_type", 1));
    RO_TRY(vd_lower_reshape(l, u->in[0], 3, dims, &x));
    RO_TRY(normalize(l, x, 2, vd_use_float(u, "epsilon", 1e-5f), &x));
    if (l->opset < 21) RO_TRY(scale_channels(u, x, u->in[1], u->in[2], &x));
    RO_TRY(vd_lower_reshape(l, x, t.rank, t.dims, &u->out[0]));
    if (l->opset < 21) return RO_OK;
    return scale_channels(u, u->out[0], u->in[1], u->in[2], &u->out[0]);
}

static ro_status layer_norm(vd_use *u)
{
    vd_attrs a = vd_attrs_of("LayerNormalization");
    RO_TRY(vd_use_only(u, "stash_type", 1));
    vd_attrs_int(u->l, &a, "axis", vd_use_int(u, "axis", -1));
    vd_attrs_real(u->l, &a, "epsilon", vd_use_float(u, "epsilon", 1e-5f));
    return vd_use_emit(u, &a, u->count, vd_use_wanted(u, RO_OUTPUTS_MAX));
}

/* A scale of another shape than the normalized axes is stretched to them, and one of another dtype
 * gives its own: by a node of their own. */
static ro_status rms_norm(vd_use *u)
{
    vd_lower *l = u->l;
    vd_maker m = {l, RO_OK};
    vd_attrs a = vd_attrs_of("RMSNormalization");
    uint32_t axis;
    RO_TRY(vd_use_wants(u, 2, 2));
    RO_TRY(vd_use_only(u, "stash_type", 1));
    const ro_type x = *vd_use_type(u, 0), s = *vd_use_type(u, 1);
    RO_TRY(vd_use_axis(u, vd_use_int(u, "axis", -1), x.rank, &axis));
    const ro_type row = ro_type_of(x.dtype, x.rank - axis, x.dims + axis);
    const int apart = !ro_type_equal(&row, &s);
    vd_attrs_int(l, &a, "axis", axis);
    vd_attrs_real(l, &a, "epsilon", vd_use_float(u, "epsilon", 1e-5f));
    RO_TRY(vd_lower_emit(l, &a, u->in, apart ? 1 : 2, 1, &u->out[0]));
    if (!apart) return RO_OK;
    u->out[0] = vd_make_2(&m, "Mul", vd_make_cast(&m, u->out[0], s.dtype), u->in[1]);
    const ro_type y = vd_make_type(&m, u->out[0]);
    RO_TRY(m.status);
    if (y.rank == x.rank && ro_type_elements(&y) == ro_type_elements(&x)) return RO_OK;
    return vd_use_fail(u, RO_ESHAPE, "has a scale that stretches x");
}

/* (x - E[x]) / (sqrt(E[x^2] - E[x]^2) + 1e-9), as ONNX's function body says. */
static ro_status mvn(vd_use *u)
{
    vd_lower *l = u->l;
    ro_ints axes;
    int given;
    ro_value mean, square, of_square, d, x, tiny;
    if (!vd_use_type(u, 0)) return vd_use_fail(u, RO_EFORMAT, "lacks its input");
    RO_TRY(vd_use_ints(u, RO_INPUTS_MAX, "axes", &axes, &given));
    if (!given) axes = (ro_ints){3, {0, 2, 3}};
    RO_TRY(vd_lower_reduce(l, "ReduceMean", u->in[0], &axes, 1, &mean));
    RO_TRY(vd_lower_binary(l, "Mul", u->in[0], u->in[0], &square));
    RO_TRY(vd_lower_reduce(l, "ReduceMean", square, &axes, 1, &of_square));
    RO_TRY(vd_lower_binary(l, "Mul", mean, mean, &square));
    RO_TRY(vd_lower_binary(l, "Sub", of_square, square, &d));
    RO_TRY(vd_lower_plain(l, "Sqrt", &d, 1, &d));
    RO_TRY(vd_lower_scalar(l, vd_use_type(u, 0)->dtype, 1e-9, &tiny));
    RO_TRY(vd_lower_binary(l, "Add", d, tiny, &d));
    RO_TRY(vd_lower_binary(l, "Sub", u->in[0], mean, &x));
    return vd_lower_binary(l, "Div", x, d, &u->out[0]);
}

/* ---- losses ------------------------------------------------------------------------------- */

static ro_status loss(vd_use *u)
{
    static const char *const ways[] = {"mean", "none", "sum", NULL};
    static const uint32_t codes[] = {2, 0, 1};
    vd_attrs a = vd_attrs_of("SoftmaxCrossEntropyLoss");
    uint32_t way;
    RO_TRY(vd_use_choice(u, "reduction", ways, &way));
    vd_attrs_int(u->l, &a, "reduction", codes[way]);
    vd_attrs_int(u->l, &a, "has_ignore", vd_use_attribute(u, "ignore_index") != NULL);
    vd_attrs_int(u->l, &a, "ignore_index", vd_use_int(u, "ignore_index", 0));
    return vd_use_emit(u, &a, u->count, vd_use_wanted(u, 2));
}

/* Where a class is the label: (N, C, sizes), true at most once along C. */
static ro_status is_label(vd_use *u, const ro_type *x, ro_value *out)
{
    vd_lower *l = u->l;
    int64_t dims[RO_RANK_MAX];
    ro_value label, classes;
    for (uint32_t k = 0; k < x->rank; k++) dims[k] = k == 1 ? 1 : x->dims[k];
    RO_TRY(vd_lower_cast(l, u->in[1], RO_I64, &label));
    RO_TRY(vd_lower_reshape(l, label, x->rank, dims, &label));
    RO_TRY(vd_use_numbers(u, x->dims[1], 1, x->rank, &classes));
    RO_TRY(vd_lower_binary(l, "Equal", label, classes, out));
    if (!vd_use_attribute(u, "ignore_index")) return RO_OK;
    int64_t ignored = vd_use_int(u, "ignore_index", 0);
    ro_value none, same, no;
    RO_TRY(vd_lower_int64s(l, &ignored, 0, NULL, &none));
    RO_TRY(vd_lower_binary(l, "Equal", label, none, &same));
    RO_TRY(vd_lower_scalar(l, RO_BOOL, 0, &no));
    return vd_lower_where(l, same, no, *out, out);
}

/* v where a class is the label, else 0, added up along C. */
static ro_status at_label(vd_lower *l, ro_value is, ro_value v, ro_value *out)
{
    const ro_ints axis = {1, {1}};
    ro_value zero;
    RO_TRY(vd_lower_scalar(l, ro_graph_type(l->graph, v)->dtype, 0, &zero));
    RO_TRY(vd_lower_where(l, is, v, zero, &v));
    return vd_lower_reduce(l, "ReduceSum", v, &axis, 0, out);
}

/* -x at the label, times the label's weight; a label that is no class, or is ignored, counts 0. */
static ro_status nll(vd_use *u)
{
    static const char *const ways[] = {"mean", "none", "sum", NULL};
    const ro_ints all = {0, {0}};
    vd_lower *l = u->l;
    ro_value is, weight, loss, total;
    uint32_t way;
    if (!vd_use_type(u, 0) || !vd_use_type(u, 1)) return vd_use_fail(u, RO_EFORMAT, "lacks inputs");
    ro_type x = *vd_use_type(u, 0);
    if (x.rank < 2 || (uint64_t)x.dims[1] > VD_LOWER_INDICES)
        return vd_use_fail(u, RO_ESHAPE, "takes (N, C, sizes)");
    RO_TRY(vd_use_choice(u, "reduction", ways, &way));
    RO_TRY(is_label(u, &x, &is));
    if (vd_use_type(u, 2)) RO_TRY(along_channels(u, u->in[2], &x, &weight));
    else RO_TRY(vd_lower_scalar(l, x.dtype, 1, &weight));
    RO_TRY(at_label(l, is, u->in[0], &loss));
    RO_TRY(at_label(l, is, weight, &weight));
    RO_TRY(vd_lower_plain(l, "Neg", &loss, 1, &loss));
    RO_TRY(vd_lower_binary(l, "Mul", loss, weight, &u->out[0]));
    if (way == 1) return RO_OK;
    RO_TRY(vd_lower_reduce(l, "ReduceSum", u->out[0], &all, 0, &u->out[0]));
    if (way == 2) return RO_OK;
    RO_TRY(vd_lower_reduce(l, "ReduceSum", weight, &all, 0, &total));
    return vd_lower_binary(l, "Div", u->out[0], total, &u->out[0]);
}

/* ---- padding ------------------------------------------------------------------------------ */

/* The position of x that position i, counted from its first one, has; mode 1 edge, 2 reflect,
 * 3 wrap. */
static int64_t mirrored(int64_t i, int64_t n, uint32_t mode)
{
    if (mode == 1) return i < 0 ? 0 : i >= n ? n - 1 : i;
    if (mode == 3) return (i % n + n) % n;
    if (n == 1) return 0;
    int64_t period = 2 * (n - 1);
    i = (i % period + period) % period;
    return i < n ? i : period - i;
}

ro_status vd_use_pad_axis(vd_use *u, uint32_t axis, int64_t before, int64_t after, uint32_t mode,
                          ro_value value, ro_value *x)
{
    vd_lower *l = u->l;
    vd_maker m = {l, RO_OK};
    ro_type t = *ro_graph_type(l->graph, *x);
    const int64_t n = t.dims[axis], most = (int64_t)VD_LOWER_INDICES;
    ro_value part[3];
    uint32_t parts = 0;
    int64_t total = before > most || before < -most || after > most || after < -most
                        ? -1 : n + before + after;
    if (total < 0 || total > most)
        return vd_use_fail(u, RO_ELIMIT, "pads axis %u of %lld by %lld and %lld", axis,
                           (long long)n, (long long)before, (long long)after);
    if (mode || before < 0 || after < 0) {
        int64_t first = before < 0 || mode ? -before : 0;
        int64_t count = mode ? total : n + (before < 0 ? before : 0) + (after < 0 ? after : 0);
        if (count < 0 || (mode && n == 0))
            return vd_use_fail(u, RO_ESHAPE, "pads axis %u of %lld positions", axis, (long long)n);
        int64_t *at;
        RO_TRY(vd_use_list(u, (uint64_t)count, &at));
        for (int64_t k = 0; k < count; k++)
            at[k] = mode ? mirrored(first + k, n, mode) : first + k;
        RO_TRY(vd_lower_take(l, *x, axis, at, (uint64_t)count, x));
        if (mode) return RO_OK;
    }
    ro_type fill = *ro_graph_type(l->graph, *x);
    if (before > 0) {
        fill.dims[axis] = before;
        part[parts++] = vd_make_expand(&m, value, fill.rank, fill.dims);
    }
    part[parts++] = *x;
    if (after > 0) {
        fill.dims[axis] = after;
        part[parts++] = vd_make_expand(&m, value, fill.rank, fill.dims);
    }
    RO_TRY(m.status);
    return parts > 1 ? vd_lower_concat(l, part, parts, axis, x) : RO_OK;
}

static ro_status pad(vd_use *u)
{
    static const char *const modes[] = {"constant", "edge", "reflect", "wrap", NULL};
    vd_lower *l = u->l;
    ro_ints pads, axes;
    int given, listed;
    uint32_t mode, axis;
    ro_value x = u->in[0], value;
    if (!vd_use_type(u, 0)) return vd_use_fail(u, RO_EFORMAT, "lacks its input");
    ro_type t = *vd_use_type(u, 0);
    RO_TRY(vd_use_choice(u, "mode", modes, &mode));
    RO_TRY(vd_use_ints(u, 1, l->opset < 2 ? "paddings" : "pads", &pads, &given));
    RO_TRY(vd_use_ints(u, 3, NULL, &axes, &listed));
    for (uint32_t k = 0; !listed && k < t.rank; k++) axes.v[axes.n++] = k;
    if (!given || pads.n != 2 * axes.n)
        return vd_use_fail(u, RO_EFORMAT, "has %u pads for %u axes", pads.n, axes.n);
    if (vd_use_type(u, 2)) {
        if (ro_type_elements(vd_use_type(u, 2)) != 1)
            return vd_use_fail(u, RO_ESHAPE, "pads with more than one number");
        RO_TRY(vd_lower_reshape(l, u->in[2], 0, NULL, &value));
    } else {
        RO_TRY(vd_lower_scalar(l, t.dtype, vd_use_float(u, "value", 0), &value));
    }
    for (uint32_t k = 0; k < axes.n; k++) {
        RO_TRY(vd_use_axis(u, axes.v[k], t.rank, &axis));
        RO_TRY(vd_use_pad_axis(u, axis, pads.v[k], pads.v[axes.n + k], mode, value, &x));
    }
    u->out[0] = x;
    return x != u->in[0] ? RO_OK : vd_lower_plain(l, "Identity", &x, 1, &u->out[0]);
}

/* ---- the table ---------------------------------------------------------------------------- */

const vd_lower_row vd_lower_layers[] = {
    {"ArgMin", arg_min, "axis keepdims select_last_index"},
    {"NegativeLogLikelihoodLoss", nll, "reduction ignore_index"},
    {"Conv", conv, "auto_pad dilations group kernel_shape pads strides"},
    {"ConvTranspose", conv_transpose,
     "auto_pad dilations group kernel_shape output_padding output_shape pads strides"},
    {"MaxPool AveragePool", pool,
     "auto_pad ceil_mode count_include_pad dilations kernel_shape pads storage_order strides"},
    {"GlobalMaxPool", global_max_pool, ""},
    {"LpPool", lp_pool, "auto_pad ceil_mode dilations kernel_shape p pads strides"},
    {"GlobalLpPool", global_lp_pool, "p"},
    {"BatchNormalization", batch_norm,
     "epsilon momentum training_mode spatial is_test consumed_inputs"},
    {"InstanceNormalization", instance_norm, "epsilon consumed_inputs"},
    {"GroupNormalization", group_norm, "epsilon num_groups stash_type"},
    {"LayerNormalization", layer_norm, "axis epsilon stash_type"},
    {"RMSNormalization", rms_norm, "axis epsilon stash_type"},
    {"MeanVarianceNormalization", mvn, "axes"},
    {"Softmax LogSoftmax", softmax, "axis"},
    {"SoftmaxCrossEntropyLoss", loss, "reduction ignore_index"},
    {"ReduceSum ReduceMean ReduceMax ReduceMin ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp "
     "ReduceSumSquare ReduceProd", reduction,
     "axes keepdims noop_with_empty_axes"},
    {"Hardmax", hardmax, "axis"},
    {"Pad", pad, "mode pads paddings value"},
    {NULL, NULL, NULL},
};
