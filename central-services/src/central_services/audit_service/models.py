"""The tables of the audit service. After a change: `db revision --package audit_service -m WHAT`.

Nothing here tells of a person in clear: what an event says is in `box`, encrypted under the keys of
those it is about, and what it is found by is hashed with a key (`payloads.py`).
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Index, Integer, LargeBinary, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from ..core.database import Base
from ..kit.tenancy import TenantScoped
from .event_schemas import models as event_schemas  # noqa: F401  # as below
from .ledger import models as ledger  # noqa: F401  # migrations look here for all tables of the service

_Number = BigInteger().with_variant(Integer, "sqlite")
_UNSEALED = text("seq IS NULL")


class EventRow(TenantScoped, Base):
    """An event.

    Attributes:
        n: The order in which events came.
        source: The project that it is of.
        sender: The client that sent it.
        event_id: What the project calls it.
        time: When it happened.
        received_at: When it came.
        action: What happened, as in `order.shipped`.
        outcome: success, failure or denied; empty where the event does not say.
        retention: The class of its retention.
        expires_at: When its content may go; null for ever.
        commitment: SHA-256 of its salt and canonical JSON: the entry of the log.
        fingerprint: What a repetition has to equal, keyed; null once the content is gone.
        code: Authentication code: only a holder of the master key can have written the row.
        keys: The ids of the keys that its content is encrypted with, one a word.
        box: Salt and content, encrypted; null once it is gone.
        words: What it is found by, hashed, until it is sealed.
        seq: Its index in the tenant's log; null until it is sealed.
    """

    __tablename__ = "trail_events"
    __table_args__ = (
        Index(None, "tenant_id", "source", "event_id", unique=True),
        Index(None, "tenant_id", "seq", unique=True),
        Index(None, "tenant_id", "time", "n"),
        Index("ix_trail_events_expires_at", "expires_at"),
        Index("ix_trail_events_unsealed", "n", sqlite_where=_UNSEALED, postgresql_where=_UNSEALED),
    )

    n: Mapped[int] = mapped_column(_Number, primary_key=True)
    source: Mapped[str] = mapped_column(String(255))
    sender: Mapped[str] = mapped_column(String(255))
    event_id: Mapped[str] = mapped_column(String(255))
    time: Mapped[datetime]
    received_at: Mapped[datetime]
    action: Mapped[str] = mapped_column(String(255))
    outcome: Mapped[str] = mapped_column(String(16))
    retention: Mapped[str] = mapped_column(String(16))
    expires_at: Mapped[datetime | None]
    commitment: Mapped[bytes] = mapped_column(LargeBinary)
    fingerprint: Mapped[bytes | None] = mapped_column(LargeBinary)
    code: Mapped[bytes] = mapped_column(LargeBinary)
    keys: Mapped[str] = mapped_column(Text)
    box: Mapped[bytes | None] = mapped_column(LargeBinary)
    words: Mapped[bytes] = mapped_column(LargeBinary)
    seq: Mapped[int | None] = mapped_column(BigInteger)


class WordRow(Base):
    """That an event is found by a word: an inverted index over keyed hashes.

    Attributes:
        word: The hash; that of another tenant's word is another one.
        n: The event.
    """

    __tablename__ = "trail_words"
    __table_args__ = (Index(None, "n"),)

    word: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    n: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)


class LogRow(Base):
    """The log of a tenant.

    Attributes:
        tenant_id: The tenant.
        origin: The log's name.
        key: Its verification key.
        size: How many events are sealed.
        witnessed: The size of the last checkpoint that a witness has cosigned.
    """

    __tablename__ = "trail_logs"

    tenant_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    origin: Mapped[str] = mapped_column(String(255), unique=True)
    key: Mapped[str] = mapped_column(Text)
    size: Mapped[int] = mapped_column(BigInteger)
    witnessed: Mapped[int] = mapped_column(BigInteger)


class NodeRow(Base):
    """The hash of a complete subtree of 256, 65,536, ... entries."""

    __tablename__ = "trail_nodes"

    tenant_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    level: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    position: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    hash: Mapped[bytes] = mapped_column(LargeBinary)


class CheckpointRow(Base):
    """A signed state of a log, with the cosignatures that it got."""

    __tablename__ = "trail_checkpoints"

    tenant_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    size: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    note: Mapped[str] = mapped_column(Text)
    cosigned: Mapped[bool]


class HoldRow(TenantScoped, Base):
    """A legal hold: what it covers is neither shredded nor dropped.

    Attributes:
        id: A number.
        name: Its name, such as that of the case.
        key: The id of the key of the person it covers; empty for everything of the tenant.
        placed_at: When it was placed.
        placed_by: By whom.
        released_at: When it was released; null while it is in force.
        released_by: By whom.
    """

    __tablename__ = "trail_holds"
    __table_args__ = (
        Index(
            "uq_trail_holds_in_force",
            "tenant_id",
            "name",
            unique=True,
            sqlite_where=text("released_at IS NULL"),
            postgresql_where=text("released_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(_Number, primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    key: Mapped[str] = mapped_column(String(64))
    placed_at: Mapped[datetime]
    placed_by: Mapped[str] = mapped_column(String(255))
    released_at: Mapped[datetime | None]
    released_by: Mapped[str | None] = mapped_column(String(255))
