#!/usr/bin/env python3
"""Mutation tester of the verdict, settlement and deadline code: small wrong changes, each compiled
alone and linked with the test programs of its file, which must notice.

    mutate.py --build DIR [--count N] [--jobs N] [--only FILE] [--list] [--programs]

--only runs a file's part of the draw, so the parts one after the other are the whole.
What is changed is drawn from all places by a hash of the place's text, so an edit elsewhere draws
the same again. A mutant is killed when a test fails, crashes or takes over 10 seconds of processor
time. One that cannot differ stands in tests/mutants.equivalent with its reason. A survivor in a
verdict or a settlement fails the run, as does a share of killed under 95 %.

The last line: "N mutants: K killed, S survived, E equivalent: P %"."""
import argparse, collections, concurrent.futures, glob, hashlib, os, re, resource, shlex, shutil
import subprocess, sys, tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CPU_SECONDS = 10
SEED = "verde mutants 1"
GAME = ["test_game_branches", "test_game", "test_evidence"]
TASK = ["test_task_*", "test_task"] # the short ones first
# file: (programs besides test_FILE*, the likeliest to notice first; where its code begins; whether a
# survivor may be)
FILES = {
    "referee/judge.c": (GAME, None, False),
    "referee/game.c": (GAME + ["test_faults", "test_task"], "/* ---- setting up", True),
    "referee/evidence.c": (["test_evidence_shapes", "test_evidence"], "/* ---- reading", False),
    "referee/money.c": ([], None, False),
    "referee/task.c": (TASK, None, True),
    "referee/task_checks.c": (TASK, None, True),
    "referee/bracket.c": (TASK, None, True),
    "referee/message.c": ([], None, True),
}
Mutant = collections.namedtuple("Mutant", "file line operator old new")

# ---- what is changed ---------------------------------------------------------------------------

RELATIONS = {"<": ["<="], "<=": ["<"], ">": [">="], ">=": [">"], "==": ["!="], "!=": ["=="]}
SWAPS = {"&&": ["||"], "||": ["&&"], "+": ["-"], "-": ["+"], "+=": ["-="], "-=": ["+="],
         "|=": ["&="], "|": ["&"], "++": ["--"], ">>": ["<<"], "<<": [">>"], "%": ["/"]}
TOKEN = re.compile(r"->|<<=|>>=|\+\+|--|[-+*/%|&^<>=!]=|<<|>>|&&|\|\||[A-Za-z_]\w*|0x[0-9a-fA-F]+"
                   r"|\d+[uUlL]*|\S")
SKIP = re.compile(r"RO_ASSERT|RO_ENOMEM|RF_FAULT|^\s*#|^\s*case\b|^\s*default:|no memory")
DECLARATION = re.compile(r"(?:static |const )*(?!return )[a-z_]\w* \**(?:const )?[a-z_]\w*"
                         r"(?:\[[^]]*\])*(?: = .*|, .*)?;$")


def blank(text):
    """Comments and strings gone, everything else where it was."""
    keep = lambda m: re.sub(r"[^\n]", " " if m.group(0)[0] == "/" else "_", m.group(0))
    return re.sub(r'/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', keep, text, flags=re.S)


def closing(code, at):
    """Where the parenthesis at `at` closes on this line, or -1."""
    depth = 0
    for k in range(at, len(code)):
        depth += (code[k] == "(") - (code[k] == ")")
        if depth == 0:
            return k
    return -1


def of_tokens(code):
    """(operator, from, to, instead) for single tokens."""
    declares = DECLARATION.match(code.strip()) is not None
    previous = ""
    for m in TOKEN.finditer(code):
        t, a, b = m.group(0), m.start(), m.end()
        spaced = code[a - 1:a] == " " and code[b:b + 1] == " "
        if t in RELATIONS and spaced:
            for new in RELATIONS[t] + {"<": [">="], ">": ["<="]}.get(t, []):
                yield "relation", a, b, new
        elif t in SWAPS and (spaced or t == "++"):
            if not (t in "+-" and previous in ("(", ",", "=", "return")):
                yield "arithmetic" if t not in ("&&", "||") else "logic", a, b, SWAPS[t][0]
        elif re.fullmatch(r"\d+[uU]?", t) and previous not in (".", "%"):
            n, in_index = int(t.rstrip("uU")), previous == "["
            if in_index and declares or t == "0" and previous == "{":
                pass
            elif in_index and n < 2:
                yield "side", a, b, str(1 - n)
            else:
                yield "constant", a, b, str(n + 1)
                if n > 0:
                    yield "constant", a, b, str(n - 1)
        elif t == "k" and previous == "[" and code[b:b + 1] == "]" and not declares:
            yield "side", a, b, "!k"
        elif t in ("lo", "hi") and previous in (".", "->", "(", ",", "="):
            yield "argument", a, b, "hi" if t == "lo" else "lo"
        previous = t


