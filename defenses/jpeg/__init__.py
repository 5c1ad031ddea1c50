"""JPEG compression at test time."""

from defenses.jpeg.defense import Jpeg

__all__ = ["Jpeg"]
