"""Triggers and dumps are counters of the process's own meter provider."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from asyncctx_trace import configure, dump, record, traced
from asyncctx_trace.otel import dump_counters


@pytest.fixture(autouse=True)
def from_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests of this process may have counted."""
    monkeypatch.setattr(dump_counters, "triggers", Counter())
    monkeypatch.setattr(dump_counters, "dumps", Counter())


def values(reader: InMemoryMetricReader, name: str) -> dict[tuple[str, ...], int]:
    """Return the values of a counter: the values of its attributes -> its value."""
    data: Any = reader.get_metrics_data()
    return {
        tuple(point.attributes.values()): point.value
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.name == name
        for point in metric.data.data_points
    }


def test_each_trigger_and_each_outcome_of_a_dump_is_counted(tmp_path: Path) -> None:
    """The second and the third time, there is no dump."""
    reader = InMemoryMetricReader()
    telemetry = configure(meter_provider=MeterProvider([reader], shutdown_on_exit=False))

    async def fail() -> None:
        for _ in range(3):
            try:
                async with traced(asyncio.Lock(), name="db lock"):
                    raise TimeoutError
            except TimeoutError:
                pass

    try:
        with record(tmp_path / "a.actx", on=["error(OSError)"]):
            asyncio.run(fail())
            dump("why")
        triggers, dumps = values(reader, "asyncctx.trigger"), values(reader, "asyncctx.dumps")
    finally:
        telemetry.close()

    assert triggers == {("error(OSError)",): 3, ("call",): 1}
    assert dumps == {
        ("error(OSError)", "written"): 1,
        ("error(OSError)", "suppressed"): 2,
        ("call", "written"): 1,
    }
