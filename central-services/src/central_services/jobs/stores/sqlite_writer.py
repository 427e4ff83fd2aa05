# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The thread that writes to the embedded queue: what queues up meanwhile shares one transaction.

Claims that found nothing wait here, too. They are tried again in the same transaction as what may
have brought them a job, so that a job which is enqueued while a worker waits costs one sync of the
disk and one switch between threads.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import JobsUnavailableError
from ..records import Claim
from .sqlite_schema import connect
from .sqlite_wake import Turn, WakeUp

POLL_S = 0.25
"""Seconds after which a waiting claim looks by itself for what other processes changed."""
POLL_DEAF_S = 0.01
"""The same, where other processes can't call."""

Work = Callable[[sqlite3.Connection, float], Any]
Answer = tuple["asyncio.Future[Any]", object]


@dataclass(slots=True, eq=False)
class Operation:
    """Something to do in a transaction.

    Attributes:
        work: What to do, with the connection and the time of day in seconds.
        done: Set to what that returns, once it is committed.
        is_durable: Whether its caller may hear of it only when it is on the disk.
        wakes_others: Whether other processes may get jobs by it.
    """

    work: Work
    done: asyncio.Future[Any]
    is_durable: bool = True
    wakes_others: bool = False


@dataclass(slots=True, eq=False)
class WaitingClaim:
    """A claim that waits for jobs.

    Attributes:
        work: Claims; returns what it got.
        next_due: Returns the time of day at which it may get something by itself.
        done: Set to the claims.
        until: The monotonic time at which it is over.
        retry_at: The time of day at which it is tried again.
    """

    work: Callable[[sqlite3.Connection, float], list[Claim]]
    next_due: Callable[[sqlite3.Connection], float]
    done: asyncio.Future[list[Claim]]
    until: float
    retry_at: float = 0.0


