"""A real RabbitMQ node for tests, from Debian's package that scripts/test installs."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

PROGRAM = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
START_S = 300.0
"""It takes 10 s of CPU or less, and a busy machine makes that minutes."""


def is_installed() -> bool:
    """Tell whether the programs of RabbitMQ and Erlang are on this machine."""
    return PROGRAM.exists() and shutil.which("epmd") is not None


class RabbitMQ:
    """A node with its own data, ports, cookie and port mapper, on 127.0.0.1 only.

    The package's system service, if there is one, is not touched: nothing is shared with it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.port, self._epmd_port, self._distribution_port = _free_ports(3)
        password = secrets.token_hex(8)
        (folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.default = 127.0.0.1:{self.port}\n"
            f"default_user = tests\ndefault_pass = {password}\n"
            "loopback_users = none\nlog.file = false\nlog.console = true\n"
            "vm_memory_high_watermark.absolute = 512MB\ndisk_free_limit.absolute = 1MB\n"
        )
        (folder / "advanced.config").write_text(
            "[{kernel, [{inet_dist_use_interface, {127,0,0,1}}]}].\n"
        )
        (folder / "enabled_plugins").write_text("[].\n")
        cookie = folder / ".erlang.cookie"
        cookie.write_text(secrets.token_hex(16))
        cookie.chmod(0o400)
        self.url = f"amqp://tests:{password}@127.0.0.1:{self.port}//"
        self._epmd = subprocess.Popen(
            ["epmd", "-address", "127.0.0.1", "-port", str(self._epmd_port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            self.start()
        except BaseException:
            self.stop()
            raise

    def _environment(self) -> dict[str, str]:
        folder = str(self._folder)
        return {
            "PATH": os.environ["PATH"],
            "HOME": folder,
            "LANG": "C.UTF-8",
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_CRASH_DUMP": f"{folder}/crash",
            "RABBITMQ_NODENAME": f"tests-{self.port}@localhost",
            "RABBITMQ_DIST_PORT": str(self._distribution_port),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_CONFIG_FILE": f"{folder}/rabbitmq.conf",
            "RABBITMQ_ADVANCED_CONFIG_FILE": f"{folder}/advanced.config",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/enabled_plugins",
            "RABBITMQ_MNESIA_BASE": f"{folder}/data",
            "RABBITMQ_LOG_BASE": f"{folder}/log",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 2:2 +sbwt none",
        }

    def start(self) -> None:
        """Start it, and wait until it speaks AMQP."""
        with (self._folder / "output").open("ab") as output:
            self.process = subprocess.Popen(
                [str(PROGRAM)],
                cwd=self._folder,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_S
        while not self._answers():
            printed = (self._folder / "output").read_text(errors="replace")[-3000:]
            assert self.process.poll() is None, f"RabbitMQ ended at once:\n{printed}"
            assert time.monotonic() < deadline, f"no answer in {START_S} s:\n{printed}"
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"AMQP\x00\x00\x09\x01")
                return connection.recv(1) == b"\x01"
        except OSError:
            return False

    def kill(self) -> None:
        """End it as a crash does."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """End it and its port mapper."""
        if self.process.poll() is None:
            self.kill()
        self._epmd.kill()
        self._epmd.wait()


def _free_ports(count: int) -> list[int]:
    held = [socket.socket() for _ in range(count)]
    try:
        for free in held:
            free.bind(("127.0.0.1", 0))
        return [int(free.getsockname()[1]) for free in held]
    finally:
        for free in held:
            free.close()
