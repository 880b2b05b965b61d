#!/usr/bin/env python3
"""Write repops/functions_tables.h: the constants of the correctly rounded functions.

    python3 repops/functions_tables.py > repops/functions_tables.h

Everything is computed with mpmath at 400 bits from the definitions below and printed as
hexadecimal doubles. A table row serves one interval [lo, hi] of t = |x| and holds

    centre, c0 (high, low), c1 (high, low), c2 (high, low), c3 ... c(DEGREE)

so that f(t) = c0 + c1 d + c2 d^2 + ... with d = t - centre. c0 to c2 are Taylor coefficients
kept as pairs of doubles; the rest interpolates (f - c0 - c1 d - c2 d^2) / d^3 at Chebyshev
nodes. The error of every row is measured on a grid and the program stops if one exceeds
2^-61 of the function's value.
"""
import sys

from mpmath import (mp, mpf, atan, chop, cos, diff, erf, erfc, exp, factorial, findroot, floor, log,
                    lu_solve, matrix, pi, polyval, sqrt, taylor)

mp.prec = 400
DEGREE = 11
ROWS = 64
TARGET = mpf(2) ** -61


def double(v):
    """The double nearest to v, exactly as an mpf."""
    with mp.workprec(53):
        return +v


def hexa(v):
    """v, which is a double, in C's hexadecimal form."""
    return float(v).hex()


def pair(v):
    high = double(v)
    return [high, double(v - high)]


def normal_mills(t):
    """Phi(-t) / exp(-t^2 / 2)."""
    return erfc(t / sqrt(mpf(2))) * exp(t * t / 2) / 2


def dgelu_scaled(t):
    """(Phi(-t) - t phi(t)) / exp(-t^2 / 2), the derivative of gelu at -t without its tail."""
    return normal_mills(t) - t / sqrt(2 * pi)


def tanh_slope(t):
    """a + b t^2 with v(t) = t (a + b t^2) = 2 sqrt(2/pi) (t + 0.044715 t^3)."""
    a = 2 * sqrt(2 / pi)
    return a + a * mpf("0.044715") * t * t


def dgelu_tanh_bracket(t):
    """1 + exp(-v(t)) - t v'(t): the factor of gelu_tanh's derivative at -t that has a zero."""
    a = 2 * sqrt(2 / pi)
    b = a * mpf("0.044715")
    return 1 + exp(-t * tanh_slope(t)) - t * (a + 3 * b * t * t)


def gelu_slope(x):
    return exp(-x * x / 2) * dgelu_scaled(-x)


def gelu_tanh_slope(x):
    e = exp(x * tanh_slope(-x))
    return e * dgelu_tanh_bracket(-x) / (1 + e) ** 2


def row(f, lo, hi, centre, degree=DEGREE):
    lo, hi, centre = mpf(lo), mpf(hi), mpf(centre)
    c = [chop(v, mpf(10) ** -80) for v in taylor(f, centre, 2)]
    dd = [pair(v) for v in c]
    exact = [h + l for h, l in dd]

    def rest(d):
        return (f(centre + d) - exact[0] - exact[1] * d - exact[2] * d * d) / d ** 3

    n = degree - 2
    nodes = [(lo + hi) / 2 - centre + (hi - lo) / 2 * cos(pi * (2 * i + 1) / (2 * n))
             for i in range(n)]
    if any(abs(d) < mpf(2) ** -40 for d in nodes):
        nodes = [d + mpf(2) ** -12 for d in nodes]
    scale = (hi - lo) / 2
    a = matrix(n, n)
    b = matrix(n, 1)
    for i, d in enumerate(nodes):
        b[i] = rest(d)
        for j in range(n):
            a[i, j] = (d / scale) ** j
    q = lu_solve(a, b)
    q = [double(q[j] / scale ** j) for j in range(n)]
    worst = mpf(0)
    for i in range(41):
        t = lo + (hi - lo) * i / 40
        d = t - centre
        if d == 0:
            continue
        got = exact[0] + exact[1] * d + exact[2] * d * d + polyval(q[::-1], d) * d ** 3
        worst = max(worst, abs(got / f(t) - 1))
    if worst > TARGET:
        sys.exit("row [%s, %s]: error 2^%s" % (lo, hi, mp.nstr(log(worst, 2), 4)))
    return [centre] + [v for hl in dd for v in hl] + q, worst


def emit(out, name, what, rows):
    out.append("/* %s */" % what)
    out.append("RO_TABLE double %s[%d][RO_ROW] = {" % (name, len(rows)))
    for r in rows:
        text = [hexa(v) for v in r]
        line = "    {"
        for i, v in enumerate(text):
            item = v + ("," if i + 1 < len(text) else "},")
            if len(line) + len(item) + 1 > 98:
                out.append(line.rstrip())
                line = "     "
            line += item + " "
        out.append(line.rstrip())
    out.append("};")
    out.append("")


