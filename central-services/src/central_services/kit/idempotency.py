"""Idempotency keys: a request that is sent twice has one effect and one answer.

As in draft-ietf-httpapi-idempotency-key-header: a client names a request in `Idempotency-Key`; the same name
again gets the first answer, 409 while that is not there yet, 422 when the request is another one. The answer
is stored in the transaction of the effect: after a crash either both are there or neither.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, ClassVar

from fastapi import Header, Request, Response
from sqlalchemy import ColumnElement, CursorResult, Delete, Update, delete, update
from sqlalchemy.ext.asyncio import AsyncSession

from ..core.database import Database
from ..core.errors import ConflictError, ServiceError
from .inserting import insert_once_async
from .models import IdempotencyRow


class RequestInFlightError(ConflictError):
    """The first request of this key has no answer yet."""

    title: ClassVar[str] = "Request in flight"


class KeyReusedError(ServiceError):
    """The key belongs to another request."""

    status: ClassVar[int] = 422
    title: ClassVar[str] = "Idempotency key reused"


class MissingKeyError(ServiceError):
    """The request needs a key and has none."""

    status: ClassVar[int] = 400
    title: ClassVar[str] = "Idempotency key missing"


@dataclass(frozen=True, slots=True)
class RequestKey:
    """What makes two requests the same.

    Attributes:
        scope: Whose key it is, such as a tenant: keys of others are other keys.
        key: The client's name for the request.
        fingerprint: SHA-256 of method, path, query and body, hexadecimal.
    """

    scope: str
    key: str
    fingerprint: str

    @classmethod
    async def of(cls, request: Request, scope: str, key: str | None) -> RequestKey:
        """Return the key of a request.

        Raises:
            MissingKeyError: It has none.
        """
        if not key:
            raise MissingKeyError("Send a random Idempotency-Key, the same one when you try again.")
        digest = hashlib.sha256(
            f"{request.method} {request.url.path}?{request.url.query}\n".encode()
        )
        digest.update(await request.body())
        return cls(scope, key, digest.hexdigest())


KeyHeader = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        max_length=255,
        pattern=r"^[\x21-\x7e]+$",
        description="A random name for this request; the same one when it is tried again.",
    ),
]
"""The parameter of an endpoint that takes keys."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request led to.

    Attributes:
        status: HTTP status.
        body: JSON.
        replayed: Whether it is the answer of an earlier request.
    """

    status: int
    body: bytes
    replayed: bool = False

    def response(self) -> Response:
        """Return it as a response; one that is replayed says so."""
        headers = {"Idempotency-Replayed": "true"} if self.replayed else {}
        return Response(self.body, self.status, headers, media_type="application/json")


@dataclass(frozen=True, slots=True)
class Idempotency:
    """Answers requests once.

    Attributes:
        database: Where answers are kept, with what they are about.
        lease_s: Seconds until an attempt that gave no answer is taken for dead, and the next one allowed;
            longer than any request takes.
        keep_s: Seconds that an answer is kept.
        clock: Tells the time.
    """

    database: Database
    lease_s: float = 60.0
    keep_s: float = 86_400.0
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    async def run(
        self, request: RequestKey, work: Callable[[AsyncSession], Awaitable[Answer]]
    ) -> Answer:
        """Return the answer to a request: that of `work`, or the one that it had before.

        What `work` raises undoes it and frees the key, so that the client may try again.

        Args:
            request: The request.
            work: Does it, in the transaction of the session that it is given.

        Raises:
            RequestInFlightError: Another attempt is at it.
            KeyReusedError: The key was another request's.
        """
        owner = secrets.token_hex(16)
        async with self.database.transaction() as session:
            known = await self._claim(session, request, owner)
        if known is not None:
            return known
        try:
            async with self.database.transaction() as session:
                answer = await work(session)
                await self._store(session, request, owner, answer)
        except (
            BaseException
        ):  # whatever ended the attempt, the next one need not wait for its lease
            async with self.database.transaction() as session:
                await session.execute(delete(IdempotencyRow).where(*_mine(request, owner)))
            raise
        return answer

    async def _claim(self, session: AsyncSession, request: RequestKey, owner: str) -> Answer | None:
        """Claim a key for this attempt, or return the answer that it has."""
        now = self.clock()
        await session.execute(delete(IdempotencyRow).where(IdempotencyRow.expires_at <= now))
        claim = {
            "owner": owner,
            "locked_until": now + timedelta(seconds=self.lease_s),
            "expires_at": now + timedelta(seconds=self.keep_s),
        }
        new = {"scope": request.scope, "key": request.key, "fingerprint": request.fingerprint}
        if await insert_once_async(session, IdempotencyRow, **new, **claim):
            return None
        row = await session.get_one(IdempotencyRow, (request.scope, request.key))
        if row.fingerprint != request.fingerprint:
            raise KeyReusedError(
                "This Idempotency-Key was sent with another request: choose a new one."
            )
        if row.status is not None:
            return Answer(row.status, row.body or b"", replayed=True)
        # Taken over from an attempt that died; of two that try, one gets it.
        dead = (*_mine(request, row.owner), IdempotencyRow.locked_until <= now)
        if not await _changed(session, update(IdempotencyRow).where(*dead).values(**claim)):
            raise RequestInFlightError("Try again in a moment.", headers={"Retry-After": "1"})
        return None

    async def _store(
        self, session: AsyncSession, request: RequestKey, owner: str, answer: Answer
    ) -> None:
        stored = update(IdempotencyRow).where(*_mine(request, owner))
        if not await _changed(session, stored.values(status=answer.status, body=answer.body)):
            # It took longer than its lease, and another attempt has the key: undo this one.
            raise RequestInFlightError(
                "Another attempt has taken over.", headers={"Retry-After": "1"}
            )


def _mine(request: RequestKey, owner: str) -> tuple[ColumnElement[bool], ...]:
    row = IdempotencyRow
    return row.scope == request.scope, row.key == request.key, row.owner == owner


async def _changed(session: AsyncSession, statement: Update | Delete) -> bool:
    done = await session.execute(statement)
    return isinstance(done, CursorResult) and done.rowcount == 1
