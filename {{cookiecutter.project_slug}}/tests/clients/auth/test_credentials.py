# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""This service's own tokens: got once, replaced in time, and what happens when that fails."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from joserfc import jwk, jwt

from {{ cookiecutter.project_slug }}.clients.credentials import RETRY_S, ServiceTokenError
from tests.auth_fixtures import Issuer

from .conftest import Clock, MakeAuth

pytestmark = pytest.mark.anyio

OWN = {"client_id": "me", "client_secret": "secret"}


async def test_token_is_got_once_for_all_who_ask(make_auth: MakeAuth, issuer: Issuer):
    auth = make_auth(**OWN)
    tokens = await asyncio.gather(*(auth.service_token(audience="a") for _ in range(30)))
    assert len(set(tokens)) == 1
    assert len(issuer.issued) == 1
    assert await auth.service_token(audience="b") not in tokens
    assert [form["resource"] for form in issuer.issued] == ["a", "b"]


async def test_token_is_replaced_before_it_ends_and_serves_meanwhile(
    make_auth: MakeAuth, issuer: Issuer, clock: Clock
):
    auth = make_auth(**OWN)
    first = await auth.service_token(audience="a")
    clock.passed = 241  # of 300, less a margin of 60
    assert await auth.service_token(audience="a") == first
    await auth.service_tokens._begin("a")
    assert len(issuer.issued) == 2
    assert await auth.service_token(audience="a") != first


async def test_expired_token_is_never_given(make_auth: MakeAuth, issuer: Issuer, clock: Clock):
    auth = make_auth(**OWN)
    first = await auth.service_token(audience="a")
    clock.passed = 300
    assert await auth.service_token(audience="a") != first


async def test_token_serves_on_while_the_issuer_is_down(
    make_auth: MakeAuth, issuer: Issuer, clock: Clock
):
    auth = make_auth(**OWN)
    first = await auth.service_token(audience="a")
    issuer.answers = {"/token": (500, {"error": "down"})}
    clock.passed = 250
    assert await auth.service_token(audience="a") == first
    with pytest.raises(ServiceTokenError):
        await auth.service_tokens._begin("a")
    assert await auth.service_token(audience="a") == first


async def test_refused_token_is_forgotten(make_auth: MakeAuth, issuer: Issuer):
    auth = make_auth(**OWN)
    first = await auth.service_token(audience="a")
    auth.service_tokens.forget("a", "another")
    assert await auth.service_token(audience="a") == first
    auth.service_tokens.forget("a", first)
    assert await auth.service_token(audience="a") != first


async def test_failure_is_not_tried_again_at_once(
    make_auth: MakeAuth, issuer: Issuer, clock: Clock
):
    issuer.answers = {"/token": (401, {"error": "invalid_client"})}
    auth = make_auth(**OWN)
    for _ in range(5):
        with pytest.raises(ServiceTokenError, match="invalid_client"):
            await auth.service_token(audience="a")
    assert issuer.requests.count("/token") == 1
    issuer.answers = {}
    clock.passed = RETRY_S
    await auth.service_token(audience="a")


@pytest.mark.parametrize(
    "answer",
    [
        b"<html>",
        [],
        {},
        {"access_token": "x"},
        {"access_token": "x", "token_type": "mac"},
        {"access_token": 7, "token_type": "Bearer"},
        {"access_token": "x", "token_type": "Bearer", "expires_in": "soon"},
    ],
)
async def test_answer_that_is_no_token_is_refused(make_auth: MakeAuth, issuer: Issuer, answer: Any):
    issuer.answers = {"/token": (200, answer)}
    with pytest.raises(ServiceTokenError):
        await make_auth(**OWN).service_token(audience="a")


@pytest.mark.parametrize(
    ("kind", "parameter", "algorithm"), [("EC", "P-256", "ES256"), ("RSA", 2048, "RS256")]
)
async def test_key_instead_of_a_secret_signs_an_assertion(
    make_auth: MakeAuth, issuer: Issuer, kind: Any, parameter: Any, algorithm: str
):
    key = jwk.generate_key(kind, parameter)
    auth = make_auth(client_id="me", client_key=json.dumps(key.as_dict(private=True)))
    await auth.service_token(audience="a")
    (form,) = issuer.issued
    assert form["client_assertion_type"].endswith("jwt-bearer")
    assert form["authorization"] == ""
    claims = jwt.decode(form["client_assertion"], key, algorithms=[algorithm]).claims
    assert (claims["iss"], claims["sub"], claims["aud"]) == ("me", "me", f"{issuer.url}/token")
    assert 0 < claims["exp"] - claims["iat"] <= 60


async def test_assertion_may_be_for_another_address_than_it_is_sent_to(
    make_auth: MakeAuth, issuer: Issuer
):
    key = jwk.generate_key("EC", "P-256")
    own = {"client_id": "me", "client_key": json.dumps(key.as_dict(private=True))}
    auth = make_auth(**own, assertion_audience="https://auth.example.com")
    await auth.service_token(audience="a")
    claims = jwt.decode(issuer.issued[0]["client_assertion"], key, algorithms=["ES256"]).claims
    assert claims["aud"] == "https://auth.example.com"


@pytest.mark.parametrize("text", ["", "x", "[]", "{}", '{"kty": "EC"}'])
async def test_key_that_is_none_is_said_without_showing_it(make_auth: MakeAuth, text: str):
    auth = make_auth(client_id="me", client_key=text or " ")
    with pytest.raises(ServiceTokenError, match="no private JWK"):
        await auth.service_token(audience="a")


async def test_parameter_for_the_audience_may_have_another_name(
    make_auth: MakeAuth, issuer: Issuer
):
    await make_auth(**OWN, audience_parameter="audience").service_token(audience="a")
    assert issuer.issued[0]["audience"] == "a"


async def test_issuer_that_is_not_there_is_said(make_auth: MakeAuth, unused_port: int):
    auth = make_auth(**OWN, token_url=f"http://127.0.0.1:{unused_port}/token")
    with pytest.raises(ServiceTokenError, match="can't be reached"):
        await auth.service_token(audience="a")
