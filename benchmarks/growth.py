"""How cost grows with acquisitions, tasks, resources, nesting, waiters, and in awkward shapes."""

from __future__ import annotations

import itertools
import math
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeAlias

from benchmarks.measure import Row, child
from benchmarks.recordings import contended, synthetic
from benchmarks.report import REPORT
from benchmarks.shapes import crossed, handed_on, hanging, queue, stacked

__all__ = ["run"]

_OPEN = """
import json, sys, time
from pathlib import Path
from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.recording.reading.reader import Recording
started = time.process_time()
timeline = Timeline()
with Recording(Path(sys.argv[1])) as recording:
    while batch := recording.poll(segments=64):
        timeline.extend(batch)
print(json.dumps({"seconds": time.process_time() - started}))
"""

_ALLOWED = 2.0
"""How far above n log n the cost from one size to the next may lie, for what noise does to it."""
_SMALL = 0.5
"""Seconds below which it is the start of the process that is measured."""

Make: TypeAlias = Callable[[Path, int], Path]
Work: TypeAlias = Callable[[int], float]
"""What a size may cost, in any unit."""


def run(rounds: int) -> list[Row]:
    """Each size against the one before it: nothing may grow faster than n log n."""
    del rounds
    powers = [10**n for n in range(3, 8)]
    tens = [10**n for n in range(1, 6)]
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "recording.actx"

        def grows(what: str, make: Make, sizes: Iterable[int], work: Work = _n_log_n) -> Row:
            return _row(what, [(n, _seconds(REPORT, make(path, n))) for n in sizes], work)

        opened, reported = [], []
        for n in powers:
            synthetic(path, n)
            opened.append((n, _seconds(_OPEN, path)))
            reported.append((n, _seconds(REPORT, path)))
        return [
            _row("open, by acquisitions", opened, _n_log_n),
            _row("report, by acquisitions", reported, _n_log_n),
            grows("report, by acquisitions, contended", contended, powers[:-1]),
            grows("report on 100,000, by tasks", _tasks, tens, lambda n: _n_log_n(10**5 + n)),
            grows("report on 100,000, by nesting", _nested, (1, 10, 50), float),
            grows("report, by waiters on one lock", queue, tens),
            grows("report, by waiters, each holder waits", handed_on, tens),
            grows("report, by resources and sites", _resources, powers[:3]),
            grows("report, by semaphores in semaphores", _semaphores, powers[:3]),
            grows("report, left first in, first out", crossed, powers[:3]),
            grows("report, all on one exit stack", stacked, (1_000, 10_000, 20_000, 100_000)),
            grows("report, all in flight, in a deadlock", hanging, (*powers[:3], 200_000)),
        ]


def _tasks(path: Path, number: int) -> Path:
    return synthetic(path, 10**5, tasks=number)


def _nested(path: Path, depth: int) -> Path:
    return synthetic(path, 10**5, depth=depth, locks=50)


def _resources(path: Path, number: int) -> Path:
    return synthetic(path, number, locks=number)


def _semaphores(path: Path, acquisitions: int) -> Path:
    return contended(path, acquisitions, tasks=200, locks=30, capacity=4, depth=3)


def _n_log_n(n: int) -> float:
    return n * math.log2(n)


def _seconds(source: str, recording: Path) -> float:
    return float(child(source, recording)["seconds"])


def _row(what: str, times: list[tuple[int, float]], work: Work) -> Row:
    large = [(n, seconds) for n, seconds in times if seconds > _SMALL]
    worst = max(
        (
            (later / earlier) / (work(n) / work(m))
            for (m, earlier), (n, later) in itertools.pairwise(large)
        ),
        default=0.0,
    )
    return Row(
        what,
        ", ".join(f"{n:,}: {seconds:.2f} s" for n, seconds in times),
        "n log n",
        worst,
        f"≤ {_ALLOWED:g} a step",
        worst <= _ALLOWED,
    )
