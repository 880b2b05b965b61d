"""vectors.py - the bodies of bodies.py against the conformance vectors, an element here and there,
and each element against what its parts fold to.

    python3 tests/verifier/vectors.py [ELEMENTS]    of each listed output; default 3
"""
import glob
import os
import random
import sys

from bodies import ROOT, Node, element, explanation
import tensor


def cases(path):
    """(name, attributes, inputs, outputs) of a file; vectors/README.md is its grammar."""
    words = [w for line in open(path, encoding="ascii")
             for w in line.split("#")[0].split()][3:]
    at, found = 0, []

    def take():
        nonlocal at
        at += 1
        return words[at - 1]

    def value(kind):
        if kind == "ints":
            return [int(take()) for _ in range(int(take()))]
        return int(take(), 16 if kind in ("f32", "f64") else 10)

    def tensor_of(dtype):
        dims = [int(take()) for _ in range(int(take()))]
        how = take()
        if how == "hex":
            return tensor.lit(dtype, dims, [int(take(), 16) for _ in range(tensor.size_of(dims))])
        if how == "sha256":
            take()
            return dtype, dims
        seed, kind = int(take()), take()
        return tensor.gen(seed, dtype, dims, kind, int(take()) if kind in ("below", "index")
                          else None)
    while at < len(words):
        what = take()
        if what == "case":
            found.append((take(), {}, [], []))
        elif what == "attr":
            name, kind = take(), take()
            found[-1][1][name] = value(kind)
        elif what == "in":
            dtype = take()
            found[-1][2].append(None if dtype == "absent" else tensor_of(dtype))
        else:
            found[-1][3].append(tensor_of(take()))
    return found


def fold(shape):
    """The value from parts alone, as an honest party explains it."""
    known = [[] for _ in shape.counts]

    def part(level, index):
        while len(known[level]) <= index:
            i = len(known[level])
            claims = [part(l, k) for l, a, b in shape.needs(level, i) for k in range(a, b)]
            known[level].append(shape.part(level, i, claims))
        return known[level][index]
    return part(len(shape.counts) - 1, 0)


def main(most):
    rng, checked, explained, bad = random.Random(1), 0, 0, 0
    for path in sorted(glob.glob(os.path.join(ROOT, "vectors", "*.vec"))):
        op = os.path.basename(path)[:-4]
        for name, attrs, ins, outs in cases(path):
            while ins and ins[-1] is None:
                ins.pop()
            types = [(x.dtype, list(x.dims)) if x else None for x in ins]
            kinds = [(x.dtype, list(x.dims)) if isinstance(x, tensor.Tensor) else x for x in outs]
            n = Node(op, attrs, types, kinds, lambda k, i: ins[k].bits[i])
            work = sum(len(x.bits) for x in ins if x)
            for out, y in enumerate(outs):
                if not isinstance(y, tensor.Tensor) or not y.bits:
                    continue
                few = range(len(y.bits)) if len(y.bits) <= most else rng.sample(
                    range(len(y.bits)), most if work < 3000 else 1)
                for i in few:
                    checked += 1
                    shape = explanation(n, out, i)
                    values = [element(n, out, i)]
                    if shape and work < 3000:
                        explained += 1
                        values.append(fold(shape))
                    if any(v != y.bits[i] for v in values):
                        bad += 1
                        print("not ok %s %s output %d element %d: %x, not %s" % (
                            op, name, out, i, y.bits[i], " ".join("%x" % v for v in values)))
    print("%s the second verifier's bodies give the vectors: %d elements, %d also by parts" % (
        "not ok" if bad else "ok", checked, explained))
    return bad


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 3) != 0)
