"""The auth service and oidc-provider, a certified implementation, refuse the same requests with the same codes."""

from __future__ import annotations

import base64
import json
import re
import secrets
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx2
import pytest
from auth_differential_cases import (
    VERIFIER,
    Case,
    authorization_requests,
    authorize,
    token_requests,
)
from auth_parties import AUDIENCE, new_key, public_part, sign
from auth_process import AuthService
from node_programs import NodePrograms
from platform_logins import CALLBACK, UserAgent

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("relying parties")]

Json = dict[str, Any]
SCOPES = ["openid", "profile", "email", "offline_access", "jobs:run"]
USERS = ["authorization_code", "refresh_token"]


class Server:
    """An authorization server under test, and a user who is logged in to it.

    Attributes:
        metadata: What it says of itself.
    """

    def __init__(
        self, issuer: str, agent: UserAgent, known: dict[str, str], keys: dict[str, Json]
    ) -> None:
        self._agent, self._secrets, self._keys = agent, known, keys
        self.http = httpx2.Client(timeout=60)
        found = self.http.get(f"{issuer}/.well-known/openid-configuration")
        self.metadata: Json = found.raise_for_status().json()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._agent.http.close()
        self.http.close()

    def outcome(self, case: Case) -> str:
        """Return what it makes of a request: an error code, or where it goes on."""
        owner = self._owner(case)
        fields = [(name, self._filled(value, owner)) for name, value in case.fields]
        headers = {"content-type": "application/x-www-form-urlencoded"}
        if case.authorization is not None:
            headers["authorization"] = self._filled(case.authorization, owner)
        url = self.metadata[
            "authorization_endpoint" if case.endpoint == "authorize" else "token_endpoint"
        ]
        if case.method == "GET":
            return self._sent_on(self.http.get(f"{url}?{urlencode(fields)}"))
        answer = self.http.post(url, content=urlencode(fields), headers=headers)
        self.http.cookies.clear()
        if case.endpoint == "authorize":
            return self._sent_on(answer)
        assert answer.status_code < 500, answer.text
        said = answer.json()
        return str(said.get("error") or ("tokens" if "access_token" in said else said))

    def _sent_on(self, answer: httpx2.Response) -> str:
        assert answer.status_code < 500, answer.text
        self.http.cookies.clear()
        if not answer.is_redirect:
            return "page"
        location = answer.headers["location"]
        if not location.startswith(CALLBACK):
            return "asks"
        parts = urlsplit(location)
        # Of a response_type with tokens the other one answers in the fragment.
        said = dict(parse_qsl(parts.query or parts.fragment))
        assert said["iss"] == self.metadata["issuer"]
        return said.get("error", "code")

    def _owner(self, case: Case) -> str:
        """Return the client whose request it is: the one that its code has to be of."""
        word = case.name.split(" ")[0]
        return word if word in {"confidential", "signer", "poster"} else "public"

    def _filled(self, text: str, owner: str) -> str:
        text = text.replace("{secret}", self._secrets.get(owner) or "x")
        text = re.sub(r"\{basic:(.*?)\}", lambda found: _encoded(found[1]), text)
        text = re.sub(r"\{assertion:?([^}]*)\}", lambda found: self._assertion(found[1]), text)
        made: dict[str, Callable[[], str]] = {
            "{code}": lambda: self._code(owner),
            "{spent_code}": lambda: self._spent(owner),
            "{foreign_code}": lambda: self._code(_other(owner)),
            "{refresh_token}": lambda: self._tokens(owner)["refresh_token"],
            "{access_token}": lambda: self._tokens(owner)["access_token"],
            "{foreign_refresh_token}": lambda: self._tokens(_other(owner))["refresh_token"],
            "{revoked_refresh_token}": lambda: self._revoked(owner),
            "{foreign_id_token}": lambda: sign({"alg": "ES256"}, {"sub": "x"}, new_key("x")),
        }
        for name, make in made.items():
            if name in text:
                text = text.replace(name, make())
        return text

    def _code(self, client: str) -> str:
        came = self._agent.visit(
            f"{self.metadata['authorization_endpoint']}?{urlencode(authorize(client))}"
        )
        said = dict(parse_qsl(urlsplit(came).query))
        assert "code" in said, came
        return said["code"]

    def _tokens(self, client: str, code: str = "") -> Json:
        form = {
            "grant_type": "authorization_code",
            "code": code or self._code(client),
            "redirect_uri": CALLBACK,
            "code_verifier": VERIFIER,
        }
        answer = self._post(client, "token_endpoint", form)
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    def _spent(self, client: str) -> str:
        code = self._code(client)
        self._tokens(client, code)
        return code

    def _revoked(self, client: str) -> str:
        token: str = self._tokens(client)["refresh_token"]
        answer = self._post(client, "revocation_endpoint", {"token": token})
        assert answer.status_code == 200, answer.text
        return token

    def _post(self, client: str, endpoint: str, form: Json) -> httpx2.Response:
        headers = {}
        if client == "confidential":
            headers["authorization"] = f"Basic {_encoded(f'{client}:{self._secrets[client]}')}"
        elif client == "signer":
            kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
            form = form | {"client_assertion_type": kind, "client_assertion": self._assertion("")}
        else:
            form = form | {"client_id": client}
        return self.http.post(self.metadata[endpoint], data=form, headers=headers)

    def _assertion(self, change: str) -> str:
        """Return a client assertion; a change like `aud=x` makes one claim, or the header, wrong."""
        name, _, value = change.partition("=")
        now = int(time.time())
        claims: Json = {"iss": "signer", "sub": "signer", "aud": self.metadata["issuer"]}
        claims |= {"jti": secrets.token_hex(16), "iat": now, "exp": now + 60}
        header = {"alg": "ES256", "kid": "key-1"}
        if name == "alg":
            header["alg"] = value
        elif name in {"exp", "nbf"} and value:
            claims[name] = int(value)
        elif value:
            claims[name] = value
        elif "=" in change:
            del claims[name]
        text = sign(header, claims, self._keys["other" if value == "other" else "own"])
        if name == "used":
            form = {"grant_type": "client_credentials"}
            kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
            form |= {"client_assertion_type": kind, "client_assertion": text}
            answer = self.http.post(self.metadata["token_endpoint"], data=form)
            assert answer.status_code == 200, answer.text
        return text


