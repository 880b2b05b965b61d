"""cases_map.py - the cases of the elementwise operators."""

import functions64 as fn64
from book import G
from ops_map import CODE_OF
from soft import ALL, F32, F64, FLOATS, HALVES, NUMBERS, TYPES, convert
from tensor import Tensor, f32, f64, float_specials, flt, int_specials, ints, lit

SIZES = (1, 31, 32, 33, 64, 100, 1000)
SHAPES = (((), ()), ((), (5,)), ((3, 1), (1, 4)), ((2, 3, 4), (4,)), ((1,), (2, 2)),
          ((2, 1, 3), (4, 1)), ((0, 3), (1, 3)), ((0,), (0,)), ((1,), (0,)),
          ((7, 1, 5, 1), (1, 6, 1, 33)), ((1, 2, 1, 1, 2, 1, 1, 2), (2, 1, 1, 3, 1, 1, 2, 1)))


def specials(dtype):
    """Every pair of special patterns, as two listed tensors of 256."""
    t = TYPES[dtype]
    table = float_specials(t) if dtype in FLOATS else int_specials(t)
    return (lit(dtype, (16, 1), table), lit(dtype, (1, 16), table))


def shape_text(dims):
    return "x".join(str(d) for d in dims) or "scalar"


def binary(dtypes):
    def fill(book):
        for dtype in dtypes:
            kinds = ("bits", "special") if dtype == "bool" else ("small", "bits", "special")
            for n in SIZES:
                kind = "wide" if dtype in FLOATS else "bits"
                book.add("%s-%d" % (dtype, n), [G(dtype, (n,), kind), G(dtype, (n,), kind)])
            for kind in kinds if dtype != "bool" else ("bits",):
                book.add("%s-%s" % (dtype, kind),
                         [G(dtype, (10, 100), kind), G(dtype, (10, 100), kind)])
            if dtype != "bool":
                book.add("%s-special-pairs" % dtype, specials(dtype))
                a, b = specials(dtype)
                for k in range(16):
                    book.add("%s-special-%d" % (dtype, k),
                             [lit(dtype, (), [a.bits[k]]), lit(dtype, (16,), b.bits)])
        for a, b in SHAPES:
            dtype = "f32" if "f32" in dtypes else dtypes[0]
            book.add("shape-%s-%s" % (shape_text(a), shape_text(b)), [G(dtype, a), G(dtype, b)])
    return fill


