"""See what every ``async with`` does: who holds, who waits, what cleaned up and what never did.

A map of the package::

    events  errors     the facts, and what can go wrong
    outcome  limits    how a phase ended; how many a resource lets in
    instrument/        async with -> facts
    recording/         facts <-> file
    spans/             facts -> OpenTelemetry
    analysis/          facts -> answers
    export/            recording -> other tools' files
    session            turns recording on and off
    telemetry          turns spans and measurements on and off
    testing/           the pytest plugin
    child  bootstrap/  what a launched program does before its first line
    instrumentor       what opentelemetry-instrument finds
    compiled           puts what was compiled in place of the Python of the hot path

PYTEST_DONT_REWRITE: under ``asyncctx-trace run -m pytest`` this package is there before pytest,
which would warn that it comes too late to rewrite our assertions.
"""

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
from asyncctx_trace.runtime.recording_session import record, record_from_environment

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
    "install",
    "record",
    "register_adapter",
    "traced",
    "uninstall",
    "untraced",
]

fork.register()
record_from_environment()
discover_providers()
