"""ops_place.py - operators that compute where they read: Resize and its gradient, GridSample.

Invariants
  1. Places are binary64 throughout, each operation rounded once.
"""

from fractions import Fraction
from math import floor

from orders import chain
from soft import F32, F64, convert
from tensor import Tensor, flat, positions

LINEAR, CUBIC = 1, 2
HALF, ASYMMETRIC, ALIGN, PYTORCH, SYMMETRIC, CROP = range(6)
ONE, TWO, HALF_ONE = F64.one, F64.of_int(2), F64.of_ratio(1, 2)


def to(t, a):
    """A binary64 pattern rounded to type t."""
    return a if t is F64 else convert(F64, t, a)


# ---- Resize ---------------------------------------------------------------------------------

class Axis:
    """What the attributes say of one listed axis."""

    def __init__(self, a, k, size, roi=None):
        self.mode, self.how = a["mode"], a["coordinates"]
        self.antialias, self.exclude = a["antialias"], a["exclude_outside"]
        self.size, self.out = size, a["sizes"][k]
        self.n, self.d = a["scale_n"][k], a["scale_d"][k]
        self.a = convert(F32, F64, a["cubic_coeff_a"])
        self.roi = roi
        reach = 2 if self.mode == CUBIC else 1
        self.shrinks = self.antialias and self.n < self.d
        self.taps = 2 * -(-reach * self.d // self.n) if self.shrinks else 2 * reach

    def place(self, o):
        """Where output o lies, a pattern of binary64."""
        t = F64
        n, d, size, last = map(t.of_int, (self.n, self.d, self.size, self.size - 1))
        whole = t.div(t.mul(size, n), d)
        half = t.sub(t.div(t.mul(t.of_int(2 * o + 1), d), t.mul(TWO, n)), HALF_ONE)
        x = t.of_int(o)
        if self.how == ASYMMETRIC:
            return t.div(t.mul(x, d), n)
        if self.how == ALIGN:
            return t.zero if whole == ONE else t.div(t.mul(x, last), t.sub(whole, ONE))
        if self.how == PYTORCH:
            return t.zero if self.out == 1 else half
        if self.how == SYMMETRIC:
            rest = t.sub(ONE, t.div(t.of_int(self.out), whole))
            return t.add(t.mul(t.div(size, TWO), rest), half)
        if self.how == CROP:
            start, end = self.roi
            width = t.sub(end, start)
            if whole == ONE:
                x = t.div(t.mul(width, last), TWO)
            else:
                x = t.div(t.mul(t.mul(x, width), last), t.sub(whole, ONE))
            return t.add(x, t.mul(start, last))
        return half

    def outside(self, o):
        x = self.place(o)
        return F64.is_nan(x) or F64.is_inf(x) or not 0 <= F64.exact(x) <= self.size - 1

    def kernel(self, x):
        t, a = F64, self.a
        v = t.exact(x)
        if self.mode == LINEAR:
            return t.sub(ONE, x) if v < 1 else t.zero
        if v <= 1:
            s = t.sub(t.mul(t.add(a, TWO), x), t.add(a, t.of_int(3)))
            return t.add(t.mul(t.mul(s, x), x), ONE)
        if v >= 2:
            return t.zero
        s = t.sub(t.mul(a, x), t.mul(t.of_int(5), a))
        s = t.add(t.mul(s, x), t.mul(t.of_int(8), a))
        return t.sub(t.mul(s, x), t.mul(t.of_int(4), a))

    def taps_of(self, t, o):
        """(position, weight of type t) of each tap."""
        x, edge = self.place(o), F64.of_int(1 << 52)
        low = F64.neg(edge)
        if F64.is_nan(x) or F64.key(x) < F64.key(low):
            x = low
        elif F64.key(x) > F64.key(edge):
            x = edge
        base = floor(F64.exact(x))
        f = F64.sub(x, F64.of_int(base))
        first = base + 1 - self.taps // 2
        at = [min(max(first + k, 0), self.size - 1) for k in range(self.taps)]
        if self.mode == LINEAR and not self.antialias and not self.exclude:
            w = to(t, f)
            return list(zip(at, (t.sub(t.one, w), w)))
        raw = []
        for k in range(self.taps):
            u = F64.sub(F64.of_int(k + 1 - self.taps // 2), f)
            if self.shrinks:
                u = F64.mul(u, F64.div(F64.of_int(self.n), F64.of_int(self.d)))
            inside = 0 <= first + k < self.size
            raw.append(self.kernel(u & F64.mask) if inside or not self.exclude else 0)
        if self.antialias or self.exclude:
            total = chain(F64, raw)
            if not F64.is_zero(total):
                raw = [F64.div(e, total) for e in raw]
        return list(zip(at, (to(t, e) for e in raw)))


def _product(t, weights):
    w = weights[0]
    for v in weights[1:]:
        w = t.mul(w, v)
    return w


def axes_of(a, sizes, roi=None):
    n = len(a["axes"])
    return [Axis(a, k, size, roi and (roi[k], roi[n + k])) for k, size in enumerate(sizes)]


def resize(a, xs, _):
    x = xs[0]
    t = x.t
    axes = axes_of(a, [x.dims[k] for k in a["axes"]], xs[1] and xs[1].bits)
    dims = list(x.dims)
    for k, size in zip(a["axes"], a["sizes"]):
        dims[k] = size
    known = [[axis.taps_of(t, o) for o in range(axis.out)] for axis in axes]
    gone = [[a["coordinates"] == CROP and axis.outside(o) for o in range(axis.out)]
            for axis in axes]
    beyond = a["extrapolation_value"] if t is F32 else convert(F32, F64, a["extrapolation_value"])
    out = []
    for place in positions(dims):
        at, acc = list(place), t.zero
        for taps in _cross([known[k][place[axis]] for k, axis in enumerate(a["axes"])]):
            for axis, (position, _) in zip(a["axes"], taps):
                at[axis] = position
            acc = t.fma(_product(t, [w for _, w in taps]), x.bits[flat(at, x.dims)], acc)
        if any(gone[k][place[axis]] for k, axis in enumerate(a["axes"])):
            acc = beyond
        out.append(t.canon(acc))
    return [Tensor(x.dtype, dims, out)]


def _cross(lists):
    """All choices of one of each list, the last list fastest."""
    for index in positions([len(v) for v in lists]):
        yield [v[i] for v, i in zip(lists, index)]


def resize_grad(a, xs, _):
    dy = xs[0]
    t = dy.t
    axes = axes_of(a, a["dims"])
    dims = list(dy.dims)
    for k, size in zip(a["axes"], a["dims"]):
        dims[k] = size
    shares = []                 # of each axis and output: {position: weight}
    for axis in axes:
        mine = []
        for o in range(axis.out):
            share = {}
            for position, w in axis.taps_of(t, o):
                share[position] = t.add(share.get(position, t.zero), w)
            mine.append(share)
        shares.append(mine)
    out = []
    for place in positions(dims):
        acc = t.zero
        mine = [[(o, s[place[axis]]) for o, s in enumerate(shares[k]) if place[axis] in s]
                for k, axis in enumerate(a["axes"])]
        at = list(place)
        for outputs in _cross(mine):
            for axis, (o, _) in zip(a["axes"], outputs):
                at[axis] = o
            acc = t.fma(_product(t, [w for _, w in outputs]), dy.bits[flat(at, dy.dims)], acc)
        out.append(t.canon(acc))
    return [Tensor(dy.dtype, dims, out)]


# ---- GridSample -----------------------------------------------------------------------------

NEAREST = 0                      # 1 linear, 2 cubic
ZEROS, BORDER, REFLECTION = range(3)
MIDDLES, CORNERS, POSITIONS = range(3)


def _even(v):
    low = floor(v)
    rest = v - low
    return low + (rest > Fraction(1, 2) or (rest == Fraction(1, 2) and low % 2))


def _clamped(t, x, low, high):
    """x between two patterns; a NaN is the lower."""
    if t.is_nan(x) or t.key(x) < t.key(low):
        return low
    return high if t.key(x) > t.key(high) else x


def _reflected(t, x, low, high):
    span = t.sub(high, low)
    below = t.exact(x) < t.exact(low)
    past = t.sub(low, x) if below else t.sub(x, high)
    if t.exact(span) <= 0:
        return low
    n = floor(t.exact(t.div(past, span)))
    rest = t.sub(past, t.mul(t.of_int(n), span))
    return t.add(low, rest) if below == (n % 2 == 0) else t.sub(high, rest)


def grid_place(t, a, x, size):
    """Where a number x of the grid lies on an axis."""
    one, two, half = t.one, t.of_int(2), t.of_ratio(1, 2)
    n, last, far = t.of_int(size), t.of_int(size - 1), t.of_int(1 << 30)
    if a["align_corners"] == CORNERS:
        x = t.mul(t.div(t.add(x, one), two), last)
    elif a["align_corners"] == MIDDLES:
        x = t.div(t.sub(t.mul(t.add(x, one), n), one), two)
    x = _clamped(t, x, t.neg(far), far)
    if a["mode"] == NEAREST:
        x = t.of_int(_even(t.exact(x)))
    low, high = (t.zero, last) if a["align_corners"] else (t.neg(half), t.sub(n, half))
    if t.exact(low) <= t.exact(x) <= t.exact(high):
        return x
    if a["padding_mode"] == BORDER:
        v = t.exact(x)
        return t.zero if v < 0 else last if v > size - 1 else x
    return _reflected(t, x, low, high) if a["padding_mode"] == REFLECTION else x


def grid_index(a, i, size):
    """The position that is read for position i; None: there is none."""
    if 0 <= i < size:
        return i
    if a["padding_mode"] == ZEROS:
        return None
    if a["padding_mode"] == BORDER or size == 1:
        return min(max(i, 0), size - 1)
    if a["align_corners"]:
        i %= 2 * (size - 1)
        return i if i < size else 2 * (size - 1) - i
    i %= 2 * size
    return i if i < size else 2 * size - 1 - i


def _near(t, x):
    s = t.sub(t.mul(t.of_ratio(5, 4), x), t.of_ratio(9, 4))
    return t.add(t.mul(t.mul(s, x), x), t.one)


def _wide(t, x):
    s = t.sub(t.mul(t.of_ratio(-3, 4), x), t.of_ratio(-15, 4))
    return t.sub(t.mul(t.add(t.mul(s, x), t.of_int(-6)), x), t.of_int(-3))


def grid_taps(t, a, x, size):
    """(position or None, weight) of each tap on one axis."""
    x = grid_place(t, a, x, size)
    base = floor(t.exact(x))
    f = t.sub(x, t.of_int(base))
    if a["mode"] == NEAREST:
        weights, first = (t.one,), base
    elif a["mode"] == LINEAR:
        weights, first = (t.sub(t.one, f), f), base
    else:
        weights = (_wide(t, t.add(f, t.one)), _near(t, f), _near(t, t.sub(t.one, f)),
                   _wide(t, t.sub(t.of_int(2), f)))
        first = base - 1
    return [(grid_index(a, first + k, size), w) for k, w in enumerate(weights)]


def grid_image(indices, m, images):
    """None: there is no such image."""
    if indices is None:
        return m
    k = indices.t.value(indices.bits[m])
    k = k + images if k < 0 else k
    return k if 0 <= k < images else None


def grid_sample(a, xs, _):
    x, grid = xs[0], xs[1]
    t, sizes = x.t, x.dims[2:]
    indices = xs[2] if len(xs) > 2 else None
    dims = (grid.dims[0], x.dims[1]) + grid.dims[1:-1]
    out = []
    for place in positions(dims):
        image, acc = grid_image(indices, place[0], x.dims[0]), t.zero
        if image is not None:
            row = flat((place[0],) + place[2:], grid.dims[:-1]) * len(sizes)
            taps = [grid_taps(t, a, grid.bits[row + len(sizes) - 1 - k], size)
                    for k, size in enumerate(sizes)]
            for chosen in _cross(taps):
                at = [p for p, _ in chosen]
                v = t.zero if None in at else x.bits[flat([image, place[1]] + at, x.dims)]
                acc = t.fma(_product(t, [w for _, w in chosen]), v, acc)
        out.append(t.canon(acc))
    return [Tensor(x.dtype, dims, out)]


OPS = {"Resize": resize, "ResizeGrad": resize_grad, "GridSample": grid_sample}
