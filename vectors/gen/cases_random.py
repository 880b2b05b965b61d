"""cases_random.py - the cases of the random operators, BatchIndices and LearningRate."""

from book import G
from soft import F32, F64
from tensor import f32, f64, float_specials, ints, lit

SIZES = (1, 2, 3, 4, 5, 31, 32, 33, 64, 100, 1000)
STEPS = (0, 1, 7, 0xFFFFFFFF, 1 << 32, (1 << 32) + 7, (1 << 63) - 1, -1, -(1 << 63))
KEYS = ((0, 0), (1, 0), (0xDEADBEEF12345678, 3), ((1 << 64) - 1, (1 << 32) - 1), (1 << 32, 1))


def step(t):
    return ints("i64", (), [t])


def _dropout(book):
    def run(name, dims, threshold, scale, key=(42, 5), at=3, kind="normal"):
        book.add(name, [G("f32", dims, kind), step(at)],
                 {"seed": key[0], "stream": key[1], "threshold": threshold, "scale": f32(scale)})

    half, full = 1 << 31, (1 << 32) - 1
    for n in SIZES:
        run("size-%d" % n, (n,), half, 2.0)
    for threshold in (0, 1, half, 429496730, full - 1, full):
        for kind in ("normal", "special", "bits"):
            run("threshold-%d-%s" % (threshold, kind), (500,), threshold, 1.1111112, kind=kind)
    for number, key in enumerate(KEYS):
        run("key-%d" % number, (5, 7), half, 2.0, key)
    for t in STEPS:
        run("step-%d" % t, (40,), half, 2.0, at=t)
    for scale in (0.0, -1.0, 1.0, 3e38):
        run("scale-%g" % scale, (100,), half, scale, kind="special")
    book.add("scale-nan", [G("f32", (8,)), step(0)],
             {"seed": 0, "stream": 0, "threshold": half, "scale": 0xFFC00001})
    run("empty", (0, 3), half, 2.0)
    run("scalar", (), 1, 2.0)
    run("large", (3, 4097), half, 2.0)
    # The element whose word is exactly the threshold is kept.
    book.add("threshold-equals-word", [G("f32", (4,)), step(0)],
             {"seed": 0, "stream": 0, "threshold": 0x9B00DBD8, "scale": F32.one})
    book.add("threshold-above-word", [G("f32", (4,)), step(0)],
             {"seed": 0, "stream": 0, "threshold": 0x9B00DBD9, "scale": F32.one})


def draws(first, second, pairs):
    def fill(book):
        def run(name, shape, a, b, key=(42, 5), at=3):
            book.add(name, [step(at)], {"seed": key[0], "stream": key[1], first: a, second: b,
                                        "shape": list(shape)})

        a, b = pairs[0]
        for n in SIZES:
            run("size-%d" % n, (n,), a, b)
        for number, (x, y) in enumerate(pairs):
            run("range-%d" % number, (9, 7), x, y)
        for number, key in enumerate(KEYS):
            run("key-%d" % number, (5, 7), a, b, key)
        for t in STEPS:
            run("step-%d" % t, (40,), a, b, at=t)
        for shape in ((), (0,), (3, 0), (2, 3, 4), (64, 64)):
            run("shape-%s" % ("x".join(map(str, shape)) or "scalar"), shape, a, b)
        for k, v in enumerate(float_specials(F32)):
            run("special-%d" % k, (8,), v, F32.one)
            run("special-second-%d" % k, (8,), F32.one, v)
    return fill


def _batch_indices(book):
    def run(name, n, batch, at, key=(42, 5)):
        book.add(name, [step(at)], {"seed": key[0], "n": n, "batch": batch, "stream": key[1]})

    for n in (1, 2, 5, 6, 7, 15, 16, 17, 255, 256, 257, 65536, 65537):
        run("n%d-first" % n, n, min(n, 300), 0)
        run("n%d-over-epochs" % n, n, 40, 5)
        run("n%d-batch-over-n" % n, n, 3 * n + 1 if n < 300 else 64, 2)
    for at in (0, 1, 936, 937, 938, 1874, 1875, 1876):
        run("n60000-step%d" % at, 60000, 64, at)
    run("n60000-epoch", 60000, 60000, 0)
    for number, key in enumerate(KEYS):
        run("key-%d" % number, 1000, 33, 30, key)
    for t in STEPS:
        run("step-%d" % t, 6, 7, t)
    for n in ((1 << 31) - 1, 1 << 31, (1 << 32) + 15, 1 << 40, (1 << 63) - 1, 1 << 63):
        run("n%d" % n, n, 8, 1)
    for batch in (1, 31, 32, 33, 100, 1000):
        run("batch%d" % batch, 50000, batch, 3)


def rate_attrs(kind, base=0.1, low=0.0, warmup=0, total=0, gamma=0.5, period=1):
    return {"kind": kind, "base": f64(base), "min": f64(low), "warmup": warmup, "total": total,
            "gamma": f64(gamma), "period": period}


