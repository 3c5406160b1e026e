"""Answers of analysis: computed at once for short timelines, in the background for long ones."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from typing import TypeAlias, TypeVar, cast

from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.open_rows import OpenAcquisitions
from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.analysis.timeline.wait_columns import WaitColumns

__all__ = ["Answers", "Question", "Job", "frozen_copy"]

T = TypeVar("T")
Question: TypeAlias = Callable[[Snapshot], object]

_AT_ONCE = 5_000
"""Acquisitions and waits up to which any question about a finished recording is answered at once,
within about a tenth of a second."""
_AT_ONCE_GROWING = 2_000
"""The same while it grows, because the answers are then computed again and again."""
_MAX_AGE = 2_000_000_000
"""The time after which answers about a growing timeline are computed again, in ns."""
_REST_FACTOR = 2
"""The pause after a job, as a multiple of its duration."""
_EXPIRES_AFTER = 10_000_000_000
"""The time after which a question that nobody asked is not answered again, in ns."""


@dataclass(slots=True)
class Job:
    """Questions about one snapshot that does not grow, to be answered on a background thread."""

    snapshot: Snapshot
    questions: list[Question]
    started: int
    """The timeline's time when the job was created, in ns."""
    answers: dict[Question, object]

    def run(self, wanted: Callable[[], bool]) -> None:
        """Answer one question after the other while ``wanted()`` is true."""
        for question in self.questions:
            if not wanted():
                return
            self.answers[question] = self.snapshot.once(question)


class Answers:
    """The snapshot that the app shows, and the known answers about it.

    Questions about a timeline that still grows are answered from a frozen copy. If it is long, the
    answers are shown until the next job has been done.
    """

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self.snapshot = Snapshot(timeline)
        """The snapshot that all answers are about."""
        self.revision = 0
        """Increases whenever answers are added or replaced."""
        self._now = 0
        self._live = self._growing = False
        self._event_count = -1
        """Number of events when the snapshot was made."""
        self._known: dict[Question, object] = {}
        self._last_asked: dict[Question, int] = {}
        """Question -> the time when it was asked last."""
        self._by_job = False
        """Whether the snapshot was shown with the answers of a job."""
        self._due = 0
        self._work: Job | None = None

    @property
    def as_of(self) -> int | None:
        """The time that answers are about, if the timeline has grown since; else ``None``."""
        return self.snapshot.now if self.snapshot.timeline is not self._timeline else None

    @property
    def working(self) -> bool:
        """Whether a job is in progress."""
        return self._work is not None

    def update(self, now: int, live: bool, *, growing: bool) -> None:
        """Note that the timeline reaches to ``now``.

        ``live``: the program still runs. ``growing``: there is more to read, either because the
        program runs or because the recording has not been read to its end.
        """
        self._now, self._live, self._growing = now, live, growing
        if self._short and self._stale:
            self._show(self._take_snapshot(), by_job=False)

    def ask(self, question: Callable[[Snapshot], T]) -> T | None:
        """Return the answer, or ``None`` until a job has computed it."""
        if self._short:
            return self.snapshot.once(question)
        self._last_asked[question] = self._now
        return cast("T | None", self._known.get(question))

    def next_job(self) -> Job | None:
        """Return the questions to answer now; call :meth:`accept` with the finished job."""
        if self._work is not None or not self._last_asked or self._short:
            return None
        asked = [q for q, at in self._last_asked.items() if self._now - at <= _EXPIRES_AFTER]
        snapshot = self.snapshot
        if not self._by_job or self._stale:
            snapshot = self._take_snapshot()
        else:
            asked = [question for question in asked if question not in self._known]
        if asked:
            self._work = Job(snapshot, asked, self._now, {})
        return self._work

    def accept(self, work: Job) -> None:
        """Show the answers of the finished job ``work``, unless it is about another timeline."""
        if work is not self._work:
            return
        self._work = None
        if work.snapshot is not self.snapshot:
            self._show(work.snapshot, by_job=True)
        self._known |= work.answers
        self.revision += 1
        self._due = self._now + max(_MAX_AGE, _REST_FACTOR * (self._now - work.started))

    def _take_snapshot(self) -> Snapshot:
        shown = frozen_copy(self._timeline) if self._growing else self._timeline
        return Snapshot(shown, self._now, running=self._live)

    def _show(self, snapshot: Snapshot, *, by_job: bool) -> None:
        self.snapshot, self._by_job = snapshot, by_job
        self.revision += 1
        self._event_count = len(snapshot.timeline.facts)
        self._known = {}
        self._due = self._now + _MAX_AGE

    @property
    def _short(self) -> bool:
        most = min(_AT_ONCE, _AT_ONCE_GROWING) if self._growing else _AT_ONCE
        return len(self._timeline) + len(self._timeline.waits) <= most

    @property
    def _stale(self) -> bool:
        if self._growing:
            return self._now > self._due
        if self.snapshot.timeline is not self._timeline or self.snapshot.running:
            return True
        return self._event_count != len(self._timeline.facts)


def frozen_copy(timeline: Timeline) -> Timeline:
    """Return a copy that does not grow with ``timeline``; takes a few ms per million rows."""
    return _frozen(timeline)


def _frozen(columns: T) -> T:
    copied = copy(columns)
    for name, value in vars(columns).items():
        if isinstance(value, dict):
            setattr(copied, name, {key: _copied(each) for key, each in value.items()})
        else:
            setattr(copied, name, _copied(value))
    return copied


def _copied(value: object) -> object:
    if isinstance(value, WaitColumns):
        return _frozen(value)
    return copy(value) if isinstance(value, array | list | OpenAcquisitions) else value
