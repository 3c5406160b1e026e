"""Measure the branch coverage of each package, and compare it with its floor.

    .venv/bin/python tools/coverage_floors.py [--update] [PYTEST_ARGUMENT...]

Runs the whole test suite, or the tests that the arguments select, with the tracer of coverage.py in
the test processes and in every Python process that they start. That takes about 1.7 times as long
as the suite alone, so it is not part of ``.ci/run``. A process that is killed is not measured, and
one that installs another trace function is measured until then. Tests with a deadline, and those
that run coverage.py themselves, can fail while they are measured: that does not count here.

Hooks suspend tracing in their thread, and native code replaces Python code. The measurement sees
neither, so the tests of ``instrument`` run more of it than the number says.

``--update`` writes what is reached, rounded down, as the new floors.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

__all__ = ["FLOORS", "PACKAGES", "floors", "main", "packages", "shares"]

ROOT = Path(__file__).parents[1]
FLOORS = Path(__file__).with_suffix(".toml")
PACKAGES = {"asyncctx_trace": ROOT / "tracer", "asyncctx_trace_tui": ROOT / "tui"}
"""Each top-level package, and the folder that contains it."""
DATA = ROOT / "build" / "coverage"

_TESTS_FAILED = 1
"""The exit code of pytest for it."""
_COUNTS = ("num_statements", "num_branches", "covered_lines", "covered_branches")


def main(arguments: list[str]) -> int:
    """Measure, print a table, and return 1 if a package is below its floor."""
    update = "--update" in arguments
    code = _measure([each for each in arguments if each != "--update"])
    if code not in (0, _TESTS_FAILED):
        return code
    if code:
        print("Tests failed. Measured processes differ from others; run the suite by itself, too.")
    reached = shares(_report())
    if update:
        lines = [f'"{package}" = {int(share)}\n' for package, share in sorted(reached.items())]
        FLOORS.write_text(
            "".join(["# Branch coverage in percent; see coverage_floors.py.\n", *lines])
        )
    known = floors()
    below = False
    for package in sorted({*known, *reached}):
        share, floor = reached.get(package, 0.0), known.get(package)
        failed = floor is None or share < floor
        print(f"{package:32} {share:6.2f} %   floor {floor} %{'   BELOW' if failed else ''}")
        below = below or failed
    return int(below)


def floors() -> dict[str, int]:
    """Return package -> the percentage that must be reached."""
    return tomllib.loads(FLOORS.read_text())


def packages() -> set[str]:
    """Return the packages that have a floor: those on the first two levels that contain code."""
    return {
        _package(file) for top, folder in PACKAGES.items() for file in (folder / top).rglob("*.py")
    }


def shares(files: Mapping[str, Mapping[str, int]]) -> dict[str, float]:
    """Return package -> percentage of its statements and branches that ran.

    Args:
        files: Path -> the summary of ``coverage json``.
    """
    totals: dict[str, Counter[str]] = {}
    for file, summary in files.items():
        counts = totals.setdefault(_package(Path(file)), Counter())
        counts.update({name: summary[name] for name in _COUNTS})
    return {
        package: 100
        * (counts["covered_lines"] + counts["covered_branches"])
        / (counts["num_statements"] + counts["num_branches"])
        for package, counts in totals.items()
        if counts["num_statements"]
    }


def _package(file: Path) -> str:
    """Return the package of a file: ``asyncctx_trace.otel``; modules at the top are its own."""
    parts = file.parts
    start = max(index for index, part in enumerate(parts) if part in PACKAGES)
    return ".".join(parts[start : max(start + 1, min(start + 2, len(parts) - 1))])


def _measure(arguments: Iterable[str]) -> int:
    shutil.rmtree(DATA, ignore_errors=True)
    DATA.mkdir(parents=True)
    configuration = DATA / "coveragerc"
    configuration.write_text(
        "[run]\n"
        "branch = true\n"
        "parallel = true\n"
        f"source_pkgs = {', '.join(PACKAGES)}\n"
        f"data_file = {DATA / 'data'}\n"  # not relative: processes run in many folders
        "disable_warnings = no-data-collected, module-not-imported, module-not-measured, "
        "couldnt-parse\n"
    )
    # Every Python process of this environment reads the variable when it starts.
    environment = {**os.environ, "COVERAGE_PROCESS_START": str(configuration)}
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


def _report() -> dict[str, Any]:
    """Return path -> summary of what was measured."""
    options = [f"--rcfile={DATA / 'coveragerc'}", "-q"]
    output = DATA / "coverage.json"
    for command in ["combine", *options], ["json", *options, "--ignore-errors", "-o", str(output)]:
        subprocess.run([sys.executable, "-m", "coverage", *command], cwd=ROOT, check=True)
    files = json.loads(output.read_text())["files"]
    # Tests copy the package to other folders; those files are named by absolute paths.
    return {file: one["summary"] for file, one in files.items() if not Path(file).is_absolute()}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
