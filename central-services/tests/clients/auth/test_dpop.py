# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Tokens that are bound to a key: of use to who has the key, for one request at a time."""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import APIRouter, Depends
from joserfc import jwk
from joserfc.jws import JWSRegistry

from central_services.clients.auth import (
    CurrentUser,
    UnauthenticatedError,
    require_auth,
)
from central_services.clients.dpop import Proofs, ProvenRequest
from tests.auth_fixtures import Issuer

from .conftest import Clock, MakeAuth

pytestmark = pytest.mark.anyio
router = APIRouter()
URL = "https://orders.example.com/me"

# The example of RFC 9449 section 7.1, figure 12.
RFC_TOKEN = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"
RFC_THUMBPRINT = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
RFC_PROOF = (
    "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUk"
    "lDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUw"
    "Q2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1Ijoia"
    "HR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjo"
    "iZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRi"
    "mPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA"
)


@router.get("/me")
async def me(user: Annotated[CurrentUser, Depends(require_auth)]) -> str:
    return user.subject


def base64url(plain: bytes) -> str:
    return base64.urlsafe_b64encode(plain).rstrip(b"=").decode()


def encoded(value: object) -> str:
    return base64url(json.dumps(value).encode())


class Holder:
    """Has a key, a token that is bound to it, and makes proofs."""

    def __init__(self, issuer: Issuer, clock: Clock) -> None:
        self.key = jwk.generate_key("EC", "P-256")
        self.token = issuer.token(cnf={"jkt": self.key.thumbprint()})
        self._clock = clock

    def claims(self, **changes: Any) -> dict[str, Any]:
        usual = {
            "jti": uuid.uuid4().hex,
            "htm": "GET",
            "htu": URL,
            "iat": int(self._clock()),
            "ath": base64url(hashlib.sha256(self.token.encode()).digest()),
        }
        return {name: value for name, value in {**usual, **changes}.items() if value is not None}

    def proof(
        self, changes: dict[str, Any] | None = None, /, *, by: Any = None, **header: Any
    ) -> str:
        """Return a proof; keywords change its header, the mapping its claims, None leaves one out."""
        key = by or self.key
        public = {"typ": "dpop+jwt", "alg": "ES256", "jwk": key.as_dict(private=False)}
        head = {name: value for name, value in {**public, **header}.items() if value is not None}
        signed = f"{encoded(head)}.{encoded(self.claims(**(changes or {})))}"
        model = JWSRegistry.algorithms["ES256"]
        return f"{signed}.{base64url(model.sign(signed.encode(), key))}"


def request(*proofs: str) -> ProvenRequest:
    return ProvenRequest("GET", "orders.example.com", {"/me"}, proofs)


@pytest.fixture
def holder(issuer: Issuer, clock: Clock) -> Holder:
    return Holder(issuer, clock)


async def test_who_has_the_key_is_let_in_once_a_proof(make_auth: MakeAuth, holder: Holder):
    auth, proof = make_auth(), holder.proof()
    user = await auth.current_user(holder.token, request(proof))
    assert user.subject == "user-1"
    with pytest.raises(UnauthenticatedError) as caught:
        await auth.current_user(holder.token, request(proof))
    challenge = caught.value.headers["www-authenticate"]
    assert challenge.startswith('DPoP realm="acme", error="invalid_dpop_proof"')
    assert 'algs="ES256 ' in challenge


@pytest.mark.parametrize(
    "url",
    [
        URL,
        f"{URL}?page=2#top",
        "http://orders.example.com/me",
        "https://ORDERS.example.com:443/m%65",
    ],
)
async def test_url_of_a_proof_may_be_written_differently(
    make_auth: MakeAuth, holder: Holder, url: str
):
    await make_auth().current_user(holder.token, request(holder.proof({"htu": url})))


async def test_proof_is_of_now(make_auth: MakeAuth, holder: Holder, clock: Clock):
    auth, proof = make_auth(dpop_proof_s=60, leeway_s=0), holder.proof()
    clock.passed = 61
    with pytest.raises(UnauthenticatedError):
        await auth.current_user(holder.token, request(proof))
    await auth.current_user(holder.token, request(holder.proof()))


