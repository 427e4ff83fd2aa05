"""Programs to be killed in the middle of their work: the auth service at work."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2
from fastapi import FastAPI

from central_services.auth_service.app import build
from central_services.auth_service.notifying import Message

from .conftest import ISSUER, settings_of

if TYPE_CHECKING:
    from central_services.kit.crashes import Acknowledge

MANY = {"first_party_client": "spa", "attempts_per_minute": 1_000_000}


def refresh(_round: int, acknowledge: Acknowledge, url: str, file: str, grace_s: float) -> None:
    """Use the newest refresh token of each family, again and again, and acknowledge what came back."""
    app = build(settings_of(url, refresh_grace_s=grace_s))
    newest = json.loads(Path(file).read_text("utf-8"))

    async def caller(http: httpx2.AsyncClient, family: str, token: str) -> None:
        while True:
            form = {"grant_type": "refresh_token", "client_id": "spa", "refresh_token": token}
            answer = await http.post("/oauth2/token", data=form)
            assert answer.status_code == 200, answer.text
            token = answer.json()["refresh_token"]
            acknowledge(f"{family} {token}")

    async def main() -> None:
        transport = httpx2.ASGITransport(app=app)
        async with (
            app.router.lifespan_context(app),
            httpx2.AsyncClient(transport=transport, base_url=ISSUER) as http,
        ):
            await asyncio.gather(*(caller(http, *one) for one in newest.items()))

    asyncio.run(main())


class Postman:
    """A notifier whose letters lie in a file, one address a line: what the world has got."""

    is_configured = True

    def __init__(self, file: str) -> None:
        self._file = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    async def notify(self, message: Message, _key: str, /) -> None:
        os.write(self._file, f"{message.email}\n".encode())


def registering(url: str) -> FastAPI:
    """Return the service, where anybody may register."""
    return build(settings_of(url, registration_organisation="rival", **MANY))


def register(round_: int, acknowledge: Acknowledge, url: str, file: str) -> None:
    """Register people, and acknowledge whom the service has told that a message is on its way."""
    app = registering(url)

    async def main() -> None:
        transport = httpx2.ASGITransport(app=app)
        async with (
            app.router.lifespan_context(app),
            httpx2.AsyncClient(transport=transport, base_url=ISSUER) as http,
        ):
            app.state.auth.account_mail.notifier = Postman(file)
            for number in itertools.count():
                email = f"eve-{round_}-{number}@example.com"
                body = {"email": email, "name": "Eve"}
                answer = await http.post("/auth/register", json=body)
                assert answer.status_code == 202, answer.text
                acknowledge(email)

    asyncio.run(main())
