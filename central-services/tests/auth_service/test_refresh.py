"""Refresh tokens: rotation, a bounded grace, and families that burn."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text

from central_services.auth_service.repository import IdentityRepository

from .conftest import Harness, Start

pytestmark = pytest.mark.anyio


async def test_refresh_token_rotates(auth: Harness) -> None:
    tokens = await auth.tokens()
    answer = await auth.refresh(tokens["refresh_token"])
    fresh = answer.json()
    assert answer.status_code == 200
    assert fresh["refresh_token"] != tokens["refresh_token"]
    assert (await auth.introspect(fresh["access_token"]))["active"]


async def test_within_the_grace_a_token_gets_the_same_answer_again(auth: Harness) -> None:
    tokens = await auth.tokens()
    first = (await auth.refresh(tokens["refresh_token"])).json()
    auth.clock.forward(9)
    again = (await auth.refresh(tokens["refresh_token"])).json()
    assert again == first
    assert (await auth.refresh(first["refresh_token"])).status_code == 200


async def test_after_the_grace_a_spent_token_burns_its_family(auth: Harness) -> None:
    tokens = await auth.tokens()
    first = (await auth.refresh(tokens["refresh_token"])).json()
    auth.clock.forward(11)
    assert (await auth.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"
    assert (await auth.refresh(first["refresh_token"])).json()["error"] == "invalid_grant"
    for token in (tokens["access_token"], first["access_token"], first["refresh_token"]):
        assert await auth.introspect(token) == {"active": False}
    assert "token.reuse_detected" in auth.audited


async def test_grace_ends_when_the_successor_is_used(auth: Harness) -> None:
    tokens = await auth.tokens()
    first = (await auth.refresh(tokens["refresh_token"])).json()
    second = (await auth.refresh(first["refresh_token"])).json()
    assert (await auth.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"
    assert (await auth.refresh(second["refresh_token"])).json()["error"] == "invalid_grant"


async def test_without_a_grace_the_first_reuse_burns(start: Start) -> None:
    async with start(refresh_grace_s=0) as auth:
        tokens = await auth.tokens()
        first = (await auth.refresh(tokens["refresh_token"])).json()
        auth.clock.forward(0.001)
        assert (await auth.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"
        assert (await auth.refresh(first["refresh_token"])).json()["error"] == "invalid_grant"


async def test_200_concurrent_refreshes_make_one_new_generation(start: Start) -> None:
    async with start(refresh_grace_s=60) as auth:
        tokens = await auth.tokens()
        answers = await asyncio.gather(*(auth.refresh(tokens["refresh_token"]) for _ in range(200)))
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.content for answer in answers}) == 1
        async with auth.app.state.database.read() as session:
            rows = await session.execute(text("SELECT generation FROM auth_refresh_tokens"))
            assert sorted(row[0] for row in rows) == [1, 2]
        auth.clock.forward(61)
        assert (await auth.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"
        fresh = answers[0].json()
        assert (await auth.refresh(fresh["refresh_token"])).json()["error"] == "invalid_grant"


async def test_token_of_another_client_is_refused_and_burns_nothing(auth: Harness) -> None:
    tokens = await auth.tokens()
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    answer = await auth.http.post("/oauth2/token", data=form, auth=("backend", auth.secret))
    assert answer.json()["error"] == "invalid_grant"
    assert (await auth.refresh(tokens["refresh_token"])).status_code == 200


async def test_scope_may_shrink_and_not_grow(auth: Harness) -> None:
    tokens = await auth.tokens()
    more = await auth.refresh(tokens["refresh_token"], scope="openid roles")
    assert more.json()["error"] == "invalid_scope"
    less = await auth.refresh(tokens["refresh_token"], scope="openid")
    assert less.json()["scope"] == "openid"


async def test_unused_token_and_old_family_expire(start: Start) -> None:
    async with start(refresh_token_s=100, refresh_family_s=250) as auth:
        token = (await auth.tokens())["refresh_token"]
        for _ in range(3):
            auth.clock.forward(80)
            answer = await auth.refresh(token)
            assert answer.status_code == 200
            token = answer.json()["refresh_token"]
        auth.clock.forward(80)
        assert (await auth.refresh(token)).json()["error"] == "invalid_grant"


async def test_what_can_not_be_used_any_more_is_forgotten(auth: Harness) -> None:
    tokens = await auth.tokens()
    parts = auth.app.state.auth
    tables = ("auth_token_families", "auth_codes", "auth_refresh_tokens", "auth_sessions")

    async def forget_and_count() -> list[int]:
        async with parts.database.transaction() as session:
            repository = IdentityRepository(session)
            await repository.forget_expired(auth.clock(), family_s=parts.settings.refresh_family_s)
            counts = [await session.scalar(text(f"SELECT count(*) FROM {t}")) for t in tables]  # noqa: S608  # our own tables
        return [int(count or 0) for count in counts]

    auth.clock.forward(parts.settings.session_s + 1)
    assert await forget_and_count() == [1, 1, 1, 1]
    assert (await auth.refresh(tokens["refresh_token"])).status_code == 200
    auth.clock.forward(parts.settings.refresh_family_s)
    assert await forget_and_count() == [0, 0, 0, 0]


async def test_logout_ends_tokens_but_not_those_for_offline_use(auth: Harness) -> None:
    online = await auth.tokens()
    offline = await auth.tokens(scope="openid offline_access")
    page = await auth.http.get("/sessions")
    await auth.submit(page, "/logout", hint="")
    assert (await auth.refresh(online["refresh_token"])).json()["error"] == "invalid_grant"
    assert (await auth.refresh(offline["refresh_token"])).status_code == 200
