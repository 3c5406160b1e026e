"""The words after ``--`` on a command line: a program with its arguments."""

from __future__ import annotations

import click

__all__ = ["WithProgram", "program_words"]

_KEY = "asyncctx_trace.program"


class WithProgram(click.Command):
    """A command that takes a program after ``--``, which :func:`program_words` returns."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take the words after ``--`` off before click counts arguments."""
        if "--" in args:
            at = args.index("--")
            ctx.meta[_KEY] = tuple(args[at + 1 :])
            args = args[:at]
        return super().parse_args(ctx, args)


def program_words(ctx: click.Context) -> tuple[str, ...]:
    """Return the words after ``--``, empty for none."""
    words: tuple[str, ...] = ctx.meta.get(_KEY, ())
    return words
