"""Trails that were tampered with, and trails that were not: commands of audit_trails.py."""

import asyncio
import hashlib
import json
import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from audit_common import checkpoints, fill, open_log, part, verified

# --- clean trails --------------------------------------------------------------------------------


def clean(folder: str, count: str, seed: str) -> dict[str, Any]:
    """Make trails, each different, and return what verification finds wrong: nothing."""
    chance = random.Random(int(seed))
    empty = Path(folder) / "empty"
    open_log(empty).close()
    alarms = []
    for number in range(int(count)):
        one = Path(folder) / "one"
        shutil.copytree(empty, one)
        log = open_log(one, durable=False)
        asyncio.run(fill(log, chance.randrange(1, 16), chance))
        log.close()
        anchor = chance.choice([None, *checkpoints(one)])
        found = verified(one, log.secrets, anchor)
        if found:
            alarms.append({"number": number, "found": found})
        shutil.rmtree(one)
    return {"trails": int(count), "alarms": alarms}


# --- tamperings ----------------------------------------------------------------------------------

COLUMNS = {
    "entries": ("seq", "id", "leaf"),
    "records": (
        "seq",
        "time",
        "action",
        "outcome",
        "target",
        "request_id",
        "expires",
        "record",
    ),
    "mentions": ("key", "seq"),
    "nodes": ("level", "position", "hash"),
    "checkpoints": ("size", "note"),
}


def flipped(value: Any, chance: random.Random) -> Any:
    """Return a value with one bit changed."""
    if value is None:
        return "x"
    if isinstance(value, int):
        return value ^ (1 << chance.randrange(16))
    raw = bytearray(value.encode() if isinstance(value, str) else value)
    # The lowest four bits keep ASCII text what SQLite can store as text.
    raw[chance.randrange(len(raw))] ^= 1 << chance.randrange(4 if isinstance(value, str) else 8)
    return raw.decode() if isinstance(value, str) else bytes(raw)


def some_table(db: sqlite3.Connection, chance: random.Random) -> str:
    """Return a random table that has rows."""
    full = [t for t in COLUMNS if db.execute(f"SELECT count(*) FROM {t}").fetchone()[0]]
    return chance.choice(full)


def some_row(db: sqlite3.Connection, table: str, chance: random.Random) -> tuple[Any, ...]:
    """Return a random row of a table."""
    rows = db.execute(f"SELECT * FROM {table}").fetchall()
    return tuple(chance.choice(rows))


def where(table: str) -> str:
    """Return the condition that finds a row by all its columns."""
    return " AND ".join(f"{name} IS ?" for name in COLUMNS[table])


def flip_bit(db: sqlite3.Connection, chance: random.Random) -> None:
    """Change one bit of one column of one row."""
    table = some_table(db, chance)
    row, at = some_row(db, table, chance), chance.randrange(len(COLUMNS[table]))
    value = flipped(row[at], chance)
    db.execute(
        f"UPDATE OR REPLACE {table} SET {COLUMNS[table][at]} = ? WHERE {where(table)}",
        (value, *row),
    )


def delete_row(db: sqlite3.Connection, chance: random.Random) -> None:
    """Delete a row."""
    table = some_table(db, chance)
    db.execute(f"DELETE FROM {table} WHERE {where(table)}", some_row(db, table, chance))


def swap_rows(db: sqlite3.Connection, chance: random.Random) -> None:
    """Exchange two events, each with all that belongs to it but the number in its entry."""
    size = db.execute("SELECT count(*) FROM entries").fetchone()[0]
    first, second = chance.sample(range(size), 2)
    for table in ("entries", "records", "mentions"):
        for old, new in ((first, -1), (second, first), (-1, second)):
            db.execute(f"UPDATE {table} SET seq = ? WHERE seq = ?", (new, old))
    renumber(db)