def bad_proofs(holder: Holder) -> Iterator[tuple[str, list[str]]]:
    """Yield what is wrong, and the headers."""
    other = jwk.generate_key("EC", "P-256")
    good = holder.proof()
    head, body, signature = good.split(".")
    yield "none", []
    yield "two", [holder.proof(), holder.proof()]
    yield "another key", [holder.proof(by=other)]
    yield "our name", [holder.proof(by=other, jwk=holder.key.as_dict(private=False))]
    for typ in ("JWT", "at+jwt", None, "dpop"):
        yield f"typ {typ}", [holder.proof(typ=typ)]
    yield "no jwk", [holder.proof(jwk=None)]
    yield "private jwk", [holder.proof(jwk=holder.key.as_dict(private=True))]
    yield "shared secret", [holder.proof(jwk={"kty": "oct", "k": "AAAA"})]
    yield "jwk is a text", [holder.proof(jwk="key")]
    yield "no signature", [f"{head}.{body}."]
    yield "signature of another", [f"{head}.{body}.{holder.proof().split('.')[2]}"]
    yield "three dots", [f"{good}."]
    yield "empty", [""]
    yield "huge", [f"{head}.{'A' * 9_000}.{signature}"]
    for algorithm in ("none", "HS256", "ES512", None, 7):
        yield f"alg {algorithm}", [holder.proof(alg=algorithm)]
    yield "jku", [holder.proof(jku="https://evil.example.com/keys")]
    for name, values in {
        "htm": ("POST", "get", None, 7),
        "htu": ("https://evil.example.com/me", f"{URL}/", "ftp://orders.example.com/me", None,
                "https://orders.example.com:8443/me", "/me", "https://orders.example.com:x/me"),
        "jti": (None, "", 7, "x" * 600),
        "iat": (None, "now", 1, True, 9e12, float("nan")),
        "ath": (None, "", "x", hashlib.sha256(b"other").hexdigest()),
    }.items():  # fmt: skip
        for value in values:
            yield f"{name} {value!r}"[:40], [holder.proof({name: value})]


async def test_no_bad_proof_is_accepted(make_auth: MakeAuth, holder: Holder):
    auth, accepted, tried = make_auth(), [], 0
    for what, proofs in bad_proofs(holder):
        tried += 1
        try:
            await auth.current_user(holder.token, request(*proofs))
        except UnauthenticatedError:
            continue
        accepted.append(what)
    assert accepted == []
    assert tried >= 40


async def test_bound_token_is_no_bearer_token_and_an_unbound_one_is_none_of_dpop(
    make_auth: MakeAuth, holder: Holder, issuer: Issuer
):
    auth = make_auth()
    with pytest.raises(UnauthenticatedError):
        await auth.current_user(holder.token)
    for bound in (None, {}, {"jkt": 7}, {"x5t#S256": "x"}, {"jkt": "x", "x5t#S256": "x"}):
        holder.token = issuer.token(cnf=bound)
        with pytest.raises(UnauthenticatedError):
            await auth.current_user(holder.token, request(holder.proof()))


async def test_endpoint_takes_a_proof_for_its_own_address(
    issuer: Issuer, serve: Callable[..., Any], holder: Holder
) -> None:
    async with serve(routers=[router]) as client:
        answers = await _ask(client, holder)
    assert [answer.status_code for answer in answers] == [200, 401, 401]
    assert answers[0].json() == "user-1"


async def _ask(client: httpx2.AsyncClient, holder: Holder) -> list[httpx2.Response]:
    url, sent = "http://testserver/me", {"authorization": f"DPoP {holder.token}"}
    return [
        await client.get("/me", headers={**sent, "dpop": holder.proof({"htu": url})}),
        await client.get("/me", headers={**sent, "dpop": holder.proof({"htu": URL})}),
        await client.get("/me", headers={"authorization": f"Bearer {holder.token}"}),
    ]


def test_example_of_the_specification_holds():
    proofs = Proofs(lifetime_s=60, leeway_s=0, clock=lambda: 1_562_262_618)
    asked = ProvenRequest("GET", "resource.example.org", {"/protectedresource"}, [RFC_PROOF])
    proofs.check(asked, RFC_TOKEN, {"cnf": {"jkt": RFC_THUMBPRINT}})


async def test_what_was_used_is_forgotten_when_it_works_no_more(
    make_auth: MakeAuth, holder: Holder, clock: Clock
):
    auth = make_auth(dpop_proof_s=60, leeway_s=0)
    for _ in range(5):
        await auth.current_user(holder.token, request(holder.proof()))
    clock.passed = 100
    await auth.current_user(holder.token, request(holder.proof()))
    assert len(auth._read_proofs()._used) == 1