FLIP = {"RF_GO": "RF_ABSENT", "RF_ABSENT": "RF_GO", "RF_DECIDED": "RF_GO", "RF_WAIT": "RF_ABSENT",
        "0": "1", "1": "0", "RO_OK": "RO_EFORMAT"}


def of_line(line, code, before):
    """(operator, from, to, instead) of one line, whose comments and strings are blank in `code`;
    `before`: how the code before it ends."""
    yield from of_tokens(code)
    text = code.strip()
    indent = len(code) - len(code.lstrip())
    m = re.match(r"(?:else )?(?:if|while) \(", text)
    if m:
        a = indent + m.end() - 1
        b = closing(code, a)
        if b > 0:
            yield "negation", a, b + 1, "(!" + line[a:b + 1] + ")"
    for m in re.finditer(r"\? (\w+) : (\w+)", code):
        yield "side", m.start(), m.end(), "? %s : %s" % (m.group(2), m.group(1))
    for m in re.finditer(r"(?<=\()([*&]?[a-z]\w*), ([*&]?[a-z]\w*)(?=[,)])", code):
        yield "argument", m.start(), m.end(), "%s, %s" % (m.group(2), m.group(1))
    # Of ro_float_mode only the call counts: it fails where a processor cannot round, which none does.
    for m in re.finditer(r"\b(?:RF_FLOW|RO_TRY)\((?!ro_float_mode)", code):
        if closing(code, m.end() - 1) > 0:
            yield "check", m.start(), m.end() - 1, "(void)"
    m = re.match(r"return (\w+);$", text)
    if m and m.group(1) in FLIP:
        yield "return", indent + 7, indent + 7 + len(m.group(1)), FLIP[m.group(1)]
    whole = before[-1:] in ("", ";", "{", "}", ":") and text[-1:] == ";" and \
        text.count("(") == text.count(")")
    if whole and not DECLARATION.match(text) and not re.match(r"return|else|for \(", text):
        yield "removal", indent, len(code.rstrip()), ";"


def candidates(file):
    text = open(os.path.join(ROOT, file), encoding="utf-8").read()
    lines, code = text.split("\n"), blank(text).split("\n")
    begin, before, inside = FILES[file][1], "", False
    started = begin is None
    for i, line in enumerate(lines):
        started |= begin is not None and line.startswith(begin)
        inside = (inside or line.startswith("{")) and not line.startswith("}")
        if inside and started and not SKIP.search(line) and code[i].strip(" {}"):
            for op, a, b, new in of_line(line, code[i], before):
                yield Mutant(file, i + 1, op, line, line[:a] + new + line[b:])
        before = code[i].strip() or before


def draw(count, only):
    """Mutants of every file, by its share of the places (at least a twentieth), by hash; of these,
    those of the files whose names have `only` in them."""
    places = {}
    for f in FILES:
        if os.path.exists(os.path.join(ROOT, f)) and programs(f):
            seen = collections.Counter()
            keyed = []
            for m in candidates(f):
                name = "%s %s %s %s" % (m.file, m.operator, m.old.strip(), m.new.strip())
                seen[name] += 1
                h = hashlib.sha256(("%s %s %d" % (SEED, name, seen[name])).encode()).digest()
                keyed.append((h, m))
            places[f] = [m for _, m in sorted(keyed, key=lambda x: x[0])]
    total = sum(map(len, places.values()))
    share = {f: max(len(p) / total, 0.05) for f, p in places.items()}
    scale = count / sum(share.values())
    return {f: (p, min(len(p), int(share[f] * scale))) for f, p in places.items() if only in f}


