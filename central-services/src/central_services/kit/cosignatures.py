"""Cosignatures of checkpoints, Ed25519 (c2sp.org/tlog-cosignature, `cosignature/v1`): made and verified.

A witness says with one that, at a time, the largest consistent tree that it has seen of a log has this
root. The log's own signature is another thing: `audit/checkpoint.py` has that.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ..audit.checkpoint import CheckpointError, split_note

_TYPE = b"\x04"
_DASH = "\u2014 "
_LENGTH = 4 + 8 + 64
"""Key id, time, signature."""


class CosignerKeyError(ValueError):
    """A text is no cosigner's key."""


def _key_id(name: str, public: bytes) -> bytes:
    return sha256(name.encode() + b"\n" + _TYPE + public).digest()[:4]


def _message(text: str, time: int) -> bytes:
    return f"cosignature/v1\ntime {time}\n{text}".encode()


class Cosigner:
    """Signs checkpoints as a witness.

    Attributes:
        name: The key's name, a URL without a scheme.
        verification_key: What others need to check its cosignatures; not a secret.
    """

    def __init__(self, name: str, seed: bytes) -> None:
        """Take the key's name and its 32 secret bytes.

        Raises:
            CosignerKeyError: The name can't stand in a note, or the seed is not 32 bytes.
        """
        if not name or any(character.isspace() or character == "+" for character in name):
            raise CosignerKeyError("the name of a cosigner has neither spaces nor plus signs")
        if len(seed) != 32:
            raise CosignerKeyError("the key of a cosigner has 32 bytes")
        self.name = name
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        public = self._key.public_key().public_bytes_raw()
        self._id = _key_id(name, public)
        self.verification_key = f"{name}+{self._id.hex()}+{b64encode(_TYPE + public).decode()}"

    def cosign(self, text: str, time: int) -> str:
        """Return the signature line for the text of a checkpoint.

        Args:
            text: The note's text, up to its last newline before the signatures.
            time: Seconds since 1970.
        """
        signature = self._id + time.to_bytes(8, "big") + self._key.sign(_message(text, time))
        return f"{_DASH}{self.name} {b64encode(signature).decode()}\n"


@dataclass(frozen=True, slots=True)
class Cosignature:
    """A cosignature that verified.

    Attributes:
        name: The witness.
        time: When it was made, in seconds since 1970.
        line: The signature line of the note.
    """

    name: str
    time: int
    line: str


class CosignatureVerifier:
    """Finds the cosignatures of witnesses that are trusted."""

    def __init__(self, verification_keys: Iterable[str]) -> None:
        """Take keys as `Cosigner.verification_key` gives them.

        Raises:
            CosignerKeyError: One is malformed.
        """
        self._keys = dict(map(_public_key, verification_keys))

    def find(self, note: str) -> list[Cosignature]:
        """Return the cosignatures of a note that trusted witnesses made; any other is passed by.

        Raises:
            CheckpointError: It is no note.
        """
        text, signatures = split_note(note)
        return list(self._valid(text, signatures))

    def _valid(self, text: str, signatures: Iterable[tuple[str, bytes]]) -> Iterator[Cosignature]:
        for name, raw in signatures:
            key = self._keys.get((name, raw[:4]))
            if key is None or len(raw) != _LENGTH:
                continue
            time = int.from_bytes(raw[4:12], "big")
            try:
                key.verify(raw[12:], _message(text, time))
            except InvalidSignature:
                continue
            yield Cosignature(name, time, f"{_DASH}{name} {b64encode(raw).decode()}\n")


def with_lines(note: str, lines: str) -> str:
    """Return a note with further signature lines.

    Raises:
        CheckpointError: They are none.
    """
    joined = note + lines
    if lines and not lines.endswith("\n"):
        raise CheckpointError("a signature line does not end")
    split_note(joined)
    return joined


def _public_key(text: str) -> tuple[tuple[str, bytes], Ed25519PublicKey]:
    name, _, rest = text.strip().partition("+")
    key_id, _, encoded = rest.partition("+")
    try:
        raw = b64decode(encoded, validate=True)
        public = Ed25519PublicKey.from_public_bytes(raw[1:])
        known = bytes.fromhex(key_id)
    except (binascii.Error, ValueError):
        raise CosignerKeyError(f"not a cosigner's key: {text[:80]!r}") from None
    if raw[:1] != _TYPE or _key_id(name, raw[1:]) != known:
        raise CosignerKeyError(f"not a cosigner's key: {text[:80]!r}")
    return (name, known), public
