"""Requests that schemathesis makes from a service's API description, valid and not."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from processes import clean_environment, show

OPTIONS = (
    "--wait-for-schema=30",
    "--seed=20261122",
    # What the description gives as an example is in the first one, too.
    "--phases=coverage,fuzzing,stateful",
    "--generation-database=none",
    "--suppress-health-check=all",
    "--request-timeout=20",
    "--continue-on-failure",
    "--no-color",
)


def fuzz(
    url: str,
    folder: Path,
    *options: str,
    examples: int,
    token: str = "",
    log: Callable[[], str] = str,
) -> None:
    """Fail when an answer is a server error, or is not in the description.

    Args:
        url: Where the service is.
        folder: An empty one.
        options: More options of schemathesis.
        examples: Requests for each operation and phase.
        token: An access token that goes with every request.
        log: Returns what the service has written, for a failure.
    """
    header = ["-H", f"Authorization: Bearer {token}"] if token else []
    program = str(Path(sys.executable).with_name("schemathesis"))
    chosen = (*OPTIONS, f"--max-examples={examples}", *options, *header)
    done = subprocess.run(
        [program, "run", *chosen, f"{url}/openapi.json"],
        cwd=folder,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, show(done) + log()
    # A run that skipped operations, or sent next to nothing, would be no proof.
    counts = re.search(r"Selected: (\d+)/(\d+)\s+Tested: (\d+)", done.stdout)
    assert counts is not None, show(done)
    assert counts[1] == counts[3], show(done)
    generated = re.search(r"(\d+) generated", done.stdout)
    assert generated is not None, show(done)
    assert int(generated[1]) > 10 * int(counts[1]), show(done)