def programs(file):
    stem = os.path.basename(file)[:-2]
    found = [os.path.basename(t)[:-2]
             for pattern in FILES[file][0] + ["test_" + stem, "test_" + stem + "_*"]
             for t in sorted(glob.glob(os.path.join(ROOT, "tests", pattern + ".c")))]
    return list(dict.fromkeys(found))


# ---- running one -------------------------------------------------------------------------------

def limits(bounded):
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 1))
    if bounded:
        resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(max(0, 10 - os.nice(0)))


def run(args, cwd, seconds=60, bounded=True, out=subprocess.DEVNULL):
    """Exit status; None: it hung. Its whole process group is ended with it."""
    p = subprocess.Popen(args, cwd=cwd, stdout=out, stderr=out, stdin=subprocess.DEVNULL,
                         preexec_fn=lambda: limits(bounded), start_new_session=True,
                         env=dict(os.environ, ASAN_OPTIONS="detect_leaks=1", LSAN_OPTIONS=LEAKS))
    try:
        return p.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        return None
    finally:
        try:
            os.killpg(p.pid, 9)
        except ProcessLookupError:
            pass
        p.wait()


def flags(build):
    text = open(os.path.join(build, "CMakeFiles/referee.dir/flags.make")).read()
    of = lambda name: re.search(r"^%s = (.*)$" % name, text, flags=re.M).group(1)
    return shlex.split(of("C_DEFINES") + " " + of("C_INCLUDES") + " " + of("C_FLAGS"))


# The tests run under the sanitizers too, so what goes out of bounds or shifts too far is noticed: by
# traps, which cost little, and where these see nothing by looking at every access.
TRAPS = ["-fsanitize=undefined", "-fsanitize-undefined-trap-on-error"]
ADDRESSES = ["-fsanitize=address", "-fno-omit-frame-pointer"]
LEAKS = "suppressions=%s:print_suppressions=0" % os.path.join(ROOT, "tests/lsan.supp")


def compile_one(build, source, out, level, more=()):
    strict = ["-w", "-Werror=int-conversion", "-Werror=incompatible-pointer-types"]
    where = ["-I", os.path.join(ROOT, "referee"), "-c", source, "-o", out]
    return run(["cc"] + flags(build) + [level] + strict + list(more) + where, ROOT)


def link_one(build, program, replaced, out, more=()):
    """The program with this object in front of the archive that holds the original."""
    text = open(os.path.join(build, "CMakeFiles/%s.dir/link.txt" % program)).read()
    args = shlex.split(text) + list(more)
    at = args.index("-o")
    args[at + 1] = out
    args[at:at] = [replaced]
    return run(args, build)


def notices(program, folder, under_asan):
    """Whether a test program fails; a leak is reported after its tests have passed."""
    with tempfile.TemporaryFile() as out:
        status = run([program, "--jobs", "1", "--fail-fast"], folder, 300, not under_asan, out)
        out.seek(0)
        return status != 0 or b"ERROR: LeakSanitizer" in out.read()


def tested(build, folder, file, source):
    """"killed by P", "survived" or "does not compile"; source: what stands for the file."""
    for more in ([], ADDRESSES):
        if compile_one(build, source, source + ".o", "-O0", TRAPS + more) != 0:
            return "does not compile"
        for p in programs(file):
            if link_one(build, p, source + ".o", source + ".bin", more) != 0:
                return "does not compile"
            if notices(source + ".bin", folder, more != []):
                return "killed by " + p
    return "survived"


def attempt(build, folder, name, m):
    """What `tested` says, or "same code"."""
    source = os.path.join(folder, name, os.path.basename(m.file))
    os.makedirs(os.path.dirname(source))
    lines = open(os.path.join(ROOT, m.file), encoding="utf-8").read().split("\n")
    assert lines[m.line - 1] == m.old
    lines[m.line - 1] = m.new
    open(source, "w", encoding="utf-8").write("\n".join(lines))
    try:
        said = tested(build, folder, m.file, source)
        if said != "survived":
            return said
        same = os.path.join(folder, os.path.basename(m.file) + ".O2.o")
        if compile_one(build, source, source + ".o", "-O2") == 0 and code_of(same) == \
                code_of(source + ".o"):
            return "same code"
        return "survived"
    finally:
        shutil.rmtree(os.path.dirname(source))


def code_of(path):
    text = subprocess.run(["objdump", "-d", "-r", "--no-show-raw-insn", path], capture_output=True,
                          text=True).stdout
    return "\n".join(text.split("\n")[3:])


