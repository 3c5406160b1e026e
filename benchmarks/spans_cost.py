"""What one acquisition costs the program's own task, side by side in one run.

    python benchmarks/spans_cost.py [--rounds 15] [--acquisitions 2000]

Every way runs in turn, round after round, so that whatever else the machine does falls on all
of them; the table gives medians. *task* is CPU time of the thread that runs the event loop,
*wall* what a clock on the wall shows for the loop alone; spans are finished in between.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from opentelemetry.context import attach, detach
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

import asyncctx_trace

Loop = Callable[[int], Awaitable[None]]


class Empty:
    """A manager that does nothing."""

    async def __aenter__(self) -> None:
        return None

    async def __aexit__(self, *exc: object) -> None:
        return None


class Counting(SpanExporter):
    """Takes spans and counts them."""

    def __init__(self) -> None:
        self.spans = 0

    def export(self, spans: Any) -> SpanExportResult:
        self.spans += len(spans)
        return SpanExportResult.SUCCESS


class ByHand:
    """The four spans that people write around a manager today."""

    def __init__(self, tracer: Any) -> None:
        self._tracer = tracer
        self._manager = Empty()

    async def loop(self, acquisitions: int) -> None:
        tracer, manager = self._tracer, self._manager
        for _ in range(acquisitions):
            with tracer.start_as_current_span("async with Empty"):
                with tracer.start_as_current_span("enter"):
                    await manager.__aenter__()
                with tracer.start_as_current_span("body"):
                    pass
                with tracer.start_as_current_span("exit"):
                    await manager.__aexit__(None, None, None)

    async def one(self, acquisitions: int) -> None:
        tracer, manager = self._tracer, self._manager
        for _ in range(acquisitions):
            with tracer.start_as_current_span("async with Empty"):
                async with manager:
                    pass


def over(manager: Any) -> Loop:
    """A loop that enters ``manager`` again and again."""

    async def loop(acquisitions: int) -> None:
        for _ in range(acquisitions):
            async with manager:
                pass

    return loop


def batching(**options: Any) -> tuple[TracerProvider, Counting]:
    """A provider as people have it, that sends to nowhere."""
    exporter = Counting()
    provider = TracerProvider(shutdown_on_exit=False, **options)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider, exporter


@contextmanager
def recording() -> Iterator[Loop]:
    with tempfile.TemporaryDirectory() as folder, asyncctx_trace.record(Path(folder, "b.actx")):
        yield over(asyncctx_trace.traced(Empty()))


@contextmanager
def bare() -> Iterator[Loop]:
    yield over(Empty())


@contextmanager
def unheard() -> Iterator[Loop]:
    yield over(asyncctx_trace.traced(Empty()))


@contextmanager
def ours(**options: Any) -> Iterator[Loop]:
    provider, _ = batching(**options)
    telemetry = asyncctx_trace.configure(tracer_provider=provider)
    try:
        yield over(asyncctx_trace.traced(Empty()))
    finally:
        telemetry.close()
        provider.shutdown()


@contextmanager
def not_sampled() -> Iterator[Loop]:
    with ours(sampler=ALWAYS_OFF) as loop:
        yield loop


@contextmanager
def below_unsampled() -> Iterator[Loop]:
    parent = NonRecordingSpan(SpanContext(1, 2, True, TraceFlags(0)))
    with ours() as loop:

        async def inside(acquisitions: int) -> None:
            token = attach(set_span_in_context(parent))
            await loop(acquisitions)
            detach(token)

        yield inside


@contextmanager
def by_hand(name: str) -> Iterator[Loop]:
    provider, _ = batching()
    try:
        yield getattr(ByHand(provider.get_tracer("by hand")), name)
    finally:
        provider.shutdown()


@contextmanager
def logfire_span() -> Iterator[Loop]:
    import logfire

    mine = logfire.configure(send_to_logfire=False, console=False, local=True)
    manager = Empty()

    async def loop(acquisitions: int) -> None:
        for _ in range(acquisitions):
            with mine.span("async with Empty"):
                async with manager:
                    pass

    yield loop
    mine.shutdown()


WAYS: dict[str, Callable[[], Any]] = {
    "bare": bare,
    "traced, nobody listens": unheard,
    "traced, recording": recording,
    "traced, with a provider": ours,
    "traced, not sampled": not_sampled,
    "traced, parent not sampled": below_unsampled,
    "one span by hand": lambda: by_hand("one"),
    "four spans by hand": lambda: by_hand("loop"),
}


def measure(way: Callable[[], Any], acquisitions: int) -> tuple[float, float]:
    """µs an acquisition: CPU time of the task's thread, and wall time."""
    with way() as loop:

        async def run() -> tuple[float, float]:
            await loop(50)  # definitions, caches
            gc.collect()
            wall, task = time.perf_counter_ns(), time.thread_time_ns()
            await loop(acquisitions)
            return (
                (time.thread_time_ns() - task) / acquisitions / 1e3,
                (time.perf_counter_ns() - wall) / acquisitions / 1e3,
            )

        return asyncio.run(run())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--acquisitions", type=int, default=2000)
    options = parser.parse_args()
    try:
        import logfire  # noqa: F401 - whether it is there
    except ImportError:
        pass
    else:
        WAYS["one logfire span"] = logfire_span
    measured: dict[str, list[tuple[float, float]]] = {name: [] for name in WAYS}
    for _ in range(options.rounds):
        for name, way in WAYS.items():
            measured[name].append(measure(way, options.acquisitions))
    medians = {
        name: [statistics.median(column) for column in zip(*values, strict=True)]
        for name, values in measured.items()
    }
    base, hand = medians["bare"][0], medians["four spans by hand"][0]
    print(f"CPython {sys.version.split()[0]}, µs an acquisition of an empty manager, medians")
    print(f"{'':27}{'task':>9}{'wall':>9}{'task added':>12}{'of four by hand':>17}")
    for name, (task, wall) in medians.items():
        added = task - base
        print(f"{name:27}{task:9.2f}{wall:9.2f}{added:12.2f}{added / (hand - base):17.1%}")


if __name__ == "__main__":
    main()
