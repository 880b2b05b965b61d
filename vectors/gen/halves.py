"""halves.py - the 16-bit floats, and the cases of all dtypes beyond those that a filler names.

What this file decides: that an operator on 16-bit floats is the one on f32, its inputs widened and
its outputs rounded once (docs/ARITHMETIC.md 1.5), and which of an operator's cases come again in
f16, bf16 and the integers of other widths.
"""

from soft import F32, HALVES, NARROW, TYPES, convert
from tensor import Tensor, size_of

# Operators that take the bits as they are.
RAW = {"Identity", "Where", "Reshape", "Flatten", "Transpose", "Expand", "Concat", "Split", "Slice",
       "SliceGrad", "Gather", "GatherElements", "ConstantOfShape", "Cast", "BitCast"}
REPLACES = {"ScatterElements", "ScatterRows"}  # with reduction 0 bits are taken as they are
# Outputs that stay f32, and inputs that have a dtype of their own.
STATISTICS = {"LayerNormalization": (1, 2), "RMSNormalization": (1,)}
APART = {"LayerNormalizationGrad": (2, 3), "LayerNormalizationScaleGrad": (2, 3),
         "RMSNormalizationGrad": (2,), "Gather": (1,), "GatherElements": (1,),
         "ScatterElements": (1,), "ScatterRows": (1,),
         "GatherGrad": (1,), "SoftmaxCrossEntropyLoss": (1,), "SoftmaxCrossEntropyLossGrad": (2,),
         "Where": (0,), "Dropout": (1,), "Resize": (1,), "GridSample": (2,),
         "LSTMCell": (5,), "GRUCell": (4,), "RNNCell": (3,), "GRUState": (4,)}
# These have no other dtypes, or their fillers name them all.
FIXED = {"AdamW", "SGD", "LearningRate", "RandomUniform", "RandomNormal", "BatchIndices", "Cast",
         "QuantizeLinear", "DequantizeLinear", "BitCast"}


def widened(x):
    if x is None or x.dtype not in HALVES:
        return x
    return Tensor("f32", x.dims, [convert(x.t, F32, b) for b in x.bits])


def rounded(x, dtype):
    return Tensor(dtype, x.dims, [convert(F32, TYPES[dtype], b) for b in x.bits])


def run(op, oracle, attrs, xs, wanted):
    """An operator's oracle on tensors of any dtype."""
    half = next((x.dtype for x in xs if x is not None and x.dtype in HALVES), None)
    if half is None or op in RAW or (op in REPLACES and not attrs["reduction"]):
        return oracle(attrs, xs, wanted)
    out = oracle(attrs, [widened(x) for x in xs], wanted)
    return [rounded(y, half) if y.dtype == "f32" and k not in STATISTICS.get(op, ()) else y
            for k, y in enumerate(out)]


# ---- cases ----------------------------------------------------------------------------------

def described(x):
    """(dtype, dims, kind) of an input as a case gave it."""
    return x.args[:3] if hasattr(x, "args") else (x.dtype, x.dims, "listed")


def chosen(op, cases, dtype, most):
    """A few cases on that dtype: a small one, one of special patterns, one of any bits, a long one."""
    found = []

    def take(fits):
        for case in cases:
            kinds = [described(x) for k, x in enumerate(case[1])
                     if x is not None and k not in APART.get(op, ())]
            count = max(size_of(d) for _, d, _ in kinds)
            if case not in found and kinds[0][0] == dtype and fits(count, kinds[0][2]):
                found.append(case)
                return
    take(lambda n, kind: 2 <= n <= 100 and kind not in ("bits", "special"))
    take(lambda n, kind: 2 <= n <= 2000 and kind in ("special", "listed"))
    take(lambda n, kind: 2 <= n <= 1000 and kind == "bits")
    take(lambda n, kind: 500 <= n <= 20000 and kind == "normal")
    return found[:most]


def as_dtype(make, x, old, new):
    """The input in another dtype; None where it has no such values."""
    if x is None or described(x)[0] != old:
        return x
    if hasattr(x, "args"):
        _, dims, kind, parameter = x.args
        fits = new not in HALVES or (parameter or 0) <= 2 << TYPES[new].frac
        return make(new, dims, kind, parameter) if fits else None
    if new in HALVES:
        return rounded(x, new)
    return Tensor(new, x.dims, [TYPES[old].value(b) & TYPES[new].mask for b in x.bits])


def extend(book, make):
    """The cases that a filler did not name: 16-bit floats where it has f32, narrow integers
    where it has i32 ones. make: an input to be drawn, of dtype, dims, kind and parameter."""
    if book.op in FIXED:
        return
    cases = list(book.cases)
    for old, news, most in (("f32", HALVES, 4), ("i32", NARROW, 2)):
        for name, inputs, attrs, outputs in chosen(book.op, [c for c in cases if c[1]], old,
                                                    most):
            for new in news:
                xs = [x if k in APART.get(book.op, ()) else as_dtype(make, x, old, new)
                      for k, x in enumerate(inputs)]
                if [x is None for x in xs] == [x is None for x in inputs]:
                    book.add("%s-of-%s" % (new, name), xs, attrs, outputs)
