"""The options that make findings and broken budgets fail a command."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from asyncctx_trace.analysis.budgets import Budget
    from asyncctx_trace.analysis.findings import Finding
    from asyncctx_trace.analysis.report import Report

__all__ = ["FAILED", "Gates", "gate_options"]

FAILED = 1
"""The exit code of a command whose gate is shut."""

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Gates:
    """What makes a command fail."""

    fail_on: frozenset[str] = frozenset()
    """Kinds of findings, ``certain`` or ``any``."""
    budgets: tuple[Budget, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.fail_on or self.budgets)

    def fails(self, told: Report) -> bool:
        """Whether something in the report, made with our budgets, shuts the gate."""
        return bool(told.breaches) or any(self._counts(finding) for finding in told.findings)

    def _counts(self, finding: Finding) -> bool:
        return bool(self.fail_on & {"any", finding.kind, finding.certainty} - {"possible"})


def _kinds(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> frozenset[str]:
    if not values:
        return frozenset()
    from asyncctx_trace.analysis.findings import KINDS

    names = frozenset(name.strip() for value in values for name in value.split(",")) - {""}
    unknown = sorted(names - {*KINDS, "certain", "any"})
    if unknown:
        words = f"{unknown[0]!r} is none of {', '.join(KINDS)}, certain, any"
        raise click.BadParameter(words, ctx, param)
    return names


def _budgets(
    ctx: click.Context, param: click.Parameter, values: tuple[str, ...]
) -> tuple[Budget, ...]:
    if not values:
        return ()
    from asyncctx_trace.analysis.budgets import Budget

    try:
        return tuple(map(Budget.parse, values))
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from None


def gate_options(command: F) -> F:
    """Add ``--fail-on`` and ``--budget``; the command gets them as ``gates: Gates``."""

    @click.option(
        "--fail-on",
        multiple=True,
        callback=_kinds,
        metavar="KINDS",
        help="Exit with 1 on these findings: `deadlock,leak,…`, `certain` or `any`.",
    )
    @click.option(
        "--budget",
        "budgets",
        multiple=True,
        callback=_budgets,
        metavar="BUDGET",
        help="Exit with 1 if broken: `db pool:wait.p99<5ms`. May be repeated.",
    )
    @wraps(command)
    def gated(
        *args: Any, fail_on: frozenset[str], budgets: tuple[Budget, ...], **kwargs: Any
    ) -> Any:
        return command(*args, gates=Gates(fail_on, budgets), **kwargs)

    return gated  # type: ignore[return-value]  # the same command but for `gates`
