"""Kill workers with jobs in flight and see what becomes of them: `jobs_crashes.py PACKAGE COMMAND ...`.

It runs in the interpreter of a rendered project, whose environment names the queue (`..._JOBS__PATH` or
`..._JOBS__URL`), and prints one JSON document. Workers are forked from a process that has imported
everything, so that fifty of them take seconds.
"""

import asyncio
import importlib
import importlib.util
import json
import os
import random
import select
import signal
import sqlite3
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

PACKAGE = sys.argv[1]
QUEUE = "crash"
LIMIT_S = 300.0
"""Seconds after which the driver gives up."""


def part(name: str) -> Any:
    """Return a module of the package under test."""
    return importlib.import_module(f"{PACKAGE}.{name}")


class Effects:
    """What tasks did to the world: an effect for each idempotency key, and a line for each run."""

    def __init__(self, file: Path) -> None:
        # A killed process loses nothing that it has written, synced or not.
        self.connection = sqlite3.connect(file, timeout=60, isolation_level=None)
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute("PRAGMA synchronous = OFF")
        self.connection.execute(
            "CREATE TABLE IF NOT EXISTS effects (key TEXT PRIMARY KEY, n INTEGER NOT NULL)"
        )
        self.connection.execute("CREATE TABLE IF NOT EXISTS runs (n INTEGER NOT NULL)")

    def have(self, key: str, n: int) -> None:
        """Have an effect, once for its key, and note that it was asked for."""
        self.connection.execute("BEGIN IMMEDIATE")
        self.connection.execute("INSERT INTO runs VALUES (?)", (n,))
        self.connection.execute("INSERT OR IGNORE INTO effects VALUES (?, ?)", (key, n))
        self.connection.execute("COMMIT")

    def counts(self) -> tuple[int, int, int]:
        """Return how many effects there are, for how many jobs, and how many runs."""
        effects = self.connection.execute("SELECT count(*), count(DISTINCT n) FROM effects")
        runs = self.connection.execute("SELECT count(*) FROM runs")
        return (*effects.fetchone(), runs.fetchone()[0])


class Child:
    """A forked process; it tells of each job that begins (`+`) and ends (`-`) through a pipe."""

    living: ClassVar[set[int]] = set()

    def __init__(self, work: Callable[[int], None]) -> None:
        self.reader, writer = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self.reader)
            code = 1
            try:
                work(writer)
                code = 0
            except BaseException:  # noqa: BLE001  # the only way to learn of it from a forked process
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(code)
        os.close(writer)
        self.living.add(self.pid)
        self.started = self.in_flight = 0
        self.wanted = 0

    def read(self) -> None:
        """Count what it told."""
        told = os.read(self.reader, 65_536)
        self.started += told.count(b"+")
        self.in_flight += told.count(b"+") - told.count(b"-")

    def kill(self) -> None:
        """End it without warning."""
        os.kill(self.pid, signal.SIGKILL)
        self.wait()

    def wait(self) -> int:
        """Wait for its end and return its exit status."""
        status = os.waitpid(self.pid, 0)[1]
        self.living.discard(self.pid)
        os.close(self.reader)
        return status


def define_task(effects_file: Path) -> list[int]:
    """Register the task of the proof; it tells through the descriptor in the list."""
    pipe: list[int] = []
    opened: list[Effects] = []
    jobs = part("jobs")

    async def crash_effect(ctx: Any, n: int) -> int:
        if not opened:
            opened.append(Effects(effects_file))  # a connection must not cross a fork
        os.write(pipe[0], b"+")
        await asyncio.sleep(random.random() * 0.01)
        opened[0].have(ctx.idempotency_key, n)
        await asyncio.sleep(random.random() * 0.01)
        os.write(pipe[0], b"-")
        return n

    # The package is known at run time only, so the annotation can't be written in place.
    crash_effect.__annotations__["ctx"] = jobs.TaskContext
    jobs.task(queue=QUEUE, retries=60, backoff_s=0.05)(crash_effect)
    return pipe


