"""The sink that writes facts into the recording, in the program's own task."""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import mmap
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from struct import error as OutOfPage
from time import monotonic_ns

from asyncctx_trace.recording.format import (
    ENTER_ENDED,
    ENTER_STARTED,
    EXIT_ENDED,
    EXIT_STARTED,
    LENGTH,
    RECORD,
    SEGMENT,
    SEGMENT_HEADER,
    TASK_ENDED,
    TEXT_LIMIT,
    Kind,
    SegmentKind,
)
from asyncctx_trace.recording.segments import Segments

__all__ = ["Page", "Recorder", "TextWriter", "slots"]

# Plain integers: an enum member costs a look-up in every fact.
_ENTER_STARTED = int(Kind.ENTER_STARTED)
_ENTER_ENDED = int(Kind.ENTER_ENDED)
_EXIT_STARTED = int(Kind.EXIT_STARTED)
_EXIT_ENDED = int(Kind.EXIT_ENDED)
_TASK_ENDED = int(Kind.TASK_ENDED)
Page = tuple[mmap.mmap | None, Callable[[], int]]


def _no_slot() -> int:
    raise OutOfPage


# In place of a page that could not be had.
_NO_PAGE: Page = (None, _no_slot)

_log = logging.getLogger("asyncctx_trace")


def slots(page: mmap.mmap, taken: int = 0) -> Page:
    """A page and the offsets of its slots, without the first ``taken``.

    They travel as one: a thread never mixes those of two pages.
    """
    return page, itertools.count(SEGMENT_HEADER.size + taken * RECORD, RECORD).__next__


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
        entry = json.dumps({"k": what, **fields}, separators=(",", ":")).encode("ascii")
        room = LENGTH.size + (len(entry) + 3) // 4 * 4
        with self._lock:
            while self._texts is None or self._end + room > SEGMENT:
                self._open_texts()
            page, place = self._texts, self._end
            self._end += room
            page[place + LENGTH.size : place + LENGTH.size + len(entry)] = entry
            LENGTH.pack_into(page, place, len(entry))

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

    def process_ended(self, at: int, pid: int, exit_code: int | None) -> None:
        """Process ``pid`` is over; ``exit_code`` where it is known (a signal as ``-n``)."""
        self._write("end", at=at, pid=pid, exit=exit_code)

    def close(self) -> None:
        """Let go of the file; what was written stays."""
        with self._lock:
            self._segments.close()


