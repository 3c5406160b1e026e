"""Tests that look at every ``async with``: a pytest plugin, off until asked.

==========  =====================================================
room        what it is
==========  =====================================================
plugin      the options, the marker and the fixture
lifecycles  what a test may claim
==========  =====================================================
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncctx_trace.testing.lifecycles import Lifecycles

__all__ = ["Lifecycles"]


def __getattr__(name: str) -> object:
    # Late: pytest loads this package in every session of whoever has it installed.
    if name == "Lifecycles":
        from asyncctx_trace.testing.lifecycles import Lifecycles

        return Lifecycles
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
