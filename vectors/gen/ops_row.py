"""ops_row.py - the operators that work on rows: reductions, softmax, layer normalization, arg
max and the loss. Rows are enumerated row-major over the reduced axes in ascending number.
"""

import functions as fn
import functions64 as fn64
from orders import contract, first_largest, lane_product, lane_sum, largest
from soft import F32, F64, convert
from tensor import Tensor, axis_of, flat, positions, size_of


class Rows:
    """The rows of a tensor: `dims` of what is kept, `places` of each row's elements."""

    def __init__(self, dims, axes, keepdims):
        rank = len(dims)
        axes = sorted(axis_of(a, rank) for a in axes)
        kept = [a for a in range(rank) if a not in axes]
        inner = [dims[a] for a in axes]
        self.length = size_of(inner)
        self.dims = tuple(1 if a in axes else dims[a] for a in range(rank)
                          if keepdims or a not in axes)
        self.places = []
        for outer in positions([dims[a] for a in kept]):
            index = [0] * rank
            for a, i in zip(kept, outer):
                index[a] = i
            row = []
            for part in positions(inner):
                for a, i in zip(axes, part):
                    index[a] = i
                row.append(flat(index, dims))
            self.places.append(row)


def _reduced(a, x):
    """The rows of a Reduce operator, None where it is the identity."""
    axes = a["axes"]
    if not axes:
        if a["noop_with_empty_axes"]:
            return None
        axes = range(len(x.dims))
    return Rows(x.dims, axes, a["keepdims"])


def _take(x, row):
    return [x.bits[k] for k in row]


def _reduce(finish):
    def oracle(a, xs, _):
        x = xs[0]
        rows = _reduced(a, x)
        if rows is None:
            return [Tensor(x.dtype, x.dims, [x.t.canon(v) for v in x.bits])]
        return [Tensor(x.dtype, rows.dims, [finish(x.t, _take(x, r)) for r in rows.places])]
    return oracle


def _mean(t, row):
    return t.div(lane_sum(t, row), t.of_int(len(row)))


def _max(t, row):
    if row:
        return largest(t, row)
    return t.ninf if t in (F32, F64) else t.least


def global_average_pool(_, xs, __):
    rows = Rows(xs[0].dims, range(2, len(xs[0].dims)), 1)
    return [Tensor(xs[0].dtype, rows.dims, [_mean(xs[0].t, _take(xs[0], r)) for r in rows.places])]


def reduce_max_grad(a, xs, _):
    dy, x = xs
    t = x.t
    rows = _reduced(a, x)
    if rows is None:
        return [Tensor(x.dtype, x.dims, [t.canon(v) for v in dy.bits])]
    out = [t.zero] * len(x.bits)
    for k, row in enumerate(rows.places):
        if row:
            out[row[first_largest(t, _take(x, row))]] = t.canon(dy.bits[k])
    return [Tensor(x.dtype, x.dims, out)]


def arg_max(a, xs, _):
    x = xs[0]
    rows = Rows(x.dims, [a["axis"]], a["keepdims"])
    out = [first_largest(x.t, _take(x, r), a["select_last_index"]) for r in rows.places]
    return [Tensor("i64", rows.dims, out)]


# ---- softmax ------------------------------------------------------------------------------

def softmax_row(t, row):
    m = largest(t, row)
    e = [fn.exp_of(t)(t.sub(x, m)) for x in row]
    s = lane_sum(t, e)
    return [t.div(v, s) for v in e]


def log_softmax_row(t, row):
    m = largest(t, row)
    z = [t.sub(x, m) for x in row]
    s = fn.log_of(t)(lane_sum(t, [fn.exp_of(t)(v) for v in z]))
    return [t.sub(v, s) for v in z]


def _softmax_grad_row(t, dy, y):
    s = lane_sum(t, [t.mul(a, b) for a, b in zip(y, dy)])
    return [t.mul(a, t.sub(b, s)) for a, b in zip(y, dy)]


def _log_softmax_grad_row(t, dy, z):
    s = lane_sum(t, dy)
    return [t.sub(b, t.mul(fn.exp_of(t)(a), s)) for a, b in zip(z, dy)]


def _along_axis(body):
    def oracle(a, xs, _):
        x = xs[0]
        out = [x.t.zero] * len(x.bits)
        if x.bits:
            for row in Rows(x.dims, [a["axis"]], 1).places:
                values = body(x.t, *(_take(v, row) for v in xs))
                for place, value in zip(row, values):
                    out[place] = value
        return [Tensor(x.dtype, x.dims, out)]
    return oracle


