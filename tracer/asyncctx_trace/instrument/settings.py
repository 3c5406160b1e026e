"""Read the settings of a project from its ``pyproject.toml``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from asyncctx_trace.errors import SettingsError

__all__ = ["Settings", "read"]

_TABLE = "asyncctx-trace"
_RING = (
    "keep",
    "on",
    "before",
    "after",
    "dumps",
    "dump-every",
    "dumps-per-hour",
    "dump-limit",
    "sample",
    "sample-longer",
    "sample-every",
)
"""Keys of what ``record`` takes as arguments, with underscores."""


@dataclass(frozen=True, slots=True)
class Settings:
    """``[tool.asyncctx-trace]``."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    all: bool = False
    spans: bool = False
    """Whether what is traced by rewriting also becomes spans of the program's own providers."""

    waits: bool = True
    """Whether waits for other things than managers are recorded."""

    redact: bool = False
    """Whether arguments, messages, output and literals are kept out of recordings."""

    ring: Mapping[str, object] = field(default_factory=dict)
    """How much is kept and when dumps are written, as arguments of ``record``; not checked."""

    def plus(self, include: tuple[str, ...], exclude: tuple[str, ...], all: bool) -> Settings:
        """Return these settings with arguments added; an ``include`` beats an ``exclude`` here."""
        return Settings(
            self.include + include,
            tuple(word for word in self.exclude if word not in include) + exclude,
            self.all or all,
            self.spans,
            self.waits,
            self.redact,
            self.ring,
        )


def read(folder: Path) -> Settings:
    """Return the settings of the project that ``folder`` is in; without a project, the defaults.

    Raises:
        SettingsError: The file is not valid TOML, or a setting has the wrong type.
    """
    found = (
        parent / "pyproject.toml" for parent in [folder.absolute(), *folder.absolute().parents]
    )
    path = next(filter(Path.is_file, found), None)
    if path is None:
        return Settings()
    raw = path.read_bytes()
    if _TABLE.encode() not in raw:  # most programs need no parser then
        return Settings()
    import tomllib

    try:
        table = tomllib.loads(raw.decode()).get("tool", {}).get(_TABLE, {})
    except ValueError as error:
        raise SettingsError(f"{path} is not valid TOML: {error}") from None
    return Settings(
        _words(path, table, "include"),
        _words(path, table, "exclude"),
        _flag(path, table, "all"),
        _flag(path, table, "spans"),
        _flag(path, table, "waits", default=True),
        _flag(path, table, "redact"),
        {key.replace("-", "_"): table[key] for key in _RING if key in table},
    )


def _words(path: Path, table: dict[str, object], key: str) -> tuple[str, ...]:
    words = table.get(key, [])
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise SettingsError(
            f'{path}: {key} in [tool.{_TABLE}] must be a list of names such as ["asyncpg"]'
        )
    return tuple(words)


def _flag(path: Path, table: dict[str, object], key: str, *, default: bool = False) -> bool:
    value = table.get(key, default)
    if not isinstance(value, bool):
        raise SettingsError(f"{path}: {key} in [tool.{_TABLE}] must be true or false")
    return value
