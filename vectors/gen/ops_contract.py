"""ops_contract.py - MatMul, Gemm, Conv and its two gradients: contractions whose terms carry
the numbers that docs/ARITHMETIC.md gives them.
"""

from orders import SKIP, contract
from soft import F32, F64, convert
from tensor import Tensor, broadcast_dims, flat, positions, size_of


def matmul(_, xs, __):
    a, b = xs
    t = a.t
    ad = (1,) + a.dims if len(a.dims) == 1 else a.dims
    bd = b.dims + (1,) if len(b.dims) == 1 else b.dims
    m, k, n = ad[-2], ad[-1], bd[-1]
    lead = broadcast_dims(ad[:-2], bd[:-2]) if len(ad) > 2 or len(bd) > 2 else ()
    out = []
    for index in positions(lead):
        def base(dims):
            own = dims[:-2]
            tail = index[len(index) - len(own):]
            return flat([0 if d == 1 else i for i, d in zip(tail, own)], own)
        pa, pb = base(ad) * m * k, base(bd) * k * n
        for i in range(m):
            row = a.bits[pa + i * k:pa + (i + 1) * k]
            for j in range(n):
                out.append(contract(t, list(zip(row, b.bits[pb + j:pb + k * n:n]))))
    dims = lead + ((m,) if len(a.dims) > 1 else ()) + ((n,) if len(b.dims) > 1 else ())
    return [Tensor(a.dtype, dims, out)]


def gemm(at, xs, __):
    a, b, c = xs
    t = a.t
    alpha, beta = (v if t is F32 else convert(F32, F64, v) for v in (at["alpha"], at["beta"]))
    (k, m) = a.dims if at["transA"] else a.dims[::-1]
    n = b.dims[0] if at["transB"] else b.dims[1]
    out = []
    for i in range(m):
        row = a.bits[i::m] if at["transA"] else a.bits[i * k:(i + 1) * k]
        for j in range(n):
            col = b.bits[j * k:(j + 1) * k] if at["transB"] else b.bits[j::n]
            y = t.mul(alpha, contract(t, list(zip(row, col))))
            if c is not None:
                cd = (1,) * (2 - len(c.dims)) + c.dims
                cv = c.bits[(i if cd[0] > 1 else 0) * cd[1] + (j if cd[1] > 1 else 0)]
                y = t.add(y, t.mul(beta, cv))
            out.append(y)
    return [Tensor(a.dtype, (m, n), out)]


def out_dims(x, kernel, a):
    """Spatial sizes of a convolution's output."""
    s, d, p = a["strides"], a["dilations"], a["pads"]
    r = len(kernel)
    return tuple((x[i] + p[i] + p[r + i] - d[i] * (kernel[i] - 1) - 1) // s[i] + 1
                 for i in range(r))


def _inside(place, dims):
    return all(0 <= v < d for v, d in zip(place, dims))


def conv(at, xs, __):
    x, w, b = xs
    t, g = x.t, at["group"]
    n, sx, kernel = x.dims[0], x.dims[2:], w.dims[2:]
    co, cg = w.dims[0], w.dims[1]
    s, d, p = at["strides"], at["dilations"], at["pads"]
    sy = out_dims(sx, kernel, at)
    planes, taps = size_of(sx), size_of(kernel)
    out = []
    for index in positions((n, co) + sy):
        image, o, at_out = index[0], index[1], index[2:]
        first = (o // (co // g)) * cg
        terms = []
        for c in range(cg):
            base = (image * x.dims[1] + first + c) * planes
            for tap, k in enumerate(positions(kernel)):
                q = [i * a - b_ + e * f for i, a, b_, e, f in zip(at_out, s, p, k, d)]
                v = x.bits[base + flat(q, sx)] if _inside(q, sx) else t.zero
                terms.append((v, w.bits[(o * cg + c) * taps + tap]))
        y = contract(t, terms)
        out.append(t.add(y, b.bits[o]) if b is not None else y)
    return [Tensor(x.dtype, (n, co) + sy, out)]


def conv_input_grad(at, xs, __):
    dy, w = xs
    t, g, sx = dy.t, at["group"], tuple(at["dims"])
    n, co, sy = dy.dims[0], dy.dims[1], dy.dims[2:]
    cg, kernel = w.dims[1], w.dims[2:]
    s, d, p = at["strides"], at["dilations"], at["pads"]
    og, planes, taps = co // g, size_of(sy), size_of(kernel)
    out = []
    for image in range(n):
        for channel in range(cg * g):
            group, c = divmod(channel, cg)
            for place in positions(sx):
                terms = []
                for o in range(group * og, (group + 1) * og):
                    base = (image * co + o) * planes
                    for tap, k in enumerate(positions(kernel)):
                        q = [i + a - e * f for i, a, e, f in zip(place, p, k, d)]
                        if any(v % step for v, step in zip(q, s)):
                            terms.append(SKIP)
                            continue
                        q = [v // step for v, step in zip(q, s)]
                        v = dy.bits[base + flat(q, sy)] if _inside(q, sy) else t.zero
                        terms.append((v, w.bits[(o * cg + c) * taps + tap]))
                out.append(contract(t, terms))
    return [Tensor(dy.dtype, (n, cg * g) + sx, out)]


def conv_weight_grad(at, xs, __):
    dy, x = xs
    t, g, kernel = dy.t, at["group"], tuple(at["dims"])
    n, co, sy = dy.dims[0], dy.dims[1], dy.dims[2:]
    ci, sx = x.dims[1], x.dims[2:]
    s, d, p = at["strides"], at["dilations"], at["pads"]
    cg, og, py, px = ci // g, co // g, size_of(sy), size_of(sx)
    out = []
    for o in range(co):
        for c in range(cg):
            channel = (o // og) * cg + c
            for k in positions(kernel):
                terms = []
                for image in range(n):
                    dbase, xbase = (image * co + o) * py, (image * ci + channel) * px
                    for number, place in enumerate(positions(sy)):
                        q = [i * a - b + e * f for i, a, b, e, f in zip(place, s, p, k, d)]
                        v = x.bits[xbase + flat(q, sx)] if _inside(q, sx) else t.zero
                        terms.append((dy.bits[dbase + number], v))
                out.append(contract(t, terms))
    return [Tensor(dy.dtype, (co, cg) + kernel, out)]


OPS = {"MatMul": matmul, "Gemm": gemm, "Conv": conv, "ConvInputGrad": conv_input_grad,
       "ConvWeightGrad": conv_weight_grad}
