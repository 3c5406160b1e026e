"""The sink that keeps definitions and facts in the recording."""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import mmap
import sys
from collections.abc import Iterator
from pathlib import Path

from asyncctx_trace.model.unpatched import unpatched
from asyncctx_trace.recording.append import RecordAppender
from asyncctx_trace.recording.format import (
    HEARTBEAT,
    LENGTH,
    LOSSES,
    SEGMENT,
    SEGMENT_HEADER,
    TEXT_LIMIT,
    SegmentKind,
)
from asyncctx_trace.recording.segments import Segments
from asyncctx_trace.recording.validation import MAX_TIME

__all__ = ["Recorder", "TextWriter"]

_log = logging.getLogger("asyncctx_trace")
_LAST_NOTES = frozenset({"end", "interrupted", "stopped"})
"""Entries that are still written, if there is room, when nothing is recorded any more."""
_encode = json.JSONEncoder(separators=(",", ":")).encode


class TextWriter:
    """Appends definitions and notes to a recording; may be called from any thread."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._begin()

    def _begin(self) -> None:
        self._segments = Segments(self.path)
        # Reentrant: a collected task may be told of while this thread is inside.
        self._lock = unpatched.RLock()
        self._texts: mmap.mmap | None = None
        self._end = 0
        self._busy = False
        """Whether a thread changes what is above; a signal handler must not do so meanwhile."""
        self._interruptions: list[dict[str, object]] = []
        """Noted by signal handlers, and not written yet."""
        self._write(
            "process",
            at=unpatched.monotonic_ns(),
            pid=unpatched.getpid(),
            ppid=unpatched.getppid(),
            title=" ".join(sys.orig_argv),
        )

    def _write(self, what: str, /, **fields: object) -> None:
        for key, value in fields.items():
            if isinstance(value, str) and len(value) > TEXT_LIMIT:
                left_out = len(value) - TEXT_LIMIT
                fields[key] = f"{value[:TEXT_LIMIT]}… (+{left_out} characters)"
        # Plain ASCII: lone surrogates survive, and the length in characters is that in bytes.
        entry = _encode({"k": what, **fields}).encode("ascii")
        room = LENGTH.size + (len(entry) + 3) // 4 * 4
        with self._alone():
            while self._texts is None or self._end + room > SEGMENT:
                self._open_texts()
                self._write_losses()
            page, place = self._texts, self._end
            self._end += room
            page[place + LENGTH.size : place + LENGTH.size + len(entry)] = entry
            LENGTH.pack_into(page, place, len(entry))

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the lock; then write what a signal handler could not write meanwhile."""
        with self._lock:
            busy, self._busy = self._busy, True
            try:
                yield
            finally:
                self._busy = busy
        self._write_interruptions()

    def _write_interruptions(self) -> None:
        while self._interruptions and not self._busy:
            self._write("interrupted", **self._interruptions.pop(0))

    def _open_texts(self) -> None:
        self._texts = self._segments.new(SegmentKind.TEXTS).page
        self._end = SEGMENT_HEADER.size

    def _write_losses(self) -> None:
        """Put into the header of the page of texts what is missing."""

    def heartbeat(self, at: int) -> None:
        """Note that the program was seen to run at time ``at``; takes no room."""
        with self._alone():
            if self._texts is not None:
                fields, offset = HEARTBEAT
                fields.pack_into(self._texts, offset, at)

    def printed(self, at: int, stream: str, text: str) -> None:
        """A line that the program printed to ``stream`` (``stdout`` or ``stderr``)."""
        self._write("printed", at=at, stream=stream, text=text)

    def marked(self, at: int, text: str) -> None:
        """A mark on the timeline."""
        self._write("marked", at=at, text=text)

    def dropped(self, at: int, acquisitions: int, reason: str) -> None:
        """So many acquisitions are missing."""
        self._write("dropped", at=at, acquisitions=acquisitions, reason=reason)

    def interrupted(self, at: int, pid: int, reason: str, *, late: bool = False) -> None:
        """Note that somebody began to end process ``pid`` at time ``at``.

        ``reason`` is the name of a signal, or ``KeyboardInterrupt``; ``late`` says that the process
        got the signal at the same time as its launcher, who notes it. May be called by a signal
        handler, whatever the handler interrupts.
        """
        self._interruptions.append({"at": at, "pid": pid, "reason": reason, "late": late})
        self._write_interruptions()

    def process_ended(self, at: int, pid: int, exit_code: int | None) -> None:
        """Process ``pid`` is over; ``exit_code`` where it is known (a signal as ``-n``)."""
        self._write("end", at=at, pid=pid, exit=exit_code)

    def close(self) -> None:
        """Let go of the file; what was written stays."""
        with self._lock:
            self._segments.close()


