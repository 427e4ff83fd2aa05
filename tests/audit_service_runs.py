"""The audit service as the tests of its promises run it, and a verifier that shares no code with it."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from combinations import ROOT
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from processes import clean_environment, rendered_python, run_in
from pymerkle import InmemoryTree

PROJECT = ROOT / "central-services"
DRIVER = Path(__file__).with_name("audit_service_driver.py")


def prepared(folder: Path) -> dict[str, Any]:
    """Return the settings of a service in a folder, on a database that is migrated."""
    prefix = "CENTRAL_SERVICES_"
    found: dict[str, Any] = {
        "PYTHONPATH": str(PROJECT / "src"),
        f"{prefix}ENVIRONMENT": "test",
        f"{prefix}LOG_LEVEL": "CRITICAL",
        f"{prefix}DATABASE__URL": f"sqlite:///{folder / 'service.db'}",
        f"{prefix}AUDIT__PATH": str(folder / "own-trail"),
        f"{prefix}JOBS__PATH": str(folder / "jobs.db"),
        f"{prefix}AUDIT_SERVICE__PATH": str(folder / "keys"),
        f"{prefix}AUDIT_SERVICE__SEAL_INTERVAL_S": "0.02",
        f"{prefix}RATE_LIMIT__REQUESTS_PER_MINUTE": "1000000",
    }
    (folder / "service.db").write_bytes(_migrated())
    return found


@cache
def _migrated() -> bytes:
    """Return an empty database that is migrated."""
    with tempfile.TemporaryDirectory(prefix="slipway-audit-") as name:
        path = Path(name, "service.db")
        url: dict[str, Any] = {"CENTRAL_SERVICES_DATABASE__URL": f"sqlite:///{path}"}
        command = ("python", "-m", "central_services", "db", "upgrade")
        run_in(Path(name), *command, PYTHONPATH=str(PROJECT / "src"), **url)
        with closing(sqlite3.connect(path)) as file:
            return file.serialize()


def drive(folder: Path, environment: dict[str, Any], *arguments: object) -> Any:
    """Run a command of the driver and return what it prints."""
    command = ["python", str(DRIVER), *map(str, arguments)]
    done = run_in(folder, *command, timeout=400, **environment)
    return json.loads(done.stdout.splitlines()[-1])


@dataclass(frozen=True)
class Served:
    """A service that listens.

    Attributes:
        url: Where.
        token: A token that may do everything.
        log: What it printed.
    """

    url: str
    token: str
    log: Path


@contextmanager
def serving(folder: Path, environment: dict[str, Any], *before: object) -> Iterator[Served]:
    """Serve until the end of the body; `before` is a command that starts the service."""
    token, log = folder / "token", folder / "server.log"
    with socket.create_server(("127.0.0.1", 0)) as listening, log.open("wb") as output:
        command = [rendered_python(), DRIVER, "serve", listening.fileno(), token]
        server = subprocess.Popen(
            list(map(str, (*before, *command))),
            cwd=folder,
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
            yield Served(f"http://127.0.0.1:{listening.getsockname()[1]}", token.read_text(), log)
        finally:
            if before:  # it is the service that has to end, and what watches it ends with it
                children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text()
                for child in children.split():
                    os.kill(int(child), signal.SIGTERM)
            else:
                server.terminate()
            server.wait(timeout=60)


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


def included(entry: bytes, receipt: str, verifier: Verifier) -> bool:
    """Whether a receipt proves an entry: the algorithm of RFC 9162, section 2.1.3.2, written here anew."""
    head, _, note = receipt.partition("\n\n")
    size, root = verifier.checkpoint(note)
    lines = head.split("\n")
    at = next(at for at, line in enumerate(lines) if line.startswith("index "))
    index = int(lines[at].removeprefix("index "))
    hashed = hashlib.sha256(b"\x00" + entry).digest()
    last = size - 1
    for step in map(base64.b64decode, lines[at + 1 :]):
        if index % 2 or index == last:
            hashed = hashlib.sha256(b"\x01" + step + hashed).digest()
            while not index % 2 and index:
                index, last = index // 2, last // 2
        else:
            hashed = hashlib.sha256(b"\x01" + hashed + step).digest()
        index, last = index // 2, last // 2
    return last == 0 and hashed == root
