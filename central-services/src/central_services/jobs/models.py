# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The table of jobs that were enqueued in a database transaction."""

from __future__ import annotations

from sqlalchemy import BigInteger, Integer, Text
from sqlalchemy.orm import Mapped, mapped_column

from ..core.database import Base


class JobOutboxRow(Base):
    """A job on its way to the queue; it leaves the table only once it is there."""

    __tablename__ = "jobs_outbox"
    # The relay removes rows by their numbers, which therefore must not come back.
    __table_args__ = {"sqlite_autoincrement": True}  # noqa: RUF012  # as SQLAlchemy declares it

    n: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    job: Mapped[str] = mapped_column(Text)
