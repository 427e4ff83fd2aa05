"""Tokens: who is let in, and that tenants see nothing of each other."""

from __future__ import annotations

import base64
import hmac
import json
import time
from typing import Any

import httpx2
import pytest
from joserfc import jwk

from central_services.audit_service.app import utc_now
from central_services.audit_service.errors import IssuerUnavailableError, TokenError
from central_services.audit_service.tokens import REFETCH_S, RemoteKeys, TokenVerifier
from central_services.clients.http import HttpClient
from central_services.core.config import HttpClientSettings

from .conftest import ISSUER, URL, Harness, StaticKeys, make_event, make_token

pytestmark = pytest.mark.anyio


async def test_request_without_token_is_refused_with_a_challenge(audit: Harness) -> None:
    answer = await audit.http.get("/v1/events")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["type"] == "urn:slipway:audit:not-authenticated"


@pytest.mark.parametrize(
    ("method", "path", "permission"),
    [
        ("POST", "/v1/events", "audit:read"),
        ("GET", "/v1/events", "audit:write"),
        ("GET", "/v1/export", "audit:write"),
        ("POST", "/v1/subjects/shred", "audit:read"),
        ("POST", "/v1/holds", "audit:read"),
        ("GET", "/v1/holds", "audit:write"),
        ("DELETE", "/v1/holds/case-1", "audit:read"),
        ("POST", "/v1/receipts", "orders:read"),
    ],
)
async def test_permission_that_is_missing_is_named(
    audit: Harness, method: str, path: str, permission: str
) -> None:
    body = {"subject": "ada", "name": "case-1", "ids": ["event-1"]}
    answer = await audit.http.request(
        method, path, headers=audit.headers(permission), json=body if method == "POST" else None
    )
    if answer.status_code == 422:  # the body is of another endpoint; the next attempt is not
        only = {"/v1/subjects/shred": ["subject"], "/v1/holds": ["name"], "/v1/receipts": ["ids"]}
        body = {name: body[name] for name in only[path]}
        answer = await audit.http.request(
            method, path, headers=audit.headers(permission), json=body
        )
    assert answer.status_code == 403, answer.text
    assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]


async def test_token_without_an_organisation_is_refused(audit: Harness) -> None:
    assert (await audit.send(make_event(), org=None)).status_code == 403
    assert (await audit.send(make_event(), org="*")).status_code == 403


def forged(key: jwk.ECKey, other: jwk.ECKey) -> dict[str, str]:
    """Return tokens that must not be taken, by what is wrong with them."""
    now = int(time.time())
    good = make_token(key)
    head, claims, signature = good.split(".")
    none = base64.urlsafe_b64encode(b'{"alg":"none","typ":"at+jwt","kid":"key-1"}').decode()
    confused = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"at+jwt","kid":"key-1"}').decode()
    confused = f"{confused.rstrip('=')}.{claims}"
    mark = hmac.digest(key.as_pem(private=False), confused.encode(), "sha256")
    mac = base64.urlsafe_b64encode(mark).decode().rstrip("=")
    twice = b'{"alg":"ES256","alg":"none","typ":"at+jwt","kid":"key-1"}'
    return {
        "another key": make_token(other),
        "alg none": f"{none.rstrip('=')}.{claims}.",
        "key confusion": f"{confused}.{mac}",
        "another issuer": make_token(key, iss="https://evil.example.com"),
        "another audience": make_token(key, aud="https://other.example.com"),
        "no audience": make_token(key, aud=None),
        "expired": make_token(key, exp=now - 60),
        "no expiry": make_token(key, exp=None),
        "fractional expiry": make_token(key, exp=now + 60.5),
        "issued later": make_token(key, iat=now + 600),
        "not yet valid": make_token(key, nbf=now + 600),
        "an id token": make_token(key, header={"typ": "JWT"}),
        "unknown key id": make_token(key, header={"kid": "other"}),
        "jwk in the header": make_token(key, header={"jwk": other.as_dict(private=False)}),
        "no subject": make_token(key, sub=None),
        "no id": make_token(key, jti=None),
        "permissions are text": make_token(key, permissions="audit:admin"),
        "signature cut": f"{head}.{claims}.{signature[:-4]}",
        "no signature": f"{head}.{claims}.",
        "four parts": good + ".x",
        "too long": make_token(key, filler="x" * 9_000),
        "no JSON": "e30x.e30x.e30x",
        "header says alg twice": f"{base64.urlsafe_b64encode(twice).decode()}.{claims}.{signature}",
    }


