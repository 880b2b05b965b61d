"""cases_order.py - the cases of running sums, scatters, gathers by elements and the k first."""

from book import G
from soft import ALL, FLOATS, NUMBERS, TYPES
from tensor import flt, ints, lit

LENGTHS = (1, 2, 31, 32, 33, 64, 100, 255, 256, 257, 1000)


def _kind(dtype):
    return "normal" if dtype in FLOATS else "bits"


def _running(book):
    def run(name, dtype, dims, axis, exclusive=0, reverse=0, kind=None):
        book.add(name, [G(dtype, dims, kind or _kind(dtype))],
                 {"axis": axis, "exclusive": exclusive, "reverse": reverse})

    for dtype in NUMBERS:
        for n in LENGTHS:
            if dtype == "f32" or n in (1, 33, 257):
                run("%s-%d" % (dtype, n), dtype, (2, n), 1)
        for kind in ("small", "special", "bits"):
            for flags in range(4):
                run("%s-%s-%d" % (dtype, kind, flags), dtype, (6, 7), flags % 2, flags >> 1,
                    flags & 1, kind)
    for axis in (0, 1, 2, -1, -3):
        for flags in range(4):
            run("axis%d-%d" % (axis, flags), "f32", (3, 4, 5), axis, flags >> 1, flags & 1)
    run("wide", "f32", (3, 100), 1, kind="wide")
    run("long", "f32", (4097,), 0, kind="wide")
    for dims in ((0,), (3, 0), (0, 3)):
        run("empty-%s" % "x".join(map(str, dims)), "f32", dims, 0)
    zeros = flt("f32", (3, 4), ["-0", "-0", 0, "-0", "nan", 1, "inf", 2, "inf", "-inf", 1, 0])
    for flags in range(4):
        book.add("zeros-and-infinities-%d" % flags, [zeros],
                 {"axis": 1, "exclusive": flags >> 1, "reverse": flags & 1})


SHAPES = (((6,), (9,), 0), ((4, 5), (4, 5), 0), ((4, 5), (2, 5), 1), ((4, 5), (7, 3), -2),
          ((3, 4, 5), (2, 4, 3), 0), ((3, 4, 5), (3, 9, 2), 1), ((3, 4, 5), (1, 2, 11), -1),
          ((2, 3, 2, 3), (2, 4, 1, 3), 1), ((0, 3), (2, 3), 0), ((3, 0), (0, 0), 0),
          ((4, 2), (0, 2), 0), ((1000, 3), (1000, 3), 0), ((3, 300), (3, 700), 1))


def _edges(dtype):
    low = -(1 << (TYPES[dtype].width - 1))
    return ints(dtype, (12,), [0, 3, 4, 5, -1, -4, -5, low, -low - 1, 100, 0, 3])


def _gather_elements(book):
    for number, (dims, at, axis) in enumerate(SHAPES):
        for dtype in ("f32", "i64"):
            book.add("shape%d-%s" % (number, dtype),
                     [G(dtype, dims, "bits"), G("i32", at, "index", max(1, dims[axis]))], {"axis": axis})
    for dtype in ALL:
        book.add("%s-bits" % dtype, [G(dtype, (6, 5), "bits"), G("i64", (6, 9), "index", 5)],
                 {"axis": 1})
    for dtype in ("i32", "i64"):
        book.add("%s-edges" % dtype, [G("f32", (4,)), _edges(dtype)], {"axis": 0})
        book.add("%s-random-bits" % dtype, [G("f32", (4,)), G(dtype, (50,), "bits")], {"axis": 0})


