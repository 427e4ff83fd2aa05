"""How an event is kept: its content encrypted for whom it is about, its words hashed, its hash in the log.

The entry of the log is `SHA-256(salt + canonical JSON)`, 32 bytes. The salt is encrypted with the
content: once a person's key is erased nobody can tell any more what the entry committed to, and the
entry, the tree and every proof stay as they are.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import orjson

from ..audit.keys import SHARED, MasterKey, SubjectKeys
from .events import Event

SALT_BYTES = 32
WORD_BYTES = 8


def entry_of(salt: bytes, text: bytes) -> bytes:
    """Return the log's entry for an event: what a holder of its receipt computes."""
    return sha256(salt + text).digest()


@dataclass(frozen=True, slots=True)
class Payload:
    """What is stored of an event.

    Attributes:
        commitment: The entry of the log.
        fingerprint: What a repetition has to equal.
        keys: The ids of the keys of its box.
        box: Salt and content, encrypted.
        words: Its words, hashed, eight bytes each.
        code: Authentication code of the row.
    """

    commitment: bytes
    fingerprint: bytes
    keys: str
    box: bytes
    words: bytes
    code: bytes


@dataclass(frozen=True, slots=True)
class Opened:
    """The content of an event.

    Attributes:
        salt: What the commitment was made with.
        text: Canonical JSON.
    """

    salt: bytes
    text: bytes

    @property
    def event(self) -> dict[str, Any]:
        """The event as it was sent."""
        value: dict[str, Any] = orjson.loads(self.text)
        return value


class PayloadCodec:
    """Encrypts and opens the contents of events; safe to use from several threads.

    Args:
        keys: A key for each tenant, and for each person of a tenant.
        master: Makes fingerprints, hashes of words, and authentication codes.
    """

    def __init__(self, keys: SubjectKeys, master: MasterKey) -> None:
        self.keys = keys
        self._master = master

    def prepare(self, events: Iterable[tuple[str, Event]]) -> None:
        """Make the keys that events of tenants need, all in one step; it waits for the disk."""
        names = [name for tenant, event in events for name in _subjects(tenant, event.people)]
        self.keys.ids(list(dict.fromkeys(names)))

    def load(self, keys: Iterable[str]) -> None:
        """Fetch the keys of boxes that `open` is going to be called with; it waits for their store."""
        self.keys.load([key for box in keys for key in box.split()])

    def is_ready(self) -> bool:
        """Whether the store of keys answers; it waits for it."""
        return self.keys.find(SHARED) is not None

    def seal(self, tenant: str, event: Event) -> Payload:
        """Return what is stored of an event."""
        salt = os.urandom(SALT_BYTES)
        ids, box = self.keys.encrypt(
            _subjects(tenant, event.people), salt + event.canonical, _context(tenant, event)
        )
        words = [*self._found_by(tenant, event), *(self.word(tenant, "key", k) for k in ids)]
        commitment = entry_of(salt, event.canonical)
        packed = b"".join(
            word.to_bytes(WORD_BYTES, "big", signed=True) for word in dict.fromkeys(words)
        )
        return Payload(
            commitment,
            self.fingerprint(tenant, event),
            " ".join(ids),
            box,
            packed,
            self.code(tenant, event.source, event.id, commitment),
        )

    def open(self, tenant: str, source: str, event_id: str, keys: str, box: bytes) -> Opened | None:
        """Return the content of an event, or None when a key of it has been erased.

        Raises:
            AuditKeyError: It was changed.
        """
        context = _about(tenant, source, event_id)
        plain = self.keys.decrypt(keys.split(), box, context)
        return None if plain is None else Opened(plain[:SALT_BYTES], plain[SALT_BYTES:])

    def fingerprint(self, tenant: str, event: Event) -> bytes:
        """Return what two sendings of one event have in common, and no other event has."""
        message = b"event content\0" + tenant.encode() + b"\0" + event.canonical
        return hmac.digest(self._master.naming, message, "sha256")

    def code(self, tenant: str, source: str, event_id: str, commitment: bytes) -> bytes:
        """Return the authentication code of a row."""
        message = b"event row\0" + _about(tenant, source, event_id) + commitment
        return hmac.digest(self._master.authentication, message, "sha256")

    def stamp(self, tenant: str, about: bytes) -> bytes:
        """Return the authentication code of a row beside the events, such as the ledger's."""
        message = b"row\0" + tenant.encode() + b"\0" + about
        return hmac.digest(self._master.authentication, message, "sha256")

    def prepare_people(self, tenant: str, people: Sequence[str]) -> None:
        """Make the keys of a tenant's people; it waits for the disk."""
        self.keys.ids(_subjects(tenant, people))

    def word(self, tenant: str, field: str, text: str) -> int:
        """Return the hash that an event is found by."""
        message = orjson.dumps(["word", tenant, field, text])
        digest = hmac.digest(self._master.naming, message, "sha256")
        return int.from_bytes(digest[:WORD_BYTES], "big", signed=True)

    def find_person(self, tenant: str, person: str) -> str | None:
        """Return the id of a person's key, or None when the tenant has nothing about them."""
        return self.keys.find(_person(tenant, person))

    def erase_person(self, tenant: str, person: str) -> str | None:
        """Destroy a person's key; what is encrypted with it can't be read any more."""
        return self.keys.erase(_person(tenant, person))

    def _found_by(self, tenant: str, event: Event) -> Iterable[int]:
        yield self.word(tenant, "source", event.source)
        if event.actor:
            yield self.word(tenant, "actor", event.actor)
        if event.object:
            yield self.word(tenant, "object", event.object)
        for text in event.words:
            yield self.word(tenant, "text", text)


def words_of(packed: bytes) -> list[int]:
    """Return hashes of words from one after the other."""
    starts = range(0, len(packed), WORD_BYTES)
    return [int.from_bytes(packed[at : at + WORD_BYTES], "big", signed=True) for at in starts]


def _person(tenant: str, person: str) -> str:
    return orjson.dumps(["person", tenant, person]).decode()


def _subjects(tenant: str, people: Sequence[str]) -> list[str]:
    """Return whom an event is encrypted for: the tenant, and the people whom it names."""
    return [f"tenant {tenant}", *(_person(tenant, person) for person in people)]


def _context(tenant: str, event: Event) -> bytes:
    return _about(tenant, event.source, event.id)


def _about(tenant: str, source: str, event_id: str) -> bytes:
    return orjson.dumps([tenant, source, event_id])
