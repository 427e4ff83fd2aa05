# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Tokens that must not be accepted, each beside what is wrong with it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from joserfc import jwk
from joserfc.jwk import Key
from joserfc.jws import JWSRegistry

from tests.auth_fixtures import AUDIENCE, Issuer

if TYPE_CHECKING:
    from collections.abc import Mapping

Forged = tuple[str, str]


def b64(value: bytes | str | Mapping[str, Any]) -> str:
    """Return unpadded base64url of bytes, text, or an object as JSON."""
    if not isinstance(value, bytes | str):
        value = json.dumps(value)
    raw = value if isinstance(value, bytes) else value.encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def signed(key: Key, algorithm: str, header: str | Mapping[str, Any], payload: Any) -> str:
    """Return a token whose header and payload are these very texts, under a true signature."""
    head = b64(header) + "." + b64(payload)
    return f"{head}.{b64(JWSRegistry.algorithms[algorithm].sign(head.encode(), key))}"


def mac(secret: bytes, header: Mapping[str, Any], payload: Any, name: str = "sha256") -> str:
    """Return a token with a MAC, as a verifier that confuses keys would accept it."""
    head = f"{b64(header)}.{b64(payload)}"
    return f"{head}.{b64(hmac.new(secret, head.encode(), getattr(hashlib, name)).digest())}"


def forgeries(issuer: Issuer) -> Iterator[Forged]:
    """Yield what is wrong with a token, and the token."""
    yield from _without_signature(issuer)
    yield from _with_the_public_key_as_secret(issuer)
    yield from _with_a_key_of_ones_own(issuer)
    yield from _with_claims_that_do_not_fit(issuer)
    yield from _with_times_that_do_not_fit(issuer)
    yield from _of_another_kind(issuer)
    yield from _malformed(issuer)
    yield from _with_strange_headers(issuer)


def _without_signature(issuer: Issuer) -> Iterator[Forged]:
    claims, kid = issuer.claims(), list(issuer.keys)[-1]
    good = issuer.sign(claims)
    head, payload, signature = good.split(".")
    for name in ("none", "None", "NONE", "nOnE", "", None, 0, [], "null", "ES256 "):
        header = {"alg": name, "kid": kid, "typ": "at+jwt"}
        yield f"alg {name!r}, no signature", f"{b64(header)}.{b64(claims)}."
        yield f"alg {name!r}, an old signature", f"{b64(header)}.{b64(claims)}.{signature}"
    yield "no alg", f"{b64({'kid': kid, 'typ': 'at+jwt'})}.{payload}.{signature}"
    yield "the signature left out", f"{head}.{payload}."
    yield "a part left out", f"{head}.{payload}"
    yield "zeros for a signature (CVE-2022-21449)", f"{head}.{payload}.{b64(bytes(64))}"
    yield "ones for a signature", f"{head}.{payload}.{b64(bytes([255] * 64))}"
    yield "a bit of the signature changed", f"{head}.{payload}.{_flip(signature)}"
    yield "another's permissions", f"{head}.{b64({**claims, 'permissions': ['all']})}.{signature}"
    yield "the header of another", f"{b64({'alg': 'ES256', 'kid': kid})}.{payload}.{signature}"
    der = b"0D" + bytes(68)
    yield "a signature in DER", f"{head}.{payload}.{b64(der)}"


def _flip(signature: str) -> str:
    raw = bytearray(base64.urlsafe_b64decode(signature + "=="))
    raw[5] ^= 1
    return b64(bytes(raw))


def _with_the_public_key_as_secret(issuer: Issuer) -> Iterator[Forged]:
    claims, kid = issuer.claims(), list(issuer.keys)[-1]
    key: Any = issuer.keys[kid]
    public = key.as_dict(private=False)
    secrets = {
        "PEM": key.as_pem(private=False),
        "PEM without its last line break": key.as_pem(private=False).rstrip(),
        "DER": key.as_der(private=False),
        "JWK": json.dumps(public).encode(),
        "x": str(public["x"]).encode(),
        "nothing": b"",
        "its name": kid.encode(),
    }
    for what, secret in secrets.items():
        for name, digest in (("HS256", "sha256"), ("HS384", "sha384"), ("HS512", "sha512")):
            header = {"alg": name, "kid": kid, "typ": "at+jwt"}
            yield f"{name} with the public key ({what})", mac(secret, header, claims, digest)
    header = {"alg": "ES256", "kid": kid, "typ": "at+jwt"}
    yield "a MAC that says it is ES256", mac(secrets["PEM"], header, claims)


