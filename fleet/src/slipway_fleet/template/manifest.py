"""The template's own `cookiecutter.json`: questions, validators, features and whose a file is."""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import SandboxedEnvironment

from ..answers import Answers
from ..errors import ProjectError
from ..patterns import below

FileClass = Literal["managed", "merged", "owned"]
PATH = "cookiecutter.json"
_CLAIMED: tuple[FileClass, ...] = ("merged", "owned")


@dataclass(frozen=True)
class Arrival:
    """When an owned file may come to a project that was rendered before.

    Attributes:
        terms: (question, value) pairs of its feature; it comes with the feature.
        since: The layout that brought it; 0 when every layout has it.
    """

    terms: tuple[tuple[str, str], ...] = ()
    since: int = 0

    def comes(self, had: Mapping[str, object], layout: int) -> bool:
        """Tell whether it is new to a project with these answers and this layout."""
        if not self.terms and not self.since:
            return False
        had_feature = all(is_answer(had.get(q, False), value) for q, value in self.terms)
        return not (had_feature and layout >= self.since)


class Manifest:
    """What `cookiecutter.json` says."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        """Take the parsed file."""
        self.data = data
        self.questions = {k: v for k, v in data.items() if not k.startswith("_")}
        self.features: Mapping[str, list[str]] = data.get("_features", {})
        self.ownership: Mapping[str, Any] = data.get("_ownership", {})

    @classmethod
    def parse(cls, text: bytes) -> Manifest:
        """Read the file.

        Raises:
            ProjectError: It is no manifest.
        """
        try:
            data = json.loads(text)
        except ValueError as error:
            raise ProjectError(f"the template's {PATH} is not valid JSON: {error}") from error
        if not isinstance(data, dict):
            raise ProjectError(f"the template's {PATH} is not a mapping")
        return cls(data)

    def environment(self) -> SandboxedEnvironment:
        """Return Jinja as both engines set it up for this template."""
        settings = self.data.get("_jinja2_env_vars", {})
        return SandboxedEnvironment(
            undefined=StrictUndefined, keep_trailing_newline=True, **settings
        )

    def context(self, recorded: Answers, commit: str, source: str) -> dict[str, Any]:
        """Return every value a template sees: recorded answers, defaults for what is not recorded.

        Raises:
            ProjectError: An answer breaks its rule; the text names it.
        """
        environment = self.environment()
        context: dict[str, Any] = {"_commit": commit, "_src_path": source}
        for name, raw in self.data.items():
            if name.startswith("__"):
                computed = isinstance(raw, str)
                context[name] = self._rendered(environment, raw, context) if computed else raw
            elif name.startswith("_"):
                context.setdefault(name, raw)
            elif recorded.get(name) is not None:
                context[name] = self._checked(name, raw, recorded[name])
            elif isinstance(raw, list):
                context[name] = raw[0]
            else:
                is_text = isinstance(raw, str)
                context[name] = self._rendered(environment, raw, context) if is_text else raw
        return context

    def answers(self, context: Mapping[str, Any]) -> dict[str, Any]:
        """Return only the questions of a context."""
        return {name: context[name] for name in self.questions}

    def class_of(self, path: str) -> FileClass:
        """Return whose a path is; what nobody claims is managed."""
        for name in _CLAIMED:
            if any(below(pattern)(path) for pattern in self.ownership.get(name, ())):
                return name
        return "managed"

    def is_chosen(self, path: str, context: Mapping[str, Any]) -> bool:
        """Tell whether no feature that is switched off has this path."""
        return not any(
            below(pattern)(path)
            for feature, patterns in self.features.items()
            if not all(is_answer(context[question], value) for question, value in terms(feature))
            for pattern in patterns
        )

    def is_junk(self, path: str) -> bool:
        """Tell whether it is what a working copy leaves lying around."""
        patterns = self.data.get("_junk", ())
        return any(fnmatch.fnmatch(part, p) for part in path.split("/") for p in patterns)

    def arrival(self, path: str) -> Arrival:
        """Return when an owned path comes to a project that was rendered before."""
        named = next((p for p in self.ownership.get("owned", ()) if below(p)(path)), path)
        if named in self.ownership.get("initial", ()):
            return Arrival()
        since = int(self.ownership.get("since", {}).get(named, 0))
        for feature, patterns in self.features.items():
            if any(below(pattern)(path) for pattern in patterns):
                return Arrival(tuple(terms(feature)), since)
        return Arrival((), since)

    def _checked(self, name: str, raw: object, answer: object) -> object:
        if isinstance(raw, bool):
            if not isinstance(answer, bool):
                raise ProjectError(f"the answer of {name} is {answer!r}, not true or false")
            return answer
        text = answer if isinstance(answer, str) else str(answer)
        if isinstance(raw, list):
            if text not in raw:
                choices = ", ".join(map(str, raw))
                raise ProjectError(f"the answer of {name} is {text[:60]!r}, not one of {choices}")
            return text
        pattern, message = self.data.get("_validators", {}).get(name, (".{0,1000}", "too long"))
        reserved, clash = self.data.get("_reserved", {}).get(name, ((), ""))
        if not re.fullmatch(pattern, text[:2000]):
            raise ProjectError(f"the answer of {name} is {text[:60]!r}: {message}")
        if text in reserved:
            raise ProjectError(f"the answer of {name} is {text!r}: it {clash}")
        return text

    @staticmethod
    def _rendered(environment: SandboxedEnvironment, raw: Any, context: Mapping[str, Any]) -> str:
        try:
            return environment.from_string(raw).render(cookiecutter=context)
        except TemplateError as error:
            raise ProjectError(f"the template's {PATH} cannot be rendered: {error}") from error


def terms(feature: str) -> Iterable[tuple[str, str]]:
    """Return what a key of `_features` asks for, as (question, value); no value means yes."""
    parts = (term.partition("=") for term in feature.split("+"))
    return [(question, value) for question, _, value in parts]


def is_answer(answer: object, value: str) -> bool:
    """Tell whether an answer is what a feature asks for."""
    return str(answer) == (value or "True")
