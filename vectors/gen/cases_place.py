"""cases_place.py - the cases of Resize, its gradient and GridSample."""

from book import G
from ops_place import ALIGN, ASYMMETRIC, CROP, CUBIC, HALF, LINEAR, PYTORCH, SYMMETRIC
from soft import FLOATS
from tensor import f32, flt, ints, tiny

COORDINATES = {"half": HALF, "asymmetric": ASYMMETRIC, "align": ALIGN, "pytorch": PYTORCH,
               "symmetric": SYMMETRIC}

# name: x dims, axes, sizes, scales (None: the quotients of sizes)
PLANS = {
    "up2": ((1, 2, 3, 4), (2, 3), (6, 8), None),
    "up-odd": ((2, 1, 3, 5), (2, 3), (7, 8), None),
    "down": ((1, 2, 7, 9), (2, 3), (3, 4), None),
    "down-scale": ((1, 1, 4, 8), (2, 3), (2, 4), ((5033165, 1 << 23), (5033165, 1 << 23))),
    "up-scale": ((1, 2, 4, 3), (2, 3), (9, 7), ((9, 4), (10066330, 1 << 22))),
    "line": ((3, 5), (1,), (12,), None),
    "line-1": ((2, 5), (1,), (1,), None),
    "one-to-many": ((2, 1), (1,), (5,), None),
    "first-axis": ((4, 3), (0,), (7,), None),
    "apart": ((3, 2, 4), (0, 2), (5, 6), None),
    "volume": ((1, 1, 2, 3, 2), (2, 3, 4), (3, 4, 5), None),
    "long": ((1, 100), (1,), (333,), None),
    "long-down": ((1, 333), (1,), (10,), None),
    "empty": ((0, 2, 3), (2,), (5,), None),
}
KINDS = ("special", "small", "bits", "wide")


def _attrs(plan, mode, how, antialias=0, exclude=0, a=-0.75, beyond=0.0):
    dims, axes, sizes, scales = plan
    if scales is None:
        scales = tuple((out, dims[k]) for out, k in zip(sizes, axes))
    return {"axes": list(axes), "sizes": list(sizes), "scale_n": [n for n, _ in scales],
            "scale_d": [d for _, d in scales], "mode": mode, "coordinates": how,
            "antialias": antialias, "exclude_outside": exclude, "cubic_coeff_a": f32(a),
            "extrapolation_value": f32(beyond)}


def _every(run):
    for mode, kind in ((LINEAR, "linear"), (CUBIC, "cubic")):
        for how, number in COORDINATES.items():
            for name, plan in PLANS.items():
                if how == "align" and name == "volume" and mode == CUBIC:
                    continue
                run("%s-%s-%s" % (kind, how, name), "f32", plan, (mode, number))
        for flags in ((1, 0), (0, 1), (1, 1)):
            for name in ("up2", "down", "down-scale", "line-1", "long-down", "apart"):
                run("%s-antialias%d-exclude%d-%s" % (kind, *flags, name), "f32", PLANS[name],
                    (mode, HALF, *flags))
        for dtype in FLOATS:
            for name in ("up-odd", "down", "apart"):
                for how in (HALF, ALIGN):
                    run("%s-%s-%s-%d" % (dtype, kind, name, how), dtype, PLANS[name], (mode, how))
                for values in KINDS:
                    run("%s-%s-%s-%s" % (dtype, kind, name, values), dtype, PLANS[name],
                        (mode, HALF), values)
            run("%s-%s-all" % (dtype, kind), dtype, PLANS["down"], (mode, HALF, 1, 1))
    run("f32-a", "f32", PLANS["down"], (CUBIC, HALF, 0, 0, -0.5))
    run("f64-a", "f64", PLANS["up-odd"], (CUBIC, ASYMMETRIC, 0, 1, 0.3))


