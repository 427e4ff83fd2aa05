# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Servers on loopback ports: SMTP that does as a test says, and HTTP that remembers what it got."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from central_services.clients.http import HttpClient
from central_services.core.config import HttpClientSettings
from central_services.core.mail_settings import MailSettings
from central_services.mail import EmailService
from central_services.mail.delivery import MemoryDelivery
from central_services.mail.records import MemoryRecords
from central_services.utils.logging import setup_logging


@dataclass
class SmtpServer:
    """A running SMTP server.

    Attributes:
        taken: What it accepted: sender, recipients and content of each message.
        refusals: What it answers to a recipient instead of 250.
        answers: What it answers to contents, one each: None hangs up after it took the message.
        sessions: How many connections there were.
    """

    port: int = 0
    taken: list[tuple[str, list[str], bytes]] = field(default_factory=list)
    refusals: dict[str, str] = field(default_factory=dict)
    answers: list[str | None] = field(default_factory=list)
    sessions: set[int] = field(default_factory=set)

    async def handle_RCPT(  # noqa: N802  # the library's name
        self, server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        self.sessions.add(id(server))
        if address in self.refusals:
            return self.refusals[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802  # the library's name
        self, server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        answer = self.answers.pop(0) if self.answers else "250 Queued as 7"
        if answer is None or answer.startswith("250"):
            content = envelope.content
            assert isinstance(content, bytes)
            self.taken.append((envelope.mail_from or "", list(envelope.rcpt_tos), content))
        if answer is None:
            _hang_up(server)
            return "250 never sent"
        return answer


def _hang_up(connection: SMTP) -> None:
    if isinstance(connection.transport, asyncio.WriteTransport):
        connection.transport.abort()


@pytest.fixture
def smtp_server() -> Callable[..., AbstractAsyncContextManager[SmtpServer]]:
    """A function that starts an SMTP server; keywords are those of aiosmtpd's SMTP."""

    # It writes every command, addresses and all, to the log.
    logging.getLogger("mail.log").setLevel(logging.CRITICAL)

    @asynccontextmanager
    async def start(**keywords: Any) -> AsyncGenerator[SmtpServer]:
        loop, server = asyncio.get_running_loop(), SmtpServer()
        connections: list[SMTP] = []

        def connect() -> SMTP:
            connections.append(SMTP(server, loop=loop, hostname="mx.example.com", **keywords))
            return connections[-1]

        listening = await loop.create_server(connect, "127.0.0.1", 0)
        server.port = listening.sockets[0].getsockname()[1]
        try:
            yield server
        finally:
            listening.close()
            handlers = [one._handler_coroutine for one in connections if one._handler_coroutine]
            for connection in connections:
                _hang_up(connection)
            for handler in handlers:
                handler.cancel()
            await asyncio.gather(*handlers, return_exceptions=True)

    return start


@pytest.fixture
def login() -> Callable[..., AuthResult]:
    """An authenticator of aiosmtpd that knows one password."""

    def check(
        server: SMTP, session: Session, envelope: Envelope, how: str, data: Any
    ) -> AuthResult:
        return AuthResult(success=data.password == b"canary-password", handled=False)

    return check


@dataclass
class HttpServer:
    """A running HTTP server.

    Attributes:
        answers: Status, headers and body of each answer; the last one for ever.
        requests: What it got: request line, headers in lower case, body.
    """

    answers: list[tuple[int, dict[str, str], bytes]]
    port: int = 0
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    def sent(self, index: int = -1) -> Any:
        """What it got as JSON."""
        return json.loads(self.requests[index][2])

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            line, *fields = head.rstrip().split("\r\n")
            headers = {n.lower(): v for n, v in (text.split(": ", 1) for text in fields)}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            self.requests.append((line, headers, body))
            status, more, text = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            if not status:
                return
            lines = [f"HTTP/1.1 {status} X", f"content-length: {len(text)}"]
            lines += [f"{name}: {value}" for name, value in more.items()]
            writer.write("\r\n".join([*lines, "", ""]).encode() + text)
            await writer.drain()


@pytest.fixture
def http_server(
    listen: Callable[..., Any],
) -> Callable[..., AbstractAsyncContextManager[HttpServer]]:
    """A function that starts an HTTP server with some answers; status 0 hangs up."""

    @asynccontextmanager
    async def start(*answers: tuple[int, dict[str, str], bytes]) -> AsyncGenerator[HttpServer]:
        server = HttpServer(list(answers) or [(200, {}, b"ok")])
        async with listen(server.handle) as port:
            server.port = port
            yield server

    return start


@pytest.fixture
def open_http() -> Callable[[], HttpClient]:
    """A function that returns a client which may call this machine, and does not retry."""
    settings = HttpClientSettings(allowed_internal_hosts="127.0.0.1", max_retries=0)
    return lambda: HttpClient(settings, name="mail")


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """What is logged as JSON from now on."""
    stream = io.StringIO()
    setup_logging("INFO", json_logs=True, stream=stream)
    yield stream
    setup_logging()


@pytest.fixture
def records() -> MemoryRecords:
    """Records of this test."""
    return MemoryRecords()


@pytest.fixture
def delivery() -> MemoryDelivery:
    """A delivery that keeps what it is given."""
    return MemoryDelivery()


@pytest.fixture
def mail(delivery: MemoryDelivery, records: MemoryRecords) -> EmailService:
    """A mail service over that delivery."""
    settings = MailSettings(sender="Orders <orders@example.com>")
    return EmailService(settings, delivery, records, app_name="Orders")
