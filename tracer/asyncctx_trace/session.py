"""Turns recording on and off, for this process and those it forks."""

from __future__ import annotations

import atexit
import os
import sys
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from asyncctx_trace.errors import AlreadyRecording, AsyncctxTraceError
from asyncctx_trace.instrument import hub

if TYPE_CHECKING:
    from asyncctx_trace.recording.writer import Recorder

__all__ = ["ENVIRONMENT", "record", "record_from_environment"]

ENVIRONMENT = "ASYNCCTX_TRACE_RECORD"
"""Names the recording of a program that is told from outside to record itself."""

_JOIN = "ASYNCCTX_TRACE_RECORD_JOIN"
"""Tells a process that the recording is its parent's."""

_recorder: Recorder | None = None


class record:
    """Record this process from here to the end of the block, ``with`` or ``async with``.

    Raises RecordingExists, AlreadyRecording, or OSError before the block begins.
    """

    def __init__(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        self.path = Path(path)
        self._overwrite = overwrite

    def __enter__(self) -> Path:
        if _recorder is not None:
            raise AlreadyRecording(
                f"this process already records to {_recorder.path}: end that recording first"
            )
        from asyncctx_trace.recording.segments import create

        create(self.path, overwrite=self._overwrite)
        join(self.path)
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


def join(path: Path) -> None:
    """Add this process's facts to the recording ``path``, which exists already."""
    global _recorder
    from asyncctx_trace.recording.writer import Recorder

    recorder = Recorder(path)
    hub.attach(recorder)
    _recorder = recorder
    atexit.register(stop)


def stop() -> None:
    """End what this process records; no error if it records nothing."""
    global _recorder
    recorder, _recorder = _recorder, None
    atexit.unregister(stop)
    if recorder is not None:
        hub.detach(recorder)
        try:
            recorder.close()
        except OSError:  # a full disk has been told of already
            pass


def record_from_environment() -> None:
    """Record to the file that the environment names, if it names one.

    What is wrong with it is said in one line on stderr; the program runs on, unrecorded.
    """
    path = os.environ.get(ENVIRONMENT)
    if not path or _recorder is not None:
        return
    from asyncctx_trace.recording.segments import create

    recording = Path(path).resolve()
    try:
        if _JOIN not in os.environ:
            create(recording)
            # For the processes that this one starts: they add to it, wherever they stand.
            os.putenv(ENVIRONMENT, str(recording))
            os.putenv(_JOIN, "1")
        join(recording)
    except (AsyncctxTraceError, OSError) as error:
        print(f"asyncctx-trace: not recording: {error}", file=sys.stderr)


def _go_on_in_child() -> None:
    if _recorder is not None:
        try:
            _recorder.restart_in_child()
            hub.replay(_recorder)
        except Exception as error:
            hub.switch_off(_recorder, error)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_go_on_in_child)
