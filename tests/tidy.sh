#!/usr/bin/env bash
# tidy.sh - the rules of style that a program can enforce. One line a rule, "ok tidy: NAME" or
# "not ok tidy: NAME: where"; exit 1 when one is broken.
#
#   tests/tidy.sh [RULE...]
set -u
cd "$(dirname "$0")/.."
export LC_ALL=C.UTF-8
failed=0
only=("$@")
folders="repops verde referee kernels server"
files() {
  git ls-files --cached --others --exclude-standard -- "$@" | while read -r f; do
    if [ -f "$f" ]; then echo "$f"; fi
  done
}
sources=$(files 'repops/*.[ch]' 'repops/ops/*.h' 'repops/ops.def' 'verde/*.[ch]' 'referee/*.[ch]' \
                'kernels/*' 'server/*.[ch]')
tests=$(files 'tests/*.[ch]')

wanted() { [ ${#only[@]} = 0 ] || [[ " ${only[*]} " == *" $1 "* ]]; }
# rule NAME: reads the places that break it, one a line.
rule() {
  local places
  places=$(cat)
  if [ -z "$places" ]; then
    echo "ok tidy: $1"
  else
    while read -r place; do echo "not ok tidy: $1: $place"; done <<<"$places"
    return 1
  fi
}

# Files' code: comments gone, strings emptied, lines where they were.
stripped=$(mktemp -d)
trap 'rm -rf "$stripped"' EXIT
python3 - "$stripped" $sources <<'PYTHON'
import os, re, sys
def blank(m):
    s = m.group(0)
    return '""' if s[0] == '"' else "' '" if s[0] == "'" else re.sub(r"[^\n]", " ", s)
for f in sys.argv[2:]:
    to = os.path.join(sys.argv[1], f)
    os.makedirs(os.path.dirname(to), exist_ok=True)
    text = open(f, encoding="utf-8").read()
    parts = r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''
    open(to, "w", encoding="utf-8").write(re.sub(parts, blank, text, flags=re.S))
PYTHON
search() { (cd "$stripped" && grep -nE "$@"); }
place() { cut -d: -f1-2; }

# ---- includes point down only: server -> referee -> verde -> repops <- kernels ----------------
# A folder sees another through its public header. Exceptions: kernels take the arithmetic and the
# operators; who reads records takes the byte order (bytes.h); programs share their command line
# (cli.h) and their files (files.h).
allowed() { # folder file include
  case "$1:$3" in
    *:../repops/repops.h) return 0 ;;
    kernels:../repops/arith.h | kernels:../repops/ops.def | kernels:../repops/body*.h) return 0 ;;
    kernels:../repops/ops/*.h | kernels:../repops/window.h | kernels:../repops/functions*.h) return 0 ;;
    referee:../verde/verde.h | server:../verde/verde.h) return 0 ;;
    referee:../verde/bytes.h | server:../referee/referee.h) return 0 ;;
    server:../verde/bytes.h | server:../verde/files.h) return 0 ;;
    server:../referee/child.h) [[ $2 == server/work.c ]] ;;
    server:../referee/money.h | server:../referee/message.h | server:../referee/task.h) return 0 ;;
    server:../referee/agent.h | server:../referee/files.h) [[ $2 =~ ^server/(provide|party)\.[ch]$ ]] ;;
    referee:../verde/files.h) [[ $2 =~ ^referee/(files|agent)\.c$ ]] ;;
    referee:../verde/cli.h) [[ $2 =~ ^referee/(main|tell|transcript)\.c$ ]] ;;
    server:../verde/cli.h) [[ $2 =~ ^server/(.*main\.c|commands\.h)$ ]] ;;
    *:../kernels/kernels.h) [[ $2 == */*main.c ]] ;;
    *) return 1 ;;
  esac
}
arrows() {
  local f include
  for f in $sources; do
    grep -oE '^ *# *include +"[^"]+"' "$f" | sed 's/.*"\(.*\)"/\1/' | while read -r include; do
      case "${f%/*} $include" in
        "repops/ops ../"*) [ -f "repops/ops/$include" ] || echo "$f includes $include" ;;
        "repops ops/"* | "repops ops.def") ;;
        "server page/page.h") ;; # what draws the pages sees no ledger, and no page but its own
        "server/page ../../"*) allowed server "$f" "${include#../}" || echo "$f includes $include" ;;
        *" ../"*) allowed "${f%%/*}" "$f" "$include" || echo "$f includes $include" ;;
        *" "*/*) echo "$f includes $include" ;;
      esac
    done
  done
}
wanted arrows && { arrows | rule arrows || failed=1; }

# ---- calls that are not made ------------------------------------------------------------------
banned='strcpy|strcat|sprintf|vsprintf|atoi|atol|atoll|atof|strtok|gets|alloca|rand|srand'
memory='malloc|calloc|realloc|reallocarray|strdup|strndup|asprintf|free'
libm='exp|exp2|expm1|log|log2|log10|log1p|pow|sin|cos|tan|tanh|sinh|cosh|erf|erfc|sqrt|cbrt|hypot'
libm+='|fmod|remainder|floor|ceil|round|rint|nearbyint|trunc|fma|fabs|ldexp|frexp|scalbn|lgamma|fmin|fmax'
wanted banned && { search "\b($banned)\(" $sources | place | rule banned || failed=1; }
wanted malloc && { search "(^|[^_A-Za-z0-9.>])($memory)\(" $sources |
  grep -v '^repops/base\.c:' | place | rule malloc || failed=1; }
wanted libm && { search "(^|[^_A-Za-z0-9.>])($libm)[fl]?\(" $sources |
  grep -v '^repops/arith\.h' | place | rule libm || failed=1; }
# T51: statements are prepared, values bound; nothing makes SQL of text.
wanted sql && { search '\bsqlite3_(exec|get_table|mprintf|vmprintf|snprintf)\(' $sources | place |
  rule sql || failed=1; }
wanted libraries && { search '\b(curl_|MHD_|sqlite3_)[a-z]' $sources | grep -v '^server/' | place |
  rule libraries || failed=1; }

# ---- shape ------------------------------------------------------------------------------------
columns() {
  local f
  for f in $sources $tests $(files CMakeLists.txt Makefile 'scripts/*' 'tests/parts/*' tests/run); do
    [ "$f" = repops/functions_tables.h ] && continue # made by a program
    awk -v f="$f" 'length($0) > 100 { print f ":" FNR ": " length($0) " columns" }' "$f"
  done
}
functions() {
  local f
  for f in $sources $tests; do
    awk -v f="$f" '
      /^[A-Za-z_].*\(/ && !/;$/ { start = FNR; name = $0 }
      /^{/ { open = start ? start : FNR }
      /^}/ { if (open && FNR - open + 1 > 70) print f ":" open ": " FNR - open + 1 " lines: " name
             open = 0; start = 0 }' "$f"
  done
}
heads() {
  local f
  for f in $sources $tests; do
    [[ $f == repops/ops/* || $f == repops/ops.def ]] && continue
    head -1 "$f" | grep -q "^/\* $(basename "$f") - " || echo "$f does not begin with what it decides"
  done
}
text=$(files CMakeLists.txt '*.md' 'docs/*' 'scripts/*' 'tests/parts/*')
wanted columns && { columns | rule columns || failed=1; }
wanted functions && { functions | rule functions || failed=1; }
wanted heads && { heads | rule heads || failed=1; }
wanted tabs && { grep -nP '\t' $sources $tests | place | rule tabs || failed=1; }
wanted spaces && { grep -nE ' +$' $sources $tests $text | place | rule spaces || failed=1; }
wanted todo && { grep -nE '\b(TODO|FIXME|XXX|HACK)\b' $sources $tests $text | place | rule todo ||
  failed=1; }

# A call whose arguments make nodes in two places: compilers choose which comes first, and a job would
# be another job.
makers() {
  (cd "$stripped" && python3 - verde/*.[ch]) <<'PYTHON'
import re, sys
text = {f: open(f, encoding="utf-8").read() for f in sys.argv[1:]}
names = {n for t in text.values() for n in re.findall(r"(\w+)\((?:vd_maker|tensor) \*", t)}
names -= {"vd_make_type"}
makes = re.compile(r"\b(%s)\(" % "|".join(sorted(names)))
for f, t in text.items():
    for call in re.finditer(r"\b\w+\((?!vd_maker)", t):
        depth, arguments, at = 1, [""], call.end()
        while depth and at < len(t):
            depth += {"(": 1, ")": -1}.get(t[at], 0)
            if t[at] == "," and depth == 1:
                arguments.append("")
            arguments[-1] += t[at]
            at += 1
        if call.group()[:-1] not in ("if", "for", "while") and sum(
                bool(makes.search(a)) for a in arguments) > 1:
            print("%s:%d" % (f, t.count("\n", 0, call.start()) + 1))
PYTHON
}
wanted makers && { makers | rule makers || failed=1; }

# ---- nothing that nobody uses, nothing of one machine -----------------------------------------
unbuilt() {
  local f b
  for f in $(files 'repops/*.c' 'verde/*.c' 'referee/*.c' 'server/*.c' 'tests/*.c'); do
    b=$(basename "$f" .c)
    case $f in
      tests/test_*) continue ;; # globbed
      tests/fuzz_*) grep -q 'fuzz_' tests/run-slow 2>/dev/null && continue ;;
      tests/*) grep -qE "[ (/]$b([ ).]|$)" CMakeLists.txt && continue ;;
      repops/gemm_*) grep -q "ro_level(${b#gemm_}" CMakeLists.txt && continue ;;
      *) grep -q "$f" CMakeLists.txt && continue ;;
    esac
    echo "$f is built by nothing"
  done
}
unused() {
  local f
  for f in $(files 'repops/*.h' 'verde/*.h' 'referee/*.h' 'server/*.h' 'tests/*.h'); do
    grep -qrE "include +\"([^\"]*/)?$(basename "$f")\"" $folders tests --include='*.[ch]' \
      --include='*.cu' --include='*.def' 2>/dev/null || echo "$f is included by nothing"
  done
  for f in $(files 'repops/ops/*.h'); do
    grep -q "ops/$(basename "$f")" repops/ops.def || echo "$f is in no ops.def"
  done
  for f in $(files 'tests/*.py' 'tests/*.sh' 'scripts/*' 'repops/*.py'); do
    grep -qrI --exclude="$(basename "$f")" "$(basename "$f" .py)" Makefile CMakeLists.txt tests \
      scripts vectors/README.md docs .ci repops/functions_tables.h || echo "$f is called by nothing"
  done
}
executable() {
  local f
  for f in $(files 'tests/parts/*' tests/run 'tests/run-*' 'scripts/*' 'tests/*.sh' .ci/run); do
    [ -x "$f" ] || echo "$f cannot be executed"
  done
}
wanted dead && { { unbuilt; unused; } | rule dead || failed=1; }
# ---- an operator is one file and one line -----------------------------------------------------
# Its name is defined in one file, the file has one line in ops.def, and nobody else calls what the
# file defines or has its attributes: but for the fast loops (exec_*), which are compared with the
# bodies, and op_table.c, which makes the constants and sums that gradients are written with.
operators() {
  python3 - $sources <<'PYTHON'
import collections, re, sys
files = [f for f in sys.argv[1:] if f.startswith("repops/ops/")]
defined, lines = collections.defaultdict(list), open("repops/ops.def").read()
for f in files:
    names = re.findall(r"^RO_OP\((\w+),", open(f, encoding="utf-8").read(), flags=re.M)
    for name in names:
        defined[name].append(f)
    times = len(re.findall(r'^#include "ops/%s"$' % re.escape(f[len("repops/ops/"):]), lines, re.M))
    if times != 1:
        print(f, "has", times, "lines in ops.def")
for name, where in defined.items():
    if len(where) != 1:
        print(name, "is defined in", *where)
names = "|".join(sorted(defined, key=len, reverse=True))
for f in sys.argv[1:]:
    if f in files or f.startswith("repops/exec_") or f == "repops/op_table.c":
        continue
    text = open(f, encoding="utf-8").read()
    for m in re.finditer(r"\bro_(%s)_(at|map|attrs|infer|grad|flops|reads|terms?)\b" % names, text):
        print("%s:%d calls %s" % (f, text.count("\n", 0, m.start()) + 1, m.group(0)))
print("counted", len(defined), len(files), file=sys.stderr)
PYTHON
}
wanted operators && {
  operators 2>"$stripped/counted" | rule operators || failed=1
  read -r _ defined in_files <"$stripped/counted"
  [ "$failed" = 1 ] || echo "ok tidy: $defined operators in $in_files files, a line each"
}
machine='(^|[^A-Za-z0-9_.])/(work|root|home/[a-z]+)(/|$|[^A-Za-z0-9_])|\.\./shared|/tmp/[hw][-/]'
wanted paths && { grep -nIE "$machine" $(files '*' | grep -vE '^vectors/[A-Z].*\.vec$|^tests/tidy\.sh$') |
  place | rule paths || failed=1; }
wanted executable && { executable | rule executable || failed=1; }
exit $failed
