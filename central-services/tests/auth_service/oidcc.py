"""A relying party that checks what the OpenID Foundation's conformance suite checks in every module.

PKCE is sent in each request, where the suite sends it in one module only: without it there is no code here
(OAuth 2.1; see decision 27).
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import httpx2
from joserfc import jwk, jwt

from .conftest import CALLBACK, VERIFIER, Harness, Json, challenge


@dataclass
class Login:
    """What a relying party has once a user came back.

    Attributes:
        answer: The parameters of the redirect.
        tokens: The token response.
        claims: Those of the ID token.
        pages: The pages that the user was shown.
    """

    answer: dict[str, str]
    tokens: Json
    claims: Json
    pages: list[str]


class Party:
    """A client, which authenticates with its secret in a header or in the form."""

    def __init__(self, auth: Harness, client_id: str, secret: str, *, posts: bool = False) -> None:
        self.auth, self.client_id, self.secret, self._posts = auth, client_id, secret, posts

    def query(self, **changes: str | None) -> dict[str, str]:
        """Return an authorization request; None leaves a parameter out."""
        wanted: dict[str, str | None] = {
            "client_id": self.client_id,
            "redirect_uri": CALLBACK,
            "scope": "openid",
            "state": secrets.token_urlsafe(8),
            "nonce": secrets.token_urlsafe(8),
            "response_type": "code",
            "code_challenge": challenge(),
            "code_challenge_method": "S256",
            **changes,
        }
        return {name: value for name, value in wanted.items() if value is not None}

    async def send(self, query: dict[str, str], *, posts: bool = False) -> httpx2.Response:
        """Send the browser to the authorization endpoint."""
        if posts:
            return await self.auth.http.post("/oauth2/authorize", data=query)
        return await self.auth.http.get(f"/oauth2/authorize?{urlencode(query)}")

    async def walk(self, answer: httpx2.Response) -> tuple[httpx2.Response, list[str]]:
        """Let the user do what the pages ask for, and return the last answer and the pages."""
        pages = []
        while not answer.headers["location"].startswith(CALLBACK):
            page = await self.auth.http.get(answer.headers["location"])
            pages.append(page.url.path)
            if page.url.path == "/login":
                answer = await self.auth.log_in(page)
            else:
                answer = await self.auth.submit(page, page.url.path, decision="allow")
        return answer, pages

    async def exchange(self, code: str) -> httpx2.Response:
        """Exchange a code."""
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK}
        return await self.post("/oauth2/token", {**form, "code_verifier": VERIFIER})

    async def post(self, path: str, form: dict[str, str]) -> httpx2.Response:
        """Send a form as this client."""
        if self._posts:
            own = {"client_id": self.client_id, "client_secret": self.secret}
            return await self.auth.http.post(path, data={**form, **own})
        return await self.auth.http.post(path, data=form, auth=(self.client_id, self.secret))

    async def login(
        self, query: dict[str, str] | None = None, *, posts: bool = False, **changes: str | None
    ) -> Login:
        """Log the user in, and check all that the suite checks in each module."""
        query = query or self.query(**changes)
        answer, pages = await self.walk(await self.send(query, posts=posts))
        said = self.auth.answered(answer)
        assert "error" not in said, said
        assert (said["state"], said["iss"]) == (query["state"], self.auth.issuer)
        response = await self.exchange(said["code"])
        assert response.status_code == 200, response.text
        assert response.headers["cache-control"] == "no-store"
        tokens = response.json()
        assert tokens["token_type"].lower() == "bearer"
        assert tokens["expires_in"] > 0
        claims = await self.id_claims(tokens, query.get("nonce"))
        return Login(said, tokens, claims, pages)

    async def id_claims(self, tokens: Json, nonce: str | None) -> Json:
        """Return the claims of an ID token, checked (OpenID Connect Core section 3.1.3.7)."""
        known = (await self.auth.http.get("/oauth2/jwks")).json()["keys"]
        assert len({key["kid"] for key in known}) == len(known)
        assert all("d" not in key for key in known)
        token = jwt.decode(
            tokens["id_token"], jwk.KeySet.import_key_set({"keys": known}), algorithms=["RS256"]
        )
        claims, now = token.claims, self.auth.clock().timestamp()
        assert token.header["kid"] in {key["kid"] for key in known}
        assert (claims["iss"], claims["aud"]) == (self.auth.issuer, self.client_id)
        assert claims.get("azp", self.client_id) == self.client_id
        assert claims["iat"] <= now < claims["exp"]
        assert claims.get("nonce") == nonce
        assert 0 < len(claims["sub"]) <= 255
        digest = hashlib.sha256(tokens["access_token"].encode()).digest()[:16]
        assert claims["at_hash"] == base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        return dict(claims)

    async def userinfo(self, login: Login) -> Json:
        """Return the claims about the user, checked (section 5.3.2)."""
        answer = await self.auth.userinfo(login.tokens["access_token"])
        return user_of(answer, login)


def user_of(answer: httpx2.Response, login: Login) -> Json:
    """Return the claims in an answer of the userinfo endpoint."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("application/json")
    claims: Json = answer.json()
    assert claims["sub"] == login.claims["sub"]
    assert all(isinstance(claims.get(name, ""), str) for name in ("name", "email"))
    assert isinstance(claims.get("email_verified", False), bool)
    return claims


async def register(auth: Harness, name: str, **changes: Any) -> Party:
    """Register a client of the suite."""
    asked: Json = {
        "id": name,
        "name": name,
        "redirect_uris": [CALLBACK],
        "id_token_alg": "RS256",
        **changes,
    }
    headers = {"Authorization": f"Bearer {await auth.own_token()}"}
    made = await auth.http.post("/admin/clients", json=asked, headers=headers)
    assert made.status_code == 201, made.text
    posts = changes.get("auth_method") == "client_secret_post"
    return Party(auth, name, made.json()["secret"], posts=posts)
