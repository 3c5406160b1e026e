"""The view of waits: who waits for whom at the play head."""

from __future__ import annotations

from heapq import nlargest

from asyncctx_trace.analysis.contention.wait_tree import prepare_wait_trees, wait_tree
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.table import NOT_YET
from asyncctx_trace.model.durations import format_duration
from asyncctx_trace.model.names import resource_name, site_name, task_name
from asyncctx_trace_tui.app.widgets.palette import task_color
from asyncctx_trace_tui.app.widgets.text_page import Span, TextLine, TextPage
from asyncctx_trace_tui.view.state import COMPUTING

__all__ = ["Waits"]


_SHOWN = 20
"""Number of other tasks whose trees are shown."""
_LONGEST = 10
"""Number of the longest waits that are shown."""


def longest_waits(snapshot: Snapshot) -> list[tuple[int, int]]:
    """Return the acquisitions that had to wait longest for another task, with the time in ns."""
    timeline = snapshot.timeline

    def length(row: int) -> int:
        end = timeline.enter_ended[row]
        return (snapshot.now if end == NOT_YET else end) - timeline.enter_started[row]

    # Many candidates, as the longest enters may have waited for something else than a task.
    candidates = nlargest(20 * _LONGEST, range(len(timeline)), key=length)
    return [(row, length(row)) for row in candidates if snapshot.blocked_time(row)][:_LONGEST]


class Waits(TextPage):
    """The tree of waiting of the selected task, then those of all other waiting tasks."""

    def lines(self) -> list[TextLine]:
        state = self.state
        if state.task is None:
            return [TextLine.of("no task has been seen yet", "faint")]
        if not state.answer(prepare_wait_trees):
            return [TextLine.of(COMPUTING, "faint")]
        tasks = list(state.tracks.lanes)
        at = min(state.playback.at, state.snapshot.now)
        others = [
            task
            for task in tasks
            if task != state.task and state.snapshot.waiting_at(task, at) is not None
        ]
        if not others and state.snapshot.waiting_at(state.task, at) is None:
            return self._longest_waits()
        lines = [
            TextLine.of(
                f"From {task_name(state.timeline, state.task)} to the blocking task", "faint"
            ),
            *self._tree(state.task, tasks),
        ]
        if others:
            lines += [TextLine.of(""), TextLine.of("Other waiting tasks", "faint")]
            for task in others[:_SHOWN]:
                lines += self._tree(task, tasks)
            if len(others) > _SHOWN:
                lines.append(TextLine.of(f"and {len(others) - _SHOWN} more", "faint"))
        return lines

    def _longest_waits(self) -> list[TextLine]:
        """Return the longest waits of the run, as nobody waits at the play head."""
        state, timeline = self.state, self.state.timeline
        lines = [TextLine.of("no task waits at the play head", "faint")]
        longest = state.answer(longest_waits)
        if longest is None:
            return [*lines, TextLine.of(COMPUTING, "faint")]
        if longest:
            lines += [TextLine.of(""), TextLine.of("The longest waits of the run", "faint")]
        for row, length in longest:
            task = timeline.task[row]
            order = state.tracks.lanes[task].order if task in state.tracks.lanes else 0
            resource = resource_name(timeline, timeline.resource[row])
            site = site_name(timeline, timeline.site[row])
            rest = f" waited {format_duration(length)} for `{resource}` at {site}"
            spans = (Span(task_name(timeline, task), task_color(order)), Span(rest))
            lines.append(TextLine(spans, row=row, at=timeline.enter_started[row]))
        return lines

    def _tree(self, task: int, tasks: list[int]) -> list[TextLine]:
        lines = []
        for node in wait_tree(self.state.snapshot, task, self.state.playback.at):
            branch = "   " * (node.depth - 1) + self.glyphs.branch if node.depth else ""
            order = tasks.index(node.task) if node.task in tasks else 0
            name = task_name(self.state.timeline, node.task)
            rest = node.description.removeprefix(name)
            spans = (
                Span(branch, "faint"),
                Span(name, task_color(order)),
                Span(rest, "error" if node.cycle else "text"),
            )
            lines.append(TextLine(spans, row=node.row))
        return lines
