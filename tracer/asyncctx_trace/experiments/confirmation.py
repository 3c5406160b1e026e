"""Search for an order that makes a possible finding happen, and make it small."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

from asyncctx_trace.analysis.findings import Finding, Thresholds
from asyncctx_trace.analysis.findings import find_in as find_findings
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.experiments.plans import Plan
from asyncctx_trace.experiments.trial import Program, Trial, run_trial, timeline_of
from asyncctx_trace.steering.order import Rule

__all__ = ["Confirmation", "Settings", "confirm"]


@dataclass(frozen=True, slots=True)
class Settings:
    """How much is tried."""

    runs: int = 10
    """The most runs of the search."""
    repeats: int = 8
    """How often the smallest order is run."""
    limit: float = 60.0
    """Seconds until a run is ended."""


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What came of the attempt to confirm one finding."""

    plan: Plan
    runs: int
    """How many runs the search took."""
    rules: tuple[Rule, ...] = ()
    """The smallest order that makes it happen; empty if the program does by itself."""
    proof: Finding | None = None
    """The certain finding in the recording; ``None``: not reproduced."""
    happened: int = 0
    """In how many of ``repeated`` runs by that order it happened."""
    repeated: int = 0
    hangs: bool = False
    """Whether the program hung in the confirmed run."""


def confirm(
    program: Program,
    plan: Plan,
    recording: Path,
    settings: Settings,
    report: Callable[[int, Trial, bool], object] = lambda *_: None,
) -> Confirmation:
    """Run ``program`` until the finding of ``plan`` happens, or the runs are used up.

    Args:
        program: The recorded program.
        plan: What to try, and what proves the finding.
        recording: Where the recording of a run by the smallest order is kept, the proof.
        settings: How much is tried.
        report: Called after each run of the search with its number, what came of it, and whether
            the finding happened.

    Raises:
        OSError: If the program cannot be started or a file cannot be written.
    """
    experiment = _Experiment(program, plan, recording, settings.limit)
    for number, rules in enumerate(_attempts(plan, settings.runs), 1):
        trial, proof = experiment.run(rules)
        report(number, trial, proof is not None)
        if proof is None:
            continue
        smallest = _smallest(experiment, rules)
        happened = 0
        for _ in range(settings.repeats):
            again, found = experiment.run(smallest)
            if found is not None:
                happened += 1
                trial, proof = again, found
                experiment.keep()
        if not happened:  # by the whole order it did
            smallest = rules
            for _ in range(settings.repeats):
                again, found = experiment.run(smallest)
                happened += found is not None
                if found is not None:
                    experiment.keep()
        experiment.discard()
        return Confirmation(
            plan,
            number,
            smallest,
            proof if happened else None,
            happened,
            settings.repeats,
            trial.exit_code is None,
        )
    experiment.discard()
    return Confirmation(plan, settings.runs)


def _attempts(plan: Plan, runs: int) -> Iterator[tuple[Rule, ...]]:
    return islice(cycle(plan.orders or ((),)), runs)


def _smallest(experiment: _Experiment, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
    """Return ``rules`` without those that are not needed; each is left out twice."""
    for rule in rules:
        fewer = tuple(other for other in rules if other is not rule)
        if fewer and all(experiment.run(fewer)[1] is not None for _ in range(2)):
            return _smallest(experiment, fewer)
    return rules


class _Experiment:
    """Runs of one program that are judged by one plan."""

    def __init__(self, program: Program, plan: Plan, recording: Path, limit: float) -> None:
        self._program = program
        self._plan = plan
        self._kept = recording
        self._latest = recording.with_name(f".{recording.stem}.trial.actx")
        self._limit = limit

    def run(self, rules: Sequence[Rule]) -> tuple[Trial, Finding | None]:
        """Run the program by ``rules``; return what came of it, and the proof if it happened."""
        trial = run_trial(self._program, self._latest, rules, limit=self._limit)
        snapshot = Snapshot(timeline_of(trial.recording))
        return trial, self._plan.proof(find_findings(snapshot, Thresholds()), snapshot)

    def keep(self) -> None:
        """Keep the recording of the latest run, and none of the others."""
        self._latest.replace(self._kept)
        self._latest.with_suffix(".order").unlink(missing_ok=True)

    def discard(self) -> None:
        """Delete the recording of the latest run."""
        self._latest.unlink(missing_ok=True)
        self._latest.with_suffix(".order").unlink(missing_ok=True)
