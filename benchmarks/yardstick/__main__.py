"""``python -m benchmarks.yardstick``: run the suites plain and traced, and compare.

It prints, for each suite: tests identical, differing and unstable (differing once, but not
again), the ratio of the wall times, and the acquisitions seen beside those to be expected. A
tracer that traces nothing is identical, too.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from asyncctx_trace.model.events import EnterStarted
from asyncctx_trace.recording.reading.reader import read
from benchmarks.yardstick.outcomes import Outcomes, differing, of_junit, of_unittest
from benchmarks.yardstick.sources import interpreter, prepare
from benchmarks.yardstick.suites import SUITES, Suite

_LIMIT = 1800
"""Seconds for one run."""


@dataclass(frozen=True)
class Run:
    """One run of one suite."""

    outcomes: Outcomes
    seconds: float
    acquisitions: int


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.yardstick",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("suites", nargs="*", help=", ".join(suite.name for suite in SUITES))
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path(tempfile.gettempdir(), "asyncctx-trace-yardstick"),
        help="where sources and environments are kept for the next time",
    )
    options = parser.parse_args()
    unknown = set(options.suites) - {suite.name for suite in SUITES}
    if unknown:
        parser.error(f"no such suite: {', '.join(sorted(unknown))}")
    chosen = [suite for suite in SUITES if not options.suites or suite.name in options.suites]
    # Not one generator: every suite is run, whatever the one before it showed.
    good = [_compare(suite, options.folder.resolve()) for suite in chosen]
    sys.exit(not all(good))


def _compare(suite: Suite, folder: Path) -> bool:
    prepare(suite, folder)
    plain, traced = _run(suite, folder, traced=False), _run(suite, folder, traced=True)
    different = differing(plain.outcomes, traced.outcomes)
    # What differs once and not again hangs on timing, or on when garbage is collected.
    again = _run(suite, folder, traced=True).outcomes if different else traced.outcomes
    real = [name for name in different if name in differing(plain.outcomes, again)]
    tests = len(plain.outcomes.keys() | traced.outcomes.keys())
    print(
        f"{suite.name:12} identical {tests - len(different)}, differing {len(real)}, unstable "
        f"{len(different) - len(real)}, wall x{traced.seconds / plain.seconds:.2f}, "
        f"acquisitions {traced.acquisitions} (expected about {suite.acquisitions})",
        flush=True,
    )
    for name in different:
        kind = "differs" if name in real else "unstable"
        print(f"{'':12} {kind}: {name}: {plain.outcomes.get(name)} -> {traced.outcomes.get(name)}")
    return bool(tests) and not real and traced.acquisitions > suite.acquisitions // 2


def _run(suite: Suite, folder: Path, *, traced: bool) -> Run:
    python = interpreter(suite, folder)
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        recording, junit, output = scratch / "run.actx", scratch / "junit.xml", scratch / "out"
        words = [str(python)]
        if traced:
            words = [str(python.with_name("asyncctx-trace")), "run", "--quiet"]
            words += ["-o", str(recording), "--include", suite.name]
        words += suite.command
        if "pytest" in suite.command:
            words += [f"--junitxml={junit}", "-o", "junit_family=xunit2", "-o", "junit_logging=no"]
        environment = {**os.environ, "PYTHONHASHSEED": "0"}
        # Where this is set it would hide a tracer that leaves its code in shared .pyc files.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        started = time.perf_counter()
        with output.open("wb") as file:
            subprocess.run(
                words,
                cwd=folder / suite.name / "sources",
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                timeout=_LIMIT,
                check=False,
            )
        seconds = time.perf_counter() - started
        text = output.read_text(errors="replace")
        return Run(
            of_junit(junit) if junit.exists() else of_unittest(text),
            seconds,
            sum(isinstance(event, EnterStarted) for event in read(recording)) if traced else 0,
        )


main()
