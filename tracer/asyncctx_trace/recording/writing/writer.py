"""The sink that writes events and definitions to a recording."""

from __future__ import annotations

import contextlib
import itertools
import logging
import mmap
import sys
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from asyncctx_trace.model.unpatched import unpatched
from asyncctx_trace.recording.format import (
    HEARTBEAT,
    LOSSES,
    SEGMENT,
    SEGMENT_HEADER,
    SegmentKind,
)
from asyncctx_trace.recording.text_entries import encode_entry, put_entry, stored_size
from asyncctx_trace.recording.validation import MAX_TIME
from asyncctx_trace.recording.writing.append import RecordAppender
from asyncctx_trace.recording.writing.redaction import redact
from asyncctx_trace.recording.writing.segments import PATIENCE, Segment, Segments, SegmentsBusy
from asyncctx_trace.recording.writing.source_digest import digest_of_file

__all__ = ["BACKOFF", "Recorder", "TextWriter"]

_log = logging.getLogger("asyncctx_trace")
BACKOFF = 1_000_000_000
"""After an attempt to append that was in vain, how long there is no other that waits, in ns."""
_RETRY = 10_000_000
"""How long there is none at all, in ns: what is lost meanwhile is counted in memory only if the
process has no page yet."""
_MAX_WAITING = 10_000
"""Entries that are kept in memory while another process appends."""
_LAST_NOTES = frozenset({"end", "interrupted", "stopped"})
"""Entries that are written even after the recording has stopped, if there is space."""


