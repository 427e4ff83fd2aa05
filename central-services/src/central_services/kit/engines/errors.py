"""What can be wrong with engines; every text says what to do."""


class EngineError(Exception):
    """Base: an engine can't be installed, prepared or started."""
