"""Show what the template makes: render a project, install it, test it, boot it, call it, stop it.

Run through `scripts/demo`, which brings uv and cookiecutter. Everything stays inside the checkout,
or in the directory named as its argument.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SLUG, COMMAND = "acme_orders", "acme-orders"
STARTUP_S = 30.0


class DemoError(Exception):
    """Raised when a step fails; the text says which and shows what it printed."""


@contextmanager
def step(title: str) -> Iterator[None]:
    """Print a step when it starts, and how long it took when it is done."""
    print(f"\033[1m==>\033[0m {title} ...", end=" ", flush=True)
    started = time.perf_counter()
    try:
        yield
    except BaseException:  # Ctrl-C ends the line too, and is raised on
        print("failed", flush=True)
        raise
    print(f"{time.perf_counter() - started:.1f} s", flush=True)


def run(*command: str, cwd: Path) -> str:
    """Run a command and return what it prints.

    Raises:
        DemoError: With all its output, when it fails.
    """
    environment = {k: v for k, v in os.environ.items() if k != "VIRTUAL_ENV"}
    done = subprocess.run(
        command,
        cwd=cwd,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    if done.returncode:
        raise DemoError(f"{' '.join(command)} exited with {done.returncode}:\n{done.stdout}")
    return done.stdout


def free_folder(parent: Path) -> Path:
    """Return the first of 1, 2, 3, ... that does not exist: an earlier demo is never touched."""
    parent.mkdir(parents=True, exist_ok=True)
    number = 1
    while (parent / str(number)).exists():
        number += 1
    return parent / str(number)


def render(folder: Path) -> Path:
    """Render the checkout with default answers into a folder, and return the project."""
    from cookiecutter.main import cookiecutter  # noqa: PLC0415  # `--help` works without it

    folder.mkdir(parents=True)
    scratch = folder / ".cookiecutter"
    scratch.mkdir()
    tempfile.tempdir = str(scratch)  # cookiecutter leaves the hooks it ran behind
    config = scratch / "config.yml"
    config.write_text(
        f"cookiecutters_dir: {json.dumps(str(scratch))}\nreplay_dir: {json.dumps(str(scratch))}\n"
    )
    project = cookiecutter(
        str(ROOT), no_input=True, output_dir=str(folder), config_file=str(config)
    )
    tempfile.tempdir = None
    shutil.rmtree(scratch)
    return Path(project)


def free_port() -> int:
    """Return a TCP port on 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def call(method: str, url: str, body: dict[str, Any] | None = None) -> tuple[int, Any, Any]:
    """Send a request and return (status, headers, JSON); an HTTP error status is an answer too."""
    request = urllib.request.Request(
        url,
        method=method,
        data=json.dumps(body).encode() if body is not None else None,
        headers={"content-type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status, answer.headers, json.loads(answer.read())
    except urllib.error.HTTPError as answer:
        return answer.code, answer.headers, json.loads(answer.read())


@contextmanager
def serving(project: Path, port: int) -> Iterator[str]:
    """Boot the service, wait until it is ready, and stop it again; yields its base URL."""
    log = project / "demo.log"
    url = f"http://127.0.0.1:{port}"
    command = [str(project / ".venv/bin" / COMMAND), "serve", "--port", str(port)]
    with log.open("w") as output:
        server = subprocess.Popen(command, cwd=project, stdout=output, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + STARTUP_S
        while True:
            try:
                if call("GET", f"{url}/health/ready")[0] == 200:
                    break
            except (OSError, ValueError):
                pass  # not listening yet
            if server.poll() is not None or time.monotonic() > deadline:
                raise DemoError(f"the service did not become ready:\n{log.read_text()}")
            time.sleep(0.05)  # between two probes
        yield url
    finally:
        server.terminate()
        try:
            server.wait(timeout=15)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def show(method: str, path: str, answer: tuple[int, Any, Any]) -> None:
    """Print one exchange."""
    status, _headers, body = answer
    text = json.dumps(body, ensure_ascii=False)
    print(f"      {method:4} {path:28} {status}  {text[:110]}{'...' if len(text) > 110 else ''}")


def exercise(url: str) -> None:
    """Call the service as a new user would, and print what came back."""
    order = {"currency": "EUR", "lines": [{"sku": "TEA-1", "quantity": 2, "unit_price": 450}]}
    show("GET", "/health/ready", call("GET", f"{url}/health/ready"))
    created = call("POST", f"{url}/orders", order)
    show("POST", "/orders", created)
    if created[0] != 201:
        raise DemoError(f"POST /orders answered {created[0]}: {created[2]}")
    path = f"/orders/{created[2]['id']}"
    show("GET", path[:24] + "...", call("GET", url + path))
    refused = call("GET", f"{url}/orders?next=http://169.254.169.254/latest/meta-data/")
    show("GET", "/orders?next=http://169...", refused)
    print("      headers of that refusal:")
    for name in ("content-security-policy", "x-content-type-options", "ratelimit", "x-request-id"):
        print(f"        {name}: {refused[1].get(name)}")


def demonstrate(folder: Path) -> Path:
    """Do every step, printing each; returns the project."""
    with step("rendering a project with cookiecutter, default answers"):
        project = render(folder)
    with step("installing it (uv sync; makes its own uv.lock)"):
        run("uv", "sync", "--quiet", cwd=project)
    with step("running its tests with its coverage gate"):
        report = run("uv", "run", "pytest", "-q", "--cov", cwd=project)
    print(
        "      " + next(line for line in report.splitlines()[::-1] if " passed" in line).strip("= ")
    )
    with ExitStack() as stack:
        with step("booting it, waiting for /health/ready"):
            url = stack.enter_context(serving(project, free_port()))
        exercise(url)
        with step("stopping it"):
            stack.close()
    return project


def main() -> int:
    """Run the demo; exit code 1 and the reason when a step fails."""
    parser = argparse.ArgumentParser(prog="scripts/demo", description=__doc__.splitlines()[0])
    parser.add_argument("directory", nargs="?", type=Path, default=ROOT / ".demo", help="where to")
    folder = free_folder(parser.parse_args().directory.resolve())
    try:
        project = demonstrate(folder)
    except DemoError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 130
    shown = project.relative_to(Path.cwd()) if project.is_relative_to(Path.cwd()) else project
    print(f"""
The project is in {shown}; what it logged is in its demo.log. Try next:
  cd {shown}
  uv run {COMMAND} serve            then open http://127.0.0.1:8000/docs
  uv run {COMMAND} config show      every setting, secrets masked
  less AGENTS.md                    what is whose, and where to extend
To make your own:  uvx cookiecutter {ROOT}   (or: uvx copier copy {ROOT} my-service)""")
    return 0


if __name__ == "__main__":
    sys.exit(main())
