"""cases_window.py - the cases of the pools."""

from book import G
from ops_window import pooled_dims
from soft import FLOATS, NUMBERS
from tensor import flt

# name: x dims, kernel, strides, pads, dilations, ceil_mode
POOLS = {
    "2x2": ((2, 3, 6, 8), (2, 2), (2, 2), (0, 0, 0, 0), (1, 1), 0),
    "2x2-odd": ((1, 2, 7, 5), (2, 2), (2, 2), (0, 0, 0, 0), (1, 1), 0),
    "2x2-odd-ceil": ((1, 2, 7, 5), (2, 2), (2, 2), (0, 0, 0, 0), (1, 1), 1),
    "overlap": ((1, 2, 6, 7), (3, 3), (1, 1), (0, 0, 0, 0), (1, 1), 0),
    "overlap-stride2": ((1, 2, 9, 8), (3, 3), (2, 2), (1, 1, 1, 1), (1, 1), 0),
    "overlap-stride2-ceil": ((1, 2, 9, 8), (3, 3), (2, 2), (1, 1, 1, 1), (1, 1), 1),
    "uneven": ((1, 1, 8, 9), (2, 3), (3, 1), (0, 1, 1, 2), (1, 1), 0),
    "stride-over-kernel": ((1, 1, 9, 9), (1, 2), (4, 3), (0, 0, 0, 0), (1, 1), 0),
    "stride-over-kernel-ceil": ((1, 1, 9, 8), (1, 2), (5, 3), (0, 0, 0, 0), (1, 1), 1),
    "dilated": ((1, 2, 8, 9), (2, 3), (1, 2), (0, 1, 0, 1), (3, 2), 0),
    "dilated-ceil": ((1, 1, 8, 8), (2, 3), (2, 2), (1, 1, 1, 1), (2, 2), 1),
    "ceil-drops-window": ((1, 1, 5, 5), (2, 2), (3, 3), (0, 0, 1, 1), (1, 1), 1),
    "ceil-drops-window-1": ((1, 2, 4), (1,), (3,), (1, 1), (1,), 1),
    "ceil-past-the-padding": ((1, 1, 6, 6), (3, 3), (2, 2), (0, 0, 1, 1), (1, 1), 1),
    "ceil-exact": ((1, 1, 6, 6), (2, 2), (2, 2), (0, 0, 0, 0), (1, 1), 1),
    "empty-windows": ((1, 2, 3, 3), (2, 2), (1, 1), (3, 2, 2, 3), (1, 1), 0),
    "empty-windows-dilated": ((1, 1, 1, 2), (2, 2), (1, 1), (2, 2, 2, 2), (4, 3), 0),
    "whole": ((2, 2, 4, 4), (4, 4), (1, 1), (0, 0, 0, 0), (1, 1), 0),
    "one": ((1, 2, 3, 3), (1, 1), (1, 1), (0, 0, 0, 0), (1, 1), 0),
    "line": ((2, 3, 10), (3,), (2,), (1, 0), (1,), 0),
    "line-ceil": ((2, 1, 10), (3,), (2,), (0, 0), (1,), 1),
    "line-1000": ((1, 1, 1000), (3,), (1,), (1, 1), (1,), 0),
    "line-wide-window": ((1, 1, 400), (300,), (50,), (0, 0), (1,), 0),
    "volume": ((1, 2, 4, 3, 5), (2, 2, 2), (1, 1, 2), (1, 0, 1, 0, 1, 0), (1, 1, 1), 0),
    "volume-ceil": ((1, 1, 4, 5, 5), (2, 2, 3), (3, 2, 2), (0, 0, 0, 0, 1, 0), (1, 1, 2), 1),
    "width31": ((1, 1, 2, 31), (2, 2), (1, 1), (0, 0, 0, 0), (1, 1), 0),
    "width33": ((1, 1, 2, 33), (2, 2), (1, 1), (0, 0, 0, 1), (1, 1), 0),
    "width64": ((1, 1, 2, 64), (2, 2), (2, 2), (0, 0, 0, 0), (1, 1), 0),
    "no-images": ((0, 2, 4, 4), (2, 2), (2, 2), (0, 0, 0, 0), (1, 1), 0),
    "no-channels": ((2, 0, 4, 4), (2, 2), (2, 2), (0, 0, 0, 0), (1, 1), 0),
}
KINDS = ("special", "small", "bits", "wide")


