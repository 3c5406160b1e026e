"""Settings of the plugin: options of the session, and arguments of the marker.

Analysis is not imported before a test is traced or an option is given.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from asyncctx_trace.analysis.findings import Thresholds
    from asyncctx_trace.analysis.summary.budgets import Budget

__all__ = ["MARKER", "Settings", "add_options", "session_settings", "settings_of_test"]

MARKER = "lifecycles"
_KEYS = ("forbid", "allow", "budget", "threshold", "trace")
_INI = ("asyncctx", "asyncctx_forbid", "asyncctx_threshold", "asyncctx_budget")


@dataclass(frozen=True)
class Settings:
    """Which findings fail a test or are not reported, and when something takes too long."""

    forbid: frozenset[str] = frozenset()
    """Kinds of findings, ``certain`` or ``any``."""
    allow: frozenset[str] = frozenset()
    """The same; these neither fail a test nor are reported."""
    thresholds: tuple[str, ...] = ()
    """Each as it is written: ``slow-cleanup=50ms``."""
    budgets: tuple[Budget, ...] = ()
    """Every resource with the name of a budget must keep it."""
    required: tuple[Budget, ...] = ()
    """Those budgets that fail a test without a resource of that name."""

    @property
    def strict(self) -> bool:
        """Whether anything can fail a test, so that its recording must be complete."""
        return bool(self.forbid or self.budgets)

    def given_thresholds(self) -> frozenset[str]:
        """Return the kinds of findings for which a threshold was given."""
        return frozenset(text.partition("=")[0].strip() for text in self.thresholds)

    def limits(self) -> Thresholds:
        """Return all thresholds; the default for what a busy machine slows down is one second."""
        from asyncctx_trace.analysis.findings import Thresholds
        from asyncctx_trace.model.durations import SECOND

        base = Thresholds(slow_cleanup=SECOND, held_across_wait=SECOND, starved_pool=SECOND)
        return Thresholds.parse(self.thresholds, base)


def add_options(parser: pytest.Parser) -> None:
    """Add the options of the command line and of the configuration file."""
    group = parser.getgroup("asyncctx-trace")
    group.addoption(
        "--asyncctx",
        action="store_true",
        help="Trace every `async with` of the tests and report what is found.",
    )
    group.addoption(
        "--asyncctx-keep",
        action="store_true",
        help="Keep the recordings of tests that pass as well.",
    )
    group.addoption(
        "--asyncctx-quiet",
        action="store_true",
        help="Report no findings at the end. Forbidden ones still fail their tests.",
    )
    group.addoption(
        "--asyncctx-spans",
        action="store_true",
        help="Add spans and metrics to the OpenTelemetry providers of the tests as well.",
    )
    group.addoption(
        "--asyncctx-forbid",
        action="append",
        default=[],
        metavar="KINDS",
        help="Fail traced tests with these findings: `leak,deadlock`, `certain` or `any`.",
    )
    group.addoption(
        "--asyncctx-threshold",
        action="append",
        default=[],
        metavar="NAME=TIME",
        help="Report what takes longer, such as slow-cleanup=50ms.",
    )
    group.addoption(
        "--asyncctx-budget",
        action="append",
        default=[],
        metavar="BUDGET",
        help="Fail traced tests that exceed it: `db pool:wait.max<50ms`.",
    )
    parser.addini("asyncctx", "Trace all tests, as --asyncctx does.", type="bool", default=False)
    parser.addini(
        "asyncctx_forbid",
        "Findings that fail a traced test: kinds such as `leak`, `certain`, or `any`.",
        type="args",
        default=[],
    )
    parser.addini(
        "asyncctx_threshold",
        "Report what takes longer, such as `slow-cleanup=50ms`.",
        type="args",
        default=[],
    )
    parser.addini(
        "asyncctx_budget",
        "Limits that every traced test must keep, one a line: `db pool:wait.max<50ms`.",
        type="linelist",
        default=[],
    )


def session_settings(config: pytest.Config) -> Settings:
    """Return the settings of the command line and the configuration; raises pytest.UsageError."""
    overrides = config.getoption("override_ini", None) or ()
    given = {text.partition("=")[0].strip() for text in overrides}
    # pytest has no public name for the content of the file; without it, pytest itself warns.
    given |= set(getattr(config, "_inicfg", None) or vars(config).get("inicfg") or ())
    for name in sorted(given):
        if name.startswith("asyncctx") and name not in _INI:
            from asyncctx_trace.model.text import did_you_mean, plain

            raise pytest.UsageError(
                f"unknown option {plain(name)!r}{did_you_mean(name, _INI)}; use {', '.join(_INI)}"
            )
    forbid = [*config.getini("asyncctx_forbid"), *config.getoption("--asyncctx-forbid")]
    thresholds = [*config.getini("asyncctx_threshold"), *config.getoption("--asyncctx-threshold")]
    budgets = [*config.getini("asyncctx_budget"), *config.getoption("--asyncctx-budget")]
    if not (forbid or thresholds or budgets):
        return Settings()
    try:
        return _checked(forbid, (), thresholds, budgets)
    except ValueError as error:
        raise pytest.UsageError(f"asyncctx-trace: {error}") from None


def settings_of_test(session: Settings, mark: pytest.Mark | None) -> Settings:
    """Return the settings of one test; raises ValueError for an invalid marker."""
    if mark is None:
        return session
    from asyncctx_trace.model.text import did_you_mean, plain

    if mark.args:
        raise ValueError(
            f"@pytest.mark.{MARKER} takes keyword arguments only, such as forbid={mark.args[0]!r}"
        )
    for name in mark.kwargs:
        if name not in _KEYS:
            raise ValueError(
                f"@pytest.mark.{MARKER} has no argument {plain(name)!r}"
                f"{did_you_mean(name, _KEYS)}; use {', '.join(_KEYS)}"
            )
    forbid, allow, thresholds, budgets = (
        _as_texts(mark.kwargs.get(key, ())) for key in ("forbid", "allow", "threshold", "budget")
    )
    own = _checked(forbid, allow, thresholds, budgets)
    return Settings(
        session.forbid | own.forbid,
        session.allow | own.allow,
        (*session.thresholds, *own.thresholds),
        (*session.budgets, *own.budgets),
        own.budgets,
    )


def _checked(
    forbid: Iterable[str], allow: Iterable[str], thresholds: Iterable[str], budgets: Iterable[str]
) -> Settings:
    from asyncctx_trace.analysis.findings import Thresholds
    from asyncctx_trace.analysis.summary.budgets import Budget
    from asyncctx_trace.analysis.summary.checks import kinds_in

    each = tuple(part for text in thresholds for part in text.replace(",", " ").split())
    Thresholds.parse(each)
    return Settings(
        kinds_in(forbid), kinds_in(allow), each, tuple(Budget.parse(text) for text in budgets)
    )


def _as_texts(given: object) -> tuple[str, ...]:
    if isinstance(given, str):
        return (given,)
    if isinstance(given, Iterable) and all(isinstance(each, str) for each in given):
        return tuple(given)
    raise ValueError(f"@pytest.mark.{MARKER} takes strings, not {given!r}")
