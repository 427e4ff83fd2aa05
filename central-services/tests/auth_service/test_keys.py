"""Signing keys: states, rotation, the seal."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import select, text

from central_services.auth_service.errors import KeySealError
from central_services.auth_service.keys import RotationTooEarlyError
from central_services.auth_service.models import SigningKeyRow
from central_services.auth_service.sealing import Sealer, decode, encode, new_encryption_key

from .conftest import Harness, Start

pytestmark = pytest.mark.anyio


async def _states(auth: Harness) -> dict[str, str]:
    async with auth.app.state.database.read() as session:
        rows = await session.execute(
            text("SELECT kid, state FROM auth_signing_keys WHERE alg = 'ES256'")
        )
        return {row[0]: row[1] for row in rows}


async def test_next_key_is_published_before_it_signs(auth: Harness) -> None:
    before = await _states(auth)
    assert sorted(before.values()) == ["active", "next"]
    with pytest.raises(RotationTooEarlyError, match="may not know the next ES256 key"):
        await auth.app.state.auth.ring.maintain(rotate=True)
    auth.clock.forward(400)
    await auth.app.state.auth.ring.maintain(rotate=True)
    after = await _states(auth)
    follower = next(kid for kid, state in before.items() if state == "next")
    assert after[follower] == "active"
    assert sorted(after.values()) == ["active", "next", "retiring"]
    assert "signing_key.rotated" in auth.audited


async def test_keys_rotate_when_they_are_due_and_go_when_nothing_of_theirs_lives(
    auth: Harness,
) -> None:
    ring = auth.app.state.auth.ring
    first = await _states(auth)
    assert await ring.maintain() == []
    auth.clock.forward(timedelta(days=30, seconds=1).total_seconds())
    await ring.maintain()
    assert sorted((await _states(auth)).values()) == ["active", "next", "retiring"]
    auth.clock.forward(300 + 30 + 120 + 1)
    await ring.maintain()
    left = await _states(auth)
    assert sorted(left.values()) == ["active", "next"]
    assert len(first.keys() & left.keys()) == 1


async def test_20_rotations_refuse_no_token_that_is_valid(auth: Harness) -> None:
    ring, mint = auth.app.state.auth.ring, auth.app.state.auth.mint
    signers = set()
    for _ in range(20):
        auth.clock.forward(290)
        await ring.maintain()  # housekeeping goes on between rotations
        before = await auth.own_token()
        auth.clock.forward(120)
        await ring.maintain(rotate=True)
        auth.clock.forward(170)
        await ring.maintain()
        # Issued 290 s ago, 10 s before it expires, under a key that does not sign any more.
        assert mint.verify_access_token(before)
        assert mint.verify_access_token(await auth.own_token())
        signers.add(ring.signing("ES256").kid)
    assert len(signers) == 20


async def test_compromised_keys_are_refused_at_once(auth: Harness) -> None:
    tokens = await auth.tokens()
    await auth.app.state.auth.ring.maintain(compromised=True)
    assert sorted((await _states(auth)).values()) == ["active", "next"]
    assert (await auth.userinfo(tokens["access_token"])).status_code == 401
    fresh = await auth.refresh(tokens["refresh_token"])
    assert (await auth.userinfo(fresh.json()["access_token"])).status_code == 200


async def test_two_processes_that_rotate_at_once_make_one_step(start: Start) -> None:
    async with start() as one, start(name="other") as other:
        for auth in (one, other):
            auth.clock.forward(400)
        await asyncio.gather(
            *(auth.app.state.auth.ring.maintain(rotate=True) for auth in (one, other)),
            return_exceptions=True,
        )
        assert sorted((await _states(one)).values()) == ["active", "next", "retiring"]
        await other.app.state.auth.ring.maintain()
        token = await one.own_token()
        assert (await other.introspect(token))["active"]


async def test_private_keys_are_sealed_on_the_disk(auth: Harness) -> None:
    key = auth.app.state.auth.ring.signing("ES256").key
    secret = key.as_dict(private=True)["d"]
    async with auth.app.state.database.read() as session:
        kept = (await session.execute(select(SigningKeyRow.sealed, SigningKeyRow.public_jwk))).all()
    assert len(kept) == 4
    for sealed, public in kept:
        assert decode(secret) not in sealed
        assert "d" not in public


async def test_service_does_not_start_with_another_encryption_key(start: Start) -> None:
    async with start():
        pass
    with pytest.raises(KeySealError, match="another AUTH__ENCRYPTION_KEY"):
        async with start(encryption_key=new_encryption_key()):
            pass


async def test_id_token_may_be_signed_with_rs256(auth: Harness) -> None:
    headers = {"Authorization": f"Bearer {await auth.own_token()}"}
    body = {
        "id": "old",
        "name": "Old",
        "redirect_uris": ["https://shop.example.com/callback"],
        "id_token_alg": "RS256",
        "auth_method": "none",
        "skip_consent": True,
        "scopes": ["openid"],
    }
    assert (await auth.http.post("/admin/clients", json=body, headers=headers)).status_code == 201
    code = await auth.code(client_id="old", scope="openid")
    tokens = (await auth.exchange(code, client_id="old")).json()
    header = decode(tokens["id_token"].split(".")[0]).decode()
    assert '"alg":"RS256"' in header
    assert auth.app.state.auth.mint.verify_id_token_hint(tokens["id_token"])["aud"] == "old"


async def test_what_is_sealed_for_one_purpose_is_noise_to_another() -> None:
    sealer = Sealer(bytes(32))
    sealed = sealer.seal("one", b"secret", "about")
    assert sealer.open("one", sealed, "about") == b"secret"
    for purpose, about in (("other", "about"), ("one", "else")):
        with pytest.raises(KeySealError):
            sealer.open(purpose, sealed, about)


async def test_base64url_has_one_spelling_for_each_value() -> None:
    assert decode(encode(b"\xff\xfe")) == b"\xff\xfe"
    for wrong in ("__5", "//4", "__4=", "_ _4", "__4\n"):
        with pytest.raises(ValueError, match="base64url"):
            decode(wrong)
