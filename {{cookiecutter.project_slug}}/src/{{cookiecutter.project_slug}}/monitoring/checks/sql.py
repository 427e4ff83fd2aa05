# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""A number that a query of the database returns, against a threshold."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from ...core.database import Database, DatabaseUnavailableError
from ..errors import PermanentCheckError, TransientCheckError
from .base import CheckContext, CheckParameters, CheckResult


def _one_query(sql: str) -> str:
    plain = sql.strip().removesuffix(";").strip()
    if not re.match(r"(?is)(select|with)\b", plain) or ";" in plain:
        raise ValueError("write one SELECT (or WITH), without a semicolon inside")
    return plain


class SqlParameters(CheckParameters):
    """The query, and what its number must be."""

    query: Annotated[str, AfterValidator(_one_query)] = Field(max_length=4000)
    operator: Literal["<", "<=", "==", "!=", ">=", ">"] = Field(
        default="<=", description="How the number must compare to the threshold."
    )
    threshold: Decimal


class SqlCheck:
    """Runs a query that can't write, on the project's database, within its statement timeout."""

    kind: ClassVar[str] = "sql_threshold"
    title: ClassVar[str] = "SQL threshold"
    parameters: ClassVar[type[SqlParameters]] = SqlParameters

    async def run(self, parameters: SqlParameters, context: CheckContext) -> CheckResult:
        """Query, and compare."""
        database = context.resource(Database)
        try:
            async with database.read() as session:
                rows = (await session.execute(text(parameters.query))).fetchmany(2)
        except DatabaseUnavailableError as error:
            raise TransientCheckError("the database is away or too busy") from error
        except SQLAlchemyError as error:
            said = str(getattr(error, "orig", None) or error).splitlines()[0]
            raise PermanentCheckError(f"the query is refused: {said}"[:300]) from error
        if len(rows) != 1 or len(rows[0]) != 1:
            raise PermanentCheckError("the query must return one row with one number")
        value = rows[0][0]
        if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
            raise PermanentCheckError(f"the query returned {type(value).__name__}, not a number")
        number = Decimal(str(value))
        ok = _compare(number, parameters.operator, parameters.threshold)
        wanted = f"{parameters.operator} {parameters.threshold}"
        return CheckResult(
            ok=ok,
            summary=f"{number} {'is' if ok else 'is not'} {wanted}",
            facts={"ok": ok, "value": str(number.normalize())},
        )


def _compare(number: Decimal, operator: str, threshold: Decimal) -> bool:
    order = (number > threshold) - (number < threshold)
    return {
        "<": order < 0,
        "<=": order <= 0,
        "==": order == 0,
        "!=": order != 0,
        ">=": order >= 0,
        ">": order > 0,
    }[operator]
