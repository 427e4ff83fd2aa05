# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""A server that lies: whatever it says is the right type or a miss, and nothing of it is executed."""

from __future__ import annotations

import builtins
import json
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from {{ cookiecutter.project_slug }}.core.cache import CacheSettings, Namespace
from {{ cookiecutter.project_slug }}.core.cache.serialisation import (
    UnusableValueError,
    decode,
)

GENERATION = b"0123456789abcdef"
LIMIT = 10_000


class Price(BaseModel):
    """The declared type."""

    sku: str
    cents: int


SPACE = Namespace("prices", Price, ttl_s=60)


class Payload:
    """Runs a command in whoever unpickles it."""

    def __init__(self, trace: str) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (self.trace,))


def corpus(trace: str) -> dict[str, bytes]:
    """Return what a server might say in a value's place, `trace` being made if it is executed."""
    good = b'v{"sku":"TEA","cents":1}'
    code = f"__import__('os').mkdir({trace!r})"
    return {
        "nothing": b"",
        "one byte": b"v",
        "no JSON": b"v{",
        "half a value": good[:-4],
        "more than a value": good + good,
        "another format": b"\x00" + good,
        "an unknown kind": b"x" + good[1:],
        "another type": b"v[1,2]",
        "null": b"vnull",
        "a wrong field": b'v{"sku":"TEA","cents":"many"}',
        "a missing field": b'v{"sku":"TEA"}',
        "a number of 10,000 digits": b'v{"sku":"TEA","cents":' + b"9" * 9_900 + b"}",
        "nested 4,000 deep": b"v" + b"[" * 4_000 + b"]" * 4_000,
        "an object nested 1,500 deep": b"v" + b'{"a":' * 1_500 + b"1" + b"}" * 1_500,
        "no UTF-8": b'v{"sku":"\xff\xfe","cents":1}',
        "a lone surrogate": b'v{"sku":"\\ud800","cents":1}',
        "NUL bytes": b"v" + bytes(500),
        "too large": b'v{"sku":"' + b"x" * LIMIT + b'","cents":1}',
        "jsonpickle": b'v{"py/reduce":[{"py/function":"os.mkdir"},{"py/tuple":["'
        + trace.encode()
        + b'"]}]}',
        "YAML": b"v!!python/object/apply:os.mkdir [" + trace.encode() + b"]",
        "an expression": b"v" + code.encode(),
        "marshal": b"v\xe3" + bytes(40),
        **{
            f"pickle protocol {protocol}, after {head!r}": head
            + pickle.dumps(Payload(trace), protocol)
            for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
            for head in (b"", b"v", b"n")
        },
    }


NAMES = list(corpus("x"))


@pytest.fixture
def nothing_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """A path that must not come into being; unpickling and evaluating end the test."""

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("something that was read is being executed")

    for module, name in ((pickle, "loads"), (pickle, "load"), (builtins, "eval")):
        monkeypatch.setattr(module, name, fail)
    return str(tmp_path / "executed")


def made(trace: str) -> bool:
    """Tell whether a payload was executed."""
    return Path(trace).exists()


def test_a_payload_of_the_corpus_does_run_where_pickle_is_read(tmp_path: Path) -> None:
    trace = tmp_path / "executed"
    pickle.loads(corpus(str(trace))["pickle protocol 4, after b''"])  # noqa: S301  # shows that it would run
    assert trace.is_dir()


@pytest.mark.parametrize("name", NAMES)
def test_hostile_bytes_are_refused_and_never_executed(nothing_runs: str, name: str) -> None:
    with pytest.raises(UnusableValueError):
        decode(SPACE, corpus(nothing_runs)[name], max_bytes=LIMIT)
    assert not Path(nothing_runs).exists()


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60), st.sampled_from([b"", b"v", b"n", b'v{"sku":']))
def test_no_bytes_are_anything_but_the_type_or_refused(raw: bytes, head: bytes) -> None:
    try:
        found = decode(SPACE, head + raw, max_bytes=LIMIT)
    except UnusableValueError:
        return
    assert found is None or type(found) is Price


