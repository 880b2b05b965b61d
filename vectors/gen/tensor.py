"""tensor.py - tensors of bit patterns, the generator of inputs and the text of a case.

What this file decides: how a vector file is written (vectors/README.md is its grammar) and
which patterns `gen` stands for.

Invariants
  1. Element i of a generated tensor depends on its seed, kind, dtype and i alone.
  2. Outputs of at most 64 elements are listed, larger ones are a SHA-256.
"""

import hashlib

from soft import BOOL, F32, F64, FLOATS, HALVES, TYPES

LISTED_MAX = 64
LINE = 96
GAMMA = 0x9E3779B97F4A7C15
M64 = (1 << 64) - 1


def size_of(dims):
    n = 1
    for d in dims:
        n *= d
    return n


class Tensor:
    """dtype name, dims, bit patterns row-major; `source` is how its line is written."""

    def __init__(self, dtype, dims, bits, source=None):
        self.dtype = dtype
        self.dims = tuple(dims)
        self.bits = list(bits)
        self.source = source
        assert len(self.bits) == size_of(self.dims), (dtype, dims, len(self.bits))

    @property
    def t(self):
        return TYPES[self.dtype]


def word(seed, i):
    """Word i of the SplitMix64 stream that starts at seed."""
    z = (seed + (i + 1) * GAMMA) & M64
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & M64
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & M64
    return z ^ (z >> 31)


def float_specials(t):
    return (t.zero, t.nzero, 1, t.sign | 1, t.hidden - 1, t.sign | t.hidden,
            t.one, t.sign | t.one, t.max, t.sign | t.max, t.inf, t.ninf,
            t.nan, t.sign | t.nan | 1, t.inf | 1, t.mask)


def int_specials(t):
    low, high = 1 << (t.width - 1), (1 << (t.width - 1)) - 1
    values = (0, 1, -1, low, high, low + 1, high - 1, 2, -2, 3, -3, 7, -7, 10, -10, 64)
    return tuple(v & t.mask for v in values)


def draw(dtype, kind, parameter, z):
    """The pattern that a word z gives."""
    t, is_float = TYPES[dtype], dtype in FLOATS + HALVES
    if kind == "bits":
        return z & t.mask if t is BOOL else z & ((1 << t.width) - 1)
    if kind == "small":
        v = (z >> 60) - 8
        if t is BOOL:
            return z >> 63
        return t.of_int(v) if is_float else v & t.mask
    if kind == "below":
        v = ((z >> 32) * parameter) >> 32
        return t.of_int(v) if is_float else v & t.mask
    if kind == "index":
        v = (((z >> 32) * (2 * parameter + 4)) >> 32) - parameter - 2
        return v & t.mask
    if kind == "special":
        if z >> 62 == 0:
            table = float_specials(t) if is_float else int_specials(t)
            return table[(z >> 58) & 15]
        return draw(dtype, "normal" if is_float else "bits", 0, z)
    if kind == "wide":
        field = t.bias - 8 + ((z >> 57) & 15) if dtype == "f16" else t.bias - 32 + ((z >> 57) & 63)
    else:
        assert kind in ("normal", "positive"), kind
        field = t.bias - 4 + ((z >> 60) & 7)
    bits = (field << t.frac) | (z & t.fmask)
    return bits | t.sign if z >> 63 and kind != "positive" else bits


def gen(seed, dtype, dims, kind, parameter=None):
    bits = [draw(dtype, kind, parameter, word(seed, i)) for i in range(size_of(dims))]
    source = "gen %d %s" % (seed, kind)
    if parameter is not None:
        source += " %d" % parameter
    return Tensor(dtype, dims, bits, source)


def lit(dtype, dims, bits):
    return Tensor(dtype, dims, bits)


def tiny(dtype, dims, seed):
    """`normal` numbers scaled down, listed: sums of their products are around the subnormals."""
    t = TYPES[dtype]
    down = {"f32": 66, "f64": 514}[dtype] << t.frac
    return lit(dtype, dims, [b - down for b in gen(seed, dtype, dims, "normal").bits])


