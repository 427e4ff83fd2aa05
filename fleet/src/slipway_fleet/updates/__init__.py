"""Updates: what one would do to a project, and carrying it to every project in waves."""

from .ownership import Note
from .plan import Plan, plan_project

__all__ = ["Note", "Plan", "plan_project"]
