"""The audit service's promises: nothing acknowledged is lost, nothing changes unnoticed, no request is a 500.

What its log publishes is judged here without its code: cryptography for signatures, pymerkle for the tree.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from audit_service_runs import Verifier, drive, included, prepared, serving
from audit_service_tampering import TAMPERINGS, published, tamper
from fuzzing import fuzz

pytestmark = pytest.mark.slow

KILLS, SEED = 50, 20_261_122
TAMPERED = 1_000
EXAMPLES = 15  # per operation and phase


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, Any]:
    """Return the settings of a service in a folder, on a database that is migrated."""
    return prepared(tmp_path)


# --- crashes -------------------------------------------------------------------------------------


def test_fifty_kills_under_load_lose_nothing_that_was_acknowledged(
    environment: dict[str, Any], tmp_path: Path
) -> None:
    found = drive(tmp_path, environment, "crash", KILLS, SEED)
    assert found["lost"] == []
    assert found["findings"] == []
    assert (found["twice"], found["waiting"]) == (0, 0)
    assert found["stored"] > found["acknowledged"] > KILLS
    # Beside each batch money moved: `findings` says that balances and log agree after every kill.
    assert found["transfers"] >= KILLS


# --- tampering -----------------------------------------------------------------------------------


def test_a_thousand_tamperings_are_found_by_who_shares_no_code_with_us(
    environment: dict[str, Any], tmp_path: Path
) -> None:
    filled = drive(tmp_path, environment, "fill", 40)
    verifier = Verifier(filled["keys"][0], [receipt for _, receipt in filled["events"]])
    for sent, receipt in filled["events"]:
        salt = base64.b64decode(receipt.split("\n")[1].removeprefix("extra "))
        plain = json.dumps(sent, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        entry = hashlib.sha256(salt + plain.encode()).digest()
        assert included(entry, receipt, verifier)
        assert not included(hashlib.sha256(entry).digest(), receipt, verifier)
    missed, counts = [], dict.fromkeys((change.__name__ for change in TAMPERINGS), 0)
    for seed in range(TAMPERED):
        kind, entries, note = tamper(tmp_path / "service.db", SEED + seed)
        counts[kind] += 1
        if not verifier.complaint(entries, note):
            missed.append((kind, seed))
    assert missed == []
    assert min(counts.values()) > 150
    clean, note = untouched(tmp_path / "service.db")
    assert verifier.complaint(clean, note) == ""


def untouched(path: Path) -> tuple[list[bytes], str]:
    """Return what the log publishes when nobody has changed it."""
    with sqlite3.connect(path) as connection:
        found = published(connection)
    connection.close()
    return found


# --- requests ------------------------------------------------------------------------------------


def test_no_request_is_a_server_error_or_answered_beside_the_description(
    environment: dict[str, Any], tmp_path: Path
) -> None:
    # Valid by the description, and refused on good grounds: an unknown person, a cursor of no list.
    options = ("--exclude-checks=positive_data_acceptance", "--include-path-regex=^/v1/")
    (folder := tmp_path / "requests").mkdir()
    with serving(tmp_path, environment) as served:
        fuzz(
            served.url,
            folder,
            *options,
            examples=EXAMPLES,
            token=served.token,
            log=lambda: served.log.read_text("utf-8", "replace")[-3_000:],
        )
