# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""What an audit event says: who did what to what, when, with which outcome, and why."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Literal


class Sensitivity(StrEnum):
    """Who may read a field. Mark one with `Annotated[str, Sensitivity.CONFIDENTIAL]`.

    Public and internal fields are stored in clear. Confidential and restricted ones are stored
    encrypted, under the keys of the people they are about, and shown only when asked for by level.
    """

    PUBLIC = "public"
    INTERNAL = "internal"
    CONFIDENTIAL = "confidential"
    RESTRICTED = "restricted"

    @property
    def encrypted(self) -> bool:
        """Whether a field of this level is stored encrypted."""
        # Asked for each field of each event: to make a set of two would be most of it.
        return self is Sensitivity.CONFIDENTIAL or self is Sensitivity.RESTRICTED

    def shows(self, other: Sensitivity) -> bool:
        """Whether a reader who may see this level may see another one."""
        levels = list(Sensitivity)
        return levels.index(other) <= levels.index(self)


class Outcome(StrEnum):
    """How an action ended."""

    SUCCESS = "success"
    FAILURE = "failure"
    DENIED = "denied"


class DataClass(StrEnum):
    """What kind of data an action is about."""

    OPERATIONAL = "operational"
    PERSONAL = "personal"
    FINANCIAL = "financial"
    SECURITY = "security"


class Retention(StrEnum):
    """How long an event is kept; the days of each class are a setting, permanent has none."""

    SHORT = "short"
    STANDARD = "standard"
    LONG = "long"
    PERMANENT = "permanent"


ActorKind = Literal["user", "service", "system", "anonymous"]


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acted. What identifies a person is stored encrypted under that person's key.

    Attributes:
        kind: A user, another service, this service itself (system), or nobody known.
        id: The user's or service's stable id; never a name or an e-mail address.
        on_behalf_of: The id of whom they acted for (impersonation, delegation).
        session: The id of the session or token, never the token.
        address: The client's address.
    """

    kind: ActorKind = "anonymous"
    id: str | None = None
    on_behalf_of: str | None = None
    session: str | None = None
    address: str | None = None

    @property
    def is_person(self) -> bool:
        """Whether the id is that of a person."""
        return self.kind == "user" and self.id is not None


SYSTEM = Actor("system", "system")


@dataclass(frozen=True, slots=True)
class Target:
    """What was acted on.

    Attributes:
        kind: The kind of thing, such as `order`.
        id: Its id; encrypted when the thing is one of the event's subjects.
    """

    kind: str
    id: str

    @classmethod
    def parse(cls, text: Target | str) -> Target:
        """Return `kind:id` as a target."""
        if isinstance(text, Target):
            return text
        kind, _, identity = text.partition(":")
        return cls(kind, identity)

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}"


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One event, as it is before its sensitive parts are encrypted.

    Attributes:
        id: A UUID that sorts by time (version 7), or one made from the idempotency key.
        time: When it happened; aware, UTC.
        action: The registered action, such as `order.shipped`.
        actor: Who did it.
        target: To what.
        outcome: How it ended.
        reason: Why, in the words of whoever did it; always stored encrypted.
        before: The fields that changed, before.
        after: The same, after.
        data: What else the action's schema has.
        subjects: The people it is about: erasing any of them makes the encrypted parts unreadable.
        data_class: What kind of data it is about.
        retention: How long it is kept.
        request_id: The request it belongs to, or an empty string.
        trace_id: The trace it belongs to, or an empty string.
        conformance: `registered`; in production also `unregistered` or `invalid`, which an alert
            should look for: the event is kept, all its fields encrypted.
        fingerprint: Set for an event with an idempotency key: what a repetition must equal.
    """

    id: str
    time: datetime
    action: str
    actor: Actor
    target: Target
    outcome: Outcome = Outcome.SUCCESS
    reason: str | None = None
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    subjects: tuple[str, ...] = ()
    data_class: DataClass = DataClass.OPERATIONAL
    retention: Retention = Retention.STANDARD
    request_id: str = ""
    trace_id: str = ""
    conformance: Literal["registered", "unregistered", "invalid"] = "registered"
    fingerprint: str = ""


def utc_now() -> datetime:
    """Return the time, aware and in UTC."""
    return datetime.now(UTC)


def timestamp(moment: datetime) -> str:
    """Return a time in UTC as RFC 3339 with microseconds, which sorts as text."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="microseconds")[:26] + "Z"


def new_event_id() -> str:
    """Return a UUID of version 7 (RFC 9562): neighbours in time are neighbours in an index."""
    moment, random = f"{int(time.time() * 1000):012x}", os.urandom(10)
    text = random.hex()
    variant = f"{random[1] & 0x3F | 0x80:02x}"
    return f"{moment[:8]}-{moment[8:]}-7{text[17:]}-{variant}{text[:2]}-{text[4:16]}"


def _uuid(value: int, version: int) -> str:
    """Return 128 bits as a UUID of a version, variant 10."""
    value = value & ~(0xF << 76) | version << 76
    text = f"{value & ~(3 << 62) | 2 << 62:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def event_id_from(digest: bytes) -> str:
    """Return 16 bytes of a digest as a UUID of version 8 (RFC 9562, custom)."""
    return _uuid(int.from_bytes(digest[:16], "big"), 8)
