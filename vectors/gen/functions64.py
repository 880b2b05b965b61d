"""functions64.py - the binary64 functions of docs/ARITHMETIC.md, 3.4: fixed sequences on pairs.

What this file decides: nothing that the text does not say. A number is a binary64 pattern, a pair
(h, l) stands for h + l, and every step is one rounded operation of soft.py.
"""

from fractions import Fraction

from mpmath import mp

import functions as fn
from soft import F64

add, sub, mul, div, fma = F64.add, F64.sub, F64.mul, F64.div, F64.fma
ONE, ZERO, HALF = F64.one, 0, F64.of_ratio(1, 2)
NAN, INF = F64.nan, F64.inf


def number(n, d=1):
    return F64.of_ratio(n, d)


def neg(a):
    return a ^ F64.sign


def power(k):
    return F64.round(False, 1, k)


def less(a, b):
    return F64.greater(b, a)


# ---- pairs --------------------------------------------------------------------------------

def single(a):
    return (a, ZERO)


def minus(a):
    return (neg(a[0]), neg(a[1]))


def halved(a):
    return (mul(a[0], HALF), mul(a[1], HALF))


def fast(a, b):
    h = add(a, b)
    return (h, add(sub(a, h), b))


def total(a, b):
    """sum(a, b)."""
    h = add(a, b)
    t = sub(h, a)
    return (h, add(sub(a, sub(h, t)), sub(b, t)))


def plus(a, b):
    s = total(a[0], b[0])
    return fast(s[0], add(s[1], add(a[1], b[1])))


def times(a, b):
    h = mul(a[0], b[0])
    return (h, add(fma(a[0], b[0], neg(h)), fma(a[0], b[1], mul(a[1], b[0]))))


def by(a, b):
    """A pair times a number."""
    h = mul(a[0], b)
    return (h, fma(a[1], b, fma(a[0], b, neg(h))))


def over(a, b):
    i = div(ONE, b[0])
    q = mul(a[0], i)
    rest = add(fma(neg(q), b[0], a[0]), fma(neg(q), b[1], a[1]))
    return (q, mul(rest, i))


def root(a):
    s = F64.sqrt(a[0])
    if F64.is_zero(s):
        return (s, ZERO)
    return (s, div(add(fma(neg(s), s, a[0]), a[1]), add(s, s)))


def step(c, p):
    """C + P, the step of Horner's rule, P being z A or x A."""
    s = total(c[0], p[0])
    return (s[0], add(s[1], add(c[1], p[1])))


def value(a):
    return add(a[0], a[1])


# ---- constants ----------------------------------------------------------------------------

def pair_of(evaluate):
    high = fn._constant(evaluate)

    def low():
        m, e = F64.parts(high)
        return evaluate() - mp.ldexp(mp.mpf(m), e)
    with mp.workprec(400):
        rest = low()
    return (high, fn._constant(low) if rest else ZERO)


E = [number(1, fn._factorial(n)) for n in range(23)]
E_LOW = {}
for _n in (3, 4, 5):
    _rest = Fraction(1, fn._factorial(_n)) - F64.exact(E[_n])
    E_LOW[_n] = number(_rest.numerator, _rest.denominator)
L = {n: number(2, n) for n in range(3, 26, 2)}
T = [pair_of(lambda i=i: mp.mpf(2) ** (mp.mpf(i) / 32)) for i in range(32)]
ATAN = [single(ZERO)] + [pair_of(lambda i=i: mp.atan(mp.mpf(i) / 16)) for i in range(1, 17)]
HALF_PI = pair_of(lambda: mp.pi / 2)
QUARTER_PI = fn._constant(lambda: mp.pi / 4)
INV_LN2_32 = fn._constant(lambda: 32 / mp.log(2))


def _floor(evaluate, bits):
    with mp.workprec(bits + 64):
        return int(mp.floor(mp.ldexp(evaluate(), bits)))


_L32 = _floor(lambda: mp.log(2) / 32, 43)
L32_HI = F64.round(False, _L32, -43)
L32_LO = fn._constant(lambda: mp.log(2) / 32 - mp.ldexp(mp.mpf(_L32), -43))
TWO_BY_PI = _floor(lambda: 2 / mp.pi, 1216)


# ---- exp, log -----------------------------------------------------------------------------

