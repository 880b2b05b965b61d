"""cases_move.py - the cases of the operators that move bits and of GatherGrad."""

from book import G
from ops_map import CODE_OF
from ops_move import slice_places
from soft import ALL, F32, F64, FLOATS, TYPES
from tensor import float_specials, flt, ints, lit

BIG = (1 << 63) - 1
LOW = -(1 << 63)


def _every(book, dims, attrs, outputs=1):
    """Random bits of every dtype (so NaN payloads and bool bytes) and special floats."""
    for dtype in ALL:
        book.add("%s-bits" % dtype, [G(dtype, dims, "bits")], attrs, outputs)
    for dtype in FLOATS:
        book.add("%s-special" % dtype, [G(dtype, dims, "special")], attrs, outputs)


def _transpose(book):
    _every(book, (5, 7), {"perm": [1, 0]})
    for dims, perm in (((), []), ((4,), [0]), ((2, 3, 4), [2, 0, 1]), ((2, 3, 4), [0, 2, 1]),
                       ((2, 3, 4), [0, 1, 2]), ((2, 3, 4, 5), [3, 1, 2, 0]),
                       ((2, 1, 3, 1, 2), [4, 3, 2, 1, 0]), ((0, 3), [1, 0]),
                       ((2, 1, 2, 1, 2, 1, 2, 3), [7, 0, 6, 1, 5, 2, 4, 3]),
                       ((33, 31), [1, 0]), ((100, 64), [1, 0]), ((1, 1000), [1, 0])):
        book.add("%s-%s" % ("x".join(map(str, dims)) or "scalar", "".join(map(str, perm))),
                 [G("f32", dims)], {"perm": perm})


def _reshape(book):
    _every(book, (4, 6), {"shape": [2, 3, 4]})
    for dims, shape in (((), [1]), ((1,), []), ((6,), [2, 3]), ((2, 3), [6]), ((0, 4), [4, 0]),
                        ((0,), [0, 7]), ((2, 2, 2), [2, 2, 2]), ((1000,), [10, 100]),
                        ((2, 2, 2), [1, 2, 1, 2, 1, 2, 1, 1])):
        book.add("%s-to-%s" % ("x".join(map(str, dims)) or "scalar",
                               "x".join(map(str, shape)) or "scalar"),
                 [G("f32", dims)], {"shape": shape})


def _flatten(book):
    _every(book, (2, 3, 4), {"axis": 1})
    for axis in (0, 1, 2, 3, -1, -2, -3):
        book.add("axis%d" % axis, [G("f32", (2, 3, 4))], {"axis": axis})
    for dims, axis in (((), 0), ((5,), 0), ((5,), 1), ((0, 3), 1), ((3, 0, 2), 1), ((3, 0, 2), 2)):
        book.add("%s-axis%d" % ("x".join(map(str, dims)) or "scalar", axis), [G("f32", dims)],
                 {"axis": axis})


def _identity(book):
    _every(book, (10, 10), {})
    for dims in ((), (0,), (1,), (31,), (32,), (33,), (64,), (1000,)):
        book.add("x".join(map(str, dims)) or "scalar", [G("f32", dims, "bits")])
    book.add("bool-bytes", [lit("bool", (4,), [0, 1, 2, 255])])
    for dtype in FLOATS:
        book.add("%s-specials" % dtype, [lit(dtype, (16,), float_specials(TYPES[dtype]))])


def _expand(book):
    _every(book, (3, 1), {"shape": [2, 3, 4]})
    for dims, shape in (((), []), ((), [3]), ((1,), [0]), ((0,), [2, 0]), ((5,), [5]),
                        ((1, 5), [4, 5]), ((4, 1, 1), [4, 2, 3]), ((1,), [1000]),
                        ((33, 1), [33, 31]), ((2, 1, 2), [3, 2, 2, 2]),
                        ((1, 2), [2, 1, 2, 1, 1, 2, 3, 2])):
        book.add("%s-to-%s" % ("x".join(map(str, dims)) or "scalar",
                               "x".join(map(str, shape)) or "scalar"),
                 [G("f32", dims)], {"shape": shape})


def _concat(book):
    for dtype in ALL:
        book.add("%s-bits" % dtype, [G(dtype, (3, 2), "bits"), G(dtype, (3, 5), "bits")],
                 {"axis": 1})
    for dtype in FLOATS:
        book.add("%s-special" % dtype, [G(dtype, (9, 9), "special"), G(dtype, (1, 9), "special")],
                 {"axis": 0})
    for axis in (0, 1, 2, -1, -2, -3):
        parts = []
        for size in (2, 1, 3):
            dims = [2, 3, 2]
            dims[axis] = size
            parts.append(G("f32", dims))
        book.add("axis%d" % axis, parts, {"axis": axis})
    book.add("one", [G("f32", (4, 2))], {"axis": 0})
    book.add("empty-among", [G("f32", (2, 0)), G("f32", (2, 3)), G("f32", (2, 0))], {"axis": 1})
    book.add("all-empty", [G("f32", (0, 3)), G("f32", (0, 3))], {"axis": 0})
    book.add("large", [G("f32", (33, n)) for n in (31, 32, 33, 64, 100)], {"axis": 1})
    book.add("sixty-four", [G("i32", (2, 1 + k % 3), "bits") for k in range(64)], {"axis": 1})


