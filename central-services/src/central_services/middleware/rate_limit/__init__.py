# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""How often a client may call: quotas, counted in this process or on a shared server."""

from .limiter import KeyFunction, LimiterOptions, RateLimiter, StoreFailure
from .scripts import AlgorithmName
from .store import SharedStore

__all__ = [
    "AlgorithmName",
    "KeyFunction",
    "LimiterOptions",
    "RateLimiter",
    "SharedStore",
    "StoreFailure",
]
