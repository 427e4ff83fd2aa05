"""The audit service's promises: nothing acknowledged is lost, nothing changes unnoticed, no request is a 500.

What its log publishes is judged here without its code: cryptography for signatures, pymerkle for the tree.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from audit_service_tampering import TAMPERINGS, published, tamper
from combinations import ROOT
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from processes import clean_environment, rendered_python, run_in, show
from pymerkle import InmemoryTree

pytestmark = pytest.mark.slow

PROJECT = ROOT / "central-services"
DRIVER = Path(__file__).with_name("audit_service_driver.py")
KILLS, SEED = 50, 20_261_122
TAMPERED = 1_000
EXAMPLES = 15  # per operation and phase


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, Any]:
    """Return the settings of a service in a folder, on a database that is migrated."""
    prefix = "CENTRAL_SERVICES_"
    found: dict[str, Any] = {
        "PYTHONPATH": str(PROJECT / "src"),
        f"{prefix}ENVIRONMENT": "test",
        f"{prefix}LOG_LEVEL": "CRITICAL",
        f"{prefix}DATABASE__URL": f"sqlite:///{tmp_path / 'service.db'}",
        f"{prefix}AUDIT__PATH": str(tmp_path / "own-trail"),
        f"{prefix}JOBS__PATH": str(tmp_path / "jobs.db"),
        f"{prefix}AUDIT_SERVICE__PATH": str(tmp_path / "keys"),
        f"{prefix}AUDIT_SERVICE__SEAL_INTERVAL_S": "0.02",
        f"{prefix}RATE_LIMIT__REQUESTS_PER_MINUTE": "1000000",
    }
    run_in(tmp_path, "python", "-m", "central_services", "db", "upgrade", **found)
    return found


def drive(folder: Path, environment: dict[str, Any], *arguments: object) -> Any:
    """Run a command of the driver and return what it prints."""
    command = ["python", str(DRIVER), *map(str, arguments)]
    done = run_in(folder, *command, timeout=400, **environment)
    return json.loads(done.stdout.splitlines()[-1])


# --- crashes -------------------------------------------------------------------------------------


def test_fifty_kills_under_load_lose_nothing_that_was_acknowledged(
    environment: dict[str, Any], tmp_path: Path
) -> None:
    found = drive(tmp_path, environment, "crash", KILLS, SEED)
    assert found["lost"] == []
    assert found["findings"] == []
    assert (found["twice"], found["waiting"]) == (0, 0)
    assert found["stored"] > found["acknowledged"] > KILLS


# --- tampering -----------------------------------------------------------------------------------


class Verifier:
    """Checks what a log publishes against receipts that were kept; it shares no code with the service."""

    def __init__(self, vkey: str, receipts: list[str]) -> None:
        self.name, key_id, encoded = vkey.split("+", 2)
        self._id = bytes.fromhex(key_id)
        self._key = Ed25519PublicKey.from_public_bytes(base64.b64decode(encoded)[1:])
        checkpoints = [self.checkpoint(receipt.partition("\n\n")[2]) for receipt in receipts]
        self.size, self.root = max(checkpoints)

    def checkpoint(self, note: str) -> tuple[int, bytes]:
        """Return the size and the root that the log has signed."""
        text, _, lines = note.rpartition("\n\n")
        raw = next(
            base64.b64decode(line.rpartition(" ")[2])
            for line in lines.splitlines()
            if line.split(" ")[1] == self.name
        )
        assert raw[:4] == self._id
        self._key.verify(raw[4:], f"{text}\n".encode())
        origin, size, root = text.split("\n")[:3]
        assert origin == self.name
        return int(size), base64.b64decode(root)

    def complaint(self, entries: list[bytes], note: str) -> str:
        """Return what is wrong with what the log publishes, or an empty string."""
        try:
            size, root = self.checkpoint(note)
        except (InvalidSignature, ValueError, StopIteration):
            return "signature"
        if size != len(entries):
            return "size"
        tree = InmemoryTree(algorithm="sha256")
        for entry in entries:
            tree.append_entry(entry)
        if tree.get_root(size) != root:
            return "root"
        if size < self.size or tree.get_root(self.size) != self.root:
            return "it contradicts a receipt"
        return ""


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


def included(entry: bytes, receipt: str, verifier: Verifier) -> bool:
    """Whether a receipt proves an entry: the algorithm of RFC 9162, section 2.1.3.2, written here anew."""
    head, _, note = receipt.partition("\n\n")
    size, root = verifier.checkpoint(note)
    lines = head.split("\n")
    index = int(lines[2].removeprefix("index "))
    hashed = hashlib.sha256(b"\x00" + entry).digest()
    last = size - 1
    for step in map(base64.b64decode, lines[3:]):
        if index % 2 or index == last:
            hashed = hashlib.sha256(b"\x01" + step + hashed).digest()
            while not index % 2 and index:
                index, last = index // 2, last // 2
        else:
            hashed = hashlib.sha256(b"\x01" + hashed + step).digest()
        index, last = index // 2, last // 2
    return last == 0 and hashed == root


# --- requests ------------------------------------------------------------------------------------


def test_no_request_is_a_server_error_or_answered_beside_the_description(
    environment: dict[str, Any], tmp_path: Path
) -> None:
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        "run",
        "--wait-for-schema=30",
        # Valid by the description, and refused on good grounds: an unknown person, a cursor of no list.
        "--exclude-checks=positive_data_acceptance",
        "--include-path-regex=^/v1/",
        f"--seed={SEED}",
        f"--max-examples={EXAMPLES}",
        "--generation-database=none",
        "--suppress-health-check=all",
        "--request-timeout=20",
        "--continue-on-failure",
        "--no-color",
    ]
    token, log = tmp_path / "token", tmp_path / "server.log"
    with socket.create_server(("127.0.0.1", 0)) as listening, log.open("wb") as output:
        server = subprocess.Popen(
            [rendered_python(), str(DRIVER), "serve", str(listening.fileno()), str(token)],
            cwd=tmp_path,
            env=clean_environment(**environment),
            pass_fds=[listening.fileno()],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            deadline = time.monotonic() + 60
            while not token.exists() or not token.read_text():
                assert server.poll() is None, log.read_text()
                assert time.monotonic() < deadline
                time.sleep(0.05)  # between two looks
            url = f"http://127.0.0.1:{listening.getsockname()[1]}"
            header = f"Authorization: Bearer {token.read_text()}"
            done = subprocess.run(
                [*command, "-H", header, f"{url}/openapi.json"],
                cwd=tmp_path,
                env=clean_environment(),
                capture_output=True,
                text=True,
                timeout=200,
            )
        finally:
            server.terminate()
            server.wait(timeout=30)
    assert done.returncode == 0, show(done) + log.read_text("utf-8", "replace")[-3_000:]
    generated = re.search(r"(\d+) generated", done.stdout)
    assert generated is not None, show(done)
    assert int(generated[1]) > 100, show(done)
