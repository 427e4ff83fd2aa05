# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The keys of the trail: two secrets from the settings, and one key per person in a store of its own.

- The signing key vouches for checkpoints.
- The master key wraps the keys of subjects (people), authenticates events that are not yet sealed,
  and turns a person's id into the name their key is found by.
- A subject's key encrypts what the trail holds about them. Erasing it makes that unreadable
  everywhere, in backups of the trail too, while every hash and proof stays as it was. The store of
  these keys therefore must not be in the backups of the trail: back it up apart, and briefly.
"""

from __future__ import annotations

import hmac
import json
import os
import secrets
import threading
import time
from base64 import b64decode, b64encode
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b, sha256
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from .errors import AuditKeyError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

SHARED = ""
"""The subject of what is about nobody in particular; its key can't be erased."""

SHARED_ID = "shared"

_CACHED = 10_000
_LOOK_EVERY_S = 0.05
_NONCE = 12


def new_master_key() -> str:
    """Return a new master key as text: 32 random bytes in base64."""
    return b64encode(secrets.token_bytes(32)).decode()


@dataclass(frozen=True, slots=True)
class MasterKey:
    """What is derived from the master key, each purpose with a key of its own.

    Attributes:
        wrapping: Encrypts the keys of subjects.
        naming: Turns a subject's id into the name of its key.
        authentication: Makes the codes of events that are not sealed yet.
    """

    wrapping: bytes
    naming: bytes
    authentication: bytes

    @classmethod
    def parse(cls, text: str) -> MasterKey:
        """Read a master key.

        Raises:
            AuditKeyError: When it is not 32 bytes in base64.
        """
        try:
            raw = b64decode(text.strip(), validate=True)
        except ValueError:
            raw = b""
        if len(raw) != 32:
            raise AuditKeyError(
                "the master key is not 32 bytes in base64: `audit keygen` makes one"
            )
        purposes = (b"subject key wrapping", b"subject naming", b"event authentication")
        return cls(*(hmac.digest(raw, b"slipway audit " + name, "sha256") for name in purposes))

    def code(self, record: str) -> bytes:
        """Return the authentication code of a record: keyed BLAKE2b (RFC 7693).

        In a request, where nothing of it is cached, it takes a third of what HMAC takes.
        """
        return blake2b(record.encode(), key=self.authentication, digest_size=32).digest()


