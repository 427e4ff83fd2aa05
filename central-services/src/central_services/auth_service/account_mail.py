"""Links by mail: to choose a new password, to verify an address, to register.

Whoever asks learns nothing about who has an account: a request only puts the address into a queue, in
the database (`mail_queue.py`). Whether there is a user, and what they get, is found out beside it, so
that neither the answer nor its time depends on that.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic import SecretStr
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession

from ..audit import Action, AuditEvent, AuditLog, RequestAudit
from ..core.database import Database, DatabaseUnavailableError
from ..mail import MailError, TransientMailError
from ..utils.logging import get_logger
from . import schemas
from .actions import EMAIL_VERIFIED, MAIL_ASKED, MAIL_LINK_REFUSED
from .errors import LinkError, TakenError, TooManyAttemptsError
from .logins import normal_email
from .mail_queue import Asked, MailQueue, Purpose, Waiting
from .models import MailTokenRow, UserRow
from .notifying import Kind, Message, Notifier
from .passwords import Passwords
from .repository import IdentityRepository
from .sealing import Sealer, digest, new_secret
from .service import IdentityService
from .settings import AuthSettings

_PATHS: dict[Purpose, str] = {"reset": "/new-password", "verify": "/verify-email"}
_WAITING = 1_000
_WORKERS = 4
_TRIES = 10
_LONGEST_WAIT_S = 600.0
_LOOK_S = 5.0
"""Seconds after which a process looks for what another one put into the queue, or left there."""
_CLOSE_S = 5.0
_NO = "It was used already, is too old, or was sent to another address. Ask for another one."

_log = get_logger(__name__)


@dataclass
class AccountMail:
    """Mails links, and takes them back.

    Attributes:
        database: Where they are kept, hashed.
        settings: How long they work.
        passwords: Hashes passwords.
        audit: Records what happens beside requests.
        notifier: Sends messages.
        sealer: Seals what waits.
        clock: Returns the time.
    """

    database: Database
    settings: AuthSettings
    passwords: Passwords
    audit: AuditLog
    notifier: Notifier
    sealer: Sealer
    clock: Callable[[], datetime]
    _wake: asyncio.Event = field(init=False, repr=False, default_factory=asyncio.Event)
    _is_ending: bool = field(init=False, repr=False, default=False)
    _workers: list[asyncio.Task[None]] = field(init=False, repr=False, default_factory=list)

    async def ask(self, asked: Asked) -> None:
        """Put a request into the queue; once this returns it is looked after, whatever happens.

        Raises:
            TooManyAttemptsError: When the queue is full.
        """
        async with self.database.transaction() as session:
            queue = MailQueue(session, self.sealer)
            if await queue.size() >= _WAITING:
                wait = {"Retry-After": "60"}
                raise TooManyAttemptsError("Try again soon.", headers=wait)
            await queue.put(asked, self.clock())
        self._wake.set()

    def begin(self) -> None:
        """Begin to look after the queue."""
        self._is_ending = False
        self._workers = [asyncio.create_task(self._work()) for _ in range(_WORKERS)]

    async def drained(self) -> None:
        """Wait until nothing waits."""
        while await self._size():  # noqa: ASYNC110  # other processes look after the queue, too
            await asyncio.sleep(0.01)  # between two looks

    async def end(self) -> None:
        """Finish what was begun; what waits is there for the next process."""
        self._is_ending = True
        self._wake.set()
        if self._workers:
            await asyncio.wait(self._workers, timeout=_CLOSE_S)
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)

    async def _size(self) -> int:
        async with self.database.read() as session:
            return await MailQueue(session, self.sealer).size()

    async def holder(self, token: str, purpose: Purpose) -> UserRow:
        """Return whose link it is, without using it: programs that check mail open links too.

        Raises:
            LinkError: When it does not work.
        """
        async with self.database.read() as session:
            repository = IdentityRepository(session)
            user = await repository.mail_token(digest(token), purpose, self.clock())
        if user is None:
            raise LinkError(_NO)
        return user

    async def verify(self, token: str, audit: RequestAudit) -> None:
        """Verify the address that a link went to.

        Raises:
            LinkError: When the link does not work.
        """
        async with self.database.transaction() as session:
            user = await self._spend(session, token, "verify")
            if user is not None:
                user.email_verified = True
                target = f"user:{user.id}"
                await audit.within(session).record(EMAIL_VERIFIED, target=target)
        await self._require(user, audit, "verify")

    async def choose_password(self, token: str, password: str, audit: RequestAudit) -> None:
        """Give the user of a link another password; every session, token and key ends.

        Raises:
            LinkError: When the link does not work.
            PasswordPolicyError: When the password is too easy; the link still works then.
        """
        user = await self._require(await self._peek(token), audit, "reset")
        self.passwords.require_good(password, about=(user.email, user.name))
        kept = await self.passwords.hash(password)
        async with self.database.transaction() as session:
            spent = await self._spend(session, token, "reset")
            if spent is not None:
                recording = audit.within(session)

                async def record(
                    action: Action, *, target: str, data: dict[str, Any]
                ) -> AuditEvent:
                    return await recording.record(action, target=target, data=data)

                await IdentityService(session, record, self.clock).set_password(spent.id, kept)
                # The link came to the address, so it is theirs.
                spent.email_verified = True
                await self.tell_password_changed(session, spent.email, spent.name)
        await self._require(spent, audit, "reset")

    async def tell_password_changed(self, session: AsyncSession, email: str, name: str) -> None:
        """Tell a user, once the transaction commits, that the password is another one now."""
        link = self.settings.url("/reset-password")
        message = Message("password_changed", email, name, link)
        await MailQueue(session, self.sealer).put(message, self.clock())
        event.listen(session.sync_session, "after_commit", lambda _: self._wake.set(), once=True)

    async def _peek(self, token: str) -> UserRow | None:
        try:
            return await self.holder(token, "reset")
        except LinkError:
            return None

    async def _require(
        self, user: UserRow | None, audit: RequestAudit, purpose: Purpose
    ) -> UserRow:
        """Return a user; without one the refusal is recorded, in no transaction that it ends."""
        if user is not None:
            return user
        await audit.record(MAIL_LINK_REFUSED, target=f"link:{purpose}", outcome="denied")
        raise LinkError(_NO)

    async def _spend(self, session: AsyncSession, token: str, purpose: Purpose) -> UserRow | None:
        repository, mark = IdentityRepository(session), digest(token)
        user = await repository.mail_token(mark, purpose, self.clock())
        if user is None or not await repository.spend_mail_token(mark, self.clock()):
            return None
        return user

    async def _work(self) -> None:
        while not self._is_ending:
            self._wake.clear()
            wait = _LOOK_S
            try:
                while not self._is_ending and await self._step():
                    pass
                wait = await self._until_due_s()
            except DatabaseUnavailableError:
                _log.warning("account_mail_waits", reason="the database is unavailable")
            except Exception:  # noqa: BLE001  # the edge of a background task: it has to outlive any one failure
                _log.exception("account_mail_failed")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), wait)

    async def _until_due_s(self) -> float:
        async with self.database.read() as session:
            due = await MailQueue(session, self.sealer).due_at()
        left = (due - self.clock()).total_seconds() if due is not None else _LOOK_S
        return min(max(left, 0.01), _LOOK_S)

    async def _step(self) -> bool:
        """Look after one thing that is due; tell whether there was one."""
        async with self.database.transaction() as session:
            waiting = await MailQueue(session, self.sealer).take(self.clock())
        if waiting is None:
            return False
        if waiting.tries > _TRIES:  # it ends whoever looks after it
            _log.error("account_mail_given_up", tries=waiting.tries)
            async with self.database.transaction() as session:
                await MailQueue(session, self.sealer).drop(waiting.id)
        elif isinstance(waiting.about, Message):
            await self._send(waiting, waiting.about)
        else:
            message = await self._answer(waiting.id, waiting.about)
            if message is not None:
                await self._send(waiting, message)
        return True

    async def _send(self, waiting: Waiting, message: Message) -> None:
        """Send a message, and drop it once it was sent, or never will be."""
        again_s, reason = 0.0, ""
        try:
            await self.notifier.notify(message, str(waiting.id))
        except TransientMailError as error:
            reason = error.reason
            if waiting.tries < _TRIES:
                again_s = min(error.retry_after_s or 2.0**waiting.tries, _LONGEST_WAIT_S)
        except MailError as error:
            reason = error.reason
        if reason and not again_s:
            _log.warning("account_mail_not_sent", kind=message.kind, reason=reason)
        async with self.database.transaction() as session:
            queue = MailQueue(session, self.sealer)
            if again_s:
                await queue.put_off(waiting.id, self.clock() + timedelta(seconds=again_s))
            else:
                await queue.drop(waiting.id)

    async def _answer(self, key: UUID, asked: Asked) -> Message | None:
        """Return what to send, once it is kept in the place of the request."""
        email = normal_email(asked.email)
        async with self.database.transaction() as session:
            repository = IdentityRepository(session)
            user = await repository.user_by_email(email, lock=True)
            is_known = user is not None
            if user is None and asked.name:
                user = await self._register(session, asked)
            why = await self._judge(repository, user)
            await self.audit.record(
                MAIL_ASKED,
                target=f"link:{asked.purpose}",
                outcome="denied" if why else "success",
                data={"email": email[:254], "why": why},
                session=session,
            )
            queue = MailQueue(session, self.sealer)
            if user is None or why:
                await queue.drop(key)
                return None
            kind: Kind = asked.purpose
            if asked.name:
                kind = "account_exists" if is_known else "register"
            message = await self._link(repository, user, asked.purpose, kind)
            await queue.replace(key, message)
            return message

    async def _link(
        self, repository: IdentityRepository, user: UserRow, purpose: Purpose, kind: Kind
    ) -> Message:
        plain, now = new_secret(), self.clock()
        row = MailTokenRow(
            digest=digest(plain),
            user_id=user.id,
            purpose=purpose,
            email=user.email,
            created_at=now,
            expires_at=now + timedelta(seconds=self.settings.mail_link_s),
            used_at=None,
        )
        await repository.add(row)
        link = self.settings.url(f"{_PATHS[purpose]}?token={plain}")
        minutes = self.settings.mail_link_s // 60
        return Message(kind, user.email, user.name, link, minutes)

    async def _judge(self, repository: IdentityRepository, user: UserRow | None) -> str:
        """Return why there is no link, or an empty string."""
        if user is None:
            return "unknown"
        if user.status != "active":
            return "disabled"
        lately = await repository.mails_since(user.id, self.clock() - timedelta(hours=1))
        return "limit" if lately >= self.settings.mails_per_hour else ""

    async def _register(self, session: AsyncSession, asked: Asked) -> UserRow | None:
        """Add a user who can't log in before they chose a password by the link.

        A password that came with the request would be that of whoever sent it, also once the owner
        of the address confirms that.
        """
        organisation = self.settings.registration_organisation
        if organisation is None:
            return None

        async def record(action: Action, *, target: str, data: dict[str, Any]) -> AuditEvent:
            return await self.audit.record(action, target=target, data=data, session=session)

        wanted = schemas.UserCreate(
            organisation=organisation, email=asked.email, name=asked.name, password=SecretStr("")
        )
        kept = await self.passwords.hash(new_secret())
        try:
            return await IdentityService(session, record, self.clock).create_user(wanted, kept)
        except TakenError:
            return None  # the other of two requests at once has registered it
