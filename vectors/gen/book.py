"""book.py - the operators with their attributes in committed order, and a book of cases.

What this file decides: the version of each operator that the vectors are for, the kinds of
its attributes, and how a case draws the seeds of its inputs (from its operator, name and
input number, so adding a case never changes another).
"""

import hashlib

import halves
from tensor import Tensor, attr_line, gen, input_lines, output_lines


def version(op):
    return {"GeluGrad": 2}.get(op, 1)


_CONV = "strides:ints pads:ints dilations:ints group:u32"
_POOL = "kernel_shape:ints strides:ints pads:ints dilations:ints ceil_mode:u32"
_REDUCE = "axes:ints keepdims:u32 noop_with_empty_axes:u32"
_LOSS = "reduction:u32 ignore_index:i64 has_ignore:u32"
_CUM = "axis:i64 exclusive:u32 reverse:u32"
_RESIZE = ("axes:ints sizes:ints scale_n:ints scale_d:ints mode:u32 coordinates:u32 antialias:u32 "
           "exclude_outside:u32 cubic_coeff_a:f32 extrapolation_value:f32")
_SLICE = "starts:ints ends:ints axes:ints steps:ints"

ATTRS = {
    "MatMul": "", "Gemm": "transA:u32 transB:u32 alpha:f32 beta:f32", "Conv": _CONV,
    "ConvInputGrad": _CONV + " dims:ints", "ConvWeightGrad": _CONV + " dims:ints",
    "Add": "", "Sub": "", "Mul": "", "Div": "", "Neg": "", "Relu": "", "ReluGrad": "",
    "Gelu": "approximate:u32", "GeluGrad": "approximate:u32", "Tanh": "", "Sigmoid": "",
    "TanhGrad": "", "SigmoidGrad": "", "Exp": "", "Log": "", "Sqrt": "",
    "Attention": "root:f32 cap:f32 causal:u32 past:i64",
    "Softmax": "axis:i64", "LogSoftmax": "axis:i64", "SoftmaxGrad": "axis:i64",
    "LogSoftmaxGrad": "axis:i64", "LayerNormalization": "axis:i64 epsilon:f32",
    "LayerNormalizationGrad": "axis:i64", "LayerNormalizationScaleGrad": "axis:i64",
    "RMSNormalization": "axis:i64 epsilon:f32", "RMSNormalizationGrad": "axis:i64",
    "ReduceSum": _REDUCE, "ReduceMax": _REDUCE, "ReduceMean": _REDUCE, "ReduceMaxGrad": _REDUCE,
    "MaxPool": _POOL, "MaxPoolGrad": _POOL, "AveragePool": _POOL + " count_include_pad:u32",
    "AveragePoolGrad": _POOL + " count_include_pad:u32 dims:ints", "GlobalAveragePool": "",
    "Transpose": "perm:ints", "Reshape": "shape:ints", "Flatten": "axis:i64",
    "Concat": "axis:i64", "Slice": _SLICE, "SliceGrad": _SLICE + " dims:ints",
    "Split": "axis:i64 split:ints", "Gather": "axis:i64", "GatherGrad": "axis:i64 dim:i64",
    "Expand": "shape:ints", "Identity": "", "Cast": "to:u32", "Where": "", "Equal": "",
    "Greater": "", "ArgMax": "axis:i64 keepdims:u32 select_last_index:u32",
    "Dropout": "seed:u64 stream:u32 threshold:u32 scale:f32",
    "BatchIndices": "seed:u64 n:u64 batch:u32 stream:u32",
    "RandomUniform": "seed:u64 stream:u32 low:f32 high:f32 shape:ints",
    "RandomNormal": "seed:u64 stream:u32 mean:f32 scale:f32 shape:ints",
    "LearningRate": "kind:u32 base:f64 min:f64 warmup:u64 total:u64 gamma:f64 period:u64",
    "SoftmaxCrossEntropyLoss": _LOSS, "SoftmaxCrossEntropyLossGrad": _LOSS,
    "SGD": "momentum:f64 dampening:f64 weight_decay:f64 nesterov:u32",
    "AdamW": "beta1:f64 beta2:f64 epsilon:f64 weight_decay:f64 decoupled:u32",
    "ConstantOfShape": "dtype:u32 shape:ints bits:u64",
    "CumSum": _CUM, "CumProd": _CUM, "ReduceProd": _REDUCE,
    "GatherElements": "axis:i64", "ScatterElements": "axis:i64 reduction:u32",
    "ScatterRows": "reduction:u32", "TopK": "axis:i64 k:i64 largest:u32",
    "Abs": "", "Sign": "", "Floor": "", "Ceil": "", "Round": "", "Reciprocal": "",
    "GreaterOrEqual": "", "Less": "", "LessOrEqual": "", "And": "", "Or": "", "Xor": "",
    "Not": "", "BitwiseAnd": "", "BitwiseOr": "", "BitwiseXor": "", "BitwiseNot": "",
    "IsNaN": "", "Max": "", "Min": "", "Clip": "", "Sum": "", "Mean": "", "Pow": "",
    "BitShift": "direction:u32", "IsInf": "detect_negative:u32 detect_positive:u32",
    "Mod": "fmod:u32",
    "LeakyRelu": "alpha:f32", "PRelu": "", "ThresholdedRelu": "alpha:f32",
    "Shrink": "bias:f32 lambd:f32", "HardSigmoid": "alpha:f32 beta:f32", "HardSwish": "",
    "GridSample": "mode:u32 padding_mode:u32 align_corners:u32", "Resize": _RESIZE,
    "ResizeGrad": _RESIZE + " dims:ints",
    "Softsign": "", "Erf": "", "Softplus": "", "Mish": "",
    "Sin": "", "Cos": "", "Tan": "", "Asin": "", "Acos": "", "Atan": "", "Sinh": "", "Cosh": "",
    "Asinh": "", "Acosh": "", "Atanh": "", "Elu": "alpha:f32", "Selu": "alpha:f32 gamma:f32",
    "Celu": "alpha:f32", "Swish": "alpha:f32",
    "LSTMCell": "step:i64 f:u32 g:u32 h:u32 input_forget:u32", "GRUCell": "step:i64 f:u32 g:u32",
    "RNNCell": "step:i64 f:u32", "GRUGates": "step:i64 f:u32", "GRUState": "step:i64 g:u32",
    "QuantizeLinear": "", "DequantizeLinear": "", "BitCast": "to:u32",
}


