"""Scheduled tasks of a rendered project under stress: `monitoring_runs.py PACKAGE COMMAND ...`.

Runs with the rendered project's interpreter and prints one JSON document.
"""

import asyncio
import importlib
import json
import os
import random
import signal
import sys
import time
from collections import Counter
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

PACKAGE = sys.argv[1]
LIMIT_S = 120.0


def part(name: str) -> Any:
    """Return a module of the rendered project."""
    return importlib.import_module(f"{PACKAGE}.{name}")


class Silent:
    """Admins who are told nothing."""

    async def notify(self, *_: object) -> None:
        """Tell nobody."""

    async def recovered(self, *_: object) -> None:
        """Tell nobody."""


def manager(folder: Path, **changes: Any) -> Any:
    """Return the tasks that a folder keeps."""
    settings = part("core.monitoring_settings").MonitoringSettings(
        presets_path=folder / "presets.json", **changes
    )
    store = part("monitoring.files").FilePresets(settings.presets_path)
    return part("monitoring.presets").PresetsManager(
        store, part("monitoring.checks").load_checks(), settings
    )


# --- schedules -------------------------------------------------------------------------------------


def schedules() -> dict[str, Any]:
    """Return the next 20 times of each case on standard input: expression, zone, start."""
    schedule = part("monitoring.schedule")
    found: list[Any] = []
    for cron, zone, start in json.load(sys.stdin):
        try:
            times = schedule.Schedule(cron=cron, timezone=zone).next_times(
                datetime.fromtimestamp(start, UTC), 20
            )
            found.append([int(moment.timestamp()) for moment in times])
        except ValueError as error:
            found.append(str(error))
    return {"found": found}


# --- writers ---------------------------------------------------------------------------------------


def write(folder: Path, name: str, count: int, acknowledge: int) -> None:
    """Add 1 to a task's failures, and to those of the task that all share, so many times."""
    presets = manager(folder)

    async def add() -> None:
        for _ in range(count):
            for task in (name, "shared"):
                await presets.record(task, lambda t: {"failures": t.failures + 1})
                os.write(acknowledge, f"{task}\n".encode())

    asyncio.run(add())


