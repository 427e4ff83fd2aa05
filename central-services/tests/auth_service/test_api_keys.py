"""API keys: made, recognised, verified, used and revoked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from sqlalchemy import text

from central_services.auth_service.api_keys import is_api_key, new_api_key
from central_services.auth_service.service import IdentityService

from .conftest import EMAIL, PASSWORD, Harness, Start

pytestmark = pytest.mark.anyio

Json = dict[str, Any]
Headers = dict[str, str]
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
API_KEY = "urn:slipway:params:oauth:token-type:api-key"


@pytest.fixture
async def house(start: Start) -> AsyncIterator[Harness]:
    """The service with the public client `spa` as its first-party client."""
    async with start(first_party_client="spa") as harness:
        yield harness


async def user(auth: Harness) -> Headers:
    """Return the headers of Ada in the application of the house."""
    answer = await auth.http.post("/auth/login", json={"email": EMAIL, "password": PASSWORD})
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


async def platform(auth: Harness) -> Headers:
    return {"Authorization": f"Bearer {await auth.own_token()}"}


async def ask(auth: Harness, headers: Headers, **changes: Any) -> httpx2.Response:
    body = {"name": "Import", "permissions": ["orders:read"], **changes}
    return await auth.http.post("/api-keys", json=body, headers=headers)


async def make(auth: Harness, headers: Headers, **changes: Any) -> Json:
    answer = await ask(auth, headers, **changes)
    assert answer.status_code == 201, answer.text
    assert answer.headers["cache-control"] == "no-store"
    made: Json = answer.json()
    return made


async def verify(auth: Harness, token: str) -> Json:
    found: Json = (await auth.http.post("/auth/verify", json={"token": token})).json()
    return found


async def listed(auth: Harness, headers: Headers) -> list[Json]:
    found: list[Json] = (await auth.http.get("/api-keys", headers=headers)).json()["items"]
    return found


def test_key_is_recognised_by_its_look_and_a_typing_error_too() -> None:
    key = new_api_key()
    assert is_api_key(key)
    wrong = "a" if key[10] != "a" else "b"
    for text_ in (key[:-1], key + "x", key[:10] + wrong + key[11:], key[4:], "slw_", key.upper()):
        assert not is_api_key(text_)


async def test_key_of_a_user_tells_who_they_are(house: Harness) -> None:
    made = await make(house, await user(house))
    assert made["key"].startswith(made["hint"])
    found = await verify(house, made["key"])
    assert (found["kind"], found["organisation"]) == ("user", "acme")
    assert found["permissions"] == ["orders:read"]
    assert found["api_key"] == made["id"]
    assert "api_key.created" in house.audited


async def test_text_of_a_key_is_shown_once_and_never_kept(house: Harness) -> None:
    headers = await user(house)
    made = await make(house, headers)
    answer = await house.http.get("/api-keys", headers=headers)
    assert made["id"] in answer.text
    assert made["key"] not in answer.text
    async with house.app.state.auth.database.read() as session:
        rows = (await session.execute(text("SELECT * FROM auth_api_keys"))).all()
    assert len(rows) == 1
    assert made["key"] not in str(rows)
    assert made["key"][12:] not in str(rows)


async def test_key_never_permits_more_than_its_owner_may(house: Harness) -> None:
    headers, root = await user(house), await platform(house)
    assert (await ask(house, headers, permissions=["auth:admin"])).status_code == 403
    made = await make(house, headers, permissions=["orders:read", "orders:write"])
    # What the owner loses, the key loses.
    path = "/admin/organisations/acme/roles/clerk"
    await house.http.put(path, json={"permissions": ["orders:read"]}, headers=root)
    assert (await verify(house, made["key"]))["permissions"] == ["orders:read"]


async def test_key_of_an_organisation_is_for_admins_to_make(house: Harness) -> None:
    headers, root = await user(house), await platform(house)
    assert (await ask(house, headers, organisation="acme")).status_code == 403
    made = await make(house, root, organisation="acme")
    found = await verify(house, made["key"])
    assert (found["kind"], found["organisation"]) == ("organisation", "acme")
    assert (await ask(house, root, organisation="nowhere")).status_code == 404
    # A program has no permissions of a person for a key of its own.
    assert (await ask(house, root)).status_code == 403
    path = "/admin/organisations/acme/roles/boss"
    await house.http.put(path, json={"permissions": ["auth:org-admin"]}, headers=root)
    answer = await ask(house, root, organisation="acme", permissions=["auth:org-admin"])
    assert answer.status_code == 403


async def test_admin_of_another_tenant_reaches_no_key(house: Harness) -> None:
    root = await platform(house)
    path = "/admin/organisations/rival/roles/boss"
    role = {"permissions": ["auth:org-admin", "orders:read"]}
    await house.http.put(path, json=role, headers=root)
    body = {"organisation": "rival", "email": "eve@x.example", "name": "Eve", "password": PASSWORD}
    eve = (await house.http.post("/users", json=body, headers=root)).json()["id"]
    await house.http.put(f"/admin/users/{eve}/roles", json={"roles": ["boss"]}, headers=root)
    theirs = await make(house, await user(house))
    login = {"email": "eve@x.example", "password": PASSWORD}
    token = (await house.http.post("/auth/login", json=login)).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    assert await listed(house, headers) == []
    assert len(await listed(house, root)) == 1
    answer = await house.http.delete(f"/api-keys/{theirs['id']}", headers=headers)
    assert answer.status_code == 404
    assert (await ask(house, headers, organisation="acme")).status_code == 404
    assert (await ask(house, headers, organisation="rival")).status_code == 201


async def test_token_for_another_application_makes_no_key(auth: Harness) -> None:
    headers = {"Authorization": f"Bearer {(await auth.tokens())['access_token']}"}
    assert (await ask(auth, headers)).status_code == 403


async def test_revoked_and_expired_keys_are_refused(house: Harness) -> None:
    headers = await user(house)
    made, short = await make(house, headers), await make(house, headers, expires_in_days=1)
    path = f"/api-keys/{made['id']}"
    assert (await house.http.delete(path, headers=headers)).status_code == 204
    assert (await house.http.delete(path, headers=headers)).status_code == 404
    assert await verify(house, made["key"]) == {"active": False}
    assert "api_key.revoked" in house.audited
    house.clock.forward(86_401)
    assert await verify(house, short["key"]) == {"active": False}
    assert [row["id"] for row in await listed(house, await user(house))] == [short["id"]]


async def test_key_of_a_disabled_user_is_refused(house: Harness) -> None:
    made, root = await make(house, await user(house)), await platform(house)
    ada = made["user_id"]
    body = {"status": "disabled"}
    await house.http.put(f"/admin/users/{ada}/status", json=body, headers=root)
    assert await verify(house, made["key"]) == {"active": False}


async def test_use_is_written_at_most_once_a_minute(house: Harness) -> None:
    headers = await user(house)
    key = (await make(house, headers))["key"]
    used = []
    for seconds in (0, 30, 40):
        house.clock.forward(seconds)
        await verify(house, key)
        used.append((await listed(house, headers))[0]["last_used_at"])
    assert used[0] == used[1] != used[2]


async def test_introspection_knows_keys_for_who_may_ask(house: Harness) -> None:
    key = (await make(house, await user(house)))["key"]
    found = await house.introspect(key)
    assert (found["active"], found["token_type"]) == (True, "api_key")
    assert found["permissions"] == ["orders:read"]
    assert await house.introspect(new_api_key()) == {"active": False}
    answer = await house.http.post(
        "/oauth2/revoke", data={"token": key}, auth=("backend", house.secret)
    )
    assert answer.status_code == 200
    assert (await house.introspect(key))["active"]  # only its owner and admins revoke it


async def test_key_is_no_access_token(house: Harness) -> None:
    key = (await make(house, await user(house)))["key"]
    headers = {"Authorization": f"Bearer {key}"}
    for path in ("/users", "/api-keys", "/oauth2/userinfo"):
        assert (await house.http.get(path, headers=headers)).status_code == 401


async def test_key_is_exchanged_for_a_token_that_dies_with_it(house: Harness) -> None:
    headers, root = await user(house), await platform(house)
    made = await make(house, headers)
    body = {
        "id": "cli",
        "name": "Command line",
        "auth_method": "none",
        "grant_types": [EXCHANGE],
        "scopes": ["openid"],
        "audiences": ["https://orders.example.com"],
    }
    assert (await house.http.post("/admin/clients", json=body, headers=root)).status_code == 201
    form = {"grant_type": EXCHANGE, "subject_token": made["key"], "subject_token_type": API_KEY}
    answer = await house.token(client_id="cli", **form)
    token = answer.json()["access_token"]
    found = await verify(house, token)
    assert (found["kind"], found["permissions"]) == ("user", ["orders:read"])
    assert found["audiences"] == ["https://orders.example.com"]
    wider = await house.token(client_id="cli", scope="openid", **form)
    assert wider.json()["error"] == "invalid_scope"
    await house.http.delete(f"/api-keys/{made['id']}", headers=headers)
    assert await verify(house, token) == {"active": False}
    again = await house.token(client_id="cli", **form)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_request")


async def test_another_password_ends_the_keys_of_a_user(house: Harness) -> None:
    made = await make(house, await user(house))
    parts = house.app.state.auth
    async with parts.database.transaction() as session:

        async def record(action: Any, *, target: str, data: Json) -> Any:
            return await house.app.state.audit.record(
                action, target=target, data=data, session=session
            )

        service = IdentityService(session, record, parts.clock)
        await service.set_password((await service.user_of(EMAIL)).id, "hash")
    assert await verify(house, made["key"]) == {"active": False}
