"""ops_order.py - running sums and products, scatters, gathers by elements, and the k first."""

from functools import cmp_to_key

from soft import FLOATS
from tensor import Tensor, axis_of, flat, positions, size_of


def lines(dims, axis):
    """The flat places of each line along an axis."""
    axis = axis_of(axis, len(dims))
    others = list(dims)
    others[axis] = 1
    out = []
    for index in positions(others):
        line = []
        for k in range(dims[axis]):
            place = list(index)
            place[axis] = k
            line.append(flat(place, dims))
        out.append(line)
    return out


def running(operation, first):
    def oracle(a, xs, _):
        x = xs[0]
        t, out = x.t, list(x.bits)
        for line in lines(x.dims, a["axis"]):
            acc = getattr(t, first)
            for place in reversed(line) if a["reverse"] else line:
                if a["exclusive"]:
                    out[place] = t.canon(acc)
                acc = getattr(t, operation)(acc, x.bits[place])
                if not a["exclusive"]:
                    out[place] = t.canon(acc)
        return [Tensor(x.dtype, x.dims, out)]
    return oracle


def _place(indices, q, d):
    """What index number q names on an axis of d positions; None where it names nothing."""
    k = indices.t.value(indices.bits[q])
    k = k + d if k < 0 else k
    return k if 0 <= k < d else None


def gather_elements(a, xs, _):
    x, indices = xs
    axis = axis_of(a["axis"], len(x.dims))
    out = []
    for q, index in enumerate(positions(indices.dims)):
        k = _place(indices, q, x.dims[axis])
        place = list(index)
        if k is not None:
            place[axis] = k
        out.append(0 if k is None else x.bits[flat(place, x.dims)])
    return [Tensor(x.dtype, indices.dims, out)]


def fold(t, reduction, acc, u):
    if reduction == 0:
        return u
    if reduction == 1:
        return t.add(acc, u)
    if reduction == 2:
        return t.mul(acc, u)
    if t.name in FLOATS and (t.is_nan(acc) or t.is_nan(u)):
        return t.nan
    if reduction == 3:
        return u if t.key(u) > t.key(acc) else acc
    return u if t.key(u) < t.key(acc) else acc


def scatter_elements(a, xs, _):
    x, indices, updates = xs
    axis, how = axis_of(a["axis"], len(x.dims)), a["reduction"]
    out = [x.t.canon(b) if how else b for b in x.bits]
    for q, index in enumerate(positions(indices.dims)):
        k = _place(indices, q, x.dims[axis])
        if k is None:
            continue
        place = list(index)
        place[axis] = k
        at = flat(place, x.dims)
        out[at] = fold(x.t, how, out[at], updates.bits[q])
    return [Tensor(x.dtype, x.dims, [x.t.canon(b) if how else b for b in out])]


def scatter_rows(a, xs, _):
    x, indices, updates = xs
    how, inner = a["reduction"], size_of(x.dims[1:])
    out = [x.t.canon(b) if how else b for b in x.bits]
    for q in range(len(indices.bits)):
        k = _place(indices, q, x.dims[0])
        for j in range(inner) if k is not None else ():
            at = k * inner + j
            out[at] = fold(x.t, how, out[at], updates.bits[q * inner + j])
    return [Tensor(x.dtype, x.dims, [x.t.canon(b) if how else b for b in out])]


def top_k(a, xs, wanted):
    x = xs[0]
    t, k = x.t, a["k"]
    axis = axis_of(a["axis"], len(x.dims))
    dims = list(x.dims)
    dims[axis] = k
    values, places = [0] * size_of(dims), [0] * size_of(dims)

    def before(p, q):
        """Which of two (position, pattern) comes first."""
        one, two = t.key(p[1]), t.key(q[1])
        if one != two:
            return -1 if (one > two) == bool(a["largest"]) else 1
        return p[0] - q[0]
    for line, to in zip(lines(x.dims, axis), lines(dims, axis) if k else ()):
        order = sorted(enumerate(x.bits[p] for p in line), key=cmp_to_key(before))
        for place, (position, bits) in zip(to, order):
            values[place] = t.canon(bits)
            places[place] = position
    return [Tensor(x.dtype, dims, values), Tensor("i64", dims, places)][:wanted]


OPS = {
    "CumSum": running("add", "zero"), "CumProd": running("mul", "one"),
    "GatherElements": gather_elements, "ScatterElements": scatter_elements,
    "ScatterRows": scatter_rows, "TopK": top_k,
}
