"""What a full report on a recording of a million acquisitions takes."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.measure import PEAK, Row, alternate, child, median_ratio, spread
from benchmarks.parsing import parsing
from benchmarks.recordings import contended, synthetic

__all__ = ["REPORT", "run"]

_ACQUISITIONS = 1_000_000
_CLOCK = "process_time"

REPORT = (
    PEAK
    + """
import io, json, sys, time
from pathlib import Path
started = time.process_time()
from asyncctx_trace_tui.cli.report_printing import print_report
print_report(Path(sys.argv[1]), io.StringIO())
seconds = time.process_time() - started
print(json.dumps({"seconds": seconds, "peak": peak()}))
"""
)


def run(rounds: int) -> list[Row]:
    """Against ``json.loads`` of each line of the same spans as OTLP JSON Lines, one span a line.

    Both in time of the processor, which what else the machine does takes nothing of.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        reports = {
            "nobody waits": _Report(synthetic(folder / "free.actx", _ACQUISITIONS)),
            "100 tasks queue before each lock": _Report(
                contended(folder / "queues.actx", _ACQUISITIONS)
            ),
            "the same, 3 locks at a time": _Report(
                contended(folder / "nested.actx", _ACQUISITIONS, depth=3, locks=30)
            ),
        }
        # Many enough that every module that a report needs is loaded, few enough to weigh nothing.
        base = child(REPORT, contended(folder / "few.actx", 2_000, tasks=10))["peak"]
        measured: dict[str, Callable[[], float]] = {
            "json": parsing(folder, _ACQUISITIONS, _CLOCK),
            **reports,
        }
        times = alternate(measured, min(rounds, 3))
    rows: list[Row] = []
    for what, report in reports.items():
        ratio = median_ratio(times[what], times["json"])
        room = (median(report.peaks) - base) / _ACQUISITIONS
        rows += [
            Row(
                f"full report on 1,000,000 acquisitions, {what}",
                spread(times[what]),
                f"json.loads {spread(times['json'])}",
                ratio,
                "≤ 1/4",
                ratio <= 1 / 4,
            ),
            Row(
                "memory of it",
                f"{room:.0f} B each",
                "",
                None,
                "≤ 300 B",
                room <= 300,
                "peak, over the peak of a report on 2,000",
            ),
        ]
    return rows


class _Report:
    """A report on one recording: how long it takes, and what it has taken at the peak."""

    def __init__(self, recording: Path) -> None:
        self.recording = recording
        self.peaks: list[float] = []

    def __call__(self) -> float:
        found: dict[str, Any] = child(REPORT, self.recording)
        self.peaks.append(found["peak"])
        return float(found["seconds"])
