# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Signed checkpoints: what the log vouches for (c2sp.org/tlog-checkpoint, c2sp.org/signed-note).

    acme-orders/audit
    109482
    sFodV/vSp5O8n9a8QpW6PRY97tfOSW5bsc2Xl/EQi08=

    — acme-orders/audit hI2DJw...

Whoever keeps one elsewhere can tell later whether the log still holds what it held then.
"""

from __future__ import annotations

import binascii
import hmac
from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from .errors import AuditKeyError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

_ED25519 = b"\x01"
_DASH = "\u2014 "


class CheckpointError(ValueError):
    """A text is no checkpoint, or nobody who is trusted signed it."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The size and root hash of a log at some moment.

    Attributes:
        origin: Which log.
        size: How many entries it has.
        root: Its root hash.
    """

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """What is signed."""
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Read the signed part of a note.

        Raises:
            CheckpointError: When it is no checkpoint.
        """
        lines = text.split("\n")
        if (
            len(lines) < 4
            or not lines[0]
            or not lines[1].isdecimal()
            or str(int(lines[1])) != lines[1]
        ):
            raise CheckpointError(
                "not a checkpoint: it begins with an origin, a size and a root hash"
            )
        root = _decode(lines[2])
        if len(root) != 32:
            raise CheckpointError("not a checkpoint: the root hash has 32 bytes")
        return cls(lines[0], int(lines[1]), root)


def _decode(text: str) -> bytes:
    try:
        raw = b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    # Base64 has bits to spare at its end: two texts of one value would hide an edit.
    if b64encode(raw).decode() != text:
        raise CheckpointError(f"not base64: {text[:50]!r}")
    return raw


def _key_id(name: str, key: bytes) -> bytes:
    return sha256(name.encode() + b"\n" + _ED25519 + key).digest()[:4]


class NoteSigner:
    """Signs checkpoints with the log's Ed25519 key.

    Attributes:
        name: The key's name, which is also the log's origin.
        verification_key: What others need to check the signatures; not a secret.
    """

    def __init__(self, name: str, seed: bytes) -> None:
        """Take the key's name and its 32 secret bytes."""
        from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415  # 30 ms

        self.name = name
        self._key: Ed25519PrivateKey = ed25519.Ed25519PrivateKey.from_private_bytes(seed)
        public = self._key.public_key().public_bytes_raw()
        self._id = _key_id(name, public)
        self._seed = seed
        self.verification_key = f"{name}+{self._id.hex()}+{b64encode(_ED25519 + public).decode()}"

    @classmethod
    def parse(cls, text: str) -> NoteSigner:
        """Read a key as `audit keygen` and the note tools of Go write it.

        Raises:
            AuditKeyError: When it is no such key.
        """
        parts = text.strip().split("+", 4)
        try:
            if parts[:2] != ["PRIVATE", "KEY"]:
                raise ValueError  # noqa: TRY301  # one message for all that can be wrong
            key = b64decode(parts[4], validate=True)
            signer = cls(parts[2], key[1:])
            if key[:1] != _ED25519 or signer._id.hex() != parts[3]:
                raise ValueError  # noqa: TRY301  # the same
        except (ValueError, IndexError):
            raise AuditKeyError("the signing key is not one: `audit keygen` makes one") from None
        return signer

    def of_replica(self, name: str) -> NoteSigner:
        """Return the signer of a replica's log: one secret serves them all, each has its own key.

        Args:
            name: The replica's log.
        """
        seed = hmac.digest(self._seed, b"slipway replica " + name.encode(), "sha256")
        return NoteSigner(name, seed)

    @property
    def secret(self) -> str:
        """The key as text, to be kept where secrets are kept."""
        return (
            f"PRIVATE+KEY+{self.name}+{self._id.hex()}+{b64encode(_ED25519 + self._seed).decode()}"
        )

    def sign(self, checkpoint: Checkpoint) -> str:
        """Return the signed note."""
        signature = self._id + self._key.sign(checkpoint.text.encode())
        return f"{checkpoint.text}\n{_DASH}{self.name} {b64encode(signature).decode()}\n"


class NoteVerifier:
    """Reads notes that were signed by one of the keys that are trusted."""

    def __init__(self, verification_keys: Iterable[str]) -> None:
        """Take keys as `NoteSigner.verification_key` gives them; old ones stay in the list.

        Raises:
            AuditKeyError: When one is malformed, or there is none.
        """
        self._keys = dict(map(_public_key, verification_keys))
        if not self._keys:
            raise AuditKeyError("no verification key: `audit checkpoint --key` shows the log's")

    def open(self, note: str) -> Checkpoint:
        """Return the checkpoint in a note.

        Raises:
            CheckpointError: When no trusted key signed it, or it is no checkpoint.
        """
        text, signatures = split_note(note)
        if any(self._is_signed(text, name, raw) for name, raw in signatures):
            return Checkpoint.parse(text)
        raise CheckpointError("no trusted key has signed the checkpoint")

    def _is_signed(self, text: str, name: str, raw: bytes) -> bool:
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415  # as above

        key = self._keys.get((name, raw[:4]))
        if key is None:
            return False
        try:
            key.verify(raw[4:], text.encode())
        except InvalidSignature:
            return False
        return True


def split_note(note: str) -> tuple[str, Sequence[tuple[str, bytes]]]:
    """Return the text of a note and its signatures as (key name, key id and signature).

    Raises:
        CheckpointError: When it is no note.
    """
    text, gap, rest = note.rpartition("\n\n")
    if not gap or not rest.endswith("\n"):
        raise CheckpointError("not a signed note: no signatures after an empty line")
    signatures = []
    for line in rest[:-1].split("\n"):
        name, space, signature = line.removeprefix(_DASH).partition(" ")
        if not line.startswith(_DASH) or not space or not name:
            raise CheckpointError("not a signed note: a signature line is malformed")
        signatures.append((name, _decode(signature)))
    return text + "\n", signatures


def _public_key(text: str) -> tuple[tuple[str, bytes], Ed25519PublicKey]:
    from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415  # as above

    name, _, rest = text.strip().partition("+")
    key_id, _, encoded = rest.partition("+")
    try:
        raw = b64decode(encoded, validate=True)
        public = ed25519.Ed25519PublicKey.from_public_bytes(raw[1:])
    except ValueError:
        raise AuditKeyError(f"not a verification key: {text[:80]!r}") from None
    if raw[:1] != _ED25519 or _key_id(name, raw[1:]).hex() != key_id:
        raise AuditKeyError(f"not a verification key: {text[:80]!r}")
    return (name, bytes.fromhex(key_id)), public
