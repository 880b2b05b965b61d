#!/usr/bin/env python3
"""A second implementation of the trees, proofs and tensor digests of docs/FORMATS.md.

Written from the definition alone, by recursion over ranges and with hashlib; it shares no code
and no shape with verde/commit.c, which works level by level.

    merkle.py            print the cases that tests/test_commit.c recomputes
    merkle.py FILE       exit 0 if FILE is exactly those cases, else 1
"""
import hashlib
import struct
import sys

KINDS = ["chunks", "nodes", "steps", "segments", "outputs", "graph", "slots", "constants",
         "state", "phases", "step outputs"]
SIZES = list(range(0, 20)) + [31, 32, 33, 63, 64, 65, 66, 127, 128, 129, 191, 255, 256, 257, 1000]
DTYPES = {"float32": (1, 4), "uint8": (2, 1), "int32": (6, 4), "int64": (7, 8), "bool": (9, 1),
          "float64": (11, 8)}


def sha(data):
    return hashlib.sha256(data).digest()


def tagged(tag, payload):
    assert 1 <= len(tag) <= 64
    return sha(tag.encode("ascii").ljust(64, b"\0") + payload)


def leaf(kind, payload):
    return tagged(f"verde/1 {kind} leaf", payload)


def split(lo, hi):
    """The end of the left child of a node of two or more leaves."""
    power = 1
    while power * 2 < hi - lo:
        power *= 2
    return lo + power


def root(kind, leaves, lo, hi):
    if lo == hi:
        return tagged(f"verde/1 {kind} empty", b"")
    if hi - lo == 1:
        return leaves[lo]
    mid = split(lo, hi)
    return tagged(f"verde/1 {kind} inner",
                  root(kind, leaves, lo, mid) + root(kind, leaves, mid, hi))


def path(kind, leaves, lo, hi, index):
    """Siblings from the leaf up."""
    if hi - lo == 1:
        return []
    mid = split(lo, hi)
    if index < mid:
        return path(kind, leaves, lo, mid, index) + [root(kind, leaves, mid, hi)]
    return path(kind, leaves, mid, hi, index) + [root(kind, leaves, lo, mid)]


def descend(lo, hi, depth):
    if depth == 0 or hi - lo == 1:
        return [(lo, hi)]
    mid = split(lo, hi)
    return descend(lo, mid, depth - 1) + descend(mid, hi, depth - 1)


def nodes(lo, hi):
    yield lo, hi
    if hi - lo > 1:
        mid = split(lo, hi)
        yield from nodes(lo, mid)
        yield from nodes(mid, hi)


def header(code, dims, size, chunk_root):
    count = (size + 4095) // 4096
    return (struct.pack("<II", code, len(dims)) + b"".join(struct.pack("<q", d) for d in dims)
            + struct.pack("<QQ", size, count) + chunk_root)


def tensor(code, dims, data):
    leaves = [leaf("chunks", data[i:i + 4096]) for i in range(0, len(data), 4096)]
    return tagged("verde/1 tensor",
                  header(code, dims, len(data), root("chunks", leaves, 0, len(leaves))))


def pattern(size):
    x, out = 1, bytearray()
    for _ in range(size):
        x = (x * 1664525 + 1013904223) & 0xffffffff
        out.append(x >> 24)
    return bytes(out)


def cases():
    yield "# Made by tests/merkle.py; leaf i of a tree is the hash of i as 8 little-endian bytes."
    yield "# tagged SIZE DIGEST | tree KIND N ROOT | proof KIND N INDEX HASHES SHA256 |"
    yield "# descend KIND N LO HI DEPTH HASHES SHA256 | tensor DTYPE DIMS(,) DIGEST | zero ..."
    for size in (0, 1, 55, 56, 63, 64, 65, 200):
        yield f"tagged {size} {tagged('verde/1 test', pattern(size)).hex()}"
    for number, kind in enumerate(KINDS):
        leaves = [leaf(kind, struct.pack("<Q", i)) for i in range(1000)]
        for n in SIZES if kind in ("chunks", "steps") else (0, 1, 2, 3, 7):
            yield f"tree {number} {n} {root(kind, leaves, 0, n).hex()}"
    leaves = [leaf("steps", struct.pack("<Q", i)) for i in range(1000)]
    for n, indices in ((1, [0]), (2, [0, 1]), (3, [0, 1, 2]), (6, range(6)), (7, range(7)),
                       (65, [0, 31, 63, 64]), (100, [0, 63, 64, 96, 99]),
                       (1000, [0, 511, 512, 999])):
        for index in indices:
            p = path("steps", leaves, 0, n, index)
            yield f"proof 2 {n} {index} {len(p)} {sha(b''.join(p)).hex()}"
    for n in (1, 2, 3, 5, 6, 7, 100, 1000):
        for lo, hi in list(nodes(0, n))[:9]:
            for depth in (0, 1, 2, 3, 12):
                parts = descend(lo, hi, depth)
                data = b"".join(root("steps", leaves, a, b) for a, b in parts)
                yield f"descend 2 {n} {lo} {hi} {depth} {len(parts)} {sha(data).hex()}"
    shapes = [("float32", ()), ("float32", (0,)), ("float32", (3, 0, 5)), ("float32", (1,)),
              ("float32", (1023,)), ("float32", (1024,)), ("float32", (1025,)), ("uint8", (4095,)),
              ("uint8", (4096,)), ("uint8", (4097,)), ("uint8", (64 * 4096 - 1,)),
              ("uint8", (64 * 4096,)), ("uint8", (64 * 4096 + 1,)), ("uint8", (129, 4096)),
              ("int64", (3, 5, 7)), ("int64", (1, 1, 1, 1, 1, 1, 1, 9)), ("float64", (513,)),
              ("bool", (2, 2)), ("int32", (33, 1024)), ("float32", (2, 3)), ("float32", (3, 2)),
              ("float32", (6,)), ("int32", (6,))]
    for name, dims in shapes:
        code, width = DTYPES[name]
        size = width
        for d in dims:
            size *= d
        text = ",".join(map(str, dims)) or "-"
        yield f"tensor {code} {text} {tensor(code, dims, pattern(size)).hex()}"
        yield f"zero {code} {text} {tensor(code, dims, bytes(size)).hex()}"


def main():
    text = "".join(line + "\n" for line in cases())
    if len(sys.argv) == 1:
        sys.stdout.write(text)
        return 0
    with open(sys.argv[1], encoding="ascii") as f:
        return 0 if f.read() == text else 1


if __name__ == "__main__":
    sys.exit(main())
