# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Canonical JSON: one spelling for a value (RFC 8785)."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from central_services.audit.canonical import canonical
from central_services.audit.errors import InvalidEventError

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.text()
    # A larger one may have the digits of an integer that JSON readers don't keep exact.
    | st.floats(-(2.0**53), 2.0**53)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"b": 1, "a": [True, None, "x"]}, '{"a":[true,null,"x"],"b":1}'),
        # The examples of RFC 8785, section 3.2.2.3 and appendix B.
        (333333333.33333329, "333333333.3333333"),
        (1e30, "1e+30"),
        (4.50, "4.5"),
        (2e-3, "0.002"),
        (1e-27, "1e-27"),
        (1e21, "1e+21"),
        (9.999999999999997e22, "9.999999999999997e+22"),
        (999999999999999900000.0, "999999999999999900000"),
        (-0.0, "0"),
        (5e-324, "5e-324"),
        (1e-6, "0.000001"),
        ('\u20ac$\x0f\nA\'B"\\\\"/', '"\u20ac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"'),
        # Keys sort by UTF-16 code units: a surrogate pair before U+FB33.
        ({"\ufb33": 1, "\U0001f600": 2, "1": 3}, '{"1":3,"\U0001f600":2,"\ufb33":1}'),
    ],
)
def test_value_is_spelt_as_the_standard_says(value: object, expected: str) -> None:
    assert canonical(value).decode() == expected


@settings(max_examples=25, deadline=None)
@given(VALUES)
def test_canonical_json_is_json_of_the_same_value(value: object) -> None:
    assert json.loads(canonical(value)) == value


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), 2**53, {1: 2}, {"x": {2**60: 1}}, object(), "\ud800"]
)
def test_what_json_can_not_say_is_refused(value: object) -> None:
    with pytest.raises(InvalidEventError):
        canonical(value)
