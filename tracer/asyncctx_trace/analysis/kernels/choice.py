"""The choice between the implementations, made once for each snapshot."""

from __future__ import annotations

from collections.abc import Sized
from dataclasses import dataclass

from asyncctx_trace.analysis.kernels import plain
from asyncctx_trace.analysis.kernels.protocol import Operations
from asyncctx_trace.analysis.numpy_choice import use_numpy

__all__ = ["Kernels", "kernels_for", "plain_kernels", "vectorized_kernels"]

_FEW_ROWS = 50
"""The number of rows below which a loop is faster than the calls of numpy."""


@dataclass(frozen=True, slots=True)
class Kernels:
    """The implementations that the answers about one timeline use."""

    whole: Operations
    """For operations on all acquisitions."""
    few_rows: int = 0
    """The number of rows below which :meth:`for_rows` returns the plain operations."""

    def for_rows(self, rows: Sized) -> Operations:
        """Return the operations to use on ``rows``."""
        return plain if len(rows) < self.few_rows else self.whole


def kernels_for(acquisitions: int) -> Kernels:
    """Return the kernels for a timeline with that many acquisitions."""
    return vectorized_kernels() if use_numpy(acquisitions) else plain_kernels()


def plain_kernels() -> Kernels:
    """Return the kernels that need no numpy."""
    return Kernels(plain)


def vectorized_kernels(few_rows: int = _FEW_ROWS) -> Kernels:
    """Return the kernels that use numpy; raises ImportError if it is not installed."""
    from asyncctx_trace.analysis.kernels import vectorized  # numpy is slow to import

    return Kernels(vectorized, few_rows)
