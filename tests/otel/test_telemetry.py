"""Switching spans and measurements on and off, and losing nothing in between."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import subprocess
import sys
import threading
import weakref
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from opentelemetry import trace as api
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import NoOpTracerProvider

import asyncctx_trace
from asyncctx_trace import configure, traced
from asyncctx_trace.instrument import sinks

from .test_spans import Manager, pass_through


def run(source: str, **environment: str) -> Any:
    """What a program of its own prints as JSON."""
    ended = subprocess.run(
        [sys.executable, "-c", dedent(source)],
        capture_output=True,
        text=True,
        timeout=240,
        env={**os.environ, **environment},
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""
    return json.loads(ended.stdout)


IMPORT = "from asyncctx_trace import traced\n"
PROVIDER = """\
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
exporter, provider = InMemorySpanExporter(), TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)
"""
PROGRAM = """\
import asyncio, json
async def main():
    async with traced(asyncio.Lock(), name="thing"):
        pass
asyncio.run(main())
provider.force_flush()
print(json.dumps([span.name for span in exporter.get_finished_spans()]))
"""
FOUR = ["enter", "body", "exit", "async with thing"]


def test_the_global_provider_is_found_whenever_it_is_set() -> None:
    """Before our import or after it: nobody has to call anything of ours."""
    assert run(PROVIDER + IMPORT + PROGRAM) == FOUR
    assert run(IMPORT + PROVIDER + PROGRAM) == FOUR


def test_a_provider_set_while_the_program_runs_is_found(tmp_path: Path) -> None:
    """Even if a recording is on already: then both are told."""
    source = f"""
        import asyncio, json
        from asyncctx_trace import record, traced
        class Manager:
            async def __aenter__(self): pass
            async def __aexit__(self, *exc): pass
        async def main():
            with record({str(tmp_path / "r.actx")!r}):
                async with traced(Manager(), name="before"):
                    pass
                global exporter, provider
                from opentelemetry import trace
                from opentelemetry.sdk.trace import TracerProvider
                from opentelemetry.sdk.trace.export import SimpleSpanProcessor
                from opentelemetry.sdk.trace.export.in_memory_span_exporter import (
                    InMemorySpanExporter,
                )
                exporter, provider = InMemorySpanExporter(), TracerProvider()
                provider.add_span_processor(SimpleSpanProcessor(exporter))
                trace.set_tracer_provider(provider)
                async with traced(Manager(), name="thing"):
                    pass
        asyncio.run(main())
        provider.force_flush()
        print(json.dumps([span.name for span in exporter.get_finished_spans()]))
    """

    assert run(source) == FOUR


def test_a_program_that_just_ends_has_delivered_everything() -> None:
    """No flush, no shutdown: the spans are there before the provider's own exit handler."""
    source = """
        import asyncio, json
        from asyncctx_trace import traced
        from opentelemetry import trace
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
        class Telling(SpanExporter):
            names = []
            def export(self, spans): self.names += [span.name for span in spans]
            def shutdown(self): print(json.dumps(self.names))
        provider = TracerProvider()
        provider.add_span_processor(BatchSpanProcessor(Telling()))
        trace.set_tracer_provider(provider)
        async def main():
            async with traced(asyncio.Lock(), name="thing"):
                pass
        asyncio.run(main())
    """

    assert run(source) == FOUR


def test_without_a_provider_there_is_nothing() -> None:
    """The API alone: no span, no thread, no sink, no SDK."""
    source = """
        import asyncio, json, sys, threading
        from opentelemetry import trace
        from asyncctx_trace import traced
        from asyncctx_trace.instrument import sinks
        async def main():
            async with traced(asyncio.Lock()):
                return trace.get_current_span() is trace.INVALID_SPAN
        quiet = asyncio.run(main())
        print(json.dumps([quiet, sinks.active.sink, threading.active_count(),
                          "opentelemetry.sdk" in sys.modules]))
    """

    assert run(source) == [True, None, 1, False]


def test_the_sdk_can_be_disabled_and_so_can_we() -> None:
    """OTEL_SDK_DISABLED and OTEL_PYTHON_DISABLED_INSTRUMENTATIONS mean what they say."""
    source = IMPORT + PROVIDER + PROGRAM

    assert run(source, OTEL_SDK_DISABLED="true") == []
    assert run(source, OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="flask, asyncctx_trace") == []


def test_a_forked_child_tells_its_own() -> None:
    """What the parent had queued is told once, by the parent."""
    source = """
        import asyncio, json, os, tempfile
        from asyncctx_trace import configure, traced
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
        exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        telemetry = configure(tracer_provider=provider)
        async def once(name):
            async with traced(asyncio.Lock(), name=name):
                pass
        asyncio.run(once("parent"))
        end, start = os.pipe()
        child = os.fork()
        if not child:
            exporter.clear()
            asyncio.run(once("child"))
            provider.force_flush()
            names = [s.name for s in exporter.get_finished_spans() if s.parent is None]
            os.write(start, json.dumps(names).encode())
            os._exit(0)
        os.waitpid(child, 0)
        provider.force_flush()
        names = [s.name for s in exporter.get_finished_spans() if s.parent is None]
        print(json.dumps([names, json.loads(os.read(end, 1000))]))
    """

    # CPython warns of any fork while there are threads, such as a batch processor's or ours.
    told = run(source, PYTHONWARNINGS="ignore::DeprecationWarning")

    assert told == [["async with parent"], ["async with child"]]


