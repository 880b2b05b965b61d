"""ops_map.py - the elementwise operators: arithmetic, activations, comparison, Cast, Where and
the optimizer updates.

Each oracle is f(attrs, inputs, outputs_wanted) -> list of tensors, written from
docs/ARITHMETIC.md.
"""

import functions as fn
import functions64 as fn64
from soft import BOOL, F32, F64, FLOATS, HALVES, TYPES, convert, to_f32
from tensor import Tensor, broadcast, broadcast_dims


def mapped(dtype, f, *xs):
    return Tensor(dtype, xs[0].dims, [f(*v) for v in zip(*(x.bits for x in xs))])


def _binary(name):
    def oracle(_, xs, __):
        a, b = xs
        dims = broadcast_dims(a.dims, b.dims)
        f = getattr(a.t, name)
        pairs = zip(broadcast(a, dims), broadcast(b, dims))
        return [Tensor(a.dtype, dims, [f(x, y) for x, y in pairs])]
    return oracle


def _compare(name):
    def oracle(_, xs, __):
        a, b = xs
        dims = broadcast_dims(a.dims, b.dims)
        f = getattr(a.t, name)
        pairs = zip(broadcast(a, dims), broadcast(b, dims))
        return [Tensor("bool", dims, [1 if f(x, y) else 0 for x, y in pairs])]
    return oracle


def neg(_, xs, __):
    return [mapped(xs[0].dtype, xs[0].t.neg, xs[0])]


def relu(_, xs, __):
    t = xs[0].t
    return [mapped(xs[0].dtype, lambda x: t.top(x, t.zero), xs[0])]


def relu_grad(_, xs, __):
    t = xs[0].t
    return [mapped(xs[0].dtype, lambda dy, x: t.canon(dy) if t.greater(x, t.zero) else t.zero,
                   *xs)]


def gelu(a, xs, __):
    f = fn if xs[0].t is F32 else fn64
    return [mapped(xs[0].dtype, f.gelu_tanh if a["approximate"] else f.gelu, xs[0])]


def gelu_grad(a, xs, __):
    t, f = xs[0].t, fn if xs[0].t is F32 else fn64
    slope = f.dgelu_tanh if a["approximate"] else f.dgelu
    return [mapped(xs[0].dtype, lambda dy, x: t.mul(dy, slope(x)), *xs)]


def tanh(_, xs, __):
    return [mapped(xs[0].dtype, fn.tanh if xs[0].t is F32 else fn64.tanh, xs[0])]


def sigmoid(_, xs, __):
    return [mapped(xs[0].dtype, fn.sigmoid if xs[0].t is F32 else fn64.sigmoid, xs[0])]


def tanh_grad(_, xs, __):
    t = xs[0].t
    return [mapped(xs[0].dtype, lambda dy, y: t.mul(dy, t.sub(t.one, t.mul(y, y))), *xs)]


def sigmoid_grad(_, xs, __):
    t = xs[0].t
    return [mapped(xs[0].dtype, lambda dy, y: t.mul(dy, t.mul(y, t.sub(t.one, y))), *xs)]


def exp(_, xs, __):
    return [mapped(xs[0].dtype, fn.exp_of(xs[0].t), xs[0])]


def log(_, xs, __):
    return [mapped(xs[0].dtype, fn.log_of(xs[0].t), xs[0])]


def sqrt(_, xs, __):
    return [mapped(xs[0].dtype, xs[0].t.sqrt, xs[0])]


def where(_, xs, __):
    c, x, y = xs
    dims = broadcast_dims(c.dims, x.dims, y.dims)
    rows = zip(broadcast(c, dims), broadcast(x, dims), broadcast(y, dims))
    return [Tensor(x.dtype, dims, [p if k else q for k, p, q in rows])]


# ---- Cast ---------------------------------------------------------------------------------

def truncated(t, a):
    """The integer toward zero of a finite pattern."""
    m, e = t.parts(a)
    n = abs(m) << e if e >= 0 else abs(m) >> -e
    return -n if m < 0 else n


ANY_FLOAT = FLOATS + HALVES


