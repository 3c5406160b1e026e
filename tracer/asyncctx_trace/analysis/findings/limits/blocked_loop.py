"""An event loop that stood still in a call."""

from __future__ import annotations

from collections.abc import Iterator

from asyncctx_trace.analysis.findings.finding import Finding
from asyncctx_trace.analysis.findings.thresholds import Thresholds
from asyncctx_trace.analysis.loop_stalls import Stall, stalls_of
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.table import NOT_YET
from asyncctx_trace.model.durations import format_duration
from asyncctx_trace.model.events import StallStarted

__all__ = ["BlockedLoop"]

_DEBUGGERS = frozenset({"bdb.py", "pdb.py", "pydevd.py"})
"""Files on the stack of a program that somebody stopped to look at."""
_IMPORTING = "<frozen importlib."
"""How the files of the import system begin."""


class BlockedLoop(Finding):
    """A callback ran for so long that the event loop could do nothing else.

    Certain is that the loop stood still there. Left out is a program that stands in a debugger,
    and one that imports a module: it does so once, and how long that takes depends on the disk.
    """

    kind = "blocked-loop"
    severity = "warning"

    @classmethod
    def check(cls, snapshot: Snapshot, thresholds: Thresholds) -> Iterator[Finding]:
        """One for each line that blocked a loop."""
        by_line: dict[tuple[int | None, str], list[StallStarted]] = {}
        for stall in snapshot.timeline.stalls.values():
            if _length(snapshot, stall) >= thresholds.blocked_loop and not (
                _is_debugged(stall) or _imports(stall)
            ):
                by_line.setdefault((stall.site, _line(snapshot, stall)), []).append(stall)
        for (site, line), stalls in by_line.items():
            worst = max(stalls, key=lambda stall: _length(snapshot, stall))
            held = _held_during(snapshot, worst)
            yield cls.of(
                snapshot,
                held,
                _sentence(snapshot, line, stalls, worst, held),
                certainty="possible" if _collected(snapshot, worst) else "certain",
                at=min(stall.since for stall in stalls),
                cost=sum(_length(snapshot, stall) for stall in stalls),
                count=len(stalls),
                tasks=[stall.task for stall in stalls if stall.task is not None],
                sites=() if site is None else (site,),
            )


def _length(snapshot: Snapshot, stall: StallStarted) -> int:
    return snapshot.once(_stalls)[stall.stall].length


def _stalls(snapshot: Snapshot) -> dict[int, Stall]:
    """Return the stalls by their ids."""
    return {each.started.stall: each for each in stalls_of(snapshot.timeline, snapshot.now)}


def _is_debugged(stall: StallStarted) -> bool:
    return any(file.rpartition("/")[2] in _DEBUGGERS for file, _, _ in stall.stack)


def _imports(stall: StallStarted) -> bool:
    return any(file.startswith(_IMPORTING) for file, _, _ in stall.stack)


def _collected(snapshot: Snapshot, stall: StallStarted) -> int:
    return snapshot.once(_stalls)[stall.stall].collections


def _line(snapshot: Snapshot, stall: StallStarted) -> str:
    if stall.site is not None:
        text = (
            snapshot.timeline.sites[stall.site].text
            if stall.site in snapshot.timeline.sites
            else ""
        )
        place = snapshot.site_label(stall.site)
        return f"`{text}` at {place}" if text else place
    if not stall.stack:
        return "an unknown line"
    file, line, function = stall.stack[0]
    return f"{function} ({file.rpartition('/')[2]}:{line})"


def _held_during(snapshot: Snapshot, stall: StallStarted) -> list[int]:
    """What tasks of the same process held while the loop stood still."""
    timeline = snapshot.timeline
    process = None if stall.task is None else snapshot.process_of(stall.task)
    return [
        row
        for resource in snapshot.limited
        for row in snapshot.holders(resource, stall.at)
        if process is None or snapshot.process_of(timeline.task[row]) == process
    ]


def _sentence(
    snapshot: Snapshot, line: str, stalls: list[StallStarted], worst: StallStarted, held: list[int]
) -> str:
    timeline = snapshot.timeline
    length = format_duration(_length(snapshot, worst))
    lasts = not snapshot.once(_stalls)[worst.stall].ended
    task = "" if worst.task is None else f" in {snapshot.task_name(worst.task)}"
    said = f"the event loop {'has stood' if lasts else 'stood'} still for {length}{task}: {line}"
    if len(stalls) > 1:
        total = format_duration(sum(_length(snapshot, stall) for stall in stalls))
        said += f" ({len(stalls)} times, {total} in all)"
    if held:
        names = list(dict.fromkeys(snapshot.resource_name(timeline.resource[row]) for row in held))
        shown = ", ".join(f"`{name}`" for name in names[:2])
        more = f" and {len(names) - 2} more" if len(names) > 2 else ""
        waiting = sum(
            timeline.enter_started[row] <= worst.at
            and (timeline.enter_ended[row] == NOT_YET or timeline.enter_ended[row] > worst.at)
            for resource in {timeline.resource[row] for row in held}
            for row in timeline.rows_of_resource[resource]
        )
        said += f"; {shown}{more} was held meanwhile"
        said += f", and {waiting} waited" if waiting else ""
    if collections := _collected(snapshot, worst):
        said += f"; {collections} full garbage collections ran meanwhile"
    return f"{said}."