def _encoded(pair: str) -> str:
    return base64.b64encode(pair.encode()).decode()


def _other(client: str) -> str:
    return "confidential" if client == "public" else "public"


def _clients(key: Json) -> list[Json]:
    """Return the clients as the auth service takes them."""
    own = [*USERS, "client_credentials"]
    common: Json = {
        "redirect_uris": [CALLBACK],
        "scopes": SCOPES,
        "audiences": [AUDIENCE],
        "skip_consent": True,
    }
    public = common | {"auth_method": "none"}
    signer = {"auth_method": "private_key_jwt", "jwks": {"keys": [public_part(key)]}}
    return [
        public | {"id": "public", "name": "P", "grant_types": USERS},
        public | {"id": "bare", "name": "B", "grant_types": USERS[:1]},
        common | {"id": "confidential", "name": "C", "grant_types": own},
        common
        | {"id": "poster", "name": "F", "auth_method": "client_secret_post", "grant_types": own},
        common | signer | {"id": "signer", "name": "S", "grant_types": own},
    ]


def _registered(asked: Json, secret: str | None) -> Json:
    """Return a client as oidc-provider takes it."""
    method = asked.get("auth_method", "client_secret_basic")
    return {
        "client_id": asked["id"],
        "redirect_uris": asked["redirect_uris"],
        "grant_types": asked["grant_types"],
        "response_types": ["code"],
        "scope": " ".join(asked["scopes"]),
        "token_endpoint_auth_method": method,
        "id_token_signed_response_alg": "ES256",
        **({"client_secret": secret} if secret else {}),
        **({"jwks": asked["jwks"]} if "jwks" in asked else {}),
    }


