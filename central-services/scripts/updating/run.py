# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""One update: copier's, and around it what keeps each side's work."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from . import answers as answers_file
from .answers import Answer
from .engine import Copier
from .errors import UpdateError
from .git import Repository, blob_of
from .imports import broken_imports
from .outcome import Outcome, edits
from .ownership import Ownership, load, matches

KEPT = ".kept"
SEEN = "slipway-update"


@dataclass(frozen=True)
class Wishes:
    """What the command line asks for.

    Attributes:
        to: The release to go to; None for the latest, or for this one when answers change.
        changes: Answers that change.
        keep: Keep aside what would be lost, instead of refusing.
        renew: Owned paths to write as a new project has them.
        accept_broken: Go on when the project's code imports what is gone.
    """

    to: str | None = None
    changes: dict[str, Answer] = field(default_factory=dict)
    keep: bool = False
    renew: list[str] = field(default_factory=list)
    accept_broken: bool = False


class Update:
    """One update of a project whose work is all committed."""

    def __init__(self, project: Path, copier: Copier, wishes: Wishes) -> None:
        self.project, self.copier, self.wishes = project, copier, wishes
        self.git = Repository(project)
        self.git.require_clean()
        self.old_answers = answers_file.read(project)
        self.old_table = load(project)
        self.head = self.git.committed()
        self.outcome = Outcome(str(self.old_answers["_commit"]), "")

    def run(self) -> Outcome:
        """Update the work tree and return what changed.

        Raises:
            UpdateError: When it would lose something, or can't be done; nothing is changed then.
        """
        done = False
        with tempfile.TemporaryDirectory(prefix="update-") as folder:
            try:
                self._run(Path(folder))
                done = True
            finally:
                if not done:  # refused, failed or interrupted: nothing stays half done
                    self.git.undo()
                    for path in self.outcome.kept:
                        (self.project / path).unlink(missing_ok=True)
        return self.outcome

    def _run(self, folder: Path) -> None:
        self._check_renewed()
        self.copier.update(folder, to=self.wishes.to, changes=self.wishes.changes)
        self.answers, self.table = answers_file.read(self.project), load(self.project)
        self.old = self._rendered(folder / "old", self.old_answers)
        self.new = self._rendered(folder / "new", self.answers)
        self.folder = folder
        outcome = self.outcome
        outcome.after = str(self.answers["_commit"])
        self._move(outcome)
        self._refuse_losses(outcome)
        self._renew(outcome)
        self._refuse_broken_imports(outcome)
        self._restore(outcome)
        self._conclude(outcome)

    def _rendered(self, place: Path, answers: dict[str, Answer]) -> Path:
        """Return what copier rendered; rendered again where its own could not be captured."""
        if place.is_dir():
            return place / self.git.prefix
        self.copier.render(place, answers, {})
        return place

    def _gone(self) -> list[str]:
        return [path for path in self.head if not (self.project / path).is_file()]

    def _is_edited(self, path: str) -> bool:
        """Tell whether the last commit has a file otherwise than the old release rendered it."""
        pristine = self.old / path
        if not pristine.is_file():
            return True
        return blob_of(pristine.read_bytes(), self.head[path]) != self.head[path]

    def _keep(self, path: str, outcome: Outcome) -> None:
        """Write the project's version of a file below the folder of what is kept."""
        content, name, number = self.git.content(path), f"{KEPT}/{path}", 1
        while (self.project / name).exists() and (self.project / name).read_bytes() != content:
            number += 1  # what an earlier update kept may not have been looked at yet
            name = f"{KEPT}/{path}.{number}"
        place = self.project / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        outcome.kept.append(name)

    # --- files that have a new path ---------------------------------------------------------------

    def _move(self, outcome: Outcome) -> None:
        """Carry the project's lines to where the release has moved a file."""
        for path in self.head if self.table.moved else []:
            place = self.table.new_place(path)
            kind = self.old_table.class_of(path) if place else "managed"
            if place is None or kind == "managed":
                continue
            target = self.project / place
            target.parent.mkdir(parents=True, exist_ok=True)
            if kind == "owned":
                if place in self.head:
                    continue  # moved before
                target.write_bytes(self.git.content(path))
                (self.project / path).unlink(missing_ok=True)
                outcome.moved.append((path, place))
            elif self._is_edited(path):
                self._merge(path, place, outcome)

    def _merge(self, path: str, place: str, outcome: Outcome) -> None:
        theirs, base = self.new / place, self.old / path
        if not (theirs.is_file() and base.is_file()):
            return
        mine = self.folder / "mine"
        mine.write_bytes(self.git.content(path))
        labels = ("-L", "before updating", "-L", "last update", "-L", "after updating")
        command = ["git", "merge-file", "-p", *labels, str(mine), str(base), str(theirs)]
        done = subprocess.run(command, capture_output=True, check=False)
        (self.project / place).write_bytes(done.stdout)
        outcome.moved.append((path, place))
        if done.returncode:
            outcome.conflicts.append(place)

    # --- what would be lost -----------------------------------------------------------------------

    def _refuse_losses(self, outcome: Outcome) -> None:
        """Keep aside, or refuse to lose, edited files that the update deleted."""
        places = {old for old, _ in outcome.moved}
        renewed = [p for p in self._gone() if any(matches(p, r) for r in self.wishes.renew)]
        lost = [p for p in self._gone() if p not in places | set(renewed) and self._is_edited(p)]
        # An edited managed file is brought back wherever it is now; what it had is kept all the same.
        refused = [
            path
            for path in lost
            if not (self.table.new_place(path) and self.old_table.class_of(path) == "managed")
        ]
        if refused and not self.wishes.keep:
            message = (
                "the update would delete files that you edited, so nothing was changed:\n  "
                + "\n  ".join(refused)
                + f"\nRun it again with --keep to have them in {KEPT}/, or undo your edits first."
            )
            raise UpdateError(message)
        for path in lost:
            self._keep(path, outcome)

    # --- managed files are the template's ---------------------------------------------------------

    def _restore(self, outcome: Outcome) -> None:
        """Bring managed files back that were edited or deleted."""
        for path, source in _files(self.new):
            target = self.project / path
            if self.table.is_replaceable(path) and path in self.head and not self._is_edited(path):
                # Copier leaves every image alone; one that nobody replaced follows the template.
                self._write(source, target)
            if self.table.class_of(path) != "managed" or _same(source, target):
                continue
            if path in self.head:
                base = self.old / path
                before = base.read_bytes() if base.is_file() else b""
                mine = self.git.content(path)
                outcome.bent[path] = edits(path, before, mine)
                if mine != before:
                    self._keep(path, outcome)
            elif (self.old / path).is_file():
                outcome.deleted.append(path)  # only a render of our own still has it
            self._write(source, target)
        deleted = [
            path
            for path, _ in _files(self.old)
            if path not in self.head
            and self.old_table.class_of(path) == "managed"
            and not (self.project / path).exists()
        ]
        if not deleted:
            return
        fresh = self._fresh()
        for path in deleted:
            if (fresh / path).is_file() and self.table.class_of(path) == "managed":
                self._write(fresh / path, self.project / path)
                outcome.deleted.append(path)

    def _fresh(self) -> Path:
        """Return a new project with the answers that this one has now."""
        place = self.folder / "fresh"
        if not place.is_dir():
            self.copier.render(place, self.answers, {})
        return place

    def _write(self, source: Path, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_symlink():
            target.unlink()
        shutil.copyfile(source, target)
        target.chmod(0o755 if source.stat().st_mode & 0o100 else 0o644)

    # --- owned files, on demand -------------------------------------------------------------------

    def _check_renewed(self) -> None:
        for path in self.wishes.renew:
            kinds = {self.old_table.class_of(p) for p in self.head if matches(p, path)}
            if kinds - {"owned"} or not (kinds or self.old_table.class_of(path) == "owned"):
                message = f"--renew takes what AGENTS.md lists as owned, which {path} is not"
                raise UpdateError(message)

    def _renew(self, outcome: Outcome) -> None:
        """Write owned paths as a new project has them; edits that this drops are kept aside."""
        if not self.wishes.renew:
            return
        pristine = self.folder / "pristine"
        self.copier.render(pristine, self.old_answers, {})
        for wanted in self.wishes.renew:
            for path, blob in self.head.items():
                if matches(path, wanted):
                    source = pristine / path
                    known = source.is_file() and blob_of(source.read_bytes(), blob) == blob
                    if not known:
                        self._keep(path, outcome)
                    (self.project / path).unlink(missing_ok=True)
            for path, source in _files(self._fresh()):
                if matches(path, wanted):
                    self._write(source, self.project / path)

    def _refuse_broken_imports(self, outcome: Outcome) -> None:
        """Refuse to take modules away that the project's own code imports."""
        gone = self._gone()
        mine = [
            path
            for path in self.head
            if path.endswith(".py")
            and path not in gone
            and (self.table.class_of(path) != "managed" or not (self.new / path).is_file())
        ]
        broken = broken_imports(self.project, gone, mine)
        if broken and not self.wishes.accept_broken:
            message = (
                "code of this project imports what would be gone, so nothing was changed:\n  "
                + "\n  ".join(broken)
                + "\n"
                + self._way_out(broken)
            )
            raise UpdateError(message)
        outcome.broken = broken

    def _way_out(self, broken: list[str]) -> str:
        """Return what to do about imports that would break."""
        before, after = self.folder / "variant-before", self.folder / "variant-after"
        self.copier.render(before, self.old_answers, {})
        self.copier.render(after, self.old_answers, self.wishes.changes)
        trees = [dict(_files(before)), dict(_files(after))]
        varied = {
            _place(path, self.table)
            for path in trees[0].keys() | trees[1].keys()
            if self.table.class_of(path) == "owned" and not _same(*(t.get(path) for t in trees))
        }
        own = [line for line in broken if not any(matches(line.split(":")[0], v) for v in varied)]
        words = "Change that code first, and commit"
        if varied and not own:
            options = " ".join(f"--renew {path}" for path in sorted(varied))
            words = f"To have these as a new project has them, your edits kept in {KEPT}/, add:\n  {options}\n"
            words += "Or change that code first, and commit"
        return f"{words}; or go on with --accept-broken, and change it after."

    # --- the end ----------------------------------------------------------------------------------

    def _conclude(self, outcome: Outcome) -> None:
        """Sort what changed by class, and let go of conflicts that are settled."""
        unmerged = self.git.paths("diff", "--name-only", "--diff-filter=U", "--relative", "-z")
        settled = [path for path in unmerged if self.table.class_of(path) != "merged"]
        if settled:
            self.git("reset", "--quiet", "--", *settled)
        outcome.conflicts += sorted(set(unmerged) - set(settled))
        listed = self.git.paths("diff", "--name-status", "--no-renames", "--relative", "-z", "HEAD")
        new = self.git.paths("ls-files", "--others", "--exclude-standard", "-z")
        changes = [*zip(listed[::2], listed[1::2], strict=True), *(("A", path) for path in new)]
        for sign, path in sorted(set(changes), key=lambda change: change[1]):
            if path.startswith(f"{KEPT}/"):
                continue
            table = self.old_table if sign == "D" else self.table
            group = outcome.changed.setdefault(table.class_of(path), [])
            change = ("M" if sign == "U" else sign, path)
            if change not in group:
                group.append(change)
        self._remember(outcome)

    def _remember(self, outcome: Outcome) -> None:
        """Tell the pre-commit hook which managed files it was that changed."""
        entries = []
        like = next(iter(self.head.values()), "0" * 40)
        for _, path in outcome.changed.get("managed", []):
            file = self.project / path
            blob = blob_of(file.read_bytes(), like) if file.is_file() else "0" * len(like)
            entries.append(f"{blob} {self.git.prefix}{path}")
        place = self.project / self.git("rev-parse", "--git-path", SEEN).strip()
        place.write_text("\0".join(entries), "utf-8")


def _files(folder: Path) -> list[tuple[str, Path]]:
    """Return the files of a render by path."""
    found = [path for path in folder.rglob("*") if path.is_file()]
    named = [(path.relative_to(folder).as_posix(), path) for path in found]
    return sorted((name, path) for name, path in named if not name.startswith(".git/"))


def _same(one: Path | None, other: Path | None) -> bool:
    """Tell whether two files have the same bytes, and may both be executed or neither."""
    if one is None or other is None or not (one.is_file() and other.is_file()):
        return False
    modes = {bool(path.stat().st_mode & 0o100) for path in (one, other)}
    return len(modes) == 1 and one.read_bytes() == other.read_bytes()


def _place(path: str, table: Ownership) -> str:
    """Return the owned file or folder, as the table has it, that a path is in."""
    pattern = next(pattern for pattern in table.owned if matches(path, pattern))
    return "/".join(path.split("/")[: len(pattern.split("/"))])
