# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The forwarder: sends sealed events to the central audit service, and fetches their receipts.

The trail is the outbox: while the service is down, events wait in it, and nothing that requests do waits
for it. It may repeat itself after a crash; the service knows an event by its id and stores it once.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
import time
import uuid
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import orjson
from fastapi import FastAPI

from ..api.readiness import HealthCheck
from ..clients.audit import (
    MAX_RECEIPTS,
    AuditServiceClient,
    AuditServiceUnavailableError,
    BatchRefusedError,
    verify_receipt,
)
from ..utils.logging import get_logger
from .checkpoint import CheckpointError, NoteVerifier
from .forwarding import Backlog, Forwarded, Forwarding
from .records import RecordCodec
from .schema import connect
from .store import FILE as TRAIL
from .trail import Trail

if TYPE_CHECKING:
    from ..core.audit_settings import AuditSettings
    from ..core.central_audit_settings import CentralAuditSettings
    from .log import AuditLog

MAX_WAIT_S = 60.0
STOP_S = 5.0
PRUNE_EVERY_S = 3_600.0
PRUNE_STEP = 500
LEASE_S = (
    120.0  # longer than a call may take; a process that dies holds the others up for no longer
)

P = ParamSpec("P")
T = TypeVar("T")

log = get_logger(__name__)


