"""cases_contract.py - the cases of MatMul, Gemm, Conv and its gradients."""

from book import G
from ops_contract import out_dims
from soft import FLOATS, NUMBERS
from tensor import f32, flt, lit, tiny

DEPTHS = (0, 1, 2, 31, 32, 33, 64, 100, 255, 256, 257, 511, 512, 513, 1000, 4095, 4096, 4097,
          4352, 4353, 8192, 8193, 8449, 12289)


def _float(dtype):
    return "normal" if dtype in FLOATS else "bits"


def _matmul(book):
    for k in DEPTHS:
        book.add("f32-k%d" % k, [G("f32", (2, k)), G("f32", (k, 3))])
    for k in (0, 1, 33, 256, 257, 4097, 8193):
        for dtype in ("f64", "i32", "i64", "u8"):
            kind = _float(dtype)
            book.add("%s-k%d" % (dtype, k), [G(dtype, (2, k), kind), G(dtype, (k, 2), kind)])
    for n in (1, 31, 32, 33, 64, 100):
        book.add("f32-m%d" % n, [G("f32", (n, 5)), G("f32", (5, 3))])
        book.add("f32-n%d" % n, [G("f32", (3, 5)), G("f32", (5, n))])
    book.add("f32-square", [G("f32", (33, 65)), G("f32", (65, 34))])
    book.add("f32-1000", [G("f32", (1, 40)), G("f32", (40, 1000))])
    for dtype in NUMBERS:
        for kind in ("special", "bits", "small"):
            book.add("%s-%s" % (dtype, kind),
                     [G(dtype, (9, 7), kind), G(dtype, (7, 9), kind)])
    book.add("f32-wide", [G("f32", (4, 600), "wide"), G("f32", (600, 4), "wide")])
    book.add("f64-wide", [G("f64", (3, 600), "wide"), G("f64", (600, 3), "wide")])
    book.add("f32-underflow-to-minus-zero",
             [lit("f32", (1, 2), [1, 1]), lit("f32", (2, 1), [0x80000001, 0x80000001])])
    book.add("f32-minus-zero-lost-by-next-block",
             [lit("f32", (1, 257), [1] + [0] * 256),
              lit("f32", (257, 1), [0x80000001] + [0] * 256)])
    book.add("f32-minus-zero-kept-between-blocks",
             [lit("f32", (1, 257), [1] * 257), lit("f32", (257, 1), [0x80000001] * 257)])
    for dtype in FLOATS:
        book.add("%s-subnormal" % dtype, [tiny(dtype, (4, 9), 1), tiny(dtype, (9, 4), 2)])
        book.add("%s-subnormal-factors" % dtype,
                 [lit(dtype, (2, 3), [1, 2, 3, 0x1234, 0x7fffff, 5]), G(dtype, (3, 2))])
    book.add("f32-inf-and-nan", [flt("f32", (2, 2), ["inf", 0, 1, "nan"]),
                                 flt("f32", (2, 2), [0, 1, 1, "-inf"])])
    for a, b in (((4,), (4,)), ((4,), (4, 3)), ((2, 4), (4,)), ((5, 2, 4), (4,)),
                 ((4,), (5, 4, 2)), ((2, 3, 4), (4, 5)), ((2, 3, 4), (2, 4, 5)),
                 ((3, 4), (2, 4, 5)), ((2, 1, 3, 4), (5, 4, 2)), ((1, 3, 4), (6, 4, 1)),
                 ((2, 1, 2, 3), (1, 3, 3, 2)), ((0, 4), (4, 3)), ((2, 4), (4, 0)),
                 ((2, 0), (0, 3)), ((0, 3, 4), (1, 4, 2)), ((0,), (0,)), ((0,), (0, 2))):
        name = "shape-%s-%s" % ("x".join(map(str, a)), "x".join(map(str, b)))
        book.add(name, [G("f32", a), G("f32", b)])


def gemm_attrs(a=0, b=0, alpha=1.0, beta=1.0):
    return {"transA": a, "transB": b, "alpha": f32(alpha), "beta": f32(beta)}


