"""What a rendered project answers to requests made from its own API description, valid and not."""

from __future__ import annotations

import contextlib
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from fuzzing import fuzz
from processes import clean_environment, rendered_python
from projects import prefix_of
from rendering import slug_of

pytestmark = pytest.mark.slow

# Valid by the description, and yet refused on good grounds: a cursor that no list gave, an
# idempotency key that came with another order.
EXCLUDED_CHECKS = "positive_data_acceptance"
EXAMPLES = 30  # per operation and phase: some 600 requests, 9 s of CPU

SERVE = """
import importlib, socket, sys, uvicorn
app = importlib.import_module(f"{sys.argv[1]}.main").app
listening = socket.socket(fileno=int(sys.argv[2]))
uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False)).run([listening])
"""


@contextlib.contextmanager
def served(project: Path, log: Path) -> Iterator[str]:
    """Yield the URL of the project's application, served by a process of its own."""
    slug = slug_of(project)
    prefix = prefix_of(project)
    environment = clean_environment() | {
        f"{prefix}ENVIRONMENT": "test",
        f"{prefix}RATE_LIMIT__REQUESTS_PER_MINUTE": "1000000",
    }
    # The socket is bound here and handed over, so that no other process gets the port first. Not
    # with uvicorn's --fd, which takes it for a Unix socket: Nagle's algorithm stays on, 40 ms each.
    with socket.create_server(("127.0.0.1", 0)) as listening, log.open("wb") as output:
        server = subprocess.Popen(
            [rendered_python(), "-c", SERVE, slug, str(listening.fileno())],
            cwd=project,
            env=environment,
            pass_fds=[listening.fileno()],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.terminate()
            try:
                server.wait(timeout=20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
                raise


def test_no_request_finds_a_server_error_or_an_answer_beside_the_description(
    default_project: Path, tmp_path: Path
) -> None:
    log = tmp_path / "server.log"
    (folder := tmp_path / "requests").mkdir()
    with served(default_project, log) as url:
        excluded = f"--exclude-checks={EXCLUDED_CHECKS}"
        fuzz(
            url, folder, excluded, examples=EXAMPLES, log=lambda: log.read_text("utf-8", "replace")
        )
