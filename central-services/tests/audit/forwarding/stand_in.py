# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""A central audit service on this machine: a real log of what it is sent, and real receipts."""

from __future__ import annotations

import json
import threading
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from central_services.audit.canonical import canonical
from central_services.audit.checkpoint import Checkpoint, NoteSigner
from central_services.audit.merkle import TILE_HEIGHT, Tree, leaf_hash, node_hash

Answer = tuple[int, dict[str, Any]]


class _Hashes:
    """The hashes of a small tree, computed anew each time."""

    def __init__(self, leaves: list[bytes]) -> None:
        self._leaves = leaves

    def hashes(self, level: int, start: int, count: int) -> list[bytes]:
        found = self._leaves
        for _ in range(level * TILE_HEIGHT):
            found = [node_hash(*pair) for pair in zip(found[::2], found[1::2], strict=False)]
        return found[start : start + count]


@dataclass
class StandIn:
    """The service.

    Attributes:
        url: Where it is.
        token: The only token that it takes; empty takes any, and none.
        events: What it has stored, by id, in order.
        sealed: How many of these have receipts.
        batches: The ids of each batch that came, refused or not.
        authorizations: What each request authenticated with.
        wrong: Events that it refuses, by id, each with whether it says which ones those are.
        answers: What to answer instead, one after the other.
        headers: Headers of those answers.
    """

    url: str
    token: str = ""
    signer: NoteSigner = field(default_factory=lambda: NoteSigner("central/acme", bytes(32)))
    events: dict[str, Any] = field(default_factory=dict)
    sealed: int = 1_000_000
    batches: list[list[str]] = field(default_factory=list)
    authorizations: list[str] = field(default_factory=list)
    wrong: dict[str, bool] = field(default_factory=dict)
    answers: list[Answer] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def wait_until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds that requests bring about; not on the event loop's thread."""
        with self.changed:
            assert self.changed.wait_for(holds, 20), "it did not happen within 20 s"

    def answer(self, path: str, body: Any, authorization: str) -> Answer:
        """Return status and document for a request."""
        with self.changed:
            self.changed.notify_all()
            return self._answer(path, body, authorization)

    def _answer(self, path: str, body: Any, authorization: str) -> Answer:
        self.authorizations.append(authorization)
        if self.answers:
            return self.answers.pop(0)
        if self.token and authorization != f"Bearer {self.token}":
            return 401, {"title": "Not authenticated"}
        return self._store(body) if path == "/v1/events" else self._receipts(body)

    def _store(self, events: list[dict[str, Any]]) -> Answer:
        self.batches.append([event["id"] for event in events])
        faults = [n for n, event in enumerate(events) if event["id"] in self.wrong]
        if faults:
            named = [n for n in faults if self.wrong[events[n]["id"]]]
            errors = {"errors": [{"index": n, "detail": "wrong"} for n in named]}
            return 422, {"title": "Invalid events", **(errors if named else {})}
        if any(self.events.get(event["id"], event) != event for event in events):
            return 409, {"title": "Event differs from the one stored"}
        accepted = []
        for event in events:
            accepted.append(
                {"id": event["id"], "seq": None, "duplicate": event["id"] in self.events}
            )
            self.events.setdefault(event["id"], event)
        return 200, {"accepted": accepted}

    def _receipts(self, wanted: dict[str, Any]) -> Answer:
        order = list(self.events)[: self.sealed]
        receipts = {one: self.receipt(one) for one in wanted["ids"] if one in order}
        pending = [i for i in wanted["ids"] if i in self.events and i not in order]
        unknown = [i for i in wanted["ids"] if i not in self.events]
        return 200, {"receipts": receipts, "pending": pending, "unknown": unknown}

    def receipt(self, event_id: str) -> str:
        """Return the receipt of an event that is sealed."""
        order = list(self.events)[: self.sealed]
        leaves = [leaf_hash(_entry(one, self.events[one])) for one in order]
        tree, index = Tree(_Hashes(leaves), len(leaves)), order.index(event_id)
        note = self.signer.sign(Checkpoint(self.signer.name, len(leaves), tree.root()))
        path = [b64encode(item).decode() for item in tree.inclusion(index)]
        salt = f"extra {b64encode(_salt(event_id)).decode()}"
        return "\n".join(["c2sp.org/tlog-proof@v1", salt, f"index {index}", *path, "", note])


def _salt(event_id: str) -> bytes:
    return sha256(event_id.encode()).digest()[:16]


def _entry(event_id: str, event: Any) -> bytes:
    return sha256(_salt(event_id) + canonical(event)).digest()


class Server:
    """Serves a stand-in until it is closed."""

    def __init__(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self.service = StandIn(f"http://127.0.0.1:{self._server.server_address[1]}")
        _Handler.services[self._server.server_address[1]] = self.service
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        """Stop it."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one segment an answer: two would wait for each other, 40 ms
    services: dict[int, StandIn] = {}  # noqa: RUF012  # by port, shared on purpose

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        service = self.services[self.connection.getsockname()[1]]
        authorization = self.headers.get("authorization", "")
        status, document = service.answer(self.path, body, authorization)
        text = json.dumps(document).encode()
        self.send_response(status)
        for name, value in {"content-length": str(len(text)), **service.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # as in the base
        """Stay quiet."""