def unary(dtypes, values=()):
    """values: extra exact numbers, their neighbours and negatives are tried too."""
    def fill(book):
        for dtype in dtypes:
            t = TYPES[dtype]
            for n in SIZES:
                kind = "normal" if dtype in FLOATS else "bits"
                book.add("%s-%d" % (dtype, n), [G(dtype, (n,), kind)])
            for kind in ("small", "bits", "special"):
                book.add("%s-%s" % (dtype, kind), [G(dtype, (2000,), kind)])
            table = float_specials(t) if dtype in FLOATS else int_specials(t)
            book.add("%s-specials" % dtype, [lit(dtype, (16,), table)])
            if dtype in FLOATS:
                book.add("%s-wide" % dtype, [G(dtype, (1000,), "wide")])
                book.add("%s-positive" % dtype, [G(dtype, (1000,), "positive")])
            book.add("%s-empty" % dtype, [G(dtype, (0, 3), "bits")])
            book.add("%s-scalar" % dtype, [G(dtype, (), "bits")])
            near = []
            for v in values if dtype in FLOATS else ():
                bits = t.of_ratio(*v.as_integer_ratio())
                near += [b ^ s for b in (bits - 1, bits, bits + 1) for s in (0, t.sign)]
            for k in range(0, len(near), 60):
                part = near[k:k + 60]
                book.add("%s-near-%d" % (dtype, k // 60), [lit(dtype, (len(part),), part)])
    return fill


def pair(dtypes, attrs=None, first="special", second="special"):
    """Operators of two tensors of one shape (gradients)."""
    def fill(book):
        for which in attrs or [{}]:
            tail = "".join("-%s%d" % kv for kv in which.items())
            for dtype in dtypes:
                for n in SIZES:
                    book.add("%s-%d%s" % (dtype, n, tail),
                             [G(dtype, (n,)), G(dtype, (n,))], which)
                for kind in ("bits", "special", "small", "wide"):
                    book.add("%s-%s%s" % (dtype, kind, tail),
                             [G(dtype, (1000,), kind), G(dtype, (1000,), kind)], which)
                table = float_specials(TYPES[dtype])
                for k, v in enumerate(table):
                    book.add("%s-special-%d%s" % (dtype, k, tail),
                             [lit(dtype, (16,), [v] * 16), lit(dtype, (16,), table)], which)
                book.add("%s-empty%s" % (dtype, tail), [G(dtype, (0,)), G(dtype, (0,))], which)
                book.add("%s-scalar%s" % (dtype, tail), [G(dtype, ()), G(dtype, ())], which)
    return fill


TINY = [2.0 ** -k for k in (149, 148, 140, 127, 126, 125, 60, 30, 25, 24, 23, 13, 12, 11)]
EXP_AT = TINY + [88.0, 88.72283, 88.72284, 87.33654, 103.27893, 103.97207, 104.0, 0.6931472,
                 0.34657359, 1.0, 2.0, 16.0, 1e10]
EXP64_AT = [709.0, 709.782712893384, 709.79, 710.0, 711.0, 708.3964185322641, 744.0, 745.0,
            745.1332191019411, 745.14, 746.0, 747.0, 0.34657359027997264, 0.6931471805599453, 1.0,
            2.0 ** -54, 2.0 ** -53, 2.0 ** -30, 1e300]
LOG_AT = TINY + [1.0, 0.70710678, 1.4142135, 2.0, 2.718281828, 10.0, 0.99, 1.01, 1e38]
LOG64_AT = [1.0, 0.7071067811865476, 1.4142135623730951, 2.0, 0.5, 4.0, 2.718281828459045, 10.0,
            5e-324, 2.2250738585072014e-308, 1e308, 1e-310]
ACT_AT = TINY + [0.25, 0.5, 0.75, 0.7517916, 1.0, 2.0, 3.0, 5.0, 8.0, 9.0, 9.01, 10.0, 12.0, 13.0,
                 14.0, 16.0, 17.0, 18.0, 20.0, 50.0, 88.0, 88.72284, 103.0, 104.0, 1000.0, 1e30]

RISES = [2.0 ** -149, 2.0 ** -53, 2.0 ** -30, 2.0 ** -24, 0.25, 0.5, 0.75, 1.0, 4.0, 6.0, 8.5, 22.0,
         39.0, 40.0, 88.72284, 89.4, 104.0, 110.0, 700.0, 709.0, 709.782712893384,
         710.4758600739439, 720.0, 745.1, 760.0]


def gelu_like(grad):
    def wide(book, at):
        """The cases of binary64."""
        mode = at["approximate"]

        def add(name, x):
            one = lit("f64", x.dims, [F64.one] * len(x.bits)) if isinstance(x, Tensor) else x
            book.add("f64-%s-mode%d" % (name, mode), [one, x] if grad else [x], at)
        for kind in ("normal", "bits", "special", "small", "wide"):
            add(kind, G("f64", (500,), kind))
        add("specials", lit("f64", (16,), float_specials(F64)))
        for k, v in enumerate(RISES):
            bits = f64(v)
            add("near-%d" % k, lit("f64", (6,), [b ^ s for b in (bits - 1, bits, bits + 1)
                                                  for s in (0, F64.sign)]))
        zero = (fn64.ZERO_TANH if mode else fn64.ZERO_NORMAL)[0][0]
        add("zero", lit("f64", (105,), [zero] + [zero + s * (1 << e) for e in range(52)
                                                 for s in (-1, 1)]))
        add("empty", G("f64", (0, 2)))
        add("scalar", G("f64", ()))

    def fill(book):
        for mode in (0, 1):
            at = {"approximate": mode}
            for n in SIZES:
                xs = [G("f32", (n,)), G("f32", (n,))]
                book.add("%d-mode%d" % (n, mode), xs if grad else xs[:1], at)
            for kind in ("bits", "special", "small", "wide"):
                xs = [G("f32", (2000,), kind), G("f32", (2000,), kind)]
                book.add("%s-mode%d" % (kind, mode), xs if grad else xs[:1], at)
            table = float_specials(F32)
            xs = [lit("f32", (16,), table)]
            one = [lit("f32", (16,), [F32.one] * 16)]
            book.add("specials-mode%d" % mode, one + xs if grad else xs, at)
            near = []
            for v in ACT_AT:
                bits = f32(v)
                near += [b ^ s for b in (bits - 1, bits, bits + 1) for s in (0, F32.sign)]
            for k in range(0, len(near), 60):
                part = near[k:k + 60]
                xs = [lit("f32", (len(part),), part)]
                one = [lit("f32", (len(part),), [F32.one] * len(part))]
                book.add("near-%d-mode%d" % (k // 60, mode), one + xs if grad else xs, at)
            xs = [G("f32", (0, 2)), G("f32", (0, 2))]
            book.add("empty-mode%d" % mode, xs if grad else xs[:1], at)
            xs = [G("f32", ()), G("f32", ())]
            book.add("scalar-mode%d" % mode, xs if grad else xs[:1], at)
            wide(book, at)
    return fill


def _exp(book):
    unary(("f32",), EXP_AT)(book)
    unary(("f64",), EXP64_AT)(book)


def _log(book):
    unary(("f32",), LOG_AT)(book)
    unary(("f64",), LOG64_AT)(book)


def _squash(book):
    unary(("f32",), ACT_AT)(book)
    unary(("f64",), RISES)(book)


# ---- Where, Cast --------------------------------------------------------------------------

def _where(book):
    for dtype in ALL:
        for n in SIZES:
            book.add("%s-%d" % (dtype, n),
                     [G("bool", (n,), "small"), G(dtype, (n,), "bits"), G(dtype, (n,), "bits")])
        book.add("%s-special" % dtype,
                 [G("bool", (500,), "bits")] +
                 [G(dtype, (500,), "bits" if dtype == "bool" else "special")] * 2)
    book.add("condition-bytes", [lit("bool", (6,), [0, 1, 2, 128, 255, 0]),
                                 ints("i32", (), [1]), ints("i32", (), [-1])])
    table = float_specials(F32)
    book.add("keeps-bits", [lit("bool", (16,), [1] * 16), lit("f32", (16,), table),
                            lit("f32", (16,), table[::-1])])
    for c, x, y in (((3, 1), (1, 4), ()), ((), (2, 3), (3,)), ((2, 1, 2), (3, 1), (1,)),
                    ((0,), (1,), ()), ((1,), (0, 2), (1, 2)), ((4, 33), (33,), (4, 1))):
        book.add("shape-%s-%s-%s" % (shape_text(c), shape_text(x), shape_text(y)),
                 [G("bool", c, "small"), G("f32", x), G("f32", y)])


def _bounds(t):
    """Numbers around the edges of every integer type, as a float type holds them."""
    out = []
    for v in (0, 1, 2, 127, 128, 255, 256, 2 ** 31 - 1, 2 ** 31, 2 ** 31 + 1, 2 ** 32, 2 ** 53,
              2 ** 63 - 1, 2 ** 63, 2 ** 64, 2 ** 24 + 1):
        bits = t.of_int(v)
        out += [bits, bits ^ t.sign, bits + 1, (bits - 1) & t.mask, (bits + 1) ^ t.sign]
    for n, d in ((1, 2), (3, 2), (5, 2), (255 * 2 + 1, 2), (-1, 2), (-257, 2), (999, 1000)):
        out.append(t.of_ratio(n, d))
    return out


def _cast_narrow(book, ties):
    """Every pair with a dtype of 16 bits or of the other integers."""
    for source in TYPES:
        s = TYPES[source]
        for target in TYPES:
            if source in ALL and target in ALL:
                continue
            at, name = {"to": CODE_OF[target]}, "%s-%s" % (source, target)
            book.add(name + "-bits", [G(source, (200,), "bits")], at)
            if source == "bool":
                continue
            floats = source in FLOATS + HALVES
            table = float_specials(s) if floats else int_specials(s)
            book.add(name + "-specials", [lit(source, (16,), table)], at)
            if floats:
                bounds = _bounds(s)
                book.add(name + "-bounds", [lit(source, (len(bounds),), bounds)], at)
    one, f16 = 1 << 52, TYPES["f16"]
    for target in HALVES:
        t = TYPES[target]
        last = [2 ** t.p + 1, 2 ** t.p + 3, 2 ** (t.p + 20) + 2 ** 20, 2 ** (t.p + 20) + 2 ** 20 + 1,
                65504, 65519, 65520, 65536, 2 ** 63 - 1]
        for source in ("i64", "u64"):
            values = ties + last + [-v for v in last if source == "i64"]
            book.add("%s-%s-ties" % (source, target), [ints(source, (len(values),), values)],
                     {"to": CODE_OF[target]})
        half = one >> t.p                # half a last place of 1, in binary64's fraction
        low = (F64.bias + t.emin) << 52  # the least subnormal
        down = [F64.one + half, F64.one + half + 1, F64.one + half - 1, F64.one + 3 * half,
                F64.one + half + (1 << 12), low, low - one, low - one + 1, low - one - 1, low + half]
        down += [b | F64.sign for b in down]
        book.add("f64-%s-rounding" % target, [lit("f64", (len(down),), down)],
                 {"to": CODE_OF[target]})
    tops = [convert(f16, F32, f16.max) + d for d in (0, 4095, 4096, 8191)]
    book.add("f32-f16-top", [lit("f32", (4,), tops)], {"to": CODE_OF["f16"]})


def _cast(book):
    for source in ALL:
        s = TYPES[source]
        for target in ALL:
            at = {"to": CODE_OF[target]}
            name = "%s-%s" % (source, target)
            book.add(name + "-bits", [G(source, (1000,), "bits")], at)
            if source == "bool":
                book.add(name + "-bytes", [lit("bool", (5,), [0, 1, 2, 128, 255])], at)
                continue
            table = float_specials(s) if source in FLOATS else int_specials(s)
            book.add(name + "-specials", [lit(source, (16,), table)], at)
            book.add(name + "-small", [G(source, (100,), "small")], at)
            if source in FLOATS:
                book.add(name + "-wide", [G(source, (1000,), "wide")], at)
                bounds = _bounds(s)
                for k in range(0, len(bounds), 60):
                    part = bounds[k:k + 60]
                    book.add("%s-bounds-%d" % (name, k // 60),
                             [lit(source, (len(part),), part)], at)
    ties = [2 ** 24 + 1, 2 ** 24 + 3, -(2 ** 24) - 1, 2 ** 25 + 2, 2 ** 25 + 6, 2 ** 53 + 1,
            2 ** 53 + 3, -(2 ** 53) - 1, 2 ** 63 - 1, 2 ** 63 - 512, 2 ** 62 + 2 ** 38,
            2 ** 62 + 2 ** 38 + 1, 16777217 << 30, (16777217 << 30) + 1]
    for target in FLOATS:
        book.add("i64-%s-ties" % target, [ints("i64", (len(ties),), ties)],
                 {"to": CODE_OF[target]})
    one = F64.one
    down = [one + (1 << 28), one + (1 << 28) + 1, one + (1 << 28) - 1, one + (3 << 28),
            f64(2.0 ** -149), f64(2.0 ** -150), f64(2.0 ** -150) + 1, f64(2.0 ** -151),
            f64(2.0 ** -126) - 1, f64(3.4028235677973366e38), f64(3.4028235677973366e38) - 1,
            f64(1e300), F64.sign | f64(2.0 ** -150)]
    book.add("f64-f32-rounding", [lit("f64", (len(down),), down)], {"to": CODE_OF["f32"]})
    book.add("empty", [G("f32", (0, 4))], {"to": CODE_OF["i64"]})
    book.add("scalar", [flt("f64", (), [-3.75])], {"to": CODE_OF["u8"]})
    _cast_narrow(book, ties)


# ---- optimizers ---------------------------------------------------------------------------

def sgd_attrs(momentum=0.0, dampening=0.0, weight_decay=0.0, nesterov=0):
    return {"momentum": f64(momentum), "dampening": f64(dampening),
            "weight_decay": f64(weight_decay), "nesterov": nesterov}


def _sgd(book):
    rate = flt("f32", (), [0.1])
    for n in SIZES:
        x = G("f32", (n,))
        book.add("plain-%d" % n, [x, x, rate, None], sgd_attrs())
        book.add("momentum-%d" % n, [x, x, rate, x], sgd_attrs(0.9), 2)
    for name, at in (("decay", sgd_attrs(weight_decay=0.01)),
                     ("decay-under-f32", sgd_attrs(weight_decay=1e-60)),
                     ("dampening-ignored", sgd_attrs(dampening=0.5))):
        for kind in ("normal", "special", "bits"):
            x = G("f32", (20, 20), kind)
            book.add("%s-%s" % (name, kind), [x, x, rate, None], at)
            book.add("%s-%s-slot" % (name, kind), [x, x, rate, None], at, 2)
    for name, at in (("momentum", sgd_attrs(0.9)), ("damped", sgd_attrs(0.9, 0.3)),
                     ("damped-1", sgd_attrs(0.9, 1.0)),
                     ("nesterov", sgd_attrs(0.9, nesterov=1)),
                     ("all", sgd_attrs(0.95, 0.1, 0.0005, 1)),
                     ("all-but-nesterov", sgd_attrs(0.95, 0.1, 0.0005)),
                     ("dampening-near-1", sgd_attrs(0.9, 0.999)),
                     ("zero-momentum-with-slot", sgd_attrs(0.0, 0.25))):
        for kind in ("normal", "special", "bits", "wide"):
            x = G("f32", (20, 20), kind)
            book.add("%s-%s" % (name, kind), [x, x, rate, x], at, 2)
        x = G("f32", (12,))
        book.add("%s-no-slot-output" % name, [x, x, rate, x], at, 1)
    for r in ("inf", "nan", "-0", 0, -1):
        x = G("f32", (16,), "special")
        book.add("rate-%s" % r, [x, x, flt("f32", (), [r]), x], sgd_attrs(0.9), 2)
    x = G("f32", (0, 3))
    book.add("empty", [x, x, rate, x], sgd_attrs(0.9), 2)
    x = G("f32", ())
    book.add("scalar", [x, x, rate, x], sgd_attrs(0.9), 2)
    x = G("f32", (2, 3, 1, 2))
    book.add("rank-4", [x, x, rate, None], sgd_attrs(), 2)


def adamw_attrs(beta1=0.9, beta2=0.999, epsilon=1e-8, weight_decay=0.01, decoupled=1):
    return {"beta1": f64(beta1), "beta2": f64(beta2), "epsilon": f64(epsilon),
            "weight_decay": f64(weight_decay), "decoupled": decoupled}


def _adamw(book):
    rate = flt("f32", (), [0.001])

    def powers(steps, beta1=0.9, beta2=0.999):
        out = []
        for beta in (beta1, beta2):
            p = F64.one
            for _ in range(steps):
                p = F64.mul(p, f64(beta))
            out.append(lit("f64", (), [p]))
        return out

    def run(name, dims, kind, at, at_step=1, lr=rate, power=None):
        x, v = G("f32", dims, kind), G("f32", dims, "positive" if kind == "normal" else kind)
        book.add(name, [x, x, lr] + (power or powers(at_step)) + [x, v], at, 3)

    for n in SIZES:
        run("size-%d" % n, (n,), "normal", adamw_attrs(), 3)
    for decoupled in (0, 1):
        for kind in ("normal", "special", "bits", "wide"):
            for step in (1, 15, 1000):
                run("decoupled%d-%s-step%d" % (decoupled, kind, step), (20, 20), kind,
                    adamw_attrs(decoupled=decoupled), step)
            run("decoupled%d-%s-no-decay" % (decoupled, kind), (20, 20), kind,
                adamw_attrs(weight_decay=0.0, decoupled=decoupled), 2)
    for decoupled in (0, 1):
        zero = flt("f32", (8,), [0, "-0", 1, -1, "inf", "-inf", "nan", "max"])
        still = flt("f32", (8,), [0] * 8)
        book.add("first-step-decoupled%d" % decoupled,
                 [zero, zero, rate] + powers(1) + [still, still],
                 adamw_attrs(decoupled=decoupled), 3)
        book.add("zero-gradient-decoupled%d" % decoupled,
                 [zero, still, rate] + powers(7) + [still, still],
                 adamw_attrs(decoupled=decoupled), 3)
    run("other-betas", (100,), "normal", adamw_attrs(0.8, 0.95, 1e-6, 0.1))
    run("beta-zero", (16,), "normal", adamw_attrs(0.0, 0.0, 1e-8, 0.0), 1,
        power=[flt("f64", (), [0]), flt("f64", (), [0])])
    run("powers-one", (16,), "normal", adamw_attrs(), power=[flt("f64", (), [1])] * 2)
    run("powers-nan", (16,), "normal", adamw_attrs(), power=[flt("f64", (), ["nan"])] * 2)
    run("powers-negative-variance", (16,), "special", adamw_attrs(),
        power=[flt("f64", (), [2.0]), flt("f64", (), [3.0])])
    for r in ("inf", "nan", 0, "-0"):
        run("rate-%s" % r, (16,), "special", adamw_attrs(), lr=flt("f32", (), [r]))
    run("empty", (0,), "normal", adamw_attrs())
    run("scalar", (), "normal", adamw_attrs())


CASES = {
    "Add": binary(NUMBERS), "Sub": binary(NUMBERS), "Mul": binary(NUMBERS),
    "Div": binary(NUMBERS), "Neg": unary(NUMBERS), "Relu": unary(NUMBERS),
    "ReluGrad": pair(FLOATS), "Gelu": gelu_like(False), "GeluGrad": gelu_like(True),
    "Tanh": _squash, "Sigmoid": _squash, "TanhGrad": pair(FLOATS), "SigmoidGrad": pair(FLOATS),
    "Exp": _exp, "Log": _log,
    "Sqrt": unary(FLOATS, [1.0, 2.0, 4.0, 1e-30, 2.0 ** -126]), "Equal": binary(ALL),
    "Greater": binary(NUMBERS), "Where": _where, "Cast": _cast, "SGD": _sgd, "AdamW": _adamw,
}
