"""bodies.py - one element, or one part of an element, of every operator, read input by input.

What this file decides: which inputs an element reads, and what a part is (docs/FORMATS.md,
"Parts"). The arithmetic is that of vectors/gen: integers rounded once an operation, no floating
point of the host; elementwise operators are its oracles run on tensors of one element.

Invariants
  1. Nothing here is shared with, or read from, the C code.
  2. Inputs are read through `read(input, index)` alone, so what was read is known.
"""
import os
import sys

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, os.path.join(ROOT, "vectors", "gen"))
import functions as fn  # noqa: E402
import functions64 as fn64  # noqa: E402
import ops_elementwise  # noqa: E402
import ops_map  # noqa: E402
import ops_place  # noqa: E402
import ops_quant  # noqa: E402
import ops_random  # noqa: E402
from orders import (BLOCK, CHUNK, GROUP, LANES, SKIP, _added, _lanes, chain, contract, lane_product,
                    lane_sum, largest, permuted, philox)
import halves  # noqa: E402
from soft import F32, F64, HALVES, I64, TYPES, U64, Int, convert  # noqa: E402
from tensor import Tensor, axis_of, flat, size_of, strides_of  # noqa: E402

COMPUTE = {name: (I64 if t.signed else U64) if isinstance(t, Int) else t
           for name, t in TYPES.items()}
COMPUTE.update(f16=F32, bf16=F32, bool=U64)
CHAIN, LIST = 256, 4096
M32, M64 = (1 << 32) - 1, (1 << 64) - 1
SUM, MAX, MEAN, PRODUCT = "sum", "max", "mean", "product"


MARK, PLACE, NUMBER = "mark", "place", "number"  # what the parts of a level are


