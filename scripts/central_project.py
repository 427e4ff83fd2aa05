"""Keep `central-services/`, which is rendered from this template, equal to what the template renders now.

Its managed files are written, its merged files get the platform's new lines, its owned files are left
alone; with `--check` nothing is written. `copier update` cannot do this inside the template's own
repository: it would record commits that a squash or a shallow clone loses.
"""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

import yaml
from manifest_model import ROOT, questions

PROJECT = ROOT / "central-services"
ANSWERS = ".copier-answers.yml"
MANAGED = b"Managed by Slipway: updates overwrite this file."


def _manifest(template: Path) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads((template / "cookiecutter.json").read_text("utf-8"))
    return manifest


def recorded(project: Path) -> dict[str, Any]:
    """Return what the project was rendered from."""
    answers: dict[str, Any] = yaml.safe_load((project / ANSWERS).read_text("utf-8"))
    return answers


def render(template: Path, project: Path, scratch: Path) -> dict[str, tuple[bool, bytes]]:
    """Return what a template renders for the project's answers: mode and bytes by path.

    Args:
        template: A folder that holds the template.
        project: The project whose answers are given.
        scratch: An empty folder.
    """
    answers = recorded(project)
    found = render_answers(template, answers, scratch)
    found[ANSWERS] = (
        False,
        _with_public_origin(found[ANSWERS][1], answers, _manifest(template)),
    )
    return found


def render_answers(
    template: Path, answers: dict[str, Any], scratch: Path
) -> dict[str, tuple[bool, bytes]]:
    """Return what a template renders for some answers: mode and bytes by path."""
    from cookiecutter.main import cookiecutter  # noqa: PLC0415  # `--help` works without it

    manifest = _manifest(template)
    settings = scratch / "cookiecutter.yml"
    settings.write_text(f"cookiecutters_dir: {scratch / 'c'}\nreplay_dir: {scratch / 'r'}\n")
    tempfile.tempdir = str(scratch)  # cookiecutter leaves the hooks it ran behind
    try:
        made = Path(
            cookiecutter(
                str(template),
                no_input=True,
                extra_context={n: answers[n] for n in questions(manifest) if n in answers},
                output_dir=str(scratch / "made"),
                config_file=str(settings),
            )
        )
    finally:
        tempfile.tempdir = None
    return {
        path.relative_to(made).as_posix(): (bool(path.stat().st_mode & 0o111), path.read_bytes())
        for path in sorted(made.rglob("*"))
        if path.is_file()
    }


def _with_public_origin(text: bytes, answers: dict[str, Any], manifest: dict[str, Any]) -> bytes:
    """Return an answers file that names the public repository and the release that was recorded.

    Never a commit: one of a branch is gone after a squash, and the next update with it.
    """
    origin = {"_commit": answers.get("_commit"), "_src_path": manifest["_src_path"]}
    lines = text.decode().splitlines()
    kept = [line for line in lines if line.partition(":")[0] not in origin]
    head = [f"{key}: {json.dumps(value)}" for key, value in origin.items() if value]
    return ("\n".join([*kept[:2], *head, *kept[2:]]) + "\n").encode()


def class_of(path: str, manifest: dict[str, Any]) -> str:
    """Return whose a path is: managed, merged or owned."""
    if path == ANSWERS:
        return "managed"
    parts = PurePosixPath(path).parts
    for name in ("merged", "owned"):
        for pattern in manifest["_ownership"][name]:
            wanted = PurePosixPath(pattern).parts
            if len(parts) >= len(wanted) and all(map(fnmatchcase, parts, wanted)):
                return name
    return "managed"


def lacking(path: str, template: str, project: str) -> list[str]:
    """Return what the platform has in a merged file and the project's lacks, one sentence each."""
    if path.endswith(".toml"):
        return list(_missing(tomllib.loads(template), tomllib.loads(project), ""))
    if path.endswith((".yml", ".yaml")):
        return list(_missing(yaml.safe_load(template), yaml.safe_load(project), ""))
    there = set(project.splitlines())
    return [line for line in template.splitlines() if line not in there]


def _missing(wanted: Any, there: Any, place: str) -> Iterator[str]:
    if isinstance(wanted, dict) and isinstance(there, dict):
        for key, value in wanted.items():
            if key in there:
                yield from _missing(value, there[key], f"{place}{key}.")
            else:
                yield f"{place}{key}"
    elif isinstance(wanted, list) and isinstance(there, list):
        yield from (f"{place}{value!r}" for value in wanted if value not in there)
    elif wanted != there:
        yield f"{place.rstrip('.')} = {wanted!r}"


