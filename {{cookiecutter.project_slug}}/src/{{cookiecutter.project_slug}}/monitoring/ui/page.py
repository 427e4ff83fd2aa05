# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""What Streamlit runs for each click; it knows no packages, so the page is imported by name."""

import importlib
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[2].name

importlib.import_module(f"{_PACKAGE}.monitoring.ui.views").show()
