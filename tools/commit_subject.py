"""Check the subject of a commit message; run by pre-commit with the file of the message."""

from __future__ import annotations

import re
import sys
from pathlib import Path

_LONGEST = 72
_SUBJECT = re.compile(r"[a-z0-9_. -]+: [a-z`]")


def problem(subject: str) -> str | None:
    """Return what is wrong with ``subject``, or ``None``."""
    if subject.startswith(("Merge ", "Revert ", "fixup! ", "squash! ")):
        return None
    if len(subject) > _LONGEST:
        return f"the subject has {len(subject)} characters: use at most {_LONGEST}"
    if not _SUBJECT.match(subject):
        return "begin the subject with an area, as in `recording: keep definitions in a ring`"
    if subject.endswith("."):
        return "leave out the full stop at the end of the subject"
    return None


if __name__ == "__main__":
    lines = Path(sys.argv[1]).read_text("utf-8").splitlines()
    found = problem(lines[0] if lines else "")
    if found:
        sys.exit(found)
