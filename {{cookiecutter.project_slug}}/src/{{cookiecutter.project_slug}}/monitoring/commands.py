# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The commands of `tasks`: the same operations as the page, through the same manager."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .errors import ScheduleError
from .session import Load, Session, fail, me, print_json, values

if TYPE_CHECKING:
    from .presets import PresetsManager
    from .schemas import BrokenPreset, MonitoringTask

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
TaskId = Annotated[str, typer.Argument(help="Id of a task, as `tasks list` shows it.")]
Operator = Annotated[str, typer.Option("--as", help="Who you are, for the history.")]
Parameters = Annotated[
    list[str],
    typer.Option("--parameter", "-p", help="name=value; the value may be JSON. Repeatable."),
]
Cron = Annotated[str, typer.Option(help='Cron expression, as in "*/5 * * * *", or @daily.')]
Every = Annotated[int, typer.Option(help="Seconds between runs, instead of --cron.")]
Zone = Annotated[str, typer.Option("--timezone", help="Whose clock it reads: Europe/Berlin.")]
Recipients = Annotated[list[str], typer.Option("--recipient", help="Mail address. Repeatable.")]
Channels = Annotated[
    list[str], typer.Option("--channel", help="Tell only here: log, email, slack... Repeatable.")
]
Notify = Annotated[str, typer.Option("--notify", help="always, on_change or on_failure.")]
Grace = Annotated[int, typer.Option("--grace", help="Seconds that a run may be late.")]


def tasks_commands(load_settings: Load) -> typer.Typer:
    """Return the commands, for the program to add.

    Args:
        load_settings: Returns the settings, or ends the program.
    """
    app = typer.Typer(help="Scheduled tasks: look at them, change them.", no_args_is_help=True)
    session = Session(load_settings)
    _add_looking(app, session)
    _add_changing(app, session)
    _add_running(app, session)
    return app


def _add_looking(app: typer.Typer, session: Session) -> None:
    """Add the commands that change nothing."""

    @app.command("list")
    def list_tasks(*, as_json: AsJson = False) -> None:
        """Show every task with its state, and its last and next run."""
        tasks, broken = session.presets(lambda presets: presets.all())
        if as_json:
            print_json({"tasks": tasks, "broken": broken})
            return
        from . import _tables  # imports rich  # noqa: PLC0415  # keeps --help quick

        _tables.show_tasks(tasks, broken)

    @app.command()
    def show(task_id: TaskId, *, as_json: AsJson = False) -> None:
        """Show all of a task, and its next five runs."""
        task = session.presets(lambda presets: presets.get(task_id))
        if as_json:
            print_json(task)
            return
        from . import _tables  # as above  # noqa: PLC0415  # keeps --help quick

        _tables.show_task(task)

    @app.command()
    def history(
        task_id: TaskId,
        *,
        limit: Annotated[int, typer.Option("-n", help="How many.")] = 20,
        changes: Annotated[bool, typer.Option(help="Who changed it, instead of its runs.")] = False,
        as_json: AsJson = False,
    ) -> None:
        """Show the newest runs of a task, or the newest changes; of a deleted one too."""
        from . import _tables  # noqa: PLC0415  # keeps --help quick

        if changes:
            changed = session.presets(lambda presets: presets.changes(task_id, limit))
            print_json(changed) if as_json else _tables.show_changes(changed)
        else:
            runs = session.presets(lambda presets: presets.runs(task_id, limit))
            print_json(runs) if as_json else _tables.show_runs(runs)

    @app.command()
    def validate(*, cron: Cron = "", timezone: Zone = "UTC", as_json: AsJson = False) -> None:
        """Validate every task as it is kept; with --cron an expression, showing its next runs."""
        if cron:
            _preview(cron, timezone, as_json=as_json)
            return
        tasks, broken = session.presets(lambda presets: presets.all())
        if as_json:
            print_json({"valid": len(tasks), "broken": broken})
        else:
            for preset in broken:
                typer.echo(f"{preset.id}: {'; '.join(preset.problems)}", err=True)
            typer.echo(f"{len(tasks)} tasks are valid, {len(broken)} are not.")
        if broken:
            raise typer.Exit(1)

    @app.command("checks")
    def show_checks(*, as_json: AsJson = False) -> None:
        """Show what tasks can look at, with the parameters of each check."""
        from .checks import load_checks  # imports the HTTP library  # noqa: PLC0415  # keeps --help quick

        known = {
            check.kind: {"title": check.title, "parameters": check.parameters.model_json_schema()}
            for check in load_checks()
        }
        if as_json:
            print_json(known)
            return
        for kind, about in known.items():
            typer.echo(f"{kind}: {about['title']}")
            required = about["parameters"].get("required", [])
            for name, field in about["parameters"].get("properties", {}).items():
                need = "" if name not in required else " (required)"
                typer.echo(f"    {name}{need}  {field.get('description', '')}".rstrip())


