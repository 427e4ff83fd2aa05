"""A report that holds everything a report can hold, with hostile text wherever a project has a say."""

import datetime as dt

from slipway_fleet.checking import ProjectResult
from slipway_fleet.findings import Finding, Level, Outcome
from slipway_fleet.reports.model import Burndown, Report, TrendPoint
from slipway_fleet.rules.loader import load_rules

WHEN = dt.datetime(2027, 1, 15, 8, 30, tzinfo=dt.UTC)
RULES = load_rules()
HOSTILE = (
    '<script>window.hit=1</script><img src=x onerror="window.hit=2">'
    '"\'><a href="javascript:window.hit=3">x</a>{{ 7*7 }}]]>--><!--\x1b[31m\u202e'
)
"""What a project may write into each field that it controls."""


def hostile(rule: str, outcome: Outcome, level: Level = Level.ERROR) -> Finding:
    """Return a finding with hostile text in every field."""
    return Finding(
        rule=rule,
        project=HOSTILE,
        outcome=outcome,
        level=level,
        message=f"message {HOSTILE}\n::error::second line",
        path=f"src/{HOSTILE},line=9.py",
        line=7,
        waiver=HOSTILE if outcome is Outcome.WAIVED else "",
        details={
            "diff": f"--- a\n+++ b\n+{HOSTILE}\n",
            "owner": HOSTILE,
            "reason": HOSTILE,
            "expires": HOSTILE,
            "ticket": HOSTILE,
        },
    )


def hostile_project() -> ProjectResult:
    """Return a project with hostile text in every field."""
    return ProjectResult(
        project=HOSTILE,
        owner=HOSTILE,
        head="0" * 40,
        release=HOSTILE,
        newest=HOSTILE,
        findings=[
            hostile("SEC01", Outcome.FAIL),
            hostile("LOG01", Outcome.FAIL, Level.WARNING),
            hostile("CI03", Outcome.FAIL, Level.NOTE),
            hostile("TST01", Outcome.WAIVED),
            hostile("DEP08", Outcome.ERROR),
            Finding("DOC01", HOSTILE, Outcome.PASS),
        ],
    )


def ordinary_project(name: str, *broken: str, waived: str = "", problem: str = "") -> ProjectResult:
    """Return a project that breaks some rules."""
    if problem:
        return ProjectResult(name, owner="@team-late", problem=problem)
    findings = []
    for rule in RULES:
        outcome = Outcome.FAIL if rule.id in broken else Outcome.PASS
        details = {}
        if rule.id == waived:
            outcome = Outcome.WAIVED
            details = {
                "owner": "@team",
                "reason": "The package goes away in March.",
                "expires": "2027-03-01",
                "ticket": "OPS-17",
            }
        if rule.id == "TPL01" and outcome is Outcome.FAIL:
            details = {
                "diff": "--- template/a\n+++ project/a\n@@ -1 +1 @@\n-USER 10001\n+USER root\n"
            }
        findings.append(
            Finding(
                rule.id,
                name,
                outcome,
                rule.level,
                message="" if outcome is Outcome.PASS else f"What {rule.id} found.",
                path="" if outcome is Outcome.PASS else "src/acme/service.py",
                line=0 if outcome is Outcome.PASS else 12,
                fix="" if outcome is Outcome.PASS else rule.fix,
                waiver="TST04-1" if outcome is Outcome.WAIVED else "",
                details=details,
            )
        )
    return ProjectResult(name, f"@team-{name[:3]}", "a" * 40, "v1.2.0", "v1.3.0", findings=findings)


def full_report(*more: ProjectResult) -> Report:
    """Return a report with a trend, campaigns, and projects of every grade."""
    projects = [
        ordinary_project("billing"),
        ordinary_project("catalogue", "LOG01", "TST05"),
        ordinary_project("checkout", "CI03", waived="TST04"),
        ordinary_project("identity", "SEC09", "TPL01", "SCR04", "LOG02"),
        ordinary_project("ledger", problem="its tree cannot be read: bad object"),
        ordinary_project("stock", "API02"),
        *more,
    ]
    trend = [
        TrendPoint(
            f"2027-01-{n:02}T06:00:00+00:00",
            {"gold": n // 5, "silver": 1, "bronze": 2, "none": 12 - n // 2},
            60 - 4 * n + n % 3,
            1,
        )
        for n in range(1, 15)
    ]
    left = [(f"2027-01-{n:02}T09:00:00+00:00", 40 - 3 * n) for n in range(1, 12)]
    campaigns = [Burndown("security-1.3", "v1.3.0", {"open": 5, "merged": 32, "failed": 2}, left)]
    return Report("Acme", WHEN, RULES, projects, [], trend, campaigns)
