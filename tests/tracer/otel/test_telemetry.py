"""Telemetry of a process: providers, flushing, forks, and what it keeps alive."""

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
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    SimpleSpanProcessor,
    SpanExporter,
    SpanExportResult,
)
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import NoOpTracerProvider

from asyncctx_trace import Telemetry, configure, traced
from asyncctx_trace.instrument import sinks
from asyncctx_trace.model import conventions as names

from .test_spans import Manager, pass_through


def run(source: str, **environment: str) -> Any:
    """Run a program in a process of its own and parse what it prints."""
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


def test_the_global_provider_is_used() -> None:
    """Whether it is set before or after the import of asyncctx-trace."""
    assert run(PROVIDER + IMPORT + PROGRAM) == FOUR
    assert run(IMPORT + PROVIDER + PROGRAM) == FOUR


def test_a_provider_that_is_set_later_is_used(tmp_path: Path) -> None:
    """Also while a recording is made."""
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


def test_all_spans_are_delivered_at_the_end_of_the_program() -> None:
    """Before the exit handler of the provider, without a flush or a shutdown."""
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


def test_nothing_happens_without_a_provider() -> None:
    """There is no span, no thread, no sink, and the SDK is not imported."""
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


def test_spans_can_be_disabled_in_the_environment() -> None:
    """With OTEL_SDK_DISABLED and OTEL_PYTHON_DISABLED_INSTRUMENTATIONS."""
    source = IMPORT + PROVIDER + PROGRAM

    assert run(source, OTEL_SDK_DISABLED="true") == []
    assert run(source, OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="flask, asyncctx_trace") == []


def test_a_forked_child_makes_its_own_spans() -> None:
    """What the parent had queued is exported once, by the parent."""
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


def test_a_forked_child_is_below_the_body_that_forked_it() -> None:
    """Both know that body by the same ids, which had not been needed before."""
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


def test_closing_restores_the_provider() -> None:
    """Its methods are its own again, and the sink is detached."""
    provider = TracerProvider(shutdown_on_exit=False)
    telemetry = configure(tracer_provider=provider)
    assert "force_flush" in vars(provider)
    telemetry.close()
    telemetry.close()

    assert "force_flush" not in vars(provider)
    assert "shutdown" not in vars(provider)
    assert sinks.active.sink is None


def test_a_no_op_provider_is_not_used() -> None:
    """The current span in the body is the one that was current before."""
    telemetry = configure(tracer_provider=NoOpTracerProvider())

    async def main() -> None:
        async with traced(Manager()):
            assert api.get_current_span() is api.INVALID_SPAN

    asyncio.run(main())
    telemetry.close()


class Blocking(SpanExporter):
    """Exports when its event is set."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.go = threading.Event()

    def export(self, spans: Any) -> SpanExportResult:
        self.go.wait()
        self.spans += spans
        return SpanExportResult.SUCCESS


def test_a_burst_is_exported_completely(caplog: Any) -> None:
    """It has ten times as many spans as fit into the queue of the batch processor."""
    exporter = Blocking()
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


def test_a_flush_has_a_time_limit(trace: Any) -> None:
    """`force_flush` returns whether everything was delivered within it."""
    tracing = trace()

    async def main() -> None:
        async with traced(Manager(), name="thing"):
            pass
        assert tracing.provider.force_flush(0) is False

    asyncio.run(main())

    assert tracing.provider.force_flush() is True
    assert len(tracing.exporter.get_finished_spans()) == 4


def test_acquisitions_beyond_the_queue_limit_are_counted_and_logged(caplog: Any) -> None:
    """While an exporter hangs, whole acquisitions are dropped, never parts of one."""
    exporter = Blocking()
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


def test_a_processor_that_raises_is_logged(caplog: Any) -> None:
    """The program and the other acquisitions are not affected."""

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


def test_other_providers_need_only_the_api(trace: Any) -> None:
    """Some vendors' wrappers show neither their sampler nor their id generator."""
    tracing = trace(api_only=True)

    async def main() -> None:
        async with traced(Manager(), name="outer"):
            api.get_current_span().set_attribute("rows", 1)
            async with traced(Manager(), name="inner"):
                pass

    asyncio.run(main())

    outer = tracing.one("async with outer")
    enter, body, exit_ = tracing.children(outer)
    assert (enter.end_time, body.end_time) == (body.start_time, exit_.start_time)
    assert body.attributes["rows"] == 1
    assert [s.name for s in tracing.children(body)] == ["async with inner"]


def test_no_object_of_the_program_is_kept_alive(trace: Any) -> None:
    """Neither managers nor exceptions nor what their frames refer to."""
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


def test_an_endless_chain_of_tasks_keeps_nothing_alive(trace: Any) -> None:
    """Each task starts the next one in its body; contexts of ended bodies are dropped."""
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


