"""Deliberately broken defenses: what the sanity flags and adaptive attacks must unmask.

Each masks the gradient of a plainly trained encoder in another way and adds no robustness.
"""
