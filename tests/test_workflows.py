"""The CI of a project and of this repository: valid, pinned, with the least permissions."""

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from combinations import ROOT
from dockerfile import read_stages
from processes import RunIn, show
from projects import Yaml, dist_name, hooks, read_yaml
from rendering import Renderer, commit_all

ANSWERS: dict[str, dict[str, Any]] = {
    "everything": {},
    "bare": {"include_docker": False, "include_docs": False, "python_version": "3.14"},
}
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
USES = re.compile(r"^ *(?:- )?uses: (\S+)(.*)$", re.MULTILINE)


def workflows(project: Path) -> list[Path]:
    """Return the workflow files of a project, or of this repository."""
    return sorted((project / ".github/workflows").glob("*.yml"))


def jobs(project: Path) -> Iterator[tuple[str, Yaml]]:
    """Yield every job with the name it goes by in a failing test."""
    for path in workflows(project):
        for name, job in read_yaml(path)["jobs"].items():
            yield f"{path.stem}.{name}", job


def used_actions(project: Path) -> set[tuple[str, str, str]]:
    """Return (action, commit, tag) for each action that the workflows use."""
    found = set()
    for path in workflows(project):
        for reference, comment in USES.findall(path.read_text("utf-8")):
            action, _, commit = reference.partition("@")
            found.add((action, commit, comment.strip().removeprefix("# ")))
    return found


@pytest.fixture(params=[*ANSWERS, "this repository"])
def project(request: pytest.FixtureRequest, render: Renderer) -> Path:
    """Return a project that runs on GitHub, and then this repository, which does as well."""
    return (
        ROOT if request.param not in ANSWERS else render("cookiecutter", **ANSWERS[request.param])
    )


@pytest.fixture(params=ANSWERS)
def gitlab_project(request: pytest.FixtureRequest, render: Renderer) -> Path:
    return render("cookiecutter", ci_provider="gitlab", **ANSWERS[request.param])


# --- GitHub ---------------------------------------------------------------------------------------


def test_workflows_are_valid(project: Path, run_in: RunIn) -> None:
    files = workflows(project)
    assert files
    for schema in ("vendor.github-workflows", "custom.github-workflows-require-timeout"):
        run_in(project, "check-jsonschema", "--builtin-schema", schema, *files)


def test_dependabot_configuration_is_valid(project: Path, run_in: RunIn) -> None:
    schema = ("--builtin-schema", "vendor.dependabot")
    run_in(project, "check-jsonschema", *schema, ".github/dependabot.yml")


def test_zizmor_finds_nothing(project: Path, run_in: RunIn) -> None:
    run_in(project, "zizmor", "--offline", "--quiet", "--persona=pedantic", ".github")


def test_actions_are_pinned_by_commit_with_their_version(project: Path) -> None:
    loose = [
        (action, commit, tag)
        for action, commit, tag in used_actions(project)
        if not re.fullmatch(r"[0-9a-f]{40}", commit) or not re.fullmatch(r"v\d+\.\d+\.\d+", tag)
    ]
    assert loose == []


def test_workflows_stand_alone(project: Path) -> None:
    """Nothing of another organisation's repository runs but the pinned steps."""
    assert [name for name, job in jobs(project) if "uses" in job] == []


def test_workflows_may_only_read(project: Path) -> None:
    tops = {path.name: read_yaml(path)["permissions"] for path in workflows(project)}
    assert [name for name, granted in tops.items() if granted != {}] == []
    granted = {name: job["permissions"] for name, job in jobs(project)}
    assert {n: p for n, p in granted.items() if p not in ({}, {"contents": "read"})} == {}


def test_jobs_end_in_time_and_runs_replace_each_other(project: Path) -> None:
    assert [name for name, job in jobs(project) if not 0 < job["timeout-minutes"] <= 120] == []
    assert [p.name for p in workflows(project) if not read_yaml(p)["concurrency"]["group"]] == []


def test_checkout_leaves_no_credentials_behind(project: Path) -> None:
    kept = [
        name
        for name, job in jobs(project)
        for step in job["steps"]
        if step.get("uses", "").startswith("actions/checkout@")
        and step["with"]["persist-credentials"] is not False
    ]
    assert kept == []


