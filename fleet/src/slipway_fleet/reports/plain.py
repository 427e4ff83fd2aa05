"""A report as one JSON document, for programs and for `fleet report` to read again."""

from __future__ import annotations

import json
from typing import Any

from ..checking import ProjectResult
from .model import Report


def write(report: Report) -> str:
    """Return the document as text."""
    return json.dumps(document(report), indent=2, ensure_ascii=True) + "\n"


def document(report: Report) -> dict[str, Any]:
    """Return the report as plain data."""
    return {
        "fleet": report.name,
        "when": report.when.isoformat(),
        "exit": int(report.exit_code()),
        "grades": report.grades(),
        "rules": [
            {
                "id": rule.id,
                "title": rule.title,
                "family": rule.family,
                "grade": rule.grade.value,
                "level": rule.level.value,
                "controls": {name: list(ids) for name, ids in rule.controls.items()},
            }
            for rule in report.rules
        ],
        "projects": [_project(report, project) for project in report.projects],
        "findings": [finding.as_json() for finding in report.fleet_findings],
    }


def _project(report: Report, project: ProjectResult) -> dict[str, Any]:
    return {
        "project": project.project,
        "owner": project.owner,
        "head": project.head,
        "release": project.release,
        "newest": project.newest,
        "problem": project.problem,
        "grade": report.grade(project),
        "findings": [finding.as_json() for finding in project.findings],
    }
