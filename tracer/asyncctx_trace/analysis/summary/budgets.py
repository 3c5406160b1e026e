"""Limits that a run must keep, such as ``db pool:wait.p99<5ms``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase

from asyncctx_trace.analysis.contention.attribution import blame
from asyncctx_trace.analysis.contention.costs import ResourceUse
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.model.durations import format_duration, parse_duration
from asyncctx_trace.model.text import percent

__all__ = ["Breach", "Budget"]

_SPREADS = ("wait", "hold", "cleanup")
_STATISTICS = ("p50", "p95", "p99", "max", "mean", "total")
_SHARES = ("contended", "utilisation")
_COUNTS = ("acquisitions", "waiters")
_NAMES = 5
"""The number of names that are listed if a budget matches no resource."""
_HOW = (
    "write it like 'db pool:wait.p99<5ms' (wait, hold or cleanup; p50, p95, p99, max, mean or "
    "total), 'db pool:contended<10%', 'db pool:utilisation<80%' or 'db pool:waiters<3'"
)
_BUDGET = re.compile(r"(?P<name>.+):(?P<quantity>[a-z0-9.]+)\s*(?P<sign><=?)\s*(?P<limit>[^<]+)")


@dataclass(frozen=True, slots=True)
class Budget:
    """A limit on each resource whose name matches; ``*`` matches anything."""

    text: str
    """The text from which it was parsed."""
    name: str
    quantity: str
    limit: float
    """In ns, as a share of 1, or as a number."""
    inclusive: bool

    @classmethod
    def parse(cls, text: str) -> Budget:
        """Parse ``text``, such as ``db pool:wait.p99<5ms``.

        Raises ValueError with a description of the syntax.
        """
        match = _BUDGET.fullmatch(text.strip())
        if match is None:
            raise ValueError(f"{text!r} is not a budget: {_HOW}")
        quantity, limit = match["quantity"], match["limit"].strip()
        try:
            value = _parse_limit(quantity, limit)
        except ValueError as error:
            raise ValueError(f"{text!r} is not a budget ({error}): {_HOW}") from None
        return cls(text, match["name"].strip(), quantity, value, match["sign"] == "<=")

    def check(self, snapshot: Snapshot, uses: Iterable[ResourceUse]) -> list[Breach]:
        """Return each resource that exceeds it, or one breach if no resource matches the name."""
        uses = list(uses)
        meant = [use for use in uses if fnmatchcase(use.name, self.name)]
        if not meant:
            return [Breach(self, None, f"budget {self.text}: {self._no_such(uses)}")]
        return [
            Breach(self, use.resource, self._say(snapshot, use, value))
            for use in meant
            if (value := self._value(use)) is not None and not self._keeps(value)
        ]

    def _no_such(self, uses: Iterable[ResourceUse]) -> str:
        names = list(dict.fromkeys(use.name for use in uses))
        if not names:
            return f"no resource is named {self.name!r}: nothing was acquired"
        near = get_close_matches(self.name, names, n=1)
        if near:
            return f"no resource is named {self.name!r}: did you mean {near[0]!r}?"
        listed = ", ".join(map(repr, names[:_NAMES])) + (", …" if len(names) > _NAMES else "")
        return f"no resource is named {self.name!r}; the names are {listed}"

    def _keeps(self, value: float) -> bool:
        return value <= self.limit if self.inclusive else value < self.limit

    def _value(self, use: ResourceUse) -> float | None:
        match self.quantity:
            case "contended":
                return use.contended_share
            case "utilisation":
                return use.utilisation
            case "waiters":
                return use.most_waiters
            case "acquisitions":
                return use.acquisitions
        spread, _, statistic = self.quantity.partition(".")
        value: int = getattr(getattr(use, spread), statistic)
        return value

    def _say(self, snapshot: Snapshot, use: ResourceUse, value: float) -> str:
        if "." in self.quantity:
            over = format_duration(round(value - self.limit))
            is_, may = format_duration(round(value)), format_duration(round(self.limit))
        elif self.quantity in _SHARES:
            is_, may, over = percent(value), percent(self.limit), percent(value - self.limit)
        else:
            is_, may, over = f"{value:.0f}", f"{self.limit:.0f}", f"{value - self.limit:.0f}"
        sentence = f"budget {self.text}: it is {is_}, {over} over {may}"
        if use.contends and (sites := blame(snapshot, use.resource).by_site()):
            site, path, ns = sites[0]
            where = snapshot.site_label(site)
            sentence += f"; {percent(ns / use.wait.total)} of all waiting is for {where}"
            if len(path) > 1:
                sentence += " by way of " + ", then ".join(
                    f"`{snapshot.resource_name(r)}`" for r in path[1:]
                )
        return sentence


@dataclass(frozen=True, slots=True)
class Breach:
    """A budget that was exceeded."""

    budget: Budget
    resource: int | None
    """The resource; ``None`` if none matches the name."""
    summary: str
    """By how much it was exceeded, and who is to blame."""


def _parse_limit(quantity: str, text: str) -> float:
    """Return the limit of ``quantity`` in ns, as a share of 1 or as a number; raise ValueError."""
    spread, _, statistic = quantity.partition(".")
    if spread in _SPREADS and statistic in _STATISTICS:
        return parse_duration(text)
    if quantity in _SHARES and text.endswith("%"):
        return float(text.removesuffix("%")) / 100
    if quantity in _COUNTS:
        return int(text)
    raise ValueError(f"{quantity} cannot be limited so")
