"""What it takes to open a recording of a million acquisitions, and to report on it."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

from asyncctx_trace.export import otlp_json
from asyncctx_trace.export.sources import open_source
from benchmarks.measure import Row, alternate, child, median_ratio, spread
from benchmarks.recordings import synthetic

__all__ = ["run"]

_ACQUISITIONS = 1_000_000
_SAMPLE = 10_000
"""Acquisitions whose lines stand for all: json.loads takes each line by itself."""

_PARSING = """
import json, sys, time
lines = open(sys.argv[1]).read().splitlines()
started = time.perf_counter()
for _ in range(int(sys.argv[2])):
    for line in lines:
        json.loads(line)
print(json.dumps({"seconds": time.perf_counter() - started}))
"""

_FIRST_FRAME = """
import asyncio, json, resource, sys, time
from pathlib import Path
started = time.perf_counter()
from asyncctx_trace_tui.app import TraceApp

async def main():
    app = TraceApp(Path(sys.argv[1]))
    async with app.run_test(size=(200, 50)) as pilot:
        while len(app.scene.timeline) < int(sys.argv[2]):
            await pilot.pause()
        await pilot.pause()
        return time.perf_counter() - started

seconds = asyncio.run(main())
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps({"seconds": seconds, "peak": peak}))
"""

_REPORT = """
import io, json, sys, time
from pathlib import Path
started = time.perf_counter()
from asyncctx_trace_tui.commands.report import print_report
print_report(Path(sys.argv[1]), io.StringIO())
print(json.dumps({"seconds": time.perf_counter() - started}))
"""


def run(rounds: int) -> list[Row]:
    """Against ``json.loads`` of each line of the same spans as OTLP JSON Lines, one span a line."""
    with tempfile.TemporaryDirectory() as folder:
        big = synthetic(Path(folder) / "big.actx", _ACQUISITIONS)
        small = synthetic(Path(folder) / "small.actx", _SAMPLE)
        empty = synthetic(Path(folder) / "empty.actx", 1)
        sample = Path(folder) / "sample.jsonl"
        otlp_json.SPANS_PER_LINE = 1
        sample.write_text("\n".join(otlp_json.write(open_source(small).spans())))
        repeats = _ACQUISITIONS // _SAMPLE
        peaks: list[float] = []

        def first_frame() -> float:
            found = child(_FIRST_FRAME, big, _ACQUISITIONS)
            peaks.append(found["peak"])
            return float(found["seconds"])

        base = child(_FIRST_FRAME, empty, 1)["peak"]
        times = alternate(
            {
                "json": lambda: float(child(_PARSING, sample, repeats)["seconds"]),
                "frame": first_frame,
                "report": lambda: float(child(_REPORT, big)["seconds"]),
            },
            min(rounds, 3),
        )
    frame, report = (median_ratio(times[name], times["json"]) for name in ("frame", "report"))
    parsing = f"json.loads {spread(times['json'])}"
    room = (statistics.median(peaks) - base) / _ACQUISITIONS
    return [
        Row(
            "open 1,000,000 acquisitions, all of it on the first frame",
            spread(times["frame"]),
            parsing,
            frame,
            "≤ 1/20",
            frame <= 1 / 20,
        ),
        Row(
            "memory of the app for them",
            f"{room:.0f} B each",
            "",
            None,
            "≤ 200 B",
            room <= 200,
            "peak, over the peak with a recording of one acquisition",
        ),
        Row(
            "full report on them",
            spread(times["report"]),
            parsing,
            report,
            "≤ 1/4",
            report <= 1 / 4,
        ),
    ]