def development_secrets(folder: Path, origin: str) -> tuple[str, str]:
    """Return a signing key and a master key kept beside the trail, made at first use.

    For development and tests only: whoever can change the trail can then sign it too.
    """
    from .checkpoint import NoteSigner  # noqa: PLC0415  # imports the signature library

    path = folder / "development-keys.json"
    made = [NoteSigner(origin, secrets.token_bytes(32)).secret, new_master_key()]
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    partial = path.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
    partial.touch(mode=0o600)
    partial.write_text(json.dumps(made), "utf-8")
    try:
        # Another process may be here at the same time: the first one's file stays.
        os.link(partial, path)
    except FileExistsError:
        pass
    finally:
        partial.unlink()
    signing, master = json.loads(path.read_text("utf-8"))
    return signing, master


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A subject's key, as it is kept.

    Attributes:
        name: What it is found by: nothing leads from it to the subject without the master key.
        id: What events carry; it is random, and nothing leads from it to the subject either.
        wrapped: The key, encrypted with the master key.
    """

    name: bytes
    id: str
    wrapped: bytes


class KeyStore(Protocol):
    """Where the keys of subjects are kept; `KeyFile` is one. Called by one thread at a time."""

    def named(self, names: Sequence[bytes]) -> Iterable[WrappedKey]:
        """Return the keys of these names, as far as there are any."""

    def wrapped(self, ids: Sequence[str]) -> Iterable[WrappedKey]:
        """Return the keys of these ids, as far as there are any."""

    def add(self, keys: Sequence[WrappedKey]) -> None:
        """Store keys, on the disk when it returns; of a name that has one the old one stays."""

    def erase(self, name: bytes) -> str | None:
        """Destroy a key and return the id it had, or None when there was none."""

    def version(self) -> int:
        """Return a number that changes when another process has erased a key."""

    def close(self) -> None:
        """Close the store."""


class SubjectKeys:
    """One AES-256 key per subject, wrapped by the master key. Safe to use from several threads.

    Args:
        store: Where they are kept.
        master: Wraps them.
    """

    def __init__(self, store: KeyStore, master: MasterKey) -> None:
        """Make the shared key unless it is there.

        Raises:
            AuditKeyError: When another master key wrapped what is in the store.
        """
        self._store = store
        self._master = master
        self._lock = threading.RLock()
        self._ciphers: OrderedDict[str, AESGCM] = OrderedDict()
        self._raw: OrderedDict[str, bytes] = OrderedDict()
        self._ids: dict[str, str] = {}
        self._look_at = 0.0
        try:
            self._version = store.version()
            # A master key that can't open what is there is refused before it is used to write.
            self._fetch([SHARED_ID])
            self.ids([SHARED])
        except BaseException:
            store.close()
            raise

    def close(self) -> None:
        """Close the store."""
        with self._lock:
            self._store.close()

    def ids(self, subjects: Sequence[str]) -> list[str]:
        """Return the ids of the subjects' keys, making and storing what is missing.

        When it returns, new keys are on the disk. Another process may have erased a key up to 50 ms
        ago; what is recorded of its subject in that moment can't be read afterwards.
        """
        with self._lock:
            # Each look is a third of what it costs to record an event.
            if time.monotonic() >= self._look_at:
                self._forget_if_changed()
            missing = [s for s in dict.fromkeys(subjects) if s not in self._ids]
            if missing:
                self._load(missing)
                new = [s for s in missing if s not in self._ids]
                if new:
                    self._make(new)
            return [self._ids[subject] for subject in subjects]

    def has_all(self, subjects: Iterable[str]) -> bool:
        """Whether the subjects' keys were used lately, so that `ids` will not wait for the disk."""
        return all(subject in self._ids for subject in subjects)

    def find(self, subject: str) -> str | None:
        """Return the id of a subject's key, or None when there is none (any more)."""
        with self._lock:
            self._forget_if_changed()
            if subject not in self._ids:
                self._load([subject])
            return self._ids.get(subject)

    def erase(self, subject: str) -> str | None:
        """Destroy a subject's key and return the id it had, or None when there was none."""
        if subject == SHARED:
            raise AuditKeyError("name a subject: the shared key can't be erased")
        with self._lock:
            key_id = self._store.erase(self._name(subject))
            self._forget()
        return key_id

    def load(self, ids: Iterable[str]) -> None:
        """Fetch keys that `decrypt` is going to need, all in one step; it waits for the store."""
        with self._lock:
            self._forget_if_changed()
            self._fetch(ids)

    def encrypt(
        self, subjects: Sequence[str], plain: bytes, context: bytes
    ) -> tuple[list[str], bytes]:
        """Encrypt for several subjects at once: without the key of each it can't be read.

        Returns:
            The ids of the keys, sorted, and the encrypted text.
        """
        nonce = os.urandom(_NONCE)
        with self._lock:
            ids = sorted(set(self.ids(subjects)))
            return ids, nonce + self._cipher(ids).encrypt(nonce, plain, context)

    def decrypt(self, ids: Sequence[str], box: bytes, context: bytes) -> bytes | None:
        """Return what was encrypted, or None when one of the keys has been erased.

        Raises:
            AuditKeyError: When the text was changed, or the master key is another one.
        """
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415  # 30 ms

        with self._lock:
            self._forget_if_changed()
            try:
                cipher = self._cipher(ids)
            except KeyError:
                return None
            try:
                return cipher.decrypt(box[:_NONCE], box[_NONCE:], context)
            except InvalidTag:
                raise AuditKeyError("an encrypted part was changed") from None

    def _cipher(self, ids: Sequence[str]) -> AESGCM:
        """Return the cipher for one key, or for the key made of several."""
        together = ids[0] if len(ids) == 1 else "+".join(sorted(ids))
        cipher = self._ciphers.get(together)
        if cipher is None:
            from cryptography.hazmat.primitives.ciphers.aead import (  # noqa: PLC0415  # 30 ms
                AESGCM,
            )

            parts = [self._unwrapped(key_id) for key_id in sorted(ids)]
            key = parts[0] if len(parts) == 1 else sha256(b"joint" + b"".join(parts)).digest()
            cipher = self._ciphers[together] = AESGCM(key)
            if len(self._ciphers) > _CACHED:
                self._ciphers.popitem(last=False)
        return cipher

    def _unwrapped(self, key_id: str) -> bytes:
        if key_id not in self._raw:
            self._fetch([key_id])
        return self._raw[key_id]

    def _fetch(self, ids: Iterable[str]) -> None:
        missing = [key_id for key_id in dict.fromkeys(ids) if key_id not in self._raw]
        self._keep(self._store.wrapped(missing) if missing else ())

    def _keep(self, keys: Iterable[WrappedKey]) -> None:
        for key in keys:
            self._raw[key.id] = self._unwrap(key)  # a wrong master key shows here, not years later
        while len(self._raw) > _CACHED:
            self._raw.popitem(last=False)

    def _load(self, subjects: Iterable[str]) -> None:
        named = {self._name(subject): subject for subject in subjects}
        found = [*self._store.named([*named])]
        self._keep(found)
        for key in found:
            self._remember(named[key.name], key.id)

    def _make(self, subjects: Iterable[str]) -> None:
        made = []
        for subject in subjects:
            key_id = SHARED_ID if subject == SHARED else secrets.token_hex(8)
            wrapped = self._wrap(secrets.token_bytes(32), key_id)
            made.append(WrappedKey(self._name(subject), key_id, wrapped))
        # Another process may have made one meanwhile; its key is used then.
        self._store.add(made)
        self._load(subjects)

    def _remember(self, subject: str, key_id: str) -> None:
        if len(self._ids) > _CACHED:
            self._ids.clear()
        self._ids[subject] = key_id

    def _name(self, subject: str) -> bytes:
        return hmac.digest(self._master.naming, subject.encode(), "sha256")

    def _wrap(self, key: bytes, key_id: str) -> bytes:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415  # 30 ms

        nonce = os.urandom(_NONCE)
        return nonce + AESGCM(self._master.wrapping).encrypt(nonce, key, key_id.encode())

    def _unwrap(self, key: WrappedKey) -> bytes:
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415  # 30 ms
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415  # 30 ms

        try:
            cipher = AESGCM(self._master.wrapping)
            return cipher.decrypt(key.wrapped[:_NONCE], key.wrapped[_NONCE:], key.id.encode())
        except InvalidTag:
            raise AuditKeyError(
                "the master key is not the one that this trail's subject keys were wrapped with"
            ) from None

    def _forget_if_changed(self) -> None:
        """Drop what is remembered when another process changed the store: it may have erased."""
        self._look_at = time.monotonic() + _LOOK_EVERY_S
        version = self._store.version()
        if version != self._version:
            self._version = version
            self._forget()

    def _forget(self) -> None:
        self._ids.clear()
        self._raw.clear()
        self._ciphers.clear()
