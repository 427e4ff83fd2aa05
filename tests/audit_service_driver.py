"""The audit service under test, in the interpreter of rendered projects: `audit_service_driver.py COMMAND ...`.

The environment names its database and keys. It is its own issuer of tokens. `serve FD FILE` serves on a socket and
writes a token into a file; `fill COUNT` stores events and prints the public keys and the receipts; `shred COUNT` shreds
people and prints what can be found of them; `boundaries SIZE...` prints a receipt of each entry at each size; `crash ROUNDS SEED`
kills the service under load, time after time, and prints what was acknowledged and what is there; `load SECONDS RATE`
prints how many events a second it acknowledges.
"""

import asyncio
import contextlib
import itertools
import json
import socket
import sqlite3
import sys
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import uvicorn
from central_services.audit_service.app import build
from central_services.audit_service.console import open_console
from central_services.audit_service.endpoints.events import BATCH
from central_services.kit.crashes import Acknowledge, judge, kill_repeatedly
from central_services.settings import Settings
from joserfc import jwk, jwt

SOURCE = "urn:slipway:acme_orders"
LIMIT_S = 60.0
KEY = jwk.ECKey.generate_key("P-256", {"kid": "key-1", "alg": "ES256"})


def token(settings: Settings, **changes: str) -> str:
    """Return a token that may do everything, for an hour."""
    own, now = settings.audit_service, int(time.time())
    claims = {
        "iss": settings.central_auth.issuer,
        "aud": own.wanted_audience,
        "sub": "orders",
        "client_id": "orders",
        "jti": "token-1",
        "iat": now,
        "exp": now + 3_600,
        "org": "acme",
        "permissions": [
            *("audit:write", "audit:read", "audit:admin"),
            *("ledger:write", "ledger:read", "ledger:approve"),
        ],
        **changes,
    }
    return str(jwt.encode({"alg": "ES256", "typ": "at+jwt", "kid": "key-1"}, claims, KEY))


def make_app(settings: Settings) -> Any:
    """Return the application, which takes tokens of this process."""
    keys = {"keys": [KEY.as_dict(private=False)]}
    changed = {
        "central_auth": settings.central_auth.model_copy(update={"jwks": json.dumps(keys)}),
        "central_audit": settings.central_audit.model_copy(update={"enabled": False}),
    }
    return build(settings.model_copy(update=changed))


@asynccontextmanager
async def running(settings: Settings) -> AsyncGenerator[httpx2.AsyncClient]:
    """Yield a client of a service in this process."""
    app = make_app(settings)
    headers = {"Authorization": f"Bearer {token(settings)}"}
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=app), base_url="http://audit", headers=headers
        ) as client,
    ):
        yield client


def event(name: str) -> dict[str, Any]:
    """Return an event."""
    user = {"uid": f"person-{len(name)}", "type_id": 1}
    data = {"class_uid": 6003, "activity_name": "order.shipped", "actor": {"user": user}}
    return {
        "specversion": "1.0",
        "id": name,
        "source": SOURCE,
        "type": "audit.order.shipped",
        "time": "2026-11-22T10:00:00Z",
        "data": data | {"status_detail": "success", "message": f"Parcel {name} left"},
    }


async def send(client: httpx2.AsyncClient, names: list[str]) -> None:
    """Send a batch."""
    await send_events(client, [event(name) for name in names])


async def send_events(client: httpx2.AsyncClient, events: list[dict[str, Any]]) -> None:
    """Send events."""
    body = json.dumps(events)
    answer = await client.post("/v1/events", content=body, headers={"Content-Type": BATCH})
    assert answer.status_code == 200, answer.text


# --- commands ------------------------------------------------------------------------------------


def serve(descriptor: str, file: str) -> None:
    """Serve until SIGTERM."""
    settings = Settings()
    Path(file).write_text(token(settings))
    listening = socket.socket(fileno=int(descriptor))
    config = uvicorn.Config(make_app(settings), log_config=None, access_log=False)
    uvicorn.Server(config).run([listening])


def fill(count: str) -> dict[str, Any]:
    """Store events in batches of different sizes, and return keys, events and receipts."""

    async def work() -> dict[str, Any]:
        async with running(Settings()) as client:
            names = [f"event-{number}" for number in range(int(count))]
            at, size = 0, 1
            while at < len(names):
                await send(client, names[at : at + size])
                await receipts(client, names[at : at + size])
                at, size = at + size, size % 9 + 1
            keys = (await client.get("/v1/log/keys")).json()["keys"]
            found = await receipts(client, names)
            return {
                "keys": keys,
                "events": [[event(name), found[name]] for name in names],
            }

    return asyncio.run(work())


