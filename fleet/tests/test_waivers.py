"""Waivers: they hold for a reason and a time, and nothing about them is silent."""

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest
from slipway_fleet.errors import ConfigError
from slipway_fleet.findings import Finding, Level, Outcome
from slipway_fleet.rules.loader import load_rules
from slipway_fleet.rules.waivers import Waiver, Waivers, read_waivers, waiver_text

RULES = load_rules()
TODAY = dt.date(2027, 1, 15)
FINDING = Finding("TST04", "orders", Outcome.FAIL, Level.WARNING, "No tests.", "src/a/b.py")
WAIVER = Waiver(
    id="TST04-1",
    rule="TST04",
    project="orders",
    paths=(),
    reason="The package goes away in March.",
    owner="@orders",
    approver="@platform",
    created=dt.date(2027, 1, 1),
    expires=dt.date(2027, 3, 1),
    ticket="OPS-17",
)


def waivers(*listed: Waiver, today: dt.date = TODAY, **more: Any) -> Waivers:
    return Waivers(listed, RULES, today, **more)


def problems(one: Waiver, **more: Any) -> list[str]:
    return [problem.message for problem in waivers(one, **more).problems]


def test_waiver_that_holds_marks_the_finding_and_keeps_who_and_why() -> None:
    (applied,) = waivers(WAIVER).apply([FINDING])
    assert applied.outcome is Outcome.WAIVED
    assert applied.waiver == "TST04-1"
    assert applied.details["owner"] == "@orders"
    assert applied.details["expires"] == "2027-03-01"


@pytest.mark.parametrize(
    "finding",
    [
        replace(FINDING, rule="TST05", fingerprint="x"),
        replace(FINDING, project="stock", fingerprint="x"),
        replace(FINDING, outcome=Outcome.ERROR),
        replace(FINDING, outcome=Outcome.PASS),
    ],
)
def test_waiver_touches_nothing_else_and_never_an_error(finding: Finding) -> None:
    assert waivers(WAIVER).apply([finding]) == [finding]


def test_waiver_for_paths_covers_those_only() -> None:
    narrow = replace(WAIVER, paths=("src/*/b.py",))
    other = replace(FINDING, path="src/a/c.py")
    outcomes = [one.outcome for one in waivers(narrow).apply([FINDING, other])]
    assert outcomes == [Outcome.WAIVED, Outcome.FAIL]


def test_last_day_still_holds_and_the_day_after_brings_the_finding_back_with_its_reason() -> None:
    (last,) = waivers(WAIVER, today=WAIVER.expires).apply([FINDING])
    assert last.outcome is Outcome.WAIVED
    (after,) = waivers(WAIVER, today=WAIVER.expires + dt.timedelta(days=1)).apply([FINDING])
    assert after.outcome is Outcome.FAIL
    assert "TST04-1 of @orders ended on 2027-03-01" in after.message
    assert after.fingerprint == FINDING.fingerprint


def test_unused_waiver_is_a_warning_once_everything_was_checked() -> None:
    unused = waivers(WAIVER)
    unused.apply([])
    assert unused.findings(complete=False) == []
    (said,) = unused.findings(complete=True)
    assert said.level is Level.WARNING
    assert "covers nothing" in said.message


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"rule": "NOPE1"}, "there is no rule NOPE1"),
        ({"rule": "SCR01"}, "nobody may be excepted from SCR01"),
        ({"expires": dt.date(2027, 12, 31)}, "runs for more than 180 days"),
        ({"expires": dt.date(2026, 12, 31)}, "ends before it begins"),
        ({"created": dt.date(2027, 2, 1)}, "begins in the future"),
        ({"approver": "@orders"}, "owner can not approve"),
        ({"reason": "because"}, "says less than"),
    ],
)
def test_wrong_waiver_is_an_error_and_does_not_hold(change: dict[str, Any], said: str) -> None:
    wrong = replace(WAIVER, **change)
    assert said in " ".join(problems(wrong))
    finding = replace(FINDING, rule=wrong.rule)
    assert waivers(wrong).apply([finding]) == [finding]
    assert waivers(wrong).findings(complete=False)[0].level is Level.ERROR


def test_organisation_forbids_what_it_wants() -> None:
    assert "nobody may be excepted" in problems(WAIVER, forbidden=["TST*"])[0]


def test_project_can_not_waive_what_only_the_platform_team_may() -> None:
    central = replace(WAIVER, rule="CTR01")
    assert problems(central) == []
    assert "ask the platform team" in problems(replace(central, local=True))[0]


def test_waiver_for_a_project_that_is_not_there_is_an_error() -> None:
    assert "there is no project orders" in problems(WAIVER, projects=["stock"])[0]


def test_two_with_one_id_are_an_error_but_two_projects_may_each_have_it() -> None:
    assert "two waivers with this id" in problems_of(WAIVER, WAIVER)
    mine = replace(WAIVER, local=True)
    assert problems_of(mine, replace(mine, project="stock")) == ""


def problems_of(*listed: Waiver) -> str:
    return " ".join(problem.message for problem in waivers(*listed).problems)


def test_written_waiver_is_read_back_as_it_was() -> None:
    assert read_waivers("w.yaml", waiver_text(WAIVER)) == [WAIVER]
    local = replace(WAIVER, local=True, paths=("a/*",))
    assert read_waivers("w.yaml", waiver_text(local), local_to="orders") == [local]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{}", "must be a list of waivers"),
        ("- a", "a waiver is a mapping"),
        ("- {id: x, untill: 2027-01-01}", "unknown key untill"),
        ("- {id: x, rule: TST04}", "`project` is missing"),
        ("[", "is not YAML"),
        (waiver_text(WAIVER).replace("2027-03-01", "soon"), "`expires` must be a day"),
    ],
)
def test_file_that_can_not_be_understood_is_refused(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        read_waivers("w.yaml", text)


def test_projects_own_file_is_about_that_project_only() -> None:
    with pytest.raises(ConfigError, match="about stock only"):
        read_waivers("w.yaml", waiver_text(WAIVER), local_to="stock")


def test_empty_file_holds_none() -> None:
    assert read_waivers("w.yaml", "# none yet\n") == []
