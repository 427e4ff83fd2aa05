# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The audit trail: who did what, kept so that nobody can change it unnoticed."""

from .actions import ACTIONS, Action, ActionRegistry, OcsfClass
from .decorators import audited
from .dependencies import Audit, RequestAudit
from .events import SYSTEM, Actor, AuditEvent, DataClass, Outcome, Retention, Sensitivity, Target
from .log import AuditLog

__all__ = [
    "ACTIONS",
    "SYSTEM",
    "Action",
    "ActionRegistry",
    "Actor",
    "Audit",
    "AuditEvent",
    "AuditLog",
    "DataClass",
    "OcsfClass",
    "Outcome",
    "RequestAudit",
    "Retention",
    "Sensitivity",
    "Target",
    "audited",
]
