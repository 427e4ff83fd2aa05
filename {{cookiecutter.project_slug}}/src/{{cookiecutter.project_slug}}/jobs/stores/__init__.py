# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Where jobs are kept: embedded, or on a server."""
