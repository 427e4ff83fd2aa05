"""The kit of `central-services/` on a real PostgreSQL; all of its tests run on SQLite."""

from pathlib import Path

import pytest
from combinations import ROOT
from processes import RunIn
from servers import PostgreSQL

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("postgresql")]

PROJECT = ROOT / "central-services"


def test_idempotency_keys_inbox_and_outbox_hold_on_postgresql_and_outlive_kills(
    run_in: RunIn, postgresql: PostgreSQL, tmp_path: Path
) -> None:
    url = postgresql.create(tmp_path.name)
    files = [f"tests/kit/test_{name}.py" for name in ("crashes", "idempotency", "inbox")]
    chosen = ("-k", "idempotency or inbox or outbox")  # the harness itself needs no server
    command = ("python", "-m", "pytest", "-q", "-p", "no:cacheprovider", *chosen, *files)
    done = run_in(PROJECT, *command, TEST_DATABASE_URL=url, timeout=300)
    assert "passed" in done.stdout
    assert "skipped" not in done.stdout
