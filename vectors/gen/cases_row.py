"""cases_row.py - the cases of reductions, softmax, layer normalization, ArgMax and the loss."""

from book import G
from soft import F32, FLOATS, NUMBERS
from tensor import f32, float_specials, flt, ints, lit

LENGTHS = (1, 2, 31, 32, 33, 64, 100, 255, 256, 257, 1000, 4095, 4096, 4097, 8192, 8193, 12321)
# Where every element of a row is an output a scalar body reads the row that often, so long rows
# are few.
SQUARE = (1, 2, 31, 32, 33, 64, 100, 255, 256, 257, 1000, 4096, 4097)


def _kind(dtype):
    return "normal" if dtype in FLOATS else "bits"


def reduce_attrs(axes, keepdims=1, noop=0):
    return {"axes": axes, "keepdims": keepdims, "noop_with_empty_axes": noop}


AXES = (((2, 3, 4), [0]), ((2, 3, 4), [1]), ((2, 3, 4), [2]), ((2, 3, 4), [0, 2]),
        ((2, 3, 4), [2, 0]), ((2, 3, 4), [-1, -3]), ((2, 3, 4), [0, 1, 2]), ((2, 3, 4), []),
        ((), []), ((5,), [0]), ((2, 0, 3), [1]), ((2, 0, 3), [0]), ((0,), [0]), ((0, 2), [1]),
        ((2, 3, 1, 2, 1, 2, 2, 3), [1, 3, 6]))
STRIDED = (((33, 7), [0]), ((4097, 2), [0]), ((70, 3, 70), [0, 2]), ((2, 65, 3, 65), [3, 1]))


def reducing(dtypes, grad):
    def fill(book):
        def run(name, dtype, dims, axes, keepdims=1, noop=0, kind=None):
            kind = kind or _kind(dtype)
            at = reduce_attrs(axes, keepdims, noop)
            if not grad:
                book.add(name, [G(dtype, dims, kind)], at)
                return
            rank = len(dims)
            cut = {a % rank for a in axes} if axes else set() if noop else set(range(rank))
            out = [1 if a in cut else dims[a] for a in range(rank) if keepdims or a not in cut]
            book.add(name, [G(dtype, out, kind), G(dtype, dims, kind)], at)

        for dtype in dtypes:
            for n in SQUARE if grad else LENGTHS:
                if dtype == "f32" or n in (1, 33, 100, 4097, 8193):
                    run("%s-row%d" % (dtype, n), dtype, (2, n), [1])
            for kind in ("special", "small", "bits"):
                run("%s-%s" % (dtype, kind), dtype, (40, 9), [1], 0, kind=kind)
            run("%s-all" % dtype, dtype, (7, 100), [], 0)
            run("%s-empty-row" % dtype, dtype, (3, 0), [1], 0)
            run("%s-noop" % dtype, dtype, (4, 4), [], 1, 1, "bits" if dtype in FLOATS else None)
            run("%s-noop-with-axes" % dtype, dtype, (4, 4), [1], 1, 1)
        for number, (dims, axes) in enumerate(AXES):
            for keepdims in (0, 1):
                run("axes-%d-keep%d" % (number, keepdims), "f32", dims, axes, keepdims)
        for number, (dims, axes) in enumerate(STRIDED):
            run("strided-%d" % number, "f32", dims, axes)
        run("many-rows", "f32", (1000, 3), [1], 0)
        run("wide", "f32", (5, 1000), [1], 0, kind="wide")
        if not grad:
            run("many-chunks", "f32", (8, 20481), [1], 0)
            run("many-chunks-strided", "f32", (12289, 6), [0], 0)
        zeros = flt("f32", (6, 3), [0, "-0", "-0", "-0", 0, 0, "-0", "-0", "-0", "nan", "inf",
                                    "nan", "inf", "-inf", 1, "-inf", "-inf", "-inf"])
        dy = [G("f32", (6,))] if grad else []
        book.add("zeros-and-infinities", dy + [zeros], reduce_attrs([1], 0))
        book.add("noop-zeros", ([G("f32", (6, 3))] if grad else []) + [zeros],
                 reduce_attrs([], 0, 1))
        specials = lit("f32", (16, 1), float_specials(F32))
        dy = [G("f32", (16,), "special")] if grad else []
        book.add("rows-of-one-special", dy + [specials], reduce_attrs([1], 0))
    return fill


