"""The catalogue: every rule on projects that keep and break it, and on every fresh project."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from combinations import combinations, load_manifest
from rendering import copy_template
from slipway_fleet.findings import Outcome
from slipway_fleet.rules.examples import Examples
from slipway_fleet.rules.loader import load_rules
from slipway_fleet.rules.model import Rule
from slipway_fleet.rules.osv import osv_service
from slipway_fleet.rules.trying import Renders

RULES = load_rules()
COMBINATIONS = combinations(load_manifest())
MERE_EXISTENCE = {"exists", "absent"}
PARSING = {
    "toml", "yaml", "json-schema", "dependency", "action-pinned", "ci-command", "dockerfile",
    "deployed-setting", "python-calls", "python-imports", "python",
}  # fmt: skip
LATER = dt.date(2200, 1, 1)


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Examples]:
    """Return what tries rules on renders of this checkout's template."""
    template = copy_template(tmp_path_factory.mktemp("rules") / "slipway")
    with osv_service() as osv:
        renders = Renders(str(template), tmp_path_factory.mktemp("renders"))
        yield Examples(RULES, renders, LATER, {"{osv}": osv})


def test_catalogue_is_as_large_and_as_deep_as_promised() -> None:
    kinds = [rule.kind for rule in RULES]
    assert len(RULES) >= 50
    assert sum(kind in MERE_EXISTENCE for kind in kinds) <= 10
    assert sum(kind in PARSING for kind in kinds) >= 25


def test_every_rule_says_why_what_to_do_and_what_it_is_evidence_for() -> None:
    for rule in RULES:
        assert len(rule.why) > 30, rule.id
        assert len(rule.fix) > 10, rule.id
        assert rule.title[0].isupper() or rule.title[0] == ".", rule.id
        assert not rule.title.endswith("."), rule.id
        assert rule.controls, rule.id


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_examples_of_the_rule_break_it_and_no_other(rule: Rule, examples: Examples) -> None:
    wrong = [f"{one.example}: {one.problem}" for one in examples.verdicts(rule) if one.problem]
    assert wrong == []


@pytest.mark.parametrize("name", COMBINATIONS)
def test_fresh_project_has_no_finding(name: str, examples: Examples) -> None:
    answers: dict[str, Any] = COMBINATIONS[name]
    findings = examples.fresh(answers)
    bad = {Outcome.FAIL, Outcome.ERROR, Outcome.WAIVED}
    assert [(f.rule, f.path, f.line, f.message) for f in findings if f.outcome in bad] == []
    assert {f.rule for f in findings} == {rule.id for rule in RULES}


def test_fresh_project_with_a_hostile_name_has_no_finding(examples: Examples) -> None:
    findings = examples.fresh(
        {
            "project_name": "Bob's #1 API & Söhne: 100%",
            "organization": "A|B, Inc.",
            "project_slug": "x2",
        }
    )
    assert [f for f in findings if f.outcome in {Outcome.FAIL, Outcome.ERROR}] == []


def test_rules_test_says_which_example_is_wrong(examples: Examples) -> None:
    """An example that the template has moved away from is named, not passed over."""
    from slipway_fleet.rules.loader import read_rule  # noqa: PLC0415  # beside its only use

    rule = read_rule(
        "OWN01.yaml",
        {
            "id": "OWN01", "title": "T", "family": "own", "grade": "gold", "level": "note",
            "why": "w", "fix": "f", "check": {"type": "exists", "paths": ["README.md"]},
            "examples": {
                "fail": [
                    {"edits": [{"replace": "README.md", "old": "no such text", "with": ""}]},
                    {"edits": [{"delete": "no/such.file"}]},
                    {"edits": [{"append": "README.md", "text": "still there"}]},
                ]
            },
        },
    )  # fmt: skip
    assert [one.problem.partition(":")[0] for one in examples.verdicts(rule)] == [
        "replace",
        "delete",
        "it is  instead of fail",
    ]
