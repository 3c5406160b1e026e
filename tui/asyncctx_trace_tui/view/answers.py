"""What analysis says of the timeline: at once of a short one, worked out aside of a long one."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from typing import TypeAlias, TypeVar, cast

from asyncctx_trace.analysis.snapshot import Case
from asyncctx_trace.analysis.timeline.table import Timeline

__all__ = ["Answers", "Question", "Job", "frozen_copy"]

T = TypeVar("T")
Question: TypeAlias = Callable[[Case], object]

_AT_ONCE = 20_000
"""Acquisitions up to which any question is answered within a frame or two."""
_MAX_AGE = 2_000_000_000
"""How long what was said of a growing timeline is good enough, in ns."""
_REST_FACTOR = 2
"""How many times as long as the last look took is waited before the next one."""
_EXPIRES_AFTER = 10_000_000_000
"""A question that was not asked for so long is not worked out again, in ns."""


@dataclass(slots=True)
class Job:
    """Questions to be put to one case, by whoever has the time: a thread, as nothing grows here."""

    case: Case
    questions: list[Question]
    begun: int
    """On the clock of the timeline's now."""
    answers: dict[Question, object]

    def do(self, wanted: Callable[[], bool]) -> None:
        """Answer one after the other, as long as it is still ``wanted``."""
        for question in self.questions:
            if not wanted():
                return
            self.answers[question] = self.case.once(question)


class Answers:
    """The case that is shown, and what is known of it.

    A long timeline that still grows is looked into as it stood at some moment, in a copy; what
    was found then is shown until the next look is over.
    """

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self.case = Case(timeline)
        """What all answers are about."""
        self.revision = 0
        """Grows whenever there are other answers, or more."""
        self._now = 0
        self._live = self._growing = False
        self._facts = -1
        """How many facts the case has."""
        self._known: dict[Question, object] = {}
        self._last_asked: dict[Question, int] = {}
        """When each was asked last."""
        self._frozen = False
        """Whether the case is about something that does not grow."""
        self._due = 0
        self._work: Job | None = None

    @property
    def as_of(self) -> int | None:
        """The time that answers are about, where the timeline has gone on since."""
        return self.case.now if self.case.timeline is not self._timeline else None

    @property
    def working(self) -> bool:
        """Whether something is being worked out aside."""
        return self._work is not None

    def see(self, now: int, live: bool, *, growing: bool) -> None:
        """The timeline is now as it is at ``now``; the program may go on if it is ``live``.

        ``growing`` says that more may be read, of what is written or was written long ago.
        """
        self._now, self._live, self._growing = now, live, growing
        if self._short and self._stale:
            self._show(Case(self._timeline, now, running=live), still=False)

    def ask(self, question: Callable[[Case], T]) -> T | None:
        """The answer, if it is known already; else it will be worked out."""
        if self._short:
            return self.case.once(question)
        self._last_asked[question] = self._now
        return cast("T | None", self._known.get(question))

    def work(self) -> Job | None:
        """What is to be worked out aside now; :meth:`take` what came of it before asking again."""
        if self._work is not None or not self._last_asked or self._short:
            return None
        asked = [q for q, at in self._last_asked.items() if self._now - at <= _EXPIRES_AFTER]
        case = self.case
        if not self._frozen or self._stale:
            shown = frozen_copy(self._timeline) if self._growing else self._timeline
            case = Case(shown, self._now, running=self._live)
        else:
            asked = [question for question in asked if question not in self._known]
        if asked:
            self._work = Job(case, asked, self._now, {})
        return self._work

    def take(self, work: Job) -> None:
        """``work`` has been done: from now on this is shown."""
        self._work = None
        if work.case is not self.case:
            self._show(work.case, still=True)
        self._known |= work.answers
        self.revision += 1
        self._due = self._now + max(_MAX_AGE, _REST_FACTOR * (self._now - work.begun))

    def _show(self, case: Case, *, still: bool) -> None:
        self.case, self._frozen = case, still
        self.revision += 1
        self._facts = len(case.timeline.facts)
        self._known = {}
        self._due = self._now + _MAX_AGE

    @property
    def _short(self) -> bool:
        return len(self._timeline) <= _AT_ONCE

    @property
    def _stale(self) -> bool:
        if self._growing:
            return self._now > self._due
        if self.case.timeline is not self._timeline or self.case.running:
            return True
        return self._facts != len(self._timeline.facts)


def frozen_copy(timeline: Timeline) -> Timeline:
    """A copy that does not grow with the original, made in a few ms for a million acquisitions."""
    copied = copy(timeline)
    for name, value in vars(timeline).items():
        if isinstance(value, dict):
            setattr(copied, name, {key: _copied(each) for key, each in value.items()})
        else:
            setattr(copied, name, _copied(value))
    return copied


def _copied(value: object) -> object:
    return value[:] if isinstance(value, array | list) else value