def _arg_max(book):
    def run(name, dtype, dims, axis, keepdims, last, kind):
        book.add(name, [G(dtype, dims, kind)],
                 {"axis": axis, "keepdims": keepdims, "select_last_index": last})

    for dtype in NUMBERS:
        for n in (1, 31, 32, 33, 64, 100, 1000, 4097):
            run("%s-%d" % (dtype, n), dtype, (2, n), 1, 0, 0, _kind(dtype))
        for last in (0, 1):
            for kind in ("small", "special", "bits"):
                run("%s-%s-last%d" % (dtype, kind, last), dtype, (30, 20), 1, 0, last, kind)
    for axis in (0, 1, 2, -1, -3):
        for keepdims in (0, 1):
            for last in (0, 1):
                run("axis%d-keep%d-last%d" % (axis, keepdims, last), "f32", (3, 4, 5), axis,
                    keepdims, last, "small")
    run("empty-others", "f32", (0, 3), 1, 1, 0, "normal")
    rows = flt("f32", (8, 3), [0, "-0", 0, "-0", "-0", "-0", "nan", "inf", "nan", "-inf", "-inf",
                               "-inf", "inf", 1, "inf", -1, "nan", 5, "-0", 0, "-0", "-0", 0, 0])
    for last in (0, 1):
        book.add("ties-last%d" % last, [rows],
                 {"axis": 1, "keepdims": 0, "select_last_index": last})


# ---- softmax ------------------------------------------------------------------------------

def soft(grad):
    def fill(book):
        def run(name, dtype, dims, axis, kind="normal", second=None):
            xs = [G(dtype, dims, kind)]
            if grad:
                xs.append(G(dtype, dims, second or kind))
            book.add(name, xs, {"axis": axis})

        for n in SQUARE:
            run("f32-row%d" % n, "f32", (1, n), 1)
        for n in (1, 33, 100, 1000, 4097):
            run("f64-row%d" % n, "f64", (2, n), -1)
        # Three chunks, at lengths where another order of their sums moves a bit.
        if grad:
            run("many-chunks", "f32", (1, 9002), 1)
            run("many-chunks-mixed", "f32", (1, 9001), 1, "normal", "small")
        else:
            run("many-chunks-small", "f32", (1, 8901), 1, "small")
        for dtype in FLOATS:
            for kind in ("special", "small", "bits", "wide"):
                run("%s-%s" % (dtype, kind), dtype, (30, 10), 1, kind)
        run("many-special-rows", "f32", (300, 3), 1, "special")
        for axis in (0, 1, 2, 3, -1, -4):
            run("axis%d" % axis, "f32", (3, 4, 5, 2), axis)
        run("rank-1", "f32", (10,), 0)
        run("f32-many-rows", "f32", (1000, 2), 1)
        run("strided-4097", "f32", (4097, 2), 0)
        for dims, axis in (((3, 0), 1), ((0, 3), 1), ((0,), 0)):
            run("empty-%s-%d" % ("x".join(map(str, dims)), axis), "f32", dims, axis)
        for dtype in FLOATS:
            rows = flt(dtype, (8, 4), ["-inf"] * 4 + ["inf", 1, 2, 3, "-inf", 1, 2, 3, 0, "-0", 0,
                                       "-0", "nan", 1, 2, 3, "max", "max", -1, 0, "-inf", "-inf",
                                       "-inf", 5, -1000, 0, -104, -87])
            book.add("%s-infinities" % dtype, ([G(dtype, (8, 4))] if grad else []) + [rows],
                     {"axis": 1})
    return fill


# ---- layer normalization ------------------------------------------------------------------

