"""Processes that are started, watched, started again and stopped, and found again after a crash."""
