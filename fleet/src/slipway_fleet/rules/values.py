"""Find values in a document by a path such as `jobs.*.steps[].uses`, and judge them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from .errors import RuleFileError
from .options import Options

MISSING = object()


def select(document: object, path: str) -> Iterator[tuple[str, object]]:
    """Yield (place, value) for each value that a path names.

    A step is a key, `*` for each key of a mapping, or `[]` for each item of a list. A key that is
    not there yields `MISSING`; `*` and `[]` over nothing yield nothing. A key with a dot in it is
    written in quotes.
    """
    yield from _walk(document, _steps(path), "")


def _steps(path: str) -> list[str]:
    return [quoted or step for quoted, step in re.findall(r'"([^"]+)"|(\[\]|[^.\[\]"]+)', path)]


def _walk(value: object, steps: list[str], place: str) -> Iterator[tuple[str, object]]:
    if not steps:
        yield place, value
        return
    step, rest = steps[0], steps[1:]
    if step == "[]":
        for number, item in enumerate(value if isinstance(value, list) else ()):
            yield from _walk(item, rest, f"{place}[{number}]")
    elif step == "*":
        for key, item in (value if isinstance(value, dict) else {}).items():
            yield from _walk(item, rest, f"{place}.{key}".lstrip("."))
    else:
        inner = value.get(step, MISSING) if isinstance(value, dict) else MISSING
        if step == "on" and inner is MISSING and isinstance(value, dict):
            inner = value.get(True, MISSING)  # YAML 1.1 reads a workflow's `on:` as true
        here = f"{place}.{step}".lstrip(".")
        if inner is MISSING:
            yield ".".join([here, *(s for s in rest if s != "[]")]), MISSING
        else:
            yield from _walk(inner, rest, here)


@dataclass(frozen=True, slots=True)
class Demand:
    """What a value must be. Every condition that is given must hold.

    Attributes:
        path: Names the values.
        equals: The one value.
        one_of: The values allowed.
        contains: What a list, mapping or text must hold, all of it.
        lacks: What a list, mapping or text must not hold, any of it.
        matches: What a text must match from its start to its end.
        forbids: What a text must not match anywhere.
        at_least: Lowest number.
        at_most: Highest number.
        present: Whether it must be there; None when it may be missing.
        message: Said of a value that is not so, after its place.
    """

    path: str
    equals: object = MISSING
    one_of: tuple[object, ...] = ()
    contains: tuple[object, ...] = ()
    lacks: tuple[object, ...] = ()
    matches: re.Pattern[str] | None = None
    forbids: re.Pattern[str] | None = None
    at_least: int | None = None
    at_most: int | None = None
    present: bool | None = True
    message: str = ""

    @classmethod
    def read(cls, options: Options) -> Demand:
        """Return a demand from a rule file."""
        demand = cls(
            path=options.text("path"),
            equals=options.take("equals") if options.has("equals") else MISSING,
            one_of=_items(options, "one-of"),
            contains=_items(options, "contains"),
            lacks=_items(options, "lacks"),
            matches=options.pattern("matches") if options.has("matches") else None,
            forbids=options.pattern("forbids") if options.has("forbids") else None,
            at_least=options.number("at-least") if options.has("at-least") else None,
            at_most=options.number("at-most") if options.has("at-most") else None,
            present=None if options.flag("optional") else not options.flag("absent"),
            message=options.text("message", ""),
        )
        options.done()
        return demand

    def objections(self, document: object) -> Iterator[tuple[str, str]]:
        """Yield (place, what is wrong) for each value of a document that is not as demanded."""
        for place, value in select(document, self.path):
            problem = self._problem(value)
            if problem:
                said = f"`{place}` {self.message or problem}"
                yield place, said if said.endswith(".") else f"{said}."

    def _problem(self, value: object) -> str:
        if value is MISSING:
            return "is not set" if self.present else ""
        if self.present is False:
            return "must not be set"
        return self._shape_problem(value) or self._content_problem(value)

    def _shape_problem(self, value: object) -> str:
        if self.equals is not MISSING and not _same(value, self.equals):
            return f"must be {self.equals!r}, and is {_short(value)}"
        if self.one_of and not any(_same(value, one) for one in self.one_of):
            allowed = ", ".join(map(str, self.one_of))
            return f"must be one of {allowed}, and is {_short(value)}"
        number = value if isinstance(value, (int, float)) and not isinstance(value, bool) else None
        if self.at_least is not None and (number is None or number < self.at_least):
            return f"must be at least {self.at_least}, and is {_short(value)}"
        if self.at_most is not None and (number is None or number > self.at_most):
            return f"must be at most {self.at_most}, and is {_short(value)}"
        return ""

    def _content_problem(self, value: object) -> str:
        held = value if isinstance(value, (list, dict, str)) else ()
        for wanted in self.contains:
            if wanted not in held:
                return f"must contain {wanted!r}"
        for unwanted in self.lacks:
            if unwanted in held:
                return f"must not contain {unwanted!r}"
        if self.matches and not (isinstance(value, str) and self.matches.fullmatch(value)):
            return f"must match {self.matches.pattern}, and is {_short(value)}"
        if self.forbids and self.forbids.search(str(value)):
            return f"must not be {_short(value)}"
        return ""


def _items(options: Options, name: str) -> tuple[object, ...]:
    value = options.take(name)
    if value is None:
        return ()
    if isinstance(value, dict):
        raise RuleFileError(options.place, f"`{name}` must be a value or a list")
    return tuple(value) if isinstance(value, list) else (value,)


def _same(value: object, wanted: object) -> bool:
    """Return whether two values are equal and of one type: `true` is not 1."""
    return type(value) is type(wanted) and value == wanted


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
