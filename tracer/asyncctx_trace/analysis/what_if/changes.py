"""What is changed about a program: parsed from what the user writes."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import PurePath

from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.model.capacity import limit_of
from asyncctx_trace.model.text import plain
from asyncctx_trace.model.waits import WaitKind

__all__ = ["Changes", "parse_changes"]

_NUMBER = r"(\d{1,9}(?:\.\d{1,9})?)"
_TIMES = rf"\s*[*x×]\s*{_NUMBER}\s*"
_ARRIVALS = re.compile(rf"\s*arrivals{_TIMES}", re.IGNORECASE)
_HOLD = re.compile(rf"\s*(.+?):(\d{{1,9}}){_TIMES}")
_CAPACITY = re.compile(r"\s*(.+?)\s*=\s*(\d{1,9})\s*")
_REMOVED = re.compile(r"\s*(.+?)\s+(?:is\s+)?removed\s*", re.IGNORECASE)
_SPLIT = re.compile(r"\s*(.+?)\s+(?:is\s+)?split(?:\s+(?:by\s+key\s+)?(?:in)?to)?\s+(\d{1,6})\s*",
                    re.IGNORECASE)  # fmt: skip
_SPLIT_BY_KEY = re.compile(r"\s*(.+?)\s+(?:is\s+)?split\b.*", re.IGNORECASE)
_QUEUES = (WaitKind.QUEUE_GET, WaitKind.QUEUE_PUT, WaitKind.RECEIVE, WaitKind.SEND)
_HELP = (
    "use for example 'db pool=20', 'shop.py:70*0.5', 'lock removed', 'lock split 8', 'arrivals*2'"
)


@dataclass(slots=True)
class Changes:
    """Everything that is changed at once."""

    capacities: dict[int, int | None] = field(default_factory=dict)
    """Resource or queue -> its new capacity; ``None`` for no limit."""
    hold_factors: dict[int, float] = field(default_factory=dict)
    """Site -> what hold times are multiplied by."""
    split: dict[int, int] = field(default_factory=dict)
    """Resource -> into how many parts it is split."""
    arrivals: float = 1.0
    texts: tuple[str, ...] = ()
    """What the user wrote."""

    @property
    def needs_other_steps(self) -> bool:
        """Whether the model itself must be built anew."""
        return bool(self.hold_factors) or self.arrivals != 1.0


def parse_changes(timeline: Timeline, texts: Iterable[str]) -> Changes:
    """Parse changes such as ``db pool=20``; a name may contain ``*``, and may be that of several.

    Raises ValueError with one line that says what is wrong and what there is.
    """
    result = Changes(texts=tuple(texts))
    for text in result.texts:
        _add(timeline, text, result)
    return result


def _add(timeline: Timeline, text: str, result: Changes) -> None:
    if found := _ARRIVALS.fullmatch(text):
        result.arrivals *= _factor(found[1], text)
        if not result.arrivals:
            raise ValueError(f"{text!r}: arrivals cannot be multiplied by 0")
    elif found := _HOLD.fullmatch(text):
        factor = _factor(found[3], text)
        sites = _sites(timeline, found[1], int(found[2]))
        result.hold_factors |= dict.fromkeys(sites, factor)
    elif found := _CAPACITY.fullmatch(text):
        capacity = int(found[2])
        if capacity < 1:
            raise ValueError(f"{text!r}: a capacity must be at least 1")
        resources = _resources(timeline, found[1], queues=True)
        result.capacities |= dict.fromkeys(resources, capacity)
    elif found := _REMOVED.fullmatch(text):
        resources = _resources(timeline, found[1], queues=False)
        result.capacities |= dict.fromkeys(resources, None)
    elif found := _SPLIT.fullmatch(text):
        resources = _resources(timeline, found[1], queues=False)
        result.split |= dict.fromkeys(resources, max(1, int(found[2])))
    elif found := _SPLIT_BY_KEY.fullmatch(text):
        raise ValueError(f"{text!r}: into how many parts? Use for example '{found[1]} split 8'")
    else:
        raise ValueError(f"cannot read the change {text!r}: {_HELP}")


def _factor(text: str, whole: str) -> float:
    factor = float(text)
    if not math.isfinite(factor) or factor > 1_000_000:
        raise ValueError(f"{whole!r}: the factor is too large")
    return factor


def _resources(timeline: Timeline, name: str, *, queues: bool) -> list[int]:
    limited = {
        resource: known.name
        for resource, known in timeline.resources.items()
        if resource in timeline.rows_of_resource
        and limit_of(known.kind, known.capacity) is not None
    }
    if queues:
        waits = timeline.waits
        limited |= {
            subject: timeline.resources[subject].name
            for kind, subject in zip(waits.kind, waits.subject, strict=True)
            if kind in _QUEUES and subject in timeline.resources
        }
    found = [resource for resource, known in limited.items() if known == name]
    if not found:
        found = [r for r, known in limited.items() if fnmatchcase(known, name)]
    if not found:
        raise ValueError(_unknown("resource with a capacity", name, limited.values()))
    return found


def _sites(timeline: Timeline, file: str, line: int) -> list[int]:
    used = set(timeline.site)
    places = {
        site: (PurePath(known.file), known.line)
        for site, known in timeline.sites.items()
        if site in used
    }
    found = [
        site
        for site, (path, number) in places.items()
        if number == line and (str(path) == file or path.match(file))
    ]
    if not found:
        known = {f"{path.name}:{number}" for path, number in places.values()}
        raise ValueError(_unknown("acquisition", f"{file}:{line}", known))
    return found


def _unknown(what: str, name: str, known: Iterable[str]) -> str:
    names = sorted({plain(each) for each in known})
    near = get_close_matches(name, names, n=1)
    if near:
        return f"no {what} {name!r}: did you mean {near[0]!r}?"
    listed = ", ".join(repr(each) for each in names[:8]) + (", …" if len(names) > 8 else "")
    return f"no {what} {name!r}; there is {listed or 'none in this recording'}"
