"""Runs `jobs_crashes.py` on the queue of a rendered project, whichever engine keeps it."""

import json
from pathlib import Path
from typing import Any

from processes import run_in
from projects import prefix_of
from rendering import slug_of

SCRIPT = Path(__file__).resolve().parent / "jobs_crashes.py"
LIMIT_S = 400.0


def crash(project: Path, *arguments: str, **variables: str) -> dict[str, Any]:
    """Run the driver on a project's own queue, and return what it saw.

    Args:
        project: A rendered project that may be written to.
        arguments: A command of `jobs_crashes.py`.
        variables: Settings, without the prefix; `JOBS__URL` names another store than the embedded.
    """
    prefix = prefix_of(project)
    folder = project / "data"
    folder.mkdir(exist_ok=True)
    settings: dict[str, Any] = {
        f"{prefix}{name}": value
        for name, value in {"JOBS__PATH": str(folder / "jobs.db"), **variables}.items()
    }
    done = run_in(
        project, "python", SCRIPT, slug_of(project), *arguments, timeout=LIMIT_S, **settings
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
