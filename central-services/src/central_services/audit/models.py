# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The audit trail's table in the project's database."""

from __future__ import annotations

from sqlalchemy import BigInteger, Integer, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from ..core.database import Base


class AuditOutboxRow(Base):
    """An event on its way into the trail; it leaves the table only once it is there."""

    __tablename__ = "audit_outbox"

    n: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    id: Mapped[str] = mapped_column(String(36), unique=True)
    record: Mapped[str] = mapped_column(Text)
    code: Mapped[bytes] = mapped_column(LargeBinary)
    relayed: Mapped[bool] = mapped_column(default=False)
