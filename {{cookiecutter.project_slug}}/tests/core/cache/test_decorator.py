# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""`@cached`."""

from __future__ import annotations

import inspect
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from {{ cookiecutter.project_slug }}.core.cache import CacheClient, Namespace, cached
from {{ cookiecutter.project_slug }}.core.cache.decorator import _spell

pytestmark = pytest.mark.anyio

ANSWERS = Namespace("answers", str)


class Color(Enum):
    RED = 1


class Service:
    """Has the cache, as services do."""

    def __init__(self, cache: CacheClient | None) -> None:
        self.cache = cache
        self.calls = 0

    @cached(ANSWERS)
    async def answer(self, question: object, *, lang: str = "en") -> str:
        """Answer."""
        self.calls += 1
        return f"{question} {lang}"

    @cached(ANSWERS)
    async def other(self, question: object, *, lang: str = "en") -> str:
        return f"other {question} {lang}"

    @cached(ANSWERS, key=lambda _self, question: question.lower())
    async def keyed(self, question: str) -> str:
        self.calls += 1
        return question


@pytest.fixture
def service(cache) -> Service:
    return Service(cache)


async def test_a_call_with_the_same_arguments_is_answered_from_the_cache(service) -> None:
    first = await service.answer("why")
    assert await service.answer(question="why", lang="en") == first == "why en"
    assert service.calls == 1
    assert await service.answer("why", lang="de") == "why de"
    assert service.calls == 2


async def test_two_functions_share_a_namespace_and_no_values(service) -> None:
    assert await service.answer("why") == "why en"
    assert await service.other("why") == "other why en"


async def test_with_a_key_the_value_can_be_deleted(service, cache) -> None:
    assert await service.keyed("WHY") == "WHY"
    assert await service.keyed("why") == "WHY"
    await cache.delete(ANSWERS, "why")
    assert await service.keyed("why") == "why"
    assert service.calls == 2


async def test_a_function_is_passed_its_cache(cache) -> None:
    calls = []

    @cached(ANSWERS, ttl_s=5)
    async def answer(question: str, cache: CacheClient) -> str | None:
        calls.append(question)
        return question

    for _ in range(2):
        assert await answer("why", cache=cache) == "why"
        assert await answer("why", cache) == "why"
    assert len(calls) == 1


async def test_without_a_cache_the_error_says_what_to_do() -> None:
    with pytest.raises(
        TypeError, match=r"Service.answer is @cached .* pass one, or set self.cache"
    ):
        await Service(None).answer("why")


async def test_an_argument_that_is_no_key_is_refused(service) -> None:
    with pytest.raises(TypeError, match=r"no key: object; say @cached\(..., key=...\)"):
        await service.answer(object())


def test_the_function_keeps_its_signature_and_docstring() -> None:
    assert list(inspect.signature(Service.answer).parameters) == ["self", "question", "lang"]
    assert Service.answer.__doc__ == "Answer."


TEXT = st.text("a1\"'\\(),=", max_size=4)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT | st.binary(max_size=3) | st.dates()
    | st.decimals(allow_nan=False) | st.floats(allow_nan=False),
    lambda inner: st.tuples(inner, inner) | st.tuples(inner),
    max_leaves=4,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(VALUES, VALUES)
def test_different_arguments_never_have_one_key(one: object, other: object) -> None:
    same = repr(one) == repr(other)
    assert (_spell(one) == _spell(other)) is same


def test_plain_values_can_be_keys() -> None:
    moment = datetime(2026, 1, 2, tzinfo=UTC)
    values = (
        "1", 1, True, 1.0, None, b"1", UUID(int=1), Decimal(1), date(2026, 1, 2), moment,
        Color.RED, ("1", 1), (("1",), 1), {"a": 1},
    )  # fmt: skip
    assert len({_spell(value) for value in values}) == len(values)
    assert _spell({"b": 1, "a": 2}) == _spell({"a": 2, "b": 1})
