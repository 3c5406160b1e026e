"""OpenTelemetry measurements: durations of acquisitions, waiters, holders, triggers, dumps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from opentelemetry.context import Context
from opentelemetry.metrics import CallbackOptions, Histogram, Meter, MeterProvider, Observation

from asyncctx_trace.model import conventions as names
from asyncctx_trace.otel import dump_counters
from asyncctx_trace.otel.definitions import ResourceInfo, SiteInfo
from asyncctx_trace.otel.live_acquisition import LiveAcquisition

__all__ = ["Measurements"]

_BOUNDARIES = [
    1e-5, 1e-4, 5e-4, 1e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 1e-1, 2.5e-1, 5e-1, 1, 2.5, 5, 10, 60,
]  # fmt: skip
"""Seconds; OpenTelemetry's default boundaries are meant for milliseconds."""


class Measurements:
    """Measures each acquisition as its phases end."""

    def __init__(self, provider: MeterProvider, version: str) -> None:
        meter = provider.get_meter(names.SCOPE, version)
        self._wait = _histogram(
            meter, names.WAIT_DURATION, "Duration of the enter: waiting for the resource."
        )
        self._hold = _histogram(
            meter, names.HOLD_DURATION, "Duration of the body: holding the resource."
        )
        self._cleanup = _histogram(
            meter, names.CLEANUP_DURATION, "Duration of the exit: cleaning up."
        )
        self._blocked = meter.create_counter(
            names.BLOCKED_TIME, "s", "Time that others waited, by the place that held the resource."
        )
        self._waiters = meter.create_up_down_counter(
            names.WAITERS, "{acquisition}", "Acquisitions that wait for the resource."
        )
        self._holders = meter.create_up_down_counter(
            names.HOLDERS, "{acquisition}", "Acquisitions that hold the resource."
        )
        meter.create_observable_counter(
            names.TRIGGER, [_triggers], "{trigger}", "Conditions of dumps that were fulfilled."
        )
        meter.create_observable_counter(
            names.DUMPS, [_dumps], "{dump}", "Dumps that were written, suppressed, or failed."
        )

    def enter_started(self, live: LiveAcquisition) -> None:
        """Count a waiter."""
        self._waiters.add(1, _resource(live.resource))

    def enter_ended(self, live: LiveAcquisition, exemplar: Context | None) -> None:
        """Measure the wait; count a holder if it was successful.

        ``exemplar`` is a context with the lifecycle span, which the histograms refer to.
        """
        attributes = _resource(live.resource)
        self._waiters.add(-1, attributes)
        if live.entered:
            self._holders.add(1, attributes)
        waited = (live.enter_ended - live.enter_started) / 1e9
        self._wait.record(
            waited, {**attributes, names.OUTCOME: names.OUTCOMES[live.enter_outcome]}, exemplar
        )

    def blocked(self, live: LiveAcquisition, holders: Sequence[LiveAcquisition]) -> None:
        """Charge the wait of ``live``, which has ended, to the places of ``holders``.

        Each is charged for the time that it held the resource during the wait, divided by how many
        can hold it at once; so the charges of a wait are no more than the wait.
        """
        limit = live.resource.limit or 1
        attributes: dict[str, str | int] = {**_resource(live.resource)}
        for holder in holders:
            start = max(live.enter_started, holder.enter_ended)
            held = min(live.enter_ended, holder.exit_ended or live.enter_ended) - start
            if held > 0:
                self._blocked.add(held / limit / 1e9, {**attributes, **_place(holder.site)})

    def exit_ended(self, live: LiveAcquisition, exemplar: Context | None) -> None:
        """Measure the body and the exit; ``exemplar`` as for :meth:`enter_ended`."""
        attributes = _resource(live.resource)
        self._holders.add(-1, attributes)
        held = (live.exit_started - live.enter_ended) / 1e9
        self._hold.record(
            held, {**attributes, names.OUTCOME: names.OUTCOMES[live.body_outcome]}, exemplar
        )
        cleaned = (live.exit_ended - live.exit_started) / 1e9
        self._cleanup.record(
            cleaned, {**attributes, names.OUTCOME: names.OUTCOMES[live.exit_outcome]}, exemplar
        )


def _triggers(_: CallbackOptions) -> Iterator[Observation]:
    for trigger, count in list(dump_counters.triggers.items()):
        yield Observation(count, {names.TRIGGER_NAME: trigger})


def _dumps(_: CallbackOptions) -> Iterator[Observation]:
    for (trigger, outcome), count in list(dump_counters.dumps.items()):
        yield Observation(count, {names.TRIGGER_NAME: trigger, names.DUMP_OUTCOME: outcome})


def _histogram(meter: Meter, name: str, description: str) -> Histogram:
    try:
        return meter.create_histogram(
            name, "s", description, explicit_bucket_boundaries_advisory=_BOUNDARIES
        )
    except TypeError:  # opentelemetry-api before 1.30 has no such parameter
        return meter.create_histogram(name, "s", description)


def _place(site: SiteInfo | None) -> dict[str, str | int]:
    if site is None:
        return {}
    return {names.CODE_FILE_PATH: site.file, names.CODE_LINE_NUMBER: site.line}


def _resource(resource: ResourceInfo) -> dict[str, str]:
    return {names.RESOURCE_KIND: resource.kind, names.RESOURCE_NAME: resource.name}