class Recorder(TextWriter, RecordAppender):
    """A sink that keeps every fact in an ``.actx`` file that exists already.

    Definitions are texts, facts are stamped into mapped pages: there is no thread, no buffer and
    nothing to flush.
    """

    def _begin(self) -> None:
        self.lost = 0
        self._missing_since = 0
        """When the first fact was lost (monotonic ns); 0 as long as none was."""
        self.stopped = False
        """Whether nothing is recorded any more, only counted."""
        super()._begin()
        self._next_error = itertools.count(1).__next__
        self._open_facts()

    def restart_in_child(self) -> None:
        """Give a forked child segments of its own; the parent's are not its to write."""
        self._segments.close()
        self._begin()

    def close(self) -> None:
        """Say goodbye in the recording and let go of the file."""
        try:
            self.process_ended(unpatched.monotonic_ns(), unpatched.getpid(), None)
        finally:
            super().close()

    # -- losses -----------------------------------------------------------------------------

    def stop_recording(self, error: BaseException) -> None:
        """Record nothing any more because of ``error``; later acquisitions are only counted.

        What is missing, and since when, stands in the recording at any time.
        """
        if not self.stopped:
            self.stopped = True
            self._missing_since = self._missing_since or unpatched.monotonic_ns()
            self.use_page(None)
            self._write_losses()
            self._write("stopped", reason=f"{type(error).__name__}: {error}")

    def missed(self) -> None:
        """Note that a fact could not be taken, which may have been an acquisition's first."""
        self.lost += 1
        self.note_lost()

    def note_lost(self) -> None:
        self._missing_since = self._missing_since or unpatched.monotonic_ns()
        self._write_losses()

    def _write_losses(self) -> None:
        if self._texts is not None and self._missing_since:
            fields, offset = LOSSES
            lost = min(self.lost, 0xFFFFFFFF)
            fields.pack_into(self._texts, offset, self._missing_since, lost, self.stopped)

    def _write(self, what: str, /, **fields: object) -> None:
        if not self.stopped:
            super()._write(what, **fields)
        elif what in _LAST_NOTES:
            with contextlib.suppress(Exception):
                super()._write(what, **fields)

    # -- pages ------------------------------------------------------------------------------

    def _open_facts(self) -> None:
        self.use_page(self._segments.new(SegmentKind.RECORDS).page)

    def rotate(self, full: mmap.mmap | None) -> bool:
        with self._alone():
            if full is not None and self.page is full:
                try:
                    self._open_facts()
                except Exception as error:
                    self.stop_recording(error)
                    _log.error("asyncctx-trace: the recording stops here: %s", error)
            return self.page is not None

    # -- definitions ------------------------------------------------------------------------

    def manager_defined(self, manager: int, name: str) -> None:
        self._write("manager", id=manager, name=name)

    def site_defined(
        self, site: int, file: str, line: int, function: str, text: str, caller: int = 0
    ) -> None:
        self._write(
            "site", id=site, file=file, line=line, function=function, text=text, caller=caller
        )

    def resource_defined(self, resource: int, kind: str, name: str, capacity: int | None) -> None:
        # Kind, name and capacity may be what the program gave to traced(), of any type.
        known = isinstance(capacity, int) and 0 <= capacity < MAX_TIME
        self._write(
            "resource",
            id=resource,
            kind=str(kind),
            name=str(name),
            capacity=capacity if known else None,
        )

    def task_defined(
        self, at: int, task: int, name: str, runtime: str, parent: int, thread: str
    ) -> None:
        self._write(
            "task", at=at, id=task, name=name, runtime=runtime, parent=parent, thread=thread
        )

    def intern_error(self, error: BaseException) -> int:
        if self.stopped:
            return 0
        cls = type(error)
        try:
            message = str(error)
        except Exception:  # the program's own __str__ is broken; the fact still counts
            message = "(its message cannot be shown)"
        number = self._next_error()
        self._write(
            "error", id=number, type=f"{cls.__module__}.{cls.__qualname__}", message=message
        )
        return number
