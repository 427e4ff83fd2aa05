"""Small fleets for tests: a template with releases, projects in bare or working clones, the command."""

import contextlib
import io
import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from combinations import BODY
from rendering import commit_all, git
from slipway_fleet import cli
from slipway_fleet.answers import Origin
from slipway_fleet.config import FleetConfig
from slipway_fleet.git import Store
from slipway_fleet.objects import write_commit, write_object, write_tree
from slipway_fleet.snapshot import CatFile, Snapshot, open_snapshot
from slipway_fleet.template import RenderCache

WHO = "Tests <tests@example.com>"
WHEN = 1_790_000_000
OLD, MIDDLE, NEW = "v1.0.0", "v1.1.0", "v2.0.0"
RENAMED_FROM, RENAMED_TO = "docs/platform/configuration.md", "docs/platform/settings.md"
ADDED = "docs/platform/upgrading.md"
MANAGED_LINE = (
    "# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md."
)


def replace_in(path: Path, old: str, new: str) -> None:
    """Replace a text that must be there."""
    text = path.read_text("utf-8")
    assert old in text, f"{path.name} has no {old!r} any more"
    path.write_text(text.replace(old, new, 1), "utf-8")


def add_releases(template: Path) -> None:
    """Tag what there is as the first release and make two more, as a platform team would."""
    body = template / BODY.name
    git(template, "tag", OLD)
    replace_in(
        body / "pyproject.toml",
        'requires-python = ">=',
        'keywords = ["slipway"]\nrequires-python = ">=',
    )
    (body / ADDED).write_text("<!-- " + MANAGED_LINE.removeprefix("# ") + " -->\n\n# Upgrading\n")
    commit_all(template, "second release", MIDDLE)
    (body / RENAMED_FROM).rename(body / RENAMED_TO)
    replace_in(body / "AGENTS.md", "\n", "\n\nRelease two says more.\n")
    replace_in(body / ".gitignore", "\n", "\n/new-in-two/\n")
    replace_in(body / "README.md", "\n", "\nThe template's README of release two.\n")
    commit_all(template, "third release", NEW)


def clone_template(shared: Path, tmp_path: Path) -> Path:
    """Return a cache for one test: the shared renders and mirrors, its own of everything else."""
    cache = tmp_path / "cache"
    cache.mkdir()
    Store.create(shared / "store.git")
    for name in ("renders", "templates", "store.git"):
        (shared / name).mkdir(exist_ok=True)
        (cache / name).symlink_to(shared / name)
    return cache


_RENDERED: dict[tuple[object, ...], dict[str, tuple[str, bytes]]] = {}


@dataclass
class Ran:
    """What the command printed and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Return the document it printed."""
        return json.loads(self.out)


class Fleet:
    """A fleet.toml, a template and projects in one folder."""

    def __init__(self, root: Path, template: Path, cache: Path) -> None:
        self.root, self.template, self.cache = root, template, cache
        self.projects = root / "projects"
        self.projects.mkdir()
        self.toml = root / "fleet.toml"
        self.configure()

    def configure(self, more: str = "", source: str = "") -> None:
        """Write fleet.toml; one worker, so that a test is one process."""
        source = source or '[[source]]\ntype = "dir"\npath = "projects"\n'
        head = f'[fleet]\ncache = "{self.cache}"\nworkers = 1\n'
        text = f'{head}\n[[template]]\nurl = "{self.template}"\n\n{source}\n{more}'
        self.toml.write_text(text)

    @property
    def config(self) -> FleetConfig:
        """Return the configuration."""
        from slipway_fleet.config import load  # noqa: PLC0415  # reads what was written last

        return load(self.toml)

    def rendered(self, release: str = OLD, **answers: Any) -> dict[str, tuple[str, bytes]]:
        """Return what the template renders, `path: (mode, bytes)`."""
        key = (str(self.template), release, *sorted(answers.items()))
        if key not in _RENDERED:
            store = Store.create(self.cache / "store.git")
            cache = RenderCache(self.config)
            origin = Origin(str(self.template), release)
            made, _ = cache.render(origin, answers, store=store)
            reader = CatFile(store.reading(cache.mirror_of(origin.url).store.objects))
            _RENDERED[key] = {p: (file.mode, reader(file.sha)) for p, file in made.files.items()}
            reader.close()
        return dict(_RENDERED[key])

    def add(
        self, name: str, files: dict[str, tuple[str, bytes]] | None = None, *, shared: bool = True
    ) -> Path:
        """Make a bare project that is its own remote, by default as rendered at the first release.

        With `shared` its files lie in a store of all projects, which makes a hundred of them cheap.
        """
        path = self.projects / f"{name}.git"
        store = Store.create(path)
        if shared:
            common = Store.create(self.root / "contents.git")
            (store.objects / "info/alternates").write_text(f"{common.objects}\n")
        commit(
            path, self.rendered() if files is None else files, objects=common if shared else store
        )
        return path

    def add_many(self, count: int, **answers: Any) -> list[Path]:
        """Make projects that differ in name."""
        return [
            self.add(f"svc-{n:03}", self.rendered(project_slug=f"svc_{n:03}", **answers))
            for n in range(count)
        ]

    def run(self, *arguments: str | Path) -> Ran:
        """Run the command in this process."""
        words = ["fleet", *map(str, arguments)]
        if "--config" not in words:
            words += ["--config", str(self.toml)]
        return invoke(words)

    def snapshot(self, path: Path, ref: str = "HEAD") -> Snapshot:
        """Read a project."""
        return open_snapshot(path, Store.create(self.root / "reading.git"), ref=ref)


def invoke(words: Iterable[str]) -> Ran:
    """Run the command line in this process, as its program does."""
    before, out, err = sys.argv, io.StringIO(), io.StringIO()
    sys.argv = list(words)
    code: Any = 0
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            cli.main()
    except SystemExit as ended:
        code = ended.code
    finally:
        sys.argv = before
    return Ran(int(code or 0), out.getvalue(), err.getvalue())


def commit(
    path: Path,
    files: dict[str, tuple[str, bytes]],
    branch: str = "main",
    *,
    objects: Store | None = None,
) -> str:
    """Commit files to a bare repository and return the hash; `objects` is where they are written."""
    store = objects or Store(path)
    blobs = {
        p: (mode, write_object(store.objects, "blob", data)) for p, (mode, data) in files.items()
    }
    tree = write_tree(store.objects, blobs)
    ref = path / "refs/heads" / branch
    parents = (ref.read_text().strip(),) if ref.is_file() else ()
    made = write_commit(store.objects, tree, parents, "change\n", who=WHO, when=WHEN)
    ref.parent.mkdir(parents=True, exist_ok=True)
    ref.write_text(f"{made}\n")
    (path / "HEAD").write_text(f"ref: refs/heads/{branch}\n")
    return made


def branches(path: Path) -> dict[str, str]:
    """Return the branches of a repository with their commits."""
    listed = git(path, "for-each-ref", "--format=%(refname:short) %(objectname)", "refs/heads/")
    return dict(line.rsplit(" ", 1) for line in listed.splitlines())
