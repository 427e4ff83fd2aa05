# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Which messages were sent, by idempotency key, so that none is sent twice.

A key goes from claimed, by one worker for a while, to handed over, written down right before the
message's last byte may go out, to sent. A worker that dies while it is claimed has sent nothing; one
that dies after it was handed over leaves the message in doubt, and only then.
"""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

from .errors import PermanentMailError, TransientMailError
from .records import RecordStore, RecordsUnavailableError

__all__ = ["Entry", "SentLedger"]

_DAY_S = 86_400.0
_PREFIX = "sent:"
State = Literal["claimed", "handed_over", "released", "sent"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What is known of one idempotency key. It holds digests, no address and no word of a message.

    Attributes:
        state: How far the message is.
        fingerprint: Stands for what is sent; the key is for nothing else.
        token: Who has claimed it.
        until: When the claim ends, in seconds since 1970.
        message_id: Its Message-ID.
        provider_id: What the server calls it.
        accepted: Digests of the recipients that it was taken for.
        refused: Digests of those that it was refused for, for good.
        in_doubt: Whether an answer was lost on the way here.
    """

    state: State
    fingerprint: str
    token: str = ""
    until: float = 0.0
    message_id: str = ""
    provider_id: str = ""
    accepted: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    in_doubt: bool = False
    text: str | None = field(default=None, repr=False, compare=False)

    def dump(self) -> str:
        """Return it as JSON."""
        names = self.__slots__
        return json.dumps({n: getattr(self, n) for n in names if n != "text"}, sort_keys=True)

    @classmethod
    def load(cls, text: str) -> Entry:
        """Read what `dump` wrote."""
        values = json.loads(text)
        for name in ("accepted", "refused"):
            values[name] = tuple(values[name])
        return cls(**values, text=text)


class SentLedger:
    """The one place that knows what was sent; every method is safe for several workers at once.

    Args:
        records: Where it is kept.
        lease_s: Seconds that a claim lasts; longer than one attempt can.
        memory_days: Days for which a sent key is remembered.
        clock: Seconds since 1970.
    """

    def __init__(
        self,
        records: RecordStore,
        *,
        lease_s: float,
        memory_days: int = 30,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._records = records
        self._lease_s = lease_s
        self._ttl_s = memory_days * _DAY_S
        self._clock = clock

    async def claim(self, key: str, fingerprint: str, message_id: str) -> Entry:
        """Claim a key, and return its entry: claimed by the caller now, or sent long ago.

        Raises:
            PermanentMailError: The key was used for another message.
            TransientMailError: Another worker is sending it, or the records can't be used.
        """
        place = self._place(key)
        now = self._clock()
        known = await self._read(place)
        if known is None:
            known = Entry(state="released", fingerprint=fingerprint)
        if known.fingerprint != fingerprint:
            raise PermanentMailError("the idempotency key was used for another message before")
        if known.state == "sent":
            return known
        if known.state != "released" and known.until > now:
            wait_s = round(known.until - now, 1)
            raise TransientMailError("another worker is sending it", retry_after_s=wait_s)
        mine = replace(
            known,
            state="claimed",
            token=uuid.uuid4().hex,
            until=now + self._lease_s,
            message_id=message_id,
            in_doubt=known.in_doubt or known.state == "handed_over",
        )
        return await self._put(place, known, mine)

    async def hand_over(self, key: str, mine: Entry) -> Entry:
        """Write down that the message is about to leave; the claim lasts from now on again.

        Raises:
            TransientMailError: The claim has ended and somebody else has it, so it must not leave.
        """
        until = self._clock() + self._lease_s
        return await self._put(
            self._place(key), mine, replace(mine, state="handed_over", until=until)
        )

    async def release(self, key: str, mine: Entry) -> Entry:
        """Write down what is known, and let the next attempt claim the key at once."""
        return await self._put(self._place(key), mine, replace(mine, state="released", until=0.0))

    async def settle(self, key: str, mine: Entry) -> Entry:
        """Write down that the message was sent."""
        return await self._put(self._place(key), mine, replace(mine, state="sent", until=0.0))

    async def _read(self, place: str) -> Entry | None:
        try:
            text = await self._records.read(place)
        except RecordsUnavailableError as error:
            raise TransientMailError(str(error)) from error
        return None if text is None else Entry.load(text)

    async def _put(self, place: str, old: Entry, new: Entry) -> Entry:
        text = new.dump()
        try:
            swapped = await self._records.swap(place, old.text, text, self._ttl_s)
        except RecordsUnavailableError as error:
            raise TransientMailError(str(error)) from error
        if not swapped:
            raise TransientMailError("another worker is sending it", retry_after_s=1.0)
        return replace(new, text=text)

    @staticmethod
    def _place(key: str) -> str:
        return _PREFIX + digest(key)


def digest(text: str) -> str:
    """Return what stands for a text in records."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:40]


def fingerprint_of(subject: str, recipients: Iterable[str]) -> str:
    """Return what stands for a message: whom it is for and what it is about.

    Not its body: a template that changed between two attempts makes no other message of it.
    """
    return digest("\x00".join([subject, *sorted(recipients)]))
