"""The tables of the ledger. What they hold is money; who moved it and who allowed it is in the event.

Rows of accounts change in their balances only, and rows of transfers never.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Dialect, Index, Integer, LargeBinary, String, text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

from ...core.database import Base
from ...kit.tenancy import TenantScoped

_Number = BigInteger().with_variant(Integer, "sqlite")
_PENDING = text("status = 'pending'")
_OPEN = text("status = 'open'")


class Amount(TypeDecorator[int]):
    """A whole number of up to 128 bits, which no database here has: 39 digits, which sort as numbers do."""

    impl = String(39)
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Dialect) -> str | None:  # noqa: ARG002  # all store text
        """Return what is stored."""
        return None if value is None else f"{value:039d}"

    def process_result_value(self, value: str | None, dialect: Dialect) -> int | None:  # noqa: ARG002  # as above
        """Return what was stored."""
        return None if value is None else int(value)


class _Described:
    """What accounts and transfers have in common; see `book.py`."""

    n: Mapped[int] = mapped_column(_Number, primary_key=True)
    id: Mapped[str] = mapped_column(String(36))
    ledger: Mapped[str] = mapped_column(String(3))
    code: Mapped[int]
    flags: Mapped[int]
    user_data_128: Mapped[str | None] = mapped_column(String(36))
    user_data_64: Mapped[int] = mapped_column(Amount)
    user_data_32: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime]
    mac: Mapped[bytes] = mapped_column(LargeBinary)


class AccountRow(_Described, TenantScoped, Base):
    """An account.

    Attributes:
        n: The order in which accounts came.
        mac: Authentication code of what never changes in it.
    """

    __tablename__ = "ledger_accounts"
    __table_args__ = (Index(None, "tenant_id", "id", unique=True),)

    debits_pending: Mapped[int] = mapped_column(Amount)
    debits_posted: Mapped[int] = mapped_column(Amount)
    credits_pending: Mapped[int] = mapped_column(Amount)
    credits_posted: Mapped[int] = mapped_column(Amount)


class TransferRow(_Described, TenantScoped, Base):
    """A transfer that was made; the database refuses to change or delete it.

    Attributes:
        n: The order in which transfers came.
        mac: Authentication code of the row.
    """

    __tablename__ = "ledger_transfers"
    __table_args__ = (
        Index(None, "tenant_id", "id", unique=True),
        Index(None, "tenant_id", "n"),
        Index(None, "tenant_id", "debit_account_id", "n"),
        Index(None, "tenant_id", "credit_account_id", "n"),
    )

    debit_account_id: Mapped[str] = mapped_column(String(36))
    credit_account_id: Mapped[str] = mapped_column(String(36))
    amount: Mapped[int] = mapped_column(Amount)
    pending_id: Mapped[str | None] = mapped_column(String(36))
    timeout: Mapped[int] = mapped_column(BigInteger)


class PendingRow(TenantScoped, Base):
    """What became of a pending transfer: pending, posted, voided or expired."""

    __tablename__ = "ledger_pending"
    __table_args__ = (
        Index(None, "tenant_id", "id", unique=True),
        Index(
            "ix_ledger_pending_due",
            "expires_at",
            sqlite_where=_PENDING,
            postgresql_where=_PENDING,
        ),
    )

    n: Mapped[int] = mapped_column(_Number, primary_key=True)
    id: Mapped[str] = mapped_column(String(36))
    status: Mapped[str] = mapped_column(String(16))
    expires_at: Mapped[datetime | None]


class ClaimRow(TenantScoped, Base):
    """That an id of a transfer is used, and for what: of two requests with one id one waits here.

    Attributes:
        status: `created`, `awaiting_approval`, or why it failed.
        proposal: The proposal that it is part of.
    """

    __tablename__ = "ledger_ids"
    __table_args__ = (
        Index(None, "tenant_id", "id", unique=True),
        Index(None, "tenant_id", "proposal"),
    )

    n: Mapped[int] = mapped_column(_Number, primary_key=True)
    id: Mapped[str] = mapped_column(String(36))
    status: Mapped[str] = mapped_column(String(64))
    proposal: Mapped[str | None] = mapped_column(String(36))


class ProposalRow(TenantScoped, Base):
    """A chain of transfers that waits for an approval. What it would do is in its event.

    Attributes:
        id: That of its first transfer.
        status: open, approved, rejected or failed.
        proposer: Who asked for it, hashed with a key.
        created_at: When.
        expires_at: From when on it can't be approved any more.
        decided_at: When it was decided.
    """

    __tablename__ = "ledger_proposals"
    __table_args__ = (
        Index(None, "tenant_id", "id", unique=True),
        Index("ix_ledger_proposals_open", "n", sqlite_where=_OPEN, postgresql_where=_OPEN),
    )

    n: Mapped[int] = mapped_column(_Number, primary_key=True)
    id: Mapped[str] = mapped_column(String(36))
    status: Mapped[str] = mapped_column(String(16))
    proposer: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    decided_at: Mapped[datetime | None]
