"""The command line: finds the file of a subcommand when it is called.

Neither click nor a subcommand is loaded before it is needed: ``--help`` is to answer at once, and
importing click takes longer than everything else about it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

__all__ = ["COMMANDS", "main"]

COMMANDS = {
    "run": "Run a program and trace every `async with` in it.",
    "replay": "Play a recording in the app.",
    "report": "Print the findings and statistics of a recording.",
    "diff": "Compare two recordings.",
    "export": "Send a recording as spans, or convert it for other tools.",
    "serve": "Show a recording in a browser.",
    "fetch": "Download traces from Jaeger.",
    "recordings": "List recordings, or delete old ones.",
    "scenarios": "List the bundled scenarios.",
}
"""Subcommand -> what it does. Each lives in the module of its name, imported only when called:
the texts are here so that --help need not open them."""

_USAGE = "Usage: asyncctx-trace COMMAND [ARGS]..."
_ABOUT = """See what every `async with` in a Python program does: which task holds a resource,
which tasks wait for it, what was cleaned up, in which order, and what never was."""


def main(argv: Sequence[str] | None = None) -> None:
    """The console script: every error that is not a bug of ours is one clear line.

    Always ends by SystemExit: 0, the traced program's exit code, or 2 after a wrong call.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] in (["-h"], ["--help"]):
        print(_help())
        sys.exit(0)
    from asyncctx_trace.errors import AsyncctxTraceError

    try:
        sys.exit(_dispatch(words))
    except AsyncctxTraceError as error:
        sys.exit(_complain(str(error)))
    except BrokenPipeError:  # `asyncctx-trace report FILE | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        sys.exit(_complain(f"{where}{error.strerror or error}"))


def _dispatch(words: list[str]) -> int:
    match words:
        case [] if sys.stdin.isatty() and sys.stdout.isatty():
            from asyncctx_trace_tui.cli.gallery import open_gallery

            return open_gallery()
        case []:
            print(_help())
            return 0
        case ["--version", *_]:
            from importlib.metadata import version

            from asyncctx_trace.compiled import is_compiled

            how = "compiled" if is_compiled("asyncctx_trace.recording") else "pure Python"
            print(f"asyncctx-trace {version('asyncctx-trace')} ({how})")
            return 0
        case [name, *rest] if name in COMMANDS:
            import importlib

            module = importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
            module.command.main(args=rest, prog_name=f"asyncctx-trace {name}")
            return 0
        case _:
            return _complain(f"unknown command {words[0]!r}: {_nearest(words[0])}")


def _help() -> str:
    width = max(map(len, COMMANDS))
    commands = "\n".join(f"  {name:<{width}}  {what}" for name, what in COMMANDS.items())
    return (
        f"{_USAGE}\n\n{_ABOUT}\n\nCommands:\n{commands}\n\n"
        "`asyncctx-trace COMMAND --help` describes a command, `asyncctx-trace --version`\n"
        "prints the version."
    )


def _nearest(name: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, COMMANDS, n=1)
    return f"did you mean {near[0]!r}?" if near else "see asyncctx-trace --help"


def _complain(line: str) -> int:
    print(f"asyncctx-trace: {line}", file=sys.stderr)
    return 2
