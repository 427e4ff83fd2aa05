# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The issuer's keys: fetched once, kept, fetched anew, and missing."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import pytest
from joserfc import jwk

from {{ cookiecutter.project_slug }}.clients._key_set import IssuerError, read_keys
from {{ cookiecutter.project_slug }}.clients.auth import AuthUnavailableError, UnauthenticatedError
from tests.auth_fixtures import Issuer

from .conftest import Clock, MakeAuth

pytestmark = pytest.mark.anyio

METADATA = "/.well-known/openid-configuration"


async def test_keys_are_fetched_once_for_all_who_ask(make_auth: MakeAuth, issuer: Issuer):
    auth, token = make_auth(), issuer.token()
    await asyncio.gather(*(auth.current_user(token) for _ in range(50)))
    await auth.current_user(token)
    assert issuer.requests == [METADATA, "/jwks"]


async def test_fetch_goes_on_when_the_one_who_began_it_goes_away(
    make_auth: MakeAuth, issuer: Issuer
):
    auth, token = make_auth(), issuer.token()
    first = asyncio.create_task(auth.current_user(token))
    await asyncio.sleep(0)
    second = asyncio.create_task(auth.current_user(token))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).subject == "user-1"
    assert issuer.requests.count("/jwks") == 1


async def test_old_keys_serve_while_others_are_fetched(
    make_auth: MakeAuth, issuer: Issuer, clock: Clock
):
    auth = make_auth(jwks_max_age_s=100)
    await auth.keys()
    clock.passed = 101
    await auth.current_user(issuer.token())
    assert issuer.requests.count("/jwks") == 1, "the caller did not wait for it"
    await auth._access_tokens().keys._begin()
    assert issuer.requests.count("/jwks") == 2
    clock.passed = 190
    await auth.current_user(issuer.token())
    assert issuer.requests.count("/jwks") == 2


async def test_keys_serve_on_while_the_issuer_is_down_but_not_for_ever(
    make_auth: MakeAuth, issuer: Issuer, clock: Clock
):
    auth = make_auth(jwks_max_age_s=100, jwks_max_stale_s=1000)
    await auth.keys()
    issuer.answers = {"/jwks": (503, {}), METADATA: (503, {})}
    issuer.lifetime_s = 5000
    token = issuer.token()
    clock.passed = 1000
    assert (await auth.current_user(token)).subject == "user-1"
    clock.passed = 1101
    with pytest.raises(AuthUnavailableError):
        await auth.current_user(token)
    issuer.answers = {}
    clock.passed = 1120
    assert (await auth.current_user(token)).subject == "user-1"


async def test_unknown_key_is_looked_for_but_not_by_every_caller(
    make_auth: MakeAuth, issuer: Issuer, clock: Clock
):
    auth = make_auth(jwks_refetch_s=5)
    await auth.keys()
    issuer.rotate()
    clock.passed = 6
    assert (await auth.current_user(issuer.token())).subject == "user-1"
    assert issuer.requests.count("/jwks") == 2
    for _ in range(20):
        with pytest.raises(UnauthenticatedError):
            await auth.current_user(issuer.sign(issuer.claims(), kid="made-up"))
    assert issuer.requests.count("/jwks") == 2
    clock.passed = 12
    with pytest.raises(UnauthenticatedError):
        await auth.current_user(issuer.sign(issuer.claims(), kid="made-up"))
    assert issuer.requests.count("/jwks") == 3


async def test_rotation_refuses_no_valid_token(make_auth: MakeAuth, issuer: Issuer, clock: Clock):
    auth, tokens = make_auth(jwks_refetch_s=5), []
    for _ in range(20):
        tokens.append(issuer.token())
        issuer.rotate(keep=2)
        clock.passed += 5.5
        tokens.append(issuer.token())
        users = await asyncio.gather(*(auth.current_user(token) for token in tokens[-4:]))
        assert {user.subject for user in users} == {"user-1"}


