# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The tables of scheduled tasks."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0001_monitoring"
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_COUNTER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Apply it."""
    op.create_table(
        "monitoring_tasks",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_monitoring_tasks")),
    )
    op.create_table(
        "monitoring_runs",
        sa.Column("n", _COUNTER, nullable=False),
        sa.Column("task_id", sa.String(length=64), nullable=False),
        sa.Column("run_id", sa.String(length=128), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("n", name=op.f("pk_monitoring_runs")),
        sa.UniqueConstraint("task_id", "run_id", name=op.f("uq_monitoring_runs_task_id_run_id")),
    )
    op.create_table(
        "monitoring_changes",
        sa.Column("n", _COUNTER, nullable=False),
        sa.Column("task_id", sa.String(length=64), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("n", name=op.f("pk_monitoring_changes")),
    )
    op.create_index(op.f("ix_monitoring_changes_task_id"), "monitoring_changes", ["task_id"])


def downgrade() -> None:
    """Undo it."""
    op.drop_index(op.f("ix_monitoring_changes_task_id"), "monitoring_changes")
    op.drop_table("monitoring_changes")
    op.drop_table("monitoring_runs")
    op.drop_table("monitoring_tasks")
