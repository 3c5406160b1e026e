"""Guards mapped pages against the truncation of their file, which would kill the program.

The work is done in C (``page_guard.c``); without the extension, and on Windows, where a mapped file
cannot be truncated, nothing is guarded. See ``docs/decisions/0008-truncated-recordings.md``.
"""

from __future__ import annotations

import mmap
import weakref
from functools import partial

from asyncctx_trace.native import extension

__all__ = ["guard", "truncations"]

_native = extension("asyncctx_trace.recording")
_guarded = hasattr(_native, "guard_page")
_references: dict[int, weakref.ref[mmap.mmap]] = {}
"""Address of a guarded page -> what ends its guard just before it is unmapped."""


def guard(page: mmap.mmap) -> None:
    """Let stores to ``page`` succeed even after its file was truncated, until it is freed."""
    if _guarded:
        address = _native.guard_page(page)
        # The callback is C code alone: it may run at any moment, in any thread.
        _references[address] = weakref.ref(page, partial(_native.release_page, address))


def truncations() -> int:
    """Return a number that grows when a store found its file truncated."""
    return int(_native.pages_replaced()) if _guarded else 0
