"""ops_elementwise.py - the elementwise operators beyond plain arithmetic: whole numbers, logic,
bits, extremes, rests and powers.

Each oracle is f(attrs, inputs, outputs_wanted) -> list of tensors, written from
docs/ARITHMETIC.md, on exact integers and rationals.
"""

import functions as fn
import functions64 as fn64
from soft import F32, F64, FLOATS, to_f32, to_f64
from tensor import Tensor, broadcast, broadcast_dims


def spread(xs, f, dtype=None):
    """f over tensors that broadcast together."""
    dims = broadcast_dims(*(x.dims for x in xs))
    return [Tensor(dtype or xs[0].dtype, dims,
                   [f(*v) for v in zip(*(broadcast(x, dims) for x in xs))])]


def by_kind(on_floats, on_ints):
    """One oracle of on_floats(t, a, ..) and on_ints(t, a, ..)."""
    def oracle(_, xs, __):
        t = xs[0].t
        f = on_floats if t.name in FLOATS else on_ints
        return spread(xs, lambda *v: t.canon(f(t, *v)))
    return oracle


def whole(rounded):
    """rounded: Fraction -> int; the sign bit stays."""
    def f(t, a):
        if t.is_nan(a) or t.is_inf(a):
            return a
        return t.of_int(abs(rounded(t.exact(a)))) | (a & t.sign)
    return by_kind(f, None)


def _sign(t, a):
    if t.is_nan(a) or t.is_zero(a):
        return a
    return t.one | (a & t.sign)


def _int_sign(t, a):
    v = t.value(a)
    return ((v > 0) - (v < 0)) & t.mask


def reciprocal(_, xs, __):
    t = xs[0].t
    return spread(xs, lambda a: t.div(t.one, a))


def compare(test):
    def oracle(_, xs, __):
        t = xs[0].t

        def f(a, b):
            if t.name in FLOATS and (t.is_nan(a) or t.is_nan(b)):
                return 0
            return 1 if test(t.greater(a, b), t.equal(a, b)) else 0
        return spread(xs, f, "bool")
    return oracle


def logic(f):
    return lambda _, xs, __: spread(xs, lambda *v: 1 if f(*(a != 0 for a in v)) else 0)


def bits(f):
    return lambda _, xs, __: spread(xs, lambda *v: f(*v) & xs[0].t.mask)


def bit_shift(a, xs, __):
    t = xs[0].t

    def f(x, n):
        if n >= t.width:
            return 0
        return x >> n if a["direction"] else (x << n) & t.mask
    return spread(xs, f)


def is_nan(_, xs, __):
    return spread(xs, lambda a: 1 if xs[0].t.is_nan(a) else 0, "bool")


def is_inf(a, xs, __):
    t = xs[0].t
    return spread(xs, lambda x: a["detect_positive"] if x == t.inf else
                  a["detect_negative"] if x == t.ninf else 0, "bool")


def greatest(t, *v):
    best = v[0]
    for x in v[1:]:
        best = t.top(best, x)
    return best


def least(t, *v):
    if t.name in FLOATS and any(t.is_nan(x) for x in v):
        return t.nan
    return min(v, key=t.key)


def clip(_, xs, __):
    t, (x, low, high) = xs[0].t, list(xs) + [None] * (3 - len(xs))

    def f(a):
        if low is not None:
            a = greatest(t, a, low.bits[0])
        if high is not None:
            a = least(t, a, high.bits[0])
        return t.canon(a)
    return spread([x], f)


def total(t, v):
    s = v[0]
    for x in v[1:]:
        s = t.add(s, x)
    return t.canon(s)


def sum_of(_, xs, __):
    return spread(xs, lambda *v: total(xs[0].t, v))


def mean(_, xs, __):
    t = xs[0].t
    return spread(xs, lambda *v: t.div(total(t, v), t.of_int(len(v))))