async def test_forged_tokens_are_refused(issuer_key: jwk.ECKey) -> None:
    other = jwk.ECKey.generate_key("P-256", {"kid": "key-1", "alg": "ES256"})
    verifier = TokenVerifier(
        StaticKeys(issuer_key), issuer=ISSUER, audience=URL, skew_s=30, clock=utc_now
    )
    assert (await verifier.verify(make_token(issuer_key))).tenant == "acme"
    taken = []
    for name, token in forged(issuer_key, other).items():
        try:
            await verifier.verify(token)
        except TokenError:
            continue
        taken.append(name)
    assert taken == []


class Issuer:
    """An issuer behind a transport: what it answers, and how often it was asked."""

    def __init__(self) -> None:
        self.keys: list[dict[str, Any]] = []
        self.status = 200
        self.calls = 0

    async def __call__(self, _scope: Any, _receive: Any, send: Any) -> None:
        self.calls += 1
        body = json.dumps({"keys": self.keys}).encode()
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": body})


async def test_keys_are_fetched_once_and_again_for_a_new_one(issuer_key: jwk.ECKey) -> None:
    issuer, now = Issuer(), [100.0]
    issuer.keys = [issuer_key.as_dict(private=False)]
    settings = HttpClientSettings(max_retries=0)
    async with HttpClient(settings, transport=httpx2.ASGITransport(app=issuer)) as http:
        keys = RemoteKeys("http://issuer/jwks", http, max_age_s=300, clock=lambda: now[0])
        assert await keys.find("key-1")
        assert await keys.find("key-1")
        assert issuer.calls == 1
        assert await keys.find("key-2") is None
        assert issuer.calls == 1  # it was fetched a moment ago
        second = jwk.ECKey.generate_key("P-256", {"kid": "key-2", "alg": "ES256"})
        issuer.keys.append(second.as_dict(private=False))
        now[0] += REFETCH_S + 1
        assert await keys.find("key-2")
        now[0] += 301
        issuer.status = 503
        assert await keys.find("key-1")  # old keys are better than none


async def test_issuer_that_was_never_there_is_a_503(issuer_key: jwk.ECKey) -> None:
    issuer = Issuer()
    issuer.status = 500
    settings = HttpClientSettings(max_retries=0)
    async with HttpClient(settings, transport=httpx2.ASGITransport(app=issuer)) as http:
        keys = RemoteKeys("http://issuer/jwks", http, max_age_s=300)
        with pytest.raises(IssuerUnavailableError) as raised:
            await keys.find("key-1")
        assert raised.value.headers["Retry-After"]
        issuer.status, issuer.keys = 200, [issuer_key.as_dict(private=False)]
        assert await keys.find("key-1")


async def test_tenants_see_nothing_of_each_other(audit: Harness) -> None:
    await audit.send(make_event(1), org="acme")
    answer = await audit.send(make_event(1, subject="order:other"), org="globex")
    assert answer.status_code == 200, "another tenant's id is another id"
    await audit.sealed()
    found = await audit.get("/v1/events", org="globex")
    assert [item["event"]["subject"] for item in found["items"]] == ["order:other"]
    assert found["items"][0]["seq"] == 0
    assert (await audit.get("/v1/events", org="globex", actor="ada"))["items"]
    assert not (await audit.get("/v1/events", org="globex", object="order:1"))["items"]
    assert not (await audit.get("/v1/events", org="initech"))["items"]
    read = audit.headers("audit:read", org="initech")
    assert (await audit.http.get("/v1/events/event-1", headers=read)).status_code == 404
    receipts = await audit.receipts("event-1", org="initech")
    assert receipts == {"receipts": {}, "pending": [], "unknown": ["event-1"]}
    admin = await audit.post("/v1/subjects/shred", {"subject": "ada"}, "audit:admin", org="initech")
    assert admin.status_code == 404


async def test_cursor_of_one_tenant_is_none_of_another(audit: Harness) -> None:
    await audit.send(make_event(1), make_event(2), org="acme")
    await audit.send(make_event(1), make_event(2), org="globex")
    await audit.sealed()
    page = await audit.get("/v1/events", limit=1)
    answer = await audit.http.get(
        "/v1/events",
        params={"cursor": page["next"], "limit": 1},
        headers=audit.headers("audit:read", org="globex"),
    )
    assert answer.status_code == 400
