"""What earlier runs amounted to, for trends; and the last run, for reports without a new one."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from pathlib import Path

from ..checking import ProjectResult, findings_from
from ..errors import ConfigError
from ..findings import Outcome
from ..rules.model import Rule
from ..store import Store
from .model import Burndown, Report, TrendPoint
from .plain import document

LAST = "last-check.json"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS standing (
    run INTEGER PRIMARY KEY REFERENCES run ON DELETE CASCADE, grades TEXT NOT NULL,
    failures INTEGER NOT NULL, unchecked INTEGER NOT NULL
) STRICT;
"""
_DONE = {"merged", "closed", "skipped"}
MAX_POINTS = 90


def record(store: Store, report: Report) -> None:
    """Keep a run: what failed, was waived or could not be checked, and what it all amounts to."""
    snapshots = [(p.project, p.head, "", p.release, p.problem) for p in report.projects]
    kept = {Outcome.FAIL, Outcome.WAIVED, Outcome.ERROR}
    findings = [finding for finding in report.findings() if finding.outcome in kept]
    run = store.add_run("check", report.when, snapshots, findings)
    with store.transaction() as database:
        database.execute(_SCHEMA)
        database.execute(
            "INSERT INTO standing VALUES (?, ?, ?, ?)",
            (run, json.dumps(report.grades()), report.failures(), len(report.unchecked)),
        )


def trend(store: Store) -> list[TrendPoint]:
    """Return the last runs over the whole fleet, the oldest first."""
    with store.transaction() as database:
        database.execute(_SCHEMA)
    rows = store.query(
        "SELECT started, grades, failures, unchecked FROM standing JOIN run ON run.id = standing.run "
        "ORDER BY run.id DESC LIMIT ?",
        MAX_POINTS,
    )
    return [
        TrendPoint(row["started"], json.loads(row["grades"]), row["failures"], row["unchecked"])
        for row in reversed(rows)
    ]


def burndowns(store: Store) -> list[Burndown]:
    """Return the campaigns with what is left of each over time."""
    found = []
    for campaign in store.query("SELECT id, target, started FROM campaign ORDER BY started"):
        items = store.query("SELECT state, changed FROM item WHERE campaign = ?", campaign["id"])
        states = Counter(str(item["state"]) for item in items)
        left, points = len(items), [(str(campaign["started"]), len(items))]
        for when in sorted(str(item["changed"]) for item in items if item["state"] in _DONE):
            left -= 1
            points.append((when, left))
        found.append(Burndown(campaign["id"], campaign["target"], dict(states), points))
    return found


def keep_last(cache: Path, report: Report) -> None:
    """Write the last run where `load_last` finds it."""
    cache.mkdir(parents=True, exist_ok=True)
    temporary = cache / f".{LAST}"
    temporary.write_text(json.dumps(document(report)), "utf-8")
    temporary.replace(cache / LAST)


def load_last(cache: Path, rules: list[Rule]) -> Report:
    """Return the last run.

    Raises:
        ConfigError: When there is none.
    """
    try:
        data = json.loads((cache / LAST).read_text("utf-8"))
    except FileNotFoundError as error:
        raise ConfigError("nothing was checked yet: run `fleet check` first") from error
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"the last run can not be read: {error}; run `fleet check` again"
        ) from error
    checked = {one["id"] for one in data["rules"]}
    projects = [
        ProjectResult(
            project=one["project"],
            owner=one["owner"],
            head=one["head"],
            release=one["release"],
            newest=one["newest"],
            problem=one["problem"],
            findings=findings_from(one["findings"]),
        )
        for one in data["projects"]
    ]
    return Report(
        data["fleet"],
        dt.datetime.fromisoformat(data["when"]),
        [rule for rule in rules if rule.id in checked],
        projects,
        findings_from(data["findings"]),
    )
