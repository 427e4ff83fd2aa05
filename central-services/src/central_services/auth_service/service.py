"""What may happen to organisations, users, roles and clients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID, uuid4

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from ..audit import Action, AuditEvent
from . import schemas
from .actions import (
    CLIENT_CHANGED,
    CLIENT_CREATED,
    ORGANISATION_CREATED,
    PASSWORD_CHANGED,
    ROLE_CHANGED,
    ROLE_DELETED,
    ROLES_ASSIGNED,
    SESSION_REVOKED,
    USER_CHANGED,
    USER_CREATED,
    USER_DELETED,
)
from .client_metadata import WITH_SECRET, check_client
from .errors import ForbiddenError, InvalidClientMetadataError, TakenError, UnknownError
from .logins import normal_email
from .models import ClientRow, OrganisationRow, RoleRow, UserRow
from .repository import IdentityRepository
from .sealing import digest, new_secret

PLATFORM = "auth:admin"
"""The permission to administer everything."""
ORGANISATION = "auth:org-admin"
"""The permission to administer one's own organisation."""


class Record(Protocol):
    """Records an event in the transaction of the change; raises when it can't be kept."""

    async def __call__(self, action: Action, *, target: str, data: dict[str, Any]) -> AuditEvent:
        """Record an event."""
        ...


