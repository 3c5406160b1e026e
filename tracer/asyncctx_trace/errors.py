"""The exceptions of the public API.

::

    AsyncctxTraceError
    ├── NotTraceable          the argument of traced() is not a manager   (also a TypeError)
    ├── NotInstallable        install() does not support this interpreter
    ├── SettingsError         pyproject.toml contains an invalid setting
    ├── AlreadyRecording      this process already records
    └── RecordingError        a file cannot be used as a recording
        ├── NotARecording     it is another kind of file
        ├── DamagedRecording  it is truncated or altered
        ├── NewerRecording    a newer version wrote it
        └── RecordingExists   it exists and may not be overwritten

Every message is one line: what is wrong, and what to do.
"""

from __future__ import annotations

__all__ = [
    "AlreadyRecording",
    "AsyncctxTraceError",
    "DamagedRecording",
    "NewerRecording",
    "NotARecording",
    "NotInstallable",
    "NotTraceable",
    "RecordingError",
    "RecordingExists",
    "SettingsError",
]


class AsyncctxTraceError(Exception):
    """Base class of all exceptions that asyncctx-trace raises."""


class NotTraceable(AsyncctxTraceError, TypeError):
    """The argument of :func:`traced` is not a manager and does not make one."""


class NotInstallable(AsyncctxTraceError):
    """The code of this interpreter version cannot be rewritten."""


class SettingsError(AsyncctxTraceError):
    """A setting in ``[tool.asyncctx-trace]`` of ``pyproject.toml`` is invalid."""


class AlreadyRecording(AsyncctxTraceError):
    """This process already records to a file."""


class RecordingError(AsyncctxTraceError):
    """A file cannot be read or written as a recording."""


class NotARecording(RecordingError):
    """The file is not a recording."""


class DamagedRecording(RecordingError):
    """The recording is truncated or altered."""


class NewerRecording(RecordingError):
    """The recording was written by a newer version of asyncctx-trace."""


class RecordingExists(RecordingError):
    """The file exists, and overwriting it was not requested."""
