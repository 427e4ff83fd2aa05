"""How people and programs get tokens of a running auth service: on its pages, and as clients."""

import base64
import hashlib
import json
import re
import secrets
import time
from typing import Self
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx2
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

CALLBACK = "https://shop.example.com/callback"


def _base64url(plain: bytes) -> str:
    return base64.urlsafe_b64encode(plain).rstrip(b"=").decode()


class CallersKey:
    """A key of a caller's own, and the proofs of having it (DPoP, RFC 9449)."""

    def __init__(self) -> None:
        self._key = generate_private_key(SECP256R1())

    def proof(self, method: str, url: str, token: str | None = None) -> str:
        """Return a proof for one request, with the token that goes with it."""
        numbers = self._key.public_key().public_numbers()
        x, y = (_base64url(number.to_bytes(32, "big")) for number in (numbers.x, numbers.y))
        public = {"kty": "EC", "crv": "P-256", "x": x, "y": y}
        claims = {"jti": secrets.token_hex(16), "htm": method, "htu": url, "iat": int(time.time())}
        if token is not None:
            claims["ath"] = _base64url(hashlib.sha256(token.encode()).digest())
        parts = ({"typ": "dpop+jwt", "alg": "ES256", "jwk": public}, claims)
        signed = ".".join(_base64url(json.dumps(part).encode()) for part in parts)
        pair = decode_dss_signature(self._key.sign(signed.encode(), ECDSA(SHA256())))
        return f"{signed}.{_base64url(b''.join(number.to_bytes(32, 'big') for number in pair))}"


def client_token(
    issuer: str, client: str, secret: str, audience: str, key: CallersKey | None = None
) -> str:
    """Return a token of a client's own; with a key, one that is bound to it."""
    url = f"{issuer}/oauth2/token"
    answer = httpx2.post(
        url,
        data={"grant_type": "client_credentials", "resource": audience},
        headers={} if key is None else {"dpop": key.proof("POST", url)},
        auth=(client, secret),
        timeout=60,
    )
    assert answer.status_code == 200, answer.text
    token: str = answer.json()["access_token"]
    return token


class UserAgent:
    """A browser without JavaScript, and the person in front of it, who logs in and allows everything.

    Attributes:
        seen: The pages that it was shown, as paths, in order.
        http: The client with the cookies.
    """

    def __init__(self, issuer: str, email: str, password: str) -> None:
        self._issuer, self._email, self._password = issuer, email, password
        self.seen: list[str] = []
        self.http = httpx2.Client(base_url=issuer, timeout=60)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.http.close()

    def visit(self, url: str) -> str:
        """Open a link, do what the pages ask for, and return where the browser is sent in the end."""
        answer = self.http.get(url)
        for _ in range(10):
            if answer.is_redirect:
                location = answer.headers["location"]
                if not location.startswith(f"{self._issuer}/"):
                    return str(location)
                answer = self.http.get(location)
            else:
                answer = self._submit(answer)
        raise AssertionError(f"too many pages: {self.seen}")

    def _submit(self, page: httpx2.Response) -> httpx2.Response:
        """Fill the form of a page in, and send it."""
        assert page.status_code == 200, page.text
        form = re.search(r'<form method="post" action="([^"]+)">', page.text)
        assert form, page.text
        hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page.text))
        path = urlsplit(form[1]).path
        self.seen.append(path)
        filled = {
            "/login": {"email": self._email, "password": self._password},
            "/consent": {"decision": "allow"},
            "/logout": {},
        }[path]
        return self.http.post(path, data=hidden | filled)


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
    with UserAgent(issuer, email, password) as browser:
        came = browser.visit(f"/oauth2/authorize?{urlencode(query)}")
        assert came.startswith(CALLBACK), came
        code = dict(parse_qsl(urlsplit(came).query))["code"]
        form = {"grant_type": "authorization_code", "client_id": client, "code": code}
        form |= {"redirect_uri": CALLBACK, "code_verifier": verifier}
        done = browser.http.post("/oauth2/token", data=form)
    assert done.status_code == 200, done.text
    token: str = done.json()["access_token"]
    return token