def float_near(v):
    with mp.workprec(24):
        return +v


def octave_rows(f, centres):
    """Row i covers the t for which t + 1 has exponent i >> 4 and leading fraction i & 15."""
    rows, worst = [], mpf(0)
    for i in range(ROWS):
        lo = mpf(2) ** (i >> 4) * (1 + mpf(i & 15) / 16) - 1
        hi = mpf(2) ** (i >> 4) * (1 + mpf((i & 15) + 1) / 16) - 1
        r, w = row(f, lo, hi, centres.get(i, (lo + hi) / 2))
        rows.append(r)
        worst = max(worst, w)
    return rows, worst


def constants(out):
    def one(name, v):
        out.append("#define %s %s" % (name, hexa(double(v))))

    def two(name, v):
        h, l = pair(v)
        out.append("#define %s_H %s" % (name, hexa(h)))
        out.append("#define %s_L %s" % (name, hexa(l)))

    ln2 = log(mpf(2))
    out.append("/* ln 2 as 42 bits and the rest: k LN2_HI is exact for |k| < 2^11. */")
    high = floor(ln2 * mpf(2) ** 42) / mpf(2) ** 42
    one("RO_LN2_HI", high)
    one("RO_LN2_LO", ln2 - high)
    one("RO_INV_LN2", 1 / ln2)
    out.append("/* ln 2 / 32 as 38 bits and the rest: n LN2_32_HI is exact for |n| < 2^15. */")
    high = floor(ln2 / 32 * mpf(2) ** 43) / mpf(2) ** 43
    one("RO_LN2_32_HI", high)
    one("RO_LN2_32_LO", ln2 / 32 - high)
    one("RO_INV_LN2_32", 32 / ln2)
    out.append("/* 1/n!. */")
    for n in range(2, 23):
        one("RO_INV_FACT_%d" % n, 1 / factorial(n))
    out.append("/* What is left of the first of them. */")
    for n in range(3, 6):
        one("RO_INV_FACT_%d_L" % n, 1 / factorial(n) - double(1 / factorial(n)))
    out.append("/* 1/n, the series of atan. */")
    for n in range(3, 14, 2):
        one("RO_INV_%d" % n, mpf(1) / n)
    two("RO_HALF_PI", pi / 2)
    two("RO_ROOT_HALF", sqrt(mpf(1) / 2))
    two("RO_INV_ROOT_2PI", 1 / sqrt(2 * pi))
    two("RO_TWO_BY_ROOT_PI", 2 / sqrt(pi))
    out.append("/* The step of the trapezoidal rule for erfc is h = 7/16. */")
    two("RO_H_BY_PI", mpf(7) / 16 / pi)
    one("RO_TWO_PI_BY_H", 32 * pi / 7)
    two("RO_ERF_1", -mpf(1) / 3)
    two("RO_ERF_2", mpf(1) / 10)
    one("RO_QUARTER_PI", pi / 4)
    out.append("/* 2/n, the series of log((1 + s) / (1 - s)). */")
    for n in range(3, 26, 2):
        one("RO_TWO_BY_%d" % n, mpf(2) / n)
    out.append("/* sin(2 pi r) = r (S0 + S1 r^2 + ...), cos(2 pi r) = 1 + C1 r^2 + ... */")
    for n in range(0, 9):
        s = (-1) ** n * (2 * pi) ** (2 * n + 1) / factorial(2 * n + 1)
        c = (-1) ** n * (2 * pi) ** (2 * n) / factorial(2 * n)
        (two if n < 3 else one)("RO_SIN2PI_%d" % n, s)
        (two if n < 3 else one)("RO_COS2PI_%d" % n, c)
    out.append("/* gelu_tanh(x) = x sigmoid(x (A + B x^2)); B3 = 3 B. */")
    a = 2 * sqrt(2 / pi)
    two("RO_GELU_A", a)
    two("RO_GELU_B", a * mpf("0.044715"))
    two("RO_GELU_B3", 3 * a * mpf("0.044715"))
    out.append("")


