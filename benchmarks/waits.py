"""What an ``await`` costs the program's process: one that suspends, and one that does not.

CPU time is measured, not time: the loop sleeps between two awaits.
"""

from __future__ import annotations

import importlib.util
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from benchmarks.measure import ROOT, Row, alternate, child, spread

__all__ = ["run"]

_SOURCE = """
import asyncio, contextlib, json, statistics, sys, tempfile, time
from pathlib import Path
from asyncctx_trace import record
from asyncctx_trace.instrument.rewriting import import_hook

WAY, WHAT = sys.argv[1:3]
COUNT, REPEATS = 5000, 9

async def nothing(): pass

async def coroutine(count):
    for _ in range(count):
        await nothing()

async def done_future(count):
    future = asyncio.get_running_loop().create_future()
    future.set_result(None)
    for _ in range(count):
        await future

async def future(count):
    loop = asyncio.get_running_loop()
    for _ in range(count):
        waited_for = loop.create_future()
        loop.call_soon(waited_for.set_result, None)
        await waited_for

async def event(count):
    loop, happened = asyncio.get_running_loop(), asyncio.Event()
    for _ in range(count):
        happened.clear()
        loop.call_soon(happened.set)
        await happened.wait()

async def filled_queue(count):
    queue = asyncio.Queue()
    for _ in range(count):
        queue.put_nowait(None)
        await queue.get()

async def queue(count):
    loop, filled = asyncio.get_running_loop(), asyncio.Queue()
    for _ in range(count):
        loop.call_soon(filled.put_nowait, None)
        await filled.get()

async def main():
    run, times = globals()[WHAT.replace(" ", "_")], []
    for _ in range(REPEATS):
        started = time.process_time()
        await run(COUNT)
        times.append((time.process_time() - started) / COUNT * 1e6)
    return statistics.median(times)

if WAY not in ("bare", "viztracer"):
    import_hook.install((), (), False, waits=WAY == "recorded")
with tempfile.TemporaryDirectory() as folder:
    bare = WAY in ("bare", "viztracer")
    with contextlib.nullcontext() if bare else record(Path(folder, "a.actx")):
        print(json.dumps({"µs": asyncio.run(main())}))
"""

_SUBJECTS = {
    "coroutine": 0.02,
    "done future": 0.02,
    "filled queue": 0.02,
    "future": 0.5,
    "event": 0.5,
    "queue": 0.5,
}
"""What is awaited, and how many microseconds recording may add."""


def run(rounds: int) -> list[Row]:
    """Return the microseconds that are added to each ``await``."""
    how = ["recorded", "left out"]
    how += ["viztracer"] if importlib.util.find_spec("viztracer") else []
    ways = list(itertools.product(("bare", *how), _SUBJECTS))
    found = alternate({way: partial(_measured, *way) for way in ways}, rounds)
    rows = []
    for what, goal in _SUBJECTS.items():
        for way in how:
            pairs = zip(found[way, what], found["bare", what], strict=True)
            added = [ours - bare for ours, bare in pairs]
            rows.append(
                Row(
                    f"await of {what}, {_NAMES[way]}",
                    f"{spread(added, unit='µs', digits=2)}",
                    f"bare {spread(found['bare', what], unit='µs', digits=2)}",
                    None,
                    "" if way == "viztracer" else f"≤ +{goal:g} µs",
                    None if way == "viztracer" else statistics.median(added) <= goal,
                )
            )
    return rows


_NAMES = {
    "recorded": "waits recorded",
    "left out": "waits left out",
    "viztracer": "viztracer --log_async",
}


def _measured(way: str, what: str) -> float:
    return _in_viztracer(what) if way == "viztracer" else float(child(_SOURCE, way, what)["µs"])


def _in_viztracer(what: str) -> float:
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder, "program.py")
        program.write_text(_SOURCE)
        done = subprocess.run(
            [
                *(sys.executable, "-m", "viztracer", "--quiet", "--log_async"),
                *("--tracer_entries", "100000", "-o", f"{folder}/viz.json", "--"),
                *(str(program), "viztracer", what),
            ],
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
    (result,) = (line for line in done.stdout.splitlines() if line.startswith("{"))
    return float(json.loads(result)["µs"])
