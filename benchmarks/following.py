"""What it costs a program that somebody watches it live, and how far behind the watcher is."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from asyncctx_trace.recording.writing.segments import create
from benchmarks.measure import ROOT, Row, alternate, spread

__all__ = ["run"]

_RATE = 50_000
_SECONDS = 3

_WRITER = """
import json, sys, time
from pathlib import Path
from asyncctx_trace.recording.writing.writer import Recorder

recorder = Recorder(Path(sys.argv[1]))
rate, seconds = int(sys.argv[2]), float(sys.argv[3])
recorder.manager_defined(1, "m.M")
for n in range(1, 11):
    recorder.site_defined(n, "app.py", n, "f", "x")
    recorder.resource_defined(n, "lock", f"lock {n}", 1)
for n in range(1, 101):
    recorder.task_defined(1, n, f"task-{n}", "asyncio", 0, "MainThread")
now = time.monotonic_ns
busy, one, begun = 0, 0, now()
while now() < begun + seconds * 1e9:
    started = now()
    for _ in range(rate // 1000):  # a millisecond's worth, then rest for what is left of it
        one += 1
        task, lock = one % 100 + 1, one % 10 + 1
        recorder.enter_started(now(), one, 0, task, 1, lock, lock)
        recorder.enter_ended(now(), one, 1, None)
        recorder.exit_started(now(), one, task, 1, None)
        recorder.exit_ended(now(), one, 1, False, None)
    busy += now() - started
    time.sleep(max(0, (begun + one * 1e9 / rate - now()) / 1e9))
print(json.dumps({"each": busy / one, "rate": one / ((now() - begun) / 1e9)}))
"""

_FOLLOWER = """
import asyncio, json, resource, sys, time
from pathlib import Path
from asyncctx_trace_tui.app.application import TraceApp

async def main():
    app = TraceApp(Path(sys.argv[1]))
    lags = []
    async with app.run_test(size=(200, 50)) as pilot:
        app.state.playback.follow()
        print("ready", flush=True)
        while app.recording.alive or not lags:
            before = len(app.state.timeline)
            await pilot.pause(0.02)
            if len(app.state.timeline) > before:
                lags.append(time.monotonic_ns() - app.state.timeline.end)
    return {"lags": lags[5:-5], "seen": len(app.state.timeline)}

print(json.dumps(asyncio.run(main())))
"""


def run(rounds: int) -> list[Row]:
    """A writer at 50,000 acquisitions a second, alone and with the app following."""
    lags: list[float] = []
    rates: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.actx"

        def write(watched: bool) -> float:
            create(path, overwrite=True)
            words = [sys.executable, "-c"]
            follower = None
            if watched:
                follower = subprocess.Popen(
                    [*words, _FOLLOWER, str(path)], stdout=subprocess.PIPE, text=True, cwd=ROOT
                )
                assert follower.stdout is not None
                follower.stdout.readline()
            done = subprocess.run(
                [*words, _WRITER, str(path), str(_RATE), str(_SECONDS)],
                check=True,
                capture_output=True,
                text=True,
                cwd=ROOT,
            )
            result = json.loads(done.stdout)
            if follower is not None:
                seen = json.loads(follower.communicate()[0])
                lags.extend(lag / 1e9 for lag in seen["lags"])
                rates.append(result["rate"])
            return float(result["each"]) / 1e9

        found = alternate({"alone": lambda: write(False), "watched": lambda: write(True)}, rounds)
    ratio = statistics.median(found["watched"]) / statistics.median(found["alone"])
    lag = statistics.quantiles(lags, n=20)[-1] if len(lags) > 1 else float("nan")
    return [
        Row(
            "time of the writer's task per acquisition, watched live",
            spread(found["watched"], 1e6, "µs", 2),
            f"alone {spread(found['alone'], 1e6, 'µs', 2)}",
            ratio,
            "≤ 1.02",
            ratio <= 1.02,
            f"at {statistics.median(rates):.0f} acquisitions/s",
        ),
        Row(
            "lag of the screen behind the program, p95",
            f"{lag * 1e3:.0f} ms",
            "",
            None,
            "≤ 100 ms",
            lag <= 0.1,
        ),
    ]