def _gemm(book):
    def run(name, dtype, m, k, n, c, at, kind="normal"):
        a = (k, m) if at["transA"] else (m, k)
        b = (n, k) if at["transB"] else (k, n)
        book.add(name, [G(dtype, a, kind), G(dtype, b, kind),
                        None if c is None else G(dtype, c, kind)], at)

    for dtype in FLOATS:
        for ta in (0, 1):
            for tb in (0, 1):
                run("%s-trans%d%d" % (dtype, ta, tb), dtype, 5, 37, 6, (5, 6), gemm_attrs(ta, tb))
                run("%s-trans%d%d-deep" % (dtype, ta, tb), dtype, 3, 4353, 2, (2,),
                    gemm_attrs(ta, tb, 0.5, 2.0))
        for name, c in (("none", None), ("scalar", ()), ("1", (1,)), ("n", (6,)), ("1xn", (1, 6)),
                        ("mx1", (5, 1)), ("mxn", (5, 6)), ("1x1", (1, 1))):
            run("%s-c-%s" % (dtype, name), dtype, 5, 4, 6, c, gemm_attrs(0, 0, 0.1, -0.3))
        for alpha, beta in ((1.0, 0.0), (0.0, 1.0), (-1.0, 1.0), (0.1, 0.1), (1.0, 1.0)):
            run("%s-alpha%s-beta%s" % (dtype, alpha, beta), dtype, 7, 9, 8, (7, 8),
                gemm_attrs(0, 0, alpha, beta), "special")
    for k in (0, 1, 255, 256, 257, 4095, 4096, 4097, 8193):
        run("f32-k%d" % k, "f32", 2, k, 3, (3,), gemm_attrs())
        run("f32-k%d-no-c" % k, "f32", 2, k, 3, None, gemm_attrs(0, 1))
    for n in (1, 31, 32, 33, 64, 100):
        run("f32-m%d" % n, "f32", n, 6, 3, (3,), gemm_attrs(0, 1))
        run("f32-n%d" % n, "f32", 3, 6, n, (n,), gemm_attrs(1, 0))
    run("f32-bits", "f32", 6, 6, 6, (6, 6), gemm_attrs(), "bits")
    for m, k, n in ((0, 3, 2), (3, 0, 2), (3, 2, 0)):
        run("f32-empty-%d-%d-%d" % (m, k, n), "f32", m, k, n, (n,), gemm_attrs())
    for dtype in FLOATS:
        book.add("%s-subnormal" % dtype,
                 [tiny(dtype, (3, 9), 1), tiny(dtype, (9, 3), 2), tiny(dtype, (3,), 3)],
                 gemm_attrs(alpha=0.5, beta=2.0 ** -64))
    one, minus = lit("f32", (1, 257), [1] * 257), lit("f32", (257, 1), [0x80000001] * 257)
    book.add("f32-minus-zero-kept-between-blocks", [one, minus, None], gemm_attrs())
    book.add("f32-beta-zero-meets-inf",
             [flt("f32", (1, 1), [2]), flt("f32", (1, 1), [3]), flt("f32", (1,), ["inf"])],
             gemm_attrs(beta=0.0))


# ---- convolution --------------------------------------------------------------------------

