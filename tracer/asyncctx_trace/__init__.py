"""Trace every ``async with``: which task holds a resource, which waits, what was cleaned up.

Packages, from the lowest layer to the highest::

    errors  native   exceptions; the choice between C and Python implementations
    model/           events and their schema, outcomes, names, durations
    instrument/      from ``async with`` to events
    recording/       events to a file, and back
    spans/           spans of a recording, and events of spans
    dumps/           a ring's seconds around an event, in a recording of their own
    otel/            events to OpenTelemetry spans and metrics, live
    analysis/        questions about events, and findings
    export/          recordings in the formats of other tools; importers/ from other tools
    runtime/         recording a process, launched programs, forks
    attach/          looking into programs that are running already
    testing/         the pytest plugin

PYTEST_DONT_REWRITE: under ``asyncctx-trace run -m pytest`` this package is imported before pytest,
which would warn that it is too late to rewrite our assertions.
"""

from asyncctx_trace.attach.listening import listen, listen_from_environment
from asyncctx_trace.errors import (
    AlreadyRecording,
    AsyncctxTraceError,
    DamagedRecording,
    NewerRecording,
    NotARecording,
    NotInstallable,
    NotTraceable,
    RecordingError,
    RecordingExists,
    SettingsError,
)
from asyncctx_trace.instrument.adapters import (
    Adapter,
    AtCreation,
    Checkout,
    Give,
    Pair,
    Take,
    register_adapter,
)
from asyncctx_trace.instrument.api import install, uninstall
from asyncctx_trace.instrument.wrapping.traced import traced, untraced
from asyncctx_trace.otel.telemetry import Telemetry, configure, discover_providers
from asyncctx_trace.runtime import fork
from asyncctx_trace.runtime.recording_session import dump, record, record_from_environment

__all__ = [
    "Adapter",
    "AlreadyRecording",
    "AsyncctxTraceError",
    "AtCreation",
    "Checkout",
    "DamagedRecording",
    "Give",
    "NewerRecording",
    "NotARecording",
    "NotInstallable",
    "NotTraceable",
    "Pair",
    "RecordingError",
    "RecordingExists",
    "SettingsError",
    "Take",
    "Telemetry",
    "configure",
    "dump",
    "install",
    "listen",
    "record",
    "register_adapter",
    "traced",
    "uninstall",
    "untraced",
]

fork.register()
record_from_environment()
discover_providers()
listen_from_environment()
