"""`fleet campaign`: carry an update to every project, in waves."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..console import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    RefreshOption,
    note,
    print_json,
    print_table,
)
from ..errors import ConfigError, Exit, FleetError
from .plan import TargetOption

if TYPE_CHECKING:
    from ..inventory import Inventory
    from ..updates.campaign import Campaign
    from ..updates.delivery import Delivery
    from ..workspace import Workspace

NameArgument = Annotated[str, typer.Argument(help="The campaign, such as v2.")]
SomeArgument = Annotated[list[str] | None, typer.Argument(help="Ids of projects.")]


def register(app: typer.Typer) -> None:
    """Add the group of commands."""
    group = typer.Typer(help="Carry an update to every project, in waves.", no_args_is_help=True)
    for command in (start, run, status, retry, close):
        group.command()(command)
    app.add_typer(group, name="campaign")


def start(
    name: NameArgument,
    projects: SomeArgument = None,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    target: TargetOption = "",
    refresh: RefreshOption = False,
) -> None:
    """Write a campaign down: its release, its projects, its waves. Nothing is pushed."""
    from ..inventory import take  # noqa: PLC0415  # imports what other commands need not
    from ..template import RenderCache  # noqa: PLC0415  # as above
    from ..updates.campaign import Campaign  # noqa: PLC0415  # as above
    from ..workspace import Workspace  # noqa: PLC0415  # as above

    workspace = Workspace.load(Path(config))
    if len(workspace.config.template) != 1 and not target:
        raise ConfigError("there is not one [[template]]: name the release with --target")
    if workspace.config.template:
        mirror = RenderCache(workspace.config).mirror_of(workspace.config.template[0].url)
        mirror.refresh()
        target = mirror.target(target or workspace.config.template[0].target)
    inventory = take(workspace, refreshed=refresh, only=tuple(projects or ()))
    with workspace.history() as history:
        ids = [project.id for project in inventory.projects]
        made = Campaign.start(name, target, ids, workspace, history)
        _show(made, json=json)


def run(
    name: NameArgument,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    refresh: RefreshOption = False,
    onward: Annotated[
        bool, typer.Option("--onward", help="Begin the next wave while requests are still open.")
    ] = False,
    every_wave: Annotated[
        bool, typer.Option("--all", help="Go on through every wave, whatever is open.")
    ] = False,
) -> None:
    """Plan, push and open requests for the current wave; run it again to go on after a stop."""
    with _opened(name, config, refresh=refresh) as (campaign, delivery, inventory):
        tally = campaign.run(inventory.projects, delivery, note, onward=onward or every_wave)
        total = Counter(vars(tally) | {"stopped": 0})
        while every_wave and not tally.stopped and _more(campaign):
            tally = campaign.run(inventory.projects, delivery, note, onward=True)
            total.update(vars(tally) | {"stopped": 0})
        done = {key: total[key] for key in ("planned", "pushed", "opened", "failed")}
        _show(campaign, json=json, did=done | {"stopped": tally.stopped})
        if tally.stopped:
            note(f"stopped: {tally.stopped}")
        raise typer.Exit(Exit.UNCHECKED if total["failed"] else Exit.CLEAN)


def _more(campaign: Campaign) -> bool:
    return any(item.state in {"waiting", "planned"} for item in campaign.items())


def status(
    name: NameArgument,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    refresh: RefreshOption = False,
) -> None:
    """Show where each project stands; with --refresh the forges are asked first."""
    with _opened(name, config, refresh=refresh) as (campaign, delivery, inventory):
        if refresh:
            campaign.refresh(inventory.projects, delivery)
        _show(campaign, json=json)
        open_items = any(i.state not in {"merged", "closed", "skipped"} for i in campaign.items())
        raise typer.Exit(Exit.FINDINGS if open_items else Exit.CLEAN)


def retry(
    name: NameArgument,
    projects: SomeArgument = None,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
) -> None:
    """Let projects be planned and pushed again at the next run: those that failed, or those named."""
    with _opened(name, config, refresh=False) as (campaign, _, _inventory):
        chosen = campaign.retry(projects or [])
        note(f"{len(chosen)} projects wait for the next `fleet campaign run {name}`")
        _show(campaign, json=json)


def close(
    name: NameArgument,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    delete: Annotated[
        bool, typer.Option("--delete-branches", help="Delete branches nobody else has changed.")
    ] = False,
) -> None:
    """End a campaign: close its open requests."""
    with _opened(name, config, refresh=False) as (campaign, delivery, inventory):
        campaign.close(inventory.projects, delivery, note, delete=delete)
        _show(campaign, json=json)


@contextlib.contextmanager
def _opened(
    name: str, config: Path, *, refresh: bool
) -> Iterator[tuple[Campaign, Delivery, Inventory]]:
    """Open a campaign alone: two runs at once would push twice."""
    from ..inventory import take  # noqa: PLC0415  # imports what other commands need not
    from ..updates.campaign import Campaign  # noqa: PLC0415  # as above
    from ..updates.delivery import Delivery  # noqa: PLC0415  # as above
    from ..workspace import Workspace  # noqa: PLC0415  # as above

    workspace = Workspace.load(Path(config))
    with _alone(workspace), workspace.history() as history:
        campaign = Campaign(name, workspace, history)
        delivery = Delivery(workspace)
        try:
            yield campaign, delivery, take(workspace, refreshed=refresh)
        finally:
            delivery.close()


@contextlib.contextmanager
def _alone(workspace: Workspace) -> Iterator[None]:
    import fcntl  # noqa: PLC0415  # POSIX only, and only here

    with (workspace.cache / "campaign.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise FleetError("another `fleet campaign` is running on this cache") from error
        yield


def _show(campaign: Campaign, *, json: bool, did: dict[str, object] | None = None) -> None:
    items = campaign.items()
    if json:
        head = {"campaign": campaign.name, "target": campaign.target, "did": did or {}}
        print_json(head | {"projects": [item.as_json() for item in items]})
        return
    rows = [
        (
            str(i.wave),
            i.project,
            i.state,
            "draft" if i.draft else "",
            i.url or i.problem or i.branch,
        )
        for i in items
    ]
    print_table(
        f"{campaign.name}: to {campaign.target}", ["wave", "project", "state", "", ""], rows
    )
    counts = Counter(item.state for item in items)
    note(", ".join(f"{number} {state}" for state, number in sorted(counts.items())))
