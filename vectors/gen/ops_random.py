"""ops_random.py - random numbers, Dropout, BatchIndices and the learning rate: operators whose
input is the step.
"""

import functions as fn
from orders import permuted, random_words
from soft import F32, F64, to_f32, to_f64
from tensor import Tensor, size_of

M64 = (1 << 64) - 1


def _uniform(w, more=0):
    """((w >> 8) + more) 2^-24, exactly."""
    return F32.of_ratio((w >> 8) + more, 1 << 24)


def dropout(a, xs, _):
    x, step = xs
    words = random_words(a["seed"], a["stream"], step.bits[0], len(x.bits))
    out = [F32.mul(v, a["scale"]) if w >= a["threshold"] else 0 for v, w in zip(x.bits, words)]
    return [Tensor("f32", x.dims, out)]


def random_uniform(a, xs, _):
    t, count = F32, size_of(a["shape"])
    width = t.sub(a["high"], a["low"])
    words = random_words(a["seed"], a["stream"], xs[0].bits[0], count)
    return [Tensor("f32", a["shape"],
                   [t.add(t.mul(_uniform(w), width), a["low"]) for w in words])]


def random_normal(a, xs, _):
    t, count = F32, size_of(a["shape"])
    words = random_words(a["seed"], a["stream"], xs[0].bits[0], count + count % 2)
    out = []
    for w, v in zip(words[::2], words[1::2]):
        r = t.sqrt(t.mul(t.neg(t.of_int(2)), fn.log(_uniform(w, 1))))
        for turn in (fn.cos2pi, fn.sin2pi):
            z = t.mul(r, turn(_uniform(v)))
            out.append(t.add(t.mul(z, a["scale"]), a["mean"]))
    return [Tensor("f32", a["shape"], out[:count])]


def batch_indices(a, xs, _):
    n, batch = a["n"], a["batch"]
    out = []
    for j in range(batch):
        q = (xs[0].bits[0] * batch + j) & M64
        out.append(permuted(a["seed"], a["stream"], q // n, n, q % n))
    return [Tensor("i64", (batch,), out)]


def power(x, n):
    """x^n in binary64 by squaring, lowest bit first; 1 for n = 0."""
    f, result = F64, None
    while n:
        if n & 1:
            result = x if result is None else f.mul(result, x)
        n >>= 1
        if n:
            x = f.mul(x, x)
    return f.one if result is None else result


def learning_rate(a, xs, _):
    f, t = F64, xs[0].bits[0]                      # the step, unsigned
    kind, base, low = a["kind"], a["base"], a["min"]
    warm, total = a["warmup"], a["total"]
    if t < warm:
        rate = f.div(f.mul(base, f.of_int(t + 1)), f.of_int(warm))
    elif kind in (1, 2) and t >= total:
        rate = low
    elif kind in (3, 4):
        n = (t - warm) // a["period"] if kind == 3 else t - warm
        rate = f.top(low, f.mul(base, power(a["gamma"], n)))
    else:
        u = f.one
        if kind:
            u = f.div(f.of_int(total - t), f.of_int(total - warm))
        if kind == 2:
            s = to_f64(fn.sin2pi(F32.mul(F32.of_ratio(1, 4), to_f32(u))))
            u = f.mul(s, s)
        rate = f.add(low, f.mul(f.sub(base, low), u))
    return [Tensor("f32", (), [to_f32(rate)])]


OPS = {"Dropout": dropout, "RandomUniform": random_uniform, "RandomNormal": random_normal,
       "BatchIndices": batch_indices, "LearningRate": learning_rate}
