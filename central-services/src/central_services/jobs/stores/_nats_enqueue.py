# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Enqueuing jobs in NATS: a record that is made once, a unique key, and a message that starts it."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from ..errors import JobsUnavailableError
from ..records import Enqueued, NewJob
from ._nats_connection import EXPECTED, Connection, Message, Stored
from ._nats_names import Names
from ._nats_records import Record, load, new_record

_TOGETHER = 300
_TRIES = 10
_SOON_MS = 5
FORGOTTEN = {"Nats-TTL": "1s"}
"""The server deletes such a message by itself, after the shortest time that it knows."""


class Enqueuing:
    """Makes jobs, and lets them start.

    The record comes first, then the unique key, then the message in a queue's line: a caller that
    dies in between was not told of a job, and there is none that starts. When it comes again with the
    same id, what is missing is made.

    Args:
        connection: Where they are kept.
        names: What they are called.
        now: Milliseconds since 1970 by the server's clock.
    """

    def __init__(self, connection: Connection, names: Names, now: Callable[[], int]) -> None:
        self._connection = connection
        self._names = names
        self._now = now
        self._instance = os.urandom(6).hex()
        self._calls = itertools.count()
        self._newest = 0

    def _record(self, job: NewJob, nonce: str) -> Record:
        # Lists are in this order: no two of one client are enqueued at the same microsecond.
        self._newest = max(self._now() * 1000, self._newest + 1)
        return new_record(job, nonce, self._now(), enqueued_us=self._newest)

    def nonce(self) -> str:
        """Return a new name of a call, by which it knows what it made when it is repeated."""
        return f"{self._instance}{next(self._calls)}"

    async def enqueue(self, job: NewJob, nonce: str) -> Enqueued:
        """Enqueue a job; safe to repeat.

        Raises:
            JobsUnavailableError: When the server did not do it; whether it did is not known.
        """
        record = self._record(job, nonce)
        subject, expected = self._names.record(job.id), 0
        while not await self._put(subject, record.dump(), expected):
            stored = (await self._read([subject])).get(subject)
            known = load(stored.data) if stored else None
            if known and not known.dropped:
                if known.nonce == nonce:
                    break
                await self._mend(known)
                return Enqueued(job.id, created=False)
            expected = stored.sequence if stored else 0
        if job.unique:
            holder = await self.acquire(job.unique, job.id)
            if holder:
                await self.purge(subject)
                return Enqueued(holder, created=False)
        await self._connection.publish([self.pointer(record)])
        return Enqueued(job.id, created=True)

    async def enqueue_together(self, jobs: Sequence[NewJob], nonce: str) -> list[Enqueued]:
        """Enqueue jobs, all or none of each 300 of them; errors as for `enqueue`."""
        done: list[Enqueued] = []
        for at in range(0, len(jobs), _TOGETHER):
            done += await self._enqueue_part(jobs[at : at + _TOGETHER], nonce)
        return done

    async def _enqueue_part(self, jobs: Sequence[NewJob], nonce: str) -> list[Enqueued]:
        for _ in range(_TRIES):
            plan = _Plan(self._names, await self._known(jobs), nonce)
            messages = [message for job in jobs for message in self._plan(plan, job, nonce)]
            if not messages or await self._connection.publish_together(messages):
                return plan.answers
        raise JobsUnavailableError("The jobs' ids or unique keys change all the time.")

    def _plan(self, plan: _Plan, job: NewJob, nonce: str) -> list[Message]:
        record = self._record(job, nonce)
        expected = plan.add(job)
        if expected is None:
            return []
        found = [Message(self._names.record(job.id), record.dump(), {EXPECTED: str(expected)})]
        if job.unique:
            subject = self._names.unique(job.unique)
            held = {EXPECTED: str(plan.sequence(subject))}
            found.append(Message(subject, job.id.encode(), held))
        return [*found, self.pointer(record)]

    async def _known(self, jobs: Sequence[NewJob]) -> dict[str, Stored]:
        """Return records and unique keys, and the records of jobs that have those keys."""
        subjects = [self._names.record(job.id) for job in jobs]
        keys = [self._names.unique(job.unique) for job in jobs if job.unique]
        found = await self._read([*subjects, *keys])
        holders = [found[key].data.decode() for key in keys if key in found and found[key].data]
        if holders:
            found |= await self._read([self._names.record(holder) for holder in holders])
        return found

    async def acquire(self, unique: str, job_id: str) -> str:
        """Take a unique key for a job, and return the id of an unfinished one that has it, or nothing.

        Raises:
            JobsUnavailableError: When the server does not answer.
        """
        subject, expected = self._names.unique(unique), 0
        for _ in range(_TRIES):
            if await self._put(subject, job_id.encode(), expected):
                return ""
            stored = (await self._read([subject])).get(subject)
            expected = stored.sequence if stored else 0
            holder = stored.data.decode() if stored else ""
            if holder == job_id:
                return ""
            if holder and await self._is_open(holder):
                return holder
        raise JobsUnavailableError("The unique key changes hands all the time.")

    async def release(self, records: Sequence[Record]) -> None:
        """Give back the unique keys of jobs that are finished."""
        ids = {self._names.unique(record.unique): record.id for record in records if record.unique}
        if ids:
            held = await self._read(ids)
            await self._connection.publish(
                [
                    Message(subject, b"", FORGOTTEN | {EXPECTED: str(stored.sequence)})
                    for subject, stored in held.items()
                    if stored.data.decode() == ids[subject]
                ]
            )

    def pointer(self, record: Record) -> Message:
        """Return the message that lets a job start, now or when it is due."""
        ready = self._names.ready(record.queue, record.priority, record.id)
        if record.due <= self._now() + _SOON_MS:
            return Message(ready)
        due = datetime.fromtimestamp(record.due / 1000, UTC).isoformat(timespec="milliseconds")
        schedule = f"@at {due.replace('+00:00', 'Z')}"
        headers = {"Nats-Schedule": schedule, "Nats-Schedule-Target": ready}
        return Message(self._names.waiting(record.queue, record.id), b"", headers)

    async def purge(self, *subjects: str) -> None:
        """Delete what is stored under subjects."""
        for subject in subjects:
            await self._connection.manage(f"STREAM.PURGE.{self._names.stream}", filter=subject)

    async def _mend(self, known: Record) -> None:
        """Let a job start whose enqueuing was broken off."""
        if known.waits and not known.token:
            ready = self._names.ready(known.queue, known.priority, known.id)
            waiting = self._names.waiting(known.queue, known.id)
            if not await self._read([ready, waiting]):
                await self._connection.publish([self.pointer(known)])

    async def _is_open(self, job_id: str) -> bool:
        subject = self._names.record(job_id)
        stored = (await self._read([subject])).get(subject)
        record = load(stored.data) if stored else None
        return record is not None and not record.is_finished

    async def _put(self, subject: str, data: bytes, expected: int) -> int:
        message = Message(subject, data, {EXPECTED: str(expected)})
        return (await self._connection.publish([message]))[0]

    async def _read(self, subjects: Sequence[str] | dict[str, str]) -> dict[str, Stored]:
        return await self._connection.read(self._names.stream, subjects)


