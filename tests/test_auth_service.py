"""The auth service of `central-services/` on a real PostgreSQL; all of its tests run on SQLite."""

from pathlib import Path

import pytest
from combinations import ROOT
from processes import RunIn
from servers import PostgreSQL

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("postgresql")]

PROJECT = ROOT / "central-services"


def test_refresh_key_rotation_and_mailed_links_hold_on_postgresql(
    run_in: RunIn, postgresql: PostgreSQL, tmp_path: Path
) -> None:
    url = postgresql.create(tmp_path.name)
    names = ("account_mail", "refresh", "keys", "crashes")
    tests = [f"tests/auth_service/test_{name}.py" for name in names]
    command = ("python", "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests)
    done = run_in(PROJECT, *command, TEST_DATABASE_URL=url, timeout=300)
    assert "passed" in done.stdout
    assert postgresql.sql("SELECT count(*) > 0 FROM auth_users", "auth_running") == "t"
