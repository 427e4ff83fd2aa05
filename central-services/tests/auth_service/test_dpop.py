"""DPoP (RFC 9449): tokens that are worth nothing without their key."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from joserfc import jwk, jws

from central_services.auth_service.oauth.dpop import token_hash

from .conftest import CALLBACK, ISSUER, VERIFIER, Harness, Start

pytestmark = pytest.mark.anyio

Json = dict[str, Any]
TOKEN = f"{ISSUER}/oauth2/token"
USERINFO = f"{ISSUER}/oauth2/userinfo"


def b64(value: bytes | Json) -> str:
    plain = json.dumps(value).encode() if isinstance(value, dict) else value
    return base64.urlsafe_b64encode(plain).rstrip(b"=").decode()


def new_key() -> jwk.Key:
    return jwk.generate_key("EC", "P-256")


@dataclass
class Prover:
    """A client with a key of its own."""

    auth: Harness
    key: jwk.Key = field(default_factory=new_key)

    def proof(self, *, header: Json | None = None, **changes: Any) -> str:
        """Return a proof for the token endpoint; None leaves a claim out."""
        claims = {
            "jti": uuid4().hex,
            "htm": "POST",
            "htu": TOKEN,
            "iat": int(self.auth.clock().timestamp()),
            **changes,
        }
        head = {
            "typ": "dpop+jwt",
            "alg": "ES256",
            "jwk": self.key.as_dict(private=False),
            **(header or {}),
        }
        head = {name: value for name, value in head.items() if value is not None}
        kept = {name: value for name, value in claims.items() if value is not None}
        signing = f"{b64(head)}.{b64(kept)}"
        algorithm = jws.JWSRegistry.algorithms["ES256"]
        return f"{signing}.{b64(algorithm.sign(signing.encode(), self.key))}"

    @property
    def jkt(self) -> str:
        """The thumbprint of the key."""
        return self.key.thumbprint()

    async def send(self, proof: str | None = None, **form: str) -> httpx2.Response:
        """Send a token request of the public client with a proof."""
        headers = {"DPoP": self.proof() if proof is None else proof}
        data = {"client_id": "spa", **form}
        return await self.auth.http.post("/oauth2/token", data=data, headers=headers)

    async def exchange(
        self, proof: str | None = None, code: str = "", **asked: str
    ) -> httpx2.Response:
        code = code or await self.auth.code(**asked)
        return await self.send(
            proof,
            grant_type="authorization_code",
            code=code,
            redirect_uri=CALLBACK,
            code_verifier=VERIFIER,
        )

    async def tokens(self) -> Json:
        answer = await self.exchange()
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    async def userinfo(self, token: str, proof: str | None = None) -> httpx2.Response:
        right = self.proof(htm="GET", htu=USERINFO, ath=token_hash(token))
        headers = {"Authorization": f"DPoP {token}", "DPoP": right if proof is None else proof}
        return await self.auth.http.get("/oauth2/userinfo", headers=headers)


@pytest.fixture
def prover(auth: Harness) -> Prover:
    return Prover(auth)


@pytest.fixture
async def strict(start: Start) -> AsyncIterator[Prover]:
    """A client of a service that wants a nonce in proofs."""
    async with start(dpop_nonce_required=True) as harness:
        yield Prover(harness)


def claims(token: str) -> Json:
    found: Json = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    return found


def refused(answer: httpx2.Response, error: str = "invalid_dpop_proof") -> bool:
    return (answer.status_code, answer.json()["error"]) == (400, error)


async def test_token_is_bound_to_the_key_of_the_proof(prover: Prover) -> None:
    tokens = await prover.tokens()
    assert tokens["token_type"] == "DPoP"
    assert claims(tokens["access_token"])["cnf"] == {"jkt": prover.jkt}
    assert (await prover.userinfo(tokens["access_token"])).status_code == 200
    found = await prover.auth.introspect(tokens["access_token"])
    assert (found["token_type"], found["cnf"]) == ("DPoP", {"jkt": prover.jkt})
    answer = await prover.auth.http.post("/auth/verify", json={"token": tokens["access_token"]})
    assert answer.json()["dpop_jkt"] == prover.jkt


async def test_bound_token_is_nothing_without_its_key(prover: Prover) -> None:
    token = (await prover.tokens())["access_token"]
    assert (await prover.auth.userinfo(token)).status_code == 401
    headers = {"Authorization": f"Bearer {token}"}
    assert (await prover.auth.http.get("/users", headers=headers)).status_code == 401
    thief = await Prover(prover.auth).userinfo(token)
    assert (thief.status_code, thief.json()["error"]) == (401, "invalid_dpop_proof")
    assert thief.headers["www-authenticate"].startswith("DPoP algs=")
    assert "token.refused" in prover.auth.audited


async def test_proof_at_userinfo_is_for_this_token_and_this_use(prover: Prover) -> None:
    token, other = (await prover.tokens())["access_token"], (await prover.tokens())["access_token"]
    right: dict[str, Any] = {"htm": "GET", "htu": USERINFO}
    good = prover.proof(**right, ath=token_hash(token))
    assert (await prover.userinfo(token, good)).status_code == 200
    proofs = [
        good,  # again
        prover.proof(**right),
        prover.proof(**right, ath=token_hash(other)),
        prover.proof(htm="POST", htu=USERINFO, ath=token_hash(token)),
        prover.proof(htm="GET", htu=TOKEN, ath=token_hash(token)),
        "",
    ]
    for proof in proofs:
        assert (await prover.userinfo(token, proof)).status_code == 401


async def test_unbound_token_is_none_for_the_scheme_dpop(prover: Prover) -> None:
    token = (await prover.auth.tokens())["access_token"]
    assert (await prover.userinfo(token)).status_code == 401


async def test_proof_works_once(prover: Prover) -> None:
    proof, refresh = prover.proof(), (await prover.tokens())["refresh_token"]
    first = await prover.send(proof, grant_type="refresh_token", refresh_token=refresh)
    again = await prover.send(
        proof, grant_type="refresh_token", refresh_token=first.json()["refresh_token"]
    )
    assert (first.status_code, refused(again)) == (200, True)


def _forged(prover: Prover) -> list[str]:
    """Return proofs that are wrong in one way each."""
    now = int(prover.auth.clock().timestamp())
    key, stranger = prover.key.as_dict(private=False), new_key()
    secret = {"kty": "oct", "k": b64(b"x" * 32)}
    headers: list[Json] = [
        {"typ": "JWT"},
        {"typ": None},
        {"alg": "none"},
        {"alg": "HS256", "jwk": secret},
        {"alg": "RS256"},
        {"jwk": None},
        {"jwk": prover.key.as_dict(private=True)},
        {"jwk": stranger.as_dict(private=False)},
        {"jwk": secret},
        {"jwk": {**key, "x": "AA"}},
        {"jwk": "text"},
        {"crit": ["exp"]},
        {"jku": "https://evil.example/keys"},
    ]
    wrong: list[Json] = [
        {"jti": None},
        {"jti": ""},
        {"jti": "x" * 600},
        {"jti": 7},
        {"iat": None},
        {"iat": True},
        {"iat": str(now)},
        {"iat": now - 200},
        {"iat": now + 200},
        {"htm": "GET"},
        {"htm": None},
        {"htu": f"{ISSUER}/oauth2/par"},
        {"htu": "https://evil.example/oauth2/token"},
        {"htu": None},
        {"htu": "http://[broken"},
        {"nonce": 7},
    ]
    made = [prover.proof(header=header) for header in headers]
    made += [prover.proof(**changes) for changes in wrong]
    good = prover.proof()
    head, body, mark = good.split(".")
    changed = f"{head}.{b64({**claims(good), 'jti': 'other'})}.{mark}"
    return [*made, changed, f"{head}.{body}.", f"{head}.{body}", "x", "a.b.c", "." * 20_000]


async def test_forged_proofs_are_refused(prover: Prover) -> None:
    code = await prover.auth.code()
    for proof in _forged(prover):
        assert refused(await prover.exchange(proof, code)), proof
    assert (await prover.exchange(code=code)).status_code == 200  # none of them used the code up


async def test_two_proofs_are_refused(prover: Prover) -> None:
    answer = await prover.auth.http.post(
        "/oauth2/token",
        data={"client_id": "spa", "grant_type": "refresh_token", "refresh_token": "x"},
        headers=[("DPoP", prover.proof()), ("DPoP", prover.proof())],
    )
    assert refused(answer)


async def test_refresh_token_of_a_public_client_is_bound(prover: Prover) -> None:
    refresh = (await prover.tokens())["refresh_token"]
    form = {"grant_type": "refresh_token", "refresh_token": refresh}
    assert refused(await prover.auth.refresh(refresh))
    assert refused(await Prover(prover.auth).send(None, **form))
    # Who lacks the key did not use it up, and burnt nothing.
    answer = await prover.send(None, **form)
    assert answer.status_code == 200
    assert claims(answer.json()["access_token"])["cnf"] == {"jkt": prover.jkt}
    prover.auth.clock.forward(60)
    assert refused(await Prover(prover.auth).send(None, **form))
    latest = {"grant_type": "refresh_token", "refresh_token": answer.json()["refresh_token"]}
    assert (await prover.send(None, **latest)).status_code == 200


async def test_code_is_bound_to_the_key_that_the_request_names(prover: Prover) -> None:
    code = await prover.auth.code(dpop_jkt=prover.jkt)
    assert refused(await Prover(prover.auth).exchange(code=code))
    assert refused(await prover.auth.exchange(code))
    assert (await prover.exchange(code=code)).status_code == 200
    answer = await prover.auth.authorize(dpop_jkt="short")
    assert prover.auth.answered(answer)["error"] == "invalid_request"


async def test_pushed_request_is_bound_by_its_proof(prover: Prover) -> None:
    auth = prover.auth
    proof = prover.proof(htu=f"{ISSUER}/oauth2/par")
    form = auth.authorize_query()
    pushed = await auth.http.post("/oauth2/par", data=form, headers={"DPoP": proof})
    assert pushed.status_code == 201, pushed.text
    only = {"client_id": "spa", "request_uri": pushed.json()["request_uri"]}
    answer = await auth.http.get("/oauth2/authorize", params=only)
    answer = await auth.log_in(await auth.http.get(answer.headers["location"]))
    page = await auth.http.get(answer.headers["location"])
    code = auth.answered(await auth.submit(page, "/consent", decision="allow"))["code"]
    assert refused(await Prover(auth).exchange(code=code))
    assert (await prover.exchange(code=code)).status_code == 200
    proof = prover.proof(htu=f"{ISSUER}/oauth2/par")
    other = {**form, "dpop_jkt": Prover(auth).jkt}
    assert refused(await auth.http.post("/oauth2/par", data=other, headers={"DPoP": proof}))


async def test_clients_own_token_is_bound_too(prover: Prover) -> None:
    answer = await prover.auth.http.post(
        "/oauth2/token",
        data={"grant_type": "client_credentials"},
        auth=("backend", prover.auth.secret),
        headers={"DPoP": prover.proof()},
    )
    token = answer.json()["access_token"]
    headers = {
        "Authorization": f"DPoP {token}",
        "DPoP": prover.proof(htm="GET", htu=f"{ISSUER}/users", ath=token_hash(token)),
    }
    assert (await prover.auth.http.get("/users", headers=headers)).status_code == 200
    assert (await prover.auth.http.get("/users", headers=headers)).status_code == 401


async def _register(auth: Harness, **changes: Any) -> Json:
    headers = {"Authorization": f"Bearer {await auth.own_token()}"}
    answer = await auth.http.post("/admin/clients", json=changes, headers=headers)
    assert answer.status_code == 201, answer.text
    made: Json = answer.json()
    return made


async def test_client_that_wants_bound_tokens_gets_no_others(prover: Prover) -> None:
    auth = prover.auth
    made = await _register(
        auth,
        name="Bound",
        grant_types=["client_credentials"],
        scopes=["jobs:run"],
        dpop_bound_access_tokens=True,
    )
    form, basic = {"grant_type": "client_credentials"}, (made["id"], made["secret"])
    assert refused(await auth.http.post("/oauth2/token", data=form, auth=basic))
    headers = {"DPoP": prover.proof()}
    answer = await auth.http.post("/oauth2/token", data=form, auth=basic, headers=headers)
    assert answer.json()["token_type"] == "DPoP"


async def test_token_from_a_bound_token_is_bound(prover: Prover) -> None:
    auth = prover.auth
    grant = "urn:ietf:params:oauth:grant-type:token-exchange"
    made = await _register(
        auth,
        name="Orders",
        grant_types=[grant],
        audiences=["https://billing.example.com"],
        may_act_for=["spa"],
    )
    form = {
        "grant_type": grant,
        "subject_token": (await prover.tokens())["access_token"],
        "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
    }
    basic = (made["id"], made["secret"])
    assert refused(await auth.http.post("/oauth2/token", data=form, auth=basic))
    service = Prover(auth)
    headers = {"DPoP": service.proof()}
    answer = await auth.http.post("/oauth2/token", data=form, auth=basic, headers=headers)
    assert answer.json()["token_type"] == "DPoP"
    assert claims(answer.json()["access_token"])["cnf"] == {"jkt": service.jkt}


async def test_nonce_is_asked_for_and_works_for_a_while(strict: Prover) -> None:
    code = await strict.auth.code()
    asked = await strict.exchange(code=code)
    assert refused(asked, "use_dpop_nonce")
    nonce = asked.headers["dpop-nonce"]
    answer = await strict.exchange(strict.proof(nonce=nonce), code)
    assert answer.status_code == 200
    form = {"grant_type": "refresh_token", "refresh_token": answer.json()["refresh_token"]}
    for wrong in (nonce + "x", f"1{nonce}", "x.y", "", hashlib.sha256(b"x").hexdigest()):
        assert refused(await strict.send(strict.proof(nonce=wrong), **form), "use_dpop_nonce")
    strict.auth.clock.forward(301)
    old = await strict.send(strict.proof(nonce=nonce), **form)
    assert refused(old, "use_dpop_nonce")
    fresh = strict.proof(nonce=old.headers["dpop-nonce"])
    assert (await strict.send(fresh, **form)).status_code == 200


async def test_userinfo_asks_for_a_nonce_too(strict: Prover) -> None:
    asked = await strict.exchange()
    token = (await strict.exchange(strict.proof(nonce=asked.headers["dpop-nonce"]))).json()[
        "access_token"
    ]
    answer = await strict.userinfo(token)
    assert (answer.status_code, answer.json()["error"]) == (401, "use_dpop_nonce")
    assert 'error="use_dpop_nonce"' in answer.headers["www-authenticate"]
    proof = strict.proof(
        htm="GET", htu=USERINFO, ath=token_hash(token), nonce=answer.headers["dpop-nonce"]
    )
    assert (await strict.userinfo(token, proof)).status_code == 200


async def test_metadata_names_the_algorithms(auth: Harness) -> None:
    found = (await auth.http.get("/.well-known/oauth-authorization-server")).json()
    assert "ES256" in found["dpop_signing_alg_values_supported"]
    assert not any(alg.startswith("HS") for alg in found["dpop_signing_alg_values_supported"])
