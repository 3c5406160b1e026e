"""A module that is imported while tracers and profilers are installed."""

from __future__ import annotations

from typing import Any


async def enter(manager: Any) -> None:
    """Something to rewrite."""
    async with manager:
        pass
