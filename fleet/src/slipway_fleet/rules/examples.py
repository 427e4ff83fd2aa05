"""Try each rule on the projects of its rule file that keep and break it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..findings import Finding, Outcome
from ..objects import blob_id
from ..snapshot import Entry, HeldBlobs, Snapshot
from .locks import lock_text
from .model import Edit, Example, Rule
from .parsing import Parser
from .runner import Runner

Contents = dict[str, tuple[str, bytes]]
"""A project in memory: git's mode and the content of each path."""
Render = Callable[[Mapping[str, object]], Contents]

_PLACEHOLDERS = {
    # Written in two parts, so that no scanner takes the catalogue itself for a leak.
    "{fake_key}": "AKIA" + "QWERTYUIOPASDFGH",
    "{noqa}": "no" + "qa",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of one example.

    Attributes:
        rule: The id of the rule.
        example: `pass 1`, `fail 2`, and so on; `fresh` is the render without any edit.
        problem: What is wrong with the example or the rule; empty when both are right.
    """

    rule: str
    example: str
    problem: str


class Examples:
    """Renders projects, edits them and asks every rule about each.

    Args:
        rules: Every rule: an example that breaks one must break no other.
        render: Returns a fresh project for answers.
        today: Far enough in the future for every `enforce-from`.
        placeholders: More texts to replace in facts, such as the address of a test server.
    """

    def __init__(
        self,
        rules: Sequence[Rule],
        render: Render,
        today: dt.date,
        placeholders: Mapping[str, str] | None = None,
    ) -> None:
        """Take the rules and what renders projects."""
        self._runner = Runner(rules, today, parser=Parser())
        self._render = render
        self._placeholders = {**_PLACEHOLDERS, **(placeholders or {})}
        self._rendered: dict[tuple[tuple[str, object], ...], Contents] = {}

    def fresh(self, answers: Mapping[str, object]) -> list[Finding]:
        """Return what the rules say about a project as the template renders it."""
        return self._findings(Example(answers=answers))

    def verdicts(self, rule: Rule) -> Iterator[Verdict]:
        """Yield what came of each example of a rule."""
        for number, example in enumerate(rule.passing, 1):
            yield Verdict(rule.id, f"pass {number}", self._try(rule, example, breaks=False))
        for number, example in enumerate(rule.failing, 1):
            yield Verdict(rule.id, f"fail {number}", self._try(rule, example, breaks=True))

    def _try(self, rule: Rule, example: Example, *, breaks: bool) -> str:
        try:
            findings = self._findings(example)
        except ValueError as error:
            return str(error)
        mine = {finding.outcome for finding in findings if finding.rule == rule.id}
        wanted = Outcome.FAIL if breaks else Outcome.PASS
        others = sorted(
            f"{finding.rule} ({finding.path}:{finding.line} {finding.message})"
            for finding in findings
            if finding.rule != rule.id and finding.outcome in {Outcome.FAIL, Outcome.ERROR}
        )
        if mine != {wanted}:
            said = "; ".join(f.message for f in findings if f.rule == rule.id)
            return f"it is {', '.join(sorted(mine))} instead of {wanted}: {said}"
        return f"it breaks other rules too: {'; '.join(others)}" if others else ""

    def _findings(self, example: Example) -> list[Finding]:
        key = tuple(sorted(example.answers.items()))
        if key not in self._rendered:
            self._rendered[key] = self._render(example.answers)
        contents = dict(self._rendered[key])
        slug = str(example.answers.get("project_slug", "acme_orders"))
        for edit in example.edits:
            self._apply(contents, edit, slug)
        facts = {name: self._filled(value, slug) for name, value in example.facts.items()}
        return self._runner.check(snapshot_of(contents), facts)

    def _filled(self, value: object, slug: str) -> object:
        if isinstance(value, list):
            return [self._filled(item, slug) for item in value]
        if isinstance(value, dict):
            return {key: self._filled(item, slug) for key, item in value.items()}
        return self._text(value, slug) if isinstance(value, str) else value

    def _text(self, text: str, slug: str) -> str:
        for name, value in self._placeholders.items():
            text = text.replace(name, value)
        return text.replace("{package}", f"src/{slug}")

    def _apply(self, contents: Contents, edit: Edit, slug: str) -> None:
        """Make one edit.

        Raises:
            ValueError: When what it changes is not there: the template has moved on.
        """
        path, text = self._text(edit.path, slug), self._text(edit.text, slug)
        mode, old = contents.get(path, ("100644", b""))
        if edit.action not in {"write", "link", "lock"} and path not in contents:
            raise ValueError(f"{edit.action}: a fresh project has no {path}")
        if edit.action == "delete":
            del contents[path]
            return
        if edit.action == "replace" and edit.old.encode() not in old:
            raise ValueError(f"replace: {path} does not hold {edit.old!r}")
        if edit.action == "lock":
            contents[path] = ("100644", lock_text(contents["pyproject.toml"][1].decode()).encode())
            return
        contents[path] = {
            "write": ("100644", text.encode()),
            "append": (mode, old + text.encode()),
            "replace": (mode, old.replace(edit.old.encode(), text.encode(), 1)),
            "chmod": (text, old),
            "link": ("120000", text.encode()),
        }[edit.action]


def snapshot_of(contents: Contents, name: str = "example") -> Snapshot:
    """Return a project in memory as a snapshot."""
    held = {blob_id(data): data for _, data in contents.values()}
    files = {path: Entry(mode, blob_id(data), len(data)) for path, (mode, data) in contents.items()}
    return Snapshot(name, files, HeldBlobs(dict(held)))
