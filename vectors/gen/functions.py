"""functions.py - the functions of docs/ARITHMETIC.md.

What this file decides: the correctly rounded one-argument functions of binary32, found with
mpmath in rising precision until the rounding is certain, and exp64 / log64, the fixed
sequences of binary64 operations.

Invariants
  1. A value is returned only when both ends of an interval that holds the true value round
     to the same pattern. The exact and limit cases are decided before, so the loop ends:
     at every other argument the true value is irrational and so no rounding boundary.
"""

from mpmath import mp

from soft import F32, F64


def _exact(a):
    """A finite binary32 pattern as an mpf, exactly (24 bits fit any precision used here)."""
    m, e = F32.parts(a)
    return mp.ldexp(mp.mpf(m), e)


def _pattern(v):
    sign, m, e, _ = v._mpf_
    if not m:
        return None
    return F32.round(bool(sign), int(m), int(e))


def _rounded(evaluate):
    """evaluate() -> (value, scale), at mp.prec bits: |value - true| <= scale 2^-(prec - 24)."""
    precision = 96
    while precision < 1 << 16:
        with mp.workprec(precision):
            value, scale = evaluate()
            error = mp.ldexp(abs(scale), 24 - precision)
            low, high = _pattern(value - error), _pattern(value + error)
            if low is not None and low == high:
                return low
        precision *= 2
    raise ArithmeticError("the rounding stays undecided")


def _cases(a, nan=None, zero=None, inf=None, ninf=None):
    """The pattern where the argument is special, None where it has to be computed."""
    if F32.is_nan(a):
        return F32.nan
    if F32.is_zero(a):
        return a if zero == "same" else zero
    if a == F32.inf:
        return inf
    if a == F32.ninf:
        return ninf
    return nan


ONE, HALF = F32.one, F32.one - F32.hidden
_memo = {}


def _function(body):
    """Memoise by (function, argument)."""
    def call(a):
        key = (body.__name__, a)
        if key not in _memo:
            _memo[key] = body(a)
        return _memo[key]
    call.__name__ = body.__name__
    call.__doc__ = body.__doc__
    return call


def _same(f):
    value = f()
    return value, value


@_function
def exp(a):
    r = _cases(a, zero=ONE, inf=F32.inf, ninf=0)
    return r if r is not None else _rounded(lambda: _same(lambda: mp.exp(_exact(a))))


@_function
def log(a):
    if a == ONE:
        return 0
    r = _cases(a, zero=F32.ninf, inf=F32.inf, ninf=F32.nan, nan=F32.nan if a & F32.sign else None)
    return r if r is not None else _rounded(lambda: _same(lambda: mp.log(_exact(a))))


@_function
def tanh(a):
    r = _cases(a, zero="same", inf=ONE, ninf=ONE | F32.sign)
    return r if r is not None else _rounded(lambda: _same(lambda: mp.tanh(_exact(a))))


def _sigmoid(x):
    """1 / (1 + exp(-x)) without cancellation in the result."""
    e = mp.exp(-abs(x))
    return 1 / (1 + e) if x >= 0 else e / (1 + e)


@_function
def sigmoid(a):
    r = _cases(a, zero=HALF, inf=ONE, ninf=0)
    return r if r is not None else _rounded(lambda: _same(lambda: _sigmoid(_exact(a))))


@_function
def erf(a):
    r = _cases(a, zero="same", inf=ONE, ninf=ONE | F32.sign)
    return r if r is not None else _rounded(lambda: _same(lambda: mp.erf(_exact(a))))


@_function
def softplus(a):
    """log(1 + exp(x)); far above it is x and a little."""
    r = _cases(a, zero=None, inf=F32.inf, ninf=0)
    if r is not None:
        return r
    if F32.key(a) >= F32.key(0x42C80000):          # from 100 on the little is below 2^-144
        return a
    if F32.key(a) <= F32.key(0xC3000000):          # to -128 less than 2^-184
        return 0

    def evaluate():
        x = mp.mpf(0) if F32.is_zero(a) else _exact(a)
        v = mp.log1p(mp.exp(x))
        return v, v
    return _rounded(evaluate)


def _far_below(a):
    """x <= -64: gelu and its derivatives lie between -2^-200 and 0, so they round to -0."""
    return F32.key(a) <= F32.key(0xC2800000)


def _normal_cdf(x):
    return mp.erfc(-x / mp.sqrt(2)) / 2


