"""What test_audit.py runs in the interpreter of a rendered project: `audit_trails.py PACKAGE COMMAND ...`.

Each command prints one JSON document, or a line per acknowledged event.
"""

import asyncio
import importlib
import itertools
import json
import os
import random
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from audit_common import PACKAGE, REFUSAL, checkpoints, open_log, part, user, verified
from audit_tampering import clean, flip_file_bits, tamper

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
        relay = part("relay").Relay(log, options.model_validate({"url": url}))
        changes = (caller() for _ in range(int(callers)))
        await asyncio.gather(relay.run(0.05), *changes)

    asyncio.run(everybody())


def settle(folder: str, url: str) -> dict[str, Any]:
    """Relay and seal what is left, and return the orders and the events there are."""
    sqlalchemy = importlib.import_module("sqlalchemy")
    log, database = open_log(Path(folder)), database_of(url)
    options = importlib.import_module(f"{PACKAGE}.core.database_settings").DatabaseSettings

    async def finish() -> list[str]:
        relay = part("relay").Relay(log, options.model_validate({"url": url}))
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
        (key,) = log.keys._store.wrapped([log.keys.find(person)])
        wrapped[person] = key.wrapped
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
