"""Keep what may be secret out of a recording: arguments, messages, output, literals."""

from __future__ import annotations

import re

from asyncctx_trace.model.command_line import without_arguments

__all__ = ["REDACTED", "redact"]

REDACTED = "(redacted)"
_OURS = frozenset({"NotInstallable", "OSError", "SettingsError"})
"""Exceptions whose message is about the recording, and not the program's."""
_LITERAL = re.compile(r"""("|')(?:\\.|(?!\1).)*\1""")
"""A string literal of Python on one line."""


def redact(entry_kind: str, fields: dict[str, object]) -> dict[str, object]:
    """Return the fields of a text entry without what may be secret.

    These are the arguments of a process, the message of an exception, a line of output, and string
    literals in source text, from which resources have their names.
    """
    match entry_kind:
        case "process":
            return {**fields, "title": without_arguments(str(fields["title"]))}
        case "error":
            return {**fields, "message": REDACTED}
        case "printed":
            return {**fields, "text": REDACTED}
        case "stopped":
            name = str(fields["reason"]).partition(":")[0]
            return fields if name in _OURS else {**fields, "reason": name}
        case "site":
            return {**fields, "text": _LITERAL.sub("'…'", str(fields["text"]))}
        case "resource":
            return {**fields, "name": _LITERAL.sub("'…'", str(fields["name"]))}
        case _:
            return fields
