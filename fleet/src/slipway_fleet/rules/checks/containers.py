"""Checks of Dockerfiles."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..dockerfile import Instruction, final_stage
from ..model import Check, Sighting
from ..options import Options
from ..project import Project

DOCKERFILES = ("**/Dockerfile", "**/*.Dockerfile", "**/Dockerfile.*", "**/Containerfile")


def dockerfile(options: Options) -> Check:
    """Judge the instructions of every Dockerfile.

    `instruction` is its name; `stage` is `final` (the image itself, its parents included) or `any`.
    `last` is a pattern that the last such instruction must match, and there must be one; `each`
    one that all must match; `forbid` one that none may; `exec-form` asks for the JSON form.
    """
    name, stage = options.text("instruction"), options.text("stage", "any")
    last = options.pattern("last") if options.has("last") else None
    each = options.pattern("each") if options.has("each") else None
    forbid = options.pattern("forbid") if options.has("forbid") else None
    exec_form, message = options.flag("exec-form"), options.text("message")

    def wrong(found: list[Instruction]) -> Iterator[int]:
        if last and not (found and last.search(found[-1].value)):
            yield found[-1].line if found else 0
        for one in found:
            if (
                (each and not each.search(one.value))
                or (forbid and forbid.search(one.value))
                or (exec_form and one.exec_form is None)
            ):
                yield one.line

    def check(project: Project) -> Iterator[Sighting]:
        for path in project.glob(DOCKERFILES):
            instructions = project.dockerfile(path)
            chosen = final_stage(instructions) if stage == "final" else instructions
            names = re.split(r"\s*\|\s*", name)
            for line in wrong([one for one in chosen if one.name in names]):
                yield Sighting(message, path, line)

    return check
