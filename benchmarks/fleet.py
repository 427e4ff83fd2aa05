"""The fleet tool over a synthetic fleet that this benchmark makes: wall time and CPU of whole commands.

As many distinct sets of answers as there are projects, rendered at three releases; a fifth of them
edited in owned and merged files, a fifth in managed ones, a fifth with files deleted, one in fifty
broken. Every project is a packed bare clone. "Cold" starts without mirror, renders and history.
"""

from __future__ import annotations

import itertools
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from render import copy_template, run_git
from rows import Row
from services import BenchmarkError
from slipway_fleet.git import Store
from slipway_fleet.objects import write_commit, write_object, write_tree
from slipway_fleet.template import Mirror
from slipway_fleet.template.render import Release

RELEASES = ("v1.0.0", "v1.1.0", "v2.0.0")
BODY = "{{cookiecutter.project_slug}}"
CACHE = ".fleet"
WHO = "Benchmark <benchmark@example.com>"
WHEN = 1_790_000_000

Files = dict[str, tuple[str, bytes]]


def measure(project: Path, *, quick: bool) -> list[Row]:
    """Return the seconds that commands take over 100 and 500 projects (20 when quick).

    Args:
        project: Not looked at: the fleet is made here.
        quick: A small fleet, for a first signal; its bars are not those of the large ones.

    Raises:
        BenchmarkError: When a command could not run.
    """
    del project
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="slipway-fleet-") as made:
        template = _template(Path(made) / "template")
        for count in (20,) if quick else (100, 500):
            folder = Path(made) / str(count)
            _fleet(folder, template, count)
            rows += _rows(folder, count)
            shutil.rmtree(folder)
    return rows


def _rows(folder: Path, count: int) -> list[Row]:
    bars = {100: (40.0, 5.0, 10.0), 500: (None, 25.0, None)}.get(count, (None, None, None))
    words = [f"at most {bar:.0f} s" if bar else "" for bar in bars]
    rows = []
    for name, what in (("check", "check (drift and 126 rules)"), ("drift", "drift")):
        cold = _command(folder, name, cold=True)
        warm, cpu = min(_command(folder, name) for _ in range(3))
        fleet = f"fleet, {count} projects, {what}"
        rows += [
            Row(f"{fleet} cold", cold[0], "s", bars[0], words[0]),
            Row(f"{fleet} warm", warm, "s", bars[1], words[1]),
            Row(f"{fleet} warm, CPU a project", 1000 * cpu / count, "ms"),
        ]
    _command(folder, "plan")
    plan, cpu = min(_command(folder, "plan") for _ in range(2))
    return [
        *rows,
        Row(f"fleet, {count} projects, plan warm", plan, "s", bars[2], words[2]),
        Row(f"fleet, {count} projects, plan warm, CPU a project", 1000 * cpu / count, "ms"),
    ]


def _command(folder: Path, name: str, *, cold: bool = False) -> tuple[float, float]:
    """Return the wall time and the CPU of a command over the fleet, in seconds."""
    if cold:
        shutil.rmtree(folder / CACHE, ignore_errors=True)
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    words = [sys.executable, "-m", "slipway_fleet", name, "--json", "--config", "fleet.toml"]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=900)
    wall, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in {1, 3}:
        raise BenchmarkError(f"fleet {name} ended with {done.returncode}:\n{done.stderr.strip()}")
    listed = json.loads(done.stdout)["projects"]
    unchecked = [p["project"] for p in listed if p["problem"] or _has_error(p)]
    broken = [p.name.removesuffix(".git") for p in folder.glob("projects/*-broken.git")]
    if sorted(unchecked) != sorted(broken):
        raise BenchmarkError(f"fleet {name} could not check {unchecked}, not only {broken}")
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return wall, cpu


def _has_error(checked: dict[str, Any]) -> bool:
    """Whether a rule could not be answered for a project."""
    return any(one["outcome"] == "error" for one in checked.get("findings", ()))


def _template(folder: Path) -> Path:
    """Return this checkout's template with three releases that differ in managed and merged files."""
    copy_template(folder)
    run_git(folder, "tag", RELEASES[0])
    body = folder / BODY
    for number, tag in enumerate(RELEASES[1:], 2):
        for name in ("AGENTS.md", ".gitignore", "src/{{cookiecutter.project_slug}}/core/app.py"):
            path = body / name
            mark = f"<!-- {tag} -->" if name.endswith(".md") else f"# {tag}"
            path.write_text(f"{path.read_text('utf-8')}{mark}\n", "utf-8")
        (body / f"SUPPORT-{number}.md").write_text(f"# Support, as of release {number}\n")
        run_git(folder, "add", "--all")
        run_git(folder, "commit", "--quiet", "--message", tag)
        run_git(folder, "tag", tag)
    return folder


def _fleet(folder: Path, template: Path, count: int) -> None:
    folder.mkdir()
    mirror = Mirror(str(template), folder / "made")
    releases = [Release(mirror, mirror.resolve(tag)) for tag in RELEASES]
    reader = mirror.blobs()
    choices = itertools.cycle(itertools.product((True, False), repeat=4))
    names = ("include_docs", "include_database", "include_caching", "include_audit_logging")
    for number in range(count):
        answers: dict[str, Any] = dict(zip(names, next(choices), strict=True))
        answers["project_slug"] = f"svc_{number:03}"
        which = number % len(releases)
        made = releases[which].render(answers, RELEASES[which], str(template))
        files: Files = {
            path: (file.mode, made.contents.get(file.sha) or reader(file.sha))
            for path, file in made.files.items()
        }
        broken = number % 50 == 49
        _change(files, number % 5)
        if broken:
            files[".copier-answers.yml"] = ("100644", b"a: [b")
        _commit(folder / f"projects/svc-{number:03}{'-broken' if broken else ''}.git", files)
    reader.close()
    shutil.rmtree(folder / "made")
    sources = '[[source]]\ntype = "dir"\npath = "projects"\n'
    (folder / "fleet.toml").write_text(f'[[template]]\nurl = "{template}"\n\n{sources}')


def _change(files: Files, kind: int) -> None:
    """Change a project as its people would: not at all, its own files, managed ones, or deletions."""
    if kind in {1, 2}:
        for path in ("README.md", "pyproject.toml", ".gitignore"):
            mode, data = files[path]
            files[path] = (mode, data + b"\n# ours\n")
        files["src/ours.py"] = ("100644", b"x = 1\n")
    if kind == 2:
        for path in ("AGENTS.md", "SECURITY.md", ".editorconfig"):
            if path in files:
                files[path] = (files[path][0], files[path][1] + b"\nours\n")
    if kind == 3:
        for path in ("CONTRIBUTING.md", "LICENSE"):
            del files[path]


def _commit(path: Path, files: Files) -> None:
    store = Store.create(path)
    leaves = {p: (mode, write_object(store.objects, "blob", d)) for p, (mode, d) in files.items()}
    tree = write_tree(store.objects, leaves)
    commit = write_commit(store.objects, tree, (), "made\n", who=WHO, when=WHEN)
    (path / "refs/heads/main").write_text(f"{commit}\n")
    (path / "HEAD").write_text("ref: refs/heads/main\n")
    run_git(path, "repack", "-adq")
