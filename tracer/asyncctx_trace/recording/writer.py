"""The sink that keeps definitions and facts in the recording."""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import mmap
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from time import monotonic_ns

from asyncctx_trace.recording.format import (
    LENGTH,
    SEGMENT,
    SEGMENT_HEADER,
    TEXT_LIMIT,
    SegmentKind,
)
from asyncctx_trace.recording.segments import Segments
from asyncctx_trace.recording.stamping import Stamper

__all__ = ["Recorder", "TextWriter"]

_log = logging.getLogger("asyncctx_trace")
_encode = json.JSONEncoder(separators=(",", ":")).encode


class TextWriter:
    """Appends definitions and notes to a recording; may be called from any thread."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._begin()

    def _begin(self) -> None:
        self._segments = Segments(self.path)
        # Reentrant: a collected task may be told of while this thread is inside.
        self._lock = threading.RLock()
        self._texts: mmap.mmap | None = None
        self._end = 0
        self._busy = False
        """Whether a thread changes what is above; a signal handler must not do so meanwhile."""
        self._interruptions: list[dict[str, object]] = []
        """Noted by signal handlers, and not written yet."""
        self._write(
            "process",
            at=monotonic_ns(),
            pid=os.getpid(),
            ppid=os.getppid(),
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

    def printed(self, at: int, stream: str, text: str) -> None:
        """A line that the program printed to ``stream`` (``stdout`` or ``stderr``)."""
        self._write("printed", at=at, stream=stream, text=text)

    def marked(self, at: int, text: str) -> None:
        """A mark on the timeline."""
        self._write("marked", at=at, text=text)

    def dropped(self, at: int, acquisitions: int, reason: str) -> None:
        """So many acquisitions are missing."""
        self._write("dropped", at=at, acquisitions=acquisitions, reason=reason)

    def interrupted(self, at: int, pid: int, reason: str) -> None:
        """Note that somebody began to end process ``pid`` at time ``at``.

        ``reason`` is the name of a signal, or ``KeyboardInterrupt``. May be called by a signal
        handler, whatever the handler interrupts.
        """
        self._interruptions.append({"at": at, "pid": pid, "reason": reason})
        self._write_interruptions()

    def process_ended(self, at: int, pid: int, exit_code: int | None) -> None:
        """Process ``pid`` is over; ``exit_code`` where it is known (a signal as ``-n``)."""
        self._write("end", at=at, pid=pid, exit=exit_code)

    def close(self) -> None:
        """Let go of the file; what was written stays."""
        with self._lock:
            self._segments.close()


class Recorder(TextWriter, Stamper):
    """A sink that keeps every fact in an ``.actx`` file that exists already.

    Definitions are texts, facts are stamped into mapped pages: there is no thread, no buffer and
    nothing to flush.
    """

    def _begin(self) -> None:
        super()._begin()
        self._next_error = itertools.count(1).__next__
        self.lost = 0
        self._open_facts()

    def restart_in_child(self) -> None:
        """Give a forked child segments of its own; the parent's are not its to write."""
        self._segments.close()
        self._begin()

    def close(self) -> None:
        """Say goodbye in the recording and let go of the file."""
        now = monotonic_ns()
        if self.lost:
            self.dropped(now, self.lost, "no room on the disk")
        self.process_ended(now, os.getpid(), None)
        super().close()

    # -- pages ------------------------------------------------------------------------------

    def _open_facts(self) -> None:
        self.use(self._segments.new(SegmentKind.FACTS).page)

    def turn(self, full: mmap.mmap | None) -> bool:
        with self._alone():
            if full is not None and self.page is full:
                try:
                    self._open_facts()
                except OSError as error:
                    self.use(None)
                    _log.error("asyncctx-trace: the recording stops here: %s", error)
                    with contextlib.suppress(OSError):
                        self.dropped(monotonic_ns(), 0, f"the recording stops here: {error}")
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
        self._write("resource", id=resource, kind=kind, name=name, capacity=capacity)

    def task_defined(
        self, at: int, task: int, name: str, runtime: str, parent: int, thread: str
    ) -> None:
        self._write(
            "task", at=at, id=task, name=name, runtime=runtime, parent=parent, thread=thread
        )

    def words_of(self, error: BaseException) -> int:
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
