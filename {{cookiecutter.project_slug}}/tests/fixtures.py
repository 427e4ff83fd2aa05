# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Fixtures that every test can ask for; a project's own go into `conftest.py`.

pytest loads this module before coverage starts to measure, so the package under test is imported
by the fixtures, not by the module.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import httpx2
    from fastapi import FastAPI

    from {{ cookiecutter.project_slug }}.settings import Settings

Serve = Callable[..., "AbstractAsyncContextManager[httpx2.AsyncClient]"]
Handle = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Listen = Callable[..., AbstractAsyncContextManager[int]]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run async tests on asyncio, which the server uses."""
    return "asyncio"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the developer's own variables out of the tests."""
    from {{ cookiecutter.project_slug }}.core.config import ENV_PREFIX

    for name in list(os.environ):
        if name.upper().startswith(ENV_PREFIX) or name in {"NO_COLOR", "FORCE_COLOR"}:
            monkeypatch.delenv(name)
    monkeypatch.setenv(f"{ENV_PREFIX}ENVIRONMENT", "test")
    # High enough that no test meets it by accident.
    monkeypatch.setenv(f"{ENV_PREFIX}RATE_LIMIT__REQUESTS_PER_MINUTE", "1000000")


# jinja: if cookiecutter.include_audit_logging
@pytest.fixture(scope="session")
def audit_variables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Settings of a trail for tests that don't look at it, with keys for production's rules."""
    from {{ cookiecutter.project_slug }}.audit.checkpoint import NoteSigner
    from {{ cookiecutter.project_slug }}.audit.keys import new_master_key
    from {{ cookiecutter.project_slug }}.core.audit_settings import AuditSettings
    from {{ cookiecutter.project_slug }}.core.config import ENV_PREFIX

    signer = NoteSigner(AuditSettings().origin, bytes(32))
    return {
        f"{ENV_PREFIX}AUDIT__PATH": str(tmp_path_factory.mktemp("audit")),
        f"{ENV_PREFIX}AUDIT__SIGNING_KEY": signer.secret,
        f"{ENV_PREFIX}AUDIT__MASTER_KEY": new_master_key(),
        # jinja: if cookiecutter.use_central_audit
        # One that production's rules allow, and that nobody runs.
        f"{ENV_PREFIX}CENTRAL_AUDIT__URL": "https://127.0.0.1:1",
        # jinja: endif
    }


@pytest.fixture(autouse=True)
def audit_trail_of_tests(
    clean_environment: None, monkeypatch: pytest.MonkeyPatch, audit_variables: dict[str, str]
) -> None:
    """Keep the trail of tests out of the project's folder."""
    for name, value in audit_variables.items():
        monkeypatch.setenv(name, value)


# jinja: endif
@pytest.fixture
def settings() -> Settings:
    """Settings of a test: the defaults, with a rate limit that no test meets by accident."""
    from {{ cookiecutter.project_slug }}.settings import Settings

    return Settings()


@asynccontextmanager
async def _running(app: FastAPI) -> AsyncGenerator[httpx2.AsyncClient]:
    import httpx2

    transport = httpx2.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url="http://testserver") as client,
    ):
        yield client


@pytest.fixture
def serve() -> Serve:
    """A function that builds and starts an application and yields a client of it.

    Keywords are those of `build_app`; any other is a setting.
    """
    from {{ cookiecutter.project_slug }}.core.app import build_app
    from {{ cookiecutter.project_slug }}.settings import Settings

    def start(**keywords: Any) -> AbstractAsyncContextManager[httpx2.AsyncClient]:
        names = ("routers", "lifespans", "checks", "rate_limit_key", "telemetry")
        parts = {name: keywords.pop(name) for name in names if name in keywords}
        return _running(build_app(Settings(**keywords), **parts))

    return start


@asynccontextmanager
async def _listening(
    handle: Handle, ssl_context: ssl.SSLContext | None = None
) -> AsyncGenerator[int]:
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            # A client may go away in the middle.
            with contextlib.suppress(asyncio.IncompleteReadError, OSError):
                await handle(reader, writer)
            writer.close()
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.ensure_future(serve(reader, writer)))

    listening = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=ssl_context)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await listening.wait_closed()


@pytest.fixture
def listen() -> Listen:
    """A function that starts a server on 127.0.0.1 and yields its port.

    Each connection is handled by the async function that it is given; at the end none is left open.
    """
    return _listening


@pytest.fixture
def dead() -> str:
    """The URL of a port on which nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"valkey://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def silent() -> Iterator[str]:
    """The URL of a server that takes connections and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def app() -> FastAPI:
    """The project's own application, as `main` builds it."""
    from {{ cookiecutter.project_slug }}.main import create_app

    return create_app()


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the project's own application, started and stopped around the test."""
    async with _running(app) as client:
        yield client