def _scatter_elements(book):
    for number, (dims, at, axis) in enumerate(SHAPES):
        for how in range(5):
            book.add("shape%d-%d" % (number, how),
                     [G("f32", dims), G("i64", at, "index", max(1, dims[axis])), G("f32", at)],
                     {"axis": axis, "reduction": how})
    for dtype in ALL:
        for how in range(5 if dtype != "bool" else 1):
            for kind in ("bits", "small") + (("special", "wide") if dtype in FLOATS else ()):
                book.add("%s-%d-%s" % (dtype, how, kind),
                         [G(dtype, (6, 5), kind), G("i32", (6, 20), "index", 5),
                          G(dtype, (6, 20), kind)], {"axis": 1, "reduction": how})
    for dtype in ("i32", "i64"):
        for how in range(5):
            book.add("%s-edges-%d" % (dtype, how), [G("f32", (4,)), _edges(dtype), G("f32", (12,))],
                     {"axis": 0, "reduction": how})
        book.add("%s-random-bits" % dtype, [G("f32", (4,)), G(dtype, (50,), "bits"),
                                           G("f32", (50,))], {"axis": 0, "reduction": 1})
    for how in range(5):
        book.add("hot-%d" % how, [G("f32", (3,)), G("i64", (1000,), "below", 2),
                                  G("f32", (1000,), "special")], {"axis": 0, "reduction": how})


def _scatter_rows(book):
    for how in range(5):
        for number, (dims, at) in enumerate((((6,), (9,)), ((4, 5), (7,)), ((3, 4, 5), (2, 3)),
                                             ((5, 2), ()), ((0, 3), (2,)), ((3, 0), (4,)),
                                             ((4, 2), (0,)), ((300, 3), (10, 40)))):
            book.add("shape%d-%d" % (number, how),
                     [G("f32", dims), G("i64", at, "index", max(1, dims[0])), G("f32", at + dims[1:])],
                     {"reduction": how})
        for dtype in ALL:
            if dtype == "bool" and how:
                continue
            for kind in ("bits",) + (("special",) if dtype in FLOATS else ()):
                book.add("%s-%d-%s" % (dtype, how, kind),
                         [G(dtype, (6, 3), kind), G("i32", (20,), "index", 6),
                          G(dtype, (20, 3), kind)], {"reduction": how})
        for dtype in ("i32", "i64"):
            book.add("%s-edges-%d" % (dtype, how),
                     [G("f32", (4, 2)), _edges(dtype), G("f32", (12, 2))], {"reduction": how})


def _top_k(book):
    def run(name, x, axis, k, largest, outputs=2):
        book.add(name, [x], {"axis": axis, "k": k, "largest": largest}, outputs)

    for largest in (0, 1):
        for dtype in NUMBERS:
            for n in (1, 31, 32, 33, 100, 256):
                for k in {1, n // 2, n}:
                    run("%s-%d-%d-%d" % (dtype, n, k, largest), G(dtype, (2, n), _kind(dtype)), 1,
                        k, largest)
            for kind in ("small", "special", "bits"):
                run("%s-%s-%d" % (dtype, kind, largest), G(dtype, (20, 30), kind), 1, 20, largest)
        for axis in (0, 1, 2, -1, -3):
            run("axis%d-%d" % (axis, largest), G("f32", (3, 4, 5), "small"), axis, 3, largest)
        for dims, k in (((4,), 0), ((0,), 0), ((0, 3), 2), ((3, 0), 0)):
            run("empty-%s-%d-%d" % ("x".join(map(str, dims)), k, largest), G("f32", dims), -1, k,
                largest)
        run("values-alone-%d" % largest, G("f32", (9, 9), "small"), 0, 4, largest, 1)
        ties = flt("f32", (3, 8), [0, "-0", "nan", "inf", "-0", 0, "-inf", "nan",
                                   1, 1, 1, 1, 1, 1, 1, 1, "-0", "-0", 0, 0, "-0", "-0", 0, 0])
        for k in (1, 5, 8):
            run("ties-%d-%d" % (k, largest), ties, 1, k, largest)
    payloads = lit("f32", (4,), [0xFFC00001, 0x7FC00000, 0x7F800001, 0x3F800000])
    run("payloads", payloads, 0, 4, 1)


CASES = {
    "CumSum": _running, "CumProd": _running,
    "GatherElements": _gather_elements, "ScatterElements": _scatter_elements,
    "ScatterRows": _scatter_rows, "TopK": _top_k,
}
