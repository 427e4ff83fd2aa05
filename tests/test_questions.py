"""No question is inert: every answer changes the render, and has a probe that shows what it does."""

import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from booting import serving
from combinations import load_manifest, needed, questions
from processes import run_in
from rendering import Renderer, copy_project, slug_of, snapshot

MANIFEST = load_manifest()

TEXTS = {
    "project_name": "Blue Whale",
    "project_slug": "blue_whale",
    "project_description": "Counts whales from space.",
    "author_name": "Ada Lovelace",
    "author_email": "ada@example.org",
    "organization": "Analytical Engines",
}
"""Another answer for each text question."""


def pyproject(project: Path) -> dict[str, Any]:
    """Return a project's pyproject.toml."""
    return tomllib.loads((project / "pyproject.toml").read_text("utf-8"))


def shows(expected: object, found: object) -> None:
    """Fail unless the two are equal; a probe is made of these."""
    assert found == expected, f"expected {expected!r}, found {found!r}"


def exists(project: Path, *names: str) -> None:
    """Fail unless each of the paths exists."""
    missing = [name for name in names if not (project / name).exists()]
    assert not missing, f"no {', '.join(missing)}"


# --- one probe per question ----------------------------------------------------------------------


def probe_project_name(project: Path, value: str) -> None:
    shown = run_in(project, "python", "-m", slug_of(project), "openapi").stdout
    shows(value, json.loads(shown)["info"]["title"])
    shows(f"# {value}", (project / "README.md").read_text("utf-8").splitlines()[0])


def probe_project_slug(project: Path, value: str) -> None:
    exists(project, f"src/{value}/main.py")
    command = value.replace("_", "-")
    shows({"name": command}, {"name": pyproject(project)["project"]["name"]})
    shows({command: f"{value}.__main__:main"}, pyproject(project)["project"]["scripts"])
    script = (
        f"import os; os.environ['{value.upper()}_LOG_LEVEL'] = 'WARNING'; "
        f"from {value}.settings import Settings; print(Settings().log_level)"
    )
    shown = run_in(project, "python", "-c", script).stdout
    shows("WARNING", shown.strip())


def probe_project_description(project: Path, value: str) -> None:
    shows(value, pyproject(project)["project"]["description"])
    assert value in (project / "README.md").read_text("utf-8")


def probe_author_name(project: Path, value: str) -> None:
    shows(value, pyproject(project)["project"]["authors"][0]["name"])


def probe_author_email(project: Path, value: str) -> None:
    shows(value, pyproject(project)["project"]["authors"][0]["email"])
    assert value in (project / "SECURITY.md").read_text("utf-8"), "whom to tell of a hole"


def probe_organization(project: Path, value: str) -> None:
    assert value in (project / "LICENSE").read_text("utf-8")


def probe_license(project: Path, value: str) -> None:
    expected = {"Proprietary": "LicenseRef-Proprietary"}.get(value, value)
    shows(expected, pyproject(project)["project"]["license"])
    words = {"Proprietary": "All rights reserved", "MPL-2.0": "Mozilla Public License Version 2.0"}
    name = words.get(value, value.replace("-", " ").removesuffix(" 2.0"))
    text = re.sub(r"[\s,-]+", " ", (project / "LICENSE").read_text("utf-8")[:300]).lower()
    assert name.replace("-", " ").lower() in text, f"LICENSE begins {text!r}"


def probe_python_version(project: Path, value: str) -> None:
    config = pyproject(project)
    shows(f">={value}", config["project"]["requires-python"])
    shows(value, config["tool"]["ty"]["environment"]["python-version"])
    images = re.findall(r"python:(\d+\.\d+)-", (project / "deploy/Dockerfile").read_text("utf-8"))
    shows({value}, set(images))
    ci = (project / ".github/workflows/ci.yml").read_text("utf-8")
    assert f'python-version: "{value}"' in ci, "its CI does not run it"


def probe_ci_provider(project: Path, value: str) -> None:
    present = {
        "github": (project / ".github/workflows").is_dir(),
        "gitlab": (project / ".gitlab-ci.yml").is_file(),
    }
    shows({name: name == value for name in present}, present)
    schemas = {
        "github": (
            "vendor.github-workflows",
            sorted((project / ".github").rglob("workflows/*.yml")),
        ),
        "gitlab": ("vendor.gitlab-ci", [project / ".gitlab-ci.yml"]),
    }
    if value in schemas:
        schema, files = schemas[value]
        assert files, "no workflow"
        run_in(project, "check-jsonschema", "--builtin-schema", schema, *files)


def probe_include_docker(project: Path, value: bool) -> None:  # an answer
    shows(value, (project / "deploy").is_dir())
    exists(project, "deploy/Dockerfile", "deploy/compose.yaml", ".dockerignore")
    run_in(project, "hadolint", "deploy/Dockerfile")
    compose = yaml.safe_load((project / "deploy/compose.yaml").read_text("utf-8"))
    assert compose["services"]


