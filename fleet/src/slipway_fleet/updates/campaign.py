"""A campaign: one release, carried to every project in waves.

Each step is written down after it is done, and each can be done again: the commit of an update has the
same name every time, a branch that is already there is not pushed again, and a request that is already
open is brought up to date. So a run that was killed is continued by running it again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Literal

from ..errors import ConfigError, FleetError
from ..inventory.projects import Project
from ..run import every
from ..store import Store
from ..workspace import Workspace
from .delivery import Delivery
from .plan import Plan, Wanted, plan_project

ItemState = Literal[
    "waiting", "planned", "pushed", "open", "merged", "closed", "skipped", "failed", "taken-over"
]
TO_DO = ("waiting", "planned")
SETTLED = ("merged", "closed", "skipped")
_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,59}")

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Item:
    """One project of a campaign.

    Attributes:
        project: Its id.
        wave: From 1.
        state: Where it stands.
        branch: The branch that is pushed.
        planned: The commit the branch is to have.
        pushed: The commit that was pushed last.
        request: The number of the request.
        url: Its address.
        draft: Whether somebody has to decide something.
        notes: What the request says.
        problem: Why it failed.
    """

    project: str
    wave: int
    state: ItemState = "waiting"
    branch: str = ""
    planned: str = ""
    pushed: str = ""
    request: str = ""
    url: str = ""
    draft: bool = False
    notes: tuple[str, ...] = ()
    problem: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)


@dataclass
class Tally:
    """What one run did."""

    planned: int = 0
    pushed: int = 0
    opened: int = 0
    failed: int = 0
    stopped: str = ""


class Campaign:
    """One campaign in the history."""

    def __init__(self, name: str, workspace: Workspace, history: Store) -> None:
        """Open a campaign that was started.

        Raises:
            ConfigError: There is none of this name.
        """
        rows = history.query("SELECT * FROM campaign WHERE id = ?", name)
        if not rows:
            raise ConfigError(f"there is no campaign {name!r}: `fleet campaign start {name}`")
        self.name = name
        self.target = str(rows[0]["target"])
        self.closed = bool(rows[0]["closed"])
        self.settings: dict[str, Any] = json.loads(rows[0]["settings"])
        self._workspace, self._history = workspace, history

    @classmethod
    def start(
        cls, name: str, target: str, ids: Sequence[str], workspace: Workspace, history: Store
    ) -> Campaign:
        """Write a campaign down; nothing is pushed.

        Raises:
            ConfigError: The name is taken or no name.
        """
        if not _ID.fullmatch(name):
            raise ConfigError(f"{name!r}: use lower-case letters, digits, dots and dashes")
        if history.query("SELECT 1 FROM campaign WHERE id = ?", name):
            raise ConfigError(f"there is a campaign {name!r} already: `fleet campaign run {name}`")
        section = workspace.config.campaign
        settings = {"branch": section.branch_prefix + name, "managed": section.managed}
        now = datetime.now(UTC).isoformat()
        with history.transaction() as db:
            insert = "INSERT INTO campaign (id, target, started, settings) VALUES (?, ?, ?, ?)"
            db.execute(insert, (name, target, now, json.dumps(settings)))
            db.executemany(
                "INSERT INTO item (campaign, project, wave, state, changed) "
                "VALUES (?, ?, ?, 'waiting', ?)",
                [(name, id_, wave, now) for id_, wave in in_waves(ids, section.waves)],
            )
        return cls(name, workspace, history)

    def items(self) -> list[Item]:
        """Return every project of the campaign, by wave."""
        sql = "SELECT * FROM item WHERE campaign = ? ORDER BY wave, project"
        return [
            Item(
                row["project"],
                row["wave"],
                row["state"],
                row["branch"],
                row["planned"],
                row["pushed"],
                row["request"],
                row["url"],
                bool(row["draft"]),
                tuple(json.loads(row["notes"])),
                row["problem"],
            )
            for row in self._history.query(sql, self.name)
        ]

    def save(self, item: Item) -> None:
        """Write down where a project stands."""
        with self._history.transaction() as db:
            db.execute(
                "UPDATE item SET state = ?, branch = ?, planned = ?, pushed = ?, request = ?, "
                "url = ?, draft = ?, notes = ?, problem = ?, changed = ? "
                "WHERE campaign = ? AND project = ?",
                (
                    *(item.state, item.branch, item.planned, item.pushed, item.request, item.url),
                    *(int(item.draft), json.dumps(item.notes), item.problem),
                    *(datetime.now(UTC).isoformat(), self.name, item.project),
                ),
            )

    def refresh(self, projects: Sequence[Project], delivery: Delivery) -> None:
        """Ask the forges what became of open requests."""
        known = {project.id: project for project in projects}
        for item in self.items():
            if item.state == "open" and item.project in known:
                found = delivery.request_of(known[item.project], item.branch)
                if found is not None and found.state != "open":
                    self.save(replace(item, state=found.state))

    def current_wave(self, *, onward: bool) -> int:
        """Return the wave to work on: the next one only when every earlier project is settled.

        Args:
            onward: Begin the next wave although requests of an earlier one are still open.

        Raises:
            FleetError: An earlier wave is not settled.
        """
        items = self.items()
        waves = sorted({item.wave for item in items if item.state in TO_DO})
        if not waves:
            return 0
        wave = waves[0]
        before = [i.project for i in items if i.wave < wave and i.state not in SETTLED]
        begun = any(i.wave == wave and i.state != "waiting" for i in items)
        if before and not onward and not begun:
            named = ", ".join(before[:3])
            raise FleetError(
                f"wave {wave} waits for {len(before)} requests of earlier waves ({named}): merge or "
                "close them, or say --onward"
            )
        return wave

    def run(
        self, projects: Sequence[Project], delivery: Delivery, tell: Tell, *, onward: bool = False
    ) -> Tally:
        """Work on the current wave.

        Raises:
            FleetError: The campaign is closed, or an earlier wave is not settled.
        """
        if self.closed:
            raise FleetError(f"campaign {self.name} is closed")
        self.refresh(projects, delivery)
        wave = self.current_wave(onward=onward)
        todo = {i.project: i for i in self.items() if i.wave == wave and i.state in TO_DO}
        known = [project for project in projects if project.id in todo]
        tally = Tally()
        for name in sorted(set(todo) - {project.id for project in known}):
            self._fail(todo[name], "it is not in the inventory any more", tally, tell)
        author = self._workspace.config.campaign
        who = f"{author.author} <{author.email}>"
        wanted = Wanted(self.target, self.settings["managed"], who, self.name)
        for checked in every(self._workspace, known, partial(plan_project, wanted=wanted)):
            item = todo[checked.project.id]
            if checked.result is None:
                self._fail(item, checked.problem, tally, tell)
                continue
            if self._is_full():
                tally.stopped = "as many requests are open as fleet.toml allows (campaign.max_open)"
                break
            try:
                self._deliver(checked.project, item, checked.result, delivery, tally, tell)
            except FleetError as error:
                self._fail(self._again(item), str(error), tally, tell)
        return tally

    def _is_full(self) -> bool:
        open_now = sum(item.state == "open" for item in self.items())
        return open_now >= self._workspace.config.campaign.max_open

    def _again(self, item: Item) -> Item:
        return next(i for i in self.items() if i.project == item.project)

    def _fail(self, item: Item, problem: str, tally: Tally, tell: Tell) -> None:
        self.save(replace(item, state="failed", problem=problem))
        tally.failed += 1
        tell(f"{item.project}: failed: {problem}")

    def _deliver(
        self, project: Project, item: Item, plan: Plan, delivery: Delivery, tally: Tally, tell: Tell
    ) -> None:
        """Take one project as far as it goes, writing down each step."""
        tally.planned += 1
        if plan.state != "update":
            self.save(replace(item, state="skipped", problem=f"it is {plan.state}"))
            tell(f"{item.project}: nothing to do, it is {plan.state}")
            return
        branch = self.settings["branch"]
        remote = delivery.remote(project)
        there = remote.head(branch)
        if there not in {"", plan.commit, item.planned, item.pushed}:
            self.save(replace(item, state="taken-over", branch=branch, pushed=there))
            tell(f"{item.project}: somebody has changed the branch {branch}; it is left alone")
            return
        item = replace(
            item,
            state="planned",
            branch=branch,
            planned=plan.commit,
            pushed=there,
            draft=plan.needs_person,
            notes=tuple(f"{note.path}: {note.text}" for note in plan.notes),
            problem="",
        )
        self.save(item)
        tell(f"{item.project}: planned {plan.commit[:12]}")
        if there != plan.commit:
            remote.push(branch, plan.commit, there)
            tally.pushed += 1
            tell(f"{item.project}: pushed {plan.commit[:12]}")
        item = replace(item, pushed=plan.commit)
        request = delivery.open(project, plan, branch)
        if request is None:
            self.save(replace(item, state="pushed"))
            return
        self.save(replace(item, state="open", request=str(request.number), url=request.url))
        tally.opened += 1
        tell(f"{item.project}: opened {request.url}")

    def retry(self, ids: Sequence[str]) -> list[str]:
        """Let projects be planned and delivered again; by default those that failed.

        Raises:
            ConfigError: A project is not in the campaign.
        """
        items = {item.project: item for item in self.items()}
        unknown = sorted(set(ids) - set(items))
        if unknown:
            raise ConfigError(f"campaign {self.name} has no project {unknown[0]!r}")
        chosen = list(ids) or [i.project for i in items.values() if i.state == "failed"]
        for name in chosen:
            self.save(replace(items[name], state="waiting", problem=""))
        return chosen

    def close(
        self, projects: Sequence[Project], delivery: Delivery, tell: Tell, *, delete: bool
    ) -> None:
        """Close every open request, and the campaign; with `delete` the branches that are as pushed.

        Raises:
            FleetError: A forge or a remote refuses; running it again goes on from there.
        """
        known = {project.id: project for project in projects}
        for item in self.items():
            if item.project not in known or item.state not in {"open", "pushed", "planned"}:
                continue
            if item.state == "open":
                delivery.close_request(known[item.project], int(item.request))
            if delete and item.pushed:
                remote = delivery.remote(known[item.project])
                if remote.head(item.branch) == item.pushed:
                    remote.delete(item.branch, item.pushed)
            self.save(replace(item, state="closed"))
            tell(f"{item.project}: closed")
        with self._history.transaction() as db:
            now = datetime.now(UTC).isoformat()
            db.execute("UPDATE campaign SET closed = ? WHERE id = ?", (now, self.name))


def in_waves(ids: Sequence[str], sizes: Sequence[int]) -> list[tuple[str, int]]:
    """Return each id with its wave; what is left after the sizes is the last wave."""
    found: list[tuple[str, int]] = []
    left, wave = list(ids), 1
    for size in sizes:
        if left and size > 0:
            found += [(name, wave) for name in left[:size]]
            left, wave = left[size:], wave + 1
    return found + [(name, wave) for name in left]
