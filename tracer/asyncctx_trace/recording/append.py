"""Puts facts into the slots of a mapped page, in the program's own task."""

from __future__ import annotations

import itertools
import mmap
from collections.abc import Callable
from typing import Any

from asyncctx_trace.native import compiled
from asyncctx_trace.recording.format import (
    COLLECTED,
    ENTER_ENDED,
    ENTER_STARTED,
    EXIT_ENDED,
    EXIT_STARTED,
    RECORD,
    RELEASE_UNMATCHED,
    SEGMENT,
    SEGMENT_HEADER,
    TASK_ENDED,
    Kind,
)

__all__ = ["Stamper"]

# Plain integers: an enum member costs a look-up in every fact.
_ENTER_STARTED = int(Kind.ENTER_STARTED)
_ENTER_ENDED = int(Kind.ENTER_ENDED)
_EXIT_STARTED = int(Kind.EXIT_STARTED)
_EXIT_ENDED = int(Kind.EXIT_ENDED)
_TASK_ENDED = int(Kind.TASK_ENDED)
_RELEASE_UNMATCHED = int(Kind.RELEASE_UNMATCHED)
_COLLECTED = int(Kind.COLLECTED)

_Slots = tuple[mmap.mmap | None, Callable[[], int]]
"""A page and the offsets of its free slots: as one, so that no thread mixes those of two pages."""


_LAST = SEGMENT - RECORD
"""The offset of a page's last slot."""


def _call(function: Callable[..., None], *args: Any) -> None:
    function(*args)


def _no_slot() -> int:
    return SEGMENT


@compiled("asyncctx_trace.recording")
class Stamper:
    """Writes each fact into the next slot of a page, its kind last.

    A fact costs one ``struct.pack_into``; once the call has returned, the fact outlives any end
    of the process. Where the page comes from, and what an error is in words, a subclass says.
    """

    _slots: _Slots = (None, _no_slot)
    lost = 0
    """Acquisitions that found no page when they began."""

    seldom: Callable[..., None] = staticmethod(_call)
    """How to call what happens seldom: a session has it done without a debugger's hearing."""

    @property
    def page(self) -> mmap.mmap | None:
        """The page in use, ``None`` while there is none."""
        return self._slots[0]

    def use(self, page: mmap.mmap | None, taken: int = 0) -> None:
        """Facts go to ``page`` from now on, behind so many slots that are ``taken``."""
        if page is None:
            self._slots = None, _no_slot
        else:
            first = SEGMENT_HEADER.size + taken * RECORD
            self._slots = page, itertools.count(first, RECORD).__next__

    def turn(self, full: mmap.mmap | None) -> bool:
        """Have another page in place of ``full``, unless a thread has seen to it meanwhile.

        Says whether there is one.
        """
        raise NotImplementedError

    def note_lost(self) -> None:
        """Note in the recording that ``lost`` has grown."""

    def words_of(self, error: BaseException) -> int:
        """The number under which an error is told in words."""
        raise NotImplementedError

    def copy(self, record: bytes) -> None:
        """Put a whole record behind those that are there, its kind last."""
        while True:
            page, slot = self._slots
            at = SEGMENT if page is None else slot()
            if page is not None and at + RECORD <= SEGMENT:
                page[at : at + RECORD - 1] = record[:-1]
                page[at + RECORD - 1] = record[-1]
                return
            if not self.turn(page):
                self._lose(record[-1])
                return

    def enter_started(
        self,
        at: int,
        acquisition: int,
        parent: int,
        task: int,
        manager: int,
        resource: int,
        site: int,
        flags: int = 0,
        pack: Callable[..., None] = ENTER_STARTED.pack_into,
    ) -> None:
        page, slot = self._slots
        where = slot()
        if where <= _LAST:
            pack(
                page,
                where,
                at,
                acquisition,
                parent,
                task,
                resource,
                site,
                manager,
                flags,
                _ENTER_STARTED,
            )
        else:
            more = acquisition, parent, task, resource, site, manager, flags
            self.seldom(self._put_on_next_page, pack, at, *more, _ENTER_STARTED)

    def enter_ended(
        self,
        at: int,
        acquisition: int,
        outcome: int,
        error: BaseException | None,
        pack: Callable[..., None] = ENTER_ENDED.pack_into,
    ) -> None:
        words = 0 if error is None else self.words_of(error)
        page, slot = self._slots
        where = slot()
        if where <= _LAST:
            pack(page, where, at, acquisition, words, outcome, _ENTER_ENDED)
        else:
            self.seldom(self._put_on_next_page, pack, at, acquisition, words, outcome, _ENTER_ENDED)

    def exit_started(
        self,
        at: int,
        acquisition: int,
        task: int,
        outcome: int,
        error: BaseException | None,
        site: int = 0,
        pack: Callable[..., None] = EXIT_STARTED.pack_into,
    ) -> None:
        words = 0 if error is None else self.words_of(error)
        page, slot = self._slots
        where = slot()
        if where <= _LAST:
            pack(page, where, at, acquisition, task, words, site, outcome, _EXIT_STARTED)
        else:
            self.seldom(
                self._put_on_next_page,
                pack,
                at,
                acquisition,
                task,
                words,
                site,
                outcome,
                _EXIT_STARTED,
            )

    def exit_ended(
        self,
        at: int,
        acquisition: int,
        outcome: int,
        suppressed: bool,
        error: BaseException | None,
        flags: int = 0,
        pack: Callable[..., None] = EXIT_ENDED.pack_into,
    ) -> None:
        words = 0 if error is None else self.words_of(error)
        page, slot = self._slots
        where = slot()
        if where <= _LAST:
            pack(page, where, at, acquisition, words, outcome, suppressed, flags, _EXIT_ENDED)
        else:
            self.seldom(
                self._put_on_next_page,
                pack,
                at,
                acquisition,
                words,
                outcome,
                suppressed,
                flags,
                _EXIT_ENDED,
            )

    def task_ended(
        self, at: int, task: int, pack: Callable[..., None] = TASK_ENDED.pack_into
    ) -> None:
        page, slot = self._slots
        where = slot()
        if where <= _LAST:
            pack(page, where, at, task, _TASK_ENDED)
        else:
            self.seldom(self._put_on_next_page, pack, at, task, _TASK_ENDED)

    def release_unmatched(
        self,
        at: int,
        task: int,
        resource: int,
        site: int,
        pack: Callable[..., None] = RELEASE_UNMATCHED.pack_into,
    ) -> None:
        page, slot = self._slots
        where = slot()
        if where <= _LAST:
            pack(page, where, at, task, resource, site, _RELEASE_UNMATCHED)
        else:
            self.seldom(self._put_on_next_page, pack, at, task, resource, site, _RELEASE_UNMATCHED)

    def collected(
        self, at: int, acquisition: int, pack: Callable[..., None] = COLLECTED.pack_into
    ) -> None:
        page, slot = self._slots
        where = slot()
        if where <= _LAST:
            pack(page, where, at, acquisition, _COLLECTED)
        else:
            self.seldom(self._put_on_next_page, pack, at, acquisition, _COLLECTED)

    def _put_on_next_page(self, pack: Callable[..., None], *fact: int) -> None:
        """What to do with a fact that found no room."""
        while True:
            page, slot = self._slots
            at = slot()
            if at <= _LAST:
                pack(page, at, *fact)
                return
            if not self.turn(page):
                self._lose(fact[-1])
                return

    def _lose(self, kind: int) -> None:
        # The program goes on; an acquisition is counted by its first fact.
        if kind == _ENTER_STARTED:
            self.lost += 1
            self.note_lost()
