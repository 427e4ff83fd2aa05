# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The command line of `scripts/update`."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from . import answers
from .engine import Copier, find_copier
from .errors import UpdateError
from .git import Repository
from .outcome import Outcome
from .ownership import load
from .run import KEPT, Update, Wishes

PROJECT = Path(__file__).resolve().parent.parent.parent

EXPLANATION = f"""\
An update changes managed files (the platform's) to what the template has, merges the
platform's lines into merged files, and leaves owned files (yours) alone. Nothing is
committed: look at it with git diff, then commit. What you had in a managed file, and with
--keep in a file that goes, is kept in {KEPT}/.

  scripts/update                    to the latest release
  scripts/update --check            say what it would do; exit 1 when that is something
  scripts/update --on audit_logging switch a feature on, at the release the project has
  scripts/update --off docs         switch a feature off

Exit codes: 0 done; 1 refused (nothing changed), conflicts, or checks that fail; 2 wrong usage."""


LISTS = {
    "--on": ("FEATURE", "switch a feature on"),
    "--off": ("FEATURE", "switch a feature off"),
    "--set": ("QUESTION=ANSWER", "change another answer, such as ci_provider=gitlab"),
    "--renew": ("PATH", "write an owned file or folder as a new project has it"),
}
SWITCHES = {
    "--dry-run": "say what it would do, and leave the project as it is",
    "--check": "the same, with exit code 1 when it would do something",
    "--keep": f"keep edited files that go in {KEPT}/, do not refuse",
    "--accept-broken": "go on when your code imports modules that go",
    "--no-checks": "leave out scripts/check at the end",
}


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    made = argparse.ArgumentParser(
        prog="scripts/update",
        description="Bring this project to a release of its template, or switch a feature.",
        epilog=EXPLANATION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--to", metavar="TAG", help="the release to go to; the latest by default")
    for option, (value, text) in LISTS.items():
        made.add_argument(option, action="append", default=[], metavar=value, help=text)
    for option, text in SWITCHES.items():
        made.add_argument(option, action="store_true", help=text)
    return made


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    options = parser().parse_args(arguments)
    try:
        command = find_copier()
        wishes = _wishes(options)
        if options.dry_run or options.check:
            outcome = _elsewhere(wishes, command)
            print("\n".join(outcome.lines()))
            print("This was a trial: nothing was changed.")
            return int(options.check and not outcome.is_empty)
        outcome = Update(PROJECT, Copier(PROJECT, command), wishes).run()
    except UpdateError as error:
        print(f"scripts/update: {error}", file=sys.stderr)
        return 1
    print("\n".join(outcome.lines()), flush=True)
    if outcome.conflicts:
        print("Then run scripts/check, and commit.")
        return 1
    if options.no_checks or outcome.is_empty:
        return 0
    return _checks()


def _wishes(options: argparse.Namespace) -> Wishes:
    changes = answers.changed_answers(options.on, options.off, options.set, load(PROJECT))
    renew = [path.rstrip("/") for path in options.renew]
    return Wishes(options.to, changes, options.keep, renew, options.accept_broken)


def _elsewhere(wishes: Wishes, command: list[str]) -> Outcome:
    """Update a clone of the project, and return what that did."""
    here = Repository(PROJECT)
    here.require_clean()
    source = str(answers.read(PROJECT)["_src_path"])
    with tempfile.TemporaryDirectory(prefix="update-trial-") as folder:
        top = here("rev-parse", "--show-toplevel").strip()
        here("clone", "--quiet", "--no-local", "--depth", "1", f"file://{top}", f"{folder}/clone")
        clone = Path(folder, "clone", here.prefix)
        if (PROJECT / source).is_dir() and not Path(source).is_absolute():
            _make_absolute(clone, source)
        return Update(clone, Copier(clone, command), wishes).run()


def _make_absolute(clone: Path, source: str) -> None:
    """Let the clone of a project find a template that is recorded by its relative path."""
    path = clone / answers.FILE
    absolute = str((PROJECT / source).resolve())
    path.write_text(path.read_text("utf-8").replace(source, absolute), "utf-8")
    identity = ("-c", "user.name=Update", "-c", "user.email=update@example.com")
    Repository(clone)(*identity, "commit", "--quiet", "--no-verify", "--all", "-m", "trial")


def _checks() -> int:
    """Run what CI checks; the update stays, whatever they say."""
    print("\nscripts/check, as CI runs it (--no-checks leaves it out):", flush=True)
    failed = subprocess.run([str(PROJECT / "scripts/check")], cwd=PROJECT, check=False).returncode
    if failed:
        print(
            "The update is in the work tree, and the checks fail on it: see above.", file=sys.stderr
        )
    return int(bool(failed))
