"""`fleet check`, `fleet fix` and `fleet report`: are projects on standard, and what to show for it?"""

from __future__ import annotations

import functools
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..console import DEFAULT_CONFIG, ConfigOption, JsonOption, RefreshOption, note, print_json
from ..errors import ConfigError, Exit

if TYPE_CHECKING:
    from ..checking import Asked, ProjectResult
    from ..config import FleetConfig
    from ..reports import Report
    from ..rules.waivers import Waivers

FormatOption = Annotated[
    str,
    typer.Option("--format", "-f", help="table, json, sarif, junit, github, markdown or html."),
]
OutputOption = Annotated[
    Path | None, typer.Option("--output", "-o", help="Write there instead of printing.")
]
DateOption = Annotated[
    str, typer.Option("--date", help="The day of the run, YYYY-MM-DD; today by default.")
]
StagedOption = Annotated[
    bool, typer.Option("--staged", help="Of a work tree, look at what is staged.")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(check)
    app.command()(fix)
    app.command()(report)


def check(
    projects: Annotated[
        list[str] | None,
        typer.Argument(help="Ids of projects, or one folder such as `.`; all without."),
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    form: FormatOption = "table",
    output: OutputOption = None,
    everything: Annotated[bool, typer.Option("--all", help="Show what passed as well.")] = False,
    online: Annotated[
        bool, typer.Option("--online", help="Ask the vulnerability database (OSV) as well.")
    ] = False,
    osv: Annotated[str, typer.Option("--osv-url", help="Another OSV service.")] = "",
    diff: Annotated[bool, typer.Option("--diff", help="Keep what was changed in reports.")] = False,
    staged: StagedOption = False,
    name: Annotated[str, typer.Option("--project", help="The id of a folder's project.")] = "",
    today: DateOption = "",
    refresh: RefreshOption = False,
) -> None:
    """Check projects against the rules: the whole fleet, some of it, or one folder offline."""
    from ..checking import Asked  # noqa: PLC0415  # imports what other commands need not

    asked = Asked(day(today), online=online or bool(osv), service=osv, diff=diff)
    form = "json" if json else form
    _known(form)
    folder = _folder(projects)
    if folder is not None:
        made = check_one(folder, load_config(config), asked, name, staged=staged)
    else:
        made = _check_fleet(config, tuple(projects or ()), asked, refresh=refresh)
    write(made, form, output, everything=everything)
    raise typer.Exit(made.exit_code())


def _folder(projects: list[str] | None) -> Path | None:
    """Return the folder that is meant: one argument that is a path, not an id."""
    if projects and len(projects) == 1:
        only = projects[0]
        if only in {".", ".."} or only.startswith(("./", "../", "/")):
            return Path(only)
    return None


def _known(form: str) -> None:
    from ..reports import FORMATS  # noqa: PLC0415  # as above

    if form != "table" and form not in FORMATS:
        raise ConfigError(f"there is no format {form}: use table, {', '.join(FORMATS)}")


def day(text: str) -> date:
    """Return the day of a run."""
    try:
        return date.fromisoformat(text) if text else datetime.now(UTC).date()
    except ValueError as error:
        raise ConfigError(f"--date {text}: write it as in 2027-01-31") from error


def load_config(path: Path) -> FleetConfig:
    """Return the configuration; the usual one where one folder is checked without any."""
    from ..config import FleetConfig, load  # noqa: PLC0415  # as above

    if path == DEFAULT_CONFIG and not path.is_file():
        return FleetConfig()
    return load(path)


def waivers_of(
    config: FleetConfig, results: list[ProjectResult], today: date, *, complete: bool
) -> Waivers:
    """Return the organisation's waivers and those of the projects that were checked."""
    from ..checking import selected_rules  # noqa: PLC0415  # as above
    from ..rules.waivers import Waivers, load_waivers  # noqa: PLC0415  # as above

    listed = load_waivers(config.path(config.waivers.file))
    return Waivers(
        [*listed, *(one for result in results for one in result.waivers)],
        selected_rules(config),
        today,
        max_days=config.waivers.max_days,
        forbidden=config.waivers.forbidden,
        projects=[result.project for result in results] if complete else None,
    )


def assemble(
    config: FleetConfig, results: list[ProjectResult], asked: Asked, *, complete: bool
) -> Report:
    """Return the report of a run, its waivers applied."""
    import dataclasses  # noqa: PLC0415  # as above

    from ..checking import selected_rules  # noqa: PLC0415  # as above
    from ..reports import Report  # noqa: PLC0415  # as above

    waivers = waivers_of(config, results, asked.today, complete=complete)
    applied = [dataclasses.replace(r, findings=waivers.apply(r.findings)) for r in results]
    about = waivers.findings(complete=complete)
    whole = [
        dataclasses.replace(
            r, findings=[*r.findings, *(f for f in about if f.project == r.project)]
        )
        for r in applied
    ]
    return Report(
        config.fleet.name,
        datetime.now(UTC),
        selected_rules(config),
        whole,
        [f for f in about if not f.project],
    )


def check_one(
    folder: Path, config: FleetConfig, asked: Asked, name: str, *, staged: bool
) -> Report:
    """Return the report of one folder."""
    from ..checking import check_folder  # noqa: PLC0415  # as above

    result = check_folder(folder, config, asked, name, staged=staged)
    return assemble(config, [result], asked, complete=False)


def _check_fleet(config: Path, only: tuple[str, ...], asked: Asked, *, refresh: bool) -> Report:
    from ..checking import ProjectResult, check_opened, runner_for  # noqa: PLC0415  # as above
    from ..inventory import take  # noqa: PLC0415  # as above
    from ..reports.history import burndowns, keep_last, record, trend  # noqa: PLC0415  # as above
    from ..survey import survey  # noqa: PLC0415  # as above
    from ..workspace import Workspace  # noqa: PLC0415  # as above

    workspace = Workspace.load(Path(config))
    runner_for(workspace.config, asked.today)  # before workers start, which inherit it
    inventory = take(workspace, refreshed=refresh, only=only)
    work = functools.partial(check_opened, asked=asked)
    results = [
        c.result or ProjectResult(c.project.id, c.project.owner, problem=c.problem)
        for c in survey(workspace, inventory, work, "checking")
    ]
    made = assemble(workspace.config, results, asked, complete=not only)
    if only:
        return made
    with workspace.history() as history:
        record(history, made)
        made = _with(made, trend=trend(history), campaigns=burndowns(history))
    keep_last(workspace.cache, made)
    return made


def _with(made: Report, **more: object) -> Report:
    import dataclasses  # noqa: PLC0415  # as above

    return dataclasses.replace(made, **more)  # type: ignore[arg-type]  # fields of Report, by name


def write(made: Report, form: str, output: Path | None, *, everything: bool = False) -> None:
    """Print a report, or write it to a file."""
    from ..reports import render  # noqa: PLC0415  # as above

    if form == "table":
        from ..reports.table import show  # noqa: PLC0415  # as above

        show(made, everything=everything)
        return
    put(render(made, form), output)


def put(text: str, output: Path | None) -> None:
    """Print a text, or write it to a file whole."""
    data = text.encode("utf-8", "backslashreplace")
    if output is None:
        sys.stdout.write(data.decode())
        return
    try:
        temporary = output.with_name(f".{output.name}.new")
        temporary.write_bytes(data)
        temporary.replace(output)
    except OSError as error:
        raise ConfigError(f"{output} can not be written: {error.strerror}") from error
    note(f"wrote {output}")


def fix(
    folder: Annotated[Path, typer.Argument(help="The work tree to change; nothing else is.")],
    config: ConfigOption = DEFAULT_CONFIG,
    rule: Annotated[list[str] | None, typer.Option("--rule", help="Only these rules.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be changed.")] = False,
    json: JsonOption = False,
    today: DateOption = "",
) -> None:
    """Make the changes to one work tree that are safe to make by themselves."""
    from ..checking import Asked, selected_rules  # noqa: PLC0415  # as above
    from ..rules.fixes import apply_fixes, planned_fixes  # noqa: PLC0415  # as above

    settings = load_config(config)
    made = check_one(folder, settings, Asked(day(today)), "", staged=False)
    rules = [one for one in selected_rules(settings) if not rule or one.id in rule]
    done = []
    for one in rules:  # one rule after the other: two may change the same file
        fixes = planned_fixes(folder, [one], made.findings())
        if not dry_run:
            apply_fixes(folder, fixes)
        done += fixes
    if json:
        print_json({"fixes": [{"rule": f.rule, "path": f.path, "what": f.said} for f in done]})
    for each in done if not json else ():
        typer.echo(f"{each.rule} {each.path}: {'would ' if dry_run else ''}{each.said}")
    if not done:
        note("nothing that could be changed by itself")


def report(
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    form: FormatOption = "table",
    output: OutputOption = None,
    controls: Annotated[
        bool, typer.Option("--controls", help="The evidence for controls instead.")
    ] = False,
) -> None:
    """Report the last run of `fleet check` again, with its trend; nothing is checked."""
    from ..checking import selected_rules  # noqa: PLC0415  # as above
    from ..reports.history import burndowns, load_last, trend  # noqa: PLC0415  # as above
    from ..workspace import Workspace  # noqa: PLC0415  # as above

    form = "json" if json else form
    _known(form)
    workspace = Workspace.load(Path(config))
    made = load_last(workspace.cache, selected_rules(workspace.config))
    with workspace.history() as history:
        made = _with(made, trend=trend(history), campaigns=burndowns(history))
    if controls:
        _controls(made, form, output)
    else:
        write(made, form, output)
    raise typer.Exit(Exit.CLEAN)


def _controls(made: Report, form: str, output: Path | None) -> None:
    from ..reports.controls import evidence, markdown  # noqa: PLC0415  # as above

    if form == "json":
        print_json({"controls": [one.as_json() for one in evidence(made)]})
    elif form in {"table", "markdown"}:
        put(markdown(made), output)
    else:
        raise ConfigError("--controls is written as table, markdown or json")