def _preview(cron: str, timezone: str, *, as_json: bool) -> None:
    """Show when an expression comes next, or why it can't be used."""
    from .presets import utc_now  # keeps --help quick  # noqa: PLC0415  # keeps --help quick
    from .schedule import Schedule, zone  # as above  # noqa: PLC0415  # keeps --help quick

    try:
        times = Schedule(cron=cron, timezone=timezone).next_times(utc_now(), 5)
        local = [moment.astimezone(zone(timezone)).isoformat() for moment in times]
    except ScheduleError as error:
        fail(f"{cron}: {error}")
    if as_json:
        print_json({"cron": cron, "timezone": timezone, "next": local})
    else:
        typer.echo("\n".join(local))


def _add_changing(app: typer.Typer, session: Session) -> None:
    """Add the commands that change tasks."""

    @app.command()
    def add(
        name: Annotated[str, typer.Argument(help="Its name, for people.")],
        *,
        check: Annotated[str, typer.Option(help="What it does: see `tasks checks`.")],
        parameter: Parameters = [],  # Typer copies it  # noqa: B006  # Typer copies it
        cron: Cron = "",
        every: Every = 0,
        timezone: Zone = "UTC",
        recipient: Recipients = [],  # as above  # noqa: B006  # Typer copies it
        channel: Channels = [],  # as above  # noqa: B006  # Typer copies it
        notify: Notify = "on_change",
        grace: Grace = 300,
        task_id: Annotated[str, typer.Option("--id", help="Its id; made from the name.")] = "",
        inactive: Annotated[bool, typer.Option("--inactive", help="Do not run it yet.")] = False,
        operator: Operator = "",
        as_json: AsJson = False,
    ) -> None:
        """Add a task, and show when it runs."""
        given = {
            "id": task_id,
            "name": name,
            "check": check,
            "parameters": values(parameter),
            "cron": cron or None,
            "interval_s": every or None,
            "timezone": timezone,
            "recipients": recipient,
            "channels": channel or None,
            "notify_condition": notify,
            "misfire_grace_s": grace,
            "active": not inactive,
        }
        task = session.presets(lambda presets: presets.add(given, by=me(operator)))
        _say(task, "Added", as_json=as_json)

    @app.command()
    def edit(
        task_id: TaskId,
        *,
        name: Annotated[str, typer.Option(help="Another name.")] = "",
        check: Annotated[str, typer.Option(help="Another check.")] = "",
        parameter: Parameters = [],  # as above  # noqa: B006  # Typer copies it
        cron: Cron = "",
        every: Every = 0,
        timezone: Zone = "",
        recipient: Recipients = [],  # as above  # noqa: B006  # Typer copies it
        channel: Channels = [],  # as above  # noqa: B006  # Typer copies it
        notify: Notify = "",
        grace: Grace = 0,
        operator: Operator = "",
        as_json: AsJson = False,
    ) -> None:
        """Change what is given of a task; parameters are added to those that it has."""

        async def work(presets: PresetsManager) -> MonitoringTask:
            changes: dict[str, Any] = {
                "name": name,
                "check": check,
                "timezone": timezone,
                "recipients": recipient,
                "channels": channel,
                "notify_condition": notify,
                "misfire_grace_s": grace,
            }
            changes = {field: value for field, value in changes.items() if value}
            if cron or every:
                changes |= {"cron": cron or None, "interval_s": every or None}
            if parameter:
                document = (await presets.store.read()).get(task_id, {})
                changes["parameters"] = {**document.get("parameters", {}), **values(parameter)}
            if not changes:
                fail("Nothing to change: name a field, as in --cron or --parameter.")
            return await presets.edit(task_id, changes, by=me(operator))

        _say(session.presets(work), "Changed", as_json=as_json)

    @app.command()
    def remove(
        task_id: TaskId,
        *,
        yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
        operator: Operator = "",
    ) -> None:
        """Delete a task; its history stays."""
        if not yes:
            typer.confirm(f"Delete {task_id}?", abort=True)
        session.presets(lambda presets: presets.remove(task_id, by=me(operator)))
        typer.echo(f"Deleted {task_id}.")

    _add_switches(app, session)


