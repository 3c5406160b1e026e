"""Test by test, how a run of a suite went."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree

__all__ = ["Outcomes", "differing", "of_junit", "of_unittest"]

Outcomes = dict[str, list[str]]
"""Test -> outcomes, sorted; a parametrised test may appear more than once under one name."""

_STARTS = re.compile(r"^(\w+ \([\w.]+\))(?:\n[^\n]*?)?? \.\.\. ", re.MULTILINE)
_ENDS = re.compile(
    r"(ok|FAIL|ERROR|skipped [^\n]*|expected failure|unexpected success)$", re.MULTILINE
)
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{6,}")


def of_junit(path: Path) -> Outcomes:
    """From the XML file that pytest writes."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for case in ElementTree.parse(path).iter("testcase"):
        bad = [child.tag for child in case if child.tag in ("failure", "error", "skipped")]
        name = f"{case.get('classname')}::{case.get('name')}"
        found[_ADDRESS.sub("0x", name)].append("+".join(bad) or "passed")
    return {name: sorted(outcomes) for name, outcomes in found.items()}


def of_unittest(text: str) -> Outcomes:
    """From what ``unittest -v`` prints; a test's own output may stand before its outcome."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    parts = _STARTS.split(text)
    for name, rest in zip(parts[1::2], parts[2::2], strict=True):
        outcome = _ENDS.search(rest)
        found[name].append(outcome[1].split(" '")[0] if outcome else "no outcome")
    return {name: sorted(outcomes) for name, outcomes in found.items()}


def differing(one: Outcomes, other: Outcomes) -> list[str]:
    """The tests that went differently, or are in one of them alone."""
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))
