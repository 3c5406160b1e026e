"""How cost grows with acquisitions, tasks, nesting depth, and waiters on one lock."""

from __future__ import annotations

import itertools
import math
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from asyncctx_trace.recording.segments import create
from asyncctx_trace.recording.writer import Recorder
from benchmarks.measure import Row, child
from benchmarks.recordings import synthetic

__all__ = ["run"]

_OPEN = """
import json, resource, sys, time
from pathlib import Path
from asyncctx_trace.analysis.timeline import Timeline
from asyncctx_trace.recording.reader import Recording
started = time.perf_counter()
timeline = Timeline()
with Recording(Path(sys.argv[1])) as recording:
    while batch := recording.poll(segments=64):
        timeline.extend(batch)
print(json.dumps({"seconds": time.perf_counter() - started}))
"""

_REPORT = """
import io, json, sys, time
from pathlib import Path
from asyncctx_trace_tui.commands.report import print_report
started = time.perf_counter()
print_report(Path(sys.argv[1]), io.StringIO())
print(json.dumps({"seconds": time.perf_counter() - started}))
"""

_ALLOWED = 2.0
"""How far above n log n the cost from one size to the next may lie, for what noise does to it."""


def run(rounds: int) -> list[Row]:
    """Each size against the one before it: nothing may grow faster than n log n."""
    del rounds
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sizes = [10**n for n in range(3, 8)]
        return [
            _grows(
                "open, by acquisitions",
                _OPEN,
                ((n, synthetic(folder / f"{n}.actx", n)) for n in sizes),
            ),
            _grows(
                "report, by acquisitions", _REPORT, ((n, folder / f"{n}.actx") for n in sizes[:-1])
            ),
            _grows(
                "report on 100,000, by tasks",
                _REPORT,
                ((n, synthetic(folder / "t.actx", 100_000, tasks=n)) for n in (10, 1_000, 100_000)),
                work=lambda n: 1,
            ),
            _grows(
                "report on 100,000, by nesting",
                _REPORT,
                (
                    (n, synthetic(folder / "d.actx", 100_000, depth=n, locks=50))
                    for n in (1, 10, 50)
                ),
                work=float,
            ),
            _grows(
                "report, by waiters on one lock",
                _REPORT,
                ((n, queue(folder / "q.actx", n)) for n in (10, 100, 1_000, 10_000)),
            ),
        ]


def _n_log_n(n: int) -> float:
    return n * math.log2(n)


def _grows(
    what: str,
    source: str,
    recordings: Iterable[tuple[int, Path]],
    work: Callable[[int], float] = _n_log_n,
) -> Row:
    times = [(n, float(child(source, path)["seconds"])) for n, path in recordings]
    # Below a tenth of a second it is the start of the process that is measured.
    large = [(n, seconds) for n, seconds in times if seconds > 0.1]
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


def queue(path: Path, waiters: int) -> Path:
    """Everybody asks for one lock at once and gets in one after the other."""
    create(path, overwrite=True)
    recorder = Recorder(path)
    recorder.manager_defined(1, "asyncio.locks.Lock")
    recorder.site_defined(1, "app.py", 1, "worker", "lock")
    recorder.resource_defined(1, "lock", "lock", 1)
    for one in range(1, waiters + 1):
        recorder.task_defined(one, one, f"task-{one}", "asyncio", 0, "MainThread")
        recorder.enter_started(1_000 + one, one, 0, one, 1, 1, 1)
    now = 1_000_000
    for one in range(1, waiters + 1):
        recorder.enter_ended(now, one, 1, None)
        recorder.exit_started(now + 500, one, one, 1, None)
        recorder.exit_ended(now + 600, one, 1, False, None)
        now += 1_000
    recorder.close()
    return path
