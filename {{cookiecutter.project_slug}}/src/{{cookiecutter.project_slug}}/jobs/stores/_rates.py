# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""What a rate limit allows at once."""

_BURST_S = 0.05


def burst_of(rate: float) -> int:
    """Return how many jobs may start at once: those of 50 ms, which a worker may be late by."""
    return max(1, int(rate * _BURST_S))
