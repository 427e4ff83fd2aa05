"""Every command block of the documentation is run as it is written, in the order of its page."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from combinations import ROOT
from processes import clean_environment, find_uv, show

pytestmark = pytest.mark.slow
PUBLIC_URL = "https://github.com/slipway-platform/slipway.git"
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
# Blocks of these pages run here. The README's own two commands are `scripts/test`, which is this
# run, and `scripts/demo`, which test_scripts.py runs; what follows them is the tutorial's.
WALKED = ("docs/tutorials/first-service.md", "docs/how-to/update-a-project.md")
IN_FLEET = tuple(
    f"docs/how-to/{name}.md" for name in ("run-a-fleet", "write-a-rule", "waive-a-rule")
)
IN_CENTRAL = "docs/how-to/run-the-central-services.md"
ELSEWHERE = {"scripts/test", "scripts/demo"}
LONG = ("api", "audit", "clients", "core", "jobs", "mail", "middleware", "utils")


def commands(page: Path) -> list[str]:
    """Return the commands of the `console` blocks of a page, without what they print."""
    blocks = re.findall(r"```console\n(.*?)```", page.read_text("utf-8"), flags=re.DOTALL)
    return [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ ")]


class Shell:
    """Runs the commands of a page one after the other, as a reader would."""

    def __init__(self, folder: Path, template: Path) -> None:
        self.folder = folder
        self._template = template
        tools = folder / ".bin"
        tools.mkdir()
        for name in ("cookiecutter", "copier"):
            (tools / name).symlink_to(Path(sys.executable).with_name(name))
        (tools / "uv").symlink_to(find_uv())
        (tools / "python3").symlink_to(sys.executable)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = str(probe.getsockname()[1])
        self._environment = clean_environment(online=True) | {
            "PATH": f"{tools}:/usr/local/bin:/usr/bin:/bin:{Path(shutil.which('git') or '').parent}",
            "ACME_ORDERS_SERVER__PORT": self.port,
            "UV_PYTHON": sys.executable,
            "GIT_PAGER": "cat",
            # Some of the suite: all of it runs elsewhere, and here it would run four times.
            "PYTEST_ADDOPTS": " ".join(
                ["--cov-fail-under=0", *map("--ignore=tests/{}".format, LONG)]
            ),
        }
        del self._environment["PYTHONPATH"]

    def written(self, command: str) -> str:
        """Return a command with the address of this checkout, and of this test's server."""
        command = command.replace("uvx cookiecutter", "cookiecutter").replace(
            "uvx copier", "copier"
        )
        command = command.replace(f"cookiecutter {PUBLIC_URL}", "cookiecutter --no-input TEMPLATE")
        command = command.replace(PUBLIC_URL, "TEMPLATE").replace("TEMPLATE", str(self._template))
        return command.replace(":8000", f":{self.port}")

    def run(self, command: str, *, fails: bool = False) -> str:
        """Run a command and return what it prints; `cd` moves the shell."""
        if command.startswith("cd "):
            self.folder = self.folder / command.removeprefix("cd ")
            return ""
        done = subprocess.run(
            ["bash", "-c", self.written(command)],
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert (done.returncode != 0) is fails, show(done)
        return done.stdout + done.stderr

    @contextmanager
    def serving(self, command: str) -> Iterator[None]:
        """Run a command that serves, until it answers; stop it at the end."""
        log = self.folder.parent / "server.log"
        with log.open("w") as output:
            server = subprocess.Popen(
                ["bash", "-c", f"exec {self.written(command)}"],
                cwd=self.folder,
                env=self._environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            probe = (
                f"curl -sf --retry 60 --retry-connrefused --retry-delay 1 {self.url}/health/ready"
            )
            self.run(probe)
            yield
        finally:
            server.terminate()
            server.wait(timeout=30)

    @property
    def url(self) -> str:
        """Where the server of this test answers."""
        return f"http://127.0.0.1:{self.port}"


@pytest.fixture
def shell(template: Path, tmp_path: Path) -> Shell:
    return Shell(tmp_path, template)


def walk(shell: Shell, page: str) -> dict[str, str]:
    """Run a page; what serves is served while the commands of its section run."""
    said: dict[str, str] = {}
    todo = commands(ROOT / page)
    while todo:
        command = todo.pop(0)
        if command.endswith(" serve"):
            if "ENVIRONMENT=production" in command:
                said[command] = shell.run(command, fails=True)
                continue
            with shell.serving(command):
                while todo and "curl" in todo[0]:
                    command = todo.pop(0)
                    said[command] = shell.run(command)
        else:
            said[command] = shell.run(command)
    return said


def test_tutorial_and_update_guide_work_as_written(shell: Shell) -> None:
    said = walk(shell, WALKED[0])
    created = next(text for command, text in said.items() if "sample-order" in command)
    assert '"total":900' in created.replace(" ", "")
    refused = next(text for command, text in said.items() if "169.254" in command)
    assert "400 Bad Request" in refused
    assert "x-request-id" in refused
    production = next(text for command, text in said.items() if "production" in command)
    page = (ROOT / WALKED[0]).read_text("utf-8")
    assert "\n".join(production.splitlines()[:2]) in page
    assert (shell.folder / "docs/platform").is_dir()
    walk(shell, WALKED[1])
    assert not (shell.folder / "docs/platform").exists()  # index.md is the project's own


def test_refusal_shown_in_the_tutorial_is_the_one_that_comes(shell: Shell) -> None:
    said = shell.run(
        f"cookiecutter --no-input {PUBLIC_URL} project_slug=json".replace(
            f"--no-input {PUBLIC_URL}", f"{PUBLIC_URL}"
        ),
        fails=True,
    )
    page = " ".join((ROOT / WALKED[0]).read_text("utf-8").split())
    sentence = next(line for line in said.splitlines() if "project_slug is" in line)
    assert " ".join(sentence.split()) in page


def test_every_command_block_is_run_somewhere() -> None:
    walked = {command for page in WALKED for command in commands(ROOT / page)}
    shown = {command for page in PAGES for command in commands(page)}
    # fleet/tests/test_documentation.py and fleet/tests/test_guides.py run these pages.
    fleet = {command for page in IN_FLEET for command in commands(ROOT / page)}
    central = set(commands(ROOT / IN_CENTRAL))  # tests/test_central.py does
    copies = {f"uvx copier copy {PUBLIC_URL} my-service"}  # test_parity.py runs it with its options
    assert shown - walked - fleet - central - ELSEWHERE - copies == set()
