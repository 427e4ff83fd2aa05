"""The keys of people's data in a PostgreSQL of their own, which all replicas share.

Apart from the database of the events, so that the backups of the one are not a way back for what was
shredded in the other. Keys are wrapped: who reads this database has none of them without the master key.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import TypeVar

import psycopg
from psycopg.rows import class_row

from ..audit.errors import AuditKeyError
from ..audit.keys import WrappedKey
from ..core.database import DatabaseUnavailableError
from ..utils.logging import get_logger

LOOK_EVERY_S = 0.05
"""Seconds after which a replica knows of what another one has erased."""

_OPTIONS = (
    "-c statement_timeout=10000 -c lock_timeout=10000 -c idle_in_transaction_session_timeout=10000"
)
_TABLES = """
SELECT pg_advisory_xact_lock(hashtext('subject_keys'));
CREATE TABLE IF NOT EXISTS subject_keys
    (name bytea PRIMARY KEY, id text NOT NULL UNIQUE, wrapped bytea NOT NULL);
CREATE TABLE IF NOT EXISTS subject_key_erasures
    (one boolean PRIMARY KEY DEFAULT true CHECK (one), count bigint NOT NULL);
INSERT INTO subject_key_erasures (count) VALUES (0) ON CONFLICT DO NOTHING;
"""

T = TypeVar("T")
_Connection = psycopg.Connection[tuple[object, ...]]
_log = get_logger(__name__)


class KeyDatabase:
    """Keeps wrapped keys; a `KeyStore`.

    Args:
        url: `postgresql://user:password@host:5432/name`, for a role that may make tables at first.
    """

    def __init__(self, url: str) -> None:
        """Make the tables unless they are there.

        Raises:
            AuditKeyError: The role may not make them.
            DatabaseUnavailableError: It can't be reached.
        """
        self._url = url
        self._connection: _Connection | None = None
        self._version = 0
        self._look_at = 0.0
        try:
            self._do(_make_tables)
        except psycopg.ProgrammingError as error:
            self.close()
            raise AuditKeyError(f"the tables of people's keys can't be made: {error}") from error

    def named(self, names: Sequence[bytes]) -> Iterable[WrappedKey]:
        """Return the keys of these names, as far as there are any."""
        query = "SELECT name, id, wrapped FROM subject_keys WHERE name = ANY(%s)"
        return self._found(query, [*names])

    def wrapped(self, ids: Sequence[str]) -> Iterable[WrappedKey]:
        """Return the keys of these ids, as far as there are any."""
        query = "SELECT name, id, wrapped FROM subject_keys WHERE id = ANY(%s)"
        return self._found(query, [*ids])

    def add(self, keys: Sequence[WrappedKey]) -> None:
        """Store keys, on the disk when it returns; of a name that has one the old one stays."""
        columns = [
            [key.name for key in keys],
            [key.id for key in keys],
            [key.wrapped for key in keys],
        ]
        insert = (
            "INSERT INTO subject_keys"
            " SELECT * FROM unnest(%s::bytea[], %s::text[], %s::bytea[]) ON CONFLICT DO NOTHING"
        )
        self._do(lambda connection: connection.execute(insert, columns))

    def erase(self, name: bytes) -> str | None:
        """Destroy a key and return the id it had, or None when there was none."""

        def delete(connection: _Connection) -> str | None:
            with connection.transaction():
                query = "DELETE FROM subject_keys WHERE name = %s RETURNING id"
                row = connection.execute(query, [name]).fetchone()
                connection.execute("UPDATE subject_key_erasures SET count = count + 1")
            return str(row[0]) if row else None

        erased = self._do(delete)
        with suppress(psycopg.Error, DatabaseUnavailableError):
            # What was deleted stays in the file until then; autovacuum does it when this can't.
            self._do(lambda connection: connection.execute("VACUUM subject_keys"))
        return erased

    def version(self) -> int:
        """Return how many keys were erased, as of 50 ms ago."""
        if time.monotonic() >= self._look_at:
            query = "SELECT count FROM subject_key_erasures"
            row = self._do(lambda connection: connection.execute(query).fetchone())
            self._version = int(str(row[0])) if row else 0
            self._look_at = time.monotonic() + LOOK_EVERY_S
        return self._version

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()

    def _found(self, query: str, values: Sequence[object]) -> list[WrappedKey]:
        def find(connection: _Connection) -> list[WrappedKey]:
            with connection.cursor(row_factory=class_row(WrappedKey)) as cursor:
                return cursor.execute(query.encode(), [values]).fetchall()

        return self._do(find)

    def _do(self, work: Callable[[_Connection], T]) -> T:
        """Do something that may be done twice; again on a new connection when the first one was lost.

        Raises:
            DatabaseUnavailableError: The database can't be reached, or does not answer.
        """
        for is_last in (False, True):
            try:
                if self._connection is None or self._connection.closed:
                    self._connection = psycopg.connect(
                        self._url,
                        autocommit=True,
                        connect_timeout=5,
                        options=_OPTIONS,
                        tcp_user_timeout=30_000,
                    )
                return work(self._connection)
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                self.close()
                if is_last:
                    _log.warning("subject_keys_unavailable", reason=str(error).split("\n")[0])
                    raise DatabaseUnavailableError(headers={"Retry-After": "1"}) from error
        raise AssertionError


def _make_tables(connection: _Connection) -> None:
    # Who may not make tables may still use those that somebody else has made.
    query = "SELECT to_regclass('subject_key_erasures') IS NOT NULL"
    if (row := connection.execute(query).fetchone()) and row[0]:
        return
    with connection.transaction():
        connection.execute(_TABLES)
