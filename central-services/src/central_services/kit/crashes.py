"""The kill -9 harness: what a program acknowledged is there after any crash, and there once.

A workload runs in a process of its own and says what it has acknowledged; it is killed with SIGKILL at a random
moment, started again, and so on. Then its owner looks at what is there.

    def place_orders(round_: int, acknowledge: Acknowledge, url: str) -> None:
        for number in itertools.count():
            store(url, f"{round_}-{number}")
            acknowledge(f"{round_}-{number}")

    acknowledged = kill_repeatedly(place_orders, url, kills=50, seed=1)
    judge(acknowledged, stored(url)).require()

An acknowledgement is in the kernel's hands when `acknowledge` returns, so the kill can't take it back; those of
the last moment are read after it. What a crash of the machine would lose is another question, which a trace of
the calls of fsync answers.
"""

from __future__ import annotations

import importlib
import os
import pickle
import random
import select
import signal
import subprocess
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

Acknowledge = Callable[[str], None]

MOST_ACKNOWLEDGEMENTS = 25
MOST_DELAY_S = 0.01
LIMIT_S = 60.0


class WorkloadEndedError(Exception):
    """A workload ended by itself, or said nothing for too long: it was to go on until it is killed."""


class BrokenPromiseError(AssertionError):
    """Something that was acknowledged is lost, or is there twice."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What crashes did.

    Attributes:
        acknowledged: How many things were acknowledged.
        stored: How many there are; of a crash's last moment there may be more than were acknowledged.
        lost: What was acknowledged and is not there.
        twice: What is there more than once.
    """

    acknowledged: int
    stored: int
    lost: tuple[str, ...]
    twice: tuple[str, ...]

    def require(self) -> None:
        """Insist on the promise.

        Raises:
            BrokenPromiseError: Naming the first few that it was broken for.
        """
        if self.lost or self.twice:
            text = f"lost: {', '.join(self.lost[:5])}; twice: {', '.join(self.twice[:5])}"
            raise BrokenPromiseError(f"of {self.acknowledged} acknowledged: {text}")


def judge(acknowledged: Iterable[str], stored: Iterable[str]) -> Verdict:
    """Return what is wrong with what is there, by what was acknowledged."""
    promised, there = set(acknowledged), Counter(stored)
    lost = sorted(promised - there.keys())
    twice = sorted(name for name, count in there.items() if count > 1)
    return Verdict(len(promised), there.total(), tuple(lost), tuple(twice))


def kill_repeatedly(
    workload: Callable[..., None],
    *arguments: object,
    kills: int,
    seed: int,
    after: Callable[[int, Sequence[str]], None] | None = None,
) -> list[str]:
    """Run a workload and kill it at a random moment, time after time; return all that it acknowledged.

    Args:
        workload: A function of a module, which the process imports; called with the number of the round and an
            `Acknowledge`, which takes the name of something, or several by lines, of at most 4,000 bytes. It
            never returns.
        *arguments: What else it is called with; they are pickled.
        kills: How often.
        seed: What the moments depend on: after 1 to 25 acknowledgements, and up to 10 ms later.
        after: Called after each kill with the number of the round and what was acknowledged so far.

    Raises:
        WorkloadEndedError: The workload ended by itself; its own error is on standard error.
    """
    chance, acknowledged = random.Random(seed), list[str]()  # noqa: S311  # moments, no secrets
    with _nursery(workload, arguments) as nursery:
        for round_ in range(kills):
            nursery.tell("start")
            acknowledged += nursery.read(chance.randint(1, MOST_ACKNOWLEDGEMENTS))
            acknowledged += nursery.read_for(chance.uniform(0, MOST_DELAY_S))
            nursery.tell("kill")
            acknowledged += nursery.read_rest()
            if nursery.code != -signal.SIGKILL:
                raise WorkloadEndedError(
                    f"round {round_} ended by itself with exit code {nursery.code}"
                )
            if after is not None:
                after(round_, acknowledged)
    return acknowledged


# --- the process that forks the workloads ---------------------------------------------------------

_NURSE = f"from {__name__} import nurse; nurse()"
_ENDED = b"\0"
"""Begins the line that says with which code a workload has ended."""


