"""ops_window.py - pooling and its gradients: windows row-major, taps row-major in a window."""

from orders import chain, first_largest
from soft import F32, F64
from tensor import Tensor, flat, positions, size_of


def pooled_dims(x, a):
    """Spatial sizes of a pool's output; under ceil_mode no window starts past the input."""
    k, s, p, d = a["kernel_shape"], a["strides"], a["pads"], a["dilations"]
    out = []
    for i, n in enumerate(x):
        room = n + p[i] + p[len(x) + i] - d[i] * (k[i] - 1) - 1
        size = (room + s[i] - 1 if a["ceil_mode"] else room) // s[i] + 1
        if a["ceil_mode"] and (size - 1) * s[i] >= n + p[i]:
            size -= 1
        out.append(size)
    return tuple(out)


def _windows(x, a):
    """For each output place: the flat places inside the input, and how many of the taps lie
    inside the padded extent."""
    k, s, p, d = a["kernel_shape"], a["strides"], a["pads"], a["dilations"]
    r = len(x)
    out = []
    for place in positions(pooled_dims(x, a)):
        inside, padded = [], 0
        for tap in positions(k):
            q = [o * st - b + t * di for o, st, b, t, di in zip(place, s, p, tap, d)]
            padded += all(-p[i] <= q[i] < x[i] + p[r + i] for i in range(r))
            if all(0 <= v < n for v, n in zip(q, x)):
                inside.append(flat(q, x))
        out.append((inside, padded))
    return out


def max_pool(a, xs, wanted):
    x = xs[0]
    t, sx = x.t, x.dims[2:]
    windows, plane = _windows(sx, a), size_of(sx)
    values, indices = [], []
    for channel in range(x.dims[0] * x.dims[1]):
        base = channel * plane
        for inside, _ in windows:
            if not inside:
                values.append(t.ninf if t in (F32, F64) else t.least)
                indices.append((1 << 64) - 1)
                continue
            row = [x.bits[base + k] for k in inside]
            best = first_largest(t, row)
            values.append(t.canon(row[best]))
            indices.append(base + inside[best])
    dims = x.dims[:2] + pooled_dims(sx, a)
    return [Tensor(x.dtype, dims, values), Tensor("i64", dims, indices)][:wanted]


def max_pool_grad(a, xs, _):
    dy, x = xs
    t, sx = x.t, x.dims[2:]
    windows, plane = _windows(sx, a), size_of(sx)
    given = [[] for _ in x.bits]
    for channel in range(x.dims[0] * x.dims[1]):
        base = channel * plane
        for k, (inside, _) in enumerate(windows):
            if inside:
                best = first_largest(t, [x.bits[base + j] for j in inside])
                given[base + inside[best]].append(dy.bits[channel * len(windows) + k])
    return [Tensor(x.dtype, x.dims, [chain(t, g) for g in given])]


def _count(a, inside, padded):
    return max(1, padded if a["count_include_pad"] else len(inside))


def average_pool(a, xs, _):
    x = xs[0]
    t, sx = x.t, x.dims[2:]
    windows, plane = _windows(sx, a), size_of(sx)
    out = []
    for channel in range(x.dims[0] * x.dims[1]):
        for inside, padded in windows:
            total = chain(t, [x.bits[channel * plane + k] for k in inside])
            out.append(t.div(total, t.of_int(_count(a, inside, padded))))
    return [Tensor(x.dtype, x.dims[:2] + pooled_dims(sx, a), out)]


def average_pool_grad(a, xs, _):
    dy = xs[0]
    t, sx = dy.t, tuple(a["dims"])
    windows, plane = _windows(sx, a), size_of(sx)
    dims = dy.dims[:2] + sx
    given = [[] for _ in range(size_of(dims))]
    for channel in range(dy.dims[0] * dy.dims[1]):
        for k, (inside, padded) in enumerate(windows):
            part = t.div(dy.bits[channel * len(windows) + k], t.of_int(_count(a, inside, padded)))
            for j in inside:
                given[channel * plane + j].append(part)
    return [Tensor(dy.dtype, dims, [chain(t, g) for g in given])]


OPS = {"MaxPool": max_pool, "MaxPoolGrad": max_pool_grad, "AveragePool": average_pool,
       "AveragePoolGrad": average_pool_grad}
