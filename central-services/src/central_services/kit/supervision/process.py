"""One program as a child: started in a session of its own, stopped within a bound."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from .identity import Identity

LOG_LIMIT = 10 * 1024 * 1024
"""Bytes after which a log is set aside when its program starts; one older one is kept."""

# It writes its own id and becomes the program: no moment in which it runs and nobody could find it.
_BECOME = 'echo $$ > "$0" && exec "$@"'


class AlreadyRunningError(Exception):
    """A process from before holds the lock; it has to be ended first."""


@dataclass(frozen=True, slots=True)
class Program:
    """What to run.

    Attributes:
        argv: The program and its arguments; secrets never stand here, where anybody can read them.
        environment: All its variables.
        folder: Where it runs.
        log: Where its output goes.
        stop: The signal that ends it in order.
        stop_limit_s: Seconds after which it is killed.
        user: The id of the user and group it runs as, or None for this process's own.
    """

    argv: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    log: Path
    stop: signal.Signals = signal.SIGTERM
    stop_limit_s: float = 10.0
    user: int | None = None


@dataclass(slots=True)
class Child:
    """A running program.

    Attributes:
        program: What runs.
        process: Its process.
    """

    program: Program
    process: asyncio.subprocess.Process
    _killed: bool = field(default=False, init=False)

    @classmethod
    async def start(cls, program: Program, identity: Identity) -> Child:
        """Start a program under an identity.

        Raises:
            AlreadyRunningError: Its identity is another process's, which lives.
            OSError: It can't be started.
        """
        lock = identity.take()
        if lock is None:
            message = f"{identity.name} runs already, as process {identity.holder()}"
            raise AlreadyRunningError(message)
        try:
            # Before the program is another user's.
            identity.id_path.touch(mode=0o600)
            if program.user is not None:
                os.chown(identity.id_path, program.user, program.user)
            process = await _spawn(program, identity, lock)
        finally:
            os.close(lock)  # the program has it, too
        return cls(program, process)

    async def stop(self) -> bool:
        """Stop it, and kill it at its limit; tells whether it went by itself."""
        if self.process.returncode is None:
            with suppress(ProcessLookupError):
                self.process.send_signal(self.program.stop)
        try:
            await asyncio.wait_for(self.process.wait(), self.program.stop_limit_s)
        except TimeoutError:
            self.kill()
            await self.process.wait()
        return not self._killed

    def kill(self) -> None:
        """End it at once, with what it started in its session."""
        self._killed = True
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)


async def _spawn(program: Program, identity: Identity, lock: int) -> asyncio.subprocess.Process:
    _set_aside(program.log)
    with program.log.open("ab") as log:
        return await asyncio.create_subprocess_exec(
            "/bin/sh",
            "-c",
            _BECOME,
            str(identity.id_path),
            *program.argv,
            cwd=program.folder,
            env=dict(program.environment),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(lock,),
            start_new_session=True,  # a terminal's Ctrl-C is the supervisor's to pass on
            umask=0o077,
            user=program.user,
            group=program.user,
            extra_groups=None if program.user is None else [],
        )


def _set_aside(log: Path) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > LOG_LIMIT:
        log.replace(log.with_suffix(".log.1"))
    log.touch(mode=0o600)
