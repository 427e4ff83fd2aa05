# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Fixtures that every test can ask for; a project's own go into `conftest.py`."""
