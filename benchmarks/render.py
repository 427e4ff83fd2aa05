"""CPU of rendering a default project with each engine.

Every render is the first of a fresh process: nothing compiled by Jinja is there yet, as for whoever
makes one project. The engine is imported before the clock starts. What its child processes take
(the hooks of cookiecutter, the git of copier) stands in rows of its own.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

from rows import Row
from services import ROOT, BenchmarkError

BARS = {"cookiecutter": 1.0, "copier": 1.6}


def measure(project: Path, *, quick: bool) -> list[Row]:
    """Return the seconds of CPU that a render takes in process, and in its children.

    Args:
        project: Not looked at: the template is.
        quick: Fewer renders, for a first signal.

    Raises:
        BenchmarkError: When a render fails.
    """
    del project
    rows = []
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        template = copy_template(folder / "template")
        for engine, bar in BARS.items():
            found = [_render(engine, template, folder) for _ in range(2 if quick else 7)]
            own, children = (statistics.median(side) for side in zip(*found, strict=True))
            words = f"at most {bar} s"
            rows.append(Row(f"render with {engine}, CPU in process", own, "s", bar, words))
            rows.append(Row(f"render with {engine}, CPU of its children", children, "s"))
    return rows


def run_git(folder: Path, *arguments: str) -> str:
    """Run git with an identity of its own and return what it prints."""
    identity = ("-c", "user.name=Benchmark", "-c", "user.email=benchmark@example.com")
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, timeout=60
    )
    if done.returncode:
        message = f"git {' '.join(arguments)} failed:\n{done.stderr.strip()}"
        raise BenchmarkError(message)
    return done.stdout


def copy_template(destination: Path) -> Path:
    """Copy this checkout, as it is now, into a repository with one tagged commit."""
    listed = run_git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in filter(None, listed.split("\0")):
        source, target = ROOT / name, destination / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)
    run_git(destination, "init", "--quiet", "--initial-branch", "main")
    run_git(destination, "add", "--all")
    run_git(destination, "commit", "--quiet", "--message", "template")
    run_git(destination, "tag", "v0.0.1")
    run_git(destination, "repack", "-adq")
    return destination


def _render(engine: str, template: Path, folder: Path) -> tuple[float, float]:
    """Return the CPU of one render: of its process and of that process's children, in seconds."""
    with tempfile.TemporaryDirectory(dir=folder) as home:
        settings = Path(home, "copier.yml")
        settings.write_text("{}\n")
        moved = {"HOME": home, "TMPDIR": home, "COPIER_SETTINGS_PATH": str(settings)}
        done = subprocess.run(
            [sys.executable, __file__, engine, str(template), home],
            env=os.environ | moved,
            capture_output=True,
            text=True,
            timeout=300,
        )
    if done.returncode:
        message = f"rendering with {engine} failed:\n{done.stderr.strip()}"
        raise BenchmarkError(message)
    own, children = json.loads(done.stdout.splitlines()[-1])
    return own, children


def with_cookiecutter(template: Path, folder: Path, **answers: object) -> Path:
    """Render with default answers, but for those given, below a folder, touching nothing outside it."""
    from cookiecutter.main import cookiecutter  # noqa: PLC0415  # not needed to look at figures

    # cookiecutter leaves the hooks it ran in the temporary folder.
    tempfile.tempdir = str(folder)
    settings = folder / "cookiecutter.yml"
    settings.write_text(
        f"cookiecutters_dir: {folder / 'templates'}\nreplay_dir: {folder / 'replay'}\n"
    )
    output = str(folder / "rendered")
    made = cookiecutter(
        str(template),
        no_input=True,
        extra_context=answers,
        output_dir=output,
        config_file=str(settings),
    )
    return Path(made)


def with_copier(template: Path, folder: Path) -> Path:
    """Render with default answers below a folder, touching nothing outside it."""
    from copier import run_copy  # noqa: PLC0415  # not needed to look at figures

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        run_copy(str(template), folder / "rendered", defaults=True, quiet=True)
    return folder / "rendered"


def main() -> None:
    """Render once and print the CPU it took as JSON: [own, children]."""
    engine, template, folder = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    if engine == "cookiecutter":
        import cookiecutter.main  # noqa: F401, PLC0415  # before the clock starts

        render: Callable[[Path, Path], Path] = with_cookiecutter
    else:
        import copier  # noqa: F401, PLC0415  # before the clock starts

        render = with_copier
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.process_time()
    render(template, folder)
    own, after = time.process_time() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    children = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    print(json.dumps([own, children]))


if __name__ == "__main__":
    main()
