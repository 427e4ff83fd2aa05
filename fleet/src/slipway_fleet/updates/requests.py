"""What a pull or merge request says."""

from __future__ import annotations

import re

from ..forges import NewRequest
from .ownership import Note
from .plan import Plan

LONGEST_BODY = 50_000
"""Characters; GitHub takes 65,536."""


def new_request(plan: Plan, branch: str, base: str, labels: tuple[str, ...]) -> NewRequest:
    """Return the request for a plan: a draft when somebody has to decide something."""
    title = f"Update the template from {plan.release} to {plan.target}"
    if plan.release == plan.target:
        title = f"Restore files of the template at {plan.target}"
    return NewRequest(branch, base, title, body_of(plan), plan.needs_person, labels)


def body_of(plan: Plan) -> str:
    """Return the description: what to decide first, then what was kept, then the list of files."""
    decide = [note for note in plan.notes if note.needs_person]
    tell = [note for note in plan.notes if not note.needs_person]
    parts = []
    if decide:
        parts.append("### To decide before this is merged\n\n" + "\n".join(map(_line, decide)))
        parts += [_diff(note) for note in decide if note.diff]
    if tell:
        parts.append("### Good to know\n\n" + "\n".join(map(_line, tell)))
    listed = "\n".join(f"- {what}: {code(path)}" for path, what in plan.changes.items())
    parts.append(f"### {len(plan.changes)} files\n\n{listed}")
    text = "\n\n".join(parts)
    if len(text) > LONGEST_BODY:
        text = text[:LONGEST_BODY].rpartition("\n")[0] + "\n\n(cut: see `fleet plan` for the rest)"
    return text + "\n"


def code(text: str) -> str:
    """Return a text of a project as Markdown code, which nothing in it can end or turn into markup."""
    shown = "".join(c if c.isprintable() else "?" for c in text)
    shown = shown.encode("utf-8", "replace").decode()
    fence = "`" * (max((len(run) for run in re.findall("`+", shown)), default=0) + 1)
    pad = " " if shown.startswith("`") or shown.endswith("`") else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


def _line(note: Note) -> str:
    path, text = code(note.path), " ".join(note.text.split())
    escaped = re.sub(r"([\\`*_{}\[\]<>#|@])", r"\\\1", text)
    return f"- {path}: {escaped}"


def _diff(note: Note) -> str:
    fence = "`" * max(3, max((len(run) for run in re.findall("`+", note.diff)), default=0) + 1)
    return f"What the project changed in {code(note.path)}:\n\n{fence}diff\n{note.diff.rstrip()}\n{fence}"
