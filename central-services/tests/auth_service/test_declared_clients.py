"""Clients that the settings declare are there when the service is, and get tokens for whom they call."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from joserfc import jwk, jwt
from pydantic import SecretStr, ValidationError

from central_services.auth_service.declared_clients import DeclaredClients
from central_services.auth_service.settings import AuthSettings
from central_services.clients.credentials import Credentials
from central_services.kit.identity import new_key, public_part

from .conftest import ISSUER, Harness, Start

pytestmark = pytest.mark.anyio
AUDIT = "http://127.0.0.1:8102"
TOKEN_URL = f"{ISSUER}/oauth2/token"


def declared(key: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return a declaration of a service."""
    return {
        "id": "central-auth",
        "name": "Central services: auth",
        "organisation": "platform",
        "auth_method": "private_key_jwt",
        "jwks": {"keys": [public_part(key)]},
        "grant_types": ["client_credentials"],
        "scopes": [],
        "permissions": ["audit:write"],
        "audiences": [AUDIT],
        **changes,
    }


async def ask(harness: Harness, key: dict[str, Any], audience: str = AUDIT) -> Any:
    """Ask for a token as the template's client does."""
    own = Credentials("central-auth", key=SecretStr(json.dumps(key)))
    headers, fields = own.sign_in(TOKEN_URL, harness.clock().timestamp())
    form = {"grant_type": "client_credentials", "resource": audience, **fields}
    return await harness.http.post("/oauth2/token", data=form, headers=headers)


async def test_service_gets_a_token_for_the_one_it_calls_and_no_other(start: Start) -> None:
    key = new_key()
    async with start(clients=(declared(key),)) as auth:
        answer = await ask(auth, key)
        assert answer.status_code == 200, answer.text
        keys = jwk.KeySet.import_key_set((await auth.http.get("/oauth2/jwks")).json())
        claims = jwt.decode(answer.json()["access_token"], keys, algorithms=["ES256"]).claims
        assert claims["aud"] in (AUDIT, [AUDIT])
        assert (claims["sub"], claims["client_id"]) == ("central-auth", "central-auth")
        assert (claims["org"], claims["permissions"]) == ("platform", ["audit:write"])
        assert (await ask(auth, key, "http://127.0.0.1:8199")).status_code == 400
        assert (await ask(auth, new_key())).json()["error"] == "invalid_client"


async def test_each_start_brings_it_to_what_is_declared_and_no_more(auth: Harness) -> None:
    first, second = new_key(), new_key()

    async def begin(key: dict[str, Any]) -> list[str]:
        """Return what a start has changed."""
        del auth.audited[:]
        parts = auth.app.state.auth
        made = DeclaredClients(parts.database, [declared(key)], auth.app.state.audit, auth.clock)
        await made.register()
        await made.register()
        return list(auth.audited)

    assert await begin(first) == ["organisation.created", "client.created"]
    assert await begin(first) == []
    assert (await ask(auth, first)).status_code == 200
    assert await begin(second) == ["client.changed"]
    assert (await ask(auth, first)).json()["error"] == "invalid_client"
    assert (await ask(auth, second)).status_code == 200


async def test_of_processes_that_start_at_once_each_succeeds(auth: Harness) -> None:
    parts, key = auth.app.state.auth, new_key()
    made = [
        DeclaredClients(parts.database, [declared(key)], auth.app.state.audit, auth.clock)
        for _ in range(5)
    ]
    await asyncio.gather(*(one.register() for one in made))
    assert (await ask(auth, key)).status_code == 200
    assert auth.audited.count("client.created") == 1


async def test_client_that_was_disabled_stays_so(start: Start) -> None:
    key = new_key()
    async with start(clients=(declared(key),)) as auth:
        headers = {"Authorization": f"Bearer {await auth.own_token()}"}
        path = "/admin/clients/central-auth/disable"
        answer = await auth.http.post(path, headers=headers)
        assert answer.is_success, answer.text
    async with start(clients=(declared(key),)) as auth:
        assert (await ask(auth, key)).json()["error"] == "invalid_client"


@pytest.mark.parametrize(
    "change", [{"id": None}, {"auth_method": "client_secret_basic", "jwks": None}, {"what": 1}]
)
def test_declaration_that_nobody_could_use_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        AuthSettings.model_validate({"clients": [declared(new_key(), **change)]})
