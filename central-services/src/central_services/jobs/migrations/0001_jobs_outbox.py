# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The table of jobs that were enqueued in a transaction."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0001_jobs_outbox"
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply it."""
    op.create_table(
        "jobs_outbox",
        sa.Column("n", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("job", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("n", name=op.f("pk_jobs_outbox")),
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    """Undo it."""
    op.drop_table("jobs_outbox")
