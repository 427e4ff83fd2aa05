"""What a check found, for every reader: people, managers, auditors and programs."""

from .model import Report
from .writing import FORMATS, render

__all__ = ["FORMATS", "Report", "render"]
