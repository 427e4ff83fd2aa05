"""Passwords, lockout and sessions."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import text

from central_services.audit import Action, AuditEvent, AuditLog
from central_services.auth_service.endpoints.pages import browser_of
from central_services.auth_service.errors import PasswordPolicyError
from central_services.auth_service.logins import wait_after
from central_services.auth_service.passwords import Passwords
from central_services.auth_service.service import IdentityService
from central_services.auth_service.settings import AuthSettings
from central_services.utils.logging import flush

from .conftest import EMAIL, ISSUER, PASSWORD, Harness, Start

pytestmark = pytest.mark.anyio


async def _try(auth: Harness, email: str, password: str) -> tuple[int, str]:
    page = await auth.http.get("/login")
    answer = await auth.submit(page, "/login", email=email, password=password)
    text = answer.text.split('id="problem">')[-1].split("<")[0] if answer.text else ""
    return answer.status_code, text


async def test_who_guesses_learns_nothing_but_no(auth: Harness) -> None:
    wrong = await _try(auth, EMAIL, "wrong-password-1")
    assert wrong[0] == 401
    assert await _try(auth, "nobody@example.com", "wrong-password-1") == wrong
    assert await _try(auth, "nobody@example.com", PASSWORD) == wrong


async def test_an_unknown_address_costs_as_much_work_as_a_wrong_password(auth: Harness) -> None:
    passwords = auth.app.state.auth.passwords
    calls = []

    class Counting:
        def verify(self, kept: str, _password: str) -> bool:
            calls.append(kept.split("$")[3])
            return False

    object.__setattr__(passwords, "_hasher", Counting())
    await _try(auth, EMAIL, "wrong-password-1")
    await _try(auth, "nobody@example.com", "wrong-password-1")
    assert calls == ["m=8,t=1,p=1"] * 2


async def test_address_is_the_same_in_any_case(auth: Harness) -> None:
    assert (await _try(auth, f"  {EMAIL.upper()} ", PASSWORD))[0] == 303


async def test_account_waits_longer_with_each_failure(auth: Harness) -> None:
    for _ in range(5):
        assert (await _try(auth, EMAIL, "wrong"))[0] == 401
    wrong = await _try(auth, EMAIL, "wrong")
    assert await _try(auth, EMAIL, PASSWORD) == wrong
    auth.clock.forward(31)
    assert (await _try(auth, EMAIL, PASSWORD))[0] == 303
    settings = AuthSettings()
    waits = [wait_after(n, settings) for n in (4, 5, 6, 7, 100)]
    assert [w and w.total_seconds() for w in waits] == [None, 30, 60, 120, 3600]


async def test_guesses_at_once_count_each(start: Start) -> None:
    async with start(lockout_threshold=5) as auth:
        page = await auth.http.get("/login")
        await asyncio.gather(
            *(auth.submit(page, "/login", email=EMAIL, password="wrong") for _ in range(8))
        )
        assert (await _try(auth, EMAIL, PASSWORD))[0] == 401


async def test_one_address_can_try_only_so_often(start: Start) -> None:
    async with start(attempts_per_minute=3) as auth:
        answers = [await _try(auth, f"user{n}@example.com", "wrong") for n in range(4)]
        assert [status for status, _ in answers] == [401, 401, 401, 429]
        page = await auth.http.get("/login")
        answer = await auth.submit(page, "/login", email=EMAIL, password=PASSWORD)
        assert int(answer.headers["retry-after"]) <= 21


async def test_attempts_count_for_the_client_behind_a_trusted_proxy(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CENTRAL_SERVICES_SECURITY__TRUSTED_PROXIES", "127.0.0.0/8")
    async with start(name="proxy", attempts_per_minute=2) as auth:
        page = await auth.http.get("/login")

        async def guess(address: str) -> int:
            auth.http.headers["X-Forwarded-For"] = address
            answer = await auth.submit(page, "/login", email="x@example.com", password="wrong")
            return answer.status_code

        assert [await guess("203.0.113.7") for _ in range(3)] == [401, 401, 429]
        assert await guess("203.0.113.8") == 401
        neighbours = [await guess(f"2001:db8::{n}") for n in range(3)]
        assert neighbours == [401, 401, 429]


async def test_logins_are_audited_without_secrets(auth: Harness) -> None:
    await _try(auth, EMAIL, "wrong-password-1")
    await _try(auth, EMAIL, PASSWORD)
    assert auth.audited[-2:] == ["login.refused", "login.succeeded"]


async def test_no_secret_is_logged(auth: Harness, capsys: pytest.CaptureFixture[str]) -> None:
    code = await auth.code()
    tokens = (await auth.exchange(code)).json()
    await auth.refresh(tokens["refresh_token"])
    await auth.own_token()
    await _try(auth, EMAIL, "wrong-password-1")
    flush()
    written = "".join(capsys.readouterr())
    assert "http_request" in written
    secrets = [code, auth.secret, PASSWORD, "wrong-password-1", tokens["refresh_token"]]
    for secret in [*secrets, tokens["access_token"], tokens["id_token"]]:
        assert secret not in written


async def test_password_hash_is_renewed_when_its_costs_rise(start: Start) -> None:
    async with start(password_hash_passes=2) as auth:
        assert (await _try(auth, EMAIL, PASSWORD))[0] == 303
        async with auth.app.state.database.read() as session:
            row = await session.execute(text("SELECT password_hash FROM auth_users"))
            assert "t=2" in row.scalar_one()


@pytest.mark.parametrize(
    "password",
    ["short", "aaaaaaaaaaaaaaaa", "password12345", "Password!2026", "ada@example.com1", "x" * 201],
)
async def test_password_that_is_easy_to_guess_is_refused(password: str) -> None:
    with pytest.raises(PasswordPolicyError):
        Passwords(AuthSettings()).require_good(password, about=(EMAIL, "Ada Lovelace"))


async def test_long_passphrase_is_welcome() -> None:
    Passwords(AuthSettings()).require_good("four boats under the bridge", about=(EMAIL,))


async def test_each_login_has_its_own_cookie(auth: Harness) -> None:
    first = (await auth.log_in()).cookies["session"]
    second = (await auth.log_in()).cookies["session"]
    assert first != second


async def test_session_ends_when_idle_and_after_its_time(auth: Harness) -> None:
    await auth.log_in()
    auth.clock.forward(3_500)
    assert (await auth.http.get("/sessions")).status_code == 200
    auth.clock.forward(3_500)
    assert (await auth.http.get("/sessions")).status_code == 200
    auth.clock.forward(3_601)
    assert (await auth.http.get("/sessions")).status_code == 303


async def test_user_sees_and_ends_sessions(auth: Harness) -> None:
    await auth.log_in()
    stolen = auth.http.cookies["session"]
    await auth.log_in()
    page = await auth.http.get("/sessions")
    assert page.text.count("End the session of") == 2
    assert "this one" in page.text
    cookie = auth.http.cookies["session"]
    ids = [part.split('"')[0] for part in page.text.split('name="session" value="')[1:]]
    for session_id in ids[1:]:
        await auth.submit(page, "/sessions", session=session_id)
    auth.http.cookies.set("session", stolen, domain="127.0.0.1", path="/")
    assert (await auth.http.get("/sessions")).headers["location"] == f"{ISSUER}/login"
    auth.http.cookies.set("session", cookie, domain="127.0.0.1", path="/")
    assert (await auth.http.get("/sessions")).status_code == 200
    assert "session.revoked" in auth.audited
    assert (await auth.submit(page, "/sessions", session="x")).status_code == 404


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/150.0", "Firefox on Linux"),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15) Chrome/150.0 Safari/537.36 Edg/150.0",
            "Edge on macOS",
        ),
        ("curl/8", "Unknown browser"),
    ],
)
async def test_browser_is_told_in_words(agent: str, words: str) -> None:
    assert browser_of(agent) == words


async def test_disabled_user_is_out_at_once(auth: Harness) -> None:
    tokens = await auth.tokens()
    subject = (await auth.userinfo(tokens["access_token"])).json()["sub"]
    headers = {"Authorization": f"Bearer {await auth.own_token()}"}
    answer = await auth.http.put(
        f"/admin/users/{subject}/status", json={"status": "disabled"}, headers=headers
    )
    assert answer.json()["status"] == "disabled"
    assert (await auth.userinfo(tokens["access_token"])).status_code == 401
    assert (await auth.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"
    assert (await auth.http.get("/sessions")).status_code == 303
    assert (await _try(auth, EMAIL, PASSWORD))[0] == 401


async def test_new_password_ends_every_session_and_token(auth: Harness) -> None:
    tokens = await auth.tokens()
    parts = auth.app.state.auth
    new = "quiet-Harbour-3119"

    async def record(action: Action, *, target: str, data: dict[str, Any]) -> AuditEvent:
        audit: AuditLog = auth.app.state.audit
        return await audit.record(action, target=target, data=data, session=session)

    async with parts.database.transaction() as session:
        service = IdentityService(session, record, parts.clock)
        await service.set_password(
            (await service.user_of(EMAIL)).id, await parts.passwords.hash(new)
        )
    assert (await auth.userinfo(tokens["access_token"])).status_code == 401
    assert (await auth.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"
    assert (await auth.http.get("/sessions")).status_code == 303
    assert (await _try(auth, EMAIL, PASSWORD))[0] == 401
    assert (await _try(auth, EMAIL, new))[0] == 303
