/* onnx_index.c - gathers, scatters, running sums and orders of ONNX as nodes.
 *
 * What this file decides: how index vectors become rows of a tensor whose first axes are one. What
 * a vector cannot reach is given the first place behind the last row, so that nothing is gathered
 * from there and nothing goes there. */
#include "onnx_lower.h"

static ro_value whole(vd_maker *m, int64_t v) { return vd_make_ints(m, RO_I64, &v, 0, NULL); }

/* 0, step, 2 step, .. in a tensor. */
static ro_value steps(vd_maker *m, const vd_use *u, int64_t step, uint32_t rank,
                      const int64_t *dims)
{
    const ro_type t = ro_type_of(RO_I64, rank, dims);
    const uint64_t n = ro_type_elements(&t);
    int64_t *list;
    if (!m->status) m->status = vd_use_list(u, n, &list);
    for (uint64_t k = 0; !m->status && k < n; k++) list[k] = (int64_t)k * step;
    return m->status ? RO_NO_VALUE : vd_make_ints(m, RO_I64, list, rank, dims);
}

static ro_value scatter_rows(vd_maker *m, ro_value x, ro_value at, ro_value updates, uint32_t how)
{
    vd_attrs a = vd_attrs_of("ScatterRows");
    const ro_value in[3] = {x, at, updates};
    vd_attrs_int(m->l, &a, "reduction", how);
    return vd_make_node(m, &a, in, 3);
}

static const char *const REDUCTIONS[] = {"none", "add", "mul", "max", "min", NULL};

/* ---- running sums, orders ----------------------------------------------------------------- */

static ro_status running(vd_use *u)
{
    vd_attrs a = vd_attrs_of(u->name);
    double real;
    int64_t axis;
    RO_TRY(vd_use_wants(u, 2, 2));
    RO_TRY(vd_use_scalar(u, 1, &real, &axis));
    vd_attrs_int(u->l, &a, "axis", axis);
    vd_attrs_int(u->l, &a, "exclusive", vd_use_int(u, "exclusive", 0) != 0);
    vd_attrs_int(u->l, &a, "reverse", vd_use_int(u, "reverse", 0) != 0);
    return vd_use_emit(u, &a, 1, 1);
}

/* The first k of each line of an axis, and where they are on it. */
static ro_value first_of(vd_maker *m, ro_value x, int64_t axis, int64_t k, uint32_t largest,
                         ro_value *at)
{
    vd_attrs a = vd_attrs_of("TopK");
    ro_value out = RO_NO_VALUE;
    vd_attrs_int(m->l, &a, "axis", axis);
    vd_attrs_int(m->l, &a, "k", k);
    vd_attrs_int(m->l, &a, "largest", largest);
    if (!m->status) m->status = vd_lower_emit(m->l, &a, &x, 1, 2, &out);
    *at = m->status ? RO_NO_VALUE : out + 1;
    return m->status ? RO_NO_VALUE : out;
}

static ro_value pick(vd_maker *m, ro_value x, ro_value at, int64_t axis)
{
    vd_attrs a = vd_attrs_of("GatherElements");
    const ro_value in[2] = {x, at};
    vd_attrs_int(m->l, &a, "axis", axis);
    return vd_make_node(m, &a, in, 2);
}

/* Lines (rows, n) and the places of their elements, of over RO_TOPK_LINE_MAX elements: only the
 * first k of each so many in a row stay. Equal ones stay in the order of their places. */