def main():
    out = ["/* functions_tables.h - constants of functions.h, written by repops/functions_tables.py.",
           " *",
           " * What this file decides: nothing by itself; every number is the double (or the pair",
           " * of doubles) nearest to what its comment says, computed at 400 bits. */",
           "#ifndef RO_FUNCTIONS_TABLES_H",
           "#define RO_FUNCTIONS_TABLES_H",
           ""]
    constants(out)
    out.append("/* A row: centre, c0 c1 c2 as pairs, c3 ... c%d. */" % DEGREE)
    out.append("#define RO_ROW %d" % (DEGREE + 5))
    out.append("")
    out.append("/* 2^(i/32) as a pair. */")
    out.append("RO_TABLE double ro_exp2_table[32][2] = {")
    for i in range(32):
        out.append("    {%s}," % ", ".join(hexa(v) for v in pair(mpf(2) ** (mpf(i) / 32))))
    out += ["};", ""]
    out.append("/* atan(i/16) as a pair. */")
    out.append("RO_TABLE double ro_atan_table[17][2] = {")
    for i in range(17):
        out.append("    {%s}," % ", ".join(hexa(v) for v in pair(atan(mpf(i) / 16))))
    out += ["};", ""]
    out.append("/* (-1)^n / (n! (2 n + 1)), n = 3 ... 14: the series of erf. */")
    out.append("RO_TABLE double ro_erf_terms[12] = {")
    terms = [hexa(double((-1) ** n / factorial(n) / (2 * n + 1))) for n in range(3, 15)]
    out += ["    " + " ".join(t + "," for t in terms[i:i + 3]) for i in range(0, 12, 3)]
    out += ["};", ""]
    out.append("/* 2 exp(-(7 n / 16)^2) as a pair. */")
    out.append("RO_TABLE double ro_bell_table[16][2] = {")
    for n in range(16):
        weight = 2 * exp(-(mpf(7) * n / 16) ** 2)
        out.append("    {%s}," % ", ".join(hexa(v) for v in pair(weight)))
    out += ["};", ""]
    out.append("/* The first 1,216 bits of 2/pi, 32 a word. */")
    out.append("RO_TABLE uint32_t ro_two_by_pi[38] = {")
    with mp.workprec(1400):
        bits = int(floor(2 / pi * mpf(2) ** 1216))
    words = ["0x%08xu," % (bits >> (1184 - 32 * i) & 0xffffffff) for i in range(38)]
    out += ["    " + " ".join(words[i:i + 7]) for i in range(0, 38, 7)]
    out += ["};", ""]
    out.append("/* The first of them after a word of zeros, where a vector of doubles can fetch them. */")
    out.append("RO_TABLE uint64_t ro_two_by_pi_f32[12] = {")
    words = ["0x0u,"] + words[:11]
    out += ["    " + " ".join(words[i:i + 7]) for i in range(0, 12, 7)]
    out += ["};", ""]
    rows = []
    worst = mpf(0)
    for i in range(ROWS):
        lo, hi = mpf(i) / 16, mpf(i + 1) / 16
        r, w = row(erf, lo, hi, 0 if i == 0 else (lo + hi) / 2)
        rows.append(r)
        worst = max(worst, w)
    bound = "relative error below 2^%d" % int(floor(log(worst, 2)) + 1)
    emit(out, "ro_erf_table", "erf(t), row i for t in [i/16, (i+1)/16]; " + bound, rows)
    rows, worst = octave_rows(normal_mills, {0: 0})
    bound = "relative error below 2^%d" % int(floor(log(worst, 2)) + 1)
    emit(out, "ro_mills_table", "Phi(-t) exp(t^2/2), row by the bits of t + 1;\n   " + bound, rows)
    zero = float_near(findroot(dgelu_scaled, mpf("0.7518")))
    rows, worst = octave_rows(dgelu_scaled, {0: 0, 11: zero, 12: zero})
    bound = "relative error below 2^%d" % int(floor(log(worst, 2)) + 1)
    emit(out, "ro_dgelu_table", "(Phi(-t) - t phi(t)) exp(t^2/2), row by the bits of t + 1, rows "
         "11 and 12\n   about the zero; " + bound, rows)
    zero = float_near(findroot(dgelu_tanh_bracket, mpf("0.7525")))
    r, worst = row(dgelu_tanh_bracket, zero - mpf(1) / 16, zero + mpf(1) / 16, zero)
    bound = "relative error below 2^%d" % int(floor(log(worst, 2)) + 1)
    emit(out, "ro_dgelu_tanh_row", "1 + exp(-v) - t v'(t), v = t (A + B t^2), within 1/16 of its "
         "zero;\n   " + bound, [r])
    rows = []
    worst = mpf(0)
    for f in (gelu_slope, gelu_tanh_slope):
        zero = findroot(f, mpf("-0.752"))
        c = taylor(f, zero, 13)
        rows.append(pair(zero) + pair(c[1]) + [double(v) for v in c[2:]])
        for i in range(-16, 17):
            d = mpf(i) / 256
            p = polyval(rows[-1][:3:-1], d)
            if i:
                worst = max(worst, abs(d * (c[1] + p * d) / f(zero + d) - 1))
    bound = "relative error below 2^%d" % int(floor(log(worst, 2)) + 1)
    emit(out, "ro_gelu_zeros", "x0 (high, low), c1 (high, low), c2 ... c13: the derivatives of gelu "
         "and of\n   gelu_tanh are c1 t + c2 t^2 + ... at x0 + t, |t| <= 1/16;\n   " + bound, rows)
    out.append("#endif")
    print("\n".join(out))


if __name__ == "__main__":
    main()
