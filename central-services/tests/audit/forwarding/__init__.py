# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
