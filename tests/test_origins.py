"""However a project came to be, it takes the next release, or says in a sentence what to add."""

from __future__ import annotations

import http.server
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import tiny_template
from in_process import UpdateError, scripts_update
from rendering import Renderer, commit_all, git, snapshot
from updating import answers
from updating.engine import REASONS

FIRST, NEXT = tiny_template.RELEASES[:2]
Made = Callable[[], Path]


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_template.build(tmp_path_factory.mktemp("origins") / "tiny", with_scripts=False)


@pytest.fixture
def render(history: Path, tmp_path: Path) -> Renderer:
    (tmp_path / "renders").mkdir()
    return Renderer(history, tmp_path / "renders")


@pytest.fixture(scope="module")
def bare(history: Path) -> Path:
    """Return a bare clone, as a server has it."""
    clone = history.parent / "served.git"
    git(history, "clone", "-q", "--bare", str(history), str(clone))
    git(clone, "update-server-info")
    return clone


@pytest.fixture
def at_first(history: Path, tmp_path: Path) -> Path:
    """Return a clone whose work tree is at the first release."""
    clone = tmp_path / "slipway-tiny"
    git(tmp_path, "clone", "-q", str(history), str(clone))
    git(clone, "checkout", "-q", "-B", "work", FIRST)
    git(clone, "tag", "-d", *tiny_template.RELEASES[1:])
    return clone


def bring_next(clone: Path) -> None:
    """Let the releases arrive in a clone."""
    git(clone, "fetch", "-q", "--tags", "origin")


def updates(project: Path, tag: str = NEXT) -> dict[str, Any]:
    """Take the next release and return what the project had recorded before."""
    commit_all(project, "generated")
    before = answers.read(project)
    scripts_update(project, to=tag)
    assert answers.read(project)["_commit"] == tag
    assert "APP_3 = 33" in (project / "src/acme_orders/core/app.py").read_text()
    return before


@pytest.mark.parametrize("prefix", ["git+file://", "file://"])
def test_cookiecutter_from_a_url(render: Renderer, bare: Path, prefix: str) -> None:
    project = render.cookiecutter(render.new_folder(), f"{prefix}{bare}", checkout=FIRST)
    assert updates(project)["_commit"] == FIRST


def test_cookiecutter_from_an_abbreviation(render: Renderer, history: Path) -> None:
    project = render.cookiecutter(render.new_folder(), f"acme:{history.name}", checkout=FIRST)
    assert updates(project)["_src_path"] == f"git+file://{history}"


@pytest.mark.parametrize("relative", [False, True])
def test_cookiecutter_from_a_local_path(
    render: Renderer, at_first: Path, monkeypatch: pytest.MonkeyPatch, relative: bool
) -> None:
    monkeypatch.chdir(at_first.parent)
    monkeypatch.setenv("PWD", str(at_first.parent))
    source = f"./{at_first.name}" if relative else str(at_first)
    project = render.cookiecutter(render.new_folder(), source)
    bring_next(at_first)
    assert updates(project)["_src_path"] == str(at_first)


def test_cookiecutter_from_a_zip(render: Renderer, history: Path, tmp_path: Path) -> None:
    archive = tmp_path / "tiny.zip"
    git(history, "archive", "--prefix=tiny/", "-o", str(archive), FIRST)
    project = render.cookiecutter(render.new_folder(), str(archive))
    assert updates(project)["_commit"] == FIRST


def test_cookiecutter_from_a_branch_past_the_tag(render: Renderer, at_first: Path) -> None:
    commit_all(at_first, "one more")
    project = render.cookiecutter(render.new_folder(), str(at_first))
    commit_all(project, "generated")
    with pytest.raises(UpdateError, match=r"(?i)downgrad"):
        scripts_update(project)
    assert "wait for the next" in REASONS["downgrad"]
    bring_next(at_first)
    assert re.fullmatch(rf"{FIRST}-1-g[0-9a-f]+", str(updates(project)["_commit"]))


