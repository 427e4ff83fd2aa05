"""The table of services: `central` knows those that stand here, in the order in which they start."""

from .kit.services import Service

SERVICES: tuple[Service, ...] = ()
