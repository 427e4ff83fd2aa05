"""The two cookiecutter hooks: nothing is lost, and the project knows where it came from."""

import ast
import http.server
import json
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import jinja2
import manifest as generator
import pytest
import yaml
from combinations import BODY, ROOT
from processes import RunIn, show
from rendering import TAG, Renderer, commit_all, copy_template, git, snapshot

HOOKS = sorted((ROOT / "hooks").glob("*.py"))
FALLBACK = "https://github.com/slipway-platform/slipway.git"


def recorded(project: Path) -> tuple[str | None, str | None]:
    """Return (`_commit`, `_src_path`) as `copier update` reads them."""
    answers = yaml.safe_load((project / ".copier-answers.yml").read_text("utf-8"))
    return answers.get("_commit"), answers.get("_src_path")


def hook_functions(path: Path, context: dict[str, Any]) -> dict[str, Any]:
    """Return what a hook defines, rendered as cookiecutter does but not run."""
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined)
    source = environment.from_string(path.read_text("utf-8")).render(cookiecutter=context)
    names: dict[str, Any] = {"__name__": path.stem}
    exec(compile(source, str(path), "exec"), names)
    return names


@pytest.fixture
def from_folder(
    render: Renderer, template: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Path]:
    """Return a function that renders as if typed in the folder above the template."""

    def go(source: str, **options: Any) -> Path:
        monkeypatch.chdir(template.parent)
        monkeypatch.setenv(
            "PWD", str(template.parent)
        )  # a shell keeps it up to date; chdir does not
        return render.cookiecutter(render.new_folder(), source, **options)

    return go


# --- what they are made of -----------------------------------------------------------------------


