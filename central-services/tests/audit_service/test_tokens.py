"""Tokens: who is let in, and that tenants see nothing of each other."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import time
from typing import Any

import pytest
from joserfc import jwk

from tests.auth_fixtures import Issuer

from .conftest import LIMIT_S, URL, Harness, Start, make_event, make_token

pytestmark = pytest.mark.anyio


async def test_request_without_token_is_refused_with_a_challenge(audit: Harness) -> None:
    answer = await audit.http.get("/v1/events")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="central-services"'
    assert answer.json()["type"] == "urn:slipway:auth:not-authenticated"


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
    assert 'scope="audit:' in answer.headers["www-authenticate"]
    assert answer.json()["type"] == "urn:slipway:auth:forbidden"


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
        "issued later": make_token(key, iat=now + 600),
        "not yet valid": make_token(key, nbf=now + 600),
        "an id token": make_token(key, header={"typ": "JWT"}),
        "unknown key id": make_token(key, header={"kid": "other"}),
        "jwk in the header": make_token(key, header={"jwk": other.as_dict(private=False)}),
        "no subject": make_token(key, sub=None),
        "no id": make_token(key, jti=None),
        "signature cut": f"{head}.{claims}.{signature[:-4]}",
        "no signature": f"{head}.{claims}.",
        "four parts": good + ".x",
        "too long": make_token(key, filler="x" * 9_000),
        "no JSON": "e30x.e30x.e30x",
        "header says alg twice": f"{base64.urlsafe_b64encode(twice).decode()}.{claims}.{signature}",
    }


async def test_forged_tokens_are_refused(audit: Harness, issuer_key: jwk.ECKey) -> None:
    other = jwk.ECKey.generate_key("P-256", {"kid": "key-1", "alg": "ES256"})
    assert (await audit.http.get("/v1/events", headers=audit.headers("audit:read"))).is_success
    taken = []
    for name, token in forged(issuer_key, other).items():
        answer = await audit.http.get("/v1/events", headers={"Authorization": f"Bearer {token}"})
        if answer.status_code != 401 or "invalid_token" not in answer.headers["www-authenticate"]:
            taken.append(name)
    assert taken == []


async def test_tokens_signed_with_rsa_are_taken_and_skew_is(start: Start, issuer_key: jwk.ECKey):
    rsa = jwk.RSAKey.generate_key(2048, {"kid": "key-2", "alg": "RS256"})
    keys = {"keys": [issuer_key.as_dict(private=False), rsa.as_dict(private=False)]}
    async with start(central_auth={"jwks": json.dumps(keys)}) as audit:
        now = int(time.time())
        read: dict[str, Any] = {"permissions": ["audit:read"]}
        good = [
            make_token(rsa, header={"alg": "RS256", "kid": "key-2"}, **read),
            make_token(issuer_key, exp=now - 20, **read),
            make_token(issuer_key, iat=now + 20, **read),
        ]
        for token in good:
            headers = {"Authorization": f"Bearer {token}"}
            assert (await audit.http.get("/v1/events", headers=headers)).status_code == 200
        crossed = make_token(rsa, header={"alg": "RS256", "kid": "key-1"}, **read)
        headers = {"Authorization": f"Bearer {crossed}"}
        assert (await audit.http.get("/v1/events", headers=headers)).status_code == 401


async def test_issuer_that_was_never_there_is_a_503_until_it_is(
    start: Start, issuer: Issuer
) -> None:
    metadata = "/.well-known/openid-configuration"
    issuer.answers = {metadata: (500, {})}
    own = {"jwks": None, "issuer": issuer.url, "jwks_refetch_s": 0.05}
    async with start(central_auth=own) as audit:
        token = issuer.token("audit:read", aud=URL)
        headers = {"Authorization": f"Bearer {token}"}
        answer = await audit.http.get("/v1/events", headers=headers)
        assert answer.status_code == 503
        assert answer.json()["type"] == "urn:slipway:auth:issuer-unavailable"
        assert int(answer.headers["retry-after"]) >= 1
        issuer.answers = {}
        deadline = time.monotonic() + LIMIT_S
        while answer.status_code == 503 and time.monotonic() < deadline:
            await asyncio.sleep(0.05)  # between two looks
            answer = await audit.http.get("/v1/events", headers=headers)
        assert answer.status_code == 200
        issuer.answers = {metadata: (500, {}), "/jwks": (500, {})}
        assert (await audit.http.get("/v1/events", headers=headers)).status_code == 200


async def test_services_own_call_is_in_the_trail_as_that_service(audit: Harness) -> None:
    sent = await audit.send(make_event(), sub="central-auth", client_id="central-auth")
    assert sent.status_code == 200
    await audit.sealed()
    own = audit.headers("audit:write", sub="central-auth", client_id="central-auth")
    other = audit.headers("audit:write", sub="central-witness", client_id="central-witness")
    body = {"ids": ["event-1"], "source": make_event()["source"]}
    mine = (await audit.http.post("/v1/receipts", json=body, headers=own)).json()
    assert mine["unknown"] == []
    theirs = (await audit.http.post("/v1/receipts", json=body, headers=other)).json()
    assert theirs["unknown"] == ["event-1"]


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
