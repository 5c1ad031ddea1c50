"""Encoders: backbones, the bag-of-tricks head, checkpoints."""