def cast_one(s, t, a):
    """One element from type s to type t."""
    if s is BOOL:
        a = 1 if a else 0
        return t.of_int(a) if t.name in ANY_FLOAT else a
    if t is BOOL:
        return 0 if (s.is_zero(a) if s.name in ANY_FLOAT else a == 0) else 1
    if s.name in ANY_FLOAT and t.name in ANY_FLOAT:
        return convert(s, t, a)
    if s.name in ANY_FLOAT:
        low = -(1 << (t.width - 1)) if t.signed else 0
        high = (1 << (t.width - 1)) - 1 if t.signed else t.mask
        if s.is_nan(a):
            return 0
        if s.is_inf(a):
            v = low if a & s.sign else high
        else:
            v = min(max(truncated(s, a), low), high)
        return v & t.mask
    if t.name in ANY_FLOAT:
        return t.of_int(s.value(a))
    return s.value(a) & t.mask


CODES = {1: "f32", 2: "u8", 3: "i8", 4: "u16", 5: "i16", 6: "i32", 7: "i64", 9: "bool", 10: "f16",
         11: "f64", 12: "u32", 13: "u64", 16: "bf16"}
CODE_OF = {name: code for code, name in CODES.items()}


def cast(a, xs, __):
    name = CODES[a["to"]]
    return [mapped(name, lambda x: cast_one(xs[0].t, TYPES[name], x), xs[0])]


# ---- optimizers ---------------------------------------------------------------------------

def _one_minus(x):
    """RN32 of the binary64 difference 1 - x."""
    return to_f32(F64.sub(F64.one, x))


def sgd(a, xs, wanted):
    p, g, rate, b = xs
    t, lr = F32, rate.bits[0]
    mu, wd, keep = to_f32(a["momentum"]), to_f32(a["weight_decay"]), _one_minus(a["dampening"])
    new_p, new_b = [], []
    for k, (pv, gv) in enumerate(zip(p.bits, g.bits)):
        if not t.is_zero(wd):
            gv = t.add(gv, t.mul(wd, pv))
        if b is None:
            bv = step = t.canon(gv)
        else:
            bv = t.add(t.mul(mu, b.bits[k]), t.mul(keep, gv))
            step = t.add(gv, t.mul(mu, bv)) if a["nesterov"] else bv
        new_p.append(t.sub(pv, t.mul(lr, step)))
        new_b.append(bv)
    return [Tensor("f32", p.dims, new_p), Tensor("f32", p.dims, new_b)][:wanted]


def adamw(a, xs, _):
    p, g, rate, power1, power2, m, v = xs
    t, lr = F32, rate.bits[0]
    b1, b2 = to_f32(a["beta1"]), to_f32(a["beta2"])
    c1, c2 = _one_minus(a["beta1"]), _one_minus(a["beta2"])
    k1, k2 = _one_minus(power1.bits[0]), _one_minus(power2.bits[0])
    eps, wd = to_f32(a["epsilon"]), to_f32(a["weight_decay"])
    out = []
    for pv, gv, mv, vv in zip(p.bits, g.bits, m.bits, v.bits):
        if not a["decoupled"]:
            gv = t.add(gv, t.mul(wd, pv))
        mv = t.add(t.mul(b1, mv), t.mul(c1, gv))
        vv = t.add(t.mul(b2, vv), t.mul(c2, t.mul(gv, gv)))
        u = t.div(t.div(mv, k1), t.add(t.sqrt(t.div(vv, k2)), eps))
        if a["decoupled"]:
            u = t.add(u, t.mul(wd, pv))
        out.append((t.sub(pv, t.mul(lr, u)), mv, vv))
    return [Tensor("f32", p.dims, [o[k] for o in out]) for k in range(3)]


OPS = {
    "Add": _binary("add"), "Sub": _binary("sub"), "Mul": _binary("mul"), "Div": _binary("div"),
    "Neg": neg, "Relu": relu, "ReluGrad": relu_grad, "Gelu": gelu, "GeluGrad": gelu_grad,
    "Tanh": tanh, "Sigmoid": sigmoid, "TanhGrad": tanh_grad, "SigmoidGrad": sigmoid_grad,
    "Exp": exp, "Log": log, "Sqrt": sqrt, "Equal": _compare("equal"),
    "Greater": _compare("greater"), "Where": where, "Cast": cast, "SGD": sgd, "AdamW": adamw,
}
