"""What an endpoint answered to the last request, which exporters do not return."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from asyncctx_trace.model.text import plain
from asyncctx_trace.model.urls import hide_secrets

__all__ = ["Answer", "one_line", "reason_of"]

_MAX_TEXT = 200
"""Characters of a message of others that are shown."""


@dataclass(slots=True)
class Answer:
    """The answer to the last request; :meth:`clear` begins a request."""

    observed: bool = False
    """Whether there was a request whose answer is known here."""
    problem: str | None = None
    """Why the request failed; ``None`` after success."""
    reached: bool = True
    """Whether the endpoint answered at all."""
    retryable: bool = False
    """Whether the same request may succeed later."""
    rejected: int = 0
    """Spans that the endpoint rejected in a request that it accepted."""
    message: str = ""
    """What it said about them."""

    def clear(self) -> None:
        """Forget the previous answer."""
        self.observed, self.problem, self.reached, self.retryable = False, None, True, False
        self.rejected, self.message = 0, ""

    def accept(self, response: Any) -> None:
        """Take an ``ExportTraceServiceResponse``."""
        self.clear()
        self.observed = True
        partial = response.partial_success
        self.rejected, self.message = partial.rejected_spans, one_line(partial.error_message)

    def fail(self, problem: str, *, reached: bool, retryable: bool) -> None:
        """Note why the request failed."""
        self.clear()
        self.observed, self.problem = True, one_line(problem)
        self.reached, self.retryable = reached, retryable


def one_line(text: str) -> str:
    """Return the first line of a message, without terminal escapes and passwords."""
    return plain(hide_secrets(text.strip().partition("\n")[0][:_MAX_TEXT]))


def reason_of(error: BaseException) -> str:
    """Return the innermost cause in one line; outer ones name classes of libraries."""
    cause: BaseException = error
    seen = {id(cause)}
    while True:
        inner = getattr(cause, "reason", None) or cause.__cause__ or cause.__context__
        if inner is None and cause.args and isinstance(cause.args[-1], BaseException):
            inner = cause.args[-1]
        if not isinstance(inner, BaseException) or id(inner) in seen:
            break
        cause = inner
        seen.add(id(cause))
    if isinstance(cause, OSError) and cause.strerror:
        return one_line(cause.strerror)
    return one_line(str(cause)) or type(cause).__name__
