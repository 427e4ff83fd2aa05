"""The clients that relying parties of others are at the auth service, with keys made for the run."""

from __future__ import annotations

import base64
import json
from typing import Any

from auth_process import AuthService
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from platform_logins import CALLBACK, UserAgent

AUDIENCE = "urn:slipway:acme-orders"
GOODBYE = "https://shop.example.com/bye"
Json = dict[str, Any]


def new_key(kid: str) -> Json:
    """Return a private P-256 key as a JWK."""

    def encoded(number: int) -> str:
        return base64.urlsafe_b64encode(number.to_bytes(32, "big")).rstrip(b"=").decode()

    numbers = ec.generate_private_key(ec.SECP256R1()).private_numbers()
    public = {"x": encoded(numbers.public_numbers.x), "y": encoded(numbers.public_numbers.y)}
    name = {"kid": kid, "alg": "ES256", "use": "sig"}
    return {"kty": "EC", "crv": "P-256", **public, **name, "d": encoded(numbers.private_value)}


def public_part(key: Json) -> Json:
    """Return a key without what is private."""
    return {name: value for name, value in key.items() if name != "d"}


def sign(header: Json, claims: Json, key: Json) -> str:
    """Return a JWS in compact form, signed with ES256 whatever its header says."""
    number = int.from_bytes(base64.urlsafe_b64decode(key["d"] + "="), "big")
    parts = [json.dumps(part).encode() for part in (header, claims)]
    plain = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    signature = ec.derive_private_key(number, ec.SECP256R1()).sign(plain, ec.ECDSA(SHA256()))
    raw = b"".join(half.to_bytes(32, "big") for half in decode_dss_signature(signature))
    return f"{plain.decode()}.{base64.urlsafe_b64encode(raw).rstrip(b'=').decode()}"


class Parties:
    """An auth service with the clients that the programs of `relying_parties/` are.

    Attributes:
        auth: The service; DPoP proofs need a nonce of it, so that clients are judged with it.
        given: What a program has to know.
    """

    def __init__(self) -> None:
        key = new_key("key-1")
        self.auth = AuthService(
            AUDIENCE,
            clients=_clients(public_part(key)),
            ATTEMPTS_PER_MINUTE="10000",
            DPOP_NONCE_REQUIRED="true",
        )
        self.given: Json = {
            "issuer": self.auth.url,
            "audience": AUDIENCE,
            "callback": CALLBACK,
            "goodbye": GOODBYE,
            "key": key,
            "secrets": self.auth.made["secrets"],
        }

    def user_agent(self) -> UserAgent:
        """Return a browser that nobody has logged in with yet."""
        return UserAgent(self.auth.url, self.auth.made["email"], self.auth.made["password"])


def _clients(key: Json) -> list[Json]:
    users = ["authorization_code", "refresh_token"]
    exchange = "urn:ietf:params:oauth:grant-type:token-exchange"
    common: Json = {
        "redirect_uris": [CALLBACK],
        "post_logout_redirect_uris": [GOODBYE],
        "audiences": [AUDIENCE],
        "grant_types": users,
    }
    scopes = ["openid", "profile", "email", "offline_access", "jobs:run"]
    public = common | {"auth_method": "none"}
    poster = {"auth_method": "client_secret_post", "grant_types": ["client_credentials"]}
    return [
        common | poster | {"id": "poster", "name": "Poster"},
        public | {"id": "public", "name": "Browser"},
        public | {"id": "bound", "name": "App", "dpop_bound_access_tokens": True},
        common
        | {
            "id": "confidential",
            "name": "Web",
            "grant_types": [*users, exchange],
            "id_token_alg": "RS256",
            "may_introspect": True,
            "may_act_for": ["public"],
        },
        common
        | {
            "id": "signer",
            "name": "Signer",
            "auth_method": "private_key_jwt",
            "jwks": {"keys": [key]},
            "grant_types": [*users, "client_credentials"],
            "scopes": scopes,
        },
    ]
