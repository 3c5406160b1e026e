"""What one acquisition costs the program's own task, in each form, beside spans by hand."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence
from functools import partial

from benchmarks.measure import Row, alternate, child, spread

__all__ = ["run"]

_SOURCE = """
import asyncio, contextlib, json, statistics, sys, tempfile, time
from pathlib import Path
from asyncctx_trace import install, record, traced

WAY, WHAT, STATE = sys.argv[1:4]
COUNT, REPEATS = 5000, 7

class Empty:
    async def __aenter__(self): return self
    async def __aexit__(self, *exc): return None

async def loop(manager, count):
    for _ in range(count):
        async with manager: pass

async def by_hand(manager, count, tracer):
    for _ in range(count):
        with tracer.start_as_current_span("lifecycle"):
            with tracer.start_as_current_span("enter"): await manager.__aenter__()
            with tracer.start_as_current_span("body"): pass
            with tracer.start_as_current_span("exit"): await manager.__aexit__(None, None, None)

async def main(run, manager, count):
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        await run(manager, count)
        times.append((time.perf_counter() - started) / count * 1e6)
    return statistics.median(times)

manager, run, count = Empty() if WHAT == "empty" else asyncio.Lock(), loop, COUNT
if WAY == "rewritten":
    install()  # as `asyncctx-trace run` does
elif WAY == "traced":
    manager = traced(manager)
elif WAY == "four spans":
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter

    class Nowhere(SpanExporter):
        def export(self, spans): return None

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(Nowhere()))
    tracer = provider.get_tracer("by hand")
    run, count = (lambda manager, count: by_hand(manager, count, tracer)), COUNT // 10
with tempfile.TemporaryDirectory() as folder:
    recording = record(Path(folder, "a.actx")) if STATE == "recording" else contextlib.nullcontext()
    with recording:
        print(json.dumps({"µs": asyncio.run(main(run, manager, count))}))
"""

_MANAGERS = {"empty": "an empty manager", "lock": "an uncontended asyncio.Lock"}
_GOALS = {"idle": 1.0, "recording": 4.0}
_FORMS = {"rewritten": "rewritten code", "traced": "traced()"}


def run(rounds: int) -> list[Row]:
    """Microseconds of an ``async with`` around nothing: nobody listens, or it is recorded."""
    ways = [
        ("four spans", "empty", "idle"),
        *(("bare", what, "idle") for what in _MANAGERS),
        *itertools.product(_FORMS, _MANAGERS, _GOALS),
    ]
    found = alternate({way: partial(_measured, *way) for way in ways}, rounds)
    hand = _added(found["four spans", "empty", "idle"], found["bare", "empty", "idle"])
    rows: list[Row] = []
    for state, what, form in itertools.product(_GOALS, _MANAGERS, _FORMS):
        bare = found["bare", what, "idle"]
        added = _added(found[form, what, state], bare)
        middle = statistics.median(added)
        rows.append(
            Row(
                f"{_MANAGERS[what]}, {_FORMS[form]}, {state}",
                f"+{spread(added, unit='µs', digits=2)}",
                f"bare {spread(bare, unit='µs', digits=2)}",
                None,
                f"≤ +{_GOALS[state]:g} µs",
                middle <= _GOALS[state],
            )
        )
        if (state, what) == ("recording", "empty"):
            ratio = middle / statistics.median(hand)
            rows.append(
                Row(
                    f"the same, {_FORMS[form]}, {state}",
                    f"+{spread(added, unit='µs', digits=2)}",
                    f"four spans by hand +{spread(hand, unit='µs')}",
                    ratio,
                    "≤ 1/40",
                    ratio <= 1 / 40,
                )
            )
    return rows


def _measured(way: str, what: str, state: str) -> float:
    return float(child(_SOURCE, way, what, state)["µs"])


def _added(ours: Sequence[float], bare: Sequence[float]) -> list[float]:
    # Round by round, so that what else the machine does falls on both alike.
    return [mine - theirs for mine, theirs in zip(ours, bare, strict=True)]
