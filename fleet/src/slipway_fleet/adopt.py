"""Find the release and the answers that an unrecorded project came from, by rendering and comparing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from .answers import ANSWERS_FILE, Answer
from .config import TemplateSection
from .errors import NotTextError, ProjectError
from .patterns import below
from .run import Opened
from .snapshot import CatFile, Snapshot
from .template.manifest import Manifest, terms
from .template.mirror import Mirror
from .template.render import Release

MOST_RELEASES = 30
"""How many releases are tried, the newest first."""

LEAST_SHARE = 0.3
"""Below this share of identical managed files, a project is taken for a stranger."""

_PLACE = re.compile(r"\{\{-?\s*cookiecutter\.([a-z]\w*)\s*-?\}\}")

Guess = dict[str, Answer]


@dataclass(frozen=True)
class Adoption:
    """Where a project seems to come from.

    Attributes:
        project: Its id.
        template: The address of the template.
        release: The release.
        share: The share of the managed files of that render that the project has unchanged, 0 to 1.
        tried: How many releases were tried.
        answers_file: The record to commit as `.copier-answers.yml`.
    """

    project: str
    template: str
    release: str
    share: float
    tried: int
    answers_file: str

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)


def adopt(opened: Opened) -> Adoption:
    """Find the release and the answers of one project.

    Raises:
        ProjectError: It looks like no release of any template of fleet.toml.
    """
    found = [
        adoption
        for section in opened.workspace.config.template
        if (adoption := _from_template(opened, section)) is not None
    ]
    best = max(found, key=lambda adoption: adoption.share, default=None)
    if best is None or best.share < LEAST_SHARE:
        share = (
            f": at best {best.share:.0%} of its files are those of {best.release}" if best else ""
        )
        raise ProjectError(f"it looks like no release of a template in fleet.toml{share}")
    return best


def _from_template(opened: Opened, section: TemplateSection) -> Adoption | None:
    mirror = opened.renders.mirror_of(section.url)
    mirror.refresh()
    releases = mirror.releases()[:MOST_RELEASES]
    if not releases:
        return None
    search = _Search(opened, mirror, section.url)
    guess = search.read_answers(releases[0])
    scored = search.best_of(releases, guess)
    if scored is None:
        return None
    guess = search.improved(scored[1], guess)
    score, release = search.best_of(releases, guess) or scored
    return search.adoption(release, guess, score.share, len(releases))


class Score(NamedTuple):
    """How much of a render a project has: more of the managed files first, then more of all."""

    share: float
    exact: int


class _Search:
    """Looks for the answers of one project in one template."""

    def __init__(self, opened: Opened, mirror: Mirror, url: str) -> None:
        self._opened, self._snapshot = opened, opened.snapshot
        self._mirror, self._url = mirror, url

    def release(self, tag: str) -> Release:
        return self._opened.renders.release(self._mirror, self._mirror.resolve(tag))

    def read_answers(self, tag: str) -> Guess:
        """Guess answers from paths and lines in which the template put exactly one answer."""
        release = self.release(tag)
        manifest, sources = release.manifest, _texts(self._mirror, release.commit)
        votes: dict[str, Counter[str]] = {}
        for path in sources:
            _vote(votes, _path_matches(path, self._snapshot))
        guess: Guess = {name: found.most_common(1)[0][0] for name, found in votes.items()}
        votes.clear()
        for path, text in sources.items():
            here = _PLACE.sub(lambda hit: str(guess.get(hit[1], "")), path)
            _vote(votes, _line_matches(text, _lines_of(self._snapshot, here)))
        texts = {name for name, raw in manifest.questions.items() if isinstance(raw, str)}
        guess |= {n: v.most_common(1)[0][0] for n, v in votes.items() if n in texts}
        return guess | _features(manifest, self._snapshot)

    def score(self, tag: str, guess: Guess) -> Score:
        """Return how much of a render the project has; nothing where the answers are refused."""
        try:
            made = self.release(tag).render(guess, tag, self._url)
        except ProjectError:
            return Score(0.0, 0)
        managed = {path: file for path, file in made.files.items() if file.kind == "managed"}
        files = self._snapshot.files
        same = sum(path in files and files[path].sha == file.sha for path, file in managed.items())
        stray = sum(path in files for path in made.unchosen)
        share = max(0.0, same - stray) / len(managed) if managed else 0.0
        exact = sum(p in files and files[p].sha == file.sha for p, file in made.files.items())
        return Score(share, exact)

    def best_of(self, releases: list[str], guess: Guess) -> tuple[Score, str] | None:
        """Return the best score and its release, the newest of equals."""
        scored = [(self.score(tag, guess), tag) for tag in releases]
        best = max(score for score, _ in scored)
        return next(((score, tag) for score, tag in scored if score == best and best.share), None)

    def improved(self, tag: str, guess: Guess) -> Guess:
        """Return the answers after trying each other answer of each question with a choice."""
        best, score = dict(guess), self.score(tag, guess)
        for name, raw in self.release(tag).manifest.questions.items():
            for value in _values(raw):
                other = self.score(tag, best | {name: value})
                if other > score:
                    best, score = best | {name: value}, other
        return best

    def adoption(self, tag: str, guess: Guess, share: float, tried: int) -> Adoption:
        """Return what to write down."""
        made = self.release(tag).render(guess, tag, self._url)
        text = made.contents[made.files[ANSWERS_FILE].sha].decode()
        return Adoption(self._snapshot.project, self._url, tag, share, tried, text)


def _texts(mirror: Mirror, commit: str) -> dict[str, str]:
    found: dict[str, str] = {}
    reader: CatFile = mirror.blobs()
    try:
        for path, entry in mirror.tree(commit).items():
            body, _, rest = path.partition("/")
            if "cookiecutter." in body and rest and entry.is_file:
                data = reader(entry.sha)
                if b"cookiecutter." in data or "cookiecutter." in rest:
                    found[rest] = data.decode("utf-8", "replace")
    finally:
        reader.close()
    return found


def _path_matches(path: str, snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    places = _PLACE.findall(path)
    if len(places) == 1 and "{%" not in path:
        found = _values_between(path, list(snapshot.files))
        yield from ((places[0], value) for value in found if "/" not in value)


def _line_matches(text: str, lines: list[str]) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        places = _PLACE.findall(line)
        if not places or line.count("{{") != len(places) or "{%" in line:
            continue
        if len(_PLACE.sub("", line).strip()) < 6:  # too little to be sure of the line
            continue
        if len(places) == 1:
            hits = set(_values_between(line, lines))
            if len(hits) == 1:
                yield places[0], hits.pop()
        elif len(set(places)) == len(places):
            fixed = map(re.escape, _PLACE.split(line)[::2])
            pattern = re.compile("(.{1,200}?)".join(fixed))
            found = {hit.groups() for candidate in lines if (hit := pattern.fullmatch(candidate))}
            if len(found) == 1:
                yield from zip(places, found.pop(), strict=True)


def _values_between(text: str, candidates: list[str]) -> list[str]:
    """Return what stands in the place of a text's one answer, in each candidate that is like it."""
    before, _, after = _PLACE.split(text)
    fixed = len(before) + len(after)
    return [
        found[len(before) : len(found) - len(after)]
        for found in candidates
        if len(found) > fixed and found.startswith(before) and found.endswith(after)
    ]


def _lines_of(snapshot: Snapshot, path: str) -> list[str]:
    try:
        return [line for line in (snapshot.text(path) or "").splitlines() if len(line) < 500]
    except (NotTextError, ProjectError):
        return []


def _vote(votes: dict[str, Counter[str]], found: Iterator[tuple[str, str]]) -> None:
    for name, value in found:
        votes.setdefault(name, Counter())[value] += 1


def _features(manifest: Manifest, snapshot: Snapshot) -> Guess:
    """Guess each feature from whether any of its paths is there."""
    found: Guess = {}
    for feature, patterns in manifest.features.items():
        asked = list(terms(feature))
        if len(asked) != 1:
            continue
        (name, value), tests = asked[0], [below(pattern) for pattern in patterns]
        there = any(test(path) for path in snapshot.files for test in tests)
        if not value:
            found[name] = there
        elif there:
            found[name] = value
    return found


def _values(raw: object) -> list[Answer]:
    if isinstance(raw, bool):
        return [True, False]
    return list(raw) if isinstance(raw, list) else []
