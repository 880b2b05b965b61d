"""An ONNX model evaluated in binary64 with NumPy: the reference that others are measured against.

It is an interpreter of the operators that the models of tests/real_models.py have, written from ONNX's
text. Every float is a float64, whatever the model calls it; integers and bools stay what they are. An
operator or an attribute that it does not know is an error, so nothing is passed over."""
import functools, math, struct

import numpy as np

from onnx_read import DTYPES, fields, numbers, signed, text

FLOATS = ("float32", "float64", "float16", "bfloat16")


def dtype(code):
    name = DTYPES[code]
    return np.dtype("float64" if name in FLOATS else name)


def tensor(b):
    f = fields(b)
    code, dims = f[2][-1], list(numbers(f[1]))
    name = DTYPES[code]
    stored = np.dtype(name).newbyteorder("<")
    if f[9]:
        x = np.frombuffer(f[9][-1], stored)
    elif name in ("float32", "float64"):
        x = np.frombuffer(b"".join(f[4] + f[10]), stored)
    else:
        x = np.array(list(numbers(f[5] + f[7] + f[11])), np.uint16 if name == "float16" else stored)
        x = x.view(np.float16) if name == "float16" else x
    return x.reshape(dims).astype(dtype(code))


def attribute(b):
    """Its value: a float, int, text, tensor, graph (as bytes) or a list of ints or floats."""
    f = fields(b)
    kind = f[20][-1]
    if kind == 1:
        return struct.unpack("<f", f[2][-1])[0]
    if kind == 6:
        data = b"".join(f[7])
        return list(struct.unpack("<%df" % (len(data) // 4), data))
    return {2: lambda: signed(f[3][-1]) if f[3] else 0, 3: lambda: f[4][-1].decode() if f[4] else "",
            4: lambda: tensor(f[5][-1]), 5: lambda: f[6][-1],
            7: lambda: list(numbers(f[8]))}[kind]()


class Node:
    def __init__(self, b):
        f = fields(b)
        self.inputs = [v.decode() for v in f[1]]
        self.outputs = [v.decode() for v in f[2]]
        self.op = text(f, 4)
        self.given = dict((text(fields(a), 1), attribute(a)) for a in f[5])

    def take(self, name, otherwise=None):
        return self.given.pop(name, otherwise)


# ---- windows ----------------------------------------------------------------------------------


def window(n, sizes, kernel):
    """(strides, dilations, [(before, after)]) of a window over those sizes."""
    axes = len(sizes)
    strides, dilations = n.take("strides", [1] * axes), n.take("dilations", [1] * axes)
    pads, auto = n.take("pads", [0] * 2 * axes), n.take("auto_pad", "NOTSET")
    pads = list(zip(pads[:axes], pads[axes:]))
    if auto.startswith("SAME"):
        for a in range(axes):
            extent = (kernel[a] - 1) * dilations[a] + 1
            total = max(0, (-(-sizes[a] // strides[a]) - 1) * strides[a] + extent - sizes[a])
            pads[a] = (total // 2, total - total // 2)
            if auto == "SAME_LOWER":
                pads[a] = pads[a][::-1]
    return strides, dilations, pads


def windows(x, kernel, strides, dilations, pads, fill):
    """x (N, C, sizes) as (N, C, positions, kernel)."""
    axes = len(kernel)
    x = np.pad(x, [(0, 0)] * 2 + list(pads), constant_values=fill)
    extent = [(k - 1) * d + 1 for k, d in zip(kernel, dilations)]
    v = np.lib.stride_tricks.sliding_window_view(x, extent, tuple(range(2, 2 + axes)))
    every = tuple(slice(None, None, s) for s in strides)
    return v[(slice(None),) * 2 + every + tuple(slice(None, None, d) for d in dilations)]


def conv(n, x, w, b=None):
    n.take("kernel_shape")
    group, kernel = n.take("group", 1), w.shape[2:]
    strides, dilations, pads = window(n, x.shape[2:], kernel)
    v = windows(x, kernel, strides, dilations, pads, 0.0)
    axes, each, made = len(kernel), x.shape[1] // group, w.shape[0] // group
    out = []
    for g in range(group):
        part = v[:, g * each:(g + 1) * each]
        taps = [1] + list(range(2 + axes, 2 + 2 * axes))
        y = np.tensordot(part, w[g * made:(g + 1) * made], (taps, list(range(1, 2 + axes))))
        out.append(np.moveaxis(y, -1, 1))
    y = np.concatenate(out, 1)
    return y if b is None else y + b.reshape((-1,) + (1,) * axes)


def conv_transpose(n, x, w, b=None):
    """Each input element adds its multiple of the kernel to the output."""
    kernel, axes = n.take("kernel_shape", list(w.shape[2:])), x.ndim - 2
    strides, dilations, pads = window(n, x.shape[2:], kernel)
    assert n.take("group", 1) == 1 and not any(n.take("output_padding", [0]))
    sizes = [s * (d - 1) + (k - 1) * l + 1
             for s, d, k, l in zip(strides, x.shape[2:], kernel, dilations)]
    y = np.zeros((x.shape[0], w.shape[1]) + tuple(sizes))
    for at in np.ndindex(*kernel):
        part = np.moveaxis(np.tensordot(x, w[(slice(None),) * 2 + at], ([1], [0])), -1, 1)
        y[(slice(None),) * 2 + tuple(
            slice(p * l, p * l + s * (d - 1) + 1, s)
            for p, l, s, d in zip(at, dilations, strides, x.shape[2:]))] += part
    y = y[(slice(None),) * 2 + tuple(slice(p, size - q) for (p, q), size in zip(pads, sizes))]
    return y if b is None else y + b.reshape((-1,) + (1,) * axes)


def pool(n, x):
    kernel = n.take("kernel_shape")
    assert not n.take("ceil_mode", 0) and not n.take("storage_order", 0)
    strides, dilations, pads = window(n, x.shape[2:], kernel)
    last = tuple(range(-len(kernel), 0))
    if n.op == "MaxPool":
        return windows(x, kernel, strides, dilations, pads, -np.inf).max(last)
    sums = windows(x, kernel, strides, dilations, pads, 0.0).sum(last)
    if n.take("count_include_pad", 0):
        return sums / np.prod(kernel)
    return sums / windows(np.ones_like(x), kernel, strides, dilations, pads, 0.0).sum(last)


# ---- the others -------------------------------------------------------------------------------


def reduction(of):
    def call(n, x, axes=None):
        axes, keep = n.take("axes", axes), n.take("keepdims", 1)
        noop = n.take("noop_with_empty_axes", 0)
        axes = None if axes is None else tuple(int(a) for a in axes)
        if not axes:
            if noop:
                return x
            axes = None
        return of(x, axis=axes, keepdims=bool(keep))
    return call


def binary(of):
    return lambda n, a, b: of(a, b)


def unary(of):
    return lambda n, x: of(x)


def divide(a, b):
    if a.dtype.kind == "f":
        return a / b
    return (np.sign(a) * np.sign(b) * (abs(a) // abs(b))).astype(a.dtype)


def power(a, b):
    return (a ** b.astype(np.float64)).astype(a.dtype)


def reshape(n, x, to):
    assert not n.take("allowzero", 0)
    return x.reshape([x.shape[k] if d == 0 else int(d) for k, d in enumerate(to)])


def squeeze(n, x, axes=None):
    axes = n.take("axes", axes)
    return np.squeeze(x, None if axes is None else tuple(int(a) for a in axes))


def unsqueeze(n, x, axes=None):
    return np.expand_dims(x, tuple(int(a) for a in n.take("axes", axes)))


def pad(n, x, pads, value=None, axes=None):
    mode = n.take("mode", "constant")
    axes = range(x.ndim) if axes is None else [int(a) % x.ndim for a in axes]
    each = [(0, 0)] * x.ndim
    for k, a in enumerate(axes):
        each[a] = (int(pads[k]), int(pads[k + len(pads) // 2]))
    assert min(min(e) for e in each) >= 0
    if mode == "constant":
        return np.pad(x, each, constant_values=0 if value is None else value.item())
    return np.pad(x, each, mode)


def slices(n, x, starts, ends, axes=None, steps=None):
    axes = range(len(starts)) if axes is None else axes
    steps = [1] * len(starts) if steps is None else steps
    cut = [slice(None)] * x.ndim
    for s, e, a, t in zip(starts, ends, axes, steps):
        s, e, t = int(s), int(e), int(t)
        if t < 0 and e < -x.shape[int(a)]:
            e = None
        cut[int(a)] = slice(s, e, t)
    return x[tuple(cut)]


def split(n, x, parts=None):
    axis, count = n.take("axis", 0), n.take("num_outputs", len(n.outputs))
    if parts is None:
        each = -(-x.shape[axis] // count)
        parts = [each] * (count - 1)
    return np.split(x, np.cumsum(parts)[:count - 1].astype(int), axis)


def softmax(n, x, opset):
    """Before version 13 a tensor was a matrix cut at the axis."""
    axis = n.take("axis", -1 if opset >= 13 else 1)
    axes = axis if opset >= 13 else tuple(range(axis % x.ndim, x.ndim))
    e = np.exp(x - x.max(axes, keepdims=True))
    return e / e.sum(axes, keepdims=True)


def gemm(n, a, b, c=0.0):
    a = a.T if n.take("transA", 0) else a
    b = b.T if n.take("transB", 0) else b
    return n.take("alpha", 1.0) * (a @ b) + n.take("beta", 1.0) * c


def batch_norm(n, x, scale, bias, mean, variance):
    n.take("momentum")
    assert not n.take("training_mode", 0)
    along = lambda v: v.reshape((-1,) + (1,) * (x.ndim - 2))
    return ((x - along(mean)) / np.sqrt(along(variance) + n.take("epsilon", 1e-5)) * along(scale) +
            along(bias))


def layer_norm(n, x, scale, bias=0.0):
    axes = tuple(range(n.take("axis", -1) % x.ndim, x.ndim))
    d = x - x.mean(axes, keepdims=True)
    return d / np.sqrt((d * d).mean(axes, keepdims=True) + n.take("epsilon", 1e-5)) * scale + bias


def lstm(n, x, w, r, b=None, lengths=None, h=None, c=None):
    """One direction, gates in the order input, output, forget, cell."""
    size = n.take("hidden_size")
    assert w.shape[0] == 1 and lengths is None and n.take("direction", "forward") == "forward"
    h, c = (np.zeros((x.shape[1], size)) if v is None else v[0] for v in (h, c))
    bias = 0.0 if b is None else b[0, :4 * size] + b[0, 4 * size:]
    out = []
    for step in x:
        i, o, f, g = np.split(step @ w[0].T + h @ r[0].T + bias, 4, 1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        out.append(h)
    return [np.stack(out)[:, None], h[None], c[None]]


def filled(n, dims):
    v = n.take("value", np.zeros(1))
    return np.full([int(d) for d in dims], v[0], v.dtype)


def resize(n, x, roi=None, scales=None, sizes=None):
    """Each output position is the input position that lies below it."""
    assert (n.take("mode"), n.take("nearest_mode"), n.take("coordinate_transformation_mode")) == (
        "nearest", "floor", "asymmetric")
    for a in range(x.ndim):
        scale = scales[a] if sizes is None or not len(sizes) else sizes[a] / x.shape[a]
        to = math.floor(x.shape[a] * scale)
        x = np.take(x, [min(x.shape[a] - 1, math.floor(k / scale)) for k in range(to)], a)
    return x


def clip(n, x, low=None, high=None):
    low, high = n.take("min", low), n.take("max", high)
    x = x if low is None else np.maximum(x, low)
    return x if high is None else np.minimum(x, high)


erf = np.vectorize(math.erf, otypes=[np.float64])
mean, largest = reduction(np.mean), reduction(np.max)
sigmoid = lambda x: 1 / (1 + np.exp(-x))
spatial = lambda x: tuple(range(2, x.ndim))

OPERATORS = {
    "Add": binary(np.add), "Sub": binary(np.subtract), "Mul": binary(np.multiply),
    "Div": binary(divide), "Pow": binary(power), "Equal": binary(np.equal),
    "Max": lambda n, *x: functools.reduce(np.maximum, x), "MatMul": binary(np.matmul),
    "Neg": unary(np.negative), "Sqrt": unary(np.sqrt), "Exp": unary(np.exp), "Log": unary(np.log),
    "Tanh": unary(np.tanh), "Erf": unary(erf), "Sigmoid": unary(sigmoid),
    "Relu": unary(lambda x: np.maximum(x, 0)), "Reciprocal": unary(lambda x: 1 / x),
    "Identity": unary(lambda x: x), "Shape": unary(lambda x: np.array(x.shape, np.int64)),
    "HardSigmoid": lambda n, x: np.clip(n.take("alpha", 0.2) * x + n.take("beta", 0.5), 0, 1),
    "Gelu": lambda n, x: x * (1 + erf(x / math.sqrt(2))) / 2, "Clip": clip,
    "Cast": lambda n, x: x.astype(dtype(n.take("to"))), "Where": lambda n, c, x, y: np.where(c, x, y),
    "Constant": lambda n: n.take("value"), "Reshape": reshape, "Pad": pad, "Slice": slices,
    "Expand": lambda n, x, to: x * np.ones([int(d) for d in to], x.dtype),
    "Concat": lambda n, *x: np.concatenate(x, n.take("axis")), "Squeeze": squeeze,
    "Unsqueeze": unsqueeze, "Transpose": lambda n, x: np.transpose(x, n.take("perm")),
    "Gather": lambda n, x, i: np.take(x, i, n.take("axis", 0)), "Split": split, "Conv": conv,
    "ConvTranspose": conv_transpose, "MaxPool": pool, "AveragePool": pool,
    "GlobalAveragePool": lambda n, x: x.mean(spatial(x), keepdims=True),
    "GlobalMaxPool": lambda n, x: x.max(spatial(x), keepdims=True),
    "ReduceSum": reduction(np.sum), "ReduceMean": mean, "ReduceMax": largest,
    "ReduceMin": reduction(np.min), "Gemm": gemm, "BatchNormalization": batch_norm,
    "LayerNormalization": layer_norm, "Resize": resize, "LSTM": lstm, "ConstantOfShape": filled,
    "Not": unary(np.logical_not), "Size": unary(lambda x: np.array(x.size, np.int64)),
    "ReduceL2": reduction(lambda x, **k: np.sqrt(np.sum(x * x, **k)))}


def graph(b, names, opset):
    """The outputs of a graph, by name; names: what is known around it."""
    f = fields(b)
    names = dict(names)
    for t in f[5]:
        names.setdefault(text(fields(t), 8), tensor(t))
    for b in f[1]:
        n = Node(b)
        x = [names[k] if k else None for k in n.inputs]
        if n.op == "If":
            y = list(graph(n.take("then_branch" if x[0].item() else "else_branch"), names,
                           opset).values())
            n.given.clear()
        elif n.op == "Softmax":
            y = softmax(n, x[0], opset)
        else:
            y = OPERATORS[n.op](n, *x)
        if n.given:
            raise NotImplementedError("%s has the attribute %s" % (n.op, sorted(n.given)))
        names.update(zip(n.outputs, y if isinstance(y, list) else [y]))
    return dict((text(fields(v), 1), np.asarray(names[text(fields(v), 1)])) for v in f[12])


def evaluate(path, inputs):
    """{name: array} for {name: array}."""
    f = fields(open(path, "rb").read())
    opset = next(fields(o)[2][-1] for o in f[8] if text(fields(o), 1) in ("", "ai.onnx"))
    inputs = dict((k, v.astype(np.float64) if v.dtype.kind == "f" else v) for k, v in inputs.items())
    with np.errstate(all="ignore"):
        return graph(f[7][-1], inputs, opset)