@_function
def gelu(a):
    """x Phi(x)."""
    r = _cases(a, zero="same", inf=F32.inf, ninf=F32.nzero)
    if r is not None:
        return r
    if _far_below(a):
        return F32.nzero

    def evaluate():
        x = _exact(a)
        v = x * _normal_cdf(x)
        return v, v
    return _rounded(evaluate)


@_function
def dgelu(a):
    """Phi(x) + x phi(x)."""
    r = _cases(a, zero=HALF, inf=ONE, ninf=F32.nzero)
    if r is not None:
        return r
    if _far_below(a):
        return F32.nzero

    def evaluate():
        x = _exact(a)
        p = _normal_cdf(x)
        d = x * mp.exp(-x * x / 2) / mp.sqrt(2 * mp.pi)
        return p + d, abs(p) + abs(d)
    return _rounded(evaluate)


def _inner(x):
    """2 sqrt(2/pi) (x + 0.044715 x^3) and its derivative."""
    c = 2 * mp.sqrt(2 / mp.pi)
    k = mp.mpf(44715) / 1000000
    return c * (x + k * x ** 3), c * (1 + 3 * k * x * x)


@_function
def gelu_tanh(a):
    """0.5 x (1 + tanh(y)) = x sigmoid(2 y)."""
    r = _cases(a, zero="same", inf=F32.inf, ninf=F32.nzero)
    if r is not None:
        return r
    if _far_below(a):
        return F32.nzero

    def evaluate():
        x = _exact(a)
        v = x * _sigmoid(_inner(x)[0])
        return v, v
    return _rounded(evaluate)


@_function
def dgelu_tanh(a):
    """s + x s (1 - s) (2 y)' with s = sigmoid(2 y)."""
    r = _cases(a, zero=HALF, inf=ONE, ninf=F32.nzero)
    if r is not None:
        return r
    if _far_below(a):
        return F32.nzero

    def evaluate():
        x = _exact(a)
        y, dy = _inner(x)
        s = _sigmoid(y)
        d = x * s * _sigmoid(-y) * dy
        return s + d, abs(s) + abs(d)
    return _rounded(evaluate)


def _turn(a):
    """The fractional turn of u as (numerator, denominator = 2^n), in [0, 1), exactly."""
    m, e = F32.parts(a)
    if e >= 0:
        return 0, 1
    return m % (1 << -e), 1 << -e


@_function
def sin2pi(a):
    """sin(2 pi u); a zero has the sign of u."""
    r = _cases(a, zero="same", inf=F32.nan, ninf=F32.nan)
    if r is not None:
        return r
    n, d = _turn(a)
    if 2 * n % d == 0:
        return a & F32.sign
    if 4 * n % d == 0:
        return ONE if 4 * n == d else ONE | F32.sign
    return _rounded(lambda: _same(lambda: mp.sinpi(2 * mp.mpf(n) / d)))


@_function
def cos2pi(a):
    """cos(2 pi u); a zero is +0."""
    r = _cases(a, zero=ONE, inf=F32.nan, ninf=F32.nan)
    if r is not None:
        return r
    n, d = _turn(a)
    if n == 0:
        return ONE
    if 2 * n == d:
        return ONE | F32.sign
    if 4 * n % d == 0:
        return 0
    return _rounded(lambda: _same(lambda: mp.cospi(2 * mp.mpf(n) / d)))


# ---- angles and the hyperbola --------------------------------------------------------------

def _plain(name, evaluate, outside=lambda a: False, **special):
    """A function whose value mpmath gives with a small relative error."""
    def body(a):
        if not F32.is_nan(a) and outside(a):
            return F32.nan
        r = _cases(a, **special)
        return r if r is not None else _rounded(lambda: _same(lambda: evaluate(_exact(a))))
    body.__name__ = name
    return _function(body)


def _over_one(a):
    return (a & F32.mask) > ONE


_HALF_PI = _rounded(lambda: _same(lambda: mp.pi / 2))
_NO = {"inf": F32.nan, "ninf": F32.nan}
_ODD = {"zero": "same", "inf": F32.inf, "ninf": F32.ninf}
sin = _plain("sin", mp.sin, zero="same", **_NO)
cos = _plain("cos", mp.cos, zero=ONE, **_NO)
tan = _plain("tan", mp.tan, zero="same", **_NO)
asin = _plain("asin", mp.asin, _over_one, zero="same", **_NO)
_acos = _plain("acos", lambda x: 2 * mp.atan2(mp.sqrt(1 - x), mp.sqrt(1 + x)),
              _over_one, zero=_HALF_PI, **_NO)
