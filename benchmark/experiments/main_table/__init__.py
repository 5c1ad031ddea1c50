"""Experiment ``main``: the main table of the DDID paper."""
