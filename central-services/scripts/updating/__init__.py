# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""What `scripts/update` is made of: the standard library, git, and copier as a program."""
