# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The categories of breadcrumbs, messages and events: one list, so that they can be searched."""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class EventCategory(StrEnum):
    """What an event is about; the docstring of each member is its meaning."""

    meaning: str

    def __new__(cls, value: str, meaning: str = "") -> Self:
        """Make a member that is its value and knows its meaning."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    HTTP = "http", "A request that came in, or its response."
    AUTH = "auth", "Signing in or out, tokens, permissions granted or refused."
    DB = "db", "A query, a transaction or a migration."
    CACHE = "cache", "A cache that hit, missed, filled or failed."
    JOB = "job", "Work in the background: queued, begun, retried, finished, dead."
    EXTERNAL = "external", "A call to another service, and what came back."
    SECURITY = "security", "An attack refused, a limit reached, a rule broken."
    BUSINESS = "business", "Something that users or the organisation did: an order, a refund."
    AUDIT = "audit", "Who did what to which record, for those who have to prove it."
    CONFIG = "config", "Settings, feature flags, start and stop of the service."
    FILE = "file", "Reading, writing or moving files and objects."
    NOTIFICATION = "notification", "E-mail, messages and webhooks sent to people."
    PERFORMANCE = "performance", "How long something took, or how much it used."
    LOG = "log", "A line of the log, kept as a breadcrumb."
    CUSTOM = "custom", "Anything else; name a better category when you search for it twice."


class UnknownCategoryError(ValueError):
    """Raised for a category that is not in the list; the text names those that are."""

    def __init__(self, category: str) -> None:
        known = ", ".join(EventCategory)
        super().__init__(f"there is no event category {category!r}: use one of {known}")


def event_category(category: str) -> EventCategory:
    """Return the category of this name.

    Raises:
        UnknownCategoryError: When there is none.
    """
    try:
        return EventCategory(category)
    except ValueError:
        raise UnknownCategoryError(category) from None
