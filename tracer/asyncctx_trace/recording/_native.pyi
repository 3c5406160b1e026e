from collections.abc import Mapping
from typing import Any, TypeVar

T = TypeVar("T")

LAYOUT: Mapping[str, Mapping[str, Any]]
"""Sizes, numbers of kinds, and offset and size of each field of a record."""

def monotonic_ns() -> int:
    """The monotonic clock in ns."""

def stand_in(original: T, /) -> T:
    """Return the C implementation of a class."""