def norm_attrs(axis, epsilon=1e-5):
    return {"axis": axis, "epsilon": f32(epsilon)}


NORM_SHAPES = (((2, 3, 4), 2), ((2, 3, 4), 1), ((2, 3, 4), 0), ((2, 3, 4), -1), ((2, 3, 4), -2),
               ((7,), 0), ((3, 1), 1), ((0, 4), 1), ((4, 0), 1))


def _tails(dims, axis):
    axis %= len(dims)
    return dims[axis:], dims[:axis] + (1,) * (len(dims) - axis)


def _layer_norm(book):
    def run(name, dtype, dims, axis, scale=1, bias=1, outputs=1, kind="normal", epsilon=1e-5):
        tail, _ = _tails(dims, axis)
        x = G(dtype, tail, kind)
        book.add(name, [G(dtype, dims, kind), x if scale else None, x if bias else None],
                 norm_attrs(axis, epsilon), outputs)

    for n in SQUARE:
        run("f32-row%d" % n, "f32", (2, n), 1, outputs=3)
    for dtype in FLOATS:
        for scale in (0, 1):
            for bias in (0, 1):
                for outputs in (1, 2, 3):
                    run("%s-scale%d-bias%d-out%d" % (dtype, scale, bias, outputs), dtype, (3, 20),
                        -1, scale, bias, outputs)
        for kind in ("special", "small", "bits", "wide"):
            run("%s-%s" % (dtype, kind), dtype, (40, 6), 1, outputs=3, kind=kind)
        for epsilon in (0.0, 1e-12, 0.1, 1.0):
            run("%s-eps%s" % (dtype, epsilon), dtype, (6, 5), 1, outputs=3, epsilon=epsilon)
    run("f64-row4097", "f64", (1, 4097), 1, outputs=3)
    run("many-chunks", "f32", (1, 9002), 1, outputs=3)
    for dims, axis in NORM_SHAPES:
        run("shape-%s-axis%d" % ("x".join(map(str, dims)), axis), "f32", dims, axis, outputs=3)
    run("many-rows", "f32", (300, 4), 1, outputs=3)
    same = flt("f32", (2, 4), [3, 3, 3, 3, "-0", "-0", "-0", "-0"])
    for epsilon in (0.0, 1e-5):
        book.add("constant-rows-eps%s" % epsilon, [same, None, None], norm_attrs(1, epsilon), 3)


def _norm_grad_cases(run):
    """run(name, dtype, dims, axis, scale=1, kind="normal") adds one."""
    for n in SQUARE:
        run("f32-row%d" % n, "f32", (2, n), 1)
    for dtype in FLOATS:
        for scale in (0, 1):
            run("%s-scale%d" % (dtype, scale), dtype, (5, 33), -1, scale)
            for kind in ("special", "small", "bits", "wide"):
                run("%s-scale%d-%s" % (dtype, scale, kind), dtype, (40, 6), 1, scale, kind)
    run("f64-row4097", "f64", (1, 4097), 1)
    run("many-chunks", "f32", (1, 9005), 1)
    for dims, axis in NORM_SHAPES:
        run("shape-%s-axis%d" % ("x".join(map(str, dims)), axis), "f32", dims, axis)


def _layer_norm_grad(book):
    def run(name, dtype, dims, axis, scale=1, kind="normal"):
        tail, stat = _tails(dims, axis)
        spread = "positive" if kind == "normal" else kind
        book.add(name, [G(dtype, dims, kind), G(dtype, dims, kind), G(dtype, stat, kind),
                        G(dtype, stat, spread), G(dtype, tail, kind) if scale else None],
                 {"axis": axis})

    _norm_grad_cases(run)


