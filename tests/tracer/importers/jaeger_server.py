"""A server that answers as Jaeger's query service does."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

from asyncctx_trace.export.formats import jaeger_json, otlp_json
from asyncctx_trace.spans.span import Span


class Server:
    """The answers of a server with one version of the API or both; see :func:`serving`."""

    def __init__(
        self, spans: list[Span], *, v3: bool = False, legacy: bool = False, tempo: bool = False
    ) -> None:
        self.spans, self.v3, self.legacy, self.tempo = spans, v3, legacy, tempo
        self.address = ""
        self.requests: list[str] = []

    def answer(self, target: str) -> tuple[int, str]:
        self.requests.append(target)
        parts = urlsplit(target)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        if parts.path.startswith("/api/v3/") and self.v3:
            return self._v3(parts.path.removeprefix("/api/v3/"), query)
        if parts.path.startswith("/api/") and "v3" not in parts.path and self.legacy:
            return self._legacy(parts.path.removeprefix("/api/"), query)
        if parts.path.startswith("/api/") and "v3" not in parts.path and self.tempo:
            return self._tempo(parts.path.removeprefix("/api/"), query)
        return 404, "404 page not found"

    def _tempo(self, path: str, query: dict[str, str]) -> tuple[int, str]:
        """Answer as Grafana Tempo does: with batches, and ids in base64."""
        if path == "search/tag/service.name/values":
            return 200, json.dumps({"tagValues": ["shop"]})
        if path == "search":
            ours = query["tags"] == 'service.name="shop"' and int(query["start"]) > 0
            traces = {f"{span.trace:x}" for span in self.spans} if ours else set()
            return 200, json.dumps({"traces": [{"traceID": trace} for trace in traces]})
        found = self._trace(path.removeprefix("traces/"))
        if not found:
            return 404, f"trace not found: {path}"
        (line,) = otlp_json.write(found)
        document = json.loads(line, object_hook=_with_ids_in_base64)
        return 200, json.dumps({"batches": document["resourceSpans"]})

    def _v3(self, path: str, query: dict[str, str]) -> tuple[int, str]:
        if path == "services":
            return 200, json.dumps({"services": ["shop"]})
        found = self._trace(path.removeprefix("traces/"))
        if path == "traces":
            for name in ("query.startTimeMin", "query.startTimeMax"):
                if name not in query or not query[name].endswith("Z"):
                    return 400, json.dumps({"error": {"message": f"{name} is required"}})
            found = self.spans if query["query.serviceName"] == "shop" else []
        if not found:
            return 404, json.dumps({"error": {"httpCode": 404, "message": "No traces found"}})
        (line,) = otlp_json.write(found)
        return 200, json.dumps({"result": json.loads(line)})

    def _legacy(self, path: str, query: dict[str, str]) -> tuple[int, str]:
        if path == "services":
            return 200, json.dumps({"data": ["shop"], "errors": None})
        found = self._trace(path.removeprefix("traces/"))
        if path == "traces":
            found = self.spans if query["service"] == "shop" else []
            return 200, "".join(jaeger_json.write(found))
        if not found:
            return 404, json.dumps({"data": None, "errors": [{"msg": "trace not found"}]})
        return 200, "".join(jaeger_json.write(found))

    def _trace(self, trace: str) -> list[Span]:
        return [span for span in self.spans if f"{span.trace:032x}" == trace]


def _with_ids_in_base64(fields: dict[str, Any]) -> dict[str, Any]:
    ids = ("traceId", "spanId", "parentSpanId")
    return {
        key: b64encode(bytes.fromhex(value)).decode() if key in ids else value
        for key, value in fields.items()
    }


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    """Serve ``server`` on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = server.answer(self.path)
            self.send_response(status)
            self.send_header(
                "content-type", "application/json" if body[0] in "{[" else "text/plain"
            )
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            """Nothing on stderr."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        server.address = f"http://127.0.0.1:{http.server_port}"
        thread = Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        http.shutdown()
        thread.join()
