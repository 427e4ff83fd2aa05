# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Tasks in `presets.json`: one file that people can read, and that no crash leaves half written.

Whoever changes it holds a lock on the file beside it, which the system takes back from a process
that dies. The new text goes to a file of its own and takes the old one's place in one step, after it
is on the disk. The history goes to one more file, a line per revision, written first: a line whose
revision never came to be, because somebody died in between, is passed over by readers.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

from .errors import PresetsUnreadableError
from .schemas import Change, RunRecord
from .store import Document, Draft

T = TypeVar("T")
_LAYOUT = 1
_CHANGES_KEPT = 1_000


class FilePresets:
    """`PresetsStore` in files; any number of processes of one machine share them.

    Args:
        path: The file; its folder is made.
        runs_kept: Runs of each task that are remembered.
    """

    def __init__(self, path: Path, *, runs_kept: int = 200) -> None:
        self.path = path
        self._lock = path.with_suffix(".lock")
        self._journal = _Journal(path.with_suffix(".history.jsonl"), runs_kept)

    async def read(self) -> dict[str, Document]:
        """See `PresetsStore.read`."""
        return (await asyncio.to_thread(self._load))[1]

    async def change(self, work: Callable[[Draft], T], *, only: str | None = None) -> T:
        """See `PresetsStore.change`; every task is in the draft, for they are in one file."""
        del only
        return await asyncio.to_thread(partial(self._change, work))

    async def runs(self, task_id: str, limit: int) -> list[RunRecord]:
        """See `PresetsStore.runs`."""
        return (await asyncio.to_thread(self._runs_of, task_id))[:limit]

    async def run(self, task_id: str, run_id: str) -> RunRecord | None:
        """See `PresetsStore.run`."""
        found = await asyncio.to_thread(self._runs_of, task_id)
        return next((run for run in found if run.run_id == run_id), None)

    async def changes(self, task_id: str | None, limit: int) -> list[Change]:
        """See `PresetsStore.changes`."""

        def load() -> list[Change]:
            entries = self._journal.entries("changes", self._load()[0])
            found = [Change.model_validate(entry) for entry in entries]
            return [change for change in reversed(found) if task_id in {None, change.task_id}]

        return (await asyncio.to_thread(load))[:limit]

    async def aclose(self) -> None:
        """See `PresetsStore.aclose`; nothing stays open."""

    def _runs_of(self, task_id: str) -> list[RunRecord]:
        """Return the runs of a task, the newest first, each as it was written last."""
        found: dict[str, RunRecord] = {}
        for entry in self._journal.entries("runs", self._load()[0]):
            if entry.get("task_id") == task_id:
                run = RunRecord.model_validate(entry)
                found.pop(run.run_id, None)
                found[run.run_id] = run
        return list(reversed(found.values()))

    def _load(self) -> tuple[int, dict[str, Document]]:
        """Return the revision and the tasks."""
        try:
            text = self.path.read_text("utf-8")
        except FileNotFoundError:
            return 0, {}
        except (OSError, UnicodeDecodeError) as error:
            raise PresetsUnreadableError(f"{self.path} can't be read: {error}") from error
        try:
            whole = json.loads(text)
            tasks = {str(document["id"]): dict(document) for document in whole["tasks"]}
            return int(whole["revision"]), tasks
        except (ValueError, KeyError, TypeError) as error:
            raise PresetsUnreadableError(
                f"{self.path} is not what was written ({error}): somebody edited it. Repair it, or"
                " bring it back from a backup; nothing runs and nothing is overwritten until then."
            ) from error

    def _change(self, work: Callable[[Draft], T]) -> T:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self._locked():
                revision, tasks = self._load()
                before = json.dumps(tasks)
                draft = Draft(tasks, len(tasks))
                result = work(draft)
                if draft.changes or draft.runs or json.dumps(draft.tasks) != before:
                    self._keep(revision + 1, draft)
                return result
        except OSError as error:
            raise PresetsUnreadableError(f"{self.path} can't be written: {error}") from error

    def _keep(self, revision: int, draft: Draft) -> None:
        self._journal.append(revision, draft)
        whole = {
            "layout": _LAYOUT,
            "revision": revision,
            "tasks": [draft.tasks[name] for name in sorted(draft.tasks)],
        }
        text = json.dumps(whole, indent=2, ensure_ascii=False) + "\n"
        _replace(self.path, text.encode("utf-8", "replace"))
        self._journal.shorten(revision)

    @contextmanager
    def _locked(self) -> Generator[None]:
        """Hold the lock; a process that dies gives it back."""
        descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


class _Journal:
    """A file with a line per revision: the changes and the runs that it brought."""

    LARGE = 4_000_000
    """Bytes from which it is looked at whether it can be shortened; doubled when it can't."""

    def __init__(self, path: Path, runs_kept: int) -> None:
        self.path = path
        self._runs_kept = runs_kept
        self._large = self.LARGE

    def append(self, revision: int, draft: Draft) -> None:
        """Write what a revision brings that is about to be, even when that is nothing.

        A revision whose writer died before it came to be is written again by the next one; so each
        revision has a line, and the last one counts.
        """
        whole = {
            "revision": revision,
            "changes": [change.model_dump(mode="json") for change in draft.changes],
            "runs": [run.model_dump(mode="json", exclude_defaults=True) for run in draft.runs],
        }
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        descriptor = os.open(self.path, flags, 0o600)
        with os.fdopen(descriptor, "r+b", buffering=0) as file:
            size = file.seek(0, os.SEEK_END)
            # Whoever died while writing has left a line without an end.
            torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
            file.write((b"\n" if torn else b"") + _line(whole))
            os.fsync(descriptor)

    def entries(self, kind: Literal["changes", "runs"], newest: int) -> list[Document]:
        """Return the entries of all revisions that came to be, the oldest first."""
        found: dict[int, list[Document]] = {}
        try:
            with self.path.open(encoding="utf-8", errors="replace") as file:
                for line in file:
                    try:
                        whole: Any = json.loads(line)
                        found[int(whole["revision"])] = list(whole[kind])
                    except (ValueError, KeyError, TypeError):
                        continue  # torn, see `append`
        except FileNotFoundError:
            return []
        return [e for number in sorted(found) if number <= newest for e in found[number]]

    def shorten(self, revision: int) -> None:
        """Drop what is old, when the file has grown large."""
        if self.path.stat().st_size < self._large:
            return
        changes = self.entries("changes", revision)[-_CHANGES_KEPT:]
        runs: list[Document] = []
        counts: Counter[str] = Counter()
        for entry in reversed(self.entries("runs", revision)):
            name = str(entry.get("task_id"))
            counts[name] += 1
            if counts[name] <= self._runs_kept:
                runs.append(entry)
        whole = {"revision": 0, "changes": changes, "runs": runs[::-1]}
        _replace(self.path, _line(whole))
        self._large = max(self.LARGE, 2 * self.path.stat().st_size)


def _line(whole: Document) -> bytes:
    return json.dumps(whole, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def _replace(path: Path, content: bytes) -> None:
    """Put something in a file's place in one step, and on the disk."""
    new = path.with_name(f"{path.name}.new")  # one name will do: the lock is held
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
