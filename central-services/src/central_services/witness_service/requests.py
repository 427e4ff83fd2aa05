"""The body of `add-checkpoint` (c2sp.org/tlog-witness)."""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from dataclasses import dataclass

from ..audit.checkpoint import Checkpoint, CheckpointError, split_note
from .errors import MalformedRequestError

MAX_PROOF_LINES = 63
MAX_BODY_BYTES = 64 * 1024
_MAX_SIZE = 10**18
"""More leaves than there will be, and fewer than the column takes."""


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """A checkpoint to cosign.

    Attributes:
        old_size: The size of the tree that the proof starts from.
        proof: The consistency proof, the lowest hash first.
        note: The checkpoint with the log's signatures.
        text: What of it is signed.
        checkpoint: What it says.
    """

    old_size: int
    proof: tuple[bytes, ...]
    note: str
    text: str
    checkpoint: Checkpoint

    @classmethod
    def parse(cls, body: bytes) -> AddCheckpoint:
        """Read a body.

        Raises:
            MalformedRequestError: It is none.
        """
        if len(body) > MAX_BODY_BYTES:
            raise MalformedRequestError("The request is too large.")
        try:
            head, gap, note = body.decode("utf-8").partition("\n\n")
            text, _ = split_note(note)
            checkpoint = Checkpoint.parse(text)
            old, *lines = head.split("\n")
            if not gap or len(lines) > MAX_PROOF_LINES or checkpoint.size >= _MAX_SIZE:
                raise MalformedRequestError("The proof has too many lines, or the log entries.")
            proof = tuple(_hash(line) for line in lines)
            return cls(_old_size(old), proof, note, text, checkpoint)
        except (UnicodeDecodeError, CheckpointError, ValueError) as error:
            raise MalformedRequestError(f"Not a request to add a checkpoint: {error}.") from None


def _old_size(line: str) -> int:
    word, _, number = line.partition(" ")
    if word != "old" or not number.isascii() or not number.isdecimal() or len(number) > 18:
        raise ValueError("it begins with the old size")
    if str(int(number)) != number:
        raise ValueError("the old size has leading zeroes")
    return int(number)


def _hash(line: str) -> bytes:
    try:
        raw = b64decode(line, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != 32 or b64encode(raw).decode() != line:
        raise ValueError("a line of the proof is no hash")
    return raw
