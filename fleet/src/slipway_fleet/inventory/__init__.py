"""Which projects there are: sources, and the clones that are read."""

from .listing import Inventory, take
from .projects import Project

__all__ = ["Inventory", "Project", "take"]
