# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Regular expressions that are compiled when they are first needed.

All the patterns of a service took 10 ms of CPU at each start (measured 2026-11-22), most of them
for text that a process may never see.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import AnyStr, Generic


class LazyPattern(Generic[AnyStr]):
    """A regular expression; `compiled` is `re.compile` of it, made once.

    Args:
        source: The pattern.
        flags: As for `re.compile`.
    """

    def __init__(self, source: AnyStr, flags: int = 0) -> None:
        self.source: AnyStr = source
        self.flags = flags

    @cached_property
    def compiled(self) -> re.Pattern[AnyStr]:
        """The pattern, ready to search with.

        Raises:
            re.error: When the source is not a pattern.
        """
        return re.compile(self.source, self.flags)
