"""A running auth service for each test, with a user, some clients, and a browser's cookies."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import hashlib
import os
import re
import shutil
import sqlite3
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx2
import psycopg
import pytest
from fastapi import FastAPI
from joserfc import jwk, jwt

from central_services.auth_service import schemas
from central_services.auth_service.app import build
from central_services.auth_service.service import IdentityService
from central_services.core.database_settings import DatabaseSettings
from central_services.core.migrations import Migrations
from central_services.settings import Settings

ISSUER = "http://127.0.0.1:8101"
CALLBACK = "https://shop.example.com/callback"
PASSWORD = "mulberry-Lantern-47"
EMAIL = "ada@example.com"
VERIFIER = "v" * 64
KEY = base64.urlsafe_b64encode(bytes(range(32))).rstrip(b"=").decode()
SERVER = os.environ.get("TEST_DATABASE_URL", "")
"""A PostgreSQL to run these tests on, where a role may make databases; by default SQLite."""

Json = dict[str, Any]


def challenge(verifier: str = VERIFIER) -> str:
    """Return the S256 challenge of a verifier."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


class Clock:
    """The system's clock, which a test can move forward."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def forward(self, seconds: float) -> None:
        self.ahead += timedelta(seconds=seconds)


@dataclass
class Harness:
    """A started service, and a browser that talks to it.

    Attributes:
        app: The application.
        http: A client with the browser's cookies; it follows no redirects.
        clock: The service's clock.
        secret: The secret of the confidential client `backend`.
        key: The private key of the client `signer`.
        audited: The actions that were recorded, in order.
    """

    app: FastAPI
    http: httpx2.AsyncClient
    clock: Clock
    secret: str
    key: jwk.Key
    issuer: str = ISSUER
    audited: list[str] = field(default_factory=list)

    def authorize_query(self, **changes: str | None) -> dict[str, str]:
        """Return a valid authorization request; None leaves a parameter out."""
        query: dict[str, str | None] = {
            "response_type": "code",
            "client_id": "spa",
            "redirect_uri": CALLBACK,
            "scope": "openid profile email",
            "state": "state-1",
            "nonce": "nonce-1",
            "code_challenge": challenge(),
            "code_challenge_method": "S256",
            **changes,
        }
        return {name: value for name, value in query.items() if value is not None}

    async def authorize(self, **changes: str | None) -> httpx2.Response:
        """Send the browser to the authorization endpoint."""
        return await self.http.get("/oauth2/authorize", params=self.authorize_query(**changes))

    async def submit(self, page: httpx2.Response, path: str, **values: str) -> httpx2.Response:
        """Fill the form of a page in and send it."""
        hidden = dict(re.findall(r'name="(\w+)" value="([^"]*)"', page.text))
        wanted = {name: hidden[name] for name in ("form_token", "ticket") if name in hidden}
        return await self.http.post(path, data={**wanted, **values})

    async def log_in(self, page: httpx2.Response | None = None) -> httpx2.Response:
        """Log in on a login page, or without having come from anywhere."""
        page = page or await self.http.get("/login")
        return await self.submit(page, "/login", email=EMAIL, password=PASSWORD)

    async def code(self, **changes: str | None) -> str:
        """Return an authorization code of a user who logs in where needed and allows everything."""
        answer = await self.authorize(**changes)
        if "/login?" in answer.headers["location"]:
            answer = await self.log_in(await self.http.get(answer.headers["location"]))
        if "/consent?" in answer.headers["location"]:
            page = await self.http.get(answer.headers["location"])
            answer = await self.submit(page, "/consent", decision="allow")
        return self.answered(answer)["code"]

    def answered(self, answer: httpx2.Response) -> dict[str, str]:
        """Return the parameters that a redirect brings to the client."""
        assert answer.status_code == 303, answer.text
        location = answer.headers["location"]
        assert location.startswith(CALLBACK), location
        return dict(parse_qsl(urlsplit(location).query))

    async def token(self, **form: str) -> httpx2.Response:
        """Send a token request, of the public client unless it names another."""
        return await self.http.post("/oauth2/token", data={"client_id": "spa", **form})

    async def exchange(self, code: str, /, **changes: str) -> httpx2.Response:
        """Exchange a code."""
        wanted = {"code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
        form = {"grant_type": "authorization_code", **wanted, **changes}
        return await self.token(**form)

    async def tokens(self, **changes: str | None) -> Json:
        """Return the tokens of a user who logs in and allows everything."""
        answer = await self.exchange(await self.code(**changes))
        assert answer.status_code == 200, answer.text
        tokens: Json = answer.json()
        return tokens

    async def refresh(self, token: str, **changes: str) -> httpx2.Response:
        """Use a refresh token."""
        return await self.token(grant_type="refresh_token", refresh_token=token, **changes)

    async def introspect(self, token: str) -> Json:
        """Ask about a token as the client that may."""
        answer = await self.http.post(
            "/oauth2/introspect", data={"token": token}, auth=("backend", self.secret)
        )
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    async def userinfo(self, token: str) -> httpx2.Response:
        """Ask about the user of a token."""
        headers = {"Authorization": f"Bearer {token}"}
        return await self.http.get("/oauth2/userinfo", headers=headers)

    async def own_token(self, **form: str) -> str:
        """Return the own token of the client `backend`."""
        answer = await self.http.post(
            "/oauth2/token",
            data={"grant_type": "client_credentials", **form},
            auth=("backend", self.secret),
        )
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])


def settings_of(url: str, **auth: Any) -> Any:
    """Return settings on a database, with cheap passwords."""
    cheap = {"password_hash_memory_kib": 8, "password_hash_passes": 1, "key_check_s": 60}
    return Settings(
        database={"url": url, "pool_timeout_s": 60},
        auth={"encryption_key": KEY, **cheap, **auth},
    )


async def _fill(url: str) -> tuple[str, jwk.Key]:
    """Put an organisation, a user, a role and clients into a database, and keys."""
    app = build(settings_of(url))
    key = jwk.generate_key("EC", "P-256", {"use": "sig", "alg": "ES256"}, auto_kid=True)
    async with app.router.lifespan_context(app):
        parts = app.state.auth
        async with parts.database.transaction() as session:

            async def record(action: Any, *, target: str, data: Json) -> Any:
                return await app.state.audit.record(
                    action, target=target, data=data, session=session
                )

            service = IdentityService(session, record, parts.clock)
            await service.create_organisation(schemas.OrganisationCreate(slug="acme", name="Acme"))
            await service.create_organisation(schemas.OrganisationCreate(slug="rival", name="R"))
            await service.put_role("acme", "clerk", ["orders:read", "orders:write"])
            user = await service.create_user(
                schemas.UserCreate(organisation="acme", email=EMAIL, name="Ada", password=PASSWORD),
                await parts.passwords.hash(PASSWORD),
            )
            await service.assign(user.id, ["clerk"])
            spa = schemas.ClientCreate(
                id="spa",
                name="Shop",
                auth_method="none",
                redirect_uris=[CALLBACK, "http://127.0.0.1/callback"],
                post_logout_redirect_uris=["https://shop.example.com/bye"],
                scopes=["openid", "profile", "email", "roles", "offline_access"],
            )
            await service.register_client(spa)
            backend = schemas.ClientCreate(
                id="backend",
                name="Backend",
                redirect_uris=[CALLBACK],
                grant_types=["authorization_code", "refresh_token", "client_credentials"],
                scopes=["openid", "jobs:run", "jobs:read"],
                permissions=["auth:admin"],
                skip_consent=True,
                may_introspect=True,
            )
            _, secret = await service.register_client(backend)
            signer = schemas.ClientCreate(
                id="signer",
                name="Signer",
                auth_method="private_key_jwt",
                jwks={"keys": [key.as_dict(private=False)]},
                grant_types=["client_credentials"],
                scopes=["jobs:run"],
                audiences=["https://jobs.example.com", "https://orders.example.com"],
            )
            await service.register_client(signer)
    return str(secret), key


@pytest.fixture(scope="session")
def filled(
    migrated_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str, jwk.Key]:
    """A database with keys, a user and clients, to copy; and what the clients authenticate with."""
    folder = tmp_path_factory.mktemp("auth")
    url = copy_database(migrated_file, folder, "filled")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CENTRAL_SERVICES_ENVIRONMENT", "test")
        patch.setenv("CENTRAL_SERVICES_AUDIT__PATH", str(folder / "audit"))
        secret, key = asyncio.run(_fill(url))
    if not SERVER:
        with sqlite3.connect(folder / "filled.db") as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()
    return folder / "filled.db", secret, key


def copy_database(file: Path, folder: Path, name: str) -> str:
    """Return the URL of a copy of a database: a file, or another database of the server.

    On a server the first copy is a new database, which is migrated.
    """
    if not SERVER:
        for old in folder.glob(f"{name}.db*"):
            old.unlink()
        return f"sqlite:///{shutil.copy(file, folder / f'{name}.db')}"
    url = urlsplit(SERVER)._replace(path=f"/auth_{name}").geturl()
    template = "TEMPLATE auth_filled" if name != "filled" else ""
    with psycopg.connect(SERVER, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS auth_{name} WITH (FORCE)".encode())
        connection.execute(f"CREATE DATABASE auth_{name} {template}".encode())
    if not template:
        asyncio.run(Migrations(DatabaseSettings.model_validate({"url": url})).upgrade())
    return url


Start = Callable[..., AbstractAsyncContextManager[Harness]]


@pytest.fixture(scope="session")
def apps(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, FastAPI]]:
    """A folder for the database, and applications by their settings: to build one takes 0.1 s."""
    return tmp_path_factory.mktemp("running"), {}


@pytest.fixture
def start(filled: tuple[Path, str, jwk.Key], apps: tuple[Path, dict[str, FastAPI]]) -> Start:
    """A function that starts the service on a fresh database; keywords are settings of it."""
    file, secret, key = filled
    folder, built = apps
    own = copy_database(file, folder, "running")

    @asynccontextmanager
    async def started(*, name: str = "", **auth: Any) -> AsyncGenerator[Harness]:
        kind = repr((name, sorted(auth.items())))
        app = built[kind] = built.get(kind) or build(settings_of(own, **auth))
        issuer = auth.get("issuer", ISSUER)
        transport = httpx2.ASGITransport(app=app)
        async with app.router.lifespan_context(app):
            clock = Clock()
            use_clock(app, clock)
            async with httpx2.AsyncClient(transport=transport, base_url=issuer) as http:
                yield Harness(app, http, clock, secret, key, issuer, listen_to(app))

    return started


def use_clock(app: FastAPI, clock: Clock) -> None:
    """Let everything in the service read a test's clock."""
    parts = app.state.auth
    parts.logins.clock = clock
    parts.ring._clock = clock
    mint = dataclasses.replace(parts.mint, clock=clock)
    app.state.auth = dataclasses.replace(parts, clock=clock, mint=mint)


def listen_to(app: FastAPI) -> list[str]:
    """Return a list that gets the name of each action once it is recorded."""
    audited: list[str] = []
    record = app.state.audit.record

    async def listen(action: Any, **event: Any) -> Any:
        kept = await record(action, **event)
        audited.append(kept.action)
        return kept

    app.state.audit.record = listen
    return audited


@pytest.fixture
async def auth(start: Start) -> AsyncIterator[Harness]:
    """The service with its default settings, started for one test."""
    async with start() as harness:
        yield harness


def assertion(harness: Harness, *, header: Json | None = None, **changes: Any) -> str:
    """Return a client assertion of `signer`."""
    now = int(harness.clock().timestamp())
    claims = {
        "iss": "signer",
        "sub": "signer",
        "aud": harness.issuer,
        "jti": f"jti-{now}",
        "iat": now,
        "exp": now + 60,
        **changes,
    }
    plain = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode({"alg": "ES256", **(header or {})}, plain, harness.key)


def query_of(url: str) -> dict[str, list[str]]:
    """Return the parameters of a URL."""
    return parse_qs(urlsplit(url).query)
