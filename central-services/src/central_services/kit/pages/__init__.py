"""Pages that people see, of every service: one look, one frame, no scripts."""

from .rendering import HEADERS, make_environment, style_sheet

__all__ = ["HEADERS", "make_environment", "style_sheet"]
