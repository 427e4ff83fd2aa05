"""How people and programs get tokens of a running auth service: on its pages, and as clients."""

import base64
import hashlib
import re
import secrets
from urllib.parse import parse_qsl, urlsplit

import httpx2

CALLBACK = "https://shop.example.com/callback"


def client_token(issuer: str, client: str, secret: str, audience: str) -> str:
    """Return a token of a client's own."""
    answer = httpx2.post(
        f"{issuer}/oauth2/token",
        data={"grant_type": "client_credentials", "resource": audience},
        auth=(client, secret),
        timeout=60,
    )
    assert answer.status_code == 200, answer.text
    token: str = answer.json()["access_token"]
    return token


def user_token(issuer: str, email: str, password: str, audience: str, client: str = "spa") -> str:
    """Return the access token of a user who logs in on the service's own pages."""
    verifier = secrets.token_urlsafe(48)
    digest = hashlib.sha256(verifier.encode()).digest()
    query = {
        "response_type": "code",
        "client_id": client,
        "redirect_uri": CALLBACK,
        "scope": "openid",
        "resource": audience,
        "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
        "code_challenge_method": "S256",
    }
    with httpx2.Client(base_url=issuer, timeout=60) as browser:
        sent = browser.get("/oauth2/authorize", params=query)
        page = browser.get(sent.headers["location"])
        hidden = dict(re.findall(r'name="(\w+)" value="([^"]*)"', page.text))
        answer = browser.post("/login", data=hidden | {"email": email, "password": password})
        assert answer.headers["location"].startswith(CALLBACK), answer.text
        code = dict(parse_qsl(urlsplit(answer.headers["location"]).query))["code"]
        form = {"grant_type": "authorization_code", "client_id": client, "code": code}
        form |= {"redirect_uri": CALLBACK, "code_verifier": verifier}
        done = browser.post("/oauth2/token", data=form)
    assert done.status_code == 200, done.text
    token: str = done.json()["access_token"]
    return token
