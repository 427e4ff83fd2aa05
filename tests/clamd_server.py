"""clamd, the Debian package, with signatures of our own: it needs neither a download nor its service."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

PROGRAM = shutil.which("clamd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
START_S = 60.0
MARKER = b"SLIPWAY-TEST-MALWARE"


def eicar() -> bytes:
    """Return the test file that every scanner knows, put together here so that no file holds it."""
    head = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-"
    return head + b"STANDARD-ANTIVIRUS-" + b"TEST-FILE!$H+H*"


class Clamd:
    """A scanner on a TCP port of 127.0.0.1 and on a unix socket.

    Attributes:
        url: Where it is.
        unix_url: Where it is as well.
    """

    def __init__(self) -> None:
        # clamd started as root becomes nobody special, and must be able to read its own folder.
        self._folder = Path(tempfile.mkdtemp(prefix="slipway-clamd-", dir="/tmp"))
        self._folder.chmod(0o755)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self.url = f"tcp://127.0.0.1:{self.port}"
        self.unix_url = f"unix://{self._folder}/socket"
        signatures = self._folder / "signatures"
        signatures.mkdir()
        lines = [f"Slipway.{n}:0:*:{c.hex()}" for n, c in (("Eicar", eicar()), ("Marker", MARKER))]
        (signatures / "own.ndb").write_text("\n".join(lines) + "\n")
        self._process = self._start(signatures)
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise

    def _start(self, signatures: Path) -> subprocess.Popen[bytes]:
        settings = {
            "Foreground": "yes",
            "TCPSocket": self.port,
            "TCPAddr": "127.0.0.1",
            "LocalSocket": self._folder / "socket",
            "DatabaseDirectory": signatures,
            "LogFile": self._folder / "log",
            "TemporaryDirectory": self._folder,
            "StreamMaxLength": "8M",
            "MaxThreads": 2,
            "SelfCheck": 3600,
        }
        file = self._folder / "clamd.conf"
        file.write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
        assert PROGRAM
        with (self._folder / "output").open("wb") as output:
            return subprocess.Popen(
                [PROGRAM, "-c", str(file)],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def _wait(self) -> None:
        deadline = time.monotonic() + START_S
        while not self._answers():
            assert self._process.poll() is None, self._said()
            assert time.monotonic() < deadline, self._said()
            time.sleep(0.02)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
                connection.sendall(b"zPING\x00")
                return connection.recv(5) == b"PONG\x00"
        except OSError:
            return False

    def _said(self) -> str:
        return (self._folder / "output").read_text(errors="replace")

    def stop(self) -> None:
        """End it and delete its folder."""
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)
