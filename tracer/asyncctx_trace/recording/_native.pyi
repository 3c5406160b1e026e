from collections.abc import Mapping
from mmap import mmap
from typing import Any, TypeVar

T = TypeVar("T")

LAYOUT: Mapping[str, Mapping[str, Any]]
"""Sizes, numbers of kinds, and offset and size of each field of a record."""

def monotonic_ns() -> int:
    """The monotonic clock in ns."""

def accelerate(name: str, original: T, /) -> T:
    """Return the C implementation of a class."""

def guard_page(page: mmap, /) -> int:
    """Survive the truncation of the page's file; return its address. Not on Windows."""

def release_page(address: int, /, *ignored: object) -> None:
    """Forget a page that is about to be unmapped. Not on Windows."""

def pages_replaced() -> int:
    """Return how many system pages of truncated recordings were replaced. Not on Windows."""
