"""The audit service's bars on proofs, shredding and durability, judged by tools that share no code with it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import runpy
import shutil
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from audit_service_runs import PROJECT, Verifier, drive, included, prepared, serving
from combinations import ROOT
from processes import RunIn
from processes import run_in as run
from pymerkle import InmemoryTree
from test_interpreters import INSTALLED

pytestmark = pytest.mark.slow

VERIFIER = Path(__file__).with_name("audit_verifier.py")
PEOPLE = 500
SIZES = (1, 2, 3, 4, 7, 8, 9, 255, 256, 257, 511, 512, 513)
BATCHES, BATCH = 20, 50
BATCH_TYPE = "application/cloudevents-batch+json"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, Any]:
    """Return the settings of a service in a folder, on a database that is migrated."""
    return prepared(tmp_path)


def entry_of(event: dict[str, Any], receipt: str) -> bytes:
    """Return the log's entry for an event, as its documentation says."""
    salt = base64.b64decode(receipt.split("\n")[1].removeprefix("extra "))
    plain = json.dumps(event, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(salt + plain.encode()).digest()


# --- shredding -----------------------------------------------------------------------------------


def test_five_hundred_shredded_people_are_in_no_file_and_every_proof_holds(
    environment: dict[str, Any], tmp_path: Path
) -> None:
    found = drive(tmp_path, environment, "shred", PEOPLE)
    assert found["held"] == 409
    assert found["done"] == [200] * PEOPLE
    # At that moment: of the person under a hold an event and a transfer, of the last 200 others nothing.
    assert found["readable"] == [2, 0]
    assert found["keys_gone"] == PEOPLE
    assert found["in_files"] == found["after_the_end"] == []
    verifier = Verifier(found["keys"][0], [receipt for _, receipt, _ in found["events"]])
    for event, before, after in found["events"]:
        entry = entry_of(event, before)
        assert included(entry, before, verifier)
        assert included(entry, after, verifier)
        assert "\nextra " in before
        assert "\nextra " not in after  # nobody can tell any more what the entry committed to
    checked = drive_verify(tmp_path, environment)
    assert "Nothing was changed." in checked


def drive_verify(folder: Path, environment: dict[str, Any]) -> str:
    """Return what the command says."""
    command = ["python", "-m", "central_services", "audit-service", "verify"]
    return run(folder, *command, **environment).stdout


# --- durability ----------------------------------------------------------------------------------


def test_a_thousand_events_are_each_acknowledged_only_after_fsync(
    environment: dict[str, Any], tmp_path: Path
) -> None:
    """Read the system calls: an event's row reaches the file, the file the disk, and then the answer goes."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed: scripts/test installs it where it may")
    trace = tmp_path / "trace"
    calls = "trace=write,writev,sendto,sendmsg,pwrite64,fsync,fdatasync"
    watch = (strace, "-f", "-y", "-s", "6000", "-e", calls, "-o", trace)
    with serving(tmp_path, environment, *watch) as served:
        for batch in range(BATCHES):
            events = [example(f"mark-{batch:02}-{number:02}") for number in range(BATCH)]
            request = urllib.request.Request(
                f"{served.url}/v1/events",
                json.dumps(events).encode(),
                {"Authorization": f"Bearer {served.token}", "Content-Type": BATCH_TYPE},
            )
            with urllib.request.urlopen(request, timeout=60) as answer:
                assert len(json.load(answer)["accepted"]) == BATCH
    assert Acknowledgements(trace).checked == BATCHES * BATCH
    without = tmp_path / "trace-without-sync"
    lines = trace.read_text(errors="replace").splitlines(keepends=True)
    without.write_text("".join(line for line in lines if "sync" not in line))
    with pytest.raises(AssertionError, match="before it was on the disk"):
        Acknowledgements(without)


def example(name: str) -> dict[str, Any]:
    """Return an event."""
    return {
        "specversion": "1.0",
        "id": name,
        "source": "urn:slipway:acme_orders",
        "type": "audit.order.shipped",
        "time": "2026-11-22T10:00:00Z",
        "data": {"class_uid": 6003, "activity_name": "order.shipped"},
    }


class Acknowledgements:
    """Reads a trace, and checks each answer that names events.

    Attributes:
        checked: How many events were named in answers after they were on the disk.
    """

    def __init__(self, trace: Path) -> None:
        self.checked = 0
        self._written: dict[str, int] = {}
        self._durable: set[str] = set()
        self._syncs: dict[str, int] = {}
        with trace.open(errors="replace") as lines:
            for number, line in enumerate(lines):
                self._read(number, line)

    def _read(self, number: int, line: str) -> None:
        thread, _, call = line.partition(" ")
        call = call.lstrip()
        is_log = "service.db-wal>" in call
        if is_log and call.startswith("pwrite64"):
            for name in re.findall(r"mark-\d\d-\d\d", call):
                self._written.setdefault(name, number)
        elif is_log and re.match(r"f(data)?sync\(", call):
            if "unfinished" in call:
                self._syncs[thread] = number
            elif call.rstrip().endswith("= 0"):
                self._synced(number)
        elif re.match(r"<\.\.\. f(data)?sync resumed", call) and thread in self._syncs:
            begun = self._syncs.pop(thread)
            assert call.rstrip().endswith("= 0"), call
            self._synced(begun)
        elif re.match(r"(write|writev|sendto|sendmsg)\(\d+<(TCP|socket)", call):
            named = re.findall(r"mark-\d\d-\d\d", call)
            assert set(named) <= self._durable, f"line {number}: answered before it was on the disk"
            self.checked += len(named)

    def _synced(self, begun: int) -> None:
        """Note what was written before a sync began, which has returned now."""
        done = [name for name, written in self._written.items() if written < begun]
        self._durable.update(done)


# --- the published log ---------------------------------------------------------------------------


def test_pymerkle_agrees_with_every_proof_at_the_boundaries(
    environment: dict[str, Any], tmp_path: Path
) -> None:
    found = drive(tmp_path, environment, "boundaries", *SIZES)
    entries = [entry_of(event, receipt) for event, receipt in found["events"]]
    tree = InmemoryTree(algorithm="sha256")
    for entry in entries:
        tree.append_entry(entry)
    verifier = Verifier(found["keys"][0], [found["events"][-1][1]])
    checked = 0
    for size, receipts in found["receipts"].items():
        for receipt in receipts.values():
            head, _, note = receipt.partition("\n\n")
            lines = head.split("\n")
            index, path = int(lines[2].removeprefix("index ")), lines[3:]
            assert verifier.checkpoint(note) == (int(size), tree.get_root(int(size)))
            proof = tree.prove_inclusion(index + 1, int(size))
            assert [base64.b64decode(step) for step in path] == list(proof.path[1:])
            proof.verify(tree.get_leaf(index + 1), tree.get_root(int(size)))
            checked += 1
    assert checked > 50
    assert {int(size) for size in found["receipts"]} == set(SIZES)


def test_a_c2sp_client_reads_the_log_over_http(
    environment: dict[str, Any], run_in: RunIn, uv: str, tmp_path: Path
) -> None:
    versions = sorted(v for v in INSTALLED if v not in {"3.10", "3.11"})
    if not versions:
        pytest.skip("aics-tlog needs Python 3.12, and none is installed")
    filled = drive(tmp_path, environment, "fill", 300)
    key = filled["keys"][0]
    verifier, lock = tmp_path / "verifier", ROOT / "requirements/verifier.txt"
    python = verifier / "bin/python"
    run_in(tmp_path, uv, "venv", "--python", INSTALLED[versions[0]], verifier, online=True)
    run_in(tmp_path, uv, "pip", "sync", "--require-hashes", "--python", python, lock, online=True)
    with serving(tmp_path, environment) as served:
        url = f"{served.url}/v1/log/{key.split('+')[0]}"
        found = json.loads(run_in(tmp_path, python, VERIFIER, url, key).stdout)
    assert (found["signed"], found["origin"]) == ("", key.split("+")[0])
    assert found["same_root"]
    assert found["proven"] == found["size"] == 300


# --- the ledger ----------------------------------------------------------------------------------


def test_the_ledger_takes_the_currencies_that_the_platform_knows() -> None:
    package = PROJECT / "src/central_services/audit_service/ledger"
    body = ROOT / "{{cookiecutter.project_slug}}"
    (table,) = body.glob("src/*/utils/financial/_iso4217.py")
    active = runpy.run_path(str(table))["ACTIVE"]
    known = runpy.run_path(str(package / "currencies.py"))["CURRENCIES"]
    assert known == {code for codes in active.values() for code in codes.split()}