def _split(book):
    _every(book, (4, 6), {"axis": 1, "split": [1, 2, 3]}, 3)
    for axis in (0, 1, 2, -1, -3):
        book.add("axis%d" % axis, [G("f32", (4, 4, 4))], {"axis": axis, "split": [3, 1]}, 2)
    book.add("one", [G("f32", (4, 2))], {"axis": 0, "split": [4]}, 1)
    book.add("empty-parts", [G("f32", (3, 2))], {"axis": 0, "split": [0, 3, 0]}, 3)
    book.add("of-nothing", [G("f32", (0, 2))], {"axis": 0, "split": [0, 0]}, 2)
    book.add("large", [G("f32", (30, 260))], {"axis": 1, "split": [31, 32, 33, 64, 100]}, 5)
    book.add("sixteen", [G("i64", (2, 16), "bits")], {"axis": 1, "split": [1] * 16}, 16)


SLICES = {
    "plain": ((5, 6), [1, 2], [4, 5], [0, 1], [1, 1]),
    "steps": ((7, 9), [0, 1], [7, 9], [0, 1], [2, 3]),
    "one-axis": ((5, 6), [2], [3], [1], [1]),
    "axes-swapped": ((5, 6), [1, 0], [6, 3], [1, 0], [2, 1]),
    "negative-axes": ((5, 6), [1, 2], [4, 5], [-2, -1], [1, 1]),
    "negative-ends": ((8,), [-5], [-1], [0], [1]),
    "whole": ((3, 4), [0, 0], [BIG, BIG], [0, 1], [1, 1]),
    "reverse": ((5, 4), [-1, BIG], [LOW, LOW], [0, 1], [-1, -1]),
    "reverse-steps": ((10,), [8], [1], [0], [-3]),
    "reverse-past-the-end": ((10,), [100], [-100], [0], [-4]),
    "huge-step": ((10,), [3], [BIG], [0], [BIG]),
    "huge-negative-step": ((10,), [3], [LOW], [0], [LOW]),
    "clamped": ((4, 4), [-100, 2], [2, 100], [0, 1], [1, 1]),
    "nothing": ((4, 4), [3], [1], [0], [1]),
    "nothing-reverse": ((4, 4), [1], [3], [0], [-1]),
    "nothing-at-end": ((4,), [4], [9], [0], [1]),
    "of-nothing": ((0, 3), [0], [5], [0], [1]),
    "of-nothing-reverse": ((0, 3), [5], [LOW], [0], [-1]),
    "no-axes": ((3, 3), [], [], [], []),
    "scalar": ((), [], [], [], []),
    "rank4": ((3, 4, 5, 6), [1, 0, 4, -1], [3, 4, 0, -6], [0, 1, 2, 3], [1, 3, -2, -2]),
    "large": ((33, 64), [1, 1], [33, 64], [0, 1], [1, 1]),
}


def _slice_attrs(plan):
    return dict(zip(("starts", "ends", "axes", "steps"), plan[1:]))


def _slice(book):
    _every(book, (5, 6), _slice_attrs(SLICES["steps"]))
    for name, plan in SLICES.items():
        book.add(name, [G("f32", plan[0])], _slice_attrs(plan))


def _slice_grad(book):
    for name, plan in SLICES.items():
        at = _slice_attrs(plan)
        counts, _ = slice_places(at, plan[0])
        at["dims"] = list(plan[0])
        book.add(name, [G("f32", counts)], at)
        if name == "steps":
            for dtype in ALL:
                book.add("%s-bits" % dtype, [G(dtype, counts, "bits")], at)
            for dtype in FLOATS:
                book.add("%s-special" % dtype, [G(dtype, counts, "special")], at)


