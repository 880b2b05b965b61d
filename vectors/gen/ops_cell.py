"""ops_cell.py - one time step of LSTM, GRU and RNN (docs/ARITHMETIC.md 5.3)."""

import functions as fn
import functions64 as fn64
from orders import contract
from soft import F32
from tensor import Tensor


def function(t, code):
    """0 Sigmoid, 1 Tanh, 2 Relu."""
    if code == 2:
        return lambda x: t.canon(x) if t.key(x) > t.key(t.zero) else t.zero
    book = fn if t is F32 else fn64
    return (book.sigmoid, book.tanh)[code]


class Step:
    """What the cells share: sizes, the sums of gates and what is added to them."""

    def __init__(self, at, x, h, r, lengths=None, state=None):
        self.t, self.x, self.h, self.r = x.t, x, h, r
        self.batch, self.size = h.dims[1:]
        self.wide, self.first = x.dims[2], at["step"] * x.dims[1] * x.dims[2]
        self.state = state or h  # whose rows meet r
        self.step, self.lengths = at["step"], lengths

    def given(self, b, q, j):
        return self.x.bits[self.first + b * self.wide + q * self.size + j]

    def sum(self, b, q, j, skip=0, width=None):
        width = width or self.size
        row = self.state.bits[b * width + skip:b * width + skip + self.size]
        return contract(self.t, list(zip(row, self.r.bits[q * self.size + j::self.wide])))

    def v(self, b, q, j):
        return self.t.add(self.given(b, q, j), self.sum(b, q, j))

    def ended(self, b):
        return self.lengths is not None and self.lengths.t.value(self.lengths.bits[b]) <= self.step

    def each(self, element):
        return [element(b, j, self.h.bits[b * self.size + j])
                for b in range(self.batch) for j in range(self.size)]

    def like(self, bits):
        return Tensor(self.h.dtype, self.h.dims, bits)


def lstm_cell(at, xs, _):
    x, h, c, r, p, lengths = (xs + [None] * 6)[:6]
    n = Step(at, x, h, r, lengths)
    t, size = n.t, n.size
    f, g, out = (function(t, at[k]) for k in "fgh")

    def gate(b, q, j, cell):
        v = n.v(b, q, j)
        return f(v if p is None else t.add(v, t.mul(p.bits[q * size + j], cell)))

    def element(b, j, before):
        cell = c.bits[b * size + j]
        if n.ended(b):
            return t.canon(before), t.canon(cell)
        i = gate(b, 0, j, cell)
        forget = t.sub(t.one, i) if at["input_forget"] else gate(b, 2, j, cell)
        cell = t.add(t.mul(forget, cell), t.mul(i, g(n.v(b, 3, j))))
        return t.mul(gate(b, 1, j, cell), out(cell)), cell
    both = n.each(element)
    return [n.like([y for y, _ in both]), n.like([cell for _, cell in both])]


def blend(t, z, new, before):
    return t.add(t.mul(t.sub(t.one, z), new), t.mul(z, before))


def gru_cell(at, xs, _):
    x, h, r, bias, lengths = (xs + [None] * 5)[:5]
    n = Step(at, x, h, r, lengths)
    t, f, g = n.t, function(n.t, at["f"]), function(n.t, at["g"])

    def element(b, j, before):
        if n.ended(b):
            return t.canon(before)
        s = n.sum(b, 2, j)
        if bias is not None:
            s = t.add(s, bias.bits[j])
        new = g(t.add(n.given(b, 2, j), t.mul(f(n.v(b, 1, j)), s)))
        return blend(t, f(n.v(b, 0, j)), new, before)
    return [n.like(n.each(element))]


def rnn_cell(at, xs, _):
    x, h, r, lengths = (xs + [None] * 4)[:4]
    n, f = Step(at, x, h, r, lengths), function(x.t, at["f"])
    return [n.like(n.each(lambda b, j, before: n.t.canon(before) if n.ended(b)
                          else f(n.v(b, 0, j))))]


def gru_gates(at, xs, _):
    n, f = Step(at, *xs), function(xs[0].t, at["f"])
    bits = []
    for b in range(n.batch):
        before = n.h.bits[b * n.size:(b + 1) * n.size]
        bits += [f(n.v(b, 0, j)) for j in range(n.size)]
        bits += [n.t.mul(f(n.v(b, 1, j)), before[j]) for j in range(n.size)]
    return [Tensor(n.h.dtype, (1, n.batch, 2 * n.size), bits)]


def gru_state(at, xs, _):
    x, h, gates, r, lengths = (xs + [None] * 5)[:5]
    n = Step(at, x, h, r, lengths, gates)
    t, g = n.t, function(n.t, at["g"])

    def element(b, j, before):
        if n.ended(b):
            return t.canon(before)
        s = n.sum(b, 2, j, n.size, 2 * n.size)
        return blend(t, gates.bits[b * 2 * n.size + j], g(t.add(n.given(b, 2, j), s)), before)
    return [n.like(n.each(element))]


OPS = {"LSTMCell": lstm_cell, "GRUCell": gru_cell, "RNNCell": rnn_cell, "GRUGates": gru_gates,
       "GRUState": gru_state}
