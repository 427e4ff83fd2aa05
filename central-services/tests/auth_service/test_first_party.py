"""`/auth/...`: the application of the house."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from .conftest import EMAIL, PASSWORD, Harness, Start

pytestmark = pytest.mark.anyio

Json = dict[str, Any]


@pytest.fixture
async def house(start: Start) -> AsyncIterator[Harness]:
    """The service with the public client `spa` as its first-party client."""
    async with start(first_party_client="spa") as harness:
        yield harness


async def log_in(auth: Harness, **changes: Any) -> httpx2.Response:
    return await auth.http.post(
        "/auth/login", json={"email": EMAIL, "password": PASSWORD, **changes}
    )


async def verify(auth: Harness, token: str) -> Json:
    answer = await auth.http.post("/auth/verify", json={"token": token})
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def test_login_without_a_first_party_client_is_not_there(auth: Harness) -> None:
    assert (await log_in(auth)).status_code == 404
    answer = await auth.http.post("/auth/refresh", json={"refresh_token": "x"})
    assert answer.status_code == 404


async def test_password_is_no_grant_of_the_token_endpoint(house: Harness) -> None:
    for grant in ("password", "first_party_login"):
        answer = await house.token(grant_type=grant, username=EMAIL, password=PASSWORD)
        assert answer.json()["error"] == "unsupported_grant_type"


async def test_tokens_of_a_login_work_like_those_of_a_code(house: Harness) -> None:
    answer = await log_in(house)
    tokens = answer.json()
    assert answer.headers["cache-control"] == "no-store"
    assert "set-cookie" not in answer.headers
    assert (await house.userinfo(tokens["access_token"])).json()["email"] == EMAIL
    assert "offline_access" not in tokens["scope"].split()
    refreshed = await house.refresh(tokens["refresh_token"])
    assert refreshed.status_code == 200
    assert house.audited.count("login.succeeded") == 1
    assert house.audited.count("token.issued") == 2


async def test_confidential_first_party_client_has_to_authenticate(start: Start) -> None:
    async with start(first_party_client="backend") as house:
        assert (await log_in(house)).status_code == 401
        wrong = await house.http.post(
            "/auth/login", json={"email": EMAIL, "password": PASSWORD}, auth=("backend", "wrong")
        )
        assert wrong.status_code == 401
        assert "login.succeeded" not in house.audited
        # Another client that authenticates well is not the one of the house.
        other = await house.http.post(
            "/auth/login", json={"email": EMAIL, "password": PASSWORD}, auth=("spa", "x")
        )
        assert other.status_code == 401
        right = await house.http.post(
            "/auth/login",
            json={"email": EMAIL, "password": PASSWORD},
            auth=("backend", house.secret),
        )
        assert right.status_code == 200


async def test_login_is_locked_out_like_the_page(start: Start) -> None:
    async with start(first_party_client="spa", lockout_threshold=2) as house:
        answers = [await log_in(house, password="wrong") for _ in range(2)]
        locked = await log_in(house)
        assert [answer.status_code for answer in answers] == [401, 401]
        assert locked.status_code == 401
        assert locked.json()["detail"] == answers[0].json()["detail"]
        page = await house.log_in()
        assert page.status_code == 401


async def test_login_from_one_address_is_limited(start: Start) -> None:
    async with start(first_party_client="spa", attempts_per_minute=2) as house:
        answers = [await log_in(house, email="x@example.com") for _ in range(3)]
        assert answers[-1].status_code == 429
        assert int(answers[-1].headers["retry-after"]) >= 1


@pytest.mark.parametrize("scope", ["orders:delete", "openid offline_access"])
async def test_login_never_widens_the_scope_of_the_client(house: Harness, scope: str) -> None:
    answer = await log_in(house, scope=scope)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope")
    page = await house.http.get("/sessions")
    assert page.status_code == 303  # and no session stays


async def test_refresh_rotates_and_reuse_burns_the_family(house: Harness) -> None:
    first = (await log_in(house)).json()["refresh_token"]
    answer = await house.http.post("/auth/refresh", json={"refresh_token": first})
    second = answer.json()["refresh_token"]
    assert second != first
    house.clock.forward(60)
    reused = await house.http.post("/auth/refresh", json={"refresh_token": first})
    assert (reused.status_code, reused.json()["error"]) == (401, "invalid_grant")
    after = await house.http.post("/auth/refresh", json={"refresh_token": second})
    assert after.status_code == 401
    assert "token.reuse_detected" in house.audited


async def test_logout_ends_the_login_and_all_of_its_tokens(house: Harness) -> None:
    tokens = (await log_in(house)).json()
    headers = bearer(tokens["access_token"])
    assert (await house.http.post("/auth/logout", headers=headers)).status_code == 204
    assert (await house.http.post("/auth/logout", headers=headers)).status_code == 401
    assert (await house.refresh(tokens["refresh_token"])).status_code == 400
    assert not (await verify(house, tokens["access_token"]))["active"]
    assert "login.ended" in house.audited


async def test_other_clients_can_not_log_a_user_out(house: Harness) -> None:
    own = bearer(await house.own_token())
    assert (await house.http.post("/auth/logout", headers=own)).status_code == 403


async def test_verify_tells_who_a_token_stands_for(house: Harness) -> None:
    tokens = (await log_in(house)).json()
    found = await verify(house, tokens["access_token"])
    assert found["active"]
    assert (found["kind"], found["organisation"]) == ("user", "acme")
    assert found["permissions"] == ["orders:read", "orders:write"]
    assert (await verify(house, await house.own_token()))["kind"] == "client"


async def test_verify_knows_nothing_but_access_tokens(house: Harness) -> None:
    tokens = (await log_in(house)).json()
    forged = tokens["access_token"][:-4] + "AAAA"
    for token in (tokens["refresh_token"], tokens["id_token"], forged, "x", "a.b.c"):
        assert await verify(house, token) == {"active": False}
    assert "token.refused" in house.audited
    house.clock.forward(301)
    assert await verify(house, tokens["access_token"]) == {"active": False}