def test_a_forked_child_nests_below_the_body_that_forked_it() -> None:
    """Parent and child know that body by the same ids, though nobody had asked for them."""
    source = """
        import asyncio, json, os
        from asyncctx_trace import configure, traced
        from opentelemetry import trace
        from opentelemetry.sdk.trace import TracerProvider
        configure(tracer_provider=TracerProvider(shutdown_on_exit=False))
        async def main():
            async with traced(asyncio.Lock(), name="lock"):
                end, start = os.pipe()
                child = os.fork()
                current = trace.get_current_span().get_span_context()
                if not child:
                    os.write(start, json.dumps([current.trace_id, current.span_id]).encode())
                    os._exit(0)
                os.waitpid(child, 0)
                print(json.dumps([[current.trace_id, current.span_id],
                                  json.loads(os.read(end, 1000))]))
        asyncio.run(main())
    """
    parent, child = run(source, PYTHONWARNINGS="ignore::DeprecationWarning")

    assert parent == child


def test_closing_leaves_everything_as_it_was() -> None:
    """The provider's methods are its own again, and nobody listens."""
    provider = TracerProvider(shutdown_on_exit=False)
    telemetry = configure(tracer_provider=provider)
    assert "force_flush" in vars(provider)
    telemetry.close()
    telemetry.close()

    assert "force_flush" not in vars(provider)
    assert "shutdown" not in vars(provider)
    assert sinks.active.sink is None


def test_a_provider_of_nothing_gets_nothing() -> None:
    """With the API's own no-op provider the body's span is not touched."""
    telemetry = configure(tracer_provider=NoOpTracerProvider())

    async def main() -> bool:
        async with traced(Manager()):
            return api.get_current_span() is api.INVALID_SPAN

    assert asyncio.run(main())
    telemetry.close()


class Slow(SpanExporter):
    """Exports when it is let."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.go = threading.Event()

    def export(self, spans: Any) -> SpanExportResult:
        self.go.wait()
        self.spans += spans
        return SpanExportResult.SUCCESS


def test_a_burst_reaches_the_exporter_whole(caplog: Any) -> None:
    """Ten times as many spans as the batch processor's queue takes, and none is dropped."""
    exporter = Slow()
    exporter.go.set()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(
        BatchSpanProcessor(exporter, max_queue_size=512, max_export_batch_size=128)
    )
    telemetry = configure(tracer_provider=provider)

    async def main() -> None:
        for _ in range(1280):
            async with traced(Manager(), name="thing"):
                pass

    asyncio.run(main())
    provider.force_flush()

    assert len(exporter.spans) == telemetry.emitted == 5120
    assert telemetry.dropped == telemetry.in_flight == 0
    assert caplog.text == ""
    telemetry.close()
    provider.shutdown()


def test_a_flush_waits_as_long_as_it_is_told_to(trace: Any) -> None:
    """`force_flush` with a time limit says whether everything was delivered in it."""
    tracing = trace()

    async def main() -> None:
        async with traced(Manager(), name="thing"):
            pass
        assert tracing.provider.force_flush(0) is False

    asyncio.run(main())

    assert tracing.provider.force_flush() is True
    assert len(tracing.exporter.get_finished_spans()) == 4


def test_what_finds_no_room_is_counted_and_logged(caplog: Any) -> None:
    """Whole acquisitions are left out, never halves, while an exporter hangs."""
    exporter = Slow()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(
        BatchSpanProcessor(exporter, max_queue_size=8, max_export_batch_size=4)
    )
    telemetry = configure(tracer_provider=provider, queue_limit=10)

    async def main() -> None:
        for _ in range(100):
            async with traced(Manager(), name="thing"):
                pass

    asyncio.run(main())
    exporter.go.set()
    provider.force_flush()

    assert telemetry.dropped > 0
    assert telemetry.emitted == 4 * (100 - telemetry.dropped)
    assert len(exporter.spans) == telemetry.emitted
    assert "dropping acquisitions" in caplog.text
    telemetry.close()
    provider.shutdown()


def test_a_processor_that_raises_harms_nobody(caplog: Any) -> None:
    """The program goes on, and so do the other acquisitions."""

    class Broken(SpanProcessor):
        def on_end(self, span: Any) -> None:
            if span.name == "exit":
                raise RuntimeError("full")

    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(Broken())
    telemetry = configure(tracer_provider=provider)
    asyncio.run(pass_through(Manager()))
    provider.force_flush()

    assert "cannot make the spans" in caplog.text
    assert sinks.active.sink is not None
    telemetry.close()


