"""Malformed and unusual requests to an authorization server, made from tables: each has one thing wrong, or none.

A value in braces is filled in by the test: `{code}`, `{refresh_token}`, `{assertion}` and the like are the
server's own, `{secret}` is the client's.
"""

from __future__ import annotations

import random
import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from auth_parties import AUDIENCE
from platform_logins import CALLBACK

SEED = 20_261_122
VERIFIER = "v" * 64
CHALLENGE = "w1TpKUdYE9hUAcNSeeSRFioHDxfUxuHho_JHAfZ_vDM"  # S256 of it
FORMS = 50  # of the requests to the authorization endpoint that also come as forms
Fields = tuple[tuple[str, str], ...]

_RANDOM = random.Random(SEED)


def _noise(count: int, size: int) -> list[str]:
    """Return texts of printable characters."""
    letters = string.ascii_letters + string.digits + "!$&()*+,-./:;<=>?@[]^_`{|}~ "
    return ["n" + "".join(_RANDOM.choices(letters, k=size)) for _ in range(count)]


@dataclass(frozen=True)
class Case:
    """A request.

    Attributes:
        name: What is wrong with it.
        endpoint: `authorize` or `token`.
        fields: Its parameters.
        method: GET or POST.
        authorization: Its header of that name, when it has one.
    """

    name: str
    endpoint: str
    fields: Fields
    method: str = "POST"
    authorization: str | None = None


def _changed(base: Fields, name: str, values: Sequence[str]) -> Iterator[tuple[str, Fields]]:
    """Yield a request without a parameter, with it twice, and with each of other values."""
    rest = tuple((key, value) for key, value in base if key != name)
    own = dict(base).get(name)
    if own is not None:
        yield f"no {name}", rest
        yield f"{name} twice", (*base, (name, own))
        yield f"{name} twice, differing", (*base, (name, f"{own}x"))
    for value in values:
        yield f"{name}={value[-70:]!r}", (*rest, (name, value))


# --- the authorization endpoint ------------------------------------------------------------------

AUTHORIZE: dict[str, list[str]] = {
    "response_type": [
        "",
        "token",
        "id_token",
        "code token",
        "CODE",
        "none",
        "query",
        *_noise(3, 8),
    ],
    "client_id": ["", "nobody", "PUBLIC", "public ", " public", *_noise(3, 10)],
    "redirect_uri": [
        "",
        "https://evil.example/",
        f"{CALLBACK}/",
        f"{CALLBACK}?x=1",
        f"{CALLBACK}#x",
        f"{CALLBACK}/../x",
        CALLBACK.upper(),
        CALLBACK.replace("https", "http"),
        CALLBACK.replace("shop", "shop%2e"),
        CALLBACK.replace("//", "//x@"),
        "//shop.example.com/callback",
        "/callback",
        "javascript:alert(1)",
        *_noise(3, 20),
    ],
    "scope": [
        "",
        "nonsense",
        "openid nonsense",
        "openid address phone",
        "openid jobs:other",
        "jobs:other openid",
        "openid profile email",
        "openid openid",
        'open"id',
        "openid \\",
        "openid \u00e9",
    ],
    "state": ["", "x" * 1_000, "\u00e9", "a b&c=d", *_noise(3, 30)],
    "nonce": ["", "x" * 500, *_noise(3, 30)],
    "code_challenge": [
        "",
        "x",
        "A" * 42,
        "A" * 129,
        "A" * 42 + "!",
        "A" * 42 + "=",
        "A" * 42 + " ",
        *_noise(3, 20),
    ],
    "code_challenge_method": ["", "plain", "s256", "S512", "S256 ", "none", *_noise(3, 4)],
    "prompt": [
        "",
        "none",
        "login",
        "consent",
        "login consent",
        "none login",
        "login none",
        "consent none",
        "NONE",
        "nonsense",
        "login nonsense",
        *_noise(2, 6),
    ],
    "max_age": ["", "0", "1", "600", "-1", "-0.5", "x", "1.5", "10s", "99999999999999999999"],
    "response_mode": ["", "query", "nonsense", "QUERY", *_noise(2, 8)],
    "request": ["x", "e30.e30.", "e30.e30.e30", *_noise(1, 40)],
    "request_uri": ["x", "https://evil.example/request", "urn:example:request", *_noise(1, 20)],
    "registration": ["{}", "x", '{"redirect_uris":["https://evil.example"]}'],
    "id_token_hint": ["", "x", "e30.e30.", "e30.e30.e30", "{foreign_id_token}", *_noise(1, 40)],
    "resource": [
        "",
        AUDIENCE,
        "https://elsewhere.example.com",
        "urn:example:elsewhere",
        f"{AUDIENCE}x",
        "relative",
        "/relative",
        f"{AUDIENCE}#x",
        *_noise(2, 10),
    ],
    "display": ["page", "popup", "nonsense"],
    "ui_locales": ["de fr", "nonsense"],
    "claims_locales": ["de"],
    "acr_values": ["0", "urn:example:gold silver"],
    "login_hint": ["ada@example.com", '"><script>'],
    "unknown": ["x", ""],
    "error": ["access_denied"],
    "code": ["x"],
}