def mod(attrs, xs, __):
    t = xs[0].t

    def on_floats(a, b):
        if t.is_nan(a) or t.is_nan(b) or t.is_inf(a) or t.is_zero(b):
            return t.nan
        if t.is_inf(b):
            return a
        x, y = abs(t.exact(a)), abs(t.exact(b))
        rest = x - y * (x // y)
        return t.of_ratio(rest.numerator, rest.denominator) | (a & t.sign)

    def on_ints(a, b):
        x, y = t.value(a), t.value(b)
        if y == 0:
            return 0
        rest = x % y                               # Python's has the divisor's sign
        if attrs["fmod"] and rest and (x < 0) != (y < 0):
            rest -= y
        return rest & t.mask
    return spread(xs, on_floats if t.name in FLOATS else on_ints)


# ---- activations --------------------------------------------------------------------------

def attribute(t, a):
    """An f32 attribute in the type of the tensors."""
    return a if t is F32 else to_f64(a)


def leaky(t, x, slope):
    return t.mul(slope, x) if t.greater(t.zero, x) else t.canon(x)


def leaky_relu(a, xs, __):
    t = xs[0].t
    return spread(xs, lambda x: leaky(t, x, attribute(t, a["alpha"])))


def thresholded_relu(a, xs, __):
    t = xs[0].t
    return spread(xs, lambda x: x if t.greater(x, attribute(t, a["alpha"])) else t.zero)


def shrink(a, xs, __):
    t = xs[0].t
    bias, lambd = attribute(t, a["bias"]), attribute(t, a["lambd"])

    def f(x):
        if t.greater(t.neg(lambd), x):
            return t.add(x, bias)
        return t.sub(x, bias) if t.greater(x, lambd) else t.zero
    return spread(xs, f)


def hard(t, x, alpha, beta):
    u = t.add(t.mul(attribute(t, alpha), x), attribute(t, beta))
    return least(t, t.top(u, t.zero), t.one)


def hard_sigmoid(a, xs, __):
    return spread(xs, lambda x: hard(xs[0].t, x, a["alpha"], a["beta"]))


def hard_swish(_, xs, __):
    t, sixth, half = xs[0].t, F32.of_ratio(1, 6), F32.of_ratio(1, 2)
    return spread(xs, lambda x: t.mul(x, hard(t, x, sixth, half)))


def softsign(_, xs, __):
    t = xs[0].t
    return spread(xs, lambda x: t.div(x, t.add(t.one, x & t.mask)))


def of(t, name):
    """The function of 3.1, or in binary64 of 3.4."""
    return getattr(fn if t is F32 else fn64, name)


def function(name):
    return lambda _, xs, __: spread(xs, of(xs[0].t, name))


def elu_of(t, x, alpha):
    below = t.mul(alpha, of(t, "expm1")(x))
    return below if t.greater(t.zero, x) else t.canon(x)


def elu(a, xs, __):
    t = xs[0].t
    return spread(xs, lambda x: elu_of(t, x, attribute(t, a["alpha"])))


def selu(a, xs, __):
    t = xs[0].t
    return spread(xs, lambda x: t.mul(attribute(t, a["gamma"]),
                                      elu_of(t, x, attribute(t, a["alpha"]))))


def celu(a, xs, __):
    t = xs[0].t
    alpha = attribute(t, a["alpha"])

    def f(x):
        if not t.greater(t.zero, x):
            return t.canon(x)
        return t.mul(alpha, of(t, "expm1")(t.div(x, alpha)))
    return spread(xs, f)


def swish(a, xs, __):
    t = xs[0].t
    alpha = attribute(t, a["alpha"])
    return spread(xs, lambda x: t.mul(x, of(t, "sigmoid")(t.mul(alpha, x))))


def mish(_, xs, __):
    """Of three rounded functions in binary32, one in binary64."""
    if xs[0].t is F64:
        return spread(xs, fn64.mish)
    return spread(xs, lambda x: F32.mul(x, fn.tanh(fn.softplus(x))))


# ---- Pow ----------------------------------------------------------------------------------

def _int_pow(t, a, b):
    x, n = t.value(a), t.value(b)
    if n >= 0:
        return pow(x, n, 1 << t.width)
    return {1: 1, -1: -1 if n % 2 else 1}.get(x, 0) & t.mask


def _square_power(x, n):
    """x^n in binary64: lowest bit first, the first factor as it is, no square after the last."""
    p = None
    while True:
        if n & 1:
            p = x if p is None else F64.mul(p, x)
        n >>= 1
        if not n:
            return p
        x = F64.mul(x, x)


def _limit(a, b):
    """The value where |y| is infinite or x is 0 or infinite, less its sign."""
    x, y = a & F32.mask, b & F32.mask
    if y == F32.inf:
        if x == F32.one:
            return F32.one
        return F32.inf if (x < F32.one) == bool(b & F32.sign) else 0
    if not x or x == F32.inf:
        return F32.inf if (not x) == bool(b & F32.sign) else 0
    return None


def _pow(t, a, b):
    if a == t.one or t.is_zero(b):
        return t.one
    if t.is_nan(a) or t.is_nan(b):
        return t.nan
    y = None if t.is_inf(b) else t.exact(b)
    integer = y is not None and y.denominator == 1
    sign = a & t.sign if integer and y % 2 else 0
    z = _limit(a, b)
    if z is not None:
        return z | sign
    if a & t.sign and not integer:
        return t.nan
    x = to_f64(a & t.mask)
    if integer and abs(y) <= 1024:
        p = _square_power(x, abs(int(y)))
        p = F64.div(F64.one, p) if y < 0 else p
    else:
        p = fn.exp64(F64.mul(to_f64(b), fn.log64(x)))
    return to_f32(p) | sign


OPS = {
    "Abs": by_kind(lambda t, a: a & t.mask, lambda t, a: abs(t.value(a)) & t.mask),
    "Sign": by_kind(_sign, _int_sign), "Floor": whole(lambda q: q.__floor__()),
    "Ceil": whole(lambda q: q.__ceil__()), "Round": whole(round), "Reciprocal": reciprocal,
    "GreaterOrEqual": compare(lambda greater, equal: greater or equal),
    "Less": compare(lambda greater, equal: not greater and not equal),
    "LessOrEqual": compare(lambda greater, equal: not greater),
    "And": logic(lambda a, b: a and b), "Or": logic(lambda a, b: a or b),
    "Xor": logic(lambda a, b: a != b), "Not": logic(lambda a: not a),
    "BitwiseAnd": bits(lambda a, b: a & b), "BitwiseOr": bits(lambda a, b: a | b),
    "BitwiseXor": bits(lambda a, b: a ^ b), "BitwiseNot": bits(lambda a: ~a),
    "BitShift": bit_shift, "IsNaN": is_nan, "IsInf": is_inf, "Max": by_kind(greatest, greatest),
    "Min": by_kind(least, least), "Clip": clip, "Sum": sum_of, "Mean": mean, "Mod": mod,
    "Pow": by_kind(_pow, _int_pow), "LeakyRelu": leaky_relu, "PRelu": by_kind(leaky, leaky),
    "ThresholdedRelu": thresholded_relu, "Shrink": shrink, "HardSigmoid": hard_sigmoid,
    "HardSwish": hard_swish, "Softsign": softsign, "Mish": mish,
    "Erf": function("erf"), "Softplus": function("softplus"),
    "Elu": elu, "Selu": selu, "Celu": celu, "Swish": swish,
}
OPS.update((name.capitalize(), function(name)) for name in (
    "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "asinh", "acosh", "atanh"))
