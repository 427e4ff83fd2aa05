"""Which projects there are: sources, and the clones that are read."""

from .projects import Project

__all__ = ["Project"]
