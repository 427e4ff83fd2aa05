# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""What every service is built on: composition, configuration, errors, error tracking."""
