"""Checks of container images that files name."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..checks.containers import DOCKERFILES
from ..checks.documents import yaml_line
from ..dockerfile import base_image, global_arguments
from ..model import Sighting
from ..options import Options
from ..project import Project
from ..values import select

_LOOSE = re.compile(r"(?:latest|stable|edge|main|master|nightly|current|lts)(?:-.*)?")


def is_pinned(image: str) -> bool:
    """Return whether an image is named by digest, or by a tag that holds a number."""
    if "@sha256:" in image:
        return True
    name = image.rpartition("/")[2]
    tag = name.partition(":")[2]
    return "$" in tag or (bool(re.search(r"\d", tag)) and not _LOOSE.fullmatch(tag))


class PinnedImages:
    """An image without a version is another one tomorrow.

    The option `in` says where to look: `dockerfile`, `compose` or `gitlab`.
    """

    def __init__(self, options: Options) -> None:
        """Take where to look from the rule file."""
        self._in = options.text("in")

    def __call__(self, project: Project) -> Iterator[Sighting]:
        """Yield images that name no version."""
        if self._in == "dockerfile":
            yield from self._dockerfiles(project)
            return
        paths, selections = {
            "compose": (("deploy/compose*.yaml", "**/docker-compose*.y*ml"), ("services.*.image",)),
            "gitlab": (
                (".gitlab-ci.yml", ".gitlab/*.yml"),
                (
                    "image",
                    "image.name",
                    "*.image",
                    "*.image.name",
                    "*.services.[]",
                    "*.services.[].name",
                ),
            ),
        }[self._in]
        for path in project.glob(paths):
            for document in project.yaml(path):
                for place, image in (hit for s in selections for hit in select(document, s)):
                    if isinstance(image, str) and not self._own(image) and not is_pinned(image):
                        line = yaml_line(project, path, place)
                        yield Sighting(f"The image {image} names no version.", path, line)

    @staticmethod
    def _own(image: str) -> bool:
        """Return whether it is the project's own, built on the spot."""
        return image.endswith((":dev", ":ci"))

    @staticmethod
    def _dockerfiles(project: Project) -> Iterator[Sighting]:
        for path in project.glob(DOCKERFILES):
            instructions = project.dockerfile(path)
            arguments, stages = global_arguments(instructions), {"scratch"}
            for one in instructions:
                if one.name != "FROM":
                    continue
                image, stage = base_image(one, arguments)
                if image.lower() not in stages and not is_pinned(image):
                    yield Sighting(f"The image {image} names no version.", path, one.line)
                stages.add(stage)
