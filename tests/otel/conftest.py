"""A provider of the user's with an exporter in memory, and asyncctx-trace told of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from asyncctx_trace import Telemetry, configure


class Tracing:
    """A provider with options, our telemetry on it, and what has been exported."""

    def __init__(self, **options: Any) -> None:
        ours = {key: options.pop(key) for key in ("new_trace_after",) if key in options}
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider(shutdown_on_exit=False, **options)
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = self.provider.get_tracer("the user's own")
        self.telemetry: Telemetry = configure(tracer_provider=self.provider, **ours)

    @property
    def spans(self) -> list[ReadableSpan]:
        """All that are finished, in order of their start; the outer before the inner."""
        self.provider.force_flush()
        return sorted(
            self.exporter.get_finished_spans(), key=lambda s: (s.start_time, -(s.end_time or 0))
        )

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.spans if span.name == name]

    def one(self, name: str) -> ReadableSpan:
        (found,) = self.named(name)
        return found

    def children(self, parent: ReadableSpan) -> list[ReadableSpan]:
        return [s for s in self.spans if s.parent and s.parent.span_id == parent.context.span_id]

    def close(self) -> None:
        self.telemetry.close()
        self.provider.shutdown()


@pytest.fixture
def trace() -> Iterator[Any]:
    """Makes a Tracing; closes it at the end."""
    made: list[Tracing] = []

    def make(**options: Any) -> Tracing:
        made.append(Tracing(**options))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def metrics() -> Iterator[InMemoryMetricReader]:
    """A meter provider that asyncctx-trace measures with."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    telemetry = configure(meter_provider=provider)
    yield reader
    telemetry.close()
    provider.shutdown()
