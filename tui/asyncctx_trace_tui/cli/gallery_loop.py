"""``asyncctx-trace`` without arguments: choose something in the gallery, run it, come back."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import click

__all__ = ["open_gallery"]


def open_gallery(run: Callable[[str, Sequence[str]], None]) -> int:
    """Show the gallery until the user quits, and return the exit code.

    ``run(command, arguments)`` runs a subcommand; it ends by SystemExit.
    """
    from asyncctx_trace_tui.app.gallery import Gallery

    highlight = 0
    while True:
        gallery = Gallery(highlight=highlight)
        choice = gallery.run()
        if choice is None:
            return gallery.return_code or 0
        highlight = gallery.highlight
        try:
            run(choice.command, choice.arguments)
        except SystemExit as ended:
            # Pause for an error message, but not after an interrupt.
            if isinstance(ended.code, str) or 0 < (ended.code or 0) < 128:
                click.pause("Press Enter to return to the gallery ", err=True)