@pytest.mark.parametrize("path", HOOKS, ids=lambda path: path.stem)
def test_hook_imports_only_the_standard_library_and_no_network(path: Path) -> None:
    imported = set()
    tree = ast.parse(path.read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            imported.add(str(node.module).partition(".")[0])
    assert imported <= sys.stdlib_module_names
    assert not imported & {"socket", "ssl", "urllib", "http", "ftplib", "smtplib", "asyncio"}
    called = {
        node.func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not called & {"input", "eval", "exec", "__import__", "breakpoint"}, "hooks never ask"


@pytest.mark.parametrize("path", HOOKS, ids=lambda path: path.stem)
def test_hook_only_reads_git(path: Path) -> None:
    calls = [n for n in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(n, ast.Call)]
    git_calls = [n for n in calls if isinstance(n.func, ast.Name) and n.func.id == "git"]
    commands = {n.args[1].value for n in git_calls if isinstance(n.args[1], ast.Constant)}
    assert commands <= {"rev-parse", "describe", "remote"}
    assert (
        sum(isinstance(n.func, ast.Attribute) and n.func.attr in {"run", "Popen"} for n in calls)
        <= 1
    )


@pytest.mark.parametrize("path", HOOKS, ids=lambda path: path.stem)
def test_hook_is_python_3_11(path: Path) -> None:
    ast.parse(path.read_text("utf-8"), feature_version=(3, 11))


def test_hooks_do_without_network_terminal_and_packages(
    default_project: Path, tmp_path: Path
) -> None:
    """Run both as cookiecutter would, in an interpreter with no site packages and nothing to read from."""
    context = {
        **json.loads((ROOT / "cookiecutter.json").read_text("utf-8")),
        "_template": ".",
        "_repo_dir": ".",
    }
    answers = yaml.safe_load((default_project / ".copier-answers.yml").read_text("utf-8"))
    context |= {"_output_dir": str(tmp_path)} | {
        k: v for k, v in answers.items() if not k.startswith("_")
    }
    (tmp_path / "project").mkdir()
    for name in ("pre_gen_project", "post_gen_project"):
        if name.startswith("post"):
            shutil.copy(default_project / ".copier-answers.yml", tmp_path / "project")
        source = jinja2.Environment().from_string((ROOT / f"hooks/{name}.py").read_text("utf-8"))
        (tmp_path / f"{name}.py").write_text(source.render(cookiecutter=context), "utf-8")
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-W", "error", str(tmp_path / f"{name}.py")],
            cwd=tmp_path / "project",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), show(done)


# --- pre_gen -------------------------------------------------------------------------------------


def test_target_that_holds_something_is_refused_and_nothing_is_lost(
    template: Path, tmp_path: Path, run_in: RunIn
) -> None:
    project = tmp_path / "acme_orders"
    work = project / "docs/mine.md"
    work.parent.mkdir(parents=True)
    work.write_text("a week of work\n")
    before = snapshot(project)
    done = run_in(
        tmp_path, "cookiecutter", template, "--no-input", "-f", "include_docs=false", check=False
    )
    assert done.returncode != 0
    assert "acme_orders/ is not empty" in done.stdout + done.stderr, show(done)
    assert "copier update" in done.stdout + done.stderr, show(done)
    assert snapshot(project) == before


def test_empty_target_is_accepted(render: Renderer, template: Path) -> None:
    from cookiecutter.main import cookiecutter  # noqa: PLC0415  # after the home has moved

    out = render.new_folder()
    (out / "acme_orders").mkdir()
    made = cookiecutter(
        str(template),
        no_input=True,
        overwrite_if_exists=True,
        output_dir=str(out),
        config_file=str(render.config),
    )
    assert snapshot(Path(made)) == snapshot(render("cookiecutter"))


# --- post_gen: where the project came from -------------------------------------------------------


def test_local_path_is_recorded_absolute_with_the_tag(render: Renderer, template: Path) -> None:
    assert recorded(render("cookiecutter")) == (TAG, str(template))


def test_relative_path_is_recorded_absolute(
    from_folder: Callable[..., Path], template: Path
) -> None:
    assert recorded(from_folder(f"./{template.name}")) == (TAG, str(template))


@pytest.fixture(scope="session")
def bare(template: Path) -> Path:
    """Return a bare clone of the template, as a server keeps it."""
    clone = template.parent / "served.git"
    git(template, "clone", "-q", "--bare", str(template), str(clone))
    git(clone, "update-server-info")
    return clone


@pytest.mark.parametrize("prefix", ["git+file://", "file://"])
def test_cloned_template_is_recorded_by_its_url_and_tag(
    render: Renderer, bare: Path, prefix: str
) -> None:
    project = render.cookiecutter(render.new_folder(), f"{prefix}{bare}", checkout=TAG)
    assert recorded(project) == (TAG, f"git+file://{bare}")


def test_abbreviation_is_recorded_expanded(render: Renderer, template: Path) -> None:
    project = render.cookiecutter(render.new_folder(), f"acme:{template.name}")
    assert recorded(project) == (TAG, f"git+file://{template}")


def test_commits_after_a_tag_are_recorded_as_copier_does(render: Renderer, tmp_path: Path) -> None:
    template = copy_template(tmp_path / "slipway")
    commit = commit_all(template, "one more")
    project = render.cookiecutter(render.new_folder(), str(template))
    assert recorded(project)[0] == f"{TAG}-1-g{commit[:7]}"
    copied = render.copier(render.new_folder() / "project", str(template), vcs_ref="HEAD")
    assert recorded(copied) == recorded(project)


def test_uncommitted_changes_are_recorded_as_the_tag_below(
    render: Renderer, tmp_path: Path
) -> None:
    template = copy_template(tmp_path / "slipway")
    with (template / BODY.name / "README.md").open("a") as readme:
        readme.write("not committed\n")
    project = render.cookiecutter(render.new_folder(), str(template))
    assert "not committed" in (project / "README.md").read_text("utf-8")
    assert recorded(project) == (TAG, str(template))


def test_archive_knows_its_release(render: Renderer, template: Path, tmp_path: Path) -> None:
    archive = tmp_path / "slipway.zip"
    git(template, "archive", "--prefix=slipway/", "-o", str(archive), TAG)
    project = render.cookiecutter(render.new_folder(), str(archive))
    assert recorded(project) == (TAG, FALLBACK)


def test_plain_folder_is_recorded_without_a_guess(
    render: Renderer, template: Path, tmp_path: Path
) -> None:
    plain = tmp_path / "plain"
    shutil.copytree(template, plain, ignore=shutil.ignore_patterns(".git"))
    assert recorded(render.cookiecutter(render.new_folder(), str(plain))) == (None, FALLBACK)


def test_folder_inside_another_repository_does_not_take_its_commit(
    render: Renderer, template: Path, tmp_path: Path
) -> None:
    inner = tmp_path / "monorepo/templates/slipway"
    shutil.copytree(template, inner, ignore=shutil.ignore_patterns(".git"))
    commit_all(tmp_path / "monorepo", "all", "v9.9.9")
    assert recorded(render.cookiecutter(render.new_folder(), str(inner))) == (None, FALLBACK)


class _QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the name is inherited
        """Print nothing."""


@pytest.fixture
def served(bare: Path) -> Iterator[int]:
    """Serve the template's repository over HTTP on this machine, and return the port."""
    handler = partial(_QuietHandler, directory=str(bare.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def test_token_in_the_url_is_never_written(
    render: Renderer, served: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    url = f"http://robot:gh0st-t0ken@127.0.0.1:{served}/served.git"
    project = render.cookiecutter(render.new_folder(), f"git+{url}")
    assert recorded(project) == (TAG, f"http://127.0.0.1:{served}/served.git")
    leaked = [path for path, (_, data) in snapshot(project).items() if b"gh0st" in data]
    assert leaked == []


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://t0ken@example.com/x.git", "https://example.com/x.git"),
        ("https://robot:t0ken@example.com/x.git", "https://example.com/x.git"),
        ("git+https://robot:t0ken@example.com/x.git", "git+https://example.com/x.git"),
        ("https://robot@acme.com:t0ken@example.com/x.git", "https://example.com/x.git"),
        ("ssh://git:t0ken@example.com/x.git", "ssh://git@example.com/x.git"),
        ("ssh://git@example.com/x.git", "ssh://git@example.com/x.git"),
        ("git@example.com:acme/x.git", "git@example.com:acme/x.git"),
        ("https://example.com/a@b/x.git", "https://example.com/a@b/x.git"),
        ("/srv/t@b/slipway", "/srv/t@b/slipway"),
    ],
)
def test_credentials_are_taken_out_of_a_url(url: str, kept: str) -> None:
    hook = hook_functions(ROOT / "hooks/post_gen_project.py", {})
    assert hook["without_credentials"](url) == kept
    # Copier records the address as it was typed, so its template takes them out by the same rule.
    environment = jinja2.Environment()
    environment.filters["regex_replace"] = lambda text, old, new: re.sub(old, new, text)
    rule = environment.from_string("{{ url" + generator.WITHOUT_CREDENTIALS + " }}")
    assert rule.render(url=url) == kept


def test_run_without_repository_folder_keeps_the_given_commit() -> None:
    """Cruft hands over the full hash and the URL, and no `_repo_dir`."""
    hook = hook_functions(ROOT / "hooks/post_gen_project.py", {})
    context = {
        "_commit": "0" * 40,
        "_src_path": FALLBACK,
        "_template": "https://t0ken@example.com/x.git",
    }
    assert hook["origin"](context) == ("0" * 40, "https://example.com/x.git")


# --- post_gen: what was not chosen ---------------------------------------------------------------


def test_leftovers_of_a_work_tree_are_not_copied(
    render: Renderer, template: Path, tmp_path: Path
) -> None:
    untidy = Path(shutil.copytree(template, tmp_path / "slipway"))
    for name in ("__pycache__/x.pyc", "src/.DS_Store", ".venv/bin/python", "uv.lock", ".coverage"):
        path = untidy / BODY.name / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("junk")
    project = render.cookiecutter(render.new_folder(), str(untidy))
    names = {path.relative_to(project).as_posix() for path in project.rglob("*")}
    assert not {
        n for n in names if re.search(r"__pycache__|\.DS_Store|\.venv|uv\.lock|\.coverage$", n)
    }
    assert snapshot(project).keys() == snapshot(render("cookiecutter")).keys()
