"""A report as SARIF 2.1.0 (OASIS, errata 01), within what GitHub takes: one run, 20 tags a rule."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from .. import __version__
from ..findings import Finding, Outcome
from ..rules.model import Rule
from .model import Report

MAX_RESULTS = 25_000
"""GitHub refuses a run with more."""
_SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
_URL = "https://github.com/slipway-platform/slipway"


def write(report: Report) -> str:
    """Return the document as text."""
    return json.dumps(document(report), indent=1, ensure_ascii=True) + "\n"


def document(report: Report) -> dict[str, Any]:
    """Return the report as SARIF: failures and waived ones as results, errors as notifications."""
    single = len(report.projects) == 1
    index = {rule.id: number for number, rule in enumerate(report.rules)}
    shown = [f for f in report.shown() if f.outcome is not Outcome.ERROR]
    unchecked = [f for f in report.shown() if f.outcome is Outcome.ERROR]
    notes = [_notification(f.project, f"{f.rule}: {f.message}") for f in unchecked]
    notes += [_notification(p.project, p.problem) for p in report.projects if p.problem]
    run = {
        "tool": {
            "driver": {
                "name": "fleet",
                "version": __version__,
                "informationUri": _URL,
                "rules": [_rule(rule) for rule in report.rules],
            }
        },
        "automationDetails": {"id": f"fleet/{quote(report.name)}/"},
        "columnKind": "utf16CodeUnits",
        "invocations": [
            {
                "executionSuccessful": not notes,
                "startTimeUtc": report.when.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "toolExecutionNotifications": notes,
            }
        ],
        "results": [_result(f, index, single=single) for f in shown[:MAX_RESULTS]],
    }
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(rule: Rule) -> dict[str, Any]:
    tags = [rule.family, rule.grade.value]
    tags += [f"{name}/{control}" for name, ids in rule.controls.items() for control in ids]
    return {
        "id": rule.id,
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.why},
        "help": {"text": rule.fix, "markdown": f"{rule.why}\n\n**Fix.** {rule.fix}"},
        "defaultConfiguration": {"level": rule.level.value},
        "properties": {"tags": tags[:20], "precision": "high"},
    }


def _result(finding: Finding, index: dict[str, int], *, single: bool) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": finding.rule,
        "level": finding.level.value,
        "message": {"text": finding.message or finding.rule},
        "locations": [_location(finding, single=single)],
        "partialFingerprints": {"fleetFinding/v1": finding.fingerprint},
        "properties": {"project": finding.project},
    }
    if finding.rule in index:
        result["ruleIndex"] = index[finding.rule]
    if finding.outcome is Outcome.WAIVED:
        more = {"waiver": finding.waiver} | {
            name: finding.details[name]
            for name in ("owner", "expires", "ticket")
            if name in finding.details
        }
        suppression = {"kind": "external", "status": "accepted", "properties": more}
        result["suppressions"] = [
            suppression | {"justification": finding.details.get("reason", "")}
        ]
    return result


def _location(finding: Finding, *, single: bool) -> dict[str, Any]:
    # A finding about the project as a whole stands at its record, since every result has a file.
    path = finding.path or ".copier-answers.yml"
    whole = path if single or not finding.project else f"{finding.project}/{path}"
    encoded = whole.encode("utf-8", "surrogateescape")
    place: dict[str, Any] = {"artifactLocation": {"uri": quote(encoded, safe="/")}}
    if finding.line > 0:
        place["region"] = {"startLine": finding.line}
    return {"physicalLocation": place}


def _notification(project: str, text: str) -> dict[str, Any]:
    return {
        "level": "error",
        "message": {"text": f"{project} could not be checked: {text}"},
        "properties": {"project": project},
    }
