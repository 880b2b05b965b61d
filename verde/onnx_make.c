/* onnx_make.c - nodes one inside the other, as a formula has them.
 *
 * Invariant
 *   1. After a failure nothing is made, and the first failure is what the caller returns. */
#include "onnx_lower.h"

ro_value vd_make_node(vd_maker *m, const vd_attrs *a, const ro_value *in, uint32_t count)
{
    ro_value out = RO_NO_VALUE;
    if (!m->status) m->status = vd_lower_emit(m->l, a, in, count, 1, &out);
    return m->status ? RO_NO_VALUE : out;
}

ro_type vd_make_type(const vd_maker *m, ro_value x)
{
    return m->status ? ro_type_of(RO_F32, 0, NULL) : *ro_graph_type(m->l->graph, x);
}

ro_value vd_make_plain(vd_maker *m, const char *name, const ro_value *in, uint32_t count)
{
    const vd_attrs a = vd_attrs_of(name);
    return vd_make_node(m, &a, in, count);
}

ro_value vd_make_1(vd_maker *m, const char *name, ro_value x)
{
    return vd_make_plain(m, name, &x, 1);
}

ro_value vd_make_2(vd_maker *m, const char *name, ro_value x, ro_value y)
{
    return vd_make_plain(m, name, (const ro_value[]){x, y}, 2);
}

ro_value vd_make_where(vd_maker *m, ro_value c, ro_value x, ro_value y)
{
    return vd_make_plain(m, "Where", (const ro_value[]){c, x, y}, 3);
}

ro_value vd_make_real(vd_maker *m, ro_dtype d, double x)
{
    ro_value out = RO_NO_VALUE;
    if (!m->status) m->status = vd_lower_scalar(m->l, d, x, &out);
    return out;
}

ro_value vd_make_zeros(vd_maker *m, ro_dtype d, uint32_t rank, const int64_t *dims)
{
    vd_attrs a = vd_attrs_of("ConstantOfShape");
    vd_attrs_int(m->l, &a, "dtype", (int64_t)d);
    vd_attrs_ints(m->l, &a, "shape", dims, rank);
    return vd_make_node(m, &a, NULL, 0);
}

ro_value vd_make_cast(vd_maker *m, ro_value x, ro_dtype to)
{
    vd_attrs a = vd_attrs_of("Cast");
    if (m->status || vd_make_type(m, x).dtype == to) return x;
    vd_attrs_int(m->l, &a, "to", (int64_t)to);
    return vd_make_node(m, &a, &x, 1);
}

ro_value vd_make_reshape(vd_maker *m, ro_value x, uint32_t rank, const int64_t *dims)
{
    vd_attrs a = vd_attrs_of("Reshape");
    vd_attrs_ints(m->l, &a, "shape", dims, rank);
    return vd_make_node(m, &a, &x, 1);
}

ro_value vd_make_transpose(vd_maker *m, ro_value x, const int64_t *perm)
{
    vd_attrs a = vd_attrs_of("Transpose");
    vd_attrs_ints(m->l, &a, "perm", perm, vd_make_type(m, x).rank);
    return vd_make_node(m, &a, &x, 1);
}

ro_value vd_make_swap(vd_maker *m, ro_value x, uint32_t a, uint32_t b)
{
    int64_t perm[RO_RANK_MAX];
    for (uint32_t k = 0; k < RO_RANK_MAX; k++) perm[k] = k == a ? b : k == b ? a : k;
    return vd_make_transpose(m, x, perm);
}

ro_value vd_make_slice(vd_maker *m, ro_value x, uint32_t axis, int64_t from, int64_t to,
                       int64_t step)
{
    vd_attrs a = vd_attrs_of("Slice");
    const int64_t along = axis;
    vd_attrs_ints(m->l, &a, "starts", &from, 1);
    vd_attrs_ints(m->l, &a, "ends", &to, 1);
    vd_attrs_ints(m->l, &a, "axes", &along, 1);
    vd_attrs_ints(m->l, &a, "steps", &step, 1);
    return vd_make_node(m, &a, &x, 1);
}