def authorize(client: str) -> Fields:
    """Return a request that is right."""
    return (
        ("response_type", "code"),
        ("client_id", client),
        ("redirect_uri", CALLBACK),
        ("scope", "openid"),
        ("state", "state-1"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    )


def authorization_requests() -> Iterator[Case]:
    """Yield requests to the authorization endpoint, in links and in forms."""
    for client, method, most in (("public", "GET", None), ("confidential", "POST", FORMS)):
        yield Case(f"{method} right", "authorize", authorize(client), method)
        changes = [
            change
            for name, values in AUTHORIZE.items()
            for change in _changed(authorize(client), name, values)
        ]
        for what, fields in _RANDOM.sample(changes, most or len(changes)):
            yield Case(f"{method} {what}", "authorize", fields, method)
        pushed = f"urn:ietf:params:oauth:request_uri:{_noise(1, 20)[0]}"
        unknown = (("client_id", client), ("request_uri", pushed))
        yield Case(f"{method} pushed request that is not there", "authorize", unknown, method)


# --- the token endpoint --------------------------------------------------------------------------

_BASIC = "Basic {basic:confidential:{secret}}"
_ASSERTED = (
    ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
    ("client_assertion", "{assertion}"),
)
_CODE: Fields = (
    ("grant_type", "authorization_code"),
    ("code", "{code}"),
    ("redirect_uri", CALLBACK),
    ("code_verifier", VERIFIER),
)
_REFRESH: Fields = (("grant_type", "refresh_token"), ("refresh_token", "{refresh_token}"))
_OWN: Fields = (("grant_type", "client_credentials"), ("scope", "jobs:run"))

BASES: dict[str, tuple[Fields, str | None]] = {
    "public code": ((*_CODE, ("client_id", "public")), None),
    "confidential code": (_CODE, _BASIC),
    "signer code": ((*_CODE, *_ASSERTED), None),
    "public refresh": ((*_REFRESH, ("client_id", "public")), None),
    "confidential refresh": (_REFRESH, _BASIC),
    "confidential own": (_OWN, _BASIC),
    "signer own": ((*_OWN, *_ASSERTED), None),
    "poster own": ((*_OWN, ("client_id", "poster"), ("client_secret", "{secret}")), None),
}
TOKEN: dict[str, dict[str, list[str]]] = {
    "code": {
        "grant_type": [
            "",
            "nonsense",
            "password",
            "implicit",
            "AUTHORIZATION_CODE",
            *_noise(2, 12),
        ],
        "code": ["", "nonsense", "{spent_code}", "{foreign_code}", "{code}x", *_noise(2, 40)],
        "redirect_uri": ["", f"{CALLBACK}/", "https://evil.example/", "x", *_noise(2, 20)],
        "code_verifier": ["", "x", "w" * 64, "v" * 63, "v" * 129, "V" * 64, *_noise(2, 50)],
        "unknown": ["x"],
        "nonce": ["x"],
    },
    "refresh": {
        "grant_type": ["", "nonsense", "client_credential", "REFRESH_TOKEN"],
        "refresh_token": [
            "",
            "nonsense",
            "{access_token}",
            "{foreign_refresh_token}",
            "{revoked_refresh_token}",
            "{refresh_token}x",
            *_noise(2, 40),
        ],
        "scope": ["", "openid", "jobs:other", "openid jobs:other", "email", 'open"id', "openid \\"],
        "unknown": ["x"],
    },
    "own": {
        "grant_type": ["", "nonsense", "password", *_noise(2, 12)],
        "scope": ["", "jobs:other", "jobs:run jobs:other", 'jobs"run', "jobs:run \\"],
        "resource": [AUDIENCE, "https://elsewhere.example.com", "relative", f"{AUDIENCE}#x"],
        "unknown": ["x"],
    },
}
PUBLIC = {"client_id": ["", "nobody", "confidential", "signer", "PUBLIC", *_noise(2, 10)]}
BASIC = {
    "client_id": ["public", "nobody"],
    "client_secret": ["x"],
    "client_assertion": ["x"],
}
POST = {
    "client_id": ["", "nobody", "public", "confidential", "signer"],
    "client_secret": ["", "x", "{secret}x", *_noise(2, 40)],
}
OF_CLIENTS = {"public": PUBLIC, "confidential": BASIC, "signer": {}, "poster": POST}
HEADERS = [
    "Basic {basic:confidential:wrong}",
    "Basic {basic:nobody:{secret}}",
    "Basic {basic:public:{secret}}",
    "Basic {basic:signer:{secret}}",
    "Basic {basic:CONFIDENTIAL:{secret}}",
    "Basic {basic:confidential:{secret}x}",
]
UNREADABLE = [
    None,
    "Basic",
    "Basic !",
    "Basic {basic:confidential}",
    "Basic {basic:confidential:}",
    "Basic {basic::{secret}}",
    "Bearer {secret}",
    "Negotiate x",
]
ASSERTIONS = [
    "{assertion:aud=https://elsewhere.example.com}",
    "{assertion:iss=public}",
    "{assertion:sub=public}",
    "{assertion:sub=nobody}",
    "{assertion:exp=1}",
    "{assertion:exp=}",
    "{assertion:jti=}",
    "{assertion:aud=}",
    "{assertion:iss=}",
    "{assertion:alg=none}",
    "{assertion:alg=HS256}",
    "{assertion:alg=ES384}",
    "{assertion:key=other}",
    "{assertion:nbf=4000000000}",
    "{assertion:used}",
    "{assertion}x",
]


def token_requests() -> Iterator[Case]:
    """Yield requests to the token endpoint: of each kind of client, for each grant."""
    for base, (fields, header) in BASES.items():
        who, grant = base.split(" ")
        yield Case(f"{base} right", "token", fields, authorization=header)
        changes = TOKEN[grant] | OF_CLIENTS[who]
        for name, values in changes.items():
            for what, changed in _changed(fields, name, values):
                yield Case(f"{base} {what}", "token", changed, authorization=header)
        if who == "confidential":
            for other in HEADERS:
                yield Case(f"{base} header {other}", "token", fields, authorization=other)
            for unread in UNREADABLE:
                yield Case(
                    f"{base} unreadable header {unread}", "token", fields, authorization=unread
                )
        if who == "signer":
            rest = tuple(field for field in fields if field[0] != "client_assertion")
            for text in ASSERTIONS:
                asserted = (*rest, ("client_assertion", text))
                yield Case(f"{base} {text}", "token", asserted)
    yield Case("grant of others: public", "token", (*_OWN, ("client_id", "public")))
    yield Case("grant of others: bare", "token", (*_REFRESH, ("client_id", "bare")))
