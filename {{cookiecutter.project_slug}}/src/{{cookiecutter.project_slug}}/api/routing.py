# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Routers of the platform, which cost a project's own routes next to nothing."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.routing import Match
from starlette.types import Scope


class PrefixRouter(APIRouter):
    """A router that looks at its routes only for a path below its prefix.

    FastAPI tries every route of every router in the order of their registration: the probes alone
    would add 20 % to the CPU of a small request for something else. To be included without a prefix
    on top of its own.
    """

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Return how well one of the routes fits a request."""
        path: str = scope["path"]
        root = scope.get("root_path", "")
        inside = path[len(root) :] if root and path.startswith(f"{root}/") else path
        return super().matches(scope) if inside.startswith(self.prefix) else (Match.NONE, {})