def _attrs(plan, pad=None):
    _, kernel, strides, pads, dilations, ceil = plan
    at = {"kernel_shape": list(kernel), "strides": list(strides), "pads": list(pads),
          "dilations": list(dilations), "ceil_mode": ceil}
    if pad is not None:
        at["count_include_pad"] = pad
    return at


def _shapes(plan):
    dims = plan[0]
    return dims, dims[:2] + pooled_dims(dims[2:], _attrs(plan))


def _max_pool(book):
    for name, plan in POOLS.items():
        for outputs in (1, 2):
            book.add("f32-%s-out%d" % (name, outputs), [G("f32", plan[0])], _attrs(plan), outputs)
    for dtype in NUMBERS:
        for name in ("2x2", "overlap-stride2-ceil", "dilated", "empty-windows", "line", "volume"):
            for kind in KINDS[:3]:
                book.add("%s-%s-%s" % (dtype, name, kind), [G(dtype, POOLS[name][0], kind)],
                         _attrs(POOLS[name]), 2)
    zeros = flt("f32", (1, 1, 4, 4), [0, "-0", "-0", "-0", "-0", 0, "-0", "-0",
                                      "nan", "inf", "-inf", "-inf", "inf", "nan", "-inf", "-inf"])
    book.add("ties", [zeros], _attrs(POOLS["2x2"]), 2)


def _max_pool_grad(book):
    for name, plan in POOLS.items():
        dims, out = _shapes(plan)
        book.add("f32-%s" % name, [G("f32", out), G("f32", dims)], _attrs(plan))
    for dtype in FLOATS:
        for name in ("2x2", "overlap", "overlap-stride2-ceil", "dilated", "empty-windows", "line",
                     "volume"):
            dims, out = _shapes(POOLS[name])
            for kind in KINDS:
                for other in ("normal", "small"):
                    book.add("%s-%s-%s-%s" % (dtype, name, kind, other),
                             [G(dtype, out, kind), G(dtype, dims, other)], _attrs(POOLS[name]))
            book.add("%s-%s-special-x" % (dtype, name),
                     [G(dtype, out), G(dtype, dims, "special")], _attrs(POOLS[name]))
    same = flt("f32", (1, 1, 4, 4), [1] * 16)
    plan = ((1, 1, 4, 4), (3, 3), (1, 1), (0, 0, 0, 0), (1, 1), 0)
    book.add("all-equal", [G("f32", (1, 1, 2, 2)), same], _attrs(plan))
    peak = flt("f32", (1, 1, 3, 3), [0, 0, 0, 0, 9, 0, 0, 0, 0])
    plan = ((1, 1, 3, 3), (2, 2), (1, 1), (0, 0, 0, 0), (1, 1), 0)
    book.add("one-peak", [flt("f32", (1, 1, 2, 2), [1, 2.0 ** -24, 2.0 ** -24, -1]), peak],
             _attrs(plan))
    book.add("minus-zero", [flt("f32", (1, 1, 2, 2), ["-0"] * 4), peak], _attrs(plan))


def _average(grad):
    def fill(book):
        def run(name, dtype, plan, pad, kind="normal"):
            dims, out = _shapes(plan)
            at = _attrs(plan, pad)
            if grad:
                at["dims"] = list(dims[2:])
            book.add("%s-pad%d" % (name, pad), [G(dtype, out if grad else dims, kind)], at)

        for pad in (0, 1):
            for name, plan in POOLS.items():
                run("f32-" + name, "f32", plan, pad)
            for dtype in FLOATS:
                for name in ("2x2", "overlap-stride2-ceil", "dilated", "empty-windows",
                             "ceil-past-the-padding", "line", "volume"):
                    for kind in KINDS:
                        run("%s-%s-%s" % (dtype, name, kind), dtype, POOLS[name], pad, kind)
    return fill


def _global(book):
    for dtype in FLOATS:
        for dims in ((2, 3, 4, 5), (1, 2, 7), (2, 1, 2, 3, 4), (1, 1, 64, 64), (1, 1, 4097),
                     (1, 2, 33), (0, 2, 3, 3), (2, 2, 0, 3), (3, 1, 1, 1), (2, 3, 100, 123)):
            book.add("%s-%s" % (dtype, "x".join(map(str, dims))), [G(dtype, dims)])
        for kind in KINDS:
            book.add("%s-%s" % (dtype, kind), [G(dtype, (10, 10, 2, 3), kind)])


CASES = {"MaxPool": _max_pool, "MaxPoolGrad": _max_pool_grad, "AveragePool": _average(False),
         "AveragePoolGrad": _average(True), "GlobalAveragePool": _global}
