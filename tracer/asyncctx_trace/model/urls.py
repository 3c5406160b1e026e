"""URLs as they may be shown: without what may be secret."""

from __future__ import annotations

import re

__all__ = ["hide_secrets"]

_USER_INFO = re.compile(r"(?<=://)[^/?#\s]*@")
_QUERY = re.compile(r"(://[^?#\s]*)\?[^\s'\")]*")


def hide_secrets(text: str) -> str:
    """Return ``text`` with user, password and query of each URL in it replaced.

    ``https://bob:hunter2@host/x?key=1`` becomes ``https://***@host/x?***``.
    """
    return _QUERY.sub(r"\1?***", _USER_INFO.sub("***@", text))
