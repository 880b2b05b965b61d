"""cases_quant.py - the cases of quantization, and of bits as another dtype."""

from book import G
from ops_map import CODE_OF
from soft import BOOL, FLOATS, HALVES, TYPES
from tensor import float_specials, flt, int_specials, ints, lit

INTEGERS = ("i8", "u8", "i16", "u16", "i32", "u32")
SHAPES = (((), (), ()), ((5,), (), ()), ((2, 3, 4), (4,), ()), ((2, 3, 4), (3, 1), (3, 1)),
          ((2, 3, 4), (2, 3, 4), (1,)), ((0, 3), (1, 3), ()), ((7, 33), (7, 1), (33,)))


def _text(dims):
    return "x".join(map(str, dims)) or "scalar"


def _quantize(book):
    for dtype in FLOATS + HALVES:
        t = TYPES[dtype]
        for q in INTEGERS:
            name = "%s-%s" % (dtype, q)
            for kind, n in (("normal", 100), ("wide", 1000), ("special", 500), ("bits", 500)):
                book.add("%s-%s" % (name, kind),
                         [G(dtype, (n,), kind), flt(dtype, (), [0.25]), G(q, (), "small")])
            table = float_specials(t)
            for k, (zero, scale) in enumerate(((0, 1), (1, 1), (-1, 0.5), (5, 0), (3, "-0"),
                                               (2, "inf"), (1, "nan"), (100, -2))):
                book.add("%s-specials-%d" % (name, k), [lit(dtype, (16,), table),
                                                        flt(dtype, (), [scale]), ints(q, (), [zero])])
            edges = [f * v for v in (0.5, 1.5, 2.5, 126.5, 127.5, 128.5, 254.5, 255.5, 256.5)
                     for f in (1, -1)]
            for zero in int_specials(TYPES[q])[:4]:
                book.add("%s-edges-%x" % (name, zero), [flt(dtype, (18,), edges),
                                                        flt(dtype, (), [1]), lit(q, (), [zero])])
    tops = [32767.5, 32768.5, -32768.5, 65535.5, 2.0 ** 31, -2.0 ** 31, 2147483520.0, 2.0 ** 32,
            2.0 ** 62, 2.0 ** 63, -2.0 ** 64, 4294967040.0]
    for q in INTEGERS:
        for zero in (0, 1, -1, 7):
            book.add("tops-%s-%d" % (q, zero), [flt("f32", (12,), tops), flt("f32", (), [1]),
                                                ints(q, (), [zero])])
    for x, scale, zero in SHAPES:
        book.add("shape-%s-%s-%s" % (_text(x), _text(scale), _text(zero)),
                 [G("f32", x), G("f32", scale, "positive"), G("i8", zero, "small")])


def _dequantize(book):
    for q in INTEGERS:
        for dtype in FLOATS + HALVES:
            name = "%s-%s" % (q, dtype)
            for n in (1, 33, 1000):
                book.add("%s-%d" % (name, n), [G(q, (n,), "bits"), G(dtype, (), "normal"),
                                               G(q, (), "bits")])
            book.add(name + "-no-zero", [G(q, (100,), "bits"), flt(dtype, (), [0.125]), None])
            table, scales = int_specials(TYPES[q]), float_specials(TYPES[dtype])
            pairs = lit(q, (16, 16), [b for b in table for _ in table])
            book.add(name + "-zeros", [pairs, flt(dtype, (), [1]), lit(q, (16,), table)])
            book.add(name + "-scales", [pairs, lit(dtype, (16,), scales), lit(q, (), [1])])
    for x, scale, zero in SHAPES:
        book.add("shape-%s-%s-%s" % (_text(x), _text(scale), _text(zero)),
                 [G("u8", x, "bits"), G("f32", scale), G("u8", zero, "bits")])


def _bit_cast(book):
    for source, s in TYPES.items():
        for target, t in TYPES.items():
            if s.size != t.size:
                continue
            at, name = {"to": CODE_OF[target]}, "%s-%s" % (source, target)
            book.add(name, [G(source, (100,), "bits")], at)
            if s is not BOOL:
                table = float_specials(s) if source in FLOATS + HALVES else int_specials(s)
                book.add(name + "-specials", [lit(source, (16,), table)], at)
    book.add("scalar", [flt("f32", (), [1])], {"to": CODE_OF["u32"]})
    book.add("empty", [G("i16", (0, 3), "bits")], {"to": CODE_OF["bf16"]})


CASES = {"QuantizeLinear": _quantize, "DequantizeLinear": _dequantize, "BitCast": _bit_cast}
