# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The table of events that were recorded in a transaction, append-only by triggers."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0001_audit_outbox"
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_CHANGED = " OR ".join(
    f"NEW.{name} IS DISTINCT FROM OLD.{name}" for name in ("n", "id", "record", "code")
)
_RULES = {
    # The one change that is allowed: it was relayed.
    "UPDATE": f"{_CHANGED} OR NOT NEW.relayed",
    "DELETE": "NOT OLD.relayed",
}


def upgrade() -> None:
    """Apply it."""
    op.create_table(
        "audit_outbox",
        sa.Column("n", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.Column("code", sa.LargeBinary(), nullable=False),
        sa.Column("relayed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("n", name=op.f("pk_audit_outbox")),
        sa.UniqueConstraint("id", name=op.f("uq_audit_outbox_id")),
    )
    if op.get_bind().dialect.name == "sqlite":
        for event, condition in _RULES.items():
            # SQLite has IS for what the standard calls IS [NOT] DISTINCT FROM; the latter is new.
            when = condition.replace("IS DISTINCT FROM", "IS NOT")
            op.execute(
                f"CREATE TRIGGER audit_outbox_{event.lower()} BEFORE {event} ON audit_outbox"
                f" WHEN {when} BEGIN SELECT RAISE(ABORT, 'audit_outbox is append-only'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION audit_outbox_refuse() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'audit_outbox is append-only'; END $$"
    )
    for event, condition in _RULES.items():
        op.execute(
            f"CREATE TRIGGER audit_outbox_{event.lower()} BEFORE {event} ON audit_outbox"
            f" FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION audit_outbox_refuse()"
        )
    op.execute(
        "CREATE TRIGGER audit_outbox_truncate BEFORE TRUNCATE ON audit_outbox"
        " EXECUTE FUNCTION audit_outbox_refuse()"
    )
    # A service whose user does not own the table gets no more than it needs; see docs.
    op.execute("REVOKE ALL ON audit_outbox FROM PUBLIC")


def downgrade() -> None:
    """Undo it."""
    op.drop_table("audit_outbox")
    if op.get_bind().dialect.name != "sqlite":
        op.execute("DROP FUNCTION audit_outbox_refuse()")
