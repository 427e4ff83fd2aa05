# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""How messages leave: the interface of deliveries, and two that need no network."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TextIO

from .addresses import UNPRINTABLE

if TYPE_CHECKING:
    from .mime import Envelope

BeforeHandOver = Callable[[], Awaitable[None]]
"""Called right before what can't be taken back; a delivery goes on only when it returns."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a server said to a message that it took.

    Attributes:
        provider_id: What it calls the message.
        refused: Recipients that it will never take it for, and why.
        deferred: Recipients that it may take it for later, and why.
    """

    provider_id: str = ""
    refused: Mapping[str, str] = field(default_factory=dict)
    deferred: Mapping[str, str] = field(default_factory=dict)


class Delivery(Protocol):
    """Hands messages to a server.

    `deliver` returns when the server has taken responsibility for at least one recipient. Whatever
    it raises is a `MailError`: a `PermanentMailError` when the server took nothing and never will,
    a `TransientMailError` otherwise, with `in_doubt` when the answer to the hand-over was lost.
    """

    @property
    def name(self) -> str:
        """What it is called in logs and results."""
        ...

    async def deliver(self, envelope: Envelope, before_hand_over: BeforeHandOver, /) -> Receipt:
        """Deliver a message; nothing of it may leave before `before_hand_over` has returned."""
        ...

    async def check(self) -> None:
        """Find out whether messages could leave now, without sending one.

        Raises:
            MailError: They could not.
        """
        ...

    async def aclose(self) -> None:
        """Close what is open."""
        ...


class ConsoleDelivery:
    """Writes messages to the terminal, for development: their text, and what goes with it."""

    name = "console"

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream

    async def deliver(self, envelope: Envelope, before_hand_over: BeforeHandOver, /) -> Receipt:
        """See `Delivery.deliver`."""
        await before_hand_over()
        files = ", ".join(file.filename for file in envelope.email.attachments)
        lines = [
            "-" * 72,
            f"From: {envelope.sender.name} <{envelope.sender.address}>",
            f"To: {', '.join(envelope.recipients)}",
            f"Subject: {envelope.email.subject}",
            f"Message-ID: {envelope.message_id}",
            *([f"Attachments: {files}"] if files else []),
            "",
            *envelope.text.rstrip().splitlines(),
            "-" * 72,
        ]
        # Looked up now: whoever captures the terminal does so after the service is built.
        stream = self._stream or sys.stdout
        # A terminal obeys escape sequences.
        stream.write("\n".join(UNPRINTABLE.sub("?", line) for line in lines) + "\n")
        stream.flush()
        return Receipt()

    async def check(self) -> None:
        """See `Delivery.check`."""

    async def aclose(self) -> None:
        """See `Delivery.aclose`."""


class MemoryDelivery:
    """Keeps messages, for tests.

    Attributes:
        sent: What was delivered, the oldest first.
        failures: Raised instead of a delivery, one each, before anything is handed over.
    """

    name = "memory"

    def __init__(self) -> None:
        self.sent: list[Envelope] = []
        self.failures: list[Exception] = []

    async def deliver(self, envelope: Envelope, before_hand_over: BeforeHandOver, /) -> Receipt:
        """See `Delivery.deliver`."""
        if self.failures:
            raise self.failures.pop(0)
        await before_hand_over()
        self.sent.append(envelope)
        return Receipt(provider_id=str(len(self.sent)))

    async def check(self) -> None:
        """See `Delivery.check`."""

    async def aclose(self) -> None:
        """See `Delivery.aclose`."""
