"""Cancel a program at each of its suspension points, one run each, and judge what is lost."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from asyncctx_trace.analysis.findings import Thresholds, find_in
from asyncctx_trace.analysis.findings.finding import Finding
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.table import NOT_YET
from asyncctx_trace.errors import AsyncctxTraceError
from asyncctx_trace.experiments.places import place_of
from asyncctx_trace.experiments.plans import Site, sites_of
from asyncctx_trace.experiments.trial import Program, Trial, run_trial, timeline_of
from asyncctx_trace.steering.order import Injection, Place, place_text

__all__ = ["MODES", "Loss", "Mode", "Point", "Sweep"]

Mode: TypeAlias = Literal["cancel", "done", "twice", "error"]
MODES: tuple[Mode, ...] = "cancel", "done", "twice", "error"
"""Cancel while it waits; when what it awaits is done and before it goes on; a second time during
the cleanup; raise an error instead."""

_FAULTS = frozenset(
    {
        "cleanup-cancelled",
        "cleanup-error",
        "deadlock",
        "destroyed-task",
        "expired-quietly",
        "foreign-exit",
        "leak",
        "out-of-order-exit",
        "over-release",
        "skipped-cleanup",
        "still-waiting",
    }
)
"""Kinds of findings which, where they are certain, mean that something was lost or masked."""
_INTENDED: dict[Mode, frozenset[str]] = {
    # A second cancellation ends a cleanup that suspends: that alone is not the program's fault.
    "twice": frozenset({"cleanup-cancelled"}),
    "error": frozenset({"cleanup-error"}),
}
_NEVER = 1_000_000_000
"""An injection that only counts."""
_EACH = 5
"""How many suspensions at one place are tried."""


@dataclass(frozen=True, slots=True)
class Point:
    """A suspension of the program."""

    place: Place
    number: int
    """Counted from 1, at this place."""
    mode: Mode

    @property
    def rule(self) -> Injection:
        """The rule of an order by which it is injected there."""
        return Injection(
            self.place,
            self.number,
            fails=self.mode == "error",
            when_done=self.mode == "done",
            twice=self.mode == "twice",
        )


@dataclass(frozen=True, slots=True)
class Loss:
    """What a program loses at one point."""

    point: Point
    what: tuple[str, ...]
    """One sentence for each thing that was lost."""
    trial: Trial


@dataclass(frozen=True, slots=True)
class _Account:
    """What the steered program wrote at its end."""

    seen: list[int] = field(default_factory=list)
    """How often a task was suspended at the place of each injection."""
    lost: list[dict[str, Any]] = field(default_factory=list)
    """See :func:`asyncctx_trace.steering.accounts.lost_permits`."""


class Sweep:
    """The runs of one program. Raises OSError or RecordingError where a run is not possible."""

    def __init__(self, program: Program, folder: Path, *, limit: float) -> None:
        """``folder``: where recordings and orders go; ``limit``: seconds of the first run."""
        self._program = program
        self._folder = folder
        self._account = folder / "account.json"
        trial = run_trial(program, folder / "plain.actx", limit=limit)
        if trial.exit_code is None:
            raise AsyncctxTraceError(
                f"the program did not end within {limit:.0f} s: give one that ends by itself, "
                "or a longer --timeout"
            )
        self.first = trial
        """The run without an injection."""
        self._snapshot = Snapshot(timeline_of(trial.recording))
        self._known = _counts(self._snapshot, "cancel")
        """How often each fault is found without an injection."""
        self._limit = 3 * trial.seconds + 5

    def points(self, modes: Sequence[Mode], where: str = "") -> list[Point]:
        """Return the suspensions in an enter, a body or an exit, the first of each place first.

        ``where``: part of ``FILE:LINE`` or of the name of a resource that they must have.
        """
        places = list(self._places(where))
        if not places:
            return []
        rules = [Injection(place, _NEVER) for place in places]
        run_trial(self._with_account(), self._folder / "count.actx", rules, limit=self._limit)
        counts = dict(zip(places, self._read_account().seen, strict=False))
        return [
            Point(place, number, mode)
            for number in range(1, _EACH + 1)
            for place, count in counts.items()
            for mode in modes
            if number <= count
        ]

    def run(self, points: Iterable[Point], report: Callable[[Point], object]) -> Iterator[Loss]:
        """Run the program once for each of ``points``, and yield those that lose something.

        The recording and the order of each loss are kept in the folder, and no others.
        ``report`` is called before each run.
        """
        for point in points:
            report(point)
            name = f"{place_text(point.place)}-{point.number}-{point.mode}"
            stem = "".join(each if each.isalnum() or each in "-_." else "-" for each in name)
            recording = self._folder / f"{stem}.actx"
            trial = run_trial(self._with_account(), recording, [point.rule], limit=self._limit)
            what = tuple(self._judged(trial, point))
            if what:
                yield Loss(point, what, trial)
            else:
                recording.unlink()
                recording.with_suffix(".order").unlink()

    def _with_account(self) -> Program:
        options = {**self._program.options, "account": str(self._account.resolve())}
        return Program(self._program.arguments, self._program.folder, options)

    def _read_account(self) -> _Account:
        try:
            read = json.loads(self._account.read_text())
        except FileNotFoundError:  # the program was ended before it could write one
            return _Account()
        self._account.unlink()
        return _Account([count for _, count in read["seen"]], read["lost"])

    def _places(self, where: str) -> Iterator[Place]:
        """Yield where tasks suspend within an acquisition; each once."""
        snapshot, timeline = self._snapshot, self._snapshot.timeline
        found: dict[Place, None] = {}
        for row in range(len(timeline)):
            name = timeline.resources[timeline.resource[row]].name
            ended = timeline.exit_ended[row]
            until = snapshot.now if ended == NOT_YET else ended
            waits = timeline.waits.rows_between(
                timeline.task[row], timeline.enter_started[row], until
            )
            site = timeline.site[row]
            for candidate, in_exit in (
                (site, False),
                (site, True),
                *((timeline.waits.site[wait], False) for wait in waits),
            ):
                place = place_of(snapshot, candidate, self._program.folder, in_exit=in_exit)
                if place is None or (in_exit and timeline.by_call[row]):
                    continue
                if where in f"{place.file}:{place.line}" or where in name:
                    found[place] = None
        return iter(found)

    def _judged(self, trial: Trial, point: Point) -> Iterator[str]:
        """Yield what was lost in ``trial``, and not in the run without an injection."""
        account = self._read_account()
        snapshot = Snapshot(timeline_of(trial.recording))
        said = False
        for finding in _faults(snapshot, point.mode):
            if finding.count > self._known[_key(snapshot, finding)]:
                said = True
                yield f"{finding.kind}: {finding.summary}"
        for lost in account.lost:
            yield (
                f"lost permit: {lost['use']} of `{lost['name']}` are in use, "
                f"and tasks hold {lost['held']}"
            )
        if trial.exit_code is None and not said:
            yield f"hang: the program did not end within {self._limit:.0f} s"


def _faults(snapshot: Snapshot, mode: Mode) -> list[Finding]:
    kinds = _FAULTS - _INTENDED.get(mode, frozenset())
    return [
        finding
        for finding in find_in(snapshot, Thresholds())
        if finding.certainty == "certain" and finding.kind in kinds
    ]


def _counts(snapshot: Snapshot, mode: Mode) -> Counter[tuple[str, frozenset[Site]]]:
    found: Counter[tuple[str, frozenset[Site]]] = Counter()
    for finding in _faults(snapshot, mode):
        found[_key(snapshot, finding)] += finding.count
    return found


def _key(snapshot: Snapshot, finding: Finding) -> tuple[str, frozenset[Site]]:
    return finding.kind, sites_of(snapshot, finding.sites)
