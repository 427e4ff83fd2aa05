# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""What the commands of `tasks` print for people."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

from .presets import utc_now
from .schedule import zone
from .schemas import (
    BrokenPreset,
    Change,
    MonitoringTask,
    RunRecord,
    TaskStatus,
    definition,
)

_STYLES = {
    "ok": "green",
    "alert": "yellow",
    "error": "red",
    "failing": "bold red",
    "broken": "bold red",
    "missed": "yellow",
}
# A terminal obeys escape sequences, and what a check found can hold any.
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def _text(value: object, style: str = "") -> Text:
    return Text(_CONTROLS.sub("?", str(value)), style=style)


def _state(value: str) -> Text:
    return _text(value, _STYLES.get(value, ""))


def _moment(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}" if moment else "-"


def schedule_of(task: MonitoringTask) -> str:
    """Return when a task runs, in a few words."""
    if task.interval_s is not None:
        return f"every {task.interval_s} s"
    return f"{task.cron} {task.timezone}"


def show_tasks(tasks: Sequence[MonitoringTask], broken: Sequence[BrokenPreset]) -> None:
    """Print the tasks as a table; times are UTC."""
    if not tasks and not broken:
        Console().print("There are no tasks: `tasks add` makes one, `tasks examples` some to try.")
        return
    table = Table("Id", "Name", "Check", "Schedule", "State", "Active", "Last run", "Next run")
    for task in tasks:
        table.add_row(
            _text(task.id),
            _text(task.name),
            _text(task.check),
            _text(schedule_of(task)),
            _state(task.status.value),
            "yes" if task.active else "no",
            _moment(task.last_run),
            _moment(task.next_run),
        )
    for preset in broken:
        why = _text("; ".join(preset.problems), "red")
        state = _state(TaskStatus.BROKEN.value)
        active = "yes" if preset.active else "no"
        table.add_row(_text(preset.id), _text(preset.name), "-", why, state, active, "-", "-")
    Console().print(table)


def show_task(task: MonitoringTask) -> None:
    """Print all of a task."""
    table = Table(show_header=False)
    for name, value in definition(task).items():
        table.add_row(name, _text(value))
    table.add_row("state", _state(task.status.value))
    for name, said in (("problem", task.problem), ("last hash", task.last_hash[:16])):
        if said:
            table.add_row(name, _text(said))
    table.add_row("last run", _moment(task.last_run))
    if task.pending:
        waiting = ", ".join(sorted({name for notice in task.pending for name in notice.channels}))
        table.add_row("not told yet", _text(f"{len(task.pending)}, by {waiting}"))
    Console().print(table)
    show_next(task)


def show_next(task: MonitoringTask | BrokenPreset) -> None:
    """Print the next five runs of a task, by its own clock."""
    if isinstance(task, BrokenPreset):
        return
    if not task.active:
        Console().print("It is not active, so it runs only when asked to.")
        return
    clock = zone(task.timezone)
    Console().print("Next runs:")
    for moment in task.schedule.next_times(utc_now(), 5):
        Console().print(Text(f"  {moment.astimezone(clock):%a %Y-%m-%d %H:%M:%S %Z}"))


def show_runs(runs: Sequence[RunRecord]) -> None:
    """Print runs as a table."""
    table = Table("Started", "Due", "Outcome", "Took", "Told", "Summary")
    for run in runs:
        table.add_row(
            _moment(run.started),
            _moment(run.scheduled_for),
            _state(run.outcome.value),
            f"{run.duration_ms:.0f} ms",
            ", ".join(run.told) or "-",
            _text(run.summary),
        )
    Console().print(table)


def show_run(run: RunRecord) -> None:
    """Print one run, with its table."""
    Console().print(Text.assemble(_state(run.outcome.value), ": ", _text(run.summary)))
    if run.rows:
        columns = list(dict.fromkeys(name for row in run.rows for name in row))
        table = Table(*(_text(name).plain for name in columns))
        for row in run.rows:
            table.add_row(*(_text(row.get(name, "")) for name in columns))
        Console().print(table)
    if run.told:
        Console().print(f"Told: {', '.join(run.told)}")


def show_changes(changes: Sequence[Change]) -> None:
    """Print changes as a table."""
    table = Table("At", "By", "What", "Fields")
    for change in changes:
        names = change.after.keys() | change.before.keys()
        fields = ", ".join(sorted(names)) if change.action == "edited" else change.reason
        table.add_row(_moment(change.at), _text(change.by or "-"), change.action, _text(fields))
    Console().print(table)
