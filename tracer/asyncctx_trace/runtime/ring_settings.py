"""The settings of a project on how much is kept, and when dumps are written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from asyncctx_trace.dumps.options import DEFAULT_KEEP, DumpOptions
from asyncctx_trace.errors import AsyncctxTraceError, SettingsError
from asyncctx_trace.instrument.settings import read
from asyncctx_trace.recording.writing.retention import Retention

__all__ = ["RingSettings", "ring_settings"]

RingSettings = tuple[str | None, dict[str, Any]]
"""How much is kept (``None``: everything), and the options of dumps."""


def ring_settings(
    keep: str | None = None, given: Mapping[str, Any] | None = None, folder: Path | None = None
) -> RingSettings:
    """Return ``keep`` and the options in ``given``, and for ``None`` what the settings say.

    Args:
        keep: A size or a duration.
        given: Options of dumps, by the names that they have in :class:`record`.
        folder: A folder of the project; default: the current one.

    Raises:
        SettingsError: One of these settings is invalid. A file that cannot be read is reported by
            the process that is recorded.
        AsyncctxTraceError: ``keep`` or an option is invalid.
    """
    try:
        settings = dict(read(folder or Path()).ring)
    except SettingsError:  # the process will say so
        settings = {}
    kept: Any = settings.pop("keep", None)
    try:
        if kept is not None:
            Retention.parse(str(kept))
        DumpOptions.parse(settings)
    except AsyncctxTraceError as error:
        raise SettingsError(f"[tool.asyncctx-trace] in pyproject.toml: {error}") from None
    options: dict[str, Any] = settings | {
        name: value for name, value in (given or {}).items() if value
    }
    keep = keep or (None if kept is None else str(kept))
    parsed = DumpOptions.parse(options)
    if keep is None and (parsed.on or parsed.sample):
        keep = DEFAULT_KEEP
    if keep is not None:
        Retention.parse(keep)
    if options.get("dumps"):
        options["dumps"] = str(Path(options["dumps"]).absolute())  # the program may change folders
    return keep, options
