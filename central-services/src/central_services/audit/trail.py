# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The stored trail as it is read: hashes, entries, records, checkpoints."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .merkle import Frontier, Tree, leaf_hash


class StoredHashes:
    """The hashes of the log, read from its tables."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def hashes(self, level: int, start: int, count: int) -> Sequence[bytes]:
        """Return hashes of leaves (level 0) or of complete subtrees; fewer where some are missing."""
        if level == 0:
            query = "SELECT leaf FROM entries WHERE seq >= ? AND seq < ? ORDER BY seq"
            rows = self._connection.execute(query, (start, start + count))
            return [leaf_hash(leaf.encode()) for (leaf,) in rows]
        query = (
            "SELECT hash FROM nodes WHERE level = ? AND position >= ? AND position < ?"
            " ORDER BY position"
        )
        rows = self._connection.execute(query, (level, start, start + count))
        return [digest for (digest,) in rows]


@dataclass(frozen=True, slots=True)
class Row:
    """A record of the trail.

    Attributes:
        seq: Its sequence number, or None while it is not sealed.
        record: Canonical JSON, or None when it was dropped at the end of its retention.
        leaf: The log's entry for it, or None while it is not sealed.
    """

    seq: int | None
    record: str | None
    leaf: str | None


@dataclass(frozen=True, slots=True)
class Search:
    """What to look for; what is None or empty is not asked.

    Attributes:
        action: An action, or with a dot at its end the beginning of one.
        outcome: success, failure or denied.
        target: `kind:id`, for targets that are not people.
        key: The id of a subject's key.
        since: RFC 3339, UTC; events at or after it.
        until: The same; events before it.
        request_id: The request.
    """

    action: str = ""
    outcome: str = ""
    target: str = ""
    key: str = ""
    since: str = ""
    until: str = ""
    request_id: str = ""

    def where(self) -> tuple[str, list[object]]:
        """Return the condition in SQL and its values."""
        tests: list[str] = []
        values: list[object] = []

        def test(condition: str, *given: object) -> None:
            if given[0]:
                tests.append(condition)
                values.extend(given)

        if self.action.endswith("."):
            test("action >= ? AND action < ?", self.action, self.action[:-1] + "/")
        else:
            test("action = ?", self.action)
        test("outcome = ?", self.outcome)
        test("target = ?", self.target)
        test("time >= ?", self.since)
        test("time < ?", self.until)
        test("request_id = ?", self.request_id)
        test("seq IN (SELECT seq FROM mentions WHERE key = ?)", self.key)
        return " AND ".join(tests) or "1", values


class Trail:
    """Reads a trail; each method sees what was committed when it was called."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.hashes = StoredHashes(connection)

    def size(self) -> int:
        """Return how many events are sealed."""
        query = "SELECT ifnull(max(seq) + 1, 0) FROM entries"
        return int(self.connection.execute(query).fetchone()[0])

    def unsealed(self) -> int:
        """Return how many events wait to be sealed."""
        return int(self.connection.execute("SELECT count(*) FROM inbox").fetchone()[0])

    def tree(self, size: int) -> Tree:
        """Return the tree of the first `size` entries."""
        return Tree(self.hashes, size)

    def frontier(self) -> Frontier:
        """Return the right edge of the tree, to append to."""
        return Frontier.restore(self.hashes, self.size())

    def checkpoint(self, at_least: int = 0) -> str | None:
        """Return the newest checkpoint, or None when there is none that large."""
        query = "SELECT note FROM checkpoints WHERE size >= ? ORDER BY size DESC LIMIT 1"
        row = self.connection.execute(query, (at_least,)).fetchone()
        return str(row[0]) if row else None

    def find(self, event_id: str) -> Row | None:
        """Return an event by its id, sealed or not."""
        query = (
            "SELECT e.seq, r.record, e.leaf FROM entries e LEFT JOIN records r USING (seq)"
            " WHERE e.id = ? UNION ALL SELECT NULL, record, NULL FROM inbox WHERE id = ?"
        )
        row = self.connection.execute(query, (event_id, event_id)).fetchone()
        return Row(*row) if row else None

    def at(self, seq: int) -> Row | None:
        """Return an event by its sequence number."""
        query = (
            "SELECT e.seq, r.record, e.leaf FROM entries e LEFT JOIN records r USING (seq)"
            " WHERE e.seq = ?"
        )
        row = self.connection.execute(query, (seq,)).fetchone()
        return Row(*row) if row else None

    def search(self, search: Search, *, limit: int = 0, newest: bool = False) -> Iterator[Row]:
        """Yield sealed events that match, in order; the newest ones first when asked for."""
        where, values = search.where()
        order = "DESC" if newest else "ASC"
        query = (
            f"SELECT r.seq, r.record, e.leaf FROM records r JOIN entries e USING (seq)"  # noqa: S608  # conditions have placeholders
            f" WHERE {where} ORDER BY seq {order} LIMIT ?"
        )
        for row in self.connection.execute(query, (*values, limit or -1)):
            yield Row(*row)

    def count(self, search: Search) -> int:
        """Return how many sealed events match."""
        where, values = search.where()
        query = f"SELECT count(*) FROM records WHERE {where}"  # noqa: S608  # as above
        return int(self.connection.execute(query, values).fetchone()[0])
