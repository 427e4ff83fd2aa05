"""The engines there are."""

from ..services import EngineName
from .engine import Engine
from .nats import Nats
from .postgresql import PostgreSQL
from .valkey import Valkey

ENGINES: dict[EngineName, Engine] = {
    EngineName.POSTGRESQL: PostgreSQL(),
    EngineName.VALKEY: Valkey(),
    EngineName.NATS: Nats(),
}
