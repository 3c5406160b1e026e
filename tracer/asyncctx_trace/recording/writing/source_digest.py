"""A digest of each source file of the program, by which its viewer recognizes the file."""

from __future__ import annotations

import os

from asyncctx_trace.model.unpatched import unpatched

__all__ = ["LARGEST_SOURCE", "digest_of", "digest_of_file"]

LARGEST_SOURCE = 2_000_000
"""The largest size of a source file that is read, in bytes."""


def digest_of(content: bytes) -> str:
    """Return 32 hexadecimal digits that nobody finds who does not know ``content``."""
    import hashlib  # a program that records no site need not import it

    return hashlib.blake2b(content, digest_size=16).hexdigest()


def digest_of_file(path: str) -> str:
    """Return the digest of a regular file; ``""`` if it cannot be read, or is too large."""
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        fd = unpatched.open(path, flags)
    except (OSError, ValueError):
        return ""
    content = b""
    try:
        while len(content) <= LARGEST_SOURCE and (more := unpatched.read(fd, LARGEST_SOURCE)):
            content += more
    except OSError:
        return ""
    finally:
        unpatched.close(fd)
    return digest_of(content) if len(content) <= LARGEST_SOURCE else ""
