# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Ids of jobs."""

from __future__ import annotations

import os
import time


def new_job_id() -> str:
    """Return a new id: 32 hex digits that sort by time, as in a UUID of version 7 (RFC 9562).

    Stores keep jobs in the order of their ids, so that new ones lie beside each other on disk.
    """
    return f"{time.time_ns() // 1_000_000:012x}{os.urandom(10).hex()}"
