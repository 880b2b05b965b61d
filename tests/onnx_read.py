"""Reads ONNX's protobuf messages, for the tests: a second reader that shares no code with verde's."""
import collections


def varint(b, at):
    v = shift = 0
    while True:
        v |= (b[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if b[at - 1] < 128:
            return v, at


def fields(b):
    """{number: [value or bytes]}; fixed 32 and 64 bits as bytes."""
    out, at = collections.defaultdict(list), 0
    while at < len(b):
        tag, at = varint(b, at)
        if tag & 7 == 0:
            v, at = varint(b, at)
        else:
            n = {1: 8, 5: 4}.get(tag & 7)
            if n is None:
                n, at = varint(b, at)
            v, at = b[at:at + n], at + n
        out[tag >> 3].append(v)
    return out


def signed(v):
    return v - (1 << 64) if v >> 63 else v


def numbers(values):
    """Varints of a repeated field, packed or alone."""
    for v in values:
        if isinstance(v, int):
            yield signed(v)
            continue
        at = 0
        while at < len(v):
            n, at = varint(v, at)
            yield signed(n)


def text(f, number):
    return f[number][-1].decode() if f[number] else ""


DTYPES = ("? float32 uint8 int8 uint16 int16 int32 int64 string bool float16 float64 uint32 uint64 "
          "complex64 complex128 bfloat16").split()
WIDTH = {1: 4, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 8, 9: 1, 10: 2, 11: 8, 12: 4, 13: 8, 16: 2}
