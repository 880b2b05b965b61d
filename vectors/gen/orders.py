"""orders.py - the fixed orders of docs/ARITHMETIC.md: contractions, lane sums, chains; Philox
and the index permutation.

Invariants
  1. A contraction is one fma chain a block of 256 numbers, blocks added left to right in a
     group of 16, groups added left to right; the first of each is taken as it is.
  2. A lane sum has 32 lanes from +0, folded by halves; rows over 4,096 by chunks of chunks.
"""

BLOCK, GROUP, LANES, CHUNK = 256, 16, 32, 4096
SKIP = None


def _added(t, parts):
    total = parts[0]
    for x in parts[1:]:
        total = t.add(total, x)
    return total


def contract(t, terms):
    """terms: a list of (a, b), or SKIP for a number that multiplies nothing."""
    if not terms:
        return t.zero
    blocks = []
    for start in range(0, len(terms), BLOCK):
        acc = t.zero
        for term in terms[start:start + BLOCK]:
            if term is not SKIP:
                acc = t.fma(term[0], term[1], acc)
        blocks.append(acc)
    groups = [_added(t, blocks[g:g + GROUP]) for g in range(0, len(blocks), GROUP)]
    return _added(t, groups)


def lane_sum(t, row, fold=None, first=None):
    """By add from +0; or by another fold from another number."""
    while len(row) > CHUNK:
        row = [_lanes(t, row[c:c + CHUNK], fold, first) for c in range(0, len(row), CHUNK)]
    return _lanes(t, row, fold, first)


def _lanes(t, row, fold=None, first=None):
    fold = fold or t.add
    lanes = [t.zero if first is None else first] * LANES
    for k, x in enumerate(row):
        lanes[k % LANES] = fold(lanes[k % LANES], x)
    h = LANES // 2
    while h:
        for i in range(h):
            lanes[i] = fold(lanes[i], lanes[i + h])
        h //= 2
    return lanes[0]


def lane_product(t, row):
    return lane_sum(t, row, t.mul, t.one)


def chain(t, values):
    acc = t.zero
    for x in values:
        acc = t.add(acc, x)
    return acc


def largest(t, row):
    """Max of a row in the total order; the row is not empty."""
    best = row[0]
    for x in row[1:]:
        if t.key(x) > t.key(best):
            best = x
    return t.canon(best)


def first_largest(t, row, last=False):
    best = 0
    for k in range(1, len(row)):
        a, b = t.key(row[k]), t.key(row[best])
        if a > b or (last and a == b):
            best = k
    return best


# ---- random words -------------------------------------------------------------------------

M32 = 0xFFFFFFFF


def philox(seed, c0, c1, c2, c3):
    """Philox4x32-10: the four words."""
    k0, k1 = seed & M32, (seed >> 32) & M32
    for _ in range(10):
        a, b = 0xD2511F53 * c0, 0xCD9E8D57 * c2
        c0, c1, c2, c3 = (b >> 32) ^ c1 ^ k0, b & M32, (a >> 32) ^ c3 ^ k1, a & M32
        k0, k1 = (k0 + 0x9E3779B9) & M32, (k1 + 0xBB67AE85) & M32
    return c0, c1, c2, c3


assert philox(0, 0, 0, 0, 0) == (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)


def random_words(seed, stream, step, count):
    """Words 0 .. count-1 of (seed, stream, step)."""
    out = []
    for block in range((count + 3) // 4):
        out.extend(philox(seed, block & M32, block >> 32, step & M32, stream))
    return out[:count]


def permuted(seed, stream, epoch, n, p):
    """P_epoch(p): a Feistel permutation of [0, n), walked until it lands inside."""
    h = max(4, ((n - 1).bit_length() + 1) // 2)
    mask = (1 << h) - 1
    x = p
    while True:
        left, right = x >> h, x & mask
        for r in range(4):
            f = philox(seed, right, r, epoch & M32, stream)[0]
            left, right = right, left ^ (f & mask)
        x = (left << h) | right
        if x < n:
            return x
