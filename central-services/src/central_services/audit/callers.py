# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Who calls, as the audit trail names them."""

from __future__ import annotations

from fastapi import Request

from ..clients.auth import CurrentUser
from .events import Actor


def name_actor(request: Request, user: CurrentUser) -> None:
    """Make the caller of an authenticated request the actor of what it records."""
    session = user.claims.get("sid", user.claims.get("jti"))
    request.state.actor = Actor(
        "service" if user.is_service else "user",
        user.subject,
        session=session if isinstance(session, str) else None,
    )