def _add_switches(app: typer.Typer, session: Session) -> None:
    """Add the commands that switch tasks on and off, and bring them from elsewhere."""

    @app.command()
    def activate(task_id: TaskId, *, operator: Operator = "") -> None:
        """Let a task run by itself."""
        by = me(operator)
        session.presets(lambda presets: presets.set_active(task_id, active=True, by=by))
        typer.echo(f"{task_id} is active.")

    @app.command()
    def deactivate(task_id: TaskId, *, operator: Operator = "") -> None:
        """Keep a task, without running it."""
        by = me(operator)
        session.presets(lambda presets: presets.set_active(task_id, active=False, by=by))
        typer.echo(f"{task_id} is not active.")

    @app.command()
    def examples(*, operator: Operator = "") -> None:
        """Add two tasks to try: an endpoint and its certificate, and stock of parts."""
        from .examples import example_tasks  # keeps --help quick  # noqa: PLC0415  # keeps --help quick

        async def work(presets: PresetsManager) -> list[MonitoringTask]:
            return [await presets.add(one, by=me(operator)) for one in example_tasks()]

        for task in session.presets(work):
            typer.echo(f"Added {task.id}; it is not active: `tasks run {task.id}` tries it.")

    @app.command("import")
    def import_file(path: Path, *, operator: Operator = "") -> None:
        """Add the tasks of another presets.json, as after switching to a database."""
        from .files import FilePresets  # as above  # noqa: PLC0415  # keeps --help quick
        from .schemas import DEFINITION  # as above  # noqa: PLC0415  # keeps --help quick

        if not path.is_file():
            fail(f"There is no file {path}.")

        async def work(presets: PresetsManager) -> int:
            found = await FilePresets(path).read()
            for document in found.values():
                fields = {n: document[n] for n in ("id", *DEFINITION) if n in document}
                await presets.add(fields, by=me(operator))
            return len(found)

        typer.echo(f"Added {session.presets(work)} tasks.")


def _say(task: MonitoringTask | BrokenPreset, verb: str, *, as_json: bool) -> None:
    """Show a task that was written."""
    if as_json:
        print_json(task)
        return
    from . import _tables  # imports rich  # noqa: PLC0415  # keeps --help quick

    typer.echo(f"{verb} {task.id}.")
    _tables.show_next(task)


def _add_running(app: typer.Typer, session: Session) -> None:
    """Add the commands that run something."""

    @app.command()
    def run(task_id: TaskId, *, as_json: AsJson = False) -> None:
        """Run a task here and now, active or not; exit code 1 unless all is well."""
        found = session.service(lambda service: service.run(task_id))
        if found is None:
            fail(f"{task_id} did not run.")
        if as_json:
            print_json(found)
        else:
            from . import _tables  # as above  # noqa: PLC0415  # keeps --help quick

            _tables.show_run(found)
        if found.outcome != "ok":
            raise typer.Exit(1)

    @app.command()
    def ui(
        *,
        port: Annotated[int | None, typer.Option(help="Port; 0 picks a free one.")] = None,
    ) -> None:
        """Serve the page on this machine, behind the password of the settings."""
        from .ui.launch import UiError, serve  # as above  # noqa: PLC0415  # keeps --help quick

        try:
            serve(session.load(), port=port)
        except UiError as error:
            fail(str(error))
