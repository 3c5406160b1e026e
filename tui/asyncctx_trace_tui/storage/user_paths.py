"""Paths of the state and configuration files."""

from __future__ import annotations

from pathlib import Path

from platformdirs import user_config_path, user_state_path

__all__ = ["keymap", "recordings", "settings"]


def recordings() -> Path:
    """Return the folder of recordings made without ``-o``; it may not exist."""
    return user_state_path("asyncctx-trace", appauthor=False) / "recordings"


def settings() -> Path:
    """Return the path of the app's settings."""
    return user_config_path("asyncctx-trace", appauthor=False) / "settings.json"


def keymap() -> Path:
    """Return the path of the user's key bindings."""
    return user_config_path("asyncctx-trace", appauthor=False) / "keymap.toml"
