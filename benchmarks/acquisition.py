"""What one acquisition costs the program's own task, in each form, beside spans by hand."""

from __future__ import annotations

from benchmarks.measure import Row, child, spread

__all__ = ["run"]

_SOURCE = """
import asyncio, json, statistics, sys, tempfile, time
from pathlib import Path
from asyncctx_trace import record, traced
from asyncctx_trace.instrument.program import rewritten
from asyncctx_trace.instrument.scope import Scope
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter

ROUNDS, COUNT = int(sys.argv[1]), 5000

class Empty:
    async def __aenter__(self): return self
    async def __aexit__(self, *exc): return None

class Nowhere(SpanExporter):
    def export(self, spans): return None

async def plain(manager):
    started = time.perf_counter()
    for _ in range(COUNT):
        async with manager: pass
    return (time.perf_counter() - started) / COUNT * 1e6

async def marked(manager):
    started = time.perf_counter()
    for _ in range(COUNT):
        async with manager: pass
    return (time.perf_counter() - started) / COUNT * 1e6

marked.__code__ = rewritten(marked.__code__, Scope())
provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(Nowhere()))
tracer = provider.get_tracer("by hand")

async def by_hand(manager):
    started = time.perf_counter()
    for _ in range(COUNT // 10):
        with tracer.start_as_current_span("lifecycle"):
            with tracer.start_as_current_span("enter"): await manager.__aenter__()
            with tracer.start_as_current_span("body"): pass
            with tracer.start_as_current_span("exit"): await manager.__aexit__(None, None, None)
    return (time.perf_counter() - started) / (COUNT // 10) * 1e6

async def main():
    manager = Empty()
    ways = {"bare": (plain, manager), "rewritten": (marked, manager),
            "traced()": (plain, traced(manager)), "four spans": (by_hand, manager)}
    async def measure():
        found = {name: [] for name in ways}
        for number in range(ROUNDS):
            names = list(ways)
            for name in names[number % 4:] + names[:number % 4]:
                loop, what = ways[name]
                found[name].append(await loop(what))
        return found
    idle = await measure()
    with tempfile.TemporaryDirectory() as folder:
        async with record(Path(folder, "a.actx")):
            recording = await measure()
    print(json.dumps({"idle": idle, "recording": recording}))

asyncio.run(main())
"""


def run(rounds: int) -> list[Row]:
    """Microseconds of an ``async with`` around nothing, in the two forms, off and recording."""
    found = child(_SOURCE, rounds)
    rows: list[Row] = []
    for state, goal in (("idle", 1.0), ("recording", 4.0)):
        times = found[state]
        for form in ("rewritten", "traced()"):
            # Round by round, so that what else the machine does falls on both alike.
            added = [ours - bare for ours, bare in zip(times[form], times["bare"], strict=True)]
            middle = sorted(added)[len(added) // 2]
            rows.append(
                Row(
                    f"one acquisition, {form}, {state}",
                    f"+{spread(added, unit='µs', digits=2)}",
                    f"bare {spread(times['bare'], unit='µs', digits=2)}",
                    None,
                    f"≤ +{goal:g} µs",
                    middle <= goal,
                    f"four spans by hand: {spread(times['four spans'], unit='µs')}",
                )
            )
    return rows
