"""cases_cell.py - the cases of the recurrent cells."""

from book import G
from soft import FLOATS
from tensor import flt, ints, tiny

GATES = {"LSTMCell": 4, "GRUCell": 3, "RNNCell": 1, "GRUGates": 3, "GRUState": 3}
FUNCTIONS = {"LSTMCell": "fgh", "GRUCell": "fg", "RNNCell": "f", "GRUGates": "f", "GRUState": "g"}
# Sigmoid for the gates, Tanh for the others, as ONNX has it where a model says nothing.
USUAL = {"LSTMCell": (0, 1, 1), "GRUCell": (0, 1), "RNNCell": (1,), "GRUGates": (0,),
         "GRUState": (1,)}
OTHERS = {"LSTMCell": ((1, 0, 2), (2, 2, 0)), "GRUCell": ((1, 2), (2, 0)), "RNNCell": ((0,), (2,)),
          "GRUGates": ((1,), (2,)), "GRUState": ((0,), (2,))}


def cells(op):
    """Inputs are x, then the state; then what the cell has beside them, r, and what it may have."""
    def run(book, name, dtype, batch, size, steps=2, step=0, kind="normal", functions=None,
            forget=0, peep=0, lengths=None, index="i32", fill=G):
        state, gates = (1, batch, size), GATES[op]
        xs = [fill(dtype, (steps, batch, gates * size), kind), fill(dtype, state, kind)]
        if op == "LSTMCell":
            xs.append(fill(dtype, state, kind))
        if op == "GRUState":
            xs.append(fill(dtype, (1, batch, 2 * size), kind))
        xs.append(fill(dtype, (size, gates * size), kind))
        if op in ("LSTMCell", "GRUCell"):
            wide = 3 * size if op == "LSTMCell" else size
            xs.append(fill(dtype, (wide,), kind) if peep else None)
        if op != "GRUGates":
            xs.append(None if lengths is None else ints(index, (batch,), lengths))
        at = {"step": step, **dict(zip(FUNCTIONS[op], functions or USUAL[op]))}
        if op == "LSTMCell":
            at["input_forget"] = forget
        book.add(name, xs, at, 2 if op == "LSTMCell" else 1)

    def add(book):
        for dtype in FLOATS:
            for n in (1, 2, 31, 32, 33) if dtype == "f32" else (1, 5):
                run(book, "%s-h%d" % (dtype, n), dtype, 2, n)
            run(book, "%s-h257" % dtype, dtype, 1, 257)
            for kind in ("special", "bits", "wide"):
                run(book, "%s-%s" % (dtype, kind), dtype, 5, 7, kind=kind, peep=1)
            run(book, "%s-subnormal" % dtype, dtype, 2, 4, peep=1,
                fill=lambda d, dims, _: tiny(d, dims, len(dims) + dims[-1]))
            for number, functions in enumerate(OTHERS[op]):
                run(book, "%s-functions-%d" % (dtype, number), dtype, 3, 4, functions=functions,
                    kind="special")
            if op in ("LSTMCell", "GRUCell"):
                run(book, "%s-beside" % dtype, dtype, 3, 6, peep=1)
            if op == "LSTMCell":
                run(book, "%s-input-forget" % dtype, dtype, 3, 6, forget=1)
                run(book, "%s-input-forget-beside" % dtype, dtype, 3, 6, forget=1, peep=1)
        run(book, "f32-last-step", "f32", 3, 8, steps=4, step=3)
        run(book, "f32-batch-33", "f32", 33, 3)
        run(book, "f32-no-batch", "f32", 0, 3)
        run(book, "f32-no-state", "f32", 3, 0)
        if op == "GRUGates":
            return
        for index in ("i32", "i64"):
            run(book, "%s-lengths" % index, "f32", 6, 3, steps=3, step=1, index=index, peep=1,
                lengths=[0, 1, 2, 3, -1, 2 ** 31 - 1])
        state = flt("f32", (1, 2, 2), ["nan", "-0", "inf", 1])
        at = {"step": 1, **dict(zip(FUNCTIONS[op], USUAL[op]))}
        more = [G("f32", (1, 2, 4))] if op == "GRUState" else []
        if op == "LSTMCell":
            at["input_forget"], more = 0, [state]
        xs = [G("f32", (2, 2, 2 * GATES[op])), state] + more + [G("f32", (2, 2 * GATES[op]))]
        xs += [None] if op in ("LSTMCell", "GRUCell") else []
        book.add("f32-ended-as-it-was", xs + [ints("i64", (2,), [0, 1])], at,
                 2 if op == "LSTMCell" else 1)
    return add


CASES = {op: cells(op) for op in GATES}
