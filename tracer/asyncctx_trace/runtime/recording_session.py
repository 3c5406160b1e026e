"""Turns the recording of this process on and off."""

from __future__ import annotations

import atexit
import os
import sys
from types import TracebackType
from typing import TYPE_CHECKING, Any

from asyncctx_trace.errors import AlreadyRecording, AsyncctxTraceError
from asyncctx_trace.instrument import sinks
from asyncctx_trace.instrument.hidden_frames import call_hidden
from asyncctx_trace.instrument.registry import resources
from asyncctx_trace.instrument.registry import tasks as tasks_
from asyncctx_trace.model.unpatched import unpatched

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from asyncctx_trace.recording.writing.ring import LiveSet
    from asyncctx_trace.recording.writing.writer import Recorder
    from asyncctx_trace.runtime.always_on import AlwaysOn

__all__ = ["ENVIRONMENT", "dump", "record", "record_from_environment"]

ENVIRONMENT = "ASYNCCTX_TRACE_RECORD"
"""The environment variable that names the file to record to."""

_JOIN = "ASYNCCTX_TRACE_RECORD_JOIN"
"""Set in the environment of child processes: the file exists, and they add to it."""

_recorder: Recorder | None = None
_always_on: AlwaysOn | None = None
"""What watches the ring; ``None`` if everything is kept."""