def test_other_providers_are_served_through_the_api_alone(trace: Any) -> None:
    """A wrapper that shows neither sampler nor ids, as some vendors' are."""
    tracing = trace()
    tracing.telemetry.close()

    class Wrapped(api.TracerProvider):
        def get_tracer(self, *args: Any, **kwargs: Any) -> api.Tracer:
            inner = tracing.provider.get_tracer(*args, **kwargs)

            class Plain(api.Tracer):
                def start_span(self, *args: Any, **kwargs: Any) -> api.Span:
                    return inner.start_span(*args, **kwargs)

                def start_as_current_span(self, *args: Any, **kwargs: Any) -> Any:
                    return inner.start_as_current_span(*args, **kwargs)

            return Plain()

    telemetry = configure(tracer_provider=Wrapped())

    async def main() -> None:
        async with traced(Manager(), name="outer"):
            api.get_current_span().set_attribute("rows", 1)
            async with traced(Manager(), name="inner"):
                pass

    asyncio.run(main())
    telemetry.close()

    outer = tracing.one("async with outer")
    enter, body, exit_ = tracing.children(outer)
    assert (enter.end_time, body.end_time) == (body.start_time, exit_.start_time)
    assert body.attributes["rows"] == 1
    assert [s.name for s in tracing.children(body)] == ["async with inner"]


def test_no_object_of_the_program_lives_longer(trace: Any) -> None:
    """Managers, exceptions and what their frames hold go when they would go anyway."""
    tracing = trace()

    class Payload:
        pass

    kept: list[weakref.ref[Any]] = []

    async def main() -> None:
        payload = Payload()
        kept.append(weakref.ref(payload))
        try:
            async with traced(Manager(), name="thing"):
                raise ValueError(payload)
        except ValueError:
            pass

    asyncio.run(main())
    gc.collect()

    assert kept[0]() is None
    assert len(tracing.spans) == 4


def test_a_chain_of_tasks_without_end_keeps_nothing(trace: Any) -> None:
    """Each starts the next in its body: the contexts of the first are not the last one's load."""
    tracing = trace()
    bodies: list[weakref.ref[Any]] = []
    kept: list[int] = []

    async def link(left: int, over: asyncio.Event) -> None:
        async with traced(Manager(), name="link"):
            bodies.append(weakref.ref(api.get_current_span()))
            if left:
                running[0] = asyncio.create_task(link(left - 1, over))
                return
        tracing.provider.force_flush()
        gc.collect()
        kept.append(sum(body() is not None for body in bodies))
        over.set()

    async def main() -> None:
        over = asyncio.Event()
        running[0] = asyncio.create_task(link(50, over))
        await over.wait()

    running: dict[int, asyncio.Task[None]] = {}
    asyncio.run(main())

    assert kept[0] < 5
    assert len(tracing.named("async with link")) == 51


def test_metrics_tell_durations_and_queues(metrics: Any) -> None:
    """Wait, hold and cleanup in seconds by resource; who waits and holds comes back to zero."""

    async def hold(lock: Any) -> None:
        async with lock:
            await asyncio.sleep(0.01)

    async def main() -> None:
        lock = traced(asyncio.Lock(), name="db lock")
        await asyncio.gather(hold(lock), hold(lock))

    asyncio.run(main())
    asyncctx_trace.otel.telemetry._telemetry.flush()  # type: ignore[union-attr]

    (resource,) = metrics.get_metrics_data().resource_metrics
    (scope,) = resource.scope_metrics
    points = {m.name: list(m.data.data_points) for m in scope.metrics}
    units = {m.name: m.unit for m in scope.metrics}
    (wait,) = points["asyncctx.wait.duration"]
    assert wait.count == 2
    assert wait.attributes == {
        "asyncctx.resource.kind": "lock",
        "asyncctx.resource.name": "db lock",
        "asyncctx.outcome": "ok",
    }
    assert 0.005 < wait.max < 10
    assert points["asyncctx.hold.duration"][0].sum >= 0.019
    assert points["asyncctx.cleanup.duration"][0].count == 2
    assert [p.value for p in points["asyncctx.waiters"]] == [0]
    assert [p.value for p in points["asyncctx.holders"]] == [0]
    assert units["asyncctx.wait.duration"] == "s"


def test_metrics_alone_leave_the_current_span_alone(metrics: Any) -> None:
    """Measuring makes no spans."""

    async def main() -> bool:
        async with traced(Manager()):
            return api.get_current_span() is api.INVALID_SPAN

    assert asyncio.run(main())


@pytest.fixture(autouse=True)
def quiet_log(caplog: Any) -> None:
    caplog.set_level(logging.WARNING)


def test_locks_without_end_are_forgotten_and_recalled(trace: Any, monkeypatch: Any) -> None:
    """A lock that lives long keeps its name, however many came and went since."""
    monkeypatch.setattr("asyncctx_trace.otel.sink._RESOURCE_LIMIT", 8)
    tracing = trace()

    async def main() -> None:
        lasting = traced(asyncio.Lock(), name="lasting")
        for number in range(30):
            async with traced(asyncio.Lock(), name=f"lock {number % 2}"), lasting:
                pass

    asyncio.run(main())

    assert len(tracing.named("async with lasting")) == 30
    assert len(tracing.named("async with lock 0")) == 15
    assert len(tracing.telemetry._sink._resources) < 200
