"""The history of a fleet in one SQLite file: runs, findings, campaigns."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Self

from .findings import Finding, Level, Outcome

NAME = "history.sqlite"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS run (
    id INTEGER PRIMARY KEY, command TEXT NOT NULL, started TEXT NOT NULL, projects INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS snapshot (
    run INTEGER NOT NULL REFERENCES run ON DELETE CASCADE, project TEXT NOT NULL,
    head TEXT NOT NULL, template TEXT NOT NULL, version TEXT NOT NULL, problem TEXT NOT NULL,
    PRIMARY KEY (run, project)
) STRICT;
CREATE TABLE IF NOT EXISTS finding (
    run INTEGER NOT NULL REFERENCES run ON DELETE CASCADE, fingerprint TEXT NOT NULL,
    project TEXT NOT NULL, rule TEXT NOT NULL, outcome TEXT NOT NULL, level TEXT NOT NULL,
    path TEXT NOT NULL, line INTEGER NOT NULL, message TEXT NOT NULL, fix TEXT NOT NULL,
    waiver TEXT NOT NULL, details TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS finding_of_run ON finding (run, project);
CREATE INDEX IF NOT EXISTS finding_by_fingerprint ON finding (fingerprint, run);
CREATE TABLE IF NOT EXISTS campaign (
    id TEXT PRIMARY KEY, target TEXT NOT NULL, started TEXT NOT NULL, settings TEXT NOT NULL,
    closed TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE TABLE IF NOT EXISTS item (
    campaign TEXT NOT NULL REFERENCES campaign ON DELETE CASCADE, project TEXT NOT NULL,
    wave INTEGER NOT NULL, state TEXT NOT NULL, branch TEXT NOT NULL DEFAULT '',
    planned TEXT NOT NULL DEFAULT '', pushed TEXT NOT NULL DEFAULT '',
    request TEXT NOT NULL DEFAULT '', url TEXT NOT NULL DEFAULT '',
    draft INTEGER NOT NULL DEFAULT 0, notes TEXT NOT NULL DEFAULT '[]',
    problem TEXT NOT NULL DEFAULT '', changed TEXT NOT NULL,
    PRIMARY KEY (campaign, project)
) STRICT;
"""


class Store:
    """The history, open. Every method is one transaction, so a kill loses at most that one."""

    def __init__(self, path: Path) -> None:
        """Open the file, made when it is not there."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, timeout=30, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA foreign_keys = ON")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def __enter__(self) -> Self:
        """Return itself; leaving closes it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Yield the connection in one transaction that is rolled back on an error."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield self._db
        except BaseException:  # whatever stops it, nothing half-done stays
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def query(self, sql: str, *values: object) -> list[sqlite3.Row]:
        """Return the rows of a SELECT."""
        return self._db.execute(sql, values).fetchall()

    def add_run(
        self,
        command: str,
        when: datetime,
        snapshots: Iterable[tuple[str, str, str, str, str]],
        findings: Iterable[Finding],
    ) -> int:
        """Record a run and return its number.

        Args:
            command: What ran, such as `drift`.
            when: Its start, aware.
            snapshots: (project, head, template, version, problem) of each project; `problem` is
                why it could not be checked, or empty.
            findings: Everything found.
        """
        rows = list(snapshots)
        with self.transaction() as db:
            insert = "INSERT INTO run (command, started, projects) VALUES (?, ?, ?)"
            run = db.execute(insert, (command, when.isoformat(), len(rows))).lastrowid
            assert run is not None
            db.executemany(
                "INSERT INTO snapshot VALUES (?, ?, ?, ?, ?, ?)", [(run, *r) for r in rows]
            )
            db.executemany(
                "INSERT INTO finding VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [_row(run, finding) for finding in findings],
            )
        return run

    def findings(self, run: int) -> list[Finding]:
        """Return what a run found."""
        rows = self.query("SELECT * FROM finding WHERE run = ? ORDER BY rowid", run)
        return [
            Finding(
                rule=row["rule"],
                project=row["project"],
                outcome=Outcome(row["outcome"]),
                level=Level(row["level"]),
                message=row["message"],
                path=row["path"],
                line=row["line"],
                fix=row["fix"],
                fingerprint=row["fingerprint"],
                waiver=row["waiver"],
                details=json.loads(row["details"]),
            )
            for row in rows
        ]

    def first_seen(self, fingerprint: str) -> str | None:
        """Return when a finding was first there, ISO 8601; None when it never was."""
        rows = self.query(
            "SELECT min(started) AS seen FROM run JOIN finding ON finding.run = run.id "
            "WHERE fingerprint = ? AND outcome = 'fail'",
            fingerprint,
        )
        return None if rows[0]["seen"] is None else str(rows[0]["seen"])


def _row(run: int, finding: Finding) -> tuple[object, ...]:
    details = json.dumps(finding.details, sort_keys=True)
    path, message = (_storable(text) for text in (finding.path, finding.message))
    head = (run, finding.fingerprint, finding.project, finding.rule, finding.outcome.value)
    return (
        *head,
        finding.level.value,
        path,
        finding.line,
        message,
        finding.fix,
        finding.waiver,
        details,
    )


def _storable(text: str) -> str:
    """Return text that SQLite takes: a name that is no UTF-8 holds surrogates, which it refuses."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
