"""The template: its releases, its manifest, and what it renders for given answers."""

from .cache import RenderCache
from .manifest import Manifest
from .mirror import Mirror
from .render import Render, Rendered

__all__ = ["Manifest", "Mirror", "Render", "RenderCache", "Rendered"]
