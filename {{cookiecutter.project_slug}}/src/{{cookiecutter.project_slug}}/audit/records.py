# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""How an event is written down: what is public in clear, what is sensitive in encrypted boxes.

A record is canonical JSON. The log holds an *entry* for it, which names no person and commits to the
record by hash, so that a record can be dropped at the end of its retention, and a person's key be
erased, without a proof breaking. The record's salt keeps the hash from betraying what was in it.
"""

from __future__ import annotations

import os
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from typing import Any

import orjson

from .actions import ActionRegistry
from .canonical import canonical
from .errors import AuditConflictError
from .events import Actor, AuditEvent, Retention, Sensitivity, timestamp
from .keys import SHARED, SHARED_ID, MasterKey, SubjectKeys

VERSION = 1
ERASED = "[erased]"
HIDDEN = "[hidden]"

_PARTS = ("data", "before", "after")


def refuse_another(record: str, event: AuditEvent) -> None:
    """Check that a record, found under an event's idempotency key, is of that event.

    One that was dropped at the end of its retention (empty) can't be compared any more.

    Raises:
        AuditConflictError: When it is of another.
    """
    if record and orjson.loads(record).get("fingerprint") != event.fingerprint:
        raise AuditConflictError("another event was recorded under this idempotency key")


@dataclass(frozen=True, slots=True)
class Stored:
    """A record as it waits to be sealed.

    Attributes:
        id: The event's id.
        record: Canonical JSON.
        code: Authentication code: only a holder of the master key can have written the record.
    """

    id: str
    record: str
    code: bytes


class RecordCodec:
    """Turns events into records and back."""

    def __init__(
        self,
        actions: ActionRegistry,
        keys: SubjectKeys,
        master: MasterKey,
        retention_days: dict[Retention, int],
    ) -> None:
        self._actions = actions
        self._keys = keys
        self._master = master
        self._days = retention_days

    def prepare(self, events: Sequence[AuditEvent]) -> None:
        """Make the keys that these events need, all in one step."""
        self._keys.ids([subject for event in events for subject in _subjects(event)])

    def is_prepared(self, event: AuditEvent) -> bool:
        """Whether the keys that an event needs are at hand."""
        return self._keys.has_all(_subjects(event))

    def encode(self, event: AuditEvent) -> Stored:
        """Return an event as a record.

        Raises:
            InvalidEventError: When it can't be written as JSON.
        """
        record: dict[str, Any] = {
            "v": VERSION,
            "id": event.id,
            "time": timestamp(event.time),
            "action": event.action,
            "outcome": str(event.outcome),  # .value is a Python function, and slower
            "class": str(event.data_class),
            "retention": str(event.retention),
            "actor": {"kind": event.actor.kind},
            "target": {"kind": event.target.kind},
            "salt": b64encode(os.urandom(16)).decode(),
        }
        if event.retention is not Retention.PERMANENT:
            day = _days_later(record["time"][:10], self._days[event.retention])
            record["expires"] = f"{day}{record['time'][10:]}"
        for name in ("request_id", "trace_id", "fingerprint"):
            if value := getattr(event, name):
                record[name] = value
        if event.conformance != "registered":
            record["conformance"] = event.conformance
        record["boxes"] = self._boxes(event, record)
        text = canonical(record).decode()
        return Stored(event.id, text, self._master.code(text))

    def _boxes(self, event: AuditEvent, record: dict[str, Any]) -> list[dict[str, Any]]:
        """Put each field into the record in clear, or into the box of whom it is about."""
        sealed: dict[str, dict[str, Any]] = {}
        self._place_fields(event, record, sealed)
        secret = sealed.setdefault(Sensitivity.CONFIDENTIAL.value, {})
        if event.reason is not None:
            secret["reason"] = event.reason
        if {event.target.id, str(event.target)} & set(event.subjects):
            secret["target"] = event.target.id
        else:
            record["target"]["id"] = event.target.id
        actor = {
            name: value
            for name in ("id", "on_behalf_of", "session", "address")
            if (value := getattr(event.actor, name)) is not None
        }
        who = (event.actor.id or "",) if event.actor.is_person else (SHARED,)
        about = event.subjects or who
        if event.actor.kind in {"service", "system"} and "id" in actor:
            record["actor"]["id"] = actor.pop("id")
        if event.actor.is_person:
            record["actor"]["key"] = self._keys.ids(who)[0]
        boxes = []
        if actor and set(who) == set(about):
            secret["actor"] = actor
        elif actor:
            boxes.append(self._box(event, who, {Sensitivity.CONFIDENTIAL.value: {"actor": actor}}))
        if any(sealed.values()):
            boxes.append(self._box(event, about, {k: v for k, v in sealed.items() if v}))
        return boxes

    def _place_fields(
        self, event: AuditEvent, record: dict[str, Any], sealed: dict[str, dict[str, Any]]
    ) -> None:
        action = self._actions.find(event.action)
        for part in _PARTS:
            for name, value in (getattr(event, part) or {}).items():
                level = Sensitivity.RESTRICTED
                if action is not None and event.conformance == "registered":
                    level = action.sensitivity(part, name)
                place = sealed.setdefault(str(level), {}) if level.encrypted else record
                place.setdefault(part, {})[name] = value

    def _box(self, event: AuditEvent, subjects: Sequence[str], content: object) -> dict[str, Any]:
        ids, box = self._keys.encrypt(subjects, canonical(content), event.id.encode())
        return {"keys": ids, "box": b64encode(box).decode()}

    def decode(self, record: str, reveal: Sensitivity = Sensitivity.INTERNAL) -> dict[str, Any]:
        """Return a record for a reader, its boxes opened as far as the reader may see.

        Returns:
            The record without boxes; `hidden` and `erased` name the levels that it lacks.
        """
        shown: dict[str, Any] = orjson.loads(record)
        for box in shown.pop("boxes"):
            if not reveal.encrypted:
                shown["hidden"] = True
                continue
            plain = self._keys.decrypt(box["keys"], b64decode(box["box"]), shown["id"].encode())
            if plain is None:
                shown["erased"] = True
                continue
            for level, parts in orjson.loads(plain).items():
                if reveal.shows(Sensitivity(level)):
                    _merge(shown, parts)
                else:
                    shown["hidden"] = True
        return shown

    def as_recorded(self, event: AuditEvent, record: str) -> AuditEvent:
        """Return an event with what its fingerprint leaves open as in an earlier record of it."""
        then = self.decode(record, Sensitivity.RESTRICTED)
        who = {name: value for name, value in then["actor"].items() if name != "key"}
        return replace(
            event,
            time=datetime.fromisoformat(then["time"]),
            actor=Actor(**who),
            request_id=then.get("request_id", ""),
            trace_id=then.get("trace_id", ""),
        )


@lru_cache(maxsize=64)
def _days_later(day: str, days: int) -> str:
    return (date.fromisoformat(day) + timedelta(days=days)).isoformat()


def _subjects(event: AuditEvent) -> list[str]:
    actor = [event.actor.id or ""] if event.actor.is_person else []
    return [SHARED, *actor, *event.subjects]


def _merge(shown: dict[str, Any], parts: dict[str, Any]) -> None:
    """Put what a box held to where it would have stood in clear."""
    for part, value in parts.items():
        if part == "target":
            shown["target"]["id"] = value
        elif isinstance(value, dict):
            shown.setdefault(part, {}).update(value)
        else:
            shown[part] = value


def commitment(record: str) -> str:
    """Return the hash by which an entry of the log commits to a record."""
    return sha256(record.encode()).hexdigest()


def entry_for(seq: int, record: str, fields: dict[str, Any], sealed: str) -> str:
    """Return the log's entry for a record: canonical JSON that names no person.

    Args:
        seq: Its sequence number, which is its index in the log, from 0 on.
        record: The record.
        fields: The same, parsed.
        sealed: When that is; RFC 3339, UTC.
    """
    entry = {
        "commitment": commitment(record),
        "id": fields["id"],
        "retention": fields["retention"],
        "sealed": sealed,
        "seq": seq,
        "time": fields["time"],
        "v": VERSION,
    }
    if "expires" in fields:
        entry["expires"] = fields["expires"]
    return canonical(entry).decode()


def keys_of(fields: dict[str, Any]) -> set[str]:
    """Return the ids of the subject keys that a record mentions."""
    found = {key for box in fields["boxes"] for key in box["keys"]}
    if "key" in fields["actor"]:
        found.add(fields["actor"]["key"])
    return found - {SHARED_ID}
