"""The project's own checks, for scheduled tasks: `tasks checks` lists them with the platform's."""

from __future__ import annotations

import sys
from datetime import date

from pydantic import Field

from .monitoring import CheckContext, CheckParameters, CheckResult, check

# The month in which each release gets its last security fix (PEP 664, 693, 719, 745).
_LAST_FIXES = {
    (3, 11): date(2027, 10, 1),
    (3, 12): date(2028, 10, 1),
    (3, 13): date(2029, 10, 1),
    (3, 14): date(2030, 10, 1),
}


class PythonSupport(CheckParameters):
    """How early to warn."""

    warn_days: int = Field(default=180, ge=0, le=1000)


@check("python_support", parameters=PythonSupport)
async def python_support(parameters: PythonSupport, context: CheckContext) -> CheckResult:
    """Support of the running Python."""
    version = sys.version_info[:2]
    name = "Python {}.{}".format(*version)
    last = _LAST_FIXES.get(version)
    if last is None:
        return CheckResult(ok=True, summary=f"{name} is not in the list of this check")
    ok = (last - context.clock().date()).days >= parameters.warn_days
    summary = f"{name} gets security fixes until {last:%B %Y}"
    return CheckResult(ok=ok, summary=summary, facts={"version": list(version), "ok": ok})
