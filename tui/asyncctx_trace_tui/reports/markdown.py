"""The report for a pull request."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from asyncctx_trace.analysis.report import Report
from asyncctx_trace_tui.reports.names import place, way
from asyncctx_trace_tui.text import duration, percent, plain, shorten

__all__ = ["render_markdown"]

_LINES = 10
_MARKS = {"error": "🛑", "warning": "⚠️", "note": "ℹ️"}
_ACTIVE = re.compile(r"([\\`*_{}\[\]<>#|~!&@])")


def render_markdown(told: Report) -> str:
    """``told`` in GitHub's Markdown; names of the program are text, never markup or mentions."""
    return "\n".join(_lines(told)) + "\n"


def _lines(told: Report) -> Iterator[str]:
    case = told.case
    yield f"**asyncctx-trace:** {_escaped(told.verdict)}"
    if told.dropped:
        yield f"\n{told.dropped} acquisitions are missing from the recording."
    if told.breaches or told.findings:
        yield ""
    for breach in told.breaches:
        yield f"- 🛑 **budget** {_escaped(breach.summary)}"
    for finding in told.findings:
        where = f" `{_code(place(case, finding.sites[0]))}`" if finding.sites else ""
        yield (
            f"- {_MARKS[finding.severity]} **{finding.kind}** ({finding.certainty}){where}: "
            f"{_escaped(finding.summary)}"
        )
    if not told.uses:
        return
    yield ""
    yield from _table(
        [
            "resource",
            "kind",
            "acquired",
            "contended",
            "wait p50",
            "wait p99",
            "wait max",
            "hold p50",
            "hold max",
        ],
        2,
        (
            [
                _escaped(shorten(use.name, 60)),
                _escaped(use.kind),
                str(use.acquisitions),
                percent(use.contended_share) if use.contends else "–",
                duration(use.wait.p50),
                duration(use.wait.p99),
                duration(use.wait.max),
                duration(use.hold.p50),
                duration(use.hold.max),
            ]
            for use in told.uses[:_LINES]
        ),
    )
    blames = [
        [
            _escaped(way(case, path)),
            f"`{_code(place(case, site))}`",
            duration(ns),
            percent(ns / blamed.total),
        ]
        for use in told.uses
        if (blamed := told.blames.get(use.resource)) is not None
        for site, path, ns in blamed.by_site()[:3]
    ]
    if blames:
        yield ""
        yield from _table(["waited for", "held at", "waited", "share"], 2, blames[:_LINES])
    yield from _more("resources", len(told.uses) - _LINES)


def _more(what: str, left: int) -> Iterator[str]:
    if left > 0:
        yield f"\n… and {left} more {what}."


def _table(columns: list[str], names: int, rows: Iterable[list[str]]) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |"
    yield f"|{'---|' * names}{'--:|' * (len(columns) - names)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _escaped(text: str) -> str:
    return _ACTIVE.sub(r"\\\1", plain(text))


def _code(text: str) -> str:
    # Within backticks nothing but a backtick is active, and in a table the bar.
    return plain(text).replace("`", "'").replace("|", "¦")
