# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Jobs for endpoints: `async def status(job_id: str, jobs: Jobs) -> ...`."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from .client import JobClient


async def get_jobs(request: Request) -> JobClient:
    """Return the application's job client.

    Raises:
        RuntimeError: When the application was not started.
    """
    client = getattr(request.app.state, "jobs", None)
    if not isinstance(client, JobClient):
        msg = "the application has no jobs: it was not started, or not made by build_app"
        raise RuntimeError(msg)  # noqa: TRY004  # nobody passed a wrong type
    return client


Jobs = Annotated[JobClient, Depends(get_jobs)]
"""The job client, for a parameter of an endpoint."""
