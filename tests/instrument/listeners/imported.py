"""A module that somebody imports while everybody listens."""

from __future__ import annotations

from typing import Any


async def enter(manager: Any) -> None:
    """Something to rewrite."""
    async with manager:
        pass