def exp_parts(a):
    """(M, k)."""
    n = fn.nearest_int(mul(a[0], INV_LN2_32))
    i, k, m = n % 32, n // 32, F64.of_int(-n)
    r, q = fma(m, L32_HI, a[0]), fma(m, L32_LO, a[1])
    p = E[7]
    for j in range(6, 1, -1):
        p = fma(p, r, E[j])
    p = mul(p, mul(r, r))
    p = add(p, fma(q, add(r, p), q))
    t = T[i]
    h = mul(t[0], r)
    low = add(fma(t[0], r, neg(h)), fma(t[0], p, fma(t[1], r, t[1])))
    s = fast(t[0], h)
    return fast(s[0], add(s[1], low)), k


def exp(a):
    m, k = exp_parts(a)
    return (mul(m[0], power(k)), mul(m[1], power(k)))


def scale(v, k):
    return mul(mul(v, power(k // 2)), power(k - k // 2))


def exp_scaled(y, shift):
    m, k = exp_parts(single(y))
    return scale(value(m), k + shift)


def log(k, f):
    d = fast(number(2), f[0])
    d = (d[0], add(d[1], f[1]))
    s = over(f, d)
    w = mul(s[0], s[0])
    p = L[25]
    for n in range(23, 2, -2):
        p = fma(p, w, L[n])
    c = mul(mul(s[0], w), p)
    h = total(mul(k, fn.LN2HI), add(s[0], s[0]))
    return (h[0], add(fma(k, fn.LN2LO, add(h[1], add(s[1], s[1]))), c))


LOW_ROOT = fn._hex("0x1.6a09e667f3bcdp-1")


def ln(v, f, shift):
    """ln V + shift ln 2."""
    m, e = F64.parts(v[0])
    k = e + m.bit_length() - 1
    x = F64.round(False, m, 1 - m.bit_length())
    if x >= fn.SQRT2:
        k, x = k + 1, mul(x, HALF)
    assert LOW_ROOT <= x
    if k:
        f = (sub(x, ONE), mul(v[1], power(-k)) if k <= 1022 else ZERO)
    return log(F64.of_int(k + shift), f)


def log1p(f):
    v = total(ONE, f[0])
    return ln(fast(v[0], add(v[1], f[1])), f, 0)


# ---- sin, cos, tan ------------------------------------------------------------------------

def quarters(a):
    """n mod 4 and the pair r with a = n pi/2 + r."""
    if not less(QUARTER_PI, a):
        return 0, single(a)
    m, e = F64.parts(a)
    word = max(0, e - 2) // 32
    window = TWO_BY_PI >> (1216 - 256 - 32 * word) & ((1 << 256) - 1)
    product, point = m * window, 256 + 32 * word - e
    n = product >> point & 3
    fraction = product >> (point - 192) & ((1 << 192) - 1)
    up = fraction >> 191
    if up:
        fraction = (1 << 192) - 1 - fraction
    f = [F64.round(False, v, -48 * (k + 1)) if v else ZERO
         for k, v in enumerate(fraction >> s & ((1 << 48) - 1) for s in (144, 96, 48, 0))]
    low = fast(f[2], f[3])
    mid = fast(f[1], low[0])
    top = fast(f[0], mid[0])
    r = times((top[0], add(top[1], add(mid[1], low[1]))), HALF_PI)
    return n + up, minus(r) if up else r


def sin_of(r, z):
    p = E[21]
    for n in range(19, 6, -2):
        p = fma(p, z[0], E[n] if n % 4 == 1 else neg(E[n]))
    a = fast(E[5], fma(p, z[0], E_LOW[5]))
    a = step((neg(E[3]), neg(E_LOW[3])), times(a, z))
    return times(step(single(ONE), times(a, z)), r)


def cos_of(z):
    p = neg(E[22])
    for n in range(20, 5, -2):
        p = fma(p, z[0], E[n] if n % 4 == 0 else neg(E[n]))
    a = fast(E[4], fma(p, z[0], E_LOW[4]))
    a = step(single(neg(HALF)), times(a, z))
    return step(single(ONE), times(a, z))


def circular(x, which):
    if F64.is_nan(x) or F64.is_inf(x):
        return NAN
    n, r = quarters(x & F64.mask)
    z = times(r, r)
    s, c = sin_of(r, z), cos_of(z)
    if which == "tan":
        y = minus(over(c, s)) if n & 1 else over(s, c)
    else:
        n += which == "cos"
        y = c if n & 1 else s
        y = minus(y) if n & 2 else y
    return value(y) ^ (0 if which == "cos" else x & F64.sign)


def sin(x):
    return circular(x, "sin")


def cos(x):
    return circular(x, "cos")


def tan(x):
    return circular(x, "tan")


# ---- asin, acos, atan ---------------------------------------------------------------------

def angle(y, x):
    steep = less(x[0], y[0])
    n, d = (x, y) if steep else (y, x)
    i = fn.nearest_int(mul(div(n[0], d[0]), number(16)))
    c = number(i, 16)
    r = over(plus(n, minus(by(d, c))), plus(d, by(n, c)))
    z = mul(r[0], r[0])
    p = number(-1, 13)
    for k in (11, 9, 7, 5, 3):
        p = fma(p, z, number(1 if k % 4 == 3 else -1, k))
    p = neg(mul(mul(r[0], z), p))
    s = total(ATAN[i][0], r[0])
    s = (s[0], add(s[1], add(ATAN[i][1], add(r[1], p))))
    return plus(HALF_PI, minus(s)) if steep else s


def across(a):
    return root(times(total(ONE, neg(a)), total(ONE, a)))


def inside(x):
    return not F64.is_nan(x) and (x & F64.mask) <= ONE


def asin(x):
    if not inside(x):
        return NAN
    a = x & F64.mask
    return value(angle(single(a), across(a))) & F64.mask | x & F64.sign


def acos(x):
    if not inside(x):
        return NAN
    a = x & F64.mask
    y = angle(across(a), single(a))
    if less(x, ZERO):
        y = plus((mul(HALF_PI[0], number(2)), mul(HALF_PI[1], number(2))), minus(y))
    return value(y)


def atan(x):
    if F64.is_nan(x):
        return NAN
    a = min(x & F64.mask, power(100))
    return value(angle(single(a), single(ONE))) & F64.mask | x & F64.sign


# ---- expm1, sinh, cosh, tanh, sigmoid -----------------------------------------------------

def expm1_of(y):
    if not less(y & F64.mask, number(1, 4)):
        return plus(exp(single(y)), single(neg(ONE)))
    p = E[15]
    for n in range(14, 4, -1):
        p = fma(p, y, E[n])
    a = fast(E[4], fma(p, y, E_LOW[4]))
    for c in ((E[3], E_LOW[3]), single(HALF), single(ONE)):
        a = step(c, by(a, y))
    return by(a, y)


def capped(x, most):
    """|x|, at most so much."""
    return min(x & F64.mask, number(most))


def expm1(x):
    if F64.is_nan(x):
        return NAN
    if F64.is_zero(x):
        return x
    if less(number(700), x):
        return exp_scaled(capped(x, 720), 0)
    return value(expm1_of(capped(x, 700) | x & F64.sign))


def sinh(x):
    if F64.is_nan(x):
        return NAN
    a = capped(x, 720)
    if less(number(700), a):
        y = exp_scaled(a, -1)
    else:
        u = expm1_of(a)
        y = value(halved(plus(u, over(u, plus(u, single(ONE))))))
    return y & F64.mask | x & F64.sign


def cosh(x):
    if F64.is_nan(x):
        return NAN
    a = capped(x, 720)
    if less(number(700), a):
        return exp_scaled(a, -1)
    e = exp(single(a))
    return value(halved(plus(e, over(single(ONE), e))))


def tanh(x):
    if F64.is_nan(x):
        return NAN
    a = capped(x, 22)
    u = expm1_of(add(a, a))
    return value(over(u, plus(u, single(number(2))))) & F64.mask | x & F64.sign


def logistic(v):
    """sigmoid of a pair is the pair returned times 2^k."""
    negative = less(v[0], ZERO)
    y = v if negative else minus(v)
    m, k = exp_parts(y)
    e = exp(single(number(-700)) if less(y[0], number(-700)) else y)
    return over(m if negative else single(ONE), plus(e, single(ONE))), k if negative else 0


def sigmoid(x):
    if F64.is_nan(x):
        return NAN
    q, k = logistic(single(capped(x, 760) | x & F64.sign))
    return scale(value(q), k)


# ---- asinh, acosh, atanh ------------------------------------------------------------------

FAR = power(64)


def area_far(a):
    return ln(single(a), single(sub(a, ONE)), 1)


def odd(x, f):
    """An odd function that is x itself below 2^-32."""
    if F64.is_nan(x):
        return NAN
    a = x & F64.mask
    y = a if less(a, power(-32)) or a == INF else value(f(a))
    return y & F64.mask | x & F64.sign


def asinh(x):
    def near(a):
        z = times(single(a), single(a))
        w = plus(root(plus(z, single(ONE))), single(ONE))
        return log1p(plus(single(a), over(z, w)))
    return odd(x, lambda a: area_far(a) if less(FAR, a) else near(a))


def acosh(x):
    if F64.is_nan(x) or less(x, ONE):
        return NAN
    if x == INF:
        return x
    if less(FAR, x):
        return value(area_far(x))
    low, high = total(x, neg(ONE)), total(x, ONE)
    return value(log1p(plus(low, root(times(low, high)))))


def atanh(x):
    if not inside(x):
        return NAN
    if x & F64.mask == ONE:
        return INF | x & F64.sign
    return odd(x, lambda a: halved(log1p(over(single(add(a, a)), total(ONE, neg(a))))))


# ---- softplus, mish -----------------------------------------------------------------------

def decay(a):
    """exp(-a) as (M, k), and as a pair for a to 700."""
    y = minus(a)
    e = exp(single(number(-700)) if less(y[0], number(-700)) else y)
    m, k = exp_parts(y)
    return m, k, e


def softplus(x):
    if F64.is_nan(x):
        return NAN
    if x == INF:
        return x
    m, k, e = decay(single(capped(x, 760)))
    if less(x, number(-40)):
        return scale(value(m), k)
    base = x if less(ZERO, x) else ZERO
    return value(plus(single(base), log1p(e)))


def activation(x, least, p, k):
    """c P 2^k."""
    if F64.is_zero(x) or x == INF:
        return x
    if less(x, ZERO):
        return scale(value(by(p, neg(capped(x, least)))), k)
    return value(by(p, x))


def mish(x):
    if F64.is_nan(x):
        return NAN
    m, k, e = decay(single(capped(x, 760)))
    two = single(number(2))
    if less(x, ZERO):
        n, d = times(m, plus(e, two)), plus(times(e, plus(e, two)), two)
    else:
        n = plus(plus(e, e), single(ONE))
        d = plus(n, times(e, plus(e, e)))
    return activation(x, 760, over(n, d), k)


# ---- erf, gelu and its derivative ---------------------------------------------------------

ERF = [((-1) ** n, fn._factorial(n) * (2 * n + 1)) for n in range(15)]
TWO_BY_ROOT_PI = pair_of(lambda: 2 / mp.sqrt(mp.pi))
INV_ROOT_2PI = pair_of(lambda: 1 / mp.sqrt(2 * mp.pi))
ROOT_HALF = pair_of(lambda: mp.sqrt(mp.mpf(1) / 2))
H_BY_PI = pair_of(lambda: 7 / (16 * mp.pi))
TWO_PI_BY_H = fn._constant(lambda: 32 * mp.pi / 7)
BELL = [pair_of(lambda n=n: 2 * mp.exp(-mp.mpf(49 * n * n) / 256)) for n in range(16)]


def ratio_pair(n, d):
    h = number(n, d)
    rest = Fraction(n, d) - F64.exact(h)
    return (h, number(rest.numerator, rest.denominator))


def erf_series(z):
    p = number(*ERF[14])
    for n in range(13, 2, -1):
        p = fma(p, z[0], number(*ERF[n]))
    a = ratio_pair(1, 10)
    a = fast(a[0], fma(p, z[0], a[1]))
    a = step(ratio_pair(-1, 3), times(a, z))
    return step(single(ONE), times(a, z))


def erfc_scaled(u, z):
    t, v = ZERO, mul(u[0], TWO_PI_BY_H)
    for n in range(15, 7, -1):
        t = add(t, div(BELL[n][0], add(z[0], number(49 * n * n, 256))))
    s = single(t)
    for n in range(7, 0, -1):
        s = plus(over(BELL[n], plus(z, single(number(49 * n * n, 256)))), s)
    s = plus(over(single(ONE), z), s)
    s = times(times(u, H_BY_PI), s)
    pole = mul(number(2), fn.exp64(sub(z[0], v)))
    pole = div(pole, sub(fn.exp64(neg(v)), ONE))
    return plus(s, single(pole if less(u[0], number(6)) else ZERO))


def erf(x):
    if F64.is_nan(x):
        return NAN
    a = capped(x, 6)
    z = times(single(a), single(a))
    if less(a, HALF):
        f = by(times(erf_series(z), TWO_BY_ROOT_PI), a)
    else:
        f = plus(single(ONE), minus(times(erfc_scaled(single(a), z), exp(minus(z)))))
    return value(f) & F64.mask | x & F64.sign


NEAR = number(3, 4)


def normal(x):
    """Phi(x) and the bell, times 2^-k."""
    a = capped(x, 39)
    z = halved(times(single(a), single(a)))
    m, k, e = decay(z)
    if less(a, NEAR):
        p = by(times(erf_series(z), INV_ROOT_2PI), a | x & F64.sign)
        return plus(single(HALF), p), e, 0
    c = halved(erfc_scaled(by(ROOT_HALF, a), z))
    if x & F64.sign:
        return times(c, m), m, k
    return plus(single(ONE), minus(times(c, e))), e, 0


def gelu(x):
    if F64.is_nan(x):
        return NAN
    p, _, k = normal(x)
    return activation(x, 39, p, k)


def about_zero(slope):
    """(x0, c1 as pairs, [c2 ... c13]) of a function that is 0 near -0.75."""
    def at(k):
        zero = mp.findroot(slope, mp.mpf("-0.752"))
        return mp.taylor(slope, zero, 13)[k] if k else zero
    return (pair_of(lambda: at(0)), pair_of(lambda: at(1)),
            [fn._constant(lambda k=k: at(k)) for k in range(2, 14)])


def slope_normal(x):
    return mp.ncdf(x) + x * mp.npdf(x)


def slope_tanh(x):
    u = mp.sqrt(2 / mp.pi) * (x + x ** 3 * 44715 / 1000000)
    du = mp.sqrt(2 / mp.pi) * (1 + x ** 2 * 3 * 44715 / 1000000)
    return (1 + mp.tanh(u) + x * mp.sech(u) ** 2 * du) / 2


ZERO_NORMAL, ZERO_TANH = about_zero(slope_normal), about_zero(slope_tanh)


def near_zero(zero, x):
    """The value within 1/16 of the zero, else None."""
    x0, c1, c = zero
    if not less(sub(x, x0[0]) & ~F64.sign, power(-4)):
        return None
    t = plus(single(x), minus(x0))
    p = c[-1]
    for v in reversed(c[:-1]):
        p = fma(p, t[0], v)
    return value(times(fast(c1[0], fma(p, t[0], c1[1])), t))


def dgelu(x):
    if F64.is_nan(x):
        return NAN
    near = near_zero(ZERO_NORMAL, x)
    if near is not None:
        return near
    p, bell, k = normal(x)
    p = plus(p, by(times(INV_ROOT_2PI, bell), capped(x, 39) | x & F64.sign))
    return scale(value(p), k)


def cubic(t, a, b):
    return by(plus(a, times(b, times(single(t), single(t)))), t)


GELU_A = pair_of(lambda: 2 * mp.sqrt(2 / mp.pi))
GELU_B = pair_of(lambda: 2 * mp.sqrt(2 / mp.pi) * 44715 / 1000000)
GELU_B3 = pair_of(lambda: 6 * mp.sqrt(2 / mp.pi) * 44715 / 1000000)


def gelu_tanh(x):
    if F64.is_nan(x):
        return NAN
    q, k = logistic(cubic(capped(x, 22) | x & F64.sign, GELU_A, GELU_B))
    return activation(x, 22, q, k)


def dgelu_tanh(x):
    if F64.is_nan(x):
        return NAN
    near = near_zero(ZERO_TANH, x)
    if near is not None:
        return near
    t, negative = capped(x, 22), less(x, ZERO)
    m, k, e = decay(cubic(t, GELU_A, GELU_B))
    d = plus(e, single(ONE))
    w = times(m if negative else e, plus(d, minus(cubic(t, GELU_A, GELU_B3))))
    w = over(w, times(d, d))
    if negative:
        return scale(value(w), k)
    return value(plus(single(ONE), minus(w)))
