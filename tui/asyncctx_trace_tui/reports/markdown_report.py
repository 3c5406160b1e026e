"""The report for a pull request."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from asyncctx_trace.analysis.summary.grouping import FindingGroup
from asyncctx_trace.analysis.summary.report import Report
from asyncctx_trace.model.durations import format_duration
from asyncctx_trace.model.names import site_path
from asyncctx_trace.model.text import percent, plain
from asyncctx_trace_tui.reports.blame_rows import charges
from asyncctx_trace_tui.reports.labels import distinct_names

__all__ = ["render_markdown"]

_LINES = 10
_GROUPS = 10
_MARKS = {"error": "🛑", "warning": "⚠️", "note": "ℹ️"}
_CODE = re.compile(r"`([^`]+)`")
_ACTIVE = re.compile(r"([\\`*_{}\[\]<>#|~!&@])")


def render_markdown(report: Report) -> str:
    """Render ``report`` as GitHub Markdown; names of the program are escaped."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    snapshot = report.snapshot
    first, *more = report.opening
    yield f"**asyncctx-trace:** {_sentence(first)}"
    for sentence in more:
        yield f"\n{_sentence(sentence)}"
    if report.summary:
        yield f"\n{_escaped(report.summary)}"
    if report.losses:
        yield ""
    for lost, reason in report.losses:
        yield f"- 🛑 **{lost.lower()}**: {_escaped(reason)}"
    if report.breaches or report.groups:
        yield ""
    for breach in report.breaches:
        yield f"- 🛑 **budget** {_sentence(breach.summary)}"
    for group in report.groups[:_GROUPS]:
        yield from _group(report, group)
    yield from _more("groups of findings", len(report.groups) - _GROUPS)
    if not report.uses:
        return
    names = distinct_names(report)
    shown = [(names[group.resources[0]], use) for group, use in report.grouped_uses[:_LINES]]
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
                _escaped(name),
                _escaped(use.kind),
                f"{use.acquisitions:,}",
                percent(use.contended_share) if use.contends else "–",
                format_duration(use.wait.p50),
                format_duration(use.wait.p99),
                format_duration(use.wait.max),
                format_duration(use.hold.p50),
                format_duration(use.hold.max),
            ]
            for name, use in shown
        ),
    )
    total = sum(blamed.total for blamed in report.blames.values())
    blames = [
        [
            _escaped(path),
            f"`{_code(site_path(snapshot.timeline, site))}`",
            format_duration(ns),
            percent(ns / total),
        ]
        for path, site, ns in charges(report, "site")
        if not isinstance(site, str)
    ]
    if blames:
        yield ""
        yield from _table(["waited for", "held at", "waited", "share"], 2, blames[:_LINES])
    yield from _more("resources", len(report.grouped_uses) - _LINES)


def _group(report: Report, group: FindingGroup) -> Iterator[str]:
    """Yield a bullet for the group, and a nested one per kind of consequence."""
    yield f"- {_MARKS[group.severity]} {_heading(report, group)}: {_sentence(group.sentence)}"
    for consequence in group.consequences:
        yield f"  - follows from it: {_heading(report, consequence)}"


def _heading(report: Report, group: FindingGroup) -> str:
    times = f" ×{group.count:,}" if group.count > 1 else ""
    where = (
        f" `{_code(site_path(report.snapshot.timeline, group.sites[0]))}`" if group.sites else ""
    )
    return f"**{group.kind}** ({group.certainty}){times}{where}"


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


def _sentence(text: str) -> str:
    """Escape a sentence of ours, with its backticks as code spans."""
    parts = _CODE.split(plain(text))  # outside, inside, outside, …
    return "".join(
        f"`{_code(part)}`" if index % 2 else _escaped(part) for index, part in enumerate(parts)
    )


def _code(text: str) -> str:
    # In a code span only backticks are special, and in a table the bar.
    return plain(text).replace("`", "'").replace("|", "¦")
