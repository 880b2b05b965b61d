"""ops_quant.py - numbers and the integers that stand for them; bits as another dtype."""

from ops_map import CODES
from tensor import Tensor, broadcast


def quantize(_, xs, __):
    x, scale, zero = xs
    t, q = x.t, zero.t
    low = -(1 << (q.width - 1)) if q.signed else 0
    high = low + q.mask
    out = []
    for a, s, z in zip(x.bits, broadcast(scale, x.dims), broadcast(zero, x.dims)):
        v = t.div(a, s)
        if t.is_nan(v):
            whole = 0
        elif t.is_inf(v):
            whole = -(1 << 80) if v & t.sign else 1 << 80
        else:
            whole = round(t.exact(v))              # of a Fraction: half to even
        out.append(min(max(whole + q.value(z), low), high) & q.mask)
    return [Tensor(zero.dtype, x.dims, out)]


def dequantize(_, xs, __):
    x, scale, zero = list(xs) + [None] * (3 - len(xs))
    q, t = x.t, scale.t
    zeros = broadcast(zero, x.dims) if zero is not None else [0] * len(x.bits)
    return [Tensor(scale.dtype, x.dims,
                   [t.mul(t.of_int(q.value(a) - q.value(z)), s)
                    for a, s, z in zip(x.bits, broadcast(scale, x.dims), zeros)])]


def bit_cast(a, xs, __):
    return [Tensor(CODES[a["to"]], xs[0].dims, xs[0].bits)]


OPS = {"QuantizeLinear": quantize, "DequantizeLinear": dequantize, "BitCast": bit_cast}
