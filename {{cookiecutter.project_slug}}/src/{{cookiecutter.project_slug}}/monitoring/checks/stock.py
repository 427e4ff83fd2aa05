# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Stock of parts, asked of an inventory's API (InvenTree's, or one that answers like it)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ...clients.errors import (
    BlockedAddressError,
    CallTimeoutError,
    CircuitOpenError,
    ConnectionFailedError,
    HttpClientError,
)
from ..errors import PermanentCheckError, TransientCheckError
from .base import CheckContext, CheckParameters, CheckResult
from .endpoint import WebUrl

_TRANSIENT = (CallTimeoutError, CircuitOpenError, ConnectionFailedError)


class Part(BaseModel):
    """A part, and how many of it are needed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    quantity: int = Field(ge=1, le=1_000_000_000)


class StockParameters(CheckParameters):
    """Where the inventory is, and what must be there."""

    url: WebUrl = Field(max_length=2000, description="Where its API begins, before /api/part/.")
    parts: tuple[Part, ...] = Field(min_length=1, max_length=200)
    secret: str = Field(default="", description="Name of a secret: the API's token.")


class _PartAnswer(BaseModel):
    """What of the API's answer is read."""

    name: str = Field(max_length=300)
    in_stock: float = Field(ge=0)


@dataclass(frozen=True, slots=True)
class StockLevel:
    """How much of a part there is, and is needed."""

    part: str
    name: str
    needed: int
    in_stock: float

    @property
    def missing(self) -> float:
        """How many are missing; 0 when there are enough."""
        return max(0.0, self.needed - self.in_stock)


def shortages(levels: Iterable[StockLevel]) -> list[StockLevel]:
    """Return the parts of which too few are there, the worst first."""
    short = [level for level in levels if level.missing]
    return sorted(short, key=lambda level: (-level.missing / level.needed, level.part))


class StockCheck:
    """Asks for each part, and reports what is missing."""

    kind: ClassVar[str] = "stock_levels"
    title: ClassVar[str] = "Stock levels"
    parameters: ClassVar[type[StockParameters]] = StockParameters

    async def run(self, parameters: StockParameters, context: CheckContext) -> CheckResult:
        """Ask, and compare."""
        headers = {"accept": "application/json"}
        if parameters.secret:
            headers["authorization"] = f"Token {context.secret(parameters.secret)}"
        levels = [
            await self._level(part, parameters.url, headers, context) for part in parameters.parts
        ]
        short = shortages(levels)
        said = ", ".join(f"{level.name} ({_number(level.missing)} missing)" for level in short[:3])
        more = f" and {len(short) - 3} more" if len(short) > 3 else ""
        return CheckResult(
            ok=not short,
            summary=f"{len(short)} of {len(levels)} parts are short: {said}{more}"
            if short
            else f"all {len(levels)} parts are there",
            facts={"short": {level.part: level.missing for level in short}},
            rows=tuple(
                {
                    "Part": level.name,
                    "Id": level.part,
                    "Needed": level.needed,
                    "In stock": _number(level.in_stock),
                    "Missing": _number(level.missing),
                }
                for level in short
            ),
        )

    async def _level(
        self, part: Part, url: str, headers: Mapping[str, str], context: CheckContext
    ) -> StockLevel:
        address = f"{url.rstrip('/')}/api/part/{quote(part.id, safe='')}/"
        try:
            response = await context.http.get(address, headers=headers)
        except BlockedAddressError as error:
            raise PermanentCheckError(str(error)) from error
        except _TRANSIENT as error:
            raise TransientCheckError(str(error)) from error
        except HttpClientError as error:
            raise PermanentCheckError(str(error)) from error
        status = response.status_code
        if status == 404:
            return StockLevel(part.id, f"{part.id} (unknown)", part.quantity, 0)
        if status >= 500 or status == 429:
            raise TransientCheckError(f"the inventory answered {status}")
        if status != 200:
            raise PermanentCheckError(f"the inventory answered {status}: is its token right?")
        try:
            answer = _PartAnswer.model_validate(_json(response))
        except (ValueError, ValidationError) as error:
            raise PermanentCheckError("the inventory's answer is not that of a part") from error
        return StockLevel(part.id, answer.name, part.quantity, answer.in_stock)


def _json(response: Any) -> Any:  # the HTTP library's type, and any JSON  # noqa: ANN401  # the HTTP library's response, and any JSON
    return response.json()


def _number(value: float) -> int | float:
    return int(value) if value == int(value) else value
