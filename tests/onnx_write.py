"""Writes ONNX models: the fields of the public schema that the tests need, and nothing else."""
import struct

FLOAT, INT, STRING, TENSOR, GRAPH, FLOATS, INTS, STRINGS = range(1, 9)


def varint(v):
    v &= 2**64 - 1
    out = b""
    while True:
        out += bytes([v & 127 | (128 if v > 127 else 0)])
        v >>= 7
        if not v:
            return out


def f(number, v):
    """A field: a number, a text or a message."""
    if isinstance(v, int):
        return varint(number << 3) + varint(v)
    v = v.encode() if isinstance(v, str) else v
    return varint(number << 3 | 2) + varint(len(v)) + v


class Graph(bytes):
    """So that an attribute knows a graph."""


def attr(name, v):
    head = f(1, name)
    if isinstance(v, Graph):
        return head + f(6, bytes(v)) + f(20, GRAPH)
    if isinstance(v, float):
        return head + varint(2 << 3 | 5) + struct.pack("<f", v) + f(20, FLOAT)
    if isinstance(v, str):
        return head + f(4, v) + f(20, STRING)
    if isinstance(v, list) and v and isinstance(v[0], float):
        return head + f(7, struct.pack("<%df" % len(v), *v)) + f(20, FLOATS)
    if isinstance(v, list) and v and isinstance(v[0], str):
        return head + b"".join(f(9, k) for k in v) + f(20, STRINGS)
    if isinstance(v, list):
        return head + b"".join(f(8, k) for k in v) + f(20, INTS)
    return head + f(3, v) + f(20, INT)


def reference(name, kind, to):
    return f(1, name) + f(20, kind) + f(21, to)


def node(op, inputs, outputs, *attrs, name="", domain=""):
    return (b"".join(f(1, v) for v in inputs) + b"".join(f(2, v) for v in outputs) +
            (f(3, name) if name else b"") + f(4, op) + b"".join(f(5, a) for a in attrs) +
            (f(7, domain) if domain else b""))


def value(name, dtype, dims):
    """dims: numbers and names; None: of any shape."""
    shape = b"" if dims is None else f(2, b"".join(
        f(1, f(1, d) if isinstance(d, int) else f(2, d)) for d in dims))
    return f(1, name) + f(2, f(1, f(1, dtype) + shape))


def sequence_of(name, dtype, optional=False):
    kind = f(4, f(1, f(1, f(1, dtype))))
    return f(1, name) + f(2, f(9, f(1, kind)) if optional else kind)


def tensor(name, dtype, dims, data):
    return b"".join(f(1, d) for d in dims) + f(2, dtype) + f(8, name) + f(9, data)


def graph(nodes, inputs, outputs, initializers=()):
    return Graph(b"".join(f(1, n) for n in nodes) + f(2, "g") +
                 b"".join(f(5, t) for t in initializers) + b"".join(f(11, v) for v in inputs) +
                 b"".join(f(12, v) for v in outputs))


def function(domain, name, inputs, outputs, attributes, nodes):
    return (f(1, name) + b"".join(f(4, v) for v in inputs) + b"".join(f(5, v) for v in outputs) +
            b"".join(f(6, v) for v in attributes) + b"".join(f(7, n) for n in nodes) +
            f(9, f(2, 17)) + f(10, domain))


def model(g, opset=17, functions=(), domains=()):
    domains = list(domains) + (["f"] if functions else [])
    imports = b"".join(f(8, f(1, d) + f(2, 1)) for d in domains)
    return (f(1, 8) + f(8, f(1, "") + f(2, opset)) + imports + f(7, bytes(g)) +
            b"".join(f(25, x) for x in functions))
