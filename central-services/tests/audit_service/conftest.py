"""A running audit service for each test, with tokens of an issuer that the test is itself."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import psycopg
import pytest
from fastapi import FastAPI
from joserfc import jwk, jwt

from central_services.audit_service.app import build
from central_services.audit_service.dependencies import Parts
from central_services.audit_service.endpoints.events import BATCH
from central_services.core.database_settings import DatabaseSettings
from central_services.core.migrations import Migrations
from central_services.settings import Settings

ISSUER, URL = "http://127.0.0.1:8101", "http://127.0.0.1:8102"
SOURCE = "urn:slipway:acme_orders"
Json = dict[str, Any]
LIMIT_S = 30.0
SERVER = os.environ.get("TEST_DATABASE_URL", "")
"""A PostgreSQL to run these tests on, where a role may make databases; by default SQLite."""


@pytest.fixture(scope="session")
def issuer_key() -> jwk.ECKey:
    """The key that the issuer signs with."""
    return jwk.ECKey.generate_key("P-256", {"kid": "key-1", "alg": "ES256"})


def make_token(key: jwk.Key, *, header: Json | None = None, **changes: Any) -> str:
    """Return an access token of a client; None leaves a claim out."""
    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "sub": "orders",
        "client_id": "orders",
        "aud": URL,
        "iat": now,
        "exp": now + 300,
        "jti": "token-1",
        "org": "acme",
        "permissions": ["audit:write"],
        **changes,
    }
    claims = {name: value for name, value in claims.items() if value is not None}
    head = {"alg": "ES256", "typ": "at+jwt", "kid": "key-1", **(header or {})}
    return jwt.encode(head, claims, key, algorithms=[head["alg"]])


def make_event(number: int = 1, *, actor: str = "ada", **changes: Any) -> Json:
    """Return an event as a project exports it."""
    data = {
        "class_uid": 6003,
        "activity_name": "order.shipped",
        "status_detail": "success",
        "time": 1_790_000_000_000 + number,
        "message": f"Parcel {number} left the house",
        "actor": {"user": {"uid": actor, "type_id": 1, "type": "User"}},
        "metadata": {"version": "1.9.0", "labels": ["class:operational", "retention:standard"]},
    }
    event = {
        "specversion": "1.0",
        "id": f"event-{number}",
        "source": SOURCE,
        "type": "audit.order.shipped",
        "time": f"2026-11-{1 + number % 28:02d}T10:00:00Z",
        "subject": f"order:{number}",
        "datacontenttype": "application/json",
        "data": data,
    }
    data.update(changes.pop("data", {}))
    return {name: value for name, value in {**event, **changes}.items() if value is not None}


@dataclass
class Harness:
    """A started service.

    Attributes:
        app: The application.
        http: A client of it.
        key: The issuer's key.
        folder: Where its keys are.
    """

    app: FastAPI
    http: httpx2.AsyncClient
    key: jwk.Key
    folder: Path
    permissions: list[str] = field(default_factory=lambda: ["audit:write", "audit:read"])

    @property
    def parts(self) -> Parts:
        """What it is made of."""
        parts: Parts = self.app.state.audit_service
        return parts

    def headers(self, *permissions: str, **claims: Any) -> dict[str, str]:
        """Return the header of a caller with permissions; by default one who writes and reads."""
        wanted = list(permissions) or self.permissions
        token = make_token(self.key, permissions=wanted, **claims)
        return {"Authorization": f"Bearer {token}"}

    async def send(self, *events: object, **claims: Any) -> httpx2.Response:
        """Send a batch."""
        headers = {**self.headers(**claims), "Content-Type": BATCH}
        return await self.http.post("/v1/events", content=json.dumps(events), headers=headers)

    async def get(self, path: str, *permissions: str, org: str = "acme", **query: Any) -> Any:
        """Return what a reader gets."""
        answer = await self.http.get(
            path, params=query, headers=self.headers(*permissions, org=org)
        )
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def post(
        self, path: str, body: Json, *permissions: str, **claims: Any
    ) -> httpx2.Response:
        """Post JSON as a caller with permissions."""
        return await self.http.post(path, json=body, headers=self.headers(*permissions, **claims))

    async def receipts(self, *ids: str, **claims: Any) -> Json:
        """Return receipts once all of them are there."""
        deadline = time.monotonic() + LIMIT_S
        while True:
            body = {"ids": list(ids), "source": SOURCE}
            answer = await self.post("/v1/receipts", body, **claims)
            assert answer.status_code == 200, answer.text
            found: Json = answer.json()
            if not found["pending"]:
                return found
            assert time.monotonic() < deadline, "no receipt"
            await asyncio.sleep(0.05)  # between two looks

    async def sealed(self) -> None:
        """Wait until nothing waits."""
        await self.parts.sealer.seal()


Start = Callable[..., AbstractAsyncContextManager[Harness]]


@pytest.fixture(scope="session")
def audit_template() -> str:
    """The name of a migrated database of the server, to copy; empty where the tests use SQLite."""
    if not SERVER:
        return ""
    name = "audit_template"
    with psycopg.connect(SERVER, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())
        connection.execute(f"CREATE DATABASE {name}".encode())
    url = urlsplit(SERVER)._replace(path=f"/{name}").geturl()
    asyncio.run(Migrations(DatabaseSettings.model_validate({"url": url})).upgrade())
    return name


def copy_database(file: Path, target: Path, template: str) -> str:
    """Return the URL of a fresh copy of a migrated database."""
    if not template:
        return f"sqlite:///{shutil.copy(file, target)}"
    return new_database("audit_running", template)


def new_database(name: str, template: str = "template1") -> str:
    """Make a database of the server anew, and return its URL."""
    with psycopg.connect(SERVER, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
    return urlsplit(SERVER)._replace(path=f"/{name}").geturl()


@pytest.fixture
def start(
    migrated_file: Path,
    audit_template: str,
    tmp_path: Path,
    issuer_key: jwk.ECKey,
    monkeypatch: pytest.MonkeyPatch,
) -> Start:
    """A function that starts the service on a database of the test; keywords are settings of it."""
    url = copy_database(migrated_file, tmp_path / "service.db", audit_template)
    monkeypatch.setenv("CENTRAL_SERVICES_DATABASE__URL", url)
    monkeypatch.setenv("CENTRAL_SERVICES_AUDIT_SERVICE__PATH", str(tmp_path / "keys"))
    if SERVER:
        monkeypatch.setenv("CENTRAL_SERVICES_AUDIT_SERVICE__KEYS_URL", new_database("audit_keys"))
    keys = {"keys": [issuer_key.as_dict(private=False)]}
    monkeypatch.setenv("CENTRAL_SERVICES_CENTRAL_AUTH__ISSUER", ISSUER)
    monkeypatch.setenv("CENTRAL_SERVICES_CENTRAL_AUTH__JWKS", json.dumps(keys))
    monkeypatch.setenv("CENTRAL_SERVICES_CENTRAL_AUTH__TOKEN_URL", f"{ISSUER}/oauth2/token")
    monkeypatch.setenv("CENTRAL_SERVICES_CENTRAL_AUDIT__ENABLED", "false")
    # Tests that look at the log seal it themselves.
    monkeypatch.setenv("CENTRAL_SERVICES_AUDIT_SERVICE__SEAL_INTERVAL_S", "0.05")

    @asynccontextmanager
    async def started(
        *, central_auth: Json | None = None, **options: Any
    ) -> AsyncGenerator[Harness]:
        settings = Settings()
        changed = {
            "audit_service": settings.audit_service.model_copy(update=options),
            "central_auth": settings.central_auth.model_copy(update=central_auth or {}),
        }
        app = build(settings.model_copy(update=changed))
        async with app.router.lifespan_context(app):
            transport = httpx2.ASGITransport(app=app)
            async with httpx2.AsyncClient(transport=transport, base_url=URL) as http:
                yield Harness(app, http, issuer_key, tmp_path / "keys")

    return started


@pytest.fixture
async def audit(start: Start) -> AsyncIterator[Harness]:
    """The service with its default settings, started for one test."""
    async with start() as harness:
        yield harness
