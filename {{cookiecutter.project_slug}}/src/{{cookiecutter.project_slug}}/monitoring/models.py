# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The tables of scheduled tasks in the project's database."""

from __future__ import annotations

from sqlalchemy import BigInteger, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from ..core.database import Base

_Counter = BigInteger().with_variant(Integer, "sqlite")


class MonitoringTaskRow(Base):
    """A task, as JSON: a release that can't read it must still be able to keep it."""

    __tablename__ = "monitoring_tasks"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    document: Mapped[str] = mapped_column(Text)


class MonitoringRunRow(Base):
    """A run."""

    __tablename__ = "monitoring_runs"
    __table_args__ = (UniqueConstraint("task_id", "run_id"),)

    n: Mapped[int] = mapped_column(_Counter, primary_key=True)
    task_id: Mapped[str] = mapped_column(String(64))
    run_id: Mapped[str] = mapped_column(String(128))
    document: Mapped[str] = mapped_column(Text)


class MonitoringChangeRow(Base):
    """A change of a task by somebody."""

    __tablename__ = "monitoring_changes"

    n: Mapped[int] = mapped_column(_Counter, primary_key=True)
    task_id: Mapped[str] = mapped_column(String(64), index=True)
    document: Mapped[str] = mapped_column(Text)