static void thin_out(vd_maker *m, int64_t k, uint32_t largest, ro_value *x, ro_value *places)
{
    const ro_type t = vd_make_type(m, *x);
    const int64_t each = RO_TOPK_LINE_MAX, n = t.dims[1], lists = n / each, whole = lists * each;
    const int64_t cut[3] = {t.dims[0], lists, each}, joined[2] = {t.dims[0], lists * k};
    const int64_t rest = n - whole < k ? n - whole : k;
    ro_value at, list = vd_make_slice(m, *x, 1, 0, whole, 1);
    ro_value v = first_of(m, vd_make_reshape(m, list, 3, cut), 2, k, largest, &at);
    list = vd_make_reshape(m, vd_make_slice(m, *places, 1, 0, whole, 1), 3, cut);
    v = vd_make_reshape(m, v, 2, joined);
    at = vd_make_reshape(m, pick(m, list, at, 2), 2, joined);
    if (rest) {
        ro_value tail_at, tail = vd_make_slice(m, *x, 1, whole, n, 1);
        tail = first_of(m, tail, 1, rest, largest, &tail_at);
        list = vd_make_slice(m, *places, 1, whole, n, 1);
        v = vd_make_join(m, v, tail, 1);
        at = vd_make_join(m, at, pick(m, list, tail_at, 1), 1);
    }
    *x = v;
    *places = at;
}

/* TopK of lines that an element may not read whole. */
static ro_status top_of_long(vd_use *u, uint32_t axis, int64_t k, uint32_t largest)
{
    vd_maker m = {u->l, RO_OK};
    ro_type t = *vd_use_type(u, 0);
    const uint32_t last = t.rank - 1;
    const int64_t n = t.dims[axis];
    if (k < 0 || k > n || k > RO_TOPK_LINE_MAX / 2)
        return vd_use_fail(u, RO_ELIMIT, "takes the first %lld of %lld; 0 to %d are allowed",
                           (long long)k, (long long)n, RO_TOPK_LINE_MAX / 2);
    ro_value x = axis == last ? u->in[0] : vd_make_swap(&m, u->in[0], axis, last), places, at;
    t.dims[axis] = t.dims[last];
    const int64_t flat[2] = {vd_span(&t, 0, last), n};
    x = vd_make_reshape(&m, x, 2, flat);
    places = vd_make_expand(&m, vd_make_numbers(&m, u, n, 1, 2), 2, flat);
    while (!m.status && vd_make_type(&m, x).dims[1] > RO_TOPK_LINE_MAX)
        thin_out(&m, k, largest, &x, &places);
    x = first_of(&m, x, 1, k, largest, &at);
    at = pick(&m, places, at, 1);
    t.dims[last] = k;
    x = vd_make_reshape(&m, x, t.rank, t.dims);
    at = vd_make_reshape(&m, at, t.rank, t.dims);
    u->out[0] = axis == last ? x : vd_make_swap(&m, x, axis, last);
    if (vd_use_wanted(u, 2) > 1) u->out[1] = axis == last ? at : vd_make_swap(&m, at, axis, last);
    return m.status;
}

/* k was an attribute before version 10. The results are in order whether `sorted` or not. */
static ro_status top_k(vd_use *u)
{
    vd_attrs a = vd_attrs_of("TopK");
    double real;
    int64_t k = vd_use_int(u, "k", -1);
    const int old = u->l->opset < 10;
    RO_TRY(vd_use_wants(u, old ? 1 : 2, old ? 1 : 2));
    if (!old) RO_TRY(vd_use_scalar(u, 1, &real, &k));
    const ro_type *t = vd_use_type(u, 0);
    const uint32_t largest = vd_use_int(u, "largest", 1) != 0;
    uint32_t axis;
    RO_TRY(vd_use_axis(u, vd_use_int(u, "axis", -1), t->rank, &axis));
    if (t->dims[axis] > RO_TOPK_LINE_MAX) return top_of_long(u, axis, k, largest);
    vd_attrs_int(u->l, &a, "axis", axis);
    vd_attrs_int(u->l, &a, "k", k);
    vd_attrs_int(u->l, &a, "largest", largest);
    return vd_use_emit(u, &a, 1, vd_use_wanted(u, 2));
}

/* ---- by indices --------------------------------------------------------------------------- */

