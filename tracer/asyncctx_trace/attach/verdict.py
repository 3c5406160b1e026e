"""Whether tasks of a program can never go on, judged by one picture of it."""

from __future__ import annotations

from dataclasses import dataclass

from asyncctx_trace.analysis.deadlocks.cycles import deadlocks_at
from asyncctx_trace.analysis.deadlocks.stuck_groups import groups_beyond
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.attach.picture import Picture
from asyncctx_trace.attach.picture_events import events_of

__all__ = ["Ring", "rings_of"]


@dataclass(frozen=True, slots=True)
class Ring:
    """Tasks of which none can go on before another one of them does."""

    members: tuple[int, ...]
    """The keys of the tasks and threads, in order around the ring as far as there is one."""
    kind: str
    """``deadlock``: they wait for each other; ``stuck``: nothing is left that could wake them."""
    certain: bool
    behind: tuple[int, ...] = ()
    """Those that wait for a member."""


def rings_of(picture: Picture, pid: int) -> list[Ring]:
    """Return the deadlocks in ``picture``, by the same analysis as for a recording.

    A time limit around a wait of a member makes the ring uncertain: it will end by itself.
    """
    at = int(picture.state["at"])
    events, ids = events_of(picture, pid, at)
    timeline = Timeline(events)
    keys = {number: key for key, number in ids.tasks.items()}
    snapshot = Snapshot(timeline, at, running=True)
    rings = []
    explained: set[int] = set()
    for cycle in deadlocks_at(timeline, at):
        tasks = tuple(dict.fromkeys(timeline.task[row] for row in cycle.waits))
        explained |= {*tasks, *(timeline.task[row] for row in cycle.behind)}
        members = tuple(keys[task] for task in tasks)
        behind = tuple(keys[timeline.task[row]] for row in cycle.behind)
        rings.append(_ring(picture, members, "deadlock", cycle.certain, behind))
    for group in groups_beyond(snapshot, explained):
        members = tuple(keys[member.task] for member in group.members)
        kind = "deadlock" if not group.quiescent or group.holds else "stuck"
        rings.append(_ring(picture, _waiting_first(picture, members), kind, group.certain, ()))
    return rings


def _waiting_first(picture: Picture, keys: tuple[int, ...]) -> tuple[int, ...]:
    """Return ``keys`` with those that wait only for the end of others last."""
    waits = picture.waits
    return tuple(sorted(keys, key=lambda key: key in waits and bool(waits[key].targets)))


def _ring(
    picture: Picture, members: tuple[int, ...], kind: str, certain: bool, behind: tuple[int, ...]
) -> Ring:
    waits = [picture.waits[key] for key in members if key in picture.waits]
    limited = any(wait.limit is not None for wait in waits)
    proven = all(picture.workers[key].quiescent for key in members)
    return Ring(
        members=members,
        kind=kind,
        certain=(certain or proven) and not limited and not picture.state["truncated"],
        behind=behind,
    )