def produce(settings: Any, count: int) -> None:
    """Enqueue all jobs, some one by one and some in batches."""
    task = part("jobs.definition").TASKS.find("crash_effect")
    options = part("jobs.definition").JobOptions
    connecting = part("jobs.connecting")

    async def run() -> None:
        opened = part("jobs.client").open_client(
            settings.jobs, lambda: connecting.make_store(settings.jobs)
        )
        async with opened as client:
            numbers = list(range(count))
            while numbers:
                batch, numbers = numbers[:100], numbers[100:]
                made = [
                    task.new_job((n,), {}, options(idempotency_key=f"order-{n}"))
                    for n in batch[:50]
                ]
                await client.enqueue_many(made)
                singles = (
                    task.options(idempotency_key=f"order-{n}").enqueue(n) for n in batch[50:]
                )
                await asyncio.gather(*singles)

    asyncio.run(run())


def consume(settings: Any, pipe: list[int], writer: int) -> None:
    """Be a worker."""
    pipe.append(writer)
    part("utils.logging").setup_logging("CRITICAL")
    asyncio.run(part("jobs.running").run_worker(settings, queues=[QUEUE]))


def preload() -> None:
    """Import what workers need before the forks, for all of them."""
    part("jobs.running")
    if importlib.util.find_spec(f"{PACKAGE}.jobs.celery"):
        part("jobs.celery.consumer")


def crashes(folder: str, count: str, kills: str, seed: str) -> dict[str, Any]:
    """Enqueue jobs, kill workers with jobs in flight, and let one finish; return what happened."""
    settings = part("settings").Settings()
    preload()
    effects_file = Path(folder) / "effects.db"
    effects = Effects(effects_file)
    pipe = define_task(effects_file)
    chance = random.Random(int(seed))
    until = time.monotonic() + LIMIT_S

    def worker() -> Child:
        child = Child(lambda writer: consume(settings, pipe, writer))
        child.wanted = chance.randrange(1, 40)
        return child

    producer = Child(lambda _writer: produce(settings, int(count)))
    workers, killed = [worker(), worker()], 0
    while time.monotonic() < until and effects.counts()[0] < int(count):
        told, _, _ = select.select([one.reader for one in workers], [], [], 0.2)
        for child in [one for one in workers if one.reader in told]:
            child.read()
            if killed < int(kills) and child.started >= child.wanted and child.in_flight > 0:
                child.kill()
                killed += 1
                workers[workers.index(child)] = worker()
    failed = producer.wait()
    drained = settle(settings, until)
    for child in workers:
        os.kill(child.pid, signal.SIGTERM)
    stopped = [child.wait() for child in workers]
    happened, distinct, runs = effects.counts()
    return {
        "kills": killed,
        "effects": happened,
        "distinct": distinct,
        "runs": runs,
        "producer": failed,
        "stopped": stopped,
        **drained,
    }


def settle(settings: Any, until: float) -> dict[str, int]:
    """Wait until nothing waits or runs, and return what is left and what is dead."""

    async def run() -> dict[str, int]:
        connecting = part("jobs.connecting")
        opened = part("jobs.client").open_client(
            settings.jobs, lambda: connecting.make_store(settings.jobs)
        )
        async with opened as client:
            while True:
                mine = [one for one in await client.stats() if one.queue == QUEUE]
                left = sum(one.ready + one.delayed + one.running for one in mine)
                if not left or time.monotonic() > until:
                    return {"left": left, "dead": sum(one.failed for one in mine)}
                await asyncio.sleep(0.05)

    return asyncio.run(run())


# --- leases ---------------------------------------------------------------------------------------


def define_blocking(seconds: float) -> list[int]:
    """Register a task that blocks the event loop of its worker, and tells when it begins and ends."""
    pipe: list[int] = []
    jobs = part("jobs")

    async def block_loop(ctx: Any) -> None:  # noqa: ARG001  # what every task takes
        os.write(pipe[0], b"+")
        time.sleep(seconds)  # noqa: ASYNC251  # what must not be done, and is
        os.write(pipe[0], b"-")

    block_loop.__annotations__["ctx"] = jobs.TaskContext
    jobs.task(queue=QUEUE, retries=60, timeout_s=3_600)(block_loop)
    return pipe


