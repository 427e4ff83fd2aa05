"""Changes to the database of the audit service, as somebody with SQL would make them."""

import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path


def drop_entry(db: sqlite3.Connection, chance: random.Random) -> None:
    """Take an event out and move those behind it up."""
    size = _size(db)
    at = chance.randrange(size)
    db.execute("DELETE FROM trail_events WHERE seq = ?", (at,))
    for seq in range(at + 1, size):
        db.execute("UPDATE trail_events SET seq = ? WHERE seq = ?", (seq - 1, seq))


def swap_entries(db: sqlite3.Connection, chance: random.Random) -> None:
    """Exchange the places of two events."""
    first, second = chance.sample(range(_size(db)), 2)
    for old, new in ((first, -1), (second, first), (-1, second)):
        db.execute("UPDATE trail_events SET seq = ? WHERE seq = ?", (new, old))


def flip_commitment(db: sqlite3.Connection, chance: random.Random) -> None:
    """Change one bit of an entry."""
    seq = chance.randrange(_size(db))
    query = "SELECT commitment FROM trail_events WHERE seq = ?"
    raw = bytearray(db.execute(query, (seq,)).fetchone()[0])
    raw[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
    db.execute("UPDATE trail_events SET commitment = ? WHERE seq = ?", (bytes(raw), seq))


def copy_entry(db: sqlite3.Connection, chance: random.Random) -> None:
    """Put the entry of an event in the place of another's."""
    first, second = chance.sample(range(_size(db)), 2)
    query = "SELECT commitment FROM trail_events WHERE seq = ?"
    entry = db.execute(query, (first,)).fetchone()
    db.execute("UPDATE trail_events SET commitment = ? WHERE seq = ?", (*entry, second))


def truncate(db: sqlite3.Connection, chance: random.Random) -> None:
    """Forget the newest events."""
    keep = chance.randrange(1, _size(db))
    db.execute("DELETE FROM trail_events WHERE seq >= ?", (keep,))


def roll_back(db: sqlite3.Connection, chance: random.Random) -> None:
    """Go back to an older state, with its own signed checkpoint: a whole log, only shorter."""
    sizes = [s for (s,) in db.execute("SELECT size FROM trail_checkpoints ORDER BY size")]
    keep = chance.choice(sizes[:-1])
    db.execute("DELETE FROM trail_events WHERE seq >= ?", (keep,))
    db.execute("DELETE FROM trail_checkpoints WHERE size > ?", (keep,))
    db.execute("UPDATE trail_logs SET size = ?", (keep,))


TAMPERINGS: tuple[Callable[[sqlite3.Connection, random.Random], None], ...] = (
    drop_entry,
    swap_entries,
    flip_commitment,
    copy_entry,
    truncate,
    roll_back,
)


def _size(db: sqlite3.Connection) -> int:
    return int(db.execute("SELECT count(*) FROM trail_events").fetchone()[0])


def published(db: sqlite3.Connection) -> tuple[list[bytes], str]:
    """Return what the log publishes: its entries, and its newest checkpoint."""
    entries = db.execute("SELECT commitment FROM trail_events ORDER BY seq").fetchall()
    note = db.execute("SELECT note FROM trail_checkpoints ORDER BY size DESC LIMIT 1").fetchone()
    return [entry for (entry,) in entries], note[0]


def tamper(path: Path, seed: int) -> tuple[str, list[bytes], str]:
    """Change a copy in memory of a database, and return how and what its log then publishes."""
    chance = random.Random(seed)
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(":memory:")) as db:
        source.backup(db)
        change = TAMPERINGS[seed % len(TAMPERINGS)]
        change(db, chance)
        return change.__name__, *published(db)