def _layer_norm_scale_grad(book):
    def run(name, dtype, dims, axis, kind="normal"):
        _, stat = _tails(dims, axis)
        spread = "positive" if kind == "normal" else kind
        book.add(name, [G(dtype, dims, kind), G(dtype, dims, kind), G(dtype, stat, kind),
                        G(dtype, stat, spread)], {"axis": axis})

    for n in LENGTHS:
        run("f32-rows%d" % n, "f32", (n, 2), 1)
    for dtype in FLOATS:
        run("%s-plain" % dtype, dtype, (40, 33), -1)
        for kind in ("special", "small", "bits", "wide"):
            run("%s-%s" % (dtype, kind), dtype, (10, 50), 1, kind)
    run("f64-rows4097", "f64", (4097, 1), 1)
    run("many-chunks", "f32", (12300, 6), 1)
    for dims, axis in NORM_SHAPES:
        run("shape-%s-axis%d" % ("x".join(map(str, dims)), axis), "f32", dims, axis)


def _rms_norm(book):
    def run(name, dtype, dims, axis, scale=1, outputs=2, kind="normal", epsilon=1e-5):
        tail, _ = _tails(dims, axis)
        book.add(name, [G(dtype, dims, kind), G(dtype, tail, kind) if scale else None],
                 norm_attrs(axis, epsilon), outputs)

    for n in SQUARE:
        run("f32-row%d" % n, "f32", (2, n), 1)
    for dtype in FLOATS:
        for scale in (0, 1):
            for outputs in (1, 2):
                run("%s-scale%d-out%d" % (dtype, scale, outputs), dtype, (3, 20), -1, scale,
                    outputs)
        for kind in ("special", "small", "bits", "wide"):
            run("%s-%s" % (dtype, kind), dtype, (40, 6), 1, kind=kind)
        for epsilon in (0.0, 1e-12, 0.1, 1.0):
            run("%s-eps%s" % (dtype, epsilon), dtype, (6, 5), 1, epsilon=epsilon)
    run("f64-row4097", "f64", (1, 4097), 1)
    run("many-chunks", "f32", (1, 9002), 1)
    for dims, axis in NORM_SHAPES:
        run("shape-%s-axis%d" % ("x".join(map(str, dims)), axis), "f32", dims, axis)
    run("many-rows", "f32", (300, 4), 1)
    zeros = flt("f32", (2, 4), [0, 0, 0, 0, "-0", "-0", "-0", "-0"])
    for epsilon in (0.0, 1e-5):
        book.add("zeros-eps%s" % epsilon, [zeros, None], norm_attrs(1, epsilon), 2)


def _rms_norm_grad(book):
    def run(name, dtype, dims, axis, scale=1, kind="normal"):
        tail, stat = _tails(dims, axis)
        spread = "positive" if kind == "normal" else kind
        book.add(name, [G(dtype, dims, kind), G(dtype, dims, kind), G(dtype, stat, spread),
                        G(dtype, tail, kind) if scale else None], {"axis": axis})

    _norm_grad_cases(run)


# ---- cross entropy ------------------------------------------------------------------------

def loss_attrs(reduction, ignore=None):
    return {"reduction": reduction, "ignore_index": 0 if ignore is None else ignore,
            "has_ignore": 0 if ignore is None else 1}


