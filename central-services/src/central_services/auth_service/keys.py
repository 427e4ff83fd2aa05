"""Signing keys: made, published, used, retired; the same for every process of the service.

A key is published as `next` for as long as a key set may be cached before it signs anything, and as
`retiring` for as long as what it signed lives. So a verifier with a cached set never meets a key
that it does not know.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, cast

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)
from joserfc import jwk
from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from ..audit import AuditLog
from ..core.database import Database
from ..utils.logging import get_logger
from .actions import KEY_ROTATED
from .models import SigningKeyRow
from .sealing import Sealer
from .settings import AuthSettings

CryptographyKey = EllipticCurvePrivateKey | RSAPrivateKey
Algorithm = Literal["ES256", "RS256"]
ALGORITHMS: tuple[Algorithm, ...] = ("ES256", "RS256")
_PURPOSE = "signing-key"

_log = get_logger(__name__)


class RotationTooEarlyError(Exception):
    """The next key is not known to every verifier yet."""


@dataclass(frozen=True, slots=True)
class Made:
    """A step: make a key that is to be in a state."""

    alg: Algorithm
    state: Literal["next", "active"]


@dataclass(frozen=True, slots=True)
class Moved:
    """A step: let the next key sign, and the one that did so retire (`remove_at`)."""

    alg: Algorithm
    old: str
    new: str
    remove_at: datetime


@dataclass(frozen=True, slots=True)
class Removed:
    """A step: forget a key."""

    kid: str


Step = Made | Moved | Removed


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key of the ring.

    Attributes:
        kid: Its id: the RFC 7638 thumbprint.
        alg: What it signs with.
        state: `next`, `active` or `retiring`.
        key: The key itself, with its private part.
        public: What is published of it.
    """

    kid: str
    alg: str
    state: str
    key: jwk.Key
    public: Mapping[str, Any]


def plan(
    rows: Sequence[SigningKeyRow],
    now: datetime,
    settings: AuthSettings,
    *,
    rotate: bool = False,
    compromised: bool = False,
) -> list[Step]:
    """Return what is to be done with the keys now.

    Args:
        rows: The keys as they are kept.
        now: The time.
        settings: How long keys and tokens live.
        rotate: Rotate although it is not due.
        compromised: Rotate at once and forget the old keys: what they signed is refused.

    Raises:
        RotationTooEarlyError: When `rotate` comes before the next key is published long enough.
    """
    steps: list[Step] = [
        Removed(row.kid) for row in rows if row.remove_at and (row.remove_at <= now or compromised)
    ]
    for alg in ALGORITHMS:
        mine = {row.state: row for row in rows if row.alg == alg and row.state != "retiring"}
        active, following = mine.get("active"), mine.get("next")
        if active is None:
            steps.append(Made(alg, "active"))
        if following is None:
            steps.append(Made(alg, "next"))
        if active is None or following is None:
            continue
        due = (active.activated_at or now) + timedelta(days=settings.key_rotation_days)
        known = following.created_at + timedelta(
            seconds=settings.jwks_max_age_s + settings.key_check_s
        )
        if compromised:
            steps += [Moved(alg, active.kid, following.kid, now), Removed(active.kid)]
        elif rotate or due <= now:
            if known <= now:
                steps.append(Moved(alg, active.kid, following.kid, _removal(now, settings)))
            elif rotate:
                raise RotationTooEarlyError(
                    f"verifiers may not know the next {alg} key before {known:%H:%M:%S} UTC: wait,"
                    " or pass --compromised when the present key must not be used any more"
                )
            else:
                continue
        else:
            continue
        steps.append(Made(alg, "next"))
    return steps


def _removal(now: datetime, settings: AuthSettings) -> datetime:
    """Return when nothing that a key signed until now is valid any more, in any process."""
    seconds = settings.access_token_s + settings.clock_skew_s + 2 * settings.key_check_s
    return now + timedelta(seconds=seconds)


