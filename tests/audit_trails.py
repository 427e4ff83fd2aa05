"""What test_audit.py runs in the interpreter of a rendered project: `audit_trails.py PACKAGE COMMAND ...`.

Each command prints one JSON document, or a line per acknowledged event.
"""

import asyncio
import hashlib
import importlib
import itertools
import json
import os
import random
import shutil
import sqlite3
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

PACKAGE = sys.argv[1]
REFUSAL = {"method": "GET", "route": "/orders/{order_id}", "status": 403}


def part(name: str) -> Any:
    """Return a module of the rendered project's audit package."""
    return importlib.import_module(f"{PACKAGE}.audit.{name}")


def settings(folder: Path) -> Any:
    """Return the settings of a trail in a folder."""
    return importlib.import_module(f"{PACKAGE}.core.audit_settings").AuditSettings(path=folder)


def open_log(folder: Path, *, durable: bool = True) -> Any:
    """Open a trail; without fsync where nobody pulls the plug and there are a thousand of them."""
    log = part("log").AuditLog(settings(folder))
    if not durable:
        for connection in (log.sealer.connection, log.keys._file, log._inbox._connection):
            connection.execute("PRAGMA synchronous = OFF")
    return log


def user(name: str) -> Any:
    """Return a person who acts."""
    return part("events").Actor("user", name, address="192.0.2.1")


async def fill(log: Any, count: int, chance: random.Random) -> list[str]:
    """Record events of a few people, sealing after some of them, and return the ids."""
    ids = []
    for number in range(count):
        event = await log.record(
            "access.denied" if chance.random() < 0.7 else "auth.login_failed",
            target=f"route:{chance.randrange(9)}",
            actor=user(f"person-{chance.randrange(6)}"),
            outcome="denied",
            data=REFUSAL,
            reason=f"reason {number}",
        )
        ids.append(event.id)
        if chance.random() < 0.2:
            log.sealer.seal()
    log.sealer.seal()
    return ids


def verified(folder: Path, log_secrets: Any, anchor: str | None) -> list[str]:
    """Return where the verification of a trail finds something."""
    options = settings(folder)
    connect = part("schema").connect
    with closing(connect(folder / "trail.db", read_only=True)) as connection:
        report = (
            part("verify")
            .Verification(
                connection, log_secrets.verifier, options.origin, master=log_secrets.master
            )
            .run(anchor)
        )
    return [f"{finding.where}: {finding.what}" for finding in report.findings]


def checkpoints(folder: Path) -> list[str]:
    """Return the checkpoints of a trail, in order."""
    with closing(sqlite3.connect(folder / "trail.db")) as connection:
        rows = connection.execute("SELECT note FROM checkpoints ORDER BY size")
        return [note for (note,) in rows]


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


# --- proofs --------------------------------------------------------------------------------------

LARGE = 65_537


class Grown:
    """A tree of 65,537 leaves, and the hashes that a stored one of that size has."""

    def __init__(self) -> None:
        merkle = part("merkle")
        self.levels: dict[int, list[bytes]] = {0: []}
        self.nodes: dict[tuple[int, int], bytes] = {}
        frontier = merkle.Frontier()
        for number in range(LARGE):
            leaf = merkle.leaf_hash(str(number).encode())
            self.levels[0].append(leaf)
            for level, _, digest in frontier.append(leaf):
                self.levels.setdefault(level, []).append(digest)

    def hashes(self, level: int, start: int, count: int) -> list[bytes]:
        """Return what is stored; see the package's HashSource."""
        return self.levels.get(level, [])[start : start + count]

    def tree(self, size: int) -> Any:
        """Return the tree of some size, which remembers the subtrees it has hashed."""
        tree = part("merkle").Tree(self, size)
        compute = tree.node

        def node(level: int, index: int) -> bytes:
            if (level, index) not in self.nodes:
                self.nodes[level, index] = compute(level, index)
            return self.nodes[level, index]

        tree.node = node
        return tree