@pytest.mark.parametrize("answers", ANSWERS.values(), ids=ANSWERS)
def test_security_page_lists_the_pinned_actions(render: Renderer, answers: dict[str, Any]) -> None:
    project = render("cookiecutter", **answers)
    text = (project / "SECURITY.md").read_text("utf-8")
    row = re.compile(
        r"^\| `(\S+)` \| (\S+) \| `(\S+)` \| <https://github.com/(\S+)> \|$", re.MULTILINE
    )
    rows = row.findall(text)
    assert {(action, commit, tag) for action, tag, commit, _ in rows} == used_actions(project)
    assert [action for action, _, _, source in rows if action != source] == []


def test_this_repository_uses_the_commits_it_ships(default_project: Path) -> None:
    assert used_actions(ROOT) <= used_actions(default_project)


@pytest.mark.parametrize("answers", ANSWERS.values(), ids=ANSWERS)
def test_dependabot_leaves_managed_files_alone(render: Renderer, answers: dict[str, Any]) -> None:
    project = render("cookiecutter", **answers)
    updates = read_yaml(project / ".github/dependabot.yml")["updates"]
    ignored = {
        update["package-ecosystem"]: {entry["dependency-name"] for entry in update["ignore"]}
        for update in updates
        if "ignore" in update
    }
    wanted = {"github-actions": {action for action, _, _ in used_actions(project)}}
    dockerfile = project / "deploy/Dockerfile"
    if dockerfile.exists():
        bases = {stage.base for stage in read_stages(dockerfile).values()}
        wanted["docker"] = {base.rpartition(":")[0] for base in bases}
    assert ignored == wanted


def test_one_check_stands_for_all_jobs(render: Renderer) -> None:
    for answers in ANSWERS.values():
        named = read_yaml(workflows(render("cookiecutter", **answers))[0])["jobs"]
        assert set(named["ci"]["needs"]) == set(named) - {"ci"}


# --- GitLab ---------------------------------------------------------------------------------------


def test_gitlab_pipeline_is_valid(gitlab_project: Path, run_in: RunIn) -> None:
    options = ("--builtin-schema", "vendor.gitlab-ci", "--data-transform", "gitlab-ci")
    files = (".gitlab-ci.yml", ".gitlab/project.yml")
    run_in(gitlab_project, "check-jsonschema", *options, *files)


def test_gitlab_pipeline_includes_only_this_project(gitlab_project: Path) -> None:
    pipeline = read_yaml(gitlab_project / ".gitlab-ci.yml")
    assert pipeline["include"] == [{"local": ".gitlab/project.yml"}]


def test_gitlab_jobs_are_in_a_stage_that_exists(gitlab_project: Path) -> None:
    pipeline = read_yaml(gitlab_project / ".gitlab-ci.yml")
    used = {job["stage"] for job in pipeline.values() if isinstance(job, dict) and "stage" in job}
    assert used <= set(pipeline["stages"])


# --- both, and what developers run ----------------------------------------------------------------


def ci_text(project: Path) -> str:
    """Return everything that CI of a project runs."""
    files = workflows(project) or [project / ".gitlab-ci.yml"]
    return "\n".join(path.read_text("utf-8") for path in files)


@pytest.mark.parametrize("provider", ["github", "gitlab"])
@pytest.mark.parametrize("lowest", PYTHONS)
def test_tests_run_on_every_supported_python(render: Renderer, provider: str, lowest: str) -> None:
    project = render("cookiecutter", ci_provider=provider, python_version=lowest)
    if provider == "github":
        tested = read_yaml(workflows(project)[0])["jobs"]["test"]["strategy"]["matrix"]["python"]
    else:
        test = read_yaml(project / ".gitlab-ci.yml")["test"]
        (tested,) = [entry["PYTHON"] for entry in test["parallel"]["matrix"]]
    assert tested == list(PYTHONS[PYTHONS.index(lowest) :])


