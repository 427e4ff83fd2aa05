"""A project made by either engine takes updates: what is the platform's changes, what is its own stays."""

import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ownership
import pytest
import yaml
from combinations import BODY, load_manifest
from processes import RunIn
from rendering import (
    ENGINES,
    TAG,
    Renderer,
    commit_all,
    copy_project,
    copy_template,
    git,
    slug_of,
    snapshot,
)

pytestmark = pytest.mark.slow

NEXT = "v0.0.2"
MANAGED = "src/{slug}/core/errors.py"
MERGED = ".gitignore"
OWNED = "src/{slug}/main.py"
THEIRS = "# This project's: add lines below this one; releases add theirs above it.\n"


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the template with a second release, which changes a managed, a merged and an owned file."""
    template = copy_template(tmp_path_factory.mktemp("releases") / "slipway")
    body = template / BODY.name
    slug = "{{cookiecutter.project_slug}}"
    for pattern, addition in (
        (MANAGED, "\n# The second release.\n"),
        (OWNED, "\n# Only projects that are new see this.\n"),
    ):
        with (body / pattern.format(slug=slug)).open("a", encoding="utf-8") as file:
            file.write(addition)
    merged = body / MERGED
    text = merged.read_text("utf-8")
    assert text.endswith(f"\n{THEIRS}"), "what the template adds below would conflict with projects"
    merged.write_text(text.replace(THEIRS, f"# The second release\n*.second\n\n{THEIRS}"), "utf-8")
    (body / "src" / slug / "core/second.py").write_text('"""New in the second release."""\n')
    commit_all(template, "the second release", NEXT)
    return template


@pytest.fixture
def made(render: Renderer, releases: Path, tmp_path: Path) -> Callable[..., Path]:
    """Return a function that makes a project of the first release, committed."""

    def make(engine: str, **answers: Any) -> Path:
        if engine == "cookiecutter":
            source, out = f"git+file://{releases}", render.new_folder()
            project = render.cookiecutter(out, source, checkout=TAG, **answers)
        else:
            project = render.copier(
                render.new_folder() / "project", str(releases), vcs_ref=TAG, **answers
            )
        copy = copy_project(project, tmp_path / engine)
        commit_all(copy, "generated")
        return copy

    return make


def update(project: Path, vcs_ref: str | None = None, **answers: Any) -> None:
    """Run `copier update`, untrusted, and fail when it leaves a conflict."""
    from copier import run_update  # noqa: PLC0415  # after the home has moved

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # copier leaves a pipe to the collector
        run_update(
            project, data=answers, defaults=True, overwrite=True, quiet=True, vcs_ref=vcs_ref
        )
    assert git(project, "diff", "--name-only", "--diff-filter=U") == ""
    commit_all(project, "updated")


def without_answers(tree: dict[str, tuple[bool, bytes]]) -> dict[str, tuple[bool, bytes]]:
    """Leave out the one file that records how a project was made."""
    return {name: file for name, file in tree.items() if name != ".copier-answers.yml"}


@pytest.mark.parametrize(
    "name", [MERGED, ".gitattributes", ".pre-commit-config.yaml", "pyproject.toml"]
)
def test_template_keeps_the_end_of_what_both_add_to_for_the_project(name: str) -> None:
    assert (BODY / name).read_text("utf-8").splitlines()[-1].strip() == THEIRS.strip()


@pytest.mark.parametrize("engine", ENGINES)
def test_untouched_project_becomes_the_next_release(
    render: Renderer, releases: Path, made: Callable[..., Path], engine: str
) -> None:
    project = made(engine)
    update(project)
    fresh = snapshot(render.copier(render.new_folder() / "project", str(releases), vcs_ref=NEXT))
    owned = OWNED.format(slug="acme_orders")
    assert b"Only projects that are new" not in (project / owned).read_bytes()
    fresh[owned] = (False, (project / owned).read_bytes())
    assert without_answers(snapshot(project)) == without_answers(fresh)
    answers = yaml.safe_load((project / ".copier-answers.yml").read_text("utf-8"))
    assert answers["_commit"] == NEXT


@pytest.mark.parametrize("engine", ENGINES)
def test_owned_edits_survive_and_deleted_owned_files_stay_away(
    made: Callable[..., Path], engine: str
) -> None:
    project = made(engine)
    main = project / OWNED.format(slug="acme_orders")
    main.write_text(main.read_text("utf-8").replace("app = ", "service = app = "), "utf-8")
    edited = main.read_bytes()
    for gone in ("src/acme_orders/orders", "tests/orders"):
        shutil.rmtree(project / gone)
    (project / "CHANGELOG.md").unlink()
    (project / "src/acme_orders/mine.py").write_text("X = 1\n")
    for name, lines in (("pyproject.toml", '\n[tool.mine]\nx = "y"\n'), (MERGED, "*.mine\n")):
        with (project / name).open("a") as file:
            file.write(lines)
    commit_all(project, "my own work")
    before = snapshot(project)
    update(project)
    after = snapshot(project)
    assert main.read_bytes() == edited
    # Both sides added to the end, without a conflict.
    ignored = (project / MERGED).read_text("utf-8")
    assert ignored.endswith(f"# The second release\n*.second\n\n{THEIRS}*.mine\n")
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert changed == {
        MANAGED.format(slug="acme_orders"),
        MERGED,
        "src/acme_orders/core/second.py",
        ".copier-answers.yml",
    }


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("feature", ["include_docs", "include_docker"])
def test_feature_switched_off_and_on_again_gives_the_same_tree(
    render: Renderer, made: Callable[..., Path], releases: Path, engine: str, feature: str
) -> None:
    project = made(engine)
    before = snapshot(project)
    update(project, TAG, **{feature: False})
    off = render.copier(
        render.new_folder() / "project", str(releases), vcs_ref=TAG, **{feature: False}
    )
    kept = set(snapshot(project)) - set(snapshot(off))
    assert kept <= owned_files(before), "a managed file stays behind"
    update(project, TAG, **{feature: True})
    assert snapshot(project) == before


@pytest.mark.parametrize("left", ["include_financial", "include_audit_logging"])
def test_path_of_two_features_goes_with_either_of_them_and_comes_back(
    made: Callable[..., Path], left: str
) -> None:
    shared = "src/acme_orders/audit/financial.py"
    project = made("cookiecutter", include_financial=True, include_audit_logging=True)
    before = snapshot(project)
    assert shared in before
    update(project, TAG, **{left: False})
    assert shared not in snapshot(project)
    update(project, TAG, **{left: True})
    assert snapshot(project) == before


def owned_files(tree: dict[str, Any]) -> set[str]:
    """Return the owned paths of a project: they stay when their feature is switched off."""
    return {name for name in tree if ownership.classes_of(name, load_manifest()) == ["owned"]}


@pytest.mark.parametrize("feature", ["include_docs", "include_docker"])
def test_feature_switched_on_later_brings_its_owned_files(
    render: Renderer, made: Callable[..., Path], releases: Path, feature: str
) -> None:
    project = made("cookiecutter", **{feature: False})
    update(project, TAG, **{feature: True})
    on = render.copier(render.new_folder() / "project", str(releases), vcs_ref=TAG)
    assert without_answers(snapshot(project)) == without_answers(snapshot(on))


def test_update_from_the_command_line_needs_no_trust_and_no_answers(
    made: Callable[..., Path], run_in: RunIn
) -> None:
    project = made("cookiecutter", project_name="Rocket 🚀 API", project_slug="rocket")
    done = run_in(project, "copier", "update", "--defaults")
    assert "MissingFileWarning" not in done.stderr
    answers = yaml.safe_load((project / ".copier-answers.yml").read_text("utf-8"))
    assert (answers["_commit"], answers["project_name"]) == (NEXT, "Rocket 🚀 API")
    assert 'site_name: "Rocket 🚀 API"' in (project / "mkdocs.yml").read_text("utf-8")


def test_database_switched_on_later_leaves_the_projects_own_domain_alone(
    made: Callable[..., Path], run_in: RunIn
) -> None:
    """Its `orders/` keep their store in memory, so no migration of orders may come along."""
    project = made("copier")
    before = {n: f for n, f in snapshot(project).items() if "/orders/" in n}
    update(project, TAG, include_database=True)
    after = snapshot(project)
    assert {n: f for n, f in after.items() if "/orders/" in n} == before
    slug = slug_of(project)
    assert [name for name in after if name.startswith(f"src/{slug}/migrations/")] == []
    run_in(project, "python", "-m", slug, "db", "upgrade")
    run_in(project, "python", "-m", slug, "db", "check")
    run_in(project, "python", "-m", slug, "db", "revision", "-m", "first", "--empty")
    run_in(project, "python", "-m", slug, "db", "upgrade")
    run_in(project, "ruff", "check", ".")
    tests = ("tests/orders", *sorted(str(p) for p in (project / "tests/core").glob("test_[dmr]*")))
    run_in(project, "python", "-m", "pytest", "-q", *tests)


def test_database_switched_off_and_on_again_gives_the_same_tree(
    made: Callable[..., Path],
) -> None:
    project = made("copier", include_database=True)
    before = snapshot(project)
    update(project, TAG, include_database=False)
    left = [name for name in snapshot(project) if "database" in name or "/migration" in name]
    assert {n for n in left if ownership.classes_of(n, load_manifest()) != ["owned"]} == set()
    update(project, TAG, include_database=True)
    assert snapshot(project) == before
