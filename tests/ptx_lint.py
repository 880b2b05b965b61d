#!/usr/bin/env python3
"""ptx_lint.py - is what nvcc emits for our kernels the arithmetic that the source says?

    ptx_lint.py [--arch sm_75] [--include DIR] [--keep DIR] FILE.cu...
    ptx_lint.py --check FILE.ptx...        lint PTX that lies there already
    ptx_lint.py --self-test                are bad instructions refused?

Each file is compiled to PTX twice, with --fmad=true and --fmad=false. It passes when
  1. both PTX texts are the same: every fused operation is one that the source asks for;
  2. every floating-point instruction is in ALLOWED: arithmetic is rounded to nearest (.rn),
     nothing is approximate, saturated or flushed to zero, no half precision;
  3. nothing is in FORBIDDEN: no atomic or reduction on floats, no call (a call could be a
     library's function), no instruction whose result depends on which threads run together.

Exit status 0: all pass; 1: a file does not; 2: usage, or nvcc failed.
"""
import argparse
import os
import re
import subprocess
import sys
import tempfile

# The flags of every device build; tests and CMakeLists.txt take them from here.
FLAGS = ["-std=c++17", "--ftz=false", "--prec-div=true", "--prec-sqrt=true"]

FLOAT = re.compile(r"\.(f16|f16x2|bf16|bf16x2|tf32|f32|f32x2|f64|f8\w*|e4m3\w*|e5m2\w*|e2m\w*)\b")

ALLOWED = re.compile(
    "|".join([
        r"(ld|st|mov|setp|selp|slct|neg|abs|shfl)\..*",  # no arithmetic: bits move or compare
        r"(add|sub|mul|div|sqrt|fma)\.rn\.f(32|64)",
        r"rcp\.rn\.f(32|64)",                            # of 1 / x, correctly rounded
        r"cvt\.f64\.f32",                                # exact
        r"cvt\.rn\.f32\.f64",
        r"cvt\.rn\.f(32|64)\.[su](8|16|32|64)",
        r"cvt\.rzi\.[su](8|16|32|64)\.f(32|64)",         # C's conversion: toward zero
    ]))

FORBIDDEN = re.compile(
    r"^(atom|red|call|tex|tld4|suld|sust|sured|wmma|mma|wgmma|tcgen05|ex2|lg2|sin|cos|tanh|rsqrt"
    r"|activemask|match|vote|nanosleep|redux|alloca)\b"
    r"|\.(approx|ftz|full|sat|satfinite|volatile|relaxed|noftz)\b")
TIMED = re.compile(r"%(clock|globaltimer)")

# One instruction: an optional predicate, an opcode with its suffixes, operands.
INSTRUCTION = re.compile(r"^\s*(?:@!?%\w+\s+)?([a-z][a-z0-9_]*(?:\.[a-z0-9_:]+)*)(?=[\s;])")


def instructions(text):
    """(line number, opcode, whole statement) of each instruction of a PTX text."""
    text = re.sub(r"/\*.*?\*/", lambda m: re.sub(r"[^\n]", " ", m.group()), text, flags=re.S)
    for number, line in enumerate(text.split("\n"), 1):
        line = line.split("//")[0]
        # Braces open scopes; several statements may share a line.
        for statement in re.split(r"[{};]", line):
            statement = re.sub(r"^\s*[$%\w]+:", "", statement)
            match = INSTRUCTION.match(statement + ";")
            if match and not statement.lstrip().startswith("."):
                yield number, match.group(1), statement.strip()


def lint(text):
    """The complaints about a PTX text, as sentences."""
    bad = []
    for number, opcode, statement in instructions(text):
        if FORBIDDEN.search(opcode) or TIMED.search(statement):
            bad.append(f"line {number}: {opcode} is forbidden: {statement}")
        elif FLOAT.search(opcode) and not ALLOWED.fullmatch(opcode):
            bad.append(f"line {number}: {opcode} is not an exactly rounded operation: {statement}")
    return bad


def compile_ptx(nvcc, source, arch, include, fmad, out):
    command = [nvcc, *FLAGS, f"--fmad={fmad}", f"-arch={arch}", "-ptx", source, "-o", out]
    for folder in include:
        command += ["-I", folder]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        print(done.stderr, file=sys.stderr)
        print(f"{source}: nvcc failed", file=sys.stderr)
        sys.exit(2)
    with open(out) as f:
        return f.read()


