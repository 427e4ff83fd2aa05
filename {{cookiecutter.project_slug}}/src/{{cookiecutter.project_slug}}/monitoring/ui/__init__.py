# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The page of scheduled tasks; it needs Streamlit, the extra `ui`."""
