"""The view of waits: who waits for whom and for what at the play head."""

from __future__ import annotations

from collections.abc import Iterable
from heapq import nlargest
from operator import itemgetter
from textwrap import wrap

from asyncctx_trace.analysis.contention.wait_tree import (
    WaitNode,
    prepare_wait_trees,
    wait_forest,
    wait_tree,
)
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.table import NOT_YET
from asyncctx_trace.analysis.wait_statistics import wait_groups
from asyncctx_trace.analysis.wait_subjects import describe_subject
from asyncctx_trace.model.durations import format_duration
from asyncctx_trace.model.names import NAME_WIDTH, resource_name, site_name, task_name
from asyncctx_trace.model.text import plain
from asyncctx_trace_tui.app.widgets.palette import task_color
from asyncctx_trace_tui.app.widgets.text_page import Span, TextLine, TextPage
from asyncctx_trace_tui.view.descriptions.wait_text import BY_THEMSELVES
from asyncctx_trace_tui.view.state import COMPUTING

__all__ = ["Waits"]


_SHOWN = 100
"""Number of lines that are shown for other tasks than the selected one."""
_NARROWEST = 20
"""The smallest width of a line, in cells."""
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


def longest_awaits(snapshot: Snapshot) -> list[tuple[int, int]]:
    """Return the longest wait of each kind, subject and line, with the time in ns.

    Waits that no task has to end are left out: a timer takes as long as the program wants.
    """
    groups = [group for group in wait_groups(snapshot) if group.kind not in BY_THEMSELVES]
    longest = nlargest(_LONGEST, groups, key=lambda group: group.duration.max)
    return [(group.longest, group.duration.max) for group in longest]


class Waits(TextPage):
    """The tree of waiting of the selected task, then those of all other waiting tasks."""

    def lines(self) -> list[TextLine]:
        state = self.state
        if state.task is None:
            return [TextLine.of("no task has been seen yet: here is who waits for whom", "faint")]
        if not state.answer(prepare_wait_trees):
            return [TextLine.of(COMPUTING, "faint")]
        at = min(state.playback.at, state.snapshot.now)
        own = wait_tree(state.snapshot, state.task, at)
        others = wait_forest(state.snapshot, state.tracks.lanes, at, above=own)
        if not others and len(own) == 1 and own[0].row is own[0].wait is None:
            return self._longest_waits()
        title = f"From {task_name(state.timeline, state.task)} to what it waits for"
        lines = [TextLine.of(title, "faint"), *self._draw_nodes(own)]
        if others:
            lines += [TextLine.of(""), TextLine.of("Other waiting tasks", "faint")]
            lines += self._draw_nodes(others[:_SHOWN])
            if len(others) > _SHOWN:
                lines.append(TextLine.of(f"and {len(others) - _SHOWN} more", "faint"))
        return lines

    def _longest_waits(self) -> list[TextLine]:
        """Return the longest waits of the run, as nobody waits at the play head."""
        state = self.state
        lines = [TextLine.of("no task waits at the play head", "faint")]
        enters, awaits = state.answer(longest_waits), state.answer(longest_awaits)
        if enters is None or awaits is None:
            return [*lines, TextLine.of(COMPUTING, "faint")]
        found = [(length, self._enter_line(row, length)) for row, length in enters]
        found += [(length, self._await_line(wait, length)) for wait, length in awaits]
        if found:
            lines += [TextLine.of(""), TextLine.of("The longest waits of the run", "faint")]
        return lines + [line for _, line in nlargest(_LONGEST, found, key=itemgetter(0))]

    def _enter_line(self, row: int, length: int) -> TextLine:
        timeline = self.state.timeline
        task, site = timeline.task[row], site_name(timeline, timeline.site[row])
        resource = resource_name(timeline, timeline.resource[row])
        rest = f" waited {format_duration(length)} for `{resource}` at {site}"
        spans = (Span(task_name(timeline, task), self._color(task)), Span(rest))
        return TextLine(spans, row=row, at=timeline.enter_started[row])

    def _await_line(self, wait: int, length: int) -> TextLine:
        timeline = self.state.timeline
        waits = timeline.waits
        task, site = waits.task[wait], site_name(timeline, waits.site[wait])
        subject = describe_subject(timeline, wait, NAME_WIDTH)
        rest = f" waited {format_duration(length)} for {subject} at {site}"
        spans = (Span(task_name(timeline, task), self._color(task)), Span(rest))
        return TextLine(spans, at=waits.started[wait], wait=wait)

    def _draw_nodes(self, nodes: Iterable[WaitNode]) -> list[TextLine]:
        width = max(_NARROWEST, self.scrollable_content_region.width)
        lines = []
        for node in nodes:
            branch = "   " * (node.depth - 1) + self.glyphs.branch if node.depth else ""
            name = task_name(self.state.timeline, node.task) if node.task else ""
            indent = " " * (len(branch) + 2)
            first, *more = wrap(branch + plain(node.description), width, subsequent_indent=indent)
            row = node.row if node.wait is None else None
            foreground = "error" if node.cycle else "text"
            if not first.startswith(branch + name):  # it is wrapped within the name
                branch, name = "", first
            spans = (
                Span(branch, "faint"),
                Span(name, self._color(node.task)),
                Span(first[len(branch) + len(name) :], foreground),
            )
            lines.append(TextLine(spans, row=row, wait=node.wait))
            lines += [TextLine.of(each, foreground) for each in more]
        return lines

    def _color(self, task: int) -> str:
        lane = self.state.tracks.lanes.get(task)
        return task_color(0 if lane is None else lane.order)
