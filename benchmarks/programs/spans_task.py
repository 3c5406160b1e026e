"""What one acquisition costs the program's own task: prints µs in JSON, way by way.

    python benchmarks/programs/spans_task.py [ROUNDS] [ACQUISITIONS]

Every way runs in turn, round after round, so that whatever else the machine does falls on all
of them. It is CPU time of the thread that runs the event loop; spans are finished in between.
"""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import json
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from opentelemetry.context import attach, detach
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

import asyncctx_trace
from asyncctx_trace.instrument import span_scope
from asyncctx_trace.instrument.rewriting.code_rewriter import rewritten
from asyncctx_trace.instrument.scope import Scope

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


def marked() -> Loop:
    """The same in code as the import hook makes it."""

    async def loop(acquisitions: int) -> None:
        manager = Empty()
        for _ in range(acquisitions):
            async with manager:
                pass

    span_scope.set_rewritten_code(True)
    loop.__code__ = rewritten(loop.__code__, Scope())
    return loop


def batching(**options: Any) -> tuple[TracerProvider, Counting]:
    """A provider as people have it, that sends to nowhere."""
    exporter = Counting()
    provider = TracerProvider(shutdown_on_exit=False, **options)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider, exporter


@contextmanager
def bare() -> Iterator[Loop]:
    yield over(Empty())


@contextmanager
def ours(rewrite: bool = False, **options: Any) -> Iterator[Loop]:
    provider, _ = batching(**options)
    telemetry = asyncctx_trace.configure(tracer_provider=provider)
    try:
        yield marked() if rewrite else over(asyncctx_trace.traced(Empty()))
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
    import logfire  # type: ignore[import-not-found]  # optional

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
    "traced(), with a provider": ours,
    "rewritten, with a provider": lambda: ours(rewrite=True),
    "traced(), not sampled": not_sampled,
    "traced(), parent not sampled": below_unsampled,
    "one span by hand": lambda: by_hand("one"),
    "four spans by hand": lambda: by_hand("loop"),
}


def measure(way: Callable[[], Any], acquisitions: int) -> float:
    """µs of CPU of the task's thread for each acquisition."""
    with way() as loop:

        async def run() -> float:
            await loop(50)  # definitions, caches
            gc.collect()
            began = time.thread_time_ns()
            await loop(acquisitions)
            return (time.thread_time_ns() - began) / acquisitions / 1e3

        return asyncio.run(run())


def main() -> None:
    rounds, acquisitions = (*map(int, sys.argv[1:]), *(15, 2000)[len(sys.argv) - 1 :])
    if importlib.util.find_spec("logfire"):
        WAYS["one logfire span"] = logfire_span
    measured: dict[str, list[float]] = {name: [] for name in WAYS}
    for _ in range(rounds):
        for name, way in WAYS.items():
            measured[name].append(measure(way, acquisitions))
    print(json.dumps(measured))


if __name__ == "__main__":
    main()
