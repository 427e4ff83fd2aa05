"""API keys, mailed links, keys that tokens are bound to, and clients that act for others' users."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0003_auth"
down_revision: str | None = "0002_client_organisation"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply it."""
    op.add_column(
        "auth_clients",
        sa.Column("may_act_for", sa.JSON(), server_default=sa.text("'[]'"), nullable=False),
    )
    op.add_column(
        "auth_clients",
        sa.Column(
            "dpop_bound_access_tokens", sa.Boolean(), server_default=sa.false(), nullable=False
        ),
    )
    op.add_column("auth_token_families", sa.Column("jkt", sa.String(length=64), nullable=True))
    op.create_table(
        "auth_api_keys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("hint", sa.String(length=16), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("permissions", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["auth_organisations.id"],
            name=op.f("fk_auth_api_keys_organisation_id_auth_organisations"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["auth_users.id"],
            name=op.f("fk_auth_api_keys_user_id_auth_users"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_auth_api_keys")),
        sa.UniqueConstraint("digest", name=op.f("uq_auth_api_keys_digest")),
    )
    op.create_index(
        op.f("ix_auth_api_keys_organisation_id_id"), "auth_api_keys", ["organisation_id", "id"]
    )
    op.create_index(op.f("ix_auth_api_keys_user_id"), "auth_api_keys", ["user_id"])
    op.create_table(
        "auth_mail_tokens",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("purpose", sa.String(length=16), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "purpose IN ('reset', 'verify')", name=op.f("ck_auth_mail_tokens_purpose_is_known")
        ),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["auth_users.id"],
            name=op.f("fk_auth_mail_tokens_user_id_auth_users"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_auth_mail_tokens")),
    )
    op.create_index(op.f("ix_auth_mail_tokens_expires_at"), "auth_mail_tokens", ["expires_at"])
    op.create_index(
        op.f("ix_auth_mail_tokens_user_id_created_at"),
        "auth_mail_tokens",
        ["user_id", "created_at"],
    )


def downgrade() -> None:
    """Undo it."""
    op.drop_table("auth_mail_tokens")
    op.drop_table("auth_api_keys")
    op.drop_column("auth_token_families", "jkt")
    op.drop_column("auth_clients", "dpop_bound_access_tokens")
    op.drop_column("auth_clients", "may_act_for")
