"""Schemas of actions: what administrators of a tenant say that events have to look like."""
