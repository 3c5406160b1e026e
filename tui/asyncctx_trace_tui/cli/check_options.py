"""The options ``--fail-on`` and ``--budget``, which make a command fail."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from asyncctx_trace.analysis.summary.budgets import Budget

__all__ = ["FAILED", "check_options", "print_failed_checks"]

FAILED = 1
"""Exit code of a command if a check failed."""

F = TypeVar("F", bound=Callable[..., Any])


def print_failed_checks(lines: Iterable[str]) -> None:
    """Write the message of each failed check to stderr."""
    for line in lines:
        click.echo(f"asyncctx-trace: {line}", err=True)


def _kinds(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> frozenset[str]:
    if not values:
        return frozenset()
    from asyncctx_trace.analysis.summary.checks import kinds_in

    try:
        return kinds_in(values)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from None


def _budgets(
    ctx: click.Context, param: click.Parameter, values: tuple[str, ...]
) -> tuple[Budget, ...]:
    if not values:
        return ()
    from asyncctx_trace.analysis.summary.budgets import Budget

    try:
        return tuple(map(Budget.parse, values))
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from None


def check_options(command: F) -> F:
    """Add ``--fail-on`` and ``--budget``; pass them on as ``checks: Checks | None``."""

    @click.option(
        "--fail-on",
        multiple=True,
        callback=_kinds,
        metavar="KINDS",
        help="Exit with 1 on findings of these kinds: `deadlock,leak,…`, `certain` or `any`.",
    )
    @click.option(
        "--budget",
        "budgets",
        multiple=True,
        callback=_budgets,
        metavar="BUDGET",
        help="Exit with 1 if a budget is exceeded: `db pool:wait.p99<5ms`. Can be repeated.",
    )
    @wraps(command)
    def checked(
        *args: Any, fail_on: frozenset[str], budgets: tuple[Budget, ...], **kwargs: Any
    ) -> Any:
        checks = None
        if fail_on or budgets:
            from asyncctx_trace.analysis.summary.checks import Checks

            checks = Checks(fail_on, budgets)
        return command(*args, checks=checks, **kwargs)

    return checked  # type: ignore[return-value]  # only the parameters differ