def enqueue_blocking(settings: Any) -> None:
    """Enqueue one job that blocks."""
    task = part("jobs.definition").TASKS.find("block_loop")
    connecting = part("jobs.connecting")

    async def run() -> None:
        opened = part("jobs.client").open_client(
            settings.jobs, lambda: connecting.make_store(settings.jobs)
        )
        async with opened as client:
            await client.enqueue_many([task.new_job((), {})])

    asyncio.run(run())


def two_workers(seconds: float) -> tuple[Any, list[Child]]:
    """Return the settings and two workers that compete for one blocking job."""
    settings = part("settings").Settings()
    preload()
    pipe = define_blocking(seconds)
    Child(lambda _writer: enqueue_blocking(settings)).wait()
    return settings, [Child(lambda writer: consume(settings, pipe, writer)) for _ in range(2)]


def next_word(workers: list[Child]) -> Child:
    """Wait until a worker tells that its job has begun or ended, and return it."""
    told, _, _ = select.select([one.reader for one in workers], [], [], LIMIT_S)
    child = next(one for one in workers if one.reader in told)
    child.read()
    return child


def blocked(seconds: str) -> dict[str, Any]:
    """Block the loop of a worker for longer than the lease, beside one that is free."""
    settings, workers = two_workers(float(seconds))
    while not any(one.started and not one.in_flight for one in workers):
        next_word(workers)
    drained = settle(settings, time.monotonic() + LIMIT_S)
    for child in workers:
        os.kill(child.pid, signal.SIGTERM)
        child.wait()
    return {"runs": sum(one.started for one in workers), **drained}


def reclaimed() -> dict[str, Any]:
    """Kill the worker of a job, and return how long the other one took to start it again."""
    _, workers = two_workers(LIMIT_S)
    first = next_word(workers)
    began = time.monotonic()
    first.kill()
    workers.remove(first)
    next_word(workers)
    taken_s = time.monotonic() - began
    workers[0].kill()
    return {"taken_s": taken_s}


# --- transactions ---------------------------------------------------------------------------------


class UndoneError(Exception):
    """Ends a transaction that is to be rolled back."""


def transactions(count: str) -> dict[str, Any]:
    """Enqueue in transactions that are rolled back, then in one after whose commit the process ends."""
    settings = part("settings").Settings()
    define_task(Path("unused"))
    reader, writer = os.pipe()
    child = Child(lambda _writer: _enqueue_in_transactions(settings, int(count), writer))
    child.wait()
    os.close(writer)
    committed = os.read(reader, 64).decode()
    before = asyncio.run(_ids(settings, relay=False))
    return {
        "committed": committed,
        "before": before,
        "after": asyncio.run(_ids(settings, relay=True)),
    }


def _enqueue_in_transactions(settings: Any, count: int, writer: int) -> None:
    database = part("core.database").Database(settings.database)
    task = part("jobs.definition").TASKS.find("crash_effect")

    async def undone(n: int) -> None:
        async with database.transaction() as session:
            await task.enqueue(n, session=session)
            raise UndoneError

    async def run() -> None:
        connecting = part("jobs.connecting")
        opened = part("jobs.client").open_client(
            settings.jobs, lambda: connecting.make_store(settings.jobs)
        )
        async with opened as client:
            client.outbox = part("jobs.outbox").Outbox(lambda: None)  # nobody relays here
            for n in range(count):
                try:
                    await undone(n)
                except UndoneError:
                    continue
            async with database.transaction() as session:
                job_id = await task.enqueue(count, session=session)
            os.write(writer, job_id.encode())
            os.kill(os.getpid(), signal.SIGKILL)

    asyncio.run(run())


async def _ids(settings: Any, *, relay: bool) -> list[str]:
    """Return the ids of all jobs, after relaying what is in the outbox if that is wanted."""
    connecting = part("jobs.connecting")
    opened = part("jobs.client").open_client(
        settings.jobs, lambda: connecting.make_store(settings.jobs)
    )
    async with opened as client:
        if relay:
            made = part("jobs.outbox").JobRelay(client, settings.database)
            await made.relay()
        return [job.id for job in await client.search()]


if __name__ == "__main__":
    try:
        print(json.dumps(globals()[sys.argv[2]](*sys.argv[3:])))
    finally:
        for pid in Child.living:
            os.kill(pid, signal.SIGKILL)
