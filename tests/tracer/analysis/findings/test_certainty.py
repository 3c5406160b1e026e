"""What is called certain holds in every schedule of random programs, correct or with a bug."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.support.simulation import Scene, Simulation, scenes_in_order
from asyncctx_trace.analysis.findings import OBSERVATIONS, Finding, find
from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.model.events import (
    NO_FLAGS,
    EnterEnded,
    EnterStarted,
    ErrorText,
    Event,
    ExitEnded,
    ExitStarted,
    Outcome,
    ProcessDefined,
    ProcessEnded,
    ResourceDefined,
    SiteDefined,
    TaskDefined,
)
from asyncctx_trace.model.outcomes import ExitFlag

EXAMPLES = settings(max_examples=150, deadline=None)
OPEN_KINDS = ("client", "connection", "exit stack", "generator", "manager", "session", "timeout")
"""Kinds that let everybody in: what waits for what is the business of the other simulation."""
SITES = 8


def faults(found: list[Finding]) -> list[str]:
    """What is claimed for certain to be wrong."""
    return [
        finding.summary
        for finding in found
        if finding.certainty == "certain" and finding.kind not in OBSERVATIONS
    ]


@given(scenes_in_order(), st.booleans())
@EXAMPLES
def test_no_schedule_of_tasks_that_lock_in_one_order_has_a_certain_fault(
    scene: Scene, fine: bool
) -> None:
    """However they wait, and whoever is cancelled when."""
    assert faults(find(Simulation(scene, fine=fine).timeline())) == []


# -- programs whose exits are looked at ---------------------------------------------------------


@dataclass
class Block:
    """One acquisition of a task, with those inside it."""

    kind: str
    inside: list[Block] = field(default_factory=list)
    fails: str = ""
    """The error that the body raises at its end, ``""`` for none."""
    suppresses: bool = False
    cancelled: bool = False
    """Whether that error is a cancellation."""
    flags: ExitFlag = NO_FLAGS
    exit_error: str = ""
    """An error of the exit's own."""


@dataclass
class Program:
    """Tasks, and what is entered on stacks that any task closes at the end."""

    tasks: list[list[Block]]
    on_stacks: list[tuple[int, int]]
    """Task that enters, task that closes; closed in this order."""


class Run:
    """The events of one schedule: ``turns`` says again and again which task goes on."""

    def __init__(self, program: Program, turns: list[int], *, planted: Block | None = None) -> None:
        self.planted = planted
        self.planted_row = -1
        self._ids = 0
        self._began = 0
        self._at = 0
        self.events: list[Event] = []
        steps = [iter(self._task(task, blocks)) for task, blocks in enumerate(program.tasks, 1)]
        opened = [self._open(task) for task, _ in program.on_stacks]
        for turn in turns:
            next(steps[turn % len(steps)], None)
        for step in steps:
            for _ in step:
                pass
        for acquisition, (_, task) in zip(opened, program.on_stacks, strict=True):
            self._add(ExitStarted(self._now(), acquisition, task, Outcome.OK, None, SITES))
            self._add(ExitEnded(self._now(), acquisition, Outcome.OK, False, None))
        self._add(ProcessEnded(self._now(), 1, 0))

    def timeline(self) -> Timeline:
        """What its recording says."""
        definitions: list[Event] = [
            ProcessDefined(0, 0, 1, 0, "python app.py"),
            *(TaskDefined(0, n, f"t{n}", "asyncio", None, 0, "MainThread") for n in range(1, 5)),
            *(ResourceDefined(n, kind, kind, None) for n, kind in enumerate(OPEN_KINDS, 1)),
            *(SiteDefined(n, "app.py", n, "", "") for n in range(1, SITES + 1)),
        ]
        return Timeline([*definitions, *self.events])

    def _now(self) -> int:
        self._at += 1_000
        return self._at

    def _add(self, event: Event) -> None:
        self.events.append(event)

    def _begin(self, task: int, kind: str, depth: int, parent: int | None, by_call: bool) -> int:
        self._ids += 1
        resource = OPEN_KINDS.index(kind) + 1
        self._add(EnterStarted(self._now(), self._ids, parent, task, "m", resource, depth, by_call))
        return self._ids

    def _open(self, task: int) -> int:
        acquisition = self._begin(task, "client", SITES, None, by_call=True)
        self._add(EnterEnded(self._now(), acquisition, Outcome.OK, None))
        return acquisition

    def _task(self, task: int, blocks: list[Block]) -> Any:
        for block in blocks:
            try:
                yield from self._block(task, block, 1, None)
            except _Failed:
                return  # it ends the task

    def _block(self, task: int, block: Block, depth: int, parent: int | None) -> Any:
        acquisition = self._begin(task, block.kind, depth, parent, by_call=False)
        if block is self.planted:
            self.planted_row = acquisition - 1
        yield
        self._add(EnterEnded(self._now(), acquisition, Outcome.OK, None))
        yield
        failed: _Failed | None = None
        try:
            for inner in block.inside:
                yield from self._block(task, inner, depth + 1, acquisition)
            if block.fails:
                raise _Failed(block.fails, block.cancelled)
        except _Failed as error:
            failed = error
        text = None if failed is None else failed.text
        outcome = Outcome.OK if failed is None else failed.outcome
        self._add(ExitStarted(self._now(), acquisition, task, outcome, text))
        yield
        suppressed = block.suppresses and failed is not None
        own = ErrorText("builtins.OSError", block.exit_error) if block.exit_error else None
        how = Outcome.OK if own is None else Outcome.ERROR
        if ExitFlag.CUT_SHORT in block.flags:
            own = ErrorText("asyncio.exceptions.CancelledError", "again")
            how = Outcome.CANCELLED
        self._add(ExitEnded(self._now(), acquisition, how, suppressed, own, block.flags))
        yield
        if own is not None:
            raise _Failed(own.message, how is Outcome.CANCELLED, own)
        if failed is not None and not suppressed:
            raise failed


