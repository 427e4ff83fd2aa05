"""The table of services: `central` knows those that stand here, in the order in which they start."""

from .kit.services import EngineName, Service

SERVICES: tuple[Service, ...] = (
    Service(
        "auth",
        "OpenID provider and OAuth 2.1 authorization server: users, clients, tokens.",
        8101,
        engines=(EngineName.POSTGRESQL,),
        exports=(("CENTRAL_AUTH__ISSUER", "{url}"),),
        own=(("AUTH__ISSUER", "{url}"),),
    ),
    Service(
        "audit",
        "Transparency log of what projects did: receipts, search, shredding, holds.",
        8102,
        engines=(EngineName.POSTGRESQL,),
        exports=(("CENTRAL_AUDIT__URL", "{url}"),),
        own=(
            ("AUDIT_SERVICE__URL", "{url}"),
            ("AUDIT_SERVICE__ISSUER", "{auth}"),
            ("AUDIT_SERVICE__WITNESSES", "{witness}"),
        ),
    ),
    Service(
        "witness",
        "Cosigns checkpoints of logs that only grow.",
        8103,
        engines=(EngineName.POSTGRESQL,),
        own=(("WITNESS__LOG_LISTS", "{audit}"),),
    ),
)
