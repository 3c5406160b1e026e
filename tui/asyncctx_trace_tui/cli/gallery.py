"""``asyncctx-trace`` without arguments: choose what to look at, again and again."""

from __future__ import annotations

import importlib

import click

__all__ = ["open_gallery"]


def open_gallery() -> int:
    """Run or open what is chosen, come back, until nothing is; gives the exit code."""
    from asyncctx_trace_tui.app.gallery import Gallery

    highlight = 0
    while True:
        gallery = Gallery(highlight=highlight)
        choice = gallery.run()
        if choice is None:
            return gallery.return_code or 0
        highlight = gallery.highlight
        module = importlib.import_module(f"{__package__}.{choice.command}")
        try:
            module.command.main(
                args=list(choice.words), prog_name=f"asyncctx-trace {choice.command}"
            )
        except SystemExit as ended:
            # A program that was interrupted needs no reading; a complaint does.
            if isinstance(ended.code, str) or 0 < (ended.code or 0) < 128:
                click.pause("Press Enter to return to the gallery ", err=True)