async def receipts(client: httpx2.AsyncClient, names: list[str]) -> dict[str, str]:
    """Return receipts once they are all there."""
    deadline = time.monotonic() + LIMIT_S
    while True:
        answer = await client.post("/v1/receipts", json={"ids": names, "source": SOURCE})
        found: dict[str, dict[str, str]] = answer.json()
        if len(found["receipts"]) == len(names):
            return found["receipts"]
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.02)  # between two looks


def boundaries(*sizes: str) -> dict[str, Any]:
    """Let the log grow to sizes, and return the events, and all receipts at each of the sizes."""

    async def work() -> dict[str, Any]:
        async with running(Settings()) as client:
            names: list[str] = []
            found = {}
            for size in map(int, sizes):
                new = [f"event-{number}" for number in range(len(names), size)]
                await send(client, new)
                names += new
                await receipts(client, new)
                chosen = sorted({0, size // 2, *range(max(0, size - 3), size)})
                found[size] = await receipts(client, [names[at] for at in chosen])
            salts: dict[str, str] = {}
            for at in range(0, len(names), 500):  # as many as one request may ask for
                salts |= await receipts(client, names[at : at + 500])
            keys = (await client.get("/v1/log/keys")).json()["keys"]
            events = [[event(name), salts[name]] for name in names]
            return {"keys": keys, "events": events, "receipts": found}

    return asyncio.run(work())


def shred(count: str) -> dict[str, Any]:
    """Store events and transfers of people, shred them, and return what is found of them in any file."""
    people = [f"canary-{number:04}-7f3a91" for number in range(int(count))]
    folder, settings = Path.cwd(), Settings()

    async def work() -> dict[str, Any]:
        async with running(settings) as client:
            sent = [personal(person) for person in people]
            for at in range(0, len(sent), 100):
                await send_events(client, sent[at : at + 100])
            tokens = [token(settings, sub=person) for person in people[:5]]
            headers = [{"Authorization": f"Bearer {text}"} for text in tokens]
            ids = (f"00000000-0000-0000-0001-{number:012}" for number in range(5))
            await pay(client, dict(zip(ids, headers, strict=True)))
            names = [made["id"] for made in sent]
            before = await receipts(client, names)
            hold = {"name": "case-1", "subject": people[0]}
            assert (await client.post("/v1/holds", json=hold)).status_code == 201
            wrapped = wrapped_keys(settings)
            held, *done = [
                (await client.post("/v1/subjects/shred", json={"subject": person})).status_code
                for person in people
            ]
            queries = (f"actor={people[0]}", "action=person.seen&limit=200")
            shown = [(await client.get(f"/v1/events?{q}")).json()["items"] for q in queries]
            assert (await client.delete("/v1/holds/case-1")).status_code == 204
            last = {"subject": people[0]}
            done.append((await client.post("/v1/subjects/shred", json=last)).status_code)
            gone = wrapped - wrapped_keys(settings)
            after = await receipts(client, names)
            return {
                "held": held,
                "done": done,
                "readable": [sum(item["event"] is not None for item in items) for items in shown],
                "keys_gone": len(gone),
                "in_files": in_files(folder, people, gone),
                "keys": (await client.get("/v1/log/keys")).json()["keys"],
                "events": [[made, before[made["id"]], after[made["id"]]] for made in sent],
            }

    found = asyncio.run(work())
    return {**found, "after_the_end": in_files(folder, people, set())}


def personal(person: str) -> dict[str, Any]:
    """Return an event that says a person's name wherever it can."""
    made = event(f"seen-{person.split('-')[1]}")  # names of events stand in clear
    made["subject"] = f"person:{person}"
    data = {"activity_name": "person.seen", "message": f"{person} was here"}
    user = {"uid": person, "type_id": 1, "name": person}
    made["data"] |= data | {"actor": {"user": user}, "unmapped": {"note": [person]}}
    return made


async def pay(client: httpx2.AsyncClient, transfers: dict[str, dict[str, str]]) -> None:
    """Move money once for each id, with headers of its own."""
    accounts = [f"00000000-0000-0000-0000-{number:012}" for number in (1, 2)]
    made = [{"id": id_, "ledger": "EUR", "code": 1} for id_ in accounts]
    await client.post("/v1/ledger/accounts", json={"accounts": made})
    for id_, headers in transfers.items():
        sides = {"debit_account_id": accounts[0], "credit_account_id": accounts[1]}
        body = {"transfers": [{"id": id_, **sides, "amount": "5", "ledger": "EUR", "code": 1}]}
        answer = await client.post("/v1/ledger/transfers", json=body, headers=headers)
        assert answer.json()["results"][0]["status"] == "created", answer.text


def wrapped_keys(settings: Settings) -> set[bytes]:
    """Return the keys of people as they are stored."""
    (path,) = settings.audit_service.path.rglob("*.db")
    with contextlib.closing(sqlite3.connect(path)) as file:
        return {bytes(row[0]) for row in file.execute("SELECT wrapped FROM subjects")}


def in_files(folder: Path, people: list[str], keys: set[bytes]) -> list[str]:
    """Return what of people is found, byte for byte, in any file of a folder."""
    files = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    needles = [person.encode() for person in people] + sorted(keys)
    # Events stand there: a search that finds nothing of people has looked in the right place.
    assert any(b"person.seen" in raw for raw in files.values())
    return [path.name for path, raw in files.items() for needle in needles if needle in raw]


def crash(rounds: str, seed: str) -> dict[str, Any]:
    """Kill the service under load, each time somewhere else; each process takes over what is there."""
    acknowledged = kill_repeatedly(_load, kills=int(rounds), seed=int(seed))
    return asyncio.run(_settle(acknowledged))


def load(seconds: str, rate: str, *more: str) -> dict[str, float]:
    """Return events acknowledged a second, the wait of the slowest in 100 batches of 50, and of receipts.

    Args:
        seconds: For how long.
        rate: Events a second that are sent; 0 for as many as four callers can.
        *more: `receipts`, to wait for some beside it, which is work of its own.
    """
    every_s = 4 * 50 / float(rate) if float(rate) else 0.0

    async def work() -> dict[str, float]:
        waits, proven = list[float](), list[float]()

        async def prober(start: float) -> None:
            while time.perf_counter() < start + float(seconds):
                begun, name = time.perf_counter(), f"probe-{len(proven)}"
                await send(client, [name])
                await receipts(client, [name])
                proven.append(time.perf_counter() - begun)

        async def caller(number: int, start: float) -> None:
            sent = 0
            while (now := time.perf_counter()) < start + float(seconds):
                due = start + (sent + number / 4) * every_s
                await asyncio.sleep(max(0.0, due - now) if every_s else 0.0)
                begun = time.perf_counter()
                await send(client, [f"{number}-{sent}-{at}" for at in range(50)])
                waits.append(time.perf_counter() - (due if every_s else begun))
                sent += 1

        async with running(Settings()) as client:
            await send(client, ["first"])  # it imports what checks tokens
            start = time.perf_counter()
            callers = [caller(number, start) for number in range(4)]
            await asyncio.gather(*callers, *([prober(start)] if more else []))
            taken = time.perf_counter() - start
        slow = sorted(waits)[int(len(waits) * 0.99)]
        return {
            "events_per_s": 50 * len(waits) / taken,
            "p99_ms": 1_000 * slow,
            "receipt_s": max(proven, default=0.0),
        }

    return asyncio.run(work())


def _load(round_: int, acknowledge: Acknowledge) -> None:
    """Send batches from four callers, and acknowledge what the service has acknowledged."""

    async def caller(client: httpx2.AsyncClient, caller: int) -> None:
        for step in itertools.count():
            await pay(client, {f"1{round_:07}-{caller:04}-0000-0000-{step:012}": {}})
            names = [f"{round_}-{caller}-{step}-{at}" for at in range(5)]
            await send(client, names)
            acknowledge("\n".join(names))

    async def main() -> None:
        async with running(Settings()) as client:
            await asyncio.gather(*(caller(client, number) for number in range(4)))

    asyncio.run(main())


async def _settle(acknowledged: list[str]) -> dict[str, Any]:
    """Let a last process seal what is left, and look at what there is."""
    settings = Settings()
    async with running(settings) as client:
        await send(client, ["last"])
        await receipts(client, ["last"])
        lines = (await client.get("/v1/export")).text.splitlines()
    stored = [json.loads(line)["id"] for line in lines]
    async with open_console(settings) as console:
        (report,) = await console.verify("acme")
    verdict = judge(acknowledged, stored)
    return {
        "acknowledged": verdict.acknowledged,
        "lost": verdict.lost[:10],
        "stored": verdict.stored,
        "twice": len(verdict.twice),
        "waiting": report.unsealed,
        "transfers": report.transfers,
        "findings": [f"{finding.where}: {finding.what}" for finding in report.findings],
    }


if __name__ == "__main__":
    commands: dict[str, Callable[..., Any]]
    commands = {"serve": serve, "fill": fill, "crash": crash, "load": load}
    commands |= {"shred": shred, "boundaries": boundaries}
    print(json.dumps(commands[sys.argv[1]](*sys.argv[2:])))
