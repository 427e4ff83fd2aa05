"""Do something to every project in worker processes; a broken one is one result, never the end."""

from __future__ import annotations

import multiprocessing
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Generic, TypeVar

from .config import FleetConfig
from .errors import FleetError, ProjectError
from .git import Store
from .inventory.clones import BlobFetcher
from .inventory.projects import Project
from .snapshot import Snapshot, open_snapshot
from .template.cache import RenderCache
from .workspace import Workspace

T = TypeVar("T")

LONGEST_S = 300.0
"""Seconds that one project may take."""


@dataclass(frozen=True)
class Opened:
    """What a worker has at hand for one project."""

    project: Project
    snapshot: Snapshot
    renders: RenderCache
    workspace: Workspace
    store: Store


Work = Callable[[Opened], T]


@dataclass(frozen=True)
class Checked(Generic[T]):
    """What came of one project: a result, or the problem that prevented one."""

    project: Project
    result: T | None = None
    problem: str = ""


_held: dict[str, tuple[Workspace, RenderCache, Store]] = {}


def _here(config: FleetConfig) -> tuple[Workspace, RenderCache, Store]:
    """Return what one process needs once, however many projects it checks."""
    key = f"{config.root}\0{config.model_dump_json()}"
    if key not in _held:
        workspace = Workspace(config)
        _held[key] = workspace, RenderCache(config), workspace.objects
    return _held[key]


def one(config: FleetConfig, project: Project, work: Work[T]) -> Checked[T]:
    """Do the work for one project, and turn whatever fails into its problem."""
    workspace, renders, store = _here(config)
    with _time_limit():
        try:
            missing = BlobFetcher(project, workspace.cache)
            with open_snapshot(
                project.path,
                store,
                project=project.id,
                ref=f"refs/heads/{project.branch}" if project.branch else "HEAD",
                limits=workspace.limits,
                missing=missing,
            ) as snapshot:
                opened = Opened(project, snapshot, renders, workspace, store)
                return Checked(project, work(opened))
        except FleetError as error:
            return Checked(project, problem=str(error))
        except Exception as error:  # noqa: BLE001  # one broken project must not end the run over the others; it is reported
            return Checked(project, problem=f"internal error, {type(error).__name__}: {error}")


def every(workspace: Workspace, projects: Sequence[Project], work: Work[T]) -> Iterator[Checked[T]]:
    """Yield what comes of each project, as they finish.

    Args:
        workspace: The fleet.
        projects: What to check.
        work: A function of a module, or a `functools.partial` of one, so that a worker can be sent it.
    """
    workers = min(workspace.workers, len(projects))
    if workers <= 1:
        for project in projects:
            yield one(workspace.config, project, work)
        return
    left = {project.id: project for project in projects}
    with ProcessPoolExecutor(workers, mp_context=_context()) as pool:
        waiting = _submit(pool, workspace.config, projects, work)
        try:
            for future in as_completed(waiting):
                checked = future.result()
                del left[checked.project.id]
                yield checked
        except BrokenProcessPool:
            pass
    for project in left.values():  # a worker died: each of the rest gets one of its own
        yield _alone(workspace.config, project, work)


def _submit(
    pool: ProcessPoolExecutor, config: FleetConfig, projects: Sequence[Project], work: Work[T]
) -> list[Future[Checked[T]]]:
    return [pool.submit(one, config, project, work) for project in projects]


def _alone(config: FleetConfig, project: Project, work: Work[T]) -> Checked[T]:
    with ProcessPoolExecutor(1, mp_context=_context()) as pool:
        try:
            return pool.submit(one, config, project, work).result()
        except BrokenProcessPool:
            return Checked(project, problem="the process that checked it died, out of memory?")


def _context() -> multiprocessing.context.BaseContext:
    """Return how workers start: a fork is a hundred times cheaper, where no thread can be hurt by it."""
    safe = sys.platform == "linux" and threading.active_count() == 1
    return multiprocessing.get_context("fork" if safe else "spawn")


class _time_limit:  # noqa: N801  # reads as a statement
    """Raises `ProjectError` in the body after `LONGEST_S` seconds, in a main thread of POSIX."""

    def __enter__(self) -> None:
        self._armed = threading.current_thread() is threading.main_thread()
        if self._armed:
            self._before = signal.signal(signal.SIGALRM, self._expired)
            signal.setitimer(signal.ITIMER_REAL, LONGEST_S)

    def __exit__(self, *_: object) -> None:
        if self._armed:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, self._before)

    @staticmethod
    def _expired(*_: object) -> None:
        raise ProjectError(f"it took longer than {LONGEST_S:.0f} s")


def stopped_by(checked: Sequence[Checked[T]]) -> list[tuple[str, str]]:
    """Return (project, problem) of those that could not be checked."""
    return [(c.project.id, c.problem) for c in checked if c.problem]