def flt(dtype, dims, values):
    """A listed tensor of exactly representable numbers (or int, or 'inf', 'nan', '-0')."""
    t = TYPES[dtype]
    named = {"inf": "inf", "-inf": "ninf", "nan": "nan", "-0": "nzero", "max": "max"}
    bits = []
    for v in values:
        if isinstance(v, str):
            bits.append(getattr(t, named[v]))
        else:
            n, d = (v, 1) if isinstance(v, int) else v.as_integer_ratio()
            bits.append(t.of_ratio(n, d))
    return Tensor(dtype, dims, bits)


def ints(dtype, dims, values):
    t = TYPES[dtype]
    return Tensor(dtype, dims, [v & t.mask for v in values])


# ---- shapes -------------------------------------------------------------------------------

def strides_of(dims):
    out, step = [], 1
    for d in reversed(dims):
        out.append(step)
        step *= d
    return out[::-1]


def positions(dims):
    """All index tuples, row-major."""
    if not dims:
        yield ()
        return
    if 0 in dims:
        return
    index = [0] * len(dims)
    while True:
        yield tuple(index)
        axis = len(dims) - 1
        while axis >= 0:
            index[axis] += 1
            if index[axis] < dims[axis]:
                break
            index[axis] = 0
            axis -= 1
        if axis < 0:
            return


def flat(index, dims):
    n = 0
    for i, d in zip(index, dims):
        n = n * d + i
    return n


def broadcast_dims(*shapes):
    rank = max(len(s) for s in shapes)
    out = []
    for axis in range(rank):
        d = 1
        for s in shapes:
            k = axis - rank + len(s)
            if k >= 0 and s[k] != 1:
                assert d in (1, s[k]), shapes
                d = s[k]
        out.append(d)
    return tuple(out)


def broadcast(x, dims):
    """The patterns of x as if it had the shape dims."""
    if x.dims == tuple(dims):
        return x.bits
    lead = len(dims) - len(x.dims)
    own = strides_of(x.dims)
    steps = [0] * lead + [0 if d == 1 else s for d, s in zip(x.dims, own)]
    return [x.bits[sum(i * s for i, s in zip(index, steps))] for index in positions(dims)]


def axis_of(axis, rank):
    return axis + rank if axis < 0 else axis


# ---- text ---------------------------------------------------------------------------------

def digest(x):
    size = x.t.size
    return hashlib.sha256(b"".join(b.to_bytes(size, "little") for b in x.bits)).hexdigest()


def _wrap(head, words):
    lines, line = [], head
    for w in words:
        if len(line) + 1 + len(w) > LINE:
            lines.append(line)
            line = " "
        line += " " + w
    lines.append(line)
    return lines


def _type(x):
    return "%s %d%s" % (x.dtype, len(x.dims), "".join(" %d" % d for d in x.dims))


def input_lines(x):
    if x is None:
        return ["in absent"]
    if x.source:
        return ["in %s %s" % (_type(x), x.source)]
    return _wrap("in %s hex" % _type(x), ["%0*x" % (2 * x.t.size, b) for b in x.bits])


def output_lines(x):
    if len(x.bits) <= LISTED_MAX:
        return _wrap("out %s hex" % _type(x), ["%0*x" % (2 * x.t.size, b) for b in x.bits])
    return ["out %s sha256 %s" % (_type(x), digest(x))]


def attr_line(name, kind, value):
    if kind == "ints":
        text = " ".join(str(v) for v in (len(value), *value))
    elif kind in ("f32", "f64"):
        text = "%0*x" % (8 if kind == "f32" else 16, value)
    else:
        text = str(value)
    return "attr %s %s %s" % (name, kind, text)


def f32(v):
    """An attribute's pattern from a number (rounded once from its exact binary64 value)."""
    return F32.of_ratio(*v.as_integer_ratio())


def f64(v):
    return F64.of_ratio(*v.as_integer_ratio())
