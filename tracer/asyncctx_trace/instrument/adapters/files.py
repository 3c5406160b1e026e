"""Managers of aiofiles."""

from __future__ import annotations

from asyncctx_trace.instrument.adapters.model import Adapter, Everywhere

__all__ = ["ADAPTERS"]

ADAPTERS = (Adapter("aiofiles.base.AiofilesContextManager", "file", Everywhere("aiofiles.open")),)
