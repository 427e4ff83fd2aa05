# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""How an update ends early."""


class UpdateError(Exception):
    """Says what is wrong and what to do next; nothing was changed."""
