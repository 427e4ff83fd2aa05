# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Taking messages off the lines of queues in NATS, and learning when there are some."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from ._nats_connection import Connection
from ._nats_names import LINES, Names
from ._wake_up import WakeUp

if TYPE_CHECKING:
    from nats.aio.msg import Msg
    from nats.aio.subscription import Subscription

_NO_MORE = frozenset({"404", "408", "409"})


class Delivery(NamedTuple):
    """A message that this worker has until it acknowledges it or its lease ends.

    Attributes:
        subject: What it was published under.
        reply: Where it is acknowledged.
        sequence: Its place in the stream.
        times: How often it was delivered.
        lease_s: Seconds from each acknowledgement of progress until it is delivered again.
    """

    subject: str
    reply: str
    sequence: int
    times: int
    lease_s: float


class Lines:
    """The consumers of queues: three a queue, one per priority.

    Args:
        connection: Where they are.
        names: What they are called.
        wake_up: What to ring when one is filled.
        lease_s: Seconds before a message is delivered again, until `prepare` says otherwise.
    """

    def __init__(
        self, connection: Connection, names: Names, wake_up: WakeUp, lease_s: float
    ) -> None:
        self._connection = connection
        self._names = names
        self._leases: dict[tuple[str, str], float] = {}
        self._woken: dict[str, Subscription] = {}
        self._filled: set[tuple[str, str]] = set()
        self._inbox: Subscription | None = None
        self._pulling = asyncio.Lock()
        self._wake_up = wake_up
        self._lease_s = lease_s

    async def prepare(self, queues: Sequence[str], lease_s: float) -> None:
        """Make consumers of queues, with this time before a message is delivered again.

        Raises:
            JobsUnavailableError: When the server does not answer.
        """
        for queue in queues:
            for line in LINES.values():
                if self._leases.get((queue, line)) != lease_s:
                    await self._agree(queue, line, lease_s)
            if queue not in self._woken:
                subject = f"{self._names.root}.woken.{queue}.>"
                self._woken[queue] = await self._connection.subscribe(subject, self._heard)
                self.look_again([queue])

    async def introduce(self, queue: str) -> None:
        """Make the consumers of a queue that has none yet.

        Raises:
            JobsUnavailableError: When the server does not answer.
        """
        for line in LINES.values():
            if "error" in await self._info(queue, line):
                await self._make(queue, line, self._lease_s)

    async def _agree(self, queue: str, line: str, lease_s: float) -> None:
        """Have a consumer that delivers again after this time, or earlier.

        The time counts for messages that are leased already: it gets longer only when there are none.
        """
        info = await self._info(queue, line)
        known_s = 0.0 if "error" in info else info["config"]["ack_wait"] / 1e9
        if not known_s or known_s > lease_s or not info["num_ack_pending"]:
            await self._make(queue, line, lease_s)
            known_s = lease_s
        self._leases[queue, line] = known_s

    async def _info(self, queue: str, line: str) -> dict[str, Any]:
        name = self._names.consumer(queue, line)
        return await self._connection.manage(f"CONSUMER.INFO.{self._names.stream}.{name}")

    def may_hold(self, queue: str) -> bool:
        """Return whether a queue may have something that can be taken."""
        return any((queue, line) in self._filled for line in LINES.values())

    async def _make(self, queue: str, line: str, lease_s: float) -> None:
        """Make a consumer, or change the time that it leases messages for."""
        stream, name = self._names.stream, self._names.consumer(queue, line)
        config = {
            "durable_name": name,
            "name": name,
            "ack_policy": "explicit",
            "ack_wait": int(lease_s * 1e9),
            "deliver_policy": "all",
            "filter_subject": f"{self._names.root}.ready.{queue}.{line}.>",
            "max_ack_pending": 1_000_000,
            "max_deliver": -1,
            "replay_policy": "instant",
        }
        await self._connection.manage(
            f"CONSUMER.DURABLE.CREATE.{stream}.{name}", stream_name=stream, config=config
        )

    def look_again(self, queues: Sequence[str]) -> None:
        """Take it that every line may hold something: what is delivered again is not announced."""
        self._filled.update((queue, line) for queue in queues for line in LINES.values())

    async def take(self, queue: str, limit: int) -> list[Delivery]:
        """Take up to `limit` messages off a queue's lines, the highest priority first.

        Raises:
            JobsUnavailableError: When the server does not answer.
        """
        taken: list[Delivery] = []
        for line in LINES.values():
            if len(taken) < limit and (queue, line) in self._filled:
                self._filled.discard((queue, line))
                wanted = limit - len(taken)
                found = await self.pull(queue, line, wanted)
                taken += found
                if len(found) == wanted:
                    self._filled.add((queue, line))  # there may be more
        return taken

    async def pull(self, queue: str, line: str, limit: int) -> list[Delivery]:
        """Take what is there now of one consumer.

        What comes after the time is over is given back when the next pull finds it.

        Raises:
            JobsUnavailableError: When there is no connection.
        """
        async with self._pulling:
            if self._inbox is None:
                subject = self._connection.client.new_inbox()
                self._inbox = await self._connection.subscribe(subject)
            inbox = self._inbox
            while inbox.pending_msgs:
                await self._give_back(await inbox.next_msg(1))
            body = orjson.dumps({"batch": limit, "no_wait": True})
            name = self._names.consumer(queue, line)
            question = f"$JS.API.CONSUMER.MSG.NEXT.{self._names.stream}.{name}"
            await self._connection.ask_for(question, body, inbox.subject)
            lease_s = self._leases.get((queue, line), self._lease_s)
            return await self._collect(inbox, limit, lease_s)

    async def _collect(self, inbox: Subscription, limit: int, lease_s: float) -> list[Delivery]:
        from nats.errors import Error  # noqa: PLC0415  # needed only with a URL

        found: list[Delivery] = []
        with suppress(Error, TimeoutError):  # what came is here, and what did not is not lost
            while len(found) < limit:
                message = await inbox.next_msg(self._connection.timeout_s)
                status = (message.headers or {}).get("Status", "")
                if status in _NO_MORE:
                    break
                if not status and message.reply:
                    found.append(_delivery(message, lease_s))
        return found

    async def _give_back(self, message: Msg) -> None:
        if message.reply.startswith("$JS.ACK."):
            await self._connection.send(message.reply, b"-NAK")

    async def _heard(self, message: Msg) -> None:
        queue, line = message.subject.removeprefix(f"{self._names.root}.").split(".")[1:3]
        self._filled.add((queue, line))
        self._wake_up.ring()


def _delivery(message: Msg, lease_s: float) -> Delivery:
    """Return a message's place and count, which stand in its reply subject (ADR-15 of NATS)."""
    parts = message.reply.split(".")
    # $JS.ACK.<stream>.<consumer>.<count>.<sequence>..., or with domain and account before the stream.
    at = 6 if len(parts) >= 11 else 4
    return Delivery(message.subject, message.reply, int(parts[at + 1]), int(parts[at]), lease_s)
