"""The program `central`: the engines and services of an organisation, from one command."""

from .app import main

__all__ = ["main"]
