"""The guide from a login of one's own to the auth service, carried out."""

import json
import re
from pathlib import Path

import pytest
from combinations import ROOT
from processes import RunIn
from rendering import Renderer, copy_project, slug_of

pytestmark = pytest.mark.slow

GUIDE = ROOT / "docs/how-to/from-own-tokens.md"
ASK = """
import json
from fastapi.testclient import TestClient
from before import app
said = []
with TestClient(app) as client:
    said.append(client.get("/reports").status_code)
    for name, password in (("ada", "mulberry"), ("bob", "lantern"), ("bob", "wrong")):
        answer = client.post("/token", json={"username": name, "password": password})
        said.append(answer.status_code)
        if answer.status_code == 200:
            headers = {"authorization": "Bearer " + answer.json()["access_token"]}
            said.append(client.get("/reports", headers=headers).status_code)
            said.append(client.post("/reports?text=x", headers=headers).status_code)
print(json.dumps(said))
"""


@pytest.fixture
def programs() -> list[str]:
    found = re.findall(r"```python\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    assert len(found) == 3
    return found


def test_program_before_the_move_runs(programs: list[str], tmp_path: Path, run_in: RunIn) -> None:
    (tmp_path / "before.py").write_text(programs[0])
    said = json.loads(run_in(tmp_path, "python", "-c", ASK).stdout.splitlines()[-1])
    assert said == [401, 200, 200, 201, 200, 200, 403, 401]


def test_program_after_the_move_asks_the_same_of_callers(
    programs: list[str], render: Renderer, tmp_path: Path, run_in: RunIn
) -> None:
    project = copy_project(render("cookiecutter", use_central_auth=True), tmp_path / "project")
    package = project / "src" / slug_of(project)
    for place, name, program in (
        (package, "endpoints.py", programs[1]),
        (project / "tests", "test_reports.py", programs[2]),
    ):
        folder = place / "reports"
        folder.mkdir()
        (folder / "__init__.py").write_text('"""Reports."""\n')
        (folder / name).write_text(program)
    main = package / "main.py"
    text = main.read_text("utf-8")
    main.write_text(
        text.replace(
            "from .orders import router as orders",
            "from .orders import router as orders\nfrom .reports.endpoints import router as reports",
        ).replace("routers=[orders]", "routers=[orders, reports]")
    )
    assert "reports" in main.read_text("utf-8")
    run_in(project, "ruff", "check", "src")
    run_in(project, "ruff", "format", "--check", "src", "tests/reports")
    done = run_in(project, "python", "-m", "pytest", "-q", "--no-cov", "tests/reports")
    assert "1 passed" in done.stdout
