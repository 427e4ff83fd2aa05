"""Receipts: proofs that an event is in the log, which need nothing of this service to be checked.

A receipt is a c2sp.org/tlog-proof@v1. Its extra data is the event's salt; the entry of the log is
`SHA-256(salt + canonical JSON of the event)`. Who has the event, the receipt and the log's
verification key can check it offline.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..audit.canonical import canonical
from ..audit.checkpoint import Checkpoint, CheckpointError, NoteVerifier
from ..audit.tlog_proof import TlogProof
from ..kit.cosignatures import Cosignature, CosignatureVerifier
from .payloads import entry_of


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
    receipt = TlogProof.parse(text.replace("\r\n", "\n"))  # as a form of a page sends it
    if not receipt.extra:
        raise CheckpointError("the receipt has no salt: its event was shredded")
    checkpoint = NoteVerifier(log_keys).open(receipt.note)
    entry = entry_of(receipt.extra, canonical(event))
    if receipt.root(entry, checkpoint.size) != checkpoint.root:
        raise CheckpointError("this event is not what the log has at this place")
    found = CosignatureVerifier(witness_keys).find(receipt.note)
    return Proven(checkpoint, receipt.index, tuple(found))
