"""The supervisor: starts units in the order of their needs, keeps them up, stops them within a bound."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .identity import Identity
from .process import AlreadyRunningError, Child
from .unit import Standing, State, Unit, UnitError


@dataclass(frozen=True, slots=True)
class Timings:
    """How patient the supervisor is, in seconds.

    Attributes:
        start_step: Between two probes of what starts.
        start_limit: Until what starts must be ready; recovery after a crash takes its time.
        probe_step: Between two probes of what is ready.
        misses: Probes in a row without an answer until it is started again.
        backoff: Before the first restart; each next one waits twice as long.
        backoff_limit: The longest wait before a restart.
        calm: After which a unit that runs has earned a short wait again.
    """

    start_step: float = 0.05
    start_limit: float = 60.0
    probe_step: float = 5.0
    misses: int = 6
    backoff: float = 0.5
    backoff_limit: float = 30.0
    calm: float = 60.0


class Supervisor:
    """Keeps units running until it is told to stop.

    A unit that never becomes ready ends everything: its `problem` says why. One that was ready and ends,
    or answers no more, is started again, for as long as it takes.

    Attributes:
        standings: How each unit stands, by name, in the order in which they were given.
        failed: The unit that could not be started, or None.
    """

    def __init__(
        self,
        units: Sequence[Unit],
        run: Path,
        *,
        timings: Timings | None = None,
        on_change: Callable[[Standing], None] = lambda _standing: None,
    ) -> None:
        """Take the units; nothing is started yet.

        Args:
            units: What to keep up.
            run: The folder of who runs.
            timings: How patient to be.
            on_change: Called with each new standing.
        """
        self.standings = {unit.name: Standing(unit, since=time.time()) for unit in units}
        self.failed: Standing | None = None
        self._run = run
        self._timings = timings or Timings()
        self._on_change = on_change
        self._ready = {unit.name: asyncio.Event() for unit in units}
        self._starts: dict[str, asyncio.Task[Child]] = {}
        self._end = asyncio.Event()

    @property
    def is_ready(self) -> bool:
        """Whether every unit is ready."""
        return all(standing.state is State.READY for standing in self.standings.values())

    def stop(self) -> None:
        """Let `run` stop everything and return; asked for twice, it kills."""
        if self._end.is_set():
            for start in self._starts.values():
                if start.done() and not start.cancelled() and start.exception() is None:
                    start.result().kill()
        self._end.set()

    async def run(self) -> None:
        """Start everything, keep it up until `stop`, and stop it."""
        keepers = [asyncio.create_task(self._keep(s)) for s in self.standings.values()]
        try:
            await self._end.wait()
        finally:
            for keeper in keepers:
                keeper.cancel()
            await asyncio.gather(*keepers, return_exceptions=True)
            # What depends on others goes before them.
            for kind in ("service", "engine"):
                await asyncio.gather(
                    *(self._stop(s) for s in self.standings.values() if s.unit.kind == kind)
                )

    async def _keep(self, standing: Standing) -> None:
        """Keep one unit up."""
        timings, wait = self._timings, self._timings.backoff
        await asyncio.gather(*(self._ready[name].wait() for name in standing.unit.after))
        while True:
            started = time.monotonic()
            try:
                problem = await self._live(standing)
            except (UnitError, AlreadyRunningError, OSError) as error:
                problem = str(error)
            if not self._ready[standing.unit.name].is_set():
                self.failed = standing
                self._set(standing, State.FAILED, problem)
                self.stop()
                return
            if time.monotonic() - started > timings.calm:
                wait = timings.backoff
            self._set(standing, State.RESTARTING, problem)
            await asyncio.sleep(wait)  # so that what can't run does not take the whole machine
            wait = min(wait * 2, timings.backoff_limit)
            standing.restarts += 1

    async def _live(self, standing: Standing) -> str:
        """Run a unit once, from its preparation to its end, and return why it ended."""
        unit = standing.unit
        if unit.prepare is None:
            return await self._watch(standing, None)
        self._set(standing, State.PREPARING)
        program = await unit.prepare()
        start = asyncio.create_task(Child.start(program, Identity(self._run, unit.name)))
        self._starts[unit.name] = start
        # Whoever stops everything in this moment must not lose what is about to run.
        child = await asyncio.shield(start)
        standing.process = child.process.pid
        self._set(standing, State.STARTING)
        try:
            return await self._watch(standing, child)
        finally:
            if not self._end.is_set():
                await child.stop()
                standing.process = None

    async def _watch(self, standing: Standing, child: Child | None) -> str:
        """Probe a unit until it ends or is to be started again; returns the reason."""
        timings, misses = self._timings, 0
        deadline = time.monotonic() + timings.start_limit
        was_ready = False
        ended = asyncio.create_task(child.process.wait()) if child else None
        try:
            while ended is None or not ended.done():
                if await standing.unit.answers():
                    was_ready, misses = True, 0
                    self._set(standing, State.READY)
                    self._ready[standing.unit.name].set()
                elif not was_ready and time.monotonic() > deadline:
                    return f"it did not answer within {timings.start_limit:.0f} s"
                elif was_ready:
                    misses += 1
                    self._set(standing, State.UNHEALTHY, "it does not answer")
                    if misses >= timings.misses and child is not None:
                        return f"it did not answer {misses} times in a row"
                step = timings.probe_step if was_ready else timings.start_step
                if ended is None:
                    await asyncio.sleep(step)  # nothing tells when a server elsewhere is ready
                else:
                    await asyncio.wait({ended}, timeout=step)
        finally:
            if ended is not None:
                ended.cancel()
        assert child is not None  # noqa: S101  # only a child ends
        return _ending(child.process.returncode)

    async def _stop(self, standing: Standing) -> None:
        start = self._starts.get(standing.unit.name)
        with contextlib.suppress(AlreadyRunningError, OSError):  # then nothing was started
            child = await start if start is not None else None
            if child is not None and child.process.returncode is None:
                if standing.state is not State.FAILED:
                    self._set(standing, State.STOPPING)
                await child.stop()
        standing.process = None
        if standing.state is not State.FAILED:
            self._set(standing, State.STOPPED)

    def _set(self, standing: Standing, state: State, problem: str = "") -> None:
        if (standing.state, standing.problem) != (state, problem):
            standing.state, standing.problem, standing.since = state, problem, time.time()
            self._on_change(standing)


def _ending(code: int | None) -> str:
    """Say how a process ended."""
    if code is None:
        return "it ended"
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"it was ended by {signal.Signals(-code).name}"
    return f"it ended with exit code {code}"


async def end_orphans(run: Path, stops: Mapping[str, tuple[signal.Signals, float]]) -> list[str]:
    """End what a supervisor that was killed left running, and return the names.

    Args:
        run: The folder of who runs.
        stops: For each name the signal that ends it, and the seconds after which it is killed.
    """
    names = [name for name in stops if Identity(run, name).is_held()]
    ended = await asyncio.gather(*(Identity(run, name).end(*stops[name]) for name in names))
    return [name for name, process in zip(names, ended, strict=True) if process is not None]


def write_status(path: Path, standings: Sequence[Standing]) -> None:
    """Write how everything stands, for `central status`; whole or not at all."""
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps([standing.as_json() for standing in standings]), "utf-8")
    fresh.replace(path)
