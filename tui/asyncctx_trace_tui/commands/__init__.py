"""The command line: every subcommand by name, its file opened only when it is called."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence

import click

__all__ = ["COMMANDS", "main"]

COMMANDS = {
    "run": "Run a program and watch every `async with` in it.",
    "replay": "Play a recording in the app.",
    "report": "Print what a recording tells.",
    "scenarios": "List the bundled scenarios.",
}
"""Subcommand -> what it does. Each lives in the module of its name, imported only when called:
the texts are here so that --help need not open them."""


class _Commands(click.Group):
    """Subcommands by name, loaded late."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"{__name__}.{cmd_name.replace('-', '_')}")
        command = module.command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="asyncctx-trace", prog_name="asyncctx-trace")
def _cli() -> None:
    """See what every `async with` in a Python program is doing: who holds, who waits, what
    cleaned up, in which order, and what never did."""


def main(argv: Sequence[str] | None = None) -> None:
    """The console script: every error that is not ours to explain better is one clear line."""
    from asyncctx_trace.errors import AsyncctxTraceError

    try:
        _cli.main(args=argv, prog_name="asyncctx-trace")
    except AsyncctxTraceError as error:
        sys.exit(_complain(str(error)))
    except BrokenPipeError:  # `asyncctx-trace report FILE | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        sys.exit(_complain(f"{where}{error.strerror or error}"))


def _complain(line: str) -> int:
    click.echo(f"asyncctx-trace: {line}", err=True)
    return 2