def equivalents():
    """(file, old, new) -> reason, from blocks: file, "- old", "+ new", "  reason"."""
    known, path = {}, os.path.join(ROOT, "tests/mutants.equivalent")
    if not os.path.exists(path):
        return known
    text = "\n".join(l for l in open(path, encoding="utf-8").read().split("\n") if l[:1] != "#")
    for block in filter(None, (b.strip("\n") for b in re.split(r"\n\s*\n", text))):
        l = block.split("\n")
        if len(l) < 4 or l[1][:2] != "- " or l[2][:2] != "+ " or not l[3].strip():
            sys.exit("mutants.equivalent: a block is not file, - old, + new, reason: %s" % l[0])
        known[l[0], l[1][2:], l[2][2:]] = " ".join(x.strip() for x in l[3:])
    return known


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    a.add_argument("--build", default=os.path.join(ROOT, "build"))
    a.add_argument("--count", type=int, default=300)
    a.add_argument("--jobs", type=int, default=2)
    a.add_argument("--only", default="")
    a.add_argument("--list", action="store_true")
    a.add_argument("--programs", action="store_true", help="print the test programs it links")
    o = a.parse_args()
    build = os.path.abspath(o.build)
    drawn = draw(o.count, o.only)
    if o.programs:
        print(" ".join(sorted({p for f in drawn for p in programs(f)})))
        return 0
    if o.list:
        for f, (places, n) in drawn.items():
            print("%s: %d of %d" % (f, n, len(places)))
            for m in places[:n]:
                print("  %d %s\n    - %s\n    + %s" % (m.line, m.operator, m.old.strip(), m.new.strip()))
        return 0
    folder = tempfile.mkdtemp(prefix="verde-mutants-")
    try:
        return run_all(build, folder, drawn, o.jobs)
    finally:
        shutil.rmtree(folder)


def run_all(build, folder, drawn, jobs):
    known, used = equivalents(), set()
    counts, by_operator, fatal = collections.Counter(), collections.Counter(), 0
    for f in drawn:
        same = os.path.join(folder, os.path.basename(f))
        shutil.copy(os.path.join(ROOT, f), same)
        assert compile_one(build, same, same + ".O2.o", "-O2") == 0
        said = tested(build, folder, f, same)
        if said != "survived":
            sys.exit("%s without any mutant: %s" % (f, said))
    queue = [(f, iter(places), n) for f, (places, n) in drawn.items()]
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for f, places, n in queue:
            left = n
            while left > 0:
                batch = [m for m, _ in zip(places, range(left))]
                if not batch:
                    break
                results = pool.map(lambda m: attempt(build, folder, hashlib.sha256(
                    repr(m).encode()).hexdigest()[:16], m), batch)
                for m, said in zip(batch, results):
                    key = (m.file, m.old.strip(), m.new.strip())
                    if said == "does not compile" or said == "same code":
                        counts[said] += 1
                        continue
                    left -= 1
                    if key in known and said != "survived": # by the clock of a busy machine
                        said = attempt(build, folder, "again", m)
                    if said == "survived" and key in known:
                        said = "equivalent"
                        used.add(key)
                    kind = said.split(" ")[0]
                    counts[kind] += 1
                    by_operator[m.operator, kind] += 1
                    print("%s:%d %s %s" % (m.file, m.line, m.operator, said))
                    if kind == "survived":
                        fatal += not FILES[m.file][2]
                        print("  - %s\n  + %s" % (m.old.strip(), m.new.strip()))
                    elif key in known and kind == "killed":
                        print("  mutants.equivalent says that nothing kills it")
                        fatal += 1
                    sys.stdout.flush()
    for op in sorted({op for op, _ in by_operator}):
        print("%-11s %3d killed, %d survived, %d equivalent" % (
            (op,) + tuple(by_operator[op, k] for k in ("killed", "survived", "equivalent"))))
    n, killed = counts["killed"] + counts["survived"], counts["killed"]
    share = 100.0 * killed / n if n else 0.0
    print("%d mutants: %d killed, %d survived, %d equivalent: %.1f %%" % (
        n + counts["equivalent"], killed, counts["survived"], counts["equivalent"], share))
    return 0 if n and share >= 95 and not fatal else 1


if __name__ == "__main__":
    sys.exit(main())
