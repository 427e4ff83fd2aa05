"""API keys: long-lived tokens that people and organisations make for programs.

A key is `slw_`, 43 random characters (256 bits) and the CRC-32 of those in 6 more, so that scanners
find keys in repositories and logs by their look alone, and a typing error costs no query.
"""

from __future__ import annotations

import secrets
import string
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncSession

from . import schemas
from .actions import API_KEY_CREATED, API_KEY_REVOKED
from .errors import ForbiddenError, UnknownError
from .models import ApiKeyRow
from .repository import IdentityRepository
from .sealing import digest
from .service import ORGANISATION, PLATFORM, IdentityService, Record

PREFIX = "slw_"
_ALPHABET = string.digits + string.ascii_letters
_RANDOM = 43
_CHECKSUM = 6
_HINT = len(PREFIX) + 8
OF_PEOPLE = frozenset({PLATFORM, ORGANISATION})
"""What only people may do: no key of an organisation permits it."""


def new_api_key() -> str:
    """Return a new API key."""
    random = "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM))
    return PREFIX + random + _checksum(random)


def is_api_key(text: str) -> bool:
    """Whether a text looks like an API key, its checksum included."""
    body = text.removeprefix(PREFIX)
    is_ours = text.startswith(PREFIX) and len(body) == _RANDOM + _CHECKSUM
    return is_ours and set(body) <= set(_ALPHABET) and body[_RANDOM:] == _checksum(body[:_RANDOM])


def _checksum(random: str) -> str:
    number, text = zlib.crc32(random.encode()), ""
    for _ in range(_CHECKSUM):
        number, digit = divmod(number, len(_ALPHABET))
        text = _ALPHABET[digit] + text
    return text


@dataclass(frozen=True, slots=True)
class ApiKeyService:
    """The rules for API keys.

    Attributes:
        session: The transaction.
        record: Records events in it.
        clock: Returns the time.
        admin: What an administrator may reach; None for a user who reaches their own keys only.
        user_id: Who calls; None for a program.
    """

    session: AsyncSession
    record: Record
    clock: Callable[[], datetime]
    admin: IdentityService | None
    user_id: UUID | None

    @property
    def repository(self) -> IdentityRepository:
        """Its queries."""
        return IdentityRepository(self.session)

    async def create(self, asked: schemas.ApiKeyCreate) -> tuple[ApiKeyRow, str]:
        """Make a key; returns its text too, which is kept nowhere.

        Raises:
            ForbiddenError: When the caller may not, or the key would permit more than its owner.
            UnknownError: When there is no such organisation.
        """
        if asked.organisation is None:
            organisation_id, user_id, held = await self._own()
        else:
            if self.admin is None:
                raise ForbiddenError("Only admins make keys of an organisation.")
            organisation_id = (await self.admin.organisation(asked.organisation)).id
            user_id, held = None, await self.repository.permissions_in(organisation_id)
            held -= OF_PEOPLE
        if not held.issuperset(asked.permissions):
            raise ForbiddenError("A key permits at most what its owner may do.")
        plain, now = new_api_key(), self.clock()
        row = ApiKeyRow(
            id=uuid4(),
            digest=digest(plain),
            hint=plain[:_HINT],
            organisation_id=organisation_id,
            user_id=user_id,
            name=asked.name,
            permissions=sorted(set(asked.permissions)),
            created_at=now,
            expires_at=now + timedelta(days=asked.expires_in_days),
            last_used_at=None,
            revoked_at=None,
        )
        await self.repository.add(row)
        await self.record(API_KEY_CREATED, target=f"api_key:{row.id}", data={"fields": []})
        return row, plain

    async def page(self, *, after: UUID | None, limit: int) -> list[ApiKeyRow]:
        """Return keys by id, from after one on: an admin's tenant's, or the user's own."""
        organisation = self.admin.organisation_id if self.admin else None
        user = None if self.admin else self.user_id
        rows = await self.repository.api_keys(
            organisation=organisation, user=user, after=after, limit=limit
        )
        return list(rows)

    async def revoke(self, key: UUID) -> None:
        """Refuse a key from now on, and every token that it was exchanged for.

        Raises:
            UnknownError: When there is none, or it is out of the caller's reach.
        """
        row = await self.session.get(ApiKeyRow, key)
        is_own = row is not None and self.user_id is not None and row.user_id == self.user_id
        is_in_reach = row is not None and (
            self.admin is not None and self.admin.organisation_id in {None, row.organisation_id}
        )
        if row is None or not (is_own or is_in_reach) or row.revoked_at is not None:
            raise UnknownError("There is no such API key.")
        row.revoked_at = self.clock()
        await self.record(API_KEY_REVOKED, target=f"api_key:{row.id}", data={"fields": []})

    async def _own(self) -> tuple[UUID, UUID, set[str]]:
        """Return organisation, id and permissions of the user who calls."""
        user = None if self.user_id is None else await self.repository.user(self.user_id)
        if user is None:
            raise ForbiddenError("Name the organisation: only a user has keys of their own.")
        roles = await self.repository.roles_of(user.id)
        return user.organisation_id, user.id, {name for role in roles for name in role.permissions}
