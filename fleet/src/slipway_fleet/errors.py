"""What can go wrong, each error with the exit code a command ends with."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """How a command ends."""

    CLEAN = 0
    FINDINGS = 1
    USAGE = 2
    UNCHECKED = 3  # some project could not be checked, which is never clean


class FleetError(Exception):
    """Stops a command; the text says what to do next, and is all a person sees."""

    exit = Exit.USAGE


class ConfigError(FleetError):
    """Raised when `fleet.toml` or another file of the platform team is wrong."""


class ProjectError(FleetError):
    """Raised when one project cannot be read or checked; it never stops the run over the others."""

    exit = Exit.UNCHECKED


class NotRecordedError(ProjectError):
    """Raised for a project that does not say which template it came from; `fleet adopt` finds out."""


class FileTooLargeError(ProjectError):
    """Raised instead of reading a file above the size limit."""


class NotTextError(ProjectError):
    """Raised for a file that should be UTF-8 and is not."""


class ForgeError(FleetError):
    """Raised when GitHub or GitLab refuses; the text has the status and the next step, never a token."""

    exit = Exit.UNCHECKED
