"""What can go wrong for a caller of ours.

::

    AsyncctxTraceError
    ├── NotTraceable          traced() was given something it cannot trace   (also a TypeError)
    ├── NotInstallable        install() cannot rewrite on this interpreter
    ├── SettingsError         pyproject.toml does not say what it means
    ├── AlreadyRecording      a second recording was asked for
    └── RecordingError        a file cannot be used as a recording
        ├── NotARecording     it is something else
        ├── DamagedRecording  its header is cut off or altered
        ├── NewerRecording    a later version wrote it
        └── RecordingExists   it would have been overwritten

Every message is one line that says what to do.
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
    """Any error that is about this library and not about the traced program."""


class NotTraceable(AsyncctxTraceError, TypeError):
    """The object given to ``traced`` is no manager and makes none."""


class NotInstallable(AsyncctxTraceError):
    """This interpreter's code is not of a shape that can be rewritten."""


class SettingsError(AsyncctxTraceError):
    """The settings in ``pyproject.toml`` do not say what they mean."""


class AlreadyRecording(AsyncctxTraceError):
    """This process already writes a recording."""


class RecordingError(AsyncctxTraceError):
    """A file cannot be read, or written, as a recording."""


class NotARecording(RecordingError):
    """The file does not begin like a recording."""


class DamagedRecording(RecordingError):
    """The file begins like a recording, but its header is cut off or altered."""


class NewerRecording(RecordingError):
    """The file was written by a later version of this library."""


class RecordingExists(RecordingError):
    """The file is there already and is not overwritten unasked."""
