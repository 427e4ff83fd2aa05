"""Checks that are Python classes: the catalogue's own, and those of other distributions.

A distribution adds checks through the entry-point group `slipway_fleet.checks`: a class that takes
`Options` and, called with a `Project`, yields what is wrong. A rule names it with `name`.
"""

from __future__ import annotations

import importlib
import importlib.metadata

from ..code import CLASSES
from ..errors import RuleFileError
from ..model import Check
from ..options import Options

GROUP = "slipway_fleet.checks"


def plugin(options: Options) -> Check:
    """Return the check that `name` stands for; the other options are its own."""
    name = options.text("name")
    if name in CLASSES:
        module, _, attribute = CLASSES[name].partition(":")
        made: Check = getattr(importlib.import_module(f"...code.{module}", __name__), attribute)(
            options
        )
        return made
    found = list(importlib.metadata.entry_points(group=GROUP, name=name))
    if not found:
        raise RuleFileError(
            options.place, f"no installed distribution has the check {name} ({GROUP})"
        )
    try:
        check: Check = found[0].load()(options)
    except Exception as error:  # whatever a plugin raises names the plugin, not a traceback
        raise RuleFileError(options.place, f"the check {name} can not be made: {error}") from error
    return check
