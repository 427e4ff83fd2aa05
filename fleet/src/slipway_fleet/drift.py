"""Where a project differs from what its template rendered for it, file by file."""

from __future__ import annotations

import difflib
import functools
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from .answers import ANSWERS_FILE
from .errors import ProjectError
from .findings import Finding, Level, Outcome
from .objects import LINK, SUBMODULE
from .run import Opened
from .snapshot import CatFile, Entry, Snapshot
from .template.manifest import FileClass
from .template.render import Render, Rendered

RULE = "TPL01"
"""The rule that drift is reported as."""

LONGEST_DIFF = 400
"""Lines of one file's difference that are shown."""


class State(StrEnum):
    """How a file of a project relates to the template."""

    CHANGED = "changed"
    MISSING = "missing"
    MODE = "mode"
    LINK = "link"
    EXTRA = "extra"
    MERGED = "merged"
    OWNED = "owned"

    @property
    def is_drift(self) -> bool:
        """Tell whether it breaks the standard: a managed file is not what it has to be."""
        return self not in {State.MERGED, State.OWNED}


@dataclass(frozen=True)
class DriftedFile:
    """One path that differs.

    Attributes:
        path: Relative to the project.
        kind: Whose it is.
        state: How it differs.
        diff: What the project changed, as a unified diff; empty unless asked for.
    """

    path: str
    kind: FileClass
    state: State
    diff: str = ""

    @property
    def is_drift(self) -> bool:
        """Tell whether it counts: what belongs to the project, or to both, may differ."""
        return self.kind == "managed" and self.state.is_drift

    def sentence(self) -> str:
        """Return what is wrong, in words."""
        return {
            State.CHANGED: "is managed by the template and was changed here",
            State.MISSING: "is managed by the template and is missing here",
            State.MODE: "is managed by the template and its executable bit was changed here",
            State.LINK: "is managed by the template and is no regular file here",
            State.EXTRA: "belongs to a feature that this project did not choose",
            State.MERGED: "is the template's and the project's; the project added to it",
            State.OWNED: "is the project's own",
        }[self.state]


@dataclass(frozen=True)
class Drift:
    """The comparison of one project.

    Attributes:
        project: Its id.
        head: The commit that was looked at.
        template: The recorded address of the template.
        version: The recorded release.
        compared: How many managed files were compared.
        files: Every path that differs, in order.
    """

    project: str
    head: str
    template: str
    version: str
    compared: int
    files: list[DriftedFile] = field(default_factory=list)

    @property
    def drifted(self) -> list[DriftedFile]:
        """Return what counts."""
        return [file for file in self.files if file.is_drift]

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self) | {"drifted": len(self.drifted)}

    def findings(self) -> list[Finding]:
        """Return one finding a file that counts, or one pass."""
        fix = "run `scripts/update --restore`, or take the next update from the platform team"
        found = [
            Finding(
                RULE,
                self.project,
                Outcome.FAIL,
                Level.ERROR,
                f"{file.path} {file.sentence()}",
                path=file.path,
                fix=fix,
                details={"state": file.state.value},
            )
            for file in self.drifted
        ]
        passed = Finding(RULE, self.project, Outcome.PASS, message="every managed file is in place")
        return found or [passed]


def compare(snapshot: Snapshot, render: Render) -> list[DriftedFile]:
    """Return every path of a project that is not as rendered."""
    found = []
    for path, expected in render.files.items():
        state = _state(expected, snapshot.files.get(path))
        if state is None or path == ANSWERS_FILE:
            continue
        found.append(DriftedFile(path, expected.kind, state))
    found += [
        DriftedFile(path, "managed", State.EXTRA)
        for path in render.unchosen
        if path in snapshot.files
    ]
    return sorted(found, key=lambda file: file.path)


def _state(expected: Rendered, actual: Entry | None) -> State | None:
    if actual is not None and (actual.sha, actual.mode) == (expected.sha, expected.mode):
        return None
    if expected.kind == "owned":
        return State.OWNED
    if actual is None:
        return State.MISSING
    if actual.mode in {LINK, SUBMODULE}:
        return State.LINK
    if expected.kind == "merged":
        return State.MERGED
    return State.MODE if actual.sha == expected.sha else State.CHANGED


def examine(opened: Opened, *, diff: bool = False) -> Drift:
    """Compare one project with a render at its recorded release and answers.

    Raises:
        ProjectError: It cannot be compared; the text is the reason.
    """
    snapshot = opened.snapshot
    origin = snapshot.template
    store = opened.store if diff else None
    render, _ = opened.renders.render(origin, snapshot.answers, store=store)
    files = compare(snapshot, render)
    if diff:
        files = _with_diffs(opened, render, files)
    compared = sum(file.kind == "managed" for file in render.files.values())
    return Drift(snapshot.project, snapshot.head, origin.url, origin.commit, compared, files)


with_diffs = functools.partial(examine, diff=True)


def _with_diffs(opened: Opened, render: Render, files: list[DriftedFile]) -> list[DriftedFile]:
    mirror = opened.renders.mirror_of(opened.snapshot.template.url)
    reader = CatFile(opened.store.reading(mirror.store.objects))
    try:
        return [
            DriftedFile(
                file.path, file.kind, file.state, _diff(opened.snapshot, render, file, reader)
            )
            for file in files
        ]
    finally:
        reader.close()


def _diff(snapshot: Snapshot, render: Render, file: DriftedFile, reader: CatFile) -> str:
    if file.kind == "owned":
        return ""
    before = reader(render.files[file.path].sha) if file.path in render.files else b""
    try:
        after = snapshot.read(file.path) or b""
        return unified(file.path, before.decode(), after.decode())
    except UnicodeDecodeError:
        return f"--- {file.path}\nbinary files differ\n"
    except ProjectError as error:
        return f"--- {file.path}\n{error}\n"


def unified(path: str, before: str, after: str) -> str:
    """Return a unified diff from the template's text to the project's, cut after `LONGEST_DIFF` lines."""
    lines = list(
        difflib.unified_diff(
            before.splitlines(),
            after.splitlines(),
            f"template/{path}",
            f"project/{path}",
            lineterm="",
        )
    )
    if len(lines) > LONGEST_DIFF:
        more = len(lines) - LONGEST_DIFF
        lines = [*lines[:LONGEST_DIFF], f"... {more} more lines"]
    return "\n".join(lines) + ("\n" if lines else "")
