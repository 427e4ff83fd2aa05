"""Fixtures of this project."""
