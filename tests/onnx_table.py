#!/usr/bin/env python3
"""ONNX's conformance suites against what is pinned and what docs say of them.

    tests/onnx_table.py [check|write] SUITE...     (SUITE: debian, onnx-1.22.0)

check (the default) says "ok" or "not ok" of each: none wrong, at least as many passed as
tests/conformance.least says, every refusal with a reason, the tables of docs/ONNX.md as they
would be made now; the last line is the suite's counts. write makes the tables and raises the counts. Whoever makes another case pass runs `write debian`."""
import collections, json, os, re, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import pypi
from verde_cli import ROOT, call, check

LEAST = os.path.join(ROOT, "tests", "conformance.least")
PAGE = os.path.join(ROOT, "docs", "ONNX.md")
DEBIAN = "/usr/share/libonnx-testdata/data"


def folder_of(suite):
    """Where it lies, or None and why."""
    if suite != "debian":
        return pypi.unzipped(*pypi.ONNX, "onnx/backend/test/data")
    if not os.path.isdir(DEBIAN):
        return None, "libonnx-testdata is not installed"
    return DEBIAN, ""


def pinned():
    """({"debian/node": least}, [(family, least, [operators])])"""
    suites, families = {}, []
    for line in open(LEAST):
        words = line.split("#")[0].split()
        if line.startswith("suite "):
            suites[words[1]] = int(words[2])
        elif line.startswith("family "):
            families.append((words[1], int(words[2]), []))
        elif words:
            families[-1][2].extend(words)
    return suites, families


def run(path):
    code, out, err = call("verde", "conformance", path, "--json", "--progress", "none")
    if code not in (0, 1):
        raise RuntimeError("verde conformance %s: exit %d: %s" % (path, code, err))
    return json.loads(out)


# ---- tables --------------------------------------------------------------------------------------


def reason(case):
    """Why, without which node of which file it is."""
    why = re.sub(r'^node \d+ (".*" )?\(\w+\)( of (graph|function) ".*?")?:? ', "", case["why"])
    why = re.sub(r'^.*?tensor ".*" is of dtype (\w+), which is not computed with', r"dtype \1", why)
    return re.sub(r"^test_data_set_\d+/", "", why).replace("|", "\\|")


def dtypes(cases):
    """Of each dtype, how many of its cases pass."""
    count = collections.Counter((d, c["result"] == "passed") for c in cases for d in c["dtypes"])
    return ", ".join("%s %s" % (d, "%d" % count[d, 1] if not count[d, 0] else "%d of %d" % (
        count[d, 1], count[d, 1] + count[d, 0])) for d in sorted({d for d, _ in count}))


def rows(operator, cases):
    for opset in sorted({c["opset"] for c in cases}):
        some = [c for c in cases if c["opset"] == opset]
        whys = collections.Counter(reason(c) for c in some if c["result"] != "passed")
        said = "; ".join(w if n == len(some) else "%d: %s" % (n, w) for w, n in whys.most_common())
        yield "| %s | %d | %d of %d | %s | %s |" % (
            operator, opset, sum(c["result"] == "passed" for c in some), len(some), dtypes(some),
            said)


def operators_table(families, cases):
    of, out = collections.defaultdict(list), []
    for c in cases:
        of[c.get("operator")].append(c)
    for name, _, operators in families + [("other", 0, [])]:
        if name == "other":
            operators = sorted(str(o) for o in of)
        there = [o for o in operators if of.get(o)]
        if there:
            lines = [r for o in there for r in rows(o, of.pop(o))]
            out += ["", "### %s" % name.capitalize().replace("-", " "), "",
                    "| operator | opset | passes | dtypes | refused |", "|---|---:|---:|---|---|"]
            out += lines
    return "\n".join(out[1:])


def totals_table(totals):
    out = ["| folder | cases | passed | refused | wrong |", "|---|---:|---:|---:|---:|"]
    for name, v in totals.items():
        out.append("| %s | %d | %d | %d | %d |" % (
            name.split("/")[1], len(v["cases"]), v["passed"], v["refused"], v["wrong"]))
    return "\n".join(out)


def replaced(text, section, table):
    """What stands between the two marks of a section is the table."""
    begin, end = "<!-- %s -->\n" % section, "<!-- end -->"
    head, rest = text.split(begin)
    return head + begin + table + "\n" + rest[rest.index(end):]


def tell(page, suite, families, totals):
    """The page with the tables of a suite made anew."""
    node = totals[suite + "/node"]["cases"]
    page = replaced(page, suite + " totals", totals_table(totals))
    return replaced(page, suite + " operators", operators_table(families, node))


# ---- what is asked for ---------------------------------------------------------------------------


def read_page():
    return open(PAGE, encoding="utf-8").read()


def check_suite(suite):
    folder, why = folder_of(suite)
    if not folder:
        print("ok conformance of %s SKIPPED: %s" % (suite, why))
        return
    suites, families = pinned()
    totals = {n: run(os.path.join(folder, n.split("/")[1])) for n in suites if
              n.startswith(suite + "/")}
    for name, v in totals.items():
        wrong = ["%s: %s" % (c["name"], c["why"]) for c in v["cases"] if c["result"] == "wrong"]
        check("%s: %d of %d cases pass, %d refused, %d wrong" % (
            name, v["passed"], len(v["cases"]), v["refused"], v["wrong"]),
              not wrong and v["passed"] >= suites[name] and
              v["passed"] + v["refused"] + v["wrong"] == len(v["cases"]),
              "at least %d: %s" % (suites[name], wrong[:5]))
        check("%s: every refusal says why" % name, all(
            len(c["why"]) > 10 for c in v["cases"] if c["result"] == "refused"))
    check("what docs/ONNX.md says of %s is so (else: tests/onnx_table.py write %s)" % (suite, suite),
          tell(read_page(), suite, families, totals) == read_page())
    print("%s: %s" % (suite, "; ".join("%s %d of %d pass, %d refused, %d wrong" % (
        n.split("/")[1], v["passed"], len(v["cases"]), v["refused"], v["wrong"])
        for n, v in totals.items())))


def write_suite(suite):
    folder, why = folder_of(suite)
    if not folder:
        sys.exit("%s: %s" % (suite, why))
    suites, families = pinned()
    totals = {n: run(os.path.join(folder, n.split("/")[1])) for n in suites if
              n.startswith(suite + "/")}
    passed = {"suite " + n: v["passed"] for n, v in totals.items()}
    if suite == "debian":
        for name, _, operators in families:
            passed["family " + name] = sum(c["result"] == "passed" and c["operator"] in operators
                                           for c in totals["debian/node"]["cases"])
    text = open(LEAST).read()
    for name, count in passed.items():
        text = re.sub(r"(?m)^(%s) \d+$" % re.escape(name), r"\1 %d" % count, text)
    with open(LEAST, "w") as f:
        f.write(text)
    page = tell(read_page(), suite, families, totals)
    with open(PAGE, "w", encoding="utf-8") as f:
        f.write(page)
    print("%s: %s" % (suite, ", ".join("%s %d" % (n, v["passed"]) for n, v in totals.items())))


if __name__ == "__main__":
    words = sys.argv[1:]
    what = words.pop(0) if words and words[0] in ("check", "write") else "check"
    for suite in words:
        (write_suite if what == "write" else check_suite)(suite)
    import verde_cli
    sys.exit(verde_cli.failed)
