"""The audit service of `central-services/` on a real PostgreSQL; all of its tests run on SQLite."""

from pathlib import Path

import pytest
from combinations import ROOT
from processes import RunIn
from servers import PostgreSQL

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("postgresql")]

PROJECT = ROOT / "central-services"


LEDGER = (
    "callers_at_once or of_eight or made_once or not_resolved_in_time or nobody_changed"
    " or refuses_to_change"
)


def test_ingest_log_and_administration_hold_on_postgresql(
    run_in: RunIn, postgresql: PostgreSQL, tmp_path: Path
) -> None:
    url = postgresql.create(tmp_path.name)
    chosen = "senders_at_once or same_event or pages_follow or shredded_person or hold_on_a or tiles_make or schema_never"
    options = ("-q", "-p", "no:cacheprovider", "-k", chosen)
    command = ("python", "-m", "pytest", *options, "tests/audit_service")
    done = run_in(PROJECT, *command, TEST_DATABASE_URL=url, timeout=300)
    assert "passed" in done.stdout
    assert postgresql.sql("SELECT count(*) > 0 FROM trail_logs", "audit_running") == "t"


def test_replicas_share_the_keys_of_people(
    run_in: RunIn, postgresql: PostgreSQL, tmp_path: Path
) -> None:
    url = postgresql.create(tmp_path.name)
    command = ("python", "-m", "pytest", "-q", "-p", "no:cacheprovider")
    test = "tests/audit_service/test_key_database.py"
    done = run_in(PROJECT, *command, test, TEST_DATABASE_URL=url)
    assert "6 passed" in done.stdout


def test_the_ledger_holds_on_postgresql_with_eight_callers(
    run_in: RunIn, postgresql: PostgreSQL, tmp_path: Path
) -> None:
    url = postgresql.create(tmp_path.name)
    options = ("-q", "-p", "no:cacheprovider", "-k", f"test_ledger and ({LEDGER})")
    command = ("python", "-m", "pytest", *options, "tests/audit_service")
    done = run_in(PROJECT, *command, TEST_DATABASE_URL=url, timeout=300)
    assert "7 passed" in done.stdout
    assert postgresql.sql("SELECT count(*) > 0 FROM ledger_transfers", "audit_running") == "t"


def test_the_ledger_answers_a_hundred_thousand_operations_as_an_oracle_does(
    run_in: RunIn, pytestconfig: pytest.Config
) -> None:
    """A few thousand where `--all` is not given."""
    operations = 100_000 if pytestconfig.getoption("--all") else 4_000
    command = ("python", "-m", "pytest", "-q", "-p", "no:cacheprovider")
    test = "tests/audit_service/test_ledger_stateful.py"
    done = run_in(PROJECT, *command, test, LEDGER_OPERATIONS=str(operations), timeout=3_000)
    assert "1 passed" in done.stdout
