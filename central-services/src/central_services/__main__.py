# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Run the command line: `python -m` this package."""

from .cli import main

if __name__ == "__main__":
    main()
