# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The actions that may be recorded, each with a schema. An action that nobody registered is an error.

A project registers its own beside the domain they belong to:

    class OrderShipped(BaseModel):
        carrier: str
        phone: Annotated[str, Sensitivity.CONFIDENTIAL]

    SHIPPED = ACTIONS.register(Action("order.shipped", "An order left the house", OrderShipped))

In development and tests `record` raises `UnregisteredActionError` for any other. In production it
keeps the event, marked as unregistered, with every field encrypted since nothing says how sensitive
they are: a trail with a gap would be worse than one with a blemish.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import to_jsonable_python

from .errors import InvalidEventError, UnregisteredActionError
from .events import DataClass, Retention, Sensitivity

_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+").fullmatch


class NoData(BaseModel, extra="forbid"):
    """The schema of an action that has nothing to add."""


OCSF_CLASSES = {
    3001: ("Account Change", 3, "Identity & Access Management"),
    3002: ("Authentication", 3, "Identity & Access Management"),
    3004: ("Entity Management", 3, "Identity & Access Management"),
    3005: ("User Access Management", 3, "Identity & Access Management"),
    6003: ("API Activity", 6, "Application Activity"),
}
"""The classes that actions may name: each one's name, and number and name of its category."""


@dataclass(frozen=True, slots=True)
class OcsfClass:
    """The OCSF event class and activity that an action is exported as (schema.ocsf.io).

    Attributes:
        uid: Class: one of `OCSF_CLASSES`.
        activity: Activity within it, such as 3 (Update); 99 is other.
    """

    uid: int = 6003
    activity: int = 99

    def __post_init__(self) -> None:
        """Refuse a class that the export knows not what it has to hold of.

        Raises:
            ValueError: Saying which there are.
        """
        if self.uid not in OCSF_CLASSES:
            known = ", ".join(map(str, OCSF_CLASSES))
            raise ValueError(f"there is no export as OCSF class {self.uid}: choose from {known}")


@dataclass(frozen=True, slots=True)
class Action:
    """Something that can be recorded.

    Attributes:
        name: Words joined by dots, the thing first: `order.shipped`.
        title: What it means, for people.
        schema: What `data` has to look like.
        state: What `before` and `after` have to look like, every field optional; None: free, and
            then every field is confidential.
        data_class: What kind of data it is about.
        retention: How long its events are kept.
        ocsf: What it is exported as.
        controls: The controls that it is evidence for, such as `PCI DSS 10.2.1.4`.
    """

    name: str
    title: str
    schema: type[BaseModel] = NoData
    state: type[BaseModel] | None = None
    data_class: DataClass = DataClass.OPERATIONAL
    retention: Retention = Retention.STANDARD
    ocsf: OcsfClass = OcsfClass()
    controls: tuple[str, ...] = ()

    def check(self, part: str, value: object) -> dict[str, Any]:
        """Return a part of an event (data, before, after) as plain JSON values.

        Raises:
            InvalidEventError: When it does not fit the schema; the text names fields, no values.
        """
        schema = self.schema if part == "data" else self.state
        try:
            if schema is None:
                plain = to_jsonable_python(value)
                if not isinstance(plain, dict):
                    raise InvalidEventError(f"{self.name}: {part} must be a mapping or a model")
                return plain
            model = value if isinstance(value, schema) else schema.model_validate(value)
            dumped = model.model_dump(mode="json", exclude_unset=part != "data")
        except ValidationError as error:
            wrong = "; ".join(
                f"{'.'.join(map(str, item['loc'])) or part}: {item['msg']}"
                for item in error.errors(include_input=False, include_url=False)
            )
            raise InvalidEventError(f"{self.name}: {part} does not fit: {wrong}") from None
        else:
            return dumped

    def sensitivity(self, part: str, field: str) -> Sensitivity:
        """Return how sensitive a field is: as its annotation says, otherwise internal."""
        schema = self.schema if part == "data" else self.state
        if schema is None:
            return Sensitivity.CONFIDENTIAL
        return _levels(schema).get(field, Sensitivity.RESTRICTED)


@lru_cache(maxsize=1024)
def _levels(schema: type[BaseModel]) -> Mapping[str, Sensitivity]:
    return {
        name: next((m for m in field.metadata if isinstance(m, Sensitivity)), Sensitivity.INTERNAL)
        for name, field in schema.model_fields.items()
    }


class ActionRegistry:
    """The actions that are known, by name."""

    def __init__(self) -> None:
        self._actions: dict[str, Action] = {}

    def register(self, action: Action) -> Action:
        """Add an action and return it.

        Raises:
            ValueError: For a name that is not one, or is another action's.
        """
        if not _NAME(action.name):
            raise ValueError(f"{action.name!r}: name an action thing.happened, in lower case")
        if self._actions.setdefault(action.name, action) != action:
            raise ValueError(f"{action.name} is registered already, as something else")
        return action

    def find(self, name: str) -> Action | None:
        """Return an action, or None when nobody registered it."""
        return self._actions.get(name)

    def get(self, name: str) -> Action:
        """Return an action.

        Raises:
            UnregisteredActionError: When nobody registered it.
        """
        action = self._actions.get(name)
        if action is None:
            raise UnregisteredActionError(
                f"{name} is not registered: ACTIONS.register(Action({name!r}, ...)) in its domain"
            )
        return action

    def __iter__(self) -> Iterator[Action]:
        return iter(sorted(self._actions.values(), key=lambda action: action.name))


ACTIONS = ActionRegistry()
"""The registry that the service uses."""
