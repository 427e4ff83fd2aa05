"""Cursors of pages."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from central_services.kit.cursors import Cursors, InvalidCursorError, Page

CURSORS = Cursors(b"k" * 32)
SCOPE = {"list": "users", "tenant": "t1", "role": None}
POSITIONS = st.lists(st.text(max_size=20) | st.integers(), max_size=4)


@given(POSITIONS)
def test_position_comes_back_for_its_list(position: list[str | int]) -> None:
    assert CURSORS.read(CURSORS.write(position, SCOPE), SCOPE) == position


@pytest.mark.parametrize(
    "other",
    [{**SCOPE, "tenant": "t2"}, {**SCOPE, "role": "admin"}, {**SCOPE, "list": "keys"}, {}],
)
def test_cursor_of_another_list_is_refused(other: dict[str, str | None]) -> None:
    with pytest.raises(InvalidCursorError):
        CURSORS.read(CURSORS.write(["a", 1], SCOPE), other)


@given(st.integers(0), st.integers(1, 255))
def test_cursor_with_any_byte_changed_is_refused(place: int, change: int) -> None:
    cursor = CURSORS.write(["2026-11-22", 7], SCOPE)
    raw = bytearray(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    raw[place % len(raw)] ^= change
    with pytest.raises(InvalidCursorError):
        CURSORS.read(base64.urlsafe_b64encode(raw).decode().rstrip("="), SCOPE)


@given(st.text(max_size=60))
def test_what_was_never_a_cursor_is_refused(text: str) -> None:
    with pytest.raises(InvalidCursorError):
        CURSORS.read(text, SCOPE)


def test_cursor_of_another_key_is_refused() -> None:
    with pytest.raises(InvalidCursorError):
        Cursors(b"x" * 32).read(CURSORS.write([1], SCOPE), SCOPE)


def test_short_key_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Cursors(b"short")


def test_last_page_has_no_next() -> None:
    assert Page[int](items=[1], next=None).model_dump() == {"items": [1], "next": None}
