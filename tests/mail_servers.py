"""Servers that mail is sent to: SMTP that fails as told, SES and SendGrid that check what they get."""

import asyncio
import base64
import contextlib
import email
import hashlib
import hmac
import json
import logging
import random
import ssl
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

PASSWORD = "canary-password"
KEY_ID = "AKIAIOSFODNN7EXAMPLE"
SECRET = "canary/secret+key"
TOKEN = "canary-session-token"
API_KEY = "SG.canary-key"

logging.getLogger("mail.log").setLevel(logging.CRITICAL)  # aiosmtpd's, which tells every command


class SmtpHost:
    """A real SMTP server in a thread.

    Attributes:
        port: Where it listens.
        taken: Message-ID and recipients of each message that it took.
        lost: Message-IDs whose final reply never left.
        failures: Shares of each kind of failure, by name; see `_fate`.
        users: Who logged in.
        hold: Take contents and never answer; `holding` is set when it does.
    """

    def __init__(self, *, implicit_tls: ssl.SSLContext | None = None, **keywords: Any) -> None:
        self.taken: list[tuple[str, tuple[str, ...]]] = []
        self.contents: list[bytes] = []
        self.lost: Counter[str] = Counter()
        self.failures: dict[str, float] = {}
        self.users: set[str] = set()
        self.hold = False
        self.holding = threading.Event()
        self._random = random.Random(7)
        self._keywords = keywords
        self._connections: set[SMTP] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        listening = self._loop.create_server(self._connect, "127.0.0.1", 0, ssl=implicit_tls)
        self._server = asyncio.run_coroutine_threadsafe(listening, self._loop).result(20)
        self.port = int(self._server.sockets[0].getsockname()[1])

    def _connect(self) -> SMTP:
        connection = SMTP(self, loop=self._loop, hostname="mx.example.com", **self._keywords)
        self._connections.add(connection)
        if self._fate("refused connection"):
            self._loop.call_soon(self._hang_up, connection)
        return connection

    def _fate(self, name: str) -> bool:
        return self._random.random() < self.failures.get(name, 0.0)

    @staticmethod
    def _hang_up(connection: SMTP) -> None:
        if isinstance(connection.transport, asyncio.WriteTransport):
            connection.transport.abort()

    async def handle_RCPT(  # noqa: N802  # the library's name
        self, _server: SMTP, session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if session.auth_data:
            self.users.add(session.auth_data.login.decode())
        if self._fate("deferred recipient"):
            return "451 4.7.1 try again later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802  # the library's name
        self, server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        if self._fate("deferred content"):
            return "452 4.3.1 no space"
        if self._fate("lost before it was taken"):
            self._hang_up(server)
            return "451 nobody reads this"
        content = envelope.content
        assert isinstance(content, bytes)
        message_id = str(email.message_from_bytes(content)["Message-ID"])
        self.taken.append((message_id, tuple(envelope.rcpt_tos)))
        self.contents.append(content)
        if self.hold:
            self.holding.set()
            await asyncio.Event().wait()
        if self._fate("lost final reply"):
            self.lost[message_id] += 1
            self._hang_up(server)
        return "250 OK queued"

    def stop(self) -> None:
        """End it, and every connection with it."""

        async def end() -> None:
            self._server.close()
            for connection in self._connections:
                self._hang_up(connection)
            await asyncio.sleep(0)
            left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(20)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(20)
        self._loop.close()


def login(
    _server: SMTP, _session: Session, _envelope: Envelope, _how: str, data: Any
) -> AuthResult:
    """Know one password."""
    right = data.password == PASSWORD.encode()
    return AuthResult(success=right, handled=False, auth_data=data)


@contextlib.contextmanager
def smtp_host(**keywords: Any) -> Iterator[SmtpHost]:
    """Run an SMTP server; keywords are those of `SmtpHost`, others of aiosmtpd's `SMTP`."""
    host = SmtpHost(**keywords)
    try:
        yield host
    finally:
        host.stop()


class ProviderHost(ThreadingHTTPServer):
    """Behaves like SES, SendGrid and a chat's webhook, on one port.

    Attributes:
        requests: Path and JSON of each request that passed the checks.
        refused: Why requests were refused.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Provider)
        self.requests: list[tuple[str, Any]] = []
        self.refused: list[str] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class _Provider(BaseHTTPRequestHandler):
    """Checks a request as the provider whose path it has would, and answers as it would."""

    protocol_version = "HTTP/1.1"
    server: ProviderHost

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.path == "/v2/email/outbound-emails":
            self._ses(body)
        elif self.path == "/v3/mail/send":
            self._sendgrid(body)
        else:
            self._take(body, 200, b"ok")

    def _ses(self, body: bytes) -> None:
        problem = signature_problem(self.command, self.path, dict(self.headers.items()), body)
        if problem:
            self._refuse(403, problem, "SignatureDoesNotMatch")
            return
        raw = base64.b64decode(json.loads(body)["Content"]["Raw"]["Data"], validate=True)
        assert email.message_from_bytes(raw)["From"]
        self._take(body, 200, b'{"MessageId": "ses-7"}')

    def _sendgrid(self, body: bytes) -> None:
        if self.headers["authorization"] != f"Bearer {API_KEY}":
            self._refuse(401, "wrong API key", "")
            return
        request = json.loads(body)
        reserved = {"from", "to", "subject", "reply-to", "cc", "bcc", "content-type"}
        assert not reserved & {name.lower() for name in request["headers"]}
        assert request["personalizations"][0]["to"]
        self._take(body, 202, b"")

    def _take(self, body: bytes, status: int, answer: bytes) -> None:
        self.server.requests.append((self.path, json.loads(body)))
        self._answer(status, answer, "")

    def _refuse(self, status: int, problem: str, kind: str) -> None:
        self.server.refused.append(problem)
        self._answer(status, json.dumps({"message": problem}).encode(), kind)

    def _answer(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        if kind:
            self.send_header("x-amzn-errortype", kind)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Write nothing."""


def signature_problem(method: str, path: str, headers: dict[str, str], body: bytes) -> str:
    """Return what is wrong with a Signature Version 4, step by step as AWS documents it."""
    fields = {name.lower(): value.strip() for name, value in headers.items()}
    scheme, _, rest = fields.get("authorization", "").partition(" ")
    if scheme != "AWS4-HMAC-SHA256":
        return "not signed"
    parts = dict(part.strip().split("=", 1) for part in rest.split(","))
    key_id, date, region, service, end = parts["Credential"].split("/")
    if (key_id, region, service, end) != (KEY_ID, "eu-central-1", "ses", "aws4_request"):
        return f"wrong scope: {parts['Credential']}"
    sent = datetime.strptime(fields["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    if abs((datetime.now(UTC) - sent).total_seconds()) > 300 or sent.strftime("%Y%m%d") != date:
        return "signed at another time"
    if fields.get("x-amz-security-token") != TOKEN:
        return "wrong session token"
    names = parts["SignedHeaders"].split(";")
    if not {"host", "content-type", "x-amz-date", "x-amz-security-token"} <= set(names):
        return f"not all headers are signed: {names}"
    lines = [method, path, ""] + [f"{name}:{fields[name]}" for name in names]
    canonical = "\n".join([*lines, "", ";".join(names), hashlib.sha256(body).hexdigest()])
    scope = f"{date}/{region}/{service}/{end}"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{fields['x-amz-date']}\n{scope}\n{digest}"
    key = ("AWS4" + SECRET).encode()
    for step in (date, region, service, end):
        key = hmac.new(key, step.encode(), hashlib.sha256).digest()
    expected = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    return "" if hmac.compare_digest(expected, parts["Signature"]) else "wrong signature"


@contextlib.contextmanager
def provider_host() -> Iterator[ProviderHost]:
    """Run a server that behaves like the providers."""
    host = ProviderHost()
    thread = threading.Thread(target=host.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield host
    finally:
        host.shutdown()
        thread.join(20)
        host.server_close()
