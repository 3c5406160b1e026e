"""How long a frame of the tasks view takes, from a key press to the bytes for the terminal."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.measure import Row, alternate, child
from benchmarks.recordings import crowded, synthetic

__all__ = ["run"]

_MANY, _FEW = 1_000_000, 1_000

_FRAMES = """
import asyncio, itertools, json, random, sys, time
from pathlib import Path
from textual import events
from textual.drivers.headless_driver import HeadlessDriver
from asyncctx_trace_tui.app import TraceApp
from asyncctx_trace_tui.settings import Settings
from asyncctx_trace_tui.widgets.lanes import Lanes

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
        scene = app.scene
        while scene.loading or len(scene.timeline) < acquisitions:
            await pilot.pause(0.05)
        scene.playback.pause()
        scene.go((scene.origin + scene.now) // 2)
        scene.tied = False
        await pilot.pause(0.5)
        while app._answering or scene.questions:  # who unblocked whom is worked out aside
            await pilot.pause(0.5)
        lanes = app.trace_screen.query_one(Lanes)
        for key in MOVES:
            done = asyncio.Event()
            before, lines = scene.viewport, Terminal.written
            drawn = []
            def shown():
                if scene.viewport != before:
                    drawn.append((time.perf_counter(), time.process_time(), Terminal.written))
                    done.set()
            app.shown = shown
            used, started = time.process_time(), time.perf_counter()
            app.post_message(events.Key(key, None))
            await done.wait()
            app.shown = None
            at, cpu, written = drawn[0]
            frames.append(at - started)
            busy.append(cpu - used)
            sizes.append(written - lines)
            started = time.perf_counter()
            for line in lanes.lines[:lanes.size.height]:
                lanes.strokes(line)
            drawing.append(time.perf_counter() - started)
            await pilot.pause(0.04 + luck.random() / 50)
    return {"frames": frames, "busy": busy, "drawing": drawing, "bytes": sizes}

print(json.dumps(asyncio.run(main(sys.argv[1], int(sys.argv[2])))))
"""


def run(rounds: int) -> list[Row]:
    """A million acquisitions in 1,000 tasks against 1,000, wide apart or in each other's way."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        return [
            *_rows("a million one after the other", rounds, *_both(folder, synthetic)),
            *_rows("a million in each other's way", rounds, *_both(folder, crowded)),
        ]


def _both(folder: Path, make: Callable[[Path, int], Path]) -> tuple[Path, Path]:
    return make(folder / "many.actx", _MANY), make(folder / "few.actx", _FEW)


def _rows(what: str, rounds: int, many: Path, few: Path) -> list[Row]:
    found: dict[str, list[dict[str, list[float]]]] = {"many": [], "few": []}
    alternate(
        {
            "many": lambda: _measure(found["many"], many, _MANY),
            "few": lambda: _measure(found["few"], few, _FEW),
        },
        min(rounds, 3),
    )

    def p95(size: str, key: str) -> float:
        return statistics.median(_p95(frames[key]) for frames in found[size])

    def told(size: str, key: str) -> str:
        middle = statistics.median(x for frames in found[size] for x in frames[key])
        return f"{middle * 1e3:.1f} ms, p95 {p95(size, key) * 1e3:.1f}"

    ratio, longest = p95("many", "frames") / p95("few", "frames"), p95("many", "frames")
    return [
        Row(
            f"a frame at 200×50, {what}",
            told("many", "frames"),
            f"a thousand {told('few', 'frames')}",
            ratio,
            "≤ 1.3, < 40 ms",
            ratio <= 1.3 and longest < 0.04,
            f"{statistics.median(found['many'][0]['bytes']) / 1e3:.0f} kB for the terminal "
            f"against {statistics.median(found['few'][0]['bytes']) / 1e3:.0f} kB",
        ),
        *(
            Row(
                f"  {part}",
                told("many", key),
                f"a thousand {told('few', key)}",
                p95("many", key) / p95("few", key),
                "",
                None,
            )
            for part, key in (("processor time of it", "busy"), ("of that, drawing", "drawing"))
        ),
    ]


def _measure(into: list[dict[str, list[float]]], recording: Path, acquisitions: int) -> float:
    into.append(child(_FRAMES, recording, acquisitions))
    return _p95(into[-1]["frames"])


def _p95(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=20)[-1]
