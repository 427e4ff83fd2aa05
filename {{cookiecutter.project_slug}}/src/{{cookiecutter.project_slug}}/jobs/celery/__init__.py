# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The same tasks on Celery: it carries and runs jobs, and the ledger knows them."""
