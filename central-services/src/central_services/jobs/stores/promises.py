# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""What every engine does alike, in numbers and words."""

from __future__ import annotations

BURST_S = 0.1
"""Seconds' worth of a queue's rate that may start at once."""

LOST = "WorkerLost: the worker died, or could not prolong its lease"
"""The error of an attempt whose lease ended without an outcome."""


def burst_of(rate: float) -> int:
    """Return how many jobs of a queue with a rate limit may start at once."""
    return max(1, int(rate * BURST_S))
