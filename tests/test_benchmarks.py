"""The benchmarks run to their end; what they measure is for people and never asserted here."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from combinations import ROOT
from processes import clean_environment, rendered_python, show

pytestmark = pytest.mark.slow
ROW = re.compile(r"^\| .+ \| +[\d,.]+( \w+)? \| [\w ,.]*\| (ok|MISSED)? *\|$", re.MULTILINE)


def run(name: str, figures: Path) -> str:
    """Run one benchmark quickly and return its table; a missed bar is not a failure."""
    done = subprocess.run(
        [sys.executable, "benchmarks/run.py", "--quick", "--only", name, "--json", figures],
        cwd=ROOT,
        env=clean_environment(online=True, RENDERED_PYTHON=rendered_python()),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode in {0, 1}, show(done)
    assert "FastAPI's telemetry off" in done.stdout
    return done.stdout


@pytest.mark.parametrize("name", ["startup", "render", "central"])
def test_benchmark_prints_its_rows(name: str, tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    printed = run(name, figures)
    measured = json.loads(figures.read_text())["benchmarks"][name]
    assert len(ROW.findall(printed)) == len(measured) > 3
    assert all(row["value"] >= 0 for row in measured)
    assert not list(ROOT.glob("benchmarks/*.json"))


def test_every_benchmark_is_described() -> None:
    readme = (ROOT / "benchmarks/README.md").read_text()
    modules = [
        path.stem
        for path in (ROOT / "benchmarks").glob("*.py")
        if "\ndef measure(" in path.read_text()
    ]
    assert modules
    assert [name for name in modules if f"`{name}`" not in readme] == []
