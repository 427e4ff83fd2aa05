"""Programs to be killed in the middle of their work: the auth service while its clients refresh tokens."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2

from central_services.auth_service.app import build

from .conftest import ISSUER, settings_of

if TYPE_CHECKING:
    from central_services.kit.crashes import Acknowledge


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
