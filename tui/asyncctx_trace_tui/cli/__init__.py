"""The command line: one module per subcommand, imported when it is called.

Neither click nor a subcommand is imported before it is needed: importing click takes longer than
everything else that ``--help`` does.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

__all__ = ["COMMANDS", "main"]

COMMANDS = {
    "run": "Run a program and trace every `async with` in it.",
    "attach": "Look at, or record, a program that is running already.",
    "detach": "End the recording of a program that was attached to.",
    "ps": "List programs that are recorded, or can be attached to.",
    "replay": "Play a recording in the app.",
    "report": "Print the findings and statistics of a recording.",
    "confirm": "Run a recorded program again, and make its possible findings happen.",
    "sweep": "Cancel a program wherever it suspends, and report what is lost.",
    "diff": "Compare two recordings.",
    "export": "Send a recording as spans, or convert it for other tools.",
    "serve": "Show a recording in a browser.",
    "fetch": "Download traces from Jaeger or Tempo.",
    "recordings": "List recordings, or delete old ones.",
    "scenarios": "List the bundled scenarios.",
}
"""Subcommand -> what it does. Each is the module of its name; the texts are here so that ``--help``
need not import them."""

_USAGE = "Usage: asyncctx-trace COMMAND [ARGS]..."
_ABOUT = """See what every `async with` in a Python program does: which task holds a resource,
which tasks wait for it, what was cleaned up, in which order, and what never was."""


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line ``argv`` (default: ``sys.argv[1:]``), printing errors as one line.

    Always raises SystemExit: 0, the traced program's exit code, or 2 after a usage error.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] in (["-h"], ["--help"]):
        print(_help())
        sys.exit(0)
    from asyncctx_trace.errors import AsyncctxTraceError

    try:
        sys.exit(_dispatch(arguments))
    except AsyncctxTraceError as error:
        sys.exit(_usage_error(str(error)))
    except BrokenPipeError:  # `asyncctx-trace report FILE | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        sys.exit(_usage_error(f"{where}{error.strerror or error}"))


def _dispatch(arguments: list[str]) -> int:
    match arguments:
        case [] if sys.stdin.isatty() and sys.stdout.isatty():
            from asyncctx_trace_tui.cli.gallery_loop import open_gallery

            return open_gallery(_run_command)
        case []:
            print(_help())
            return 0
        case ["help"]:
            print(_help())
            return 0
        case ["help", name] if name in COMMANDS:
            _run_command(name, ["--help"])
            return 0
        case ["-V" | "--version", *_]:
            from importlib.metadata import version

            from asyncctx_trace.native import status

            print(f"asyncctx-trace {version('asyncctx-trace')} ({status()})")
            return 0
        case [name, *rest] if name in COMMANDS:
            _run_command(name, rest)
            return 0
        case _:
            return _usage_error(f"unknown command {arguments[0]!r}: {_suggestion(arguments[0])}")


def _run_command(name: str, arguments: Sequence[str]) -> None:
    import importlib

    module = importlib.import_module(f"{__name__}.{name}")
    module.command.main(args=list(arguments), prog_name=f"asyncctx-trace {name}")


def _help() -> str:
    width = max(map(len, COMMANDS))
    commands = "\n".join(f"  {name:<{width}}  {what}" for name, what in COMMANDS.items())
    return (
        f"{_USAGE}\n\n{_ABOUT}\n\nCommands:\n{commands}\n\n"
        "`asyncctx-trace help COMMAND` describes a command, `asyncctx-trace --version` prints\n"
        "the version."
    )


def _suggestion(name: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, COMMANDS, n=1)
    return f"did you mean {near[0]!r}?" if near else "see asyncctx-trace --help"


def _usage_error(line: str) -> int:
    print(f"asyncctx-trace: {line}", file=sys.stderr)
    return 2