def test_histograms_refer_to_spans_as_their_exemplars(metrics: InMemoryMetricReader) -> None:
    """From a slow bucket, a viewer leads to an acquisition that was as slow."""
    exporter, spans = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    spans.add_span_processor(SimpleSpanProcessor(exporter))
    telemetry = configure(
        tracer_provider=spans, meter_provider=MeterProvider([metrics], shutdown_on_exit=False)
    )

    async def main() -> None:
        async with traced(asyncio.Lock(), name="db lock"):
            raise OSError("refused")

    with pytest.raises(OSError, match="refused"):
        asyncio.run(main())
    telemetry.close()

    data = metrics.get_metrics_data()
    assert data is not None
    measured = [
        point
        for metric in data.resource_metrics[0].scope_metrics[0].metrics
        for point in metric.data.data_points
        if metric.name.endswith(".duration")
    ]
    *_, whole = exporter.get_finished_spans()
    context = whole.get_span_context()
    assert context is not None
    assert whole.attributes is not None
    assert whole.attributes["error.type"] == "OSError"
    assert whole.instrumentation_scope is not None
    assert whole.instrumentation_scope.schema_url == names.SCHEMA_URL
    assert len(measured) == 3
    for point in measured:
        (exemplar,) = point.exemplars
        assert exemplar.span_id == context.span_id


def test_the_time_of_waits_is_charged_to_who_held_the_resource(
    metrics: InMemoryMetricReader, measuring: Telemetry
) -> None:
    """To each place for what it held, at most the whole; both places of a pool for a half each."""

    async def main() -> None:
        lock, pool = traced(asyncio.Lock(), name="lock"), traced(asyncio.Semaphore(2), name="pool")

        async def first(manager: Any) -> None:
            async with manager:
                await asyncio.sleep(0.01)

        async def second(manager: Any) -> None:
            async with manager:
                await asyncio.sleep(0.001)

        await asyncio.gather(first(lock), second(lock), second(lock))
        await asyncio.gather(first(pool), first(pool), second(pool))

    asyncio.run(main())
    measuring.flush()

    data = metrics.get_metrics_data()
    assert data is not None
    points: dict[str, list[Any]] = {
        metric.name: list(metric.data.data_points)
        for metric in data.resource_metrics[0].scope_metrics[0].metrics
    }
    waited = {p.attributes["asyncctx.resource.name"]: p for p in points["asyncctx.wait.duration"]}
    charged: dict[str, list[Any]] = {"lock": [], "pool": []}
    for point in points["asyncctx.blocked.time"]:
        assert point.attributes["code.file.path"] == __file__
        charged[point.attributes["asyncctx.resource.name"]].append(point)
    assert len({point.attributes["code.line.number"] for point in charged["lock"]}) == 2
    assert len(charged["pool"]) == 1
    for name, found in charged.items():
        assert 0 < sum(point.value for point in found) <= waited[name].sum


def test_metrics_have_durations_waiters_and_holders(
    metrics: InMemoryMetricReader, measuring: Telemetry
) -> None:
    """Durations are in seconds; the numbers of waiters and holders return to zero."""

    async def hold(lock: Any) -> None:
        async with lock:
            await asyncio.sleep(0.01)

    async def main() -> None:
        lock = traced(asyncio.Lock(), name="db lock")
        await asyncio.gather(hold(lock), hold(lock))

    asyncio.run(main())
    measuring.flush()

    data = metrics.get_metrics_data()
    assert data is not None
    (resource,) = data.resource_metrics
    (scope,) = resource.scope_metrics
    points: dict[str, list[Any]] = {m.name: list(m.data.data_points) for m in scope.metrics}
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


@pytest.mark.usefixtures("measuring")
def test_metrics_do_not_change_the_current_span() -> None:
    """With a meter provider only, there are no spans."""

    async def main() -> None:
        async with traced(Manager()):
            assert api.get_current_span() is api.INVALID_SPAN

    asyncio.run(main())


@pytest.fixture(autouse=True)
def quiet_log(caplog: Any) -> None:
    caplog.set_level(logging.WARNING)


def test_definitions_of_resources_are_limited(trace: Any, monkeypatch: Any) -> None:
    """A long-lived lock keeps its name, however many others came and went."""
    monkeypatch.setattr("asyncctx_trace.otel.telemetry_sink._RESOURCE_LIMIT", 8)
    tracing = trace()

    async def main() -> None:
        lasting = traced(asyncio.Lock(), name="lasting")
        for number in range(30):
            async with traced(asyncio.Lock(), name=f"lock {number % 2}"), lasting:
                pass

    asyncio.run(main())

    assert len(tracing.named("async with lasting")) == 30
    assert len(tracing.named("async with lock 0")) == 15
    assert len(tracing.telemetry._sink._resources) < 200  # noqa: SLF001 - for a count