atan = _plain("atan", mp.atan, zero="same", inf=_HALF_PI, ninf=_HALF_PI | F32.sign)
sinh = _plain("sinh", mp.sinh, **_ODD)
cosh = _plain("cosh", mp.cosh, zero=ONE, inf=F32.inf, ninf=F32.inf)
expm1 = _plain("expm1", mp.expm1, zero="same", inf=F32.inf, ninf=ONE | F32.sign)
asinh = _plain("asinh", lambda x: mp.sign(x) * mp.log1p(abs(x) + x * x / (mp.sqrt(x * x + 1) + 1)),
               **_ODD)
_acosh = _plain("acosh", lambda x: mp.log1p((x - 1) + mp.sqrt((x - 1) * (x + 1))),
                lambda a: F32.key(a) < F32.key(ONE), zero=F32.nan, inf=F32.inf, ninf=F32.nan)
_atanh = _plain("atanh", lambda x: mp.log1p(2 * x / (1 - x)) / 2, _over_one, zero="same", **_NO)


def acos(a):
    return 0 if a == ONE else _acos(a)


def acosh(a):
    return 0 if a == ONE else _acosh(a)


def atanh(a):
    return F32.inf | a & F32.sign if a & F32.mask == ONE else _atanh(a)


# ---- binary64 sequences -------------------------------------------------------------------

def _constant(evaluate):
    """RN64 of a real constant."""
    with mp.workprec(400):
        sign, m, e, _ = (+evaluate())._mpf_
    return F64.round(bool(sign), int(m), int(e))


def _hex(text):
    """A hexadecimal binary64 literal as its pattern."""
    mantissa, exponent = text.lower().replace("0x", "").split("p")
    whole, _, fraction = mantissa.partition(".")
    return F64.round(False, int(whole + fraction, 16), int(exponent) - 4 * len(fraction))


INV_LN2 = _constant(lambda: 1 / mp.log(2))
LN2HI = _hex("0x1.62e42fefa38p-1")


def _ln2_low():
    m, e = F64.parts(LN2HI)
    return mp.log(2) - mp.ldexp(mp.mpf(m), e)


LN2LO = _constant(_ln2_low)
SQRT2 = _hex("0x1.6a09e667f3bcdp+0")


def _factorial(n):
    return n * _factorial(n - 1) if n else 1


EXP_TERMS = [F64.of_ratio(1, _factorial(n)) for n in range(14)]
LOG_TERMS = {n: F64.of_ratio(2, n) for n in range(3, 24, 2)}


def nearest_int(a):
    """The integer nearest to a finite binary64 pattern, ties to even."""
    m, e = F64.parts(a)
    if e >= 0:
        return m << e
    n = abs(m)
    whole, rest, half = n >> -e, n & ((1 << -e) - 1), 1 << (-e - 1)
    if rest > half or (rest == half and whole & 1):
        whole += 1
    return -whole if m < 0 else whole


def exp64(x):
    f = F64
    if f.is_nan(x):
        return f.nan
    if f.key(x) > f.key(f.of_int(710)):
        return f.inf
    if f.key(x) < f.key(f.of_int(-746)):
        return 0
    k = nearest_int(f.mul(x, INV_LN2))
    minus = f.of_int(-k)
    r = f.fma(minus, LN2LO, f.fma(minus, LN2HI, x))
    p = EXP_TERMS[13]
    for n in range(12, -1, -1):
        p = f.fma(p, r, EXP_TERMS[n])
    half = k // 2                                  # floor
    return f.mul(f.mul(p, f.round(False, 1, half)), f.round(False, 1, k - half))


def log64(x):
    f = F64
    if f.is_nan(x):
        return f.nan
    if f.is_zero(x):
        return f.ninf
    if x & f.sign:
        return f.nan
    if x == f.inf:
        return f.inf
    m, e = f.parts(x)
    bits = m.bit_length()
    k = e + bits - 1
    m = f.round(False, m, 1 - bits)                # in [1, 2), exact
    if m > SQRT2:
        m = f.mul(m, f.of_ratio(1, 2))
        k += 1
    d = f.sub(m, f.one)
    s = f.div(d, f.add(f.of_int(2), d))
    z = f.mul(s, s)
    p = LOG_TERMS[23]
    for n in range(21, 2, -2):
        p = f.fma(p, z, LOG_TERMS[n])
    t = f.mul(s, f.sub(d, f.mul(z, p)))
    if k == 0:
        return f.sub(d, t)
    kk = f.of_int(k)
    return f.fma(kk, LN2HI, f.sub(d, f.sub(t, f.mul(kk, LN2LO))))


def exp_of(t):
    return exp if t is F32 else exp64


def log_of(t):
    return log if t is F32 else log64
