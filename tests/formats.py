#!/usr/bin/env python3
"""A second implementation of docs/FORMATS.md: reads a trace or a segment claim and recomputes
everything in it. hashlib and struct alone; it shares no code with verde/.

    formats.py FILE [ROOT]    exit 0 when all of FILE follows from docs/FORMATS.md (and its root
                              is ROOT, in hex), else 1 with a sentence

Signatures are checked where Python's `cryptography` is there.
"""
import hashlib
import struct
import sys

VERSION = 1
DTYPE_BYTES = {1: 4, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 8, 9: 1, 10: 2, 11: 8, 12: 4, 13: 8, 16: 2}


class Wrong(Exception):
    pass


def need(condition, sentence):
    if not condition:
        raise Wrong(sentence)


def tagged(tag, payload):
    return hashlib.sha256(tag.encode("ascii").ljust(64, b"\0") + payload).digest()


def leaf(kind, payload):
    return tagged(f"verde/1 {kind} leaf", payload)


def tree_levels(kind, hashes):
    """All levels from the leaves up."""
    levels = [list(hashes)] if hashes else []
    while levels and len(levels[-1]) > 1:
        below = levels[-1]
        above = [tagged(f"verde/1 {kind} inner", below[i] + below[i + 1])
                 for i in range(0, len(below) - 1, 2)]
        if len(below) % 2:
            above.append(below[-1])
        levels.append(above)
    return levels


def tree_root(kind, hashes):
    if not hashes:
        return tagged(f"verde/1 {kind} empty", b"")
    return tree_levels(kind, hashes)[-1][0]


def tensor_digest(dtype, dims, data):
    chunks = [leaf("chunks", data[i:i + 4096]) for i in range(0, len(data), 4096)]
    header = struct.pack("<II", dtype, len(dims)) + b"".join(struct.pack("<q", d) for d in dims)
    header += struct.pack("<QQ", len(data), len(chunks)) + tree_root("chunks", chunks)
    return tagged("verde/1 tensor", header)


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        need(self.at + n <= len(self.data), f"cut off at byte {len(self.data)}")
        self.at += n
        return self.data[self.at - n:self.at]

    def number(self, form):
        return struct.unpack("<" + form, self.take(struct.calcsize("<" + form)))[0]

    def reference(self):
        kind, index, output = self.number("B"), self.number("I"), self.number("I")
        need(kind <= 3 and (kind == 3 or output == 0) and (kind or index == 0), "a reference")
        return kind, index, output

    def type(self):
        dtype, rank = self.number("I"), self.number("I")
        need(dtype in DTYPE_BYTES and rank <= 8, "a type")
        return dtype, tuple(self.number("q") for _ in range(rank))

    def end(self):
        need(self.at == len(self.data), "bytes follow the end of a record")


class Node:
    def __init__(self, record):
        r = Reader(record)
        self.descriptor = leaf("graph", record)
        self.name = r.take(r.number("B")).decode("ascii")
        self.version = r.number("I")
        self.attributes = r.take(r.number("I"))
        self.inputs = [r.reference() for _ in range(r.number("I"))]
        need(not self.inputs or self.inputs[-1][0], "an absent input at the end")
        self.outputs = [r.type() for _ in range(r.number("I"))]
        self.present = [i for i in self.inputs if i[0]]
        self.leaf_bytes = 52 + 32 * (len(self.present) + len(self.outputs))
        r.end()


class Named:
    def __init__(self, record, kind):
        r = Reader(record)
        self.leaf = leaf(kind, record)
        self.name = r.take(r.number("H")).decode("utf-8")
        self.type = r.type()
        self.digest = r.take(32)
        r.end()


class Phase:
    def __init__(self, r, slots):
        self.steps = r.number("Q")
        self.nodes = [Node(r.take(r.number("I"))) for _ in range(r.number("I"))]
        begin = r.at
        self.next = [r.reference() for _ in range(slots)]
        references = r.data[begin:r.at]
        begin = r.at
        self.outputs = [r.reference() for _ in range(r.number("I"))]
        outputs = r.data[begin:r.at]
        root = tree_root("graph", [n.descriptor for n in self.nodes])
        self.record = (struct.pack("<QI", self.steps, len(self.nodes)) + root +
                       struct.pack("<I", slots) + references + outputs)
        need(self.next[0] == (0, 0, 0), "slot 0 is written")
        self.step_bytes = 124 + sum(n.leaf_bytes for n in self.nodes)