class KeyRing:
    """The signing keys as this process knows them."""

    def __init__(
        self,
        database: Database,
        sealer: Sealer,
        settings: AuthSettings,
        clock: Callable[[], datetime],
        audit: AuditLog | None = None,
    ) -> None:
        """Use a database; nothing is read before `maintain`."""
        self._database = database
        self._sealer = sealer
        self._settings = settings
        self._clock = clock
        self._audit = audit
        self._keys: dict[str, SigningKey] = {}
        self._document = b'{"keys":[]}'
        self._tag = ""

    @property
    def document(self) -> tuple[bytes, str]:
        """The key set (RFC 7517) as JSON, and its entity tag."""
        return self._document, self._tag

    @property
    def is_ready(self) -> bool:
        """Whether there is a key to sign with."""
        return any(key.state == "active" for key in self._keys.values())

    def find(self, kid: str) -> SigningKey | None:
        """Return the key with an id; one of any state may have signed, in another process."""
        return self._keys.get(kid)

    def signing(self, alg: str) -> SigningKey:
        """Return the key that signs with an algorithm.

        Raises:
            LookupError: When there is none: `maintain` was never called.
        """
        for key in self._keys.values():
            if key.alg == alg and key.state == "active":
                return key
        raise LookupError(f"there is no active {alg} key")

    async def maintain(self, *, rotate: bool = False, compromised: bool = False) -> list[Step]:
        """Do what is due, then read the keys; returns what was done.

        Raises:
            RotationTooEarlyError: See `plan`.
            KeySealError: When the keys were sealed with another encryption key.
            DatabaseUnavailableError: When the database can't be reached.
        """
        forced = {"rotate": rotate, "compromised": compromised}
        async with self._database.read() as session:
            steps = plan(await _rows(session), self._clock(), self._settings, **forced)
        if steps:
            try:
                await self._do(steps, forced)
            except IntegrityError:
                _log.info("signing_keys_rotated_elsewhere")
                steps = []
        await self.load()
        return steps

    async def load(self) -> None:
        """Read the keys.

        Raises:
            KeySealError: When they were sealed with another encryption key.
        """
        async with self._database.read() as session:
            rows = await _rows(session)
        self._keys = {row.kid: self._unsealed(row) for row in rows}
        public = [dict(key.public) for key in self._keys.values()]
        self._document = json.dumps({"keys": public}, separators=(",", ":")).encode()
        self._tag = f'"{self._sealer.mark("jwks-tag", self._document.decode())[:22]}"'

    async def _do(self, steps: list[Step], forced: dict[str, bool]) -> None:
        """Carry steps out, unless another process was faster."""
        wanted = [step for step in steps if isinstance(step, Made)]
        # Before the transaction: an RSA key takes a tenth of a second and more.
        made = await asyncio.to_thread(lambda: [_generate(step.alg) for step in wanted])
        async with self._database.transaction() as session:
            now = self._clock()
            rows = await _rows(session, lock=True)
            again = plan(rows, now, self._settings, **forced)
            if [type(step) for step in again] != [type(step) for step in steps]:
                return
            by_kid = {row.kid: row for row in rows}
            for step in again:
                if isinstance(step, Moved):
                    await self._move(session, step, by_kid, now)
            gone = [step.kid for step in again if isinstance(step, Removed)]
            await session.execute(delete(SigningKeyRow).where(SigningKeyRow.kid.in_(gone)))
            for step, key in zip(wanted, made, strict=True):
                session.add(self._row(step, key, now))

    async def _move(
        self,
        session: AsyncSession,
        step: Moved,
        rows: Mapping[str, SigningKeyRow],
        now: datetime,
    ) -> None:
        old, new = rows[step.old], rows[step.new]
        old.state, old.remove_at = "retiring", step.remove_at
        await session.flush()  # before the next: only one key of an algorithm may be active
        new.state, new.activated_at = "active", now
        await session.flush()
        if self._audit is not None:
            data = {"alg": step.alg, "old": step.old}
            target = f"signing_key:{step.new}"
            await self._audit.record(KEY_ROTATED, target=target, data=data, session=session)

    def _row(self, step: Made, key: jwk.Key, now: datetime) -> SigningKeyRow:
        kid = key.thumbprint()
        public = {**key.as_dict(private=False), "kid": kid, "alg": step.alg, "use": "sig"}
        private = cast("CryptographyKey", key.private_key).private_bytes(
            Encoding.DER, PrivateFormat.PKCS8, NoEncryption()
        )
        return SigningKeyRow(
            kid=kid,
            alg=step.alg,
            state=step.state,
            public_jwk=public,
            sealed=self._sealer.seal(_PURPOSE, private, f"{kid}:{step.alg}"),
            created_at=now,
            activated_at=now if step.state == "active" else None,
            remove_at=None,
        )

    def _unsealed(self, row: SigningKeyRow) -> SigningKey:
        known = self._keys.get(row.kid)
        if known is not None:
            return SigningKey(row.kid, row.alg, row.state, known.key, row.public_jwk)
        private = self._sealer.open(_PURPOSE, row.sealed, f"{row.kid}:{row.alg}")
        return SigningKey(row.kid, row.alg, row.state, _import(private), row.public_jwk)


async def _rows(session: AsyncSession, *, lock: bool = False) -> Sequence[SigningKeyRow]:
    query = select(SigningKeyRow).order_by(SigningKeyRow.created_at, SigningKeyRow.kid)
    return (await session.scalars(query.with_for_update() if lock else query)).all()


def _import(private: bytes) -> jwk.Key:
    """Return a private key that we sealed.

    The check that RSA's numbers are primes takes 55 ms, and is left out: the seal already shows that
    nobody changed what we made.
    """
    key = load_der_private_key(private, None, unsafe_skip_rsa_key_validation=True)
    if isinstance(key, RSAPrivateKey):
        return jwk.RSAKey(key, key)
    return jwk.ECKey(cast("EllipticCurvePrivateKey", key), cast("EllipticCurvePrivateKey", key))


def _generate(alg: Algorithm) -> jwk.Key:
    """Return a new key; its parameters are those of RFC 7518 section 3.1."""
    if alg == "ES256":
        return jwk.generate_key("EC", "P-256")
    return jwk.generate_key("RSA", 2048)
