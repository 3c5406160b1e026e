"""Who waits for whom at the play head, from the selected task up to the one to blame."""

from __future__ import annotations

from asyncctx_trace_tui.app.widgets.palette import task_ink
from asyncctx_trace_tui.app.widgets.text_page import Page, Piece, Words
from asyncctx_trace_tui.view.chain import chain, ready
from asyncctx_trace_tui.view.display_names import task_name
from asyncctx_trace_tui.view.state import NOT_KNOWN

__all__ = ["Waits"]


_SHOWN = 20
"""Other tasks whose chains are drawn."""


class Waits(Page):
    """The chain of the selected task as a tree, then those of all others that wait."""

    def words(self) -> list[Words]:
        scene = self.scene
        if scene.task is None:
            return [Words.of("no task has been seen yet", "faint")]
        if not scene.answer(ready):
            return [Words.of(NOT_KNOWN, "faint")]
        tasks = list(scene.tracks.lanes)
        at = min(scene.playback.at, scene.case.now)
        others = [
            task
            for task in tasks
            if task != scene.task and scene.case.waiting_at(task, at) is not None
        ]
        lines = [
            Words.of(f"From {task_name(scene.timeline, scene.task)} to the one to blame", "faint"),
            *self._tree(scene.task, tasks),
        ]
        if others:
            lines += [Words.of(""), Words.of("All others that wait", "faint")]
            for task in others[:_SHOWN]:
                lines += self._tree(task, tasks)
            if len(others) > _SHOWN:
                lines.append(Words.of(f"and {len(others) - _SHOWN} more", "faint"))
        return lines

    def _tree(self, task: int, tasks: list[int]) -> list[Words]:
        lines = []
        for link in chain(self.scene.case, task, self.scene.playback.at):
            branch = "   " * (link.depth - 1) + self.glyphs.branch if link.depth else ""
            order = tasks.index(link.task) if link.task in tasks else 0
            name = task_name(self.scene.timeline, link.task)
            rest = link.words.removeprefix(name)
            pieces = (
                Piece(branch, "faint"),
                Piece(name, task_ink(order)),
                Piece(rest, "error" if link.cycle else "text"),
            )
            lines.append(Words(pieces, row=link.row))
        return lines