async def test_withdrawn_key_is_refused_once_the_keys_were_fetched_again(
    make_auth: MakeAuth, issuer: Issuer, clock: Clock
):
    auth, stolen = make_auth(jwks_max_age_s=60), issuer.token()
    await auth.current_user(stolen)
    issuer.rotate(keep=0)
    clock.passed = 61
    await auth.current_user(stolen)
    await auth._access_tokens().keys._begin()
    with pytest.raises(UnauthenticatedError):
        await auth.current_user(stolen)


async def test_without_keys_nobody_is_refused_and_nobody_let_in(
    make_auth: MakeAuth, issuer: Issuer, clock: Clock
):
    issuer.answers = {METADATA: (500, {})}
    auth, token = make_auth(jwks_refetch_s=5), issuer.token()
    for _ in range(3):
        with pytest.raises(AuthUnavailableError) as caught:
            await auth.current_user(token)
        assert caught.value.headers["retry-after"] == "5"
    assert issuer.requests == [METADATA]
    issuer.answers = {}
    clock.passed = 5.1
    assert (await auth.current_user(token)).subject == "user-1"


async def test_address_of_the_keys_may_be_set(make_auth: MakeAuth, issuer: Issuer):
    auth = make_auth(jwks_url=f"{issuer.url}/jwks")
    await auth.current_user(issuer.token())
    assert issuer.requests == ["/jwks"]


@pytest.mark.parametrize(
    "answer",
    [
        (200, {"issuer": "https://other.example.com", "jwks_uri": "URL/jwks"}),
        (200, {"issuer": "URL"}),
        (200, {"issuer": "URL", "jwks_uri": "file:///etc/passwd"}),
        (200, ["URL"]),
        (200, b"<html>"),
        (302, {}),
        (404, {}),
    ],
)
async def test_metadata_that_can_not_be_used_is_refused(
    make_auth: MakeAuth, issuer: Issuer, answer: tuple[int, Any]
):
    status, document = answer
    if isinstance(document, dict):
        document = {k: v.replace("URL", issuer.url) for k, v in document.items()}
    issuer.answers = {METADATA: (status, document)}
    with pytest.raises(AuthUnavailableError):
        await make_auth().current_user(issuer.token())


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        {"keys": {}},
        {"keys": []},
        {"keys": [1, None]},
        {"keys": [{"kty": "EC"}] * 101},
    ],
)
def test_what_is_no_key_set_is_refused(document: object):
    with pytest.raises(IssuerError):
        read_keys(document)


def test_keys_that_verify_nothing_here_are_passed_over():
    good = jwk.generate_key("EC", "P-256").as_dict(private=False)
    others = [
        {**good, "use": "enc"},
        {**good, "key_ops": ["sign"]},
        {**good, "kid": 7},
        {**good, "alg": "RS256"},
        {**good, "x": "AA"},
        {**good, "crv": "P-1024"},
        {"kty": "oct", "k": "c2VjcmV0", "kid": "shared", "alg": "HS256"},
        {"kty": "new"},
        {
            "kty": "RSA",
            "n": base64.urlsafe_b64encode(b"\xc1" * 128).decode().rstrip("="),
            "e": "AQAB",
        },
    ]
    found = read_keys({"keys": [*others, {**good, "kid": "good"}]})
    assert [key.kid for key in found] == ["good"]
    assert found[0].algorithms == {"ES256"}


def test_private_parts_of_a_published_key_are_not_read():
    pair = jwk.generate_key("EC", "P-256").as_dict(private=True)
    (found,) = read_keys({"keys": [pair]})
    assert not found.key.is_private


async def test_keys_in_the_settings_are_used_and_nobody_is_asked(
    make_auth: MakeAuth, issuer: Issuer
):
    auth, token = make_auth(jwks=json.dumps(issuer.published)), issuer.token()
    assert (await auth.current_user(token)).subject == "user-1"
    issuer.rotate()
    with pytest.raises(UnauthenticatedError):
        await auth.current_user(issuer.token())
    assert issuer.requests == []
    with pytest.raises(AuthUnavailableError):
        await make_auth(jwks="{").keys()
