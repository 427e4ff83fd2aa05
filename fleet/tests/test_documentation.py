"""The pages for platform teams are run as they are written, and the reference is that of the code."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from combinations import ROOT
from processes import show
from slipway_fleet.config_reference import page

from tests.fleets import Fleet, branches

GUIDE = ROOT / "docs/how-to/run-a-fleet.md"
PUBLIC_URL = "https://github.com/slipway-platform/slipway.git"
FINDS_SOMETHING = re.compile(r"fleet (plan|drift|campaign status)\b")


def test_reference_of_fleet_toml_is_written_from_the_code() -> None:
    shown = (ROOT / "docs/reference/fleet-toml.md").read_text("utf-8")
    assert shown == page(), (
        "python -m slipway_fleet.config_reference > docs/reference/fleet-toml.md"
    )


@pytest.mark.slow
def test_guide_works_as_written(fleet: Fleet) -> None:
    text = GUIDE.read_text("utf-8")
    (settings,) = re.findall(r"```toml\n(.*?)```", text, flags=re.DOTALL)
    settings = settings.replace(PUBLIC_URL, str(fleet.template))
    fleet.toml.write_text(settings.replace("[fleet]\n", f'[fleet]\ncache = "{fleet.cache}"\n'))
    fleet.add("billing")
    files = fleet.rendered()
    files["AGENTS.md"] = (files["AGENTS.md"][0], files["AGENTS.md"][1] + b"\nOurs.\n")
    orders = fleet.add("orders", files)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    blocks = re.findall(r"```console\n(.*?)```", text, flags=re.DOTALL)
    commands = [line[2:] for block in blocks for line in block.splitlines() if line[:2] == "$ "]
    assert len(commands) > 10
    for command in commands:
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=fleet.root,
            env=os.environ | {"PATH": path},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode in ({0, 1} if FINDS_SOMETHING.match(command) else {0}), show(done)
    assert "slipway/v2" in branches(orders)
