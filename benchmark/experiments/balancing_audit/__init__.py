"""Experiment ``balancing-audit``: the images that balance a training split."""
