#!/usr/bin/env python3
"""records.py - the second verifier over every evidence file of a run of the simulator, while it
runs: its workers write into pipes, and as many processes here read them.

    python3 tests/verifier/records.py VERDE_SIM SEEDS [FIRST_SEED] [WORKERS]

Ends with one line; exit 1 when a verdict differs from verde-sim's, a file is refused, or fewer came
than verde-sim says that it wrote. verde-sim's own are those of referee/evidence.c, which it
compared with the verdicts of the games.
"""
import collections
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import evidence  # noqa: E402


def read_records(pipe):
    """Count by method, both guilty, and claims; what differed; processor seconds."""
    seen, wrong = collections.Counter(), []
    with open(pipe, "rb") as f:
        for line in f:
            record = json.loads(line)
            data = f.read(record["bytes"])
            try:
                verdict = evidence.check(data)
            except evidence.Wrong as e:
                verdict = {"refused": str(e)}
            verdict.pop("keys", None)
            seen["files"] += 1
            seen["bytes"] += len(data)
            seen["differ"] += verdict != record["verdict"]
            seen[record["verdict"]["method"]] += 1
            seen["both guilty"] += all(record["verdict"]["guilty"])
            seen["segment claims"] += data[12]
            if verdict != record["verdict"] and len(wrong) < 3:
                wrong.append((record["seed"], verdict, record["verdict"]))
    seen["ms"] = int(1000 * sum(os.times()[:2]))
    return seen, wrong


def run(program, seeds, first, workers):
    """What was seen, what differed, and what verde-sim says."""
    with tempfile.TemporaryDirectory(prefix="verde-records-") as folder:
        pipes = [os.path.join(folder, str(k)) for k in range(workers)]
        for p in pipes:
            os.mkfifo(p)
        with multiprocessing.Pool(workers) as pool:
            readers = pool.map_async(read_records, pipes, chunksize=1)
            said = subprocess.run(
                [program, "--seeds", str(seeds), "--seed", str(first), "--threads", str(workers),
                 "--evidence", folder, "--anything", "--json"], capture_output=True, text=True)
            while not readers.ready():  # a reader whose worker never came would wait for ever
                for p in pipes:
                    try:
                        os.close(os.open(p, os.O_WRONLY | os.O_NONBLOCK))
                    except OSError:
                        pass
                readers.wait(0.1)
            results = readers.get()
    seen, wrong = collections.Counter(), []
    for counts, differing in results:
        seen += counts
        wrong += differing
    return seen, wrong, said


def main(program, seeds, first=0, workers=2):
    seen, wrong, said = run(program, seeds, first, workers)
    for seed, got, want in wrong:
        print("seed %d: the second verifier says %s, verde-sim %s" % (seed, got, want))
    try:
        written = json.loads(said.stdout).get("evidence")
    except ValueError:
        written = None
    good = (said.returncode == 0 and seen["differ"] == 0 and seen["files"] == written and
            written > 0)
    if said.returncode:
        print("verde-sim ends with %d: %s%s" % (said.returncode, said.stdout[:400], said.stderr))
    print("%d seeds, %s evidence files written, %d agree of %d read: %d by element, %d by partial, "
          "%d with both guilty, %d with segment claims; %.1f MB, %.1f s of the second verifier" % (
              seeds, written, seen["files"] - seen["differ"], seen["files"], seen["element"],
              seen["partial"], seen["both guilty"], seen["segment claims"], seen["bytes"] / 1e6,
              seen["ms"] / 1e3))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], *map(int, sys.argv[2:5])))