def _gather(book):
    for dtype in ALL:
        book.add("%s-bits" % dtype, [G(dtype, (6, 5), "bits"), G("i64", (9,), "index", 6)],
                 {"axis": 0})
    for dtype in FLOATS:
        book.add("%s-special" % dtype,
                 [G(dtype, (10, 10), "special"), G("i32", (30,), "index", 10)], {"axis": 0})
    for axis in (0, 1, 2, -1, -3):
        for rank, dims in enumerate(((), (4,), (2, 3), (2, 1, 2))):
            book.add("axis%d-indices%d" % (axis, rank),
                     [G("f32", (3, 4, 5)), G("i32", dims, "index", (3, 4, 5)[axis])],
                     {"axis": axis})
    for dtype in ("i32", "i64"):
        low = -(1 << (TYPES[dtype].width - 1))
        edges = ints(dtype, (10,), [0, 3, 4, 5, -1, -4, -5, low, -low - 1, 100])
        book.add("%s-edges" % dtype, [G("f32", (4, 3)), edges], {"axis": 0})
        book.add("%s-random-bits" % dtype, [G("f32", (4, 3)), G(dtype, (50,), "bits")],
                 {"axis": 0})
    book.add("i64-far", [G("f32", (4,)), ints("i64", (5,), [1 << 32, (1 << 32) + 1, -(1 << 32),
                                                          (1 << 33) - 1, 1])], {"axis": 0})
    book.add("from-nothing", [G("f32", (0, 3)), ints("i64", (3,), [0, -1, 1])], {"axis": 0})
    book.add("no-indices", [G("f32", (4, 3)), ints("i64", (0,), [])], {"axis": 0})
    book.add("rows-of-nothing", [G("f32", (4, 0)), ints("i64", (2,), [1, 9])], {"axis": 0})
    book.add("vocabulary", [G("f32", (1000, 33)), G("i64", (4, 16), "below", 1000)], {"axis": 0})


def _gather_grad(book):
    def run(name, dtype, lead, dims, tail, n, axis, kind="normal", index=None):
        dy = G(dtype, lead + dims + tail, kind)
        book.add(name, [dy, index or G("i64", dims, "index", n)], {"axis": axis, "dim": n})

    for dtype in FLOATS:
        for kind in ("normal", "special", "small", "bits", "wide"):
            run("%s-%s" % (dtype, kind), dtype, (), (100,), (6,), 7, 0, kind)
        run("%s-hot-row" % dtype, dtype, (), (5000,), (2,), 2, 0, "wide",
            G("i32", (5000,), "below", 2))
    for axis, lead, tail in ((0, (), (4, 5)), (1, (3,), (5,)), (2, (3, 4), ()), (-1, (3, 4), ()),
                             (-3, (), (4, 5))):
        for rank, dims in enumerate(((), (4,), (2, 3), (2, 1, 2))):
            run("axis%d-indices%d" % (axis, rank), "f32", lead, dims, tail, 4, axis,
                index=G("i32", dims, "index", 4))
    for dtype in ("i32", "i64"):
        low = -(1 << (TYPES[dtype].width - 1))
        edges = ints(dtype, (10,), [0, 3, 4, 5, -1, -4, -5, low, -low - 1, 0])
        run("%s-edges" % dtype, "f32", (), (10,), (3,), 4, 0, index=edges)
    run("duplicates-order", "f32", (), (6,), (1,), 2, 0, "wide",
        ints("i64", (6,), [1, -1, 1, -1, 1, 1]))
    book.add("minus-zero", [flt("f32", (2,), ["-0", "-0"]), ints("i64", (2,), [0, 5])],
             {"axis": 0, "dim": 2})
    run("nothing-to-add", "f32", (), (0,), (3,), 4, 0)
    run("into-nothing", "f32", (), (3,), (2,), 0, 0, index=ints("i64", (3,), [0, -1, 1]))
    run("vocabulary", "f32", (), (4, 16), (33,), 1000, 0)


def _constant(book):
    for dims in ((), (0,), (3,), (2, 0, 2), (33, 32)):
        for dtype, bits in (("f32", F32.one), ("f32", 0xFFC00001), ("f32", F32.nzero),
                            ("f64", F64.one), ("f64", 0x7FF0000000000001), ("i32", 0xFFFFFFFF),
                            ("i64", 1 << 63), ("u8", 255), ("bool", 1), ("bool", 2)):
            book.add("%s-%x-%s" % (dtype, bits, "x".join(map(str, dims)) or "scalar"), [],
                     {"dtype": CODE_OF[dtype], "shape": list(dims), "bits": bits})
    for dtype, bits in (("f16", 0x7C01), ("bf16", 0xFFC1), ("i8", 0x80), ("i16", 0xFFFE),
                        ("u16", 0xFFFF), ("u32", 1 << 31), ("u64", (1 << 64) - 1)):
        for dims in ((), (33, 5)):
            book.add("%s-%x-%s" % (dtype, bits, "x".join(map(str, dims)) or "scalar"), [],
                     {"dtype": CODE_OF[dtype], "shape": list(dims), "bits": bits})


CASES = {
    "Transpose": _transpose, "Reshape": _reshape, "Flatten": _flatten, "Identity": _identity,
    "Expand": _expand, "Concat": _concat, "Split": _split, "Slice": _slice,
    "SliceGrad": _slice_grad, "Gather": _gather, "GatherGrad": _gather_grad,
    "ConstantOfShape": _constant,
}
