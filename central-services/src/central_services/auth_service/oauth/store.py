"""What the OAuth core keeps, in the session of a request. Synchronous: see the package."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from ...kit.inserting import insert_once
from ..models import (
    ApiKeyRow,
    ClientRow,
    CodeRow,
    FamilyRow,
    OrganisationRow,
    RefreshTokenRow,
    RevokedTokenRow,
    RoleRow,
    SeenAssertionRow,
    SessionRow,
    UserRoleRow,
    UserRow,
)

_USED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Subject:
    """A user as tokens tell of them.

    Attributes:
        user: How the user is kept.
        organisation: The slug of the organisation.
        roles: Names of the roles.
        permissions: What the roles permit, together.
    """

    user: UserRow
    organisation: str
    roles: Sequence[str]
    permissions: Sequence[str]


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """Whom an API key stands for, and what it permits now.

    Attributes:
        key: How the key is kept.
        subject: The id of the user, or of the organisation.
        organisation: The slug of the organisation.
        permissions: Those of the key that its owner still has.
    """

    key: ApiKeyRow
    subject: str
    organisation: str
    permissions: Sequence[str]


@dataclass(frozen=True, slots=True)
class OAuthStore:
    """Queries of the OAuth core.

    Attributes:
        session: The request's; one that writes.
        now: The time of the request.
    """

    session: Session
    now: datetime

    def client(self, client_id: str) -> ClientRow | None:
        """Return a client that may be used."""
        row = self.session.get(ClientRow, client_id) if client_id else None
        return row if row is not None and not row.disabled else None

    def subject(self, user_id: UUID) -> Subject | None:
        """Return a user who may log in."""
        row = self.session.get(UserRow, user_id)
        if row is None or row.status != "active":
            return None
        organisation = self.session.get(OrganisationRow, row.organisation_id)
        roles = self.session.scalars(
            select(RoleRow)
            .join(UserRoleRow, UserRoleRow.role_id == RoleRow.id)
            .where(UserRoleRow.user_id == user_id)
            .order_by(RoleRow.name)
        ).all()
        permissions = sorted({name for role in roles for name in role.permissions})
        slug = organisation.slug if organisation else ""
        return Subject(row, slug, [role.name for role in roles], permissions)

    def key_holder(self, key: ApiKeyRow | None) -> KeyHolder | None:
        """Return whom a key that may be used stands for, or None."""
        if key is None or key.revoked_at is not None or key.expires_at <= self.now:
            return None
        if key.user_id is not None:
            owner = self.subject(key.user_id)
            if owner is None:
                return None
            held, organisation = set(owner.permissions), owner.organisation
        else:
            row = self.session.get(OrganisationRow, key.organisation_id)
            organisation = row.slug if row else ""
            roles = select(RoleRow).where(RoleRow.organisation_id == key.organisation_id)
            held = {name for role in self.session.scalars(roles) for name in role.permissions}
        permitted = [name for name in key.permissions if name in held]
        return KeyHolder(key, str(key.user_id or key.organisation_id), organisation, permitted)

    def use_api_key(self, digest: str) -> KeyHolder | None:
        """Return whom an API key stands for, and remember to the minute that it was used."""
        row = self.session.scalar(select(ApiKeyRow).where(ApiKeyRow.digest == digest))
        holder = self.key_holder(row)
        if holder is None or row is None:
            return None
        if row.last_used_at is None or row.last_used_at + _USED_EVERY <= self.now:
            row.last_used_at = self.now
            self.session.flush()
        return holder

    def holder_of(self, key_id: str) -> KeyHolder | None:
        """Return whom the key stands for that a token was exchanged for."""
        try:
            return self.key_holder(self.session.get(ApiKeyRow, UUID(key_id)))
        except ValueError:
            return None

    def add(self, row: FamilyRow | CodeRow | RefreshTokenRow) -> None:
        """Keep something new, before what refers to it."""
        self.session.add(row)
        self.session.flush()

    def code(self, digest: str) -> CodeRow | None:
        """Return an authorization code, which nobody else may use meanwhile."""
        return self.session.get(CodeRow, digest, with_for_update=True)

    def refresh_token(self, digest: str) -> tuple[RefreshTokenRow, FamilyRow] | None:
        """Return a refresh token and its family, which nobody else may use meanwhile."""
        family_id = self.session.scalar(
            select(RefreshTokenRow.family_id).where(RefreshTokenRow.digest == digest)
        )
        if family_id is None:
            return None
        # Always the family first: two requests that lock in another order would wait for ever.
        family = self.session.get(FamilyRow, family_id, with_for_update=True)
        row = self.session.get(RefreshTokenRow, digest, with_for_update=True)
        return None if row is None or family is None else (row, family)

    def generation(self, family_id: UUID, number: int) -> RefreshTokenRow | None:
        """Return a family's refresh token of a generation."""
        return self.session.scalar(
            select(RefreshTokenRow).where(
                RefreshTokenRow.family_id == family_id, RefreshTokenRow.generation == number
            )
        )

    def family(self, family_id: str | UUID, *, lock: bool = False) -> FamilyRow | None:
        """Return a family."""
        try:
            key = UUID(str(family_id))
        except ValueError:
            return None
        return self.session.get(FamilyRow, key, with_for_update=lock or None)

    def is_alive(self, family: FamilyRow | None) -> bool:
        """Whether the tokens of a family count: it, its session and its user are all right."""
        if family is None or family.revoked_at is not None or family.expires_at <= self.now:
            return False
        user = self.session.get(UserRow, family.user_id)
        if user is None or user.status != "active":
            return False
        if family.session_id is None:
            return True
        login = self.session.get(SessionRow, family.session_id)
        return login is not None and login.revoked_at is None

    def burn(self, family: FamilyRow, because: str) -> bool:
        """Revoke a family; returns whether it was alive."""
        if family.revoked_at is not None:
            return False
        family.revoked_at, family.revoked_because = self.now, because
        # No answer may be replayed any more.
        self.session.execute(
            update(RefreshTokenRow)
            .where(RefreshTokenRow.family_id == family.id)
            .values(replay=None)
        )
        self.session.flush()
        return True

    def revoke_access_token(self, jti: str, expires_at: datetime) -> None:
        """Remember that an access token must not be accepted."""
        if not self.is_revoked(jti):
            self.session.add(RevokedTokenRow(jti=jti, expires_at=expires_at))
            self.session.flush()

    def is_revoked(self, jti: str) -> bool:
        """Whether an access token was revoked by itself."""
        return self.session.get(RevokedTokenRow, jti) is not None

    def is_first(self, digest: str, expires_at: datetime) -> bool:
        """Whether something comes for the first time; it does not from now on."""
        return insert_once(self.session, SeenAssertionRow, digest=digest, expires_at=expires_at)
