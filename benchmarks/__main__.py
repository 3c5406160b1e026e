"""``python -m benchmarks``: measure everything, print a table, write JSON."""

from __future__ import annotations

import argparse
import importlib
import json
import platform
import sys
import time
from pathlib import Path

from benchmarks.measure import Row, table

SUBJECTS = (
    "acquisition",
    "waits",
    "spans",
    "startup",
    "size",
    "opening",
    "frame",
    "report",
    "following",
    "workloads",
    "bounded",
    "growth",
    "always_on",
    "what_if",
)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", help=", ".join(SUBJECTS))
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each comparison")
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    options = parser.parse_args()
    unknown = set(options.subjects) - set(SUBJECTS)
    if unknown:
        parser.error(f"no such subject: {', '.join(sorted(unknown))}")

    print(
        f"CPython {platform.python_version()} on {platform.machine()}, {options.rounds} rounds",
        flush=True,
    )
    rows: list[Row] = []
    for subject in options.subjects or SUBJECTS:
        started = time.perf_counter()
        module = importlib.import_module(f"benchmarks.{subject}")
        rows += module.run(options.rounds)
        print(f"{subject}: {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
    print(table(rows))
    if options.json:
        options.json.write_text(json.dumps([row.to_json() for row in rows], indent=1))


if __name__ == "__main__":
    main()
