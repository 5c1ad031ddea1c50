"""Experiment ``classifier-probe``: robustness in the identity classifier."""
