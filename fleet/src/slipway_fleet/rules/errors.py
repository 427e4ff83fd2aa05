"""What can go wrong with rules, waivers and the files that they read."""

from __future__ import annotations

from ..errors import ConfigError, ProjectError


class CannotReadError(ProjectError):
    """Raised for a file of a project that can not be read; the rule ends as `error`."""

    def __init__(self, path: str, reason: str) -> None:
        """Say which file and why."""
        self.path = path
        super().__init__(f"{path} {reason}")


class NotCheckedError(ProjectError):
    """Raised when a rule needs what this run does not have; the outcome is not applicable."""


class RuleFileError(ConfigError):
    """Raised for a rule file that is wrong, before any project is looked at."""

    def __init__(self, place: str, problem: str) -> None:
        """Say where and what."""
        super().__init__(f"{place}: {problem}")


class WaiverFileError(ConfigError):
    """Raised for a file of waivers that can not be used at all."""
