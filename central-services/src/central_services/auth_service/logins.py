"""Logins: a password is checked, a session begins, is used, is listed, and ends.

Whoever guesses learns nothing but "no": an unknown address, a wrong password, a disabled and a
locked account get the same answer after the same work.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from ..audit import Actor, RequestAudit
from ..core.database import Database
from ..kit.attempts import Attempts
from .actions import LOGGED_IN, LOGGED_OUT, LOGIN_REFUSED, SESSION_REVOKED
from .errors import CredentialsError, TooManyAttemptsError, UnknownError
from .models import SessionRow, UserRow
from .passwords import Passwords
from .repository import IdentityRepository
from .sealing import digest, new_secret
from .settings import AuthSettings

_SEEN_EVERY = timedelta(seconds=60)
NO = "The address or the password is wrong, or there were too many attempts. Try again in a while."


@dataclass(frozen=True, slots=True)
class Login:
    """Somebody who is logged in.

    Attributes:
        session_id: The session.
        user_id: Who.
        email: Their address.
        name: Their name.
        authenticated_at: When they showed the password.
    """

    session_id: UUID
    user_id: UUID
    email: str
    name: str
    authenticated_at: datetime

    @property
    def actor(self) -> Actor:
        """The user as the audit trail names them."""
        return Actor("user", str(self.user_id), session=str(self.session_id))


def normal_email(email: str) -> str:
    """Return an address as it is kept."""
    return email.strip().lower()


def wait_after(failures: int, settings: AuthSettings) -> timedelta | None:
    """Return how long an account waits after so many wrong passwords in a row."""
    over = failures - settings.lockout_threshold
    if over < 0:
        return None
    seconds = settings.lockout_base_s * 2 ** min(over, 32)
    return timedelta(seconds=min(seconds, settings.lockout_max_s))


@dataclass
class Logins:
    """Begins, finds and ends sessions.

    Attributes:
        database: Where they are kept.
        settings: How long they live.
        passwords: Checks passwords.
        attempts: Counts the attempts of each address.
        clock: Returns the time.
    """

    database: Database
    settings: AuthSettings
    passwords: Passwords
    attempts: Attempts
    clock: Callable[[], datetime]

    async def log_in(
        self, email: str, password: str, *, address: str, agent: str, audit: RequestAudit
    ) -> tuple[str, Login]:
        """Begin a session.

        Args:
            email: Who it claims to be.
            password: What proves it.
            address: The client's address, which attempts are counted by.
            agent: The browser, for the list of sessions.
            audit: Records the attempt.

        Returns:
            The cookie's value, and who it is.

        Raises:
            CredentialsError: For whatever reason it is refused.
            TooManyAttemptsError: When the address tried too often.
        """
        await self.count_attempt(address)
        email = normal_email(email)
        async with self.database.read() as session:
            user = await IdentityRepository(session).user_by_email(email)
            kept = user.password_hash if user else None
        is_right = await self.passwords.matches(kept, password)
        renewed = None
        if is_right and kept and self.passwords.is_outdated(kept):
            renewed = await self.passwords.hash(password)
        async with self.database.transaction() as session:
            repository = IdentityRepository(session)
            # Read again: meanwhile others may have guessed, and the account may have to wait.
            user = await repository.user_by_email(email, lock=True)
            why = self._judge(user, kept, is_right=is_right)
            audit = audit.within(session)
            if user is None or why:
                actor = Actor("user", str(user.id)) if user else None
                await audit.record(
                    LOGIN_REFUSED,
                    target="login:password",
                    outcome="denied",
                    actor=actor,
                    data={"email": email[:254], "why": why},
                )
            else:
                user.password_hash = renewed or user.password_hash
                cookie, login = await self._begin(repository, user, agent)
                await audit.record(LOGGED_IN, target="login:password", actor=login.actor)
                return cookie, login
        raise CredentialsError(NO)

    async def find(self, cookie: str | None) -> Login | None:
        """Return who a cookie stands for, or None when its session is over."""
        if not cookie:
            return None
        now = self.clock()
        async with self.database.read() as session:
            found = await IdentityRepository(session).login(digest(cookie))
        if found is None:
            return None
        row, user = found
        idle = timedelta(seconds=self.settings.session_idle_s)
        is_over = row.revoked_at is not None or row.expires_at <= now or row.seen_at + idle <= now
        if is_over or user.status != "active":
            return None
        if row.seen_at + _SEEN_EVERY <= now:
            async with self.database.transaction() as session:
                seen = await session.get(SessionRow, row.id)
                if seen is not None:
                    seen.seen_at = now
        return Login(row.id, user.id, user.email, user.name, row.authenticated_at)

    async def log_out(self, login: Login, audit: RequestAudit) -> None:
        """End a session, and with it the tokens that hang on it."""
        async with self.database.transaction() as session:
            await IdentityRepository(session).end_logins(
                login.user_id, self.clock(), session=login.session_id
            )
            target = f"session:{login.session_id}"
            await audit.within(session).record(LOGGED_OUT, target=target, actor=login.actor)

    async def end(
        self, user_id: UUID, session_id: UUID | None, family_id: UUID, audit: RequestAudit
    ) -> None:
        """End the login that a token comes from, and every token of its authorization."""
        now = self.clock()
        async with self.database.transaction() as session:
            repository = IdentityRepository(session)
            await repository.burn_families(user_id, now, "logout", family=family_id)
            if session_id is not None:
                await repository.end_logins(user_id, now, session=session_id)
            target = f"session:{session_id}" if session_id else f"authorization:{family_id}"
            await audit.within(session).record(LOGGED_OUT, target=target)

    async def revoke(self, login: Login, session_id: UUID, audit: RequestAudit) -> None:
        """End one of a user's own sessions.

        Raises:
            UnknownError: When it is over, or somebody else's.
        """
        async with self.database.transaction() as session:
            ended = await IdentityRepository(session).end_logins(
                login.user_id, self.clock(), session=session_id
            )
            if not ended:
                raise UnknownError("There is no such session.")
            target = f"session:{session_id}"
            await audit.within(session).record(SESSION_REVOKED, target=target, actor=login.actor)

    async def open_sessions(self, login: Login) -> list[SessionRow]:
        """Return a user's own sessions."""
        async with self.database.read() as session:
            return list(await IdentityRepository(session).logins(login.user_id, self.clock()))

    async def count_attempt(self, address: str) -> None:
        """Count an attempt of an address.

        Raises:
            TooManyAttemptsError: When there were too many in a minute.
        """
        wait_s = await self.attempts.count(address)
        if wait_s > 0:
            headers = {"Retry-After": str(int(wait_s) + 1)}
            raise TooManyAttemptsError("Too many logins from your address.", headers=headers)

    def _judge(self, user: UserRow | None, kept: str | None, *, is_right: bool) -> str:
        """Return why a login is refused, or an empty string; counts what was wrong."""
        now = self.clock()
        if user is None:
            return "unknown"
        if user.locked_until is not None and user.locked_until > now:
            return "locked"
        if not is_right or user.password_hash != kept:
            user.failed_logins += 1
            wait = wait_after(user.failed_logins, self.settings)
            user.locked_until = now + wait if wait else None
            return "password"
        if user.status != "active":
            return "disabled"
        if self.settings.registration_organisation and not user.email_verified:
            return "unverified"
        user.failed_logins, user.locked_until = 0, None
        return ""

    async def _begin(
        self, repository: IdentityRepository, user: UserRow, agent: str
    ) -> tuple[str, Login]:
        cookie, now = new_secret(), self.clock()
        row = SessionRow(
            id=uuid4(),
            cookie_digest=digest(cookie),
            user_id=user.id,
            user_agent="".join(c for c in agent if c.isprintable())[:200],
            authenticated_at=now,
            seen_at=now,
            expires_at=now + timedelta(seconds=self.settings.session_s),
            revoked_at=None,
        )
        await repository.add(row)
        return cookie, Login(row.id, user.id, user.email, user.name, now)
