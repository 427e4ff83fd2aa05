# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""What counts as a secret, and what must stay readable."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field, SecretStr

from central_services.utils._plain import Limits
from central_services.utils.redaction import (
    CLIPPED,
    DEFAULT_REDACTOR,
    REDACTED,
    Redactor,
    redact,
    redact_headers,
    redact_query,
    redact_text,
    redact_url,
)

# In parts, so that no scanner takes this file for a leak.
PRIVATE = "PRIVATE KEY"

words = str.split

SENSITIVE = words("""
password Password PASSWORD db_password userPassword password2 passwd old-passwd pwd passphrase
secret client_secret clientSecret SECRET_KEY token access_token refreshToken X-Auth-Token idToken
api_key apikey api-key X-Api-Key apiKey APIKey API_KEYS authorization Proxy-Authorization auth
basic_auth cookie cookies Set-Cookie session session_id sessionId JSESSIONID PHPSESSID csrf
csrf_token X-CSRFToken csrfmiddlewaretoken xsrf private_key privateKey access_key
AWS_SECRET_ACCESS_KEY signing_key encryption_key credential credentials aws_credentials dsn
sentry_dsn SENTRY__DSN card_number cardNumber credit_card cvv cvc2 iban customer_iban ssn pin
pin_code otp jwt bearer connection_string account_number dbpassword accesstoken tokens pass%77ord
""")

BENIGN = words("""
monkey author authors authority authenticated tokenizer tokenization keyboard key keys public_key
primary_key sort_key passenger passed bypass compass secretary spin pinned opinion spans
token_count tokens_used max_tokens prompt_tokens token_type token_expires password_policy
password_changed_at has_password cookie_name session_count session_timeout session_duration_ms
csrf_enabled secret_version credential_type user_id email status path card_type country_code
""")


@pytest.mark.parametrize("key", SENSITIVE)
def test_value_of_a_sensitive_key_is_hidden(key: str) -> None:
    assert redact({"outer": [{key: "hunter2"}]}) == {"outer": [{key: REDACTED}]}


@pytest.mark.parametrize("key", BENIGN)
def test_value_of_a_benign_key_stays(key: str) -> None:
    assert redact({key: "hunter2"}) == {key: "hunter2"}


@pytest.mark.parametrize("key", [k for k in BENIGN if len(k) > 2])
def test_benign_pair_in_text_stays(key: str) -> None:
    text = f"seen {key}=17, {key}: 18 and {key!r}: 'x'"
    assert redact_text(text) == text


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("Bearer xyz", "Bearer [redacted]"),
        ("basic dXNlcjpwYXNz rest", "basic [redacted] rest"),
        ("Authorization: Basic dXNlcjpwYXNz", "Authorization: [redacted]"),
        ("GET /\r\nCookie: a=b; c=d\r\nHost: x", "GET /\r\nCookie: [redacted]\r\nHost: x"),
        ("password=hunter2, user=bob", "password=[redacted], user=bob"),
        ("token: abc.", "token: [redacted]."),
        ("Config(password='hunter 2', n=1)", "Config(password='[redacted]', n=1)"),
        ("""{"api_key": "a\\"b", "n": 1}""", """{"api_key": "[redacted]", "n": 1}"""),
        ("{'db': {'passwd': 'x y'}}", "{'db': {'passwd': '[redacted]'}}"),
        (r"{\"token\": \"abc\", \"n\": 1}", r"{\"token\": \"[redacted]\", \"n\": 1}"),
        (r"{\"token\": \"a\\\"b\", \"n\": 1}", r"{\"token\": \"[redacted]\", \"n\": 1}"),
        ("(b'authorization', b'Token 1'), (b'a', b'b')",
         "(b'authorization', b'[redacted]'), (b'a', b'b')"),
        ("API key: abc-def", "API key: [redacted]"),
        ("run --password hunter2 --fast", "run --password [redacted] --fast"),
        ("postgresql://bob:p@ss@db/x", "postgresql://[redacted]@db/x"),
        ("https://ghx@host/a?token=1&page=2", "https://[redacted]@host/a?token=[redacted]&page=2"),
        ("at /cb?code=0123456789&page=2", "at /cb?code=[redacted]&page=2"),
        ("next=%2Fin%3Ftoken%3Dabc", "next=%2Fin%3Ftoken%3D[redacted]"),
        (f"a -----BEGIN EC {PRIVATE}-----\nMHc\n-----END EC {PRIVATE}----- b", "a [redacted] b"),
        (f"-----BEGIN {PRIVATE}-----\ncut", "[redacted]"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "[redacted]"),
        ("push to ghp_0123456789abcdefABCD failed", "push to [redacted] failed"),
        ("key AKIAIOSFODNN7EXAMPLE", "key [redacted]"),
        ("sk_live_0123456789abcdef", "[redacted]"),
    ],
)  # fmt: skip
def test_secret_shape_in_text_is_hidden(text: str, safe: str) -> None:
    assert redact_text(text) == safe
    assert redact_text(safe) == safe


