# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The platform's own tasks; a project's are in `tasks.py`."""
