"""A long run with a bounded recording: an hour's worth of facts, as fast as they can be written."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.measure import Row, child

__all__ = ["run"]

_ACQUISITIONS = 3_600_000
_KEEP = 200_000_000

_SERVICE = """
import json, os, resource, sys, time
from pathlib import Path
from asyncctx_trace.recording.writing.ring import LiveSet, RingRecorder
from asyncctx_trace.recording.writing.retention import Retention
from asyncctx_trace.recording.reading.reader import Recording
from asyncctx_trace.recording.writing.segments import create

path, count = Path(sys.argv[1]), int(sys.argv[2])
create(path)
alive = set()
recorder = RingRecorder(
    path, Retention.parse(sys.argv[3]), lambda: LiveSet(alive, alive, {1})
)
recorder.manager_defined(1, "m.M")
recorder.site_defined(1, "app.py", 1, "f", "x")
recorder.resource_defined(1, "lock", "lock", 1)
now = time.monotonic_ns
base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
started, worst = now(), 0
for one in range(1, count + 1):
    begun = now()
    alive.add(one)
    if one % 10 == 1:  # every tenth acquisition is of a task that did not exist before
        recorder.task_defined(begun, one, f"request-{one}", "asyncio", 0, "MainThread")
    task = one - (one - 1) % 10
    recorder.enter_started(now(), one, 0, task, 1, 1, 1)
    recorder.enter_ended(now(), one, 1, None)
    recorder.exit_started(now(), one, task, 1, None)
    recorder.exit_ended(now(), one, 1, False, None)
    alive.discard(one)
    worst = max(worst, now() - begun)
each = (now() - started) / count
peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base) * 1024
recorder.close()
with Recording(path) as recording:
    batch = recording.poll()
kept = sum(data[47::48].count(1) for _, data in batch.records)
dropped = sum(note.acquisitions for note in batch.notes if hasattr(note, "acquisitions"))
print(json.dumps({"each": each, "worst": worst, "peak": peak, "size": os.path.getsize(path),
                  "kept": kept, "dropped": dropped}))
"""


def run(rounds: int) -> list[Row]:
    """What stays on disk and in memory after an hour of 1,000 acquisitions a second."""
    del rounds
    with tempfile.TemporaryDirectory() as folder:
        found = child(_SERVICE, Path(folder) / "a.actx", _ACQUISITIONS, "200MB")
    accounted = found["kept"] + found["dropped"] == _ACQUISITIONS
    note = f"{found['kept']} kept, {found['dropped']} given up, " + (
        "every acquisition accounted for" if accounted else "THE COUNT IS WRONG"
    )
    return [
        Row(
            "--keep 200MB: file after 3.6 million acquisitions",
            f"{found['size'] / 1e6:.1f} MB",
            "200 MB",
            found["size"] / _KEEP,
            "≤ 1.01",
            found["size"] <= _KEEP * 1.01 and accounted,
            note,
        ),
        Row(
            "--keep 200MB: memory of the program for it",
            f"{found['peak'] / 1e6:.1f} MB",
            "",
            None,
            "bounded",
            found["peak"] < 100e6,
            f"{found['each'] / 1e3:.2f} µs an acquisition, the worst {found['worst'] / 1e6:.1f} ms",
        ),
    ]