class Job:
    def __init__(self, data):
        r = Reader(data)
        need(r.take(8) == b"VERDEJOB", "not a job")
        need(r.number("I") == VERSION, "version of the job")
        self.repeats, self.level, self.k = r.number("Q"), r.number("I"), r.number("I")
        phases, slots, constants = r.number("I"), r.number("I"), r.number("I")
        self.slots = [Named(r.take(r.number("I")), "slots") for _ in range(slots)]
        self.constants = [Named(r.take(r.number("I")), "constants") for _ in range(constants)]
        self.phases = [Phase(r, slots) for _ in range(phases)]
        r.end()
        body = struct.pack("<IQIIIII", VERSION, self.repeats, self.level, self.k, phases, slots,
                           constants)
        body += tree_root("slots", [s.leaf for s in self.slots])
        body += tree_root("constants", [c.leaf for c in self.constants])
        body += tree_root("phases", [leaf("phases", p.record) for p in self.phases])
        self.digest = tagged("verde/1 job", body)
        self.round = sum(p.steps for p in self.phases)
        self.steps = self.repeats * self.round
        self.first_state = self.state_root([s.digest for s in self.slots])
        zero = tensor_digest(7, (), struct.pack("<q", 0))
        need(self.slots[0].name == "step" and self.slots[0].type == (7, ()) and
             self.slots[0].digest == zero, "slot 0")

    @staticmethod
    def state_root(digests):
        return tree_root("state", [leaf("state", d) for d in digests])

    def place(self, step):
        """(repeat, phase number, step in the phase)"""
        repeat, rest = divmod(step, self.round)
        for number, phase in enumerate(self.phases):
            if rest < phase.steps:
                return repeat, number, rest
            rest -= phase.steps

    def segments(self):
        return [(first, min(self.k, self.steps - first)) for first in range(0, self.steps, self.k)]


class Run:
    """The digests of values while the steps of a file are walked."""

    def __init__(self, job, first, known):
        self.job = job
        self.slots = [s.digest if known else None for s in job.slots]
        self.set_step(first)

    def set_step(self, step):
        self.slots[0] = tensor_digest(7, (), struct.pack("<q", step))

    def value(self, made, reference):
        kind, index, output = reference
        if kind == 1:
            return self.slots[index]
        if kind == 2:
            return self.job.constants[index].digest
        return made[index][output]

    def step(self, record, step):
        """Check a step's record; its step leaf."""
        repeat, number, inside = self.job.place(step)
        phase = self.job.phases[number]
        head, r = record[:124], Reader(record[124:])
        need(head[:28] == struct.pack("<QIQQ", repeat, number, inside, step),
             f"step {step}: its leaf's numbers")
        state, outputs, nodes = head[28:60], head[60:92], head[92:124]
        made, leaves = [], []
        for index, node in enumerate(phase.nodes):
            payload = r.take(node.leaf_bytes)
            leaves.append(leaf("nodes", payload))
            n = Reader(payload)
            need((n.number("Q"), n.number("I")) == (step, index), f"step {step}: a node's numbers")
            need(n.take(32) == node.descriptor, f"step {step}: node {index}: its descriptor")
            need(n.number("I") == len(node.present), f"step {step}: node {index}: its inputs")
            for reference in node.present:
                digest, had = n.take(32), self.value(made, reference)
                if had is None:
                    self.slots[reference[1]] = had = digest
                need(digest == had, f"step {step}: node {index}: an input from elsewhere")
            need(n.number("I") == len(node.outputs), f"step {step}: node {index}: its outputs")
            made.append([n.take(32) for _ in node.outputs])
            n.end()
        r.end()
        need(tree_root("nodes", leaves) == nodes, f"step {step}: its node root")
        values = [self.value(made, o) for o in phase.outputs]
        if None not in values:
            root = tree_root("step outputs", [leaf("step outputs", v) for v in values])
            need(root == outputs, f"step {step}: its outputs digest")
        self.slots = [self.value(made, n) if n[0] else self.slots[i]
                      for i, n in enumerate(phase.next)]
        self.set_step(step + 1)
        if None not in self.slots:
            need(Job.state_root(self.slots) == state, f"step {step}: its state root")
        return head


def check_signature(trailer, segment):
    key, backend, signature = trailer[224:256], trailer[256:320], trailer[320:384]
    text = backend.rstrip(b"\0")
    need(0 < len(text) < 64 and all(0x20 <= c < 0x7f for c in text), "the backend")
    signed = struct.unpack("<I", trailer[384:388])[0]
    need(signed in (0, 1) and not any(trailer[388:]), "the end of the trailer")
    if not signed:
        need(not any(key) and not any(signature), "an unsigned trace with a key")
        return "unsigned"
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError:
        return "unchecked"
    tag = b"verde/1 signed segment" if segment else b"verde/1 signed trace"
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(
            signature, tag.ljust(64, b"\0") + backend + trailer[192:224])
    except InvalidSignature:
        raise Wrong("the signature") from None
    return "signed"


