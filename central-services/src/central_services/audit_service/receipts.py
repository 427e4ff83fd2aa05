"""Receipts: proofs that an event is in the log, which need nothing of this service to be checked.

A receipt is a c2sp.org/tlog-proof@v1. Its extra data is the event's salt; the entry of the log is
`SHA-256(salt + canonical JSON of the event)`. Who has the event, the receipt and the log's
verification key can check it offline.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass

from ..audit.canonical import canonical
from ..audit.checkpoint import Checkpoint, CheckpointError, NoteVerifier
from ..audit.merkle import leaf_hash, root_of_inclusion
from ..audit.proofs import HEADER
from ..kit.cosignatures import Cosignature, CosignatureVerifier
from .payloads import entry_of

MAX_PROOF_LINES = 63


def write_receipt(index: int, path: Sequence[bytes], note: str, salt: bytes | None) -> str:
    """Return a receipt as text; one of an event that was shredded has no salt any more."""
    extra = [f"extra {b64encode(salt).decode()}"] if salt is not None else []
    hashes = (b64encode(item).decode() for item in path)
    return "\n".join([HEADER, *extra, f"index {index}", *hashes, "", note])


@dataclass(frozen=True, slots=True)
class Receipt:
    """A receipt as it was read; nothing of it is believed yet.

    Attributes:
        salt: The event's salt; empty without extra data.
        index: The entry's place in the log.
        path: The inclusion proof.
        note: The checkpoint.
    """

    salt: bytes
    index: int
    path: tuple[bytes, ...]
    note: str

    @classmethod
    def parse(cls, text: str) -> Receipt:
        """Read a receipt.

        Raises:
            CheckpointError: It is none.
        """
        head, gap, note = text.replace("\r\n", "\n").partition("\n\n")
        header, *lines = head.split("\n")
        if header != HEADER or not gap:
            raise CheckpointError(f"not a receipt: it begins with {HEADER}")
        salt = b""
        if lines and lines[0].startswith("extra "):
            salt = _decode(lines.pop(0).removeprefix("extra "))
        number = lines.pop(0).removeprefix("index ") if lines else ""
        if not number.isascii() or not number.isdecimal() or len(number) > 18:
            raise CheckpointError("not a receipt: a line `index` is missing")
        if len(lines) > MAX_PROOF_LINES:
            raise CheckpointError("not a receipt: the proof is too long")
        return cls(salt, int(number), tuple(map(_decode, lines)), note)


@dataclass(frozen=True, slots=True)
class Proven:
    """What a receipt shows.

    Attributes:
        checkpoint: The state of the log that the event is in.
        index: The event's place.
        cosignatures: Which witnesses saw that state.
    """

    checkpoint: Checkpoint
    index: int
    cosignatures: tuple[Cosignature, ...]


def check_receipt(
    text: str, event: object, *, log_keys: Sequence[str], witness_keys: Sequence[str]
) -> Proven:
    """Check that an event is what a receipt is about, and in the log.

    Raises:
        CheckpointError: It is not; the text says why.
        AuditKeyError: There is no verification key.
        InvalidEventError: The event can't be written as canonical JSON.
    """
    receipt = Receipt.parse(text)
    if not receipt.salt:
        raise CheckpointError("the receipt has no salt: its event was shredded")
    checkpoint = NoteVerifier(log_keys).open(receipt.note)
    leaf = leaf_hash(entry_of(receipt.salt, canonical(event)))
    root = root_of_inclusion(leaf, receipt.index, checkpoint.size, receipt.path)
    if root != checkpoint.root:
        raise CheckpointError("this event is not what the log has at this place")
    found = CosignatureVerifier(witness_keys).find(receipt.note)
    return Proven(checkpoint, receipt.index, tuple(found))


def _decode(line: str) -> bytes:
    try:
        return b64decode(line, validate=True)
    except (binascii.Error, ValueError):
        raise CheckpointError("not a receipt: a line is no base64") from None