# name: (n, c, spatial of x), (co, kernel), strides, pads, dilations, group
CONVS = {
    "plain": ((2, 3, 5, 6), (4, 3, 2), (1, 1), (0, 0, 0, 0), (1, 1), 1),
    "pad1": ((1, 2, 5, 5), (3, 3, 3), (1, 1), (1, 1, 1, 1), (1, 1), 1),
    "one-by-one": ((2, 4, 3, 3), (5, 1, 1), (1, 1), (0, 0, 0, 0), (1, 1), 1),
    "stride2": ((1, 2, 7, 8), (3, 3, 3), (2, 2), (1, 1, 1, 1), (1, 1), 1),
    "stride3x2": ((1, 1, 10, 9), (2, 2, 3), (3, 2), (0, 1, 2, 0), (1, 1), 1),
    "stride-over-kernel": ((1, 2, 8, 8), (2, 1, 2), (3, 4), (0, 0, 0, 0), (1, 1), 1),
    "dilated": ((1, 2, 9, 8), (2, 3, 2), (1, 1), (0, 0, 0, 0), (2, 3), 1),
    "dilated-strided-padded": ((2, 2, 9, 9), (2, 3, 3), (2, 3), (2, 1, 3, 2), (2, 2), 1),
    "groups2": ((1, 4, 5, 5), (6, 3, 3), (1, 1), (1, 1, 1, 1), (1, 1), 2),
    "groups3-strided": ((2, 6, 6, 5), (3, 2, 2), (2, 1), (1, 0, 0, 1), (1, 1), 3),
    "depthwise": ((1, 5, 6, 6), (5, 3, 3), (1, 1), (1, 1, 1, 1), (1, 1), 5),
    "depthwise-multiplied": ((1, 2, 5, 5), (6, 2, 2), (2, 2), (1, 1, 0, 0), (1, 2), 2),
    "all-padding": ((1, 1, 2, 2), (1, 3, 3), (2, 2), (4, 4, 4, 4), (1, 1), 1),
    "pad-over-input": ((1, 1, 1, 1), (2, 5, 5), (1, 1), (3, 2, 3, 2), (1, 1), 1),
    "line": ((2, 3, 11), (4, 3), (2,), (1, 2), (2,), 1),
    "line-groups": ((1, 4, 9), (2, 4), (1,), (2, 1), (1,), 2),
    "line-1000": ((1, 1, 1000), (1, 5), (1,), (2, 2), (1,), 1),
    "volume": ((1, 2, 3, 4, 3), (2, 2, 2, 3), (1, 2, 1), (0, 1, 1, 1, 0, 1), (1, 1, 1), 1),
    "volume-groups": ((2, 4, 3, 3, 3), (2, 2, 3, 2), (2, 1, 2), (1, 1, 0, 0, 1, 1), (1, 1, 2), 2),
    "no-images": ((0, 2, 5, 5), (3, 3, 3), (1, 1), (1, 1, 1, 1), (1, 1), 1),
    "to-one": ((3, 2, 4, 4), (2, 4, 4), (1, 1), (0, 0, 0, 0), (1, 1), 1),
    "width31": ((1, 1, 2, 31), (2, 2, 3), (1, 1), (0, 1, 0, 1), (1, 1), 1),
    "width33": ((1, 1, 2, 33), (2, 2, 3), (1, 1), (0, 1, 0, 1), (1, 1), 1),
    "channels33": ((1, 33, 3, 3), (31, 2, 2), (1, 1), (0, 0, 0, 0), (1, 1), 1),
}
# Depth of the forward contraction = c * taps.
DEEP = {
    "k252": ((1, 28, 4, 4), (2, 3, 3), (1, 1), (1, 1, 1, 1), (1, 1), 1),
    "k261": ((1, 29, 4, 4), (2, 3, 3), (1, 1), (1, 1, 1, 1), (1, 1), 1),
    "k255": ((1, 255, 2, 2), (2, 1, 1), (1, 1), (0, 0, 0, 0), (1, 1), 1),
    "k256": ((1, 256, 2, 2), (2, 1, 1), (1, 1), (0, 0, 0, 0), (1, 1), 1),
    "k257": ((1, 257, 2, 2), (2, 1, 1), (1, 1), (0, 0, 0, 0), (1, 1), 1),
    "k4095": ((1, 455, 3, 3), (1, 3, 3), (2, 2), (1, 1, 1, 1), (1, 1), 1),
    "k4096": ((1, 1024, 2, 2), (1, 2, 2), (1, 1), (0, 1, 0, 0), (1, 1), 1),
    "k4097": ((1, 4097, 1, 2), (1, 1, 1), (1, 1), (0, 0, 0, 0), (1, 1), 1),
    "k8199": ((1, 911, 3, 3), (1, 3, 3), (1, 1), (0, 1, 0, 0), (1, 1), 1),
    "k512-groups2": ((1, 128, 3, 3), (2, 2, 2), (1, 1), (0, 0, 0, 0), (1, 1), 2),
}
# Depth of the input gradient = co * taps; most taps are skipped where the stride is 2.
DEEP_INPUT = {
    "k255": ((1, 1, 2, 2), (255, 1, 1), (1, 1), (0, 0, 0, 0), (1, 1), 1),
    "k256": ((1, 1, 2, 2), (256, 1, 1), (1, 1), (0, 0, 0, 0), (1, 1), 1),
    "k257": ((1, 2, 2, 2), (257, 1, 1), (1, 1), (0, 0, 0, 0), (1, 1), 1),
    "k261-stride2": ((1, 2, 5, 5), (29, 3, 3), (2, 2), (1, 1, 1, 1), (1, 1), 1),
    "k4095": ((1, 1, 3, 3), (455, 3, 3), (1, 1), (1, 1, 1, 1), (1, 1), 1),
    "k4096-stride2": ((1, 1, 4, 4), (1024, 2, 2), (2, 2), (0, 0, 0, 0), (1, 1), 1),
    "k4097": ((1, 1, 1, 2), (4097, 1, 1), (1, 1), (0, 0, 0, 0), (1, 1), 1),
    "k8199-stride2": ((1, 1, 3, 3), (911, 3, 3), (2, 2), (1, 1, 1, 1), (1, 1), 1),
    "k272-all-skipped-block": ((1, 1, 17, 2), (1, 272, 1), (256, 1), (255, 0, 256, 0), (1, 1), 1),
    "k768-line-skips": ((1, 1, 600), (1, 768), (512,), (400, 300), (1,), 1),
    "k512-groups2": ((1, 2, 3, 3), (256, 2, 2), (1, 1), (0, 0, 0, 0), (1, 1), 2),
}
# Depth of the weight gradient = n * places of dy.
DEEP_WEIGHT = {
    "k255": ((5, 1, 3, 17), (1, 1, 1), (1, 1), (0, 0, 0, 0), (1, 1), 1),
    "k256": ((4, 2, 8, 8), (2, 3, 3), (1, 1), (1, 1, 1, 1), (1, 1), 1),
    "k257": ((257, 1, 1, 1), (2, 1, 1), (1, 1), (0, 0, 0, 0), (1, 1), 1),
    "k4095": ((5, 1, 21, 39), (1, 1, 3), (1, 1), (0, 1, 0, 1), (1, 1), 1),
    "k4096": ((4, 1, 32, 32), (1, 3, 1), (1, 1), (1, 0, 1, 0), (1, 1), 1),
    "k4097": ((1, 1, 17, 241), (1, 1, 2), (1, 1), (0, 0, 0, 1), (1, 1), 1),
    "k8450-stride2": ((2, 1, 130, 129), (1, 2, 2), (2, 2), (0, 1, 0, 0), (1, 1), 1),
    "k512-groups2": ((2, 2, 16, 16), (2, 2, 1), (1, 1), (1, 0, 0, 0), (1, 1), 2),
}


