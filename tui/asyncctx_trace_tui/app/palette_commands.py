"""The key bindings as commands of the palette, which finds them by plain words as well."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from textual.app import App, SystemCommand
from textual.screen import Screen

from asyncctx_trace_tui.app.screens.help_screen import shown_keys
from asyncctx_trace_tui.app.screens.trace_screen import sections

__all__ = ["commands_of"]

_NOT_IN_PALETTE = ("commands", "interrupt")
"""Ids of commands that the palette leaves out: itself, and a second key to quit."""
_SYNONYMS = {
    "filter": "hide, only",
    "ascii": "plain characters",
    "findings": "report, deadlocks, leaks",
    "fit": "zoom out fully, all",
    "help": "keys, legend, shortcuts",
    "next-problem": "jump, deadlock, leak",
    "legend": "glyphs, symbols, colors",
    "next-match": "story, step",
    "overview": "verdict, culprit, summary, story, home",
    "quit": "exit, stop",
    "source": "code, file",
    "waits": "blocked, deadlock",
    "what-if": "capacity, pool size, forecast, bottleneck, slider",
    "save-page": "export",
    "save-svg": "export, screenshot",
    "save-text": "export",
    "search": "find",
    "theme": "dark, light, colors",
    "time-of-day": "clock",
    "to-time": "jump",
}
"""Command id -> other words by which people look for it in the palette."""


def commands_of(app: App[None], screen: Screen[Any]) -> Iterator[SystemCommand]:
    """Yield one command per key binding of ``app`` on ``screen``, with its keys."""
    for _, bindings in sections(app):
        for binding in bindings:
            if binding.id in _NOT_IN_PALETTE:
                continue
            name = binding.action.partition("(")[0]
            owner = screen if hasattr(screen, f"action_{name}") else app
            synonyms = _SYNONYMS.get(binding.id or "")
            title = binding.tooltip or binding.description
            yield SystemCommand(
                f"{title} ({synonyms})" if synonyms else title,
                f"key {shown_keys(binding)}",
                partial(owner.run_action, binding.action),
            )
