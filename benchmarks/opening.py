"""What it takes to open a recording of a million acquisitions."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

from benchmarks.measure import Row, alternate, child, median_ratio, spread
from benchmarks.parsing import parsing
from benchmarks.recordings import synthetic

__all__ = ["run"]

_ACQUISITIONS = 1_000_000

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


def run(rounds: int) -> list[Row]:
    """Against ``json.loads`` of each line of the same spans as OTLP JSON Lines, one span a line."""
    with tempfile.TemporaryDirectory() as folder:
        big = synthetic(Path(folder) / "big.actx", _ACQUISITIONS)
        empty = synthetic(Path(folder) / "empty.actx", 1)
        peaks: list[float] = []

        def first_frame() -> float:
            found = child(_FIRST_FRAME, big, _ACQUISITIONS)
            peaks.append(found["peak"])
            return float(found["seconds"])

        base = child(_FIRST_FRAME, empty, 1)["peak"]
        times = alternate(
            {
                "json": parsing(Path(folder), _ACQUISITIONS),
                "frame": first_frame,
            },
            min(rounds, 3),
        )
    frame = median_ratio(times["frame"], times["json"])
    room = (statistics.median(peaks) - base) / _ACQUISITIONS
    return [
        Row(
            "open 1,000,000 acquisitions, all of it on the first frame",
            spread(times["frame"]),
            f"json.loads {spread(times['json'])}",
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
    ]