def problems(fresh: dict[str, tuple[bool, bytes]], project: Path) -> dict[str, str]:
    """Return what is wrong with each path of the project, beginning with its class."""
    manifest, found = _manifest(ROOT), {}
    for path, (executable, content) in fresh.items():
        kind, ours = class_of(path, manifest), project / path
        if kind == "owned":
            continue
        if not ours.is_file():
            found[path] = f"{kind}: it is missing"
        elif kind == "merged":
            missing = lacking(path, content.decode(), ours.read_text("utf-8"))
            if missing:
                found[path] = f"merged: it lacks {', '.join(missing)}"
        elif ours.read_bytes() != content:
            found[path] = "managed: it differs from the template"
        elif bool(ours.stat().st_mode & 0o111) != executable:
            found[path] = "managed: its mode differs"
    found |= dict.fromkeys(_left_over(fresh, project), "extra: the template has it no more")
    return found


def _left_over(fresh: dict[str, tuple[bool, bytes]], project: Path) -> Iterator[str]:
    """Yield the managed files that a render no longer brings; their first lines say what they are."""
    listed = subprocess.run(
        ["git", "ls-files", "-zco", "--exclude-standard"],
        cwd=project,
        capture_output=True,
        check=True,
    )
    for path in listed.stdout.decode().split("\0"):
        ours = project / path
        head = b"\n".join(ours.read_bytes().split(b"\n", 2)[:2]) if ours.is_file() else b""
        if path not in fresh and MANAGED in head:
            yield path


def committed(path: str, scratch: Path) -> bytes | None:
    """Return a path as the last commit's template renders it, the base of a merge."""
    made = scratch / "base"
    if not made.exists():
        (scratch / "before").mkdir()
        made.mkdir()
        tree = subprocess.run(
            ["git", "archive", "HEAD"], cwd=ROOT, capture_output=True, check=True
        ).stdout
        with tarfile.open(fileobj=io.BytesIO(tree)) as archive:
            archive.extractall(scratch / "before", filter="data")
        for name, (_, content) in render(scratch / "before", PROJECT, made).items():
            (made / "files" / name).parent.mkdir(parents=True, exist_ok=True)
            (made / "files" / name).write_bytes(content)
    base = made / "files" / path
    return base.read_bytes() if base.is_file() else None


def merge(path: str, content: bytes, scratch: Path) -> str:
    """Bring the template's changes into a merged file; returns what a person has to do, or nothing."""
    base = committed(path, scratch)
    (scratch / "base.txt").write_bytes(base or b"")
    (scratch / "theirs.txt").write_bytes(content)
    done = subprocess.run(
        ["git", "merge-file", "-p", PROJECT / path, scratch / "base.txt", scratch / "theirs.txt"],
        capture_output=True,
    )
    if done.returncode:
        return "merge it by hand: both sides changed the same lines"
    (PROJECT / path).write_bytes(done.stdout)
    still = lacking(path, content.decode(), done.stdout.decode())
    return f"add by hand: {', '.join(still)}" if still else ""


def write(fresh: dict[str, tuple[bool, bytes]], scratch: Path) -> int:
    """Bring the project up to date; returns how many paths are left to a person."""
    left = 0
    for path, problem in problems(fresh, PROJECT).items():
        ours, kind = PROJECT / path, problem.partition(":")[0]
        if kind == "extra":
            ours.unlink()
        elif kind == "merged" and ours.is_file():
            todo = merge(path, fresh[path][1], scratch)
            if todo:
                left += 1
                print(f"central-services/{path}: {todo}", file=sys.stderr)
                continue
        else:
            executable, content = fresh[path]
            ours.parent.mkdir(parents=True, exist_ok=True)
            ours.write_bytes(content)
            ours.chmod(0o755 if executable else 0o644)
        print(f"{'removed' if kind == 'extra' else 'wrote'} central-services/{path}")
    return left


def main(arguments: list[str] | None = None) -> int:
    """Write what is stale, or with `--check` say what is."""
    parser = argparse.ArgumentParser(prog="scripts/sync", description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when stale")
    check = parser.parse_args(arguments).check
    with tempfile.TemporaryDirectory(prefix="central-") as folder:
        scratch = Path(folder)
        (scratch / "fresh").mkdir()
        fresh = render(ROOT, PROJECT, scratch / "fresh")
        if not check:
            return int(write(fresh, scratch) > 0)
        stale = problems(fresh, PROJECT)
    for path, problem in stale.items():
        print(f"central-services/{path}: {problem}: run scripts/sync", file=sys.stderr)
    return int(bool(stale))


if __name__ == "__main__":
    sys.exit(main())