@dataclass(frozen=True, slots=True)
class IdentityService:
    """The rules for who there is.

    Attributes:
        session: The transaction.
        record: Records events in it.
        clock: Returns the time.
        organisation_id: The only organisation that the caller may touch; None for all.
    """

    session: AsyncSession
    record: Record
    clock: Callable[[], datetime]
    organisation_id: UUID | None = None

    @property
    def repository(self) -> IdentityRepository:
        """Its queries."""
        return IdentityRepository(self.session)

    async def organisation(self, slug: str) -> OrganisationRow:
        """Return an organisation that the caller may touch.

        Raises:
            UnknownError: When there is none, or it is another tenant's.
        """
        row = await self.repository.organisation(slug)
        if row is None or self.organisation_id not in {None, row.id}:
            raise UnknownError(f"There is no organisation {slug}.")
        return row

    async def create_organisation(self, asked: schemas.OrganisationCreate) -> OrganisationRow:
        """Add an organisation.

        Raises:
            TakenError: When the slug is in use.
        """
        row = OrganisationRow(id=uuid4(), slug=asked.slug, name=asked.name, created_at=self.clock())
        await self._add(row, f"The slug {asked.slug} is in use.")
        await self._record(ORGANISATION_CREATED, f"organisation:{row.id}")
        return row

    async def create_user(self, asked: schemas.UserCreate, password_hash: str) -> UserRow:
        """Add a user, whose password was checked and hashed before the transaction.

        Raises:
            TakenError: When the address is in use.
            UnknownError: When there is no such organisation.
        """
        organisation = await self.organisation(asked.organisation)
        now = self.clock()
        row = UserRow(
            id=uuid4(),
            organisation_id=organisation.id,
            email=normal_email(asked.email),
            email_verified=asked.email_verified,
            name=asked.name,
            password_hash=password_hash,
            status="active",
            failed_logins=0,
            locked_until=None,
            created_at=now,
            password_changed_at=now,
        )
        await self._add(row, "The address is in use.")
        await self._record(USER_CREATED, f"user:{row.id}")
        return row

    async def user(self, key: UUID) -> UserRow:
        """Return a user whom the caller may touch.

        Raises:
            UnknownError: When there is none, or it is another tenant's.
        """
        row = await self.repository.user(key, organisation=self.organisation_id)
        if row is None:
            raise UnknownError("There is no such user.")
        return row

    async def user_of(self, email: str) -> UserRow:
        """Return the user with an address.

        Raises:
            UnknownError: As for `user`.
        """
        row = await self.repository.user_by_email(normal_email(email))
        if row is None:
            raise UnknownError("There is no such user.")
        return await self.user(row.id)

    async def changeable_user(self, key: UUID) -> UserRow:
        """Return a user whom the caller may change.

        Raises:
            ForbiddenError: When the user may more than the caller: whoever could give them another
                address could become them.
            UnknownError: As for `user`.
        """
        row = await self.user(key)
        if self.organisation_id is not None:
            self._require_below(*await self.repository.roles_of(row.id))
        return row

    async def change_user(self, key: UUID, asked: schemas.UserPut) -> UserRow:
        """Change who a user is; another address is not verified.

        Raises:
            TakenError: When the address is in use.
        """
        row, email = await self.changeable_user(key), normal_email(asked.email)
        fields = [
            n for n, new in (("name", asked.name), ("email", email)) if getattr(row, n) != new
        ]
        if email != row.email:
            other = await self.repository.user_by_email(email)
            if other is not None:
                raise TakenError("The address is in use.")
            row.email, row.email_verified = email, False
        row.name = asked.name
        if asked.status != row.status:
            await self.set_status(key, asked.status)
        await self._flush("The address is in use.")
        await self._record(USER_CHANGED, f"user:{row.id}", fields)
        return row

    async def delete_user(self, key: UUID) -> None:
        """Delete a user, and with them every session and token; the audit trail stays."""
        row = await self.changeable_user(key)
        await self.session.delete(row)
        await self._record(USER_DELETED, f"user:{key}")

    async def end_sessions(self, key: UUID) -> None:
        """Log a user out everywhere: every session and token ends."""
        row, now = await self.user(key), self.clock()
        await self.repository.end_logins(row.id, now)
        await self.repository.burn_families(row.id, now, "sessions")
        await self.record(SESSION_REVOKED, target=f"user:{row.id}", data={})

    async def set_status(self, key: UUID, status: str) -> UserRow:
        """Let a user log in, or stop that, and with it every session and token at once."""
        row = await self.changeable_user(key)
        row.status = status
        if status == "disabled":
            await self.repository.end_logins(row.id, self.clock())
            await self.repository.burn_families(row.id, self.clock(), "disabled")
        await self._record(USER_CHANGED, f"user:{row.id}", ["status"])
        return row

    async def set_password(self, key: UUID, password_hash: str) -> None:
        """Give a user another password; every session, token and API key of theirs ends."""
        row = await self.user(key)
        row.password_hash, row.password_changed_at = password_hash, self.clock()
        row.failed_logins, row.locked_until = 0, None
        await self.repository.end_logins(row.id, self.clock())
        await self.repository.burn_families(row.id, self.clock(), "password")
        await self.repository.revoke_api_keys(row.id, self.clock())
        await self.repository.spend_mail_tokens(row.id, "reset", self.clock())
        await self.record(PASSWORD_CHANGED, target=f"user:{row.id}", data={})

    async def put_role(self, slug: str, name: str, permissions: list[str]) -> RoleRow:
        """Add a role, or change what it permits."""
        organisation = await self.organisation(slug)
        row = await self.repository.role(organisation.id, name)
        if row is not None:
            return await self.change_role(row.id, permissions)
        return await self.create_role(slug, name, permissions)

    async def create_role(self, slug: str, name: str, permissions: list[str]) -> RoleRow:
        """Add a role.

        Raises:
            ForbiddenError: When it would permit more than the caller may give.
            TakenError: When the organisation has a role of this name.
        """
        organisation = await self.organisation(slug)
        row = RoleRow(
            id=uuid4(),
            organisation_id=organisation.id,
            name=name,
            permissions=sorted(set(permissions)),
            created_at=self.clock(),
        )
        self._require_below(row)
        await self._add(row, f"There is a role {name}.")
        await self._record(ROLE_CHANGED, f"role:{row.id}", ["permissions"])
        return row

    async def role(self, key: UUID) -> RoleRow:
        """Return a role that the caller may see.

        Raises:
            UnknownError: When there is none, or it is another tenant's.
        """
        row = await self.session.get(RoleRow, key)
        if row is None or self.organisation_id not in {None, row.organisation_id}:
            raise UnknownError("There is no such role.")
        return row

    async def change_role(self, key: UUID, permissions: list[str]) -> RoleRow:
        """Change what a role permits.

        Raises:
            ForbiddenError: When it permits more than the caller may give, before or after.
        """
        row = await self.role(key)
        self._require_below(row)
        row.permissions = sorted(set(permissions))
        self._require_below(row)
        await self._record(ROLE_CHANGED, f"role:{row.id}", ["permissions"])
        return row

    async def delete_role(self, key: UUID) -> None:
        """Delete a role; who had it has it no more."""
        row = await self.role(key)
        self._require_below(row)
        await self.session.delete(row)
        await self._record(ROLE_DELETED, f"role:{key}")

    async def give_role(self, key: UUID, role_id: UUID) -> list[RoleRow]:
        """Give a user a role of their organisation; returns all that they have then."""
        user, role = await self.user(key), await self.role(role_id)
        if role.organisation_id != user.organisation_id:
            raise UnknownError("There is no such role.")
        names = [row.name for row in await self.repository.roles_of(user.id)]
        return await self.assign(key, [*names, role.name])

    async def take_role(self, key: UUID, role_id: UUID) -> None:
        """Take a role from a user.

        Raises:
            UnknownError: When they don't have it.
        """
        user = await self.changeable_user(key)
        held = await self.repository.roles_of(user.id)
        if role_id not in {row.id for row in held}:
            raise UnknownError("The user has no such role.")
        await self.assign(key, [row.name for row in held if row.id != role_id])

    async def assign(self, key: UUID, names: list[str]) -> list[RoleRow]:
        """Give a user these roles of their organisation, and no others.

        Raises:
            UnknownError: When there is no such user or role.
        """
        user = await self.changeable_user(key)
        known = {role.name: role for role in await self.repository.roles(user.organisation_id)}
        missing = [name for name in names if name not in known]
        if missing:
            raise UnknownError(f"There is no role {', '.join(missing)}.")
        roles = [known[name] for name in dict.fromkeys(names)]
        self._require_below(*roles)
        await self.repository.assign(user.id, roles)
        await self._record(ROLES_ASSIGNED, f"user:{user.id}", ["roles"])
        return roles

    async def register_client(self, asked: schemas.ClientCreate) -> tuple[ClientRow, str | None]:
        """Add a client; returns the secret too, which is kept nowhere.

        Raises:
            InvalidClientMetadataError: When the registration contradicts itself.
            TakenError: When the id is in use.
            UnknownError: When there is no such organisation.
        """
        check_client(asked)
        if asked.organisation is not None:
            await self.organisation(asked.organisation)
        secret = new_secret() if asked.auth_method in WITH_SECRET else None
        row = ClientRow(
            **asked.model_dump(exclude={"id"}),
            id=asked.id or new_secret()[:22],
            secret_digest=digest(secret) if secret else None,
            disabled=False,
            created_at=self.clock(),
        )
        await self._add(row, f"The client id {row.id} is in use.")
        await self._record(CLIENT_CREATED, f"client:{row.id}")
        return row, secret

    async def client(self, key: str) -> ClientRow:
        """Return a client.

        Raises:
            UnknownError: When there is none.
        """
        row = await self.repository.client(key)
        if row is None:
            raise UnknownError(f"There is no client {key}.")
        return row

    async def renew_secret(self, key: str) -> tuple[ClientRow, str]:
        """Give a client another secret; the old one is refused from now on.

        Raises:
            InvalidClientMetadataError: When the client has none.
        """
        row = await self.client(key)
        if row.auth_method not in WITH_SECRET:
            raise InvalidClientMetadataError("The client does not authenticate with a secret.")
        secret = new_secret()
        row.secret_digest = digest(secret)
        await self._record(CLIENT_CHANGED, f"client:{row.id}", ["secret"])
        return row, secret

    async def disable_client(self, key: str) -> ClientRow:
        """Refuse a client from now on; what it was issued is worth nothing any more here."""
        row = await self.client(key)
        row.disabled = True
        await self._record(CLIENT_CHANGED, f"client:{row.id}", ["disabled"])
        return row

    def _require_below(self, *roles: RoleRow) -> None:
        """Refuse an organisation's admin what only the platform's may touch."""
        if self.organisation_id is not None and any(PLATFORM in r.permissions for r in roles):
            raise ForbiddenError(f"Only {PLATFORM} can give and take {PLATFORM}.")

    async def _flush(self, taken: str) -> None:
        try:
            await self.session.flush()
        except IntegrityError:
            raise TakenError(taken) from None

    async def _add(self, row: OrganisationRow | UserRow | RoleRow | ClientRow, taken: str) -> None:
        try:
            # In a savepoint, so that the session can still be used.
            async with self.session.begin_nested():
                await self.repository.add(row)
        except IntegrityError:
            raise TakenError(taken) from None

    async def _record(self, action: Action, target: str, fields: list[str] | None = None) -> None:
        await self.record(action, target=target, data={"fields": fields or []})
