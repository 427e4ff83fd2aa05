"""A client may belong to an organisation."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0002_client_organisation"
down_revision: str | None = "0001_auth"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply it."""
    op.add_column("auth_clients", sa.Column("organisation", sa.String(length=63), nullable=True))


def downgrade() -> None:
    """Undo it."""
    with op.batch_alter_table("auth_clients", schema=None) as batch_op:
        batch_op.drop_column("organisation")
