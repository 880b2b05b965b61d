#!/usr/bin/env python3
"""evidence.py - the second verifier: a verdict derived again from its evidence file, from
docs/FORMATS.md alone. It shares no code with referee/ and none with the operators.

    python3 tests/verifier/evidence.py FILE...    a line of JSON each; exit 1 when one is refused

Unlike verde-verdict it takes the job's records as admitted: it does not infer the types of a node
again, and sets no bound on what an element may read.

Invariants
  1. What is read is hashed up to the two roots or the job's digest, or compared with what those
     prescribe; whatever else happens while reading is a refusal.
  2. Who is guilty is computed from claimed and recomputed bits, and from nothing else.
"""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import bodies  # noqa: E402
import ed25519  # noqa: E402
from bodies import size_of  # noqa: E402
from book import ATTRS, version  # noqa: E402
from formats import DTYPE_BYTES, Named, Node, Reader, Wrong, leaf, need, tagged, tree_root
from ops_map import CODES  # noqa: E402

CHUNK = 4096


# ---- trees ----------------------------------------------------------------------------------

def inner(kind, left, right):
    return tagged(f"verde/1 {kind} inner", left + right)


def root_of(kind, n, places, hashes, proof):
    """The root over leaves at `places`, ascending, and the siblings of a proof. Also which of the
    proof's hashes lie left of a leaf."""
    known, used, left = list(zip(places, hashes)), 0, []
    need(n > 0 and all(p < n for p in places), "a leaf past its tree")
    while n > 1:
        above, k = [], 0
        while k < len(known):
            i, h = known[k]
            k += 1
            if i % 2 == 0 and i + 1 == n:
                pass
            elif i % 2 == 0 and k < len(known) and known[k][0] == i + 1:
                h = inner(kind, h, known[k][1])
                k += 1
            else:
                need(used < len(proof), "a proof is too short")
                other = proof[used]
                used += 1
                if i % 2:
                    left.append(other)
                h = inner(kind, other, h) if i % 2 else inner(kind, h, other)
            above.append((i // 2, h))
        known, n = above, (n + 1) // 2
    need(used == len(proof), "a proof is too long")
    return known[0][1], left


def under(kind, root, n, i, hash_, path):
    got, left = root_of(kind, n, [i], [hash_], path)
    need(got == root, f"a path in the tree of {kind} leads elsewhere")
    return left


def first_unlike(kind, roots, n, i, hashes, paths):
    left = [under(kind, roots[k], n, i, hashes[k], paths[k]) for k in (0, 1)]
    need(hashes[0] != hashes[1] and left[0] == left[1], f"not the first difference of {kind}")


def proof_size(n, places):
    """How many hashes the proof of these leaves has."""
    size = 0
    while n > 1:
        have = set(places)
        size += sum((i ^ 1) not in have and (i ^ 1) < n for i in places)
        places, n = sorted({i // 2 for i in places}), (n + 1) // 2
    return size


# ---- records --------------------------------------------------------------------------------

class File(Reader):
    def blob(self, most=8192):
        size = self.number("I")
        need(size <= most, "a blob is too long")
        return self.take(size)

    def long(self):
        return self.take(self.number("Q"))

    def hashes(self, n):
        return [self.take(32) for _ in range(n)]

    def path(self):
        n = self.number("I")
        need(n <= 40, "a path is too long")
        return self.hashes(n)


class Leaf:
    """A node leaf."""

    def __init__(self, data):
        r = File(data)
        self.hash = leaf("nodes", data)
        self.step, self.node, self.descriptor = r.number("Q"), r.number("I"), r.take(32)
        self.inputs = r.hashes(r.number("I"))
        self.outputs = r.hashes(r.number("I"))
        r.end()

    def fits(self, step, index, node):
        need((self.step, self.node, self.descriptor) == (step, index, node.descriptor) and
             len(self.inputs) == len(node.present) and len(self.outputs) == len(node.outputs),
             "a node leaf is not what the job prescribes")


def attributes(node):
    """By name; the bytes must be one canonical encoding."""
    r, out = File(node.attributes), {}
    for field in ATTRS[node.name].split():
        name, kind = field.split(":")
        form = {"u32": "I", "u64": "Q", "i64": "q", "f32": "I", "f64": "Q"}.get(kind)
        out[name] = r.number(form) if form else [r.number("q") for _ in range(r.number("I"))]
    r.end()
    return out


def header(type_, root):
    """A tensor's digest, from its type and the root of its chunks."""
    dtype, dims = type_
    size = size_of(dims) * DTYPE_BYTES[dtype]
    data = dtype.to_bytes(4, "little") + len(dims).to_bytes(4, "little")
    data += b"".join(d.to_bytes(8, "little") for d in dims)
    data += size.to_bytes(8, "little") + (-(-size // CHUNK)).to_bytes(8, "little") + root
    return data, tagged("verde/1 tensor", data)


class Tensor:
    """What is known of a tensor: type, and chunks by place."""

    def __init__(self, type_):
        self.width, self.type = DTYPE_BYTES[type_[0]], type_
        self.size = size_of(type_[1]) * self.width
        self.chunks = -(-self.size // CHUNK)

    def chunk_size(self, place):
        need(place < self.chunks, "a chunk past its tensor")
        return min(CHUNK, self.size - place * CHUNK)


# ---- a file ---------------------------------------------------------------------------------

class Evidence:
    def __init__(self, data):
        need(len(data) <= 4 << 20, "over 4 MiB")
        self.r = r = File(data)
        need(r.take(8) == b"VERDEEVD" and r.number("I") == 3, "no evidence of version 3")
        self.flags = r.number("I")
        need(self.flags <= 1, "flags")
        self.job()
        self.sides()
        self.steps()
        self.before()
        self.node()
        self.chunk()
        self.compute()
        r.end()

    def job(self):
        r = self.r
        body = File(r.take(128))
        need(body.number("I") == 1, "the version of the job")
        self.repeats, self.level, self.K = body.number("Q"), body.number("I"), body.number("I")
        self.phase_count, self.slots, self.constants = (body.number("I") for _ in range(3))
        self.slot_root, self.constant_root, phase_root = (body.take(32) for _ in range(3))
        self.digest = tagged("verde/1 job", body.data)
        need(self.level <= 1 and (self.level == 1) == (0 < self.K <= 4096) and self.repeats and
             1 <= self.phase_count <= 64, "the job's body")
        records = [r.blob(64 << 20) for _ in range(self.phase_count)]
        need(tree_root("phases", [leaf("phases", p) for p in records]) == phase_root, "the phases")
        phases = [File(p) for p in records]
        self.phases = [(p.number("Q"), p.number("I"), p.take(32)) for p in phases]
        self.round = sum(p[0] for p in self.phases)
        self.T = self.repeats * self.round
        need(all(p[0] for p in self.phases) and self.T < 1 << 40, "the number of steps")

    def signer(self, tag, root):
        r = self.r
        signed, backend, key, signature = r.number("B"), r.take(64), r.take(32), r.take(64)
        text = backend.rstrip(b"\0")
        need(signed <= 1 and 1 <= len(text) <= 63 and all(0x20 <= c < 0x7f for c in text),
             "a backend")
        if signed:
            message = tag.ljust(64, b"\0") + backend + root
            need(ed25519.verify(key, message, signature), "a signature")
        else:
            need(not any(key) and not any(signature), "an unsigned root with a key")
        return key.hex() if signed else None

    def sides(self):
        r = self.r
        nodes = self.repeats * sum(s * n for s, n, _ in self.phases) if self.level == 0 else 0
        self.roots, self.trees, self.keys, first = [], [], [], []
        for _ in (0, 1):
            body = File(r.take(192))
            got = tuple(body.number("I") for _ in range(4))
            need(got == (1, self.level, self.K, 0) and body.take(32) == self.digest and
                 body.number("Q") == self.T and body.number("Q") == nodes, "a trace body")
            first.append(body.take(32))
            self.trees.append(body.data[160:])
            self.roots.append(tagged("verde/1 trace", body.data))
            self.keys.append(self.signer(b"verde/1 signed trace", self.roots[-1]))
        need(first[0] == first[1] and self.roots[0] != self.roots[1], "the traces are no pair")
        need(self.level == self.flags, "segment claims go with a checkpoint job")
        self.first_state, self.first, self.count = first[0], 0, self.T
        self.segment_trees = self.trees
        if self.flags:
            self.claims()

    def claims(self):
        r, segments, self.trees = self.r, [], []
        for k in (0, 1):
            body = File(r.take(120))
            need(body.number("I") == 1 and body.number("I") == 0 and
                 body.take(32) == self.digest and body.take(32) == self.roots[k],
                 "a segment claim's body")
            segment, steps = body.number("Q"), body.number("Q")
            self.first = segment * self.K
            need(self.first < self.T and steps == min(self.K, self.T - self.first),
                 "a segment claim of no segment")
            segments.append(segment)
            self.count = steps
            self.trees.append(body.take(32))
            self.keys[k] = self.signer(b"verde/1 signed segment",
                                       tagged("verde/1 segment claim", body.data))
        need(segments[0] == segments[1], "claims of two segments")
        self.segment = segments[0]

    def step_leaf(self, data, step):
        """Its state root and node root."""
        r = File(data)
        place = r.number("Q"), r.number("I"), r.number("Q"), r.number("Q")
        rest, phase = step % self.round, 0
        while rest >= self.phases[phase][0]:
            rest -= self.phases[phase][0]
            phase += 1
        need(place == (step // self.round, phase, rest, step), "a step leaf of another step")
        self.phase = phase
        return r.take(32), data[92:124]

    def steps(self):
        r = self.r
        self.index = r.number("Q")
        need(self.index < self.count, "there is no such step")
        self.step = self.first + self.index
        leaves, paths = [], []
        for _ in (0, 1):
            leaves.append(r.take(124))
            paths.append(r.path())
        self.node_roots = [self.step_leaf(l, self.step)[1] for l in leaves]
        first_unlike("steps", self.trees, self.count, self.index,
                     [leaf("steps", l) for l in leaves], paths)

    def before(self):
        r, kind = self.r, self.r.number("B")
        self.state = self.first_state if self.step == 0 else None
        if kind == 1 and self.index:
            data, path, phase = r.take(124), r.path(), self.phase
            self.state = self.step_leaf(data, self.step - 1)[0]
            self.phase = phase
            under("steps", self.trees[0], self.count, self.index - 1, leaf("steps", data), path)
        elif kind == 2 and self.flags and self.index == 0 and self.segment:
            hashes, paths = [], []
            for _ in (0, 1):
                hashes.append(r.take(32))
                paths.append(r.path())
            n = -(-self.T // self.K)
            first_unlike("segments", self.segment_trees, n, self.segment, hashes, paths)
            data = r.take(88)
            under("segments", self.segment_trees[0], n, self.segment - 1, leaf("segments", data),
                  r.path())
            need(int.from_bytes(data[:8], "little") == self.segment - 1, "a segment's index")
            self.state = data[24:56]
        else:
            need(kind == 0, "the state before")

    def record(self, index):
        data, path = self.r.blob(), self.r.path()
        node = Node(data)
        under("graph", self.phases[self.phase][2], self.phases[self.phase][1], index,
              node.descriptor, path)
        need(node.name in ATTRS and node.version == version(node.name),
             "an operator of another version")
        return node

    def node(self):
        r, count = self.r, self.phases[self.phase][1]
        index = self.node_index = r.number("I")
        need(index < count, "there is no such node")
        leaves, paths = [], []
        for _ in (0, 1):
            leaves.append(Leaf(r.blob()))
            paths.append(r.path())
        first_unlike("nodes", self.node_roots, count, index, [l.hash for l in leaves], paths)
        self.judged = self.record(index)
        for l in leaves:
            l.fits(self.step, index, self.judged)
        self.inputs, at = [], 0
        for reference in self.judged.inputs:
            if reference[0] == 0:
                self.inputs.append(None)
                continue
            type_, digest = self.input(index, reference, leaves[0].inputs[at])
            need(digest == leaves[0].inputs[at] == leaves[1].inputs[at], "an input is not agreed")
            self.inputs.append((type_, digest))
            at += 1
        self.out_digests = [l.outputs for l in leaves]

    def input(self, node, reference, said):
        """Type and digest that an input must have."""
        r, (kind, index, output) = self.r, reference
        if kind == 3:
            need(index < node, "an input comes later")
            producer = self.record(index)
            made = Leaf(r.blob())
            under("nodes", self.node_roots[0], self.phases[self.phase][1], index, made.hash,
                  r.path())
            made.fits(self.step, index, producer)
            return producer.outputs[output], made.outputs[output]
        tree = "slots" if kind == 1 else "constants"
        named = Named(r.blob(), tree)
        root, n = (self.slot_root, self.slots) if kind == 1 else (self.constant_root,
                                                                 self.constants)
        under(tree, root, n, index, named.leaf, r.path())
        if kind == 2:
            return named.type, named.digest
        need(self.state is not None, "the state before is not shown")
        under("state", self.state, self.slots, index, leaf("state", said), r.path())
        return named.type, said

    def chunk(self):
        r = self.r
        self.output, place = r.number("I"), r.number("Q")
        need(self.output < len(self.judged.outputs), "there is no such output")
        tensor = Tensor(self.judged.outputs[self.output])
        chunks, roots, paths = [], [], []
        for k in (0, 1):
            head, data = r.blob(), r.blob(CHUNK)
            paths.append(r.path())
            roots.append(head[-32:])
            need(header(tensor.type, head[-32:]) == (head, self.out_digests[k][self.output]),
                 "a tensor's header")
            need(len(data) == tensor.chunk_size(place), "a chunk's size")
            chunks.append(data)
        first_unlike("chunks", roots, tensor.chunks, place, [leaf("chunks", c) for c in chunks],
                     paths)
        w = tensor.width
        at = next(k for k in range(0, CHUNK, w) if chunks[0][k:k + w] != chunks[1][k:k + w])
        self.element = (place * CHUNK + at) // w
        self.claimed = [int.from_bytes(c[at:at + w], "little") for c in chunks]

    # ---- recomputing ----

    def operands(self):
        """A node over the chunks of one set of operands; `all_read` says whether each was read."""
        r, have = File(self.r.long()), {}
        last = -1
        for _ in range(r.number("I")):
            k = r.number("I")
            need(last < k < len(self.inputs) and self.inputs[k], "operands of no input")
            last = k
            tensor = Tensor(self.inputs[k][0])
            places = [r.number("Q") for _ in range(r.number("I"))]
            need(places and all(a < b for a, b in zip(places, places[1:])), "operands' order")
            data = [r.take(tensor.chunk_size(p)) for p in places]
            proof = r.hashes(proof_size(tensor.chunks, places))
            root, _ = root_of("chunks", tensor.chunks, places, [leaf("chunks", c) for c in data],
                              proof)
            need(header(tensor.type, root)[1] == self.inputs[k][1], "an operand is another's")
            have.update({(k, p): c for p, c in zip(places, data)})
        r.end()
        self.chunks_given += len(have)
        seen = set()

        def read(k, i):
            w = DTYPE_BYTES[self.inputs[k][0][0]]
            need(0 <= i < size_of(self.inputs[k][0][1]), "a read past an input")
            key = k, i * w // CHUNK
            need(key in have, "a chunk that is read is missing")
            seen.add(key)
            at = i * w % CHUNK
            return int.from_bytes(have[key][at:at + w], "little")

        def types(ts):
            return [t and (CODES[t[0]], list(t[1])) for t in ts]
        node = bodies.Node(self.judged.name, attributes(self.judged),
                           types([i and i[0] for i in self.inputs]), types(self.judged.outputs),
                           read)
        return node, lambda: need(len(seen) == len(have), "a chunk that nothing reads")

    def compute(self):
        self.chunks_given = self.part_level = self.part_index = 0
        method = self.r.number("I")
        need(method <= 1, "the method")
        self.method = ("element", "partial")[method]
        if method:
            self.partial()
            return
        node, all_read = self.operands()
        self.recomputed = bodies.element(node, self.output, self.element)
        all_read()

    def partial(self):
        rounds, agreed = self.r.number("I"), {}
        self.told = []  # of each round: kinds of the parts, where each side's answer begins
        need(rounds <= 64, "too many rounds")
        level = index = None
        for left in range(rounds, -1, -1):
            node, all_read = self.operands()
            shape = bodies.explanation(node, self.output, self.element)
            need(shape is not None, "the operator does not explain itself")
            if level is None:
                level, index = len(shape.counts) - 1, 0
            needs = [(l, k) for l, a, b in shape.needs(level, index) for k in range(a, b)]
            shape.part(level, index, [agreed.get(n, node.one()) for n in needs])
            all_read()
            if left == 0:
                need(all(n in agreed for n in needs), "the last part needs others")
                self.recomputed = shape.part(level, index, [agreed[n] for n in needs])
                break
            kinds = [shape.kinds[l] if l < len(shape.kinds) else bodies.NUMBER for l, _ in needs]
            self.told.append((kinds, []))
            answers = []
            for k in (0, 1):
                data = self.r.long()
                self.told[-1][1].append(self.r.at - len(data))
                need(len(data) == 8 * len(needs), "an explanation's size")
                answer = [int.from_bytes(data[8 * i:8 * i + 8], "little")
                          for i in range(len(needs))]
                need(all(node.canonical(kind, a) for kind, a in zip(kinds, answer)),
                     "an explanation has bits that its parts do not")
                need(all(agreed.get(n, a) == a for n, a in zip(needs, answer)),
                     "an explanation denies what is agreed")
                need(shape.part(level, index, answer) == self.claimed[k],
                     "an explanation does not fold")
                answers.append(answer)
            at = next((i for i, (a, b) in enumerate(zip(*answers)) if a != b), None)
            need(at is not None, "an explanation explains nothing")
            agreed.update(zip(needs[:at], answers[0]))
            (level, index), self.claimed = needs[at], [a[at] for a in answers]
        self.part_level, self.part_index = level, index

    def verdict(self):
        return {"job": self.digest.hex(), "roots": [x.hex() for x in self.roots],
                "keys": self.keys, "step": self.step, "node": self.node_index,
                "operator": self.judged.name, "output": self.output, "element": self.element,
                "method": self.method, "part_level": self.part_level,
                "part_index": self.part_index, "claimed": self.claimed,
                "recomputed": self.recomputed, "chunks": self.chunks_given,
                "guilty": [c != self.recomputed for c in self.claimed]}


def check(data):
    """The verdict, or Wrong."""
    try:
        return Evidence(data).verdict()
    except Wrong:
        raise
    except Exception as e:  # malformed bytes of a kind that nothing above names
        raise Wrong("malformed: %s: %s" % (type(e).__name__, e)) from e


def main(names):
    bad = 0
    for name in names:
        with open(name, "rb") as f:
            data = f.read()
        try:
            print(json.dumps(dict(check(data), follows=True, file=name)))
        except Wrong as e:
            bad = 1
            print(json.dumps({"follows": False, "file": name, "why": str(e)}))
    return bad


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
