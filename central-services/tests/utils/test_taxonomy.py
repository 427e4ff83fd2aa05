# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The one list of event categories."""

from __future__ import annotations

import pytest

from central_services.utils.taxonomy import (
    EventCategory,
    UnknownCategoryError,
    event_category,
)


def test_every_category_is_its_own_name_and_says_what_it_means() -> None:
    for category in EventCategory:
        assert event_category(category.value) is category
        assert f"{category}" == category.name.lower()
        assert category.meaning.endswith(".")
        assert "\n" not in category.meaning


def test_default_of_the_seed_is_a_category() -> None:
    assert event_category("custom") is EventCategory.CUSTOM


@pytest.mark.parametrize("name", ["misc", "HTTP", "", " http"])
def test_unknown_category_is_refused_with_those_that_exist(name: str) -> None:
    with pytest.raises(UnknownCategoryError) as refusal:
        event_category(name)
    assert repr(name) in str(refusal.value)
    assert all(category in str(refusal.value) for category in EventCategory)
