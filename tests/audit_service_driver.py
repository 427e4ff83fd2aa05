"""The audit service under test, in the interpreter of rendered projects: `audit_service_driver.py COMMAND ...`.

The environment names its database and keys. It is its own issuer of tokens. `serve FD FILE` serves on a socket and
writes a token into a file; `fill COUNT` stores events and prints the public keys and the receipts; `crash ROUNDS SEED`
kills the service under load, time after time, and prints what was acknowledged and what is there; `load SECONDS RATE`
prints how many events a second it acknowledges.
"""

import asyncio
import itertools
import json
import socket
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


def token(settings: Settings) -> str:
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
        "permissions": ["audit:write", "audit:read", "audit:admin"],
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
    body = json.dumps([event(name) for name in names])
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


def crash(rounds: str, seed: str) -> dict[str, Any]:
    """Kill the service under load, each time somewhere else; each process takes over what is there."""
    acknowledged = kill_repeatedly(_load, kills=int(rounds), seed=int(seed))
    return asyncio.run(_settle(acknowledged))


def load(seconds: str, rate: str) -> dict[str, float]:
    """Return how many events a second are acknowledged, and what the slowest in 100 batches of 50 waits.

    Args:
        seconds: For how long.
        rate: Events a second that are sent; 0 for as many as four callers can.
    """
    every_s = 4 * 50 / float(rate) if float(rate) else 0.0

    async def work() -> dict[str, float]:
        waits: list[float] = []

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
            start = time.perf_counter()
            await asyncio.gather(*(caller(number, start) for number in range(4)))
            taken = time.perf_counter() - start
        slow = sorted(waits)[int(len(waits) * 0.99)]
        return {"events_per_s": 50 * len(waits) / taken, "p99_ms": 1_000 * slow}

    return asyncio.run(work())


def _load(round_: int, acknowledge: Acknowledge) -> None:
    """Send batches from four callers, and acknowledge what the service has acknowledged."""

    async def caller(client: httpx2.AsyncClient, caller: int) -> None:
        for step in itertools.count():
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
        "findings": [f"{finding.where}: {finding.what}" for finding in report.findings],
    }


if __name__ == "__main__":
    commands: dict[str, Callable[..., Any]]
    commands = {"serve": serve, "fill": fill, "crash": crash, "load": load}
    print(json.dumps(commands[sys.argv[1]](*sys.argv[2:])))
