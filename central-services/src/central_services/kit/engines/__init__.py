"""Engines: proven servers from hash-locked wheels, started without Docker."""
