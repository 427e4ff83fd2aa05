"""The tree of a tenant's log, as it is stored: for `audit/merkle.py`, which has the mathematics."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..audit.merkle import TILE_HEIGHT, Frontier, Tree, leaf_hash
from .models import EventRow, NodeRow

TILE = 1 << TILE_HEIGHT


class StoredHashes:
    """The hashes of one log; a `HashSource`."""

    def __init__(self, session: Session, tenant: str) -> None:
        self._session = session
        self._tenant = tenant

    def hashes(self, level: int, start: int, count: int) -> Sequence[bytes]:
        """Return hashes of leaves (level 0) or of complete subtrees; fewer where some are missing."""
        if level == 0:
            return [leaf_hash(entry) for entry in self.entries(start, count)]
        row = NodeRow
        query = select(row.hash).where(
            row.tenant_id == self._tenant,
            row.level == level,
            row.position >= start,
            row.position < start + count,
        )
        return self._session.scalars(query.order_by(row.position)).all()

    def entries(self, start: int, count: int) -> Sequence[bytes]:
        """Return entries of the log."""
        row = EventRow
        query = select(row.commitment).where(
            row.tenant_id == self._tenant, row.seq >= start, row.seq < start + count
        )
        return self._session.scalars(query.order_by(row.seq)).all()


class _CachedHashes:
    """Hashes a tile at a time, each read once: many proofs of one tree need the same ones."""

    def __init__(self, source: StoredHashes) -> None:
        self._source = source
        self._tiles: dict[tuple[int, int], Sequence[bytes]] = {}

    def hashes(self, level: int, start: int, count: int) -> Sequence[bytes]:
        """Return hashes; what a tree asks for never crosses the border of a tile."""
        number, offset = divmod(start, TILE)
        tile = self._tiles.get((level, number))
        if tile is None:
            tile = self._source.hashes(level, number * TILE, TILE)
            self._tiles[level, number] = tile
        return tile[offset : offset + count]


def tree_of(session: Session, tenant: str, size: int) -> Tree:
    """Return the tree of the first `size` entries of a log."""
    return Tree(_CachedHashes(StoredHashes(session, tenant)), size)


def frontier_of(session: Session, tenant: str, size: int) -> Frontier:
    """Return the right edge of a log, to append to."""
    return Frontier.restore(StoredHashes(session, tenant), size)


def tile(session: Session, tenant: str, level: int, number: int, width: int) -> bytes | None:
    """Return a tile of hashes (c2sp.org/tlog-tiles), or None when the log has not got so far."""
    hashes = StoredHashes(session, tenant).hashes(level, number * TILE, width)
    return b"".join(hashes) if len(hashes) == width else None


def bundle(session: Session, tenant: str, number: int, width: int) -> bytes | None:
    """Return a bundle of entries (c2sp.org/tlog-tiles), or None when the log has not got so far."""
    entries = StoredHashes(session, tenant).entries(number * TILE, width)
    if len(entries) != width:
        return None
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def parse_tile_path(path: str) -> tuple[int, int] | None:
    """Return number and width of a tile from its path, as in `x001/x234/067.p/8`; None for another."""
    whole, dot, partial = path.partition(".p/")
    width = TILE
    if dot:
        if not _is_number(partial) or not 1 <= int(partial) < TILE:
            return None
        width = int(partial)
    *front, last = whole.split("/")
    groups = [part.removeprefix("x") for part in front]
    well_formed = all(part.startswith("x") for part in front) and len(groups) < 6
    if not well_formed or any(len(g) != 3 or not _is_ascii_digits(g) for g in [*groups, last]):
        return None
    if front and groups[0] == "000":
        return None  # one tile, one path
    return int("".join([*groups, last])), width


def _is_ascii_digits(text: str) -> bool:
    return text.isascii() and text.isdecimal()


def _is_number(text: str) -> bool:
    return _is_ascii_digits(text) and len(text) < 4 and str(int(text)) == text
