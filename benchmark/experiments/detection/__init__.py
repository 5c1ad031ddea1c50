"""Experiment ``detection``: can attacked queries be told from clean ones."""
