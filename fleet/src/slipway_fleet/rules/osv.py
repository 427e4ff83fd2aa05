"""A small OSV service on this machine: what examples about vulnerabilities are tried against."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

VULNERABLE = "vulnerable"
"""The one package that it knows a vulnerability of."""
_ID = "EXAMPLE-2026-1"
_MODIFIED = "2026-01-01T00:00:00Z"


class _Handler(BaseHTTPRequestHandler):
    """Answers what `uv audit` asks: a batch of packages, then each vulnerability by its id."""

    def do_POST(self) -> None:
        """Answer a batch of queries."""
        length = int(self.headers.get("content-length") or 0)
        queries = json.loads(self.rfile.read(length))["queries"]
        found = [{"vulns": [{"id": _ID, "modified": _MODIFIED}]}]
        self._answer(
            {"results": [found[0] if q["package"]["name"] == VULNERABLE else {} for q in queries]}
        )

    def do_GET(self) -> None:
        """Answer what the vulnerability is."""
        package = {"ecosystem": "PyPI", "name": VULNERABLE}
        events = [{"introduced": "0"}, {"fixed": "2.0.0"}]
        affected = {"package": package, "ranges": [{"type": "ECOSYSTEM", "events": events}]}
        self._answer(
            {"id": _ID, "modified": _MODIFIED, "summary": "An example.", "affected": [affected]}
        )

    def _answer(self, document: dict[str, object]) -> None:
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name is the library's
        """Say nothing."""


@contextlib.contextmanager
def osv_service() -> Iterator[str]:
    """Serve on a free port of 127.0.0.1 while the body runs; yield the address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