class TextWriter:
    """Appends definitions and notes to a recording; may be called from any thread."""

    def __init__(self, path: Path, *, redact: bool = False) -> None:
        """``redact``: keep arguments, messages, output and literals out of the recording."""
        self.path = path
        self._redact = redact
        self._begin()

    def _begin(self) -> None:
        self._segments = Segments(self.path)
        self._busy_until = 0
        """Before this time, nothing waits for the lock of the file (monotonic ns)."""
        self._retry_at = 0
        """Before this time, no segment is appended (monotonic ns)."""
        # Reentrant: the end of a collected task may be reported while this thread holds it.
        self._lock = unpatched.RLock()
        self._texts: mmap.mmap | None = None
        """The page for text entries."""
        self._waiting: deque[bytes] = deque()
        """Entries for which there is no space as long as another process appends."""
        self._end = 0
        """The offset in it at which the next entry begins."""
        self._busy = False
        """Whether a thread is changing the fields above, so that a signal handler must not."""
        self._interruptions: list[dict[str, object]] = []
        """Reported by signal handlers, and not written yet."""
        self._write(
            "process",
            at=unpatched.monotonic_ns(),
            pid=unpatched.getpid(),
            ppid=unpatched.getppid(),
            title=" ".join(sys.orig_argv),
        )

    def _write(self, entry_kind: str, /, **fields: object) -> None:
        if self._redact:
            fields = redact(entry_kind, fields)
        entry = encode_entry(entry_kind, fields)
        with self._locked():
            if self._segments.truncated:
                raise OSError(f"{self.path} was truncated")
            self._waiting.append(entry)
            self._put_waiting()

    def _put_waiting(self) -> None:
        """Put the entries that wait for space to the file, unless another process appends."""
        while self._waiting:
            entry = self._waiting.popleft()  # at once: to open a segment may write others
            size = stored_size(entry)
            try:
                while self._texts is None or self._end + size > SEGMENT:
                    self._open_texts()
                    self._write_losses()
            except SegmentsBusy:
                self._waiting.appendleft(entry)
                if len(self._waiting) > _MAX_WAITING:
                    del self._waiting[-1]
                    self._entry_lost()
                return
            page, offset = self._texts, self._end
            self._end += size
            put_entry(page, offset, entry)

    def _entry_lost(self) -> None:
        """Note that an entry could not be written."""

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the lock; afterwards, write what a signal handler reported meanwhile."""
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
        self._texts = self._append(SegmentKind.TEXTS).page
        self._end = SEGMENT_HEADER.size

    def _append(self, kind: SegmentKind) -> Segment:
        """Append a segment; raises SegmentsBusy at once if that has just been in vain."""
        now = unpatched.monotonic_ns()
        if now < self._retry_at:
            raise SegmentsBusy(f"another process held the lock of {self.path} a moment ago")
        patience = 0 if now < self._busy_until else PATIENCE
        try:
            return self._segments.append(kind, patience)
        except SegmentsBusy:
            now = unpatched.monotonic_ns()
            self._retry_at = now + _RETRY
            if patience:
                self._busy_until = now + BACKOFF
            raise

    def _write_losses(self) -> None:
        """Write to the header of the page for text entries how much is missing."""

    def heartbeat(self, at: int) -> None:
        """Note that the program was running at time ``at``; this takes no space."""
        with self._locked():
            if self._texts is not None:
                fields, offset = HEARTBEAT
                fields.pack_into(self._texts, offset, at)

    def printed(self, at: int, stream: str, text: str) -> None:
        """Write a line that the program printed to ``stream`` (``stdout`` or ``stderr``)."""
        self._write("printed", at=at, stream=stream, text=text)

    def marked(self, at: int, text: str) -> None:
        """Write a mark on the timeline."""
        self._write("marked", at=at, text=text)

    def dropped(self, at: int, acquisitions: int, reason: str) -> None:
        """Note that ``acquisitions`` are missing."""
        self._write("dropped", at=at, acquisitions=acquisitions, reason=reason)

    def interrupted(self, at: int, pid: int, reason: str, *, late: bool = False) -> None:
        """Note that process ``pid`` was asked to end at time ``at``.

        A signal handler may call it, whatever it interrupts.

        Args:
            at: Monotonic time in ns.
            pid: The process.
            reason: The name of a signal, or ``KeyboardInterrupt``.
            late: Whether the launcher noted it, which got the signal at the same time.
        """
        self._interruptions.append({"at": at, "pid": pid, "reason": reason, "late": late})
        self._write_interruptions()

    def stall_started(
        self,
        since: int,
        at: int,
        stall: int,
        task: int,
        site: int,
        stack: list[tuple[str, int, str]],
    ) -> None:
        """Note at ``at`` that a callback has blocked an event loop since ``since`` (monotonic ns).

        ``task`` and ``site`` are 0 for none; ``stack`` has file, line and function of each frame,
        the innermost first.
        """
        self._write(
            "stall started", at=at, since=since, id=stall, task=task, site=site, stack=stack
        )

    def stall_ended(self, at: int, stall: int, collections: int, delayed: int) -> None:
        """Note that the event loop goes on; full garbage ``collections`` ran meanwhile."""
        self._write("stall ended", at=at, id=stall, collections=collections, delayed=delayed)

    def quiescent(self, at: int, since: int) -> None:
        """Note that nothing in the process can wake its event loop, asleep since ``since``."""
        self._write("quiescent", at=at, since=since)

    def process_ended(self, at: int, pid: int, exit_code: int | None) -> None:
        """Note that process ``pid`` has ended; its exit code is ``-n`` for a signal."""
        self._write("end", at=at, pid=pid, exit=exit_code)

    def close(self) -> None:
        """Close the file; mapped pages stay usable."""
        with self._lock:
            self._segments.close()


class Recorder(TextWriter, RecordAppender):
    """A sink that writes every event to an ``.actx`` file, which must exist.

    Definitions become text entries, events become records in mapped pages: there is no thread, no
    buffer, and nothing to flush.
    """

    def _begin(self) -> None:
        self.use_page(None)  # of the parent, if this is a forked child that must wait for its own
        self.lost = 0
        self._missing_since = 0
        """When the first event was lost (monotonic ns); 0 if none was."""
        self.stopped = False
        """Whether acquisitions are only counted, and no longer recorded."""
        super()._begin()
        self._next_error = itertools.count(1).__next__
        self._digests: dict[str, str] = {}
        """Source file -> its digest."""
        try:
            if not self._waiting:  # the name of this process
                self._open_records()
        except SegmentsBusy:  # until the next event
            pass
        except OSError as error:  # the process is named in the file, so say that nothing follows
            self.stop_recording(error)
            raise

    def restart_in_child(self) -> None:
        """Continue in a forked child with segments of its own; the others are the parent's."""
        self._segments.close()
        self._begin()

    def close(self) -> None:
        """Write that the process has ended, and close the file."""
        try:
            self.process_ended(unpatched.monotonic_ns(), unpatched.getpid(), None)
        finally:
            super().close()

    # -- losses -----------------------------------------------------------------------------

    def stop_recording(self, error: BaseException) -> None:
        """Stop recording because of ``error``; later acquisitions are only counted.

        The recording says at any time how many are missing, and since when.
        """
        if not self.stopped:
            self.stopped = True
            self._missing_since = self._missing_since or unpatched.monotonic_ns()
            self.use_page(None)
            self._write_losses()
            self._write("stopped", reason=f"{type(error).__name__}: {error}")

    def missed(self) -> None:
        """Count an event that could not be delivered, as if it began an acquisition."""
        self.lost += 1
        self.note_lost()

    def note_lost(self) -> None:
        self._missing_since = self._missing_since or unpatched.monotonic_ns()
        self._write_losses()

    def _entry_lost(self) -> None:
        self.note_lost()

    def _write_losses(self) -> None:
        if self._texts is not None and self._missing_since:
            fields, offset = LOSSES
            lost = min(self.lost, 0xFFFFFFFF)
            fields.pack_into(self._texts, offset, self._missing_since, lost, self.stopped)

    def _write(self, entry_kind: str, /, **fields: object) -> None:
        if not self.stopped:
            super()._write(entry_kind, **fields)
        elif entry_kind in _LAST_NOTES:
            with contextlib.suppress(Exception):
                super()._write(entry_kind, **fields)

    # -- pages ------------------------------------------------------------------------------

    def _open_records(self) -> None:
        self.use_page(self._append(SegmentKind.RECORDS).page)

    def rotate(self, full: mmap.mmap | None) -> bool:
        with self._locked():
            if self.page is full and not self.stopped:
                try:
                    self._put_waiting()  # first the names that the records refer to
                    if self._waiting:
                        self.use_page(None)
                    else:
                        self._open_records()
                except SegmentsBusy:
                    self.use_page(None)
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
        digest = self._digests.get(file)
        if digest is None:
            digest = self._digests[file] = digest_of_file(file)
        self._write(
            "site",
            id=site,
            file=file,
            line=line,
            function=function,
            text=text,
            caller=caller,
            digest=digest,
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
        self,
        at: int,
        task: int,
        name: str,
        runtime: str,
        parent: int,
        thread: str,
        coroutine: str = "",
    ) -> None:
        self._write(
            "task",
            at=at,
            id=task,
            name=name,
            runtime=runtime,
            parent=parent,
            thread=thread,
            coroutine=coroutine,
        )

    def intern_error(self, error: BaseException) -> int:
        if self.stopped:
            return 0
        cls = type(error)
        try:
            message = str(error)
        except Exception:  # the program's own __str__ raised; the event is recorded all the same
            message = "(its message cannot be shown)"
        error_id = self._next_error()
        self._write(
            "error", id=error_id, type=f"{cls.__module__}.{cls.__qualname__}", message=message
        )
        return error_id