def _learning_rate(book):
    def run(name, at, t):
        book.add("%s-t%d" % (name, t), [step(t)], at)

    for kind in (0, 1, 2):
        for warm in (0, 1, 10):
            at = rate_attrs(kind, 0.1, 0.001, warm, 100)
            for t in (0, 1, 5, 8, 9, 10, 11, 33, 54, 55, 56, 97, 98, 99, 100, 101, 1000):
                run("kind%d-warmup%d" % (kind, warm), at, t)
        for t in (0, 1, 625, 937, 938, 1874, 1875, 1876):
            run("kind%d-no-min" % kind, rate_attrs(kind, 0.001, 0.0, 0, 1876), t)
        for t in (0, 1, 2, 3, 4, 5, 6):
            run("kind%d-total-under-warmup" % kind, rate_attrs(kind, 0.1, 0.01, 5, 3), t)
            run("kind%d-total-is-warmup" % kind, rate_attrs(kind, 0.1, 0.01, 4, 4), t)
        for t in (0, 7):
            run("kind%d-total-0" % kind, rate_attrs(kind, 0.1, 0.01, 0, 0), t)
        run("kind%d-min-over-base" % kind, rate_attrs(kind, 0.1, 0.3, 2, 20), 7)
        run("kind%d-min-not-removed-exactly" % kind, rate_attrs(kind, 0.1, 1e9, 0, 20), 7)
    for kind in (3, 4):
        for warm in (0, 10):
            for period in (1, 7, 30):
                at = rate_attrs(kind, 0.1, 1e-6, warm, 50, 0.9, period)
                for t in (0, 6, 7, 9, 10, 11, 16, 17, 29, 30, 40, 50, 99, 10000):
                    run("kind%d-warmup%d-period%d" % (kind, warm, period), at, t)
        for number, (low, gamma) in enumerate(((0.0, 0.0), (0.0, 1.0), (-1.0, -0.5), (0.01, 2.0),
                                               (0.0, 1.0000001))):
            for t in (0, 1, 2, 3, 15, 16, 31, 1000, 123456):
                run("kind%d-gamma%d" % (kind, number), rate_attrs(kind, 0.1, low, 0, 0, gamma), t)
    # Bases at which the next binary64 number, and so another order of the same operations, would
    # round to another binary32 number.
    for base, warm, t in ((0x3FCD9FBAB8000001, 3, 0), (0x3FDFB2B3D6E8BA2E, 49, 10),
                          (0x40346B7CEBB55556, 1876, 5)):
        run("warmup%d-decides" % warm, {**rate_attrs(0, warmup=warm), "base": base}, t)
    for base, gamma, n in ((0x3FBED1AA44DC5FC5, 0.97, 11), (0x3FC3381DC57B3B50, 0.97, 11),
                           (0x3FBC0D87C2F1FD43, 0.999, 100), (0x3FB7893CF561AF18, 0.999, 100),
                           (0x4088BFCB64B8606C, 0.5001, 13), (0x408E042F73A34316, 0.5001, 13)):
        run("power%g-decides-%x" % (gamma, base), {**rate_attrs(4, gamma=gamma), "base": base}, n)
    far = 10 ** 12
    for t in (far // 3, far - far // 3, far - far // 3 - 1):
        run("linear-cancels", rate_attrs(1, 2.0, -1.0, 0, far), t)
        run("cosine-cancels", rate_attrs(2, 3.0, -1.0, 0, far), t)
    for kind in range(5):
        at = rate_attrs(kind, 0.1, 0.01, 3, 1 << 63, 0.999, 1000)
        for t in ((1 << 32), (1 << 53) + 1, (1 << 62) + 1, (1 << 63) - 1, -1, -(1 << 63)):
            run("kind%d-far" % kind, at, t)
        at = rate_attrs(kind, 0.1, 0.01, (1 << 64) - 1, (1 << 64) - 1, 0.999, 1000)
        for t in (0, (1 << 53), (1 << 53) + 1, -2, -1):
            run("kind%d-far-warmup" % kind, at, t)
        for field in ("base", "min", "gamma"):
            for k, v in enumerate(float_specials(F64)):
                at = rate_attrs(kind, 0.1, 0.01, 2, 40, 0.9, 3)
                at[field] = v
                for t in (0, 11) if field == "base" and kind == 0 else (11,):
                    run("kind%d-%s-special%d" % (kind, field, k), at, t)
        for t in (0, 3, 77):
            run("kind%d-rounds-to-f32" % kind, rate_attrs(kind, 1e-44, 0.0, 2, 100, 0.97, 2), t)
            run("kind%d-over-f32" % kind, rate_attrs(kind, 1e300, 0.0, 2, 100, 0.97, 2), t)


CASES = {
    "Dropout": _dropout, "BatchIndices": _batch_indices, "LearningRate": _learning_rate,
    "RandomUniform": draws("low", "high", [(f32(0.0), F32.one), (f32(-0.5), f32(0.5)),
                                           (f32(1.0), f32(-1.0)), (f32(5.0), f32(5.0)),
                                           (f32(-3e38), f32(3e38)), (f32(0.1), f32(0.3))]),
    "RandomNormal": draws("mean", "scale", [(f32(0.0), F32.one), (f32(1.0), f32(0.02)),
                                            (f32(0.0), f32(0.0)), (f32(-2.5), f32(-3.0)),
                                            (f32(0.0), f32(1e38))]),
}
