"""The kit of `central-services/` on a real PostgreSQL and Valkey; its own tests need neither."""

from pathlib import Path

import pytest
from combinations import ROOT
from processes import RunIn
from servers import PostgreSQL
from valkey_server import Valkey

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


def test_replicas_count_attempts_together_on_a_valkey(run_in: RunIn, valkey: Valkey) -> None:
    command = (
        "python",
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "tests/kit/test_attempts.py",
    )
    done = run_in(PROJECT, *command, TEST_VALKEY_URL=valkey.url)
    assert "3 passed" in done.stdout