class _Plan:
    """What becomes of each job of a call, when nothing changes meanwhile."""

    def __init__(self, names: Names, known: dict[str, Stored], nonce: str) -> None:
        self._names = names
        self._known = known
        self._nonce = nonce
        self._ids: set[str] = set()
        self._keys: dict[str, str] = {}
        self.answers: list[Enqueued] = []

    def add(self, job: NewJob) -> int | None:
        """Note a job, and return the sequence that its record replaces, or None when it is not new."""
        stored = self._known.get(self._names.record(job.id))
        record = load(stored.data) if stored else None
        there = record is not None and not record.dropped
        holder = self._holder(job)
        if there or job.id in self._ids:
            mine = there and record is not None and record.nonce == self._nonce
            self.answers.append(Enqueued(job.id, created=mine and job.id not in self._ids))
            self._ids.add(job.id)
            return None
        if holder:
            self.answers.append(Enqueued(holder, created=False))
            return None
        self._ids.add(job.id)
        if job.unique:
            self._keys[job.unique] = job.id
        self.answers.append(Enqueued(job.id, created=True))
        return stored.sequence if stored else 0

    def sequence(self, subject: str) -> int:
        """Return the sequence of what is there under a subject."""
        stored = self._known.get(subject)
        return stored.sequence if stored else 0

    def _holder(self, job: NewJob) -> str:
        """Return the id of the unfinished job that has the same unique key."""
        if not job.unique or job.unique in self._keys:
            return self._keys.get(job.unique, "")
        stored = self._known.get(self._names.unique(job.unique))
        holder = stored.data.decode() if stored else ""
        of_holder = self._known.get(self._names.record(holder)) if holder else None
        return holder if of_holder and not load(of_holder.data).is_finished else ""