def up(n, d):
    return -(-n // d)


def index_of(i, dims):
    """The coordinates of flat index i."""
    out = []
    for d in reversed(dims):
        out.append(i % d)
        i //= d
    return out[::-1]


def box(ranges):
    """How many places a product of ranges has."""
    return size_of([len(r) for r in ranges])


def in_box(ranges, p):
    return [r[k] for r, k in zip(ranges, index_of(p, [len(r) for r in ranges]))]


class Node:
    """An operator with attributes by name and (dtype, dims) of inputs (None: absent) and outputs.

    read(input, index) gives stored bits."""

    def __init__(self, op, attrs, ins, outs, read):
        self.op, self.at, self.ins, self.outs, self.raw = op, attrs, ins, outs, read
        self.t = COMPUTE[ins[0][0]] if ins else None

    def one(self):
        """What a claim that is not known yet reads as."""
        return self.t.one if self.t else 1

    def claim(self, bits):
        """A part that needs no more than it is given may be asked for with any 64 bits."""
        return bits & M32 if self.t is F32 else bits

    def canonical(self, kind, bits):
        """Whether a claim may be these bits."""
        if kind == MARK:
            return bits <= 1
        return kind == PLACE or self.t is not F32 or bits <= M32

    def has(self, k):
        return k < len(self.ins) and self.ins[k] is not None

    def dims(self, k):
        return self.ins[k][1]

    def read(self, k, i):
        """In the compute type."""
        t = TYPES[self.ins[k][0]]
        bits = self.raw(k, i)
        if t.name in HALVES:
            return convert(t, F32, bits)
        return t.value(bits) & M64 if isinstance(t, Int) else bits

    def signed(self, k, i):
        return TYPES[self.ins[k][0]].value(self.raw(k, i))

    def stored(self, out, bits):
        t = TYPES[self.outs[out][0]]
        if t.name in HALVES:
            return convert(F32, t, bits)
        return bits & t.mask if isinstance(t, Int) else t.canon(bits)

    def broadcast(self, k, i, out=0):
        """The element of input k that meets element i of the output."""
        dims, place = self.dims(k), index_of(i, self.outs[out][1])
        place = place[len(place) - len(dims):]
        return flat([0 if d == 1 else p for p, d in zip(place, dims)], dims)

    def real(self, name):
        """An f32 attribute in the compute type."""
        return self.at[name] if self.t is F32 else convert(F32, F64, self.at[name])


# ---- contractions: terms(node, i) -> (K, term(k)), finish(node, i, sum) ---------------------

def matmul_terms(n, i):
    a, b = n.dims(0), n.dims(1)
    k, cols = a[-1], b[-1] if len(b) > 1 else 1
    rows = a[-2] if len(a) > 1 else 1
    col, row, batch = i % cols, i // cols % rows, i // cols // rows
    la, lb = a[:-2], b[:-2]
    lead = max(len(la), len(lb))
    la, lb = (1,) * (lead - len(la)) + tuple(la), (1,) * (lead - len(lb)) + tuple(lb)
    place = index_of(batch, [y if x == 1 else x for x, y in zip(la, lb)])
    pa = flat([0 if d == 1 else p for p, d in zip(place, la)], la)
    pb = flat([0 if d == 1 else p for p, d in zip(place, lb)], lb)
    pa, pb = (pa * rows + row) * k, pb * k * cols + col
    return k, lambda j: (n.read(0, pa + j), n.read(1, pb + j * cols))


def gemm_terms(n, i):
    m, cols = n.outs[0][1]
    k = n.dims(0)[0 if n.at["transA"] else 1]
    row, col = divmod(i, cols)

    def term(j):
        return (n.read(0, j * m + row if n.at["transA"] else row * k + j),
                n.read(1, col * k + j if n.at["transB"] else j * cols + col))
    return k, term


def gemm_finish(n, i, s):
    y = n.t.mul(n.real("alpha"), s)
    if n.has(2):
        y = n.t.add(y, n.t.mul(n.real("beta"), n.read(2, n.broadcast(2, i))))
    return y


def source(place, tap, a, x):
    """Where tap `tap` of the window at `place` lies in x; None: in the padding."""
    q = [o * s - p + k * d for o, s, p, k, d in
         zip(place, a["strides"], a["pads"], tap, a["dilations"])]
    return q if all(0 <= v < size for v, size in zip(q, x)) else None


def conv_terms(n, i):
    x, w, y = n.dims(0), n.dims(1), n.outs[0][1]
    image, o, *place = index_of(i, y)
    first = o // (w[0] // n.at["group"]) * w[1]
    k = size_of(w[1:])

    def term(j):
        c, *tap = index_of(j, w[1:])
        q = source(place, tap, n.at, x[2:])
        v = n.t.zero if q is None else n.read(0, flat([image, first + c] + q, x))
        return v, n.read(1, o * k + j)
    return k, term


def conv_finish(n, i, s):
    y = n.outs[0][1]
    return n.t.add(s, n.read(2, i // size_of(y[2:]) % y[1])) if n.has(2) else s


def conv_input_grad_terms(n, i):
    dy, w, dx = n.dims(0), n.dims(1), n.outs[0][1]
    image, channel, *place = index_of(i, dx)
    group, c = divmod(channel, w[1])
    og, taps = w[0] // n.at["group"], (w[0] // n.at["group"],) + tuple(w[2:])

    def term(j):
        o, *tap = index_of(j, taps)
        o += group * og
        q = [v + p - k * d for v, p, k, d in zip(place, n.at["pads"], tap, n.at["dilations"])]
        if any(v % s for v, s in zip(q, n.at["strides"])):
            return SKIP
        q = [v // s for v, s in zip(q, n.at["strides"])]
        inside = all(0 <= v < size for v, size in zip(q, dy[2:]))
        return (n.read(0, flat([image, o] + q, dy)) if inside else n.t.zero,
                n.read(1, flat([o, c] + tap, w)))
    return size_of(taps), term


def conv_weight_grad_terms(n, i):
    dy, x, dw = n.dims(0), n.dims(1), n.outs[0][1]
    o, c, *tap = index_of(i, dw)
    channel = o // (dw[0] // n.at["group"]) * dw[1] + c
    terms = (dy[0],) + tuple(dy[2:])

    def term(j):
        image, *place = index_of(j, terms)
        q = source(place, tap, n.at, x[2:])
        return (n.read(0, flat([image, o] + place, dy)),
                n.t.zero if q is None else n.read(1, flat([image, channel] + q, x)))
    return size_of(terms), term


def plain(n, i, s):
    return s


# ---- recurrent cells ----------------------------------------------------------------------

class CellAt:
    """Element i of the state of a cell: row b, column j, of `size`; `gates` wide is x."""

    def __init__(self, n, i, weights, lengths=None):
        self.n, self.i, self.weights = n, i, weights
        self.size, self.wide = n.dims(1)[2], n.dims(0)[2]
        self.b, self.j = divmod(i, self.size)
        self.lengths = lengths

    def ended(self):
        return self.n.has(self.lengths) and self.n.signed(self.lengths, self.b) <= self.n.at["step"]

    def product(self, gate, k, state=1, row=None):
        row = self.b * self.size if row is None else row
        return (self.n.read(state, row + k),
                self.n.read(self.weights, k * self.wide + gate * self.size + self.j))

    def given(self, gate):
        row = self.n.at["step"] * self.n.dims(1)[1] + self.b
        return self.n.read(0, row * self.wide + gate * self.size + self.j)

    def v(self, gate, s):
        return self.n.t.add(self.given(gate), s)

    def function(self, letter):
        t, code = self.n.t, self.n.at[letter]
        if code == 2:
            return lambda x: x if t.key(x) > t.key(t.zero) else t.zero
        name = "Tanh" if code == 1 else "Sigmoid"
        dtype = "f32" if t is F32 else "f64"
        return lambda x: ops_map.OPS[name]({}, [Tensor(dtype, (), [x])], 1)[0].bits[0]

    def blended(self, z, new, before):
        t = self.n.t
        return t.add(t.mul(t.sub(t.one, z), new), t.mul(z, before))


def rnn_cell_terms(n, i):
    c = CellAt(n, i, 2)
    return c.size, lambda k: c.product(0, k)


def rnn_cell_finish(n, i, s):
    c = CellAt(n, i, 2, 3)
    return n.read(1, i) if c.ended() else c.function("f")(c.v(0, s))


def gru_gates_at(n, i):
    size = n.dims(1)[2]
    b, j = divmod(i, 2 * size)
    return j // size, CellAt(n, b * size + j % size, 2)


def gru_gates_terms(n, i):
    gate, c = gru_gates_at(n, i)
    return c.size, lambda k: c.product(gate, k)


def gru_gates_finish(n, i, s):
    gate, c = gru_gates_at(n, i)
    v = c.function("f")(c.v(gate, s))
    return n.t.mul(v, n.read(1, c.i)) if gate else v


def gru_state_terms(n, i):
    c = CellAt(n, i, 3)
    return c.size, lambda k: c.product(2, k, 2, (2 * c.b + 1) * c.size)


def gru_state_finish(n, i, s):
    c = CellAt(n, i, 3, 4)
    before = n.read(1, i)
    if c.ended():
        return before
    return c.blended(n.read(2, 2 * c.b * c.size + c.j), c.function("g")(c.v(2, s)), before)


def lstm_gates(n, out):
    return [q for q in range(4) if not (q == 1 and out) and not (q == 2 and n.at["input_forget"])]


def lstm_finish(n, out, i, sums):
    c, t = CellAt(n, i, 3, 5), n.t
    if c.ended():
        return n.read(2 if out else 1, i)
    cell = n.read(2, i)
    v = {q: c.v(q, s) for q, s in zip(lstm_gates(n, out), sums)}

    def gate(q, cell):
        peep = n.has(4) and t.mul(n.read(4, q * c.size + c.j), cell)
        return c.function("f")(t.add(v[q], peep) if n.has(4) else v[q])
    inward = gate(0, cell)
    forget = t.sub(t.one, inward) if n.at["input_forget"] else gate(2, cell)
    cell = t.add(t.mul(forget, cell), t.mul(inward, c.function("g")(v[3])))
    return cell if out else t.mul(gate(1, cell), c.function("h")(cell))


def gru_finish(n, out, i, sums):
    c, t, before = CellAt(n, i, 2, 4), n.t, n.read(1, i)
    if c.ended():
        return before
    hidden = t.add(sums[2], n.read(3, c.j)) if n.has(3) else sums[2]
    new = t.mul(c.function("f")(c.v(1, sums[1])), hidden)
    new = c.function("g")(t.add(c.given(2), new))
    return c.blended(c.function("f")(c.v(0, sums[0])), new, before)


# The weights' input, the gates that an element needs, and what it is of their sums.
SEVERAL = {"LSTMCell": (3, lstm_gates, lstm_finish),
           "GRUCell": (2, lambda n, out: [0, 1, 2], gru_finish)}

CONTRACTIONS = {
    "RNNCell": (rnn_cell_terms, rnn_cell_finish), "GRUGates": (gru_gates_terms, gru_gates_finish),
    "GRUState": (gru_state_terms, gru_state_finish),
    "MatMul": (matmul_terms, plain), "Gemm": (gemm_terms, gemm_finish),
    "Conv": (conv_terms, conv_finish), "ConvInputGrad": (conv_input_grad_terms, plain),
    "ConvWeightGrad": (conv_weight_grad_terms, plain),
}


class Contraction:
    kinds = ()  # of the lowest levels; those above hold numbers

    def __init__(self, node, out, i, sums=None):
        terms, finish = CONTRACTIONS[node.op] if sums is None else (None, plain)
        self.t, self.claim = node.t, node.claim
        self.n, self.term = terms(node, i) if sums is None else sums
        self.value = lambda s: node.stored(out, finish(node, i, s))
        blocks = up(self.n, BLOCK)
        groups = up(blocks, GROUP)
        self.counts = [blocks, groups, up(groups, LIST), 1]

    def element(self):
        return self.value(contract(self.t, [self.term(k) for k in range(self.n)]))

    def needs(self, level, index):
        if level == 0:
            return []
        if level == 3:
            return [(2, 0, self.counts[2])]
        before = [(2, index - 1, index)] if level == 2 and index else []
        fan = GROUP if level == 1 else LIST
        return before + [(level - 1, index * fan, min(self.counts[level - 1], (index + 1) * fan))]

    def part(self, level, index, claims):
        if level == 0:
            ks = range(index * BLOCK, min(self.n, (index + 1) * BLOCK))
            return contract(self.t, [self.term(k) for k in ks])
        claims = [self.claim(c) for c in claims]
        if level == 3:
            return self.value(claims[-1] if claims else self.t.zero)
        return self.t.canon(_added(self.t, claims))


class Several:
    """Contractions side by side: levels 3 s to 3 s + 2 are those of contraction s."""
    kinds = ()

    def __init__(self, node, out, i):
        weights, gates, finish = SEVERAL[node.op]
        self.t, self.claim, cell = node.t, node.claim, CellAt(node, i, weights)
        self.each = [Contraction(node, out, i, (cell.size, lambda k, q=q: cell.product(q, k)))
                     for q in gates(node, out)]
        self.value = lambda sums: node.stored(out, finish(node, out, i, sums))
        self.counts = sum((c.counts[:3] for c in self.each), []) + [1]

    def element(self):
        return self.value([contract(self.t, [c.term(k) for k in range(c.n)]) for c in self.each])

    def needs(self, level, index):
        s, v = divmod(level, 3)
        if s < len(self.each):
            return [(3 * s + low, a, b) for low, a, b in self.each[s].needs(v, index)]
        return [(3 * k + 2, 0, c.counts[2]) for k, c in enumerate(self.each) if c.n]

    def part(self, level, index, claims):
        s, v = divmod(level, 3)
        if s < len(self.each):
            return self.each[s].part(v, index, claims)
        lists = self.each[0].counts[2]
        return self.value([self.claim(claims[(k + 1) * lists - 1]) if claims else self.t.zero
                           for k in range(len(self.each))])


# ---- rows: (count, [(kind, term(st, j))...], finish(st)) ------------------------------------

def reduced(n, k, i):
    """Of the row of element i of the reduced tensor: its length, and where position j lies."""
    dims, axes = n.dims(k), [axis_of(a, len(n.dims(k))) for a in n.at["axes"]]
    if not axes:
        axes = [] if n.at["noop_with_empty_axes"] else list(range(len(dims)))
    return reduced_by(dims, sorted(axes), i)


def reduced_by(dims, axes, i):
    kept = [a for a in range(len(dims)) if a not in axes]
    inner, steps = [dims[a] for a in axes], strides_of(dims)
    base = sum(p * steps[a] for p, a in zip(index_of(i, [dims[a] for a in kept]), kept))
    return size_of(inner), lambda j: base + sum(
        p * steps[a] for p, a in zip(index_of(j, inner), axes))


def along(dims, axis, i):
    """The row through element i along an axis: its length, and where position j lies."""
    axis = axis_of(axis, len(dims))
    inner, n = size_of(dims[axis + 1:]), dims[axis]
    base = i // inner // n * n * inner + i % inner
    return n, lambda j: base + j * inner


def reduce_row(kind):
    def row(n, out, i):
        count, at = reduced(n, 0, i)
        whole = not n.at["axes"] and n.at["noop_with_empty_axes"]
        return (count, [(kind, lambda st, j: n.read(0, at(j)))],
                lambda st: n.read(0, i) if whole else st[0])
    return row


def global_average_row(n, out, i):
    count = size_of(n.dims(0)[2:])
    return count, [(MEAN, lambda st, j: n.read(0, i * count + j))], lambda st: st[0]


def softmax_row(log):
    def row(n, out, i):
        t = n.t
        count, at = along(n.dims(0), n.at["axis"], i)

        def finish(st):
            z = t.sub(n.read(0, i), st[0])
            return t.sub(z, fn.log_of(t)(st[1])) if log else t.div(fn.exp_of(t)(z), st[1])
        return count, [(MAX, lambda st, j: n.read(0, at(j))),
                       (SUM, lambda st, j: fn.exp_of(t)(t.sub(n.read(0, at(j)), st[0])))], finish
    return row


def softmax_grad_row(n, out, i):
    count, at = along(n.dims(0), n.at["axis"], i)
    return (count, [(SUM, lambda st, j: n.t.mul(n.read(1, at(j)), n.read(0, at(j))))],
            lambda st: n.t.mul(n.read(1, i), n.t.sub(n.read(0, i), st[0])))


def log_softmax_grad_row(n, out, i):
    t = n.t
    count, at = along(n.dims(0), n.at["axis"], i)
    return (count, [(SUM, lambda st, j: n.read(0, at(j)))],
            lambda st: t.sub(n.read(0, i), t.mul(fn.exp_of(t)(n.read(1, i)), st[0])))


def layer_norm_row(n, out, i):
    t, x = n.t, n.dims(0)
    count = size_of(x[axis_of(n.at["axis"], len(x)):])
    row = i // count if out == 0 else i

    def square(st, j):
        d = t.sub(n.read(0, row * count + j), st[0])
        return t.mul(d, d)

    def finish(st):
        if out == 1:
            return st[0]
        r = t.div(t.one, t.sqrt(t.add(st[1], n.real("epsilon"))))
        if out == 2:
            return r
        y = t.mul(t.sub(n.read(0, i), st[0]), r)
        if n.has(1):
            y = t.mul(y, n.read(1, i % count))
        return t.add(y, n.read(2, i % count)) if n.has(2) else y
    return count, [(MEAN, lambda st, j: n.read(0, row * count + j)), (MEAN, square)], finish


def centred(n, row, j):
    """xh of LayerNormalization's gradients."""
    return n.t.mul(n.t.sub(n.read(1, j), n.read(2, row)), n.read(3, row))


def layer_norm_grad_row(n, out, i):
    t, x = n.t, n.dims(0)
    count = size_of(x[axis_of(n.at["axis"], len(x)):])
    row = i // count

    def h(j):
        return t.mul(n.read(0, j), n.read(4, j % count)) if n.has(4) else n.read(0, j)

    def finish(st):
        rest = t.sub(t.sub(h(i), st[0]), t.mul(centred(n, row, i), st[1]))
        return t.mul(n.read(3, row), rest)
    return count, [(MEAN, lambda st, j: h(row * count + j)),
                   (MEAN, lambda st, j: t.mul(h(row * count + j),
                                              centred(n, row, row * count + j)))], finish


def layer_norm_scale_grad_row(n, out, i):
    x, width = n.dims(0), size_of(n.outs[0][1])
    count = size_of(x[:axis_of(n.at["axis"], len(x))])
    return (count, [(SUM, lambda st, j: n.t.mul(n.read(0, j * width + i),
                                                centred(n, j, j * width + i)))],
            lambda st: st[0])


def rms_norm_row(n, out, i):
    t, x = n.t, n.dims(0)
    count = size_of(x[axis_of(n.at["axis"], len(x)):])
    row = i if out else i // count

    def square(st, j):
        v = n.read(0, row * count + j)
        return t.mul(v, v)

    def finish(st):
        r = t.div(t.one, t.sqrt(t.add(st[0], n.real("epsilon"))))
        if out:
            return r
        y = t.mul(n.read(0, i), r)
        return t.mul(y, n.read(1, i % count)) if n.has(1) else y
    return count, [(MEAN, square)], finish


def rms_norm_grad_row(n, out, i):
    t, x = n.t, n.dims(0)
    count = size_of(x[axis_of(n.at["axis"], len(x)):])
    row = i // count

    def h(j):
        return t.mul(n.read(0, j), n.read(3, j % count)) if n.has(3) else n.read(0, j)

    def xh(j):
        return t.mul(n.read(1, j), n.read(2, row))
    return (count, [(MEAN, lambda st, j: t.mul(h(row * count + j), xh(row * count + j)))],
            lambda st: t.mul(n.read(2, row), t.sub(h(i), t.mul(xh(i), st[0]))))


class Loss:
    """Rows, labels and weights of the loss and of its gradient; x is input number `x`."""

    def __init__(self, n, x):
        self.n, self.x, self.classes = n, x, n.dims(x)[1]
        self.inner = size_of(n.dims(x)[2:])
        self.rows = n.dims(x)[0] * self.inner

    def label(self, row):
        """None: the row has no valid one."""
        y = self.n.signed(self.x + 1, row)
        if self.n.at["has_ignore"] and y == self.n.at["ignore_index"]:
            return None
        return y if 0 <= y < self.classes else None

    def logit(self, row, c):
        return self.n.read(self.x, (row // self.inner * self.classes + c) * self.inner
                           + row % self.inner)

    def weight(self, row):
        label = self.label(row)
        if label is None:
            return F32.zero
        return self.n.read(self.x + 2, label) if self.n.has(self.x + 2) else F32.one

    def softmax(self, row):
        """Of the row: its greatest element, and the sum of the exponentials."""
        z = [self.logit(row, c) for c in range(self.classes)]
        m = largest(F32, z)
        return m, lane_sum(F32, [fn.exp(F32.sub(v, m)) for v in z])

    def log_prob(self, row, c, given=None):
        m, s = given or self.softmax(row)
        return F32.sub(F32.sub(self.logit(row, c), m), fn.log(s))

    def term(self, row, given=None):
        label = self.label(row)
        if label is None:
            return F32.zero
        z = F32.neg(self.log_prob(row, label, given))
        return F32.mul(z, self.weight(row)) if self.n.has(self.x + 2) else z

    def place(self, i):
        outer, c, rest = index_of(i, (self.n.dims(self.x)[0], self.classes, self.inner))
        return outer * self.inner + rest, c


def loss_row(n, out, i):
    l, how = Loss(n, 0), n.at["reduction"]

    def finish(st, given=None):
        if out == 1:
            return l.log_prob(*l.place(i), given)
        if how == 0:
            return l.term(i, given)
        if how == 1:
            return st[0]
        return F32.zero if F32.is_zero(st[1]) else F32.div(st[0], st[1])
    return (l.rows if out == 0 and how else 0,
            [(SUM, lambda st, j: l.term(j)), (SUM, lambda st, j: l.weight(j))], finish)


def loss_grad_row(n, out, i):
    l, how = Loss(n, 1), n.at["reduction"]

    def finish(st, given=None):
        row, c = l.place(i)
        label = l.label(row)
        if label is None:
            return F32.zero
        k = F32.mul(l.weight(row), n.read(0, 0 if how else row))
        if how == 2:
            if F32.is_zero(st[0]):
                return F32.zero
            k = F32.div(k, st[0])
        m, s = given or l.softmax(row)
        e = F32.div(fn.exp(F32.sub(l.logit(row, c), m)), s)
        return F32.mul(F32.sub(e, F32.one) if c == label else e, k)
    return l.rows if how == 2 else 0, [(SUM, lambda st, j: l.weight(j))], finish


ROWS = {
    "ReduceSum": reduce_row(SUM), "ReduceMean": reduce_row(MEAN), "ReduceMax": reduce_row(MAX),
    "ReduceProd": reduce_row(PRODUCT),
    "GlobalAveragePool": global_average_row, "Softmax": softmax_row(False),
    "LogSoftmax": softmax_row(True), "SoftmaxGrad": softmax_grad_row,
    "LogSoftmaxGrad": log_softmax_grad_row, "LayerNormalization": layer_norm_row,
    "LayerNormalizationGrad": layer_norm_grad_row,
    "LayerNormalizationScaleGrad": layer_norm_scale_grad_row,
    "RMSNormalization": rms_norm_row, "RMSNormalizationGrad": rms_norm_grad_row,
    "SoftmaxCrossEntropyLoss": loss_row, "SoftmaxCrossEntropyLossGrad": loss_grad_row,
}


class Row:
    kinds = ()

    def __init__(self, node, out, i, row=None):
        self.node, self.t = node, node.t if node.t else F32
        self.n, self.stages, finish = row or ROWS[node.op](node, out, i)
        self.value = lambda st, *given: node.stored(out, finish(st, *given))
        self.height, m = 2, self.n
        while m > CHUNK:
            m = up(m, CHUNK)
            self.height += 1
        one = []
        m = self.n
        for _ in range(self.height - 1):
            m = up(m, CHUNK) if m else 1
            one.append(m)
        self.counts = self.above = ([one[0] * LANES] + one) * len(self.stages) + [1]

    def least(self):
        if self.t in (F32, F64):
            return self.t.ninf
        t = TYPES[self.node.ins[0][0]]
        return t.value(t.least) & M64 if isinstance(t, Int) else 0

    def fold(self, kind, values):
        """One chunk of at most 4,096."""
        if kind == MAX:
            return largest(self.t, [self.least()] + values)
        return self.lanes(kind, values)

    def lanes(self, kind, values):
        fold, first = (self.t.mul, self.t.one) if kind == PRODUCT else (self.t.add, self.t.zero)
        return _lanes(self.t, values, fold, first)

    def settle(self, kind, folded):
        return self.t.div(folded, self.t.of_int(self.n)) if kind == MEAN else folded

    def element(self):
        st = []
        for kind, term in self.stages:
            row = [term(st, j) for j in range(self.n)]
            folded = (self.fold(MAX, row) if kind == MAX else lane_product(self.t, row)
                      if kind == PRODUCT else lane_sum(self.t, row))
            st.append(self.settle(kind, folded))
        return self.value(st)

    def needs(self, level, index):
        stage, v = divmod(level, self.height)
        if v:
            fan = LANES if v == 1 else CHUNK
            return [(level - 1, index * fan, min(self.above[level - 1], (index + 1) * fan))]
        return [(t * self.height + self.height - 1, 0, 1) for t in range(stage)]

    def part(self, level, index, claims):
        claims = [self.node.claim(c) for c in claims]
        stage, v = divmod(level, self.height)
        if v == 0:
            st = [self.settle(kind, c) for (kind, _), c in zip(self.stages, claims)]
            if stage == len(self.stages):
                return self.value(st)
            kind, term = self.stages[stage]
            chunk, lane = divmod(index, LANES)
            js = range(chunk * CHUNK + lane, min(self.n, (chunk + 1) * CHUNK), LANES)
            values = [term(st, j) for j in js]
            if kind == MAX:
                return largest(self.t, [self.least()] + values)
            acc = self.t.one if kind == PRODUCT else self.t.zero
            for x in values:
                acc = self.t.mul(acc, x) if kind == PRODUCT else self.t.add(acc, x)
            return acc
        kind = self.stages[stage][0]
        if kind == MAX:
            return largest(self.t, claims)
        return self.lanes(kind, claims)


class LossRow(Row):
    """Below the stages over rows: what the softmax of each row is made of, where rows are long,
    and the terms of the rows, which a lane of S lists instead of reading."""

    def __init__(self, node, out, i):
        super().__init__(node, out, i)
        self.loss = l = Loss(node, 0 if node.op == "SoftmaxCrossEntropyLoss" else 1)
        own = i if node.op == "SoftmaxCrossEntropyLoss" and out == 0 else l.place(i)[0]
        single = out == 1 or l.x or not node.at["reduction"]
        self.rows = [own] if single else range(l.rows)
        self.lists_row = bool(single)
        self.below = self.per = []
        if l.classes > CHAIN:
            self.per = self.softmax_of(0).counts[:-1]
            self.below = [c * len(self.rows) for c in self.per]
        terms = [] if l.x else [self.n]
        self.base, self.terms = len(self.below) + len(terms), len(terms)
        self.counts = self.below + terms + self.counts

    def softmax_of(self, row):
        l = self.loss
        stages = [(MAX, lambda st, c: l.logit(row, c)),
                  (SUM, lambda st, c: fn.exp(F32.sub(l.logit(row, c), st[0])))]
        return Row(self.node, 0, 0, (l.classes, stages, lambda st: st[1]))

    def results(self, row):
        """Where the two results of a row are, of the rows that are listed."""
        h = len(self.below)
        return [(k, row, row + 1) for k in (h // 2 - 1, h - 1) if h]

    def needs(self, level, index):
        if level < len(self.below):
            row, k = divmod(index, self.per[level])
            return [(l, a + row * self.per[l], b + row * self.per[l])
                    for l, a, b in self.softmax_of(0).needs(level, k)]
        if level < self.base:
            return self.results(index)
        if self.terms and level == self.base:
            chunk = index // LANES
            run = (level - 1, chunk * CHUNK, min(self.n, (chunk + 1) * CHUNK))
            return [run] if self.n else []
        mine = [(l + self.base, a, b) for l, a, b in super().needs(level - self.base, index)]
        last = level == len(self.counts) - 1 and self.lists_row
        return (self.results(0) if last else []) + mine

    def part(self, level, index, claims):
        if level < len(self.below):
            row, k = divmod(index, self.per[level])
            return self.softmax_of(self.rows[row]).part(level, k, claims)
        if level < self.base:
            return self.loss.term(index, [self.node.claim(c) for c in claims] or None)
        if level == len(self.counts) - 1:
            claims = [self.node.claim(c) for c in claims]
            mine = claims[-len(self.stages):]
            return self.value(mine, claims[:-len(self.stages)] or None)
        if not self.terms or level > self.base:
            return super().part(level - self.base, index, claims)
        acc = self.t.zero
        for x in claims[index % LANES::LANES]:
            acc = self.t.add(acc, self.node.claim(x))
        return acc


class Attention:
    """The blocks of every score's product, the scores, a row of two stages over these, and a
    contraction; lanes and blocks list scores instead of reading."""
    kinds = ()

    def __init__(self, node, out, i):
        self.node, self.t, self.claim = node, node.t, node.claim
        q, v = node.dims(0), node.dims(2)
        self.batch, self.head, self.query, self.column = index_of(i, node.outs[0][1])
        self.keys, self.size, self.q = v[2], q[3], q
        self.own = [self.batch, self.head // (q[1] // v[1])]
        stages = [(MAX, None), (SUM, None)]
        self.row = Row(node, out, i, (self.keys, stages, None))
        self.sum = Contraction(node, out, i, (self.keys, None))
        self.blocks = up(self.size, BLOCK)
        below = [self.keys * self.blocks, self.keys]
        self.above = 2 + 2 * self.row.height
        self.counts = below + self.row.counts[:-1] + self.sum.counts
        self.out = out

    def product(self, j, block):
        root, ds = self.node.real("root"), range(block * BLOCK, min(self.size, (block + 1) * BLOCK))
        at = flat([self.batch, self.head, self.query, 0], self.q) if ds else 0
        of = flat(self.own + [j, 0], self.node.dims(1)) if ds else 0
        return contract(self.t, [(self.t.mul(self.node.read(0, at + d), root),
                                  self.t.mul(self.node.read(1, of + d), root)) for d in ds])

    def score(self, j, blocks):
        n, t = self.node, self.t
        s = t.zero
        if blocks:
            s = _added(t, [_added(t, blocks[g:g + GROUP]) for g in range(0, len(blocks), GROUP)])
        cap = n.real("cap")
        if cap & ~t.sign:
            s = t.mul(fn.tanh(t.div(s, cap)) if t is F32 else fn64.tanh(t.div(s, cap)), cap)
        added = []
        if n.has(3):
            dims = n.dims(3)
            place = [self.batch, self.head, self.query, j][4 - len(dims):]
            added.append(n.read(3, flat([0 if d == 1 else p for p, d in zip(place, dims)], dims)))
        if n.at["causal"]:
            added.append(t.ninf if j > self.query + n.at["past"] else t.zero)
        if n.has(4):
            added.append(t.zero if j < n.signed(4, self.batch) else t.ninf)
        if not added:
            return t.canon(s)
        total = t.zero if not n.has(3) else added.pop(0)
        for x in added:
            total = t.add(total, x)
        return t.add(s, total)

    def weight(self, s, m):
        return (fn.exp if self.t is F32 else fn.exp64)(self.t.sub(s, m))

    def term(self, w, j):
        v = self.node.dims(2)
        return w, self.node.read(2, flat(self.own + [j, self.column], v))

    def element(self):
        scores = [self.score(j, [self.product(j, b) for b in range(self.blocks)])
                  for j in range(self.keys)]
        m = self.row.fold(MAX, scores) if scores else self.t.ninf
        e = [self.weight(s, m) for s in scores]
        z = lane_sum(self.t, e)
        y = contract(self.t, [self.term(self.t.div(w, z), j) for j, w in enumerate(e)])
        return self.node.stored(self.out, y)

    def scores(self, start, count):
        return [(1, start, min(self.keys, start + count))] if start < self.keys else []

    def needs(self, level, index):
        if level == 0:
            return []
        if level == 1:
            return [(0, index * self.blocks, (index + 1) * self.blocks)] if self.blocks else []
        h, v = self.row.height, level - 2
        tops = [(1 + h, 0, 1), (1 + 2 * h, 0, 1)]
        if level == self.above:
            return self.scores(index * BLOCK, BLOCK) + tops
        if level > self.above:
            mine = self.sum.needs(level - self.above, index)
            return [(k + self.above, a, b) for k, a, b in mine]
        if v % h == 0:
            return self.scores(index // LANES * CHUNK, CHUNK) + tops[:v // h]
        return [(k + 2, a, b) for k, a, b in self.row.needs(v, index)]

    def part(self, level, index, claims):
        if level == 0:
            return self.product(*divmod(index, self.blocks))
        claims = [self.claim(c) for c in claims]
        if level == 1:
            return self.score(index, claims)
        if level == self.above:
            m, z = claims[-2:]
            js = range(index * BLOCK, min(self.keys, (index + 1) * BLOCK))
            return contract(self.t, [self.term(self.t.div(self.weight(s, m), z), j)
                                     for j, s in zip(js, claims)])
        if level > self.above:
            return self.sum.part(level - self.above, index, claims)
        stage, v = divmod(level - 2, self.row.height)
        if v:
            return self.row.part(level - 2, index, claims)
        m = claims.pop() if stage else None
        mine = claims[index % LANES::LANES]
        if not stage:
            return largest(self.t, [self.t.ninf] + mine)
        acc = self.t.zero
        for s in mine:
            acc = self.t.add(acc, self.weight(s, m))
        return acc


# ---- chains: (count, start, step(p, acc), finish(acc)) --------------------------------------

def taps(place, a, x):
    """The coordinates of a window's taps inside x, an axis each."""
    return [[q for q in (o * s - p + k * d for k in range(kernel)) if 0 <= q < n]
            for o, s, p, d, kernel, n in
            zip(place, a["strides"], a["pads"], a["dilations"], a["kernel_shape"], x)]


def divisor(place, a, x):
    """What an average divides by."""
    if not a["count_include_pad"]:
        return max(1, box(taps(place, a, x)))
    count, r = 1, len(x)
    for axis, (o, s, p, d, kernel, n) in enumerate(
            zip(place, a["strides"], a["pads"], a["dilations"], a["kernel_shape"], x)):
        count *= sum(o * s - p + k * d < n + a["pads"][r + axis] for k in range(kernel))
    return max(1, count)


def windows(place, a, y):
    """The box of windows that may hold the element at `place` of x, an axis each."""
    return [range(max(0, up(q + p - (k - 1) * d, s)), min(size - 1, (q + p) // s) + 1)
            for q, p, k, d, s, size in zip(place, a["pads"], a["kernel_shape"], a["dilations"],
                                           a["strides"], y)]


def tap_of(place, window, a):
    """Which tap of a window the element is, an axis each; None: it is not of it."""
    out = []
    for q, p, o, s, d, k in zip(place, a["pads"], window, a["strides"], a["dilations"],
                                a["kernel_shape"]):
        t = q + p - o * s
        if t < 0 or t % d or t // d >= k:
            return None
        out.append(t // d)
    return out


def position(k, count):
    """Whether k is a position before `count`: a claim may be any 64 bits."""
    return k < count


def gather_grad_chain(n, out, i):
    dx = n.outs[0][1]
    axis, count = axis_of(n.at["axis"], len(dx)), size_of(n.dims(1))
    d, inner = n.at["dim"], size_of(dx[axis + 1:])
    outer, own, rest = i // inner // d, i // inner % d, i % inner

    def step(p, acc):
        k = n.signed(1, p)
        if (k + d if k < 0 else k) != own:
            return acc
        return n.t.add(acc, n.read(0, (outer * count + p) * inner + rest))
    return count, n.t.zero, step, lambda acc: acc


def average_pool_chain(n, out, i):
    x, y = n.dims(0), n.outs[0][1]
    plane = index_of(i, y)
    inside = taps(plane[2:], n.at, x[2:])

    def finish(acc):
        return n.t.div(acc, n.t.of_int(divisor(plane[2:], n.at, x[2:])))
    return (box(inside), n.t.zero,
            lambda p, acc: n.t.add(acc, n.read(0, flat(plane[:2] + in_box(inside, p), x))), finish)


def average_pool_grad_chain(n, out, i):
    dy, dx = n.dims(0), n.outs[0][1]
    place = index_of(i, dx)
    around = windows(place[2:], n.at, dy[2:])

    def step(p, acc):
        o = in_box(around, p)
        if tap_of(place[2:], o, n.at) is None:
            return acc
        count = n.t.of_int(divisor(o, n.at, dx[2:]))
        return n.t.add(acc, n.t.div(n.read(0, flat(place[:2] + o, dy)), count))
    return box(around), n.t.zero, step, lambda acc: acc


def resize_axes(n, sizes):
    roi = None
    if n.at["coordinates"] == ops_place.CROP:
        roi = [n.raw(1, k) for k in range(2 * len(sizes))]
    return ops_place.axes_of(n.at, sizes, roi)


def resize_chain(n, out, i):
    listed, place = n.at["axes"], index_of(i, n.outs[0][1])
    axes = resize_axes(n, [n.dims(0)[k] for k in listed])
    taps_ = [axis.taps_of(n.t, place[k]) for axis, k in zip(axes, listed)]
    counts = [len(t) for t in taps_]

    def step(p, acc):
        chosen = [t[k] for t, k in zip(taps_, index_of(p, counts))]
        at = list(place)
        for k, (position_, _) in zip(listed, chosen):
            at[k] = position_
        return n.t.fma(ops_place._product(n.t, [w for _, w in chosen]),
                       n.read(0, flat(at, n.dims(0))), acc)

    def finish(acc):
        crops = n.at["coordinates"] == ops_place.CROP
        if crops and any(axis.outside(place[k]) for axis, k in zip(axes, listed)):
            return n.real("extrapolation_value")
        return acc
    return size_of(counts), n.t.zero, step, finish


def resize_grad_chain(n, out, i):
    listed, place = n.at["axes"], index_of(i, n.outs[0][1])
    over = []                    # of each axis: (output, the weights of its taps here)
    for axis, k in zip(resize_axes(n, n.at["dims"]), listed):
        mine = []
        for o in range(axis.out):
            here = [w for position_, w in axis.taps_of(n.t, o) if position_ == place[k]]
            if here:
                mine.append((o, chain(n.t, here)))
        over.append(mine)
    counts = [len(m) for m in over]

    def step(p, acc):
        chosen = [m[k] for m, k in zip(over, index_of(p, counts))]
        at = list(place)
        for k, (o, _) in zip(listed, chosen):
            at[k] = o
        return n.t.fma(ops_place._product(n.t, [w for _, w in chosen]),
                       n.read(0, flat(at, n.dims(0))), acc)
    return size_of(counts), n.t.zero, step, lambda acc: acc


def arg_max_chain(n, out, i):
    count, at = arg_row(n, i)
    last = n.at["select_last_index"]

    def step(p, acc):
        if not position(acc, p):
            return p
        a, b = n.t.key(n.read(0, at(acc))), n.t.key(n.read(0, at(p)))
        return p if b > a or (last and b == a) else acc
    return count, M64, step, lambda acc: acc


def arg_row(n, i):
    dims = n.dims(0)
    axis = axis_of(n.at["axis"], len(dims))
    inner, count = size_of(dims[axis + 1:]), dims[axis]
    base = i // inner * count * inner + i % inner
    return count, lambda j: base + j * inner


def max_pool_chain(n, out, i, y=None):
    x = n.dims(0)
    plane = index_of(i, y or n.outs[out][1])
    inside = taps(plane[2:], n.at, x[2:])
    count = box(inside)

    def at(p):
        return flat(plane[:2] + in_box(inside, p), x)

    def step(p, acc):
        if not position(acc, p):
            return p
        best = n.t.key(n.read(0, at(acc)))
        return p if n.t.key(n.read(0, at(p))) > best else acc

    def finish(acc):
        if not position(acc, count):
            return M64 if out else Row.least(Bare(n))
        return at(acc) if out else n.read(0, at(acc))
    return count, M64, step, finish


def running_chain(fold, first):
    def chain(n, out, i):
        x, t = n.dims(0), n.t
        axis = axis_of(n.at["axis"], len(x))
        inner, length = size_of(x[axis + 1:]), x[axis]
        base, own = i // inner // length * length * inner + i % inner, i // inner % length
        before = length - 1 - own if n.at["reverse"] else own

        def step(p, acc):
            k = length - 1 - p if n.at["reverse"] else p
            return getattr(t, fold)(acc, n.read(0, base + k * inner))
        return before + (not n.at["exclusive"]), getattr(t, first), step, lambda acc: acc
    return chain


def scatter_fold(n, update, acc):
    """What an update makes of the accumulator: stored bits where it replaces."""
    how, t = n.at["reduction"], n.t
    if how == 0:
        return n.raw(2, update)
    u = n.read(2, update)
    if how < 3:
        return t.add(acc, u) if how == 1 else t.mul(acc, u)
    if t in (F32, F64) and (t.is_nan(acc) or t.is_nan(u)):
        return t.nan
    beats = t.key(u) > t.key(acc) if how == 3 else t.key(u) < t.key(acc)
    return u if beats else acc


def named(n, q, d):
    k = n.signed(1, q)
    return k + d if k < 0 else k


def scatter_elements_chain(n, out, i):
    x, q = n.dims(0), n.dims(1)
    axis = axis_of(n.at["axis"], len(x))
    place = index_of(i, x)
    reached = all(p < d for k, (p, d) in enumerate(zip(place, q)) if k != axis)

    def step(p, acc):
        at = flat(place[:axis] + [p] + place[axis + 1:], q)
        return scatter_fold(n, at, acc) if named(n, at, x[axis]) == place[axis] else acc
    return (q[axis] if reached else 0, n.read(0, i) if n.at["reduction"] else n.raw(0, i), step,
            lambda acc: acc)


def scatter_rows_chain(n, out, i):
    x, inner = n.dims(0), size_of(n.dims(0)[1:])

    def step(p, acc):
        if named(n, p, x[0]) != i // inner:
            return acc
        return scatter_fold(n, p * inner + i % inner, acc)
    return (size_of(n.dims(1)), n.read(0, i) if n.at["reduction"] else n.raw(0, i), step,
            lambda acc: acc)


class Bare:
    """What Row.least looks at."""

    def __init__(self, node):
        self.node, self.t = node, node.t


CHAINS = {"GatherGrad": gather_grad_chain, "AveragePool": average_pool_chain,
          "AveragePoolGrad": average_pool_grad_chain, "ArgMax": arg_max_chain,
          "Resize": resize_chain, "ResizeGrad": resize_grad_chain,
          "MaxPool": max_pool_chain, "CumSum": running_chain("add", "zero"),
          "CumProd": running_chain("mul", "one"), "ScatterElements": scatter_elements_chain,
          "ScatterRows": scatter_rows_chain}


class Chain:
    def __init__(self, node, out, i):
        self.n, self.start, self.step, finish = CHAINS[node.op](node, out, i)
        self.kinds = (PLACE, PLACE) if self.start == M64 else ()
        self.claim = (lambda c: c) if self.start == M64 else node.claim  # positions are not numbers
        replaces = node.op.startswith("Scatter") and node.at["reduction"] == 0  # bits are kept
        self.value = lambda acc: finish(acc) if replaces else node.stored(out, finish(acc))
        parts = up(self.n, CHAIN)
        self.counts = [parts, up(parts, LIST), 1]

    def element(self):
        acc = self.start
        for p in range(self.n):
            acc = self.step(p, acc)
        return self.value(acc)

    def needs(self, level, index):
        if level == 2:
            return [(1, 0, self.counts[1])]
        if level == 1:
            return [(0, index * LIST, min(self.counts[0], (index + 1) * LIST))]
        if index == 0:
            return []
        return [(0, index - 1, index)] if index % LIST else [(1, index // LIST - 1, index // LIST)]

    def part(self, level, index, claims):
        acc = claims[-1] if claims else self.start
        if level == 1:
            return acc
        acc = self.claim(acc)
        if level == 0:
            for p in range(index * CHAIN, min(self.n, (index + 1) * CHAIN)):
                acc = self.step(p, acc)
        return self.value(acc) if level == 2 else acc


class MaxPool(Chain):
    """Level 2 is the number at the best tap, level 3 the value."""

    def __init__(self, node, out, i):
        super().__init__(node, out, i)
        self.node, self.out = node, out
        self.counts = self.counts + [1]
        self.best = max_pool_chain(node, 0, i, node.outs[out][1])[3]

    def needs(self, level, index):
        return super().needs(min(level, 2), index) + ([(2, 0, 1)] if level == 3 else [])

    def part(self, level, index, claims):
        if level < 2:
            return super().part(level, index, claims)
        if level == 3 and self.out == 0:
            return self.node.stored(0, self.node.claim(claims[-1]))
        taps_ = claims[:-1] if level == 3 else claims
        acc = taps_[-1] if taps_ else self.start
        return self.value(acc) if level == 3 else self.best(acc)


# ---- the two that are neither ---------------------------------------------------------------

def unbeaten(n, mine, own, places):
    """Whether none of (position, place) keeps element `mine` at position `own` from being first."""
    x = n.t.key(n.read(1, mine))
    for p, at in places:
        y = n.t.key(n.read(1, at))
        if y >= x if p < own else y > x:
            return 0
    return 1


class MaxPoolGrad:
    kinds = (MARK, MARK)

    def __init__(self, node, out, i):
        self.node, self.out, self.i = node, out, i
        a, x = node.at, node.dims(1)
        self.place = index_of(i, x)
        self.around = windows(self.place[2:], a, node.dims(0)[2:])
        self.n = box(self.around)
        self.width = up(size_of([min(k, s) for k, s in zip(a["kernel_shape"], x[2:])]), CHAIN)
        self.lists = up(self.width, LIST)
        parts = up(self.n, CHAIN)
        self.counts = [self.n * self.width, self.n * self.lists, parts, up(parts, LIST), 1]

    def unbeaten(self, w, start, end):
        n, x = self.node, self.node.dims(1)
        o = in_box(self.around, w)
        if tap_of(self.place[2:], o, n.at) is None:
            return 0
        inside = taps(o, n.at, x[2:])
        own = flat([r.index(q) for r, q in zip(inside, self.place[2:])], [len(r) for r in inside])
        ps = range(start, min(end, box(inside)))
        return unbeaten(n, self.i, own,
                        ((p, flat(self.place[:2] + in_box(inside, p), x)) for p in ps))

    def add(self, w, acc):
        n = self.node
        o = in_box(self.around, w)
        if tap_of(self.place[2:], o, n.at) is None:
            return acc
        return n.t.add(acc, n.read(0, flat(self.place[:2] + o, n.dims(0))))

    def element(self):
        acc = self.node.t.zero
        for w in range(self.n):
            if self.unbeaten(w, 0, M64):
                acc = self.add(w, acc)
        return self.node.stored(self.out, acc)

    def needs(self, level, index):
        if level == 0:
            return []
        if level == 1:
            w, q = divmod(index, self.lists)
            return [(0, w * self.width + q * LIST,
                     w * self.width + min(self.width, (q + 1) * LIST))]
        chain = Chain.needs(Shifted(self.counts[2:]), level - 2, index)
        runs = []
        if level == 2:
            fan = CHAIN * self.lists
            runs = [(1, index * fan, min(self.counts[1], (index + 1) * fan))]
        return runs + [(l + 2, a, b) for l, a, b in chain if b > a]

    def part(self, level, index, claims):
        if level == 0:
            w, p = divmod(index, self.width)
            return self.unbeaten(w, p * CHAIN, (p + 1) * CHAIN)
        t = self.node.t
        if level == 1:
            return int(all(claims))
        if level > 2:
            acc = self.node.claim(claims[-1]) if claims else t.zero
            return self.node.stored(self.out, acc) if level == 4 else t.canon(acc)
        first, last = index * CHAIN, min(self.n, (index + 1) * CHAIN)
        marks = claims[:(last - first) * self.lists]
        acc = self.node.claim(claims[-1]) if len(claims) > len(marks) else t.zero
        for w in range(first, last):
            own = marks[(w - first) * self.lists:(w - first + 1) * self.lists]
            if all(own):
                acc = self.add(w, acc)
        return t.canon(acc)


class Shifted:
    """What Chain.needs looks at."""

    def __init__(self, counts):
        self.counts = counts


class ReduceMaxGrad:
    kinds = (MARK, MARK)

    def __init__(self, node, out, i):
        self.node, self.out, self.i = node, out, i
        dims = node.dims(1)
        axes = sorted(axis_of(a, len(dims)) for a in node.at["axes"])
        if not axes and not node.at["noop_with_empty_axes"]:
            axes = list(range(len(dims)))
        place = index_of(i, dims)
        self.own = flat([place[a] for a in axes], [dims[a] for a in axes])
        kept = [a for a in range(len(dims)) if a not in axes]
        self.row = flat([place[a] for a in kept], [dims[a] for a in kept])
        self.n, self.at = reduced_by(dims, axes, self.row)
        parts = up(self.n, CHAIN)
        self.counts = [parts, up(parts, LIST), 1]

    def unbeaten(self, start, end):
        return unbeaten(self.node, self.i, self.own,
                        ((p, self.at(p)) for p in range(start, min(self.n, end))))

    def value(self, chosen):
        n = self.node
        return n.stored(self.out, n.read(0, self.row) if chosen else n.t.zero)

    def element(self):
        return self.value(self.unbeaten(0, self.n))

    def needs(self, level, index):
        if level == 0:
            return []
        if level == 2:
            return [(1, 0, self.counts[1])]
        return [(0, index * LIST, min(self.counts[0], (index + 1) * LIST))]

    def part(self, level, index, claims):
        if level == 0:
            return self.unbeaten(index * CHAIN, (index + 1) * CHAIN)
        return int(all(claims)) if level == 1 else self.value(all(claims))


# ---- elements that need no explanation ------------------------------------------------------

def one_element(n, out, i):
    """The oracle of an elementwise operator on tensors of one element. Unread inputs are zero."""
    unread = {("AdamW", 1): (2, 3, 4, 6), ("AdamW", 2): (2, 3, 4), ("SGD", 1): (2,)}
    xs = []
    for k in range(max(len(n.ins), {"SGD": 4}.get(n.op, 0))):
        if not n.has(k):
            xs.append(None)
            continue
        bits = 0 if k in unread.get((n.op, out), ()) else n.raw(k, n.broadcast(k, i))
        xs.append(Tensor(n.ins[k][0], (), [bits]))
    oracle = next(m.OPS[n.op] for m in (ops_map, ops_elementwise, ops_quant) if n.op in m.OPS)
    return halves.run(n.op, oracle, n.at, xs, len(n.outs))[out].bits[0]


def where(n, out, i):
    k = 1 if n.raw(0, n.broadcast(0, i)) else 2
    return n.raw(k, n.broadcast(k, i))


def word(n, step_input, i):
    step = n.raw(step_input, 0)
    block = i // 4
    return philox(n.at["seed"], block & M32, block >> 32, step & M32, n.at["stream"])[i % 4]


def dropout(n, out, i):
    x = n.read(0, i)  # read where it is dropped, too: what is read is part of the evidence
    return n.stored(out, F32.mul(x, n.at["scale"])) if word(n, 1, i) >= n.at["threshold"] else 0


def random_uniform(n, out, i):
    u = F32.of_ratio(word(n, 0, i) >> 8, 1 << 24)
    return F32.add(F32.mul(u, F32.sub(n.at["high"], n.at["low"])), n.at["low"])


def random_normal(n, out, i):
    u = F32.of_ratio((word(n, 0, i - i % 2) >> 8) + 1, 1 << 24)
    v = F32.of_ratio(word(n, 0, i - i % 2 + 1) >> 8, 1 << 24)
    r = F32.sqrt(F32.mul(F32.neg(F32.of_int(2)), fn.log(u)))
    z = F32.mul(r, (fn.sin2pi if i % 2 else fn.cos2pi)(v))
    return F32.add(F32.mul(z, n.at["scale"]), n.at["mean"])


def batch_indices(n, out, i):
    q = (n.raw(0, 0) * n.at["batch"] + i) & M64
    return permuted(n.at["seed"], n.at["stream"], q // n.at["n"], n.at["n"], q % n.at["n"])


def learning_rate(n, out, i):
    return ops_random.learning_rate(n.at, [Tensor("i64", (), [n.raw(0, 0)])], 1)[0].bits[0]


def same_place(n, out, i):
    return n.raw(0, i)


def transpose(n, out, i):
    place = [0] * len(n.at["perm"])
    for v, p in zip(index_of(i, n.outs[0][1]), n.at["perm"]):
        place[p] = v
    return n.raw(0, flat(place, n.dims(0)))


def expand(n, out, i):
    return n.raw(0, n.broadcast(0, i))


def concat(n, out, i):
    place = index_of(i, n.outs[0][1])
    axis = axis_of(n.at["axis"], len(place))
    k = 0
    while place[axis] >= n.dims(k)[axis]:
        place[axis] -= n.dims(k)[axis]
        k += 1
    return n.raw(k, flat(place, n.dims(k)))


def split(n, out, i):
    place = index_of(i, n.outs[out][1])
    place[axis_of(n.at["axis"], len(place))] += sum(n.at["split"][:out])
    return n.raw(0, flat(place, n.dims(0)))


def slice_axes(a, dims):
    """(axis, start, step, count) of the axes that a slice names."""
    for start, end, axis, step in zip(a["starts"], a["ends"], a["axes"], a["steps"]):
        axis = axis_of(axis, len(dims))
        n = dims[axis]
        start, end = (v + n if v < 0 else v for v in (start, end))
        low, high = (0, n) if step > 0 else (-1, n - 1)
        start, end = min(max(start, 0), high), min(max(end, low), high)
        yield axis, start, step, max(0, up(end - start, step)) if n else 0


def slice_(n, out, i):
    place = index_of(i, n.outs[0][1])
    for axis, start, step, _ in slice_axes(n.at, n.dims(0)):
        place[axis] = start + place[axis] * step
    return n.raw(0, flat(place, n.dims(0)))


def slice_grad(n, out, i):
    place = index_of(i, n.outs[0][1])
    for axis, start, step, count in slice_axes(n.at, n.outs[0][1]):
        k, rest = divmod(place[axis] - start, step)
        if rest or not 0 <= k < count:
            return 0
        place[axis] = k
    return n.raw(0, flat(place, n.dims(0)))


def gather(n, out, i):
    x, q = n.dims(0), size_of(n.dims(1))
    axis = axis_of(n.at["axis"], len(x))
    inner, d = size_of(x[axis + 1:]), x[axis]
    k = n.signed(1, i // inner % q)
    k = k + d if k < 0 else k
    return n.raw(0, (i // inner // q * d + k) * inner + i % inner) if 0 <= k < d else 0


def grid_sample(n, out, i):
    x, grid = n.dims(0), n.dims(1)
    m, channel, *place = index_of(i, n.outs[0][1])
    sizes, image = x[2:], m
    if n.has(2):
        image = n.signed(2, m)
        image = image + x[0] if image < 0 else image
    row = flat([m] + place, grid[:-1]) * len(sizes)
    taps_ = [ops_place.grid_taps(n.t, n.at, n.read(1, row + len(sizes) - 1 - k), size)
             for k, size in enumerate(sizes)]
    acc = n.t.zero
    for chosen in ops_place._cross(taps_):
        at = [position_ for position_, _ in chosen]
        if 0 <= image < x[0]:
            v = n.t.zero if None in at else n.read(0, flat([image, channel] + at, x))
            acc = n.t.fma(ops_place._product(n.t, [w for _, w in chosen]), v, acc)
    return n.stored(out, acc)


def gather_elements(n, out, i):
    x, q = n.dims(0), n.dims(1)
    axis = axis_of(n.at["axis"], len(x))
    place = index_of(i, q)
    place[axis] = named(n, i, x[axis])
    return n.raw(0, flat(place, x)) if 0 <= place[axis] < x[axis] else 0


def top_k(n, out, i):
    x, k = n.dims(0), n.at["k"]
    axis = axis_of(n.at["axis"], len(x))
    inner = size_of(x[axis + 1:])
    base = i // inner // k * x[axis] * inner + i % inner
    line = [n.read(0, base + p * inner) for p in range(x[axis])]
    sign = -1 if n.at["largest"] else 1
    at = sorted(range(len(line)), key=lambda p: (sign * n.t.key(line[p]), p))[i // inner % k]
    return at if out else n.stored(0, line[at])


OTHERS = {
    "GatherElements": gather_elements, "TopK": top_k,
    "Where": where, "Dropout": dropout, "RandomUniform": random_uniform,
    "RandomNormal": random_normal, "BatchIndices": batch_indices, "LearningRate": learning_rate,
    "Reshape": same_place, "Flatten": same_place, "Identity": same_place, "Transpose": transpose,
    "Expand": expand, "Concat": concat, "Split": split, "Slice": slice_, "SliceGrad": slice_grad,
    "Gather": gather, "GridSample": grid_sample, "ConstantOfShape": lambda n, out, i: n.at["bits"],
}


def explanation(node, out, i):
    """The shape of an element that explains itself; None: it does not."""
    if node.op in CONTRACTIONS:
        return Contraction(node, out, i)
    if node.op in SEVERAL:
        return Several(node, out, i)
    if node.op in ("SoftmaxCrossEntropyLoss", "SoftmaxCrossEntropyLossGrad"):
        return LossRow(node, out, i)
    if node.op in ROWS:
        return Row(node, out, i)
    if node.op in CHAINS:
        return (MaxPool if node.op == "MaxPool" else Chain)(node, out, i)
    special = {"Attention": Attention, "MaxPoolGrad": MaxPoolGrad, "ReduceMaxGrad": ReduceMaxGrad}.get(node.op)
    return special(node, out, i) if special else None


def element(node, out, i):
    """The stored bits of element i of output `out`."""
    shape = explanation(node, out, i)
    if shape:
        return shape.element()
    return OTHERS.get(node.op, one_element)(node, out, i)
