"""The supervisor, with small programs for engines."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from central_services.kit.supervision.identity import Identity
from central_services.kit.supervision.process import AlreadyRunningError, Child, Program
from central_services.kit.supervision.supervisor import (
    Supervisor,
    Timings,
    end_orphans,
    write_status,
)
from central_services.kit.supervision.unit import Standing, State, Unit, UnitError

pytestmark = pytest.mark.anyio
LIMIT_S = 30
QUICK = Timings(start_step=0.01, probe_step=0.02, misses=3, backoff=0.01, start_limit=LIMIT_S)
MakeUnit = Callable[..., Unit]


class Watch:
    """Waits for standings of a supervisor."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, State]] = []
        self._changed = asyncio.Event()

    def __call__(self, standing: Standing) -> None:
        self.seen.append((standing.unit.name, standing.state))
        self._changed.set()

    async def until(self, name: str, state: State, times: int = 1) -> None:
        async with asyncio.timeout(LIMIT_S):
            while self.seen.count((name, state)) < times:
                self._changed.clear()
                await self._changed.wait()


@pytest.fixture
def watch() -> Watch:
    return Watch()


def is_alive(process: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(process, 0)
        return True
    return False


async def test_units_start_when_what_they_need_is_ready(
    make_unit: MakeUnit, tmp_path: Path, watch: Watch
) -> None:
    units = [make_unit("second", after=("first",)), make_unit("first")]
    supervisor = Supervisor(units, tmp_path / "run", timings=QUICK, on_change=watch)
    running = asyncio.create_task(supervisor.run())
    await watch.until("second", State.READY)
    assert supervisor.is_ready
    first, second = watch.seen.index(("first", State.READY)), ("second", State.PREPARING)
    assert first < watch.seen.index(second)
    supervisor.stop()
    await running
    assert supervisor.failed is None
    assert {s.state for s in supervisor.standings.values()} == {State.STOPPED}


async def test_killed_unit_is_started_again(
    make_unit: MakeUnit, tmp_path: Path, watch: Watch
) -> None:
    supervisor = Supervisor([make_unit("it")], tmp_path / "run", timings=QUICK, on_change=watch)
    running = asyncio.create_task(supervisor.run())
    await watch.until("it", State.READY)
    standing = supervisor.standings["it"]
    before = standing.process
    assert before is not None
    os.kill(before, signal.SIGKILL)
    await watch.until("it", State.READY, times=2)
    assert standing.process != before
    assert standing.restarts == 1
    supervisor.stop()
    await running


async def test_unit_that_hangs_is_started_again(
    make_unit: MakeUnit, tmp_path: Path, watch: Watch
) -> None:
    """It lives and does not answer; its port stays bound, so only the probe can tell."""
    unit, deaf = make_unit("it"), []

    async def answers() -> bool:
        return not deaf and await unit.answers()

    heard = dataclasses.replace(unit, answers=answers)
    supervisor = Supervisor([heard], tmp_path / "run", timings=QUICK, on_change=watch)
    running = asyncio.create_task(supervisor.run())
    await watch.until("it", State.READY)
    deaf.append(True)
    await watch.until("it", State.UNHEALTHY)
    await watch.until("it", State.RESTARTING)
    deaf.clear()
    await watch.until("it", State.READY, times=2)
    supervisor.stop()
    await running


async def test_unit_that_never_becomes_ready_ends_everything(
    make_unit: MakeUnit, tmp_path: Path
) -> None:
    broken = make_unit("broken", code="raise SystemExit(3)")
    supervisor = Supervisor([make_unit("fine"), broken], tmp_path / "run", timings=QUICK)
    async with asyncio.timeout(LIMIT_S):
        await supervisor.run()
    assert supervisor.failed is supervisor.standings["broken"]
    assert supervisor.failed.problem == "it ended with exit code 3"
    assert supervisor.failed.state is State.FAILED
    assert supervisor.standings["fine"].state is State.STOPPED
    assert not Identity(tmp_path / "run", "fine").is_held()


async def test_unit_that_can_not_be_prepared_says_why(make_unit: MakeUnit, tmp_path: Path) -> None:
    async def prepare() -> Program:
        raise UnitError("put uv on PATH")

    unit = dataclasses.replace(make_unit("it"), prepare=prepare)
    supervisor = Supervisor([unit], tmp_path / "run", timings=QUICK)
    await supervisor.run()
    assert supervisor.failed is not None
    assert supervisor.failed.problem == "put uv on PATH"


async def test_unit_that_does_not_answer_in_time_fails(make_unit: MakeUnit, tmp_path: Path) -> None:
    timings = dataclasses.replace(QUICK, start_limit=0.05)
    silent = make_unit("it", code="import time; time.sleep(600)")
    supervisor = Supervisor([silent], tmp_path / "run", timings=timings)
    async with asyncio.timeout(LIMIT_S):
        await supervisor.run()
    assert supervisor.failed is not None
    assert "did not answer within" in supervisor.failed.problem


async def test_what_ignores_its_signal_is_killed_at_its_limit(
    make_unit: MakeUnit, tmp_path: Path, watch: Watch
) -> None:
    unit = make_unit("it", flag="stubborn")
    supervisor = Supervisor([unit], tmp_path / "run", timings=QUICK, on_change=watch)
    running = asyncio.create_task(supervisor.run())
    await watch.until("it", State.READY)
    process = supervisor.standings["it"].process
    assert process is not None
    supervisor.stop()
    await running
    assert not is_alive(process)


async def test_stop_asked_for_twice_kills(
    make_unit: MakeUnit, tmp_path: Path, watch: Watch
) -> None:
    unit = make_unit("it", flag="stubborn")
    assert unit.prepare is not None
    patient = dataclasses.replace(await unit.prepare(), stop_limit_s=600.0)

    async def prepare() -> Program:
        return patient

    unit = dataclasses.replace(unit, prepare=prepare)
    supervisor = Supervisor([unit], tmp_path / "run", timings=QUICK, on_change=watch)
    running = asyncio.create_task(supervisor.run())
    await watch.until("it", State.READY)
    supervisor.stop()
    await watch.until("it", State.STOPPING)
    supervisor.stop()
    async with asyncio.timeout(LIMIT_S):
        await running


async def test_unit_elsewhere_is_only_asked(
    make_unit: MakeUnit, tmp_path: Path, watch: Watch
) -> None:
    here = make_unit("here")
    there = dataclasses.replace(here, name="there", prepare=None, after=("here",))
    supervisor = Supervisor([here, there], tmp_path / "run", timings=QUICK, on_change=watch)
    running = asyncio.create_task(supervisor.run())
    await watch.until("there", State.READY)
    assert supervisor.standings["there"].process is None
    write_status(tmp_path / "status.json", list(supervisor.standings.values()))
    supervisor.stop()
    await running
    said = json.loads((tmp_path / "status.json").read_text("utf-8"))
    assert [(unit["name"], unit["external"]) for unit in said] == [("here", False), ("there", True)]


async def test_orphan_is_found_by_its_lock_and_ended(make_unit: MakeUnit, tmp_path: Path) -> None:
    unit = make_unit("it")
    assert unit.prepare is not None
    identity = Identity(tmp_path / "run", "it")
    child = await Child.start(await unit.prepare(), identity)
    with pytest.raises(AlreadyRunningError, match=str(child.process.pid)):
        await Child.start(await unit.prepare(), identity)
    stops = {"it": (signal.SIGTERM, float(LIMIT_S)), "other": (signal.SIGTERM, 1.0)}
    assert await end_orphans(tmp_path / "run", stops) == ["it"]
    await child.process.wait()
    assert not identity.is_held()
    assert await end_orphans(tmp_path / "run", stops) == []


async def test_process_that_only_has_the_id_of_a_dead_one_is_left_alone(tmp_path: Path) -> None:
    """Ids come back: the file names this very process, which does not hold the lock."""
    identity = Identity(tmp_path, "it")
    lock = identity.take()
    assert lock is not None
    os.close(lock)
    identity.id_path.write_text(f"{os.getpid()}\n", "utf-8")
    assert identity.holder() is None
    assert await identity.end(signal.SIGKILL, 1.0) is None