class G:
    """An input that is drawn when its case is added."""

    def __init__(self, dtype, dims, kind="normal", parameter=None):
        self.args = (dtype, tuple(dims), kind, parameter)


class Book:
    """The cases of one operator and the text of its file."""

    def __init__(self, op, oracle):
        self.op = op
        self.oracle = oracle
        self.fields = [f.split(":") for f in ATTRS[op].split()]
        self.names = set()
        self.cases = []  # (name, inputs, attrs, outputs) as they were added
        self.lines = ["# %s: see vectors/README.md for the format, docs/ARITHMETIC.md for the"
                      % op, "# values. Written by vectors/gen/generate.py; do not edit.",
                      "operator %s %d" % (op, version(op))]

    def add(self, name, inputs, attrs=None, outputs=1):
        """Compute and append a case. attrs: name -> value (floats as patterns)."""
        assert name not in self.names and " " not in name, (self.op, name)
        self.names.add(name)
        attrs = attrs or {}
        self.cases.append((name, inputs, attrs, outputs))
        assert sorted(attrs) == sorted(f for f, _ in self.fields), (self.op, name, attrs)
        tensors = []
        for k, x in enumerate(inputs):
            if isinstance(x, G):
                text = "%s/%s/%d" % (self.op, name, k)
                seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "little")
                dtype, dims, kind, parameter = x.args
                x = gen(seed, dtype, dims, kind, parameter)
            assert x is None or isinstance(x, Tensor)
            tensors.append(x)
        results = halves.run(self.op, self.oracle, attrs, tensors, outputs)
        assert len(results) == outputs, (self.op, name)
        self.lines.append("case %s" % name)
        for field, kind in self.fields:
            self.lines.append(attr_line(field, kind, attrs[field]))
        for x in tensors:
            self.lines.extend(input_lines(x))
        for x in results:
            self.lines.extend(output_lines(x))
        return results

    def text(self):
        return "\n".join(self.lines) + "\n"
