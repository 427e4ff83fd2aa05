# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""How often jobs of a queue may start, over all workers."""

from __future__ import annotations

from .table import Change, Table

_TRIES = 20


def wait_for_turn(table: Table, queue: str, rate: float | None, now: float) -> float:
    """Count a start and return 0, or return the seconds until one is free (GCRA, without a burst).

    Args:
        table: Where the next free moment is kept.
        queue: The queue.
        rate: Starts per second; None for no limit.
        now: The table's time.
    """
    if not rate:
        return 0.0
    for _ in range(_TRIES):
        _, (stored,) = table.read([f"rate:{queue}"])
        free_at = float(stored.body or b"0")
        if free_at > now:
            return free_at - now
        following = f"{max(now, free_at) + 1 / rate:.6f}".encode()
        if table.write([Change(key=f"rate:{queue}", version=stored.version, body=following)]):
            return 0.0
    return 1 / rate
