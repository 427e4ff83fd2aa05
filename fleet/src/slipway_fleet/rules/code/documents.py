"""Checks of licences and of the documentation site."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..model import Sighting
from ..options import Options
from ..project import Project
from .base import listed, mapping

_FIRST_WORDS = {
    "MIT": r"MIT License|Permission is hereby granted, free of charge",
    "Apache-2.0": r"Apache License",
    "BSD-3-Clause": r"BSD 3-Clause|Redistribution and use in source and binary forms",
    "MPL-2.0": r"Mozilla Public License",
    "LicenseRef-Proprietary": r"(?i)all rights reserved",
}


class LicenceAgrees:
    """The licence file, pyproject.toml and the recorded answer name the same licence."""

    def __init__(self, options: Options) -> None:
        """Take nothing."""

    def __call__(self, project: Project) -> Iterator[Sighting]:
        """Yield where they differ."""
        declared = mapping(project.toml("pyproject.toml").get("project")).get("license")
        name = declared if isinstance(declared, str) else str(mapping(declared).get("text", ""))
        answer = str(project.answers.get("license", name))
        if answer.replace("Proprietary", "LicenseRef-Proprietary") != name:
            said = f"pyproject.toml says {name or 'nothing'}, the recorded answer {answer}."
            yield Sighting(said, "pyproject.toml")
        words = _FIRST_WORDS.get(name)
        if words is None:
            yield Sighting(
                f"The platform has not agreed to the licence {name!r}.", "pyproject.toml"
            )
        elif "LICENSE" not in project.modes:
            yield Sighting("LICENSE is missing.", "LICENSE")
        elif not re.search(words, project.text("LICENSE")):
            yield Sighting(f"LICENSE is not the text of {name}.", "LICENSE")


class NavigationPages:
    """Every page of the navigation exists; a broken link is a page that nobody finds."""

    def __init__(self, options: Options) -> None:
        """Take nothing."""

    def __call__(self, project: Project) -> Iterator[Sighting]:
        """Yield pages that are missing."""
        path = "mkdocs.yml"
        document = mapping(project.yaml(path)[0])
        folder = str(document.get("docs_dir", "docs"))
        for page in self._pages(document.get("nav")):
            if "://" not in page and f"{folder}/{page}" not in project.modes:
                yield Sighting(f"The navigation names {page}, which is not in {folder}/.", path)

    def _pages(self, entry: object) -> Iterator[str]:
        if isinstance(entry, str):
            yield entry
        for item in listed(entry):
            yield from self._pages(item)
        for item in mapping(entry).values():
            yield from self._pages(item)
