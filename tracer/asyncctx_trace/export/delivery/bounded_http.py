"""Limits for what an HTTP endpoint may do to an exporter: time, size, and where it leads."""

from __future__ import annotations

import contextlib
import io
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from requests import PreparedRequest, RequestException, Response, Timeout
from requests.adapters import HTTPAdapter
from requests.exceptions import ConnectionError as NoConnection
from requests.exceptions import SSLError
from urllib3 import HTTPResponse

from asyncctx_trace.export.delivery.answers import Answer, one_line, reason_of

__all__ = ["AnswerTooLong", "BoundedAdapter"]

_MAX_ANSWER = 64 * 1024
"""Bytes of an answer that are read: a valid one has a number and a sentence."""
_MAX_RETRY_AFTER = 29
"""Characters of a date in a header; the exporter fails at the years of longer ones."""
_RETRYABLE = frozenset({429, 502, 503, 504})


class AnswerTooLong(RequestException):
    """The endpoint sent more than any valid answer has."""


@dataclass(slots=True)
class _Deadline:
    """The time that a request has."""

    passed: bool = False


class BoundedAdapter(HTTPAdapter):
    """A requests adapter whose requests end in time, whatever the endpoint sends.

    The timeout of requests is one for each ``recv()``: a server that sends a byte a second is
    never too late for it. Here it is one for the whole request: headers and body. At most 64 KiB
    of an answer are read, and nothing is unpacked. What became of each request is noted in
    ``answer``; a redirection counts as a failure.
    """

    until: float | None = None
    """When all requests have to be over, by ``time.monotonic()``; ``None``: no such time."""

    def __init__(self, endpoint: str, answer: Answer) -> None:
        """``endpoint`` names it in messages."""
        self._endpoint = endpoint
        self._answer = answer
        self._sockets: list[socket.socket] = []
        super().__init__()

    def send(
        self,
        request: PreparedRequest,
        stream: bool = False,  # noqa: ARG002 - the answer has been read in any case
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Any = None,
    ) -> Response:
        """Send ``request``; return its answer, which has been read completely.

        Raises:
            RequestException: There is no answer in time, or none that may be read.
        """
        limit = timeout if isinstance(timeout, int | float) else None
        if self.until is not None:
            left = max(0.001, self.until - time.monotonic())
            limit = left if limit is None else min(limit, left)
        # A short answer needs no compression, and a compressed one may expand to gigabytes.
        request.headers["Accept-Encoding"] = "identity"
        with self._deadline(limit) as deadline:
            try:
                response = super().send(request, True, limit, verify, cert, proxies)
                content = self._read(response)
            except Exception as error:  # a hostile answer may cause any error in the libraries
                if deadline.passed or isinstance(error, Timeout):
                    raise self._timed_out(limit) from None
                self._failed(error)
                if isinstance(error, RequestException):
                    raise
                raise NoConnection(error) from None  # which the exporter retries
            if deadline.passed:  # the answer was cut off, which looks like its end
                raise self._timed_out(limit)
        self._note(response, content)
        if len(response.headers.get("retry-after", "")) > _MAX_RETRY_AFTER:
            del response.headers["retry-after"]
        response.raw = HTTPResponse(
            io.BytesIO(content), status=response.status_code, preload_content=False
        )
        return response

    def _read(self, response: Response) -> bytes:
        """Return the body as it was sent."""
        content = b""
        with contextlib.closing(response):
            # Only at its end does it show whether the answer is complete.
            while len(content) <= _MAX_ANSWER and (
                more := response.raw.read(_MAX_ANSWER, decode_content=False)
            ):
                content += more
        if len(content) > _MAX_ANSWER:
            raise AnswerTooLong(f"an answer of more than {_MAX_ANSWER // 1024} KiB")
        return content

    def _note(self, response: Response, content: bytes) -> None:
        status = response.status_code
        if not 200 <= status < 300:
            problem = f"{self._endpoint} answered {status} {one_line(str(response.reason))}"
            retryable = status in _RETRYABLE
            self._answer.fail(problem.rstrip(), reached=True, retryable=retryable)
            return
        try:
            self._answer.accept(ExportTraceServiceResponse.FromString(content))
        except Exception:  # the answer of a proxy, for example
            self._answer.accept(ExportTraceServiceResponse())

    def _timed_out(self, limit: float | None) -> Timeout:
        message = f"no answer from {self._endpoint} within {limit or 0:.3g} s"
        self._answer.fail(message, reached=False, retryable=True)
        return Timeout(message)

    def _failed(self, error: Exception) -> None:
        if isinstance(error, AnswerTooLong):
            message = f"{self._endpoint} sent {error}"
            self._answer.fail(message, reached=True, retryable=False)
            return
        tls = isinstance(error, SSLError)
        message = f"no {'TLS ' if tls else ''}connection to {self._endpoint}: {reason_of(error)}"
        self._answer.fail(message, reached=False, retryable=not tls)

    # -- the deadline -----------------------------------------------------------------------

    @contextlib.contextmanager
    def _deadline(self, seconds: float | None) -> Iterator[_Deadline]:
        """Shut down the connections when ``seconds`` have passed within the block."""
        deadline = _Deadline()
        if seconds is None:
            yield deadline
            return

        def shut_down() -> None:
            deadline.passed = True
            for connected in list(self._sockets):
                with contextlib.suppress(OSError):
                    connected.shutdown(socket.SHUT_RDWR)

        timer = threading.Timer(seconds, shut_down)
        timer.daemon = True
        timer.start()
        try:
            yield deadline
        finally:
            timer.cancel()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """Create the pools, of connections that are known to this adapter."""
        super().init_poolmanager(*arguments, **options)
        self._watch(self.poolmanager)

    def proxy_manager_for(self, proxy: Any, **options: Any) -> Any:
        """Return the pools of connections to ``proxy``, which are known to this adapter."""
        known = proxy in self.proxy_manager
        manager = super().proxy_manager_for(proxy, **options)
        if not known:
            self._watch(manager)
        return manager

    def close(self) -> None:
        """Close all connections."""
        super().close()
        self._forget()

    def _watch(self, manager: Any) -> None:
        manager.pool_classes_by_scheme = {
            scheme: self._watched(pool) for scheme, pool in manager.pool_classes_by_scheme.items()
        }

    def _watched(self, pool: Any) -> Any:
        """Return a class of pools whose connections are known to this adapter."""
        adapter = self

        class Connection(pool.ConnectionCls):  # type: ignore[misc]  # a class at run time
            def _new_conn(self) -> socket.socket:
                connected: socket.socket = super()._new_conn()
                # TLS takes the socket over; its duplicate still stands for the connection.
                adapter._forget()
                adapter._sockets.append(connected.dup())
                return connected

        return type(pool.__name__, (pool,), {"ConnectionCls": Connection})

    def _forget(self) -> None:
        while self._sockets:
            self._sockets.pop().close()