@pytest.mark.parametrize(
    "text",
    [
        "Basic plan: 10 seats",
        "the bearer of good news: you",
        "error at 2026-11-21T10:00:00: it = 5",
        "http://localhost:8000/orders?page=2&sort=name",
        "author: bob, keyboard=qwerty",
        "password=None token=",
        "2001:db8::1",
    ],
)
def test_prose_stays(text: str) -> None:
    assert redact_text(text) == text


class Colour(Enum):
    RED = "token=abc"


class Point(NamedTuple):
    x: int
    secret: str


@dataclass
class Login:
    user: str
    password: str
    hidden: str = field(default="h", repr=False)


class Account(BaseModel):
    name: str
    api_key: str
    wrapped: SecretStr
    quiet: str = Field("q", repr=False)
    inner: Login


def test_records_are_taken_apart_by_their_fields() -> None:
    account = Account(
        name="ann", api_key="k", wrapped=SecretStr("s"), inner=Login(user="u", password="p")
    )
    assert redact(account) == {
        "name": "ann",
        "api_key": REDACTED,
        "wrapped": REDACTED,
        "quiet": REDACTED,
        "inner": {"user": "u", "password": REDACTED, "hidden": REDACTED},
    }
    assert redact(Point(1, "s")) == {"x": 1, "secret": REDACTED}


def test_everything_comes_out_as_json() -> None:
    values = {
        "when": datetime(2026, 1, 2, tzinfo=UTC),
        "money": Decimal("1.50"),
        "id": UUID(int=1),
        "path": Path("/tmp/x"),  # noqa: S108  # only printed
        "raw": b"token=abc",
        "colour": Colour.RED,
        "set": {1},
        "queue": deque([1, 2]),
        "proxy": MappingProxyType({"password": "x"}),
        "huge": 10**5000,
        "error": ValueError("password=x"),
        "class": Login,
        7: "seven",
    }
    safe = redact(values)
    assert isinstance(safe, dict)
    assert json.loads(json.dumps(safe)) == safe
    assert safe["money"] == "1.50"
    assert safe["raw"] == safe["colour"] == f"token={REDACTED}"
    assert safe["proxy"] == {"password": REDACTED}
    assert safe["error"] == f"ValueError: password={REDACTED}"
    assert safe["huge"] == "[integer of 16610 bits]"


def test_named_values_and_pairs_are_recognised() -> None:
    assert redact([("X-Api-Key", "k"), (b"cookie", b"c"), ("host", "h")]) == [
        ["X-Api-Key", REDACTED],
        ["cookie", REDACTED],
        ["host", "h"],
    ]
    assert redact({"name": "password", "value": "p"}) == {"name": "password", "value": REDACTED}


def test_that_there_is_no_secret_stays_visible() -> None:
    assert redact({"token": None, "password": ""}) == {"token": None, "password": ""}


def test_cycles_and_depth_end() -> None:
    loop: dict[str, object] = {}
    loop["self"] = loop
    assert redact(loop) == {"self": "[circular]"}
    deep: list[object] = []
    for _ in range(100):
        deep = [deep]
    assert "[too deep]" in json.dumps(redact(deep))


def test_size_is_bounded() -> None:
    safe = redact({"text": "x" * 5_000, "many": list(range(1_000)), "wide": [[0] * 60] * 60})
    assert isinstance(safe, dict)
    assert safe["text"] == "x" * 1024 + CLIPPED
    assert safe["many"][-1] == "[936 more]"
    assert len(json.dumps(redact([["y" * 1024] * 64] * 64))) < 600 * 1100


