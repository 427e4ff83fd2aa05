# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Values that are costly to come by, kept for a while: in process, or on Valkey or Redis."""

from .client import CacheClient
from .counters import CacheStats, NamespaceStats
from .decorator import cached
from .dependencies import Cache
from .namespace import Namespace
from .settings import CacheSettings

__all__ = [
    "Cache",
    "CacheClient",
    "CacheSettings",
    "CacheStats",
    "Namespace",
    "NamespaceStats",
    "cached",
]
