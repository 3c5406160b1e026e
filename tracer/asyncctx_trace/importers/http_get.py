"""Get a document over HTTP from a server that may be hostile: within a time and a size."""

from __future__ import annotations

import contextlib
import http.client
import threading
import urllib.error
import urllib.request
from dataclasses import dataclass

__all__ = ["MAX_ANSWER", "Answer", "get"]

MAX_ANSWER = 256 << 20
"""Bytes of an answer that are read."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered."""

    status: int
    reason: str
    content_type: str
    body: bytes
    complete: bool
    """Whether the whole body is here."""


def get(url: str, headers: dict[str, str], timeout: float) -> Answer:
    """Get ``url`` within ``timeout`` seconds, whatever the server does.

    Follows redirects to HTTP and HTTPS. Raises OSError (TimeoutError included), ValueError, or
    http.client.HTTPException.
    """
    answers: list[Answer | BaseException] = []

    def ask() -> None:
        try:
            answers.append(_ask(urllib.request.Request(url, headers=headers), timeout))
        except BaseException as error:
            answers.append(error)

    # A timeout of urllib is one for each recv(): headers that drip would never be late for it.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(timeout)
    if not answers:
        raise TimeoutError(f"no complete answer within {timeout:g} s")
    [answer] = answers
    if isinstance(answer, BaseException):
        raise answer
    return answer


def _ask(request: urllib.request.Request, timeout: float) -> Answer:
    opener = urllib.request.OpenerDirector()
    for handler in (  # those of urllib but for files, FTP and data:
        urllib.request.ProxyHandler,
        urllib.request.UnknownHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPRedirectHandler,
        urllib.request.HTTPErrorProcessor,
    ):
        opener.add_handler(handler())
    try:
        response = opener.open(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        response = error
    if response is None:
        raise http.client.HTTPException("it redirects to another protocol")
    with contextlib.closing(response):
        body = response.read(MAX_ANSWER + 1)
        return Answer(
            response.status,
            str(response.reason),
            response.headers.get("content-type", "json"),
            body[:MAX_ANSWER],
            len(body) <= MAX_ANSWER,
        )