class Writer:
    """The writing thread of one store.

    Args:
        file: The database, which is prepared.
        given_up: Called in the loop with claims whose caller was cancelled meanwhile.

    Raises:
        sqlite3.Error: When the file can't be opened.
    """

    def __init__(self, file: Path, given_up: Callable[[list[Claim]], None]) -> None:
        self._connection = connect(file)
        self._turn = Turn(file)
        self._wake_up = WakeUp(file)
        self._given_up = given_up
        self._operations: deque[Operation] = deque()
        self._new_claims: deque[WaitingClaim] = deque()
        self._claims: list[WaitingClaim] = []
        self._release_claims = False
        self._sleeping = False
        self._closed = False
        self._data_version = 0
        self._is_full = True
        self._thread = threading.Thread(target=self._run, name="jobs-writer", daemon=True)
        self._thread.start()

    def submit(self, operation: Operation) -> None:
        """Do something in the next transaction.

        Raises:
            JobsUnavailableError: When the writer is closed.
        """
        if self._closed:
            raise JobsUnavailableError("The job store is closed.")
        self._operations.append(operation)
        self._call()

    def wait_for_jobs(self, claim: WaitingClaim) -> None:
        """Claim now, or as soon as there is something; errors as for `submit`."""
        if self._closed:
            raise JobsUnavailableError("The job store is closed.")
        self._new_claims.append(claim)
        self._call()

    def release(self) -> None:
        """Let waiting claims return with nothing."""
        self._release_claims = True
        self._call()

    def close(self) -> None:
        """Do what was submitted, then stop; blocks."""
        self._closed = True
        self._wake_up.call()
        self._thread.join()
        # Not by the thread: the call above may come after its end, to what then has that number.
        self._wake_up.close()

    def _call(self) -> None:
        if self._sleeping:
            self._wake_up.call()

    def _run(self) -> None:
        try:
            while not (self._closed and not self._operations):
                self._step()
                self._sleep()
        finally:
            self._claims.extend(self._new_claims)
            _settle_all([(claim.done, []) for claim in self._claims], self._given_up)
            self._connection.close()
            self._turn.close()

    def _sleep(self) -> None:
        """Wait for something to do, at most until a waiting claim has to look by itself."""
        # Who submits appends first and looks at this flag second: one of both sees the other.
        self._sleeping = True
        if not (self._operations or self._new_claims or self._release_claims or self._closed):
            self._wake_up.wait(self._patience())
        self._sleeping = False

    def _patience(self) -> float | None:
        if not self._claims:
            return None
        poll = POLL_S if self._wake_up.hears_others else POLL_DEAF_S
        until = min(claim.until for claim in self._claims) - time.monotonic()
        due = min(claim.retry_at for claim in self._claims) - time.time()
        return max(0.0, min(poll, until, due))

    def _step(self) -> None:
        """Do everything that waits, in one transaction."""
        # Read before the claims are: those that came before the release are among them.
        release, self._release_claims = self._release_claims, False
        operations = [self._operations.popleft() for _ in range(len(self._operations))]
        while self._new_claims:
            self._claims.append(self._new_claims.popleft())
        self._claims = [claim for claim in self._claims if not claim.done.cancelled()]
        tried = list(self._claims) if operations or self._may_find() else []
        if operations or tried:
            self._transact(operations, tried)
        now = time.monotonic()
        over = [claim for claim in self._claims if release or claim.until <= now]
        self._claims = [claim for claim in self._claims if claim not in over]
        _settle_all([(claim.done, []) for claim in over], self._given_up)

    def _may_find(self) -> bool:
        """Whether a waiting claim is new, due, or somebody else has changed the file."""
        if not self._claims:
            return False
        version = self._connection.execute("PRAGMA data_version").fetchone()[0]
        changed, self._data_version = version != self._data_version, version
        return changed or min(claim.retry_at for claim in self._claims) <= time.time()

    def _transact(self, operations: Sequence[Operation], claims: Sequence[WaitingClaim]) -> None:
        """Do operations and try claims, all in one transaction, and tell their callers."""
        try:
            with self._turn:
                answers = self._attempt(operations, claims)
        except Exception as error:  # noqa: BLE001  # whatever it is, each caller must hear of it
            if len(operations) + len(claims) > 1:  # it may be the fault of one of them alone
                for one in operations:
                    self._transact([one], ())
                for claim in claims:
                    self._transact((), [claim])
                return
            told: object = _as_unavailable(error)
            answers = [(one.done, told) for one in operations]
            answers += [(one.done, told) for one in claims]
            self._claims = [claim for claim in self._claims if claim not in claims]
        _settle_all(answers, self._given_up)
        if any(one.wakes_others for one in operations):
            self._wake_up.call_others()

    def _attempt(
        self, operations: Sequence[Operation], claims: Sequence[WaitingClaim]
    ) -> list[Answer]:
        self._be_durable(any(one.is_durable for one in operations))
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            now = time.time()
            answers: list[Answer] = [(one.done, one.work(connection, now)) for one in operations]
            served = []
            for claim in claims:
                found = claim.work(connection, now)
                if found:
                    answers.append((claim.done, found))
                    served.append(claim)
                else:
                    claim.retry_at = claim.next_due(connection)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        self._claims = [claim for claim in self._claims if claim not in served]
        return answers

    def _be_durable(self, wanted: bool) -> None:
        """Sync the disk with the commit, or leave that to the next one that does.

        After a power cut, a claim or a heartbeat that is not there any more lets the job start again,
        which it would do anyway.
        """
        if wanted != self._is_full:
            self._connection.execute(f"PRAGMA synchronous = {'FULL' if wanted else 'NORMAL'}")
            self._is_full = wanted


def _as_unavailable(error: Exception) -> Exception:
    """Return what a caller is told."""
    if not isinstance(error, sqlite3.Error):
        return error
    unavailable = JobsUnavailableError()
    unavailable.__cause__ = error
    return unavailable


def _settle_all(answers: Sequence[Answer], given_up: Callable[[list[Claim]], None]) -> None:
    """Hand results to their callers, with one wake-up for each event loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Answer]] = {}
    for answer in answers:
        by_loop.setdefault(answer[0].get_loop(), []).append(answer)
    for loop, some in by_loop.items():
        if not loop.is_closed():
            loop.call_soon_threadsafe(_settle, some, given_up)


def _settle(answers: Sequence[Answer], given_up: Callable[[list[Claim]], None]) -> None:
    for future, result in answers:
        if future.done():
            if isinstance(result, list) and result and isinstance(result[0], Claim):
                given_up(result)
        elif isinstance(result, Exception):
            future.set_exception(result)
        else:
            future.set_result(result)