static ro_status gather_elements(vd_use *u)
{
    vd_attrs a = vd_attrs_of("GatherElements");
    RO_TRY(vd_use_wants(u, 2, 2));
    vd_attrs_int(u->l, &a, "axis", vd_use_int(u, "axis", 0));
    return vd_use_emit(u, &a, 2, 1);
}

static ro_status scatter_elements(vd_use *u)
{
    vd_attrs a = vd_attrs_of("ScatterElements");
    uint32_t how;
    RO_TRY(vd_use_wants(u, 3, 3));
    RO_TRY(vd_use_choice(u, "reduction", REDUCTIONS, &how));
    vd_attrs_int(u->l, &a, "axis", vd_use_int(u, "axis", 0));
    vd_attrs_int(u->l, &a, "reduction", how);
    return vd_use_emit(u, &a, 3, 1);
}

/* Rows of x, cut after its axes `batch` to `batch + k`, that vectors of k indices name, for each
 * place of the first `batch` axes its own. */
static ro_value rows_by(vd_maker *m, const vd_use *u, ro_value at, const ro_type *x, uint32_t batch,
                        uint32_t k)
{
    const int64_t n = vd_span(x, batch, batch + k), count = k;
    int64_t step[RO_RANK_MAX], dims[RO_RANK_MAX] = {1, 1, 1, 1, 1, 1, 1, 1};
    for (uint32_t a = 0; a < k; a++) step[a] = vd_span(x, batch + a + 1, batch + k);
    const ro_value size = vd_make_ints(m, RO_I64, x->dims + batch, 1, &count), zero = whole(m, 0);
    const ro_value none = whole(m, vd_span(x, 0, batch + k));
    ro_value i = vd_make_cast(m, at, RO_I64);
    const ro_value low = vd_make_2(m, "Less", i, zero), up = vd_make_2(m, "Add", i, size);
    i = vd_make_where(m, low, up, i);
    const ro_value above = vd_make_2(m, "GreaterOrEqual", i, zero);
    const ro_value inside = vd_make_2(m, "And", above, vd_make_2(m, "Less", i, size));
    i = vd_make_2(m, "Mul", i, vd_make_ints(m, RO_I64, step, 1, &count));
    i = vd_make_sum(m, vd_make_where(m, inside, i, none), -1, 0);
    if (!batch) return i;
    memcpy(dims, x->dims, batch * sizeof *dims);
    return vd_make_2(m, "Add", i, steps(m, u, n, vd_make_type(m, i).rank, dims));
}

/* x with its first n axes in one. */
static ro_value flat_rows(vd_maker *m, ro_value x, const ro_type *t, uint32_t n)
{
    int64_t dims[RO_RANK_MAX + 1] = {vd_span(t, 0, n)};
    for (uint32_t a = n; a < t->rank; a++) dims[1 + a - n] = t->dims[a];
    if (!m->status && t->rank - n + 1 > RO_RANK_MAX)
        m->status = RO_FAIL(m->l->err, RO_ELIMIT, "a tensor of %u axes gets one more", t->rank);
    return vd_make_reshape(m, x, t->rank - n + 1, dims);
}

/* The number of indices in a vector, and of axes that they go along; refused where x has fewer. */
static ro_status vectors(const vd_use *u, uint32_t batch, uint32_t *k)
{
    const ro_type x = *vd_use_type(u, 0), q = *vd_use_type(u, 1);
    *k = 0;
    if (!q.rank || batch >= q.rank || batch > x.rank || q.dims[q.rank - 1] > x.rank - batch)
        return vd_use_fail(u, RO_ESHAPE, "has indices that do not fit its data");
    for (uint32_t a = 0; a < batch; a++)
        if (x.dims[a] != q.dims[a])
            return vd_use_fail(u, RO_ESHAPE, "has %lld and %lld positions on axis %u",
                               (long long)x.dims[a], (long long)q.dims[a], a);
    *k = (uint32_t)q.dims[q.rank - 1];
    return RO_OK;
}

