"""soft.py - exact IEEE-754 arithmetic on bit patterns, in integers only.

What this file decides: what add, sub, mul, div, sqrt, fma, conversion and the two orders
(IEEE comparison, total order) give, for binary32, binary64 and the two 16-bit formats. The host's floating point is
never used: every operation forms the exact value as an integer times a power of two and
rounds it once, to nearest even, subnormals kept.

Invariants
  1. A number is its bit pattern, an int in [0, 2^width).
  2. Each operation rounds exactly once. A NaN that an operation makes is the canonical one.
  3. Nothing here is shared with, or read from, the library under test.
"""

from fractions import Fraction
from math import isqrt


class Float:
    """One binary format: F32, F64, F16 and BF16 below."""

    def __init__(self, name, width, precision):
        self.name = name
        self.width = width
        self.size = width // 8
        self.p = precision
        self.frac = precision - 1
        self.ebits = width - precision
        self.emax = (1 << self.ebits) - 1          # the exponent field of inf and NaN
        self.bias = (1 << (self.ebits - 1)) - 1
        self.emin = 1 - self.bias - self.frac      # exponent of the smallest subnormal
        self.sign = 1 << (width - 1)
        self.mask = self.sign - 1                  # every bit but the sign
        self.fmask = (1 << self.frac) - 1
        self.hidden = 1 << self.frac
        self.inf = self.emax << self.frac
        self.ninf = self.inf | self.sign
        self.nan = self.inf | (1 << (self.frac - 1))
        self.zero = 0
        self.nzero = self.sign
        self.one = self.bias << self.frac
        self.max = self.inf - 1

    # ---- between patterns and exact values ----------------------------------------------

    def is_nan(self, a):
        return (a & self.mask) > self.inf

    def is_inf(self, a):
        return (a & self.mask) == self.inf

    def is_zero(self, a):
        return (a & self.mask) == 0

    def canon(self, a):
        """The pattern as an output element stores it: every NaN is the canonical one."""
        return self.nan if (a & self.mask) > self.inf else a

    def parts(self, a):
        """(m, e): the finite value is m 2^e with the sign in m (so a zero loses its sign)."""
        field = (a >> self.frac) & self.emax
        m = a & self.fmask
        if field:
            m |= self.hidden
            e = field - 1 + self.emin
        else:
            e = self.emin
        return (-m if a & self.sign else m), e

    def exact(self, a):
        """A finite pattern as a rational."""
        m, e = self.parts(a)
        return Fraction(m) * Fraction(2) ** e

    def round(self, negative, m, e):
        """The nearest pattern to m 2^e, m > 0 an integer; ties to even; overflow to inf."""
        q = m.bit_length() + e - self.p            # exponent of the last place kept
        if q + self.p < self.emin:                 # under half of the least subnormal
            return self.sign if negative else 0
        if q < self.emin:
            q = self.emin
        shift = q - e
        if shift > 0:
            r = m >> shift
            rest = m - (r << shift)
            half = 1 << (shift - 1)
            if rest > half or (rest == half and r & 1):
                r += 1
        else:
            r = m << -shift
        bits = ((q - self.emin) << self.frac) + r  # a carry runs into the exponent by itself
        if bits > self.inf:
            bits = self.inf
        return bits | self.sign if negative else bits

    def of_int(self, n):
        """RN(n) of an integer; 0 is +0."""
        if n == 0:
            return 0
        return self.round(n < 0, abs(n), 0)

    def of_ratio(self, n, d):
        """RN(n / d) of a rational, d > 0; 0 is +0."""
        if n == 0:
            return 0
        a = abs(n)
        shift = max(0, self.p + 3 - a.bit_length() + d.bit_length())
        q, r = divmod(a << shift, d)
        return self.round(n < 0, (q << 1) | (r != 0), -shift - 1)

    # ---- the operations -----------------------------------------------------------------

    def neg(self, a):
        return self.canon(a ^ self.sign)

    def add(self, a, b):
        inf = self.inf
        x, y = a & self.mask, b & self.mask
        if x >= inf or y >= inf:
            if x > inf or y > inf:
                return self.nan
            if x == inf and y == inf:
                return a if a == b else self.nan
            return a if x == inf else b
        if not x and not y:
            return a & b                           # -0 only when both are
        m, e = self.parts(a)
        n, f = self.parts(b)
        if e > f:
            m <<= e - f
            e = f
        elif f > e:
            n <<= f - e
        m += n
        if m == 0:
            return 0
        return self.round(m < 0, abs(m), e)

    def sub(self, a, b):
        return self.add(a, b ^ self.sign)          # a NaN stays one, its sign is lost anyway

    def mul(self, a, b):
        inf = self.inf
        x, y = a & self.mask, b & self.mask
        sign = (a ^ b) & self.sign
        if x >= inf or y >= inf:
            if x > inf or y > inf or not x or not y:
                return self.nan
            return inf | sign
        if not x or not y:
            return sign
        m, e = self.parts(x)
        n, f = self.parts(y)
        return self.round(sign != 0, m * n, e + f)

    def div(self, a, b):
        inf = self.inf
        x, y = a & self.mask, b & self.mask
        sign = (a ^ b) & self.sign
        if x > inf or y > inf or (x == inf and y == inf) or (not x and not y):
            return self.nan
        if x == inf or not y:
            return inf | sign
        if y == inf or not x:
            return sign
        m, e = self.parts(x)
        n, f = self.parts(y)
        shift = self.p + 3 - m.bit_length() + n.bit_length()
        if shift < 0:
            shift = 0
        q, r = divmod(m << shift, n)
        return self.round(sign != 0, (q << 1) | (r != 0), e - f - shift - 1)

    def sqrt(self, a):
        x = a & self.mask
        if x > self.inf:
            return self.nan
        if not x:
            return a
        if a & self.sign:
            return self.nan
        if x == self.inf:
            return a
        m, e = self.parts(a)
        shift = max(0, 2 * self.p + 6 - m.bit_length())
        if (e - shift) & 1:
            shift += 1
        m <<= shift
        root = isqrt(m)
        return self.round(False, (root << 1) | (root * root != m), (e - shift) // 2 - 1)

    def fma(self, a, b, c):
        """a b + c with one rounding."""
        inf = self.inf
        x, y, z = a & self.mask, b & self.mask, c & self.mask
        sign = (a ^ b) & self.sign
        if x >= inf or y >= inf or z >= inf:
            if x > inf or y > inf or z > inf:
                return self.nan
            if x == inf or y == inf:
                if not x or not y or (z == inf and (c & self.sign) != sign):
                    return self.nan
                return inf | sign
            return c
        if not x or not y:
            if z:
                return c
            return c & (sign | self.mask)          # -0 + -0 is -0, any other pair +0
        m, e = self.parts(x)
        n, f = self.parts(y)
        m *= n
        e += f
        if sign:
            m = -m
        n, f = self.parts(c)
        if e > f:
            m <<= e - f
            e = f
        elif f > e:
            n <<= f - e
        m += n
        if m == 0:
            # The exact sum is a zero: of opposite signs +0; c cannot be a zero here.
            return 0
        return self.round(m < 0, abs(m), e)

    # ---- orders -------------------------------------------------------------------------

    def key(self, a):
        """An integer that sorts by the total order: -inf < .. < -0 < +0 < .. < +inf < NaN."""
        if (a & self.mask) > self.inf:
            return self.inf + 1
        return -1 - (a & self.mask) if a & self.sign else a

    def top(self, a, b):
        """Max of the total order."""
        return self.canon(a if self.key(a) >= self.key(b) else b)

    def equal(self, a, b):
        """IEEE: a NaN equals nothing, -0 equals +0."""
        x, y = a & self.mask, b & self.mask
        return x <= self.inf and y <= self.inf and (a == b or (not x and not y))

    def greater(self, a, b):
        """IEEE a > b."""
        x, y = a & self.mask, b & self.mask
        if x > self.inf or y > self.inf or (not x and not y):
            return False
        return self.key(a) > self.key(b)


F32 = Float("f32", 32, 24)
F64 = Float("f64", 64, 53)
F16 = Float("f16", 16, 11)
BF16 = Float("bf16", 16, 8)
HALVES = ("f16", "bf16")           # storage: computed in f32, rounded once when stored


def convert(source, target, a):
    """Round a pattern of one float format once into another."""
    x = a & source.mask
    negative = bool(a & source.sign)
    if x > source.inf:
        return target.nan
    if x == source.inf:
        return target.ninf if negative else target.inf
    if not x:
        return target.nzero if negative else 0
    m, e = source.parts(x)
    return target.round(negative, m, e)


def to_f64(a):
    """A binary32 pattern as binary64 (exact)."""
    return convert(F32, F64, a)


def to_f32(a):
    """A binary64 pattern rounded once to binary32."""
    return convert(F64, F32, a)


class Int:
    """Integers mod 2^width as bit patterns, with the float class's names."""

    def __init__(self, name, width, signed):
        self.name = name
        self.width = width
        self.size = width // 8
        self.signed = signed
        self.mask = (1 << width) - 1
        self.zero = 0
        self.one = 1
        self.least = 1 << (width - 1) if signed else 0

    def value(self, a):
        return a - (1 << self.width) if self.signed and a >> (self.width - 1) else a

    def canon(self, a):
        return a

    def neg(self, a):
        return -a & self.mask

    def add(self, a, b):
        return (a + b) & self.mask

    def sub(self, a, b):
        return (a - b) & self.mask

    def mul(self, a, b):
        return (a * b) & self.mask

    def fma(self, a, b, c):
        return (a * b + c) & self.mask

    def div(self, a, b):
        """Toward zero; by zero 0; INT_MIN / -1 wraps to INT_MIN."""
        x, y = self.value(a), self.value(b)
        if y == 0:
            return 0
        q = abs(x) // abs(y)
        return (q if (x < 0) == (y < 0) else -q) & self.mask

    def key(self, a):
        return self.value(a)

    def top(self, a, b):
        return a if self.value(a) >= self.value(b) else b

    def equal(self, a, b):
        return a == b

    def greater(self, a, b):
        return self.value(a) > self.value(b)


class Bool:
    """A byte; read as (byte != 0). Operators that keep bits keep the byte."""

    name = "bool"
    width = 8
    size = 1
    mask = 255
    zero = 0
    one = 1

    def canon(self, a):
        return 1 if a else 0

    def equal(self, a, b):
        return (a != 0) == (b != 0)


INTS = tuple(Int("%s%d" % (c, w), w, c == "i") for c in "iu" for w in (8, 16, 32, 64))
I8, I16, I32, I64, U8, U16, U32, U64 = INTS
BOOL = Bool()
TYPES = {t.name: t for t in (F32, F64, F16, BF16, *INTS, BOOL)}
FLOATS = ("f32", "f64")            # the float types that are computed in
NUMBERS = ("f32", "f64", "i32", "i64", "u8")
ALL = ("f32", "f64", "i32", "i64", "u8", "bool")
NARROW = ("i8", "i16", "u16", "u32", "u64")
