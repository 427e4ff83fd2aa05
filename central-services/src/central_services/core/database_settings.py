# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Settings of the database."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr

from .sections import Section

_WELL_KNOWN_PASSWORDS = frozenset(
    ("admin", "changeme", "development", "example", "password", "postgres", "secret")
)


def _check_database_url(url: object) -> object:
    """Refuse what no engine here can open, without repeating it: it can hold a password."""
    plain = url.get_secret_value() if isinstance(url, SecretStr) else str(url)
    scheme, _, rest = plain.partition("://")
    if scheme in {"sqlite", "sqlite+aiosqlite"}:
        path = rest.partition("?")[0].removeprefix("/")
        if not path or path.startswith((":memory:", "file:")):
            message = "write sqlite:///folder/file.db, or sqlite:////folder/file.db from the root"
            raise ValueError(message)
    elif scheme == "postgres":
        return f"postgresql://{rest}"
    elif scheme not in {"postgresql", "postgresql+psycopg"}:
        message = "write sqlite:///folder/file.db or postgresql://user:password@host:5432/name"
        raise ValueError(message)
    return url


class DatabaseSettings(Section):
    """Where data is kept: SQLite in a file, or PostgreSQL."""

    url: Annotated[SecretStr, BeforeValidator(_check_database_url)] = Field(
        default=SecretStr("sqlite:///data/central_services.db"),
        description="sqlite:///folder/file.db or postgresql://user:password@host:5432/name.",
    )
    migrations: Literal["require", "warn"] = Field(
        default="require",
        description="What start-up does when the database is not at this release's migrations.",
    )
    pool_size: int = Field(
        default=5, ge=1, description="Connections kept open per process; on SQLite, to read."
    )
    max_overflow: int = Field(
        default=5, ge=0, description="Connections more that may be open for a while."
    )
    pool_timeout_s: float = Field(
        default=5.0, gt=0, description="Seconds to wait for a free connection; then 503."
    )
    pool_recycle_s: int = Field(
        default=1_800, ge=-1, description="Seconds after which a connection is made anew."
    )
    pool_pre_ping: bool = Field(
        default=True, description="Test a connection before its use, so that a restart shows less."
    )
    connect_timeout_s: float = Field(
        default=3.0, gt=0, description="Seconds to connect to PostgreSQL, rounded up, at least 2."
    )
    statement_timeout_s: float = Field(
        default=10.0, ge=0, description="Seconds that one statement may take; 0 for no limit."
    )
    busy_timeout_s: float = Field(
        default=5.0, ge=0, description="Seconds that SQLite waits for another process's lock."
    )

    def insecure(self) -> Iterator[tuple[str, bool, str, str]]:
        """Yield rules for production, as `PlatformSettings` does."""
        scheme, _, rest = self.url.get_secret_value().partition("://")
        is_file = scheme.startswith("sqlite")
        password = rest.rpartition("@")[0].partition(":")[2]
        yield (
            "DATABASE__URL",
            is_file and not rest.startswith("//"),
            "where the file is depends on the folder that the service is started in",
            "Write the whole path, with four slashes: sqlite:////var/lib/service/data.db.",
        )
        yield (
            "DATABASE__URL",
            not is_file and password in _WELL_KNOWN_PASSWORDS,
            "the password is one that everybody knows",
            "Give the database's user a password of its own.",
        )