@pytest.mark.parametrize("provider", ["github", "gitlab"])
def test_ci_runs_what_developers_run(render: Renderer, provider: str) -> None:
    project = render("cookiecutter", ci_provider=provider)
    script = (project / "scripts/check").read_text("utf-8")
    commands = {line.split(maxsplit=4)[4] for line in script.splitlines() if "--frozen" in line}
    program = dist_name(project)
    assert {command.split()[0] for command in commands} == {"ruff", "ty", program, "pytest"}
    ran = ci_text(project)
    # CI adds options (annotations, reports), so that only the beginnings are compared.
    assert [c for c in commands if f"uv run --frozen {c.split(' --')[0]}" not in ran] == []
    assert "pytest --cov " in ran, "without --cov there is no coverage gate"


@pytest.mark.parametrize("provider", ["github", "gitlab"])
def test_ci_audits_lists_and_scans(render: Renderer, provider: str) -> None:
    ran = ci_text(render("cookiecutter", ci_provider=provider))
    for tool in (
        "uv audit --locked",
        "--format cyclonedx1.5",
        "kingfisher scan . ",
        "--no-validate",
    ):
        assert tool in " ".join(ran.split()), tool


@pytest.mark.parametrize("provider", ["github", "gitlab"])
def test_ci_builds_docs_and_image_only_where_there_are_some(
    render: Renderer, provider: str
) -> None:
    for chosen in (True, False):
        answers = dict.fromkeys(("include_docs", "include_docker"), chosen)
        ran = ci_text(render("cookiecutter", ci_provider=provider, **answers))
        assert ("zensical build --strict" in ran) is chosen
        assert ("dockerfile" in ran.lower()) is chosen


@pytest.mark.parametrize("provider", ["github", "gitlab"])
def test_uv_has_one_version_everywhere(render: Renderer, provider: str) -> None:
    project = render("cookiecutter", ci_provider=provider)
    versions = set(re.findall(r'UV_VERSION: "(.*)"', ci_text(project)))
    versions.add(read_stages(project / "deploy/Dockerfile")["uv"].base.rpartition(":")[2])
    versions.add((ROOT / "requirements/uv.in").read_text().strip().partition("==")[2])
    assert len(versions) == 1, versions


@pytest.mark.parametrize("provider", ["github", "gitlab"])
def test_hooks_that_ci_skips_exist(render: Renderer, provider: str) -> None:
    project = render("cookiecutter", ci_provider=provider)
    (skipped,) = set(re.findall(r"SKIP: (\S+)", ci_text(project)))
    assert set(skipped.split(",")) <= {hook["id"] for hook in hooks(project)}


def command_of(project: Path, pattern: str) -> list[str]:
    """Return the arguments of the one command of the security workflow that a pattern finds."""
    text = " ".join((project / ".github/workflows/security.yml").read_text("utf-8").split())
    (found,) = re.findall(pattern, text)
    return str(found).split()


@pytest.mark.slow
def test_secret_scan_passes_on_a_new_project_and_searches_the_history(
    project_copy: Path, run_in: RunIn, uv: str, tmp_path: Path
) -> None:
    uvx = command_of(project_copy, r"uvx (--from kingfisher.*? --redact)")
    scan = (uv, "tool", "run", *uvx)
    commit_all(project_copy, "generated")
    run_in(project_copy, *scan, online=True)
    token = "ghp_" + hashlib.sha256(b"made up").hexdigest()[:36]
    (project_copy / "leak.py").write_text(f'TOKEN = "{token}"\n')
    commit_all(project_copy, "leak")
    (project_copy / "leak.py").unlink()
    commit_all(project_copy, "hide it")
    # As in CI, where no run has the cache of another: with one it has crashed.
    cache = str(tmp_path / "cache")
    found = run_in(project_copy, *scan, check=False, online=True, XDG_CACHE_HOME=cache)
    assert found.returncode != 0
    assert "leak.py" in found.stdout, show(found)
    assert token not in found.stdout


def test_bill_of_materials_lists_what_the_image_installs(
    project_copy: Path, run_in: RunIn, uv: str
) -> None:
    run_in(project_copy, uv, "lock", "--quiet", online=True)
    export = command_of(project_copy, r"uv (export .*? sbom\.cdx\.json)")
    run_in(project_copy, uv, *export, online=True)
    bill = json.loads((project_copy / "sbom.cdx.json").read_text("utf-8"))
    names = {component["name"] for component in bill["components"]}
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.5")
    assert {"fastapi", "uvicorn", "starlette"} <= names
    assert names & {"pytest", "ruff"} == set()
