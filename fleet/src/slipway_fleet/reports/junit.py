"""A report as JUnit XML: a suite for each project, a case for each rule."""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from ..checking import ProjectResult
from ..findings import Finding, Outcome
from .model import Report

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write(report: Report) -> str:
    """Return the document as text."""
    root = Element("testsuites", name=_clean(report.name))
    for project in report.projects:
        _suite(root, project)
    if report.fleet_findings:
        _cases(SubElement(root, "testsuite", name="fleet"), list(report.fleet_findings))
    for total in ("tests", "failures", "errors", "skipped"):
        root.set(total, str(sum(int(suite.get(total, "0")) for suite in root)))
    indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _suite(root: Element, project: ProjectResult) -> None:
    suite = SubElement(root, "testsuite", name=_clean(project.project))
    if project.problem:
        case = SubElement(suite, "testcase", name="checked", classname=_clean(project.project))
        SubElement(case, "error", message=_clean(project.problem))
        for name, value in (("tests", "1"), ("failures", "0"), ("errors", "1"), ("skipped", "0")):
            suite.set(name, value)
        return
    _cases(suite, project.findings)


def _cases(suite: Element, findings: list[Finding]) -> None:
    by_rule: dict[str, list[Finding]] = {}
    for finding in findings:
        by_rule.setdefault(finding.rule, []).append(finding)
    counts = {"failures": 0, "errors": 0, "skipped": 0}
    for rule, found in sorted(by_rule.items()):
        case = SubElement(suite, "testcase", name=rule, classname=suite.get("name", ""))
        kind, counted = _kind(found)
        if kind:
            counts[counted] += 1
            said = [_line(one) for one in found if one.message]
            element = SubElement(case, kind, message=_clean(found[0].message))
            element.text = _clean("\n".join(said))
    suite.set("tests", str(len(by_rule)))
    for name, number in counts.items():
        suite.set(name, str(number))


def _kind(found: list[Finding]) -> tuple[str, str]:
    outcomes = {one.outcome for one in found}
    if Outcome.ERROR in outcomes:
        return "error", "errors"
    if Outcome.FAIL in outcomes:
        return "failure", "failures"
    if outcomes & {Outcome.WAIVED, Outcome.NOT_APPLICABLE}:
        return "skipped", "skipped"
    return "", ""


def _line(finding: Finding) -> str:
    place = f"{finding.path}:{finding.line}: " if finding.path else ""
    return f"{place}{finding.message} {finding.fix}".strip()


def _clean(text: str) -> str:
    """Return text without what XML can not hold."""
    return _NOT_XML.sub("\ufffd", text)
