# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The commands `worker` and `jobs`: run jobs, look at them, cancel, retry and replay them."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer

from .client import JobClient, open_client
from .errors import JobError
from .records import Job, JobFilter, JobState

if TYPE_CHECKING:
    from ..core.config import PlatformSettings

T = TypeVar("T")
Load = Callable[[], "PlatformSettings"]

_AGE = re.compile(r"(\d+)([smhd])")
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Limit = Annotated[int, typer.Option("-n", "--limit", min=1, help="How many at most.")]
Queue = Annotated[str, typer.Option(help="Only jobs of this queue.")]
TaskName = Annotated[str, typer.Option("--task", help="Only jobs of this task.")]
Age = Annotated[str, typer.Option("--older-than", help="Only older ones: 30m, 12h, 7d.")]
JobIds = Annotated[list[str] | None, typer.Argument(help="Ids of jobs.")]


def _fail(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(1)


def _seconds(age: str) -> float:
    """Return an age in seconds."""
    found = _AGE.fullmatch(age) if age else None
    if age and not found:
        _fail(f"{age} is no age: write a number and s, m, h or d, as in 12h.")
    return int(found[1]) * _UNITS[found[2]] if found else 0.0


class _Session:
    """Runs one piece of work with a client that is opened for it."""

    def __init__(self, load: Load) -> None:
        self._load = load

    def run(self, work: Callable[[JobClient], Awaitable[T]]) -> T:
        """Return what some work returns, or end with its error."""
        from .connecting import make_store  # noqa: PLC0415  # keeps --help quick

        settings = self._load().jobs

        async def session() -> T:
            async with open_client(settings, lambda: make_store(settings)) as client:
                return await work(client)

        try:
            return asyncio.run(session())
        except JobError as error:
            _fail(_sentence(error))


def _sentence(error: JobError) -> str:
    cause = f" ({error.__cause__})" if error.__cause__ else ""
    return f"{error}{cause}"


def worker_command(load: Load) -> Callable[..., None]:
    """Return the command `worker`."""

    def worker(
        *,
        queue: Annotated[
            list[str] | None, typer.Option("--queue", "-q", help="Queue to serve; may be repeated.")
        ] = None,
        concurrency: Annotated[
            int | None, typer.Option(min=1, help="Jobs at the same time.")
        ] = None,
        until_empty: Annotated[
            bool, typer.Option("--until-empty", help="End when no job is left.")
        ] = False,
    ) -> None:
        """Run background jobs until it is stopped; running ones may finish."""
        settings = load()
        from .running import worker_process  # noqa: PLC0415  # no other command needs it
        from .startup import configuration_problem, tell_admins  # noqa: PLC0415  # as above

        problem = configuration_problem(settings)
        if problem:
            asyncio.run(tell_admins(settings, problem))
            _fail(problem)
        try:
            worker_process(
                settings, queues=queue or (), concurrency=concurrency, until_empty=until_empty
            )
        except JobError as error:
            _fail(_sentence(error))

    return worker


def jobs_commands(load: Load) -> typer.Typer:
    """Return the commands of `jobs`."""
    app = typer.Typer(help="Look at background jobs, cancel and replay them.", no_args_is_help=True)
    session = _Session(load)
    _add_views(app, session)
    _add_changes(app, session)
    return app


def _add_views(app: typer.Typer, session: _Session) -> None:
    @app.command("list")
    def list_command(
        *,
        state: Annotated[JobState | None, typer.Option(help="Only jobs in this state.")] = None,
        queue: Queue = "",
        task: TaskName = "",
        limit: Limit = 50,
        as_json: AsJson = False,
    ) -> None:
        """List jobs, the newest first, and how their queues are doing."""
        wanted = JobFilter(state=state, queue=queue, task=task, limit=limit)
        _print_jobs(session.run(lambda client: client.search(wanted)), as_json=as_json)
        if not as_json:
            for one in session.run(lambda client: client.stats()):
                typer.echo(
                    f"{one.queue}: {one.ready} ready, {one.delayed} delayed, {one.running} running,"
                    f" {one.failed} dead, oldest {one.oldest_s:.0f} s"
                )

    @app.command()
    def show(job_id: str, *, as_json: AsJson = False) -> None:
        """Show everything about a job: arguments, result, progress, what went wrong."""
        shown = _as_dict(session.run(lambda client: client.get(job_id)), whole=True)
        if as_json:
            typer.echo(json.dumps(shown, indent=2, ensure_ascii=False))
            return
        width = max(map(len, shown))
        for name, value in shown.items():
            if value not in (None, ""):
                text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
                typer.echo(f"{name:{width}}  {text}")

    @app.command()
    def dead(
        *, queue: Queue = "", task: TaskName = "", limit: Limit = 50, as_json: AsJson = False
    ) -> None:
        """List dead letters: jobs that failed for good."""
        wanted = JobFilter(state=JobState.FAILED, queue=queue, task=task, limit=limit)
        _print_jobs(session.run(lambda client: client.search(wanted)), as_json=as_json)


def _add_changes(app: typer.Typer, session: _Session) -> None:
    @app.command()
    def retry(job_id: str) -> None:
        """Let a job that waits for its next attempt, or failed, start now."""
        job = session.run(lambda client: client.replay(job_id))
        typer.echo(f"{job.id} is {job.state}.")

    @app.command()
    def cancel(job_id: str) -> None:
        """Cancel a job; one that runs is stopped within a second or so."""
        job = session.run(lambda client: client.cancel(job_id))
        asked = " and is being stopped" if job.cancel_requested else ""
        typer.echo(f"{job.id} is {job.state}{asked}.")

    @app.command()
    def replay(
        job_ids: JobIds = None,
        *,
        every: Annotated[bool, typer.Option("--all", help="All that match the options.")] = False,
        queue: Queue = "",
        task: TaskName = "",
        limit: Limit = 1000,
    ) -> None:
        """Queue dead letters again, with all their attempts."""
        if bool(job_ids) == every:
            _fail("Name jobs, or say --all.")
        wanted = JobFilter(state=JobState.FAILED, queue=queue, task=task, limit=limit)

        async def work(client: JobClient) -> int:
            named = job_ids or [job.id for job in await client.search(wanted)]
            for job_id in named:
                await client.replay(job_id)
            return len(named)

        typer.echo(f"Queued again: {session.run(work)}.")

    @app.command()
    def purge(
        *,
        state: Annotated[JobState | None, typer.Option(help="Only jobs in this state.")] = None,
        queue: Queue = "",
        task: TaskName = "",
        age: Age = "",
        limit: Limit = 100_000,
    ) -> None:
        """Delete records of finished jobs; dead letters only when --state failed names them."""
        if state is not None and not state.is_finished:
            _fail(f"Jobs that are {state} are not finished: cancel them first.")
        states = [state] if state else [JobState.SUCCEEDED, JobState.CANCELLED]
        seconds = _seconds(age)

        async def work(client: JobClient) -> int:
            return sum(
                [
                    await client.purge(
                        JobFilter(
                            state=one, queue=queue, task=task, older_than_s=seconds, limit=limit
                        )
                    )
                    for one in states
                ]
            )

        typer.echo(f"Deleted: {session.run(work)}.")


def _print_jobs(jobs: list[Job], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps([_as_dict(job, whole=False) for job in jobs], indent=2))
        return
    if not jobs:
        typer.echo("No jobs.")
        return
    rows = [("id", "task", "queue", "state", "attempt", "enqueued (UTC)", "progress or error")]
    rows += [
        (
            job.id,
            job.task,
            job.queue,
            str(job.state),
            f"{job.attempt}/{job.max_attempts}",
            f"{job.enqueued_at:%Y-%m-%d %H:%M:%S}",
            _remark(job),
        )
        for job in jobs
    ]
    # Not folded to the width of the terminal: ids are there to be copied, and lines to be searched.
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (text.ljust(width) for text, width in zip(row, widths, strict=True))
        typer.echo("  ".join(cells).rstrip())


def _remark(job: Job) -> str:
    """Return the last line of what went wrong, or how far it is."""
    if job.error:
        return job.error.splitlines()[-1][:100]
    if job.progress is None:
        return ""
    total = "" if job.progress.total is None else f"/{job.progress.total:g}"
    return f"{job.progress.done:g}{total} {job.progress.note}".rstrip()


def _as_dict(job: Job, *, whole: bool) -> dict[str, Any]:
    """Return a job for JSON."""
    shown: dict[str, Any] = {}
    for name, value in asdict(job).items():
        if isinstance(value, datetime):
            shown[name] = value.isoformat()
        elif isinstance(value, bytes):
            if whole:
                with suppress(ValueError):
                    shown[name] = json.loads(value)
        else:
            shown[name] = value
    return shown
