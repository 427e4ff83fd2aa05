"""Rules: the standards that projects are held to, and how they are checked."""

from .errors import CannotReadError, NotCheckedError
from .model import Rule, Sighting
from .options import Options
from .project import Project

__all__ = ["CannotReadError", "NotCheckedError", "Options", "Project", "Rule", "Sighting"]
