# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""c2sp.org/tlog-proof@v1: the text that shows a third party that an entry is in a log.

Lines: a header, `extra` data where there is some, the entry's `index`, the hashes of the inclusion proof
(RFC 6962); then an empty line and the signed checkpoint.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass

from .checkpoint import CheckpointError
from .merkle import leaf_hash, root_of_inclusion

_HEADER = "c2sp.org/tlog-proof@v1"
_MAX_PATH = 63


@dataclass(frozen=True, slots=True)
class TlogProof:
    """A proof; nothing of one that was read is believed yet.

    Attributes:
        index: The entry's place in the log.
        path: The inclusion proof.
        note: The signed checkpoint.
        extra: Extra data; empty without.
    """

    index: int
    path: Sequence[bytes]
    note: str
    extra: bytes = b""

    @classmethod
    def parse(cls, text: str) -> TlogProof:
        """Read a proof.

        Raises:
            CheckpointError: When it is none; the text says why.
        """
        head, gap, note = text.partition("\n\n")
        header, *lines = head.split("\n")
        if header != _HEADER or not gap:
            raise CheckpointError(f"not a proof: it begins with {_HEADER}")
        extra = b""
        if lines and lines[0].startswith("extra "):
            extra = _decoded(lines.pop(0).removeprefix("extra "))
        place = lines.pop(0) if lines else ""
        number = place.removeprefix("index ")
        is_number = number.isascii() and number.isdecimal() and len(number) <= 18
        if not place.startswith("index ") or not is_number:
            raise CheckpointError("not a proof: it does not say which entry it is about")
        if len(lines) > _MAX_PATH:
            raise CheckpointError("not a proof: it is too long")
        return cls(int(number), tuple(map(_decoded, lines)), note, extra)

    def dump(self) -> str:
        """Return it as text."""
        extra = [f"extra {b64encode(self.extra).decode()}"] if self.extra else []
        path = (b64encode(item).decode() for item in self.path)
        return "\n".join([_HEADER, *extra, f"index {self.index}", *path, "", self.note])

    def root(self, entry: bytes, size: int) -> bytes | None:
        """Return the root hash that a log of this size has if the entry is at this place.

        None when no log of this size has such a proof.
        """
        return root_of_inclusion(leaf_hash(entry), self.index, size, self.path)


def _decoded(line: str) -> bytes:
    try:
        return b64decode(line, validate=True)
    except ValueError:
        raise CheckpointError("not a proof: a line is no base64") from None
