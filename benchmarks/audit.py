"""The audit trail: durable events per second, and what recording one adds to a request that writes.

Events per second: a process that records into a trail on this machine's disk, each caller waiting
for its acknowledgement, which comes after the fsync of its transaction. With many callers a
transaction holds what has queued up (group commit); against it, one event per transaction. The
sealer runs meanwhile, as in a service; its lag is the time from an event to its sealing.

A request that writes: a service with a database (SQLite) and the trail, `POST /orders` with and
without an event recorded in its transaction, in rounds that alternate, in one process. The figure is
CPU of the process, the relay and the sealer included.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from render import with_cookiecutter
from rows import Row
from services import ROOT, package_of, run_part, service_environment, service_python

CALLERS = 512
REFUSAL = {"method": "GET", "route": "/orders/{order_id}", "status": 403}


def measure(project: Path, *, quick: bool) -> list[Row]:
    """Return events per second, the lag of the sealer and the CPU that an event adds.

    Args:
        project: A rendered project; not used, since the trail is off by default.
        quick: Fewer events and rounds, for a first signal.

    Raises:
        BenchmarkError: When a process fails.
    """
    del project
    events, rounds = (4_096, 6) if quick else (20_480, 20)
    with tempfile.TemporaryDirectory(prefix="slipway-audit-", dir=_disk()) as made:
        rendered = Path(made) / "render"
        rendered.mkdir()
        audited = with_cookiecutter(
            ROOT, rendered, include_audit_logging=True, include_database=True
        )
        package = package_of(audited)
        many = run_part(audited, __file__, "record", package, Path(made) / "a", events, CALLERS)
        one = run_part(audited, __file__, "record", package, Path(made) / "b", events // 32, 1)
        added = _request(audited, package, Path(made), rounds)
    return [
        Row(
            f"audit, {CALLERS} callers: durable events per second",
            many["per_s"],
            "",
            2000,
            "at least 2,000",
        ),
        Row("audit, one event per transaction: events per second", one["per_s"]),
        Row(
            f"audit, {CALLERS} callers / one event per transaction",
            many["per_s"] / one["per_s"],
            "x",
        ),
        Row("audit, CPU per event, sealing included", many["cpu_us"], "us"),
        Row("audit, event to sealed: slowest of 100", many["lag_s"], "s", 1.0, "at most 1 s"),
        Row(
            "request that writes, CPU with an event / without",
            added["ratio"],
            "x",
            1.15,
            "at most 1.15",
        ),
        Row("request that writes, CPU without an event", added["plain_us"], "us"),
    ]


def _disk() -> str | None:
    """Return a folder on a disk, where the usual one may be in memory."""
    return "/var/tmp" if Path("/var/tmp").is_dir() else None


def _request(project: Path, package: str, folder: Path, rounds: int) -> dict[str, float]:
    """Migrate a database and measure requests against it."""
    prefix = package.upper()
    environment = service_environment(project) | {
        f"{prefix}_DATABASE__URL": f"sqlite:///{folder / 'orders.db'}",
        f"{prefix}_AUDIT__PATH": str(folder / "trail"),
        f"{prefix}_RATE_LIMIT__ENABLED": "false",
        f"{prefix}_LOG_LEVEL": "WARNING",
    }
    for arguments in (
        ["-m", package, "db", "upgrade"],
        [__file__, "request", package, str(rounds)],
    ):
        done = subprocess.run(
            [service_python(), *arguments],
            cwd=project,
            env=environment,
            capture_output=True,
            text=True,
            timeout=600,
        )
        if done.returncode:
            raise RuntimeError(done.stderr.strip())
    found: dict[str, float] = json.loads(done.stdout)
    return found


async def _record(package: str, folder: str, events: int, callers: int) -> dict[str, float]:
    settings = importlib.import_module(f"{package}.core.audit_settings").AuditSettings
    audit = importlib.import_module(f"{package}.audit")
    log = audit.AuditLog(settings(path=Path(folder)))
    log.start_sealing()
    people = [audit.Actor("user", f"user-{number}", address="10.0.0.1") for number in range(200)]

    async def caller(first: int) -> None:
        for number in range(events // callers):
            await log.record(
                "access.denied",
                target="route:x",
                actor=people[(first + number) % len(people)],
                outcome="denied",
                data=REFUSAL,
            )

    await asyncio.gather(*(caller(first) for first in range(callers)))  # its keys are made now
    wall, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(caller(first) for first in range(callers)))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    await asyncio.to_thread(log.close)
    return {"per_s": events / wall, "cpu_us": cpu / events * 1e6, "lag_s": _lag(Path(folder))}


def _lag(folder: Path) -> float:
    """Return the 99th percentile of the seconds from an event to its sealing."""
    import datetime as dt  # noqa: PLC0415  # for this function
    import sqlite3  # noqa: PLC0415  # the same

    connection = sqlite3.connect(folder / "trail.db")
    lags = []
    for (leaf,) in connection.execute("SELECT leaf FROM entries"):
        entry = json.loads(leaf)
        sealed, recorded = (dt.datetime.fromisoformat(entry[key]) for key in ("sealed", "time"))
        lags.append((sealed - recorded).total_seconds())
    connection.close()
    return statistics.quantiles(lags, n=100)[-1]


async def _requests(package: str, rounds: int) -> dict[str, float]:
    build = importlib.import_module(f"{package}.core.app").build_app
    settings = importlib.import_module(f"{package}.settings").Settings()
    app = build_app_with_routes(package, build, settings)
    body = json.dumps(
        {"currency": "EUR", "lines": [{"sku": "TEA-1", "quantity": 2, "unit_price": 450}]}
    ).encode()
    per_round = 150
    spent: dict[str, list[float]] = {"/plain": [], "/audited": []}
    async with app.router.lifespan_context(app):
        for number in range(rounds + 1):
            order = ("/plain", "/audited") if number % 2 else ("/audited", "/plain")
            for path in order:
                began = time.process_time()
                for _ in range(per_round):
                    await _post(app, path, body)
                # What the relay and the sealer do for these events is part of their price.
                await asyncio.sleep(1.0)
                if number:  # the first round makes keys and statements
                    spent[path].append((time.process_time() - began) / per_round)
    ratio = statistics.median(
        audited / plain for audited, plain in zip(spent["/audited"], spent["/plain"], strict=True)
    )
    return {"ratio": ratio, "plain_us": statistics.median(spent["/plain"]) * 1e6}


def build_app_with_routes(package: str, build: Any, settings: Any) -> Any:
    """Return the service with one endpoint that writes an order, and one that records it too."""
    import fastapi  # noqa: PLC0415  # in the service's interpreter only

    orders = importlib.import_module(f"{package}.orders.dependencies").Orders
    create = importlib.import_module(f"{package}.orders.schemas").OrderCreate
    audit_of = importlib.import_module(f"{package}.audit.transactional").TransactionalAudit
    router = fastapi.APIRouter()

    async def plain(body, service):  # type: ignore[no-untyped-def]  # annotated below
        return {"id": str((await service.place(body)).id)}

    async def audited(body, service, audit):  # type: ignore[no-untyped-def]  # annotated below
        order = await service.place(body)
        await audit.record("access.denied", target=f"order:{order.id}", data=REFUSAL)
        return {"id": str(order.id)}

    plain.__annotations__ = {"body": create, "service": orders}
    audited.__annotations__ = {"body": create, "service": orders, "audit": audit_of}
    router.post("/plain")(plain)
    router.post("/audited")(audited)
    return build(settings, routers=[router])


async def _post(app: Any, path: str, body: bytes) -> None:
    """Send one request to the application, without a server between."""
    headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
    headers.append((b"content-length", str(len(body)).encode()))
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
        "state": {},
    }
    messages = [{"type": "http.request", "body": body, "more_body": False}]
    statuses = []

    async def receive() -> Any:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    await app(scope, receive, send)
    if statuses != [200]:
        message = f"{path} answered {statuses}"
        raise RuntimeError(message)


def main() -> None:
    """Measure one thing in the service's interpreter and print it as JSON."""
    kind, package, *rest = sys.argv[1:]
    if kind == "record":
        work: Any = _record(package, rest[0], int(rest[1]), int(rest[2]))
    else:
        work = _requests(package, int(rest[0]))
    print(json.dumps(asyncio.run(work)))


if __name__ == "__main__":
    main()
