"""`scripts/update` of a project, with copier in the same process: what the command costs without starts."""

import io
import shutil
import tempfile
import warnings
from collections.abc import Mapping
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

from updating.answers import changed_answers
from updating.engine import Copier
from updating.errors import UpdateError
from updating.outcome import Outcome
from updating.ownership import load
from updating.run import Update, Wishes

__all__ = ["Outcome", "UpdateError", "clone_each_release_once", "scripts_update"]


class InProcessCopier(Copier):
    """Calls copier's command line instead of starting it."""

    def _run(self, arguments: list[str], variables: Mapping[str, str]) -> None:
        from copier._cli import CopierApp  # noqa: PLC0415  # after the home has moved
        from plumbum import local  # noqa: PLC0415  # as above

        words = [str(self.project) if word == "." else word for word in arguments]
        said = io.StringIO()
        with redirect_stderr(said), warnings.catch_warnings(), local.env(**variables):
            warnings.simplefilter("ignore")  # copier leaves a pipe to the collector
            try:
                _, code = CopierApp.run(["copier", *words], exit=False)
            except ValueError as error:  # a traceback, and then this line, on a terminal
                raise UpdateError(f"copier could not {arguments[0]}: {error}") from error
        if code:
            raise UpdateError(f"copier could not {arguments[0]}: {said.getvalue().strip()}")


def clone_each_release_once(template: Path, clones: Path) -> None:
    """Let copier copy a clone of a release where it would make one more, five times an update.

    A third of what an update of a tiny template costs. It holds for one template, whose releases
    never move; every other is cloned as ever, and what needs the true way starts copier.
    """
    from copier import _template  # noqa: PLC0415  # after the home has moved

    original: Any = vars(_template).get("clone")
    assert original, "copier has changed: see whether this shortcut is still needed"
    known: dict[tuple[str, str], Path] = {}

    def clone(url: str, ref: str = "HEAD", location: str | None = None) -> str:
        if str(template) not in url or ref == "HEAD":
            return str(original(url, ref, location=location))
        if (url, ref) not in known:
            made = clones / f"clone{len(known)}"
            made.mkdir()
            known[url, ref] = Path(original(url, ref, location=str(made)))
        place = location or tempfile.mkdtemp(prefix="copier.clone.")
        return str(shutil.copytree(known[url, ref], place, symlinks=True, dirs_exist_ok=True))

    vars(_template)["clone"] = clone


def scripts_update(
    project: Path,
    *,
    on: tuple[str, ...] = (),
    off: tuple[str, ...] = (),
    given: tuple[str, ...] = (),
    **wishes: Any,
) -> Outcome:
    """Do what `scripts/update` does in a project, but its checks.

    Raises:
        UpdateError: As the command would say it.
    """
    changes = changed_answers(list(on), list(off), list(given), load(project))
    copier = InProcessCopier(project, ["copier"])
    return Update(project, copier, Wishes(changes=changes, **wishes)).run()
