# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""A service on the platform standard: `main` composes it, `settings` configures it."""
