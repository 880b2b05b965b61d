"""cases_elementwise.py - the cases of the operators of ops_elementwise.py."""

from book import G
from cases_map import ACT_AT, RISES, shape_text, specials
from soft import FLOATS, NUMBERS, TYPES
from tensor import f32, float_specials, flt, int_specials, ints, lit

SIZES = (1, 33, 1000)
SHAPES = (((), ()), ((3, 1), (1, 4)), ((2, 3, 4), (4,)), ((0, 3), (1, 3)), ((2, 1, 33), (4, 1)))
INTEGERS = ("i32", "i64", "u8")
HALVES = [0.25, 0.49999997, 0.5, 0.75, 1.0, 1.5, 2.5, 3.5, 8388607.5, 8388608.0, 4194303.5,
          4194304.5, 2.0 ** 52 - 0.5, 2.0 ** 52, 2.0 ** 51 + 0.5]


def kinds(dtype):
    return ("bits",) if dtype == "bool" else ("small", "bits", "special")


def near(dtype, values):
    t, out = TYPES[dtype], []
    for v in values:
        b = t.of_ratio(*v.as_integer_ratio())
        out += [p ^ s for p in (b - 1, b, b + 1) for s in (0, t.sign)]
    return out


def table_of(dtype):
    t = TYPES[dtype]
    return float_specials(t) if dtype in FLOATS else int_specials(t)