def loss(grad):
    def fill(book):
        def run(name, dims, labels, at, weights=None, kind="normal", outputs=1):
            rows = dims[:1] + dims[2:]
            xs = [G("f32", dims, kind), labels if labels is not None else
                  G("i64", rows, "below", dims[1]), weights]
            if grad:
                dl = G("f32", rows if at["reduction"] == 0 else (), kind)
                book.add(name, [dl] + xs, at)
            else:
                book.add(name, xs, at, outputs)

        def weights(classes, kind="positive"):
            return G("f32", (classes,), kind)

        for reduction in (0, 1, 2):
            tail = "-reduction%d" % reduction
            for n in (1, 31, 32, 33, 64, 100):
                run("rows%d%s" % (n, tail), (n, 3), None, loss_attrs(reduction), None, "normal",
                    1 + n % 2)
            for dtype in ("i32", "i64"):
                for weighted in (0, 1):
                    for ignore in (None, 2, -100, 99):
                        name = "%s-weights%d-ignore%s%s" % (dtype, weighted, ignore, tail)
                        run(name, (20, 5), G(dtype, (20,), "index", 5),
                            loss_attrs(reduction, ignore), weights(5) if weighted else None,
                            outputs=2)
            run("classes1000" + tail, (2, 1000), None, loss_attrs(reduction), None, outputs=2)
            if reduction == 2:
                run("classes4097", (2, 4097), None, loss_attrs(reduction), weights(4097))
            run("class-of-one" + tail, (4, 1), None, loss_attrs(reduction), None, outputs=2)
            run("spatial" + tail, (2, 4, 3, 5), None, loss_attrs(reduction), weights(4), outputs=2)
            run("spatial-1" + tail, (3, 2, 7), G("i32", (3, 7), "below", 2),
                loss_attrs(reduction, 1), None, outputs=2)
            for kind in ("special", "small", "bits", "wide"):
                run("%s%s" % (kind, tail), (60, 4), None, loss_attrs(reduction), None, kind, 2)
                run("%s-weights%s" % (kind, tail), (60, 4), G("i64", (60,), "index", 4),
                    loss_attrs(reduction, 1), weights(4, kind), kind, 2)
            bad = ints("i64", (6,), [-1, 3, 3000000000, -(1 << 63), (1 << 63) - 1, -3])
            run("all-bad" + tail, (6, 3), bad, loss_attrs(reduction), None, outputs=2)
            run("all-ignored" + tail, (3, 3), ints("i64", (3,), [1, 1, 1]),
                loss_attrs(reduction, 1), weights(3))
            run("ignored-beats-inf" + tail, (2, 2), ints("i64", (2,), [0, 1]),
                loss_attrs(reduction, 0), None, "bits")
            cancel = flt("f32", (2,), [1, -1])
            run("weights-cancel" + tail, (2, 2), ints("i64", (2,), [0, 1]),
                loss_attrs(reduction), cancel)
            zero = flt("f32", (3,), [0, "-0", 0])
            run("weights-zero" + tail, (5, 3), None, loss_attrs(reduction), zero)
            run("weights-zero-meet-inf" + tail, (5, 3), None, loss_attrs(reduction), zero,
                "special")
            run("no-rows" + tail, (0, 3), None, loss_attrs(reduction), None, outputs=2)
            run("no-places" + tail, (2, 3, 0), None, loss_attrs(reduction), None, outputs=2)
        run("rows1000", (1000, 3), None, loss_attrs(2), None, outputs=2)
        run("rows4097", (4097, 2), None, loss_attrs(2), weights(2))
        run("rows9001", (9001, 2), None, loss_attrs(2), weights(2))
        run("rows9001-sum", (9001, 2), None, loss_attrs(1), weights(2, "wide"))
        run("classes9001", (1, 9001), None, loss_attrs(0), None)
        run("rows4097-sum", (4097, 2), G("i32", (4097,), "index", 2), loss_attrs(1, 0), weights(2))
    return fill