static ro_status gather_nd(vd_use *u)
{
    vd_maker m = {u->l, RO_OK};
    const int64_t batch = vd_use_int(u, "batch_dims", 0);
    uint32_t k;
    RO_TRY(vd_use_wants(u, 2, 2));
    if (batch < 0 || batch >= RO_RANK_MAX)
        return vd_use_fail(u, RO_EATTR, "has batch_dims %lld", (long long)batch);
    RO_TRY(vectors(u, (uint32_t)batch, &k));
    const ro_type x = *vd_use_type(u, 0);
    const ro_value rows = rows_by(&m, u, u->in[1], &x, (uint32_t)batch, k);
    u->out[0] = vd_make_gather(&m, flat_rows(&m, u->in[0], &x, (uint32_t)batch + k), rows, 0);
    return m.status;
}

static ro_status scatter_nd(vd_use *u)
{
    vd_maker m = {u->l, RO_OK};
    uint32_t k, how;
    RO_TRY(vd_use_wants(u, 3, 3));
    RO_TRY(vd_use_choice(u, "reduction", REDUCTIONS, &how));
    RO_TRY(vectors(u, 0, &k));
    const ro_type x = *vd_use_type(u, 0);
    const ro_value rows = rows_by(&m, u, u->in[1], &x, 0, k);
    const ro_value data = flat_rows(&m, u->in[0], &x, k);
    const ro_value y = scatter_rows(&m, data, rows, u->in[2], how);
    u->out[0] = vd_make_reshape(&m, y, x.rank, x.dims);
    return m.status;
}

/* Rows (batch, what lies between, position) of a cache are replaced from a position on that each
 * of the batch has. */
static ro_status tensor_scatter(vd_use *u)
{
    static const char *const modes[] = {"linear", "circular", NULL};
    vd_maker m = {u->l, RO_OK};
    uint32_t axis, circular;
    RO_TRY(vd_use_wants(u, 2, 3));
    RO_TRY(vd_use_choice(u, "mode", modes, &circular));
    const ro_type x = *vd_use_type(u, 0), y = *vd_use_type(u, 1), *w = vd_use_type(u, 2);
    RO_TRY(vd_use_axis(u, vd_use_int(u, "axis", -2), x.rank, &axis));
    int fits = axis && y.rank == x.rank && (!w || (w->rank == 1 && w->dims[0] == x.dims[0]));
    for (uint32_t a = 0; fits && a < x.rank; a++)
        fits = a == axis ? y.dims[a] <= x.dims[a] : y.dims[a] == x.dims[a];
    if (!fits) return vd_use_fail(u, RO_ESHAPE, "has an update that does not fit its cache");
    const int64_t between = vd_span(&x, 1, axis), long_ = x.dims[axis], some = y.dims[axis];
    const int64_t rows = x.dims[0] * between * long_, inner = vd_span(&x, axis + 1, x.rank);
    const int64_t one[3] = {x.dims[0], 1, 1}, all[3] = {x.dims[0], between, 1};
    const int64_t flat[2] = {rows, inner}, update[4] = {x.dims[0], between, some, inner};
    const ro_value size = whole(&m, long_), zero = whole(&m, 0);
    ro_value at = vd_make_numbers(&m, u, some, 2, 3);
    if (w) {
        const ro_value from = vd_make_cast(&m, u->in[2], RO_I64);
        at = vd_make_2(&m, "Add", at, vd_make_reshape(&m, from, 3, one));
    }
    if (circular) at = vd_make_2(&m, "Mod", at, size);
    const ro_value above = vd_make_2(&m, "GreaterOrEqual", at, zero);
    const ro_value inside = vd_make_2(&m, "And", above, vd_make_2(&m, "Less", at, size));
    at = vd_make_2(&m, "Add", at, steps(&m, u, long_, 3, all));
    at = vd_make_where(&m, inside, at, whole(&m, rows));
    const ro_value data = vd_make_reshape(&m, u->in[0], 2, flat);
    const ro_value changed = scatter_rows(&m, data, at,
                                          vd_make_reshape(&m, u->in[1], 4, update), 0);
    u->out[0] = vd_make_reshape(&m, changed, x.rank, x.dims);
    return m.status;
}

