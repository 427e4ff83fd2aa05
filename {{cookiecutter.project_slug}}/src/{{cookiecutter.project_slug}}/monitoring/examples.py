# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Two tasks to try; `tasks examples` adds them, not active."""

from __future__ import annotations

from typing import Any


def example_tasks() -> list[dict[str, Any]]:
    """Return an endpoint with its certificate, and a stock of parts.

    The first two ask a host that is there for examples; the third asks an inventory on this
    machine, such as that of `tests/monitoring/inventory.py`, whose host the service must be allowed
    to call (HTTP_CLIENT__ALLOWED_INTERNAL_HOSTS=127.0.0.1).
    """
    return [
        {
            "name": "Example: endpoint",
            "check": "http_endpoint",
            "parameters": {"url": "https://example.com/", "contains": "Example Domain"},
            "interval_s": 300,
            "active": False,
        },
        {
            "name": "Example: certificate",
            "check": "tls_certificate",
            "parameters": {"host": "example.com", "warn_days": 21},
            "cron": "0 7 * * *",
            "timezone": "Europe/Berlin",
            "active": False,
        },
        {
            "name": "Example: stock of parts",
            "check": "stock_levels",
            "parameters": {
                "url": "http://127.0.0.1:8765",
                "parts": [{"id": "R-10K", "quantity": 500}, {"id": "M3-SCREW", "quantity": 2000}],
            },
            "cron": "30 6 * * mon-fri",
            "timezone": "Europe/Berlin",
            "active": False,
        },
    ]
