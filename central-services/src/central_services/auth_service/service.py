"""What may happen to organisations, users, roles and clients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from urllib.parse import urlsplit
from uuid import UUID, uuid4

from joserfc.errors import JoseError
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
    ROLES_ASSIGNED,
    USER_CHANGED,
    USER_CREATED,
)
from .errors import ForbiddenError, InvalidClientMetadataError, TakenError, UnknownError
from .logins import normal_email
from .models import ClientRow, OrganisationRow, RoleRow, UserRow
from .oauth.clients import import_keys
from .repository import IdentityRepository
from .sealing import digest, new_secret

PLATFORM = "auth:admin"
"""The permission to administer everything."""
ORGANISATION = "auth:org-admin"
"""The permission to administer one's own organisation."""

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


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

    async def set_status(self, key: UUID, status: str) -> UserRow:
        """Let a user log in, or stop that, and with it every session and token at once."""
        row = await self.user(key)
        row.status = status
        if status == "disabled":
            await self.repository.end_logins(row.id, self.clock())
            await self.repository.burn_families(row.id, self.clock(), "disabled")
        await self._record(USER_CHANGED, f"user:{row.id}", ["status"])
        return row

    async def set_password(self, key: UUID, password_hash: str) -> None:
        """Give a user another password; every session and token ends."""
        row = await self.user(key)
        row.password_hash, row.password_changed_at = password_hash, self.clock()
        row.failed_logins, row.locked_until = 0, None
        await self.repository.end_logins(row.id, self.clock())
        await self.repository.burn_families(row.id, self.clock(), "password")
        await self.record(PASSWORD_CHANGED, target=f"user:{row.id}", data={})

    async def put_role(self, slug: str, name: str, permissions: list[str]) -> RoleRow:
        """Add a role, or change what it permits."""
        organisation = await self.organisation(slug)
        if self.organisation_id is not None and PLATFORM in permissions:
            raise ForbiddenError(f"Only {PLATFORM} can give {PLATFORM}.")
        row = await self.repository.role(organisation.id, name)
        wanted = sorted(set(permissions))
        if row is None:
            row = RoleRow(
                id=uuid4(),
                organisation_id=organisation.id,
                name=name,
                permissions=wanted,
                created_at=self.clock(),
            )
            await self._add(row, f"The role {name} was added meanwhile.")
        row.permissions = wanted
        await self._record(ROLE_CHANGED, f"role:{row.id}", ["permissions"])
        return row

    async def assign(self, key: UUID, names: list[str]) -> list[RoleRow]:
        """Give a user these roles of their organisation, and no others.

        Raises:
            UnknownError: When there is no such user or role.
        """
        user = await self.user(key)
        known = {role.name: role for role in await self.repository.roles(user.organisation_id)}
        missing = [name for name in names if name not in known]
        if missing:
            raise UnknownError(f"There is no role {', '.join(missing)}.")
        roles = [known[name] for name in dict.fromkeys(names)]
        if self.organisation_id is not None and any(PLATFORM in r.permissions for r in roles):
            raise ForbiddenError(f"Only {PLATFORM} can give {PLATFORM}.")
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
        secret = new_secret() if asked.auth_method == "client_secret_basic" else None
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
        if row.auth_method != "client_secret_basic":
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

    async def _add(self, row: OrganisationRow | UserRow | RoleRow | ClientRow, taken: str) -> None:
        try:
            # In a savepoint, so that the session can still be used.
            async with self.session.begin_nested():
                await self.repository.add(row)
        except IntegrityError:
            raise TakenError(taken) from None

    async def _record(self, action: Action, target: str, fields: list[str] | None = None) -> None:
        await self.record(action, target=target, data={"fields": fields or []})


def check_client(asked: schemas.ClientCreate) -> None:
    """Refuse a registration that contradicts itself (RFC 7591 section 2.1, RFC 9700).

    Raises:
        InvalidClientMetadataError: Saying what to change.
    """
    grants = set(asked.grant_types)
    if "authorization_code" in grants and not asked.redirect_uris:
        raise InvalidClientMetadataError("authorization_code needs redirect_uris.")
    if asked.auth_method == "none" and "client_credentials" in grants:
        raise InvalidClientMetadataError("A public client has no credentials of its own.")
    if asked.auth_method == "none" and asked.may_introspect:
        raise InvalidClientMetadataError("A public client can't ask about tokens.")
    if "refresh_token" in grants and "authorization_code" not in grants:
        raise InvalidClientMetadataError("refresh_token comes with authorization_code only.")
    if (asked.auth_method == "private_key_jwt") != (asked.jwks is not None):
        raise InvalidClientMetadataError("jwks goes with private_key_jwt, and only with it.")
    if asked.jwks is not None:
        _check_keys(asked.jwks)
    for uri in (*asked.redirect_uris, *asked.post_logout_redirect_uris):
        _check_redirect_uri(uri)


def _check_keys(jwks: dict[str, Any]) -> None:
    listed = jwks.get("keys")
    if not isinstance(listed, list) or not all(map(_is_strong, listed)):
        raise InvalidClientMetadataError("jwks holds EC, OKP and RSA keys from 2048 bits on.")
    try:
        keys = list(import_keys(jwks))
    except (JoseError, ValueError, KeyError, TypeError, AttributeError):
        raise InvalidClientMetadataError("jwks is no key set (RFC 7517).") from None
    if not keys or any(key.is_private for key in keys):
        raise InvalidClientMetadataError("jwks holds public keys only.")


def _is_strong(key: object) -> bool:
    """Whether a JWK is of a kind that proves something, judged before it is parsed."""
    if not isinstance(key, dict):
        return False
    # 2048 bits are 342 characters of base64url.
    is_long = len(str(key.get("n", ""))) >= 342
    return key.get("kty") in {"EC", "OKP"} or (key.get("kty") == "RSA" and is_long)


def _check_redirect_uri(uri: str) -> None:
    """Refuse a redirect URI that others could receive (RFC 9700 section 2.1, RFC 8252)."""
    parts = urlsplit(uri)
    is_local = parts.scheme == "http" and parts.hostname in _LOOPBACK
    # A private-use scheme is a reversed domain name (RFC 8252 section 7.1), so never javascript:.
    is_app = "." in parts.scheme and not parts.netloc
    is_web = parts.scheme == "https" and bool(parts.hostname)
    if not (is_local or is_app or is_web) or "*" in uri:
        raise InvalidClientMetadataError(
            f"{uri}: use https, a loopback address or an app's scheme."
        )
    if parts.fragment or "#" in uri or parts.username is not None:
        raise InvalidClientMetadataError(f"{uri}: leave out fragment and user.")
