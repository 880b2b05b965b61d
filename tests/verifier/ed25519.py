"""ed25519.py - Ed25519 verification (RFC 8032) in integers, by the strict rules of docs/FORMATS.md.

Invariants
  1. A key with y >= p or of small order, and a signature with S >= L, are refused before anything
     is verified; the equation is the one without the cofactor.
"""
import hashlib

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT = pow(2, (P - 1) // 4, P)  # of -1
ZERO = (0, 1, 1, 0)


def add(a, b):
    """Points are (X, Y, Z, T): x = X/Z, y = Y/Z, xy = T/Z."""
    m = (a[1] - a[0]) * (b[1] - b[0]) % P
    n = (a[1] + a[0]) * (b[1] + b[0]) % P
    c = 2 * a[3] * b[3] * D % P
    d = 2 * a[2] * b[2] % P
    e, f, g, h = n - m, d - c, d + c, n + m
    return e * f % P, g * h % P, f * g % P, e * h % P


def decode(text):
    """The point of 32 bytes, or None."""
    y = int.from_bytes(text, "little")
    sign, y = y >> 255, y & ((1 << 255) - 1)
    if y >= P:
        return None
    u, v = (y * y - 1) % P, (D * y * y + 1) % P
    x = u * pow(v, 3, P) * pow(u * pow(v, 7, P), (P - 5) // 8, P) % P
    if v * x * x % P == -u % P:
        x = x * ROOT % P
    if v * x * x % P != u or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


BASE = decode((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def twice(n, a, m, b):
    """n a + m b."""
    both, sum_ = add(a, b), ZERO
    for bit in range(max(n.bit_length(), m.bit_length()) - 1, -1, -1):
        sum_ = add(sum_, sum_)
        k = (n >> bit & 1) + 2 * (m >> bit & 1)
        if k:
            sum_ = add(sum_, (None, a, b, both)[k])
    return sum_


def same(a, b):
    return (a[0] * b[2] - b[0] * a[2]) % P == 0 and (a[1] * b[2] - b[1] * a[2]) % P == 0


def verify(key, message, signature):
    point = decode(key)
    if point is None or same(twice(8, point, 0, ZERO), ZERO):
        return False
    s = int.from_bytes(signature[32:], "little")
    if s >= L:
        return False
    h = hashlib.sha512(signature[:32] + key + message).digest()
    negative = (P - point[0], point[1], point[2], P - point[3])
    x, y, z, _ = twice(s, BASE, int.from_bytes(h, "little") % L, negative)
    inverse = pow(z, P - 2, P)
    x, y = x * inverse % P, y * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little") == signature[:32]
