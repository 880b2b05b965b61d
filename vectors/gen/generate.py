#!/usr/bin/env python3
"""Write vectors/<Operator>.vec, or compare them with what this oracle computes.

    python3 vectors/gen/generate.py [--check] [Operator ...]

Without names: every operator. --check writes nothing and exits 1 if a file differs, is missing
or belongs to no operator. Needs mpmath; uses no floating point of the host.
"""

import os
import sys
import time

import cases_cell
import cases_contract
import cases_elementwise
import cases_map
import cases_move
import cases_order
import cases_place
import cases_quant
import cases_random
import cases_row
import cases_window
import ops_cell
import ops_contract
import ops_elementwise
import ops_map
import ops_move
import ops_order
import ops_place
import ops_quant
import ops_random
import ops_row
import ops_window
import halves
from book import ATTRS, G, Book

HERE = os.path.dirname(os.path.abspath(__file__))
FOLDER = os.path.dirname(HERE)
MODULES = ((ops_map, cases_map), (ops_elementwise, cases_elementwise),
           (ops_contract, cases_contract), (ops_cell, cases_cell), (ops_row, cases_row),
           (ops_window, cases_window), (ops_move, cases_move), (ops_order, cases_order),
           (ops_random, cases_random),
           (ops_place, cases_place), (ops_quant, cases_quant))


def tables():
    oracles, fillers = {}, {}
    for ops, cases in MODULES:
        oracles.update(ops.OPS)
        fillers.update(cases.CASES)
    odd = (set(oracles) ^ set(ATTRS)) | (set(fillers) ^ set(ATTRS))
    if odd:
        sys.exit("generate: without attributes, oracle or cases: %s" % " ".join(sorted(odd)))
    return oracles, fillers


def main(arguments):
    check = "--check" in arguments
    names = [a for a in arguments if a != "--check"]
    oracles, fillers = tables()
    unknown = [n for n in names if n not in oracles]
    if unknown:
        sys.exit("generate: no operator is named %s" % unknown[0])
    bad, start = 0, time.time()
    for name in names or sorted(oracles):
        book = Book(name, oracles[name])
        fillers[name](book)
        halves.extend(book, G)
        path = os.path.join(FOLDER, name + ".vec")
        if check:
            old = None
            if os.path.exists(path):
                with open(path, encoding="ascii") as f:
                    old = f.read()
            if old != book.text():
                bad += 1
                print("%s.vec %s" % (name, "differs" if old is not None else "is missing"))
        else:
            with open(path + ".tmp", "w", encoding="ascii") as f:
                f.write(book.text())
            os.replace(path + ".tmp", path)
        print("%-28s %4d cases %7.1f s" % (name, len(book.names), time.time() - start))
    if check and not names:
        for file in sorted(os.listdir(FOLDER)):
            if file.endswith(".vec") and file[:-4] not in oracles:
                bad += 1
                print("%s belongs to no operator" % file)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