def expected_header(data, job, job_bytes, kind, first, count, records, trees):
    at_records = 256 + (len(job_bytes) + 63) // 64 * 64
    at_trees = at_records + records
    at_trailer = at_trees + trees
    header = b"VERDETRC" + struct.pack("<IIIIQQQQQQQQ", VERSION, kind, job.level, job.k, first,
                                       count, 256, len(job_bytes), at_records, at_trees,
                                       at_trailer, at_trailer + 480)
    header += job.digest
    need(data[:256] == header.ljust(256, b"\0"), "the header")
    need(len(data) == at_trailer + 480, "the size of the file")
    need(not any(data[256 + len(job_bytes):at_records]), "the bytes after the job")
    return at_records, at_trees, at_trailer


def full_records(job, data, at, first, count, known):
    run, heads = Run(job, first, known), []
    for step in range(first, first + count):
        size = job.phases[job.place(step)[1]].step_bytes
        heads.append(run.step(data[at:at + size], step))
        at += size
    return heads


def checkpoint_records(job, data, at):
    digests, leaves = [], []
    for index, (first, count) in enumerate(job.segments()):
        part = [data[at + 32 * i:at + 32 * i + 32] for i in range(count)]
        at += 32 * count
        segment = data[at:at + 88]
        at += 88
        root = tree_root("outputs", [leaf("outputs", d) for d in part])
        need(segment[:24] == struct.pack("<QQQ", index, first, count), f"segment {index}: numbers")
        need(segment[56:] == root, f"segment {index}: its outputs root")
        digests += part
        leaves.append(segment)
    return digests, leaves


def check(data):
    need(len(data) >= 256 + 480, "the size of the file")
    kind, first, count = struct.unpack("<I8xQQ", data[12:40])
    job_bytes = data[256:256 + struct.unpack("<Q", data[48:56])[0]]
    job = Job(job_bytes)
    need(kind in (0, 1), "the kind")
    segment = kind == 1
    full = segment or job.level == 0
    if segment:
        need(job.level == 1 and (first, count) in job.segments(), "the segment")
    else:
        need((first, count) == (0, job.steps), "the covered steps")
    if full:
        records = sum(job.phases[job.place(s)[1]].step_bytes for s in range(first, first + count))
    else:
        records = 32 * job.steps + 88 * len(job.segments())
    leaf_counts = [count] if segment else [count if full else len(job.segments()), count]
    trees = sum(32 * sum(len(x) for x in tree_levels("x", [b""] * n)) for n in leaf_counts)
    at, at_trees, at_trailer = expected_header(data, job, job_bytes, kind, first, count, records,
                                               trees)
    trailer = data[at_trailer:]
    if full:
        heads = full_records(job, data, at, first, count, not segment)
        outputs, last = [h[60:92] for h in heads], heads[-1][28:60]
        made = [tree_levels("steps", [leaf("steps", h) for h in heads])]
    else:
        outputs, segments = checkpoint_records(job, data, at)
        last = segments[-1][24:56]
        made = [tree_levels("segments", [leaf("segments", s) for s in segments])]
    if not segment:
        made.append(tree_levels("outputs", [leaf("outputs", o) for o in outputs]))
    stored = b"".join(b"".join(level) for tree in made for level in tree)
    need(data[at_trees:at_trailer] == stored, "the trees")
    if segment:
        body = struct.pack("<II", VERSION, 0) + job.digest + trailer[40:72]
        body += struct.pack("<QQ", first // job.k, count) + made[0][-1][0]
        root = tagged("verde/1 segment claim", body)
    else:
        nodes = sum(len(p.nodes) * p.steps for p in job.phases) * job.repeats if full else 0
        body = struct.pack("<IIII", VERSION, job.level, job.k, 0) + job.digest
        body += struct.pack("<QQ", job.steps, nodes) + job.first_state + last
        body += made[1][-1][0] + made[0][-1][0]
        root = tagged("verde/1 trace", body)
    need(trailer[:192] == body.ljust(192, b"\0"), "the body")
    need(trailer[192:224] == root, "the root")
    return job, root, check_signature(trailer, segment)


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: formats.py FILE [ROOT]")
    with open(sys.argv[1], "rb") as f:
        data = f.read()
    try:
        job, root, signature = check(data)
        need(len(sys.argv) == 2 or root.hex() == sys.argv[2], f"the root is {root.hex()}")
    except Wrong as e:
        sys.exit(f"{sys.argv[1]}: wrong: {e}")
    except (struct.error, UnicodeDecodeError, IndexError) as e:
        sys.exit(f"{sys.argv[1]}: malformed: {e}")
    print(f"job {job.digest.hex()}\nroot {root.hex()}\nsteps {job.steps}\n{signature}")


if __name__ == "__main__":
    main()