class _Failed(Exception):
    def __init__(self, message: str, cancelled: bool, text: ErrorText | None = None) -> None:
        super().__init__(message)
        kind = "asyncio.exceptions.CancelledError" if cancelled else "builtins.ValueError"
        self.text = text or ErrorText(kind, message)
        self.outcome = Outcome.CANCELLED if cancelled else Outcome.ERROR


def blocks() -> st.SearchStrategy[list[Block]]:
    """Up to three blocks, nested up to three deep, some of whose bodies fail."""

    def block(inside: st.SearchStrategy[list[Block]]) -> st.SearchStrategy[Block]:
        return st.builds(
            Block,
            kind=st.sampled_from(OPEN_KINDS),
            inside=inside,
            fails=st.sampled_from(["", "", "one", "other"]),
            suppresses=st.booleans(),
            cancelled=st.booleans(),
        )

    return st.recursive(
        st.lists(block(st.just([])), max_size=2),
        lambda inside: st.lists(block(inside), min_size=1, max_size=3),
        max_leaves=5,
    )


tasks = st.integers(1, 4)
programs = st.builds(
    Program,
    tasks=st.lists(blocks(), min_size=4, max_size=4),
    on_stacks=st.lists(st.tuples(tasks, tasks), max_size=3),
)
turns = st.lists(st.integers(0, 3), max_size=60)


def every(found: list[Block]) -> list[Block]:
    """``found`` with all that is inside."""
    return [each for block in found for each in (block, *every(block.inside))]


@given(programs, turns)
@EXAMPLES
def test_no_schedule_of_exits_that_do_their_work_has_a_certain_fault(
    program: Program, order: list[int]
) -> None:
    """Whatever bodies raise, and whichever task closes what was entered on a stack when."""
    assert faults(find(Run(program, order).timeline())) == []


def _fails(block: Block) -> None:
    block.fails, block.inside, block.suppresses = "planted", [], False


def _passes(block: Block) -> None:
    block.fails, block.inside, block.suppresses = "", [], False


def plant_cleanup_error(block: Block) -> None:
    """The exit raises something of its own."""
    block.kind, block.exit_error = "session", "the exit's own"


def plant_cleanup_cancelled(block: Block) -> None:
    """The exit is cancelled in an ``await``."""
    block.kind, block.flags = "session", ExitFlag.CUT_SHORT


def plant_skipped_cleanup(block: Block) -> None:
    """A bare ``yield``, and a body that fails."""
    _fails(block)
    block.kind, block.flags = "generator", ExitFlag.SKIPPED


def plant_expired_quietly(block: Block) -> None:
    """A deadline whose cancellation is swallowed."""
    _passes(block)
    block.kind, block.flags = "timeout", ExitFlag.EXPIRED


PLANTS = {
    "cleanup-cancelled": plant_cleanup_cancelled,
    "cleanup-error": plant_cleanup_error,
    "expired-quietly": plant_expired_quietly,
    "skipped-cleanup": plant_skipped_cleanup,
}


@pytest.mark.parametrize("kind", PLANTS)
@given(data=st.data())
@EXAMPLES
def test_a_planted_bug_is_found_in_every_schedule_that_comes_by_it(
    kind: str, data: st.DataObject
) -> None:
    """With its acquisition among the evidence; and nothing else is claimed to be wrong."""
    program = data.draw(programs)
    candidates = every([block for task in program.tasks for block in task])
    if not candidates:
        return
    planted = data.draw(st.sampled_from(candidates))
    PLANTS[kind](planted)
    run = Run(program, data.draw(turns), planted=planted)
    found = [
        finding
        for finding in find(run.timeline())
        if finding.certainty == "certain" and finding.kind not in OBSERVATIONS
    ]

    came_by = run.planted_row >= 0
    assert [finding.kind for finding in found] == [kind] * came_by
    assert not came_by or run.planted_row in found[0].rows
