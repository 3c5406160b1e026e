"""How long a frame of the tasks view takes, from a key press to the bytes for the terminal."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from benchmarks.measure import Row, alternate, child
from benchmarks.recordings import contended, requests, synthetic, waiting

__all__ = ["run"]

_MANY, _FEW = 1_000_000, 1_000
_LANES = 30
_REQUESTS = 20_000
"""The number of tasks that are packed, each with three acquisitions and a wait."""
_NAMED = {"few": "in 1,000 tasks", "dense": f"in {_LANES} tasks"}

_FRAMES = """
import asyncio, itertools, json, random, sys, time
from pathlib import Path
from textual import events
from textual.drivers.headless_driver import HeadlessDriver
from asyncctx_trace_tui.app.application import TraceApp
from asyncctx_trace_tui.storage.app_settings import Settings
from asyncctx_trace_tui.app.widgets.panes.task_lanes import Lanes

class Terminal(HeadlessDriver):
    # Unlike the headless one it is given what a terminal would be given.
    is_headless = False
    written = 0

    def write(self, data):
        Terminal.written += len(data.encode())

class Watched(TraceApp):
    shown = None

    def post_display_hook(self):
        if self.shown is not None:
            self.shown()

# In by a factor of 4096 and out again, with a look around at every zoom.
MOVES = [*["plus", "d", "d", "a", "d"] * 12, *["minus", "a", "a", "d", "a"] * 12]

async def main(recording, acquisitions):
    app = Watched(Path(recording), settings=Settings())
    app.driver_class = Terminal
    luck = random.Random(1)
    frames, busy, drawing, sizes = [], [], [], []
    async with app.run_test(headless=False, size=(200, 50)) as pilot:
        state = app.state
        timeline = state.timeline
        while state.loading or len(timeline) + len(timeline.waits) < acquisitions:
            await pilot.pause(0.05)
            if app._exception is not None:
                raise app._exception
        state.playback.pause()
        state.go((state.origin + state.now) // 2)
        state.following_head = False
        await pilot.pause(0.5)
        while state.answers.working:  # who unblocked whom is worked out aside
            await pilot.pause(0.5)
        await pilot.press("1")  # the overview is shown first
        await pilot.pause(0.5)
        lanes = app.trace_screen.query_one(Lanes)
        for key in MOVES:
            done = asyncio.Event()
            before, lines = state.viewport, Terminal.written
            drawn = []
            def shown():
                if state.viewport != before:
                    drawn.append((time.perf_counter(), time.process_time(), Terminal.written))
                    done.set()
            app.shown = shown
            used, started = time.process_time(), time.perf_counter()
            app.post_message(events.Key(key, None))
            try:
                await asyncio.wait_for(done.wait(), 1)
            except TimeoutError:
                if state.viewport != before:
                    raise
                continue  # the closest there is, the widest, or the end
            finally:
                app.shown = None
            at, cpu, written = drawn[0]
            frames.append(at - started)
            busy.append(cpu - used)
            sizes.append(written - lines)
            started = time.perf_counter()
            for line in lanes.lines[:lanes.size.height]:
                lanes.cell_segments(line)
            drawing.append(time.perf_counter() - started)
            await pilot.pause(0.04 + luck.random() / 50)
    return {"frames": frames, "busy": busy, "drawing": drawing, "bytes": sizes}

print(json.dumps(asyncio.run(main(sys.argv[1], int(sys.argv[2])))))
"""


def run(rounds: int) -> list[Row]:
    """A million acquisitions in 1,000 tasks, wide apart or in each other's way, and as many waits.

    Against 1,000: in as many tasks, which leaves one bar to a lane; and in as few as the screen
    has lines, which fills them as a million does.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        return [
            row
            for what, make in (
                ("one by one", synthetic),
                ("in each other's way", _crowded),
                ("waits for a queue", waiting),
            )
            for row in _rows(
                what,
                rounds,
                {
                    "many": make(folder / "many.actx", _MANY),
                    "few": make(folder / "few.actx", _FEW),
                    "dense": make(folder / "dense.actx", _FEW, tasks=_LANES),
                },
            )
        ] + [_packed(rounds, requests(folder / "packed.actx", _REQUESTS))]


def _packed(rounds: int, recording: Path) -> Row:
    """A service with a task for each request, of which 100 run at once."""
    found = [child(_FRAMES, recording, 4 * _REQUESTS)["frames"] for _ in range(min(rounds, 3))]
    longest = statistics.median(map(_p95, found))
    middle = statistics.median(frame for each in found for frame in each)
    return Row(
        f"a frame at 200×50, {_REQUESTS:,} packed tasks",
        f"{middle * 1e3:.1f} ms, p95 {longest * 1e3:.1f}",
        "",
        None,
        "< 30 ms",
        longest < 0.03,
    )


def _crowded(path: Path, acquisitions: int, *, tasks: int = 1_000) -> Path:
    """Four to a lock: every lane is full of waits, holds and cleanups."""
    return contended(path, acquisitions, tasks=tasks, locks=max(1, tasks // 4))


def _rows(what: str, rounds: int, recordings: dict[str, Path]) -> list[Row]:
    found: dict[str, list[dict[str, list[float]]]] = {size: [] for size in recordings}

    def frames(size: str) -> float:
        count = _MANY if size == "many" else _FEW
        found[size].append(child(_FRAMES, recordings[size], count))
        return _p95(found[size][-1]["frames"])

    alternate({size: partial(frames, size) for size in recordings}, min(rounds, 3))

    def p95(size: str, key: str) -> float:
        return statistics.median(_p95(each[key]) for each in found[size])

    def told(size: str, key: str) -> str:
        middle = statistics.median(x for each in found[size] for x in each[key])
        return f"{middle * 1e3:.1f} ms, p95 {p95(size, key) * 1e3:.1f}"

    def row(part: str, key: str, other: str) -> Row:
        ratio, longest = p95("many", key) / p95(other, key), p95("many", key)
        return Row(
            f"{part} at 200×50, a million {what}",
            told("many", key),
            f"1,000 {_NAMED[other]}: {told(other, key)}",
            ratio,
            "" if key == "drawing" else "≤ 1.3, < 40 ms",
            None if key == "drawing" else ratio <= 1.3 and longest < 0.04,
        )

    return [
        row(part, key, other)
        for part, key in (
            *(("a frame", "frames"), ("its processor time", "busy")),
            ("drawing its lanes", "drawing"),
        )
        for other in ("few", "dense")
    ]


def _p95(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=20)[-1]
