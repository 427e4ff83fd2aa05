# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Counters of a worker, in the text format of Prometheus."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict

_BOUNDS = (0.005, 0.025, 0.1, 0.5, 2.5, 10.0, 60.0, 300.0)


class JobMetrics:
    """What a worker did since its start.

    Attributes:
        running: Jobs that run now.
    """

    def __init__(self) -> None:
        self.running = 0
        self._attempts: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._buckets: defaultdict[str, list[int]] = defaultdict(lambda: [0] * len(_BOUNDS))
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._waited_s: defaultdict[str, float] = defaultdict(float)

    def finished(self, task: str, outcome: str, duration_s: float, waited_s: float) -> None:
        """Count an attempt that ended."""
        self._attempts[task, outcome] += 1
        self._seconds[task] += duration_s
        self._waited_s[task] += waited_s
        bucket = bisect_left(_BOUNDS, duration_s)
        if bucket < len(_BOUNDS):
            self._buckets[task][bucket] += 1

    def total(self, outcome: str) -> int:
        """Return how many attempts ended in some way."""
        return sum(count for (_, how), count in self._attempts.items() if how == outcome)

    def render(self) -> str:
        """Return all counters as text (prometheus.io/docs/instrumenting/exposition_formats)."""
        lines = ["# TYPE jobs_running gauge", f"jobs_running {self.running}"]
        lines.append("# TYPE jobs_attempts_total counter")
        for (task, outcome), count in sorted(self._attempts.items()):
            lines.append(f"jobs_attempts_total{_labels(task, 'outcome', outcome)} {count}")
        lines.append("# TYPE jobs_waited_seconds_total counter")
        for task, seconds in sorted(self._waited_s.items()):
            lines.append(f"jobs_waited_seconds_total{_labels(task)} {seconds:.6f}")
        lines.append("# TYPE jobs_duration_seconds histogram")
        for task, seconds in sorted(self._seconds.items()):
            lines += self._histogram(task, seconds)
        return "\n".join(lines) + "\n"

    def _histogram(self, task: str, seconds: float) -> list[str]:
        so_far = 0
        lines = []
        for bound, count in zip(_BOUNDS, self._buckets[task], strict=True):
            so_far += count
            lines.append(f"jobs_duration_seconds_bucket{_labels(task, 'le', str(bound))} {so_far}")
        total = sum(count for (name, _), count in self._attempts.items() if name == task)
        lines.append(f"jobs_duration_seconds_bucket{_labels(task, 'le', '+Inf')} {total}")
        lines.append(f"jobs_duration_seconds_sum{_labels(task)} {seconds:.6f}")
        lines.append(f"jobs_duration_seconds_count{_labels(task)} {total}")
        return lines


def _labels(task: str, name: str = "", value: str = "") -> str:
    """Return labels; names of tasks hold nothing that had to be escaped."""
    more = f',{name}="{value}"' if name else ""
    return "{" + f'task="{task}"{more}' + "}"
