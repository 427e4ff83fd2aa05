"""The tables of the auth service."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0001_auth"
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply it."""
    op.create_table(
        "auth_clients",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("auth_method", sa.String(length=32), nullable=False),
        sa.Column("secret_digest", sa.String(length=64), nullable=True),
        sa.Column("jwks", sa.JSON(), nullable=True),
        sa.Column("redirect_uris", sa.JSON(), nullable=False),
        sa.Column("post_logout_redirect_uris", sa.JSON(), nullable=False),
        sa.Column("grant_types", sa.JSON(), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("permissions", sa.JSON(), nullable=False),
        sa.Column("audiences", sa.JSON(), nullable=False),
        sa.Column("id_token_alg", sa.String(length=8), nullable=False),
        sa.Column("skip_consent", sa.Boolean(), nullable=False),
        sa.Column("require_pushed_requests", sa.Boolean(), nullable=False),
        sa.Column("may_introspect", sa.Boolean(), nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "auth_method IN ('none', 'client_secret_basic', 'private_key_jwt')",
            name=op.f("ck_auth_clients_auth_method_is_known"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_auth_clients")),
    )
    op.create_table(
        "auth_organisations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("slug", sa.String(length=63), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_auth_organisations")),
        sa.UniqueConstraint("slug", name=op.f("uq_auth_organisations_slug")),
    )
    op.create_table(
        "auth_revoked_tokens",
        sa.Column("jti", sa.String(length=64), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("jti", name=op.f("pk_auth_revoked_tokens")),
    )
    with op.batch_alter_table("auth_revoked_tokens", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_auth_revoked_tokens_expires_at"), ["expires_at"], unique=False
        )

    op.create_table(
        "auth_seen_assertions",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_auth_seen_assertions")),
    )
    with op.batch_alter_table("auth_seen_assertions", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_auth_seen_assertions_expires_at"), ["expires_at"], unique=False
        )

    op.create_table(
        "auth_signing_keys",
        sa.Column("kid", sa.String(length=64), nullable=False),
        sa.Column("alg", sa.String(length=8), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("public_jwk", sa.JSON(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("activated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("remove_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('next', 'active', 'retiring')",
            name=op.f("ck_auth_signing_keys_state_is_known"),
        ),
        sa.PrimaryKeyConstraint("kid", name=op.f("pk_auth_signing_keys")),
    )
    with op.batch_alter_table("auth_signing_keys", schema=None) as batch_op:
        batch_op.create_index(
            "uq_auth_signing_keys_one_per_state",
            ["alg", "state"],
            unique=True,
            sqlite_where=sa.text("state <> 'retiring'"),
            postgresql_where=sa.text("state <> 'retiring'"),
        )

    op.create_table(
        "auth_pushed_requests",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("client_id", sa.String(length=64), nullable=False),
        sa.Column("parameters", sa.JSON(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["client_id"],
            ["auth_clients.id"],
            name=op.f("fk_auth_pushed_requests_client_id_auth_clients"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_auth_pushed_requests")),
    )
    with op.batch_alter_table("auth_pushed_requests", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_auth_pushed_requests_expires_at"), ["expires_at"], unique=False
        )

    op.create_table(
        "auth_roles",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("permissions", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["auth_organisations.id"],
            name=op.f("fk_auth_roles_organisation_id_auth_organisations"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_auth_roles")),
    )
    with op.batch_alter_table("auth_roles", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_auth_roles_organisation_id_name"),
            ["organisation_id", "name"],
            unique=True,
        )

    op.create_table(
        "auth_users",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("email_verified", sa.Boolean(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("password_hash", sa.String(length=200), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("failed_logins", sa.Integer(), nullable=False),
        sa.Column("locked_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("password_changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "status IN ('active', 'disabled')", name=op.f("ck_auth_users_status_is_known")
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["auth_organisations.id"],
            name=op.f("fk_auth_users_organisation_id_auth_organisations"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_auth_users")),
        sa.UniqueConstraint("email", name=op.f("uq_auth_users_email")),
    )
    with op.batch_alter_table("auth_users", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_auth_users_organisation_id_id"), ["organisation_id", "id"], unique=False
        )

    op.create_table(
        "auth_consents",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.String(length=64), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("given_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["client_id"],
            ["auth_clients.id"],
            name=op.f("fk_auth_consents_client_id_auth_clients"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["auth_users.id"],
            name=op.f("fk_auth_consents_user_id_auth_users"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("user_id", "client_id", name=op.f("pk_auth_consents")),
    )
    op.create_table(
        "auth_sessions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("cookie_digest", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("user_agent", sa.String(length=200), nullable=False),
        sa.Column("authenticated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["auth_users.id"],
            name=op.f("fk_auth_sessions_user_id_auth_users"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_auth_sessions")),
        sa.UniqueConstraint("cookie_digest", name=op.f("uq_auth_sessions_cookie_digest")),
    )
    with op.batch_alter_table("auth_sessions", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_auth_sessions_expires_at"), ["expires_at"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_auth_sessions_user_id"), ["user_id"], unique=False)

    op.create_table(
        "auth_token_families",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=True),
        sa.Column("scope", sa.String(length=1000), nullable=False),
        sa.Column("audiences", sa.JSON(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("authenticated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_because", sa.String(length=32), nullable=True),
        sa.ForeignKeyConstraint(
            ["client_id"],
            ["auth_clients.id"],
            name=op.f("fk_auth_token_families_client_id_auth_clients"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["auth_users.id"],
            name=op.f("fk_auth_token_families_user_id_auth_users"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_auth_token_families")),
    )
    with op.batch_alter_table("auth_token_families", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_auth_token_families_expires_at"), ["expires_at"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_auth_token_families_session_id"), ["session_id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_auth_token_families_user_id"), ["user_id"], unique=False
        )

    op.create_table(
        "auth_user_roles",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("role_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["role_id"],
            ["auth_roles.id"],
            name=op.f("fk_auth_user_roles_role_id_auth_roles"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["auth_users.id"],
            name=op.f("fk_auth_user_roles_user_id_auth_users"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("user_id", "role_id", name=op.f("pk_auth_user_roles")),
    )
    with op.batch_alter_table("auth_user_roles", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_auth_user_roles_role_id"), ["role_id"], unique=False)

    op.create_table(
        "auth_codes",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("family_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.String(length=64), nullable=False),
        sa.Column("redirect_uri", sa.String(length=2000), nullable=False),
        sa.Column("nonce", sa.String(length=1000), nullable=True),
        sa.Column("code_challenge", sa.String(length=128), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["family_id"],
            ["auth_token_families.id"],
            name=op.f("fk_auth_codes_family_id_auth_token_families"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_auth_codes")),
    )
    op.create_table(
        "auth_refresh_tokens",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("family_id", sa.Uuid(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("replay", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["family_id"],
            ["auth_token_families.id"],
            name=op.f("fk_auth_refresh_tokens_family_id_auth_token_families"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_auth_refresh_tokens")),
    )
    with op.batch_alter_table("auth_refresh_tokens", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_auth_refresh_tokens_family_id_generation"),
            ["family_id", "generation"],
            unique=True,
        )


def downgrade() -> None:
    """Undo it."""
    with op.batch_alter_table("auth_refresh_tokens", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_auth_refresh_tokens_family_id_generation"))

    op.drop_table("auth_refresh_tokens")
    op.drop_table("auth_codes")
    with op.batch_alter_table("auth_user_roles", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_auth_user_roles_role_id"))

    op.drop_table("auth_user_roles")
    with op.batch_alter_table("auth_token_families", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_auth_token_families_user_id"))
        batch_op.drop_index(batch_op.f("ix_auth_token_families_session_id"))
        batch_op.drop_index(batch_op.f("ix_auth_token_families_expires_at"))

    op.drop_table("auth_token_families")
    with op.batch_alter_table("auth_sessions", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_auth_sessions_user_id"))
        batch_op.drop_index(batch_op.f("ix_auth_sessions_expires_at"))

    op.drop_table("auth_sessions")
    op.drop_table("auth_consents")
    with op.batch_alter_table("auth_users", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_auth_users_organisation_id_id"))

    op.drop_table("auth_users")
    with op.batch_alter_table("auth_roles", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_auth_roles_organisation_id_name"))

    op.drop_table("auth_roles")
    with op.batch_alter_table("auth_pushed_requests", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_auth_pushed_requests_expires_at"))

    op.drop_table("auth_pushed_requests")
    with op.batch_alter_table("auth_signing_keys", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_auth_signing_keys_one_per_state",
            sqlite_where=sa.text("state <> 'retiring'"),
            postgresql_where=sa.text("state <> 'retiring'"),
        )

    op.drop_table("auth_signing_keys")
    with op.batch_alter_table("auth_seen_assertions", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_auth_seen_assertions_expires_at"))

    op.drop_table("auth_seen_assertions")
    with op.batch_alter_table("auth_revoked_tokens", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_auth_revoked_tokens_expires_at"))

    op.drop_table("auth_revoked_tokens")
    op.drop_table("auth_organisations")
    op.drop_table("auth_clients")