class Recorder(TextWriter):
    """A sink that keeps every fact in an ``.actx`` file that exists already.

    A fact costs one ``struct.pack_into`` into a mapped page: there is no thread, no buffer and
    nothing to flush, so a fact outlives any end of the process once its call has returned.
    """

    def _begin(self) -> None:
        super()._begin()
        self._next_error = itertools.count(1).__next__
        self._lost = 0
        self._page = self._new_page()

    def restart_in_child(self) -> None:
        """Give a forked child segments of its own; the parent's are not its to write."""
        self._segments.close()
        self._begin()

    def close(self) -> None:
        """Say goodbye in the recording and let go of the file."""
        now = monotonic_ns()
        if self._lost:
            self.dropped(now, self._lost, "no room on the disk")
        self.process_ended(now, os.getpid(), None)
        super().close()

    # -- pages ------------------------------------------------------------------------------

    def _new_page(self) -> Page:
        return slots(self._segments.new(SegmentKind.FACTS).page)

    def _put_on_next_page(
        self, full: Callable[[], int], pack: Callable[..., None], *fact: int
    ) -> None:
        """What to do with a fact that found no room on the page with the slots ``full``."""
        while True:
            page, slot = self._turn(full)
            if page is None:
                # The program goes on; an acquisition is counted by its first fact.
                self._lost += fact[-1] == _ENTER_STARTED
                return
            at = slot()
            if at + RECORD <= SEGMENT:
                pack(page, at, *fact)
                return
            full = slot  # other threads have filled it meanwhile

    def _turn(self, full: Callable[[], int]) -> Page:
        with self._lock:
            if self._page[1] is full and self._page is not _NO_PAGE:
                if full() + RECORD <= SEGMENT:
                    raise  # noqa: PLE0704 - of the caller's except block: the fact is malformed
                try:
                    self._page = self._new_page()
                except OSError as error:
                    self._page = _NO_PAGE
                    _log.error("asyncctx-trace: the recording stops here: %s", error)
                    with contextlib.suppress(OSError):
                        self.dropped(monotonic_ns(), 0, f"the recording stops here: {error}")
            return self._page

    # -- definitions ------------------------------------------------------------------------

    def manager_defined(self, manager: int, name: str) -> None:
        self._write("manager", id=manager, name=name)

    def site_defined(self, site: int, file: str, line: int, function: str, text: str) -> None:
        self._write("site", id=site, file=file, line=line, function=function, text=text)

    def resource_defined(self, resource: int, kind: str, name: str, capacity: int | None) -> None:
        self._write("resource", id=resource, kind=kind, name=name, capacity=capacity)

    def task_defined(
        self, at: int, task: int, name: str, runtime: str, parent: int, thread: str
    ) -> None:
        self._write(
            "task", at=at, id=task, name=name, runtime=runtime, parent=parent, thread=thread
        )

    def _error(self, error: BaseException) -> int:
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

    # -- facts ------------------------------------------------------------------------------

    def enter_started(
        self,
        at: int,
        acquisition: int,
        parent: int,
        task: int,
        manager: int,
        resource: int,
        site: int,
        pack: Callable[..., None] = ENTER_STARTED.pack_into,
    ) -> None:
        page, slot = self._page
        try:
            pack(
                page, slot(), at, acquisition, parent, task, resource, site, manager, _ENTER_STARTED
            )
        except OutOfPage:
            self._put_on_next_page(
                slot, pack, at, acquisition, parent, task, resource, site, manager, _ENTER_STARTED
            )

    def enter_ended(
        self,
        at: int,
        acquisition: int,
        outcome: int,
        error: BaseException | None,
        pack: Callable[..., None] = ENTER_ENDED.pack_into,
    ) -> None:
        words = 0 if error is None else self._error(error)
        page, slot = self._page
        try:
            pack(page, slot(), at, acquisition, words, outcome, _ENTER_ENDED)
        except OutOfPage:
            self._put_on_next_page(slot, pack, at, acquisition, words, outcome, _ENTER_ENDED)

    def exit_started(
        self,
        at: int,
        acquisition: int,
        task: int,
        outcome: int,
        error: BaseException | None,
        pack: Callable[..., None] = EXIT_STARTED.pack_into,
    ) -> None:
        words = 0 if error is None else self._error(error)
        page, slot = self._page
        try:
            pack(page, slot(), at, acquisition, task, words, outcome, _EXIT_STARTED)
        except OutOfPage:
            self._put_on_next_page(slot, pack, at, acquisition, task, words, outcome, _EXIT_STARTED)

    def exit_ended(
        self,
        at: int,
        acquisition: int,
        outcome: int,
        suppressed: bool,
        error: BaseException | None,
        pack: Callable[..., None] = EXIT_ENDED.pack_into,
    ) -> None:
        words = 0 if error is None else self._error(error)
        page, slot = self._page
        try:
            pack(page, slot(), at, acquisition, words, outcome, suppressed, _EXIT_ENDED)
        except OutOfPage:
            self._put_on_next_page(
                slot, pack, at, acquisition, words, outcome, suppressed, _EXIT_ENDED
            )

    def task_ended(
        self, at: int, task: int, pack: Callable[..., None] = TASK_ENDED.pack_into
    ) -> None:
        page, slot = self._page
        try:
            pack(page, slot(), at, task, _TASK_ENDED)
        except OutOfPage:
            self._put_on_next_page(slot, pack, at, task, _TASK_ENDED)
