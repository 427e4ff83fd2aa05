"""The tables that services share the shape of; each service has its own in its own database."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from ..core.database import Base


class IdempotencyRow(Base):
    """A request that is answered once: claimed while it is in flight, then with its answer.

    Attributes:
        scope: Whose key it is: a tenant, a client.
        key: What the client calls the request.
        fingerprint: SHA-256 of the request, hexadecimal.
        owner: Who works on it; a random value of one attempt.
        locked_until: When an attempt that gave no answer is taken for dead.
        expires_at: When the row may go.
        status: The answer's status; null while it is in flight.
        body: The answer's body.
    """

    __tablename__ = "idempotency_keys"
    __table_args__ = (Index("ix_idempotency_keys_expires_at", "expires_at"),)

    scope: Mapped[str] = mapped_column(String(200), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64))
    owner: Mapped[str] = mapped_column(String(32))
    locked_until: Mapped[datetime]
    expires_at: Mapped[datetime]
    status: Mapped[int | None]
    body: Mapped[bytes | None] = mapped_column(LargeBinary)


class InboxRow(Base):
    """A message that a consumer has taken.

    Attributes:
        consumer: Who took it.
        message_id: The message, as its sender names it.
        taken_at: When.
    """

    __tablename__ = "inbox"
    __table_args__ = (Index("ix_inbox_consumer_taken_at", "consumer", "taken_at"),)

    consumer: Mapped[str] = mapped_column(String(100), primary_key=True)
    message_id: Mapped[str] = mapped_column(String(255), primary_key=True)
    taken_at: Mapped[datetime]