/* The elements go where the indices say in a tensor as large as the pool's input has to be at the
 * least, which is filled up at its ends where the model wants a larger one. */
static ro_status max_unpool(vd_use *u)
{
    vd_maker m = {u->l, RO_OK};
    ro_ints kernel, strides, pads, shape;
    int has_shape;
    RO_TRY(vd_use_wants(u, 2, 3));
    ro_type t = *vd_use_type(u, 0);
    const ro_type i = *vd_use_type(u, 1);
    if (t.rank < 3 || i.rank != t.rank || ro_type_elements(&i) != ro_type_elements(&t))
        return vd_use_fail(u, RO_ESHAPE, "takes (N, C, sizes) and as many indices");
    const uint32_t axes = t.rank - 2;
    RO_TRY(vd_use_axis_list(u, "kernel_shape", axes, 1, 0, &kernel)); /* it is not optional */
    RO_TRY(vd_use_axis_list(u, "strides", axes, 1, 1, &strides));
    RO_TRY(vd_use_axis_list(u, "pads", 2 * axes, 0, 0, &pads));
    RO_TRY(vd_use_ints(u, 2, NULL, &shape, &has_shape));
    if (has_shape && shape.n != t.rank) return vd_use_fail(u, RO_ESHAPE, "has another shape");
    const int64_t given_elements = (int64_t)ro_type_elements(&t);
    for (uint32_t a = 0; a < axes; a++) {
        t.dims[2 + a] = (t.dims[2 + a] - 1) * strides.v[a] + kernel.v[a] - pads.v[a] -
                        pads.v[axes + a];
        if (t.dims[2 + a] < 0) return vd_use_fail(u, RO_ESHAPE, "pads more than it has");
    }
    RO_TRY(ro_type_check(&t, u->l->err));
    const int64_t all = (int64_t)ro_type_elements(&t);
    const ro_value x = vd_make_reshape(&m, u->in[0], 1, &given_elements);
    const ro_value at = vd_make_reshape(&m, u->in[1], 1, &given_elements);
    ro_value y = scatter_rows(&m, vd_make_zeros(&m, t.dtype, 1, &all), at, x, 0);
    y = vd_make_reshape(&m, y, t.rank, t.dims);
    const ro_value zero = vd_make_real(&m, t.dtype, 0);
    for (uint32_t a = 0; has_shape && !m.status && a < t.rank; a++) {
        if (shape.v[a] < 0 || shape.v[a] > (INT64_C(1) << 40))
            return vd_use_fail(u, RO_ESHAPE, "has the size %lld", (long long)shape.v[a]);
        if (shape.v[a] != t.dims[a])
            m.status = vd_use_pad_axis(u, a, 0, shape.v[a] - t.dims[a], 0, zero, &y);
    }
    u->out[0] = y;
    return m.status;
}

/* ---- the table ---------------------------------------------------------------------------- */

const vd_lower_row vd_lower_index[] = {
    {"CumSum CumProd", running, "exclusive reverse"},
    {"TopK", top_k, "axis k largest sorted"},
    {"GatherElements", gather_elements, "axis"},
    {"Scatter ScatterElements", scatter_elements, "axis reduction"},
    {"GatherND", gather_nd, "batch_dims"},
    {"ScatterND", scatter_nd, "reduction"},
    {"TensorScatter", tensor_scatter, "axis mode"},
    {"MaxUnpool", max_unpool, "kernel_shape strides pads"},
    {NULL, NULL, NULL},
};