def test_secret_that_the_clip_would_cut_is_hidden() -> None:
    assert "hunter" not in redact_text("x" * 1010 + " password=hunter2hunter2")
    assert "eyJhb" not in redact_text("x " * 505 + "eyJhbGciOiJIUzI1NiJ9.e30.c2ln")


def test_broken_objects_do_no_harm() -> None:
    class Broken:
        def __repr__(self) -> str:
            raise RuntimeError

    assert redact([Broken()]) == ["<Broken: its RuntimeError when printed>"]


def test_input_is_not_changed() -> None:
    value = {"password": "p", "list": [{"token": "t"}]}
    redact(value)
    assert value == {"password": "p", "list": [{"token": "t"}]}


@pytest.mark.parametrize("key", ["employee_id", "employeeId", "X-Employee-Id", "old_employee_id"])
def test_configured_key_holds_in_any_spelling_and_in_text(key: str) -> None:
    rules = Redactor(["Employee-ID"])
    assert rules.value({key: "e1"}) == {key: REDACTED}
    assert rules.text(f"{key}=e1 rest") == f"{key}={REDACTED} rest"
    assert redact({key: "e1"}, ["employee_id"]) == {key: REDACTED}
    assert redact({key: "e1"}) == {key: "e1"}


def test_headers_come_out_by_lower_case_name() -> None:
    headers = [(b"Cookie", b"a=b"), (b"X-A", b"1"), (b"x-a", b"Bearer xyz"), (b"Via", b"proxy")]
    expected = {"cookie": REDACTED, "x-a": f"1, Bearer {REDACTED}", "via": "proxy"}
    assert redact_headers(headers) == expected
    assert redact_headers({"Authorization": "Basic x"}) == {"authorization": REDACTED}


def test_query_string_keeps_what_is_not_secret() -> None:
    assert redact_query("") == ""
    assert redact_query("page=2&api_key=a%20b&q=x+y&code=12345678") == (
        f"page=2&api_key={REDACTED}&q=x+y&code={REDACTED}"
    )
    assert redact_query("code=DE&sig=0123456789") == f"code=DE&sig={REDACTED}"


def test_url_loses_its_user_and_secret_parameters() -> None:
    assert redact_url("https://u:p@h.example/a?token=t&b=c#access_token=x") == (
        f"https://{REDACTED}@h.example/a?token={REDACTED}&b=c#access_token={REDACTED}"
    )


def test_names_that_clients_make_up_do_not_fill_the_memory() -> None:
    rules = Redactor()
    for number in range(10_000):
        rules.is_sensitive(f"name_{number}")
    rules.is_sensitive("password" * 1_000)
    assert len(rules._verdicts) <= 4_096


TEXT = st.text("aZ=: '\"\\-_/@%3Dtoken{}[](),&?\n\ud800", max_size=200)
LEAVES = st.none() | st.integers() | TEXT
JSON = LEAVES | st.lists(LEAVES, max_size=3) | st.dictionaries(TEXT, LEAVES, max_size=3)


@given(JSON, st.sampled_from(SENSITIVE))
@settings(max_examples=50)
def test_what_stands_under_a_sensitive_key_never_comes_out(value: object, key: str) -> None:
    safe = json.dumps(redact({"a": [{key: ["canary-7f3a", value]}], "b": value}))
    assert "canary-7f3a" not in safe


@given(TEXT)
def test_text_rules_end_and_are_stable(text: str) -> None:
    once = redact_text(text)
    assert redact_text(once) == once


def test_rules_of_one_redactor_do_not_leak_into_another() -> None:
    Redactor(["colour"])
    assert not DEFAULT_REDACTOR.is_sensitive("colour")
    assert Redactor(limits=Limits(chars=10)).text("x" * 20) == "x" * 10 + CLIPPED


def test_mapping_that_is_no_dict_is_read_through_its_items() -> None:
    class Custom(Mapping[str, str]):
        def __getitem__(self, key: str) -> str:
            return "v"

        def __iter__(self):
            return iter(("password", "name"))

        def __len__(self) -> int:
            return 2

    assert redact(Custom()) == {"password": REDACTED, "name": "v"}