def wanted(chance: random.Random) -> Iterator[tuple[str, int, int]]:
    """Yield (kind, size, index or earlier size): all for small sizes, samples for large ones."""
    for size in (*range(1, 131), 255, 256, 257):
        yield from (("inclusion", size, index) for index in range(size))
        yield from (("consistency", size, earlier) for earlier in range(1, size + 1))
    for size in (LARGE - 2, LARGE - 1, LARGE):
        edges = {0, 1, 255, 256, 257, size // 2, size - 2, size - 1}
        for at in edges | set(chance.sample(range(size), 200)):
            yield "inclusion", size, at
            yield "consistency", size, at + 1
    for _ in range(10_000):
        size = chance.randrange(258, LARGE - 2)
        yield "inclusion", size, chance.randrange(size)
        yield "consistency", LARGE, size


def proofs(path: str, seed: str) -> dict[str, Any]:
    """Write proofs for others to check."""
    grown = Grown()
    counts = {"inclusion": 0, "consistency": 0}
    with Path(path).open("w") as out:
        for kind, size, at in wanted(random.Random(int(seed))):
            tree, inclusion = grown.tree(size), kind == "inclusion"
            proof = tree.inclusion(at) if inclusion else tree.consistency(at)
            earlier = b"" if inclusion else grown.tree(at).root()
            row = [kind, size, at, tree.root().hex(), earlier.hex(), [p.hex() for p in proof]]
            out.write(json.dumps(row) + "\n")
            counts[kind] += 1
    return counts


def published(folder: str, count: str) -> dict[str, Any]:
    """Make a trail and publish it as a tiled log."""
    log = open_log(Path(folder) / "trail", durable=False)

    async def record() -> None:
        events = (
            log.record("access.denied", target=f"route:{number}", data=REFUSAL)
            for number in range(int(count))
        )
        await asyncio.gather(*events)

    asyncio.run(record())
    log.sealer.seal()
    trail = part("trail").Trail(log.sealer.connection)
    part("proofs").publish(trail, Path(folder) / "public")
    log.close()
    return {"vkey": log.secrets.signer.verification_key, "origin": log.settings.origin}


# --- durability and erasure ----------------------------------------------------------------------


def say(text: str) -> None:
    """Write a line at once, in one system call."""
    os.write(1, text.encode() + b"\n")


def one_by_one(folder: str, count: str) -> None:
    """Record events one after the other, and say so after each acknowledgement."""
    log = open_log(Path(folder))

    async def record() -> None:
        # Its key is made with the first event; the trace is about the others.
        for number in range(int(count) + 1):
            event = await log.record(
                "access.denied", target="route:1", actor=user("ada"), data=REFUSAL
            )
            say(f"ACK {number} {event.id}")

    asyncio.run(record())
    log.close()


def under_load(folder: str, callers: str) -> None:
    """Record without end, many at once, and name each event that was acknowledged."""
    log = open_log(Path(folder))
    log.start_sealing()
    numbers = itertools.count()

    async def caller() -> None:
        for number in numbers:
            person = user(f"person-{number % 50}")
            event = await log.record(
                "access.denied", target=f"route:{number}", actor=person, data=REFUSAL
            )
            say(f"ACK {event.id}")

    async def everybody() -> None:
        await asyncio.gather(*(caller() for _ in range(int(callers))))

    asyncio.run(everybody())


class UndoneError(Exception):
    """What a change fails with."""


def database_of(url: str) -> Any:
    """Return the project's database."""
    of_core = f"{PACKAGE}.core"
    options = importlib.import_module(f"{of_core}.database_settings").DatabaseSettings
    database = importlib.import_module(f"{of_core}.database").Database
    return database(options.model_validate({"url": url}))


def in_transactions(folder: str, url: str, callers: str) -> None:
    """Change the database and record it, many at once, without end; some changes are undone."""
    log, database = open_log(Path(folder)), database_of(url)
    log.outbox = part("transactional").Outbox(log)
    log.start_sealing()
    order_row = importlib.import_module(f"{PACKAGE}.orders.models").OrderRow
    now = part("events").utc_now
    chance = random.Random()

    async def change() -> str:
        order = uuid.uuid4()
        values = {"status": "placed", "currency": "EUR", "total": 0, "fingerprint": ""}
        event_id = ""
        try:
            async with database.transaction() as session:
                session.add(order_row(id=order, created_at=now(), updated_at=now(), **values))
                event = await log.record(
                    "access.denied",
                    target=f"order:{order}",
                    actor=user(f"person-{chance.randrange(20)}"),
                    data=REFUSAL,
                    session=session,
                )
                event_id = event.id
                if chance.random() < 0.3:
                    raise UndoneError
        except UndoneError:
            return f"UNDONE {event_id}"
        return f"ACK {event_id}"

    async def caller() -> None:
        while True:
            say(await change())

    async def everybody() -> None:
        options = importlib.import_module(f"{PACKAGE}.core.database_settings").DatabaseSettings
        relay = part("transactional").Relay(log, options.model_validate({"url": url}))
        changes = (caller() for _ in range(int(callers)))
        await asyncio.gather(relay.run(0.05), *changes)

    asyncio.run(everybody())


def settle(folder: str, url: str) -> dict[str, Any]:
    """Relay and seal what is left, and return the orders and the events there are."""
    sqlalchemy = importlib.import_module("sqlalchemy")
    log, database = open_log(Path(folder)), database_of(url)
    options = importlib.import_module(f"{PACKAGE}.core.database_settings").DatabaseSettings

    async def finish() -> list[str]:
        relay = part("transactional").Relay(log, options.model_validate({"url": url}))
        relay.stop()
        await relay.run(1)
        assert not relay.problem, relay.problem
        async with database.read() as session:
            rows = await session.execute(sqlalchemy.text("SELECT id FROM orders"))
            orders = [str(uuid.UUID(str(order))) for (order,) in rows]
        await database.aclose()
        return orders

    orders = asyncio.run(finish())
    log.sealer.seal()
    rows = part("trail").Trail(log.sealer.connection).search(part("trail").Search())
    records = [json.loads(row.record) for row in rows]
    log.close()
    path = Path(folder)
    return {
        "orders": orders,
        "events": {record["id"]: record["target"]["id"] for record in records},
        "findings": verified(path, log.secrets, checkpoints(path)[-1]),
    }


def shred(folder: str, count: str) -> dict[str, Any]:
    """Record events about people, erase half of them, and return what can be found of them."""
    path = Path(folder)
    log = open_log(path)
    erased = [f"shredded-{number:03}" for number in range(int(count))]
    kept = [f"retained-{number:03}" for number in range(int(count))]

    async def record() -> list[tuple[str, str]]:
        made = []
        for person in (*erased, *kept):
            event = await log.record(
                "auth.login_failed",
                target=f"person:{person}",
                actor=user(person),
                subjects=[person],
                reason=f"because of {person}",
                data=REFUSAL,
            )
            made.append((person, event.id))
        return made

    made = asyncio.run(record())
    log.sealer.seal()
    trail = part("trail").Trail(log.sealer.connection)
    proofs_of = {person: part("proofs").prove(trail, event) for person, event in made}
    wrapped = {}
    for person in erased:
        query = "SELECT wrapped FROM subjects WHERE id = ?"
        key = log.keys.find(person)
        wrapped[person] = log.keys._file.execute(query, (key,)).fetchone()[0]
        part("retention").erase_subject(trail, log.keys, person)
    restricted = part("events").Sensitivity.RESTRICTED
    readable = {
        person: person in json.dumps(log.codec.decode(trail.find(event).record, restricted))
        for person, event in made
    }
    files = {file.name: file.read_bytes() for file in path.iterdir()}
    log.close()
    files |= {f"{file.name} (closed)": file.read_bytes() for file in path.iterdir()}
    in_files = [
        f"{person} in {name}"
        for name, raw in files.items()
        for person in erased
        if person.encode() in raw or wrapped[person] in raw
    ]
    verifier = log.secrets.verifier
    valid = sum(bool(part("proofs").check_proof(text, verifier)) for text in proofs_of.values())
    return {
        "files": sorted(files),
        "in_files": in_files,
        "erased_readable": [person for person in erased if readable[person]],
        "kept_readable": sum(readable[person] for person in kept),
        "proofs": len(proofs_of),
        "valid_proofs": valid,
        "findings": verified(path, log.secrets, checkpoints(path)[-1]),
    }


COMMANDS: dict[str, Callable[..., dict[str, Any] | None]] = {
    command.__name__: command
    for command in (
        clean,
        tamper,
        flip_file_bits,
        proofs,
        published,
        one_by_one,
        under_load,
        in_transactions,
        settle,
        shred,
    )
}

if __name__ == "__main__":
    result = COMMANDS[sys.argv[2]](*sys.argv[3:])
    if result is not None:
        print(json.dumps(result))