def _with_a_key_of_ones_own(issuer: Issuer) -> Iterator[Forged]:
    claims, kid = issuer.claims(), list(issuer.keys)[-1]
    own = jwk.generate_key("EC", "P-256")
    public = own.as_dict(private=False)
    base = {"alg": "ES256", "kid": kid, "typ": "at+jwt"}
    injected = {
        "jwk": public,
        "jku": "https://attacker.example.com/jwks",
        "x5u": "https://attacker.example.com/cert",
        "x5c": ["MIIB"],
        "crit": ["exp"],
        "b64": False,
        "zip": "DEF",
        "enc": "A128GCM",
        "url": "https://attacker.example.com",
        "nonce": "1",
    }
    for name, value in injected.items():
        header = {**base, name: value}
        yield f"{name} in the header", signed(own, "ES256", header, claims)
        true = issuer.keys[kid]
        yield f"{name} in a true header", signed(true, "ES256", header, claims)
    for name in (
        kid,
        "unknown",
        "",
        "../../dev/null",
        "' OR 1=1 --",
        kid + "\x00",
        kid.upper(),
        "*",
    ):
        header = {**base, "kid": name}
        yield f"a key of one's own as {name!r}", signed(own, "ES256", header, claims)
    for name in (None, 7, True, [kid], {"kid": kid}):
        yield f"kid {name!r}", signed(own, "ES256", {**base, "kid": name}, claims)
    without = {"alg": "ES256", "typ": "at+jwt"}
    yield "a key of one's own without a name", signed(own, "ES256", without, claims)
    ed = jwk.generate_key("OKP", "Ed25519")
    yield "another kind of key", signed(ed, "Ed25519", {**base, "alg": "EdDSA"}, claims)
    rsa = jwk.generate_key("RSA", 2048)
    for name in ("RS256", "PS256"):
        yield f"{name} for an EC key", signed(rsa, name, {**base, "alg": name}, claims)
    other = jwk.generate_key("EC", "P-384")
    yield "another curve", signed(other, "ES384", {**base, "alg": "ES384"}, claims)
    yield "another curve under the first's name", signed(other, "ES384", base, claims)
    yield "ES256K", signed(own, "ES256", {**base, "alg": "ES256K"}, claims)


