# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The engines that keep jobs: one module, or a few with one beginning, for each."""
