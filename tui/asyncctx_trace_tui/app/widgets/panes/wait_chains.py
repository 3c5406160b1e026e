"""The view of waits: who waits for whom at the play head."""

from __future__ import annotations

from asyncctx_trace.analysis.contention.wait_tree import prepare_wait_trees, wait_tree
from asyncctx_trace.model.names import task_name
from asyncctx_trace_tui.app.widgets.palette import task_color
from asyncctx_trace_tui.app.widgets.text_page import Span, TextLine, TextPage
from asyncctx_trace_tui.view.state import COMPUTING

__all__ = ["Waits"]


_SHOWN = 20
"""Number of other tasks whose trees are shown."""


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