JSON = st.recursive(
    st.sampled_from([None, True, False, 0, -1, 1.5, 10**30, "", "1", "TEA"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["sku", "cents", "__class__", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(max_examples=100, deadline=None)
@given(JSON)
def test_no_json_is_anything_but_the_type_or_refused(document: object) -> None:
    try:
        found = decode(SPACE, b"v" + json.dumps(document).encode(), max_bytes=LIMIT)
    except UnusableValueError:
        return
    assert type(found) is Price


@pytest.mark.anyio
async def test_what_a_lying_server_says_is_a_miss_that_is_logged_once(
    make, lying, lines, nothing_runs
) -> None:
    cache = make(url=lying.url, max_value_bytes=LIMIT, timeout_s=20)
    price = Price(sku="TEA", cents=450)

    async def load() -> Price:
        return price

    for hostile in corpus(nothing_runs).values():
        lying.value = b"1" + GENERATION + hostile
        assert await cache.get(SPACE, "secret@example.com") is None
        assert await cache.get_or_set(SPACE, "secret@example.com", load) == price
    await cache.aclose()
    told = [line["reason"] for line in lines.events("cache_value_refused")]
    assert sorted(told) == ["malformed", "not_of_its_type", "too_large"]
    assert "example.com" not in lines.stream.getvalue()
    assert not lines.events("cache_server_down")
    assert not made(nothing_runs)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "stored",
    [
        b"",
        b"1",
        b"2" + GENERATION + b'v{"sku":"TEA","cents":1}',
        b'v{"sku":"TEA","cents":1}',
        b"1" + GENERATION[::-1] + b'v{"sku":"TEA","cents":1}',
    ],
)
async def test_another_format_or_generation_is_a_miss(make, lying, lines, stored: bytes) -> None:
    cache = make(url=lying.url, timeout_s=20)
    lying.value = stored
    assert await cache.get(SPACE, "TEA") is None
    lying.value = b"1" + GENERATION + b'v{"sku":"TEA","cents":1}'
    assert await cache.get(SPACE, "TEA") == Price(sku="TEA", cents=1)
    await cache.aclose()


@pytest.mark.anyio
async def test_a_signed_value_can_be_neither_forged_nor_moved_to_another_key(
    make, lying, lines
) -> None:
    cache = make(url=lying.url, timeout_s=20, signing_key="k" * 32)
    lying.value = b"1" + GENERATION + b'v{"sku":"TEA","cents":1}'
    assert await cache.get(SPACE, "TEA") is None
    await cache.set(SPACE, "TEA", Price(sku="TEA", cents=450))
    (written,) = [c for c in lying.commands if c[0] == b"EVAL" and len(c) == 10]
    signed = written[8]
    lying.value = b"1" + GENERATION + signed
    assert await cache.get(SPACE, "TEA") == Price(sku="TEA", cents=450)
    assert await cache.get(SPACE, "COFFEE") is None
    lying.value = lying.value.replace(b"450", b"000")
    assert await cache.get(SPACE, "TEA") is None
    await cache.aclose()
    assert [line["reason"] for line in lines.events("cache_value_refused")] == ["forged"]


@pytest.mark.anyio
async def test_keys_on_a_server_are_digests_unless_asked_otherwise(make, lying) -> None:
    cache = make(url=lying.url, timeout_s=20)
    await cache.get(SPACE, "jane@example.com")
    await cache.get(Namespace("plain", Price, plain_keys=True), "TEA")
    await cache.aclose()
    sent = b" ".join(part for command in lying.commands for part in command)
    assert b"jane" not in sent
    assert b"{s:test:1}:v:plain:1:TEA" in sent


@pytest.mark.anyio
async def test_a_projects_own_validator_that_fails_is_a_miss(cache) -> None:
    class Fussy(BaseModel):
        """Fails in a way of its own."""

        def __init__(self, **data: Any) -> None:
            super().__init__(**data)

        def model_post_init(self, _context: object) -> None:
            raise KeyError("nobody expected this")

    with pytest.raises(UnusableValueError):
        decode(Namespace("fussy", Fussy), b"v{}", max_bytes=LIMIT)


def test_a_signing_key_that_is_too_short_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 32"):
        CacheSettings(signing_key="short")  # type: ignore[arg-type]  # as from the environment


@pytest.mark.anyio
@pytest.mark.parametrize(
    "nonsense",
    [
        b"_\r\n",
        b":7\r\n",
        b"#t\r\n",
        b",1.5\r\n",
        b"+OK\r\n",
        b"$0\r\n\r\n",
        b"*0\r\n",
        b"*1\r\n:1\r\n",
        b"*2\r\n:1\r\n:1\r\n",
        b"*2\r\n_\r\n:1\r\n",
        b"*2\r\n*1\r\n:1\r\n*1\r\n:1\r\n",
        b"*3\r\n$1\r\na\r\n$1\r\na\r\n$1\r\na\r\n",
        b"%1\r\n+a\r\n:1\r\n",
        b"%1\r\n:1\r\n*0\r\n",
        b"~1\r\n+a\r\n",
        b"-ERR no\r\n",
        b"-MOVED 1 203.0.113.1:6379\r\n",
        b"!5\r\nERR x\r\n",
        b"?what\r\n",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"*99999999\r\n",
    ],
)
async def test_a_server_that_talks_nonsense_makes_no_request_fail(
    make, lying, lines, nonsense: bytes
) -> None:
    cache = make(url=lying.url, timeout_s=0.2)
    lying.nonsense = nonsense
    price = Price(sku="TEA", cents=450)

    async def load() -> Price:
        return price

    assert await cache.get(SPACE, "TEA") is None
    assert await cache.get_or_set(SPACE, "TEA", load) == price
    await cache.set(SPACE, "TEA", price)
    await cache.delete(SPACE, "TEA")
    await cache.delete_namespace(SPACE)
    assert await cache.clear() in (0, 7, 1)
    assert await cache.reported() == {}
    await cache.aclose()