def renumber(db: sqlite3.Connection) -> None:
    """Make every entry say its place and commit to its record, and every inner hash fit."""
    merkle, canonical = part("merkle"), part("canonical").canonical
    db.execute("DELETE FROM nodes")
    frontier = merkle.Frontier()
    rows = db.execute("SELECT seq, leaf FROM entries ORDER BY seq").fetchall()
    for seq, leaf in rows:
        entry = json.loads(leaf)
        record = db.execute("SELECT record FROM records WHERE seq = ?", (seq,)).fetchone()[0]
        entry |= {"seq": seq, "commitment": hashlib.sha256(record.encode()).hexdigest()}
        text = canonical(entry).decode()
        db.execute("UPDATE entries SET leaf = ? WHERE seq = ?", (text, seq))
        for node in frontier.append(merkle.leaf_hash(text.encode())):
            db.execute("INSERT INTO nodes VALUES (?, ?, ?)", node)


def edit_record(db: sqlite3.Connection, chance: random.Random) -> None:
    """Change what an event says, and every hash that follows from it."""
    seq = some_row(db, "records", chance)[0]
    db.execute(
        "UPDATE records SET outcome = 'success',"
        ' record = replace(record, \'"outcome":"denied"\', \'"outcome":"success"\') WHERE seq = ?',
        (seq,),
    )
    renumber(db)


def insert_event(db: sqlite3.Connection, chance: random.Random) -> None:
    """Insert an event in the middle, with its hashes, and move those behind it."""
    size = db.execute("SELECT count(*) FROM entries").fetchone()[0]
    at, source = chance.randrange(size + 1), chance.randrange(size)
    leaf = db.execute("SELECT leaf FROM entries WHERE seq = ?", (source,)).fetchone()[0]
    row = db.execute("SELECT * FROM records WHERE seq = ?", (source,)).fetchone()
    old, new = json.loads(leaf)["id"], f"{chance.getrandbits(64):016x}"
    for table in ("entries", "records", "mentions"):
        for seq in reversed(range(at, size)):
            db.execute(f"UPDATE {table} SET seq = ? WHERE seq = ?", (seq + 1, seq))
    db.execute("INSERT INTO entries VALUES (?, ?, ?)", (at, new, leaf.replace(old, new)))
    marks = ",".join("?" * len(row))
    values = (at, *row[1:-1], row[-1].replace(old, new))
    db.execute(f"INSERT INTO records VALUES ({marks})", values)
    for key in part("records").keys_of(json.loads(row[-1])):
        db.execute("INSERT OR IGNORE INTO mentions VALUES (?, ?)", (key, at))
    renumber(db)


def remove_event(db: sqlite3.Connection, chance: random.Random) -> None:
    """Remove an event, close the gap and make every hash fit."""
    size = db.execute("SELECT count(*) FROM entries").fetchone()[0]
    at = chance.randrange(size)
    for table in ("entries", "records", "mentions"):
        db.execute(f"DELETE FROM {table} WHERE seq = ?", (at,))
        for seq in range(at + 1, size):
            db.execute(f"UPDATE {table} SET seq = ? WHERE seq = ?", (seq - 1, seq))
    db.execute("DELETE FROM checkpoints WHERE size > ?", (size - 1,))
    renumber(db)


def truncate(db: sqlite3.Connection, chance: random.Random) -> None:
    """Go back to an older checkpoint, in every table: what is left is a trail that was whole."""
    sizes = [size for (size,) in db.execute("SELECT size FROM checkpoints ORDER BY size")]
    size = chance.choice(sizes[:-1] or sizes)  # the same one changes nothing, and is drawn again
    for table in ("entries", "records", "mentions"):
        db.execute(f"DELETE FROM {table} WHERE seq >= ?", (size,))
    db.execute("DELETE FROM checkpoints WHERE size > ?", (size,))
    renumber(db)


def sign_again(db: sqlite3.Connection, chance: random.Random) -> None:
    """Edit an event and sign every checkpoint anew, with a key that is not the log's."""
    edit_record(db, chance)
    checkpoint, merkle = part("checkpoint"), part("merkle")
    origin = checkpoint.split_note(db.execute("SELECT note FROM checkpoints").fetchone()[0])[0]
    signer = checkpoint.NoteSigner(origin.split("\n")[0], os.urandom(32))
    frontier = merkle.Frontier()
    for seq, leaf in db.execute("SELECT seq, leaf FROM entries ORDER BY seq").fetchall():
        frontier.append(merkle.leaf_hash(leaf.encode()))
        note = signer.sign(checkpoint.Checkpoint(signer.name, seq + 1, frontier.root()))
        db.execute("UPDATE checkpoints SET note = ? WHERE size = ?", (note, seq + 1))


