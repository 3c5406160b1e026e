"""What is known of other libraries' managers and pools.

``model`` says what an adapter is, ``registry`` keeps the table; every other module holds the
adapters of one family of libraries, and imports none of these libraries.
"""

from __future__ import annotations

from asyncctx_trace.instrument.adapters.model import (
    Adapter,
    AtCreation,
    Checkout,
    Everywhere,
    Give,
    Pair,
    Take,
    itself,
)
from asyncctx_trace.instrument.adapters.registry import (
    FAMILIES,
    adapter_for,
    built_in,
    load_family,
    on_new_adapter,
    register_adapter,
    registered,
)

__all__ = [
    "FAMILIES",
    "Adapter",
    "AtCreation",
    "Checkout",
    "Everywhere",
    "Give",
    "Pair",
    "Take",
    "adapter_for",
    "built_in",
    "itself",
    "load_family",
    "on_new_adapter",
    "register_adapter",
    "registered",
]
