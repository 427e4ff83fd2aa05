"""See, enforce and move every project that was made from a Slipway template."""

__version__ = "0.1.0"