def forge(db: sqlite3.Connection, chance: random.Random) -> None:
    """Put an event into the inbox, as if it had been recorded."""
    row = some_row(db, "records", chance)
    record = row[-1].replace("denied", "success")
    db.execute(
        "INSERT INTO inbox (id, record, code) VALUES (?, ?, ?)",
        (json.loads(record)["id"] + "x", record, chance.randbytes(32)),
    )


TAMPERINGS: tuple[Callable[[sqlite3.Connection, random.Random], None], ...] = (
    flip_bit,
    delete_row,
    swap_rows,
    edit_record,
    insert_event,
    remove_event,
    truncate,
    sign_again,
    forge,
)


def content(path: Path) -> list[list[tuple[Any, ...]]]:
    """Return all rows, in a form that can be compared."""
    with closing(sqlite3.connect(path)) as db:
        tables = (*COLUMNS, "inbox")
        return [sorted(db.execute(f"SELECT * FROM {t}").fetchall(), key=repr) for t in tables]


def tamper(folder: str, count: str, seed: str) -> dict[str, Any]:
    """Tamper with trails and return what was not found."""
    chance = random.Random(int(seed))
    bases = []
    for number, size in enumerate((6, 9, 14, 20, 27, 35, 300)):
        base = Path(folder) / f"base-{number}"
        log = open_log(base)
        asyncio.run(fill(log, size, chance))
        log.close()
        bases.append((base, log.secrets, checkpoints(base)[-1], content(base / "trail.db")))
    triggers = part("schema").TRIGGERS
    missed, done = [], dict.fromkeys((t.__name__ for t in TAMPERINGS), 0)
    while sum(done.values()) < int(count):
        how = chance.choice(TAMPERINGS)
        # The large trail has inner hashes; the small ones make a thousand of these affordable.
        base, secrets, anchor, before = chance.choice(
            bases if chance.random() < 0.2 else bases[:-1]
        )
        one = Path(folder) / "one"
        shutil.copytree(base, one)
        with closing(sqlite3.connect(one / "trail.db", isolation_level=None)) as db:
            db.execute("PRAGMA synchronous = OFF")
            db.execute("BEGIN")
            for name in triggers:
                db.execute(f"DROP TRIGGER {name}")
            how(db, chance)
            for trigger in triggers.values():
                db.execute(trigger)
            db.execute("COMMIT")
        if content(one / "trail.db") != before:
            done[how.__name__] += 1
            if not verified(one, secrets, anchor):
                missed.append(how.__name__)
        shutil.rmtree(one)
    return {"tampered": done, "missed": missed}


def flip_file_bits(folder: str, count: str, seed: str) -> dict[str, Any]:
    """Flip bits anywhere in the file; those that change no row need not be found."""
    chance = random.Random(int(seed))
    base, one = Path(folder) / "base", Path(folder) / "one"
    log = open_log(base)
    asyncio.run(fill(log, 40, chance))
    log.close()
    anchor, before = checkpoints(base)[-1], content(base / "trail.db")
    whole = (base / "trail.db").read_bytes()
    found = harmless = 0
    missed = []
    for _ in range(int(count)):
        shutil.copytree(base, one)
        at, bit = chance.randrange(len(whole)), chance.randrange(8)
        changed = bytearray(whole)
        changed[at] ^= 1 << bit
        (one / "trail.db").write_bytes(changed)
        try:
            alarms = verified(one, log.secrets, anchor)
        except sqlite3.DatabaseError as error:
            alarms = [str(error)]
        if alarms:
            found += 1
        elif content(one / "trail.db") == before:
            harmless += 1
        else:
            missed.append([at, bit])
        shutil.rmtree(one)
    return {"found": found, "harmless": harmless, "missed": missed}
