"""Orders: place, look up, list, ship and cancel. A worked example to rename or delete."""

from .endpoints import router

__all__ = ["router"]
