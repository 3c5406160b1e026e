"""A pytest plugin that traces tests; it does nothing unless a session or a test asks for it.

==========  ==========================================================
module      purpose
==========  ==========================================================
plugin      the hooks and the fixture
settings    options of the session and arguments of the marker
evaluation  what is reported about a test, and whether it fails
lifecycles  assertions about acquisitions
==========  ==========================================================
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncctx_trace.testing.lifecycles import Lifecycles

__all__ = ["Lifecycles"]


def __getattr__(name: str) -> object:
    # Imported on use: pytest loads this package in all sessions wherever it is installed.
    if name == "Lifecycles":
        from asyncctx_trace.testing.lifecycles import Lifecycles

        return Lifecycles
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