class Forwarder:
    """Forwards the events of one trail.

    Args:
        settings: Where to, and how many at once.
        client: Speaks to the service.
        forwarding: What was forwarded.
        trail: The trail, open to be read.
        codec: Decodes its records.
        source: The trail's name.

    Attributes:
        problem: Why the last step failed; empty when it did not.
        task: What runs it in the background, where something does.
    """

    def __init__(
        self,
        settings: CentralAuditSettings,
        client: AuditServiceClient,
        forwarding: Forwarding,
        trail: sqlite3.Connection,
        codec: RecordCodec,
        source: str,
    ) -> None:
        self.problem = ""
        self.task: asyncio.Task[None] | None = None
        self._settings = settings
        self._client = client
        self._forwarding = forwarding
        self._trail = trail
        self._codec = codec
        self._source = source
        self._holder = uuid.uuid4().hex
        self._failures = 0
        self._verifier = NoteVerifier(settings.keys) if settings.keys else None
        self._stopping = asyncio.Event()
        self._using = asyncio.Lock()

    async def step(self) -> int:
        """Forward a batch and fetch some receipts; return how many events went, or got theirs.

        Raises:
            AuditServiceUnavailableError: When the service can't be reached, or not now.
        """
        await self._in_thread(
            self._forwarding.take,
            self._trail,
            self._codec,
            source=self._source,
            limit=self._settings.batch,
        )
        events = await self._in_thread(self._forwarding.waiting, self._settings.batch)
        if events:
            await self._send(events)
        return len(events) + await self._fetch_receipts()

    async def _send(self, events: list[Forwarded]) -> None:
        """Send events; when the service refuses some for good, set those aside and send the rest."""
        refusal: BatchRefusedError | None = None
        try:
            places = await self._or_stop(self._client.send([one.event for one in events]))
        except BatchRefusedError as error:
            refusal = error
        if refusal is not None:
            await self._send_without_refused(events, refusal)
            return
        known = {one.id: places[one.id] for one in events if one.id in places}
        if not known:
            raise AuditServiceUnavailableError("it does not say which events it has stored")
        await self._in_thread(self._forwarding.sent, known)

    async def _send_without_refused(
        self, events: list[Forwarded], refusal: BatchRefusedError
    ) -> None:
        blamed = [events[index] for index in refusal.indexes if 0 <= index < len(events)]
        if len(events) == 1:
            blamed = events
        for one in blamed:
            await self._in_thread(self._forwarding.refused, one.id, str(refusal))
            log.error("audit_event_refused", event_id=one.id, reason=str(refusal))
        rest = [one for one in events if one not in blamed]
        # Who is at fault is found by halving when the answer does not say.
        half = len(rest) // 2
        for part in [rest] if blamed else [rest[:half], rest[half:]]:
            if part:
                await self._send(part)

    async def _fetch_receipts(self) -> int:
        wanted = await self._in_thread(self._forwarding.without_receipt, MAX_RECEIPTS)
        if not wanted:
            return 0
        try:
            asking = self._client.receipts(self._source, [one.id for one in wanted])
            found = await self._or_stop(asking)
        except BatchRefusedError as error:
            raise AuditServiceUnavailableError(str(error)) from error
        events = {one.id: one.event for one in wanted}
        good = {}
        for event_id in events.keys() & found.receipts.keys():
            fault = self._fault_of(events[event_id], found.receipts[event_id])
            if fault:
                log.critical("audit_receipt_false", event_id=event_id, reason=fault)
                await self._in_thread(self._forwarding.distrust, event_id, fault)
            else:
                good[event_id] = found.receipts[event_id]
        await self._in_thread(self._forwarding.keep, good)
        lost = sorted(events.keys() & found.unknown)
        if lost:
            # As after a backup was put back: what it lost it gets again, once.
            log.error("audit_events_lost_by_service", count=len(lost), event_id=lost[0])
            await self._in_thread(self._forwarding.lost, lost)
        return len(good)

    def _fault_of(self, event: str, receipt: str) -> str:
        """Return why a receipt proves nothing, or nothing; asked where the log's keys are known."""
        if self._verifier is None:
            return ""
        try:
            verify_receipt(receipt, orjson.loads(event), self._verifier)
        except CheckpointError as error:
            return str(error)
        return ""

    async def prune(self) -> int:
        """Delete the copies of what the trail does not have any more; return how many that were."""
        total, after = 0, -1
        while not self._stopping.is_set():
            gone, last = await self._in_thread(
                self._forwarding.prune, self._trail, after=after, limit=PRUNE_STEP
            )
            total += gone
            if last is None:
                break
            after = last
        if total:
            log.info("audit_forwarded_events_pruned", count=total)
        return total

    async def run(self) -> None:
        """Forward until `stop`; one process of those that share a trail does it at a time."""
        prune_at = 0.0
        while not self._stopping.is_set():
            wait = self._settings.interval_s
            try:
                if await self._in_thread(self._forwarding.lead, self._holder, LEASE_S):
                    if await self.step():
                        wait = 0.0
                    elif time.monotonic() >= prune_at:
                        await self.prune()
                        prune_at = time.monotonic() + PRUNE_EVERY_S
                    self._failures = 0
                    self.problem = ""
            except (AuditServiceUnavailableError, sqlite3.Error) as error:
                if self._stopping.is_set():
                    break
                wait = self._wait_after(error)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), wait)
        await self._in_thread(self._forwarding.resign, self._holder)

    def _wait_after(self, error: Exception) -> float:
        """Return the seconds to wait after a failure: random below a doubling limit, or as asked."""
        if str(error) != self.problem:
            log.warning("audit_forwarding_failed", reason=str(error))
        self.problem = str(error) or type(error).__name__
        self._failures += 1
        limit = min(MAX_WAIT_S, self._settings.interval_s * 2.0 ** min(self._failures, 16))
        asked = error.retry_after_s if isinstance(error, AuditServiceUnavailableError) else None
        return max(limit * (0.5 + random.random() / 2), min(asked or 0.0, MAX_WAIT_S * 10))  # noqa: S311  # no secret

    def stop(self) -> None:
        """Let `run` end now; a call that is under way is given up."""
        self._stopping.set()

    async def backlog(self) -> Backlog:
        """Return how far it is."""
        return await self._in_thread(self._backlog)

    async def _or_stop(self, call: Coroutine[object, object, T]) -> T:
        """Return what a call returns, or give it up when `stop` comes first: it will be repeated."""
        calling, stopping = asyncio.create_task(call), asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({calling, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if calling.done():
                return calling.result()
            raise AuditServiceUnavailableError("the service is being stopped")
        finally:
            for task in (calling, stopping):
                task.cancel()
            await asyncio.wait({calling, stopping})

    async def _in_thread(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call something that reads or writes a file; one at a time, for they share connections."""
        async with self._using:
            return await asyncio.to_thread(call, *args, **kwargs)

    def _backlog(self) -> Backlog:
        return self._forwarding.backlog(Trail(self._trail).size())


@asynccontextmanager
async def open_forwarder(
    settings: CentralAuditSettings,
    client: AuditServiceClient,
    audit: AuditSettings,
    codec: RecordCodec,
) -> AsyncGenerator[Forwarder]:
    """Open the files of a forwarder of the trail that the settings name.

    Raises:
        sqlite3.Error: When there is no trail, or one of them can't be opened.
    """
    trail = connect(audit.path / TRAIL, read_only=True)
    try:
        forwarding = Forwarding(audit.path)
        try:
            yield Forwarder(settings, client, forwarding, trail, codec, audit.log_name)
        finally:
            forwarding.close()
    finally:
        trail.close()


def forwarder_lifespan(
    settings: CentralAuditSettings,
    opening: Callable[[], AbstractAsyncContextManager[AuditServiceClient]],
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """Return a lifespan that forwards in the background, as `app.state.audit_forwarder`."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        if not settings.enabled:
            yield
            return
        audit: AuditLog = app.state.audit
        async with (
            opening() as client,
            open_forwarder(settings, client, audit.settings, audit.codec) as forwarder,
        ):
            app.state.audit_forwarder = forwarder
            forwarder.task = task = asyncio.create_task(forwarder.run())
            try:
                yield
            finally:
                forwarder.stop()
                with contextlib.suppress(TimeoutError):
                    # What is lost of a call is repeated at the next start.
                    await asyncio.wait_for(task, STOP_S)
                del app.state.audit_forwarder

    return lifespan


def forwarder_check(app: FastAPI, settings: CentralAuditSettings) -> HealthCheck:
    """Return the readiness check: do events get to the service, and does it take them?

    It is not critical: the trail keeps what waits.
    """

    async def check() -> bool:
        if not settings.enabled:
            return True
        forwarder: Forwarder | None = getattr(app.state, "audit_forwarder", None)
        if forwarder is None or forwarder.task is None or forwarder.task.done():
            return False
        found = await forwarder.backlog()
        return not found.refused and found.oldest_s <= settings.max_oldest_s

    return HealthCheck("central_audit", check, critical=False)
