"""Experiment ``certificate``: certified Rank-1 of smoothed encoders."""
