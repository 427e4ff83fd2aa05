# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Import structlog without rich.

structlog imports rich when it is installed, and it is: Typer depends on it. That more than
quadruples the cost (structlog alone 56 ms of CPU, with rich 340, measured 2026-11-22), for
tracebacks that this service doesn't print. While structlog is imported, rich is therefore marked
as absent, in the way the import system documents: None in `sys.modules`.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    import structlog
else:
    _hide = "rich" not in sys.modules and "structlog" not in sys.modules
    if _hide:
        sys.modules["rich"] = cast("ModuleType", None)
    try:
        import structlog
    finally:
        if _hide:
            del sys.modules["rich"]

__all__ = ["structlog"]