@dataclass(slots=True)
class _Nursery:
    """A process without threads that has imported the workload, so that forking one takes milliseconds.

    Attributes:
        process: The process; it ends, with the workload, when its standard input does.
        code: With which code the workload ended, like that of `subprocess`; None while it runs.
    """

    process: subprocess.Popen[bytes]
    code: int | None = None
    _read: bytes = b""
    _names: list[str] = field(default_factory=list)

    def tell(self, word: str) -> None:
        """Tell it to `start` the workload, or to `kill` it."""
        assert self.process.stdin  # noqa: S101  # it was opened with one
        if word == "start":
            self.code = None
        self.process.stdin.write(f"{word}\n".encode())
        self.process.stdin.flush()

    def read(self, wanted: int) -> list[str]:
        """Return so many acknowledgements, or fewer when the workload ends."""
        while len(self._names) < wanted and self.code is None:
            if not self._take(LIMIT_S):
                raise WorkloadEndedError(f"nothing was acknowledged for {LIMIT_S:.0f} s")
        return self._taken()

    def read_for(self, seconds: float) -> list[str]:
        """Return what is acknowledged in a moment."""
        until = time.monotonic() + seconds
        while self.code is None and (left := until - time.monotonic()) > 0:
            self._take(left)
        return self._taken()

    def read_rest(self) -> list[str]:
        """Return what was acknowledged until the end."""
        while self.code is None:
            if not self._take(LIMIT_S):
                raise WorkloadEndedError("it can't be killed")
        return self._taken()

    def _taken(self) -> list[str]:
        names, self._names = self._names, []
        return names

    def _take(self, seconds: float) -> bool:
        """Take what has arrived; tell whether there was anything."""
        assert self.process.stdout  # noqa: S101  # it was opened with one
        descriptor = self.process.stdout.fileno()
        if not select.select([descriptor], [], [], seconds)[0]:
            return False
        arrived = os.read(descriptor, 65_536)
        if not arrived:
            raise WorkloadEndedError("the workload can't be imported: see standard error")
        *lines, self._read = (self._read + arrived).split(b"\n")
        for line in lines:
            if line.startswith(_ENDED):
                self.code = int(line[1:])
            else:
                self._names.append(line.decode())
        return True


@contextmanager
def _nursery(workload: Callable[..., None], arguments: tuple[object, ...]) -> Generator[_Nursery]:
    module = workload.__module__
    if module == "__main__":  # a script, whose folder is on the path
        module = Path(str(sys.modules[module].__file__)).stem
    paths = os.pathsep.join(path or "." for path in sys.path)
    with subprocess.Popen(  # noqa: S603  # this program
        [sys.executable, "-c", _NURSE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": paths},
    ) as process:
        assert process.stdin  # noqa: S101  # it was opened with one
        task = pickle.dumps((module, getattr(workload, "__name__", ""), arguments))
        process.stdin.write(len(task).to_bytes(4) + task)
        process.stdin.flush()
        yield _Nursery(process)


def nurse() -> None:
    """Be that process: fork the workload and kill it, as standard input says; until it ends."""
    said = os.dup(1)
    os.dup2(2, 1)  # what a workload prints is for people
    size = int.from_bytes(_exactly(4))
    module, name, arguments = pickle.loads(_exactly(size))  # noqa: S301  # of the parent
    workload = getattr(importlib.import_module(module), name)
    child, round_ = 0, 0
    while True:
        ready = _wait(child)
        if child and (word := ready) in {b"", b"kill\n", b"ended"}:
            if word != b"ended":
                os.kill(child, signal.SIGKILL)
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            child = 0
            os.write(said, _ENDED + f"{code}\n".encode())
        if ready == b"start\n":
            child = os.fork() or _work(said, workload, round_, arguments)
            round_ += 1
        if not ready:
            return


def _wait(child: int) -> bytes:
    """Return the next line of standard input, or that the workload has ended by itself."""
    if not child:
        return _line()
    handle = os.pidfd_open(child)
    try:
        # A word that is there counts first: to kill what has ended meanwhile is no mistake.
        ready = select.select([0, handle], [], [])[0]
        return _line() if 0 in ready else b"ended"
    finally:
        os.close(handle)


def _line() -> bytes:
    found = b""
    while not found.endswith(b"\n") and (one := os.read(0, 1)):
        found += one
    return found


def _exactly(count: int) -> bytes:
    found = b""
    while len(found) < count and (part := os.read(0, count - len(found))):
        found += part
    return found


def _work(
    said: int,
    workload: Callable[..., None],
    round_: int,
    arguments: tuple[object, ...],
) -> int:
    """Be the workload; never returns."""

    def acknowledge(name: str) -> None:
        # One call, which no kill cuts (PIPE_BUF): the line is with the kernel, or is not.
        os.write(said, f"{name}\n".encode())

    try:
        workload(round_, acknowledge, *arguments)
        os._exit(0)
    except BaseException:  # noqa: BLE001  # the edge of the process, which must not go on as its parent
        traceback.print_exc()
        sys.stderr.flush()
    os._exit(1)