def _conv_shapes(plan):
    (n, c, *sx), (co, *kernel), strides, pads, dilations, group = plan
    at = {"strides": list(strides), "pads": list(pads), "dilations": list(dilations),
          "group": group}
    sy = out_dims(sx, kernel, at)
    return (n, c, *sx), (co, c // group, *kernel), (n, co, *sy), at


def conv(which):
    """which: 0 forward, 1 input gradient, 2 weight gradient."""
    def run(book, name, dtype, plan, kinds=("normal", "normal"), bias=1):
        x, w, y, at = _conv_shapes(plan)
        a, b = kinds
        if which == 0:
            ins = [G(dtype, x, a), G(dtype, w, b), G(dtype, w[:1], b) if bias else None]
        elif which == 1:
            ins = [G(dtype, y, a), G(dtype, w, b)]
            at["dims"] = list(x[2:])
        else:
            ins = [G(dtype, y, a), G(dtype, x, b)]
            at["dims"] = list(w[2:])
        book.add(name, ins, at)

    def fill(book):
        for name, plan in CONVS.items():
            run(book, "f32-" + name, "f32", plan)
            if which == 0:
                run(book, "f32-%s-no-bias" % name, "f32", plan, bias=0)
        for name, plan in (DEEP, DEEP_INPUT, DEEP_WEIGHT)[which].items():
            run(book, "f32-" + name, "f32", plan)
        deep = {0: "k4097", 1: "k261-stride2", 2: "k4097"}[which]
        run(book, "f64-" + deep, "f64", (DEEP, DEEP_INPUT, DEEP_WEIGHT)[which][deep])
        for name in ("plain", "pad1", "stride2", "dilated-strided-padded", "groups2", "line",
                     "volume"):
            run(book, "f64-" + name, "f64", CONVS[name])
        for dtype in FLOATS:
            for name in ("plain", "pad1", "stride2", "dilated-strided-padded", "groups2"):
                for kinds in (("special", "normal"), ("normal", "special"), ("bits", "bits"),
                              ("small", "wide")):
                    run(book, "%s-%s-%s-%s" % ((dtype, name) + kinds), dtype, CONVS[name], kinds)
        for dtype in FLOATS:
            _conv_padding(book, dtype, which)
        for name in ("plain", "pad1", "stride2", "dilated-strided-padded", "groups2", "line",
                     "volume") if which == 0 else ():
            run(book, "i32-" + name, "i32", CONVS[name], ("bits", "bits"))
    return fill


def _conv_padding(book, dtype, which):
    """Padding is +0 and takes part: against inf and NaN it gives NaN, with -1 it ends a -0."""
    ones = flt(dtype, (1, 1, 3, 3), [1] * 9)
    at = {"strides": [1, 1], "pads": [1, 1, 1, 1], "dilations": [1, 1], "group": 1}
    for name, v in (("inf", "inf"), ("nan", "nan"), ("minus", -1)):
        for place in (0, 4, 8):
            w = flt(dtype, (1, 1, 3, 3), [v if k == place else 1 for k in range(9)])
            more = {} if which == 0 else {"dims": [3, 3]}
            ins = {0: [ones, w, None], 1: [ones, w], 2: [w, ones]}[which]
            book.add("%s-padding-meets-%s-at-%d" % (dtype, name, place), ins, {**at, **more})
    least = lit(dtype, (1, 1, 1, 1), [1])
    negative = 1 | (0x80000000 if dtype == "f32" else 1 << 63)
    minus = lit(dtype, (1, 1, 1, 1), [negative])
    more = {} if which == 0 else {"dims": [1, 1]}
    ins = [least, minus] + ([None] if which == 0 else [])
    book.add("%s-minus-zero" % dtype, ins,
             {**at, "pads": [0, 0, 0, 0], **more})
    bias = [None] if which == 0 else []       # a bias would hide what underflowed
    x, w, y = (1, 2, 4, 4), (2, 2, 3, 3), (1, 2, 4, 4)
    first, second = ((x, w), (y, w), (y, x))[which]
    more = {} if which == 0 else {"dims": [4, 4] if which == 1 else [3, 3]}
    book.add("%s-subnormal" % dtype, [tiny(dtype, first, 1), tiny(dtype, second, 2)] + bias,
             {**at, **more})
    if which == 1:
        # A -0 from tap 0 survives a skipped tap 1, and ends at a padded tap 1.
        w = lit(dtype, (1, 1, 2), [negative, 1])
        for stride, size in ((2, 2), (1, 2)):
            book.add("%s-minus-zero-before-stride%d" % (dtype, stride),
                     [lit(dtype, (1, 1, 1), [1]), w],
                     {"strides": [stride], "pads": [0, 0], "dilations": [1], "group": 1,
                      "dims": [size]})


CASES = {"MatMul": _matmul, "Gemm": _gemm, "Conv": conv(0), "ConvInputGrad": conv(1),
         "ConvWeightGrad": conv(2)}
