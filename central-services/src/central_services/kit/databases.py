"""A database for each service on one PostgreSQL, so that none reads another's tables."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

from .supervision.unit import UnitError


def database_url(server: str, service: str) -> str:
    """Return the address of a service's database: that of the server's, and the service's name."""
    parts = urlsplit(server)
    return urlunsplit(parts._replace(path=f"{parts.path or '/central'}_{service}"))


def create_database(server: str, wanted: str) -> None:
    """Make the database of an address unless it is there; it blocks.

    Args:
        server: The address of any database of the same server, for a role that may make databases.
        wanted: The address of the database.

    Raises:
        UnitError: It can't be made; the text says what to do.
    """
    import psycopg  # noqa: PLC0415  # most commands need no database
    from psycopg import errors, sql  # noqa: PLC0415  # as above

    name = urlsplit(wanted).path.lstrip("/")
    try:
        with psycopg.connect(server, autocommit=True, connect_timeout=10) as connection:
            query = "SELECT 1 FROM pg_database WHERE datname = %s"
            if connection.execute(query, [name]).fetchone() is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    except errors.DuplicateDatabase:
        return  # another `central` was faster
    except errors.InsufficientPrivilege as error:
        raise UnitError(f"create database {name} yourself: {error}") from error
    except psycopg.OperationalError as error:
        raise UnitError(f"database {name} can't be made: {error}") from error
