"""The findings of the text report: heading, sentence, consequences."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from asyncctx_trace.analysis.summary.grouping import FindingGroup
from asyncctx_trace.analysis.summary.report import Report
from asyncctx_trace.model.names import site_path
from asyncctx_trace.model.text import count, cut, plain
from asyncctx_trace_tui.reports.extent import Extent
from asyncctx_trace_tui.reports.labels import group_name, time_label

__all__ = ["findings", "left_out_findings"]

_STYLES = {"error": "bold red", "warning": "bold yellow", "note": "bold blue"}
_INDENT = 2
_SITES = 3
"""Sites in a heading."""
_SITE_WIDTH = 48
"""The width of a site, in cells."""
_LINES = 3
"""The largest number of lines of a sentence."""
_CONSEQUENCES = 3
"""Kinds of consequences in one line."""


def findings(report: Report, extent: Extent, width: int) -> Iterator[RenderableType]:
    """Render the groups, most severe first."""
    for group in report.groups[: extent.groups]:
        yield from _group(report, group, extent, width)
    if left := _left(report, extent):
        groups = "group" if left == 1 else "groups"
        yield Text(f"\nand {left} more {groups} of findings: --full", style="dim")


def left_out_findings(report: Report, extent: Extent) -> Iterator[str]:
    """Yield the number of findings that are not shown individually."""
    single = len(report.findings) - len(report.groups[: extent.groups])
    if single > 0:
        yield f"{count(single, 'single finding')}"


def _left(report: Report, extent: Extent) -> int:
    return 0 if extent.groups is None else max(0, len(report.groups) - extent.groups)


def _group(
    report: Report, group: FindingGroup, extent: Extent, width: int
) -> Iterator[RenderableType]:
    yield Text.assemble(
        "\n",
        (group.kind, _STYLES[group.severity]),
        f" ({group.certainty}) ",
        (_sites(report, group, None if extent.full else _SITES), "underline"),
        f"  {_when(report, group)}",
    )
    available = width - _INDENT
    if extent.full:
        for finding in group.findings:
            yield Padding(Text(plain(finding.summary)), (0, 0, 0, _INDENT))
        for consequence in group.consequences:
            for finding in consequence.findings:
                line = f"↳ {consequence.kind}: {plain(finding.summary)}"
                yield Padding(Text(line), (0, 0, 0, _INDENT))
        return
    if group is not report.headline.group or report.headline.sentence not in report.opening:
        sentence = group.sentence
        if about := _about(group):
            sentence = f"{about}; for example: {sentence}"
        yield Padding(Text(cut(sentence, _LINES * available)), (0, 0, 0, _INDENT))
    elif about := _about(group):
        yield Padding(Text(about), (0, 0, 0, _INDENT))
    if group.consequences:
        yield Padding(Text(cut(_consequences(report, group), 2 * available)), (0, 0, 0, _INDENT))


def _sites(report: Report, group: FindingGroup, most: int | None) -> str:
    places = [site_path(report.snapshot.timeline, site, _SITE_WIDTH) for site in group.sites[:most]]
    more = len(group.sites) - len(places)
    return ", ".join(places) + (f" and {more} more" if more else "")


def _when(report: Report, group: FindingGroup) -> str:
    times = f"×{group.count:,} " if group.count > 1 else ""
    if group.last > group.first:
        return (
            f"{times}between {time_label(report, group.first)} and {time_label(report, group.last)}"
        )
    return f"{times}{'first ' if group.count > 1 else ''}at {time_label(report, group.first)}"


def _about(group: FindingGroup) -> str:
    """Return the resources, if there are several."""
    if sum(map(len, group.resources)) < 2:
        return ""
    names = [
        f"{count(len(each), each.kind)} `{plain(each.name)}`"
        if len(each) > 1
        else f"`{group_name(each)}`"
        for each in group.resources[:_SITES]
    ]
    more = len(group.resources) - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")


def _consequences(report: Report, group: FindingGroup) -> str:
    texts = []
    for each in group.consequences[:_CONSEQUENCES]:
        times = f" ×{each.count:,}" if each.count > 1 else ""
        texts.append(f"{each.kind}{times} at {_sites(report, each, 1)}")
    more = len(group.consequences) - len(texts)
    return f"↳ follows from it: {'; '.join(texts)}" + (f"; and {more} more" if more else "")
