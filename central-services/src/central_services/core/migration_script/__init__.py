# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""What Alembic works with; it is loaded by path, never imported."""
