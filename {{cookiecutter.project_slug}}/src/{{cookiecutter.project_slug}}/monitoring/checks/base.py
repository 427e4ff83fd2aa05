# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""What a check is: a strategy with parameters of its own, and a result that can be compared."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from ..errors import BrokenTaskError, PermanentCheckError

if TYPE_CHECKING:
    from ...clients.http import HttpClient
    from ...core.config import PlatformSettings

R = TypeVar("R")


class CheckParameters(BaseModel):
    """What a check is to look at; a misspelt parameter is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


P = TypeVar("P", bound=CheckParameters)
P_contra = TypeVar("P_contra", bound=CheckParameters, contravariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """What a check found out.

    Attributes:
        ok: Whether there is nothing to worry about.
        summary: One line for people.
        facts: What must stay the same for `on_change` to say nothing: no times, no durations.
        rows: A table to show, each row a mapping of column to value.
    """

    ok: bool
    summary: str
    facts: JsonValue = None
    rows: tuple[dict[str, JsonValue], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckContext:
    """What a check may use.

    Attributes:
        settings: The service's settings.
        http: Calls other services, guarded against calls to the inside.
        clock: Returns the time, aware and in UTC.
        resources: What else was opened, by type; see `resource`.
    """

    settings: PlatformSettings
    http: HttpClient
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    resources: Mapping[type[Any], object] = field(default_factory=dict)

    def resource(self, kind: type[R]) -> R:
        """Return what was opened for checks, such as the database.

        Raises:
            PermanentCheckError: When there is none here.
        """
        found = self.resources.get(kind)
        if not isinstance(found, kind):
            raise PermanentCheckError(f"there is no {kind.__name__} where this check runs")
        return found

    def secret(self, name: str) -> str:
        """Return a secret of the settings, by the name that a task gives it.

        Raises:
            PermanentCheckError: When there is none; the text names the setting.
        """
        found = self.settings.monitoring.secrets.get(name)
        if found is None:
            raise PermanentCheckError(f"MONITORING__SECRETS has no secret {name!r}")
        return found.get_secret_value()


class Check(Protocol[P_contra]):
    """A way to look at something.

    `run` returns what it found, good or bad. When it could not find out it raises
    `TransientCheckError`, which is tried again, or `PermanentCheckError`, which is not; errors of
    the HTTP client it may let through. What else it raises counts as permanent.
    """

    kind: ClassVar[str]
    title: ClassVar[str]
    parameters: ClassVar[type[Any]]

    async def run(self, parameters: P_contra, context: CheckContext) -> CheckResult:
        """Look, and return what was found."""
        ...


CheckFunction = Callable[[P, CheckContext], Awaitable[CheckResult]]


class FunctionCheck(Generic[P]):
    """A project's function as a check."""

    def __init__(
        self, kind: str, title: str, parameters: type[P], function: CheckFunction[P]
    ) -> None:
        self.kind, self.title, self.parameters = kind, title, parameters
        self._function = function

    async def run(self, parameters: P, context: CheckContext) -> CheckResult:
        """Call the function."""
        return await self._function(parameters, context)


class CheckRegistry:
    """Checks by their names."""

    def __init__(self) -> None:
        self._checks: dict[str, Any] = {}

    def __iter__(self) -> Iterator[Any]:
        return iter(sorted(self._checks.values(), key=lambda check: str(check.kind)))

    def add(self, check: Any) -> None:  # a Check of any parameters  # noqa: ANN401  # a check of any parameters
        """Add a check.

        Raises:
            ValueError: When another has its name.
        """
        if check.kind in self._checks:
            raise ValueError(f"two checks are called {check.kind}: give one another name")
        self._checks[check.kind] = check

    def find(self, kind: str) -> Any:  # as above  # noqa: ANN401  # a check of any parameters
        """Return a check.

        Raises:
            BrokenTaskError: When there is none of this name.
        """
        try:
            return self._checks[kind]
        except KeyError:
            known = ", ".join(sorted(self._checks))
            raise BrokenTaskError(f"there is no check {kind!r}: use one of {known}") from None

    def problems(self, check: str, parameters: Mapping[str, Any]) -> list[str]:
        """Return what is wrong with a check's parameters, or with its name; a sentence each."""
        try:
            self.read(check, parameters)
        except BrokenTaskError as error:
            return [f"check: {error}"]
        except ValidationError as error:
            from ..presets import problems_of  # it imports what imports this  # noqa: PLC0415  # it imports what imports this

            return [f"parameters.{problem}" for problem in problems_of(error)]
        return []

    def read(self, check: str, parameters: Mapping[str, Any]) -> CheckParameters:
        """Return the parameters of a check, validated.

        Raises:
            BrokenTaskError: When there is no such check.
            ValidationError: When they don't fit it.
        """
        read: CheckParameters = self.find(check).parameters.model_validate(dict(parameters))
        return read


PROJECT_CHECKS = CheckRegistry()
"""What the project's functions are registered in."""


def check(
    name: str, *, title: str = "", parameters: type[P]
) -> Callable[[CheckFunction[P]], CheckFunction[P]]:
    """Make a function a check that scheduled tasks can name.

        @check("waiting_orders", parameters=WaitingOrders)
        async def waiting_orders(parameters: WaitingOrders, context: CheckContext) -> CheckResult: ...

    Args:
        name: What tasks call it: lower-case letters, digits and underscores.
        title: What people call it; by default the first line of its docstring.
        parameters: A subclass of `CheckParameters`.
    """

    def register(function: CheckFunction[P]) -> CheckFunction[P]:
        said = title or (function.__doc__ or name).strip().splitlines()[0].rstrip(".")
        PROJECT_CHECKS.add(FunctionCheck(name, said, parameters, function))
        return function

    return register
