"""`python -m slipway_fleet` is `fleet`."""

from .cli import main

main()
