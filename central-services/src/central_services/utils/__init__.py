# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Logging, redaction and address rules, used by everything else."""
