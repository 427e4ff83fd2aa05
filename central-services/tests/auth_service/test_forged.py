"""A corpus of forged access tokens, made by tables: none may open anything."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable, Iterator
from hashlib import sha256, sha384, sha512
from typing import Any

import pytest
from joserfc import jwk, jws

from .conftest import ISSUER, Harness

pytestmark = pytest.mark.anyio

Json = dict[str, Any]


def b64(plain: bytes | str | Json) -> str:
    """Return base64url of bytes, a text, or JSON."""
    data = json.dumps(plain).encode() if isinstance(plain, dict) else plain
    data = data.encode() if isinstance(data, str) else data
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Corpus:
    """Makes forged tokens out of a good one.

    Attributes:
        good: A token that works, to begin with.
        key: The service's own private key: a claim that is wrong is wrong although signed.
    """

    def __init__(self, good: str, key: jwk.Key, public: Json) -> None:
        self.good, self.key, self.public = good, key, public
        self.head, self.body, self.mark = good.split(".")
        self.header = json.loads(base64.urlsafe_b64decode(self.head + "=="))
        self.claims = json.loads(base64.urlsafe_b64decode(self.body + "=="))
        self.stranger = jwk.generate_key("EC", "P-256")

    def signed(
        self, header: Json | None = None, claims: Json | None = None, key: jwk.Key | None = None
    ) -> str:
        """Return a token signed by us, with what is None left out."""
        head = {k: v for k, v in {**self.header, **(header or {})}.items() if v is not None}
        body = {k: v for k, v in {**self.claims, **(claims or {})}.items() if v is not None}
        return self.raw(json.dumps(head), json.dumps(body), key)

    def raw(self, head: str | bytes, body: str | bytes, key: jwk.Key | None = None) -> str:
        """Return any two texts with our ES256 signature over them."""
        signing = f"{b64(head)}.{b64(body)}"
        algorithm = jws.JWSRegistry.algorithms["ES256"]
        return f"{signing}.{b64(algorithm.sign(signing.encode(), key or self.key))}"

    def mac(self, header: Json, secret: bytes, digest: Callable[..., Any] = sha256) -> str:
        """Return a token with an HMAC under something that is public."""
        signing = f"{b64(header)}.{self.body}"
        return f"{signing}.{b64(hmac.new(secret, signing.encode(), digest).digest())}"

    def all(self) -> Iterator[tuple[str, str]]:
        """Yield names and tokens."""
        for make in (
            self.without_signature,
            self.confused,
            self.other_keys,
            self.headers,
            self.wrong_claims,
            self.malformed,
        ):
            for number, token in enumerate(make()):
                yield f"{make.__name__}-{number}", token

    def without_signature(self) -> Iterator[str]:
        for alg in ("none", "None", "NONE", "nOnE", "", "null", None, 0, [], ["none"]):
            head = b64({**self.header, "alg": alg})
            yield f"{head}.{self.body}."
            yield f"{head}.{self.body}.{self.mark}"
        yield f"{self.head}.{self.body}."
        yield f"{self.head}.{self.body}"
        yield f"{self.head}.{self.body}.{b64(bytes(64))}"  # CVE-2022-21449: r = s = 0

    def confused(self) -> Iterator[str]:
        key = jwk.ECKey.import_key(self.public)
        publics = [
            key.as_pem(private=False),
            key.as_pem(private=False).strip(),
            key.as_der(private=False),
            json.dumps(self.public).encode(),
            b"",
        ]
        for alg, digest in (("HS256", sha256), ("HS384", sha384), ("HS512", sha512)):
            for secret in publics:
                yield self.mac({**self.header, "alg": alg}, secret, digest)
        for alg in ("ES384", "ES512", "ES256K", "RS256", "PS256", "EdDSA", "es256", "HS256"):
            yield f"{b64({**self.header, 'alg': alg})}.{self.body}.{self.mark}"

    def other_keys(self) -> Iterator[str]:
        thumb = self.stranger.thumbprint()
        public = self.stranger.as_dict(private=False)
        yield self.signed(key=self.stranger)
        yield self.signed({"kid": thumb}, key=self.stranger)
        yield self.signed({"kid": None}, key=self.stranger)
        yield self.signed({"jwk": public}, key=self.stranger)
        yield self.signed({"jwk": public, "kid": thumb}, key=self.stranger)
        yield self.signed({"jku": "https://evil.example/jwks", "kid": thumb}, key=self.stranger)
        yield self.signed({"x5u": "https://evil.example/cert"}, key=self.stranger)
        yield self.signed({"x5c": ["MIIB"]}, key=self.stranger)
        yield self.signed({"x5t": "AAAA", "kid": None}, key=self.stranger)

    def headers(self) -> Iterator[str]:
        """Yield headers that we never make, signed with our own key."""
        kids = ("../../dev/null", "' OR 1=1 --", "", 1, [], {"a": 1}, "x" * 5000, "\u0000", None)
        yield from (self.signed({"kid": kid}) for kid in kids)
        yield self.signed({"kid": None})
        for typ in ("JWT", "jwt", "id+jwt", "", None, 1, "dpop+jwt", "logout+jwt", "at+jwt+x"):
            yield self.signed({"typ": typ})
        extra: list[Json] = [
            {"crit": ["exp"]},
            {"crit": []},
            {"crit": ["b64"], "b64": False},
            {"b64": False},
            {"zip": "DEF"},
            {"cty": "JWT"},
            {"jwk": self.public},
            {"jku": f"{ISSUER}/oauth2/jwks"},
            {"x5c": []},
            {"enc": "A256GCM"},
            {"p2c": 2_000_000_000},
        ]
        yield from (self.signed(header) for header in extra)
        kid, claims = self.header["kid"], json.dumps(self.claims)
        start = f'"kid": "{kid}", "typ": "at+jwt"'
        for twice in ('"alg": "none", "alg": "ES256"', '"alg": "ES256", "alg": "none"'):
            yield self.raw(f"{{{twice}, {start}}}", claims)
        yield self.raw(f'{{"alg": "ES256", "kid": "x", {start}}}', claims)
        yield self.raw("[]", claims)
        yield self.raw("null", claims)
        yield self.raw(b"\xff\xfe", claims)
        yield self.raw("{" * 3000, claims)

    def wrong_claims(self) -> Iterator[str]:
        now = self.claims["iat"]
        table: dict[str, list[Any]] = {
            "iss": ["https://evil.example", f"{ISSUER}/", ISSUER.upper(), "", None, [ISSUER], 1],
            "aud": [
                "spa",
                "https://api.example.com",
                [],
                "",
                None,
                [1],
                {"a": ISSUER},
                f"{ISSUER}/",
            ],
            "exp": [now - 1, 0, -1, None, "9999999999", True, now + 10**9, 1e300, now + 60.5],
            "iat": [now + 3600, None, "0", False, 0, -(10**9)],
            "nbf": [now + 3600, "0", True],
            "sub": [None, "", 1, [], "backend"],
            "client_id": [None, "", "nobody", 1, "backend' --"],
            "jti": [None, "", 1],
            "scope": [["openid"], 1, "email"],
            "authorization": [
                None,
                "",
                "x",
                1,
                "00000000-0000-0000-0000-000000000000",
                "' OR 1=1 --",
            ],
        }
        for name, values in table.items():
            for value in values:
                yield self.signed(claims={name: value})
        twice = json.dumps(self.claims)[:-1]
        yield self.raw(json.dumps(self.header), twice + ', "sub": "admin"}')
        yield self.raw(json.dumps(self.header), twice + ', "exp": 9999999999}')
        yield self.signed(claims={"padding": "x" * 9_000})
        for body in ("[]", "null", '"x"', "", "{", "NaN"):
            yield self.raw(json.dumps(self.header), body)
        yield self.raw(json.dumps(self.header), b"\xff" * 20)

    def malformed(self) -> Iterator[str]:
        flipped = {"A": "B"}.get(self.mark[5], "A")
        yield f"{self.head}.{self.body}.{self.mark[:5]}{flipped}{self.mark[6:]}"
        yield self.good + "A"
        yield self.good[:-1]
        yield self.good + "="
        yield self.good + "."
        yield self.good + "." + self.mark
        yield "." + self.good
        yield self.good.replace(".", "..")
        yield self.good.replace(".", "")
        yield f"{self.head}.{self.body}.{self.mark}".replace("-", "+").replace("_", "/") + "=="
        yield f"{self.mark}.{self.body}.{self.head}"
        yield f"{self.head}.{self.head}.{self.mark}"
        yield f"{self.head[:-1]}.{self.body}.{self.mark}"
        # The last character holds bits that decoders throw away: the same bytes, another text.
        letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        last = letters[letters.index(self.mark[-1]) ^ 1]
        yield self.good[:-1] + last
        yield ".."
        yield "..."
        yield "a.b.c"
        yield "A" * 100_000
        yield f"{self.head}.{'A' * 9_000}.{self.mark}"
        yield f"{self.good} {self.good}"
        yield f"{self.good},{self.good}"
        yield json.dumps({"payload": self.body, "protected": self.head, "signature": self.mark})


async def test_no_forged_token_of_a_corpus_is_accepted(auth: Harness) -> None:
    tokens = await auth.tokens()
    good = tokens["access_token"]
    assert (await auth.userinfo(good)).status_code == 200
    ring = auth.app.state.auth.ring
    active = ring.signing("ES256")
    corpus = Corpus(good, active.key, dict(active.public))
    # What the corpus signs itself is accepted as long as nothing is wrong with it.
    assert (await auth.userinfo(corpus.signed())).status_code == 200
    forged = [*corpus.all(), ("id-token", tokens["id_token"]), ("refresh", tokens["refresh_token"])]
    assert len({token for _, token in forged}) >= 100
    accepted = []
    for name, token in forged:
        answer = await auth.userinfo(token)
        # Only a scope without openid is a valid token; it opens nothing here either.
        if answer.status_code not in {401, 403}:
            accepted.append((name, token, answer.status_code))
        active_there = name != "refresh" and await _is_active(auth, token)
        if active_there and token != tokens["id_token"] and answer.status_code != 403:
            accepted.append((name, token, "introspection"))
    assert accepted == []


async def _is_active(auth: Harness, token: str) -> bool:
    answer = await auth.http.post(
        "/oauth2/introspect", data={"token": token}, auth=("backend", auth.secret)
    )
    if answer.status_code != 200:
        assert answer.json()["error"] == "invalid_request", answer.text
        return False
    return bool(answer.json()["active"])


async def test_duplicated_authorization_header_is_refused(auth: Harness) -> None:
    good = (await auth.tokens())["access_token"]
    bearer = ("Authorization", f"Bearer {good}")
    for headers in ([bearer, bearer], [bearer, ("Authorization", "Bearer x")]):
        answer = await auth.http.get("/oauth2/userinfo", headers=headers)
        assert answer.status_code == 401
