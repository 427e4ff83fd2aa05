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
)
