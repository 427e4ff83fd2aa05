# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Proofs for third parties: one event with its proof, or the whole log as static files.

What a third party needs is the file and the log's verification key; nothing of this service. A proof
is a JSON object:

- `proof`: c2sp.org/tlog-proof@v1, with the signed checkpoint;
- `entry`: the log's entry, whose RFC 6962 leaf hash the proof is about;
- `record`: what the entry commits to by SHA-256, sensitive parts encrypted; null when it was dropped.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from .checkpoint import Checkpoint, CheckpointError, NoteVerifier
from .errors import NotRecordedError
from .merkle import TILE_HEIGHT
from .records import commitment
from .tlog_proof import TlogProof
from .trail import Trail

_TILE = 1 << TILE_HEIGHT


def prove(trail: Trail, event_id: str) -> str:
    """Return the proof that an event is in the log, as JSON.

    Raises:
        NotRecordedError: When there is no such event, or it is not sealed yet.
    """
    row = trail.find(event_id)
    if row is None:
        raise NotRecordedError(f"there is no event {event_id}")
    note = trail.checkpoint(at_least=0 if row.seq is None else row.seq + 1)
    if row.seq is None or note is None or row.leaf is None:
        raise NotRecordedError(f"event {event_id} is not sealed yet: try again in a second")
    checkpoint = Checkpoint.parse(note)
    path = trail.tree(checkpoint.size).inclusion(row.seq)
    proof = TlogProof(row.seq, path, note).dump()
    bundle = {"proof": proof, "entry": row.leaf, "record": row.record}
    return json.dumps(bundle, indent=2, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Proven:
    """What a proof shows.

    Attributes:
        checkpoint: The state of the log that the event is in.
        seq: The event's sequence number.
        entry: The log's entry.
        record: The event, sensitive parts encrypted; None when it was dropped.
    """

    checkpoint: Checkpoint
    seq: int
    entry: dict[str, Any]
    record: dict[str, Any] | None


def check_proof(text: str, verifier: NoteVerifier) -> Proven:
    """Check a proof without the trail.

    Raises:
        CheckpointError: When it proves nothing; the text says why.
    """
    try:
        bundle = json.loads(text)
        proof = TlogProof.parse(str(bundle["proof"]))
        entry, record = bundle["entry"], bundle["record"]
    except (CheckpointError, ValueError, KeyError, TypeError):
        raise CheckpointError("not a proof that `audit prove` wrote") from None
    checkpoint = verifier.open(proof.note)
    if proof.root(entry.encode(), checkpoint.size) != checkpoint.root:
        raise CheckpointError("the entry is not in the log that the checkpoint describes")
    fields = orjson.loads(entry)
    if record is not None and commitment(record) != fields["commitment"]:
        raise CheckpointError("the record is not the one that was logged")
    return Proven(checkpoint, proof.index, fields, orjson.loads(record) if record else None)


def publish(trail: Trail, folder: Path) -> Checkpoint:
    """Write the log as static files that any C2SP client reads (c2sp.org/tlog-tiles).

    They hold hashes and entries, no record: they may be public. Complete tiles never change; what
    is there already stays.

    Raises:
        NotRecordedError: When nothing was sealed yet.
    """
    note = trail.checkpoint()
    if note is None:
        raise NotRecordedError("nothing was sealed yet")
    checkpoint = Checkpoint.parse(note)
    for path, content in _tiles(trail, checkpoint.size):
        target = folder / path
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
    (folder / "checkpoint").write_text(note, "utf-8")
    return checkpoint


def _tiles(trail: Trail, size: int) -> Iterator[tuple[str, bytes]]:
    """Yield the path and content of each tile and entry bundle of a log."""
    level, count = 0, size
    while count:
        for number in range(-(-count // _TILE)):
            width = min(_TILE, count - number * _TILE)
            name = _name(number, width)
            hashes = trail.hashes.hashes(level, number * _TILE, width)
            yield f"tile/{level}/{name}", b"".join(hashes)
            if level == 0:
                yield f"tile/entries/{name}", _bundle(trail, number * _TILE, width)
        level, count = level + 1, count // _TILE


def _name(number: int, width: int) -> str:
    """Return a tile's path: 1234067 is x001/x234/067, a partial one has its width behind."""
    digits = f"{number:0{(len(str(number)) + 2) // 3 * 3}d}"
    parts = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    name = "/".join([*("x" + part for part in parts[:-1]), parts[-1]])
    return name if width == _TILE else f"{name}.p/{width}"


def _bundle(trail: Trail, start: int, count: int) -> bytes:
    query = "SELECT leaf FROM entries WHERE seq >= ? AND seq < ? ORDER BY seq"
    leaves = (leaf.encode() for (leaf,) in trail.connection.execute(query, (start, start + count)))
    return b"".join(len(leaf).to_bytes(2, "big") + leaf for leaf in leaves)
