"""A client may be registered to send its secret in the form."""

from collections.abc import Sequence

from alembic import op

revision: str = "0004_client_secret_post"
down_revision: str | None = "0003_auth"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_NAME = "ck_auth_clients_auth_method_is_known"


def upgrade() -> None:
    """Apply it."""
    _known("'none', 'client_secret_basic', 'client_secret_post', 'private_key_jwt'")


def downgrade() -> None:
    """Undo it; fails while a client is registered like this."""
    _known("'none', 'client_secret_basic', 'private_key_jwt'")


def _known(methods: str) -> None:
    with op.batch_alter_table("auth_clients", schema=None) as batch_op:
        batch_op.drop_constraint(op.f(_NAME), type_="check")
        batch_op.create_check_constraint(op.f(_NAME), f"auth_method IN ({methods})")
