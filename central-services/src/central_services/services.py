"""The table of services: `central` knows those that stand here, in the order in which they start."""

from .kit.services import Call, EngineName, Pages, Service

_PLATFORM = (("CENTRAL_AUTH__ISSUER", "{auth}"), ("CENTRAL_AUDIT__URL", "{audit}"))
"""Each service takes tokens of the auth service, and has its own trail forwarded to the audit service."""
_AUDITED = (Call("audit", ("audit:write",)),)

SERVICES: tuple[Service, ...] = (
    Service(
        "auth",
        "OpenID provider and OAuth 2.1 authorization server: users, clients, tokens.",
        8101,
        engines=(EngineName.POSTGRESQL,),
        exports=(("CENTRAL_AUTH__ISSUER", "{url}"),),
        own=(
            *_PLATFORM,
            ("AUDIT__ORIGIN", "central-services/auth"),
            ("AUTH__ISSUER", "{url}"),
        ),
        calls=_AUDITED,
    ),
    Service(
        "audit",
        "Transparency log of what projects did: receipts, search, shredding, holds.",
        8102,
        engines=(EngineName.POSTGRESQL,),
        exports=(("CENTRAL_AUDIT__URL", "{url}"),),
        own=(
            *_PLATFORM,
            ("AUDIT__ORIGIN", "central-services/audit"),
            ("AUDIT_SERVICE__URL", "{url}"),
            ("AUDIT_SERVICE__WITNESSES", "{witness}"),
        ),
        calls=_AUDITED,
        lets_projects=("audit:write",),
        pages=Pages("audit-pages", "Audit", "/ui/callback"),
    ),
    Service(
        "witness",
        "Cosigns checkpoints of logs that only grow.",
        8103,
        engines=(EngineName.POSTGRESQL,),
        own=(
            *_PLATFORM,
            ("AUDIT__ORIGIN", "central-services/witness"),
            ("WITNESS__LOG_LISTS", "{audit}"),
        ),
        calls=_AUDITED,
    ),
)
