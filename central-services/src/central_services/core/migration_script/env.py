# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""What Alembic runs for each command; the connection and the tables are handed to it."""

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from alembic.util.exc import CommandError
from sqlalchemy import text

given = context.config.attributes
connection = given["connection"]
is_sqlite = connection.dialect.name == "sqlite"


def render_item(kind: str, item: Any, _context: AutogenContext) -> str | Literal[False]:  # noqa: ANN401  # any part of a table
    """Write a revision without imports of the service: it must stay as it was written."""
    if kind == "type" and type(item).__name__ == "UtcDateTime":
        return "sa.DateTime(timezone=True)"
    return False


def report(ctx: Any, step: Any, heads: Any, run_args: Any) -> None:  # noqa: ANN401, ARG001  # Alembic's
    """Tell what was applied or undone."""
    verb = "applied" if step.is_upgrade else "undone"
    given["report"](f"{verb}: {step.up_revision_id}")


context.configure(
    connection=connection,
    target_metadata=given["metadata"],
    compare_server_default=True,
    render_as_batch=is_sqlite,
    render_item=render_item,
    on_version_apply=report,
    # SQLite: all or nothing, under one write lock. PostgreSQL: one by one, so that a revision can
    # leave its transaction (CREATE INDEX CONCURRENTLY).
    transactional_ddl=True,
    transaction_per_migration=not is_sqlite,
)
with context.begin_transaction():
    context.run_migrations()
    if is_sqlite and connection.execute(text("PRAGMA foreign_key_check")).first():
        message = "a migration leaves rows that point to nothing; everything was undone"
        raise CommandError(message)
