"""Users, organisations, roles, clients and sessions, as they are kept."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from .models import (
    ApiKeyRow,
    ClientRow,
    ConsentRow,
    FamilyRow,
    MailTokenRow,
    OrganisationRow,
    PushedRequestRow,
    RevokedTokenRow,
    RoleRow,
    SeenAssertionRow,
    SessionRow,
    UserRoleRow,
    UserRow,
)

Row = (
    ApiKeyRow
    | MailTokenRow
    | OrganisationRow
    | UserRow
    | RoleRow
    | ClientRow
    | SessionRow
    | ConsentRow
)


class IdentityRepository:
    """Queries about who there is, in the transaction of a session."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def add(self, row: Row) -> None:
        """Keep something new; a name that is taken raises here."""
        self.session.add(row)
        await self.session.flush()

    async def organisation(self, slug: str) -> OrganisationRow | None:
        """Return an organisation by its slug."""
        query = select(OrganisationRow).where(OrganisationRow.slug == slug)
        return await self.session.scalar(query)

    async def organisation_by_id(self, key: UUID) -> OrganisationRow | None:
        """Return an organisation."""
        return await self.session.get(OrganisationRow, key)

    async def user_by_email(self, email: str, *, lock: bool = False) -> UserRow | None:
        """Return the user with an address, which is in lower case."""
        query = select(UserRow).where(UserRow.email == email)
        query = query.with_for_update() if lock else query
        return await self.session.scalar(query.execution_options(populate_existing=lock))

    async def user(self, key: UUID, *, organisation: UUID | None = None) -> UserRow | None:
        """Return a user; only one of an organisation, when that is given."""
        row = await self.session.get(UserRow, key)
        is_other = row is not None and organisation not in {None, row.organisation_id}
        return None if is_other else row

    async def users(
        self, *, organisation: UUID | None, after: UUID | None, limit: int
    ) -> Sequence[UserRow]:
        """Return users by id, from after one on."""
        query = select(UserRow).order_by(UserRow.id).limit(limit)
        if organisation is not None:
            query = query.where(UserRow.organisation_id == organisation)
        if after is not None:
            query = query.where(UserRow.id > after)
        return (await self.session.scalars(query)).all()

    async def role(self, organisation: UUID, name: str) -> RoleRow | None:
        """Return a role of an organisation by its name."""
        query = select(RoleRow).where(RoleRow.organisation_id == organisation, RoleRow.name == name)
        return await self.session.scalar(query)

    async def roles(self, organisation: UUID) -> Sequence[RoleRow]:
        """Return the roles of an organisation."""
        query = select(RoleRow).where(RoleRow.organisation_id == organisation)
        return (await self.session.scalars(query.order_by(RoleRow.name))).all()

    async def roles_after(
        self, *, organisation: UUID | None, after: UUID | None, limit: int
    ) -> Sequence[tuple[RoleRow, str]]:
        """Return roles by id, from after one on, each with its organisation's slug."""
        query = (
            select(RoleRow, OrganisationRow.slug)
            .join(OrganisationRow, OrganisationRow.id == RoleRow.organisation_id)
            .order_by(RoleRow.id)
            .limit(limit)
        )
        if organisation is not None:
            query = query.where(RoleRow.organisation_id == organisation)
        if after is not None:
            query = query.where(RoleRow.id > after)
        return [(row[0], row[1]) for row in await self.session.execute(query)]

    async def roles_of(self, user: UUID) -> Sequence[RoleRow]:
        """Return the roles of a user."""
        query = (
            select(RoleRow)
            .join(UserRoleRow, UserRoleRow.role_id == RoleRow.id)
            .where(UserRoleRow.user_id == user)
            .order_by(RoleRow.name)
        )
        return (await self.session.scalars(query)).all()

    async def assign(self, user: UUID, roles: Sequence[RoleRow]) -> None:
        """Give a user these roles and no others."""
        await self.session.execute(delete(UserRoleRow).where(UserRoleRow.user_id == user))
        self.session.add_all(UserRoleRow(user_id=user, role_id=role.id) for role in roles)
        await self.session.flush()

    async def client(self, key: str) -> ClientRow | None:
        """Return a client."""
        return await self.session.get(ClientRow, key)

    async def clients(self, *, after: str | None, limit: int) -> Sequence[ClientRow]:
        """Return clients by id, from after one on."""
        query = select(ClientRow).order_by(ClientRow.id).limit(limit)
        if after is not None:
            query = query.where(ClientRow.id > after)
        return (await self.session.scalars(query)).all()

    async def login(self, cookie_digest: str) -> tuple[SessionRow, UserRow] | None:
        """Return the session that a cookie stands for, and its user."""
        query = (
            select(SessionRow, UserRow)
            .join(UserRow, UserRow.id == SessionRow.user_id)
            .where(SessionRow.cookie_digest == cookie_digest)
        )
        found = (await self.session.execute(query)).first()
        return None if found is None else (found[0], found[1])

    async def logins(self, user: UUID, now: datetime) -> Sequence[SessionRow]:
        """Return the sessions of a user that are open, the latest first."""
        query = select(SessionRow).where(
            SessionRow.user_id == user,
            SessionRow.revoked_at.is_(None),
            SessionRow.expires_at > now,
        )
        return (await self.session.scalars(query.order_by(SessionRow.seen_at.desc()))).all()

    async def end_logins(self, user: UUID, now: datetime, *, session: UUID | None = None) -> int:
        """End the sessions of a user, or one of them; returns how many there were."""
        query = update(SessionRow).where(
            SessionRow.user_id == user, SessionRow.revoked_at.is_(None)
        )
        if session is not None:
            query = query.where(SessionRow.id == session)
        ended = query.values(revoked_at=now).returning(SessionRow.id)
        return len((await self.session.scalars(ended)).all())

    async def burn_families(
        self, user: UUID, now: datetime, because: str, *, family: UUID | None = None
    ) -> None:
        """Revoke everything that a user authorized, or one authorization."""
        query = update(FamilyRow).where(FamilyRow.user_id == user, FamilyRow.revoked_at.is_(None))
        if family is not None:
            query = query.where(FamilyRow.id == family)
        await self.session.execute(query.values(revoked_at=now, revoked_because=because))

    async def consent(self, user: UUID, client: str) -> ConsentRow | None:
        """Return what a user let a client do."""
        return await self.session.get(ConsentRow, (user, client))

    async def permissions_in(self, organisation: UUID) -> set[str]:
        """Return what the roles of an organisation permit, together."""
        return {name for role in await self.roles(organisation) for name in role.permissions}

    async def api_keys(
        self, *, organisation: UUID | None, user: UUID | None, after: UUID | None, limit: int
    ) -> Sequence[ApiKeyRow]:
        """Return API keys that are not revoked by id, from after one on."""
        query = select(ApiKeyRow).where(ApiKeyRow.revoked_at.is_(None))
        if organisation is not None:
            query = query.where(ApiKeyRow.organisation_id == organisation)
        if user is not None:
            query = query.where(ApiKeyRow.user_id == user)
        if after is not None:
            query = query.where(ApiKeyRow.id > after)
        return (await self.session.scalars(query.order_by(ApiKeyRow.id).limit(limit))).all()

    async def revoke_api_keys(self, user: UUID, now: datetime) -> None:
        """Revoke every key of a user's own."""
        query = update(ApiKeyRow).where(ApiKeyRow.user_id == user, ApiKeyRow.revoked_at.is_(None))
        await self.session.execute(query.values(revoked_at=now))

    async def mails_since(self, user: UUID, since: datetime) -> int:
        """Return how many links were mailed to a user lately."""
        query = select(func.count()).where(
            MailTokenRow.user_id == user, MailTokenRow.created_at > since
        )
        return await self.session.scalar(query) or 0

    async def mail_token(self, digest: str, purpose: str, now: datetime) -> UserRow | None:
        """Return the user of a link that may be used; it has to be for their present address."""
        query = (
            select(UserRow)
            .join(MailTokenRow, MailTokenRow.user_id == UserRow.id)
            .where(
                MailTokenRow.digest == digest,
                MailTokenRow.purpose == purpose,
                MailTokenRow.used_at.is_(None),
                MailTokenRow.expires_at > now,
                MailTokenRow.email == UserRow.email,
                UserRow.status == "active",
            )
        )
        return await self.session.scalar(query)

    async def spend_mail_token(self, digest: str, now: datetime) -> bool:
        """Use a link up; of two at once only one gets true."""
        query = update(MailTokenRow).where(
            MailTokenRow.digest == digest, MailTokenRow.used_at.is_(None)
        )
        spent = query.values(used_at=now).returning(MailTokenRow.digest)
        return await self.session.scalar(spent) is not None

    async def spend_mail_tokens(self, user: UUID, purpose: str, now: datetime) -> None:
        """Use every link of a kind up that was mailed to a user."""
        query = update(MailTokenRow).where(
            MailTokenRow.user_id == user,
            MailTokenRow.purpose == purpose,
            MailTokenRow.used_at.is_(None),
        )
        await self.session.execute(query.values(used_at=now))

    async def forget_expired(self, now: datetime, *, family_s: int) -> None:
        """Delete what can't be used any more; what happened is in the audit trail.

        Args:
            now: The time.
            family_s: Seconds that the tokens of a login may outlive it; its session stays as long.
        """
        # With a family go its codes and refresh tokens.
        for table in (RevokedTokenRow, SeenAssertionRow, PushedRequestRow, FamilyRow):
            await self.session.execute(delete(table).where(table.expires_at <= now))
        old = now - timedelta(seconds=family_s)
        for kept in (SessionRow, ApiKeyRow, MailTokenRow):
            await self.session.execute(delete(kept).where(kept.expires_at <= old))
