"""The audit trail: durable events per second, and what recording one adds to a request that writes.

Events per second: a process that records into a trail on this machine's disk, each caller waiting
for its acknowledgement, which comes after the fsync of its transaction. With many callers a
transaction holds what has queued up (group commit); against it, one event per transaction. The
sealer runs meanwhile, as in a service; its lag is the time from an event to its sealing.

A request that writes: a service with a database (SQLite) and the trail, `POST /orders` over HTTP
with and without an event recorded in its transaction, in turn, in one process. The figure is CPU of
the process, the relay and the sealer included.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from render import with_cookiecutter
from rows import Row
from services import (
    ROOT,
    BenchmarkError,
    on_uvloop,
    package_of,
    run_part,
    service_environment,
    service_python,
)

CALLERS = 512
PAIRS = 100
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
    """Migrate a database, start the service and measure requests to it."""
    prefix = package.upper()
    environment = service_environment(project) | {
        f"{prefix}_DATABASE__URL": f"sqlite:///{folder / 'orders.db'}",
        f"{prefix}_AUDIT__PATH": str(folder / "trail"),
        f"{prefix}_RATE_LIMIT__ENABLED": "false",
        f"{prefix}_LOG_LEVEL": "WARNING",
    }
    subprocess.run(
        [service_python(), "-m", package, "db", "upgrade"],
        cwd=project,
        env=environment,
        capture_output=True,
        check=True,
        timeout=600,
    )
    command = [service_python(), __file__, "serve", package]
    service = subprocess.Popen(
        command, cwd=project, env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        assert service.stdout is not None
        port = int(service.stdout.readline() or 0)
        if not port:
            raise BenchmarkError("the audited service did not start; its messages are above")
        with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
            return _pairs(connection, service.pid, rounds)
    finally:
        service.terminate()
        service.communicate(timeout=60)


def _pairs(connection: socket.socket, pid: int, rounds: int) -> dict[str, float]:
    """Send requests with and without an event in turn, and compare what the process spends.

    One after the other, so that both meet the same machine; the medians of a round are compared.
    What the relay and the sealer do for a round's events they do at its end, and it is added.
    """
    clock = (~pid << 3) | 2  # the CPU clock of a process: clock_getcpuclockid(3)
    body = json.dumps(
        {"currency": "EUR", "lines": [{"sku": "TEA-1", "quantity": 2, "unit_price": 450}]}
    ).encode()
    head = "POST {} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    requests = {
        path: head.format(path).encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body
        for path in ("/plain", "/audited", "/settle")
    }

    def spent_s(path: str) -> float:
        began = time.clock_gettime(clock)
        connection.sendall(requests[path])
        answer = b""
        while not answer.endswith((b"}", b"null")):  # the endpoints' bodies
            answer += connection.recv(65536) or b"}"
        if not answer.startswith(b"HTTP/1.1 200"):
            raise BenchmarkError(f"{path} answered {answer[:200]!r}")
        return time.clock_gettime(clock) - began

    ratios, plain = [], []
    for number in range(rounds + 1):
        spent: dict[str, list[float]] = {"/plain": [], "/audited": []}
        for turn in range(PAIRS):
            for path in list(spent)[:: 1 if turn % 2 else -1]:
                spent[path].append(spent_s(path))
        later = spent_s("/settle") / PAIRS
        if number:  # the first round makes keys and statements
            plain.append(statistics.median(spent["/plain"]))
            ratios.append((statistics.median(spent["/audited"]) + later) / plain[-1])
    return {"ratio": statistics.median(ratios), "plain_us": statistics.median(plain) * 1e6}


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


async def _serve(package: str) -> None:
    """Serve the project with two more endpoints, and print the port."""
    import uvicorn  # noqa: PLC0415  # in the service's interpreter only

    build = importlib.import_module(f"{package}.core.app").build_app
    settings = importlib.import_module(f"{package}.settings").Settings()
    # The relay and the sealer work when they are told to, so that it is known what they spend.
    settings = settings.model_copy(
        update={"audit": settings.audit.model_copy(update={"seal_interval_s": 3600.0})}
    )
    app = build_app_with_routes(package, build, settings)
    server = uvicorn.Server(uvicorn.Config(app, access_log=False, log_level="warning"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)  # connections wait until it serves
        await server.serve(sockets=[listener])


def build_app_with_routes(package: str, build: Any, settings: Any) -> Any:
    """Return the service with one endpoint that writes an order, and one that records it too."""
    import fastapi  # noqa: PLC0415  # in the service's interpreter only

    orders = importlib.import_module(f"{package}.orders.dependencies").Orders
    create = importlib.import_module(f"{package}.orders.schemas").OrderCreate
    audit_of = importlib.import_module(f"{package}.audit.transactional").TransactionalAudit
    relays = importlib.import_module(f"{package}.audit.relay")
    router = fastapi.APIRouter()

    async def plain(body, service):  # type: ignore[no-untyped-def]  # annotated below
        return {"id": str((await service.place(body)).id)}

    async def audited(body, service, audit):  # type: ignore[no-untyped-def]  # annotated below
        order = await service.place(body)
        await audit.record("access.denied", target=f"order:{order.id}", data=REFUSAL)
        return {"id": str(order.id)}

    async def settle(request):  # type: ignore[no-untyped-def]  # the same
        log = request.app.state.audit
        relay = relays.Relay(log, settings.database)
        await relay.relay()
        await relay.aclose()
        await asyncio.to_thread(log.sealer.seal)

    plain.__annotations__ = {"body": create, "service": orders}
    audited.__annotations__ = {"body": create, "service": orders, "audit": audit_of}
    settle.__annotations__ = {"request": fastapi.Request}
    router.post("/plain")(plain)
    router.post("/audited")(audited)
    router.post("/settle")(settle)
    return build(settings, routers=[router])


def main() -> None:
    """Measure what is recorded, or serve, in the service's interpreter."""
    kind, package, *rest = sys.argv[1:]
    if kind == "record":
        work = _record(package, rest[0], int(rest[1]), int(rest[2]))
        print(json.dumps(asyncio.run(work)))
    else:
        on_uvloop(_serve(package))


if __name__ == "__main__":
    main()