def attention(a, xs, _):
    q, k, v, bias, lengths = xs + [None] * (5 - len(xs))
    t, (batches, heads, rows, size) = q.t, q.dims
    own, keys, width = v.dims[1:]
    low, zero = t.ninf, t.zero
    root, cap = (c if t is F32 else convert(F32, F64, c) for c in (a["root"], a["cap"]))
    dims, out = (batches, heads, rows, keys), []

    def score(b, h, i, j):
        at, of = ((b * heads + h) * rows + i) * size, ((b * own + h * own // heads) * keys + j) * size
        s = contract(t, [(t.mul(q.bits[at + d], root), t.mul(k.bits[of + d], root))
                         for d in range(size)])
        if cap & ~t.sign:
            s = t.mul((fn.tanh if t is F32 else fn64.tanh)(t.div(s, cap)), cap)
        added = zero
        if bias is not None:
            place = (b, h, i, j)[4 - len(bias.dims):]
            added = bias.bits[flat([0 if d == 1 else p for p, d in zip(place, bias.dims)], bias.dims)]
        if a["causal"]:
            added = t.add(added, low if j > i + a["past"] else zero)
        if lengths is not None:
            added = t.add(added, zero if j < lengths.t.value(lengths.bits[b]) else low)
        there = bias is not None or a["causal"] or lengths is not None
        return t.add(s, added) if there else s

    for b, h, i in positions(dims[:3]):
        row = [score(b, h, i, j) for j in range(keys)]
        weights = softmax_row(t, row) if row else []
        of = (b * own + h * own // heads) * keys * width
        for e in range(width):
            out.append(contract(t, [(w, v.bits[of + j * width + e])
                                    for j, w in enumerate(weights)]))
    return [Tensor(q.dtype, dims[:3] + (width,), out)]


# ---- layer normalization ------------------------------------------------------------------

def _norm_rows(a, x):
    rank = len(x.dims)
    axis = axis_of(a["axis"], rank)
    return Rows(x.dims, range(axis, rank), 1)


def layer_norm(a, xs, wanted):
    x, scale, bias = xs
    t = x.t
    eps = a["epsilon"] if t is F32 else convert(F32, F64, a["epsilon"])
    rows = _norm_rows(a, x)
    n = t.of_int(rows.length)
    out, means, inverse = [t.zero] * len(x.bits), [], []
    for row in rows.places:
        values = _take(x, row)
        mean = t.div(lane_sum(t, values), n)
        d = [t.sub(v, mean) for v in values]
        variance = t.div(lane_sum(t, [t.mul(v, v) for v in d]), n)
        r = t.div(t.one, t.sqrt(t.add(variance, eps)))
        means.append(mean)
        inverse.append(r)
        for k, (place, v) in enumerate(zip(row, d)):
            y = t.mul(v, r)
            if scale is not None:
                y = t.mul(y, scale.bits[k])
            if bias is not None:
                y = t.add(y, bias.bits[k])
            out[place] = y
    tensors = [Tensor(x.dtype, x.dims, out), Tensor(x.dtype, rows.dims, means),
               Tensor(x.dtype, rows.dims, inverse)]
    return tensors[:wanted]


def layer_norm_grad(a, xs, _):
    dy, x, mean, inverse, scale = xs
    t = x.t
    rows = _norm_rows(a, x)
    n = t.of_int(rows.length)
    out = [t.zero] * len(x.bits)
    for k, row in enumerate(rows.places):
        r = inverse.bits[k]
        xh = [t.mul(t.sub(v, mean.bits[k]), r) for v in _take(x, row)]
        h = _take(dy, row)
        if scale is not None:
            h = [t.mul(v, g) for v, g in zip(h, scale.bits)]
        first = t.div(lane_sum(t, h), n)
        second = t.div(lane_sum(t, [t.mul(u, v) for u, v in zip(h, xh)]), n)
        for place, u, v in zip(row, h, xh):
            out[place] = t.mul(r, t.sub(t.sub(u, first), t.mul(v, second)))
    return [Tensor(x.dtype, x.dims, out)]


def layer_norm_scale_grad(a, xs, _):
    dy, x, mean, inverse = xs
    t = x.t
    rows = _norm_rows(a, x)
    axis = axis_of(a["axis"], len(x.dims))
    out = []
    for j in range(rows.length):
        terms = []
        for k, row in enumerate(rows.places):
            xh = t.mul(t.sub(x.bits[row[j]], mean.bits[k]), inverse.bits[k])
            terms.append(t.mul(dy.bits[row[j]], xh))
        out.append(lane_sum(t, terms))
    return [Tensor(x.dtype, x.dims[axis:], out)]


def rms_norm(a, xs, wanted):
    x, scale = xs
    t = x.t
    eps = a["epsilon"] if t is F32 else convert(F32, F64, a["epsilon"])
    rows = _norm_rows(a, x)
    out, inverse = [t.zero] * len(x.bits), []
    for row in rows.places:
        values = _take(x, row)
        square = t.div(lane_sum(t, [t.mul(v, v) for v in values]), t.of_int(rows.length))
        inverse.append(t.div(t.one, t.sqrt(t.add(square, eps))))
        for k, place in enumerate(row):
            y = t.mul(values[k], inverse[-1])
            out[place] = y if scale is None else t.mul(y, scale.bits[k])
    return [Tensor(x.dtype, x.dims, out), Tensor(x.dtype, rows.dims, inverse)][:wanted]


def rms_norm_grad(a, xs, _):
    dy, x, inverse, scale = xs
    t = x.t
    rows = _norm_rows(a, x)
    out = [t.zero] * len(x.bits)
    for row, r in zip(rows.places, inverse.bits):
        xh = [t.mul(v, r) for v in _take(x, row)]
        h = _take(dy, row)
        if scale is not None:
            h = [t.mul(v, g) for v, g in zip(h, scale.bits)]
        c = t.div(lane_sum(t, [t.mul(u, v) for u, v in zip(h, xh)]), t.of_int(rows.length))
        for place, u, v in zip(row, h, xh):
            out[place] = t.mul(r, t.sub(u, t.mul(v, c)))
    return [Tensor(x.dtype, x.dims, out)]


# ---- cross entropy ------------------------------------------------------------------------

def _label_rows(a, x, labels, weights):
    """For each row: its places, its label (None when ignored or invalid), its weight."""
    classes = x.dims[1]
    inner = size_of(x.dims[2:])
    out = []
    for k, pattern in enumerate(labels.bits):
        label = labels.t.value(pattern)
        ignored = a["has_ignore"] and label == a["ignore_index"]
        image, place = divmod(k, inner)
        row = [(image * classes + c) * inner + place for c in range(classes)]
        if ignored or not 0 <= label < classes:
            out.append((row, None, F32.zero))
        else:
            out.append((row, label, F32.one if weights is None else weights.bits[label]))
    return out


def cross_entropy(a, xs, wanted):
    x, labels, weights = xs
    t = F32
    rows = _label_rows(a, x, labels, weights)
    losses, log_prob = [], [t.zero] * len(x.bits)
    for row, label, w in rows:
        z = log_softmax_row(t, _take(x, row)) if row else []
        for place, v in zip(row, z):
            log_prob[place] = v
        if label is None:
            losses.append(t.zero)
            continue
        loss = t.neg(z[label])
        losses.append(loss if weights is None else t.mul(w, loss))
    if a["reduction"] == 0:
        loss = Tensor("f32", labels.dims, losses)
    else:
        s = lane_sum(t, losses)
        if a["reduction"] == 2:
            d = lane_sum(t, [w for _, _, w in rows])
            s = t.zero if t.is_zero(d) else t.div(s, d)
        loss = Tensor("f32", (), [s])
    return [loss, Tensor("f32", x.dims, log_prob)][:wanted]


def cross_entropy_grad(a, xs, _):
    dl, x, labels, weights = xs
    t = F32
    rows = _label_rows(a, x, labels, weights)
    d = lane_sum(t, [w for _, _, w in rows])
    out = [t.zero] * len(x.bits)
    for i, (row, label, w) in enumerate(rows):
        if label is None or (a["reduction"] == 2 and t.is_zero(d)):
            continue
        k = t.mul(w, dl.bits[i if a["reduction"] == 0 else 0])
        if a["reduction"] == 2:
            k = t.div(k, d)
        for c, (place, p) in enumerate(zip(row, softmax_row(t, _take(x, row)))):
            out[place] = t.mul(t.sub(p, t.one) if c == label else p, k)
    return [Tensor("f32", x.dims, out)]


OPS = {
    "ReduceSum": _reduce(lane_sum), "ReduceMean": _reduce(_mean), "ReduceMax": _reduce(_max),
    "ReduceProd": _reduce(lane_product),
    "ReduceMaxGrad": reduce_max_grad, "ArgMax": arg_max,
    "GlobalAveragePool": global_average_pool,
    "Attention": attention,
    "Softmax": _along_axis(softmax_row), "LogSoftmax": _along_axis(log_softmax_row),
    "SoftmaxGrad": _along_axis(_softmax_grad_row),
    "LogSoftmaxGrad": _along_axis(_log_softmax_grad_row),
    "LayerNormalization": layer_norm, "LayerNormalizationGrad": layer_norm_grad,
    "LayerNormalizationScaleGrad": layer_norm_scale_grad,
    "RMSNormalization": rms_norm, "RMSNormalizationGrad": rms_norm_grad,
    "SoftmaxCrossEntropyLoss": cross_entropy, "SoftmaxCrossEntropyLossGrad": cross_entropy_grad,
}
