# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Tests of this project; those of the platform's own files are managed."""