def test_cookiecutter_from_a_dirty_work_tree(render: Renderer, at_first: Path) -> None:
    app = next(at_first.glob("*/src/*/core/app.py"))
    app.write_text(app.read_text() + "# not committed\n")
    project = render.cookiecutter(render.new_folder(), str(at_first))
    commit_all(project, "generated")
    bring_next(at_first)
    outcome = scripts_update(project, to=NEXT)
    assert list(outcome.bent) == ["src/acme_orders/core/app.py"]


def test_copier_from_a_path(render: Renderer, history: Path) -> None:
    project = render.copier(render.new_folder() / "p", str(history), vcs_ref=FIRST)
    assert updates(project)["_src_path"] == str(history)


def test_cruft(render: Renderer, bare: Path) -> None:
    """Cruft renders a clone of its own, and hands over the address and the full hash."""
    commit = git(bare, "rev-parse", f"{FIRST}^0")
    clone = render.new_folder() / "clone"
    git(bare, "clone", "-q", str(bare), str(clone))
    git(clone, "checkout", "-q", commit)
    project = _as_cruft_does(render, clone, f"file://{bare}", commit)
    assert updates(project)["_commit"] == commit


def _as_cruft_does(render: Renderer, clone: Path, url: str, commit: str) -> Path:
    from cookiecutter.config import get_user_config  # noqa: PLC0415  # after the home has moved
    from cookiecutter.generate import generate_context, generate_files  # noqa: PLC0415  # as above
    from cookiecutter.prompt import prompt_for_config  # noqa: PLC0415  # as above

    get_user_config(str(render.config))
    context = generate_context(str(clone / "cookiecutter.json"))
    filled = prompt_for_config(context, no_input=True)
    context["cookiecutter"] = filled | {"_template": f"git+{url}", "_commit": commit}
    out = render.new_folder()
    return Path(generate_files(str(clone), context=context, output_dir=str(out)))


def test_project_made_from_a_plain_folder_is_told_the_line_to_add(
    render: Renderer, history: Path, tmp_path: Path
) -> None:
    plain = tmp_path / "plain"
    shutil.copytree(history, plain, ignore=shutil.ignore_patterns(".git"))
    git(plain, "init", "-q")
    shutil.rmtree(plain / ".git")
    project = render.cookiecutter(render.new_folder(), str(plain))
    commit_all(project, "generated")
    with pytest.raises(UpdateError, match=r"add it, as in `_commit: .v1\.0\.0.`"):
        scripts_update(project)
    with (project / ".copier-answers.yml").open("a") as file:
        file.write(f'_commit: "{tiny_template.RELEASES[-1]}"\n')
    commit_all(project, "adopted")
    assert scripts_update(project).bent == {}


def test_release_that_is_gone_is_named(render: Renderer, history: Path) -> None:
    project = render.copier(render.new_folder() / "p", str(history), vcs_ref=FIRST)
    path = project / ".copier-answers.yml"
    path.write_text(path.read_text().replace(FIRST, "v0.7.7"))
    commit_all(project, "generated")
    with pytest.raises(UpdateError, match="copier could not update"):
        scripts_update(project)
    assert git(project, "status", "--porcelain") == ""


class _QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the name is inherited
        """Print nothing."""


@pytest.fixture
def served(bare: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Serve the template's repository over HTTP on this machine, and return the host."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    handler = partial(_QuietHandler, directory=str(bare.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("engine", ["cookiecutter", "copier"])
def test_token_of_the_url_is_in_no_file_before_and_after_an_update(
    render: Renderer, served: str, engine: str
) -> None:
    url = f"http://robot:gh0st-t0ken@{served}/served.git"
    out = render.new_folder()
    if engine == "copier":
        project = render.copier(out / "p", url, vcs_ref=FIRST)
    else:
        project = render.cookiecutter(out, f"git+{url}", checkout=FIRST)
    assert updates(project)["_src_path"] == f"http://{served}/served.git"
    leaked = [name for name, (_, data) in snapshot(project).items() if b"gh0st" in data]
    assert leaked == []
