# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""A real Sentry ingest endpoint on this machine, and the log."""

from __future__ import annotations

import gzip
import importlib
import io
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from central_services.core.sentry import close_sentry
from central_services.utils.logging import setup_logging


class Ingest:
    """What a Sentry server would have received."""

    def __init__(self, port: int) -> None:
        self.dsn = f"http://public@127.0.0.1:{port}/1"
        self.text = ""
        self.items: list[tuple[str, dict[str, Any]]] = []

    def take(self, body: bytes) -> None:
        """Keep the items of an envelope (develop.sentry.dev/sdk/data-model/envelopes)."""
        self.text += body.decode()
        rest = body.partition(b"\n")[2]
        while rest.strip():
            head, _, rest = rest.lstrip(b"\n").partition(b"\n")
            header = json.loads(head)
            length = header.get("length", len(rest))
            self.items.append((header["type"], json.loads(rest[:length])))
            rest = rest[length:]

    def sent(self, kind: str = "event") -> list[dict[str, Any]]:
        """Wait for the worker, switch Sentry off and return what came."""
        close_sentry()
        return [item for type_, item in self.items if type_ == kind]


@pytest.fixture
def ingest() -> Iterator[Ingest]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            encoding = self.headers.get("Content-Encoding")
            if encoding == "br":
                # The SDK uses it where it happens to be installed; it is no dependency.
                body = importlib.import_module("brotli").decompress(body)
            elif encoding == "gzip":
                body = gzip.decompress(body)
            received.take(body)
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # as in the base
            """Stay quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    received = Ingest(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield received
    close_sentry()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def logs() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    setup_logging(json_logs=True, stream=stream)
    yield stream
    setup_logging()