class record:
    """Record this process to a file, from the beginning to the end of a ``with`` block.

    It works in ``with`` and ``async with``. Only what is traced is recorded: what :func:`traced`
    wraps, and after :func:`install` every ``async with`` of the program. Forked children write
    to the same file.

    Args:
        path: The file to create, by convention with the suffix ``.actx``. Missing folders are
            created; only the owner can read the file.
        overwrite: Replace an existing file.
        keep: Limit the file to its newest part, as a size (``"200MB"``, ``"1GiB"``) or a duration
            (``"90s"``, ``"10m"``, ``"1h"``). Default: no limit; with ``on``, ``"50MB"``.
        redact: Keep what may be secret out of the file: the process's arguments, messages of
            exceptions, and string literals in source text and names.
        on: Conditions under which the seconds around are written to a recording of their own, a
            dump: ``"wait>2s"``, ``"wait>10*p99"``, ``"full(db pool)>5s"``, ``"deadlock"``,
            ``"leak"``, ``"enter-error"``, ``"error(TimeoutError)"``, ``"lag>200ms"``, or the name
            of a signal, such as ``"SIGUSR2"``. :func:`dump` writes one as well.
        before: How much before the condition a dump contains. Default: ``"10s"``.
        after: How much after it. Default: ``"5s"``.
        dumps: The folder for dumps. Default: beside ``path``, with the suffix ``.dumps``.
        dump_every: How long no second dump is written for the same condition. Default: ``"60s"``.
        dumps_per_hour: How many dumps are written at most in an hour. Default: 30.
        sample: Write a sample of everything as well: ``"1/100"`` for one in 100 of the acquisitions
            that were short and ended well, and all others, each minute a file.
        sample_longer: From which duration on acquisitions are always in a sample. Default:
            ``"10ms"``.
        sample_every: The time in one file. Default: ``"60s"``.
        dump_limit: The size of all dumps; the oldest are removed beyond it. Default: ten times
            ``keep``.

    Raises:
        RecordingExists: On entering, if the file exists and ``overwrite`` is false.
        AlreadyRecording: On entering, if this process already records.
        AsyncctxTraceError: On entering, if ``keep``, a condition or an option of dumps is invalid.
        OSError: On entering, if the file cannot be created.

    Example:
        >>> import asyncio, tempfile
        >>> from pathlib import Path
        >>> from asyncctx_trace import record, traced
        >>> async def main():
        ...     async with traced(asyncio.Lock(), name="db lock"):
        ...         pass
        >>> with record(Path(tempfile.mkdtemp()) / "run.actx") as path:
        ...     asyncio.run(main())
        >>> path.stat().st_size > 0
        True
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        overwrite: bool = False,
        keep: str | None = None,
        redact: bool = False,
        on: Sequence[str] = (),
        before: str | None = None,
        after: str | None = None,
        dumps: str | os.PathLike[str] | None = None,
        dump_every: str | None = None,
        dumps_per_hour: int | None = None,
        dump_limit: str | None = None,
        sample: str | None = None,
        sample_longer: str | None = None,
        sample_every: str | None = None,
    ) -> None:
        from pathlib import Path  # here, as below: a third of the time to import this package

        self.path = Path(path)
        self._overwrite = overwrite
        self._keep = keep
        self._redact = redact
        self._options = {
            "on": on or None,
            "before": before,
            "after": after,
            "dumps": dumps,
            "dump_every": dump_every,
            "dumps_per_hour": dumps_per_hour,
            "dump_limit": dump_limit,
            "sample": sample,
            "sample_longer": sample_longer,
            "sample_every": sample_every,
        }

    def __enter__(self) -> Path:
        if _recorder is not None:
            raise AlreadyRecording(
                f"this process already records to {_recorder.path}: end that recording first"
            )
        from asyncctx_trace.recording.writing.segments import create

        keep = check_options(self._keep, self._options)  # before the file is created
        create(self.path, overwrite=self._overwrite)
        join(self.path, keep, redact=self._redact, options=self._options)
        return self.path

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        stop()

    async def __aenter__(self) -> Path:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        stop()


def check_options(keep: str | None, options: Mapping[str, Any]) -> str | None:
    """Return how much is kept; raises AsyncctxTraceError if that, or options of dumps, is wrong."""
    from asyncctx_trace.dumps.options import DEFAULT_KEEP, DumpOptions
    from asyncctx_trace.recording.writing.retention import Retention
    from asyncctx_trace.runtime import always_on

    parsed = DumpOptions.parse(options)
    always_on.check(parsed)
    if keep is None and (parsed.on or parsed.sample):
        keep = DEFAULT_KEEP
    if keep is not None:
        Retention.parse(keep)
    return keep


def join(
    path: Path,
    keep: str | None = None,
    *,
    redact: bool = False,
    options: Mapping[str, Any] | None = None,
) -> None:
    """Add the events of this process to the existing recording ``path``.

    Args:
        path: The file, as :func:`asyncctx_trace.recording.writing.segments.create` makes it.
        keep: How much of the newest events to keep, see :class:`record`. Default: all.
        redact: Whether to leave values of the program out, see :class:`record`.
        options: Those of dumps, by the names that they have in :class:`record`.

    Raises:
        AsyncctxTraceError: If ``keep`` or an option is invalid.
        OSError: If the file cannot be opened, or there is no space.
    """
    global _always_on, _recorder
    if keep is None:
        from asyncctx_trace.recording.writing.writer import Recorder

        recorder = Recorder(path, redact=redact)
    else:
        from asyncctx_trace.recording.writing.observed_ring import ObservedRing
        from asyncctx_trace.recording.writing.retention import Retention

        recorder = ObservedRing(path, Retention.parse(keep), _live_set, redact=redact)
    recorder.call_hidden = call_hidden
    sinks.attach(recorder)
    _recorder = recorder
    if keep is not None:
        from asyncctx_trace.dumps.options import DumpOptions
        from asyncctx_trace.recording.writing.observed_ring import ObservedRing
        from asyncctx_trace.runtime.always_on import AlwaysOn

        assert isinstance(recorder, ObservedRing)
        _always_on = AlwaysOn(recorder, DumpOptions.parse(options or {}))
        _always_on.start()
    atexit.register(stop)


def _live_set() -> LiveSet:
    from asyncctx_trace.recording.writing.ring import LiveSet

    tasks = tasks_.known()
    return LiveSet(
        acquisitions={acquisition.id for task in tasks for acquisition in task.open}
        | {task.wait for task in tasks if task.wait},
        tasks={task.id for task in tasks},
        resources={resource.id for resource in resources.known()},
    )


def dump(reason: str) -> Path | None:
    """Write what happened just before and after this call to a recording of its own, a dump.

    Any thread, task, request handler or signal handler may call it; it returns at once, and the
    file is written a little later: after the time that ``after`` of :class:`record` says, or when
    the recording ends.

    Args:
        reason: Why, in a few words. It is shown wherever the dump is.

    Returns:
        The file that will have the dump. ``None`` if there is none: this process does not record
        with ``keep`` or ``on``, or it has just written one (see ``dump_every`` and
        ``dumps_per_hour`` of :class:`record`).

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from asyncctx_trace import dump, record
        >>> with record(Path(tempfile.mkdtemp()) / "service.actx", keep="50MB"):
        ...     path = dump("a customer called")
        >>> path.parent.name
        'service.dumps'
    """
    return None if _always_on is None else _always_on.dump(str(reason))


def recording() -> Path | None:
    """Return the file that this process records to, or ``None``."""
    return None if _recorder is None else _recorder.path


def stop() -> None:
    """End the recording of this process, if there is one."""
    global _always_on, _recorder
    recorder, _recorder = _recorder, None
    always_on, _always_on = _always_on, None
    atexit.unregister(stop)
    if recorder is not None:
        tasks_.note_finished(unpatched.monotonic_ns())
        if always_on is not None:
            always_on.stop()
        sinks.detach(recorder)
        try:
            recorder.close()
        except OSError:  # that the disk is full has been logged already
            pass


def mark(text: str) -> None:
    """Put a mark on the timeline of the recording of this process, if there is one."""
    if _recorder is not None:
        _recorder.marked(unpatched.monotonic_ns(), text)


def give_up(error: Exception) -> None:
    """Record nothing more in this process, and note the reason in the recording."""
    if _recorder is not None:
        _recorder.stop_recording(error)


def record_from_environment() -> None:
    """Record to the file that ``ASYNCCTX_TRACE_RECORD`` names, if it is set.

    An error is printed as one line to stderr, and the program continues without a recording.
    """
    path = os.environ.get(ENVIRONMENT)
    if not path or _recorder is not None:
        return
    from pathlib import Path

    from asyncctx_trace.recording.writing.segments import create
    from asyncctx_trace.runtime.redaction_setting import redaction_is_set
    from asyncctx_trace.runtime.ring_settings import ring_settings

    recording = Path(path).resolve()
    try:
        keep, options = ring_settings()
        if _JOIN not in os.environ:
            create(recording)
            # For the processes that this one starts: they add to the same file.
            os.putenv(ENVIRONMENT, str(recording))
            os.putenv(_JOIN, "1")
        join(recording, keep, redact=redaction_is_set(), options=options)
    except (AsyncctxTraceError, OSError) as error:
        print(f"asyncctx-trace: not recording: {error}", file=sys.stderr)


def restart_in_child() -> None:
    """Record a forked child in segments of its own."""
    if _recorder is not None:
        try:
            _recorder.restart_in_child()
            sinks.send_definitions(_recorder)
            if _always_on is not None:
                _always_on.restart_in_child()
        except Exception as error:
            sinks.disable_sink(_recorder, error)
