"""Checks of continuous integration: GitHub workflows and GitLab pipelines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ..model import Check, Sighting
from ..options import Options
from ..project import Project
from .documents import yaml_line

WORKFLOWS = (".github/workflows/*.yml", ".github/workflows/*.yaml")
PIPELINES = (".gitlab-ci.yml", ".gitlab/*.yml")
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_DIGEST = re.compile(r"docker://.+@sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a GitHub job, or a job of a GitLab pipeline.

    Attributes:
        path: The file.
        place: Where in it, for its line.
        uses: The action, empty without one.
        run: The commands, empty without any.
        given: What is passed to the action.
    """

    path: str
    place: str
    uses: str
    run: str
    given: dict[str, object]


def steps(project: Project) -> Iterator[Step]:
    """Yield each step of every workflow and pipeline."""
    for path in project.glob(WORKFLOWS):
        for name, job in _jobs(project, path):
            if isinstance(job.get("uses"), str):
                yield Step(path, f"jobs.{name}", str(job["uses"]), "", {})
            listed = job.get("steps")
            for number, step in enumerate(listed if isinstance(listed, list) else ()):
                if isinstance(step, dict):
                    yield _step(path, f"jobs.{name}.steps[{number}]", step)
    for path in project.glob(PIPELINES):
        for name, job in _gitlab_jobs(project, path):
            commands = [line for key in _SCRIPTS for line in _texts(job.get(key))]
            yield Step(path, name, "", "\n".join(commands), {})


_SCRIPTS = ("before_script", "script", "after_script")


def _step(path: str, place: str, step: dict[str, object]) -> Step:
    given = step.get("with")
    return Step(
        path,
        place,
        str(step.get("uses") or ""),
        str(step.get("run") or ""),
        given if isinstance(given, dict) else {},
    )


def _jobs(project: Project, path: str) -> Iterator[tuple[str, dict[str, object]]]:
    for document in project.yaml(path):
        jobs = document.get("jobs") if isinstance(document, dict) else None
        for name, job in (jobs if isinstance(jobs, dict) else {}).items():
            if isinstance(job, dict):
                yield str(name), job


def _gitlab_jobs(project: Project, path: str) -> Iterator[tuple[str, dict[str, object]]]:
    for document in project.yaml(path):
        for name, job in (document if isinstance(document, dict) else {}).items():
            if isinstance(job, dict) and not str(name).startswith("."):
                yield str(name), job


def _texts(value: object) -> Iterator[str]:
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, list):
            yield from _texts(item)
        elif item is not None:
            yield str(item)


def action_pinned(options: Options) -> Check:
    """Ask that every action is named by commit, `allow` aside (patterns of owner/name)."""
    allowed = options.texts("allow", ())

    def check(project: Project) -> Iterator[Sighting]:
        for step in steps(project):
            name, _, version = step.uses.partition("@")
            pinned = _COMMIT.fullmatch(version) or _DIGEST.fullmatch(step.uses)
            if not step.uses or pinned or step.uses.startswith("./") or name in allowed:
                continue
            said = f"{step.uses} can change under its tag: name it by commit."
            yield Sighting(said, step.path, yaml_line(project, step.path, f"{step.place}.uses"))

    return check


def ci_command(options: Options) -> Check:
    """Look at the commands of continuous integration.

    `require` is a list of patterns, each of which some command must match; `forbid` a pattern that
    none may match. A project without continuous integration has nothing to require.
    """
    required = [re.compile(pattern) for pattern in options.texts("require", ())]
    forbidden = options.pattern("forbid") if options.has("forbid") else None
    message = options.text("message")

    def check(project: Project) -> Iterator[Sighting]:
        found = [step for step in steps(project) if step.run]
        for pattern in required:
            if not any(pattern.search(step.run) for step in found):
                yield Sighting(f"{message} No job runs `{pattern.pattern}`.")
        for step in found if forbidden else ():
            hit = forbidden.search(step.run) if forbidden else None
            if hit:
                line = yaml_line(project, step.path, f"{step.place}.run")
                yield Sighting(f"{message} Found `{hit[0].strip()[:80]}`.", step.path, line)

    return check
