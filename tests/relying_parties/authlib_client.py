"""Authlib's HTTPX client as a relying party of the auth service: `authlib_client.py FLOW`.

It speaks the lines of `harness.mjs`. What its client leaves to applications, checking ID tokens, is done with
Authlib's own `CodeIDToken`.
"""

import json
import secrets
import sys
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import httpx2
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import OAuth2Client
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from authlib.oidc.core import CodeIDToken
from joserfc import jwk, jwt

Json = dict[str, Any]


def visit(url: str) -> str:
    """Open a link as the user, and return where the browser is sent in the end."""
    print(json.dumps({"visit": url}), flush=True)
    return sys.stdin.readline().strip()


def refusal(call: Callable[[], Any]) -> str:
    """Return the error that a call has to end with."""
    try:
        call()
    except OAuthError as error:
        return str(error.error)
    raise AssertionError("it was not refused")


class Party:
    """A client of the auth service, which it knows by its metadata."""

    def __init__(self, given: Json, client_id: str, secret: Any = None, method: Any = None) -> None:
        self.given = given
        discovery = f"{given['issuer']}/.well-known/openid-configuration"
        self.metadata = httpx2.get(discovery).raise_for_status().json()
        assert self.metadata["issuer"] == given["issuer"]
        self.client = OAuth2Client(
            client_id,
            secret,
            token_endpoint_auth_method=method or ("client_secret_basic" if secret else "none"),
            redirect_uri=given["callback"],
            scope="openid profile email offline_access",
            code_challenge_method="S256",
            token_endpoint=self.metadata["token_endpoint"],
        )
        if client_id == "signer":
            self.client.register_client_auth_method(
                PrivateKeyJWT(self.metadata["token_endpoint"], alg="ES256")
            )

    def login(self) -> tuple[Json, Json]:
        """Log the user in, and return the tokens and the claims of the ID token."""
        verifier, nonce = secrets.token_urlsafe(48), secrets.token_urlsafe()
        url, state = self.client.create_authorization_url(
            self.metadata["authorization_endpoint"], code_verifier=verifier, nonce=nonce
        )
        came = visit(url)
        tokens: Json = self.client.fetch_token(
            self.metadata["token_endpoint"],
            authorization_response=came,
            code_verifier=verifier,
            state=state,
        )
        return tokens, self.id_claims(tokens, nonce)

    def id_claims(self, tokens: Json, nonce: str) -> Json:
        """Return the claims of an ID token, checked as OpenID Connect Core section 3.1.3.7 says."""
        keys = jwk.KeySet.import_key_set(httpx2.get(self.metadata["jwks_uri"]).json())
        known = self.metadata["id_token_signing_alg_values_supported"]
        found = jwt.decode(tokens["id_token"], keys, algorithms=known)
        client_id = self.client.client_id
        claims = CodeIDToken(
            found.claims,
            found.header,
            {
                "iss": {"essential": True, "value": self.given["issuer"]},
                "aud": {"essential": True, "value": client_id},
            },
            {"nonce": nonce, "client_id": client_id, "access_token": tokens["access_token"]},
        )
        claims.validate()
        return dict(claims)


def log_in(given: Json) -> Json:
    """Log in as a public client, ask who it is, and refresh."""
    party = Party(given, "public")
    tokens, claims = party.login()
    user = party.client.get(party.metadata["userinfo_endpoint"]).raise_for_status().json()
    second = party.client.refresh_token(party.metadata["token_endpoint"])
    again = party.client.get(party.metadata["userinfo_endpoint"]).raise_for_status().json()
    rotated = second["refresh_token"] != tokens["refresh_token"]
    return {"claims": claims, "user": user, "same": user == again, "rotated": rotated}


def confidential(given: Json) -> Json:
    """Log in as a confidential client, ask about tokens, and revoke them."""
    party = Party(given, "confidential", given["secrets"]["confidential"])
    tokens, claims = party.login()
    asked = []
    for token in (tokens["access_token"], tokens["refresh_token"]):
        for _ in range(2):
            answer = party.client.introspect_token(
                party.metadata["introspection_endpoint"], token=token
            )
            asked.append(answer.json()["active"])
            party.client.revoke_token(party.metadata["revocation_endpoint"], token=token)
    return {"claims": claims, "active": asked}


def private_key(given: Json) -> Json:
    """Get a token of the client's own, and log in, with a signed assertion."""
    party = Party(given, "signer", jwk.import_key(given["key"]), "private_key_jwt")
    endpoint, form = party.metadata["token_endpoint"], {"grant_type": "client_credentials"}
    own = party.client.fetch_token(endpoint, scope="jobs:run", **form)
    refused = refusal(lambda: party.client.fetch_token(endpoint, scope="admin", **form))
    _, claims = party.login()
    return {"scope": own["scope"], "refused": refused, "claims": claims}


def logout(given: Json) -> Json:
    """Log out (Authlib has no client for it: the link is made by hand)."""
    party = Party(given, "public")
    party.client.scope = "openid"  # what works offline would outlive the login
    tokens, _ = party.login()
    query = {
        "id_token_hint": tokens["id_token"],
        "post_logout_redirect_uri": given["goodbye"],
        "state": "bye-1",
    }
    came = visit(f"{party.metadata['end_session_endpoint']}?{urlencode(query)}")
    answer = party.client.get(party.metadata["userinfo_endpoint"])
    refresh = refusal(lambda: party.client.refresh_token(party.metadata["token_endpoint"]))
    return {"came": came, "status": answer.status_code, "refresh": refresh}


FLOWS = {
    "login": log_in,
    "confidential": confidential,
    "private_key": private_key,
    "logout": logout,
}

if __name__ == "__main__":
    print(json.dumps(FLOWS[sys.argv[1]](json.loads(sys.stdin.readline()))), flush=True)