def fork_writer(folder: Path, name: str, count: int, acknowledge: int) -> int:
    """Start a writer in a process of its own and return its id."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            write(folder, name, count, acknowledge)
            code = 0
        finally:
            os._exit(code)
    return pid


def writers(folder: Path, number: int, count: int, kills: int, seed: int) -> dict[str, Any]:
    """Let writers write at the same time, killing some of them, and see what is kept."""
    chance = random.Random(seed)
    presets = manager(folder)
    names = [f"w{n}" for n in range(number)]
    for name in [*names, "shared"]:
        task = {"name": name, "check": "disk_space", "interval_s": 60}
        asyncio.run(presets.add(task))
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    running = {fork_writer(folder, name, count, writing): name for name in names}
    killed: Counter[str] = Counter()
    invalid, text, until = 0, b"", time.monotonic() + LIMIT_S
    while running and time.monotonic() < until:
        whole = json.loads((folder / "presets.json").read_text())  # at any moment it is whole
        invalid += len(whole["tasks"]) != number + 1
        text += _rest(reading)
        if killed.total() < kills:
            pid = chance.choice(list(running))
            os.kill(pid, signal.SIGKILL)
            name = running[pid]
            killed[name] += 1
            os.waitpid(pid, 0)
            del running[pid]
            running[fork_writer(folder, name, count, writing)] = name
            time.sleep(chance.random() / 50)  # kills are spread over the writers' work
        for pid in list(running):
            if os.waitpid(pid, os.WNOHANG)[0]:
                del running[pid]
    for pid in running:
        os.kill(pid, signal.SIGKILL)
    while chunk := _rest(reading):
        text += chunk
    acknowledged = Counter(text.decode().split())
    kept = {task.id: task.failures for task in asyncio.run(presets.all())[0]}
    history = len(asyncio.run(presets.changes(limit=10_000)))
    return {
        "unfinished": len(running),
        "invalid": invalid,
        "kills": killed.total(),
        "acknowledged": acknowledged.total(),
        "lost": [n for n in kept if kept[n] < acknowledged[n]],
        # A writer that dies after it wrote, and before it said so, leaves one more.
        "invented": [
            n
            for n in kept
            if kept[n] > acknowledged[n] + (killed.total() if n == "shared" else killed[n])
        ],
        "history": history,
        "left_over": sorted(p.name for p in folder.iterdir()),
    }


def _rest(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65_536)
    except BlockingIOError:
        return b""


# --- schedulers ------------------------------------------------------------------------------------


class Clock:
    """The time, as the test says."""

    now = datetime(2026, 3, 28, 22, 0, 30, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


class Crash(BaseException):
    """The end of a scheduler, in the middle of what it does."""


def schedulers(folder: Path, ticks: int, seed: int) -> dict[str, Any]:
    """Run two schedulers over so many minutes, restarting them at random; count what ran."""
    return asyncio.run(_schedulers(folder, ticks, random.Random(seed)))


async def _schedulers(folder: Path, ticks: int, chance: random.Random) -> dict[str, Any]:
    clock, runs = Clock(), Counter[str]()
    _use_clock(clock)
    base = part("monitoring.checks.base")

    @base.check("counted", parameters=base.CheckParameters)  # type: ignore[untyped-decorator]  # of the render
    async def counted(_parameters: object, _context: object) -> Any:
        """Count runs."""
        runs["checks"] += 1
        return base.CheckResult(ok=True, summary="counted")

    settings = part("settings").Settings()
    presets = manager(folder)
    presets._clock = clock
    task = {"name": "Tick", "check": "counted", "cron": "* * * * *", "timezone": "Europe/Berlin"}
    await presets.add(task)
    async with AsyncExitStack() as stack:
        jobs, connecting = part("jobs.client"), part("jobs.connecting")
        client = await stack.enter_async_context(
            jobs.open_client(settings.jobs, lambda: connecting.make_store(settings.jobs))
        )
        worker = part("jobs.running").embedded_worker(settings, client)
        await stack.enter_async_context(worker)
        service = await stack.enter_async_context(
            part("monitoring.composition").open_monitoring(settings)
        )
        service.presets._clock = service._clock = clock
        pair = [Scheduler(service, clock, chance), Scheduler(service, clock, chance)]
        ids = []
        for _ in range(ticks):
            clock.now += timedelta(minutes=1)
            ids.append(await _tick(pair, clock, chance, runs))
            await _until_finished(client, ids[-1])
        runs["jobs"] = len(await client.search(part("jobs.records").JobFilter(limit=10_000)))
        seen = await presets.runs("tick", 10_000)
        for scheduler in pair:
            scheduler.die()
    return {
        **runs,
        "recorded": len({run.run_id for run in seen}),
        "twice": len(seen) - len({run.run_id for run in seen}),
        "distinct": len(set(ids)),
    }


def _use_clock(clock: Clock) -> None:
    """Let APScheduler, which has no clock to hand in, go by this one."""

    class Time(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            assert tz is not None
            return clock.now

    import apscheduler.schedulers.base as waiting  # noqa: PLC0415  # in the rendered environment only

    waiting.datetime = Time


class Scheduler:
    """A scheduler that can die at any point, and is made anew from what is written down."""

    def __init__(self, service: Any, clock: Clock, chance: random.Random) -> None:
        self._service, self._clock, self._chance = service, clock, chance
        self._made: Any = None

    async def _start(self) -> None:
        self._made = part("monitoring.scheduler").MonitoringScheduler(
            self._service, self._enqueue, Silent(), clock=self._clock
        )
        await self._made.sync()
        self._made.waiting.start()

    async def _enqueue(self, task: Any, due: datetime) -> None:
        if self._chance.random() < 0.1:
            raise Crash  # before it was enqueued
        await part("monitoring.jobs").enqueue_run(task, due)
        if self._chance.random() < 0.1:
            raise Crash  # enqueued, and not written down

    async def look(self) -> bool:
        """Look at the clock, as the timer would; return whether it survived."""
        if self._made is None:
            await self._start()
        self._made.waiting._process_jobs()
        waiting = list(self._made._executor.running)
        done = await asyncio.gather(*waiting, return_exceptions=True)
        return not any(isinstance(result, Crash) for result in done)

    def die(self) -> None:
        """Forget everything."""
        if self._made is not None:
            self._made.waiting._stop_timer()
            self._made = None


async def _tick(
    pair: list[Scheduler], clock: Clock, chance: random.Random, runs: Counter[str]
) -> str:
    """Let one minute come, until at least one scheduler has lived through it."""
    survived = False
    while not survived:
        chance.shuffle(pair)
        for scheduler in pair:
            if chance.random() < 0.1:
                scheduler.die()
                runs["restarts"] += 1
            if await scheduler.look():
                survived = True
            else:
                scheduler.die()
                runs["crashes"] += 1
    found: str = part("monitoring.results").run_id_of("tick", clock.now.replace(second=0))
    return found


async def _until_finished(client: Any, job_id: str) -> None:
    until = time.monotonic() + LIMIT_S
    while not (await client.get(job_id)).state.is_finished:
        assert time.monotonic() < until, f"{job_id} did not finish"
        await asyncio.sleep(0.001)  # asks again: a store tells callers nothing


COMMANDS: dict[str, Any] = {
    "schedules": schedules,
    "writers": lambda folder, number, count, kills, seed: writers(
        Path(folder), int(number), int(count), int(kills), int(seed)
    ),
    "schedulers": lambda folder, ticks, seed: schedulers(Path(folder), int(ticks), int(seed)),
}

if __name__ == "__main__":
    print(json.dumps(COMMANDS[sys.argv[2]](*sys.argv[3:])))
