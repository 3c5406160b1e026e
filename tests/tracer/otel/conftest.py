"""Providers with exporters in memory, and asyncctx-trace configured to use them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import trace as api
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from asyncctx_trace import Telemetry, configure


class ApiOnly(api.TracerProvider):
    """A wrapper that shows neither the sampler nor the id generator of a provider."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider

    def get_tracer(self, *args: Any, **options: Any) -> api.Tracer:
        inner = self._provider.get_tracer(*args, **options)

        class Tracer(api.Tracer):
            def start_span(self, *args: Any, **options: Any) -> api.Span:
                return inner.start_span(*args, **options)

            def start_as_current_span(self, *args: Any, **options: Any) -> Any:
                return inner.start_as_current_span(*args, **options)

        return Tracer()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return self._provider.force_flush(timeout_millis)


class TracedProvider:
    """A provider with our telemetry, and the spans that it has exported."""

    def __init__(self, *, api_only: bool = False, **options: Any) -> None:
        """``api_only`` hides everything of the provider but the API."""
        ours = {
            key: options.pop(key)
            for key in ("max_trace_spans", "new_trace_after")
            if key in options
        }
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider(shutdown_on_exit=False, **options)
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = self.provider.get_tracer("the user's own")
        self.telemetry: Telemetry = configure(
            tracer_provider=ApiOnly(self.provider) if api_only else self.provider, **ours
        )

    @property
    def spans(self) -> list[ReadableSpan]:
        """All finished spans, in order of their start, outer ones before inner ones."""
        self.telemetry.flush()
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
    """Return a function that makes a provider; all are closed at the end."""
    made: list[TracedProvider] = []

    def make(**options: Any) -> TracedProvider:
        made.append(TracedProvider(**options))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def metrics() -> InMemoryMetricReader:
    """Return the reader of the meter provider of ``measuring``."""
    return InMemoryMetricReader()


@pytest.fixture
def measuring(metrics: InMemoryMetricReader) -> Iterator[Telemetry]:
    """Return telemetry with a meter provider."""
    provider = MeterProvider([metrics], shutdown_on_exit=False)
    telemetry = configure(meter_provider=provider)
    yield telemetry
    telemetry.close()
    provider.shutdown()
