"""`fleet waiver`: who is excepted from what, why, and until when."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..console import DEFAULT_CONFIG, ConfigOption, JsonOption, note, print_json, print_table
from ..errors import ConfigError, Exit
from .check import DateOption, day, load_config

if TYPE_CHECKING:
    from ..config import FleetConfig
    from ..rules.waivers import Problem, Waiver, Waivers

FolderOption = Annotated[
    Path | None, typer.Option("--folder", help="A project's work tree: use its own file.")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Exceptions from rules, each with an end.", no_args_is_help=True)
    group.command()(add)
    group.command()(lint)
    group.command("list")(list_waivers)
    app.add_typer(group, name="waiver")


def add(
    rule: Annotated[str, typer.Option(help="The rule.")],
    reason: Annotated[str, typer.Option(help="Why, in a sentence.")],
    owner: Annotated[str, typer.Option(help="Who has to end it.")],
    approver: Annotated[str, typer.Option(help="Who allows it; not the owner.")],
    ticket: Annotated[str, typer.Option(help="Where the work is tracked.")],
    project: Annotated[str, typer.Option(help="The project, or a pattern of several.")] = "",
    path: Annotated[list[str] | None, typer.Option(help="Only these files (patterns).")] = None,
    days: Annotated[int, typer.Option(help="How many days it holds.", min=1)] = 90,
    folder: FolderOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    today: DateOption = "",
) -> None:
    """Add one to the organisation's file, or to a project's own."""
    from ..rules.waivers import Waiver  # noqa: PLC0415  # imports what others need not

    settings, start = load_config(config), day(today)
    present, file = _file(settings, folder)
    if folder is None and not project:
        raise ConfigError("name the project with --project, or its work tree with --folder")
    made = Waiver(
        id=_free_id(present, rule),
        rule=rule.upper(),
        project=project or (folder.resolve().name if folder else ""),
        paths=tuple(path or ()),
        reason=reason,
        owner=owner,
        approver=approver,
        created=start,
        expires=start + dt.timedelta(days=days),
        ticket=ticket,
        local=folder is not None,
    )
    _write(file, made, _judged(settings, [*present, made], start).problems)


def _write(file: Path, made: Waiver, problems: list[Problem]) -> None:
    from ..rules.waivers import waiver_text  # noqa: PLC0415  # as above

    refused = [problem.message for problem in problems if problem.waiver == made.key]
    if refused:
        raise ConfigError(f"not added: {'; '.join(refused)}")
    before = file.read_text("utf-8") if file.exists() else ""
    file.write_text(before + waiver_text(made), "utf-8")
    note(f"added {made.id} to {file}, until {made.expires}")


def _file(settings: FleetConfig, folder: Path | None) -> tuple[list[Waiver], Path]:
    from ..rules.fixes import inside  # noqa: PLC0415  # as above
    from ..rules.waivers import LOCAL_FILE, load_waivers, read_waivers  # noqa: PLC0415  # as above

    if folder is None:
        file = settings.path(settings.waivers.file)
        return load_waivers(file), file
    file = inside(folder, LOCAL_FILE)
    text = file.read_text("utf-8") if file.exists() else ""
    return read_waivers(LOCAL_FILE, text, local_to=folder.resolve().name), file


def _free_id(present: list[Waiver], rule: str) -> str:
    used = {one.id for one in present}
    return next(
        name for n in range(1, len(used) + 2) if (name := f"{rule.upper()}-{n}") not in used
    )


def _judged(settings: FleetConfig, waivers: list[Waiver], today: dt.date) -> Waivers:
    from ..checking import selected_rules  # noqa: PLC0415  # as above
    from ..rules.waivers import Waivers  # noqa: PLC0415  # as above

    return Waivers(
        waivers,
        selected_rules(settings),
        today,
        max_days=settings.waivers.max_days,
        forbidden=settings.waivers.forbidden,
    )


def lint(
    folder: FolderOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    today: DateOption = "",
) -> None:
    """Say which waivers do not hold: wrong, forbidden, too long, or at their end."""
    settings, now = load_config(config), day(today)
    listed, _ = _file(settings, folder)
    found = [(p.waiver, p.level.value, p.message) for p in _judged(settings, listed, now).problems]
    ended = [one for one in listed if one.expires < now]
    found += [(one.key, "warning", f"it ended on {one.expires}") for one in ended]
    if json:
        rows = [{"waiver": w, "level": level, "message": said} for w, level, said in found]
        print_json({"problems": rows})
    elif found:
        print_table("", ["waiver", "", "what is wrong"], found)
    raise typer.Exit(Exit.FINDINGS if found else Exit.CLEAN)


def list_waivers(
    folder: FolderOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    today: DateOption = "",
) -> None:
    """List them, those that end first at the top."""
    settings, now = load_config(config), day(today)
    listed = sorted(_file(settings, folder)[0], key=lambda one: (one.expires, one.id))
    if json:
        rows = [
            {name: getattr(one, name) for name in one.__slots__} | {"ended": one.expires < now}
            for one in listed
        ]
        print_json({"waivers": rows})
        return
    columns = ["waiver", "rule", "project", "owner", "until", "reason"]
    shown = [
        (one.id, one.rule, one.project, one.owner, _until(one, now), one.reason) for one in listed
    ]
    print_table("", columns, shown)


def _until(one: Waiver, now: dt.date) -> str:
    left = (one.expires - now).days
    return f"{one.expires} (ended)" if left < 0 else f"{one.expires} ({left} days)"