def probe_include_docs(project: Path, value: bool) -> None:  # an answer
    shows(value, (project / "docs").is_dir())
    exists(project, "mkdocs.yml", "docs/index.md")
    run_in(project, "zensical", "build", "--clean")
    exists(project, "site/index.html")


def probe_include_background_jobs(project: Path, value: bool) -> None:  # an answer
    slug = slug_of(project)
    shows(value, (project / f"src/{slug}/jobs/tasks.py").is_file())
    script = f"""
import asyncio
from {slug}.jobs import enqueue_task
from {slug}.main import app
order = {{
    "id": "0b8c6f4e-7a3e-4c8e-9b53-5d5c9c3a7a10", "status": "shipped", "currency": "EUR", "note": None,
    "lines": [], "total": 0, "created_at": "2026-11-22T10:00:00Z", "updated_at": "2026-11-22T10:00:00Z",
}}
async def main():
    async with app.router.lifespan_context(app):
        from {slug}.orders.schemas import Order
        print("job", await enqueue_task("warehouse", "make_picking_list", Order.model_validate(order)))
asyncio.run(main())
"""
    switched: dict[str, Any] = {f"{slug.upper()}_JOBS__EMBEDDED_WORKER": "false"}
    printed = run_in(project, "python", "-c", script, **switched).stdout.splitlines()
    (job_id,) = [line.removeprefix("job ") for line in printed if line.startswith("job ")]
    run_in(project, "python", "-m", slug, "worker", "--until-empty")
    (dead,) = json.loads(run_in(project, "python", "-m", slug, "jobs", "dead", "--json").stdout)
    shows(job_id, dead["id"])
    assert "nothing to pick" in dead["error"]


def probe_include_database(project: Path, value: bool) -> None:  # an answer
    package = slug_of(project)
    shows(value, (project / "src" / package / "migrations").is_dir())
    shown = run_in(project, "python", "-m", package, "db", "upgrade").stdout
    assert "applied: 0001_orders" in shown, shown
    run_in(project, "python", "-m", package, "db", "check")
    with serving(project) as service:
        headers = {"content-type": "application/json"}
        line = {"sku": "TEA-1", "quantity": 2, "unit_price": 450}
        body = json.dumps({"currency": "EUR", "lines": [line]}).encode()
        placed = service.call("POST", "/orders", body, **headers).json
    with serving(project) as service:
        shows(placed, service.call("GET", f"/orders/{placed['id']}").json)


def probe_include_audit_logging(project: Path, value: bool) -> None:  # an answer
    shows(value, (project / f"src/{slug_of(project)}/audit/log.py").is_file())
    with serving(project) as service:
        ready = service.call("GET", "/health/ready").body
        assert b"audit" in ready, f"readiness does not cover the trail: {ready!r}"
    audit = ("python", "-m", slug_of(project), "audit")
    assert "Nothing was changed." in run_in(project, *audit, "verify").stdout
    recorded = [json.loads(line) for line in run_in(project, *audit, "tail").stdout.splitlines()]
    shows("audit.stopped", recorded[-1]["action"])


def probe_include_financial(project: Path, value: bool) -> None:  # an answer
    shows(value, (project / "docs/platform/money.md").is_file())
    script = (
        f"from {slug_of(project)}.utils.financial import Money, allocate, format_audit_amount, parse_money; "
        "parts = allocate(parse_money('1.000,00 EUR', locale='de'), 3); "
        "print(sum(parts), [format_audit_amount(part) for part in parts])"
    )
    shown = run_in(project, "python", "-c", script).stdout
    shows("EUR 1000.00 ['EUR 333.34', 'EUR 333.33', 'EUR 333.33']", shown.strip())


def probe_use_central_auth(project: Path, value: bool) -> None:  # an answer
    slug = slug_of(project)
    shows(value, (project / f"src/{slug}/clients/auth.py").is_file())
    with serving(project) as service:
        refused = service.call("GET", "/orders")
        shows(
            (401, f'Bearer realm="{slug.replace("_", "-")}"'),
            (refused.status, refused.headers["www-authenticate"]),
        )
        # Nobody runs the issuer: nobody can tell whether a token is good.
        made_up = "eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.e30.AAAA"
        unknown = service.call("GET", "/orders", authorization=f"Bearer {made_up}")
        shows(503, unknown.status)
        assert b"central_auth" in service.call("GET", "/health/ready").body
    assert "explain" in run_in(project, "python", "-m", slug, "auth", "--help").stdout


def probe_use_central_audit(project: Path, value: bool) -> None:  # an answer
    slug = slug_of(project)
    shows(value, (project / f"src/{slug}/clients/audit.py").is_file())
    with serving(project) as service:
        ready = service.call("GET", "/health/ready").body
        assert b"central_audit" in ready, f"readiness does not cover forwarding: {ready!r}"
    program = ("python", "-m", slug, "audit")
    # Nobody runs the service: what was recorded waits.
    found = json.loads(run_in(project, *program, "forwarding", "--json").stdout)
    shows((0, 0), (found["sent"], found["refused"]))
    assert found["waiting"] > 0
    failed = run_in(project, *program, "forward", check=False)
    assert failed.returncode == 1
    assert "Traceback" not in failed.stderr