def _attention(book):
    def run(name, dtype, q, keys, own=None, width=None, kind="normal", bias=None, lengths=None,
            root=0.5, cap=0.0, causal=0, past=0):
        b, h, _, d = q
        own = h if own is None else own
        xs = [G(dtype, q, kind), G(dtype, (b, own, keys, d), kind),
              G(dtype, (b, own, keys, d if width is None else width), kind)]
        if bias is not None or lengths is not None:
            xs.append(None if bias is None else G(dtype, bias, kind))
        if lengths is not None:
            xs.append(ints("i64", (b,), lengths))
        book.add(name, xs, {"root": f32(root), "cap": f32(cap), "causal": causal, "past": past})

    for keys in (1, 2, 31, 32, 33, 64, 100, 255, 256, 257, 513, 1000, 4095, 4096, 4097, 4353):
        run("f32-keys%d" % keys, "f32", (1, 1, 1, 3), keys, width=2)
    for size in (1, 2, 31, 33, 255, 256, 257, 513, 4096, 4097, 4353):
        run("f32-size%d" % size, "f32", (1, 1, 2, size), 3, width=2)
    for dtype in FLOATS:
        run("%s-plain" % dtype, dtype, (2, 2, 3, 5), 4)
        run("%s-shared-heads" % dtype, dtype, (2, 6, 2, 3), 5, own=2, width=4)
        run("%s-causal" % dtype, dtype, (1, 2, 5, 3), 5, causal=1)
        run("%s-causal-past" % dtype, dtype, (1, 1, 3, 4), 8, causal=1, past=5)
        run("%s-cap" % dtype, dtype, (1, 2, 3, 4), 5, cap=1.25)
        run("%s-all" % dtype, dtype, (2, 4, 3, 4), 7, own=2, width=3, bias=(3, 7), lengths=[4, 9],
            root=0.7, cap=2.0, causal=1, past=3)
        for kind in ("special", "small", "bits", "wide"):
            run("%s-%s" % (dtype, kind), dtype, (3, 2, 4, 6), 5, width=3, kind=kind)
            run("%s-%s-bias" % (dtype, kind), dtype, (3, 2, 4, 6), 5, width=3, kind=kind,
                bias=(2, 4, 5), cap=0.5)
    for number, bias in enumerate(((), (1,), (5,), (4, 1), (4, 5), (2, 1, 5), (2, 4, 5), (3, 1, 1, 1),
                                   (3, 2, 4, 5), (1, 1, 4, 5))):
        run("bias-%d" % number, "f32", (3, 2, 4, 2), 5, bias=bias)
        run("bias-%d-causal" % number, "f32", (3, 2, 4, 2), 5, bias=bias, causal=1)
    run("lengths", "f32", (6, 1, 2, 3), 4, lengths=[0, 1, 3, 4, -1, (1 << 63) - 1])
    run("lengths-causal", "f32", (3, 1, 4, 3), 4, lengths=[2, 3, 9], causal=1)
    run("one-sees-nothing-of-its-row", "f32", (1, 1, 2, 2), 3, lengths=[0])
    run("past-beyond", "f32", (1, 1, 2, 2), 3, causal=1, past=1 << 40)
    for root in (0.0, -1.0, 2.0 ** 64, 2.0 ** -64):
        run("root%s" % root, "f32", (1, 2, 3, 4), 5, root=root)
    for cap in (-0.0, -2.0, 2.0 ** -100, 2.0 ** 100):
        run("cap%s" % cap, "f32", (1, 2, 3, 4), 5, cap=cap)
    for number, (q, keys, own, width) in enumerate((
            ((0, 2, 3, 4), 5, 1, 2), ((2, 0, 3, 4), 5, 1, 2), ((2, 2, 0, 4), 5, 1, 2),
            ((2, 2, 3, 0), 5, 1, 2), ((2, 2, 3, 4), 0, 1, 2), ((2, 2, 3, 4), 5, 1, 0),
            ((1, 1, 1, 1), 1, 1, 1))):
        run("empty-%d" % number, "f32", q, keys, own, width)
        run("empty-%d-causal" % number, "f32", q, keys, own, width, causal=1)
    run("many-rows", "f32", (2, 3, 150, 4), 9, causal=1)


CASES = {
    "Attention": _attention,
    "ReduceSum": reducing(NUMBERS, False), "ReduceMean": reducing(FLOATS, False),
    "ReduceMax": reducing(NUMBERS, False), "ReduceMaxGrad": reducing(FLOATS, True),
    "ReduceProd": reducing(NUMBERS, False), "ArgMax": _arg_max, "Softmax": soft(False), "LogSoftmax": soft(False),
    "SoftmaxGrad": soft(True), "LogSoftmaxGrad": soft(True),
    "LayerNormalization": _layer_norm, "LayerNormalizationGrad": _layer_norm_grad,
    "LayerNormalizationScaleGrad": _layer_norm_scale_grad,
    "RMSNormalization": _rms_norm, "RMSNormalizationGrad": _rms_norm_grad,
    "SoftmaxCrossEntropyLoss": loss(False), "SoftmaxCrossEntropyLossGrad": loss(True),
}
