"""The pages: sign in through the auth service, search, follow, check a proof; without a script."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import orjson
import pytest
from fastapi import FastAPI, Request

from .conftest import ISSUER, URL, Harness, Start, make_event, make_token

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def signing_in(audit: Harness, **claims: Any) -> AsyncGenerator[list[dict[str, list[str]]]]:
    """Put an issuer's token endpoint behind the service's client; yields what it was sent."""
    issuer, sent = FastAPI(), list[dict[str, list[str]]]()

    @issuer.post("/oauth2/token")
    async def token(request: Request) -> dict[str, str]:
        sent.append(parse_qs((await request.body()).decode()))
        about: dict[str, Any] = {"sub": "eve", "permissions": ["audit:read"], **claims}
        return {"access_token": make_token(audit.key, **about)}

    client = audit.parts.http
    await client._client.aclose()
    client._client = httpx2.AsyncClient(transport=httpx2.ASGITransport(app=issuer))
    yield sent


async def sign_in(audit: Harness) -> httpx2.Response:
    """Go to the auth service and come back with a code."""
    away = await audit.http.get("/ui/login")
    assert away.status_code == 303
    asked = parse_qs(urlsplit(away.headers["location"]).query)
    assert away.headers["location"].startswith(f"{ISSUER}/oauth2/authorize?")
    assert (asked["redirect_uri"], asked["resource"]) == ([f"{URL}/ui/callback"], [URL])
    assert asked["code_challenge_method"] == ["S256"]
    query = {"code": "code-1", "state": asked["state"][0], "iss": ISSUER}
    return await audit.http.get("/ui/callback", params=query)


async def fill(audit: Harness) -> None:
    events = [make_event(1, actor="ada"), make_event(2, actor="<b>bob</b>"), make_event(3)]
    assert (await audit.send(*events)).status_code == 200
    await audit.sealed()


async def test_who_is_not_signed_in_is_sent_to_the_auth_service(audit: Harness) -> None:
    for path in ("/ui/", "/ui/event?id=event-1"):
        answer = await audit.http.get(path)
        assert (answer.status_code, answer.headers["location"]) == (303, "/ui/login")


async def test_reader_searches_and_follows_somebody_through_time(audit: Harness) -> None:
    await fill(audit)
    async with signing_in(audit) as sent:
        assert (await sign_in(audit)).headers["location"] == "/ui/"
    assert sent[0]["code"] == ["code-1"]
    assert sent[0]["code_verifier"]
    page = await audit.http.get("/ui/")
    assert page.status_code == 200
    assert page.text.count("<tr>") == 4
    assert "<b>bob</b>" not in page.text
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'self'")
    assert "<script" not in page.text
    assert "style=" not in page.text
    link = re.search(r'href="(/ui/\?actor=ada)"', page.text)
    assert link
    followed = await audit.http.get(link[1])
    assert "ada through time" in followed.text
    assert followed.text.count("<tr>") == 3
    assert "Nothing was found" in (await audit.http.get("/ui/?text=nowhere")).text
    assert (await audit.http.get("/ui/?cursor=made-up")).status_code == 400
    for days, rows in (
        ("since=2026-11-02&until=2026-11-02", 2),
        ("since=2026-11-03", 3),
        ("until=2026-11-01", 0),
        ("since=&until=", 4),
        ("until=9999-12-31", 4),
    ):
        assert (await audit.http.get(f"/ui/?{days}")).text.count("<tr>") == rows, days
    assert (await audit.http.get("/ui/?since=2026-02-30")).status_code == 422
    assert (
        (await audit.http.get("/ui/static/audit.css"))
        .headers["content-type"]
        .startswith("text/css")
    )


async def test_proof_of_an_event_is_checked_by_hand(audit: Harness) -> None:
    await fill(audit)
    async with signing_in(audit):
        await sign_in(audit)
    await audit.receipts("event-1")
    page = (await audit.http.get("/ui/event?id=event-1")).text
    texts = [
        html.unescape(text)
        for text in re.findall(r"<textarea[^>]*>(.*?)</textarea>", page, re.DOTALL)
    ]
    event, receipt = (text.replace("\n", "\r\n") for text in texts)
    form = {"event": event, "receipt": receipt}
    good = await audit.http.post("/ui/check", data=form)
    assert "Proven: this event is entry 0 of central-services/events/acme" in good.text
    changed = await audit.http.post(
        "/ui/check", data={**form, "event": event.replace("ada", "eve")}
    )
    assert "Not proven: this event is not what the log has" in changed.text
    for wrong in ({"event": "{", "receipt": receipt}, {"event": event, "receipt": ""}, {}):
        answer = await audit.http.post("/ui/check", data=wrong)
        assert answer.status_code == 200
        assert "Not proven" in answer.text
    assert (await audit.http.get("/ui/event?id=nothing")).status_code == 404


async def test_anybody_may_check_a_proof(audit: Harness) -> None:
    await fill(audit)
    found = await audit.receipts("event-3")
    form = {"event": orjson.dumps(make_event(3)).decode(), "receipt": found["receipts"]["event-3"]}
    audit.http.cookies.clear()
    assert "Proven" in (await audit.http.post("/ui/check", data=form)).text
    assert (await audit.http.get("/ui/check")).status_code == 200


async def test_event_that_was_shredded_says_so(audit: Harness) -> None:
    await fill(audit)
    await audit.post("/v1/subjects/shred", {"subject": "<b>bob</b>"}, "audit:admin")
    async with signing_in(audit):
        await sign_in(audit)
    assert "content erased" in (await audit.http.get("/ui/")).text
    assert "was erased" in (await audit.http.get("/ui/event?id=event-2")).text


@pytest.mark.parametrize(
    "claims", [{"permissions": ["audit:write"]}, {"org": None}, {"aud": "https://else.example"}]
)
async def test_who_may_not_read_is_not_let_in(audit: Harness, claims: dict[str, Any]) -> None:
    async with signing_in(audit, **claims):
        assert (await sign_in(audit)).status_code == 403
    assert (await audit.http.get("/ui/")).status_code == 303


async def test_answer_that_this_browser_did_not_ask_for_is_refused(audit: Harness) -> None:
    async with signing_in(audit) as sent:
        await audit.http.get("/ui/login")
        query = {"code": "code-1", "state": "another"}
        assert (await audit.http.get("/ui/callback", params=query)).status_code == 400
        audit.http.cookies.clear()
        assert (await audit.http.get("/ui/callback", params=query)).status_code == 400
    assert sent == []


async def test_login_ends_when_it_is_ended_or_changed(start: Start) -> None:
    async with start() as audit:
        async with signing_in(audit):
            await sign_in(audit)
        other_site = {"Sec-Fetch-Site": "cross-site"}
        await audit.http.post("/ui/logout", headers=other_site)
        assert (await audit.http.get("/ui/")).status_code == 200
        sealed = audit.http.cookies["audit-session"]
        await audit.http.post("/ui/logout")
        assert (await audit.http.get("/ui/")).status_code == 303
        audit.http.cookies.set("audit-session", sealed[:-4] + "AAAA")
        assert (await audit.http.get("/ui/")).status_code == 303