def body_of(text):
    """PTX without comments and blank lines."""
    lines = (line.split("//")[0].rstrip() for line in text.split("\n"))
    return [line for line in lines if line]


def first_difference(a, b):
    for x, y in zip(a, b):
        if x != y:
            return f"'{x.strip()}' against '{y.strip()}'"
    return f"{len(a)} lines against {len(b)}"


def report(name, bad, kernels):
    for sentence in bad[:20]:
        print(f"{name}: {sentence}")
    if len(bad) > 20:
        print(f"{name}: {len(bad) - 20} more")
    print(f"{name}: {'FAILED' if bad else 'ok'}, {kernels} kernels")
    return not bad


def check_source(source, options, folder):
    stem = os.path.join(folder, os.path.splitext(os.path.basename(source))[0])
    plain = compile_ptx(options.nvcc, source, options.arch, options.include, "false",
                        stem + ".ptx")
    fused = compile_ptx(options.nvcc, source, options.arch, options.include, "true",
                        stem + ".fmad.ptx")
    bad = lint(plain)
    if body_of(plain) != body_of(fused):
        bad.append("--fmad changes the PTX: an operation in the source is not explicit: "
                   + first_difference(body_of(plain), body_of(fused)))
    kernels = plain.count(".entry")
    if kernels == 0:
        bad.append("there is no kernel in it")
    return report(source, bad, kernels)


GOOD = ["fma.rn.f32 %f1, %f2, %f3, %f4;", "add.rn.f64 %fd1, %fd2, %fd3;", "@%p1 bra $L__BB0_2;",
        "$L1: mul.rn.f32 %f1, %f2, %f3;", "cvt.rn.f32.f64 %f1, %fd1;", "max.s32 %r1, %r2, %r3;",
        "selp.f32 %f1, 0f00000000, %f2, %p1;", "{ .reg .b32 %t; mov.b64 {%t, %r1}, %rd1; }",
        "setp.gt.f32 %p1, %f1, %f2;", "neg.f32 %f1, %f2; // add.f32", "div.rn.f64 %a, %b, %c;"]
BAD = ["fma.rn.ftz.f32 %f1, %f2, %f3, %f4;", "add.f32 %f1, %f2, %f3;", "mul.rz.f32 %a, %b, %c;",
       "div.approx.f32 %f1, %f2, %f3;", "div.full.f32 %f1, %f2, %f3;", "ex2.approx.f32 %f1, %f2;",
       "atom.global.add.f32 %f1, [%rd1], %f2;", "red.global.add.u32 [%rd1], 1;",
       "call.uni (retval0), cosf, (param0);", "add.rn.f16 %h1, %h2, %h3;", "cvt.rn.f16.f32 %h, %f;",
       "@!%p1 mad.rn.f32 %f1, %f2, %f3, %f4;", "sqrt.approx.f32 %a, %b;", "max.f32 %a, %b, %c;",
       "mov.u64 %rd1, %clock64;", "cvt.rni.f32.f32 %f1, %f2;", "add.rn.sat.f32 %f1, %f2, %f3;",
       "{ mul.f64 %a, %b, %c; }", "wmma.mma.sync.aligned.row.col.m16n16k16.f32.f32 {%a}, {%b};"]


def self_test():
    wrong = [text for text in GOOD if lint(text)] + [text for text in BAD if not lint(text)]
    for text in wrong:
        print(f"judged wrongly: {text}")
    print(f"{len(GOOD) + len(BAD) - len(wrong)} of {len(GOOD) + len(BAD)} lines judged rightly")
    return not wrong


def main():
    p = argparse.ArgumentParser(description="lint the PTX of CUDA sources")
    p.add_argument("--arch", default="sm_75")
    p.add_argument("--nvcc", default="nvcc")
    p.add_argument("--include", action="append", default=[])
    p.add_argument("--keep", help="leave the PTX in this folder")
    p.add_argument("--check", action="store_true", help="the files are PTX")
    p.add_argument("--self-test", action="store_true")
    p.add_argument("files", nargs="*")
    options = p.parse_args()
    if options.self_test:
        sys.exit(0 if self_test() else 1)
    if not options.files:
        p.error("no file is named")
    ok = True
    with tempfile.TemporaryDirectory() as scratch:
        for name in options.files:
            if options.check:
                with open(name) as f:
                    text = f.read()
                ok &= report(name, lint(text), text.count(".entry"))
            else:
                ok &= check_source(name, options, options.keep or scratch)
    sys.exit(0 if ok else 1)


if __name__ == "__main__":
    main()