void vd_make_split(vd_maker *m, ro_value x, uint32_t axis, const int64_t *sizes, uint32_t n,
                   ro_value *out)
{
    vd_attrs a = vd_attrs_of("Split");
    ro_value first = RO_NO_VALUE;
    vd_attrs_int(m->l, &a, "axis", axis);
    vd_attrs_ints(m->l, &a, "split", sizes, n);
    if (!m->status) m->status = vd_lower_emit(m->l, &a, &x, 1, n, &first);
    for (uint32_t k = 0; k < n; k++) out[k] = m->status ? RO_NO_VALUE : first + k;
}

ro_value vd_make_at(vd_maker *m, ro_value x, uint32_t axis, int64_t at)
{
    ro_type t = vd_make_type(m, x);
    if (m->status) return RO_NO_VALUE;
    const int64_t n = t.dims[axis];
    t.rank--;
    memmove(t.dims + axis, t.dims + axis + 1, (t.rank - axis) * sizeof *t.dims);
    if (n != 1) x = vd_make_slice(m, x, axis, at, at + 1, 1);
    return vd_make_reshape(m, x, t.rank, t.dims);
}

ro_value vd_make_join(vd_maker *m, ro_value x, ro_value y, uint32_t axis)
{
    vd_attrs a = vd_attrs_of("Concat");
    const ro_value in[2] = {x, y};
    vd_attrs_int(m->l, &a, "axis", axis);
    return vd_make_node(m, &a, in, 2);
}

ro_value vd_make_axis(vd_maker *m, ro_value x, uint32_t at)
{
    ro_type t = vd_make_type(m, x);
    if (!m->status && t.rank == RO_RANK_MAX)
        m->status = RO_FAIL(m->l->err, RO_ELIMIT, "a tensor of %u axes gets one more", t.rank);
    if (m->status) return RO_NO_VALUE;
    memmove(t.dims + at + 1, t.dims + at, (t.rank - at) * sizeof *t.dims);
    t.dims[at] = 1;
    return vd_make_reshape(m, x, t.rank + 1, t.dims);
}

ro_value vd_make_gather(vd_maker *m, ro_value x, ro_value at, uint32_t axis)
{
    vd_attrs a = vd_attrs_of("Gather");
    const ro_value in[2] = {x, at};
    vd_attrs_int(m->l, &a, "axis", axis);
    return vd_make_node(m, &a, in, 2);
}

ro_value vd_make_expand(vd_maker *m, ro_value x, uint32_t rank, const int64_t *dims)
{
    vd_attrs a = vd_attrs_of("Expand");
    vd_attrs_ints(m->l, &a, "shape", dims, rank);
    return vd_make_node(m, &a, &x, 1);
}

ro_value vd_make_ints(vd_maker *m, ro_dtype d, const int64_t *v, uint32_t rank,
                      const int64_t *dims)
{
    ro_value out = RO_NO_VALUE;
    if (!m->status) m->status = vd_lower_int64s(m->l, v, rank, dims, &out);
    return vd_make_cast(m, out, d);
}

ro_value vd_make_numbers(vd_maker *m, const vd_use *u, int64_t n, uint32_t axis, uint32_t rank)
{
    ro_value out = RO_NO_VALUE;
    if (!m->status) m->status = vd_use_numbers(u, n, axis, rank, &out);
    return out;
}

ro_value vd_make_sum(vd_maker *m, ro_value x, int64_t axis, int keep)
{
    const ro_ints axes = {1, {axis}};
    ro_value out = RO_NO_VALUE;
    if (!m->status) m->status = vd_lower_reduce(m->l, "ReduceSum", x, &axes, keep, &out);
    return out;
}
