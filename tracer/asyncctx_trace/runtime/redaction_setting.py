"""The setting that keeps secrets out of recordings."""

from __future__ import annotations

from pathlib import Path

from asyncctx_trace.errors import SettingsError

__all__ = ["redaction_is_set"]


def redaction_is_set() -> bool:
    """Return whether the project's settings ask for redaction; ``True`` if they are invalid."""
    from asyncctx_trace.instrument.settings import read  # only where something is recorded

    try:
        return read(Path()).redact
    except SettingsError:  # the program will say so
        return True
