"""ops_move.py - the operators that move bits, and the gradient of Gather, which adds them."""

from ops_map import CODES
from orders import chain
from tensor import Tensor, axis_of, broadcast, flat, positions, size_of


def transpose(a, xs, _):
    x, perm = xs[0], a["perm"]
    dims = [x.dims[p] for p in perm]
    out = []
    for index in positions(dims):
        source = [0] * len(perm)
        for i, p in zip(index, perm):
            source[p] = i
        out.append(x.bits[flat(source, x.dims)])
    return [Tensor(x.dtype, dims, out)]


def reshape(a, xs, _):
    return [Tensor(xs[0].dtype, a["shape"], xs[0].bits)]


def flatten(a, xs, _):
    x = xs[0]
    axis = axis_of(a["axis"], len(x.dims))
    return [Tensor(x.dtype, (size_of(x.dims[:axis]), size_of(x.dims[axis:])), x.bits)]


def identity(_, xs, __):
    return [Tensor(xs[0].dtype, xs[0].dims, xs[0].bits)]


def expand(a, xs, _):
    return [Tensor(xs[0].dtype, a["shape"], broadcast(xs[0], a["shape"]))]


def concat(a, xs, _):
    axis = axis_of(a["axis"], len(xs[0].dims))
    outer = size_of(xs[0].dims[:axis])
    runs = [size_of(x.dims[axis:]) for x in xs]
    out = []
    for k in range(outer):
        for x, run in zip(xs, runs):
            out += x.bits[k * run:(k + 1) * run]
    dims = list(xs[0].dims)
    dims[axis] = sum(x.dims[axis] for x in xs)
    return [Tensor(xs[0].dtype, dims, out)]


def split(a, xs, wanted):
    x = xs[0]
    axis = axis_of(a["axis"], len(x.dims))
    outer, inner = size_of(x.dims[:axis]), size_of(x.dims[axis + 1:])
    out, start = [], 0
    for size in a["split"]:
        bits = []
        for k in range(outer):
            base = (k * x.dims[axis] + start) * inner
            bits += x.bits[base:base + size * inner]
        out.append(Tensor(x.dtype, x.dims[:axis] + (size,) + x.dims[axis + 1:], bits))
        start += size
    assert wanted == len(out)
    return out


def slice_places(a, dims):
    """The shape of the slice and the flat source of each of its elements."""
    starts, counts, steps = [0] * len(dims), list(dims), [1] * len(dims)
    for start, end, axis, step in zip(a["starts"], a["ends"], a["axes"], a["steps"]):
        axis = axis_of(axis, len(dims))
        n = dims[axis]
        start, end = (v + n if v < 0 else v for v in (start, end))
        if step > 0:
            start, end = min(max(start, 0), n), min(max(end, 0), n)
        else:
            start, end = min(max(start, 0), n - 1), min(max(end, -1), n - 1)
        count = -((start - end) // step) if n else 0
        starts[axis], counts[axis], steps[axis] = start, max(0, count), step
    places = [flat([s + i * p for s, i, p in zip(starts, index, steps)], dims)
              for index in positions(counts)]
    return counts, places


def slice_(a, xs, _):
    counts, places = slice_places(a, xs[0].dims)
    return [Tensor(xs[0].dtype, counts, [xs[0].bits[k] for k in places])]


def slice_grad(a, xs, _):
    dy = xs[0]
    counts, places = slice_places(a, a["dims"])
    assert tuple(counts) == dy.dims
    out = [0] * size_of(a["dims"])
    for k, bits in zip(places, dy.bits):
        out[k] = bits
    return [Tensor(dy.dtype, a["dims"], out)]


def _rows_of(indices, n):
    """Each index as a row in [0, n), None where it is bad."""
    out = []
    for bits in indices.bits:
        i = indices.t.value(bits)
        if i < 0:
            i += n
        out.append(i if 0 <= i < n else None)
    return out


def gather(a, xs, _):
    x, indices = xs
    axis = axis_of(a["axis"], len(x.dims))
    n, outer, inner = x.dims[axis], size_of(x.dims[:axis]), size_of(x.dims[axis + 1:])
    out = []
    for k in range(outer):
        for i in _rows_of(indices, n):
            base = 0 if i is None else (k * n + i) * inner
            out += [0] * inner if i is None else x.bits[base:base + inner]
    return [Tensor(x.dtype, x.dims[:axis] + indices.dims + x.dims[axis + 1:], out)]


def gather_grad(a, xs, _):
    dy, indices = xs
    rank = len(dy.dims) - len(indices.dims) + 1
    axis, n = axis_of(a["axis"], rank), a["dim"]
    lead, tail = dy.dims[:axis], dy.dims[axis + len(indices.dims):]
    outer, inner, count = size_of(lead), size_of(tail), len(indices.bits)
    given = [[] for _ in range(outer * n * inner)]
    rows = _rows_of(indices, n)
    for k in range(outer):
        for position, i in enumerate(rows):
            for j in range(inner) if i is not None else ():
                given[(k * n + i) * inner + j].append(dy.bits[(k * count + position) * inner + j])
    return [Tensor(dy.dtype, lead + (n,) + tail, [chain(dy.t, g) for g in given])]


def constant_of_shape(a, _, __):
    return [Tensor(CODES[a["dtype"]], a["shape"], [a["bits"]] * size_of(a["shape"]))]


OPS = {
    "Transpose": transpose, "Reshape": reshape, "Flatten": flatten, "Identity": identity,
    "Expand": expand, "Concat": concat, "Split": split, "Slice": slice_, "SliceGrad": slice_grad,
    "Gather": gather, "GatherGrad": gather_grad, "ConstantOfShape": constant_of_shape,
}