def _resize(book):
    def run(name, dtype, plan, how, values="normal"):
        book.add(name, [G(dtype, plan[0], values), None], _attrs(plan, *how))
    _every(run)
    rois = {"whole": (0, 0, 1, 1), "inner": (0.25, 0.125, 0.75, 0.5), "outer": (-0.5, 0, 1.5, 1),
            "back": (1, 0.5, 0, 0), "wild": ("nan", "-inf", "inf", "max"),
            "far": (2.0 ** 60, -(2.0 ** 70), 2.0 ** 61, 2.0 ** 90)}
    for mode, kind in ((LINEAR, "linear"), (CUBIC, "cubic")):
        for name, roi in rois.items():
            for dtype in FLOATS:
                for plan in ("up2", "down", "apart"):
                    book.add("%s-crop-%s-%s-%s" % (dtype, kind, name, plan),
                             [G(dtype, PLANS[plan][0]), flt("f64", (4,), roi)],
                             _attrs(PLANS[plan], mode, CROP, beyond=10.5))
        book.add("%s-crop-to-one" % kind, [G("f32", (2, 5)), flt("f64", (2,), (0.25, 0.875))],
                 _attrs(((2, 5), (1,), (1,), None), mode, CROP))


def _resize_grad(book):
    def run(name, dtype, plan, how, values="normal"):
        dims = list(plan[0])
        for k, size in zip(plan[1], plan[2]):
            dims[k] = size
        book.add(name, [G(dtype, dims, values)],
                 dict(_attrs(plan, *how), dims=[plan[0][k] for k in plan[1]]))
    _every(run)


# x dims, grid dims
GRIDS = {
    "plane": ((2, 2, 4, 5), (2, 3, 4, 2)),
    "line": ((1, 2, 6), (1, 9, 1)),
    "volume": ((1, 1, 3, 2, 4), (1, 2, 3, 2, 3)),
    "one": ((1, 2, 1, 1), (1, 4, 3, 2)),
    "thin": ((1, 1, 1, 7), (1, 5, 3, 2)),
    "large": ((1, 1, 33, 40), (1, 12, 9, 2)),
    "empty": ((1, 0, 3, 3), (1, 2, 2, 2)),
}


def _grid_sample(book):
    def attrs(mode, padding, align):
        return {"mode": mode, "padding_mode": padding, "align_corners": align}
    edges = (0, "-0", 1, -1, 0.5, -0.5, 1.5, -1.5, 3, -3, 2, 1000, -1000, "nan", "inf", "-inf", "max",
             -1.25, 1.25, 0.25, 5, 4, 3.5, 2.5, -2.5, -0.75, 2.0 ** 29, 2.0 ** 31, -(2.0 ** 31),
             2.0 ** -149, -(2.0 ** -149), 7)
    for mode in range(3):
        for padding in range(3):
            for align in range(3):
                tag = "mode%d-padding%d-align%d" % (mode, padding, align)
                for name, (x, grid) in GRIDS.items():
                    book.add("f32-%s-%s" % (tag, name), [G("f32", x), G("f32", grid), None],
                             attrs(mode, padding, align))
                for dtype in FLOATS:
                    x, grid = GRIDS["plane"]
                    for values in KINDS:
                        book.add("%s-%s-%s" % (dtype, tag, values),
                                 [G(dtype, x, values), G(dtype, grid, values), None],
                                 attrs(mode, padding, align))
                    book.add("%s-%s-edges" % (dtype, tag),
                             [G(dtype, (1, 1, 5, 4)), flt(dtype, (1, 4, 4, 2), edges), None],
                             attrs(mode, padding, align))
    for dtype in ("i32", "i64"):
        book.add("batch-%s" % dtype,
                 [G("f32", (3, 2, 4, 5)), G("f32", (6, 2, 2, 2)), ints(dtype, (6,), (2, 0, -1, -3,
                                                                               3, -4))],
                 attrs(LINEAR, 0, 1))
    book.add("underflow", [tiny("f32", (1, 1, 4, 4), 7), G("f32", (1, 5, 5, 2)), None],
             attrs(LINEAR, 0, 0))


CASES = {"Resize": _resize, "ResizeGrad": _resize_grad, "GridSample": _grid_sample}