@pytest.fixture(scope="module")
def servers(node: NodePrograms) -> Iterator[tuple[Server, Server]]:
    """Our server, and the other one."""
    keys = {"own": new_key("key-1"), "other": new_key("key-1")}
    clients = _clients(keys["own"])
    auth = AuthService(AUDIENCE, clients=clients, ATTEMPTS_PER_MINUTE="10000")
    known = auth.made["secrets"]
    with ExitStack() as stack:
        stack.callback(auth.stop)
        other = stack.enter_context(node.start("provider.mjs"))
        stack.callback(other.terminate)
        assert other.stdin
        assert other.stdout
        given = {
            "clients": [_registered(client, known[client["id"]]) for client in clients],
            "signing_key": new_key("signing"),
            "cookie_key": secrets.token_hex(16),
            "audience": AUDIENCE,
        }
        other.stdin.write(json.dumps(given) + "\n")
        other.stdin.flush()
        issuer = json.loads(other.stdout.readline())["issuer"]
        ada = UserAgent(auth.url, auth.made["email"], auth.made["password"])
        ours = stack.enter_context(Server(auth.url, ada, known, keys))
        somebody = UserAgent(issuer, "", "")
        yield ours, stack.enter_context(Server(issuer, somebody, known, keys))


@dataclass(frozen=True)
class Difference:
    """Where the two may differ, and why ours is right.

    Attributes:
        cases: Which requests, as a pattern of their names.
        ours: What we answer.
        theirs: What the other one answers.
        reason: The line of a specification.
    """

    cases: str
    ours: str
    theirs: str
    reason: str


ALLOWED = (
    Difference(
        r"unreadable header|no client_id|client_id=''|grant of others: public",
        "invalid_client",
        "invalid_request",
        'RFC 6749 section 5.2, invalid_client: "Client authentication failed (e.g., unknown client, no'
        ' client authentication included, or unsupported authentication method)."',
    ),
    Difference(
        r"code_verifier(=''$|$)",
        "invalid_request",
        "invalid_grant",
        'RFC 6749 section 5.2, invalid_request: "The request is missing a required parameter";'
        " RFC 7636 section 4.6 has invalid_grant for values that are not equal.",
    ),
    Difference(
        "scope='(openid )?nonsense",
        "invalid_scope",
        "asks",
        'RFC 6749 section 4.1.2.1, invalid_scope: "The requested scope is invalid, unknown, or malformed."'
        " Only scopes of OpenID Connect itself are ignored where they are not understood.",
    ),
    Difference(
        "grant of others: bare",
        "unauthorized_client",
        "invalid_request",
        'RFC 6749 section 5.2, unauthorized_client: "The authenticated client is not authorized to use'
        ' this authorization grant type."',
    ),
    Difference(
        "response_mode=",
        "invalid_request",
        "unsupported_response_mode",
        'RFC 6749 section 4.1.2.1, invalid_request: "includes an invalid parameter value"; no'
        " specification defines the other code.",
    ),
)


def test_requests_are_refused_alike(servers: tuple[Server, Server]) -> None:
    cases = [*authorization_requests(), *token_requests()]
    assert len({case.name for case in cases}) == len(cases) > 300
    with ThreadPoolExecutor(2) as pool:
        ours, theirs = pool.map(lambda server: [server.outcome(case) for case in cases], servers)
    used, differing = set(), {}
    for case, mine, other in zip(cases, ours, theirs, strict=True):
        if mine != other:
            allowed = [
                one
                for one in ALLOWED
                if (one.ours, one.theirs) == (mine, other) and re.search(one.cases, case.name)
            ]
            used.update(allowed)
            if not allowed:
                differing[case.name] = (mine, other)
    assert differing == {}
    assert used == set(ALLOWED)
    # Most requests are wrong, in every way that there is, and some are right.
    assert len(set(ours)) > 12
    assert ours.count("tokens") + ours.count("asks") < len(cases) / 4
