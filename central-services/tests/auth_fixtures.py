# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""A real issuer on this machine, whose tokens the tests of a service need.

The package is imported inside the fixtures, so that its import is measured where that is on.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from joserfc.jwk import Key

AUDIENCE = "urn:test:service"


@dataclass
class Issuer:
    """An OpenID provider: its keys are made for the run, its metadata and key set are served.

    Attributes:
        url: The issuer, as its tokens name it.
        keys: The private keys by name; the last one signs.
        published: The key set that is served; what `rotate` and `publish` make of the keys.
        requests: The paths that were asked for.
        issued: The forms that were posted to the token endpoint.
        answers: What to answer instead, by path: a status and a body.
    """

    url: str
    keys: dict[str, Key] = field(default_factory=dict)
    published: dict[str, Any] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    issued: list[dict[str, str]] = field(default_factory=list)
    answers: dict[str, tuple[int, Any]] = field(default_factory=dict)
    lifetime_s: int = 300

    def rotate(self, kind: Any = "EC", parameter: Any = "P-256", *, keep: int = 1) -> str:
        """Make a new key, let it sign, publish it beside the `keep` ones before, return its name."""
        from joserfc import jwk

        kid = uuid.uuid4().hex
        self.keys[kid] = jwk.generate_key(kind, parameter)
        self.publish(*list(self.keys)[-1 - keep :])
        return kid

    def publish(self, *kids: str) -> None:
        """Serve these keys."""
        self.published = {
            "keys": [
                {**self.keys[kid].as_dict(private=False), "kid": kid, "use": "sig"} for kid in kids
            ]
        }

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Return the claims of a good token with these changed; None leaves one out."""
        now = int(time.time())
        usual = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": "user-1",
            "client_id": "shop",
            "iat": now,
            "exp": now + self.lifetime_s,
            "jti": uuid.uuid4().hex,
            "scope": "openid",
            "org": "acme",
        }
        return {k: v for k, v in {**usual, **changes}.items() if v is not None}

    def sign(self, claims: Mapping[str, Any], *, by: str | None = None, **header: Any) -> str:
        """Return a token that one of the keys signed, the newest by default.

        Args:
            claims: What it says.
            by: The key's name.
            **header: Changes to its header; None leaves one out.
        """
        from joserfc import jwt

        name = by or list(self.keys)[-1]
        key = self.keys[name]
        algorithm = {"P-256": "ES256", "P-384": "ES384", "Ed25519": "Ed25519"}.get(
            getattr(key, "curve_name", ""), "RS256"
        )
        head = {"alg": algorithm, "kid": name, "typ": "at+jwt", **header}
        return jwt.encode(
            {k: v for k, v in head.items() if v is not None},
            dict(claims),
            key,
            algorithms=[head["alg"]],
        )

    def token(self, *permissions: str, **changes: Any) -> str:
        """Return a good token with these permissions; keywords change its claims."""
        return self.sign(self.claims(**{"permissions": list(permissions), **changes}))

    def answer(self, path: str, form: dict[str, str]) -> tuple[int, Any]:
        """Return status and body for a request."""
        self.requests.append(path)
        if path in self.answers:
            return self.answers[path]
        if path == "/token":
            self.issued.append(form)
            token = self.token("stock:read", sub="me", client_id="me", aud=form.get("resource"))
            body = {"access_token": token, "token_type": "Bearer", "expires_in": self.lifetime_s}
            return 200, body
        documents = {
            "/.well-known/openid-configuration": {
                "issuer": self.url,
                "jwks_uri": f"{self.url}/jwks",
                "token_endpoint": f"{self.url}/token",
            },
            "/jwks": self.published,
        }
        return (200, documents[path]) if path in documents else (404, {})


def _handler(issuer: Callable[[], Issuer]) -> type[BaseHTTPRequestHandler]:
    from urllib.parse import parse_qsl

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # one segment an answer: two would wait for each other, 40 ms

        def do_GET(self) -> None:
            self.send({})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            form = dict(parse_qsl(body))
            form["authorization"] = self.headers.get("authorization", "")
            self.send(form)

        def send(self, form: dict[str, str]) -> None:
            status, document = issuer().answer(self.path, form)
            body = document if isinstance(document, bytes) else json.dumps(document).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # as in the base
            """Stay quiet."""

    return Handler


@pytest.fixture(autouse=True)
def issuer_of_no_test(clean_environment: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Name an issuer that production's rules allow, and that nobody runs."""
    from central_services.core.config import ENV_PREFIX

    monkeypatch.setenv(f"{ENV_PREFIX}CENTRAL_AUTH__ISSUER", "https://127.0.0.1:1")


@pytest.fixture
def start_issuer() -> Iterator[Callable[[], Issuer]]:
    """A function that starts an issuer; it stops with the test."""
    running = []

    def start() -> Issuer:
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(lambda: issuer))
        server.daemon_threads = True
        issuer = Issuer(f"http://127.0.0.1:{server.server_address[1]}")
        issuer.rotate()
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        running.append((server, thread))
        return issuer

    yield start
    for server, thread in running:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def issuer(start_issuer: Callable[[], Issuer], monkeypatch: pytest.MonkeyPatch) -> Issuer:
    """The issuer whose tokens the service accepts."""
    from central_services.core.config import ENV_PREFIX

    started = start_issuer()
    monkeypatch.setenv(f"{ENV_PREFIX}CENTRAL_AUTH__ISSUER", started.url)
    monkeypatch.setenv(f"{ENV_PREFIX}CENTRAL_AUTH__AUDIENCE", AUDIENCE)
    return started


@pytest.fixture
def signed_in(issuer: Issuer) -> Callable[..., dict[str, str]]:
    """A function that returns the headers of a caller who has these permissions.

        await client.get("/orders", headers=signed_in("orders:read"))

    Keywords change the token's claims, as in `roles=["admin"]`.
    """

    def headers(*permissions: str, **claims: Any) -> dict[str, str]:
        return {"authorization": f"Bearer {issuer.token(*permissions, **claims)}"}

    return headers