def probe_include_caching(project: Path, value: bool) -> None:  # an answer
    slug = slug_of(project)
    shows(value, (project / f"src/{slug}/core/cache").is_dir())
    script = f"""
import asyncio
from {slug}.core.cache import Namespace
from {slug}.main import app
loads = []
async def load():
    loads.append(1)
    await asyncio.sleep(0)
    return 7
async def main():
    numbers = Namespace("numbers", int)
    cache = app.state.cache
    asked = (cache.get_or_set(numbers, "k", load) for _ in range(20))
    print(sum(await asyncio.gather(*asked)), await cache.get(numbers, "k"), len(loads))
asyncio.run(main())
"""
    shows("140 7 1", run_in(project, "python", "-c", script).stdout.strip())
    assert "clear" in run_in(project, "python", "-m", slug, "cache", "--help").stdout
    valkey = yaml.safe_load((project / "deploy/compose.yaml").read_text("utf-8"))["services"]
    assert "profiles" not in valkey["valkey"], "compose starts it only when asked"


def probe_include_scheduled_tasks(project: Path, value: bool) -> None:  # an answer
    slug = slug_of(project)
    shows(value, (project / f"src/{slug}/monitoring").is_dir())
    tasks = ("python", "-m", slug, "tasks")
    added = run_in(
        project,
        *tasks,
        "add",
        "Disk",
        "--check",
        "disk_space",
        "-p",
        "min_free_percent=0",
        "--every",
        "60",
    ).stdout
    assert "Next runs:" in added, added
    ran = json.loads(run_in(project, *tasks, "run", "disk", "--json").stdout)
    shows(("ok", ["log"]), (ran["outcome"], ran["told"]))
    kept = json.loads((project / "data/presets.json").read_text("utf-8"))
    shows(["ok"], [task["status"] for task in kept["tasks"]])


def probe_job_engine(project: Path, value: str) -> None:
    slug = slug_of(project)
    installed = {
        re.split(r"[<>=\\[]", one)[0] for one in pyproject(project)["project"]["dependencies"]
    }
    shows({value}, installed & {"celery", "taskiq"})
    script = f"""
from {slug}.core.config import JobsSettings
from {slug}.jobs.connecting import make_store
print(type(make_store(JobsSettings.model_construct())).__name__)
"""
    store = {"celery": "CeleryStore", "taskiq": "SqliteJobStore"}[value]
    shows(store, run_in(project, "python", "-c", script).stdout.strip())


PROBES: dict[str, Callable[[Path, Any], None]] = {
    name.removeprefix("probe_"): value
    for name, value in list(globals().items())
    if name.startswith("probe_")
}


# --- and what must hold of them ------------------------------------------------------------------


def alternatives(name: str) -> list[Any]:
    """Return the answers of a question, its default first."""
    default = questions(MANIFEST)[name]
    if isinstance(default, bool):
        return [default, not default]
    if isinstance(default, list):
        return default
    usual = {"project_slug": "acme_orders"}
    return [usual.get(name, default), TEXTS[name]]


def project_with(render: Renderer, name: str, value: Any) -> Path:
    """Render the default, and what an answer needs, with one other answer; the slug stays."""
    others = {"project_slug": "acme_orders"} | needed(name, True, MANIFEST)
    return render("cookiecutter", **others | {name: value})


CASES = [
    (name, value)
    for name in questions(MANIFEST)
    if name in TEXTS or not isinstance(questions(MANIFEST)[name], str)
    for value in alternatives(name)
]


def test_every_question_has_a_probe_and_every_probe_a_question() -> None:
    assert set(PROBES) == set(questions(MANIFEST))


@pytest.mark.parametrize(("name", "value"), CASES, ids=str)
def test_every_answer_changes_the_render(render: Renderer, name: str, value: Any) -> None:
    tree = snapshot(project_with(render, name, value))
    for other in alternatives(name):
        if other != value:
            second = snapshot(project_with(render, name, other))
            changed = {p for p in tree.keys() | second.keys() if tree.get(p) != second.get(p)}
            assert changed - {".copier-answers.yml"}, f"{other} instead of {value} changes nothing"


@pytest.mark.slow
@pytest.mark.parametrize(("name", "value"), CASES, ids=str)
def test_probe_passes_with_the_answer_and_fails_with_every_other(
    render: Renderer, tmp_path: Path, name: str, value: Any
) -> None:
    probe = PROBES[name]
    for number, answer in enumerate(alternatives(name)):
        project = copy_project(project_with(render, name, answer), tmp_path / str(number))
        if answer == value and value is not False:
            probe(project, value)
        elif answer != value:
            with pytest.raises((AssertionError, OSError, KeyError)):
                probe(project, value)
