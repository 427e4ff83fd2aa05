"""CPU of `copier update` against a trivial template of as many files, and of the script around it.

Each update is a fresh process on a project of its own, in turn, with its git processes counted in. Both
sides of the ratio are updates by copier's command line between two releases that add a line to every
module. The project has every feature. The trivial template is this one without what it computes: the
same files of the same bytes in the same folders, those beside the body too, as copier checks them out
five times an update; but no expression in a name or a text, two questions, and no condition. All its
files are in its project, while no project of ours has GitHub's and GitLab's, or both job engines'. The
script's share is what `scripts/update` takes beyond `copier update` when nothing was deleted.
"""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

from render import copy_template, run_git
from rows import Row
from services import ROOT, BenchmarkError

RATIO, EXTRA = 1.1, 0.5
BODY = "{{cookiecutter.project_slug}}"
ADDITION = "# A later release.\n"


def measure(project: Path, *, quick: bool) -> list[Row]:
    """Return the seconds of CPU that updates take, and their ratio.

    Args:
        project: Not looked at: the template is.
        quick: Fewer updates, for a first signal.

    Raises:
        BenchmarkError: When an update fails.
    """
    del project
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        real = copy_template(folder / "real")
        ours = _project(real, folder / "ours")
        trivial = _trivial(folder / "trivial", real)
        files = run_git(trivial, "ls-files", "body").splitlines()
        plain = _project(trivial, folder / "plain")
        for template in (real, trivial):
            _release(template)
        commands = {
            "copier, this template": (ours, [sys.executable, "-m", "copier", "update", "-lq"]),
            "copier, trivial template": (plain, [sys.executable, "-m", "copier", "update", "-lq"]),
            "scripts/update": (ours, [sys.executable, "scripts/update", "--no-checks"]),
        }
        taken: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(2 if quick else 7):
            for name, (source, command) in commands.items():
                taken[name].append(_cpu(source, command, folder))
    return _rows(f"{len(files)} files", list(zip(*taken.values(), strict=True)))


def _rows(count: str, rounds: list[tuple[float, ...]]) -> list[Row]:
    """Return the figures; compared in rounds, as on a busy machine all three cost more at times."""
    ours, trivial, _ = (statistics.median(seconds) for seconds in zip(*rounds, strict=True))
    ratio = statistics.median(one / other for one, other, _ in rounds)
    extra = statistics.median(script - one for one, _, script in rounds)
    words = f"at most {EXTRA} s"
    return [
        Row(f"copier update of a project with everything, {count}: CPU", ours, "s"),
        Row(f"copier update of a trivial template, {count}: CPU", trivial, "s"),
        Row("copier update / of a trivial template", ratio, "x", RATIO, f"at most {RATIO}"),
        Row("scripts/update, CPU beyond copier's", extra, "s", EXTRA, words),
    ]


def _project(template: Path, place: Path) -> Path:
    """Return a committed project of the first release of a template, with all its features."""
    from copier import run_copy  # noqa: PLC0415  # not needed to look at figures

    manifest = json.loads((ROOT / "cookiecutter.json").read_text("utf-8"))
    on = {name: True for name, value in manifest.items() if isinstance(value, bool)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        run_copy(str(template), place, data=on, defaults=True, quiet=True)
    run_git(place, "init", "--quiet", "--initial-branch", "main")
    run_git(place, "add", "--all")
    run_git(place, "commit", "--quiet", "--message", "first")
    return place


def _trivial(root: Path, template: Path) -> Path:
    """Write a template of the same files, with nothing in them to compute."""
    for name in run_git(template, "ls-files", "-z").split("\0")[:-1]:
        body, slash, path = name.partition("/")
        content = (template / name).read_bytes()
        target = root / name
        if slash and body == BODY:
            content = re.sub(rb"\{([{%#])", rb"(\1", content)
            target = root / "body" / _plain(path)
            while target.exists():  # two files of which a project gets one
                target = target.with_name(f"other-{target.name}")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    answers = "{{ _copier_answers | to_nice_yaml }}"
    (root / "body/.copier-answers.yml").write_text(f"{answers}\n", "utf-8")
    questions = "name: {type: str, default: x}\nmore: {type: bool, default: true}\n"
    settings = '_subdirectory: body\n_templates_suffix: ""\n'
    (root / "copier.yml").write_text(settings + questions, "utf-8")
    run_git(root, "init", "--quiet", "--initial-branch", "main")
    run_git(root, "add", "--all")
    run_git(root, "commit", "--quiet", "--message", "first")
    run_git(root, "tag", "v0.0.1")
    run_git(root, "repack", "-adq")
    return root


def _plain(path: str) -> str:
    """Return a path with the text of its expressions gone."""
    named = path.replace("{{cookiecutter.project_slug}}", "acme_orders")
    return re.sub(r"\{[{%].*?[%}]\}", "", named)


def _release(template: Path) -> None:
    """Commit a second release that adds a line to every module of the body."""
    for name in ("body", BODY):
        for path in sorted((template / name).rglob("*.py")) if (template / name).is_dir() else ():
            if "scripts" not in path.parts:
                with path.open("a", encoding="utf-8") as file:
                    file.write(ADDITION)
    run_git(template, "commit", "--quiet", "--all", "--message", "second")
    run_git(template, "tag", "v0.0.2")
    run_git(template, "repack", "-adq")


def _cpu(source: Path, command: list[str], folder: Path) -> float:
    """Return the CPU of a command in a fresh copy of a project, with all it starts, in seconds."""
    with tempfile.TemporaryDirectory(dir=folder) as home:
        project = Path(shutil.copytree(source, Path(home, "project"), symlinks=True))
        settings = Path(home, "copier.yml")
        settings.write_text("{}\n")
        moved = {"HOME": home, "TMPDIR": home, "COPIER_SETTINGS_PATH": str(settings)}
        moved["COPIER"] = f"{sys.executable} -m copier"
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            command,
            cwd=project,
            env=os.environ | moved,
            capture_output=True,
            text=True,
            timeout=300,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise BenchmarkError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr.strip()}")
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