def _with_claims_that_do_not_fit(issuer: Issuer) -> Iterator[Forged]:
    wrong: dict[str, list[Any]] = {
        "iss": [None, "", issuer.url + "/", issuer.url.upper(), "https://other.example.com",
                [issuer.url], 1, issuer.url + "\x00"],
        "aud": [None, "", [], "other", ["other"], AUDIENCE + "/", AUDIENCE.upper(), AUDIENCE[:-1],
                {"a": AUDIENCE}, [[AUDIENCE]], [AUDIENCE, 1], True, 1, "*"],
        "sub": [None, "", 1, ["user-1"], {"a": 1}],
        "client_id": [1, ["shop"]],
        "scope": [["openid"], 1],
        "jti": [1],
        "azp": [["shop"]],
        "cnf": [{"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}, {"x5t#S256": "x"}],
    }  # fmt: skip
    for name, values in wrong.items():
        for value in values:
            yield f"{name} {value!r}", issuer.sign(issuer.claims(**{name: value}))


def _with_times_that_do_not_fit(issuer: Issuer) -> Iterator[Forged]:
    now = issuer.claims()["iat"]
    wrong: dict[str, list[Any]] = {
        "exp": [None, 0, -1, now - 31, now - 3600, str(now + 60), True, [now + 60], "never"],
        "iat": [None, now + 3600, now * 1000, str(now), False, [now]],
        "nbf": [now + 3600, now * 1000, str(now), True],
    }
    for name, values in wrong.items():
        for value in values:
            yield f"{name} {value!r}", issuer.sign(issuer.claims(**{name: value}))
    kid = list(issuer.keys)[-1]
    header = {"alg": "ES256", "kid": kid, "typ": "at+jwt"}
    for text in ("NaN", "Infinity", "1e999", "-Infinity"):
        payload = json.dumps({**issuer.claims(exp=1), "exp": "X"}).replace('"X"', text)
        yield f"exp {text}", signed(issuer.keys[kid], "ES256", header, payload)


def _of_another_kind(issuer: Issuer) -> Iterator[Forged]:
    claims = issuer.claims()
    for kind in (
        None,
        "",
        "JWT",
        "jwt",
        "id+jwt",
        "logout+jwt",
        "dpop+jwt",
        "at+JWT2",
        "secevent+jwt",
    ):
        yield f"typ {kind!r}", issuer.sign(claims, typ=kind)
    for kind in ("at+jwt ", "application/jwt", 1, ["at+jwt"], True):
        key = list(issuer.keys)[-1]
        header = {"alg": "ES256", "kid": key, "typ": kind}
        yield f"typ {kind!r}", signed(issuer.keys[key], "ES256", header, claims)
    own = issuer.claims(aud="shop", nonce="n", at_hash="h", client_id=None, jti=None, scope=None)
    yield "an ID token", issuer.sign(own, typ="JWT")
    yield "an ID token with our audience", issuer.sign({**own, "aud": AUDIENCE}, typ="JWT")


def _malformed(issuer: Issuer) -> Iterator[Forged]:
    good = issuer.sign(issuer.claims())
    head, payload, signature = good.split(".")
    for size in (1, 10, len(head), len(head) + 1, len(good) // 2, len(good) - 1):
        yield f"cut after {size}", good[:size]
    yield "padding", f"{head}=.{payload}.{signature}=="
    yield "another part", f"{good}.x"
    yield "five parts", f"{head}.{payload}.{signature}.x.y"
    yield "dots", ".."
    yield "three words", "a.b.c"
    yield "not base64url", f"{head}.{payload}.{signature[:-2]}+/"
    yield "spare bits", f"{head}.{payload}.{_with_spare_bits(signature)}"
    yield "no JSON", f"{b64('x')}.{payload}.{signature}"
    yield "a list", f"{b64('[]')}.{payload}.{signature}"
    yield "no UTF-8", f"{b64(bytes([255, 254]))}.{payload}.{signature}"
    yield "brackets", f"{b64('[' * 5000)}.{payload}.{signature}"
    yield "letters that look alike", good.replace("a", "\u0430", 1).encode().decode("latin-1")
    yield "a line break", f"{head}.{payload}.\n{signature}"
    yield "oversize", issuer.sign(issuer.claims(filler="x" * 9000))
    kid = list(issuer.keys)[-1]
    key, header = issuer.keys[kid], {"alg": "ES256", "kid": kid, "typ": "at+jwt"}
    for text in ("[]", "null", '"text"', "{", "", "[" * 3000):
        yield f"claims {text[:8]!r}", signed(key, "ES256", header, text)
    plain = json.dumps(issuer.claims())
    for name, value in (
        ("aud", AUDIENCE),
        ("iss", issuer.url),
        ("exp", 9999999999),
        ("sub", "admin"),
    ):
        twice = plain[:-1] + f", {json.dumps(name)}: {json.dumps(value)}}}"
        yield f"{name} twice", signed(key, "ES256", header, twice)


def _with_spare_bits(signature: str) -> str:
    """Return other characters that stand for the same bytes."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return signature[:-1] + letters[letters.index(signature[-1]) | 1]


def _with_strange_headers(issuer: Issuer) -> Iterator[Forged]:
    kid = list(issuer.keys)[-1]
    key, claims = issuer.keys[kid], issuer.claims()
    plain = json.dumps({"alg": "ES256", "kid": kid, "typ": "at+jwt"})[:-1]
    for name, value in (("alg", "none"), ("alg", "ES256"), ("kid", kid), ("typ", "at+jwt")):
        twice = f"{plain}, {json.dumps(name)}: {json.dumps(value)}}}"
        yield f"{name} {value[:6]!r} twice", signed(key, "ES256", twice, claims)
    yield (
        "a header of an oversize",
        signed(key, "ES256", plain + ', "x5t": "' + "x" * 9000 + '"}', claims),
    )