def unary(dtypes, values=(), attrs=({},)):
    def fill(book):
        for at in attrs:
            tail = "".join("-%s%x" % kv for kv in at.items())
            for dtype in dtypes:
                name = dtype + tail
                for n in SIZES:
                    book.add("%s-%d" % (name, n),
                             [G(dtype, (n,), "normal" if dtype in FLOATS else "bits")], at)
                for kind in kinds(dtype):
                    book.add("%s-%s" % (name, kind), [G(dtype, (500,), kind)], at)
                if dtype != "bool":
                    book.add(name + "-specials", [lit(dtype, (16,), table_of(dtype))], at)
                part = near(dtype, values) if dtype in FLOATS else []
                for k in range(0, len(part), 60):
                    some = part[k:k + 60]
                    book.add("%s-near-%d" % (name, k // 60), [lit(dtype, (len(some),), some)], at)
                book.add(name + "-empty", [G(dtype, (0, 3), "bits")], at)
                book.add(name + "-scalar", [G(dtype, (), "bits")], at)
    return fill


def binary(dtypes, attrs_of=lambda dtype: ({},)):
    def fill(book):
        for dtype in dtypes:
            for at in attrs_of(dtype):
                name = dtype + "".join("-%s%d" % kv for kv in at.items())
                for n in SIZES:
                    kind = "wide" if dtype in FLOATS else "bits"
                    book.add("%s-%d" % (name, n), [G(dtype, (n,), kind)] * 2, at)
                for kind in kinds(dtype):
                    book.add("%s-%s" % (name, kind), [G(dtype, (20, 50), kind)] * 2, at)
                if dtype != "bool":
                    a, b = specials(dtype)
                    book.add(name + "-special-pairs", [a, b], at)
                    for k in (1, 11):
                        book.add("%s-special-%d" % (name, k),
                                 [lit(dtype, (), [a.bits[k]]), lit(dtype, (16,), b.bits)], at)
        for a, b in SHAPES:
            dtype = dtypes[0]
            kind = "normal" if dtype in FLOATS else "bits"
            book.add("shape-%s-%s" % (shape_text(a), shape_text(b)),
                     [G(dtype, a, kind), G(dtype, b, kind)], attrs_of(dtype)[0])
    return fill


def several(dtypes):
    """Of one tensor, two and five, and as many as a node may have."""
    def fill(book):
        for dtype in dtypes:
            for n in (1, 2, 5):
                for kind in kinds(dtype):
                    book.add("%s-%d-%s" % (dtype, n, kind), [G(dtype, (300,), kind)] * n)
            a, b = specials(dtype)
            book.add(dtype + "-special-pairs", [a, b])
            book.add(dtype + "-specials", [lit(dtype, (16,), table_of(dtype))])
            book.add(dtype + "-shapes", [G(dtype, (2, 1, 5), "small"), G(dtype, (), "small"),
                                         G(dtype, (3, 1), "small"), G(dtype, (5,), "small")])
            book.add(dtype + "-empty", [G(dtype, (0,), "bits"), G(dtype, (1,), "bits")])
        book.add("widest", [G(dtypes[0], (2,), "small")] * 64)
    return fill


def _clip(book):
    for dtype in NUMBERS:
        t = TYPES[dtype]
        table = table_of(dtype)

        def scalar(v):
            return flt(dtype, (), [v]) if dtype in FLOATS else ints(dtype, (), [v])
        for kind in ("bits", "special"):
            x = G(dtype, (300,), kind)
            book.add("%s-%s-both" % (dtype, kind), [x, scalar(2), scalar(5)])
            book.add("%s-%s-min" % (dtype, kind), [x, scalar(1), None])
            book.add("%s-%s-max" % (dtype, kind), [x, None, scalar(3)])
            book.add("%s-%s-crossed" % (dtype, kind), [x, scalar(5), scalar(2)])
        all_of = lit(dtype, (16,), table)
        for k in (1, 10, 13):
            book.add("%s-special-%d" % (dtype, k), [all_of, lit(dtype, (), [table[k]]), None])
            book.add("%s-special-max-%d" % (dtype, k),
                     [all_of, lit(dtype, (), [table[5]]), lit(dtype, (), [table[k]])])
        book.add(dtype + "-unbounded", [all_of, None, None])
        book.add(dtype + "-empty", [G(dtype, (0, 2), "bits"), lit(dtype, (), [t.one]), None])


def _mod_attrs(dtype):
    return ({"fmod": 1},) if dtype in FLOATS else ({"fmod": 0}, {"fmod": 1})


def _mod(book):
    binary(NUMBERS, _mod_attrs)(book)
    for dtype in FLOATS:
        t = TYPES[dtype]
        book.add(dtype + "-far", [lit(dtype, (8, 1), [t.max, t.max - 1, t.inf - t.hidden, t.one,
                                                      t.sign | t.max, t.hidden, 5, 1]),
                                  lit(dtype, (1, 8), [1, 3, t.hidden - 1, t.hidden, t.one,
                                                      t.hidden + 1, t.sign | 7, t.max])],
                 {"fmod": 1})


def _pow(book):
    binary(("f32",) + INTEGERS)(book)
    ys = [0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 7.0, 10.0, 31.0, 1023.0, 1024.0, 1025.0, 16777215.0,
          16777216.0, 16777218.0, 8388607.5]
    ys += [-y for y in ys]
    xs = [-3.0, -1.0, -0.5, 0.5, 0.9999999, 1.0000001, 1.1, 1.5, 2.0, 3.0, 10.0, 1e-3, 1e30]
    bits = [TYPES["f32"].of_ratio(*v.as_integer_ratio()) for v in xs]
    for k in range(0, 32, 4):
        book.add("exponents-%d" % (k // 4),
                 [lit("f32", (13, 1), bits), flt("f32", (1, 4), ys[k:k + 4])])
    book.add("small-exponents", [G("f32", (500,)), G("f32", (500,), "small")])
    book.add("normal", [G("f32", (1000,), "positive"), G("f32", (1000,))])
    for dtype in INTEGERS:
        small = ints(dtype, (1, 9), [0, 1, 2, 3, 5, 31, 63, 64, 7])
        book.add(dtype + "-small-exponents", [lit(dtype, (16, 1), table_of(dtype)), small])


def _bit_shift(book):
    binary(INTEGERS, lambda _: ({"direction": 0}, {"direction": 1}))(book)
    for dtype in INTEGERS:
        width = TYPES[dtype].width
        by = ints(dtype, (1, 6), [0, 1, width - 1, width, width + 1, -1])
        for direction in (0, 1):
            book.add("%s-by-%d" % (dtype, direction),
                     [lit(dtype, (16, 1), table_of(dtype)), by], {"direction": direction})
    for dtype in INTEGERS:
        book.add(dtype + "-below", [G(dtype, (500,), "bits"),
                                    G(dtype, (500,), "below", TYPES[dtype].width)],
                 {"direction": 1})


def _prelu(book):
    for dtype in NUMBERS:
        for kind in ("bits", "special"):
            book.add("%s-%s" % (dtype, kind), [G(dtype, (20, 50), kind), G(dtype, (50,), kind)])
        book.add(dtype + "-special-pairs", [lit(dtype, (16, 16), [v for v in table_of(dtype)] * 16),
                                            lit(dtype, (16, 1), table_of(dtype))])
        book.add(dtype + "-scalar", [G(dtype, (), "bits"), G(dtype, (), "bits")])
        book.add(dtype + "-empty", [G(dtype, (0, 2), "bits"), G(dtype, (2,), "bits")])
    book.add("slope-per-channel", [G("f32", (2, 3, 4, 5)), G("f32", (3, 1, 1))])


def real(**values):
    """Attributes from numbers."""
    return {name: f32(float(v)) for name, v in values.items()}


def both(values, values64):
    """Cases of binary32, then those of binary64."""
    def fill(book):
        unary(("f32",), values)(book)
        unary(("f64",), values64)(book)
    return fill


QUARTERS = [0.7853981633974483, 1.5707963267948966, 3.141592653589793, 11.0, 22.0, 710.0, 1e5, 1e9,
            16367173.0 * 2.0 ** 72, 2.0 ** 100, 6381956970095103.0 * 2.0 ** 797, 1e300]
QUARTERS32 = [q for q in QUARTERS if q < 1e30] + [2.0 ** 127]
ROOTS = [2.0 ** -149, 2.0 ** -32, 2.0 ** -30, 2.0 ** -24, 2.0 ** -12, 0.03125, 0.09375, 0.25, 0.5,
         0.7071067811865476, 0.96875, 1.0, 1.25, 2.0, 2.0 ** 64, 2.0 ** 100, 2.0 ** 101, 2.0 ** 127]



def powers_of_e(attrs):
    def fill(book):
        unary(("f32",), ACT_AT, attrs)(book)
        unary(("f64",), RISES, attrs)(book)
    return fill


def _is_inf_attrs():
    return [{"detect_negative": n, "detect_positive": p} for n in (0, 1) for p in (0, 1)]


CASES = {
    "Abs": unary(NUMBERS), "Sign": unary(NUMBERS), "Floor": unary(FLOATS, HALVES),
    "Ceil": unary(FLOATS, HALVES), "Round": unary(FLOATS, HALVES),
    "Reciprocal": unary(FLOATS, [1.0, 3.0, 2.0 ** -126, 2.0 ** 127]),
    "GreaterOrEqual": binary(NUMBERS), "Less": binary(NUMBERS), "LessOrEqual": binary(NUMBERS),
    "And": binary(("bool",)), "Or": binary(("bool",)), "Xor": binary(("bool",)),
    "Not": unary(("bool",)), "BitwiseAnd": binary(INTEGERS), "BitwiseOr": binary(INTEGERS),
    "BitwiseXor": binary(INTEGERS), "BitwiseNot": unary(INTEGERS),
    "BitShift": _bit_shift, "IsNaN": unary(FLOATS), "IsInf": unary(FLOATS, (), _is_inf_attrs()),
    "Max": several(NUMBERS), "Min": several(NUMBERS), "Clip": _clip, "Sum": several(FLOATS),
    "Mean": several(FLOATS), "Mod": _mod, "Pow": _pow, "PRelu": _prelu,
    "LeakyRelu": unary(FLOATS, [1.0], [real(alpha=0.01), real(alpha=-2.0), real(alpha=0.0)]),
    "ThresholdedRelu": unary(FLOATS, [1.0, 0.25], [real(alpha=1.0), real(alpha=-0.25)]),
    "Shrink": unary(FLOATS, [0.5, 1.5], [real(bias=0.0, lambd=0.5), real(bias=1.5, lambd=1.5),
                                         real(bias=0.1, lambd=-0.5)]),
    "HardSigmoid": unary(FLOATS, [2.5, 3.0], [real(alpha=0.2, beta=0.5), real(alpha=-1, beta=0)]),
    "HardSwish": unary(FLOATS, [3.0, 2.9999998]), "Softsign": unary(FLOATS, [1.0, 2.0 ** 24]),
    "Erf": both(ACT_AT + [3.9, 3.99, 4.0], RISES), "Softplus": both(ACT_AT, RISES),
    "Mish": both(ACT_AT, RISES),
    "Elu": powers_of_e([real(alpha=1.0), real(alpha=-0.3), real(alpha=0.0)]),
    "Selu": powers_of_e([real(alpha=1.6732632, gamma=1.050701), real(alpha=3.0, gamma=-0.5)]),
    "Celu": powers_of_e([real(alpha=1.0), real(alpha=-0.3), real(alpha=0.0)]),
    "Swish": powers_of_e([real(alpha=1.0), real(alpha=-0.3), real(alpha=0.0)]),
}
CASES.update((name, both(QUARTERS32, QUARTERS)) for name in ("Sin", "Cos", "Tan"))
CASES.update((name, both(ROOTS, ROOTS)) for name in ("Asin", "Acos", "Atan", "Asinh", "Acosh", "Atanh"))
CASES.update((name, both(RISES, RISES)) for name in ("Sinh", "Cosh"))
